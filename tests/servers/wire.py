"""HTTP/1.1 as bytes on a socket: what was sent is what the server got, what came back is shown as it came.

Knows the protocol; must not know servers. http.client reads the answers, as it invents nothing.
"""

import json
import socket
from collections.abc import Mapping
from http.client import HTTPResponse
from typing import Any, NamedTuple, Self

PATIENCE = 30.0


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """The one field of that name; `None` without it."""
        values = [value for field, value in self.headers if field == name]
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    def json(self) -> Any:
        return json.loads(self.body)


def request(
    method: str, target: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, keep: bool = False
) -> bytes:
    """The bytes of one request; Content-Length is the body's unless the headers tell of one."""
    fields = {"Host": "example.org", "Connection": "keep-alive" if keep else "close", **(headers or {})}
    if body is not None and not {"Content-Length", "Transfer-Encoding"} & fields.keys():
        fields["Content-Length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")


class Connection:
    """One connection to a server on this machine."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), patience)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> Self:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused early: the answer may lie there all the same
        return self

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole; `ConnectionError` (of http.client) when the server closed instead."""
        response = HTTPResponse(self.socket, method=method)
        try:
            response.begin()
            headers = [(name.lower(), value) for name, value in response.getheaders()]
            return Answer(response.status, headers, response.read())
        finally:
            response.close()


def exchange(port: int, data: bytes, patience: float = PATIENCE) -> Answer:
    """One request on a connection of its own."""
    with Connection(port, patience) as connection:
        return connection.send(data).answer(data.split(b" ", 1)[0].decode())
