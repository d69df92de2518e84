"""What is said of where a plan runs, against where it does run: every piece, behind both doors, and every hop."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from duoframe import App, Depends, Request, inline
from duoframe.check.places import Course, course_of, startup_of
from duoframe.pieces import Colour
from duoframe.threads import Threads
from tests.check.trail import Trail
from tests.conftest import Ask, MakeApp, MakeClient


def painted(kind: str, name: str, plain: Callable[..., Any], waiting: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a colour, ``"i"``, ``"s"`` or ``"a"``, under a name."""
    function = waiting if kind == "a" else plain
    function.__name__ = function.__qualname__ = name
    return inline(function) if kind == "i" else function


def layer(trail: Trail, kind: str, name: str) -> Callable[..., Any]:
    """Middleware of a colour."""

    def plain(request: Request) -> Iterator[Any]:
        trail.mark(name)
        yield

    async def waiting(request: Request) -> AsyncIterator[Any]:
        trail.mark(name)
        yield

    return painted(kind, name, plain, waiting)


def need(trail: Trail, kind: str, name: str) -> Any:
    """A dependency of a colour; one that yields as ``"sy"``, one that is left before the answer as ``"se"``."""

    def plain() -> None:
        trail.mark(name)

    async def waiting() -> None:
        trail.mark(name)

    def yielding() -> Iterator[None]:
        trail.mark(name)
        trail.threads.append(threading.get_ident())
        yield
        trail.threads.append(threading.get_ident())

    async def waiting_yielding() -> AsyncIterator[None]:
        trail.mark(name)
        yield

    plain_one, waiting_one = (yielding, waiting_yielding) if kind[1:] else (plain, waiting)
    function = painted(kind[0], name, plain_one, waiting_one)
    return Depends(function, close="before_response" if kind[1:] == "e" else "after_response")


def build(app: App, trail: Trail, layers: str, needs: str, handler: str, errors: str = "") -> None:
    """One route of layers, dependencies, a handler and error handlers, each of a colour."""

    def plain() -> str:
        trail.mark("handler")
        return "done"

    async def waiting() -> str:
        trail.mark("handler")
        return "done"

    for number, kind in enumerate(layers.split()):
        app.middleware(layer(trail, kind, f"layer {number}"))
    for number, kind in enumerate(errors.split()):
        app.errorhandler(400 + number)(painted(kind, f"error {number}", lambda: "", error_waiting()))
    depends = [need(trail, kind, f"need {number}") for number, kind in enumerate(needs.split())]
    app.get("/", dependencies=depends)(painted(handler, "handler", plain, waiting))


def error_waiting() -> Callable[..., Any]:
    async def answer() -> str:
        return ""

    return answer


