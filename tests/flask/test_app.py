"""An application: where its things are, what it may be given, what it tells. Flask's is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

import logging
import os
import sys
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest


def test_where_its_folders_are(names: Any, tmp_path: Any) -> None:
    app = names.Flask("app", root_path=str(tmp_path), static_folder="files/", template_folder="pages")
    assert app.root_path == str(tmp_path)
    assert app.static_folder == os.path.join(tmp_path, "files")
    assert (app.static_url_path, app.has_static_folder, app.template_folder) == ("/files", True, "pages")
    without = names.Flask("app", root_path=str(tmp_path), static_folder=None)
    assert (without.static_folder, without.static_url_path, without.has_static_folder) == (None, None, False)
    with pytest.raises(RuntimeError, match="static_folder"):
        without.send_static_file("x")
    without.static_folder = "later"
    without.static_url_path = "/elsewhere/"
    assert (without.static_folder, without.static_url_path) == (os.path.join(tmp_path, "later"), "/elsewhere")
    without.static_url_path = None
    assert without.static_url_path == "/later"
    assert names.Flask("app", root_path=str(tmp_path), static_url_path="").static_url_path == ""


def test_its_root_is_the_folder_of_its_module(names: Any) -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    assert names.Flask(__name__).root_path == here
    assert names.Flask("email").root_path == os.path.dirname(str(__import__("email").__file__))


def test_a_module_that_nobody_has_has_no_folder(ours: Any) -> None:
    assert ours.Flask("no_such_module").root_path == os.getcwd()
    assert ours.Flask("no_such.module").root_path == os.getcwd()
    assert ours.Flask("wave").root_path == os.path.dirname(str(__import__("wave").__file__))


def test_where_an_instance_keeps_its_own(names: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given = names.Flask(__name__, instance_path=str(tmp_path))
    assert given.instance_path == str(tmp_path)
    with pytest.raises(ValueError, match="absolute"):
        names.Flask(__name__, instance_path="relative")
    (tmp_path / "a.txt").write_text("content")
    with given.open_instance_resource("a.txt") as file:
        assert file.read() == b"content"
    with given.open_instance_resource("a.txt", "r") as file:
        assert file.read() == "content"
    configured = names.Flask(__name__, instance_path=str(tmp_path), instance_relative_config=True)
    (tmp_path / "config.py").write_text("ANSWER = 42")
    configured.config.from_pyfile("config.py")
    assert configured.config["ANSWER"] == 42
    module = tmp_path / "placed.py"
    module.write_text("")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("placed", "packed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        __import__(name)
        assert names.Flask(name).instance_path == str(tmp_path / "instance")
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert names.Flask("packed").instance_path == str(tmp_path / "var" / "packed-instance")


def test_files_of_its_own(names: Any, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("é", encoding="utf-8")
    app = names.Flask(__name__, root_path=str(tmp_path))
    with app.open_resource("a.txt") as file:
        assert file.read() == "é".encode()
    with app.open_resource("a.txt", "r") as file:
        assert file.read() == "é"
    with pytest.raises(ValueError, match="reading"):
        app.open_resource("a.txt", "w")


def test_its_name(names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names.Flask("shop").name == "shop"
    assert repr(names.Flask("shop")) == "<Flask 'shop'>"
    main = ModuleType("__main__")
    main.__file__ = "/somewhere/program.py"
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert names.Flask("__main__", root_path="/").name == "program"
    main.__file__ = None
    assert names.Flask("__main__", root_path="/").name == "__main__"


def test_what_its_configuration_is_known_as(names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = names.Flask(__name__)
    assert (app.debug, app.testing, app.secret_key) == (False, False, None)
    app.debug = app.testing = True
    app.secret_key = "x"
    assert (app.config["DEBUG"], app.config["TESTING"], app.config["SECRET_KEY"]) == (True, True, "x")
    assert app.permanent_session_lifetime == timedelta(days=31)
    app.config["PERMANENT_SESSION_LIFETIME"] = 60
    assert app.permanent_session_lifetime == timedelta(seconds=60)
    monkeypatch.setenv("FLASK_DEBUG", "1")
    assert names.Flask(__name__).debug
    monkeypatch.setenv("FLASK_DEBUG", "false")
    assert not names.Flask(__name__).debug


def test_classes_that_may_be_others(names: Any) -> None:
    class Config(names.Config):  # type: ignore[misc]  # either's
        pass

    class App(names.Flask):  # type: ignore[misc]  # as above
        config_class = Config

    app = App(__name__)
    assert type(app.config) is Config


def test_how_long_static_files_may_be_kept(names: Any) -> None:
    app = names.Flask(__name__)
    with app.app_context():
        assert app.get_send_file_max_age("x") is None
        app.config["SEND_FILE_MAX_AGE_DEFAULT"] = timedelta(minutes=1)
        assert app.get_send_file_max_age("x") == 60
        app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 5
        assert app.get_send_file_max_age("x") == 5


def test_nothing_can_be_registered_after_the_first_request(names: Any) -> None:
    app = names.Flask(__name__)
    assert (app.name, names.original or app.got_first_request) in ((app.name, True), (app.name, False))
    app.test_client().get("/")
    late: list[Any] = [
        lambda: app.add_url_rule("/x", "x", lambda: ""),
        lambda: app.before_request(lambda: None),
        lambda: app.register_error_handler(404, lambda error: ""),
        lambda: app.teardown_appcontext(lambda error: None),
        lambda: app.register_blueprint(names.Blueprint("bp", __name__)),
        lambda: app.template_filter()(len),
        lambda: app.shell_context_processor(dict),
        lambda: app.endpoint("x")(lambda: ""),
    ]
    for register in late:
        with pytest.raises(AssertionError, match="can no longer be called"):
            register()


def test_it_knows_whether_it_has_answered(ours: Any) -> None:
    app = ours.Flask(__name__)
    assert not app.got_first_request
    app.test_client().get("/")
    assert app.got_first_request


@pytest.mark.parametrize("subject", [299, "404", KeyError("x"), object])
def test_what_no_error_handler_is_for(names: Any, subject: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        names.Flask(__name__).register_error_handler(subject, lambda error: "")


def test_an_error_handler_for_a_class_of_werkzeugs(ours: Any) -> None:
    import werkzeug.exceptions

    class Odd(werkzeug.exceptions.BadRequest):
        pass

    app = ours.Flask(__name__)
    app.register_error_handler(Odd, lambda error: f"odd {error.description}")

    @app.route("/")
    def view() -> str:
        raise Odd("x")

    assert app.test_client().get("/").data == b"odd x"


def test_its_doors_may_be_wrapped(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "view", lambda: names.request.scheme)
    inner = app.wsgi_app

    def outer(environ: Any, start_response: Any) -> Any:
        return inner({**environ, "wsgi.url_scheme": "https"}, start_response)

    app.wsgi_app = outer
    if names.original:
        assert app.test_client().get("/").data == b"https"
    else:
        assert app.test_client(door="wsgi").get("/").data == b"https"
        asgi = app.asgi_app

        async def outside(scope: Any, receive: Any, send: Any) -> None:
            await asgi({**scope, "scheme": "ftp"}, receive, send)

        app.asgi_app = outside
        assert app.test_client(door="asgi").get("/").data == b"ftp"


def test_templates_have_filters_tests_and_globals(names: Any) -> None:
    app = names.Flask(__name__)

    @app.template_filter()
    def twice(text: str) -> str:
        return text * 2

    app.template_filter("thrice")(lambda text: text * 3)
    app.add_template_filter(lambda text: text[::-1], "reversed")
    app.template_test("long")(lambda text: len(text) > 3)
    app.add_template_test(lambda text: True, "anything")
    app.template_global("answer")(lambda: 42)
    app.add_template_global(lambda: 43, "other")
    app.context_processor(lambda: {"x": "processed"})
    source = "{{ 'a'|twice }}{{ 'b'|thrice }}{{ 'cd'|reversed }}{{ 'abcd' is long }}{{ 1 is anything }}"
    source += "{{ answer() }}{{ other() }}{{ x }}{{ g.y }}{{ request.path }}{{ config.TESTING }}"
    with app.test_request_context("/p"):
        names.g.y = "g"
        assert names.render_template_string(source) == "aabbbdcTrueTrue4243processedg/pFalse"
        assert names.render_template_string("{{ x }}", x="given") == "given"
        context = {"x": "given"}
        app.update_template_context(context)
        assert context["x"] == "given"
    assert app.jinja_env is app.jinja_env
    assert app.create_jinja_environment() is not app.jinja_env


def test_the_names_of_its_shell(names: Any) -> None:
    app = names.Flask(__name__)
    app.shell_context_processor(lambda: {"x": 1})
    context = app.make_shell_context()
    assert (context["app"], context["x"]) == (app, 1)
    assert "g" in context


# Its logger.


def test_its_logger(names: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    app = names.Flask("logging_app")
    app.debug = True
    logger = app.logger
    assert (logger.name, logger.level, app.logger) == ("logging_app", logging.DEBUG, logger)
    assert len(logger.handlers) == 1
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    quiet = logging.getLogger("logging_quiet")
    monkeypatch.setattr(quiet, "propagate", False)
    monkeypatch.setattr(quiet, "handlers", [logging.NullHandler()])
    assert len(names.Flask("logging_quiet").logger.handlers) == 1
    monkeypatch.setattr(quiet, "handlers", [])
    assert len(names.Flask("logging_quiet").logger.handlers) == 1
    monkeypatch.setattr(root, "handlers", [logging.NullHandler()])
    assert names.Flask("logging_other").logger.handlers == []


# Its server for development.


@pytest.mark.parametrize(
    ("host", "port", "server_name", "served"),
    [
        (None, None, None, ("127.0.0.1", 5000)),
        (None, None, "example.com:8080", ("example.com", 8080)),
        (None, None, "example.com", ("example.com", 5000)),
        ("localhost", 0, "example.com:8080", ("localhost", 0)),
    ],
)
def test_it_is_served_by_uvicorn(
    ours: Any, monkeypatch: pytest.MonkeyPatch, host: Any, port: Any, server_name: Any, served: Any
) -> None:
    import uvicorn

    calls: list[Any] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: calls.append((app, options)))
    app = ours.Flask(__name__)
    app.config["SERVER_NAME"] = server_name
    app.run(host, port, debug=True, threaded=True, log_level="error")
    assert calls == [(app, {"host": served[0], "port": served[1], "log_level": "error"})]
    assert app.debug
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "true")
    app.run()
    assert len(calls) == 1


def test_it_is_served_by_wsgiref_where_nothing_else_is(ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util
    from wsgiref import simple_server

    seen: list[Any] = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(simple_server.WSGIServer, "serve_forever", lambda server: seen.append(server.get_app()))
    app = ours.Flask(__name__)
    app.run(port=0)
    assert seen == [app]


# What the core brings along.


def test_another_folder_may_be_served(ours: Any, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("content")
    app = ours.Flask(__name__)
    app.static("/assets", tmp_path)
    assert app.test_client().get("/assets/a.txt").data == b"content"


def test_options_of_the_core(ours: Any) -> None:
    app = ours.Flask(__name__, threads=3)
    assert app.portal._options[0] == 3


def test_a_server_of_either_kind_calls_it(ours: Any) -> None:
    from duoframe.testing import Client

    app = ours.Flask(__name__)
    app.add_url_rule("/", "view", lambda: "x")
    with Client(app, ours.door) as client:
        assert client.get("/").text == "x"


def test_names_of_werkzeugs_routing_have_their_place(ours: Any) -> None:
    from duoframe.flask import routing

    assert {"BaseConverter", "BuildError", "Map", "Rule", "ValidationError"} <= set(routing.__all__)


def test_every_public_name_of_flask_is_there(ours: Any) -> None:
    import flask

    # `annotations` and such are not names of Flask's
    wanted = {name for name in vars(flask) if not name.startswith("_") and name not in ("t", "annotations")}
    modules = {"app", "blueprints", "cli", "config", "ctx", "debughelpers", "globals", "helpers", "json", "logging"}
    modules |= {"sansio", "sessions", "signals", "templating", "testing", "typing", "wrappers", "views"}
    assert wanted - modules - set(vars(ours)) == set()
