"""Conditional requests: entity tags, HTTP dates, and what the conditions of a request make of it (RFC 9110 §8.8, §13).

Knows validators and the fields that compare them; must not know a request, a response or a file. `requests` reads the
fields, `responses` has the validators, and what answers in part asks `Preconditions.allow_range` first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

_OPAQUE = r"[!#-~\x80-\xff]*"
_TAG = re.compile(rf'(W/)?"({_OPAQUE})"')
_MEMBER = re.compile(rf'[ \t]*+(?:((?:W/)?"{_OPAQUE}")[ \t]*+(?=,|\Z)|[^,]*+)(?:,|\Z)')


@dataclass(frozen=True, slots=True)
class ETag:
    """An entity tag: ``ETag("v1")`` is sent as ``"v1"``, ``ETag("v1", weak=True)`` as ``W/"v1"`` (RFC 9110 §8.8.3).

    Raises `ValueError` for a value with quotes, blanks or control characters.
    """

    value: str
    weak: bool = False

    def __post_init__(self) -> None:
        if re.fullmatch(_OPAQUE, self.value) is None:
            raise ValueError(
                f"expected an entity tag of latin-1 text without quotes, blanks and control characters,"
                f" got {self.value!r:.100}"
            )

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The tag that ``text`` is the field value of; ``None`` for what is no tag."""
        match = _TAG.fullmatch(text.strip(" \t"))
        return None if match is None else cls(match[2], match[1] is not None)

    @classmethod
    def of(cls, tag: ETag | str) -> ETag:
        """A tag from text, as it is sent (``'W/"v1"'``) or as a bare value (``"v1"``). Raises `ValueError`."""
        return tag if isinstance(tag, ETag) else cls.parse(tag) or cls(tag)

    def matches(self, other: ETag) -> bool:
        """Strong comparison: the same bytes (RFC 9110 §8.8.3.2)."""
        return not self.weak and self == other

    def matches_weakly(self, other: ETag) -> bool:
        """Weak comparison: the same for the user (RFC 9110 §8.8.3.2)."""
        return self.value == other.value

    def __str__(self) -> str:
        return f'W/"{self.value}"' if self.weak else f'"{self.value}"'


class ETagList(NamedTuple):
    """What If-Match and If-None-Match hold: entity tags, or ``*`` for whatever there is.

    Members that are no entity tag are left out; a list without any matches nothing.
    """

    tags: frozenset[str]
    """As they were sent: ``W/"v1"`` or ``"v1"``."""
    any: bool = False

    @classmethod
    def parse(cls, field: str) -> ETagList:
        """Read a field value; never raises."""
        return cls(frozenset(filter(None, _MEMBER.findall(field))), field.strip(" \t") == "*")

    def find(self, etag: ETag | None, exists: bool, *, weakly: bool) -> bool:
        """Whether a representation is meant: the one with this tag, or one that ``exists`` where this is ``*``."""
        if self.any or etag is None or not exists:
            return self.any and exists
        wanted = f'"{etag.value}"'
        if weakly:
            return wanted in self.tags or f"W/{wanted}" in self.tags
        return wanted in self.tags and not etag.weak


