"""What HTTP asks of every answer, behind both doors: methods, statuses, redirects, queries, paths, hosts."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duoframe import (
    App,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Request,
    Response,
    Router,
    StreamingResponse,
    abort,
    inline,
)
from duoframe.testing import exchange
from tests.conftest import Ask, MakeApp

DOORS = ("wsgi", "asgi")


def field(answer: Any, name: str) -> str | None:
    """The one field of that name."""
    values = [value for found, value in answer.headers if found == name]
    assert len(values) < 2
    return values[0] if values else None


# HEAD, OPTIONS, 405


def answers(app: App, colour: Any) -> None:
    def stream() -> Iterator[str]:
        yield "one"
        yield "two"

    app.get("/text")(colour(lambda: "text"))
    app.get("/empty")(colour(lambda: ""))
    app.get("/empty-with-field")(colour(lambda: ("", 200, {"x-a": "b"})))
    app.get("/json")(colour(lambda: {"a": 1}))
    app.get("/bytes")(colour(lambda: b"\x00\x01"))
    app.get("/stream")(colour(stream))
    app.get("/sized-stream")(colour(lambda: StreamingResponse(stream(), headers={"content-length": "6"})))
    app.get("/redirect")(colour(lambda: RedirectResponse("/text")))
    app.get("/error")(colour(lambda: abort(418, "short")))
    app.get("/boom")(colour(lambda: 1 / 0))
    app.get("/unmodified")(colour(lambda: Response(b"", 304, {"etag": '"x"'})))
    app.get("/nothing")(colour(lambda: Response(b"", 204)))


@pytest.mark.parametrize(
    "target",
    [
        *(b"/text", b"/empty", b"/empty-with-field", b"/json", b"/bytes", b"/stream", b"/sized-stream", b"/redirect"),
        *(b"/error", b"/boom", b"/unmodified", b"/nothing", b"/nowhere", b"/text/"),
    ],
)
def test_head_answers_as_get_without_the_body(ask: Ask, app: App, target: bytes, colour: Any) -> None:
    """H-01: the same status and fields, the length where it is known."""
    answers(app, colour)
    get, head = ask(app, "GET", target), ask(app, "HEAD", target)
    assert head.status == get.status
    assert head.headers == get.headers
    assert head.body == b""
    assert head.error is None


def test_head_knows_the_length_that_get_has(ask: Ask, app: App, colour: Any) -> None:
    """H-01."""
    answers(app, colour)
    lengths = {target: field(ask(app, "HEAD", target), "content-length") for target in (b"/text", b"/json", b"/stream")}
    assert lengths == {b"/text": "4", b"/json": "7", b"/stream": None}


def test_head_does_not_walk_a_stream_and_closes_it(ask: Ask, app: App, colour: Any) -> None:
    """H-01, W-40."""
    seen: list[str] = []

    class Stream:
        def __iter__(self) -> Stream:
            return self

        def __next__(self) -> str:
            seen.append("next")
            raise StopIteration

        def close(self) -> None:
            seen.append("close")

    app.get("/")(colour(lambda: StreamingResponse(Stream())))
    assert ask(app, "HEAD", b"/").status == 200
    assert seen == ["close"]


def test_a_handler_for_head_answers_it_and_may_say_how_long_get_is(ask: Ask, app: App, colour: Any) -> None:
    """H-02."""
    app.get("/")(colour(lambda: "from get"))
    app.head("/")(colour(lambda: ("", 200, {"content-length": "8", "x-from": "head"})))
    answer = ask(app, "HEAD", b"/")
    assert (answer.status, answer.body) == (200, b"")
    assert (field(answer, "x-from"), field(answer, "content-length")) == ("head", "8")
    assert ask(app, "GET", b"/").body == b"from get"


def test_options_answers_204_with_the_methods_of_the_path(ask: Ask, app: App, colour: Any) -> None:
    """H-03."""
    app.get("/items")(colour(lambda: "x"))
    app.post("/items")(colour(lambda: "x"))
    app.delete("/items/{item:int}")(colour(lambda item: "x"))
    answer = ask(app, "OPTIONS", b"/items")
    assert (answer.status, answer.body, field(answer, "content-length")) == (204, b"", None)
    assert field(answer, "allow") == "GET, HEAD, OPTIONS, POST"
    assert field(ask(app, "OPTIONS", b"/items/7"), "allow") == "DELETE, OPTIONS"
    assert ask(app, "OPTIONS", b"/nowhere").status == 404


def test_options_names_the_methods_of_every_route_that_fits_the_path(ask: Ask, app: App) -> None:
    """H-03: GET on one pattern and PUT on another that fits as well."""
    app.get("/{item:int}")(lambda item: "x")
    app.put("/{name}")(lambda name: "x")
    assert field(ask(app, "OPTIONS", b"/7"), "allow") == "GET, HEAD, OPTIONS, PUT"
    assert field(ask(app, "OPTIONS", b"/x"), "allow") == "OPTIONS, PUT"
    assert ask(app, "PUT", b"/7").status == 200


def test_options_of_the_whole_server_names_every_method(ask: Ask, app: App, colour: Any) -> None:
    """H-03: ``OPTIONS *`` (RFC 9110 §9.3.7)."""
    seen: list[str] = []

    @app.middleware
    def layer(request: Request) -> Generator[Any, Any]:
        seen.append(request.path)
        yield
        assert request.path_params == {}

    app.patch("/")(colour(lambda: "x"))
    answer = ask(app, "OPTIONS", b"*")
    assert (answer.status, answer.body, field(answer, "allow")) == (204, b"", "HEAD, OPTIONS, PATCH")
    assert seen == ["*"]
    assert ask(app, "GET", b"*").status == 404


def test_a_handler_for_options_is_used(ask: Ask, app: App, colour: Any) -> None:
    """H-03."""
    app.get("/")(colour(lambda: "x"))
    app.options("/")(colour(lambda: "own"))
    assert ask(app, "OPTIONS", b"/").body == b"own"


def test_a_wrong_method_is_405_with_the_allowed_ones_in_order(ask: Ask, app: App, colour: Any) -> None:
    """H-04."""
    app.post("/")(colour(lambda: "x"))
    app.get("/")(colour(lambda: "x"))
    app.delete("/only")(colour(lambda: "x"))
    answer = ask(app, "PUT", b"/")
    assert (answer.status, field(answer, "allow")) == (405, "GET, HEAD, OPTIONS, POST")
    assert field(ask(app, "GET", b"/only"), "allow") == "DELETE, OPTIONS"


@pytest.mark.parametrize(
    "method", ["BREW", "get", "Get", "GET ", "TRACE", "CONNECT", "__class__", "\uff27".encode().decode("latin-1")]
)
def test_an_unknown_method_is_405_where_the_path_is_known_and_404_elsewhere(
    ask: Ask, app: App, method: str, colour: Any
) -> None:
    """H-05, H-06, R72: methods are compared as they are, with those that were registered."""
    app.get("/")(colour(lambda: "x"))
    assert ask(app, method, b"/").status == 405
    assert ask(app, method, b"/nowhere").status == 404


def test_no_attribute_of_a_view_is_a_method(ask: Ask, app: App) -> None:
    """R72: the class of a view is searched for the fixed list of methods alone."""

    @app.route("/")
    class View:
        def get(self) -> str:
            return "x"

        def brew(self) -> str:
            return "coffee"

    assert ask(app, "BREW", b"/").status == 405
    assert field(ask(app, "OPTIONS", b"/"), "allow") == "GET, HEAD, OPTIONS"


# Statuses


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("streamed", [False, True])
def test_a_status_that_forbids_a_body_has_none_and_the_log_says_so(
    ask: Ask, app: App, status: int, streamed: bool, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """H-07."""

    def with_body() -> Response:
        return StreamingResponse(iter(["x"]), status) if streamed else PlainTextResponse("x", status)

    app.get("/")(colour(with_body))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (status, b"")
    assert field(answer, "content-length") == ("0" if status == 205 else None)
    if status != 205:
        assert field(answer, "content-type") is None
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "with_body" in record.getMessage()
    assert str(status) in record.getMessage()


def test_an_empty_204_is_nothing_to_warn_of(ask: Ask, app: App, caplog: pytest.LogCaptureFixture) -> None:
    """H-07."""
    app.get("/")(lambda: ("", 204))
    assert ask(app, "GET", b"/").status == 204
    assert caplog.records == []


@pytest.mark.parametrize("status", [99, 100, 101, 103, 199, 600, 1000, -1, True, "200", None])
def test_a_status_that_no_answer_can_have_is_a_value_error(status: Any) -> None:
    """H-08, H-09."""
    with pytest.raises(ValueError, match="expected a status from 200 to 599"):
        Response("x", status)
    response = Response("x")
    with pytest.raises(ValueError, match="expected a status from 200 to 599"):
        response.status = status
    assert response.status == 200


@pytest.mark.parametrize("status", [99, 100, 600])
def test_a_handler_that_answers_with_such_a_status_gets_a_500(
    ask: Ask, app: App, status: int, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """H-08, H-09: the log names the handler."""

    def odd_status() -> tuple[str, int]:
        return "x", status

    app.get("/")(colour(odd_status))
    assert ask(app, "GET", b"/").status == 500
    assert "odd_status" in str(caplog.records[0].exc_info[1])  # type: ignore[index]  # it was logged with an error


def test_a_status_without_a_name_goes_out_as_it_is(ask: Ask, app: App, colour: Any) -> None:
    """H-09: PEP 3333 wants some reason behind the code."""
    app.get("/")(colour(lambda: ("x", 299)))
    answer = ask(app, "GET", b"/")
    assert answer.status == 299
    if ask.door == "wsgi":
        assert answer.reason == "Unknown"


# Redirects


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/plain", "/plain"),
        ("/café", "/caf%C3%A9"),
        ("/with space", "/with%20space"),
        ("/a?b=c&d=é#frag", "/a?b=c&d=%C3%A9#frag"),
        ("https://example.org/ü?q=%20#x", "https://example.org/%C3%BC?q=%20#x"),
        ('/"<>^`{|}', "/%22%3C%3E%5E%60%7B%7C%7D"),
        ("?only=query", "?only=query"),
        ("\x85", "%C2%85"),
        ("", ""),
    ],
)
def test_a_location_is_percent_encoded_and_keeps_its_fragment(
    ask: Ask, app: App, location: str, sent: str, colour: Any
) -> None:
    """H-10."""
    app.get("/")(colour(lambda: RedirectResponse(location)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, field(answer, "location"), answer.body) == (303, sent, b"")


@pytest.mark.parametrize(
    "location", ["\\\\evil.example", "/a\r\nset-cookie: b=c", "/a\nb", "/\tx", "/\x00", "\x7f", "\ud800"]
)
def test_a_location_that_could_deceive_is_refused(ask: Ask, app: App, location: str, colour: Any) -> None:
    """H-10: a backslash is a slash to browsers, a line break is another header."""
    with pytest.raises(ValueError, match=r"control characters and backslashes|surrogates"):
        RedirectResponse(location)
    app.get("/")(colour(lambda: RedirectResponse(location)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, field(answer, "location"), field(answer, "set-cookie")) == (500, None, None)


def test_a_redirect_asks_with_get_unless_it_is_told_to_keep_the_method(ask: Ask, app: App, colour: Any) -> None:
    """H-11: 303 by default; 307 and 308 repeat the method (RFC 9110 §15.4)."""
    app.post("/default")(colour(lambda: RedirectResponse("/")))
    app.post("/keep")(colour(lambda: RedirectResponse("/", 307)))
    app.post("/move")(colour(lambda: RedirectResponse("/", 308)))
    statuses = [ask(app, "POST", path).status for path in (b"/default", b"/keep", b"/move")]
    assert statuses == [303, 307, 308]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_a_slash_redirect_keeps_the_query_and_the_method(ask: Ask, app: App, method: str, colour: Any) -> None:
    """H-12."""
    app.route("/with/", ["GET", "POST", "PUT", "DELETE"])(colour(lambda: "x"))
    app.route("/without", ["GET", "POST", "PUT", "DELETE"])(colour(lambda: "x"))
    for target, location in (
        (b"/with?a=1&b=%20&a=%C3%A9", "/with/?a=1&b=%20&a=%C3%A9"),
        (b"/without/?a=1", "/without?a=1"),
        (b"/with", "/with/"),
    ):
        answer = ask(app, method, target, body=b"x" if method == "POST" else b"")
        assert (answer.status, field(answer, "location"), answer.body) == (308, location, b"")


def test_a_slash_redirect_stays_under_the_root_and_is_percent_encoded(ask: Ask, app: App) -> None:
    """H-12."""
    app.get("/{name}/")(lambda name: "x")
    answer = ask(app, "GET", "/é ü".encode(), root_path="/mounted at")
    assert field(answer, "location") == "/mounted%20at/%C3%A9%20%C3%BC/"


def test_slash_redirects_can_be_switched_off(ask: Ask, make_app: MakeApp) -> None:
    """H-12."""
    app = make_app(redirect_slashes=False)
    app.get("/a/")(lambda: "x")
    assert ask(app, "GET", b"/a").status == 404
    assert ask(app, "GET", b"/a/").status == 200


@pytest.mark.parametrize(
    "query", [b"a=\\", b"\\\\evil.example", b"a=\x01", b"a=\xff", b"a=%0d%0aset-cookie:b=c", b"\x7f", b"a='\"<>"]
)
def test_a_query_full_of_oddities_is_no_error_in_a_slash_redirect(ask: Ask, app: App, query: bytes) -> None:
    """H-12, R10: the client's own text must not make a 500."""
    app.get("/a/")(lambda: "x")
    answer = ask(app, "GET", b"/a?" + query)
    assert answer.status == 308
    location = field(answer, "location")
    assert location is not None
    assert location.startswith("/a/?")
    assert "\\" not in location
    assert location.isascii()
    assert location.isprintable()


