"""The ASGI door, row by row: hostile scopes and messages by hand, ordinary requests behind both doors."""

from __future__ import annotations

import asyncio
import copy
import gc
import importlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint

from duoframe import (
    App,
    ClientDisconnect,
    HTTPException,
    PlainTextResponse,
    Request,
    Response,
    StreamingResponse,
    inline,
)
from duoframe.testing import checked_asgi, exchange
from duoframe.types import Message, Scope, Send
from tests.conftest import DEADLINE, Ask, MakeApp, MakeClient, until

ROOT = Path(__file__).parents[1]
PROMPT = 5.0
"""Seconds that an app call may take to return after its client has left: far from for ever, and no race."""

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]
Pairs = Iterable[Any]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The event loop of a server by hand."""
    return str(request.param)


def scope_of(path: str = "/", method: str = "GET", headers: Pairs = (), **other: Any) -> dict[str, Any]:
    """The keys that a server must give, and no other."""
    return {"type": "http", "method": method, "path": path, "headers": list(headers), **other}


def part(body: bytes, more: bool = False) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


GONE: Message = {"type": "http.disconnect"}


class Line:
    """A server's side of one call by hand: gives ``events``, then waits until `left` is set and says so."""

    def __init__(self, *events: Message, leave_after: int | None = None, fails: BaseException | None = None) -> None:
        self.events = list(events)
        self.sent: list[Any] = []
        self.received = 0
        self.left = anyio.Event()
        self._leave_after = leave_after
        self._fails = fails

    async def receive(self) -> Message:
        self.received += 1
        if self.events:
            return self.events.pop(0)
        await self.left.wait()
        return GONE

    async def send(self, message: Message) -> None:
        if self.left.is_set() and self._fails is not None:
            raise self._fails
        self.sent.append(message)
        if self._leave_after is not None and len(self.chunks) >= self._leave_after:
            self.left.set()
        await checkpoint()

    @property
    def chunks(self) -> list[bytes]:
        return [m["body"] for m in self.sent if m["type"] == "http.response.body" and m["body"]]

    @property
    def status(self) -> int:
        assert self.sent[0]["type"] == "http.response.start"
        return int(self.sent[0]["status"])

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def complete(self) -> bool:
        return bool(self.sent) and self.sent[-1].get("more_body") is False


async def silence() -> Message:
    """A `receive` that never has anything to say."""
    await anyio.sleep_forever()
    raise AssertionError


def begin(group: TaskGroup, app: App, scope: Scope, line: Line, send: Send | None = None) -> None:
    """Start one call by hand in a task."""

    async def run() -> None:
        await app(scope, line.receive, send or line.send)

    group.start_soon(run)


async def settled(app: App) -> None:
    """Return once nothing of any request is held."""
    with anyio.move_on_after(DEADLINE):
        while any(app.gauges().values()):  # noqa: ASYNC110  threads bring it about
            await anyio.sleep(0.002)
    assert not any(app.gauges().values()), app.gauges()


async def happens(condition: Callable[[], object], what: str, deadline: float = DEADLINE) -> None:
    """On a loop: wait for a condition that something else brings about; fail after ``deadline`` seconds."""
    with anyio.move_on_after(deadline):
        while not condition():  # noqa: ASYNC110  as above
            await anyio.sleep(0.002)
    assert condition(), what


def on_loop(backend: str, main: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(main, backend=backend)


def played(backend: str, app: App, scope: Scope, *events: Message, **options: Any) -> Line:
    """One call by hand, to its end; nothing may be held after it."""

    async def main() -> Line:
        line = Line(*events, **options)
        with anyio.fail_after(DEADLINE):
            await checked_asgi(app)(scope, line.receive, line.send)
        await settled(app)
        return line

    return on_loop(backend, main)  # type: ignore[no-any-return]  # a Line


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [message for message in told if not message.startswith("Executing <")]  # asyncio, of a slow machine


# The scope


@pytest.mark.parametrize("kind", ["webtransport", "", "HTTP"])
def test_a_scope_of_an_unknown_type_is_refused(app: App, backend: str, kind: str) -> None:
    """A-01."""
    with pytest.raises(RuntimeError, match=f"expected a scope of type http, websocket or lifespan, got '{kind}'"):
        played(backend, app, {"type": kind})


def test_a_websocket_is_refused_before_it_is_accepted(app: App, backend: str) -> None:
    """S-01: a close before the accept is a 403."""
    line = played(backend, app, {"type": "websocket", "path": "/"}, {"type": "websocket.connect"})
    assert [message["type"] for message in line.sent] == ["websocket.close"]


def test_optional_keys_of_the_scope_may_be_missing(app: App, backend: str, colour: Paint) -> None:
    """A-02."""

    @app.get("/é")
    @colour
    def show(request: Request) -> Any:
        facts = request.facts
        return [facts.scheme, facts.client, facts.server, facts.root_path, facts.http_version, request.host]

    line = played(backend, app, scope_of("/é"))
    assert line.chunks == [b'["http",null,null,"","1.1",""]']
    line = played(backend, app, scope_of("/é", scheme="", client=None, server=None, root_path=None, raw_path=None))
    assert line.chunks == [b'["http",null,null,"","1.1",""]']


def test_keys_nobody_knows_are_ignored(app: App, backend: str, colour: Paint) -> None:
    """A-03."""
    app.post("/")(colour(lambda request: request.body))
    scope = scope_of(method="POST", headers=[(b"content-length", b"2")], extensions={"x.y": {}}, future=object())
    line = played(backend, app, scope, {**part(b"ab"), "trace": 1})
    assert line.chunks == [b"ab"]


@pytest.mark.parametrize(
    "made",
    [list, tuple, iter, lambda fields: (pair for pair in fields), lambda fields: [list(pair) for pair in fields]],
    ids=["list", "tuple", "iterator", "generator", "lists"],
)
def test_header_fields_may_come_in_any_iterable_and_case(
    app: App, backend: str, colour: Paint, made: Callable[[Pairs], Any]
) -> None:
    """A-04: walked once, so that a body announced in an iterator is read."""
    app.post("/")(colour(lambda request: [request.headers.multi_items(), request.body.decode()]))
    scope = scope_of(method="POST")
    scope["headers"] = made([(b"Content-Length", b"2"), (b"X-Tag", b"One"), (b"x-TAG", b"two")])
    line = played(backend, app, scope, part(b"ok"))
    assert line.chunks == [b'[[["content-length","2"],["x-tag","One"],["x-tag","two"]],"ok"]']


def test_the_scope_is_not_changed(app: App, backend: str, colour: Paint) -> None:
    """A-05."""

    @app.get("/items/{name}")
    @colour
    def item(request: Request, name: str) -> str:
        request.state.mine = 1
        request.path_params["other"] = 2
        return request.url.path

    scope = scope_of("/api/items/é", root_path="/api", state={"theirs": []}, query_string=b"a=1")
    before = copy.deepcopy(scope)
    played(backend, app, scope)
    assert scope == before


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("/\udcff\udcfe"),
        scope_of("/\ufffd", raw_path=b"/%ff"),
        scope_of("/\ufffd"),
        scope_of("/\ufffd", raw_path=b"/%ff?a=b"),
        scope_of("/\x00\udcff"),
    ],
)
def test_a_path_that_was_no_utf8_is_a_client_error(
    app: App, backend: str, colour: Paint, scope: Scope, caplog: pytest.LogCaptureFixture
) -> None:
    """A-06, W-19."""
    app.get("/{name:path}")(colour(lambda name: name))
    assert played(backend, app, scope).status in (400, 404)
    assert errors(caplog) == []


def test_a_replacement_character_that_was_sent_is_text_like_any_other(app: App, backend: str) -> None:
    """A-06: U+FFFD itself is valid UTF-8; the query behind a raw path has no say in it (A-08)."""
    app.get("/{name}")(lambda name: name)
    line = played(backend, app, scope_of("/\ufffd", raw_path=b"/%EF%BF%BD?%ff"))
    assert (line.status, line.chunks) == (200, ["\ufffd".encode()])


