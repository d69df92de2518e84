"""A server's side of one ASGI request, with every hand-over bounded to one piece.

The app's `send` waits until the client has taken the chunk, and the request body is pulled only when the app asks
for it. Knows nothing of threads: `doors` brings it to synchronous callers, `lifespan` has the other half of ASGI.
"""

from collections.abc import AsyncIterable, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import anyio
from anyio import (
    BrokenResourceError,
    ClosedResourceError,
    EndOfStream,
    Event,
    Lock,
    create_memory_object_stream,
    create_task_group,
    get_cancelled_exc_class,
)

from duoframe.testing.asgi_checker import checked_asgi, content_of
from duoframe.testing.call import Call
from duoframe.testing.outcome import ClientLeftError, Outcome
from duoframe.testing.rules import ProtocolError
from duoframe.testing.task import AppTask
from duoframe.types import ASGIApp, Message, Receive, Send

Serve = Callable[[Receive, Send], Awaitable[None]]
"""Runs an app for one request."""


class ASGIService:
    """An ASGI app behind the two calls a server makes: `lifespan` once, `http` for each request."""

    def __init__(self, app: ASGIApp, *, strict: bool) -> None:
        self._app = checked_asgi(app) if strict else app

    async def lifespan(self, state: dict[str, Any], receive: Receive, send: Send) -> None:
        """Run the app's lifespan."""
        asgi = {"version": "3.0", "spec_version": "2.0"}
        await self._app({"type": "lifespan", "asgi": asgi, "state": state}, receive, send)

    async def http(self, call: Call, state: dict[str, Any] | None, receive: Receive, send: Send) -> None:
        """Run the app for one request."""
        await self._app(call.scope(state), receive, send)


