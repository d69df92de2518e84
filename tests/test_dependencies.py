"""Dependencies as a request meets them, behind both doors and in every colour."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

from duoframe import App, EventSourceResponse, FileResponse, HTTPException, Request, Response, StreamingResponse, inline
from duoframe.errors import ClientDisconnect
from duoframe.faults import RequestValidationError, fault
from duoframe.params import Depends
from duoframe.testing import exchange
from duoframe.threads import Threads, ThreadsExhaustedError
from tests.conftest import DEADLINE, Ask, MakeApp, MakeClient, until
from tests.test_asgi import Line, begin, happens, on_loop, scope_of, settled

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.fixture(params=["def", "async def", "inline"])
def yielding(request: pytest.FixtureRequest) -> Callable[[Callable[..., Iterator[Any]]], Callable[..., Any]]:
    """A decorator that leaves a `def` generator function as it is, marks it, or makes it an `async def` one."""

    def paint(function: Callable[..., Iterator[Any]]) -> Callable[..., Any]:
        if request.param == "def":
            return function
        if request.param == "inline":
            return inline(function)

        async def painted() -> AsyncIterator[Any]:
            generator: Any = function()
            value = next(generator)
            try:
                yield value
            except BaseException as error:
                try:
                    generator.throw(error)
                except StopIteration:
                    return
            else:
                next(generator, None)

        return painted

    return paint


Yielding = Callable[[Callable[..., Iterator[Any]]], Callable[..., Any]]


class Log(list[str]):
    """What happened, in order, noted by any thread."""


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_dependency_gives_its_value(ask: Ask, app: App, colour: Paint) -> None:
    def number() -> int:
        return 41

    @app.get("/")
    @colour
    def index(value: int = Depends(number)) -> str:
        return str(value + 1)

    assert ask(app, "GET", b"/").body == b"42"


@pytest.mark.parametrize("asynchronous", [False, True])
def test_dependencies_of_either_colour_nest_and_are_made_once(
    ask: Ask, app: App, colour: Paint, asynchronous: bool
) -> None:
    made: list[str] = []

    def base() -> str:
        made.append("base")
        return "b"

    def left(value: Annotated[str, Depends(base)]) -> str:
        made.append("left")
        return value + "l"

    async def right(value: Annotated[str, Depends(base)]) -> str:
        made.append("right")
        return value + "r"

    def plain_right(value: Annotated[str, Depends(base)]) -> str:
        made.append("right")
        return value + "r"

    @app.get("/")
    @colour
    def index(
        a: Annotated[str, Depends(left)],
        b: Annotated[str, Depends(right if asynchronous else plain_right)],
        c: Annotated[str, Depends(base)],
    ) -> str:
        return a + b + c

    assert ask(app, "GET", b"/").body == b"blbrb"
    assert made == ["base", "left", "right"]


def test_without_the_cache_each_place_gets_a_value_of_its_own(ask: Ask, app: App) -> None:
    counted = iter(range(10))

    def count() -> int:
        return next(counted)

    @app.get("/")
    def index(
        a: Annotated[int, Depends(count)],
        b: Annotated[int, Depends(count, use_cache=False)],
        c: Annotated[int, Depends(count)],
    ) -> list[int]:
        return [a, b, c]

    assert ask(app, "GET", b"/").body == b"[0,1,0]"


def test_classes_and_callable_objects_are_dependencies(ask: Ask, app: App, colour: Paint) -> None:
    class Page:
        def __init__(self, request: Request) -> None:
            self.path = request.path

    class Times:
        def __init__(self, factor: int) -> None:
            self.factor = factor

        def __call__(self) -> int:
            return 7 * self.factor

    @app.get("/x")
    @colour
    def index(page: Annotated[Page, Depends()], product: Annotated[int, Depends(Times(3))]) -> str:
        return f"{page.path} {product}"

    assert ask(app, "GET", b"/x").body == b"/x 21"


def test_dependencies_of_app_router_and_route_run_outermost_first(ask: Ask, make_app: MakeApp, log: Log) -> None:
    from duoframe import Router

    def note(name: str) -> Any:
        def run() -> None:
            log.append(name)

        return Depends(run)

    app = make_app(dependencies=[note("app")])
    outer = Router("/o", dependencies=[note("outer")])
    inner = Router("/i", dependencies=[note("inner")])

    @inner.get("/", dependencies=[note("route")])
    def index(own: Annotated[Any, note("own")]) -> str:
        log.append("handler")
        return "ok"

    outer.include_router(inner)
    app.include_router(outer)
    assert ask(app, "GET", b"/o/i/").status == 200
    assert log == ["app", "outer", "inner", "route", "own", "handler"]
    log.clear()
    assert ask(app, "GET", b"/missing").status == 404
    assert log == []


def test_the_order_of_the_end_is_the_same_everywhere(
    ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log
) -> None:
    """Design: middleware, body, dependencies, last in first out, background work."""

    def outer() -> Iterator[str]:
        log.append("outer in")
        yield "o"
        log.append("outer out")

    def inner() -> Iterator[str]:
        log.append("inner in")
        yield "i"
        log.append("inner out")

    def early() -> Iterator[str]:
        log.append("early in")
        yield "e"
        log.append("early out")

    @app.middleware
    def around(request: Request) -> Iterator[None]:
        yield
        log.append("middleware out")

    outer_dependency = yielding(outer)

    def inner_of(_: Annotated[str, Depends(outer_dependency)]) -> Iterator[str]:
        yield from inner()

    @app.get("/")
    @colour
    def index(
        request: Request,
        i: Annotated[str, Depends(inner_of)],
        e: Annotated[str, Depends(yielding(early), close="before_response")],
    ) -> Response:
        request.background(log.append, "background")

        def body() -> Iterator[bytes]:
            log.append("body")
            yield b"x" * 10
            log.append("body end")

        return StreamingResponse(body())

    @app.get("/whole")
    @colour
    def whole(request: Request, i: Annotated[str, Depends(inner_of)]) -> str:
        request.background(log.append, "background")
        return "whole"

    assert ask(app, "GET", b"/").body == b"x" * 10
    until(lambda: "background" in log, "no background work")
    assert log == [
        "outer in",
        "inner in",
        "early in",
        "early out",
        "middleware out",
        "body",
        "body end",
        "inner out",
        "outer out",
        "background",
    ]
    log.clear()
    assert ask(app, "GET", b"/whole").body == b"whole"
    until(lambda: "background" in log, "no background work")
    assert log == ["outer in", "inner in", "middleware out", "inner out", "outer out", "background"]


def test_clean_up_sees_the_exception_before_it_becomes_an_answer(
    ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log
) -> None:
    def outer() -> Iterator[str]:
        try:
            yield "o"
        except LookupError as error:
            log.append(f"outer saw {error!r}")
            raise HTTPException(404, "it was not there") from error

    def inner() -> Iterator[str]:
        try:
            yield "i"
        except KeyError as error:
            log.append(f"inner saw {error!r}")
            raise

    @app.middleware
    def around(request: Request) -> Iterator[None]:
        response: Any = yield
        log.append(f"middleware saw {response.status}")

    first, second = yielding(outer), yielding(inner)

    @app.get("/")
    @colour
    def index(a: Annotated[str, Depends(first)], b: Annotated[str, Depends(second)]) -> str:
        raise KeyError("gone")

    answer = ask(app, "GET", b"/")
    assert (answer.status, b"it was not there" in answer.body) == (404, True)
    assert log == ["inner saw KeyError('gone')", "outer saw KeyError('gone')", "middleware saw 404"]


def test_an_exception_that_a_dependency_swallows_is_answered_all_the_same(
    ask: Ask, app: App, colour: Paint, yielding: Yielding
) -> None:
    def swallowing() -> Iterator[str]:
        try:
            yield "s"
        except HTTPException:
            pass

    @app.get("/")
    @colour
    def index(s: Annotated[str, Depends(yielding(swallowing))]) -> str:
        raise HTTPException(409)

    assert ask(app, "GET", b"/").status == 409


def test_a_dependency_that_fails_is_answered_and_those_before_it_are_told(
    ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log
) -> None:
    def opened() -> Iterator[str]:
        try:
            yield "o"
        except HTTPException as error:
            log.append(str(error.status))
            raise

    def failing(_: Annotated[str, Depends(yielding(opened))]) -> Iterator[str]:
        raise HTTPException(401)
        yield ""

    @app.get("/")
    @colour
    def index(f: Annotated[str, Depends(failing)]) -> str:
        return "never"

    assert ask(app, "GET", b"/").status == 401
    assert log == ["401"]


def test_a_dependency_yields_once(ask: Ask, app: App, colour: Paint, caplog: pytest.LogCaptureFixture) -> None:
    def never() -> Iterator[str]:
        return
        yield ""

    def twice() -> Iterator[str]:
        yield "1"
        yield "2"

    async def twice_waiting() -> AsyncIterator[str]:
        yield "1"
        yield "2"

    def stubborn() -> Iterator[str]:
        try:
            yield "1"
            yield "2"
        except GeneratorExit:
            raise ValueError("closed") from None

    for number, dependency in enumerate((never, twice, twice_waiting, stubborn)):

        @app.get(f"/{number}")
        @colour
        def index(value: Annotated[str, Depends(dependency)]) -> str:
            return value

        @app.get(f"/early/{number}")
        @colour
        def early(value: Annotated[str, Depends(dependency, close="before_response")]) -> str:
            return value

    assert ask(app, "GET", b"/0").status == 500
    assert "'test_a_dependency_yields_once.never' ended without a `yield`" in caplog.text
    for number, message in ((1, "yielded once too often"), (2, "yielded once too often"), (3, "closed")):
        caplog.clear()
        assert ask(app, "GET", b"/%d" % number).body == b"1"  # it has been sent by then
        assert message in caplog.text
        caplog.clear()
        assert ask(app, "GET", b"/early/%d" % number).status == 500
        assert message in caplog.text


def test_a_fault_in_clean_up_is_seen_by_the_outer_dependencies_and_logged(
    ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    def outer() -> Iterator[str]:
        try:
            yield "o"
        except ValueError as error:
            log.append(f"outer saw {error}")
            raise

    def inner(_: Annotated[str, Depends(yielding(outer))]) -> Iterator[str]:
        yield "i"
        raise ValueError("the commit failed")

    @app.get("/")
    @colour
    def index(i: Annotated[str, Depends(inner)]) -> str:
        return "sent"

    assert ask(app, "GET", b"/").body == b"sent"
    assert log == ["outer saw the commit failed"]
    assert caplog.text.count("ValueError: the commit failed") == 1


def test_a_sync_plan_enters_and_leaves_on_one_thread(ask: Ask, app: App, tmp_path: Path, log: Log) -> None:
    """T-13: also where the answer is a file, a stream or whole."""
    (tmp_path / "a.txt").write_bytes(b"file")

    def entered() -> Iterator[int]:
        thread = threading.get_ident()
        yield thread
        log.append(str(threading.get_ident() == thread))

    @app.get("/{kind}")
    def index(kind: str, thread: Annotated[int, Depends(entered)]) -> Any:
        assert threading.get_ident() == thread

        def body() -> Iterator[bytes]:
            yield b"%d" % (threading.get_ident() == thread)

        return {"file": FileResponse(tmp_path / "a.txt"), "stream": body(), "whole": "whole"}[kind]

    assert ask(app, "GET", b"/file").body == b"file"
    assert ask(app, "GET", b"/stream").body == b"1"
    assert ask(app, "GET", b"/whole").body == b"whole"
    assert ask(app, "HEAD", b"/file").status == 200
    assert log == ["True"] * 4


def test_an_async_dependency_enters_and_leaves_in_one_task(ask: Ask, app: App, tmp_path: Path, log: Log) -> None:
    (tmp_path / "a.txt").write_bytes(b"file")

    async def entered() -> AsyncIterator[Any]:
        import anyio

        task = anyio.get_current_task().id
        with anyio.CancelScope():  # which has to be left where it was entered
            yield task
        log.append(str(anyio.get_current_task().id == task))

    @app.get("/{kind}")
    def index(kind: str, task: Annotated[Any, Depends(entered)]) -> Any:
        def body() -> Iterator[bytes]:
            yield b"1"

        async def body_of_a_loop() -> AsyncIterator[bytes]:
            yield b"2"

        return {
            "file": FileResponse(tmp_path / "a.txt"),
            "stream": body(),
            "async": body_of_a_loop(),
            "whole": "whole",
        }[kind]

    assert ask(app, "GET", b"/file").body == b"file"
    assert ask(app, "GET", b"/stream").body == b"1"
    assert ask(app, "GET", b"/async").body == b"2"
    assert ask(app, "GET", b"/whole").body == b"whole"
    assert ask(app, "HEAD", b"/file").status == 200
    assert log == ["True"] * 5


def test_context_variables_reach_from_dependency_to_handler_and_back(
    ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log
) -> None:
    """T-10: a token set before the `yield` can be reset after it."""
    variable: ContextVar[str] = ContextVar("variable", default="none")

    def entered() -> Iterator[None]:
        token = variable.set("dependency")
        yield
        log.append(variable.get())
        variable.reset(token)

    @app.get("/")
    @colour
    def index(_: Annotated[None, Depends(yielding(entered))]) -> str:
        seen = variable.get()
        variable.set("handler")
        return seen

    assert ask(app, "GET", b"/").body == b"dependency"
    assert log == ["handler"]
    assert variable.get() == "none"


def test_what_is_wrong_with_all_parameters_is_told_at_once(ask: Ask, app: App, colour: Paint, log: Log) -> None:
    def first(a: int) -> int:
        return a

    def second(b: int) -> int:
        log.append("second")
        return b

    def third(sum_of: Annotated[int, Depends(first)], c: int) -> int:
        log.append("third")
        return sum_of

    def fourth() -> int:
        log.append("fourth")
        return 4

    @app.get("/")
    @colour
    def index(
        x: Annotated[int, Depends(first)],
        y: Annotated[int, Depends(second)],
        z: Annotated[int, Depends(third)],
        u: Annotated[int, Depends(fourth)],
        d: int,
    ) -> str:
        log.append("handler")
        return "fine"

    @app.get("/plain")
    @colour
    def plain(request: Request, x: Annotated[int, Depends(first)], y: Annotated[int, Depends(second)]) -> str:
        log.append("handler")
        return "fine"

    answer = ask(app, "GET", b"/?b=2&c=3")
    assert answer.status == 422
    assert [error["loc"] for error in json.loads(answer.body)["errors"]] == [["query", "a"], ["query", "d"]]
    assert log == ["second", "fourth"]
    answer = ask(app, "GET", b"/plain?b=2")
    assert [error["loc"] for error in json.loads(answer.body)["errors"]] == [["query", "a"]]
    assert "handler" not in log
    assert ask(app, "GET", b"/?a=1&b=2&c=3&d=4").body == b"fine"


def test_a_refusal_by_a_later_dependency_counts_before_faults(ask: Ask, app: App, colour: Paint) -> None:
    """Who may not ask is not told what was wrong with the question."""

    def page(number: int) -> int:
        return number

    def token(request: Request) -> None:
        raise HTTPException(401)

    @app.get("/")
    @colour
    def index(p: Annotated[int, Depends(page)], t: Annotated[None, Depends(token)]) -> str:
        return "never"

    assert ask(app, "GET", b"/?number=x").status == 401


def test_clean_up_is_told_that_the_client_left_a_stream(
    ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log
) -> None:
    def entered() -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            log.append(type(error).__name__)
            raise
        finally:
            log.append("left")

    def endless() -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * 1000
        finally:
            log.append("stream closed")

    @app.get("/")
    @colour
    def index(_: Annotated[None, Depends(yielding(entered))]) -> Any:
        return StreamingResponse(endless())

    ask(app, "GET", b"/", disconnect_after=3)
    until(lambda: "left" in log, f"it was not left: {log}")
    assert log == ["stream closed", "ClientDisconnect", "left"]


def test_clean_up_is_told_what_broke_a_stream(ask: Ask, app: App, colour: Paint, yielding: Yielding, log: Log) -> None:
    def entered() -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            log.append(str(error))
            raise

    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ValueError("broken")

    @app.get("/")
    @colour
    def index(_: Annotated[None, Depends(yielding(entered))]) -> Any:
        return StreamingResponse(broken())

    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.aborted) == (200, True)
    assert log == ["broken"]


def test_an_answer_that_nobody_takes_has_its_dependencies_left(make_app: MakeApp, colour: Paint, log: Log) -> None:
    """A-20: `send` raises; the dependencies are told, and left before the app call returns."""
    app = make_app()

    def entered() -> Iterator[None]:
        try:
            yield
        except ClientDisconnect:
            log.append("told")
            raise

    @app.get("/")
    @colour
    def index(_: Annotated[None, Depends(entered)]) -> str:
        return "whole"

    exchange(app, "asgi", "GET", b"/", disconnect_after=0)
    assert log in (["told"], [])  # the client of this door may take the answer as it leaves
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        raise OSError("gone")

    log.clear()
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]  # a coroutine is awaitable
    assert log == ["told"]


@pytest.mark.parametrize("handler", ["def", "async def"])
@pytest.mark.parametrize("pieces", [1, 2])
def test_clients_do_not_wait_for_each_other_over_a_pool(
    make_app: MakeApp, client: MakeClient, handler: str, pieces: int
) -> None:
    """T-02: 100 clients, a pool of 5 connections, 8 threads; also with a second `def` dependency on top."""
    app = make_app(threads=8)
    pool = threading.Semaphore(5)

    def connection() -> Iterator[str]:
        assert pool.acquire(timeout=DEADLINE * 3)
        try:
            yield "c"
        finally:
            pool.release()

    def user(c: Annotated[str, Depends(connection)]) -> str:
        return c + "u"

    wanted = Depends(connection if pieces == 1 else user)
    if handler == "def":

        @app.get("/")
        def index(value: str = wanted) -> str:
            return value

    else:

        @app.get("/")
        async def waiting(value: str = wanted) -> str:
            import anyio

            await anyio.lowlevel.checkpoint()
            return value

    made = client(app)
    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda _: made.get("/").text, range(100)))
    assert answers == ["c" if pieces == 1 else "cu"] * 100
    assert pool._value == 5
    until(lambda: app.gauges()["threads"] == 0, "a thread is held")


def test_overrides_stand_in_and_go_again(app: App, client: MakeClient, colour: Paint) -> None:
    def database() -> str:
        return "real"

    def deep(value: Annotated[str, Depends(database)]) -> str:
        return value

    async def fake() -> str:
        return "fake"

    @app.get("/")
    @colour
    def index(value: Annotated[str, Depends(deep)]) -> str:
        return value

    @app.get("/other")
    def other() -> str:
        return "other"

    app.dependency_overrides[database] = fake
    made = client(app)
    assert made.get("/").text == "fake"
    del app.dependency_overrides[database]
    assert made.get("/").text == "real"
    app.dependency_overrides.update({database: lambda: "again"})
    assert made.get("/").text == "again"
    app.dependency_overrides.clear()
    assert made.get("/").text == "real"
    assert made.get("/other").text == "other"


def test_a_dependency_that_exits_ends_a_server_as_any_exit_does(app: App, log: Log) -> None:
    """W-52: where the server's own thread runs the plan."""

    def exiting() -> Iterator[None]:
        yield
        raise SystemExit(3)

    def outer() -> Iterator[None]:
        try:
            yield
        except SystemExit:
            log.append("told")
            raise

    @app.get("/")
    def index(_: Annotated[None, Depends(outer)], e: Annotated[None, Depends(exiting)]) -> str:
        return "sent"

    assert isinstance(exchange(app, "wsgi", "GET", b"/").error, SystemExit)
    assert log == ["told"]


