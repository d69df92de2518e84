"""A task that runs app code beside its caller, and that ends when told to.

It belongs to none of the caller's cancel scopes, so fixtures may start it in one task and end it in another.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

from anyio import CancelScope, Event, get_cancelled_exc_class, move_on_after

Step = Callable[[], Coroutine[Any, Any, None]]
"""A coroutine function of no arguments; what its coroutine yields to the loop is the loop's affair."""


class AppTask:
    """Runs `step` in a task of its own on the running loop; `step` keeps its exceptions to itself."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._scope = CancelScope()
        self.ended = Event()
        # asyncio holds its tasks weakly: without this reference the task could vanish.
        self._task = _spawn(self._run)

    @property
    def cancelled(self) -> bool:
        """Whether the task had to be cancelled."""
        return self._scope.cancel_called

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._step()
        finally:
            self.ended.set()

    async def end(self, grace: float) -> None:
        """Wait up to `grace` seconds for the end of the task, then cancel it; it has ended when this returns."""
        try:
            with move_on_after(grace):
                await self.ended.wait()
        finally:
            if not self.ended.is_set():
                self._scope.cancel()
                with CancelScope(shield=True):
                    await self.ended.wait()


def _spawn(step: Step) -> object:
    if get_cancelled_exc_class() is asyncio.CancelledError:
        return asyncio.get_running_loop().create_task(step())
    import trio

    return trio.lowlevel.spawn_system_task(step, context=copy_context())
