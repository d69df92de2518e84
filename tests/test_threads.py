"""The worker threads: how many, for whom, what a cancelled exchange leaves, and that they end with their loop."""

from __future__ import annotations

import asyncio
import logging
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextvars import copy_context
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from duoframe import App, Request, Response
from duoframe.bridge import Drive, Hop, adopt_loop, running_loop
from duoframe.testing import AsyncClient, exchange
from duoframe.threads import Admission, Job, Slots, Threads, ThreadsExhaustedError, Tokens
from tests.conftest import Ask, MakeApp, our_threads, until

BACKENDS = ["asyncio", "trio"]


@pytest.fixture(params=BACKENDS)
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[Any]]], Any]:
    """Runs a test's coroutine on each loop; every worker thread ends with it."""

    def run(main: Callable[[], Awaitable[Any]]) -> Any:
        async def within() -> Any:
            with anyio.fail_after(15):
                return await main()

        result = anyio.run(within, backend=request.param)
        until(lambda: not our_threads(), f"threads outlived their loop: {our_threads()}")
        return result

    return run


Run = Callable[[Callable[[], Awaitable[Any]]], Any]


def pool(limit: int = 2, streams: int = 2) -> Threads:
    return Threads(adopt_loop(running_loop()), limit, Slots(streams))


