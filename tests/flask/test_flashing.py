"""Flashed messages against Flask's."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flask.oracle import Side, side, text

__all__ = ["side"]


def test_a_message_is_shown_by_the_next_page_once(side: Side) -> None:
    app = side.app()

    def save() -> str:
        side.names.flash("Saved.")
        side.names.flash("Late.", "error")
        return "ok"

    def show() -> Any:
        get = side.names.get_flashed_messages
        return side.names.jsonify(
            [get(), get(with_categories=True), get(category_filter=["error"]), get(True, ("message",)), get()]
        )

    app.add_url_rule("/save", "save", save)
    app.add_url_rule("/show", "show", show)
    client = side.client(app)
    client.get("/save")
    client.get("/save")
    shown = client.get("/show").get_json()
    assert shown == [
        ["Saved.", "Late.", "Saved.", "Late."],
        [["message", "Saved."], ["error", "Late."], ["message", "Saved."], ["error", "Late."]],
        ["Late.", "Late."],
        [["message", "Saved."], ["message", "Saved."]],
        ["Saved.", "Late.", "Saved.", "Late."],
    ]
    assert client.get("/show").get_json() == [[], [], [], [], []]


def test_templates_show_them_as_what_they_are(side: Side) -> None:
    app = side.app()
    source = (
        "{% for kind, message in get_flashed_messages(with_categories=true) %}{{ kind }}:{{ message }} {% endfor %}"
    )

    def view() -> Any:
        from markupsafe import Markup

        side.names.flash("<b>", "a")
        side.names.flash(Markup("<i>"), "b")
        return side.names.render_template_string(source)

    assert text(side.get(app, view)) == "a:&lt;b&gt; b:<i> "


def test_flashing_needs_a_request_and_a_key_and_is_told(side: Side) -> None:
    app = side.app()
    for call in (lambda: side.names.flash("x"), side.names.get_flashed_messages):
        with app.app_context(), pytest.raises(RuntimeError, match="Working outside of request context"):
            call()
    told: list[Any] = []

    def note(sender: Any, message: str, category: str, **more: Any) -> None:
        told.append((sender, message, category))

    with side.names.message_flashed.connected_to(note, app), app.test_request_context("/"):
        side.names.flash("x", "y")
        assert side.names.get_flashed_messages(True) == [("y", "x")]
    assert told == [(app, "x", "y")]
    app.secret_key = None
    with app.test_request_context("/"):
        assert side.names.get_flashed_messages() == []
        with pytest.raises(RuntimeError, match="no secret key"):
            side.names.flash("x")
