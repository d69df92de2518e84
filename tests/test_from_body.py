"""JSON bodies, members of one, and files, read by the types of a handler."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duoframe import App, Body, ConfigurationError, Depends, File, Form, Query, Request, UploadFile
from duoframe.testing import exchange
from tests.conftest import Ask
from tests.typed import JSON, MULTIPART, URLENCODED, faults, serve, upload
from tests.typed import given as told


class Item(msgspec.Struct):
    name: str
    price: float
    tags: list[str] = []


@dataclasses.dataclass
class Order:
    items: list[Item]
    note: str | None = None


class Patch(TypedDict, total=False):
    name: str


@attrs.define
class Point:
    x: int


class Model(pydantic.BaseModel):
    name: str
    size: Annotated[int, pydantic.Field(ge=1)] = 1


class Closed(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 1


class ClosedModel(pydantic.BaseModel, extra="forbid"):
    a: int = 1


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


@pytest.fixture
def route(app: App, colour: Any) -> Callable[..., App]:
    """Registers a handler in either colour."""
    return lambda handler, path="/", method="POST": serve(app, colour(handler), path, method)


def post(ask: Ask, app: App, body: bytes, fields: list[tuple[bytes, bytes]] = JSON) -> Any:
    return ask(app, "POST", b"/", fields, body)


# The whole body


@pytest.mark.parametrize(
    ("annotation", "body", "value"),
    [
        (Item, b'{"name": "a", "price": 1}', Item("a", 1.0)),
        (Order, b'{"items": [{"name": "a", "price": 1}]}', Order([Item("a", 1.0)])),
        (Patch, b"{}", {}),
        (Point, b'{"x": 1}', Point(1)),
        (Model, b'{"name": "a"}', Model(name="a")),
        (list[Model], b'[{"name": "a"}]', [Model(name="a")]),
        (Cat | Dog, b'{"type": "Dog", "tricks": ["sit"]}', Dog(["sit"])),
        (list[Item], b"[]", []),
        (dict[str, int], b'{"a": 1, "a": 2}', {"a": 2}),
        (dict, b'{"a": null}', {"a": None}),
        (Item | None, b"null", None),
    ],
)
def test_a_body_is_read_by_its_type(
    ask: Ask, route: Callable[..., App], annotation: Any, body: bytes, value: object
) -> None:
    """H-19: of two members with one name the last counts."""

    def create(body) -> str:  # type: ignore[no-untyped-def]  # annotated below
        return repr(body)

    create.__annotations__["body"] = annotation
    assert told(post(ask, route(create), body)) == repr(value)


def test_what_is_wrong_with_a_body_is_told_with_what_is_wrong_elsewhere(ask: Ask, route: Callable[..., App]) -> None:
    """H-20"""

    def create(order: Order, page: int) -> None: ...

    body = b'{"items": [{"name": "a", "price": 1}, {"name": 5, "price": "' + b"x" * 500 + b'"}], "note": 3}'
    answer = ask(route(create), "POST", b"/?page=" + b"y" * 500, JSON, body)
    told = faults(answer)
    assert [loc for loc, _, _ in told] == ["query.page", "body.items[1].name", "body.note"]
    assert all(len(got) <= 200 for _, _, got in told)
    assert b"x" * 201 not in answer.body
    assert b"y" * 201 not in answer.body


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"name": "\xff"}',
        b'\xef\xbb\xbf{"name": "a", "price": 1}',
        b'{"name": "a", "price": NaN}',
        b'{"name": "a", "price": 1, "rest": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "a", "price": ' + b"9" * 10_000 + b"}",
        b'{"name": 5, "price": 1',
        b'{"name": "a"} {"price": 1}',
    ],
    ids=["cut", "latin-1", "mark", "nan", "deep", "long", "wrong and cut", "two"],
)
@pytest.mark.parametrize("annotation", [Item, Model, dict[str, Any]])
def test_what_is_no_json_is_malformed_whatever_the_type(
    ask: Ask, route: Callable[..., App], annotation: Any, body: bytes
) -> None:
    """H-19, R70"""

    def create(body) -> None: ...  # type: ignore[no-untyped-def]  # annotated below

    create.__annotations__["body"] = annotation
    answer = post(ask, route(create), body)
    assert answer.status == 400, answer.body


@pytest.mark.parametrize("kind", ['APPLICATION/JSON; Charset="UTF-8"', "application/vnd.x+json"])
def test_json_has_several_names(ask: Ask, route: Callable[..., App], kind: str) -> None:
    """H-14, H-16"""

    def create(item: Item) -> str:
        return item.name

    body = b'{"name": "a", "price": 1}'
    assert told(post(ask, route(create), body, [(b"content-type", kind.encode())])) == "a"


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/json, application/json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/x-www-form-urlencoded",
    ],
)
def test_a_body_of_another_media_type_is_refused(ask: Ask, route: Callable[..., App], kind: str) -> None:
    """H-15, H-17, R37"""

    def create(item: Item | None) -> None: ...

    fields = [(b"content-type", kind.encode())] if kind else []
    assert post(ask, route(create), b'{"name": "a", "price": 1}', fields).status == 415


def test_an_empty_body_is_none_where_the_type_or_a_default_says_so(ask: Ask, route: Callable[..., App]) -> None:
    """H-18"""

    def needed(item: Item) -> None: ...

    def optional(item: Item | None) -> str:
        return repr(item)

    def default(items: Sequence[Item] = Body(default_factory=list)) -> str:
        return repr(items)

    route(needed, "/needed")
    route(optional, "/optional")
    app = route(default, "/default")
    for fields in (JSON, []):
        assert ask(app, "POST", b"/needed", fields).status == 400
        assert told(ask(app, "POST", b"/optional", fields)) == "None"
        assert told(ask(app, "POST", b"/default", fields)) == "[]"
    assert told(ask(app, "POST", b"/default", JSON, b'[{"name": "a", "price": 1}]')) == repr([Item("a", 1.0)])


def test_a_body_that_is_cut_off_never_reaches_its_handler(ask: Ask, route: Callable[..., App]) -> None:
    """W-28, W-30"""
    called = []

    def create(items: list[int] | None) -> None:
        called.append(items)

    answer = ask(route(create), "POST", b"/", [*JSON, (b"content-length", b"9")], [b"[1]"])
    assert answer.status == 400 or answer.error is not None
    assert called == []


def test_a_scalar_may_be_the_whole_body(ask: Ask, route: Callable[..., App]) -> None:
    def create(count: Annotated[int, Body(ge=1)]) -> str:
        return repr(count)

    def anything(value=Body()) -> str:  # type: ignore[no-untyped-def]  # that is the case
        return repr(value)

    route(anything, "/any")
    app = route(create)
    assert told(post(ask, app, b"5")) == "5"
    assert faults(post(ask, app, b"0")) == [("body", "int >= 1", "0")]
    assert faults(post(ask, app, b'"5"')) == [("body", "int >= 1", "str")]
    assert told(ask(app, "POST", b"/any", JSON, b'[null, {"a": 1.5}]')) == "[None, {'a': 1.5}]"


@pytest.mark.parametrize("annotation", [dict[str, int], Closed, ClosedModel])
def test_a_name_that_a_client_thought_of_is_not_told_at_length(
    ask: Ask, route: Callable[..., App], annotation: Any
) -> None:
    """H-20"""

    def create(body) -> None: ...  # type: ignore[no-untyped-def]  # annotated below

    create.__annotations__["body"] = annotation
    answer = post(ask, route(create), b'{"' + b"x" * 10_000 + b'": "y"}')
    assert len(faults(answer)) == 1
    assert len(answer.body) < 2_000


# Members of one body


def test_several_bodies_are_members_of_one_object(ask: Ask, route: Callable[..., App]) -> None:
    def create(
        item: Item,
        owner: Model,
        count: Annotated[int, Body(ge=1, alias="howMany")],
        note: Annotated[str | None, Body()],
        mode: Literal["a", "b"] = Body("a"),
    ) -> str:
        return repr((item, owner, count, note, mode))

    app = route(create)
    body = b'{"item": {"name": "a", "price": 1}, "owner": {"name": "b"}, "howMany": 2, "else": 1}'
    assert told(post(ask, app, body)) == repr((Item("a", 1.0), Model(name="b"), 2, None, "a"))
    assert faults(post(ask, app, b'{"item": {"name": 1}, "howMany": 0, "mode": "c"}')) == [
        ("body.item.name", "str", "int"),
        ("body.item.price", "float", "nothing"),
        ("body.owner", "a value", "nothing"),
        ("body.howMany", "int >= 1", "0"),
        ("body.mode", "one of 'a', 'b'", "'c'"),
    ]
    assert faults(post(ask, app, b'{"owner": {"name": "b"}}')) == [
        ("body.item", "object", "nothing"),
        ("body.howMany", "int >= 1", "nothing"),
    ]
    assert faults(post(ask, app, b"[]")) == [("body", "object", "array")]
    assert post(ask, app, b"").status == 400
    assert post(ask, app, b"{").status == 400


def test_one_body_may_be_a_member_too(ask: Ask, route: Callable[..., App]) -> None:
    def create(item: Annotated[Item | None, Body(embed=True)]) -> str:
        return repr(item)

    app = route(create)
    assert told(post(ask, app, b'{"item": {"name": "a", "price": 1}}')) == repr(Item("a", 1.0))
    assert told(post(ask, app, b"{}")) == told(post(ask, app, b"")) == "None"
    assert post(ask, app, b"{}", [(b"content-type", b"text/plain")]).status == 415
    assert app.routes[0].inputs[0].options["embed"]


def test_bodies_of_a_handler_and_its_dependencies_are_members_of_one_object(
    ask: Ask, route: Callable[..., App]
) -> None:
    def owned(owner: Model) -> str:
        return owner.name

    def counted(item: Item, count: Annotated[int | None, Body()]) -> int | None:
        return count

    def create(item: Item, owner: Annotated[str, Depends(owned)], count: Annotated[Any, Depends(counted)]) -> str:
        return repr((item, owner, count))

    app = route(create)
    body = b'{"item": {"name": "a", "price": 1}, "owner": {"name": "b"}}'
    assert told(post(ask, app, body)) == repr((Item("a", 1.0), "b", None))
    assert faults(post(ask, app, b'{"item": 5}')) == [
        ("body.owner", "a value", "nothing"),
        ("body.item", "object", "int"),
    ]
    assert faults(post(ask, app, b"[]")) == [("body", "object", "array")]


def test_a_body_that_functions_call_by_one_name_is_one_body(ask: Ask, route: Callable[..., App]) -> None:
    def owned(item: Item) -> str:
        return item.name

    def create(item: Item, owner: Annotated[str, Depends(owned)]) -> str:
        return repr((item, owner))

    def embedded(item: Annotated[Item, Body(embed=True)], owner: Annotated[str, Depends(owned)]) -> str:
        return repr((item, owner))

    route(embedded, "/embedded")
    app = route(create)
    assert told(post(ask, app, b'{"name": "a", "price": 1}')) == repr((Item("a", 1.0), "a"))
    assert told(ask(app, "POST", b"/embedded", JSON, b'{"item": {"name": "a", "price": 1}}')) == repr(
        (Item("a", 1.0), "a")
    )
    assert faults(post(ask, app, b"{}")) == [("body.name", "str", "nothing"), ("body.price", "float", "nothing")]


def test_a_body_has_a_schema_with_its_components(app: App) -> None:
    def create(item: Item, model: Model) -> None: ...

    inputs = serve(app, create).routes[0].inputs
    assert [(read.source, read.name, read.required) for read in inputs] == [
        ("body", "item", True),
        ("body", "model", True),
    ]
    schema, components = inputs[0].schema()
    assert schema == {"$ref": "#/components/schemas/Item"}
    assert components["Item"]["required"] == ["name", "price"]


# Files


def test_files_of_a_form_are_read_by_name(ask: Ask, route: Callable[..., App]) -> None:
    def save(
        one: UploadFile,
        several: list[UploadFile],
        none: UploadFile | None,
        other: Annotated[UploadFile | None, File(alias="o")],
        name: str = Form(),
        rest: list[UploadFile] = [],  # noqa: B006  # each request gets a copy
    ) -> str:
        return repr((one.filename, [file.filename for file in several], none, other and other.filename, name, rest))

    app = route(save)
    parts = [upload("one", "1", "x"), upload("several", "2", "x"), upload("several", "3", "x"), upload("o", "4", "")]
    body = b"".join([*parts, upload("name", None, "n"), b"--x--\r\n"])
    assert told(post(ask, app, body, MULTIPART)) == "('1', ['2', '3'], None, '4', 'n', [])"
    assert faults(post(ask, app, b"", MULTIPART)) == [
        ("form.one", "file", "nothing"),
        ("form.several", "list[file]", "nothing"),
        ("form.name", "str", "nothing"),
    ]


def test_a_box_without_a_file_is_absent(ask: Ask, route: Callable[..., App]) -> None:
    """F-06"""

    def save(photo: UploadFile | None, needed: UploadFile | None = None) -> str:
        return repr((photo, needed))

    def need(photo: UploadFile) -> None: ...

    route(need, "/need")
    app = route(save)
    body = upload("photo", "", "") + b"--x--\r\n"
    assert told(post(ask, app, body, MULTIPART)) == "(None, None)"
    assert faults(ask(app, "POST", b"/need", MULTIPART, body)) == [("form.photo", "file", "nothing")]


def test_a_file_comes_in_a_form_of_parts(ask: Ask, route: Callable[..., App]) -> None:
    """R37"""

    def save(photo: UploadFile) -> None: ...

    app = route(save)
    answer = post(ask, app, b"{}", JSON)
    assert answer.status == 415
    assert b"expected Content-Type: multipart/form-data" in answer.body
    assert faults(post(ask, app, b"photo=x", URLENCODED)) == [("form.photo", "file", "nothing")]


def test_a_form_past_a_limit_is_refused_before_its_handler(ask: Ask, app: App) -> None:
    """F-14"""
    called = []

    def save(name: str = Form()) -> str:
        called.append(name)
        return name

    app.post("/", max_body_size=6)(save)
    assert told(ask(app, "POST", b"/", URLENCODED, b"name=")) == ""
    assert told(ask(app, "POST", b"/", URLENCODED, b"name=a")) == "a"
    assert ask(app, "POST", b"/", URLENCODED, b"name=ab").status == 413
    assert called == ["", "a"]


def test_files_are_described_as_binary(app: App) -> None:
    def save(one: UploadFile, several: list[UploadFile] | None) -> None: ...

    one, several = serve(app, save).routes[0].inputs
    assert (one.source, one.required, one.schema()[0]) == ("file", True, {"type": "string", "format": "binary"})
    assert (several.required, several.schema()[0]["items"]) == (False, {"type": "string", "format": "binary"})


# What no request can give


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (bytes, r"'a' that is bytes, which no text stands for; annotate it UploadFile"),
        (Annotated[bytes, File()], "annotate it UploadFile"),
        (Annotated[bytes, Form()], "annotate it UploadFile"),
        (Annotated[str, File()], r"a file is an UploadFile, and several are a list\[UploadFile\]"),
        (Annotated[list[str], File()], "a file is an UploadFile"),
        (Annotated[UploadFile | str, File()], "a file is an UploadFile"),
        (Annotated[UploadFile, File(max_length=5)], "is a file, of which max_length says nothing"),
        (Annotated[int, Query(embed=True)], "is of the query, of which embed says nothing; that is for Body"),
        (Annotated[Item, Body(ge=1)], "cannot be read"),
        (Item | Order, "cannot be read"),
    ],
)
def test_what_no_request_can_give_is_refused_by_name(app: App, annotation: Any, said: str) -> None:
    def save(a) -> None: ...  # type: ignore[no-untyped-def]  # annotated below

    save.__annotations__["a"] = annotation
    with pytest.raises(ConfigurationError, match=said) as caught:
        app.post("/")(save)
    assert "save" in str(caught.value)
    assert "'a'" in str(caught.value)


def test_a_request_has_one_body(app: App) -> None:
    def both(item: Item, name: str = Form()) -> None: ...

    def file(item: Item, name: UploadFile) -> None: ...

    for handler in (both, file):
        with pytest.raises(ConfigurationError, match=r"'item' is read of a JSON body and 'name' of a form"):
            app.post("/")(handler)


def test_a_handler_that_walks_the_body_is_given_none(app: App) -> None:
    def body(item: Item) -> None: ...

    def form(name: str = Form()) -> None: ...

    def file(name: UploadFile) -> None: ...

    for handler in (body, form, file):
        with pytest.raises(ConfigurationError, match="with stream=True the handler reads the body itself"):
            app.post("/", stream=True)(handler)
    app.post("/", stream=True)(lambda request: None)


# Whatever comes


@given(
    body=st.binary(max_size=40)
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(msgspec.json.encode)
    | st.fixed_dictionaries(
        {},
        optional={
            "order": st.none()
            | st.fixed_dictionaries({}, optional={"items": st.lists(st.integers()), "note": st.text()}),
            "model": st.fixed_dictionaries({"name": st.text() | st.none()}),
        },
    ).map(msgspec.json.encode)
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_body_a_client_sends_is_its_own_fault(body: bytes) -> None:
    app = App()

    @app.post("/")
    def create(order: Order | None, model: Model, request: Request) -> str:
        return repr((order, model))

    first, second = (exchange(app, door, "POST", b"/", JSON, body) for door in ("wsgi", "asgi"))
    app.shutdown()
    assert first.status in (200, 400, 422)
    assert (first.status, first.body) == (second.status, second.body)
