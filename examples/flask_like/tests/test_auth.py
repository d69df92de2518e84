"""Signing up, logging in and out."""

from __future__ import annotations

import pytest

from duoframe.flask import Flask, g, session
from duoframe.flask.testing import FlaskClient
from examples.flask_like.db import get_db
from examples.flask_like.passwords import is_password
from examples.flask_like.tests.conftest import PASSWORD


def test_who_signs_up_is_kept_and_asked_to_log_in(app: Flask, client: FlaskClient) -> None:
    assert "Sign up" in client.get("/auth/register").text
    answer = client.post("/auth/register", data={"name": " Cleo ", "password": PASSWORD}, follow_redirects=True)
    assert answer.request.path == "/auth/login"
    assert [past.status_code for past in answer.history] == [302]
    assert "Welcome, Cleo." in answer.text
    with app.app_context():
        kept = get_db().execute("SELECT password FROM person WHERE name = 'Cleo'").fetchone()["password"]
    assert PASSWORD not in kept
    assert is_password(PASSWORD, kept)
    assert not is_password(PASSWORD + "!", kept)


@pytest.mark.parametrize(
    ("name", "password", "message"),
    [
        ("", PASSWORD, "A name is needed."),
        ("Cleo", "", "A password is needed."),
        ("Ada", PASSWORD, "There is somebody called Ada already."),
    ],
)
def test_who_cannot_be_kept_is_told_why(client: FlaskClient, name: str, password: str, message: str) -> None:
    answer = client.post("/auth/register", data={"name": name, "password": password})
    assert answer.status_code == 200
    assert message in answer.text


def test_who_logs_in_is_known_from_then_on(ada: FlaskClient) -> None:
    with ada:
        page = ada.get("/").text
        assert session["person"] == 1
        assert g.user["name"] == "Ada"
    assert "Log out" in page
    assert "Log in" not in page


@pytest.mark.parametrize(("name", "password"), [("Ada", "wrong"), ("Nobody", PASSWORD)])
def test_a_wrong_password_and_a_wrong_name_are_answered_alike(client: FlaskClient, name: str, password: str) -> None:
    answer = client.post("/auth/login", data={"name": name, "password": password})
    assert "The name or the password is wrong." in answer.text
    assert client.get_cookie("session") is None, "the message was shown, so there is nothing to keep"


def test_a_form_without_its_fields_is_refused(client: FlaskClient) -> None:
    assert client.post("/auth/login").status_code == 400


def test_who_logs_out_is_known_no_more(ada: FlaskClient) -> None:
    assert ada.post("/auth/logout").location == "/"
    with ada:
        assert "Log in" in ada.get("/").text
        assert "person" not in session


def test_somebody_who_is_gone_is_not_logged_in(app: Flask, client: FlaskClient) -> None:
    with client.session_transaction() as kept:
        kept["person"] = 77
    assert "Log in" in client.get("/").text
