"""The application: one object that a WSGI server and an ASGI server both call.

Knows its configuration, when it starts and stops, and how to find the plan of a request; the doors (`wsgi`, `asgi`)
know the protocols, `router` what users declare.
"""

from __future__ import annotations

import atexit
import copy
import functools
import inspect
import logging
import os
import sys
import weakref
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import EllipsisType
from typing import Any, NoReturn, TypeVar, overload
from urllib.parse import quote

from duoframe import asgi, logs, signatures, wsgi
from duoframe.bridge import adopt_loop, running_loop
from duoframe.context import current
from duoframe.contrib.templating import Templates, as_templates
from duoframe.datastructures import State
from duoframe.documented import About
from duoframe.errors import ConfigurationError, HTTPException
from duoframe.handshakes import Origins
from duoframe.inputs import check_together
from duoframe.lifespan import START_TIMEOUT, Lifespan, release
from duoframe.limits import Limits
from duoframe.mounting import Mount
from duoframe.needs import Overrides, wire
from duoframe.patterns import CONVERTERS, Converter, Pattern
from duoframe.pieces import Colour, Piece, colour_of, inline
from duoframe.plan import ErrorHandlers, Plan
from duoframe.portal import Portal
from duoframe.relay import call as call_on_loop
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.router import Route, Router
from duoframe.routing import ANY, NoMatch, Table
from duoframe.runtime import Runtime
from duoframe.types import ASGIApp, Environ, Receive, Scope, Send, StartResponse, WSGIApp

H = TypeVar("H", bound=Callable[..., Any])
T = TypeVar("T")

logger = logging.getLogger("duoframe")


