"""Answers with Flask's manners; Flask's are the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

import http
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import duoframe

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("arguments", "words", "status", "content_type", "body"),
    [
        ((), {}, 200, "text/html; charset=utf-8", b""),
        (("é",), {}, 200, "text/html; charset=utf-8", "é".encode()),
        ((b"x", 201), {}, 201, "text/html; charset=utf-8", b"x"),
        ((bytearray(b"x"), "404 Not found"), {}, 404, "text/html; charset=utf-8", b"x"),
        ((["a", b"b"], http.HTTPStatus.CREATED), {}, 201, "text/html; charset=utf-8", b"ab"),
        (("x",), {"mimetype": "application/json"}, 200, "application/json", b"x"),
        (("x",), {"mimetype": "text/plain"}, 200, "text/plain; charset=utf-8", b"x"),
        (("x",), {"mimetype": "image/svg+xml"}, 200, "image/svg+xml; charset=utf-8", b"x"),
        (("x",), {"content_type": "text/plain"}, 200, "text/plain", b"x"),
        (("x", None, {"Content-Type": "text/css"}), {}, 200, "text/css", b"x"),
        (("x", 200, [("X-A", "1"), ("X-A", "2")]), {}, 200, "text/html; charset=utf-8", b"x"),
    ],
)
def test_what_a_response_is_made_of(
    names: Any, arguments: Any, words: Any, status: int, content_type: str, body: bytes
) -> None:
    response = names.Response(*arguments, **words)
    assert (response.status_code, response.headers["Content-Type"], response.get_data()) == (status, content_type, body)
    assert response.content_type == content_type
    if len(arguments) == 3 and isinstance(arguments[2], list):
        assert response.headers.getlist("x-a") == ["1", "2"]


def test_the_status(names: Any) -> None:
    response = names.Response()
    assert response.status == "200 OK"
    response.status_code = 404
    assert (response.status_code, response.status) == (404, "404 NOT FOUND")
    response.status = "201 CREATED"
    assert response.status_code == 201
    response.status = 500
    assert response.status_code == 500
    response.status_code = 299
    assert response.status == "299 UNKNOWN"
    if not names.original:
        with pytest.raises(ValueError, match="expected a status"):
            response.status = "fine"


def test_the_type(names: Any) -> None:
    response = names.Response("x", content_type="text/plain; charset=latin-1")
    assert (response.mimetype, response.mimetype_params) == ("text/plain", {"charset": "latin-1"})
    response.mimetype = "text/css"
    assert response.content_type == "text/css; charset=utf-8"
    response.mimetype = "image/png"
    assert response.content_type == "image/png"
    del response.headers["Content-Type"]
    assert (response.mimetype, response.content_type) == (None, None)


def test_the_body(names: Any) -> None:
    response = names.Response("one")
    assert (response.data, response.get_data(as_text=True), response.content_length) == (b"one", "one", 3)
    response.data = b"four"
    assert (response.get_data(), response.calculate_content_length()) == (b"four", 4)
    response.set_data("ü")
    assert response.get_data(as_text=True) == "ü"
    assert (response.is_streamed, response.is_sequence, list(response.iter_encoded())) == (False, True, ["ü".encode()])
    response = names.Response(part for part in ("a", b"b"))
    assert (response.is_streamed, response.is_sequence, response.content_length) == (True, False, None)
    assert response.get_data() == b"ab"
    assert response.is_sequence
    response.response = ["x", "y"]
    assert b"".join(response.iter_encoded()) == b"xy"
    response.response = iter(["z"])
    assert b"".join(response.iter_encoded()) == b"z"
    response.content_length = 5
    assert response.headers["Content-Length"] == "5"
    response.content_length = None
    assert names.Response().response == []


def test_json(names: Any) -> None:
    response = names.Response('{"a": 1}', mimetype="application/json")
    assert (response.is_json, response.json, response.get_json()) == (True, {"a": 1}, {"a": 1})
    text = names.Response('{"a": 1}')
    assert (text.is_json, text.json, text.get_json(force=True)) == (False, None, {"a": 1})
    broken = names.Response("{", mimetype="application/vnd.x+json")
    assert broken.get_json(silent=True) is None
    with pytest.raises(ValueError):  # noqa: PT011  # json's own
        broken.get_json()
    with names.Flask(__name__).app_context():
        assert response.json == {"a": 1}


@pytest.mark.parametrize(
    ("attribute", "value", "field", "text", "read"),
    [
        ("location", "/é x?a=b", "Location", "/%C3%A9%20x?a=b", "/%C3%A9%20x?a=b"),
        ("age", 5, "Age", "5", timedelta(seconds=5)),
        ("age", timedelta(minutes=1), "Age", "60", timedelta(seconds=60)),
        ("date", MOMENT, "Date", DATE, MOMENT),
        ("expires", MOMENT, "Expires", DATE, MOMENT),
        ("last_modified", MOMENT, "Last-Modified", DATE, MOMENT),
        ("last_modified", MOMENT.timestamp(), "Last-Modified", DATE, MOMENT),
        ("retry_after", MOMENT, "Retry-After", DATE, MOMENT),
        ("content_encoding", "gzip", "Content-Encoding", "gzip", "gzip"),
        ("content_location", "/x", "Content-Location", "/x", "/x"),
        ("content_md5", "x", "Content-MD5", "x", "x"),
        ("accept_ranges", "bytes", "Accept-Ranges", "bytes", "bytes"),
        ("access_control_allow_origin", "*", "Access-Control-Allow-Origin", "*", "*"),
        ("access_control_max_age", 5, "Access-Control-Max-Age", "5", 5),
        ("access_control_allow_credentials", True, "Access-Control-Allow-Credentials", "true", True),
    ],
)
def test_attributes_that_are_fields(names: Any, attribute: str, value: Any, field: str, text: str, read: Any) -> None:
    response = names.Response()
    assert not getattr(response, attribute)
    setattr(response, attribute, value)
    if attribute != "location" or not names.original:
        assert response.headers[field] == text
        assert getattr(response, attribute) == read
    if attribute in ("access_control_allow_credentials", "retry_after"):
        setattr(response, attribute, None)
    else:
        delattr(response, attribute)
    assert field not in response.headers


def test_a_field_is_taken_away_by_none(ours: Any) -> None:
    response = ours.Response(headers={"Age": "5"})
    response.age = None
    assert "Age" not in response.headers


def test_attributes_that_cannot_be_read(names: Any) -> None:
    response = names.Response(headers={"Age": "x", "Expires": "soon", "Retry-After": "7"})
    assert (response.age, response.expires) == (None, None)
    assert abs(response.retry_after - datetime.now(UTC) - timedelta(seconds=7)) < timedelta(seconds=5)
    response.retry_after = 3
    assert response.headers["Retry-After"] == "3"
    del response.expires
    assert "Expires" not in response.headers


def test_a_time_may_be_given_as_it_is_sent(ours: Any) -> None:
    response = ours.Response()
    response.expires = DATE
    assert response.headers["Expires"] == DATE


def test_fields_that_are_sets(names: Any) -> None:
    response = names.Response()
    response.vary.add("Cookie")
    response.vary.update(["Accept", "cookie"])
    assert response.headers["Vary"] == "Cookie, Accept"
    assert "COOKIE" in response.vary
    assert (len(response.vary), list(response.vary), str(response.vary)) == (2, ["Cookie", "Accept"], "Cookie, Accept")
    response.vary.discard("cookie")
    response.vary.remove("Accept")
    assert "Vary" not in response.headers
    with pytest.raises(KeyError):
        response.vary.remove("Accept")
    response.vary = ["A", "B"]
    assert response.headers["Vary"] == "A, B"
    response.vary.clear()
    assert not response.vary
    response.allow.update(["GET", "PUT"])
    assert response.vary.as_set() == set()
    assert response.allow.as_set() == {"get", "put"}
    response.content_language = "de"
    assert response.headers["Content-Language"] == "de"
    response.vary = None
    assert "HeaderSet" in repr(response.allow)


def test_cache_control(names: Any) -> None:
    response = names.Response()
    control = response.cache_control
    assert (control.max_age, control.no_store, control.public) == (None, None if names.original else False, False) or (
        control.max_age is None and not control.no_store and not control.public
    )
    response.cache_control.max_age = 60
    response.cache_control.public = True
    assert set(response.headers["Cache-Control"].split(", ")) == {"max-age=60", "public"}
    assert (response.cache_control.max_age, bool(response.cache_control.public)) == (60, True)
    response.cache_control.max_age = None
    response.cache_control.public = False
    response.cache_control.no_cache = True
    assert response.headers["Cache-Control"] == "no-cache"
    del response.cache_control.no_cache
    assert "Cache-Control" not in response.headers
    response.cache_control.private = True
    assert str(response.cache_control) == "private"


def test_cache_control_takes_what_no_standard_names(ours: Any) -> None:
    response = ours.Response()
    response.cache_control.other_kind = "x"
    response.cache_control.flag = True
    response.cache_control.number = 5
    control = response.cache_control
    assert (control.other_kind, control.flag, control.number, control.nothing) == ("x", True, 5, None)
    assert control.to_header() == "other-kind=x, flag, number=5"
    assert repr(control) == "<CacheControl 'other-kind=x, flag, number=5'>"
    control.flag = None
    control.private = "Set-Cookie, X-A"
    assert control.private == "Set-Cookie, X-A"
    assert 'private="Set-Cookie, X-A"' in response.headers["Cache-Control"]
    with pytest.raises(AttributeError):
        control._nothing  # noqa: B018  # that is asked for is the point


def test_cookies(names: Any) -> None:
    response = names.Response()
    response.set_cookie(
        "a",
        "b",
        max_age=timedelta(seconds=60),
        path="/x",
        domain="example.org",
        secure=True,
        httponly=True,
        samesite="lax",
    )
    response.set_cookie("plain", "v")
    response.set_cookie("until", "v", expires=MOMENT)
    response.delete_cookie("plain")
    sent = [set(field.split("; ")) for field in response.headers.getlist("Set-Cookie")]
    assert {"a=b", "Max-Age=60", "Path=/x", "Domain=example.org", "Secure", "HttpOnly", "SameSite=Lax"} <= sent[0]
    assert sent[1] == {"plain=v", "Path=/"}
    assert {"until=v", f"Expires={DATE}"} <= sent[2]
    assert {"Max-Age=0", "Path=/"} <= sent[3]
    response.set_cookie("b", "c", expires=DATE, partitioned=True)
    assert {f"Expires={DATE}", "Secure", "Partitioned"} <= set(response.headers.getlist("Set-Cookie")[4].split("; "))


def test_entity_tags(names: Any) -> None:
    response = names.Response("x")
    assert response.get_etag() == (None, None)
    response.set_etag("v1")
    assert (response.get_etag(), response.headers["ETag"]) == (("v1", False), '"v1"')
    response.add_etag()
    assert response.get_etag() == ("v1", False)
    response.add_etag(overwrite=True, weak=True)
    assert response.headers["ETag"] == 'W/"11f6ad8ec52a2984abaafd7c3b516503785c2072"'
    frozen = names.Response(part for part in ("a", "b"))
    frozen.freeze()
    assert (frozen.headers["Content-Length"], frozen.get_etag()[1]) == ("2", False)


def test_an_answer_may_be_made_conditional(names: Any) -> None:
    app = names.Flask(__name__)

    @app.route("/")
    def view() -> Any:
        response = names.Response("x", headers={"X-A": "1"})
        response.set_etag("v1")
        return response.make_conditional(names.request)

    @app.route("/ranges")
    def ranges() -> Any:
        response = names.Response("x")
        return response.make_conditional(names.request.environ, accept_ranges=True, complete_length=1)

    client = app.test_client()
    assert client.get("/").status_code == 200
    answer = client.get("/", headers={"If-None-Match": '"v1"'})
    assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", '"v1"')
    assert client.get("/ranges").headers["Accept-Ranges"] == "bytes"


def test_what_waits_for_the_end_of_an_answer(names: Any) -> None:
    app = names.Flask(__name__)
    closed: list[str] = []

    def rows() -> Any:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("rows")

    @app.route("/<kind>")
    def view(kind: str) -> Any:
        response = names.Response(rows() if kind == "stream" else iter(["x"]) if kind == "iterator" else "x")

        @response.call_on_close
        def close() -> None:
            closed.append(kind)

        return response

    client = app.test_client()
    for kind, body, calls in (
        ("plain", b"x", ["plain"]),
        ("iterator", b"x", ["iterator"]),
        ("stream", b"ab", ["rows", "stream"]),
    ):
        with client.get(f"/{kind}") as answer:
            assert answer.data == body
        assert closed == calls
        closed.clear()
    with client.head("/plain") as answer:
        assert (answer.data, answer.headers["Content-Length"]) == (b"", "1")
    assert closed == ["plain"]


def test_what_waits_for_the_end_of_an_async_stream(ours: Any) -> None:
    app = ours.Flask(__name__)
    closed: list[str] = []

    class Plain:
        left = 1

        def __aiter__(self) -> Plain:
            return self

        async def __anext__(self) -> str:
            self.left -= 1
            if self.left < 0:
                raise StopAsyncIteration
            return "a"

    async def rows() -> Any:
        yield "a"

    @app.route("/<kind>")
    async def view(kind: str) -> Any:
        response = ours.Response(rows() if kind == "rows" else Plain())
        response.call_on_close(lambda: closed.append(kind))
        return response

    client = app.test_client()
    assert client.get("/rows").data == b"a"
    assert client.get("/plain").data == b"a"
    assert closed == ["rows", "plain"]
    with pytest.raises(RuntimeError, match="event loop"):
        ours.Response(rows()).get_data()


def test_closing_by_hand(names: Any) -> None:
    closed: list[str] = []

    def rows() -> Any:
        try:
            yield "a"
        finally:
            closed.append("rows")

    response = names.Response(rows())
    response.call_on_close(lambda: closed.append("called"))
    next(iter(response.response))
    response.close()
    assert closed == ["rows", "called"]
    names.Response("x").close()


def test_a_file_is_passed_through_unless_it_is_asked_for(names: Any, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("content")
    app = names.Flask(__name__)
    closed: list[int] = []

    @app.route("/")
    def view() -> Any:
        response = names.send_file(tmp_path / "a.txt")
        response.call_on_close(lambda: closed.append(1))
        return response

    with app.test_request_context():
        response = names.send_file(tmp_path / "a.txt")
        assert response.is_streamed
        with pytest.raises(RuntimeError, match=r"direct.passthrough"):
            response.get_data()
        response.direct_passthrough = False
        assert response.get_data() == b"content"
        response.close()
        with open(tmp_path / "a.txt", "rb") as file:
            response = names.send_file(file, mimetype="text/plain")
            response.direct_passthrough = False
            assert response.get_data() == b"content"
    with app.test_client().get("/") as answer:
        assert answer.data == b"content"


def test_an_answer_of_another_kind_as_one_of_this(names: Any) -> None:
    class Mine(names.Response):  # type: ignore[misc]  # either's
        default_mimetype = "text/plain"

    plain = names.Response("x", 201)
    mine = Mine.force_type(plain)
    assert (type(mine), mine.status_code, mine.data) == (Mine, 201, b"x")
    assert Mine.force_type(mine) is mine
    assert Mine("x").mimetype == "text/plain"

    def application(environ: Any, start_response: Any) -> Any:
        start_response("202 ACCEPTED", [("X-Path", environ["PATH_INFO"])])
        return [b"returned"]

    with names.Flask(__name__).test_request_context("/x"):
        assert Mine.force_type(application, names.request.environ).status_code == 202
        made = names.Response.from_app(application, names.request.environ, buffered=True)
    assert (made.status_code, made.headers["X-Path"], made.data) == (202, "/x", b"returned")


def test_what_an_application_writes_comes_before_what_it_returns(ours: Any) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"written ")
        return [b"returned"]

    assert ours.Response.from_app(application, {}).data == b"written returned"


def test_what_is_open_already_is_read_where_it_is_asked_for(ours: Any, tmp_path: Any) -> None:
    (tmp_path / "a").write_bytes(b"content")
    for file in (str(tmp_path / "a"), open(tmp_path / "a", "rb")):  # noqa: SIM115  # the answer closes it
        response = ours.Response.force_type(duoframe.FileResponse(file))
        response.direct_passthrough = False
        assert response.data == b"content"
    assert ours.Response(iter(["x"])).data == b"x"


def test_an_answer_of_the_core_with_these_manners(ours: Any) -> None:
    core = duoframe.JSONResponse({"a": 1}, 201)
    response = ours.Response.force_type(core)
    assert (response.status_code, response.json, response.mimetype) == (201, {"a": 1}, "application/json")


def test_fields_are_replaced_whole(ours: Any) -> None:
    response = ours.Response(headers={"X-A": "1"})
    response.headers = {"X-B": "2"}
    assert response.headers.items() == [("X-B", "2")]
    assert response.default_status == 200


def test_a_response_shows_its_size_and_status(names: Any) -> None:
    assert repr(names.Response("x", 404)) == "<Response 1 bytes [404 NOT FOUND]>"
    assert repr(names.Response(iter("x"))) == "<Response streamed [200 OK]>"
