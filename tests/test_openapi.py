"""The OpenAPI document: what it says of routes, and that it is one (OpenAPI 3.1.1)."""

from __future__ import annotations

import copy
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal, cast
from urllib.parse import quote, urlencode

import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from duoframe import App, ConfigurationError, Converter, HTTPException, Request, Response, Router, UploadFile
from duoframe.components import Components
from duoframe.params import Body, Cookie, Depends, File, Form, Header, Path, Query
from duoframe.security import (
    APIKeyHeader,
    APIKeyQuery,
    HTTPBasic,
    HTTPBearer,
    OAuth2PasswordBearer,
    Security,
    SecurityScopes,
)
from duoframe.testing import exchange
from tests.conftest import Ask, MakeApp


def document(app: App) -> dict[str, Any]:
    """The application's document, which is valid and plain JSON."""
    found = app.openapi()
    validate(found, cls=OpenAPIV31SpecValidator)
    assert json.loads(json.dumps(found)) == found
    return found


def handler() -> dict[str, int]:
    """Answer.

    With *Markdown*.
    """
    return {}


def problem(status: int) -> dict[str, Any]:
    """The content of an error that is answered by itself (RFC 9457 §4.2.1)."""
    example = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}


# The document.


def test_an_application_without_routes_has_a_document(app: App) -> None:
    assert document(app) == {
        "openapi": "3.1.1",
        "info": {"title": "duoframe", "version": "0.1.0"},
        "paths": {},
        "components": {},
    }


def test_what_is_said_of_an_application_is_in_its_document(make_app: MakeApp) -> None:
    app = make_app(
        title="Shop",
        version="2.1",
        summary="Things to buy",
        description="All of *them*.",
        servers=["https://shop.example", {"url": "/v2", "description": "Here"}],
        tags=["items", {"name": "users", "description": "Who buys"}],
    )
    found = document(app)
    assert found["info"] == {
        "title": "Shop",
        "version": "2.1",
        "summary": "Things to buy",
        "description": "All of *them*.",
    }
    assert found["servers"] == [{"url": "https://shop.example"}, {"url": "/v2", "description": "Here"}]
    assert found["tags"] == [{"name": "items"}, {"name": "users", "description": "Who buys"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"title": None}, r"App\(title=...\): expected text, got None"),
        ({"version": 2}, r"App\(version=...\): expected text, got 2"),
        ({"tags": "items"}, r"App\(tags=...\): expected a list of texts, or of mappings with 'name', got 'items'"),
        ({"servers": [{}]}, r"App\(servers=...\): expected a list of texts, or of mappings with 'url', got \[{}\]"),
    ],
)
def test_what_no_document_can_hold_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        App(**options)


def test_the_document_follows_the_routes_until_the_start(app: App) -> None:
    assert document(app)["paths"] == {}
    app.get("/a")(handler)
    assert document(app)["paths"].keys() == {"/a"}
    app.compile()
    assert app.openapi() is app.openapi()


# Serving.


def test_the_document_is_served_only_where_it_is_asked_for(make_app: MakeApp, ask: Ask) -> None:
    app = make_app()
    assert ask(app, "GET", b"/openapi.json").status == 404


def test_the_document_is_served_with_a_validator(make_app: MakeApp, ask: Ask) -> None:
    """RFC 9110 §8.8.3, §15.4.5."""
    app = make_app(openapi_url="/api.json")
    app.get("/a")(handler)
    answer = ask(app, "GET", b"/api.json")
    headers = dict(answer.headers)
    assert (answer.status, headers["content-type"]) == (200, "application/json")
    assert json.loads(answer.body) == app.openapi()
    assert app.openapi()["paths"].keys() == {"/a"}
    again = ask(app, "GET", b"/api.json", headers=[(b"if-none-match", headers["etag"].encode())])
    assert (again.status, again.body) == (304, b"")


def test_with_a_docs_page_the_document_is_beside_it(make_app: MakeApp, ask: Ask) -> None:
    assert ask(make_app(docs="/docs"), "GET", b"/openapi.json").status == 200
    app = make_app(docs="/docs", openapi_url="/api.json")
    assert (ask(app, "GET", b"/openapi.json").status, ask(app, "GET", b"/api.json").status) == (404, 200)


def test_an_application_with_a_document_can_be_copied(make_app: MakeApp, ask: Ask) -> None:
    app = make_app(openapi_url="/openapi.json")
    other = copy.copy(app)
    other.get("/only-there")(handler)
    assert json.loads(ask(other, "GET", b"/openapi.json").body)["paths"].keys() == {"/only-there"}
    assert app.openapi()["paths"] == {}
    other.shutdown()


# Routes.


def test_an_operation_has_its_handler_s_words(app: App) -> None:
    @app.get("/items", tags=["items", "items"])
    def list_items() -> dict[str, int]:
        """List them.

        With *Markdown*.
        """
        return {}

    assert document(app)["paths"] == {
        "/items": {
            "get": {
                "tags": ["items"],
                "summary": "List items",
                "description": "List them.\n\nWith *Markdown*.",
                "operationId": "list_items",
                "responses": {"200": document(app)["paths"]["/items"]["get"]["responses"]["200"]},
            }
        }
    }