@dataclass(frozen=True, slots=True)
class Preconditions:
    """The conditions of one request, read from its header fields; ``None`` for a field that is not there.

    A date that is none is not there, as RFC 9110 §13.1.3 has it; what is no entity tag matches nothing.
    """

    if_match: ETagList | None = None
    if_none_match: ETagList | None = None
    if_modified_since: datetime | None = None
    if_unmodified_since: datetime | None = None
    if_range: str | None = None

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self:
        """Read the fields; never raises."""
        match, none_match = headers.get("if-match"), headers.get("if-none-match")
        return cls(
            if_match=None if match is None else ETagList.parse(match),
            if_none_match=None if none_match is None else ETagList.parse(none_match),
            if_modified_since=parse_date(headers.get("if-modified-since", "")),
            if_unmodified_since=parse_date(headers.get("if-unmodified-since", "")),
            if_range=headers.get("if-range"),
        )

    def evaluate(
        self, method: str, etag: ETag | None = None, last_modified: datetime | float | None = None, exists: bool = True
    ) -> int | None:
        """The status that answers instead, 304 or 412; ``None`` where the request goes on (RFC 9110 §13.2.2).

        ``etag`` and ``last_modified`` are the current validators, ``exists`` whether there is a representation at all.
        """
        if method in _WITHOUT_REPRESENTATION:
            return None
        reads = method in ("GET", "HEAD")
        modified = None if last_modified is None else whole_second(last_modified)
        if self.if_match is not None:
            if not self.if_match.find(etag, exists, weakly=False):
                return 412
        elif self.if_unmodified_since is not None and modified is not None and modified > self.if_unmodified_since:
            return 412
        if self.if_none_match is not None:
            if self.if_none_match.find(etag, exists, weakly=True):
                return 304 if reads else 412
        elif reads and self.if_modified_since is not None and modified is not None:
            return 304 if modified <= self.if_modified_since else None
        return None

    def allow_range(self, etag: ETag | None = None, last_modified: datetime | float | None = None) -> bool:
        """Whether If-Range lets a part be sent: a strong match, or exactly the same date (RFC 9110 §13.1.5)."""
        if self.if_range is None:
            return True
        if '"' in self.if_range[:3]:
            tag = ETag.parse(self.if_range)
            return tag is not None and etag is not None and tag.matches(etag)
        return last_modified is not None and parse_date(self.if_range) == whole_second(last_modified)


def parse_date(text: str, now: datetime | None = None) -> datetime | None:
    """The moment of an HTTP date in any of its three formats, in UTC; ``None`` for anything else (RFC 9110 §5.6.7).

    A year of two digits is the one of this century, or of the last where that is more than 50 years after ``now``.
    """
    match = next(filter(None, (form.fullmatch(text) for form in _DATE_FORMS)), None)
    if match is None:
        return None
    month = _MONTHS.index(match["month"]) + 1
    day, year, hour, minute, second = (int(match[name]) for name in ("day", "year", "hour", "minute", "second"))
    if len(match["year"]) == 2:
        today = whole_second(now or datetime.now(UTC))
        year += today.year // 100 * 100
        if (year - 50, month, day, hour, minute, second) > today.timetuple()[:6]:
            year -= 100
    try:  # second 60, a leap second, is the first of the next minute
        return datetime(year, month, day, hour, minute, tzinfo=UTC) + timedelta(seconds=second)
    except (ValueError, OverflowError):
        return None


def http_date(moment: datetime | float) -> str:
    """A moment as HTTP writes it: ``Sun, 06 Nov 1994 08:49:37 GMT`` (RFC 9110 §5.6.7).

    ``moment`` is a datetime, in UTC unless it names a zone, or seconds since 1970. Raises `ValueError` outside the
    years 1 to 9999.
    """
    try:
        when = whole_second(moment)
    except (ValueError, OverflowError):
        raise ValueError(f"expected a moment in the years 1 to 9999, got {moment!r}") from None
    day, month = _DAYS[when.weekday()], _MONTHS[when.month - 1]
    return f"{day}, {when.day:02} {month} {when.year:04} {when.hour:02}:{when.minute:02}:{when.second:02} GMT"


def whole_second(moment: datetime | float) -> datetime:
    """A moment in UTC, cut to the second that a date can tell: of a datetime, or of seconds since 1970."""
    if not isinstance(moment, datetime):
        moment = _EPOCH + timedelta(seconds=moment)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=0)


_WITHOUT_REPRESENTATION = ("OPTIONS", "TRACE", "CONNECT")
"""Methods that select no representation, so that conditions on one are ignored (RFC 9110 §13.2.1)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_DATE_FORMS = (
    re.compile(rf"(?:{'|'.join(_DAYS)}), (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(
        r"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday), "
        rf"(?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"
    ),
    re.compile(rf"(?:{'|'.join(_DAYS)}) {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)
