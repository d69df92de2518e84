"""Multipart syntax: the parts of a ``multipart/form-data`` body, read as they arrive (RFC 7578).

Knows boundaries, part headers, Content-Disposition and the limits of a form; keeps no content: `body` does, and
`streams` hands it on. Brings the `multipart` package with it, so it is imported when the first multipart body arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from multipart import (  # type: ignore[import-untyped]  # a single module, which can carry no py.typed
    MultipartError,
    MultipartSegment,
    ParserError,
    ParserLimitReached,
    PushMultipartParser,
)

from duoframe.datastructures import Headers
from duoframe.errors import HTTPException
from duoframe.limits import Counter


class Part(NamedTuple):
    """The header section of one part; ``filename`` is as the client sent it, ``None`` for a plain field."""

    name: str
    filename: str | None
    headers: Headers


class PartReader:
    """Reads a multipart body chunk by chunk: for each part a `Part`, its content in `bytes`, and ``None`` at its end.

    It holds the limits of a form, but for that of the whole body. Raises `HTTPException`: 413 past them, 400 for
    everything malformed, a boundary unfit for RFC 2046 §5.1.1 included.
    """

    __slots__ = ("_counter", "_head", "_opening", "_parser", "_size")

    def __init__(self, boundary: str, counter: Counter) -> None:
        if not _BOUNDARY.match(boundary):
            raise _malformed(f"Content-Type needs a boundary of 1 to 70 characters, got {boundary[:100]!r}")
        self._opening = b"--" + boundary.encode()
        self._head: bytearray | None = bytearray()
        self._counter = counter
        self._size: Literal["max_field_size", "max_file_size"] = "max_field_size"
        limits = counter.limits
        self._parser = _Parser(
            boundary,
            max_header_count=limits.max_part_headers,
            # Two more than the limit, which `_Parser` checks to the byte: a line whose CR has come and whose LF has
            # not is counted with its CR.
            max_header_size=limits.max_part_header_size + 2,
            strict=True,
        )

    def feed(self, chunk: bytes) -> Iterator[Part | bytes | None]:
        """What ``chunk`` completes. Walk it to its end before the next chunk is fed."""
        if self._head is not None:
            # `multipart` takes a preamble that comes in one chunk and refuses it in two: it is refused here.
            self._head += chunk
            if len(self._head) < len(self._opening) + 2:
                return
            chunk, self._head = bytes(self._head), None
            if not chunk.startswith((self._opening, b"\r\n" + self._opening)):
                raise _malformed("it does not begin with its boundary")
        if self._parser.closed:
            return  # behind the closing delimiter, where RFC 2046 §5.1.1 has everything ignored
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    part = _part(event.headerlist)
                    self._begin(part)
                    yield part
                    continue
                if event is not None:
                    self._counter.count(self._size, len(event))
                    if self._size == "max_field_size":
                        self._counter.count("max_form_memory", len(event))
                yield event
        except ParserLimitReached as error:
            raise HTTPException(413, f"multipart body: {error}") from error
        except ParserError as error:
            if not self._complete():
                raise _malformed(str(error.args[0])) from error

    def finish(self) -> None:
        """The body has ended: `HTTPException` 400 unless its closing delimiter has been seen."""
        if not self._complete():
            raise _malformed("it ends before its closing delimiter")

    def _begin(self, part: Part) -> None:
        """Count a part, and its header section with it."""
        kept = sum(len(name) + len(value) for name, value in part.headers.multi_items())
        self._counter.count("max_form_memory", kept)
        self._counter.count("max_fields" if part.filename is None else "max_files")
        self._size = "max_field_size" if part.filename is None else "max_file_size"
        self._counter.restart(self._size)

    def _complete(self) -> bool:
        try:
            self._parser.close()
        except MultipartError:
            return False
        return True


class _Parser(PushMultipartParser):  # type: ignore[misc]  # the package is untyped
    def _on_segment_headerline(self, line: bytes) -> None:
        # `multipart` would let a line feed through where a whole line comes in one chunk, and would hold a part to
        # its Content-Length, which RFC 7578 §4.8 has ignored.
        if len(line) > self.max_header_size - 2:
            raise ParserLimitReached("Maximum segment header length exceeded")
        match = _HEADER_LINE.match(line)
        if match is None:
            raise ParserError("Malformed segment header")
        if match[1].lower() != b"content-length":
            super()._on_segment_headerline(line)


def _part(lines: list[tuple[str, str]]) -> Part:
    headers = Headers([(name.lower(), value) for name, value in lines])
    for name in ("content-disposition", "content-type"):
        if len(headers.getlist(name)) > 1:
            raise _malformed(f"a part has two {name} fields")
    if headers.get("content-type", "").partition(";")[0].strip().lower() == "multipart/mixed":
        raise _malformed("a part is multipart/mixed, which RFC 7578 §4.3 has done away with")
    parameters = _disposition(headers["content-disposition"])
    return Part(parameters["name"], parameters.get("filename"), headers)


def _disposition(text: str) -> dict[str, str]:
    """The parameters of a ``form-data`` disposition; extended ones (``filename*``) keep their own names, unused."""
    text = text.rstrip(" \t")
    parameters: dict[str, str] = {}
    position = len("form-data")
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise _malformed(f"Content-Disposition is not made of parameters: {text[:100]!r}")
        position = match.end()
        if match[1] is not None:
            name = match[1].lower()
            if name in parameters:
                raise _malformed(f"Content-Disposition has two parameters {name[:100]!r}")
            parameters[name] = _unquote(match[2])
    if "name" not in parameters:
        raise _malformed("a part has no name")
    return parameters


def _unquote(value: str) -> str:
    """A parameter's value as the client meant it.

    Browsers escape a quote and line ends only, by percent (WHATWG HTML, *Multipart form data*), and send a backslash
    as it is; other clients escape a quote by a backslash, and then backslashes too (RFC 9110 §5.6.4).
    """
    if value.startswith('"'):
        value = value[1:-1]
        if '\\"' in value:
            return "\\".join(piece.replace('\\"', '"') for piece in value.split("\\\\"))
    return value.replace("%0D", "\r").replace("%0A", "\n").replace("%22", '"')


def _malformed(reason: str) -> HTTPException:
    return HTTPException(400, f"malformed multipart body: {reason}")


_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]\Z")
_HEADER_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[^\r\n]*\Z")
_PARAMETER = re.compile(
    r"[ \t]*;[ \t]*"
    r"(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*=[ \t]*"
    r'("(?:[^"\\]++|\\.)*+"|[^\x00-\x20\x7f";]*))?'  # possessive: linear, whatever comes
)
