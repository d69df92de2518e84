"""A request as an application is told it that knows nothing of this framework: an environ, or a scope.

Both are made of the request's own values, so that whatever middleware has made of these is what is told, and of what
the server gave where that speaks the same protocol. Must not know how such an application is called: `foreign_wsgi`
and `foreign_asgi` do.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.requests import Request
from duoframe.types import Environ, Scope

ASGI_VERSION = {"version": "3.0", "spec_version": "2.4"}
"""What an application is told of ASGI: from 2.4 on, sending to a client that has left raises `OSError`."""


def place(request: Request) -> tuple[str, str]:
    """Where an application is mounted that a request has come to, below this one's own root, and the path below that.

    Both are decoded; the path is ``""`` where the request named the place without a last slash.
    """
    tail = request.path_params.get(TAIL)
    rest = "/" + tail if tail is not None else "/" if request.path.endswith("/") else ""
    return request.path[: len(request.path) - len(rest)], rest


TAIL = "path"
"""The path parameter that holds what is below the mount."""


def environ_for(request: Request) -> tuple[Environ, Input | None]:
    """The environ of a request (PEP 3333), and the body in it unless it has none."""
    root, rest = place(request)
    facts, fields = request.facts, request.headers.firsts()
    given = request._source.environ(request._values)
    environ: Environ = _BASE.copy()
    if given:
        environ.update((name, value) for name, value in given.items() if name[:5] != "HTTP_" and name not in _CGI_KEYS)
    entry = None
    if request.method not in _READING or not _BODY_FIELDS.isdisjoint(fields):
        entry = Input(request.stream)
    query = request.query_string.decode("latin-1")
    raw_path = facts.raw_path.decode("latin-1")
    environ["REQUEST_METHOD"] = request.method
    environ["SCRIPT_NAME"] = _carried(facts.root_path + root)
    environ["PATH_INFO"] = _carried(rest)
    environ["QUERY_STRING"] = query
    environ["REQUEST_URI"] = f"{raw_path}?{query}" if query else raw_path
    environ["SERVER_PROTOCOL"] = f"HTTP/{facts.http_version}"
    environ["wsgi.url_scheme"] = facts.scheme
    environ["wsgi.multiprocess"] = facts.multiprocess
    environ["wsgi.input"] = io.BytesIO() if entry is None else io.BufferedReader(entry, BUFFER)
    if facts.server is not None:
        name, port = facts.server
        environ["SERVER_NAME"], environ["SERVER_PORT"] = name, "" if port is None else str(port)
    if facts.client is not None:
        address, port = facts.client
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = address, "" if port is None else str(port)
    for field, value in fields.items():  # those of one name are one already, as PEP 3333 has it
        environ[_key(field)] = value
    environ.pop("HTTP_TRANSFER_ENCODING", None)  # the server has undone it (RFC 9112 §6.1)
    return environ, entry


def scope_for(request: Request) -> Scope:
    """The scope of a request (ASGI HTTP spec 2.4)."""
    root, rest = place(request)
    root = request.root_path + root
    return {
        **request._source.scope(request._values),
        "type": "http",
        "asgi": ASGI_VERSION,
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": root + (rest or "/"),
        "raw_path": request.raw_path,
        "query_string": request.query_string,
        "root_path": root,
        "headers": [  # without what the server has undone (RFC 9112 §6.1)
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in request.headers.multi_items()
            if name != "transfer-encoding"
        ],
        "client": request.client,
        "server": request.server,
        "extensions": {},
    }


class Input(io.RawIOBase):
    """The body of a request for a `io.BufferedReader`, which is what ``wsgi.input`` has to be.

    Reading raises `OSError` where the client has left, so that no part of a body passes for all of it.
    """

    refusal: HTTPException | None = None
    """What was wrong with the body, where it was read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left: memoryview = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: whatever has a buffer
        if not self._left:
            try:
                self._left = memoryview(next(self._chunks, b""))
            except ClientDisconnect as error:
                raise ConnectionAbortedError("the client left before its request was complete") from error
            except HTTPException as error:
                self.refusal = error
                raise OSError(f"the body was refused: {error}") from error
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count


BUFFER = 65536
"""Bytes that are read ahead of an application."""


def _carried(text: str) -> str:
    """Text as WSGI carries it (PEP 3333, *Unicode Issues*)."""
    return text if text.isascii() else text.encode().decode("latin-1")


@lru_cache(maxsize=1024)  # clients use a few dozen names: 60 ns instead of 350
def _key(field: str) -> str:
    key = field.upper().replace("-", "_")
    return key if key in _CGI_KEYS else "HTTP_" + key


_CGI_KEYS = frozenset(("CONTENT_TYPE", "CONTENT_LENGTH"))
_READING = frozenset(("GET", "HEAD"))
_BODY_FIELDS = frozenset(("content-length", "transfer-encoding"))
"""Fields of which one is there where a GET has a body (RFC 9112 §6.3)."""
_BASE: Environ = {
    "SERVER_NAME": "",
    "SERVER_PORT": "",
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
}
