"""A request body as it arrives: chunk by chunk, or part by part.

Knows chunks and the parts of a form; must not know where they come from: a door gives the two ways to get the next
chunk, one that holds up a thread and one that is awaited. `parts` reads multipart, `body` is for bodies that are kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

from duoframe.body import body_type, require_plain
from duoframe.bridge import step
from duoframe.errors import HTTPException
from duoframe.limits import Counter, Limits
from duoframe.uploads import safe_name

if TYPE_CHECKING:
    from duoframe.parts import Part, PartReader

Receive = Callable[[], Awaitable[bytes]]
"""Gives the next chunk, ``b""`` at the end."""

_NONE_LEFT: Any = object()


class BodyStream:
    """The request body as it arrives, for ``for`` and ``async for`` alike; chunks are `bytes`.

    Walking it raises `ClientDisconnect` when the client leaves before the body is complete and `HTTPException` 413
    past the limit. A body can be walked once; what is left after a ``break`` is given to the next loop.
    """

    def __init__(
        self, read: Callable[[], bytes], receive: Receive, content_type: str, coding: str, limits: Limits
    ) -> None:
        self._read = read
        self._receive = receive
        self._content_type = content_type
        self._coding = coding
        self._limits = limits
        self._parts: Parts | None = None

    # Iterators rather than generators: one that is left by `break` is nothing that an event loop has to close.

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if chunk := self._read():
            return chunk
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if chunk := await self._receive():
            return chunk
        raise StopAsyncIteration

    def parts(self) -> Parts:
        """The parts of a multipart form as they arrive, for ``for`` and ``async for`` alike (RFC 7578).

        Raises `HTTPException`: 415 for another media type or a content coding, 400 for a malformed boundary.
        """
        if self._parts is None:
            kind, parameters = body_type(self._content_type)
            if kind != "multipart/form-data":
                raise HTTPException(
                    415, f"expected Content-Type: multipart/form-data, got {self._content_type[:100]!r}"
                )
            require_plain(self._coding)
            from duoframe.parts import PartReader

            reader = PartReader(parameters.get("boundary", ""), Counter(self._limits))
            self._parts = Parts(self._read, self._receive, reader, self._limits.max_field_size)
        return self._parts


class Parts:
    """The parts of a form as they arrive: ``for part in request.stream.parts()``, in `async def` ``async for``.

    Going on to the next part passes over what is left of the one before. Walking raises what walking the body
    raises, and `HTTPException`: 413 past a limit of the form, 400 for what is malformed.
    """

    def __init__(self, read: Callable[[], bytes], receive: Receive, reader: PartReader, longest: int) -> None:
        self._read = read
        self.receive = receive
        self._reader = reader
        self._events: Iterator[Part | bytes | None] = iter(())
        self._ahead: bytes | None = None
        self._begun = False
        self._failed = False
        self.longest = longest
        """Bytes of one part that are read at once."""
        self.number = 0
        """How many parts the walk has come to."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> SteppedPart:
        if (part := step(self._advance(self.read_plainly))) is not None:
            return SteppedPart(self, part)
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> AwaitedPart:
        if (part := await self._advance(self.receive)) is not None:
            return AwaitedPart(self, part)
        raise StopAsyncIteration

    async def read_plainly(self) -> bytes:
        """The next chunk of the body, for a coroutine that is stepped."""
        return self._read()

    async def content(self, receive: Receive) -> bytes:
        """The next piece of the current part, ``b""`` at its end."""
        piece, self._ahead = self._ahead, None
        return piece or await self._event(receive) or b""

    async def _advance(self, receive: Receive) -> Part | None:
        """Pass over what is left of the current part; the next one, None after the last."""
        self._ahead = None
        self.number += 1
        while (event := await self._event(receive)) is not _NONE_LEFT:
            if event is None or isinstance(event, bytes):
                continue
            part: Part = event
            if part.filename != "":
                return part
            self._ahead = await self._event(receive)
            if self._ahead is not None:  # neither a name nor content is how a browser says "no file chosen"
                return part
        return None

    async def _event(self, receive: Receive) -> Any:  # Any: what PartReader gives, or _NONE_LEFT
        while (event := self._taken()) is _NONE_LEFT:
            chunk = await receive()
            if not chunk:
                if self._begun:  # a request without a body has no form, and that is no fault
                    self._reader.finish()
                break
            self._begun = True
            self._events = self._reader.feed(chunk)
        return event

    def _taken(self) -> Any:  # Any: as above
        """What comes next in the chunk at hand, _NONE_LEFT at its end."""
        if self._failed:
            raise RuntimeError("the form was refused: its rest is not read")
        try:
            return next(self._events, _NONE_LEFT)
        except HTTPException:
            self._failed = True
            raise


class StreamedPart:
    """One part of a form, its content still to come.

    ``filename`` is a base name fit for any file system, ``raw_filename`` what the client sent, for display only; both
    are ``None`` for a plain field. ``content_type`` is the part's own, ``text/plain`` where it has none: the client's
    claim, not a fact. ``headers`` are the part's header fields.
    """

    def __init__(self, parts: Parts, part: Part) -> None:
        self.name, self.raw_filename, self.headers = part
        self.filename = None if self.raw_filename is None else safe_name(self.raw_filename)
        self.content_type = self.headers.get("content-type") or "text/plain"
        self._parts = parts
        self._number = parts.number
        self._ended = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} {self.content_type}>"

    async def _next(self, receive: Receive) -> bytes:
        if self._ended:
            return b""
        if self._number != self._parts.number:
            raise RuntimeError(f"part {self.name!r} was passed over: read a part before you go on to the next one")
        chunk = await self._parts.content(receive)
        self._ended = not chunk
        return chunk

    async def _whole(self, receive: Receive) -> bytes:
        content = bytearray()
        while chunk := await self._next(receive):
            content += chunk
            if len(content) > self._parts.longest:
                raise HTTPException(413, f"expected at most {self._parts.longest} bytes in part {self.name[:100]!r}")
        return bytes(content)


class SteppedPart(StreamedPart, Iterator[bytes]):
    """A `StreamedPart` that ``for`` came to: ``for chunk in part``, or `read`."""

    def __next__(self) -> bytes:
        if chunk := step(self._next(self._parts.read_plainly)):
            return chunk
        raise StopIteration

    def read(self) -> bytes:
        """What is left of the part. Raises `HTTPException` 413 past ``max_field_size``."""
        return step(self._whole(self._parts.read_plainly))


class AwaitedPart(StreamedPart, AsyncIterator[bytes]):
    """A `StreamedPart` that ``async for`` came to: ``async for chunk in part``, or ``await part.read()``."""

    async def __anext__(self) -> bytes:
        if chunk := await self._next(self._parts.receive):
            return chunk
        raise StopAsyncIteration

    async def read(self) -> bytes:
        """What is left of the part. Raises `HTTPException` 413 past ``max_field_size``."""
        return await self._whole(self._parts.receive)