EVIL = [
    b"//evil.com",
    b"/\\evil.com",
    b"/%2f%2fevil.com",
    b"/%5cevil.com",
    b"/\t/evil.com",
    b"/%09/evil.com",
    b"/.//evil.com",
    b"/..//evil.com",
    b"//evil.com/..",
    b"/%0d%0a/evil.com",
    b"/;@evil.com",
    b"@evil.com",
    b"evil.com",
    b"///evil.com",
    b"/x/%2e%2e//evil.com",
    b"http:evil.com",
]


@pytest.mark.parametrize("target", EVIL)
@pytest.mark.parametrize("slash", [b"", b"/"])
@pytest.mark.parametrize("root", ["", "/app"])
def test_a_slash_redirect_never_leaves_the_origin(ask: Ask, app: App, target: bytes, slash: bytes, root: str) -> None:
    """R8, R10: the target is a path that begins with exactly one slash."""
    app.get("/{rest:path}/")(lambda rest: "x")
    app.get("/{a}/{b}")(lambda a, b: "x")
    app.get("/{a}")(lambda a: "x")
    answer = ask(app, "GET", target + slash, root_path=root)
    location = field(answer, "location")
    assert (answer.status == 308) is (location is not None)
    if location is not None:
        assert location[0] == "/"
        assert location[1:2] not in ("/", "\\")
        assert urlsplit(location).netloc == ""


