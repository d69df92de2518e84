"""A strict reading of ASGI 3.0 (HTTP and WebSocket 2.5, lifespan 2.0), as middleware around an app.

The order of events is a table per protocol: stage -> event -> the stage after it; the shape of events is a table in
`asgi_events`. A broken rule raises `ProtocolError` where it is broken, and again at the end if the app swallowed it.
"""

import os.path
from collections.abc import Mapping
from typing import ClassVar

from duoframe.testing.asgi_events import check_event
from duoframe.testing.rules import Content, ProtocolError
from duoframe.types import ASGIApp, Message, Receive, Scope, Send

Order = Mapping[str, Mapping[str, str]]
"""For each stage, the events that may come and the stage each leads to."""


def checked_asgi(app: ASGIApp) -> ASGIApp:
    """Wrap an ASGI app so that a wrong event, a wrong order or an early return raises `ProtocolError`.

    Header fields must come in a list or a tuple, so that they can be walked twice. Unknown keys are let through.
    """

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        await _WATCHES.get(scope["type"], _Watch)(scope, receive, send).run(app)

    return checked


class _Watch:
    """Watches one call of an app. On its own: a call of an unknown type, which an app must refuse by raising."""

    sends: ClassVar[Order] = {}
    receives: ClassVar[Order] = {}
    """A stage that is missing here is one in which `receive` would wait for ever."""
    ends: ClassVar[frozenset[str]] = frozenset()
    """The stages from which an app may return."""
    stage = "new"

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._violation: ProtocolError | None = None
        self._client_gone = False

    async def run(self, app: ASGIApp) -> None:
        try:
            await app(self.scope, self.receive, self.send)
        except Exception as error:
            if self._violation is not None and error is not self._violation:
                raise self._violation from error
            raise
        finally:
            # No table knows this stage: what a task of the app does from now on is refused.
            stage, self.stage = self.stage, "returned"
        if stage not in self.ends and not self._client_gone:
            self._violation = self._violation or ProtocolError(f"the app returned {self._where(stage)}")
        if self._violation is not None:
            raise self._violation

    async def receive(self) -> Message:
        if self.stage not in self.receives:
            self._violation = self._violation or ProtocolError(f"the app called receive {self._where(self.stage)}")
            raise self._violation
        event = await self._receive()
        # The app may have sent something meanwhile: an event is read at the stage it arrives in.
        self.stage = self.receives.get(self.stage, {}).get(event["type"], self.stage)
        self._client_gone = self._client_gone or event["type"] == "http.disconnect"
        return event

    async def send(self, event: Message) -> None:
        try:
            self.stage = self._judge(event)
        except ProtocolError as error:
            self._violation = self._violation or error
            raise
        try:
            await self._send(event)
        except OSError:
            self._client_gone = True  # So the server says it (spec 2.4).
            raise

    def check(self, event: Message, after: str) -> str:
        """Check what the tables cannot say of an event; gives the stage after it."""
        return after

    def _judge(self, event: Message) -> str:
        after = self.sends.get(self.stage, {}).get(check_event(event))
        if after is None:
            raise ProtocolError(f"the app sent {event['type']!r} {self._where(self.stage)}")
        if event["type"] in _EXTENSIONS and _EXTENSIONS[event["type"]] not in (self.scope.get("extensions") or {}):
            raise ProtocolError(f"the app sent {event['type']!r}, which the server does not offer in its extensions")
        return self.check(event, after)

    def _where(self, stage: str) -> str:
        return f"at stage {stage!r} of a {self.scope['type']!r} call"


class _Lifespan(_Watch):
    sends: ClassVar[Order] = {
        "starting": {"lifespan.startup.complete": "running", "lifespan.startup.failed": "end"},
        "stopping": {"lifespan.shutdown.complete": "end", "lifespan.shutdown.failed": "end"},
    }
    receives: ClassVar[Order] = {
        "new": {"lifespan.startup": "starting"},
        "running": {"lifespan.shutdown": "stopping"},
    }
    ends = frozenset({"end"})


