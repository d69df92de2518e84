"""What a handler answers: a status, header fields, and a body that is bytes or a stream.

Knows what HTTP allows each status to carry; must not know who asked, beyond the method and the conditions, nor how a
door sends. `answers` makes one of any value, the doors send it.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self

from duoframe.caching import CacheControl
from duoframe.conditions import ETag, http_date, parse_date
from duoframe.cookies import SameSite, cookie_field, cookie_identity
from duoframe.datastructures import Fields, MutableHeaders, check_field
from duoframe.errors import HTTPException
from duoframe.requests import Request

Stream = Iterator[Any] | AsyncIterator[Any]

_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"
_JSON = "application/json"
_BYTES = "application/octet-stream"
_PROBLEM = "application/problem+json"

BODYLESS = frozenset((204, 205, 304))
"""Final statuses that forbid a body (RFC 9110 §15.3.5, §15.3.6, §15.4.5)."""

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
"""Fields that belong to a connection, which is the server's (RFC 9110 §7.6.1, PEP 3333 *Other HTTP Features*)."""

_NOT_OURS = HOP_BY_HOP | {"content-length"}
_NOT_WITHOUT_BODY = _NOT_OURS | {"content-type"}
_MANY_COOKIES = 50  # that user agents keep for a host (RFC 6265 §6.1)
_NOT_IN_304 = ("content-disposition", "content-encoding", "content-language", "content-range", "content-type")
_LENGTH = re.compile(r"[0-9]{1,18}\Z")

logger = logging.getLogger("duoframe")


class Heartbeat(NamedTuple):
    """What is sent while a stream without an end is silent."""

    seconds: float
    """How long it has been silent then."""
    chunk: bytes

    @property
    def first(self) -> float:
        """Seconds until the first, sooner than the others: it is what tells a client that it is connected."""
        return min(self.seconds, 0.5)


