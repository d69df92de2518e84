"""Patterns, converters, the table, and the way back from a name to a path."""

import gc
import itertools
import math
import re
import sys
import uuid
from collections.abc import Callable
from types import FrameType
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import patterns, routing
from duoframe.errors import ConfigurationError
from duoframe.patterns import CONVERTERS, Converter, PathConverter
from duoframe.routing import NoMatch, Table


def table(*routes: str, redirect_slashes: bool = True) -> Table[str]:
    """Each route is ``"METHOD[,METHOD] [host]/pattern"`` and its own target."""
    made: Table[str] = Table(redirect_slashes)
    for route in routes:
        methods, _, place = route.partition(" ")
        host, _, rest = place.partition("/")
        made.add("/" + rest, methods.split(","), route, host=host or None, describe=route)
    return made


def calls(work: Callable[[], object]) -> tuple[int, int]:
    """How many functions of the routing module ``work`` calls, and how many in C."""
    own = native = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal own, native
        code = frame.f_code
        # A comprehension is a call of its own up to Python 3.11 and none later.
        own += (
            event == "call"
            and code.co_filename in (routing.__file__, patterns.__file__)
            and not code.co_name.startswith("<")
        )
        native += event == "c_call"

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return own, native


class TestMatching:
    def test_a_static_path(self) -> None:
        assert table("GET /", "GET /a/b").match("GET", "/a/b") == ("GET /a/b", {})
        assert table("GET /", "GET /a/b").match("GET", "/") == ("GET /", {})

    def test_parameters_of_every_kind(self) -> None:
        routes = table("GET /s/{v}", "GET /i/{v:int}", "GET /f/{v:float}", "GET /u/{v:uuid}", "GET /p/{v:path}")
        number = uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
        expected = {
            "/s/caf\xe9": "caf\xe9",
            "/i/007": 7,
            "/f/1.50": 1.5,
            "/f/2": 2.0,
            "/u/f81d4fae-7dec-11d0-a765-00a0c91e6bf6": number,
            "/u/F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6": number,
            "/p/a": "a",
            "/p/a//b/": "a//b/",
            "/p//": "/",
        }
        for path, value in expected.items():
            target, values = self.found(routes, "GET", path)
            assert target.startswith(f"GET {path[:3]}")
            assert values == {"v": value}
            assert type(values["v"]) is type(value)

    def found(self, routes: Table[str], method: str, path: str) -> tuple[str, dict[str, Any]]:
        answer = routes.match(method, path)
        assert not isinstance(answer, NoMatch)
        return answer

    def test_several_parameters_come_in_the_order_of_the_path(self) -> None:
        routes = table("GET /{year:int}/{month:int}/{slug}/edit")
        _, values = self.found(routes, "GET", "/2027/02/snow/edit")
        assert list(values.items()) == [("year", 2027), ("month", 2), ("slug", "snow")]

    def test_each_match_gives_a_dict_of_its_own(self) -> None:
        routes = table("GET /", "GET /{a}")
        for path in ("/", "/x"):
            self.found(routes, "GET", path)[1]["spoiled"] = True
            assert "spoiled" not in self.found(routes, "GET", path)[1]

    @pytest.mark.parametrize(
        ("pattern", "path", "values"),
        [
            ("/files/{name}.{ext}", "/files/a.tar.gz", {"name": "a.tar", "ext": "gz"}),
            ("/files/{name}.{ext}", "/files/a", None),
            ("/files/{name}.{ext}", "/files/.gz", None),
            ("/files/{name}.{ext}", "/files/a.", None),
            ("/@{user}", "/@ann", {"user": "ann"}),
            ("/@{user}", "/@", None),
            ("/@{user}", "/ann", None),
            ("/{id:int}-{slug}", "/12-my-nice-post", {"id": 12, "slug": "my-nice-post"}),
            ("/{slug}-{id:int}", "/my-nice-post-12", {"slug": "my-nice-post", "id": 12}),
            ("/v{major:int}.{minor:int}", "/v1.02", {"major": 1, "minor": 2}),
            ("/v{major:int}.{minor:int}", "/v1x02", None),
            ("/{a}.html", "/a.html", {"a": "a"}),
            ("/{a}.html", "/axhtml", None),
            ("/{a:float}x{b:float}", "/1.5x2", {"a": 1.5, "b": 2.0}),
        ],
    )
    def test_a_segment_mixes_literals_and_parameters(
        self, pattern: str, path: str, values: dict[str, object] | None
    ) -> None:
        answer = table(f"GET {pattern}").match("GET", path)
        assert answer == (NoMatch() if values is None else (f"GET {pattern}", values))

    def test_the_rest_of_the_path_may_end_in_literals(self) -> None:
        routes = table("GET /{page:path}", "GET /{page:path}/edit", "GET /{page:path}/edit/all")
        assert routes.match("GET", "/a/b") == ("GET /{page:path}", {"page": "a/b"})
        assert routes.match("GET", "/a/b/edit") == ("GET /{page:path}/edit", {"page": "a/b"})
        assert routes.match("GET", "/a/edit/edit") == ("GET /{page:path}/edit", {"page": "a/edit"})
        assert routes.match("GET", "/a/edit/all") == ("GET /{page:path}/edit/all", {"page": "a"})
        assert routes.match("GET", "/edit") == ("GET /{page:path}", {"page": "edit"})
        assert routes.match("GET", "/") == NoMatch()

    @pytest.mark.parametrize(
        ("kind", "text"),
        [
            *[
                ("int", text)
                for text in ["+5", "-5", "-0", "\u0665", "²", "1_000", "9" * 19, "9" * 400, " 5", "5 ", "0x1"]
            ],
            *[
                ("float", text)
                for text in ["nan", "inf", "-1.0", "1e5", "1e999", "1.", ".5", "1,5", "\u0665.\u0665", "9" * 400]
            ],
            *[("float", "0." + "1" * 19), ("float", "1_0.0")],
            ("uuid", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}"),
            ("uuid", "f81d4fae7dec11d0a76500a0c91e6bf6"),
            ("uuid", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
            ("uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bfg"),
            ("uuid", "f81d4fae-7dec-11d0-a765-00a0c91e6bf\u0665"),
        ],
    )
    def test_what_only_looks_like_a_number_is_not_found(self, kind: str, text: str) -> None:
        """H-47."""
        assert table(f"GET /{{v:{kind}}}").match("GET", f"/{text}") == NoMatch()
        assert table(f"GET /x{{v:{kind}}}").match("GET", f"/x{text}") == NoMatch()

    def test_the_longest_numbers_fit(self) -> None:
        """H-47."""
        assert table("GET /{v:int}").match("GET", "/" + "9" * 18) == ("GET /{v:int}", {"v": 10**18 - 1})
        _, values = self.found(table("GET /{v:float}"), "GET", f"/{'9' * 18}.{'9' * 18}")
        assert math.isfinite(values["v"])

    @pytest.mark.parametrize("pattern", ["/a/b", "/a/{v}", "/a/{v:path}", "/a/b{v}", "/{v:float}/b", "/{v:path}/b"])
    @pytest.mark.parametrize("bad", [*map(chr, range(0x20)), "\x7f", chr(0xD800), chr(0xDCFF)])
    def test_a_control_character_matches_nothing(self, pattern: str, bad: str) -> None:
        """R12, W-21, A-06: CVE-2021-44420."""
        routes = table(f"GET {pattern}")
        for path in ("/a/b" + bad, "/a/b" + bad + "b", "/a" + bad + "/b", bad + "/a/b", "/1" + bad + "/b"):
            assert routes.match("GET", path) == NoMatch()

    @pytest.mark.parametrize(
        "text", ["caf\xe9", "日本", "\xa0", "\u200d", "\x85", "\U000e0001", "a b", "\ufffd", "%2F"]
    )
    def test_all_other_characters_are_text(self, text: str) -> None:
        """W-18, W-20."""
        assert table("GET /{v}").match("GET", f"/{text}") == ("GET /{v}", {"v": text})
        assert table(f"GET /{text}").match("GET", f"/{text}") == (f"GET /{text}", {})

    @pytest.mark.parametrize(
        "path", ["//a/b", "/a//b", "/a/./b", "/a/../a/b", "/a/b/", "/A/b", "/./a/b", "a/b", "", "*", "@a/b", "x/a/b"]
    )
    def test_a_path_is_taken_literally(self, path: str) -> None:
        """H-50, R16, W-17."""
        for routes in (table("GET /a/b", redirect_slashes=False), table("GET /{x:int}/b", redirect_slashes=False)):
            assert routes.match("GET", path) == NoMatch()

    def test_a_decoded_slash_separates_segments(self) -> None:
        """H-49: the path comes decoded once."""
        routes = table("GET /{a}", "GET /{a}/{b}")
        assert routes.match("GET", unquote("/x%2Fy")) == ("GET /{a}/{b}", {"a": "x", "b": "y"})

    def test_parameters_are_never_empty(self) -> None:
        routes = table("GET /{a}/x", "GET /a/{b}", "GET /b/{c:path}", "GET /c/{d:int}", redirect_slashes=False)
        for path in ("//x", "/a/", "/b/", "/c/"):
            assert routes.match("GET", path) == NoMatch()


class TestMethods:
    def test_a_method_that_is_missing_is_told_from_a_path_that_is(self) -> None:
        """H-04, H-05."""
        routes = table("POST,GET,OPTIONS,HEAD /a", "PUT /b/{c}")
        assert routes.match("DELETE", "/a") == NoMatch(("GET", "HEAD", "OPTIONS", "POST"))
        assert routes.match("BREW", "/a") == NoMatch(("GET", "HEAD", "OPTIONS", "POST"))
        assert routes.match("BREW", "/b/x") == NoMatch(("PUT",))
        assert routes.match("BREW", "/nowhere") == NoMatch()

    def test_methods_distinguish_case_and_none_is_invented(self) -> None:
        """H-05: RFC 9110 §9.1."""
        routes = table("GET /a", "GET /b/{c}")
        for method in ("get", "HEAD", "OPTIONS", ""):
            assert routes.match(method, "/a") == NoMatch(("GET",))
            assert routes.match(method, "/b/x") == NoMatch(("GET",))

    def test_the_next_best_place_is_asked_when_the_method_is_missing(self) -> None:
        """H-48."""
        routes = table("GET /x/{id:int}", "POST /x/{name}", "PUT /x/7", "DELETE /{rest:path}")
        assert routes.match("PUT", "/x/7") == ("PUT /x/7", {})
        assert routes.match("GET", "/x/7") == ("GET /x/{id:int}", {"id": 7})
        assert routes.match("POST", "/x/7") == ("POST /x/{name}", {"name": "7"})
        assert routes.match("DELETE", "/x/7") == ("DELETE /{rest:path}", {"rest": "x/7"})
        assert routes.match("PATCH", "/x/7") == NoMatch(("DELETE", "GET", "POST", "PUT"))
        assert routes.match("PATCH", "/x/a") == NoMatch(("DELETE", "POST"))

    def test_names_may_differ_between_the_methods_of_one_place(self) -> None:
        routes = table("GET /x/{id:int}", "PUT /x/{number:int}")
        assert routes.match("GET", "/x/7") == ("GET /x/{id:int}", {"id": 7})
        assert routes.match("PUT", "/x/7") == ("PUT /x/{number:int}", {"number": 7})


class TestPrecedence:
    def test_static_beats_mixed_beats_typed_beats_text_beats_rest(self) -> None:
        """H-48."""
        ranked = ["/1.5", "/{a}.5", "/{a}.{b}", "/{a:float}", "/{a}", "/{a:path}"]
        for last in range(len(ranked)):
            routes = table(*[f"GET {pattern}" for pattern in reversed(ranked[last:])])
            answer = routes.match("GET", "/1.5")
            assert not isinstance(answer, NoMatch)
            assert answer[0] == f"GET {ranked[last]}"

    def test_int_beats_float_beats_others(self) -> None:
        """H-48."""

        class Loose(Converter):
            pass

        kinds = ["int", "float", "loose", "str", "path"]
        for order in itertools.permutations(kinds):
            for first in range(len(kinds)):
                routes: Table[str] = Table(converters={**CONVERTERS, "loose": Loose()})
                for kind in order:
                    if kind in kinds[first:]:
                        routes.add(f"/{{v:{kind}}}", ["GET"], kind)
                answer = routes.match("GET", "/7")
                assert not isinstance(answer, NoMatch)
                assert answer[0] == kinds[first]

    def test_the_first_segment_decides_and_a_dead_end_is_left_again(self) -> None:
        routes = table("GET /a/{x}/c/d", "GET /{x}/b/c/e", "GET /{x}/{y}/c/f", "GET /{x:path}/g", "GET /a/b/{z:int}/h")
        assert routes.match("GET", "/a/b/c/d") == ("GET /a/{x}/c/d", {"x": "b"})
        assert routes.match("GET", "/a/b/c/e") == ("GET /{x}/b/c/e", {"x": "a"})
        assert routes.match("GET", "/a/b/c/f") == ("GET /{x}/{y}/c/f", {"x": "a", "y": "b"})
        assert routes.match("GET", "/a/b/c/g") == ("GET /{x:path}/g", {"x": "a/b/c"})
        assert routes.match("GET", "/a/b/1/h") == ("GET /a/b/{z:int}/h", {"z": 1})
        assert routes.match("GET", "/a/b/c/i") == NoMatch()

    # A second reading of the rules, by the plainest means: every route is held against every path.
    SEGMENTS = ("a", "1", "x1", "x{v}", "{v:int}", "{v}", "{v:path}")
    REGEXES = ("a", "1", "x1", "x[^/]+", "[0-9]{1,18}", "[^/]+", ".+")
    RANKS = (0, 0, 0, 1, 2, 3, 4)

    route = st.tuples(
        st.sampled_from(["GET", "POST"]),
        st.lists(st.integers(0, 5), max_size=3),
        st.booleans(),
    ).map(lambda drawn: (drawn[0], (*drawn[1], *([6] if drawn[2] or not drawn[1] else []))))
    paths = st.lists(st.sampled_from(["a", "1", "x1", "x", "b", ""]), min_size=1, max_size=5).map(
        lambda segments: "/" + "/".join(segments)
    )

    def best(self, routes: list[tuple[str, tuple[int, ...]]], method: str, path: str) -> tuple[int, ...] | None:
        fitting = [
            shape
            for known, shape in routes
            if known == method and re.fullmatch("".join("/" + self.REGEXES[segment] for segment in shape), path)
        ]
        return min(fitting, key=lambda shape: [self.RANKS[segment] for segment in shape], default=None)

    @given(routes=st.lists(route, unique=True, max_size=12), paths=st.lists(paths, max_size=8), data=st.data())
    def test_any_set_of_routes_answers_alike_in_any_order(
        self, routes: list[tuple[str, tuple[int, ...]]], paths: list[str], data: st.DataObject
    ) -> None:
        """H-48."""
        for order in (routes, data.draw(st.permutations(routes))):
            made: Table[tuple[int, ...]] = Table()
            for method, shape in order:
                texts = [
                    self.SEGMENTS[segment].replace("{v", f"{{v{position}") for position, segment in enumerate(shape)
                ]
                made.add("/" + "/".join(texts), [method], shape)
            for path in paths:
                answer = made.match("GET", path)
                best = self.best(routes, "GET", path)
                if best is not None:
                    assert not isinstance(answer, NoMatch)
                    assert answer[0] == best
                else:
                    assert isinstance(answer, NoMatch)
                    assert answer.allowed == (("POST",) if self.best(routes, "POST", path) is not None else ())


class TestHosts:
    def test_a_route_with_a_host_beats_one_without(self) -> None:
        routes = table("GET /a", "GET api.example.com/a", "GET {tenant}.example.com/a", "POST /a", "GET /b/{c}")
        routes.add("/b", ["GET"], "GET {tenant}.example.com/b", host="{tenant}.example.com")
        assert routes.match("GET", "/b", "x.example.com") == ("GET {tenant}.example.com/b", {"tenant": "x"})
        assert routes.match("GET", "/a", "api.example.com") == ("GET api.example.com/a", {})
        assert routes.match("GET", "/a", "x.example.com") == ("GET {tenant}.example.com/a", {"tenant": "x"})
        assert routes.match("GET", "/a", "example.com") == ("GET /a", {})
        assert routes.match("GET", "/a", "") == ("GET /a", {})
        assert routes.match("GET", "/a") == ("GET /a", {})
        assert routes.match("POST", "/a", "api.example.com") == ("POST /a", {})
        assert routes.match("GET", "/b/1", "api.example.com") == ("GET /b/{c}", {"c": "1"})
        assert routes.match("PUT", "/a", "api.example.com") == NoMatch(("GET", "POST"))
        assert routes.match("GET", "/c", "api.example.com") == NoMatch()

    @pytest.mark.parametrize(
        "host",
        ["api.example.com", "API.Example.COM", "api.example.com:8000", "api.example.com.", "api.example.com.:80"],
    )
    def test_case_port_and_last_dot_do_not_count(self, host: str) -> None:
        """R18."""
        for registered in ("api.example.com", "Api.Example.Com", "api.example.com."):
            routes = table(f"GET {registered}/a")
            assert routes.match("GET", "/a", host) == (f"GET {registered}/a", {})

    @pytest.mark.parametrize(
        "host", ["apixexample.com", "api.example.com.evil.example", "xapi.example.com", "example.com", "api.example.co"]
    )
    def test_a_host_is_a_literal(self, host: str) -> None:
        """R18: CVE-2026-25479."""
        assert table("GET api.example.com/a").match("GET", "/a", host) == NoMatch()

    def test_addresses(self) -> None:
        routes = table("GET [::1]/a", "GET 127.0.0.1/a")
        for host in ("[::1]", "[::1]:80"):
            assert routes.match("GET", "/a", host) == ("GET [::1]/a", {})
        assert routes.match("GET", "/a", "127.0.0.1:80") == ("GET 127.0.0.1/a", {})
        assert routes.match("GET", "/a", "::1") == NoMatch()

    def test_a_parameter_takes_one_label_and_joins_those_of_the_path(self) -> None:
        routes = table("GET {Tenant}.{n:int}.Example.com/{id:int}", "GET v{n:int}.example.com/")
        expected = ("GET {Tenant}.{n:int}.Example.com/{id:int}", {"Tenant": "acme", "n": 1, "id": 7})
        assert routes.match("GET", "/7", "ACME.1.example.com:80") == expected
        assert routes.match("GET", "/7", "x.acme.1.example.com") == NoMatch()
        assert routes.match("GET", "/7", "acme.x.example.com") == NoMatch()
        assert routes.match("GET", "/", "v2.example.com") == ("GET v{n:int}.example.com/", {"n": 2})

    def test_hosts_answer_alike_in_any_order(self) -> None:
        """H-48."""
        routes = [
            "GET {a}.example.com/x",
            "POST {b}.example.com/x",
            "GET api-{a}.example.com/x",
            "GET /x",
            "PUT {a}.com/x",
        ]
        for order in itertools.permutations(routes):
            made = table(*order)
            assert made.match("GET", "/x", "api-1.example.com") == ("GET api-{a}.example.com/x", {"a": "1"})
            assert made.match("POST", "/x", "api-1.example.com") == ("POST {b}.example.com/x", {"b": "api-1"})
            assert made.match("GET", "/x", "b.example.com") == ("GET {a}.example.com/x", {"a": "b"})
            assert made.match("PUT", "/x", "example.com") == ("PUT {a}.com/x", {"a": "example"})

    def test_each_host_has_redirects_of_its_own(self) -> None:
        routes = table("GET api.example.com/a/", "GET /b/")
        assert routes.match("GET", "/a", "api.example.com") == NoMatch(redirect="/a/")
        assert routes.match("GET", "/a", "example.com") == NoMatch()
        assert routes.match("GET", "/b", "api.example.com") == NoMatch(redirect="/b/")

    @pytest.mark.parametrize(
        ("host", "words"),
        [
            ("", "without port"),
            (".", "without port"),
            ("a..b", "without port"),
            ("example.com:8000", "without port"),
            ("*.example.com", "{tenant}.example.com"),
            ("http://example.com", "without port"),
            ("{a:path}.example.com", "no slashes"),
            ("{a.example.com", "{name}"),
            ("{a:word}.example.com", "'word'"),
        ],
    )
    def test_a_host_that_could_never_match_is_refused(self, host: str, words: str) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(words)):
            Table[str]().add("/a", ["GET"], "", host=host)


