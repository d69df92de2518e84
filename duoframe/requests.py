"""One request, made of plain values.

Knows methods, paths, header fields and a received body; must not know an environ or a scope: a door hands over the
few values every request needs, and two functions that read the rest when somebody asks. `body` reads what was sent,
`core` runs the code that answers.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, NoReturn, Protocol

from duoframe.body import Body, Limits, UploadFile
from duoframe.bridge import Loop
from duoframe.conditions import ETag, Preconditions, http_date
from duoframe.cookies import parse_cookies
from duoframe.datastructures import URL, Headers, MultiDict, State, parse_query
from duoframe.errors import HTTPException
from duoframe.faults import Fault
from duoframe.ranges import parse_range
from duoframe.sessions import Session
from duoframe.streams import BodyStream
from duoframe.threads import Slots

MAX_EVENT_ID = 1024
"""Bytes of the id of a server-sent event."""


Ranges = list[range]
"""Parts of a body, in the order they were asked for."""


class Facts(NamedTuple):
    """What a server tells of the connection; read when first asked for."""

    scheme: str
    client: tuple[str, int | None] | None
    server: tuple[str, int | None] | None
    root_path: str
    """Where the application is mounted: decoded, without a trailing slash."""
    raw_path: bytes
    """The path as it stood in the request line, percent-encoded, without the query."""
    http_version: str
    multiprocess: bool = False
    """Whether the server says that other processes serve the application too."""


class Source(Protocol):
    """Reads a door's own description of a request."""

    def headers(self, values: Any, /) -> Headers: ...

    def facts(self, values: Any, /) -> Facts: ...

    def disconnected(self, request: Request, /) -> bool: ...

    def environ(self, values: Any, /) -> Mapping[str, Any]:
        """What a WSGI server gave; empty where it was no such server."""

    def scope(self, values: Any, /) -> Mapping[str, Any]:
        """What an ASGI server gave; empty where it was no such server."""

    async def departure(self, request: Request, /) -> None:
        """Wait, on the request's own loop, until the client has left; for ever where nobody can know."""


class Home(Protocol):
    """Where the coroutines of a request run: a portal or a runtime, which stand above this floor."""

    def get_loop(self) -> Loop: ...

    def get_runtime(self) -> Any: ...  # a Runtime


