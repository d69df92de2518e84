"""Reading notes, writing them, and following them."""

from __future__ import annotations

import threading

import pytest

from duoframe.flask import Flask
from duoframe.flask.testing import FlaskClient
from examples.flask_like.db import get_db


def titles(app: Flask) -> list[str]:
    with app.app_context():
        return [row["title"] for row in get_db().execute("SELECT title FROM note ORDER BY id")]


def test_all_may_read(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "<h2>Owls</h2>" in page
    assert "Two, at dusk." in page
    assert "/1/update" not in page


def test_only_the_author_is_offered_to_change_a_note(ada: FlaskClient, bob: FlaskClient) -> None:
    assert 'href="/1/update"' in ada.get("/").text
    assert 'href="/1/update"' not in bob.get("/").text


@pytest.mark.parametrize("path", ["/create", "/1/update", "/1/delete"])
def test_who_is_not_logged_in_is_sent_to_where_they_can(app: Flask, client: FlaskClient, path: str) -> None:
    answer = client.post(path, data={"title": "x", "body": ""}, follow_redirects=True)
    assert answer.request.path == "/auth/login"
    assert "Log in first." in answer.text
    assert titles(app) == ["Owls"]


@pytest.mark.parametrize("path", ["/1/update", "/1/delete"])
def test_nobody_changes_the_note_of_another(app: Flask, bob: FlaskClient, path: str) -> None:
    answer = bob.post(path, data={"title": "x", "body": ""})
    assert answer.status_code == 403
    assert "This note is somebody else&#39;s." in answer.text
    assert titles(app) == ["Owls"]


@pytest.mark.parametrize("path", ["update", "delete"])
def test_a_note_that_is_not_there_cannot_be_changed(ada: FlaskClient, path: str) -> None:
    answer = ada.post(f"/2/{path}", data={"title": "x", "body": ""})
    assert answer.status_code == 404
    assert "There is no note 2." in answer.text
    assert ada.post(f"/{10**30}/{path}").status_code == 404


def test_a_note_is_written(app: Flask, ada: FlaskClient) -> None:
    assert ada.get("/create").status_code == 200
    answer = ada.post("/create", data={"title": " Café <b> ", "body": "One\ntwo"}, follow_redirects=True)
    assert answer.request.path == "/"
    assert "<h2>Café &lt;b&gt;</h2>" in answer.text
    assert titles(app) == ["Owls", "Café <b>"]


def test_a_note_is_changed(app: Flask, ada: FlaskClient) -> None:
    assert 'value="Owls"' in ada.get("/1/update").text
    assert ada.post("/1/update", data={"title": "Three owls", "body": ""}).location == "/"
    assert titles(app) == ["Three owls"]


@pytest.mark.parametrize("path", ["/create", "/1/update"])
def test_a_note_needs_a_title_and_what_was_written_stays_in_the_form(app: Flask, ada: FlaskClient, path: str) -> None:
    answer = ada.post(path, data={"title": " ", "body": "Not lost"})
    assert "A title is needed." in answer.text
    assert "Not lost</textarea>" in answer.text
    assert titles(app) == ["Owls"]


def test_a_note_is_deleted(app: Flask, ada: FlaskClient) -> None:
    assert ada.post("/1/delete").location == "/"
    assert titles(app) == []
    assert "Nobody has written anything yet." in ada.get("/").text


def test_the_feed_tells_what_is_new(client: FlaskClient) -> None:
    for query in ("", "?after=0", "?after=-1", "?after=x"):
        (note,) = client.get(f"/feed{query}").get_json()["notes"]
        assert (note["id"], note["title"], note["author"]) == (1, "Owls", "Ada")


def test_the_feed_waits_for_the_next_note(app: Flask, ada: FlaskClient) -> None:
    found: list[dict[str, object]] = []
    reader = threading.Thread(target=lambda: found.extend(app.test_client().get("/feed?after=1").json["notes"]))
    reader.start()
    ada.post("/create", data={"title": "Foxes", "body": ""})
    reader.join(10)
    assert [note["title"] for note in found] == ["Foxes"]


def test_the_feed_gives_up_in_the_end(app: Flask, client: FlaskClient) -> None:
    app.config["FEED_SECONDS"] = 0
    assert client.get(f"/feed?after={10**30}").json == {"notes": []}
