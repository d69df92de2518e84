"""A file as an answer: described by what was opened, sent whole or in parts, a block at a time.

Knows open files, and what a request may ask of one; must not know how a door sends. `core` calls `FileResponse.open`
where a file may be waited for, and the doors take the blocks of a `FileBody`, or its descriptor where a server sends
whole files by itself.
"""

from __future__ import annotations

import copy
import errno
import logging
import os
import stat
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from io import FileIO, TextIOBase
from typing import IO

from duoframe.conditions import http_date
from duoframe.datastructures import Fields, MutableHeaders
from duoframe.disposition import content_disposition
from duoframe.errors import HTTPException
from duoframe.requests import Request
from duoframe.responses import Response

BLOCK = 64 * 1024
"""Bytes that are read and sent at a time; a client that waits holds two of these.

Four times as many at a time went out a quarter faster: 590 MiB/s for 470, through uvicorn, by bench_download.py.
"""

READ_ONLY = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY  # a FIFO holds nobody up, and a terminal takes nobody over

# What opening a path can meet that says no more than that there is no such file for us.
_ABSENT = frozenset(
    getattr(errno, name)
    for name in ("ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG", "EACCES", "EPERM", "ENXIO", "ENODEV")
)
_NO_DESCRIPTOR_LEFT = (errno.EMFILE, errno.ENFILE)

# `mimetypes` gives the type of what is inside and, apart from it, how that was compressed.
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}

logger = logging.getLogger("duoframe")


class FileResponse(Response):
    """A file: ``FileResponse("report.pdf")``, or an open binary file from its position on, which is closed at the end.

    ``media_type`` is told by the ending of the path where none is given. ``filename`` is the name to save it under;
    with ``inline`` the client shows it. A whole file goes out with Last-Modified and an entity tag, a GET with Range
    gets parts (RFC 9110 §14), and the conditions of a request are kept (§13).

    Raises `TypeError` for what is neither a path nor a binary file that can be sought.
    """

    opens = True

    def __init__(
        self,
        file: str | os.PathLike[str] | IO[bytes],
        status: int = 200,
        headers: Fields | None = None,
        media_type: str | None = None,
        filename: str | None = None,
        inline: bool = False,
    ) -> None:
        self._file = os.fspath(file) if isinstance(file, str | os.PathLike) else _binary(file)
        if media_type is None and isinstance(self._file, str):
            media_type = guess_media_type(self._file)
        super().__init__(b"", status, headers, media_type)
        if status == 200:
            self.headers.setdefault("accept-ranges", "bytes")
        if filename is not None:
            self.headers["content-disposition"] = content_disposition("inline" if inline else "attachment", filename)

    def open(self, request: Request) -> FileResponse:
        """The answer to ``request`` with its file open; may block.

        Raises `HTTPException`: 404 for what is no regular file, 412 and 416 as the request's fields have it, 503 where
        the process can open no more.
        """
        opened = copy.copy(self)  # so that one made of a path serves any number of requests
        opened.opens = False
        opened._headers = MutableHeaders(self.headers.multi_items())
        file = open_file(self._file) if isinstance(self._file, str) else self._file
        try:
            body = opened.stream = FileBody(file)
            opened._describe(body)
            opened = opened.make_conditional(request)
            if opened.status == 200 and request.method == "GET":
                opened._select(request, body)
            if request.method == "HEAD" or opened.bodyless:
                body.close()
                opened.stream = None
        except BaseException:
            opened.stream = None
            file.close()
            raise
        return opened

    def _describe(self, body: FileBody) -> None:
        fields = self.headers
        fields["content-length"] = str(body.size)
        if self._status != 200 or body.facts is None:
            return
        fields.setdefault("etag", _fingerprint(body.facts, body.start))
        # A clock may have stood wrong: what lies ahead is the time of the answer (RFC 9110 §8.8.2.1).
        fields.setdefault("last-modified", http_date(max(0, min(body.facts.st_mtime, time.time()))))

    def _select(self, request: Request, body: FileBody) -> None:
        """Choose the parts that a Range field asks for; the whole where there is none."""
        parts = request.range(body.size, self.etag, self.last_modified)
        if parts is None:
            body.offer(self._file if isinstance(self._file, str) else None)
            return
        if not parts:
            raise HTTPException(416, headers={"content-range": f"bytes */{body.size}"})
        self.status = 206
        if len(parts) == 1:
            self.headers["content-range"] = _content_range(parts[0], body.size)
            length = body.choose(parts)
        else:
            boundary = uuid.uuid4().hex
            length = body.choose(_multipart(parts, body.size, boundary, self.headers.get("content-type")))
            self.headers["content-type"] = f"multipart/byteranges; boundary={boundary}"
        self.headers["content-length"] = str(length)


