"""Which target answers a method and a path: patterns, converters, the table, and the way back by `Table.url_for`.

Knows decoded paths, hosts and method names; knows no handler and no request: a target is whatever `router` registers.
A table is two structures: a dict for paths without parameters, a tree with one step a segment for the others.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from duoframe.errors import ConfigurationError

T = TypeVar("T")


class Converter:
    """A kind of path parameter, by subclassing: ``class Slug(Converter): pattern = "[a-z0-9-]+"``.

    ``pattern`` is a regular expression without capturing groups which the whole text must match; where two kinds fit
    one segment, the lower ``rank`` is tried first (int 10, float 20, uuid 30, str 90, path 100).
    """

    pattern: str = "[^/]+"
    rank: int = 50

    def to_python(self, text: str) -> Any:  # Any: the kind decides
        """The value of a text that matched; `ValueError` says that it is none after all."""
        return text

    def to_url(self, value: Any) -> str:
        """The text of a value, decoded; the table refuses it unless it matches ``pattern``."""
        return str(value)


class StrConverter(Converter):
    """Any text without a slash, at least one character."""

    rank = 90


class PathConverter(Converter):
    """Any text, slashes included, at least one character: the rest of the path, or all of it up to given literals.

    It has a segment of its own; behind it there may be literal segments, as in ``/{page:path}/edit``.
    """

    pattern = ".+"
    rank = 100


class IntConverter(Converter):
    """1 to 18 ASCII digits: fits 64 bits wherever it goes, and never meets the cost of converting long numbers."""

    pattern = "[0-9]{1,18}"
    rank = 10

    def to_python(self, text: str) -> int:
        return int(text)


class FloatConverter(Converter):
    """1 to 18 ASCII digits, perhaps a point and 1 to 18 more: always finite."""

    pattern = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
    rank = 20

    def to_python(self, text: str) -> float:
        return float(text)


class UUIDConverter(Converter):
    """A UUID as RFC 9562 §4 writes it: 36 characters, no braces, either case."""

    pattern = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    rank = 30

    def to_python(self, text: str) -> uuid.UUID:
        return uuid.UUID(text)


CONVERTERS: Mapping[str, Converter] = MappingProxyType(
    {
        "str": StrConverter(),
        "int": IntConverter(),
        "float": FloatConverter(),
        "uuid": UUIDConverter(),
        "path": PathConverter(),
    }
)
"""The kinds a pattern knows by itself: ``{id:int}``; ``{name}`` is ``{name:str}``."""

_BOUNDED = (IntConverter, FloatConverter, UUIDConverter)


class Parameter(NamedTuple):
    """``{name:kind}`` in a pattern."""

    name: str
    kind: str
    converter: Converter


Segment = tuple[str | Parameter, ...]
"""What stands between two slashes: literals and parameters in turn."""

Reader = Callable[[str], tuple[Any, ...] | None]
"""The values in a text, or ``None`` where the text does not fit."""

_PARAMETER = re.compile(r"\{([^\W\d]\w*)(?::([^\W\d]\w*))?\}")
_UNROUTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # surrogates: no UTF-8 ever decodes to one
_HOST_LITERAL = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:]+\]")
_SAFE = "/:@!$&'()*+,;="  # pchar and "/" (RFC 3986 §3.3)


class Pattern:
    """A parsed route: ``/users/{id:int}``, perhaps on a host. Raises `ConfigurationError` for a text it cannot read.

    ``pattern`` and ``host`` are as registered. ``parameters`` maps each name to the name of its converter, those of
    the host first; ``host_parameters`` names the latter. ``shape`` and ``host_shape`` are the texts without the names.
    """

    def __init__(self, pattern: str, host: str | None, converters: Mapping[str, Converter]) -> None:
        self.pattern = pattern
        self.host = host
        if not pattern.startswith("/") or _UNROUTABLE.search(pattern):
            raise ConfigurationError(f"expected a pattern that starts with '/', of printable text, got {pattern!r}")
        try:
            self.segments = _segments(pattern, converters)
            self.labels = _labels(host, converters) if host is not None else ()
        except ConfigurationError as error:
            raise ConfigurationError(f"pattern {pattern!r}{f' on host {host!r}' if host else ''}: {error}") from None
        self.shape = "/".join(_shape(segment) for segment in self.segments)
        self.host_shape = _shape(self.labels)
        self.host_parameters = tuple(parameter.name for parameter in _parameters(self.labels))
        own = [parameter for segment in self.segments for parameter in _parameters(segment)]
        self.path_parameters = tuple(parameter.name for parameter in own)
        self.parameters = {parameter.name: parameter.kind for parameter in (*_parameters(self.labels), *own)}
        if len(self.parameters) < len(self.host_parameters) + len(own):
            raise ConfigurationError(f"pattern {pattern!r} names a parameter twice; give each a name of its own")
        self.static = not own

    def path_for(self, values: Mapping[str, Any]) -> str:
        """The path that gives these values back when matched, percent-encoded. Raises `ValueError` if none does."""
        path = quote("/".join(self._fill(segment, values) for segment in self.segments), safe=_SAFE)
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise ValueError(f"{path!r} holds a dot segment, which browsers resolve away (RFC 3986 §5.2.4)")
        # Two slashes at the front would make a link leave the site; "%2F" is routed as the same path.
        return "/%2F" + path[2:] if path.startswith("//") else path

    def _fill(self, segment: Segment, values: Mapping[str, Any]) -> str:
        texts = [part if isinstance(part, str) else self._text(part, values[part.name]) for part in segment]
        text = "".join(texts)
        if len(texts) > 1:
            taken = _regex(segment).fullmatch(text)
            given = [text for text, part in zip(texts, segment, strict=True) if not isinstance(part, str)]
            if taken is None or list(taken.groups()) != given:
                raise ValueError(f"{text!r} would be read back otherwise by {self.pattern!r}")
        return text

    def _text(self, parameter: Parameter, value: object) -> str:
        name, kind, converter = parameter
        try:
            text = converter.to_url(value)
            converter.to_python(text)
        except ValueError:
            text = ""
        if value is None or not re.fullmatch(converter.pattern, text) or _UNROUTABLE.search(text):
            raise ValueError(f"parameter {name!r} of {self.pattern!r} takes {kind}, got {value!r:.80}")
        return text

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r}" + (f", host={self.host!r})" if self.host else ")")


def _segments(pattern: str, converters: Mapping[str, Converter]) -> tuple[Segment, ...]:
    """The segments of a path; a `PathConverter` and the literals behind it are one, the last."""
    segments: list[Segment] = []
    texts = pattern.split("/")
    for position, text in enumerate(texts):
        segment = _parse(text, converters)
        if not any(isinstance(parameter.converter, PathConverter) for parameter in _parameters(segment)):
            segments.append(segment)
            continue
        behind = "".join("/" + text for text in texts[position + 1 :])
        if len(segment) > 1 or _parameters(_parse(behind, converters)):
            raise ConfigurationError(
                f"{text!r} takes slashes: give it a segment of its own, and only literals behind it"
            )
        return (*segments, segment + ((behind,) if behind else ()))
    return tuple(segments)


def _labels(host: str, converters: Mapping[str, Converter]) -> Segment:
    """A host in one segment: its labels, each parsed by itself, and the dots between."""
    labels: list[str | Parameter] = []
    for label in host.removesuffix(".").split("."):
        labels += [".", *_parse(label, converters)]
    for part in labels:
        if isinstance(part, str) and not _HOST_LITERAL.fullmatch(part.lower()):
            raise ConfigurationError("expected a host without port, perhaps with parameters: '{tenant}.example.com'")
        if isinstance(part, Parameter) and isinstance(part.converter, PathConverter):
            raise ConfigurationError(f"a host has no slashes for {part.name!r} to take")
    return tuple(part.lower() if isinstance(part, str) else part for part in labels[1:])


def _parse(text: str, converters: Mapping[str, Converter]) -> Segment:
    parts: list[str | Parameter] = []
    pieces = _PARAMETER.split(text)  # literal, name, kind, literal, name, kind, literal ...
    for literal, name, kind in zip(pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True):
        if "{" in literal or "}" in literal:
            raise ConfigurationError(f"expected {{name}} or {{name:kind}}, got {text!r}")
        if literal:
            parts.append(literal)
        if name is not None:
            parts.append(_parameter(name, kind or "str", converters))
    _check_readable(text, parts)
    return tuple(parts) or ("",)


def _parameter(name: str, kind: str, converters: Mapping[str, Converter]) -> Parameter:
    if kind not in converters:
        raise ConfigurationError(f"no converter is called {kind!r}; there are: {', '.join(sorted(converters))}")
    try:
        groups = re.compile(converters[kind].pattern).groups
    except re.error as error:
        raise ConfigurationError(f"the pattern of converter {kind!r} is no regular expression: {error}") from error
    if groups:
        raise ConfigurationError(f"the pattern of converter {kind!r} captures; write (?:...) for its groups")
    return Parameter(name, kind, converters[kind])


def _check_readable(text: str, parts: list[str | Parameter]) -> None:
    """Refuse a segment that could be read in several ways, or not in linear time.

    A parameter of any length that has to stop before a literal tries every place; a second one does so again for
    each of them, unless it takes any text and ends the segment: then it fits at the first try.
    """
    for part, following in pairwise(parts):
        if isinstance(part, Parameter) and isinstance(following, Parameter):
            raise ConfigurationError(f"nothing in {text!r} says where {part.name!r} ends; put a literal between")
    unbounded = [part for part in _parameters(parts) if type(part.converter) not in _BOUNDED]
    if unbounded and unbounded[-1] is parts[-1] and unbounded[-1].converter.pattern == Converter.pattern:
        unbounded.pop()
    if len(unbounded) > 1:
        raise ConfigurationError(
            f"{text!r} holds too many parameters of any length to tell them apart in linear time; "
            "use int, float or uuid, or a segment for each"
        )


def _parameters(parts: Iterable[str | Parameter]) -> list[Parameter]:
    return [part for part in parts if isinstance(part, Parameter)]


def _shape(segment: Segment) -> str:
    """What decides where a segment matches: everything but the names."""
    return "".join(part if isinstance(part, str) else f"{{:{part.kind}}}" for part in segment)


def _regex(segment: Segment, text: str = Converter.pattern) -> re.Pattern[str]:
    """One group a parameter, as greedy as regular expressions are: ``{name}.{ext}`` finds the last dot.

    ``text`` is what a parameter of any text may hold.
    """
    return re.compile(
        "".join(
            re.escape(part)
            if isinstance(part, str)
            else f"({text if part.converter.pattern == Converter.pattern else part.converter.pattern})"
            for part in segment
        )
    )


def _reader(segment: Segment, text: str = Converter.pattern) -> Reader:
    fullmatch = _regex(segment, text).fullmatch
    kinds = [parameter.converter for parameter in _parameters(segment)]
    convert = [str if type(kind).to_python is Converter.to_python else kind.to_python for kind in kinds]

    def read(text: str) -> tuple[Any, ...] | None:
        found = fullmatch(text)
        if found is None:
            return None
        try:
            return tuple([to_python(value) for to_python, value in zip(convert, found.groups())])  # noqa: B905
        except ValueError:
            return None

    return read


class _Edge(Generic[T]):
    """A step by parameter; ``following`` is the next best one of the same node."""

    __slots__ = ("digits", "following", "key", "node", "read", "tail")

    def __init__(self, segment: Segment) -> None:
        converters = [parameter.converter for parameter in _parameters(segment)]
        literal = sum(len(part) for part in segment if isinstance(part, str))
        self.tail = isinstance(converters[0], PathConverter)
        self.digits = len(segment) == 1 and converters[0] is CONVERTERS["int"]
        plain = self.digits or (len(segment) == 1 and converters[0] is CONVERTERS["str"])
        self.read = None if plain else _reader(segment)
        # Mixed before single before the rest of the path; more literal text first; the shape settles what is left.
        group = 2 if self.tail else int(len(segment) == 1)
        self.key = (group, -literal, [converter.rank for converter in converters], _shape(segment))
        self.node: _Node[T] = _Node()
        self.following: _Edge[T] | None = None


class _Node(Generic[T]):
    """A place in the tree: where the next segment leads, and what answers when there is none."""

    __slots__ = ("edge", "edges", "leaves", "literals")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.edges: dict[str, _Edge[T]] = {}
        self.edge: _Edge[T] | None = None
        self.leaves: dict[str, tuple[T, tuple[str, ...]]] = {}

    def step(self, segment: Segment) -> "_Node[T]":
        """The node behind ``segment``, made if there was none."""
        shape = _shape(segment)
        if not _parameters(segment):
            return self.literals.setdefault(shape, _Node())
        if shape not in self.edges:
            self.edges[shape] = _Edge(segment)
            self.edge = None
            for edge in sorted(self.edges.values(), key=lambda edge: edge.key, reverse=True):
                edge.following, self.edge = self.edge, edge
        return self.edges[shape].node


class _Site(Generic[T]):
    """The routes of one host."""

    __slots__ = ("depth", "root", "static")

    def __init__(self) -> None:
        self.static: dict[str, dict[str, T]] = {}
        self.root: _Node[T] = _Node()
        self.depth = 0

    def add(self, pattern: Pattern, method: str, target: T) -> None:
        if pattern.static:
            self.static.setdefault(pattern.pattern, {})[method] = target
            return
        node = self.root
        for segment in pattern.segments[1:]:
            node = node.step(segment)
        node.leaves[method] = target, pattern.path_parameters
        self.depth = max(self.depth, len(pattern.segments))

    def find(self, method: str, path: str, missed: list[Mapping[str, object]]) -> tuple[T, dict[str, Any]] | None:
        """The best target; the methods of each place that matches without offering ``method`` go into ``missed``."""
        methods = self.static.get(path)
        if methods is not None:
            if method in methods:
                return methods[method], {}
            missed.append(methods)
        return self.walk(method, path, missed)

    def walk(self, method: str, path: str, missed: list[Mapping[str, object]]) -> tuple[T, dict[str, Any]] | None:
        """`find` among the paths with parameters.

        One loop and no recursion, with the two commonest kinds of parameter in it, because a call a segment would
        double its time. Every node lies at the end of one way, so none is met twice: linear in the tree at worst.
        """
        segments = path.split("/", self.depth)
        if segments[0] or (not path.isprintable() and _UNROUTABLE.search(path)):
            return None
        node, index, count = self.root, 1, len(segments)
        values: tuple[Any, ...] = ()
        pending: list[tuple[_Edge[T], int, tuple[Any, ...]]] = []
        while True:
            edge = None
            if index < count:
                edge = node.edge
                child = node.literals.get(segments[index])
                if child is not None:
                    if edge is not None:
                        pending.append((edge, index, values))
                    node, index = child, index + 1
                    continue
            elif method in node.leaves:
                target, names = node.leaves[method]
                if len(names) == 1:
                    return target, {names[0]: values[0]}  # 35 ns; zip takes 170, with strict= 300
                return target, dict(zip(names, values))  # noqa: B905
            elif node.leaves:
                missed.append(node.leaves)
            taken = None
            while taken is None:  # the best parameter that fits here, or else where one is still untried
                if edge is None:
                    if not pending:
                        return None
                    edge, index, values = pending.pop()
                text = segments[index]
                if edge.read is not None:
                    taken = edge.read("/".join(segments[index:]) if edge.tail else text)
                elif not edge.digits:
                    taken = (text,) if text else None
                elif text.isdigit() and text.isascii() and len(text) < 19:
                    taken = (int(text),)
                step, edge = edge, edge.following
            if edge is not None:
                pending.append((edge, index, values))
            node, index, values = step.node, count if step.tail else index + 1, values + taken


class _HostPattern(NamedTuple, Generic[T]):
    """The routes of every host that fits a pattern."""

    key: tuple[int, str, str]
    read: Reader
    names: tuple[str, ...]
    site: _Site[T]


@dataclass(frozen=True, slots=True)
class NoMatch:
    """Nothing answers: ``allowed`` are the methods the path does have, sorted; with none, it is not found.

    ``redirect`` is the path with its last slash added or taken away, where that one is known: decoded, so it has to
    be percent-encoded before it goes into a ``Location``.
    """

    allowed: tuple[str, ...] = ()
    redirect: str | None = None


class Table(Generic[T]):
    """Patterns and the targets they lead to.

    Which route answers depends on the routes alone, never on the order they came in: one with a host before one
    without, then segment by segment a literal, a mixed segment, a converter by its rank, the rest of the path.
    Where the best place lacks the method, the next best is asked. Paths are taken literally: no ``//``, ``.`` or
    ``..`` is resolved, and one with a control character matches nothing.
    """

    def __init__(self, redirect_slashes: bool = True, converters: Mapping[str, Converter] = CONVERTERS) -> None:
        self.redirect_slashes = redirect_slashes
        self.converters = converters
        self._anywhere: _Site[T] = _Site()
        self._static = self._anywhere.static
        self._hosts: dict[str, _Site[T]] = {}
        self._host_patterns: list[_HostPattern[T]] = []
        self._hosted = False
        self._taken: dict[tuple[str, str, str], str] = {}
        self._named: dict[str, list[Pattern]] = {}

    def add(
        self,
        pattern: str,
        methods: Iterable[str],
        target: T,
        *,
        host: str | None = None,
        name: str | None = None,
        describe: str = "",
    ) -> Pattern:
        """Let ``target`` answer ``methods``, taken as they are, at ``pattern``.

        ``describe`` is how an error message calls the target. Several patterns may share a ``name``. Raises
        `ConfigurationError` for a pattern that cannot be read and for a second target of one place and method.
        """
        parsed = Pattern(pattern, host, self.converters)
        wanted = () if isinstance(methods, str) else tuple(methods)
        if not wanted or "" in wanted:
            raise ConfigurationError(f"pattern {pattern!r}: expected methods like ['GET'], got {methods!r}")
        places = [(parsed.host_shape, parsed.shape, method) for method in wanted]
        describe = describe or repr(parsed)
        for place in places:
            if place in self._taken:
                raise ConfigurationError(
                    f"{describe} and {self._taken[place]} both answer {place[2]} {pattern}"
                    f"{f' on {host}' if host else ''}; change the path, the host or the method of one"
                )
        site = self._site(parsed)
        for place in places:
            self._taken[place] = describe
            site.add(parsed, place[2], target)
        if name is not None:
            self._named.setdefault(name, []).append(parsed)
        return parsed

    def _site(self, pattern: Pattern) -> _Site[T]:
        if pattern.host is None:
            return self._anywhere
        self._hosted = True
        if not pattern.host_parameters:
            return self._hosts.setdefault(pattern.host_shape, _Site())
        literal = sum(len(part) for part in pattern.labels if isinstance(part, str))
        # The names are part of the key: two patterns of one shape may call their parameters differently.
        key = (-literal, pattern.host_shape, " ".join(pattern.host_parameters))
        for known in self._host_patterns:
            if known.key == key:
                return known.site
        read = _reader(pattern.labels, text="[^.]+")
        added: _HostPattern[T] = _HostPattern(key, read, pattern.host_parameters, _Site())
        self._host_patterns = sorted([*self._host_patterns, added], key=lambda known: known.key)
        return added.site

    def match(self, method: str, path: str, host: str | None = None) -> tuple[T, dict[str, Any]] | NoMatch:
        """The target and the parameters of a decoded path; ``host`` as in the Host field."""
        if self._hosted and host:
            return self._match_on(host, method, path)
        methods = self._static.get(path)
        if methods is not None and method in methods:
            return methods[method], {}
        missed: list[Mapping[str, object]] = [] if methods is None else [methods]
        return self._anywhere.walk(method, path, missed) or self._no_match(path, missed, [self._anywhere])

    def _match_on(self, host: str, method: str, path: str) -> tuple[T, dict[str, Any]] | NoMatch:
        missed: list[Mapping[str, object]] = []
        sites = self._sites_of(host)
        for site, parameters in sites:
            found = site.find(method, path, missed)
            if found is not None:
                return found[0], {**parameters, **found[1]}
        return self._no_match(path, missed, [site for site, _ in sites])

    def _sites_of(self, host: str) -> list[tuple[_Site[T], dict[str, Any]]]:
        """Where to look, best first, with the parameters taken from the host."""
        host = host.lower()
        if not host.endswith("]"):  # "[::1]" ends with no port
            host = host.partition(":")[0] if host[:1] != "[" else host.rpartition(":")[0]
        host = host.removesuffix(".")
        sites = [(self._hosts[host], dict[str, Any]())] if host in self._hosts else []
        for pattern in self._host_patterns:
            values = pattern.read(host)
            if values is not None:
                sites.append((pattern.site, dict(zip(pattern.names, values, strict=True))))
        return [*sites, (self._anywhere, {})]

    def _no_match(self, path: str, missed: list[Mapping[str, object]], sites: list[_Site[T]]) -> NoMatch:
        if missed:
            return NoMatch(tuple(sorted({method for methods in missed for method in methods})))
        # "//" and "\\" never go into a Location: browsers would read a host out of them.
        if not self.redirect_slashes or path[:1] != "/" or path == "/" or "//" in path or "\\" in path:
            return NoMatch()
        sibling = path[:-1] if path.endswith("/") else path + "/"
        for site in sites:
            site.find("", sibling, missed)  # no route has the method "", so whatever matches is missed
        return NoMatch(redirect=sibling if missed else None)

    def url_for(self, name: str, /, **values: Any) -> str:  # Any: each converter has a type of its own
        """The percent-encoded path of the route called ``name``: ``table.url_for("user", id=7)``.

        Of several with the name, the first whose parameters are those given; the parameters of a host may be left
        out. Raises `LookupError` for an unknown name, `ValueError` for a parameter that lacks, is too many or unfit.
        """
        patterns = self._named.get(name)
        if patterns is None:
            raise LookupError(f"no route is called {name!r}")
        for pattern in patterns:
            if set(pattern.path_parameters) <= values.keys() <= pattern.parameters.keys():
                return pattern.path_for(values)
        wanted = " or ".join(f"{pattern.pattern!r} with ({', '.join(pattern.path_parameters)})" for pattern in patterns)
        raise ValueError(f"route {name!r} is {wanted}, got ({', '.join(values)})")