@pytest.mark.parametrize(
    ("root_path", "path", "status"),
    [
        ("/api", "/api/x", 200),
        ("/api/", "/api/x", 200),
        ("/api", "/x", 200),
        ("/ap", "/api/x", 404),
        ("/api", "/api", 307),
        ("/x", "/x", 307),
        ("/é", "/é/x", 200),
        ("", "/x", 200),
    ],
)
def test_the_root_path_is_taken_off_at_a_segment_boundary(
    app: App, backend: str, root_path: str, path: str, status: int
) -> None:
    """A-07: servers of the specification leave it in the path, older do not. 307 is the root's own route."""
    app.get("/x")(lambda request: request.root_path)
    app.get("/")(lambda: ("root", 307))
    line = played(backend, app, scope_of(path, root_path=root_path))
    assert line.status == status
    if status == 200:
        assert line.chunks == ([root_path.rstrip("/").encode()] if root_path else [])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, b"/caf%C3%A9%20%25"),
        ({"raw_path": None}, b"/caf%C3%A9%20%25"),
        ({"raw_path": b""}, b"/caf%C3%A9%20%25"),
        ({"raw_path": b"/caf%c3%a9%20%25"}, b"/caf%c3%a9%20%25"),
        ({"raw_path": b"/caf%c3%a9%20%25?a=/b"}, b"/caf%c3%a9%20%25"),
    ],
)
def test_the_raw_path_is_the_sent_one_or_made_of_the_path(
    app: App, backend: str, raw: dict[str, Any], expected: bytes
) -> None:
    """A-08."""
    app.get("/{name}")(lambda request: request.raw_path)
    assert played(backend, app, scope_of("/café %", **raw)).chunks == [expected]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, b"[]"),
        ({"query_string": b""}, b"[]"),
        ({"query_string": None}, b"[]"),
        ({"query_string": b"a=1&a=&b"}, b'[["a","1"],["a",""],["b",""]]'),
        ({"query_string": "é=ü".encode()}, '[["é","ü"]]'.encode()),
        ({"query_string": b"a=%ff&b=\xff&c=%zz&d=+"}, '[["a","\ufffd"],["b","\ufffd"],["c","%zz"],["d"," "]]'.encode()),
        ({"query_string": b"a=" + b"x" * 100_000}, b'[["a","' + b"x" * 100_000 + b'"]]'),
    ],
)
def test_the_query_is_read_as_wsgi_reads_it(app: App, backend: str, given: dict[str, Any], expected: bytes) -> None:
    """A-09, W-24."""
    app.get("/")(lambda request: request.query.multi_items())
    assert played(backend, app, scope_of(**given)).chunks == [expected]


def test_a_query_of_too_many_parameters_is_a_client_error(ask: Ask, app: App, colour: Paint) -> None:
    """A-09."""
    app.get("/")(colour(lambda request: len(request.query)))
    assert ask(app, "GET", b"/?" + b"&" * 100_000).status == 400


# The body


@pytest.mark.parametrize("stream", [False, True], ids=["read before", "stream"])
@pytest.mark.parametrize(
    "events",
    [
        [part(b"abcdef")],
        [part(b"abc", True), part(b"def")],
        [part(b"abcdef", True), part(b"")],
        [part(b"", True), part(b"abcdef", True), part(b"", True), part(b"", False)],
        [part(b"abc", True), {"type": "http.request", "more_body": True}, part(b"def")],
        [part(b"abcdef", True), {"type": "http.request"}],
        [{"type": "http.request", "body": b"abcdef"}],
        [*(part(bytes([letter]), True) for letter in b"abcdef"), part(b"")],
    ],
)
def test_a_body_in_any_number_of_messages_is_put_together(
    app: App, backend: str, colour: Paint, events: list[Message], stream: bool
) -> None:
    """A-10, A-11: keys that are missing have their defaults, and an empty last message ends the body."""

    @app.post("/", stream=stream)
    @colour
    def whole(request: Request) -> Any:
        return StreamingResponse(request.stream) if stream else request.body

    for fields in ([(b"content-length", b"6")], [(b"transfer-encoding", b"chunked")]):
        line = played(backend, app, scope_of(method="POST", headers=fields), *events)
        assert b"".join(line.chunks) == b"abcdef"


def test_a_thousand_messages_make_one_body(app: App, backend: str, colour: Paint) -> None:
    """A-10."""
    app.post("/")(colour(lambda request: str(len(request.body))))
    messages = [part(b"x" * 10, True) for _ in range(1000)]
    line = played(backend, app, scope_of(method="POST", headers=[(b"content-length", b"10000")]), *messages, part(b""))
    assert line.chunks == [b"10000"]


def test_http_2_needs_no_length(app: App, backend: str) -> None:
    """A-10: only the messages tell where a body of HTTP/2 or HTTP/3 ends; a GET is not waited for."""
    app.post("/")(lambda request: request.body)
    app.get("/")(lambda request: request.body or b"none")
    assert played(backend, app, scope_of(method="POST", http_version="2"), part(b"abc")).chunks == [b"abc"]
    line = played(backend, app, scope_of(http_version="2"))
    assert (line.chunks, line.received) == ([b"none"], 0)