class Conversation:
    """One request and its answer: await `head`, take the chunks with `anext`, always await `aclose`."""

    def __init__(self, serve: Serve, call: Call, body: AsyncIterable[bytes], grace: float) -> None:
        self.outcome = Outcome()
        self._serve = serve
        self._grace = grace
        self._raises_when_gone = call.spec_version >= "2.4"
        self._upload = _Upload(body, call.length, self.outcome)
        # Each item is a chunk and whether it is the last. Nothing is buffered: `send` returns when it is taken.
        self._outlet, self._inlet = create_memory_object_stream[tuple[bytes, bool]](0)
        self._answered = Event()
        self._all_sent = self._left = False
        self._task = AppTask(self._run)

    @property
    def closed(self) -> bool:
        """Whether the app has returned."""
        return self._task.ended.is_set()

    async def head(self) -> None:
        """Wait until the app has started its answer, or has ended."""
        await self._answered.wait()

    async def __anext__(self) -> bytes:
        try:
            while not self.outcome.complete:
                chunk, self.outcome.complete = await self._inlet.receive()
                if chunk:
                    return chunk
            self._upload.close()
        except (EndOfStream, ClosedResourceError):
            pass
        # An answer is over when the app has returned: by then its background work is done and its errors are known.
        await self._task.ended.wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Leave: an app that is not done sees ``http.disconnect``, has `grace` seconds, and is cancelled then."""
        self._left = not self.outcome.complete
        self._inlet.close()
        self._upload.close()
        await self._task.end(self._grace if self._left else float("inf"))
        self.outcome.cancelled = self._task.cancelled

    async def _run(self) -> None:
        try:
            async with create_task_group() as tasks:
                tasks.start_soon(self._upload.run)
                await self._run_app()
                tasks.cancel_scope.cancel()
        finally:
            self._upload.end()
            self._outlet.close()
            self._answered.set()

    async def _run_app(self) -> None:
        try:
            await self._serve(self._upload.receive, self._send)
            if not self._all_sent and not self._upload.closed:
                raise ProtocolError("the app returned before its answer was complete")
        except ClientLeftError:
            pass  # Ours: the app had nobody left to answer.
        except get_cancelled_exc_class() as error:
            if not self._task.cancelled:
                self.outcome.fail(error)
            raise
        except BaseException as error:
            self.outcome.fail(error)

    async def _send(self, message: Message) -> None:
        self._refuse_when_gone()
        match message["type"]:
            case "http.response.start":
                self._start(message)
            case "http.response.body":
                await self._hand_over(message.get("body", b""), not message.get("more_body", False))
            case "http.response.zerocopysend":
                await self._hand_over(content_of(message), not message.get("more_body", False))
            case "http.response.pathsend":
                await self._hand_over(await anyio.Path(message["path"]).read_bytes(), True)
            case _:
                pass  # Extensions (early hints, trailers, ...) do not show in an answer.

    def _start(self, message: Message) -> None:
        if self.outcome.started:
            raise ProtocolError("http.response.start was sent twice")
        outcome, status = self.outcome, message["status"]
        outcome.status, outcome.reason = status, HTTPStatus(status).phrase if status in _STATUSES else ""
        outcome.headers = [(name, value) for name, value in message.get("headers", ())]
        outcome.started = True
        self._answered.set()

    async def _hand_over(self, chunk: bytes, last: bool) -> None:
        if not self.outcome.started or self._all_sent:
            raise ProtocolError(f"content was sent {'after the last of it' if self._all_sent else 'before the start'}")
        try:
            await self._outlet.send((chunk, last))
            self._all_sent = last
        except BrokenResourceError:
            self._refuse_when_gone()

    def _refuse_when_gone(self) -> None:
        # Before spec 2.4, what is sent to nobody was dropped without a word.
        if self._left and self._raises_when_gone:
            raise ClientLeftError("the client has left")


class _Upload:
    """The request body, pulled one piece at a time when the app asks, in a task that a cancelled receive leaves be."""

    def __init__(self, body: AsyncIterable[bytes], length: int | None, outcome: Outcome) -> None:
        self.closed = False
        self._body = aiter(body)
        self._left = length
        self._outcome = outcome
        self._wanted = Event()
        self._turn = Lock()
        # No bound is needed: nothing is pulled before it is wanted. Once the inlet is closed, the client has left.
        self._inlet, self._inbox = create_memory_object_stream[Message](float("inf"))

    async def receive(self) -> Message:
        """What the app calls."""
        async with self._turn:
            if not self._inbox.statistics().current_buffer_used:
                self._wanted.set()
            try:
                return await self._inbox.receive()
            except EndOfStream:
                return {"type": "http.disconnect"}

    async def run(self) -> None:
        """Pull the body until its end, or until the body breaks."""
        try:
            try:
                await self._pull_all()
            finally:
                await self._close_body()
        except OSError:
            self.close()  # The body iterator plays a broken connection.
        except Exception as error:
            self._outcome.failure = error
            self.close()

    def close(self) -> None:
        """From now on the app receives ``http.disconnect``."""
        self.closed = True
        self._inlet.close()

    def end(self) -> None:
        """The app has returned: it receives nothing any more."""
        self.close()
        self._inbox.close()

    async def _pull_all(self) -> None:
        more = True
        while more:
            await self._wanted.wait()
            message = await self._pull()
            if self.closed:
                return  # The client left during the pull.
            self._wanted = Event()
            self._inlet.send_nowait(message)
            more = message["more_body"]

    async def _pull(self) -> Message:
        chunk = b"" if self._left == 0 else await anext(self._body, None)
        if chunk is None:
            if self._left is not None:
                raise ConnectionResetError("the request body ended before its Content-Length")
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._left is not None:
            chunk = chunk[: self._left]
            self._left -= len(chunk)
        return {"type": "http.request", "body": chunk, "more_body": self._left != 0}

    async def _close_body(self) -> None:
        # An async generator that is left alone in the middle is a warning on trio.
        close = getattr(self._body, "aclose", None)
        if close is not None:
            await close()


_STATUSES = frozenset(HTTPStatus)
