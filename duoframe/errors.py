"""The exceptions a user raises or meets.

Knows nothing of requests or responses: `core` maps an exception to an answer.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NoReturn


class HTTPException(Exception):
    """An answer by exception: ``raise HTTPException(404, "no such item")``.

    ``status`` is an HTTP error or redirect status (300 to 599), ``detail`` a sentence the client may read,
    ``headers`` are fields of the answer. Raises `ValueError` for any other status.
    """

    def __init__(self, status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        if not isinstance(status, int) or not 300 <= status <= 599:
            raise ValueError(f"expected a status from 300 to 599, got {status!r}")
        super().__init__(status, detail)
        self.status = int(status)
        self.detail = detail
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status} {reason(self.status)}" + (f": {self.detail}" if self.detail else "")


class ClientDisconnect(HTTPException):
    """The client left before the exchange was complete.

    Nobody is there to answer; whoever sees the answer nevertheless, as middleware does, sees a 400.
    """

    def __init__(self, detail: str | None = None) -> None:
        super().__init__(400, detail)
        self.args = (detail,)  # what a copy is made of


class ConfigurationError(Exception):
    """The application is put together wrongly; the message names the place and the fix."""


def abort(status: int, detail: str | None = None, headers: Mapping[str, str] | None = None) -> NoReturn:
    """Answer at once with an error status: ``abort(403)``. Raises `HTTPException`."""
    raise HTTPException(status, detail, headers)


def reason(status: int) -> str:
    """The reason phrase of a status, ``"Unknown"`` for a code no standard names (RFC 9110 §15)."""
    return _REASONS.get(status, "Unknown")


_REASONS = {int(status): status.phrase for status in HTTPStatus}
