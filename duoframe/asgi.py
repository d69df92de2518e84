"""The ASGI door (ASGI 3.0, HTTP spec 2.5): from a scope to a request, from an answer to messages.

An async plan, and one that never blocks, is awaited on the server's loop; a sync plan is stepped whole on one worker
thread, its streamed body too. `wsgi` is the other door.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from contextvars import Context, copy_context
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from duoframe.body import Body, content_length
from duoframe.bridge import Drive, step
from duoframe.core import deliver, enter_gate, exchange, last_resort, not_started, respond
from duoframe.datastructures import Headers
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.plan import Colour, Plan
from duoframe.relay import Closed, End, ToLoop, call
from duoframe.requests import BodyStream, Facts, Request
from duoframe.responses import Response
from duoframe.runtime import Runtime
from duoframe.threads import Admission, Job
from duoframe.types import Message, Receive, Scope, Send

logger = logging.getLogger("duoframe.error")


async def serve(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one ASGI call for ``app``. Raises `RuntimeError` for a scope type that the specification does not name."""
    runtime = app.runtimes.get(asyncio._get_running_loop()) or app.runtime()
    if scope["type"] == "http":
        await _serve_http(app, runtime, scope, receive, send)
    elif scope["type"] == "lifespan":
        await _serve_lifespan(app, runtime, scope, receive, send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
    else:
        raise RuntimeError(f"expected a scope of type http, websocket or lifespan, got {scope['type']!r}")


async def _serve_http(app: Any, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    request = _request(app, runtime, scope)
    sender = Sender(request, send)
    if not app.life.up and not await _start(app, runtime, sender):
        return
    plan = app.find(request)
    context = copy_context()
    admission = Admission(runtime.threads)
    worker = None
    try:
        if plan.gate is None or context.run(enter_gate, plan, request):
            plan, sender.incoming = await _receive(plan, request, scope, receive, runtime)
        else:
            sender.incoming = _unread(scope, receive)
        if plan.colour is Colour.SYNC:
            await admission.enter()
            worker = Worker(plan, request, context, runtime, admission)
            response = await worker.first()
        else:
            response = await Drive(respond(plan, request), context, admission)
        if response.stream is None:
            await sender.whole(response)
        else:
            admission.to_stream()
            sender.begin(response)
            body = worker.pump(sender) if worker else Drive(deliver(plan, request, response, sender), context, admission)
            await _until_disconnect(sender.incoming or Incoming(receive, 0, None), body)
            await sender.finish()
    except (ClientDisconnect, Closed):
        pass
    except (Exception, SystemExit) as error:  # one request must not end a server that answers others
        if sender.started:
            raise
        await sender.whole(last_resort(request, error))
    finally:
        if worker is None or await worker.ended():
            admission.leave()
            _conclude(request, runtime, context)


async def _start(app: Any, runtime: Runtime, sender: Sender) -> bool:
    """Start an application whose server sends no lifespan, before its first request; whether that worked."""
    try:
        await app.ensure_started(runtime)
    except Exception as error:
        with contextlib.suppress(ClientDisconnect):
            await sender.whole(not_started(error))
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


def _conclude(request: Request, runtime: Runtime, context: Context) -> None:
    tasks = request._tasks
    request._end()
    if tasks:
        runtime.start_tasks(tasks, context)


class Sender:
    """Sends one answer; the `Outlet` of a plan that runs on the server's loop.

    The start waits for the first chunk, so that a stream that fails before it can still be answered with an error.
    """

    stepped = False

    def __init__(self, request: Request, send: Send) -> None:
        self.incoming: Incoming | None = None
        self.started = False
        self._request = request
        self._send = send
        self._response: Response | None = None

    async def whole(self, response: Response) -> None:
        """Send an answer that is no stream. Raises `ClientDisconnect` when nobody takes it."""
        await self._start(response)
        empty = self._request.method == "HEAD" or response.bodyless
        await self._message({"type": "http.response.body", "body": b"" if empty else response.body})

    def begin(self, response: Response) -> None:
        """Keep the start of a streamed answer until its first chunk."""
        self._response = response

    async def send(self, chunk: bytes) -> None:
        if self._response is not None:
            await self._start(self._response)
        await self._message({"type": "http.response.body", "body": chunk, "more_body": True})

    async def replace(self, response: Response, error: Exception) -> None:
        self._response = response
        if response.body and self._request.method != "HEAD":
            await self.send(response.body)

    async def finish(self) -> None:
        """End a streamed answer."""
        if self._response is not None:
            await self._start(self._response)
        await self._message({"type": "http.response.body", "body": b""})

    async def _start(self, response: Response) -> None:
        self._response = None
        self.started = True
        headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in response.fields(self._request.method)
        ]
        if self.incoming is not None and not self.incoming.ended and self._request.http_version[:1] == "1":
            headers.append((b"connection", b"close"))  # what was not read must not pass for the next request
        await self._message({"type": "http.response.start", "status": response.status, "headers": headers})

    async def _message(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:  # HTTP spec 2.4: the client has gone
            raise ClientDisconnect("the client left before its answer was complete") from error


class Worker:
    """A sync plan on its worker thread; the `Outlet` that the thread sends a streamed body through."""

    stepped = True

    def __init__(
        self, plan: Plan, request: Request, context: Context, runtime: Runtime, admission: Admission
    ) -> None:
        self._request = request
        self._context = context
        self._runtime = runtime
        self._admission = admission
        self._relay: ToLoop | None = None
        self._job = Job(self._work, plan)

    async def first(self) -> Response:
        """Start the thread and wait for its answer; raises what the plan raises."""
        response: Response = await self._runtime.threads.run(self._job, leave=True)
        return response

    async def pump(self, sender: Sender) -> None:
        """Take the body from the thread and send it."""
        relay = self._relay
        while relay is not None:
            item = await relay.get()
            if type(item) is bytes:
                await sender.send(item)
            elif isinstance(item, End):
                item.reraise()
                return
            else:
                await sender.replace(*item)

    async def ended(self) -> bool:
        """Whether the thread has let go; if it has not within a moment, it concludes the request when it does."""
        job = self._job
        if self._relay is not None and not job.finished and not job.left:
            self._relay.close()
            await self._runtime.threads.settle(job, leave=True)
        if job.left:
            job.on_finish = self._conclude
            return False
        return True

    def begin(self, response: Response) -> None:
        self._relay = ToLoop(self._runtime.loop)
        self._runtime.threads.answer(self._job, response)

    async def send(self, chunk: bytes) -> None:
        self._relay.put(chunk)  # type: ignore[union-attr]  # `begin` comes first

    async def replace(self, response: Response, error: Exception) -> None:
        self._relay.put((response, error))  # type: ignore[union-attr]  # as above

    def _work(self, plan: Plan) -> Response | None:
        try:
            response = self._context.run(step, exchange(plan, self._request, self))
        except BaseException as error:
            if self._relay is None:
                raise
            self._relay.end(End(error))
            return None
        if self._relay is not None:
            self._relay.end(End())
        return response

    def _conclude(self) -> None:
        self._admission.leave()
        _conclude(self._request, self._runtime, self._context)


class Incoming:
    """The body of one request, taken from ``receive``."""

    def __init__(self, receive: Receive, length: int | None, limit: int | None) -> None:
        self.ended = length == 0
        self._receive = receive
        self._limit = limit
        self._received = 0
        self._gone = False
        self._turn: Any = None

    async def read(self) -> bytes:
        """The next chunk, ``b""`` at the end.

        Raises `ClientDisconnect` when the client leaves, `HTTPException` 413 past the limit. Tasks that read at the
        same time take turns.
        """
        import anyio

        if self._turn is None:
            self._turn = anyio.Lock()
        async with self._turn:
            return await self.next()

    async def next(self) -> bytes:
        """`read` for a caller that is alone."""
        while not self.ended:
            message = await self._event()
            chunk: bytes = message.get("body", b"")
            self.ended = not message.get("more_body", False)
            self._received += len(chunk)
            if self._limit is not None and self._received > self._limit:
                raise HTTPException(413, f"the body is larger than {self._limit} bytes")
            if chunk:
                return chunk
        return b""

    async def disconnect(self) -> None:
        """Wait until the client has left; what it still sends of its body is dropped."""
        while True:
            try:
                await self._event()
            except ClientDisconnect:
                return

    async def _event(self) -> Message:
        if not self._gone:
            message = await self._receive()
            if message["type"] == "http.request":
                return message
            if message["type"] != "http.disconnect":
                raise RuntimeError(f"expected http.request or http.disconnect, got {message['type']!r}")
            self._gone = True
        raise ClientDisconnect("the client left before its request was complete")


class ScopeSource:
    """Reads header fields and connection facts from a scope."""

    def headers(self, scope: Scope) -> Headers:
        """The fields; a name with an underscore, which a WSGI server could not tell from a dash, is dropped."""
        return Headers(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in scope["headers"]
            if b"_" not in name
        )

    def facts(self, scope: Scope) -> Facts:
        """The facts; whatever the specification makes optional may be missing."""
        client, server = scope.get("client"), scope.get("server")
        return Facts(
            scheme=scope.get("scheme") or "http",
            client=None if client is None else (client[0], client[1]),
            server=None if server is None else (server[0], server[1]),
            root_path=(scope.get("root_path") or "").rstrip("/"),
            raw_path=_raw_path(scope),
            http_version=scope.get("http_version", "1.1"),
        )


SOURCE = ScopeSource()


def _request(app: Any, runtime: Runtime, scope: Scope) -> Request:
    path: str = scope["path"] or "/"
    root_path = scope.get("root_path")
    if root_path:
        root_path = root_path.rstrip("/")
        if path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in ("/", ""):
            path = path[len(root_path) :] or "/"
    refusal = None
    if not path.isascii() and not _is_utf8(path, scope):
        refusal, path = HTTPException(400, "expected a path in UTF-8"), "/"
    if type(scope["headers"]) is not list:
        scope = {**scope, "headers": list(scope["headers"])}  # it may be an iterator, which can be walked once
    request = Request(app, scope["method"], path, scope.get("query_string", b""), SOURCE, scope)
    request._loop = runtime.get_loop
    request._streams = runtime.threads.streams
    request._refusal = refusal
    return request


async def _receive(
    plan: Plan, request: Request, scope: Scope, receive: Receive, runtime: Runtime
) -> tuple[Plan, Incoming | None]:
    """Read the body within its limits; the plan to go on with, and what may be left unread."""
    try:
        length = _length(scope)
    except HTTPException as refusal:
        request._refusal = refusal
        return plan.refuse, Incoming(receive, None, None)
    limits = plan.limits
    request._limits = limits
    if plan.stream:
        incoming = Incoming(receive, length, limits.max_body_size)
        request._stream = BodyStream(lambda: call(runtime.loop, incoming.read), incoming.read)
        request._body_unread = "the route has stream=True: walk `request.stream`"
        return plan, incoming
    if length == 0:
        return plan, None
    incoming = Incoming(receive, length, None)
    body = None
    try:
        body = Body(_field(scope, b"content-type"), limits, length)
        while chunk := await incoming.next():
            if body.touches_disk:
                await runtime.threads.run(Job(body.feed, chunk))
            else:
                body.feed(chunk)
        body.finish()
    except HTTPException as refusal:
        request._refusal = refusal
    except BaseException:
        if body is not None:
            body.close()
        raise
    else:
        request._body = body
        return plan, None
    request._body_unread = "the body was refused before it was complete"
    return plan.refuse, incoming


def _unread(scope: Scope, receive: Receive) -> Incoming | None:
    """The body that a gate did not let in."""
    try:
        length = _length(scope)
    except HTTPException:
        length = None
    return None if length == 0 else Incoming(receive, length, None)


def _length(scope: Scope) -> int | None:
    """Bytes of the body; None where only the messages tell. Raises `HTTPException` 400."""
    length = None
    chunked = False
    for name, value in scope["headers"]:
        if len(name) == 14 and name.lower() == b"content-length":
            if length is not None and length != value:
                raise HTTPException(400, "expected one content-length")
            length = value
        elif len(name) == 17 and name.lower() == b"transfer-encoding":
            chunked = True
    if length is not None and not chunked:
        return content_length(length.decode("latin-1"))
    if chunked or (scope.get("http_version", "1.1")[:1] != "1" and scope["method"] not in ("GET", "HEAD")):
        return None
    return 0


def _field(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name.lower() == wanted:
            return value.decode("latin-1")  # type: ignore[no-any-return]  # header values are bytes
    return ""


def _is_utf8(path: str, scope: Scope) -> bool:
    """Whether the path was UTF-8 before the server decoded it, as far as it can be told."""
    try:
        path.encode()
        if "\ufffd" in path:
            unquote_to_bytes(scope.get("raw_path") or b"\xff").decode()
    except UnicodeError:
        return False
    return True


def _raw_path(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    if raw:
        return raw.partition(b"?")[0]
    return quote(scope["path"], safe="/:@!$&'()*+,;=~", errors="replace").encode("ascii")


async def _until_disconnect(incoming: Incoming, body: Awaitable[None]) -> None:
    """Await ``body``, cancelled when the client leaves; then raises `ClientDisconnect`."""
    if not incoming.ended:
        await body  # whoever reads the request will be told
        return
    import anyio

    failed: BaseException | None = None
    gone = False
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            nonlocal gone
            await incoming.disconnect()
            gone = True
            group.cancel_scope.cancel()

        group.start_soon(watch)
        try:
            await body
        except Exception as error:  # a task group would wrap it
            failed = error
        group.cancel_scope.cancel()
    try:
        if failed is not None:
            raise failed
        if gone:
            raise ClientDisconnect("the client left before its answer was complete")
    finally:
        failed = None
