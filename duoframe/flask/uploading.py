"""The body of a drafted request: bytes, a file, or a form, urlencoded or with files in it (RFC 7578).

Knows fields and media types; knows no request. `drafts` says what is sent and where.
"""

from __future__ import annotations

import mimetypes
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

READ_SIZE = 65536
"""Bytes of a file that are sent at a time."""

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class Body:
    """What is sent: the chunks, and how many bytes they are; None where only the end tells."""

    chunks: Iterable[bytes] = ()
    length: int | None = 0


@dataclass(frozen=True)
class File:
    """A file of a form."""

    stream: Any  # Any: a file
    name: str
    media_type: str


def encode(data: Any, media_type: str | None) -> tuple[Body, str | None]:  # Any: as `FlaskClient.open` takes it
    """The body that a test's ``data`` stands for, and its media type.

    A mapping is a form: its values are texts or numbers, files, ``(file, name)``, ``(file, name, media type)``, or
    lists of these. Raises `TypeError` for what is none of them.
    """
    if data is None:
        return Body(), media_type
    if isinstance(data, str):
        data = data.encode()
    if isinstance(data, bytes | bytearray):
        return Body([bytes(data)], len(data)), media_type
    if hasattr(data, "read"):
        return Body(iter(lambda: data.read(READ_SIZE), b""), None), media_type
    if not hasattr(data, "items") and not hasattr(data, "multi_items"):
        raise TypeError(f"expected data to be text, bytes, a file or the fields of a form, got {type(data).__name__}")
    fields = list(_fields(data))
    if media_type is None:
        media_type = _MULTIPART if any(isinstance(value, File) for _, value in fields) else _FORM
    if media_type.startswith(_MULTIPART):
        boundary = secrets.token_hex(16)
        content = b"".join(_parts(fields, boundary))
        return Body([content], len(content)), f"{_MULTIPART}; boundary={boundary}"
    content = urlencode(fields).encode()
    return Body([content], len(content)), media_type


def _fields(data: Any) -> Iterator[tuple[str, str | File]]:
    items = data.multi_items() if hasattr(data, "multi_items") else _items(data)
    for name, value in items:
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, tuple):
                yield name, _file(*each)
            elif hasattr(each, "read"):
                yield name, _file(each)
            else:
                yield name, str(each)


def _items(data: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(data, Mapping) and not hasattr(data, "getlist"):
        return data.items()
    return data.items(multi=True)  # type: ignore[no-any-return]  # werkzeug's


def _file(stream: Any, name: str | None = None, media_type: str | None = None) -> File:
    if name is None:
        name = os.path.basename(str(getattr(stream, "filename", None) or getattr(stream, "name", None) or "file"))
    return File(stream, name, media_type or mimetypes.guess_type(name)[0] or "application/octet-stream")


def _parts(fields: Iterable[tuple[str, str | File]], boundary: str) -> Iterator[bytes]:
    for name, value in fields:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"'
        if isinstance(value, File):
            yield f'{head}; filename="{_quoted(value.name)}"\r\nContent-Type: {value.media_type}\r\n\r\n'.encode()
            content = value.stream.read()
            yield content if isinstance(content, bytes) else content.encode()
            yield b"\r\n"
        else:
            yield f"{head}\r\n\r\n{value}\r\n".encode()
    yield f"--{boundary}--\r\n".encode()


def _quoted(text: str) -> str:
    """As browsers write a name (WHATWG HTML, *Multipart form data*)."""
    return text.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
