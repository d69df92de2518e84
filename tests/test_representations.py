"""A handler answers exactly what it declares to return."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple, NewType, NoReturn, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from duoframe import (
    App,
    ConfigurationError,
    EventSourceResponse,
    FileResponse,
    HTMLResponse,
    JSONResponse,
    Request,
    Response,
    Router,
    inline,
)
from duoframe.representations import Representation
from tests.conftest import Ask, MakeClient


class Item(msgspec.Struct):
    name: str
    price: float


class SecretItem(Item):
    secret: str = "hidden"


@dataclasses.dataclass
class Data:
    name: str
    items: list[Item] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class SecretData(Data):
    secret: str = "hidden"


class Typed(TypedDict):
    name: str


@attrs.define
class Attributes:
    name: str


@attrs.define
class SecretAttributes(Attributes):
    secret: str = "hidden"


class Pair(NamedTuple):
    left: int
    right: int


class Model(pydantic.BaseModel):
    name: str
    inner: Inner | None = None


class Inner(pydantic.BaseModel):
    value: int


class SecretInner(Inner):
    secret: str = "hidden"


class SecretModel(Model):
    secret: str = "hidden"


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    name: str


class Row:
    """As an object-relational mapper gives it: attributes, of which some are nobody's business."""

    def __init__(self, **columns: Any) -> None:
        self.__dict__.update(columns, secret="hidden")


class Shade(enum.Enum):
    RED = "red"


class Text(enum.StrEnum):
    RED = "red"


class Page:
    def __html__(self) -> str:
        return "<h1>page</h1>"


class Unknown:
    """Nothing says how this is written."""


T = TypeVar("T")
Price = NewType("Price", float)
Title = NewType("Title", str)


def returning(annotation: Any, value: Any = None) -> Callable[[], Any]:
    """A handler that declares to return ``annotation`` and returns ``value``."""

    def view() -> Any:
        return value

    view.__annotations__["return"] = annotation
    return view


def streaming() -> Iterator[str]:
    yield "a"


def stored(item: Item) -> Data:
    return SecretData("chairs", [item])


# Exactly what is declared