class TestSlashes:
    def test_the_sibling_is_offered_when_only_that_is_known(self) -> None:
        """H-12."""
        routes = table("GET /a/", "GET /b", "GET /{c}/d/", "POST /{c}/e")
        assert routes.match("GET", "/a") == NoMatch(redirect="/a/")
        assert routes.match("PUT", "/a") == NoMatch(redirect="/a/")
        assert routes.match("GET", "/b/") == NoMatch(redirect="/b")
        assert routes.match("GET", "/caf\xe9/d") == NoMatch(redirect="/caf\xe9/d/")
        assert routes.match("GET", "/x/e/") == NoMatch(redirect="/x/e")
        assert routes.match("GET", "/x/f/") == NoMatch()

    def test_it_is_not_offered_where_the_path_itself_is_known(self) -> None:
        """H-04: the other methods of `/a` are the answer, not another path."""
        assert table("POST /a", "GET /a/").match("GET", "/a") == NoMatch(("POST",))

    def test_it_can_be_switched_off(self) -> None:
        assert table("GET /a/", redirect_slashes=False).match("GET", "/a") == NoMatch()

    @pytest.mark.parametrize(
        "path",
        [
            "//evil.example",
            "/\\evil.example",
            "/\\evil.example/",
            "///evil.example",
            "/\t/evil.example",
            "/.//evil.example",
            "/a//",
            "evil.example",
            "/evil.example\\",
            "/",
            "",
            "*",
        ],
    )
    def test_it_never_leads_to_another_site(self, path: str) -> None:
        """R10, H-50: CVE-2021-21330, CVE-2020-28724."""
        routes = table("GET /{a}/", "GET /{a}/{b}/", "GET /{a}/{b}/{c}/", "GET //{a}/{b:path}/", "GET /x{a}", "GET /a/")
        answer = routes.match("POST", path)
        assert isinstance(answer, NoMatch)
        assert answer.redirect is None


