"""What is wrong with what a client sent: one `Fault` a place, and the 422 that tells them all.

Knows places and messages; must not know types, nor how a value is read: `texts` and `shapes` find the faults.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from duoframe.errors import HTTPException

MAX_SHOWN = 200
"""Characters of what a client sent that it is shown again."""

NOT_MADE: Final = object()
"""Stands for a value that could not be made, because of what is wrong with the request."""

Location = tuple[str | int, ...]
"""Where a value stood: ``("query", "page")``, ``("body", "items", 2, "price")``."""


class Fault(NamedTuple):
    """One value that is not what was asked for."""

    loc: Location
    message: str
    """A sentence: ``Expected `int`, got `str` at `body.items[2].price```."""
    expected: str
    got: str
    """The kind of what came, or the text itself, cut at `MAX_SHOWN` characters; ``"nothing"`` where it is missing."""


class RequestValidationError(HTTPException):
    """A request that its route cannot take: 422, with every fault found (RFC 9110 §15.5.21).

    ``faults`` are what the problem details tell as ``errors``.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        detail = self.faults[0].message if count == 1 else f"the request has {count} faults"
        errors = [{**fault._asdict(), "loc": _shown(fault.loc)} for fault in self.faults]
        super().__init__(422, detail, extensions={"errors": errors})


def fault(loc: Location, expected: str, got: str) -> Fault:
    """A fault with its message: ``fault(("query", "page"), "int >= 1", "'x'")``."""
    got = _cut(got)
    return Fault(loc, f"Expected `{expected}`, got `{got}` at `{place(loc)}`", expected, got)


def place(loc: Location) -> str:
    """A location as text: ``body.items[2].price``."""
    first, *rest = _shown(loc)
    return str(first) + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in rest)


def _shown(loc: Location) -> list[str | int]:
    """A location with no more of a name than is shown: a client may have thought of it."""
    return [_cut(part) if isinstance(part, str) else part for part in loc]


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
