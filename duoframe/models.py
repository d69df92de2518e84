"""The shapes of types that Pydantic reads: those with one of its models, or of its annotations, anywhere in them.

Knows Pydantic, and is not imported where there is none of it; must not know requests. `shapes` says what a shape is.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_origin

import msgspec
from pydantic import Field, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from duoframe.annotations import members, unwrapped
from duoframe.constraints import LENGTH, NUMBER, TEXT, Constraints, told
from duoframe.errors import ConfigurationError
from duoframe.faults import Fault, Location, fault, place
from duoframe.misfits import MAX_FAULTS, kind_of, shown

_MODES: Mapping[str, Literal["validation", "serialization"]] = {"input": "validation", "output": "serialization"}


class ModelShape:
    """The shape of a type as a `pydantic.TypeAdapter` reads and writes it."""

    invalid: tuple[type[Exception], ...] = (ValidationError, PydanticSerializationError)
    expected = "a value"

    def __init__(self, annotation: Any, constraints: Constraints) -> None:
        if constraints:
            takes = {name for member in members(unwrapped(annotation)[0]) for name in _takes(member)}
            if wrong := constraints.keys() - takes:
                raise ConfigurationError(f"{', '.join(sorted(wrong))} does not apply to {annotation!r}")
            annotation = Annotated[annotation, Field(**constraints)]
        self.annotation = annotation
        try:
            self._adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
            raise ConfigurationError(
                f"{annotation!r} holds what Pydantic reads, and Pydantic cannot read all of it: {error}\n"
                "Make what is no model, as a Struct, a model or a dataclass, or take the models out"
            ) from error

    def decode(self, data: bytes) -> Any:
        """JSON as everywhere: msgspec is stricter about what is JSON at all, `NaN` for one."""
        msgspec.json.decode(data)
        try:
            return self._adapter.validate_json(data)
        except ValidationError as error:
            if error.errors()[0]["type"] == "json_invalid":  # deeper than Pydantic goes
                raise msgspec.DecodeError(str(error.errors()[0]["msg"])) from None
            raise

    def convert(self, builtins: Any) -> Any:
        """By way of JSON where there is one, so that strict models read what `decode` does."""
        try:
            data = msgspec.json.encode(builtins)
        except (TypeError, ValueError):
            return self._adapter.validate_python(builtins)
        return self._adapter.validate_json(data)

    def encode(self, value: Any) -> bytes:
        return self._adapter.dump_json(self._checked(value), by_alias=True, warnings="error")

    def builtins(self, value: Any) -> Any:
        return self._adapter.dump_python(self._checked(value), mode="json", by_alias=True, warnings="error")

    def _checked(self, value: Any) -> Any:
        return self._adapter.validate_python(value, from_attributes=True)

    def faults(self, builtins: Any, loc: Location) -> list[Fault]:
        try:
            self.convert(builtins)
        except ValidationError as error:
            found: dict[Location, Fault] = {}
            for one in error.errors(include_url=False):
                made = _fault(one, builtins, loc)
                found.setdefault(made.loc[: len(loc) + 1], made)
            return list(found.values())[:MAX_FAULTS]
        return []

    def schema(self, mode: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        named, definitions = TypeAdapter.json_schemas(
            [("it", _MODES[mode], self._adapter)], ref_template="#/components/schemas/{model}"
        )
        return named["it", _MODES[mode]], definitions.get("$defs", {})


def _takes(annotation: Any) -> tuple[str, ...]:
    """The constraints that may stand around a type: a model has none."""
    kind = unwrapped(annotation)[0]
    return _TAKES.get(get_origin(kind) or kind, ())


def _fault(error: Mapping[str, Any], value: Any, loc: Location) -> Fault:
    """What Pydantic says of a place, in our words where it is about a type or a constraint."""
    loc = (*loc, *_place(error["loc"], value))
    kind, said, got = error["type"], error.get("ctx", {}), error["input"]
    if kind == "missing":
        return fault(loc, ModelShape.expected, "nothing")
    if kind == "extra_forbidden":
        return fault(loc, "nothing", kind_of(got))
    if kind in ("literal_error", "enum"):
        return fault(loc, f"one of {said['expected']}", shown(got))
    if kept := {name: said[name] for name in (*NUMBER, *TEXT) if name in said}:
        name = "number" if isinstance(got, str) and kept.keys() & set(NUMBER) else kind_of(got)
        return fault(loc, told(name, kept, "character" if isinstance(got, str) else "item"), shown(got))
    if match := _TYPE.fullmatch(kind):
        return fault(loc, _NAMES.get(match[1], match[1]), shown(got) if match[2] == "parsing" else kind_of(got))
    words = str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return Fault(loc, f"{words} at `{place(loc)}`", words, shown(got))


def _place(path: Location, value: Any) -> Location:
    """Where a value stands, without the names of the members of unions that Pydantic tried on the way."""
    found: Location = ()
    for number, part in enumerate(path, 1):
        try:
            value = value[part]
        except (LookupError, TypeError):
            if number < len(path) or not isinstance(value, dict):
                continue
        found = (*found, part)
    return found


_TAKES: dict[Any, tuple[str, ...]] = {
    **dict.fromkeys((int, float, decimal.Decimal), NUMBER),
    **dict.fromkeys((list, tuple, set, frozenset, dict), LENGTH),
    str: TEXT,
}
_TYPE = re.compile(r"(time_delta|frozen_set|model_attributes|[a-z]+)_(type|parsing|required|from_[a-z_]+)")
_NAMES = {
    "string": "str",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "frozen_set": "array",
    "dict": "object",
    "model": "object",
    "dataclass": "object",
    "model_attributes": "object",
    "time_delta": "timedelta",
    "uuid": "UUID",
    "decimal": "Decimal",
    "none": "null",
}
