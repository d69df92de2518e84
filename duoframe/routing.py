"""Which target answers a method and a path: the table, and the way back by `Table.url_for`.

Knows decoded paths, hosts and method names; knows no handler and no request: a target is whatever `router` registers.
A table is two structures: a dict for paths without parameters, a tree with one step a segment for the others.
`patterns` reads what a user writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from duoframe.errors import ConfigurationError
from duoframe.patterns import (
    CONVERTERS,
    UNROUTABLE,
    Converter,
    PathConverter,
    Pattern,
    Reader,
    Segment,
    parameters_of,
    reader,
    shape_of,
)

T = TypeVar("T")

ANY = "any method"
"""Stands for every method that a place does not name: no token of a request line holds a space (RFC 9110 §9.1)."""


class _Edge(Generic[T]):
    """A step by parameter; ``following`` is the next best one of the same node."""

    __slots__ = ("digits", "following", "key", "node", "read", "tail")

    def __init__(self, segment: Segment) -> None:
        converters = [parameter.converter for parameter in parameters_of(segment)]
        literal = sum(len(part) for part in segment if isinstance(part, str))
        self.tail = isinstance(converters[0], PathConverter)
        self.digits = len(segment) == 1 and converters[0] is CONVERTERS["int"]
        plain = self.digits or (len(segment) == 1 and converters[0] is CONVERTERS["str"])
        self.read = None if plain else reader(segment)
        # Mixed before single before the rest of the path; more literal text first; the shape settles what is left.
        group = 2 if self.tail else int(len(segment) == 1)
        self.key = (group, -literal, [converter.rank for converter in converters], shape_of(segment))
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
        shape = shape_of(segment)
        if not parameters_of(segment):
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
        """The best target; the methods of each place that matches without offering ``method`` go into ``missed``.

        The method ``""`` finds none, whatever a place answers.
        """
        methods = self.static.get(path)
        if methods is not None:
            target = methods.get(method) or (methods.get(ANY) if method else None)
            if target is not None:
                return target, {}
            missed.append(methods)
        return self.walk(method, path, missed)

    def walk(self, method: str, path: str, missed: list[Mapping[str, object]]) -> tuple[T, dict[str, Any]] | None:
        """`find` among the paths with parameters.

        One loop and no recursion, with the two commonest kinds of parameter in it, because a call a segment would
        double its time. Every node lies at the end of one way, so none is met twice: linear in the tree at worst.
        """
        segments = path.split("/", self.depth)
        if segments[0] or (not path.isprintable() and UNROUTABLE.search(path)):
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
            elif method in node.leaves or (method and ANY in node.leaves):
                target, names = node.leaves[method if method in node.leaves else ANY]
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
        read = reader(pattern.labels, text="[^.]+")
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
        missed: list[Mapping[str, object]] = []
        seek = self._anywhere.walk if methods is None else self._anywhere.find
        return seek(method, path, missed) or self._no_match(path, missed, [self._anywhere])

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
            return NoMatch(tuple(sorted({method for methods in missed for method in methods} - {ANY})))
        # "//" and "\\" never go into a Location: browsers would read a host out of them.
        if not self.redirect_slashes or path[:1] != "/" or "//" in path or "\\" in path:
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