def test_what_is_said_of_a_route_counts_before_its_handler(app: App) -> None:
    app.get(
        "/items",
        summary="All items",
        description="By name.",
        operation_id="items",
        deprecated=True,
        response_description="The items",
    )(handler)
    operation = document(app)["paths"]["/items"]["get"]
    assert operation["summary"] == "All items"
    assert operation["description"] == "By name."
    assert operation["operationId"] == "items"
    assert operation["deprecated"] is True
    assert operation["responses"]["200"]["description"] == "The items"


class Answering:
    """Said of the class, not of what it answers."""

    def __call__(self) -> str:
        return ""


def test_an_object_that_is_called_is_named_by_its_class(app: App) -> None:
    app.get("/a")(Answering())
    operation = document(app)["paths"]["/a"]["get"]
    assert operation["summary"] == "Answering"
    assert "description" not in operation


def test_each_method_is_an_operation_with_an_identifier_of_its_own(app: App) -> None:
    app.route("/a", methods=["GET", "POST"])(handler)
    app.get("/b")(handler)
    app.get("/c")(handler)
    app.get("/d/c")(handler)
    app.get("/d-c")(handler)
    app.get("/d.c")(handler)
    app.route("/e", methods=["PUT", "DELETE"], operation_id="chosen")(handler)

    @app.route("/f")
    class View:
        def get(self) -> str:
            return ""

        def patch(self) -> str:
            return ""

    paths = document(app)["paths"]
    assert (paths["/b"]["get"]["summary"], paths["/f"]["get"]["summary"]) == ("Handler", "View get")
    assert {
        f"{method} {path}": said["operationId"] for path, item in paths.items() for method, said in item.items()
    } == {
        "get /a": "handler_get",
        "post /a": "handler_post",
        "get /b": "handler",
        "get /c": "handler_get_c",
        "get /d/c": "handler_get_d_c",
        "get /d-c": "handler_get_d_c2",
        "get /d.c": "handler_get_d_c3",
        "put /e": "chosen_put",
        "delete /e": "chosen_delete",
        "get /f": "View",
        "patch /f": "View_patch",
    }


def test_an_identifier_that_is_chosen_is_nobody_else_s(app: App) -> None:
    app.get("/a")(handler)
    app.get("/b", operation_id="handler")(handler)
    paths = document(app)["paths"]
    assert (paths["/a"]["get"]["operationId"], paths["/b"]["get"]["operationId"]) == ("handler_get", "handler")
    app.get("/c", operation_id="handler")(handler)
    with pytest.raises(ConfigurationError, match="operation_id='handler' is given to two routes"):
        app.openapi()


def test_routers_give_their_prefix_their_name_and_their_tags(app: App) -> None:
    router = Router("/api", name="v1", tags=["api"])
    router.get("/items", tags=["items"])(handler)
    app.include_router(router)
    operation = document(app)["paths"]["/api/items"]["get"]
    assert (operation["tags"], operation["operationId"]) == (["api", "items"], "v1_handler")


def test_what_no_client_should_know_is_left_out(make_app: MakeApp, tmp_path: Any) -> None:
    app = make_app(docs="/docs", openapi_url="/api.json")
    app.get("/hidden", include_in_schema=False)(handler)
    app.get("/elsewhere", host="other.example")(handler)
    app.static("/files", tmp_path)
    app.route("/dav", methods=["PROPFIND"])(handler)
    app.get("/seen")(handler)
    assert document(app)["paths"].keys() == {"/seen"}


def test_head_and_options_are_listed_where_they_are_declared(app: App) -> None:
    app.route("/a", methods=["GET", "HEAD", "OPTIONS"])(handler)
    app.get("/b")(handler)
    paths = document(app)["paths"]
    assert (paths["/a"].keys(), paths["/b"].keys()) == ({"get", "head", "options"}, {"get"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"responses": {"4xx": {}}}, "responses={'4xx': ...}: expected a status, '4XX' or 'default'"),
        ({"responses": {600: {}}}, "responses={600: ...}: expected a status"),
        ({"responses": {404: {"schema": {}}}}, "responses={404: ...}: expected content, description, headers, links"),
        ({"sumary": "x"}, "sumary"),
    ],
)
def test_what_no_operation_can_hold_is_refused_where_it_is_said(app: App, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match="/a, handler 'handler'.*" + message.replace("{", r"\{")):
        app.get("/a", **options)(handler)


# Paths.


class Even(Converter):
    pattern = "[0-9]*[02468]"

    def to_python(self, text: str) -> int:
        return int(text)


