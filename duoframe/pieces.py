"""One piece of a user's code: what is called, and what it asks of whoever runs it.

Knows functions and their colours; must not know routes. `plan` puts pieces together.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from duoframe import signatures
from duoframe.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])


class Colour(enum.Enum):
    """What a piece of code asks of whoever runs it."""

    INLINE = "inline"
    """Never blocks and never waits: it may run anywhere."""
    SYNC = "def"
    """May block: it needs a thread."""
    ASYNC = "async def"
    """May wait: it needs an event loop."""


def inline(function: F) -> F:
    """Mark a `def` that never blocks: it runs in place on any server, the event loop included.

    Raises `ConfigurationError` for an `async def`.
    """
    if signatures.needs_loop(function):
        raise ConfigurationError(f"{signatures.describe(function)} is `async def`; `@inline` marks a `def`")
    function.__duoframe_inline__ = True  # type: ignore[attr-defined]  # functions take attributes
    return function


def colour_of(function: Callable[..., Any]) -> Colour:
    """The colour of one piece."""
    if getattr(function, "__duoframe_inline__", False):
        return Colour.INLINE
    return Colour.ASYNC if signatures.needs_loop(function) else Colour.SYNC


class Piece(NamedTuple):
    """A call with its colour: a middleware's start, a handler, an error handler, a lifespan."""

    call: Callable[..., Any]
    colour: Colour
    name: str
    function: Callable[..., Any] | None = None
    """What its author wrote, where that is somebody's code: for tools that say where it stands."""

    @classmethod
    def middleware(cls, function: Callable[..., Any]) -> Piece:
        """A generator function with one ``yield``. Raises `ConfigurationError` for anything else."""
        if not callable(function) or not signatures.is_generator(function):
            raise ConfigurationError(
                f"middleware {signatures.describe(function)} has no `yield`: write a generator function that yields"
                " once, where the rest of the chain runs"
            )
        call = signatures.accepts(function, ("request",), "middleware")
        return cls(call, colour_of(function), signatures.describe(function), function)
