"""Server-sent events: an answer that goes on, and what it is made of (WHATWG HTML §9.2).

Knows how events are written; must not know where their stream runs. `core` walks it as any other, and the doors send
its heartbeats and end it when the server stops.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import AsyncIterable, Iterable
from typing import Any

from duoframe.datastructures import Fields
from duoframe.requests import check_event_id
from duoframe.responses import Heartbeat, StreamingResponse, chunk_bytes, encode_json

_COMMENT = b":\n\n"
_LINE_END = re.compile(r"\r\n|\r|\n")
_DIGITS = re.compile(r"[0-9]+\Z")


@dataclasses.dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event: ``ServerSentEvent({"price": 3}, event="price", id="17")``.

    ``data`` is text, or anything that is sent as JSON; None for an event that only sets what follows. ``event`` is the
    type that a page listens for, ``id`` what comes back as `Request.last_event_id`, and ``retry`` the milliseconds
    after which a lost client comes back. Raises `ValueError` for text that would end the field, for an id that
    `check_event_id` refuses, and for a ``retry`` that is no whole number.
    """

    data: Any = None
    event: str | None = None
    id: str | int | None = None
    retry: int | None = None

    def __post_init__(self) -> None:
        if self.event is not None and any(character in self.event for character in "\r\n\0"):
            raise ValueError(f"expected an event type without CR, LF and NUL, got {self.event!r}")
        if self.id is not None:
            check_event_id(_text(self.id))
        if self.retry is not None and not _DIGITS.match(_text(self.retry)):
            raise ValueError(f"expected whole milliseconds as retry, got {self.retry!r}")

    def encode(self) -> bytes:
        """The event as it is sent. A stream may yield these bytes too, where one event goes to many clients."""
        lines = [
            f"{name}: {_text(value)}\n"
            for name, value in (("event", self.event), ("id", self.id), ("retry", self.retry))
            if value is not None
        ]
        if self.data is not None:
            data = _text(self.data) if isinstance(self.data, str) else encode_json(self.data).decode()
            lines += [f"data: {line}\n" for line in _LINE_END.split(data)]
        return "".join([*lines, "\n"]).encode()


class EventSourceResponse(StreamingResponse):
    """Server-sent events, for the `EventSource` of browsers: ``return EventSourceResponse(events())``.

    ``content`` yields `ServerSentEvent`, or their data alone: text, or what is sent as JSON; bytes are taken for
    events that have been encoded. It is a generator, `def` or `async def`, or any iterable. A comment is sent
    whenever it has been silent for ``heartbeat`` seconds: that keeps proxies from closing the connection, and finds
    out that a client has gone. When the server stops, so does the stream. With ``heartbeat=None`` it is a stream like
    any other, without both. Raises `ValueError` for a heartbeat that is not above 0.
    """

    media_type = "text/event-stream; charset=utf-8"
    declared_length = None

    def __init__(
        self,
        content: Iterable[Any] | AsyncIterable[Any],
        *,
        heartbeat: float | None = 15.0,
        status: int = 200,
        headers: Fields | None = None,
    ) -> None:
        super().__init__(content, status, {"cache-control": "no-store", "x-accel-buffering": "no"})
        if headers is not None:
            self.headers.update(headers)
        if heartbeat is not None:
            if not heartbeat > 0:
                raise ValueError(f"expected seconds above 0 as heartbeat, or None, got {heartbeat!r}")
            self.heartbeat = Heartbeat(heartbeat, _COMMENT)

    def encode_chunk(self, chunk: Any) -> bytes:
        """One event that the stream has yielded. Raises `TypeError` for None, `ValueError` for what is no JSON."""
        if isinstance(chunk, ServerSentEvent):
            return chunk.encode()
        if isinstance(chunk, bytes | bytearray | memoryview):
            return chunk_bytes(chunk)
        if chunk is None:
            raise TypeError("expected an event, got None: `yield` its data, or a ServerSentEvent")
        return ServerSentEvent(chunk).encode()


def _text(value: object) -> str:
    """A value as text; a member of an enumeration that is text counts as that, whatever its ``__str__`` says."""
    return str.__str__(value) if isinstance(value, str) else str(value)