@given(st.binary(max_size=20), st.binary(max_size=10), st.sampled_from(["", "/r", "//r", "/r/"]))
@settings(max_examples=150, deadline=None)
def test_whatever_is_asked_for_no_redirect_leaves_the_origin(path: bytes, query: bytes, root: str) -> None:
    """R8, R10."""
    app = App()
    app.get("/{rest:path}/")(lambda rest: "x")
    app.get("/{a}")(lambda a: "x")
    target = b"/" + quote(path, safe="/\\").encode() + b"?" + query
    answer = exchange(app, "wsgi", "GET", target, root_path=root)
    assert answer.status in (200, 308, 400, 404)
    for name, value in answer.headers:
        if name == "location":
            assert value[0] == "/"
            assert value[1:2] not in ("/", "\\")
            assert urlsplit("http://here.example" + value).netloc == "here.example"


# Date


@pytest.mark.parametrize("own", [True, False])
def test_date_is_the_servers_unless_a_handler_sets_it(ask: Ask, app: App, own: bool) -> None:
    """H-45: we never add one beside the server's."""
    app.get("/")(lambda: ("x", 200, {"date": "Tue, 15 Nov 1994 08:12:31 GMT"} if own else {}))
    assert field(ask(app, "GET", b"/"), "date") == ("Tue, 15 Nov 1994 08:12:31 GMT" if own else None)


