"""The lines of one call while it is written.

Knows text and the names in it; must not know what the lines read: `from_text` and `from_body` write them, `binding`
says which. A value has the name of its parameter and an underscore; the names of all else end in a letter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from duoframe.faults import Location
from duoframe.generated import generate
from duoframe.inputs import Asked, Input
from duoframe.params import Source
from duoframe.readings import HELPERS
from duoframe.signatures import describe

Known = defaultdict[str, set[str]]
"""The names that are read of a request, by their sources."""


class Lines:
    """The source of a call of ``function``; ``known`` are the names that its route reads, which it adds its own to."""

    def __init__(self, function: Callable[..., Any], known: Known) -> None:
        self.inputs: list[Input] = []
        """What the lines read."""
        self.names: dict[str, Any] = {"function": function, **HELPERS}
        self.waits = False
        """Whether something that runs before may have found faults."""
        self.ends = True
        """Whether nothing more is read behind these lines, so that all the faults are to be told."""
        self._known = known
        self._first: list[str] = []
        self._lines: list[str] = []

    def first(self, line: str) -> None:
        """A line that stands once before those that read."""
        if line not in self._first:
            self._first.append(line)

    def add(self, *lines: str) -> None:
        """Lines behind those that are there."""
        self._lines += lines

    def name(self, parameter: str, what: str, value: Any) -> str:
        """A name for a value that the lines are to know; each value has its own."""
        name = f"{parameter}_{what}"
        while name in self.names and self.names[name] is not value:
            name += "_too"
        self.names[name] = value
        return name

    def known(self, source: Source) -> str:
        """A name for the names of all that the route reads of a source."""
        return self.name(source, "known", self._known[source])

    def absent(self, asked: Asked, loc: Location, expected: str) -> str:
        """The line for a value that the request does not have."""
        default = self.default(asked)
        if default is None:
            return f"faults = missing(faults, {loc!r}, {expected!r})"
        return f"{asked.name}_ = {default}"

    def default(self, asked: Asked) -> str | None:
        """The expression for what stands in for a missing value; None where nothing does."""
        if asked.required:
            return None
        make, value = asked.stand_in()
        if value is None:
            return "None"
        name = self.name(asked.name, "default", value)
        return f"{name}()" if make else name

    def compile(self, arguments: list[str]) -> Callable[..., Any]:
        """The call, which gives the function these arguments."""
        for read in self.inputs:
            self._known[read.source].add(read.name)
        lines = [*self._first, *self._lines]
        if self._lines:
            lines = ["faults = None", *lines]
            if self.ends:
                lines += ["if faults is not None or request._faults is not None:", "    refuse(request, faults)"]
            else:
                lines += ["if faults is not None:", "    return keep(request, faults)"]
        elif self.waits and self.ends:
            lines += ["if request._faults is not None:", "    refuse(request, None)"]
        lines.append(f"return function({', '.join(arguments)})")
        text = "\n".join(["def call(request):", *indented(*lines)]) + "\n"
        return generate(text, "call", self.names, describe(self.names["function"]))  # type: ignore[no-any-return]  # a function


def path_part(name: str) -> str:
    """The expression for a part of the path."""
    return f"request.path_params[{name!r}]"


def indented(*lines: str) -> list[str]:
    """Lines one level deeper."""
    return [f"    {line}" for line in lines]