def test_where_no_thread_can_be_had_a_dependency_is_closed_all_the_same(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, log: Log, caplog: pytest.LogCaptureFixture
) -> None:
    """T-19."""
    app = make_app()

    def entered() -> Iterator[str]:
        try:
            yield "e"
        except GeneratorExit:
            log.append("closed")
            raise

    @app.get("/")
    async def index(value: Annotated[str, Depends(entered)]) -> str:
        def refuse(threads: Threads) -> None:
            raise ThreadsExhaustedError("no more")

        monkeypatch.setattr(Threads, "reserve", refuse)
        return value

    assert exchange(app, "asgi", "GET", b"/").body == b"e"
    monkeypatch.undo()
    assert log == ["closed"]
    assert "ThreadsExhaustedError: no more" in caplog.text


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_call_leaves_its_dependencies_with_time_to_wait(make_app: MakeApp, backend: str, log: Log) -> None:
    """A-32: the server ends a call while its answer is being sent."""
    app = make_app()

    async def entered() -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            log.append(type(error).__name__)
            await anyio.sleep(0.01)
            log.append("left")
            raise

    @app.get("/")
    async def index(_: Annotated[None, Depends(entered)]) -> str:
        return "whole"

    async def main() -> None:
        line, sending = Line(), anyio.Event()

        async def send(message: Any) -> None:
            sending.set()
            await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(), line, send)
            await sending.wait()
            group.cancel_scope.cancel()
        await settled(app)

    on_loop(backend, main)
    assert log[1:] == ["left"]
    assert log[0] in ("CancelledError", "Cancelled")


