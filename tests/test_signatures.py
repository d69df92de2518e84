"""What a function asks for: annotations resolved, colours seen through wrappings, hooks with fewer arguments."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Generic, TypeVar

import msgspec
import pytest

import duoframe
from duoframe import App, ConfigurationError, Response, UploadFile
from duoframe.params import Depends, Query
from duoframe.requests import Request
from duoframe.signatures import accepts, describe, is_generator, is_request, learn, returns_none, signature_of

if TYPE_CHECKING:
    from fractions import Fraction

    from duoframe import Request as OnlyForCheckers  # noqa: F401  # an annotation that cannot be resolved names it


def annotated(function: Callable[..., Any]) -> list[Any]:
    """What the parameters of a function are annotated with."""
    return [parameter.annotation for parameter in signature_of(function).parameters.values()]


# Annotations, which this module postpones, stand for what they name


class Local: ...


def test_names_are_those_of_the_module_also_inside_other_types() -> None:
    def handler(a: int, b: list[Local], c: Annotated[Local | None, "x"], d: "Local", e: Any, *args: Gone) -> Local: ...  # type: ignore[name-defined,empty-body]  # noqa: F821, UP037  # as the case wants it

    assert annotated(handler)[:5] == [int, list[Local], Annotated[Local | None, "x"], Local, Any]
    assert signature_of(handler).return_annotation is Local


def test_annotations_that_are_no_text_are_left_as_they_are() -> None:
    def handler(a, b, c): ...  # type: ignore[no-untyped-def]  # annotated below

    handler.__annotations__ = {"a": int, "b": list["Local"], "return": None}
    assert annotated(handler) == [int, list[Local], inspect.Parameter.empty]
    assert signature_of(handler).return_annotation is type(None)


def test_a_model_local_to_a_function_is_found_where_its_route_is_registered(app: App) -> None:
    class Item: ...

    def outer(captured: type) -> Callable[..., Any]:
        class Inner: ...

        def handler(a: Item, b: Inner, c: captured) -> None:  # type: ignore[valid-type]  # that is the case
            assert captured

        learn(handler)
        assert annotated(handler) == [Item, Inner, Local]
        return handler

    assert len(annotated(outer(Local))) == 3  # remembered: `Inner` is known to nobody any more


def test_what_dependencies_are_annotated_with_is_resolved_with_their_route() -> None:
    def make() -> Callable[..., Any]:
        class Item: ...

        class Pagination:
            def __init__(self, item: Item) -> None: ...

        def second(item: Item) -> None: ...

        def first(a: Annotated[Any, Depends(second)], b: Item) -> None: ...

        def handler(a: Any = Depends(first), b: Any = Depends(second), c: Pagination = Depends()) -> None: ...

        learn(handler)
        return handler

    first, second, pagination = signature_of(make()).parameters.values()
    assert [each.__name__ for each in annotated(first.default.call)[1:]] == ["Item"]
    assert [each.__name__ for each in annotated(second.default.call)] == ["Item"]
    assert [each.__name__ for each in annotated(pagination.annotation)] == ["Item"]


def test_a_name_that_is_given_later_is_unknown_and_a_variable_without_a_value_no_fault() -> None:
    def handler(a: Later) -> type:
        return Later

    with pytest.raises(ConfigurationError, match="'Later'"):
        learn(handler)

    class Later: ...

    assert annotated(handler) == [Later]


def test_wrappings_partials_objects_methods_and_classes_are_seen_through() -> None:
    def handler(a: Local, b: int = 1) -> None: ...

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    class Callable_:  # noqa: N801  # it stands for one
        def __call__(self, a: Local) -> None: ...

        def method(self, a: Local) -> None: ...

    @dataclasses.dataclass
    class Data:
        a: Local

    class Made:
        def __new__(cls, a: Local) -> Any: ...

    class Bare: ...

    for function in (wrapper, Callable_(), Callable_().method, Data, Made):
        assert annotated(function)[0] is Local, function
    assert annotated(Bare) == []


T = TypeVar("T")


class Items(Generic[T]):
    def __init__(self, first: T, others: list[T], size: int = 1) -> None: ...


def test_a_class_for_some_type_is_called_with_that() -> None:
    assert annotated(Items[Local]) == [Local, list[Local], int]
    assert annotated(Items) == [T, list[T], int]  # type: ignore[valid-type]  # unbound, as it is
    assert describe(Items[Local]) == "'Items'"


def test_what_a_partial_has_settled_is_nobodys_parameter() -> None:
    def handler(a: Local, limit: Gone, b: int = 1) -> None: ...  # type: ignore[name-defined]  # noqa: F821  # as above

    assert list(signature_of(functools.partial(handler, limit=1)).parameters) == ["a", "b"]


def test_the_methods_of_a_view_know_what_its_class_defines(app: App) -> None:
    class View:
        class Item(msgspec.Struct):
            name: str

        def get(self, request: Request) -> Item | Response:
            return Response(request.path)

    app.route("/")(View)


def test_an_object_without_a_hash_is_resolved_each_time() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]  # that is the case

        def __call__(self, a: Local) -> None: ...

    function = Unhashable()
    assert annotated(function) == annotated(function) == [Local]


def test_names_of_ours_may_be_imported_for_type_checkers_alone() -> None:
    namespace: dict[str, Any] = {}
    source = "def handler(a: 'Request', b: 'duoframe.Request', c: 'list[UploadFile]') -> 'Response': ..."
    exec(source, namespace)
    assert annotated(namespace["handler"]) == [Request, Request, list[UploadFile]]
    assert signature_of(namespace["handler"]).return_annotation is Response


def test_a_module_of_that_name_is_its_own() -> None:
    namespace: dict[str, Any] = {"Request": Local}
    exec("def handler(a: 'Request'): ...", namespace)
    assert annotated(namespace["handler"]) == [Local]


def test_a_name_for_type_checkers_alone_is_refused_by_name() -> None:
    def handler(price: list[Fraction]) -> None: ...

    def answers() -> Fraction: ...  # type: ignore[empty-body]  # only its signature counts

    with pytest.raises(ConfigurationError) as caught:
        signature_of(handler)
    for word in ("handler", "'price'", "'Fraction'", "outside of `if TYPE_CHECKING:`"):
        assert word in str(caught.value)
    unresolved = signature_of(answers).return_annotation  # of a dependency it counts for nothing
    assert "what it returns with 'Fraction'" in unresolved.problem


def test_a_request_by_name_needs_no_annotation_that_is_known() -> None:
    def handler(request: Fraction) -> None: ...

    assert annotated(handler) == [Request]


def test_an_annotation_that_is_no_type_is_refused() -> None:
    def handler(a): ...  # type: ignore[no-untyped-def]  # annotated below

    for annotation in ("some words", "1 +", "duoframe.nothing"):
        handler.__annotations__["a"] = annotation
        with pytest.raises(ConfigurationError, match="which is no type"):
            signature_of(handler)
    assert duoframe


def test_an_annotation_is_understood_without_the_future_import_and_where_it_cannot_be_resolved() -> None:
    def handler(req): ...  # type: ignore[no-untyped-def]  # annotated below

    wanted: list[Any] = [Request, "Request", "duoframe.Request", type("Special", (Request,), {})]
    others: list[Any] = [int, "int", "OnlyForCheckers", "1 +", None, inspect.Parameter.empty]
    for annotation in wanted:
        handler.__annotations__["req"] = annotation
        assert is_request(inspect.signature(handler).parameters["req"], handler)
    for annotation in others:
        handler.__annotations__["req"] = annotation
        assert not is_request(inspect.signature(handler).parameters["req"], handler)


def test_what_is_said_twice_of_a_parameter_is_refused() -> None:
    def default(a: Annotated[int, Query()] = Query(1)) -> None: ...

    def both(a: Annotated[int, Query(), Depends(default)]) -> None: ...

    for handler in (default, both):
        with pytest.raises(ConfigurationError, match=r"says twice where its parameter 'a' comes from"):
            learn(handler)


def test_no_frame_is_kept() -> None:
    """What a running function holds is let go of with it."""
    import gc
    import weakref

    def make() -> weakref.ref[Any]:
        class Held: ...

        held = Held()

        def handler(a: int) -> None: ...

        learn(handler)
        return weakref.ref(held)

    gc.disable()
    try:
        assert make()() is None
    finally:
        gc.enable()


# Hooks, middleware and error handlers take as many of the offered arguments as they have places for


@pytest.mark.parametrize(
    ("handler", "given"),
    [
        (lambda: (), ()),
        (lambda b: (b,), (2,)),
        (lambda request: (request,), (1,)),
        (lambda a, b: (a, b), (1, 2)),
        (lambda b, c=3: (b, c), (1, 2)),
        (lambda a, b, c=3: (a, b, c), (1, 2, 3)),
        (lambda *args: args, (1, 2)),
        (lambda a, *args: (a, *args), (1, 2)),
        (lambda b, **kwargs: (b,), (2,)),
        (lambda b, *, c=3: (b,), (2,)),
    ],
)
def test_a_hook_takes_the_last_of_what_is_offered(handler: Callable[..., Any], given: tuple[int, ...]) -> None:
    assert accepts(handler, ("request", "error"), "hook")(1, 2) == given


def test_a_hook_that_is_annotated_gets_the_request() -> None:
    def hook(req: Request) -> Any:
        return req

    call: Any = accepts(hook, ("request", "error"), "hook")
    assert call(1, 2) == 1


@pytest.mark.parametrize("handler", [lambda a, b, c: a, lambda *, a: a, lambda a, *, b: a, lambda *args, b: b])
def test_a_hook_that_asks_for_more_is_refused(handler: Callable[..., Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"hook .* it is given \(request, error\)"):
        accepts(handler, ("request", "error"), "hook")


# Small questions


def test_none_is_announced_by_the_annotation() -> None:
    def announced() -> None: ...

    def otherwise() -> int:
        return 1

    def silent(): ...  # type: ignore[no-untyped-def]  # that is the case

    assert returns_none(announced)
    assert returns_none(functools.partial(announced))
    assert not returns_none(otherwise)
    assert not returns_none(silent)


def test_a_generator_is_seen_through_its_wrappings() -> None:
    def generator() -> Any:
        yield

    async def waiting() -> Any:
        yield

    class Call:
        def __call__(self) -> Any:
            yield

    assert all(is_generator(found) for found in (generator, waiting, Call(), functools.partial(generator)))
    assert not any(is_generator(found) for found in (len, describe, Call))


def test_a_handler_is_described_as_its_author_wrote_it() -> None:
    class Inner:
        def __call__(self) -> None: ...

    def here() -> None: ...

    assert describe(len) == "'len'"
    assert describe(here) == "'test_a_handler_is_described_as_its_author_wrote_it.here'"
    assert describe(functools.partial(functools.partial(len))) == "'len'"
    assert describe(Inner()).endswith(".Inner'")
