"""The application object: how servers tell what it is, what it is configured with, and how it is copied."""

from __future__ import annotations

import asyncio
import copy
import inspect
import io
import logging
import pickle
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import anyio
import cloudpickle  # type: ignore[import-untyped]  # it has none
import pytest
from asgiref.compatibility import guarantee_single_callable, is_double_callable
from hypercorn.utils import is_asgi
from uvicorn.config import Config

from duoframe import App, ConfigurationError, Converter, Limits, Request, Router, inline
from duoframe import request as running
from duoframe.testing import Door, exchange
from tests.conftest import Ask, MakeApp

# What servers look at


def test_a_server_that_asks_for_a_coroutine_function_finds_one(app: App) -> None:
    """uvicorn, hypercorn and daphne look at ``app.__call__``."""
    assert inspect.iscoroutinefunction(app.__call__)
    assert asyncio.iscoroutinefunction(app.__call__)
    assert not inspect.iscoroutinefunction(app)
    assert not inspect.isclass(app)
    assert not inspect.isfunction(app)


def test_uvicorn_takes_the_app_for_asgi_3() -> None:
    config = Config(APP, interface="auto")
    config.load()
    assert config.interface == "asgi3"
    assert config.loaded_app is not None


def test_hypercorn_takes_the_app_for_asgi(app: App) -> None:
    assert is_asgi(app)


def test_asgiref_takes_the_app_for_a_single_callable(app: App) -> None:
    """daphne asks asgiref."""
    assert not is_double_callable(app)  # type: ignore[no-untyped-call]  # asgiref's, which has no types
    assert guarantee_single_callable(app) is app  # type: ignore[no-untyped-call]  # as above


@pytest.mark.parametrize("arguments", [(), ({},)])
def test_a_call_with_too_few_arguments_is_a_type_error(app: App, arguments: Any) -> None:
    """uvicorn calls the object with nothing first, to see whether it is a factory."""
    call: Any = app
    with pytest.raises(TypeError, match="missing"):
        call(*arguments)


def test_the_signature_is_that_of_an_asgi_app_whose_send_may_be_left_out(app: App) -> None:
    for callable_ in (app, app.__call__):
        signature = inspect.signature(callable_)
        assert list(signature.parameters) == ["scope", "receive", "send"]
        assert signature.parameters["send"].default is None
        signature.bind({}, None)
        signature.bind(scope={}, receive=None, send=None)


SCOPE = {"type": "http", "method": "GET", "path": "/", "headers": []}


