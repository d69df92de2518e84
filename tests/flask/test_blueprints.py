"""Blueprints: names, prefixes, hooks, error handlers, nesting. Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

import sys
from typing import Any

import pytest


def text(client: Any, path: str, **words: Any) -> str:
    with client.open(path, **words) as answer:
        said: str = answer.get_data(as_text=True)
    return said


def test_endpoints_and_addresses_begin_with_the_name(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("front", __name__, url_prefix="/front/")

    @bp.route("/")
    def index() -> str:
        request, url_for = names.request, names.url_for
        return f"{request.endpoint} {request.blueprint} {url_for('.other')} {url_for('front.index')}"

    @bp.route("/other", endpoint="other")
    def another() -> str:
        return names.url_for("plain")  # type: ignore[no-any-return]  # either's

    app.register_blueprint(bp)
    app.add_url_rule("/plain", "plain", lambda: names.url_for(".plain"))
    client = app.test_client()
    assert text(client, "/front/") == "front.index front /front/other /front/"
    assert text(client, "/front/other") == "/plain"
    assert text(client, "/plain") == "/plain"
    assert list(app.blueprints) == ["front"]
    assert list(app.iter_blueprints()) == [bp]


@pytest.mark.parametrize(
    ("prefix", "rule", "path"),
    [
        ("/a", "/b", "/a/b"),
        ("/a/", "/b", "/a/b"),
        ("/a", "", "/a"),
        ("/", "/b", "/b"),
        ("/a", "b", "/a/b"),
        (None, "/b", "/b"),
        ("/<int:n>", "/b", "/7/b"),
    ],
)
def test_a_prefix_and_a_rule_are_joined_by_one_slash(names: Any, prefix: str, rule: str, path: str) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__)
    bp.add_url_rule(rule, "view", lambda **values: "found")
    app.register_blueprint(bp, url_prefix=prefix)
    assert text(app.test_client(), path) == "found"


def test_hooks_of_a_blueprint_run_for_its_own_views_in_order(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__)
    calls: list[str] = []

    def after(name: str) -> Any:
        def call(response: Any) -> Any:
            calls.append(name)
            return response

        return call

    app.before_request(lambda: calls.append("app before"))
    app.after_request(after("app after"))
    app.teardown_request(lambda error: calls.append("app teardown"))
    bp.before_request(lambda: calls.append("bp before"))
    bp.after_request(after("bp after 1"))
    bp.after_request(after("bp after 2"))
    bp.teardown_request(lambda error: calls.append("bp teardown"))
    bp.before_app_request(lambda: calls.append("bp app before"))
    bp.after_app_request(after("bp app after"))
    bp.teardown_app_request(lambda error: calls.append("bp app teardown"))
    bp.add_url_rule("/bp", "view", lambda: "")
    app.add_url_rule("/app", "view", lambda: "")
    app.register_blueprint(bp)
    client = app.test_client()
    client.get("/app")
    assert calls == [
        "app before",
        "bp app before",
        "bp app after",
        "app after",
        "bp app teardown",
        "app teardown",
    ]
    calls.clear()
    client.get("/bp")
    assert calls == [
        "app before",
        "bp app before",
        "bp before",
        "bp after 2",
        "bp after 1",
        "bp app after",
        "app after",
        "bp teardown",
        "bp app teardown",
        "app teardown",
    ]


def test_error_handlers_of_a_blueprint_come_first(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__)
    app.register_error_handler(403, lambda error: "app 403")
    bp.register_error_handler(403, lambda error: "bp 403")
    bp.app_errorhandler(404)(lambda error: "any 404")
    app.errorhandler(ZeroDivisionError)(lambda error: "app division")
    bp.errorhandler(ArithmeticError)(lambda error: "bp arithmetic")
    for owner, prefix in ((app, "/app"), (bp, "/bp")):
        owner.add_url_rule(f"{prefix}/403", "forbidden", lambda: names.abort(403))
        owner.add_url_rule(f"{prefix}/division", "division", lambda: 1 // 0)
    app.register_blueprint(bp)
    client = app.test_client()
    assert text(client, "/app/403") == "app 403"
    assert text(client, "/bp/403") == "bp 403"
    assert text(client, "/app/division") == "app division"
    assert text(client, "/bp/division") == "bp arithmetic"
    assert text(client, "/nothing") == "any 404"


def test_a_blueprint_may_be_registered_under_several_names(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__, url_prefix="/a")
    calls: list[bool] = []
    bp.record(lambda state: calls.append(state.first_registration))
    bp.record_once(lambda state: calls.append(True))
    bp.add_url_rule("/", "view", lambda: f"{names.request.endpoint} {names.url_for('.view')}")
    app.register_blueprint(bp)
    app.register_blueprint(bp, name="again", url_prefix="/b")
    client = app.test_client()
    assert text(client, "/a/") == "bp.view /a/"
    assert text(client, "/b/") == "again.view /b/"
    assert calls == [True, True, False]


def test_a_name_is_taken_once(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__)
    app.register_blueprint(bp)
    with pytest.raises(ValueError, match=r"already registered for this blueprint|this blueprint is registered as"):
        app.register_blueprint(bp)
    with pytest.raises(
        ValueError, match=r"already registered for a different blueprint|another blueprint is registered as"
    ):
        app.register_blueprint(names.Blueprint("bp", __name__))


def test_nested_blueprints(names: Any) -> None:
    app = names.Flask(__name__)
    parent = names.Blueprint("parent", __name__, url_prefix="/parent")
    child = names.Blueprint("child", __name__, url_prefix="/child")
    grandchild = names.Blueprint("grandchild", __name__)
    calls: list[str] = []
    for owner in (app, parent, child, grandchild):
        owner.before_request(lambda name=owner.name: calls.append(name))
        owner.register_error_handler(400, lambda error, name=owner.name: f"400 of {name}")
    child.error_handler_spec.clear()
    for owner in (parent, child, grandchild):
        owner.add_url_rule(f"/{owner.name}", "view", lambda: f"{names.request.endpoint} {names.request.blueprints}")
        owner.add_url_rule(f"/{owner.name}/400", "bad", lambda: names.abort(400))
    child.register_blueprint(grandchild, url_prefix="/grand")
    parent.register_blueprint(child)
    app.register_blueprint(parent)
    client = app.test_client()
    assert text(client, "/parent/child/grand/grandchild") == (
        "parent.child.grandchild.view ['parent.child.grandchild', 'parent.child', 'parent']"
    )
    assert calls[1:] == ["parent", "child", "grandchild"]
    assert text(client, "/parent/child/child/400") == "400 of parent"
    assert text(client, "/parent/child/grand/grandchild/400") == "400 of grandchild"
    with app.test_request_context():
        assert names.url_for("parent.child.grandchild.view") == "/parent/child/grand/grandchild"
    alone = names.Blueprint("alone", __name__)
    with pytest.raises(ValueError, match="itself"):
        alone.register_blueprint(alone)


@pytest.mark.parametrize(
    ("parent", "child", "host"),
    [
        ("parent", "child", "child.parent.example.com"),
        ("parent", None, "parent.example.com"),
        (None, "child", "child.example.com"),
    ],
)
def test_subdomains_of_nested_blueprints(names: Any, parent: str | None, child: str | None, host: str) -> None:
    app = names.Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    outer = names.Blueprint("outer", __name__, subdomain=parent)
    inner = names.Blueprint("inner", __name__, subdomain=child)
    inner.add_url_rule("/", "view", lambda: "found")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert text(app.test_client(), "/", base_url=f"http://{host}") == "found"


def test_values_and_their_defaults(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__, url_prefix="/<lang>", url_defaults={"kind": "plain"})

    @bp.url_value_preprocessor
    def take(endpoint: str, values: dict[str, Any]) -> None:
        names.g.lang = values.pop("lang")

    @bp.url_defaults
    def give(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("lang", names.g.lang)

    @bp.app_url_value_preprocessor
    def note(endpoint: str | None, values: dict[str, Any] | None) -> None:
        names.g.noted = endpoint

    bp.app_url_defaults(lambda endpoint, values: values.update(extra="1") if endpoint == "plain" else None)

    @bp.route("/", defaults={"more": 1})
    def view(kind: str, more: int) -> str:
        return f"{names.g.lang} {kind} {more} {names.g.noted} {names.url_for('.view')} {names.url_for('plain')}"

    app.register_blueprint(bp)
    app.add_url_rule("/plain", "plain", lambda: "")
    assert text(app.test_client(), "/de/") == "de plain 1 bp.view /de/ /plain?extra=1"


def test_templates_and_static_files_of_a_blueprint(names: Any, tmp_path: Any) -> None:
    for folder, name, content in (
        ("static", "a.txt", "static of bp"),
        ("templates", "page.html", "{{ x|twice }}{{ y }}"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    app = names.Flask(__name__)
    bp = names.Blueprint(
        "bp", __name__, root_path=str(tmp_path), static_folder="static", template_folder="templates", url_prefix="/bp"
    )
    bp.app_template_filter("twice")(lambda text: text * 2)
    bp.add_app_template_filter(lambda text: text, "same")
    bp.app_template_test("long")(lambda text: len(text) > 3)
    bp.add_app_template_test(lambda text: True, "anything")
    bp.app_template_global("answer")(lambda: 42)
    bp.add_app_template_global(lambda: 43, "other")
    bp.context_processor(lambda: {"y": "y"})
    bp.app_context_processor(lambda: {"z": "z"})
    bp.add_url_rule("/", "view", lambda: names.render_template("page.html", x="x"))
    bp.add_url_rule("/static", "where", lambda: names.url_for(".static", filename="a.txt"))
    app.add_url_rule(
        "/app",
        "app",
        lambda: names.render_template_string(
            "{{ y }}{{ z }}{{ answer() }}{{ other() }}{{ 'abcd' is long }}{{ 1 is anything }}{{ 'a'|same }}"
        ),
    )
    app.register_blueprint(bp)
    client = app.test_client()
    assert text(client, "/bp/") == "xxy"
    assert text(client, "/bp/static/a.txt") == "static of bp"
    assert text(client, "/bp/static") == "/bp/static/a.txt"
    assert text(client, "/app") == "z4243TrueTruea"


def test_what_a_blueprint_cannot_be_called(names: Any) -> None:
    with pytest.raises(ValueError, match="empty"):
        names.Blueprint("", __name__)
    with pytest.raises(ValueError, match="dot"):
        names.Blueprint("a.b", __name__)
    bp = names.Blueprint("bp", __name__)
    with pytest.raises(ValueError, match="endpoint"):
        bp.add_url_rule("/", "a.b", lambda: "")

    def view() -> str:
        return ""

    view.__name__ = "a.b"
    with pytest.raises(ValueError, match=r"view_func|view function whose name has no dot"):
        bp.add_url_rule("/", view_func=view)
    assert repr(bp) == "<Blueprint 'bp'>" or names.original


def test_nothing_can_be_declared_once_it_is_registered(names: Any) -> None:
    app = names.Flask(__name__)
    bp = names.Blueprint("bp", __name__)
    app.register_blueprint(bp)
    with pytest.raises(AssertionError, match="has already been registered"):
        bp.add_url_rule("/", "view", lambda: "")
    with pytest.raises(AssertionError):
        bp.before_request(lambda: None)


def test_an_endpoint_of_a_blueprint_may_get_its_view_apart(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", endpoint="apart")
    bp = names.Blueprint("bp", __name__)
    bp.endpoint("apart")(lambda: "found")
    app.register_blueprint(bp)
    assert text(app.test_client(), "/") == "found"


def test_commands_of_a_blueprint(names: Any) -> None:
    app = names.Flask(__name__)
    for name, options in (("own", {}), ("merged", {"cli_group": None}), ("other", {"cli_group": "renamed"})):
        bp = names.Blueprint(name, __name__, **options)
        bp.cli.command(f"{name}-command")(lambda name=name: sys.stdout.write(f"ran {name}"))
        app.register_blueprint(bp)
    runner = app.test_cli_runner()
    assert "ran own" in runner.invoke(args=["own", "own-command"]).output
    assert "ran merged" in runner.invoke(args=["merged-command"]).output
    assert "ran other" in runner.invoke(args=["renamed", "other-command"]).output


def test_middleware_of_the_core_runs_around_the_views_of_a_blueprint(ours: Any) -> None:
    app = ours.Flask(__name__)
    bp = ours.Blueprint("bp", __name__)

    @bp.middleware
    def marking(request: Any) -> Any:
        response = yield
        response.headers["x-marked"] = "yes"

    bp.add_url_rule("/bp", "view", lambda: "")
    app.add_url_rule("/app", "view", lambda: "")
    app.register_blueprint(bp)
    client = app.test_client()
    assert client.get("/bp").headers["x-marked"] == "yes"
    assert "x-marked" not in client.get("/app").headers


def test_a_blueprint_is_registered_and_not_included(ours: Any) -> None:
    from duoframe.errors import ConfigurationError

    with pytest.raises(ConfigurationError, match="cannot be nested"):
        ours.Flask(__name__).include_router(ours.Blueprint("bp", __name__))
