"""Start-up and shut-down: the application's lifespans, entered in order and left in reverse, once per process.

Knows generator functions with one `yield`; must not know requests or messages. `app` and the doors say when and
where: `Lifespan` is stepped where no loop runs, and lives in one task where one does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any

from duoframe import signatures
from duoframe.bridge import Drive, Hop, Loop, step
from duoframe.errors import ConfigurationError
from duoframe.pieces import Colour, Piece, colour_of
from duoframe.runtime import Runtime
from duoframe.threads import Admission

RETRY_AFTER = 1.0
"""Seconds after a failed start-up in which another is not tried."""

START_TIMEOUT = 30.0
"""Seconds that a request waits for a start-up that somebody else began."""

logger = logging.getLogger("duoframe.error")

_END: Any = object()
_lock = threading.Lock()


class Lifespan:
    """The lifespans of one application, in one process."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.pieces: list[Piece] = []
        self._reset()
        _LIFESPANS.add(self)

    def _reset(self) -> None:
        self.up = False
        self.loop: Loop | None = None
        """The loop that they live on, if they live on one."""
        self._started: Future[None] | None = None
        self._failed_at = 0.0
        self._entered: list[tuple[Any, Piece]] = []
        self._stop: Callable[[], None] | None = None
        self._scope: Any = None

    def __reduce__(self) -> tuple[type[Lifespan], tuple[Any], dict[str, Any]]:
        return Lifespan, (self._app,), {"pieces": self.pieces}  # a copy has not been started

    @property
    def waits(self) -> bool:
        """Whether any of them is `async def`, and so needs a loop."""
        return any(piece.colour is Colour.ASYNC for piece in self.pieces)

    def add(self, function: Any) -> None:
        """Take a generator function with one ``yield``, which may take the app. `ConfigurationError` otherwise."""
        if not callable(function) or not signatures.is_generator(function):
            raise ConfigurationError(
                f"lifespan {signatures.describe(function)} has no `yield`: write a generator function that yields once,"
                " between start-up and shut-down"
            )
        call = signatures.accepts(function, ("app",), "lifespan")
        self.pieces.append(Piece(call, colour_of(function), signatures.describe(function), function))

    def claim(self) -> tuple[Future[None], bool]:
        """The start-up of this process: what it will end in, and whether the caller is the one to run it."""
        with _lock:
            started = self._started
            if started is not None and not (
                started.done() and started.exception() and time.monotonic() - self._failed_at > RETRY_AFTER
            ):
                return started, False
            self._started = started = Future()
            return started, True

    @contextlib.contextmanager
    def attempt(self, started: Future[None]) -> Iterator[None]:
        """Tell those who wait for a start-up when it fails."""
        try:
            yield
        except BaseException as error:
            self._failed_at = time.monotonic()
            cancelled = self.loop is not None and isinstance(error, self.loop.cancelled)
            started.set_exception(RuntimeError("the start-up was cancelled") if cancelled else error)
            raise

    def enter_here(self, started: Future[None]) -> None:
        """Enter lifespans that are all `def`, on this thread, until `stop`. Raises what they raise."""
        context = copy_context()

        def leave() -> None:
            self._down()
            context.run(step, self._leave())

        with self.attempt(started):
            context.run(step, self._enter())
        self._stop = leave
        self._up(started)

    async def live(
        self,
        runtime: Runtime,
        started: Future[None],
        ready: Callable[[], Awaitable[object]],
        stop: Callable[[], Awaitable[object]],
    ) -> None:
        """Enter, await ``ready``, wait for ``stop``, let background work end, and leave, all in this task.

        Raises what a lifespan raises: before ``ready`` its start-up failed, after it its shut-down. A task that is
        cancelled leaves them nevertheless.
        """
        import anyio

        context = copy_context()
        admission = Admission(runtime.threads)
        admission.to_stream()  # it lasts as long as the process: no request must go without a thread for it
        self.loop = runtime.loop
        try:
            # This scope is around any that a lifespan holds open across its `yield`: scopes must nest.
            with anyio.CancelScope() as self._scope:
                with self.attempt(started):
                    await Drive(self._enter(), context, admission)
                self._up(started)
                try:
                    await ready()
                    await stop()
                finally:
                    self._scope.shield = True
                    runtime.loop.absorb()
                    await runtime.idle(self._app.grace)
                    self._down()
                    await Drive(self._leave(), context, admission)
            if self._scope.cancelled_caught:
                raise TimeoutError(f"lifespans had not ended {self._app.grace:g} seconds after they were told to")
        finally:
            self.loop = self._scope = self._stop = None
            admission.conclude(bool)

    async def stay(self, runtime: Runtime, started: Future[None]) -> None:
        """`live` until `stop`, in a task that nobody awaits."""
        loop, stopped, ended = runtime.loop, runtime.loop.waiter(), Future[None]()

        def leave() -> None:
            if threading.get_ident() == loop.thread:
                self._stop = leave
                raise RuntimeError("this would deadlock: the event loop's own thread cannot wait for its lifespans")
            release(loop, stopped)
            ended.result(3 * self._app.grace)  # background work, lifespans, and some to spare

        async def ready() -> None:
            self._stop = leave

        async def stop() -> None:
            await stopped

        try:
            await self.live(runtime, started, ready, stop)
        except loop.cancelled:
            ended.set_result(None)
            raise
        except BaseException as error:
            ended.set_exception(error)  # an exit too: it belongs to who asked, and would end the loop
        else:
            ended.set_result(None)

    def stop(self) -> None:
        """Leave what `enter_here` or `stay` entered, and wait for it; harmless when there is nothing.

        Raises the first error, after all have been left.
        """
        with _lock:
            leave, self._stop = self._stop, None
        if leave is not None:
            leave()

    def _up(self, started: Future[None]) -> None:
        self.up = True
        started.set_result(None)

    def _down(self) -> None:
        with _lock:
            self.up = False
            self._started = None

    async def _enter(self) -> None:
        try:
            self._app.compile()
            for piece in self.pieces:
                generator = piece.call(self._app)
                given = await _next(generator, piece)
                if given is _END:
                    raise ConfigurationError(f"lifespan {piece.name} ended without a `yield`")
                self._entered.append((generator, piece))
                if isinstance(given, Mapping):
                    for name, value in given.items():
                        self._app.state[name] = value
                elif given is not None:
                    raise TypeError(
                        f"lifespan {piece.name} yielded {given!r}; expected a mapping for app.state, or nothing"
                    )
        except BaseException:
            try:
                await self._leave()
            except Exception:
                logger.error("a start-up failed, and so did its undoing")
            raise

    async def _leave(self) -> None:
        """Leave what has been entered, in reverse; raises the first error in the end. On a loop, within the grace."""
        if self._scope is not None:
            import anyio

            self.loop.absorb()  # type: ignore[union-attr]  # where there is a scope there is a loop
            self._scope.shield = True
            self._scope.deadline = anyio.current_time() + self._app.grace
        failed: BaseException | None = None
        try:
            while self._entered:
                generator, piece = self._entered.pop()
                try:
                    if await _next(generator, piece) is not _END:
                        raise RuntimeError(f"lifespan {piece.name} yielded a second time")
                except BaseException as error:
                    logger.exception("error in the shut-down of lifespan %s", piece.name)
                    failed = failed or error
            if failed is not None:
                raise failed
        finally:
            failed = None


async def _next(generator: Any, piece: Piece) -> Any:
    if piece.colour is Colour.ASYNC:
        return await anext(generator, _END)
    return await Hop(next, generator, _END, leave=True)


def release(loop: Loop, waiter: Any) -> None:
    """From any thread, end what somebody awaits on a loop."""

    def end() -> None:
        if not waiter.done():
            waiter.set_result(None)

    try:
        loop.post(end)
    except RuntimeError:
        pass  # the loop has ended, and whoever waited with it


def _forget() -> None:
    global _lock  # the child of a fork must not wait for a thread that it does not have
    _lock = threading.Lock()
    for lifespan in _LIFESPANS:
        if lifespan._entered:
            import ctypes

            # What the parent entered is the parent's to leave. A generator runs its clean-up when its last reference
            # goes, at the latest when the interpreter ends: so this one never goes.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(lifespan._entered))
        lifespan._reset()


_LIFESPANS: weakref.WeakSet[Lifespan] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget)
