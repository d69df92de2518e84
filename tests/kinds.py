"""What each annotation of a parameter takes, and what it refuses: tests and the reference are made of this table."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple, NewType

import msgspec

UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Kind(NamedTuple):
    """An annotation with texts and the values they stand for; for a collection a text is a list of them."""

    annotation: Any
    accepts: list[tuple[Any, Any]]
    refuses: list[Any]
    expected: str


UTC = datetime.UTC
PLUS_TWO = datetime.timezone(datetime.timedelta(hours=2))
NOBODY = "00000000-0000-4000-8000-00000000000a"

INTEGERS = [("5", 5), ("-5", -5), ("0", 0), ("007", 7), (str(2**63 - 1), 2**63 - 1), (str(-(2**63)), -(2**63))]
NOT_INTEGERS = [
    "",
    " 5",
    "5 ",
    "5\n",
    "+5",
    "-0",
    "-",
    "\u0665",
    "\u00b2",
    "1_000",
    "5.0",
    "0x5",
    "1e3",
    str(2**63),
    "9" * 400,
]
NUMBERS = ["5", "-5", "0.5", ".5", "1e3", "1E-3", "-1.5e+3"]
NOT_NUMBERS = [
    "",
    " 5",
    "5 ",
    "+5",
    "5.",
    ".",
    "-",
    "\u0665",
    "1_000",
    "0x5",
    "1e",
    "nan",
    "inf",
    "-Infinity",
    "1,5",
    "9" * 400,
]
TRUE, FALSE = ["true", "True", "TRUE", "1", "on"], ["false", "False", "0", "off", "OFF"]
NOT_TRUTH = ["", "yes", "no", "t", "2", "01", " true", "trueish", "\uff54rue"]

KINDS = [
    Kind(str, [("", ""), (" x ", " x "), ("é", "é"), ("5", "5")], [], "str"),
    Kind(Any, [("", ""), ("x", "x")], [], "str"),
    Kind(int, [*INTEGERS], NOT_INTEGERS, "int"),
    Kind(UserId, [*INTEGERS], NOT_INTEGERS, "int"),
    Kind(float, [(text, float(text)) for text in NUMBERS], [*NOT_NUMBERS, "1e999", "-1e309"], "float"),
    Kind(decimal.Decimal, [(text, decimal.Decimal(text)) for text in NUMBERS], [*NOT_NUMBERS, "1e1000"], "Decimal"),
    Kind(bool, [*((text, True) for text in TRUE), *((text, False) for text in FALSE)], NOT_TRUTH, "bool"),
    Kind(
        datetime.datetime,
        [
            ("2024-02-29T10:30:15Z", datetime.datetime(2024, 2, 29, 10, 30, 15, tzinfo=UTC)),
            ("2024-02-29t10:30:15z", datetime.datetime(2024, 2, 29, 10, 30, 15, tzinfo=UTC)),
            ("2024-02-29T10:30:15.25+02:00", datetime.datetime(2024, 2, 29, 10, 30, 15, 250000, PLUS_TWO)),
            ("2024-02-29T10:30:15.123456789Z", datetime.datetime(2024, 2, 29, 10, 30, 15, 123456, UTC)),
            ("2024-02-29 10:30:15", datetime.datetime(2024, 2, 29, 10, 30, 15)),
            ("2024-02-29T10:30", datetime.datetime(2024, 2, 29, 10, 30)),
        ],
        [
            "",
            "2024-02-29",
            "2023-02-29T10:30:15Z",
            "2024-02-29T24:00:00Z",
            "2024-02-29T23:60:00Z",
            "2024-02-29T10:30:15 02:00",
            "2024-02-29T10:30:15+24:00",
            "20240229T103015Z",
            "2024-W09-4T10:30:15",
            "1709202615",
            "\u0662024-02-29T10:30:15Z",
            "0000-01-01T00:00:00Z",
        ],
        "datetime",
    ),
    Kind(
        datetime.date,
        [("2024-02-29", datetime.date(2024, 2, 29)), ("0001-01-01", datetime.date(1, 1, 1))],
        ["", "2023-02-29", "2024-2-9", "20240229", "2024-W09-4", "2024-02-29T00:00:00", "29.02.2024", "0000-01-01"],
        "date",
    ),
    Kind(
        datetime.time,
        [
            ("10:30", datetime.time(10, 30)),
            ("10:30:15.5", datetime.time(10, 30, 15, 500000)),
            ("10:30:15Z", datetime.time(10, 30, 15, tzinfo=UTC)),
        ],
        ["", "24:00", "10", "1030", "10:60", "10:30:60", "T10:30", "10:30:15.", "10:30 pm"],
        "time",
    ),
    Kind(
        datetime.timedelta,
        [
            ("P1DT2H30M", datetime.timedelta(days=1, hours=2, minutes=30)),
            ("PT0.5S", datetime.timedelta(seconds=0.5)),
            ("-PT10M", datetime.timedelta(minutes=-10)),
            ("P2W", datetime.timedelta(weeks=2)),
        ],
        ["", "P", "PT", "P1DT", "P1Y", "P1M", "+PT1S", "PT1,5S", "pt1s", "60", "00:01:00", "P999999999W"],
        "timedelta",
    ),
    Kind(
        uuid.UUID,
        [(NOBODY, uuid.UUID(NOBODY)), (NOBODY.upper(), uuid.UUID(NOBODY))],
        [
            "",
            NOBODY.replace("-", ""),
            f"{{{NOBODY}}}",
            f"urn:uuid:{NOBODY}",
            f" {NOBODY}",
            NOBODY[:-1],
            f"{NOBODY[:-1]}g",
        ],
        "UUID",
    ),
    Kind(
        Colour,
        [("red", Colour.RED), ("blue", Colour.BLUE)],
        ["", "RED", "Red", "red ", "green"],
        "one of 'red', 'blue'",
    ),
    Kind(Level, [("1", Level.LOW), ("2", Level.HIGH)], ["", "3", "01", "+1", "LOW"], "one of 1, 2"),
    Kind(
        Literal["asc", "desc", 1, True],
        [("asc", "asc"), ("desc", "desc"), ("1", 1), ("true", True)],
        ["", "ASC", "up", "2", "True"],
        "one of 'asc', 'desc', 1, True",
    ),
    Kind(int | None, [("5", 5), ("", None)], ["null", "None", "x", " "], "int"),
    Kind(str | None, [("", ""), ("null", "null")], [], "str"),
    Kind(Colour | None, [("", None), ("red", Colour.RED)], ["x"], "one of 'red', 'blue'"),
    Kind(int | str, [("5", 5), ("+5", "+5"), ("", "")], [], "int | str"),
    Kind(str | int, [("5", 5), ("+5", "+5"), ("", "")], [], "int | str"),
    Kind(float | int | None, [("5", 5), ("5.5", 5.5), ("", None)], ["x"], "int | float"),
    Kind(bool | int, [("1", 1), ("true", True)], ["yes"], "int | bool"),
    Kind(
        datetime.date | datetime.datetime,
        [
            ("2024-02-29", datetime.date(2024, 2, 29)),
            ("2024-02-29T10:30", datetime.datetime(2024, 2, 29, 10, 30)),
        ],
        ["10:30"],
        "datetime | date",
    ),
    Kind(list[int], [([], []), (["5"], [5]), (["5", "5", "-1"], [5, 5, -1])], [["x"], ["1", ""], ["1,2"]], "list[int]"),
    Kind(list, [(["5", ""], ["5", ""])], [], "list[str]"),
    Kind(list[int] | None, [([], []), (["5"], [5])], [["x"]], "list[int]"),
    Kind(list[int | None], [(["5", ""], [5, None])], [["x"]], "list[int]"),
    Kind(set[Colour], [(["red", "red"], {Colour.RED})], [["x"]], "set[one of 'red', 'blue']"),
    Kind(frozenset[int], [(["5", "5"], frozenset({5}))], [["x"]], "frozenset[int]"),
    Kind(Sequence[str], [(["5", ""], ["5", ""])], [], "Sequence[str]"),
    Kind(tuple[int, ...], [([], ()), (["5", "6"], (5, 6))], [["x"]], "tuple[int, ...]"),
    Kind(tuple[int, str], [(["5", "x"], (5, "x"))], [[], ["5"], ["x", "x"], ["5", "x", "y"]], "tuple[int, str]"),
    Kind(Annotated[int, msgspec.Meta(ge=1, le=10)], [("1", 1), ("10", 10)], ["0", "11", "x"], "int >= 1 and <= 10"),
    Kind(
        Annotated[int, msgspec.Meta(gt=0, lt=10, multiple_of=3)],
        [("3", 3)],
        ["0", "4", "12"],
        "int > 0 and < 10 and a multiple of 3",
    ),
    Kind(
        Annotated[float, msgspec.Meta(multiple_of=0.1)],
        [("0.3", 0.3), ("1e20", 1e20)],
        ["0.35"],
        "float a multiple of 0.1",
    ),
    Kind(
        Annotated[str, msgspec.Meta(min_length=1, max_length=3)],
        [("a", "a"), ("äöü", "äöü")],
        ["", "abcd"],
        "str of at least 1 and at most 3 characters",
    ),
    Kind(Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], [("abc", "abc")], ["", "ABC"], "str matching '^[a-z]+$'"),
    Kind(Annotated[str | None, msgspec.Meta(min_length=2)], [("ab", "ab")], ["", "a"], "str of at least 2 characters"),
    Kind(Annotated[list[int], msgspec.Meta(ge=1)], [(["1"], [1])], [["0"]], "list[int >= 1]"),
    Kind(
        Annotated[list[str], msgspec.Meta(min_length=1, max_length=2)],
        [(["a"], ["a"])],
        [[], ["a", "b", "c"]],
        "list[str] of at least 1 and at most 2 items",
    ),
    Kind(
        Annotated[datetime.datetime, msgspec.Meta(tz=True)],
        [("2024-02-29T10:30Z", datetime.datetime(2024, 2, 29, 10, 30, tzinfo=UTC))],
        ["2024-02-29T10:30"],
        "datetime with a time zone",
    ),
]
"""Every kind of annotation that a parameter of a query, a path, a header, a cookie or a form may have."""
