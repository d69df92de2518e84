"""Mappings of several values a name, and uploaded files, as Flask applications know them.

Knows values; must not know a request. `requests` fills these, `fields` are what header fields are read as.
"""

from __future__ import annotations

import copy as copying
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, Any, NoReturn

from duoframe.flask.exceptions import BadRequestKeyError
from duoframe.flask.fields import Headers, HeaderSet
from duoframe.uploads import UploadFile

__all__ = ["CombinedMultiDict", "FileStorage", "HeaderSet", "Headers", "ImmutableMultiDict", "MultiDict"]

_MISSING: Any = object()


class MultiDict(dict[str, Any]):
    """A `dict` of the first values, which keeps the others: ``values.getlist("tag")``.

    Made of a mapping, whose lists and tuples are several values, or of pairs. A name that is not there raises
    `BadRequestKeyError`, which is a `KeyError` and, where nobody catches it, the answer 400.
    """

    def __init__(self, mapping: Any = None) -> None:
        lists: dict[str, list[Any]] = {}
        for name, value in _pairs(mapping):
            lists.setdefault(name, []).append(value)
        super().__init__(lists)

    def __getitem__(self, key: str) -> Any:
        values = super().get(key)
        if not values:
            raise BadRequestKeyError(key)
        return values[0]

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, [value])

    def __iter__(self) -> Iterator[str]:  # so that `dict(values)` asks for each value
        return super().__iter__()

    def get(self, key: str, default: Any = None, type: Callable[[Any], Any] | None = None) -> Any:
        """The first value, converted by ``type``; ``default`` where there is none, or ``type`` refuses it."""
        try:
            value = self[key]
            return value if type is None else type(value)
        except (KeyError, ValueError, TypeError):
            return default

    def getlist(self, key: str, type: Callable[[Any], Any] | None = None) -> list[Any]:
        """All values, converted by ``type``; those that it refuses are left out."""
        values = super().get(key, [])
        if type is None:
            return list(values)
        converted = []
        for value in values:
            try:
                converted.append(type(value))
            except (ValueError, TypeError):
                continue
        return converted

    def setlist(self, key: str, new_list: Iterable[Any]) -> None:
        """Replace all values of a name."""
        super().__setitem__(key, list(new_list))

    def add(self, key: str, value: Any) -> None:
        """One more value."""
        super().setdefault(key, []).append(value)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The first value, ``default`` from now on where there is none."""
        if key not in self:
            self[key] = default
        return self[key]

    def setlistdefault(self, key: str, default_list: Iterable[Any] | None = None) -> list[Any]:
        """All values, ``default_list`` from now on where there are none; what is added to the list counts."""
        if key not in self:
            self.setlist(key, default_list or ())
        values: list[Any] = dict.__getitem__(self, key)
        return values

    def items(self, multi: bool = False) -> Any:
        """The names with their first value, with ``multi`` with each of them."""
        for name, values in super().items():
            for value in values if multi else values[:1]:
                yield name, value

    def values(self) -> Any:
        """The first value of each name."""
        return (values[0] for values in super().values() if values)

    def lists(self) -> Iterator[tuple[str, list[Any]]]:
        """The names with all their values."""
        return ((name, list(values)) for name, values in super().items())

    def listvalues(self) -> Iterator[list[Any]]:
        """All values of each name."""
        return (list(values) for values in super().values())

    def to_dict(self, flat: bool = True) -> dict[str, Any]:
        """A plain `dict` of the first values, unless ``flat`` of lists of all."""
        return dict(self.items()) if flat else dict(self.lists())

    def copy(self) -> MultiDict:
        """A copy that can be changed."""
        return MultiDict(self)

    def deepcopy(self, memo: Any = None) -> MultiDict:
        """A copy that can be changed, of copied values."""
        return MultiDict(copying.deepcopy(self.to_dict(flat=False), memo))

    __copy__ = copy
    __deepcopy__ = deepcopy

    def update(self, *mappings: Any, **values: Any) -> None:
        """Add what others hold to what is there; nothing is replaced."""
        for mapping in (*mappings, values):
            for name, value in _pairs(mapping):
                MultiDict.add(self, name, value)

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Take a name out; its first value, or ``default``. Raises `BadRequestKeyError` without one."""
        values = super().pop(key, None)
        if values:
            return values[0]
        if default is _MISSING:
            raise BadRequestKeyError(key)
        return default

    def popitem(self) -> tuple[str, Any]:
        """Take the last name out, with its first value."""
        name, values = self.popitemlist()
        return name, values[0]

    def poplist(self, key: str) -> list[Any]:
        """Take a name out, with all its values."""
        return list(super().pop(key, ()))

    def popitemlist(self) -> tuple[str, list[Any]]:
        """Take the last name out, with all its values."""
        return super().popitem()

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, Mapping):
            return NotImplemented
        both = self.copy()
        both.update(other)
        return both

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __reduce__(self) -> Any:
        return type(self), (list(self.items(multi=True)),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.items(multi=True))!r})"