class Response:
    """An answer: ``Response("made", 201, {"x-kind": "demo"})``.

    ``content`` is `str` (sent as UTF-8) or bytes; ``status`` 200 to 599. Raises `TypeError` or `ValueError` for
    anything else, and for header text that HTTP does not allow.
    """

    media_type: ClassVar[str | None] = _BYTES
    """The content type of answers of this class that name none."""
    body: bytes
    stream: Stream | None = None
    """What yields the body's chunks, where it is a stream."""
    opens = False
    """Whether it is what `open` gives that is sent."""
    heartbeat: Heartbeat | None = None
    """What a stream without an end has: it is ended, as if it had come to its end, when the server stops."""
    _headers: MutableHeaders | None = None
    _media_type: str | None = None

    def __init__(
        self,
        content: str | bytes | bytearray | memoryview = b"",
        status: int = 200,
        headers: Fields | None = None,
        media_type: str | None = None,
    ) -> None:
        if type(content) is str:
            self.body = content.encode()
            if type(self) is Response:
                self._media_type = _TEXT
        else:
            self.body = content if type(content) is bytes else chunk_bytes(content)
        if status != 200:
            self.status = status
        if media_type is not None:
            self._media_type = check_field("content-type", media_type)[1]
        if headers is not None:
            self.headers.update(headers)

    @classmethod
    def _encoded(cls, body: bytes, status: int, media_type: str | None = None) -> Self:
        """The answer whose content is encoded already; the status and the media type are known to be good."""
        response = cls.__new__(cls)
        response.body = body
        if status != 200:
            response._status = status
        if media_type is not None:
            response._media_type = media_type
        return response

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
            media_type = self._media_type or self.media_type
            self._headers = MutableHeaders(() if media_type is None else (("content-type", media_type),))
        return self._headers

    @property
    def bodyless(self) -> bool:
        """Whether the status forbids a body (RFC 9110 §15)."""
        return self._status in BODYLESS

    def sends_body(self, method: str) -> bool:
        """Whether a body goes out to a request with this method (RFC 9110 §6.4.1)."""
        return method != "HEAD" and not self.bodyless

    @property
    def declared_length(self) -> int | None:
        """The content-length that was set, where it is one number."""
        declared = None if self._headers is None else self._headers.get("content-length")
        return int(declared) if declared is not None and _LENGTH.match(declared) else None

    @property
    def etag(self) -> ETag | None:
        """The entity tag: ``response.etag = "v1"`` sends ``"v1"``, ``None`` takes it away (RFC 9110 §8.8.3)."""
        field = None if self._headers is None else self._headers.get("etag")
        return None if field is None else ETag.parse(field)

    @etag.setter
    def etag(self, etag: ETag | str | None) -> None:
        self._set("etag", None if etag is None else str(ETag.of(etag)))

    @property
    def last_modified(self) -> datetime | None:
        """The moment of the last change, in UTC; set from a datetime, naive ones in UTC, or seconds since 1970."""
        field = None if self._headers is None else self._headers.get("last-modified")
        return None if field is None else parse_date(field)

    @last_modified.setter
    def last_modified(self, moment: datetime | float | None) -> None:
        self._set("last-modified", None if moment is None else http_date(moment))

    @property
    def cache_control(self) -> CacheControl:
        """How the answer may be stored: ``response.cache_control = CacheControl(no_store=True)`` (RFC 9111 §5.2)."""
        return CacheControl.parse("" if self._headers is None else self._headers.get("cache-control", ""))

    @cache_control.setter
    def cache_control(self, control: CacheControl) -> None:
        self._set("cache-control", str(control) or None)

    def _set(self, name: str, value: str | None) -> None:
        if value is None:
            self.headers.pop(name)
        else:
            self.headers[name] = value

    def make_conditional(self, request: Request) -> Self:
        """This answer, or a 304 in its place where the client has it already by its ``etag`` and ``last_modified``.

        Only a 200 to GET and HEAD is judged: another method has acted by now, and `Request.check_preconditions` comes
        before. What may be sent with a 304 stays (RFC 9110 §15.4.5). Raises `HTTPException` 412. What a handler or
        middleware answers is judged without being told to.
        """
        if self._headers is None or self._status != 200 or request.method not in ("GET", "HEAD"):
            return self
        etag, last_modified = self.etag, self.last_modified
        if etag is None and last_modified is None:
            return self
        status = request.preconditions.evaluate(request.method, etag, last_modified)
        if status == 412:
            raise HTTPException(412)
        return self if status is None else self._not_modified(() if etag is None else ("last-modified",))

    def _not_modified(self, needless: Iterable[str]) -> Self:
        answer = copy.copy(self)  # the 200 may be one that is answered again
        left_out = {*_NOT_IN_304, *needless}
        answer._headers = MutableHeaders(field for field in self.headers.multi_items() if field[0] not in left_out)
        answer.status, answer.body = 304, b""
        return answer

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime | float | None = None,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Send a cookie (RFC 6265bis); one of the same name, domain and path is replaced.

        ``value`` is any text; ``max_age``: seconds, which count before ``expires``: a datetime, naive ones in UTC, or
        seconds of the epoch; without either the cookie goes with the browser's session. Raises `TypeError`, and
        `ValueError` for what user agents would refuse or drop: more than 4096 bytes, ``samesite="None"`` or
        ``partitioned`` without ``secure``, a ``__Host-`` or ``__Secure-`` name without what it promises.
        """
        field = cookie_field(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )
        identity = cookie_identity(field)
        before = self.headers.getlist("set-cookie")
        others = [other for other in before if cookie_identity(other) != identity]
        self.headers.pop("set-cookie")
        self.headers.extend(("set-cookie", cookie) for cookie in (*others, field))
        if len(before) == len(others) == _MANY_COOKIES:
            logger.warning("%r sets more than %d cookies: user agents may drop some", self, _MANY_COOKIES)

    def delete_cookie(
        self,
        name: str,
        *,
        path: str = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Have the client drop a cookie: give the path, the domain and the attributes that it was set with."""
        self.set_cookie(
            name,
            max_age=0,
            expires=0,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )

    def open(self, request: Request) -> Response:
        """The answer with what it needs open, as the file of a `FileResponse`; may block, so no event loop calls it."""
        return self

    def encode_chunk(self, chunk: Any) -> bytes:
        """What the stream has yielded, as bytes. Raises `TypeError`."""
        return chunk_bytes(chunk)

    def finish(self, method: str) -> tuple[int, list[tuple[str, str]], bytes]:
        """What goes out to a request with this method: the status, the header fields, and the body unless a stream.

        Names are in lower case, the length is there where it is known, nothing is hop-by-hop, and what answers HEAD
        or has a status that forbids a body has none.
        """
        status, body = self._status, self.body
        if self._headers is not None or status in BODYLESS:
            fields = self._finished(method)
        else:
            media_type = self._media_type or self.media_type
            fields = [] if media_type is None else [("content-type", media_type)]
            if self.stream is None:
                fields.append(("content-length", str(len(body))))
        return status, fields, b"" if method == "HEAD" or status in BODYLESS else body

    def _finished(self, method: str) -> list[tuple[str, str]]:
        """The fields of an answer whose headers were touched, or that may have no body."""
        status, sent = self._status, self.headers.multi_items()
        fields = [field for field in sent if field[0] not in (_NOT_WITHOUT_BODY if status in (204, 304) else _NOT_OURS)]
        told = len(fields) < len(sent) and logger.isEnabledFor(logging.DEBUG)  # the look costs a plain answer 2 us
        if told and (refused := HOP_BY_HOP.intersection(self.headers)):
            logger.debug("%r: left out %s, which are the server's", self, ", ".join(sorted(refused)))
        length = None
        if status == 205:  # a WSGI server may expect the type of this one (wsgiref.validate does), so it keeps that
            length = 0
        elif status not in BODYLESS:
            length = self.declared_length
            if self.stream is None and (self.body or method != "HEAD" or length is None):
                length = len(self.body)  # but a handler for HEAD may say how long the answer to GET is
        if length is not None:
            fields.append(("content-length", str(length)))
        return fields

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
        headers: Fields | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(encode_json(content), status, headers, media_type)


