"""The order of events of a request, and the one mapping of errors, behind both doors and in both colours."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextvars import copy_context
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from duoframe import (
    App,
    ClientDisconnect,
    HTTPException,
    JSONResponse,
    PlainTextResponse,
    Request,
    Response,
    Router,
    StreamingResponse,
    abort,
    inline,
)
from duoframe import request as running
from duoframe.bridge import Hop, step
from duoframe.core import respond
from duoframe.limits import Limits
from duoframe.pieces import Piece, colour_of
from duoframe.plan import ErrorHandlers, Plan
from duoframe.testing import Client, exchange
from duoframe.threads import ThreadsExhaustedError
from tests.conftest import Ask, MakeApp, MakeClient

Middleware = Callable[..., Any]
Layer = Callable[[str, list[str]], Middleware]


def sync_layer(name: str, seen: list[str]) -> Middleware:
    def layer(request: Request) -> Generator[Any, Any]:
        seen.append(f"{name} in")
        response = yield
        seen.append(f"{name} out {response.status}")

    return layer


def async_layer(name: str, seen: list[str]) -> Middleware:
    async def layer(request: Request) -> AsyncGenerator[Any, Any]:
        seen.append(f"{name} in")
        response = yield
        seen.append(f"{name} out {response.status}")

    return layer


def inline_layer(name: str, seen: list[str]) -> Middleware:
    return inline(sync_layer(name, seen))


@pytest.fixture(params=[sync_layer, async_layer, inline_layer], ids=["def", "async def", "inline"])
def layer(request: pytest.FixtureRequest) -> Layer:
    """A maker of middleware that notes when it is entered and left, in each colour."""
    return request.param  # type: ignore[no-any-return]  # one of the three


def note(seen: list[Any], value: object, answer: str) -> str:
    """Remember a value, and answer."""
    seen.append(value)
    return answer


def fail(error: Exception) -> None:
    """Raise, where only an expression may stand."""
    raise error


def fields(answer: Any) -> dict[str, str]:
    return dict(answer.headers)


# Order


def test_layers_run_app_then_outer_router_then_inner_router_then_route(
    ask: Ask, app: App, layer: Layer, colour: Any
) -> None:
    seen: list[str] = []
    outer, inner = Router("/outer"), Router("/inner")
    app.middleware(layer("app one", seen))
    app.middleware(layer("app two", seen))
    outer.middleware(layer("outer", seen))
    inner.middleware(layer("inner", seen))

    def handler() -> str:
        seen.append("handler")
        return "done"

    inner.get("/", middleware=[layer("route one", seen), layer("route two", seen)])(colour(handler))
    outer.include_router(inner)
    app.include_router(outer)
    answer = ask(app, "GET", b"/outer/inner/")
    assert (answer.status, answer.body) == (200, b"done")
    names = ["app one", "app two", "outer", "inner", "route one", "route two"]
    assert seen == [f"{name} in" for name in names] + ["handler"] + [f"{name} out 200" for name in reversed(names)]


@pytest.mark.parametrize("kinds", ["sia", "ais", "sas", "asa", "sis", "isi", "aia", "iai", "ssaa", "isaiasis"])
def test_the_order_is_the_same_however_colours_are_mixed(ask: Ask, app: App, kinds: str, colour: Any) -> None:
    seen: list[str] = []
    makers = {"s": sync_layer, "a": async_layer, "i": inline_layer}
    names = [f"{kind}{place}" for place, kind in enumerate(kinds)]
    for name in names:
        app.middleware(makers[name[0]](name, seen))
    app.get("/")(colour(lambda: "done"))
    assert ask(app, "GET", b"/").body == b"done"
    assert seen == [f"{name} in" for name in names] + [f"{name} out 200" for name in reversed(names)]


def test_middleware_of_one_router_is_not_run_for_another(ask: Ask, app: App, layer: Layer) -> None:
    seen: list[str] = []
    one, two = Router("/one"), Router("/two")
    one.middleware(layer("one", seen))
    two.middleware(layer("two", seen))
    one.get("/")(lambda: "one")
    two.get("/")(lambda: "two")
    app.include_router(one)
    app.include_router(two)
    assert ask(app, "GET", b"/two/").body == b"two"
    assert seen == ["two in", "two out 200"]


# The answer passing through


def test_middleware_changes_the_answer_that_its_yield_gives(ask: Ask, app: App, colour: Any) -> None:
    @app.middleware
    def header(request: Request) -> Generator[Any, Any]:
        response = yield
        response.headers["x-path"] = request.path

    app.get("/a")(colour(lambda: "done"))
    assert fields(ask(app, "GET", b"/a"))["x-path"] == "/a"


@pytest.mark.parametrize("kind", ["def", "async def", "inline"])
def test_yielding_a_response_first_answers_early_and_the_rest_does_not_run(
    ask: Ask, app: App, kind: str, colour: Any
) -> None:
    seen: list[str] = []
    app.middleware(sync_layer("outer", seen))

    def gate(request: Request) -> Generator[Any, Any]:
        yield PlainTextResponse("no", 403)
        seen.append("gate resumed")

    async def async_gate(request: Request) -> AsyncGenerator[Any, Any]:
        yield PlainTextResponse("no", 403)
        seen.append("gate resumed")

    app.middleware({"def": gate, "async def": async_gate, "inline": inline(gate)}[kind])
    app.middleware(sync_layer("inner", seen))
    app.get("/")(colour(lambda: note(seen, "handler", "done")))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (403, b"no")
    assert seen == ["outer in", "gate resumed", "outer out 403"]


def test_an_early_answer_may_be_any_value_that_a_handler_may_return(ask: Ask, app: App) -> None:
    @app.middleware
    def early(request: Request) -> Generator[Any, Any]:
        yield {"blocked": True}, 429, {"retry-after": "7"}

    app.get("/")(lambda: "done")
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, fields(answer)["retry-after"]) == (429, b'{"blocked":true}', "7")


@pytest.mark.parametrize("maker", ["def", "async def"])
def test_yielding_a_second_time_replaces_the_answer(ask: Ask, app: App, maker: str, colour: Any) -> None:
    seen: list[str] = []
    app.middleware(sync_layer("outer", seen))

    @app.middleware
    def replace(request: Request) -> Generator[Any, Any]:
        response = yield
        yield PlainTextResponse(f"instead of {response.status}", 202)
        seen.append("resumed")

    async def async_replace(request: Request) -> AsyncGenerator[Any, Any]:
        response = yield
        yield PlainTextResponse(f"instead of {response.status}", 202)
        seen.append("resumed")

    if maker == "async def":
        app.layers[-1] = Piece.middleware(async_replace)
    app.get("/")(colour(lambda: "done"))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (202, b"instead of 200")
    assert seen == ["outer in", "resumed", "outer out 202"]


class Chunks:
    """A stream that notes whether it was walked and that it was closed."""

    def __init__(self, fail: bool = False) -> None:
        self.walked = False
        self.closed = 0
        self._fail = fail

    def __iter__(self) -> Chunks:
        return self

    def __next__(self) -> bytes:
        self.walked = True
        raise StopIteration

    def close(self) -> None:
        self.closed += 1
        if self._fail:
            raise OSError("cannot be closed")


class AsyncChunks:
    """`Chunks` for ``async for``."""

    def __init__(self) -> None:
        self.walked = False
        self.closed = 0

    def __aiter__(self) -> AsyncChunks:
        return self

    async def __anext__(self) -> bytes:
        self.walked = True
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("kind", [Chunks, AsyncChunks])
def test_the_stream_of_an_answer_that_is_replaced_is_closed_and_never_walked(
    ask: Ask, app: App, kind: Any, colour: Any
) -> None:
    stream = kind()

    @app.middleware
    def replace(request: Request) -> Generator[Any, Any]:
        yield
        yield "instead"

    app.get("/")(colour(lambda: StreamingResponse(stream)))
    assert ask(app, "GET", b"/").body == b"instead"
    assert (stream.walked, stream.closed) == (False, 1)


def test_a_replacement_around_the_same_stream_does_not_close_it(ask: Ask, app: App, colour: Any) -> None:
    @app.middleware
    def relabel(request: Request) -> Generator[Any, Any]:
        response = yield
        yield StreamingResponse(response.stream, 203)

    def stream() -> Iterator[str]:
        yield "a"
        yield "b"

    app.get("/")(colour(stream))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (203, b"ab")


def test_the_stream_of_an_answer_is_closed_when_middleware_raises_after_it(ask: Ask, app: App, colour: Any) -> None:
    streams = [Chunks(), Chunks()]

    @app.middleware
    def failing(request: Request) -> Generator[Any, Any]:
        yield
        raise ValueError("after")

    @app.middleware
    def replacing(request: Request) -> Generator[Any, Any]:
        yield
        yield StreamingResponse(streams[1])

    app.get("/")(colour(lambda: StreamingResponse(streams[0])))
    assert ask(app, "GET", b"/").status == 500
    assert [(stream.walked, stream.closed) for stream in streams] == [(False, 1), (False, 1)]


# Errors become answers where they arise


def raising_handlers(app: App) -> None:
    @app.get("/boom")
    def boom() -> None:
        raise ValueError("secret")

    @app.get("/teapot")
    def teapot() -> None:
        abort(418, "short and stout")

    @app.post("/body", max_body_size=10)
    def body(request: Request) -> Any:
        return request.json


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "error"),
    [
        ("GET", b"/nowhere", b"", 404, HTTPException),
        ("PUT", b"/boom", b"", 405, HTTPException),
        ("POST", b"/body", b'{"a": "longer than ten bytes"}', 413, HTTPException),
        ("POST", b"/body", b"{", 400, HTTPException),
        ("GET", b"/teapot", b"", 418, HTTPException),
        ("GET", b"/boom", b"", 500, ValueError),
        ("GET", b"/boom/", b"", 308, HTTPException),
    ],
)
def test_middleware_sees_every_error_as_a_response_and_the_exception_on_the_request(
    ask: Ask, app: App, layer: Layer, method: str, target: bytes, body: bytes, status: int, error: type[Exception]
) -> None:
    """R49, R73: whoever refuses, the app's middleware is around the answer."""
    seen: list[str] = []
    errors: list[BaseException | None] = []
    app.middleware(layer("layer", seen))

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        response = yield
        errors.append(request.error)
        response.headers["x-seen"] = str(response.status)

    raising_handlers(app)
    answer = ask(app, method, target, [(b"content-type", b"application/json")], body)
    assert answer.status == status
    assert fields(answer)["x-seen"] == str(status)
    assert seen == ["layer in", f"layer out {status}"]
    assert [type(found) for found in errors] == [error]
    assert answer.error is None


