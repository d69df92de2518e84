"""The shapes the two server protocols speak in: PEP 3333 on one side, ASGI 3 on the other.

Knows no framework object. Every other module names the protocols by these words.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from types import TracebackType
from typing import Any, Protocol

Environ = dict[str, Any]
"""A WSGI environment: a builtin ``dict``, as PEP 3333 demands."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
"""What ``sys.exc_info()`` gives; the third argument of ``start_response``."""


class StartResponse(Protocol):
    """PEP 3333, *The start_response() Callable*."""

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]: ...


WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]
"""A WSGI application: ``app(environ, start_response)``."""

Scope = MutableMapping[str, Any]
"""The description of one ASGI connection."""

Message = MutableMapping[str, Any]
"""One ASGI event, received or sent."""

Receive = Callable[[], Awaitable[Message]]
"""Gives the next event from the client."""

Send = Callable[[Message], Awaitable[None]]
"""Takes an event for the client."""

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An ASGI application: ``await app(scope, receive, send)``."""

Handler = Callable[..., Any]
"""What a user registers on a route: ``def``, ``async def`` or any callable."""