class TestRegistration:
    @pytest.mark.parametrize(
        ("pattern", "words"),
        [
            ("", "starts with '/'"),
            ("a", "starts with '/'"),
            ("{a:path}", "starts with '/'"),
            ("/a\n", "printable"),
            ("/a\ud800", "printable"),
            ("/{a", "{name:kind}"),
            ("/a}", "{name:kind}"),
            ("/{}", "{name:kind}"),
            ("/{a b}", "{name:kind}"),
            ("/{1a}", "{name:kind}"),
            ("/{a:}", "{name:kind}"),
            ("/{{a}}", "{name:kind}"),
            ("/{a/b}", "{name:kind}"),
            ("/{a:integer}", "no converter is called 'integer'; there are: float, int, path, str, uuid"),
            ("/{a}/{a:int}", "twice"),
            ("/{a}{b}", "where 'a' ends"),
            ("/{a}-{b}-{c}", "linear time"),
            ("/{a}-{b}.html", "linear time"),
            ("/x{a:path}", "segment of its own"),
            ("/{a:path}.txt", "segment of its own"),
            ("/{a:path}/{b}", "only literals behind it"),
            ("/{a:path}/b{c}", "only literals behind it"),
            ("/{a:path}/{b:path}", "only literals behind it"),
        ],
    )
    def test_a_pattern_that_cannot_be_read_is_refused_with_the_reason(self, pattern: str, words: str) -> None:
        with pytest.raises(ConfigurationError, match=re.escape(words)) as caught:
            Table[str]().add(pattern, ["GET"], "")
        assert repr(pattern) in str(caught.value)

    @pytest.mark.parametrize("methods", [[], "GET", ["GET", ""]])
    def test_methods_are_a_list_of_names(self, methods: Any) -> None:
        with pytest.raises(ConfigurationError, match="expected methods"):
            Table[str]().add("/", methods, "")

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("GET /a", "GET /a"),
            ("GET /{a}", "GET /{b}"),
            ("GET /{a}", "GET /{b:str}"),
            ("GET /x/{a:int}.{b}", "GET /x/{c:int}.{d}"),
            ("GET /{a:path}", "GET /{b:path}"),
            ("GET /{a:path}/x", "GET /{b:path}/x"),
            ("GET,POST /a", "PUT,GET /a"),
            ("GET example.com/a", "GET Example.COM/a"),
            ("GET {a}.example.com/a", "GET {b}.example.com/a"),
        ],
    )
    def test_two_targets_for_one_place_are_refused_naming_both(self, first: str, second: str) -> None:
        routes = table(first)
        methods, _, place = second.partition(" ")
        host, _, rest = place.partition("/")
        with pytest.raises(ConfigurationError) as caught:
            routes.add("/" + rest, methods.split(","), "new", host=host or None, describe="the new one")
        assert str(caught.value).startswith(f"the new one and {first} both answer GET /{rest}")
        assert "change the path, the host or the method of one" in str(caught.value)

    def test_what_was_refused_has_changed_nothing(self) -> None:
        routes = table("GET /a")
        with pytest.raises(ConfigurationError, match=re.escape("Pattern('/a') and GET /a both answer GET /a")):
            routes.add("/a", ["PUT", "GET"], "new", name="new")
        assert routes.match("PUT", "/a") == NoMatch(("GET",))
        with pytest.raises(LookupError):
            routes.url_for("new")

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("GET /a", "POST /a"),
            ("GET /{a}", "GET /{a:int}"),
            ("GET /{a}", "GET /{a}/"),
            ("GET /a", "GET example.com/a"),
            ("GET a.example.com/a", "GET b.example.com/a"),
        ],
    )
    def test_what_differs_in_method_converter_or_host_does_not_collide(self, first: str, second: str) -> None:
        table(first, second)

    def test_a_pattern_tells_its_parts(self) -> None:
        routes = Table[int]()
        pattern = routes.add("/users/{id:int}/{name}", ["GET"], 1, host="{tenant}.example.com")
        assert pattern.pattern == "/users/{id:int}/{name}"
        assert pattern.host == "{tenant}.example.com"
        assert pattern.parameters == {"tenant": "str", "id": "int", "name": "str"}
        assert list(pattern.parameters) == ["tenant", "id", "name"]
        assert pattern.host_parameters == ("tenant",)
        assert pattern.path_parameters == ("id", "name")
        assert repr(pattern) == "Pattern('/users/{id:int}/{name}', host='{tenant}.example.com')"
        assert routes.add("/", ["GET"], 1).parameters == {}