def asgi_call(call: Any, *, keywords: bool = False) -> list[Any]:
    """One ASGI call as daphne makes it, or with arguments in place."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        if keywords:
            await call(scope=dict(SCOPE), receive=receive, send=send)
        else:
            await call(dict(SCOPE), receive, send)

    anyio.run(main)
    return sent


def wsgi_call(call: Any) -> bytes:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http"}
    return b"".join(call(environ, lambda status, headers, exc_info=None: None))


@pytest.mark.parametrize("through", [lambda app: app, lambda app: app.__call__], ids=["app", "app.__call__"])
def test_one_object_answers_both_calls(app: App, through: Any) -> None:
    app.get("/")(lambda: "both")
    call = through(app)
    assert wsgi_call(call) == b"both"
    assert asgi_call(call)[1]["body"] == b"both"
    assert asgi_call(call, keywords=True)[1]["body"] == b"both"


def test_each_door_has_a_name(app: App) -> None:
    app.get("/")(lambda: "named")
    assert wsgi_call(app.wsgi) == b"named"
    assert asgi_call(app.asgi)[1]["body"] == b"named"


def test_granians_own_protocol_is_refused_with_the_way_out(app: App) -> None:
    with pytest.raises(ConfigurationError, match="--interface asgi"):
        app.__rsgi_init__(None)


def test_an_app_passes_for_its_own_call_in_other_attributes_too(app: App) -> None:
    call: Any = app.__call__
    assert call.__name__ == "__call__"
    assert "WSGI" in call.__doc__
    assert call.__self__ is app


# Middleware around one door


def test_a_door_may_be_wrapped_and_the_other_stays(app: App) -> None:
    app.get("/")(lambda: "inside")

    def wsgi_shouting(wrapped: Any) -> Any:
        return lambda environ, start_response: [b"".join(wrapped(environ, start_response)).upper()]

    app.wrap_wsgi(wsgi_shouting)
    assert (wsgi_call(app), asgi_call(app)[1]["body"]) == (b"INSIDE", b"inside")
    seen: list[str] = []

    def asgi_noting(wrapped: Any) -> Any:
        async def noting(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["type"])
            await wrapped(scope, receive, send)

        return noting

    app.wrap_asgi(asgi_noting)
    assert (wsgi_call(app), asgi_call(app)[1]["body"]) == (b"INSIDE", b"inside")
    assert seen == ["http"]


# Copies. Ray sends the application to its workers with cloudpickle.

APP = App()


@APP.middleware
@inline
def header(request: Request) -> Generator[Any, Any]:
    response = yield
    response.headers["x-path"] = running.path


@APP.get("/{name}/{n:int}")
def hello(name: str, n: int) -> str:
    return f"hello {name} {n}"


@APP.get("/later")
async def later(request: Request) -> str:
    await asyncio.sleep(0)
    return f"later {APP.url_for('hello', name='x', n=1)}"


@APP.route("/view")
class View:
    def get(self) -> str:
        return "view"


@APP.errorhandler(404)
def not_found(request: Request, error: Exception) -> str:
    return "not here"


@APP.after_request
def after(response: Any) -> None:
    response.headers["x-after"] = "yes"


def check(app: App) -> None:
    doors: tuple[Door, ...] = ("wsgi", "asgi")
    for door in doors:
        answer = exchange(app, door, "GET", b"/a/7")
        assert answer.body == b"hello a 7"
        assert dict(answer.headers)["x-path"] == "/a/7"
        assert dict(answer.headers)["x-after"] == "yes"
        assert exchange(app, door, "GET", b"/later").body == b"later /x/1"
        assert exchange(app, door, "GET", b"/view").body == b"view"
        assert exchange(app, door, "GET", b"/nowhere").body == b"not here"
    assert inspect.iscoroutinefunction(app.__call__)
    app.shutdown()


COPIES = {
    "cloudpickle": lambda app: pickle.loads(cloudpickle.dumps(app)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_answers_as_the_original_does(how: str) -> None:
    made = COPIES[how](APP)
    assert made is not APP
    assert made.wsgi is not APP.wsgi
    check(made)


def test_a_copy_is_an_app_of_its_own() -> None:
    original = App()
    original.state.name = "original"
    original.get("/")(lambda request: request.app.state.name)
    for copied in COPIES.values():
        made = copied(original)
        made.state.name = "copy"
        made.get("/own")(lambda: "x")
        assert (wsgi_call(made), wsgi_call(made.__call__)) == (b"copy", b"copy")
        assert asgi_call(made)[1]["body"] == b"copy"
        made.shutdown()
    assert wsgi_call(original) == b"original"
    assert len(original.routes) == 1
    original.shutdown()


def test_a_started_app_is_copied_as_one_that_has_not_started(app: App) -> None:
    app.get("/")(lambda: "x")
    seen: list[str] = []

    @app.lifespan
    def life() -> Iterator[None]:
        seen.append("up")
        yield

    assert asgi_call(app)[1]["body"] == b"x"
    app.startup()
    assert app.started
    for copied in COPIES.values():
        made = copied(app)
        assert not made.started
        assert wsgi_call(made) == b"x"
        made.shutdown()


# Configuration


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"threads": 0}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"threads": True}, "threads"),
        ({"streams": -1}, "streams"),
        ({"max_body_size": -1}, "max_body_size"),
        ({"max_body_size": "1M"}, "max_body_size"),
        ({"converters": {"slug": Converter}}, "'slug' to be a Converter"),
        ({"converters": {"slug": "[a-z]+"}}, "'slug' to be a Converter"),
        ({"middleware": [len]}, "yield"),
    ],
)
def test_a_wrong_setting_is_told_when_the_app_is_made(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        App(**options)


def test_limits_may_be_set_one_by_one(ask: Ask, make_app: MakeApp) -> None:
    app = make_app(limits=Limits(max_body_size=3))
    app.post("/")(lambda request: request.body)
    assert ask(app, "POST", b"/", body=b"abcd").status == 413
    assert ask(app, "POST", b"/", body=b"abc").body == b"abc"


def test_a_route_has_limits_of_its_own(make_app: MakeApp, ask: Ask, colour: Any) -> None:
    """R51"""
    app = make_app(limits=Limits(max_body_size=9, max_fields=1))
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    app.post("/app")(colour(lambda request: dict(request.form)))
    app.post("/own", limits=Limits(max_fields=2))(colour(lambda request: dict(request.form)))
    app.post("/both", limits=Limits(max_fields=2), max_body_size=6)(colour(lambda request: dict(request.form)))
    statuses = {
        target: [ask(app, "POST", target, form, body).status for body in (b"a=1", b"a=1&b=2", b"a=1&b=2&c=3")]
        for target in (b"/app", b"/own", b"/both")
    }
    assert statuses == {b"/app": [200, 413, 413], b"/own": [200, 200, 413], b"/both": [200, 413, 413]}


def test_own_converters_take_part_in_paths(ask: Ask, make_app: MakeApp, colour: Any) -> None:
    class Slug(Converter):
        pattern = "[a-z]+(?:-[a-z]+)*"

        def to_python(self, text: str) -> list[str]:
            return text.split("-")

        def to_url(self, value: list[str]) -> str:
            return "-".join(value)

    app = make_app(converters={"slug": Slug()})

    def show(words: list[str]) -> list[str]:
        return words

    app.get("/{words:slug}", name="show")(colour(show))
    assert ask(app, "GET", b"/a-b").body == b'["a","b"]'
    assert ask(app, "GET", b"/A").status == 404
    assert app.url_for("show", words=["c", "d"]) == "/c-d"


def test_making_an_app_starts_nothing() -> None:
    """P-01: no thread, no loop, and neither asyncio's nor anyio's machinery."""
    code = (
        "import sys, threading\n"
        "import duoframe\n"
        "app = duoframe.App()\n"
        "app.get('/')(lambda: 'x')\n"
        "print(threading.active_count(), *(name in sys.modules for name in ('anyio', 'msgspec', 'multipart')))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False", "False", "False"]


# Start


def test_compiling_twice_changes_nothing(app: App) -> None:
    app.get("/")(lambda: "x")
    app.compile()
    plan = app.routes[0].plan
    app.compile()
    assert app.routes[0].plan is plan
    assert wsgi_call(app) == b"x"


async def waiting_layer(request: Request) -> AsyncGenerator[Any, Any]:
    yield


def test_in_debug_the_start_says_how_many_def_routes_need_a_loop(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "duoframe")

    async def waiting() -> str:
        return "x"

    for debug, layers, expected in ((True, [waiting_layer], 1), (True, [], 0), (False, [waiting_layer], 0)):
        app = make_app(debug=debug, middleware=layers)
        app.get("/a")(lambda: "x")
        app.get("/b")(lambda: "x")
        app.get("/c")(waiting)
        app.startup()
        app.startup()
        records = [record.getMessage() for record in caplog.records if "need an event loop" in record.getMessage()]
        assert len(records) == expected
        if expected:
            assert records[0].startswith("2 `def` routes")
        caplog.clear()


def test_every_plain_route_of_an_app_without_async_pieces_is_sync_or_inline(app: App) -> None:
    router = Router()
    router.get("/inline")(inline(lambda: "x"))
    router.get("/def")(lambda: "x")
    app.include_router(router)
    app.compile()
    assert [route.plan.colour.name for route in app.routes] == ["INLINE", "SYNC"]


def test_the_proxy_of_the_running_request_reads_and_sets_its_attributes(ask: Ask, app: App, colour: Any) -> None:
    def handler() -> Any:
        running.note = "set"  # type: ignore[attr-defined]  # an attribute of the test's own
        return [running.note, running.path, repr(running)]  # type: ignore[attr-defined]  # as above

    app.get("/a")(colour(handler))
    assert ask(app, "GET", b"/a").body == b'["set","/a","<Request GET \'/a\'>"]'
    assert repr(running) == "<request: none is running>"
    with pytest.raises(RuntimeError, match="outside a request"):
        _ = running.path


def test_the_limit_on_bodies_may_be_said_alone_or_beside_the_others() -> None:
    assert App().limits == Limits()
    assert App(max_body_size=5).limits == Limits(max_body_size=5)
    assert App(max_body_size=None, limits=Limits(max_fields=3)).limits == Limits(max_body_size=None, max_fields=3)
    assert App(limits=Limits(max_body_size=7)).limits.max_body_size == 7
