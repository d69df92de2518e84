"""What extensions bring of Werkzeug's own: its exceptions, with handlers, beside those of this package."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import werkzeug.exceptions

from duoframe.flask import Flask
from duoframe.flask.exceptions import BadRequest


class Missing(werkzeug.exceptions.BadRequest):
    """As an extension declares one."""

    description = "The token is missing."


@pytest.fixture(params=["wsgi", "asgi"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    app = Flask(__name__)
    app.config["TESTING"] = True

    @app.get("/")
    def view() -> str:
        raise Missing

    yield app
    app.shutdown()


def test_it_is_an_answer_by_itself(app: Flask) -> None:
    answer = app.test_client().get("/")
    assert answer.status_code == 400
    assert "The token is missing." in answer.text


@pytest.mark.parametrize("kind", [Missing, werkzeug.exceptions.BadRequest, werkzeug.exceptions.HTTPException])
def test_its_own_handler_gets_it_as_it_is(app: Flask, kind: type[Exception]) -> None:
    app.register_error_handler(BadRequest, lambda error: ("not asked", 418))

    @app.errorhandler(kind)
    def handle(error: Any) -> Any:
        return f"{type(error).__name__}: {error.description}", 422

    answer = app.test_client().get("/")
    assert (answer.status_code, answer.text) == (422, "Missing: The token is missing.")


@pytest.mark.parametrize("kind", [400, BadRequest])
def test_a_handler_of_its_status_gets_one_of_ours(app: Flask, kind: Any) -> None:
    @app.errorhandler(kind)
    def handle(error: Any) -> Any:
        return f"{type(error).__name__} {error.code}: {error.description}", 400

    assert app.test_client().get("/").text == "BadRequest 400: The token is missing."
