"""Whether the server of this process has been told to stop, for streams that would go on for ever.

No protocol tells: an ASGI server sends ``lifespan.shutdown`` when its connections have ended, some wait for them
without a limit, and a WSGI server says nothing. So whoever serves such a stream looks for itself, in the two ways that
there are, and ends it, so that the server can:

- Where the handler of SIGTERM or SIGINT is a method of the server, the server's own mark is read: ``should_exit`` of
  uvicorn, ``alive`` of a gunicorn worker. That changes nothing and is possible on every thread.
- Where the handler is anything else, as behind gunicorn's asgi worker and granian, a handler of ours stands around it
  while such a stream is open, and calls it in its turn. Python allows that on the main thread alone.

A signal that nobody handles is left alone: it ends the process. Knows signals and loops; must not know requests.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable
from typing import Any

from duoframe.bridge import Loop

SIGNALS = (signal.SIGTERM, signal.SIGINT)
"""What tells a server to stop."""


def stopping() -> bool:
    """Whether the server has been told to stop, as far as it can be seen; callable on any thread."""
    return any(_says_so(signal.getsignal(number)) for number in SIGNALS)


class Listener:
    """Has ``call`` made on ``loop``, where it is made, when the server is told to stop, or at once if it was."""

    def __init__(self, loop: Loop, call: Callable[[], object]) -> None:
        self._loop = loop
        self._call = call
        _listeners.add(self)
        if _on_main_thread():
            _stand_around()
        if stopping():
            self.tell()

    def tell(self) -> None:
        """Make the call soon."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.post(self._call)

    def close(self) -> None:
        """Listen no more. With the last one the server's handlers are as they were."""
        _listeners.discard(self)
        if not _listeners and _on_main_thread():
            _step_aside()


class _Around:
    """A signal handler that tells the listeners, then calls the handler it stands around."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner = inner
        self.called = False

    def __call__(self, number: int, frame: Any) -> Any:
        self.called = True
        for listener in list(_listeners):
            listener.tell()
        return self.inner(number, frame)


def _says_so(handler: Any) -> bool:
    if isinstance(handler, _Around):
        return handler.called or _says_so(handler.inner)
    owner = getattr(handler, "__self__", None)
    return getattr(owner, "should_exit", False) is True or getattr(owner, "alive", True) is False


def _stand_around() -> None:
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler) and not isinstance(handler, _Around):
            signal.signal(number, _Around(handler))


def _step_aside() -> None:
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if isinstance(handler, _Around):
            signal.signal(number, handler.inner)


def _on_main_thread() -> bool:
    return threading.get_ident() == threading.main_thread().ident


_listeners: set[Listener] = set()
