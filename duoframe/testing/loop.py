"""An event loop in a thread of its own, for synchronous callers.

The thread is a daemon: a portal of anyio's own that is left open keeps the interpreter from ending.
"""

from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TypeVar, TypeVarTuple

import anyio
from anyio.from_thread import BlockingPortal

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class LoopThread:
    """A loop that starts at its first use; `backend` is ``"asyncio"`` or ``"trio"``."""

    def __init__(self, backend: str) -> None:
        self._backend = backend
        self._lock = Lock()
        self._started: Future[BlockingPortal] = Future()
        self._thread = Thread(target=self._run, name="duoframe-testing", daemon=True)

    @property
    def running(self) -> bool:
        """Whether the loop has started and not been stopped."""
        return self._thread.is_alive() and self._started.exception() is None

    def call(self, step: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run one step on the loop and wait for its result."""
        return self.begin(step, *args).result()

    def begin(self, step: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> Future[T]:
        """Run one step on the loop without waiting for it."""
        with self._lock:
            if self._thread.ident is None:
                self._thread.start()
        return self._started.result().start_task_soon(step, *args)

    def stop(self) -> None:
        """End the running loop, and its thread."""
        portal = self._started.result()
        portal.call(portal.stop, True)
        self._thread.join()

    def _run(self) -> None:
        try:
            anyio.run(self._serve, backend=self._backend)
        except Exception as error:
            self._started.set_exception(error)  # Such as an unknown backend: whoever wants the loop hears of it.

    async def _serve(self) -> None:
        async with BlockingPortal() as portal:
            self._started.set_result(portal)
            await portal.sleep_until_stopped()
