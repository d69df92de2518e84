"""Sessions in Flask's manner: what ``app.session_interface`` is, and when it is asked.

Knows the configuration of an application and the cookie that it describes; must not know how a cookie says what a
session holds (`middleware.cookie_formats`). `dispatch` opens a session before the view, and keeps it after the hooks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import duoframe
from duoframe import tagged
from duoframe.flask.json import provider
from duoframe.middleware.cookie_formats import FlaskFormat
from duoframe.middleware.sessions import keep_private
from duoframe.sessions import Kept, TaggedSession

if TYPE_CHECKING:
    from duoframe.flask.app import Flask
    from duoframe.flask.requests import Request
    from duoframe.flask.responses import Response

MAX_AGE = 2**40
"""Seconds that no value is older than."""

NO_SECRET = (
    "The session is unavailable because no secret key was set. Set the secret_key on the application to something"
    " unique and secret."
)


class SessionMixin:
    """What marks a session of an interface's own: ``class ServerSession(dict, SessionMixin)``."""

    new = False
    modified = True
    accessed = True

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser's own session."""
        return bool(self.get("_permanent", False))  # type: ignore[attr-defined]  # it is a mapping too

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)  # type: ignore[index]  # as above


class SecureCookieSession(TaggedSession):
    """A session in a signed cookie. Beside what Flask's does it notices changes inside a list or a `dict`.

    It takes whatever can be written, as the application writes JSON; what cannot raises `TypeError` when it is set.
    """

    new = False
    _default: Callable[[Any], Any] = staticmethod(provider.default)

    @property
    def modified(self) -> bool:
        """Whether the cookie is to be sent anew; set it to say so."""
        return self._again or super().modified

    @modified.setter
    def modified(self, value: bool) -> None:
        self._before = self._encoded()
        self._again = bool(value)

    def clear(self) -> None:
        """Forget everything: the cookie is deleted."""
        self._open_values().clear()
        self._again = True

    def _text(self, values: dict[str, Any]) -> bytes:
        return tagged.dumps(values, "session", self._default).encode("ascii")


