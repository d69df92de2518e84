"""The WSGI door, row by row: PEP 3333, the environs that servers are known to send, and what is left after a call."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import io
import logging
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest

from duoframe import (
    App,
    ClientDisconnect,
    HTMLResponse,
    HTTPException,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Request,
    Response,
    StreamingResponse,
    inline,
)
from duoframe.testing import exchange
from tests.conftest import DEADLINE, Ask, MakeApp, until

ROOT = Path(__file__).parents[1]
ABSENT: Any = object()
KINDS = ["def", "async def", "mixed"]
"""How a handler streams: all `def`, all `async def`, or a `def` handler that answers an asynchronous generator."""


class Called:
    """One call of an app by hand: what `start_response` was told, and the iterable to walk and to close."""

    def __init__(self, app: Any, path: str = "/", method: str = "GET", body: Any = b"", **changes: Any) -> None:
        self.told: list[tuple[Any, ...]] = []
        source = io.BytesIO(body) if isinstance(body, bytes) else body
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": source,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if isinstance(body, bytes) and body:
            environ["CONTENT_LENGTH"] = str(len(body))
        environ.update({key.replace("__", "."): value for key, value in changes.items()})
        self.environ = {key: value for key, value in environ.items() if value is not ABSENT}
        self.iterable: Any = app(self.environ, self.start_response)
        self.told_before_return = len(self.told)

    def start_response(self, *told: Any) -> Callable[[bytes], object]:
        self.told.append(told[:2] if len(told) == 2 else (*told[:2], told[2][1]))
        return lambda data: None

    @property
    def status(self) -> int:
        return int(self.told[-1][0][:3])

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.told[-1][1])

    def read(self) -> bytes:
        """Walk the answer to its end, as a server does, and close it."""
        try:
            return b"".join(self.iterable)
        finally:
            self.close()

    def close(self) -> None:
        getattr(self.iterable, "close", lambda: None)()


class Unreadable:
    """A ``wsgi.input`` that no one may read: on a real server it would block."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("wsgi.input was read")


