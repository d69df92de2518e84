"""The graph of a route's dependencies: the order, what is made once, and what is refused when a route is declared."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from typing_extensions import TypeAliasType

from duoframe import App, ConfigurationError, Depends, Router
from duoframe.needs import Wiring, wire
from duoframe.params import SecurityScopes
from duoframe.pieces import Colour
from duoframe.security import Security


def wired(handler: Callable[..., Any], *dependencies: Any, **overrides: Any) -> Wiring:
    return wire(handler, dependencies, {}, overrides)  # type: ignore[arg-type]  # no function is called by a name


def names(wiring: Wiring) -> list[str]:
    return [need.function.__name__ for need in wiring.needs]


def one() -> int:
    return 1


async def two(first: Annotated[int, Depends(one)]) -> int:
    return first + 1


def three(first: Annotated[int, Depends(one)], second: Annotated[int, Depends(two)]) -> int:
    return first + second


def test_each_need_stands_behind_those_that_it_is_made_of() -> None:
    def handler(value: Annotated[int, Depends(three)], again: Annotated[int, Depends(one)]) -> None: ...

    wiring = wired(handler, Depends(two))
    assert names(wiring) == ["one", "two", "three"]
    assert [need.after for need in wiring.needs] == [frozenset(), {0}, {0, 1}]
    assert [need.piece.colour for need in wiring.needs] == [Colour.SYNC, Colour.ASYNC, Colour.SYNC]


def test_what_two_dependencies_read_is_told_once() -> None:
    def first(page: int) -> int:
        return page

    def second(page: int, size: int) -> int:
        return page * size

    def handler(a: Annotated[int, Depends(first)], b: Annotated[int, Depends(second)], page: int) -> None: ...

    read = [(read.source, read.name) for read in wired(handler).inputs]
    assert sorted(read) == [("query", "page"), ("query", "size")]


def test_an_object_without_a_hash_is_a_dependency() -> None:
    @dataclasses.dataclass
    class Times:
        factor: int

        def __call__(self) -> int:
            return self.factor

    times = Times(3)

    def handler(a: Annotated[int, Depends(times)], b: Annotated[int, Depends(times)]) -> None: ...

    assert len(wired(handler).needs) == 1


def test_scopes_are_those_of_all_who_ask() -> None:
    asked: list[tuple[str, ...]] = []

    def connection() -> str:
        return "c"

    def user(required: SecurityScopes, c: Annotated[str, Depends(connection)]) -> str:
        asked.append(required.scopes)
        return str(required)

    def reader(who: Annotated[str, Security(user, scopes=["read"])]) -> str:
        return who

    def handler(
        a: Annotated[str, Security(reader, scopes=["items"])],
        b: Annotated[str, Security(user, scopes=["write"])],
        c: Annotated[str, Depends(connection)],
        d: Annotated[str, Security(user, scopes=["write"])],
    ) -> None: ...

    wiring = wired(handler)
    assert names(wiring) == ["connection", "user", "reader", "user"]  # what knows no scopes is made once
    assert [need.scopes for need in wiring.needs if need.function is user] == [("items", "read"), ("write",)]


def test_a_dependency_that_needs_itself_is_refused() -> None:
    def first() -> int:
        return 1

    def second(value: Annotated[int, Depends(first)]) -> int:
        return value

    def handler(value: Annotated[int, Depends(second)]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"a dependency needs itself: '.*second' -> '.*second'"):
        wire(handler, (), {}, {first: second})


def test_what_is_left_early_cannot_carry_what_is_left_late() -> None:
    def early() -> Iterator[int]:
        yield 1

    def plain(value: Annotated[int, Depends(early, close="before_response")]) -> int:
        return value

    def late(value: Annotated[int, Depends(early, close="before_response")]) -> Iterator[int]:
        yield value

    def late_by_plain(value: Annotated[int, Depends(plain)]) -> Iterator[int]:
        yield value

    for refused in (late, late_by_plain):

        def handler(value: Annotated[int, Depends(refused)]) -> None: ...

        with pytest.raises(ConfigurationError, match=r"is left after the response, but needs .* give both the same"):
            wired(handler)

    def fine(a: Annotated[int, Depends(plain)], b: Annotated[int, Depends(late, close="before_response")]) -> None: ...

    assert [need.early for need in wired(fine).needs] == [True, True, True]


def test_a_context_manager_is_refused() -> None:
    @contextlib.contextmanager
    def connection() -> Iterator[int]:
        yield 1

    @contextlib.asynccontextmanager
    async def other() -> AsyncIterator[int]:
        yield 1

    for refused in (connection, other):

        def handler(value: Annotated[Any, Depends(refused)]) -> None: ...

        with pytest.raises(ConfigurationError, match="makes a context manager; take `@contextmanager` off"):
            wired(handler)


@pytest.mark.parametrize("place", [App, Router])
@pytest.mark.parametrize("wrong", [one, Depends(), "one"])
def test_dependencies_of_a_place_are_depends_of_functions(place: Any, wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"expected dependencies=\[Depends\(function\)\], got"):
        place(dependencies=[wrong])


def test_a_dependency_may_have_a_name() -> None:
    named: Any = TypeAliasType("named", Annotated[int, Depends(two)])

    def handler(value: named) -> None: ...

    assert names(wired(handler)) == ["one", "two"]


def test_depends_alone_stands_for_a_class() -> None:
    def handler(value: Annotated[int | None, Depends()]) -> None: ...

    with pytest.raises(ConfigurationError, match="Depends\\(\\) stands for the annotated class, got"):
        wired(handler)


def test_an_override_that_cannot_be_wired_is_refused_at_once() -> None:
    app = App()

    @app.get("/")
    def index(value: Annotated[int, Depends(one)]) -> str:
        return str(value)

    @contextlib.contextmanager
    def wrong() -> Iterator[int]:
        yield 1

    with pytest.raises(ConfigurationError, match="makes a context manager"):
        app.dependency_overrides[one] = wrong


def test_what_is_made_of_scopes_is_not_taken_for_others_though_its_parts_were_made_before() -> None:
    def user(required: SecurityScopes) -> tuple[str, ...]:
        return required.scopes

    def reader(who: Annotated[Any, Depends(user)]) -> Any:
        return who

    def handler(
        a: Annotated[Any, Security(user, scopes=["read"])],
        b: Annotated[Any, Security(reader, scopes=["read"])],
        c: Annotated[Any, Security(reader, scopes=["admin"])],
    ) -> None: ...

    needs = wired(handler).needs
    assert [(need.function.__name__, need.scopes) for need in needs] == [
        ("user", ("read",)),
        ("reader", ("read",)),
        ("user", ("admin",)),
        ("reader", ("admin",)),
    ]
