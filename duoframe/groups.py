"""Groups of parameters: a class whose fields are parameters of a request, each by its own name.

    class Page(msgspec.Struct):
        size: int = 20
        tags: list[str] = []

Knows Structs, dataclasses, attrs classes, TypedDicts and Pydantic models as far as their fields; must not know how a
text is read: `binding` does that, field by field.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, NamedTuple

from duoframe.params import REQUIRED


class Field(NamedTuple):
    """One field of a group."""

    name: str
    """As the group's own code calls it."""
    wire: str
    """As others call it."""
    annotation: Any
    default: Any
    """`REQUIRED` where it has none; what a factory makes is told as None."""


class Group(NamedTuple):
    """A class with fields."""

    make: Callable[..., Any]
    """Takes the fields by name; raises `ValueError` or `TypeError` for what the class does not take."""
    fields: tuple[Field, ...]
    raw: bool
    """Whether its fields are given as text, which the class itself reads: a Pydantic model."""
    closed: bool
    """Whether it refuses names that it does not know."""


def group_of(kind: Any) -> Group | None:
    """The fields of a class; None for what has none.

    Raises `NameError`, `SyntaxError` or `TypeError` for annotations that are no types.
    """
    if not isinstance(kind, type):
        return None
    if hasattr(kind, "__pydantic_validator__") and hasattr(kind, "model_fields"):
        return _of_model(kind)
    import msgspec

    found: Any = msgspec.inspect.type_info(kind)
    if not isinstance(getattr(found, "fields", None), tuple):
        return None
    annotations = typing.get_type_hints(kind, include_extras=True)
    fields = tuple(
        Field(field.name, field.encode_name, _plain(annotations[field.name]), _default(field)) for field in found.fields
    )
    closed = getattr(found, "forbid_unknown_fields", False)
    return Group(dict if typing.is_typeddict(kind) else kind, fields, raw=False, closed=closed)


def _default(field: Any) -> Any:
    import msgspec

    if field.required:
        return REQUIRED
    return None if field.default is msgspec.NODEFAULT else field.default


def _plain(annotation: Any) -> Any:
    """An annotation of a TypedDict without ``Required`` and ``NotRequired``."""
    if typing.get_origin(annotation) in (typing.Required, typing.NotRequired):
        return typing.get_args(annotation)[0]
    return annotation


def _of_model(kind: Any) -> Group:
    fields = []
    for name, field in kind.model_fields.items():
        alias = field.validation_alias or name
        if not isinstance(alias, str):
            raise TypeError(f"its field {name!r} has {alias!r}; give it one name")
        default = REQUIRED if field.is_required() else None if field.default_factory else field.default
        fields.append(Field(name, alias, field.annotation, default))
    return Group(kind, tuple(fields), raw=True, closed=kind.model_config.get("extra") == "forbid")
