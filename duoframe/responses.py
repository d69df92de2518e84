"""What a handler answers: a status, header fields, and a body that is bytes or a stream.

Knows how a value becomes an answer and what HTTP allows each status to carry; must not know who asked, beyond the
method, nor how a door sends. `core` makes the answers, the doors send them.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from duoframe.datastructures import MutableHeaders
from duoframe.errors import HTTPException, reason

Stream = Iterator[Any] | AsyncIterator[Any]

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_BYTES = "application/octet-stream"
_PROBLEM = "application/problem+json"

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Fields that belong to a connection, which is the server's (RFC 9110 §7.6.1, PEP 3333 *Other HTTP Features*)."""


class Response:
    """An answer: ``Response("made", 201, {"x-kind": "demo"})``.

    ``content`` is `str` (sent as UTF-8) or bytes; ``status`` 200 to 599. Raises `TypeError` or `ValueError` for anything else, and for
    header text that HTTP does not allow.
    """

    media_type: str | None = _BYTES
    stream: Stream | None = None
    """What yields the body's chunks, where it is a stream."""
    _headers: MutableHeaders | None = None

    def __init__(
        self,
        content: str | bytes | bytearray | memoryview = b"",
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        media_type: str | None = None,
    ) -> None:
        if type(content) is str:
            self.body = content.encode()
            if media_type is None and type(self) is Response:
                media_type = _TEXT
        else:
            self.body = content if type(content) is bytes else _buffer(content)
        if status != 200:
            self.status = status
        if media_type is not None:
            self.media_type = media_type
        if headers is not None:
            self.headers.update(headers)

    _status = 200

    @property
    def status(self) -> int:
        """The status code, 200 to 599."""
        return self._status

    @status.setter
    def status(self, status: int) -> None:
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"expected a status from 200 to 599, got {status!r}")
        self._status = int(status)

    @property
    def headers(self) -> MutableHeaders:
        """The header fields; setting one checks it (RFC 9110 §5)."""
        if self._headers is None:
            media_type = self.media_type
            self._headers = MutableHeaders(() if media_type is None else (("content-type", media_type),))
        return self._headers

    @property
    def bodyless(self) -> bool:
        """Whether the status forbids a body (RFC 9110 §15)."""
        return self._status == 204 or self._status == 304 or self._status == 205

    def fields(self, method: str = "GET") -> list[tuple[str, str]]:
        """The header fields as they go out: lower-case names, the length where it is known, nothing hop-by-hop."""
        headers = self._headers
        status = self._status
        if headers is None:
            if status == 204 or status == 304 or status == 205:
                return [("content-length", "0")] if status == 205 else []
            fields = [] if self.media_type is None else [("content-type", self.media_type)]
            if self.stream is None:
                fields.append(("content-length", str(len(self.body))))
            return fields
        length = None if self.stream is not None else len(self.body)
        if length == 0 and method == "HEAD":
            length = None  # a handler of its own for HEAD may say how long the answer to GET would be
        return _finish(headers, status, length)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._status}>"


class PlainTextResponse(Response):
    """Text that no browser takes for markup."""

    media_type = _TEXT


class HTMLResponse(Response):
    """A page."""

    media_type = _HTML


class JSONResponse(Response):
    """Any value that msgspec can encode, as JSON. Raises `TypeError` for one it cannot."""

    media_type = _JSON

    def __init__(
        self,
        content: Any,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(encode_json(content), status, headers, media_type)


class RedirectResponse(Response):
    """Send the client elsewhere: 303 asks with GET, 307 and 308 repeat the method (RFC 9110 §15.4).

    ``location`` is percent-encoded where a URI needs it. Raises `ValueError` for control characters and backslashes
    and for a status that is no redirect.
    """

    media_type = None

    def __init__(
        self, location: object, status: int = 303, headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None
    ) -> None:
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"expected a redirect status (301, 302, 303, 307, 308), got {status!r}")
        super().__init__(b"", status, headers)
        self.headers["location"] = location_field(str(location))


