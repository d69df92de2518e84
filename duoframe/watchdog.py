"""In debug mode, a thread that notices when an event loop is held and logs who holds it.

Knows one loop and the thread it runs on; must not know requests. `runtime` starts one for each loop.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback

from duoframe.bridge import Loop, at_end

HELD = 0.1
"""Seconds after which a loop that does nothing else is held."""

logger = logging.getLogger("duoframe.error")


class Watchdog:
    """Asks a loop for a sign of life, again and again; made on the loop's thread, ends with the loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._ended = threading.Event()
        self._ending = at_end(self._ended.set)
        threading.Thread(target=self._watch, name="duoframe-watchdog", daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(HELD / 2):
            alive = threading.Event()
            try:
                self._loop.post(alive.set)
            except RuntimeError:
                return  # the loop has ended
            if not alive.wait(HELD):
                self._tell()
            while not (alive.wait(HELD) or self._loop.ended()):
                pass  # once is enough for one holder

    def _tell(self) -> None:
        frame = sys._current_frames().get(self._loop.thread)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else "(its thread has gone)\n"
        logger.warning(
            "the event loop has been held for %d ms; wait with `await`, or make the piece that blocks a `def`:\n%s",
            HELD * 1000,
            stack,
        )
