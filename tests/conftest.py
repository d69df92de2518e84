"""The fixtures that run one test behind both doors, over both colours, and see that nothing is left behind."""

from __future__ import annotations

import functools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from duoframe import App
from duoframe.testing import Client, Exchange, exchange

DEADLINE = 10.0
"""Seconds after which a test stops waiting for something that should have happened."""


class Ask(Protocol):
    """Sends one raw request: `duoframe.testing.exchange` with the door chosen."""

    door: str

    def __call__(self, app: Any, method: str, target: bytes, *args: Any, **options: Any) -> Exchange: ...


class MakeApp(Protocol):
    """Makes an application that is shut down after the test."""

    def __call__(self, **options: Any) -> App: ...


class MakeClient(Protocol):
    """Makes a client whose lifespan is entered until the end of the test."""

    def __call__(self, app: Any, **options: Any) -> Client: ...


@pytest.fixture(params=["wsgi", "asgi", "asgi-trio"])
def way(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A door and the event loop that its server runs: a test that takes it is run behind each."""
    door, _, backend = request.param.partition("-")
    return door, backend or "asyncio"


@pytest.fixture
def ask(way: tuple[str, str]) -> Ask:
    """`exchange` behind each door in turn; both sides pass through the strict checkers."""
    door, backend = way

    def ask(app: Any, method: str, target: bytes, *args: Any, **options: Any) -> Exchange:
        return exchange(app, door, method, target, *args, **{"backend": backend, **options})  # type: ignore[arg-type]  # a Door

    ask.door = door  # type: ignore[attr-defined]  # functions take attributes
    return ask  # type: ignore[return-value]  # with the attribute it is an Ask


@pytest.fixture
def client(way: tuple[str, str]) -> Iterator[MakeClient]:
    """A client of each door in turn: ``client(app).get("/")``. What the app raises becomes a 500 or an abort."""
    door, backend = way
    opened: list[Client] = []

    def make(app: Any, **options: Any) -> Client:
        made = Client(app, door, **{"backend": backend, "raise_app_exceptions": False, **options})  # type: ignore[arg-type]  # as above
        made.__enter__()
        opened.append(made)
        return made

    yield make
    for made in opened:
        made.__exit__(None, None, None)


@pytest.fixture(params=["def", "async def"])
def colour(request: pytest.FixtureRequest) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that leaves a `def` as it is, or makes an `async def` that does the same."""

    def paint(function: Callable[..., Any]) -> Callable[..., Any]:
        if request.param == "def":
            return function

        @functools.wraps(function)
        async def painted(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return painted

    return paint


@pytest.fixture
def make_app() -> Iterator[MakeApp]:
    """A maker of applications; at the end each is shut down, and no thread of ours may be left."""
    made: list[App] = []

    def make(**options: Any) -> App:
        made.append(App(**options))
        return made[-1]

    yield make
    for app in made:
        app.shutdown()
    until(lambda: not our_threads(), f"threads were left: {our_threads()}")


@pytest.fixture
def app(make_app: MakeApp) -> App:
    """An application, shut down after the test."""
    return make_app()


def installed(program: str, package: str | None = None, path: str | None = None) -> str:
    """The path of a program of the system that a test needs.

    ``package`` is its Debian package where that has another name; ``path`` are the folders to look in, where the
    system's own are not enough. Without it the test is skipped; in CI, where all of them have to run, it fails.
    """
    found = shutil.which(program, path=path)
    if found is None:
        give_up = pytest.fail if os.environ.get("CI") else pytest.skip
        give_up(f"this test runs a real {program}: install it (Debian: apt-get install {package or program})")
    return found


def our_threads() -> list[str]:
    """The names of the threads that the framework has started and that still run."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("duoframe")]


def until(condition: Callable[[], object], failure: str, deadline: float = DEADLINE) -> None:
    """Wait for a condition that another thread brings about; fail after ``deadline`` seconds."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            pytest.fail(failure)
        threading.Event().wait(0.005)
