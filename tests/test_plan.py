"""The colour of a plan, how its pieces are grouped, and which error handler answers."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

import pytest

from duoframe import ConfigurationError, HTTPException, Response, inline
from duoframe.limits import Limits
from duoframe.pieces import Colour, Piece, colour_of
from duoframe.plan import ErrorHandlers, Plan, Style
from duoframe.representations import Representation


def sync_middleware(request: Any) -> Generator[Any, Any]:
    yield


async def async_middleware(request: Any) -> AsyncGenerator[Any, Any]:
    yield


@inline
def inline_middleware(request: Any) -> Generator[Any, Any]:
    yield


PIECES = {
    "s": Piece.middleware(sync_middleware),
    "a": Piece.middleware(async_middleware),
    "i": Piece.middleware(inline_middleware),
}
COLOURS = {"s": Colour.SYNC, "a": Colour.ASYNC, "i": Colour.INLINE}


def handler(request: Any) -> None:
    """Never called here."""


def plan_of(layers: str, last: str, errors: str = "") -> Plan:
    levels: Any = [{400 + place: Piece(handler, COLOURS[kind], kind) for place, kind in enumerate(errors)}]
    return Plan(
        "test",
        [PIECES[kind] for kind in layers],
        Piece(handler, COLOURS[last], "test"),
        ErrorHandlers(levels),
        limits=Limits(),
    )


def shown(plan: Plan) -> list[tuple[str, str]]:
    """Each stage as its style and its pieces; the last one's handler is a star."""
    letters = {piece.call: letter for letter, piece in PIECES.items()}
    return [
        (stage.style.name, "".join(letters[piece.call] for piece in stage.layers) + "*" * stage.handles)
        for stage in plan.stages
    ]


@pytest.mark.parametrize(
    ("layers", "last", "errors", "colour"),
    [
        ("", "i", "", Colour.INLINE),
        ("ii", "i", "i", Colour.INLINE),
        ("", "s", "", Colour.SYNC),
        ("i", "i", "s", Colour.SYNC),
        ("s", "i", "", Colour.SYNC),
        ("", "a", "", Colour.ASYNC),
        ("sa", "s", "", Colour.ASYNC),
        ("s", "s", "a", Colour.ASYNC),
    ],
)
def test_a_plan_has_the_colour_of_its_most_demanding_piece(layers: str, last: str, errors: str, colour: Colour) -> None:
    assert plan_of(layers, last, errors).colour is colour


@pytest.mark.parametrize(
    ("layers", "last", "stages"),
    [
        ("", "s", [("DIRECT", "*")]),
        ("", "a", [("AWAIT", "*")]),
        ("", "i", [("DIRECT", "*")]),
        ("ss", "s", [("DIRECT", "ss*")]),
        ("ss", "i", [("DIRECT", "ss*")]),
        ("sis", "s", [("DIRECT", "sis*")]),
        ("aa", "a", [("AWAIT", "aa*")]),
        ("as", "s", [("AWAIT", "a"), ("HOP", "s*")]),
        ("sa", "s", [("HOP", "s"), ("AWAIT", "a"), ("HOP", "*")]),
        ("ss", "a", [("HOP", "ss"), ("AWAIT", "*")]),
        ("sis", "a", [("HOP", "sis"), ("AWAIT", "*")]),
        ("asi", "i", [("AWAIT", "a"), ("HOP", "si*")]),
        ("aia", "i", [("AWAIT", "aia*")]),
    ],
)
def test_neighbours_of_one_style_are_run_in_one_go(layers: str, last: str, stages: Any) -> None:
    """Neighbouring `def` pieces of an async plan share one hop; what never blocks goes along."""
    assert shown(plan_of(layers, last)) == stages


@pytest.mark.parametrize(("layers", "gate", "rest"), [("iis", 2, "s*"), ("si", 0, "si*"), ("ii", 2, "*"), ("", 0, "*")])
def test_the_leading_inline_layers_are_the_gate(layers: str, gate: int, rest: str) -> None:
    plan = plan_of(layers, "s")
    assert (0 if plan.gate is None else len(plan.gate.layers)) == gate
    assert shown(plan) == [("DIRECT", rest)]


def test_a_plan_goes_on_behind_what_another_plans_gate_has_entered() -> None:
    plan = plan_of("iis", "s")
    assert plan.after_gate(2) is plan.stages
    assert [len(stage.layers) for stage in plan.after_gate(3)] == [0]


def test_the_style_of_a_piece_depends_on_the_plan() -> None:
    assert plan_of("", "s").style(Colour.SYNC) is Style.DIRECT
    assert plan_of("", "a").style(Colour.SYNC) is Style.HOP
    assert plan_of("", "a").style(Colour.INLINE) is Style.DIRECT
    assert plan_of("", "a").style(Colour.ASYNC) is Style.AWAIT


# Colours


async def coroutine_function() -> None:
    pass


async def async_generator_function() -> AsyncIterator[int]:
    yield 1


class AsyncCall:
    async def __call__(self) -> None:
        pass

    async def method(self) -> None:
        pass

    def plain(self) -> None:
        pass


class SyncCall:
    def __call__(self) -> None:
        pass


