"""`exchange`: one raw request as it stands on the wire, through either door.

For what an HTTP client library would normalise or refuse to send. Needs no httpx; ordinary tests want `client`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TypedDict, Unpack

from duoframe.testing.call import Call, Edit
from duoframe.testing.doors import DOORS, Application, Door, OpenDoor
from duoframe.testing.rules import Field, ProtocolError


@dataclass(frozen=True)
class Exchange:
    """What came back: `status` is 500, with no fields, where the app raised before it had started its answer."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    """The header fields in order, their names in lower case."""
    chunks: list[bytes]
    """The content as the app gave it, without empty chunks."""
    error: BaseException | None
    """What the app raised."""
    aborted: bool
    """Whether it was raised in the middle of the answer, so that a server would break the connection off."""
    cancelled: bool
    """Whether the app, after the client had left, did not return within its grace (ASGI)."""

    @property
    def body(self) -> bytes:
        """The whole content."""
        return b"".join(self.chunks)


class Connection(TypedDict, total=False):
    """What a server knows of a request beside its bytes, and how it shows the request to the app."""

    scheme: str
    client: tuple[str, int] | None
    server: tuple[str, int]
    root_path: str
    """Stands before the path of the target, as in uvicorn; WSGI: SCRIPT_NAME."""
    http_version: str
    spec_version: str
    """Of ASGI: below ``"2.4"``, `send` is silent, and raises no more, once the client has left."""
    edit: Edit
    """Changes the environ or the scope before the app sees it."""


def exchange(
    app: Application,
    door: Door,
    method: str,
    target: bytes,
    headers: Iterable[Field] = (),
    body: bytes | Iterable[bytes] = b"",
    *,
    disconnect_after: int | None = None,
    backend: str = "asyncio",
    grace: float = 1.0,
    **connection: Unpack[Connection],
) -> Exchange:
    """Send one request with its target as it is, under the strict checkers, and give what came back.

        exchange(app, "wsgi", "get", b"/a/../b?x", [(b"X-A", b"1"), (b"X-A", b"2")]).status

    Where `headers` do not frame the body, it gets a Content-Length (`bytes`) or chunked coding (any other iterable,
    pulled as the app reads it). A body that ends before its Content-Length, or raises `OSError`, is a client that broke
    off. `disconnect_after`: how many chunks the client takes before it leaves; an ASGI app then has `grace` seconds to
    return. `backend`: ``"asyncio"`` or ``"trio"``.

    Raises `ProtocolError` where the app breaks its protocol, and what the body iterator raises; the app's own
    exceptions are in the answer. No lifespan is run: `Client.exchange` is for apps that need one.
    """
    opened = DOORS[door](app, strict=True, backend=backend, grace=grace)
    try:
        return send(opened, method, target, headers, body, disconnect_after, connection)
    finally:
        opened.stop()


def send(
    opened: OpenDoor,
    method: str,
    target: bytes,
    headers: Iterable[Field],
    body: bytes | Iterable[bytes],
    disconnect_after: int | None,
    connection: Connection,
) -> Exchange:
    """What `exchange` does, through a door that is open already."""
    fields, chunks = _framed(list(headers), body)
    call = Call(method, target, fields, **connection)
    if call.http_version != "1.0" and not _has(fields, b"host"):
        fields.insert(0, (b"host", call.server[0].encode("ascii")))
    answer = opened.open(call, chunks)
    try:
        taken = list(islice(answer, disconnect_after))
    finally:
        answer.close()
    outcome = answer.outcome
    if outcome.failure is not None:
        raise outcome.failure
    if isinstance(outcome.error, ProtocolError):
        raise outcome.error
    return Exchange(
        outcome.status,
        outcome.reason,
        [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in outcome.headers],
        taken,
        outcome.error,
        outcome.aborted,
        outcome.cancelled,
    )


def _framed(fields: list[Field], body: bytes | Iterable[bytes]) -> tuple[list[Field], Iterable[bytes]]:
    chunks = filter(None, [body]) if isinstance(body, bytes) else body
    if not body or _has(fields, b"content-length", b"transfer-encoding"):
        return fields, chunks
    if isinstance(body, bytes):
        return [*fields, (b"content-length", b"%d" % len(body))], chunks
    return [*fields, (b"transfer-encoding", b"chunked")], chunks


def _has(fields: list[Field], *names: bytes) -> bool:
    return any(name.lower() in names for name, _ in fields)
