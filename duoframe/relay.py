"""Chunks handed from a thread to an event loop and back, a bounded number at a time.

Knows threads and loops; must not know what the items mean. `ToLoop` and `ToThread` mirror each other: the producer
waits where the consumer is behind, and is told with `Closed` when nobody listens any more. `iterate` lets a thread
walk an asynchronous iterator.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from duoframe.bridge import Loop

T = TypeVar("T")

DEPTH = 8
"""Items that may wait between producer and consumer."""


class Closed(Exception):
    """The consumer has gone."""


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
        self._room.get()
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
    """The loop puts, a thread gets."""

    def __init__(self, loop: Loop) -> None:
        self.closed = False
        self._loop = loop
        self._items: SimpleQueue[Any] = SimpleQueue()
        self._put = 0
        self._taken = 0
        self._waiter: Any = None

    async def put(self, item: Any) -> None:
        """Wait for room, then hand ``item`` over. Raises `Closed` when nobody will take it."""
        while self._put - self._taken >= DEPTH and not self.closed:
            self._waiter = self._loop.waiter()
            if self._put - self._taken >= DEPTH and not self.closed:  # the thread may have looked just before
                await self._waiter
        self._waiter = None
        if self.closed:
            raise Closed
        self.end(item)

    def end(self, item: Any) -> None:
        """Hand over an item that needs no room: the last one."""
        self._put += 1
        self._items.put(item)

    def get(self, timeout: float | None = None) -> Any:
        """The next item, in order; blocks this thread until it is there. `queue.Empty` after ``timeout`` seconds."""
        item = self._items.get(timeout=timeout)
        self._taken += 1
        self._nudge()
        return item

    def close(self) -> None:
        """Tell the producer, from any thread, that nobody listens."""
        self.closed = True
        self._nudge()

    def _nudge(self) -> None:
        if self._waiter is not None:
            try:
                self._loop.post(self._wake)
            except RuntimeError:
                pass  # the loop has ended, and the producer with it

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def call(loop: Loop, work: Callable[..., Awaitable[T]], *args: Any) -> T:
    """Await ``work(*args)`` on the loop and wait for its result on this thread, in a copy of this Context.

    Raises what it raises, and `RuntimeError` on the loop's own thread, which would wait for itself.
    """
    if threading.get_ident() == loop.thread:
        raise RuntimeError("this would deadlock: the event loop's own thread cannot wait for the loop; use `await`")
    results: SimpleQueue[End | tuple[T]] = SimpleQueue()

    async def main() -> None:
        try:
            results.put((await work(*args),))
        except BaseException as error:
            results.put(End(error))
            if not isinstance(error, Exception):
                raise

    loop.post(copy_context().run, _spawn, loop, main)
    result = results.get()
    if isinstance(result, End):
        result.reraise()
    return result[0]  # type: ignore[index]  # an End that is the result carries an error


def _spawn(loop: Loop, main: Callable[[], Any]) -> None:
    loop.spawn(main())


class iterate(Iterator[T], Generic[T]):  # noqa: N801  # used as a function, as `iter` is
    """Walk an asynchronous iterable from a thread: one task on the loop pulls it, in one copied Context."""

    def __init__(self, loop: Loop, source: AsyncIterable[T]) -> None:
        if threading.get_ident() == loop.thread:
            raise RuntimeError("this would deadlock: use `async for` on the event loop's own thread")
        self._relay = ToThread(loop)
        self._ended = False
        loop.post(copy_context().run, _spawn, loop, lambda: self._pump(source))

    async def _pump(self, source: AsyncIterable[T]) -> None:
        relay = self._relay
        try:
            iterator = aiter(source)
            try:
                async for item in iterator:
                    await relay.put(item)
            finally:
                if (aclose := getattr(iterator, "aclose", None)) is not None:
                    await aclose()
            relay.end(End())
        except BaseException as error:
            relay.end(End(error))
            if not isinstance(error, Exception):
                raise

    def __next__(self) -> T:
        if self._ended:
            raise StopIteration
        item = self._relay.get()
        if isinstance(item, End):
            self._ended = True
            item.reraise()
            raise StopIteration
        return item  # type: ignore[no-any-return]  # a relay carries anything

    def close(self) -> None:
        """Stop the task and wait until the iterator has been closed."""
        self._relay.close()
        while not self._ended:
            self._ended = isinstance(self._relay.get(), End)
