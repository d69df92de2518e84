"""Cache-Control: directives as attributes, read and written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe import CacheControl
from tests.linear import assert_linear

TOKENS = st.from_regex(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,8}", fullmatch=True)
FLAGS = ["public", "no_store", "no_transform", "must_revalidate", "proxy_revalidate", "must_understand", "immutable"]
TIMES = ["max_age", "s_maxage", "stale_while_revalidate", "stale_if_error"]
KNOWN = {name.replace("_", "-") for name in (*FLAGS, *TIMES, "private", "no_cache")}
ARGUMENTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=8)

CONTROLS = st.builds(
    lambda flags, times, private, no_cache, other: CacheControl(
        **flags,
        **times,
        private=private,
        no_cache=no_cache,
        other={name.lower(): value for name, value in other.items()},
    ),
    st.dictionaries(st.sampled_from(FLAGS), st.booleans()),
    st.dictionaries(st.sampled_from(TIMES), st.none() | st.integers(0, 2**31)),
    st.booleans() | st.lists(TOKENS, min_size=1, max_size=3).map(tuple),
    st.booleans() | st.lists(TOKENS, min_size=1, max_size=3).map(tuple),
    st.dictionaries(TOKENS.filter(lambda name: name.lower() not in KNOWN), st.none() | ARGUMENTS, max_size=3),
)


@pytest.mark.parametrize(
    ("control", "field"),
    [
        (CacheControl(), ""),
        (CacheControl(public=True, max_age=3600, immutable=True), "max-age=3600, public, immutable"),
        (CacheControl(max_age=0), "max-age=0"),
        (CacheControl(no_store=True), "no-store"),
        (CacheControl(private=True, no_cache=True), "private, no-cache"),
        (CacheControl(no_cache=("set-cookie",)), 'no-cache="set-cookie"'),
        (CacheControl(private=("x-a", "x-b")), 'private="x-a, x-b"'),
        (CacheControl(private=()), ""),
        (
            CacheControl(s_maxage=1, stale_while_revalidate=2, stale_if_error=3),
            "s-maxage=1, stale-while-revalidate=2, stale-if-error=3",
        ),
        (
            CacheControl(no_transform=True, must_revalidate=True, proxy_revalidate=True, must_understand=True),
            "no-transform, must-revalidate, proxy-revalidate, must-understand",
        ),
        (CacheControl(other={"community": "UCI", "x": None, "y": 'a "b"'}), 'community=UCI, x, y="a \\"b\\""'),
    ],
)
def test_directives_are_written_by_their_names(control: CacheControl, field: str) -> None:
    """RFC 9111 §5.2.2, RFC 5861 §3, RFC 8246 §2."""
    assert str(control) == field


@pytest.mark.parametrize(
    ("field", "control"),
    [
        ("max-age=3600, public", CacheControl(public=True, max_age=3600)),
        ("PUBLIC ,,\tMax-Age=60", CacheControl(public=True, max_age=60)),
        ('max-age="60"', CacheControl(max_age=60)),  # RFC 9111 §5.2: both forms are to be accepted
        ("max-age=00060", CacheControl(max_age=60)),
        ("max-age=1, max-age=2", CacheControl(max_age=1)),  # RFC 9111 §4.2.1
        ("max-age=99999999999999999999", CacheControl(max_age=2**31)),  # RFC 9111 §1.2.2
        (f"max-age={'9' * 5000}", CacheControl(max_age=2**31)),
        ('private="X-A, x-b"', CacheControl(private=("X-A", "x-b"))),
        ("no-cache=set-cookie", CacheControl(no_cache=("set-cookie",))),
        ('no-cache=""', CacheControl(no_cache=True)),
        ('no-cache=", ,"', CacheControl(no_cache=True)),
        ("no-store=1", CacheControl(no_store=True)),
        ('private, community="UCI"', CacheControl(private=True, other={"community": "UCI"})),
        # What does not fit is kept as it is, or left out where it is no directive.
        *(
            (f'max-age="{age}"', CacheControl(other={"max-age": age}))
            for age in ("-1", "+1", "1.0", "1_0", " 1", "\xb2", "")
        ),
        ("max-age", CacheControl(other={"max-age": None})),
        ('private="a b"', CacheControl(other={"private": "a b"})),
        ('no store, public, "x", a="', CacheControl(public=True)),
        ("", CacheControl()),
        (",", CacheControl()),
    ],
)
def test_directives_are_read(field: str, control: CacheControl) -> None:
    """R63: times are ASCII digits."""
    assert CacheControl.parse(field) == control


@given(CONTROLS)
def test_what_is_written_is_read_back(control: CacheControl) -> None:
    assert CacheControl.parse(str(control)) == control


@given(st.text(st.characters(max_codepoint=0xFF)))
def test_no_field_raises_and_what_was_read_can_be_sent(field: str) -> None:
    for text in (field, f"max-age={field}", f'private="{field}"'):
        control = CacheControl.parse(text)
        assert CacheControl.parse(str(control)) == control


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize(("value", "error"), [(True, TypeError), (1.0, TypeError), ("1", TypeError), (-1, ValueError)])
def test_a_time_is_a_whole_number_of_seconds(name: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=rf"CacheControl\({name}=\.\.\.\)"):
        CacheControl(**{name: value})


@pytest.mark.parametrize("options", [{"private": ("a b",)}, {"no_cache": ("",)}, {"other": {"a\r\n": None}}])
def test_a_name_is_a_token(options: Any) -> None:
    with pytest.raises(ValueError, match="expected a name"):
        CacheControl(**options)


def test_a_copy_has_other_directives() -> None:
    assert CacheControl(public=True).replace(max_age=5) == CacheControl(public=True, max_age=5)


@pytest.mark.parametrize("piece", ["a,", 'a="b",', '"', "\\", ",", " ", "=", "a=", 'a="'])
def test_the_work_is_linear(piece: str) -> None:
    """R68: counted, and of a size that would take minutes in quadratic time."""
    assert_linear(lambda size: lambda: CacheControl.parse(piece * size), 500)
    CacheControl.parse(piece * 100_000)
