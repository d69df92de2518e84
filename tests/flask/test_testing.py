"""Flask's test client, as Flask and Werkzeug document it, over either door."""

from __future__ import annotations

import gc
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from duoframe.errors import ConfigurationError
from duoframe.flask import Flask, Response, abort, g, has_request_context, redirect, request, session
from duoframe.flask.json.provider import DefaultJSONProvider
from duoframe.flask.sessions import SecureCookieSessionInterface
from duoframe.flask.testing import ClientRedirectError, FlaskClient
from tests.conftest import our_threads, until


@pytest.fixture(params=["wsgi", "asgi"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The door that a client takes which names none."""
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    return str(request.param)


@pytest.fixture
def app(door: str) -> Iterator[Flask]:
    app = Flask(__name__)
    app.config.update(TESTING=True, SECRET_KEY="secret")
    yield app
    app.shutdown()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return FlaskClient(app, strict=True)


# Asking.


def test_each_method_has_a_call(app: Flask, client: FlaskClient) -> None:
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]

    @app.route("/", methods=methods, provide_automatic_options=False)
    def method() -> str:
        return request.method

    for name in methods:
        assert getattr(client, name.lower())("/").text == name
        assert client.open("/", method=name).text == name
    answer = client.head("/")
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", "4")


def test_what_is_sent_arrives(app: Flask, client: FlaskClient) -> None:
    @app.post("/echo")
    def echo() -> Any:
        return {
            "args": request.args.getlist("a"),
            "form": request.form.to_dict(),
            "json": request.get_json(silent=True),
            "data": request.get_data(as_text=True) if request.mimetype == "text/plain" else None,
            "files": {name: [file.filename, file.read().decode()] for name, file in request.files.items()},
            "key": request.headers.get("X-Key"),
            "address": request.remote_addr,
            "url": request.url,
        }

    sent = client.post("/echo?a=1&a=2", data={"b": "c"}, headers={"X-Key": "k"}).json
    assert (sent["args"], sent["form"], sent["key"]) == (["1", "2"], {"b": "c"}, "k")
    assert client.post("/echo", json=[1]).json["json"] == [1]
    assert client.post("/echo", data="café", content_type="text/plain").json["data"] == "café"
    assert client.post("/echo", data={"f": (io.BytesIO(b"x"), "f.txt")}).json["files"] == {"f": ["f.txt", "x"]}
    assert client.post("/echo", query_string={"a": 3}).json["args"] == ["3"]
    assert client.post("/echo", base_url="https://a.example/root").json["url"] == "https://a.example/root/echo"
    assert client.post("/echo", environ_overrides={"REMOTE_ADDR": "10.0.0.1"}).json["address"] == "10.0.0.1"
    client.environ_base["HTTP_X_KEY"] = "always"
    assert client.post("/echo").json["key"] == "always"
    streamed = client.post("/echo", input_stream=io.BytesIO(b"in chunks"), content_type="text/plain")
    assert streamed.json["data"] == "in chunks"


def test_json_is_written_by_the_application(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/", "data", lambda: request.get_data(), methods=["POST"])  # noqa: PLW0108  a name outside
    app.json = DefaultJSONProvider(app)
    app.json.ensure_ascii = False
    assert client.post("/", json="é").data == '"é"'.encode()


# The answer.


def test_an_answer_tells_everything(app: Flask, client: FlaskClient) -> None:
    @app.get("/made")
    def made() -> Any:
        return {"a": 1}, 201, {"X-One": "1", "Location": "/there"}

    answer = client.get("/made?q=1")
    assert (answer.status_code, answer.status) == (201, "201 CREATED")
    assert (answer.data, answer.text) == (b'{"a":1}\n', '{"a":1}\n')
    assert answer.json == answer.get_json() == {"a": 1}
    assert (answer.headers["x-one"], answer.location) == ("1", "/there")
    assert (answer.mimetype, answer.content_type) == ("application/json", "application/json")
    assert (answer.request.path, answer.request.args["q"]) == ("/made", "1")
    assert (answer.history, isinstance(answer, Response)) == ((), True)


def test_an_answer_without_a_type_has_none(app: Flask, client: FlaskClient) -> None:
    app.get("/")(lambda: ("", 204))
    answer = client.get("/")
    assert (answer.status_code, answer.content_type, answer.data) == (204, None, b"")


def test_an_answer_is_of_the_applications_own_class(app: Flask) -> None:
    class Own(Response):
        kind = "own"

    app.response_class = Own
    app.get("/")(lambda: "x")
    assert FlaskClient(app).get("/").kind == "own"
    other = type("Other", (Response,), {"kind": "other"})
    assert FlaskClient(app, other).get("/").kind == "other"


def test_a_stream_is_read_as_it_is_asked_for(app: Flask, client: FlaskClient) -> None:
    gone = threading.Event()

    @app.get("/endless")
    def endless() -> Response:
        def chunks() -> Iterator[str]:
            try:
                while True:
                    yield "x"
            finally:
                gone.set()

        return Response(chunks())

    with client.get("/endless") as answer:
        assert answer.is_streamed
        chunks = answer.iter_encoded()
        assert next(chunks)[:1] == b"x"
        assert not gone.is_set()
    assert gone.wait(10)


@pytest.mark.parametrize("buffered", [False, True])
def test_a_stream_may_be_read_at_once(app: Flask, client: FlaskClient, buffered: bool) -> None:
    app.get("/")(lambda: Response(iter(["a", "b"])))
    answer = client.get("/", buffered=buffered)
    assert answer.is_streamed is not buffered
    assert answer.text == "ab"


def test_what_breaks_a_stream_off_is_raised_where_it_is_read(app: Flask, client: FlaskClient) -> None:
    @app.get("/")
    def broken() -> Response:
        def chunks() -> Iterator[str]:
            yield "a"
            raise ZeroDivisionError("in the middle")

        return Response(chunks())

    answer = client.get("/")
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        _ = answer.data


# What goes wrong.


@pytest.fixture
def failing(app: Flask) -> Flask:
    @app.get("/fail")
    def fail() -> str:
        raise ZeroDivisionError("here")

    @app.get("/wait")
    async def wait() -> str:
        raise ZeroDivisionError("there")

    app.get("/missing")(lambda: abort(404))
    return app


def test_what_nothing_handles_is_raised_in_the_test(failing: Flask, client: FlaskClient) -> None:
    with pytest.raises(ZeroDivisionError, match="here"):
        client.get("/fail")
    with pytest.raises(ZeroDivisionError, match="there"):
        client.get("/wait")
    assert client.get("/missing").status_code == 404


@pytest.mark.parametrize("config", [{"TESTING": False}, {"PROPAGATE_EXCEPTIONS": False}])
def test_or_it_is_a_500_where_exceptions_are_not_let_through(failing: Flask, config: dict[str, bool]) -> None:
    failing.config.update(config)
    assert FlaskClient(failing).get("/fail").status_code == 500


def test_what_a_handler_takes_is_not_raised(failing: Flask, client: FlaskClient) -> None:
    failing.register_error_handler(ZeroDivisionError, lambda error: (f"no: {error}", 400))
    assert client.get("/fail").text == "no: here"


def test_a_mistake_of_the_test_itself_is_raised(app: Flask, client: FlaskClient) -> None:
    app.add_url_rule("/", "data", lambda: request.get_data(), methods=["POST"])  # noqa: PLW0108  a name outside

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise LookupError("the test's own")

    with pytest.raises(LookupError, match="the test's own"):
        client.post("/", input_stream=Broken(), content_type="text/plain")


# Redirects.


@pytest.fixture
def leading(app: Flask) -> Flask:
    app.add_url_rule("/a", "a", lambda: redirect("/b?x=1"), methods=["GET", "POST"])
    app.add_url_rule("/b", "b", lambda: redirect("/c", 307))
    app.add_url_rule("/c", "c", lambda: f"{request.method} {request.get_data(as_text=True)}", methods=["GET", "POST"])
    app.add_url_rule("/kept", "kept", lambda: redirect("/c", 308), methods=["POST"])
    app.add_url_rule("/loop", "loop", lambda: redirect("/loop"))
    app.add_url_rule("/away", "away", lambda: redirect("http://elsewhere.example/"))
    app.add_url_rule("/below", "below", lambda: redirect("http://below.localhost/c"))
    return app


def test_redirects_are_followed_where_that_is_asked_for(leading: Flask, client: FlaskClient) -> None:
    assert client.post("/a").status_code == 302
    answer = client.post("/a", data="sent", follow_redirects=True)
    assert (answer.text, answer.request.path) == ("GET ", "/c")
    assert [(past.status_code, past.request.path, past.location) for past in answer.history] == [
        (302, "/a", "/b?x=1"),
        (307, "/b", "/c"),
    ]
    assert client.post("/kept", data="sent", follow_redirects=True).text == "POST sent"


def test_a_loop_is_noticed(leading: Flask, client: FlaskClient) -> None:
    with pytest.raises(ClientRedirectError, match="/loop"):
        client.get("/loop", follow_redirects=True)


def test_redirects_to_other_hosts_are_not_followed(leading: Flask, client: FlaskClient) -> None:
    with pytest.raises(RuntimeError, match="external"):
        client.get("/away", follow_redirects=True)
    with pytest.raises(RuntimeError, match="subdomain"):
        client.get("/below", follow_redirects=True)
    there = FlaskClient(leading, allow_subdomain_redirects=True).get("/below", follow_redirects=True)
    assert there.request.host == "below.localhost"


# Cookies.


@pytest.fixture
def baking(app: Flask) -> Flask:
    @app.get("/set")
    def bake() -> Response:
        response = Response("set")
        response.set_cookie("a", "1 2", max_age=60)
        response.set_cookie("b", "2", path="/below")
        return response

    @app.get("/drop")
    def drop() -> Response:
        response = Response("dropped")
        response.delete_cookie("a")
        return response

    app.add_url_rule("/sent", "sent", lambda: dict(request.cookies))
    app.add_url_rule("/below/sent", "below", lambda: dict(request.cookies))
    return app


def test_cookies_are_kept_and_sent_where_they_belong(baking: Flask, client: FlaskClient) -> None:
    client.get("/set")
    assert client.get("/sent").json == {"a": "1 2"}
    assert client.get("/below/sent").json == {"a": "1 2", "b": "2"}
    assert client.get("/sent", base_url="http://other.example/").json == {}
    cookie = client.get_cookie("a")
    assert cookie is not None
    assert (cookie.decoded_value, cookie.max_age) == ("1 2", 60)
    assert client.get_cookie("b") is None
    assert client.get_cookie("b", path="/below") is not None
    client.get("/drop")
    assert client.get_cookie("a") is None


def test_a_test_sets_cookies_and_deletes_them(baking: Flask, client: FlaskClient) -> None:
    client.set_cookie("mine", "x")
    client.set_cookie("theirs", "y", domain="other.example")
    assert client.get("/sent").json == {"mine": "x"}
    assert client.get("/sent", headers={"Cookie": "own=z"}).json == {"own": "z", "mine": "x"}
    client.delete_cookie("mine")
    assert client.get("/sent").json == {}


def test_a_client_without_cookies_keeps_none(baking: Flask) -> None:
    client = FlaskClient(baking, use_cookies=False)
    client.get("/set")
    assert client.get("/sent").json == {}
    with pytest.raises(TypeError, match="use_cookies"):
        client.get_cookie("a")
    with pytest.raises(TypeError, match="use_cookies"), client.session_transaction():
        pass


# The session.


@pytest.fixture
def counting(app: Flask) -> Flask:
    @app.get("/count")
    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    return app


def test_the_session_of_a_client_is_read_and_changed(counting: Flask, client: FlaskClient) -> None:
    with client.session_transaction() as kept:
        kept["count"] = 40
    assert client.get("/count").text == "41"
    with client.session_transaction() as kept:
        assert kept["count"] == 41
        kept.clear()
    assert client.get_cookie("session") is None
    assert client.get("/count").text == "1"


def test_without_a_secret_key_there_is_no_session(counting: Flask, client: FlaskClient) -> None:
    counting.secret_key = None
    with pytest.raises(RuntimeError, match="secret_key"), client.session_transaction():
        pass


def test_a_session_that_is_none_is_not_kept(counting: Flask, client: FlaskClient) -> None:
    class Without(SecureCookieSessionInterface):
        def open_session(self, app: Any, request: Any) -> Any:
            return self.make_null_session(app)

    counting.session_interface = Without()
    with client.session_transaction() as kept:
        assert dict(kept) == {}
    assert client.get_cookie("session") is None


# The context.


@pytest.fixture
def remembering(app: Flask) -> tuple[Flask, list[str]]:
    torn: list[str] = []

    @app.route("/<name>", methods=["GET", "POST"])
    def remember(name: str) -> str:
        g.name = session["name"] = name
        return name

    app.teardown_request(lambda error: torn.append(g.get("name", "")))
    return app, torn


def test_the_context_of_the_last_request_stays_in_a_block(
    remembering: tuple[Flask, list[str]], client: FlaskClient
) -> None:
    app = remembering[0]

    @app.get("/async/<name>")
    async def waiting(name: str) -> str:
        g.name = session["name"] = name
        return name

    with client:
        client.get("/async/dan")
        assert (g.name, session["name"], request.endpoint) == ("dan", "dan", "waiting")
        client.post("/ada?x=1", data={"y": "2"}, headers={"X-Key": "k"})
        assert (g.name, session["name"], request.view_args) == ("ada", "ada", {"name": "ada"})
        assert (request.args["x"], request.form["y"], request.headers["X-Key"]) == ("1", "2", "k")
        assert (request.path, request.endpoint, request.method) == ("/ada", "remember", "POST")
        client.post("/cleo", json=[1])
        assert (request.json, request.get_data()) == ([1], b"[1]")
        client.post("/cleo", data={"f": (io.BytesIO(b"x"), "f.txt"), "y": "3"})
        assert (request.files["f"].filename, request.form["y"]) == ("f.txt", "3")
        client.get("/bob")
        assert (g.name, request.path) == ("bob", "/bob")
        client.get("/nowhere/at/all")
        assert request.path == "/nowhere/at/all"
    assert not has_request_context()
    assert remembering[1][:5] == ["dan", "ada", "cleo", "cleo", "bob"]


def test_the_context_ends_in_the_request_and_once(remembering: tuple[Flask, list[str]], client: FlaskClient) -> None:
    with client:
        client.get("/ada")
        assert remembering[1] == ["ada"], "what it closes may belong to the thread of the request"
    assert remembering[1] == ["ada"]


def test_outside_of_a_block_no_context_stays(remembering: tuple[Flask, list[str]], client: FlaskClient) -> None:
    client.get("/ada")
    assert not has_request_context()


def test_a_context_around_the_block_comes_back(remembering: tuple[Flask, list[str]], client: FlaskClient) -> None:
    app, _ = remembering
    with app.app_context():
        g.name = "outer"
        with client:
            client.get("/ada")
            assert request.path == "/ada"
        assert not has_request_context()


def test_blocks_of_one_client_do_not_nest(client: FlaskClient) -> None:
    with client, pytest.raises(RuntimeError, match="already"), client:
        pass


# Doors.


def test_a_client_takes_the_door_that_it_is_told(app: Flask, door: str, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.get("/")
    def thread() -> str:
        return str(threading.get_ident() == here)

    here = threading.get_ident()
    app.wrap_wsgi(_named("wsgi"))
    assert FlaskClient(app).door == door
    assert FlaskClient(app, door="asgi").door == "asgi"
    assert FlaskClient(app, door="wsgi").get("/").text == "True", "a WSGI server calls in its own thread"
    assert FlaskClient(app, door="asgi").get("/").text == "False"
    monkeypatch.delenv("DUOFRAME_DOOR")
    assert FlaskClient(app).door == "wsgi"
    with pytest.raises(ConfigurationError, match="http"):
        FlaskClient(app, door="http")
    assert repr(FlaskClient(app)).startswith("<FlaskClient of ")


def _named(name: str) -> Callable[[Any], Any]:
    return lambda app: app


def test_a_client_that_is_gone_leaves_nothing_behind(app: Flask) -> None:
    app.get("/")(lambda: "x")
    client = FlaskClient(app)
    assert client.get("/").text == "x"
    del client
    gc.collect()
    app.shutdown()
    until(lambda: not our_threads(), "threads were left")


def test_the_application_gives_its_client(app: Flask, door: str) -> None:
    app.get("/")(lambda: "x")

    class Own(FlaskClient):
        def __init__(self, *args: Any, **options: Any) -> None:
            self.who = options.pop("who", None)
            super().__init__(*args, **options)

    assert app.test_client().door == door
    assert app.test_client(door="asgi").get("/").text == "x"
    assert app.test_client(use_cookies=False)._jar is None
    app.test_client_class = Own
    own = app.test_client(who="ada")
    assert (type(own), own.who) == (Own, "ada")


def test_the_module_offers_nothing_else() -> None:
    from duoframe.flask import testing

    assert testing.FlaskCliRunner.__name__ == "FlaskCliRunner"
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = testing.other
