"""The Context of a request: one for all its pieces, whatever thread or loop they run on, and nobody else's."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar, Token
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import duoframe
from duoframe import App, Request, Response
from duoframe.context import RequestProxy
from duoframe.testing import AsyncClient
from tests.conftest import Ask, MakeApp, MakeClient, until

Colour = Callable[[Any], Any]

mark: ContextVar[list[str]] = ContextVar("mark")


def add(name: str) -> list[str]:
    """Put a name behind those that earlier pieces left."""
    mark.set([*mark.get([]), name])
    return mark.get()


@pytest.mark.parametrize("around", ["def", "async def", "inline"])
def test_a_context_variable_is_seen_by_every_later_piece(
    around: str, app: App, client: MakeClient, colour: Colour
) -> None:
    """T-09, T-10: from middleware to handler, back to the outer middleware, on to the background work."""
    seen: list[list[str]] = []

    def enter_and_leave() -> Iterator[None]:
        add("in")
        yield
        seen.append(add("out"))

    async def enter_and_leave_later() -> AsyncIterator[None]:
        add("in")
        yield
        await anyio.lowlevel.checkpoint()
        seen.append(add("out"))

    if around == "async def":
        app.middleware(enter_and_leave_later)
    else:
        app.middleware(duoframe.inline(enter_and_leave) if around == "inline" else enter_and_leave)

    @app.get("/")
    @colour
    def work(request: Request) -> list[str]:
        request.background(lambda: seen.append(add("background")))
        return add("handler")

    browser = client(app)
    for _ in range(2):  # the second finds nothing of the first
        assert browser.get("/").json() == ["in", "handler"]
        until(lambda: len(seen) == 2, "the background work did not run")
        assert seen == [["in", "handler", "out"], ["in", "handler", "out", "background"]]
        seen.clear()


def test_a_context_variable_of_a_handler_is_seen_in_its_stream(app: App, ask: Ask) -> None:
    """T-07: every step of a stream is in the Context of its request."""

    @app.get("/def")
    def stream() -> Iterator[str]:
        add("one")
        yield f"{mark.get()} "
        add("two")
        yield f"{mark.get()}"

    @app.get("/async")
    async def stream_later() -> AsyncIterator[str]:
        add("one")
        yield f"{mark.get()} "
        await anyio.lowlevel.checkpoint()
        add("two")
        yield f"{mark.get()}"

    for path in (b"/def", b"/async"):
        assert ask(app, "GET", path).body == b"['one'] ['one', 'two']"


def test_a_def_stream_is_walked_by_the_thread_that_made_it_in_a_sync_plan(app: App, ask: Ask) -> None:
    """T-07."""

    @app.get("/")
    def stream() -> Iterator[str]:
        first = threading.get_ident()

        def steps() -> Iterator[str]:
            for _ in range(20):
                yield str(threading.get_ident() == first)

        return steps()

    assert ask(app, "GET", b"/").body == b"True" * 20


def test_a_def_stream_in_an_async_plan_keeps_its_context_from_thread_to_thread(app: App, ask: Ask) -> None:
    """T-07."""

    @app.middleware
    async def around() -> AsyncIterator[None]:
        add("in")
        yield

    @app.get("/")
    def stream() -> Iterator[str]:
        for number in range(20):
            yield f"{len(add(str(number)))} "

    assert ask(app, "GET", b"/").body == b"".join(b"%d " % number for number in range(2, 22))


@pytest.mark.parametrize("around", ["def", "async def"])
def test_a_token_can_be_reset_in_another_piece(around: str, app: App, ask: Ask, colour: Colour) -> None:
    """T-10: what middleware sets before a handler of either kind, it can reset after it."""
    tokens: list[Token[list[str]]] = []

    def enter_and_leave() -> Iterator[None]:
        token = mark.set(["outer"])
        yield
        mark.reset(tokens.pop())
        mark.reset(token)
        assert mark.get(None) is None

    async def enter_and_leave_later() -> AsyncIterator[None]:
        token = mark.set(["outer"])
        yield
        mark.reset(tokens.pop())
        mark.reset(token)
        assert mark.get(None) is None

    app.middleware(enter_and_leave if around == "def" else enter_and_leave_later)

    @app.get("/")
    @colour
    def work() -> str:
        tokens.append(mark.set(["inner"]))
        return "done"

    assert ask(app, "GET", b"/").body == b"done"


def test_requests_on_one_thread_do_not_see_each_other(app: App, client: MakeClient, colour: Colour) -> None:
    """T-11: nor does the thread, or the task, that the server called from."""

    @app.get("/")
    @colour
    def work() -> list[str]:
        return add("handler")

    before = contextvars.copy_context()
    browser = client(app)
    for _ in range(5):
        assert browser.get("/").json() == ["handler"]
    assert contextvars.copy_context().get(mark) is before.get(mark)
    assert repr(duoframe.request) == "<request: none is running>"


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_requests_at_one_time_do_not_see_each_other(door: str, make_app: MakeApp, colour: Colour) -> None:
    """T-11: 60 at a time, that wait in the middle."""
    app = make_app(threads=8)

    @app.middleware
    async def around(request: Request) -> AsyncIterator[None]:
        add(request.path)
        await anyio.lowlevel.checkpoint()
        yield
        assert mark.get() == [request.path, request.path]

    @app.get("/{number:int}")
    @colour
    def work(number: int) -> list[str]:
        return add(f"/{number}")

    async def main() -> list[Any]:
        async with AsyncClient(app, door) as client:  # type: ignore[arg-type]  # a Door
            return await asyncio.gather(*(client.get(f"/{number}") for number in range(60)))

    answers = asyncio.run(main())
    assert [answer.json() for answer in answers] == [[f"/{number}"] * 2 for number in range(60)]


def test_what_the_server_set_is_seen(app: App, colour: Colour) -> None:
    """T-09: middleware of the server's own protocol, which wraps a door, sets variables too."""
    from duoframe.testing import exchange

    @app.get("/")
    @colour
    def work() -> list[str]:
        return mark.get()

    def wrap_wsgi(inner: Any) -> Any:
        def wrapped(environ: Any, start_response: Any) -> Any:
            mark.set(["server"])
            return inner(environ, start_response)

        return wrapped

    def wrap_asgi(inner: Any) -> Any:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            mark.set(["server"])
            await inner(scope, receive, send)

        return wrapped

    app.wrap_wsgi(wrap_wsgi)
    app.wrap_asgi(wrap_asgi)
    for door in ("wsgi", "asgi"):
        context = contextvars.copy_context()
        answer = context.run(exchange, app, door, "GET", b"/")
        assert answer.body == b'["server"]'