async def blocked() -> None:
    """Let every other task, and every call that was posted, go as far as it can."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


async def when(condition: Callable[[], object]) -> None:
    """Wait on the loop for what a thread brings about."""
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110  # a thread sets it
            await anyio.sleep(0.001)


# Tokens and slots


def test_tokens_are_given_in_turn_and_nobody_overtakes(run: Run) -> None:
    async def main() -> None:
        tokens = Tokens(adopt_loop(running_loop()), 1)
        order: list[int] = []

        async def take(number: int) -> None:
            await tokens.wait()
            order.append(number)

        async with anyio.create_task_group() as group:
            await take(0)
            for number in (1, 2, 3):
                group.start_soon(take, number)
                await anyio.wait_all_tasks_blocked()
            assert (tokens.used, tokens.waiting) == (1, 3)
            tokens.give()
            assert not tokens.take()  # it has gone to who waited longest
            await anyio.wait_all_tasks_blocked()
            assert order == [0, 1]
            for _ in range(2):
                tokens.give()
                await anyio.wait_all_tasks_blocked()
        tokens.give()
        assert order == [0, 1, 2, 3]
        assert (tokens.used, tokens.waiting) == (0, 0)

    run(main)


def test_who_is_cancelled_in_the_queue_takes_no_token(run: Run) -> None:
    async def main() -> None:
        tokens = Tokens(adopt_loop(running_loop()), 1)
        assert tokens.take()
        with anyio.move_on_after(0.01):
            await tokens.wait()
        assert (tokens.used, tokens.waiting) == (1, 0)
        tokens.give()
        assert tokens.used == 0

    run(main)


def test_a_token_handed_to_who_is_cancelled_goes_on() -> None:
    async def main() -> None:
        tokens = Tokens(adopt_loop(running_loop()), 1)
        assert tokens.take()
        first = asyncio.ensure_future(tokens.wait())
        second = asyncio.ensure_future(tokens.wait())
        await asyncio.sleep(0)
        tokens.give()
        first.cancel()  # after it was handed the token, before it has run
        await second
        assert first.cancelled()
        assert tokens.used == 1
        third = asyncio.ensure_future(tokens.wait())
        await asyncio.sleep(0)
        third.cancel()
        tokens.give()  # the first in the queue wants no token any more
        with pytest.raises(asyncio.CancelledError):
            await third
        assert (tokens.used, tokens.waiting) == (0, 0)

    asyncio.run(main())


def test_slots_refuse_past_their_limit() -> None:
    slots = Slots(1)
    assert (slots.take(), slots.take()) == (True, False)
    slots.give()
    assert slots.take()


# Jobs


def test_a_call_runs_on_a_thread_and_its_outcome_comes_back(run: Run) -> None:
    async def main() -> None:
        threads = pool()
        assert await threads.call(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await threads.call(lambda: 1 // 0)
        with pytest.raises(SystemExit):
            await threads.call(sys.exit)
        assert await threads.call(str, "again") == "again"

    run(main)


def test_an_idle_thread_is_used_again_and_a_busy_one_never_waited_for(run: Run) -> None:
    async def main() -> None:
        threads = pool()
        for _ in range(10):
            await threads.call(int)
        assert len(our_threads()) == 1
        together = threading.Barrier(5)
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(threads.call, together.wait, 10)
        assert len(our_threads()) == 5

    run(main)


def test_threads_of_a_closed_pool_end_when_idle_and_later_jobs_get_new_ones(run: Run) -> None:
    async def main() -> None:
        threads = pool()
        gate = threading.Event()
        async with anyio.create_task_group() as group:
            group.start_soon(threads.call, gate.wait, 10)
            await threads.call(int)
            threads.close()
            await when(lambda: len(our_threads()) == 1)
            with anyio.fail_after(5):
                assert await threads.call(str, "new") == "new"  # though the busy one has not taken its end yet
            gate.set()
        await when(lambda: len(our_threads()) == 1)

    run(main)


def test_an_answer_that_comes_after_the_loop_has_ended_is_dropped() -> None:
    gate = threading.Event()
    jobs = [Job(gate.wait, 10), Job(gate.wait, 10)]

    async def main() -> None:
        threads = pool()
        for job in jobs:
            threads.reserve()
            coroutine = threads.run(job)
            coroutine.send(None)
            coroutine.close()  # as at the end of a loop that ends in the middle

    asyncio.run(main())
    assert len(our_threads()) == 2
    gate.set()
    until(lambda: not our_threads(), "the threads did not end")
    assert [job.result for job in jobs] == [True, True]


def test_many_answers_from_many_threads_lose_none(run: Run) -> None:
    """The wake-up of the loop is shared by all that has ended meanwhile."""

    async def main() -> None:
        threads = pool()
        found: list[int] = []

        async def ask(base: int) -> None:
            for number in range(base, base + 200):
                found.append(await threads.call(int, number))  # noqa: PERF401  # one after the other, among the others

        async with anyio.create_task_group() as group:
            for base in range(0, 3200, 200):
                group.start_soon(ask, base)
        assert sorted(found) == list(range(3200))

    run(main)


def test_a_cancellation_waits_for_the_thread(run: Run) -> None:
    """T-05: what is inside a piece is never left by an exchange that goes on."""

    async def main() -> None:
        threads = pool()
        started, gate, ended = threading.Event(), threading.Event(), []

        def work() -> None:
            started.set()
            gate.wait(10)
            ended.append(True)

        async def ask() -> None:
            try:
                await threads.call(work)
            finally:
                ended.append(False)

        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await when(started.is_set)
            group.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await blocked()
                assert ended == []
                gate.set()
        assert ended == [True, False]

    run(main)


def test_a_second_cancellation_changes_nothing() -> None:
    async def main() -> None:
        threads = pool()
        started, gate = threading.Event(), threading.Event()

        def work() -> None:
            started.set()
            gate.wait(10)

        task = asyncio.ensure_future(threads.call(work))
        await when(started.is_set)
        for _ in range(3):
            task.cancel()
            await blocked()
            assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_job_that_may_be_left_is_left_and_counted_until_it_returns(run: Run) -> None:
    """A-23, T-05."""

    async def main() -> None:
        threads = pool()
        started, gate, finished = threading.Event(), threading.Event(), []

        def work() -> None:
            started.set()
            gate.wait(10)

        job = Job(work)
        job.on_finish = lambda: finished.append(True)
        threads.reserve()
        async with anyio.create_task_group() as group:
            group.start_soon(threads.run, job, True)
            await when(started.is_set)
            group.cancel_scope.cancel()
        assert (job.left, job.finished, threads.left, finished) == (True, False, 1, [])
        gate.set()
        await when(lambda: job.finished)
        assert (threads.left, finished) == (0, [True])

    run(main)


@pytest.mark.parametrize("on_finish", [None, lambda: 1 // 0])
def test_what_follows_a_left_job_harms_no_other(
    on_finish: Callable[[], object] | None, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        threads = pool()
        gate = threading.Event()
        job = Job(gate.wait, 10)
        job.on_finish = on_finish
        threads.reserve()
        with anyio.move_on_after(0.01):
            await threads.run(job, True)
        gate.set()
        await when(lambda: job.finished)
        assert await threads.call(str, "next") == "next"

    run(main)
    assert ("an abandoned exchange" in caplog.text) == (on_finish is not None)


# Admissions


def test_an_admission_is_held_from_the_first_hop_to_the_end(run: Run) -> None:
    async def main() -> None:
        threads = pool(limit=1)
        first, second = Admission(threads), Admission(threads)
        await first.enter()
        await first.enter()
        assert threads.admissions.used == 1
        async with anyio.create_task_group() as group:
            group.start_soon(second.enter)
            await anyio.wait_all_tasks_blocked()
            assert threads.admissions.waiting == 1
            first.leave()
            first.leave()
        assert threads.admissions.used == 1
        second.to_stream()
        assert threads.admissions.used == 0
        await second.enter()  # counted as a stream now
        assert threads.admissions.used == 0
        second.leave()

    run(main)


def test_a_stream_that_never_had_a_token_takes_none(run: Run) -> None:
    async def main() -> None:
        threads = pool(limit=1)
        admission = Admission(threads)
        admission.to_stream()
        await admission.enter()
        assert threads.admissions.used == 0
        calls: list[int] = []
        admission.conclude(calls.append, 1)
        assert calls == [1]

    run(main)


@pytest.mark.parametrize("failure", [None, ZeroDivisionError()])
@pytest.mark.parametrize("concluded", ["before", "after"])
def test_a_left_exchange_ends_when_its_thread_returns(
    failure: Exception | None, concluded: str, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """T-05: the rest of the coroutine runs then, in its Context; before, nobody else may enter that."""
    caplog.set_level(logging.DEBUG, "duoframe.error")
    started, gate = threading.Event(), threading.Event()
    events: list[str] = []

    def work() -> None:
        started.set()
        gate.wait(10)

    async def exchange() -> None:
        try:
            await Hop(work, leave=True)
        finally:
            await Hop(events.append, "cleaned up")
            if failure is not None:
                raise failure

    async def main() -> None:
        threads = pool(limit=1)
        admission = Admission(threads)

        async def drive() -> None:
            await Drive(exchange(), copy_context(), admission)

        async with anyio.create_task_group() as group:
            group.start_soon(drive)
            await when(started.is_set)
            group.cancel_scope.cancel()
        assert (events, admission.left, threads.admissions.used) == ([], True, 1)
        if concluded == "before":
            admission.conclude(events.append, "concluded")
            assert events == []
        gate.set()
        await when(lambda: not admission.left)
        if concluded == "after":
            admission.conclude(events.append, "concluded")
        assert events == ["cleaned up", "concluded"]
        assert (threads.admissions.used, threads.left) == (0, 0)

    run(main)
    assert ("an abandoned exchange was cleaned up" in caplog.text) == (failure is not None)
    assert ("an abandoned exchange ended" in caplog.text) == (failure is None)


# Requests


async def asked(app: App, path: str, number: int) -> list[Any]:
    """Ask the ASGI door ``number`` times at once."""
    async with AsyncClient(app, raise_app_exceptions=False) as client:
        return list(await asyncio.gather(*(client.get(path) for _ in range(number))))


def test_as_many_def_handlers_run_at_once_as_the_limit_says_and_the_loop_goes_on(make_app: MakeApp) -> None:
    """T-01: 200 requests of 0.3 s, 40 at a time; the gauge tells; the loop is never held for 20 ms of theirs."""
    app = make_app()
    lock = threading.Lock()
    inside, most = 0, 0

    @app.get("/")
    def work() -> str:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        time.sleep(0.3)
        with lock:
            inside -= 1
        return "done"

    async def main() -> tuple[list[Any], list[float], list[dict[str, int]]]:
        lags, gauges, ended = [], [], False

        async def measure() -> None:
            while not ended:
                begun = time.perf_counter()
                await asyncio.sleep(0.005)
                lags.append(time.perf_counter() - begun - 0.005)
                gauges.append(app.gauges())

        measuring = asyncio.create_task(measure())
        answers = await asked(app, "/", 200)
        ended = True
        await measuring
        return answers, lags, gauges

    answers, lags, gauges = asyncio.run(main())
    assert {answer.status_code for answer in answers} == {200}
    assert most == 40
    assert max(gauge["threads"] for gauge in gauges) == 40
    assert max(gauge["waiting"] for gauge in gauges) == 160
    # A handler that held the loop would show as 300 ms each time; what is left is a busy machine.
    assert statistics.median(lags) < 0.02
    assert set(app.gauges().values()) == {0}


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_is_the_application_s_own(limit: int, make_app: MakeApp) -> None:
    """T-01."""
    app = make_app(threads=limit)
    inside: list[int] = []
    most = []

    @app.get("/")
    def work() -> str:
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        return "done"

    asyncio.run(asked(app, "/", 10))
    assert max(most) == limit


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_clean_up_never_waits_behind_the_requests_that_wait_for_what_it_frees(plan: str, make_app: MakeApp) -> None:
    """T-02: a pool of 5 connections, a second `def` layer, 100 clients and 8 threads."""
    app = make_app(threads=8)
    connections = threading.Semaphore(5)

    @app.middleware
    def connect() -> Generator[None, Response, None]:
        assert connections.acquire(timeout=20)
        try:
            yield
        finally:
            connections.release()

    if plan == "async":

        @app.middleware
        async def between() -> AsyncIterator[None]:
            await asyncio.sleep(0)
            yield
            await asyncio.sleep(0)

    @app.middleware
    def second() -> Iterator[None]:
        yield

    @app.get("/")
    def work() -> str:
        return "done"

    answers = asyncio.run(asyncio.wait_for(asked(app, "/", 100), 20))
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_def_handler_calls_the_loop_though_every_thread_is_taken(door: str, make_app: MakeApp) -> None:
    """T-03, P-07: what runs on the loop may itself need threads of other kinds."""
    app = make_app(threads=2)
    together = threading.Barrier(2)
    loops = set()

    async def later(value: int) -> int:
        loops.add(asyncio.get_running_loop())
        await asyncio.to_thread(together.wait, 10)
        return value * 2

    @app.get("/{value:int}")
    def work(value: int) -> dict[str, int]:
        together.wait(10)
        return {"twice": app.call(later, value)}

    @app.get("/loop")
    async def which() -> str:
        loops.add(asyncio.get_running_loop())
        return "seen"

    async def main() -> list[Any]:
        async with AsyncClient(app, door) as client:  # type: ignore[arg-type]  # a Door
            await client.get("/loop")
            return await asyncio.gather(*(client.get(f"/{number}") for number in range(2)))

    answers = asyncio.run(main())
    assert [answer.json()["twice"] for answer in answers] == [0, 2]
    assert len(loops) == 1


def test_calling_the_loop_from_the_loop_is_refused_at_once(app: App, ask: Ask) -> None:
    """T-03, P-06."""
    messages = []

    @app.get("/")
    async def work() -> str:
        with pytest.raises(RuntimeError, match="would deadlock") as raised:
            app.call(anyio.sleep, 0)
        messages.append(str(raised.value))
        return "refused"

    assert ask(app, "GET", b"/").body == b"refused"
    assert "await" in messages[0]


@pytest.mark.parametrize("kind", ["thread", "lifespan"])
def test_a_thread_outside_a_request_reaches_the_server_s_loop(kind: str, make_app: MakeApp) -> None:
    """T-03, T-14: a thread that a handler started, or a `def` start-up."""
    app = make_app()
    loops: list[object] = []

    async def which() -> None:
        loops.append(asyncio.get_running_loop())

    @app.lifespan
    def start() -> Iterator[None]:
        if kind == "lifespan":
            app.call(which)
        yield

    @app.get("/")
    def work() -> str:
        if kind == "thread":
            thread = threading.Thread(target=app.call, args=(which,))
            thread.start()
            thread.join(10)
        return "done"

    async def main() -> object:
        async with AsyncClient(app) as client:
            assert (await client.get("/")).text == "done"
        return asyncio.get_running_loop()

    assert loops == [asyncio.run(main())]
    assert not app.portal.running


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_a_cancelled_request_keeps_its_token_until_its_handler_returns(plan: str, make_app: MakeApp) -> None:
    """T-05."""
    app = make_app(threads=1)
    started, gate = threading.Event(), threading.Event()
    events: list[str] = []

    @app.middleware
    def around() -> Iterator[None]:
        try:
            yield
        finally:
            events.append("left")

    if plan == "async":

        @app.middleware
        async def within() -> AsyncIterator[None]:
            yield

    @app.get("/")
    def work(request: Request) -> str:
        request.background(events.append, "background")
        started.set()
        gate.wait(10)
        events.append("returned")
        return "nobody reads this"

    async def main() -> None:
        await app.ensure_started(app.runtime())
        task = asyncio.ensure_future(raw(app, "/"))
        await when(started.is_set)
        assert app.gauges()["threads"] == 1
        task.cancel()
        if plan == "sync":
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)
        else:
            await blocked()
        assert (events, app.gauges()["threads"]) == ([], 1)
        gate.set()
        await when(lambda: app.gauges()["threads"] == 0 and "background" in events)
        assert events == ["returned", "left", "background"]
        assert set(app.gauges().values()) == {0}
        if plan == "async":
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(main())


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_who_is_cancelled_while_waiting_for_a_thread_leaves_nothing(plan: str, make_app: MakeApp) -> None:
    """T-05."""
    app = make_app(threads=1)
    started, gate = threading.Event(), threading.Event()
    runs: list[int] = []

    if plan == "async":

        @app.middleware
        async def within() -> AsyncIterator[None]:
            yield

    @app.get("/")
    def work() -> str:
        runs.append(1)
        started.set()
        gate.wait(10)
        return "done"

    async def main() -> None:
        await app.ensure_started(app.runtime())
        first = asyncio.ensure_future(raw(app, "/"))
        await when(started.is_set)
        second = asyncio.ensure_future(raw(app, "/"))
        await when(lambda: app.gauges()["waiting"] == 1)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        assert (app.gauges()["threads"], app.gauges()["waiting"]) == (1, 0)
        gate.set()
        assert (await first)[0]["status"] == 200
        assert app.gauges()["threads"] == 0

    asyncio.run(main())
    assert runs == [1]


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_a_stream_whose_step_is_left_is_closed_when_the_step_returns(plan: str, make_app: MakeApp) -> None:
    """T-05, T-08, A-23: the steps of one generator never meet, and the background work waits for them."""
    app = make_app(threads=1, streams=1)
    inside, gate = threading.Event(), threading.Event()
    events: list[str] = []

    if plan == "async":

        @app.middleware
        async def within() -> AsyncIterator[None]:
            yield

    @app.get("/")
    def stream(request: Request) -> Iterator[bytes]:
        request.background(events.append, "background")

        def steps() -> Iterator[bytes]:
            try:
                yield b"one"
                inside.set()
                gate.wait(10)
                events.append("step")
                yield b"two"
            finally:
                events.append("closed")

        return steps()

    async def main() -> None:
        await app.ensure_started(app.runtime())
        task = asyncio.ensure_future(raw(app, "/"))
        await when(inside.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)
        gauges = app.gauges()
        assert (events, gauges["left"], gauges["streams"]) == ([], 1, 1)
        gate.set()
        await when(lambda: "background" in events)
        assert events == ["step", "closed", "background"]
        await when(lambda: set(app.gauges().values()) == {0})

    asyncio.run(main())


def test_a_stream_whose_step_is_left_is_closed_when_the_step_returns_behind_wsgi_too(make_app: MakeApp) -> None:
    """T-05, T-08: `close()` does not wait for a step that nothing can stop, and nobody enters its Context."""
    app = make_app(threads=1, streams=1)
    inside, gate = threading.Event(), threading.Event()
    events: list[str] = []

    @app.middleware
    async def within() -> AsyncIterator[None]:
        yield

    @app.get("/")
    def stream(request: Request) -> Iterator[bytes]:
        request.background(events.append, "background")

        def steps() -> Iterator[bytes]:
            try:
                yield b"one"
                inside.set()
                gate.wait(10)
                events.append("step")
                yield b"two"
            finally:
                events.append("closed")

        return steps()

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": "", "wsgi.url_scheme": "http"}
    answer: Any = app(environ, lambda status, headers, exc_info=None: lambda data: None)
    assert next(answer) == b"one"
    assert inside.wait(10)
    answer.close()
    gauges = app.gauges()
    assert (events, gauges["left"], gauges["streams"]) == ([], 1, 1)
    gate.set()
    until(lambda: "background" in events, "the background work did not run")
    assert events == ["step", "closed", "background"]
    until(lambda: set(app.gauges().values()) == {0}, f"something is left: {app.gauges()}")


def test_a_request_left_before_its_answer_became_a_stream_does_not_keep_its_thread(make_app: MakeApp) -> None:
    """T-05: nobody takes what the stream gives, so it must not wait for room."""
    app = make_app()
    started, gate = threading.Event(), threading.Event()
    closed: list[bool] = []

    @app.get("/")
    def late() -> Iterator[bytes]:
        started.set()
        gate.wait(10)

        def steps() -> Iterator[bytes]:
            try:
                while True:
                    yield b"x"
            finally:
                closed.append(True)

        return steps()

    async def main() -> None:
        await app.ensure_started(app.runtime())
        task = asyncio.ensure_future(raw(app, "/"))
        await when(started.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.set()
        await when(lambda: closed)
        await when(lambda: set(app.gauges().values()) == {0})

    asyncio.run(main())


async def raw(app: Any, path: str) -> list[dict[str, Any]]:
    """One ASGI call whose client neither sends nor leaves; what was sent to it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
    await app(scope, receive, send)
    return sent


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_a_def_hook_runs_on_the_thread_of_its_def_handler(plan: str, make_app: MakeApp) -> None:
    """T-13: a session kept in a thread-local is closed where it was opened."""
    app = make_app()
    local = threading.local()
    misses: list[str] = []

    if plan == "async":

        @app.middleware
        async def within() -> AsyncIterator[None]:
            yield

    @app.after_request
    def close() -> None:
        if getattr(local, "session", None) is None:
            misses.append("elsewhere")
        local.session = None

    @app.get("/")
    def work() -> str:
        if getattr(local, "session", None) is not None:
            misses.append("left behind")
        local.session = "open"
        time.sleep(0.001)
        return "done"

    async def main(door: str) -> None:
        async with AsyncClient(app, door) as client:  # type: ignore[arg-type]  # a Door
            for _ in range(10):
                await asyncio.gather(*(client.get("/") for _ in range(20)))

    for door in ("wsgi", "asgi"):
        asyncio.run(main(door))
    assert misses == []


