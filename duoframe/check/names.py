"""What an expression in the source of a loaded function stands for, as far as that can be known without running it.

Knows names, attributes and calls: those of the function's module by their values, those of the function by what it
assigns, imports and annotates. Spells what it finds as `known` does; must not know what waits.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import inspect
import sys
import types
import typing
from types import FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from duoframe.check.known import UNNAMED, public_names
from duoframe.check.origins import Part, belongs
from duoframe.errors import ConfigurationError
from duoframe.signatures import bare, signature_of


class Value(NamedTuple):
    """Something that exists: a module, a class, a function, an object."""

    object: Any


class Of(NamedTuple):
    """An object that will exist: an instance of a class."""

    kind: type


class Method(NamedTuple):
    """A function, with what it is called on."""

    function: Any  # a FunctionType, which mypy would take for a method here
    receiver: Value | Of | None


Thing = Value | Of | Method | str | None
"""What an expression stands for; a text is the public name of what a library gives, None nothing that is known."""


class Library:
    """The public names of what is loaded, looked up once for a whole report."""

    def __init__(self) -> None:
        self._names = public_names()

    def spell(self, thing: Thing) -> str | None:
        """The public name of a thing, with ``()`` behind that of its class or of the function that returned it."""
        if isinstance(thing, str):
            return thing
        if isinstance(thing, Of):
            return self._instance(thing.kind)
        if not isinstance(thing, Value):
            return None
        return self._name(thing.object) or self._instance(type(thing.object))

    def attribute(self, thing: Thing, name: str) -> Thing:
        """What ``thing.name`` stands for. No code of anybody's is run to find out."""
        if isinstance(thing, str):
            return f"{thing}.{name}"
        if isinstance(thing, Of):
            return self._member(thing, thing.kind, name)
        if not isinstance(thing, Value):
            return None
        value = thing.object
        if belongs(value, ModuleType):
            found = vars(value).get(name, value)
            return f"{value.__name__}.{name}" if found is value else Value(found)
        if belongs(value, type):
            return self._class_member(value, name)
        own = _attributes(value)
        if name in own:
            return Value(own[name])
        return self._member(thing, type(value), name)

    def result(self, thing: Thing) -> Thing:
        """What calling ``thing`` returns."""
        if isinstance(thing, Value) and belongs(thing.object, type):
            return Of(thing.object)
        if isinstance(thing, Value) and belongs(thing.object, FunctionType) and not self._name(thing.object):
            return returned(thing.object)
        if isinstance(thing, Method):
            return returned(thing.function)
        spelt = self.spell(thing)
        return None if spelt is None else f"{spelt}()"

    def _name(self, value: object) -> str | None:
        found = self._names.get(id(value))
        return None if found is None else found[0]

    def _instance(self, kind: type) -> str | None:
        for each in kind.__mro__:
            name = self._name(each) or UNNAMED.get(f"{each.__module__}.{each.__qualname__}")
            if name is not None:
                return f"{name}()"
        return None

    def _member(self, receiver: Value | Of, kind: type, name: str) -> Thing:
        for each in kind.__mro__:
            spelt = self._instance(each) if self._named(each) else None
            if spelt is not None:
                return f"{spelt}.{name}"
            if name in vars(each):
                member = vars(each)[name]
                if isinstance(member, staticmethod | classmethod):
                    return _plain(member.__func__, None)
                return _plain(member, receiver)
        return None

    def _class_member(self, kind: type, name: str) -> Thing:
        for each in kind.__mro__:
            spelt = self._name(each)
            if spelt is not None:
                return f"{spelt}.{name}"
            if name in vars(each):
                member = vars(each)[name]
                return _plain(getattr(member, "__func__", member), None)
        return None

    def _named(self, kind: type) -> bool:
        return self._name(kind) is not None or f"{kind.__module__}.{kind.__qualname__}" in UNNAMED


def _plain(member: Any, receiver: Value | Of | None) -> Thing:
    return Method(member, receiver) if isinstance(member, FunctionType) else None


def returned(function: FunctionType) -> Thing:
    """What a function says that it returns."""
    try:
        return typed(signature_of(function).return_annotation)
    except ConfigurationError:
        return None


