"""What a request leaves behind: no cyclic garbage, and after aborted ones no generator, file, descriptor or thread."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import io
import logging
import os
import sys
import threading
import types
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from duoframe import (
    App,
    EventSourceResponse,
    FileResponse,
    Header,
    HTTPException,
    PlainTextResponse,
    Query,
    Request,
    inline,
)
from tests.conftest import until

MULTIPART = (
    b"--x\r\ncontent-disposition: form-data; name=a\r\n\r\n1\r\n"
    b"--x\r\ncontent-disposition: form-data; name=f; filename=f\r\n\r\n" + b"f" * 200_000 + b"\r\n--x--\r\n"
)

MIXED: list[tuple[str, str, str, bytes]] = [
    ("GET", "/def/text", "", b""),
    ("GET", "/async/text", "", b""),
    ("GET", "/def/abort", "", b""),
    ("GET", "/async/abort", "", b""),
    ("GET", "/def/fail", "", b""),
    ("GET", "/async/fail", "", b""),
    ("GET", "/def/unfit", "", b""),
    ("GET", "/async/unfit", "", b""),
    ("GET", "/def/unknown", "", b""),
    ("GET", "/missing", "", b""),
    ("DELETE", "/def/text", "", b""),
    ("HEAD", "/async/stream", "", b""),
    ("HEAD", "/def/file", "", b""),
    ("GET", "/def/file", "", b""),
    ("GET", "/async/file", "", b""),
    ("GET", "/async/no-file", "", b""),
    ("HEAD", "/files/test_leaks.py", "", b""),
    ("GET", "/files/test_leaks.py", "", b""),
    ("GET", "/files/no-file", "", b""),
    ("GET", "/files/../conftest.py", "", b""),
    ("GET", "/def/stream", "", b""),
    ("GET", "/async/stream", "", b""),
    ("GET", "/mixed/stream", "", b""),
    ("GET", "/def/events", "", b""),
    ("GET", "/async/events", "", b""),
    ("GET", "/mixed/events", "", b""),
    ("GET", "/def/failing-events", "", b""),
    ("GET", "/async/failing-events", "", b""),
    ("POST", "/def/typed/7", "application/json", b'{"name": "x"}'),
    ("POST", "/def/typed/x", "application/json", b'{"name": 1}'),
    ("POST", "/async/typed/x", "application/json", b"{"),
    ("POST", "/async/typed/x", "application/json", b'{"tags": [1]}'),
    ("POST", "/def/echo", "application/json", b'{"a": [1, 2]}'),
    ("POST", "/async/echo", "application/json", b"{"),
    ("POST", "/def/echo", "application/json", b"x" * 300_000),
    ("POST", "/async/form", "multipart/form-data; boundary=x", MULTIPART),
    ("POST", "/def/form", "multipart/form-data; boundary=x", MULTIPART),
    *[
        ("POST", f"/{colour}/parts", "multipart/form-data; boundary=" + boundary, MULTIPART)
        for colour in ("def", "async")
        for boundary in ("x", "y")  # the second is refused
    ],
]


class Item(msgspec.Struct):
    name: str
    tags: list[str] = []


@dataclasses.dataclass
class Page:
    size: int = 1


class Generators:
    """Counts the body generators that were begun and not closed."""

    def __init__(self) -> None:
        self.open = 0

    def chunks(self) -> Iterator[bytes]:
        self.open += 1
        try:
            for _ in range(50):
                yield b"x" * 100
        finally:
            self.open -= 1

    async def awaited(self) -> AsyncIterator[bytes]:
        self.open += 1
        try:
            for _ in range(50):
                await asyncio.sleep(0)
                yield b"x" * 100
        finally:
            self.open -= 1


def application(generators: Generators, debug: bool) -> App:
    app = App(max_body_size=250_000, debug=debug)

    @app.middleware
    @inline
    def around(request: Request) -> Generator[Any, Any, None]:
        response = yield
        response.headers["x-error"] = type(request.error).__name__

    @app.errorhandler(404)
    @inline
    def missing(request: Request, error: HTTPException) -> Any:
        return PlainTextResponse("nothing here", 404)

    def failing() -> Any:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error

    def form(request: Request) -> Any:
        return {name: file.size for name, file in request.files.items()}

    @app.get("/def/text")
    def text() -> str:
        return "text"

    @app.get("/def/abort")
    def abort() -> None:
        raise HTTPException(403, "no")

    @app.get("/def/fail")
    def fail() -> Any:
        return failing()

    @app.get("/def/unfit")
    def unfit() -> list[int]:
        return ["a"]  # type: ignore[list-item]  # it is logged and answered 500

    @app.get("/def/unknown")
    def unknown() -> Any:
        return object()  # which nothing can encode

    @app.get("/async/unfit", produces=["application/msgpack"])
    async def waiting_unfit() -> dict[str, int]:
        return {"a": "b"}  # type: ignore[dict-item]  # as above

    @app.post("/def/echo")
    def echo(request: Request) -> Any:
        return request.json

    @app.post("/def/typed/{id}")
    def typed(id: int, item: Item, q: list[int] = [], x_token: int = Header(1)) -> Any:  # noqa: B006  # it is copied
        return [id, item.name, q]

    app.post("/def/form")(form)

    @app.post("/def/parts", stream=True)
    def parts(request: Request) -> Any:
        """Leave the walk in the middle of a part."""
        found = [[next(part), request.is_disconnected] for part in request.stream.parts()]
        return len(found)

    @app.get("/def/stream")
    def stream() -> Any:
        return generators.chunks()

    @app.get("/def/file")
    def file() -> Any:
        return FileResponse(__file__)

    app.static("/files", Path(__file__).parent, html=True, precompressed=True)

    @app.get("/async/text")
    async def waiting_text() -> str:
        await asyncio.sleep(0)
        return "text"

    @app.get("/async/abort")
    async def waiting_abort() -> None:
        raise HTTPException(403, "no")

    @app.get("/async/fail")
    async def waiting_fail() -> Any:
        await asyncio.sleep(0)
        return failing()

    @app.post("/async/echo")
    async def waiting_echo(request: Request) -> Any:
        return request.json

    @app.post("/async/typed/{id}")
    async def waiting_typed(id: int, page: Annotated[Page, Query()], item: Item) -> Any:
        return [id, page.size, item.name]

    @app.post("/async/parts", stream=True)
    async def waiting_parts(request: Request) -> Any:
        async for part in request.stream.parts():
            if part.filename is not None:
                return [len(await anext(part)), request.is_disconnected]
        return None

    @app.post("/async/form")
    async def waiting_form(request: Request) -> Any:
        return form(request)

    @app.get("/async/stream")
    async def waiting_stream() -> Any:
        return generators.awaited()

    @app.get("/async/file")
    async def waiting_file() -> Any:
        return FileResponse(__file__)

    @app.get("/async/no-file")
    async def waiting_no_file() -> Any:
        return FileResponse(__file__ + ".absent")

    @app.get("/mixed/stream")
    async def mixed_stream() -> Any:
        return generators.chunks()

    @app.get("/def/events")
    def events() -> Any:
        return EventSourceResponse(generators.chunks(), heartbeat=0.001)

    @app.get("/async/events")
    async def waiting_events() -> Any:
        return EventSourceResponse(generators.awaited(), heartbeat=0.001)

    @app.get("/mixed/events")
    async def mixed_events() -> Any:
        return EventSourceResponse(generators.chunks(), heartbeat=0.001)

    def failing_events() -> Any:
        yield "one"
        failing()

    @app.get("/def/failing-events")
    def failing_plainly() -> Any:
        return EventSourceResponse(failing_events())

    @app.get("/async/failing-events")
    async def failing_later() -> Any:
        return EventSourceResponse(failing_events())

    return app


def by_wsgi(app: App, method: str, path: str, content_type: str, body: bytes, taken: int | None = None) -> None:
    """One request; the client takes so many chunks and leaves."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)) if body else "",
        "HTTP_HOST": "localhost",
        "HTTP_ACCEPT": "text/html",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
    }
    iterable = app(environ, lambda status, headers, exc_info=None: lambda data: None)
    try:
        for count, _ in enumerate(iterable):
            if taken is not None and count >= taken:
                break
    finally:
        if hasattr(iterable, "close"):
            iterable.close()


