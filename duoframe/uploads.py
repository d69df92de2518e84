"""Received bytes at rest: in memory while they are few, past that in one anonymous temporary file.

Knows files, and the names clients give them; must not know how a body is written or limited: `body` decides what is
kept here and when it is let go.
"""

from __future__ import annotations

import errno
import io
import os
import re
import threading
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import IO, TYPE_CHECKING, Any

from duoframe.datastructures import Headers
from duoframe.errors import HTTPException
from duoframe.threads import Threads

if TYPE_CHECKING:
    from collections.abc import Generator

    from _typeshed import WriteableBuffer

    class Content(bytes):
        """What `UploadFile.read` gives: bytes, which `async def` code has to await."""

        def __await__(self) -> Generator[Any, Any, bytes]: ...


_BLOCK = 64 * 1024
_LONGEST_NAME = 255  # bytes; NAME_MAX of the file systems in use

_REFUSALS = {
    errno.ENOSPC: 507,
    errno.EDQUOT: 507,
    errno.ENOENT: 507,  # `tempfile` found no directory to write in: a disk that was full from the start looks so
    errno.EMFILE: 503,
    errno.ENFILE: 503,
}


class Spool:
    """Bytes in the order they came: `append` them, then `read` any stretch of them.

    ``memory`` is how many bytes stay in memory; past it all of them go to one temporary file without a name. One file
    holds every upload of a request, so that no request can use up the descriptors of the process.

    Only a `flush` while `due`, and a `read` and `close` while `on_disk`, reach the disk, so that the caller can choose
    the thread. ``threads`` are those of the loop whose code may use it, where there is one.
    `flush` raises `HTTPException`: 507 when the disk is full, 503 when no descriptor is left; nothing but `close`
    makes sense then.
    """

    __slots__ = ("_file", "_lock", "_memory", "_stored", "_tail", "closed", "threads")

    def __init__(self, memory: int) -> None:
        self.closed = False
        self.threads: Threads | None = None
        self._memory = memory
        self._tail = bytearray()
        self._stored = 0
        self._file: IO[bytes] | None = None
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self._stored + len(self._tail)

    @property
    def on_disk(self) -> bool:
        """Whether a file holds any of the bytes."""
        return self._file is not None

    @property
    def due(self) -> bool:
        """Whether there is more in memory than should stay there."""
        return len(self._tail) > (self._memory if self._file is None else _BLOCK)

    def append(self, chunk: bytes) -> None:
        """Take ``chunk`` into memory; `flush` comes before the next one."""
        self._tail += chunk

    def flush(self) -> None:
        """Write out what is `due`."""
        if not self.due:
            return
        try:
            if self._file is None:
                import tempfile  # brings random, shutil and three compressors with it

                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # lives until close()
            self._file.seek(self._stored)
            self._file.write(self._tail)
            self._file.flush()
        except OSError as error:
            status = _REFUSALS.get(error.errno or 0)
            if status is None:
                raise
            raise HTTPException(status, "the body could not be kept on disk") from error
        self._stored += len(self._tail)
        self._tail = bytearray()

    def read(self, start: int, size: int) -> bytes:
        """The ``size`` bytes from ``start`` on, fewer at the end. Raises `ValueError` once closed."""
        with self._lock:  # a file has one position, and two uploads may be read by two threads
            if self.closed:
                raise ValueError("read of closed spool")
            data = b""
            if self._file is not None and start < self._stored:
                self._file.seek(start)
                data = self._file.read(min(size, self._stored - start))
            offset = max(0, start - self._stored)
            return data + self._tail[offset : offset + size - len(data)]

    def take(self) -> bytes:
        """All of the bytes, which are in memory from now on and not here. Raises `ValueError` once closed."""
        data = self.read(0, len(self)) if self._file is not None or self.closed else bytes(self._tail)
        self.close()
        return data

    def close(self) -> None:
        """Let go of memory and file. Closing twice is no fault."""
        with self._lock:
            self.closed = True
            self._tail = bytearray()
            self._stored = 0
            if self._file is not None:
                try:
                    self._file.close()
                except OSError:  # what a full disk left unwritten; the descriptor is free all the same
                    pass
                self._file = None


