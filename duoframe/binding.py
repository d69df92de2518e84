"""From a function's signature to one call that takes the request, written and compiled when its route is registered.

Knows what a parameter means and where its value stands; must not know when or where the call is made: `plan` does.
`from_text` and `from_body` write what reads the values, `inputs` tells others what is read.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from duoframe.errors import ConfigurationError
from duoframe.from_body import files_asked, write_bodies, write_file
from duoframe.from_text import reader_of, write_group, write_path, write_text
from duoframe.groups import group_of
from duoframe.inputs import Asked, Input
from duoframe.lines import Known, Lines, path_part
from duoframe.params import Dependency, Source
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.signatures import bare, is_optional, marker_of, signature_of

Supply = Callable[[Dependency, Any], int]
"""The slot of the value that a dependency makes, for a parameter with this annotation."""


class Bound(NamedTuple):
    """A function with all that it reads of a request."""

    call: Callable[[Request], Any]
    """Gives the function its arguments. Raises `RequestValidationError`, or `HTTPException` for a body as a whole."""
    inputs: tuple[Input, ...]


def bind(
    function: Callable[..., Any],
    path_parameters: Mapping[str, str],
    supply: Supply,
    known: Known,
    *,
    embed: bool = False,
    first: bool = True,
    last: bool = True,
) -> Bound:
    """The call ``bound.call(request)`` that gives ``function`` the arguments its signature asks for.

    ``path_parameters`` maps the parts of the path to the names of their converters, to ``""`` for one of the
    application's own. A parameter annotated `Request` gets the request, and so does one of that name; one named like a
    part of the path gets that part; `Depends` and the markers of `params` say it of others. Without a marker an
    `UploadFile` is a file of a form, what a text can stand for is read of the query, and all else of the JSON body;
    ``**kwargs`` gets the other parts of the path. ``known`` is what its route reads, ``embed`` says that each body is a
    member of one object, ``first`` and ``last`` where it is among what its route binds: the last tells the faults of
    those before it too. Raises `ConfigurationError` for what no request can give.
    """
    binder = _Binder(function, path_parameters, supply, known, embed)
    binder.lines.waits, binder.lines.ends = not first, last
    parameters = signature_of(function).parameters
    arguments = []
    for parameter in parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments += [f"{part}={path_part(part)}" for part in path_parameters if part not in parameters]
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            arguments += binder.argument(parameter)
    by_position = all(parameter.kind in _POSITIONAL for parameter in parameters.values())
    alone = first and by_position and not hasattr(function, "__wrapped__")
    if alone and arguments in (["request"], ["request=request"]):
        return Bound(function, ())  # it takes the request and nothing else: no call of ours stands between
    return binder.compile(arguments)


class _Binder:
    """Finds out what the parameters of one function mean."""

    def __init__(
        self,
        function: Callable[..., Any],
        path_parameters: Mapping[str, str],
        supply: Supply,
        known: Known,
        embed: bool,
    ) -> None:
        self._function = function
        self._path_parameters = path_parameters
        self._supply = supply
        self.lines = Lines(function, known)
        self._bodies: list[Asked] = []
        self._embed = embed

    def argument(self, parameter: inspect.Parameter) -> list[str]:
        """What the call says for a parameter; nothing where its default stays."""
        value = self._value(parameter)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            return [value or self.lines.name(parameter.name, "default", parameter.default)]
        return [] if value is None else [f"{parameter.name}={value}"]

    def compile(self, arguments: list[str]) -> Bound:
        """The call with these arguments."""
        write_bodies(self.lines, self._bodies, self._embed)
        return Bound(self.lines.compile(arguments), tuple(self.lines.inputs))

    def _value(self, parameter: inspect.Parameter) -> str | None:
        """The expression that gives a parameter its value; None where its default stays."""
        name, annotation = parameter.name, parameter.annotation
        kind, marker = bare(annotation), marker_of(parameter, self._function)
        if isinstance(marker, Dependency):
            self.lines.waits = True
            return f"request._given[{self._supply(marker, kind)}]"
        if marker is None and isinstance(kind, type) and issubclass(kind, Request):
            return "request"
        asked = Asked(self._function, parameter, marker)
        if asked.wire in self._path_parameters and asked.source in (None, "path"):
            return write_path(self.lines, asked, self._path_parameters[asked.wire])
        if name == "request" and marker is None:
            return "request"
        if name in self._path_parameters:
            raise asked.error(f"is a part of the path and read of the {asked.source} at once; rename one of them")
        if marker is None and isinstance(kind, type) and issubclass(kind, Response):
            raise asked.error("is a Response, which no request gives: make one and return it")
        if asked.source == "path" or asked.type is parameter.empty:
            if asked.source is None and is_optional(parameter):
                return None
            raise self._unknown(asked)
        return self._read(asked)

    def _read(self, asked: Asked) -> str:
        """What is read of the query, a field, a cookie or the body."""
        source = asked.source
        if source is None:
            source = "file" if files_asked(asked.type) else "body" if reader_of(asked) is None else "query"
        if isinstance(asked.type, TypeVar):
            raise asked.error(f"is {asked.type!r}, which stands for no type here; annotate it with one")
        if asked.type is bytes and (source != "body" or asked.source is None):
            raise asked.error("is bytes, which no text stands for; annotate it UploadFile, or read request.body")
        if source == "file":
            write_file(self.lines, asked)
        elif source == "body":
            self._bodies.append(asked)
        elif (reader := reader_of(asked)) is not None:
            write_text(self.lines, asked, source, reader)
        else:
            self._group(asked, source)
        return f"{asked.name}_"

    def _group(self, asked: Asked, source: Source) -> None:
        try:
            group = group_of(asked.type)
        except (NameError, SyntaxError, TypeError) as error:
            raise asked.error(f"is {asked.type!r}, whose fields cannot be read: {error}") from error
        if group is None:
            raise asked.error(f"is {asked.type!r}, which no text of the {source} stands for")
        write_group(self.lines, asked, source, group)

    def _unknown(self, asked: Asked) -> ConfigurationError:
        known = ", ".join(sorted(self._path_parameters)) or "none"
        return asked.error(
            f"names no part of the path (its parameters: {known}); rename it, give it a default, annotate it to have it"
            f" read of the query or the body, or add {{{asked.wire}}} to the path"
        )


_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
