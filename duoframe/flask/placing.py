"""Where an application with Flask's manners answers: its rules as routes of the core, and what is found for a request.

Knows how a plan is compiled, and which redirects Flask's rules ask for; `dispatch` says in which order a request is
answered, `answering` gives the steps of that way their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import quote

import duoframe
from duoframe.app import App
from duoframe.body import Body, Limits
from duoframe.environ import Input, body_length, open_request
from duoframe.errors import HTTPException as CoreHTTPException
from duoframe.flask.dispatch import Handling
from duoframe.flask.exceptions import MethodNotAllowed, NotFound, RequestRedirect, SecurityError, in_kind
from duoframe.flask.requests import Request
from duoframe.flask.responses import Response
from duoframe.flask.rules import Map, Rule
from duoframe.flask.scaffold import Scaffold
from duoframe.patterns import CONVERTERS, Pattern
from duoframe.pieces import Colour, Piece, colour_of
from duoframe.plan import ErrorHandlers, Plan
from duoframe.router import Route
from duoframe.routing import NoMatch, Table

if TYPE_CHECKING:
    from duoframe.flask.answering import Answering

_PATH_SAFE = "!$&'()*+,/:;=@"
_QUERY_SAFE = "!$&'()*+,/:;=?@%"
_ANY = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
"""What a rule answers that names no methods."""
_LIMITS = ("MAX_CONTENT_LENGTH", "MAX_FORM_MEMORY_SIZE", "MAX_FORM_PARTS")


class Placing(Scaffold, App):
    """An application whose rules are routes of the core."""

    url_map: Map
    config: Any  # a Config
    request_class: type[Request] = Request
    response_class: type[Response] = Response
    subdomain_matching: bool
    blueprints: dict[str, Any]  # of Blueprints
    teardown_appcontext_funcs: list[Callable[..., Any]]
    _got_first_request = False
    _limited: tuple[Any, ...] = (None, None, None)
    _own_limits: Limits

    @property
    def _whole(self) -> Answering:
        """This application with the steps of the way that `dispatch` takes."""
        return cast("Answering", self)

    # What is known of a request.

    def _facade(self, core: duoframe.Request) -> Request:
        """A request of the core with Flask's manners."""
        made = self.request_class(core)
        self._tell_route(made)
        return made

    def _tell_route(self, request: Request) -> None:
        """Let a request know what was found for it."""
        core = request._core
        rule: Rule | None = getattr(core.route, "rule", None)
        request.url_rule = rule
        if rule is not None:
            request.view_args = rule.values(core.path_params)
        refusal = core._refusal
        if refusal is not None and not (isinstance(refusal, CoreHTTPException) and refusal.status == 413):
            request.routing_exception = in_kind(refusal) or refusal

    def _opened(self, environ: dict[str, Any]) -> duoframe.Request:
        """A request of the core that no door has opened, with its body read, as far as that goes."""
        core = open_request(self, environ)
        core._limits = self._follow_limits()
        try:
            length = body_length(environ)
            if length != 0:
                content = environ.get("CONTENT_TYPE", ""), environ.get("HTTP_CONTENT_ENCODING", "")
                core._body = Body(*content, core._limits, length)
                entry = Input(environ, length)
                while chunk := entry.read():
                    core._body.feed(chunk)
                core._body.finish()
        except CoreHTTPException as refusal:
            core._refusal, core._body = refusal, None
        self._match_early(core)
        return core

    def _match_early(self, core: duoframe.Request) -> None:
        """Find the rule of a request before the application has started, or after it."""
        refused = core._refusal
        if self._compiled:
            self.find(core)
        else:
            table: Table[Any] = Table(True, dict(CONVERTERS))
            hosted = False
            for rule, path, host in self._places_of(table.converters):
                hosted = hosted or host is not None
                for method in rule.methods if rule.methods is not None else _ANY:
                    self._add_to(table, path, method, _Found(rule), host)
            self._search(core, table, core.host if hosted else None)
        if refused is not None:
            core._refusal = refused

    def _add_to(self, table: Table[Any], path: str, method: str, target: Any, host: str | None) -> None:
        try:
            table.add(path, (method,), target, host=host)
        except duoframe.errors.ConfigurationError:
            pass  # an earlier rule answers there

    def _search(self, core: duoframe.Request, table: Table[Any], host: str | None) -> None:
        core.path_params = {}
        found = table.match(core.method, core.path, host)
        if isinstance(found, NoMatch):
            core._refusal = self._not_routed(core, found, table)
        else:
            core.route, core.path_params = found
            core._refusal = self._default_redirect(core)

    def find(self, request: duoframe.Request) -> Plan:
        """The plan that answers a request; a value that another rule has for a default leads there."""
        self._follow_limits()
        trusted = self.config.get("TRUSTED_HOSTS")
        if request._refusal is None and trusted is not None and not _is_trusted(request.host, trusted):
            request._refusal = SecurityError(f"Host {request.host!r} is not trusted")
        plan = super().find(request)
        if request._refusal is None:
            refusal = self._default_redirect(request)
            if refusal is not None:
                request._refusal = refusal
                request._body_unread = "the request was refused before its body was read"
                return self._refusing
        return plan

    def _tells_methods(self, route: Route) -> bool:
        return not hasattr(route, "rule")

    def _not_routed(self, request: duoframe.Request, found: NoMatch, table: Table[Any] | None = None) -> Exception:
        table = table or self._table
        if found.allowed:
            return MethodNotAllowed(found.allowed)
        path = request.path
        if self.url_map.merge_slashes and "//" in path:
            merged = re.sub("/{2,}", "/", path)
            again = table.match(request.method, merged, request.host if self._hosted else None)
            if not isinstance(again, NoMatch):
                return self._redirect(request, merged)
            path, found = merged, again
        if found.redirect == path + "/":
            return self._redirect(request, path + "/")
        return NotFound()

    def _default_redirect(self, request: duoframe.Request) -> RequestRedirect | None:
        """Where another rule of the endpoint has the values of this request for defaults, that one's address."""
        rule: Rule | None = getattr(request.route, "rule", None)
        if rule is None or not self.url_map.redirect_defaults:
            return None
        for other in takewhile(lambda each: each is not rule, self.url_map.rules_of(rule.endpoint)):
            if not other.defaults or other.arguments != rule.arguments or other.build_only:
                continue
            values = rule.values(request.path_params)
            if other.suits(values, request.method):
                domain, path = other.build(values)
                return self._redirect(request, path, quoted=True, host=self._host_of(domain))
        return None

    def _host_of(self, domain: str) -> str | None:
        """The host that a rule's subdomain, or host, stands for; None for whichever was asked."""
        if self.url_map.host_matching:
            return domain or None
        server = self.config.get("SERVER_NAME") if self.subdomain_matching else None
        return server and (f"{domain}.{server}" if domain else server)

    def _redirect(
        self, request: duoframe.Request, path: str, quoted: bool = False, host: str | None = None
    ) -> RequestRedirect:
        root = quote(request.root_path, safe=_PATH_SAFE)
        shown = path if quoted else quote(path, safe=_PATH_SAFE)
        query = quote(request.query_string, safe=_QUERY_SAFE)
        site = f"{request.scheme}://{host or request.host}"
        return RequestRedirect(f"{site}{root}{shown}" + (f"?{query}" if query else ""))

    def _follow_limits(self) -> Limits:
        """The limits as the configuration has them now."""
        wanted = tuple(map(self.config.get, _LIMITS))
        if wanted != self._limited:
            self._limited = wanted
            body, field, parts = wanted
            changes = {"max_body_size": body, "max_field_size": field, "max_fields": parts, "max_files": parts}
            before = self.limits
            self.limits = self._own_limits.replace(
                **{name: value for name, value in changes.items() if value is not None}
            )
            plans = [route.plan for route in self.routes] if self._compiled else []
            for plan in plans:
                if plan.limits is before:
                    plan.limits = self.limits
        return self.limits

    # What is compiled.

    def compile(self) -> None:
        """Make a route of the core of each rule, then all their plans; nothing can be registered from now on."""
        if self._compiled:
            return
        self._follow_limits()
        converters: Any = self._table.converters
        for rule, path, host in self._places_of(converters):
            pattern = Pattern(path, host, converters)
            taken = self._places.get((pattern.host_shape, pattern.shape), {})
            wanted = rule.methods if rule.methods is not None else _ANY
            methods = tuple(sorted(method for method in wanted if method not in taken))
            if methods:
                route = Route(path, methods, _stand_in, host=host)
                route.rule = rule  # type: ignore[attr-defined]  # read by `_tell_route`
                route.routers = tuple(
                    self.blueprints[name] for name in _names(rule.endpoint) if name in self.blueprints
                )
                self._add(route)
        super().compile()

    def _places_of(self, converters: Any) -> Iterable[tuple[Rule, str, str | None]]:
        """Each rule with the pattern and the host that the core is to answer at."""
        server = self.config.get("SERVER_NAME") if self.subdomain_matching else None
        for rule in self.url_map.iter_rules():
            unknown = server is None and rule.subdomain not in (None, self.url_map.default_subdomain)
            if rule.build_only or (unknown and not self.url_map.host_matching):
                continue
            host = None
            if self.url_map.host_matching or server is not None:
                host = rule.host_pattern(server or "", converters)
            yield rule, rule.pattern(converters), host
            if not rule.strict_slashes and rule.rule != "/":
                yield rule, rule.pattern(converters, toggled=True), host

    def _route_plan(self, route: Route) -> Plan:
        rule: Rule | None = getattr(route, "rule", None)
        if rule is not None:
            view = self.view_functions.get(rule.endpoint) or _viewless(rule)
            colour = self._blend(_names(rule.endpoint), view)
            route.piece = Piece(Handling(self._whole, view, rule, colour), colour, rule.endpoint)
        plan = super()._route_plan(route)
        plan.refuse = plan  # a body that is refused is told to whoever asks for it
        return plan

    def _plan(self, name: str, handler: Piece, routers: Any, **options: Any) -> Plan:
        if isinstance(handler.call, Handling):
            plan = super()._plan(name, handler, routers, **options)
        else:
            plan = self._core_plan(name, handler, routers, options)
        plan.errors = _Pages(self, plan.errors)
        return plan

    def _core_plan(self, name: str, handler: Piece, routers: Any, options: dict[str, Any]) -> Plan:
        """The plan of a handler of the core's, with this application's hooks around it."""
        colour = self._blend((None,), handler.call, handler.colour)
        inner: list[Plan] = []

        def make(value: Any, request: duoframe.Request) -> duoframe.Response:
            return inner[0].answer(value, request)

        def find(error: BaseException) -> Piece | None:
            return inner[0].errors.find(error)

        handling = Handling(self._whole, handler.call, None, colour, make, find)
        plan = super()._plan(name, Piece(handling, colour, name), routers, **options)
        inner.append(
            Plan(name, (), handler, plan.errors, limits=plan.limits, representation=options.get("representation"))
        )
        plan.representation = None
        return plan

    def _blend(self, names: Iterable[str | None], view: Callable[..., Any], own: Colour | None = None) -> Colour:
        """The colour of a view and all that is registered around it."""
        functions = list(self.teardown_appcontext_funcs)
        for name in names:
            for table in (self.before_request_funcs, self.after_request_funcs, self.teardown_request_funcs):
                functions += table.get(name, ())
            for handlers in self.error_handler_spec.get(name, {}).values():
                functions += handlers.values()
        colours = {own or colour_of(view), *map(colour_of, functions)}
        if Colour.ASYNC in colours:
            return Colour.ASYNC
        return Colour.SYNC if Colour.SYNC in colours else Colour.INLINE


