"""The schemas that a document names: each is there once, and no two bear one name.

Knows JSON Schema as far as references go; must not know what a schema stands for. `operations` fills it.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

Mode = Literal["input", "output"]
Described = tuple[dict[str, Any], Mapping[str, Any]]
"""A schema, and by name those that it refers to."""

_PLACE = "#/components/schemas/"


class Components:
    """The schemas of one document: the first of a name keeps it, whatever differs gets one of its own."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._modes: dict[str, Mode] = {}

    def take(self, described: Described, mode: Mode) -> dict[str, Any]:
        """The schema, with what it refers to among ours."""
        schema, parts = described
        names = {name: self._name(name, _content(name, parts), mode) for name in parts}
        for name, own in names.items():
            if own not in self.schemas:
                self.schemas[own] = _renamed(parts[name], names)
        return _renamed(schema, names)  # type: ignore[no-any-return]  # a dict as before

    def _name(self, name: str, content: str, mode: Mode) -> str:
        known = self._names.get((name, content))
        if known is None:
            base = re.sub(r"[^A-Za-z0-9._-]+", "_", name)  # OpenAPI 3.1.1 §4.8.7
            other = [f"{base}{mode.capitalize()}"] if self._modes.get(base, mode) != mode else []
            numbered = (f"{base}{number}" for number in itertools.count(2))
            known = next(own for own in itertools.chain([base], other, numbered) if own not in self._modes)
            self._names[name, content] = known
            self._modes[known] = mode
        return known


def _content(name: str, parts: Mapping[str, Any]) -> str:
    """All that is behind a name: two of one name are one schema where this is the same."""
    reached: dict[str, Any] = {}
    left = [name]
    while left:
        at = left.pop()
        if at not in reached:
            reached[at] = parts[at]
            left += [part for part in _references(parts[at]) if part in parts]
    return json.dumps(reached, sort_keys=True)


def _references(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value.removeprefix(_PLACE)] if value.startswith(_PLACE) else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [name for item in inner for name in _references(item)]


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A schema whose references go to other names; a discriminator's too (OpenAPI 3.1.1 §4.8.25)."""
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if isinstance(value, str) and value.startswith(_PLACE):
        name = value.removeprefix(_PLACE)
        return _PLACE + names.get(name, name)
    return value
