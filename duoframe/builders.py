"""Values made by calling their classes, where msgspec alone would leave something out: the converters of attrs.

    @attrs.define
    class Item: name: str = attrs.field(converter=str.strip)

Knows outlines and builtin values; must not know JSON: `shapes` decodes it. A value is read as its field declares, and
goes through the converter then. A class that holds such a class is called as well; any other is left to msgspec.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from msgspec import UNSET, inspect

from duoframe.outlines import Node, bare, leaf, nodes
from duoframe.projections import Copies, hooked, kept, project_onto


def converts(tree: Node) -> bool:
    """Whether a class of attrs in the tree converts what it is given."""
    return any(
        field.converter is not None
        for node in nodes(tree)
        for field in getattr(getattr(node, "cls", None), "__attrs_attrs__", ())
    )


def builder(tree: Node) -> Callable[[Any], Any]:
    """What makes a value of builtin ones. It raises `msgspec.ValidationError` for what does not fit."""
    return project_onto(Builders().of(tree))


class Builders(Copies):
    """The annotations in which calls stand for the classes that need one."""

    def of(self, node: Node) -> Any:
        node = bare(node)
        if isinstance(node, inspect.EnumType):
            return leaf(node)
        if isinstance(node, inspect.VarTupleType):
            return kept(tuple[self.of(node.item_type), ...], node)  # type: ignore[misc]  # a type made while it runs
        if isinstance(node, inspect.SetType | inspect.FrozenSetType):
            return kept(_SETS[type(node)][self.of(node.item_type)], node)
        return super().of(node)

    def of_record(self, node: Any) -> Any:
        if not converts(node):
            return node.cls
        fields = super().of_record(node)
        if isinstance(node, inspect.TypedDictType):
            return fields
        return hooked(node.cls.__name__, partial(_called, node, project_onto(fields)))

    def field(self, field: inspect.Field) -> Any:
        """What is not given is the class's own to fill in."""
        kind = self.of(field.type)
        return (field.name, kind) if field.required else (field.name, kind, UNSET)


def _called(node: Any, project: Callable[[Any], Any], value: Any) -> Any:
    made = project(value)
    if isinstance(node, inspect.NamedTupleType):
        return node.cls(*made)
    names = _names(node.cls) or {field.name: field.name for field in node.fields}
    given = {names[field.name]: getattr(made, field.name) for field in node.fields if field.name in names}
    return node.cls(**{name: one for name, one in given.items() if one is not UNSET})


def _names(kind: type) -> dict[str, str]:
    """What a class of attrs or a dataclass calls its fields when it is called: those that it takes."""
    fields = getattr(kind, "__attrs_attrs__", None) or getattr(kind, "__dataclass_fields__", {}).values()
    return {field.name: getattr(field, "alias", field.name) for field in fields if field.init}


_SETS: dict[type, Any] = {inspect.SetType: set, inspect.FrozenSetType: frozenset}
