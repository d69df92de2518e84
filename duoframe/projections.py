"""A value reduced to the fields that its declared type has, wherever they stand.

    class Public(Struct): name: str
    class Private(Public): password: str

    projection(outline(list[Public]))([Private("a", "secret")])        # holds names alone

Knows outlines and the objects of an application; must not know where a value goes: `shapes` encodes it. msgspec takes
an object as it is where its class is the declared one, and with it all that hangs on it. So each class has a copy here
that no object is of: every declared field, and no other, is fetched and checked, in C.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, NotRequired, TypedDict, Union, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, inspect

from duoframe.outlines import Node, Record, bare, branches, constraints, expected, is_array, leaf

Project = Callable[[Any], Any]


def projection(tree: Node) -> Project:
    """What reduces a value to what its type declares, made of plain types and of copies.

    It raises `msgspec.ValidationError` for a value that does not fit. Objects give their attributes, and mappings the
    members that their names in JSON say.
    """
    project, free = project_onto(Copies().of(tree)), _free(bare(tree))
    return project if free is None else partial(_unless, free, project)


def _free(node: Node) -> type | None:
    """The class whose objects go as they are, because nothing is declared of what they hold."""
    if constraints(node):
        return None
    if isinstance(node, inspect.ListType):
        return list if isinstance(node.item_type, inspect.AnyType) else None
    if isinstance(node, inspect.DictType) and node.key_type in (inspect.AnyType(), inspect.StrType()):
        return dict if isinstance(node.value_type, inspect.AnyType) else None
    return None


def _unless(free: type, project: Project, value: Any) -> Any:
    return value if isinstance(value, free) else project(value)


def project_onto(annotation: Any) -> Project:
    """What converts values to an annotation that may hold hooked types and copies."""
    return partial(msgspec.convert, type=annotation, from_attributes=True, str_keys=True, dec_hook=_by_hook)


class _Hooked(type):
    """The class of types that msgspec does not know: it asks `_by_hook`, and takes whatever comes of it."""

    project: Project

    def __instancecheck__(cls, instance: object) -> bool:
        return True


def _by_hook(kind: Any, value: Any) -> Any:
    return kind.project(value)


def hooked(name: str, project: Project) -> Any:
    """A type whose values are what ``project`` makes of others. In a union it may stand beside None alone."""
    return _Hooked(name, (), {"project": staticmethod(project)})


class Copies:
    """The annotations in which copies stand for classes; a class that holds itself is looked up when it comes."""

    def __init__(self) -> None:
        self._made: dict[int, Any] = {}

    def of(self, node: Node) -> Any:
        node = bare(node)
        if isinstance(node, inspect.UnionType):
            return self._of_union(node)
        if isinstance(node, inspect.EnumType):
            return hooked(node.cls.__name__, partial(_member, node.cls))
        if isinstance(node, Record):
            return self.of_record(node)
        if isinstance(node, inspect.TupleType):
            return tuple[tuple(map(self.of, node.item_types))]  # type: ignore[misc]  # a type made while it runs
        if isinstance(node, inspect.CollectionType):
            return kept(list[self.of(node.item_type)], node)  # type: ignore[misc]  # as above
        if isinstance(node, inspect.DictType):
            return kept(dict[self.of(node.key_type), self.of(node.value_type)], node)  # type: ignore[misc]  # as above
        return leaf(node)

    def of_record(self, node: Any) -> Any:
        known = self._made.get(id(node))
        if known is None:
            self._made[id(node)] = hooked(node.cls.__name__, partial(self._later, id(node)))
            known = self._made[id(node)] = self._copy(node)
        return known

    def _later(self, known: int, value: Any) -> Any:
        return project_onto(self._made[known])(value)

    def _copy(self, node: Any) -> Any:
        if isinstance(node, inspect.NamedTupleType):
            return tuple[tuple(self.of(field.type) for field in node.fields)]  # type: ignore[misc]  # as above
        name = node.cls.__name__
        if isinstance(node, inspect.TypedDictType):
            kinds = [(field.encode_name, self.of(field.type), field.required) for field in node.fields]
            return TypedDict(name, {field: kind if needed else NotRequired[kind] for field, kind, needed in kinds})  # type: ignore[operator]  # as above
        config = getattr(get_origin(node.cls) or node.cls, "__struct_config__", None)
        return msgspec.defstruct(
            name,
            [self.field(field) for field in node.fields],
            rename={field.name: field.encode_name for field in node.fields},
            tag_field=getattr(node, "tag_field", None),
            tag=getattr(node, "tag", None),
            array_like=is_array(node),
            omit_defaults=config is not None and config.omit_defaults,
            kw_only=True,
        )

    def field(self, field: inspect.Field) -> Any:
        kind = self.of(field.type)
        if field.required:
            return field.name, kind
        if field.default is NODEFAULT and field.default_factory is NODEFAULT:
            return field.name, hooked("unset", partial(_unless_unset, project_onto(kind))), UNSET
        if field.default is NODEFAULT and field.default_factory not in (list, dict, set):
            return (
                field.name,
                kind,
                msgspec.field(default_factory=partial(_made_as, project_onto(kind), field.default_factory)),
            )
        if isinstance(field.default, msgspec.Struct | tuple):  # of which a new one has to be made each time
            return field.name, kind, msgspec.field(default_factory=partial(project_onto(kind), field.default))
        if field.default is NODEFAULT:
            return field.name, kind, msgspec.field(default_factory=field.default_factory)
        return field.name, kind, field.default

    def _of_union(self, node: inspect.UnionType) -> Any:
        members = [bare(member) for member in node.types]
        real = [member for member in members if not isinstance(member, inspect.NoneType)]
        if len(real) == 1 or not any(
            isinstance(member, Record | inspect.EnumType) or branches(member) for member in real
        ):
            return Union[tuple(map(self.of, members))]  # noqa: UP007  # as many as there are
        return hooked("union", partial(_chosen, *self._choices(members), expected(node)))

    def _choices(self, members: list[Node]) -> tuple[dict[type, Project], list[Project]]:
        """What reduces the objects of each class, and what else may do: last what takes any object's attributes."""
        classes: dict[type, Project] = {}
        others: list[Project] = []
        for member in sorted(members, key=lambda member: isinstance(member, Record)):
            project = project_onto(self.of(member))
            others.append(project)
            if isinstance(member, Record | inspect.EnumType) and not isinstance(member, inspect.TypedDictType):
                classes[get_origin(member.cls) or member.cls] = project
        return classes, others


def _chosen(classes: dict[type, Project], others: list[Project], wanted: str, value: Any) -> Any:
    """A value of a union: by its class or the nearest base of that, else as the first member that it fits."""
    for base in type(value).__mro__:
        if base in classes:
            return classes[base](value)
    for project in others:
        try:
            return project(value)
        except msgspec.ValidationError:
            pass
    raise msgspec.ValidationError(f"Expected `{wanted}`, got `{type(value).__name__}`")


def _member(kind: Any, value: Any) -> Any:
    """A member of an enum, which msgspec takes by its value alone."""
    return value if isinstance(value, kind) else kind(value)


def _made_as(project: Project, make: Callable[[], Any]) -> Any:
    return project(make())


def _unless_unset(project: Project, value: Any) -> Any:
    return value if value is UNSET else project(value)


def kept(annotation: Any, node: Node) -> Any:
    """With the constraints of a collection."""
    found = constraints(node)
    return Annotated[annotation, msgspec.Meta(**found)] if found else annotation
