"""A request body, fed chunk by chunk: counted against its limits, kept, and read as JSON, form or files.

Knows media types; knows no environ, no scope and nothing of waiting: the doors feed it. `parts` takes multipart
apart, `limits` counts, `uploads` keeps what is received.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from duoframe.datastructures import MultiDict, parse_query
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.grammar import TOKEN
from duoframe.limits import Counter, Limits
from duoframe.threads import Threads
from duoframe.uploads import Spool, UploadFile

if TYPE_CHECKING:
    from duoframe.parts import Part, PartReader

__all__ = ["Body", "Limits", "UploadFile", "content_length", "media_type"]


class Body:
    """The body of one request: `feed` it as it arrives, `finish` it at its end, `close` it in any case.

    ``content_type`` and ``coding`` are the text of the Content-Type and Content-Encoding fields, ``""`` without one;
    ``announced`` is the Content-Length in bytes, where there is one. A coded body is kept as it came, never inflated:
    it has its bytes, and no form, files or JSON.

    Constructing, feeding and finishing raise `HTTPException`: 413 past a limit, 400 for a malformed form, 507 or 503
    when the disk is full or no descriptor is left. A body that has raised is of no use but to be closed.
    """

    __slots__ = (
        *("_announced", "_coding", "_content", "_counter", "_files", "_form", "_reader", "_spool", "_state"),
        *("content_type", "media_type", "parameters", "received"),
    )

    def __init__(self, content_type: str, coding: str, limits: Limits, announced: int | None = None) -> None:
        if announced is not None:
            Counter(limits).count("max_body_size", announced)
        self.content_type = content_type
        self.media_type, self.parameters = body_type(content_type)
        self.received = 0
        """Bytes fed so far."""
        self._announced = announced
        self._counter = Counter(limits)
        self._spool = Spool(limits.spool_size)
        self._coding = coding
        reader = _READERS.get(self.media_type, _Reader) if is_plain(coding) else _Reader
        self._reader = reader(self._spool, self._counter, self.parameters)
        self._state: Literal["open", "complete", "closed"] = "open"
        self._content: bytes | None = None
        self._form: MultiDict[str] | None = None
        self._files: MultiDict[UploadFile] | None = None

    @property
    def touches_disk(self) -> bool:
        """Whether the next `feed` or `finish`, or once finished the reading of what was kept, reaches the disk."""
        return self._spool.on_disk if self._state == "complete" else self._spool.due

    @property
    def on_disk(self) -> bool:
        """Whether any of it is on disk, which `close` reaches then."""
        return self._spool.on_disk

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        self._require("open")
        if not chunk:
            return
        self.received += len(chunk)
        self._counter.count("max_body_size", len(chunk))
        self._spool.flush()
        self._reader.feed(chunk)

    def finish(self) -> None:
        """The body has ended. Raises `ClientDisconnect` when it is shorter than announced."""
        self._require("open")
        if self._announced is not None and self.received < self._announced:
            raise ClientDisconnect(f"expected a body of {self._announced} bytes, got {self.received}")
        self._reader.finish()
        self._spool.flush()
        self._state = "complete"

    def hand_over(self, threads: Threads | None, waits: bool) -> None:
        """Make ready for a plan that runs on the loop of ``threads``; ``waits`` says that it must not wait for a disk.

        What is read by attribute comes into memory then, and uploads are to be awaited on that loop.
        """
        self._spool.threads = threads
        if waits and self.on_disk and not isinstance(self._reader, _MultipartReader):
            self._load()

    def close(self) -> None:
        """Let go of everything, complete or not. Closing twice is no fault."""
        self._state = "closed"
        for _, upload in self._reader.uploads:
            upload.close()
        self._spool.close()
        self._content = self._form = self._files = None

    @property
    def content(self) -> bytes:
        """The whole body. Raises `RuntimeError` for multipart, which is taken apart as it arrives."""
        self._require("complete")
        if isinstance(self._reader, _MultipartReader):
            raise RuntimeError(
                "a multipart body is not kept as bytes: its parts are in request.form and request.files; "
                "register the route with stream=True to get the body as it arrives"
            )
        return self._load()

    @property
    def form(self) -> MultiDict[str]:
        """The fields of an urlencoded or multipart body, as text; empty for any other.

        Text is UTF-8, whatever a ``charset`` or a ``_charset_`` field says; what is no UTF-8 becomes U+FFFD. Raises
        `HTTPException` 415 for a form with a content coding.
        """
        self._require("complete")
        self._require_plain_form()
        if self._form is None:
            if self.media_type == _URLENCODED:
                self._form = parse_query(self.content, max_pairs=self.received + 1)  # they were counted as they came
            else:
                self._form = MultiDict(self._reader.fields)
        return self._form

    @property
    def files(self) -> MultiDict[UploadFile]:
        """The files of a multipart body; empty for any other. Raises `HTTPException` 415 for a content coding."""
        self._require("complete")
        self._require_plain_form()
        if self._files is None:
            self._files = MultiDict(self._reader.uploads)
        return self._files

    def json(self, decode: Callable[[bytes], Any] | None = None) -> Any:  # Any: what the client sent, or `decode` makes
        """The body read as JSON (RFC 8259), anew at each call; of two members with one name the last counts.

        ``decode`` is a decoder made beforehand, as ``msgspec.json.Decoder(Item).decode``; its `ValidationError`
        passes. Raises `HTTPException`: 400 for malformed or missing text, 415 for another media type, charset or
        content coding.
        """
        self._require("complete")
        if not self.received:
            raise HTTPException(400, "expected a JSON body, got an empty one")
        if self.media_type != "application/json" and not self.media_type.endswith("+json"):
            raise HTTPException(415, f"expected Content-Type: application/json, got {self.content_type[:100]!r}")
        charset = self.parameters.get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8"):
            raise HTTPException(415, f"expected JSON in UTF-8 (RFC 8259 §8.1), got charset={charset[:100]!r}")
        require_plain(self._coding)
        return _decoded(self.content, decode)

    def _load(self) -> bytes:
        """The bytes that were kept, from now on in memory."""
        if self._content is None:
            self._content = self._spool.take()
        return self._content

    def _require_plain_form(self) -> None:
        if self.media_type in _READERS:
            require_plain(self._coding)

    def _require(self, state: Literal["open", "complete"]) -> None:
        if self._state != state:
            raise RuntimeError(_MISUSES[self._state])


_MISUSES = {
    "open": "the request body has not been received to its end yet",
    "complete": "the request body is complete: nothing can follow",
    "closed": "the request body was let go with its request: read it before the answer has been sent",
}


class _Reader:
    """Keeps a body of any media type as it came."""

    def __init__(self, spool: Spool, counter: Counter, parameters: dict[str, str]) -> None:
        self.fields: list[tuple[str, str]] = []
        self.uploads: list[tuple[str, UploadFile]] = []
        self._spool = spool
        self._counter = counter
        self._parameters = parameters

    def feed(self, chunk: bytes) -> None:
        self._spool.append(chunk)

    def finish(self) -> None:
        """Raise if the body cannot end here; any can."""


class _UrlencodedReader(_Reader):
    """Counts the fields as they come, and leaves them to be taken apart when somebody asks."""

    _in_field = False
    _in_value = False

    def feed(self, chunk: bytes) -> None:
        self._counter.count("max_form_memory", len(chunk))
        for match in _FIELD.finditer(chunk):
            text = match[0]
            if match.start() or not self._in_field:
                self._counter.count("max_fields")
                self._counter.restart("max_field_size")
                self._in_value = False
            if not self._in_value:
                _, equals, text = text.partition(b"=")
                self._in_value = bool(equals)
            self._counter.count("max_field_size", len(text))
        self._in_field = not chunk.endswith(b"&")
        super().feed(chunk)


class _MultipartReader(_Reader):
    """Takes the body apart as it comes: fields into memory, files one behind the other onto the spool."""

    _parts: PartReader | None = None
    _part: Part
    _start: int  # where a file begins on the spool
    _value: bytearray  # what has come of a field

    def feed(self, chunk: bytes) -> None:
        if self._parts is None:
            from duoframe.parts import PartReader

            self._parts = PartReader(self._parameters.get("boundary", ""), self._counter)
        for event in self._parts.feed(chunk):
            if event is None:
                self._end()
            elif isinstance(event, bytes):
                self._add(event)
            else:
                self._begin(event)

    def finish(self) -> None:
        if self._parts is not None:  # a request without a body has no form, and that is no fault
            self._parts.finish()

    def _begin(self, part: Part) -> None:
        self._part, self._start, self._value = part, len(self._spool), bytearray()

    def _add(self, data: bytes) -> None:
        if self._part.filename is None:
            self._value += data
        else:
            self._spool.append(data)

    def _end(self) -> None:
        name, filename, headers = self._part
        size = len(self._spool) - self._start
        if filename is None:
            self.fields.append((name, self._value.decode(errors="replace")))
        elif filename or size:  # neither is how a browser says "no file chosen"
            self.uploads.append((name, UploadFile(filename, headers, self._spool, self._start, size)))


_MULTIPART = "multipart/form-data"
_URLENCODED = "application/x-www-form-urlencoded"
_READERS = {_MULTIPART: _MultipartReader, _URLENCODED: _UrlencodedReader}
_FIELD = re.compile(rb"[^&]+")


def _decoded(content: bytes, decode: Callable[[bytes], Any] | None) -> Any:
    import msgspec

    try:
        return (decode or msgspec.json.decode)(content)
    except RecursionError:
        detail = "nested too deeply"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        detail = str(error)
        if isinstance(error, msgspec.ValidationError) and "out of range" not in detail:
            raise
        if "utf-8" in detail.lower():  # which of the two exceptions says so is up to msgspec's version
            detail = f"invalid UTF-8 (byte {_valid_until(content)})"
        elif detail == "Input data was truncated":
            detail = f"it ends too early (byte {_valid_until(content)})"
    raise HTTPException(400, "malformed JSON: " + detail.removeprefix("JSON is malformed: "))


def _valid_until(content: bytes) -> int:
    """Where the first byte stands that is not UTF-8, or the end."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(content)