def typed(annotation: Any) -> Thing:
    """An instance of what an annotation names: of a class, of the one class beside None."""
    annotation = bare(annotation)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
        annotation = bare(kinds[0]) if len(kinds) == 1 else None
    return Of(annotation) if isinstance(annotation, type) and annotation is not inspect.Parameter.empty else None


class Scope:
    """The names of one function, while its source is walked from top to bottom."""

    def __init__(self, part: Part, node: ast.FunctionDef | ast.AsyncFunctionDef, library: Library) -> None:
        self._function = part.function
        self._library = library
        self._own = set(_bound(node))
        self._values: dict[str, Thing] = {}
        self._closure = _closure(part.function)
        self._take_parameters(part, node)

    def bind(self, target: ast.expr, thing: Thing) -> None:
        """An assignment."""
        if isinstance(target, ast.Name):
            self._values[target.id] = thing

    def load(self, node: ast.Import | ast.ImportFrom) -> None:
        """An import inside the function."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                self._values[alias.asname or name] = _module(name)
            return
        package = self._function.__globals__.get("__package__") or ""
        try:
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        except ImportError:
            return
        for alias in node.names:
            self._values[alias.asname or alias.name] = self._library.attribute(_module(source), alias.name)

    def read(self, node: ast.expr) -> Thing:
        """What an expression stands for."""
        match node:
            case ast.Name():
                return self._lookup(node.id)
            case ast.Attribute():
                return self._library.attribute(self.read(node.value), node.attr)
            case ast.Call():
                return self._library.result(self.read(node.func))
            case ast.Await() | ast.NamedExpr() | ast.Starred():
                return self.read(node.value)
            case ast.BinOp(op=ast.Div()):
                return self.read(node.left)  # a path below a path
            case _:
                return None

    def _lookup(self, name: str) -> Thing:
        if name in self._own:
            return self._values.get(name)
        for space in (self._closure, self._function.__globals__, vars(builtins)):
            if name in space:
                value = space[name]
                return Method(value.__func__, Value(value.__self__)) if belongs(value, MethodType) else Value(value)
        return None

    def _take_parameters(self, part: Part, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        try:
            annotated = signature_of(part.function).parameters.values()
        except ConfigurationError:
            return
        for parameter in annotated:
            self._values[parameter.name] = typed(parameter.annotation)
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        owner = part.receiver if part.receiver is not None else _owner(part.function)
        if owner is not None and names:
            self._values[names[0]] = owner if isinstance(owner, Of | Value) else Value(owner)


def _bound(node: ast.FunctionDef | ast.AsyncFunctionDef) -> typing.Iterator[str]:
    """The names that belong to a function, because something in it gives them a value."""
    arguments = node.args
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            yield argument.arg
    shared: set[str] = set()
    found: set[str] = set()
    left: list[ast.AST] = [*node.body]
    while left:
        inner = left.pop()
        match inner:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(inner.name)
                continue
            case ast.Lambda():
                continue
            case ast.Global() | ast.Nonlocal():
                shared.update(inner.names)
            case ast.Name(ctx=ast.Store()):
                found.add(inner.id)
            case ast.alias():
                found.add(inner.asname or inner.name.partition(".")[0])
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar():
                found.add(inner.name or "")
            case ast.MatchMapping(rest=str(name)):
                found.add(name)
        left += ast.iter_child_nodes(inner)
    yield from found - shared


def _closure(function: FunctionType) -> dict[str, Any]:
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it has not been given a value yet
            pass
    return found


def _owner(function: FunctionType) -> Of | None:
    """The class that a function is a method of, where it stands at the top of its module."""
    owner, _, name = function.__qualname__.rpartition(".")
    kind = function.__globals__.get(owner)
    return Of(kind) if isinstance(kind, type) and vars(kind).get(name) is function else None


def _attributes(value: Any) -> dict[str, Any]:
    try:
        found = object.__getattribute__(value, "__dict__")
    except Exception:  # it has none, or a proxy would find it in a request
        return {}
    return found if type(found) is dict else {}


def _module(name: str) -> Thing:
    module = sys.modules.get(name)
    return name if module is None else Value(module)
