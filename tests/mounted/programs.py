"""Four programs of other frameworks in one application: below a prefix, inside of middleware, and as the fallback.

Knows where each is mounted; must not know what it answers. `tests/servers/test_mounted.py` asks.
"""

# mypy: disable-error-code="import-untyped"
# (httpbin and django have no types)

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

import httpbin

from duoframe import App, PlainTextResponse, Request, Response, inline
from tests.mounted import bottle_program, fastapi_program
from tests.mounted.library import wsgi as library

PROGRAMS: dict[str, Any] = {  # Any: applications of either protocol
    "httpbin": httpbin.app,
    "django": library.application,
    "bottle": bottle_program.application,
    "fastapi": fastapi_program.application,
}


@inline
def inline_gate(request: Request) -> Generator[Any, Response, None]:
    if "x-refuse" in request.headers:
        yield PlainTextResponse("not here", 403)
        return
    response: Response = yield
    response.headers["x-gate"] = "inline"


def def_gate(request: Request) -> Generator[Any, Response, None]:
    if "x-refuse" in request.headers:
        yield PlainTextResponse("not here", 403)
        return
    response: Response = yield
    response.headers["x-gate"] = "def"


async def async_gate(request: Request) -> AsyncGenerator[Any, Response]:
    if "x-refuse" in request.headers:
        yield PlainTextResponse("not here", 403)
        return
    response: Response = yield
    response.headers["x-gate"] = "async def"


GATES = {"inline.test": inline_gate, "def.test": def_gate, "async.test": async_gate}
"""The hosts at which middleware stands around every program."""

app = App(threads=40, streams=20)


@app.get("/robots.txt")
def robots() -> str:
    """What httpbin has too, and what was moved over from it."""
    return "moved"


for name, program in PROGRAMS.items():
    app.mount(f"/{name}", program)
    for host, gate in GATES.items():
        app.mount(f"/{name}", program, host=host, middleware=[gate])
    if name != "httpbin":
        app.fallback(program, host=f"{name}.test")
app.fallback(httpbin.app)
