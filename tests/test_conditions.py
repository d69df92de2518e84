"""Entity tags, HTTP dates, and the order in which the conditions of a request are judged."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import App, CacheControl, ETag, FileResponse, HTMLResponse, Request, Response, StreamingResponse
from duoframe.conditions import ETagList, Preconditions, http_date, parse_date, whole_second
from tests.conftest import Ask
from tests.linear import assert_linear

OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_characters='"\x7f'), max_size=20)
TAGS = st.builds(ETag, OPAQUE, st.booleans())
MOMENTS = st.datetimes(timezones=st.just(UTC)).map(whole_second)
ANY_FIELD = st.text(st.characters(max_codepoint=0xFF), max_size=60)

EXAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)
"""The moment of RFC 9110 §5.6.7."""
LATER = EXAMPLE + timedelta(seconds=1)
EARLIER = EXAMPLE - timedelta(seconds=1)


class TestETag:
    @pytest.mark.parametrize(
        ("text", "tag"),
        [
            ('"xyzzy"', ETag("xyzzy")),  # RFC 9110 §8.8.3
            ('W/"xyzzy"', ETag("xyzzy", weak=True)),
            ('""', ETag("")),
            ('"a,b"', ETag("a,b")),
            ('"\\"', ETag("\\")),  # a backslash escapes nothing here
            ('"\xe9\xff"', ETag("\xe9\xff")),
            (' "a"\t', ETag("a")),
            ("xyzzy", None),
            ("", None),
            ('w/"a"', None),
            ('W/ "a"', None),
            ('"a', None),
            ('a"', None),
            ('"a b"', None),
            ('"a"b"', None),
            ('"a\x7f"', None),
            ('"a\n"', None),
            ('"\u0101"', None),
            ("*", None),
        ],
    )
    def test_a_tag_is_read_by_its_grammar(self, text: str, tag: ETag | None) -> None:
        """H-25: RFC 9110 §8.8.3."""
        assert ETag.parse(text) == tag

    @given(TAGS)
    def test_what_is_sent_is_read_back(self, tag: ETag) -> None:
        assert ETag.parse(str(tag)) == tag
        assert ETag.of(str(tag)) == ETag.of(tag) == tag
        assert ETag.of(tag.value) == ETag(tag.value)

    @pytest.mark.parametrize("value", ['a"b', "a b", "a\r\nset-cookie: b", "\x7f", "\u0101", "\ud800", '"'])
    def test_a_value_that_cannot_be_sent_is_refused(self, value: str) -> None:
        with pytest.raises(ValueError, match="expected an entity tag of latin-1 text"):
            ETag(value)
        with pytest.raises(ValueError, match="expected an entity tag of latin-1 text"):
            ETag.of(value)

    @pytest.mark.parametrize(
        ("one", "other", "strong", "weak"),
        [  # the table of RFC 9110 §8.8.3.2
            ('W/"1"', 'W/"1"', False, True),
            ('W/"1"', 'W/"2"', False, False),
            ('W/"1"', '"1"', False, True),
            ('"1"', '"1"', True, True),
        ],
    )
    def test_comparison_is_strong_or_weak(self, one: str, other: str, strong: bool, weak: bool) -> None:
        """H-25, H-26."""
        for left, right in ((ETag.of(one), ETag.of(other)), (ETag.of(other), ETag.of(one))):
            assert left.matches(right) is strong
            assert left.matches_weakly(right) is weak


class TestETagList:
    @pytest.mark.parametrize(
        ("field", "tags"),
        [
            ('"xyzzy"', ['"xyzzy"']),
            ('"xyzzy", "r2d2xxxx", "c3piozzzz"', ['"xyzzy"', '"r2d2xxxx"', '"c3piozzzz"']),  # RFC 9110 §13.1.1
            ('W/"xyzzy", W/"r2d2xxxx"', ['W/"xyzzy"', 'W/"r2d2xxxx"']),
            ('"a,b" , W/",",""', ['"a,b"', 'W/","', '""']),
            (' ,, "a"\t,,"b" ,', ['"a"', '"b"']),  # empty members, RFC 9110 §5.6.1.2
            ("", []),
            (",", []),
            ("xyzzy", []),
            ('xyzzy, "a"', ['"a"']),
            ('"a", xyzzy', ['"a"']),
            ('"a" "b", "c"', ['"c"']),
            ('"a"-gzip, "c"', ['"c"']),
            ('"open, "a"', ['"a"']),
            ('w/"a"', []),
            ('*, "a"', ['"a"']),
            ("**", []),
        ],
    )
    def test_members_that_are_no_tags_are_left_out(self, field: str, tags: list[str]) -> None:
        """H-25."""
        assert ETagList.parse(field).tags == set(tags)
        assert not ETagList.parse(field).any

    @pytest.mark.parametrize("field", ["*", " *\t"])
    def test_the_star_stands_alone(self, field: str) -> None:
        """H-25."""
        assert ETagList.parse(field) == ETagList(frozenset(), any=True)

    @given(st.lists(TAGS), st.sampled_from([",", ", ", "\t,,  "]))
    def test_any_list_is_read_back(self, tags: list[ETag], separator: str) -> None:
        assert ETagList.parse(separator.join(map(str, tags))).tags == set(map(str, tags))

    @given(ANY_FIELD)
    def test_no_field_raises(self, field: str) -> None:
        ETagList.parse(field)

    @pytest.mark.parametrize("piece", ['"a", ', "a", ",", '"', '",', 'W/"', " ", '"a" ', "\x00"])
    def test_the_work_is_linear(self, piece: str) -> None:
        """H-25, R68: counted, and of a size that would take minutes in quadratic time."""
        assert_linear(lambda size: lambda: ETagList.parse(piece * size), 500)
        ETagList.parse(piece * 200_000)


class TestDates:
    @pytest.mark.parametrize(
        ("text", "moment"),
        [
            # The three forms of RFC 9110 §5.6.7.
            ("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE),
            ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE),
            ("Sun Nov  6 08:49:37 1994", EXAMPLE),
            ("Thu Nov 16 08:49:37 1995", datetime(1995, 11, 16, 8, 49, 37, tzinfo=UTC)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", datetime(1970, 1, 1, tzinfo=UTC)),
            ("Mon, 29 Feb 1960 12:00:00 GMT", datetime(1960, 2, 29, 12, tzinfo=UTC)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            ("Mon, 01 Jan 0001 00:00:00 GMT", datetime(1, 1, 1, tzinfo=UTC)),
            # A leap second.
            ("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2017, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_each_form_is_read(self, text: str, moment: datetime) -> None:
        """H-27."""
        assert parse_date(text) == moment

    @pytest.mark.parametrize(
        "text",
        [
            *("", "0", "-1", "garbage", "now", "1994-11-06T08:49:37Z", "784111777"),
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 gmt",
            "sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:61 GMT",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sat, 01 Jan 0000 00:00:00 GMT",
            "Fri, 31 Dec 9999 23:59:60 GMT",
            "Sun, ٠٦ Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 94",
            "Sun Nov 00 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 GMT\n",
        ],
    )
    def test_anything_else_is_no_date(self, text: str) -> None:
        """H-27, R63."""
        assert parse_date(text) is None

    @pytest.mark.parametrize(
        ("text", "year"),
        [
            ("Friday, 01-Jan-00 00:00:00 GMT", 2000),
            ("Friday, 25-Nov-50 00:00:00 GMT", 2050),
            ("Friday, 25-Nov-75 12:00:00 GMT", 2075),  # 50 years to the second are not more than 50
            ("Friday, 25-Nov-75 12:00:01 GMT", 1975),
            ("Friday, 26-Nov-75 00:00:00 GMT", 1975),
            ("Friday, 01-Dec-75 00:00:00 GMT", 1975),
            ("Friday, 01-Jan-76 00:00:00 GMT", 1976),
            ("Friday, 01-Jan-99 00:00:00 GMT", 1999),
        ],
    )
    def test_a_year_of_two_digits_is_never_more_than_50_years_ahead(self, text: str, year: int) -> None:
        """H-27: RFC 9110 §5.6.7."""
        found = parse_date(text, now=datetime(2025, 11, 25, 12, 0, 0, tzinfo=UTC))
        assert found is not None
        assert found.year == year

    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (EXAMPLE, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (datetime(1994, 11, 6, 8, 49, 37), "Sun, 06 Nov 1994 08:49:37 GMT"),  # naive: UTC
            (datetime(1994, 11, 6, 9, 49, 37, 999_999, timezone(timedelta(hours=1))), "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777.9, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (-0.5, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (datetime(9999, 12, 31, 23, 59, 59), "Fri, 31 Dec 9999 23:59:59 GMT"),
            (datetime(1, 1, 1), "Mon, 01 Jan 0001 00:00:00 GMT"),
        ],
    )
    def test_a_moment_is_written_in_gmt(self, moment: datetime | float, text: str) -> None:
        """C-07."""
        assert http_date(moment) == text

    @pytest.mark.parametrize(
        "moment",
        [
            *(1e12, -1e12, float("nan"), float("inf"), 10**400),
            datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))),
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        ],
    )
    def test_a_moment_that_has_no_date_is_refused(self, moment: Any) -> None:
        """C-07."""
        with pytest.raises(ValueError, match="years 1 to 9999"):
            http_date(moment)

    @given(MOMENTS)
    @example(datetime(1, 1, 1, tzinfo=UTC))
    def test_any_moment_is_read_back(self, moment: datetime) -> None:
        """C-07, H-27."""
        assert parse_date(http_date(moment)) == moment
        assert parse_date(moment.strftime("%a %b ") + f"{moment.day:2} {moment:%H:%M:%S} {moment.year:04}") == moment

    @given(ANY_FIELD)
    def test_no_text_raises(self, text: str) -> None:
        """H-27."""
        parse_date(text)


def conditions(**fields: str) -> Preconditions:
    return Preconditions.parse({name.replace("_", "-"): value for name, value in fields.items()})


NOW, BEFORE, AFTER = map(http_date, (EXAMPLE, EARLIER, LATER))


class TestOrder:
    """H-24, R64: RFC 9110 §13.2.2. The representation has the tag "a" and was last modified at `EXAMPLE`."""

    @pytest.mark.parametrize(
        ("fields", "get", "put"),
        [
            ({}, None, None),
            # 1. If-Match
            ({"if_match": '"a"'}, None, None),
            ({"if_match": '"x", "a"'}, None, None),
            ({"if_match": "*"}, None, None),
            ({"if_match": '"x"'}, 412, 412),
            ({"if_match": 'W/"a"'}, 412, 412),
            ({"if_match": "a"}, 412, 412),
            ({"if_match": ""}, 412, 412),
            # 2. If-Unmodified-Since, which If-Match makes void
            ({"if_unmodified_since": NOW}, None, None),
            ({"if_unmodified_since": AFTER}, None, None),
            ({"if_unmodified_since": BEFORE}, 412, 412),
            ({"if_unmodified_since": "garbage"}, None, None),
            ({"if_match": '"a"', "if_unmodified_since": BEFORE}, None, None),
            ({"if_match": '"x"', "if_unmodified_since": AFTER}, 412, 412),
            # 3. If-None-Match
            ({"if_none_match": '"a"'}, 304, 412),
            ({"if_none_match": 'W/"a"'}, 304, 412),
            ({"if_none_match": 'W/"x", W/"a"'}, 304, 412),
            ({"if_none_match": "*"}, 304, 412),
            ({"if_none_match": '"x"'}, None, None),
            ({"if_none_match": "a"}, None, None),
            ({"if_none_match": ""}, None, None),
            # 4. If-Modified-Since, for GET and HEAD, which If-None-Match makes void
            ({"if_modified_since": NOW}, 304, None),
            ({"if_modified_since": AFTER}, 304, None),
            ({"if_modified_since": BEFORE}, None, None),
            ({"if_modified_since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 304, None),
            ({"if_modified_since": "Sun Nov  6 08:49:37 1994"}, 304, None),
            ({"if_modified_since": "Fri, 01 Jan 9999 00:00:00 GMT"}, 304, None),
            ({"if_modified_since": "Fri, 01 Jan 1960 00:00:00 GMT"}, None, None),
            ({"if_modified_since": "garbage"}, None, None),
            ({"if_modified_since": f"{NOW}, {NOW}"}, None, None),
            ({"if_none_match": '"x"', "if_modified_since": NOW}, None, None),
            ({"if_none_match": "a", "if_modified_since": NOW}, None, None),
            ({"if_none_match": '"a"', "if_modified_since": BEFORE}, 304, 412),
            # 1 or 2 come before 3 or 4
            ({"if_match": '"x"', "if_none_match": '"a"'}, 412, 412),
            ({"if_match": '"a"', "if_none_match": '"a"'}, 304, 412),
            ({"if_unmodified_since": BEFORE, "if_none_match": '"a"'}, 412, 412),
            ({"if_unmodified_since": NOW, "if_modified_since": NOW}, 304, None),
            ({"if_unmodified_since": BEFORE, "if_modified_since": NOW}, 412, 412),
            # 5 is `allow_range`'s
            ({"if_range": '"x"'}, None, None),
        ],
    )
    def test_the_table_of_conditions(self, fields: dict[str, str], get: int | None, put: int | None) -> None:
        """H-24, H-25, H-26, H-27."""
        found = conditions(**fields)
        for method, expected in (("GET", get), ("HEAD", get), ("PUT", put), ("DELETE", put), ("PATCH", put)):
            assert found.evaluate(method, ETag("a"), EXAMPLE) == expected

    @pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT"])
    def test_a_method_without_a_representation_has_no_conditions(self, method: str) -> None:
        """H-24: RFC 9110 §13.2.1."""
        assert conditions(if_match='"x"', if_none_match="*").evaluate(method, ETag("a"), EXAMPLE) is None

    def test_a_weak_tag_matches_only_weakly(self) -> None:
        """H-25, H-26: RFC 9110 §13.1.1, §13.1.2."""
        weak = ETag("a", weak=True)
        assert conditions(if_match='W/"a"').evaluate("PUT", weak) == 412
        assert conditions(if_match='"a"').evaluate("PUT", weak) == 412
        assert conditions(if_none_match='W/"a"').evaluate("GET", weak) == 304
        assert conditions(if_none_match='"a"').evaluate("GET", weak) == 304

    def test_where_nothing_exists_the_star_matches_nothing(self) -> None:
        """H-25: RFC 9110 §13.1.1, §13.1.2; a PUT that must create, and one that must not."""
        assert conditions(if_none_match="*").evaluate("PUT", exists=False) is None
        assert conditions(if_match="*").evaluate("PUT", exists=False) == 412
        assert conditions(if_match='"a"').evaluate("PUT", exists=False) == 412
        assert conditions(if_none_match="*").evaluate("PUT") == 412
        assert conditions(if_match="*").evaluate("PUT") is None

    def test_without_a_validator_its_fields_say_nothing(self) -> None:
        """H-24: RFC 9110 §13.1.3, §13.1.4."""
        assert conditions(if_modified_since=AFTER).evaluate("GET", ETag("a")) is None
        assert conditions(if_unmodified_since=BEFORE).evaluate("PUT", ETag("a")) is None
        assert conditions(if_none_match='"a"').evaluate("GET", None, EXAMPLE) is None
        assert conditions(if_match='"a"').evaluate("PUT", None, EXAMPLE) == 412

    def test_a_fraction_of_a_second_is_no_modification(self) -> None:
        """H-27: a date tells whole seconds, also of a naive datetime or of seconds since 1970."""
        for modified in (
            EXAMPLE.replace(microsecond=1),
            datetime(1994, 11, 6, 8, 49, 37, 5),
            EXAMPLE.timestamp() + 0.5,
        ):
            assert conditions(if_modified_since=NOW).evaluate("GET", None, modified) == 304
            assert conditions(if_unmodified_since=NOW).evaluate("PUT", None, modified) is None

    @given(st.dictionaries(st.sampled_from(["if-match", "if-none-match", "if-modified-since", "if-range"]), ANY_FIELD))
    def test_no_fields_raise(self, headers: dict[str, str]) -> None:
        """H-25, H-27."""
        found = Preconditions.parse(headers)
        for method, etag, modified in itertools.product(("GET", "PUT"), (None, ETag("a")), (None, EXAMPLE)):
            assert found.evaluate(method, etag, modified) in (None, 304, 412)
            found.allow_range(etag, modified)


class TestIfRange:
    @pytest.mark.parametrize(
        ("field", "allowed"),
        [
            ('"a"', True),
            (NOW, True),
            ("Sunday, 06-Nov-94 08:49:37 GMT", True),  # the same moment, in a form that is to be understood
            ('"x"', False),
            ('W/"a"', False),
            ('"a", "b"', False),
            ("a", False),
            ("*", False),
            ("", False),
            (BEFORE, False),
            (AFTER, False),
            ("garbage", False),
        ],
    )
    def test_only_the_same_representation_goes_on_in_part(self, field: str, allowed: bool) -> None:
        """H-35: RFC 9110 §13.1.5."""
        assert conditions(if_range=field).allow_range(ETag("a"), EXAMPLE) is allowed

    def test_a_weak_tag_never_allows_a_part(self) -> None:
        """H-35."""
        assert not conditions(if_range='W/"a"').allow_range(ETag("a", weak=True))
        assert not conditions(if_range='"a"').allow_range(ETag("a", weak=True))

    def test_a_validator_that_is_not_there_allows_no_part(self) -> None:
        """H-35."""
        assert not conditions(if_range='"a"').allow_range(None, EXAMPLE)
        assert not conditions(if_range=NOW).allow_range(ETag("a"))
        assert not conditions(if_range="garbage").allow_range()

    def test_without_the_field_a_part_is_allowed(self) -> None:
        """H-35."""
        assert conditions().allow_range()


# Answers and handlers, behind both doors.


@pytest.fixture
def store(app: App, colour: Any) -> list[str]:
    """A resource with the tag "a", modified at `EXAMPLE`, whose writes are noted."""
    writes: list[str] = []

    def read() -> Response:
        response = HTMLResponse("<p>text")
        response.etag, response.last_modified = "a", EXAMPLE
        response.cache_control = CacheControl(max_age=60)
        response.headers.vary("Accept")
        response.headers.update(
            {
                "expires": AFTER,
                "content-location": "/other",
                "content-language": "en",
                "set-cookie": "a=b",
                "x-own": "kept",
            }
        )
        return response

    def write(request: Request) -> str:
        request.check_preconditions("a", EXAMPLE)
        writes.append(request.method)
        return "written"

    def create(request: Request) -> str:
        request.check_preconditions(exists=False)
        writes.append("created")
        return "created"

    def costly(request: Request) -> Response:
        request.check_preconditions(ETag("a"), headers={"cache-control": "max-age=60"})
        writes.append("computed")
        return Response(b"computed", headers={"etag": '"a"', "cache-control": "max-age=60"})

    app.get("/read")(colour(read))
    app.route("/write", methods=["PUT", "DELETE", "POST"])(colour(write))
    app.put("/create")(colour(create))
    app.get("/costly")(colour(costly))
    return writes


def sent(**fields: str) -> list[tuple[bytes, bytes]]:
    return [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in fields.items()]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"if_none_match": '"a"'}, 304),
        ({"if_none_match": 'W/"a"'}, 304),
        ({"if_none_match": '"x,y", W/"a"'}, 304),
        ({"if_none_match": "*"}, 304),
        ({"if_none_match": "a"}, 200),
        ({"if_none_match": '"x", ' * 2_000 + '"a"'}, 304),
        ({"if_none_match": '"x"', "if_modified_since": NOW}, 200),
        ({"if_modified_since": NOW}, 304),
        ({"if_modified_since": "Sunday, 06-Nov-94 08:49:37 GMT"}, 304),
        ({"if_modified_since": "Sun Nov  6 08:49:37 1994"}, 304),
        ({"if_modified_since": BEFORE}, 200),
        ({"if_modified_since": "garbage"}, 200),
        ({"if_match": '"a"'}, 200),
        ({"if_match": 'W/"a"'}, 412),
        ({"if_match": '"x"', "if_none_match": '"a"'}, 412),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_unmodified_since": NOW, "if_none_match": '"a"'}, 304),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_answer_is_judged_by_its_validators(
    ask: Ask, app: App, store: list[str], method: str, fields: dict[str, str], status: int
) -> None:
    """H-24, H-25, H-26, H-27, R64."""
    answer = ask(app, method, b"/read", sent(**fields))
    assert (answer.status, answer.error) == (status, None)
    assert bool(answer.body) == (method == "GET" and status != 304)


def test_a_304_has_the_fields_that_a_cache_needs_and_no_others_of_the_body(
    ask: Ask, app: App, store: list[str]
) -> None:
    """H-28: RFC 9110 §15.4.5."""
    answer = ask(app, "GET", b"/read", sent(if_none_match='"a"'))
    fields = {name: value for name, value in answer.headers if name not in ("date", "server")}
    assert (answer.status, answer.body) == (304, b"")
    assert fields == {
        "etag": '"a"',
        "cache-control": "max-age=60",
        "vary": "Accept",
        "expires": AFTER,
        "content-location": "/other",
        "set-cookie": "a=b",
        "x-own": "kept",
    }


def test_a_304_by_date_alone_keeps_the_date(ask: Ask, app: App, colour: Any) -> None:
    """H-28: RFC 9110 §15.4.5, where there is no entity tag."""

    def read() -> Response:
        response = Response("text")
        response.last_modified = EXAMPLE
        return response

    app.get("/")(colour(read))
    answer = ask(app, "GET", b"/", sent(if_modified_since=NOW))
    assert (answer.status, dict(answer.headers)["last-modified"]) == (304, NOW)


@pytest.mark.parametrize("status", [201, 203, 206, 404])
def test_only_a_200_is_judged(ask: Ask, app: App, status: int, colour: Any) -> None:
    """H-24: RFC 9110 §13.2.1."""

    app.get("/")(colour(lambda: Response("text", status, {"etag": '"a"'})))
    assert ask(app, "GET", b"/", sent(if_none_match='"a"')).status == status


def test_an_answer_without_a_validator_is_sent_whole(ask: Ask, app: App, colour: Any) -> None:
    """H-24, H-25: also where what stands there is none."""

    app.get("/")(colour(lambda: Response("text", headers={"etag": "a", "last-modified": "yesterday"})))
    for fields in ({"if_none_match": "a"}, {"if_none_match": '"a"'}, {"if_modified_since": AFTER}):
        assert ask(app, "GET", b"/", sent(**fields)).status == 200


def test_what_has_acted_is_never_judged_by_its_answer(ask: Ask, app: App, colour: Any) -> None:
    """H-24, H-25: the new tag of a PUT is not the one its conditions mean."""
    acted: list[str] = []

    def write(request: Request) -> Response:
        acted.append(request.method)
        return Response("text", headers={"etag": '"new"'})

    app.put("/")(colour(write))
    for fields in ({"if_match": '"old"'}, {"if_none_match": '"new"'}):
        assert ask(app, "PUT", b"/", sent(**fields)).status == 200
    assert acted == ["PUT", "PUT"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 200),
        ({"if_match": '"a"'}, 200),
        ({"if_match": "*"}, 200),
        ({"if_match": 'W/"a"'}, 412),
        ({"if_match": '"x"'}, 412),
        ({"if_match": "garbage"}, 412),
        ({"if_none_match": "*"}, 412),
        ({"if_none_match": 'W/"a"'}, 412),
        ({"if_none_match": '"x"'}, 200),
        ({"if_unmodified_since": NOW}, 200),
        ({"if_unmodified_since": BEFORE}, 412),
        ({"if_modified_since": NOW}, 200),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST"])
def test_a_handler_checks_before_it_acts(
    ask: Ask, app: App, store: list[str], method: str, fields: dict[str, str], status: int
) -> None:
    """H-24, H-25, H-26, H-27: a lost update is refused, and nothing was done."""
    assert ask(app, method, b"/write", sent(**fields)).status == status
    assert store == ([method] if status == 200 else [])


def test_a_put_creates_only_where_nothing_is(ask: Ask, app: App, store: list[str]) -> None:
    """H-25: RFC 9110 §13.1.2."""
    assert ask(app, "PUT", b"/create", sent(if_none_match="*")).status == 200
    assert ask(app, "PUT", b"/create", sent(if_match="*")).status == 412
    assert ask(app, "PUT", b"/write", sent(if_none_match="*")).status == 412
    assert store == ["created"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_is_not_computed_again(ask: Ask, app: App, store: list[str], method: str) -> None:
    """H-25, H-28: the check gives the fields of the 304."""
    answer = ask(app, method, b"/costly", sent(if_none_match='"a"'))
    fields = {name: value for name, value in answer.headers if name not in ("date", "server")}
    assert (answer.status, fields, answer.body) == (304, {"etag": '"a"', "cache-control": "max-age=60"}, b"")
    assert store == []


def test_the_date_goes_out_with_a_304_by_the_check(ask: Ask, app: App, colour: Any) -> None:
    """H-28."""
    app.get("/")(colour(lambda request: request.check_preconditions(last_modified=EXAMPLE) or "computed"))
    answer = ask(app, "GET", b"/", sent(if_modified_since=NOW))
    assert (answer.status, dict(answer.headers).get("last-modified")) == (304, NOW)
    assert ask(app, "GET", b"/", sent(if_modified_since=BEFORE)).body == b"computed"


def test_a_stream_that_the_client_has_is_closed_and_not_walked(ask: Ask, app: App, colour: Any) -> None:
    """H-28."""
    seen: list[str] = []

    class Chunks:
        def __iter__(self) -> Iterator[str]:
            return self

        def __next__(self) -> str:
            seen.append("walked")
            raise StopIteration

        def close(self) -> None:
            seen.append("closed")

    app.get("/")(colour(lambda: StreamingResponse(Chunks(), headers={"etag": '"a"'})))
    answer = ask(app, "GET", b"/", sent(if_none_match='"a"'))
    assert (answer.status, answer.body, seen) == (304, b"", ["closed"])


def test_an_answer_that_is_given_again_stays_what_it_is(ask: Ask, app: App, colour: Any) -> None:
    """H-28: one client's 304 is not the next one's."""
    kept = Response("text", headers={"etag": '"a"', "content-language": "en"})
    app.get("/")(colour(lambda: kept))
    for fields, status, body in (({}, 200, b"text"), ({"if_none_match": '"a"'}, 304, b""), ({}, 200, b"text")):
        answer = ask(app, "GET", b"/", sent(**fields))
        assert (answer.status, answer.body) == (status, body)
    assert kept.headers["content-language"] == "en"


def test_what_middleware_answers_is_judged_too(ask: Ask, app: App, colour: Any) -> None:
    """H-25: a tag that middleware adds, in an answer that it yields; an early one alike."""

    @app.middleware
    def layer(request: Request) -> Generator[Any, Any]:
        if request.path == "/early":
            yield Response("text", headers={"etag": '"a"'})
            return
        response = yield
        response.etag = "a"
        yield response

    app.get("/")(colour(lambda: "text"))
    for target in (b"/", b"/early"):
        assert ask(app, "GET", target, sent(if_none_match='"a"')).status == 304
        assert ask(app, "GET", target, sent(if_none_match='"x"')).status == 200
        assert ask(app, "GET", target, sent(if_match='"x"')).status == 412


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"range": "bytes=0-0"}, 206),
        # The conditions come first.
        ({"range": "bytes=0-0", "if_match": '"a"'}, 206),
        ({"range": "bytes=0-0", "if_match": '"x"'}, 412),
        ({"range": "bytes=0-0", "if_unmodified_since": NOW}, 206),
        ({"range": "bytes=0-0", "if_unmodified_since": BEFORE}, 412),
        ({"range": "bytes=0-0", "if_none_match": '"a"'}, 304),
        ({"range": "bytes=0-0", "if_none_match": '"x"'}, 206),
        ({"range": "bytes=0-0", "if_modified_since": NOW}, 304),
        ({"range": "bytes=0-0", "if_modified_since": BEFORE}, 206),
        ({"range": "bytes=4-", "if_none_match": '"a"'}, 304),
        ({"range": "bytes=4-", "if_match": '"x"'}, 412),
        # Then If-Range.
        ({"range": "bytes=0-0", "if_range": '"a"'}, 206),
        ({"range": "bytes=0-0", "if_range": NOW}, 206),
        ({"range": "bytes=0-0", "if_range": 'W/"a"'}, 200),
        ({"range": "bytes=0-0", "if_range": '"x"'}, 200),
        ({"range": "bytes=0-0", "if_range": BEFORE}, 200),
        ({"range": "bytes=0-0", "if_range": AFTER}, 200),
        ({"range": "bytes=0-0", "if_range": "garbage"}, 200),
        ({"range": "bytes=0-0", "if_range": '"x"', "if_none_match": '"a"'}, 304),
        ({"range": "bytes=4-", "if_range": '"x"'}, 200),
        ({"range": "bytes=4-", "if_range": '"a"'}, 416),
        ({"if_range": '"a"'}, 200),
        # Then the range itself.
        ({"range": "bytes=4-"}, 416),
        ({"range": "bytes=-0"}, 416),
        ({"range": "items=0-0"}, 200),
        ({"range": "bytes=2-1"}, 200),
        ({"range": "bytes=0-,0-"}, 200),
    ],
)
def test_a_range_is_looked_at_behind_every_condition(
    ask: Ask, app: App, tmp_path: Path, fields: dict[str, str], status: int, colour: Any
) -> None:
    """H-24, H-29, H-30, H-31, H-32, H-35, R64: a file of four bytes with the tag "a", modified at `EXAMPLE`."""
    file = tmp_path / "file.txt"
    file.write_bytes(b"four")

    def read() -> Response:
        response = FileResponse(file)
        response.etag, response.last_modified = "a", EXAMPLE
        return response

    app.get("/")(colour(read))
    answer = ask(app, "GET", b"/", sent(**fields))
    assert (answer.status, answer.error) == (status, None)
    assert answer.body == {200: b"four", 206: b"f", 304: b""}.get(status, answer.body)
    without_range = {name: value for name, value in fields.items() if "range" not in name}
    assert ask(app, "HEAD", b"/", sent(**fields)).status == ask(app, "GET", b"/", sent(**without_range)).status
