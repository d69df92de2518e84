"""The ASGI door (ASGI 3.0, HTTP spec 2.5): where a plan runs on an event loop, and an answer sent as messages.

An async plan, and one that never blocks, is awaited on the server's loop; a sync plan is stepped whole on one worker
thread, its streamed body too. `incoming` reads what the server hands over; `wsgi` is the other door.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

from duoframe.bridge import Cancellable, Drive, Hop, step
from duoframe.core import bring_to_thread, deliver, enter_gate, exchange, last_resort, leave_gate, not_started, respond
from duoframe.errors import ClientDisconnect
from duoframe.files import FileBody
from duoframe.incoming import Incoming, let_go, read_request, take_in
from duoframe.plan import Colour, Plan
from duoframe.relay import Closed, End, ToLoop, iterate
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.runtime import Runtime
from duoframe.threads import LEAVE_AFTER, Admission, Job
from duoframe.types import Message, Receive, Scope, Send

if TYPE_CHECKING:
    from duoframe.live import Live  # imported when there is one

AGAIN_AFTER = 0.1
"""Seconds between two cancellations of a clean-up that has had its time."""

logger = logging.getLogger("duoframe.error")


async def serve(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one ASGI call for ``app``. Raises `RuntimeError` for a scope type that the specification does not name."""
    runtime = app.runtimes.get(asyncio._get_running_loop()) or app.runtime()
    if scope["type"] != "http":
        await _OTHERS.get(scope["type"], _refuse)(app, runtime, scope, receive, send)
        return
    request, length = read_request(app, runtime, scope)
    call = Call(request, runtime, receive, send)
    if not app.life.up and not await _start(app, runtime, call):
        return
    plan = app.find(request)
    worker: Worker | None = None
    try:
        try:
            if plan.gate is not None and not call.context.run(enter_gate, plan, request):
                call.incoming = Incoming(receive, 0 if length == 0 else None, None)
            elif length != 0 or plan.stream:
                plan, call.incoming = await take_in(plan, request, length, receive, runtime)
            if plan.colour is Colour.SYNC:
                await call.admit().enter()
                worker = Worker(plan, call)
        except BaseException as error:
            response = call.context.run(leave_gate, plan, request, error)
        else:
            if worker is not None:
                response = await worker.first()
            else:
                response = await Drive(respond(plan, request), call.context, call, None, call.interrupted)
        if call.interruptions:
            call.tell_swallowed(1)
        if response.stream is None:
            if call.admission is not None:
                call.admission.leave()  # who reads slowly must not keep others from the threads
            await call.answer(response)
        elif isinstance(response.stream, FileBody):
            call.admit().to_file()
            await call.send_file(receive, plan, response, response.stream)
        else:
            call.admit().to_stream()
            await call.stream(receive, response, worker.pump() if worker is not None else call.body(plan, response))
    except (ClientDisconnect, Closed):
        pass
    except (Exception, SystemExit) as error:  # one request must not end a server that answers others
        if call.started:
            if isinstance(error, SystemExit):
                raise RuntimeError(f"{request!r} exited in the middle of its answer") from error
            raise
        with contextlib.suppress(ClientDisconnect):
            await call.answer(last_resort(request, error))
    except runtime.loop.cancelled:
        call.tell_swallowed(2)
        raise
    finally:
        call.over = True
        if call.live is not None:
            call.live.end()
            call.live = None  # they know each other
        if call.incoming is not None:
            call.incoming.close()
        if worker is None or await worker.ended():
            if request._body is not None and request._body.on_disk and not call.inside:
                await let_go(request._body, runtime.threads)
            if call.admission is None:
                call.end()
            else:
                call.admission.conclude(call.end)


async def _start(app: Any, runtime: Runtime, call: Call) -> bool:
    """Start an application whose server sends no lifespan, before its first request; whether that worked."""
    try:
        await app.ensure_started(runtime)
    except Exception as error:
        with contextlib.suppress(ClientDisconnect):
            await call.answer(not_started(call.request, error))
        return False
    return True


