"""What an annotation says: the type under its names and wrappings, and what was noted beside it.

Knows `typing`; must not know what a type means. `texts` and `shapes` ask.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NewType, TypeVar, Union, get_args, get_origin


def unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type itself, and the metadata of every ``Annotated`` around it, the inner one's first.

    Looks through `typing.NewType` and ``type X = ...``.
    """
    kind, metadata = _unnamed(annotation)
    while isinstance(kind, NewType):
        kind, inner = _unnamed(kind.__supertype__)
        metadata = (*inner, *metadata)
    return (types.NoneType if kind is None else kind), metadata


def spelled_out(annotation: Any) -> Any:
    """What ``type X = ...`` stands for, in place of ``X``, with what stands in ``Annotated`` around it or in it."""
    kind, metadata = _unnamed(annotation)
    return Annotated[(kind, *metadata)] if metadata else kind


def given(annotation: Any, arguments: Iterable[tuple[Any, Any]]) -> Any:
    """A type with what stands for its variables: ``T | None`` is ``int | None`` where ``int`` stands for ``T``."""
    types_of = dict(arguments)
    if isinstance(annotation, TypeVar):
        return types_of.get(annotation, annotation)
    wanted = [types_of.get(variable, variable) for variable in getattr(annotation, "__parameters__", ())]
    return annotation[tuple(wanted)] if wanted else annotation


def members(annotation: Any) -> tuple[Any, ...]:
    """What a union is of; of any other type the type itself."""
    return get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)


def is_pydantics(kind: Any, metadata: tuple[Any, ...]) -> bool:
    """Whether Pydantic has to read a type: it is one of its own, or was noted beside."""
    noted = any(type(one).__module__.partition(".")[0] == "pydantic" for one in metadata)
    return noted or hasattr(kind, "__get_pydantic_core_schema__") or hasattr(kind, "__pydantic_core_schema__")


def parts(annotation: Any) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    """The type and all that it is made of, each with its metadata: arguments, and the fields of classes once each."""
    seen: dict[int, Any] = {}  # the values keep their ids from being given again
    waiting = [annotation]
    while waiting:
        kind, metadata = unwrapped(waiting.pop())
        yield kind, metadata
        if id(kind) in seen:
            continue
        seen[id(kind)] = kind
        waiting += [*get_args(kind), *_fields(get_origin(kind) or kind)]


def _unnamed(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type without ``Annotated`` and aliases around it, and the metadata of the first."""
    metadata: tuple[Any, ...] = ()
    while True:
        if get_origin(annotation) is Annotated:
            annotation, metadata = annotation.__origin__, (*annotation.__metadata__, *metadata)
        elif _is_alias(annotation):
            annotation = annotation.__value__
        elif _is_alias(get_origin(annotation)):
            alias = get_origin(annotation)
            annotation = given(alias.__value__, zip(alias.__type_params__, get_args(annotation), strict=False))
        else:
            return annotation, metadata


def _is_alias(annotation: Any) -> bool:
    return type(annotation).__name__ == "TypeAliasType"  # of `typing` from 3.12 on, or of typing_extensions


def _fields(kind: Any) -> list[Any]:
    if not isinstance(kind, type) or kind.__module__ == "builtins":
        return []
    try:
        return list(typing.get_type_hints(kind, include_extras=True).values())
    except Exception:  # what cannot be resolved is told by whoever reads the type
        return []
