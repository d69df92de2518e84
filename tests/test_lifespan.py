"""Start-up and shut-down, row by row: behind both doors, on both loops, in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from duoframe import App, ConfigurationError, Request, lifespan
from duoframe.testing import Client, checked_asgi, exchange
from duoframe.threads import ThreadsExhaustedError
from duoframe.types import Message
from tests.conftest import DEADLINE, Ask, MakeApp, until

ROOT = Path(__file__).parents[1]

COLOURS = ["def", "async def"]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    """The event loop of a server by hand."""
    return str(request.param)


@pytest.fixture(
    params=[("def", "def"), ("async def", "async def"), ("def", "async def"), ("async def", "def")], ids=str
)
def kinds(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The colours of two lifespans."""
    return request.param  # type: ignore[no-any-return]  # see above


Opened = Callable[[App], Client]


@pytest.fixture
def opened(way: tuple[str, str]) -> Opened:
    """A client of each door in turn, whose ``with`` runs start-up and shut-down."""

    def make(app: App) -> Client:
        return Client(app, way[0], backend=way[1], raise_app_exceptions=False, strict=True)  # type: ignore[arg-type]  # a Door

    return make


def add(
    app: App,
    kind: str,
    name: str,
    events: list[str],
    *,
    given: Any = None,
    fails: dict[str, BaseException] | None = None,
) -> None:
    """Register a lifespan that notes what becomes of it, and raises where ``fails`` says."""

    def note(event: str) -> None:
        events.append(f"{event} {name}")
        if fails and event in fails:
            raise fails[event]

    if kind == "def":

        @app.lifespan
        def plain() -> Iterator[Any]:
            note("enter")
            try:
                yield given
            finally:
                note("exit")

    else:

        @app.lifespan
        async def waiting(app: App) -> AsyncIterator[Any]:
            await anyio.lowlevel.checkpoint()
            note("enter")
            try:
                yield given
            finally:
                await anyio.lowlevel.checkpoint()
                note("exit")


class Server:
    """An ASGI server's lifespan by hand: `startup` and `shutdown` say what the app answered."""

    def __init__(self, app: App, group: TaskGroup, state: dict[str, Any] | None = None) -> None:
        self.sent: list[Message] = []
        self.scope = anyio.CancelScope()
        self.ended = anyio.Event()
        self.error: BaseException | None = None
        self._inbox: list[Message] = []
        self._arrived = anyio.Event()
        self._answered = anyio.Event()
        self._state = {} if state is None else {"state": state}
        group.start_soon(self._run, app)

    async def startup(self) -> Message:
        return await self._say("lifespan.startup")

    async def shutdown(self) -> Message:
        return await self._say("lifespan.shutdown")

    async def _say(self, kind: str) -> Message:
        self._answered = anyio.Event()
        self.say(kind)
        with anyio.fail_after(DEADLINE):
            await self._answered.wait()
        return self.sent[-1]

    def say(self, kind: str) -> None:
        self._inbox.append({"type": kind})
        self._arrived.set()

    async def _run(self, app: App) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, **self._state}
        try:
            with self.scope:
                await checked_asgi(app)(scope, self._receive, self._send)
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()

    async def _receive(self) -> Message:
        while not self._inbox:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self._inbox.pop(0)

    async def _send(self, message: Message) -> None:
        self.sent.append(message)
        self._answered.set()


def on_loop(backend: str, main: Callable[[], Any]) -> Any:
    async def within() -> Any:
        with anyio.fail_after(3 * DEADLINE):
            return await main()

    return anyio.run(within, backend=backend)


async def happens(condition: Callable[[], object], what: str) -> None:
    """On a loop: wait for a condition that something else brings about."""
    with anyio.move_on_after(DEADLINE):
        while not condition():  # noqa: ASYNC110  threads bring it about
            await anyio.sleep(0.002)
    assert condition(), what


