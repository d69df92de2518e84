"""The value of a variable as text for a page: bounded, guarded, and without what is secret.

Knows `repr` and what it can do to who calls it; must not know frames or pages. `tracebacks` shows locals by it,
`debugpage` header fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

LENGTH = 500
"""Characters of one value; the rest is cut."""

ITEMS = 20
"""Items of a built-in collection."""

DEPTH = 4
"""Built-in collections inside one another."""

MASKED = "********"

_SECRET = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authori[sz]ation|cookie|session|signature|csrf|xsrf|jwt"
    r"|(?:api|access|private|signing|encryption|auth)[_-]?key|(?<![^\W_])key(?![^\W_])"
)
_SECRET_NAME = re.compile(_SECRET, re.IGNORECASE)
_SECRET_PAIR = re.compile(
    rf"""(?P<name>(?<![\w-])[\w-]*(?:{_SECRET})[\w-]*['"]?\s*[=:,]\s*)"""
    r"""(?:b?'(?:[^'\\]|\\.)*'?|b?"(?:[^"\\]|\\.)*"?|[\[({][^\])}]*|(?:(?:bearer|basic|digest)\s+)?[^\s,)}\]'"]+)"""
    r"""|(?P<scheme>\b(?:bearer|basic|digest)\s+)[^\s'",)]+""",
    re.IGNORECASE,
)
"""A secret's name and its value, in the repr of whatever holds them; and credentials, which say what they are."""


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def is_secret(name: str) -> bool:
    """Whether a variable, a field or a parameter of this name holds what nobody should read over a shoulder."""
    return _SECRET_NAME.search(name) is not None


def peek(name: str, value: object) -> str:
    """``repr(value)`` of the variable ``name``, as `masked`. A repr that raises is told."""
    return MASKED if is_secret(name) else masked(name, _shown(value))


def masked(name: str, text: str) -> str:
    """The text under a name: at most `LENGTH` characters of it, and `MASKED` where the name is a secret's.

    What stands in it behind a secret's name, a key's or an attribute's, is masked too.
    """
    return MASKED if is_secret(name) else _cut(_SECRET_PAIR.sub(_mask, _cut(text)))


def visible(text: str) -> str:
    """``text`` with control and direction characters and lone surrogates as escapes: they deceive or cannot be sent."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], text)


def _mask(found: re.Match[str]) -> str:
    return (found["name"] or found["scheme"]) + MASKED


def _cut(text: str) -> str:
    return text if len(text) <= LENGTH else text[:LENGTH] + "…"


def _shown(value: Any, depth: int = DEPTH) -> str:
    """`repr`, as far as it is looked at: what is long is cut before its repr is made."""
    try:
        own: Any = type(value).__repr__
        if own in _TEXTS:
            text: str = own(value[:LENGTH])
            return text + "…" if len(value) > LENGTH else text
        if own not in _BRACKETS or not value:
            return str.__str__(repr(value))
        opening, closing = _BRACKETS[own]
        if depth == 0:
            return f"{opening}…{closing}"
        items = [_item(item, own is dict.__repr__, depth - 1) for item in islice(_items(value), ITEMS)]
        if len(value) > ITEMS:
            items.append(f"… {len(value) - ITEMS} more")
        return opening + ", ".join(items) + ("," if own is tuple.__repr__ and len(value) == 1 else "") + closing
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def _items(value: Any) -> Iterable[Any]:
    return value.items() if isinstance(value, dict) else value


def _item(item: Any, pair: bool, depth: int) -> str:
    if not pair:
        return _shown(item, depth)
    key, value = item
    masked = isinstance(key, str) and is_secret(key)
    return f"{_shown(key, depth)}: {MASKED if masked else _shown(value, depth)}"


_TEXTS = (str.__repr__, bytes.__repr__, bytearray.__repr__)
_BRACKETS: dict[Any, tuple[str, str]] = {
    dict.__repr__: ("{", "}"),
    list.__repr__: ("[", "]"),
    tuple.__repr__: ("(", ")"),
    set.__repr__: ("{", "}"),
    frozenset.__repr__: ("frozenset({", "})"),
}