# The running request


def test_the_running_request_is_found_from_anywhere_in_its_code(app: App, ask: Ask, colour: Colour) -> None:
    @app.get("/{name}", name="named")
    @colour
    def work(request: Request) -> Response:
        proxy = duoframe.request
        proxy.state.seen = "set through the proxy"
        proxy.error = KeyError()
        assert isinstance(request.error, KeyError)
        assert repr(proxy) == repr(request) == "<Request GET '/x'>"
        assert duoframe.url_for("named", name="y") == "/y"
        return Response(request.state.seen.encode())

    assert ask(app, "GET", b"/x").body == b"set through the proxy"


def test_there_is_no_running_request_outside_one() -> None:
    """T-12."""
    assert isinstance(duoframe.request, RequestProxy)
    with pytest.raises(RuntimeError, match="outside a request"):
        _ = duoframe.request.method
    with pytest.raises(RuntimeError, match="outside a request"):
        duoframe.request.error = None


def test_a_request_is_over_for_a_thread_that_outlives_it(app: App, ask: Ask, colour: Colour) -> None:
    """T-12: it says so, whatever is asked of it, and nothing crashes."""
    kept: list[Request] = []

    @app.post("/{name}")
    @colour
    def work(request: Request, name: str) -> str:
        kept.append(request)
        return name

    assert ask(app, "POST", b"/x?a=1", [(b"x-a", b"1")], b"body").status == 200
    request = kept[0]
    messages: dict[str, str] = {}

    def look() -> None:
        for name in ("headers", "client", "scheme", "url", "cookies", "host", "stream"):
            try:
                getattr(request, name)
            except RuntimeError as error:
                messages[name] = str(error)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join(10)
    assert set(messages) >= {"client", "scheme", "url", "stream"}
    assert all("over" in message for name, message in messages.items() if name != "stream")
    assert (request.method, request.path, request.path_params) == ("POST", "/x", {"name": "x"})
