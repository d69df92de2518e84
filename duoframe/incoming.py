"""What comes in through the ASGI door: a scope, read as a request, and the messages that carry its body.

Knows scopes and ``receive``; must not know how a request is answered: `asgi` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from duoframe.body import Body, content_length
from duoframe.bridge import Cancellable, Loop
from duoframe.datastructures import Headers
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.pieces import Colour
from duoframe.plan import Plan
from duoframe.relay import call
from duoframe.requests import Facts, Request
from duoframe.runtime import Runtime
from duoframe.streams import BodyStream
from duoframe.threads import Threads, ThreadsExhaustedError
from duoframe.types import Message, Receive, Scope


class ScopeSource:
    """Reads header fields and connection facts from a scope."""

    def headers(self, scope: Scope) -> Headers:
        """The fields; a name with an underscore, which a WSGI server could not tell from a dash, is dropped."""
        return Headers(
            [
                (name.decode("latin-1").lower(), value.decode("latin-1").strip(" \t"))  # RFC 9110 §5.5: not all do
                for name, value in scope["headers"]
                if b"_" not in name
            ]
        )

    def disconnected(self, request: Request) -> bool:
        """Whether the client is known to have left."""
        return request._call.client_left()  # type: ignore[no-any-return]  # an outgoing.Call

    def environ(self, scope: Scope) -> Mapping[str, Any]:
        """Nothing: an application of the other kind is told what the request itself says."""
        return {}

    def scope(self, scope: Scope) -> Scope:
        """What the server gave."""
        return scope

    async def departure(self, request: Request) -> None:
        """Wait until the client has left."""
        await request._call.departure()

    def facts(self, scope: Scope) -> Facts:
        """The facts; whatever the specification makes optional may be missing."""
        client, server = scope.get("client"), scope.get("server")
        return Facts(
            scheme=scope.get("scheme") or "http",
            client=None if client is None else (client[0], client[1]),
            server=None if server is None else (server[0], server[1]),
            root_path=(scope.get("root_path") or "").rstrip("/"),
            raw_path=_raw_path(scope) or quote(scope["path"], safe=_PATH_SAFE, errors="replace").encode("ascii"),
            http_version=scope.get("http_version") or "1.1",
        )


SOURCE = ScopeSource()
_PATH_SAFE = "/:@!$&'()*+,;=~"


DISCARD_AFTER = 0.05
"""Seconds that a server may take over the last message of an answer before what it holds of the request is taken."""

Length = int | None | HTTPException
"""Bytes of a body; None where only its messages tell, and an exception where what was said of it is malformed."""


def read_request(app: Any, runtime: Runtime, scope: Scope) -> tuple[Request, Length]:
    """The request that a scope describes, and the length of its body."""
    path: str = scope["path"] or "/"
    root_path = scope.get("root_path")
    if root_path:  # older servers leave it out of the path
        root_path = root_path.rstrip("/")
        if path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in ("/", ""):
            path = path[len(root_path) :] or "/"
    refusal = None
    if not path.isascii() and not _is_utf8(path, scope):
        refusal, path = HTTPException(400, "expected a path in UTF-8"), "/"
    headers = scope["headers"]
    if type(headers) is not list:
        headers = list(headers)  # it may be an iterator, which can be walked once
        scope = {**scope, "headers": headers}
    request = Request(app, scope["method"], path, scope.get("query_string") or b"", SOURCE, scope)
    request._home = runtime
    request._streams = runtime.threads.streams
    request._refusal = refusal
    announced = None
    hosts = 0
    length: Length = 0
    for name, value in headers:
        size = len(name)  # a third of the time that comparing names takes, with many fields
        if size == 14 and name.lower() == b"content-length":
            announced = value if announced is None or announced == value else announced + b", " + value
        elif size == 17 and name.lower() == b"transfer-encoding":
            length = None
        elif size == 4 and name.lower() == b"host":
            hosts += 1
    if hosts > 1:
        length = HTTPException(400, "expected one host")  # RFC 9112 §3.2
    elif announced is not None and length is not None:
        length = _number(announced)
    elif scope.get("http_version", "1.1")[:1] != "1" and scope["method"] not in ("GET", "HEAD"):
        length = None
    return request, length


class Incoming:
    """The body of one request, taken from ``receive``.

    ``length`` is its number of bytes, where that is known beforehand; ``limit`` is the most that may come.
    """

    def __init__(self, receive: Receive, length: int | None, limit: int | None) -> None:
        self.ended = length == 0
        """Whether nothing is left to read."""
        self._receive = receive
        self._limit = limit
        self._size = length or 0  # what was announced, or more that has come
        self._received = 0
        self._over = False  # the last message of the body has come
        self.gone = False
        """Whether the client has left, as far as anybody has looked."""
        self._ahead: Message | None = None  # what `disconnect` took before anybody read it
        self._turn: Any = None
        self._watch_turn: Any = None
        self._watcher: Cancellable | None = None
        self._room: Any = None
        self._readings: list[Any] = []

    async def read(self) -> bytes:
        """The next chunk, ``b""`` at the end.

        Raises `ClientDisconnect` when the client leaves, `HTTPException` 413 past the limit. Tasks that read at the
        same time take turns.
        """
        import anyio

        if not self.gone or self._ahead is not None:
            with anyio.CancelScope() as reading:
                self._readings.append(reading)
                try:
                    async with self._lock():
                        return await self.next()
                finally:
                    self._readings.remove(reading)
        raise ClientDisconnect(_LEFT)  # perhaps `close` ended the wait

    async def next(self) -> bytes:
        """`read` for a caller that is alone."""
        self._require_within_limit()
        while not self.ended:
            message = self._ahead
            if message is None:
                message = await self._event()
            else:
                self._ahead = None
                self._room.set()
            chunk: bytes = message.get("body", b"")
            self.ended = not message.get("more_body", False)
            self._received += len(chunk)
            self._size = max(self._size, self._received)
            self._require_within_limit()
            if chunk:
                return chunk
        return b""

    async def disconnect(self) -> None:
        """Wait until the client has left, then raise `ClientDisconnect`.

        What is left of the body stays there for who reads it: one message at most is taken ahead.
        """
        import anyio

        while not self._over:
            async with self._lock():
                await self._peek()
            if self._ahead is not None and not self._over:
                await self._room.wait()
        self._watch_turn = self._watch_turn or anyio.Lock()
        async with self._watch_turn:  # not the reader's: what was taken ahead may still be there to read
            await self._event()
        await anyio.sleep_forever()  # a server that goes on with the body tells nothing of its client

    def watch(self, loop: Loop) -> None:
        """On the loop: have a task look out for the client's leaving until `close`."""
        self._watcher = loop.spawn(self._look_out(loop.cancelled))

    async def discard(self) -> None:
        """After `DISCARD_AFTER`, take whatever still comes, until the client has left or somebody cancels this."""
        import anyio

        await anyio.sleep(DISCARD_AFTER)
        try:
            async with self._lock():
                while True:
                    await self._event()
        except Exception:
            pass  # the answer has been made: nothing here can change it

    def close(self) -> None:
        """Let whoever still reads know that the exchange is over, as if the client had left."""
        self.gone = True
        for reading in self._readings:
            reading.cancel()
        watcher, self._watcher = self._watcher, None  # no cycle: its task holds this
        if watcher is not None:
            watcher.cancel()

    async def _look_out(self, cancelled: type[BaseException] | tuple[type[BaseException], ...]) -> None:
        try:
            await self.disconnect()
        except cancelled:
            pass  # by `close`; a task that kept it would be a cycle with its own traceback
        except Exception:
            pass  # it has left, or the server says what nobody understands: who reads is told

    def _require_within_limit(self) -> None:
        if self._limit is not None and self._size > self._limit:
            raise HTTPException(413, f"the body is larger than {self._limit} bytes")

    async def _peek(self) -> None:
        """Take one message ahead of the reader, unless one is there; drop it where there is no body to read."""
        if self._ahead is None and not self._over:
            message = await self._event()
            if not self.ended:
                import anyio

                self._ahead, self._room = message, anyio.Event()

    def _lock(self) -> Any:
        if self._turn is None:
            import anyio

            self._turn = anyio.Lock()
        return self._turn

    async def _event(self) -> Message:
        if not self.gone:
            message = await self._receive()
            if message["type"] == "http.request":
                self._over = not message.get("more_body", False)
                return message
            if message["type"] != "http.disconnect":
                raise RuntimeError(f"expected http.request or http.disconnect, got {message['type']!r}")
            self.gone = True
        raise ClientDisconnect(_LEFT)


