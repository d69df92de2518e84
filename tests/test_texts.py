"""Texts and what they stand for."""

from __future__ import annotations

import datetime
import decimal
import enum
import functools
import math
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal

import annotated_types
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duoframe.errors import ConfigurationError
from duoframe.faults import MAX_SHOWN
from duoframe.scalars import SCALARS
from duoframe.texts import TextReader, Unreadable, text_reader
from tests.kinds import KINDS, Colour, Level
from tests.linear import assert_linear

MAYBE_A: Any = Literal["a", None]  # noqa: PYI061  # what somebody may write


def reader(annotation: Any, **options: Any) -> TextReader:
    made = text_reader(annotation, options)
    assert made is not None
    return made


def cases(column: Callable[[Any], list[Any]]) -> list[Any]:
    return [
        pytest.param(kind.annotation, case, id=f"{kind.expected}-{case!r}"[:60])
        for kind in KINDS
        for case in column(kind)
    ]


@pytest.mark.parametrize(("annotation", "accepted"), cases(lambda kind: kind.accepts))
def test_a_text_gives_its_value(annotation: Any, accepted: tuple[Any, Any]) -> None:
    """H-47, R63."""
    text, value = accepted
    found = reader(annotation).read(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(("annotation", "text"), cases(lambda kind: kind.refuses))
def test_a_text_that_stands_for_nothing_is_refused(annotation: Any, text: Any) -> None:
    """H-46, H-47, R63."""
    with pytest.raises(Unreadable):
        reader(annotation).read(text)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.expected)
def test_a_reader_says_what_it_expects(kind: Any) -> None:
    made = reader(kind.annotation)
    assert made.expected == kind.expected
    for text in kind.refuses:
        with pytest.raises(Unreadable) as caught:
            made.read(text)
        if caught.value.index is None:
            assert caught.value.expected == kind.expected


def test_any_text_is_read_by_str_itself() -> None:
    assert reader(str).read is str
    assert reader(str | None).read is str
    assert reader(str, max_length=5).read is not str


@pytest.mark.parametrize(("annotation", "optional"), [(int, False), (int | None, True), (MAYBE_A, True)])
def test_a_reader_knows_whether_none_is_a_value(annotation: Any, optional: bool) -> None:
    assert reader(annotation).optional is optional


def test_an_option_inside_a_union_makes_the_union_optional() -> None:
    inner = reader(MAYBE_A | int)
    assert inner.optional
    assert inner.read("") is None
    assert inner.read("5") == 5


@pytest.mark.parametrize(
    "annotation", [list[int], list[int] | None, set[str], tuple[int, str], Annotated[list[int], 1]]
)
def test_a_collection_takes_many_texts(annotation: Any) -> None:
    assert reader(annotation).many


def test_a_fault_of_an_item_names_its_place() -> None:
    with pytest.raises(Unreadable, match=r"expected int, got 'x'") as caught:
        reader(list[int]).read(["1", "2", "x"])
    assert (caught.value.index, caught.value.expected, caught.value.got) == (2, "int", "'x'")


def test_a_collection_of_the_wrong_length_is_counted() -> None:
    with pytest.raises(Unreadable) as caught:
        reader(list[int], min_length=2).read(["1"])
    assert (caught.value.index, caught.value.expected, caught.value.got) == (
        None,
        "list[int] of at least 2 items",
        "1 item",
    )
    with pytest.raises(Unreadable, match="got 3 items"):
        reader(tuple[int, int]).read(["1", "2", "3"])


def test_a_long_text_is_not_told_whole() -> None:
    """H-20."""
    with pytest.raises(Unreadable) as caught:
        reader(int).read("x" * 100_000)
    assert len(caught.value.got) < MAX_SHOWN + 10


class Flags(enum.Enum):
    PAIR = (1, 2)


@pytest.mark.parametrize(
    "annotation",
    [
        bytes,
        dict,
        dict[str, int],
        object,
        list[list[int]],
        list[dict[str, int]],
        list[int] | int,
        int | dict[str, int],
        Literal[b"x"],
        Flags,
        tuple[int, bytes],
        msgspec.Struct,
        functools.reduce(lambda inner, _: list[inner], range(3000), int),  # type: ignore[valid-type,arg-type,return-value]  # as an alias that stands in itself
    ],
)
def test_no_text_stands_for_what_has_parts(annotation: Any) -> None:
    assert text_reader(annotation, {}) is None


# Constraints.


