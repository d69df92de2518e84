"""One route's code, compiled: its middleware, its handler, its error handlers, and the colour they give it.

Knows which piece is `def`, `async def` or never blocks, and groups neighbours that can share a hop; must not know
a server. `core` walks a plan, the doors decide on which thread or loop.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from duoframe.answers import to_response
from duoframe.body import Limits
from duoframe.errors import HTTPException
from duoframe.needs import Need
from duoframe.pieces import Colour, Piece
from duoframe.representations import Representation
from duoframe.requests import Request
from duoframe.responses import BODYLESS, Response

logger = logging.getLogger("duoframe")


class Style(enum.Enum):
    """How a piece is run inside its plan."""

    DIRECT = 1
    """Called where the plan runs."""
    HOP = 2
    """Called on a worker thread: `def` in a plan that runs on a loop."""
    AWAIT = 3
    """Awaited."""


class Stage(NamedTuple):
    """Neighbouring pieces that are run in one go."""

    style: Style
    layers: tuple[Piece, ...]
    needs: tuple[Need, ...]
    """The dependencies that come after these layers."""
    handles: bool
    """Whether the handler comes last, in the same go."""


class ErrorHandlers:
    """Which piece answers an exception: the innermost router's first, then by status, then nearest in the MRO."""

    def __init__(self, levels: Iterable[Mapping[int | type[BaseException], Piece]]) -> None:
        self._levels = [level for level in levels if level]
        self.pieces = [piece for level in self._levels for piece in level.values()]
        self.wait = any(piece.colour is Colour.ASYNC for piece in self.pieces)
        """Whether any of them is `async def`, and so needs a loop."""

    def find(self, error: BaseException) -> Piece | None:
        """The piece for ``error``, if any level has one; status 500 stands for every unexpected exception."""
        status = error.status if isinstance(error, HTTPException) else 500
        for level in self._levels:
            if isinstance(error, HTTPException) and status in level:
                return level[status]
            for kind in type(error).__mro__:
                if kind in level:
                    return level[kind]
            if status in level:
                return level[status]
        return None


class Plan:
    """Everything decided about one route before its first request."""

    __slots__ = (
        "awaits",
        "awaits_early",
        "call",
        "colour",
        "empty",
        "errors",
        "foreign",
        "gate",
        "handler",
        "layers",
        "limits",
        "name",
        "needs",
        "refuse",
        "representation",
        "stages",
        "stream",
        "usual",
    )

    def __init__(
        self,
        name: str,
        layers: Sequence[Piece],
        handler: Piece,
        errors: ErrorHandlers,
        *,
        limits: Limits,
        needs: Sequence[Need] = (),
        stream: bool = False,
        representation: Representation | None = None,
        refuse: Plan | None = None,
    ) -> None:
        self.name = name
        self.layers = tuple(layers)
        self.handler = handler
        self.call = handler.call
        self.awaits = handler.colour is Colour.ASYNC
        self.errors = errors
        self.needs = tuple(needs)
        self.awaits_early = any(need.early and need.piece.colour is Colour.ASYNC for need in needs)
        """Whether a dependency that is left before the answer needs a loop for that."""
        self.limits = limits
        self.stream = stream
        self.representation = representation if representation is not None and representation.shape else None
        """What the handler declares to answer, where it is data."""
        self.usual = 200 if representation is None else representation.usual
        self.empty = None if representation is None else representation.empty
        self.refuse = refuse or self
        self.foreign: Any = None  # a mounting.Mount, which stands above this floor
        """The application that a server of its kind may call itself, because nothing of ours stands between."""
        self.colour = _blend([*layers, *(need.piece for need in needs), handler, *errors.pieces])
        leading = 0
        while leading < len(self.layers) and self.layers[leading].colour is Colour.INLINE:
            leading += 1
        self.gate = Stage(Style.DIRECT, self.layers[:leading], (), False) if leading else None
        self.stages = self._group(self.layers[leading:])

    def style(self, colour: Colour) -> Style:
        """How a piece of this colour runs in this plan."""
        if colour is Colour.ASYNC:
            return Style.AWAIT
        return Style.HOP if colour is Colour.SYNC and self.colour is Colour.ASYNC else Style.DIRECT

    def after_gate(self, entered: int) -> tuple[Stage, ...]:
        """The stages that are left when ``entered`` layers have been entered already."""
        if self.gate is not None and entered == len(self.gate.layers):
            return self.stages
        return self._group(self.layers[entered:])  # of the plan that refuses what another plan's gate let in

    def answer(self, value: Any, request: Request) -> Response:
        """What the handler returned, as a Response. Raises `TypeError` naming the handler and the fix."""
        declared = self.representation
        if isinstance(value, Response):
            response = value
        elif value is None and (declared is None or not declared.null):
            if self.empty is not None:
                return Response(b"", self.empty)
            raise TypeError(
                f"handler {self.name} returned None: a `return` is missing, or annotate it `-> None` to answer 204"
            )
        elif hasattr(value, "__await__"):
            if hasattr(value, "close"):
                value.close()
            raise TypeError(f"handler {self.name} returned a coroutine; declare it with `async def`")
        else:
            try:
                response = to_response(value, self.usual) if declared is None else declared.answer(value, request)
            except (TypeError, ValueError, RecursionError) as error:  # of which some take more than a message
                kind = TypeError if isinstance(error, TypeError) else ValueError
                said = str(error) if declared is None else declared.explain(error)
                raise kind(f"handler {self.name}: {said}") from error
        if response._status in BODYLESS and (response.body or response.stream is not None):
            logger.warning("handler %s gave a body to a %d, which has none: dropped", self.name, response._status)
        return response

    def _group(self, layers: Sequence[Piece]) -> tuple[Stage, ...]:
        """Neighbours of one style in one stage; what never blocks goes with what stands before it."""
        stages: list[Stage] = []
        entered: list[Piece] = []
        needed: list[Need] = []
        style = Style.DIRECT

        def turn(colour: Colour) -> None:
            nonlocal style, entered, needed
            wanted = self.style(colour)
            if wanted is not style and wanted is not Style.DIRECT:
                if style is not Style.DIRECT:
                    stages.append(Stage(style, tuple(entered), tuple(needed), False))
                    entered, needed = [], []
                style = wanted

        for layer in layers:
            turn(layer.colour)
            entered.append(layer)
        for need in self.needs:
            turn(need.piece.colour)
            needed.append(need)
        turn(self.handler.colour)
        stages.append(Stage(style, tuple(entered), tuple(needed), True))
        return tuple(stages)


def _blend(pieces: Iterable[Piece]) -> Colour:
    colours = {piece.colour for piece in pieces}
    if Colour.ASYNC in colours:
        return Colour.ASYNC
    return Colour.SYNC if Colour.SYNC in colours else Colour.INLINE
