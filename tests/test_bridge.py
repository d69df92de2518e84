"""Running a coroutine without a loop, and on one inside a Context of its own."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import ContextVar, copy_context
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
import trio

from duoframe import App
from duoframe.bridge import Drive, Hop, Left, Loop, Stepped, adopt_loop, at_end, running_loop, step
from duoframe.testing import Client
from tests.conftest import Ask, MakeApp

BACKENDS = ["asyncio", "trio"]

mark: ContextVar[str] = ContextVar("mark")


class InPlace:
    """A hopper that calls on the loop's own thread: what is tested here needs no other."""

    async def hop(self, hop: Hop, drive: Drive) -> Any:
        await anyio.lowlevel.checkpoint()
        return drive.context.run(hop.call, *hop.args)


async def answer(value: Any) -> Any:
    return value


def test_a_coroutine_is_stepped_to_its_end_and_its_hops_are_made_in_place() -> None:
    async def work() -> tuple[Any, int]:
        return await answer("a"), await Hop(threading.get_ident)

    assert step(work()) == ("a", threading.get_ident())


def test_what_a_hop_raises_is_raised_where_it_is_awaited() -> None:
    async def work() -> Any:
        try:
            await Hop(int, "x")
        except ValueError:
            return await Hop(str, "caught")
        return "not raised"

    assert step(work()) == "caught"
    with pytest.raises(ZeroDivisionError):
        step(answer_of(lambda: 1 // 0))


async def answer_of(call: Callable[[], Any]) -> Any:
    return await Hop(call)


def test_waiting_without_a_loop_is_refused_and_the_coroutine_is_closed() -> None:
    closed = []

    async def work() -> None:
        try:
            await Hop(int)
            await waits_for_a_loop()
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match="needs an event loop; declare it `async def`"):
        step(work())
    assert closed == [True]


async def waits_for_a_loop() -> None:
    class Needs:
        def __await__(self) -> Any:
            return (yield "a loop")

    await Needs()


def test_an_asynchronous_generator_that_never_waits_is_walked_as_a_plain_one() -> None:
    async def generate() -> AsyncGenerator[Any, Any]:
        try:
            got = yield "first"
            yield got
        except KeyError:
            yield "caught"

    walked = Stepped(generate())
    assert next(walked) == "first"
    assert walked.send("second") == "second"
    assert walked.throw(KeyError()) == "caught"
    with pytest.raises(StopIteration):
        next(walked)


def test_what_an_asynchronous_generator_is_not_done_with_can_be_closed() -> None:
    closed = []

    async def generate() -> AsyncGenerator[Any, Any]:
        try:
            yield
        finally:
            closed.append(True)

    walked = Stepped(generate())
    next(walked)
    walked.close()
    assert closed == [True]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_driven_coroutine_has_a_context_of_its_own_on_every_step(backend: str) -> None:
    """T-09: what a hop sets, the coroutine sees, and the task that drives does not."""
    seen = []
    context = copy_context()

    async def work() -> str:
        mark.set("coroutine")
        await anyio.lowlevel.checkpoint()
        await Hop(lambda: seen.append(mark.get()))
        await Hop(mark.set, "hop")
        await anyio.lowlevel.checkpoint()
        return mark.get()

    async def main() -> tuple[Any, str]:
        return await Drive(work(), context, InPlace()), mark.get("the task's own")

    assert anyio.run(main, backend=backend) == ("hop", "the task's own")
    assert seen == ["coroutine"]
    assert context[mark] == "hop"


@pytest.mark.parametrize("backend", BACKENDS)
def test_errors_and_cancellation_reach_a_driven_coroutine(backend: str) -> None:
    caught = []
    scopes: list[anyio.CancelScope] = []

    async def work() -> None:
        with pytest.raises(ZeroDivisionError):
            await answer_of(lambda: 1 // 0)
        scopes[0].cancel()
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            caught.append(error)
            raise

    async def main() -> None:
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await Drive(work(), copy_context(), InPlace())
        assert scope.cancelled_caught
        assert isinstance(caught[0], anyio.get_cancelled_exc_class())

    anyio.run(main, backend=backend)


def test_a_coroutine_can_be_driven_to_its_end_from_an_error() -> None:
    async def work() -> str:
        try:
            await anyio.sleep_forever()
        except KeyError:
            return "cleaned up"
        return "not raised"

    async def main() -> Any:
        coroutine = work()
        context = copy_context()
        context.run(coroutine.send, None)
        return await Drive(coroutine, context, InPlace(), KeyError())

    assert asyncio.run(main()) == "cleaned up"


def test_a_drive_that_is_left_raises_the_cancellation_alone() -> None:
    class Leaves:
        async def hop(self, hop: Hop, drive: Drive) -> Any:
            raise Left(KeyError("cancelled"))

    async def main() -> None:
        coroutine = answer_of(int)
        with pytest.raises(KeyError, match="cancelled") as raised:
            await Drive(coroutine, copy_context(), Leaves())
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
        coroutine.close()

    asyncio.run(main())


def test_a_driven_coroutine_that_raises_leaves_no_cycle_behind() -> None:
    async def fail() -> None:
        await Hop(int, "x")

    async def main() -> None:
        for _ in range(20):
            with contextlib.suppress(ValueError):
                await Drive(fail(), copy_context(), InPlace())

    async def collected() -> int:
        await main()
        gc.collect()
        gc.disable()
        try:
            await main()
            return gc.collect()
        finally:
            gc.enable()

    assert asyncio.run(collected()) == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_takes_calls_from_any_thread_until_it_has_ended(backend: str) -> None:
    async def main() -> Any:
        loop = adopt_loop(running_loop())
        waiter = loop.waiter()
        assert loop.thread == threading.get_ident()
        assert not waiter.done()
        threading.Thread(target=loop.post, args=(waiter.set_result, None)).start()
        await waiter
        assert waiter.done()
        assert not loop.ended()
        return loop

    loop = anyio.run(main, backend=backend)
    assert loop.ended()
    with pytest.raises(RuntimeError):
        loop.post(int)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_spawned_task_is_kept_until_its_end_and_can_be_cancelled(backend: str) -> None:
    ended = []

    async def work(loop: Loop, name: str, event: anyio.Event | None) -> None:
        try:
            await anyio.sleep_forever() if event is None else await event.wait()
            ended.append(name)
        except loop.cancelled:
            ended.append(f"{name} cancelled")
            raise

    async def main() -> None:
        loop = adopt_loop(running_loop())
        event = anyio.Event()
        loop.spawn(work(loop, "one", event))
        two = loop.spawn(work(loop, "two", None))
        await anyio.wait_all_tasks_blocked()
        gc.collect()
        event.set()
        two.cancel()
        with anyio.fail_after(5):
            while len(ended) < 2:  # two system tasks, which nothing else can wait for
                await anyio.lowlevel.checkpoint()

    anyio.run(main, backend=backend)
    assert sorted(ended) == ["one", "two cancelled"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_call_is_made_when_the_loop_ends(backend: str) -> None:
    ended: list[bool] = []

    async def main() -> object:
        kept = at_end(lambda: ended.append(True))
        await anyio.lowlevel.checkpoint()
        assert not ended
        return kept

    anyio.run(main, backend=backend)
    assert ended == [True]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_tells_whether_its_running_task_is_cancelled(backend: str) -> None:
    async def main() -> None:
        loop = adopt_loop(running_loop())
        assert not loop.cancellations()
        with anyio.CancelScope() as scope:
            scope.cancel()
            with pytest.raises(loop.cancelled):
                await anyio.sleep_forever()
            assert loop.cancellations()

    anyio.run(main, backend=backend)


def test_there_is_no_loop_where_none_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError):
        running_loop()
    monkeypatch.setitem(sys.modules, "trio", None)
    with pytest.raises(RuntimeError, match="no asyncio event loop is running"):
        running_loop()


@pytest.mark.parametrize("gathered", ["create_task", "wait_for", "gather"])
def test_def_and_async_def_nest_in_each_other_to_any_depth(gathered: str, make_app: MakeApp) -> None:
    """T-04: through the tools that start tasks, too, with no more threads than the outermost calls need."""
    app = make_app(threads=2)
    levels = 6

    def with_tool(coroutine: Coroutine[Any, Any, list[str]]) -> Any:
        if gathered == "create_task":
            return asyncio.create_task(coroutine)
        return asyncio.wait_for(coroutine, 10) if gathered == "wait_for" else asyncio.gather(coroutine)

    def down(level: int) -> list[str]:
        return ["def", *app.call(down_later, level - 1)] if level else ["end"]

    async def down_later(level: int) -> list[str]:
        async def inner() -> list[str]:
            return await anyio.to_thread.run_sync(down, level - 1)

        found: Any = await with_tool(inner())
        return ["async def", *(found[0] if gathered == "gather" else found)]

    @app.get("/def")
    def start() -> list[str]:
        return down(levels)

    @app.get("/async")
    async def start_later() -> list[str]:
        return await anyio.to_thread.run_sync(down, levels)

    for door in ("wsgi", "asgi"):
        with Client(app, door) as client:
            for path in ("/def", "/async"):
                assert client.get(path).json() == ["def", "async def"] * (levels // 2) + ["end"]


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, GeneratorExit])
@pytest.mark.parametrize("middleware", [False, True])
def test_a_handler_that_raises_what_ends_an_iteration_has_failed(
    error: type[BaseException], middleware: bool, make_app: MakeApp, ask: Ask
) -> None:
    """T-06."""
    app = make_app()
    if middleware:

        @app.middleware
        async def around() -> AsyncGenerator[None, None]:
            yield

    @app.get("/")
    def fail() -> str:
        raise error("odd")

    @app.get("/stream")
    def stream() -> Any:
        yield b"one"
        raise error("odd")

    assert ask(app, "GET", b"/").status == 500
    streamed = ask(app, "GET", b"/stream")
    assert (streamed.aborted, streamed.chunks) == (True, [b"one"])


@pytest.mark.parametrize("failure", ["recursion", "memory"])
def test_a_handler_that_runs_out_of_stack_or_memory_fails_alone(
    failure: str, app: App, ask: Ask, colour: Callable[[Any], Any]
) -> None:
    """T-15, T-16."""

    def deeper() -> str:
        return deeper()

    @app.get("/fail")
    @colour
    def fail() -> str:
        if failure == "recursion":
            return deeper()
        raise MemoryError

    @app.get("/fine")
    @colour
    def fine() -> str:
        return "fine"

    for _ in range(2):
        assert ask(app, "GET", b"/fail").status == 500
        assert ask(app, "GET", b"/fine").body == b"fine"


def test_a_loop_is_known_by_what_runs_on_this_thread() -> None:
    async def main() -> object:
        return running_loop()

    assert isinstance(asyncio.run(main()), asyncio.AbstractEventLoop)
    assert isinstance(trio.run(main), trio.lowlevel.TrioToken)