class StreamingResponse(Response):
    """A body that is made while it is sent: chunks from a `def` or `async def` generator, or any iterable.

    Chunks are `str` (sent as UTF-8) or bytes.
    """

    media_type = _TEXT

    def __init__(
        self,
        content: Iterable[Any] | AsyncIterable[Any],
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(b"", status, headers, media_type)
        self.stream = _iterator(content)


def redirect(location: object, status: int = 303) -> RedirectResponse:
    """`RedirectResponse` by its verb: ``return redirect("/login")``."""
    return RedirectResponse(location, status)


def location_field(location: str) -> str:
    """A ``Location`` value: percent-encoded, its fragment kept (RFC 9110 §10.2.2). Raises `ValueError`."""
    if "\\" in location or any(ord(character) < 32 or ord(character) == 127 for character in location):
        raise ValueError(f"expected a URI reference without control characters and backslashes, got {location!r}")
    return quote(location, safe="/:?#[]@!$&'()*+,;=%~-._")


def encode_json(value: Any) -> bytes:
    """``value`` as JSON in UTF-8; what is not a number of JSON becomes ``null``. Raises `TypeError`, `ValueError`."""
    import msgspec

    try:
        return msgspec.json.encode(value)
    except RecursionError:
        raise ValueError("expected a value that can be encoded as JSON, got one nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("expected text that can be encoded as UTF-8, got a lone surrogate") from None


def to_response(value: Any, status: int = 200) -> Response:
    """The answer a handler's return value stands for.

    `Response` as it is; `str` as text; what has ``__html__`` as a page; bytes; a tuple ``(body, status[, headers])``;
    a generator or other iterator as a stream; anything else as JSON. Raises `TypeError` for what is none of these.
    """
    make = _MAKERS.get(type(value))
    if make is not None:
        return make(value, status)
    if isinstance(value, Response):
        return value
    for kind, make in _KINDS:
        if isinstance(value, kind):
            return make(value, status)
    if hasattr(value, "__html__"):
        return HTMLResponse(str(value.__html__()), status)
    if hasattr(value, "__next__") or hasattr(value, "__anext__"):
        return StreamingResponse(value, status)
    if value is None or callable(value) or hasattr(value, "__await__"):
        raise TypeError(f"expected a value to answer with, got {value!r}")
    return JSONResponse(value, status)


def chunk_bytes(chunk: Any) -> bytes:
    """One chunk of a stream as bytes; `TypeError` for what is neither text nor bytes."""
    if isinstance(chunk, str):
        return chunk.encode()
    return _buffer(chunk)


def problem(error: HTTPException) -> Response:
    """The plain answer to an `HTTPException`: problem details in JSON (RFC 9457), nothing for a redirect."""
    if error.status < 400:
        response = Response(b"", error.status)
        response.media_type = None
    else:
        members = {"type": "about:blank", "title": reason(error.status), "status": error.status}
        if error.detail:
            members["detail"] = error.detail
        response = Response(encode_json(members), error.status, media_type=_PROBLEM)
    if error.headers:
        response.headers.update(error.headers)
    return response


def _buffer(content: Any) -> bytes:
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str):
        return content.encode()
    raise TypeError(f"expected str or bytes, got {type(content).__name__}")


def _iterator(content: Any) -> Stream:
    if hasattr(content, "__aiter__"):
        return aiter(content)  # type: ignore[no-any-return]  # content is what the caller gave
    if isinstance(content, str | bytes | bytearray | memoryview):
        raise TypeError(f"expected an iterable of chunks, got one {type(content).__name__}; use Response for it")
    return iter(content)


def _finish(headers: MutableHeaders, status: int, length: int | None) -> list[tuple[str, str]]:
    fields = [field for field in headers.multi_items() if field[0] not in HOP_BY_HOP]
    if status == 204 or status == 304 or status == 205:
        fields = [field for field in fields if field[0] != "content-length" and field[0] != "content-type"]
        if status == 205:
            fields.append(("content-length", "0"))
    elif length is not None:
        fields = [field for field in fields if field[0] != "content-length"]
        fields.append(("content-length", str(length)))
    return fields


def _tuple(value: tuple[Any, ...], status: int) -> Response:
    if len(value) not in (2, 3) or isinstance(value[1], bool) or not isinstance(value[1], int):
        raise TypeError(f"expected (body, status) or (body, status, headers), got a tuple of {len(value)}: {value!r}")
    response = to_response(value[0])
    response.status = value[1]
    if len(value) == 3:
        response.headers.update(value[2])
    return response


_MAKERS: dict[type, Callable[[Any, int], Response]] = {
    str: PlainTextResponse,
    bytes: Response,
    dict: JSONResponse,
    list: JSONResponse,
    tuple: _tuple,
}

_KINDS: tuple[tuple[Any, Callable[[Any, int], Response]], ...] = (
    (str, lambda value, status: HTMLResponse(str(value.__html__()), status) if hasattr(value, "__html__") else PlainTextResponse(str(value), status)),
    (bytes | bytearray | memoryview, Response),
    (dict | list | bool | int | float, JSONResponse),
    (tuple, lambda value, status: JSONResponse(value, status) if hasattr(value, "_fields") else _tuple(value, status)),
)