class OnlyRead:
    """A ``wsgi.input`` with nothing but ``read(n)``, which gives the chunks it was made of, one at a time."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self.chunks = list(chunks)
        self.asked: list[int] = []

    def read(self, size: int) -> bytes:
        self.asked.append(size)
        if not self.chunks:
            return b""
        chunk = self.chunks.pop(0)
        if isinstance(chunk, Exception):
            raise chunk
        if len(chunk) > size:
            self.chunks.insert(0, chunk[size:])
        return chunk[:size]


Chunks = Callable[[], Iterator[Any]]
Streamed = Callable[..., Chunks]


def awaited(chunks: Chunks) -> Callable[[], AsyncIterator[Any]]:
    """An asynchronous generator function that yields what ``chunks()`` yields, and closes it when it is closed."""

    async def painted() -> AsyncIterator[Any]:
        inner = chunks()
        try:
            for chunk in inner:
                await asyncio.sleep(0)
                yield chunk
        finally:
            inner.close()  # type: ignore[attr-defined]  # a generator

    return painted


@pytest.fixture(params=KINDS)
def streamed(request: pytest.FixtureRequest, app: App) -> Streamed:
    """Registers ``chunks`` at ``/``, streamed in each of the three ways: ``streamed(chunks, headers={})``."""

    def register(chunks: Chunks, headers: dict[str, str] | None = None, **options: Any) -> Chunks:
        source: Any = chunks if request.param == "def" else awaited(chunks)

        def answer() -> Response:
            return StreamingResponse(source(), headers=headers)

        async def answer_later() -> Response:
            return answer()

        app.route("/", **options)(answer_later if request.param == "async def" else answer)
        return chunks

    return register


# What start_response is told.


@pytest.mark.parametrize("path", ["/whole", "/stream", "/missing"])
def test_start_response_is_called_once_before_the_iterable_is_returned(app: App, colour: Any, path: str) -> None:
    """W-01"""
    app.get("/whole")(colour(lambda: ("x", 201, {"x-a": "b"})))
    app.get("/stream")(colour(lambda: iter(["x"])))
    called = Called(app, path)
    assert called.told_before_return == 1
    called.read()
    [(status, headers)] = called.told
    assert type(status) is str
    assert status == {"/whole": "201 Created", "/stream": "200 OK", "/missing": "404 Not Found"}[path]
    assert type(headers) is list
    assert all(type(field) is tuple and [type(part) for part in field] == [str, str] for field in headers)


def test_a_status_that_no_standard_names_has_a_reason_nevertheless(app: App) -> None:
    """W-01, H-09: PEP 3333 wants ``"NNN Reason"``."""
    app.get("/")(lambda: ("x", 299))
    called = Called(app)
    assert called.told[0][0] == "299 Unknown"


MAKERS: dict[str, Callable[[int], Response]] = {
    "Response": lambda status: Response(b"content", status),
    "text": lambda status: PlainTextResponse("content", status),
    "html": lambda status: HTMLResponse("content", status),
    "json": lambda status: JSONResponse({"a": 1}, status),
    "redirect": lambda status: RedirectResponse("/there", status if 300 < status < 304 else 308),
    "stream": lambda status: StreamingResponse(iter(["con", "tent"]), status),
    "stream of known length": lambda status: StreamingResponse(iter(["con", "tent"]), status, {"content-length": "7"}),
}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("status", [200, 204, 206, 301, 304, 404, 405, 413, 416, 500])
def test_no_answer_breaks_a_rule_that_wsgiref_validate_knows(app: App, method: str, status: int, colour: Any) -> None:
    """W-02: `exchange` puts the validator around the app; what it finds raises."""
    for kind, make in MAKERS.items():
        app.route(f"/{kind}", methods=["GET", "POST"])(colour(lambda make=make: make(status)))
    for kind in MAKERS:
        got = exchange(app, "wsgi", method, kind.replace(" ", "%20").encode().join([b"/", b""]))
        assert got.error is None, kind
        assert got.status == (308 if kind == "redirect" and status != 301 else status)


@pytest.mark.parametrize("value", ["€", "a\r\nb: c", "a\x00b", "\x7f"])
def test_header_text_that_wsgi_cannot_carry_is_a_fault_of_the_handler(
    app: App, colour: Any, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """W-03"""

    def handler() -> Response:
        return Response("x", headers={"x-price": value})

    app.get("/")(colour(handler))
    called = Called(app)
    called.read()
    assert called.status == 500
    assert "x-price" not in called.headers
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_fields_of_the_connection_are_left_out_and_that_is_said_once_to_who_debugs(
    app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """W-04"""
    names = ["Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "TE", "Trailer", "Proxy-Authenticate"]
    app.get("/")(colour(lambda: Response("x", headers={**dict.fromkeys(names, "x"), "x-kept": "y"})))
    with caplog.at_level(logging.DEBUG, "duoframe"):
        called = Called(app)
        called.read()
    assert called.headers == {"content-type": "text/plain; charset=utf-8", "x-kept": "y", "content-length": "1"}
    [record] = caplog.records
    assert all(name.lower() in record.getMessage() for name in names)


# Errors, by where they arise.


def test_an_error_before_any_output_is_answered_once_by_the_error_handler(app: App, colour: Any) -> None:
    """W-05"""

    @app.errorhandler(ZeroDivisionError)
    def handled(request: Request, error: Exception) -> str:
        return f"handled {error}"

    app.get("/")(colour(lambda: 1 / 0))
    called = Called(app)
    assert called.read() == b"handled division by zero"
    assert len(called.told) == 1
    assert called.status == 500


def test_an_error_before_the_first_byte_replaces_the_answer(app: App, streamed: Streamed) -> None:
    """W-06"""

    class Fault(Exception):
        pass

    seen: list[weakref.ref[Fault]] = []

    @app.errorhandler(Fault)
    def handled(request: Request, error: Fault) -> Response:
        return Response("replaced", 503)

    @streamed
    def chunks() -> Iterator[Any]:
        yield ""
        error = Fault()
        seen.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.disable()
    try:
        called = Called(app)
        assert called.status == 200
        assert called.read() == b"replaced"
        assert [status for status, *_ in called.told] == ["200 OK", "503 Service Unavailable"]
        assert isinstance(called.told[1][2], Fault)
        called.told.clear()
        until(lambda: seen[0]() is None, "the error is still referred to")
    finally:
        gc.enable()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_replaces_an_answer_has_no_body_where_its_status_forbids_one(
    app: App, streamed: Streamed, method: str
) -> None:
    """W-06, W-41"""

    @app.errorhandler(ZeroDivisionError)
    def handled(request: Request, error: Exception) -> Response:
        return Response("nothing of this", 204)

    @streamed
    def chunks() -> Iterator[Any]:
        yield 1 / 0

    got = exchange(app, "wsgi", method, b"/")
    assert got.error is None
    assert got.body == b""
    assert got.status == (204 if method == "GET" else 200)


def test_an_error_after_the_first_byte_breaks_the_answer_off(app: App, streamed: Streamed) -> None:
    """W-07"""
    seen: list[Any] = []

    @app.errorhandler(ZeroDivisionError)
    def handled(request: Request, error: Exception) -> str:
        seen.append(error)
        return "a second body"

    @streamed
    def chunks() -> Iterator[Any]:
        try:
            yield "first"
            yield 1 / 0
        finally:
            seen.append("closed")

    called = Called(app)
    walked = iter(called.iterable)
    assert next(walked) == b"first"
    with pytest.raises(ZeroDivisionError):
        next(walked)
    with pytest.raises(StopIteration):
        next(walked)
    called.close()
    assert len(called.told) == 1
    assert sorted(map(str, seen)) == ["closed", "division by zero"]


def test_what_start_response_raises_is_not_swallowed_when_an_answer_is_replaced(app: App, streamed: Streamed) -> None:
    """W-08: PEP 3333: the server raises ``exc_info`` where header fields were sent already."""

    @streamed
    def chunks() -> Iterator[Any]:
        yield 1 / 0

    told: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        told.append(status)
        if exc_info is not None:
            raise exc_info[1].with_traceback(exc_info[2])

    iterable: Any = app(Called(app, "/nowhere").environ | {"PATH_INFO": "/"}, start_response)
    with pytest.raises(ZeroDivisionError):
        next(iter(iterable))
    iterable.close()
    assert told == ["200 OK", "500 Internal Server Error"]


def test_what_start_response_raises_at_first_passes_after_the_answer_was_closed(app: App, streamed: Streamed) -> None:
    """W-08"""
    seen: list[str] = []

    @app.get("/whole")
    def whole(request: Request) -> str:
        requests.append(request)
        return "x"

    @streamed
    def chunks() -> Iterator[Any]:
        try:
            yield "x"
        finally:
            seen.append("closed")

    class Refused(Exception):
        pass

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise Refused

    requests: list[Request] = []
    environ = Called(app, "/nowhere").environ
    for path in ("/", "/whole"):
        with pytest.raises(Refused):
            app({**environ, "PATH_INFO": path}, start_response)
    with pytest.raises(RuntimeError, match="the request is over"):
        _ = requests[0].headers
    assert seen in ([], ["closed"])  # an async plan may be ahead of the server


# close()


def test_close_is_called_once_however_often_it_is_called(
    app: App, streamed: Streamed, caplog: pytest.LogCaptureFixture
) -> None:
    """W-10"""
    seen: list[str] = []

    @streamed
    def chunks() -> Iterator[Any]:
        try:
            yield "a"
            yield "b"
        finally:
            seen.append("closed")

    called = Called(app)
    assert b"".join(called.iterable) == b"ab"
    called.close()
    called.close()
    assert seen == ["closed"]
    assert list(called.iterable) == []
    assert caplog.records == []


def test_close_after_two_of_a_thousand_chunks_runs_the_generators_finally(app: App, streamed: Streamed) -> None:
    """W-11, E-13"""
    seen: list[str] = []

    @streamed
    def chunks() -> Iterator[Any]:
        try:
            for number in range(1000):
                yield f"{number}\n"
        finally:
            seen.append("closed")

    called = Called(app)
    walked = iter(called.iterable)
    assert [next(walked), next(walked)] == [b"0\n", b"1\n"]
    called.close()
    assert seen == ["closed"]


def test_close_before_the_first_chunk_releases_what_the_request_holds(app: App, streamed: Streamed) -> None:
    """W-12: a generator that was never entered has no ``finally`` to do it; one of an async plan may have been."""
    seen: list[str] = []
    files: list[Any] = []

    @app.middleware
    @inline
    def around(request: Request) -> Iterator[Any]:
        yield
        files.append(request.files["f"])

    def chunks() -> Iterator[Any]:
        try:
            seen.append("entered")
            yield "x"
        finally:
            seen.append("closed")

    streamed(chunks, methods=["POST"])
    form = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    called = Called(app, "/", "POST", form, CONTENT_TYPE="multipart/form-data; boundary=b")
    called.close()
    assert seen in ([], ["entered", "closed"])
    assert list(called.iterable) == []
    with pytest.raises((RuntimeError, ValueError)):
        files[0].read()


def test_close_before_the_first_chunk_closes_what_yields_the_body(app: App) -> None:
    """W-12"""
    seen: list[str] = []

    class Chunks:
        def __iter__(self) -> Iterator[Any]:
            return self

        def __next__(self) -> str:
            seen.append("pulled")
            return "x"

        def close(self) -> None:
            seen.append("closed")

    app.get("/")(lambda: StreamingResponse(Chunks()))
    Called(app).close()
    assert seen == ["closed"]


def test_what_close_meets_is_logged_and_the_rest_is_released(
    app: App, streamed: Streamed, caplog: pytest.LogCaptureFixture
) -> None:
    """W-13"""
    seen: list[Any] = []

    @app.middleware
    @inline
    def queue(request: Request) -> Iterator[Any]:
        request.background(seen.append, "background")
        seen.append(request)
        yield

    @streamed
    def chunks() -> Iterator[Any]:
        try:
            for _ in range(1000):
                yield "x"
        finally:
            raise ValueError("clean-up")

    called = Called(app)
    next(iter(called.iterable))
    called.close()
    until(lambda: "background" in seen, "the background work was lost")
    with pytest.raises(RuntimeError, match="the request is over"):
        _ = seen[0].headers
    faults = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(fault) for fault in faults] == ["clean-up"]


def test_an_input_that_fails_while_it_is_drained_is_logged_and_the_rest_is_released(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """W-13"""
    app.post("/", stream=True)(lambda: "x")
    called = Called(app, method="POST", body=OnlyRead(ValueError("I/O operation on closed file")), CONTENT_LENGTH="5")
    assert called.read() == b"x"
    [record] = caplog.records
    assert "was closed" in record.getMessage()


def test_an_exit_raised_by_a_clean_up_passes_after_the_rest_was_released(app: App) -> None:
    """W-13, W-52"""
    requests: list[Request] = []

    @app.get("/")
    def handler(request: Request) -> Iterator[str]:
        requests.append(request)
        try:
            yield "x"
            yield "y"
        finally:
            raise SystemExit(3)

    called = Called(app)
    next(iter(called.iterable))
    with pytest.raises(SystemExit):
        called.close()
    with pytest.raises(RuntimeError, match="the request is over"):
        _ = requests[0].headers


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("steps", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_the_server_drops_is_released(
    make_app: MakeApp, kind: str, steps: int, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """W-14"""
    app = make_app(debug=debug)
    requests: list[Request] = []
    seen: list[str] = []

    def chunks() -> Iterator[Any]:
        try:
            for _ in range(1000):
                yield "x"
        finally:
            seen.append("closed")

    def handler(request: Request) -> Response:
        requests.append(request)
        return StreamingResponse(chunks() if kind == "def" else awaited(chunks)())

    async def waiting(request: Request) -> Response:
        return handler(request)

    app.post("/", stream=True)(waiting if kind == "async def" else handler)
    called = Called(app, method="POST", body=OnlyRead(), CONTENT_LENGTH="5")
    for _ in range(steps):
        next(called.iterable)
    source = called.environ["wsgi.input"]
    called.iterable = None
    until(lambda: requests[0]._values is None, "the request was not ended")
    if steps:
        assert seen == ["closed"]
    assert source.asked == []  # the connection may be at its next request
    told = [record for record in caplog.records if "did not close" in record.getMessage()]
    assert len(told) == debug


def test_a_whole_answer_that_the_server_drops_is_released_and_its_background_work_done(make_app: MakeApp) -> None:
    """W-14"""
    app = make_app()
    seen: list[str] = []

    @app.get("/")
    def handler(request: Request) -> str:
        request.background(seen.append, "background")
        return "x"

    called = Called(app)
    assert list(called.iterable) == [b"x"]
    called.iterable = None
    until(lambda: seen == ["background"], "the background work was lost")


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_the_portals_own_thread_finds_dropped_holds_nothing_up(
    make_app: MakeApp, kind: str, recwarn: pytest.WarningsRecorder
) -> None:
    """W-15: the garbage collector runs wherever it likes, on the event loop too; there nothing may be waited for."""
    app = make_app(grace=60.0)
    seen: list[str] = []

    def chunks() -> Iterator[Any]:
        try:
            for _ in range(1000):
                yield "x"
        finally:
            seen.append(threading.current_thread().name)

    @app.get("/collect")
    async def collect() -> str:
        gc.collect()
        return "collected"

    def handler() -> Response:
        return StreamingResponse(chunks() if kind == "def" else awaited(chunks)())

    async def waiting() -> Response:
        return handler()

    app.get("/")(waiting if kind == "async def" else handler)
    started = time.monotonic()
    gc.disable()
    try:
        cycle: list[Any] = [Called(app).iterable]
        next(cycle[0])
        cycle.append(cycle)
        del cycle
        assert seen == []
        assert Called(app, "/collect").read() == b"collected"
    finally:
        gc.enable()
    until(lambda: len(seen) == 1, "the generator was not closed")
    if kind == "def":
        assert seen != ["duoframe-portal"]
    assert time.monotonic() - started < 30  # and not after the grace period
    assert [str(warning.message) for warning in recwarn] == []


# The environ: path, query, connection.


def facts(app: App, **changes: Any) -> dict[str, Any]:
    """What a request made of this environ says of itself."""
    seen: dict[str, Any] = {}

    @app.route("/{rest:path}", name="rest")
    @app.route("/", name="root")
    def handler(request: Request) -> str:
        for name in ("path", "root_path", "raw_path", "query", "scheme", "client", "server", "headers", "http_version"):
            seen[name] = getattr(request, name)
        seen["url"] = str(request.url)
        return "x"

    called = Called(app, **changes)
    called.read()
    seen["status"] = called.status
    return seen


@pytest.mark.parametrize(("script", "root"), [(ABSENT, ""), ("", ""), ("/", ""), ("/app", "/app"), ("/app/", "/app")])
def test_the_root_path_has_no_trailing_slash(app: App, script: Any, root: str) -> None:
    """W-16"""
    seen = facts(app, path="/x", SCRIPT_NAME=script)
    assert (seen["root_path"], seen["path"]) == (root, "/x")


@pytest.mark.parametrize("script", ["", "/app"])
@pytest.mark.parametrize("path", [ABSENT, ""])
def test_without_a_path_the_root_route_answers(app: App, path: Any, script: str) -> None:
    """W-17"""
    seen = facts(app, PATH_INFO=path, SCRIPT_NAME=script)
    assert (seen["status"], seen["path"], seen["root_path"]) == (200, "/", script)


def test_a_path_that_carries_utf8_is_decoded(app: App) -> None:
    """W-18"""
    assert facts(app, path="/caf\xc3\xa9")["path"] == "/café"
    assert facts(App(), path="/x", SCRIPT_NAME="/caf\xc3\xa9")["root_path"] == "/café"


@pytest.mark.parametrize("path", ["/\xff\xfe", "/caf\xe9", "/€"])
def test_a_path_that_is_no_utf8_is_refused(app: App, path: str) -> None:
    """W-19"""
    assert facts(app, path=path) == {"status": 400}


def test_a_path_that_is_no_utf8_is_refused_alike_by_both_doors(ask: Ask, app: App) -> None:
    """W-19, A-06"""
    app.get("/{rest:path}")(lambda: "x")
    assert ask(app, "GET", b"/%ff%fe").status == 400


def test_a_percent_that_the_server_left_is_not_decoded_again(app: App) -> None:
    """W-20"""
    assert facts(app, path="/a%2Fb")["path"] == "/a%2Fb"


@pytest.mark.parametrize("character", ["\n", "\r", "\x00"])
def test_a_path_with_control_characters_matches_no_route(app: App, character: str) -> None:
    """W-21"""
    for path in (f"/a{character}", f"/{character}a", f"/a{character}b"):
        assert facts(App(), path=path) == {"status": 404}


@pytest.mark.parametrize("key", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize(
    ("target", "path", "script", "raw"),
    [
        ("/a%2Fb?c=%2F", "/a/b", "", b"/a%2Fb"),
        ("/caf%C3%A9", "/caf\xc3\xa9", "", b"/caf%C3%A9"),
        ("/app/%61", "/a", "/app", b"/app/%61"),
        ("/app/%61", "/a", "/app/", b"/app/%61"),
        ("/%61", "/a", "/app", b"/%61"),
        ("/rewritten", "/a b", "", b"/a%20b"),
        ("http://host/a", "/a", "", b"/a"),
        ("/rewritten", "/caf\xc3\xa9", "/app", b"/app/caf%C3%A9"),
        (None, "/a%2Fb", "", b"/a%252Fb"),
        (ABSENT, "/~a(b)", "", b"/~a(b)"),
        (ABSENT, "", "", b"/"),
        (ABSENT, "", "/app", b"/app"),
    ],
)
def test_the_raw_path_is_the_servers_where_it_agrees_with_the_path(
    app: App, key: str, target: Any, path: str, script: str, raw: bytes
) -> None:
    """W-22"""
    assert facts(app, path=path, SCRIPT_NAME=script, **{key: target})["raw_path"] == raw


def test_without_a_query_string_there_is_no_query(app: App) -> None:
    """W-23"""
    seen = facts(app, QUERY_STRING=ABSENT)
    assert len(seen["query"]) == 0
    assert seen["url"] == "http://testserver/"


def test_a_query_that_a_server_decoded_against_the_rules_is_no_fault_of_ours(app: App) -> None:
    """PEP 3333: text must be Latin-1; one that is not is a bug of the server."""
    assert facts(app, QUERY_STRING="a=€")["query"]["a"] == "?"


def test_bytes_in_a_query_mean_the_same_behind_both_doors(ask: Ask, app: App) -> None:
    """W-24"""
    app.get("/")(lambda request: request.query.multi_items())
    got = ask(app, "GET", b"/?caf\xc3\xa9=%C3%A9&a=\xff&a=+%2B&b")
    assert got.status == 200
    assert got.body.decode() == '[["café","é"],["a","\ufffd"],["a"," +"],["b",""]]'


def test_the_scheme_is_what_wsgi_says(app: App) -> None:
    """W-47"""
    assert facts(app, wsgi__url_scheme="https", HTTPS="off")["scheme"] == "https"
    assert facts(App(), wsgi__url_scheme="http", HTTPS="on", HTTP_X_FORWARDED_PROTO="https")["scheme"] == "http"


@pytest.mark.parametrize(
    ("name", "port", "server"),
    [
        ("host", "8000", ("host", 8000)),
        ("host", "http", ("host", None)),
        ("host", "", ("host", None)),
        ("host", "٨٠", ("host", None)),
        ("host", "9" * 400, ("host", None)),
        ("", "/run/app.sock", ("/run/app.sock", None)),
        ("/run/app.sock", "", ("/run/app.sock", None)),
        ("", "", None),
        (ABSENT, ABSENT, None),
    ],
)
def test_a_server_without_a_port_is_no_fault(app: App, name: Any, port: Any, server: Any) -> None:
    """W-48"""
    assert facts(app, SERVER_NAME=name, SERVER_PORT=port)["server"] == server


@pytest.mark.parametrize(
    ("address", "port", "client"),
    [
        (ABSENT, ABSENT, None),
        ("", "", None),
        ("10.0.0.1", ABSENT, ("10.0.0.1", None)),
        ("10.0.0.1", "4711", ("10.0.0.1", 4711)),
        ("10.0.0.1", 4711, ("10.0.0.1", 4711)),
    ],
)
def test_a_client_is_known_only_where_the_server_tells(app: App, address: Any, port: Any, client: Any) -> None:
    """W-49"""
    assert facts(app, REMOTE_ADDR=address, REMOTE_PORT=port)["client"] == client


def test_of_the_two_content_fields_the_cgi_variables_count(app: App) -> None:
    """W-50"""
    seen = facts(
        app,
        HTTP_CONTENT_TYPE="text/forged",
        HTTP_CONTENT_LENGTH="999",
        CONTENT_TYPE="text/plain",
        CONTENT_LENGTH="",
        HTTP_X_OTHER="1",
    )
    assert dict(seen["headers"]) == {"x-other": "1", "content-type": "text/plain"}


def test_two_host_fields_that_a_server_has_joined_are_refused(app: App) -> None:
    """RFC 9112 §3.2"""
    app.get("/")(lambda: "x")
    called = Called(app, HTTP_HOST="a.example,b.example")
    called.read()
    assert called.status == 400


# The environ: the body.


def echo(request: Request) -> bytes:
    return request.body


def echo_stream(request: Request) -> bytes:
    return b"".join(request.stream)


async def echo_later(request: Request) -> bytes:
    return request.body


async def echo_stream_later(request: Request) -> bytes:
    return b"".join([chunk async for chunk in request.stream])


READERS: list[Any] = [
    pytest.param(echo, False, id="def"),
    pytest.param(echo_later, False, id="async def"),
    pytest.param(echo_stream, True, id="def stream"),
    pytest.param(echo_stream_later, True, id="async def stream"),
]


@pytest.mark.parametrize("length", [ABSENT, ""])
@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_without_a_length_the_body_is_empty_and_the_input_left_alone(
    app: App, reader: Any, stream: bool, length: Any
) -> None:
    """W-25"""
    app.post("/", stream=stream)(reader)
    called = Called(app, method="POST", body=Unreadable(), CONTENT_LENGTH=length)
    assert called.read() == b""
    assert called.status == 200


@pytest.mark.parametrize("length", ["-1", "+5", "abc", "\uff15", "5, 5", "1_0", "0x5", "9" * 20, " 5 ", "5\n", "²"])
@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_a_length_that_is_no_number_is_refused_and_the_body_not_read(
    app: App, reader: Any, stream: bool, length: str
) -> None:
    """W-26, W-27"""
    app.post("/", stream=stream)(reader)
    called = Called(app, method="POST", body=Unreadable(), CONTENT_LENGTH=length)
    assert b"Content-Length" in called.read()
    assert called.status == 400


def test_middleware_that_asks_for_a_body_of_unknown_length_is_told_why_there_is_none(app: App) -> None:
    """W-26"""
    told: list[str] = []

    @app.middleware
    def look(request: Request) -> Iterator[Any]:
        yield
        with pytest.raises(RuntimeError, match="refused") as raised:
            _ = request.body
        told.append(str(raised.value))

    app.post("/")(echo)
    Called(app, method="POST", body=Unreadable(), CONTENT_LENGTH="x").read()
    assert len(told) == 1


@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_an_input_that_says_that_it_ends_is_read_to_its_end(make_app: MakeApp, reader: Any, stream: bool) -> None:
    """W-28"""
    app = make_app(max_body_size=100)
    app.post("/", stream=stream)(reader)
    called = Called(app, method="POST", body=OnlyRead(b"a" * 60, b"b" * 40), wsgi__input_terminated=True)
    assert called.read() == b"a" * 60 + b"b" * 40
    called = Called(app, method="POST", body=OnlyRead(b"a" * 60, b"b" * 41), wsgi__input_terminated=True)
    called.read()
    assert called.status == 413


@pytest.mark.parametrize("software", ["gunicorn/27.0.1", "waitress", "Granian/2.8", "granian"])
@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_servers_known_to_take_chunks_apart_are_trusted_to(app: App, reader: Any, stream: bool, software: str) -> None:
    """W-29"""
    app.post("/", stream=stream)(reader)
    called = Called(
        app, method="POST", body=OnlyRead(b"ab", b"c"), HTTP_TRANSFER_ENCODING="Chunked", SERVER_SOFTWARE=software
    )
    assert called.read() == b"abc"


@pytest.mark.parametrize("software", [ABSENT, "", "WSGIServer/0.2", "not gunicorn/1"])
@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_of_other_servers_a_length_is_asked_for_rather_than_to_hang(
    app: App, reader: Any, stream: bool, software: Any
) -> None:
    """W-29"""
    app.post("/", stream=stream)(reader)
    called = Called(app, method="POST", body=Unreadable(), HTTP_TRANSFER_ENCODING="chunked", SERVER_SOFTWARE=software)
    called.read()
    assert called.status == 411


@pytest.mark.parametrize(
    "source",
    [
        OnlyRead(b"abc"),
        OnlyRead(b"abc", b"", b"de"),
        OnlyRead(),
        OnlyRead(b"abc", ConnectionResetError()),
        OnlyRead(TimeoutError()),
    ],
    ids=["short", "early end", "nothing", "reset", "timed out"],
)
@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_a_body_that_breaks_off_is_never_seen_as_complete(
    app: App, reader: Any, stream: bool, source: OnlyRead, caplog: pytest.LogCaptureFixture
) -> None:
    """W-30, W-31"""
    reached: list[bytes] = []

    @app.middleware
    def look(request: Request) -> Iterator[Any]:
        response = yield
        reached.append(response.body)  # type: ignore[attr-defined]  # what a yield gives has no type of its own

    app.post("/", stream=stream)(reader)
    called = Called(app, method="POST", body=OnlyRead(*source.chunks), CONTENT_LENGTH="5")
    called.read()
    assert called.status == 400
    assert b"abc" not in reached[0]
    assert caplog.records == []


def test_a_handler_that_streams_a_body_is_told_when_it_breaks_off(app: App) -> None:
    """W-30, W-31"""
    seen: list[Any] = []

    @app.post("/", stream=True)
    def handler(request: Request) -> str:
        try:
            seen.extend(request.stream)
        except ClientDisconnect as error:
            seen.append(error)
        return "x"

    Called(app, method="POST", body=OnlyRead(b"abc"), CONTENT_LENGTH="5").read()
    assert seen[0] == b"abc"
    assert seen[1].detail == "the client sent 2 bytes less than it announced"


@pytest.mark.parametrize(("reader", "stream"), READERS)
def test_an_input_with_nothing_but_read_is_read_as_far_as_announced(app: App, reader: Any, stream: bool) -> None:
    """W-31, W-32: short reads are gone on with, and nothing beyond the length is asked for."""
    app.post("/", stream=stream)(reader)
    source = OnlyRead(b"a", b"bc", b"d", b"e", b"next request")
    called = Called(app, method="POST", body=source, CONTENT_LENGTH="5")
    assert called.read() == b"abcde"
    assert source.asked == [5, 4, 2, 1]


def test_an_unexpected_fault_of_the_input_is_answered_by_500_through_the_middleware(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """W-31: what is no `OSError` is no disconnect."""
    seen: list[str] = []

    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        seen.append("in")
        response = yield
        response.headers["x-gate"] = "out"  # type: ignore[attr-defined]  # as above

    app.post("/")(echo)
    called = Called(app, method="POST", body=OnlyRead(b"ab", ValueError("closed file")), CONTENT_LENGTH="5")
    called.read()
    assert called.status == 500
    assert called.headers["x-gate"] == "out"
    assert len(caplog.records) == 1


def refusing(app: App) -> None:
    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        if "x-refuse" in request.headers:
            yield Response("refused", 403)
        else:
            yield


@pytest.mark.parametrize("refused", [True, False], ids=["refused by a gate", "ignored by the handler"])
@pytest.mark.parametrize(("size", "drained"), [(5, 5), (65536, 65536), (65537, 65536), (1_000_000, 65536)])
@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_that_nobody_read_is_read_away_to_a_limit_when_the_answer_is_closed(
    app: App, colour: Any, refused: bool, size: int, drained: int, terminated: bool
) -> None:
    """W-33, R60, R67"""
    refusing(app)
    app.post("/", stream=True)(colour(lambda: "ignored"))
    source = io.BytesIO(b"x" * size)
    called = Called(
        app,
        method="POST",
        body=source,
        CONTENT_LENGTH=ABSENT if terminated else str(size),
        wsgi__input_terminated=terminated,
        **({"HTTP_X_REFUSE": "1"} if refused else {}),
    )
    assert b"".join(called.iterable) == (b"refused" if refused else b"ignored")
    assert source.tell() == 0
    called.close()
    assert source.tell() == drained


@pytest.mark.parametrize("length", [ABSENT, "0", "x"])
def test_a_gate_that_refuses_a_request_without_a_body_leaves_the_input_alone(app: App, length: Any) -> None:
    """W-33"""
    refusing(app)
    app.post("/")(echo)
    called = Called(app, method="POST", body=Unreadable(), CONTENT_LENGTH=length, HTTP_X_REFUSE="1")
    assert called.iterable == [b"refused"]  # with nothing to close


def test_what_follows_a_body_that_was_too_large_is_read_away_too(make_app: MakeApp) -> None:
    """W-33"""
    app = make_app(max_body_size=2)
    app.post("/", stream=True)(echo_stream)
    source = OnlyRead(b"abc", b"de", b"f")
    called = Called(app, method="POST", body=source, CONTENT_LENGTH="6")
    called.read()
    assert called.status == 413
    assert source.chunks == []


def test_a_body_that_breaks_off_while_it_is_read_away_is_no_fault(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """W-33"""
    app.post("/", stream=True)(lambda: "x")
    for source in (OnlyRead(b"ab"), OnlyRead(b"ab", ConnectionResetError())):
        assert Called(app, method="POST", body=source, CONTENT_LENGTH="5").read() == b"x"
    assert caplog.records == []


def test_a_client_that_sends_no_more_is_waited_for_a_moment_only(
    app: App, colour: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """R60, R67: where the server gives its connection, whose time-out is then again what it was."""
    monkeypatch.setattr("duoframe.environ.DRAIN_SECONDS", 0.01)
    app.post("/", stream=True)(colour(lambda: "ignored"))
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb", buffering=0) as source:
        ours.settimeout(DEADLINE)
        theirs.sendall(b"x" * 10)
        given: dict[str, Any] = {"gunicorn__socket": ours}
        assert Called(app, method="POST", body=source, CONTENT_LENGTH="11", **given).read() == b"ignored"
        assert ours.gettimeout() == DEADLINE
    assert caplog.records == []


def test_a_connection_that_is_closed_has_nothing_to_be_read_away(app: App, colour: Any) -> None:
    """R67"""
    app.post("/", stream=True)(colour(lambda: "ignored"))
    ours, theirs = socket.socketpair()
    ours.close()
    theirs.close()
    given: dict[str, Any] = {"gunicorn__socket": ours}
    source = OnlyRead(b"x" * 11)
    assert Called(app, method="POST", body=source, CONTENT_LENGTH="11", **given).read() == b"ignored"
    assert source.asked == []


def test_a_body_is_read_away_for_so_long_only(app: App, colour: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """R60, R67"""
    monkeypatch.setattr("duoframe.environ.DRAIN_SECONDS", 0)
    app.post("/", stream=True)(colour(lambda: "ignored"))
    source = OnlyRead(b"x" * 11)
    assert Called(app, method="POST", body=source, CONTENT_LENGTH="11").read() == b"ignored"
    assert source.asked == []


def test_a_client_that_waits_for_100_continue_is_not_waited_for(app: App) -> None:
    """W-33, H-23: it has its answer, and sends nothing."""
    app.post("/", stream=True)(lambda: "x")
    called = Called(app, method="POST", body=Unreadable(), CONTENT_LENGTH="5", HTTP_EXPECT="100-Continue")
    assert called.read() == b"x"


def test_a_client_that_was_told_to_continue_is_read_to_its_end(app: App) -> None:
    """W-33, H-23"""
    app.post("/", stream=True)(lambda request: next(iter(request.stream)))
    source = OnlyRead(b"ab", b"cde")
    called = Called(app, method="POST", body=source, CONTENT_LENGTH="5", HTTP_EXPECT="100-continue")
    assert called.read() == b"ab"
    assert source.chunks == []


class serving:  # noqa: N801  # used as a context manager
    """A real server of the ``app`` of some source; gives its port. ``{port}`` in an argument is filled in."""

    def __init__(self, directory: Path, source: str, program: str, *arguments: str) -> None:
        (directory / "served_app.py").write_text(source)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.log = directory / "log"
        self._directory = directory
        self._command: list[str | Path] = [
            Path(sysconfig.get_path("scripts")) / program,
            *(argument.format(port=self.port) for argument in arguments),
            "served_app:app",
        ]

    def __enter__(self) -> int:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._directory,
                env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{self._directory}"},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            until(self._listens, f"the server did not start:\n{self.log.read_text()}", 30)
        except BaseException:
            self.__exit__()
            raise
        return self.port

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.log.read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True


GUNICORN = ("gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}")
IGNORING = """
from duoframe import App

