"""One Python file as bytes, as a syntax tree, and as the bytes that a list of edits makes of it.

Knows encodings, line ends and positions; must not know what is looked for. Nothing is printed from the tree: edits are
put into the bytes that were read, so that all else stays as it was.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import re
import tokenize
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import libcst as cst
from libcst.metadata import (
    ByteSpanPositionProvider,
    MetadataWrapper,
    QualifiedNameSource,
    ScopeProvider,
)

N = TypeVar("N", bound=cst.CSTNode)

_FEED = re.compile(rb"(?m)^[ \t\x0c]*\x0c")
"""A form feed at the start of a line: what stands before it does not count as indentation."""


class UnreadableError(Exception):
    """A file that cannot be rewritten without loss; the message says why."""


@dataclass(frozen=True, order=True)
class Edit:
    """``text`` instead of the bytes from ``start`` to ``end``; an insertion where the two are one."""

    start: int
    end: int
    text: str


class Source:
    """The source of one module. Raises `UnreadableError` for what is no Python, or would not come back as it was."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        try:
            self._encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            self._bytes = data.decode(self._encoding).encode()
        except (SyntaxError, UnicodeDecodeError) as error:
            raise UnreadableError(f"it cannot be decoded: {error}") from None
        # libcst drops form feeds at the start of a line: they are taken out before, and their places kept.
        self._feeds = [place for found in _FEED.finditer(self._bytes) for place in range(*found.span())]
        self._shown = _FEED.sub(b"", self._bytes)
        try:
            self._read()
        except cst.ParserSyntaxError as error:
            raise UnreadableError(f"it is no Python that can be parsed: line {error.raw_line}") from None
        except RecursionError:
            raise UnreadableError("something in it is nested too deeply") from None

    def _read(self) -> None:
        module = cst.parse_module(self._shown.decode())
        if module.code.encode() != self._shown:
            raise UnreadableError("it has line ends that would not come back as they were")
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        self.module = wrapper.module
        self.newline = module.default_newline
        self._spans = wrapper.resolve(ByteSpanPositionProvider)
        self._scopes = wrapper.resolve(ScopeProvider)

    @cached_property
    def _parents(self) -> dict[cst.CSTNode, cst.CSTNode]:
        return {node: above for above in walk(self.module, cst.CSTNode) for node in inside(above)}  # type: ignore[type-abstract]  # any node

    def start(self, node: cst.CSTNode) -> int:
        """Where a node starts; an offset that edits take."""
        return int(self._spans[node].start)

    def end(self, node: cst.CSTNode) -> int:
        """Where a node ends, behind its last byte."""
        span = self._spans[node]
        return int(span.start + span.length)

    def text(self, start: int, end: int) -> str:
        return self._shown[start:end].decode()

    def code(self, node: cst.CSTNode) -> str:
        return self.text(self.start(node), self.end(node))

    def line(self, node: cst.CSTNode) -> int:
        """The line that a node starts on, counted from 1."""
        return self._shown.count(b"\n", 0, self.start(node)) + 1

    def line_start(self, offset: int) -> int:
        return self._shown.rfind(b"\n", 0, offset) + 1

    def line_end(self, offset: int) -> int:
        """Where the line of an offset ends, before what ends it."""
        line = self._shown[offset : self.next_line(offset)]
        return offset + len(line.rstrip(b"\r\n"))

    def next_line(self, offset: int) -> int:
        """Where the line after that of an offset begins; the end of the text where there is none."""
        found = self._shown.find(b"\n", offset)
        return found + 1 if found >= 0 else len(self._shown)

    def indent(self, node: cst.CSTNode) -> str:
        """The white space that the line of a node begins with."""
        start = self.line_start(self.start(node))
        line = self.text(start, self.line_end(start))
        return line[: len(line) - len(line.lstrip(" \t"))]

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """The nodes around a node, innermost first."""
        above = self.parent(node)
        while above is not None:
            yield above
            above = self.parent(above)

    def imported(self, node: cst.CSTNode) -> str | None:
        """The dotted name that a name or attribute was imported as; None for what no import brought."""
        return self._named(node, QualifiedNameSource.IMPORT)

    def local(self, node: cst.CSTNode) -> str | None:
        """The dotted name of what a name or attribute stands for in this module, or None."""
        return self._named(node, QualifiedNameSource.LOCAL)

    def builtin(self, node: cst.CSTNode) -> str | None:
        """The name, behind ``builtins.``, of what a name stands for that is built into Python, or None."""
        return self._named(node, QualifiedNameSource.BUILTIN)

    def _named(self, node: cst.CSTNode, kind: QualifiedNameSource) -> str | None:
        around = self._scopes.get(node)
        if around is None or (isinstance(node, cst.Attribute) and not name_of(node)):
            return None  # libcst gives `f().x` a name too, that of `f.x`
        names = around.get_qualified_names_for(node)
        return min((name.name for name in names if name.source is kind), default=None)

    def edited(self, edits: Iterable[Edit]) -> bytes:
        """The file with the edits in it, which may stand in any order and must not overlap."""
        parts, at = [], 0
        for edit in sorted(edits):
            start, end = self._original(edit.start), self._original(edit.end)
            parts += [self._bytes[at:start], edit.text.encode()]
            at = end
        text = b"".join([*parts, self._bytes[at:]]).decode()
        return text.encode(self._encoding)

    def _original(self, offset: int) -> int:
        """Where an offset of the text that was parsed stands in the file."""
        removed = 0
        while (more := bisect_right(self._feeds, offset + removed)) != removed:
            removed = more
        return offset + removed


class Reader:
    """Makes the sources of files, and each once while it holds the same."""

    def __init__(self) -> None:
        self._read: dict[Path, Source] = {}

    def __call__(self, path: Path, data: bytes) -> Source:
        """The source of a file. Raises `UnreadableError`."""
        if path not in self._read or self._read[path].data != data:
            self._read[path] = Source(path, data)
        return self._read[path]


def name_of(node: cst.CSTNode | None) -> str:
    """The dotted name that a `Name` or an `Attribute` of names spells; empty for anything else."""
    behind: list[str] = []
    while isinstance(node, cst.Attribute):
        behind.append(node.attr.value)
        node = node.value
    return ".".join([node.value, *reversed(behind)]) if isinstance(node, cst.Name) else ""


def walk(node: cst.CSTNode, kind: type[N]) -> Iterator[N]:
    """The nodes of a kind in a tree, itself among them, from the top; none of punctuation and white space."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, kind):
            yield node
        waiting += reversed(inside(node))


def inside(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes right below one, without punctuation and white space."""
    # `node.children` makes each of them anew: fifteen times as slow, and `isinstance` of a CSTNode is slow as well.
    found: list[cst.CSTNode] = []
    for name in _fields(type(node)):
        value = getattr(node, name)
        if _is_node(type(value)):
            found.append(value)
        elif type(value) in (list, tuple):
            found += [part for part in value if _is_node(type(part))]
    return found


def _is_node(kind: type[Any]) -> bool:  # Any: of whatever a field may hold
    if kind not in _NODES:
        _NODES[kind] = issubclass(kind, cst.CSTNode)
    return _NODES[kind]


_NODES: dict[type[Any], bool] = {}  # Any: as above


@functools.cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if not _PUNCTUATION.search(field.name))


_PUNCTUATION = re.compile(r"whitespace|lines|header|footer|[lr](?:par|brace|bracket)|semicolon|comma|dot\b")