async def by_asgi(app: App, method: str, path: str, content_type: str, body: bytes, taken: int | None = None) -> None:
    """As `by_wsgi`; a client that leaves is told by ``http.disconnect``, and by an `OSError` of ``send``."""
    headers = [(b"host", b"localhost"), (b"accept", b"text/html"), (b"content-type", content_type.encode())]
    headers.append((b"content-length", str(len(body)).encode()))
    scope = {"type": "http", "method": method, "path": path, "headers": headers, "client": ("127.0.0.1", 50000)}
    left = asyncio.Event()
    unread = [body[: len(body) // 2], body[len(body) // 2 :]]
    count = 0

    async def receive() -> Any:
        if unread:
            chunk = unread.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(unread)}
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal count
        if left.is_set():
            raise OSError("the client has left")
        if message["type"] == "http.response.body":
            if taken is not None and count >= taken:
                left.set()
            count += 1
        await asyncio.sleep(0)

    await app(scope, receive, send)


Round = Callable[[int | None], None]


@pytest.fixture(params=["wsgi", "asgi", "wsgi debug", "asgi debug"])
def rounds(request: pytest.FixtureRequest) -> Iterator[tuple[Round, Generators]]:
    """One round asks for everything in `MIXED`."""
    logging.disable()  # a log record that pytest keeps would hold the exception
    generators = Generators()
    door, _, debug = request.param.partition(" ")
    app = application(generators, bool(debug))
    if door == "wsgi":

        def play(taken: int | None) -> None:
            for ask in MIXED:
                with contextlib.suppress(ValueError):  # a stream that fails in the middle is broken off
                    by_wsgi(app, *ask, taken=taken)

        yield play, generators
    else:
        with asyncio.Runner() as runner:

            async def asgi_round(taken: int | None) -> None:
                for ask in MIXED:
                    with contextlib.suppress(ValueError):  # as above
                        await by_asgi(app, *ask, taken=taken)

            yield lambda taken: runner.run(asgi_round(taken)), generators
    app.shutdown()
    logging.disable(logging.NOTSET)


def test_two_thousand_mixed_requests_leave_no_cyclic_garbage(rounds: tuple[Round, Generators]) -> None:
    play, _ = rounds
    play(None)  # what is made once: threads, the loop, imports
    while gc.collect():
        pass  # classes that other tests have left fall in several steps
    gc.disable()
    try:
        for _ in range(2000 // len(MIXED) + 1):
            play(None)
        gc.set_debug(gc.DEBUG_SAVEALL)
        found = gc.collect()
        kinds = sorted({type(thing).__name__ for thing in gc.garbage})
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert (found, kinds) == (0, [])


def test_nothing_is_kept_for_each_path_host_language_or_header_that_clients_think_of() -> None:
    """R69."""
    app = application(Generators(), False)

    def play(first: int) -> None:
        for number in range(first, first + 2000):
            environ = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": f"/files/{number}" if number % 2 else f"/def/text/{number}",
                "QUERY_STRING": f"q{number}=1",
                "SERVER_NAME": "x",
                "SERVER_PORT": "80",
                "HTTP_HOST": f"host{number}.example",
                "HTTP_ACCEPT": f"text/x-{number}, text/html;q=0.5",
                "HTTP_ACCEPT_LANGUAGE": f"x-{number}",
                "HTTP_COOKIE": f"c{number}=1",
                f"HTTP_X_{number}": "1",
                "REMOTE_ADDR": f"10.0.{number // 256 % 256}.{number % 256}",
                "wsgi.input": io.BytesIO(),
            }
            b"".join(app(environ, lambda status, headers, exc_info=None: lambda data: None))

    logging.disable()
    try:
        play(0)
        gc.collect()
        before = sys.getallocatedblocks()
        play(10_000)
        gc.collect()
        assert sys.getallocatedblocks() - before < 500  # one block for each of them would be two thousand
    finally:
        app.shutdown()
        logging.disable(logging.NOTSET)


def test_a_thousand_aborted_requests_leave_nothing_behind(rounds: tuple[Round, Generators]) -> None:
    play, generators = rounds
    play(0)
    descriptors, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    for turn in range(1000 // len(MIXED) + 1):
        with contextlib.suppress(OSError):
            play(turn % 3)
    until(lambda: not generators.open, "a generator was left open")
    until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "a descriptor or temporary file was left open")
    assert threading.active_count() <= threads + 1
    gc.collect()
    alive = [
        thing
        for thing in gc.get_objects()
        # Of its type, not of the thing: some of other libraries' do not bear to be asked what they are.
        if issubclass(type(thing), types.GeneratorType | types.AsyncGeneratorType)
        and thing.__name__ in ("chunks", "awaited")
    ]
    assert alive == []