@pytest.mark.parametrize(
    ("annotation", "value", "sent"),
    [
        (Item, Item("chair", 40.0), {"name": "chair", "price": 40.0}),
        (Item, SecretItem("chair", 40.0), {"name": "chair", "price": 40.0}),
        (Item, {"name": "chair", "price": 40.0, "secret": 1}, {"name": "chair", "price": 40.0}),
        (Item, Row(name="chair", price=40.0), {"name": "chair", "price": 40.0}),
        (list[Item], [SecretItem("chair", 40.0)], [{"name": "chair", "price": 40.0}]),
        (Sequence[Item], [SecretItem("chair", 40.0)], [{"name": "chair", "price": 40.0}]),
        (dict[str, Item], {"a": SecretItem("chair", 40.0)}, {"a": {"name": "chair", "price": 40.0}}),
        (dict[str, list[Item]], {"a": [SecretItem("b", 4.0)]}, {"a": [{"name": "b", "price": 4.0}]}),
        (Item | None, SecretItem("chair", 40.0), {"name": "chair", "price": 40.0}),
        (Item | list[Item], [SecretItem("chair", 40.0)], [{"name": "chair", "price": 40.0}]),
        (Annotated[Item, "noted"], SecretItem("chair", 40.0), {"name": "chair", "price": 40.0}),
        (Data, SecretData("a", [SecretItem("b", 1.0)]), {"name": "a", "items": [{"name": "b", "price": 1.0}]}),
        (Typed, {"name": "a", "secret": 1}, {"name": "a"}),
        (Attributes, SecretAttributes("a"), {"name": "a"}),
        (Pair, Pair(1, 2), [1, 2]),
        (tuple[float, float], (1.5, 2.5), [1.5, 2.5]),
        (tuple[int, ...], (1, 200), [1, 200]),
        (tuple[Item, ...], (SecretItem("b", 1.0),), [{"name": "b", "price": 1.0}]),
        (dict[str, int] | tuple[float, float], (1.0, 2.0), [1.0, 2.0]),
        (tuple[int, int, int], (1, 2, 3), [1, 2, 3]),
        (Sequence[int], (1, 200), [1, 200]),
        (Iterable[Item], (SecretItem("b", 1.0),), [{"name": "b", "price": 1.0}]),
        (Cat | Dog, Dog("a"), {"type": "Dog", "name": "a"}),
        (Model, SecretModel(name="a", inner=SecretInner(value=1)), {"name": "a", "inner": {"value": 1}}),
        (list[Model], [SecretModel(name="a")], [{"name": "a", "inner": None}]),
        (Model, {"name": "a", "secret": 1}, {"name": "a", "inner": None}),
        (int, 5, 5),
        (float, 1.5, 1.5),
        (Item, Item("a", float("nan")), {"name": "a", "price": None}),
        (bool, True, True),
        (Price, 1.5, 1.5),
        (Shade, Shade.RED, "red"),
        (Literal[1, 2], 2, 2),
        (uuid.UUID, uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal, decimal.Decimal("1.10"), "1.10"),
        (datetime.date, datetime.date(2026, 1, 2), "2026-01-02"),
        (dict[str, Any], {"a": [1, None, "x"]}, {"a": [1, None, "x"]}),
        (dict, {"a": 1}, {"a": 1}),
        (list[Any], [1, "a"], [1, "a"]),
    ],
)  # fmt: skip
def test_what_leaves_is_what_is_declared(
    ask: Ask, app: App, colour: Any, annotation: Any, value: Any, sent: Any
) -> None:
    """Fields outside of the declared type never leave, at any depth; H-22: what is no number of JSON is ``null``."""
    app.get("/")(colour(returning(annotation, value)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, json.loads(answer.body)) == (200, sent)
    assert ("content-type", "application/json") in answer.headers
    assert ("content-length", str(len(answer.body))) in answer.headers


@pytest.mark.parametrize(
    ("annotation", "value", "body", "media_type"),
    [
        (str, "<b>", b"<b>", "text/plain; charset=utf-8"),
        (Title, "a", b"a", "text/plain; charset=utf-8"),
        (Text, Text.RED, b"red", "text/plain; charset=utf-8"),
        (Literal["a", "b"], "b", b"b", "text/plain; charset=utf-8"),
        (Annotated[str, "noted"], "a", b"a", "text/plain; charset=utf-8"),
        (bytes, b"\x00", b"\x00", "application/octet-stream"),
        (Page, Page(), b"<h1>page</h1>", "text/html; charset=utf-8"),
        (Iterator[str], lambda: iter(["a", "b"]), b"ab", "text/plain; charset=utf-8"),
        (Iterable[bytes], lambda: iter([b"a"]), b"a", "text/plain; charset=utf-8"),
        (Response, HTMLResponse("<p>"), b"<p>", "text/html; charset=utf-8"),
        (Any, SecretItem("a", 1.0), b'{"name":"a","price":1.0,"secret":"hidden"}', "application/json"),
        (object, "a", b"a", "text/plain; charset=utf-8"),
        (T, [1], b"[1]", "application/json"),
        (Item | Any, [1], b"[1]", "application/json"),
        (str | Item, "a", b"a", "text/plain; charset=utf-8"),
        (Iterable[str | bytes], lambda: ["a", "b"], b'["a","b"]', "application/json"),
        (Iterable[Item], [SecretItem("a", 1.0)], b'[{"name":"a","price":1.0}]', "application/json"),
        (Iterable[Any], "a", b"a", "text/plain; charset=utf-8"),
        (Iterable[str] | list[Item], [SecretItem("a", 1.0)], b'[{"name":"a","price":1.0}]', "application/json"),
        (str | Item, SecretItem("a", 1.0), b'{"name":"a","price":1.0}', "application/json"),
        (Item | Response, HTMLResponse("<p>"), b"<p>", "text/html; charset=utf-8"),
        (Item | Response, SecretItem("a", 1.0), b'{"name":"a","price":1.0}', "application/json"),
        (Item, HTMLResponse("<p>"), b"<p>", "text/html; charset=utf-8"),
        (Item | None, None, b"null", "application/json"),
        (list[int] | None, None, b"null", "application/json"),
        (tuple, ("a", 200), b"a", "text/plain; charset=utf-8"),
    ],
)
def test_what_is_no_data_is_answered_by_its_kind(
    ask: Ask, app: App, annotation: Any, value: Any, body: bytes, media_type: str
) -> None:
    """The ways to answer without a model stay open beside one; `None` is ``null`` where data may be None."""
    app.get("/")(returning(annotation, value() if callable(value) else value))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (200, body)
    assert ("content-type", media_type) in answer.headers


@pytest.mark.parametrize(
    ("annotation", "value", "status", "body"),
    [
        (tuple[Item, int], (SecretItem("a", 1.0), 201), 201, b'{"name":"a","price":1.0}'),
        (Item, (SecretItem("a", 1.0), 404), 404, b'{"name":"a","price":1.0}'),
        (tuple[Item, HTTPStatus], (SecretItem("a", 1.0), HTTPStatus.CREATED), 201, b'{"name":"a","price":1.0}'),
        (tuple[Item, Literal[201]], (SecretItem("a", 1.0), 201), 201, b'{"name":"a","price":1.0}'),
        (tuple[Item, int, dict[str, str]], (SecretItem("a", 1.0), 201, {"x-a": "b"}), 201, b'{"name":"a","price":1.0}'),
        (tuple[Item, int, Mapping[str, str]], (Item("a", 1.0), 201, {"x-a": "b"}), 201, b'{"name":"a","price":1.0}'),
        (tuple[Item, int, Any], (Item("a", 1.0), 201, {"x-a": "b"}), 201, b'{"name":"a","price":1.0}'),
        (Item | tuple[Item, int], (SecretItem("a", 1.0), 201), 201, b'{"name":"a","price":1.0}'),
        (Item | tuple[Item, int], SecretItem("a", 1.0), 200, b'{"name":"a","price":1.0}'),
        (tuple[int, int], (5, 201), 201, b"5"),
        (tuple[str, int], ("a", 201), 201, b"a"),
        (tuple[Item | None, int], (None, 404), 404, b"null"),
        (tuple[Item | Response, int], (HTMLResponse("<p>"), 404), 404, b"<p>"),
    ],
)  # fmt: skip
def test_the_model_is_that_of_the_body_of_a_tuple(
    ask: Ask, app: App, colour: Any, annotation: Any, value: Any, status: int, body: bytes
) -> None:
    app.get("/")(colour(returning(annotation, value)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (status, body)
    assert isinstance(value, Item) or len(value) == 2 or ("x-a", "b") in answer.headers


def test_response_model_comes_before_the_annotation(ask: Ask, app: App) -> None:
    secret = SecretItem("a", 1.0)
    app.get("/named", response_model=Item)(returning(Any, secret))
    app.get("/narrowed", response_model=Item)(returning(SecretItem, secret))
    app.get("/off", response_model=None)(returning(Item, secret))
    app.get("/off-and-none", response_model=None)(returning(None))
    app.get("/data-and-none", response_model=Item | None)(returning(None))
    assert ask(app, "GET", b"/named").body == b'{"name":"a","price":1.0}'
    assert ask(app, "GET", b"/narrowed").body == b'{"name":"a","price":1.0}'
    assert ask(app, "GET", b"/off").body == b'{"name":"a","price":1.0,"secret":"hidden"}'
    assert ask(app, "GET", b"/off-and-none").status == 204
    assert ask(app, "GET", b"/data-and-none").body == b"null"


def test_views_methods_and_routers_declare_alike(ask: Ask, app: App) -> None:
    router = Router("/nested")

    @router.get("/item")
    async def item() -> Item:
        return SecretItem("a", 1.0)

    @app.route("/view")
    class View:
        def get(self) -> Item:
            return SecretItem("a", 1.0)

        async def post(self) -> list[Item]:
            return [SecretItem("b", 1.0)]

    app.include_router(router)
    assert ask(app, "GET", b"/nested/item").body == b'{"name":"a","price":1.0}'
    assert ask(app, "GET", b"/view").body == b'{"name":"a","price":1.0}'
    assert ask(app, "POST", b"/view").body == b'[{"name":"b","price":1.0}]'


def test_an_error_handler_is_not_filtered(ask: Ask, app: App) -> None:
    """What it answers stands beside what the route declares."""

    @app.errorhandler(LookupError)
    def missing(request: Request, error: LookupError) -> tuple[dict[str, str], int]:
        return {"missing": str(error)}, 404

    @app.get("/")
    def view() -> Item:
        raise LookupError("chair")

    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (404, b'{"missing":"chair"}')


# None


def test_none_has_the_status_of_its_route_or_204(ask: Ask, app: App, colour: Any) -> None:
    """A-28."""
    app.get("/")(colour(returning(None)))
    app.get("/accepted", status_code=202)(colour(returning(None)))
    app.get("/text")(colour(returning(str | None)))
    app.get("/response")(colour(returning(Response | None)))
    for path, status in (b"/", 204), (b"/accepted", 202), (b"/text", 204), (b"/response", 204):
        answer = ask(app, "GET", path)
        assert (answer.status, answer.body) == (status, b"")


def test_none_where_data_is_declared_is_a_missing_return(ask: Ask, app: App, caplog: pytest.LogCaptureFixture) -> None:
    """A-28."""
    app.get("/")(returning(Item))
    assert ask(app, "GET", b"/").status == 500
    assert "returned None: a `return` is missing, or annotate it `-> None` to answer 204" in caplog.text


# What does not fit


@pytest.mark.parametrize(
    ("annotation", "value", "said"),
    [
        (Item, {"name": "chair", "price": "dear"}, ["`float`", "`str`", "`answer.price`", "`Item`"]),
        (list[Item], [{"name": "chair", "price": 1}, {"name": 5, "price": 1}], ["`str`", "`int`", "`answer[1].name`"]),
        (dict[str, list[Item]], {"a": [{"name": "b"}]}, ["price"]),
        (Item, "text", ["`Item`"]),
        (int, "5", ["`int`", "`str`"]),
        (dict[str, Any], {"a": object()}, ["object"]),
        (Model, {"name": [1]}, ["name", "`Model`"]),
        (dict[str, Any], [("a", 1)], ["`object`", "`array`"]),
        (list[Any], {"a": 1}, ["`array`", "`object`"]),
        (list[Any], [["\ud800"]], ["lone surrogate"]),
        (Item, Item("\ud800", 1.0), ["lone surrogate"]),
        (Item, (Item("a", 1.0), "201"), ["(body, status)"]),
        (Item, Item("a", "dear"), ["`float`", "`str`", "`answer.price`"]),  # type: ignore[arg-type]  # as it is meant
    ],
)  # fmt: skip
def test_what_does_not_fit_is_a_500_that_is_logged_once(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture, annotation: Any, value: Any, said: list[str]
) -> None:
    """H-22: the record names the handler, the place and the fix; middleware sees the answer; nothing is half-sent."""
    seen: list[int] = []

    @app.middleware
    def sees(request: Request) -> Generator[None, Response]:
        response = yield
        seen.append(response.status)

    app.get("/")(colour(returning(annotation, value)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, seen) == (500, [500])
    assert b"answer" not in answer.body
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    message = str(record.exc_info[1])
    assert message.startswith("handler 'returning.view': ")
    for word in [*said, "change its annotation"]:
        assert word in message


def test_what_is_too_deep_is_a_500(ask: Ask, app: App, caplog: pytest.LogCaptureFixture) -> None:
    """H-22."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    app.get("/")(returning(list[Any], deep))
    answer = ask(app, "GET", b"/")
    assert answer.status == 500
    assert "nested too deeply" in caplog.text
    while deep:  # an interpreter that takes it apart by recursion would fail
        deep = deep[0]


# Statuses, methods and conditions


def test_the_status_of_the_route_is_that_of_its_data(ask: Ask, app: App) -> None:
    app.post("/", status_code=201)(returning(Item, SecretItem("a", 1.0)))
    app.post("/tuple", status_code=201)(returning(Item, (SecretItem("a", 1.0), 202)))
    assert ask(app, "POST", b"/").status == 201
    assert ask(app, "POST", b"/tuple").status == 202


def test_head_has_the_fields_of_get(ask: Ask, app: App) -> None:
    app.get("/")(returning(Item, SecretItem("a", 1.0)))
    got, head = ask(app, "GET", b"/"), ask(app, "HEAD", b"/")
    assert head.headers == got.headers
    assert head.body == b""


def test_an_answer_of_a_model_may_get_an_entity_tag(app: App, client: MakeClient) -> None:
    app.get("/")(returning(Item, (SecretItem("a", 1.0), 200, {"etag": '"v1"'})))
    assert client(app).get("/", headers={"if-none-match": '"v1"'}).status_code == 304


def test_middleware_sees_the_json_response(ask: Ask, app: App) -> None:
    seen: list[Response] = []

    @app.after_request
    def after(response: Response) -> None:
        response.headers["x-a"] = "b"
        seen.append(response)

    app.get("/", status_code=201)(returning(Item, SecretItem("a", 1.0)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (201, b'{"name":"a","price":1.0}')
    assert ("x-a", "b") in answer.headers
    assert ("content-type", "application/json") in answer.headers
    assert isinstance(seen[0], JSONResponse)


# Several media types

BOTH = ("application/json", "application/msgpack")


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/msgpack", "application/msgpack"),
        ("application/json;q=0.5, application/msgpack", "application/msgpack"),
        ("application/*", "application/json"),
    ],
)
def test_the_client_chooses_of_what_the_route_produces(
    app: App, client: MakeClient, colour: Any, accept: str | None, media_type: str
) -> None:
    """RFC 9110 §12.5.1; what was chosen so says ``Vary: Accept`` (§12.5.5)."""
    app.get("/", produces=BOTH, status_code=201)(colour(returning(Data, stored(SecretItem("a", 1.0)))))
    answer = client(app).get("/", headers={"accept": accept} if accept else {"accept": ""})
    assert answer.status_code == 201
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept"
    decode: Any = msgspec.msgpack.decode if media_type == "application/msgpack" else msgspec.json.decode
    assert decode(answer.content) == {"name": "chairs", "items": [{"name": "a", "price": 1.0}]}


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (datetime.datetime, datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)),
        (dict[str, uuid.UUID], {"a": uuid.UUID(int=5)}),
        (list[Shade], [Shade.RED]),
        (Item, Item("a", 1.5)),
        (Cat | Dog, Dog("a")),
        (Pair, Pair(1, 2)),
        (decimal.Decimal, decimal.Decimal("1.10")),
    ],
)
def test_msgpack_comes_back_as_what_it_was(app: App, client: MakeClient, annotation: Any, value: Any) -> None:
    app.get("/", produces=BOTH)(returning(annotation, value))
    answer = client(app).get("/", headers={"accept": "application/msgpack"})
    assert msgspec.msgpack.decode(answer.content, type=annotation, strict=False) == value


def test_msgpack_of_a_pydantic_model_has_its_declared_fields_alone(app: App, client: MakeClient) -> None:
    app.get("/", produces=BOTH)(returning(Model, SecretModel(name="a", inner=SecretInner(value=1))))
    answer = client(app).get("/", headers={"accept": "application/msgpack"})
    assert msgspec.msgpack.decode(answer.content) == {"name": "a", "inner": {"value": 1}}


def test_nothing_acceptable_is_a_406_before_the_handler_runs(app: App, client: MakeClient, colour: Any) -> None:
    """RFC 9110 §15.5.7: the problem tells what there is."""
    ran: list[int] = []

    def create() -> Item:
        ran.append(1)
        return Item("a", 1.0)

    app.post("/", produces=BOTH)(colour(create))
    answer = client(app).post("/", headers={"accept": "image/png"})
    assert (answer.status_code, ran) == (406, [])
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["vary"] == "Accept"
    assert answer.json()["detail"] == "expected an Accept that allows application/json or application/msgpack"


def test_a_media_type_of_json_is_produced_under_its_own_name(app: App, client: MakeClient) -> None:
    app.get("/", produces=["application/hal+json"])(returning(Item, SecretItem("a", 1.0)))
    answer = client(app).get("/")
    assert answer.headers["content-type"] == "application/hal+json"
    assert answer.content == b'{"name":"a","price":1.0}'
    assert client(app).get("/", headers={"accept": "application/json"}).status_code == 406


def test_a_chosen_form_lets_other_answers_pass(app: App, client: MakeClient) -> None:
    app.get("/response", produces=BOTH)(returning(Item | Response, HTMLResponse("<p>")))
    app.get("/tuple", produces=BOTH)(returning(Item, (SecretItem("a", 1.0), 404, {"vary": "Cookie"})))
    assert client(app).get("/response").text == "<p>"
    answer = client(app).get("/tuple", headers={"accept": "application/msgpack"})
    assert (answer.status_code, answer.headers["vary"]) == (404, "Cookie, Accept")
    assert msgspec.msgpack.decode(answer.content) == {"name": "a", "price": 1.0}


# What is told of a route


@pytest.mark.parametrize(
    ("annotation", "status", "media_types", "schema"),
    [
        (int, 200, ("application/json",), {"type": "integer"}),
        (list[int], 200, ("application/json",), {"type": "array", "items": {"type": "integer"}}),
        (tuple[int, int], 200, ("application/json",), {"type": "integer"}),
        (str | list[int], 200, ("application/json",), {"type": "array", "items": {"type": "integer"}}),
        (str, 200, ("text/plain",), {"type": "string"}),
        (Iterator[str], 200, ("text/plain",), {"type": "string"}),
        (AsyncIterator[str], 200, ("text/plain",), {"type": "string"}),
        (bytes, 200, ("application/octet-stream",), None),
        (Page, 200, ("text/html",), None),
        (HTMLResponse, 200, ("text/html",), None),
        (JSONResponse | None, 200, ("application/json",), None),
        (EventSourceResponse, 200, ("text/event-stream",), None),
        (FileResponse, 200, (), None),
        (Response | str, 200, ("text/plain",), {"type": "string"}),
        (None, 204, (), None),
        (Any, 200, (), None),
        (NoReturn, 200, (), None),
        (Awaitable[int], 200, (), None),
    ],
)
def test_a_representation_says_what_comes(
    annotation: Any, status: int, media_types: tuple[str, ...], schema: Any
) -> None:
    representation = Representation(returning(annotation))
    assert (representation.status, representation.media_types) == (status, media_types)
    assert representation.schema() == (None if schema is None else (schema, {}))


def test_a_representation_of_a_struct_refers_to_its_component() -> None:
    found = Representation(returning(list[Item]), 201)
    assert found.status == 201
    schema, components = found.schema() or ({}, {})
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
    assert components["Item"]["properties"].keys() == {"name", "price"}


def test_a_generator_streams_whatever_it_is_annotated_with() -> None:
    def chunks() -> list[Item]:  # type: ignore[misc]  # a slip of the user's
        yield "a"

    assert Representation(chunks).media_types == ("text/plain",)


def test_a_route_tells_its_representation(app: App) -> None:
    app.get("/", produces=BOTH)(returning(Item))
    app.get("/none", status_code=202)(returning(None))
    assert [route.representation.media_types for route in app.routes] == [BOTH, ()]
    assert app.routes[1].representation.status == 202


# Mistakes are told at registration


@pytest.mark.parametrize(
    ("handler", "options", "told"),
    [
        (returning("Missing"), {}, ["'Missing'", "TYPE_CHECKING", "response_model=None"]),
        (returning("list[Missing]"), {}, ["'Missing'"]),
        (returning(Unknown), {}, ["Unknown", "response_model=None"]),
        (returning(Item), {"status_code": 204}, ["204", "`Item`", "-> None", "status_code"]),
        (returning(list[int]), {"status_code": 304}, ["304", "`list[int]`"]),
        (returning(Item), {"produces": "application/json"}, ["produces=['application/json', 'application/msgpack']"]),
        (returning(Item), {"produces": ["text/html"]}, ["produces=[", "'text/html'"]),
        (returning(Item), {"produces": ["application/json; charset=utf-8"]}, ["charset"]),
        (returning(Item), {"produces": [5]}, ["produces=[", "5"]),
        (returning(Any), {"produces": BOTH}, ["annotate what the handler returns", "response_model"]),
        (returning(str), {"produces": BOTH}, ["annotate what the handler returns"]),
        (returning(None), {"produces": BOTH}, ["annotate what the handler returns"]),
        (returning(Any), {"response_model": Unknown}, ["Unknown"]),
        (streaming, {"response_model": Item}, ["generator", "stream", "return a list"]),
    ],
)
def test_a_mistake_is_told_at_registration(app: App, handler: Any, options: Any, told: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        app.get("/broken", **options)(handler)
    for word in ["/broken", "'streaming'" if handler is streaming else "'returning.view'", *told]:
        assert word in str(caught.value)


@pytest.mark.parametrize("model", [Item, None])
def test_response_model_stands_in_for_an_annotation_that_cannot_be_resolved(app: App, ask: Ask, model: Any) -> None:
    app.get("/", response_model=model)(returning("Missing", Item("a", 1.0)))
    assert ask(app, "GET", b"/").body == b'{"name":"a","price":1.0}'


def test_models_local_to_a_function_resolve(app: App, ask: Ask) -> None:
    class Local(msgspec.Struct):
        name: str

    @app.get("/")
    @inline
    def view() -> list[Local]:
        return [Local("a")]

    assert ask(app, "GET", b"/").body == b'[{"name":"a"}]'
