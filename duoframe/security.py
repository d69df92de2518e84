"""How a client says who it is: one scheme an object, a dependency: ``key: str = Depends(APIKeyHeader("x-key"))``.

Knows fields, their grammars and their challenges; must not know users: whether credentials hold is for the dependency
that takes them. A scheme only computes, so it runs in place on any server. `openapi` describes what stands here.
"""

from __future__ import annotations

import binascii
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from duoframe.errors import ConfigurationError, HTTPException
from duoframe.grammar import TOKEN, quoted
from duoframe.params import Close, Dependency, Form, SecurityScopes
from duoframe.requests import Request

__all__ = [
    "APIKeyCookie",
    "APIKeyHeader",
    "APIKeyQuery",
    "HTTPAuthorizationCredentials",
    "HTTPBasic",
    "HTTPBasicCredentials",
    "HTTPBearer",
    "OAuth2PasswordBearer",
    "OAuth2PasswordRequestForm",
    "Scheme",
    "Security",
    "SecurityScopes",
]

_CREDENTIALS = re.compile(rf"({TOKEN})(?: ++([A-Za-z0-9\-._~+/]++=*+))?")
"""A scheme and, where they have its form, its credentials: a token68 (RFC 9110 §11.2, §11.4)."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTABLE = re.compile(r"[ -~]+")
_SCOPE = re.compile(r"[!#-\[\]-~]+")  # RFC 6749 §3.3


@dataclass(frozen=True, slots=True)
class HTTPBasicCredentials:
    """A user name and a password, as they were sent; nobody has looked yet whether they belong together."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HTTPAuthorizationCredentials:
    """What stood in the Authorization field: the scheme as the client wrote it, and its credentials."""

    scheme: str
    credentials: str = field(repr=False)


def Security(  # noqa: N802  # a kind, as its users read it
    call: Callable[..., Any] | None = None,
    *,
    scopes: Sequence[str] = (),
    use_cache: bool = True,
    close: Close = "after_response",
) -> Any:
    """`Depends` with scopes that are required: ``user: User = Security(get_user, scopes=["items:read"])``.

    Whatever ``call`` depends on is asked for them too, and learns them by `SecurityScopes`. Raises
    `ConfigurationError` for what is no scope.
    """
    if isinstance(scopes, str) or not all(isinstance(name, str) and _SCOPE.fullmatch(name) for name in scopes):
        raise ConfigurationError(f"Security(scopes=...): expected a list of texts without blanks, got {scopes!r}")
    return Dependency(call, use_cache, close, tuple(scopes))


class Scheme(ABC):
    """One way to carry credentials. Called with a request it gives them, or answers 401 with its challenge.

    ``scheme_name`` is what the description of the application calls it, by itself its class's name; ``description`` is
    for who reads that. With ``auto_error=False`` a request without credentials of this form gives ``None``.
    """

    __duoframe_inline__: ClassVar = True

    def __init__(self, scheme_name: str | None, description: str | None, auto_error: bool) -> None:
        self.scheme_name = scheme_name or type(self).__name__
        self.description = description
        self.auto_error = auto_error

    @abstractmethod
    def __call__(self, request: Request) -> Any:
        """The credentials that were sent, and nothing else was asked of them than their form."""

    @abstractmethod
    def definition(self) -> dict[str, Any]:
        """The Security Scheme Object without its description (OpenAPI 3.1.1 §4.8.27)."""

    @abstractmethod
    def challenge(self) -> str:
        """What to send as WWW-Authenticate (RFC 9110 §11.6.1)."""

    def unauthorized(self, detail: str | None = None) -> HTTPException:
        """What to raise for credentials that do not hold: 401 with this scheme's challenge."""
        return HTTPException(401, detail, {"www-authenticate": self.challenge()})

    def _missing(self) -> None:
        """Answer a request without credentials of this scheme."""
        if self.auto_error:
            raise HTTPException(
                401, f"expected credentials: {self.scheme_name}", {"www-authenticate": self.challenge()}
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.scheme_name}>"