class _Found:
    """Stands for the route of a rule while the application has not started."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule


class _Pages(ErrorHandlers):
    """What answers an exception that is raised outside of a view and its hooks: in middleware, and by the core."""

    def __init__(self, app: Placing, inner: ErrorHandlers) -> None:
        super().__init__(())
        self._app = app
        self._inner = inner
        self.pieces, self.wait = inner.pieces, inner.wait

    def find(self, error: BaseException) -> Piece | None:
        """The core's handler, or a page for what is an answer by itself."""
        found = self._inner.find(error)
        if found is None and in_kind(error) is not None:
            return Piece(self._page, Colour.INLINE, "page")
        return found

    def _page(self, request: duoframe.Request, error: BaseException) -> duoframe.Response:
        told: Any = in_kind(error)
        response: Response = self._app.response_class.force_type(told.get_response())
        return response._core


def _names(endpoint: str) -> list[str | None]:
    """The application and the blueprints that an endpoint belongs to."""
    parts = endpoint.split(".")[:-1]
    return [None, *(".".join(parts[: count + 1]) for count in range(len(parts)))]


def _viewless(rule: Rule) -> Callable[..., NoReturn]:
    """What answers at an endpoint without a view."""

    def view(**values: Any) -> NoReturn:
        raise KeyError(rule.endpoint)

    return view


def _stand_in(request: duoframe.Request) -> NoReturn:  # pragma: no cover - never called
    """Registered for each rule: what really answers is known when all has been declared."""
    raise NotImplementedError


def _is_trusted(host: str, trusted: Iterable[str]) -> bool:
    """Whether a host is among those that the application answers for; ``.example.com`` stands for all below it."""
    name = host.rpartition(":")[0] if re.search(r":[0-9]+\Z", host) else host
    return any(name == each or (each.startswith(".") and f".{name}".endswith(each)) for each in trusted)
