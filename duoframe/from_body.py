"""Writes the lines that read a JSON body, members of one, and the files of a form.

Knows where they stand; must not know how JSON is read: `shapes` does.
"""

from __future__ import annotations

import collections.abc
import functools
import types
import typing
from typing import Any

from duoframe.annotations import members, unwrapped
from duoframe.errors import ConfigurationError
from duoframe.inputs import Asked
from duoframe.lines import Lines, indented
from duoframe.shapes import Shape, shape_of
from duoframe.uploads import UploadFile

_SAID_OF_FILES = {"alias", "default_factory", "title", "description", "examples", "deprecated", "include_in_schema"}
_FILE = {"type": "string", "format": "binary"}


def files_asked(kind: Any) -> int:
    """How many files a parameter of this type takes: 1, 2 for any number, 0 for what is no file."""
    kinds = [part for part in members(unwrapped(kind)[0]) if part is not types.NoneType]
    if len(kinds) != 1:
        return 0
    if typing.get_origin(kinds[0]) in (list, collections.abc.Sequence):
        return 2 * (typing.get_args(kinds[0]) == (UploadFile,))
    return int(kinds[0] is UploadFile)


def write_file(lines: Lines, asked: Asked) -> None:
    """A file of a form, or all files of a name."""
    count = files_asked(asked.type)
    if not count:
        raise asked.error(f"is {asked.type!r}; a file is an UploadFile, and several are a list[UploadFile]")
    if wrong := asked.options.keys() - _SAID_OF_FILES:
        raise asked.error(f"is a file, of which {', '.join(sorted(wrong))} says nothing")
    if types.NoneType in members(asked.type):
        asked.admit_none()
    schema: dict[str, Any] = _FILE if count == 1 else {"type": "array", "items": _FILE}
    lines.inputs.append(asked.input("file", lambda: (schema, {})))
    lines.first("files = files_of(request)")
    absent = lines.absent(asked, ("form", asked.wire), "file" if count == 1 else "list[file]")
    get = "get" if count == 1 else "getlist"
    lines.add(
        f"{asked.name}_ = files.{get}({asked.wire!r})",
        f"if {asked.name}_ is None:" if count == 1 else f"if not {asked.name}_:",
        f"    {absent}",
    )


def write_bodies(lines: Lines, bodies: list[Asked], embed: bool) -> None:
    """What is read of the JSON body: the whole by one parameter, members of an object by several, or with ``embed``."""
    for asked in bodies:
        if types.NoneType in members(unwrapped(asked.type)[0]):
            asked.admit_none()
    if len(bodies) == 1 and not (embed or bodies[0].options.get("embed")):
        _write_whole(lines, bodies[0])
    elif bodies:
        _write_members(lines, bodies)


def _write_whole(lines: Lines, asked: Asked) -> None:
    shape, shape_name, invalid = _shape(lines, asked)
    lines.inputs.append(asked.input("body", functools.partial(shape.schema, "input")))
    target, default = f"{asked.name}_", lines.default(asked)
    reading = [
        "try:",
        f"    {target} = request._received().json({lines.name(asked.name, 'decode', shape.decode)})",
        f"except {invalid}:",
        f"    faults = misshapen(faults, ('body',), {shape_name}, request.json)",
    ]
    if default is not None:
        absent = ["if not request._received().received:", f"    {target} = {default}"]
        reading = [*absent, "else:", *indented(*reading)]
    lines.add(*reading)


def _write_members(lines: Lines, bodies: list[Asked]) -> None:
    found: list[str] = []
    for asked in bodies:
        found += _member(lines, asked)
    needed = any(asked.required for asked in bodies)
    whole = lines.name("members", "shape", shape_of(dict[str, Any], {}))
    lines.add(
        f"members = members_of(request, {needed})",
        "if type(members) is not dict:",
        f"    faults = misshapen(faults, ('body',), {whole}, members)",
        "else:",
        *indented(*found),
    )


def _member(lines: Lines, asked: Asked) -> list[str]:
    """The lines that read one of several values."""
    shape, shape_name, invalid = _shape(lines, asked)
    lines.inputs.append(asked.input("body", functools.partial(shape.schema, "input"), embed=True))
    loc, member = ("body", asked.wire), f"members[{asked.wire!r}]"
    return [
        f"if {asked.wire!r} in members:",
        "    try:",
        f"        {asked.name}_ = {lines.name(asked.name, 'convert', shape.convert)}({member})",
        f"    except {invalid}:",
        f"        faults = misshapen(faults, {loc!r}, {shape_name}, {member})",
        "else:",
        f"    {lines.absent(asked, loc, shape.expected)}",
    ]


def _shape(lines: Lines, asked: Asked) -> tuple[Shape, str, str]:
    """How a body is read, and the names of the shape and of what it raises."""
    try:
        shape = shape_of(asked.annotation, asked.options)
    except ConfigurationError as error:
        raise asked.error(f"cannot be read: {error}") from error
    return shape, lines.name(asked.name, "shape", shape), lines.name(asked.name, "invalid", shape.invalid)