# Queries


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"", []),
        (b"a", [["a", ""]]),
        (b"a=", [["a", ""]]),
        (b"=b", [["", "b"]]),
        (b"a=1&a=2", [["a", "1"], ["a", "2"]]),
        (b"a[]=1&a%5B%5D=2", [["a[]", "1"], ["a[]", "2"]]),
        (b"a=1+2", [["a", "1 2"]]),
        (b"a=1%2B2", [["a", "1+2"]]),
        (b"a=%zz", [["a", "%zz"]]),
        (b"a=%", [["a", "%"]]),
        (b"a=%ff", [["a", "\ufffd"]]),
        (b"a=\xff", [["a", "\ufffd"]]),
        (b"a=1;b=2", [["a", "1;b=2"]]),
        (b"&&a=1&&", [["a", "1"]]),
        (b"a=b=c", [["a", "b=c"]]),
        (b"%61=%C3%A9", [["a", "é"]]),
        ("a=é".encode(), [["a", "é"]]),
        (b"a?b=c?d", [["a?b", "c?d"]]),
        (b"a=%2500", [["a", "%00"]]),
    ],
)
def test_a_query_is_read_alike_behind_both_doors(ask: Ask, app: App, query: bytes, pairs: Any, colour: Any) -> None:
    """H-46: by the rules of the WHATWG URL Standard §5.1; only ``&`` separates."""
    app.get("/")(colour(lambda request: [list(pair) for pair in request.query.multi_items()]))
    assert ask(app, "GET", b"/?" + query).body == JSONResponse(pairs).body


