"""Content-Disposition: under which name an answer is saved (RFC 6266).

Knows names and the field; must not know a file or an answer.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal
from urllib.parse import quote

_SEPARATORS = re.compile(r"[/\\]")
# Controls, lone surrogates, line separators, and the marks that turn the direction of text, by which "exe.txt" can
# be made to look like a harmless name.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 !#$&'()+,\-.=@\[\]^_`{}~]")
_ATTRIBUTE_CHARACTERS = "!#$&+-.^_`|~"  # RFC 8187 §3.2.1, beside letters and digits


def content_disposition(kind: Literal["attachment", "inline"], filename: str | None = None) -> str:
    """A field value: ``content_disposition("attachment", "café.txt")``.

    Of ``filename`` only the last part of the path is named, without control characters; what is not plain ASCII is
    sent in both forms of RFC 6266 §4.3. Raises `ValueError` for another ``kind``.
    """
    if kind not in ("attachment", "inline"):
        raise ValueError(f'expected "attachment" or "inline" as disposition, got {kind!r}')
    name = base_name(filename or "")
    if not name:
        return kind
    plain = _NOT_PLAIN.sub("_", "".join(map(_without_marks, name)))
    value = f'{kind}; filename="{plain}"'
    return value if plain == name else f"{value}; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE_CHARACTERS)}"


def base_name(filename: str) -> str:
    """The last part of a path of either system, fit to be a file's name; ``""`` where nothing is left."""
    name = _UNFIT.sub("_", _SEPARATORS.split(filename)[-1].strip())
    return "" if name in (".", "..") else name


def _without_marks(character: str) -> str:
    """``e`` for ``é``: the letter that a decomposable character begins with, if it is ASCII."""
    first = unicodedata.normalize("NFD", character)[0]
    return first if first.isascii() else character