def course_in(app: App) -> Course:
    app.compile()
    return course_of(app.routes[0].plan)


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One item for each time that something was given to a worker thread and waited for."""
    made: list[None] = []
    run = Threads.run

    async def counting(threads: Threads, *args: Any, **kwargs: Any) -> Any:
        made.append(None)
        return await run(threads, *args, **kwargs)

    monkeypatch.setattr(Threads, "run", counting)
    return made


@pytest.mark.parametrize(
    ("layers", "needs", "handler", "errors"),
    [
        ("", "", "s", ""),
        ("", "", "a", ""),
        ("", "", "i", ""),
        ("i i", "i", "i", ""),
        ("i", "iy", "i", ""),
        ("i s", "s sy", "s", ""),
        ("i s", "se", "i", ""),
        ("s i", "", "i", "s"),
        ("", "", "s", "a"),
        ("i", "", "i", "a"),
        ("a", "", "s", ""),
        ("s", "", "a", ""),
        ("i s", "", "a", "s"),
        ("i a i", "i", "i", ""),
        ("i s a s i", "i s", "s", ""),
        ("s a s", "", "s", "a"),
        ("s s a a s", "a", "s", ""),
        ("", "s a s", "a", ""),
        ("", "sy a", "s", ""),
        ("", "sy ay sy iy", "a", ""),
        ("s", "sy ay sy", "s", ""),
        ("a", "se", "s", ""),
        ("a s", "sy se", "s", ""),
        ("", "se", "a", ""),
        ("", "se ae sy", "a", ""),
        ("", "ae", "s", ""),
        ("s", "ae se", "s", ""),
        ("s", "se ae", "i", ""),
        ("i s a", "iy sy", "a", "s a"),
    ],
)
def test_each_piece_runs_where_it_is_said_to(
    make_app: MakeApp, ask: Ask, hops: list[None], layers: str, needs: str, handler: str, errors: str
) -> None:
    app, trail = make_app(), Trail(ask.door)
    build(app, trail, layers, needs, handler, errors)
    course = course_in(app)
    assert ask(app, "GET", b"/").body == b"done"
    steps = [step for step in course.steps if step.role != "error handler"]
    assert trail.steps == [(step.piece.name, getattr(step, ask.door)) for step in steps]
    assert steps[-1].hop or trail.steps[-1][1] == getattr(course, ask.door)
    assert len(hops) == getattr(course, f"{ask.door}_hops")
    entered_and_left = set(trail.threads)
    assert len(entered_and_left) <= 1 or course.moved


@pytest.mark.parametrize("colour", ["s", "i", "a"])
@pytest.mark.parametrize("handler", ["s", "i", "a"])
def test_an_error_handler_runs_where_it_is_said_to(make_app: MakeApp, ask: Ask, handler: str, colour: str) -> None:
    app, trail = make_app(), Trail(ask.door)

    def plain() -> str:
        raise LookupError

    async def waiting() -> str:
        raise LookupError

    def answer(request: Request, error: Exception) -> str:
        trail.mark("answer")
        return "mended"

    async def waiting_answer(request: Request, error: Exception) -> str:
        trail.mark("answer")
        return "mended"

    app.get("/")(painted(handler, "handler", plain, waiting))
    app.errorhandler(LookupError)(painted(colour, "answer", answer, waiting_answer))
    course = course_in(app)
    assert ask(app, "GET", b"/").body == b"mended"
    assert trail.steps == [(course.steps[-1].piece.name, getattr(course.steps[-1], ask.door))]


@pytest.mark.parametrize("kinds", ["s", "i", "a", "s a", "i a s", "s s"])
def test_a_lifespan_is_entered_where_it_is_said_to(make_app: MakeApp, client: MakeClient, kinds: str, way: Any) -> None:
    app, trail = make_app(), Trail(way[0])
    for number, kind in enumerate(kinds.split()):
        app.lifespan(layer(trail, kind, f"lifespan {number}"))
    steps = startup_of(app.life.pieces)
    app.get("/")(lambda: "started")
    assert client(app).get("/").text == "started"
    assert trail.steps == [(step.piece.name, getattr(step, way[0])) for step in steps]


# What is said beside.


def said(app: App, *chain: str) -> Course:
    build(app, Trail("wsgi"), *chain)
    return course_in(app)


def test_hops_have_numbers(app: App) -> None:
    course = said(app, "i s a s", "a s", "s")
    assert [(step.piece.name, step.hop) for step in course.steps] == [
        *(("'layer 0'", 0), ("'layer 1'", 1), ("'layer 2'", 0), ("'layer 3'", 2)),
        *(("'need 0'", 0), ("'need 1'", 3), ("'handler'", 3)),
    ]
    assert (course.inward, course.outward) == (3, 2)


@pytest.mark.parametrize(
    ("chain", "cause"),
    [
        (("a", "a", "s"), ("middleware", "'layer 0'")),
        (("s", "s a", "s"), ("dependency", "'need 1'")),
        (("i", "", "s", "s a"), ("error handler", "'error 1'")),
        (("i s", "", "i"), ("middleware", "'layer 1'")),
        (("a", "", "a"), None),
        (("s", "", "s"), None),
        (("i", "i", "i"), None),
    ],
)
def test_the_first_piece_of_another_colour_is_the_cause(
    app: App, chain: tuple[str, ...], cause: tuple[str, str] | None
) -> None:
    found = said(app, *chain).cause
    assert (found and (found.role, found.piece.name)) == cause


def test_hooks_are_told_from_middleware(app: App) -> None:
    @app.middleware
    def around(request: Request) -> Iterator[Any]:
        yield

    @app.before_request
    async def before(request: Request) -> None: ...

    @app.after_request
    def after(response: Any) -> None: ...

    @app.get("/", produces=["application/json"])
    def index() -> dict[str, int]:
        return {}

    assert [(step.role, step.piece.name) for step in course_in(app).steps] == [
        ("middleware", "'test_hooks_are_told_from_middleware.around'"),
        ("hook", "'test_hooks_are_told_from_middleware.before'"),
        ("hook", "'test_hooks_are_told_from_middleware.after'"),
        ("middleware", "negotiation"),
        ("handler", "'test_hooks_are_told_from_middleware.index'"),
    ]


@pytest.mark.parametrize(
    ("chain", "moved"),
    [
        (("", "sy", "s"), []),
        (("a", "sy", "s"), ["'need 0'"]),
        (("a", "se", "s"), []),
        (("", "se", "a"), ["'need 0'"]),
        (("", "se a", "s"), ["'need 0'"]),
        (("", "sy ay s", "a"), ["'need 0'"]),
    ],
)
def test_dependencies_that_are_left_on_another_thread_are_named(
    app: App, chain: tuple[str, ...], moved: list[str]
) -> None:
    assert [piece.name for piece in said(app, *chain).moved] == moved


def test_the_colour_is_the_plans(app: App) -> None:
    assert said(app, "a", "", "s").colour is Colour.ASYNC
