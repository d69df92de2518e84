"""Mounts as routes: what answers where, what runs around them, and what a server's own call is handed to."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from contextvars import ContextVar
from typing import Any

import anyio
import flask
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse as StarletteText
from starlette.routing import Mount as StarletteMount
from starlette.routing import Route as StarletteRoute

from duoframe import (
    ConfigurationError,
    Depends,
    HTTPException,
    PlainTextResponse,
    Request,
    Router,
    inline,
    url_for,
)
from duoframe import request as running
from duoframe.testing import Client, Exchange
from duoframe.types import Environ, Receive, Scope, Send, StartResponse
from tests.conftest import Ask, MakeApp, MakeClient
from tests.foreign import AROUND, answer, passing, told_asgi, told_wsgi


@pytest.fixture(params=["wsgi", "asgi"])
def foreign(request: pytest.FixtureRequest) -> Any:
    """An application of each kind that tells where it was called."""
    return told_wsgi if request.param == "wsgi" else told_asgi


@pytest.fixture(params=list(AROUND))
def around(request: pytest.FixtureRequest) -> list[Callable[..., Any]]:
    """The middleware around a mount, none first."""
    return AROUND[request.param]


def place_of(answered: Exchange) -> tuple[str, str]:
    """Where the application was told that it is mounted, and the path below that."""
    told = json.loads(answered.body)
    if "SCRIPT_NAME" in told:
        return told["SCRIPT_NAME"], told["PATH_INFO"]
    assert told["path"].startswith(told["root_path"])
    return told["root_path"], told["path"].removeprefix(told["root_path"])


def text_wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"wsgi"]


async def text_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"asgi")


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await anyio.sleep_forever()


class TestPlaces:
    @pytest.mark.parametrize(
        ("prefix", "target", "expected"),
        [
            ("/old", b"/old/", ("/old", "/")),
            ("/old", b"/old/a", ("/old", "/a")),
            ("/old", b"/old/a/b/", ("/old", "/a/b/")),
            ("/old", b"/old//a", ("/old", "//a")),
            ("/old", b"/old/a%2Fb", ("/old", "/a/b")),
            ("/old", b"/old/../x", ("/old", "/../x")),
            ("/old", b"/old/old/old", ("/old", "/old/old")),
            ("/a/b", b"/a/b/c", ("/a/b", "/c")),
            ("/a/{tenant}", b"/a/x/c", ("/a/x", "/c")),
            ("/", b"/", ("", "/")),
            ("/", b"/a/b", ("", "/a/b")),
            ("", b"/a", ("", "/a")),
        ],
    )
    def test_an_application_is_told_where_it_is(
        self,
        ask: Ask,
        make_app: MakeApp,
        foreign: Any,
        around: Any,
        prefix: str,
        target: bytes,
        expected: tuple[str, str],
    ) -> None:
        """M-01, M-18, H-49"""
        app = make_app(middleware=around)
        app.mount(prefix, foreign)
        assert place_of(ask(app, "GET", target)) == expected
        below = ask(app, "GET", target, root_path="/root")
        assert place_of(below) == ("/root" + expected[0], expected[1])

    def test_without_a_last_slash_the_path_below_is_empty_and_for_asgi_a_slash(
        self, ask: Ask, make_app: MakeApp, foreign: Any, around: Any
    ) -> None:
        """M-18: PEP 3333 knows an empty PATH_INFO; a path of ASGI begins with a slash."""
        app = make_app(middleware=around)
        app.mount("/old", foreign)
        assert place_of(ask(app, "GET", b"/old")) == ("/old", "" if foreign is told_wsgi else "/")

    @pytest.mark.parametrize("target", [b"/oldx", b"/ol", b"/", b"/x/old", b"/OLD/x", b"/old%0A"])
    def test_nothing_else_comes_to_a_mount(self, ask: Ask, make_app: MakeApp, foreign: Any, target: bytes) -> None:
        app = make_app()
        app.mount("/old", foreign)
        assert ask(app, "GET", target).status == 404

    def test_text_beyond_ascii_is_carried(self, ask: Ask, make_app: MakeApp, foreign: Any, around: Any) -> None:
        """M-01: in WSGI as Latin-1 that carries UTF-8."""
        app = make_app(middleware=around)
        app.mount("/ö", foreign)
        root, path = place_of(ask(app, "GET", "/ö/é".encode()))
        if foreign is told_wsgi:
            root, path = root.encode("latin-1").decode(), path.encode("latin-1").decode()
        assert (root, path) == ("/ö", "/é")

    @pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PROPFIND", "BREW"])
    def test_every_method_comes_to_a_mount(
        self, ask: Ask, make_app: MakeApp, foreign: Any, around: Any, method: str
    ) -> None:
        app = make_app(middleware=around)
        app.mount("/old", foreign)
        for target in (b"/old", b"/old/", b"/old/a"):
            told = json.loads(ask(app, method, target).body)
            assert told.get("REQUEST_METHOD", told.get("method")) == method

    def test_routes_come_before_a_mount_whatever_the_order(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        app = make_app()
        app.mount("/old", foreign)

        @app.get("/old/moved")
        def moved() -> str:
            return "moved"

        @app.get("/old/{name}/too")
        def moved_too(name: str) -> str:
            return name

        assert ask(app, "GET", b"/old/moved").body == b"moved"
        assert ask(app, "GET", b"/old/x/too").body == b"x"
        assert place_of(ask(app, "POST", b"/old/moved")) == ("/old", "/moved")
        assert place_of(ask(app, "POST", b"/old/x/too")) == ("/old", "/x/too")
        assert place_of(ask(app, "GET", b"/old/x/other")) == ("/old", "/x/other")
        assert ask(app, "HEAD", b"/old/moved").headers == ask(app, "GET", b"/old/moved").headers

    def test_options_of_a_route_names_its_own_methods(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        app = make_app()
        app.fallback(foreign)

        @app.get("/moved")
        @app.get("/{n:int}")
        def moved() -> str:
            return "moved"

        for target in (b"/moved", b"/5"):
            assert dict(ask(app, "OPTIONS", target).headers)["allow"] == "GET, HEAD, OPTIONS"
        assert dict(ask(app, "OPTIONS", b"*").headers)["allow"] == "GET, HEAD, OPTIONS"

    def test_a_mount_comes_before_a_route_that_takes_everything(self, ask: Ask, make_app: MakeApp) -> None:
        app = make_app()

        @app.get("/{rest:path}")
        def everything(rest: str) -> str:
            return rest

        app.mount("/old", told_wsgi)
        assert ask(app, "GET", b"/new/x").body == b"new/x"
        assert place_of(ask(app, "GET", b"/old/x")) == ("/old", "/x")

    def test_the_longest_place_answers(self, ask: Ask, make_app: MakeApp) -> None:
        """M-18"""
        app = make_app()
        app.mount("/", text_asgi)
        app.mount("/a", told_wsgi)
        app.mount("/a/b", text_wsgi)
        assert ask(app, "GET", b"/x").body == b"asgi"
        assert place_of(ask(app, "GET", b"/a/x")) == ("/a", "/x")
        assert ask(app, "GET", b"/a/b/x").body == b"wsgi"

    def test_a_mount_may_have_a_host(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        app = make_app()
        app.mount("/", foreign, host="old.example.com")

        @app.get("/")
        def index() -> str:
            return "new"

        assert ask(app, "GET", b"/").body == b"new"
        assert place_of(ask(app, "GET", b"/", [(b"host", b"old.example.com")])) == ("", "/")
        assert ask(app, "GET", b"/x").status == 404

    def test_a_mount_in_a_router_stands_below_its_prefix(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        app, router = make_app(), Router("/api", name="api", middleware=[passing])
        router.mount("/old", foreign, name="old")
        app.include_router(router, "/v1")
        answered = ask(app, "GET", b"/v1/api/old/x")
        assert place_of(answered) == ("/v1/api/old", "/x")
        assert ("x-passed", "inline") in answered.headers
        assert app.url_for("api.old", path="a/b") == "/v1/api/old/a/b"
        assert app.url_for("api.old") == "/v1/api/old"

    @pytest.mark.parametrize("path", ["a", "a/b/", "é/ö", "%2F"])
    def test_url_for_is_the_way_back(self, ask: Ask, make_app: MakeApp, foreign: Any, path: str) -> None:
        """M-18"""
        app = make_app()
        app.mount("/old", foreign, name="old")
        _, below = place_of(ask(app, "GET", app.url_for("old", path=path).encode()))
        assert (below.encode("latin-1").decode() if foreign is told_wsgi else below) == "/" + path

    def test_a_fallback_answers_what_no_route_does(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        app = make_app()

        @app.get("/items/")
        def items() -> str:
            return "here"

        app.fallback(foreign)
        assert ask(app, "GET", b"/items/").body == b"here"
        assert place_of(ask(app, "POST", b"/items/")) == ("", "/items/")
        # Without a fallback this is a redirect to what is here; the old application may know it as it stands.
        assert place_of(ask(app, "GET", b"/items")) == ("", "/items")
        assert place_of(ask(app, "GET", b"/nowhere")) == ("", "/nowhere")

    def test_a_mount_is_in_no_document(self, make_app: MakeApp) -> None:
        app = make_app(openapi_url="/openapi.json")
        app.mount("/old", told_wsgi)
        assert app.openapi()["paths"] == {}

    def test_a_mount_has_a_name(self, make_app: MakeApp) -> None:
        app = make_app()
        app.mount("/old", told_wsgi)
        assert {repr(route.mount) for route in app.routes} == {"<Mount 'told_wsgi'>"}

    def test_two_mounts_of_one_place_collide(self, make_app: MakeApp) -> None:
        app = make_app()
        app.mount("/old", told_wsgi)
        with pytest.raises(ConfigurationError, match=r"both answer any method /old; change the path"):
            app.mount("/old", told_asgi)


class TestAround:
    def test_middleware_runs_around_a_mount(self, ask: Ask, make_app: MakeApp, foreign: Any, around: Any) -> None:
        app = make_app(middleware=around)
        app.mount("/old", foreign)
        passed = dict(ask(app, "POST", b"/old/x", [], b"sent").headers).get("x-passed")
        assert passed == {name: name for name, layers in AROUND.items() if layers}.get(
            next(name for name, layers in AROUND.items() if layers is around)
        )

    @pytest.mark.parametrize("colour", ["inline", "def", "async def"])
    @pytest.mark.parametrize("fallback", [False, True])
    def test_middleware_that_refuses_refuses_a_mount(
        self, ask: Ask, make_app: MakeApp, foreign: Any, colour: str, fallback: bool
    ) -> None:
        def refuse(request: Request) -> Generator[Any, Any]:
            yield PlainTextResponse("no", 403)

        async def waiting_refuse(request: Request) -> AsyncGenerator[Any, Any]:
            yield PlainTextResponse("no", 403)

        layer = {"inline": inline(refuse), "def": functools.partial(refuse), "async def": waiting_refuse}[colour]
        called = []

        def never(told: Any, *args: Any) -> Any:
            if told.get("type") != "lifespan":
                called.append(told)

        app = make_app(middleware=[layer])
        which: dict[str, Any] = {"wsgi" if foreign is told_wsgi else "asgi": never}
        if fallback:
            app.fallback(**which)
        else:
            app.mount("/old", **which)
        answered = ask(app, "POST", b"/old/x", [], b"body")
        assert (answered.status, answered.body, called) == (403, b"no", [])

    def test_the_middleware_of_the_mount_alone(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        app = make_app()
        app.mount("/old", foreign, middleware=[passing])
        app.mount("/other", foreign)
        assert ("x-passed", "inline") in ask(app, "GET", b"/old/").headers
        assert ("x-passed", "inline") not in ask(app, "GET", b"/other/").headers

    def test_dependencies_are_made_for_a_mount(self, ask: Ask, make_app: MakeApp, foreign: Any) -> None:
        def check(request: Request) -> None:
            if "x-token" not in request.headers:
                raise HTTPException(401, headers={"www-authenticate": "Bearer"})

        app = make_app(dependencies=[Depends(check)])
        app.mount("/old", foreign)
        assert ask(app, "GET", b"/old/").status == 401
        assert place_of(ask(app, "GET", b"/old/", [(b"x-token", b"1")])) == ("/old", "/")

    def test_a_server_of_its_kind_calls_it_itself_where_nothing_stands_between(
        self, ask: Ask, make_app: MakeApp
    ) -> None:
        """The environ is the server's own, and a scope but for its place; what comes back is the application's own."""
        seen: list[Any] = []

        def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            seen.append(environ["told.by.server"])
            return text_wsgi(environ, start_response)

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope["told.by.server"])
            await text_asgi(scope, receive, send)

        app = make_app()
        app.fallback(wsgi=wsgi, asgi=asgi)
        mark = object()
        answered = ask(app, "GET", b"/x", edit=lambda told: told.update({"told.by.server": mark}))
        assert answered.body == ask.door.encode()
        assert seen == [mark]

    @pytest.mark.parametrize("around", ["nothing", "inline"])
    def test_what_is_said_of_a_mount_holds_behind_every_server(
        self, ask: Ask, make_app: MakeApp, foreign: Any, around: str
    ) -> None:
        """R51, M-13: limits keep a server of the application's own kind from calling it past them."""
        app = make_app(middleware=AROUND[around])
        app.mount("/old", foreign, max_body_size=4)
        app.mount("/silent", asgi=silent, timeout=0.02)
        assert ask(app, "POST", b"/old/", [], b"1234").status == 200
        assert ask(app, "POST", b"/old/", [], b"12345").status == 413
        assert ask(app, "GET", b"/silent/").status == 504

    def test_what_a_server_told_stays_there_behind_middleware(
        self, ask: Ask, make_app: MakeApp, foreign: Any, around: Any
    ) -> None:
        app = make_app(middleware=around)
        app.mount("/old", foreign)
        told = json.loads(ask(app, "GET", b"/old/", edit=lambda told: told.update({"told.by.server": "yes"})).body)
        kind = "wsgi" if foreign is told_wsgi else "asgi"
        assert told.get("told.by.server") == ("yes" if ask.door == kind else None)

    def test_contexts_stay_apart(self, ask: Ask, make_app: MakeApp, around: Any) -> None:
        """M-17: what is set outside is seen inside, what is set inside is not seen outside."""
        value: ContextVar[str] = ContextVar("value", default="unset")
        seen = []

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                seen.append(value.get())
                value.set("inside")
                await text_asgi(scope, receive, send)

        def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            seen.append(value.get())
            value.set("inside")
            return text_wsgi(environ, start_response)

        def outside(request: Request) -> Generator[Any, Any]:
            value.set("outside")
            yield
            seen.append(value.get())

        app = make_app(middleware=[*around, outside])
        app.mount("/asgi", asgi)
        app.mount("/wsgi", wsgi)
        for target in (b"/asgi/", b"/wsgi/"):
            ask(app, "GET", target)
        assert seen == ["outside", "outside", "outside", "outside"]

    def test_the_running_request_is_that_of_the_innermost_application(self, ask: Ask, make_app: MakeApp) -> None:
        """M-17"""
        inner, outer = make_app(), make_app(middleware=[passing])

        @inner.get("/x")
        async def show() -> dict[str, Any]:
            return {
                "app": running.app is inner,
                "root": running.root_path,
                "path": running.path,
                "url": url_for("show"),
            }

        @outer.after_request
        def after(response: Any) -> None:
            response.headers["x-outer"] = str(running.app is outer)

        outer.mount("/in", inner)
        answered = ask(outer, "GET", b"/in/x")
        assert json.loads(answered.body) == {"app": True, "root": "/in", "path": "/x", "url": "/in/x"}
        assert ("x-outer", "True") in answered.headers