class StreamingResponse(Response):
    """A body that is made while it is sent: chunks from a `def` or `async def` generator, or any iterable.

    Chunks are `str` (sent as UTF-8) or bytes.
    """

    media_type = _TEXT

    def __init__(
        self,
        content: Iterable[Any] | AsyncIterable[Any],
        status: int = 200,
        headers: Fields | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(b"", status, headers, media_type)
        self.stream = _iterator(content)


def encode_json(value: Any) -> bytes:
    """``value`` as JSON in UTF-8; what is not a number of JSON becomes ``null``. Raises `TypeError`, `ValueError`."""
    import msgspec

    try:
        return msgspec.json.encode(value)
    except RecursionError:
        raise ValueError("expected a value that can be encoded as JSON, got one nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("expected text that can be encoded as UTF-8, got a lone surrogate") from None


def chunk_bytes(chunk: Any) -> bytes:
    """A body, or one chunk of a stream, as bytes; `TypeError` for what is neither text nor bytes."""
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    if isinstance(chunk, str):
        return chunk.encode()
    raise TypeError(f"expected str or bytes, got {type(chunk).__name__}")


def problem(error: HTTPException) -> Response:
    """The plain answer to an `HTTPException`: problem details in JSON (RFC 9457), nothing for a redirect.

    Raises `TypeError` or `ValueError` for members and fields that cannot be sent.
    """
    if error.status < 400:
        return PlainTextResponse("", error.status, error.headers)
    members: dict[str, Any] = {"type": error.type, "title": error.title, "status": error.status}
    members.update(detail=error.detail, instance=error.instance)
    said = {name: value for name, value in members.items() if value}
    return JSONResponse({**said, **(error.extensions or {})}, error.status, error.headers, _PROBLEM)


def _iterator(content: Any) -> Stream:
    if hasattr(content, "__aiter__"):
        return aiter(content)  # type: ignore[no-any-return]  # what the caller gave
    if isinstance(content, str | bytes | bytearray | memoryview):
        raise TypeError(f"expected an iterable of chunks, got one {type(content).__name__}; use Response for it")
    return iter(content)  # type: ignore[no-any-return]  # as above
