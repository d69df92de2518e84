"""Applications mounted in one with Flask's manners, and such an application mounted in another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest

from duoframe import App
from duoframe.flask import Flask, current_app, g, request, session, url_for
from tests.conftest import Ask
from tests.foreign import answer, told_asgi, told_wsgi

Make = Callable[[str], Flask]


@pytest.fixture
def make() -> Iterator[Callable[[str], Flask]]:
    """Makes applications that are shut down after the test."""
    made: list[Flask] = []

    def make(name: str) -> Flask:
        made.append(Flask(name))
        return made[-1]

    yield make
    for app in made:
        app.shutdown()


async def told(scope: Any, receive: Any, send: Any) -> None:
    await answer(send, b"asgi")


def told_too(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"wsgi"]


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_hooks_run_around_a_mount_and_may_refuse_it(ask: Ask, kind: str, make: Make) -> None:
    """They are middleware by another name: no server calls a mount past them."""
    app = make("app")
    app.mount("/old", **{kind: told_too if kind == "wsgi" else told})  # type: ignore[arg-type]  # one of each

    @app.before_request
    def refuse() -> Any:
        return ("refused", 403) if "refused" in request.args else None

    @app.after_request
    def mark(response: Any) -> Any:
        response.headers["X-After"] = "yes"
        return response

    passed, refused = ask(app, "GET", b"/old/"), ask(app, "GET", b"/old/?refused=1")
    assert (passed.status, passed.body) == (200, kind.encode())
    assert (refused.status, refused.body) == (403, b"refused")
    assert ("x-after", "yes") in passed.headers
    assert ("x-after", "yes") in refused.headers


@pytest.mark.parametrize("foreign", [told_wsgi, told_asgi])
def test_a_mount_knows_its_place(ask: Ask, foreign: Any, make: Make) -> None:
    app = make("app")
    app.mount("/old", foreign)
    assert b'"/old"' in ask(app, "GET", b"/old/x").body


def test_contexts_of_applications_in_each_other_stay_apart(ask: Ask, make: Make) -> None:
    inner, outer, real = make("inner"), make("outer"), flask.Flask("real")
    inner.secret_key = outer.secret_key = "a secret that is long enough"

    @real.get("/")
    def theirs() -> str:
        flask.g.name = "real"
        return f"{flask.current_app.name} {flask.request.script_root} {current_app.name} {g.name}"

    @inner.get("/")
    def ours() -> str:
        session["name"] = "inner"
        return f"{current_app.name} {request.script_root} {url_for('ours')} {getattr(g, 'name', None)}"

    @outer.before_request
    def begin() -> None:
        g.name = "outer"

    @outer.after_request
    def end(response: Any) -> Any:
        response.headers["X-Seen"] = f"{current_app.name} {g.name} {request.path}"
        return response

    outer.mount("/in", inner)
    outer.mount("/real", real)
    answered = ask(outer, "GET", b"/in/")
    assert answered.body == b"inner /in /in/ None"
    assert dict(answered.headers)["x-seen"] == "outer outer /in/"
    answered = ask(outer, "GET", b"/real/")
    assert answered.body == b"real /real outer outer"


def test_an_application_of_ours_has_one_as_its_fallback(ask: Ask, make: Make) -> None:
    old, app = make("old"), App()

    @old.get("/<int:number>")
    def show(number: int) -> dict[str, int]:
        return {"old": number}

    @app.get("/new")
    async def new() -> str:
        return "new"

    app.fallback(old)
    assert ask(app, "GET", b"/new").body == b"new"
    assert ask(app, "GET", b"/7").body == b'{"old":7}\n'
    assert ask(app, "GET", b"/nothing").status == 404
    app.shutdown()