def test_a_query_of_too_many_parameters_is_a_400_that_middleware_sees(ask: Ask, app: App, colour: Any) -> None:
    """A-09, R73."""
    seen: list[int] = []

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        response = yield
        seen.append(response.status)

    app.get("/")(colour(lambda request: len(request.args)))
    assert ask(app, "GET", b"/?" + b"&" * 2000).status == 400
    assert seen == [400]


# Typed path parameters


@pytest.mark.parametrize(
    "text",
    [
        *(
            "+5",
            "-0",
            "-5",
            "\u0665",
            "\uff15",
            "1_000",
            "0x5",
            "5.",
            "5e1",
            " 5",
            "5 ",
            "5\n",
            "5\x00",
            "9" * 19,
            "9" * 400,
            "²",
        ),
    ],
)
def test_an_int_in_the_path_is_ascii_digits_of_bounded_length(ask: Ask, app: App, text: str) -> None:
    """H-47."""
    app.get("/{value:int}")(lambda value: f"{value!r}")
    assert ask(app, "GET", b"/" + quote(text).encode()).status == 404


@pytest.mark.parametrize(
    "text", ["nan", "NaN", "inf", "-inf", "1e999", "1e5", "1_0.0", "+1.0", "1.", ".5", "\u0665.\u0665", "1" * 400]
)
def test_a_float_in_the_path_is_finite_and_plain(ask: Ask, app: App, text: str) -> None:
    """H-47."""
    app.get("/{value:float}")(lambda value: f"{value!r}")
    assert ask(app, "GET", b"/" + quote(text).encode()).status == 404


@pytest.mark.parametrize(
    "text",
    [
        "{12345678-1234-5678-1234-567812345678}",
        "urn:uuid:12345678-1234-5678-1234-567812345678",
        "12345678123456781234567812345678",
        "12345678-1234-5678-1234-56781234567g",
        "12345678-1234-5678-1234-567812345678\n",
    ],
)
def test_a_uuid_in_the_path_has_its_one_form(ask: Ask, app: App, text: str) -> None:
    """H-47."""
    app.get("/{value:uuid}")(lambda value: f"{value!r}")
    assert ask(app, "GET", b"/" + quote(text).encode()).status == 404


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "0", "0"),
        ("int", "007", "7"),
        ("int", "9" * 18, "9" * 18),
        ("float", "1.5", "1.5"),
        ("float", "2", "2.0"),
        (
            "uuid",
            "12345678-1234-5678-1234-56781234567A",
            "UUID('12345678-1234-5678-1234-56781234567a')",
        ),
        ("str", "a%20b", "'a b'"),
        ("path", "a/b%2Fc", "'a/b/c'"),
    ],
)
def test_a_typed_part_of_the_path_arrives_converted(
    ask: Ask, app: App, kind: str, text: str, value: str, colour: Any
) -> None:
    """H-47."""
    app.get("/{value:" + kind + "}")(colour(lambda value: f"{value!r}"))
    assert ask(app, "GET", b"/" + text.encode()).body == value.encode()


# Routing


ROUTES = {
    "/users/me": "static",
    "/users/{n:int}": "int",
    "/users/{n:float}": "float",
    "/users/{n:uuid}": "uuid",
    "/users/{n}.json": "mixed",
    "/users/{n}": "str",
    "/users/{n:path}": "path",
}
TARGETS = {
    b"/users/me": b"static",
    b"/users/7": b"int",
    b"/users/7.5": b"float",
    b"/users/12345678-1234-5678-1234-567812345678": b"uuid",
    b"/users/7.json": b"mixed",
    b"/users/you": b"str",
    b"/users/you/and/me": b"path",
}


@given(st.permutations(list(ROUTES)))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_which_route_answers_does_not_depend_on_the_order_of_registration(order: list[str]) -> None:
    """H-48: static before mixed before converter before plain before the rest of the path."""
    app = App()
    for pattern in order:
        app.get(pattern)(lambda kind=ROUTES[pattern]: kind)
    assert {target: exchange(app, "wsgi", "GET", target).body for target in TARGETS} == TARGETS


