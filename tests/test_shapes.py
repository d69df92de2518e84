"""Types and the JSON that stands for them."""

from __future__ import annotations

import datetime
import decimal
import enum
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import annotated_types
import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from duoframe.errors import ConfigurationError
from duoframe.misfits import MAX_FAULTS
from duoframe.shapes import shape_of
from tests.linear import assert_linear

T = TypeVar("T")


class Colour(enum.Enum):
    RED = "red"


class User(Struct):
    name: str


class Account(User):
    password: str = "secret"


class Unknown(Struct):
    what: Missing  # type: ignore[name-defined]  # noqa: F821  # nobody knows it


class Closed(Struct, forbid_unknown_fields=True):
    known: int = 1


class Label(Struct, frozen=True):
    text: str


class Secret(Label, frozen=True):
    password: str = "secret"


class Cat(Struct, tag=True):
    owner: User


class Dog(Struct, tag=True):
    bark: int


class Kitten(Cat, tag="Cat"):
    password: str = "secret"


class Pair(Struct, array_like=True, tag=True, forbid_unknown_fields=True):
    left: int
    right: User | None = None


class Single(Struct, array_like=True, tag=True):
    left: int


class Page(Struct, Generic[T]):
    items: list[T]


class Tree(Struct):
    owner: User
    children: list[Tree] = []


class Positive(Struct):
    number: int

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError("number must not be negative")


class Item(Struct, rename="camel", forbid_unknown_fields=True):
    full_name: str
    price: Annotated[float, Meta(ge=0)]
    tags: list[Annotated[str, Meta(max_length=3)]] = []
    sizes: dict[int, User] = {}
    colour: Colour | None = None
    pet: Cat | Dog | None = None
    when: datetime.datetime | int | None = None


@dataclass
class Order:
    user: User
    users: list[User] = field(default_factory=list)
    by_name: dict[str, User] = field(default_factory=dict)
    first: User | None = None
    count: int = 0


@attrs.define
class Parcel:
    user: User
    weight: int = attrs.field(default=1, validator=attrs.validators.ge(1))


class Row(NamedTuple):
    user: User
    number: int = 1


class Member(TypedDict, total=False):
    user: User
    colour: Colour


class Patch(Struct, omit_defaults=True, rename="camel"):
    first_name: str | msgspec.UnsetType = msgspec.UNSET
    user: User = msgspec.field(default_factory=lambda: Account("x"))
    tags: list[str] = []
    colour: Colour = Colour.RED
    label: Label = Secret("y")
    count: int = 0


