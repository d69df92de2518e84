"""What stands under the names and wrappings of a type."""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, NewType, Optional, TypeVar, Union

import pydantic
import pytest
from typing_extensions import TypeAliasType

from duoframe.annotations import is_pydantics, members, parts, spelled_out, unwrapped

Id = NewType("Id", Annotated[int, "of a row"])
alias_of: Any = TypeAliasType  # of which mypy knows only those that are written out
Alias: Any = TypeAliasType("Alias", Annotated[list[Id], "alias"])
A = TypeVar("A")
B = TypeVar("B")
Same: Any = alias_of("Same", A, type_params=(A,))
Maybe: Any = alias_of("Maybe", Union[A, None], type_params=(A,))  # noqa: UP007  # of a variable
Turned: Any = alias_of("Turned", dict[B, A], type_params=(A, B))  # type: ignore[valid-type]  # that is the case
Noted: Any = alias_of("Noted", Annotated[Maybe[B], "noted"], type_params=(A, B))


@pytest.mark.parametrize(
    ("annotation", "kind", "metadata"),
    [
        (int, int, ()),
        (None, NoneType, ()),
        (Annotated[Annotated[int, 1], 2], int, (1, 2)),
        (Annotated[Id, 1], int, ("of a row", 1)),
        (Annotated[Alias, 1], list[Id], ("alias", 1)),
        (Same[Id], int, ("of a row",)),
        (Maybe[int], Optional[int], ()),  # noqa: UP045  # as above
        (Turned[int, str], dict[str, int], ()),
        (Noted[str, int], Optional[int], ("noted",)),  # noqa: UP045  # as above
        (Turned, dict[B, A], ()),  # type: ignore[valid-type]  # that is the case
    ],
)
def test_a_type_is_found_under_its_names(annotation: Any, kind: Any, metadata: tuple[Any, ...]) -> None:
    assert unwrapped(annotation) == (kind, metadata)


def test_an_alias_is_spelled_out_and_a_new_type_keeps_its_name() -> None:
    assert spelled_out(Alias) == Annotated[list[Id], "alias"]
    assert spelled_out(Annotated[Noted[str, Id], 1]) == Annotated[Optional[Id], "noted", 1]  # noqa: UP045  # as above
    assert spelled_out(Id) is Id
    assert spelled_out(Annotated[int, 1]) == Annotated[int, 1]


def test_a_union_has_members_however_it_is_written() -> None:
    assert members(int | str) == members(Union[int, str]) == (int, str)  # noqa: UP007  # the older form is the point
    assert members(Optional[int]) == (int, NoneType)  # noqa: UP045  # as above
    assert members(list[int]) == (list[int],)


@dataclass
class Leaf:
    number: Annotated[int, "of the leaf"]


@dataclass
class Node:
    leaves: dict[str, list[Leaf]]
    next: Node | None


@dataclass
class Unknown:
    what: Missing  # type: ignore[name-defined]  # noqa: F821  # nobody knows it


def test_the_parts_of_a_type_are_its_arguments_and_the_fields_of_its_classes() -> None:
    found = list(parts(list[Node] | None))
    assert {(Node, ()), (Leaf, ()), (int, ("of the leaf",)), (str, ()), (NoneType, ())} <= set(found)
    assert len([kind for kind, _ in found if kind is Leaf]) == 1
    assert list(parts(Unknown)) == [(Unknown, ())]


class Model(pydantic.BaseModel):
    name: str


@pytest.mark.parametrize(
    ("kind", "metadata", "is_one"),
    [
        (int, (), False),
        (int, ("noted",), False),
        (int, (pydantic.Field(ge=1),), True),
        (Model, (), True),
        (pydantic.SecretStr, (), True),
    ],
)
def test_what_is_pydantics_is_known(kind: Any, metadata: tuple[Any, ...], is_one: bool) -> None:
    assert is_pydantics(kind, metadata) is is_one