def test_an_encoded_slash_separates_segments_at_both_doors(ask: Ask, app: App, colour: Any) -> None:
    """H-49: the once-decoded path is routed; `raw_path` keeps the difference."""
    app.get("/{one}")(colour(lambda one: f"one {one}"))
    app.get("/{one}/{two}")(colour(lambda request, one, two: f"two {one} {two} {request.raw_path.decode()}"))
    assert ask(app, "GET", b"/a%2Fb").body == b"two a b /a%2Fb"
    assert ask(app, "GET", b"/a/b").body == b"two a b /a/b"
    assert ask(app, "GET", b"/a%252Fb").body == b"one a%2Fb"


@pytest.mark.parametrize(
    "target", [b"//a", b"/a//", b"/./a", b"/a/.", b"/a/../a", b"/%2e/a", b"/x/%2e%2e/a", b"/a/./", b"a"]
)
def test_a_path_is_taken_literally(ask: Ask, app: App, target: bytes) -> None:
    """H-50: nothing is normalised."""
    app.get("/a")(lambda: "x")
    assert ask(app, "GET", target).status == 404


@pytest.mark.parametrize("kind", ["str", "path", "int", "float"])
@pytest.mark.parametrize("end", [b"%0A", b"%0D", b"%00", b"%0D%0A"])
def test_a_route_ends_where_the_path_ends(ask: Ask, app: App, kind: str, end: bytes) -> None:
    """R12: a line break behind the path is no part of it."""
    app.get("/static")(lambda: "x")
    app.get("/typed/{value:" + kind + "}")(lambda value: "x")
    assert ask(app, "GET", b"/static" + end).status == 404
    assert ask(app, "GET", b"/typed/7" + end).status == 404


@pytest.mark.parametrize("target", [b"/secret-%3Cscript%3E", b"/known/secret-", b"/boom?secret-", b"/known?secret-"])
def test_no_default_error_page_repeats_what_was_asked_for(ask: Ask, app: App, target: bytes, colour: Any) -> None:
    """R13."""
    app.post("/known")(colour(lambda: "x"))
    app.get("/boom")(colour(lambda: 1 / 0))
    answer = ask(app, "GET", target)
    assert answer.status in (404, 405, 500)
    assert b"secret" not in answer.body
    assert all("secret" not in value for _, value in answer.headers)


@pytest.mark.parametrize("target", [b"@evil.com", b"evil.com:80", b"evil.com/../", b".", b"", b"?a"])
def test_a_target_without_a_slash_does_not_move_the_host(ask: Ask, app: App, target: bytes) -> None:
    """R16."""
    seen: list[tuple[str, str]] = []

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        seen.append((request.url.host, str(request.url)))
        yield

    app.get("/")(lambda: "root")
    answer = ask(app, "GET", target)
    assert answer.status == (200 if target in (b"", b"?a") else 404)
    [(host, url)] = seen
    assert host == "testserver"
    assert urlsplit(url).netloc == "testserver"


# Hosts


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"a.example"), (b"host", b"b.example")], 400),
        ([(b"host", b"a.example"), (b"Host", b"a.example")], 400),
        ([(b"host", b"a.example")], 200),
    ],
)
def test_two_hosts_are_refused(ask: Ask, app: App, headers: Any, status: int, colour: Any) -> None:
    """R17: a proxy and the app would each believe another one (RFC 9112 §3.2)."""
    seen: list[int] = []

    @app.middleware
    def look(request: Request) -> Generator[Any, Any]:
        response = yield
        seen.append(response.status)

    app.get("/")(colour(lambda request: request.host))
    answer = ask(app, "GET", b"/", headers)
    assert answer.status == status
    assert seen == [status]


def test_a_host_with_a_comma_is_no_host_at_either_door(ask: Ask, app: App) -> None:
    """R15, R17."""
    app.get("/")(lambda request: request.host)
    answer = ask(app, "GET", b"/", [(b"host", b"a.example,b.example")])
    assert (answer.status, answer.body) in ((400, answer.body), (200, b""))


def hosted(app: App) -> None:
    app.get("/", host="example.com")(lambda: "exact")
    app.get("/", host="{tenant}.example.com")(lambda tenant: f"tenant {tenant}")
    app.get("/", host="[::1]")(lambda: "loopback")
    app.get("/")(lambda: "any")


