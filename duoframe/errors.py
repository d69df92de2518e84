"""The exceptions a user raises or meets.

Knows nothing of requests or responses: `core` maps an exception to an answer.
"""

import copyreg
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn


class HTTPException(Exception):
    """An answer by exception: ``raise HTTPException(404, "no such item")``.

    ``status`` is an HTTP error or redirect status (300 to 599), ``detail`` a sentence the client may read,
    ``headers`` are fields of the answer. The rest are members of its problem details (RFC 9457 §3): ``type``, a URI
    of the kind of problem, with a ``title`` that is the same each time; ``instance``, a URI of this one occurrence;
    ``extensions``, further members whose values can be encoded as JSON.

        HTTPException(403, "30 of 50 left", type="https://example.com/credit", extensions={"balance": 30})

    Raises `ValueError` for any other status, for a ``title`` without a ``type``, which has the status's reason for a
    title, and for extensions that bear the name of another member.
    """

    def __init__(
        self,
        status: int,
        detail: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        type: str | None = None,
        title: str | None = None,
        instance: str | None = None,
        extensions: Mapping[str, Any] | None = None,  # Any: whatever msgspec can encode
    ) -> None:
        if not isinstance(status, int) or not 300 <= status <= 599:
            raise ValueError(f"expected a status from 300 to 599, got {status!r}")
        super().__init__(status, detail)
        self.status = int(status)
        self.detail = detail
        self.headers = headers
        self.type = type or BLANK
        if self.type == BLANK:
            if title is not None:
                raise ValueError(f"expected a type, a URI, beside the title {title!r}: {BLANK} has the status's reason")
            title = reason(status)
        self.title = title
        self.instance = instance
        if extensions is not None and (taken := _MEMBERS.intersection(extensions)):
            raise ValueError(f"expected extensions without {', '.join(sorted(taken))}: pass what has its own parameter")
        self.extensions = extensions

    def __reduce__(self) -> tuple[Any, ...]:  # so that a subclass may take other arguments and still be copied
        return copyreg.__newobj__, (type(self), *self.args), vars(self)  # type: ignore[attr-defined]  # pickle's own

    def __str__(self) -> str:
        return f"{self.status} {self.title or reason(self.status)}" + (f": {self.detail}" if self.detail else "")


class ClientDisconnect(HTTPException):
    """The client left before the exchange was complete.

    Nobody is there to answer; whoever sees the answer nevertheless, as middleware does, sees a 400.
    """

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(400, detail)


class ConfigurationError(Exception):
    """The application is put together wrongly; the message names the place and the fix."""


def abort(
    status: int,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    type: str | None = None,
    title: str | None = None,
    instance: str | None = None,
    extensions: Mapping[str, Any] | None = None,  # Any: as above
) -> NoReturn:
    """Answer at once with an error status: ``abort(403)``. Raises `HTTPException`, which takes the same arguments."""
    raise HTTPException(status, detail, headers, type=type, title=title, instance=instance, extensions=extensions)


def reason(status: int) -> str:
    """The reason phrase of a status, ``"Unknown"`` for a code no standard names (RFC 9110 §15)."""
    return _REASONS.get(status, "Unknown")


_REASONS = {int(status): status.phrase for status in HTTPStatus}

BLANK = "about:blank"
"""The type of a problem that is no more than its status (RFC 9457 §4.2.1)."""

_MEMBERS = frozenset(("type", "title", "status", "detail", "instance"))
"""The members that every problem may have (RFC 9457 §3.1)."""