def test_dependencies_wait_for_a_step_of_a_stream_that_nothing_can_stop(make_app: MakeApp, log: Log) -> None:
    """A-23, T-05."""
    app = make_app()
    inside, gate = threading.Event(), threading.Event()

    async def entered() -> AsyncIterator[None]:
        try:
            yield
        except ClientDisconnect:
            log.append(f"told, with the gate {'open' if gate.is_set() else 'shut'}")
            raise

    @app.get("/")
    async def index(_: Annotated[None, Depends(entered)]) -> Any:
        def stuck() -> Iterator[bytes]:
            yield b"x"
            inside.set()
            assert gate.wait(DEADLINE)
            log.append("the step returned")

        return StreamingResponse(stuck())

    async def main() -> None:
        line = Line()
        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(), line)
            await happens(inside.is_set, "the stream did not begin")
            line.left.set()
        assert log == []
        gate.set()
        await settled(app)
        await happens(lambda: len(log) == 2, f"the dependency was not left: {log}")

    on_loop("asyncio", main)
    assert log == ["the step returned", "told, with the gate open"]


def test_a_call_that_is_cancelled_inside_a_sync_plan_leaves_its_dependencies_later(make_app: MakeApp, log: Log) -> None:
    """T-05."""
    app = make_app()
    inside, gate = threading.Event(), threading.Event()

    def entered() -> Iterator[int]:
        thread = threading.get_ident()
        try:
            yield thread
        except ClientDisconnect:
            log.append(str(threading.get_ident() == thread))
            raise

    @app.get("/{kind}")
    def index(kind: str, _: Annotated[int, Depends(entered)]) -> Any:
        inside.set()
        assert gate.wait(DEADLINE)
        return iter([b"1", b"2"]) if kind == "stream" else "whole"

    async def main() -> None:
        for kind in ("whole", "stream"):
            inside.clear()
            gate.clear()
            async with anyio.create_task_group() as group:
                begin(group, app, scope_of(f"/{kind}"), Line())
                await happens(inside.is_set, "the handler did not begin")
                group.cancel_scope.cancel()
            assert app.gauges()["left"] == 1
            gate.set()
            await settled(app)

    on_loop("asyncio", main)
    assert log == ["True", "True"]


