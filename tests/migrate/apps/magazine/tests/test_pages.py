import flask
import pytest


def test_index(client):
    response = client.get("/")
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    assert "<title>The Test</title>" in response.text
    assert '<li><a href="/article/1">On engines</a> AL</li>' in response.text
    assert '<li class="new"><a href="/article/2">On machines</a> AT</li>' in response.text
    assert '<a href="http://localhost/about">about</a>' in response.text
    assert '<link rel="stylesheet" href="/static/style.css">' in response.text
    assert response.headers["X-Steps"] == "begin"


def test_article(client):
    response = client.get("/article/1")
    assert "<title>On engines · The Test</title>" in response.text
    assert '<a href="/article/1/second?print=yes">second</a>' in response.text
    assert response.headers["x-steps"] == "begin articles"


@pytest.mark.parametrize("path", ["/article/7", "/nowhere", "/static/nothing.css"])
def test_missing(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert f"<h1>Nothing at {path}</h1>" in response.text


def test_listing(client):
    assert client.get("/articles/").text == "page 1: On engines, On machines"
    assert client.get("/articles/2/").text == "page 2: On engines, On machines"
    response = client.get("/articles/2")
    assert response.status_code in (301, 308)
    assert response.location.endswith("/articles/2/")
    response = client.get("/articles/1/")
    assert response.status_code in (301, 308)
    assert response.location.endswith("/articles/")


def test_edition(client):
    response = client.get("/print/2", follow_redirects=True)
    assert response.text == "On machines, first edition"
    assert [past.status_code for past in response.history] == [302]
    assert response.request.path == "/article/2/first"


def test_static(client):
    response = client.get("/static/style.css")
    assert response.mimetype == "text/css"
    assert response.data == b"body { margin: 0 auto }\n"
    etag = response.headers["ETag"]
    assert client.get("/static/style.css", headers={"If-None-Match": etag}).status_code == 304
    assert client.get("/static/../config.py").status_code == 404


def test_teardown(app, client):
    client.get("/about")
    client.get("/nowhere")
    assert app.extensions["ended"] == ["about", None]


def test_urls(app):
    with app.test_request_context("/article/1?x=1"):
        assert flask.request.args["x"] == "1"
        assert flask.url_for("articles.read", number=3) == "/article/3"
        assert flask.url_for("articles.edition", number=3) == "/article/3/first"
        assert flask.url_for("files.fetch", name="a b/ü.txt") == "/files/a%20b/%C3%BC.txt"
        assert flask.url_for("admin.desk.overview", _external=True) == "http://localhost/admin/desk/"
        assert flask.url_for("articles.listing") == "/articles/"
        assert flask.url_for("articles.listing", page=4) == "/articles/4/"
        with pytest.raises(Exception, match="nothing"):
            flask.url_for("nothing")


def test_outside():
    with pytest.raises(RuntimeError, match="^Working outside of request context"):
        flask.request.path
    with pytest.raises(RuntimeError, match="^Working outside of application context"):
        flask.current_app.name
