"""An ASGI stream without an end, beside its heartbeats: a server by hand that is slow, fails or has lost its client."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from duoframe import App, EventSourceResponse
from duoframe.types import Message
from tests.conftest import DEADLINE
from tests.test_asgi import Line, begin, errors, happens, on_loop, scope_of, settled, silence

COMMENT = b":\n\n"


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Slow(Line):
    """Takes a message that holds ``text`` only when it is let go on; never two messages at one time."""

    def __init__(self, text: bytes) -> None:
        super().__init__()
        self.holds = anyio.Event()
        self.go = anyio.Event()
        self._text = text
        self._sending = False

    async def send(self, message: Message) -> None:
        assert not self._sending, "two messages were sent at one time"
        self._sending = True
        if self._text in message.get("body", b""):
            self.holds.set()
            await self.go.wait()
        await super().send(message)
        self._sending = False


class Events:
    """``one``, then ``two`` once it may come."""

    def __init__(self, app: App, **options: Any) -> None:
        self.may_come = threading.Event()
        self.closed = 0

        @app.get("/")
        async def events() -> EventSourceResponse:
            return EventSourceResponse(self._steps(), **options)

    async def _steps(self) -> AsyncIterator[str]:
        try:
            yield "one"
            while not self.may_come.is_set():  # noqa: ASYNC110  it is set from anywhere
                await anyio.sleep(0.002)
            yield "two"
        finally:
            self.closed += 1


def played(backend: str, app: App, line: Line, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """One call, and what happens beside it; nothing is held in the end."""

    async def main() -> None:
        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as group:
                begin(group, app, scope_of(), line)
                await meanwhile()
        await settled(app)

    on_loop(backend, main)


def test_a_client_that_takes_its_time_over_an_event_gets_no_heartbeat_meanwhile(app: App, backend: str) -> None:
    """E-04: it is not waiting for the next, and another message must not come between."""
    events = Events(app, heartbeat=0.005)
    line = Slow(b"one")

    async def meanwhile() -> None:
        await line.holds.wait()
        await anyio.sleep(0.05)  # ten heartbeats would have been due
        assert line.chunks == []
        line.go.set()
        await happens(lambda: COMMENT in line.chunks, "no heartbeat came after that")
        events.may_come.set()

    played(backend, app, line, meanwhile)
    assert line.chunks[0] == b"data: one\n\n"
    assert line.chunks[-1] == b"data: two\n\n"
    assert line.complete


def test_an_event_waits_for_a_heartbeat_that_is_under_way(app: App, backend: str) -> None:
    """E-04."""
    events = Events(app, heartbeat=0.005)
    line = Slow(COMMENT)

    async def meanwhile() -> None:
        await line.holds.wait()
        events.may_come.set()
        await anyio.sleep(0.02)
        assert line.chunks == [b"data: one\n\n"]
        line.go.set()

    played(backend, app, line, meanwhile)
    assert [chunk for chunk in line.chunks if chunk != COMMENT] == [b"data: one\n\n", b"data: two\n\n"]
    assert line.complete


def test_the_end_waits_for_a_heartbeat_that_is_under_way(app: App, backend: str) -> None:
    """E-04: also for the first, which carries the start of the answer."""
    may_end = threading.Event()

    async def nothing() -> AsyncIterator[str]:
        while not may_end.is_set():  # noqa: ASYNC110  as above
            await anyio.sleep(0.002)
        return
        yield

    @app.get("/")
    async def handler() -> EventSourceResponse:
        return EventSourceResponse(nothing(), heartbeat=0.005)

    line = Slow(COMMENT)

    async def meanwhile() -> None:
        await line.holds.wait()
        may_end.set()
        await anyio.sleep(0.02)
        assert not line.complete
        line.go.set()

    played(backend, app, line, meanwhile)
    assert (line.status, line.chunks, line.complete) == (200, [COMMENT], True)


def test_a_heartbeat_finds_out_that_the_client_has_left(
    app: App, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """E-05, A-20: a server of spec 2.4 may say so by `send` alone; the generator that sleeps is cancelled."""
    events = Events(app, heartbeat=0.005)
    line = Line()

    async def main() -> None:
        async def send(message: Message) -> None:
            if message.get("body") == COMMENT:
                raise OSError("gone")
            await line.send(message)

        with anyio.fail_after(DEADLINE):
            await app(scope_of(), silence, send)
        assert events.closed == 1
        await settled(app)

    on_loop(backend, main)
    assert line.chunks == [b"data: one\n\n"]
    assert errors(caplog) == []


def test_what_a_server_raises_at_a_heartbeat_is_the_servers(app: App, backend: str) -> None:
    """A-26."""
    events = Events(app, heartbeat=0.005)
    line = Line()

    async def main() -> None:
        async def send(message: Message) -> None:
            if message.get("body") == COMMENT:
                raise RuntimeError("a server's own")
            await line.send(message)

        with anyio.fail_after(DEADLINE), pytest.raises(RuntimeError, match="a server's own"):
            await app(scope_of(), line.receive, send)
        assert events.closed == 1
        await settled(app)

    on_loop(backend, main)
    assert not line.complete


def test_a_client_that_leaves_while_an_event_waits_for_a_heartbeat(app: App, backend: str) -> None:
    """A-19: whoever waits is let go, and the heartbeat that nobody takes is given up."""
    events = Events(app, heartbeat=0.005)
    line = Slow(COMMENT)

    async def meanwhile() -> None:
        await line.holds.wait()
        events.may_come.set()
        await anyio.sleep(0.02)
        line.left.set()

    played(backend, app, line, meanwhile)
    assert (line.chunks, line.complete, events.closed) == ([b"data: one\n\n"], False, 1)