def test_a_path_has_parameters_as_its_converters_take_them(make_app: MakeApp) -> None:
    app = make_app(converters={"even": Even()})

    @app.get("/{s}/{i:int}/{f:float}-{u:uuid}/{e:even}/x y/{p:path}/edit")
    def everything(request: Request) -> str:
        return ""

    path, item = document(app)["paths"].popitem()
    assert path == "/{s}/{i}/{f}-{u}/{e}/x%20y/{p}/edit"
    parameters = item["get"]["parameters"]
    assert all(parameter["in"] == "path" and parameter["required"] is True for parameter in parameters)
    assert {parameter["name"]: parameter["schema"] for parameter in parameters} == {
        "s": {"type": "string", "pattern": r"^[^/\u0000-\u001F\u007F]+$"},
        "i": {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999_999},
        "f": {"type": "number", "minimum": 0, "exclusiveMaximum": 10**18},
        "u": {"type": "string", "format": "uuid"},
        "e": {"type": "string", "pattern": "^(?:[0-9]*[02468])$"},
        "p": {"type": "string", "pattern": r"^[^\u0000-\u001F\u007F]+$"},
    }
    assert item["get"]["responses"]["404"] == {"description": "Not Found", "content": problem(404)}


def test_paths_that_differ_in_names_alone_are_one(app: App) -> None:
    """OpenAPI 3.1.1 §4.8.8.1: templates that differ in their names alone are identical."""
    app.get("/items/{id:int}")(handler)
    app.delete("/items/{item:int}")(handler)
    app.get("/items/{slug}", operation_id="never")(handler)
    paths = document(app)["paths"]
    assert {path: item.keys() for path, item in paths.items()} == {"/items/{id}": {"get", "delete"}}
    assert [parameter["name"] for parameter in paths["/items/{id}"]["delete"]["parameters"]] == ["id"]


# Answers.


def test_answers_that_are_announced_are_in_the_document(app: App) -> None:
    @app.get(
        "/a",
        responses={
            200: {"headers": {"ETag": {"schema": {"type": "string"}}}},
            404: {"description": "No such item"},
            409: {"content": {"text/plain": {}}},
            "5XX": {"description": "Our fault"},
            "default": {},
        },
    )
    def index() -> str:
        return ""

    responses = document(app)["paths"]["/a"]["get"]["responses"]
    assert list(responses) == ["200", "404", "409", "5XX", "default"]
    assert responses["200"]["description"] == "OK"
    assert responses["200"]["headers"] == {"ETag": {"schema": {"type": "string"}}}
    assert responses["404"] == {"description": "No such item", "content": problem(404)}
    assert responses["409"] == {"description": "Conflict", "content": {"text/plain": {}}}
    assert responses["5XX"] == {"description": "Our fault"}
    assert responses["default"] == {"description": "Any other answer"}


def test_an_error_that_a_handler_answers_is_no_problem_details(app: App) -> None:
    router = Router()
    router.get("/inside/{id}", responses={409: {}})(handler)
    router.errorhandler(404)(lambda request, error: "gone")
    app.include_router(router)
    app.get("/outside/{id}", responses={409: {}})(handler)
    inside = document(app)["paths"]["/inside/{id}"]["get"]["responses"]
    outside = document(app)["paths"]["/outside/{id}"]["get"]["responses"]
    assert inside["404"] == {"description": "Not Found"}
    assert (inside["409"]["content"], outside["404"]["content"]) == (problem(409), problem(404))
    app.errorhandler(HTTPException)(lambda request, error: "no")
    assert "content" not in document(app)["paths"]["/outside/{id}"]["get"]["responses"]["409"]


def test_an_error_is_answered_as_the_document_has_it(app: App, ask: Ask) -> None:
    app.get("/a/{id:int}")(handler)
    found = document(app)
    answer = ask(app, "GET", b"/a/x")
    assert str(answer.status) in found["paths"]["/a/{id}"]["get"]["responses"]
    schema = {"$ref": "#/components/schemas/Problem", "components": found["components"]}
    Draft202012Validator(schema).validate(json.loads(answer.body))


class Item(msgspec.Struct):
    name: str
    price: float = 1.0


class Person(pydantic.BaseModel):
    name: str

    @pydantic.computed_field  # type: ignore[prop-decorator]  # as Pydantic has it
    @property
    def greeting(self) -> str:
        return f"Hello {self.name}"


class Team(pydantic.BaseModel):
    people: list[Person]


ITEM = {"$ref": "#/components/schemas/Item"}


def described(function: Any, path: str = "/a", **options: Any) -> dict[str, Any]:
    """The operation of a handler, alone in its application."""
    app = App()
    app.post(path, **options)(function)
    return cast("dict[str, Any]", next(iter(document(app)["paths"].values()))["post"])


def item() -> Item:
    return Item("a")


def text() -> str:
    return ""


def done() -> None:
    return None


def whatever():  # type: ignore[no-untyped-def]  # which is what is tested
    return ""


def page_or_response() -> Item | Response:
    return Response()


