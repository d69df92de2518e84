"""Lifespans of mounted ASGI applications: forwarded behind both doors, in order, and what they leave to requests."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse
from starlette.routing import Route

from duoframe import App
from duoframe.testing import Client
from duoframe.types import Message, Receive, Scope, Send
from tests.conftest import Ask, MakeApp
from tests.foreign import AROUND, answer, passing

Noting = Callable[..., Any]


@pytest.fixture
def events() -> list[str]:
    return []


@pytest.fixture
def noting(events: list[str]) -> Noting:
    """Makes an ASGI application that notes its lifespan; ``failing`` is the message that it answers an event with."""

    def make(name: str, failing: dict[str, Message | Exception] | None = None) -> Any:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "lifespan":
                await answer(send, name.encode())
                return
            scope["state"]["name"] = name
            for phase in ("startup", "shutdown"):
                message = await receive()
                assert message["type"] == f"lifespan.{phase}"
                events.append(f"{name} {phase}")
                told = (failing or {}).get(phase, {"type": f"lifespan.{phase}.complete"})
                if isinstance(told, Exception):
                    raise told
                await send(told)

        return app

    return make


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("around", ["nothing", "inline"])
def test_they_start_in_order_and_stop_in_reverse(
    make_app: MakeApp, noting: Noting, events: list[str], door: Any, around: str
) -> None:
    """L-09, M-11"""
    app = make_app(middleware=AROUND[around])
    app.mount("/a", noting("a"))

    @app.lifespan
    async def own() -> AsyncGenerator[None]:
        events.append("own startup")
        yield
        events.append("own shutdown")

    app.mount("/b", noting("b"))
    with Client(app, door) as opened:
        assert opened.get("/a").text == "a"
        assert opened.get("/b/x").text == "b"
        assert events == ["a startup", "own startup", "b startup"]
    app.shutdown()
    assert events[3:] == ["b shutdown", "own shutdown", "a shutdown"]


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("around", ["nothing", "inline"])
def test_what_it_leaves_is_copied_for_each_request(make_app: MakeApp, door: Any, around: str) -> None:
    """A-43: the state of the mounted application, not that of the one around it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": ["shared"], "count": 0}

    def show(request: StarletteRequest) -> Any:
        request.state.pool.append("seen")
        request.state.count += 1
        return JSONResponse([request.state.pool, request.state.count, hasattr(request.state, "outer")])

    app = make_app(middleware=AROUND[around])
    app.mount("/", Starlette(routes=[Route("/", show)], lifespan=lifespan))

    @app.lifespan
    async def outer() -> AsyncGenerator[dict[str, int]]:
        yield {"outer": 1}

    with Client(app, door) as opened:
        assert opened.get("/").json() == [["shared", "seen"], 1, False]
        assert opened.get("/").json() == [["shared", "seen", "seen"], 1, False]


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_one_that_knows_no_lifespan_is_served_all_the_same(make_app: MakeApp, door: Any) -> None:
    """L-10"""

    async def raising(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise ValueError("unknown scope")
        await answer(send, b"raising")

    async def returning(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(send, b"returning")

    app = make_app()
    app.mount("/raising", raising)
    app.mount("/returning", returning)
    with Client(app, door) as opened:
        assert opened.get("/raising").text == "raising"
        assert opened.get("/returning").text == "returning"
    app.shutdown()


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("message", ["no database", None])
def test_one_that_fails_to_start_fails_all(
    make_app: MakeApp, noting: Noting, events: list[str], door: Any, message: str | None, caplog: Any
) -> None:
    """L-09"""
    failed: Message = {"type": "lifespan.startup.failed"} | ({"message": message} if message else {})
    app = make_app()
    app.mount("/a", noting("a"))
    app.mount("/b", noting("b", {"startup": failed}))
    app.mount("/c", noting("c"))
    problem = f"the startup of a mounted application failed: {message or 'without a message'}"
    with caplog.at_level(logging.ERROR), pytest.raises(Exception, match=r".") as caught, Client(app, door) as opened:
        opened.get("/a")
    assert events == ["a startup", "b startup", "a shutdown"]
    assert problem in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    ("failing", "problem"),
    [
        ({"type": "lifespan.shutdown.failed", "message": "not closed"}, "failed: not closed"),
        (ValueError("broken"), "broken"),
    ],
)
def test_one_that_fails_to_stop_keeps_no_other_from_it(
    make_app: MakeApp, noting: Noting, events: list[str], failing: Any, problem: str
) -> None:
    """L-03"""
    app = make_app()
    app.mount("/a", noting("a"))
    app.mount("/b", noting("b", {"shutdown": failing}))
    app.startup()
    with pytest.raises((RuntimeError, ValueError), match=problem):
        app.shutdown()
    assert events == ["a startup", "b startup", "b shutdown", "a shutdown"]


def test_one_that_ends_while_it_should_live_is_no_hindrance(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    async def short(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            raise ValueError("it has ended")
        await answer(send, b"served")

    app = make_app(middleware=[passing])
    app.mount("/", short)
    with caplog.at_level(logging.ERROR), Client(app, "wsgi") as opened:
        assert opened.get("/").text == "served"
        assert "it has ended" in caplog.text
    app.shutdown()


def test_it_starts_anew_after_it_has_stopped(make_app: MakeApp, noting: Noting, events: list[str]) -> None:
    app = make_app()
    app.mount("/", noting("a"))
    for _ in range(2):
        app.startup()
        app.shutdown()
    assert events == ["a startup", "a shutdown"] * 2


def test_one_that_is_mounted_twice_starts_twice_as_under_two_servers(
    make_app: MakeApp, noting: Noting, events: list[str]
) -> None:
    app, shared = make_app(), noting("a")
    app.mount("/x", shared)
    app.mount("/y", shared)
    app.startup()
    app.shutdown()
    assert events == ["a startup", "a startup", "a shutdown", "a shutdown"]


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("around", ["nothing", "inline"])
def test_the_lifespan_of_a_nested_application_of_ours(make_app: MakeApp, door: Any, around: str) -> None:
    inner, outer, events = make_app(), make_app(middleware=AROUND[around]), []

    @inner.lifespan
    def life(app: App) -> Any:
        assert app is inner
        events.append("up")
        yield {"value": 7}
        events.append("down")

    @inner.get("/")
    def show(request: Any) -> Any:
        return request.state.value

    outer.mount("/in", inner)
    with Client(outer, door) as opened:
        assert opened.get("/in").text == "7"
    outer.shutdown()
    assert events == ["up", "down"]


def test_one_that_ends_with_its_event_loop_has_not_failed(
    ask: Ask, make_app: MakeApp, events: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """L-12: a server without lifespans cancels what is left; Starlette answers that it has failed, and cleans up."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            events.append("cleaned up")

    app = make_app()
    app.mount("/", Starlette(lifespan=lifespan, routes=[Route("/", lambda _: JSONResponse("x"))]))
    with caplog.at_level(logging.WARNING):
        assert ask(app, "GET", b"/").body == b'"x"'
        app.shutdown()
    assert events == ["cleaned up"]
    assert caplog.records == []
