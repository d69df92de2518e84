"""What a function reads of a request: for each thing its place, its type, and what stands for it where it is missing.

Knows parameters and defaults; must not know how a value is read: `binding` compiles that, and `openapi` tells it.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from duoframe.errors import ConfigurationError
from duoframe.params import REQUIRED, Parameter, Source
from duoframe.signatures import bare, describe

Schema = Callable[[], tuple[dict[str, Any], dict[str, Any]]]


class Input:
    """One thing that is read of a request; two that stand in one place are equal.

    ``name`` is its name in the request, ``default`` is `REQUIRED` where it has none; ``schema()`` gives its JSON Schema
    and the components that this refers to.
    """

    __slots__ = ("annotation", "default", "name", "options", "required", "schema", "source")

    def __init__(
        self, source: Source, name: str, annotation: Any, default: Any, options: Mapping[str, Any], schema: Schema
    ) -> None:
        self.source = source
        self.name = name
        self.annotation = annotation
        self.required = default is REQUIRED
        self.default = default
        self.options = options
        self.schema = schema

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and (self.source, self.name) == (other.source, other.name)

    def __hash__(self) -> int:
        return hash((self.source, self.name))

    def __repr__(self) -> str:
        return f"<Input {self.source} {self.name!r}>"


class Asked:
    """A parameter of a function that a request is to give: what its author said of it."""

    def __init__(self, function: Callable[..., Any], parameter: inspect.Parameter, marker: Parameter | None) -> None:
        self.function = function
        self.name = parameter.name
        self.source = None if marker is None else marker.source
        self.options = {} if marker is None else marker.options
        default = parameter.default if marker is None or parameter.default is not marker else marker.default
        if default is parameter.empty:
            default = REQUIRED if marker is None else marker.default
        elif default is ...:  # as in a marker
            default = REQUIRED
        self.default = default
        """`REQUIRED` where there is none."""
        self.factory: Callable[[], Any] | None = self.options.get("default_factory")
        if self.factory is not None and default is not REQUIRED:
            raise self.error("has a default and a default_factory; drop one")
        if self.source != "body" and (wrong := self.options.keys() & {"embed", "media_type"}):
            raise self.error(f"is of the {self.source}, of which {' and '.join(wrong)} says nothing; that is for Body")
        self.annotation = parameter.annotation
        if self.annotation is parameter.empty and self.source not in (None, "path"):
            known = default is not REQUIRED and default is not None
            self.annotation = type(default) if known else Any if self.source == "body" else str
        self.type = bare(self.annotation)

    @property
    def required(self) -> bool:
        """Whether nothing stands for it where a request does not give it."""
        return self.default is REQUIRED and self.factory is None

    @property
    def wire(self) -> str:
        """Its name in the request."""
        alias = self.options.get("alias")
        if self.source != "header":
            return alias or self.name
        return str.lower(alias or self.name.replace("_", "-"))

    def admit_none(self) -> None:
        """None stands in for it where nothing else does: its type says that None is a value."""
        if self.required:
            self.default = None

    def stand_in(self) -> tuple[bool, Any]:
        """What stands in for it where it is missing, and whether that is to be called for one."""
        if self.factory is not None:
            return True, self.factory
        if _is_constant(self.default):
            return False, self.default
        return True, functools.partial(copy.deepcopy, self.default)

    def input(self, source: Source, schema: Schema, **options: Any) -> Input:
        """Its description, for others."""
        default = REQUIRED if self.required else None if self.factory is not None else self.default
        return Input(source, self.wire, self.type, default, {**self.options, **options}, schema)

    def error(self, problem: str) -> ConfigurationError:
        """That something is wrong with the parameter."""
        return ConfigurationError(f"{describe(self.function)} has a parameter {self.name!r} that {problem}")


def check_together(inputs: Iterable[Input], stream: bool) -> None:
    """Refuse what no one request can give. Raises `ConfigurationError`."""
    bodies = {read.source: read.name for read in inputs if read.source in ("body", "form", "file")}
    forms = bodies.keys() - {"body"}
    if forms and "body" in bodies:
        raise ConfigurationError(
            f"{bodies['body']!r} is read of a JSON body and {bodies[min(forms)]!r} of a form, and a request has one"
            " body; take all of them from the form, or from the JSON"
        )
    if bodies and stream:
        source = min(bodies)
        raise ConfigurationError(
            f"{bodies[source]!r} is read of the {source}, and with stream=True the handler reads the body itself;"
            " drop one of the two"
        )


def _is_constant(value: Any) -> bool:
    """Whether a value can be handed to every request as it is."""
    try:
        return copy.deepcopy(value) is value
    except Exception:  # what cannot be copied
        return True
