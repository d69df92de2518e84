"""What one event loop gives the application: worker threads, background work, and the numbers of both.

Knows one loop; must not know which door it serves. The ASGI door has the server's loop, the WSGI door that of the
`portal`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import Context
from typing import Any

from duoframe.bridge import Drive, Hop, Loop
from duoframe.signatures import needs_loop
from duoframe.threads import Admission, Slots, Threads
from duoframe.watchdog import Watchdog

logger = logging.getLogger("duoframe.error")

Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
"""A background call: the callable, its arguments, its keyword arguments."""


class Runtime:
    """One event loop's worker threads and background work; made and used on the loop's thread."""

    def __init__(self, loop: Loop, threads: int, streams: int, debug: bool = False) -> None:
        self.loop = loop
        self.threads = Threads(loop, threads, Slots(streams))
        self.pending = 0
        """Requests whose background work has not ended."""
        self._idle: list[Any] = []
        self._watchdog = Watchdog(loop) if debug else None

    def get_loop(self) -> Loop:
        """The loop, for a request to reach it from a thread."""
        return self.loop

    def get_runtime(self) -> Runtime:
        """Itself: what a request asks of a portal it may ask of a runtime."""
        return self

    def start_tasks(self, tasks: list[Task], context: Context) -> None:
        """Start a request's background work; nobody waits for it but `idle`."""
        self.hold()
        self.loop.spawn(self._work(tasks, context))

    def hold(self) -> None:
        """Count work that goes on after its answer, and that `idle` waits for, until `release`."""
        self.pending += 1

    def release(self) -> None:
        """Work that was counted has ended."""
        self.pending -= 1
        for waiter in self._idle:
            if not waiter.done():
                waiter.set_result(None)
        self._idle.clear()

    async def idle(self, grace: float) -> bool:
        """Wait until no background work is left, ``grace`` seconds at most; whether none is."""
        import anyio

        with anyio.move_on_after(grace):
            while self.pending:
                waiter = self.loop.waiter()
                self._idle.append(waiter)
                await waiter
        return not self.pending

    def gauges(self) -> dict[str, int]:
        """How many exchanges hold a thread or wait for one, streams run, calls were left, tasks are pending."""
        threads = self.threads
        return {
            "threads": threads.admissions.used,
            "waiting": threads.admissions.waiting,
            "streams": threads.streams.used,
            "left": threads.left,
            "background": self.pending,
        }

    async def _work(self, tasks: list[Task], context: Context) -> None:
        admission = Admission(self.threads)
        try:
            await Drive(_run(tasks), context, admission)
        finally:
            admission.leave()
            self.release()


async def _run(tasks: list[Task]) -> None:
    for task, args, kwargs in tasks:
        try:
            if needs_loop(task):
                await task(*args, **kwargs)
            else:
                await Hop(_call, task, args, kwargs)
        except (Exception, SystemExit):  # an exit would end the loop, and with it every other request
            logger.exception("error in background task %r", task)


def _call(task: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    task(*args, **kwargs)
