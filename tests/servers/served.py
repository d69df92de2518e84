"""The app that every server in this folder serves.

Knows the routes that the tests ask for; must not know which server runs it. What has to be seen from outside the
process, or from its neighbour, is a file (`notes`). `wire` asks, `table` starts.
"""

import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from anyio import sleep
from anyio.lowlevel import checkpoint

from duoframe import App, EventSourceResponse, FileResponse, Request, Response, ServerSentEvent
from duoframe.debugpage import may_see
from duoframe.testing import exchange
from duoframe.types import ASGIApp, Environ, ExcInfo, Message, Receive, Scope, Send, StartResponse, WSGIApp
from tests.servers.notes import DEADLINE, DIRECTORY, POLL, count, note, wait_for
from tests.servers.table import MAX_BODY_SIZE

THREADS = 64

app = App(threads=THREADS, max_body_size=MAX_BODY_SIZE)
mark: ContextVar[str | None] = ContextVar("mark", default=None)


def name_wsgi(inner: WSGIApp) -> WSGIApp:
    """Put the door's name on each answer, as a middleware of the server's own protocol does."""

    def wrapped(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None) -> Any:
            return start_response(status, [*headers, ("x-door", "wsgi")], exc_info)

        return inner(environ, start)

    return wrapped


def name_asgi(inner: ASGIApp) -> ASGIApp:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-door", b"asgi")]}
            await send(message)

        await inner(scope, receive, named)

    return wrapped


app.wrap_wsgi(name_wsgi)
app.wrap_asgi(name_asgi)
app.static("/static", Path(__file__).parent)


@app.lifespan
def lifespan(app: App) -> Iterator[None]:
    note(f"started/{os.getpid()}-def")
    yield
    note(f"stopped/{os.getpid()}-def")


@app.lifespan
async def lifespan_later(app: App) -> AsyncIterator[None]:
    note(f"started/{os.getpid()}-async")
    yield
    note(f"stopped/{os.getpid()}-async")


@app.get("/lifespan")
def lifespan_of_this_process() -> dict[str, int]:
    return {colour: count(f"started/{os.getpid()}-{colour}") for colour in ("def", "async")}


@app.get("/hello/{name}")
def hello(name: str) -> str:
    return f"Hello {name}"


@app.get("/local")
def local(request: Request) -> bool:
    return may_see(request)


@app.get("/later/{n:int}")
async def later(n: int) -> dict[str, int]:
    await checkpoint()
    return {"n": n}


@app.post("/items")
def create(request: Request) -> tuple[dict[str, Any], int, dict[str, str]]:
    return {"got": request.json}, 201, {"x-made": "here"}


@app.post("/async/items")
async def create_later(request: Request) -> tuple[dict[str, Any], int, dict[str, str]]:
    return {"got": request.json}, 201, {"x-made": "here"}


@app.get("/files/{rest:path}")
def rest_of_path(rest: str) -> str:
    return rest


@app.get("/file")
def file() -> FileResponse:
    return FileResponse(DIRECTORY / "served")


@app.get("/async/file")
async def file_later() -> FileResponse:
    return FileResponse(DIRECTORY / "served")


@app.get("/query")
def query(request: Request) -> dict[str, list[str]]:
    return {name: request.query.getlist(name) for name in request.query}


@app.get("/folder/")
def folder() -> str:
    return "folder"


@app.get("/empty")
def empty() -> bytes:
    return b""


@app.get("/stream")
def stream() -> Iterator[str]:
    yield from ("one ", "two ", "thrée")


@app.get("/async/stream")
async def stream_later() -> AsyncIterator[str]:
    for part in ("one ", "two ", "thrée"):
        await checkpoint()
        yield part


@app.post("/size")
def size(request: Request) -> dict[str, int]:
    return {"size": len(request.body)}


@app.post("/upload", stream=True)
def upload(request: Request) -> dict[str, int]:
    return {"size": sum(len(chunk) for chunk in request.stream)}


@app.post("/async/upload", stream=True)
async def upload_later(request: Request) -> dict[str, int]:
    total = 0
    async for chunk in request.stream:
        total += len(chunk)
    return {"size": total}


@app.post("/form/files")
def files(request: Request) -> dict[str, Any]:
    return {"form": request.form.multi_items(), "sizes": [len(file.read()) for file in request.files.getlist("up")]}


@app.post("/async/form/files")
async def files_later(request: Request) -> dict[str, Any]:
    sizes = [len(await file.read()) for file in request.files.getlist("up")]
    return {"form": request.form.multi_items(), "sizes": sizes}


@app.post("/form/parts", stream=True)
def parts(request: Request) -> dict[str, Any]:
    fields, sizes = [], []
    for part in request.stream.parts():
        if part.filename is None:
            fields.append([part.name, part.read().decode()])
        else:
            sizes.append(sum(len(chunk) for chunk in part))
    return {"form": fields, "sizes": sizes}


