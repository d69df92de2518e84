"""What a function tells of all that it reads of a request."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from typing import Annotated, Any

import pytest

from duoframe import Body, ConfigurationError, Cookie, Form, Header, Path, Query, UploadFile
from duoframe.binding import bind
from duoframe.inputs import Input
from duoframe.params import REQUIRED, Dependency


def no_dependency(dependency: Dependency, annotation: Any) -> int:
    raise AssertionError


def inputs_of(function: Callable[..., Any], **path: str) -> tuple[Input, ...]:
    return bind(function, path, no_dependency, defaultdict(set)).inputs


def test_inputs_stand_in_the_order_of_the_parameters_and_bodies_last() -> None:
    def handler(
        item: dict[str, int],
        x_token: Annotated[int, Header(description="of whom")],
        id: int,
        q: str | None,
        n: Annotated[list[int], Query(alias="number")] = [],  # noqa: B006  # it is copied
        theme: str = Cookie("light"),
        made: list[int] = Query(default_factory=list),
    ) -> None: ...

    found = inputs_of(handler, id="str")
    assert [(read.source, read.name, read.annotation, read.default) for read in found] == [
        ("header", "x-token", int, REQUIRED),
        ("path", "id", int, REQUIRED),
        ("query", "q", str | None, None),
        ("query", "number", list[int], []),
        ("cookie", "theme", str, "light"),
        ("query", "made", list[int], None),
        ("body", "item", dict[str, int], REQUIRED),
    ]
    assert [read.required for read in found] == [read.default is REQUIRED for read in found]
    assert found[0].options["description"] == "of whom"
    assert found[0].schema()[0]["type"] == "integer"


def test_dots_for_a_default_say_that_there_is_none() -> None:
    def handler(a: int = ..., b: Annotated[int, Query()] = ..., c: int = Query(...)) -> None: ...

    assert [read.required for read in inputs_of(handler)] == [True, True, True]


def test_a_function_that_reads_nothing_tells_nothing() -> None:
    assert inputs_of(lambda request, **rest: None, id="str") == ()


def test_the_kinds_of_the_path_are_told_where_nothing_else_says_what_they_are() -> None:
    def handler(a, b, c, d: Any, e: Annotated[str, Path()], f): ...  # type: ignore[no-untyped-def]  # that is the case

    found = inputs_of(handler, a="int", b="float", c="uuid", d="str", e="path", f="")
    assert [read.schema()[0].get("format", read.schema()[0]["type"]) for read in found] == [
        *("integer", "number", "uuid", "string", "string", "string"),
    ]


def test_what_stands_in_one_place_is_equal() -> None:
    def first(page: int, x_a: str = Header()) -> None: ...

    def second(page: str, x_a: int = Header(1)) -> None: ...

    def third(page: str = Form()) -> None: ...

    (a, b), (c, d), (e,) = inputs_of(first), inputs_of(second), inputs_of(third)
    assert (a, b) == (c, d)
    assert {a, b, c, d} == {a, b}
    assert e not in (a, b)
    assert a != "page"
    assert repr(a) == "<Input query 'page'>"


def test_a_default_that_cannot_be_copied_is_given_as_it_is() -> None:
    class Single:
        def __deepcopy__(self, memo: object) -> Any:
            raise TypeError("there is one")

    single = Single()
    with pytest.raises(TypeError):
        copy.deepcopy(single)

    def handler(a: str = single) -> Any:  # type: ignore[assignment]  # that is the case
        return a

    class Given:
        query_string = b""
        _faults = None

    request: Any = Given()
    assert bind(handler, {}, no_dependency, defaultdict(set)).call(request) is single


def test_two_defaults_are_refused() -> None:
    def handler(a: Annotated[list[int], Body(default_factory=list)] = [1]) -> None: ...  # noqa: B006  # refused

    with pytest.raises(ConfigurationError, match=r"'a' that has a default and a default_factory; drop one"):
        inputs_of(handler)


def test_a_marker_that_was_not_called_is_refused() -> None:
    def annotated(a: Annotated[int, Query]) -> None: ...

    def default(a: int = Query) -> None: ...  # type: ignore[assignment]  # that is the case

    for handler in (annotated, default):
        with pytest.raises(ConfigurationError, match=r"says Query of its parameter 'a'; write Query\(\)"):
            inputs_of(handler)


def test_names_of_parameters_do_not_meet_those_of_the_call() -> None:
    """A generated call knows other names beside the parameters."""

    def handler(
        request_: int,
        faults: int,
        text: int,
        query: int,
        function: int,
        error: int,
        a: Annotated[int, Query(ge=1)],
        a_read: int,
        a_default: int,
        values: int,
        class_: int = 1,
        a_: int = 2,
        a__default: int = 3,
    ) -> Any:
        return [request_, faults, text, query, function, error, a, a_read, a_default, values, class_, a_, a__default]

    class Given:
        query_string = b"&".join(
            name.encode() + b"=%d" % number
            for number, name in enumerate(handler.__code__.co_varnames[: handler.__code__.co_argcount], 1)
        )
        _faults = None

        @property
        def query(self) -> Any:
            from duoframe.datastructures import parse_query

            return parse_query(self.query_string)

    request: Any = Given()
    assert bind(handler, {}, no_dependency, defaultdict(set)).call(request) == list(range(1, 14))


def test_a_file_is_no_text() -> None:
    def handler(a: UploadFile) -> None: ...

    (read,) = inputs_of(handler)
    assert (read.source, read.annotation) == ("file", UploadFile)