class FileBody(Iterator[bytes]):
    """What is to be sent of an open file, in blocks: exactly that, or an error. Closing it closes the file."""

    path: str | None = None
    """Where the file lies, if the whole of it is to be sent and a server may open it by itself."""
    whole = False
    """Whether the whole of a file of the system's is to be sent, and its descriptor stands at the beginning."""
    facts: os.stat_result | None = None
    """What the system tells of the file, where it is one of the system's."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.start = file.tell()
        """Where in the file the body begins."""
        file.seek(self.start)  # what was written to it and waits in memory is in the file now
        raw = file if isinstance(file, FileIO) else getattr(file, "raw", None)
        if isinstance(raw, FileIO):  # others may have a descriptor, but of a file that theirs is only packed in
            self._descriptor = raw.fileno()
            self.facts = os.fstat(self._descriptor)
            end = self.facts.st_size
        else:
            end = file.seek(0, os.SEEK_END)
        self.size = max(end - self.start, 0)
        """Bytes of the whole."""
        self._pieces: deque[bytes | range] = deque((range(self.size),))
        self._left = 0
        self._sent: int | None = None

    def __next__(self) -> bytes:
        if block := self.read():
            return block
        raise StopIteration

    def read(self, size: int = BLOCK) -> bytes:
        """The next ``size`` bytes or fewer, ``b""`` at the end. Raises `RuntimeError` where the file ends before."""
        while self._left == 0:
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if isinstance(piece, bytes):
                return piece
            self._file.seek(self.start + piece.start)
            self._left = len(piece)
        block = self._file.read(min(size, self._left) if size > 0 else self._left)
        if not block:
            raise RuntimeError(f"a file ended {self._left} bytes short: it was cut while it was being sent")
        self._left -= len(block)
        return block

    def fileno(self) -> int:
        """The descriptor, for a server that sends the whole file from it, from the beginning on."""
        return self._descriptor

    def note_sent(self, place: int) -> None:
        """Take the word of such a server for how far it got: `socket.sendfile` tells it to whatever can ``seek``."""
        self._sent = place

    @property
    def cut(self) -> bool:
        """Whether less of the file was there than was announced, as far as it can be told while it is open."""
        if self._file.closed:
            return False
        return (self._sent or self.size) < self.size or os.fstat(self._descriptor).st_size < self.size

    def close(self) -> None:
        """Close the file; harmless when it is closed."""
        self._file.close()

    def __del__(self) -> None:
        self.close()  # of one that nobody wants any more, as of a stream in place of which middleware put another

    def choose(self, pieces: Iterable[bytes | range]) -> int:
        """Send these stretches of the file, and the bytes between them, instead of the whole; how many bytes."""
        self._pieces = deque(pieces)
        return sum(map(len, self._pieces))

    def offer(self, path: str | None) -> None:
        """Let a server send the whole file by itself, from its descriptor, or from ``path``."""
        if self.facts is None or self.start or not self.size or os.lseek(self._descriptor, 0, os.SEEK_CUR):
            return
        self.whole = True
        if path is not None and path.isascii():  # which of the others a server takes is not known
            self.path = path if os.path.isabs(path) else os.path.join(os.getcwd(), path)


def open_file(path: str) -> FileIO:
    """Open a regular file. Raises `HTTPException`: 404 where there is none for us, 503 past the limit of the system."""
    try:
        descriptor = os.open(path, READ_ONLY)
    except (OSError, ValueError) as error:  # ValueError: a path with NUL, or that no file system can have
        refusal = refusal_of(error)
        if refusal is None:
            raise
        logger.debug("%r cannot be sent: %s", path, error)
        try:
            raise refusal from error
        finally:
            refusal = None  # no cycle of error, traceback and frame
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            logger.debug("%r cannot be sent: it is no regular file", path)
            raise HTTPException(404)
        return FileIO(descriptor)
    except BaseException:
        os.close(descriptor)
        raise


def guess_media_type(path: str) -> str | None:
    """The media type that the ending of a file's name stands for, text in UTF-8; ``None`` for an unknown one."""
    from mimetypes import guess_type

    kind, compressed = guess_type("./" + os.path.basename(path))  # a name is no URL, whatever it looks like
    if compressed is not None:
        return _COMPRESSED.get(compressed)
    return f"{kind}; charset=utf-8" if kind is not None and kind.startswith("text/") else kind


def refusal_of(error: OSError | ValueError) -> HTTPException | None:
    """The answer where a file could not be opened: 404 as if there were none, 503 past the limit of the system.

    ``None`` for what is nobody's everyday trouble.
    """
    if isinstance(error, ValueError) or error.errno in _ABSENT:
        return HTTPException(404)
    if error.errno in _NO_DESCRIPTOR_LEFT:
        return HTTPException(503, "too many open files", {"retry-after": "1"})
    return None


def _binary(file: IO[bytes]) -> IO[bytes]:
    """``file``, if it is what its type says."""
    if isinstance(file, TextIOBase):
        raise TypeError(f"expected a binary file, got {file!r}; open it with mode 'rb'")
    if not hasattr(file, "read") or not hasattr(file, "seek"):
        raise TypeError(f"expected a path or an open binary file, got {type(file).__name__}")
    if hasattr(file, "seekable") and not file.seekable():
        raise TypeError(f"expected a file that can be sought, got {file!r}; StreamingResponse sends what cannot")
    return file


def _fingerprint(facts: os.stat_result, start: int) -> str:
    """An entity tag that differs when the bytes do, as far as place, size and time of change can tell.

    It is strong: to keep it, a writer has to leave the size as it is within the tick of the file system's clock.
    """
    from hashlib import blake2b  # the number of an inode is nobody's business

    told = f"{facts.st_dev}-{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}-{start}"
    return f'"{blake2b(told.encode(), digest_size=12).hexdigest()}"'


def _content_range(part: range, size: int) -> str:
    return f"bytes {part.start}-{part.stop - 1}/{size}"


def _multipart(parts: Iterable[range], size: int, boundary: str, media_type: str | None) -> Iterator[bytes | range]:
    """The body of a multipart/byteranges answer (RFC 9110 §14.6)."""
    kind = "" if media_type is None else f"Content-Type: {media_type}\r\n"
    for part in parts:
        yield f"--{boundary}\r\n{kind}Content-Range: {_content_range(part, size)}\r\n\r\n".encode("latin-1")
        yield part
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