class TestNested:
    """An App in an App speaks both protocols."""

    def test_it_answers_as_by_itself(self, ask: Ask, make_app: MakeApp, around: Any) -> None:
        inner, outer = make_app(), make_app(middleware=around)

        @inner.get("/def/{n:int}")
        def plain(n: int) -> dict[str, int]:
            return {"n": n}

        @inner.post("/async")
        async def waiting(request: Request) -> Any:
            return request.json

        outer.mount("/in", inner)
        assert ask(outer, "GET", b"/in/def/5").body == b'{"n":5}'
        assert ask(outer, "POST", b"/in/async", [(b"content-type", b"application/json")], b"[1]").body == b"[1]"
        assert ask(outer, "GET", b"/in/nothing").status == 404

    def test_all_of_it_runs_on_one_loop(self, make_app: MakeApp, client: MakeClient, around: Any) -> None:
        """Design promise 4: one long-lived loop a process."""
        inner, outer = make_app(), make_app(middleware=around)
        loops = set()

        async def note() -> str:
            import sniffio

            token: Any = None
            if sniffio.current_async_library() == "trio":
                import trio

                token = trio.lowlevel.current_trio_token()
            else:
                import asyncio

                token = asyncio.get_running_loop()
            loops.add(id(token))
            await anyio.lowlevel.checkpoint()
            return "noted"

        inner.get("/")(note)
        outer.get("/")(note)
        outer.mount("/in", inner)

        @inner.lifespan
        async def life() -> AsyncGenerator[None]:
            await note()
            yield

        opened = client(outer)
        assert opened.get("/").text == opened.get("/in/").text == "noted"
        assert len(loops) == 1