def content_length(text: str | None) -> int | None:
    """The number in a Content-Length field, ``None`` without one: 1 to 18 ASCII digits (RFC 9110 §8.6).

    Raises `HTTPException` 400 for anything else.
    """
    if not text:
        return None
    if not _LENGTH.match(text):
        raise HTTPException(400, f"expected a number as Content-Length, got {text[:100]!r}")
    return int(text)


def is_plain(coding: str) -> bool:
    """Whether a Content-Encoding field leaves a body as it is (RFC 9110 §8.4)."""
    return not coding or coding.strip(" \t,").lower() in ("", "identity")


def require_plain(coding: str) -> None:
    """Raise `HTTPException` 415 for a body with a content coding, naming what is taken (RFC 9110 §15.5.16)."""
    if not is_plain(coding):
        detail = f"expected a body without a content coding, got Content-Encoding: {coding[:100]!r}"
        raise HTTPException(415, detail, {"accept-encoding": "identity"})


def media_type(text: str) -> tuple[str, dict[str, str]]:
    """The media type of a Content-Type field, in lower case, and its parameters (RFC 9110 §8.3.1).

    ``media_type('Text/HTML; Charset="utf-8"') == ("text/html", {"charset": "utf-8"})``. What is malformed, is a list
    or gives a parameter twice has no media type: ``("", {})``. Never raises.
    """
    text = text.strip(" \t")
    essence = _MEDIA_TYPE.match(text)
    if essence is None:
        return "", {}
    parameters: dict[str, str] = {}
    position = essence.end()
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            return "", {}
        position = match.end()
        if match["name"] is not None:
            name = match["name"].lower()
            if name in parameters:
                return "", {}
            quoted = match["quoted"]
            parameters[name] = match["plain"] if quoted is None else _unquoted(quoted)
    return essence[0].lower(), parameters


def body_type(text: str) -> tuple[str, dict[str, str]]:
    """`media_type` of a body, where malformed multipart must not pass for an empty form: it has no boundary."""
    kind, parameters = media_type(text)
    if not kind and text.strip(" \t").lower().startswith(_MULTIPART):
        kind = _MULTIPART
    return kind, parameters


def _unquoted(text: str) -> str:
    # A backslash stands for the character behind it, which may be a backslash (RFC 9110 §5.6.4).
    return "\\".join(piece.replace("\\", "") for piece in text.split("\\\\"))


_LENGTH = re.compile(r"[0-9]{1,18}\Z")
_MEDIA_TYPE = re.compile(f"{TOKEN}/{TOKEN}")
_PARAMETER = re.compile(
    rf"[ \t]*;[ \t]*(?:(?P<name>{TOKEN})="
    r'(?:"(?P<quoted>(?:[\t !#-\[\]-~\x80-\xff]++|\\[\t -~\x80-\xff])*+)"'  # possessive: linear, whatever comes
    # What should have been quoted is taken as far as it leaves no doubt: boundaries are sent bare with ":" and "=".
    r"|(?P<plain>[!#-+\--:<-~]*)))?"
)
