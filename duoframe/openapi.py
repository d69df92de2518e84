"""The OpenAPI 3.1 document of an application, made of what its routes were compiled to.

Knows the order of a document and its names; must not know how a request is answered. `operations` describes each
route, `documented` holds what users say besides.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from duoframe.caching import CacheControl
from duoframe.components import Components
from duoframe.documented import About
from duoframe.errors import ConfigurationError
from duoframe.operations import Operation
from duoframe.patterns import Converter, Pattern, Segment, parameters_of
from duoframe.pieces import Piece
from duoframe.plan import ErrorHandlers
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.router import Route
from duoframe.security import Scheme

VERSION = "3.1.1"

_METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH")
"""The methods that a Path Item has a place for, and routes may have (OpenAPI 3.1.1 §4.8.9)."""

Handlers = Mapping[int | type[BaseException], Piece]


def describe(
    about: About, routes: Iterable[Route], converters: Mapping[str, Converter], handlers: Handlers
) -> dict[str, Any]:
    """The document of ``routes``, below the application's own error ``handlers``.

    What answers on one host alone is left out, and so is what no client could tell from a route before it. Raises
    `ConfigurationError` for an ``operation_id`` that is given twice.
    """
    document = Document(about, handlers)
    listed = [route for route in routes if route.documented.include_in_schema and route.host is None]
    document.reserve(route.documented.operation_id for route in listed)
    for route in listed:
        document.add(route, Pattern(route.path, None, converters))
    return document.members()


class Document:
    """A document that is being made."""

    def __init__(self, about: About, handlers: Handlers) -> None:
        self._about = about
        self._handlers = handlers
        self._paths: dict[str, dict[str, Any]] = {}
        self._places: dict[str, tuple[str, list[str]]] = {}
        self._components = Components()
        self._definitions: dict[str, dict[str, Any]] = {}
        self._ids: set[str] = set()

    def reserve(self, operation_ids: Iterable[str | None]) -> None:
        """Keep the identifiers that users chose for their operations."""
        for operation_id in operation_ids:
            if operation_id in self._ids:
                raise ConfigurationError(f"operation_id={operation_id!r} is given to two routes; each needs its own")
            if operation_id is not None:
                self._ids.add(operation_id)

    def add(self, route: Route, pattern: Pattern) -> None:
        """Describe a route, each of its methods as an operation."""
        kinds = [kind for segment in pattern.segments for kind in parameters_of(segment)]
        place, own = self._places.setdefault(_shape(pattern), (_template(pattern), list(pattern.path_parameters)))
        levels = [router.error_handlers for router in reversed(route.routers)]
        operation = Operation(route, kinds, ErrorHandlers([*levels, self._handlers]), self._components)
        schemes = {scheme: self._name(scheme) for scheme in operation.schemes()}
        names = dict(zip(pattern.path_parameters, own, strict=True))
        for method in route.methods:
            methods = self._paths.setdefault(place, {})
            if method in _METHODS and method.lower() not in methods:
                methods[method.lower()] = operation.describe(self._identify(route, method), names, schemes)

    def members(self) -> dict[str, Any]:
        """The OpenAPI Object (OpenAPI 3.1.1 §4.8.1)."""
        components = {"schemas": self._components.schemas, "securitySchemes": self._definitions}
        said = self._about.members()
        return {
            "openapi": VERSION,
            **said,
            "paths": {place: methods for place, methods in self._paths.items() if methods},
            "components": {name: dict(sorted(found.items())) for name, found in components.items() if found},
        }

    def _name(self, scheme: Scheme) -> str:
        """The name of a scheme here; those that define the same and are called the same are one."""
        said = {} if scheme.description is None else {"description": scheme.description}
        definition = {**scheme.definition(), **said}
        base = re.sub(r"[^A-Za-z0-9._-]+", "_", scheme.scheme_name)  # OpenAPI 3.1.1 §4.8.7
        names = itertools.chain([base], (f"{base}{number}" for number in itertools.count(2)))
        return next(name for name in names if self._definitions.setdefault(name, definition) == definition)

    def _identify(self, route: Route, method: str) -> str:
        """An operation's identifier: the route's name, with as much behind it as makes it the only one."""
        chosen = route.documented.operation_id
        if chosen is not None and len(route.methods) == 1:
            return chosen
        base = _slug(chosen or route.name or "operation")
        longer = f"{base}_{method.lower()}"
        names = [base] if len(route.methods) == 1 else []
        places = (f"{longer}_{_slug(route.path)}{number}" for number in itertools.chain([""], itertools.count(2)))
        name = next(name for name in itertools.chain(names, [longer], places) if name not in self._ids)
        self._ids.add(name)
        return name


def answer(request: Request) -> Response:
    """The document of the application that a request came to, as it is reached there."""
    import msgspec

    document = _below(request.app.openapi(), quote(request.root_path))
    content = msgspec.json.encode(document)
    response = Response(content, media_type="application/json")
    response.etag = hashlib.sha256(content).hexdigest()[:32]
    response.cache_control = CacheControl(no_cache=True)
    return response


def _below(document: dict[str, Any], root: str) -> dict[str, Any]:
    """The document of an application that is mounted at ``root``: where it answers, and where its tokens come from."""
    if not root:
        return document
    components = document["components"]
    schemes = {name: _moved(scheme, root) for name, scheme in components.get("securitySchemes", {}).items()}
    components = {**components, **({"securitySchemes": schemes} if schemes else {})}
    return {"servers": [{"url": root}], **document, "components": components}


def _moved(scheme: dict[str, Any], root: str) -> dict[str, Any]:
    if "flows" not in scheme:
        return scheme
    flows = {
        name: {key: root + url if key.endswith("Url") and url.startswith("/") else url for key, url in flow.items()}
        for name, flow in scheme["flows"].items()
    }
    return {**scheme, "flows": flows}


def _template(pattern: Pattern) -> str:
    """The path as the specification writes it: ``/items/{id:int}`` is ``/items/{id}`` (OpenAPI 3.1.1 §4.8.8.1)."""
    return "/".join(_written(segment) for segment in pattern.segments)


def _written(segment: Segment) -> str:
    return "".join(quote(part, safe=_SAFE) if isinstance(part, str) else f"{{{part.name}}}" for part in segment)


def _shape(pattern: Pattern) -> str:
    """The path without names: of two that have the same, a document may hold one."""
    return re.sub(r"{\w+}", "{}", _template(pattern))


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", text).strip("_")


_SAFE = "/:@!$&'()*+,;="  # pchar and "/" (RFC 3986 §3.3)
