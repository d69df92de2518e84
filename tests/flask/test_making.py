"""What a view may return; Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.
# ruff: noqa: PLW0108 - what stands for the running request is asked when there is one

from __future__ import annotations

from typing import Any

import pytest

import duoframe


def answered(names: Any, value: Any, path: str = "/", **config: Any) -> Any:
    """The answer to a view that returns ``value()``."""
    app = names.Flask(__name__)
    app.testing = True
    app.add_url_rule("/", "view", value)
    return app.test_client().get(path)


@pytest.mark.parametrize(
    ("value", "status", "mimetype", "body"),
    [
        ("<b>é</b>", 200, "text/html", "<b>é</b>".encode()),
        (b"bytes", 200, "text/html", b"bytes"),
        (bytearray(b"bytes"), 200, "text/html", b"bytes"),
        ({"a": 1}, 200, "application/json", b'{"a":1}\n'),
        ([1, 2], 200, "application/json", b"[1,2]\n"),
        (("x", 201), 201, "text/html", b"x"),
        (("x", "404 NOPE"), 404, "text/html", b"x"),
        (("x", {"X-A": "1"}), 200, "text/html", b"x"),
        (("x", [("X-A", "1")]), 200, "text/html", b"x"),
        (("x", 201, {"X-A": "1", "Content-Type": "text/css"}), 201, "text/css", b"x"),
        (({"a": 1}, 201), 201, "application/json", b'{"a":1}\n'),
    ],
)
def test_what_a_value_stands_for(names: Any, value: Any, status: int, mimetype: str, body: bytes) -> None:
    answer = answered(names, lambda: value)
    assert (answer.status_code, answer.mimetype, answer.data) == (status, mimetype, body)
    if isinstance(value, tuple) and not isinstance(value[-1], int | str):
        assert answer.headers["X-A"] == "1"


def test_streams_and_applications(names: Any) -> None:
    def rows() -> Any:
        yield "a"
        yield b"b"

    def application(environ: Any, start_response: Any) -> Any:
        start_response("202 ACCEPTED", [("Content-Type", "text/plain"), ("X-Path", environ["PATH_INFO"])])
        yield b"from "
        yield b"wsgi"

    assert answered(names, rows).data == b"ab"
    assert answered(names, lambda: iter(["x"])).data == b"x"
    answer = answered(names, lambda: application)
    assert (answer.status_code, answer.headers["X-Path"], answer.data) == (202, "/", b"from wsgi")
    answer = answered(names, lambda: (application, 203, {"X-More": "1"}))
    assert (answer.status_code, answer.headers["X-More"], answer.data) == (203, "1", b"from wsgi")


def test_an_empty_application(names: Any) -> None:
    class Body:
        closed = False

        def __iter__(self) -> Any:
            return iter(())

        def close(self) -> None:
            Body.closed = True

    def application(environ: Any, start_response: Any) -> Any:
        start_response("204 NO CONTENT", [])
        return Body()

    with answered(names, lambda: application) as answer:
        assert answer.status_code == 204
        assert answer.data == b""
    assert Body.closed


def test_exceptions_and_responses(names: Any) -> None:
    assert answered(names, lambda: names.exceptions.NotFound()).status_code == 404
    response = names.Response("x", 201)
    assert answered(names, lambda: (response, 202)).status_code == 202

    class Mine(names.Response):  # type: ignore[misc]  # either's
        pass

    app = names.Flask(__name__)
    app.response_class = Mine
    with app.test_request_context():
        assert type(app.make_response(names.Response("x"))) is Mine
        assert type(app.make_response("x")) is Mine
        assert type(names.make_response()) is Mine


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "returned None"),
        ((None, 404), "returned None"),
        (("a",), r"\(body, status\), or \(body, headers\)|a tuple of"),
        (("a", 1, {}, 4), r"\(body, status\), or \(body, headers\)|a tuple of"),
        (7, "it was a int|got int"),
        (object(), "it was a object|got object"),
        (lambda: None, "it was a function|got function"),
    ],
)
def test_what_stands_for_nothing(names: Any, value: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        answered(names, lambda: value)


def test_a_coroutine_stands_for_nothing(ours: Any) -> None:
    async def later() -> str:
        return ""

    class Awaitable:
        def __await__(self) -> Any:
            yield

    for made in (later, Awaitable):
        with pytest.raises(TypeError, match=r"(it was a|got) (coroutine|Awaitable)"):
            answered(ours, lambda made=made: made())


def test_markup_and_the_cores_answers(ours: Any) -> None:
    class Page:
        def __html__(self) -> str:
            return "<p>"

    answer = answered(ours, Page)
    assert (answer.mimetype, answer.data) == ("text/html", b"<p>")
    assert answered(ours, lambda: duoframe.PlainTextResponse("x", 201)).status_code == 201


def test_an_async_generator_is_a_stream(ours: Any) -> None:
    async def rows() -> Any:
        yield "a"
        yield "b"

    app = ours.Flask(__name__)
    app.add_url_rule("/", "view", lambda: rows())
    assert app.test_client().get("/").data == b"ab"


def test_make_response(names: Any) -> None:
    app = names.Flask(__name__)
    with app.test_request_context():
        response = names.make_response("x", 201)
        response.headers["X-A"] = "1"
        assert (response.status_code, response.data) == (201, b"x")
        assert names.make_response().status_code == 200
        assert names.make_response({"a": 1}).json == {"a": 1}


@pytest.mark.parametrize("code", [301, 302, 303, 305, 307, 308])
def test_a_redirect(names: Any, code: int) -> None:
    answer = answered(names, lambda: names.redirect("/é?a=<b>", code))
    assert answer.status_code == code
    assert answer.headers["Location"] in ("/é?a=<b>", "/%C3%A9?a=%3Cb%3E")
    assert b"Redirecting..." in answer.data
    assert b"<b>" not in answer.data


def test_a_redirect_may_be_of_another_class(names: Any) -> None:
    class Mine(names.Response):  # type: ignore[misc]  # either's
        pass

    assert names.redirect("/x").status_code == 302
    assert type(names.redirect("/x", Response=Mine)) is Mine

    class App(names.Flask):  # type: ignore[misc]  # as above
        def redirect(self, location: str, code: int = 302) -> Any:
            return super().redirect(f"/root{location}", code)

    with App(__name__).app_context():
        assert names.redirect("/x").location == "/root/x"
