"""Sessions: `CookieSessions` carries them in a signed cookie, `ServerSessions` hands them to a store.

Knows requests, answers and the cookie between them; must not know how a store keeps what it is given
(`contrib.stores`), nor how a session stands in a cookie (`cookie_formats`). What a session is stands in
`duoframe.sessions`.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import secrets
from collections.abc import Generator, Sequence
from typing import Literal, TypedDict, Unpack

from duoframe.cookies import SameSite, cookie_field
from duoframe.errors import ConfigurationError, HTTPException
from duoframe.files import FileBody
from duoframe.middleware.cookie_formats import FORMATS
from duoframe.pieces import inline
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.sessions import Kept, Session, Store, StoreUnavailable, unpack
from duoframe.signing import Secret

FORTNIGHT = 14 * 24 * 3600

logger = logging.getLogger("duoframe")

_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{43}")
_UNAVAILABLE = "the store of sessions is not available"


class Options(TypedDict, total=False):
    """What `CookieSessions` and `ServerSessions` take beside what they keep sessions with."""

    max_age: int
    """Seconds that a session lasts after it was kept last, a fortnight where nothing is said."""
    permanent: bool
    """Whether the cookie outlives the browser's own session, as it does where nothing is said."""
    name: str
    path: str
    domain: str | None
    secure: bool | None
    """None, as where nothing is said: over https alone where the request came by https."""
    httponly: bool
    """Whether it is kept from the scripts of a page, as it is where nothing is said."""
    samesite: SameSite | None
    partitioned: bool


FLASK_OPTIONS = Options(max_age=31 * 24 * 3600, permanent=False, samesite=None)
"""What holds for Flask's cookie where nothing else is said, as in Flask."""


class _Sessions:
    """What both kinds share: the cookie, its attributes, and what it asks of caches."""

    def __init__(
        self,
        *,
        max_age: int = FORTNIGHT,
        permanent: bool = True,
        name: str = "session",
        path: str = "/",
        domain: str | None = None,
        secure: bool | None = None,
        httponly: bool = True,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        if type(max_age) is not int or max_age < 1:
            raise ConfigurationError(f"sessions: expected max_age in whole seconds, 1 or more, got {max_age!r}")
        try:
            cookie_field(
                name, path=path, domain=domain, secure=bool(secure), samesite=samesite, partitioned=partitioned
            )
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"sessions: {error}") from error
        self._max_age = max_age
        self._permanent = bool(permanent)
        self._name = name
        self._path = path
        self._domain = domain
        self._secure = secure
        self._httponly = bool(httponly)
        self._samesite = samesite
        self._partitioned = partitioned

    def _empty(self, error: str | None = None) -> Kept:
        return Kept({}, self._permanent, error=error)

    def _close(self, session: Session, response: Response) -> bool:
        """Take no more changes; whether anybody has looked at the session."""
        session._closed = True
        stream = response.stream
        if session.accessed or not (stream is None or isinstance(stream, FileBody)):  # one that runs may look later
            response.headers.vary("Cookie")
        return session.accessed

    def _send(self, request: Request, response: Response, value: str, permanent: bool) -> None:
        """Set the cookie, or delete it without a value, and keep the answer out of shared caches."""
        response.set_cookie(
            self._name,
            value,
            max_age=(self._max_age if permanent else None) if value else 0,
            expires=None if value else 0,
            path=self._path,
            domain=self._domain,
            secure=request.scheme == "https" if self._secure is None else self._secure,
            httponly=self._httponly,
            samesite=self._samesite,
            partitioned=self._partitioned,
        )
        keep_private(response)


def keep_private(response: Response) -> None:
    """Keep an answer with somebody's cookie out of shared caches (RFC 9111 §5.2.2.7)."""
    caching = response.cache_control
    if not (caching.no_store or caching.private is True):
        response.cache_control = caching.replace(public=False, private=True)


