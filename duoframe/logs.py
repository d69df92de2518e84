"""The loggers ``duoframe``, ``duoframe.access`` and ``duoframe.error``, and what their records carry.

Knows logging and the running request's identifier; must not know what is logged. Handlers and levels are the
user's: nothing is configured here.
"""

from __future__ import annotations

import logging
import os
from logging.handlers import QueueHandler, QueueListener
from queue import SimpleQueue

from duoframe.context import current

NAMES = ("duoframe", "duoframe.access", "duoframe.error")


class RequestId(logging.Filter):
    """Gives every record ``request_id``: the identifier of the request whose code logged it, ``"-"`` outside one."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = current.get(None)
        record.request_id = "-" if request is None else request.id
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


def carry_request_id() -> None:
    """Let the records of the framework's loggers carry the request's identifier. Harmless when they do."""
    for name in NAMES:
        logging.getLogger(name).addFilter(_REQUEST_ID)


_REQUEST_ID = RequestId()
