"""Redirects: the answer that sends a client elsewhere, and where a client may be sent (RFC 9110 §15.4, §10.2.2).

Knows URI references as servers write and as browsers read them; must not know who asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

from duoframe.datastructures import Fields
from duoframe.responses import Response


class RedirectResponse(Response):
    """Send the client elsewhere: 303 asks with GET, 307 and 308 repeat the method (RFC 9110 §15.4).

    ``location`` is percent-encoded where a URI needs it. Raises `ValueError` for control characters and backslashes
    and for a status that is no redirect.
    """

    media_type = "text/plain; charset=utf-8"

    def __init__(self, location: object, status: int = 303, headers: Fields | None = None) -> None:
        if status not in (301, 302, 303, 307, 308):
            raise ValueError(f"expected a redirect status (301, 302, 303, 307, 308), got {status!r}")
        super().__init__(b"", status, headers)
        self.headers["location"] = _location(str(location))


def redirect(location: object, status: int = 303) -> RedirectResponse:
    """`RedirectResponse` by its verb: ``return redirect("/login")``."""
    return RedirectResponse(location, status)


def is_safe_redirect(url: str | None, allowed_hosts: Iterable[str] = ()) -> bool:
    """Whether ``url``, which a client sent, may be redirected to: ``is_safe_redirect(request.query.get("next"))``.

    Safe is what stays on this origin, a path, query or fragment, and what names one of ``allowed_hosts`` by ``http``,
    ``https`` or no scheme; a host stands there as ``"example.org"``, with its port where that is not the scheme's own.
    Everything is read as browsers do (WHATWG URL §4.4), and what they would mend is not safe: control characters,
    backslashes, blanks around, slashes left out or added. Raises `TypeError` for hosts in one `str`.
    """
    if isinstance(allowed_hosts, str):
        raise TypeError(f"expected several hosts, as in ({allowed_hosts!r},), got one str")
    if not url or url != url.strip() or _MENDED.search(url):
        return False
    match = _ABSOLUTE.match(url)
    if match is None:
        return _SCHEME.match(url) is None and not url.startswith("//")
    scheme, host, port = match.groups()
    host = host.lower()
    hosts = {allowed.lower() for allowed in allowed_hosts}
    if not port:
        return host in hosts
    own = {"http": 80, "https": 443}.get((scheme or "").lower())
    return f"{host}:{int(port)}" in hosts or (int(port) == own and host in hosts)


def _location(location: str) -> str:
    """A ``Location`` value: percent-encoded, its fragment kept (RFC 9110 §10.2.2). Raises `ValueError`."""
    if "\\" in location or any(ord(character) < 32 or ord(character) == 127 for character in location):
        raise ValueError(f"expected a URI reference without control characters and backslashes, got {location!r}")
    return quote(location, safe="/:?#[]@!$&'()*+,;=%~-._")


# What a browser takes out or turns into a slash before it reads, and what cannot be sent.
_MENDED = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_SCHEME = re.compile(r"[^/?#]*:")  # what RFC 3986 §4.2 would not let a relative path begin with, either
_ABSOLUTE = re.compile(
    r"(?:(https?):)?//([0-9a-z._-]+|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?(?=[/?#]|\Z)", re.ASCII | re.IGNORECASE
)
