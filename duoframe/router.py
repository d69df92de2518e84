"""Registration: which handler answers which method and path, and what runs around it.

Knows what a user declares and refuses what cannot work, at once and by name; must not know a request. A `Router`
nests in others; the `App` at the top is one too, and compiles what all of them declared.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from types import EllipsisType
from typing import Any, Literal, TypeVar

from duoframe import signatures
from duoframe.bridge import Stepped
from duoframe.documented import Documented
from duoframe.errors import ConfigurationError
from duoframe.foreign import TAIL
from duoframe.inputs import Input
from duoframe.limits import Limits
from duoframe.mounting import Mount, told_apart
from duoframe.needs import Need, Wiring, checked
from duoframe.params import Dependency
from duoframe.pieces import Colour, Piece, colour_of
from duoframe.plan import Plan
from duoframe.representations import UNDECLARED, Representation
from duoframe.responses import Response
from duoframe.routing import ANY
from duoframe.types import ASGIApp, WSGIApp

H = TypeVar("H", bound=Callable[..., Any])

METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
"""The methods a class-based view may have, in lower case; the others of RFC 9110 are the server's."""

_METHOD = re.compile(r"(?!(?:TRACE|CONNECT)\Z)[A-Z0-9!#$%&'*+.^_`|~-]+\Z")


class Route:
    """One registered handler: where it answers and what was said about it."""

    piece: Piece
    """The handler, bound to its path's parameters; set where the route meets its application."""
    wiring: Wiring
    """The handler's dependencies and what they read of a request; set there too."""
    plan: Plan
    """What is run; compiled when the application starts."""

    def __init__(
        self,
        path: str,
        methods: tuple[str, ...],
        handler: Callable[..., Any],
        *,
        name: str | None = None,
        host: str | None = None,
        status_code: int = 200,
        response_model: Any = UNDECLARED,  # Any: whatever can be written as a type
        produces: Sequence[str] = (),
        tags: Sequence[str] = (),
        middleware: Sequence[Callable[..., Any]] = (),
        dependencies: Sequence[Dependency] = (),
        stream: bool = False,
        max_body_size: int | EllipsisType | None = ...,
        limits: Limits | None = None,
        mount: Mount | None = None,
        **documented: Any,  # Any: what `Documented` takes
    ) -> None:
        self.path = path
        self.methods = methods
        self.handler = handler
        self.name = name
        self.host = host
        self.status_code = Response(status=status_code).status
        self.tags = tuple(tags)
        self.representation = Representation(handler, self.status_code, response_model, produces)
        """What the handler's values are answered as."""
        self.layers = (*(Piece.middleware(layer) for layer in middleware), *self.representation.layers)
        self.dependencies = checked(dependencies)
        self.stream = stream
        self.max_body_size = max_body_size
        """Bytes, None for no limit, ``...`` for the application's."""
        if max_body_size is not ...:
            Limits(max_body_size=max_body_size)
        if limits is not None and not isinstance(limits, Limits):
            raise TypeError(f"expected limits=Limits(...), got {limits!r}")
        self.limits = limits
        self.mount = mount
        """The application of another kind that answers here."""
        if unknown := documented.keys() - set(Documented.__slots__):
            raise TypeError(f"a route takes no {', '.join(sorted(unknown))}")
        self.documented = Documented(**documented)
        self.routers: tuple[Router, ...] = ()

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What the handler and its dependencies read of a request."""
        return self.wiring.inputs

    @property
    def needs(self) -> tuple[Need, ...]:
        """The handler's dependencies, in the order in which they are made."""
        return self.wiring.needs

    def inside(self, router: Router, prefix: str, host: str | None) -> Route:
        """This route as an enclosing router sees it."""
        route = Route.__new__(Route)
        route.__dict__.update(self.__dict__)
        route.path = prefix + self.path
        route.host = self.host if self.host is not None else host
        route.name = f"{router.name}.{self.name}" if router.name and self.name else self.name
        route.tags = (*router.tags, *self.tags)
        route.routers = (router, *self.routers)
        return route

    def __repr__(self) -> str:
        return f"<Route {','.join(self.methods)} {self.path} {signatures.describe(self.handler)}>"


