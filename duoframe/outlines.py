"""A type as the tree of what msgspec reads, and how messages call each part of it.

Knows `msgspec.inspect`; must not know values: `misfits` finds what is wrong with one, `projections` reduces one to the
fields that are declared.
"""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import inspect

from duoframe.constraints import told
from duoframe.errors import ConfigurationError

Node = inspect.Type
Object = inspect.StructType | inspect.DataclassType | inspect.TypedDictType
Record = Object | inspect.NamedTupleType
"""What has fields."""


def outline(annotation: Any) -> Node:
    """The tree of a type. Raises `ConfigurationError` for one that cannot be read of JSON."""
    try:
        tree = inspect.type_info(annotation)
    except (TypeError, ValueError, NameError, RecursionError) as error:
        raise ConfigurationError(f"{annotation!r} cannot be read of JSON: {error}{_fix(error)}") from error
    for node in nodes(tree):
        if not isinstance(node, (*_LEAVES, *_INNER)):
            raise ConfigurationError(
                f"{annotation!r} cannot be read of JSON: nothing is known of {getattr(node, 'cls', node)!r};"
                " write a Struct, a dataclass, a TypedDict, an attrs class or a Pydantic model"
            )
    return tree


def bare(node: Node) -> Node:
    """A node without what was noted beside it."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    return node


def branches(node: Node) -> tuple[Node, ...]:
    """What a node is made of, one level down."""
    node = bare(node)
    if isinstance(node, inspect.UnionType):
        return tuple(node.types)
    if isinstance(node, inspect.TupleType):
        return tuple(node.item_types)
    if isinstance(node, inspect.CollectionType):
        return (node.item_type,)
    if isinstance(node, inspect.DictType):
        return (node.key_type, node.value_type)
    return tuple(field.type for field in node.fields) if isinstance(node, Record) else ()


def leaf(node: Node) -> Any:
    """The annotation of a node that has no branches."""
    if isinstance(node, inspect.LiteralType):
        return Literal[node.values]
    if isinstance(node, inspect.EnumType):
        return node.cls
    kind = _LEAVES[type(node)][0]
    kept = constraints(node)
    return Annotated[kind, msgspec.Meta(**kept)] if kept else kind


def constraints(node: Node) -> dict[str, Any]:
    """The constraints of a leaf or of a collection."""
    names = ("ge", "gt", "le", "lt", "multiple_of", "min_length", "max_length", "pattern", "tz")
    return {name: getattr(node, name) for name in names if getattr(node, name, None) is not None}


def expected(node: Node) -> str:
    """A node as messages call it: ``int >= 1``, ``array of at least 1 item``, ``object``."""
    node = bare(node)
    if isinstance(node, inspect.UnionType):
        return " | ".join(map(expected, node.types))
    if isinstance(node, inspect.LiteralType | inspect.EnumType):
        values = node.values if isinstance(node, inspect.LiteralType) else [one.value for one in node.cls]
        return f"one of {', '.join(map(repr, values))}"
    if isinstance(node, inspect.TupleType):
        return told("array", dict.fromkeys(("min_length", "max_length"), len(node.item_types)), "item")
    if isinstance(node, inspect.CollectionType):
        return told("array", constraints(node), "item")
    if isinstance(node, inspect.DictType):
        return told("object", constraints(node), "member")
    if isinstance(node, Record):
        return "array" if is_array(node) else "object"
    return told(_LEAVES[type(node)][1], constraints(node), "byte" if "bytes" in _LEAVES[type(node)][1] else "character")


def is_array(node: Record) -> bool:
    """Whether the fields stand in an array, without their names."""
    return isinstance(node, inspect.NamedTupleType) or (isinstance(node, inspect.StructType) and node.array_like)


def nodes(tree: Node) -> Iterator[Node]:
    """Every node, what stands in itself once."""
    seen: dict[int, Node] = {}
    waiting = [tree]
    while waiting:
        node = bare(waiting.pop())
        if id(node) not in seen:
            seen[id(node)] = node
            yield node
            waiting += branches(node)


def _fix(error: Exception) -> str:
    message = str(error)
    if "multiple Struct types" in message or "more than one dict-like" in message:
        return "; make them Structs that name their kind: `class Cat(msgspec.Struct, tag=True)`"
    if isinstance(error, NameError):
        return "; define it at the top of the module that names it, outside of `if TYPE_CHECKING:`"
    if isinstance(error, RecursionError):
        return "; make it a class that holds itself"
    return ""


_LEAVES: dict[type, tuple[Any, str]] = {
    inspect.AnyType: (Any, "any value"),
    inspect.NoneType: (None, "null"),
    inspect.BoolType: (bool, "bool"),
    inspect.IntType: (int, "int"),
    inspect.FloatType: (float, "float"),
    inspect.StrType: (str, "str"),
    inspect.BytesType: (bytes, "bytes in Base64"),
    inspect.ByteArrayType: (bytearray, "bytes in Base64"),
    inspect.MemoryViewType: (memoryview, "bytes in Base64"),
    inspect.DateTimeType: (datetime.datetime, "datetime"),
    inspect.DateType: (datetime.date, "date"),
    inspect.TimeType: (datetime.time, "time"),
    inspect.TimeDeltaType: (datetime.timedelta, "timedelta"),
    inspect.UUIDType: (uuid.UUID, "UUID"),
    inspect.DecimalType: (decimal.Decimal, "Decimal"),
    inspect.RawType: (msgspec.Raw, "any value"),
    inspect.LiteralType: (Literal, "one of"),
    inspect.EnumType: (enum.Enum, "one of"),
}
"""The nodes without branches: their annotations and their names in messages."""
_INNER = (
    inspect.UnionType,
    inspect.CollectionType,
    inspect.TupleType,
    inspect.DictType,
    inspect.StructType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
)
