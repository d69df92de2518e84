"""In which order a request is answered, and what errors become; Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.
# ruff: noqa: PLW0108 - what stands for the running request is asked when there is one

from __future__ import annotations

import asyncio
import importlib
import threading
from typing import Any

import pytest

import duoframe
from duoframe.testing import exchange


def test_hooks_run_in_flasks_order(names: Any) -> None:
    app = names.Flask(__name__)
    calls: list[str] = []

    def after(name: str) -> Any:
        def call(response: Any) -> Any:
            calls.append(name)
            return response

        return call

    app.url_value_preprocessor(lambda endpoint, values: calls.append(f"preprocess {endpoint} {values}"))
    app.before_request(lambda: calls.append("before 1"))
    app.before_request(lambda: calls.append("before 2"))
    app.after_request(after("after 1"))
    app.after_request(after("after 2"))
    app.teardown_request(lambda error: calls.append(f"teardown 1 {error}"))
    app.teardown_request(lambda error: calls.append(f"teardown 2 {error}"))
    app.teardown_appcontext(lambda error: calls.append(f"context 1 {error}"))
    app.teardown_appcontext(lambda error: calls.append(f"context 2 {error}"))

    @app.route("/<x>")
    def view(x: str) -> str:
        calls.append("view")
        names.after_this_request(after("after this 1"))
        names.after_this_request(after("after this 2"))
        return x

    app.test_client().get("/a")
    assert calls == [
        "preprocess view {'x': 'a'}",
        *("before 1", "before 2", "view", "after this 1", "after this 2", "after 2", "after 1"),
        *("teardown 2 None", "teardown 1 None", "context 2 None", "context 1 None"),
    ]


def test_what_runs_before_may_answer(names: Any) -> None:
    app = names.Flask(__name__)
    app.before_request(lambda: "early" if names.request.args else None)
    app.before_request(lambda: ("never", 500) if names.request.args else None)
    app.after_request(lambda response: app.make_response((response.data + b" after", 202)))
    app.add_url_rule("/", "view", lambda: "view")
    client = app.test_client()
    assert client.get("/").data == b"view after"
    answer = client.get("/?x=1")
    assert (answer.status_code, answer.data) == (202, b"early after")


def test_hooks_run_where_no_view_answers(names: Any) -> None:
    app = names.Flask(__name__)
    seen: list[Any] = []
    app.before_request(lambda: seen.append((names.request.endpoint, names.request.url_rule, names.request.view_args)))

    @app.after_request
    def note(response: Any) -> Any:
        seen.append(response.status_code)
        return response

    app.add_url_rule("/post", "post", lambda: "", methods=["POST"])
    app.add_url_rule("/folder/", "folder", lambda: "")
    client = app.test_client()
    assert [client.get(path).status_code for path in ("/nothing", "/post", "/folder")] == [404, 405, 308]
    assert seen == [(None, None, None), 404, (None, None, None), 405, (None, None, None), 308]


# Errors.


def test_error_handlers_by_status_class_and_nearness(names: Any) -> None:
    app = names.Flask(__name__)

    class Mine(Exception):
        pass

    class Nearer(Mine):
        pass

    class Teapot(names.exceptions.HTTPException):  # type: ignore[misc]  # either's
        code = 418
        description = "tea"

    app.register_error_handler(Mine, lambda error: (f"mine {type(error).__name__}", 400))
    app.register_error_handler(names.exceptions.NotFound, lambda error: (f"not found: {error.description}", 404))
    app.register_error_handler(names.exceptions.HTTPException, lambda error: (f"http {error.code}", error.code))
    app.register_error_handler(Teapot, lambda error: (f"teapot {error.description}", 418))
    for name, raised in {
        "mine": Mine(),
        "nearer": Nearer(),
        "404": names.exceptions.NotFound("no such thing"),
        "403": names.exceptions.Forbidden(),
        "tea": Teapot(),
        "other": KeyError("other"),
    }.items():

        def view(raised: Exception = raised) -> None:
            raise raised

        app.add_url_rule(f"/{name}", name, view)
    client = app.test_client()

    def said(path: str) -> tuple[int, str]:
        answer = client.get(path)
        return answer.status_code, answer.get_data(as_text=True)

    assert said("/mine") == (400, "mine Mine")
    assert said("/nearer") == (400, "mine Nearer")
    assert said("/404") == (404, "not found: no such thing")
    assert said("/403") == (403, "http 403")
    assert said("/tea") == (418, "teapot tea")
    assert said("/other") == (500, "http 500")
    assert said("/nothing")[1].startswith("not found: ")


def test_a_handler_of_500_gets_the_original_exception(names: Any) -> None:
    app = names.Flask(__name__)
    app.register_error_handler(500, lambda error: (f"{type(error).__name__} {error.original_exception!r}", 500))
    app.add_url_rule("/", "view", lambda: 1 // 0)
    answer = app.test_client().get("/")
    assert answer.status_code == 500
    assert answer.data == b"InternalServerError ZeroDivisionError('integer division or modulo by zero')"


def test_a_handler_of_every_exception(names: Any) -> None:
    app = names.Flask(__name__)
    app.register_error_handler(Exception, lambda error: f"caught {type(error).__name__}")
    app.add_url_rule("/", "view", lambda: 1 // 0)
    client = app.test_client()
    assert client.get("/").data == b"caught ZeroDivisionError"
    assert client.get("/nothing").data == b"caught NotFound"


def test_an_error_handler_that_fails_is_a_500(names: Any) -> None:
    app = names.Flask(__name__)
    app.register_error_handler(404, lambda error: 1 // 0)
    assert app.test_client().get("/nothing").status_code == 500


def test_an_exception_is_answered_by_a_page(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "view", lambda: names.abort(403, "<only> friends\nof mine"))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.mimetype) == (403, "text/html")
    page = answer.get_data(as_text=True)
    assert page.startswith("<!doctype html>\n<html lang=en>\n<title>403 Forbidden</title>\n<h1>Forbidden</h1>\n")
    assert "<p>&lt;only&gt; friends<br>of mine</p>" in page


def test_an_exception_without_a_status_is_answered_as_it_says(names: Any) -> None:
    app = names.Flask(__name__)
    app.register_error_handler(names.exceptions.HTTPException, lambda error: ("handled", 500))
    app.add_url_rule("/", "view", lambda: names.abort(names.Response("own", 402)))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.data) == (402, b"own")


def test_a_redirect_of_the_rules_is_handled_by_nobody(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/folder/", "folder", lambda: "")
    app.register_error_handler(names.exceptions.HTTPException, lambda error: ("handled", 400))
    assert app.test_client().get("/folder").status_code == 308


@pytest.mark.parametrize(
    ("config", "raised"),
    [
        ({}, False),
        ({"TESTING": True}, True),
        ({"DEBUG": True}, True),
        ({"TESTING": True, "PROPAGATE_EXCEPTIONS": False}, False),
        ({"PROPAGATE_EXCEPTIONS": True}, True),
    ],
)
def test_what_nothing_handles_reaches_the_test_where_that_is_wanted(
    names: Any, config: dict[str, Any], raised: bool
) -> None:
    app = names.Flask(__name__)
    app.config.update(config)
    app.logger.disabled = True
    app.add_url_rule("/", "view", lambda: 1 // 0)
    client = app.test_client()
    if raised:
        with pytest.raises(ZeroDivisionError):
            client.get("/")
    else:
        assert client.get("/").status_code == 500
    app.logger.disabled = False


def test_what_nothing_handles_is_logged_with_its_place(names: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = names.Flask("logged")
    app.add_url_rule("/boom", "view", lambda: 1 // 0, methods=["POST"])
    app.test_client().post("/boom")
    record = next(record for record in caplog.records if record.name == "logged")
    assert record.getMessage() == "Exception on /boom [POST]"
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("config", "path", "raised"),
    [
        ({"TRAP_HTTP_EXCEPTIONS": True}, "/abort", True),
        ({"TRAP_BAD_REQUEST_ERRORS": True}, "/abort", False),
        ({"TRAP_BAD_REQUEST_ERRORS": True}, "/key", True),
        ({"TRAP_BAD_REQUEST_ERRORS": True}, "/bad", True),
        ({"TRAP_BAD_REQUEST_ERRORS": False}, "/key", False),
        ({"DEBUG": True}, "/key", True),
        ({"DEBUG": True}, "/bad", False),
    ],
)
def test_http_exceptions_may_be_let_through(names: Any, config: dict[str, Any], path: str, raised: bool) -> None:
    app = names.Flask(__name__)
    app.testing = True
    app.config.update(config)
    app.add_url_rule("/abort", "abort", lambda: names.abort(403))
    app.add_url_rule("/bad", "bad", lambda: names.abort(400))
    app.add_url_rule("/key", "key", lambda: names.request.args["absent"])
    client = app.test_client()
    if raised:
        with pytest.raises(names.exceptions.HTTPException):
            client.get(path)
    else:
        assert 400 <= client.get(path).status_code < 404


def test_a_missing_field_is_named_in_debug(names: Any) -> None:
    app = names.Flask(__name__)
    app.debug = True
    app.config["TRAP_BAD_REQUEST_ERRORS"] = False
    app.add_url_rule("/", "key", lambda: names.request.args["absent"])
    assert b"absent" in app.test_client().get("/").data
    app.debug = False
    assert b"absent" not in app.test_client().get("/").data


def test_teardown_is_told_what_happened(names: Any) -> None:
    app = names.Flask(__name__)
    told: list[Any] = []
    app.teardown_request(told.append)
    app.teardown_appcontext(told.append)
    app.add_url_rule("/boom", "boom", lambda: 1 // 0)
    app.add_url_rule("/403", "403", lambda: names.abort(403))
    client = app.test_client()
    client.get("/boom")
    assert [type(error) for error in told] == [ZeroDivisionError, ZeroDivisionError]
    told.clear()
    client.get("/403")
    assert told == [None, None]


def test_an_error_may_be_kept_from_teardown(names: Any) -> None:
    class App(names.Flask):  # type: ignore[misc]  # either's
        def should_ignore_error(self, error: BaseException | None) -> bool:
            return isinstance(error, ZeroDivisionError)

    app = App(__name__)
    told: list[Any] = []
    app.teardown_request(told.append)
    app.add_url_rule("/", "view", lambda: 1 // 0)
    app.test_client().get("/")
    assert told == [None]


def test_an_after_hook_that_fails_is_a_500(names: Any) -> None:
    app = names.Flask(__name__)
    failing = [True, True]

    @app.after_request
    def after(response: Any) -> Any:
        if failing.pop():
            raise ValueError("after")
        return response

    app.add_url_rule("/", "view", lambda: "fine")
    assert app.test_client().get("/").status_code == 500
    failing[:] = [False, True]
    assert app.test_client().get("/").status_code == 500


def test_all_teardown_functions_run_whatever_one_raises(ours: Any) -> None:
    app = ours.Flask(__name__)
    calls = []
    app.teardown_request(lambda error: calls.append("last"))
    app.teardown_request(lambda error: 1 // 0)
    app.teardown_request(lambda error: vars(error)["x"])
    with pytest.raises(TypeError), app.test_request_context():
        pass
    assert calls == ["last"]


# Steps that may be overridden.


def test_the_steps_may_be_overridden(names: Any) -> None:
    calls: list[str] = []

    class App(names.Flask):  # type: ignore[misc]  # either's
        def preprocess_request(self) -> Any:
            calls.append("preprocess")
            return super().preprocess_request()

        def dispatch_request(self) -> Any:
            calls.append("dispatch")
            return super().dispatch_request()

        def process_response(self, response: Any) -> Any:
            calls.append("process")
            return super().process_response(response)

        def handle_user_exception(self, e: Exception) -> Any:
            calls.append("user")
            return super().handle_user_exception(e)

        def handle_http_exception(self, e: Any) -> Any:
            calls.append("http")
            return super().handle_http_exception(e)

        def handle_exception(self, e: Exception) -> Any:
            calls.append("exception")
            return super().handle_exception(e)

    app = App(__name__)
    app.add_url_rule("/", "view", lambda: "")
    app.add_url_rule("/boom", "boom", lambda: 1 // 0)
    client = app.test_client()
    client.get("/")
    assert calls == ["preprocess", "dispatch", "process"]
    calls.clear()
    client.get("/nothing")
    assert calls == ["preprocess", "dispatch", "user", "http", "process"]
    calls.clear()
    client.get("/boom")
    assert calls == ["preprocess", "dispatch", "user", "exception", "process"]


def test_the_steps_may_be_called_in_a_test(names: Any) -> None:
    app = names.Flask(__name__)
    app.before_request(lambda: setattr(names.g, "user", names.request.args["name"]))
    app.after_request(lambda response: response.headers.add("X-User", names.g.user) or response)
    app.add_url_rule("/", "view", lambda: f"hello {names.g.user}")
    told: list[Any] = []
    app.teardown_request(told.append)
    app.teardown_appcontext(told.append)
    with app.test_request_context("/?name=ada"):
        assert app.preprocess_request() is None
        assert names.g.user == "ada"
        assert app.dispatch_request() == "hello ada"
        assert app.full_dispatch_request().headers["X-User"] == "ada"
        app.do_teardown_request(None)
        app.do_teardown_appcontext(None)
        assert told == [None, None]
    assert told == [None] * 4


# Both colours.


@pytest.mark.parametrize("waits", ["view", "before", "after", "teardown", "handler", "all"])
def test_one_async_piece_or_all_give_the_same(names: Any, waits: str) -> None:
    app = names.Flask(__name__)
    calls: list[str] = []

    def made(kind: str, result: Any) -> Any:
        def call(*args: Any, **values: Any) -> Any:
            calls.append(f"{kind} {names.request.path} {names.g.get('x')}")
            names.g.x = kind
            return args[0] if result == "given" else result

        async def waiting(*args: Any, **values: Any) -> Any:
            await asyncio.sleep(0)
            return call(*args, **values)

        return waiting if waits in (kind, "all") else call

    app.before_request(made("before", None))
    app.after_request(made("after", "given"))
    app.teardown_request(made("teardown", None))
    app.teardown_appcontext(lambda error: calls.append("end"))
    app.register_error_handler(404, made("handler", "handled"))
    app.add_url_rule("/", "view", made("view", "answer"))
    client = app.test_client()
    assert client.get("/").data == b"answer"
    assert calls == ["before / None", "view / before", "after / view", "teardown / after", "end"]
    assert client.get("/nothing").data == b"handled"


def test_many_async_views_share_one_loop(ours: Any) -> None:
    app = ours.Flask(__name__)
    loops = set()

    @app.route("/")
    async def view() -> str:
        loops.add(id(asyncio.get_running_loop()))
        return threading.current_thread().name

    client = app.test_client()
    for _ in range(3):
        client.get("/")
    assert len(loops) == 1


def test_async_code_is_called_from_plain_code(ours: Any) -> None:
    app = ours.Flask(__name__)

    async def later(value: str) -> str:
        await asyncio.sleep(0)
        return f"{value} {ours.request.path}"

    def plain(value: str) -> str:
        return value

    app.add_url_rule("/", "view", lambda: app.ensure_sync(later)("waited"))
    assert app.ensure_sync(plain) is plain
    assert app.test_client().get("/").data == b"waited /"


def test_the_end_of_a_context_may_be_async(names: Any) -> None:
    app = names.Flask(__name__)
    told: list[Any] = []

    @app.teardown_appcontext
    async def end(error: Any) -> None:
        told.append(error)

    app.add_url_rule("/", "view", lambda: "")
    app.test_client().get("/")
    with app.app_context():
        pass
    assert told == [None, None]


def test_an_error_of_an_async_view_reaches_the_handler(names: Any) -> None:
    app = names.Flask(__name__)

    @app.route("/")
    async def view() -> str:
        raise KeyError("x")

    @app.errorhandler(KeyError)
    async def handle(error: KeyError) -> str:
        return f"handled {error}"

    assert app.test_client().get("/").data == b"handled 'x'"


# What the core brings along.


def test_a_router_of_the_core_has_the_hooks_of_the_application(ours: Any) -> None:
    app = ours.Flask(__name__)
    router = duoframe.Router("/core")

    @router.get("/{number:int}")
    def view(number: int, extra: str = "none") -> dict[str, Any]:
        return {"number": number, "extra": extra, "x": ours.g.x}

    @router.get("/boom")
    def boom() -> None:
        raise KeyError("boom")

    @router.get("/mine")
    def mine() -> None:
        raise duoframe.HTTPException(418, "mine")

    @router.get("/teapot")
    def teapot() -> None:
        raise ValueError("tea")

    @router.errorhandler(ValueError)
    def handle(request: Any, error: ValueError) -> str:
        return f"router {error}"

    @router.errorhandler(418)
    def handle_teapot(request: Any, error: Any) -> Any:
        return f"teapot {error.detail}", 202

    app.include_router(router)
    app.before_request(lambda: setattr(ours.g, "x", 1))
    app.after_request(lambda response: response.headers.add("X-After", "yes") or response)
    app.register_error_handler(KeyError, lambda error: "app")
    client = app.test_client()
    answer = client.get("/core/7?extra=more")
    assert answer.json == {"number": 7, "extra": "more", "x": 1}
    assert answer.headers["X-After"] == "yes"
    assert client.get("/core/boom").data == b"app"
    answer = client.get("/core/teapot")
    assert (answer.status_code, answer.data) == (500, b"router tea")
    answer = client.get("/core/mine")
    assert (answer.status_code, answer.data) == (202, b"teapot mine")
    assert client.options("/core/boom").status_code == 204


def test_middleware_of_the_core_runs_around_it_all(ours: Any) -> None:
    app = ours.Flask(__name__)

    @app.middleware
    def marking(request: Any) -> Any:
        if request.query.get("refused"):
            raise duoframe.HTTPException(403, "refused by middleware")
        if request.query.get("failed"):
            raise ValueError("failed in middleware")
        response = yield
        response.headers["x-status"] = str(response.status)

    app.add_url_rule("/", "view", lambda: "")
    client = app.test_client()
    assert client.get("/").headers["x-status"] == "200"
    assert client.get("/nothing").headers["x-status"] == "404"
    refused = client.get("/?refused=1")
    assert (refused.status_code, refused.mimetype) == (403, "text/html")
    assert b"refused by middleware" in refused.data
    assert client.get("/?failed=1").status_code == 500


def test_an_inline_view_holds_no_thread(ours: Any) -> None:
    app = ours.Flask(__name__)
    seen: list[Any] = []

    @app.route("/")
    @duoframe.inline
    def view() -> str:
        seen.append(app.gauges()["threads"])
        return ""

    assert app.test_client().get("/").status_code == 200
    assert seen == [0]


def test_an_exception_of_the_core_reaches_the_handler_of_its_status(ours: Any) -> None:
    app = ours.Flask(__name__)
    app.register_error_handler(404, lambda error: (f"handled {error.description}", 404))
    app.add_url_rule("/", "view", lambda: duoframe.abort(404, "core"))
    app.add_url_rule("/other", "other", lambda: duoframe.abort(402, "pay", {"x-price": "5"}))
    client = app.test_client()
    assert client.get("/").data == b"handled core"
    other = client.get("/other")
    assert (other.status_code, other.headers["x-price"]) == (402, "5")
    assert b"pay" in other.data


def test_hosts_that_are_not_trusted(names: Any) -> None:
    app = names.Flask(__name__)
    app.config["TRUSTED_HOSTS"] = ["example.com", ".example.org"]
    app.add_url_rule("/", "view", lambda: "")
    client = app.test_client()

    def status(host: str) -> int:
        return client.get("/", base_url=f"http://{host}").status_code  # type: ignore[no-any-return]  # a number

    assert [status(host) for host in ("example.com", "example.com:80", "a.example.org", "example.org")] == [200] * 4
    assert [status(host) for host in ("a.example.com", "localhost", "xexample.org")] == [400] * 3


def test_the_sessions_of_another_interface(names: Any) -> None:
    sessions = importlib.import_module("flask.sessions" if names.original else "duoframe.flask.sessions")
    kept: dict[str, Any] = {}

    class Session(dict, sessions.SessionMixin):  # type: ignore[type-arg,misc,name-defined]  # either's
        pass

    class Interface(sessions.SessionInterface):  # type: ignore[misc,name-defined]  # as above
        def open_session(self, app: Any, request: Any) -> Any:
            return Session(kept, path=names.request.path)

        def save_session(self, app: Any, session: Any, response: Any) -> None:
            kept.update(session, status=response.status_code)

    app = names.Flask(__name__)
    app.session_interface = Interface()
    app.add_url_rule("/", "view", lambda: str(names.session.setdefault("count", 0)))
    assert app.test_client().get("/").data == b"0"
    assert kept == {"count": 0, "path": "/", "status": 200}


class Recording:
    """A recorder that keeps contexts."""

    def __init__(self) -> None:
        self.context: Any = None
        self.error: Any = None

    def keep(self, context: Any, error: BaseException | None) -> bool:
        self.context = context
        return True

    def raised(self, error: Exception) -> None:
        self.error = error


def test_whoever_records_a_request_may_keep_its_context(ours: Any) -> None:
    from duoframe.flask.dispatch import RECORDER

    app = ours.Flask(__name__)
    told: list[Any] = []
    app.teardown_request(told.append)
    app.add_url_rule("/", "view", lambda: "x")
    recorder = Recording()
    exchange(app, ours.door, "GET", b"/", edit=lambda made: made.update({RECORDER: recorder}))
    assert told == []
    recorder.context.pop()
    assert told == [None]


@pytest.mark.parametrize("raised", [KeyError("x"), SystemExit(3)])
def test_what_is_let_through_is_a_500_of_the_core(ours: Any, raised: BaseException) -> None:
    app = ours.Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.route("/")
    def view() -> str:
        raise raised

    recorder = Recording()
    if isinstance(raised, SystemExit) and ours.door == "wsgi":
        with pytest.raises(SystemExit):
            app.test_client().get("/")
        return
    assert exchange(app, ours.door, "GET", b"/").status == 500
    assert recorder.error is None
    if isinstance(raised, SystemExit):
        assert app.test_client().get("/").status_code == 500


def test_limits_of_a_route_of_the_core_are_its_own(ours: Any) -> None:
    app = ours.Flask(__name__)
    router = duoframe.Router()

    @router.post("/core", max_body_size=100)
    def view(request: duoframe.Request) -> str:
        return str(len(request.body))

    app.include_router(router)
    app.add_url_rule("/", "view", lambda: ours.request.get_data(), methods=["POST"])
    client = app.test_client()
    assert client.post("/core", data=b"x" * 50).data == b"50"
    app.config["MAX_CONTENT_LENGTH"] = 10
    assert client.post("/core", data=b"x" * 50).data == b"50"
    assert client.post("/", data=b"x" * 50).status_code == 413
