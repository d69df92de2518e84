"""A foreign WSGI application (PEP 3333) as the handler of a route.

Knows ``start_response`` and the iterable of one call; must not know a server: `foreign` makes the environ, and the
answer goes out like that of any other handler. In a plan without `async def` pieces that is one thread from the call to
``close()``; in another plan the call has a worker thread of its own, because such applications keep things in
thread-locals.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import Any

from duoframe.bridge import Drive, Hop
from duoframe.datastructures import MutableHeaders
from duoframe.foreign import environ_for
from duoframe.relay import Closed, End, ToLoop
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.threads import LEAVE_AFTER, Admission
from duoframe.types import ExcInfo, WSGIApp

WRITTEN = 1 << 20
"""Bytes of ``write()`` that are kept in memory; what is more is kept on disk until it has gone out."""

logger = logging.getLogger("duoframe.error")


class ForeignWSGI:
    """Calls ``app`` for each request of a route."""

    def __init__(self, app: WSGIApp) -> None:
        self.app = app

    def __call__(self, request: Request) -> Response:
        return Call(self.app, request).respond()

    async def on_a_thread(self, request: Request) -> Response:
        """The same on a loop, which only takes what a worker thread makes."""
        return await ThreadCall(self.app, request).respond()


class ForeignResponse(Response):
    """What a foreign application answers: whether the conditions of a request hold was for that to judge."""

    media_type = None

    def __init__(self, status: int, fields: Iterable[tuple[str, str]]) -> None:
        self.body = b""
        self.status = status
        self._headers = MutableHeaders(fields)

    def make_conditional(self, request: Request) -> ForeignResponse:
        return self


class Call(Iterator[bytes]):
    """One call of an application, from its environ to ``close()``, and the chunks of its body."""

    _iterable: Any = None
    _iterator: Iterator[bytes] | None = None
    _head: tuple[str, list[tuple[str, str]]] | None = None
    _written: Written | None = None
    _first = b""
    _answered = False
    _closed = False

    def __init__(self, app: WSGIApp, request: Request) -> None:
        self._app = app
        self._request = request
        self._context = copy_context()  # what the application sets stays with it

    def respond(self) -> Response:
        """Call the application and wait for its first chunk, until which it may begin another answer."""
        environ, entry = environ_for(self._request)
        try:
            self._iterable = iterable = self._context.run(self._app, environ, self._start_response)
            whole = type(iterable) in (list, tuple) and self._written is None
            if whole:  # it is no stream, and has the place of none
                self._first = b"".join(iterable)
            else:
                self._iterator = iter(iterable)
                self._first = self._pull()
            if entry is not None and entry.refusal is not None:
                raise entry.refusal
            response = self._begin()
        except BaseException:
            self._close_quietly()
            if entry is not None and entry.refusal is not None:  # whatever the application has made of it
                raise entry.refusal from None
            raise
        if whole or not self._first or response.declared_length == len(self._first):
            response.body = self._first
            self._close_quietly()
        else:
            response.stream = self
        return response

    def __next__(self) -> bytes:
        chunk, self._first = self._first or self._pull(), b""
        if chunk:
            return chunk
        raise StopIteration

    def close(self) -> None:
        """Let the application clean up; harmless when it has. Raises what that raises."""
        if self._closed:
            return
        self._closed = True
        self._iterator = None
        if self._written is not None:
            self._written.close()
        if (close := getattr(self._iterable, "close", None)) is not None:
            self._context.run(close)

    def _close_quietly(self) -> None:
        try:
            self.close()
        except Exception:
            logger.exception("error while the answer of a WSGI application to %r was closed", self._request)

    def _pull(self) -> bytes:
        """The next chunk that is not empty, ``b""`` at the end; what is written comes before what is iterated then."""
        while True:
            if self._written is not None:
                if chunk := self._written.read():
                    return chunk
                self._written.close()
                self._written = None
            if self._iterator is None:
                return b""
            chunk = self._context.run(next, self._iterator, _END)
            if chunk is _END:
                self._iterator = None
            elif self._written is not None:
                self._written.write(chunk)
            elif chunk:
                return chunk

    def _begin(self) -> ForeignResponse:
        if self._head is None:
            raise RuntimeError("a WSGI application answered without having called start_response")
        self._answered = True
        status, fields = self._head
        return ForeignResponse(_code(status), fields)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        try:
            if exc_info is not None and exc_info[1] is not None and self._answered:
                raise exc_info[1].with_traceback(exc_info[2])
        finally:
            exc_info = None  # no cycle of error, traceback and frame
        if self._answered:
            raise RuntimeError("start_response was called after the answer had begun, without exc_info")
        self._head = status, headers
        return self._write

    def _write(self, data: bytes) -> None:
        if self._written is None:
            self._written = Written()
        self._written.write(data)


class Written:
    """What an application writes while nobody can take it."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile[bytes](WRITTEN)
        self._taken = 0

    def write(self, data: bytes) -> None:
        self._file.seek(0, 2)
        self._file.write(data)

    def read(self) -> bytes:
        """The next block, ``b""`` where all has been read."""
        self._file.seek(self._taken)
        block = self._file.read(65536)
        self._taken += len(block)
        return block

    def close(self) -> None:
        self._file.close()


