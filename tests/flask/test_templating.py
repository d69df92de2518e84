"""Templates against Flask's: where they are found, what they see, how they are answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest

from duoframe.flask import Flask
from tests.flask.oracle import Side, side, text

__all__ = ["side"]

HOSTILE = "<b>'\"&"
ESCAPED = "&lt;b&gt;&#39;&#34;&amp;"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, source in {
        "templates/page.html": "app {{ text }}",
        "templates/mail.txt": "{{ text }}",
        "templates/macro.html": "{% macro hello(name) %}Hello {{ name }}{% endmacro %}{% set year = 2024 %}",
        "templates/list.html": "{% for item in items %}[{{ item }}]{% endfor %}",
        "blue/page.html": "never {{ text }}",
        "blue/blue.html": "blue {{ text }}",
        "green/blue.html": "never {{ text }}",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return tmp_path


def with_templates(side: Side, root: Path) -> Any:
    return side.app(root_path=str(root))


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda names: names.render_template("page.html", text=HOSTILE), f"app {ESCAPED}"),
        (lambda names: names.render_template(["none.html", "page.html"], text="b"), "app b"),
        (lambda names: names.render_template_string("{{ text }}", text=HOSTILE), ESCAPED),
        (lambda names: "".join(names.stream_template("page.html", text=HOSTILE)), f"app {ESCAPED}"),
        (lambda names: "".join(names.stream_template_string("{{ text }}", text=HOSTILE)), ESCAPED),
        (lambda names: str(names.get_template_attribute("macro.html", "hello")(HOSTILE)), f"Hello {ESCAPED}"),
        (lambda names: str(names.get_template_attribute("macro.html", "year")), "2024"),
    ],
)
def test_each_way_to_render(side: Side, root: Path, call: Any, expected: str) -> None:
    app = with_templates(side, root)
    answer = side.get(app, lambda: call(side.names))
    assert (text(answer), answer.headers["content-type"]) == (expected, "text/html; charset=utf-8")
    with app.app_context():
        rendered = call(side.names)
        assert (rendered, type(rendered)) == (expected, str)
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        call(side.names)


def test_every_template_escapes_here_whatever_its_name(side: Side, root: Path) -> None:
    """R76: Flask looks at how a name ends."""
    app = with_templates(side, root)
    answer = side.get(app, lambda: side.names.render_template("mail.txt", text=HOSTILE))
    assert text(answer) == (HOSTILE if side.real else ESCAPED)


def test_the_options_of_the_environment_cannot_end_that(root: Path) -> None:
    """R76."""
    app = Flask("a", root_path=str(root))
    app.jinja_options = {"autoescape": False, "trim_blocks": True}
    with app.app_context():
        assert app.jinja_env.trim_blocks
        assert app.jinja_env.from_string("{{ text }}").render(text="<") == "&lt;"


def test_the_application_s_folder_comes_before_those_of_blueprints(side: Side, root: Path) -> None:
    app = with_templates(side, root)
    for name, folder in (("blue", "blue"), ("green", "green"), ("none", None)):
        app.register_blueprint(side.names.Blueprint(name, "tests.flask", template_folder=folder, root_path=str(root)))
    with app.app_context():
        assert side.names.render_template("page.html", text="a") == "app a"
        assert side.names.render_template("blue.html", text="a") == "blue a"
        with pytest.raises(jinja2.TemplateNotFound, match=r"missing\.html"):
            side.names.render_template("missing.html")
    assert {"page.html", "blue.html"} <= set(app.jinja_env.list_templates())


def test_an_application_may_have_no_folder_and_a_loader_of_its_own(side: Side, root: Path) -> None:
    app = side.app(template_folder=None, root_path=str(root))
    with app.app_context(), pytest.raises(jinja2.TemplateNotFound):
        side.names.render_template("page.html")
    app.jinja_loader = jinja2.DictLoader({"page.html": "own {{ text }}"})
    with app.app_context():
        assert side.names.render_template("page.html", text="a") == "own a"


def test_what_templates_see(side: Side, root: Path) -> None:
    app = with_templates(side, root)
    app.config["TITLE"] = "<T>"
    source = (
        "{{ config.TITLE }} {{ request.path }} {{ session.user }} {{ session['user'] }} {{ g.name }}"
        " {{ url_for('root', a=1) }} {{ {'b': 1, 'a': '<'}|tojson }}"
    )

    def view() -> Any:
        side.names.session["user"] = 7
        side.names.g.name = "Ada"
        return side.names.render_template_string(source)

    expected = '&lt;T&gt; /x 7 7 Ada /?a=1 {"a": "\\u003c", "b": 1}'
    assert text(side.get(app, view, "/x")) == expected


def test_context_processors_add_and_what_is_given_counts(side: Side, root: Path) -> None:
    app = with_templates(side, root)
    blueprint = side.names.Blueprint("blue", "tests.flask.oracle", url_prefix="/blue")
    source = "{{ a }} {{ b }} {{ c }} {{ d }}"
    app.context_processor(lambda: {"a": "app", "b": "app", "d": "app"})
    blueprint.context_processor(lambda: {"b": "blue", "c": "blue"})
    blueprint.app_context_processor(lambda: {"d": "everywhere"})
    blueprint.add_url_rule("/", "index", lambda: side.names.render_template_string(source, a="given"))
    app.add_url_rule("/", "index", lambda: side.names.render_template_string(source))
    app.register_blueprint(blueprint)
    client = side.client(app)
    assert text(client.get("/blue/")) == "given blue blue everywhere"
    assert text(client.get("/")) == "app app  everywhere"


def test_filters_tests_and_globals(side: Side, root: Path) -> None:
    app = with_templates(side, root)
    app.template_filter("shout")(str.upper)
    app.add_template_filter(str.lower, "whisper")
    app.template_test("large")(lambda value: value > 5)
    app.template_global("answer")(lambda: 42)
    source = "{{ 'a'|shout }} {{ 'B'|whisper }} {{ 7 is large }} {{ answer() }}"
    assert text(side.get(app, lambda: side.names.render_template_string(source))) == "A b True 42"


def test_a_streamed_template_keeps_the_request(side: Side, root: Path) -> None:
    app = with_templates(side, root)

    def items() -> Any:
        for number in range(3):
            yield f"{side.names.request.path}{number}"

    answer = side.get(app, lambda: side.names.stream_template("list.html", items=items()), "/x")
    assert text(answer) == "[/x0][/x1][/x2]"


@pytest.mark.parametrize("streamed", [False, True])
def test_rendering_is_told(side: Side, root: Path, streamed: bool) -> None:
    app = with_templates(side, root)
    told: list[Any] = []
    names = side.names
    with (
        names.before_render_template.connected_to(
            lambda sender, template, context, **more: told.append(("before", template.name, context["text"])), app
        ),
        names.template_rendered.connected_to(
            lambda sender, template, context, **more: told.append(("after", template.name, context["text"])), app
        ),
        app.app_context(),
    ):
        given = (
            names.stream_template("page.html", text="a") if streamed else names.render_template("page.html", text="a")
        )
        assert "".join(given) == "app a"
    assert told == [("before", "page.html", "a"), ("after", "page.html", "a")]


@pytest.mark.parametrize(
    ("debug", "setting", "expected"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_templates_are_read_again_in_debug_or_where_that_is_said(
    side: Side, root: Path, debug: bool, setting: bool | None, expected: bool
) -> None:
    app = with_templates(side, root)
    app.config["TEMPLATES_AUTO_RELOAD"] = setting
    app.debug = debug
    assert app.jinja_env.auto_reload is expected


def test_json_in_a_template_is_the_application_s(side: Side, root: Path) -> None:
    app = with_templates(side, root)

    class Provider(side.names.json.provider.DefaultJSONProvider):  # type: ignore[misc,name-defined]  # one of two
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return '"own"'

    app.json = Provider(app)
    with app.app_context():
        assert side.names.render_template_string("{{ 1|tojson }}") == '"own"'
