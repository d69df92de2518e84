"""What is said of an application: its routes and mounts, and the remarks on them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Annotated, Any

import pytest

from duoframe import App, Depends, Request, Response, Router, inline
from duoframe.check.remarks import Remark
from duoframe.check.report import NO_ROUTE, Report, RouteFacts, RunFacts, examine
from duoframe.threads import Threads
from duoframe.types import Environ, Receive, Scope, Send, StartResponse
from tests.check.trail import Trail
from tests.conftest import Ask, MakeApp

GATE = threading.Event()
"""Nothing waits for it here: the source is read, not run."""


def looked_at(app: App) -> Report:
    return examine(app, "shop:app")


def facts(app: App, path: str = "/") -> RouteFacts:
    [found] = [route for route in looked_at(app).routes if route.path == path]
    return found


def remarks(app: App, kind: str) -> list[Remark]:
    return [remark for remark in looked_at(app).remarks if remark.kind == kind]


# Routes.


def test_each_route_is_told_in_the_order_of_registration(app: App) -> None:
    api = Router("/api", name="api", host="api.example.com")

    @api.route("/items", methods=["GET", "POST"])
    async def items() -> str:
        return ""

    @app.get("/{id:int}")
    def show(id: int) -> str:
        return ""

    app.include_router(api)
    routes = looked_at(app).routes
    assert [(route.methods, route.host, route.path, route.name, route.label) for route in routes] == [
        (("GET",), None, "/{id:int}", "show", "GET /{id:int}"),
        (("GET", "POST"), "api.example.com", "/api/items", "api.items", "GET,POST api.example.com/api/items"),
        ((), None, NO_ROUTE, None, NO_ROUTE),
    ]
    assert [(route.colour, route.handler.colour, route.handler.name) for route in routes[:2]] == [
        ("def", "def", "test_each_route_is_told_in_the_order_of_registration.show"),
        ("async def", "async def", "test_each_route_is_told_in_the_order_of_registration.items"),
    ]
    assert routes[0].handler.place.startswith("tests/check/test_report.py:") or routes[0].handler.file == __file__


def test_the_methods_of_a_view_are_routes_of_their_own(app: App) -> None:
    @app.route("/")
    class View:
        def get(self) -> str:
            return ""

        async def post(self) -> str:
            GATE.wait()
            return ""

    assert [(route.methods, route.colour) for route in looked_at(app).routes[:-1]] == [
        (("GET",), "def"),
        (("POST",), "async def"),
    ]
    [blocking] = remarks(app, "blocking")
    assert blocking.routes == ("POST /",)


def test_only_chosen_routes_are_looked_at(app: App) -> None:
    @app.get("/one")
    async def one() -> None:
        GATE.wait()

    @app.get("/two")
    def two() -> None: ...

    report = examine(app, "shop:app", lambda path: path == "/two")
    assert [route.path for route in report.routes] == ["/two"]
    assert report.warnings == 0


def test_what_no_route_answers_has_a_plan_too(app: App) -> None:
    @app.middleware
    async def around(request: Request) -> AsyncIterator[Any]:
        yield

    found = facts(app, NO_ROUTE)
    assert (found.handler.name, found.handler.place, found.colour) == ("refusal", "duoframe", "async def")
    assert found.cause is not None
    assert found.cause.role == "middleware"


# Mounts: what is said of them, against where they run.


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
@pytest.mark.parametrize("around", ["", "i", "s", "a"])
def test_a_mounted_application_runs_where_it_is_said_to(
    make_app: MakeApp, ask: Ask, monkeypatch: pytest.MonkeyPatch, around: str, kind: str
) -> None:
    app, trail = make_app(), Trail(ask.door)
    hops: list[None] = []
    run = Threads.run

    async def counting(threads: Threads, *args: Any, **kwargs: Any) -> Any:
        hops.append(None)
        return await run(threads, *args, **kwargs)

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        trail.mark("mounted")
        start_response("200 OK", [("content-type", "text/plain")])
        return [b"done"]

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        trail.mark("mounted")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"done"})

    def plain(request: Request) -> Iterator[Any]:
        yield

    def unmarked(request: Request) -> Iterator[Any]:
        yield

    async def waiting(request: Request) -> AsyncIterator[Any]:
        yield

    if around:
        app.middleware({"i": inline(plain), "s": unmarked, "a": waiting}[around])
    app.mount("/old", {"wsgi": wsgi, "asgi": asgi}[kind])
    found = facts(app, "/old/{path:path}")
    monkeypatch.setattr(Threads, "run", counting)
    assert ask(app, "GET", b"/old/x").body == b"done"
    said: RunFacts = getattr(found, ask.door)
    assert [place for _, place in trail.steps] == [said.place if said.untouched else getattr(found.handler, ask.door)]
    assert len(hops) == said.hops
    assert said.untouched is (not around and kind == ask.door)


def test_a_mount_is_one_route_whose_application_is_named(app: App) -> None:
    def legacy(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return []

    @app.middleware
    async def around(request: Request) -> AsyncIterator[Any]:
        yield

    app.mount("/old", legacy, name="old")
    app.fallback(App())
    old, fallback, _ = looked_at(app).routes
    assert (old.methods, old.path, old.name, old.label) == (("*",), "/old/{path:path}", "old", "* /old/{path:path}")
    assert old.mount is not None
    assert (old.mount.name, old.mount.protocols) == (
        "test_a_mount_is_one_route_whose_application_is_named.legacy",
        ("WSGI",),
    )
    assert (old.handler.role, old.handler.colour, old.handler.place) == ("mount", "def", "")
    assert old.cause is not None
    assert fallback.path == "/{path:path}"
    assert fallback.mount is not None
    assert fallback.mount.protocols == ("WSGI", "ASGI")
    assert fallback.cause is None


# Remarks.


def test_a_call_that_blocks_is_a_warning_for_all_routes_it_holds(app: App) -> None:
    @app.before_request
    async def load(request: Request) -> None:
        GATE.wait()

    @app.middleware
    @inline
    def stamp(request: Request) -> Iterator[Any]:
        helper()
        yield

    @app.lifespan
    async def start(app: App) -> AsyncIterator[None]:
        GATE.wait()
        yield

    @app.middleware
    def fine(request: Request) -> Iterator[Any]:
        GATE.wait()
        yield

    @app.errorhandler(404)
    async def missing(error: Exception) -> str:
        GATE.wait()
        return ""

    app.get("/one")(lambda: "")
    app.get("/two")(lambda: "")
    found = remarks(app, "blocking")
    here = "test_a_call_that_blocks_is_a_warning_for_all_routes_it_holds"
    held = "threading.Event().wait() holds the event loop"
    everywhere = ("GET /one", "GET /two", NO_ROUTE)
    assert [(remark.level, remark.text.partition(";")[0], remark.routes) for remark in found] == [
        ("warning", f"{held}: `async def` hook '{here}.load' calls it", everywhere),
        ("warning", f"{held}: `@inline` middleware '{here}.stamp' calls it, by way of 'helper'", everywhere),
        ("warning", f"{held}: `async def` error handler '{here}.missing' calls it", everywhere),
        ("warning", f"{held}: `async def` lifespan '{here}.start' calls it", ()),
    ]
    assert found[0].place.rpartition(":")[0] == found[1].place.rpartition(":")[0] != ""
    assert looked_at(app).warnings == 4


def helper() -> None:
    GATE.wait()


def test_what_recolours_routes_and_what_hops_is_noted_once(app: App) -> None:
    @app.middleware
    async def timing(request: Request) -> AsyncIterator[Any]:
        yield

    @app.after_request
    def stamp(response: Response) -> None: ...

    def database() -> Iterator[sqlite3.Connection]:
        yield sqlite3.connect(":memory:")

    @app.get("/one")
    async def one(db: Annotated[sqlite3.Connection, Depends(database)]) -> None: ...

    @app.get("/two")
    def two() -> Iterator[str]:
        yield ""

    [colour] = remarks(app, "colour")
    here = "test_what_recolours_routes_and_what_hops_is_noted_once"
    assert colour.text.startswith(f"`async def` middleware '{here}.timing' makes `def` routes `async def`")
    assert (colour.level, colour.routes) == ("note", ("GET /two", NO_ROUTE))
    hops = remarks(app, "hop")
    assert [(hop.text.partition(" forces")[0], hop.routes) for hop in hops] == [
        (f"`def` hook '{here}.stamp'", ("GET /one", "GET /two", NO_ROUTE)),
        (f"`def` dependency '{here}.database'", ("GET /one",)),
    ]
    [moved] = remarks(app, "cleanup")
    assert moved.text.startswith(f"dependency '{here}.database' may be left on another thread than the one it was")
    assert moved.routes == ("GET /one",)
    [stream] = remarks(app, "stream")
    assert stream.text == f"`def` handler '{here}.two' yields its answer in an `async def` route: each chunk is a hop"
    assert all(remark.place for remark in looked_at(app).remarks)


def test_a_def_route_is_remarked_on_in_nothing(app: App) -> None:
    def database() -> Iterator[sqlite3.Connection]:
        yield sqlite3.connect(":memory:")

    @app.before_request
    def load(request: Request) -> None:
        GATE.wait()

    @app.get("/")
    def index(db: Annotated[sqlite3.Connection, Depends(database)]) -> Iterator[str]:
        yield ""

    assert looked_at(app).remarks == ()


class Around:
    """Stands for middleware of a server's protocol."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, *args: Any) -> Any:
        return self.inner(*args)


