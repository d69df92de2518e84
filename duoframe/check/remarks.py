"""What deserves a remark: warnings for what is probably wrong, notes for what is good to know.

Knows what was found out about routes, doors and servers, and puts it into words; must not find out anything itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from duoframe.check.blocking import BlockingCall
from duoframe.check.origins import origin_of
from duoframe.check.places import Course, Step
from duoframe.check.servers import Pick
from duoframe.pieces import Colour, Piece
from duoframe.signatures import is_generator

WARNING, NOTE = "warning", "note"

_OTHER = {"wsgi": "asgi", "asgi": "wsgi"}


@dataclass(frozen=True)
class Remark:
    """One thing to know, said once for all routes that it concerns."""

    number: int
    level: str
    kind: str
    """``"blocking"``, ``"door"``, ``"server"``, ``"colour"``, ``"hop"``, ``"cleanup"`` or ``"stream"``."""
    text: str
    place: str
    """``file:line``, or ``""``."""
    routes: tuple[str, ...]


class Remarks:
    """Collects remarks; what is said of several routes is one remark."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str, str, str], list[str]] = {}

    def numbered(self) -> tuple[Remark, ...]:
        """All of them, warnings first, each with its number."""
        ordered = sorted(self._routes.items(), key=lambda item: item[0][0] == NOTE)
        return tuple(Remark(number, *key, tuple(routes)) for number, (key, routes) in enumerate(ordered, 1))

    def add(self, level: str, kind: str, text: str, place: str = "", route: str | None = None) -> None:
        """Say something, about a route or about the application."""
        routes = self._routes.setdefault((level, kind, text, place), [])
        if route is not None and route not in routes:
            routes.append(route)

    def add_blocking(self, role: str, piece: Piece, calls: Iterable[BlockingCall], route: str | None) -> None:
        """Calls that hold an event loop while the piece runs on it."""
        for call in calls:
            via = f", by way of {' and '.join(map(repr, call.via))}" if call.via else ""
            kind = "`@inline`" if piece.colour is Colour.INLINE else "`async def`"
            text = f"{call.call}() holds the event loop: {kind} {role} {piece.name} calls it{via}; {call.advice}"
            self.add(WARNING, "blocking", text, call.place, route)

    def add_course(self, course: Course, route: str) -> None:
        """What a route's way through the threads has to be known for."""
        if course.colour is not Colour.ASYNC:
            return
        if course.cause is not None:
            step = course.cause
            text = (
                f"`async def` {step.role} {step.piece.name} makes `def` routes `async def`: behind a WSGI server they"
                " run on the portal's loop and not on the server's threads"
            )
            self.add(NOTE, "colour", text, _place(step.piece), route)
        for step in course.steps:
            self._add_step(step, route)
        for piece in course.moved:
            text = (
                f"dependency {piece.name} may be left on another thread than the one it was entered on; let it hold"
                " nothing that belongs to one thread, or declare it `async def`"
            )
            self.add(NOTE, "cleanup", text, _place(piece), route)

    def _add_step(self, step: Step, route: str) -> None:
        piece = step.piece
        if piece.colour is not Colour.SYNC:
            return
        if step.role == "handler" and piece.function is not None and is_generator(piece.function):
            text = f"`def` handler {piece.name} yields its answer in an `async def` route: each chunk is a hop"
            self.add(NOTE, "stream", text, _place(piece), route)
        elif step.hop and step.role not in ("handler", "mount"):
            text = (
                f"`def` {step.role} {piece.name} forces `async def` routes to hop to a worker thread; mark it"
                " `@inline` if it never blocks, or declare it `async def`"
            )
            self.add(NOTE, "hop", text, _place(piece), route)

    def add_doors(self, wrapped: Mapping[str, str]) -> None:
        """One door has something around it that the other has not."""
        if len(wrapped) == 1:
            [(door, name)] = wrapped.items()
            other = _OTHER[door]
            text = (
                f"the {door.upper()} door is wrapped, by {name}, and the {other.upper()} door is not: behind"
                f" {other.upper()} servers it does not run; wrap that too, with `app.wrap_{other}(...)`, or write it as"
                " middleware of the application"
            )
            self.add(WARNING, "door", text)

    def add_servers(self, application: Any, found: Iterable[Pick]) -> None:
        """A server takes the object for something else."""
        for pick in found:
            if not pick.wanted:
                text = (
                    f"{pick.server} {pick.version} takes the object for {pick.interface} ({pick.reason}); leave"
                    f" `__call__` as App has it in {type(application).__qualname__!r}"
                )
                self.add(WARNING, "server", text)


def _place(piece: Piece) -> str:
    return origin_of(piece.function or piece.call).place
