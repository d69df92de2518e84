"""The dependencies of one route: which functions make what its handler is given, in what order.

Knows the graph, compiled once; must not know when or where a piece of it runs: `plan` puts it into stages and `core`
walks them. `binding` compiles the call of each function.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import UserDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from duoframe import binding, signatures
from duoframe.errors import ConfigurationError
from duoframe.inputs import Input
from duoframe.lines import Known
from duoframe.params import Dependency, SecurityScopes
from duoframe.pieces import Piece, colour_of


class Need(NamedTuple):
    """A dependency in a route: what makes one of the values."""

    piece: Piece
    """Its call takes the request and gives the value, or the generator that yields it."""
    slot: int
    """Which of the request's values it makes."""
    after: frozenset[int]
    """The values that it is made of."""
    yields: bool
    early: bool
    """Whether it is left once the handler has returned, not after the body has been sent, or made of one that is."""
    function: Callable[..., Any]
    scopes: tuple[str, ...]


class Wiring(NamedTuple):
    """A handler with all that its route's dependencies take and give."""

    call: Callable[..., Any]
    """Takes the request, once the dependencies have made their values."""
    needs: tuple[Need, ...]
    """In the order in which they are entered: each behind those that it is made of."""
    inputs: tuple[Input, ...]
    """What all of them read of a request; what two of them read is one thing."""


def checked(dependencies: Iterable[Any]) -> tuple[Dependency, ...]:
    """``dependencies`` of a route, a router or an application. Raises `ConfigurationError` for anything else."""
    found = tuple(dependencies)
    for dependency in found:
        if not isinstance(dependency, Dependency) or dependency.call is None:
            raise ConfigurationError(f"expected dependencies=[Depends(function)], got {dependency!r}")
    return found


def wire(
    handler: Callable[..., Any],
    dependencies: Sequence[Dependency],
    path_parameters: Mapping[str, str],
    overrides: Mapping[Callable[..., Any], Callable[..., Any]],
    *,
    embed: bool = False,
) -> Wiring:
    """Compile a handler's dependencies: ``dependencies``, which are made for their own sake, and those it asks for.

    ``overrides`` names what stands in for a function. Bodies are members of one object with ``embed``, and where they
    are several. Raises `ConfigurationError`.
    """
    graph = _Graph(path_parameters, overrides, embed)
    for dependency in dependencies:
        graph.supply(dependency, None)
    bound = graph.bind(handler, first=not graph.needs)
    inputs = (*graph.inputs, *bound.inputs)
    bodies = {(read.name, read.options.get("embed", False)) for read in inputs if read.source == "body"}
    if len(bodies) > 1 and not all(embedded for _, embedded in bodies):  # one function alone could not know
        return wire(handler, dependencies, path_parameters, overrides, embed=True)
    return Wiring(bound.call, tuple(graph.needs), tuple(dict.fromkeys(inputs)))


class Overrides(UserDict[Callable[..., Any], Callable[..., Any]]):
    """What stands in for dependencies, for tests; ``changed`` is called whenever that is another."""

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        super().__init__()

    def __setitem__(self, function: Callable[..., Any], other: Callable[..., Any]) -> None:
        super().__setitem__(function, other)
        self._changed()

    def __delitem__(self, function: Callable[..., Any]) -> None:
        super().__delitem__(function)
        self._changed()


