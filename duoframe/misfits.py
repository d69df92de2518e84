"""What is wrong with a JSON value that does not fit its type: where, what was expected, and what came.

Knows outlines and values; must not know how a value is read, which `shapes` does. Asked on failure only: msgspec stops
at the first fault, and names no index.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import inspect

from duoframe.constraints import told
from duoframe.faults import MAX_SHOWN, Fault, Location, fault, place
from duoframe.outlines import Node, Record, bare, branches, constraints, expected, is_array, leaf

MAX_FAULTS = 50
"""Faults of one body that are told."""

Part = Fault | tuple[Node, Any, Location]
"""A fault of a value itself, or a value inside it with its type."""


def misfits(tree: Node, value: Any, loc: Location) -> list[Fault]:
    """The faults of a value: one for each of its fields or items, the first inside it, `MAX_FAULTS` at most."""
    found = (part if isinstance(part, Fault) else _first(part) for part in _parts(tree, value, loc))
    return list(islice(filter(None, found), MAX_FAULTS))


def refused(error: Exception, value: Any, loc: Location) -> Fault:
    """The fault that only the code of a class has found, as its ``__post_init__``, told in the words of that."""
    words, _, path = str(error).rpartition(" - at `$")
    for name in re.findall(r"\.([^.\[`]+)", path.partition("[")[0]):
        if not isinstance(value, dict) or name not in value:
            break  # the words are a client's own
        value, loc = value[name], (*loc, name)
    words = words or path
    return Fault(loc, f"{words} at `{place(loc)}`", words, kind_of(value))


def kind_of(value: Any) -> str:
    """What a value is called in JSON."""
    return _KINDS.get(type(value)) or type(value).__name__


def shown(value: Any) -> str:
    """A value as a message shows it: what has parts by its kind alone."""
    if isinstance(value, str):
        value = value[: MAX_SHOWN + 1]
    return repr(value) if isinstance(value, str | int | float) else kind_of(value)


def _first(part: tuple[Node, Any, Location]) -> Fault | None:
    """The first fault inside a value. Not recursive: a value may be as deep as its client likes."""
    stack = [_parts(*part)]
    while stack:
        inner = next(stack[-1], None)
        if inner is None:
            stack.pop()
        elif isinstance(inner, Fault):
            return inner
        else:
            stack.append(_parts(*inner))
    return None


def _parts(node: Node, value: Any, loc: Location) -> Iterator[Part]:
    node = bare(node)
    if isinstance(node, inspect.UnionType):
        return _of_union(node, value, loc)
    if isinstance(node, Record):
        return _of_array(node, value, loc) if is_array(node) else _of_object(node, value, loc)
    if isinstance(node, inspect.CollectionType | inspect.TupleType):
        return _of_items(node, value, loc)
    return _of_mapping(node, value, loc) if isinstance(node, inspect.DictType) else _of_leaf(node, value, loc)


def _of_leaf(node: Node, value: Any, loc: Location) -> Iterator[Part]:
    if not isinstance(node, inspect.RawType) and not _fits(leaf(node), value):  # raw is what was not decoded
        alike = type(value) in _READ_OF.get(type(node), (str,))
        yield fault(loc, expected(node), shown(value) if alike else kind_of(value))


def _fits(annotation: Any, value: Any) -> bool:
    try:
        msgspec.convert(value, annotation, str_keys=True)
    except msgspec.ValidationError:
        return False
    return True


def _of_object(node: Any, value: Any, loc: Location) -> Iterator[Part]:
    if not isinstance(value, dict):
        yield fault(loc, expected(node), kind_of(value))
        return
    known = {field.encode_name for field in node.fields}
    if tag := getattr(node, "tag_field", None):
        known.add(tag)
        if value.get(tag, node.tag) != node.tag:
            yield fault((*loc, tag), repr(node.tag), shown(value[tag]))
    for field in node.fields:
        if field.encode_name in value:
            yield field.type, value[field.encode_name], (*loc, field.encode_name)
        elif field.required:
            yield fault((*loc, field.encode_name), expected(field.type), "nothing")
    if getattr(node, "forbid_unknown_fields", False):
        for name in value:
            if name not in known:
                yield fault((*loc, name), "nothing", kind_of(value[name]))


def _of_array(node: Any, value: Any, loc: Location) -> Iterator[Part]:
    """Fields by their places; a tag stands before them."""
    tag = [node.tag] if getattr(node, "tag_field", None) else []
    required = sum(field.required for field in node.fields) + len(tag)
    if not isinstance(value, list) or len(value) < required:
        yield fault(loc, told("array", {"min_length": required}, "item"), _counted(value, list))
        return
    if tag and value[0] != tag[0]:
        yield fault((*loc, 0), repr(tag[0]), shown(value[0]))
    for index, (field, item) in enumerate(zip(node.fields, value[len(tag) :], strict=False), len(tag)):
        yield field.type, item, (*loc, index)
    most = len(node.fields) + len(tag)
    if len(value) > most and getattr(node, "forbid_unknown_fields", True):
        yield fault(loc, told("array", {"max_length": most}, "item"), _counted(value, list))


def _of_items(node: Any, value: Any, loc: Location) -> Iterator[Part]:
    fixed = isinstance(node, inspect.TupleType)
    if not isinstance(value, list) or not _in_length(node, len(value)):
        yield fault(loc, expected(node), _counted(value, list))
        return
    for index, item in enumerate(value):
        yield node.item_types[index] if fixed else node.item_type, item, (*loc, index)


def _of_mapping(node: Any, value: Any, loc: Location) -> Iterator[Part]:
    if not isinstance(value, dict) or not _in_length(node, len(value)):
        yield fault(loc, expected(node), _counted(value, dict))
        return
    keys = bare(node.key_type)
    fitting: Any = dict[Any if branches(keys) else leaf(keys), Any]  # type: ignore[misc]  # a type made while it runs
    for name, item in value.items():
        if not _fits(fitting, {name: None}):
            yield fault((*loc, name), f"key {expected(keys)}", shown(name))
        yield node.value_type, item, (*loc, name)


def _of_union(node: Any, value: Any, loc: Location) -> Iterator[Part]:
    """The faults of the member that the value's kind speaks for; of several its tag tells which."""
    members = [bare(member) for member in node.types]
    inner = [member for member in members if isinstance(value, _SEATS.get(_seat(member), ()))]
    if len(inner) > 1:
        tags = {member.tag: member for member in inner}  # type: ignore[attr-defined]  # only tagged Structs share a seat
        place, tag = _tag(inner[0], value)
        inner = [member for own, member in tags.items() if own == tag]
        if not inner:
            got = "nothing" if tag is _ABSENT else shown(tag)
            yield fault((*loc, place), f"one of {', '.join(map(repr, tags))}", got)
            return
    if inner:
        yield inner[0], value, loc
    elif not any(_fits(leaf(member), value) for member in members if _seat(member) is None):
        alike = any(type(value) in _READ_OF.get(type(member), (str,)) for member in members)
        yield fault(loc, expected(node), shown(value) if alike else kind_of(value))