class ThreadCall(AsyncIterator[bytes]):
    """A `Call` that a worker thread makes from its beginning to its end, and whose chunks a loop takes."""

    holds_thread = True

    def __init__(self, app: WSGIApp, request: Request) -> None:
        self._call = Call(app, request)
        self._runtime = request._home.get_runtime()
        self._admission = Admission(self._runtime.threads)
        self._relay = ToLoop(self._runtime.loop)
        self._ended = False

    async def respond(self) -> Response:
        """The application's answer; raises what it raises."""
        self._runtime.loop.spawn(self._work())
        try:
            response: Response | End = await self._relay.get()
        except BaseException:
            self._relay.close()
            raise
        if isinstance(response, End):
            self._ended = True
            raise response.error or RuntimeError("a WSGI application was left")
        if response.stream is not None:
            self._admission.to_stream()
            response.stream = self
        return response

    async def __anext__(self) -> bytes:
        item = _ENDED if self._ended else await self._relay.get()
        if isinstance(item, End):
            self._ended = True
            item.reraise()
            raise StopAsyncIteration
        return item  # type: ignore[no-any-return]  # a relay carries anything

    async def aclose(self) -> None:
        """Have the thread close the call; it is waited for no longer than `LEAVE_AFTER` seconds."""
        import anyio

        self._relay.close()
        with anyio.move_on_after(LEAVE_AFTER, shield=True):
            while not self._ended:
                self._ended = isinstance(await self._relay.get(), End)

    async def _work(self) -> None:
        end = End()
        try:
            await Drive(self._walk(), copy_context(), self._admission)
        except Closed:
            pass
        except BaseException as error:
            end = End(error)
        finally:
            self._admission.leave()
        self._relay.end(end)

    async def _walk(self) -> None:
        await Hop(self._make, leave=True)

    def _make(self) -> None:
        response = self._call.respond()
        try:
            self._relay.put(response)
            if response.stream is not None:
                for chunk in self._call:
                    self._relay.put(chunk)
        finally:
            self._call._close_quietly()


@lru_cache(maxsize=128)  # an application has a few: 60 ns instead of 500
def _code(status: str) -> int:
    """The number of a status. Raises `ValueError` for what is none, as its number too."""
    if not isinstance(status, str) or _STATUS.match(status) is None:
        raise ValueError(f"expected a status like '200 OK' from a WSGI application, got {status!r:.100}")
    return int(status[:3])


_END: Any = object()
_ENDED = End()
_STATUS = re.compile(r"[0-9]{3}(?: |\Z)")