def test_constraints_of_the_parameter_and_of_its_annotation_both_hold() -> None:
    made = reader(Annotated[int, msgspec.Meta(ge=3, le=20), annotated_types.Lt(15)], ge=1, le=10, multiple_of=2)
    assert made.expected == "int >= 3 and <= 10 and < 15 and a multiple of 2"
    assert made.read("4") == 4
    with pytest.raises(Unreadable):
        made.read("2")


def test_constraints_hold_for_the_members_of_a_union_that_they_speak_of() -> None:
    made = reader(int | str, ge=10, max_length=2)
    assert made.read("10") == 10
    assert made.read("5") == "5"
    with pytest.raises(Unreadable, match=r"expected int >= 10 \| str of at most 2 characters, got 'abc'"):
        made.read("abc")


def test_constraints_of_several_kinds_are_told_together() -> None:
    made = reader(str, min_length=1, max_length=1, pattern="x")
    assert made.expected == "str of 1 character and matching 'x'"


@pytest.mark.parametrize(
    ("annotation", "options", "message"),
    [
        (str, {"ge": 1}, "ge does not apply to str, which takes min_length, max_length, pattern"),
        (int, {"max_length": 1, "pattern": "x"}, "max_length, pattern does not apply to int, which takes ge, gt, le"),
        (bool, {"ge": 1}, "ge does not apply to bool, which takes no constraint"),
        (datetime.date, {"ge": 1}, "ge does not apply to date"),
        (Colour, {"max_length": 1}, "max_length does not apply to Colour"),
        (int | float, {"pattern": "x"}, "pattern does not apply"),
        (list[int], {"pattern": "x"}, "pattern does not apply to int"),
        (tuple[int, int], {"max_length": 1}, "max_length does not apply to tuple"),
        (int, {"ge": "1"}, "ge='1': expected a number"),
        (int, {"ge": math.nan}, "ge=nan: expected a number"),
        (int, {"multiple_of": 0}, "multiple_of=0: expected a number above 0"),
        (str, {"max_length": -1}, "max_length=-1: expected a length"),
        (str, {"max_length": True}, "max_length=True: expected a length"),
        (str, {"pattern": "("}, r"pattern='\(': expected a regular expression"),
        (str, {"pattern": b"x"}, "expected a regular expression"),
        (str, {"pattern": 5}, "expected a regular expression"),
        (Annotated[str, annotated_types.Predicate(str.islower)], {}, "nobody keeps Predicate"),
        (list[annotated_types.LowerCase[str]], {}, "nobody keeps Predicate"),
        (Annotated[datetime.datetime, annotated_types.Timezone(None)], {}, r"nobody keeps Timezone.*`msgspec.Meta"),
    ],
)
def test_a_constraint_that_cannot_hold_is_refused_at_once(annotation: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        text_reader(annotation, options)


# Pydantic's.


def even(number: int) -> int:
    if number % 2:
        raise ValueError("odd")
    return number * 10


class Model(pydantic.BaseModel):
    name: str


def test_a_type_of_pydantics_own_reads_the_text_itself() -> None:
    made = reader(pydantic.SecretStr)
    assert made.read("x") == pydantic.SecretStr("x")
    address = reader(pydantic.AnyUrl | None)
    assert str(address.read("http://a/b")) == "http://a/b"
    assert address.read("") is None
    with pytest.raises(Unreadable, match="expected uri, got 'x'"):
        address.read("x")
    assert address.schema()[0] == {"type": "string", "format": "uri", "minLength": 1}


def test_what_pydantic_says_beside_a_type_holds_behind_our_grammar() -> None:
    """R63."""
    made = reader(Annotated[int, pydantic.Field(ge=2, description="d"), pydantic.AfterValidator(even)])
    assert made.expected == "int >= 2"
    assert made.read("4") == 40
    assert made.schema()[0] == {"type": "integer", "minimum": 2, "maximum": 2**63 - 1, "description": "d"}
    for text in ("1", "3", "+4", " 4", "4.0"):
        with pytest.raises(Unreadable, match="expected int >= 2"):
            made.read(text)
    assert reader(Annotated[str, pydantic.Field(pattern="^a")]).expected == "str matching '^a'"
    kept = reader(Annotated[str, pydantic.Field(max_length=5), annotated_types.Predicate(str.islower)])
    with pytest.raises(Unreadable):
        kept.read("A")


def test_a_collection_goes_through_pydantic_as_a_whole() -> None:
    made = reader(Annotated[list[int], pydantic.Field(min_length=1), pydantic.AfterValidator(sorted)])
    assert made.read(["2", "1"]) == [1, 2]
    short = reader(Annotated[list[int], pydantic.AfterValidator(lambda items: even(len(items)))])
    with pytest.raises(Unreadable, match=r"expected list\[int\], got 1 item"):
        short.read(["1"])


def test_no_text_stands_for_a_model() -> None:
    assert text_reader(Model, {}) is None
    assert text_reader(list[Model], {}) is None


# JSON Schema.


@pytest.mark.parametrize(
    ("annotation", "options", "schema"),
    [
        (str, {"max_length": 5, "pattern": "x"}, {"type": "string", "maxLength": 5, "pattern": "x"}),
        (int, {}, {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}),
        (int, {"ge": 1, "lt": 5}, {"type": "integer", "minimum": 1, "maximum": 2**63 - 1, "exclusiveMaximum": 5}),
        (float, {"le": decimal.Decimal("1.5")}, {"type": "number", "maximum": 1.5}),
        (bool | None, {}, {"type": "boolean"}),
        (uuid.UUID, {}, {"type": "string", "format": "uuid"}),
        (Colour, {}, {"type": "string", "enum": ["red", "blue"]}),
        (Level, {}, {"type": "integer", "enum": [1, 2]}),
        (Literal["a", 1], {}, {"enum": ["a", 1]}),
        (Literal[True], {}, {"enum": [True]}),
        (float | str, {}, {"anyOf": [{"type": "number"}, {"type": "string"}]}),
        (
            list[str],
            {"min_length": 1, "pattern": "x"},
            {"type": "array", "items": {"type": "string", "pattern": "x"}, "minItems": 1},
        ),
        (
            tuple[bool, str],
            {},
            {
                "type": "array",
                "prefixItems": [{"type": "boolean"}, {"type": "string"}],
                "items": False,
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (
            Annotated[str, msgspec.Meta(title="T", description="d", examples=["a"], extra_json_schema={"format": "x"})],
            {},
            {"type": "string", "title": "T", "description": "d", "examples": ["a"], "format": "x"},
        ),
        (
            Annotated[datetime.datetime, msgspec.Meta(tz=False)],
            {},
            {"type": "string", "format": "date-time"},
        ),
    ],
)
def test_a_reader_describes_what_it_reads(annotation: Any, options: Any, schema: Any) -> None:
    assert reader(annotation, **options).schema() == (schema, {})


# Properties.


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    decimal.Decimal: st.decimals(
        allow_nan=False, allow_infinity=False, places=5, min_value=-(10**20), max_value=10**20
    ),
    bool: st.booleans(),
    uuid.UUID: st.uuids(),
    datetime.datetime: st.datetimes(timezones=st.none() | OFFSETS),
    datetime.date: st.dates(),
    datetime.time: st.times(timezones=st.none() | OFFSETS),
    datetime.timedelta: st.timedeltas(),
    Colour: st.sampled_from(Colour),
    Level: st.sampled_from(Level),
}


def text_of(value: Any) -> str:
    """The text that the standard library, or msgspec for what that cannot write, gives a value."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, datetime.timedelta):
        return str(msgspec.to_builtins(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_back(kind: Any, data: st.DataObject) -> None:
    value = data.draw(VALUES[kind])
    assert reader(kind).read(text_of(value)) == value
    assert reader(list[kind]).read([text_of(value)] * 2) == [value, value]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
@settings(deadline=None)
@given(text=st.text() | st.from_regex(r"\A[-+0-9TtZzPDHMS.:eE ]{1,80}\Z"))
def test_no_text_raises_anything_else(kind: Any, text: str) -> None:
    """H-47."""
    try:
        value = reader(kind).read(text)
    except Unreadable:
        return
    assert isinstance(value, kind)


@pytest.mark.parametrize("kind", [kind for kind in SCALARS if kind is not Any], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("part", ["9", "P9D", "0:", "-", ".", " ", "\u0665"])
def test_the_work_grows_with_the_text_and_not_faster(kind: Any, part: str) -> None:
    """R68."""
    read = reader(list[kind]).read

    def work(size: int) -> Callable[[], object]:
        def run() -> None:
            for texts in ([part * size], [part] * size):
                try:
                    read(texts)
                except Unreadable:
                    pass

        return run

    assert_linear(work, 500)