class _Graph:
    """The dependencies of one route while they are compiled, depth first."""

    def __init__(
        self,
        path_parameters: Mapping[str, str],
        overrides: Mapping[Callable[..., Any], Callable[..., Any]],
        embed: bool,
    ) -> None:
        self.needs: list[Need] = []
        self.inputs: list[Input] = []
        self._known: Known = defaultdict(set)
        self._embed = embed
        self._path_parameters = path_parameters
        self._overrides = overrides
        self._slots: dict[object, int] = {}
        self._scoped: set[int] = set()  # the values that depend on the scopes that are required of them
        self._asking: list[_Asking] = []

    def supply(self, dependency: Dependency, annotation: Any) -> int:
        """The slot of the value that a dependency makes; its own dependencies come before it."""
        function = dependency.call if dependency.call is not None else annotation
        if not callable(function):
            raise ConfigurationError(f"Depends() stands for the annotated class, got {annotation!r}; name a function")
        if isinstance(function, Hashable):
            function = self._overrides.get(function, function)  # type: ignore[call-overload]  # it is a function still
        chain = [asking.function for asking in self._asking]
        if function in chain:
            names = " -> ".join(signatures.describe(each) for each in (*chain[chain.index(function) :], function))
            raise ConfigurationError(f"a dependency needs itself: {names}")
        scopes = tuple(dict.fromkeys((*(self._asking[-1].scopes if self._asking else ()), *dependency.scopes)))
        key = (_identity(function), dependency.close)
        slot = self._slots.get(key, self._slots.get((*key, scopes))) if dependency.use_cache else None
        if slot is None:
            slot = self._add(_Asking(function, scopes), dependency)
            if dependency.use_cache:
                self._slots[(*key, scopes) if slot in self._scoped else key] = slot
        else:
            self._require(slot, scopes)
        if self._asking:
            self._asking[-1].after.add(slot)
        return slot

    def bind(self, function: Callable[..., Any], **place: bool) -> binding.Bound:
        """A function whose dependencies are those of this graph; ``place`` is its ``first`` or ``last``."""
        return binding.bind(function, self._path_parameters, self.supply, self._known, embed=self._embed, **place)

    def _require(self, slot: int, scopes: tuple[str, ...]) -> None:
        """Somebody else asks for a value, and requires these scopes of all that it is made of."""
        need = self.needs[slot]
        if not set(scopes) <= set(need.scopes):
            self.needs[slot] = need._replace(scopes=tuple(dict.fromkeys((*need.scopes, *scopes))))
            for before in need.after:
                self._require(before, scopes)

    def _add(self, asking: _Asking, dependency: Dependency) -> int:
        function = asking.function
        self._asking.append(asking)
        try:
            call, scoped = _given_scopes(function, asking.scopes)
            bound = self.bind(call, last=False)
        finally:
            self._asking.pop()
        yields = _yields(function)
        early = yields and dependency.close == "before_response"
        for need in (self.needs[slot] for slot in asking.after):
            if need.early and yields and not early:
                raise ConfigurationError(
                    f"dependency {signatures.describe(function)} is left after the response, but needs"
                    f" {need.piece.name}, which is left before it; give both the same `close`"
                )
            early = early or need.early
        slot = len(self.needs)
        if scoped or not self._scoped.isdisjoint(asking.after):
            self._scoped.add(slot)
        piece = Piece(bound.call, colour_of(function), signatures.describe(function), function)
        self.needs.append(Need(piece, slot, frozenset(asking.after), yields, early, function, asking.scopes))
        self.inputs += bound.inputs
        for source, name in getattr(function, "__duoframe_reads__", ()):
            self._known[source].add(name)
        return slot


@dataclasses.dataclass
class _Asking:
    """A dependency whose own dependencies are being compiled."""

    function: Callable[..., Any]
    scopes: tuple[str, ...]
    after: set[int] = dataclasses.field(default_factory=set)


def _identity(function: Callable[..., Any]) -> object:
    """What tells one dependency from another: itself, where it can be looked up."""
    return function if isinstance(function, Hashable) else id(function)


def _yields(function: Callable[..., Any]) -> bool:
    """Whether a dependency is left again. Raises `ConfigurationError` for one that only looks so."""
    if not signatures.is_generator(function):
        return False
    if getattr(getattr(function, "__code__", None), "co_filename", None) == contextlib.__file__:
        raise ConfigurationError(
            f"dependency {signatures.describe(function)} makes a context manager; take `@contextmanager` off: one"
            " `yield` is enough"
        )
    return True


def _given_scopes(function: Callable[..., Any], scopes: tuple[str, ...]) -> tuple[Callable[..., Any], bool]:
    """The function, given the scopes that are required of it where it asks for them, and whether it does."""
    signature = signatures.signature_of(function)
    wanted = [name for name, parameter in signature.parameters.items() if parameter.annotation is SecurityScopes]
    if not wanted:
        return function, False
    call = functools.partial(function, **dict.fromkeys(wanted, SecurityScopes(scopes)))
    left = [parameter for name, parameter in signature.parameters.items() if name not in wanted]
    call.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]  # what inspect looks for
    return call, True
