import pytest
from flask import g, session

import guestbook
from guestbook import app


@pytest.fixture
def client(tmp_path):
    app.config.update(TESTING=True, DATABASE=str(tmp_path / "book.sqlite3"))
    with app.app_context():
        guestbook.init_db()
    return app.test_client()


def join(client, name="ada", password="engine"):
    client.post("/join", data={"name": name, "password": password})
    return client.post("/enter", data={"name": name, "password": password})


def test_nothing_yet(client):
    response = client.get("/")
    assert response.status_code == 200
    assert response.mimetype == "text/html"
    assert b"Nothing yet" in response.data
    assert b'<a href="/enter">' in response.data


def test_join_and_enter(client):
    response = client.post("/join", data={"name": "ada", "password": "engine"})
    assert response.status_code == 302
    assert response.headers["Location"] == "/enter"
    response = client.post("/enter", data={"name": "ada", "password": "engine"}, follow_redirects=True)
    assert response.request.path == "/"
    assert b"ada" in response.data


def test_a_name_is_taken_once(client):
    join(client)
    response = client.post("/join", data={"name": "ada", "password": "x"})
    assert b'<p class="error">ada is taken.</p>' in response.data


@pytest.mark.parametrize(("name", "password"), [("ada", "wrong"), ("nobody", "engine")])
def test_a_wrong_password(client, name, password):
    join(client)
    client.get("/leave")
    response = client.post("/enter", data={"name": name, "password": password})
    assert b"That is not right." in response.data
    assert f'value="{name}"' in response.text


def test_the_session(client):
    with client:
        join(client)
        assert session["account"] == 1
        client.get("/")
        assert g.account["name"] == "ada"
        client.get("/leave")
        assert "account" not in session


def test_stay(client):
    client.post("/join", data={"name": "ada", "password": "engine"})
    response = client.post("/enter", data={"name": "ada", "password": "engine", "stay": "1"})
    assert "Expires=" in response.headers["Set-Cookie"]
    client.get("/leave")
    response = client.post("/enter", data={"name": "ada", "password": "engine"})
    assert "Expires=" not in response.headers["Set-Cookie"]
    assert "HttpOnly" in response.headers["Set-Cookie"]


def test_write_needs_an_account(client):
    response = client.get("/entries/new", follow_redirects=True)
    assert response.request.path == "/enter"
    assert response.request.args["next"] == "/entries/new"
    assert b'<p class="error">Enter first.</p>' in response.data
    assert b"Enter first." not in client.get("/enter").data


def test_write_and_read(client):
    join(client)
    response = client.post("/entries/new", data={"body": "<b>Hello</b> & welcome to all of you"})
    assert response.location == "/entries/1"
    page = client.get("/entries/1").text
    assert '<p class="message">Thank you.</p>' in page
    assert "<article>&lt;b&gt;Hello&lt;/b&gt; &amp; welcome to all of you</article>" in page
    assert "&lt;b&gt;Hello&lt;/b&gt; &amp; welc…</a>" in client.get("/").text


def test_next_leads_back(client):
    join(client)
    client.get("/leave")
    response = client.post("/enter?next=/entries/new", data={"name": "ada", "password": "engine"})
    assert response.location == "/entries/new"


def test_empty_and_long(client):
    join(client)
    assert b"Say something." in client.post("/entries/new", data={"body": "  "}).data
    response = client.post("/entries/new", data={"body": "x" * 201})
    assert response.status_code == 400
    assert "That is too long." in response.text


def test_a_missing_field_is_a_bad_request(client):
    app.testing = False
    join(client)
    response = client.post("/entries/new", data={})
    assert response.status_code == 400
    assert "<h1>Bad Request</h1>" in response.text


def test_delete(client):
    join(client)
    client.post("/entries/new", data={"body": "Hello"})
    response = client.post("/entries/1/delete")
    assert (response.status_code, response.location) == (303, "/")
    assert client.post("/entries/1/delete").status_code == 404
    client.post("/entries/new", data={"body": "Hello again"})
    client.get("/leave")
    response = client.post("/entries/1/delete")
    assert response.status_code == 401
    assert response.headers["x-refused"] == "yes"
    assert response.text.startswith("401 Unauthorized: ")
    join(client, "eve", "x")
    response = client.post("/entries/1/delete")
    assert (response.status_code, response.text) == (403, "403 Forbidden: It is not yours.")
    assert client.get("/entries/1/delete").status_code == 405


def test_not_found(client):
    response = client.get("/entries/7")
    assert response.status_code == 404
    assert "<p>There is no entry 7.</p>" in response.text
    assert client.get("/nowhere").status_code == 404
    assert client.get("/entries/x").status_code == 404


def test_an_error_that_is_handled(client):
    response = client.get("/fail")
    assert (response.status_code, response.text) == (500, "sorry: on purpose")


def test_what_was_said(client):
    client.get("/entries/new")
    assert client.get("/said").json == {"said": ["Enter first."]}
    assert client.get("/said").get_json() == {"said": []}


def test_methods(client):
    assert client.head("/").data == b""
    response = client.options("/join")
    assert set(response.allow) == {"GET", "HEAD", "OPTIONS", "POST"}
    response = client.put("/join")
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]
