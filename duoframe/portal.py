"""The one event loop of a process whose server has none: a daemon thread of ours that runs asyncio.

Knows its thread, its loop and the process it was made in; must not know requests. Nothing is made before the first
use, and a child process makes its own. The WSGI door runs its async plans here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from duoframe.bridge import AsyncioLoop, Loop
from duoframe.errors import ConfigurationError
from duoframe.relay import call
from duoframe.runtime import Runtime
from duoframe.threads import ThreadsExhausted

T = TypeVar("T")

START_TIMEOUT = 5.0
"""Seconds that a new thread may take until it runs."""

logger = logging.getLogger("duoframe.error")


class Portal:
    """An event loop on a thread of its own, started when first asked for and once per process."""

    def __init__(self, threads: int, streams: int, grace: float) -> None:
        self._sizes = (threads, streams)
        self._grace = grace
        self._reset()
        _PORTALS.add(self)

    def __reduce__(self) -> tuple[type[Portal], tuple[int, int, float]]:
        return Portal, (*self._sizes, self._grace)  # a copy in another process starts afresh

    @property
    def running(self) -> bool:
        """Whether the loop has been started in this process and lives."""
        return self._runtime is not None

    def runtime(self) -> Runtime:
        """The loop's runtime; starts the thread when there is none.

        Raises `ConfigurationError` where threads cannot run, as under uWSGI without threads or in a process that
        gevent has patched.
        """
        runtime = self._runtime
        if runtime is None:
            with self._lock:
                runtime = self._runtime or self._start()
        return runtime

    def get_loop(self) -> Loop:
        """The loop; starts the thread when there is none."""
        return self.runtime().loop

    def call(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await ``work(*args)`` on the loop and wait for its result. Raises `RuntimeError` on the loop's own thread."""
        return call(self.get_loop(), work, *args)

    def stop(self) -> None:
        """Cancel what still runs, wait for it within the grace period, and end the loop. Harmless when none runs."""
        with self._lock:
            thread, loop = self._thread, self._loop
            self._runtime = self._thread = self._loop = None
        if thread is not None and loop is not None and thread.is_alive():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(self._grace)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._runtime: Runtime | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _start(self) -> Runtime:
        if "gevent" in sys.modules and sys.modules["gevent"].monkey.is_module_patched("threading"):
            raise ConfigurationError(
                "`async def` code needs threads of the system, and gevent has replaced them; use gunicorn's gthread"
                " worker, or an ASGI server"
            )
        started: list[Runtime] = []
        ready = threading.Event()
        thread = threading.Thread(target=self._run, args=(started, ready), name="duoframe-portal", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise ThreadsExhausted(str(error)) from error
        if not ready.wait(START_TIMEOUT):
            raise ConfigurationError(
                f"a thread did not run within {START_TIMEOUT:g} seconds, and `async def` code needs one;"
                " start uWSGI with --enable-threads"
            )
        self._thread = thread
        self._runtime = started[0]
        return started[0]

    def _run(self, started: list[Runtime], ready: threading.Event) -> None:
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            self._loop = loop
            runner.run(self._make(started))
            runtime = started[0]
            ready.set()
            try:
                loop.run_forever()
            except BaseException:
                logger.critical("the event loop of the portal died; the next request starts another", exc_info=True)
            finally:
                if self._runtime is runtime:
                    self._runtime = None
                runtime.threads.close()

    async def _make(self, started: list[Runtime]) -> None:
        started.append(Runtime(AsyncioLoop(asyncio.get_running_loop()), *self._sizes))


_PORTALS: weakref.WeakSet[Portal] = weakref.WeakSet()


def _forget() -> None:
    for portal in _PORTALS:
        portal._reset()


os.register_at_fork(after_in_child=_forget)
