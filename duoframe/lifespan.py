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

from duoframe import binding
from duoframe.bridge import Drive, Hop, step
from duoframe.errors import ConfigurationError
from duoframe.plan import Colour, Piece, colour_of
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
        self._started: Future[None] | None = None
        self._failed_at = 0.0
        self._entered: list[tuple[Any, Piece]] = []  # what another process entered is not ours to use or to leave

    @property
    def waits(self) -> bool:
        """Whether any of them is `async def`, and so needs a loop."""
        return any(piece.colour is Colour.ASYNC for piece in self.pieces)

    def add(self, function: Any) -> None:
        """Take a generator function with one ``yield``, which may take the app. `ConfigurationError` otherwise."""
        if not callable(function) or not binding.is_generator(function):
            raise ConfigurationError(
                f"lifespan {binding.describe(function)} has no `yield`: write a generator function that yields once,"
                " between start-up and shut-down"
            )
        call = binding.accepts(function, ("app",), "lifespan")
        self.pieces.append(Piece(call, colour_of(function), binding.describe(function)))

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

    def enter_here(self, started: Future[None]) -> None:
        """Enter lifespans that are all `def`, on this thread. Raises what they raise."""
        with self._outcome(started):
            copy_context().run(step, self._enter())

    def leave_here(self) -> None:
        """Leave them, on this thread. Raises the first error, after all have been left."""
        self._down()
        copy_context().run(step, self._leave())

    async def live(
        self, runtime: Runtime, started: Future[None], ready: Callable[[], Awaitable[object]], stop: Callable[[], Awaitable[object]]
    ) -> None:
        """Enter, await ``ready``, wait for ``stop``, let background work end, and leave, all in this task.

        Raises what a lifespan raises: before ``ready`` its start-up failed, after it its shut-down.
        """
        import anyio

        context = copy_context()
        admission = Admission(runtime.threads)
        try:
            with self._outcome(started):
                await Drive(self._enter(), context, admission)
            try:
                await ready()
                await stop()
            finally:
                with anyio.CancelScope(shield=True):
                    await runtime.idle(self._app.grace)
                    self._down()
                    await Drive(self._leave(), context, admission)
        finally:
            admission.leave()

    def _down(self) -> None:
        with _lock:
            self.up = False
            self._started = None

    @contextlib.contextmanager
    def _outcome(self, started: Future[None]) -> Iterator[None]:
        """Tell those who wait for a start-up how it ended."""
        try:
            yield
        except BaseException as error:
            self._failed_at = time.monotonic()
            started.set_exception(error)
            raise
        self.up = True
        started.set_result(None)

    async def _enter(self) -> None:
        try:
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
                    raise TypeError(f"lifespan {piece.name} yielded {given!r}; expected a mapping for app.state, or nothing")
        except BaseException:
            try:
                await self._leave()
            except Exception:
                logger.error("a start-up failed, and so did its undoing")
            raise

    async def _leave(self) -> None:
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
    return await Hop(next, generator, _END)


def _forget() -> None:
    global _lock  # noqa: PLW0603  # the child of a fork must not wait for a thread that it does not have
    _lock = threading.Lock()
    for lifespan in _LIFESPANS:
        lifespan._reset()


_LIFESPANS: weakref.WeakSet[Lifespan] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forget)
