"""An answer with Flask's manners, around one of the core's.

Knows status, header fields and bodies; must not know a request. What a view returns is made one here (`making`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import duoframe
from duoframe.conditions import ETag, http_date, parse_date
from duoframe.cookies import cookie_field
from duoframe.flask.fields import CacheControl, Headers, HeaderSet
from duoframe.responses import StreamingResponse, chunk_bytes

_WITH_CHARSET = {"application/javascript", "application/ecmascript", "application/sql", "application/xml"}
_URI_SAFE = "/:?#[]@!$&'()*+,;=%~-._"
"""What stays as it is in an address (RFC 3986 §2)."""


class _Field:
    """An attribute that is a header field, read and written as ``read`` and ``write`` say."""

    def __init__(self, name: str, read: Callable[[str], Any] = str, write: Callable[[Any], str] = str) -> None:
        self._name = name
        self._read = read
        self._write = write

    def __get__(self, response: Response, owner: type[Response]) -> Any:
        value = response.headers.get(self._name)
        if value is None:
            return None
        try:
            return self._read(value)
        except ValueError:
            return None

    def __set__(self, response: Response, value: Any) -> None:
        if value is None:
            response.headers.remove(self._name)
        else:
            response.headers[self._name] = self._write(value)

    def __delete__(self, response: Response) -> None:
        response.headers.remove(self._name)


class _SetField:
    """An attribute that is a field with a list of names."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, response: Response, owner: type[Response]) -> HeaderSet:
        return HeaderSet.parse(response.headers.get(self._name), lambda text: self._write(response, text))

    def __set__(self, response: Response, value: Any) -> None:
        text = value if isinstance(value, str) else ", ".join(value or ())
        self._write(response, text)

    def _write(self, response: Response, text: str) -> None:
        if text:
            response.headers[self._name] = text
        else:
            response.headers.remove(self._name)


def _seconds(value: Any) -> str:
    return str(int(value.total_seconds()) if isinstance(value, timedelta) else int(value))


def _moment(value: Any) -> str:
    return value if isinstance(value, str) else http_date(value)