@pytest.mark.parametrize(
    ("function", "options", "status", "content"),
    [
        (item, {}, "200", {"application/json": {"schema": ITEM}}),
        (item, {"status_code": 201}, "201", {"application/json": {"schema": ITEM}}),
        (page_or_response, {}, "200", {"application/json": {"schema": ITEM}}),
        (text, {}, "200", {"text/plain": {"schema": {"type": "string"}}}),
        (done, {}, "204", None),
        (done, {"status_code": 202}, "202", None),
        (whatever, {}, "200", None),
        (
            whatever,
            {"response_model": list[Item]},
            "200",
            {"application/json": {"schema": {"type": "array", "items": ITEM}}},
        ),
        (
            item,
            {"produces": ["application/json", "application/msgpack"]},
            "200",
            {"application/json": {"schema": ITEM}, "application/msgpack": {"schema": ITEM}},
        ),
    ],
)
def test_what_a_handler_answers_is_what_it_declares(
    function: Any, options: dict[str, Any], status: str, content: Any
) -> None:
    responses = described(function, **options)["responses"]
    assert responses[status].get("content") == content
    assert responses.keys() == {status} | ({"406"} if "produces" in options else set())


def test_a_type_that_is_read_and_written_alike_is_one_schema(app: App) -> None:
    @app.put("/a")
    def replace(item: Item) -> Item:
        return item

    assert [name for name in document(app)["components"]["schemas"] if name.startswith("Item")] == ["Item"]


def test_a_type_that_is_read_and_written_otherwise_is_two_schemas(app: App) -> None:
    @app.put("/a")
    def replace(team: Team) -> Team:
        return team

    schemas = document(app)["components"]["schemas"]
    read, written = schemas["Person"], schemas["PersonOutput"]
    assert ("greeting" in read["properties"], "greeting" in written["properties"]) == (False, True)
    assert schemas["TeamOutput"]["properties"]["people"]["items"] == {"$ref": "#/components/schemas/PersonOutput"}
    assert schemas["Team"]["properties"]["people"]["items"] == {"$ref": "#/components/schemas/Person"}


def test_an_answer_is_as_the_document_has_it(app: App, ask: Ask) -> None:
    @app.put("/a")
    def replace(team: Team) -> Team:
        return team

    found = document(app)
    content = found["paths"]["/a"]["put"]["responses"]["200"]["content"]["application/json"]
    sent = b'{"people": [{"name": "Ada"}]}'
    answer = ask(app, "PUT", b"/a", headers=[(b"content-type", b"application/json")], body=sent)
    assert answer.status == 200
    Draft202012Validator({**content["schema"], "components": found["components"]}).validate(json.loads(answer.body))


# What is read of a request.


class Kind(enum.Enum):
    NEW = "new"
    USED = "used"


class Page(msgspec.Struct):
    size: int = 20
    after: str | None = None


def test_each_parameter_has_its_place_its_name_and_its_schema() -> None:
    """OpenAPI 3.1.1 §4.8.12."""

    def handler(
        word: Annotated[str, Query(min_length=2, max_length=9, pattern="^a", description="A word.")],
        kind: Kind = Kind.NEW,
        pages: Annotated[list[bool], Query(alias="p[]", examples=[[True]])] = [],  # noqa: B006  # a default of users
        x_token: str = Header(deprecated=True),
        visit: uuid.UUID | None = Cookie(None, title="Visit"),
        made: datetime.date = Query(default_factory=datetime.date.today),
    ) -> str:
        return ""

    assert described(handler)["parameters"] == [
        {
            "name": "word",
            "in": "query",
            "required": True,
            "description": "A word.",
            "schema": {"type": "string", "minLength": 2, "maxLength": 9, "pattern": "^a"},
        },
        {"name": "kind", "in": "query", "schema": {"type": "string", "enum": ["new", "used"], "default": "new"}},
        {
            "name": "p[]",
            "in": "query",
            "schema": {"type": "array", "items": {"type": "boolean"}, "default": [], "examples": [[True]]},
        },
        {"name": "x-token", "in": "header", "required": True, "deprecated": True, "schema": {"type": "string"}},
        {
            "name": "visit",
            "in": "cookie",
            "schema": {"anyOf": [{"type": "string", "format": "uuid"}, {"const": ""}], "title": "Visit"},
        },
        {"name": "made", "in": "query", "schema": {"type": "string", "format": "date"}},
    ]


def test_what_has_a_place_of_its_own_or_is_hidden_is_no_parameter() -> None:
    """OpenAPI 3.1.1 §4.8.12: these three fields are no parameters."""

    def handler(
        accept: str = Header(""),
        content_type: str = Header(""),
        authorization: str = Header(""),
        secret: Annotated[str, Query(include_in_schema=False)] = "",
    ) -> str:
        return ""

    operation = described(handler)
    assert "parameters" not in operation
    assert "422" in operation["responses"]


def test_a_parameter_that_two_functions_read_is_listed_once() -> None:
    def user(page: int = 1, x_user: str = Header("")) -> str:
        return ""

    def handler(page: int = 1, x_user: str = Header(""), user: str = Depends(user)) -> str:
        return ""

    listed = [(parameter["in"], parameter["name"]) for parameter in described(handler)["parameters"]]
    assert listed == [("query", "page"), ("header", "x-user")]


