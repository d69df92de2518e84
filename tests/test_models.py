"""Types with Pydantic's models in them."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from pydantic import BaseModel, ConfigDict, Field, field_validator
from pydantic.dataclasses import dataclass as model_dataclass

from duoframe.errors import ConfigurationError
from duoframe.models import ModelShape
from duoframe.shapes import shape_of
from tests.test_shapes import VALUES, Attributes


class User(BaseModel):
    name: str


class Account(User):
    password: str = "secret"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    owner: User


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    bark: int


class Order(BaseModel):
    user: User
    users: list[User] = []
    by_name: dict[str, User] = {}
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    either: User | int | None = None
    price: float = Field(0.0, alias="unitPrice")


@dataclass
class Parcel:
    user: User
    users: list[User] = field(default_factory=list)


class Row(NamedTuple):
    user: User


@model_dataclass
class Point:
    x: int


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    when: datetime.datetime
    count: int = 0


class Colour(enum.Enum):
    RED = "red"


class Everything(BaseModel):
    truth: bool
    moment: datetime.datetime
    span: datetime.timedelta
    key: uuid.UUID
    amount: decimal.Decimal
    colour: Colour
    nothing: None
    pair: tuple[int, int]
    unique: set[int]
    text: Annotated[str, Field(min_length=2, pattern="^a")]
    several: Annotated[list[int], Field(min_length=2)]
    step: Annotated[int, Field(multiple_of=5)]
    own: str

    @field_validator("own")
    @classmethod
    def refuse(cls, value: str) -> str:
        raise ValueError("never right")


ANNA = Account(name="anna")
NAMED = {"name": "anna"}


@pytest.mark.parametrize(
    "annotation",
    [
        User,
        list[User],
        dict[str, User],
        User | None,
        Annotated[User, "noted"],
        Parcel,
        list[Parcel],
        Row,
        Point,
        Annotated[int, Field(ge=1)],
        list[Annotated[int, Field(ge=1)]],
    ],
)
def test_a_model_anywhere_in_a_type_makes_it_pydantics(annotation: Any) -> None:
    assert isinstance(shape_of(annotation), ModelShape)


@pytest.mark.parametrize("annotation", [int, list[str], dict[str, Any]])
def test_any_other_type_is_not(annotation: Any) -> None:
    assert not isinstance(shape_of(annotation), ModelShape)


def test_json_is_read_as_models() -> None:
    shape = shape_of(list[User])
    assert shape.decode(b'[{"name": "anna"}]') == [User(name="anna")]
    assert shape.convert([{"name": "anna"}]) == [User(name="anna")]
    assert shape.faults([{"name": "anna"}], ("body",)) == []


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"\xef\xbb\xbf{}", b'{"name": NaN}', b'{"name": "\xff"}', b"[" * 100_000, b"[" * 300 + b"]" * 300],
)
def test_what_is_no_json_is_no_model(data: bytes) -> None:
    """H-19, R70: one grammar, whoever reads the values."""
    shape = shape_of(User)
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        shape.decode(data)


def test_strict_models_read_moments_of_json_wherever_it_was_decoded() -> None:
    shape = shape_of(Strict)
    moment = Strict(when=datetime.datetime(2024, 1, 1))
    assert shape.decode(b'{"when": "2024-01-01T00:00:00"}') == moment
    assert shape.convert({"when": "2024-01-01T00:00:00"}) == moment


def test_what_no_json_holds_is_read_or_refused() -> None:
    shape = shape_of(User)
    assert shape.convert({"name": "\ud800"}) == User(name="\ud800")  # as of a text that was decoded with replacements
    with pytest.raises(shape.invalid):
        shape.convert({"name": object()})


@pytest.mark.parametrize(
    ("annotation", "value", "written"),
    [
        (User, ANNA, NAMED),
        (User, NAMED | {"password": "secret"}, NAMED),
        (User, Attributes(name="anna", password="secret"), NAMED),
        (list[User], [ANNA], [NAMED]),
        (dict[str, User], {"a": ANNA}, {"a": NAMED}),
        (User | None, ANNA, NAMED),
        (User | Dog, ANNA, NAMED),
        (Parcel, Parcel(ANNA, [ANNA]), {"user": NAMED, "users": [NAMED]}),
        (Row, Row(ANNA), [NAMED]),
        (Point, Point(1), {"x": 1}),
        (
            Order,
            Order(user=ANNA, users=[ANNA], by_name={"a": ANNA}, pet=Cat(owner=ANNA), either=ANNA, unitPrice=1.0),
            {
                "user": NAMED,
                "users": [NAMED],
                "by_name": {"a": NAMED},
                "pet": {"kind": "cat", "owner": NAMED},
                "either": NAMED,
                "unitPrice": 1.0,
            },
        ),
        (Order | None, None, None),
    ],
)
def test_no_more_is_written_than_is_declared(annotation: Any, value: Any, written: Any) -> None:
    shape = shape_of(annotation)
    assert msgspec.json.decode(shape.encode(value)) == written
    assert shape.builtins(value) == written


@pytest.mark.parametrize("value", [Attributes(), Dog(bark=1), {}, 5, User.model_construct(name=5)])
def test_a_value_that_does_not_fit_is_not_written(value: Any) -> None:
    shape = shape_of(User)
    with pytest.raises(shape.invalid):
        shape.encode(value)
    with pytest.raises(shape.invalid):
        shape.builtins(value)


def test_what_no_text_can_hold_is_not_written() -> None:
    """H-22."""
    shape = shape_of(User)
    with pytest.raises((*shape.invalid, UnicodeEncodeError)):
        shape.encode(User.model_construct(name="\ud800"))
    assert shape_of(Order).encode(Order(user=ANNA, unitPrice=float("nan"))).endswith(b'"unitPrice":null}')


def told(annotation: Any, data: Any) -> list[tuple[Any, str, str]]:
    return [(fault.loc[1:], fault.expected, fault.got) for fault in shape_of(annotation).faults(data, ("body",))]


def test_every_field_that_does_not_fit_is_told() -> None:
    """H-20: in the words of this project where they are about types and constraints."""
    data = {
        "truth": "x",
        "moment": [],
        "span": "x",
        "key": "x",
        "amount": "x",
        "colour": "blue",
        "nothing": 1,
        "pair": 1,
        "unique": {},
        "text": "b",
        "several": [1],
        "step": 4,
        "own": "a",
    }
    assert told(Everything, data) == [
        (("truth",), "bool", "'x'"),
        (("moment",), "datetime", "array"),
        (("span",), "timedelta", "'x'"),
        (("key",), "UUID", "'x'"),
        (("amount",), "Decimal", "'x'"),
        (("colour",), "one of 'red'", "'blue'"),
        (("nothing",), "null", "int"),
        (("pair",), "array", "int"),
        (("unique",), "array", "object"),
        (("text",), "str of at least 2 characters", "'b'"),
        (("several",), "array of at least 2 items", "array"),
        (("step",), "int a multiple of 5", "4"),
        (("own",), "never right", "'a'"),
    ]
    assert told(Everything, data | {"text": "bb"})[9] == (("text",), "str matching '^a'", "'bb'")
    (*_, last) = shape_of(Everything).faults(data, ("body",))
    assert last.message == "never right at `body.own`"


@pytest.mark.parametrize(
    ("annotation", "data", "faults"),
    [
        (User, {}, [(("name",), "a value", "nothing")]),
        (User, [], [((), "object", "array")]),
        (list[User], [{}, {"name": 5}], [((0, "name"), "a value", "nothing"), ((1, "name"), "str", "int")]),
        (Strict, {"when": 5, "more": 1}, [(("when",), "datetime", "int"), (("more",), "nothing", "int")]),
        (Order, {"user": NAMED, "pet": {"kind": "cat"}}, [(("pet", "owner"), "a value", "nothing")]),
        (Order, {"user": NAMED, "unitPrice": "x"}, [(("unitPrice",), "float", "'x'")]),
        (Order, {"user": NAMED, "either": []}, [(("either",), "object", "array")]),
        (Order, {"user": NAMED, "by_name": {"a": {}}}, [(("by_name", "a", "name"), "a value", "nothing")]),
    ],
)
def test_a_fault_is_told_at_its_place(annotation: Any, data: Any, faults: Any) -> None:
    """H-20: names of members of unions are no places."""
    assert told(annotation, data) == faults


def test_what_a_client_sent_is_not_told_whole() -> None:
    """H-20."""
    (found,) = shape_of(Order).faults({"user": NAMED, "unitPrice": "x" * 10_000}, ("body",))
    assert len(found.message) < 300


@settings(deadline=None, max_examples=50)
@given(value=VALUES)
def test_there_are_faults_exactly_where_a_value_does_not_fit(value: Any) -> None:
    shape = shape_of(Order)
    faults = shape.faults(value, ("body",))
    try:
        shape.convert(value)
    except shape.invalid:
        assert faults
    else:
        assert not faults


class Holder(msgspec.Struct):
    user: User


@pytest.mark.parametrize(
    ("annotation", "options", "message"),
    [
        (Holder, {}, "Pydantic cannot read all of it"),
        (User, {"min_length": 1}, "min_length does not apply to <class .*User"),
    ],
)
def test_what_pydantic_cannot_read_is_refused(annotation: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        shape_of(annotation, options)


def test_options_constrain_the_whole_body() -> None:
    shape = shape_of(list[User], {"min_length": 1})
    with pytest.raises(shape.invalid):
        shape.decode(b"[]")
    assert [fault.expected for fault in shape.faults([], ("body",))] == ["array of at least 1 item"]


def test_a_shape_describes_itself() -> None:
    schema, components = shape_of(list[Order]).schema("input")
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Order"}}
    assert set(components) == {"Order", "User", "Cat", "Dog"}
    assert components["Order"]["required"] == ["user"]
    assert shape_of(Annotated[int, Field(ge=1)]).schema("output") == ({"type": "integer", "minimum": 1}, {})
