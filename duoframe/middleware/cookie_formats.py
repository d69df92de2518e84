"""How a session stands in a cookie: as duoframe writes it, and as Flask does.

Knows tokens and what they say of a session; must not know requests and answers, which `sessions` brings together with
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from duoframe import tagged
from duoframe.sessions import Kept, Session, TaggedSession, is_aged, unpack
from duoframe.signing import Secret, Signer, TimedSigner


class Format(Protocol):
    """One way in which a cookie says what a session holds."""

    session: type[Session]
    """What such a session is in a request."""

    def __init__(self, secret_key: Secret | Sequence[Secret], name: str) -> None: ...

    def read(self, token: str, max_age: int) -> Kept:
        """What a cookie says. Raises `ValueError` where that is not ours or older than ``max_age`` seconds."""

    def write(self, session: Session) -> str:
        """The value of the cookie. Raises `ValueError` where none is large enough."""


class OwnFormat:
    """JSON, signed for the name of the cookie."""

    session: type[Session] = Session

    def __init__(self, secret_key: Secret | Sequence[Secret], name: str) -> None:
        self._signer = Signer(secret_key, f"duoframe.session {name}")

    def read(self, token: str, max_age: int) -> Kept:
        content, newest = self._signer.unsign(token)
        kept = unpack(content, max_age)
        return kept if newest else kept._replace(aged=True)

    def write(self, session: Session) -> str:
        return self._signer.sign(session._packed())


class FlaskFormat:
    """Tagged JSON, signed and dated as Flask does it, whatever the name of the cookie."""

    session: type[Session] = TaggedSession

    def __init__(self, secret_key: Secret | Sequence[Secret], name: str) -> None:
        self._signer = TimedSigner(secret_key, "cookie-session")

    def read(self, token: str, max_age: int) -> Kept:
        content, newest, saved = self._signer.unsign(token)
        aged = is_aged(saved, max_age)
        values = tagged.loads(content)
        if not isinstance(values, dict):
            raise ValueError("malformed")
        return Kept(values, False, aged=aged or not newest)

    def write(self, session: Session) -> str:
        return self._signer.sign(session._packed())


FORMATS: Mapping[str, type[Format]] = MappingProxyType({"duoframe": OwnFormat, "flask": FlaskFormat})