@pytest.mark.parametrize("fields", [[b"1", b"2"], [b"-1"], [b"+5"], [b"5, 5"], [b"0x5"], [b"9" * 20], [b"\xb2"]])
def test_a_length_that_is_none_is_refused_unread(
    app: App, backend: str, fields: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """A-10, W-26, H-10: the answer closes the connection, whose next request nobody could find."""
    app.post("/")(lambda: "never")
    line = played(backend, app, scope_of(method="POST", headers=[(b"content-length", value) for value in fields]))
    assert (line.status, line.fields[b"connection"], line.received) == (400, b"close", 0)
    assert errors(caplog) == []


async def take_all(chunks: AsyncIterable[bytes], into: list[Any]) -> None:
    async for chunk in chunks:
        into.append(chunk)  # noqa: PERF401  what comes before an error counts


LEAVING = [[GONE], [part(b"ab", True), GONE], [part(b"ab", True), part(b"", True), GONE]]


@pytest.mark.parametrize("events", LEAVING)
def test_a_handler_that_streams_a_body_is_told_when_the_client_leaves(
    app: App, backend: str, colour: Paint, events: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    """A-12, A-13: no 500 is sent or logged, and what middleware sees is a client error."""
    got: list[Any] = []

    @app.middleware
    @inline
    def look(request: Request) -> Iterator[Any]:
        response: Any = yield
        got.append(response.status)

    @app.errorhandler(500)
    def failed(request: Request, error: Exception) -> Any:
        got.append(error)
        return "failed", 500

    @app.post("/", stream=True)
    @colour
    def take(request: Request) -> Any:
        return StreamingResponse(request.stream)

    @app.post("/read", stream=True)
    async def read(request: Request) -> Any:
        try:
            await take_all(request.stream, got)
        except ClientDisconnect:
            got.append("told")
            raise
        return "complete"

    fields = [(b"content-length", b"6")]
    line = played(backend, app, scope_of("/read", "POST", fields), *events)
    assert got == [*([b"ab"] if len(events) > 1 else []), "told", 400]
    assert [message["status"] for message in line.sent if "status" in message] in ([], [400])
    got.clear()
    line = played(backend, app, scope_of("/", "POST", fields), *events)
    assert line.chunks in ([], [b"ab"])
    assert not line.complete or line.status == 400
    assert errors(caplog) == []


@pytest.mark.parametrize("events", LEAVING)
def test_a_broken_body_never_passes_for_a_short_one(
    app: App, backend: str, colour: Paint, events: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    """A-13: the handler is not called; middleware and gate are left as for any refused request."""
    seen: list[Any] = []

    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        response: Any = yield
        seen.append(response.status)

    app.post("/")(colour(lambda request: seen.pop() or request.body))
    for fields in ([(b"content-length", b"6")], [(b"transfer-encoding", b"chunked")]):
        line = played(backend, app, scope_of(method="POST", headers=fields), *events, fails=OSError("gone"))
        assert line.status == 400
    assert seen == [400, 400]
    assert errors(caplog) == []


def test_a_refusal_to_a_client_that_has_left_is_no_error(
    app: App, backend: str, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """A-12, refused by an `@inline` gate; A-20."""

    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        yield PlainTextResponse("no", 403)

    app.post("/")(colour(lambda: "never"))

    async def main() -> None:
        line = Line(fails=OSError("gone"))
        line.left.set()
        await app(scope_of(method="POST", headers=[(b"content-length", b"6")]), line.receive, line.send)
        await settled(app)
        assert line.received == 0

    on_loop(backend, main)
    assert errors(caplog) == []


@pytest.mark.parametrize("body", [[], [part(b"ab")]], ids=["no body", "a body"])
def test_between_body_and_answer_receive_is_asked_once(
    app: App, backend: str, colour: Paint, body: list[Message]
) -> None:
    """A-14: the wait for the disconnect is a wait."""

    @app.post("/")
    @colour
    def stream() -> Any:
        return iter([b"x"] * 50)

    fields = [(b"content-length", b"2")] if body else []
    line = played(backend, app, scope_of(method="POST", headers=fields), *body)
    assert (len(line.chunks), line.complete) == (50, True)
    assert line.received <= len(body) + 1


def test_a_server_that_repeats_the_body_is_not_asked_for_ever(app: App, backend: str, colour: Paint) -> None:
    """A-14: a `receive` that never waits and never says that the client has left makes no busy loop."""
    app.get("/")(colour(lambda: iter([b"x"] * 50)))
    asked: list[int] = []

    async def main() -> Line:
        line = Line()

        async def receive() -> Message:
            asked.append(1)
            return part(b"")

        with anyio.fail_after(DEADLINE):
            await app(scope_of(), receive, line.send)
        return line

    assert on_loop(backend, main).complete
    assert len(asked) <= 2


def test_two_tasks_that_read_take_turns_and_get_the_same_disconnect(app: App, backend: str) -> None:
    """A-15."""
    got: list[Any] = []
    busy: list[int] = []

    @app.post("/", stream=True)
    async def read(request: Request) -> str:
        async def reader() -> None:
            try:
                await take_all(request.stream, got)
            except ClientDisconnect:
                got.append("told")

        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(reader)
        return "done"

    async def main() -> None:
        line = Line(part(b"a", True), part(b"b", True))

        async def receive() -> Message:
            assert not busy
            busy.append(1)
            await checkpoint()
            if not line.events:
                line.left.set()
            message = await line.receive()
            busy.clear()
            return message

        await app(scope_of(method="POST", headers=[(b"content-length", b"9")]), receive, line.send)

    on_loop(backend, main)
    assert got == [b"a", b"b", "told", "told"]


@pytest.mark.parametrize("stream", [False, True], ids=["read before", "stream"])
def test_a_message_nobody_knows_raises_where_the_body_is_read(
    app: App, backend: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A-16: it is not taken for an end or a disconnect; the client gets a 500 and the log says why."""
    seen: list[Any] = []

    @app.post("/", stream=stream)
    async def read(request: Request) -> Any:
        with pytest.raises(
            RuntimeError, match=r"expected http\.request or http\.disconnect, got 'http\.trailer'"
        ) as caught:
            await take_all(request.stream, seen)
        raise caught.value

    scope = scope_of(method="POST", headers=[(b"content-length", b"6")])
    line = played(backend, app, scope, part(b"abc", True), {"type": "http.trailer"})
    assert line.status == 500
    assert seen == ([b"abc"] if stream else [])
    [record] = [record for record in caplog.records if record.exc_info]
    assert "http.trailer" in str(record.exc_info[1])  # type: ignore[index]  # records above were chosen for it


def test_a_message_nobody_knows_ends_a_stream(
    app: App, backend: str, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """A-16: while an answer is streamed."""
    ended: list[int] = []
    raised: list[str] = []

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.append(1)

    app.get("/")(colour(endless))

    async def main() -> None:
        line = Line({"type": "http.trailer"})
        with anyio.fail_after(PROMPT):
            try:
                await app(scope_of(), line.receive, line.send)
            except RuntimeError as error:
                raised.append(str(error))
            if raised:
                assert not line.complete
            else:
                raised.extend(str(record.exc_info) for record in caplog.records)
                assert line.status == 500
            assert "expected http.request or http.disconnect, got 'http.trailer'" in raised[0]
        await settled(app)

    on_loop(backend, main)
    assert ended == [1]


@pytest.mark.parametrize("stream", [False, True], ids=["read before", "stream"])
@pytest.mark.parametrize("announced", [b"5", b"10"])
def test_the_limit_counts_what_comes_and_not_what_was_announced(
    make_app: MakeApp, backend: str, colour: Paint, announced: bytes, stream: bool
) -> None:
    """A-17."""
    app = make_app(max_body_size=10)

    @app.post("/", stream=stream)
    @colour
    def size(request: Request) -> Any:
        return str(sum(map(len, request.stream))) if stream else str(len(request.body))

    @app.post("/later", stream=stream)
    async def later(request: Request) -> Any:
        return str(sum([len(chunk) async for chunk in request.stream])) if stream else str(len(request.body))

    for path in ("/later",) if stream and not is_def(colour) else ("/", "/later"):
        scope = scope_of(path, "POST", [(b"content-length", announced)])
        assert played(backend, app, scope, part(b"x" * 5, True), part(b"x" * 5)).chunks == [b"10"]
        assert played(backend, app, scope, part(b"x" * 5, True), part(b"x" * 6, True), part(b"")).status == 413


def is_def(colour: Paint) -> bool:
    """Whether ``colour`` leaves a `def` as it is."""
    return colour(is_def) is is_def


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
@pytest.mark.parametrize("announced", [(b"transfer-encoding", b"chunked"), (b"content-length", b"1000")])
def test_a_body_past_its_limit_is_answered_at_once(
    make_app: MakeApp, backend: str, colour: Paint, version: str, announced: tuple[bytes, bytes]
) -> None:
    """A-18: reading stops, and over HTTP/1 the connection is closed."""
    app = make_app(max_body_size=10)
    app.post("/")(colour(lambda: "never"))
    messages = [part(b"x" * 8, True) for _ in range(100)]
    line = played(backend, app, scope_of(method="POST", headers=[announced], http_version=version), *messages)
    assert line.status == 413
    assert line.received == (2 if announced[1] == b"chunked" else 0)
    assert line.fields.get(b"connection") == (None if version == "2" else b"close")


def test_two_hosts_are_one_too_many(app: App, backend: str) -> None:
    """A-40, R17."""
    app.get("/")(lambda: "never")
    line = played(backend, app, scope_of(headers=[(b"host", b"a"), (b"Host", b"a")]))
    assert (line.status, line.fields[b"connection"]) == (400, b"close")


@pytest.mark.parametrize("broken", [False, True], ids=["complete", "broken off"])
def test_a_large_body_goes_through_the_disk(
    app: App, backend: str, colour: Paint, broken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A-10, A-13: written and read in threads, and no file is left when the client breaks off."""
    app.post("/")(colour(lambda request: str(len(request.body))))
    before = len(os.listdir("/proc/self/fd"))
    chunk = b"x" * 300_000
    events = [part(chunk, True) for _ in range(10)]
    fields = [(b"content-length", b"3000000"), (b"content-type", b"text/plain")]
    line = played(backend, app, scope_of(method="POST", headers=fields), *events, GONE if broken else part(b""))
    assert (line.status, line.chunks) == (400, line.chunks) if broken else (200, [b"3000000"])
    until(lambda: len(os.listdir("/proc/self/fd")) <= before, "a file was left open")
    assert errors(caplog) == []


@pytest.mark.parametrize("size", [0, 5])
def test_the_empty_body_of_a_get_does_not_pass_for_its_client(app: App, backend: str, colour: Paint, size: int) -> None:
    """A-14, A-19: servers say the end of a body that was never announced, and then what becomes of the client."""
    ended: list[int] = []

    def steps() -> Iterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.append(1)

    app.get("/")(colour(steps))
    line = played(backend, app, scope_of(), part(b"x" * size, True), part(b"x" * size), leave_after=50)
    assert (len(line.chunks) >= 50, ended) == (True, [1])


@pytest.mark.parametrize("leaves", [False, True], ids=["stays", "leaves"])
@pytest.mark.parametrize("path", ["/refused", "/ignored", "/stream"])
def test_a_server_that_waits_for_the_body_to_be_taken_is_not_waited_for(
    make_app: MakeApp, backend: str, colour: Paint, path: str, leaves: bool
) -> None:
    """H-23, A-18: hypercorn takes the end of an answer only when its queue of body messages has room."""
    app = make_app(max_body_size=10)
    app.post("/refused")(colour(lambda: "never"))
    app.post("/ignored", stream=True)(colour(lambda: "ignored"))
    app.post("/stream", stream=True)(colour(lambda: iter([b"a", b"b"])))

    async def main() -> Line:
        line = Line(*(part(b"x" * 8, True) for _ in range(20)), part(b""))

        async def send(message: Message) -> None:
            if message.get("more_body") is False:
                await happens(lambda: not line.events, "the body was not taken")
                if leaves:
                    line.left.set()
                    await happens(lambda: line.received == 22, "the disconnect was not taken")
            await line.send(message)

        with anyio.fail_after(DEADLINE):
            await app(scope_of(path, "POST", [(b"transfer-encoding", b"chunked")]), line.receive, send)
        await settled(app)
        return line

    line = on_loop(backend, main)
    assert line.complete
    assert line.status == (413 if path == "/refused" else 200)


def test_a_body_that_arrives_slowly_is_read_while_the_answer_is_sent(app: App, backend: str) -> None:
    """W-34, A-15: whoever comes first to a message, the reader or the watch, the reader gets it."""

    @app.post("/", stream=True)
    async def echo(request: Request) -> AsyncIterator[bytes]:
        async for chunk in request.stream:
            yield chunk

    async def main() -> None:
        for pause, last in ((0, 75), (1, 75), (1, 76), (5, 75), (5, 76)):
            letters = [bytes([letter]) for letter in range(65, last)]
            line = Line(*(part(letter, True) for letter in letters), part(b"!"))

            async def receive(line: Line = line, pause: int = pause) -> Message:
                for _ in range(pause):
                    await checkpoint()
                return await line.receive()

            with anyio.fail_after(DEADLINE):
                await app(scope_of(method="POST", headers=[(b"transfer-encoding", b"chunked")]), receive, line.send)
            assert b"".join(line.chunks) == b"".join(letters) + b"!"
            assert line.complete

    on_loop(backend, main)


# Streams that break off


class Body:
    """Endless bodies of each kind that note whether they were begun and closed."""

    def __init__(self) -> None:
        self.begun = 0
        self.closed = 0
        self.threads: set[int] = set()

    def steps(self) -> Iterator[bytes]:
        self.begun += 1
        try:
            while True:
                self.threads.add(threading.get_ident())
                yield b"x" * 10
        finally:
            self.threads.add(threading.get_ident())
            self.closed += 1

    async def awaited(self) -> AsyncIterator[bytes]:
        self.begun += 1
        try:
            while True:
                await checkpoint()
                yield b"x" * 10
        finally:
            await checkpoint()  # a clean-up may wait, however the request ended
            self.closed += 1

    def register(self, app: App) -> None:
        @app.get("/def")
        def plain() -> Any:
            return self.steps()

        @app.get("/async")
        async def awaited() -> Any:
            return self.awaited()

        @app.get("/def-in-async")
        async def mixed() -> Any:
            return self.steps()

        @app.get("/async-in-def")
        def crossed() -> Any:
            return self.awaited()


KINDS = ["/def", "/async", "/def-in-async", "/async-in-def"]


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("said", ["by receive", "by send", "by both"])
def test_a_stream_is_closed_before_the_call_returns_when_the_client_leaves(
    app: App, backend: str, path: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-19: a server of spec 2.3 says it by `receive` alone. A-20: one of 2.4 raises `OSError` from `send`."""
    body = Body()
    body.register(app)

    async def main() -> None:
        line = Line(leave_after=3, fails=None if said == "by receive" else BrokenPipeError("gone"))
        receive = line.receive if said != "by send" else silence
        with anyio.fail_after(PROMPT):
            await checked_asgi(app)(scope_of(path), receive, line.send)
        assert (body.begun, body.closed) == (1, 1)
        assert not line.complete
        await settled(app)

    on_loop(backend, main)
    assert errors(caplog) == []


def test_a_time_out_inside_a_stream_is_not_taken_for_the_end_of_it(make_app: MakeApp, backend: str) -> None:
    """A-19: what ran out was the stream's own, so it may go on for longer than a clean-up may take."""
    app = make_app(grace=0.05)

    @app.get("/")
    async def steps() -> AsyncIterator[bytes]:
        for _ in range(10):
            with anyio.move_on_after(0.01):
                await anyio.sleep_forever()
            await anyio.sleep(0.01)
            yield b"x"

    line = played(backend, app, scope_of())
    assert (line.chunks, line.complete) == ([b"x"] * 10, True)


@pytest.mark.parametrize("path", KINDS)
def test_the_client_of_an_unread_body_is_watched_too(app: App, backend: str, path: str) -> None:
    """A-19: on a route with ``stream=True`` whose handler leaves the body, of which one message is taken ahead."""
    body = Body()

    @app.post("/def", stream=True)
    def plain() -> Any:
        return body.steps()

    @app.post("/async", stream=True)
    async def awaited() -> Any:
        return body.awaited()

    @app.post("/def-in-async", stream=True)
    async def mixed() -> Any:
        return body.steps()

    @app.post("/async-in-def", stream=True)
    def crossed() -> Any:
        return body.awaited()

    async def main() -> None:
        line = Line(part(b"abc"), leave_after=3)
        with anyio.fail_after(PROMPT):
            await checked_asgi(app)(scope_of(path, "POST", [(b"content-length", b"3")]), line.receive, line.send)
        assert (body.begun, body.closed) == (1, 1)
        assert line.fields[b"connection"] == b"close"
        await settled(app)

    on_loop(backend, main)


class Asked:
    """Handlers of both colours that go on until the client is known to have left."""

    def __init__(self, app: App) -> None:
        self.seen: list[Any] = []
        self.running = threading.Event()

        @app.post("/def")
        def plain(request: Request) -> str:
            self.seen.append(request.is_disconnected)
            self.running.set()
            until(lambda: request.is_disconnected, "nobody told that the client had left")
            self.seen.append("told")
            return "nobody reads this"

        @app.post("/async")
        async def awaited(request: Request) -> str:
            self.seen.append(request.is_disconnected)
            self.running.set()
            await happens(lambda: request.is_disconnected, "nobody told that the client had left")
            self.seen.append("told")
            return "nobody reads this"

        @app.post("/def-stream", stream=True)
        def plain_stream(request: Request) -> str:
            self.seen.append(list(request.stream) and request.is_disconnected)
            self.running.set()
            until(lambda: request.is_disconnected, "nobody told that the client had left")
            self.seen.append("told")
            return "nobody reads this"


@pytest.mark.parametrize("path", ["/def", "/async", "/def-stream"])
@pytest.mark.parametrize("body", [b"", b"abc"])
def test_a_handler_may_ask_whether_its_client_has_left(app: App, backend: str, path: str, body: bytes) -> None:
    """The first look says no and begins to watch; nothing of it is left when the call returns."""
    asked = Asked(app)

    async def main() -> None:
        line = Line(*[part(body)] if body else [])
        async with anyio.create_task_group() as group:
            length = str(len(body)).encode()
            begin(group, app, scope_of(path, "POST", [(b"content-length", length)]), line)
            await happens(asked.running.is_set, "the handler did not begin")
            line.left.set()
        assert asked.seen[-1] == "told"
        assert not asked.seen[0]
        await settled(app)

    on_loop(backend, main)


@pytest.mark.parametrize("colour", ["def", "async def"])
@pytest.mark.parametrize("events", [[], [part(b"abc")]], ids=["no body", "an unread body"])
def test_a_stream_may_ask_whether_its_client_has_left(
    app: App, backend: str, colour: str, events: list[Message]
) -> None:
    """A-19: who asks and what watches a stream by itself share one client."""
    seen: list[bool] = []

    @app.post("/def", stream=True)
    def plain(request: Request) -> Iterator[bytes]:
        while True:
            seen.append(request.is_disconnected)
            yield b"x"

    @app.post("/async def", stream=True)
    async def awaited(request: Request) -> AsyncIterator[bytes]:
        while True:
            seen.append(request.is_disconnected)
            yield b"x"

    async def main() -> None:
        line = Line(*events, leave_after=3)
        fields = [(b"content-length", b"3")] if events else []
        with anyio.fail_after(PROMPT):
            await checked_asgi(app)(scope_of("/" + colour, "POST", fields), line.receive, line.send)
        assert seen[:2] == [False, False]
        assert not line.complete
        await settled(app)

    on_loop(backend, main)


def test_a_watch_that_comes_after_the_end_watches_nothing(app: App, backend: str) -> None:
    """An `@inline` handler asks, and its call is over before the loop comes to it."""
    seen: list[bool] = []

    @app.get("/")
    @inline
    def handler(request: Request) -> str:
        seen.append(request.is_disconnected)
        return "x"

    async def main() -> None:
        line = Line()

        async def send(message: Message) -> None:
            line.sent.append(message)

        await app.ensure_started(app.runtime())
        await checked_asgi(app)(scope_of(), line.receive, send)
        await settled(app)
        await checkpoint()
        assert (line.chunks, line.received, seen) == ([b"x"], 0, [False])

    on_loop(backend, main)


def test_a_server_that_says_nonsense_while_its_client_is_watched_changes_nothing(app: App, backend: str) -> None:
    lines: list[Line] = []

    @app.get("/")
    async def handler(request: Request) -> list[bool]:
        first = request.is_disconnected
        await happens(lambda: lines[0].received, "nobody looked")
        return [first, request.is_disconnected]

    async def main() -> None:
        lines.append(Line({"type": "nonsense"}))
        await app(scope_of(), lines[0].receive, lines[0].send)
        assert lines[0].chunks == [b"[false,false]"]

    on_loop(backend, main)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("stands", ["at its yield", "in a wait"])
@pytest.mark.parametrize("ended", ["by receive", "by send", "by the server"])
@pytest.mark.parametrize("first", ["at once", "after a wait", "after a lock"])
def test_the_clean_up_of_a_stream_may_wait_and_read_what_the_client_sent(
    app: App, backend: str, kind: str, stands: str, ended: str, first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-13, A-19, A-32: it learns that the client has left, wherever the stream stood and whoever ended it."""
    if stands == "in a wait" and ended == "by send":
        return  # who waits sends nothing
    told: list[object] = []

    async def body(request: Request) -> AsyncIterator[bytes]:
        try:
            for chunk in range(sys.maxsize):
                if chunk == 3 and stands == "in a wait":
                    await anyio.sleep_forever()
                yield b"x"
        finally:
            try:
                if first == "after a wait":
                    await anyio.sleep(0.01)
                elif first == "after a lock":
                    async with anyio.Lock():
                        pass
                told.extend([received async for received in request.stream])
            except BaseException as error:
                told.append(type(error))
                raise

    if kind == "async def":
        app.post("/", stream=True)(body)
    else:

        @app.post("/", stream=True)
        def plain(request: Request) -> Any:
            return body(request)

    async def main() -> None:
        line = Line(leave_after=None if ended == "by the server" else 3, fails=OSError("gone"))
        receive = silence if ended == "by send" else line.receive
        async with anyio.create_task_group() as group:

            async def run() -> None:
                await app(scope_of(method="POST", headers=[(b"content-length", b"30")]), receive, line.send)

            group.start_soon(run)
            if ended == "by the server":
                await happens(lambda: len(line.chunks) >= 3, "nothing was sent")
                group.cancel_scope.cancel()
        await happens(lambda: told, "it was not cleaned up")
        await settled(app)

    on_loop(backend, main)
    assert told == [ClientDisconnect]
    assert errors(caplog) == []


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_body_may_be_read_while_the_answer_is_sent(app: App, backend: str, kind: str) -> None:
    """W-34 behind this door: what the watch for the disconnect takes ahead is not lost, and order is kept."""
    if kind == "def":

        @app.post("/", stream=True)
        def echo(request: Request) -> Iterator[bytes]:
            yield b"start "
            yield from request.stream
            yield b" end"

    else:

        @app.post("/", stream=True)
        async def echo_later(request: Request) -> AsyncIterator[bytes]:
            yield b"start "
            async for chunk in request.stream:
                yield chunk
            yield b" end"

    letters = [bytes([letter]) for letter in range(65, 91)]
    for more in (True, False):
        events = [*(part(letter, True) for letter in letters[:-1]), part(letters[-1], more)]
        events += [part(b"")] if more else []
        line = played(backend, app, scope_of(method="POST", headers=[(b"transfer-encoding", b"chunked")]), *events)
        assert b"".join(line.chunks) == b"start " + b"".join(letters) + b" end"
        assert line.complete


def test_a_thread_that_waits_for_the_body_is_woken_at_the_end(app: App, backend: str) -> None:
    """T-05, A-13: a call that is cancelled leaves no thread waiting for a message that nobody will take."""
    told = threading.Event()
    waiting = threading.Event()

    @app.post("/", stream=True)
    def read(request: Request) -> str:
        waiting.set()
        try:
            return str(sum(map(len, request.stream)))
        except ClientDisconnect:
            told.set()
            raise

    async def main() -> None:
        line = Line()
        async with anyio.create_task_group() as group:
            scope = scope_of(method="POST", headers=[(b"content-length", b"3")])
            begin(group, app, scope, line)
            await happens(waiting.is_set, "the handler was not called")
            await anyio.sleep(0.01)
            group.cancel_scope.cancel()
        await happens(told.is_set, "the thread still waits")
        await settled(app)

    on_loop(backend, main)


def test_a_client_that_takes_nothing_counts_as_gone_after_the_write_timeout(
    make_app: MakeApp, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-21: for servers that neither raise nor report."""
    app = make_app(write_timeout=0.05)
    body = Body()
    body.register(app)
    app.get("/whole")(lambda: "x")

    async def main() -> None:
        for path in (*KINDS, "/whole"):
            line = Line()

            async def send(message: Message, line: Line = line) -> None:
                line.sent.append(message)
                if len(line.sent) == (2 if path == "/whole" else 3):  # noqa: B023  called within this turn
                    await anyio.sleep_forever()

            with anyio.fail_after(PROMPT):
                await app(scope_of(path), line.receive, send)
            await settled(app)

    on_loop(backend, main)
    assert (body.begun, body.closed) == (len(KINDS), len(KINDS))
    assert errors(caplog) == []


@pytest.mark.parametrize("path", KINDS)
def test_a_stalled_stream_is_closed_at_the_shut_down(app: App, backend: str, path: str) -> None:
    """A-21: without a time-out, the server's own cancellation ends it."""
    body = Body()
    body.register(app)

    async def main() -> None:
        line = Line()
        stalled = anyio.Event()

        async def send(message: Message) -> None:
            line.sent.append(message)
            if len(line.sent) == 3:
                stalled.set()
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(path), line, send)
            with anyio.fail_after(DEADLINE):
                await stalled.wait()
            group.cancel_scope.cancel()
        await settled(app)
        assert (body.begun, body.closed) == (1, 1)

    on_loop(backend, main)


@pytest.mark.parametrize("path", ["/def", "/def-in-async"])
def test_a_def_stream_is_stepped_and_closed_off_the_loop(app: App, backend: str, path: str) -> None:
    """A-22, T-07: one step at a time; a sync plan's on one thread."""
    body = Body()
    body.register(app)
    played(backend, app, scope_of(path), leave_after=30)
    assert threading.get_ident() not in body.threads
    assert path == "/def-in-async" or len(body.threads) == 1


@pytest.mark.parametrize("path", ["/def", "/def-in-async"])
def test_a_client_that_leaves_is_not_waited_for_by_a_blocked_step(app: App, backend: str, path: str) -> None:
    """A-23: the call returns, a gauge counts the step, and its clean-up follows when it returns."""
    blocked, go, closed = threading.Event(), threading.Event(), threading.Event()
    ran: list[str] = []

    def body() -> Iterator[bytes]:
        try:
            yield b"one"
            blocked.set()
            assert go.wait(DEADLINE)
            yield b"two"
        finally:
            closed.set()

    @app.get("/def")
    def plain(request: Request) -> Any:
        request.background(ran.append, "after")
        return body()

    @app.get("/def-in-async")
    async def mixed(request: Request) -> Any:
        request.background(ran.append, "after")
        return body()

    async def main() -> None:
        line = Line()
        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(path), line)
            await happens(blocked.is_set, "the second step was not begun")
            before = time.monotonic()
            line.left.set()
        took = time.monotonic() - before
        assert app.gauges()["left"] == 1
        assert app.gauges()["streams"] == 1
        assert not closed.is_set()
        assert ran == []
        go.set()
        await happens(closed.is_set, "the stream was not closed")
        await settled(app)
        await happens(lambda: ran, "the background work was lost")
        assert took < 1.0  # the row says 0.1 s, this machine may be busy

    try:
        on_loop(backend, main)
    finally:
        go.set()


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("said", ["before", "at the start"])
def test_a_client_that_leaves_before_the_first_step_has_its_stream_closed(
    app: App, backend: str, path: str, said: str
) -> None:
    """A-24: whether or not the body was begun, what was begun is closed."""
    body = Body()
    body.register(app)

    async def main() -> None:
        line = Line(leave_after=None if said == "before" else 1, fails=OSError("gone"))
        if said == "before":
            line.left.set()
        with anyio.fail_after(PROMPT):
            await app(scope_of(path), line.receive, line.send)
        await settled(app)
        assert body.begun == body.closed

    on_loop(backend, main)


class Unstarted:
    """An iterator that is not a generator, so that its closing shows although it was never stepped."""

    def __init__(self) -> None:
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        raise AssertionError("stepped")

    def close(self) -> None:
        self.closed += 1


def test_a_stream_that_is_never_stepped_is_closed(ask: Ask, app: App, colour: Paint) -> None:
    """A-24, W-12, W-40: HEAD and a status without a body."""
    streams: list[Unstarted] = []

    def made(status: int) -> Any:
        streams.append(Unstarted())
        return iter(streams[-1]), status

    app.get("/")(colour(lambda: made(200)))
    app.get("/none")(colour(lambda: made(204)))
    assert ask(app, "HEAD", b"/").body == b""
    assert ask(app, "GET", b"/none").status == 204
    assert [stream.closed for stream in streams] == [1, 1]


# Errors


def test_an_error_before_the_start_is_one_500(ask: Ask, app: App, colour: Paint) -> None:
    """A-25, W-05."""

    @app.get("/")
    @colour
    def fail() -> str:
        raise ValueError("a secret")

    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.error) == (500, None)
    assert b"secret" not in answer.body


def test_an_exit_in_a_handler_ends_no_server(
    app: App, backend: str, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """A-25, T-17."""

    @app.get("/")
    @colour
    def leave() -> str:
        sys.exit("never mind the others")

    line = played(backend, app, scope_of())
    assert line.status == 500
    assert len(errors(caplog)) == 1


@pytest.mark.parametrize("kind", ["def", "async def", "async def in def", "def in async def"])
def test_a_stream_that_fails_before_its_first_chunk_is_one_500(ask: Ask, app: App, kind: str) -> None:
    """A-25, W-06: the start waits for the first chunk, so that the error handler answers at both doors."""

    def steps() -> Iterator[bytes]:
        yield b""
        raise ValueError("a secret")

    async def awaited() -> AsyncIterator[bytes]:
        yield b""
        raise ValueError("a secret")

    @app.errorhandler(ValueError)
    def handled(request: Request, error: ValueError) -> Any:
        return "sorry", 500, {"x-kind": "handled"}

    if kind.endswith("async def"):

        @app.get("/")
        async def later() -> Any:
            return awaited() if kind == "async def" else steps()

    else:

        @app.get("/")
        def plain() -> Any:
            return steps() if kind == "def" else awaited()

    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, answer.error) == (500, b"sorry", None)
    assert ("x-kind", "handled") in answer.headers
    assert ask(app, "HEAD", b"/").body == b""


@pytest.mark.parametrize("path", KINDS)
def test_an_error_between_start_and_body_is_the_servers(app: App, backend: str, path: str) -> None:
    """A-26: what `send` raises that is no `OSError` goes to the server, and nothing more is sent."""
    body = Body()
    body.register(app)
    sent: list[str] = []

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            raise KeyError("the server's own trouble")

    async def main() -> None:
        with pytest.raises(KeyError, match="the server's own trouble"):
            await app(scope_of(path), silence, send)
        await settled(app)
        assert body.begun == body.closed

    on_loop(backend, main)
    assert sent == ["http.response.start", "http.response.body"]


@pytest.mark.parametrize("exits", [False, True], ids=["error", "exit"])
@pytest.mark.parametrize("path", KINDS)
def test_an_error_after_the_last_chunk_aborts_the_answer(
    app: App, backend: str, path: str, exits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A-27, T-17: nothing says that the body is complete, and the server is given the error."""

    def steps() -> Iterator[bytes]:
        yield b"one"
        raise SystemExit(3) if exits else ValueError("late")

    async def awaited() -> AsyncIterator[bytes]:
        yield b"one"
        raise SystemExit(3) if exits else ValueError("late")

    app.get("/def")(steps)
    app.get("/async-in-def")(awaited)

    @app.get("/async")
    async def later() -> Any:
        return awaited()

    @app.get("/def-in-async")
    async def mixed() -> Any:
        return steps()

    async def main() -> None:
        line = Line()
        with pytest.raises(RuntimeError if exits else ValueError):
            await app(scope_of(path), line.receive, line.send)
        assert line.chunks == [b"one"]
        assert not line.complete
        await settled(app)

    on_loop(backend, main)


def test_a_handler_that_returns_none_must_say_so(
    ask: Ask, app: App, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """A-28."""

    @app.get("/said")
    @colour
    def said() -> None:
        return None

    @app.get("/forgotten")
    @colour
    def forgotten():  # type: ignore[no-untyped-def]  # the annotation is what is missing
        "a return"

    answer = ask(app, "GET", b"/said")
    assert (answer.status, answer.headers, answer.body) == (204, [], b"")
    assert ask(app, "GET", b"/forgotten").status == 500
    [record] = [record for record in caplog.records if record.exc_info]
    told = str(record.exc_info[1])  # type: ignore[index]  # records above were chosen for it
    assert "forgotten" in told
    assert "`return` is missing" in told


def test_an_error_group_is_handled_as_the_group_it_is(app: App, backend: str, caplog: pytest.LogCaptureFixture) -> None:
    """A-35: the `HTTPException` inside is not taken out of it."""

    async def refuse() -> None:
        raise HTTPException(404, "inner")

    @app.get("/")
    async def group() -> str:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(refuse)
        return "never"

    router_seen: list[Any] = []
    assert played(backend, app, scope_of()).status == 500
    other = App()

    @other.errorhandler(ExceptionGroup)
    async def several(request: Request, error: ExceptionGroup[Exception]) -> Any:
        router_seen.append(error)
        return "several", 502

    other.get("/")(group)
    assert played(backend, other, scope_of()).status == 502
    assert [type(error) for error in router_seen[0].exceptions] == [HTTPException]


@pytest.mark.parametrize("stage", ["gate", "def", "async def"])
def test_an_error_after_the_yield_of_middleware_is_handled_and_closes_the_inner_answer(
    ask: Ask, app: App, colour: Paint, stage: str
) -> None:
    """A-36."""
    streams: list[Unstarted] = []

    @app.errorhandler(ValueError)
    def handled(request: Request, error: ValueError) -> Any:
        return str(error), 502

    if stage == "async def":

        @app.middleware
        async def later(request: Request) -> AsyncIterator[Any]:
            yield
            raise ValueError("outside")

    else:

        def plain(request: Request) -> Iterator[Any]:
            yield
            raise ValueError("outside")

        app.middleware(inline(plain) if stage == "gate" else plain)

    @app.get("/")
    @colour
    def inner() -> Any:
        streams.append(Unstarted())
        return iter(streams[-1])

    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (502, b"outside")
    assert [stream.closed for stream in streams] == [1]


def test_an_error_of_the_door_itself_is_a_500_with_nothing_held(
    app: App, backend: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A-25: whatever goes wrong beside the plan is answered before the start, and logged."""
    app.get("/")(lambda: "x")

    async def broken(*args: Any, **kwargs: Any) -> Any:
        raise LookupError("a fault of ours")

    monkeypatch.setattr("duoframe.threads.Threads.run", broken)
    assert played(backend, app, scope_of()).status == 500
    assert len(errors(caplog)) == 1


# Background work


@pytest.mark.parametrize("failing", [False, True])
def test_background_work_follows_the_last_byte(
    app: App, backend: str, colour: Paint, failing: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A-29: a failure of it is logged, and the answer is what it was."""
    line: list[Line] = []
    complete: list[bool] = []

    @app.get("/")
    @colour
    def handler(request: Request) -> str:
        @colour
        def work() -> None:
            complete.append(line[0].complete)
            if failing:
                raise ValueError("afterwards")

        request.background(work)
        request.background(work)
        return "x"

    async def main() -> None:
        line.append(Line())
        await app(scope_of(), line[0].receive, line[0].send)
        await happens(lambda: len(complete) == 2, "the work was not done")
        await settled(app)

    on_loop(backend, main)
    assert complete == [True, True]
    assert (line[0].status, line[0].chunks) == (200, [b"x"])
    assert len(errors(caplog)) == 2 * failing


@pytest.mark.parametrize("leaves", ["after the body", "during the body", "before the body"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_background_work_is_done_although_the_client_has_left(
    app: App, backend: str, colour: Paint, leaves: str, streamed: bool
) -> None:
    """A-30, A-31: the handler has finished, and what it queued is not lost."""
    done = threading.Event()

    @app.get("/")
    @colour
    def handler(request: Request) -> Any:
        request.background(colour(done.set))
        return iter([b"x"] * 5) if streamed else b"x"

    async def main() -> None:
        line = Line(leave_after=5 if leaves == "after the body" else 1, fails=OSError("gone"))
        if leaves == "before the body":
            line.left.set()
        await app(scope_of(), line.receive, line.send)
        await happens(done.is_set, "the work was lost")
        await settled(app)

    on_loop(backend, main)


# Cancellation


@pytest.mark.parametrize("path", KINDS)
def test_a_cancellation_by_the_server_passes_and_cleans_up(app: App, backend: str, path: str) -> None:
    """A-32: it reaches a stream once; the clean-up of the stream may wait."""
    body = Body()
    body.register(app)
    outcome: list[BaseException] = []

    async def main() -> None:
        line = Line()

        async def serve() -> None:
            try:
                await app(scope_of(path), line.receive, line.send)
            except BaseException as error:
                outcome.append(error)
                raise

        async with anyio.create_task_group() as group:
            group.start_soon(serve)
            await happens(lambda: line.chunks, "nothing was sent")
            group.cancel_scope.cancel()
        assert (body.begun, body.closed) == (1, 1)
        assert isinstance(outcome[0], anyio.get_cancelled_exc_class())
        await settled(app)

    on_loop(backend, main)


def test_a_clean_up_that_takes_too_long_is_cut_off(
    make_app: MakeApp, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-32: it has the grace period, and no more."""
    app = make_app(grace=0.05)
    ended: list[str] = []

    @app.get("/")
    async def stream() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
                await checkpoint()
        finally:
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("cut off")

    async def main() -> None:
        line = Line(leave_after=2)
        with anyio.fail_after(PROMPT):
            await app(scope_of(), line.receive, line.send)
        await settled(app)

    on_loop(backend, main)
    assert ended == ["cut off"]
    [told] = errors(caplog)
    assert "took longer than 0.05 seconds" in told


def test_a_second_cancellation_ends_a_handler_that_swallowed_the_first(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """A-33."""
    states: list[str] = []

    @app.get("/")
    async def stubborn() -> str:
        states.append("waits")
        try:
            await asyncio.sleep(DEADLINE)
        except asyncio.CancelledError:
            states.append("waits on")
        await asyncio.sleep(DEADLINE)
        return "never"

    async def main() -> None:
        line = Line()
        task = asyncio.ensure_future(app(scope_of(), line.receive, line.send))
        await happens(lambda: "waits" in states, "it does not wait")
        task.cancel()
        await happens(lambda: "waits on" in states, "it does not swallow the cancellation")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PROMPT)
        assert line.sent == []
        await settled(app)

    asyncio.run(main())
    assert states == ["waits", "waits on"]
    assert errors(caplog) == ["<Request GET '/'> went on after it had been cancelled"]


def test_an_answer_in_spite_of_a_cancellation_is_sent_with_a_warning(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """A-33."""

    @app.get("/")
    async def stubborn() -> str:
        waits.set()
        try:
            await asyncio.sleep(DEADLINE)
        except asyncio.CancelledError:
            pass
        return "still here"

    waits = asyncio.Event()

    async def main() -> Line:
        line = Line()
        task = asyncio.ensure_future(app(scope_of(), line.receive, line.send))
        await waits.wait()
        task.cancel()
        await asyncio.wait_for(task, PROMPT)
        return line

    assert asyncio.run(main()).chunks == [b"still here"]
    assert errors(caplog) == ["<Request GET '/'> went on after it had been cancelled"]


def test_a_time_out_of_the_handlers_own_is_no_swallowed_cancellation(
    app: App, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-33: no warning for it."""

    @app.get("/")
    async def limited() -> str:
        with anyio.move_on_after(0.01):
            await anyio.sleep_forever()
        return "late"

    assert played(backend, app, scope_of()).chunks == [b"late"]
    assert errors(caplog) == []


ROUTES = ["/whole", "/later", *KINDS]


@pytest.mark.parametrize("path", ROUTES)
def test_a_call_that_is_cancelled_at_any_moment_holds_nothing(make_app: MakeApp, backend: str, path: str) -> None:
    """A-32, T-05: a gate that was entered is left, a stream that was begun is closed, every token is given back."""
    app = make_app(threads=1)
    body = Body()
    body.register(app)
    inside: list[int] = [0, 0]

    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        inside[0] += 1
        try:
            yield
        finally:
            inside[1] += 1

    @app.post("/whole")
    def whole(request: Request) -> bytes:
        return request.body

    @app.post("/later")
    async def later(request: Request) -> bytes:
        await checkpoint()
        return request.body

    async def main() -> None:
        await app.ensure_started(app.runtime())
        for moments in range(40):
            line = Line(part(b"a", True), part(b"b"))
            method = "GET" if path in KINDS else "POST"
            fields = [] if path in KINDS else [(b"content-length", b"2")]
            async with anyio.create_task_group() as group:
                begin(group, app, scope_of(path, method, fields), line)
                for _ in range(moments):
                    await checkpoint()
                group.cancel_scope.cancel()
            await settled(app)
            assert body.begun == body.closed
            assert inside[0] == inside[1]

    on_loop(backend, main)
    assert inside[0] > 10


@pytest.mark.parametrize("waits_for", ["the body", "a thread"])
def test_a_gate_is_left_when_a_call_ends_before_its_plan_has_begun(
    make_app: MakeApp, backend: str, waits_for: str
) -> None:
    """A-32: cancelled while the body is read, or while all threads are taken."""
    app = make_app(threads=1)
    go, busy = threading.Event(), threading.Event()
    seen: list[Any] = []

    @app.post("/", middleware=[])
    def handler(request: Request) -> bytes:
        return request.body

    @app.get("/busy")
    def hold() -> str:
        busy.set()
        go.wait(DEADLINE)
        return "x"

    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        if request.path == "/busy":
            yield
            return
        seen.append("entered")
        try:
            yield
        except BaseException as error:
            seen.append(type(error))
            raise

    async def main() -> None:
        async with anyio.create_task_group() as outer:
            first, second = Line(), Line(*([] if waits_for == "the body" else [part(b"ab")]))
            if waits_for == "a thread":
                begin(outer, app, scope_of("/busy"), first)
                await happens(busy.is_set, "the thread was not taken")
            async with anyio.create_task_group() as group:
                scope = scope_of(method="POST", headers=[(b"content-length", b"2")])
                begin(group, app, scope, second)
                if waits_for == "a thread":
                    await happens(lambda: app.gauges()["waiting"], "nobody waits for a thread")
                else:
                    await happens(lambda: second.received, "nobody reads the body")
                group.cancel_scope.cancel()
            go.set()
        assert seen == ["entered", anyio.get_cancelled_exc_class()]
        await settled(app)

    try:
        on_loop(backend, main)
    finally:
        go.set()


def test_who_reads_slowly_keeps_nobody_from_the_threads(make_app: MakeApp, backend: str) -> None:
    """A-21, T-01: a thread is given back before the answer is sent."""
    app = make_app(threads=1)
    app.get("/")(lambda: "x")

    async def main() -> None:
        slow, quick = Line(), Line()
        go = anyio.Event()

        async def send(message: Message) -> None:
            await go.wait()
            await slow.send(message)

        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(), slow, send)
            for _ in range(3):
                with anyio.fail_after(DEADLINE):
                    await app(scope_of(), quick.receive, quick.send)
            assert slow.sent == []
            go.set()
        assert slow.complete
        await settled(app)

    on_loop(backend, main)


def test_a_handler_that_outlives_its_call_finds_nobody_for_its_stream(app: App, backend: str) -> None:
    """A-23, T-05: the stream that a left `def` handler returns in the end is closed, and its thread is free."""
    body = Body()
    go, begun = threading.Event(), threading.Event()

    @app.get("/")
    def slow() -> Any:
        begun.set()
        go.wait(DEADLINE)
        return body.steps()

    @app.get("/again")
    def again() -> str:
        return "x"

    async def main() -> None:
        line = Line()
        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(), line)
            await happens(begun.is_set, "the handler was not called")
            group.cancel_scope.cancel()
        assert app.gauges()["left"] == 1
        go.set()
        await settled(app)
        assert line.sent == []
        assert body.begun == body.closed
        after = Line()
        await app(scope_of("/again"), after.receive, after.send)
        assert after.status == 200

    on_loop(backend, main)


# The answer


def test_fields_are_sent_as_lower_case_bytes_in_their_order(app: App, backend: str, colour: Paint) -> None:
    """A-37."""

    @app.get("/")
    @colour
    def fields() -> Response:
        response = Response(b"", 200, [("X-B", "1"), ("X-A", "é"), ("X-B", "2")], media_type="text/x")
        response.headers.add("Set-Cookie", "a=1")
        response.headers.add("set-cookie", "b=2, c")
        return response

    line = played(backend, app, scope_of())
    sent = line.sent[0]["headers"]
    assert all(type(name) is type(value) is bytes and name == name.lower() for name, value in sent)
    assert [value for name, value in sent if name == b"set-cookie"] == [b"a=1", b"b=2, c"]
    assert (b"x-a", b"\xe9") in sent


def test_fields_of_the_connection_are_taken_out(ask: Ask, app: App, colour: Paint) -> None:
    """A-38, W-04."""
    unwanted = {
        "Connection": "upgrade",
        "Transfer-Encoding": "chunked",
        "Keep-Alive": "timeout=5",
        "Upgrade": "h2c",
        "TE": "trailers",
        "Trailer": "x",
        "Proxy-Connection": "close",
    }
    app.get("/")(colour(lambda: ("x", 200, {**unwanted, "X-Kept": "yes"})))
    app.get("/stream")(colour(lambda: (iter([b"x"]), 200, unwanted)))
    answer = ask(app, "GET", b"/")
    assert dict(answer.headers) == {
        "content-type": "text/plain; charset=utf-8",
        "content-length": "1",
        "x-kept": "yes",
    }
    assert not {name.lower() for name in unwanted} & {name for name, _ in ask(app, "GET", b"/stream").headers}


def test_twenty_thousand_fields_of_one_name_cost_twice_what_ten_thousand_cost(app: App) -> None:
    """A-39: linear, in steps of the interpreter (CVE-2025-14550)."""
    app.get("/")(inline(lambda request: str(len(request.headers["x-tag"]))))

    async def steps(count: int) -> int:
        taken = 0

        def trace(frame: FrameType, event: str, _: object) -> Any:
            nonlocal taken
            taken += 1
            return trace

        line, scope = Line(), scope_of(headers=[(b"x-tag", b"0123456789")] * count)
        before = sys.gettrace()
        sys.settrace(trace)
        try:
            await app(scope, line.receive, line.send)
        finally:
            sys.settrace(before)
        assert line.chunks == [str(12 * count - 2).encode()]
        return taken

    async def main() -> tuple[int, int, int]:
        await steps(10)
        return await steps(10), await steps(10_000), await steps(20_000)

    few, half, whole = asyncio.run(main())
    assert few < half
    assert whole - few < 2.1 * (half - few)


def test_fields_nobody_asks_for_are_not_joined(app: App, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A-39."""
    app.get("/")(lambda: "x")
    monkeypatch.setattr("duoframe.datastructures.Headers.__init__", None)
    assert played(backend, app, scope_of(headers=[(b"x-tag", b"1")] * 100)).status == 200


def test_cookies_of_http_2_are_one_cookie_field(app: App, backend: str) -> None:
    """A-40: and the host is the field that the server made of ``:authority``."""
    app.get("/")(lambda request: [request.headers["cookie"], request.cookies["b"], request.host])
    fields = [(b"host", b"example.org"), (b"cookie", b"a=1"), (b"cookie", b"b=2"), (b"cookie", b"c=3")]
    line = played(backend, app, scope_of(headers=fields, http_version="2"))
    assert line.chunks == [b'["a=1; b=2; c=3","2","example.org"]']


@pytest.mark.parametrize(
    "offered",
    [{}, {"http.response.trailers": {}, "http.response.early_hint": {}, "http.response.push": {}}],
    ids=["nothing", "everything"],
)
def test_an_answer_is_start_and_body_and_nothing_else(
    app: App, backend: str, colour: Paint, offered: dict[str, Any]
) -> None:
    """A-42: no extension is used, offered or not."""
    app.get("/")(colour(lambda: iter([b"a", b"b"])))
    line = played(backend, app, scope_of(extensions=offered))
    assert {message["type"] for message in line.sent} == {"http.response.start", "http.response.body"}
    assert set(line.sent[0]) == {"type", "status", "headers"}


def test_the_state_of_a_request_is_a_copy_of_the_lifespans(app: App, client: MakeClient, colour: Paint) -> None:
    """A-43: a shallow one, so that what the lifespan made is shared and what a request sets is its own."""
    shared: list[int] = []

    @app.lifespan
    def give() -> Iterator[dict[str, Any]]:
        yield {"shared": shared}

    @app.get("/")
    @colour
    def use(request: Request) -> Any:
        before = "mine" in request.state
        request.state.mine = True
        request.state.shared.append(1)
        return [before, len(request.state.shared)]

    made = client(app)
    assert [made.get("/").json() for _ in range(3)] == [[False, 1], [False, 2], [False, 3]]
    assert "mine" not in app.state


# Loops


@pytest.mark.parametrize("path", ROUTES)
def test_one_app_serves_several_loops(app: App, backend: str, path: str) -> None:
    """A-44: one after another, and beside each other in threads."""
    body = Body()
    body.register(app)
    app.get("/whole")(lambda: "x")

    @app.get("/later")
    async def later() -> str:
        await checkpoint()
        return "x"

    lines: list[Line] = []

    def serve() -> None:
        lines.extend(played(backend, app, scope_of(path), leave_after=2) for _ in range(3))

    serve()
    threads = [threading.Thread(target=serve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [line.status for line in lines] == [200] * 9
    assert body.begun == body.closed


def test_nothing_is_bound_to_a_loop_when_an_app_is_made() -> None:
    """A-44, P-01."""
    before = threading.active_count()
    app = App()
    app.get("/")(lambda: "x")
    assert app.runtimes == {}
    assert threading.active_count() == before


def test_both_kinds_of_loop_may_run_at_once(app: App) -> None:
    """A-45: trio beside asyncio."""
    var: ContextVar[str] = ContextVar("var")

    @app.get("/{name}")
    def handler(request: Request, name: str) -> Iterator[str]:
        var.set(name)
        yield var.get()
        yield app.call(asked, name)

    async def asked(name: str) -> str:
        await anyio.sleep(0.001)
        return name

    got: list[bytes] = []

    def serve(backend: str) -> None:
        got.extend(b"".join(played(backend, app, scope_of(f"/{backend}")).chunks) for _ in range(5))

    threads = [threading.Thread(target=serve, args=(backend,)) for backend in ("asyncio", "trio")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(got) == [b"asyncioasyncio"] * 5 + [b"triotrio"] * 5


def test_uvloop_serves_as_asyncio_does(app: App) -> None:
    """A-47; the whole suite runs under it in ``make test-all``."""
    uvloop = importlib.import_module("uvloop")
    body = Body()
    body.register(app)
    app.post("/")(lambda request: request.body)

    async def main() -> None:
        line = Line(part(b"ab"))
        await app(scope_of(method="POST", headers=[(b"content-length", b"2")]), line.receive, line.send)
        assert line.chunks == [b"ab"]
        for path in KINDS:
            line = Line(leave_after=3)
            with anyio.fail_after(PROMPT):
                await app(scope_of(path), line.receive, line.send)
        await settled(app)
        assert body.begun == body.closed == len(KINDS)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


@pytest.mark.parametrize(
    ("options", "environment"),
    [(["-O"], {}), (["-X", "dev"], {}), (["-W", "error"], {}), ([], {"PYTHONASYNCIODEBUG": "1"})],
    ids=["-O", "-X dev", "-W error", "asyncio debug"],
)
def test_a_strict_or_a_careless_interpreter_changes_nothing(options: list[str], environment: dict[str, str]) -> None:
    """A-46, R57: some tests of this file; the whole suite runs so in ``make test-all``."""
    chosen = "cancelled_at_any_moment or before_the_call_returns or put_together or returns_none"
    command = [sys.executable, *options, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", chosen, __file__]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_no_coroutine_or_task_of_ours_is_left_to_the_collector(app: App) -> None:
    """A-32: after aborted calls of every kind, a collection finds nothing that warns."""
    body = Body()
    body.register(app)
    for path in KINDS:
        played("asyncio", app, scope_of(path), leave_after=2)
    gc.collect()
    until(lambda: body.begun == body.closed == len(KINDS), "a stream was left open")


def test_a_server_that_sends_no_lifespan_is_answered_through_the_checkers(ask: Ask, app: App, colour: Paint) -> None:
    """A-02, L-04: `exchange` runs none."""
    app.get("/")(colour(lambda: "x"))
    assert ask(app, "GET", b"/").body == b"x"
    assert exchange(app, "asgi", "GET", b"/", spec_version="2.0").body == b"x"


@pytest.mark.parametrize("reads", [True, False], ids=["reads a chunk", "reads nothing"])
def test_a_server_that_waits_for_the_unread_body_gets_the_answer_out(app: App, backend: str, reads: bool) -> None:
    """A-18: one whose queue of it is full takes the last message only when there is room again, as hypercorn does."""

    @app.post("/", stream=True)
    async def ignore(request: Request) -> str:
        if reads:
            async for _ in request.stream:
                break
        return "enough"

    async def main() -> Line:
        line = Line(*[part(b"x" * 100, more=True) for _ in range(3)])

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                await happens(lambda: not line.events, "nobody took the body away")
            await line.send(message)

        with anyio.fail_after(DEADLINE):
            await app(scope_of(method="POST", headers=[(b"content-length", b"1000")]), line.receive, send)
        return line

    line = on_loop(backend, main)
    assert line.complete
    assert line.chunks == [b"enough"]
    assert line.fields[b"connection"] == b"close"
