"""The application as it is made, and what it has for what is not there."""

from __future__ import annotations

import pytest

from duoframe.flask.testing import FlaskClient
from examples.flask_like.app import create_app


def test_a_configuration_for_tests_stands_in_for_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_FEED_SECONDS", "7")
    assert create_app().config["FEED_SECONDS"] == 7
    assert not create_app().testing
    tested = create_app({"TESTING": True})
    assert tested.testing
    assert tested.config["FEED_SECONDS"] == 20


def test_a_page_that_is_not_there_says_so_in_the_style_of_the_others(client: FlaskClient) -> None:
    answer = client.get("/nowhere")
    assert answer.status_code == 404
    assert "<title>Not Found · Field Notes</title>" in answer.text


def test_the_style_is_served(client: FlaskClient) -> None:
    with client.get("/static/style.css") as answer:
        assert answer.status_code == 200
        assert answer.mimetype == "text/css"
        assert "--leaf" in answer.text
