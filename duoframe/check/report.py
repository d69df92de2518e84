"""What is to be said of an application: its routes, its start-up, the servers, and what deserves a remark.

Knows an application and puts together what the other modules of this room know; must not know how it is shown.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from duoframe import asgi, wsgi
from duoframe.app import App
from duoframe.check.blocking import Sources
from duoframe.check.origins import Origin, origin_of
from duoframe.check.places import ASGI, WSGI, Door, Place, Step, course_of, startup_of
from duoframe.check.remarks import Remark, Remarks
from duoframe.check.servers import Pick, picks
from duoframe.foreign import TAIL
from duoframe.mounting import Mount
from duoframe.pieces import Colour
from duoframe.plan import Plan
from duoframe.router import Route
from duoframe.routing import ANY
from duoframe.signatures import describe

DOORS: dict[str, Callable[..., Any]] = {"wsgi": wsgi.serve, "asgi": asgi.serve}
"""What each door is where nothing has been wrapped around it."""

NO_ROUTE = "(no route)"
"""Stands where a path would, for what is answered 404, 405 or 413."""


@dataclass(frozen=True)
class PieceFacts:
    """One function, and where it runs."""

    role: str
    name: str
    colour: str
    file: str | None
    line: int | None
    place: str
    """``file:line`` for people."""
    wsgi: Place
    asgi: Place
    hop: int
    """Which of its route's hops it is part of, from 1 on; 0 for none."""


@dataclass(frozen=True)
class RunFacts:
    """Where a route runs behind one kind of server, and how often it changes threads for one answer."""

    place: Place
    hops: int
    untouched: bool = False
    """Whether a server's call goes to a mounted application as it is."""


@dataclass(frozen=True)
class MountFacts:
    """A mounted application."""

    name: str
    protocols: tuple[str, ...]
    """``"WSGI"``, ``"ASGI"``, or both."""


@dataclass(frozen=True)
class RouteFacts:
    """One route."""

    methods: tuple[str, ...]
    path: str
    host: str | None
    name: str | None
    colour: str
    handler: PieceFacts
    cause: PieceFacts | None
    """What gives the route its colour, where that is not its handler's."""
    wsgi: RunFacts
    asgi: RunFacts
    inward: int
    """Hops of an `async def` route on the way to the answer."""
    outward: int
    """And on the way back."""
    pieces: tuple[PieceFacts, ...]
    """All that runs for it, in order; error handlers last."""
    mount: MountFacts | None
    """The application that is its handler, if one is."""

    @property
    def label(self) -> str:
        """How remarks call it."""
        return _label(self.methods, self.host, self.path)


@dataclass(frozen=True)
class Report:
    """An application, looked at."""

    target: str
    routes: tuple[RouteFacts, ...]
    startup: tuple[PieceFacts, ...]
    """The lifespans."""
    servers: tuple[Pick, ...]
    wrapped: dict[str, str]
    """What is wrapped around a door, by the door."""
    remarks: tuple[Remark, ...]

    @property
    def warnings(self) -> int:
        """How many of the remarks are warnings."""
        return sum(remark.level == "warning" for remark in self.remarks)


def examine(app: App, target: str, chosen: Callable[[str], bool] = lambda path: True) -> Report:
    """Look at an application, which is compiled for it, and at those of its routes whose path is ``chosen``."""
    app.compile()
    examiner = _Examiner()
    routes = tuple(examiner.route(route) for route in _routes(app) if chosen(route.path))
    startup = tuple(examiner.piece(step, None) for step in startup_of(app.life.pieces))
    servers = tuple(picks(app))
    wrapped = wrapped_doors(app)
    examiner.remarks.add_servers(app, servers)
    examiner.remarks.add_doors(wrapped)
    return Report(target, routes, startup, servers, wrapped, examiner.remarks.numbered())


def wrapped_doors(app: App) -> dict[str, str]:
    """The doors that are not the framework's own any more, and what has been put around them."""
    doors = {name: getattr(app, name) for name in DOORS}
    return {
        name: describe(door)
        for name, door in doors.items()
        if not (isinstance(door, functools.partial) and door.func is DOORS[name])
    }


def unquoted(name: str) -> str:
    """The name of a piece without the quotes that messages have around it."""
    return name[1:-1] if name[:1] == name[-1:] == "'" else name


def _routes(app: App) -> Iterator[Route]:
    """All that is answered: routes, each mount once, and what no route answers."""
    for route in app.routes:
        if route.mount is None or route.path.endswith(f"{{{TAIL}:path}}"):
            yield route
    none = Route(NO_ROUTE, (), app._refusing.handler.call)
    none.plan = app._refusing
    yield none


def _run(plan: Plan, door: str, does: Door, otherwise: RunFacts) -> RunFacts:
    """Where a plan runs behind a door, which may hand a mounted application its call as it is."""
    application = getattr(plan.foreign, door, None)
    return otherwise if application is None else RunFacts(does.gate, 0, untouched=True)


def _protocols(mount: Mount) -> tuple[str, ...]:
    return tuple(name.upper() for name in DOORS if getattr(mount, name) is not None)


def _label(methods: tuple[str, ...], host: str | None, path: str) -> str:
    return f"{','.join(methods)} {host or ''}{path}".lstrip()


class _Examiner:
    """Looks at one plan after another, and remarks on what it sees."""

    def __init__(self) -> None:
        self.remarks = Remarks()
        self._sources = Sources()

    def route(self, route: Route) -> RouteFacts:
        """The facts of one route."""
        plan, mount = route.plan, route.mount
        methods = tuple("*" if method == ANY else method for method in route.methods)
        course = course_of(plan, mount)
        label = _label(methods, route.host, route.path)
        pieces = tuple(self.piece(step, label) for step in course.steps)
        self.remarks.add_course(course, label)
        return RouteFacts(
            methods=methods,
            path=route.path,
            host=route.host,
            name=route.name,
            colour=course.colour.value,
            handler=next(piece for piece in pieces if piece.role in ("handler", "mount")),
            cause=None if course.cause is None else pieces[course.steps.index(course.cause)],
            wsgi=_run(plan, "wsgi", WSGI, RunFacts(course.wsgi, course.wsgi_hops)),
            asgi=_run(plan, "asgi", ASGI, RunFacts(course.asgi, course.asgi_hops)),
            inward=course.inward,
            outward=course.outward,
            pieces=pieces,
            mount=None if mount is None else MountFacts(unquoted(mount.name), _protocols(mount)),
        )

    def piece(self, step: Step, route: str | None) -> PieceFacts:
        """The facts of one piece; what it may block is remarked on."""
        call = step.piece.function or step.piece.call
        if step.piece.colour is not Colour.SYNC:
            self.remarks.add_blocking(step.role, step.piece, self._sources.blocking(call), route)
        origin = Origin("", None, None) if step.role == "mount" else origin_of(call)
        return PieceFacts(
            role=step.role,
            name=unquoted(step.piece.name),
            colour=step.piece.colour.value,
            file=origin.file,
            line=origin.line,
            place=origin.place,
            wsgi=step.wsgi,
            asgi=step.asgi,
            hop=step.hop,
        )