class ImmutableMultiDict(MultiDict):
    """A `MultiDict` that cannot be changed; its `copy` can."""

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{type(self).__name__!r} objects are immutable")

    __setitem__ = __delitem__ = __ior__ = _refuse
    setlist = add = setdefault = setlistdefault = update = _refuse
    pop = popitem = poplist = popitemlist = clear = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # a dict has none
        return hash(frozenset(self.items(multi=True)))

    def __copy__(self) -> ImmutableMultiDict:
        return self


class CombinedMultiDict(ImmutableMultiDict):
    """What several mappings hold together; the first that has a name counts first."""

    def __init__(self, dicts: Iterable[MultiDict] = ()) -> None:
        super().__init__([pair for each in dicts for pair in each.items(multi=True)])

    def __reduce__(self) -> Any:
        return type(self), ([MultiDict(self)],)


def _pairs(mapping: Any) -> Iterator[tuple[str, Any]]:
    """Every name with every value of a mapping or of pairs."""
    if isinstance(mapping, MultiDict):
        yield from mapping.items(multi=True)
    elif hasattr(mapping, "multi_items"):  # the core's
        yield from mapping.multi_items()
    elif isinstance(mapping, Mapping):
        for name, value in mapping.items():
            for each in value if isinstance(value, list | tuple | set) else (value,):
                yield name, each
    else:
        yield from mapping or ()


class FileStorage:
    """An uploaded file: ``request.files["photo"].save(path)``. In tests made of a ``stream`` and a ``filename``.

    Reading a large one reads from disk where it stands, in an `async def` view too; the core's
    `duoframe.UploadFile`, which can be awaited, is its `upload`.
    """

    upload: UploadFile | None = None
    """The file as the core knows it, where it came in a request."""

    def __init__(
        self,
        stream: IO[bytes] | None = None,
        filename: str | None = None,
        name: str | None = None,
        content_type: str | None = None,
        content_length: int | None = None,
        headers: Any = None,
    ) -> None:
        self.stream: IO[bytes] = io.BytesIO() if stream is None else stream
        if filename is None:
            filename = getattr(stream, "name", None)
        self.filename: str | None = filename if isinstance(filename, str) else None
        self.name = name
        self.headers = Headers(headers or ())
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        if content_length is not None:
            self.headers["Content-Length"] = str(content_length)

    @classmethod
    def of(cls, name: str, upload: UploadFile) -> FileStorage:
        """A file that came in a request."""
        stream: Any = io.BufferedReader(_Content(upload))
        made = cls(stream, upload.raw_filename, name, headers=upload.headers.multi_items())
        made.upload = upload
        return made

    @property
    def content_type(self) -> str | None:
        """The type that the client gave, with its parameters."""
        value: str | None = self.headers.get("content-type")
        return value

    @property
    def content_length(self) -> int:
        """The length that the client gave, which is seldom one; 0 without it."""
        return int(self.headers.get("content-length", 0, type=int))

    @property
    def mimetype(self) -> str:
        """The type that the client gave, in lower case and without parameters."""
        return (self.content_type or "").partition(";")[0].strip().lower()

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The parameters of the type."""
        from duoframe.body import media_type

        return media_type(self.content_type or "")[1]

    def save(self, dst: Any, buffer_size: int = 16384) -> None:
        """Write what is left of it to a path or a binary file, ``buffer_size`` bytes at a time."""
        if not isinstance(dst, str | os.PathLike):
            shutil.copyfileobj(self.stream, dst, buffer_size)
            return
        with open(dst, "wb") as target:
            shutil.copyfileobj(self.stream, target, buffer_size)

    def close(self) -> None:
        """Let go of it."""
        self.stream.close()

    def __bool__(self) -> bool:
        return bool(self.filename)

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # a copy that is being made
            raise AttributeError(name)
        return getattr(self.stream, name)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.stream)

    def __repr__(self) -> str:
        return f"<FileStorage: {self.filename!r} ({self.content_type!r})>"


class _Content(io.RawIOBase):
    """What was uploaded, as a file with a position, for any thread."""

    def __init__(self, upload: UploadFile) -> None:
        self._upload = upload
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._upload.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        upload, start = self._upload, self._position
        size = max(0, min(len(buffer), upload.size - start))
        content = upload._kept().read(upload._start + start, size)
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)
