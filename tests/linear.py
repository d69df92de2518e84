"""Work that is counted rather than timed: whether a parser's work grows with its input and not faster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType


def operations(work: Callable[[], object]) -> int:
    """How many calls ``work`` makes, in Python and in C: what can be counted is not timed."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def assert_linear(work: Callable[[int], Callable[[], object]], size: int) -> None:
    """Twice the input makes at most 2.6 times the calls, and twice that again."""
    first, second, third = (operations(work(size * factor)) for factor in (1, 2, 4))
    assert second <= 2.6 * first
    assert third <= 2.6 * second
