"""Rules as Flask writes them, ``/users/<int:id>``, made into the patterns of the core, and back into addresses.

Knows texts, values and the converters between them; must not know a request. `building` makes addresses for one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from duoframe.flask.converters import (
    DEFAULT_CONVERTERS,
    SAFE,
    IntegerConverter,
    Part,
    Several,
    Tail,
    UnicodeConverter,
    UUIDConverter,
    ungrouped,
)
from duoframe.patterns import Converter

_PART = re.compile(
    r"(?P<text>[^<]+)|<(?:(?P<kind>[A-Za-z_]\w*)(?:\((?P<arguments>.*?)\))?:)?(?P<name>[A-Za-z_]\w*)>", re.ASCII
)
_PLAIN = {UnicodeConverter: "str", IntegerConverter: "int", UUIDConverter: "uuid"}
"""The converters that the core has too, where they are given no arguments."""


class Variable(NamedTuple):
    """``<kind(arguments):name>`` in a rule."""

    name: str
    kind: str
    arguments: str
    converter: Any  # a BaseConverter, or Werkzeug's


Piece = str | Variable


class Rule:
    """One rule: where an endpoint answers, and what is known of its values.

    ``defaults`` are values that the view gets beside those of the path; ``strict_slashes``: whether ``/x`` is
    redirected to ``/x/``, and not answered; ``build_only``: addresses are made of it, and nothing is answered.
    """

    provide_automatic_options = False

    def __init__(
        self,
        string: str,
        defaults: Mapping[str, Any] | None = None,
        subdomain: str | None = None,
        methods: Iterable[str] | None = None,
        build_only: bool = False,
        endpoint: Any = None,
        strict_slashes: bool | None = None,
        merge_slashes: bool | None = None,
        host: str | None = None,
    ) -> None:
        if not string.startswith("/"):
            raise ValueError(f"URL rule {string!r} must start with a slash.")
        if isinstance(methods, str):
            raise TypeError(f"expected `methods` to be a list of strings, as ['GET'], got {methods!r}")
        self.rule = string
        self.defaults = None if defaults is None else dict(defaults)
        self.subdomain = subdomain
        self.host = host
        self.methods = None if methods is None else {method.upper() for method in methods}
        if self.methods is not None and "GET" in self.methods:
            self.methods.add("HEAD")
        self.build_only = build_only
        self.endpoint = endpoint
        self.strict_slashes = strict_slashes
        self.merge_slashes = merge_slashes
        self.arguments: set[str] = set(self.defaults or ())
        self.pieces: list[Piece] = []
        self.host_pieces: list[Piece] = []
        self.groups: dict[str, tuple[str, ...]] = {}
        """The parameters of the core that stand for several variables."""

    @property
    def is_leaf(self) -> bool:
        """Whether the rule does not end with a slash."""
        return not self.rule.endswith("/")

    def bind(self, map: Map) -> None:
        """Look up the converters. Raises `LookupError` for an unknown one and `ValueError` for what is malformed."""
        if self.strict_slashes is None:
            self.strict_slashes = map.strict_slashes
        self.pieces = list(_parsed(self.rule, map))
        domain = self.host if map.host_matching else self.subdomain
        if domain is None and not map.host_matching:
            domain = self.subdomain = map.default_subdomain
        self.host_pieces = list(_parsed(domain or "", map))
        names = [piece.name for piece in (*self.host_pieces, *self.pieces) if isinstance(piece, Variable)]
        if len(set(names)) < len(names):
            raise ValueError(f"rule {self.rule!r} names a variable twice")
        self.arguments.update(names)

    def pattern(self, converters: dict[str, Converter], toggled: bool = False) -> str:
        """The rule as a pattern of the core, whose converters are put among ``converters``.

        ``toggled``: with a slash at its end where it has none, and the other way round.
        """
        segments = _segments(self.pieces)
        if toggled:
            segments = [*segments, []] if self.is_leaf else segments[:-1]
        shown: list[str] = []
        for position, segment in enumerate(segments):
            variables = [piece for piece in segment if isinstance(piece, Variable)]
            if any(not variable.converter.part_isolating for variable in variables):
                rest = [piece for later in segments[position:] for piece in ("/", *later)][1:]
                return "/".join([*shown, self._together(rest, Tail, converters)])
            if len(variables) > 1 or any(isinstance(piece, str) and not {*"{}"}.isdisjoint(piece) for piece in segment):
                shown.append(self._together(segment, Several, converters))
            else:
                shown.append("".join(_shown(piece, converters) for piece in segment))
        return "/".join(shown)

    def host_pattern(self, server: str, converters: dict[str, Converter]) -> str | None:
        """The host as a pattern of the core, ``server`` behind a subdomain; None for any host."""
        domain = re.sub(r":[0-9]+\Z", "", "".join(_shown(piece, converters) for piece in self.host_pieces))
        server = re.sub(r":[0-9]+\Z", "", server)
        return ".".join(filter(None, (domain, server))) or None

    def _together(self, pieces: list[Piece], kind: type[Several], converters: dict[str, Converter]) -> str:
        """Pieces as one parameter of the core."""
        variables = [piece for piece in pieces if isinstance(piece, Variable)]
        regex = ""
        for piece in pieces:
            if isinstance(piece, str):
                regex += re.escape(piece)
            else:
                regex += f"(?P<part{variables.index(piece)}>{ungrouped(piece.converter.regex)})"
        literal = sum(len(piece) for piece in pieces if isinstance(piece, str))
        rank = max((each.converter.weight for each in variables), default=0) * 100 - literal
        name = f"several_{len(self.groups)}"
        self.groups[name] = tuple(variable.name for variable in variables)
        known = f"{kind.__name__} {regex} {[(each.kind, each.arguments) for each in variables]}"
        return _registered(name, known, kind(regex, [each.converter for each in variables], rank), converters)

    def values(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """What the view is called with, of the parameters that the core took from the path."""
        if not self.groups and not self.defaults:
            return parameters
        values = dict(self.defaults or {})
        for name, value in parameters.items():
            values.update(zip(self.groups[name], value, strict=True) if name in self.groups else [(name, value)])
        return values

    def suits(self, values: Mapping[str, Any], method: str | None) -> bool:
        """Whether these values are enough to make an address of this rule."""
        if method is not None and self.methods is not None and method not in self.methods:
            return False
        defaults = self.defaults or {}
        if not self.arguments <= defaults.keys() | values.keys():
            return False
        return all(values[name] == value for name, value in defaults.items() if name in values)

    def build(self, values: Mapping[str, Any]) -> tuple[str, str]:
        """The host, or subdomain, and the path of these values. Raises `ValueError` for one that does not fit."""
        given = {**(self.defaults or {}), **values}
        domain = "".join(_written(piece, given) for piece in self.host_pieces)
        return domain, "".join(_written(piece, given) for piece in self.pieces)

    def __str__(self) -> str:
        return self.rule

    def __repr__(self) -> str:
        methods = f" ({', '.join(sorted(self.methods))})" if self.methods is not None else ""
        return f"<Rule {self.rule!r}{methods} -> {self.endpoint}>"


class Map:
    """The rules of an application, ``app.url_map``."""

    def __init__(self, host_matching: bool = False) -> None:
        self.host_matching = host_matching
        self.default_subdomain = ""
        self.strict_slashes = True
        self.merge_slashes = True
        self.redirect_defaults = True
        self.converters: dict[str, type[Any]] = dict(DEFAULT_CONVERTERS)
        self._rules: list[Rule] = []
        self._by_endpoint: dict[Any, list[Rule]] = {}

    def add(self, rule: Rule) -> None:
        """Take a rule. Raises what `Rule.bind` raises."""
        rule.bind(self)
        self._rules.append(rule)
        rules = self._by_endpoint.setdefault(rule.endpoint, [])
        rules.append(rule)
        rules.sort(key=lambda each: (-len(each.arguments), -len(each.defaults or ())))

    def iter_rules(self, endpoint: Any = None) -> Iterator[Rule]:
        """All rules, or those of one endpoint. Raises `KeyError` for an endpoint without one."""
        return iter(self._rules if endpoint is None else self._by_endpoint[endpoint])

    def rules_of(self, endpoint: Any) -> list[Rule]:
        """The rules of an endpoint, those with the most variables first."""
        return self._by_endpoint.get(endpoint, [])

    def is_endpoint_expecting(self, endpoint: Any, *arguments: str) -> bool:
        """Whether a rule of the endpoint takes all of these values."""
        return any(rule.arguments.issuperset(arguments) for rule in self.rules_of(endpoint))

    def __repr__(self) -> str:
        return f"Map({self._rules!r})"


def _parsed(text: str, map: Map) -> Iterator[Piece]:
    position = 0
    while position < len(text):
        found = _PART.match(text, position)
        if found is None:
            raise ValueError(f"rule {text!r} is malformed at {text[position:]!r}")
        position = found.end()
        if found["text"] is not None:
            yield found["text"]
            continue
        kind, arguments = found["kind"] or "default", found["arguments"] or ""
        if kind not in map.converters:
            raise LookupError(f"the converter {kind!r} does not exist; put it into app.url_map.converters first")
        args, kwargs = _arguments(arguments)
        yield Variable(found["name"], kind, arguments, map.converters[kind](map, *args, **kwargs))


def _arguments(text: str) -> tuple[list[Any], dict[str, Any]]:
    """What stands between the brackets of a converter; a bare word stands for itself."""
    try:
        call: Any = ast.parse(f"_({text})", mode="eval").body
        args = [_argument(node) for node in call.args]
        return args, {keyword.arg: _argument(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"expected arguments as in any(a, b) or string(length=2), got ({text})") from error


def _argument(node: ast.expr) -> Any:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ast.literal_eval(node)


def _segments(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """The pieces between the slashes of a rule."""
    segments: list[list[Piece]] = [[]]
    for piece in pieces:
        if isinstance(piece, Variable):
            segments[-1].append(piece)
            continue
        first, *others = piece.split("/")
        segments[-1] += [first] if first else []
        segments += [[text] if text else [] for text in others]
    return segments


def _shown(piece: Piece, converters: dict[str, Converter]) -> str:
    """A piece in a pattern of the core."""
    if isinstance(piece, str):
        return piece
    plain = _PLAIN.get(type(piece.converter))
    if plain is not None and not piece.arguments:
        return f"{{{piece.name}:{plain}}}"
    known = f"{type(piece.converter)} {piece.kind} {piece.arguments}"
    return _registered(piece.name, known, Part(piece.converter), converters)


def _registered(name: str, known: str, converter: Converter, converters: dict[str, Converter]) -> str:
    """A parameter whose converter the core learns by a name of its own; equal ones share it."""
    for kind, other in converters.items():
        if getattr(other, "known", None) == known:
            return f"{{{name}:{kind}}}"
    kind = f"rule_{len(converters)}"
    converter.known = known  # type: ignore[attr-defined]  # read above alone
    converters[kind] = converter
    return f"{{{name}:{kind}}}"


def _written(piece: Piece, values: Mapping[str, Any]) -> str:
    if isinstance(piece, str):
        return quote(piece, safe=SAFE)
    written: str = piece.converter.to_url(values[piece.name])
    return written