_LEFT = "the client left before its request was complete"


async def take_in(
    plan: Plan, request: Request, length: Length, receive: Receive, runtime: Runtime
) -> tuple[Plan, Incoming | None]:
    """Read the body within its limits; the plan to go on with, and what may be left unread."""
    if isinstance(length, HTTPException):
        request._refusal = length
        return plan.refuse, Incoming(receive, None, None)
    request._limits = limits = plan.limits
    if plan.stream:
        incoming = Incoming(receive, length, limits.max_body_size)
        request._stream = BodyStream(
            lambda: call(runtime.loop, incoming.read), incoming.read, *_content(request._values), limits
        )
        request._body_unread = "the route has stream=True: walk `request.stream`"
        return plan, incoming
    incoming = Incoming(receive, length, None)
    body = None
    try:
        body = Body(*_content(request._values), limits, length)
        await _fill(body, incoming, runtime.threads, plan.colour is not Colour.SYNC)
    except BaseException as refusal:
        if body is not None:
            await let_go(body, runtime.threads)
        if not isinstance(refusal, Exception):
            raise
        request._refusal = refusal
    else:
        request._body = body
        return plan, None
    request._body_unread = "the body was refused before it was complete"
    return plan.refuse, incoming


async def _fill(body: Body, incoming: Incoming, threads: Threads, waits: bool) -> None:
    """Read a body to its end; what reaches the disk is done on a worker thread."""
    while chunk := await incoming.next():
        if body.touches_disk:
            await threads.call(body.feed, chunk)
        else:
            body.feed(chunk)
    if body.touches_disk:
        await threads.call(body.finish)
    else:
        body.finish()
    if waits and body.on_disk:
        await threads.call(body.hand_over, threads, True)
    else:
        body.hand_over(threads, False)


