"""The loggers ``duoframe``, ``duoframe.access`` and ``duoframe.error``, and what their records carry.

Knows logging and the running request's identifier; must not know what is logged. Handlers and levels are the
user's: nothing is configured here.
"""

from __future__ import annotations

import logging
import os
import traceback
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue
from typing import Any

from duoframe.context import current

LINE = 2000
"""Characters of one line of a traceback."""

NAMES = ("duoframe", "duoframe.access", "duoframe.error")


class RequestId(logging.Filter):
    """Gives every record ``request_id``: the identifier of the request whose code logged it, ``"-"`` outside one.

    What an exception says may be a client's words: its control characters are escaped, and long lines are cut.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        request = current.get(None)
        record.request_id = "-" if request is None else request.id
        if isinstance(record.exc_info, tuple) and not record.exc_text:
            record.exc_text = _escaped(record.exc_info)
        return True


class BackgroundHandler(QueueHandler):
    """Writes records on a thread of its own, so that a slow log never holds up an event loop.

    ``logging.getLogger("duoframe").addHandler(BackgroundHandler(logging.StreamHandler()))``. The thread starts with
    the first record, once per process; `close` ends it after the last.
    """

    def __init__(self, handler: logging.Handler) -> None:
        super().__init__(SimpleQueue())
        self.queue: SimpleQueue[logging.LogRecord]
        self._handler = handler
        self._started_in = 0
        self._background: QueueListener | None = None

    def enqueue(self, record: logging.LogRecord) -> None:  # called with the handler's lock held
        if self._started_in != os.getpid():
            self.queue = SimpleQueue()  # what a parent process had queued, it writes itself
            self._background = QueueListener(self.queue, self._handler, respect_handler_level=True)
            self._background.start()
            self._started_in = os.getpid()
        self.queue.put_nowait(record)

    def close(self) -> None:
        background, self._background = self._background, None
        if background is not None and self._started_in == os.getpid():
            background.stop()
        self._started_in = 0
        super().close()


def _escaped(raised: Any) -> str | None:
    """The traceback as formatters would write it, but for what deceives a terminal; None where it cannot be written."""
    from duoframe.peek import visible

    try:
        lines = visible("".join(traceback.format_exception(*raised))).rstrip("\n").split("\n")
    except Exception:
        return None  # the handler's formatter will meet it too, and knows what to do
    return "\n".join(line if len(line) <= LINE else line[:LINE] + "…" for line in lines)


def carry_request_id() -> None:
    """Let the records of the framework's loggers carry the request's identifier. Harmless when they do."""
    for name in NAMES:
        logging.getLogger(name).addFilter(_REQUEST_ID)


_REQUEST_ID = RequestId()
