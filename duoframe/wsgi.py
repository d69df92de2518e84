"""The WSGI door (PEP 3333): from an environ to a request, from an answer to ``start_response`` and an iterable.

A sync plan is stepped on the server's own thread, its streamed body too; an async plan runs whole on the app's
portal, and the server's thread takes from it what it sends. `asgi` is the other door.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Coroutine, Generator, Iterable, Iterator
from contextvars import Context, copy_context
from queue import Empty
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from duoframe.body import Body, content_length
from duoframe.bridge import Drive, Hop, proceed, step
from duoframe.core import close_stream, deliver, enter_gate, exchange, last_resort, not_started, respond
from duoframe.datastructures import Headers
from duoframe.errors import ClientDisconnect, HTTPException, reason
from duoframe.plan import Colour, Plan
from duoframe.relay import Closed, End, ToThread
from duoframe.requests import BodyStream, Facts, Request
from duoframe.responses import Response
from duoframe.threads import Admission, Job
from duoframe.types import Environ, StartResponse

READ_SIZE = 65536
"""Bytes asked of ``wsgi.input`` at a time, and the most of an ignored body that is read away."""

DECHUNKING = ("gunicorn/", "waitress", "granian")
"""How the names begin of servers whose ``wsgi.input`` ends where a chunked body ends without their saying so."""

logger = logging.getLogger("duoframe.error")


def serve(app: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one WSGI call for ``app``."""
    if not app.life.up and (refused := _start(app, start_response)) is not None:
        return refused
    request = _request(app, environ)
    plan = app.find(request)
    context = copy_context()
    answer: _Answer | None = None
    entry = None
    try:
        if plan.gate is None or context.run(enter_gate, plan, request):
            plan, entry = _receive(plan, request, environ)
        else:
            entry = _unread(environ)
        if plan.colour is Colour.ASYNC:
            answer = _PortalAnswer(request, context, entry, start_response)
            response = answer.first(plan, app.portal)
        else:
            response = context.run(step, respond(plan, request))
            if response.stream is not None:
                answer = _SteppedAnswer(request, context, entry, start_response, plan, response)
    except BaseException as error:
        if not isinstance(error, Exception | asyncio.CancelledError):
            request._end()
            raise
        response, answer = last_resort(request, error), None
    start_response(status_line(response), response.fields(request.method))
    if response.stream is None:
        body = [] if request.method == "HEAD" or response.bodyless or not response.body else [response.body]
        if request._tasks is None and entry is None and not environ.get("wsgi.run_once"):
            request._end()
            return body
        answer = _Answer(request, context, entry, body)
    assert answer is not None  # noqa: S101
    return answer


def _start(app: Any, start_response: StartResponse) -> Iterable[bytes] | None:
    """Start the application before its first request; the answer when that fails."""
    try:
        app.startup()
    except Exception as error:
        refusal = not_started(error)
        start_response(status_line(refusal), refusal.fields())
        return [refusal.body]
    return None


def status_line(response: Response) -> str:
    """The status as WSGI wants it: ``"200 OK"``."""
    return f"{response.status} {reason(response.status)}"


class Input:
    """The body of one request, read from ``wsgi.input`` by nothing but ``read(n)``."""

    def __init__(self, environ: Environ, length: int | None, limit: int | None) -> None:
        self._read = environ["wsgi.input"].read
        self._left = length
        self._limit = limit
        self._received = 0
        self._ended = length == 0

    def read(self) -> bytes:
        """The next chunk, ``b""`` at the end.

        Raises `ClientDisconnect` where the input ends early or fails, `HTTPException` 413 past the limit.
        """
        if self._ended:
            return b""
        size = READ_SIZE if self._left is None else min(READ_SIZE, self._left)
        try:
            chunk: bytes = self._read(size)
        except OSError as error:
            self._ended = True
            raise ClientDisconnect("the client left before its request was complete") from error
        self._received += len(chunk)
        if not chunk:
            self._ended = True
            if self._left:
                raise ClientDisconnect(f"the client sent {self._left} bytes less than it announced")
        elif self._left is not None:
            self._left -= len(chunk)
            self._ended = not self._left
        if self._limit is not None and self._received > self._limit:
            raise HTTPException(413, f"the body is larger than {self._limit} bytes")
        return chunk

    def drain(self) -> None:
        """Read away what an answer left unread, up to `READ_SIZE` bytes in all."""
        self._limit = None
        until = self._received + READ_SIZE
        try:
            while not self._ended and self._received < until:
                self.read()
        except ClientDisconnect:
            pass