@inline
class CookieSessions(_Sessions):
    """Middleware that carries `request.session` in a signed cookie: ``App(middleware=[CookieSessions(secret_key)])``.

    The client can read the session and send an older one again, but not change it; what must stay secret, or end at
    once, belongs into `ServerSessions`. ``secret_key``: 16 bytes or more that nobody can guess; of several the first,
    the newest, signs, and all are believed. A session in use is sent again once half of its time is over. Of two
    requests that change it at once the last answer counts. ``format="flask"`` reads and writes the cookie of a Flask
    application with the same key; such a session lasts 31 days, ends with the browser unless it is ``permanent``, and
    its cookie says no SameSite, where nothing else is said. Raises `ConfigurationError`.
    """

    def __init__(
        self,
        secret_key: Secret | Sequence[Secret],
        *,
        format: Literal["duoframe", "flask"] = "duoframe",
        **options: Unpack[Options],
    ) -> None:
        kind = FORMATS.get(format)
        if kind is None:
            raise ConfigurationError(f"CookieSessions: expected format to be 'duoframe' or 'flask', got {format!r}")
        if format == "flask":
            options = {**FLASK_OPTIONS, **options}
        super().__init__(**options)
        self._format = kind(secret_key, self._name)

    def __call__(self, request: Request) -> Generator[None, Response, None]:
        """Run around one request."""
        token = request.cookies.get(self._name)
        session = request._session = self._format.session(functools.partial(self._read, token))
        response = yield
        if self._close(session, response):
            if session._due:
                self._sign(request, response, session)
            elif token is not None and session._gone:
                self._send(request, response, "", False)

    def _read(self, token: str | None) -> Kept:
        if token is None:
            return self._empty()
        try:
            return self._format.read(token, self._max_age)
        except ValueError as error:
            return self._empty(str(error))

    def _sign(self, request: Request, response: Response, session: Session) -> None:
        try:
            self._send(request, response, self._format.write(session), session.permanent)
        except ValueError as error:
            raise ValueError(
                f"the session is too large for a cookie: {error}. Keep less in it, or keep it on the server with"
                " ServerSessions"
            ) from error


class ServerSessions(_Sessions):
    """Middleware that keeps `request.session` in a store: ``App(middleware=[ServerSessions(RedisStore(url))])``.

    The cookie holds 256 random bits, the store only a hash of them. A session is loaded before the handler runs, where
    the client sent a cookie, and kept before the answer leaves, where it was changed or, once half of its time is over,
    looked at. Of two requests that change it at once the last one's values stay; with ``check_conflicts`` the later one
    is answered 409, as one is in any case whose session was ended meanwhile. ``required``: answer 503 while the store
    is not available; False goes on with an empty session that is not kept. Raises `ConfigurationError`.
    """

    def __init__(
        self, store: Store, *, required: bool = True, check_conflicts: bool = False, **options: Unpack[Options]
    ) -> None:
        super().__init__(**options)
        if isinstance(store, type) or not isinstance(store, Store):
            raise ConfigurationError(f"ServerSessions: expected a store, as in duoframe.contrib.stores, got {store!r}")
        self._store = store
        self._required = required
        self._check_conflicts = check_conflicts
        self._ask_processes = not store.shared

    def __call__(self, request: Request) -> Generator[None, Response, None]:
        """Run around one request."""
        if self._ask_processes:
            self._ask_processes = False
            if request.facts.multiprocess:
                name = type(self._store).__name__
                logger.warning("%s keeps sessions in one process, and the server runs several; take another", name)
        token = request.cookies.get(self._name)
        kept, content = self._load(token)
        session = request._session = Session(lambda: kept)
        response = yield
        if self._close(session, response) and kept.error != _UNAVAILABLE:
            try:
                self._conclude(request, response, session, content)
            except StoreUnavailable as error:
                self._do_without(error)

    def _load(self, token: str | None) -> tuple[Kept, bytes | None]:
        """The session that a cookie names, and how it was written down."""
        if token is None:
            return self._empty(), None
        if _IDENTIFIER.fullmatch(token) is None:
            return self._empty("malformed"), None
        try:
            content = self._store.load(self._key(token))
            if content is None:
                return self._empty("unknown"), None
            return unpack(content, self._max_age), content
        except StoreUnavailable as error:
            self._do_without(error)
            return self._empty(_UNAVAILABLE), None
        except ValueError as error:
            return self._empty(str(error)), None

    def _conclude(self, request: Request, response: Response, session: Session, content: bytes | None) -> None:
        """Keep the session, or forget it; ``content``: what it was when it was loaded."""
        sent = request.cookies.get(self._name)
        if session._due:
            token = self._keep(session, sent, content)
            if token is not None:
                self._send(request, response, token, session.permanent)
        elif sent is not None and session._gone:
            if content is not None:
                self._store.delete(self._key(sent))
            self._send(request, response, "", False)

    def _keep(self, session: Session, token: str | None, content: bytes | None) -> str | None:
        """The identifier that the session is kept under: a new one where what the client sent was not known."""
        packed = session._packed()
        if token is None or content is None or session._regenerated:
            fresh = secrets.token_urlsafe(32)
            self._store.create(self._key(fresh), packed, self._max_age)
            if token is not None and content is not None:
                self._store.delete(self._key(token))
            return fresh
        if self._store.replace(self._key(token), packed, self._max_age, content if self._check_conflicts else None):
            return token
        if session.modified:
            raise HTTPException(409, "the session was changed or ended by another request meanwhile")
        return None

    def _key(self, token: str) -> str:
        """What the store knows of a session: neither the identifier, nor which of two kinds of session it is."""
        return hashlib.sha256(f"{self._name} {token}".encode()).hexdigest()

    def _do_without(self, error: StoreUnavailable) -> None:
        logger.warning("sessions: %s", error)
        if self._required:
            raise HTTPException(503, _UNAVAILABLE, {"retry-after": "1"}) from error