class TestToldApart:
    def test_applications_of_frameworks_are_told_apart(self) -> None:
        from django.core.handlers.asgi import ASGIHandler
        from django.core.handlers.wsgi import WSGIHandler

        from duoframe.mounting import told_apart

        bare_django = WSGIHandler.__new__(WSGIHandler)
        waiting_django = ASGIHandler.__new__(ASGIHandler)
        for app in (flask.Flask("x"), bare_django, text_wsgi, functools.partial(text_wsgi), flask.Flask("x").wsgi_app):
            assert told_apart(app, None, None) == (app, None)
        for app in (Starlette(), waiting_django, text_asgi, functools.partial(text_asgi)):
            assert told_apart(app, None, None) == (None, app)

    def test_three_arguments_are_asgi_s(self) -> None:
        from duoframe.mounting import told_apart

        def wrapped(scope: Scope, receive: Receive, send: Send) -> Any:
            return text_asgi(scope, receive, send)

        assert told_apart(wrapped, None, None) == (None, wrapped)

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"app": lambda *args: None}, "could speak WSGI or ASGI: say which, with wsgi=application or asgi="),
            ({"app": lambda scope: None}, "could speak WSGI or ASGI"),
            ({"app": dict}, "expected a WSGI or an ASGI application, got <class 'dict'>"),
            ({"app": "app"}, "expected a WSGI or an ASGI application, got 'app'"),
            ({"app": len}, "could speak WSGI or ASGI"),
            ({"app": type("C", (), {"__call__": print})()}, "could speak WSGI or ASGI"),
            ({}, "expected an application, wsgi=application or asgi=application, got none"),
            ({"wsgi": "app"}, "expected a callable wsgi='app'"),
            ({"asgi": 5}, "expected a callable asgi=5"),
            ({"app": text_wsgi, "wsgi": text_wsgi}, "got both: name it once"),
            ({"app": Router("/x")}, "a Router is no application; use include_router"),
        ],
    )
    def test_what_is_no_application_is_refused(self, make_app: MakeApp, given: dict[str, Any], problem: str) -> None:
        with pytest.raises(ConfigurationError, match="/old") as caught:
            make_app().mount("/old", **given)
        assert problem in str(caught.value)

    def test_nothing_is_mounted_once_the_application_has_started(self, ask: Ask, make_app: MakeApp) -> None:
        app = make_app()
        ask(app, "GET", b"/")
        with pytest.raises(ConfigurationError, match="registered after the application had started"):
            app.mount("/old", told_wsgi)


