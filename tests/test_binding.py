"""From a signature to the one call that takes the request."""

from __future__ import annotations

import functools
import traceback
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

import duoframe
from duoframe import App, ConfigurationError
from duoframe import Request as Asked
from duoframe.binding import bind
from duoframe.params import Dependency
from duoframe.requests import Request
from tests.conftest import Ask

if TYPE_CHECKING:
    from fractions import Fraction as Item  # as above

    from duoframe import Request as OnlyForCheckers  # noqa: F401  # an annotation that cannot be resolved names it


T = TypeVar("T")


class Given:
    """Stands for a request: a binder reads its path parameters."""

    def __init__(self, **path_params: Any) -> None:
        self.path_params = path_params


def no_dependency(dependency: Dependency, annotation: Any) -> int:
    raise AssertionError


def bound(handler: Callable[..., Any], **path_params: Any) -> Any:
    """What the handler returns, called as a route with these path parameters calls it, and the request."""
    request: Any = Given(**path_params)
    return bind(handler, dict.fromkeys(path_params, ""), no_dependency, defaultdict(set)).call(request), request


def test_a_variable_stands_for_no_type() -> None:
    def handler(item: T) -> None: ...

    with pytest.raises(ConfigurationError, match="'item' that is ~T, which stands for no type here; annotate it"):
        bound(handler)


def test_a_response_is_nothing_that_a_request_gives() -> None:
    def handler(response: duoframe.Response) -> None: ...

    with pytest.raises(ConfigurationError, match=r"'response' that is a Response, .*: make one and return it"):
        bound(handler)


def test_a_parameter_named_request_gets_it_whatever_its_annotation() -> None:
    def bare(request): ...  # type: ignore[no-untyped-def]  # that is the case

    handlers: list[Any] = [
        lambda request: request,
        lambda request, /: request,
        lambda *, request: request,
        lambda request=None: request,
    ]

    def annotated(request: Any) -> Any:
        return request

    def unresolved(request: Item) -> Any:
        return request

    for handler in [*handlers, annotated, unresolved]:
        value, request = bound(handler)
        assert value is request
    assert bind(bare, {}, no_dependency, defaultdict(set)).call is bare


def test_a_parameter_annotated_request_gets_it_whatever_its_name() -> None:
    def direct(req: Request) -> Any:
        return req

    def alias(req: Asked) -> Any:
        return req

    def dotted(req: duoframe.Request) -> Any:
        return req

    def last(n: str, req: Request) -> Any:
        return req

    def keyword(*, req: Request) -> Any:
        return req

    def text(req: "Request") -> Any:  # noqa: UP037  # a string in a string
        return req

    for handler in (direct, alias, dotted, last, keyword, text):
        value, request = bound(handler, n="x")
        assert value is request


def test_parts_of_the_path_go_to_the_parameters_of_their_names() -> None:
    def handler(b: int, request: Request, *, a: str, c="default") -> Any:  # type: ignore[no-untyped-def]  # that is the case
        return a, b, c

    assert bound(handler, a="x", b=1)[0] == ("x", 1, "default")
    assert bound(handler, a="x", b=1, c="y")[0] == ("x", 1, "y")


def test_positional_only_parameters_keep_their_places() -> None:
    def handler(a: str, request: Request, b="default", /, c="c") -> Any:  # type: ignore[no-untyped-def]  # as above
        return a, request.path_params["a"], b, c

    assert bound(handler, a="x")[0] == ("x", "x", "default", "c")
    assert bound(handler, a="x", c="y")[0] == ("x", "x", "default", "y")


def test_a_positional_only_default_is_given_where_another_follows() -> None:
    def handler(a="default", b="other", /):  # type: ignore[no-untyped-def]  # as above
        return a, b

    assert bound(handler, b="x")[0] == ("default", "x")


def test_a_path_parameter_called_request_goes_by_the_annotation() -> None:
    def text(request: str) -> Any:
        return request

    def both(request: Request) -> Any:
        return request

    assert bound(text, request="text")[0] == "text"
    value, request = bound(both, request="text")
    assert value is request