app = App()
app.post("/", stream=True)(lambda: "ignored")
app.get("/")(lambda: "next")
"""


@pytest.fixture(
    scope="module",
    params=[("waitress-serve", "--listen", "127.0.0.1:{port}"), (*GUNICORN, "--threads", "2")],
    ids=" ".join,
)
def kept_alive(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server that keeps connections open, serving an app that ignores what is posted."""
    with serving(tmp_path_factory.mktemp("served"), IGNORING, *request.param) as port:
        yield port


@pytest.mark.parametrize("size", [10, 60_000, 300_000])
def test_the_next_request_on_a_connection_is_itself_when_a_body_was_ignored(kept_alive: int, size: int) -> None:
    """W-33: either the connection goes on behind the body, or it has ended."""
    body = b"GET /x HTTP/1.1\r\n\r\n" * (size // 19 + 1)
    connection = HTTPConnection("127.0.0.1", kept_alive, timeout=DEADLINE)
    for _ in range(3):
        try:
            connection.request("POST", "/", body)
            response = connection.getresponse()
            assert (response.status, response.read()) == (200, b"ignored")
            connection.request("GET", "/")
            response = connection.getresponse()
        except ConnectionError:  # it has ended, while the client was still sending or behind the answer
            connection.close()
            connection.request("GET", "/")
            response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"next")
    connection.close()


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_body_may_be_read_after_the_answer_has_started(app: App, kind: str) -> None:
    """W-34"""

    def upper(request: Request) -> Iterator[bytes]:
        yield b"["
        for chunk in request.stream:
            yield chunk.upper()
        yield b"]"

    async def upper_later(request: Request) -> AsyncIterator[bytes]:
        yield b"["
        async for chunk in request.stream:
            yield chunk.upper()
        yield b"]"

    app.post("/", stream=True)(upper if kind == "def" else upper_later)
    called = Called(app, method="POST", body=OnlyRead(b"ab", b"c"), CONTENT_LENGTH="3")
    assert called.told_before_return == 1
    assert called.read() == b"[ABC]"
    called = Called(app, method="POST", body=OnlyRead(b"ab"), CONTENT_LENGTH="3")
    with pytest.raises(ClientDisconnect):
        called.read()