@pytest.mark.parametrize("streams", [1, 2])
def test_a_thread_that_waits_for_its_client_takes_nobody_s_place(make_app: MakeApp, streams: int) -> None:
    """One `def` thread, and a client that does not read: others are answered where streams have a place."""
    app = make_app(threads=1, streams=streams)

    def entered() -> Iterator[None]:
        yield

    @app.get("/")
    def index(_: Annotated[None, Depends(entered)]) -> str:
        return "whole"

    async def main() -> None:
        first, second, third = Line(), Line(), Line()
        reading = anyio.Event()

        async def send(message: Any) -> None:
            await reading.wait()

        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(), first, send)
            await happens(lambda: app.gauges()["streams"] == 1, "the first has no place")
            begin(group, app, scope_of(), second, send)
            places = {"streams": streams, "threads": 2 - streams}
            await happens(lambda: app.gauges().items() >= places.items(), "the second has no place")
            begin(group, app, scope_of(), third)
            if streams == 2:
                await happens(lambda: third.chunks, "the third was not answered")
            else:
                await happens(lambda: app.gauges()["waiting"] == 1, "the third does not wait")
            reading.set()
        assert third.chunks == [b"whole"]
        await settled(app)

    on_loop("asyncio", main)


def test_events_of_a_def_route_have_their_dependencies_left_by_the_thread_that_ran_it(
    ask: Ask, app: App, log: Log
) -> None:
    def entered() -> Iterator[int]:
        thread = threading.get_ident()
        try:
            yield thread
        except Exception as error:
            log.append(type(error).__name__)
            raise
        finally:
            log.append(str(threading.get_ident() == thread))

    @app.get("/{kind}")
    def index(kind: str, _: Annotated[int, Depends(entered)]) -> EventSourceResponse:
        def events() -> Iterator[str]:
            yield "1"
            if kind == "failing":
                raise ValueError
            while kind == "endless":
                yield "more"

        return EventSourceResponse(events())

    assert ask(app, "GET", b"/ending").body == b"data: 1\n\n"
    assert log == ["True"]
    log.clear()
    assert ask(app, "GET", b"/failing").aborted
    assert log == ["ValueError", "True"]
    log.clear()
    ask(app, "GET", b"/endless", disconnect_after=2)
    until(lambda: len(log) == 2, f"not left: {log}")
    assert log == ["ClientDisconnect", "True"]


