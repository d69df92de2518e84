import pytest
from flask import session


@pytest.fixture
def editor(client):
    with client.session_transaction() as kept:
        kept["editor"] = "Mary"
    return client


def test_editors_only(client):
    response = client.get("/admin/desk/")
    assert (response.status_code, response.data) == (401, b"editors only")


def test_desk(app, editor):
    response = editor.get("/admin/desk/")
    assert '<h1 id="title">untitled</h1><p>Mary</p>' in response.text
    assert '<script src="/admin/static/desk.js">' in response.text
    assert app.extensions["desk"] == "/admin/desk"


def test_retitle(editor):
    with editor:
        response = editor.post("/admin/desk/title", data={"title": "Summer"})
        assert response.location == "/admin/desk/#title"
        assert session["title"] == "Summer"
    assert '<h1 id="title">Summer</h1>' in editor.get("/admin/desk/").text


def test_a_handler_of_the_outer_blueprint(editor):
    response = editor.post("/admin/desk/title")
    assert (response.status_code, response.text) == (422, "no title")


def test_static_of_a_blueprint(editor):
    assert editor.get("/admin/static/desk.js").data == b'console.log("desk")\n'
