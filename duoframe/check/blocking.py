"""Calls that hold the event loop, seen in the source of code that runs on it.

Walks the source of a piece and of the functions of the same project that it calls, two levels deep; must not know
routes. What is handed over, nested or inside a `lambda` runs somewhere else, and is not looked at.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from duoframe.check.known import advice_for
from duoframe.check.names import Library, Method, Scope, Thing, Value
from duoframe.check.origins import OURS, Part, belongs, file_of, parts_of, shown

DEPTH = 2
"""How many calls deep the functions of a project are followed."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef


class BlockingCall(NamedTuple):
    """One call, and the way to it."""

    call: str
    """Its public name: ``requests.get``."""
    advice: str
    """What to do instead."""
    file: str
    line: int
    via: tuple[str, ...]
    """The functions of the project between the piece and the call."""

    @property
    def place(self) -> str:
        """``file:line`` for people."""
        return shown(self.file, self.line)


class Sources:
    """The definitions in source files, each file read once."""

    def __init__(self) -> None:
        self.library = Library()
        self._files: dict[str, dict[tuple[int, str], Definition]] = {}
        self._told: dict[int, tuple[Any, list[BlockingCall]]] = {}  # by identity, which holds while they are kept

    def blocking(self, call: Callable[..., Any]) -> list[BlockingCall]:
        """What blocks in the functions that run when ``call`` is called: its own first, then those further away."""
        if id(call) not in self._told:
            self._told[id(call)] = call, self._search(call)
        return self._told[id(call)][1]

    def _search(self, call: Callable[..., Any]) -> list[BlockingCall]:
        seen: set[CodeType] = set()
        found: dict[tuple[str, int, str], BlockingCall] = {}
        level: list[_Way] = [(part, part.function, ()) for part in _in_place(call)]
        for _ in range(DEPTH + 1):
            further: list[_Way] = []
            for part, root, via in level:
                for one in self._look(part, root, via, seen, further):
                    found.setdefault((one.file, one.line, one.call), one)
            level = further
        return list(found.values())

    def _look(
        self, part: Part, root: FunctionType, via: tuple[str, ...], seen: set[CodeType], further: list[_Way]
    ) -> list[BlockingCall]:
        """What blocks in one function; those that it calls are added to ``further``."""
        code = part.function.__code__
        file = file_of(code)
        node = None if file is None or file.startswith(OURS) or code in seen else self._definition(code)
        if file is None or node is None:
            return []
        seen.add(code)
        walker = _Walker(Scope(part, node, self.library), self.library)
        for statement in node.body:
            walker.visit(statement)
        called = [inner for inner in walker.called if _together(inner.function, root)]
        further += [(inner, root, (*via, inner.function.__qualname__)) for inner in called]
        return [
            BlockingCall(spelt.removeprefix("builtins."), advice, file, line, via)
            for line, spelt, advice in walker.found
        ]

    def _definition(self, code: CodeType) -> Definition | None:
        """The source of a function; None where there is none, or another by now."""
        file = code.co_filename
        if file not in self._files:
            try:
                tree = ast.parse("".join(linecache.getlines(file)))
            except (SyntaxError, ValueError):
                tree = ast.Module([], [])
            self._files[file] = {
                (min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)]), node.name): node
                for node in ast.walk(tree)
                if isinstance(node, Definition)
            }
        return self._files[file].get((code.co_firstlineno, code.co_name))


_Way = tuple[Part, FunctionType, tuple[str, ...]]
"""A function, the one that the search began with, and the names of those between."""


class _Walker(ast.NodeVisitor):
    """Walks the statements of one function from top to bottom, but nothing that is defined inside."""

    def __init__(self, scope: Scope, library: Library) -> None:
        self.found: list[tuple[int, str, str]] = []
        """Line, name and advice of each call that blocks."""
        self.called: list[Part] = []
        self._scope = scope
        self._library = library

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        self._call(node)

    def visit_Await(self, node: ast.Await) -> None:
        if isinstance(node.value, ast.Call):  # what is awaited does not block, whatever it looks like
            self.generic_visit(node.value)
            self._follow(self._scope.read(node.value.func))
        else:
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
            self._scope.bind(target, self._scope.read(node.value))

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self._scope.bind(node.target, self._scope.read(node.value))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._scope.bind(node.target, self._scope.read(node.value))

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars is not None:
            self._scope.bind(node.optional_vars, self._scope.read(node.context_expr))

    def visit_Import(self, node: ast.Import) -> None:
        self._scope.load(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self._scope.load(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Runs when it is called, wherever that is."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        """As above."""

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """As above."""

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """As above."""

    def _call(self, node: ast.Call) -> None:
        thing = self._scope.read(node.func)
        self._follow(thing)
        spelt = self._library.spell(thing)
        if spelt is None or (spelt.startswith(_ASKED) and _asks(node)):
            return
        advice = advice_for(spelt)
        told = any(line == node.lineno and spelt.startswith(f"{other}()") for line, other, _ in self.found)
        if advice is not None and not told:  # what is called on what another returned is one thing to mend
            self.found.append((node.lineno, spelt, advice))

    def _follow(self, thing: Thing) -> None:
        if isinstance(thing, Method):
            self.called.append(Part(thing.function, thing.receiver))
        elif isinstance(thing, Value):
            made = belongs(thing.object, type)
            self.called += _in_place(vars(thing.object).get("__init__") if made else thing.object)


_ASKED = ("threading.", "queue.")
"""The modules whose calls wait unless they are told not to."""


def _in_place(call: Any) -> list[Part]:
    """The functions that run where ``call`` is called: a `def` below an `async def` wrapper may run on a thread."""
    found: list[Part] = []
    waits = False
    for part in parts_of(call):
        own = inspect.iscoroutinefunction(part.function) or inspect.isasyncgenfunction(part.function)
        if own or not waits:
            found.append(part)
        waits = waits or own
    return found


def _asks(node: ast.Call) -> bool:
    """Whether a call says that it is not to wait."""
    said = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg in ("block", "blocking"))]
    return any(isinstance(value, ast.Constant) and value.value is False for value in said)


def _together(function: FunctionType, root: FunctionType) -> bool:
    """Whether two functions are of one project: of the same package, or of modules in the same folder."""
    if function.__module__.partition(".")[0] == root.__module__.partition(".")[0]:
        return True
    file, home = file_of(function.__code__), file_of(root.__code__)
    return file is not None and home is not None and os.path.dirname(file) == os.path.dirname(home)
