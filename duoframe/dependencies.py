"""What the dependencies of one request go through: each is made when its turn comes, and left in the end.

Knows the order of that, and who is told of an exception; must not know middleware, answers nor a server. `needs` says
what there is to make, `core` when; where a piece runs was decided by `plan`.
"""

from __future__ import annotations

import logging
from typing import Any

from duoframe.bridge import Hop, stepped
from duoframe.errors import ClientDisconnect
from duoframe.faults import NOT_MADE
from duoframe.needs import Need
from duoframe.pieces import Colour
from duoframe.plan import Plan, Stage, Style
from duoframe.relay import Closed
from duoframe.requests import Request

logger = logging.getLogger("duoframe.error")

_END: Any = object()

Exit = tuple[Any, Need, Style]
"""A dependency that was entered: its generator, what is known of it, and how it runs in its plan."""


async def supply(plan: Plan, stage: Stage, request: Request) -> None:
    """Make the values of the stage's dependencies. What is wrong with the request is kept until all has been read."""
    if request._given is None:
        request._given = [NOT_MADE] * len(plan.needs)
    given = request._given
    for need in stage.needs:
        if request._faults is not None and any(given[slot] is NOT_MADE for slot in need.after):
            continue  # it could not be called
        piece = need.piece
        waits = piece.colour is Colour.ASYNC
        value = piece.call(request)
        if value is NOT_MADE:
            continue
        if need.yields:
            generator = value
            value = await anext(generator, _END) if waits else next(generator, _END)
            if value is _END:
                raise RuntimeError(f"dependency {piece.name} ended without a `yield`; yield its value once")
            if request._exits is None:
                request._exits = []
            request._exits.append((generator, need, stage.style))
        elif hasattr(value, "__await__"):
            value = await value
        given[need.slot] = value


async def release_early(request: Request) -> None:
    """Leave the dependencies that are not to outlive the handler. Raises what they raise."""
    opened = request._exits
    early = [exit_ for exit_ in opened if exit_[1].early]  # type: ignore[union-attr]  # the caller has looked
    if not early:
        return
    request._exits = [exit_ for exit_ in opened if not exit_[1].early]  # type: ignore[union-attr]  # as above
    error = await release(early, None)
    try:
        if error is not None:
            raise error
    finally:
        error = None


async def release(opened: list[Exit], error: BaseException | None) -> BaseException | None:
    """Leave dependencies, the last entered first; what is to be raised then, ``error`` or what came of it."""
    try:
        while opened:
            if opened[-1][2] is not Style.HOP:
                error = await _leave_neighbours(opened, error)
                continue
            innermost = opened[-1]
            try:
                error = await Hop(stepped, _leave_neighbours, opened, error)
            except BaseException as raised:  # a cancellation, or no thread could be had
                error = raised
                if opened and opened[-1] is innermost:
                    opened.pop()[0].close()  # here, or never
        return error
    finally:
        error = None


async def _leave_neighbours(opened: list[Exit], error: BaseException | None) -> BaseException | None:
    """Leave the dependencies that were entered in one style; the others are told what one of them raises."""
    style = opened[-1][2]
    try:
        while opened and opened[-1][2] is style:
            generator, need, _ = opened.pop()
            waits = need.piece.colour is Colour.ASYNC
            try:
                if waits:
                    await (anext(generator) if error is None else generator.athrow(error))
                elif error is None:
                    next(generator)
                else:
                    generator.throw(error)
            except (StopIteration, StopAsyncIteration):
                continue  # an error that it swallows goes on: there is no other answer
            except BaseException as raised:
                error = raised
                continue
            try:
                await generator.aclose() if waits else generator.close()
            except BaseException as raised:
                error = raised
            else:
                error = RuntimeError(f"dependency {need.piece.name} yielded once too often; yield its value once")
        return error
    finally:
        error = None


async def conclude(request: Request, error: BaseException | None) -> None:
    """Leave the dependencies that waited for the end of the body. ``error`` is what broke it off; faults are logged."""
    opened, request._exits = request._exits, None
    if isinstance(error, Closed):
        error = ClientDisconnect("the client left before its answer was complete")
    left = await release(opened or [], error)
    try:
        if left is None or left is error:
            return
        if not isinstance(left, Exception):
            raise left
        logger.error("error while the dependencies of %r were left", request, exc_info=left)
    finally:
        error = left = None
