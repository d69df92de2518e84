"""What goes between threads and event loops, on a real loop of each kind in a thread of its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import signal
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from queue import Empty, SimpleQueue
from typing import Any

import pytest
import trio
from anyio import CancelScope, sleep, sleep_forever
from anyio.lowlevel import checkpoint

from duoframe import relay
from duoframe.bridge import Loop, adopt_loop, running_loop
from duoframe.relay import DEPTH, Closed, End, ToLoop, ToThread, call, iterate
from tests.conftest import DEADLINE, until

GRACE = 5.0


class Host:
    """An event loop in a thread, until `stop`."""

    def __init__(self, backend: str) -> None:
        self._ready: SimpleQueue[Loop] = SimpleQueue()
        self._stop: Any = None
        target = {"asyncio": lambda: asyncio.run(self._main()), "trio": lambda: trio.run(self._main)}[backend]
        self._thread = threading.Thread(target=target, name="duoframe-test-loop", daemon=True)
        self._thread.start()
        self.loop = self._ready.get(timeout=DEADLINE)

    async def _main(self) -> None:
        loop = adopt_loop(running_loop())
        self._stop = loop.waiter()
        self._ready.put(loop)
        await self._stop

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.post(self._stop.set_result, None)
            self._thread.join(DEADLINE)
        assert not self._thread.is_alive()


@pytest.fixture(params=["asyncio", "trio"])
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    host = Host(request.param)
    yield host
    host.stop()


@pytest.fixture
def loop(host: Host) -> Loop:
    return host.loop


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiting thread looks often whether its loop still lives."""
    monkeypatch.setattr(relay, "LOOK", 0.01)


def in_thread(work: Callable[[], object]) -> SimpleQueue[object]:
    """Run ``work`` on a thread; what it returns or raises comes through the queue."""
    outcome: SimpleQueue[object] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put(work())
        except BaseException as error:
            outcome.put(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome


# call


def test_a_call_gives_what_the_coroutine_returns_and_raises_what_it_raises(loop: Loop) -> None:
    async def half(number: int) -> float:
        await checkpoint()
        if number % 2:
            raise ValueError(f"{number} is odd")
        return number / 2

    assert call(loop, half, 4) == 2
    with pytest.raises(ValueError, match="3 is odd"):
        call(loop, half, 3)


def test_a_call_runs_in_a_copy_of_the_callers_context(loop: Loop) -> None:
    mark = contextvars.ContextVar("mark", default="none")

    async def swap() -> str:
        seen = mark.get()
        mark.set("inside")
        return seen

    token = mark.set("outside")
    assert call(loop, swap) == "outside"
    assert mark.get() == "outside"
    mark.reset(token)


def test_a_call_on_the_loops_own_thread_raises_instead_of_waiting_for_itself(loop: Loop) -> None:
    """P-06, T-03."""

    async def nested() -> None:
        call(loop, checkpoint)

    with pytest.raises(RuntimeError, match="deadlock"):
        call(loop, nested)


@pytest.mark.parametrize("exit_", [SystemExit(3), KeyboardInterrupt()], ids=["SystemExit", "KeyboardInterrupt"])
def test_an_exit_raised_on_the_loop_goes_to_the_thread_that_asked_and_the_loop_lives_on(
    loop: Loop, exit_: BaseException
) -> None:
    async def leave() -> None:
        raise exit_

    with pytest.raises(type(exit_)):
        call(loop, leave)
    call(loop, checkpoint)


def test_a_call_that_is_cancelled_on_its_loop_raises_an_error_that_a_thread_can_handle(host: Host) -> None:
    """A cancellation is a `BaseException` of its loop; in a server's thread nothing would catch it."""
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await sleep_forever()

    outcome = in_thread(lambda: call(host.loop, work))
    assert begun.wait(DEADLINE)
    host.stop()
    error = outcome.get(timeout=DEADLINE)
    assert isinstance(error, RuntimeError)
    assert "cancelled" in str(error)


@pytest.mark.usefixtures("impatient")
def test_a_call_whose_loop_ends_before_it_begins_raises(host: Host) -> None:
    """P-19: nobody waits for ever for a loop that is gone."""
    ended = host.loop
    host.stop()
    with pytest.raises(RuntimeError):
        call(ended, checkpoint)
    held = ToThread(ended)
    with pytest.raises(RuntimeError, match="the event loop has ended"):
        held.get()


@pytest.mark.usefixtures("impatient")
def test_what_came_just_before_the_loop_ended_is_still_taken(host: Host) -> None:
    host.stop()
    waiting = ToThread(host.loop)

    class Late(SimpleQueue[Any]):
        """A queue that an item comes to after it was found empty."""

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            try:
                return super().get(block, timeout)
            except Empty:
                self.put("late")
                raise

    waiting._items = Late()
    assert waiting.get() == "late"


def test_an_interrupted_call_cancels_its_work() -> None:
    """P-08: a signal raises in the main thread while it waits."""
    host = Host("asyncio")
    ended = threading.Event()

    async def work() -> None:
        try:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
            await sleep_forever()
        finally:
            ended.set()

    with interrupted_by_signal(), pytest.raises(SystemExit):
        call(host.loop, work)
    assert ended.wait(DEADLINE)
    host.stop()


class interrupted_by_signal:  # noqa: N801  # used as a context manager
    """SIGUSR1 raises SystemExit in the main thread, as a worker's own signal handlers do."""

    def __enter__(self) -> None:
        def leave(number: int, frame: object) -> None:
            raise SystemExit(number)

        self._before = signal.signal(signal.SIGUSR1, leave)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGUSR1, self._before)


