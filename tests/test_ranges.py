"""Byte ranges: which parts a Range field asks for."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe.ranges import MAX_RANGES, parse_range
from tests.linear import assert_linear

SIZES = st.integers(0, 40)
NUMBERS = st.integers(0, 60).map(str)
SPECS = st.one_of(
    st.builds("{}-{}".format, NUMBERS, NUMBERS), st.builds("{}-".format, NUMBERS), st.builds("-{}".format, NUMBERS)
)


def parts(field: str | None, size: int = 10_000) -> list[tuple[int, int]] | None:
    """First and last position of each part, as RFC 9110 §14.1.2 counts."""
    found = parse_range(field, size)
    return None if found is None else [(part.start, part.stop - 1) for part in found]


@pytest.mark.parametrize(
    ("field", "found"),
    [
        # The examples of RFC 9110 §14.1.2, of 10000 bytes.
        ("bytes=0-499", [(0, 499)]),
        ("bytes=500-999", [(500, 999)]),
        ("bytes=-500", [(9500, 9999)]),
        ("bytes=9500-", [(9500, 9999)]),
        ("bytes=0-0,-1", [(0, 0), (9999, 9999)]),
        ("bytes= 0-0, 4-5, -1".replace("= ", "="), [(0, 0), (4, 5), (9999, 9999)]),
        ("bytes=500-600,601-999", [(500, 999)]),
        ("bytes=500-700,601-999", [(500, 999)]),
        ("bytes=0-0", [(0, 0)]),
        ("bytes=-5", [(9995, 9999)]),
        ("bytes=5-", [(5, 9999)]),
        ("bytes=0-99999999999999999999", [(0, 9999)]),
        (f"bytes=0-{'9' * 5000}", [(0, 9999)]),
        (f"bytes={'0' * 5000}7-7", [(7, 7)]),
        (f"bytes=-{'9' * 5000}", [(0, 9999)]),
        ("bytes=-20000", [(0, 9999)]),
        ("Bytes=1-2", [(1, 2)]),  # RFC 9110 §14.1: names of units do not distinguish case
        ("bytes=,1-2\t, ,4-5,", [(1, 2), (4, 5)]),
        # In the order they were asked for (§15.3.7.2), unless they are joined.
        ("bytes=-1,0-0", [(9999, 9999), (0, 0)]),
        ("bytes=7-8,20-21,0-1", [(7, 8), (20, 21), (0, 1)]),
        ("bytes=20-21,5-6,7-8", [(20, 21), (5, 8)]),
        ("bytes=5-9,0-4,3-6", [(0, 9)]),
        ("bytes=0-9,2-3", [(0, 9)]),
        # What cannot be satisfied is left out beside what can.
        ("bytes=0-0,10000-", [(0, 0)]),
        ("bytes=-0,5-5", [(5, 5)]),
    ],
)
def test_a_range_is_read_exactly(field: str, found: list[tuple[int, int]]) -> None:
    """H-29, H-33, H-34, R64."""
    assert parts(field) == found


@pytest.mark.parametrize(
    "field", ["bytes=-0", "bytes=10000-", "bytes=10000-10001", f"bytes={'9' * 5000}-", "bytes=-0,20000-", "bytes=-000"]
)
def test_a_range_outside_cannot_be_satisfied(field: str) -> None:
    """H-30, R64."""
    assert parts(field) == []


@pytest.mark.parametrize("field", [None, "", "items=0-1", "seconds=1-2", "none", "bytes", "x=bytes=0-1", "bytes 0-1"])
def test_another_unit_is_ignored(field: str | None) -> None:
    """H-31, R64: RFC 9110 §14.2."""
    assert parts(field) is None


@pytest.mark.parametrize(
    "field",
    [
        *(
            "abc",
            "bytes=abc",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,5-2",
            "bytes=\u0661-\u0662",
            "bytes=1-\u0662",
        ),
        *("bytes=1", "bytes=1-2-3", "bytes=--1", "bytes=+1-2", "bytes=1-+2", "bytes=0x1-2", "bytes=1_0-20"),
        *(
            "bytes=1 -2",
            "bytes=1- 2",
            "bytes=a-b",
            "bytes=0-1;2-3",
            "bytes=0-1\n",
            "bytes =0-1",
            "bytes=1.0-2",
            "bytes=²-",
        ),
    ],
)
def test_a_malformed_field_is_ignored(field: str) -> None:
    """H-32, R63, R64."""
    assert parts(field) is None


def test_nothing_has_no_parts() -> None:
    """H-36: an empty file is sent whole."""
    assert parts("bytes=0-0", 0) is parts("bytes=-5", 0) is parts("bytes=-0", 0) is None


def test_many_ranges_are_ignored() -> None:
    """H-33, R62."""
    allowed = ",".join(f"{3 * place}-{3 * place}" for place in range(MAX_RANGES))
    assert MAX_RANGES == 16
    assert len(parts(f"bytes={allowed}") or []) == 16
    assert parts(f"bytes={allowed},99-99") is None
    assert parts(f"bytes={allowed},10000-") is None  # those outside count too
    assert parts("bytes=" + ",".join(f"{place}-{place}" for place in range(2000))) is None


def test_ranges_that_ask_for_more_than_there_is_are_ignored() -> None:
    """H-33, R62."""
    assert parts("bytes=0-,0-0", 10) is None
    assert parts("bytes=0-4,0-4", 10) == [(0, 4)]
    assert parts("bytes=0-5,5-9", 10) is None
    assert parts("bytes=0-5,6-9", 10) == [(0, 9)]


@given(st.lists(SPECS, max_size=20), SIZES)
def test_the_parts_are_the_bytes_that_were_asked_for(specs: list[str], size: int) -> None:
    """H-29, H-30, H-32, H-33, R62: against the definition, position by position."""
    asked: list[set[int]] = []
    malformed = not specs
    for spec in specs:
        first, _, last = spec.partition("-")
        malformed |= bool(first and last) and int(last) < int(first)
        if first:
            asked.append({at for at in range(size) if int(first) <= at <= int(last or size)})
        else:
            asked.append({at for at in range(size) if at >= size - int(last)})
    found = parse_range("bytes=" + ",".join(specs), size)
    if malformed or size == 0 or len(specs) > 16 or sum(map(len, asked)) > size:
        assert found is None
    else:
        assert found is not None
        positions = [at for part in found for at in part]
        assert sorted(positions) == sorted(set().union(*asked))  # each once
        edges = {part.start for part in found} & {part.stop for part in found}
        assert not edges  # none touches another
        assert all(part.step == 1 and len(part) > 0 for part in found)


@given(st.text(st.characters(max_codepoint=0xFF)), st.integers(0, 2**63))
@example("5-2", 0)
def test_no_field_raises(text: str, size: int) -> None:
    """H-32."""
    parse_range(text, size)
    parse_range(f"bytes={text}", size)


@pytest.mark.parametrize("piece", ["0-0,", ",", " ", "-", "9", "-1,", "0-,", "5-2,", "\t,\t"])
def test_the_work_is_linear(piece: str) -> None:
    """R62, R68: counted, and of a size that would take minutes in quadratic time."""
    assert_linear(lambda size: lambda: parse_range("bytes=" + piece * size, 100), 1_000)
    parse_range("bytes=" + piece * 200_000, 100)
