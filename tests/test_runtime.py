"""Background work and the numbers of one event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from duoframe import App, Request
from duoframe.bridge import adopt_loop, running_loop
from duoframe.runtime import Runtime
from tests.conftest import Ask, MakeApp, MakeClient, our_threads, until

BACKENDS = ["asyncio", "trio"]
Colour = Callable[[Any], Any]


def made() -> Runtime:
    return Runtime(adopt_loop(running_loop()), threads=2, streams=2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_background_work_runs_in_turn_each_kind_where_it_belongs(backend: str) -> None:
    events: list[tuple[str, bool]] = []

    async def main() -> None:
        home = threading.get_ident()

        def note(name: str) -> None:
            events.append((name, threading.get_ident() == home))

        async def note_later(name: str) -> None:
            await anyio.lowlevel.checkpoint()
            note(name)

        runtime = made()
        tasks: list[Any] = [(note, ("one",), {}), (note_later, (), {"name": "two"}), (note, ("three",), {})]
        runtime.start_tasks(tasks, copy_context())
        assert runtime.gauges()["background"] == 1
        assert await runtime.idle(10)
        assert set(runtime.gauges().values()) == {0}

    anyio.run(main, backend=backend)
    assert events == [("one", False), ("two", True), ("three", False)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("failure", ["exception", "exit"])
def test_background_work_that_fails_is_logged_and_the_rest_runs(
    backend: str, failure: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A-29, T-17: an exit in it ends neither the loop nor what follows."""
    ran: list[str] = []

    def fail() -> None:
        if failure == "exit":
            sys.exit(3)
        raise ZeroDivisionError

    async def fail_later() -> None:
        fail()

    async def main() -> None:
        runtime = made()
        runtime.start_tasks([(fail, (), {}), (fail_later, (), {}), (ran.append, ("last",), {})], copy_context())
        assert await runtime.idle(10)

    anyio.run(main, backend=backend)
    assert ran == ["last"]
    assert [record.name for record in caplog.records] == ["duoframe.error"] * 2
    assert "fail_later" in caplog.text


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_end_of_background_work_is_waited_for_within_the_grace(backend: str) -> None:
    async def main() -> None:
        runtime = made()
        gate = anyio.Event()
        assert await runtime.idle(10)
        runtime.start_tasks([(gate.wait, (), {})], copy_context())
        assert not await runtime.idle(0.01)
        assert not await runtime.idle(0.01)
        async with anyio.create_task_group() as group:
            group.start_soon(runtime.idle, 10)
            group.start_soon(runtime.idle, 10)
            await anyio.wait_all_tasks_blocked()
            gate.set()
        assert await runtime.idle(0)

    anyio.run(main, backend=backend)


def test_background_work_starts_when_the_answer_has_been_sent(app: App, client: MakeClient, colour: Colour) -> None:
    events: list[str] = []
    gate = threading.Event()

    def work() -> None:
        assert gate.wait(10)
        events.append("worked")

    @app.get("/")
    @colour
    def handler(request: Request) -> str:
        request.background(work)
        return "answered"

    assert client(app).get("/").text == "answered"
    assert events == []
    until(lambda: app.gauges()["background"] == 1, "the background work is not counted")
    gate.set()
    until(lambda: events == ["worked"], "the background work did not run")
    until(lambda: set(app.gauges().values()) == {0}, f"something is left: {app.gauges()}")


def test_background_work_does_not_keep_a_token_from_requests(make_app: MakeApp) -> None:
    """The limit admits it as it admits a request, and gives its token back."""
    app = make_app(threads=1)
    done: list[int] = []

    async def main() -> None:
        runtime = app.runtime()
        for number in range(5):
            runtime.start_tasks([(done.append, (number,), {})], copy_context())
        assert await runtime.idle(10)
        assert len(our_threads()) == 1

    asyncio.run(main())
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_a_runtime_gives_its_loop(app: App) -> None:
    async def main() -> None:
        runtime = app.runtime()
        assert app.runtime() is runtime
        assert runtime.get_loop() is runtime.loop

    asyncio.run(main())


def test_the_gauges_of_a_stream_count_it(make_app: MakeApp, ask: Ask) -> None:
    """T-01: the gauge is exported; a `def` stream is no longer among the threads."""
    app = make_app(threads=1, streams=1)
    seen: list[dict[str, int]] = []

    @app.middleware
    async def around() -> AsyncIterator[None]:
        yield

    @app.get("/")
    def stream() -> Any:
        yield b"one"
        seen.append(app.gauges())

    assert ask(app, "GET", b"/").body == b"one"
    assert (seen[0]["threads"], seen[0]["streams"]) == (0, 1)
    until(lambda: set(app.gauges().values()) == {0}, f"something is left: {app.gauges()}")