def test_a_starlette_application_routes_below_its_place(ask: Ask, make_app: MakeApp, around: Any) -> None:
    def show(request: Any) -> Any:
        return StarletteText(f"{request.scope['root_path']} {request.url.path} {request.url_for('show')}")

    inner = Starlette(routes=[StarletteRoute("/", show, name="show"), StarletteMount("/in", routes=[])])
    app = make_app(middleware=around)
    app.mount("/new", inner)
    expected = b"/new /new/ http://testserver/new/"
    assert ask(app, "GET", b"/new").body == ask(app, "GET", b"/new/").body == expected


def test_flask_answers_below_its_place(make_app: MakeApp, client: MakeClient, around: Any) -> None:
    inner = flask.Flask("inner")

    @inner.get("/")
    def index() -> str:
        return flask.url_for("index") + " " + flask.request.url

    @inner.route("/data", methods=["POST"])
    def data() -> Any:
        return {"form": flask.request.form.to_dict(), "files": list(flask.request.files)}

    app = make_app(middleware=around)
    app.mount("/old", inner)
    opened = client(app)
    assert opened.get("/old/").text == "/old/ http://testserver/old/"
    answered = opened.post("/old/data", data={"a": "1"}, files={"f": ("n", b"x")})
    assert answered.json() == {"form": {"a": "1"}, "files": ["f"]}


def test_an_error_of_a_mount_is_answered_behind_middleware(
    ask: Ask, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """M-14"""

    def broken(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError("broken")

    async def waiting_broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("broken")

    app = make_app(middleware=[passing])
    app.mount("/wsgi", broken)
    app.mount("/asgi", waiting_broken)
    for target in (b"/wsgi/", b"/asgi/"):
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            answered = ask(app, "GET", target)
        assert answered.status == 500
        assert ("x-passed", "inline") in answered.headers
        assert "broken" not in answered.body.decode()
        assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["broken"]


def test_an_error_is_the_server_s_where_nothing_stands_between(make_app: MakeApp) -> None:
    def broken(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise ValueError("broken")

    app = make_app()
    app.mount("/", broken)
    with Client(app, "wsgi") as opened, pytest.raises(ValueError, match="broken"):
        opened.get("/")
