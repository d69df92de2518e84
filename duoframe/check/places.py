"""Where each piece of a compiled plan runs behind each kind of server, and how often it changes threads on the way.

Knows plans and what the doors do with one of each colour; must not know applications. The tests run every kind of plan
and compare.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from duoframe.mounting import Mount
from duoframe.needs import Need
from duoframe.pieces import Colour, Piece
from duoframe.plan import Plan, Stage, Style
from duoframe.signatures import is_generator


class Place(enum.StrEnum):
    """A thread or a loop, as it is called in the report."""

    SERVER_THREAD = "the server's thread"
    SERVER_LOOP = "the server's loop"
    WORKER_THREAD = "a worker thread"
    PORTAL_LOOP = "the portal's loop"
    PORTAL_THREAD = "a worker thread of the portal"


class Door(NamedTuple):
    """What one door does with a plan of each colour."""

    gate: Place
    """Where the leading `@inline` middleware is entered."""
    base: dict[Colour, Place]
    """Where a plan of a colour runs."""
    hop: Place
    """Where the `def` pieces of an `async def` plan run."""
    whole: dict[Colour, int]
    """Hops of the plan as one."""


WSGI = Door(
    Place.SERVER_THREAD,
    {Colour.INLINE: Place.SERVER_THREAD, Colour.SYNC: Place.SERVER_THREAD, Colour.ASYNC: Place.PORTAL_LOOP},
    Place.PORTAL_THREAD,
    {Colour.INLINE: 0, Colour.SYNC: 0, Colour.ASYNC: 0},
)
ASGI = Door(
    Place.SERVER_LOOP,
    {Colour.INLINE: Place.SERVER_LOOP, Colour.SYNC: Place.WORKER_THREAD, Colour.ASYNC: Place.SERVER_LOOP},
    Place.WORKER_THREAD,
    {Colour.INLINE: 0, Colour.SYNC: 1, Colour.ASYNC: 0},
)


class Step(NamedTuple):
    """One piece of a plan, in the order in which they run."""

    role: str
    """What the piece is: ``"middleware"``, ``"hook"``, ``"dependency"``, ``"handler"``, ``"mount"`` …"""
    piece: Piece
    wsgi: Place
    asgi: Place
    hop: int
    """Which of the plan's hops it is part of, from 1 on; 0 for none."""


class Course(NamedTuple):
    """What a plan's way through the threads is."""

    colour: Colour
    steps: tuple[Step, ...]
    inward: int
    """Hops on the way to the answer of an `async def` plan."""
    outward: int
    """Hops on the way back: middleware and dependencies that are left on a thread."""
    cause: Step | None
    """The first piece that gives the plan its colour, where that is not the handler's."""
    moved: tuple[Piece, ...]
    """`def` dependencies that may be left on another thread than the one they were entered on."""

    @property
    def wsgi(self) -> Place:
        return WSGI.base[self.colour]

    @property
    def asgi(self) -> Place:
        return ASGI.base[self.colour]

    @property
    def wsgi_hops(self) -> int:
        return WSGI.whole[self.colour] + self.inward + self.outward

    @property
    def asgi_hops(self) -> int:
        return ASGI.whole[self.colour] + self.inward + self.outward


def course_of(plan: Plan, mount: Mount | None = None) -> Course:
    """Where a plan runs, by its stages; ``mount`` is the application that is its handler, if one is."""
    own = plan.handler if mount is None else mount.piece(Colour.SYNC)
    threaded = own.colour is not plan.handler.colour  # a WSGI application has its own thread in an `async def` plan
    role = "handler" if mount is None else "mount"
    steps = tuple(_steps(plan, role, own, threaded))
    coloured = [step for step in steps if step.piece.colour is plan.colour and step.role != role]
    inward = sum(stage.style is Style.HOP for stage in plan.stages) + threaded
    hopped = [(need, stage) for need, stage in _kept(plan) if stage.style is Style.HOP]
    moved = tuple(
        need.piece for need, stage in hopped if plan.awaits_early or not (need.early and stage is plan.stages[-1])
    )
    return Course(plan.colour, steps, inward, _outward(plan), None if own.colour is plan.colour else coloured[0], moved)


def startup_of(lifespans: Iterable[Piece]) -> Iterator[Step]:
    """Where each lifespan is entered: all on one loop where one of them waits, and behind ASGI in any case."""
    lifespans = tuple(lifespans)
    waits = any(piece.colour is Colour.ASYNC for piece in lifespans)
    for piece in lifespans:
        if piece.colour is Colour.ASYNC:
            yield Step("lifespan", piece, Place.PORTAL_LOOP, Place.SERVER_LOOP, 0)
        else:
            yield Step("lifespan", piece, Place.PORTAL_THREAD if waits else Place.SERVER_THREAD, Place.WORKER_THREAD, 0)


def _steps(plan: Plan, last: str, handler: Piece, threaded: bool) -> Iterator[Step]:
    if plan.gate is not None:
        for piece in plan.gate.layers:
            yield Step(_role(piece), piece, WSGI.gate, ASGI.gate, 0)
    hop = 0
    for stage in plan.stages:
        hop += stage.style is Style.HOP
        number = hop if stage.style is Style.HOP else 0
        pieces = [(_role(piece), piece) for piece in stage.layers]
        pieces += [("dependency", need.piece) for need in stage.needs]
        for role, piece in pieces:
            yield Step(role, piece, *_places(plan, stage.style), number)
        if stage.handles:
            style, number = (Style.HOP, hop + 1) if threaded else (stage.style, number)
            yield Step(last, handler, *_places(plan, style), number)
    for piece in plan.errors.pieces:
        yield Step("error handler", piece, *_places(plan, plan.style(piece.colour)), 0)


def _places(plan: Plan, style: Style) -> tuple[Place, Place]:
    if style is Style.HOP:
        return WSGI.hop, ASGI.hop
    return WSGI.base[plan.colour], ASGI.base[plan.colour]


def _role(piece: Piece) -> str:
    return "middleware" if piece.function is None or is_generator(piece.function) else "hook"


def _outward(plan: Plan) -> int:
    """The hops of `core` on the way back: one for each run of neighbours, but for what is left where it was entered."""
    last = plan.stages[-1]
    on_thread = last.style is Style.HOP
    in_place = on_thread and not (plan.errors.wait or plan.awaits_early)
    left_with = on_thread and not plan.awaits_early  # the handler
    layers = [stage.style for stage in plan.stages if not (stage is last and in_place) for _ in stage.layers]
    early = [stage.style for need, stage in _kept(plan) if need.early and not left_with]
    late = [stage.style for need, stage in _kept(plan) if not need.early]
    return _runs(layers) + _runs(early) + _runs(late)


def _kept(plan: Plan) -> list[tuple[Need, Stage]]:
    """The dependencies that are left again, with the stage they are entered in."""
    return [(need, stage) for stage in plan.stages for need in stage.needs if need.yields]


def _runs(styles: Iterable[Style]) -> int:
    """How many runs of neighbours hop."""
    return sum(1 for style, _ in itertools.groupby(styles) if style is Style.HOP)
