"""What `request` tells; Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.
# ruff: noqa: PLW0108 - what stands for the running request is asked when there is one

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest

from duoframe.limits import Limits


def asked(names: Any, read: Any, path: str = "/", rule: str = "/", app: Any = None, **words: Any) -> Any:
    """What ``read(request)`` gives in a view that the test client asks."""
    app = app or names.Flask(__name__)
    app.testing = True
    seen: list[Any] = []

    def view(**values: Any) -> str:
        seen.append(read(names.request))
        return ""

    app.add_url_rule(rule, "view", view, methods=["GET", "POST", "PUT"])
    app.test_client().open(path, **words)
    return seen[0]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("method", "GET"),
        ("path", "/a b/é"),
        ("full_path", "/a b/é?x=1&y=%20"),
        ("query_string", b"x=1&y=%20"),
        ("url", "https://example.com:8000/root/a%20b/é?x=1&y=%20"),
        ("base_url", "https://example.com:8000/root/a%20b/é"),
        ("url_root", "https://example.com:8000/root/"),
        ("root_url", "https://example.com:8000/root/"),
        ("host_url", "https://example.com:8000/"),
        ("host", "example.com:8000"),
        ("scheme", "https"),
        ("is_secure", True),
        ("script_root", "/root"),
        ("root_path", "/root"),
        ("remote_addr", "127.0.0.1"),
        ("access_route", ["127.0.0.1"]),
        ("endpoint", "view"),
        ("blueprint", None),
        ("blueprints", []),
        ("view_args", {"x": "a b", "y": "é"}),
        ("routing_exception", None),
        ("content_length", None),
        ("content_type", None),
        ("mimetype", ""),
        ("mimetype_params", {}),
        ("is_json", False),
        ("referrer", None),
        ("origin", None),
        ("date", None),
        ("authorization", None),
        ("range", None),
        ("if_modified_since", None),
        ("content_encoding", None),
        ("pragma", None),
        ("data", b""),
    ],
)
def test_what_is_known_of_a_plain_request(names: Any, attribute: str, value: Any) -> None:
    found = asked(
        names,
        lambda request: getattr(request, attribute),
        "/a%20b/%C3%A9?x=1&y=%20",
        "/<x>/<y>",
        base_url="https://example.com:8000/root",
    )
    if attribute == "pragma":
        found = found or None
    assert found == value


def test_the_rule_and_the_root_of_a_request(names: Any) -> None:
    assert asked(names, lambda request: (request.url_rule.rule, request.url_rule.endpoint)) == ("/", "view")
    assert asked(names, lambda request: request.host, base_url="http://example.com:80") == "example.com"
    assert asked(names, lambda request: request.host, base_url="https://example.com:443") == "example.com"
    assert asked(names, lambda request: request.server[0]) in ("localhost", "testserver", "127.0.0.1")
    assert asked(names, lambda request: request.url, "/?a=%FF%C3%A9") == "http://localhost/?a=%FFé"
    assert asked(names, lambda request: request.url, base_url="http://example.com:443") == "http://example.com:443/"


def test_header_fields(names: Any) -> None:
    fields = {
        "X-Number": "7",
        "Referer": "http://a.example/",
        "Origin": "http://b.example",
        "User-Agent": "tester/1",
        "X-Forwarded-For": "10.0.0.1, 10.0.0.2",
        "Date": "Sun, 06 Nov 1994 08:49:37 GMT",
        "If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT",
        "If-Unmodified-Since": "x",
        "If-None-Match": '"a", W/"b"',
        "If-Match": "*",
        "Cache-Control": "no-cache, max-age=5",
        "Range": "bytes=0-9",
        "Content-Encoding": "identity",
    }

    def read(request: Any) -> Any:
        headers = request.headers
        with pytest.raises(KeyError):
            headers["X-Absent"]
        with pytest.raises(TypeError):
            headers["X-Number"] = "8"
        return [
            headers["x-number"],
            headers.get("X-Number", type=int),
            headers.get("X-Absent", "other"),
            headers.get("Origin", 1, type=int),
            "X-NUMBER" in headers,
            "x-absent" in headers,
            headers.getlist("X-Number"),
            dict(headers)["X-Number"],
            dict(iter(headers))["X-Number"],
            request.referrer,
            request.origin,
            request.user_agent.string,
            str(request.user_agent),
            request.access_route,
            request.date,
            request.if_modified_since,
            request.if_unmodified_since,
            sorted(request.if_none_match.as_set(True)),
            "a" in request.if_none_match,
            request.if_match.star_tag,
            bool(request.cache_control.no_cache),
            request.cache_control.max_age,
            request.range.range_for_length(5),
            request.content_encoding,
        ]

    moment = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
    assert asked(names, read, headers=fields) == [
        *("7", 7, "other", 1, True, False, ["7"], "7", "7"),
        *("http://a.example/", "http://b.example", "tester/1", "tester/1", ["10.0.0.1", "10.0.0.2"]),
        *(moment, moment, None, ["a", "b"], True, True, True, 5, (0, 5), "identity"),
    ]


def test_what_the_client_accepts(names: Any) -> None:
    fields = {
        "Accept": "text/html;q=0.8, application/json",
        "Accept-Language": "de-CH, en;q=0.5",
        "Accept-Charset": "utf-8",
        "Accept-Encoding": "gzip",
    }
    assert asked(
        names,
        lambda request: (
            request.accept_mimetypes.best_match(["text/html", "application/json"]),
            request.accept_languages.best_match(["en", "de"]),
            request.accept_charsets.best,
            "gzip" in request.accept_encodings,
        ),
        headers=fields,
    ) == ("application/json", "en", "utf-8", True)


def test_the_query(names: Any) -> None:
    def read(request: Any) -> Any:
        args = request.args
        with pytest.raises(names.exceptions.BadRequestKeyError) as caught:
            args["absent"]
        assert isinstance(caught.value, KeyError)
        with pytest.raises(TypeError):
            args["n"] = "1"
        return args["n"], args.get("n", type=int), args.getlist("t"), args.get("t", 0, type=int), args.to_dict()

    assert asked(names, read, "/?n=5&t=a&t=b&e=") == ("5", 5, ["a", "b"], 0, {"n": "5", "t": "a", "e": ""})


def test_a_missing_field_is_a_bad_request(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "view", lambda: names.request.form["absent"], methods=["POST"])
    app.add_url_rule("/cookie", "cookie", lambda: names.request.cookies["absent"])
    assert app.test_client().post("/").status_code == 400
    assert app.test_client().get("/cookie").status_code == 400


def test_a_form(names: Any) -> None:
    def read(request: Any) -> Any:
        return (
            request.form["a"],
            request.form.getlist("b"),
            request.values["q"],
            request.values.getlist("a"),
            request.mimetype,
            request.data,
        )

    assert asked(names, read, "/?q=1&a=0", method="POST", data={"a": "1", "b": ["2", "3"]}) == (
        *("1", ["2", "3"], "1", ["0", "1"], "application/x-www-form-urlencoded", b""),
    )


def test_the_values_of_a_get_are_those_of_the_query(names: Any) -> None:
    found = asked(names, lambda request: request.values.to_dict(), "/?a=1", method="GET", data={"a": "2", "b": "3"})
    assert found == {"a": "1"}


def test_the_body_may_be_read_before_the_form(names: Any) -> None:
    found = asked(
        names,
        lambda request: (request.get_data(as_text=True), request.form["a"]),
        method="POST",
        data={"a": "é"},
    )
    assert found == ("a=%C3%A9", "é")
    found = asked(names, lambda request: request.get_data(parse_form_data=True), method="POST", data={"a": "é"})
    assert found == b""


def test_uploaded_files(names: Any, tmp_path: Any) -> None:
    def read(request: Any) -> Any:
        file = request.files["file"]
        told = [
            file.filename,
            file.name,
            file.content_type,
            file.mimetype,
            file.mimetype_params,
            file.read(3),
            file.stream.tell(),
            file.read(),
            file.seek(0),
            list(file),
            bool(file),
        ]
        file.seek(0)
        file.save(tmp_path / "saved")
        file.seek(1)
        target = io.BytesIO()
        file.save(target)
        file.close()
        return [*told, (tmp_path / "saved").read_bytes(), target.getvalue(), request.form["a"], request.data]

    found = asked(
        names,
        read,
        method="POST",
        data={"file": (io.BytesIO(b"line 1\nline 2"), "../é.txt", "text/plain; charset=utf-8"), "a": "1"},
    )
    assert found == [
        *("../é.txt", "file", "text/plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
        *(b"lin", 3, b"e 1\nline 2", 0, [b"line 1\n", b"line 2"], True),
        *(b"line 1\nline 2", b"ine 1\nline 2", "1", b""),
    ]


def test_a_file_is_read_in_an_async_view_too(ours: Any) -> None:
    app = ours.Flask(__name__)

    @app.post("/")
    async def view() -> Any:
        return ours.request.files["file"].read()

    assert app.test_client().post("/", data={"file": (io.BytesIO(b"content"), "a")}).data == b"content"


def test_json(names: Any) -> None:
    def read(request: Any) -> Any:
        return request.is_json, request.json, request.get_json(), request.data, request.content_length

    assert asked(names, read, method="POST", json={"a": [1, None]}) == (
        *(True, {"a": [1, None]}, {"a": [1, None]}, b'{"a": [1, null]}', 16),
    )
    assert asked(names, lambda request: request.get_json(cache=False), method="POST", json=1) == 1
    assert asked(names, lambda request: request.get_json(force=True), method="POST", data="[1]") == [1]
    assert (
        asked(names, lambda request: request.get_json(), method="POST", data="1", content_type="application/vnd.x+json")
        == 1
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ({"data": "{", "content_type": "application/json"}, "BadRequest"),
        ({"data": "{}", "content_type": "text/plain"}, "UnsupportedMediaType"),
        ({"data": "", "content_type": "application/json"}, "BadRequest"),
    ],
)
def test_what_is_no_json(names: Any, words: dict[str, Any], error: str) -> None:
    def read(request: Any) -> Any:
        for _ in range(2):
            with pytest.raises(getattr(names.exceptions, error)):
                request.get_json()
        with pytest.raises(getattr(names.exceptions, error)):
            request.get_json(cache=False)
        return request.get_json(silent=True), request.get_json(silent=True), request.get_json(silent=True, cache=False)

    assert asked(names, read, method="POST", **words) == (None, None, None)


def test_what_no_json_says_in_debug(names: Any) -> None:
    app = names.Flask(__name__)
    app.debug = True

    def read(request: Any) -> str:
        with pytest.raises(names.exceptions.BadRequest) as caught:
            request.get_json()
        return str(caught.value.description)

    assert asked(names, read, app=app, method="POST", data="{", content_type="application/json").startswith(
        ("Failed to decode JSON object", "The body is no JSON")
    )


def test_another_answer_to_what_is_no_json(names: Any) -> None:
    class Request(names.Request):  # type: ignore[misc]  # either's
        def on_json_loading_failed(self, e: ValueError | None) -> str:
            return "none"

    app = names.Flask(__name__)
    app.request_class = Request
    assert asked(names, lambda request: request.json, app=app, method="POST", data="x") == "none"


def test_cookies(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "view", lambda: names.request.cookies.to_dict())
    client = app.test_client()
    client.set_cookie("a", "1")
    client.set_cookie("b", "x y é;")
    assert client.get("/").json == {"a": "1", "b": "x y é;"}


def test_authorization(names: Any) -> None:
    assert asked(
        names, lambda request: (request.authorization.type, request.authorization.username), auth=("ada", "x:y")
    ) == ("basic", "ada")


def test_a_body_as_a_file(names: Any) -> None:
    assert asked(names, lambda request: request.stream.read(), method="POST", data=b"abc") == b"abc"


def test_the_environ_of_wsgi(names: Any) -> None:
    found = asked(
        names,
        lambda request: [
            request.environ[key]
            for key in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SCRIPT_NAME", "HTTP_X_A", "CONTENT_TYPE")
        ],
        "/a?b=%20",
        "/a",
        method="POST",
        headers={"X-A": "1"},
        data="x",
        content_type="text/plain",
        base_url="http://localhost/root",
    )
    assert found == ["POST", "/a", "b=%20", "/root", "1", "text/plain"]
    assert asked(names, lambda request: request.remote_user) is None


# Limits.


def test_a_body_that_is_too_large_is_refused_where_it_is_read(names: Any) -> None:
    app = names.Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 10
    app.add_url_rule("/read", "read", lambda: names.request.get_data(), methods=["POST"])
    app.add_url_rule("/form", "form", lambda: names.request.form["a"], methods=["POST"])
    app.add_url_rule("/not", "not", lambda: "not read", methods=["POST"])
    app.register_error_handler(413, lambda error: (f"too large: {error.code}", 413))
    client = app.test_client()
    assert client.post("/read", data=b"x" * 10).status_code == 200
    answer = client.post("/read", data=b"x" * 11)
    assert (answer.status_code, answer.data) == (413, b"too large: 413")
    assert client.post("/form", data={"a": "x" * 20}).status_code == 413
    assert client.post("/not", data=b"x" * 11).data == b"not read"


def test_limits_of_forms(names: Any) -> None:
    app = names.Flask(__name__)
    app.config.update(MAX_FORM_MEMORY_SIZE=500, MAX_FORM_PARTS=2)
    app.add_url_rule("/", "form", lambda: str(len(names.request.form)), methods=["POST"])
    client = app.test_client()

    def send(**fields: str) -> int:
        return client.post("/", data=fields, content_type="multipart/form-data").status_code  # type: ignore[no-any-return]

    assert send(a="x" * 100) == 200
    assert send(a="x" * 501) == 413
    assert send(a="", b="", c="") == 413


def test_limits_may_be_changed_between_requests(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "read", lambda: names.request.get_data(), methods=["POST"])
    client = app.test_client()
    assert client.post("/", data=b"x" * 11).status_code == 200
    app.config["MAX_CONTENT_LENGTH"] = 10
    assert client.post("/", data=b"x" * 11).status_code == 413


def test_a_view_may_set_a_lower_limit(names: Any) -> None:
    def read(request: Any) -> Any:
        before = request.max_content_length
        request.max_content_length = 10
        with pytest.raises(names.exceptions.RequestEntityTooLarge):
            request.get_data()
        return before, request.max_content_length

    assert asked(names, read, method="POST", data=b"x" * 11) == (None, 10)


def test_limits_of_the_core_hold_where_the_configuration_names_none(ours: Any) -> None:
    app = ours.Flask(__name__, limits=Limits(max_body_size=10))
    app.add_url_rule("/", "read", lambda: ours.request.get_data(), methods=["POST"])
    assert app.test_client().post("/", data=b"x" * 11).status_code == 413


def test_nothing_is_read_of_a_request_that_no_view_answers(ours: Any) -> None:
    app = ours.Flask(__name__)
    seen = []

    @app.before_request
    def look() -> None:
        request = ours.request
        seen.append((request.get_data(), dict(request.form), dict(request.files), type(request.routing_exception)))

    assert app.test_client().post("/nothing", data={"a": "1"}).status_code == 404
    assert seen[0][:3] == (b"", {}, {})
    assert seen[0][3].__name__ == "NotFound"


def test_a_request_shows_its_address_and_method(names: Any) -> None:
    assert asked(names, repr) == "<Request 'http://localhost/' [GET]>"