@pytest.mark.parametrize(
    ("host", "body"),
    [
        (b"example.com", b"exact"),
        (b"EXAMPLE.com", b"exact"),
        (b"example.com:8080", b"exact"),
        (b"example.com.", b"exact"),
        (b"example.com.:80", b"exact"),
        (b"exampleXcom", b"any"),
        (b"example.com.evil.org", b"any"),
        (b"a.example.com", b"tenant a"),
        (b"a.b.example.com", b"any"),
        (b".example.com", b"any"),
        (b"evilexample.com", b"any"),
        (b"example.com\t", b"exact"),
        (b"user@example.com", b"any"),
        (b"example.com/x", b"any"),
        (b"example.com?x", b"any"),
        (b"[::1]", b"loopback"),
        (b"[::1]:8080", b"loopback"),
        (b"::1", b"any"),
        (b"", b"any"),
    ],
)
def test_a_host_of_a_route_is_literal_but_for_its_parameters(ask: Ask, app: App, host: bytes, body: bytes) -> None:
    """R18: the dot is a dot, port and trailing dot are cut off, what is no host fits none."""
    hosted(app)
    assert ask(app, "GET", b"/", [(b"host", host)]).body == body


def test_a_router_has_a_host_that_its_routes_may_change(ask: Ask, app: App) -> None:
    router = Router(host="api.example.com")
    router.get("/a")(lambda: "api")
    router.get("/b", host="other.example.com")(lambda: "other")
    app.include_router(router)
    assert ask(app, "GET", b"/a", [(b"host", b"api.example.com")]).body == b"api"
    assert ask(app, "GET", b"/a").status == 404
    assert ask(app, "GET", b"/b", [(b"host", b"other.example.com")]).body == b"other"
    assert field(ask(app, "OPTIONS", b"/a", [(b"host", b"api.example.com")]), "allow") == "GET, HEAD, OPTIONS"
    assert ask(app, "HEAD", b"/a", [(b"host", b"api.example.com")]).status == 200


# Outgoing fields


BAD_FIELDS = [
    ("x-bad", "a\r\nset-cookie: b=c"),
    ("x-bad", "a\nb"),
    ("x-bad", "a\x00b"),
    ("x-bad", "a\x7fb"),
    ("x-bad", "€"),
    ("x bad", "a"),
    ("x-bad:", "a"),
    ("", "a"),
    ("x-bäd", "a"),
    ("x-bad\r\n", "a"),
]


WAYS_IN = ["constructor", "set", "add", "tuple", "exception", "media type", "middleware"]


@pytest.mark.parametrize(
    ("name", "value", "way_in"),
    [(name, value, way) for name, value in BAD_FIELDS for way in WAYS_IN if way != "media type" or value != "a"],
)
def test_a_bad_field_is_a_clean_500_and_the_next_request_is_served(
    ask: Ask, app: App, name: str, value: str, way_in: str, colour: Any
) -> None:
    """R22, R23: every way to a field passes the one gate."""

    def handler(request: Request) -> Any:
        response = Response("x")
        if way_in == "constructor":
            return Response("x", headers=[(name, value)])
        if way_in == "set":
            response.headers[name] = value
        elif way_in == "add":
            response.headers.add(name, value)
        elif way_in == "tuple":
            return "x", 200, {name: value}
        elif way_in == "exception":
            abort(403, headers={name: value})
        elif way_in == "media type":
            return PlainTextResponse("x", media_type=value)
        return response

    if way_in == "middleware":

        @app.middleware
        def layer(request: Request) -> Generator[Any, Any]:
            response = yield
            if request.path == "/":
                response.headers[name] = value

    app.get("/")(colour(handler))
    app.get("/next")(colour(lambda: "served"))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.error) == (500, None)
    assert field(answer, "set-cookie") is None
    assert ask(app, "GET", b"/next").body == b"served"


@given(name=st.text(max_size=8), value=st.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_whatever_is_set_as_a_field_is_legal_or_a_value_error(name: str, value: str) -> None:
    """R22: a token, and a value of visible latin-1, blanks and tabs (RFC 9110 §5.1, §5.5)."""
    try:
        response = Response(b"", headers={name: value})
    except ValueError:
        return
    for sent, text in response.finish("GET")[1]:
        assert sent
        assert all(
            character in "!#$%&'*+-.^_`|~" or (character.isascii() and character.isalnum()) for character in sent
        )
        assert all(character == "\t" or " " <= character <= "~" or "\x80" <= character <= "\xff" for character in text)
        assert text == text.strip(" \t")


@pytest.mark.parametrize(
    "name", ["connection", "Transfer-Encoding", "keep-alive", "Upgrade", "te", "trailer", "proxy-connection"]
)
def test_a_field_of_the_connection_is_left_to_the_server(ask: Ask, app: App, name: str, colour: Any) -> None:
    """W-04, A-38."""
    app.get("/")(colour(lambda: ("x", 200, {name: "close", "x-kept": "yes"})))
    answer = ask(app, "GET", b"/")
    assert (answer.status, field(answer, name.lower()), field(answer, "x-kept")) == (200, None, "yes")


@pytest.mark.parametrize("declared", ["abc", "-1", "1_0", "", "5, 5", "²"])
def test_a_stream_with_a_length_that_is_no_number_goes_out_without_one(
    ask: Ask, app: App, declared: str, colour: Any
) -> None:
    """R65 for what goes out: a server could not tell where the answer ends."""
    app.get("/")(colour(lambda: StreamingResponse(iter(["ab"]), headers={"content-length": declared})))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, field(answer, "content-length")) == (200, b"ab", None)


