"""What both protocols demand of an answer's content, and the error that says an app broke a rule.

Knows no door: `asgi_checker` and `wsgi_checker` feed it.
"""

from collections.abc import Iterable

Field = tuple[bytes, bytes]
"""One header field: its name and its value."""

# PEP 3333 forbids them to the app, ASGI has the server ignore them. `connection: close` stays allowed:
# it is how an app refuses to go on with a request whose body it has not read.
_HOP_BY_HOP = {b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}


class ProtocolError(AssertionError):
    """The app broke a rule of PEP 3333, ASGI or RFC 9110; the message says which."""


def bodyless(method: str, status: int) -> bool:
    """Whether an answer has no content whatever its fields say (RFC 9110 §6.4.1, §15.3.6)."""
    return method == "HEAD" or status < 200 or status in (204, 205, 304)


class Content:
    """Counts an answer's content and holds it to its status and to its Content-Length."""

    def __init__(self, method: str, status: int, fields: Iterable[Field]) -> None:
        if not 200 <= status <= 999:
            raise ProtocolError(f"the status of an answer must be from 200 to 999, got {status}")
        self._subject = f"the answer {status} to {method}"
        self._forbidden = bodyless(method, status)
        self._length = self._declared(status, list(fields))
        self._sent = 0

    def _declared(self, status: int, fields: list[Field]) -> int | None:
        for name, value in fields:
            if name.lower() in _HOP_BY_HOP or (name.lower() == b"connection" and value.lower() != b"close"):
                raise ProtocolError(f"{self._subject} has the hop-by-hop field {name!r}, which is the server's")
        lengths = [value for name, value in fields if name.lower() == b"content-length"]
        if not lengths:
            return None
        if len(lengths) > 1 or not lengths[0].isdigit():
            raise ProtocolError(f"{self._subject} needs one Content-Length made of digits, got {lengths!r}")
        if status == 204:
            raise ProtocolError(f"{self._subject} must have no Content-Length (RFC 9110 §8.6)")
        return int(lengths[0])

    def add(self, size: int) -> None:
        """Count a chunk of `size` bytes that is about to be sent."""
        if size and self._forbidden:
            raise ProtocolError(f"{self._subject} must have no content, got {size} bytes")
        self._sent += size
        if self._length is not None and self._sent > self._length:
            raise ProtocolError(f"{self._subject} has more bytes than its Content-Length, {self._length}")

    def hold(self, size: int) -> None:
        """Say that the content will be taken from what has `size` bytes."""
        if self._forbidden or (self._length is not None and size < self._length):
            raise ProtocolError(
                f"{self._subject} is to be sent from {size} bytes, its Content-Length is {self._length}"
            )

    def end(self) -> None:
        """Say that everything has been sent."""
        if self._length is not None and not self._forbidden and self._sent != self._length:
            raise ProtocolError(f"{self._subject} has {self._sent} bytes, its Content-Length is {self._length}")