class _HTTP(_Watch):
    sends: ClassVar[Order] = {
        "new": {"http.response.early_hint": "new", "http.response.start": "body"},
        "body": {
            "http.response.body": "end",
            "http.response.zerocopysend": "end",
            "http.response.pathsend": "end",
        },
        "more": {"http.response.body": "end", "http.response.zerocopysend": "end"},
        "trailers": {"http.response.trailers": "end"},
    }
    receives: ClassVar[Order] = {stage: {} for stage in ("new", "body", "more", "trailers", "end")}
    ends = frozenset({"end"})

    def check(self, event: Message, after: str) -> str:
        match event["type"]:
            case "http.response.start":
                self._content = Content(self.scope["method"], event["status"], event.get("headers", ()))
                self._after_body = "trailers" if event.get("trailers") else "end"
            case "http.response.body" | "http.response.zerocopysend" | "http.response.pathsend":
                self._content.add(_size(event))
                if event.get("more_body"):
                    return "more"
                self._content.end()
                return self._after_body
            case "http.response.trailers" if event.get("more_trailers"):
                return self.stage
        return after


class _WebSocket(_Watch):
    sends: ClassVar[Order] = {
        "connecting": {
            "websocket.accept": "open",
            "websocket.close": "closed",
            "websocket.http.response.start": "denying",
        },
        "denying": {"websocket.http.response.body": "closed"},
        "open": {"websocket.send": "open", "websocket.close": "closed"},
    }
    receives: ClassVar[Order] = {
        "new": {"websocket.connect": "connecting"},
        **{stage: {"websocket.disconnect": "gone"} for stage in ("connecting", "denying", "open", "closed")},
    }
    ends = frozenset({"closed", "gone"})

    def check(self, event: Message, after: str) -> str:
        match event["type"]:
            case "websocket.accept" if event.get("subprotocol") not in (None, *self.scope.get("subprotocols", ())):
                raise ProtocolError(f"the client did not offer the subprotocol {event['subprotocol']!r}")
            case "websocket.send" if (event.get("bytes") is None) == (event.get("text") is None):
                raise ProtocolError("exactly one of bytes and text must be given to 'websocket.send'")
            case "websocket.close":
                _check_close(event.get("code", 1000), event.get("reason") or "")
            case "websocket.http.response.body" if event.get("more_body"):
                return self.stage
        return after


def _size(event: Message) -> int:
    match event["type"]:
        case "http.response.pathsend":
            if not os.path.isabs(event["path"]) or not os.path.isfile(event["path"]):
                raise ProtocolError(f"'path' must be the absolute path of a file, got {event['path']!r}")
            return os.path.getsize(event["path"])
        case "http.response.zerocopysend":
            return len(content_of(event))
    return len(event.get("body", b""))


def content_of(event: Message) -> bytes:
    """What a server sends for an 'http.response.zerocopysend'."""
    descriptor = getattr(event.get("file"), "fileno", lambda: None)()
    if descriptor is None:
        raise ProtocolError(f"'file' must have a descriptor, got {event.get('file')!r}")
    offset = event.get("offset", os.lseek(descriptor, 0, os.SEEK_CUR))
    return os.pread(descriptor, event.get("count", os.fstat(descriptor).st_size), offset)


def _check_close(code: int, reason: str) -> None:
    """RFC 6455 §7.4 names the codes an endpoint may send; §5.5 leaves 123 bytes for the reason."""
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise ProtocolError(f"{code} is not a close code an app may send")
    if len(reason.encode()) > 123:
        raise ProtocolError(f"a close reason may have 123 bytes, got {len(reason.encode())}")


_WATCHES: Mapping[str, type[_Watch]] = {"http": _HTTP, "lifespan": _Lifespan, "websocket": _WebSocket}

_EXTENSIONS = {
    "http.response.early_hint": "http.response.early_hint",
    "http.response.pathsend": "http.response.pathsend",
    "http.response.zerocopysend": "http.response.zerocopysend",
    "http.response.trailers": "http.response.trailers",
    "websocket.http.response.start": "websocket.http.response",
}
