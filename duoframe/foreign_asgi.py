"""A foreign ASGI application (ASGI 3.0) as the handler of a route.

Knows the messages of one call and the task that it runs in; must not know a server: `foreign` makes the scope, and the
answer goes out like that of any other handler. The application is given ``http.disconnect`` when its client leaves,
and `OSError` where it sends nevertheless; once it has answered it may go on by itself.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator
from typing import Any

from duoframe.bridge import wake
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.foreign import scope_for
from duoframe.foreign_wsgi import ForeignResponse
from duoframe.relay import DEPTH, End
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.threads import LEAVE_AFTER
from duoframe.types import ASGIApp, Message, Scope

logger = logging.getLogger("duoframe.error")


class ForeignASGI:
    """Calls ``app`` for each request of a route.

    ``timeout``: seconds that it may take for each message of its answer, None for no limit. ``state`` is what its
    lifespan leaves to its requests.
    """

    def __init__(self, app: ASGIApp, timeout: float | None) -> None:
        self.app = app
        self.state: dict[str, Any] | None = None
        self._timeout = timeout

    async def __call__(self, request: Request) -> Response:
        if request.headers.get("upgrade", "").lower() == "websocket":
            raise HTTPException(
                501, "WebSockets of a mounted application need an ASGI server: uvicorn, hypercorn, granian or daphne"
            )
        scope = scope_for(request)
        scope.pop("state", None)
        if self.state is not None:
            scope["state"] = self.state.copy()
        return await Call(request, self._timeout).respond(self.app, scope)


class Call(AsyncIterator[bytes]):
    """One call of an application: what it receives and sends, and the chunks of its body."""

    def __init__(self, request: Request, timeout: float | None) -> None:
        self.holds_thread = request._waited_for
        self._request = request
        self._timeout = timeout
        self._runtime = request._home.get_runtime()
        self._loop = self._runtime.loop
        self._stream = request.stream
        self._unread = True
        self._refusal: HTTPException | None = None
        self._task: Any = None
        self._start: Any = None  # the first message of the answer
        self._items: deque[bytes | End] = deque()
        self._taker: Any = None  # what waits for an item
        self._sender: Any = None  # what waits for room
        self._ends: list[Any] = []  # what waits for the end of the task
        self._watches: list[Any] = []  # the scopes of those who wait for the client to leave
        self._begun = False
        self._complete = False  # whether the last message of the answer has come
        self._left = False  # whether nobody takes the rest
        self._silent = False  # whether that is no affair of the application's
        self._over = False  # whether its task has ended

    async def respond(self, app: ASGIApp, scope: Scope) -> Response:
        """Start the application and wait for the first message of its body; raises what it raises before that."""
        self._runtime.hold()
        self._task = self._loop.spawn(self._run(app, scope))
        try:
            first = await self._next()
            if self._refusal is not None:
                raise self._refusal
            if isinstance(first, End):
                first.reraise()
            response = self._begin()
        except BaseException:
            await self.aclose()
            raise
        if self._complete and len(self._items) == 1:
            response.body = first  # type: ignore[assignment]  # an End that comes first is raised
        elif response.sends_body(self._request.method):
            self._items.appendleft(first)
            response.stream = self
            if self.holds_thread:
                self._loop.spawn(self._look_out())
        else:
            self._silent = True
            await self.aclose()
        return response

    async def __anext__(self) -> bytes:
        item = await self._next()
        if not isinstance(item, End):
            return item
        item.reraise()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Tell the application that nobody takes the rest of its answer, and give it a moment.

        It has the application's ``grace`` to end then, before it is cancelled; nobody waits for that.
        """
        if self._complete:
            return
        import anyio

        self._leave()
        self._loop.spawn(self._reap())
        with anyio.move_on_after(LEAVE_AFTER, shield=True):
            await self._end()

    def _begin(self) -> Response:
        headers = self._start.get("headers", ())
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
        return ForeignResponse(self._start["status"], fields)

    async def _next(self) -> bytes | End:
        """The next chunk, the end after the last."""
        while not self._items:
            self._taker = self._loop.waiter()
            if self._timeout is None:
                await self._taker
            else:
                await self._wait_within(self._timeout)
        wake(self._sender)
        return self._items.popleft()

    async def _wait_within(self, seconds: float) -> None:
        import anyio

        try:
            with anyio.fail_after(seconds):
                await self._taker
        except TimeoutError:
            self._task.cancel()
            raise HTTPException(504, f"the mounted application sent nothing for {seconds:g} seconds") from None

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        end = End()
        try:
            await app(scope, self._receive, self._send)
            if not self._complete:
                end.error = RuntimeError("an ASGI application returned before its answer was complete")
        except self._loop.cancelled:
            end.error = RuntimeError("an ASGI application was cancelled before its answer was complete")
        except BaseException as error:
            if self._complete:
                logger.exception("error of an ASGI application after its answer to %r", self._request)
            elif self._left:
                end.error = ClientDisconnect(_LEFT)  # whatever it makes of that
            else:
                end.error = error  # an exit too: it would end the loop, and with it every other request
        self._over = True
        for waiter in self._ends:
            wake(waiter)
        self._runtime.release()
        if not self._complete:
            self._put(end)

    async def _receive(self) -> Message:
        if self._unread and not (self._left or self._complete):
            try:
                chunk = await anext(self._stream, b"")
            except ClientDisconnect:
                self._leave()
            except HTTPException as refusal:
                self._refusal = refusal
                raise
            else:
                self._unread = chunk != b""
                return {"type": "http.request", "body": chunk, "more_body": self._unread}
        if not (self._left or self._complete):
            await self._watch()
        return {"type": "http.disconnect"}

    async def _look_out(self) -> None:
        """End an answer whose client leaves while the application is silent: the thread that waits cannot know."""
        if not (self._left or self._complete):
            await self._watch()
            self._put(End())

    async def _watch(self) -> None:
        """Wait until the client has left, or its answer is complete."""
        import anyio

        with anyio.CancelScope() as scope:
            self._watches.append(scope)
            try:
                await self._request._source.departure(self._request)
                self._leave()
            finally:
                self._watches.remove(scope)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start" and self._start is None:
            self._start = message
            return
        if kind != "http.response.body" or self._start is None or self._complete:
            state = "its answer" if self._complete else "http.response.start" if self._start is not None else "nothing"
            raise RuntimeError(f"an ASGI application sent {kind!r} after {state}")
        if self._left and not self._silent:
            raise OSError(_LEFT)
        chunk: bytes = message.get("body", b"")
        if (chunk or not self._begun) and not self._left:
            self._begun = True
            self._put(chunk)
        if not message.get("more_body", False):
            self._complete = True
            self._end_watches()
            self._put(End())
        else:
            await self._room()

    async def _room(self) -> None:
        """Wait until what was sent is no longer than `DEPTH` chunks ahead of the client."""
        while len(self._items) >= DEPTH and not self._left:
            self._sender = self._loop.waiter()
            await self._sender

    def _put(self, item: bytes | End) -> None:
        self._items.append(item)
        wake(self._taker)

    def _leave(self) -> None:
        self._left = True
        self._end_watches()
        wake(self._sender)

    def _end_watches(self) -> None:
        for scope in self._watches:
            scope.cancel()

    async def _reap(self) -> None:
        """Cancel an application that goes on for longer than the grace."""
        import anyio

        grace = self._request.app.grace
        with anyio.move_on_after(grace):
            await self._end()
        if not self._over:
            logger.warning("an ASGI application went on for %g seconds after its client had left", grace)
            self._task.cancel()

    async def _end(self) -> None:
        """Wait for the end of the application."""
        while not self._over:
            waiter = self._loop.waiter()
            self._ends.append(waiter)
            await waiter


_LEFT = "the client left before its answer was complete"