async def get(app: App, path: str = "/") -> tuple[int, bytes]:
    """One request by hand: status and body."""
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    await app({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


# Start-up


def test_start_up_happens_once_and_fills_the_state(app: App, opened: Opened, kinds: tuple[str, str]) -> None:
    """L-01, L-13: in the order of registration; shut-down in reverse."""
    events: list[str] = []
    pool = object()
    add(app, kinds[0], "one", events, given={"pool": pool, "n": 1})
    add(app, kinds[1], "two", events)
    app.get("/")(lambda request: [request.state.n, request.state.pool is pool, app.started])
    with opened(app) as client:
        assert events == ["enter one", "enter two"]
        assert app.started
        assert [client.get("/").json() for _ in range(3)] == [[1, True, True]] * 3
    assert events == ["enter one", "enter two", "exit two", "exit one"]
    assert not app.started
    assert app.state.pool is pool


def test_the_server_is_told_once_and_given_the_state(app: App, backend: str, kinds: tuple[str, str]) -> None:
    """L-01."""
    events: list[str] = []
    add(app, kinds[0], "one", events, given={"n": 1})
    add(app, kinds[1], "two", events, given={"m": 2})

    async def main() -> None:
        state: dict[str, Any] = {"theirs": 0}
        async with anyio.create_task_group() as group:
            server = Server(app, group, state)
            assert await server.startup() == {"type": "lifespan.startup.complete"}
            assert state == {"theirs": 0, "n": 1, "m": 2}
            assert await server.shutdown() == {"type": "lifespan.shutdown.complete"}
        assert len(server.sent) == 2

    on_loop(backend, main)
    assert events == ["enter one", "enter two", "exit two", "exit one"]


def test_a_start_up_that_fails_releases_what_was_entered(
    app: App, opened: Opened, kinds: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """L-02: in reverse order; what comes after the failure is never entered."""
    events: list[str] = []
    for number, kind in enumerate(kinds):
        add(app, kind, str(number), events)
    add(app, kinds[0], "bad", events, fails={"enter": ValueError("password=hunter2")})
    add(app, kinds[1], "never", events)
    with pytest.raises((ValueError, RuntimeError)), opened(app):
        pytest.fail("the app has started")
    assert events == ["enter 0", "enter 1", "enter bad", "exit 1", "exit 0"]
    assert not app.started


def test_the_server_is_told_of_a_failure_without_its_secrets(
    app: App, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-02: the log has them."""
    add(app, "async def", "bad", [], fails={"enter": ValueError("password=hunter2")})

    async def main() -> None:
        async with anyio.create_task_group() as group:
            server = Server(app, group)
            told = await server.startup()
        assert told == {"type": "lifespan.startup.failed", "message": "ValueError: see the log"}
        assert server.error is None

    on_loop(backend, main)
    assert "hunter2" in caplog.text


def test_an_undoing_that_fails_too_hides_no_error(
    app: App, opened: Opened, kinds: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """L-02: the rest is undone nevertheless."""
    events: list[str] = []
    add(app, kinds[0], "one", events)
    add(app, kinds[1], "two", events, fails={"exit": KeyError("second")})
    add(app, kinds[0], "bad", events, fails={"enter": ValueError("first")})
    with pytest.raises((ValueError, RuntimeError), match=r"first|ValueError: see the log"), opened(app):
        pytest.fail("the app has started")
    assert events == ["enter one", "enter two", "enter bad", "exit two", "exit one"]
    assert "a start-up failed, and so did its undoing" in caplog.text


@pytest.mark.parametrize("kind", COLOURS)
def test_groups_of_errors_fail_like_single_ones(
    app: App, opened: Opened, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-14: at start-up."""
    events: list[str] = []
    add(app, kind, "one", events)
    add(app, kind, "bad", events, fails={"enter": ExceptionGroup("several", [ValueError("a"), KeyError("b")])})
    with pytest.raises((ExceptionGroup, RuntimeError), match=r"several|ExceptionGroup: see the log"), opened(app):
        pytest.fail("the app has started")
    assert events == ["enter one", "enter bad", "exit one"]


@pytest.mark.parametrize("kind", COLOURS)
def test_an_exit_at_start_up_is_the_servers_to_obey(make_app: MakeApp, kind: str) -> None:
    """L-02, W-52: behind WSGI it reaches the thread that asked, and the portal lives."""
    app = make_app()
    add(app, kind, "bad", [], fails={"enter": SystemExit(3)})
    with pytest.raises(SystemExit):
        app.startup()
    assert not app.started


UVICORN = """
import sys
import uvicorn
from duoframe import App
app = App()

@app.lifespan
{kind} fail():
    print("entered", flush=True)
    raise ValueError("no database")
    yield

uvicorn.run(app, port={port}, lifespan="on", log_level="critical")
"""


@pytest.mark.parametrize("kind", COLOURS)
def test_a_server_whose_app_cannot_start_ends_with_an_error(kind: str) -> None:
    """L-02."""
    done = python(UVICORN.format(kind=kind, port=free_port()))
    assert done.returncode != 0
    assert "entered" in done.stdout


@pytest.mark.parametrize("kind", COLOURS)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("nothing", "ended without a `yield`"),
        ("number", "yielded 5; expected a mapping"),
    ],
)
def test_a_lifespan_of_the_wrong_shape_says_so_at_start_up(
    app: App, opened: Opened, kind: str, body: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-02: naming the lifespan and the fix."""
    left: list[str] = []
    add(app, kind, "before", left)
    if kind == "def":

        @app.lifespan
        def odd() -> Iterator[Any]:
            if body == "number":
                try:
                    yield 5
                finally:
                    left.append("exit odd")

    else:

        @app.lifespan
        async def odd_later() -> AsyncIterator[Any]:
            if body == "number":
                try:
                    yield 5
                finally:
                    left.append("exit odd")

    with pytest.raises((ConfigurationError, TypeError, RuntimeError)), opened(app):
        pytest.fail("the app has started")
    name = "odd" if kind == "def" else "odd_later"
    assert left == ["enter before", *(["exit odd"] if body == "number" else []), "exit before"]
    with pytest.raises((ConfigurationError, TypeError), match=f"lifespan '.*{name}' {told}"):
        exchange_fresh(app)


def exchange_fresh(app: App) -> None:
    """Start again at once, whatever came before, so that the error is the start-up's own."""
    app.life._failed_at = float("-inf")
    app.startup()


@pytest.mark.parametrize("wrong", [lambda: None, 5, "text"], ids=["no generator", "a number", "a text"])
def test_what_is_no_lifespan_is_refused_at_registration(app: App, wrong: Any) -> None:
    """L-02."""
    with pytest.raises(ConfigurationError, match=r"has no `yield`: write a generator function that yields once"):
        app.lifespan(wrong)


def test_a_lifespan_is_refused_after_the_start(app: App) -> None:
    app.startup()
    with pytest.raises(ConfigurationError, match="registered after the application had started"):
        add(app, "def", "late", [])


# Shut-down


@pytest.mark.parametrize("error", [ValueError("bad"), ExceptionGroup("bad", [ValueError("a")])], ids=["one", "group"])
def test_a_shut_down_that_fails_stops_no_other(
    app: App, opened: Opened, kinds: tuple[str, str], error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """L-03, L-14: all exits run, then the failure is told."""
    events: list[str] = []
    add(app, kinds[0], "one", events)
    add(app, kinds[1], "bad", events, fails={"exit": error})
    add(app, kinds[0], "worse", events, fails={"exit": KeyError("first")})
    told = r"first|the app failed to shut down: KeyError: see the log"
    with pytest.raises((KeyError, RuntimeError), match=told), opened(app):
        pass
    assert events[3:] == ["exit worse", "exit bad", "exit one"]
    assert caplog.text.count("error in the shut-down of lifespan") == 2
    assert not app.started


@pytest.mark.parametrize("kind", COLOURS)
def test_a_lifespan_that_yields_twice_fails_at_shut_down(
    app: App, opened: Opened, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-03."""
    if kind == "def":

        @app.lifespan
        def twice() -> Iterator[None]:
            yield
            yield

    else:

        @app.lifespan
        async def twice_later() -> AsyncIterator[None]:
            yield
            yield

    with pytest.raises(RuntimeError), opened(app):
        pass
    assert "yielded a second time" in caplog.text


def test_a_shut_down_waits_for_background_work(app: App, opened: Opened) -> None:
    """L-12: for the grace period, before the lifespans are left."""
    events: list[str] = []
    add(app, "async def", "one", events)
    begun = threading.Event()

    @app.get("/")
    async def handler(request: Request) -> str:
        async def work() -> None:
            begun.set()
            await anyio.sleep(0.05)
            events.append("worked")

        request.background(work)
        return "x"

    with opened(app) as client:
        client.get("/")
        assert begun.wait(DEADLINE)
    assert events == ["enter one", "worked", "exit one"]


def test_exits_that_hang_are_cut_off_after_the_grace_period(
    make_app: MakeApp, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-12: the exits get it anew after the background work has had it."""
    app = make_app(grace=0.05)
    events: list[str] = []
    add(app, "def", "outer", events)

    @app.lifespan
    async def hanging() -> AsyncIterator[None]:
        yield
        try:
            await anyio.sleep_forever()
        finally:
            events.append("cut off")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            server = Server(app, group)
            await server.startup()
            told = await server.shutdown()
        assert told == {"type": "lifespan.shutdown.failed", "message": "TimeoutError: see the log"}

    on_loop(backend, main)
    assert "lifespans had not ended 0.05 seconds after they were told to" in caplog.text
    assert events == ["enter outer", "cut off", "exit outer"]


# Servers that do less, or more, than they should


def test_an_app_without_a_server_that_starts_it_starts_at_its_first_request(
    ask: Ask, app: App, kinds: tuple[str, str]
) -> None:
    """L-04."""
    events: list[str] = []
    add(app, kinds[0], "one", events, given={"n": 1})
    add(app, kinds[1], "two", events)
    app.get("/")(lambda request: request.state.n)
    assert ask(app, "GET", b"/").body == b"1"
    assert events[:2] == ["enter one", "enter two"]
    app.shutdown()
    assert events == ["enter one", "enter two", "exit two", "exit one"]


def test_the_lazy_start_up_happens_once_for_all_requests(app: App, backend: str, kinds: tuple[str, str]) -> None:
    """L-04: those that come meanwhile wait; the end of the loop is the shut-down."""
    events: list[str] = []
    for kind in kinds:
        add(app, kind, kind, events)

    @app.get("/")
    async def handler() -> int:
        return len(events)

    async def main() -> None:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await get(app))

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
        assert answers == [(200, b"2")] * 20

    on_loop(backend, main)
    until(lambda: len(events) == 4, f"the end of the loop was no shut-down: {events}")
    assert events[2:] == [event.replace("enter", "exit") for event in reversed(events[:2])]


@pytest.mark.parametrize("when", ["at once", "after the start-up"])
def test_a_server_whose_receive_raises_still_gets_answers(
    app: App, backend: str, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-04: some servers try a lifespan that they do not support."""
    events: list[str] = []
    add(app, "async def", "one", events)
    app.get("/")(lambda: "x")
    sent: list[Message] = []

    async def receive() -> Message:
        if when == "at once" or sent:
            raise NotImplementedError
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> None:
        with pytest.raises(NotImplementedError) if when == "at once" else anyio.CancelScope():
            await app({"type": "lifespan"}, receive, send)
        assert await get(app) == (200, b"x")
        assert app.started

    on_loop(backend, main)
    expected = [] if when == "at once" else ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert [message["type"] for message in sent] == expected
    assert events == ["enter one", "exit one"] * (1 if when == "at once" else 2)


def test_a_server_without_state_leaves_it_on_the_app(app: App, backend: str, kinds: tuple[str, str]) -> None:
    """L-05."""
    for number, kind in enumerate(kinds):
        add(app, kind, kind, [], given={f"n{number}": number})
    app.get("/")(lambda request: [request.state.n0, request.state.n1])

    async def main() -> None:
        async with anyio.create_task_group() as group:
            server = Server(app, group, state=None)
            await server.startup()
            assert await get(app) == (200, b"[0,1]")
            await server.shutdown()

    on_loop(backend, main)


HANGING = """
import asyncio, signal, sys, time
from duoframe import App
app = App()
signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process begun in the background has not

@app.lifespan
{kind} hang():
    print("hangs", flush=True)
    {wait}
    yield

async def main():
    async def receive():
        return {{"type": "lifespan.startup"}}
    async def send(message):
        print(message, flush=True)
    await app({{"type": "lifespan"}}, receive, send)

{run}
"""


@pytest.mark.parametrize("run", ["asyncio.run(main())", "app.startup()"], ids=["asgi", "wsgi"])
@pytest.mark.parametrize(
    ("kind", "wait"), [("def", "time.sleep(60)"), ("async def", "await asyncio.sleep(60)")], ids=COLOURS
)
def test_a_start_up_that_hangs_is_ended_by_an_interrupt(run: str, kind: str, wait: str) -> None:
    """L-06: no time-out of ours, and Ctrl-C works."""
    process = started(HANGING.format(kind=kind, wait=wait, run=run))
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "hangs\n"
        for _ in range(int(DEADLINE)):  # one that comes just before a loop waits is noticed when the loop wakes
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                _, complaints = process.communicate(timeout=1)
                break
    finally:
        process.kill()
        process.communicate()
    assert process.returncode != 0
    assert "KeyboardInterrupt" in complaints


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_a_lifespan_task_that_is_cancelled_runs_its_exits(
    app: App, backend: str, kinds: tuple[str, str], moment: str
) -> None:
    """L-07, P-14: also those that wait; and requests that waited for the start-up are told."""
    events: list[str] = []
    starting = threading.Event()
    for number, kind in enumerate(kinds):
        add(app, kind, str(number), events)

    if moment == "starting":

        @app.lifespan
        async def hanging() -> AsyncIterator[None]:
            starting.set()
            await anyio.sleep_forever()
            yield

    async def main() -> None:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await get(app))

        async with anyio.create_task_group() as group:
            server = Server(app, group)
            if moment == "starting":
                server.say("lifespan.startup")
                await happens(starting.is_set, "the start-up was not begun")
                group.start_soon(ask)
                await anyio.sleep(0.01)
            else:
                await server.startup()
            server.scope.cancel()
            with anyio.fail_after(DEADLINE):
                await server.ended.wait()
        if moment == "starting":
            assert [status for status, _ in answers] == [503]

    on_loop(backend, main)
    assert events == ["enter 0", "enter 1", "exit 1", "exit 0"]


def test_a_lifespan_may_hold_a_task_group_open(app: App, opened: Opened) -> None:
    """L-01, L-07: entering and leaving happen in one task, and no scope of ours stands between."""
    events: list[str] = []

    @app.lifespan
    async def grouped() -> AsyncIterator[dict[str, Any]]:
        async def tick() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                events.append("ended")

        async with anyio.create_task_group() as group:
            group.start_soon(tick)
            yield {"group": group}
            group.cancel_scope.cancel()
        events.append("left")

    @app.get("/")
    async def handler(request: Request) -> str:
        done = anyio.Event()

        async def work() -> None:
            done.set()

        request.state.group.start_soon(work)
        await done.wait()
        return "x"

    with opened(app) as client:
        assert client.get("/").text == "x"
    assert events == ["ended", "left"]


@pytest.mark.parametrize("cancelled", [False, True])
def test_a_task_group_ends_with_a_cancelled_lifespan(app: App, backend: str, cancelled: bool) -> None:
    """L-07."""
    events: list[str] = []

    @app.lifespan
    async def grouped() -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep_forever)
            yield
            group.cancel_scope.cancel()
        await anyio.lowlevel.checkpoint()
        events.append("left")

    async def main() -> None:
        async with anyio.create_task_group() as group:
            server = Server(app, group)
            await server.startup()
            if cancelled:
                server.scope.cancel()
            else:
                await server.shutdown()
            with anyio.fail_after(DEADLINE):
                await server.ended.wait()
            assert server.error is None

    on_loop(backend, main)
    assert events == ["left"]


def test_a_request_that_comes_too_early_waits_and_is_told_in_the_end(
    app: App, backend: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """L-08: 30 seconds, here a moment; one that comes in time is answered."""
    entered, go = threading.Event(), threading.Event()

    @app.lifespan
    async def slow() -> AsyncIterator[None]:
        entered.set()
        await happens(go.is_set, "nobody went on")
        yield

    app.get("/")(lambda: "x")

    async def main() -> None:
        answers: list[Any] = []

        async def ask() -> None:
            answers.append(await get(app))

        async with anyio.create_task_group() as group:
            server = Server(app, group)
            server.say("lifespan.startup")
            await happens(entered.is_set, "the start-up was not begun")
            with monkeypatch.context() as patched:
                patched.setattr("duoframe.app.START_TIMEOUT", 0.02)
                await ask()
            group.start_soon(ask)
            await anyio.sleep(0.01)
            go.set()
            await happens(lambda: len(answers) == 2, "the request still waits")
            await server.shutdown()
        assert [status for status, _ in answers] == [503, 200]

    on_loop(backend, main)


def test_a_thread_that_comes_too_early_waits_and_is_told_in_the_end(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """L-08 behind WSGI."""
    entered, go = threading.Event(), threading.Event()

    @app.lifespan
    def slow() -> Iterator[None]:
        entered.set()
        assert go.wait(DEADLINE)
        yield

    app.get("/")(lambda: "x")
    with ThreadPoolExecutor() as pool:
        first = pool.submit(exchange, app, "wsgi", "GET", b"/")
        assert entered.wait(DEADLINE)
        monkeypatch.setattr("duoframe.app.START_TIMEOUT", 0.02)
        late = exchange(app, "wsgi", "GET", b"/")
        go.set()
        assert first.result(DEADLINE).status == 200
    assert (late.status, dict(late.headers)["retry-after"]) == (503, "1")


# The WSGI process


@pytest.mark.parametrize("kind", COLOURS)
def test_twenty_threads_start_an_app_once(app: App, kind: str) -> None:
    """L-11, W-53, P-04: a portal runs only where something needs one."""
    events: list[str] = []
    add(app, kind, "one", events)
    app.get("/")(lambda: str(len(events)))
    together = threading.Barrier(20)

    def ask(_: int) -> bytes:
        together.wait(DEADLINE)
        return exchange(app, "wsgi", "GET", b"/").body

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [b"1"] * 20
    assert app.portal.running is (kind == "async def")
    app.shutdown()
    assert events == ["enter one", "exit one"]


@pytest.mark.parametrize("kind", COLOURS)
def test_a_start_up_that_fails_is_tried_again_after_a_while(
    ask: Ask, app: App, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """L-11: each request is told, and not every one of them tries."""
    events: list[str] = []
    fails: dict[str, BaseException] = {"enter": ValueError("password=hunter2")}
    add(app, kind, "one", events, fails=fails)
    app.get("/")(lambda: "x")
    clock = [1000.0]
    monkeypatch.setattr("duoframe.lifespan.time.monotonic", lambda: clock[0])
    for _ in range(3):
        answer = ask(app, "GET", b"/")
        assert (answer.status, dict(answer.headers)["retry-after"]) == (503, "1")
        assert b"hunter2" not in answer.body
    assert events == ["enter one"]
    clock[0] += 1.1
    assert ask(app, "GET", b"/").status == 503
    assert events == ["enter one"] * 2
    fails.clear()
    clock[0] += 1.1
    assert ask(app, "GET", b"/").status == 200


@pytest.mark.parametrize("kind", COLOURS)
def test_a_client_that_has_left_hears_nothing_of_a_failed_start_up(
    app: App, backend: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-08, A-20."""
    add(app, kind, "bad", [], fails={"enter": ValueError("bad")})

    async def send(message: Message) -> None:
        raise OSError("gone")

    async def main() -> None:
        async def receive() -> Message:
            return {"type": "http.disconnect"}

        await app({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)

    on_loop(backend, main)


def test_a_portal_that_cannot_start_fails_the_start_up(
    app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """L-11, T-19: nobody waits for a start-up that was never begun."""
    events: list[str] = []
    add(app, "async def", "one", events)
    app.get("/")(lambda: "x")

    def refuse() -> None:
        raise ThreadsExhaustedError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(app.portal, "get_runtime", refuse)
        assert exchange(app, "wsgi", "GET", b"/").status == 503
        assert exchange(app, "wsgi", "GET", b"/").status == 503
    exchange_fresh(app)
    assert events == ["enter one"]


def test_an_app_that_cannot_be_compiled_fails_its_start_up(
    ask: Ask, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """L-11: requests are told at once."""

    def broken() -> None:
        raise ConfigurationError("two routes collide")

    monkeypatch.setattr(app, "compile", broken)
    assert ask(app, "GET", b"/").status == 503
    assert "two routes collide" in caplog.text


@pytest.mark.parametrize("kind", COLOURS)
def test_shut_down_is_idempotent_and_an_app_may_start_again(app: App, kind: str) -> None:
    """L-12."""
    events: list[str] = []
    add(app, kind, "one", events)
    app.shutdown()
    for _ in range(2):
        app.startup()
        app.startup()
        assert app.started
        app.shutdown()
        app.shutdown()
        assert not app.started
    assert events == ["enter one", "exit one"] * 2


EXITING = """
import sys
from duoframe import App
app = App()

@app.lifespan
{kind} one():
    print("enter", flush=True)
    yield
    print("exit", flush=True)

app.startup()
{end}
"""


@pytest.mark.parametrize("kind", COLOURS)
@pytest.mark.parametrize("end", ["", "app.shutdown()", "sys.exit(0)", "app.shutdown(); app.startup()"])
def test_the_end_of_the_interpreter_is_a_shut_down(kind: str, end: str) -> None:
    """L-12: how gunicorn and uWSGI stop; what each server does is tested with the servers."""
    done = python(EXITING.format(kind=kind, end=end))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["enter", "exit"] * (2 if "startup" in end else 1)
    assert done.stderr == ""


def test_a_shut_down_that_fails_at_the_end_of_the_interpreter_is_logged(
    app: App, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L-03, L-12: and the others are shut down all the same."""
    from duoframe import app as module

    add(app, "def", "bad", [], fails={"exit": ValueError("bad")})
    app.startup()
    monkeypatch.setattr(module, "_STARTED", {app})
    module._stop_all()
    assert "was shut down" in caplog.text


@pytest.mark.parametrize("kind", COLOURS)
def test_the_loops_own_thread_does_not_wait_for_itself(app: App, kind: str) -> None:
    """L-12, P-06: an app that was started on a loop cannot be stopped from a piece that runs on it."""
    events: list[str] = []
    add(app, "async def", "one", events)

    @app.get("/")
    async def stop() -> str:
        with pytest.raises(RuntimeError, match="would deadlock"):
            app.shutdown()
        return "refused"

    async def main() -> None:
        assert await get(app) == (200, b"refused")
        assert app.started
        await asyncio.to_thread(app.shutdown)
        assert events == ["enter one", "exit one"]

    asyncio.run(main())
    assert events == ["enter one", "exit one"]


def test_a_shut_down_from_a_thread_tells_of_its_failure(
    app: App, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    """L-03, L-04."""
    add(app, "async def", "bad", [], fails={"exit": ValueError("bad")})
    app.get("/")(lambda: "x")

    async def main() -> None:
        assert (await get(app))[0] == 200
        with pytest.raises(ValueError, match="bad"):
            await anyio.to_thread.run_sync(app.shutdown)

    on_loop(backend, main)


def test_a_start_up_that_another_loop_has_made_counts(app: App, backend: str, kinds: tuple[str, str]) -> None:
    """L-01, A-44: a server's lifespan in a process that has started starts and stops nothing."""
    events: list[str] = []
    for kind in kinds:
        add(app, kind, kind, events)
    app.startup()

    async def main() -> None:
        async with anyio.create_task_group() as group:
            server = Server(app, group, {})
            assert (await server.startup())["type"] == "lifespan.startup.complete"
            assert (await server.shutdown())["type"] == "lifespan.shutdown.complete"

    on_loop(backend, main)
    assert app.started
    assert len(events) == 2


# Where lifespans run


def test_a_def_lifespan_runs_off_the_loop_or_on_the_callers_thread(app: App, opened: Opened, way: Any) -> None:
    """L-13: in a worker thread behind ASGI, on the calling thread behind WSGI, in the order of registration."""
    threads: list[int] = []
    loops: list[bool] = []

    @app.lifespan
    def note() -> Iterator[None]:
        threads.append(threading.get_ident())
        loops.append(asyncio._get_running_loop() is not None)
        yield
        threads.append(threading.get_ident())

    with opened(app):
        pass
    assert loops == [False]
    here = threading.get_ident()
    assert [thread == here for thread in threads] == [way[0] == "wsgi"] * 2


def test_a_def_lifespan_takes_no_thread_from_the_requests(make_app: MakeApp, opened: Opened) -> None:
    """L-13: an admission that lasted as long as the process would leave `App(threads=1)` without one."""
    app = make_app(threads=1)
    add(app, "def", "one", [])
    add(app, "async def", "two", [])
    app.get("/")(lambda: app.gauges()["threads"])
    with opened(app) as client:
        assert client.get("/").status_code == 200
        until(lambda: not any(app.gauges().values()), f"something is held: {app.gauges()}")


def test_what_a_lifespan_sets_in_its_context_it_can_reset(app: App, opened: Opened, kinds: tuple[str, str]) -> None:
    """L-01: both halves, and all lifespans, run in one Context of their own."""
    var: ContextVar[str] = ContextVar("var", default="outside")
    seen: list[str] = []
    if kinds[0] == "def":

        @app.lifespan
        def first() -> Iterator[None]:
            token = var.set("first")
            yield
            var.reset(token)
            seen.append(var.get())

    else:

        @app.lifespan
        async def first_later() -> AsyncIterator[None]:
            token = var.set("first")
            yield
            var.reset(token)
            seen.append(var.get())

    if kinds[1] == "def":

        @app.lifespan
        def second() -> Iterator[None]:
            seen.append(var.get())
            yield

    else:

        @app.lifespan
        async def second_later() -> AsyncIterator[None]:
            seen.append(var.get())
            yield

    with opened(app):
        assert var.get() == "outside"
    assert seen == ["first", "outside"]


# Forks


FORKING = """
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # from 3.12 on, of a fork beside threads: that is what is tested
from duoframe import App
from duoframe.testing import exchange
app = App()

@app.lifespan
{kind} resource():
    made = os.getpid()
    print("enter", os.getpid() == parent, flush=True)
    try:
        yield {{"made": made}}
    finally:
        print("exit", os.getpid() == parent, made == os.getpid(), flush=True)

@app.get("/")
def whose(request):
    return "own" if request.state.made == os.getpid() else "inherited"

parent = os.getpid()
app.startup()
child = os.fork()
if child == 0:
    import gc
    gc.collect()
    print(exchange(app, "wsgi", "GET", b"/").body.decode(), flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
print(exchange(app, "wsgi", "GET", b"/").body.decode(), flush=True)
"""


@pytest.mark.parametrize("kind", COLOURS)
def test_a_forked_process_starts_anew_and_leaves_what_it_inherited_alone(kind: str) -> None:
    """L-15, P-03: not even the end of the child runs an exit that is the parent's."""
    done = python(FORKING.format(kind=kind))
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "enter True",
        "enter False",
        "own",
        "exit False True",
        "own",
        "exit True True",
    ]


def test_what_another_process_entered_is_neither_used_nor_left(app: App) -> None:
    """L-15: what `os.fork` calls in the child, called here."""
    events: list[str] = []
    add(app, "def", "one", events)
    app.startup()
    lifespan._forget()
    assert not app.started
    app.shutdown()
    gc.collect()
    assert events == ["enter one"]
    app.startup()
    app.shutdown()
    assert events == ["enter one", "enter one", "exit one"]


def test_nobody_is_told_on_a_loop_that_has_ended(backend: str) -> None:
    """L-08: the start-up may end later than the loop of a request that waited for it."""

    async def main() -> tuple[Any, Any]:
        loop = App().runtime().loop
        return loop, loop.waiter()

    loop, waiter = on_loop(backend, main)
    lifespan.release(loop, waiter)


def test_a_lifespan_without_an_app_is_forgotten() -> None:
    """L-15: what is kept for forks keeps no application alive."""
    app = App()
    add(app, "def", "one", [])
    life = weakref.ref(app.life)
    del app
    gc.collect()
    assert life() is None


# Processes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def started(source: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", source],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def python(source: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    process = started(source)
    try:
        output, complaints = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    return subprocess.CompletedProcess(process.args, process.returncode, output, complaints)
