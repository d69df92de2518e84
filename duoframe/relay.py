"""Values handed from a thread to an event loop and back, a bounded number at a time.

Knows threads and loops; must not know what the values mean. `ToLoop` and `ToThread` mirror each other: the producer
waits where the consumer is behind, and is told with `Closed` when nobody listens any more. `call` lets a thread wait
for a coroutine, `iterate` lets it walk an asynchronous iterator.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterator
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from duoframe.bridge import Cancellable, Loop

T = TypeVar("T")

DEPTH = 8
"""Items that may wait between producer and consumer."""

LOOK = 1.0
"""Seconds between two looks of a waiting thread at whether the loop it waits for still lives."""

logger = logging.getLogger("duoframe.error")


class Closed(Exception):
    """The consumer has gone."""


class CancelledOnLoopError(RuntimeError):
    """What a thread waited for was cancelled: a cancellation itself is a loop's own affair."""


class End:
    """The last item of a relay: ``error`` says why it ended early."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def reraise(self) -> None:
        """Raise the error, if there is one."""
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                error = None  # no cycle of error, traceback and frame


class ToLoop:
    """A worker thread puts, the loop gets."""

    def __init__(self, loop: Loop) -> None:
        self.closed = False
        self._loop = loop
        self._items: deque[Any] = deque()
        self._room: SimpleQueue[None] = SimpleQueue()
        self._woken = False
        self._waiter: Any = None
        for _ in range(DEPTH):
            self._room.put(None)

    def put(self, item: Any) -> None:
        """Wait for room, then hand ``item`` over. Raises `Closed` when nobody will take it."""
        try:
            wait_for(self._room, self._loop)
        except RuntimeError:
            self.closed = True
        if self.closed:
            self._room.put(None)
            raise Closed
        self.end(item)

    def end(self, item: Any) -> None:
        """Hand over an item that needs no room: the last one."""
        self._items.append(item)
        if not self._woken:
            self._woken = True
            try:
                self._loop.post(self._wake)
            except RuntimeError:
                self.closed = True  # the loop has ended

    async def get(self) -> Any:
        """The next item, in order."""
        while not self._items:
            self._waiter = self._loop.waiter()
            await self._waiter
        self._room.put(None)
        return self._items.popleft()

    def close(self) -> None:
        """Tell the producer that nobody listens."""
        self.closed = True
        self._room.put(None)

    def _wake(self) -> None:
        self._woken = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class ToThread:
    """A task on the loop puts, a thread gets, and an `End` comes last whatever becomes of the task."""

    def __init__(self, loop: Loop) -> None:
        self.closed = False
        self._loop = loop
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._put = 0
        self._taken = 0
        self._waiter: Any = None
        self._told = False
        self._task: Cancellable | None = None

    def start(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Have the loop run ``work()``, which puts, as a task of its own in a copy of this Context."""
        self._loop.post(copy_context().run, self._spawn, work)

    async def put(self, item: Any) -> None:
        """Wait for room, then hand ``item`` over. Raises `Closed` when nobody will take it."""
        while self._put - self._taken >= DEPTH and not self.closed:
            self._waiter = self._loop.waiter()
            if self._put - self._taken >= DEPTH:  # the thread may have looked just before
                await self._waiter
        self._waiter = None
        if self.closed:
            self._told = True
            raise Closed
        self.end(item)

    def push(self, item: Any) -> None:
        """`put` on a thread that the task waits for. Raises `Closed` as well when the loop has ended."""
        if self._put - self._taken < DEPTH and not self.closed:
            self.end(item)
            return
        try:
            call(self._loop, self.put, item)
        except RuntimeError:
            raise Closed from None

    def end(self, item: Any) -> None:
        """Hand over an item that needs no room: the last one."""
        self._put += 1
        self._items.put(item)

    def get(self, timeout: float = float("inf")) -> Any:
        """The next item, in order; blocks this thread until it is there.

        Raises `queue.Empty` after ``timeout`` seconds, and `RuntimeError` when the loop has ended.
        """
        item = wait_for(self._items, self._loop, timeout)
        self._taken += 1
        if self._waiter is not None:
            self._post(self._wake)
        return item

    def stop(self) -> None:
        """Tell the task, from any thread, that nobody listens: by `Closed` where it puts, else by cancelling it."""
        self.closed = True  # at once: a task that always finds room may never let the loop come to what is posted
        # By a second post, because what is cancelled before its first step never gets to say that it has ended.
        self._post(self._loop.post, self._stop)

    def drain(self, timeout: float) -> End | None:
        """Drop items until the end, and give that; None when it does not come within ``timeout`` seconds."""
        until = time.monotonic() + timeout
        try:
            while not isinstance(item := self.get(max(0.0, until - time.monotonic())), End):
                pass
        except Empty:
            return None
        except RuntimeError:
            return End()  # with its loop
        return item

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._task = self._loop.spawn(self._run(work))

    async def _run(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await work()
        except Closed:
            self.end(End())
        except self._loop.cancelled:
            self.end(End(CancelledOnLoopError("what a thread waited for was cancelled on its event loop")))
            raise
        except BaseException as error:
            self.end(End(error))  # an exit too: it belongs to the thread that asked, and would end the loop
        else:
            self.end(End())
        finally:
            self._task = None

    def _stop(self) -> None:
        if self._waiter is not None:
            self._wake()
        elif self._task is not None and not self._told:
            self._told = True
            self._task.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _post(self, call: Callable[..., object], *args: Any) -> None:
        try:
            self._loop.post(call, *args)
        except RuntimeError:
            pass  # the loop has ended, and the task with it


def call(loop: Loop, work: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Await ``work(*args)`` on the loop and wait for its result on this thread, in a copy of this Context.

    Raises what it raises, and `RuntimeError` on the loop's own thread, which would wait for itself. Cancels the work
    when this thread is interrupted.
    """
    if threading.get_ident() == loop.thread:
        raise RuntimeError("this would deadlock: the event loop's own thread cannot wait for the loop; use `await`")
    relay = ToThread(loop)

    async def main() -> None:
        relay.end((await work(*args),))

    try:
        relay.start(main)
        result: tuple[T] | End = relay.get()
    except BaseException:
        relay.stop()
        raise
    if isinstance(result, End):
        result.reraise()
    return result[0]  # type: ignore[index]  # an End that comes first carries an error


class iterate(Iterator[T], Generic[T]):  # noqa: N801  # used as a function, as `iter` is
    """Walk an asynchronous iterable from a thread: one task on the loop pulls it, in one copied Context.

    Nothing is pulled before the first step. Closing it waits for the iterable's own clean-up, ``grace`` seconds at
    most.
    """

    def __init__(self, loop: Loop, source: AsyncIterable[T], grace: float) -> None:
        if threading.get_ident() == loop.thread:
            raise RuntimeError("this would deadlock: use `async for` on the event loop's own thread")
        self._relay = ToThread(loop)
        self._source = source
        self._grace = grace
        self._begun = self._ended = False

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        if not self._begun:
            self._begun = True
            self._relay.start(self._pull)
        item = self._relay.get()
        if isinstance(item, End):
            self._ended = True
            if self._relay.closed and isinstance(item.error, CancelledOnLoopError | None):
                raise Closed
            item.reraise()
            raise StopIteration
        return item  # type: ignore[no-any-return]  # a relay carries anything

    def interrupt(self) -> None:
        """From any thread, have this step or the next raise `Closed` once the iterable has cleaned up."""
        self._relay.stop()

    def close(self) -> None:
        """Stop the task and wait until the iterable has been closed. Raises what its clean-up raises."""
        if self._ended:
            return
        self._ended = True
        if self._begun:
            self._relay.stop()
        else:
            self._relay.closed = True
            self._relay.start(self._pull)
        end = self._relay.drain(self._grace)
        if end is None:
            logger.warning("%r went on for more than %g seconds after it was closed", self._source, self._grace)
        elif not isinstance(end.error, CancelledOnLoopError):
            end.reraise()

    async def _pull(self) -> None:
        relay, iterator = self._relay, aiter(self._source)
        try:
            if not relay.closed:
                async for item in iterator:
                    await relay.put(item)
        finally:
            if (aclose := getattr(iterator, "aclose", None)) is not None:
                await aclose()


def wait_for(items: SimpleQueue[T], loop: Loop, timeout: float = float("inf")) -> T:
    """The next of ``items``. Raises `Empty` after ``timeout`` seconds, and `RuntimeError` when the loop has ended."""
    while True:
        try:
            return items.get(timeout=min(timeout, LOOK))
        except Empty:
            timeout -= LOOK
            if timeout <= 0 and not loop.ended():
                raise
        if loop.ended():
            try:
                return items.get_nowait()  # it may have come between the two looks
            except Empty:
                raise RuntimeError("the event loop has ended") from None