class App(Router):
    """An application for WSGI and ASGI servers: ``app = App()``, then ``gunicorn app:app`` or ``uvicorn app:app``.

    ``threads``: requests that may hold a worker thread at once; ``streams``: `def` streams beside them;
    ``max_body_size``: bytes of a request body, None for no limit; ``limits``: all of `Limits`, whose defaults hold;
    ``grace``: seconds that clean-up may take at the end; ``write_timeout``: seconds that a client behind an ASGI server
    may take for one chunk before it counts as gone, None for no limit (a WSGI server writes by itself, and has a limit
    of its own); ``redirect_slashes``: answer 308 where only a last slash is wrong; ``converters``: kinds of path
    parameters beside the built-in ones; ``debug``: log what helps development, and show who
    asks from this very machine where an exception arose; ``docs``: the path of a page of the OpenAPI document;
    ``websocket_origins``: the origins whose pages may open a WebSocket beside the host's own, ``"*"`` for any;
    ``openapi_url``: the path of the document itself, ``/openapi.json`` with ``docs`` and none without; ``title``,
    ``version``, ``summary``, ``description``, ``servers`` (URLs or Server Objects) and ``tags`` (names or Tag Objects)
    are what it says; ``templates``: the directory of what `render_template` renders, or a `Templates`.
    """

    nests = False

    def __init__(
        self,
        *,
        threads: int = 40,
        streams: int = 100,
        max_body_size: int | EllipsisType | None = ...,
        limits: Limits | None = None,
        grace: float = 10.0,
        write_timeout: float | None = None,
        redirect_slashes: bool = True,
        converters: Mapping[str, Converter] | None = None,
        debug: bool = False,
        middleware: Iterable[Callable[..., Any]] = (),
        dependencies: Iterable[Any] = (),  # Any: what `Depends` gives
        docs: str | None = None,
        openapi_url: str | None = None,
        title: str = "duoframe",
        version: str = "0.1.0",
        summary: str | None = None,
        description: str | None = None,
        websocket_origins: Sequence[str] = (),
        servers: Sequence[str | Mapping[str, Any]] = (),
        tags: Sequence[str | Mapping[str, Any]] = (),
        templates: str | os.PathLike[str] | Templates | None = None,
    ) -> None:
        super().__init__(middleware=tuple(middleware), dependencies=tuple(dependencies))
        for name, value in (("threads", threads), ("streams", streams)):
            if type(value) is not int or value < 1:
                raise ConfigurationError(f"App({name}=...): expected a whole number, 1 or more, got {value!r}")
        logs.carry_request_id()
        for name, converter in (converters or {}).items():
            if not isinstance(converter, Converter):
                raise ConfigurationError(f"App(converters=...): expected {name!r} to be a Converter, got {converter!r}")
        self.state = State()
        self.templates = as_templates(templates, reload=debug)
        """What `render_template` renders, where there are templates."""
        self.debug = debug
        self.origins = Origins(websocket_origins)
        self.grace = grace
        self.write_timeout = write_timeout
        self.limits = limits or Limits()
        if max_body_size is not ...:
            self.limits = self.limits.replace(max_body_size=max_body_size)
        self.wsgi: WSGIApp = functools.partial(wsgi.serve, self)
        self.asgi: ASGIApp = functools.partial(asgi.serve, self)
        self.portal = Portal(threads, streams, debug)
        self.life = Lifespan(self)
        self._sizes = (threads, streams, debug)
        self.runtimes: dict[object, Runtime] = {}
        self._table: Table[Route] = Table(redirect_slashes, {**CONVERTERS, **(converters or {})})
        self.dependency_overrides = Overrides(self._wire)
        """What stands in for a dependency in tests: ``app.dependency_overrides[get_db] = fake``."""
        self._hosted = False
        self._places: dict[tuple[str, str], dict[str, Route]] = {}
        self._mounts: list[Mount] = []
        self._compiled = False
        self._refusing: Plan
        self._any: Route
        if sys.version_info < (3, 12):  # pragma: no cover - each Python has one of the two ways
            vars(self)["__call__"] = _CallView(self)
        self.about = About(
            title=title, version=version, summary=summary, description=description, servers=servers, tags=tags
        )
        self._document: dict[str, Any] | None = None
        self._describe(docs, openapi_url)

    def _describe(self, docs: str | None, openapi_url: str | None) -> None:
        """Serve the OpenAPI document and the page that shows it, where they are asked for."""
        if docs is not None:
            from duoframe.docspage import add_page

            openapi_url = openapi_url or "/openapi.json"
            add_page(self, docs, openapi_url, self.about.title)
        if openapi_url is not None:
            from duoframe.openapi import answer

            self.get(openapi_url, name="openapi", include_in_schema=False)(answer)

    @overload
    def __call__(self, scope: Environ, receive: StartResponse, /) -> Iterable[bytes]: ...
    @overload
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]: ...
    def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
        """Answer a WSGI call, ``app(environ, start_response)``, or an ASGI call, ``app(scope, receive, send)``."""
        if send is None:
            return self.wsgi(scope, receive)
        return self.asgi(scope, receive, send)

    # Servers look at `__call__` to tell the protocols apart, and this one must pass for a coroutine function.
    if sys.version_info >= (3, 12):  # pragma: no cover - as above
        __call__ = inspect.markcoroutinefunction(__call__)
    _asgi_single_callable = True  # asgiref's own mark, for daphne

    def __copy__(self) -> App:
        return copy.deepcopy(self)  # its doors, its table and its lifespans know the application that they are part of

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "runtimes": {}}  # event loops stay where they are

    def __rsgi_init__(self, loop: object) -> NoReturn:
        """Refuse granian's own protocol, which it speaks unless told otherwise."""
        raise ConfigurationError("duoframe speaks ASGI and WSGI; run `granian --interface asgi` or `--interface wsgi`")

    @property
    def started(self) -> bool:
        """Whether start-up is complete in this process."""
        return self.life.up

    def lifespan(self, function: H) -> H:
        """Register start-up and shut-down: a generator function, `def` or `async def`, that yields once between them.

        It may take the app; a mapping that it yields lands on ``app.state``. The first registered starts first and
        stops last.
        """
        self._check_open(function)
        self.life.add(function)
        return function

    def wrap_wsgi(self, middleware: Callable[[WSGIApp], WSGIApp]) -> None:
        """Put WSGI middleware around the WSGI door: ``app.wrap_wsgi(ProxyFix)``. The ASGI door stays as it is."""
        self.wsgi = middleware(self.wsgi)

    def wrap_asgi(self, middleware: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put ASGI middleware around the ASGI door. The WSGI door stays as it is."""
        self.asgi = middleware(self.asgi)

    def url_for(self, name: str, /, **values: Any) -> str:
        """The path of the route called ``name``: ``app.url_for("hello", name="Ada")``.

        It stands under the running request's root. A handler's name is its function's, behind those of the routers it
        is in. Raises `LookupError` for an unknown name and `ValueError` for values that the pattern cannot take.
        """
        path = self._table.url_for(name, **values)
        request = current.get(None)
        return path if request is None else quote(request.root_path, safe=_PATH_SAFE) + path

    def openapi(self) -> dict[str, Any]:  # Any: JSON
        """The OpenAPI 3.1 document of the routes, which is kept once the application has started.

        Raises `ConfigurationError` for an ``operation_id`` that is given twice.
        """
        if self._document is None or not self._compiled:
            from duoframe.openapi import describe

            self._document = describe(self.about, self.routes, self._table.converters, self.error_handlers)
        return self._document

    def call(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """From a `def` piece or a thread, await ``work(*args)`` on the application's event loop, and wait for it.

        Raises what it raises, and `RuntimeError` on the loop's own thread, which would wait for itself.
        """
        request = current.get(None)
        loop = self.life.loop if request is None else request._home.get_loop()
        return call_on_loop(loop or self.portal.get_loop(), work, *args)

    def gauges(self) -> dict[str, int]:
        """How busy this process is.

        Threads held, requests waiting for one, streams, calls left behind, background work.
        """
        runtimes = [*self.runtimes.values()] + ([self.portal.get_runtime()] if self.portal.running else [])
        totals: dict[str, int] = dict.fromkeys(("threads", "waiting", "streams", "left", "background"), 0)
        for runtime in runtimes:
            for name, value in runtime.gauges().items():
                totals[name] += value
        return totals

    def startup(self) -> None:
        """Start under a WSGI server before its first request, from gunicorn's ``post_worker_init`` for instance.

        Harmless when the application has started. Raises what a lifespan raises, and `TimeoutError` when a start-up
        that somebody else began takes longer than 30 seconds.
        """
        started, mine = self.life.claim()
        if mine:
            _STARTED.add(self)
            if self.life.waits:
                with self.life.attempt(started):
                    runtime = self.portal.get_runtime()
                runtime.loop.post(lambda: runtime.loop.spawn(self.life.stay(runtime, started)))
            else:
                self.life.enter_here(started)
        started.result(START_TIMEOUT)

    async def ensure_started(self, runtime: Runtime) -> None:
        """Start behind an ASGI server that knows no lifespan, or wait until it has: `TimeoutError` after 30 seconds."""
        import anyio

        started, mine = self.life.claim()
        if mine:
            runtime.loop.spawn(self.life.stay(runtime, started))
        waiter = runtime.loop.waiter()
        started.add_done_callback(lambda _: release(runtime.loop, waiter))
        with anyio.fail_after(START_TIMEOUT):
            await waiter
        started.result(0)

    def shutdown(self) -> None:
        """Stop what `startup` started: background work within the grace period, lifespans, the portal.

        Harmless when there is nothing to stop. Raises what a lifespan raises, after all have been left.
        """
        try:
            if self.portal.running:
                self.portal.call(self.portal.get_runtime().idle, self.grace)
            self.life.stop()
        finally:
            self.portal.stop()

    def compile(self) -> None:
        """Compile every route's plan; from now on nothing more can be registered. Harmless when done."""
        if self._compiled:
            return
        self._refusing = self._plan("refusal", Piece(_refuse, Colour.INLINE, "refusal"), (), stream=True)
        allow = Route("*", ("OPTIONS",), self._allow)
        allow.plan = self._plan("OPTIONS", Piece(self._allow, Colour.INLINE, "OPTIONS"), ())
        for methods in self._places.values():
            if ANY in methods:
                continue
            first = next(iter(methods.values()))
            if "GET" in methods and "HEAD" not in methods:
                self._table.add(methods["GET"].path, ("HEAD",), methods["GET"], host=methods["GET"].host)
            if "OPTIONS" not in methods and self._tells_methods(first):
                self._table.add(first.path, ("OPTIONS",), allow, host=first.host)
        self._any = allow
        for route in self.routes:
            route.plan = self._route_plan(route)
        self._compiled = True
        if self.debug:
            self._tell_recoloured()

    def find(self, request: Request) -> Plan:
        """The plan that answers a request; sets its route and path parameters."""
        if request._refusal is None:
            try:
                found = self._table.match(request.method, request.path, request.host if self._hosted else None)
            except Exception as error:  # a converter's: the answer to it passes the middleware like any other
                request._refusal = error
            else:
                if type(found) is tuple:
                    request.route, request.path_params = found
                    return request.route.plan  # type: ignore[no-any-return]  # a Route's
                if request.path == "*" and request.method == "OPTIONS":
                    request.path_params = {}
                    return self._any.plan
                request._refusal = self._not_routed(request, found)  # type: ignore[arg-type]  # no tuple, so a NoMatch
        request.path_params = {}
        request._body_unread = "the request was refused before its body was read"
        return self._refusing

    def _tells_methods(self, route: Route) -> bool:
        """Whether OPTIONS is answered by itself where this route answers."""
        return True

    def _not_routed(self, request: Request, found: NoMatch) -> Exception:
        """What a request is refused with that no route answers."""
        if found.allowed:
            return HTTPException(405, headers={"allow": ", ".join(found.allowed)})
        if found.redirect is None:
            return HTTPException(404)
        location = str(request.url.replace(scheme="", host="", path=found.redirect))
        return HTTPException(308, headers={"location": location})

    def runtime(self) -> Runtime:
        """The `Runtime` of the event loop that runs on this thread."""
        identity = running_loop()
        found = self.runtimes.get(identity)
        if found is None:
            for ended in [key for key, runtime in list(self.runtimes.items()) if runtime.loop.ended()]:
                self.runtimes.pop(ended, None)  # another loop's thread may have done it
            found = self.runtimes[identity] = Runtime(adopt_loop(identity), *self._sizes)
        return found

    def _add(self, route: Route) -> None:
        self._check_open(route.handler)
        name = signatures.describe(route.handler)
        try:
            pattern = Pattern(route.path, route.host, self._table.converters)
            self._wire_route(route)
            self._table.add(
                route.path, route.methods, route, host=route.host, name=route.name, describe=f"handler {name}"
            )
        except ConfigurationError as error:
            raise ConfigurationError(f"{route.path}, handler {name}: {error}") from error
        super()._add(route)
        self._hosted = self._hosted or route.host is not None
        if route.mount is not None and route.mount not in self._mounts:
            self._take_mount(route.mount)
        place = self._places.setdefault((pattern.host_shape, pattern.shape), {})
        place.update(dict.fromkeys(route.methods, route))

    def _take_mount(self, mount: Mount) -> None:
        """Start and stop a mounted application with this one; one that is an `App` has the same event loop."""
        self._mounts.append(mount)
        self.life.pieces += mount.lifespans
        if mount.nested is not None:
            mount.nested.portal = self.portal

    def _wire(self) -> None:
        """Put other dependencies into the routes that have some."""
        for route in self.routes:
            if route.wiring.needs:
                self._wire_route(route)
                if self._compiled:
                    route.plan = self._route_plan(route)

    def _wire_route(self, route: Route) -> None:
        around = [each for router in (self, *route.routers) for each in router.dependencies]
        pattern = Pattern(route.path, route.host, self._table.converters)
        route.wiring = wire(route.handler, (*around, *route.dependencies), pattern.kinds, self.dependency_overrides)
        check_together(route.wiring.inputs, route.stream)
        name = signatures.describe(route.handler)
        route.piece = Piece(route.wiring.call, colour_of(route.handler), name, route.handler)
        if route.mount is not None:
            route.piece = route.mount.piece(Colour.SYNC)

    def _check_open(self, subject: Any) -> None:
        if self._compiled:
            raise ConfigurationError(
                f"{signatures.describe(subject)} was registered after the application had started;"
                " register it on import"
            )

    def _plan(self, name: str, handler: Piece, routers: Iterable[Router], **options: Any) -> Plan:
        routers = tuple(routers)
        layers = [layer for router in (self, *routers) for layer in router.layers]
        errors = ErrorHandlers([router.error_handlers for router in (*reversed(routers), self)])
        options = {"limits": self.limits, **options}
        return Plan(name, [*layers, *options.pop("layers", ())], handler, errors, **options)

    def _route_plan(self, route: Route) -> Plan:
        limits = route.limits or self.limits
        if not isinstance(route.max_body_size, EllipsisType):
            limits = limits.replace(max_body_size=route.max_body_size)
        compiled = functools.partial(
            self._plan,
            route.piece.name,
            routers=route.routers,
            layers=route.layers,
            limits=limits,
            needs=route.wiring.needs,
            stream=route.stream,
            representation=route.representation,
            refuse=self._refusing,
        )
        plan = compiled(route.piece)
        if route.mount is not None:
            route.piece = route.mount.piece(plan.colour)
            plan = compiled(route.piece)
            bare = plan.handler is route.piece and not plan.layers and not plan.needs
            if bare and limits.max_body_size is None and route.mount.timeout is None:
                plan.foreign = route.mount
        return plan

    def _allow(self, request: Request) -> Response:
        """Answer OPTIONS with the methods of the path, of the whole application for ``*`` (RFC 9110 §9.3.7)."""
        if request.path == "*":
            named = {method for route in self.routes for method in route.methods}
            allowed = sorted({"HEAD", "OPTIONS", *named} - {ANY})
        else:
            found = self._table.match("", request.path, request.host if self._hosted else None)
            allowed = list(found.allowed)  # type: ignore[union-attr]  # no route has the method ""
        return Response(b"", 204, {"allow": ", ".join(allowed)})

    def _tell_recoloured(self) -> None:
        recoloured = [
            route
            for route in self.routes
            if route.piece.colour is not Colour.ASYNC and route.plan.colour is Colour.ASYNC
        ]
        if recoloured:
            logger.info(
                "%d `def` routes need an event loop, because something around them is `async def`", len(recoloured)
            )


class _CallView:  # pragma: no cover - as above
    """What Python 3.11 has for `inspect.markcoroutinefunction`: looks like a coroutine function, calls the app.

    The interpreter calls ``type(app).__call__``, so only who inspects ``app.__call__`` meets this.
    """

    def __init__(self, app: App) -> None:
        function = App.__call__
        self.__self__ = app
        self.__name__, self.__qualname__, self.__doc__ = function.__name__, function.__qualname__, function.__doc__
        self.__defaults__, self.__kwdefaults__ = (None,), None
        self.__annotations__: dict[str, Any] = {}
        self.__code__ = _coroutine_function.__code__

    def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
        return App.__call__(self.__self__, scope, receive, send)

    def __reduce__(self) -> tuple[type[_CallView], tuple[App]]:
        return _CallView, (self.__self__,)


async def _coroutine_function(scope: Any, receive: Any, send: Any = None) -> None:
    """Lends its code object to `_CallView`."""


@inline
def _refuse(request: Request) -> NoReturn:
    refusal = request._refusal
    try:
        raise refusal if refusal is not None else HTTPException(500)
    finally:
        del refusal  # no cycle of error, traceback and frame


_PATH_SAFE = "/:@!$&'()*+,;=~"
_STARTED: weakref.WeakSet[App] = weakref.WeakSet()


def _stop_all() -> None:
    for app in list(_STARTED):
        try:
            app.shutdown()
        except Exception:
            logger.exception("error while %r was shut down", app)


atexit.register(_stop_all)