@app.post("/async/form/parts", stream=True)
async def parts_later(request: Request) -> dict[str, Any]:
    fields, sizes = [], []
    async for part in request.stream.parts():
        if part.filename is None:
            fields.append([part.name, (await part.read()).decode()])
        else:
            sizes.append(sum([len(chunk) async for chunk in part]))
    return {"form": fields, "sizes": sizes}


@app.post("/ignored", stream=True)
def ignored() -> str:
    """Answer without a look at the body, after the server has had time to fill its buffers with it."""
    time.sleep(5 * POLL)
    return "ignored"


@app.get("/raise")
def fail() -> str:
    raise RuntimeError("only the log may say this")


@app.get("/async/raise")
async def fail_later() -> str:
    raise RuntimeError("only the log may say this")


@app.get("/header/{kind}")
def bad_header(kind: str) -> Response:
    value = {"break": "a\r\nx-injected: b", "euro": "€", "nul": "a\0b"}[kind]
    return Response(b"never sent", headers={"x-bad": value})


@app.get("/async/header")
async def bad_header_later() -> tuple[str, int, dict[str, str]]:
    return "never sent", 200, {"x-bad": "a\r\nx-injected: b"}


@app.get("/endless/{token}")
def endless(token: str) -> Iterator[bytes]:
    try:
        while True:
            yield b"on and on " * 100
            time.sleep(POLL)
    finally:
        note(f"closed/{token}")


@app.get("/async/endless/{token}")
async def endless_later(token: str) -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"on and on " * 100
            await sleep(POLL)
    finally:
        note(f"closed/{token}")


@app.get("/events/{token}")
def events(token: str) -> EventSourceResponse:
    return EventSourceResponse(ticks(token), heartbeat=0.2)


@app.get("/async/events/{token}")
async def events_later(token: str, request: Request) -> EventSourceResponse:
    return EventSourceResponse(ticks_later(token, request.last_event_id), heartbeat=0.2)


def ticks(token: str) -> Iterator[str]:
    try:
        yield "tick"
        time.sleep(DEADLINE / 4)
    finally:
        note(f"closed/{token}")


async def ticks_later(token: str, after: str | None) -> AsyncIterator[ServerSentEvent]:
    try:
        yield ServerSentEvent("tick", id=f"after {after}")
        await sleep(3600)
    finally:
        note(f"closed/{token}")


@app.get("/closed/{token}")
def closed(token: str) -> dict[str, int]:
    """How often the endless stream of that name was closed; waits for the first time."""
    return {"closed": wait_for(1, f"closed/{token}")}


@app.get("/leaving/{token}")
def leaving(request: Request, token: str) -> None:
    """Go on until the client is known to have left."""
    deadline = time.monotonic() + DEADLINE
    note(f"running/{token}")
    while not request.is_disconnected and time.monotonic() < deadline:
        time.sleep(POLL)
    note(f"left/{token}/{request.is_disconnected}")


@app.get("/async/leaving/{token}")
async def leaving_later(request: Request, token: str) -> None:
    deadline = time.monotonic() + DEADLINE
    note(f"running/{token}")
    while not request.is_disconnected and time.monotonic() < deadline:  # noqa: ASYNC110  that is what it is for
        await sleep(POLL)
    note(f"left/{token}/{request.is_disconnected}")


@app.get("/meet/{place}/{guests:int}")
def meet(place: str, guests: int) -> dict[str, bool]:
    """Answer once `guests` requests are here at one time."""
    note(f"meet/{place}")
    return {"met": wait_for(guests, f"meet/{place}") >= guests}


@app.get("/async/meet/{place}/{guests:int}")
async def meet_later(place: str, guests: int) -> dict[str, bool]:
    note(f"meet/{place}")
    deadline = time.monotonic() + DEADLINE
    while count(f"meet/{place}") < guests and time.monotonic() < deadline:  # noqa: ASYNC110  guests may be in other processes
        await sleep(POLL)
    return {"met": count(f"meet/{place}") >= guests}


@app.get("/context/{value}")
def context(value: str) -> list[str | None]:
    before = mark.get()
    mark.set(value)
    time.sleep(POLL)
    return [before, mark.get()]


@app.get("/async/context/{value}")
async def context_later(value: str) -> list[str | None]:
    before = mark.get()
    mark.set(value)
    await sleep(POLL)
    return [before, mark.get()]


@app.get("/work")
def work() -> str:
    """A second of work, begun before the server is told to stop and ended after."""
    note("work")
    time.sleep(1)
    return "done"


@app.get("/async/work")
async def work_later() -> str:
    note("work")
    await sleep(1)
    return "done"


if "SERVED_EARLY" in os.environ:  # what a gunicorn master does when its configuration touches the app before it forks
    early = exchange(app, "wsgi", "GET", b"/later/0")
    if early.status != 200:
        raise RuntimeError(f"the master got {early.status} for GET /later/0")
