"""What goes out through the ASGI door: one request on its loop, and the messages that its answer is sent as.

Knows ``send`` and what a request holds of its loop; must not know how a plan is run: `asgi` does that. `incoming` reads
what the server hands over.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from duoframe.bridge import Cancellable, Drive, Hop
from duoframe.core import deliver
from duoframe.dependencies import conclude
from duoframe.errors import ClientDisconnect
from duoframe.files import FileBody
from duoframe.incoming import Incoming
from duoframe.plan import Plan
from duoframe.relay import End
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.runtime import Runtime
from duoframe.threads import Admission
from duoframe.types import Message, Receive, Send

if TYPE_CHECKING:
    from duoframe.live import Live  # imported when there is one

AGAIN_AFTER = 0.1
"""Seconds between two cancellations of a clean-up that has had its time."""

logger = logging.getLogger("duoframe.error")


class Call:
    """One request on its loop: what it holds there, and the `Outlet` that its answer is sent through.

    The start of a stream waits for the first chunk, so that a stream that fails before it can still be answered with
    an error.
    """

    def __init__(self, request: Request, runtime: Runtime, receive: Receive, send: Send) -> None:
        self.request = request
        request._call = self
        self.runtime = runtime
        self.context = copy_context()
        self.admission: Admission | None = None
        self.incoming: Incoming | None = None
        self.started = False
        """Whether the answer is on its way and cannot be another one."""
        self.live: Live | None = None
        self.interruptions = 0
        """How often a cancellation reached the plan."""
        timeout = request.app.write_timeout
        self._receive = receive
        self._send = send if timeout is None else partial(_send_within, timeout, send)
        self._response: Response | None = None
        self._ended: End | None = None  # how the body of a stream ended
        self._told = False  # whether the body knows, by what it sent, that the client has left
        self._cancelled = False  # whether the body has been cancelled
        self._waiter: Any = None
        self._watched = False
        self.over = False
        """Whether the exchange is over."""

    @property
    def inside(self) -> bool:
        """Whether a thread is inside the plan still, which was left."""
        return self.admission is not None and self.admission.left

    def admit(self) -> Admission:
        """What the call holds of the worker threads."""
        if self.admission is None:
            self.admission = Admission(self.runtime.threads)
        return self.admission

    def hop(self, hop: Hop, drive: Drive) -> Coroutine[Any, Any, Any]:
        """Do a hop of the plan."""
        return self.admit().hop(hop, drive)

    async def answer(self, response: Response, message: Message | None = None) -> None:
        """Send an answer: the whole of it, or its start and ``message`` of its body. Raises `ClientDisconnect`."""
        status, fields, content = response.finish(self.request.method)
        headers = []
        for name, value in fields:
            headers.append((name.encode("latin-1"), value.encode("latin-1")))  # before 3.12 a comprehension is a call
        unread = self.incoming is not None and not self.incoming.ended
        if unread and self.request.http_version[:1] == "1":
            headers.append((b"connection", b"close"))  # what was not read must not pass for the next request
        self.started = True
        message = message or {"type": "http.response.body", "body": content, "more_body": False}
        try:
            await self._send({"type": "http.response.start", "status": status, "headers": headers})
            if unread:
                await self._more(message)
            else:
                await self._send(message)
        except OSError as error:  # HTTP spec 2.4
            raise await self._left() from error

    async def _left(self) -> ClientDisconnect:
        """What says that the client has left; whoever reads its request is told too."""
        if self._cancelled:  # it is on its way to this task, and must not come into a clean-up
            import anyio

            await anyio.sleep_forever()
        self._told = self.live is None or not self.live.beating
        if self.incoming is not None:
            self.incoming.close()
        return ClientDisconnect("the client left before its answer was complete")

    def begin(self, response: Response) -> bool:
        """Keep the start of a streamed answer until its first chunk."""
        self._response = response
        if response.heartbeat is not None and response.sends_body(self.request.method):
            from duoframe.live import Live

            self.live = Live(response.heartbeat, self._put, self.runtime.loop)
        return True

    async def send(self, chunk: bytes) -> None:
        await (self._put if self.live is None else self.live.send)(chunk)

    async def _put(self, chunk: bytes) -> None:
        response, self._response = self._response, None
        message = {"type": "http.response.body", "body": chunk, "more_body": True}
        if response is not None:
            await self.answer(response, message)
        else:
            await self._more(message)

    async def replace(self, response: Response, error: Exception) -> None:
        if self.live is not None:
            self.live.end()
        try:
            if self.started:  # by a heartbeat
                raise error
        finally:
            del error  # no cycle of error, traceback and frame
        self.begin(response)

    def body(self, plan: Plan, response: Response) -> Awaitable[None]:
        """What sends a streamed body from this loop."""
        return Drive(deliver(plan, self.request, response, self), self.context, self)

    async def send_file(self, receive: Receive, plan: Plan, response: Response, body: FileBody) -> None:
        """Let a server send a whole file that offers to, or send the blocks. Raises `ClientDisconnect`."""
        message = _whole(body, self.request._values.get("extensions") or {})
        if message is None:
            await self.stream(receive, response, self.body(plan, response))
            return
        try:
            await self.answer(response, message)
        finally:
            await self.runtime.threads.finish(body.close)

    async def stream(self, receive: Receive, response: Response, body: Awaitable[None]) -> None:
        """Await ``body``, which sends, and end the answer. Raises `ClientDisconnect` when the client leaves.

        ``body`` runs in a task of its own. It is cancelled when the client leaves or this call is cancelled, which
        reaches it once: what it awaits after that, to clean up, has the application's ``grace``.
        """
        import anyio

        self.begin(response)
        self.incoming = self.incoming or Incoming(receive, 0, None)
        live = self.live
        with anyio.CancelScope() as watching:  # a task group leaves cyclic garbage
            task = self.runtime.loop.spawn(self._run(body, watching.cancel))
            try:
                if live is not None:
                    live.begin(watching.cancel)
                await self.incoming.disconnect()
            except BaseException as error:
                cancelled = isinstance(error, self.runtime.loop.cancelled) and not watching.cancel_called
                if self._ended is None:
                    await self._break_off(task)
                if cancelled and live is not None:  # by a server that has waited for the end, and does no longer
                    await live.finish(self._finish)
                raise
        self._ended.reraise()  # type: ignore[union-attr]  # what else would have ended the watch
        if live is None:
            await self._finish()
        else:
            await live.conclude(self._finish)

    def client_left(self) -> bool:
        """Whether the client is known to have left; from the first call on, on any thread, it is watched."""
        if not self._watched:
            self._watched = True
            self.runtime.loop.post(self._watch)
        return self.incoming is not None and self.incoming.gone

    async def departure(self) -> None:
        """Wait until the client has left."""
        self.incoming = self.incoming or Incoming(self._receive, 0, None)
        try:
            await self.incoming.disconnect()
        except ClientDisconnect:
            pass

    async def _run(self, body: Awaitable[None], ended: Callable[[], object]) -> None:
        """Await ``body`` and note how it ended: whatever it raises belongs to the call, not to this task."""
        end = End()
        try:
            await body
        except BaseException as error:
            end = End(error)
        self._ended = end
        ended()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _break_off(self, task: Cancellable) -> None:
        """Cancel the body and wait for its clean-up; past the grace period it is cancelled again and again."""
        import anyio

        loop, within, late = self.runtime.loop, self.request.app.grace, False
        self.incoming.close()  # type: ignore[union-attr]  # `stream` has one
        while self._ended is None:
            loop.post(self._cancel, task, late)  # by then it has begun: otherwise it could not say that it has ended
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + within) as scope:
                self._waiter = loop.waiter()
                try:
                    await self._waiter
                except loop.cancelled:
                    pass  # the time is up, or somebody cancels again
            if scope.cancel_called and not late:
                logger.warning("the clean-up of %r took longer than %g seconds", self.request, within)
                within, late = AGAIN_AFTER, True
        self._ended.error = None
        self._cancelled = False

    def _cancel(self, task: Cancellable, late: bool) -> None:
        if late or not self._told:
            self._cancelled = True
            task.cancel()

    def tell_swallowed(self, expected: int) -> None:
        """Warn when the plan went on after ``expected`` cancellations."""
        if self.interruptions >= expected <= self.runtime.loop.cancellations():
            logger.warning("%r went on after it had been cancelled", self.request)

    async def leave(self, error: BaseException | None) -> None:
        """Leave the dependencies of an answer that has gone out, or has been broken off by ``error``.

        Past a cancellation they have the application's ``grace``.
        """
        work = Drive(conclude(self.request, error), self.context, self)
        if not isinstance(error, self.runtime.loop.cancelled):
            await work
            return
        import anyio

        self.runtime.loop.absorb()
        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + self.request.app.grace):
            await work

    def free_token(self) -> None:
        """Let others have the place of an exchange whose thread only waits for its client, where streams have one."""
        request = self.request
        if not request._holds_stream and self.runtime.threads.streams.take():
            request._holds_stream = True
        if request._holds_stream:
            self.admit().to_stream()

    async def _leave_late(self) -> None:
        await self.leave(ClientDisconnect("the client left before its answer was complete"))
        self.admit().leave()
        self.end()

    def end(self) -> None:
        """Let go of what the request holds and start its background work."""
        if self.request._exits:  # a thread was inside when the exchange was left
            self.runtime.loop.spawn(self._leave_late())
            return
        tasks = self.request._tasks
        self.request._end()
        if tasks:
            self.runtime.start_tasks(tasks, self.context)

    def interrupted(self, error: BaseException) -> BaseException:
        """Count a cancellation that reaches the plan."""
        if isinstance(error, self.runtime.loop.cancelled):
            self.interruptions += 1
        return error

    def _watch(self) -> None:
        if not self.over:
            self.incoming = self.incoming or Incoming(self._receive, 0, None)
            self.incoming.watch(self.runtime.loop)

    async def _finish(self) -> None:
        """Send the end of a streamed answer, and all of it where nothing has been sent."""
        if self._response is not None:
            await self.answer(self._response)
        else:
            await self._more({"type": "http.response.body", "body": b"", "more_body": False})

    async def _more(self, message: Message) -> None:
        """Send a message of the body; with the last one, take away what was not read of the request.

        A server with a full queue of it (hypercorn) would wait for that, and this call for the server.
        """
        incoming, drain = self.incoming, None
        if not message.get("more_body") and incoming is not None and not incoming.ended:
            drain = self.runtime.loop.spawn(incoming.discard())
        try:
            await self._send(message)
        except OSError as error:
            raise await self._left() from error
        finally:
            if drain is not None:
                drain.cancel()


def _whole(body: FileBody, extensions: Mapping[str, Any]) -> Message | None:
    """The message by which a server sends a whole file by itself, where it is one and the server offers that."""
    if body.whole and "http.response.zerocopysend" in extensions:
        return {"type": "http.response.zerocopysend", "file": body, "offset": 0, "count": body.size}
    if body.path is not None and "http.response.pathsend" in extensions:
        return {"type": "http.response.pathsend", "path": body.path}
    return None


async def _send_within(seconds: float, send: Send, message: Message) -> None:
    """Send a message; `TimeoutError`, which is an `OSError`, when nobody takes it in time."""
    import anyio

    with anyio.fail_after(seconds):
        await send(message)
