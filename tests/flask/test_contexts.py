"""Contexts, and the names that stand for what runs in them; Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.
# ruff: noqa: PLW0108 - what stands for the running request is asked when there is one

from __future__ import annotations

import threading
from contextvars import copy_context
from typing import Any

import pytest


def test_outside_of_a_context_the_names_say_so(names: Any) -> None:
    for name in ("current_app", "g"):
        with pytest.raises(RuntimeError, match="Working outside of application context"):
            getattr(names, name).x  # noqa: B018  # that is asked for is the point
    with names.Flask(__name__).app_context():
        for name in ("request", "session"):
            with pytest.raises(RuntimeError, match="Working outside of request context"):
                getattr(names, name).x  # noqa: B018  # as above
    assert not names.has_app_context()
    assert not names.has_request_context()
    for name in ("current_app", "g", "request", "session"):
        assert not getattr(names, name)
        assert repr(getattr(names, name))
        assert dir(getattr(names, name)) == []


def test_the_context_of_an_application(names: Any) -> None:
    app, other = names.Flask("one"), names.Flask("two")
    with app.app_context():
        assert names.current_app._get_current_object() is app
        assert names.current_app == app
        assert names.current_app.name == "one"
        assert isinstance(names.current_app, names.Flask)
        assert hash(names.current_app) == hash(app)
        names.g.x = 1
        with other.app_context():
            assert names.current_app.name == "two"
            assert "x" not in names.g
        with app.app_context():
            assert "x" not in names.g
        assert names.g.x == 1
        assert names.has_app_context()
        assert not names.has_request_context()


def test_a_context_may_be_pushed_and_popped_by_hand(names: Any) -> None:
    app = names.Flask(__name__)
    told: list[Any] = []
    app.teardown_appcontext(told.append)
    context = app.app_context()
    context.push()
    context.push()
    context.pop()
    assert told == []
    assert names.has_app_context()
    context.pop()
    assert told == [None]
    assert not names.has_app_context()


def test_the_end_of_a_context_is_told_of_an_error(names: Any) -> None:
    app = names.Flask(__name__)
    told: list[Any] = []
    app.teardown_appcontext(told.append)
    with pytest.raises(KeyError), app.app_context():
        raise KeyError("x")
    assert [type(error) for error in told] == [KeyError]
    context = app.app_context()
    context.push()
    try:
        raise ValueError("y")
    except ValueError:
        context.pop()
    assert type(told[1]) is ValueError


def test_g_is_a_bag(names: Any) -> None:
    with names.Flask(__name__).app_context():
        g = names.g
        g.a = 1
        assert (g.get("a"), g.get("b"), g.get("b", 2)) == (1, None, 2)
        assert g.setdefault("c", 3) == 3
        assert sorted(g) == ["a", "c"]
        assert g.pop("c") == 3
        assert g.pop("c", 4) == 4
        with pytest.raises(KeyError):
            g.pop("c")
        with pytest.raises(AttributeError):
            g.nothing  # noqa: B018  # that is asked for is the point
        del g.a
        assert "a" not in g
        assert names.Flask(__name__).name in repr(g)


def test_g_may_be_of_another_class(names: Any) -> None:
    class Bag(names.Flask.app_ctx_globals_class):  # type: ignore[misc]  # either's
        kind = "mine"

    app = names.Flask(__name__)
    app.app_ctx_globals_class = Bag
    with app.app_context():
        assert names.g.kind == "mine"


def test_the_context_of_a_request(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/users/<int:id>", "user", lambda **values: "")
    with app.test_request_context(
        "/users/7?x=1", method="POST", data={"a": "b"}, headers={"X-A": "1"}, base_url="http://example.com/root"
    ):
        request = names.request
        assert (request.path, request.method, request.args["x"], request.form["a"]) == ("/users/7", "POST", "1", "b")
        assert (request.headers["X-A"], request.url_root) == ("1", "http://example.com/root/")
        assert request.routing_exception is not None
        assert names.has_request_context()
        assert names.current_app.name == app.name
        assert isinstance(request, names.Request)
    with app.test_request_context("/users/7", json={"a": 1}, query_string={"y": "2"}):
        assert names.request.get_json(silent=True) == {"a": 1}
        assert names.request.args["y"] == "2"
    with app.test_request_context("/users/7"):
        assert (names.request.endpoint, names.request.view_args) == ("user", {"id": 7})
    with app.test_request_context("/users/x"):
        assert isinstance(names.request.routing_exception, names.exceptions.NotFound)
        assert names.request.endpoint is None


def test_the_context_of_a_request_after_the_first_one(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/<int:id>", "user", lambda **values: "")
    app.add_url_rule("/folder/", "folder", lambda: "")
    app.test_client().get("/1")
    with app.test_request_context("/7"):
        assert (names.request.endpoint, names.request.view_args) == ("user", {"id": 7})
    with app.test_request_context("/folder"):
        assert isinstance(names.request.routing_exception, names.routing.RequestRedirect)


def test_the_context_of_a_request_on_a_host(names: Any) -> None:
    app = names.Flask(__name__, host_matching=True, static_folder=None)
    app.add_url_rule("/", "one", lambda: "", host="one.example.com")
    app.add_url_rule("/", "again", lambda: "", host="one.example.com")
    with app.test_request_context(base_url="http://one.example.com"):
        assert names.request.endpoint == "one"
    with app.test_request_context(base_url="http://other.example.com"):
        assert names.request.endpoint is None


def test_the_context_of_an_environ(names: Any) -> None:
    app = names.Flask(__name__)
    with app.test_request_context("/x") as context:
        environ = context.request.environ
    with app.request_context(environ):
        assert names.request.path == "/x"


def test_a_body_that_is_too_large_in_a_context(names: Any) -> None:
    app = names.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 3
    with (
        app.test_request_context("/", method="POST", data=b"1234"),
        pytest.raises(names.exceptions.RequestEntityTooLarge),
    ):
        names.request.get_data()


def test_sessions_in_a_context(names: Any) -> None:
    app = names.Flask(__name__)
    app.secret_key = "a secret of some length"
    with app.test_request_context():
        names.session["x"] = 1
        assert names.session["x"] == 1
        assert len(names.session) == 1
        assert list(names.session) == ["x"]
        assert "x" in names.session
        assert names.session
        del names.session["x"]
        assert not names.session


def test_a_request_has_its_own_context(names: Any) -> None:
    app = names.Flask(__name__)

    @app.route("/<x>")
    def view(x: str) -> str:
        before = names.g.get("x", "none")
        names.g.x = x
        return f"{before} {names.request.path}"

    client = app.test_client()
    assert client.get("/a").data == b"none /a"
    assert client.get("/b").data == b"none /b"
    assert not names.has_app_context()


def test_contexts_of_applications_stay_apart(names: Any) -> None:
    inner, outer = names.Flask("inner"), names.Flask("outer")
    inner.add_url_rule("/", "view", lambda: f"{names.current_app.name} {names.g.get('x')} {names.request.path}")

    @outer.route("/outer")
    def view() -> str:
        names.g.x = 1
        said = inner.test_client().get("/").get_data(as_text=True)
        return f"{said} {names.current_app.name} {names.g.x} {names.request.path}"

    assert outer.test_client().get("/outer").data == b"inner None / outer 1 /outer"


def test_inside_of_a_request_a_context_of_the_application_keeps_the_request(names: Any) -> None:
    app = names.Flask(__name__)
    with app.test_request_context("/x"):
        names.g.x = 1
        with app.app_context():
            assert names.request.path == "/x"
            assert "x" not in names.g
        assert names.g.x == 1


def test_a_request_shares_g_with_a_context_of_its_application_around_it(names: Any) -> None:
    app = names.Flask(__name__)
    told: list[Any] = []
    app.teardown_appcontext(told.append)
    with app.app_context():
        names.g.x = 1
        with app.test_request_context():
            assert names.g.x == 1
        assert told == []
    assert told == [None]


def test_what_a_thread_needs_is_taken_along(names: Any) -> None:
    app = names.Flask(__name__)
    seen: list[Any] = []

    @app.route("/<x>")
    def view(x: str) -> str:
        names.g.x = 1

        @names.copy_current_request_context
        def work(more: str) -> None:
            seen.append((names.request.path, names.request.headers["X-A"], names.current_app.name, more))

        thread = threading.Thread(target=work, args=("more",))
        thread.start()
        thread.join(10)
        return x

    app.test_client().get("/a", headers={"X-A": "1"})
    assert seen == [("/a", "1", app.name, "more")]
    with pytest.raises(RuntimeError):
        names.copy_current_request_context(lambda: None)


async def _nothing() -> None:
    """Awaited where something has to be."""


def test_a_coroutine_takes_its_context_along(ours: Any) -> None:
    app = ours.Flask(__name__)

    @app.route("/<x>")
    async def view(x: str) -> Any:
        @ours.copy_current_request_context
        async def work() -> str:
            await _nothing()
            return str(ours.request.path)

        import asyncio

        return await asyncio.get_running_loop().create_task(work(), context=copy_context())

    assert app.test_client().get("/a").data == b"/a"


def test_after_this_request_needs_one(names: Any) -> None:
    with pytest.raises(RuntimeError):
        names.after_this_request(lambda response: response)


# Streams.


def test_a_stream_has_no_context_unless_it_is_kept(names: Any) -> None:
    app = names.Flask(__name__)
    told: list[str] = []
    app.teardown_request(lambda error: told.append("teardown"))

    def rows() -> Any:
        yield f"{names.has_request_context()} "
        told.append("streamed")
        yield names.request.path if names.has_request_context() else "none"

    app.add_url_rule("/plain", "plain", lambda: rows())
    app.add_url_rule("/list", "list", lambda: names.stream_with_context(iter(["a", "b"])))
    app.add_url_rule("/kept", "kept", lambda: names.Response(names.stream_with_context(rows())))

    @app.route("/decorated")
    def decorated() -> Any:
        return names.stream_with_context(rows)()

    client = app.test_client()
    assert client.get("/plain").data == b"False none"
    assert told == ["teardown", "streamed"]
    told.clear()
    assert client.get("/kept").data == b"True /kept"
    assert told[-2:] == ["streamed", "teardown"]
    assert client.get("/decorated").data == b"True /decorated"
    assert client.get("/list").data == b"ab"
    with pytest.raises(RuntimeError):
        names.stream_with_context(rows())


def test_an_async_stream_may_keep_its_context_too(ours: Any) -> None:
    app = ours.Flask(__name__)
    told: list[Any] = []

    @app.teardown_request
    async def end(error: Any) -> None:
        told.append(type(error))

    class Plain:
        def __init__(self) -> None:
            self.left = 1

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> str:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return f"plain {ours.request.path}"

    async def rows(fail: bool = False) -> Any:
        yield f"{ours.request.path} "
        await _nothing()
        if fail:
            raise KeyError("rows")
        yield ours.current_app.name

    @app.route("/kept")
    async def kept() -> Any:
        return ours.stream_with_context(rows())

    @app.route("/class")
    async def of_class() -> Any:
        return ours.stream_with_context(Plain())

    @app.route("/fails")
    async def fails() -> Any:
        return ours.stream_with_context(rows(fail=True))

    @app.route("/head")
    async def head() -> Any:
        return ours.stream_with_context(Plain())

    client = app.test_client()
    assert client.get("/kept").get_data(as_text=True) == f"/kept {app.name}"
    assert client.get("/class").data == b"plain /class"
    assert client.head("/kept").data == b""
    assert client.head("/head").data == b""
    assert told == [type(None)] * 4
    answer = client.get("/fails")
    with pytest.raises(Exception):  # noqa: B017,PT011  # each door breaks off in its way
        answer.get_data()
    assert told[4] is KeyError


# Proxies.


def test_what_is_done_to_a_name_is_done_to_what_it_stands_for(names: Any) -> None:
    app = names.Flask(__name__)
    with app.app_context():
        names.current_app.mine = 1
        assert app.mine == 1
        del names.current_app.mine
        assert not hasattr(app, "mine")
        assert "route" in dir(names.current_app)
        assert str(names.current_app) == str(app)
        assert repr(names.current_app) == repr(app)
        assert callable(names.current_app)
    app.secret_key = "a secret of some length"
    with app.test_request_context():
        names.session.update(a=1)
        names.session["b"] = 2
        assert (names.session.get("a"), len(names.session)) == (1, 2)


def test_a_name_may_be_called(ours: Any) -> None:
    from duoframe.flask.globals import Proxy

    assert Proxy("int", lambda: int)("7") == 7
    assert type(Proxy("nothing", lambda: ours.current_app._get_current_object())) is Proxy
    assert isinstance(ours.current_app, Proxy)
    assert not isinstance(ours.current_app, int)


def test_contexts_show_what_they_are_of(ours: Any) -> None:
    app = ours.Flask("shown")
    assert repr(app.app_context()) == "<AppContext of 'shown'>"
    context = app.test_request_context("/x")
    assert repr(context) == "<RequestContext of 'shown' <Request 'http://localhost/x' [GET]>>"
    context.match_request()
    assert context.request.endpoint is None
    assert repr(context.g) == "<g>"
