"""What a client says of itself and of the answer it wants: Accept fields, credentials, conditions, ranges.

Knows the text of one field each; must not know a request. `requests` makes these.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from duoframe.conditions import ETag, ETagList
from duoframe.grammar import QUOTED_STRING, TOKEN, unquoted

_MEMBER = re.compile(rf"[^,;\s]+(?:\s*;\s*(?!q=){TOKEN}=(?:{TOKEN}|{QUOTED_STRING}))*", re.IGNORECASE)
_WEIGHT = re.compile(r";\s*+q=([0-9.]++)", re.IGNORECASE)
_PARAMETER = re.compile(rf"[\s,]*+({TOKEN})\s*+=\s*+({TOKEN}|{QUOTED_STRING})")


class Accept(list[tuple[str, float]]):
    """An Accept field: what a client takes, with its weights from 0 to 1, the best first.

    ``"text/html" in accept``, ``accept["text/html"]`` for its weight, ``accept.best_match(["text/html", "text/csv"])``.
    """

    def __init__(self, values: Iterable[tuple[str, float]] | None = ()) -> None:
        self.provided = values is not None
        """Whether the field was there."""
        super().__init__(sorted(values or (), key=lambda member: (self._precision(member[0]), member[1]), reverse=True))
        self.sort(key=lambda member: (member[1], self._precision(member[0])), reverse=True)

    @classmethod
    def parse(cls, field: str | None) -> Any:
        """Of the value of the field, None where there is none."""
        return cls(None if field is None else list(_members(field)))

    def _precision(self, item: str) -> tuple[int, ...]:
        return (int(item != "*"),)

    def _fits(self, value: str, item: str) -> bool:
        return item == "*" or item.lower() == value.lower()

    def quality(self, key: str) -> float:
        """The weight of a value; 0 where it is not taken."""
        for item, weight in self:
            if self._fits(key, item):
                return weight
        return 0

    def __getitem__(self, key: Any) -> Any:
        return self.quality(key) if isinstance(key, str) else super().__getitem__(key)

    def __contains__(self, value: object) -> bool:
        return any(self._fits(str(value), item) for item, _ in self)

    def find(self, key: str) -> int:
        """Where a value stands; -1 where it does not."""
        return next((place for place, (item, _) in enumerate(self) if self._fits(key, item)), -1)

    def values(self) -> Iterator[str]:
        """What is taken, without the weights."""
        return (item for item, _ in self)

    @property
    def best(self) -> str | None:
        """What is liked best."""
        return self[0][0] if self else None

    def best_match(self, matches: Iterable[str], default: str | None = None) -> str | None:
        """The one of ``matches`` that is liked best, the first of equals; ``default`` where none is taken."""
        best, found = default, (0.0, (-1,))
        for match in matches:
            for item, weight in self:
                rank = (weight, self._precision(item))
                if weight > 0 and rank > found and self._fits(match, item):
                    best, found = match, rank  # type: ignore[assignment]  # of a length that a kind decides
        return best

    def to_header(self) -> str:
        """The value of the field."""
        return ",".join(item if weight == 1 else f"{item};q={weight:g}" for item, weight in self)

    __str__ = to_header

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})"


class MIMEAccept(Accept):
    """An Accept field of media types, in which ``text/*`` stands for all of a kind."""

    def _precision(self, item: str) -> tuple[int, ...]:
        kind, _, subtype = item.partition(";")[0].partition("/")
        return int(kind != "*"), int(subtype != "*"), item.count(";")

    def _fits(self, value: str, item: str) -> bool:
        wanted, offered = _split(item), _split(value)
        if "/" not in offered[0]:
            return False
        kind, _, subtype = wanted[0].partition("/")
        same = wanted[0] in ("*/*", "*", offered[0]) or (subtype == "*" and offered[0].startswith(f"{kind}/"))
        return same and (not wanted[1] or wanted[1] == offered[1])

    @property
    def accept_html(self) -> bool:
        """Whether HTML is taken."""
        return self.quality("text/html") > 0 or self.accept_xhtml

    @property
    def accept_xhtml(self) -> bool:
        """Whether XHTML is taken."""
        return self.quality("application/xhtml+xml") > 0 or self.quality("application/xml") > 0

    @property
    def accept_json(self) -> bool:
        """Whether JSON is taken."""
        return self.quality("application/json") > 0


class LanguageAccept(Accept):
    """An Accept-Language field; where no tag fits as it is, ``de-CH`` and ``de`` fit each other."""

    def _fits(self, value: str, item: str) -> bool:
        return item == "*" or _tag(item) == _tag(value)

    def best_match(self, matches: Iterable[str], default: str | None = None) -> str | None:
        """The language that is liked best; ``default`` where none fits."""
        offers = list(matches)
        found = super().best_match(offers)
        if found is not None:
            return found
        found = Accept([(_primary(item), weight) for item, weight in self]).best_match(offers)
        if found is not None:
            return found
        primary = {_primary(offer): offer for offer in reversed(offers)}
        found = super().best_match([_primary(offer) for offer in offers])
        return default if found is None else primary[found]


class CharsetAccept(Accept):
    """An Accept-Charset field."""


