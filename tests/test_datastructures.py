"""Header fields, multi-value mappings, URLs, state, and the parsers of query strings and cookies."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe.cookies import parse_cookies, quote_cookie
from duoframe.datastructures import (
    URL,
    Headers,
    MultiDict,
    MutableHeaders,
    State,
    check_field,
    parse_query,
)
from duoframe.errors import HTTPException
from tests.linear import assert_linear, operations

EVERY_CHARACTER = st.characters(exclude_categories=())  # lone surrogates, too
ANY_TEXT = st.text(EVERY_CHARACTER, max_size=40)


class TestHeaders:
    def test_names_do_not_distinguish_case(self) -> None:
        """RFC 9110 §5.1."""
        headers = Headers([("content-type", "text/plain")])
        assert headers["Content-Type"] == headers.get("CONTENT-TYPE") == headers["content-type"] == "text/plain"
        assert "Content-TYPE" in headers
        assert headers.getlist("Content-type") == ["text/plain"]

    def test_an_absent_name_is_a_key_error_or_the_default(self) -> None:
        headers = Headers([])
        with pytest.raises(KeyError):
            headers["host"]
        assert headers.get("host") is None
        assert headers.get("host", "none") == "none"
        assert headers.getlist("host") == []
        assert "host" not in headers
        stranger: object = 1
        assert stranger not in headers

    def test_fields_of_one_name_are_joined_by_commas_in_order(self) -> None:
        """RFC 9110 §5.3."""
        headers = Headers([("accept", "text/html"), ("host", "a.example"), ("accept", "*/*;q=0.1")])
        assert headers["accept"] == "text/html, */*;q=0.1"
        assert headers["host"] == "a.example"
        assert headers.getlist("accept") == ["text/html", "*/*;q=0.1"]
        assert headers.getlist("host") == ["a.example"]
        assert headers.getlist("cookie") == []

    def test_several_cookie_fields_are_joined_by_semicolons(self) -> None:
        """R29, A-40: RFC 9113 §8.2.3."""
        headers = Headers([("cookie", "a=1"), ("cookie", "b=2; c=3")])
        assert headers["cookie"] == "a=1; b=2; c=3"
        assert parse_cookies(headers["cookie"]).multi_items() == [("a", "1"), ("b", "2"), ("c", "3")]

    def test_set_cookie_is_never_joined(self) -> None:
        """A-37: RFC 9110 §5.3."""
        headers = Headers([("set-cookie", "a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT"), ("set-cookie", "b=2")])
        assert headers["set-cookie"] == "a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT"
        assert headers.getlist("set-cookie") == ["a=1; Expires=Wed, 09 Jun 2027 10:18:14 GMT", "b=2"]

    def test_it_is_a_mapping_of_distinct_names_and_keeps_every_field_in_order(self) -> None:
        pairs = [("b", "1"), ("a", "2"), ("b", "3")]
        headers = Headers(iter(pairs))
        assert headers.multi_items() == pairs
        assert list(headers) == ["b", "a"]
        assert len(headers) == 2
        assert dict(headers) == {"b": "1, 3", "a": "2"}
        assert repr(headers) == "Headers([('b', '1'), ('a', '2'), ('b', '3')])"

    def test_what_multi_items_gives_can_be_changed_without_harm(self) -> None:
        headers = Headers([("a", "1"), ("a", "2")])
        headers.multi_items().clear()
        headers.getlist("a").clear()
        assert headers.getlist("a") == ["1", "2"]

    def test_equality_heeds_the_order_within_a_name_and_not_between_names(self) -> None:
        """RFC 9110 §5.3."""
        assert Headers([("a", "1"), ("b", "2")]) == Headers([("b", "2"), ("a", "1")])
        assert Headers([("a", "1"), ("a", "2")]) != Headers([("a", "2"), ("a", "1")])
        assert Headers([("a", "1"), ("a", "2")]) != Headers([("a", "1, 2")])
        assert Headers([("a", "1"), ("a", "2")]) == {"a": "1, 2"}
        assert Headers([]) != []

    def test_making_them_looks_at_no_field(self) -> None:
        few, many = (operations(lambda: Headers([("x-a", "v")] * size)) for size in (1, 20_000))  # noqa: B023
        assert few == many

    def test_twenty_thousand_fields_of_one_name_cost_linear_work(self) -> None:
        """A-39, R68: CVE-2025-14550."""
        assert_linear(lambda size: lambda: Headers([("x-a", "v")] * size)["x-a"], 5_000)
        assert Headers([("x-a", "v")] * 20_000)["x-a"] == ", ".join(["v"] * 20_000)


class TestMutableHeaders:
    def test_setting_replaces_every_field_of_the_name(self) -> None:
        headers = MutableHeaders([("Vary", "Cookie"), ("X-A", "1"), ("vary", "Accept")])
        headers["VARY"] = "*"
        assert headers.multi_items() == [("x-a", "1"), ("vary", "*")]
        headers["x-a"] = "2"
        assert headers.multi_items() == [("vary", "*"), ("x-a", "2")]
        assert headers["x-a"] == "2"

    def test_a_field_that_was_set_is_seen_at_once(self) -> None:
        headers = MutableHeaders()
        headers["A"] = "1"
        headers["B"] = "2"
        assert (headers["a"], headers["b"], len(headers), headers.getlist("b")) == ("1", "2", 2, ["2"])
        headers.add("A", "3")
        headers["C"] = "4"
        assert (headers["a"], headers["c"], headers.getlist("c")) == ("1, 3", "4", ["4"])

    def test_it_is_made_from_a_mapping_from_pairs_or_from_headers(self) -> None:
        pairs = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
        assert MutableHeaders({"X-A": "1"}).multi_items() == [("x-a", "1")]
        assert MutableHeaders(pairs).multi_items() == pairs
        assert MutableHeaders(Headers(pairs)).multi_items() == pairs

    def test_add_keeps_the_others(self) -> None:
        headers = MutableHeaders({"set-cookie": "a=1"})
        headers.add("Set-Cookie", "b=2")
        assert headers.getlist("set-cookie") == ["a=1", "b=2"]

    def test_deleting_takes_every_field_of_the_name(self) -> None:
        headers = MutableHeaders([("a", "1"), ("b", "2"), ("a", "3")])
        del headers["A"]
        assert headers.multi_items() == [("b", "2")]
        assert "a" not in headers
        with pytest.raises(KeyError):
            del headers["A"]

    def test_pop_gives_the_value_or_the_default(self) -> None:
        headers = MutableHeaders([("a", "1"), ("a", "3")])
        assert headers.pop("A") == "1, 3"
        assert headers.pop("A") is None
        assert headers.pop("A", "none") == "none"

    def test_setdefault_sets_only_what_is_absent(self) -> None:
        headers = MutableHeaders({"a": "1"})
        assert headers.setdefault("A", "2") == "1"
        assert headers.setdefault("B", " 2 ") == "2"
        assert headers.multi_items() == [("a", "1"), ("b", "2")]

    def test_extend_adds_and_update_replaces(self) -> None:
        headers = MutableHeaders({"a": "1", "b": "2"})
        headers.extend({"A": "3"})
        assert headers.multi_items() == [("a", "1"), ("b", "2"), ("a", "3")]
        headers.update([("A", "4"), ("a", "5")])
        assert headers.multi_items() == [("b", "2"), ("a", "4"), ("a", "5")]

    @pytest.mark.parametrize("method", ["extend", "update"])
    def test_one_bad_field_leaves_all_as_they_were(self, method: str) -> None:
        headers = MutableHeaders({"a": "1"})
        with pytest.raises(ValueError, match="'x'"):
            getattr(headers, method)([("a", "2"), ("x", "\n")])
        assert headers.multi_items() == [("a", "1")]

    def test_every_way_in_passes_the_check(self) -> None:
        """R22."""
        headers = MutableHeaders()
        ways: list[Callable[[str, str], object]] = [
            headers.__setitem__,
            headers.add,
            headers.setdefault,
            lambda name, value: headers.extend([(name, value)]),
            lambda name, value: headers.update({name: value}),
            lambda name, value: MutableHeaders({name: value}),
        ]
        for way in ways:
            for name, value in (("x-a", "a\r\nset-cookie: b=1"), ("x a", "b")):
                with pytest.raises(ValueError, match="header"):
                    way(name, value)
        with pytest.raises(ValueError, match="header name"):
            headers.vary("Accept, Cookie")
        assert headers.multi_items() == []

    @pytest.mark.parametrize(
        ("before", "names", "after"),
        [
            ([], [], None),
            ([], ["Cookie"], "Cookie"),
            (["Cookie"], ["cookie"], "Cookie"),
            (["Accept-Encoding"], ["Cookie", "accept-encoding", "COOKIE"], "Accept-Encoding, Cookie"),
            (["Accept", "Cookie"], ["Origin"], "Accept, Cookie, Origin"),
            (["Accept,,\tX-FIX ,"], ["Origin"], "Accept, X-FIX, Origin"),
            (["*"], ["Cookie"], "*"),
            (["Cookie"], ["*"], "*"),
            (["Cookie, *"], [], "*"),
        ],
    )
    def test_vary_merges_without_regard_to_case_and_the_star_wins(
        self, before: list[str], names: list[str], after: str | None
    ) -> None:
        """R41: RFC 9110 §12.5.5."""
        headers = MutableHeaders([("vary", value) for value in before])
        headers.vary(*names)
        assert headers.get("vary") == after
        headers.vary(*names)
        assert headers.get("vary") == after


class TestCheckField:
    def test_the_name_comes_back_in_lower_case_and_the_value_without_blanks_around(self) -> None:
        """RFC 9110 §5.1, §5.5."""
        assert check_field("X-Request-ID", " \tX b X\t ") == ("x-request-id", "X b X")
        assert check_field("!#$%&'*+-.^_`|~09aZ", "") == ("!#$%&'*+-.^_`|~09az", "")

    @given(name=ANY_TEXT, value=ANY_TEXT)
    @example(name="a", value="caf\xe9\x85")
    @example(name="a", value="a\tb")
    @example(name="a", value="a\x7f")
    @example(name="a", value="1\n")
    @example(name="a\n", value="1")
    @example(name="\u212a", value="1")
    def test_the_result_is_a_legal_field_or_a_value_error(self, name: str, value: str) -> None:
        """R22, W-03: RFC 9110 §5.1 and §5.5."""
        stripped = value.strip(" \t")
        legal = bool(re.fullmatch(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name)) and all(
            character == "\t" or 0x20 <= ord(character) <= 0x7E or 0x80 <= ord(character) <= 0xFF
            for character in stripped
        )
        if legal:
            assert check_field(name, value) == (name.lower(), stripped)
        else:
            with pytest.raises(ValueError, match="header"):
                check_field(name, value)

    @given(st.tuples(EVERY_CHARACTER), st.sampled_from(["", "a"]))
    def test_no_single_character_slips_through(self, characters: tuple[str], around: str) -> None:
        """R22: W-03 names `€`."""
        character = characters[0]
        try:
            _, value = check_field("a", around + character + around)
        except ValueError:
            assert ord(character) < 0x20 or ord(character) == 0x7F or ord(character) > 0xFF
        else:
            assert not re.search("[^\t -~\x80-\xff]", value)

    @pytest.mark.parametrize("value", [12, None, b"bytes", ["a"]])
    def test_a_value_that_is_no_text_is_a_type_error_that_says_what_came(self, value: object) -> None:
        with pytest.raises(TypeError, match=f"'x-a': expected a str as value, got {type(value).__name__}"):
            check_field("x-a", value)  # type: ignore[arg-type]  # the point of the test

    @pytest.mark.parametrize("name", [12, None, b"x-a", ["a"]])
    def test_a_name_that_is_no_text_is_a_type_error(self, name: object) -> None:
        with pytest.raises(TypeError):
            check_field(name, "1")  # type: ignore[arg-type]  # the point of the test

    def test_the_message_names_the_character_and_not_the_value(self) -> None:
        with pytest.raises(ValueError, match=r"header 'set-cookie': .* got '\\n' at position 6 of its value") as caught:
            check_field("set-cookie", "secret\n")
        assert "secret" not in str(caught.value)

    def test_a_subclass_of_str_becomes_a_str(self) -> None:
        """W-01: PEP 3333 wants native strings, and wsgiref.validate exactly `str`."""

        class Loud(str):
            __slots__ = ()

            def lower(self) -> str:
                raise AssertionError

            strip = upper = lower  # type: ignore[assignment]  # whatever the subclass says must not be asked

        class Name(StrEnum):
            LINK = "Link"

        for name, value in (check_field(Loud("X-A"), Loud("v")), check_field(Name.LINK, Name.LINK)):
            assert type(name) is str
            assert type(value) is str


class TestMultiDict:
    def test_the_first_value_answers_and_getlist_has_all(self) -> None:
        query = MultiDict([("b", "1"), ("a", "2"), ("b", "3")])
        assert query["b"] == query.get("b") == "1"
        assert query.getlist("b") == ["1", "3"]
        assert query.getlist("c") == []
        assert list(query) == ["b", "a"]
        assert len(query) == 2
        assert "a" in MultiDict([("a", "1")])
        assert "c" not in query
        assert dict(query) == {"b": "1", "a": "2"}
        assert query.multi_items() == [("b", "1"), ("a", "2"), ("b", "3")]

    def test_an_absent_name_is_a_key_error_or_the_default(self) -> None:
        query = MultiDict[str]()
        with pytest.raises(KeyError):
            query["a"]
        assert query.get("a") is None
        assert query.get("a", "1") == "1"
        assert query.get("a", 1, type=int) == 1

    def test_get_converts_and_falls_back_where_it_cannot(self) -> None:
        query = MultiDict([("page", "7"), ("bad", "x")])
        assert query.get("page", type=int) == 7
        assert query.get("page", 1, int) == 7
        assert query.get("bad", type=int) is None
        assert query.get("bad", 1, type=int) == 1
        assert query.get("bad", type=Decimal) is None

    def test_names_distinguish_case_and_values_may_be_anything(self) -> None:
        values = MultiDict([("A", 1), ("a", 2)])
        assert (values["A"], values["a"]) == (1, 2)
        assert repr(values) == "MultiDict([('A', 1), ('a', 2)])"

    def test_equality_counts_every_value(self) -> None:
        assert MultiDict([("a", "1"), ("a", "2")]) != MultiDict([("a", "1")])
        assert MultiDict([("a", "1"), ("b", "2")]) == MultiDict([("b", "2"), ("a", "1")])

    def test_it_cannot_be_changed(self) -> None:
        with pytest.raises(TypeError):
            MultiDict([("a", "1")])["a"] = "2"  # type: ignore[index]  # the point of the test


class TestURL:
    def test_its_text_percent_encodes_the_path(self) -> None:
        """RFC 3986 §2, §3.3."""
        url = URL("https", "a.example:8443", "/café/a b/100%", "/app", "q=1&r=%C3%A9")
        assert str(url) == "https://a.example:8443/app/caf%C3%A9/a%20b/100%25?q=1&r=%C3%A9"
        assert repr(url) == f"URL({str(url)!r})"

    def test_path_delimiters_stay_and_those_of_other_parts_do_not(self) -> None:
        """RFC 3986 §3.3: pchar."""
        assert str(URL("http", "h", "/a-._~!$&'()*+,;=:@z")) == "http://h/a-._~!$&'()*+,;=:@z"
        assert str(URL("http", "h", "/?#[]\\")) == "http://h/%3F%23%5B%5D%5C"
        assert str(URL("http", "h", "/", query="a=#\r\n é?/")) == "http://h/?a=%23%0D%0A%20%C3%A9?/"

    @given(host=ANY_TEXT.filter(lambda text: "%" not in text), path=ANY_TEXT, root_path=st.sampled_from(["", "/app"]))
    @example(host="a.com/?", path="/admin", root_path="")
    @example(host="a.com", path="@evil.example", root_path="")
    @example(host="a.com", path=":80@evil.example", root_path="")
    @example(host="user:pass@evil.example", path="/", root_path="")
    @example(host="[::1]:80", path="//evil.example", root_path="")
    @example(host="", path="//evil.example", root_path="")
    @example(host="", path="javascript:alert(1)", root_path="")
    @example(host="\udcff", path="/\udcff", root_path="")
    def test_no_part_runs_into_the_next_whatever_it_holds(self, host: str, path: str, root_path: str) -> None:
        """R14, R16: CVE-2026-48710, CVE-2026-54282."""
        url = URL("http", host, path, root_path)
        assert url.path is path
        whole = root_path + path
        whole = whole if whole.startswith("/") else "/" + whole
        if host == "" and whole.startswith("//"):
            whole = "/." + whole
        parts = re.fullmatch(r"(?:http://([!$&-.0-;=A-Z\[\]_a-z~%]+))?(/[!$%&-;=@-Z_a-z~]*)", str(url))
        assert parts
        assert unquote(parts[1] or "", errors="surrogatepass") == host
        assert unquote(parts[2], errors="surrogatepass") == whole
        assert str(url)[:2] != "//"

    def test_without_a_host_it_is_a_path_that_stays_on_the_site(self) -> None:
        """RFC 3986 §4.2."""
        assert str(URL("http", "", "/a", query="b")) == "/a?b"
        assert str(URL("http", "", "//evil.example/")) == "/.//evil.example/"

    def test_replace_gives_a_copy_with_other_parts(self) -> None:
        url = URL("http", "a.example", "/x", query="a=1")
        assert str(url.replace(scheme="https", query="")) == "https://a.example/x"
        assert str(url) == "http://a.example/x?a=1"
        with pytest.raises(TypeError):
            url.replace(fragment="f")

    def test_it_equals_its_text_and_cannot_be_changed(self) -> None:
        url = URL("http", "a.example", "/x")
        assert url == "http://a.example/x"
        assert url == URL("http", "a.example", "/x")
        assert url != URL("http", "a.example", "/y")
        assert url != 1
        assert {url: 1}[URL("http", "a.example", "/x")] == 1
        with pytest.raises(AttributeError):
            url.host = "b.example"  # type: ignore[misc]  # the point of the test


class TestState:
    def test_attributes_and_items_are_the_same_values(self) -> None:
        state = State({"a": 1})
        state.b = 2
        state["c"] = 3
        assert (state.a, state["b"], state.c) == (1, 2, 3)
        assert list(state) == ["a", "b", "c"]
        assert len(state) == 3
        assert "a" in state
        del state["a"]
        del state.b
        assert "a" not in state
        assert state == State({"c": 3})
        assert repr(state) == "State(c=3)"

    def test_what_is_not_there_is_an_error(self) -> None:
        with pytest.raises(AttributeError, match="pool"):
            State().pool  # noqa: B018
        with pytest.raises(KeyError, match="pool"):
            State()["pool"]

    def test_a_copy_has_names_of_its_own_and_the_same_values(self) -> None:
        pool: list[int] = []
        state = State({"pool": pool})
        copy = state.copy()
        copy.more = 1
        assert "more" not in state
        assert copy.pool is pool


class TestParseQuery:
    @pytest.mark.parametrize(
        ("query", "pairs"),
        [
            (b"", []),
            (b"a", [("a", "")]),
            (b"a=", [("a", "")]),
            (b"=b", [("", "b")]),
            (b"=", [("", "")]),
            (b"a=1&a=2", [("a", "1"), ("a", "2")]),
            (b"&&a=1&", [("a", "1")]),
            (b"a=b=c", [("a", "b=c")]),
            (b"a[]=1", [("a[]", "1")]),
            (b"a%5B%5D=1", [("a[]", "1")]),
            (b"+a+=+1+2", [(" a ", " 1 2")]),
            (b"a=%2B%20%26%3D", [("a", "+ &=")]),
            (b"a=%zz&b=%", [("a", "%zz"), ("b", "%")]),
            (b"a=%c3%A9", [("a", "é")]),
            ("a=é".encode(), [("a", "é")]),
            (b"a=\xc3%A9", [("a", "é")]),
            (b"a=%ff", [("a", "\ufffd")]),
            (b"a=\xff", [("a", "\ufffd")]),
            (b"a=%00%0a", [("a", "\x00\n")]),
            (b"a=%252F", [("a", "%2F")]),
        ],
    )
    def test_the_table_of_forms(self, query: bytes, pairs: list[tuple[str, str]]) -> None:
        """H-46, W-24: WHATWG URL Standard §5.1, application/x-www-form-urlencoded parsing."""
        assert parse_query(query).multi_items() == pairs

    def test_only_the_ampersand_separates(self) -> None:
        """R44."""
        assert parse_query(b"a=1;b=2&c=3").multi_items() == [("a", "1;b=2"), ("c", "3")]

    def test_a_str_is_text(self) -> None:
        assert parse_query("a=é&b=\udcff").multi_items() == [("a", "é"), ("b", "?")]

    @given(st.binary(max_size=60))
    def test_no_bytes_raise_and_the_quick_way_agrees_with_the_long_one(self, query: bytes) -> None:
        """A-09, H-46."""
        encoded = b"".join(b"%%%02X" % byte if byte > 0x7F else bytes([byte]) for byte in query)
        assert parse_query(query).multi_items() == parse_query(encoded + b"&%").multi_items()[:-1]

    def test_too_many_pairs_are_a_400(self) -> None:
        """A-09."""
        assert len(parse_query(b"&".join(b"a%d=1" % n for n in range(1000)))) == 1000
        for query in (b"&".join([b"a=1"] * 1001), b"&" * 100_000):
            with pytest.raises(HTTPException) as caught:
                parse_query(query)
            assert caught.value.status == 400
        with pytest.raises(HTTPException):
            parse_query(b"a&b&c", max_pairs=2)
        assert len(parse_query(b"a&b", max_pairs=2)) == 2

    @pytest.mark.parametrize("piece", [b"a=1&", b"a=%41&", b"%41", b"+", b"=", b"\xff", b"%"])
    def test_the_work_is_linear(self, piece: bytes) -> None:
        """R68."""
        assert_linear(lambda size: lambda: parse_query(piece * size, max_pairs=size + 1), 2_000)


class TestParseCookies:
    @pytest.mark.parametrize(
        ("header", "pairs"),
        [
            ("a=1; b=2", [("a", "1"), ("b", "2")]),
            ("a=1;b=2", [("a", "1"), ("b", "2")]),
            ("", []),
            ("   ", []),
            ("a=b=c", [("a", "b=c")]),
            ('"a"=1', [('"a"', "1")]),
            (" aX\t=\tX1 ;\tXb = 2X ", [("aX", "X1"), ("Xb", "2X")]),
            ("a=", [("a", "")]),
            ('a="', [("a", '"')]),
            ('a=""', [("a", "")]),
            ("a=%41", [("a", "%41")]),
            # The http-state corpus, by its numbers.
            ("z=y, a=b", [("z", "y, a=b")]),  # 0017
            ("a=b; x=; c=d", [("a", "b"), ("x", ""), ("c", "d")]),  # 0022
            ("foo; ; bar", []),  # 0025
            ('aBc="zz', [("aBc", '"zz')]),  # CHROMIUM0005
            ('aBc=A"B', [("aBc", 'A"B')]),  # CHROMIUM0008
            ("A=== BC", [("A", "== BC")]),  # CHROMIUM0015
        ],
    )
    def test_the_table_of_forms(self, header: str, pairs: list[tuple[str, str]]) -> None:
        """C-02, R30: RFC 6265 §5.4."""
        assert parse_cookies(header).multi_items() == pairs

    def test_the_first_of_a_name_wins_and_all_are_there(self) -> None:
        """C-01."""
        cookies = parse_cookies("a=1; a=2")
        assert cookies["a"] == "1"
        assert cookies.getlist("a") == ["1", "2"]

    @pytest.mark.parametrize("header", ["=x", "x", ";;;", "=__Host-a=bad", " =x; ;x", "=", "=="])
    def test_nameless_cookies_are_ignored(self, header: str) -> None:
        """R26, C-02: CVE-2023-23934."""
        assert parse_cookies(header).multi_items() == []

    @given(ANY_TEXT)
    @example('a="\\')
    @example('a="\\"')
    @example('a="\\999"; b="\\377"')
    def test_no_header_raises(self, header: str) -> None:
        """R30."""
        for pair in (header, f"a={header}", f'a="{header}"'):
            parse_cookies(pair)

    @pytest.mark.parametrize("value", ["à", "é\xa0", "日本", "\x85", "\N{NO-BREAK SPACE}"])
    def test_utf_8_as_the_door_hands_it_over_becomes_text(self, value: str) -> None:
        """C-03: the second byte of `à` is a blank to `str.strip`."""
        assert parse_cookies(f"a={value}; b=1".encode().decode("latin-1"))["a"] == value

    def test_what_is_no_utf_8_is_replaced_and_what_is_text_already_stays(self) -> None:
        """C-03."""
        assert parse_cookies("a=\xff")["a"] == "\ufffd"
        assert parse_cookies("a=日本")["a"] == "日本"

    @given(st.text(max_size=40))
    @example('"')
    @example('"a"')
    @example("\\")
    @example("\\073")
    @example('a;b,c d"e\\f\t\n\x00\x7f')
    @example("%3B")
    @example("é\x80\xff日本")
    def test_any_value_round_trips(self, value: str) -> None:
        """C-03."""
        quoted = quote_cookie(value)
        assert check_field("set-cookie", f"a={quoted}") == ("set-cookie", f"a={quoted}")
        assert re.fullmatch("[!-:<-~]*", quoted)  # no blank, no control character, no ";"
        assert parse_cookies(f"a={quoted}; b=1").multi_items() == [("a", value), ("b", "1")]

    def test_a_plain_value_is_sent_as_it_is(self) -> None:
        """RFC 6265 §4.1.1: cookie-octet."""
        octets = "".join(
            map(chr, [0x21, *range(0x23, 0x2C), *range(0x2D, 0x3B), *range(0x3C, 0x5C), *range(0x5D, 0x7F)])
        )
        assert quote_cookie(octets) == octets
        assert quote_cookie("a;b") == '"a\\073b"'

    def test_a_lone_surrogate_cannot_be_sent(self) -> None:
        with pytest.raises(ValueError, match="surrogates"):
            quote_cookie("\ud800")

    @pytest.mark.parametrize("piece", ["a=1; ", "=x; ", "x;", ";", "=", '"', "\\", ' a = "\\073" ;'])
    def test_the_work_is_linear(self, piece: str) -> None:
        """R28, R68: CVE-2024-52804."""
        assert_linear(lambda size: lambda: parse_cookies(piece * size), 1_000)
        assert_linear(lambda size: lambda: parse_cookies(f'a="{piece.replace(";", "") * size}"'), 1_000)

    def test_a_thousand_malformed_cookies_leave_no_log(self, caplog: pytest.LogCaptureFixture) -> None:
        """R28: CVE-2025-69230."""
        caplog.set_level(1)
        parse_cookies('"x; \\; =a;' * 1000)
        assert caplog.records == []


def test_iterating_twice_is_possible() -> None:
    def pairs() -> Iterator[tuple[str, str]]:
        yield "a", "1"

    headers = Headers(pairs())
    assert list(headers.items()) == list(headers.items()) == [("a", "1")]
