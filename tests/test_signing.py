"""Signed values: which secret signs, which are believed, and what is none of ours."""

from __future__ import annotations

import base64
import random
import sys
import time
import zlib
from typing import Any

import pytest
from flask.sessions import SecureCookieSessionInterface
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer

from duoframe import ConfigurationError
from duoframe.signing import MAX_CONTENT, MAX_TOKEN, Signer, TimedSigner

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


# With the time, as Flask's sessions


class FlaskSerializer:
    """Flask's own, for bytes; the last key signs."""

    def __init__(self, *keys: str | bytes) -> None:
        kind = SecureCookieSessionInterface
        options = {"key_derivation": kind.key_derivation, "digest_method": kind.digest_method}
        self._flask: Any = URLSafeTimedSerializer(list(keys), salt=kind.salt, serializer=self, signer_kwargs=options)  # type: ignore[arg-type]  # both at once

    def dumps(self, content: object) -> str:
        return "" if content == {} else str(content)

    def loads(self, content: str) -> str:
        return content

    def sign(self, content: bytes) -> str:
        return str(self._flask.dumps(content.decode("latin-1")))

    def unsign(self, token: str) -> bytes:
        return str(self._flask.loads(token, max_age=60)).encode("latin-1")


PURPOSE = "cookie-session"
CONTENTS = (st.text(st.characters(max_codepoint=127)) | st.text("ab", min_size=50, max_size=300)).map(str.encode)


@given(CONTENTS)
@example(b"x" * 5000)
def test_flask_reads_what_was_signed_with_the_time_and_the_other_way_round(content: bytes) -> None:
    signer, flask = TimedSigner(NEW, PURPOSE), FlaskSerializer(NEW)
    before = int(time.time())
    token = signer.sign(content)
    assert flask.unsign(token) == content
    assert len(token) == len(flask.sign(content))  # compressed where that is shorter
    for signed in (token, flask.sign(content)):
        said, newest, second = signer.unsign(signed)
        assert (said, newest) == (content, True)
        assert before <= second <= time.time()


def test_of_several_secrets_the_first_signs_and_every_one_is_believed_as_in_flask() -> None:
    """R31: Flask's list has the newest last (CVE-2025-47278)."""
    rotated = TimedSigner([NEW, OLD], PURPOSE)
    flask = FlaskSerializer(OLD, NEW)
    assert FlaskSerializer(NEW).unsign(rotated.sign(b"x")) == b"x"
    assert rotated.unsign(flask.sign(b"x"))[:2] == (b"x", True)
    assert rotated.unsign(FlaskSerializer(OLD).sign(b"x"))[:2] == (b"x", False)
    with pytest.raises(ValueError, match="signed here"):
        TimedSigner(NEW, PURPOSE).unsign(FlaskSerializer(OLD).sign(b"x"))
    with pytest.raises(ValueError, match="signed here"):
        TimedSigner(NEW, "another").unsign(flask.sign(b"x"))


def test_a_short_secret_is_taken_with_a_warning_and_an_empty_one_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """R34."""
    signer = TimedSigner(["dev", NEW], PURPOSE)
    assert signer.unsign(signer.sign(b"x"))[0] == b"x"
    [record] = caplog.records
    assert "less than 16 bytes" in record.getMessage()
    assert "dev" not in record.getMessage()
    caplog.clear()
    TimedSigner([NEW, OLD], PURPOSE)
    assert caplog.records == []
    for secret in ("", [], None, ["dev", ""]):
        with pytest.raises(ConfigurationError, match="at least 1 bytes"):
            TimedSigner(secret, PURPOSE)  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize("content", [b"short", b"long" * 100])
def test_a_token_with_a_time_that_was_changed_anywhere_is_refused(content: bytes) -> None:
    """R35."""
    signer = TimedSigner(NEW, PURPOSE)
    good = signer.sign(content)
    for place in range(len(good)):
        for character in "aB-._0%\x00\u20ac":
            for bad in (good[:place], good[:place] + character + good[place + 1 :], good[place:] + good[:place]):
                try:
                    said = signer.unsign(bad)
                except ValueError:
                    continue
                # The last of 27 characters has two bits more than the signature.
                assert (said[0], bad[:-1], len(bad)) == (content, good[:-1], len(good))


def sealed(text: str) -> str:
    """A token that says whatever it says, signed as it should be."""
    return str(TimedSigner(NEW, PURPOSE)._newest.sign(text).decode())


@pytest.mark.parametrize(
    "text", ["abcde.aaaa", ".eA.aaaa", "." + base64.urlsafe_b64encode(zlib.compress(b"x" * 50)[:-4]).decode() + ".aaaa"]
)
def test_what_cannot_be_unpacked_is_refused_even_when_it_is_signed(text: str) -> None:
    with pytest.raises(ValueError, match="signed here"):
        TimedSigner(NEW, PURPOSE).unsign(sealed(text.replace("=", "")))


def test_a_content_that_unpacks_to_too_much_is_neither_signed_nor_read() -> None:
    """R35."""
    signer = TimedSigner(NEW, PURPOSE)
    assert signer.unsign(signer.sign(b"x" * MAX_CONTENT))[0] == b"x" * MAX_CONTENT
    with pytest.raises(ValueError, match="at most"):
        signer.sign(b"x" * (MAX_CONTENT + 1))
    with pytest.raises(ValueError, match="signed here"):
        signer.unsign(FlaskSerializer(NEW).sign(b"x" * (MAX_CONTENT + 1)))
    for token in ("", ".", "x" * 100_000, FlaskSerializer(NEW).sign(random.Random(1).randbytes(3500).hex().encode())):
        with pytest.raises(ValueError, match="at most 4096"):
            signer.unsign(token)