def test_a_handler_may_start_threads_and_processes_of_its_own(app: App, ask: Ask) -> None:
    """T-14: nothing of ours breaks, and what they do is in no request's Context."""

    @app.get("/")
    def work(request: Request) -> list[Any]:
        import duoframe

        seen: list[Any] = []
        thread = threading.Thread(target=lambda: seen.append(repr(duoframe.request)))
        thread.start()
        thread.join(10)
        output = subprocess.run([sys.executable, "-c", "print('child')"], capture_output=True, text=True, check=True)
        return [*seen, output.stdout.strip(), repr(duoframe.request)]

    answer = ask(app, "GET", b"/")
    assert answer.status == 200
    assert answer.body == b"""["<request: none is running>","child","<Request GET '/'>"]"""


@pytest.mark.parametrize("path", [b"/exit", b"/exit/later"])
def test_an_exit_in_a_handler_behind_asgi_is_one_failed_request(
    path: bytes, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """T-17: W-52 says what WSGI does."""

    @app.get("/exit")
    def leave() -> None:
        sys.exit(3)

    @app.get("/exit/later")
    async def leave_later() -> None:
        sys.exit(3)

    answer = exchange(app, "asgi", "GET", path)
    assert (answer.status, answer.error) == (500, None)
    assert "SystemExit: 3" in caplog.text


@pytest.mark.parametrize("path", [b"/exit", b"/exit/later"])
def test_an_exit_in_a_stream_behind_asgi_breaks_off_that_answer_alone(path: bytes, app: App) -> None:
    """T-17: a `SystemExit` that reached the server's loop would end every other request with it."""

    @app.get("/exit")
    def leave() -> Iterator[bytes]:
        yield b"one"
        sys.exit(3)

    @app.get("/exit/later")
    async def leave_later() -> AsyncIterator[bytes]:
        yield b"one"
        sys.exit(3)

    answer = exchange(app, "asgi", "GET", path)
    assert (answer.chunks, answer.aborted) == ([b"one"], True)
    assert isinstance(answer.error, Exception)


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_no_thread_to_be_had_is_503_and_passes(plan: str, make_app: MakeApp) -> None:
    """T-19: a stack that no address space has room for makes the system refuse, as a limit on processes does."""
    app = make_app()
    left: list[bool] = []

    if plan == "async":

        @app.middleware
        async def within() -> AsyncIterator[None]:
            yield
            left.append(True)

    @app.get("/")
    def work() -> str:
        return "done"

    async def main() -> tuple[list[Any], list[Any]]:
        await app.ensure_started(app.runtime())
        size = threading.stack_size(1 << 46)
        try:
            refused = await raw(app, "/")
        finally:
            threading.stack_size(size)
        assert set(app.gauges().values()) == {0}
        return refused, await raw(app, "/")

    refused, answered = asyncio.run(main())
    assert refused[0]["status"] == 503
    assert (b"retry-after", b"1") in refused[0]["headers"]
    assert answered[0]["status"] == 200
    assert left == ([True, True] if plan == "async" else [])


def test_no_thread_for_the_portal_is_503_and_passes(app: App) -> None:
    """T-19."""

    @app.get("/")
    async def work() -> str:
        return "done"

    app.startup()
    size = threading.stack_size(1 << 46)
    try:
        refused = exchange(app, "wsgi", "GET", b"/")
    finally:
        threading.stack_size(size)
    assert refused.status == 503
    assert exchange(app, "wsgi", "GET", b"/").body == b"done"


def test_who_is_admitted_is_sure_of_a_thread() -> None:
    """T-19: the later pieces and the clean-up of a request never fail for want of one."""

    async def main() -> None:
        threads = pool(limit=2)
        first, second = Admission(threads), Admission(threads)
        await first.enter()
        size = threading.stack_size(1 << 46)
        try:
            with pytest.raises(ThreadsExhaustedError):
                await second.enter()
            with pytest.raises(ThreadsExhaustedError):
                await threads.call(int)
            assert threads.admissions.used == 1
            assert await threads.run(Job(str, "mine")) == "mine"
        finally:
            threading.stack_size(size)
        first.leave()

    asyncio.run(main())


def test_threads_end_with_a_loop_that_had_no_lifespan(make_app: MakeApp) -> None:
    app = make_app()

    @app.get("/")
    def work() -> str:
        return "done"

    for _ in range(3):
        assert asyncio.run(raw(app, "/"))[0]["status"] == 200
        until(lambda: not [name for name in our_threads() if "worker" in name], "a worker outlived its loop")
    assert len(app.runtimes) == 1
