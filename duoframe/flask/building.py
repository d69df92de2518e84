"""Addresses: from an endpoint and values to a path, or to an absolute address (RFC 3986).

Knows rules, and of the running context its host, root and blueprint; must not know how a request is answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, urlencode

from duoframe.flask.globals import current_app, current_context
from duoframe.flask.rules import Rule

if TYPE_CHECKING:
    from duoframe.flask.app import Flask
    from duoframe.flask.requests import Request

_QUERY_SAFE = "!$'()*,/:;?@"
_FRAGMENT_SAFE = "%!#$&'()*+,/:;=?@"


class BuildError(LookupError):
    """No rule of ``endpoint`` can be written with ``values``, and ``method`` where one was asked for."""

    def __init__(self, endpoint: Any, values: Mapping[str, Any], method: str | None, rules: list[Rule]) -> None:
        super().__init__(endpoint, values, method)
        self.endpoint = endpoint
        self.values = values
        self.method = method
        self.rules = rules

    def __str__(self) -> str:
        told = f"no URL could be built for endpoint {self.endpoint!r}"
        if self.method is not None:
            told += f" ({self.method!r})"
        if self.values:
            told += f" with values {sorted(self.values)!r}"
        missing = [sorted(rule.arguments - self.values.keys()) for rule in self.rules]
        if any(missing):
            told += f". Did you forget to specify values {min(filter(None, missing), key=len)!r}?"
        return told


class Site(NamedTuple):
    """What an address is made for: who is asked, and where the application is there."""

    scheme: str
    host: str
    root: str
    domain: str
    """The subdomain, or with host matching the host, that need not be named."""
    method: str | None

    @classmethod
    def of(cls, app: Flask, request: Request | None) -> Site:
        """The site of the running request, or of the configuration. Raises `RuntimeError` where that names none."""
        server: str | None = app.config.get("SERVER_NAME")
        if request is None:
            if server is None:
                raise RuntimeError(
                    "outside of a request a URL is built of the configuration: set SERVER_NAME, and where they differ"
                    " APPLICATION_ROOT and PREFERRED_URL_SCHEME"
                )
            root = str(app.config.get("APPLICATION_ROOT") or "/").rstrip("/")
            scheme = app.config.get("PREFERRED_URL_SCHEME") or "http"
            return cls(scheme, server, root, app.url_map.default_subdomain, None)
        host, domain = request.host, app.url_map.default_subdomain
        if app.url_map.host_matching:
            return cls(request.scheme, host, request.root_path, host, request.method)
        if app.subdomain_matching and server is not None:
            domain = host[: -len(server)].rstrip(".") if host.endswith(server) else "<invalid>"
        return cls(request.scheme, server or host, request.root_path, domain, request.method)

    def host_of(self, app: Flask, domain: str) -> str:
        """The host that a rule's subdomain, or host, stands for."""
        if app.url_map.host_matching:
            return domain or self.host
        return f"{domain}.{self.host}" if domain else self.host


def url_for(
    endpoint: str,
    *,
    _anchor: str | None = None,
    _method: str | None = None,
    _scheme: str | None = None,
    _external: bool | None = None,
    **values: Any,
) -> str:
    """The address of an endpoint: ``url_for("user", id=7)``; `Flask.url_for` says more."""
    return current_app.url_for(
        endpoint, _anchor=_anchor, _method=_method, _scheme=_scheme, _external=_external, **values
    )


def address(
    app: Flask,
    endpoint: str,
    values: dict[str, Any],
    anchor: str | None,
    method: str | None,
    scheme: str | None,
    external: bool | None,
) -> str:
    """`Flask.url_for`."""
    context = current_context.get()
    request = context.request if context is not None and context.app is app else None
    if request is not None:
        if endpoint.startswith("."):
            endpoint = endpoint[1:] if request.blueprint is None else f"{request.blueprint}{endpoint}"
        external = scheme is not None if external is None else external
    external = external is None or external
    if scheme is not None and not external:
        raise ValueError("_scheme is of a whole URL: it does not go with _external=False")
    site = Site.of(app, request)
    app.inject_url_defaults(endpoint, values)
    try:
        built = _built(app, site, endpoint, values, method, scheme, external)
    except BuildError as error:
        values.update(_anchor=anchor, _method=method, _scheme=scheme, _external=external)
        return app.handle_url_build_error(error, endpoint, values)
    return built if anchor is None else f"{built}#{quote(anchor, safe=_FRAGMENT_SAFE)}"


def _built(
    app: Flask,
    site: Site,
    endpoint: str,
    values: Mapping[str, Any],
    method: str | None,
    scheme: str | None,
    external: bool,
) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    rules = app.url_map.rules_of(endpoint)
    found = list(_fitting(rules, given, method if method is not None else site.method))
    if not found and method is None:
        found = list(_fitting(rules, given, None))
    if not found:
        raise BuildError(endpoint, given, method, rules)
    rule, domain, path = next((each for each in found if each[1] == site.domain), found[0])
    path = (site.root.rstrip("/") and quote(site.root.rstrip("/"), safe="/:@!$&'()*+,;=~") + path) or path
    left = [(name, value) for name, value in given.items() if name not in rule.arguments]
    if left:
        path += "?" + urlencode(list(_flat(left)), safe=_QUERY_SAFE)
    if not external and domain == site.domain:
        return path
    shown = site.scheme if scheme is None else scheme
    return f"{shown + ':' if shown else ''}//{site.host_of(app, domain)}{path}"


def _fitting(rules: list[Rule], values: Mapping[str, Any], method: str | None) -> Iterator[tuple[Rule, str, str]]:
    for rule in rules:
        if rule.suits(values, method):
            try:
                yield rule, *rule.build(values)
            except ValueError:
                continue


def _flat(pairs: list[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Each value of a query; a list or tuple is several."""
    for name, value in pairs:
        for each in value if isinstance(value, list | tuple | set) else (value,):
            if each is not None:
                yield name, each