class Authorization(NamedTuple):
    """The credentials of an Authorization field: of ``type`` ``"basic"`` with `username` and `password`.

    Another scheme has a ``token``, or ``parameters``.
    """

    type: str
    parameters: dict[str, str | None]
    token: str | None = None

    @classmethod
    def parse(cls, field: str | None) -> Authorization | None:
        """Of the value of the field; None where there is none, or where it is malformed."""
        scheme, _, rest = (field or "").strip().partition(" ")
        scheme, rest = scheme.lower(), rest.strip()
        if not rest:
            return None
        if scheme == "basic":
            try:
                username, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                return None
            return cls(scheme, {"username": username, "password": password})
        if "=" in rest.rstrip("="):
            return cls(scheme, dict(_parameters(rest)))
        return cls(scheme, {}, rest)

    @property
    def username(self) -> str | None:
        """Who asks."""
        return self.parameters.get("username")

    @property
    def password(self) -> str | None:
        """The password of who asks."""
        return self.parameters.get("password")

    def get(self, key: str, default: Any = None) -> Any:
        """A parameter."""
        return self.parameters.get(key, default)


class ETags:
    """An If-Match or If-None-Match field: ``"v1" in request.if_none_match``."""

    def __init__(self, field: str | None) -> None:
        self._list = ETagList.parse(field or "")
        self.star_tag = self._list.any
        """Whether the field is ``*``, which means whatever there is."""

    def contains(self, etag: str) -> bool:
        """Whether a strong tag is among them."""
        return self.star_tag or str(ETag(etag)) in self._list.tags

    def contains_weak(self, etag: str) -> bool:
        """Whether a tag is among them, be it as a weak one."""
        return self.contains(etag) or str(ETag(etag, weak=True)) in self._list.tags

    def as_set(self, include_weak: bool = False) -> set[str]:
        """The strong tags, without their quotes, with ``include_weak`` the weak ones too."""
        parsed = filter(None, map(ETag.parse, self._list.tags))
        return {tag.value for tag in parsed if include_weak or not tag.weak}

    def to_header(self) -> str:
        """The value of the field."""
        return "*" if self.star_tag else ", ".join(sorted(self._list.tags))

    __contains__ = contains
    __str__ = to_header

    def __bool__(self) -> bool:
        return self.star_tag or bool(self._list.tags)

    def __iter__(self) -> Iterator[str]:
        return iter(self.as_set())


class Range(NamedTuple):
    """A Range field: ``units``, and for each range where it begins and the byte behind its end, or None."""

    units: str
    ranges: list[tuple[int, int | None]]

    @classmethod
    def parse(cls, field: str | None) -> Range | None:
        """Of the value of the field; None where there is none, or where it is malformed."""
        units, equals, specs = (field or "").partition("=")
        ranges: list[tuple[int, int | None]] = []
        for spec in specs.split(","):
            found = re.fullmatch(r"\s*([0-9]{0,18})-([0-9]{0,18})\s*", spec)
            if not equals or found is None or not any(found.groups()):
                return None
            first, last = found.groups()
            if not first:
                ranges.append((-int(last), None))
            elif last and int(last) < int(first):
                return None
            else:
                ranges.append((int(first), int(last) + 1 if last else None))
        return cls(units.strip().lower(), ranges)

    def range_for_length(self, length: int | None) -> tuple[int, int] | None:
        """The one range of something of ``length`` bytes; None where that cannot be told, or lies outside."""
        if self.units != "bytes" or length is None or len(self.ranges) != 1:
            return None
        start, end = self.ranges[0]
        if start < 0:
            start = max(0, start + length)
        end = length if end is None else min(end, length)
        return (start, end) if start < end else None

    def to_header(self) -> str:
        """The value of the field."""
        shown = [str(start) if start < 0 else f"{start}-{'' if end is None else end - 1}" for start, end in self.ranges]
        return f"{self.units}={','.join(shown)}"


class UserAgent(str):  # noqa: SLOT000  # a subclass may guess
    """A User-Agent field: ``str`` itself, and so in `string`. Nothing is guessed of it."""

    platform = browser = version = language = None

    @property
    def string(self) -> str:
        """The field as it was sent."""
        return str(self)

    def to_header(self) -> str:
        """The value of the field."""
        return str(self)


def _members(field: str) -> Iterator[tuple[str, float]]:
    for part in field.split(","):
        found = _MEMBER.match(part.strip())
        if found is None:
            continue
        weight = _WEIGHT.search(part)
        try:
            yield found[0], 1 if weight is None else max(0.0, min(1.0, float(weight[1])))
        except ValueError:
            continue


def _split(media_type: str) -> tuple[str, frozenset[str]]:
    kind, *parameters = (part.strip().lower() for part in media_type.split(";"))
    return kind, frozenset(parameters)


def _tag(language: str) -> str:
    return language.lower().replace("_", "-")


def _primary(language: str) -> str:
    return re.split("[-_]", language, maxsplit=1)[0]


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    """Names in lower case and values (RFC 9110 §11.2); what is none is passed over, up to the next comma."""
    place = 0
    while place < len(text):
        found = _PARAMETER.match(text, place)
        if found is not None:
            yield found[1].lower(), unquoted(found[2])
            place = found.end()
        else:
            place = (text.find(",", place) + 1) or len(text)
