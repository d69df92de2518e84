"""The OpenAPI document: what it says of routes, and that it is one (OpenAPI 3.1.1)."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from duoframe import App, ConfigurationError, Converter, HTTPException, Request, Router
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


PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


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
    assert item["get"]["responses"]["404"] == {"description": "Not Found", "content": PROBLEM}


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
    assert responses["404"] == {"description": "No such item", "content": PROBLEM}
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
    assert (inside["409"]["content"], outside["404"]["content"]) == (PROBLEM, PROBLEM)
    app.errorhandler(HTTPException)(lambda request, error: "no")
    assert "content" not in document(app)["paths"]["/outside/{id}"]["get"]["responses"]["409"]


def test_an_error_is_answered_as_the_document_has_it(app: App, ask: Ask) -> None:
    app.get("/a/{id:int}")(handler)
    found = document(app)
    answer = ask(app, "GET", b"/a/x")
    assert str(answer.status) in found["paths"]["/a/{id}"]["get"]["responses"]
    schema = {"$ref": "#/components/schemas/Problem", "components": found["components"]}
    Draft202012Validator(schema).validate(json.loads(answer.body))