def _seat(node: Node) -> str | None:
    """Which kind of JSON value holds the parts of a node; None for a leaf."""
    if isinstance(node, Record):
        return "array" if is_array(node) else "object"
    if isinstance(node, inspect.DictType):
        return "object"
    return "array" if isinstance(node, inspect.CollectionType | inspect.TupleType) else None


def _tag(node: Any, value: Any) -> tuple[str | int, Any]:
    """Where the tag of a Struct stands, and what stands there."""
    if isinstance(value, dict):
        return node.tag_field, value.get(node.tag_field, _ABSENT)
    return 0, value[0] if value else _ABSENT


def _in_length(node: Any, length: int) -> bool:
    if isinstance(node, inspect.TupleType):
        return length == len(node.item_types)
    kept = constraints(node)
    return bool(kept.get("min_length", 0) <= length <= kept.get("max_length", length))


def _counted(value: Any, wanted: type[list[Any] | dict[str, Any]]) -> str:
    if not isinstance(value, wanted):
        return kind_of(value)
    return f"{kind_of(value)} of {len(value)}"


_ABSENT = object()
_SEATS: dict[str | None, type] = {"object": dict, "array": list}
_KINDS: dict[type, str] = {type(None): "null", list: "array", dict: "object"}
_READ_OF: dict[type, tuple[type, ...]] = {
    inspect.NoneType: (),
    inspect.BoolType: (),
    inspect.IntType: (int,),
    inspect.FloatType: (int, float),
    inspect.LiteralType: (str, int),
    inspect.EnumType: (str, int),
    inspect.DecimalType: (str, int, float),
}
"""The kinds of JSON values that a leaf is read of, `str` where nothing stands here: those that can be right."""
