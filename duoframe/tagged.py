"""JSON with tags for values that JSON has no words for, as Flask writes its sessions.

Knows values and their text; must not know what they are kept for. A tag is an object of one member whose name begins
with a blank: ``{" t": [1, 2]}`` is a tuple. `signing` makes a token of the text, and `sessions` keeps such values.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from duoframe.conditions import http_date, parse_date

MAX_DEPTH = 64
"""Lists, tuples and dicts within each other that may be written."""

MAX_INTEGER_BITS = 14_000
"""Python reads no longer integers from text: about 4,200 digits."""

_DICT, _TUPLE, _BYTES, _MARKUP, _UUID, _DATE = " di", " t", " b", " m", " u", " d"
_NAMES = frozenset((_DICT, _TUPLE, _BYTES, _MARKUP, _UUID, _DATE))


class Html(str):
    """What is markup already, where markupsafe, whose `Markup` says so elsewhere, is not installed."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def dumps(value: Any, place: str = "value", default: Callable[[Any], Any] | None = None) -> str:
    """The text of a value: of None, `bool`, `int`, `float`, `str`, `bytes`, `datetime`, `UUID`, markup, and of `list`,
    `tuple` and `dict` of these.

    A datetime loses its fractions of a second and comes back in UTC, in which one without a zone is taken to be.
    ``default`` is asked for a value of JSON in place of any other; where it is given, names may be whatever JSON makes
    text of. Raises `TypeError` and `ValueError`, which name the ``place``.
    """
    return json.dumps(_tag(value, place, MAX_DEPTH, default is None), separators=(",", ":"), default=default)


def loads(text: str | bytes) -> Any:
    """The value of a text. Raises `ValueError` for what nobody can have written."""
    try:
        value = json.loads(text, object_hook=_untag)
        _tag(value, "", MAX_DEPTH, True)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError("malformed") from error
    return value


def _tag(value: Any, place: str, depth: int, strict: bool) -> Any:
    """The value of JSON that stands for ``value``."""
    if depth < 0:
        raise ValueError(f"{place:.80}: expected at most {MAX_DEPTH} lists and dicts within each other")
    if value is None or type(value) is str or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        if value.bit_length() > MAX_INTEGER_BITS:
            raise ValueError(f"{place}: expected an int of at most 4,000 digits; keep a larger one as str")
        return value
    if isinstance(value, dict):
        return _tag_dict(value, place, depth, strict)
    if isinstance(value, list | tuple):
        members = [_tag(member, f"{place}[{number}]", depth - 1, strict) for number, member in enumerate(value)]
        return {_TUPLE: members} if isinstance(value, tuple) else members
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode("ascii")}
    if callable(html := getattr(value, "__html__", None)):
        return {_MARKUP: str(html())}
    if isinstance(value, UUID):
        return {_UUID: value.hex}
    if isinstance(value, datetime):
        return {_DATE: http_date(value)}
    if isinstance(value, str):
        return value
    if not strict:
        return value
    raise TypeError(
        f"{place}: expected None, bool, int, float, str, bytes, datetime, UUID, markup, list, tuple or dict, which come"
        f" back as they were, got {type(value).__name__}"
    )


def _tag_dict(value: dict[Any, Any], place: str, depth: int, strict: bool) -> dict[Any, Any]:
    for name in value:
        if strict and not isinstance(name, str):
            raise TypeError(f"{place}: expected str as names, got {name!r}")
    members = {name: _tag(member, f"{place}[{name!r}]", depth - 1, strict) for name, member in value.items()}
    if len(members) == 1:
        ((name, member),) = members.items()
        if name in _NAMES:  # which would be read as a tag
            return {_DICT: {f"{name}__": member}}
    return members


def _untag(members: dict[str, Any]) -> Any:
    """What an object stands for whose members have been read."""
    if len(members) != 1:
        return members
    ((name, said),) = members.items()
    if name not in _NAMES:
        return members
    match name, said:
        case " di", dict() if len(said) == 1:
            ((name, member),) = said.items()
            return {name[:-2]: member}
        case " t", list():
            return tuple(said)
        case " b", str():
            return _bytes(said)
        case " m", str():
            return _markup(said)
        case " u", str():
            return UUID(said)
        case " d", str() if (moment := parse_date(said)) is not None:
            return moment
    raise ValueError(f"no value of the tag {name!r}")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _markup(text: str) -> str:
    try:
        from markupsafe import Markup
    except ImportError:
        return Html(text)
    return Markup(text)