class Router:
    """A group of routes with middleware, hooks and error handlers of its own.

    ``prefix`` begins every path, ``host`` is the host they answer on (``"{tenant}.example.com"`` takes a parameter),
    ``name`` prefixes the routes' names with ``name.``, ``tags`` are added to theirs, and ``dependencies``,
    ``[Depends(check_token)]``, are made for each of them.
    """

    nests = True
    """Whether this may be included in another router."""

    def __init__(
        self,
        prefix: str = "",
        *,
        name: str | None = None,
        host: str | None = None,
        tags: Sequence[str] = (),
        middleware: Sequence[Callable[..., Any]] = (),
        dependencies: Sequence[Any] = (),  # Any: what `Depends` gives
    ) -> None:
        self.prefix = _checked_prefix(prefix)
        self.name = name
        self.host = host
        self.tags = tuple(tags)
        self.dependencies = checked(dependencies)
        self.routes: list[Route] = []
        self.layers: list[Piece] = [Piece.middleware(layer) for layer in middleware]
        self.error_handlers: dict[int | type[BaseException], Piece] = {}
        self._parents: list[tuple[Router, str]] = []

    def route(self, path: str, methods: Iterable[str] | None = None, **options: Any) -> Callable[[H], H]:
        """Register a handler: ``@app.route("/items", methods=["GET", "POST"])``; without ``methods`` it answers GET.

        A class with methods called ``get``, ``post`` … answers those methods; each request gets an instance.
        ``options``: ``name``, ``host``, ``status_code``, ``tags``, ``middleware``, ``dependencies``, ``stream`` (the
        body as it arrives), ``limits`` (all of `Limits`, instead of the application's), ``max_body_size`` (bytes,
        ``None`` for no limit), ``response_model`` (the type that is answered, instead of the one that the handler
        declares to return; ``None`` for whatever it returns), ``produces`` (the media types that a client may choose
        of), and for the OpenAPI document what `Documented` has: ``summary``, ``description``,
        ``response_description``, ``responses``, ``deprecated``, ``operation_id``, ``include_in_schema``. Raises
        `ConfigurationError`.
        """

        def register(handler: H) -> H:
            if inspect.isclass(handler):
                for method, function in _methods_of(path, handler, methods):
                    self._add(_route(path, (method,), function, {"name": handler.__name__, **options}))
            else:
                self._add(_route(path, ("GET",) if methods is None else methods, handler, options))
            return handler

        return register

    def get(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for GET, which answers HEAD too."""
        return self.route(path, ("GET",), **options)

    def post(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for POST."""
        return self.route(path, ("POST",), **options)

    def put(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for PUT."""
        return self.route(path, ("PUT",), **options)

    def patch(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for PATCH."""
        return self.route(path, ("PATCH",), **options)

    def delete(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for DELETE."""
        return self.route(path, ("DELETE",), **options)

    def head(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for HEAD alone."""
        return self.route(path, ("HEAD",), **options)

    def options(self, path: str, **options: Any) -> Callable[[H], H]:
        """`route` for OPTIONS."""
        return self.route(path, ("OPTIONS",), **options)

    def static(
        self,
        prefix: str,
        directory: str | os.PathLike[str],
        *,
        name: str = "static",
        html: bool | Literal["spa"] = False,
        precompressed: bool = False,
        max_age: int = 60,
        immutable: Callable[[str], bool] | None = None,
        follow_symlinks: bool = False,
        **options: Any,
    ) -> None:
        """Serve the files below ``directory``: ``app.static("/assets", "dir")``, ``url_for("static", path="a.css")``.

        ``html``: answer a directory with its ``index.html`` and what is missing with ``404.html``, and with ``"spa"``
        what is missing and looks like a page with the root's ``index.html``; ``precompressed``: send ``a.css.br``,
        ``.zst`` or ``.gz`` in place of ``a.css`` where the client takes it; ``max_age``: seconds that a file may be
        kept; ``immutable``: whether the file at a path never changes, for which a hash in its name speaks by itself;
        ``follow_symlinks``: also out of the directory; ``options``: as for `route`. Raises `ConfigurationError`.
        """
        from duoframe.contrib.staticfiles import StaticFiles

        files = StaticFiles(
            directory,
            html=html,
            precompressed=precompressed,
            max_age=max_age,
            immutable=immutable,
            follow_symlinks=follow_symlinks,
        )
        options = {"include_in_schema": False, **options}
        prefix = _checked_prefix("" if prefix == "/" else prefix)
        if any(route.name == name for route in self.routes):
            raise ConfigurationError(f"{prefix}/: a route is called {name!r} already; give the files another `name`")
        if html:
            self.get(f"{prefix}/", name=name, **options)(files.serve)
        self.get(f"{prefix}/{{path:path}}", name=name, **options)(files.serve)

    def mount(
        self,
        prefix: str,
        app: Any = None,  # Any: a WSGI or an ASGI application
        *,
        wsgi: WSGIApp | None = None,
        asgi: ASGIApp | None = None,
        name: str | None = None,
        timeout: float | None = None,
        max_body_size: int | None = None,
        **options: Any,
    ) -> None:
        """Have another application answer below ``prefix``, whatever the method: ``app.mount("/legacy", flask_app)``.

        Whether it speaks WSGI or ASGI is seen; where it cannot be, say ``wsgi=`` or ``asgi=``, or both for one that
        speaks both. A route that is registered here comes before the mount, and middleware runs around it; without
        any, a server of its own kind calls it directly. It starts and stops with this application.
        ``timeout``: seconds that an ASGI application may take for each message of its answer, None for no limit;
        ``max_body_size``: bytes, None to leave that to the application; ``options``: ``host``, ``middleware``,
        ``dependencies``. ``url_for(name, path="a/b")`` gives paths below it. Raises `ConfigurationError`.
        """
        prefix = _checked_prefix("" if prefix == "/" else prefix)
        nested = isinstance(app, Router)
        if nested and app.nests:
            raise ConfigurationError(f"{prefix}: a Router is no application; use include_router")
        try:
            mount = Mount(app, app, timeout, app) if nested else Mount(*told_apart(app, wsgi, asgi), timeout)
        except ConfigurationError as error:
            raise ConfigurationError(f"mount {prefix or '/'}: {error}") from error
        options = {**options, "name": name, "max_body_size": max_body_size, "stream": True, "include_in_schema": False}
        for path in dict.fromkeys((prefix or "/", f"{prefix}/{{{TAIL}:path}}", f"{prefix}/")):
            self._add(Route(path, (ANY,), mount.handler, mount=mount, **options))

    def fallback(self, app: Any = None, **options: Any) -> None:  # Any: as for `mount`
        """Have another application answer whatever no route here does: the old one, while routes move over one by one.

        It is a `mount` at the root and takes the same ``options``.
        """
        self.mount("/", app, **options)

    def middleware(self, function: H) -> H:
        """Register middleware: a generator function that yields once, where the rest of the chain runs.

        It is given the request. What its ``yield`` gives is the answer; it may yield another. Yielding a Response
        first answers without the rest. The first registered is the outermost.
        """
        self._check_open(function)
        self.layers.append(Piece.middleware(function))
        return function

    def before_request(self, function: H) -> H:
        """Run ``function(request)`` before the handler; what it returns, unless None, is the answer."""
        call, waits = signatures.accepts(function, ("request",), "hook"), signatures.needs_loop(function)

        async def before(request: Any) -> AsyncGenerator[Any, Any]:
            early = call(request)
            yield (await early) if waits else early

        return self._hook(function, before)

    def after_request(self, function: H) -> H:
        """Run ``function(request, response)`` or ``function(response)`` on every answer.

        What it returns, unless None, replaces the answer.
        """
        call, waits = signatures.accepts(function, ("request", "response"), "hook"), signatures.needs_loop(function)

        async def after(request: Any) -> AsyncGenerator[Any, Any]:
            response = yield
            other = call(request, response)
            other = (await other) if waits else other
            if other is not None and other is not response:
                yield other

        return self._hook(function, after)

    def teardown_request(self, function: H) -> H:
        """Run ``function(request, error)`` or ``function(error)`` after every request.

        ``error`` is the exception that the answer was made of, or None.
        """
        call, waits = signatures.accepts(function, ("request", "error"), "hook"), signatures.needs_loop(function)

        async def teardown(request: Any) -> AsyncGenerator[Any, Any]:
            try:
                yield
            finally:
                done = call(request, request.error)
                if waits:
                    await done

        return self._hook(function, teardown)

    def errorhandler(self, kind: int | type[BaseException]) -> Callable[[H], H]:
        """Register what answers a status (400 to 599) or an exception class: ``function(request, error)``.

        The nearest router's comes first, then the status, then the nearest class in the MRO. A value that is no
        Response takes the status of the error. 500 stands for every exception nobody expected.
        """
        if isinstance(kind, type):
            valid = issubclass(kind, Exception)
        else:
            valid = not isinstance(kind, bool) and isinstance(kind, int) and 300 <= kind <= 599
        if not valid:
            raise ConfigurationError(f"expected a status from 300 to 599 or an Exception class, got {kind!r}")

        def register(function: H) -> H:
            self._check_open(function)
            if kind in self.error_handlers:
                raise ConfigurationError(
                    f"{signatures.describe(function)} and {self.error_handlers[kind].name} both handle {kind!r};"
                    " drop one"
                )
            call = signatures.accepts(function, ("request", "error"), "error handler")
            self.error_handlers[kind] = Piece(call, colour_of(function), signatures.describe(function), function)
            return function

        return register

    def include_router(self, router: Router, prefix: str = "") -> None:
        """Nest a router below ``prefix``; routes registered on it later count too. Raises `ConfigurationError`."""
        if not isinstance(router, Router):
            raise ConfigurationError(f"expected a Router, got {router!r}")
        if not router.nests:
            raise ConfigurationError("an App cannot be nested, its lifespan and limits would be lost; nest a Router")
        if router in self._above():
            raise ConfigurationError("a router cannot include itself, nor one that it is in")
        self._check_open(router)
        prefix = _checked_prefix(prefix) + router.prefix
        for route in router.routes:
            self._adopt(router, prefix, route)
        router._parents.append((self, prefix))

    def _hook(self, function: H, layer: Callable[[Any], AsyncGenerator[Any, Any]]) -> H:
        """Take a hook as the layer it stands for, in the colour of its function."""
        self._check_open(function)
        colour = colour_of(function)
        start = layer if colour is Colour.ASYNC else lambda request: Stepped(layer(request))
        self.layers.append(Piece(start, colour, signatures.describe(function), function))
        return function

    def _add(self, route: Route) -> None:
        """Take a route that was declared here."""
        self._check_open(route.handler)
        self.routes.append(route)
        for parent, prefix in self._parents:
            parent._adopt(self, prefix, route)

    def _adopt(self, router: Router, prefix: str, route: Route) -> None:
        """Take a route that was declared in a nested router."""
        self._add(route.inside(router, prefix, router.host))

    def _above(self) -> list[Router]:
        """This router and all that it is in."""
        return [self, *(above for parent, _ in self._parents for above in parent._above())]

    def _check_open(self, subject: Any) -> None:
        """Raise once the application has started: what comes later would not be served."""
        for parent, _ in self._parents:
            parent._check_open(subject)


def _route(path: str, methods: Iterable[str], handler: Any, options: dict[str, Any]) -> Route:
    if not isinstance(path, str) or (path and path[0] != "/"):
        raise ConfigurationError(f"expected a path that starts with '/', got {path!r}")
    if not callable(handler):
        raise ConfigurationError(f"{path}: expected a callable handler, got {handler!r}")
    place = f"{path}, handler {signatures.describe(handler)}"
    wanted = () if isinstance(methods, str) else tuple(dict.fromkeys(str(method).upper() for method in methods))
    if not wanted or not all(map(_METHOD.match, wanted)):
        raise ConfigurationError(
            f"{place}: expected a list of methods as ['GET', 'POST'], without TRACE and CONNECT, got {methods!r}"
        )
    try:
        signatures.learn(handler)
        return Route(path, wanted, handler, **{"name": getattr(handler, "__name__", None), **options})
    except (TypeError, ValueError, ConfigurationError) as error:
        raise ConfigurationError(f"{place}: {error}") from error


def _methods_of(path: str, view: type, methods: object) -> list[tuple[str, Callable[..., Any]]]:
    """What a class-based view answers, and by which function."""
    found = [name for name in METHODS if callable(getattr(view, name, None))]
    if not found:
        raise ConfigurationError(f"{path}: view {view.__qualname__!r} has none of the methods {', '.join(METHODS)}")
    if methods is not None:
        raise ConfigurationError(f"{path}: view {view.__qualname__!r} has its methods; register it with `route` alone")
    try:
        inspect.signature(view).bind()
    except TypeError as error:
        raise ConfigurationError(f"{path}: view {view.__qualname__!r} is made without arguments: {error}") from error
    return [(name.upper(), _method_of(path, view, name)) for name in found]


def _method_of(path: str, view: type, name: str) -> Callable[..., Any]:
    function = inspect.getattr_static(view, name)
    signature = signatures.signature_of(function, vars(view)) if inspect.isfunction(function) else inspect.Signature()
    if not signature.parameters:
        raise ConfigurationError(f"{path}: expected {view.__qualname__}.{name} to be a method that takes `self`")

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(view(), *args, **kwargs)

    parameters = list(signature.parameters.values())[1:]
    call.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # what inspect looks for
    return call


def _checked_prefix(prefix: str) -> str:
    if not isinstance(prefix, str) or (prefix and (prefix[0] != "/" or prefix[-1] == "/")):
        raise ConfigurationError(f"expected a prefix like '/api', got {prefix!r}")
    return prefix
