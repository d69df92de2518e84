"""Header fields with Flask's manners: the fields themselves, and those that are read as more than text.

Knows names and values, and the core's rooms for the grammars behind them; must not know a request or an answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from duoframe.caching import CacheControl as CoreCacheControl
from duoframe.datastructures import Headers as CoreHeaders
from duoframe.datastructures import MutableHeaders
from duoframe.flask.exceptions import BadRequestKeyError
from duoframe.grammar import TOKEN, quoted

_MISSING: Any = object()


class Headers:
    """Header fields: ``headers["Content-Type"]``, ``headers.get("X-Limit", type=int)``; case does not count.

    Iterating gives pairs. ``fields`` are pairs or a mapping, or the fields of the core that are shown and changed.
    """

    def __init__(self, fields: Any = ()) -> None:
        self._fields: CoreHeaders = fields if isinstance(fields, CoreHeaders) else MutableHeaders(_pairs(fields))

    @property
    def _changing(self) -> MutableHeaders:
        if not isinstance(self._fields, MutableHeaders):
            raise TypeError(f"{type(self).__name__!r} objects are immutable")
        return self._fields

    def _values(self, key: str) -> list[str]:
        return self._fields.getlist(key)

    def __getitem__(self, key: str) -> str:
        values = self._values(key)
        if not values:
            raise BadRequestKeyError(key)
        return values[0]

    def get(self, key: str, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:
        """The first value, converted by ``type``; ``default`` where there is none, or ``type`` refuses it."""
        try:
            value = self[key]
            return value if type is None else type(value)
        except (KeyError, ValueError, TypeError):
            return default

    def getlist(self, key: str, type: Callable[[str], Any] | None = None) -> list[Any]:
        """The values of all fields of a name, converted by ``type``; those that it refuses are left out."""
        values: list[Any] = []
        for value in self._values(key):
            try:
                values.append(value if type is None else type(value))
            except (ValueError, TypeError):
                continue
        return values

    get_all = getlist

    def __contains__(self, key: object) -> bool:
        return key in self._fields

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self._fields.multi_items())

    def items(self, lower: bool = False) -> list[tuple[str, str]]:
        """The fields, with their names in lower case where that is asked for."""
        fields = self._fields.multi_items()
        return fields if lower else [(name.title(), value) for name, value in fields]

    def keys(self, lower: bool = False) -> list[str]:
        """The names, as `items` gives them."""
        return [name for name, _ in self.items(lower)]

    def values(self) -> list[str]:
        """The values."""
        return [value for _, value in self.items()]

    to_wsgi_list = items

    def __setitem__(self, key: str, value: Any) -> None:
        self._changing[key] = str(value)

    def set(self, key: str, value: Any, /, **parameters: Any) -> None:
        """Replace all fields of a name; ``parameters`` follow the value: ``filename="a.png"``."""
        self._changing[key] = _with_parameters(value, parameters)

    def add(self, key: str, value: Any, /, **parameters: Any) -> None:
        """One more field, beside those of the same name."""
        self._changing.add(key, _with_parameters(value, parameters))

    add_header = add

    def setdefault(self, key: str, default: Any) -> str:
        """The value that stands, ``default`` from now on where there was none."""
        return self._changing.setdefault(key, str(default))

    def setlist(self, key: str, values: Iterable[Any]) -> None:
        """Replace the fields of a name by one for each value."""
        self.remove(key)
        for value in values:
            self.add(key, value)

    def extend(self, *args: Any, **fields: Any) -> None:
        """`add` all fields of a mapping or of pairs."""
        for field in (*args, fields):
            self._changing.extend(_pairs(field))

    def update(self, *args: Any, **fields: Any) -> None:
        """Put fields in the place of those of the same names."""
        for field in (*args, fields):
            self._changing.update(_pairs(field))

    def remove(self, key: str) -> None:
        """Take all fields of a name out; harmless without one."""
        self._changing.pop(key)

    __delitem__ = remove

    def pop(self, key: str, default: Any = _MISSING) -> Any:
        """Take all fields of a name out; the value of the first. Raises `BadRequestKeyError` without one."""
        if default is _MISSING or key in self:
            value = self[key]
            self.remove(key)
            return value
        return default

    def clear(self) -> None:
        """Take all fields out."""
        for name in set(self.keys()):
            self.remove(name)

    def copy(self) -> Headers:
        """A copy that can be changed."""
        return Headers(self.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and sorted(self.items(True)) == sorted(other.items(True))

    __hash__ = None  # type: ignore[assignment]  # they change

    def __str__(self) -> str:
        return "".join(f"{name}: {value}\r\n" for name, value in self) + "\r\n"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.items()!r})"


class RequestHeaders(Headers):
    """The fields of a request, which cannot be changed; several of one name are one, joined."""

    def __init__(self, fields: CoreHeaders) -> None:
        super().__init__(fields)

    def _values(self, key: str) -> list[str]:
        value = self._fields.get(key)
        return [] if value is None else [value]


class HeaderSet:
    """A field that is a list of names, as ``Vary``: ``response.vary.add("Cookie")``."""

    def __init__(self, values: Iterable[str] = (), changed: Callable[[str], object] | None = None) -> None:
        self._values = list(dict.fromkeys(values))
        self._changed = changed

    @classmethod
    def parse(cls, field: str | None, changed: Callable[[str], object] | None = None) -> HeaderSet:
        """Of the value of a field."""
        members = (member.strip().strip('"') for member in (field or "").split(","))
        return cls(filter(None, members), changed)

    def _write(self) -> None:
        if self._changed is not None:
            self._changed(self.to_header())

    def add(self, header: str) -> None:
        """One more name."""
        self.update((header,))

    def update(self, iterable: Iterable[str]) -> None:
        """Several more names."""
        self._values += [name for name in dict.fromkeys(iterable) if name not in self]
        self._write()

    def discard(self, header: str) -> None:
        """Take a name out; harmless where it is not there."""
        self._values = [name for name in self._values if name.lower() != header.lower()]
        self._write()

    def remove(self, header: str) -> None:
        """Take a name out. Raises `KeyError` where it is not there."""
        if header not in self:
            raise KeyError(header)
        self.discard(header)

    def clear(self) -> None:
        """Take all names out."""
        self._values = []
        self._write()

    def as_set(self) -> set[str]:
        """The names in lower case."""
        return {name.lower() for name in self._values}

    def to_header(self) -> str:
        """The value of the field."""
        return ", ".join(self._values)

    def __contains__(self, header: str) -> bool:
        return header.lower() in self.as_set()

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    __str__ = to_header

    def __repr__(self) -> str:
        return f"HeaderSet({self._values!r})"


class CacheControl:
    """Cache-Control: ``response.cache_control.max_age = 60``; each directive is an attribute (RFC 9111 §5.2)."""

    _control: CoreCacheControl
    _changed: Callable[[str], object] | None

    def __init__(self, field: str = "", changed: Callable[[str], object] | None = None) -> None:
        vars(self).update(_control=CoreCacheControl.parse(field), _changed=changed)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._control, name, _MISSING)
        if value is not _MISSING:
            return ", ".join(value) if isinstance(value, tuple) else value
        other = name.replace("_", "-")
        if other not in self._control.other:
            return None
        argument = self._control.other[other]
        return int(argument) if argument is not None and argument.isdecimal() else argument or True

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(self._control, name):
            others = {**self._control.other, name.replace("_", "-"): None if value is True else str(value)}
            if value is None or value is False:
                del others[name.replace("_", "-")]
            control = self._control.replace(other=others)
        elif name in ("private", "no_cache") and isinstance(value, str) and value != "*":
            control = self._control.replace(**{name: tuple(re.findall(TOKEN, value))})
        else:
            control = self._control.replace(**{name: _argument(name, value)})
        vars(self)["_control"] = control
        if self._changed is not None:
            self._changed(str(control))

    def __delattr__(self, name: str) -> None:
        setattr(self, name, None)

    def to_header(self) -> str:
        """The value of the field."""
        return str(self._control)

    __str__ = to_header

    def __repr__(self) -> str:
        return f"<CacheControl {self.to_header()!r}>"


def _argument(name: str, value: Any) -> Any:
    if name in ("max_age", "s_maxage", "stale_while_revalidate", "stale_if_error"):
        return None if value is None or value is False else int(value)
    return bool(value)


def _pairs(fields: Any) -> Iterator[tuple[str, str]]:
    """The fields of a mapping, whose lists are several fields, or of pairs."""
    if isinstance(fields, Headers):
        fields = fields.items()
    elif isinstance(fields, Mapping):
        fields = [
            (name, value)
            for name, values in fields.items()
            for value in (values if isinstance(values, list | tuple | set) else (values,))
        ]
    for name, value in fields or ():
        yield name, str(value)


def _with_parameters(value: Any, parameters: Mapping[str, Any]) -> str:
    """A value and the parameters that follow it, quoted where they have to be."""
    shown = [str(value)]
    for name, parameter in parameters.items():
        text = str(parameter)
        if parameter is not None:
            shown.append(f"{name.replace('_', '-')}={text if re.fullmatch(TOKEN, text) else quoted(text)}")
    return "; ".join(shown)
