"""Server-sent events: what is written, read back as the standard says, and how the stream lives behind both doors."""

from __future__ import annotations

import enum
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe import App, EventSourceResponse, Request, ServerSentEvent, inline
from duoframe.relay import DEPTH
from duoframe.requests import MAX_EVENT_ID
from duoframe.testing import Client, exchange
from tests.conftest import DEADLINE, Ask, MakeApp, MakeClient, until
from tests.test_asgi import Line, begin, happens, on_loop, scope_of, settled

COMMENT = b":\n\n"
KINDS = ["def", "async def", "def in async def", "async def in def"]


class Source:
    """Yields the steps it was made of; waits at an event until it is set, raises an exception."""

    def __init__(self, *steps: Any) -> None:
        self.begun = 0
        self.closed = 0
        self.threads: set[int] = set()
        self._steps = steps

    def plain(self) -> Iterator[Any]:
        self.begun += 1
        try:
            for step in self._steps:
                self.threads.add(threading.get_ident())
                if isinstance(step, threading.Event):
                    assert step.wait(DEADLINE)
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        finally:
            self.threads.add(threading.get_ident())
            self.closed += 1

    async def awaited(self) -> AsyncIterator[Any]:
        self.begun += 1
        try:
            for step in self._steps:
                if isinstance(step, threading.Event):
                    while not step.is_set():  # noqa: ASYNC110  a thread sets it
                        await anyio.sleep(0.002)
                elif isinstance(step, Exception):
                    raise step
                else:
                    yield step
        finally:
            self.closed += 1


def serve(app: App, kind: str, source: Source, path: str = "/", **options: Any) -> None:
    """Register a route that answers the source's events."""
    made = source.awaited if kind.startswith("async def") else source.plain

    def handler() -> Any:
        return EventSourceResponse(made(), **options)

    async def waiting_handler() -> Any:
        return handler()

    app.get(path)(waiting_handler if kind in ("async def", "def in async def") else handler)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The colours of the generator and of the handler that answers it."""
    return str(request.param)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What a source waits for; open at the end, whatever became of the test."""
    event = threading.Event()
    yield event
    event.set()


# What is written


def interpreted(stream: bytes) -> list[tuple[str, str, str]]:
    """The events of a stream, as type, data and last event id (WHATWG HTML §9.2.6)."""
    text = stream.decode().removeprefix("\ufeff")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    events, data, kind, last = [], "", "", ""
    for line in lines[:-1]:  # what no line end follows is no line
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ") if colon else ""
        if not line:
            if data:
                events.append((kind or "message", data[:-1], last))
            data = kind = ""
        elif name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            last = value
    return events