@pytest.mark.parametrize("name", ["gunicorn__socket", "werkzeug__socket"])
def test_the_connection_is_asked_whether_the_client_has_left(app: App, colour: Any, name: str) -> None:
    ours, theirs = socket.socketpair()
    seen: list[bool] = []

    def handler(request: Request) -> Any:
        seen.append(request.is_disconnected)
        theirs.sendall(b"a pipelined request")
        seen.append(request.is_disconnected)
        theirs.close()
        seen.append(request.is_disconnected)
        ours.close()
        seen.append(request.is_disconnected)
        return "x"

    app.get("/")(colour(handler))
    given: dict[str, Any] = {name: ours}
    assert Called(app, **given).read() == b"x"
    assert seen == [False, False, True, True]


def test_waitress_is_asked_whether_the_client_has_left(app: App, colour: Any) -> None:
    app.get("/")(colour(lambda request: [request.is_disconnected, request.is_disconnected]))
    told = [True, False]
    assert Called(app, waitress__client_disconnected=told.pop).read() == b"[false,true]"


def test_where_the_server_gives_no_connection_nobody_is_known_to_have_left(app: App, colour: Any) -> None:
    app.get("/")(colour(lambda request: request.is_disconnected))
    assert Called(app).read() == b"false"


def test_tasks_that_read_one_body_at_the_same_time_take_turns(app: App) -> None:
    """W-34: as A-15 has it behind the other door."""
    inside = 0

    class Watched(OnlyRead):
        def read(self, size: int) -> bytes:
            nonlocal inside
            inside += 1
            assert inside == 1
            threading.Event().wait(0.001)
            inside -= 1
            return super().read(size)

    @app.post("/", stream=True)
    async def handler(request: Request) -> dict[str, int]:
        async def total() -> int:
            return sum([len(chunk) async for chunk in request.stream])

        return {"total": sum(await asyncio.gather(total(), total(), total()))}

    source = Watched(*[b"x"] * 30)
    assert Called(app, method="POST", body=source, CONTENT_LENGTH="30").read() == b'{"total":30}'


