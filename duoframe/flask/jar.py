"""The cookies of a test client: kept as a browser keeps them, sent where they belong (RFC 6265 §5).

Knows Set-Cookie fields, hosts and paths; knows no request and no application. `testing` asks it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from duoframe.conditions import parse_date
from duoframe.cookies import cookie_field, parse_cookies


@dataclass
class Cookie:
    """One cookie, with what was said of it."""

    key: str
    value: str
    """As it travels: quoted where it had to be."""
    decoded_key: str
    decoded_value: str
    """As the application sees it."""
    expires: datetime | None
    max_age: int | None
    """In seconds from when it was set."""
    domain: str
    origin_only: bool
    """Whether it goes to ``domain`` alone, and not to what is below it."""
    path: str
    secure: bool
    http_only: bool
    same_site: str | None
    _set_at: float = field(default_factory=time.time, repr=False)

    @classmethod
    def parse(cls, text: str, host: str, path: str) -> Cookie | None:
        """The cookie of a Set-Cookie field that came from this host and path; None where there is none in it."""
        pair, *attributes = text.split(";")
        known = parse_cookies(pair.encode("utf-8").decode("latin-1"))
        if not known:
            return None
        said: dict[str, str | None] = {}
        for attribute in attributes:
            name, equals, value = attribute.partition("=")
            said[name.strip(" \t").lower()] = value.strip(" \t") if equals else None
        key, _, value = pair.partition("=")
        domain, age = (said.get("domain") or "").removeprefix(".").lower(), said.get("max-age") or ""
        return cls(
            key=key.strip(" \t"),
            value=value.strip(" \t"),
            decoded_key=next(iter(known)),
            decoded_value=next(iter(known.values())),
            expires=parse_date(said.get("expires") or ""),
            max_age=int(age) if age.removeprefix("-").isdecimal() else None,
            domain=domain or host,
            origin_only=not domain,
            path=said.get("path") or path.rpartition("/")[0] or "/",
            secure="secure" in said,
            http_only="httponly" in said,
            same_site=said.get("samesite"),
        )

    @property
    def expired(self) -> bool:
        """Whether its time is over; Max-Age counts before Expires (RFC 6265 §5.3)."""
        if self.max_age is not None:
            return time.time() >= self._set_at + self.max_age
        return self.expires is not None and time.time() >= self.expires.timestamp()

    def belongs_to(self, host: str, path: str) -> bool:
        """Whether it is sent there (RFC 6265 §5.1.3 and §5.1.4).

        Secure is not asked for: a test speaks of ``http://localhost`` and means the site.
        """
        below = not self.origin_only and host.endswith(f".{self.domain}")
        folder = self.path if self.path.endswith("/") else f"{self.path}/"
        return (host == self.domain or below) and (path == self.path or path.startswith(folder))


class Jar:
    """The cookies of one client; a name, a domain and a path tell one from another."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def get(self, key: str, domain: str, path: str) -> Cookie | None:
        cookie = self._cookies.get((domain, path, key))
        return None if cookie is None or cookie.expired else cookie

    def put(self, cookie: Cookie) -> None:
        """Keep a cookie, or forget the one of its place where it has expired."""
        place = (cookie.domain, cookie.path, cookie.decoded_key)
        if cookie.expired:
            self._cookies.pop(place, None)
        else:
            self._cookies[place] = cookie

    def set(self, key: str, value: str, domain: str, origin_only: bool, path: str, **attributes: object) -> None:
        """Keep a cookie of the test's own. Raises what `cookie_field` raises."""
        said = cookie_field(key, value, path=path, **attributes)  # type: ignore[arg-type]  # as the test gives them
        cookie: Any = Cookie.parse(said, domain, path)  # there is one in it
        cookie.origin_only = origin_only
        self.put(cookie)

    def drop(self, key: str, domain: str, path: str) -> None:
        """Forget a cookie, where it is there."""
        self._cookies.pop((domain, path, key), None)

    def take(self, fields: list[str], host: str, path: str) -> None:
        """Keep what an answer from there has set."""
        for text in fields:
            cookie = Cookie.parse(text, host, path)
            if cookie is not None:
                self.put(cookie)

    def field(self, host: str, path: str) -> str:
        """The Cookie field of a request there; ``""`` where none belongs."""
        sent = [cookie for cookie in self._cookies.values() if not cookie.expired and cookie.belongs_to(host, path)]
        return "; ".join(f"{cookie.key}={cookie.value}" for cookie in sent)