class _HTTPScheme(Scheme):
    """A scheme of the Authorization field (RFC 9110 §11.6.2)."""

    name: ClassVar[str]

    def __init__(self, realm: str, scheme_name: str | None, description: str | None, auto_error: bool) -> None:
        super().__init__(scheme_name, description, auto_error)
        if not isinstance(realm, str) or not _QUOTABLE.fullmatch(realm):
            raise ConfigurationError(f"{type(self).__name__}(realm=...): expected printable ASCII, got {realm!r}")
        self.realm = realm

    def _read(self, request: Request) -> HTTPAuthorizationCredentials | None:
        """What was sent for this scheme; None where nothing was. Raises 401 for what has not its form."""
        fields = request.headers.getlist("authorization")
        sent = fields[0].strip(" \t") if fields else ""
        found = _CREDENTIALS.match(sent)
        if found is None or found[1].lower() != self.name.lower():
            return None
        if found[2] is not None and found.end() == len(sent) and len(fields) == 1:
            return HTTPAuthorizationCredentials(found[1], found[2])
        self._malformed()
        return None

    def _malformed(self) -> None:
        if self.auto_error:
            raise self.unauthorized(f"expected one Authorization field with {self.name} credentials")


class HTTPBasic(_HTTPScheme):
    """A user name and a password (RFC 7617): ``who: HTTPBasicCredentials = Depends(HTTPBasic())``.

    ``realm`` is what they are good for, shown to the user. Compare a password by `secrets.compare_digest`.
    """

    name = "Basic"

    def __init__(
        self,
        realm: str = "restricted",
        *,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(realm, scheme_name, description, auto_error)

    def __call__(self, request: Request) -> HTTPBasicCredentials | None:
        sent = self._read(request)
        if sent is None:
            self._missing()
            return None
        try:
            text = binascii.a2b_base64(sent.credentials, strict_mode=True).decode()
        except ValueError:  # no base64, or no UTF-8
            text = ""
        username, colon, password = text.partition(":")
        if not colon or _CONTROL.search(text):  # RFC 7617 §2
            self._malformed()
            return None
        return HTTPBasicCredentials(username, password)

    def definition(self) -> dict[str, Any]:
        return {"type": "http", "scheme": "basic"}

    def challenge(self) -> str:
        return f'Basic realm={quoted(self.realm)}, charset="UTF-8"'


class _Bearer(_HTTPScheme):
    """Tokens in the Authorization field (RFC 6750 §2.1)."""

    name = "Bearer"

    def unauthorized(self, detail: str | None = None, scopes: Iterable[str] = ()) -> HTTPException:
        """What to raise for a token that does not hold: 401, ``error="invalid_token"`` (RFC 6750 §3.1)."""
        return self._refusal(401, "invalid_token", detail, scopes)

    def forbidden(self, detail: str | None = None, scopes: Iterable[str] = ()) -> HTTPException:
        """What to raise for a token without the ``scopes`` that are needed: 403 (RFC 6750 §3.1)."""
        return self._refusal(403, "insufficient_scope", detail, scopes)

    def _refusal(self, status: int, error: str, detail: str | None, scopes: Iterable[str]) -> HTTPException:
        challenge = f'{self.challenge()}, error="{error}"'
        if needed := " ".join(scopes):
            challenge += f", scope={quoted(needed)}"
        return HTTPException(status, detail, {"www-authenticate": challenge})

    def challenge(self) -> str:
        return f"Bearer realm={quoted(self.realm)}"


class HTTPBearer(_Bearer):
    """A token of any kind: ``sent: HTTPAuthorizationCredentials = Depends(HTTPBearer())``.

    ``bearer_format`` tells readers of the description what the token is: ``"JWT"``.
    """

    def __init__(
        self,
        realm: str = "restricted",
        *,
        bearer_format: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(realm, scheme_name, description, auto_error)
        self.bearer_format = bearer_format

    def __call__(self, request: Request) -> HTTPAuthorizationCredentials | None:
        sent = self._read(request)
        if sent is None:
            self._missing()
        return sent

    def definition(self) -> dict[str, Any]:
        form = {} if self.bearer_format is None else {"bearerFormat": self.bearer_format}
        return {"type": "http", "scheme": "bearer", **form}


class OAuth2PasswordBearer(_Bearer):
    """A token that a client gets for a name and a password (RFC 6749 §4.3): ``token: str = Depends(scheme)``.

    ``token_url`` is where: a route of yours that takes `OAuth2PasswordRequestForm`. ``scopes`` maps what a token may be
    good for to sentences. A ``token_url`` that begins with a slash stands below the place of the application.
    """

    def __init__(
        self,
        token_url: str,
        scopes: Mapping[str, str] | None = None,
        *,
        realm: str = "restricted",
        refresh_url: str | None = None,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        super().__init__(realm, scheme_name, description, auto_error)
        self.token_url = token_url
        self.scopes = dict(scopes or {})
        self.refresh_url = refresh_url

    def __call__(self, request: Request) -> str | None:
        sent = self._read(request)
        if sent is None:
            self._missing()
            return None
        return sent.credentials

    def definition(self) -> dict[str, Any]:
        refresh = {} if self.refresh_url is None else {"refreshUrl": self.refresh_url}
        return {
            "type": "oauth2",
            "flows": {"password": {"tokenUrl": self.token_url, **refresh, "scopes": dict(self.scopes)}},
        }


@dataclass(frozen=True, slots=True)
class OAuth2PasswordRequestForm:
    """What a client sends for a token (RFC 6749 §4.3.2): ``form: OAuth2PasswordRequestForm = Depends()``."""

    grant_type: Annotated[Literal["password"], Form()]
    username: Annotated[str, Form()]
    password: Annotated[str, Form()] = field(repr=False)
    scope: Annotated[str, Form()] = ""
    client_id: Annotated[str | None, Form()] = None
    client_secret: Annotated[str | None, Form()] = field(default=None, repr=False)

    @property
    def scopes(self) -> list[str]:
        """The scopes that are asked for."""
        return self.scope.split()


class _APIKey(Scheme):
    """A key that the application gave out. HTTP has no scheme for it: the challenge says where it is looked for."""

    place: ClassVar[str]

    def __init__(
        self, name: str, *, scheme_name: str | None = None, description: str | None = None, auto_error: bool = True
    ) -> None:
        super().__init__(scheme_name, description, auto_error)
        if not isinstance(name, str) or not re.fullmatch(TOKEN, name):
            raise ConfigurationError(f"{type(self).__name__}(name=...): expected a name without blanks, got {name!r}")
        self.name = name
        self.__duoframe_reads__ = ((self.place, name),)  # beside what a signature tells

    def __call__(self, request: Request) -> str | None:
        sent = self._sent(request)
        if len(sent) == 1 and sent[0]:
            return sent[0]
        self._missing()
        return None

    @abstractmethod
    def _sent(self, request: Request) -> list[str]:
        """What was sent under its name."""

    def definition(self) -> dict[str, Any]:
        return {"type": "apiKey", "in": self.place, "name": self.name}

    def challenge(self) -> str:
        return f'ApiKey in="{self.place}", name={quoted(self.name)}'


class APIKeyHeader(_APIKey):
    """A key in a header field: ``key: str = Depends(APIKeyHeader("x-api-key"))``."""

    place = "header"

    def _sent(self, request: Request) -> list[str]:
        return request.headers.getlist(self.name)


class APIKeyQuery(_APIKey):
    """A key in the query; it ends up in logs and histories, so prefer a header field."""

    place = "query"

    def _sent(self, request: Request) -> list[str]:
        return request.query.getlist(self.name)


class APIKeyCookie(_APIKey):
    """A key in a cookie."""

    place = "cookie"

    def _sent(self, request: Request) -> list[str]:
        return request.cookies.getlist(self.name)[:1]  # of two with one name the first counts