def lines_of(text: str) -> str:
    """Text as it arrives: every kind of line end is one (§9.2.5)."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


SAFE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40)


@given(
    st.lists(
        st.tuples(st.text(st.characters(exclude_categories=["Cs"])), SAFE, SAFE.filter(lambda text: text.isprintable()))
    )
)
def test_what_was_put_in_comes_out(events: list[tuple[str, str, str]]) -> None:
    """E-01, E-03."""
    sent = b"".join(ServerSentEvent(data, event=kind, id=last).encode() for data, kind, last in events)
    assert interpreted(sent) == [(kind or "message", lines_of(data), last) for data, kind, last in events]


@pytest.mark.parametrize(
    ("event", "sent"),
    [
        (ServerSentEvent("a\nb\rc\r\nd"), b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        (ServerSentEvent("a\n\nevent: forged\n\n"), b"data: a\ndata: \ndata: event: forged\ndata: \ndata: \n\n"),
        (ServerSentEvent(""), b"data: \n\n"),
        (ServerSentEvent("  two"), b"data:   two\n\n"),
        (ServerSentEvent("\ufeffmark"), "data: \ufeffmark\n\n".encode()),
        (ServerSentEvent("a\u2028b\x0bc\x85"), "data: a\u2028b\x0bc\x85\n\n".encode()),
        (ServerSentEvent({"a": [1, "ü\n"]}), 'data: {"a":[1,"ü\\n"]}\n\n'.encode()),
        (ServerSentEvent("x", event="tick", id="7", retry=3000), b"event: tick\nid: 7\nretry: 3000\ndata: x\n\n"),
        (ServerSentEvent("x", id=7), b"id: 7\ndata: x\n\n"),
        (ServerSentEvent("x", id=""), b"id: \ndata: x\n\n"),
        (ServerSentEvent(retry=100), b"retry: 100\n\n"),
        (ServerSentEvent(id="ü"), "id: ü\n\n".encode()),
    ],
)
def test_an_event_is_written_line_by_line(event: ServerSentEvent, sent: bytes) -> None:
    """E-01, E-03: only CR, LF and both together end a line (WHATWG HTML §9.2.5)."""
    assert event.encode() == sent


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\r\n"])
@pytest.mark.parametrize("field", ["event", "id"])
def test_text_that_would_end_a_field_is_refused(field: str, character: str) -> None:
    """E-02."""
    with pytest.raises(ValueError, match="expected an"):
        ServerSentEvent("x", **{field: f"a{character}data: forged"})  # type: ignore[arg-type]  # one of two text fields


@pytest.mark.parametrize("retry", [-1, 1.5, "1s", "", "٣", True, "1\n"])
def test_a_retry_that_is_no_whole_number_is_refused(retry: Any) -> None:
    """E-02."""
    with pytest.raises(ValueError, match="expected whole milliseconds as retry"):
        ServerSentEvent("x", retry=retry)


def test_an_id_that_could_not_come_back_is_refused() -> None:
    ServerSentEvent(id="ü" * (MAX_EVENT_ID // 2))
    for refused in ("ü" * (MAX_EVENT_ID // 2) + "a", "a\tb", "a\x7f"):
        with pytest.raises(ValueError, match="expected an id of at most 1024 bytes without control characters"):
            ServerSentEvent(id=refused)


def test_an_event_cannot_be_changed_after_it_was_checked() -> None:
    with pytest.raises(AttributeError):
        ServerSentEvent("x").event = "a\nb"  # type: ignore[misc]  # that is what is tried


class Kind(str, enum.Enum):  # noqa: UP042  a StrEnum would be its text by itself
    """A type of event, as many declare them."""

    TICK = "tick"


class Point(msgspec.Struct):
    x: int


def test_a_stream_yields_events_or_their_data(app: App, ask: Ask, kind: str) -> None:
    """Text, what is sent as JSON, an event, and one that has been encoded."""
    encoded = ServerSentEvent("sent to many", event=Kind.TICK).encode()
    serve(app, kind, Source("text", {"a": 1}, Point(2), 3, ServerSentEvent("x", id=4), encoded, bytearray(encoded)))
    answer = ask(app, "GET", b"/")
    assert [(data, last) for _, data, last in interpreted(answer.body)] == [
        ("text", ""),
        ('{"a":1}', ""),
        ('{"x":2}', ""),
        ("3", ""),
        ("x", "4"),
        ("sent to many", "4"),
        ("sent to many", "4"),
    ]
    assert interpreted(answer.body)[-1][0] == "tick"


def test_none_is_no_event(app: App, ask: Ask, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    serve(app, kind, Source(None))
    assert ask(app, "GET", b"/").status == 500
    assert "expected an event, got None" in caplog.text


def test_the_fields_keep_caches_and_proxies_from_holding_it_back(app: App, ask: Ask, kind: str) -> None:
    """E-09: also no content-length that the handler has set."""
    serve(app, kind, Source("x"), headers={"x-more": "1", "content-length": "3"})
    answer = ask(app, "GET", b"/")
    fields = dict(answer.headers)
    assert fields["content-type"] == "text/event-stream; charset=utf-8"
    assert fields["cache-control"] == "no-store"
    assert fields["x-accel-buffering"] == "no"
    assert fields["x-more"] == "1"
    assert "content-length" not in fields
    assert answer.body == b"data: x\n\n"


@pytest.mark.parametrize("heartbeat", [0, -1, float("nan")])
def test_a_heartbeat_is_above_zero(heartbeat: float) -> None:
    with pytest.raises(ValueError, match="expected seconds above 0 as heartbeat, or None"):
        EventSourceResponse([], heartbeat=heartbeat)


def test_the_answer_to_head_has_the_fields_alone(app: App, ask: Ask, kind: str) -> None:
    source = Source("x")
    serve(app, kind, source, heartbeat=0.01)
    answer = ask(app, "HEAD", b"/")
    assert (answer.status, answer.body, source.begun) == (200, b"", source.closed)


class SlowToClose:
    """A stream that is silent for many heartbeats while it is closed."""

    closed = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raise AssertionError("walked")

    def close(self) -> None:
        time.sleep(0.2)
        self.closed = True


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204)])
def test_what_has_no_body_has_no_heartbeats(
    app: App, ask: Ask, colour: Callable[..., Any], method: str, status: int
) -> None:
    slow = SlowToClose()
    app.get("/")(colour(lambda: EventSourceResponse(slow, heartbeat=0.01, status=status)))
    answer = ask(app, method, b"/")
    assert (answer.status, answer.body, slow.closed) == (status, b"", True)


def test_a_status_without_a_body_tells_a_client_to_stay_away(app: App, ask: Ask, kind: str) -> None:
    """WHATWG HTML §9.2.3: 204 ends the reconnecting."""
    serve(app, kind, Source("x"), status=204)
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (204, b"")


# What comes back


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        (None, None),
        (b"", None),
        (b"17", "17"),
        ("übung".encode(), "übung"),
        (b"x" * MAX_EVENT_ID, "x" * MAX_EVENT_ID),
    ],
)
def test_the_last_event_id_is_given_to_the_handler(app: App, ask: Ask, sent: bytes | None, seen: str | None) -> None:
    """E-07: in UTF-8 (WHATWG HTML §9.2.4)."""
    app.get("/")(lambda request: [request.last_event_id])
    answer = ask(app, "GET", b"/", [] if sent is None else [(b"last-event-id", sent)])
    assert msgspec.json.decode(answer.body) == [seen]


@pytest.mark.parametrize("sent", [b"x" * (MAX_EVENT_ID + 1), b"a\x01b", b"a\tb", b"a\x7f", b"\xff\xfe"])
def test_a_last_event_id_that_no_event_had_is_refused(app: App, ask: Ask, sent: bytes) -> None:
    """E-07."""
    app.get("/")(lambda request: [request.last_event_id])
    assert ask(app, "GET", b"/", [(b"last-event-id", sent)]).status == 400


# Heartbeats


def test_a_comment_is_sent_while_the_handler_is_silent(
    app: App, client: MakeClient, kind: str, gate: threading.Event
) -> None:
    """E-04: and nothing of the stream is lost or held up by it; a slow machine may send one before the first event."""
    source = Source("one", gate, "two")
    serve(app, kind, source, heartbeat=0.02)
    got = silence = b""
    with client(app).stream("GET", "/") as answer:
        for chunk in answer.iter_raw():
            got += chunk
            silence = got.partition(b"data: one\n\n")[2]
            if silence.startswith(COMMENT * 2):
                gate.set()
    assert got.replace(COMMENT, b"") == b"data: one\n\ndata: two\n\n"
    assert silence.startswith(COMMENT * 2)
    assert (source.begun, source.closed) == (1, 1)


def test_a_comment_comes_soon_when_the_handler_begins_with_silence(
    app: App, client: MakeClient, kind: str, gate: threading.Event
) -> None:
    """E-04: it is what tells a page that it is connected; the next is due after the seconds that were asked for."""
    serve(app, kind, Source(gate, "one"), heartbeat=3600)
    with client(app).stream("GET", "/") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == COMMENT
        gate.set()
        assert list(chunks) == [b"data: one\n\n"]


def test_without_a_heartbeat_it_is_a_stream_like_any_other(app: App, ask: Ask, kind: str) -> None:
    source = Source("one", "two")
    serve(app, kind, source, heartbeat=None)
    assert ask(app, "GET", b"/").chunks == [b"data: one\n\n", b"data: two\n\n"]
    assert source.closed == 1


@pytest.mark.parametrize("heartbeat", [0.02, None])
def test_a_def_generator_of_a_def_route_stays_on_one_thread(app: App, ask: Ask, heartbeat: float | None) -> None:
    """What it keeps in a thread-local, or a database connection of one thread, is there at every step."""
    source = Source(*map(str, range(50)))
    serve(app, "def", source, heartbeat=heartbeat)
    assert len(ask(app, "GET", b"/").chunks) == 50
    assert len(source.threads) == 1


def test_more_events_than_fit_are_waited_with(app: App, ask: Ask, kind: str) -> None:
    source = Source(*map(str, range(500)))
    serve(app, kind, source, heartbeat=3600)
    assert [data for _, data, _ in interpreted(ask(app, "GET", b"/").body)] == [str(n) for n in range(500)]


token: ContextVar[str] = ContextVar("token", default="outside")


def test_a_token_set_before_the_first_event_is_reset_in_the_end(app: App, ask: Ask, kind: str) -> None:
    """E-12: all steps run in the Context of the request, which middleware sees too."""
    seen: list[str] = []

    @app.middleware
    @inline
    def around(request: Request) -> Iterator[Any]:
        token.set("middleware")
        yield

    def plain() -> Iterator[str]:
        seen.append(token.get())
        reset = token.set("stream")
        try:
            for _ in range(3):
                yield token.get()
        finally:
            token.reset(reset)
            seen.append(token.get())

    async def awaited() -> AsyncIterator[str]:
        seen.append(token.get())
        reset = token.set("stream")
        try:
            for _ in range(3):
                await anyio.sleep(0.03)
                yield token.get()
        finally:
            token.reset(reset)
            seen.append(token.get())

    made = awaited if kind.startswith("async def") else plain

    def handler() -> Any:
        return EventSourceResponse(made(), heartbeat=0.01)

    async def waiting_handler() -> Any:
        return handler()

    app.get("/")(waiting_handler if kind in ("async def", "def in async def") else handler)
    answer = ask(app, "GET", b"/")
    assert answer.body.replace(COMMENT, b"") == b"data: stream\n\n" * 3
    assert seen == ["middleware", "middleware"]


# Errors


def test_an_error_before_the_first_event_is_an_answer(app: App, ask: Ask, kind: str) -> None:
    serve(app, kind, Source(ValueError("no")))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.aborted) == (500, False)


def logged(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What is wrong; asyncio in debug mode warns of what took long, too."""
    least = {"asyncio": logging.ERROR}
    return [record for record in caplog.records if record.levelno >= least.get(record.name, logging.WARNING)]