class Slug(Converter):
    pattern = "[a-z]+(?:-[a-z]+)*"


class Even(Converter):
    pattern = "[0-9]+"

    def to_python(self, text: str) -> int:
        if int(text) % 2:
            raise ValueError(text)
        return int(text)

    def to_url(self, value: int) -> str:
        return str(value)


class Version(PathConverter):
    pattern = "v[0-9]+/.+"


class TestConverters:
    def made(self, *patterns: str) -> Table[str]:
        routes: Table[str] = Table(
            converters={**CONVERTERS, "slug": Slug(), "even": Even(), "version": Version(), "number": CONVERTERS["int"]}
        )
        for pattern in patterns:
            routes.add(pattern, ["GET"], pattern, name=pattern)
        return routes

    def test_ones_own_match_by_pattern_and_by_value(self) -> None:
        routes = self.made(
            "/s/{v:slug}", "/e/{v:even}", "/e/{v:int}/x", "/p/{v:version}", "/m/{v:even}.{w}", "/n/{v:number}"
        )
        assert routes.match("GET", "/s/a-b") == ("/s/{v:slug}", {"v": "a-b"})
        assert routes.match("GET", "/s/a-") == NoMatch()
        assert routes.match("GET", "/e/4") == ("/e/{v:even}", {"v": 4})
        assert routes.match("GET", "/e/5") == NoMatch()
        assert routes.match("GET", "/p/v1/a/b") == ("/p/{v:version}", {"v": "v1/a/b"})
        assert routes.match("GET", "/p/x1/a/b") == NoMatch()
        assert routes.match("GET", "/m/4.x") == ("/m/{v:even}.{w}", {"v": 4, "w": "x"})
        assert routes.match("GET", "/m/5.x") == NoMatch()
        assert routes.match("GET", "/n/5") == ("/n/{v:number}", {"v": 5})

    def test_a_value_that_is_refused_matches_nothing_whatever_its_text(self) -> None:
        class Never(Converter):
            def to_python(self, text: str) -> str:
                raise ValueError(super().to_python(text))

        routes: Table[str] = Table(converters={"never": Never()})
        routes.add("/{v:never}", ["GET"], "", name="it")
        assert routes.match("GET", "/a") == NoMatch()
        with pytest.raises(ValueError, match="takes never, got 'a'"):
            routes.url_for("it", v="a")

    def test_a_pattern_is_anchored_at_both_ends(self) -> None:
        """R12."""

        class Either(Converter):
            pattern = "a|b$"

        for pattern in ("/{v:either}", "/x{v:either}"):
            routes: Table[str] = Table(converters={"either": Either()})
            routes.add(pattern, ["GET"], "")
            start = pattern.partition("{")[0]
            assert routes.match("GET", start + "b") == ("", {"v": "b"})
            for path in ("ab", "ba", "ax", "xb", "b\n"):
                assert routes.match("GET", start + path) == NoMatch()

    @pytest.mark.parametrize(("regex", "words"), [("(a)", "captures"), ("(", "no regular expression")])
    def test_a_pattern_that_cannot_be_used_is_refused(self, regex: str, words: str) -> None:
        class Broken(Converter):
            pattern = regex

        with pytest.raises(ConfigurationError, match=f"converter 'broken' .*{words}|{words}"):
            Table[str](converters={"broken": Broken()}).add("/{a:broken}", ["GET"], "")

    def test_two_of_any_length_need_segments_of_their_own(self) -> None:
        with pytest.raises(ConfigurationError, match="linear time"):
            self.made("/{a}-{b:slug}")
        self.made("/{a:slug}.{b}")

    def test_one_that_is_registered_later_is_known(self) -> None:
        converters = dict(CONVERTERS)
        routes: Table[str] = Table(converters=converters)
        converters["slug"] = Slug()
        assert routes.add("/{v:slug}", ["GET"], "").parameters == {"v": "slug"}


