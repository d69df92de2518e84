"""The types that one text stands for, each with its grammar.

Knows which text makes which value, and nothing around it: `texts` adds constraints, unions and collections. A grammar
takes no blanks around a value, no digits but ASCII's, no number that is not finite, and nothing without an end, so that
what it makes is small. What is no value raises `ValueError` or `ArithmeticError`.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from duoframe.constraints import MOMENT, NUMBER, TEXT

MAX_NUMBER = 64
"""Characters of a number that is no integer."""
LEAST, GREATEST = -(2**63), 2**63 - 1
"""The integers: those that fit 64 bits wherever they go."""


class Scalar(NamedTuple):
    """A type that one text stands for: its name, what makes it, its JSON Schema, and the constraints it takes."""

    name: str
    make: Callable[[str], Any]
    schema: dict[str, Any]
    takes: tuple[str, ...] = ()


_INTEGER = re.compile(r"[0-9]+|-0*[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?"
_TIME = re.compile(_CLOCK)
_DATETIME = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{_CLOCK}")
_DURATION = re.compile(
    r"(-?)P(?:([0-9]{1,9})W|(?=[0-9T])(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:\.([0-9]{1,9}))?S)?)?)"
)
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")

_TRUTH = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


def _integer(text: str) -> int:
    """An optional ``-`` and digits; ``-0`` is none. Few characters are tried before a pattern is: half the time."""
    if len(text) < 19 and text.isdigit() and text.isascii():
        return int(text)
    if len(text) <= 20 and _INTEGER.fullmatch(text):
        value = int(text)
        if LEAST <= value <= GREATEST:
            return value
    raise ValueError(text)


def _float(text: str) -> float:
    """A number as HTML's forms write it (HTML §2.3.4.3), if it is finite."""
    value = float(_number(text))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _number(text: str) -> str:
    if len(text) > MAX_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return text


def _truth(text: str) -> bool:
    """What a checkbox, a program or a person says, in letters of either case."""
    value = _TRUTH.get(text)
    if value is None and len(text) <= 5 and text.isascii():
        value = _TRUTH.get(text.lower())
    if value is None:
        raise ValueError(text)
    return value


def _duration(text: str) -> datetime.timedelta:
    """ISO 8601 without years and months, which have no length: ``P1DT2H30M``, ``PT0.5S``, ``P2W``."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    sign, weeks, days, hours, minutes, seconds, fraction = match.groups(default="0")
    value = datetime.timedelta(
        weeks=int(weeks),
        days=int(days),
        hours=int(hours),
        minutes=int(minutes),
        seconds=int(seconds),
        microseconds=int(fraction[:6].ljust(6, "0")),
    )
    return -value if sign == "-" else value


def _in_form(pattern: re.Pattern[str], make: Callable[[str], Any]) -> Callable[[str], Any]:
    matches = pattern.fullmatch

    def read(text: str) -> Any:
        if matches(text) is None:
            raise ValueError(text)
        return make(text)

    return read


def _moment(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """ISO 8601 as RFC 3339 profiles it; an offset and the seconds may be left out, as browsers' forms do."""
    return lambda text: parse(text.upper())


_STRING = Scalar("str", str, {"type": "string"}, TEXT)

SCALARS: dict[Any, Scalar] = {
    int: Scalar("int", _integer, {"type": "integer", "minimum": LEAST, "maximum": GREATEST}, NUMBER),
    float: Scalar("float", _float, {"type": "number"}, NUMBER),
    decimal.Decimal: Scalar("Decimal", lambda text: decimal.Decimal(_number(text)), {"type": "number"}, NUMBER),
    bool: Scalar("bool", _truth, {"type": "boolean"}),
    uuid.UUID: Scalar("UUID", _in_form(_UUID, uuid.UUID), {"type": "string", "format": "uuid"}),
    datetime.datetime: Scalar(
        "datetime",
        _in_form(_DATETIME, _moment(datetime.datetime.fromisoformat)),
        {"type": "string", "format": "date-time"},
        MOMENT,
    ),
    datetime.date: Scalar("date", _in_form(_DATE, datetime.date.fromisoformat), {"type": "string", "format": "date"}),
    datetime.time: Scalar(
        "time", _in_form(_TIME, _moment(datetime.time.fromisoformat)), {"type": "string", "format": "time"}, MOMENT
    ),
    datetime.timedelta: Scalar("timedelta", _duration, {"type": "string", "format": "duration"}),
    str: _STRING,
    Any: _STRING,
}
"""The most particular first: so are the members of a union tried, whatever order they are written in."""