def test_keyword_arguments_of_any_name_get_the_rest_of_the_path() -> None:
    """A decorator without `functools.wraps` shows this signature alone."""

    def handler(a: str, *args: Any, **rest: Any) -> Any:
        return a, args, rest

    assert bound(handler, a="x", b="y")[0] == ("x", (), {"b": "y"})
    assert bound(lambda *args, **kwargs: (args, kwargs), a=1)[0] == ((), {"a": 1})


def test_a_parameter_that_names_nothing_is_refused_by_handler_and_fix() -> None:
    def show_item(item_id): ...  # type: ignore[no-untyped-def]  # as above

    with pytest.raises(ConfigurationError) as caught:
        bind(show_item, {"id": "str", "name": "str"}, no_dependency, defaultdict(set))
    message = str(caught.value)
    assert "show_item" in message
    assert "'item_id'" in message
    assert "id, name" in message
    assert "add {item_id} to the path" in message


def test_a_keyword_only_parameter_that_names_nothing_is_refused_too() -> None:
    with pytest.raises(ConfigurationError, match="its parameters: none"):
        bind(lambda *, item: item, {}, no_dependency, defaultdict(set))


def test_an_unreadable_signature_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"the signature of 'type' cannot be read"):
        bind(type, {}, no_dependency, defaultdict(set))


def test_handlers_of_every_kind_are_bound(ask: Ask, app: App) -> None:
    class Callable_:  # noqa: N801  # it stands for one
        def __call__(self, name: str, req: Request) -> str:
            return f"object {name} {req.path}"

        async def method(self, name: str) -> str:
            return f"method {name}"

        @classmethod
        def of_class(cls, name: str) -> str:
            return f"class {name}"

        @staticmethod
        async def static(name: str) -> str:
            return f"static {name}"

    def curried(greeting: str, name: str) -> str:
        return f"{greeting} {name}"

    def lone(request: Request) -> str:
        return f"keywords {request.path_params['name']}"

    @functools.wraps(lone)
    def keywords(**kwargs: Any) -> Any:
        return lone(**kwargs)

    async def hidden(name: str) -> str:
        return f"hidden {name}"

    @functools.wraps(hidden)
    def hiding(*args: Any, **kwargs: Any) -> Any:
        return hidden(*args, **kwargs)

    app.get("/object/{name}")(Callable_())
    app.get("/method/{name}")(Callable_().method)
    app.get("/class/{name}")(Callable_.of_class)
    app.get("/static/{name}")(Callable_.static)
    app.get("/partial/{name}")(functools.partial(curried, "partial"))
    app.get("/hidden/{name}")(hiding)
    app.get("/keywords/{name}")(keywords)
    app.get("/lambda/{name}")(lambda name: f"lambda {name}")
    assert ask(app, "GET", b"/object/x").body == b"object x /object/x"
    for kind in (b"method", b"class", b"static", b"partial", b"keywords", b"hidden", b"lambda"):
        assert ask(app, "GET", b"/" + kind + b"/x").body == kind + b" x"


def test_a_decorator_that_hides_the_colour_gets_a_message_that_says_so(
    ask: Ask, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    def hide(function: Callable[..., Any]) -> Callable[..., Any]:
        def hiding(**kwargs: Any) -> Any:
            return function(**kwargs)

        return hiding

    @app.get("/{name}")
    @hide
    async def hello(name: str) -> str:
        return name

    @app.get("/plain/{name}")
    @hide
    def plain(name: str) -> str:
        return name

    assert ask(app, "GET", b"/plain/x").body == b"x"
    assert ask(app, "GET", b"/x").status == 500
    assert "declare it with `async def`" in str(caplog.records[0].exc_info[1])  # type: ignore[index]  # an error


def test_a_traceback_shows_the_generated_call() -> None:
    def failing(name: str) -> None:
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011  # its traceback counts
        bound(failing, name="x")
    shown = "".join(traceback.format_exception(caught.value))
    assert "return function(name=request.path_params['name'])" in shown