# Processes and threads.


def test_a_server_without_threads_runs_plain_handlers_on_its_own(app: App) -> None:
    """W-37"""
    seen: list[int] = []

    @app.get("/def")
    def plain() -> Iterator[str]:
        seen.append(threading.get_ident())
        yield "x"
        seen.append(threading.get_ident())

    @app.get("/async")
    async def waiting() -> str:
        await asyncio.sleep(0)
        seen.append(threading.get_ident())
        return "x"

    for path in ("/def", "/async"):
        assert Called(app, path, wsgi__multithread=False).read() == b"x"
    here = threading.get_ident()
    assert [ident == here for ident in seen] == [True, True, False]


CGI = """
import sys
from wsgiref.handlers import CGIHandler
from duoframe import App

app = App()

@app.lifespan
async def life(app):
    print("up", file=sys.stderr)
    yield
    print("down", file=sys.stderr)

def later():
    print("background", file=sys.stderr)

@app.get("/whole")
async def whole(request):
    request.background(later)
    return "whole"

@app.get("/plain")
def plain():
    return "plain"

@app.get("/stream")
async def stream():
    yield "str"
    yield "eam"

CGIHandler().run(app)
"""


@pytest.mark.parametrize("path", ["whole", "plain", "stream"])
def test_a_cgi_script_starts_and_stops_and_leaves_a_clean_exit_code(path: str) -> None:
    """W-38: ``wsgi.run_once``."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/{path}",
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.0",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CGI], env=environment, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"Status: 200 OK\r\n")
    assert body == path.encode()
    said = ["up", "background", "down"] if path == "whole" else ["up", "down"]
    assert done.stderr.decode().split() == said


@pytest.mark.parametrize("path", ["/whole", "/stream", "/nowhere"])
def test_an_application_that_is_run_once_is_shut_down_when_its_answer_is_closed(
    app: App, colour: Any, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """W-38, W-13"""
    seen: list[str] = []

    @app.lifespan
    def life(app: App) -> Iterator[None]:
        seen.append("up")
        yield
        seen.append("down")
        raise ValueError("shut-down")

    app.get("/whole")(colour(lambda: "x"))
    app.get("/stream")(colour(lambda: iter("x")))
    called = Called(app, path, wsgi__run_once=True)
    assert b"".join(called.iterable)
    assert seen == ["up"]
    called.close()
    assert seen == ["up", "down"]
    assert "was closed" in caplog.records[-1].getMessage()


def test_the_first_requests_of_many_threads_start_the_application_once(make_app: MakeApp) -> None:
    """W-53"""
    app = make_app()
    starts: list[int] = []

    @app.lifespan
    async def life(app: App) -> AsyncIterator[None]:
        starts.append(threading.get_ident())
        await asyncio.sleep(0)
        yield

    app.get("/def")(lambda: "x")

    @app.get("/async")
    async def waiting() -> str:
        return "x"

    together = threading.Barrier(20)
    answers: list[bytes] = []

    def ask(number: int) -> None:
        together.wait(DEADLINE)
        answers.append(Called(app, "/async" if number % 2 else "/def").read())

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert answers == [b"x"] * 20
    assert len(starts) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_while_the_application_cannot_start_requests_are_told_so(make_app: MakeApp, method: str) -> None:
    """L-11"""
    app = make_app()

    @app.lifespan
    def life(app: App) -> Iterator[None]:
        raise ValueError("no database")
        yield

    app.get("/")(lambda: "x")
    got = exchange(app, "wsgi", method, b"/")
    assert got.error is None
    assert got.status == 503
    assert bool(got.body) == (method == "GET")
    assert b"no database" not in got.body


GEVENT = """
from duoframe import App, EventSourceResponse, StreamingResponse

