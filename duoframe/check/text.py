"""A report as plain text: aligned, folded to the width of the terminal, with nothing in it that a terminal obeys.

Knows reports and widths; must not know applications.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from duoframe.check.remarks import Remark
from duoframe.check.report import NO_ROUTE, PieceFacts, Report, RouteFacts, RunFacts
from duoframe.foreign import TAIL
from duoframe.peek import visible

NARROWEST, WIDEST = 30, 110
"""Columns that the text is folded to at the least and at the most."""

_LABEL = 9
"""Columns of a label, with the space behind it."""

_Row = tuple[str, str]
"""A label and what it says; a heading has no label."""


def as_text(report: Report, width: int) -> str:
    """The report for a terminal of ``width`` columns."""
    width = min(max(width, NARROWEST), WIDEST)
    blocks = ["\n".join(_folded(label, visible(said), width) for label, said in block) for block in _blocks(report)]
    return "\n\n".join(blocks)


def _folded(label: str, said: str, width: int) -> str:
    first, later = ("", "    ") if not label else (f"  {label:<{_LABEL}}", " " * (_LABEL + 2))
    return textwrap.fill(
        said.replace("\n", " "),
        width,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,  # a path that is broken cannot be copied
        break_on_hyphens=False,
    )


def _blocks(report: Report) -> Iterator[Iterable[_Row]]:
    for route in report.routes:
        yield _route(route, report.remarks)
    if report.startup:
        yield [("", "Start-up"), *_startup(report.startup)]
    if report.servers:
        rows = [(pick.interface, f"{pick.server} {pick.version}, {pick.reason}") for pick in report.servers]
        yield [("", "Servers installed here, and what they pick"), *rows]
    for level, heading in (("warning", "Warnings"), ("note", "Notes")):
        rows = [row for remark in report.remarks if remark.level == level for row in _remark(remark)]
        if rows:
            yield [("", heading), *rows]
    routes = sum(route.path != NO_ROUTE for route in report.routes)
    yield [("", f"{report.target}: {_counted(routes, 'route')}, {_counted(report.warnings, 'warning')}")]


def _route(route: RouteFacts, remarks: Iterable[Remark]) -> Iterator[_Row]:
    yield "", route.label
    if route.mount is None:
        yield "handler", _piece(route.handler)
    else:
        label = "fallback" if route.path == f"/{{{TAIL}:path}}" else "mount"
        yield label, f"{' and '.join(route.mount.protocols)} application {route.mount.name!r}"
    because = "" if route.cause is None else f", because of {route.cause.role} {_piece(route.cause)}"
    yield "colour", f"{route.colour}{because}"
    yield "WSGI", _run(route.wsgi)
    yield "ASGI", _run(route.asgi)
    for hop in range(1, route.inward + 1):
        yield f"hop {hop}", "; ".join(f"{piece.role} {_piece(piece)}" for piece in route.pieces if piece.hop == hop)
    if route.outward:
        yield "way back", f"{_counted(route.outward, 'hop')}, to leave what was entered on a thread"
    told = [f"{remark.level} {remark.number}" for remark in remarks if route.label in remark.routes]
    if told:
        yield "see", ", ".join(told)


def _startup(lifespans: Iterable[PieceFacts]) -> Iterator[_Row]:
    for piece in lifespans:
        yield "lifespan", _piece(piece)
        yield "WSGI", f"on {piece.wsgi}"
        yield "ASGI", f"on {piece.asgi}"


def _remark(remark: Remark) -> Iterator[_Row]:
    where = f" ({remark.place})" if remark.place else ""
    yield str(remark.number), f"{remark.text}{where}"
    if remark.routes:
        more = len(remark.routes) - _NAMED
        named = ", ".join(remark.routes[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        yield " ", f"in {named}"


_NAMED = 3
"""Routes that a remark names; the blocks of the routes name the remark."""


def _piece(piece: PieceFacts) -> str:
    name = piece.name if " " in piece.name else repr(piece.name)
    return f"{name} ({piece.colour}{f', {piece.place}' if piece.place else ''})"


def _run(run: RunFacts) -> str:
    return f"on {run.place}, {'handed over untouched' if run.untouched else _counted(run.hops, 'hop')}"


def _counted(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
