"""Where code runs, found out by the code itself."""

from __future__ import annotations

import asyncio
import threading

import trio

from duoframe.check.places import Place


class Trail:
    """What the pieces of one route leave behind: their names and the place of each, in order."""

    def __init__(self, door: str) -> None:
        self.steps: list[tuple[str, Place]] = []
        self.threads: list[int] = []
        """Where dependencies that yield were entered and left."""
        self._worker = {"wsgi": Place.PORTAL_THREAD, "asgi": Place.WORKER_THREAD}[door]

    def mark(self, name: str) -> None:
        """Told by the thread's name and by whether a loop runs on it: nothing that a plan knows."""
        thread = threading.current_thread().name
        loop = asyncio._get_running_loop() is not None or trio.lowlevel.in_trio_run()
        if thread.startswith("duoframe-worker"):
            place = self._worker
        elif thread == "duoframe-portal":
            place = Place.PORTAL_LOOP
        else:
            place = Place.SERVER_LOOP if loop else Place.SERVER_THREAD
        self.steps.append((repr(name), place))