async def let_go(body: Body, threads: Threads) -> None:
    """Close a body, on a worker thread where that reaches the disk; whatever happens, it is closed then."""
    if body.on_disk:
        try:
            await threads.finish(body.close)
        except ThreadsExhaustedError:
            pass
    body.close()


def _number(announced: bytes) -> Length:
    try:
        return content_length(announced.decode("latin-1"))
    except HTTPException as malformed:
        return malformed


def _content(scope: Scope) -> tuple[str, str]:
    """The Content-Type and Content-Encoding fields, ``""`` for one that is not there."""
    kind: list[str] = []
    coding: list[str] = []
    for name, value in scope["headers"]:
        size = len(name)
        if size == 12 and name.lower() == b"content-type":
            kind.append(value.decode("latin-1"))
        elif size == 16 and name.lower() == b"content-encoding":
            coding.append(value.decode("latin-1"))
    return ",".join(kind), ",".join(coding)  # two fields make what is no media type, as under WSGI


def _is_utf8(path: str, scope: Scope) -> bool:
    """Whether the path was UTF-8 before the server decoded it, as far as it can be told."""
    try:
        path.encode()
        if "\ufffd" in path:
            unquote_to_bytes(_raw_path(scope) or b"\xff").decode()
    except UnicodeError:
        return False
    return True


def _raw_path(scope: Scope) -> bytes:
    """The path as it was sent, ``b""`` where the server does not say; older test clients put the query behind it."""
    raw: bytes = scope.get("raw_path") or b""
    return raw.partition(b"?")[0]
