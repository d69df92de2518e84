"""Byte ranges: which parts of a representation a Range field asks for (RFC 9110 §14).

Knows the field and a size; must not know a file or an answer. `conditions` says before whether a part may be sent.
"""

from __future__ import annotations

import re

MAX_RANGES = 16
"""More ranges than this are no download but an attack, and the field is ignored (RFC 9110 §17.15)."""

_SPEC = re.compile(r"([0-9]*)-([0-9]*)")


def parse_range(field: str | None, size: int) -> list[range] | None:
    """The parts that are asked for of ``size`` bytes: `range` objects, in the order they were asked for.

    ``None`` where the whole is to be sent: no field, another unit, a malformed field, more than `MAX_RANGES` ranges,
    ranges that sum up to more than the whole, or nothing to take a part of. An empty list where no range can be
    satisfied (416). Ranges that overlap or touch are one.
    """
    unit, _, specs = (field or "").partition("=")
    if unit.lower() != "bytes" or size == 0:
        return None
    asked: list[range] = []
    count = 0
    for spec in specs.split(","):
        if not (spec := spec.strip(" \t")):
            continue
        count += 1
        found = _part(spec, size)
        if found is None or count > MAX_RANGES:
            return None
        if found:
            asked.append(found)
    if count == 0 or sum(map(len, asked)) > size:
        return None
    return _merged(asked)


def _part(spec: str, size: int) -> range | None:
    """One range, cut to the size; empty where it lies outside, ``None`` where it is malformed."""
    match = _SPEC.fullmatch(spec)
    if match is None or spec == "-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(size - _number(last), 0), size)
    if last and _number(last) < _number(first):
        return None
    return range(_number(first), min(_number(last) + 1, size) if last else size)


def _number(digits: str) -> int:
    """A number of any length: what has more than 20 digits is past the end of everything, and `int` has a limit."""
    return int(digits.lstrip("0")[:20] or "0")


def _merged(asked: list[range]) -> list[range]:
    merged: list[tuple[int, range]] = []
    for place, part in sorted(enumerate(asked), key=lambda item: item[1].start):
        if merged and part.start <= merged[-1][1].stop:
            before, last = merged.pop()
            merged.append((min(before, place), range(last.start, max(last.stop, part.stop))))
        else:
            merged.append((place, part))
    return [part for _, part in sorted(merged, key=lambda item: item[0])]