def test_a_group_of_parameters_is_listed_one_by_one() -> None:
    def handler(page: Annotated[Page, Query()]) -> str:
        return ""

    size, after = described(handler)["parameters"]
    assert (size["name"], size["schema"]["default"], after["name"]) == ("size", 20, "after")


def test_a_field_of_a_group_that_may_be_none_may_be_left_out() -> None:
    class Since(msgspec.Struct):
        day: datetime.date | None

    class Model(pydantic.BaseModel):
        number: int | None

    def handler(since: Annotated[Since, Query()], model: Annotated[Model, Query()]) -> str:
        return ""

    assert [parameter.get("required") for parameter in described(handler)["parameters"]] == [None, None]


def test_a_parameter_of_the_path_is_as_narrow_as_pattern_and_handler_together() -> None:
    def handler(
        id: Annotated[int, Path(ge=1, le=10**30, description="Which")],
        plain: int,
        kind: Kind,
        text: Annotated[str, Path(max_length=3)],
        half: float,
    ) -> str:
        return ""

    parameters = described(handler, "/{id:int}/{plain}/{kind}/{text}/{half:int}")["parameters"]
    assert parameters[0]["description"] == "Which"
    schemas = {parameter["name"]: parameter["schema"] for parameter in parameters}
    assert schemas["id"] == {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
    assert schemas["plain"]["type"] == "integer"
    assert schemas["plain"]["minimum"] < 0
    assert schemas["kind"] == {"type": "string", "enum": ["new", "used"], "pattern": r"^[^/\u0000-\u001F\u007F]+$"}
    assert schemas["text"] == {"type": "string", "maxLength": 3, "pattern": r"^[^/\u0000-\u001F\u007F]+$"}
    assert schemas["half"] == {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}


def test_a_body_is_json_of_its_type() -> None:
    def handler(item: Annotated[Item, Body(description="To make.", examples=[{"name": "a"}])]) -> str:
        return ""

    assert described(handler)["requestBody"] == {
        "description": "To make.",
        "content": {"application/json": {"schema": {**ITEM, "examples": [{"name": "a"}]}}},
        "required": True,
    }


def test_a_body_that_may_be_missing_is_not_required() -> None:
    def handler(item: Annotated[Item | None, Body(media_type="application/merge-patch+json")] = None) -> str:
        return ""

    assert described(handler)["requestBody"] == {
        "content": {"application/merge-patch+json": {"schema": {"anyOf": [ITEM, {"type": "null"}]}}},
    }


def test_several_bodies_are_members_of_one() -> None:
    def two(item: Item, count: Annotated[int, Body(ge=0, le=9, description="How many.")] = 1) -> str:
        return ""

    def embedded(item: Annotated[Item, Body(embed=True)]) -> str:
        return ""

    assert described(two)["requestBody"]["content"]["application/json"]["schema"] == {
        "type": "object",
        "properties": {
            "item": ITEM,
            "count": {"type": "integer", "minimum": 0, "maximum": 9, "description": "How many.", "default": 1},
        },
        "required": ["item"],
    }
    assert described(embedded)["requestBody"]["content"]["application/json"]["schema"] == {
        "type": "object",
        "properties": {"item": ITEM},
        "required": ["item"],
    }


def test_bodies_of_several_functions_are_members_of_one_too() -> None:
    def named(item: Item) -> str:
        return item.name

    def counted(count: Annotated[int, Body(ge=0, le=9)] = 1) -> int:
        return count

    def handler(page: Page, name: str = Depends(named), count: int = Depends(counted)) -> str:
        return name

    assert described(handler)["requestBody"] == {
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "item": ITEM,
                        "count": {"type": "integer", "minimum": 0, "maximum": 9, "default": 1},
                        "page": {"$ref": "#/components/schemas/Page"},
                    },
                    "required": ["item", "page"],
                }
            }
        },
        "required": True,
    }


def test_a_list_that_is_required_has_an_item_at_least() -> None:
    """None could be sent otherwise."""

    def handler(a: list[str] = Query(), b: list[str] = Query(min_length=2), c: list[str] = Body()) -> str:
        return ""

    operation = described(handler)
    assert [parameter["schema"]["minItems"] for parameter in operation["parameters"]] == [1, 2]
    assert "minItems" not in operation["requestBody"]["content"]["application/json"]["schema"]


def test_a_form_is_urlencoded_or_multipart_and_one_with_files_is_multipart() -> None:
    def form(name: str = Form(), tags: list[str] = Form([])) -> str:
        return ""

    def upload(file: UploadFile, others: list[UploadFile] = File([]), title: str | None = Form(None)) -> str:
        return ""

    fields = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}, "default": []},
        },
        "required": ["name"],
    }
    assert described(form)["requestBody"] == {
        "content": {
            "application/x-www-form-urlencoded": {"schema": fields},
            "multipart/form-data": {"schema": fields},
        },
        "required": True,
    }
    file = {"type": "string", "format": "binary"}
    assert described(upload)["requestBody"]["content"] == {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "file": file,
                    "others": {"type": "array", "items": file, "default": []},
                    "title": {"type": "string"},
                },
                "required": ["file"],
            }
        }
    }


