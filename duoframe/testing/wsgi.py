"""A server's side of one WSGI request (PEP 3333), stepped by whoever reads the answer, in that thread.

`doors` steps it in the calling thread; `WSGIService` in a worker thread, for callers on an event loop.
"""

import io
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

from anyio import CancelScope, CapacityLimiter, from_thread, to_thread

from duoframe.testing.call import Call
from duoframe.testing.outcome import Outcome
from duoframe.testing.rules import ProtocolError
from duoframe.testing.wsgi_checker import checked_wsgi
from duoframe.types import ExcInfo, Receive, Send, WSGIApp

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class RequestBody(io.RawIOBase):
    """What lies beneath ``wsgi.input``: takes the next chunk only when the app reads past the last."""

    def __init__(self, chunks: Iterable[bytes], length: int | None, outcome: Outcome) -> None:
        self._chunks = iter(chunks)
        self._left = length
        self._outcome = outcome
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self._rest and self._left != 0:
            chunk = self._pull()
            if chunk is None:
                break
            self._rest = memoryview(chunk)[: self._left]
            if self._left is not None:
                self._left -= len(self._rest)
        room = memoryview(buffer)
        size = min(len(room), len(self._rest))
        room[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def _pull(self) -> bytes | None:
        try:
            return next(self._chunks, None)
        except OSError:
            raise  # The body iterator plays a broken connection.
        except Exception as error:
            # A mistake in the caller's iterator: the app sees a client that broke off, the caller gets the error.
            self._outcome.failure = error
            raise ConnectionAbortedError("the request body raised") from error


class WSGIAnswer:
    """One answer: the app is called at once; walk the chunks with ``for``, always `close`."""

    def __init__(self, app: WSGIApp, call: Call, body: Iterable[bytes]) -> None:
        self.outcome = Outcome()
        self.closed = False
        self._responded = self._returned = False
        self._written: list[bytes] = []
        self._first: bytes | None = None
        self._iterable: Iterable[bytes] = ()
        # PEP 3333: what was written goes before what is iterated.
        self._chunks: Iterator[bytes] = iter(self._written)
        source = io.BufferedReader(RequestBody(body, call.length, self.outcome))
        try:
            self._iterable = app(call.environ(source), self._start_response)
            self._chunks = chain(self._written, self._iterable)
        except BaseException as error:
            self.outcome.fail(error)
        self._returned = True

    def head(self) -> None:
        """Run the app until its head is on the wire: that is when the first non-empty chunk goes out, or at the end."""
        if self._first is None:
            self._first = self._pull()

    def __iter__(self) -> "WSGIAnswer":
        return self

    def __next__(self) -> bytes:
        self.head()
        chunk, self._first = self._first, None
        if chunk is None:
            raise StopIteration
        return chunk

    def close(self) -> None:
        """Call the iterable's ``close()``, once, whether or not it was walked to its end."""
        if self.closed:
            return
        self.closed = True
        self._chunks = iter(())
        try:
            getattr(self._iterable, "close", _nothing)()
        except BaseException as error:
            self.outcome.fail(error)

    def _pull(self) -> bytes | None:
        """The next non-empty chunk; None at the end, wherever that came from."""
        try:
            for chunk in self._chunks:
                self._check(chunk)
                if chunk:
                    self.outcome.started = True
                    return chunk
            if self.outcome.error is None and not self.closed:
                self._check(b"")
                self.outcome.started = self.outcome.complete = True
        except BaseException as error:
            self._chunks = iter(())
            self.outcome.fail(error)
        return None

    def _check(self, chunk: bytes) -> None:
        if not self._responded:
            raise ProtocolError("the app went on to its content without a call of start_response")
        if not isinstance(chunk, bytes):
            raise ProtocolError(f"the app's iterable must give bytes, got {chunk!r}")

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        if exc_info is not None:
            error = exc_info[1]
            try:
                if self.outcome.started and error is not None:
                    raise error.with_traceback(exc_info[2])
            finally:
                exc_info = error = None  # no cycle of error, traceback and frame
        elif self._responded:
            raise ProtocolError("start_response was called twice without exc_info")
        code, _, reason = status.partition(" ")
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        self.outcome.status, self.outcome.reason, self.outcome.headers = int(code), reason, fields
        self._responded = True
        return self._write

    def _write(self, chunk: bytes) -> None:
        if self._returned:
            raise ProtocolError("write() was called after the app had returned its iterable")
        self._written.append(chunk)
        self.outcome.started = True


class WSGIService:
    """A WSGI app as `Conversation` and `Lifespan` run one: each request in one worker thread, streaming both ways."""

    def __init__(self, app: WSGIApp, *, strict: bool) -> None:
        self._app = checked_wsgi(app) if strict else app
        self._startup = getattr(app, "startup", _nothing)
        self._shutdown = getattr(app, "shutdown", _nothing)

    async def lifespan(self, state: dict[str, Any], receive: Receive, send: Send) -> None:
        """Call the app's ``startup()`` and, in the end, its ``shutdown()``, where it has them."""
        await receive()
        await _in_thread(self._startup)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await _in_thread(self._shutdown)
        await send({"type": "lifespan.shutdown.complete"})

    async def http(self, call: Call, state: dict[str, Any] | None, receive: Receive, send: Send) -> None:
        """Run the app for one request."""
        await _in_thread(self._serve, call, receive, send)

    def _serve(self, call: Call, receive: Receive, send: Send) -> None:
        answer = WSGIAnswer(self._app, call, _received(receive))
        outcome = answer.outcome
        try:
            answer.head()
            if outcome.started:
                start = {"type": "http.response.start", "status": outcome.status, "headers": outcome.headers}
                _on_loop(send, start)
                for chunk in answer:
                    _on_loop(send, {"type": "http.response.body", "body": chunk, "more_body": True})
            if outcome.complete:
                _on_loop(send, {"type": "http.response.body"})
        finally:
            answer.close()
        if outcome.error is not None:
            raise outcome.error


def _received(receive: Receive) -> Iterator[bytes]:
    more = True
    while more:
        message = _on_loop(receive)
        if message["type"] == "http.disconnect":
            return
        yield message["body"]
        more = message["more_body"]


async def _in_thread(step: Callable[..., None], *args: object) -> None:
    # Without a limit: requests that wait for one another in a test must not wait for a thread as well.
    # Shielded: nothing stops a thread, and what it sends and receives tells it that the client has left.
    with CancelScope(shield=True):
        await to_thread.run_sync(step, *args, limiter=CapacityLimiter(math.inf))


def _on_loop(step: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    return from_thread.run(_awaited, step, args)


async def _awaited(step: Callable[[*Ts], Awaitable[T]], args: tuple[*Ts]) -> T:
    return await step(*args)


def _nothing() -> None:
    pass
