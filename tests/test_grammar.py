"""The pieces of the grammars of header fields."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe.grammar import QUOTED_STRING, TOKEN, quoted, unquoted

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"))


def test_a_token_is_made_of_the_characters_that_the_standard_names() -> None:
    """RFC 9110 §5.6.2."""
    named = {*"!#$%&'*+-.^_`|~", *"0123456789", *"abcdefghijklmnopqrstuvwxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    assert {character for character in map(chr, range(0x300)) if re.fullmatch(TOKEN, character)} == named
    assert re.fullmatch(TOKEN, "".join(named))


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('""', ""),
        ('"a b"', "a b"),
        (r'"\"\\\a"', '"\\a'),
        ('"\t\xe9"', "\t\xe9"),
        ("token", "token"),
        ("", ""),
    ],
)
def test_a_quoted_string_says_what_is_between_its_quotes(text: str, content: str) -> None:
    """RFC 9110 §5.6.4: a backslash stands for the character behind it."""
    assert unquoted(text) == content


@pytest.mark.parametrize("text", ['"', '"a', 'a"', '"a"b"', '"\\"', '"\x00"', '"\n"', '"\\\x7f"', '"\u0101"'])
def test_what_is_no_quoted_string_does_not_fit(text: str) -> None:
    """RFC 9110 §5.6.4."""
    assert re.fullmatch(QUOTED_STRING, text) is None


@given(TEXT)
def test_any_text_is_quoted_and_read_back(text: str) -> None:
    assert re.fullmatch(QUOTED_STRING, quoted(text))
    assert unquoted(quoted(text)) == text
