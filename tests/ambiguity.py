"""A linter of regular expressions: whether one can read the same text in so many ways that backtracking gets slow.

A pattern is made an automaton whose states are the places of its characters (Glushkov's construction). It is
*exponential* where one state comes back to itself over one text in two ways, and *polynomial* where two states that
come back to themselves over one text also follow each other over it (Weideman et al., "Analyzing Matching Time
Behavior of Backtracking Regular Expression Matchers", 2016). What is possessive gives nothing back, and counts so.
"""

from __future__ import annotations

import re
import re._constants as sre  # type: ignore[import-not-found]  # the standard library's own, without stubs
import re._parser as sre_parser  # type: ignore[import-not-found]  # as above
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

CHARACTERS = [*map(chr, range(256)), *"\u0101\u017f\u0661\u2028\ud800\uff0f"]
EVERY = (1 << len(CHARACTERS)) - 1
COPIES = 2
"""So often is a part repeated that has to be there a number of times: its bounds make no ambiguity of their own."""
MANY = 1000
"""What may be repeated so often is repeated without a bound."""


class Piece(NamedTuple):
    """A part of a pattern: where it can begin (and by which characters) and end, and whether it can be empty.

    Behind a possessive part some characters cannot come, since it would have taken them: ``kept``.
    """

    nullable: bool
    kept: int
    first: dict[int, int]
    last: dict[int, int]


class Edge(NamedTuple):
    source: int
    target: int
    characters: int


@dataclass
class Automaton:
    """The states of a pattern and the steps between them; two steps that look alike are two ways to read."""

    symbols: list[int] = field(default_factory=list)
    edges: list[list[Edge]] = field(default_factory=list)
    doubled: bool = False
    """Whether there are two ways to read nothing, which take no step."""

    def state(self, characters: int) -> Piece:
        self.symbols.append(characters)
        self.edges.append([])
        place = len(self.symbols) - 1
        return Piece(False, 0, {place: characters}, {place: 0})

    def connect(self, last: dict[int, int], first: dict[int, int]) -> None:
        for source, kept in last.items():
            for target, characters in first.items():
                if characters & ~kept:
                    self.edges[source].append(Edge(source, target, characters & ~kept))

    def sequence(self, pieces: Iterable[Piece]) -> Piece:
        whole = EMPTY
        for piece in pieces:
            self.connect(whole.last, piece.first)
            first = dict(whole.first)
            if whole.nullable:
                first.update({place: characters & ~whole.kept for place, characters in piece.first.items()})
            last = dict(piece.last)
            if piece.nullable:
                last.update({place: kept | piece.kept for place, kept in whole.last.items()})
            whole = Piece(whole.nullable and piece.nullable, whole.kept | piece.kept, first, last)
        return whole

    def choice(self, pieces: list[Piece]) -> Piece:
        self.doubled |= sum(piece.nullable for piece in pieces) > 1
        first = {place: characters for piece in pieces for place, characters in piece.first.items()}
        last = {place: kept for piece in pieces for place, kept in piece.last.items()}
        return Piece(any(piece.nullable for piece in pieces), 0, first, last)

    def loop(self, piece: Piece, possessive: bool) -> Piece:
        self.connect(piece.last, piece.first)
        kept = 0
        if possessive:  # only of what one character makes up: a longer one may begin and not be completed
            for place in piece.first.keys() & piece.last.keys():
                kept |= piece.first[place]
        return Piece(True, kept, piece.first, {place: before | kept for place, before in piece.last.items()})

    def repeat(self, make: Callable[[], Piece], least: int, most: int, possessive: bool) -> Piece:
        pieces = [make() for _ in range(min(least, COPIES))]
        if most >= MANY:
            pieces.append(self.loop(make(), possessive))
        else:
            optional = EMPTY
            for _ in range(min(most - least, COPIES)):  # one inside the other: the second comes behind the first only
                inner = self.sequence([make(), optional])
                optional = Piece(True, 0, inner.first, inner.last)
            pieces.append(optional)
        return self.sequence(pieces)

    def build(self, nodes: Iterable[Any], flags: int) -> Piece:
        return self.sequence([self.node(operator, value, flags) for operator, value in nodes])

    def node(self, operator: Any, value: Any, flags: int) -> Piece:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            least, most, body = value
            return self.repeat(lambda: self.build(body, flags), least, int(most), operator is sre.POSSESSIVE_REPEAT)
        if operator is sre.SUBPATTERN:
            _, added, removed, body = value
            return self.build(body, (flags | added) & ~removed)
        if operator is sre.ATOMIC_GROUP:
            return self.build(value, flags)
        if operator is sre.BRANCH:
            return self.choice([self.build(branch, flags) for branch in value[1]])
        if operator in (sre.AT, sre.ASSERT, sre.ASSERT_NOT):
            return EMPTY
        return self.state(_characters(operator, value, flags))

    def steps(self, *places: int) -> Iterator[tuple[Edge, ...]]:
        """The steps that go on from all these places by one character."""
        if not places:
            yield ()
            return
        for edge in self.edges[places[0]]:
            for rest in self.steps(*places[1:]):
                common = edge.characters
                for other in rest:
                    common &= other.characters
                if common:
                    yield (edge, *rest)

    def reaches(self, start: tuple[int, ...], goal: Callable[[tuple[int, ...], bool], bool]) -> bool:
        """Whether these places lead, over one text, to the goal, which is asked with whether ways have parted."""
        waiting = [(start, False)]
        seen = set(waiting)
        while waiting:
            places, parted = waiting.pop()
            for edges in self.steps(*places):
                step = tuple(edge.target for edge in edges), parted or any(edge is not edges[0] for edge in edges)
                if goal(*step):
                    return True
                if step not in seen:
                    seen.add(step)
                    waiting.append(step)
        return False


