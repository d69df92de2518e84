"""From JSON to a value of any declared type, and back.

    shape_of(list[Item]).decode(b'[{"name": "a"}]')        # [Item(name='a')]

Knows types; must not know requests, nor texts, which `texts` reads. msgspec reads Structs, dataclasses, TypedDicts,
attrs classes and what is made of them; a type with a Pydantic model anywhere in it is Pydantic's (`models`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Literal, Protocol

from duoframe.annotations import is_pydantics, parts
from duoframe.constraints import Constraints, constraints_in
from duoframe.errors import ConfigurationError
from duoframe.faults import Fault, Location

Mode = Literal["input", "output"]
Schema = dict[str, Any]


class Shape(Protocol):
    """How values of one type are read, written and described."""

    annotation: Any
    invalid: tuple[type[Exception], ...]
    """What is raised for a value that does not fit."""
    expected: str
    """The type as messages tell it: ``"object"``."""

    @property
    def decode(self) -> Callable[[bytes], Any]:
        """Gives the value that a JSON text says.

        Raises one of ``invalid`` for one that does not fit; for what is no JSON `msgspec.DecodeError`,
        `UnicodeDecodeError` and `RecursionError`.
        """
        ...

    @property
    def convert(self) -> Callable[[Any], Any]:
        """Gives the value of what has been decoded already. Raises one of ``invalid``."""
        ...

    @property
    def encode(self) -> Callable[[Any], bytes]:
        """Gives the JSON text of a value's declared fields, and of no others.

        Raises one of ``invalid`` for a value that does not fit; for one that no text can hold `UnicodeEncodeError` and
        `RecursionError`.
        """
        ...

    @property
    def builtins(self) -> Callable[[Any], Any]:
        """Gives what `encode` writes as dicts, lists, texts and numbers."""
        ...

    def faults(self, builtins: Any, loc: Location) -> list[Fault]:
        """What is wrong with decoded JSON: a fault for each of its fields or items, the first inside it."""
        ...

    def schema(self, mode: Mode) -> tuple[Schema, dict[str, Schema]]:
        """The JSON Schema (2020-12), and by name those that it refers to as ``#/components/schemas/...``."""
        ...


def shape_of(annotation: Any, options: Mapping[str, Any] = MappingProxyType({})) -> Shape:
    """The shape of a type; ``options`` may hold constraints.

    Raises `ConfigurationError` for a type that cannot be read of JSON, and for a constraint that does not apply to it.
    """
    constraints = constraints_in(options)
    found = list(parts(annotation))
    if any(is_pydantics(kind, metadata) for kind, metadata in found):
        try:
            from duoframe.models import ModelShape
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{annotation!r} holds what Pydantic reads: install the extra, pip install 'duoframe[pydantic]'"
            ) from error
        return ModelShape(annotation, constraints)
    for kind, metadata in found:
        if any(type(one).__module__ == "annotated_types" for one in metadata):
            raise ConfigurationError(
                f"{kind!r} in {annotation!r} is constrained by {metadata!r}, which only Pydantic's models know;"
                " write `msgspec.Meta(...)` there"
            )
    return PlainShape(annotation, constraints)


class PlainShape:
    """The shape of a type that msgspec reads."""

    def __init__(self, annotation: Any, constraints: Constraints) -> None:
        import msgspec

        from duoframe.builders import builder, converts
        from duoframe.outlines import expected, outline
        from duoframe.projections import projection

        annotation = Annotated[annotation, msgspec.Meta(**constraints)] if constraints else annotation
        self.annotation = annotation
        self._tree = outline(annotation)
        self.expected = expected(self._tree)
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(annotation).decode
        self.convert: Callable[[Any], Any] = partial(msgspec.convert, type=annotation, str_keys=True)
        if converts(self._tree):
            build, read = builder(self._tree), msgspec.json.decode
            self.convert, self.decode = build, lambda data: build(read(data))
        self.invalid: tuple[type[Exception], ...] = (msgspec.ValidationError,)
        project, encode = projection(self._tree), msgspec.json.Encoder().encode
        self.encode = lambda value: encode(project(value))
        self.builtins = lambda value: msgspec.to_builtins(project(value), str_keys=True)

    def faults(self, builtins: Any, loc: Location) -> list[Fault]:
        from duoframe.misfits import misfits, refused

        found = misfits(self._tree, builtins, loc)
        if not found:
            try:
                self.convert(builtins)
            except self.invalid as error:
                found.append(refused(error, builtins, loc))
        return found

    def schema(self, mode: Mode) -> tuple[Schema, dict[str, Schema]]:
        import msgspec

        (schema,), components = msgspec.json.schema_components(
            [self.annotation], ref_template="#/components/schemas/{name}"
        )
        return schema, components
