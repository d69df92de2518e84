"""Content negotiation: the best offer for what a client accepts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe.negotiation import best_encoding, best_language, best_media_type
from tests.linear import assert_linear

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
HTML, JSON, PROBLEM, PLAIN = "text/html", "application/json", "application/problem+json", "text/plain"
ANY_FIELD = st.text(st.characters(max_codepoint=0xFF), max_size=60)

MALFORMED = [
    *("text/html;q=1.001", "text/html;q=2", "text/html;q=-1", "text/html;q=.5", "text/html;q=0.1234", "text/html;q="),
    *("text/html;q=1e0", 'text/html;q="1"', "text/html;q=\u0660", "text/html;q=0,5", "text/html;q = 0", "text/html;q"),
    *("text/html;q=0;q=1", "text/html;level=1;level=2", "text/html;LEVEL=1;level=1", "text/html; level"),
    *(
        "text",
        "*",
        "/",
        "text/",
        "/html",
        "*/html",
        "text/html/x",
        "text /html",
        "text/html text/plain",
        "text/html;;;x",
    ),
    *('text/html;a="b', 'text/html;a="\x00"', "text/html\x00", "text/hté", "text/html; q=0.5 x", "text/plain;q=0,;"),
]


class TestMediaTypes:
    @pytest.mark.parametrize(
        ("field", "offers", "best"),
        [
            # Without a field, or one that says nothing, the first.
            (None, [JSON, HTML], JSON),
            ("", [JSON, HTML], JSON),
            (" , ,", [JSON, HTML], JSON),
            ("*/*", [JSON, HTML], JSON),
            (None, [], None),
            ("*/*", [], None),
            # The weights.
            (BROWSER, [PROBLEM, HTML], HTML),
            (BROWSER, [PROBLEM, JSON], PROBLEM),
            ("text/html;q=0.5, application/json", [HTML, JSON], JSON),
            ("text/html;q=0.5, application/json;q=0.500", [HTML, JSON], HTML),
            ("text/html;q=0.001", [HTML], HTML),
            ("text/html;q=1.000", [HTML], HTML),
            ("text/html;q=1.", [HTML], HTML),
            # What is not acceptable.
            ("text/html", [JSON], None),
            ("text/html;q=0", [HTML], None),
            ("text/html;q=0.000, */*", [HTML, JSON], JSON),
            ("*/*;q=0", [HTML, JSON], None),
            ("text/*;q=0, */*;q=0.1", [HTML, JSON], JSON),
            ("application/json", [PROBLEM], None),
            # The most specific range decides, not the highest weight.
            ("text/*, text/html;q=0.1", [HTML, PLAIN], PLAIN),
            ("text/html;q=0.1, text/*", [HTML, PLAIN], PLAIN),
            ("*/*;q=0.9, text/*;q=0.1, application/json;q=0.5", [HTML, JSON], JSON),
            ("text/html;level=1;q=0.1, text/html", ["text/html;level=1", HTML], HTML),
            ("text/html;level=1, text/html;q=0.4", [HTML, "text/html;level=1"], "text/html;level=1"),
            # Names do not distinguish case, nor does a charset; whitespace stands around ";" and ",".
            ("TEXT/HTML", [HTML], HTML),
            ("text/html", ["Text/HTML"], "Text/HTML"),
            ("text/html; Charset=UTF-8", ["text/html; charset=utf-8"], "text/html; charset=utf-8"),
            (
                'text/html\t; charset="utf-8" ;Q=0.5 ,application/json;q=0.4',
                ["text/html;charset=utf-8", JSON],
                "text/html;charset=utf-8",
            ),
            ("text/html;charset=utf-8", [HTML], None),
            ("text/html", ["text/html;charset=utf-8"], "text/html;charset=utf-8"),
            ('text/html;a="b\\"c,d;e"', ['text/html;a="b\\"c,d;e"', HTML], 'text/html;a="b\\"c,d;e"'),
            ("text/html;;", [HTML], HTML),  # parameters may be empty (RFC 9110 §5.6.6)
            (
                "text/html;q=0.1;level=1, text/html;q=0.2",
                ["text/html;level=1", HTML],
                HTML,
            ),  # "q" anywhere is the weight
        ],
    )
    def test_the_best_offer_is_found(self, field: str | None, offers: list[str], best: str | None) -> None:
        """H-13: RFC 9110 §12.4.2, §12.5.1."""
        assert best_media_type(field, offers) == best

    @pytest.mark.parametrize(
        ("offer", "weight"),
        [
            ("text/plain;format=flowed", 1),
            ("text/plain", 0.7),
            ("text/html", 0.3),
            ("image/jpeg", 0.5),
            ("text/plain;format=fixed", 0.4),
            ("text/html;level=3", 0.3),
        ],
    )
    def test_the_table_of_the_standard(self, offer: str, weight: float) -> None:
        """H-13: RFC 9110 §12.5.1; each weight is found by what stands just above and just below it."""
        field = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"
        for other, best in ((weight - 0.001, offer), (weight + 0.001, "x/other")):
            if other < 1:
                assert best_media_type(f"{field}, x/other;q={other:.3f}", [offer, "x/other"]) == best

    @pytest.mark.parametrize("field", MALFORMED)
    def test_a_malformed_field_counts_as_absent(self, field: str) -> None:
        """H-13."""
        assert best_media_type(field, [JSON, HTML]) == JSON
        assert best_media_type(f"text/html, {field}", [JSON, HTML]) == JSON

    @pytest.mark.parametrize("offer", ["html", "", "text/*", "*/*", "text/html, text/plain", "text/html;q=2"])
    def test_an_offer_is_a_media_type(self, offer: str) -> None:
        with pytest.raises(ValueError, match="expected a media type like 'text/html'"):
            best_media_type(None, [offer])

    @given(
        st.lists(
            st.tuples(st.sampled_from([HTML, JSON, PLAIN]), st.integers(0, 1000)),
            min_size=1,
            unique_by=lambda item: item[0],
        )
    )
    def test_weights_are_read_back(self, preferences: list[tuple[str, int]]) -> None:
        """H-13."""
        field = ", ".join(f"{name};q={weight / 1000:.3f}" for name, weight in preferences)
        weights = dict(preferences)
        best = best_media_type(field, [HTML, JSON, PLAIN])
        assert weights.get(best or "", 0) == max(weights.values())

    @given(ANY_FIELD)
    def test_no_field_raises(self, field: str) -> None:
        """H-13."""
        for text in (field, f"text/html;{field}", f'text/html;a="{field}"', f"text/html;q={field}"):
            assert best_media_type(text, [HTML, JSON]) in (HTML, JSON, None)

    @pytest.mark.parametrize(
        "piece",
        [
            "text/html,",
            "a/b;q=0.1,",
            "a/b;",
            ";a=b",
            ',a/b;c="\\"",',
            '"',
            "\\",
            ",",
            " ",
            "/",
            "a",
            "*/*,",
            "a/b;c=d ",
        ],
    )
    def test_the_work_is_linear(self, piece: str) -> None:
        """H-13, R68: counted, and of a size that would take minutes in quadratic time."""
        for begin in ("", "a/b", 'a/b;c="', "a/b;c="):
            assert_linear(lambda size, begin=begin: lambda: best_media_type(begin + piece * size, [HTML]), 500)  # type: ignore[misc]
            best_media_type(begin + piece * 50_000, [HTML])


class TestEncodings:
    @pytest.mark.parametrize(
        ("field", "best"),
        [
            (None, "identity"),
            ("", "identity"),  # RFC 9110 §12.5.3: no coding is wanted
            ("gzip", "gzip"),
            ("gzip, br", "br"),  # of equals the first that is offered
            ("gzip, deflate, br, zstd", "br"),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip"),  # an example of the standard
            ("compress;q=0.5, gzip;q=1.0", "gzip"),  # another
            ("GZIP", "gzip"),
            ("x-gzip", "gzip"),
            ("br;q=0.5, gzip", "gzip"),
            ("gzip;q=0", "identity"),
            ("gzip;q=0, br;q=0", "identity"),
            ("gzip;q=0, *", "br"),
            ("*", "br"),
            ("*;q=0.1", "br"),
            ("identity", "identity"),
            ("deflate", "identity"),
            ("gzip;q=0.001", "gzip"),
            ("gzip;q=0.5, identity", "identity"),
            ("gzip;q=0.5, identity;q=0.5", "gzip"),
            ("gzip;q=0.2, *;q=0.5", "br"),
            ("identity;q=0", None),
            ("identity;q=0, gzip", "gzip"),
            ("*;q=0", None),
            ("*;q=0, identity", "identity"),
            ("*;q=0, gzip", "gzip"),
            # Malformed: as if absent.
            *(
                (field, "identity")
                for field in ("gzip;q=2", "gzip;level=1;level=1", "gzip br", "gzip/br", "gzip;q", "(")
            ),
        ],
    )
    def test_the_best_coding_is_found(self, field: str | None, best: str | None) -> None:
        """H-13, H-43: RFC 9110 §12.5.3."""
        assert best_encoding(field, ["br", "gzip"]) == best

    def test_without_a_coding_to_offer_there_is_identity(self) -> None:
        """H-43."""
        assert best_encoding("gzip", []) == "identity"
        assert best_encoding("identity;q=0", []) is None

    @given(ANY_FIELD)
    def test_no_field_raises(self, field: str) -> None:
        """H-13."""
        assert best_encoding(field, ["gzip"]) in ("gzip", "identity", None)

    @pytest.mark.parametrize("piece", ["gzip,", "gzip;q=0.1,", ",", " ", ";", "a"])
    def test_the_work_is_linear(self, piece: str) -> None:
        """H-13, R68."""
        assert_linear(lambda size: lambda: best_encoding(piece * size, ["gzip"]), 500)
        best_encoding(piece * 100_000, ["gzip"])


class TestLanguages:
    @pytest.mark.parametrize(
        ("field", "best"),
        [
            (None, "en"),
            ("", "en"),
            ("da, en-gb;q=0.8, en;q=0.7", "en"),  # RFC 9110 §12.5.4
            ("de", "de-CH"),
            ("DE-ch, en;q=0.9", "de-CH"),
            ("de-DE", None),
            ("d", None),
            ("de;q=0.5, *;q=0.6", "en"),
            ("de, de-CH;q=0, en;q=0.1", "en"),
            ("*;q=0", None),
            ("en;q=0, *", "de-CH"),
            ("de_CH", "en"),  # malformed: as if absent
            ("en;q=2, de", "en"),
            ("toolonglanguage, de", "en"),
        ],
    )
    def test_the_best_language_is_found(self, field: str | None, best: str | None) -> None:
        """H-13: RFC 9110 §12.5.4, RFC 4647 §3.3.1."""
        assert best_language(field, ["en", "de-CH"]) == best

    @given(ANY_FIELD)
    def test_no_field_raises(self, field: str) -> None:
        """H-13."""
        assert best_language(field, ["en"]) in ("en", None)

    @pytest.mark.parametrize("piece", ["en,", "en-", "a-a,", "-", "*,", "aaaaaaaaa"])
    def test_the_work_is_linear(self, piece: str) -> None:
        """H-13, R68."""
        assert_linear(lambda size: lambda: best_language(piece * size, ["en"]), 500)
        best_language(piece * 100_000, ["en"])