EMPTY = Piece(True, 0, {}, {})


def fault(pattern: re.Pattern[Any], searched: bool = False, may_end: bool = False) -> str | None:
    """``"exponential"``, ``"polynomial"`` or ``None``.

    ``searched``: tried from every place of a text. ``may_end``: a match may end before the text does, so that nothing
    is tried again once the end of the pattern is reached.
    """
    text = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    automaton = Automaton()
    tree = sre_parser.parse(text, pattern.flags & ~re.UNICODE)
    pieces = [automaton.loop(automaton.state(EVERY), possessive=False)] if searched else []
    last = automaton.sequence([*pieces, automaton.build(tree, pattern.flags)]).last
    bounded = any(operator in (sre.AT, sre.ASSERT, sre.ASSERT_NOT) for operator, _ in tree)
    ends = set(last) if may_end and not bounded else set()
    if automaton.doubled:
        return "exponential"
    looped = [place for place in range(len(automaton.symbols)) if _returns(automaton, place)]
    for place in looped:
        if automaton.reaches((place, place), lambda places, parted, back=(place, place): parted and places == back):  # type: ignore[misc]  # the type of a default
            return "exponential"
    for one in looped:
        for other in looped:
            meets = automaton.symbols[one] & automaton.symbols[other]
            if one != other and meets and other not in ends and _polynomial(automaton, one, other):
                return "polynomial"
    return None


def _returns(automaton: Automaton, place: int) -> bool:
    return automaton.reaches((place,), lambda places, _: places == (place,))


def _polynomial(automaton: Automaton, one: int, other: int) -> bool:
    return automaton.reaches((one, one, other), lambda places, _: places == (one, other, other))


def _characters(operator: Any, value: Any, flags: int) -> int:
    """The characters that a node stands for, one bit for each of `CHARACTERS`."""
    found = 0
    for bit, character in enumerate(CHARACTERS):
        spelled = {character, character.lower(), character.upper()} if flags & re.IGNORECASE else {character}
        if any(_holds(operator, value, one, flags) for one in spelled if len(one) == 1):
            found |= 1 << bit
    return found


def _holds(operator: Any, value: Any, character: str, flags: int) -> bool:
    if operator is sre.ANY:
        return bool(flags & re.DOTALL) or character != "\n"
    if operator is sre.LITERAL:
        return bool(ord(character) == value)
    if operator is sre.NOT_LITERAL:
        return bool(ord(character) != value)
    if operator is sre.RANGE:
        return bool(value[0] <= ord(character) <= value[1])
    if operator is sre.CATEGORY:
        return re.match(_CATEGORIES[str(value)], character, flags & re.ASCII) is not None
    assert operator is sre.IN, operator
    negated = value[0][0] is sre.NEGATE
    return negated != any(_holds(kind, item, character, flags) for kind, item in value[negated:])


_CATEGORIES = {
    f"CATEGORY_{negation}{name}": f"[{'^' if negation else ''}{escape}]"
    for name, escape in (("DIGIT", r"\d"), ("SPACE", r"\s"), ("WORD", r"\w"))
    for negation in ("", "NOT_")
}
