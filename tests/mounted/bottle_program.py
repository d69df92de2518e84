"""A Bottle program as its users write them: forms, uploads, files, a generator, cookies, errors.

It knows nothing of this framework; `programs` mounts it.
"""

# mypy: disable-error-code="import-untyped, untyped-decorator, no-untyped-call, no-any-return"
# (bottle has no types)

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bottle import Bottle, HTTPError, HTTPResponse, abort, redirect, request, response, static_file

SECRET = "not much of a secret"
FILES = Path(__file__).parent / "static"

application = Bottle()


@application.get("/")
def index() -> dict[str, Any]:
    return {
        "url": request.url,
        "script": request.script_name,
        "path": request.path,
        "query": [[name, value] for name, value in request.query.decode().allitems()],
        "agent": request.headers.get("X-Agent"),
    }


@application.get("/hello/<name>")
def hello(name: str) -> str:
    return f"Hello {name}"


@application.post("/form")
def form() -> dict[str, Any]:
    return {"fields": [[name, value] for name, value in request.forms.decode().allitems()]}


@application.post("/upload")
def upload() -> dict[str, Any]:
    file = request.files["up"]
    content = file.file.read()
    return {
        "title": request.forms.getunicode("title"),
        "filename": file.filename,
        "size": len(content),
        "digest": hashlib.sha256(content).hexdigest(),
    }


@application.put("/raw")
def raw() -> dict[str, Any]:
    body = request.body.read()
    return {"length": request.content_length, "size": len(body), "digest": hashlib.sha256(body).hexdigest()}


@application.post("/json")
def json() -> dict[str, Any]:
    return {"got": request.json}


@application.get("/files/<name:path>")
def files(name: str) -> HTTPResponse:
    return static_file(name, root=FILES)


@application.get("/numbers/<count:int>")
def numbers(count: int) -> Iterator[str]:
    response.content_type = "text/plain; charset=utf-8"
    for number in range(count):
        yield f"number {number}\n"


@application.get("/login")
def login() -> str:
    response.set_cookie("visitor", "Ada", secret=SECRET, path="/", httponly=True)
    response.set_cookie("theme", "dark")
    return "welcome"


@application.get("/visitor")
def visitor() -> str:
    return request.get_cookie("visitor", secret=SECRET) or "nobody"


@application.get("/away")
def away() -> None:
    redirect("hello/Ada")


@application.get("/teapot")
def teapot() -> None:
    abort(418, "short and stout")


@application.get("/fail")
def fail() -> None:
    raise RuntimeError("only the log may say this")


@application.delete("/things/<number:int>")
def delete(number: int) -> None:
    response.status = 204


@application.error(418)
def stout(error: HTTPError) -> str:
    return f"error: {error.body}"