def test_an_error_that_a_call_has_raised_lives_on_in_no_cycle(host: Host) -> None:
    class Marked(Exception):
        pass

    seen: list[weakref.ref[Marked]] = []

    async def fail() -> None:
        error = Marked()
        seen.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    gc.disable()
    try:
        try:
            call(host.loop, fail)
        except Marked:
            pass
        until(lambda: seen[0]() is None, "it lives on")
    finally:
        gc.enable()


# iterate


def test_a_thread_walks_an_asynchronous_iterator_to_its_end(loop: Loop) -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3 * DEPTH):
            await checkpoint()
            yield number

    walked = iterate(loop, numbers(), GRACE)
    assert list(walked) == list(range(3 * DEPTH))
    assert list(walked) == []
    walked.close()


def test_all_steps_share_one_context(loop: Loop) -> None:
    """E-12: a token set before the first step is reset in ``finally``."""
    mark = contextvars.ContextVar("mark", default="unset")

    async def marked() -> AsyncIterator[str]:
        token = mark.set("set")
        try:
            for _ in range(3):
                yield mark.get()
        finally:
            mark.reset(token)

    assert list(iterate(loop, marked(), GRACE)) == ["set"] * 3
    closed = iterate(loop, marked(), GRACE)
    next(closed)
    closed.close()


def test_an_error_of_the_iterator_is_raised_where_it_is_walked(loop: Loop) -> None:
    async def failing() -> AsyncIterator[int]:
        yield 1
        raise ValueError("second")

    walked = iterate(loop, failing(), GRACE)
    assert next(walked) == 1
    with pytest.raises(ValueError, match="second"):
        next(walked)
    with pytest.raises(StopIteration):
        next(walked)


def test_the_iterator_is_at_most_a_few_items_ahead(loop: Loop) -> None:
    made = 0

    async def endless() -> AsyncIterator[int]:
        nonlocal made
        while True:
            await checkpoint()
            made += 1
            yield made

    walked = iterate(loop, endless(), GRACE)
    assert [next(walked) for _ in range(5)] == [1, 2, 3, 4, 5]
    until(lambda: made == 5 + DEPTH + 1, "it did not fill its room")
    for _ in range(50):
        call(loop, checkpoint)
    assert made == 5 + DEPTH + 1
    walked.close()


def test_closing_ends_a_generator_that_waits_for_room_as_any_generator_is_closed(loop: Loop) -> None:
    """W-11: GeneratorExit where it stands, and its clean-up may wait."""
    seen: list[str] = []
    filled = threading.Event()

    async def endless() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                if number == DEPTH:
                    filled.set()
                yield number
        except GeneratorExit:
            await checkpoint()
            seen.append("closed")
            raise

    walked = iterate(loop, endless(), GRACE)
    next(walked)
    assert filled.wait(DEADLINE)
    walked.close()
    assert seen == ["closed"]
    walked.close()
    assert list(walked) == []


