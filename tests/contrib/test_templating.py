"""Templates: what is escaped, what they see, and how their pages go out behind both doors and in both colours."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]  # it has none
import jinja2
import pytest
from markupsafe import Markup

from duoframe import App, ConfigurationError, Request, inline, render_template
from duoframe.contrib.templating import Templates, stream_template
from tests.conftest import Ask, MakeApp, MakeClient

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]

HOSTILE = "<script>'\"&"
ESCAPED = "&lt;script&gt;&#39;&#34;&amp;"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, source in {
        "page.html": "<p>{{ text }}</p>",
        "mail.txt": "{{ text }}",
        "no-suffix": "{{ text }}",
        "a/b/picture.svg": "{{ text }}",
        "markup.html": "{{ text|safe }}",
        "base.html": "<title>{% block title %}-{% endblock %}</title>",
        "child.html": "{% extends 'base.html' %}{% block title %}{{ text }}{% endblock %}",
        "seen.html": "{{ request.path }} {{ url_for('named', id=7) }} {{ user }} {{ text }}",
        "list.html": "{% for item in items %}<li>{{ item }}</li>{% endfor %}",
        "fails.html": "{{ 1 // zero }}",
        "session.html": "{% for category, message in request.session.take_flashes() %}{{ category }}: {{ message }}"
        "{% endfor %}",
    }.items():
        path = tmp_path / "templates" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    return tmp_path / "templates"


def named(answer: Any, name: str) -> str | None:
    return dict(answer.headers).get(name)


# Escaping


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("page.html", f"<p>{ESCAPED}</p>"),
        ("mail.txt", ESCAPED),
        ("no-suffix", ESCAPED),
        ("a/b/picture.svg", ESCAPED),
        ("markup.html", HOSTILE),
        ("child.html", f"<title>{ESCAPED}</title>"),
    ],
)
def test_values_are_escaped_in_templates_of_every_name(folder: Path, name: str, expected: str) -> None:
    """R76."""
    text = Templates(folder).render(name, text=HOSTILE)
    assert text == expected
    assert isinstance(text, Markup)


def test_values_are_escaped_in_templates_that_are_text(folder: Path) -> None:
    """R76."""
    templates = Templates(folder)
    assert templates.render_string("<b>{{ text }}</b>", text=HOSTILE) == f"<b>{ESCAPED}</b>"
    assert templates.render_string("{{ text }}", text=Markup("<i>")) == "<i>"
    assert templates.render_string("{% include 'mail.txt' %}", text=HOSTILE) == ESCAPED


# Answers


def test_a_rendered_template_is_a_page(make_app: MakeApp, ask: Ask, colour: Paint, folder: Path) -> None:
    app = make_app(templates=folder)

    def declared() -> str:
        return render_template("page.html", text="declared")

    app.get("/")(colour(lambda: render_template("page.html", text=HOSTILE)))
    app.get("/gone")(colour(lambda: (render_template("page.html", text="gone"), 410, {"x-a": "b"})))
    app.get("/declared")(colour(declared))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (200, f"<p>{ESCAPED}</p>".encode())
    assert named(answer, "content-type") == "text/html; charset=utf-8"
    answer = ask(app, "GET", b"/gone")
    assert (answer.status, named(answer, "x-a"), answer.body) == (410, "b", b"<p>gone</p>")
    answer = ask(app, "GET", b"/declared")
    assert (named(answer, "content-type"), answer.body) == ("text/html; charset=utf-8", b"<p>declared</p>")


def test_a_streamed_template_goes_out_in_chunks(make_app: MakeApp, ask: Ask, colour: Paint, folder: Path) -> None:
    app = make_app(templates=folder)
    app.get("/")(colour(lambda: stream_template("list.html", items=map(str, range(50)))))
    app.get("/fails")(colour(lambda: stream_template("list.html", items=(1 // 0 for _ in "x"))))
    answer = ask(app, "GET", b"/")
    assert answer.body.decode() == "".join(f"<li>{number}</li>" for number in range(50))
    assert len(answer.chunks) > 10
    assert named(answer, "content-type") == "text/html; charset=utf-8"
    assert ask(app, "GET", b"/fails").status == 500


def test_what_a_template_raises_is_an_error_as_any_other(
    make_app: MakeApp, ask: Ask, colour: Paint, folder: Path
) -> None:
    app = make_app(templates=folder)
    app.get("/fails")(colour(lambda: render_template("fails.html", zero=0)))
    app.get("/missing")(colour(lambda: render_template("../secret.html")))

    @app.errorhandler(ZeroDivisionError)
    def divided(request: Request, error: Exception) -> Any:
        return "divided", 400

    @app.errorhandler(jinja2.TemplateNotFound)
    def missing(request: Request, error: Exception) -> Any:
        return str(error), 404

    assert ask(app, "GET", b"/fails").status == 400
    answer = ask(app, "GET", b"/missing")
    assert (answer.status, answer.body) == (404, b"../secret.html")


# What they see


def test_templates_see_the_request_the_routes_and_what_processors_give(
    make_app: MakeApp, ask: Ask, colour: Paint, folder: Path
) -> None:
    templates = Templates(folder, context_processors=[lambda request: {"user": request.query["user"], "text": "lost"}])

    @templates.context_processor
    def more(request: Request) -> dict[str, str]:
        return {"text": "given"}

    app = make_app(templates=templates)
    app.get("/page")(colour(lambda: render_template("seen.html")))
    app.get("/own")(colour(lambda: render_template("seen.html", text="own")))
    app.get("/items/{id:int}", name="named")(colour(lambda request: str(request.path_params)))
    assert ask(app, "GET", b"/page?user=<b>").body == b"/page /items/7 &lt;b&gt; given"
    assert ask(app, "GET", b"/own?user=ada").body == b"/own /items/7 ada own"


def test_templates_see_the_session(make_app: MakeApp, client: MakeClient, colour: Paint, folder: Path) -> None:
    from duoframe.middleware.sessions import CookieSessions

    app = make_app(templates=folder, middleware=[CookieSessions("a secret that is long enough")])
    app.get("/save")(colour(lambda request: str(request.session.flash("<Saved>", "info"))))
    app.get("/")(colour(lambda: render_template("session.html")))
    visitor = client(app)
    visitor.get("/save")
    assert visitor.get("/").text == "info: &lt;Saved&gt;"
    assert visitor.get("/").text == ""


def test_outside_of_a_request_the_templates_themselves_render(folder: Path) -> None:
    templates = Templates(folder, context_processors=[lambda request: {"text": "of a request"}])
    assert templates.render("page.html", text="mail") == "<p>mail</p>"
    assert templates.render("page.html") == "<p></p>"
    for render in (render_template, stream_template):
        with pytest.raises(RuntimeError, match="call `render` of the Templates itself"):
            render("page.html")


def test_the_environment_takes_filters_tests_and_globals(folder: Path) -> None:
    templates = Templates(folder)
    templates.environment.filters["shout"] = str.upper
    templates.environment.globals["year"] = 2024
    assert templates.render_string("{{ 'a<'|shout }} {{ year }}") == "A&lt; 2024"


# Where they are


def test_an_application_without_templates_says_what_to_do(
    make_app: MakeApp, ask: Ask, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    app.get("/")(colour(lambda: render_template("page.html")))
    assert ask(app, "GET", b"/").status == 500
    assert 'App(templates="templates")' in caplog.text


def test_of_several_directories_the_first_that_has_a_name_counts(folder: Path, tmp_path: Path) -> None:
    theme = tmp_path / "theme"
    theme.mkdir()
    (theme / "page.html").write_text("<h1>{{ text }}</h1>")
    templates = Templates([theme, str(folder)])
    assert templates.render("page.html", text="a") == "<h1>a</h1>"
    assert templates.render("mail.txt", text="a") == "a"


def test_a_directory_that_is_missing_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "nowhere", str(tmp_path / "file")):
        with pytest.raises(ConfigurationError, match="expected a directory, got"):
            App(templates=path)


def test_without_jinja2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'duoframe\[templates\]'"):
        App(templates=folder)


@pytest.mark.parametrize("debug", [False, True])
def test_templates_are_read_again_in_debug_and_only_then(
    make_app: MakeApp, ask: Ask, colour: Paint, folder: Path, debug: bool
) -> None:
    app = make_app(templates=str(folder), debug=debug)
    app.get("/")(colour(lambda: render_template("page.html", text="a")))
    assert ask(app, "GET", b"/").body == b"<p>a</p>"
    page = folder / "page.html"
    page.write_text("<b>{{ text }}</b>")
    os.utime(page, (1, 1))
    assert ask(app, "GET", b"/").body == (b"<b>a</b>" if debug else b"<p>a</p>")


def test_an_application_with_templates_can_be_copied_to_another_process(make_app: MakeApp, folder: Path) -> None:
    app = make_app(templates=folder)
    app.get("/")(inline(lambda: render_template("page.html", text="a")))
    copy: App = pickle.loads(cloudpickle.dumps(app))
    assert copy.templates is not None
    assert copy.templates.render("page.html", text="b") == "<p>b</p>"