class Request:
    """What the client asked, complete before the handler runs: nothing here has to be awaited."""

    app: Any  # an App, which stands above this floor
    method: str
    """The method as it was sent; methods are case-sensitive (RFC 9110 §9.1)."""
    path: str
    """The decoded path below the place where the application is mounted."""
    query_string: bytes
    path_params: dict[str, Any]
    """What the route's pattern took from the path, converted."""
    route: Any = None  # a router.Route, which stands above this floor
    error: BaseException | None = None
    """The exception that the answer was made of, for middleware to look at."""

    # What doors and core keep here for the length of one exchange.
    _home: Home
    _waited_for = False
    """Whether a thread of the server waits for all of the answer."""
    _call: Any = None  # an `outgoing.Call`, which stands above this floor
    _streams: Slots | None = None
    _holds_stream = False
    _entered: list[tuple[Any, Any, Any]] = []  # noqa: RUF012  # never filled: `core` gives a request its own
    _given: list[Any] | None = None
    _faults: list[Fault] | None = None
    _exits: list[Any] | None = None
    _answer: Any = None
    _fault: BaseException | None = None
    _refusal: BaseException | None = None
    _tasks: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] | None = None
    _limits: Limits | None = None
    _media_type: str | None = None
    _body: Body | None = None
    _body_unread: str | None = None
    _stream: BodyStream | None = None

    # What is worked out when first asked for.
    _headers: Headers | None = None
    _facts: Facts | None = None
    _query: MultiDict[str] | None = None
    _cookies: MultiDict[str] | None = None
    _preconditions: Preconditions | None = None
    _state: State | None = None
    _id: str | None = None
    _session: Session | None = None

    def __init__(self, app: Any, method: str, path: str, query_string: bytes, source: Source, values: Any) -> None:
        self.app = app
        self.method = method
        self.path = path
        self.query_string = query_string
        self._source = source
        self._values = values

    def __repr__(self) -> str:
        path = self.path if len(self.path) <= _SHOWN else f"{self.path[:_SHOWN]}…"
        return f"<Request {ascii(self.method)[1:-1][:_SHOWN]} {path!r}>"

    @property
    def headers(self) -> Headers:
        """The header fields; names compare without case."""
        if self._headers is None:
            self._headers = self._source.headers(self._values)
        return self._headers

    @property
    def facts(self) -> Facts:
        """What the server tells of the connection."""
        if self._facts is None:
            self._facts = self._source.facts(self._values)
        return self._facts

    @property
    def scheme(self) -> str:
        """``"http"`` or ``"https"``."""
        return self.facts.scheme

    @property
    def client(self) -> tuple[str, int | None] | None:
        """Address and port of the peer, where the server tells them."""
        return self.facts.client

    @property
    def server(self) -> tuple[str, int | None] | None:
        """Address and port that were called; the port is ``None`` for a Unix socket."""
        return self.facts.server

    @property
    def root_path(self) -> str:
        """Where the application is mounted: ``""`` or a path without a trailing slash."""
        return self.facts.root_path

    @property
    def raw_path(self) -> bytes:
        """The path as it stood in the request line, percent-encoded."""
        return self.facts.raw_path

    @property
    def http_version(self) -> str:
        """``"1.0"``, ``"1.1"``, ``"2"`` or ``"3"``."""
        return self.facts.http_version

    @property
    def host(self) -> str:
        """The ``Host`` field, without one the server's name; ``""`` for what is no host (RFC 9112 §3.2)."""
        host = self.headers.get("host")
        if host is None:
            name, port = self.facts.server or ("", None)
            host = f"[{name}]" if ":" in name else name
            if port is not None and port != _DEFAULT_PORTS.get(self.scheme):
                host += f":{port}"
        return host if _HOST.match(host) else ""

    @property
    def url(self) -> URL:
        """The address that was asked for; its path is this request's own, whatever the ``Host`` field says."""
        return URL(
            scheme=self.scheme,
            host=self.host,
            root_path=self.root_path,
            path=self.path,
            query=self.query_string.decode("latin-1"),
        )

    @property
    def base_url(self) -> URL:
        """The address of the application's root, with a trailing slash."""
        return URL(scheme=self.scheme, host=self.host, root_path=self.root_path, path="/", query="")

    @property
    def query(self) -> MultiDict[str]:
        """The query's parameters; `HTTPException` 400 past the limit on their number."""
        if self._query is None:
            self._query = parse_query(self.query_string)
        return self._query

    args = query

    @property
    def cookies(self) -> MultiDict[str]:
        """The cookies that were sent; of two with one name the first counts (RFC 6265bis §5.7.3)."""
        if self._cookies is None:
            self._cookies = parse_cookies(self.headers.get("cookie", ""))
        return self._cookies

    def accepts(self, *media_types: str) -> str | None:
        """The one of ``media_types`` that the client likes best: ``request.accepts("application/json", "text/html")``.

        Of equals the first; ``None`` where none is acceptable (RFC 9110 §12.5.1). What is chosen so is told to caches
        by ``response.headers.vary("Accept")``. Raises `ValueError` for what is no media type.
        """
        from duoframe.negotiation import best_media_type

        return best_media_type(self.headers.get("accept"), media_types)

    def accepts_language(self, *languages: str) -> str | None:
        """The one of ``languages`` that the client likes best: ``request.accepts_language("en", "de-CH")``.

        Of equals the first; ``None`` where none fits (RFC 9110 §12.5.4, RFC 4647 §3.3.1): take a default then. The
        field for ``Vary`` is Accept-Language.
        """
        from duoframe.negotiation import best_language

        return best_language(self.headers.get("accept-language"), languages)

    @property
    def preconditions(self) -> Preconditions:
        """If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since and If-Range (RFC 9110 §13.1)."""
        if self._preconditions is None:
            self._preconditions = Preconditions.parse(self.headers)
        return self._preconditions

    def check_preconditions(
        self,
        etag: ETag | str | None = None,
        last_modified: datetime | float | None = None,
        *,
        exists: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Go on only where the conditions of the request hold: called before a handler acts (RFC 9110 §13.2).

        ``etag`` and ``last_modified``, a datetime or seconds since 1970, are what the resource has now; ``exists``
        whether it is there at all. Raises `HTTPException`: 412, or 304 for GET and HEAD, with these validators and
        ``headers``, such as Cache-Control and Vary.
        """
        tag = None if etag is None else ETag.of(etag)
        status = self.preconditions.evaluate(self.method, tag, last_modified, exists)
        if status == 412:
            raise HTTPException(412)
        if status == 304:
            validators = {} if tag is None else {"etag": str(tag)}
            if last_modified is not None:
                validators["last-modified"] = http_date(last_modified)
            raise HTTPException(304, headers={**validators, **(headers or {})})

    def range(
        self, size: int, etag: ETag | str | None = None, last_modified: datetime | float | None = None
    ) -> Ranges | None:
        """The parts that a GET asks for of ``size`` bytes (RFC 9110 §14): ``[range(0, 500)]`` for ``bytes=0-499``.

        ``None`` where the whole is to be sent: without a Range field, with one that is malformed or asks for too much,
        and where If-Range does not hold for ``etag`` and ``last_modified``. An empty list is for a 416.
        """
        if self.method != "GET" or "range" not in self.headers:
            return None
        tag = None if etag is None else ETag.of(etag)
        if not self.preconditions.allow_range(tag, last_modified):
            return None
        return parse_range(self.headers["range"], size)

    @property
    def last_event_id(self) -> str | None:
        """The id of the last server-sent event that a client got which comes back (WHATWG HTML §9.2.4).

        `HTTPException` 400 for what `check_event_id` refuses: no event can have had it.
        """
        sent = self.headers.get("last-event-id")
        if not sent:
            return None
        try:
            return check_event_id(sent.encode("latin-1").decode())
        except ValueError as error:
            raise HTTPException(400, f"last-event-id: {error}") from error

    @property
    def id(self) -> str:
        """A random identifier of this request, 32 hexadecimal digits, that its log records carry."""
        if self._id is None:
            self._id = uuid.uuid4().hex
        return self._id

    @property
    def state(self) -> State:
        """Room for this request's own values, above what the lifespan yielded."""
        if self._state is None:
            self._state = self.app.state.copy()
        return self._state

    @property
    def session(self) -> Session:
        """What is kept for the visitor between requests. Raises `RuntimeError` where no middleware keeps it."""
        if self._session is None:
            raise RuntimeError(
                "no session middleware runs around this code; register one: App(middleware=[CookieSessions(...)]),"
                " from duoframe.middleware.sessions"
            )
        return self._session

    @property
    def body(self) -> bytes:
        """The whole body. Raises `RuntimeError` where it was not kept: before it is read, or with ``stream=True``."""
        return self._received().content

    @property
    def json(self) -> Any:
        """The body read as JSON. Raises `HTTPException`: 415 for another media type, 400 for malformed text."""
        return self._received().json()

    @property
    def form(self) -> MultiDict[str]:
        """The fields of an urlencoded or multipart body; empty for any other."""
        return self._received().form

    @property
    def files(self) -> MultiDict[UploadFile]:
        """The files of a multipart body; empty for any other."""
        return self._received().files

    @property
    def stream(self) -> BodyStream:
        """The body as it arrives, on a route registered with ``stream=True``. Raises `RuntimeError` elsewhere."""
        if self._stream is None:
            raise RuntimeError(
                self._body_unread or "the body was read before the handler; register the route with stream=True"
            )
        return self._stream

    @property
    def is_disconnected(self) -> bool:
        """Whether the client is known to have left; for long work that then need not go on.

        False does not say that it is there. Behind ASGI the first look has it watched from then on; behind WSGI each
        look asks the connection, where the server gives it (gunicorn, waitress, Werkzeug), and is False elsewhere.
        """
        return self._source.disconnected(self)

    def background(self, task: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Have ``task(*args, **kwargs)``, `def` or `async def`, run once the answer has been sent.

        Tasks of one request run one after another, in its Context; one that fails is logged and the rest still run.
        """
        if self._tasks is None:
            self._tasks = []
        self._tasks.append((task, args, kwargs))

    def _received(self) -> Body:
        if self._body is None:
            if self._body_unread is not None:
                raise RuntimeError(self._body_unread)
            self._body = Body(self.headers.get("content-type", ""), "", self._limits or Limits())
            self._body.finish()
        return self._body

    def _end(self) -> None:
        """Let go of what the server gave and of what was received: the exchange is over."""
        self._source, self._values = _OVER, None
        self._call = self._stream = self._answer = self.error = self._fault = self._refusal = None
        self._given = self._faults = None
        if self._body is not None:
            self._body.close()
        if self._holds_stream and self._streams is not None:
            self._holds_stream = False
            self._streams.give()


def check_event_id(value: str) -> str:
    """The id of a server-sent event, which comes back as a header field: `ValueError` where it could not.

    So it is at most `MAX_EVENT_ID` bytes of UTF-8, without control characters (RFC 9110 §5.5).
    """
    if len(value.encode()) > MAX_EVENT_ID or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError(f"expected an id of at most {MAX_EVENT_ID} bytes without control characters")
    return value


class _Over:
    """Stands for the door of a request whose exchange has ended."""

    def headers(self, values: object, /) -> NoReturn:
        raise RuntimeError("the request is over: read what you need of it before the answer has been sent")

    facts = environ = scope = headers

    def disconnected(self, request: Request, /) -> NoReturn:
        raise RuntimeError("the request is over: nobody waits for it any more")

    departure = disconnected


_OVER = _Over()
_SHOWN = 200
"""Characters of a method and of a path that a log record is to carry."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
# A comma, which RFC 3986 §3.2.2 would allow in a name, is how two Host fields come out of a WSGI server.
# Possessive: without a way back there is nothing to be kept for each character of a long one.
_HOST = re.compile(r"(?:(?:[A-Za-z0-9._~!$&'()*+;=-]++|%[0-9A-Fa-f]{2})++|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?\Z")