def wrapping(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@pytest.mark.parametrize(
    ("function", "colour"),
    [
        (handler, Colour.SYNC),
        (len, Colour.SYNC),
        (sync_middleware, Colour.SYNC),
        (SyncCall(), Colour.SYNC),
        (AsyncCall().plain, Colour.SYNC),
        (functools.partial(handler), Colour.SYNC),
        (coroutine_function, Colour.ASYNC),
        (async_generator_function, Colour.ASYNC),
        (AsyncCall(), Colour.ASYNC),
        (AsyncCall().method, Colour.ASYNC),
        (functools.partial(coroutine_function), Colour.ASYNC),
        (functools.partial(functools.partial(AsyncCall())), Colour.ASYNC),
        (wrapping(coroutine_function), Colour.ASYNC),
        (wrapping(wrapping(AsyncCall())), Colour.ASYNC),
        (functools.partial(wrapping(async_generator_function)), Colour.ASYNC),
        (inline_middleware, Colour.INLINE),
        (inline(functools.partial(handler)), Colour.INLINE),
    ],
)
def test_the_colour_of_a_piece_is_seen_through_its_wrappings(function: Any, colour: Colour) -> None:
    assert colour_of(function) is colour


def test_an_async_def_cannot_be_inline() -> None:
    with pytest.raises(ConfigurationError, match=r"coroutine_function' is `async def`; `@inline` marks a `def`"):
        inline(coroutine_function)


@pytest.mark.parametrize("function", [handler, len, coroutine_function, "no function", None, SyncCall()])
def test_middleware_is_a_generator_function(function: Any) -> None:
    with pytest.raises(ConfigurationError, match="has no `yield`"):
        Piece.middleware(function)


def test_middleware_may_leave_the_request_out() -> None:
    def layer() -> Iterator[Any]:
        yield "early"

    assert next(Piece.middleware(layer).call("the request")) == "early"


# Error handlers


def test_without_a_level_that_knows_it_nobody_handles_an_error() -> None:
    handlers = ErrorHandlers([{}, {404: PIECES["s"]}])
    assert handlers.find(HTTPException(405)) is None
    assert handlers.find(ValueError()) is None
    assert handlers.pieces == [PIECES["s"]]


def test_of_two_levels_the_first_that_knows_an_error_has_it() -> None:
    handlers = ErrorHandlers([{LookupError: PIECES["s"]}, {KeyError: PIECES["a"], 500: PIECES["i"]}])
    assert handlers.find(KeyError()) is PIECES["s"]
    assert handlers.find(ValueError()) is PIECES["i"]
    assert handlers.find(HTTPException(500)) is PIECES["i"]
    assert handlers.find(HTTPException(404)) is None


def test_in_one_level_a_class_comes_before_500_and_after_any_other_status() -> None:
    handlers = ErrorHandlers([{Exception: PIECES["s"], 500: PIECES["a"], 404: PIECES["i"]}])
    assert handlers.find(ValueError()) is PIECES["s"]
    assert handlers.find(HTTPException(404)) is PIECES["i"]
    assert handlers.find(HTTPException(500)) is PIECES["a"]
    assert handlers.find(HTTPException(405)) is PIECES["s"]


# What a handler returned

REQUEST: Any = None  # which is asked only by a route that offers several media types


def view() -> str:
    """Never called here."""
    return ""


def plan_with(declaring: Callable[..., Any], status: int = 200) -> Plan:
    """A plan of a handler that declares to return what ``declaring`` does."""
    representation = Representation(declaring, status)
    return Plan(
        "'view'",
        [],
        Piece(declaring, Colour.SYNC, "'view'"),
        ErrorHandlers([]),
        limits=Limits(),
        representation=representation,
    )


def test_none_is_204_where_it_is_announced_and_an_error_elsewhere() -> None:
    """A-28."""
    assert plan_with(handler).answer(None, REQUEST).status == 204
    with pytest.raises(
        TypeError, match=r"handler 'view' returned None: a `return` is missing, or annotate it `-> None`"
    ):
        plan_with(view).answer(None, REQUEST)


def test_a_coroutine_is_closed_and_the_message_names_handler_and_fix() -> None:
    waiting = coroutine_function()
    with pytest.raises(TypeError, match=r"handler 'view' returned a coroutine; declare it with `async def`"):
        plan_with(view).answer(waiting, REQUEST)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        waiting.send(None)


def test_any_other_awaitable_is_refused_too() -> None:
    class Awaitable:
        def __await__(self) -> Iterator[Any]:
            yield

    with pytest.raises(TypeError, match="declare it with `async def`"):
        plan_with(view).answer(Awaitable(), REQUEST)


@pytest.mark.parametrize(("value", "kind"), [(object(), TypeError), ("\ud800", ValueError), (["\ud800"], ValueError)])
def test_a_value_that_is_no_answer_names_the_handler(value: Any, kind: type[Exception]) -> None:
    """H-22."""
    with pytest.raises(kind, match="handler 'view': "):
        plan_with(view).answer(value, REQUEST)


def test_the_status_of_a_route_is_that_of_its_bare_values() -> None:
    assert plan_with(view, 201).answer({"a": 1}, REQUEST).status == 201
    assert plan_with(view, 201).answer(("x", 202), REQUEST).status == 202
    assert plan_with(view, 201).answer(Response("x"), REQUEST).status == 200
