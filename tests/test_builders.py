"""Classes of attrs that convert what they are given."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict

import attrs
import msgspec
import pytest

from duoframe.shapes import shape_of


class Colour(enum.Enum):
    RED = "red"


def bare(text: str) -> str:
    return text.strip()


def lowered(text: str) -> str:
    return text.lower()


def doubled(number: int) -> int:
    if number > 100:
        raise ValueError("expected at most 100")
    return number * 2


@attrs.define
class Item:
    name: str = attrs.field(converter=bare)
    _number: int = attrs.field(default=1, converter=doubled, validator=attrs.validators.ge(0))
    colour: Colour = Colour.RED
    inner: Item | None = None
    length: int = attrs.field(init=False, default=0)


class Plain(msgspec.Struct):
    number: int


class Holder(msgspec.Struct, rename="camel"):
    first_item: Item
    plain: Plain | None = None


@dataclass
class Order:
    items: list[Item] = field(default_factory=list)


class Row(NamedTuple):
    item: Item


class Member(TypedDict, total=False):
    item: Item


class Tagged(msgspec.Struct, tag=True):
    item: Item


class Other(msgspec.Struct, tag=True):
    number: int


@attrs.frozen
class Key:
    name: str = attrs.field(converter=lowered)


ITEM = {"name": " a "}


@pytest.mark.parametrize(
    ("annotation", "data", "value"),
    [
        (Item, ITEM | {"_number": 5, "colour": "red"}, Item("a", number=5)),
        (Item, ITEM | {"inner": ITEM}, Item("a", inner=Item("a"))),
        (Item, ITEM | {"length": 5}, Item("a")),
        (list[Item], [ITEM], [Item("a")]),
        (tuple[Item, int], [ITEM, 1], (Item("a"), 1)),
        (tuple[Key, ...], [{"name": "A"}], (Key("a"),)),
        (set[Key], [{"name": "A"}], {Key("a")}),
        (frozenset[Key], [{"name": "A"}], frozenset({Key("a")})),
        (dict[int, Item], {"1": ITEM}, {1: Item("a")}),
        (Item | None, None, None),
        (Item | int, ITEM, Item("a")),
        (Item | int, 5, 5),
        (Tagged | Other, {"type": "Tagged", "item": ITEM}, Tagged(Item("a"))),
        (Tagged | Other, {"type": "Other", "number": 1}, Other(1)),
        (Holder, {"firstItem": ITEM, "plain": {"number": 1}}, Holder(Item("a"), Plain(1))),
        (Order, {"items": [ITEM]}, Order([Item("a")])),
        (Row, [ITEM], Row(Item("a"))),
        (Member, {"item": ITEM}, {"item": Item("a")}),
        (Member, {}, {}),
    ],
)
def test_a_value_goes_through_its_converter(annotation: Any, data: Any, value: Any) -> None:
    shape = shape_of(annotation)
    assert shape.decode(msgspec.json.encode(data)) == value
    assert shape.convert(data) == value
    assert type(shape.convert(data)) is type(value)


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (
            {"name": 5, "_number": "x"},
            ["Expected `str`, got `int` at `body.name`", "Expected `int`, got `str` at `body._number`"],
        ),
        ({"name": "a", "_number": 101}, ["expected at most 100 at `body`"]),
        ({"name": "a", "_number": -1}, ["'_number' must be >= 0: -2 at `body`"]),
    ],
)
def test_what_a_field_a_converter_or_a_validator_refuses_is_told(data: Any, faults: list[str]) -> None:
    shape = shape_of(Item)
    with pytest.raises(shape.invalid):
        shape.decode(msgspec.json.encode(data))
    assert [fault.message for fault in shape.faults(data, ("body",))] == faults


def test_what_is_no_json_is_told_as_for_any_type() -> None:
    with pytest.raises(msgspec.DecodeError):
        shape_of(Item).decode(b"{")


def test_a_class_that_converts_is_written_as_any_other() -> None:
    assert shape_of(Order).encode(Order([Item("a")])) == (
        b'{"items":[{"name":"a","_number":2,"colour":"red","inner":null,"length":0}]}'
    )