def test_a_server_that_takes_no_answer_at_all_has_the_dependencies_left(app: App, colour: Paint, log: Log) -> None:
    def entered() -> Iterator[None]:
        try:
            yield
        finally:
            log.append("left")

    @app.get("/{kind}")
    @colour
    def index(kind: str, _: Annotated[None, Depends(entered)]) -> Any:
        return iter([b"1", b"2"]) if kind == "stream" else "whole"

    for target in (b"/whole", b"/stream"):
        log.clear()
        exchange(app, "wsgi", "GET", target, disconnect_after=0)
        assert log == ["left"]
        exchange(app, "wsgi", "HEAD", target)
        assert log == ["left", "left"]


def test_a_handler_that_reads_nothing_is_not_called_after_a_fault(ask: Ask, app: App, log: Log) -> None:
    def number(n: int) -> int:
        return n

    @app.get("/", dependencies=[Depends(number)])
    def index(request: Request) -> str:
        log.append("handler")
        return "fine"

    assert ask(app, "GET", b"/?n=x").status == 422
    assert log == []
    assert ask(app, "GET", b"/?n=1").body == b"fine"


def test_what_is_raised_on_a_thread_of_a_mixed_plan_is_told_there(ask: Ask, app: App, log: Log) -> None:
    @app.middleware
    async def outer(request: Request) -> AsyncIterator[None]:
        response: Any = yield
        log.append(f"outer saw {response.status}")

    @app.middleware
    def inner(request: Request) -> Iterator[None]:
        response: Any = yield
        log.append(f"inner saw {response.status}")

    def entered() -> Iterator[None]:
        try:
            yield
        except KeyError:
            log.append("told")
            raise HTTPException(404) from None

    @app.get("/")
    def index(_: Annotated[None, Depends(entered)]) -> str:
        raise KeyError("gone")

    assert ask(app, "GET", b"/").status == 404
    assert log == ["told", "inner saw 404", "outer saw 404"]


