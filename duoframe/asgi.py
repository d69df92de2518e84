"""The ASGI door (ASGI 3.0, HTTP spec 2.5): where a plan runs on an event loop, and an answer sent as messages.

An async plan, and one that never blocks, is awaited on the server's loop; a sync plan is stepped whole on one worker
thread, its streamed body too. `incoming` reads what the server hands over, `outgoing` sends; `wsgi` is the other door.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from queue import SimpleQueue
from typing import Any

from duoframe import handshakes
from duoframe.bridge import Drive, step
from duoframe.core import bring_to_thread, enter_gate, exchange, last_resort, leave_gate, not_started, respond
from duoframe.errors import ClientDisconnect
from duoframe.files import FileBody
from duoframe.incoming import Incoming, let_go, read_request, take_in
from duoframe.outgoing import Call
from duoframe.pieces import Colour
from duoframe.plan import Plan
from duoframe.relay import Closed, End, ToLoop, iterate, wait_for
from duoframe.responses import Response
from duoframe.runtime import Runtime
from duoframe.threads import LEAVE_AFTER, Job
from duoframe.types import Receive, Scope, Send

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
    if plan.foreign is not None and plan.foreign.asgi is not None:
        await plan.foreign.call_asgi(request, scope, receive, send)
        return
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
        if request._exits:
            await _send_and_leave(call, receive, plan, response, worker)
        elif response.stream is not None:
            await _send_stream(call, receive, plan, response, worker)
        else:
            if call.admission is not None:
                call.admission.leave()  # who reads slowly must not keep others from the threads
            await call.answer(response)
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


async def _send_and_leave(call: Call, receive: Receive, plan: Plan, response: Response, worker: Worker | None) -> None:
    """Send an answer whose dependencies wait for that, and leave them."""
    error: BaseException | None = None
    try:
        if response.stream is not None:
            await _send_stream(call, receive, plan, response, worker)
        else:
            if worker is not None:
                call.free_token()
            elif call.admission is not None:
                call.admission.to_stream()  # leaving them must not wait for a token
                call.admission.leave()
            await call.answer(response)
    except BaseException as raised:
        error = raised
        raise
    finally:
        if worker is not None:
            await worker.leave(error is None)
        elif not call.inside:
            await call.leave(error)
        error = None


async def _send_stream(call: Call, receive: Receive, plan: Plan, response: Response, worker: Worker | None) -> None:
    """Send an answer whose body is made while it goes out: by the worker, on this loop, or out of a file."""
    body = response.stream
    if isinstance(body, FileBody) and (worker is None or not worker.streams):
        call.admit().to_file()
        await call.send_file(receive, plan, response, body)
        return
    if isinstance(body, FileBody):
        call.free_token()
    else:
        call.admit().to_stream()
    await call.stream(receive, response, worker.pump() if worker is not None else call.body(plan, response))


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


async def _refuse(app: Any, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    raise RuntimeError(f"expected a scope of type http, websocket or lifespan, got {scope['type']!r}")


_OTHERS = {"lifespan": _serve_lifespan, "websocket": handshakes.serve}


class Worker:
    """A sync plan on its worker thread; the `Outlet` that the thread sends a streamed body through."""

    streams = False
    """Whether the thread makes the body while it goes out."""
    closed = False

    def __init__(self, plan: Plan, call: Call) -> None:
        self._call = call
        self._threads = call.runtime.threads
        self._job = Job(self._work, plan)
        self._relay: ToLoop | None = None
        self._response: Response | None = None
        self._done = True
        self._outcomes: SimpleQueue[bool] = SimpleQueue()

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
        self.closed = True
        self._outcomes.put(False)
        if self._relay is not None:
            self._relay.close()
        if self._response is not None:
            within = LEAVE_AFTER
            if isinstance(stream := self._response.stream, iterate):
                stream.interrupt()
                within += self._call.request.app.grace
            if not job.finished and not job.left:
                await self._threads.settle(job, within)
        if job.left and not job.finished:
            job.on_finish = partial(self._call.admit().conclude, self._call.end)
            return False
        return True

    async def leave(self, complete: bool) -> None:
        """Have the thread leave the dependencies; wait for that where the answer went out ``complete``."""
        self._outcomes.put(complete)
        if complete:
            await self._threads.settle(self._job, float("inf"))

    def begin(self, response: Response) -> bool:
        held = self._call.request._exits  # then the thread stays until all has been sent
        self.streams = response.stream is not None and (held is not None or not isinstance(response.stream, FileBody))
        if self.streams:
            bring_to_thread(self._call.request, response)
            self._relay = ToLoop(self._call.runtime.loop)
            if self.closed:  # the exchange was left before its answer turned out to be a stream
                self._relay.close()
        elif not held:
            self._done = False
            return False  # the loop sends it: who reads slowly must not keep a thread
        self._response = response
        self._threads.answer(self._job, response)
        return self.streams

    async def sent(self) -> None:
        if self._relay is not None:
            self._relay.end(End())
        if not wait_for(self._outcomes, self._call.runtime.loop):
            raise ClientDisconnect("the client left before its answer was complete")

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
