"""The environ (PEP 3333): what a WSGI server tells of a request, and the body it gives to read.

Knows the CGI variables and what servers make of them; must not know plans or answers. `wsgi` answers the request.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from duoframe.body import content_length
from duoframe.datastructures import Headers
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.requests import Facts, Request
from duoframe.types import Environ

READ_SIZE = 65536
"""Bytes asked of ``wsgi.input`` at a time, and the most of an ignored body that is read away."""

DRAIN_SECONDS = 1.0
"""How long an ignored body is read away at most, where the server gives its connection."""

LOOK = 0.1
"""Seconds between two looks at whether a client is still there that somebody waits for."""

DECHUNKING = ("gunicorn/", "waitress", "granian")
"""How the names begin of servers whose ``wsgi.input`` ends where a chunked body ends without their saying so."""


def open_request(app: Any, environ: Environ) -> Request:
    """The request that an environ tells of; refused where its path is no UTF-8."""
    path = environ.get("PATH_INFO") or "/"
    refusal = None
    if not path.isascii():
        decoded = _decode(path)
        if decoded is None:
            refusal, decoded = HTTPException(400, "expected a path in UTF-8"), "/"
        path = decoded
    query = environ.get("QUERY_STRING")
    request = Request(app, environ["REQUEST_METHOD"], path, _carried(query) if query else b"", SOURCE, environ)
    request._home = app.portal
    request._refusal = refusal
    return request


def body_length(environ: Environ) -> int | None:
    """Bytes of the body; None where the input itself ends. Raises `HTTPException` 400 and 411."""
    if "," in environ.get("HTTP_HOST", ""):
        raise HTTPException(400, "expected one host")  # two fields, joined by the server (RFC 9112 §3.2)
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


class Input:
    """The body of one request, read from ``wsgi.input`` by nothing but ``read(n)``.

    ``length``: bytes announced, None to read to the input's own end. ``limit``: bytes beyond which `read` raises.
    """

    def __init__(self, environ: Environ, length: int | None, limit: int | None = None) -> None:
        self._read = environ["wsgi.input"].read
        self._left = length
        self._limit = limit
        self._size = length or 0  # what was announced, or more that has come
        self._received = 0
        self._ended = length == 0
        self._awaited = environ.get("HTTP_EXPECT", "").lower() == "100-continue"
        self._connection = _connection(environ)
        self._turn = threading.Lock()  # threads that read at the same time take turns

    def read(self, size: int = READ_SIZE) -> bytes:
        """The next chunk, of ``size`` bytes at most, ``b""`` at the end.

        Raises `ClientDisconnect` where the input ends early or fails, `HTTPException` 413 past the limit.
        """
        with self._turn:
            self._require_within_limit()
            if self._ended:
                return b""
            try:
                chunk: bytes = self._read(size if self._left is None else min(size, self._left))
            except OSError as error:
                self._ended = True
                raise ClientDisconnect("the client left before its request was complete") from error
            self._received += len(chunk)
            if self._left is not None:
                self._left -= len(chunk)
                if self._left and not chunk:
                    self._ended = True
                    raise ClientDisconnect(f"the client sent {self._left} bytes less than it announced")
            self._ended = not chunk or self._left == 0
            self._size = max(self._size, self._received)
            self._require_within_limit()
            return chunk

    def drain(self) -> None:
        """Read away what an answer left unread: `READ_SIZE` bytes at most, and for `DRAIN_SECONDS`.

        A client that then sends nothing is waited for that long only where the server gives its connection.
        """
        if self._awaited and not self._received:
            return  # a client that has its answer instead of the word to go on sends nothing (RFC 9110 §10.1.1)
        self._limit = None
        connection = self._connection
        before = None if connection is None else connection.gettimeout()
        try:
            if connection is not None:
                connection.settimeout(DRAIN_SECONDS)
            self._read_away(time.monotonic() + DRAIN_SECONDS)
        except (ClientDisconnect, OSError):
            pass
        finally:
            if connection is not None:
                with contextlib.suppress(OSError):
                    connection.settimeout(before)

    def _read_away(self, until: float) -> None:
        left = READ_SIZE
        while left and time.monotonic() < until and (chunk := self.read(min(left, _DRAINED_AT_ONCE))):
            left -= len(chunk)

    def _require_within_limit(self) -> None:
        if self._limit is not None and self._size > self._limit:
            raise HTTPException(413, f"the body is larger than {self._limit} bytes")


class EnvironSource:
    """Reads header fields and connection facts from an environ."""

    def headers(self, environ: Environ) -> Headers:
        """The fields; the CGI keys hold what the server made of the two content fields."""
        pairs = []
        for key, value in environ.items():
            if key[:5] == "HTTP_":
                name = key[5:].replace("_", "-").lower()
                if name != "content-type" and name != "content-length":
                    pairs.append((name, value.strip(" \t")))  # RFC 9110 §5.5: for the server to do, and not all do
        for key, name in (("CONTENT_TYPE", "content-type"), ("CONTENT_LENGTH", "content-length")):
            if value := environ.get(key):
                pairs.append((name, value))
        return Headers(pairs)

    def disconnected(self, request: Request) -> bool:
        """Whether the client is known to have left, where the server gives a way to know."""
        return _client_left(request._values)

    def environ(self, environ: Environ) -> Environ:
        """What the server gave."""
        return environ

    def scope(self, environ: Environ) -> Mapping[str, Any]:
        """Nothing: an application of the other kind is told what the request itself says."""
        return {}

    async def departure(self, request: Request) -> None:
        """Look for the client every `LOOK` seconds until it has left, as long as there is a request."""
        import anyio

        while request._values is not None and not self.disconnected(request):  # noqa: ASYNC110  # nobody tells us
            await anyio.sleep(LOOK)

    def facts(self, environ: Environ) -> Facts:
        """The facts; whatever a server leaves out is `None` or empty."""
        get = environ.get
        name, port, address = get("SERVER_NAME", ""), get("SERVER_PORT", ""), get("REMOTE_ADDR")
        return Facts(
            scheme=get("wsgi.url_scheme", "http"),
            client=(address, _number(get("REMOTE_PORT", ""))) if address else None,
            server=(name or port, _number(port) if name else None) if name or port else None,
            root_path=(_decode(get("SCRIPT_NAME", "")) or "").rstrip("/"),
            raw_path=_raw_path(environ),
            http_version=get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
            multiprocess=bool(get("wsgi.multiprocess")),
        )


SOURCE = EnvironSource()
_DRAINED_AT_ONCE = 4096


def _client_left(environ: Environ) -> bool:
    asked = environ.get("waitress.client_disconnected")
    if asked is not None:
        return bool(asked())
    connection = _connection(environ)
    if connection is None:
        return False
    import select

    poll = select.poll()
    try:
        # Not by peeking: what a client sent before it left would hide that it has. Only Linux knows this event; that
        # both directions are closed is told everywhere.
        poll.register(connection, getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True  # closed on our side already


def _connection(environ: Environ) -> Any:
    """The socket of the client, where the server gives it."""
    return environ.get("gunicorn.socket") or environ.get("werkzeug.socket")


def _raw_path(environ: Environ) -> bytes:
    """The path of the request line where the server gives one that agrees with what it made of it."""
    path = _carried(environ.get("PATH_INFO", ""))
    mounted = _carried(environ.get("SCRIPT_NAME", "")).rstrip(b"/") + path
    for key in ("RAW_URI", "REQUEST_URI"):
        target = environ.get(key)
        if isinstance(target, str):
            raw = _carried(target).partition(b"?")[0]
            if unquote_to_bytes(raw) in (path, mounted):
                return raw
    return quote(mounted or b"/", safe="/:@!$&'()*+,;=~").encode("ascii")


def _carried(text: str) -> bytes:
    """The bytes that WSGI carries in a `str` (PEP 3333, *Unicode Issues*); a server that breaks this costs a ``?``."""
    return text.encode("latin-1", "replace")


def _decode(text: str) -> str | None:
    """Text as WSGI carries it, read as the UTF-8 that it is; None where it is not."""
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return None


def _number(text: object) -> int | None:
    text = str(text)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else None