class TestURLFor:
    def named(self, *patterns: str, host: str | None = None) -> Table[str]:
        routes: Table[str] = Table(converters={**CONVERTERS, "even": Even(), "slug": Slug()})
        for pattern in patterns:
            routes.add(pattern, ["GET"], pattern, name="it", host=host)
        return routes

    @pytest.mark.parametrize(
        ("pattern", "values", "path"),
        [
            ("/", {}, "/"),
            ("/a/b/", {}, "/a/b/"),
            ("/caf\xe9/100%", {}, "/caf%C3%A9/100%25"),
            ("/users/{id:int}", {"id": 7}, "/users/7"),
            ("/users/{id:int}", {"id": "7"}, "/users/7"),
            ("/{name}", {"name": "a b?#%é"}, "/a%20b%3F%23%25%C3%A9"),
            ("/{name}", {"name": "a-._~!$&'()*+,;=:@"}, "/a-._~!$&'()*+,;=:@"),
            ("/{x:float}", {"x": 1.5}, "/1.5"),
            ("/{x:float}", {"x": 2}, "/2"),
            (
                "/{u:uuid}",
                {"u": uuid.UUID("f81d4fae-7dec-11d0-a765-00a0c91e6bf6")},
                "/f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
            ),
            ("/f/{p:path}", {"p": "a/b c"}, "/f/a/b%20c"),
            ("/{p:path}/edit", {"p": "a/b"}, "/a/b/edit"),
            ("/{name}.{ext}", {"name": "a.tar", "ext": "gz"}, "/a.tar.gz"),
            ("/{p:path}", {"p": "/evil.example"}, "/%2Fevil.example"),
            ("/{name}", {"name": "\\evil.example"}, "/%5Cevil.example"),
            ("/{self}/{name}", {"self": "a", "name": "b"}, "/a/b"),
        ],
    )
    def test_the_table_of_forms(self, pattern: str, values: dict[str, Any], path: str) -> None:
        """R10: RFC 3986 §3.3; CVE-2014-0480."""
        assert self.named(pattern).url_for("it", **values) == path

    @pytest.mark.parametrize(
        ("pattern", "value"),
        [
            *[
                ("/{v:int}", value)
                for value in (-1, 1.0, True, "x", "5 ", "\u0665", 10**18, "9" * 5000, None, math.nan)
            ],
            *[("/{v:float}", value) for value in (math.nan, math.inf, -1.0, 1e30, 1e-30, True, "x", None)],
            *[("/{v:uuid}", value) for value in ("x", "{f81d4fae-7dec-11d0-a765-00a0c91e6bf6}", None)],
            *[("/{v}", value) for value in ("", "a/b", "a\n", "\x00", "\ud800", None)],
            *[("/{v:path}", value) for value in ("", "a\n", None)],
            *[("/{v:even}", 3), ("/{v:slug}", "A"), ("/{v:slug}", "a-")],
        ],
    )
    def test_a_value_that_would_not_match_is_refused_by_name(self, pattern: str, value: object) -> None:
        kind = self.named(pattern)
        with pytest.raises(ValueError, match=rf"parameter 'v' of '{re.escape(pattern)}' takes \w+, got "):
            kind.url_for("it", v=value)

    @pytest.mark.parametrize(("pattern", "value"), [("/a/{v}", ".."), ("/a/{v}", "."), ("/{v:path}", "a/../b")])
    def test_a_dot_segment_is_refused_because_a_browser_would_resolve_it(self, pattern: str, value: str) -> None:
        """RFC 3986 §5.2.4."""
        with pytest.raises(ValueError, match="dot segment"):
            self.named(pattern).url_for("it", v=value)

    def test_values_that_would_be_read_back_otherwise_are_refused(self) -> None:
        with pytest.raises(ValueError, match="read back otherwise"):
            self.named("/{name}.{ext}").url_for("it", name="a", ext="tar.gz")

    def test_an_unknown_name_is_a_lookup_error(self) -> None:
        with pytest.raises(LookupError, match="no route is called 'that'"):
            self.named("/").url_for("that")

    @pytest.mark.parametrize("values", [{}, {"id": 1}, {"id": 1, "name": "a", "more": 2}, {"id": 1, "nam": "a"}])
    def test_parameters_that_lack_or_are_too_many_are_a_value_error(self, values: dict[str, Any]) -> None:
        wanted = r"route 'it' is '/\{id:int\}/\{name\}' with \(id, name\), got \("
        with pytest.raises(ValueError, match=wanted + ", ".join(values) + r"\)"):
            self.named("/{id:int}/{name}").url_for("it", **values)

    def test_of_several_routes_with_a_name_the_parameters_choose(self) -> None:
        routes = self.named("/list", "/list/{page:int}", "/other")
        assert routes.url_for("it") == "/list"
        assert routes.url_for("it", page=2) == "/list/2"
        with pytest.raises(ValueError, match=r"'/list' with \(\) or '/list/\{page:int\}' with \(page\)"):
            routes.url_for("it", that=1)

    def test_the_parameters_of_a_host_may_be_given_or_left_out(self) -> None:
        routes = self.named("/{id:int}", host="{tenant}.example.com")
        assert routes.url_for("it", id=7) == routes.url_for("it", id=7, tenant="acme") == "/7"

    @given(
        st.text(st.characters(exclude_categories=()), min_size=1),
        st.integers(),
        st.floats(),
        st.uuids(),
        st.text(st.characters(exclude_categories=()), min_size=1),
    )
    @example("a.b", 0, 0.5, uuid.UUID(int=0), "/a//b/")
    @example("%2F", 10**18 - 1, 123456.75, uuid.UUID(int=1), "%2e%2e/a")
    def test_it_is_the_inverse_of_match(self, text: str, whole: int, real: float, number: uuid.UUID, rest: str) -> None:
        patterns = {"/s/{v}": text, "/i{v:int}": whole, "/f/{v:float}": real, "/u/{v:uuid}": number}
        patterns |= {"/{v:path}": rest, "/{v:path}/end": rest, "/m/{v}.{w}": text, "/n/{v}": text}
        for pattern, value in patterns.items():
            routes = self.named(pattern)
            values = {"v": value} | ({"w": "end"} if "{w}" in pattern else {})
            try:
                path = routes.url_for("it", **values)
            except ValueError:
                continue
            assert re.fullmatch(r"/(?!/)[!$%&-;=@-Z_a-z~]*", path)
            assert routes.match("GET", unquote(path)) == (pattern, values)