@pytest.mark.parametrize(("door", "other"), [("wsgi", "asgi"), ("asgi", "wsgi")])
def test_one_door_wrapped_is_a_warning_and_both_are_none(app: App, door: str, other: str) -> None:
    assert looked_at(app).wrapped == {}
    getattr(app, f"wrap_{door}")(Around)
    [remark] = remarks(app, "door")
    assert looked_at(app).wrapped == {door: "'Around'"}
    assert (remark.level, remark.routes) == ("warning", ())
    assert remark.text == (
        f"the {door.upper()} door is wrapped, by 'Around', and the {other.upper()} door is not: behind {other.upper()}"
        f" servers it does not run; wrap that too, with `app.wrap_{other}(...)`, or write it as middleware of the"
        " application"
    )
    getattr(app, f"wrap_{other}")(Around)
    assert remarks(app, "door") == []


def test_a_server_that_picks_wrongly_is_a_warning() -> None:
    class Plain(App):
        def __init__(self) -> None:
            super().__init__()
            vars(self).pop("__call__", None)

        def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
            return super().__call__(scope, receive, send)

    found = remarks(Plain(), "server")
    assert [remark.text.split(" ")[0] for remark in found] == ["gunicorn", "uvicorn", "hypercorn"]
    assert "takes the object for ASGI 2" in found[1].text
    assert "leave `__call__` as App has it in" in found[1].text


def test_remarks_are_numbered_warnings_first(app: App) -> None:
    @app.middleware
    async def timing(request: Request) -> AsyncIterator[Any]:
        yield

    @app.get("/")
    def index() -> None: ...

    app.wrap_wsgi(Around)
    assert [(remark.number, remark.level) for remark in looked_at(app).remarks] == [(1, "warning"), (2, "note")]
