"""Applications that know nothing of this framework, and where they answer.

Knows which protocol an application speaks, and hands it a server's own call where nothing of ours stands between; must
not know what it answers. `foreign_wsgi` and `foreign_asgi` make a handler of one for all other calls, `router`
registers it.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Iterable
from typing import Any

from duoframe.errors import ConfigurationError
from duoframe.foreign import place
from duoframe.foreign_asgi import ForeignASGI
from duoframe.foreign_lifespan import ForeignLifespan
from duoframe.foreign_wsgi import ForeignWSGI
from duoframe.pieces import Colour, Piece
from duoframe.requests import Request
from duoframe.signatures import describe, needs_loop
from duoframe.types import ASGIApp, Environ, Receive, Scope, Send, StartResponse, WSGIApp


class Mount:
    """An application at one place: ``wsgi`` and ``asgi`` are the protocols that it speaks, one or both.

    ``timeout``: seconds that an ASGI application may take for each message of its answer, None for no limit;
    ``nested``: the application, where it is one of ours.
    """

    def __init__(
        self, wsgi: WSGIApp | None, asgi: ASGIApp | None, timeout: float | None, nested: Any = None
    ) -> None:  # Any: an App, which stands above this floor
        self.wsgi = wsgi
        self.asgi = asgi
        self.timeout = timeout
        self.nested = nested
        self.name = describe(wsgi if asgi is None else asgi)  # type: ignore[arg-type]  # there is one
        self.lifespans: list[Piece] = []
        """What starts and stops it."""
        self.handler: Any = None  # callable with a request
        """What calls it as a handler: an application that speaks both protocols is called by ASGI's."""
        if asgi is None:
            self.handler = ForeignWSGI(wsgi)  # type: ignore[arg-type]  # as above
        else:
            self.handler = ForeignASGI(asgi, timeout)
            self.lifespans.append(Piece(self._live, Colour.ASYNC, f"of the mounted {self.name}"))

    def __repr__(self) -> str:
        return f"<Mount {self.name}>"

    def piece(self, colour: Colour) -> Piece:
        """The handler for a plan of this colour."""
        if isinstance(self.handler, ForeignASGI):
            return Piece(self.handler, Colour.ASYNC, self.name)
        if colour is Colour.ASYNC:
            return Piece(self.handler.on_a_thread, Colour.ASYNC, self.name)
        return Piece(self.handler, Colour.SYNC, self.name)

    def call_wsgi(self, request: Request, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Hand a WSGI server's call to the application, which is told where it is mounted and nothing else."""
        root, rest = place(request)
        if root:
            carried = rest.encode().decode("latin-1")
            path: str = environ["PATH_INFO"]
            script = environ.get("SCRIPT_NAME", "").rstrip("/") + path[: len(path) - len(carried)]
            environ = {**environ, "SCRIPT_NAME": script, "PATH_INFO": carried}
        return self.wsgi(environ, start_response)  # type: ignore[misc]  # whoever calls this has looked

    async def call_asgi(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand an ASGI server's call to the application, which is told where it is mounted and nothing else."""
        root, rest = place(request)
        state = self.handler.state
        if root:
            root = request.root_path + root
            scope = {**scope, "root_path": root, "path": root + (rest or "/")}
        if state is not None:
            scope = {**scope, "state": state.copy()}
        await self.asgi(scope, receive, send)  # type: ignore[misc]  # as above

    async def _live(self, app: Any) -> AsyncGenerator[None, None]:
        """Start and stop an ASGI application with the one that it is mounted in."""
        foreign = ForeignLifespan(self.asgi, app.life.loop)  # type: ignore[arg-type]  # as above
        known = await foreign.start()
        self.handler.state = foreign.state if known else None
        yield
        await foreign.stop()


def told_apart(app: Any, wsgi: Any, asgi: Any) -> tuple[WSGIApp | None, ASGIApp | None]:
    """The protocols that an application speaks: what the caller says, or what the application looks like.

    Raises `ConfigurationError` where that is neither said nor to be seen.
    """
    if app is None:
        if wsgi is None and asgi is None:
            raise ConfigurationError("expected an application, wsgi=application or asgi=application, got none")
        for name, said in (("wsgi", wsgi), ("asgi", asgi)):
            if said is not None and not callable(said):
                raise ConfigurationError(f"expected a callable {name}={said!r}")
        return wsgi, asgi
    if wsgi is not None or asgi is not None:
        raise ConfigurationError("expected an application or wsgi= and asgi=, got both: name it once")
    if not callable(app) or inspect.isclass(app):
        raise ConfigurationError(f"expected a WSGI or an ASGI application, got {app!r}")
    if needs_loop(app):
        return None, app
    wanted = _required(app)
    if wanted == 2:
        return app, None
    if wanted == 3:
        return None, app
    raise ConfigurationError(
        f"{describe(app)} could speak WSGI or ASGI: say which, with wsgi=application or asgi=application"
    )


def _required(app: Any) -> int | None:
    """How many positional arguments a call must have; None where that cannot be told."""
    try:
        parameters = inspect.signature(app).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(
        parameter.default is parameter.empty
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    )