def test_closing_cancels_a_generator_that_waits_for_something_else(loop: Loop) -> None:
    """W-51."""
    seen: list[str] = []

    async def waiting() -> AsyncIterator[int]:
        yield 1
        try:
            await sleep_forever()
        except loop.cancelled:
            seen.append("cancelled")
            raise

    walked = iterate(loop, waiting(), GRACE)
    next(walked)
    walked.close()
    assert seen == ["cancelled"]


def test_closing_before_the_first_step_closes_the_iterator_without_a_step(loop: Loop) -> None:
    """W-12, A-24."""
    seen: list[str] = []

    class Numbers:
        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> int:
            seen.append("pulled")
            return 1

        async def aclose(self) -> None:
            await checkpoint()
            seen.append("closed")

    walked = iterate(loop, Numbers(), GRACE)
    walked.close()
    assert seen == ["closed"]
    assert list(walked) == []


def test_an_iterator_without_a_close_is_just_left(loop: Loop) -> None:
    class Numbers:
        def __aiter__(self) -> Numbers:
            return self

        async def __anext__(self) -> int:
            return 1

    walked = iterate(loop, Numbers(), GRACE)
    assert next(walked) == 1
    walked.close()


def test_a_fault_in_the_clean_up_is_raised_by_close(loop: Loop) -> None:
    """W-13: whoever closes it logs it."""

    async def failing() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise ValueError("clean-up")

    walked = iterate(loop, failing(), GRACE)
    next(walked)
    with pytest.raises(ValueError, match="clean-up"):
        walked.close()


def test_a_walk_that_is_interrupted_and_closed_is_told_once(loop: Loop) -> None:
    """A-19: what would be told a second time is a clean-up."""
    cleaned: list[bool] = []

    async def waiting() -> AsyncIterator[int]:
        try:
            yield 1
            await sleep_forever()
        finally:
            await sleep(0.05)
            cleaned.append(True)

    walked = iterate(loop, waiting(), GRACE)
    next(walked)
    walked.interrupt()
    walked.close()
    assert cleaned == [True]