app = App()

@app.get("/events")
def events():
    return EventSourceResponse(iter(["one", "two"]))

@app.middleware
def around(request):
    response = yield
    response.headers["x-around"] = "yes"

@app.get("/def")
def plain(request):
    request.background(print, "background")
    return "plain"

@app.get("/stream")
def stream():
    yield "str"
    yield "eam"

@app.post("/echo")
def echo(request):
    return request.body

@app.get("/async")
async def waiting():
    return "waiting"

@app.get("/mixed")
def mixed():
    async def chunks():
        yield "mixed"
    return StreamingResponse(chunks())
"""


def test_under_gevent_plain_handlers_work_and_async_ones_fail_with_a_clear_message(tmp_path: Path) -> None:
    """W-54"""
    server = serving(tmp_path, GEVENT, *GUNICORN, "-k", "gevent")
    with server as port:

        def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
            connection = HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            connection.request(method, path, body)
            response = connection.getresponse()
            read = response.status, response.read()
            connection.close()
            return read

        assert ask("GET", "/stream") == (200, b"stream")
        assert ask("POST", "/echo", b"abc" * 100_000) == (200, b"abc" * 100_000)
        assert ask("GET", "/def") == (200, b"plain")
        assert ask("GET", "/async")[0] == 500
        assert ask("GET", "/mixed")[0] == 500
        assert ask("GET", "/events") == (200, b"data: one\n\ndata: two\n\n")
        assert ask("GET", "/stream") == (200, b"stream")
    log = server.log.read_text()
    assert log.count("use gunicorn's gthread worker, or an ASGI server") >= 2
    assert "has no heartbeats" in log


# Bodies.


@pytest.mark.parametrize("kind", KINDS)
def test_head_on_a_stream_has_the_fields_of_get_and_no_body(make_app: MakeApp, kind: str) -> None:
    """W-40"""
    app = make_app()
    seen: list[str] = []

    class Chunks:
        def __iter__(self) -> Iterator[str]:
            return self

        def __next__(self) -> str:
            seen.append("pulled")
            raise StopIteration

        def close(self) -> None:
            seen.append("closed")

    class LaterChunks:
        def __aiter__(self) -> AsyncIterator[str]:
            return self

        async def __anext__(self) -> str:
            seen.append("pulled")
            raise StopAsyncIteration

        async def aclose(self) -> None:
            await asyncio.sleep(0)
            seen.append("closed")

    def handler() -> Response:
        return StreamingResponse(Chunks() if kind == "def" else LaterChunks(), headers={"x-a": "b"})

    async def waiting() -> Response:
        return handler()

    app.get("/")(waiting if kind == "async def" else handler)
    head = exchange(app, "wsgi", "HEAD", b"/")
    assert seen == ["closed"]
    got = exchange(app, "wsgi", "GET", b"/")
    assert (head.status, head.headers, head.body) == (got.status, got.headers, b"")


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_status_without_a_body_has_no_content_fields_and_an_empty_iterable(
    app: App, colour: Any, status: int, content: bytes
) -> None:
    """W-41"""
    app.get("/")(colour(lambda: Response(content, status, {"etag": '"1"', "content-type": "text/plain"})))
    called = Called(app)
    assert list(called.iterable) == []
    assert called.headers == {"etag": '"1"'}


def test_one_chunk_has_its_exact_length_whatever_the_handler_declares(app: App, colour: Any) -> None:
    """W-42"""
    app.get("/")(colour(lambda: Response("äöü", headers={"content-length": "3"})))
    called = Called(app)
    assert len(called.iterable) == 1
    assert called.headers["content-length"] == "6"


def test_a_body_of_unknown_length_ends_with_the_connection_under_http_1_0(app: App, streamed: Streamed) -> None:
    """W-43: the door declares nothing, and a server that speaks HTTP/1.0 closes."""

    @streamed
    def chunks() -> Iterator[Any]:
        yield "a"
        yield "b"

    class Quiet(WSGIRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    serve: Any = app.wsgi  # typeshed's StartResponse and ours differ in the names of their parameters
    with make_server("127.0.0.1", 0, serve, handler_class=Quiet) as server:
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        with socket.create_connection(server.server_address[:2], DEADLINE) as connection:  # type: ignore[arg-type]  # a TCP one
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            received = b""
            while data := connection.recv(65536):
                received += data
        serving.join(DEADLINE)
    head, _, body = received.partition(b"\r\n\r\n")
    assert body == b"ab"
    assert b"content-length" not in head.lower()
    assert b"connection" not in head.lower()


def test_chunks_may_be_text_or_buffers_and_empty_ones_are_skipped(app: App, streamed: Streamed) -> None:
    """W-44"""

    @streamed
    def chunks() -> Iterator[Any]:
        yield from ("", "ä", b"", b"b", bytearray(b"c"), memoryview(b"d"), bytearray())

    called = Called(app)
    assert list(called.iterable) == ["ä".encode(), b"b", b"c", b"d"]
    called.close()
    assert called.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_chunk_that_is_neither_text_nor_bytes_is_a_fault_of_the_handler(
    app: App, streamed: Streamed, caplog: pytest.LogCaptureFixture
) -> None:
    """W-44"""

    @streamed
    def chunks() -> Iterator[Any]:
        yield None

    called = Called(app)
    called.read()
    assert called.status == 500
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], TypeError)


def test_bytes_beyond_the_declared_length_are_cut_and_that_is_logged(
    app: App, streamed: Streamed, caplog: pytest.LogCaptureFixture
) -> None:
    """W-45"""
    seen: list[str] = []

    def chunks() -> Iterator[Any]:
        try:
            yield "abc"
            yield "defgh"
            yield "never"
        finally:
            seen.append("closed")

    streamed(chunks, {"content-length": "5"})
    got = exchange(app, "wsgi", "GET", b"/")
    assert (got.error, got.body) == (None, b"abcde")
    assert seen == ["closed"]
    [record] = caplog.records
    assert record.levelno == logging.ERROR


def test_a_body_shorter_than_declared_breaks_the_answer_off(app: App, streamed: Streamed) -> None:
    """W-45"""

    def chunks() -> Iterator[Any]:
        yield "abc"

    streamed(chunks, {"content-length": "5"})
    called = Called(app)
    walked = iter(called.iterable)
    assert next(walked) == b"abc"
    with pytest.raises(RuntimeError, match="2 bytes short"):
        next(walked)
    called.close()


# What is left.


@pytest.mark.parametrize("path", ["/whole", "/stream", "/body", "/error", "/left", "/missing"])
def test_nothing_of_the_environ_is_kept_after_the_call(app: App, colour: Callable[[Any], Any], path: str) -> None:
    """W-46: not by the request either, which a handler may keep."""

    class Environ(dict[str, Any]):
        """A dict that can be referred to weakly."""

    kept: list[Any] = []

    def keep(request: Request) -> None:
        kept.extend((request, request.headers, request.query, request.facts))

    @app.get("/whole")
    @colour
    def whole(request: Request) -> str:
        keep(request)
        return "x"

    @app.get("/stream")
    @colour
    def stream(request: Request) -> Response:
        keep(request)
        return StreamingResponse(iter(["a", "b"]))

    @app.get("/left")
    @colour
    def left(request: Request) -> Response:
        keep(request)
        return StreamingResponse(iter(["a", "b"] * 1000))

    @app.get("/body", stream=True)
    @colour
    def body(request: Request) -> str:
        keep(request)
        kept.append(request.stream)
        return "x"

    @app.get("/error")
    @colour
    def error(request: Request) -> str:
        keep(request)
        raise HTTPException(418)

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        return None

    plain = Called(app, "/missing", body=b"abc").environ
    app.shutdown()
    gc.disable()
    try:
        environ = Environ(plain, PATH_INFO=path)
        iterable: Any = app(environ, start_response)
        if path == "/left":
            next(iterable)
        else:
            assert b"".join(iterable) or path == "/missing"
        getattr(iterable, "close", lambda: None)()
        seen = weakref.ref(environ)
        del environ, iterable
        until(lambda: seen() is None, "it is still referred to")
    finally:
        gc.enable()
    if kept:
        assert kept[0].headers is kept[1]
        with pytest.raises(RuntimeError, match="the request is over"):
            kept[0]._source.facts(None)


def test_an_environ_that_the_server_changes_after_the_call_changes_nothing(app: App, streamed: Streamed) -> None:
    """W-46: some servers use one dict for the next request."""

    @streamed
    def chunks() -> Iterator[Any]:
        yield "a"
        yield "b"

    called = Called(app)
    called.environ.clear()
    assert called.read() == b"ab"


def test_a_client_that_leaves_ends_an_async_generator_where_it_waits(app: App) -> None:
    """W-51"""
    seen: list[str] = []

    @app.get("/")
    async def handler() -> AsyncIterator[str]:
        yield "x"
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    called = Called(app)
    next(called.iterable)
    called.close()
    assert seen == ["cancelled"]


def test_a_client_that_leaves_closes_an_async_generator_that_waits_for_it_and_its_clean_up_may_wait(app: App) -> None:
    """W-51: what is suspended at a ``yield`` is closed, not cancelled, so that its ``finally`` can await."""
    seen: list[str] = []
    full = threading.Event()

    @app.get("/")
    async def handler() -> AsyncIterator[str]:
        try:
            for number in range(1000):
                if number == 8:
                    full.set()
                yield "x"
        except GeneratorExit:
            await asyncio.sleep(0)
            seen.append("closed")
            raise

    called = Called(app)
    assert full.wait(DEADLINE)
    called.close()
    assert seen == ["closed"]


def test_what_a_thread_is_still_inside_of_is_released_when_it_returns(app: App) -> None:
    """W-51, A-23: no thread can be stopped, so the server is not kept waiting for this one."""
    inside, release = threading.Event(), threading.Event()
    requests: list[Request] = []
    seen: list[str] = []

    def chunks() -> Iterator[str]:
        try:
            yield "x"
            inside.set()
            release.wait(DEADLINE)
            yield "y"
        finally:
            seen.append("closed")

    @app.get("/")
    async def handler(request: Request) -> Response:
        requests.append(request)
        request.background(seen.append, "background")
        return StreamingResponse(chunks())

    called = Called(app)
    assert next(called.iterable) == b"x"
    assert inside.wait(DEADLINE)
    called.close()
    assert seen == []
    assert app.gauges()["left"] == 1
    assert requests[0].headers.get("x") is None  # it is not over
    release.set()
    until(lambda: seen == ["closed", "background"], "it was not released")
    assert app.gauges()["left"] == 0
    with pytest.raises(RuntimeError, match="the request is over"):
        requests[0]._source.facts(None)


def test_an_answer_that_does_not_end_is_waited_for_within_the_grace_period(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """W-51, E-13: and its input, which it may be reading, is not read away beside it."""
    app = make_app(grace=0.05)
    release = threading.Event()

    @app.post("/", stream=True)
    async def handler() -> AsyncIterator[str]:
        yield "x"
        while not release.is_set():
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                pass
        yield "y"

    source = OnlyRead(b"abc")
    called = Called(app, method="POST", body=source, CONTENT_LENGTH="3")
    next(called.iterable)
    called.close()
    [record] = caplog.records
    assert "went on after its client had left" in record.getMessage()
    assert source.asked == []
    release.set()


@pytest.mark.parametrize("exit_", [KeyboardInterrupt, SystemExit])
def test_an_exit_raised_by_a_handler_reaches_the_server_after_the_clean_up(
    app: App, colour: Any, exit_: type[BaseException]
) -> None:
    """W-52"""
    seen: list[Any] = []

    @app.middleware
    def around(request: Request) -> Iterator[Any]:
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise

    def handler(request: Request) -> str:
        seen.append(request)
        raise exit_

    app.get("/")(colour(handler))
    with pytest.raises(exit_):
        Called(app)
    assert seen[1:] == [exit_]
    with pytest.raises(RuntimeError, match="the request is over"):
        _ = seen[0].headers
    app_lives = Called(app, "/nowhere")
    app_lives.read()
    assert app_lives.status == 404


def test_an_exit_raised_by_a_stream_reaches_the_server(app: App, streamed: Streamed) -> None:
    """W-52"""

    @streamed
    def chunks() -> Iterator[Any]:
        yield "x"
        raise SystemExit(3)

    called = Called(app)
    walked = iter(called.iterable)
    assert next(walked) == b"x"
    with pytest.raises(SystemExit):
        next(walked)
    called.close()


def test_a_cancellation_raised_by_a_handler_is_answered_by_500(app: App, colour: Any) -> None:
    """W-52 names the two exceptions that propagate; in a server's thread nothing would catch a cancellation."""

    def handler() -> str:
        raise asyncio.CancelledError

    app.get("/")(colour(handler))
    called = Called(app)
    called.read()
    assert called.status == 500


