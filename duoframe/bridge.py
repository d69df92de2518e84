"""Running one coroutine without an event loop, or on one, inside a Context of its own.

Knows coroutines, contexts and loops; must not know requests. `step` drives where no loop runs, `Drive` where one
does; a coroutine that awaits a `Hop` need not know which of the two it has. `threads` supplies the worker threads
and `portal` the loop of a process that has none.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Hop:
    """Awaited by the core to run plain code off the event loop: ``await Hop(call, *args)``.

    Without a loop the call is made in place. ``leave`` says that a cancelled exchange need not wait for it.
    """

    __slots__ = ("args", "call", "leave")

    def __init__(self, call: Callable[..., Any], *args: Any, leave: bool = False) -> None:
        self.call = call
        self.args = args
        self.leave = leave

    def __await__(self) -> Generator[Hop, Any, Any]:
        return (yield self)


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on this thread, with no event loop; a `Hop` is done in place.

    Raises `RuntimeError`, after closing the coroutine, when it waits for something only a loop can give.
    """
    try:
        waiting = coroutine.send(None)  # a plan without a hop in it ends here
        while type(waiting) is Hop:
            waiting = proceed(coroutine, waiting)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # StopIteration.value is untyped
    coroutine.close()
    raise RuntimeError(f"plain code waited for {waiting!r}, which needs an event loop; declare it `async def`")


def proceed(coroutine: Coroutine[Any, Any, Any], hop: Hop) -> Any:
    """Do ``hop`` in place and go on to the next thing the coroutine waits for. Raises `StopIteration` at its end."""
    try:
        result = hop.call(*hop.args)
    except BaseException as raised:
        return coroutine.throw(raised)
    return coroutine.send(result)


