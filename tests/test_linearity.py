"""What a body costs grows with its size, whatever it is made of: calls are counted, and what is held back between them.

A reader's work on one chunk is its calls and the bytes they touch: the chunk and what was held back of the ones before.
So where calls double as the size does, and what is held back stays below a constant, the whole is linear.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from duoframe.body import Body, body_type
from duoframe.errors import HTTPException
from duoframe.limits import Limits
from duoframe.uploads import safe_name
from tests.test_body import JSON, MULTIPART, URLENCODED, field, file, form

CHUNK = 512
RATIO = 2.6
HELD = 20_000
"""Bytes that may be held back between two chunks: a few header lines, and what may become a boundary."""
UNLIMITED = Limits(
    max_body_size=None,
    max_fields=10**9,
    max_field_size=10**9,
    max_form_memory=10**9,
    max_files=10**9,
    max_part_headers=10**9,
    max_part_header_size=10_000,
)

HEAD, TAIL = file("f")[:-2], b"\r\n--frontier--\r\n"


def filled(pattern: bytes) -> Callable[[int], bytes]:
    return lambda size: HEAD + pattern * (size // len(pattern)) + TAIL


SHAPES: dict[str, tuple[Callable[[int], bytes], int]] = {
    "friendly": (filled(b"x"), CHUNK),
    "CR-dense": (filled(b"\r"), CHUNK),
    "LF-dense": (filled(b"\n"), CHUNK),
    "CRLF-dense": (filled(b"\r\n"), CHUNK),
    "almost boundary": (filled(b"\r\n--frontieX"), CHUNK),
    "boundary prefix": (filled(b"\r\n--"), CHUNK),
    "long preamble": (lambda size: b"x" * size + form(field("a")), CHUNK),
    "long epilogue": (lambda size: form(field("a")) + b"x" * size, CHUNK),
    "1-byte feeds": (filled(b"\r\n--frontie"), 1),
    "many tiny parts": (lambda size: form(*[field("a")] * (size // len(field("a")))), CHUNK),
    "many headers": (lambda size: b"--frontier\r\n" + b"X: y\r\n" * (size // 6) + HEAD[12:] + TAIL, CHUNK),
    "one long header": (lambda size: b"--frontier\r\nX: " + b"y" * size, CHUNK),
    "no boundary at all": (lambda size: b"--frontier\r\n" + b"\r" * size, CHUNK),
}


def cost(kind: str, data: bytes, size: int) -> int:
    """The calls, of Python and of C, that a body makes of what comes to it in chunks of ``size`` bytes."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def chunks() -> Iterator[bytes]:
        return (data[place : place + size] for place in range(0, len(data), size))

    body = Body(kind, "", UNLIMITED)
    reader: Any = body._reader
    try:
        for chunk in chunks():
            sys.setprofile(count)
            try:
                body.feed(chunk)
            finally:
                sys.setprofile(None)
            if getattr(reader, "_parts", None) is not None:
                assert len(reader._parts._parser._buffer) < HELD  # multipart's own; it offers no other way to see it
        body.finish()
    except HTTPException:
        pass  # refused in the middle, which costs less
    finally:
        body.close()
    return calls


def grows_linearly(costs: list[int]) -> None:
    for smaller, larger in itertools.pairwise(costs):
        assert larger <= RATIO * smaller + 100, costs


@pytest.mark.parametrize("shape", SHAPES)
def test_a_multipart_body_costs_as_much_as_it_is_long(shape: str) -> None:
    """R52, R68"""
    make, size = SHAPES[shape]
    grows_linearly([cost(MULTIPART, make(length), size) for length in (8_000, 16_000, 32_000)])


@pytest.mark.parametrize("shape", ["CR-dense", "LF-dense", "CRLF-dense", "almost boundary", "boundary prefix"])
def test_content_that_resembles_a_boundary_costs_little_more_than_any_other(shape: str) -> None:
    """R52"""
    friendly, nasty = (cost(MULTIPART, SHAPES[name][0](100_000), CHUNK) for name in ("friendly", shape))
    assert nasty <= 3 * friendly


@pytest.mark.parametrize("pattern", [b"&", b"=", b"a=b&", b"%", b"+", b"a", b"&=&"])
@pytest.mark.parametrize("size", [1, CHUNK])
def test_an_urlencoded_body_costs_as_much_as_it_is_long(pattern: bytes, size: int) -> None:
    """R68"""
    grows_linearly([cost(URLENCODED, pattern * (length // len(pattern)), size) for length in (8_000, 16_000, 32_000)])


@pytest.mark.parametrize("kind", [JSON, "text/plain"])
def test_another_body_costs_as_much_as_it_is_long(kind: str) -> None:
    """R68"""
    grows_linearly([cost(kind, b"[" * length, 1) for length in (8_000, 16_000, 32_000)])


@pytest.mark.parametrize(
    "text",
    [
        'a/b;c="' + '\\"' * 500_000,
        "a/b" + ";" * 1_000_000,
        "a/b" + "; " * 500_000 + "x",
        'a/b;c="' + "\t " * 500_000,
        "a/" + "b" * 1_000_000 + "\x00",
    ],
    ids=["backslashes", "semicolons", "spaces", "tabs", "a long type"],
)
def test_a_content_type_of_a_megabyte_is_read_in_one_pass(text: str) -> None:
    """R68: a pattern that went back over it would not end in the time a test has."""
    assert body_type(text)[0] in ("", "a/b")


@pytest.mark.parametrize("name", ["../" * 300_000, "." * 1_000_000, "con" + " " * 1_000_000 + "x", "\x00" * 1_000_000])
def test_a_filename_of_a_megabyte_is_made_safe_in_one_pass(name: str) -> None:
    """R68"""
    assert len(safe_name(name)) <= 255
