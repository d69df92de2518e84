"""One operation of the description: what a route takes of a request, and who may ask (OpenAPI 3.1.1 §4.8.10).

Knows what patterns, binders and dependencies tell of themselves; must not know how they work. `outcomes` describes the
answers, `openapi` puts operations into a document.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from duoframe.components import Components
from duoframe.inputs import Input
from duoframe.outcomes import Outcomes
from duoframe.patterns import (
    Converter,
    FloatConverter,
    IntConverter,
    Parameter,
    PathConverter,
    StrConverter,
    UUIDConverter,
)
from duoframe.plan import ErrorHandlers
from duoframe.router import Route
from duoframe.security import Scheme
from duoframe.texts import text_reader

Schema = dict[str, Any]  # Any: JSON


class Operation:
    """One route as the specification has it; ``kinds`` are the parameters of its path."""

    def __init__(self, route: Route, kinds: Iterable[Parameter], errors: ErrorHandlers, components: Components) -> None:
        self.route = route
        self._kinds = tuple(kinds)
        self._inputs = [given for given in route.inputs if given.options.get("include_in_schema", True)]
        self._outcomes = Outcomes(route, errors, components)
        self._components = components

    def describe(self, operation_id: str, names: Mapping[str, str], schemes: Mapping[Scheme, str]) -> Schema:
        """The Operation Object.

        ``names`` are what the document calls the path's parameters, ``schemes`` what it calls those of `schemes`.
        """
        said = self.route.documented
        members = {
            "tags": list(dict.fromkeys(self.route.tags)),
            "summary": said.summary or _words(self.route.handler),
            "description": said.description or _docstring(self.route.handler),
            "operationId": operation_id,
            "parameters": [*self._path_parameters(names), *self._parameters()],
            "requestBody": self._body(),
            "responses": self._outcomes.describe(self._refusals()),
            "deprecated": said.deprecated,
            "security": _requirements(self.schemes(), schemes),
        }
        return {name: value for name, value in members.items() if value}

    def schemes(self) -> dict[Scheme, list[str]]:
        """The schemes among the dependencies, and the scopes that are required of each."""
        asked: dict[Scheme, list[str]] = {}
        for need in self.route.needs:
            if isinstance(need.function, Scheme):
                scopes = asked.setdefault(need.function, [])
                scopes += [name for name in need.scopes if name not in scopes]
        return asked

    def _path_parameters(self, names: Mapping[str, str]) -> Iterator[Schema]:
        """What the pattern takes, as narrow as its converter and the handler have it."""
        asked = {given.name: given for given in self._inputs if given.source == "path"}
        for kind in self._kinds:
            schema, said = _of_pattern(kind), {}
            if kind.name in asked:
                given = asked[kind.name]
                schema, said = _narrowed(schema, self._schema(given)), _said(given)
            yield {"name": names[kind.name], "in": "path", "required": True, **said, "schema": schema}

    def _parameters(self) -> Iterator[Schema]:
        seen = set()
        for given in self._inputs:
            name = given.name.lower() if given.source == "header" else given.name
            place = (given.source, name)
            if given.source in ("query", "header", "cookie") and place not in _ELSEWHERE and place not in seen:
                seen.add(place)
                said = {**_required([given]), **_said(given)}
                if given.source == "query" and _takes_empty(given):
                    said["allowEmptyValue"] = True
                yield {"name": given.name, "in": given.source, **said, "schema": self._schema(given)}

    def _body(self) -> Schema | None:
        bodies = [given for given in self._inputs if given.source == "body"]
        fields = [given for given in self._inputs if given.source in ("form", "file")]
        if not bodies:
            kinds = _FORMS[1:] if any(given.source == "file" for given in fields) else _FORMS
            schema = self._members(fields)
            return {"content": {kind: {"schema": schema} for kind in kinds}, **_required(fields)} if fields else None
        embedded = bodies[0].options.get("embed")
        schema = self._members(bodies) if embedded else self._schema(bodies[0])
        kind = bodies[0].options.get("media_type", "application/json")
        said = {} if embedded else {name: text for name, text in _said(bodies[0]).items() if name == "description"}
        return {**said, "content": {kind: {"schema": schema}}, **_required(bodies)}

    def _members(self, inputs: list[Input]) -> Schema:
        """Several inputs as the members of one object."""
        required = [given.name for given in inputs if given.required]
        properties = {given.name: {**self._schema(given), **_said(given)} for given in inputs}
        return {"type": "object", "properties": properties, **({"required": required} if required else {})}

    def _refusals(self) -> Iterator[int]:
        """What may be answered before the handler runs."""
        sources = {given.source for given in self.route.inputs}
        if sources - {"path", "header", "cookie"}:
            yield 400
        if sources & {"body", "form", "file"}:
            yield from (413, 415)
        if self.schemes():
            yield 401
        if self._kinds:
            yield 404
        if self.route.representation.negotiates:
            yield 406
        if sources:
            yield 422

    def _schema(self, given: Input) -> Schema:
        """The schema of an input, with what was said of it."""
        schema = self._components.take(given.schema(), "input")
        if given.required and given.source != "body" and schema.get("type") == "array":
            schema["minItems"] = max(1, schema.get("minItems", 1))  # nothing can be sent for an empty one
        if given.source in ("header", "cookie", "form") and _takes_empty(given):
            schema = {"anyOf": [schema, {"const": ""}]}  # of the query `allowEmptyValue` says it
        default = None if given.required else _plain(given.default, schema)
        if default is not None:
            schema["default"] = default
        return {**schema, **{name: given.options[name] for name in ("title", "examples") if name in given.options}}


def _takes_empty(given: Input) -> bool:
    """Whether a parameter without a text is as good as none: what may be absent and is no text itself."""
    reader = text_reader(given.annotation, {})
    return reader is not None and reader.optional and not reader.many and reader.read("") is None


def _required(inputs: Iterable[Input]) -> dict[str, bool]:
    return {"required": True} if any(given.required for given in inputs) else {}


def _said(given: Input) -> dict[str, Any]:
    return {name: given.options[name] for name in ("description", "deprecated") if given.options.get(name)}


def _plain(value: object, schema: Schema) -> Any:
    """A default as JSON has it, a decimal as its schema says; None for one that cannot be told so."""
    import msgspec

    encoder = msgspec.json.Encoder(decimal_format="number" if schema.get("type") == "number" else "string")
    try:
        return msgspec.json.decode(encoder.encode(value))
    except (TypeError, ValueError, msgspec.MsgspecError):
        return None


def _words(handler: object) -> str:
    """``read_item`` as "Read item", ``Items.get`` as "Items get"."""
    name = getattr(handler, "__qualname__", type(handler).__qualname__).rpartition("<locals>.")[2]
    words = name.replace("_", " ").replace(".", " ").strip()
    return words[:1].upper() + words[1:]


def _docstring(handler: object) -> str | None:
    """What a function says of itself; of what is called instead, only its class would."""
    return inspect.getdoc(handler) if inspect.isroutine(handler) else None


def _requirements(asked: Mapping[Scheme, list[str]], names: Mapping[Scheme, str]) -> list[dict[str, list[str]]] | None:
    """The Security Requirement Objects: what must be there, by itself and with each of what may be (§4.8.30)."""
    if not asked:
        return None
    must = {names[scheme]: scopes for scheme, scopes in asked.items() if scheme.auto_error}
    may = [{**must, names[scheme]: scopes} for scheme, scopes in asked.items() if not scheme.auto_error]
    return [*may, must]


def _of_pattern(parameter: Parameter) -> Schema:
    """What a pattern lets through to its handler."""
    known = _CONVERTED.get(type(parameter.converter))
    return dict(known or {"type": "string", "pattern": f"^(?:{parameter.converter.pattern})$"})


def _narrowed(taken: Schema, asked: Schema) -> Schema:
    """The schema of what the pattern takes and the handler asks for."""
    if "type" not in asked or (asked["type"] != taken["type"] == "string"):
        return asked
    if asked["type"] != taken["type"]:
        return taken
    both = {**taken, **asked}
    for name, narrower in (("minimum", max), ("maximum", min)):
        if name in taken:
            both[name] = narrower(taken[name], both[name])
    return both


_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_ELSEWHERE = {("header", "accept"), ("header", "content-type"), ("header", "authorization")}
"""Fields that the description has other places for (OpenAPI 3.1.1 §4.8.12)."""

_TEXT = r"\u0000-\u001F\u007F"  # what no path may hold: `patterns.UNROUTABLE`

_CONVERTED: dict[type[Converter], Schema] = {
    IntConverter: {"type": "integer", "minimum": 0, "maximum": 10**18 - 1},  # 18 digits
    FloatConverter: {"type": "number", "minimum": 0, "exclusiveMaximum": 10**18},
    UUIDConverter: {"type": "string", "format": "uuid"},
    StrConverter: {"type": "string", "pattern": f"^[^/{_TEXT}]+$"},
    PathConverter: {"type": "string", "pattern": f"^[^{_TEXT}]+$"},
}
