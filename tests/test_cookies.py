"""Cookies that are set and deleted, read back by a strict parser, and cookies that come in, behind both doors."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import App, Response
from duoframe.cookies import cookie_field, cookie_identity, parse_cookies
from duoframe.datastructures import check_field
from tests.conftest import Ask

Colour = Callable[[Callable[..., Any]], Callable[..., Any]]

EVERY_CHARACTER = st.characters(exclude_categories=())
OCTET = r"[!#-+\--:<-\[\]-~]"  # cookie-octet, RFC 6265 §4.1.1
STRICT = re.compile(
    rf'(?P<name>[!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?P<value>{OCTET}*|"(?:{OCTET}|\\[0-3][0-7][0-7])*")'
    r"(?:; Max-Age=(?P<max_age>-?[0-9]+))?"
    r"(?:; Expires=(?P<expires>[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT))?"
    r"(?:; Domain=(?P<domain>[0-9A-Za-z.-]+))?"
    r"; Path=(?P<path>/[!-:<-~]*)"
    r"(?P<secure>; Secure)?"
    r"(?P<httponly>; HttpOnly)?"
    r"(?:; SameSite=(?P<samesite>Lax|Strict|None))?"
    r"(?P<partitioned>; Partitioned)?"
)


def read_back(field: str) -> dict[str, Any]:
    """The one cookie of a Set-Cookie field, read strictly."""
    found = STRICT.fullmatch(field)
    assert found, field
    parts: dict[str, Any] = found.groupdict()
    parts["value"] = parse_cookies(f"x={parts['value']}")["x"]
    parts["max_age"] = None if parts["max_age"] is None else int(parts["max_age"])
    for flag in ("secure", "httponly", "partitioned"):
        parts[flag] = parts[flag] is not None
    return parts


def set_cookies(response: Response) -> list[str]:
    return response.headers.getlist("set-cookie")


# Setting


def test_a_cookie_has_safe_attributes_unless_others_are_asked_for() -> None:
    response = Response()
    response.set_cookie("theme", "dark")
    assert set_cookies(response) == ["theme=dark; Path=/; HttpOnly; SameSite=Lax"]


def test_what_is_not_asked_for_is_not_sent() -> None:
    response = Response()
    response.set_cookie("a", httponly=False, samesite=None)
    assert set_cookies(response) == ["a=; Path=/"]


def test_every_attribute_is_sent_as_it_was_given() -> None:
    """RFC 6265bis §4.1.1."""
    response = Response()
    response.set_cookie(
        "a",
        "b;c",
        max_age=60,
        expires=0,
        path="/x",
        domain="example.com",
        secure=True,
        httponly=False,
        samesite="None",
        partitioned=True,
    )
    [field] = set_cookies(response)
    assert field == (
        'a="b\\073c"; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Domain=example.com; Path=/x; Secure;'
        " SameSite=None; Partitioned"
    )


WORDS = st.text(EVERY_CHARACTER, max_size=20)
LIKELY = st.text('ab-.;,=/ \t\r\n\x00\x7f\\"%éA0_', max_size=12)


PLAIN: dict[str, Any] = {
    "name": "a",
    "value": "b",
    "max_age": None,
    "path": "/",
    "domain": None,
    "secure": False,
    "httponly": True,
    "samesite": "Lax",
    "partitioned": False,
}


@given(
    parts=st.fixed_dictionaries(
        {
            "name": st.sampled_from(["a", "__Host-a", "__Secure-a"]) | WORDS | LIKELY,
            "value": WORDS | LIKELY,
            "max_age": st.none() | st.integers(),
            "path": st.sampled_from(["/", "/a"]) | WORDS | LIKELY.map(lambda text: "/" + text),
            "domain": st.none() | st.just("a.example") | WORDS | LIKELY,
            "secure": st.booleans(),
            "httponly": st.booleans(),
            "samesite": st.sampled_from(["Lax", "Strict", "None", None]) | WORDS | LIKELY,
            "partitioned": st.booleans(),
        }
    )
)
@example(parts={**PLAIN, "name": "a\n"})
@example(parts={**PLAIN, "path": "/\n"})
@example(parts={**PLAIN, "path": "/ "})
@example(parts={**PLAIN, "domain": "a.example\n"})
@example(parts={**PLAIN, "samesite": "Lax\n"})
def test_whatever_is_given_is_one_cookie_with_these_attributes_or_an_error(parts: dict[str, Any]) -> None:
    """R24, R22, C-04: over all code points."""
    try:
        field = cookie_field(**parts)
    except ValueError:
        return
    assert check_field("set-cookie", field) == ("set-cookie", field)
    assert read_back(field) == {"expires": None, **parts}
    assert cookie_identity(field) == (parts["name"], (parts["domain"] or "").lower(), parts["path"])


@given(st.text(max_size=200))
@example('"')
@example("a;b,c d\\ \r\n\x00\x7f%3B")
@example("é\x80\xff日本")
def test_a_value_comes_back_as_it_was_set(value: str) -> None:
    """C-03."""
    response = Response()
    response.set_cookie("a", value)
    sent = set_cookies(response)[0].partition("; ")[0]  # what a user agent sends back
    assert parse_cookies(f"x=1; {sent}; y=2").multi_items() == [("x", "1"), ("a", value), ("y", "2")]


@pytest.mark.parametrize(
    ("name", "attributes", "message"),
    [
        ("", {}, "cookie name"),
        ("a b", {}, "cookie name"),
        ("a=b", {}, "cookie name"),
        ("a;b", {}, "cookie name"),
        ("a,b", {}, "cookie name"),
        ("a\r\nset-cookie: b", {}, "cookie name"),
        ("à", {}, "cookie name"),
        ("a", {"path": "x"}, "starts with '/'"),
        ("a", {"path": "/;domain=evil.example"}, "without ';'"),
        ("a", {"path": "/\r\n"}, "percent-encoded"),
        ("a", {"path": "/" + "a" * 1024}, "of 1024 bytes at most"),
        ("a", {"path": "/é"}, "percent-encoded"),
        ("a", {"domain": "a;b"}, "expected a domain"),
        ("a", {"domain": ".example.com"}, "expected a domain"),
        ("a", {"domain": "bücher.example"}, "xn--"),
        ("a", {"domain": "a." * 127}, "expected a domain"),
        ("a", {"domain": ""}, "expected a domain"),
        ("a", {"samesite": "Lax; Domain=b"}, "samesite"),
        ("a", {"value": "\ud800"}, "surrogates"),
    ],
)
def test_what_would_break_out_of_its_place_is_refused(name: str, attributes: dict[str, Any], message: str) -> None:
    """C-04, R22."""
    response = Response()
    with pytest.raises(ValueError, match=re.escape(message)):
        response.set_cookie(name, **attributes)
    assert set_cookies(response) == []


@pytest.mark.parametrize(
    ("name", "attributes"),
    [(1, {}), ("a", {"value": 1}), ("a", {"value": None}), ("a", {"max_age": 1.5}), ("a", {"max_age": True})],
)
def test_a_value_of_another_type_is_a_type_error(name: Any, attributes: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="expected"):
        Response().set_cookie(name, **attributes)


@pytest.mark.parametrize("attributes", [{"samesite": "None"}, {"partitioned": True}])
def test_what_only_secure_cookies_may_say_asks_for_secure(attributes: dict[str, Any]) -> None:
    """C-05: RFC 6265bis §5.7, CHIPS."""
    with pytest.raises(ValueError, match="without secure=True"):
        Response().set_cookie("a", **attributes)
    Response().set_cookie("a", secure=True, **attributes)


@pytest.mark.parametrize("prefix", ["__Host-", "__host-", "__Secure-", "__SECURE-"])
@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("path", ["/", "/a"])
@pytest.mark.parametrize("domain", [None, "example.com"])
def test_a_prefixed_name_needs_what_it_promises(prefix: str, secure: bool, path: str, domain: str | None) -> None:
    """C-06, R27: RFC 6265bis §4.1.3."""
    allowed = secure and (prefix.lower() == "__secure-" or (path == "/" and domain is None))
    response = Response()
    if allowed:
        response.set_cookie(f"{prefix}id", "1", secure=secure, path=path, domain=domain)
        assert len(set_cookies(response)) == 1
    else:
        with pytest.raises(ValueError, match=r"the prefix __(Host|Secure)- asks for secure=True"):
            response.set_cookie(f"{prefix}id", "1", secure=secure, path=path, domain=domain)


EAST = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime.datetime(2027, 6, 9, 10, 18, 14), "Wed, 09 Jun 2027 10:18:14 GMT"),
        (datetime.datetime(2027, 6, 9, 10, 18, 14, tzinfo=datetime.UTC), "Wed, 09 Jun 2027 10:18:14 GMT"),
        (datetime.datetime(2027, 6, 9, 1, 18, 14, tzinfo=EAST), "Tue, 08 Jun 2027 23:18:14 GMT"),
        (datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999), "Fri, 31 Dec 9999 23:59:59 GMT"),
        (datetime.datetime(1601, 1, 1), "Mon, 01 Jan 1601 00:00:00 GMT"),
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (784111777.5, "Sun, 06 Nov 1994 08:49:37 GMT"),  # RFC 9110 §5.6.7
        (253402300799, "Fri, 31 Dec 9999 23:59:59 GMT"),
    ],
)
def test_expires_is_a_date_in_gmt(moment: datetime.datetime | float, text: str) -> None:
    """C-07: RFC 6265 §5.1.1, RFC 9110 §5.6.7."""
    assert read_back(cookie_field("a", expires=moment))["expires"] == text


@pytest.mark.parametrize(
    "moment",
    [
        253402300800,
        10**30,
        float("nan"),
        float("inf"),
        datetime.datetime(9999, 12, 31, 23, tzinfo=datetime.timezone(-datetime.timedelta(hours=2))),
        datetime.datetime(1600, 12, 31),
        -99_999_999_999,
    ],
)
def test_a_moment_that_user_agents_cannot_read_is_refused(moment: datetime.datetime | float) -> None:
    """C-07: RFC 6265 §5.1.1."""
    with pytest.raises(ValueError, match=r"after the year 1600|in the years 1 to 9999"):
        cookie_field("a", expires=moment)


def test_max_age_is_sent_beside_expires_and_may_be_negative() -> None:
    """C-07: user agents heed Max-Age before Expires (RFC 6265 §5.3)."""
    parts = read_back(cookie_field("a", max_age=-1, expires=0))
    assert (parts["max_age"], parts["expires"]) == (-1, "Thu, 01 Jan 1970 00:00:00 GMT")


def test_the_same_cookie_set_twice_is_sent_once() -> None:
    response = Response(headers=[("x-a", "1"), ("set-cookie", "raw=1")])
    response.set_cookie("a", "1", domain="Example.com")
    response.set_cookie("a", "2")
    response.set_cookie("a", "3", path="/b")
    response.set_cookie("a", "4", domain="example.com", httponly=False)
    response.set_cookie("A", "5")
    assert set_cookies(response) == [
        "raw=1",
        "a=2; Path=/; HttpOnly; SameSite=Lax",
        "a=3; Path=/b; HttpOnly; SameSite=Lax",
        "a=4; Domain=example.com; Path=/; SameSite=Lax",
        "A=5; Path=/; HttpOnly; SameSite=Lax",
    ]
    assert response.headers["x-a"] == "1"


def test_deleting_sends_the_same_attributes_and_no_age() -> None:
    """C-08."""
    response = Response()
    attributes: dict[str, Any] = {
        "path": "/x",
        "domain": "example.com",
        "secure": True,
        "httponly": False,
        "samesite": "None",
        "partitioned": True,
    }
    response.set_cookie("a", "1", **attributes)
    response.delete_cookie("a", **attributes)
    [field] = set_cookies(response)
    expected = {"name": "a", "value": "", "max_age": 0, "expires": "Thu, 01 Jan 1970 00:00:00 GMT"}
    assert read_back(field) == {**expected, **attributes}


def test_a_cookie_of_more_than_4096_bytes_is_an_error_when_it_is_set() -> None:
    """R39, C-09: RFC 6265 §6.1."""
    response = Response()
    rest = len("a=; Path=/; HttpOnly; SameSite=Lax")
    response.set_cookie("a", "x" * (4096 - rest))
    assert len(set_cookies(response)[0]) == 4096
    with pytest.raises(ValueError, match="cookie 'a': expected at most 4096 bytes with its attributes, got 4097"):
        response.set_cookie("a", "x" * (4097 - rest))
    with pytest.raises(ValueError, match="expected at most 4096 bytes"):
        response.set_cookie("a", "€" * 400)  # twelve bytes each, once quoted
    assert len(set_cookies(response)[0]) == 4096


def test_more_than_fifty_cookies_are_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """C-09: RFC 6265 §6.1."""
    response = Response()
    for number in range(50):
        response.set_cookie(f"a{number}")
    assert caplog.records == []
    for number in range(60):
        response.set_cookie(f"a{number}", "again")
    response.set_cookie("a50", "once more")
    assert [record.getMessage() for record in caplog.records] == [
        "<Response 200> sets more than 50 cookies: user agents may drop some"
    ]


def test_cookies_leave_through_both_doors(app: App, ask: Ask, colour: Colour) -> None:
    """C-08, A-37: each in a field of its own."""

    def answer() -> Response:
        response = Response("ok")
        response.set_cookie("a", "é;", max_age=5)
        response.delete_cookie("b")
        return response

    app.get("/")(colour(answer))
    sent = [value for name, value in ask(app, "GET", b"/").headers if name == "set-cookie"]
    assert [(read_back(field)["name"], read_back(field)["value"]) for field in sent] == [("a", "é;"), ("b", "")]


# Reading


@pytest.mark.parametrize(
    ("fields", "pairs"),
    [
        ([b"a=1; a=2"], [["a", "1"], ["a", "2"]]),
        ([b"a=1", b"b=2; c=3", b"a=4"], [["a", "1"], ["b", "2"], ["c", "3"], ["a", "4"]]),
        ([b"=x; x; ;;;; a=b=c", b'"q"=1'], [["a", "b=c"], ['"q"', "1"]]),
        ([b" a\t=\t1 ", b"b = 2;"], [["a", "1"], ["b", "2"]]),
        (['a=é; b="\\303\\251"'.encode()], [["a", "é"], ["b", "é"]]),
        ([b"a=\xff"], [["a", "\ufffd"]]),
        ([b""], []),
        ([], []),
    ],
)
def test_cookie_fields_are_read_alike(
    app: App, ask: Ask, colour: Colour, fields: list[bytes], pairs: list[list[str]]
) -> None:
    """C-01, C-02, C-03, R29: a WSGI server joins several fields by `; `, an ASGI server hands them over."""
    app.get("/")(colour(lambda request: request.cookies.multi_items()))
    answer = ask(app, "GET", b"/", headers=[(b"cookie", field) for field in fields])
    assert answer.status == 200
    assert json.loads(answer.body) == pairs


# What user agents are known to send: by the rules of RFC 6265 §5.2 and §5.4 a cookie may hold nearly anything, and it
# comes back between `=` and `;` as it was stored.
KINDS_OF_COOKIES: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("one cookie", "foo=bar", [("foo", "bar")]),
    ("two cookies", "foo=bar; foo2=qux", [("foo", "bar"), ("foo2", "qux")]),
    ("the order in which they were made", "z=y; a=b", [("z", "y"), ("a", "b")]),
    ("a comma separates nothing", "foo=bar, baz=qux", [("foo", "bar, baz=qux")]),
    ("a comma within quotes", 'foo="bar, baz=qux"', [("foo", "bar, baz=qux")]),
    ("a comma in a name", "b,az=qux", [("b,az", "qux")]),
    ("an empty value", "x=; c=d", [("x", ""), ("c", "d")]),
    ("an empty name", "=bar; c=d", [("c", "d")]),
    ("neither name nor value", "=; c=d", [("c", "d")]),
    ("no sign of equality", "foo; c=d; bar", [("c", "d")]),
    ("blanks instead of a cookie", "   ;\t; c=d;   ", [("c", "d")]),
    ("blanks around a name and a value", "  foo \t=\t bar  ", [("foo", "bar")]),
    ("blanks within a value", "a=b  c", [("a", "b  c")]),
    ("blanks within a name", "a b=c", [("a b", "c")]),
    ("blanks within quotes", 'a=" b "', [("a", " b ")]),
    ("several signs of equality", "a=== b", [("a", "== b")]),
    ("a quote that opens", 'a="b', [("a", '"b')]),
    ("a quote that closes", 'a=b"', [("a", 'b"')]),
    ("a quote within", 'a=b"c', [("a", 'b"c')]),
    ("two quoted words", 'a="b"   "c"', [("a", 'b"   "c')]),
    ("a semicolon within quotes ends the value", 'a="b;c"; d=e', [("a", '"b'), ("d", "e")]),
    ("a quoted name", '"a"=b', [('"a"', "b")]),
    ("a name with a backslash", '"a\\"b"=c', [('"a\\"b"', "c")]),
    (
        "names that look like attributes",
        "Path=/; Secure=; Expires=x",
        [("Path", "/"), ("Secure", ""), ("Expires", "x")],
    ),
    ("names of RFC 2965", "$Version=1; a=b; $Path=/", [("$Version", "1"), ("a", "b"), ("$Path", "/")]),
    ("names that differ in case", "a=1; A=2", [("a", "1"), ("A", "2")]),
    ("the same name from two paths", "a=deep; a=shallow", [("a", "deep"), ("a", "shallow")]),
    ("a date", "a=Fri, 07-Aug-2099 08:04:19 GMT", [("a", "Fri, 07-Aug-2099 08:04:19 GMT")]),
    ("an address", "a=http://x/?b=c&d=e", [("a", "http://x/?b=c&d=e")]),
    ("percent signs", "a=%3B%20%zz", [("a", "%3B%20%zz")]),
    ("markup", "a=<b>&</b>", [("a", "<b>&</b>")]),
    ("JSON", 'a={"b":[1,2]}', [("a", '{"b":[1,2]}')]),
    ("text of another script", "foo=春节; 回家=路·春运", [("foo", "春节"), ("回家", "路·春运")]),
    ("text of another script within quotes", 'foo="春节"', [("foo", "春节")]),
    ("the marks of a number", "a=0; b=-1; c=1e9", [("a", "0"), ("b", "-1"), ("c", "1e9")]),
    ("a long value", f"a={'b' * 5000}; c=d", [("a", "b" * 5000), ("c", "d")]),
    ("a long name without a value", "a" * 5000, []),
    ("a control character", "a=b\x01c; d=\x7f", [("a", "b\x01c"), ("d", "\x7f")]),
]


@pytest.mark.parametrize(
    ("header", "pairs"), [row[1:] for row in KINDS_OF_COOKIES], ids=[row[0] for row in KINDS_OF_COOKIES]
)
def test_what_user_agents_send_is_read(header: str, pairs: list[tuple[str, str]]) -> None:
    """R30, R26, C-02: in the kinds of the http-state corpus."""
    assert parse_cookies(header.encode().decode("latin-1")).multi_items() == pairs
