"""Registration: what is declared, how routers nest, and what is refused at once and by name."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Annotated, Any

import pytest

from duoframe import App, ConfigurationError, Path, PlainTextResponse, Request, Response, Router, inline, url_for
from duoframe.testing import exchange
from tests.conftest import Ask, MakeApp

METHODS = ["get", "post", "put", "patch", "delete", "head", "options"]


def note(seen: list[Any], value: object, answer: str) -> str:
    """Remember a value, and answer."""
    seen.append(value)
    return answer


def fail(error: Exception) -> None:
    """Raise, where only an expression may stand."""
    raise error


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("nested", [False, True])
def test_each_method_has_its_decorator(ask: Ask, app: App, method: str, nested: bool, colour: Any) -> None:
    router = Router() if nested else app
    handler = colour(lambda: ("x", 200, {"x-method": method}))
    assert getattr(router, method)("/a")(handler) is handler
    if nested:
        app.include_router(router)
    answer = ask(app, method.upper(), b"/a")
    assert (answer.status, dict(answer.headers)["x-method"]) == (200, method)


def test_route_takes_several_methods_in_either_case_and_get_without_any(ask: Ask, app: App, colour: Any) -> None:
    app.route("/", methods=["get", "POST", "Post"])(colour(lambda request: request.method))
    app.route("/alone")(colour(lambda request: request.method))
    assert ask(app, "GET", b"/").body == b"GET"
    assert ask(app, "POST", b"/").body == b"POST"
    assert ask(app, "GET", b"/alone").body == b"GET"
    assert ask(app, "POST", b"/alone").status == 405


def test_a_method_that_no_standard_knows_may_be_registered(ask: Ask, app: App) -> None:
    app.route("/", methods=["PROPFIND"])(lambda: "found")
    assert ask(app, "PROPFIND", b"/").body == b"found"


def test_a_route_says_its_status_and_tags(ask: Ask, app: App, colour: Any) -> None:
    app.post("/", status_code=201, tags=["one"])(colour(lambda: {"made": True}))
    assert ask(app, "POST", b"/").status == 201
    assert app.routes[0].tags == ("one",)
    assert repr(app.routes[0]).startswith("<Route POST / '")


# Nesting


def test_routers_nest_with_their_prefixes(ask: Ask, app: App, colour: Any) -> None:
    inner, outer = Router("/inner", tags=["in"], name="inner"), Router("/outer", tags=["out"], name="outer")
    inner.get("/{n:int}", tags=["own"])(colour(lambda n: f"{n}"))
    inner.get("")(colour(lambda: "bare"))
    outer.include_router(inner, prefix="/between")
    app.include_router(outer, prefix="/api")
    assert ask(app, "GET", b"/api/outer/between/inner/7").body == b"7"
    assert ask(app, "GET", b"/api/outer/between/inner").body == b"bare"
    assert app.routes[0].tags == ("out", "in", "own")


def test_a_prefix_may_take_a_parameter(ask: Ask, app: App) -> None:
    router = Router("/{tenant}")
    router.get("/{n:int}")(lambda tenant, n: f"{tenant} {n}")
    app.include_router(router)
    assert ask(app, "GET", b"/acme/7").body == b"acme 7"


def test_one_router_may_be_included_in_two_places(ask: Ask, app: App) -> None:
    router = Router()
    router.get("/x")(lambda request: request.path)
    app.include_router(router, "/a")
    app.include_router(router, "/b")
    assert [ask(app, "GET", target).body for target in (b"/a/x", b"/b/x")] == [b"/a/x", b"/b/x"]


def test_what_is_registered_after_a_router_was_included_counts_too(ask: Ask, app: App) -> None:
    inner, outer = Router("/in"), Router("/out")
    outer.include_router(inner)
    app.include_router(outer)
    seen: list[str] = []

    @inner.get("/late")
    def late() -> str:
        return "late"

    @inner.before_request
    def before() -> None:
        seen.append("before")

    assert ask(app, "GET", b"/out/in/late").body == b"late"
    assert seen == ["before"]


def test_a_router_cannot_be_inside_itself() -> None:
    one, two, three = Router(), Router(), Router()
    one.include_router(two)
    two.include_router(three)
    for inner in (one, two, three):
        with pytest.raises(ConfigurationError, match="cannot include itself"):
            three.include_router(inner)


# Addresses


def test_a_route_has_an_address_by_its_name(app: App) -> None:
    inner, outer = Router("/inner", name="inner"), Router("/outer", name="outer")

    @app.get("/hello/{name}")
    def hello(name: str) -> str:
        return name

    @inner.get("/{n:int}", name="number")
    def show(n: int) -> str:
        return str(n)

    outer.include_router(inner)
    app.include_router(outer)
    assert app.url_for("hello", name="Ada & é?") == "/hello/Ada%20&%20%C3%A9%3F"
    assert app.url_for("outer.inner.number", n=7) == "/outer/inner/7"
    with pytest.raises(LookupError, match="no route is called 'goodbye'"):
        app.url_for("goodbye")
    with pytest.raises(ValueError, match="hello"):
        app.url_for("hello")
    with pytest.raises(ValueError, match="takes int"):
        app.url_for("outer.inner.number", n="x")


def test_an_address_stands_under_the_running_requests_root(ask: Ask, app: App, colour: Any) -> None:
    @app.get("/items/{item}", name="item")
    def item(item: str) -> str:
        return item

    app.get("/")(colour(lambda request: [url_for("item", item="a b"), request.app.url_for("item", item="c")]))
    assert ask(app, "GET", b"/").body == b'["/items/a%20b","/items/c"]'
    assert ask(app, "GET", b"/", root_path="/my app").body == b'["/my%20app/items/a%20b","/my%20app/items/c"]'


def test_outside_a_request_there_is_no_running_app() -> None:
    with pytest.raises(RuntimeError, match="outside a request"):
        url_for("x")


# Hooks


def test_hooks_run_before_after_and_at_the_end_of_a_request(ask: Ask, app: App, colour: Any) -> None:
    seen: list[str] = []

    def before(request: Request) -> None:
        seen.append(f"before {request.path}")

    def after(request: Request, response: Response) -> None:
        seen.append(f"after {response.status}")

    def after_too(response: Response) -> Response:
        response.headers["x-after"] = "yes"
        return response

    def teardown(request: Request, error: BaseException | None) -> None:
        seen.append(f"teardown {error}")

    assert app.before_request(before) is before
    for register, hook in (
        (app.before_request, lambda: seen.append("before, no arguments")),
        (app.teardown_request, teardown),
        (app.teardown_request, lambda error: seen.append(f"teardown, error alone {error}")),
        (app.after_request, after),
        (app.after_request, after_too),
    ):
        painted = colour(hook)
        assert register(painted) is painted
    app.get("/a")(colour(lambda: note(seen, "handler", "x")))
    answer = ask(app, "GET", b"/a")
    assert (answer.status, dict(answer.headers)["x-after"]) == (200, "yes")
    assert seen == [
        "before /a",
        "before, no arguments",
        "handler",
        "after 200",
        "teardown, error alone None",
        "teardown None",
    ]


def test_a_before_hook_that_returns_something_has_answered(ask: Ask, app: App, colour: Any) -> None:
    seen: list[str] = []
    app.after_request(colour(lambda response: seen.append(f"after {response.status}")))
    app.before_request(colour(lambda request: ("stop", 403) if "stop" in request.query else None))
    app.get("/")(colour(lambda: note(seen, "handler", "x")))
    assert (ask(app, "GET", b"/?stop").status, seen) == (403, ["after 403"])
    assert (ask(app, "GET", b"/").status, seen) == (200, ["after 403", "handler", "after 200"])


def test_an_after_hook_replaces_the_answer(ask: Ask, app: App, colour: Any) -> None:
    app.after_request(colour(lambda response: PlainTextResponse(f"was {response.status}", 202)))
    app.get("/")(colour(lambda: "x"))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (202, b"was 200")


def test_after_and_teardown_hooks_see_errors(ask: Ask, app: App, colour: Any) -> None:
    seen: list[str] = []
    app.teardown_request(colour(lambda error: seen.append(f"teardown {error!r}")))
    app.after_request(colour(lambda response: seen.append(f"after {response.status}")))
    app.get("/")(colour(lambda: fail(KeyError("gone"))))
    ask(app, "GET", b"/")
    ask(app, "GET", b"/nowhere")
    assert seen == ["after 500", "teardown KeyError('gone')", "after 404", "teardown HTTPException(404, None)"]


@pytest.mark.parametrize("kind", ["before", "after", "teardown"])
def test_a_hook_that_fails_is_a_500_for_those_around_it(ask: Ask, app: App, kind: str, colour: Any) -> None:
    seen: list[str] = []
    app.teardown_request(colour(lambda error: seen.append(f"teardown {error!r}")))
    app.after_request(colour(lambda response: seen.append(f"after {response.status}")))
    getattr(app, f"{kind}_request")(colour(lambda: fail(KeyError("hook"))))
    app.get("/")(colour(lambda: "x"))
    assert ask(app, "GET", b"/").status == 500
    assert seen == ["after 500", "teardown KeyError('hook')"]


def test_a_teardown_hook_runs_when_the_request_is_broken_off(app: App) -> None:
    class Stop(BaseException):
        pass

    seen: list[str] = []
    app.teardown_request(lambda error: seen.append("teardown"))
    app.after_request(lambda response: seen.append("after"))

    @app.get("/")
    def handler() -> None:
        raise Stop

    assert isinstance(exchange(app, "wsgi", "GET", b"/").error, Stop)
    assert seen == ["teardown"]


def test_hooks_of_a_router_stay_inside_it(ask: Ask, app: App, colour: Any) -> None:
    seen: list[str] = []
    router = Router("/in")
    router.before_request(colour(lambda: seen.append("before")))
    router.get("/")(colour(lambda: "x"))
    app.get("/")(colour(lambda: "x"))
    app.include_router(router)
    ask(app, "GET", b"/")
    assert seen == []
    ask(app, "GET", b"/in/")
    assert seen == ["before"]


def test_an_inline_hook_runs_before_the_body_is_read(ask: Ask, app: App, colour: Any) -> None:
    @app.before_request
    @inline
    def gate(request: Request) -> Any:
        return "too much", 413

    app.post("/")(colour(lambda: "x"))
    assert ask(app, "POST", b"/", body=b"x").body == b"too much"


def test_a_hook_may_be_any_callable(ask: Ask, app: App) -> None:
    seen: list[str] = []

    class Hook:
        async def __call__(self, request: Request) -> None:
            seen.append(f"object {request.path}")

        def method(self, response: Response) -> None:
            seen.append(f"method {response.status}")

    app.before_request(Hook())
    app.after_request(Hook().method)
    app.before_request(functools.partial(seen.append, "partial"))
    app.get("/")(lambda: "x")
    ask(app, "GET", b"/")
    assert seen == ["object /", "partial", "method 200"]


# Middleware of a route


def test_middleware_may_be_given_to_app_router_and_route(ask: Ask, make_app: MakeApp) -> None:
    seen: list[str] = []

    def layer(name: str, request: Request) -> Generator[Any, Any]:
        seen.append(name)
        yield

    async def waiting(request: Request) -> AsyncGenerator[Any, Any]:
        seen.append("waiting")
        yield

    app = make_app(middleware=[functools.partial(layer, "app")])
    router = Router(middleware=[functools.partial(layer, "router")])
    router.get("/", middleware=[functools.partial(layer, "route"), waiting])(lambda: "x")
    router.get("/without")(lambda: "x")
    app.include_router(router)
    ask(app, "GET", b"/")
    assert seen == ["app", "router", "route", "waiting"]
    seen.clear()
    ask(app, "GET", b"/without")
    assert seen == ["app", "router"]


# Class-based views


def test_a_class_answers_the_methods_it_has(ask: Ask, app: App) -> None:
    made: list[Any] = []

    @app.route("/items/{item:int}", tags=["items"])
    class Item:
        def __init__(self) -> None:
            made.append(self)

        def get(self, item: int) -> str:
            return f"get {item}"

        async def put(self, item: int, request: Request) -> str:
            return f"put {item} {request.body.decode()}"

        def delete(self) -> None:
            """Annotated, so it answers 204."""

        def patch(self) -> Iterator[str]:
            yield "a"
            yield "stream"

        def helper(self) -> None:
            raise AssertionError

    assert ask(app, "GET", b"/items/7").body == b"get 7"
    assert ask(app, "PUT", b"/items/7", body=b"x").body == b"put 7 x"
    assert ask(app, "DELETE", b"/items/7").status == 204
    assert ask(app, "PATCH", b"/items/7").body == b"astream"
    assert ask(app, "HEAD", b"/items/7").status == 200
    assert len({id(view) for view in made}) == len(made) == 5
    assert app.url_for("Item", item=7) == "/items/7"
    answer = ask(app, "POST", b"/items/7")
    assert (answer.status, dict(answer.headers)["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PATCH, PUT")


def test_an_inherited_method_of_a_view_answers_and_its_path_parameters_are_checked(ask: Ask, app: App) -> None:
    class Base:
        async def get(self, name: Annotated[str, Path()]) -> str:
            return f"{type(self).__name__} {name}"

    @app.route("/{name}", name="special")
    class View(Base):
        pass

    with pytest.raises(ConfigurationError, match=r"Base\.get.* 'name' that names no part of the path"):
        app.route("/no-name")(View)
    assert ask(app, "GET", b"/x").body == b"View x"
    assert app.url_for("special", name="x") == "/x"


def test_an_inline_method_of_a_view_keeps_its_mark(app: App) -> None:
    @app.route("/")
    class View:
        @inline
        def get(self) -> str:
            return "x"

    app.compile()
    assert app.routes[0].plan.colour.name == "INLINE"


# What is refused, at once and by name


def view_without_methods() -> type:
    class Empty:
        pass

    return Empty


def view_with_arguments() -> type:
    class Wants:
        def __init__(self, pool: Any) -> None: ...

        def get(self) -> None: ...

    return Wants


def view_without_self() -> type:
    class NoSelf:
        def get() -> None: ...  # type: ignore[misc]  # the mistake

    return NoSelf


def view_with_static_method() -> type:
    class Static:
        @staticmethod
        def get(name: str) -> None: ...

    return Static


def plain_handler() -> str:
    return "x"


def parametrised(item: Annotated[int, Path()]) -> str:
    return f"{item}"


@pytest.mark.parametrize(
    ("register", "told"),
    [
        (lambda app: app.get("/{a:number}")(plain_handler), ["plain_handler", "'number'", "there are: float, int"]),
        (lambda app: app.get("/{a")(plain_handler), ["plain_handler", "{name}"]),
        (lambda app: app.get("/{a}/{a}")(plain_handler), ["plain_handler", "twice"]),
        (lambda app: app.get("relative")(plain_handler), ["starts with '/'", "'relative'"]),
        (lambda app: app.get("")(plain_handler), ["plain_handler", "starts with '/'"]),
        (lambda app: app.get(5)(plain_handler), ["starts with '/'", "5"]),
        (lambda app: Router("/a").get("b")(plain_handler), ["starts with '/'", "'b'"]),
        (lambda app: app.get("/x")("no handler"), ["/x", "callable", "'no handler'"]),
        (lambda app: app.get("/x")(None), ["/x", "callable", "None"]),
        (lambda app: app.get("/x")(parametrised), ["parametrised", "'item'", "add {item} to the path"]),
        (lambda app: app.route("/x", methods="GET")(plain_handler), ["plain_handler", "['GET', 'POST']", "'GET'"]),
        (lambda app: app.route("/x", methods=[])(plain_handler), ["plain_handler", "list of methods", "[]"]),
        (lambda app: app.route("/x", methods=["G T"])(plain_handler), ["plain_handler", "list of methods"]),
        (lambda app: app.route("/x", methods=["TRACE"])(plain_handler), ["without TRACE and CONNECT"]),
        (lambda app: app.route("/x", methods=["connect"])(plain_handler), ["without TRACE and CONNECT"]),
        (lambda app: app.get("/x", status_code=99)(plain_handler), ["plain_handler", "200 to 599", "99"]),
        (lambda app: app.get("/x", status_code="200")(plain_handler), ["plain_handler", "200 to 599"]),
        (lambda app: app.get("/x", max_body_size=-1)(plain_handler), ["plain_handler", "max_body_size", "-1"]),
        (lambda app: app.get("/x", max_body_size="1M")(plain_handler), ["plain_handler", "max_body_size"]),
        (lambda app: app.get("/x", limits=5)(plain_handler), ["plain_handler", "limits=Limits(...)", "5"]),
        (lambda app: app.get("/x", color="red")(plain_handler), ["plain_handler", "color"]),
        (lambda app: app.get("/x", middleware=[plain_handler])(plain_handler), ["plain_handler", "yield"]),
        (lambda app: app.get("/x", host="a b")(plain_handler), ["plain_handler", "host"]),
        (lambda app: app.middleware(plain_handler), ["middleware 'plain_handler'", "yield"]),
        (lambda app: app.before_request(lambda a, b: None), ["hook", "it is given (request)"]),
        (lambda app: app.after_request(lambda a, b, c: None), ["hook", "it is given (request, response)"]),
        (lambda app: app.errorhandler(404)(lambda a, b, c: None), ["error handler", "(request, error)"]),
        (lambda app: app.errorhandler(200), ["300 to 599", "200"]),
        (lambda app: app.errorhandler("404"), ["Exception class", "'404'"]),
        (lambda app: app.errorhandler(True), ["Exception class"]),
        (lambda app: app.errorhandler(int), ["Exception class"]),
        (lambda app: app.errorhandler(KeyboardInterrupt), ["Exception class"]),
        (lambda app: Router("api"), ["'/api'", "'api'"]),
        (lambda app: Router("/api/"), ["'/api'", "'/api/'"]),
        (lambda app: Router("/"), ["'/api'"]),
        (lambda app: app.include_router(Router(), prefix="x"), ["'/api'", "'x'"]),
        (lambda app: app.include_router(Router(), prefix=None), ["'/api'", "None"]),
        (lambda app: app.include_router("router"), ["expected a Router", "'router'"]),
        (lambda app: app.include_router(app), ["an App cannot be nested", "nest a Router"]),
        (lambda app: app.route("/x")(view_without_methods()), ["/x", "Empty", "get, post"]),
        (lambda app: app.route("/x")(view_with_arguments()), ["/x", "Wants", "without arguments", "pool"]),
        (lambda app: app.route("/x")(view_without_self()), ["/x", "NoSelf.get", "self"]),
        (lambda app: app.route("/x")(view_with_static_method()), ["/x", "Static.get", "self"]),
        (lambda app: app.get("/x")(view_without_methods()), ["/x", "Empty"]),
    ],
)
def test_a_mistake_is_told_at_registration(app: App, register: Any, told: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        register(app)
    for text in told:
        assert text in str(caught.value)
    assert app.routes == []


def test_a_view_is_registered_with_route_and_no_methods(app: App) -> None:
    class View:
        def get(self) -> None: ...

    for register in (app.get("/x"), app.route("/x", methods=["GET"])):
        with pytest.raises(ConfigurationError, match="register it with `route` alone"):
            register(View)


def test_an_option_that_no_route_has_is_refused_by_name(app: App) -> None:
    with pytest.raises(ConfigurationError, match=r"/a, handler .*: a route takes no response_class, sumary"):
        app.get("/a", sumary="x", response_class=Response)(lambda: "x")


def test_two_routes_of_one_place_are_told_by_both_names(app: App) -> None:
    def first(a: str) -> None: ...

    def second(b: str) -> None: ...

    app.get("/{a}")(first)
    with pytest.raises(ConfigurationError) as caught:
        app.route("/{b}", ["POST", "GET"])(second)
    for text in ("first", "second", "GET /{b}", "change the path, the host or the method"):
        assert text in str(caught.value)


def test_what_was_refused_leaves_nothing_behind(ask: Ask, app: App) -> None:
    app.get("/{a}")(lambda a: f"first {a}")
    with pytest.raises(ConfigurationError):
        app.get("/{b}")(lambda b: "second")
    with pytest.raises(ConfigurationError):
        app.get("/x")(parametrised)
    app.get("/x")(lambda: "third")
    assert ask(app, "GET", b"/y").body == b"first y"
    assert ask(app, "GET", b"/x").body == b"third"


def test_one_error_is_handled_by_one_function_of_a_router(app: App) -> None:
    app.errorhandler(404)(plain_handler)
    with pytest.raises(ConfigurationError, match="'parametrised' and 'plain_handler' both handle 404; drop one"):
        app.errorhandler(404)(parametrised)


@pytest.mark.parametrize(
    "register",
    [
        lambda app, router: app.get("/late")(plain_handler),
        lambda app, router: router.get("/late")(plain_handler),
        lambda app, router: app.middleware(plain_handler),
        lambda app, router: router.middleware(plain_handler),
        lambda app, router: app.before_request(plain_handler),
        lambda app, router: app.after_request(plain_handler),
        lambda app, router: router.teardown_request(plain_handler),
        lambda app, router: app.errorhandler(404)(plain_handler),
        lambda app, router: router.errorhandler(404)(plain_handler),
        lambda app, router: app.include_router(Router()),
        lambda app, router: router.include_router(Router()),
        lambda app, router: app.lifespan(plain_handler),
    ],
)
def test_nothing_can_be_registered_once_the_app_has_started(app: App, register: Any) -> None:
    outer, router = Router("/outer"), Router("/inner")
    outer.include_router(router)
    app.include_router(outer)
    app.startup()
    with pytest.raises(ConfigurationError, match="after the application had started; register it on import"):
        register(app, router)
    assert app.routes == []