class TestCost:
    def routes(self, count: int) -> Table[int]:
        made: Table[int] = Table()
        for number in range(count // 5):
            made.add(f"/r{number}", ["GET"], number)
            made.add(f"/r{number}/{{id:int}}", ["GET"], number)
            made.add(f"/r{number}/{{id:int}}/items/{{name}}", ["GET"], number)
            made.add(f"/r{number}/by/{{name}}", ["GET"], number)
            made.add(f"/r{number}/f/{{name}}.{{ext}}", ["GET"], number)
        return made

    @pytest.mark.parametrize(
        ("path", "own"),
        [("/r1", 1), ("/r1/7", 2), ("/r1/7/items/x", 2), ("/r1/by/x", 2), ("/r1/f/a.b", 3), ("/r1/x", 5)],
    )
    def test_a_thousand_routes_cost_what_ten_do(self, path: str, own: int) -> None:
        few, many = self.routes(10), self.routes(1000)
        counted = calls(lambda: few.match("GET", path))
        assert counted == calls(lambda: many.match("GET", path))
        assert counted[0] == own

    def test_hosts_cost_nothing_where_no_route_has_one(self) -> None:
        made = self.routes(10)
        assert calls(lambda: made.match("GET", "/r1/7")) == calls(lambda: made.match("GET", "/r1/7", "api.example.com"))

    def test_a_path_of_many_slashes_is_not_split_to_its_end(self) -> None:
        made = self.routes(10)
        assert calls(lambda: made.match("GET", "/r1/7" + "/" * 100_000)) == calls(
            lambda: made.match("GET", "/r1/7//////")
        )
        assert made.match("GET", "/r1/7/items/x" + "/x" * 100_000) == NoMatch()

    @pytest.mark.parametrize(
        "pattern",
        [
            "/{a}.{b}",
            "/{a}-{n:int}.{b}",
            "/{n:int}0{a}.{b}",
            "/{a}-{n:float}",
            "/{a:path}/x",
            "/{a}-.html",
            "/{a:slug}.{b}",
        ],
    )
    @pytest.mark.parametrize("piece", ["-", ".", "a", "1", "-1", ".1", "-1.", "a-", "/x", "0"])
    def test_a_long_segment_is_read_in_linear_time(self, pattern: str, piece: str) -> None:
        """R68: in quadratic time each of these would take minutes."""
        routes: Table[str] = Table(converters={**CONVERTERS, "slug": Slug()})
        routes.add(pattern, ["GET"], "")
        routes.match("GET", "/" + piece * 200_000)
        routes.match("GET", "/" + piece * 200_000 + "!")

    def test_matching_leaves_no_cycles_behind(self) -> None:
        made = self.routes(10)
        paths = ["/r1", "/r1/7", "/r1/x", "/r1/f/a.b", "/nowhere", "/r1/"]
        gc.collect()
        gc.disable()
        try:
            for path, method in itertools.product(paths, ["GET", "PUT"]):
                made.match(method, path, "example.com")
            assert gc.collect() == 0
        finally:
            gc.enable()