class Attributes:
    """An object of somebody else's, as those of an ORM."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


JSON = [
    (int, b"5", 5),
    (User, b'{"name": "a", "more": 1}', User("a")),
    (list[User], b'[{"name": "a"}]', [User("a")]),
    (Order, b'{"user": {"name": "a"}}', Order(User("a"))),
    (Parcel, b'{"user": {"name": "a"}, "weight": 2}', Parcel(User("a"), 2)),
    (Row, b'[{"name": "a"}]', Row(User("a"))),
    (Member, b'{"user": {"name": "a"}}', {"user": User("a")}),
    (Cat | Dog, b'{"type": "Dog", "bark": 1}', Dog(1)),
    (Page[User], b'{"items": [{"name": "a"}]}', Page([User("a")])),
    (dict[int, Colour], b'{"1": "red"}', {1: Colour.RED}),
    (set[uuid.UUID], b'["00000000-0000-4000-8000-00000000000a"]', {uuid.UUID("00000000-0000-4000-8000-00000000000a")}),
    (decimal.Decimal | None, b'"1.50"', decimal.Decimal("1.50")),
    (Any, b'{"a": [null]}', {"a": [None]}),
    (Item, b'{"fullName": "a", "price": 1}', Item("a", 1.0)),
]


@pytest.mark.parametrize(("annotation", "data", "value"), JSON)
def test_json_is_read_as_its_type(annotation: Any, data: bytes, value: Any) -> None:
    shape = shape_of(annotation)
    assert shape.decode(data) == value
    assert shape.convert(msgspec.json.decode(data)) == value
    assert shape.faults(msgspec.json.decode(data), ("body",)) == []
    assert shape.decode(shape.encode(value)) == value


@pytest.mark.parametrize("annotation", [User, list[int], Any])
@pytest.mark.parametrize("data", [b"", b"{", b"\xef\xbb\xbf{}", b"NaN", b'"\xff"', b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_is_no_value_of_any_type(annotation: Any, data: bytes) -> None:
    """H-19, R70."""
    shape = shape_of(annotation)  # what does not fit may be found before the end of what is no JSON
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError, RecursionError)):
        shape.decode(data)


def test_of_members_of_one_name_the_last_stands() -> None:
    """H-19."""
    assert shape_of(User).decode(b'{"name": "a", "name": "b"}') == User("b")


# What leaves.


ANNA = Account("anna")
NAMED = {"name": "anna"}
WRITTEN: list[tuple[Any, Any, Any]] = [
    (User, ANNA, {"name": "anna"}),
    (list[User], [ANNA], [{"name": "anna"}]),
    (list[User], (ANNA,), [{"name": "anna"}]),
    (tuple[User, int], (ANNA, 1), [{"name": "anna"}, 1]),
    (dict[str, User], {"a": ANNA}, {"a": {"name": "anna"}}),
    (User | None, ANNA, {"name": "anna"}),
    (User | None, None, None),
    (User | int, ANNA, {"name": "anna"}),
    (User | int, 5, 5),
    (User | list[User] | None, [ANNA], [{"name": "anna"}]),
    (
        Tree,
        Tree(ANNA, [Tree(ANNA)]),
        {"owner": {"name": "anna"}, "children": [{"owner": {"name": "anna"}, "children": []}]},
    ),
    (Page[User], Page([ANNA]), {"items": [{"name": "anna"}]}),
    (Page[User] | None, Page([ANNA]), {"items": [{"name": "anna"}]}),
    (
        Order,
        Order(ANNA, [ANNA], {"a": ANNA}, ANNA),
        {
            "user": {"name": "anna"},
            "users": [{"name": "anna"}],
            "by_name": {"a": {"name": "anna"}},
            "first": {"name": "anna"},
            "count": 0,
        },
    ),
    (Parcel, Parcel(ANNA), {"user": {"name": "anna"}, "weight": 1}),
    (Row, Row(ANNA), [{"name": "anna"}, 1]),
    (Member, {"user": ANNA, "password": 1}, {"user": {"name": "anna"}}),
    (Member, {"colour": Colour.RED}, {"colour": "red"}),
    (Pair, Pair(1, ANNA), ["Pair", 1, {"name": "anna"}]),
    (Cat | Dog, Kitten(ANNA), {"type": "Cat", "owner": {"name": "anna"}}),
    (
        list[Cat | Dog | None],
        [Cat(ANNA), Dog(1), None],
        [{"type": "Cat", "owner": NAMED}, {"type": "Dog", "bark": 1}, None],
    ),
    (Cat | Dog, {"type": "Dog", "bark": 1, "more": 1}, {"type": "Dog", "bark": 1}),
    (User, Attributes(name="a", password="secret"), {"name": "a"}),
    (
        Order,
        Attributes(user=Attributes(name="a", password="secret")),
        {"user": {"name": "a"}, "users": [], "by_name": {}, "first": None, "count": 0},
    ),
    (
        Item,
        {"fullName": "a", "price": 1, "pet": Kitten(ANNA)},
        {
            "fullName": "a",
            "price": 1.0,
            "tags": [],
            "sizes": {},
            "colour": None,
            "pet": {"type": "Cat", "owner": {"name": "anna"}},
            "when": None,
        },
    ),
    (
        Item | None,
        Item("a", 1.0, sizes={1: ANNA}),
        {
            "fullName": "a",
            "price": 1.0,
            "tags": [],
            "sizes": {"1": {"name": "anna"}},
            "colour": None,
            "pet": None,
            "when": None,
        },
    ),
    (Patch, Patch(user=ANNA), {"user": {"name": "anna"}, "label": {"text": "y"}}),
    (
        Patch,
        {"firstName": "a", "count": 1},
        {"firstName": "a", "user": {"name": "x"}, "label": {"text": "y"}, "count": 1},
    ),
    (Colour, Colour.RED, "red"),
    (Colour, "red", "red"),
    (Colour | None, Colour.RED, "red"),
    (dict[Colour, int], {Colour.RED: 1}, {"red": 1}),
    (Colour | int, Colour.RED, "red"),
    (Colour | int, 5, 5),
    (set[int], {1}, [1]),
    (bytes, b"x", "eA=="),
    (datetime.datetime, datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC), "2024-01-01T00:00:00Z"),
    (Any, [1, None], [1, None]),
]


@pytest.mark.parametrize(("annotation", "value", "written"), WRITTEN)
def test_no_more_is_written_than_is_declared(annotation: Any, value: Any, written: Any) -> None:
    """A field of a subclass stays here, wherever its object stands."""
    shape = shape_of(annotation)
    assert msgspec.json.decode(shape.encode(value)) == written
    assert msgspec.json.decode(msgspec.json.encode(shape.builtins(value))) == written


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "5"),
        (str, ANNA),
        (User, Account(5)),  # type: ignore[arg-type]  # the point
        (User, Attributes()),
        (User, {}),
        (list[User], [5]),
        (Colour, "blue"),
        (Cat | Dog, 5),
        (Cat | Dog, User("a")),
        (Annotated[list[int], Meta(min_length=1)], []),
        (Annotated[dict[str, int], Meta(min_length=1)], {}),
        (Item, Item("a", -1)),
    ],
)
def test_a_value_that_does_not_fit_is_not_written(annotation: Any, value: Any) -> None:
    shape = shape_of(annotation)
    with pytest.raises(shape.invalid):
        shape.encode(value)
    with pytest.raises(shape.invalid):
        shape.builtins(value)


def test_what_no_text_can_hold_is_not_written() -> None:
    """H-22, R70."""
    endless = Tree(User("a"))
    endless.children.append(endless)
    with pytest.raises(RecursionError):
        shape_of(Tree).encode(endless)
    with pytest.raises(UnicodeEncodeError):
        shape_of(User).encode(User("\ud800"))
    assert shape_of(float).encode(float("nan")) == b"null"


# Faults.


def told(annotation: Any, data: Any) -> list[tuple[Any, str, str]]:
    shape = shape_of(annotation)
    with pytest.raises(shape.invalid):
        shape.convert(data)
    return [(fault.loc[1:], fault.expected, fault.got) for fault in shape.faults(data, ("body",))]


def test_every_field_that_does_not_fit_is_told() -> None:
    """H-20."""
    data = {
        "fullName": 1,
        "price": -1,
        "tags": ["ok", "long one", 5],
        "sizes": {"1": {"name": "a"}, "x": {}, "2": {}},
        "colour": "blue",
        "pet": {"type": "Cow"},
        "when": "noon",
        "more": [],
    }
    assert told(Item, data) == [
        (("fullName",), "str", "int"),
        (("price",), "float >= 0", "-1"),
        (("tags", 1), "str of at most 3 characters", "'long one'"),
        (("sizes", "x"), "key int", "'x'"),
        (("colour",), "one of 'red' | null", "'blue'"),
        (("pet", "type"), "one of 'Cat', 'Dog'", "'Cow'"),
        (("when",), "datetime | int | null", "'noon'"),
        (("more",), "nothing", "array"),
    ]
    assert told(Item, {"pet": {}}) == [
        (("fullName",), "str", "nothing"),
        (("price",), "float >= 0", "nothing"),
        (("pet", "type"), "one of 'Cat', 'Dog'", "nothing"),
    ]


@pytest.mark.parametrize(
    ("annotation", "data", "faults"),
    [
        (int, "5", [((), "int", "str")]),
        (int, None, [((), "int", "null")]),
        (int, 5.5, [((), "int", "float")]),
        (bool, 1, [((), "bool", "int")]),
        (float, True, [((), "float", "bool")]),
        (uuid.UUID, "x", [((), "UUID", "'x'")]),
        (bytes, "?", [((), "bytes in Base64", "'?'")]),
        (decimal.Decimal, [], [((), "Decimal", "array")]),
        (Literal["a", "b"], "c", [((), "one of 'a', 'b'", "'c'")]),
        (User, [], [((), "object", "array")]),
        (list[int], {}, [((), "array", "object")]),
        (dict[str, int], [], [((), "object", "array")]),
        (int | None, "x", [((), "int | null", "str")]),
        (dict[str, int] | int, {"a": "x"}, [(("a",), "int", "str")]),
        (Annotated[int, Meta(ge=1, title="Number")], 0, [((), "int >= 1", "0")]),
        (list[User] | User, [{}], [((0, "name"), "str", "nothing")]),
        (list[User], [{"name": "a"}, 5, {"name": 5}], [((1,), "object", "int"), ((2, "name"), "str", "int")]),
        (Annotated[list[int], Meta(min_length=2)], [1], [((), "array of at least 2 items", "array of 1")]),
        (
            Annotated[dict[str, int], Meta(max_length=0)],
            {"a": 1},
            [((), "object of at most 0 members", "object of 1")],
        ),
        (tuple[int, int], [1], [((), "array of 2 items", "array of 1")]),
        (tuple[int, int], [1, "x"], [((1,), "int", "str")]),
        (Row, [], [((), "array of at least 1 item", "array of 0")]),
        (Row, [{}, "x"], [((0, "name"), "str", "nothing"), ((1,), "int", "str")]),
        (Row, 5, [((), "array of at least 1 item", "int")]),
        (Pair, ["Pear", 1], [((0,), "'Pair'", "'Pear'")]),
        (Pair, ["Pair", 1, None, 5], [((), "array of at most 3 items", "array of 4")]),
        (Pair | Single, ["Pear", 1], [((0,), "one of 'Pair', 'Single'", "'Pear'")]),
        (Pair | Single, [], [((0,), "one of 'Pair', 'Single'", "nothing")]),
        (Pair | Single, ["Single", "x"], [((1,), "int", "str")]),
        (Cat | Dog, {"type": None}, [(("type",), "one of 'Cat', 'Dog'", "null")]),
        (Closed, {"c": 1, "b": 2, "a": 3, "d": 4}, [((name,), "nothing", "int") for name in "cbad"]),
        (Cat, {"type": "Dog"}, [(("type",), "'Cat'", "'Dog'"), (("owner",), "object", "nothing")]),
        (Positive, {"number": -1}, [((), "number must not be negative", "object")]),
        (dict[str, Positive], {"a": {"number": -1}}, [((), "number must not be negative", "object")]),
        (Parcel, {"user": {"name": "a"}, "weight": 0}, [((), "'weight' must be >= 1: 0", "object")]),
        (dict[Literal["a"] | int, int], {"b": 1}, None),
    ],
)
def test_a_fault_is_told_at_its_place(annotation: Any, data: Any, faults: Any) -> None:
    """H-20: what was expected, what came, and where."""
    assert faults in (None, told(annotation, data))
    assert told(annotation, data)


def test_a_message_is_one_sentence() -> None:
    """H-20."""
    shape = shape_of(list[Item])
    data = [{"fullName": "a", "price": "x"}, {"fullName": "a", "price": 1, "tags": ["x" * 1000]}]
    first, second = shape.faults(data, ("body",))
    assert first.message == "Expected `float >= 0`, got `str` at `body[0].price`"
    assert len(second.message) < 300
    (third,) = shape_of(dict[str, Positive]).faults({"a": {"number": -1}}, ("body", "numbers"))
    assert third.message == "number must not be negative at `body.numbers`"


class Envelope(Struct):
    kind: int
    content: msgspec.Raw


def test_what_is_left_undecoded_has_no_faults() -> None:
    (found,) = shape_of(Envelope).faults({"kind": "x", "content": {"a": 1}}, ("body",))
    assert found.loc == ("body", "kind")


class Quoted(Struct):
    text: str

    def __post_init__(self) -> None:
        raise ValueError(f"expected no {self.text}")


@pytest.mark.parametrize("text", ["x - at `$.y.z`", "x - at `$.text.y`", " - at `$[...]`", "`$"])
def test_a_client_whose_words_are_told_again_leads_nowhere(text: str) -> None:
    (found,) = shape_of(Quoted).faults({"text": text}, ("body",))
    assert found.loc in {("body",), ("body", "text")}
    (found,) = shape_of(dict[str, Quoted]).faults({"a": {"text": text}}, ("body",))
    assert found.loc == ("body",)


def test_a_field_that_a_class_itself_refuses_is_named() -> None:
    class Holder(Struct):
        one: Positive

    assert told(Holder, {"one": {"number": -1}}) == [(("one",), "number must not be negative", "object")]


def test_no_more_faults_are_told_than_help() -> None:
    assert len(shape_of(list[int]).faults(["x"] * 1000, ("body",))) == MAX_FAULTS


TYPES = [
    Item,
    Order,
    Parcel,
    Row,
    Member,
    Cat | Dog | None,
    Pair | Single,
    list[Tree],
    dict[int, list[Row] | int],
    Page[Colour],
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "red", "Cat", "Dog", "Pair"])
)
KEYS = st.sampled_from(["name", "type", "owner", "user", "fullName", "price", "pet", "bark", "children", "items", "1"])
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))


@pytest.mark.parametrize("annotation", TYPES)
@settings(deadline=None, max_examples=50)
@given(value=VALUES)
def test_there_are_faults_exactly_where_a_value_does_not_fit(annotation: Any, value: Any) -> None:
    shape = shape_of(annotation)
    faults = shape.faults(value, ("body",))
    try:
        shape.convert(value)
    except shape.invalid:
        assert faults
    else:
        assert not faults
    for fault in faults:
        inner = value
        for part in fault.loc[1:] if fault.got != "nothing" else fault.loc[1:-1]:
            inner = inner[part]


@pytest.mark.parametrize(
    "fill",
    [
        lambda size: {"owner": {"name": "a"}, "children": [{"owner": {"name": "a"}}] * size + [5]},
        lambda size: {"owner": {"name": "a"}, "children": [5] * size},
        lambda size: {str(number): number for number in range(size)},
    ],
)
def test_the_work_grows_with_the_value_and_not_faster(fill: Callable[[int], Any]) -> None:
    """R68."""
    shape = shape_of(Tree)
    assert_linear(lambda size: lambda: shape.faults(fill(size), ("body",)), 200)


def test_a_value_as_deep_as_its_client_likes_is_walked_in_linear_time() -> None:
    """R68."""

    def nested(depth: int) -> Any:
        value: Any = {"owner": 5}
        for _ in range(depth):
            value = {"owner": {"name": "a"}, "children": [value]}
        return value

    shape = shape_of(Tree)
    assert_linear(lambda size: lambda: shape.faults(nested(size), ("body",)), 500)


# Types that cannot be.


@pytest.mark.parametrize(
    ("annotation", "options", "message"),
    [
        (
            User | Tree,
            {},
            r"must be tagged .*; make them Structs .*`class Cat\(msgspec.Struct, tag=True\)`",
        ),
        (User | Order, {}, r"more than one dict-like .* `class Cat\(msgspec.Struct, tag=True\)`"),
        (list[int] | tuple[int, ...], {}, "more than one array-like"),
        (complex, {}, "nothing is known of <class 'complex'>; write a Struct, a dataclass"),
        (list[Callable[[], int]], {}, "nothing is known of"),
        (list["Missing"], {}, "'Missing'"),  # type: ignore[name-defined]  # noqa: F821  # nobody knows it
        (Unknown, {}, "'Missing' is not defined; define it at the top of the module"),
        (User, {"ge": 1}, "`ge`"),
        (str, {"ge": "x"}, "expected a number"),
        (list[Annotated[int, annotated_types.Gt(0)]], {}, r"write `msgspec.Meta\(...\)` there"),
    ],
)
def test_a_type_that_cannot_be_read_is_refused_with_the_fix(annotation: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        shape_of(annotation, options)


def test_an_alias_that_stands_in_itself_is_refused_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(annotation: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(msgspec.inspect, "type_info", endless)  # `type Tree = list[Tree]` is for 3.12
    with pytest.raises(ConfigurationError, match="; make it a class that holds itself"):
        shape_of(User)


def test_a_type_of_pydantics_where_there_is_none_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    class Identifier:
        """As libraries have it that can do with Pydantic and without."""

        def __get_pydantic_core_schema__(self, *args: Any) -> Any: ...

    monkeypatch.setitem(sys.modules, "duoframe.models", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'duoframe\[pydantic\]'"):
        shape_of(list[Identifier])


def test_options_constrain_the_whole_body() -> None:
    shape = shape_of(list[int], {"min_length": 1, "description": "of no matter"})
    assert shape.decode(b"[1]") == [1]
    with pytest.raises(shape.invalid):
        shape.decode(b"[]")


# JSON Schema.


def test_a_shape_describes_itself() -> None:
    schema, components = shape_of(list[Item]).schema("input")
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    assert set(components) == {"Item", "User", "Colour", "Cat", "Dog"}
    assert components["Item"]["required"] == ["fullName", "price"]
    assert shape_of(int, {"ge": 1}).schema("output") == ({"type": "integer", "minimum": 1}, {})


def test_two_classes_of_one_name_have_two_schemas() -> None:
    one: Any = msgspec.defstruct("User", [("name", str)], module="one")
    _, components = shape_of(tuple[one, User]).schema("input")
    assert len(components) == 2


def test_msgspec_and_pydantic_are_imported_by_whoever_asks() -> None:
    code = "import sys, duoframe, duoframe.shapes; print({'msgspec', 'pydantic'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"