async def _serve_lifespan(app: Any, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    """Start and stop as the server says (ASGI lifespan spec 2.0)."""
    await receive()
    phase = "startup"

    async def ready() -> None:
        nonlocal phase
        if "state" in scope:
            scope["state"].update(vars(app.state))
        await send({"type": "lifespan.startup.complete"})
        phase = "shutdown"

    try:
        started, mine = app.life.claim()
        if mine:
            app.compile()
            await app.life.live(runtime, started, ready, receive)
        else:
            await app.ensure_started(runtime)
            await ready()
            await receive()
    except Exception as error:
        logger.exception("%s failed", phase)
        await send({"type": f"lifespan.{phase}.failed", "message": f"{type(error).__name__}: see the log"})
    else:
        await send({"type": "lifespan.shutdown.complete"})
    finally:
        runtime.threads.close()


async def _close_websocket(app: Any, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket before it is accepted: the server answers 403."""
    await receive()
    await send({"type": "websocket.close", "code": 1000})


async def _refuse(app: Any, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(f"expected a scope of type http, websocket or lifespan, got {scope['type']!r}")


_OTHERS = {"lifespan": _serve_lifespan, "websocket": _close_websocket}


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
        if response.heartbeat is not None:
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
                if self._ended is None:
                    await self._break_off(task)
                if live is not None and isinstance(error, self.runtime.loop.cancelled) and not watching.cancel_called:
                    await live.finish(self._finish)  # the server has waited for the end, and does no longer
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

    def end(self) -> None:
        """Let go of what the request holds and start its background work."""
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


class Worker:
    """A sync plan on its worker thread; the `Outlet` that the thread sends a streamed body through."""

    def __init__(self, plan: Plan, call: Call) -> None:
        self._call = call
        self._threads = call.runtime.threads
        self._job = Job(self._work, plan)
        self._relay: ToLoop | None = None
        self._response: Response | None = None
        self._done = True
        self._unwanted = False

    async def first(self) -> Response:
        """Start the thread and wait for its answer; raises what the plan raises."""
        response: Response = await self._threads.run(self._job, leave=True)
        return response

    async def pump(self) -> None:
        """Take the body from the thread and send it."""
        call = self._call
        while True:
            item = await self._relay.get()  # type: ignore[union-attr]  # `begin` came first
            if type(item) is bytes:
                await call.send(item)
            elif isinstance(item, End):
                item.reraise()
                return
            else:
                await call.replace(*item)

    async def ended(self) -> bool:
        """Whether the thread has let go; if it has not within a moment, it concludes the request when it does.

        It has the time that an `async def` stream takes to clean up, too: that is no step which nothing can stop.
        """
        job = self._job
        self._unwanted = True
        if self._relay is not None:
            self._relay.close()
            within = LEAVE_AFTER
            if isinstance(stream := self._response.stream, iterate):  # type: ignore[union-attr]  # `begin` set both
                stream.interrupt()
                within += self._call.request.app.grace
            if not job.finished and not job.left:
                await self._threads.settle(job, within)
        if job.left and not job.finished:
            job.on_finish = partial(self._call.admit().conclude, self._call.end)
            return False
        return True

    def begin(self, response: Response) -> bool:
        if isinstance(response.stream, FileBody):
            self._done = False
            return False  # the loop sends it: who reads slowly must not keep a thread
        bring_to_thread(self._call.request, response)
        self._response = response
        self._relay = ToLoop(self._call.runtime.loop)
        if self._unwanted:  # the exchange was left before its answer turned out to be a stream
            self._relay.close()
        self._threads.answer(self._job, response)
        return True

    async def send(self, chunk: bytes) -> None:
        self._relay.put(chunk)  # type: ignore[union-attr]  # as above

    async def replace(self, response: Response, error: Exception) -> None:
        self._relay.put((response, error))  # type: ignore[union-attr]  # as above

    def _work(self, plan: Plan) -> Response:
        end = End()
        try:
            response = self._call.context.run(step, exchange(plan, self._call.request, self))
        except BaseException as error:
            if self._response is None:
                raise
            end, response = End(error), self._response  # the loop may not yet have taken what `begin` answered
        finally:
            if self._done and self._call.request._body is not None:
                self._call.request._body.close()  # here, where it may reach the disk
        if self._relay is not None:
            self._relay.end(end)
        return response
