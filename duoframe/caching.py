"""Cache-Control of an answer: its directives as attributes (RFC 9111 §5.2.2).

Knows the field; must not know an answer, and stores nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from duoframe.grammar import QUOTED_STRING, TOKEN, quoted, unquoted

_DIRECTIVE = re.compile(rf"[ \t]*+(?:({TOKEN})(?:=({TOKEN}|{QUOTED_STRING}))?[ \t]*+(?=,|\Z)|[^,]*+)(?:,|\Z)")
_LONGEST = 2**31
"""Seconds that stand for any number too large (RFC 9111 §1.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheControl:
    """How an answer may be stored: ``CacheControl(public=True, max_age=3600, immutable=True)``; times in seconds.

    ``str()`` of it is the field value. Raises `TypeError` or `ValueError` for times that are no whole number of
    seconds and for names that are no token.
    """

    max_age: int | None = None
    s_maxage: int | None = None
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    public: bool = False
    private: bool | tuple[str, ...] = False
    """``True``, or the names of the fields that only a private cache may store."""
    no_cache: bool | tuple[str, ...] = False
    """``True``, or the names of the fields that are not used again without asking."""
    no_store: bool = False
    no_transform: bool = False
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    immutable: bool = False
    other: Mapping[str, str | None] = field(default_factory=dict)
    """Directives that no standard names here, with their arguments."""

    def __post_init__(self) -> None:
        for name in _TIMES:
            value = getattr(self, name)
            if value is not None and type(value) is not int:
                raise TypeError(f"CacheControl({name}=...): expected a whole number of seconds, got {value!r}")
            if value is not None and value < 0:
                raise ValueError(f"CacheControl({name}=...): expected 0 seconds or more, got {value!r}")
        fields = [name for value in (self.private, self.no_cache) if not isinstance(value, bool) for name in value]
        for name in (*fields, *self.other):
            if re.fullmatch(TOKEN, name) is None:
                raise ValueError(
                    f"expected a name of letters, digits and !#$%&'*+-.^_`|~ in CacheControl, got {name!r}"
                )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a field value; never raises. The first of equal directives counts, what is none is left out."""
        found: dict[str, Any] = {}
        other: dict[str, str | None] = {}
        for match in _DIRECTIVE.finditer(text):
            if match[1] is not None:
                name, argument = match[1].lower(), None if match[2] is None else unquoted(match[2])
                attribute = _ATTRIBUTES.get(name)
                value = None if attribute is None else _read(attribute, argument)
                if value is not None and attribute is not None:
                    found.setdefault(attribute, value)
                else:
                    other.setdefault(name, argument)
        return cls(**found, other=other)

    def replace(self, **changes: Any) -> Self:
        """A copy with other directives: ``response.cache_control.replace(max_age=60)``."""
        return dataclasses.replace(self, **changes)

    def __str__(self) -> str:
        set_here = ((name, getattr(self, attribute)) for name, attribute in _ATTRIBUTES.items())
        known = (
            _written(name, value)
            for name, value in set_here
            if value is not None and value is not False and value != ()
        )
        return ", ".join(
            [*known, *(_written(name, True if value is None else value) for name, value in self.other.items())]
        )


def _read(attribute: str, argument: str | None) -> int | bool | tuple[str, ...] | None:
    """The value of a directive that is known; ``None`` where its argument does not fit."""
    if attribute in _TIMES:
        if argument is None or re.fullmatch("[0-9]+", argument) is None:
            return None
        return min(int(argument.lstrip("0")[:11] or "0"), _LONGEST)
    if attribute in _LISTS and argument:
        names = tuple(name for part in argument.split(",") if (name := part.strip(" \t")))
        return (names or True) if all(re.fullmatch(TOKEN, name) for name in names) else None
    return True


def _written(name: str, value: int | str | tuple[str, ...]) -> str:
    if value is True:
        return name
    if isinstance(value, int):
        return f"{name}={value}"
    text = value if isinstance(value, str) else ", ".join(value)
    if isinstance(value, str) and re.fullmatch(TOKEN, text):
        return f"{name}={text}"
    return f"{name}={quoted(text)}"


_TIMES = ("max_age", "s_maxage", "stale_while_revalidate", "stale_if_error")
_LISTS = ("private", "no_cache")
_ATTRIBUTES = {
    attribute.name.replace("_", "-"): attribute.name
    for attribute in dataclasses.fields(CacheControl)
    if attribute.name != "other"
}
