"""Views, hooks and handlers that are a `def` around an `async def`, as decorators of extensions make them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from duoframe.flask import Flask, current_app, g


def waited_for(view: Callable[..., Any]) -> Callable[..., Any]:
    """Calls what it decorates as Flask's documentation has it, by `ensure_sync`, unless it answers itself."""

    @functools.wraps(view)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return "refused" if g.get("refuses") else current_app.ensure_sync(view)(*args, **kwargs)

    return inner


def handed_on(view: Callable[..., Any]) -> Callable[..., Any]:
    """Gives what it decorates gives, whatever that is."""

    @functools.wraps(view)
    def inner(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return inner


@pytest.fixture(params=["wsgi", "asgi"])
def app(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    app = Flask(__name__)
    app.config["TESTING"] = True
    yield app
    app.shutdown()


@pytest.mark.parametrize("decorate", [waited_for, handed_on])
def test_a_decorated_view_is_waited_for(app: Flask, decorate: Callable[[Callable[..., Any]], Any]) -> None:
    @app.get("/<name>")
    @decorate
    async def view(name: str) -> str:
        return f"hello {name}"

    assert app.test_client().get("/ada").text == "hello ada"


def test_a_decorator_may_answer_in_place_of_the_view(app: Flask) -> None:
    @app.before_request
    def refuse() -> None:
        g.refuses = True

    @app.get("/")
    @waited_for
    async def view() -> str:
        return "not called"

    assert app.test_client().get("/").text == "refused"
