"""Applications that know nothing of the framework, as tests mount them: each tells what it was told."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from typing import Any

from duoframe import Request, inline
from duoframe.types import Environ, Receive, Scope, Send, StartResponse

JSON = ("content-type", "application/json")


def told_wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with the environ, as far as it is text, and the body."""
    told = {name: value for name, value in environ.items() if isinstance(value, str | bool | int)}
    told["body"] = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode("latin-1")
    start_response("200 OK", [JSON])
    return [json.dumps(told).encode()]


async def told_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the scope, as far as it is text, and the body."""
    if scope["type"] != "http":
        raise RuntimeError("it knows no lifespan")
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    told: dict[str, Any] = {name: value for name, value in scope.items() if isinstance(value, str | bool | int)}
    told |= {name: value.decode("latin-1") for name, value in scope.items() if isinstance(value, bytes)}
    told["headers"] = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    told["client"], told["server"] = scope["client"], scope["server"]
    told["body"] = body.decode("latin-1")
    await answer(send, json.dumps(told).encode())


async def answer(send: Send, *chunks: bytes, status: int = 200, fields: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """An answer in as many messages as there are chunks."""
    headers = [(b"content-type", b"application/json"), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for place, chunk in enumerate(chunks):
        await send({"type": "http.response.body", "body": chunk, "more_body": place < len(chunks) - 1})


@inline
def passing(request: Request) -> Generator[Any, Any]:
    response = yield
    response.headers["x-passed"] = "inline"


def passing_def(request: Request) -> Generator[Any, Any]:
    response = yield
    response.headers["x-passed"] = "def"


async def passing_async_def(request: Request) -> AsyncGenerator[Any, Any]:
    response = yield
    response.headers["x-passed"] = "async def"


AROUND: dict[str, list[Callable[..., Any]]] = {
    "nothing": [],
    "inline": [passing],
    "def": [passing_def],
    "async def": [passing_async_def],
}
"""What stands around a mount: by its colour."""