NOT_JSON = {"at": object()}


def test_a_default_is_of_the_type_that_is_told() -> None:
    price = decimal.Decimal("1.50")

    def handler(price: decimal.Decimal = price, least: Annotated[decimal.Decimal, Body()] = price) -> str:
        return ""

    operation = described(handler)
    assert operation["parameters"][0]["schema"] == {"type": "number", "default": 1.5}
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert (body["type"], body["default"]) == ("string", "1.50")


def test_a_default_that_json_has_no_word_for_is_not_told() -> None:
    def handler(item: Annotated[dict[str, Any], Body()] = NOT_JSON) -> str:
        return ""

    assert "default" not in described(handler)["requestBody"]["content"]["application/json"]["schema"]


def nothing() -> str:
    return ""


def header(x: str = Header("")) -> str:
    return ""


def query(x: str = "") -> str:
    return ""


def body(x: Item) -> str:
    return ""


def form(x: str = Form("")) -> str:
    return ""


def upload(x: UploadFile) -> str:
    return ""


def key(x: str = Depends(APIKeyHeader("x-key"))) -> str:
    return ""


@pytest.mark.parametrize(
    ("function", "path", "refusals"),
    [
        (nothing, "/a", set()),
        (nothing, "/a/{b}", {"404"}),
        (header, "/a", {"422"}),
        (query, "/a", {"400", "422"}),
        (body, "/a", {"400", "413", "415", "422"}),
        (form, "/a", {"400", "413", "415", "422"}),
        (upload, "/a", {"400", "413", "415", "422"}),
        (key, "/a", {"401"}),
    ],
)
def test_what_is_answered_before_the_handler_runs_is_listed(
    function: Callable[..., str], path: str, refusals: set[str]
) -> None:
    responses = described(function, path)["responses"]
    assert responses.keys() == {"200", *refusals}
    for status in refusals - {"422"}:
        assert responses[status]["content"] == problem(int(status))


def test_a_request_that_is_refused_is_answered_as_the_document_has_it(app: App, ask: Ask) -> None:
    app.post("/a")(body)
    found = document(app)
    responses = found["paths"]["/a"]["post"]["responses"]
    for sent, content_type in ((b"{", b"application/json"), (b"{}", b"application/json"), (b"a", b"text/plain")):
        answer = ask(app, "POST", b"/a", headers=[(b"content-type", content_type)], body=sent)
        content = responses[str(answer.status)]["content"]["application/problem+json"]
        validator = Draft202012Validator({**content["schema"], "components": found["components"]})
        validator.validate(json.loads(answer.body))
        validator.validate(content["example"])
        assert json.loads(answer.body).keys() >= content["example"].keys()
        assert dict(answer.headers)["content-type"] == "application/problem+json"


# Kinds of parameters: what the document allows is what the binder takes.


def texts(value: Any) -> list[str]:
    """How a value is written in a query."""
    return (
        [text for item in value for text in texts(item)] if isinstance(value, list) else [json.dumps(value).strip('"')]
    )


WHOLE = st.integers(-(2**70), 2**70) | st.integers(-20, 20)
WORDS = st.text(st.characters(codec="ascii", exclude_characters='"\\\x7f', min_codepoint=32), max_size=5)
# Python's "$" is also before a line break at the end; that of JSON Schema (ECMA-262) is not.
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda text: not text.endswith("\n"))
KINDS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, WHOLE),
    (Annotated[int, Query(ge=-3, lt=7)], WHOLE),
    (Annotated[int, Query(gt=-3, le=7, multiple_of=2)], WHOLE),
    (float, st.floats(allow_nan=False, allow_infinity=False) | WHOLE.map(float)),
    (Annotated[float, Query(gt=0, le=1)], st.floats(-2, 2)),
    (bool, st.booleans() | st.just("maybe")),
    (str, WORDS),
    (Annotated[str, Query(min_length=2, max_length=3)], WORDS),
    (Annotated[str, Query(pattern="^[a-m]*$")], WORDS),
    (Kind, st.sampled_from(["new", "used", "old", ""])),
    (Literal["a", "b"], st.sampled_from(["a", "b", "c", "A"])),
    (list[int], st.lists(WHOLE, max_size=3)),
    (Annotated[list[int], Query(min_length=1, max_length=2)], st.lists(st.integers(0, 9), max_size=3)),
]


@pytest.mark.parametrize(("kind", "values"), KINDS, ids=[str(kind) for kind, _ in KINDS])
def test_the_schema_of_a_parameter_allows_what_is_taken(kind: Any, values: st.SearchStrategy[Any]) -> None:
    app = App()

    @app.get("/")
    def read(value: kind) -> list[Any]:
        return [value]

    schema = document(app)["paths"]["/"]["get"]["parameters"][0]["schema"]
    validator = Draft202012Validator(schema)

    @settings(max_examples=60)
    @given(values)
    def check(value: Any) -> None:
        target = "/?" + urlencode([("value", text) for text in texts(value)])
        answer = exchange(app, "wsgi", "GET", target.encode())
        assert (answer.status == 200) is validator.is_valid(value)

    check()
    app.shutdown()


