"""What a test client sends for what a test asks: the same as Flask's own, and the same call for either door."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
import werkzeug.datastructures
import werkzeug.formparser
from flask import Flask
from flask.testing import EnvironBuilder

from duoframe.datastructures import Headers, MultiDict
from duoframe.errors import ConfigurationError
from duoframe.flask.drafts import Draft
from duoframe.flask.uploading import encode

CONFIG = {"SERVER_NAME": "shop.example:8000", "APPLICATION_ROOT": "/app", "PREFERRED_URL_SCHEME": "https"}

ASKED: list[dict[str, Any]] = [
    {},
    {"path": "/x?a=1&b=2"},
    {"path": "/caf\u00e9/a%2Fb c?q=\u00e9 %26"},
    {"path": "//host.example/x"},
    {"path": "http://other.example/x?y"},
    {"path": "/x", "query_string": {"a": "1 2", "b": ["x", "y"], "c": None}},
    {"path": "/x", "query_string": "a=1&b=\u00e9"},
    {"path": "/x", "query_string": werkzeug.datastructures.MultiDict([("a", "1"), ("a", "2")])},
    {"path": "/x", "base_url": "https://www.example.org:444/root/"},
    {"method": "POST", "subdomain": "admin"},
    {"url_scheme": "http"},
    {"headers": {"X-One": "1", "content-type": "text/x"}},
    {"headers": [("X-A", "1"), ("X-A", "2"), ("Accept", "text/html")]},
    {"headers": werkzeug.datastructures.Headers([("X-A", "1"), ("X-A", "2")])},
    {"auth": ("ada", "p\u00e4ss")},
    {
        "environ_base": {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_KEY": "1", "HTTP_ACCEPT": "a/b"},
        "headers": {"accept": "c/d"},
    },
    {"environ_overrides": {"REMOTE_ADDR": "::1", "REMOTE_PORT": "7", "REMOTE_USER": "ada", "HTTP_HOST": "h.example"}},
    {"environ_overrides": {"REQUEST_METHOD": "PUT", "SCRIPT_NAME": "/s", "PATH_INFO": "/%"}},
    {"environ_overrides": {"QUERY_STRING": "z=9", "SERVER_NAME": "n", "SERVER_PORT": "81", "CONTENT_TYPE": "a/b"}},
    {"method": "POST", "data": "caf\u00e9"},
    {"method": "POST", "data": b"\x00\x01", "content_type": "application/octet-stream"},
    {"method": "POST", "data": {"a": "1", "b": ["x", 2], "c": "\u00e9 &"}},
    {"method": "POST", "data": werkzeug.datastructures.MultiDict([("a", "1"), ("a", "2")])},
    {"method": "POST", "data": {"a": "1"}, "mimetype": "application/x-www-form-urlencoded"},
    {"method": "POST", "json": {"a": [1, None, "\u00e9"]}},
    {"method": "POST", "json": [], "content_type": "application/vnd.x+json"},
]

COMPARED = {
    *("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"),
    *("SERVER_NAME", "SERVER_PORT", "wsgi.url_scheme"),
    *("CONTENT_TYPE", "REMOTE_ADDR", "REMOTE_USER"),
}


def theirs(config: dict[str, Any], asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    app = Flask(__name__)
    app.config.update(config)
    environ = EnvironBuilder(app, **asked).get_environ()
    environ.setdefault("REMOTE_ADDR", "127.0.0.1")  # as its client does
    return environ, environ["wsgi.input"].read()


def ours(config: dict[str, Any], asked: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    draft = Draft(config, dumps=Flask(__name__).json.dumps, **asked)
    return draft.call().environ(io.BytesIO()), b"".join(draft.body.chunks)


def compared(environ: dict[str, Any]) -> dict[str, Any]:
    """What a request says, however it is written: a query may be quoted, and a list have blanks."""
    said = {key: value for key, value in environ.items() if key in COMPARED or key.startswith("HTTP_")}
    said["QUERY_STRING"] = unquote(said["QUERY_STRING"].encode("latin-1").decode())
    return {key: value.replace(", ", ",") for key, value in said.items()}


@pytest.mark.parametrize("config", [{}, CONFIG], ids=["plain", "configured"])
@pytest.mark.parametrize("asked", ASKED, ids=[str(number) for number in range(len(ASKED))])
def test_what_is_asked_becomes_what_flask_makes_of_it(config: dict[str, Any], asked: dict[str, Any]) -> None:
    expected, content = theirs(config, asked)
    made, body = ours(config, asked)
    assert compared(made) == compared(expected)
    assert body == content


def test_what_this_project_has_for_pairs_is_taken_too() -> None:
    draft = Draft(
        {}, "/", query_string=MultiDict([("a", "1"), ("a", "2")]), headers=Headers([("x-a", "1"), ("x-a", "2")])
    )
    assert (draft.query, draft.fields["x-a"]) == ("a=1&a=2", ["1", "2"])
    assert Draft({}, "/", query_string=b"a=%C3%A9").query == "a=%C3%A9"


def test_what_is_written_of_errors_goes_where_the_test_says() -> None:
    errors = io.StringIO()
    assert Draft({}, errors_stream=errors).call().environ(io.BytesIO())["wsgi.errors"] is errors


def test_an_environ_may_say_the_scheme() -> None:
    call = Draft({}, environ_overrides={"wsgi.url_scheme": "https"}).call()
    assert (call.scheme, call.server) == ("https", ("localhost", 443))


def test_a_path_without_its_slash_gets_it() -> None:
    assert Draft({}, "x").url == "http://localhost/x"


class Upload(io.BytesIO):
    """A file with a name, as an open one has."""

    name = "/home/ada/notes.txt"


@pytest.mark.parametrize(
    ("data", "form", "files"),
    [
        (
            lambda: {"a": "1", "file": (io.BytesIO(b"x\r\ny"), "caf\u00e9.txt")},
            [("a", "1")],
            [("file", "caf\u00e9.txt", "text/plain", b"x\r\ny")],
        ),
        (
            lambda: {"file": (io.BytesIO(b"x"), "x", "a/b"), "b": ["1", 2]},
            [("b", "1"), ("b", "2")],
            [("file", "x", "a/b", b"x")],
        ),
        (lambda: {"file": Upload(b"notes")}, [], [("file", "notes.txt", "text/plain", b"notes")]),
        (lambda: {"file": io.BytesIO(b"x")}, [], [("file", "file", "application/octet-stream", b"x")]),
        (
            lambda: {"f": [(io.BytesIO(b"x"), "x.png"), (io.StringIO("y"), "y.txt")]},
            [],
            [("f", "x.png", "image/png", b"x"), ("f", "y.txt", "text/plain", b"y")],
        ),
        (
            lambda: werkzeug.datastructures.MultiDict([("a", "1"), ("f", (io.BytesIO(b"x"), 'q"\n.txt'))]),
            [("a", "1")],
            [("f", 'q"%0A.txt', "text/plain", b"x")],
        ),
        (
            lambda: MultiDict([("a", "1"), ("f", (io.BytesIO(b"x"), "x.txt"))]),
            [("a", "1")],
            [("f", "x.txt", "text/plain", b"x")],
        ),
    ],
)
def test_werkzeug_reads_a_form_with_files_as_it_was_meant(
    data: Callable[[], Any], form: list[tuple[str, str]], files: list[tuple[str, str, str, bytes]]
) -> None:
    body, media_type = encode(data(), None)
    content = b"".join(body.chunks)
    assert len(content) == body.length
    parsed = werkzeug.formparser.parse_form_data(
        {
            "REQUEST_METHOD": "POST",
            "wsgi.input": io.BytesIO(content),
            "CONTENT_TYPE": media_type,
            "CONTENT_LENGTH": str(body.length),
        }
    )
    assert list(parsed[1].items(multi=True)) == form
    found = []
    for name, kept in parsed[2].items(multi=True):
        with kept.stream:
            found.append((name, kept.filename, kept.mimetype, kept.read()))
    assert found == files


def test_a_form_may_be_sent_in_parts_without_a_file() -> None:
    body, media_type = encode({"a": "1"}, "multipart/form-data")
    assert media_type is not None
    assert media_type.startswith("multipart/form-data; boundary=")
    assert b'name="a"\r\n\r\n1\r\n' in b"".join(body.chunks)


def test_a_file_is_sent_as_it_is_read() -> None:
    draft = Draft({}, "/", method="POST", input_stream=io.BytesIO(b"x" * 100_000), content_type="text/plain")
    assert (b"transfer-encoding", b"chunked") in draft.call().fields
    assert [len(chunk) for chunk in draft.body.chunks] == [65536, 100_000 - 65536]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"path": "/?a", "query_string": "b"}, ValueError),
        ({"base_url": "http://x/?a"}, ValueError),
        ({"base_url": "http://x/", "subdomain": "y"}, ConfigurationError),
        ({"data": "x", "json": {}}, TypeError),
        ({"data": "x", "input_stream": io.BytesIO()}, TypeError),
        ({"data": 7}, TypeError),
    ],
)
def test_what_contradicts_itself_is_refused(asked: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        Draft({}, dumps=str, **asked)


def test_both_doors_get_the_same() -> None:
    overrides = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_KEY": "1", "SCRIPT_NAME": "/app", "REMOTE_USER": "ada"}
    call = Draft({}, "/x y?q=1", method="PUT", data="z", environ_overrides=overrides).call()
    scope = call.scope(None)
    assert (scope["method"], scope["path"], scope["root_path"]) == ("PUT", "/app/x y", "/app")
    assert (scope["client"], scope["query_string"], scope["REMOTE_USER"]) == (("10.0.0.1", 50000), b"q=1", "ada")
    assert dict(scope["headers"]) == {b"host": b"localhost", b"x-key": b"1", b"content-length": b"1"}


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_is_followed_by_a_get_without_the_body(status: int) -> None:
    """RFC 9110 §15.4: user agents have always done so for 301 and 302 after a POST."""
    draft = Draft({}, "/x", method="POST", data="z", content_type="a/b")
    draft.redirect(status, "/y?q", False)
    call = draft.call()
    assert (call.method, call.target, call.fields) == ("GET", b"/y?q", [(b"host", b"localhost")])


def test_a_redirect_of_a_head_stays_one() -> None:
    draft = Draft({}, "/x", method="HEAD")
    draft.redirect(302, "/y", False)
    assert draft.method == "HEAD"


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_the_request_keeps_it(status: int) -> None:
    draft = Draft({}, "/a/x", method="POST", data="z", content_type="a/b")
    draft.redirect(status, "y", False)
    call = draft.call()
    assert (call.method, call.target) == ("POST", b"/a/y")
    assert (b"content-length", b"1") in call.fields
    assert draft.body.chunks == [b"z"]


def test_a_redirect_stays_below_the_root_or_leaves_it() -> None:
    draft = Draft({"APPLICATION_ROOT": "/app"}, "/x")
    assert draft.url == "http://localhost/app/x"
    draft.redirect(302, "/app/y", False)
    assert (draft.root, draft.path) == ("/app", "/y")
    draft.redirect(302, "/app", False)
    assert (draft.root, draft.path) == ("/app", "/")
    draft.redirect(302, "https://localhost:444/apple", False)
    assert (draft.root, draft.url) == ("", "https://localhost:444/apple")


def test_a_redirect_to_another_host_is_not_followed() -> None:
    with pytest.raises(RuntimeError, match="external"):
        Draft({}).redirect(302, "http://elsewhere.example/", True)
    with pytest.raises(RuntimeError, match="subdomain"):
        Draft({}).redirect(302, "http://admin.localhost/", False)
    draft = Draft({})
    draft.redirect(302, "http://admin.localhost/", True)
    assert draft.host == "admin.localhost"