class EnvironSource:
    """Reads header fields and connection facts from an environ."""

    def headers(self, environ: Environ) -> Headers:
        """The fields; the CGI keys hold what the server made of the two content fields."""
        pairs = []
        for key, value in environ.items():
            if key[:5] == "HTTP_":
                name = key[5:].replace("_", "-").lower()
                if name != "content-type" and name != "content-length":
                    pairs.append((name, value))
        for key, name in (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length")):
            if value := environ.get(key):
                pairs.append((name, value))
        return Headers(pairs)

    def facts(self, environ: Environ) -> Facts:
        """The facts; whatever a server leaves out is `None` or empty."""
        get = environ.get
        name, port, address = get("SERVER_NAME", ""), get("SERVER_PORT", ""), get("REMOTE_ADDR")
        peer_port = get("REMOTE_PORT", "")
        return Facts(
            scheme=get("wsgi.url_scheme", "http"),
            client=(address, _number(peer_port)) if address else None,
            server=(name or port, _number(port) if name else None) if name or port else None,
            root_path=(_decode(get("SCRIPT_NAME", "")) or "").rstrip("/"),
            raw_path=_raw_path(environ),
            http_version=get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
        )


SOURCE = EnvironSource()


class _Answer(Iterator[bytes]):
    """The iterable that a server walks and closes: a whole body, and what remains to be done after it."""

    def __init__(self, request: Request, context: Context, entry: Input | None, body: list[bytes]) -> None:
        self._request = request
        self._context = context
        self._entry = entry
        self._body = body
        self._closed = False

    def __next__(self) -> bytes:
        if self._closed or not self._body:
            raise StopIteration
        return self._body.pop()

    def close(self) -> None:
        """Release what the answer holds, then start the request's background work. Never raises."""
        if self._closed:
            return
        self._closed = True
        app, tasks = self._request.app, self._request._tasks
        run_once = False
        try:
            self._stop()
            if self._entry is not None:
                self._entry.drain()
        except Exception:
            logger.exception("error while the answer to %r was closed", self._request)
        run_once = self._request._values.get("wsgi.run_once", False)
        self._request._end()
        if tasks:
            runtime = app.portal.runtime()
            runtime.loop.post(runtime.start_tasks, tasks, self._context)
        if run_once:
            app.shutdown()

    def _stop(self) -> None:
        """Close what yields the body."""

    def __del__(self) -> None:
        if not self._closed:
            if self._request.app.debug:
                logger.warning("the server did not close the answer to %r", self._request)
            self.close()


def _chunk(coroutine: Coroutine[Any, Any, Any], error: BaseException | None = None) -> bytes:
    """Step `deliver` to its next chunk; `StopIteration` at the end. ``error`` is raised where it stands."""
    item = coroutine.send(None) if error is None else coroutine.throw(error)
    while type(item) is Hop:
        item = proceed(coroutine, item)
    return item  # type: ignore[no-any-return]  # what is no hop comes from `_emit`


@types.coroutine
def _emit(chunk: bytes) -> Generator[bytes, None, None]:
    yield chunk


class _SteppedAnswer(_Answer):
    """A body made on the server's own thread, one chunk a step; an `Outlet` that suspends `deliver` at each."""

    stepped = True

    def __init__(
        self,
        request: Request,
        context: Context,
        entry: Input | None,
        start_response: StartResponse,
        plan: Plan,
        response: Response,
    ) -> None:
        super().__init__(request, context, entry, [])
        self._start_response = start_response
        self._response = response
        self._coroutine = deliver(plan, request, response, self)
        self._begun = self._ended = False

    def begin(self, response: Response) -> None:
        """Nothing to do: this answer was made of that response."""

    async def send(self, chunk: bytes) -> None:
        await _emit(chunk)

    async def replace(self, response: Response, error: Exception) -> None:
        _restart(self._start_response, response, self._request, error)
        if response.body and self._request.method != "HEAD":
            await _emit(response.body)

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        self._begun = True
        try:
            return self._context.run(_chunk, self._coroutine)
        except BaseException:
            self._ended = True
            raise

    def _stop(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self._begun:
            try:
                self._context.run(_chunk, self._coroutine, Closed())
            except (Closed, StopIteration):
                pass
        else:
            self._coroutine.close()
            self._context.run(step, close_stream(self._response.stream, self._request))


class _PortalAnswer(_Answer):
    """An answer made on the portal, where this is the `Outlet`, and taken from there by the server's thread."""

    stepped = False

    def __init__(
        self, request: Request, context: Context, entry: Input | None, start_response: StartResponse
    ) -> None:
        super().__init__(request, context, entry, [])
        self._start_response = start_response
        self._ended = False
        self._task: asyncio.Task[Any] | None = None

    def first(self, plan: Plan, portal: Any) -> Response:
        """Start the plan on the portal and wait for its answer; raises what the plan raises."""
        self._runtime = portal.runtime()
        self._relay = ToThread(self._runtime.loop)
        self._runtime.loop.post(self._start, plan)
        try:
            response = self._relay.get()
        except BaseException:
            self._cancel()
            self._closed = True
            raise
        if isinstance(response, End):
            self._closed = self._ended = True
            response.reraise()
        if response.stream is None:
            self._closed = self._ended = True
        return response  # type: ignore[no-any-return]  # a relay carries anything

    def begin(self, response: Response) -> None:
        self._admission.to_stream()
        self._relay.end(response)

    async def send(self, chunk: bytes) -> None:
        await self._relay.put(chunk)

    async def replace(self, response: Response, error: Exception) -> None:
        await self._relay.put((response, error))

    def __next__(self) -> bytes:
        if self._ended:
            raise StopIteration
        item = self._relay.get()
        if type(item) is bytes:
            return item
        if isinstance(item, End):
            self._ended = True
            item.reraise()
            raise StopIteration
        response, error = item
        _restart(self._start_response, response, self._request, error)
        return response.body if self._request.method != "HEAD" else b""  # type: ignore[no-any-return]  # as above

    def _stop(self) -> None:
        if not self._ended:
            self._relay.close()
            self._cancel()
            try:
                while not self._ended:
                    self._ended = isinstance(self._relay.get(self._request.app.grace), End)
            except Empty:
                logger.warning("%r went on after its client had left", self._request)

    def _start(self, plan: Plan) -> None:
        self._task = self._runtime.loop.spawn(self._main(plan))

    def _cancel(self) -> None:
        def cancel() -> None:
            if self._task is not None:
                self._task.cancel()

        try:
            self._runtime.loop.post(cancel)
        except RuntimeError:
            pass  # the loop has ended, and the task with it

    async def _main(self, plan: Plan) -> None:
        self._admission = Admission(self._runtime.threads)
        self._request._streams = self._runtime.threads.streams
        try:
            response = await Drive(exchange(plan, self._request, self), self._context, self._admission)
        except BaseException as error:
            self._relay.end(End(error))
        else:
            self._relay.end(response if response.stream is None else End())
        finally:
            self._admission.leave()


def _request(app: Any, environ: Environ) -> Request:
    path = environ.get("PATH_INFO") or "/"
    refusal = None
    if not path.isascii():
        decoded = _decode(path)
        if decoded is None:
            refusal, decoded = HTTPException(400, "expected a path in UTF-8"), "/"
        path = decoded
    query = environ.get("QUERY_STRING")
    request = Request(
        app, environ["REQUEST_METHOD"], path, query.encode("latin-1") if query else b"", SOURCE, environ
    )
    request._loop = app.portal.get_loop
    request._refusal = refusal
    return request


def _receive(plan: Plan, request: Request, environ: Environ) -> tuple[Plan, Input | None]:
    """Read the body within its limits; the plan to go on with, and what may be left unread."""
    try:
        length = _length(environ)
    except HTTPException as refusal:
        request._refusal = refusal
        return plan.refuse, None
    limits = plan.limits
    request._limits = limits
    if plan.stream:
        entry = Input(environ, length, limits.max_body_size)
        request._stream = _stream(entry, request)
        request._body_unread = "the route has stream=True: walk `request.stream`"
        return plan, entry
    if length == 0:
        return plan, None
    entry = Input(environ, length, None)
    body = None
    try:
        body = Body(environ.get("CONTENT_TYPE", ""), limits, length)
        while chunk := entry.read():
            body.feed(chunk)
        body.finish()
    except ClientDisconnect as error:
        request._refusal = HTTPException(400, str(error))
    except HTTPException as refusal:
        request._refusal = refusal
    else:
        request._body = body
        return plan, None
    if body is not None:
        body.close()
    request._body_unread = "the body was refused before it was complete"
    return plan.refuse, entry


def _unread(environ: Environ) -> Input | None:
    """The body that a gate did not let in."""
    try:
        length = _length(environ)
    except HTTPException:
        return None
    return None if length == 0 else Input(environ, length, None)


def _stream(entry: Input, request: Request) -> BodyStream:
    async def receive() -> bytes:
        runtime = request.app.portal.runtime()
        return await runtime.threads.run(Job(entry.read))  # type: ignore[no-any-return]  # what the call returns

    return BodyStream(entry.read, receive)


def _length(environ: Environ) -> int | None:
    """Bytes of the body; None where the input itself ends. Raises `HTTPException` 400 and 411."""
    text = environ.get("CONTENT_LENGTH")
    if text:
        return content_length(text)
    if environ.get("wsgi.input_terminated"):
        return None
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
        if not environ.get("SERVER_SOFTWARE", "").lower().startswith(DECHUNKING):
            raise HTTPException(411, "expected a body with a content-length")
        return None
    return 0


def _restart(start_response: StartResponse, response: Response, request: Request, error: BaseException) -> None:
    try:
        start_response(
            status_line(response), response.fields(request.method), (type(error), error, error.__traceback__)
        )
    finally:
        del error  # no cycle of error, traceback and frame


def _decode(text: str) -> str | None:
    """Text as WSGI carries it, bytes in latin-1, read as the UTF-8 that it is; None where it is not."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return None


def _number(text: Any) -> int | None:
    text = str(text)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else None


def _raw_path(environ: Environ) -> bytes:
    path = environ.get("PATH_INFO", "").encode("latin-1", "replace")
    for key in ("RAW_URI", "REQUEST_URI"):
        target = environ.get(key)
        if isinstance(target, str):
            raw = target.partition("?")[0].encode("latin-1", "replace")
            mounted = environ.get("SCRIPT_NAME", "").encode("latin-1", "replace") + path
            if unquote_to_bytes(raw) in (path, mounted):
                return raw
    return quote(path, safe="/:@!$&'()*+,;=~").encode("ascii")
