"""JSON with tags against Flask's: each reads what the other wrote, and what cannot be written is refused."""

from __future__ import annotations

import enum
import json
import sys
from collections import OrderedDict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from flask.json.tag import TaggedJSONSerializer
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup

from duoframe import tagged

FLASK = TaggedJSONSerializer()

TAGS = [" di", " t", " b", " m", " u", " d", " t__", " di__", "__", ""]
NAMES = st.text() | st.sampled_from(TAGS)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(max_size=20)
    | st.uuids()
    | st.text().map(Markup)
    # The standard library, with which Flask reads dates, takes years below 100 for recent ones.
    | st.datetimes(datetime(100, 1, 1), timezones=st.just(UTC)).map(
        lambda moment: moment.replace(microsecond=0, fold=0)
    )
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(NAMES, inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    return bool(one == other) and repr(one) == repr(other)


@given(VALUES)
@example({" t": [1]})
@example({" di": {" t": (1,)}})
@example({" di": {" t__": 5}})
@example({" t__": 5})
@example(({" t": ()}, [(), []]))
def test_what_is_written_comes_back_here_and_in_flask(value: Any) -> None:
    text = tagged.dumps(value)
    assert text.isascii()
    assert same(tagged.loads(text), value)
    assert same(FLASK.loads(text), value)


@given(VALUES)
@example({" d": datetime(2024, 2, 29, tzinfo=UTC)})
def test_what_flask_has_written_is_read(value: Any) -> None:
    assert same(tagged.loads(FLASK.dumps(value)), value)


@given(VALUES)
def test_the_text_says_what_flask_s_says(value: Any) -> None:
    assert json.loads(tagged.dumps(value)) == json.loads(FLASK.dumps(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{" t":[1,{" t":[]}]}', (1, ())),
        ('{" b":"AAE="}', b"\x00\x01"),
        ('{" m":"<b>"}', Markup("<b>")),
        ('{" u":"12345678123456781234567812345678"}', UUID("12345678-1234-5678-1234-567812345678")),
        ('{" d":"Sun, 06 Nov 1994 08:49:37 GMT"}', datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)),
        ('{" di":{" t__":[1]}}', {" t": [1]}),
        ('{" x":1}', {" x": 1}),
        ('{" t":[1]," u":"x"}', {" t": [1], " u": "x"}),
        ("NaN", float("nan")),
        ("-Infinity", float("-inf")),
        ('"\\ud800"', "\ud800"),
    ],
)
def test_how_values_stand_in_the_text(text: str, value: Any) -> None:
    assert repr(tagged.loads(text)) == repr(value)
    assert tagged.dumps(value) == text


class Level(enum.IntEnum):
    HIGH = 3


class Named(str):
    __slots__ = ()


class Point(NamedTuple):
    x: int
    y: int


class Picture:
    def __html__(self) -> str:
        return "<img>"


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (datetime(2024, 1, 1, 12, 0, 0, 999_999), datetime(2024, 1, 1, 12, tzinfo=UTC)),
        (datetime(2024, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))), datetime(2024, 1, 1, 10, tzinfo=UTC)),
        (Level.HIGH, 3),
        (Named("x"), "x"),
        (OrderedDict(a=1), {"a": 1}),
        (Point(1, 2), (1, 2)),
        (Picture(), Markup("<img>")),
    ],
)
def test_what_comes_back_as_something_plainer_does_so_in_flask_too(value: Any, back: Any) -> None:
    assert repr(tagged.loads(tagged.dumps(value))) == repr(back)
    assert repr(FLASK.loads(FLASK.dumps(value))) == repr(back)


@pytest.mark.parametrize("value", [object(), {1}, 1j, Decimal(1), bytearray(b"x"), {1: 2}, [{"a": {None: 1}}]])
def test_what_would_not_come_back_is_a_type_error_that_names_the_place(value: Any) -> None:
    """C-16."""
    with pytest.raises(TypeError, match=r"^session\['a'\].*: expected"):
        tagged.dumps({"a": value}, "session")


def nested(depth: int) -> Any:
    value: Any = 1
    for number in range(depth):
        value = ([value], (value,), {"a": value})[number % 3]
    return value


def circle() -> list[Any]:
    inner: list[Any] = []
    inner += [inner] * 10
    return inner


@pytest.mark.parametrize(
    "value",
    [nested(tagged.MAX_DEPTH + 1), circle(), 10**5000, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))],
    ids=["deep", "circle", "digits", "year 0"],
)
def test_what_cannot_be_written_is_a_value_error(value: Any) -> None:
    """C-16."""
    with pytest.raises(ValueError, match=r"expected"):
        tagged.dumps({"a": value}, "session")
    assert tagged.loads(tagged.dumps(nested(tagged.MAX_DEPTH))) == nested(tagged.MAX_DEPTH)
    assert tagged.loads(tagged.dumps(10**4000)) == 10**4000


def test_another_may_say_how_the_rest_is_written() -> None:
    text = tagged.dumps({"a": Decimal("1.5"), 2: ({3: Decimal(4)},)}, default=str)
    assert tagged.loads(text) == {"a": "1.5", "2": ({"3": "4"},)}
    with pytest.raises(ValueError, match="within each other"):
        tagged.dumps(circle(), default=str)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        b"\xff",
        "'a'",
        "[" * 100_000,
        "[" * (tagged.MAX_DEPTH + 2) + "]" * (tagged.MAX_DEPTH + 2),
        "9" * 5000,
        '{" t":5}',
        '{" di":5}',
        '{" di":{}}',
        '{" b":5}',
        '{" b":"A"}',
        '{" b":"%%%%"}',
        '{" m":5}',
        '{" u":"x"}',
        '{" u":[]}',
        '{" d":"tomorrow"}',
        '{" d":5}',
    ],
)
def test_what_nobody_can_have_written_is_malformed(text: str | bytes) -> None:
    """R35."""
    with pytest.raises(ValueError, match="malformed"):
        tagged.loads(text)


@given(st.text() | st.binary())
def test_any_text_is_a_value_or_malformed(text: str | bytes) -> None:
    """R35."""
    try:
        tagged.loads(text)
    except ValueError as error:
        assert str(error) == "malformed"  # noqa: PT017  # one of two ends


def test_markup_stays_markup_without_markupsafe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "markupsafe", None)
    value = tagged.loads('{" m":"<b>"}')
    assert (value, value.__html__()) == ("<b>", "<b>")
    assert tagged.dumps(value) == '{" m":"<b>"}'