def test_a_call_that_is_cancelled_while_a_dependency_is_left_waits_for_that(make_app: MakeApp, log: Log) -> None:
    """T-05: nothing can stop the thread, and the outer dependency is left after it."""
    app = make_app()
    inside, gate = threading.Event(), threading.Event()

    async def outer() -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            log.append(f"outer told {type(error).__name__}")
            raise

    def inner(_: Annotated[None, Depends(outer)]) -> Iterator[None]:
        yield
        inside.set()
        assert gate.wait(DEADLINE)
        log.append("inner left")

    @app.get("/")
    async def index(_: Annotated[None, Depends(inner)]) -> str:
        return "whole"

    async def main() -> None:
        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(), Line())
            await happens(inside.is_set, "the dependency is not being left")
            group.cancel_scope.cancel()
            asyncio.get_running_loop().call_later(0.05, gate.set)
        await settled(app)

    on_loop("asyncio", main)
    assert log == ["inner left", "outer told CancelledError"]


def test_a_fault_that_a_dependency_finds_itself_is_answered_at_once(
    ask: Ask, app: App, colour: Paint, log: Log
) -> None:
    """As any exception, and in either colour: only what was read wrongly is kept until all has been read."""

    @colour
    def strict() -> None:
        raise RequestValidationError([fault(("query", "a"), "something else", "this")])

    @colour
    def later() -> None:
        log.append("later")

    @app.get("/")
    def index(first: Annotated[None, Depends(strict)], second: Annotated[None, Depends(later)]) -> str:
        return "never"

    answer = ask(app, "GET", b"/")
    assert (answer.status, log) == (422, [])
    assert [error["loc"] for error in json.loads(answer.body)["errors"]] == [["query", "a"]]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("around", [False, True])
def test_one_that_is_left_before_the_answer_may_wait_whatever_the_handler(
    ask: Ask, make_app: MakeApp, colour: Paint, fails: bool, around: bool
) -> None:
    log: list[str] = []

    async def committed() -> AsyncIterator[int]:
        yield 5
        await anyio.lowlevel.checkpoint()
        log.append("committed")
        if fails:
            raise HTTPException(409)

    def layer(request: Request) -> Generator[Any, Any]:
        response = yield
        log.append(f"answer {response.status}")

    app = make_app(middleware=[layer] if around else [])

    @app.get("/")
    @colour
    def handler(n: Annotated[int, Depends(committed, close="before_response")]) -> str:
        log.append("handler")
        return str(n)

    answered = ask(app, "GET", b"/")
    assert (answered.status, answered.body) == ((200, b"5") if not fails else (409, answered.body))
    assert log == ["handler", "committed", *([f"answer {answered.status}"] if around else [])]
