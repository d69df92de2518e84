"""WebSocket handshakes (RFC 6455 §4.2.2): who may open one, who answers it, and how it is refused.

Knows origins and the messages that refuse; must not know what a WebSocket carries: a mounted application is handed the
whole of it. `asgi` is the door that they come through.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context
from typing import Any
from urllib.parse import urlsplit

from duoframe.bridge import Drive
from duoframe.core import enter_gate, not_started, respond
from duoframe.errors import ConfigurationError, HTTPException
from duoframe.incoming import read_request
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.runtime import Runtime
from duoframe.threads import Admission
from duoframe.types import Receive, Scope, Send

HANDSHAKE = "websocket"
"""The method of a handshake where its route is looked for: none is registered for it, so that mounts alone answer."""

Origin = tuple[str, str, int | None]
"""Scheme, host and port (RFC 6454 §4)."""


class Origins:
    """The origins whose pages may open a WebSocket beside those of the host itself; ``"*"`` stands for any.

    Raises `ConfigurationError` for what is no origin.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        if isinstance(origins, str):
            raise ConfigurationError(f"expected a list of origins, got {origins!r}")
        self._any = "*" in origins
        self._allowed: set[Origin | None] = set()
        for origin in origins:
            if origin != "*":
                self._allowed.add(_parsed(origin))
        if None in self._allowed:
            raise ConfigurationError(f"expected origins like 'https://example.com', got {list(origins)!r}")

    def check(self, request: Request) -> None:
        """Raise `HTTPException` 403 for a page from elsewhere. A client that is no browser sends no Origin."""
        sent = request.headers.get("origin")
        if sent is None or self._any:
            return
        origin = _parsed(sent)
        # The scheme is left out: behind a proxy that ends TLS the server knows only its own.
        host = None if origin is None else _parsed(f"{origin[0]}://{request.host}")
        if origin is None or (origin not in self._allowed and (host is None or host[1:] != origin[1:])):
            raise HTTPException(403, "a page of another origin may not open a WebSocket here")


async def serve(app: Any, runtime: Runtime, scope: Scope, receive: Receive, send: Send) -> None:
    """Hand a WebSocket to the mounted application that answers at its path.

    The origins and the leading `@inline` middleware of its route look at the handshake first, and may refuse it.
    """
    request, _ = read_request(app, runtime, {"headers": [], **scope, "method": HANDSHAKE})
    try:
        await app.ensure_started(runtime)
    except Exception as error:
        await _refuse(scope, receive, send, not_started(request, error))
        return
    context = copy_context()
    plan = app.find(request)
    mount = None if request.route is None else request.route.mount
    try:
        app.origins.check(request)
        if mount is None or mount.asgi is None:
            raise HTTPException(404)
    except HTTPException as refusal:
        request._refusal, plan = refusal, plan.refuse
    else:
        if plan.gate is None or context.run(enter_gate, plan, request):
            for generator, *_ in reversed(request._entered):
                generator.close()  # there is no answer to look at
            await mount.call_asgi(request, scope, receive, send)
            return
    admission = Admission(runtime.threads)
    try:
        response = await Drive(respond(plan, request), context, admission)
    finally:
        admission.leave()
    await _refuse(scope, receive, send, response)


async def _refuse(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Refuse a handshake: with an answer where the server can send one, else as it does by itself, with a 403."""
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000})
        return
    status, fields, content = response.finish("GET")
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": content, "more_body": False})


def _parsed(origin: str) -> Origin | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _PORTS.get(parts.scheme)


_PORTS = {"http": 80, "https": 443}