def test_an_error_after_three_events_breaks_the_connection_off(
    app: App, ask: Ask, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """E-11."""
    source = Source("1", "2", "3", ValueError("no"))
    serve(app, kind, source)
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.aborted, source.closed) == (200, True, 1)
    assert interpreted(answer.body) == [("message", "1", ""), ("message", "2", ""), ("message", "3", "")]
    assert len(logged(caplog)) == 1
    assert logged(caplog)[0].exc_info is not None


def test_an_error_after_a_heartbeat_breaks_the_connection_off(
    app: App, client: MakeClient, kind: str, gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """E-11: the answer has begun, although the stream has given nothing."""
    source = Source(gate, ValueError("no"))
    serve(app, kind, source, heartbeat=0.02)
    with client(app).stream("GET", "/") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == COMMENT
        gate.set()
        with pytest.raises(httpx.RemoteProtocolError):
            list(chunks)
    assert source.closed == 1
    assert len(logged(caplog)) == 1


# Clients that leave


def test_a_client_that_leaves_a_sleeping_handler_is_noticed(app: App, client: MakeClient, kind: str) -> None:
    """E-05, W-51, A-19: `async def` is cancelled; `def` is closed when it wakes, and the server does not wait."""
    gate = threading.Event()
    source = Source("one", gate, "two")
    serve(app, kind, source, heartbeat=0.02)
    try:
        answer = client(app).exchange("GET", b"/", disconnect_after=3)
        assert answer.chunks == [b"data: one\n\n", COMMENT, COMMENT]
        assert not answer.cancelled
        if kind == "async def":
            assert source.closed == 1
        elif kind.startswith("def"):
            assert (source.closed, app.gauges()["left"]) == (0, 1)
    finally:
        gate.set()
    until(lambda: source.closed == 1, "the generator was not closed")
    until(lambda: not any(app.gauges().values()), f"something is held: {app.gauges()}")


def test_a_client_that_leaves_between_two_events_closes_the_generator(app: App, client: MakeClient, kind: str) -> None:
    """W-51, A-19."""
    source = Source(*map(str, range(10_000)))
    serve(app, kind, source)
    answer = client(app).exchange("GET", b"/", disconnect_after=20)
    assert len(answer.chunks) == 20
    assert source.closed == 1
    until(lambda: not any(app.gauges().values()), f"something is held: {app.gauges()}")


# Servers that stop


class Server:
    """What a server's handler of signals belongs to: a worker of gunicorn."""

    alive = True

    def handle_exit(self, number: int, frame: object) -> None:
        self.alive = False


@pytest.fixture
def server() -> Iterator[Server]:
    """A server whose handler takes SIGTERM."""
    server = Server()
    before = signal.signal(signal.SIGTERM, server.handle_exit)
    yield server
    signal.signal(signal.SIGTERM, before)


def test_behind_wsgi_a_stream_ends_when_the_server_stops(
    app: App, kind: str, gate: threading.Event, server: Server
) -> None:
    """E-08: as if it had come to its end, while the handler sleeps."""
    source = Source("one", gate, "two")
    serve(app, kind, source, heartbeat=3600)
    with Client(app, "wsgi") as client, client.stream("GET", "/") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"data: one\n\n"
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))  # while this thread waits for an event
        timer.start()
        assert list(chunks) == []
        timer.join()
        gate.set()
        until(lambda: source.closed == 1, "the generator was not closed")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("begun", [True, False], ids=["begun", "silent"])
