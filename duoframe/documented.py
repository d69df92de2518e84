"""What a user says of the application, and of one route, for those who read its description.

Knows texts and what the OpenAPI specification asks of them; must not know requests, nor what the code itself tells:
`openapi` puts both into one document.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from duoframe.errors import ConfigurationError

_STATUS = re.compile(r"[1-5](?:[0-9]{2}|XX)|default")
_RESPONSE = frozenset(("model", "description", "headers", "content", "links"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """What is said of a route. Raises `ConfigurationError` for what no document can hold."""

    summary: str | None = None
    """A few words; without it the handler's name."""
    description: str | None = None
    """Markdown; without it the handler's docstring."""
    response_description: str | None = None
    """Of the answer when all goes well."""
    responses: Mapping[int | str, Any] = field(default_factory=dict)
    """Other answers by status, ``"4XX"`` or ``"default"``: a type, or a Response Object that may have a ``model``."""
    deprecated: bool = False
    operation_id: str | None = None
    include_in_schema: bool = True

    def __post_init__(self) -> None:
        for status, response in self.responses.items():
            if not _STATUS.fullmatch(str(status)):
                raise ConfigurationError(f"responses={{{status!r}: ...}}: expected a status, '4XX' or 'default'")
            if isinstance(response, Mapping) and (unknown := response.keys() - _RESPONSE):
                raise ConfigurationError(
                    f"responses={{{status!r}: ...}}: expected {', '.join(sorted(_RESPONSE))}, got {sorted(unknown)}"
                )
            _check_model(response.get("model") if isinstance(response, Mapping) else response)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What is said of an application. Raises `ConfigurationError` for what no document can hold."""

    title: str
    version: str
    """Of the application, not of OpenAPI."""
    summary: str | None = None
    description: str | None = None
    servers: Sequence[str | Mapping[str, Any]] = ()
    """Where it answers: URLs, or Server Objects."""
    tags: Sequence[str | Mapping[str, Any]] = ()
    """In the order in which readers see them: names, or Tag Objects."""

    def __post_init__(self) -> None:
        for name in ("title", "version"):
            if not isinstance(value := getattr(self, name), str):
                raise ConfigurationError(f"App({name}=...): expected text, got {value!r}")
        for name, key in _KEYS.items():
            items = getattr(self, name)
            if isinstance(items, str) or not all(isinstance(item, str) or key in item for item in items):
                raise ConfigurationError(
                    f"App({name}=...): expected a list of texts, or of mappings with {key!r}, got {items!r}"
                )

    def members(self) -> dict[str, Any]:
        """The members ``info``, ``servers`` and ``tags`` of the document, as far as they were said."""
        said = {"title": self.title, "version": self.version, "summary": self.summary, "description": self.description}
        info = {name: text for name, text in said.items() if text is not None}
        lists = {name: _objects(key, getattr(self, name)) for name, key in _KEYS.items()}
        return {"info": info, **{name: objects for name, objects in lists.items() if objects}}


_KEYS = {"servers": "url", "tags": "name"}
"""What the objects of a list need, and a text alone stands for."""


def _check_model(model: Any) -> None:
    """Raise `ConfigurationError` for a type that cannot be described."""
    if model is not None:
        from duoframe.shapes import shape_of

        shape_of(model).schema("output")


def _objects(key: str, items: Sequence[str | Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{key: item} if isinstance(item, str) else dict(item) for item in items]