class UploadFile:
    """A file from a multipart form.

    ``filename`` is a base name fit for any file system and never empty; ``raw_filename`` is what the client sent, for
    display only. ``content_type`` is the part's own, ``text/plain`` where it has none (RFC 7578 §4.4): the client's
    claim, not a fact. ``size`` is in bytes, ``headers`` are the part's header fields.

    In `def` code: ``upload.read()``, ``upload.save(path)``, ``for chunk in upload``. In `async def` code, so that no
    disk holds up the event loop: ``await upload.read()``, ``await upload.save(path)``, ``async for chunk in upload``.

    It lives as long as the request. Reading it later raises `ValueError`.
    """

    __slots__ = ("_file", "_spool", "_start", "content_type", "filename", "headers", "raw_filename", "size")

    def __init__(self, filename: str, headers: Headers, spool: Spool, start: int, size: int) -> None:
        self.raw_filename = filename
        self.filename = safe_name(filename)
        self.headers = headers
        self.content_type = headers.get("content-type") or "text/plain"
        self.size = size
        self._spool: Spool | None = spool
        self._start = start
        self._file: io.BufferedReader | None = None

    def __repr__(self) -> str:
        return f"<UploadFile {self.filename!r} {self.content_type} {self.size} bytes>"

    def __iter__(self) -> Iterator[bytes]:
        """The whole content in chunks of 64 KiB, wherever `read` stands."""
        for position in range(0, self.size, _BLOCK):
            yield self._stretch(position, _BLOCK)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The same, read off the event loop."""
        return _Walk(self)

    @property
    def file(self) -> io.BufferedReader:
        """The content as a binary file, for libraries that take one; `read` moves its position.

        Reading it holds up its thread, so on an event loop's it raises `RuntimeError`.
        """
        self._kept()
        if self._file is None:
            self._file = io.BufferedReader(_Window(self), _BLOCK)
        return self._file

    def read(self, size: int = -1) -> Content:
        """The next ``size`` bytes, all that are left by default, ``b""`` at the end; `async def` code awaits them."""
        return self._do(self.file.read, size)  # type: ignore[no-any-return]  # bytes, or what will be

    def save(self, path: str | os.PathLike[str]) -> Awaitable[None]:
        """Write the whole content to ``path``, over what may be there; `async def` code awaits it.

        Build the path from `filename` only.
        """
        self._kept()
        return self._do(self._write, path)  # type: ignore[no-any-return]  # None, or what will be

    def _write(self, path: str | os.PathLike[str]) -> None:
        with open(path, "wb") as target:
            target.writelines(self)

    def _do(self, call: Callable[..., Any], *args: Any) -> Any:
        """Make the call, on an event loop's thread give a coroutine that has a worker thread make it."""
        threads = self._loop_held()
        return call(*args) if threads is None else threads.call(call, *args)

    def _loop_held(self) -> Threads | None:
        """The worker threads of the event loop that a call here would hold up, if it would."""
        threads = self._kept().threads
        return threads if threads is not None and threads.loop.thread == threading.get_ident() else None

    def close(self) -> None:
        """Give the content up before the request ends. Closing twice is no fault."""
        self._spool = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _kept(self) -> Spool:
        if self._spool is None or self._spool.closed:
            raise ValueError(
                f"upload {self.filename!r} is closed: it lives as long as its request; "
                "read() it or save() it before the handler returns"
            )
        return self._spool

    def _stretch(self, start: int, size: int) -> bytes:
        if self._loop_held() is not None:
            raise RuntimeError(
                f"reading upload {self.filename!r} here would hold up the event loop: in `async def` write "
                "`await upload.read()`, `await upload.save(path)` or `async for chunk in upload`"
            )
        return self._kept().read(self._start + start, max(0, min(size, self.size - start)))


class _Walk(AsyncIterator[bytes]):
    """Walks one upload on an event loop; an iterator, so that leaving it leaves nothing open."""

    def __init__(self, upload: UploadFile) -> None:
        self._upload = upload
        self._position = 0

    async def __anext__(self) -> bytes:
        upload, position = self._upload, self._position
        if position >= upload.size:
            raise StopAsyncIteration
        self._position += _BLOCK
        chunk = upload._do(upload._stretch, position, _BLOCK)
        return chunk if isinstance(chunk, bytes) else await chunk


class _Window(io.RawIOBase):
    """One upload's stretch of the spool, as a file with a position."""

    def __init__(self, upload: UploadFile) -> None:
        self._upload = upload
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._upload.size}[whence]
        if position < 0:
            raise ValueError(f"expected a position in the file, got {position}")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._next(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._next(self._upload.size)  # one read; the inherited one takes 8 KiB at a time

    def _next(self, size: int) -> bytes:
        data = self._upload._stretch(self._position, size)
        self._position += len(data)
        return data


def safe_name(filename: str) -> str:
    """A base name fit for any file system, made of a name that a client sent.

    No folder, no control or direction character, nothing Windows gives a meaning to, no leading or trailing dot or
    space, 255 bytes of UTF-8 at most with the extension kept; ``"unnamed"`` where nothing is left.
    """
    name = _SPECIAL.sub("_", _UNSEEN.sub("", filename.replace("\\", "/").rpartition("/")[2])).strip(". ")
    if _DEVICE.match(unicodedata.normalize("NFKC", name)):  # Windows takes COM¹ for COM1
        name = "_" + name
    stem, dot, extension = name.rpartition(".")
    if stem and len(extension.encode()) < _LONGEST_NAME // 4:
        return _cut(stem, _LONGEST_NAME - len((dot + extension).encode())) + dot + extension
    return _cut(name, _LONGEST_NAME).rstrip(". ") or "unnamed"


def _cut(text: str, size: int) -> str:
    """As much of ``text`` as ``size`` bytes of UTF-8 hold."""
    return text.encode()[:size].decode(errors="ignore")


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SPECIAL = re.compile(r'[<>:"|?*]')
_DEVICE = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(?:[\s.]|\Z)", re.IGNORECASE)