def test_behind_asgi_a_stream_ends_when_the_server_stops(
    app: App, kind: str, gate: threading.Event, server: Server, backend: str, begun: bool
) -> None:
    """E-08: as if it had come to its end, while the handler sleeps."""
    source = Source(*["one"][: int(begun)], gate, "two")
    serve(app, kind, source, heartbeat=3600)

    async def main() -> None:
        line = Line()
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as group:
                begin(group, app, scope_of(), line)
                await happens(lambda: line.chunks if begun else source.begun, "the stream did not begin")
                signal.raise_signal(signal.SIGTERM)
        assert (line.status, line.chunks, line.complete) == (200, [b"data: one\n\n"] * begun, True)
        gate.set()
        await happens(lambda: source.closed == 1, "the generator was not closed")
        await settled(app)

    on_loop(backend, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_server_that_waits_no_longer_and_cancels_gets_an_end(
    app: App, kind: str, gate: threading.Event, backend: str
) -> None:
    """E-08: hypercorn does so after its grace period, and tells nobody before."""
    source = Source("one", gate, "two")
    serve(app, kind, source, heartbeat=3600)

    async def main() -> None:
        line = Line()
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as group:
                begin(group, app, scope_of(), line)
                await happens(lambda: line.chunks, "the stream did not begin")
                group.cancel_scope.cancel()
        assert (line.chunks, line.complete) == ([b"data: one\n\n"], True)
        gate.set()
        await happens(lambda: source.closed == 1, "the generator was not closed")
        await settled(app)

    on_loop(backend, main)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_client_that_left_while_the_server_stops_is_no_error(
    app: App, kind: str, gate: threading.Event, server: Server, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """E-08, A-20."""
    source = Source("one", gate, "two")
    serve(app, kind, source, heartbeat=3600)

    async def main() -> None:
        line = Line(fails=OSError("gone"))
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as group:
                begin(group, app, scope_of(), line)
                await happens(lambda: line.chunks, "the stream did not begin")
                signal.raise_signal(signal.SIGTERM)
                line.left.set()
        assert not line.complete
        gate.set()
        await happens(lambda: source.closed == 1, "the generator was not closed")
        await settled(app)

    on_loop(backend, main)
    assert logged(caplog) == []


# Many


@pytest.mark.parametrize("kind", ["def", "def in async def", "async def in def"])
def test_past_the_limit_on_streams_the_answer_is_503(make_app: MakeApp, kind: str) -> None:
    """E-10: a thousand clients of what keeps a thread take no more than there are streams, and others go on."""
    app = make_app(streams=50, threads=2)
    gate = threading.Event()
    serve(app, kind, Source("one", gate))
    app.get("/other")(lambda: "still here")

    async def main() -> None:
        lines = [Line() for _ in range(1000)]
        async with anyio.create_task_group() as group:
            for line in lines:
                begin(group, app, scope_of(), line)
            await happens(lambda: all(line.chunks for line in lines), "not all were answered", 6 * DEADLINE)
            refused = [line for line in lines if line.status == 503]
            assert len(refused) == 950
            assert all(line.complete and line.fields[b"retry-after"] == b"1" for line in refused)
            assert app.gauges()["streams"] == 50
            other = Line()
            await app(scope_of("/other"), other.receive, other.send)
            assert other.chunks == [b"still here"]
            for line in lines:
                line.left.set()
            gate.set()
        await settled(app)

    on_loop("asyncio", main)


# Threads that cannot be had


def test_where_there_is_no_portal_a_def_stream_goes_out_without_heartbeats(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """W-54: `tests/test_wsgi.py` asks a gevent worker itself; here the portal takes this process for one."""

    class Monkey:
        @staticmethod
        def is_module_patched(name: str) -> bool:
            return name == "threading"

    source = Source("one", "two")
    serve(app, "def", source, heartbeat=0.001)
    monkeypatch.setitem(sys.modules, "gevent.monkey", Monkey)
    answer = exchange(app, "wsgi", "GET", b"/")
    assert answer.chunks == [b"data: one\n\n", b"data: two\n\n"]
    assert source.closed == 1
    assert ["has no heartbeats" in record.getMessage() for record in logged(caplog)] == [True]


def test_a_stream_that_ends_with_its_portal_is_closed(app: App) -> None:
    """W-51: the loop that would take an event has gone, and with it whoever listens."""
    gate, full = threading.Event(), threading.Event()
    closed: list[int] = []

    def events() -> Iterator[str]:
        try:
            for number in range(DEPTH):
                yield str(number)
            full.set()
            assert gate.wait(DEADLINE)
            yield "one that finds no room"
        finally:
            closed.append(1)

    app.get("/")(lambda: EventSourceResponse(events(), heartbeat=3600))
    with Client(app, "wsgi") as client, client.stream("GET", "/"):
        assert full.wait(DEADLINE)
        app.portal.stop()
        gate.set()
        until(lambda: closed, "the generator was not closed")
