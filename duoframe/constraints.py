"""What a value must keep beside its type: ``ge``, ``max_length``, ``pattern`` and the like.

Knows how they are written (`params.Options`, `msgspec.Meta`, the objects of `annotated_types`), checked, told and put
into JSON Schema; must not know where a value came from. `texts` and `shapes` read values by them.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any

from duoframe.errors import ConfigurationError

NUMBER = ("ge", "gt", "le", "lt", "multiple_of")
LENGTH = ("min_length", "max_length")
TEXT = (*LENGTH, "pattern")
MOMENT = ("tz",)
"""Whether there is a time zone: of `msgspec.Meta` alone."""
_ALL = (*NUMBER, *TEXT, *MOMENT)

Constraints = Mapping[str, Any]
"""A part of `params.Options`: constraints alone, each with its value."""
Check = Callable[[Any], Any]
"""Whether a value keeps a constraint, as something true or false."""


def constraints_in(options: Mapping[str, Any]) -> Constraints:
    """The constraints among options. Raises `ConfigurationError` for one whose value makes no sense."""
    found = {name: options[name] for name in _ALL if options.get(name) is not None}
    for name, value in found.items():
        wanted, is_one = _SENSE[name]
        if not is_one(value):
            raise ConfigurationError(f"{name}={value!r}: expected {wanted}")
    return found


def constraints_of(metadata: Iterable[Any]) -> Constraints:
    """The constraints that stand inside an ``Annotated[...]``: those of msgspec, Pydantic and `annotated_types`."""
    found: Constraints = {}
    for one in metadata:
        if type(one).__module__.partition(".")[0] in ("msgspec", "annotated_types", "pydantic"):
            found = both(found, constraints_in({name: getattr(one, name, None) for name in _ALL}))
            found = both(found, constraints_of(getattr(one, "metadata", ())))
    return found


def refuse_unkept(metadata: Iterable[Any]) -> None:
    """Raise `ConfigurationError` for a constraint of `annotated_types` that only Pydantic keeps."""
    for one in metadata:
        if type(one).__module__ == "annotated_types" and (hasattr(one, "func") or hasattr(one, "tz")):
            fix = "write `pydantic.AfterValidator(...)` or `msgspec.Meta(...)`"
            raise ConfigurationError(f"nobody keeps {one!r}; {fix}")


def notes_of(metadata: Iterable[Any]) -> dict[str, Any]:
    """What a `msgspec.Meta` or a `pydantic.Field` inside an ``Annotated[...]`` adds to a JSON Schema."""
    notes: dict[str, Any] = {}
    for one in metadata:
        if type(one).__module__.partition(".")[0] in ("msgspec", "pydantic"):
            said = {name: getattr(one, name, None) for name in ("title", "description", "examples")}
            notes |= {name: value for name, value in said.items() if value is not None}
            notes |= getattr(one, "extra_json_schema", None) or {}
    return notes


def both(one: Constraints, other: Constraints) -> Constraints:
    """Constraints as strict as either; of two patterns or steps that of ``other``."""
    merged = {**one, **other}
    for name in one.keys() & other.keys() & _TIGHTEST.keys():
        merged[name] = _TIGHTEST[name](one[name], other[name])
    return merged


def checks_of(constraints: Constraints) -> tuple[Check, ...]:
    """One function for each constraint, in C where there is one."""
    return tuple(_CHECKS[name](value) for name, value in constraints.items())


def told(kind: str, constraints: Constraints, unit: str = "character") -> str:
    """A type with its constraints: ``int >= 1 and <= 10``, ``str of at most 5 characters``."""
    words = [f"{_SIGNS[name]} {value}" for name, value in constraints.items() if name in _SIGNS]
    bounds = [f"{_BOUNDS[name]} {constraints[name]}" for name in LENGTH if name in constraints]
    if len(bounds) == 2 and constraints["min_length"] == constraints["max_length"]:
        bounds = [str(constraints["min_length"])]
    if bounds:
        last = next(constraints[name] for name in reversed(LENGTH) if name in constraints)
        words.append(f"of {' and '.join(bounds)} {unit}{'' if last == 1 else 's'}")
    if "pattern" in constraints:
        words.append(f"matching {constraints['pattern']!r}")
    if "tz" in constraints:
        words.append(f"{'with' if constraints['tz'] else 'without'} a time zone")
    return f"{kind} {' and '.join(words)}" if words else kind


def schema_of(constraints: Constraints, things: str = "Length") -> dict[str, Any]:
    """The keywords of JSON Schema; ``things`` is ``"Items"`` for a collection."""
    plain = {name: float(value) if isinstance(value, Decimal) else value for name, value in constraints.items()}
    return {_KEYWORDS.get(name, f"{name[:3]}{things}"): value for name, value in plain.items() if name != "tz"}


def _step(multiple: Any) -> Check:
    """Exact in decimal, as the number is written: 0.3 is a multiple of 0.1."""
    step = Fraction(str(multiple))
    return lambda value: (Fraction(str(value)) / step).denominator == 1


def _is_pattern(value: object) -> bool:
    try:
        re.compile(value)  # type: ignore[call-overload]  # a TypeError is an answer
    except (TypeError, re.error):
        return False
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool) and math.isfinite(value)


def _is_step(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


_SENSE: dict[str, tuple[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(NUMBER, ("a number", _is_number)),
    "multiple_of": ("a number above 0", _is_step),
    **dict.fromkeys(LENGTH, ("a length", _is_length)),
    "pattern": ("a regular expression", _is_pattern),
    "tz": ("True or False", lambda value: isinstance(value, bool)),
}
_TIGHTEST: dict[str, Callable[[Any, Any], Any]] = {
    "ge": max,
    "gt": max,
    "min_length": max,
    "le": min,
    "lt": min,
    "max_length": min,
}
_CHECKS: dict[str, Callable[[Any], Check]] = {
    "ge": lambda bound: partial(operator.le, bound),
    "gt": lambda bound: partial(operator.lt, bound),
    "le": lambda bound: partial(operator.ge, bound),
    "lt": lambda bound: partial(operator.gt, bound),
    "multiple_of": _step,
    "min_length": lambda bound: lambda value: len(value) >= bound,
    "max_length": lambda bound: lambda value: len(value) <= bound,
    "pattern": lambda pattern: re.compile(pattern).search,
    "tz": lambda wanted: lambda value: (value.tzinfo is not None) is wanted,
}
_SIGNS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "multiple_of": "a multiple of"}
_BOUNDS = {"min_length": "at least", "max_length": "at most"}
_KEYWORDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
