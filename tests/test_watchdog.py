"""What debug mode tells of a loop that is held, and that nothing is told of one that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from duoframe import App
from duoframe.bridge import adopt_loop, running_loop
from duoframe.testing import exchange
from duoframe.watchdog import Watchdog
from tests.conftest import Ask, MakeApp, our_threads, until

BACKENDS = ["asyncio", "trio"]


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "duoframe.error" and "has been held" in record.getMessage()
    ]


def hold_until(condition: Callable[[], object]) -> None:
    """Hold this thread, as code does that waits without `await`."""
    until(condition, "the watchdog said nothing")


def test_debug_mode_tells_who_holds_the_loop(make_app: MakeApp, ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """P-05: with the stack, once for each holder, at the portal and at a server's loop."""
    app = make_app(debug=True)

    @app.get("/")
    async def hold() -> str:
        hold_until(lambda: told(caplog))
        return "done"

    assert ask(app, "GET", b"/").body == b"done"
    messages = told(caplog)
    assert len(messages) == 1
    assert "in hold" in messages[0]
    assert "hold_until" in messages[0]


def test_def_handlers_go_on_while_the_loop_is_held(app: App) -> None:
    """P-05: behind WSGI they need no loop."""
    held, gate = threading.Event(), threading.Event()

    @app.get("/async")
    async def hold() -> str:
        held.set()
        gate.wait(10)
        return "done"

    @app.get("/def")
    def work() -> str:
        return "at once"

    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(exchange(app, "wsgi", "GET", b"/async")))
    thread.start()
    assert held.wait(10)
    assert exchange(app, "wsgi", "GET", b"/def").body == b"at once"
    gate.set()
    thread.join(10)
    assert answers[0].body == b"done"


def test_without_debug_there_is_no_watchdog(app: App, ask: Ask) -> None:
    @app.get("/")
    async def names() -> list[str]:
        return our_threads()

    assert b"watchdog" not in ask(app, "GET", b"/").body


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_loop_that_waits_is_not_held(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        Watchdog(adopt_loop(running_loop()))
        await anyio.sleep(0.3)
        assert our_threads() == ["duoframe-watchdog"]

    anyio.run(main, backend=backend)
    until(lambda: not our_threads(), "the watchdog outlived its loop")
    assert told(caplog) == []


class Silent:
    """A loop that never answers, whose thread has gone, and that is found to have ended when it is asked again."""

    thread = 0
    asked = 0

    def post(self, call: Any, *args: Any) -> None:
        if self.asked > 1:
            raise RuntimeError("the loop has ended")

    def ended(self) -> bool:
        self.asked += 1
        return self.asked > 1


def test_a_watchdog_ends_with_a_loop_that_is_held_to_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Watchdog:
        watchdog = Watchdog(Silent())  # type: ignore[arg-type]  # as much of a Loop as it uses
        until(lambda: not our_threads(), "the watchdog outlived its loop")
        return watchdog

    asyncio.run(main())
    assert len(told(caplog)) == 1
    assert "its thread has gone" in told(caplog)[0]