def stepped(work: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
    """On a worker thread: run ``work(*args)``, which never waits."""
    return step(work(*args))  # made here, so that a hop that is never taken leaves no coroutine behind


class Stepped:
    """An asynchronous generator that never waits, as a plain one: each of its steps is stepped."""

    __slots__ = ("_generator",)

    def __init__(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generator = generator

    def __next__(self) -> Any:
        return self._step(self._generator.asend(None))

    def send(self, value: Any) -> Any:
        return self._step(self._generator.asend(value))

    def throw(self, error: BaseException) -> Any:
        return self._step(self._generator.athrow(error))

    def close(self) -> None:
        step(self._generator.aclose())

    def _step(self, awaitable: Any) -> Any:
        try:
            return step(awaitable)
        except StopAsyncIteration:
            raise StopIteration from None


class Loop(Protocol):
    """A running event loop, as the core and other threads see it."""

    thread: int
    cancelled: type[BaseException] | tuple[type[BaseException], ...]
    """What a cancellation raises."""

    def post(self, call: Callable[..., object], /, *args: Any) -> object:
        """Have ``call`` run soon on the loop; safe from any thread; `RuntimeError` once the loop has closed."""

    def ended(self) -> bool:
        """Whether the loop is gone."""

    def waiter(self) -> Any:
        """Something to await that ``set_result(None)`` on the loop's thread ends."""

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> Cancellable:
        """Run a coroutine as a task nobody awaits; to be called on the loop. It must handle its own errors."""

    def cancellations(self) -> int:
        """How many cancellations of the running task are in force, as far as the loop counts them."""

    def absorb(self) -> None:
        """Have the running task clean up as if it had not been cancelled; what has been raised goes on its way."""


class Cancellable(Protocol):
    """What `Loop.spawn` gives."""

    def cancel(self) -> object:
        """Cancel the task; to be called on the loop.

        It reaches the task once: what that awaits afterwards, to clean up, is cancelled by another call only.
        """


class AsyncioLoop:
    """`Loop` over asyncio (and uvloop)."""

    cancelled: type[BaseException] | tuple[type[BaseException], ...] = asyncio.CancelledError

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.thread = threading.get_ident()
        self.post = loop.call_soon_threadsafe
        self.waiter = loop.create_future
        self.ended = loop.is_closed
        self._loop = loop
        self._tasks: set[asyncio.Task[object]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = self._loop.create_task(coroutine)
        self._tasks.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)
        return task

    def cancellations(self) -> int:
        task = asyncio.current_task()
        return 0 if task is None else task.cancelling()

    def absorb(self) -> None:
        task = asyncio.current_task()
        # anyio's scopes and asyncio's time-outs inside the clean-up would take the count for a cancellation of theirs.
        while task is not None and task.cancelling():
            task.uncancel()


class TrioLoop:
    """`Loop` over trio."""

    def __init__(self) -> None:
        import trio

        self.thread = threading.get_ident()
        self.token = trio.lowlevel.current_trio_token()
        self.cancelled: type[BaseException] | tuple[type[BaseException], ...] = (trio.Cancelled, Interrupted)
        self._trio = trio

    def post(self, call: Callable[..., object], /, *args: Any) -> None:
        try:
            self.token.run_sync_soon(call, *args)
        except self._trio.RunFinishedError as error:
            raise RuntimeError("the event loop has ended") from error

    def ended(self) -> bool:
        try:
            self.token.run_sync_soon(int, idempotent=True)
        except self._trio.RunFinishedError:
            return True
        return False

    def waiter(self) -> TrioWaiter:
        return TrioWaiter(self._trio.Event())

    def spawn(self, coroutine: Coroutine[Any, Any, object]) -> Cancellable:
        return TrioTask(self._trio, coroutine)

    def cancellations(self) -> int:
        return int(self._trio.current_effective_deadline() == -math.inf)

    def absorb(self) -> None:
        """Nothing to do: trio's cancellations belong to scopes, not to tasks."""


class Interrupted(BaseException):
    """What a `TrioTask` that is cancelled raises."""


class TrioTask:
    """A system task of trio's that is cancelled as asyncio cancels: once a call.

    Trio's own cancellation is raised at every wait until its scope is left, so that no clean-up could wait. Here the
    scope only breaks off one wait: what is raised there is an exception that no scope takes for its own, and the task
    is shielded from then on.
    """

    __slots__ = ("_cancelled", "_shielded", "_trio")

    def __init__(self, trio: Any, coroutine: Coroutine[Any, Any, object]) -> None:
        self._trio = trio
        cancelled, shielded = self._cancelled, self._shielded = trio.CancelScope(), trio.CancelScope()
        work = Drive(coroutine, copy_context(), None, None, self._raised)

        async def main() -> None:
            try:
                with cancelled, shielded:
                    await work
            except* Interrupted:
                pass  # nobody awaits it

        trio.lowlevel.spawn_system_task(main)

    def cancel(self) -> None:
        self._shielded.shield = False
        self._cancelled.cancel()

    def _raised(self, error: BaseException) -> BaseException:
        ours = self._cancelled.cancel_called and not self._shielded.shield  # and not that of a scope inside
        if ours and isinstance(error, self._trio.Cancelled):
            self._shielded.shield = True
            return Interrupted()
        return error


class TrioWaiter:
    """A `trio.Event` with the three methods of an asyncio future that the bridge uses."""

    __slots__ = ("_event",)

    def __init__(self, event: Any) -> None:
        self._event = event

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._event.wait().__await__()

    def done(self) -> bool:
        return bool(self._event.is_set())

    def set_result(self, _: None) -> None:
        self._event.set()


def wake(waiter: Any) -> None:
    """On its loop: end what `Loop.waiter` gave, if anything did and it has not ended."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def running_loop() -> object:
    """The identity of the loop running on this thread: an asyncio loop, or trio's token. RuntimeError if none."""
    loop = asyncio._get_running_loop()  # documented, unlike its name: gives None where get_running_loop raises
    if loop is not None:
        return loop
    try:
        import trio
    except ImportError as error:
        raise RuntimeError("no asyncio event loop is running") from error
    return trio.lowlevel.current_trio_token()


def at_end(call: Callable[[], object]) -> object:
    """Have ``call`` made when the loop that runs on this thread ends, as long as what this returns is kept.

    A loop closes the asynchronous generators that were begun on it: so `asyncio.run` and the run of trio tell.
    """

    async def until_closed() -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            call()

    generator = until_closed()
    with contextlib.suppress(StopIteration):
        generator.asend(None).send(None)
    return generator


def adopt_loop(identity: object) -> Loop:
    """The `Loop` for what `running_loop` gave."""
    return AsyncioLoop(identity) if isinstance(identity, asyncio.AbstractEventLoop) else TrioLoop()


class Hopper(Protocol):
    """Does the hops of a `Drive`; `threads.Admission` is one."""

    def hop(self, hop: Hop, drive: Drive) -> Coroutine[Any, Any, Any]: ...


class Left(BaseException):
    """Carries a cancellation past a `Drive` whose thread did not return in time; the coroutine ends elsewhere."""

    def __init__(self, cancelled: BaseException) -> None:
        self.cancelled = cancelled


class Drive:
    """``await Drive(coroutine, context, hopper)``: run a coroutine on this loop inside ``context``.

    No event loop enters that Context, so worker threads can: each step of the coroutine runs in it, what the
    coroutine waits for goes to the loop, and a `Hop` goes to ``hopper`` while the Context is free.
    ``error`` is raised where the coroutine stands instead of starting it; ``interrupted`` is given an exception from
    outside and gives what the coroutine is to raise.
    """

    __slots__ = ("_error", "_hopper", "_interrupted", "context", "coroutine")

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        context: Context,
        hopper: Hopper | None,
        error: BaseException | None = None,
        interrupted: Callable[[BaseException], BaseException] | None = None,
    ) -> None:
        self.coroutine = coroutine
        self.context = context
        self._hopper = hopper
        self._error = error
        self._interrupted = interrupted

    def __await__(self) -> Generator[Any, Any, Any]:
        run, send, throw = self.context.run, self.coroutine.send, self.coroutine.throw
        error, self._error = self._error, None
        value = None
        while True:
            try:
                waiting = run(send, value) if error is None else run(throw, error)
            except StopIteration as done:
                return done.value
            finally:
                error = value = None  # a raised error must not hold the frame that holds it
            try:
                if type(waiting) is Hop:
                    value = yield from self._hopper.hop(waiting, self).__await__()  # type: ignore[union-attr]  # for a plan
                else:
                    value = yield waiting
                    if self._interrupted is not None and getattr(value, "error", None) is not None:
                        error = self._interrupted(value.error)  # trio throws nothing: it sends what is to be raised
            except Left as left:
                raise left.cancelled from None
            except BaseException as raised:
                error = raised if self._interrupted is None else self._interrupted(raised)
            finally:
                waiting = None  # as above: an error may be among the arguments of a hop