class NullSession(SecureCookieSession):
    """The empty session of an application without a secret key: it can be read, and writing raises `RuntimeError`."""

    def __init__(self) -> None:
        super().__init__(lambda: Kept({}, False))

    def _fail(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(NO_SECRET)

    __setitem__ = __delitem__ = clear = pop = popitem = update = setdefault = _fail


class SessionInterface:
    """Opens the session of a request and keeps it; set ``app.session_interface`` to one of your own."""

    null_session_class = NullSession
    pickle_based = False

    def make_null_session(self, app: Flask) -> NullSession:
        """The session where `open_session` gives none."""
        return self.null_session_class()

    def is_null_session(self, obj: object) -> bool:
        """Whether a session is such a one, which is not kept."""
        return isinstance(obj, self.null_session_class)

    def get_cookie_name(self, app: Flask) -> str:
        """``SESSION_COOKIE_NAME``."""
        return str(app.config["SESSION_COOKIE_NAME"])

    def get_cookie_domain(self, app: Flask) -> str | None:
        """``SESSION_COOKIE_DOMAIN``."""
        domain: str | None = app.config["SESSION_COOKIE_DOMAIN"]
        return domain

    def get_cookie_path(self, app: Flask) -> str:
        """``SESSION_COOKIE_PATH``, or else ``APPLICATION_ROOT``."""
        return str(app.config["SESSION_COOKIE_PATH"] or app.config["APPLICATION_ROOT"])

    def get_cookie_httponly(self, app: Flask) -> bool:
        """``SESSION_COOKIE_HTTPONLY``."""
        return bool(app.config["SESSION_COOKIE_HTTPONLY"])

    def get_cookie_secure(self, app: Flask) -> bool:
        """``SESSION_COOKIE_SECURE``."""
        return bool(app.config["SESSION_COOKIE_SECURE"])

    def get_cookie_samesite(self, app: Flask) -> str | None:
        """``SESSION_COOKIE_SAMESITE``."""
        samesite: str | None = app.config["SESSION_COOKIE_SAMESITE"]
        return samesite

    def get_cookie_partitioned(self, app: Flask) -> bool:
        """``SESSION_COOKIE_PARTITIONED``."""
        return bool(app.config["SESSION_COOKIE_PARTITIONED"])

    def get_expiration_time(self, app: Flask, session: Any) -> datetime | None:  # Any: whatever the interface opens
        """When the cookie ends: ``PERMANENT_SESSION_LIFETIME`` from now on, None where it ends with the browser."""
        return datetime.now(UTC) + timedelta(seconds=lifetime(app)) if session.permanent else None

    def should_set_cookie(self, app: Flask, session: Any) -> bool:  # Any: as above
        """Whether the cookie is sent: where the session has changed, and with every answer where it is permanent.

        The latter ends with ``SESSION_REFRESH_EACH_REQUEST = False``.
        """
        return bool(session.modified or (session.permanent and app.config["SESSION_REFRESH_EACH_REQUEST"]))

    def open_session(self, app: Flask, request: Request) -> Any:  # Any: a mapping with a `SessionMixin`'s names
        """The session of a request, None where there can be none."""
        raise NotImplementedError

    def save_session(self, app: Flask, session: Any, response: Response) -> None:  # Any: as above
        """Keep a session, and tell the client by a cookie of the answer."""
        raise NotImplementedError


class SecureCookieSessionInterface(SessionInterface):
    """Keeps a session in a signed cookie, the very one that Flask reads and writes."""

    session_class = SecureCookieSession

    def get_signing_serializer(self, app: Flask) -> Serializer | None:
        """What reads and writes the cookie's value, None without a secret key."""
        if not app.config["SECRET_KEY"]:
            return None
        return _serializer(app.config["SECRET_KEY"], *(app.config["SECRET_KEY_FALLBACKS"] or ()))

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session that the request's cookie tells of; a cookie that is not believed tells of none."""
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        token = request.cookies.get(self.get_cookie_name(app))
        session = self.session_class(functools.partial(serializer.kept, token, lifetime(app)))
        session._default = getattr(app.json, "default", provider.default)
        return session

    def save_session(self, app: Flask, session: SecureCookieSession, response: Response) -> None:
        """Send the cookie where that is due, delete it where the session has been emptied.

        An answer that looked at the session says ``Vary: Cookie``; one that sets the cookie is for no shared cache.
        """
        core = response._core
        aged = False
        if session.accessed:
            core.headers.vary("Cookie")
            aged = session._looked_at().aged  # by half of its time, or by a secret key that has been replaced
        elif not app.config["SESSION_REFRESH_EACH_REQUEST"]:
            return
        if not session:
            if session.modified:
                self._send(app, core, "", 0)
        elif aged or self.should_set_cookie(app, session):
            serializer = self.get_signing_serializer(app)
            if serializer is None:
                raise RuntimeError(NO_SECRET)
            self._send(app, core, serializer.write(session), self.get_expiration_time(app, session))

    def _send(self, app: Flask, core: duoframe.Response, value: str, expires: datetime | int | None) -> None:
        samesite: Any = self.get_cookie_samesite(app)
        core.set_cookie(
            self.get_cookie_name(app),
            value,
            max_age=None if value else 0,
            expires=expires,
            path=self.get_cookie_path(app),
            domain=self.get_cookie_domain(app) or None,
            secure=self.get_cookie_secure(app),
            httponly=self.get_cookie_httponly(app),
            samesite=samesite and samesite.title(),
            partitioned=self.get_cookie_partitioned(app),
        )
        core.headers.vary("Cookie")
        keep_private(core)


class Serializer(FlaskFormat):
    """Reads and writes the value of the cookie."""

    def dumps(self, obj: Mapping[str, Any]) -> str:
        """The value that says what a session holds. Raises `TypeError` and `ValueError`."""
        return self._signer.sign(tagged.dumps(obj, "session", provider.default).encode("ascii"))

    def loads(self, s: str, max_age: int = MAX_AGE) -> dict[str, Any]:
        """What a value says. Raises `ValueError` for one that is not signed here, or older than ``max_age`` seconds."""
        return self.read(s, max_age).values

    def kept(self, token: str | None, max_age: int) -> Kept:
        """What a request's cookie tells of, if there is one."""
        if not token:
            return Kept({}, False)
        try:
            return self.read(token, max_age)
        except ValueError as error:
            return Kept({}, False, error=str(error))


@functools.lru_cache(maxsize=16)
def _serializer(*keys: str | bytes) -> Serializer:
    return Serializer(keys, "session")


def lifetime(app: Flask) -> int:
    """``PERMANENT_SESSION_LIFETIME``, a `timedelta` or seconds, in seconds."""
    value = app.config["PERMANENT_SESSION_LIFETIME"]
    return int(value.total_seconds() if isinstance(value, timedelta) else value)


def open_session(app: Flask, request: Request) -> Any:  # Any: as the interface opens it
    """The session of a request, opened when it is first asked for."""
    core = request._core
    if core._session is None:
        interface = app.session_interface
        session = interface.open_session(app, request)
        core._session = interface.make_null_session(app) if session is None else session
    return core._session