def test_an_answer_without_an_error_leaves_request_error_none(ask: Ask, app: App) -> None:
    seen: list[BaseException | None] = []

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        yield
        seen.append(request.error)

    app.get("/")(lambda: "done")
    ask(app, "GET", b"/")
    assert seen == [None]


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_middleware_raises_is_a_response_for_the_layer_around_it(
    ask: Ask, app: App, layer: Layer, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    app.middleware(layer("outer", seen))

    @app.middleware
    def failing(request: Request) -> Generator[Any, Any]:
        if when == "before":
            raise ValueError("secret of the middleware")
        yield
        raise ValueError("secret of the middleware")

    app.get("/")(lambda: note(seen, "handler", "done"))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (500, b'{"type":"about:blank","title":"Internal Server Error","status":500}')
    assert seen == (["outer in", "outer out 500"] if when == "before" else ["outer in", "handler", "outer out 500"])
    [record] = caplog.records
    assert record.name == "duoframe.error"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)


def test_an_http_exception_from_middleware_is_its_answer_and_not_logged(
    ask: Ask, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware
    def guard(request: Request) -> Generator[Any, Any]:
        abort(401, headers={"www-authenticate": "Bearer"})
        yield

    app.get("/")(lambda: "done")
    answer = ask(app, "GET", b"/")
    assert (answer.status, fields(answer)["www-authenticate"]) == (401, "Bearer")
    assert caplog.records == []


def test_nothing_of_an_unexpected_error_reaches_the_client(ask: Ask, app: App) -> None:
    raising_handlers(app)
    answer = ask(app, "GET", b"/boom")
    assert b"secret" not in answer.body
    assert b"secret" not in repr(answer.headers).encode()


# Error handlers


class Base(Exception):
    pass


class Middle(Base):
    pass


class Leaf(Middle):
    pass


def test_the_nearest_class_in_the_mro_handles_an_exception(ask: Ask, app: App, colour: Any) -> None:
    app.errorhandler(Exception)(colour(lambda request, error: "exception"))
    app.errorhandler(Base)(colour(lambda request, error: "base"))
    app.errorhandler(Middle)(colour(lambda request, error: "middle"))

    @app.get("/{kind}")
    def fail(kind: str) -> None:
        raise {"leaf": Leaf, "base": Base, "value": ValueError}[kind]

    assert [ask(app, "GET", path).body for path in (b"/leaf", b"/base", b"/value")] == [
        b"middle",
        b"base",
        b"exception",
    ]


def test_a_status_comes_before_a_class_and_500_stands_for_what_nobody_expected(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app.errorhandler(404)(colour(lambda request, error: f"status {error.status}"))
    app.errorhandler(HTTPException)(colour(lambda request, error: f"class {error.status}"))
    app.errorhandler(500)(colour(lambda request, error: f"500 for {error!r}"))
    app.get("/teapot")(colour(lambda: abort(418)))
    app.get("/boom")(colour(lambda: fail(KeyError("gone"))))
    answers = [ask(app, "GET", path) for path in (b"/nowhere", b"/teapot", b"/boom")]
    assert [(answer.status, answer.body) for answer in answers] == [
        (404, b"status 404"),
        (418, b"class 418"),
        (500, b"500 for KeyError('gone')"),
    ]
    assert caplog.records == []


def test_the_nearest_routers_error_handler_comes_first(ask: Ask, app: App, colour: Any) -> None:
    outer, inner = Router("/outer"), Router("/inner")
    app.errorhandler(418)(lambda request, error: "app")
    outer.errorhandler(HTTPException)(lambda request, error: "outer")
    inner.errorhandler(LookupError)(lambda request, error: "inner")
    for router in (app, outer, inner):
        router.get("/teapot")(colour(lambda: abort(418)))
        router.get("/lookup")(colour(lambda: fail(IndexError())))
    outer.include_router(inner)
    app.include_router(outer)
    targets = [b"/teapot", b"/outer/teapot", b"/outer/inner/teapot", b"/outer/inner/lookup", b"/outer/lookup"]
    assert [ask(app, "GET", target).body for target in targets[:4]] == [b"app", b"outer", b"outer", b"inner"]
    assert ask(app, "GET", targets[4]).status == 500


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [
        ("text", 404, b"text"),
        ({"a": 1}, 404, b'{"a":1}'),
        (("gone", 410), 410, b"gone"),
        (Response(b"own", 200), 200, b"own"),
        (JSONResponse([1], 451), 451, b"[1]"),
    ],
)
def test_a_bare_value_of_an_error_handler_takes_the_status_of_the_error(
    ask: Ask, app: App, colour: Any, value: Any, status: int, body: bytes
) -> None:
    app.errorhandler(404)(colour(lambda request, error: value))
    answer = ask(app, "GET", b"/nowhere")
    assert (answer.status, answer.body) == (status, body)


def test_an_error_handler_may_take_the_error_alone_the_request_alone_or_nothing(ask: Ask, app: App) -> None:
    app.errorhandler(404)(lambda error: f"error {error.status}")
    app.errorhandler(405)(lambda request: f"request {request.path}")
    app.errorhandler(418)(lambda: "nothing")
    app.get("/")(lambda: abort(418))
    assert ask(app, "GET", b"/nowhere").body == b"error 404"
    assert ask(app, "PUT", b"/").body == b"request /"
    assert ask(app, "GET", b"/").body == b"nothing"


def test_an_error_handler_that_fails_gives_500_and_the_log_names_it(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []
    app.middleware(sync_layer("outer", seen))

    def not_found(request: Request, error: Exception) -> None:
        raise KeyError("in the handler")

    app.errorhandler(404)(colour(not_found))
    answer = ask(app, "GET", b"/nowhere")
    assert answer.status == 500
    assert seen == ["outer in", "outer out 500"]
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], KeyError)
    assert "not_found" in record.exc_info[1].__notes__[0]


