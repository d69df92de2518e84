"""Bodies of requests through both doors: JSON, forms and uploads as a handler finds them, and what is refused.

What each of them is made of, without a door, is in `test_body`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from duoframe import App, Limits, Request, inline
from duoframe.testing import Exchange
from tests.conftest import Ask, MakeApp
from tests.test_body import CORPUS, JSON, MULTIPART, URLENCODED, field, file, form, outcome, part

Body = bytes | Iterable[bytes]


def post(ask: Ask, app: App, body: Body, kind: str = MULTIPART, target: bytes = b"/") -> Exchange:
    fields = [(b"content-type", kind.encode("latin-1"))] if kind else []
    return ask(app, "POST", target, fields, body)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[place : place + size] for place in range(0, len(data), size))


def described(request: Request) -> Any:
    """The form as JSON: fields, then name, filename, raw filename, type and size of the files."""
    files = [
        [name, item.filename, item.raw_filename, item.content_type, item.size]
        for name, item in request.files.multi_items()
    ]
    return [request.form.multi_items(), files]


@pytest.fixture
def forms(app: App, colour: Any) -> App:
    """Answers what a form has in it."""
    app.post("/")(colour(described))
    return app


@pytest.fixture
def jsons(app: App, colour: Any) -> App:
    """Answers the JSON that it was sent."""
    app.post("/")(colour(lambda request: [request.json]))
    return app


# JSON


@pytest.mark.parametrize("kind", ['APPLICATION/JSON; Charset="UTF-8"', "application/vnd.x+json", JSON])
def test_json_media_types_are_read(ask: Ask, jsons: App, kind: str) -> None:
    """H-14, H-16"""
    assert post(ask, jsons, b'{"a": [1, null]}', kind).body == b'[{"a":[1,null]}]'


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-16", "application/json; charset=latin-1", "", "text/plain", URLENCODED]
)
def test_another_media_type_or_charset_is_415(ask: Ask, jsons: App, kind: str) -> None:
    """H-15, H-17"""
    assert post(ask, jsons, b"{}", kind).status == 415


@pytest.mark.parametrize("body", [b"", iter([b""])], ids=["of length 0", "in chunks"])
def test_an_empty_body_is_no_json(ask: Ask, jsons: App, body: Any) -> None:
    """H-18"""
    assert post(ask, jsons, body, JSON).status == 400


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b'{"a": "x\xff"}',
        b"\xef\xbb\xbf{}",
        b"[NaN]",
        b"[Infinity]",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" + b"1" * 5_000 + b"]",
        b"[" + b"1" * 10_000 + b"]",
    ],
    ids=["truncated", "invalid UTF-8", "BOM", "NaN", "Infinity", "deep", "deep objects", "5000 digits", "10000 digits"],
)
def test_malformed_json_is_a_bad_request(ask: Ask, jsons: App, text: bytes) -> None:
    """H-19, R70"""
    answer = post(ask, jsons, text, JSON)
    assert answer.status == 400
    assert json.loads(answer.body)["detail"].startswith("malformed JSON: ")


def test_of_duplicate_members_the_last_counts(ask: Ask, jsons: App) -> None:
    """H-19"""
    assert post(ask, jsons, b'{"a": 1, "a": 2}', JSON).body == b'[{"a":2}]'


def test_an_answer_that_is_nested_too_deeply_is_a_clean_500(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """R70"""

    def deep(request: Request) -> Any:
        value: list[Any] = []
        for _ in range(100_000):
            value = [value]
        return value

    app.get("/")(colour(deep))
    answer = ask(app, "GET", b"/")
    assert (answer.status, json.loads(answer.body)["status"]) == (500, 500)


# Multipart forms


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 257,
        'multipart/form-data; boundary="a\x0bb"',
    ],
)
def test_a_boundary_that_is_none_is_a_bad_request(ask: Ask, forms: App, kind: str) -> None:
    """F-01"""
    assert post(ask, forms, form(field("a")), kind).status == 400


def test_a_quoted_boundary_is_taken(ask: Ask, forms: App) -> None:
    """F-01"""
    kind = 'multipart/form-data; boundary="frontier"'
    assert post(ask, forms, form(field("a", b"1")), kind).body == b'[[["a","1"]],[]]'


@pytest.mark.parametrize(
    "data",
    [
        field("a", b"b"),
        form(part("form-data")),
        form(b"--frontier\r\nX: y\r\n\r\n\r\n"),
        form(part('form-data; name="a"; name="b"')),
        form(part('form-data; name="a"; filename="b"; filename="c"')),
        form(part('form-data; name="\udce9"')),
        form(part('form-data; name="a"; filename="\udce9"')),
        form(part('form-data; name="a"', b"", "Content-Type: multipart/mixed; boundary=b")),
    ],
    ids=["no end", "no name", "no disposition", "2 names", "2 filenames", "name", "filename", "nested"],
)
def test_a_malformed_form_is_a_bad_request(ask: Ask, forms: App, data: bytes) -> None:
    """F-02, F-05, F-10, F-12, R53, R54"""
    assert post(ask, forms, data).status == 400


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (form(), [[], []]),
        (form(field("a", b"1")) + b"\r\njunk" * 9, [[["a", "1"]], []]),
        (form(file(""), field("a")), [[["a", ""]], []]),
        (form(part("form-data; name=a; filename=f; filename*=utf-8''evil; name*0=x")),
         [[], [["a", "f", "f", "text/plain", 0]]]),
        (form(field("a%22b%0D%0Ac%41", b"x")), [[['a"b\r\nc%41', "x"]], []]),
        (form(field("a", b"x\xff")), [[["a", "x\ufffd"]], []]),
        (form(field("_charset_", b"latin-1"), field("a", "é".encode())), [[["_charset_", "latin-1"], ["a", "é"]], []]),
        (form(part("form-data; name=a", b"PT0=", "Content-Transfer-Encoding: base64", "Content-Length: 99")),
         [[["a", "PT0="]], []]),
        (form(part("form-data; name=a", b"x", "Content-Encoding: gzip", "Transfer-Encoding: chunked")),
         [[["a", "x"]], []]),
    ],
    ids=["zero parts", "epilogue", "no file chosen", "extended names", "escapes", "no UTF-8", "_charset_", "base64",
         "codings"],
)  # fmt: skip
def test_a_form_is_what_the_standards_say(ask: Ask, forms: App, data: bytes, expected: Any) -> None:
    """F-03, F-04, F-06, F-07, F-08, F-10, F-11, F-13, R53"""
    assert json.loads(post(ask, forms, data).body) == expected


@pytest.mark.parametrize(
    ("sent", "safe"),
    [
        ("../../x", "x"),
        ("C:\\a\\b", "b"),
        ("a\x00b", "ab"),
        ("CON", "_CON"),
        ("x" * 1000, "x" * 255),
        ("😀.png", "😀.png"),
    ],
)
def test_the_name_of_a_file_is_safe_and_the_raw_one_kept_apart(ask: Ask, forms: App, sent: str, safe: str) -> None:
    """F-09, R58"""
    answer = post(ask, forms, form(part(f'form-data; name="a"; filename="{sent}"', b"xy")))
    assert json.loads(answer.body) == [[], [["a", safe, sent, "text/plain", 2]]]


@pytest.mark.parametrize("data", CORPUS)
def test_a_form_that_comes_byte_by_byte_is_the_same(ask: Ask, forms: App, data: bytes) -> None:
    """F-15"""
    answer = post(ask, forms, pieces(data, 1))
    expected = outcome(MULTIPART, [data])
    if isinstance(expected, int):
        assert answer.status == expected
    else:
        fields, files = json.loads(answer.body)
        assert fields == [list(pair) for pair in expected[0]]
        assert [[name, raw, size] for name, _, raw, _, size in files] == [
            [name, raw, len(content)] for name, raw, _, content in expected[1]
        ]


# Limits, of both kinds of form


@pytest.mark.parametrize(
    ("limit", "kind", "fit", "surplus"),
    [
        ("max_body_size", JSON, b'"%s"' % (b"x" * 98), b'"%s"' % (b"x" * 99)),
        ("max_fields", URLENCODED, b"a=1&" * 100, b"a=1&" * 101),
        ("max_fields", MULTIPART, form(*[field("a")] * 100), form(*[field("a")] * 101)),
        ("max_field_size", URLENCODED, b"a=" + b"x" * 100, b"a=" + b"x" * 101),
        ("max_field_size", MULTIPART, form(field("a", b"x" * 100)), form(field("a", b"x" * 101))),
        ("max_form_memory", URLENCODED, b"a=" + b"x" * 98, b"a=" + b"x" * 99),
        ("max_files", MULTIPART, form(*[file("f")] * 100), form(*[file("f")] * 101)),
        ("max_file_size", MULTIPART, form(file("f", b"x" * 100)), form(file("f", b"x" * 101))),
        ("max_part_headers", MULTIPART, form(part("form-data; name=a", b"", *["X: y"] * 99)),
         form(part("form-data; name=a", b"", *["X: y"] * 100))),
        ("max_part_header_size", MULTIPART, form(part("form-data; name=a", b"", "X:" + "y" * 98)),
         form(part("form-data; name=a", b"", "X:" + "y" * 99))),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [70, 100_000])
def test_a_limit_itself_is_fine_and_one_more_is_413(
    ask: Ask, make_app: MakeApp, colour: Any, limit: str, kind: str, fit: bytes, surplus: bytes, size: int
) -> None:
    """F-14, F-20, R51, A-18"""
    app = make_app(limits=Limits(**{limit: 100}))
    app.post("/")(colour(lambda request: len(request.form)))
    assert post(ask, app, pieces(fit, size), kind).status == 200
    answer = post(ask, app, pieces(surplus, size), kind)
    assert answer.status == 413
    assert ask.door == "wsgi" or size == 100_000 or ("connection", "close") in answer.headers


def test_an_urlencoded_form_is_read_by_the_url_standard(ask: Ask, forms: App) -> None:
    """F-20"""
    answer = post(ask, forms, b"a+b=c%20d&a=1&a=2&%zz=%ff&", URLENCODED)
    assert json.loads(answer.body)[0] == [["a b", "c d"], ["a", "1"], ["a", "2"], ["%zz", "\ufffd"]]
    assert post(ask, forms, urlencode([("a", "b")] * 100_000).encode(), URLENCODED).status == 413


@pytest.mark.parametrize("attribute", ["form", "files", "body", "json"])
@pytest.mark.parametrize("kind", [URLENCODED, MULTIPART, JSON])
def test_a_body_is_looked_at_as_often_as_one_likes(ask: Ask, app: App, colour: Any, kind: str, attribute: str) -> None:
    """F-21: in any order, and of `form` and `files` the same object each time."""

    def look(request: Request, name: str) -> Any:
        if kind == MULTIPART and name == "body":
            with pytest.raises(RuntimeError, match="stream=True"):
                _ = request.body
            return None
        return getattr(request, name)

    def handler(request: Request) -> Any:
        names = [attribute, "body", "form", "files", attribute]
        if kind != JSON:
            names = [name for name in names if name != "json"]
        found = {name: look(request, name) for name in names}
        assert all(look(request, name) is found[name] for name in ("form", "files"))
        return [dict(request.form), len(request.files)]

    app.post("/")(colour(handler))
    body = {URLENCODED: b"a=1", MULTIPART: form(field("a", b"1"), file("f")), JSON: b'{"a": 1}'}[kind]
    expected = {URLENCODED: b'[{"a":"1"},0]', MULTIPART: b'[{"a":"1"},1]', JSON: b"[{},0]"}[kind]
    assert post(ask, app, body, kind).body == expected


def test_get_may_have_a_body_and_limits_hold_for_it(ask: Ask, make_app: MakeApp, colour: Any) -> None:
    """F-22"""
    app = make_app(max_body_size=10)
    app.get("/")(colour(lambda request: dict(request.form)))
    kind = [(b"content-type", URLENCODED.encode())]
    assert ask(app, "GET", b"/", kind, b"a=1").body == b'{"a":"1"}'
    assert ask(app, "GET", b"/", kind, b"a=12345678901").status == 413


# Expect: 100-continue, and what is never read


def gated(app: App, paint: Callable[[Any], Any]) -> bytes:
    @app.middleware
    @inline
    def gate(request: Request) -> Any:
        yield "not you", 403

    app.post("/")(paint(lambda request: "never"))
    return b"/"


def streamed(app: App, paint: Callable[[Any], Any]) -> bytes:
    app.post("/", stream=True)(paint(lambda request: ("not you", 403)))
    return b"/"


@pytest.mark.parametrize("refuse", [gated, streamed])
def test_a_refusal_is_sent_without_the_body(ask: Ask, app: App, colour: Any, refuse: Any) -> None:
    """H-23: RFC 9110 §10.1.1"""
    target = refuse(app, colour)
    pulled: list[bytes] = []

    def body() -> Iterator[bytes]:
        pulled.append(b"x")
        yield b"x" * 100

    answer = ask(app, "POST", target, [(b"content-length", b"100"), (b"expect", b"100-continue")], body())
    assert (answer.status, pulled) == (403, [])
    assert ask.door == "wsgi" or ("connection", "close") in answer.headers