@pytest.mark.parametrize(
    ("path", "kind", "values"),
    [
        ("/{value}", int, WHOLE),
        ("/{value}", str, ANY_TEXT),
        ("/{value}", Annotated[str, Path(max_length=2)], WORDS),
        ("/{value:path}", str, ANY_TEXT),
        ("/{value:int}", int, WHOLE),
        ("/{value:int}", Annotated[int, Path(ge=5, le=10)], WHOLE),
        ("/{value:uuid}", uuid.UUID, st.uuids().map(str)),
    ],
)
def test_the_schema_of_a_path_allows_what_is_taken(path: str, kind: Any, values: st.SearchStrategy[Any]) -> None:
    app = App(redirect_slashes=False)

    @app.get(path)
    def read(value: kind) -> list[Any]:
        return [value]

    validator = Draft202012Validator(document(app)["paths"]["/{value}"]["get"]["parameters"][0]["schema"])

    @settings(max_examples=60)
    @given(values)
    def check(value: Any) -> None:
        answer = exchange(app, "wsgi", "GET", b"/" + quote(str(value), safe="").encode())
        assert (answer.status == 200) is validator.is_valid(value)

    check()
    app.shutdown()


# Security.


BASIC = HTTPBasic()
OAUTH = OAuth2PasswordBearer("/token", {"read": "Look", "write": "Change"})


def test_schemes_are_named_once_and_asked_for_where_they_are_needed(app: App) -> None:
    """OpenAPI 3.1.1 §4.8.7, §4.8.30."""
    router = Router("/staff", dependencies=[Depends(BASIC)])
    router.get("/a")(lambda: "")

    @app.get("/b")
    def two(token: str = Depends(OAUTH), key: str = Depends(APIKeyHeader("x-key", description="Ours."))) -> str:
        return ""

    app.include_router(router)
    found = document(app)
    assert found["components"]["securitySchemes"] == {
        "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "x-key", "description": "Ours."},
        "HTTPBasic": {"type": "http", "scheme": "basic"},
        "OAuth2PasswordBearer": OAUTH.definition(),
    }
    assert found["paths"]["/staff/a"]["get"]["security"] == [{"HTTPBasic": []}]
    assert found["paths"]["/b"]["get"]["security"] == [{"OAuth2PasswordBearer": [], "APIKeyHeader": []}]
    assert found["paths"]["/b"]["get"]["responses"]["401"] == {
        "description": "Unauthorized",
        "content": problem(401),
        "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
    }


def test_schemes_of_one_name_are_one_where_they_define_the_same() -> None:
    def handler(
        first: str = Depends(APIKeyHeader("x-one")),
        same: str = Depends(APIKeyHeader("x-one")),
        other: str = Depends(APIKeyHeader("x-two")),
        named: str = Depends(APIKeyHeader("x-two", scheme_name="second key")),
    ) -> str:
        return ""

    assert described(handler)["security"] == [{"APIKeyHeader": [], "APIKeyHeader2": [], "second_key": []}]


def test_what_may_be_missing_is_an_alternative() -> None:
    bearer, key = HTTPBearer(auto_error=False), APIKeyQuery("key", auto_error=False)

    def either(token: Any = Depends(bearer), key: str | None = Depends(key)) -> str:
        return ""

    def more(name: Any = Depends(BASIC), token: Any = Depends(bearer)) -> str:
        return ""

    assert described(either)["security"] == [{"HTTPBearer": []}, {"APIKeyQuery": []}, {}]
    assert described(more)["security"] == [{"HTTPBasic": [], "HTTPBearer": []}, {"HTTPBasic": []}]


def test_scopes_are_those_of_all_who_ask() -> None:
    def user(scopes: SecurityScopes, token: str = Depends(OAUTH)) -> str:
        return token

    def name(user: str = Security(user, scopes=["read"])) -> str:
        return user

    def plain(token: str = Depends(OAUTH)) -> str:
        return token

    def first(one: str = Depends(name)) -> str:
        return one

    def both(one: str = Security(plain, scopes=["read"]), two: str = Security(plain, scopes=["write"])) -> str:
        return one

    def split(one: str = Security(user, scopes=["write"]), two: str = Depends(name)) -> str:
        return one

    assert described(first)["security"] == [{"OAuth2PasswordBearer": ["read"]}]
    assert described(both)["security"] == [{"OAuth2PasswordBearer": ["read", "write"]}]
    assert described(split)["security"] == [{"OAuth2PasswordBearer": ["write", "read"]}]


