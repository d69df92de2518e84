"""A request with Flask's manners, around the core's.

Knows the core's request, its route's rule, and the fields of HTTP; must not know an environ nor a scope beyond handing
out what WSGI code may ask for. `building` makes addresses for it, `dispatch` has it answered.
"""

from __future__ import annotations

import io
import re
import sys
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_to_bytes

import duoframe
from duoframe.body import media_type
from duoframe.conditions import parse_date
from duoframe.errors import HTTPException as CoreHTTPException
from duoframe.flask.accepts import (
    Accept,
    Authorization,
    CharsetAccept,
    ETags,
    LanguageAccept,
    MIMEAccept,
    Range,
    UserAgent,
)
from duoframe.flask.datastructures import CombinedMultiDict, FileStorage, ImmutableMultiDict
from duoframe.flask.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType, in_kind
from duoframe.flask.fields import CacheControl, RequestHeaders

if TYPE_CHECKING:
    from duoframe.flask.rules import Rule

_QUERY_SAFE = "!$&'()*+,/:;=?@%"
_NOT_ASCII = re.compile("(?:%[89A-F][0-9A-F])++")
_NO_TEXT = re.compile("[\udc80-\udcff]")
_PATH_SAFE = "!$&'()*+,/:;=@"


class Request:
    """What the client asked: ``request.args``, ``request.form``, ``request.get_json()``; `_core` is the core's own."""

    url_rule: Rule | None = None
    """The rule that matched."""
    view_args: dict[str, Any] | None = None
    """The values of the path, as the view gets them."""
    routing_exception: BaseException | None = None
    """Why no view answers."""
    parameter_storage_class = ImmutableMultiDict
    file_storage_class = FileStorage
    user_agent_class = UserAgent
    json_module: Any = None

    def __init__(self, core: duoframe.Request) -> None:
        self._core = core
        self._parsed: dict[bool, Any] = {}
        self._max_content_length: int | None = None

    def keep(self) -> None:
        """Read what the server tells of the request, so that it stays when the answer has been sent."""
        _ = self.headers, self._core.facts

    # Where it came from, and for what.

    @property
    def method(self) -> str:
        """The method."""
        return self._core.method

    @property
    def path(self) -> str:
        """The decoded path below the root."""
        return self._core.path

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``."""
        return self._core.scheme

    @property
    def is_secure(self) -> bool:
        """Whether it came by https."""
        return self.scheme == "https"

    @cached_property
    def query_string(self) -> bytes:
        """The query, as it was sent."""
        return self._core.query_string

    @property
    def root_path(self) -> str:
        """Where the application is mounted, decoded; without a slash at the end."""
        return self._core.root_path

    script_root = root_path

    @property
    def full_path(self) -> str:
        """The path and the query, with a ``?`` between them in any case."""
        return f"{self.path}?{self.query_string.decode('utf-8', 'replace')}"

    @cached_property
    def host(self) -> str:
        """The host with its port, unless that is the scheme's own."""
        host = self._core.host
        name, colon, port = host.rpartition(":")
        return name if colon and port == {"http": "80", "https": "443"}.get(self.scheme) else host

    @property
    def host_url(self) -> str:
        """The scheme and the host, with a slash at the end."""
        return f"{self.scheme}://{self.host}/"

    @property
    def root_url(self) -> str:
        """The address of the application's root, with a slash at the end."""
        return self.host_url[:-1] + _shown(quote(self.root_path, safe=_PATH_SAFE)) + "/"

    url_root = root_url

    @property
    def base_url(self) -> str:
        """The address without the query."""
        return self.root_url[:-1] + _shown(quote(self.path, safe=_PATH_SAFE))

    @property
    def url(self) -> str:
        """The address."""
        query = _shown(quote(self.query_string, safe=_QUERY_SAFE))
        return f"{self.base_url}?{query}" if query else self.base_url

    @property
    def remote_addr(self) -> str | None:
        """The address of the peer, where the server tells it."""
        client = self._core.client
        return None if client is None else client[0]

    @property
    def remote_user(self) -> str | None:
        """Who asks, where the server has found that out."""
        user: str | None = self.environ.get("REMOTE_USER")
        return user

    @property
    def server(self) -> tuple[str, int | None] | None:
        """Address and port that were called."""
        return self._core.server

    @property
    def access_route(self) -> list[str]:
        """The addresses that X-Forwarded-For names, or the peer's. Anybody may have written them."""
        forwarded = self.headers.get("x-forwarded-for")
        if forwarded:
            return [address.strip() for address in forwarded.split(",") if address.strip()]
        return [] if self.remote_addr is None else [self.remote_addr]

    # What was found for it.

    @property
    def endpoint(self) -> str | None:
        """The endpoint that matched."""
        return None if self.url_rule is None else self.url_rule.endpoint

    @property
    def blueprint(self) -> str | None:
        """The full name of the blueprint that the endpoint belongs to."""
        endpoint = self.endpoint
        return endpoint.rpartition(".")[0] or None if endpoint is not None else None

    @property
    def blueprints(self) -> list[str]:
        """The full names of the blueprints, the innermost first."""
        parts = (self.blueprint or "").split(".")
        return [".".join(parts[:count]) for count in range(len(parts), 0, -1)] if parts[0] else []

    # Header fields.

    @cached_property
    def headers(self) -> RequestHeaders:
        """The header fields."""
        return RequestHeaders(self._core.headers)

    def _field(self, name: str) -> str | None:
        return self._core.headers.get(name)

    @cached_property
    def cookies(self) -> ImmutableMultiDict:
        """The cookies."""
        return self.parameter_storage_class(self._core.cookies)

    @property
    def content_type(self) -> str | None:
        """The Content-Type field."""
        return self._field("content-type")

    @property
    def content_length(self) -> int | None:
        """The Content-Length field, in bytes."""
        value = self._field("content-length")
        return int(value) if value is not None and value.isdecimal() else None

    @property
    def content_encoding(self) -> str | None:
        """The Content-Encoding field."""
        return self._field("content-encoding")

    @property
    def mimetype(self) -> str:
        """The content type without its parameters, in lower case."""
        return (self.content_type or "").partition(";")[0].strip().lower()

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the content type."""
        return media_type(self.content_type or "")[1]

    @property
    def referrer(self) -> str | None:
        """The Referer field."""
        return self._field("referer")

    @property
    def origin(self) -> str | None:
        """The Origin field."""
        return self._field("origin")

    @property
    def date(self) -> datetime | None:
        """The Date field."""
        return self._moment("date")

    def _moment(self, name: str) -> datetime | None:
        value = self._field(name)
        return None if value is None else parse_date(value)

    @cached_property
    def user_agent(self) -> UserAgent:
        """The User-Agent field; its text is ``request.user_agent.string``."""
        return self.user_agent_class(self._field("user-agent") or "")

    @cached_property
    def authorization(self) -> Authorization | None:
        """The credentials of the Authorization field."""
        return Authorization.parse(self._field("authorization"))

    @cached_property
    def accept_mimetypes(self) -> MIMEAccept:
        """The media types that the client takes."""
        found: MIMEAccept = MIMEAccept.parse(self._field("accept"))
        return found

    @cached_property
    def accept_languages(self) -> LanguageAccept:
        """The languages that the client takes."""
        found: LanguageAccept = LanguageAccept.parse(self._field("accept-language"))
        return found

    @cached_property
    def accept_charsets(self) -> CharsetAccept:
        """The character sets that the client takes."""
        found: CharsetAccept = CharsetAccept.parse(self._field("accept-charset"))
        return found

    @cached_property
    def accept_encodings(self) -> Accept:
        """The codings that the client takes."""
        found: Accept = Accept.parse(self._field("accept-encoding"))
        return found

    @property
    def if_match(self) -> ETags:
        """The entity tags of If-Match."""
        return ETags(self._field("if-match"))

    @property
    def if_none_match(self) -> ETags:
        """The entity tags of If-None-Match."""
        return ETags(self._field("if-none-match"))

    @property
    def if_modified_since(self) -> datetime | None:
        """The If-Modified-Since field."""
        return self._moment("if-modified-since")

    @property
    def if_unmodified_since(self) -> datetime | None:
        """The If-Unmodified-Since field."""
        return self._moment("if-unmodified-since")

    @property
    def range(self) -> Range | None:
        """The Range field."""
        return Range.parse(self._field("range"))

    @property
    def cache_control(self) -> CacheControl:
        """The Cache-Control field."""
        return CacheControl(self._field("cache-control") or "")

    @property
    def pragma(self) -> str | None:
        """The Pragma field."""
        return self._field("pragma")

    # The query and the body.

    @cached_property
    def args(self) -> ImmutableMultiDict:
        """The parameters of the query."""
        return self.parameter_storage_class(self._core.query)

    @cached_property
    def form(self) -> ImmutableMultiDict:
        """The fields of a form."""
        return self.parameter_storage_class(self._body("form"))

    @cached_property
    def files(self) -> ImmutableMultiDict:
        """The files of a form, each a `FileStorage`."""
        pairs = self._body("files").multi_items()
        return ImmutableMultiDict([(name, self.file_storage_class.of(name, upload)) for name, upload in pairs])

    @cached_property
    def values(self) -> CombinedMultiDict:
        """The parameters of the query and, with a POST, PUT or PATCH, the fields of the form."""
        sources = [self.args, self.form] if self.method in ("POST", "PUT", "PATCH") else [self.args]
        return CombinedMultiDict(sources)

    @property
    def data(self) -> bytes:
        """The body, unless it is a form."""
        return b"" if self._is_form else self.get_data()

    @property
    def _is_form(self) -> bool:
        return self.mimetype in ("multipart/form-data", "application/x-www-form-urlencoded")

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        """The body, bytes or text. That of a multipart form is taken apart as it arrives, and is ``b""`` here."""
        body: bytes = b"" if self.mimetype == "multipart/form-data" else self._body("body")
        if parse_form_data and self._is_form:
            body = b""
        return body.decode("utf-8", "replace") if as_text else body

    def _body(self, part: str) -> Any:
        """A part of what was received. Raises what it was refused for."""
        refusal = self._core._refusal
        if isinstance(refusal, CoreHTTPException) and refusal.status == 413:
            raise in_kind(refusal) or refusal
        if self._max_content_length is not None and (self.content_length or 0) > self._max_content_length:
            raise RequestEntityTooLarge
        if refusal is not None and self._core._body is None:  # no view answers, so nothing was read
            return b"" if part == "body" else duoframe.datastructures.MultiDict()
        return getattr(self._core, part)

    @property
    def max_content_length(self) -> int | None:
        """Bytes that a body may have; set in a view, it can be less than the application takes, but not more."""
        return (
            self._core.app.config.get("MAX_CONTENT_LENGTH")
            if self._max_content_length is None
            else self._max_content_length
        )

    @max_content_length.setter
    def max_content_length(self, length: int | None) -> None:
        self._max_content_length = length

    @cached_property
    def stream(self) -> Any:
        """The body as a binary file; on a route with ``stream=True`` the core's, as it arrives."""
        return self._core.stream if self._core._stream is not None else io.BytesIO(self.get_data())

    @property
    def is_json(self) -> bool:
        """Whether the body is JSON by its type."""
        mimetype = self.mimetype
        return mimetype == "application/json" or (mimetype.startswith("application/") and mimetype.endswith("+json"))

    @property
    def json(self) -> Any:
        """The body read as JSON. Raises `UnsupportedMediaType` for another type, `BadRequest` for what is none."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body read as JSON.

        ``force``: whatever its type; ``silent``: None for what is none, and for another type; ``cache``: read it once.
        Raises `UnsupportedMediaType` and `BadRequest`.
        """
        if cache and silent in self._parsed:
            return self._parsed[silent]
        if not (force or self.is_json):
            return None if silent else self.on_json_loading_failed(None)
        try:
            value = self._core.app.json.loads(self.get_data())
            if cache:
                self._parsed = {True: value, False: value}
        except ValueError as error:
            value = None if silent else self.on_json_loading_failed(error)
            if cache:
                self._parsed[silent] = value
        return value

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        """What stands for a body that is no JSON, or with None of another type; to be overridden."""
        if e is None:
            raise UnsupportedMediaType("Expected JSON, which the Content-Type of the request does not say.")
        detail = f"The body is no JSON: {e}" if self._core.app.debug else None
        raise BadRequest(detail) from e

    @cached_property
    def environ(self) -> dict[str, Any]:
        """The environ of WSGI; behind an ASGI server one that is made of the request (PEP 3333)."""
        values = self._core._values
        if isinstance(values, dict) and "REQUEST_METHOD" in values:
            return values
        return self._made_environ()

    def _made_environ(self) -> dict[str, Any]:
        name, port = self._core.server or ("", None)
        made = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": _carried(self.root_path),
            "PATH_INFO": _carried(self.path),
            "QUERY_STRING": self.query_string.decode("latin-1"),
            "SERVER_NAME": name or "localhost",
            "SERVER_PORT": str(port or {"https": 443}.get(self.scheme, 80)),
            "SERVER_PROTOCOL": f"HTTP/{self._core.http_version}",
            "REMOTE_ADDR": self.remote_addr or "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": io.BytesIO(self.get_data()),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for field, value in self._core.headers.items():
            key = field.upper().replace("-", "_")
            made[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
        return made

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url!r} [{self.method}]>"


def _shown(address: str) -> str:
    """A part of an address with its characters beyond ASCII as they are (RFC 3987)."""

    def show(found: re.Match[str]) -> str:
        text = unquote_to_bytes(found[0]).decode("utf-8", "surrogateescape")
        return _NO_TEXT.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)

    return _NOT_ASCII.sub(show, address)


def _carried(text: str) -> str:
    return text.encode().decode("latin-1")
