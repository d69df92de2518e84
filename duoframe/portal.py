"""The one event loop of a process whose server has none: a daemon thread of ours that runs asyncio.

Knows its thread, its loop and the process it was made in; must not know requests. Nothing is made before the first
use, and a child process makes its own. The WSGI door runs its async plans here.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextvars import Context, copy_context
from typing import Any, NamedTuple, TypeVar

from duoframe.bridge import AsyncioLoop, Loop
from duoframe.errors import ConfigurationError
from duoframe.relay import call
from duoframe.runtime import Runtime
from duoframe.threads import ThreadsExhaustedError

T = TypeVar("T")

START_TIMEOUT = 5.0
"""Seconds that a new thread may take until its loop runs."""

END_TIMEOUT = 5.0
"""Seconds that tasks may take to end when they have been cancelled at the end."""

logger = logging.getLogger("duoframe.error")


class _Home(NamedTuple):
    """What a running portal consists of."""

    runtime: Runtime
    thread: threading.Thread
    stop: Callable[[], None]


class Portal:
    """An event loop on a thread of its own, started when first asked for and once per process.

    ``threads`` and ``streams`` are the limits of its worker threads; with ``debug`` a watchdog looks after its loop.
    """

    def __init__(self, threads: int, streams: int, debug: bool = False) -> None:
        self._options = (threads, streams, debug)
        self._lock = threading.Lock()
        self._home: _Home | None = None
        _PORTALS.add(self)

    def __reduce__(self) -> tuple[type[Portal], tuple[int, int, bool]]:
        return Portal, self._options  # a copy in another process starts afresh

    @property
    def running(self) -> bool:
        """Whether the loop has been started in this process and lives."""
        return self._home is not None

    def get_runtime(self) -> Runtime:
        """The loop's runtime; starts the thread when there is none.

        Raises `ConfigurationError` where threads cannot run, as under uWSGI without threads or in a process that
        gevent has patched, and `ThreadsExhaustedError` where the system refuses another.
        """
        home = self._home
        if home is None:
            with self._lock:
                home = self._home or self._start()
        return home.runtime

    def get_loop(self) -> Loop:
        """The loop; starts the thread when there is none."""
        return self.get_runtime().loop

    def call(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await ``work(*args)`` on the loop and wait for its result. Raises `RuntimeError` on the loop's own thread."""
        return call(self.get_loop(), work, *args)

    def stop(self) -> None:
        """Cancel what still runs, wait for it `END_TIMEOUT` seconds at most, and end the loop. Harmless when none runs.

        Raises `RuntimeError` on the loop's own thread, which would wait for itself.
        """
        with self._lock:
            home = self._home
            if home is None:
                return
            if home.thread is threading.current_thread():
                raise RuntimeError("this would deadlock: the portal cannot be stopped from its own event loop")
            self._home = None
        try:
            home.runtime.loop.post(home.stop)
        except RuntimeError:
            pass  # the loop died meanwhile
        home.thread.join(END_TIMEOUT)
        if home.thread.is_alive():
            logger.warning("the event loop of the portal did not end within %g seconds", END_TIMEOUT)

    def _start(self) -> _Home:
        if "gevent.monkey" in sys.modules and sys.modules["gevent.monkey"].is_module_patched("threading"):
            raise ConfigurationError(
                "`async def` code needs threads of the system, and gevent has replaced them; use gunicorn's gthread"
                " worker, or an ASGI server"
            )
        begun: Future[_Home] = Future()
        thread = threading.Thread(target=self._run, args=(begun,), name="duoframe-portal", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise ThreadsExhaustedError(str(error)) from error
        try:
            begun.result(START_TIMEOUT)
        except TimeoutError:
            if begun.cancel():  # pragma: no branch - it may have begun at the last moment
                raise ConfigurationError(
                    f"a thread did not run within {START_TIMEOUT:g} seconds, and `async def` code needs one;"
                    " start uWSGI with --enable-threads"
                ) from None
        return begun.result()

    def _run(self, begun: Future[_Home]) -> None:
        home = failed = None
        with _closing(asyncio.Runner()) as runner:
            try:
                runner.get_loop()  # first: where it cannot be made, no coroutine is left behind
                home = runner.run(self._prepare())
            except BaseException as error:
                failed = error
            if not begun.set_running_or_notify_cancel():
                return
            if home is None:
                begun.set_exception(failed)
                return
            self._home = home
            begun.set_result(home)
            try:
                runner.get_loop().run_forever()
            except BaseException:
                logger.critical("the event loop of the portal died; the next request starts another", exc_info=True)
            if self._home is home:
                self._home = None

    async def _prepare(self) -> _Home:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_tell)
        if sys.version_info < (3, 12):  # pragma: no cover - Python 3.11 alone
            loop.set_task_factory(_Task.make)
        try:
            import sniffio
        except ImportError:  # then nobody asks it
            pass
        else:
            sniffio.thread_local.name = "asyncio"  # the Context of a caller that runs trio would say otherwise
        return _Home(Runtime(AsyncioLoop(loop), *self._options), threading.current_thread(), loop.stop)

    def _forget(self) -> None:  # pragma: no cover - runs in other processes
        """In the child of a fork: the thread is not there, and what it left must not be touched."""
        _INHERITED.append(self._home)
        self._lock = threading.Lock()
        self._home = None


if sys.version_info < (3, 12):  # pragma: no cover - Python 3.11 alone

    class _Task(asyncio.Task[T]):
        """Tells its Context, as every task does from Python 3.12 on."""

        def __init__(self, *args: Any, context: Context | None = None, **kwargs: Any) -> None:
            self._of = context or copy_context()
            super().__init__(*args, context=self._of, **kwargs)

        def get_context(self) -> Context:
            return self._of

        @classmethod
        def make(cls, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
            return cls(coroutine, loop=loop, **options)


def _tell(loop: asyncio.AbstractEventLoop, facts: dict[str, Any]) -> None:
    """Log what went wrong on the loop with nobody to tell, in the Context of its task: that knows the request."""
    task = facts.get("task") or facts.get("future")
    context: Context = getattr(task, "get_context", copy_context)()
    error = facts.get("exception")
    context.copy().run(logger.error, "%s: %r", facts["message"], task, exc_info=error)


@contextlib.contextmanager
def _closing(runner: asyncio.Runner) -> Iterator[asyncio.Runner]:
    try:
        yield runner
    finally:
        try:
            runner.close()
        except (
            RuntimeError
        ) as error:  # pragma: no cover - Python 3.12.1 starts no thread at its end, and wants one here
            logger.debug("the event loop of the portal was not closed: %s", error)


_PORTALS: weakref.WeakSet[Portal] = weakref.WeakSet()
_INHERITED: list[object] = []
"""The loops that a parent process runs: to close one here would cut it off from its selector there."""


def _forget_all() -> None:  # pragma: no cover - runs in other processes
    for portal in _PORTALS:
        portal._forget()


def _stop_all() -> None:  # pragma: no cover - runs when Python ends
    for portal in list(_PORTALS):
        portal.stop()


os.register_at_fork(after_in_child=_forget_all)
atexit.register(_stop_all)
