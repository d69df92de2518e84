"""How a stream learns that its server stops: real signals, to this process, around handlers as servers install them."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest

from duoframe.bridge import Loop, adopt_loop, running_loop
from duoframe.signals import SIGNALS, Listener, stopping
from tests.conftest import DEADLINE


class Uvicorn:
    """Marks itself as uvicorn's server does."""

    should_exit = False

    def handle_exit(self, number: int, frame: object) -> None:
        self.should_exit = True


class Gunicorn:
    """Marks itself as gunicorn's workers do."""

    alive = True

    def handle_exit(self, number: int, frame: object) -> None:
        self.alive = False


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of this process are as they were after each test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def noted() -> list[int]:
    """The signals that reached a handler that tells nothing of itself."""
    found: list[int] = []

    def handle(number: int, frame: object) -> None:
        found.append(number)

    for number in SIGNALS:
        signal.signal(number, handle)
    return found


def on_loop(backend: str, main: Callable[[Loop], Awaitable[None]]) -> None:
    async def run() -> None:
        with anyio.fail_after(DEADLINE):
            await main(adopt_loop(running_loop()))

    anyio.run(run, backend=backend)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("make", [Uvicorn, Gunicorn])
def test_the_mark_of_a_server_is_read_on_any_thread(make: Callable[[], Any], number: int) -> None:
    """E-08."""
    server = make()
    signal.signal(number, server.handle_exit)
    seen: list[bool] = []

    def look() -> None:
        thread = threading.Thread(target=lambda: seen.append(stopping()))
        thread.start()
        thread.join()

    look()
    signal.raise_signal(number)
    look()
    assert seen == [False, True]


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, lambda number, frame: None])
def test_a_handler_that_tells_nothing_is_no_sign(handler: Any) -> None:
    signal.signal(signal.SIGTERM, handler)
    assert not stopping()


@pytest.mark.parametrize("number", SIGNALS)
def test_a_listener_is_told_and_the_handler_is_called_in_its_turn(backend: str, noted: list[int], number: int) -> None:
    """E-08: and when nobody listens any more, the handlers are the server's own again."""
    before = [signal.getsignal(each) for each in SIGNALS]

    async def main(loop: Loop) -> None:
        told = anyio.Event()
        listener = Listener(loop, told.set)
        signal.raise_signal(number)
        await told.wait()
        assert noted == [number]
        assert stopping()
        listener.close()

    on_loop(backend, main)
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert not stopping()


def test_every_listener_is_told_until_it_is_closed(backend: str, noted: list[int]) -> None:
    async def main(loop: Loop) -> None:
        told = [anyio.Event(), anyio.Event()]
        closed: list[int] = []
        listeners = [Listener(loop, event.set) for event in told]
        gone = Listener(loop, lambda: closed.append(1))
        gone.close()
        signal.raise_signal(signal.SIGTERM)
        for event in told:
            await event.wait()
        for listener in listeners:
            listener.close()
        assert (closed, noted) == ([], [signal.SIGTERM])

    on_loop(backend, main)


def test_who_begins_to_listen_too_late_is_told_at_once(backend: str) -> None:
    """E-08: a stream that begins while the server stops."""
    server = Uvicorn()
    signal.signal(signal.SIGTERM, server.handle_exit)
    signal.raise_signal(signal.SIGTERM)

    async def main(loop: Loop) -> None:
        told = anyio.Event()
        listener = Listener(loop, told.set)
        await told.wait()
        listener.close()

    on_loop(backend, main)


def test_a_signal_that_nobody_handles_is_left_alone(backend: str) -> None:
    """It ends the process, and would not any more if a handler were put there."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    async def main(loop: Loop) -> None:
        listener = Listener(loop, lambda: None)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        listener.close()

    on_loop(backend, main)


def test_a_handler_of_an_asyncio_loop_is_called_too() -> None:
    """E-08: gunicorn's asgi worker and granian take their signals so."""

    async def main(loop: Loop) -> None:
        stops, told = asyncio.Event(), asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stops.set)
        listener = Listener(loop, told.set)
        signal.raise_signal(signal.SIGTERM)
        await stops.wait()
        await told.wait()
        listener.close()
        asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)

    on_loop("asyncio", main)


def test_on_another_thread_the_handlers_are_left_alone_and_a_loop_that_has_ended_is_no_error(noted: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    left: list[Listener] = []

    async def elsewhere(loop: Loop) -> None:
        left.append(Listener(loop, lambda: None))
        assert signal.getsignal(signal.SIGTERM) is before
        left.append(Listener(loop, lambda: None))
        left.pop().close()
        assert signal.getsignal(signal.SIGTERM) is before

    thread = threading.Thread(target=on_loop, args=("asyncio", elsewhere))
    thread.start()
    thread.join()

    async def main(loop: Loop) -> None:
        told = anyio.Event()
        listener = Listener(loop, told.set)
        signal.raise_signal(signal.SIGTERM)
        await told.wait()
        left[0].close()
        listener.close()

    on_loop("asyncio", main)
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_last_listener_off_the_main_thread_leaves_the_handlers_to_the_next(noted: list[int]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def main(loop: Loop) -> None:
        thread = threading.Thread(target=Listener(loop, lambda: None).close)
        thread.start()
        thread.join()
        assert signal.getsignal(signal.SIGTERM) is not before
        Listener(loop, lambda: None).close()
        assert signal.getsignal(signal.SIGTERM) is before

    on_loop("asyncio", main)