def test_an_http_exception_from_an_error_handler_is_the_answer(ask: Ask, app: App, colour: Any) -> None:
    seen: list[Any] = []

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        yield
        seen.append(request.error)

    app.errorhandler(KeyError)(colour(lambda request, error: abort(404, "no such key")))
    app.errorhandler(404)(colour(lambda request, error: "not asked again"))
    app.get("/")(colour(lambda: fail(KeyError("gone"))))
    answer = ask(app, "GET", b"/")
    assert answer.status == 404
    assert b"no such key" in answer.body
    assert [error.detail for error in seen] == ["no such key"]


def test_an_error_handler_that_raises_its_error_again_leaves_it_unexpected(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def again(request: Request, error: Exception) -> None:
        raise error

    app.errorhandler(KeyError)(colour(again))
    app.get("/")(colour(lambda: fail(KeyError("gone"))))
    assert ask(app, "GET", b"/").status == 500
    [record] = caplog.records
    assert record.exc_info is not None
    assert not hasattr(record.exc_info[1], "__notes__")


def test_an_error_handler_without_a_return_is_an_error_itself(ask: Ask, app: App, colour: Any) -> None:
    app.errorhandler(404)(colour(lambda request, error: None))
    assert ask(app, "GET", b"/nowhere").status == 500


@pytest.mark.parametrize("bad", [{"x-bad": "a\r\nset-cookie: b=c"}, {"x bad": "a"}, {"x": "€"}])
def test_an_http_exception_with_fields_that_cannot_be_sent_is_a_500_that_middleware_sees(
    ask: Ask, app: App, colour: Any, bad: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """R22: a bad field never reaches the server, and the answer passes every layer."""
    seen: list[str] = []
    app.middleware(sync_layer("outer", seen))
    app.get("/")(colour(lambda: abort(403, headers=bad)))
    answer = ask(app, "GET", b"/")
    assert answer.status == 500
    assert seen == ["outer in", "outer out 500"]
    assert len(caplog.records) == 1


def test_an_error_handlers_stream_is_sent(ask: Ask, app: App, colour: Any) -> None:
    def stream(request: Request, error: Exception) -> Iterator[str]:
        yield "not "
        yield "here"

    app.errorhandler(404)(stream)
    app.get("/")(colour(lambda: "x"))
    answer = ask(app, "GET", b"/nowhere")
    assert (answer.status, answer.body) == (404, b"not here")


def test_a_client_that_leaves_while_its_body_is_read_is_no_error_of_ours(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A-12, W-30: what reads the body raises; whoever still listens is told 400, and nothing is logged as an error."""
    seen: list[Any] = []

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        response = yield
        seen.append((response.status, type(request.error)))

    def handler() -> None:
        raise ClientDisconnect("the client left")

    app.get("/")(colour(handler))
    ask(app, "GET", b"/")
    assert seen == [(400, ClientDisconnect)]
    assert caplog.records == []


# Misuse of the one-yield shape


def misused(app: App, middleware: Middleware) -> None:
    app.middleware(middleware)
    app.get("/")(lambda: "done")


def message_of(records: list[logging.LogRecord]) -> str:
    [record] = records
    assert record.exc_info is not None
    return str(record.exc_info[1])


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_middleware_that_ends_without_a_yield_is_named(
    ask: Ask, app: App, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def no_yield(request: Request) -> Generator[Any, Any]:
        if request.path == "":
            yield

    async def async_no_yield(request: Request) -> AsyncGenerator[Any, Any]:
        if request.path == "":
            yield

    misused(app, no_yield if kind == "def" else async_no_yield)
    assert ask(app, "GET", b"/").status == 500
    message = message_of(caplog.records)
    assert "no_yield" in message
    assert "yield once" in message


def test_middleware_that_returns_a_response_is_told_to_yield_it(
    ask: Ask, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    def returning(request: Request) -> Generator[Any, Any, Any]:
        yield
        return PlainTextResponse("lost")

    misused(app, returning)
    assert ask(app, "GET", b"/").status == 500
    assert "returning' returned a value; `yield` the Response" in message_of(caplog.records)


@pytest.mark.parametrize("kind", ["def", "async def"])
@pytest.mark.parametrize("case", ["early and on", "twice bare", "thrice"])
def test_middleware_that_yields_too_often_is_named_and_closed(
    ask: Ask, app: App, kind: str, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    cases: dict[str, list[Any]] = {
        "early and on": [PlainTextResponse("no", 403), None],
        "twice bare": [None, None],
        "thrice": [None, PlainTextResponse("a"), PlainTextResponse("b")],
    }
    yields = cases[case]
    closed: list[str] = []

    def often(request: Request) -> Generator[Any, Any]:
        try:
            yield from (value for value in yields)
            yield "never reached"
        finally:
            closed.append("closed")

    async def async_often(request: Request) -> AsyncGenerator[Any, Any]:
        try:
            for value in yields:
                yield value
            yield "never reached"
        finally:
            closed.append("closed")

    misused(app, often if kind == "def" else async_often)
    assert ask(app, "GET", b"/").status == 500
    assert closed == ["closed"]
    message = message_of(caplog.records)
    assert "often' yielded once too often" in message
    assert "return" in message


def test_middleware_that_yields_no_answer_but_nonsense_gets_a_500(ask: Ask, app: App) -> None:
    @app.middleware
    def nonsense(request: Request) -> Generator[Any, Any]:
        yield
        yield object

    app.get("/")(lambda: "done")
    assert ask(app, "GET", b"/").status == 500


# Time-outs and cancellation


def test_a_timeout_around_the_yield_stops_the_rest_and_may_answer_503(app: App, ask: Ask) -> None:
    seen: list[str] = []
    app.middleware(async_layer("outer", seen))

    @app.middleware
    async def timeout(request: Request) -> AsyncGenerator[Any, Any]:
        with anyio.move_on_after(0.01) as scope:
            yield
        if scope.cancelled_caught:
            yield Response(b"", 503)

    app.middleware(inline_layer("inner", seen))

    @app.get("/")
    async def slow() -> str:
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("cancelled")
        return "never"

    assert ask(app, "GET", b"/").status == 503
    assert seen == ["outer in", "inner in", "cancelled", "outer out 503"]


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_asyncio_timeout_raises_timeout_error_around_the_yield(app: App, door: Any, answers: bool) -> None:
    @app.middleware
    async def timeout(request: Request) -> AsyncGenerator[Any, Any]:
        try:
            async with asyncio.timeout(0.01):
                yield
        except TimeoutError:
            if not answers:
                raise
            yield Response(b"", 503)

    @app.get("/")
    async def slow() -> str:
        await asyncio.sleep(60)
        return "never"

    assert exchange(app, door, "GET", b"/").status == (503 if answers else 500)


def test_a_timeout_also_ends_an_error_handler_that_waits(app: App, ask: Ask) -> None:
    @app.middleware
    async def timeout(request: Request) -> AsyncGenerator[Any, Any]:
        with anyio.move_on_after(0.01) as scope:
            yield
        if scope.cancelled_caught:
            yield Response(b"", 503)

    @app.errorhandler(404)
    async def slow(request: Request, error: Exception) -> str:
        await anyio.sleep_forever()
        return "never"

    assert ask(app, "GET", b"/nowhere").status == 503


def test_middleware_that_swallows_what_was_thrown_into_it_is_named(
    app: App, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware
    async def timeout(request: Request) -> AsyncGenerator[Any, Any]:
        with anyio.move_on_after(0.01):
            yield

    @app.get("/")
    async def slow() -> str:
        await anyio.sleep_forever()
        return "never"

    assert ask(app, "GET", b"/").status == 500
    assert "timeout' swallowed" in message_of(caplog.records)


class Stop(BaseException):
    """No `Exception`, as KeyboardInterrupt is none."""


def test_what_is_no_exception_is_thrown_into_every_layer_and_leaves_the_core(app: App) -> None:
    """W-52: it propagates to the server after the clean-up."""
    seen: list[str] = []

    def layer_of(name: str) -> Middleware:
        def layer(request: Request) -> Generator[Any, Any]:
            try:
                yield
            except Stop:
                seen.append(f"{name} stopped")
                raise
            finally:
                seen.append(f"{name} left")

        return layer

    app.middleware(inline(layer_of("gate")))
    app.middleware(layer_of("outer"))
    app.middleware(layer_of("inner"))

    @app.get("/")
    def stop() -> None:
        raise Stop

    answer = exchange(app, "wsgi", "GET", b"/")
    assert isinstance(answer.error, Stop)
    assert seen == [f"{name} {what}" for name in ("inner", "outer", "gate") for what in ("stopped", "left")]


def test_what_is_no_exception_and_comes_out_of_the_gate_passes_the_gates_other_layers(app: App) -> None:
    """W-52, in the leading inline middleware."""
    seen: list[str] = []

    @app.middleware
    @inline
    def outer(request: Request) -> Generator[Any, Any]:
        try:
            yield
        finally:
            seen.append("left")

    @app.middleware
    @inline
    def stop(request: Request) -> Generator[Any, Any]:
        raise Stop
        yield

    app.get("/")(lambda: "done")
    answer = exchange(app, "wsgi", "GET", b"/")
    assert isinstance(answer.error, Stop)
    assert seen == ["left"]


def test_an_answer_given_instead_of_what_was_raised_goes_out(app: App) -> None:
    seen: list[str] = []
    app.middleware(sync_layer("outer", seen))

    @app.middleware
    def instead(request: Request) -> Generator[Any, Any]:
        try:
            yield
        except Stop:
            yield Response(b"", 503)

    @app.get("/")
    def stop() -> None:
        raise Stop

    assert exchange(app, "wsgi", "GET", b"/").status == 503
    assert seen == ["outer in", "outer out 503"]


# The gate: leading inline middleware runs before the body is read


@pytest.mark.parametrize("attribute", ["body", "json", "form", "files", "stream"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_body_is_not_to_be_had_in_the_leading_inline_middleware(
    ask: Ask, app: App, attribute: str, stream: bool, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    @app.middleware
    @inline
    def early(request: Request) -> Generator[Any, Any]:
        getattr(request, attribute)
        yield

    app.post("/", stream=stream)(colour(lambda: "done"))
    assert ask(app, "POST", b"/", body=b"x").status == 500
    assert "has not been read yet" in message_of(caplog.records)


def test_the_gate_refuses_without_reading_the_body(ask: Ask, app: App, colour: Any) -> None:
    def body() -> Iterator[bytes]:
        read.append("read")
        yield b"x" * 10

    read: list[str] = []
    seen: list[str] = []

    @app.middleware
    @inline
    def gate(request: Request) -> Generator[Any, Any]:
        yield PlainTextResponse(f"refused before {read}", 403)

    app.middleware(sync_layer("behind", seen))
    app.post("/")(colour(lambda: "done"))
    answer = ask(app, "POST", b"/", body=body())
    assert (answer.status, answer.body) == (403, b"refused before []")
    assert seen == []


def test_what_the_gate_raises_is_answered_without_reading_the_body(ask: Ask, app: App, colour: Any) -> None:
    seen: list[str] = []
    app.middleware(inline_layer("outer", seen))

    @app.middleware
    @inline
    def gate(request: Request) -> Generator[Any, Any]:
        abort(403)
        yield

    app.post("/")(colour(lambda: note(seen, "handler", "done")))
    assert ask(app, "POST", b"/", body=b"x").status == 403
    assert seen == ["outer in", "outer out 403"]


def test_behind_the_gate_the_body_is_there_in_both_colours(ask: Ask, app: App, colour: Any) -> None:
    bodies: list[bytes] = []
    app.middleware(inline_layer("gate", []))

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        bodies.append(request.body)
        yield

    app.post("/")(colour(lambda request: request.body))
    assert ask(app, "POST", b"/", body=b"hello").body == b"hello"
    assert ask(app, "POST", b"/").body == b""
    assert bodies == [b"hello", b""]


def test_a_refused_body_passes_the_gate_that_was_entered_and_the_rest_of_the_apps_middleware(
    ask: Ask, app: App, colour: Any
) -> None:
    """413: the gate of the route was entered before the body was read, and it is left with the refusal."""
    seen: list[str] = []
    router = Router()
    app.middleware(inline_layer("app gate", seen))
    router.middleware(inline_layer("router gate", seen))
    router.middleware(sync_layer("router", seen))
    router.post("/", max_body_size=1)(colour(lambda: "done"))
    app.include_router(router)
    assert ask(app, "POST", b"/", body=b"xx").status == 413
    assert seen == ["app gate in", "router gate in", "router gate out 413", "app gate out 413"]


def test_a_refused_body_passes_a_routers_gate_where_the_app_has_none(ask: Ask, app: App, colour: Any) -> None:
    seen: list[str] = []
    router = Router()
    router.middleware(inline_layer("router gate", seen))
    router.post("/", max_body_size=1)(colour(lambda: "done"))
    app.include_router(router)
    assert ask(app, "POST", b"/", body=b"xx").status == 413
    assert seen == ["router gate in", "router gate out 413"]


def test_the_running_request_is_known_in_every_piece(ask: Ask, app: App, layer: Layer, colour: Any) -> None:
    seen: list[str] = []

    @app.middleware
    @inline
    def gate(request: Request) -> Generator[Any, Any]:
        seen.append(f"gate {running.path}")
        yield
        seen.append(f"gate {running.path}")

    app.middleware(layer("x", []))
    app.get("/a")(colour(lambda: note(seen, f"handler {running.path}", "done")))
    ask(app, "GET", b"/a")
    assert seen == ["gate /a", "handler /a", "gate /a"]


# Handlers


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration, RecursionError, MemoryError])
def test_an_odd_exception_of_a_handler_is_a_500(ask: Ask, app: App, colour: Any, kind: type[Exception]) -> None:
    """T-06: not confused with the end of anything."""

    def handler() -> None:
        raise kind

    app.get("/")(colour(handler))
    assert ask(app, "GET", b"/").status == 500


def test_generator_exit_raised_by_a_plain_handler_is_a_500(ask: Ask, app: App) -> None:
    """T-06."""

    @app.get("/")
    def handler() -> None:
        raise GeneratorExit

    assert ask(app, "GET", b"/").status == 500


def test_a_plain_handler_that_needs_a_loop_is_told_so(ask: Ask, app: App, caplog: pytest.LogCaptureFixture) -> None:
    @app.get("/")
    def handler() -> Any:
        return asyncio.sleep(0)

    assert ask(app, "GET", b"/").status == 500
    assert message_of(caplog.records).endswith("handler' returned a coroutine; declare it with `async def`")


# Streams


def test_a_streams_error_before_its_first_chunk_becomes_an_error_answer(ask: Ask, app: App, colour: Any) -> None:
    app.errorhandler(KeyError)(colour(lambda request, error: ("instead", 409)))

    def stream() -> Iterator[str]:
        yield ""
        raise KeyError

    app.get("/")(colour(stream))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, answer.aborted) == (409, b"instead", False)


def test_a_streams_error_after_a_chunk_breaks_the_answer_off(ask: Ask, app: App, colour: Any) -> None:
    seen: list[Any] = []
    app.errorhandler(KeyError)(colour(lambda request, error: note(seen, error, "too late")))

    def stream() -> Iterator[str]:
        yield "one"
        raise KeyError

    app.get("/")(colour(stream))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, answer.aborted) == (200, b"one", True)
    assert [type(error) for error in seen] == [KeyError]


def test_an_asynchronous_generator_function_streams(ask: Ask, app: App) -> None:
    @app.get("/")
    async def stream() -> AsyncIterator[str]:
        yield "one "
        await anyio.lowlevel.checkpoint()
        yield "two"

    answer = ask(app, "GET", b"/")
    assert (answer.body, answer.aborted) == (b"one two", False)


def test_a_client_that_leaves_ends_the_stream_and_is_no_error(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """W-11, A-20: what yields the body is closed before the call is over, and nothing is logged."""
    closed = threading.Event()

    def stream() -> Iterator[str]:
        try:
            while True:
                yield "x"
        finally:
            closed.set()

    app.get("/")(colour(stream))
    assert len(ask(app, "GET", b"/", disconnect_after=2).chunks) == 2
    assert closed.wait(10)
    assert caplog.records == []


def test_a_stream_cannot_be_replaced_by_a_stream(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    replacement = Chunks()
    app.errorhandler(KeyError)(colour(lambda request, error: StreamingResponse(replacement)))

    def stream() -> Iterator[str]:
        raise KeyError
        yield

    app.get("/")(colour(stream))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.error) == (500, None)
    assert (replacement.walked, replacement.closed) == (False, 1)
    assert "got a stream" in message_of(caplog.records)


@pytest.mark.parametrize("kind", [Chunks, AsyncChunks])
@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_what_yields_a_body_is_closed_once_whether_it_was_walked_or_not(
    ask: Ask, app: App, kind: Any, method: str, status: int, colour: Any
) -> None:
    """W-40, W-41: a body that is not sent is not made."""
    stream = kind()
    app.get("/")(colour(lambda: StreamingResponse(stream, status)))
    answer = ask(app, method, b"/")
    assert (answer.status, answer.body) == (status, b"")
    assert (stream.walked, stream.closed) == ((method, status) == ("GET", 200), 1)


def test_a_fault_in_closing_a_stream_is_logged_and_the_answer_stands(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Chunks(fail=True)
    app.get("/")(colour(lambda: StreamingResponse(stream)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.error) == (200, None)
    assert isinstance(caplog.records[0].exc_info[1], OSError)  # type: ignore[index]  # it was logged with an error


@pytest.mark.parametrize(
    ("chunks", "status", "body", "aborted"),
    [
        (["ab", "cd"], 200, b"abcd", False),
        (["abc", "def"], 200, b"abcd", False),
        (["ab"], 200, b"ab", True),
        ([], 500, b'{"type":"about:blank","title":"Internal Server Error","status":500}', False),
    ],
)
def test_a_stream_is_held_to_the_length_that_it_declares(
    ask: Ask, app: App, colour: Any, chunks: list[str], status: int, body: bytes, aborted: bool
) -> None:
    """W-45: too many are cut, too few break the answer off."""
    app.get("/")(colour(lambda: StreamingResponse(iter(chunks), headers={"content-length": "4"})))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, answer.aborted) == (status, body, aborted)


def test_a_stream_that_goes_on_past_its_length_is_not_walked_further(
    ask: Ask, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[int] = []

    def endless() -> Iterator[bytes]:
        while True:
            steps.append(1)
            yield b"xx"

    app.get("/")(lambda: StreamingResponse(endless(), headers={"content-length": "3"}))
    assert ask(app, "GET", b"/").body == b"xxx"
    assert len(steps) == 2
    assert "more bytes than its content-length" in caplog.text


@pytest.mark.parametrize("chunk", [bytearray(b"ab"), memoryview(b"ab"), "ab", b"ab"])
def test_chunks_may_be_text_or_any_bytes(ask: Ask, app: App, colour: Any, chunk: Any) -> None:
    """W-44."""
    app.get("/")(colour(lambda: iter([b"", chunk, "", chunk])))
    assert ask(app, "GET", b"/").chunks == [b"ab", b"ab"]


def test_a_chunk_that_is_no_text_is_a_type_error(ask: Ask, app: App, colour: Any) -> None:
    """W-44."""
    app.get("/")(colour(lambda: iter([None])))
    assert ask(app, "GET", b"/").status == 500


def test_when_every_stream_is_taken_the_next_is_refused_and_closed(make_app: MakeApp, colour: Any) -> None:
    app = make_app(streams=1)
    go, refused = threading.Event(), Chunks()

    def held() -> Iterator[str]:
        yield "first"
        go.wait(10)
        yield "last"

    app.get("/held")(colour(held))
    app.get("/more")(colour(lambda: StreamingResponse(refused)))
    with Client(app, "asgi") as client, client.stream("GET", "/held") as answer:
        chunks = answer.iter_raw()
        assert next(chunks) == b"first"
        more = client.get("/more")
        assert (more.status_code, more.headers["retry-after"]) == (503, "1")
        assert (refused.walked, refused.closed) == (False, 1)
        go.set()
        assert list(chunks) == [b"last"]
        assert client.get("/more").status_code == 200


@pytest.mark.parametrize("giver", ["early", "gate", "instead", "error handler", "twice"])
def test_a_stream_is_counted_whoever_gives_it_and_once_a_request(giver: str, make_app: MakeApp, colour: Any) -> None:
    app = make_app(streams=1)
    used: list[int] = []
    made: list[Chunks] = []

    def answer() -> StreamingResponse:
        made.append(Chunks())
        return StreamingResponse(made[-1])

    def early() -> Iterator[Any]:
        yield answer()

    @inline
    def gate() -> Iterator[Any]:
        yield answer()

    def instead() -> Iterator[Any]:
        yield
        yield answer()

    layers: dict[str, Any] = {"early": early, "gate": gate, "instead": instead, "twice": inline(instead)}
    if giver in layers:
        app.middleware(layers[giver])

    @app.errorhandler(418)
    def teapot() -> StreamingResponse:
        return answer()

    def handler() -> Any:
        if giver == "twice":
            return answer()
        return "plain" if giver == "instead" else abort(418)

    app.get("/")(colour(handler))

    async def main() -> None:
        await app.ensure_started(app.runtime())
        streams = app.runtime().threads.streams
        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        receive: Any = anyio.sleep_forever  # nothing comes
        statuses: list[int] = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                used.append(streams.used)
                statuses.append(message["status"])

        await app(scope, receive, send)
        assert (statuses, used, streams.used) == ([200], [1], 0)
        assert streams.take()
        await app(scope, receive, send)
        assert statuses == [200, 503]
        assert {stream.closed for stream in made} == {1}

    asyncio.run(main())


def test_a_stream_that_turns_out_to_be_known_to_the_client_needs_no_place(make_app: MakeApp, colour: Any) -> None:
    app = make_app(streams=1)
    chunks = Chunks()

    def known() -> StreamingResponse:
        return StreamingResponse(chunks, headers={"etag": '"1"'})

    app.get("/")(colour(known))

    async def main() -> None:
        await app.ensure_started(app.runtime())
        assert app.runtime().threads.streams.take()
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"if-none-match", b'"1"')]}
        receive: Any = anyio.sleep_forever  # nothing comes
        await app(scope, receive, send)
        assert sent[0]["status"] == 304

    asyncio.run(main())
    assert (chunks.walked, chunks.closed) == (False, 1)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_middleware_whose_answer_is_refused_is_closed(make_app: MakeApp, kind: str) -> None:
    app = make_app(streams=1)
    app.get("/held")(lambda: iter(["x", "y"]))
    closed: list[str] = []

    def instead() -> Generator[Any, Any]:
        try:
            yield
            yield StreamingResponse(["x"])
        finally:
            closed.append("closed")

    async def async_instead() -> AsyncGenerator[Any, Any]:
        try:
            yield
            yield StreamingResponse(["x"])
        finally:
            closed.append("closed")

    app.get("/", middleware=[instead if kind == "def" else async_instead])(lambda: "plain")
    with Client(app, "asgi") as client, client.stream("GET", "/held"):
        assert client.get("/").status_code == 503
        assert closed == ["closed"]


def test_the_conditions_of_a_request_are_kept_whatever_answers(ask: Ask, app: App, colour: Any) -> None:
    """RFC 9110 §13.1.1, §13.1.2; what yields a body that is not sent is closed."""
    made: list[Chunks] = []

    def stream() -> StreamingResponse:
        made.append(Chunks())
        return StreamingResponse(made[-1], headers={"etag": '"a"'})

    app.get("/plain")(colour(lambda: PlainTextResponse("x", headers={"etag": '"a"'})))
    app.get("/stream")(colour(stream))
    for path in (b"/plain", b"/stream"):
        assert ask(app, "GET", path, [(b"if-match", b'"b"')]).status == 412
        assert ask(app, "GET", path, [(b"if-match", b'"a"')]).status == 200
        answer = ask(app, "GET", path, [(b"if-none-match", b'"a"')])
        assert (answer.status, answer.body) == (304, b"")
    assert [stream.walked for stream in made] == [False, True, False]
    assert all(stream.closed for stream in made)


# Background work


def test_background_work_runs_in_order_after_the_answer_and_a_failure_stops_nothing(
    app: App, client: MakeClient, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    async def async_task(name: str) -> None:
        seen.append(name)

    def failing() -> None:
        seen.append("failing")
        raise ValueError("in the background")

    def handler(request: Request) -> str:
        request.background(seen.append, "one")
        request.background(failing)
        request.background(async_task, name="three")
        request.background(lambda: seen.append(f"four {running.path}"))
        return "done"

    app.get("/a")(colour(handler))
    caller = client(app)
    assert caller.get("/a").text == "done"
    caller.close()
    app.shutdown()
    assert seen == ["one", "failing", "three", "four /a"]
    [record] = caplog.records
    assert isinstance(record.exc_info[1], ValueError)  # type: ignore[index]  # it was logged with an error


# The core by itself


def _plan(layers: list[Middleware], handler: Callable[..., Any]) -> Plan:
    piece = Piece(handler, colour_of(handler), "handler")
    return Plan("test", [Piece.middleware(layer) for layer in layers], piece, ErrorHandlers([]), limits=Limits())


def _request() -> Request:
    class Nothing:
        def headers(self, values: object) -> Any:
            raise AssertionError

        facts = disconnected = environ = scope = departure = headers

    return Request(None, "GET", "/", b"", Nothing(), None)


def test_a_plain_plan_is_stepped_to_its_end_without_a_loop() -> None:
    response = copy_context().run(step, respond(_plan([sync_layer("x", [])], lambda request: "done"), _request()))
    assert (response.status, response.body) == (200, b"done")


@pytest.mark.parametrize("fails_at", [1, 2])
def test_a_layer_that_no_thread_can_be_had_for_is_closed_in_place(
    fails_at: int, caplog: pytest.LogCaptureFixture
) -> None:
    """T-19: 503, every layer is left, and nothing waits for ever."""
    seen: list[str] = []

    def layer(request: Request) -> Generator[Any, Any]:
        seen.append("in")
        try:
            yield
        finally:
            seen.append("left")

    async def handler(request: Request) -> str:
        return "done"

    coroutine = respond(_plan([async_layer("outer", seen), layer], handler), _request())
    hops = 0
    run = copy_context().run
    waiting: Any = run(coroutine.send, None)
    try:
        while True:
            assert type(waiting) is Hop
            hops += 1
            assert hops < 9, "the same hop is asked for again and again"
            if hops >= fails_at:
                waiting = run(coroutine.throw, ThreadsExhaustedError("can't start new thread"))
            else:
                waiting = run(coroutine.send, run(waiting.call, *waiting.args))
    except StopIteration as done:
        response: Response = done.value
    assert response.status == 503
    assert seen == (["outer in", "outer out 503"] if fails_at == 1 else ["outer in", "in", "left", "outer out 503"])


def test_a_layer_that_was_left_on_its_thread_is_not_closed_again() -> None:
    """A hop may have been made before it turns out that no thread can be had for another."""

    def layer(request: Request) -> Generator[Any, Any]:
        yield
        raise ThreadsExhaustedError("of its own")

    response = copy_context().run(
        step, respond(_plan([async_layer("outer", []), layer], lambda request: "done"), _request())
    )
    assert response.status == 503