def test_an_interrupted_server_thread_takes_its_coroutine_along(app: App) -> None:
    """P-08: as when gunicorn's worker times out; the clean-up has run when the interrupt goes on."""
    seen: list[str] = []

    @app.get("/")
    async def handler() -> str:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        try:
            await asyncio.sleep(3600)
        finally:
            seen.append("cancelled")
        return "x"

    def leave(number: int, frame: object) -> None:
        raise SystemExit(number)

    app.startup()
    before = signal.signal(signal.SIGUSR1, leave)
    try:
        with pytest.raises(SystemExit):
            Called(app)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["cancelled"]


def test_a_request_in_flight_when_the_application_is_shut_down_is_answered(make_app: MakeApp) -> None:
    """P-19: nobody waits for ever for a loop that is gone."""
    app = make_app(grace=0.1)
    begun = threading.Event()

    @app.get("/")
    async def handler() -> str:
        begun.set()
        await asyncio.sleep(3600)
        return "x"

    answers: list[int] = []

    def ask() -> None:
        called = Called(app)
        called.read()
        answers.append(called.status)

    thread = threading.Thread(target=ask)
    thread.start()
    assert begun.wait(DEADLINE)
    app.shutdown()
    thread.join(DEADLINE)
    assert answers == [500]


def test_a_stream_in_flight_when_the_application_is_shut_down_is_broken_off(make_app: MakeApp) -> None:
    """P-16: by an `Exception`, which a server handles; a cancellation would end its worker."""
    app = make_app(grace=0.1)

    @app.get("/")
    async def handler() -> AsyncIterator[str]:
        yield "x"
        await asyncio.sleep(3600)

    called = Called(app)
    walked = iter(called.iterable)
    assert next(walked) == b"x"
    app.shutdown()
    with pytest.raises(RuntimeError, match="cancelled"):
        next(walked)
    called.close()


def test_a_request_has_a_context_of_its_own_and_leaves_nothing_in_the_servers_thread(app: App, colour: Any) -> None:
    """T-11"""
    mark = contextvars.ContextVar("mark", default="unset")

    def handler() -> str:
        seen = mark.get()
        mark.set("set")
        return seen

    app.get("/")(colour(handler))
    assert [Called(app).read() for _ in range(3)] == [b"unset"] * 3
    assert mark.get() == "unset"


def test_background_work_that_cannot_be_started_is_logged_and_no_exception_of_the_server(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W-13, T-19"""

    @app.get("/")
    def handler(request: Request) -> str:
        request.background(print, "never")
        return "x"

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    app.startup()
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert Called(app).read() == b"x"
    monkeypatch.undo()
    assert any("was closed" in record.getMessage() for record in caplog.records)
