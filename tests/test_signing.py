"""Signed values: which secret signs, which are believed, and what is none of ours."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import ConfigurationError
from duoframe.signing import MAX_TOKEN, Signer

OLD, NEW = "old-old-old-old-old", b"new-new-new-new-new"


@given(st.binary(max_size=300))
@example(b"")
def test_what_was_signed_comes_back(content: bytes) -> None:
    signer = Signer(NEW, "a test")
    assert signer.unsign(signer.sign(content)) == (content, True)


def test_the_newest_secret_signs_and_every_one_is_believed() -> None:
    """R31."""
    rotated = Signer([NEW, OLD], "a test")
    assert rotated.sign(b"x") == Signer(NEW, "a test").sign(b"x")
    assert rotated.unsign(Signer(OLD, "a test").sign(b"x")) == (b"x", False)
    with pytest.raises(ValueError, match="signed here"):
        Signer(NEW, "a test").unsign(Signer(OLD, "a test").sign(b"x"))


def test_a_value_signed_for_one_purpose_is_none_for_another() -> None:
    """R32."""
    purposes = ["session a", "session b", "flash a", ""]
    for signed in purposes:
        token = Signer(NEW, signed).sign(b"x")
        for read in purposes:
            if read == signed:
                assert Signer(NEW, read).unsign(token) == (b"x", True)
            else:
                with pytest.raises(ValueError, match="signed here"):
                    Signer(NEW, read).unsign(token)


@pytest.mark.parametrize(
    "secret", ["", b"", [], "x" * 15, b"x" * 15, [NEW, ""], [NEW, "short"], [None], None, 5, {NEW}, "\u20ac" * 5]
)
def test_a_secret_that_could_be_guessed_is_refused(secret: Any) -> None:
    """R34."""
    with pytest.raises(ConfigurationError, match="at least 16 bytes"):
        Signer(secret, "a test")
    Signer("\u20ac" * 6, "a test")


def test_without_itsdangerous_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "itsdangerous", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'duoframe\[sessions\]'"):
        Signer(NEW, "a test")


GOOD = b'{"user": 7}'
ALPHABET = "abcXYZ019-_=.+/% \x00\n\xe9\u20ac\ud800"


def hostile_tokens(count: int) -> list[str]:
    """Random text, and a good token cut, flipped, lengthened and repeated."""
    choose = random.Random(35)
    good = Signer(NEW, "a test").sign(GOOD)
    found = []
    for number in range(count):
        place = choose.randrange(len(good))
        match number % 6:
            case 0:
                token = "".join(choose.choices(ALPHABET, k=choose.randrange(80)))
            case 1:
                token = good[:place]
            case 2:
                token = good[:place] + choose.choice(ALPHABET) + good[place + 1 :]
            case 3:
                token = good[place:] + good[:place]
            case 4:
                token = good + choose.choice(ALPHABET) * choose.randrange(1, 5000)
            case _:
                token = good.partition(".")[0] + "." + "".join(choose.choices(ALPHABET[:12], k=43))
        found.append(token)
    return found


def test_a_hundred_thousand_hostile_tokens_are_refused_and_nothing_else() -> None:
    """R35: `ValueError` is the one thing that ever comes of them, unless the signature is right."""
    signer = Signer(NEW, "a test")
    good = signer.sign(GOOD)
    for token in hostile_tokens(100_000):
        try:
            content, _ = signer.unsign(token)
        except ValueError:
            continue
        # The last of 43 characters has two bits more than the signature.
        assert (content, token[:-1], len(token)) == (GOOD, good[:-1], len(good))


def test_a_huge_token_is_not_looked_at() -> None:
    """R35, C-10."""
    signer = Signer(NEW, "a test")
    assert signer.unsign(signer.sign(b"x" * 3000))[0] == b"x" * 3000
    for token in (signer.sign(b"x" * 3100), "x" * 100_000, "a" * MAX_TOKEN + "." + "a" * 43):
        with pytest.raises(ValueError, match="at most 4096"):
            signer.unsign(token)


def test_text_that_is_not_base64_is_refused_even_when_it_is_signed() -> None:
    signer = Signer(NEW, "a test")
    with pytest.raises(ValueError, match="signed here"):
        signer.unsign(signer._signer.sign("abcde").decode())