def test_a_clean_up_that_does_not_end_is_waited_for_within_the_grace_period(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """E-13."""
    release = loop.waiter() if loop.cancelled is not asyncio.CancelledError else None

    async def stubborn() -> AsyncIterator[int]:
        nonlocal release
        release = release or loop.waiter()
        try:
            yield 1
            await sleep_forever()
        finally:
            with CancelScope(shield=True):
                await release

    walked = iterate(loop, stubborn(), 0.05)
    next(walked)
    with caplog.at_level(logging.WARNING):
        walked.close()
    [record] = caplog.records
    assert "after it was closed" in record.getMessage()
    loop.post(release.set_result, None)  # type: ignore[union-attr]  # made in the first step
    call(loop, checkpoint)


def test_the_loops_own_thread_is_told_to_walk_it_itself(loop: Loop) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1

    async def wrong() -> None:
        iterate(loop, numbers(), GRACE)

    with pytest.raises(RuntimeError, match="async for"):
        call(loop, wrong)


@pytest.mark.usefixtures("impatient")
def test_closing_after_the_loop_has_ended_is_harmless(host: Host) -> None:
    async def endless() -> AsyncIterator[int]:
        while True:
            yield 1

    walked = iterate(host.loop, endless(), GRACE)
    next(walked)
    host.stop()
    walked.close()


# ToThread


def test_a_producer_is_told_when_nobody_listens_any_more(loop: Loop) -> None:
    seen: list[str] = []
    full = threading.Event()
    held = ToThread(loop)

    async def produce() -> None:
        for number in range(DEPTH):
            await held.put(number)
        full.set()
        try:
            await held.put("too much")
        except Closed:
            seen.append("told")
        with pytest.raises(Closed):
            await held.put("again")

    held.start(produce)
    assert full.wait(DEADLINE)
    held.stop()
    until(lambda: held.closed, "the loop was not told")
    end = held.drain(GRACE)
    assert end is not None
    assert end.error is None
    assert seen == ["told"]


def test_a_task_that_is_stopped_before_its_first_step_still_says_that_it_has_ended(loop: Loop) -> None:
    """P-08: one that is cancelled before it begins would never."""

    async def produce() -> None:
        await sleep_forever()

    for _ in range(50):
        held = ToThread(loop)
        held.start(produce)
        held.stop()
        assert held.drain(GRACE) is not None


def test_stopping_what_has_ended_is_harmless(loop: Loop) -> None:
    held = ToThread(loop)
    held.start(checkpoint)
    assert isinstance(held.get(), End)
    held.stop()
    call(loop, checkpoint)


@pytest.mark.usefixtures("impatient")
def test_a_thread_may_wait_for_a_limited_time(loop: Loop) -> None:
    held = ToThread(loop)
    with pytest.raises(Empty):
        held.get(0.03)


@pytest.mark.usefixtures("impatient")
def test_what_belongs_to_a_loop_that_has_ended_has_ended_too(host: Host) -> None:
    held = ToThread(host.loop)
    host.stop()
    assert isinstance(held.drain(GRACE), End)


def test_a_producer_does_not_wait_for_room_that_was_made_while_it_turned_to_wait(loop: Loop) -> None:
    held = ToThread(loop)

    class Racing:
        """A loop that is slow enough for the thread to take an item just before its producer waits."""

        def waiter(self) -> Any:
            held._taken += 1
            return loop.waiter()

    async def produce() -> None:
        held._loop = Racing()  # type: ignore[assignment]  # as much of a loop as `put` asks for
        for number in range(DEPTH + 1):
            await held.put(number)
        held._loop = loop

    held.start(produce)
    assert [held.get(DEADLINE) for _ in range(DEPTH + 1)] == list(range(DEPTH + 1))


def test_every_item_arrives_once_and_in_order_however_the_two_sides_race(loop: Loop) -> None:
    held = ToThread(loop)

    async def produce() -> None:
        for number in range(20_000):
            await held.put(number)

    held.start(produce)
    assert [held.get(DEADLINE) for _ in range(20_000)] == list(range(20_000))
    assert isinstance(held.get(DEADLINE), End)


# ToLoop


def test_a_loop_takes_what_a_thread_puts(loop: Loop) -> None:
    held = ToLoop(loop)

    def produce() -> None:
        for number in range(3 * DEPTH):
            held.put(number)
        held.end("end")

    async def take() -> list[Any]:
        return [await held.get() for _ in range(3 * DEPTH + 1)]

    outcome = in_thread(produce)
    assert call(loop, take) == [*range(3 * DEPTH), "end"]
    assert outcome.get(timeout=DEADLINE) is None


def test_a_thread_that_waits_for_room_is_told_when_nobody_listens_any_more(loop: Loop) -> None:
    held = ToLoop(loop)
    put = 0

    def produce() -> None:
        nonlocal put
        while True:
            held.put(put)
            put += 1

    outcome = in_thread(produce)
    until(lambda: put == DEPTH, "it did not fill its room")
    held.close()
    assert isinstance(outcome.get(timeout=DEADLINE), Closed)
    with pytest.raises(Closed):
        held.put("again")


@pytest.mark.usefixtures("impatient")
def test_a_thread_that_waits_for_room_is_told_when_the_loop_has_ended(host: Host) -> None:
    held = ToLoop(host.loop)
    put = 0

    def produce() -> None:
        nonlocal put
        while True:
            held.put(put)
            put += 1

    outcome = in_thread(produce)
    until(lambda: put == DEPTH, "it did not fill its room")
    host.stop()
    assert isinstance(outcome.get(timeout=DEADLINE), Closed)


def test_what_is_put_for_a_loop_that_has_ended_is_refused_from_then_on(host: Host) -> None:
    held = ToLoop(host.loop)
    host.stop()
    held.put("dropped")
    with pytest.raises(Closed):
        held.put("refused")


def test_what_is_told_to_stop_is_told_at_its_next_put_though_the_loop_has_had_no_time(loop: Loop) -> None:
    """W-51: a task that always finds room never lets its loop come to what a thread has posted."""
    reached, go = threading.Event(), threading.Event()
    accepted: list[int] = []

    async def produce() -> None:
        await held.put(0)
        reached.set()
        go.wait(DEADLINE)  # the loop is held, as by one that never waits
        for number in range(1, 1000):
            await held.put(number)
            accepted.append(number)

    held = ToThread(loop)
    held.start(produce)
    assert reached.wait(DEADLINE)
    held.stop()
    go.set()
    end = held.drain(DEADLINE)
    assert isinstance(end, End)
    assert end.error is None
    assert accepted == []