def test_below_a_root_the_document_leads_there(make_app: MakeApp, ask: Ask) -> None:
    """OpenAPI 3.1.1 §4.8.5: where a server answers may be told relative to the document."""
    app = make_app(openapi_url="/openapi.json")
    elsewhere = OAuth2PasswordBearer("https://login.example/token", scheme_name="elsewhere", refresh_url="/again")

    @app.get("/a")
    def index(a: str = Depends(OAUTH), b: str = Depends(elsewhere), c: Any = Depends(BASIC)) -> str:
        return ""

    found = json.loads(ask(app, "GET", b"/openapi.json", root_path="/ä b").body)
    validate(found, cls=OpenAPIV31SpecValidator)
    flows = {name: scheme.get("flows") for name, scheme in found["components"]["securitySchemes"].items()}
    assert found["servers"] == [{"url": "/%C3%A4%20b"}]
    assert flows["OAuth2PasswordBearer"]["password"]["tokenUrl"] == "/%C3%A4%20b/token"
    assert flows["elsewhere"]["password"]["tokenUrl"] == "https://login.example/token"
    assert flows["elsewhere"]["password"]["refreshUrl"] == "/%C3%A4%20b/again"
    assert "servers" not in app.openapi()


def test_servers_that_were_named_stay_below_a_root(make_app: MakeApp, ask: Ask) -> None:
    app = make_app(openapi_url="/openapi.json", servers=["https://a.example"])
    found = json.loads(ask(app, "GET", b"/openapi.json", root_path="/here").body)
    assert found["servers"] == [{"url": "https://a.example"}]


# Schemas that are named.


def test_models_of_announced_answers_are_described(app: App) -> None:
    @app.get("/a", responses={404: Item, 409: {"model": list[Item], "description": "Some"}, 410: None})
    def index() -> str:
        return ""

    responses = document(app)["paths"]["/a"]["get"]["responses"]
    assert responses["404"] == {"description": "Not Found", "content": {"application/json": {"schema": ITEM}}}
    assert responses["409"] == {
        "description": "Some",
        "content": {"application/json": {"schema": {"type": "array", "items": ITEM}}},
    }
    assert responses["410"] == {"description": "Gone", "content": problem(410)}


def test_a_model_that_nothing_describes_is_refused_where_it_is_said(app: App) -> None:
    with pytest.raises(ConfigurationError, match="/a, handler 'handler'"):
        app.get("/a", responses={404: {"model": object()}})(handler)


def test_two_schemas_of_one_name_are_two() -> None:
    components = Components()

    def take(properties: dict[str, Any], mode: Literal["input", "output"], **more: Any) -> Any:
        parts = {"Item": {"type": "object", "properties": properties}, **more}
        return components.take(({"$ref": "#/components/schemas/Item"}, parts), mode)["$ref"].rpartition("/")[2]

    inner = {"owner": {"$ref": "#/components/schemas/Owner"}}
    assert take({}, "input") == "Item"
    assert take({}, "output") == "Item"
    assert take({"a": {}}, "output") == "ItemOutput"
    assert take({"b": {}}, "input") == "Item2"
    assert take(inner, "output", Owner={"type": "string"}) == "Item3"
    assert take(inner, "output", Owner={"type": "integer"}) == "Item4"
    assert components.schemas["Item3"]["properties"]["owner"]["$ref"] == "#/components/schemas/Owner"
    assert components.schemas["Item4"]["properties"]["owner"]["$ref"] == "#/components/schemas/Owner2"


def test_a_schema_that_refers_to_itself_and_a_discriminator_follow_their_names() -> None:
    components = Components()
    parts = {
        "Node[int]": {"oneOf": [{"$ref": "#/components/schemas/Node[int]"}]},
        "Root": {"discriminator": {"propertyName": "t", "mapping": {"n": "#/components/schemas/Node[int]"}}},
    }
    components.take(({"$ref": "#/components/schemas/Root"}, parts), "input")
    assert components.schemas == {
        "Node_int_": {"oneOf": [{"$ref": "#/components/schemas/Node_int_"}]},
        "Root": {"discriminator": {"propertyName": "t", "mapping": {"n": "#/components/schemas/Node_int_"}}},
    }


def test_a_parameter_that_takes_an_empty_text_for_none_says_so(app: App) -> None:
    """OpenAPI 3.1.1 §4.8.12.2.1: `allowEmptyValue` is for parameters of the query alone."""

    @app.get("/")
    def index(
        day: datetime.date | None = None,
        text: str | None = None,
        days: Annotated[list[datetime.date] | None, Query()] = None,
        number: int = 1,
        field: Annotated[int | None, Header()] = None,
    ) -> str:
        return "ok"

    listed = document(app)["paths"]["/"]["get"]["parameters"]
    assert {given["name"] for given in listed if given.get("allowEmptyValue")} == {"day"}
    assert listed[-1]["schema"]["anyOf"][1] == {"const": ""}


def test_a_field_of_a_form_that_takes_an_empty_text_for_none_says_so() -> None:
    def handler(day: datetime.date | None = Form(None, title="Day"), text: str | None = Form(None)) -> str:
        return ""

    content = described(handler)["requestBody"]["content"]["multipart/form-data"]
    assert content["schema"]["properties"] == {
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"const": ""}], "title": "Day"},
        "text": {"type": "string"},
    }
