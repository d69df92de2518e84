"""What a client says of itself and of the answer it wants; Werkzeug's reading is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def read(names: Any) -> Any:  # Any: gives what a request's attribute is for a field
    app = names.Flask(__name__)

    def read(attribute: str, name: str, value: str | None) -> Any:
        headers = {} if value is None else {name: value}
        with app.test_request_context(headers=headers):
            return getattr(names.request, attribute)

    return read


@pytest.mark.parametrize(
    ("field", "offers", "chosen"),
    [
        ("text/html;q=0.8, application/json", ["text/html", "application/json"], "application/json"),
        ("text/html, application/json", ["application/json", "text/html"], "application/json"),
        ("text/*;q=0.5, */*;q=0.1", ["application/json", "text/csv"], "text/csv"),
        ("text/*, text/html", ["text/csv", "text/html"], "text/html"),
        ("*/*", ["text/csv", "text/html"], "text/csv"),
        ("text/html;q=0", ["text/html"], None),
        ("text/html;level=1", ["text/html;level=1"], "text/html;level=1"),
        ("text/html;level=1", ["text/html;level=2"], None),
        ("nonsense, ;;, a/b;q=x, text/html;q=1.2.3", ["text/html"], None),
        (None, ["text/html"], None),
    ],
)
def test_the_best_media_type(read: Any, field: str | None, offers: list[str], chosen: str | None) -> None:
    assert read("accept_mimetypes", "Accept", field).best_match(offers) == chosen


def test_what_is_known_of_media_types(read: Any) -> None:
    accept = read("accept_mimetypes", "Accept", "text/html;q=0.8,application/json,*/*;q=0.1")
    assert list(accept) == [("application/json", 1), ("text/html", 0.8), ("*/*", 0.1)]
    assert (accept.best, accept["text/html"], accept.quality("image/png"), accept[0]) == (
        *("application/json", 0.8, 0.1, ("application/json", 1)),
    )
    assert ("image/png" in accept, list(accept.values())) == (True, ["application/json", "text/html", "*/*"])
    assert (accept.accept_html, accept.accept_xhtml, accept.accept_json) == (True, True, True)
    assert (accept.find("text/html"), accept.find("application/json")) == (1, 0)
    assert str(accept) == accept.to_header() == "application/json,text/html;q=0.8,*/*;q=0.1"
    assert repr(accept).startswith("MIMEAccept([(")
    none = read("accept_mimetypes", "Accept", None)
    assert (none.best, none.accept_html, none.accept_json, bool(none), none.provided) == (
        None,
        False,
        False,
        False,
        False,
    )
    xhtml = read("accept_mimetypes", "Accept", "application/xhtml+xml")
    assert (xhtml.accept_html, xhtml.accept_json, xhtml.find("text/html"), xhtml.quality("a/b")) == (True, False, -1, 0)


def test_what_is_no_media_type_fits_none(ours: Any) -> None:
    from duoframe.flask.accepts import MIMEAccept

    assert MIMEAccept.parse("*/*").quality("nonsense") == 0


@pytest.mark.parametrize(
    ("field", "offers", "chosen"),
    [
        ("de-CH, de;q=0.9, en;q=0.5", ["en", "de"], "de"),
        ("de-CH", ["de"], "de"),
        ("de", ["de-AT"], "de-AT"),
        ("de_CH", ["de-ch"], "de-ch"),
        ("fr", ["de", "en"], "none"),
        ("*", ["de"], "de"),
        (None, ["de"], "none"),
    ],
)
def test_the_best_language(read: Any, field: str | None, offers: list[str], chosen: str) -> None:
    assert read("accept_languages", "Accept-Language", field).best_match(offers, "none") == chosen


def test_charsets_and_codings(read: Any) -> None:
    assert read("accept_charsets", "Accept-Charset", "utf-8, latin-1;q=0.5").best_match(["latin-1", "UTF-8"]) == "UTF-8"
    assert "gzip" in read("accept_encodings", "Accept-Encoding", "gzip, *;q=0")


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("Basic YWRhOng6eQ==", ("basic", "ada", "x:y", None)),
        ("basic w6k6w7w=", ("basic", "é", "ü", None)),
        ("Bearer abc.def==", ("bearer", None, None, "abc.def==")),
        ('Digest username="ada", realm="x\\"y"', ("digest", "ada", None, None)),
        ("Basic !", None),
        ("Basic /w==", None),
        (None, None),
    ],
)
def test_credentials(read: Any, field: str | None, told: Any) -> None:
    found = read("authorization", "Authorization", field)
    if told is None:
        assert found is None
    else:
        assert (found.type, found.username, found.password, found.token) == told
        assert found.get("realm") == ('x"y' if told[0] == "digest" else None)
        assert found.parameters.get("username") == told[1]


def test_conditions(read: Any) -> None:
    tags = read("if_none_match", "If-None-Match", '"a", W/"b"')
    assert ("a" in tags, tags.contains("b"), tags.contains_weak("b"), tags.contains_weak("c")) == (
        *(True, False, True, False),
    )
    assert (tags.as_set(), tags.as_set(include_weak=True), bool(tags), sorted(tags)) == ({"a"}, {"a", "b"}, True, ["a"])
    assert set(str(tags).split(", ")) == {'"a"', 'W/"b"'} == set(tags.to_header().split(", "))
    every = read("if_match", "If-Match", "*")
    assert (every.star_tag, "x" in every, every.to_header(), bool(every)) == (True, True, "*", True)
    assert not read("if_match", "If-Match", None)


@pytest.mark.parametrize(
    ("field", "ranges", "of_ten"),
    [
        ("bytes=0-499", [(0, 500)], (0, 10)),
        ("bytes=2-4", [(2, 5)], (2, 5)),
        ("bytes=5-", [(5, None)], (5, 10)),
        ("bytes=-3", [(-3, None)], (7, 10)),
        ("bytes=0-1,4-5", [(0, 2), (4, 6)], None),
        ("bytes=20-30", [(20, 31)], None),
        ("items=0-5", [(0, 6)], None),
        ("bytes=5-2", None, None),
        ("bytes=x", None, None),
        ("bytes", None, None),
        ("bytes=-", None, None),
        (None, None, None),
    ],
)
def test_ranges(read: Any, field: str | None, ranges: Any, of_ten: Any) -> None:
    found = read("range", "Range", field)
    if ranges is None:
        assert found is None
    else:
        assert (found.ranges, found.range_for_length(10), found.range_for_length(None)) == (ranges, of_ten, None)
        assert found.to_header() == field


def test_a_user_agent(read: Any) -> None:
    agent = read("user_agent", "User-Agent", "tester/1")
    assert (agent.string, str(agent), agent.to_header()) == ("tester/1",) * 3
    assert (agent.platform, agent.browser, agent.version, agent.language) == (None,) * 4


def test_what_is_no_parameter_of_an_authorization_is_passed_over() -> None:
    """RFC 9110 §11.2: a client's malformed parts cost it these alone."""
    from duoframe.flask.accepts import Authorization

    found = Authorization.parse('Digest junk, realm="a, b" more, , nonce = n ,, "x", last')
    assert found is not None
    assert found.parameters == {"realm": "a, b", "nonce": "n"}