class Response:
    """An answer: ``Response("made", 201, {"X-Kind": "demo"})``; text is HTML unless a type is named.

    ``response`` is text, bytes, a list of them, or an iterable of either kind that is walked while the answer goes
    out; ``status`` a number, or ``"201 CREATED"``. ``_core`` is the core's own, which middleware sees.
    """

    default_mimetype: str | None = "text/html"
    default_status = 200
    _core: duoframe.Response

    def __init__(
        self,
        response: Any = None,
        status: int | str | HTTPStatus | None = None,
        headers: Any = None,
        mimetype: str | None = None,
        content_type: str | None = None,
        direct_passthrough: bool = False,
    ) -> None:
        self._core = duoframe.Response()
        self._core.headers.pop("content-type")
        self._closing: list[Callable[[], Any]] = []
        self.direct_passthrough = direct_passthrough
        self.response = () if response is None else response
        if headers is not None:
            self.headers.extend(headers)
        if content_type is None and (mimetype is not None or "content-type" not in self.headers):
            content_type = _with_charset(mimetype or self.default_mimetype)
        if content_type is not None:
            self.headers["content-type"] = content_type
        if status is not None:
            self.status = status

    @classmethod
    def around(cls, core: duoframe.Response) -> Self:
        """An answer of the core with these manners."""
        made = cls.__new__(cls)
        made._core = core
        made._closing = []
        made.direct_passthrough = core.opens
        return made

    @classmethod
    def force_type(cls, response: Any, environ: Any = None) -> Self:
        """An answer of any kind, or a WSGI application's, as one of this class."""
        if isinstance(response, Response):
            if isinstance(response, cls):
                return response
            made = cls.around(response._core)
            made._closing = response._closing
            return made
        if isinstance(response, duoframe.Response):
            return cls.around(response)
        return cls.from_app(response, environ)

    @classmethod
    def from_app(cls, app: Any, environ: Any, buffered: bool = False) -> Self:
        """What a WSGI application answers."""
        from duoframe.flask.making import run_wsgi_app

        made = cls(*run_wsgi_app(app, environ))
        if buffered:
            made.make_sequence()
        return made

    # Status and header fields.

    @property
    def headers(self) -> Headers:
        """The header fields."""
        return Headers(self._core.headers)

    @headers.setter
    def headers(self, fields: Any) -> None:
        mine = self.headers
        mine.clear()
        mine.extend(fields)

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return self._core.status

    @status_code.setter
    def status_code(self, code: int) -> None:
        self._core.status = code

    @property
    def status(self) -> str:
        """The status with its reason: ``"404 NOT FOUND"``."""
        code = self._core.status
        return f"{code} {_REASONS.get(code, 'UNKNOWN')}"

    @status.setter
    def status(self, status: int | str | HTTPStatus) -> None:
        if isinstance(status, str):
            number, _, _ = status.partition(" ")
            if not number.isdecimal():
                raise ValueError(f"expected a status as 404 or '404 NOT FOUND', got {status!r}")
            status = int(number)
        self._core.status = int(status)

    content_type = _Field("content-type")
    location = _Field("location", write=lambda value: quote(str(value), safe=_URI_SAFE))
    content_encoding = _Field("content-encoding")
    content_location = _Field("content-location")
    content_md5 = _Field("content-md5")
    accept_ranges = _Field("accept-ranges")
    age = _Field("age", lambda text: timedelta(seconds=int(text)), _seconds)
    date = _Field("date", parse_date, _moment)
    expires = _Field("expires", parse_date, _moment)
    last_modified = _Field("last-modified", parse_date, _moment)
    retry_after = _Field(
        "retry-after",
        lambda text: datetime.now(UTC) + timedelta(seconds=int(text)) if text.isdecimal() else parse_date(text),
        lambda value: http_date(value) if isinstance(value, datetime) else _seconds(value),
    )
    access_control_allow_origin = _Field("access-control-allow-origin")
    access_control_max_age = _Field("access-control-max-age", int, _seconds)
    vary = _SetField("vary")
    allow = _SetField("allow")
    content_language = _SetField("content-language")
    access_control_allow_headers = _SetField("access-control-allow-headers")
    access_control_allow_methods = _SetField("access-control-allow-methods")
    access_control_expose_headers = _SetField("access-control-expose-headers")

    @property
    def access_control_allow_credentials(self) -> bool:
        """Whether scripts of another origin may send credentials."""
        return "access-control-allow-credentials" in self.headers

    @access_control_allow_credentials.setter
    def access_control_allow_credentials(self, allowed: bool | None) -> None:
        if allowed:
            self.headers["access-control-allow-credentials"] = "true"
        else:
            self.headers.remove("access-control-allow-credentials")

    @property
    def content_length(self) -> int | None:
        """Bytes of the body, where that is known."""
        declared = self._core.declared_length
        return self.calculate_content_length() if declared is None else declared

    @content_length.setter
    def content_length(self, length: int | None) -> None:
        if length is None:
            self.headers.remove("content-length")
        else:
            self.headers["content-length"] = length

    @property
    def mimetype(self) -> str | None:
        """The content type without its parameters, in lower case."""
        value = self.headers.get("content-type")
        return None if value is None else value.partition(";")[0].strip().lower()

    @mimetype.setter
    def mimetype(self, mimetype: str) -> None:
        self.headers["content-type"] = _with_charset(mimetype)

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the content type."""
        from duoframe.body import media_type

        return media_type(self.headers.get("content-type", ""))[1]

    @property
    def cache_control(self) -> CacheControl:
        """Cache-Control; setting its attributes changes the field."""

        def write(text: str) -> None:
            if text:
                self.headers["cache-control"] = text
            else:
                self.headers.remove("cache-control")

        return CacheControl(self.headers.get("cache-control", ""), write)

    # The body.

    @property
    def response(self) -> Any:
        """The body: an iterable of its parts."""
        if self._core.stream is not None:
            return self._core.stream
        return [self._core.body] if self._core.body else []

    @response.setter
    def response(self, content: Any) -> None:
        if isinstance(content, str | bytes | bytearray):
            self.set_data(content)
        elif isinstance(content, list | tuple):
            self.set_data(b"".join(map(chunk_bytes, content)))
        else:
            self._hold(b"", StreamingResponse(content).stream)

    def _hold(self, body: bytes, stream: Any) -> None:
        """Let this be the body, with the status and the fields that there are."""
        core = duoframe.Response(body, self._core.status)
        core._headers = self._core.headers
        core.stream = stream
        self._core = core

    @property
    def is_streamed(self) -> bool:
        """Whether the body is made while it is sent."""
        return self._core.stream is not None or self._core.opens

    @property
    def is_sequence(self) -> bool:
        """Whether the body is there already."""
        return not self.is_streamed

    def get_data(self, as_text: bool = False) -> Any:
        """The body, bytes or text; one that is made while it is sent is made now.

        Raises `RuntimeError` for a file that is passed through, and for what only an event loop can walk.
        """
        self.make_sequence()
        return self._core.body.decode(errors="replace") if as_text else self._core.body

    def set_data(self, value: str | bytes | bytearray) -> None:
        """Replace the body."""
        self.headers.remove("content-length")
        self._hold(value.encode() if isinstance(value, str) else bytes(value), None)

    data = property(get_data, set_data, doc="The body as bytes.")

    def make_sequence(self) -> None:
        """Make the body now, where it would be made while it is sent."""
        if self.is_sequence:
            return
        if self._core.opens:
            self._read_file()
            return
        stream: Any = self._core.stream
        if hasattr(stream, "__anext__"):
            raise RuntimeError("an asynchronous stream is walked on an event loop, when it is sent")
        try:
            body = b"".join(map(chunk_bytes, stream))
        finally:
            if hasattr(stream, "close"):
                stream.close()
        self._hold(body, None)

    def _read_file(self) -> None:
        """Read a file that would be opened when it is sent."""
        if self.direct_passthrough:
            raise RuntimeError("a response with direct_passthrough is not read: set direct_passthrough to False first")
        core: Any = self._core
        if isinstance(core._file, str):
            with open(core._file, "rb") as file:
                self._hold(file.read(), None)
        else:
            with core._file as file:
                self._hold(file.read(), None)

    def iter_encoded(self) -> Iterator[bytes]:
        """The parts of the body, as bytes."""
        return map(chunk_bytes, self.response)

    def calculate_content_length(self) -> int | None:
        """Bytes of a body that is there already."""
        return len(self._core.body) if self.is_sequence else None

    def freeze(self) -> None:
        """Make the body, its length and an entity tag now, so that the answer can be kept."""
        self.make_sequence()
        self.headers["content-length"] = len(self._core.body)
        self.add_etag()

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON by its type."""
        mimetype = self.mimetype or ""
        return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))

    @property
    def json(self) -> Any:
        """The body read as JSON; None where it is not of that type."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """The body read as JSON; None where it is of another type, unless ``force``, and with ``silent`` if it is none.

        Raises `ValueError` for what is no JSON.
        """
        if not (force or self.is_json):
            return None
        try:
            return _loads(self.get_data())
        except ValueError:
            if not silent:
                raise
            return None

    # Cookies, conditions, the end.

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: timedelta | int | None = None,
        expires: str | datetime | float | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Send a cookie; ``max_age`` in seconds. Raises `ValueError` for what user agents would refuse or drop."""
        if isinstance(expires, str):
            expires = parse_date(expires)
        field = cookie_field(
            key,
            value,
            max_age=None if max_age is None else int(_seconds(max_age)),
            expires=expires,
            path=path or "/",
            domain=domain,
            secure=secure or partitioned,
            httponly=httponly,
            samesite=None if samesite is None else samesite.title(),  # type: ignore[arg-type]  # it is looked at
            partitioned=partitioned,
        )
        self.headers.add("set-cookie", field)

    def delete_cookie(
        self,
        key: str,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        """Have the client drop a cookie: give the path and the domain that it was set with."""
        self.set_cookie(key, "", 0, 0, path, domain, secure, httponly, samesite, partitioned)

    def add_etag(self, overwrite: bool = False, weak: bool = False) -> None:
        """Set an entity tag made of the body, unless there is one."""
        if overwrite or "etag" not in self.headers:
            self.set_etag(hashlib.sha1(self.get_data(), usedforsecurity=False).hexdigest(), weak)

    def set_etag(self, etag: str, weak: bool = False) -> None:
        """Set the entity tag."""
        self._core.etag = ETag(etag, weak)

    def get_etag(self) -> tuple[str, bool] | tuple[None, None]:
        """The entity tag, and whether it is weak."""
        tag = self._core.etag
        return (None, None) if tag is None else (tag.value, tag.weak)

    def make_conditional(
        self, request_or_environ: Any = None, accept_ranges: bool | str = False, complete_length: int | None = None
    ) -> Self:
        """Be a 304 where the client has this already, by its entity tag and time. Raises `duoframe.HTTPException` 412.

        The core judges every answer so, without being asked.
        """
        from duoframe.flask.globals import running_request

        core: Any = getattr(request_or_environ, "_core", None) or running_request().request._core  # type: ignore[union-attr]
        self._core = self._core.make_conditional(core)
        if accept_ranges:
            self.headers["accept-ranges"] = "bytes" if accept_ranges is True else accept_ranges
        return self

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Have ``func()`` called when the answer has been sent, or its client has gone."""
        self._closing.append(func)
        return func

    def close(self) -> None:
        """Close what makes the body, and call what waits for that."""
        stream: Any = self._core.stream
        if hasattr(stream, "close"):
            stream.close()
        self._conclude()

    def _conclude(self) -> None:
        functions, self._closing = self._closing, []
        for function in functions:
            function()

    def _finish(self, request: duoframe.Request) -> duoframe.Response:
        """The core's answer to a request, once nothing with these manners comes any more."""
        core = self._core
        if not self._closing:
            return core
        if core.opens:
            request.background(self._conclude)  # its file is opened by the core, and closed there
        elif hasattr(core.stream, "__anext__"):
            core.stream = ClosingLater(core.stream, self._conclude)
        else:
            if core.stream is None:
                core.headers["content-length"] = str(len(core.body))
            self._hold(b"", Closing(core.stream or iter((core.body,)), self._conclude))
        return self._core

    def __repr__(self) -> str:
        told = "streamed" if self.is_streamed else f"{len(self._core.body)} bytes"
        return f"<{type(self).__name__} {told} [{self.status}]>"


class Closing(Iterator[Any]):
    """What a body is walked by, and something to be called when that is over."""

    def __init__(self, parts: Any, conclude: Callable[[], object]) -> None:
        self._parts = parts
        self._conclude = conclude

    def __next__(self) -> Any:
        return next(self._parts)

    def close(self) -> None:
        """Close what is walked, then call."""
        try:
            if hasattr(self._parts, "close"):
                self._parts.close()
        finally:
            self._conclude()


class ClosingLater(AsyncIterator[Any]):
    """`Closing` for what an event loop walks."""

    def __init__(self, parts: Any, conclude: Callable[[], object]) -> None:
        self._parts = parts
        self._conclude = conclude

    def __anext__(self) -> Any:
        return self._parts.__anext__()

    async def aclose(self) -> None:
        """Close what is walked, then call."""
        try:
            if hasattr(self._parts, "aclose"):
                await self._parts.aclose()
        finally:
            self._conclude()


def _with_charset(mimetype: str | None) -> str | None:
    """The content type of a media type: text is UTF-8."""
    if mimetype is None or "charset=" in mimetype:
        return mimetype
    if mimetype.startswith("text/") or mimetype in _WITH_CHARSET or mimetype.endswith("+xml"):
        return f"{mimetype}; charset=utf-8"
    return mimetype


def _loads(data: bytes) -> Any:
    """JSON as the running application reads it."""
    from duoframe.flask.globals import current_context

    context = current_context.get()
    return json.loads(data) if context is None else context.app.json.loads(data)


_REASONS = {int(status): status.phrase.upper() for status in HTTPStatus}