# Requests that are wrong before anybody looks at them


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (b"/%ff", [], 400),
        (b"/", [(b"content-length", b"-1")], 400),
        (b"/", [(b"content-length", b"5, 5")], 400),
        (b"/", [(b"host", b"a"), (b"host", b"b")], 400),
        (b"/picky/odd", [], 500),
        (b"/picky/gone", [], 410),
    ],
)
def test_what_is_wrong_with_a_request_itself_takes_the_path_of_every_error(
    ask: Ask, make_app: MakeApp, target: bytes, headers: Any, status: int, colour: Any
) -> None:
    """R73: middleware is around the answer, and the error handler of the application gives it."""
    from duoframe import Converter

    class Picky(Converter):
        def to_python(self, text: str) -> Any:
            if text == "gone":
                abort(410)
            raise KeyError(text)

    app = make_app(converters={"picky": Picky()})
    seen: list[Any] = []

    @app.middleware
    @inline
    def look(request: Request) -> Generator[Any, Any]:
        response = yield
        seen.append((response.status, request.path_params, request.route))

    app.errorhandler(Exception)(colour(lambda request, error: {"handled": type(error).__name__}))
    app.get("/")(colour(lambda: "x"))
    app.get("/picky/{value:picky}")(colour(lambda value: "x"))
    answer = ask(app, "GET", target, headers)
    assert answer.status == status
    assert b"handled" in answer.body
    assert [found[0] for found in seen] == [status]


def test_requests_have_the_same_facts_behind_both_doors(app: App, colour: Any) -> None:
    """R21."""

    def facts(request: Request) -> Any:
        return [
            request.scheme,
            request.host,
            list(request.server or ()),
            request.path,
            list(request.client or ()),
            request.root_path,
            request.raw_path.decode(),
            request.http_version,
            str(request.url),
            str(request.base_url),
        ]

    app.get("/{rest:path}")(colour(facts))
    variants: Any = itertools.product(
        [b"/a", b"/a%20b/%C3%A9", b"/a?b=c"],
        ["http", "https"],
        [("10.0.0.1", 1234), None],
        [("testserver", 80), ("other", 8080), ("::1", 443)],
        ["", "/root"],
        [[], [(b"host", b"example.org")], [(b"host", b"example.org:81")], [(b"host", b"bad host")]],
        ["1.0", "1.1"],
    )
    for target, scheme, client, server, root, headers, version in variants:
        bodies = {
            exchange(
                app,
                door,  # type: ignore[arg-type]  # a Door
                "GET",
                target,
                headers,
                scheme=scheme,
                client=client,
                server=server,
                root_path=root,
                http_version=version,
            ).body
            for door in DOORS
        }
        assert len(bodies) == 1, bodies


def test_blanks_around_a_field_are_no_part_of_its_value(ask: Ask, app: App) -> None:
    """H-51: RFC 9110 §5.5; uvicorn leaves those behind it where it reads by httptools."""
    app.get("/")(lambda request: request.headers["x-key"])
    assert ask(app, "GET", b"/", [(b"x-key", b" \ta b\xa0 \t")]).body == "a b\xa0".encode()


def test_a_header_spelt_with_underscores_is_no_header_with_dashes(ask: Ask, app: App) -> None:
    """R20: a proxy that strips X-Auth-User lets X_Auth_User pass."""

    @app.get("/")
    def names(request: Request) -> list[str]:
        return [name for name in request.headers if "auth" in name]

    answer = ask(app, "GET", b"/", [(b"host", b"x"), (b"X_Auth_User", b"admin"), (b"x-auth-kind", b"b")])
    assert answer.body == b'["x-auth-kind"]'
