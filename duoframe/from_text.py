"""Writes the lines that read a path, a query, header fields, cookies and the fields of a form.

Knows where texts stand; must not know how one is read: `texts` does, and `groups` knows classes of several.
"""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Mapping
from typing import Any

from duoframe.constraints import constraints_in
from duoframe.errors import ConfigurationError
from duoframe.faults import Location
from duoframe.groups import Field, Group
from duoframe.inputs import Asked, Input, Schema
from duoframe.lines import Lines, indented, path_part
from duoframe.params import REQUIRED, Source
from duoframe.shapes import shape_of
from duoframe.signatures import bare
from duoframe.texts import TextReader, Unreadable, text_reader

_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "uuid": {"type": "string", "format": "uuid"},
}
"""The kinds of path parameters whose values are no text."""
_TYPES = {"int": int, "float": float, "uuid": uuid.UUID, "str": str, "path": str}
_ADMITTED = {"int": ("integer", "number"), "float": ("number",), "uuid": ("uuid",)}
_PREPARED = {
    "query": "query = query_of(request)",
    "header": "header = request.headers.firsts()",
    "cookie": "cookie = request.cookies.firsts()",
    "form": "form = form_of(request).firsts()",
}
_ALL = {"query": "request.query", "cookie": "request.cookies", "form": "request.form"}


def reader_of(asked: Asked, annotation: Any = None, options: Mapping[str, Any] | None = None) -> TextReader | None:
    """How a parameter, or a field of it that has this annotation, is read of text; None where no text stands for it."""
    try:
        if annotation is None:
            return text_reader(asked.annotation, asked.options)
        return text_reader(annotation, options or {})
    except ConfigurationError as error:
        raise asked.error(f"cannot be read: {error}") from error


def write_path(lines: Lines, asked: Asked, kind: str) -> str:
    """A part of the path, which a converter of this name has read; the expression for its value.

    What a converter of the application's own gives, ``""``, is left as it is.
    """
    part = path_part(asked.wire)
    asked.default, asked.factory = REQUIRED, None
    if asked.type is inspect.Parameter.empty and asked.options:
        asked.annotation = asked.type = _TYPES.get(kind, Any)
    untyped = asked.type in (inspect.Parameter.empty, Any, object)
    reader = None if untyped else reader_of(asked)
    if untyped or not kind:
        if wrong := constraints_in(asked.options):
            raise asked.error(f"is what a converter makes, which {', '.join(wrong)} does not reach; let it refuse")
        schema = _SCHEMAS.get(kind, {"type": "string"})
        lines.inputs.append(asked.input("path", (lambda: (schema, {})) if reader is None else reader.schema))
        return part
    if reader is None or reader.many:
        raise asked.error(f"is {asked.type!r}, which no part of the path stands for")
    lines.inputs.append(asked.input("path", reader.schema))
    if kind in _SCHEMAS:
        if asked.annotation is _TYPES[kind] and not constraints_in(asked.options):
            return part
        if not _admits(reader.schema()[0], kind):
            raise asked.error(
                f"is {reader.expected}, and the path gives {kind}: {{{asked.wire}:{kind}}}; write {{{asked.wire}}}"
                f" there, or annotate the parameter {kind}"
            )
        part = f"str({part})"
    target = f"{asked.name}_"
    lines.add(*_reading(lines, target, part, ("path", asked.wire), asked.name, reader))
    return target


def write_text(lines: Lines, asked: Asked, source: Source, reader: TextReader) -> None:
    """One text of a name, or all of them for a collection."""
    if reader.optional:
        asked.admit_none()
    lines.inputs.append(asked.input(source, reader.schema))
    target, loc = f"{asked.name}_", (source, asked.wire)
    absent = lines.absent(asked, loc, reader.expected)
    lines.add(
        f"text = {_text(lines, source, asked.wire, reader.many)}",
        f"if {_there(reader)}:",
        *indented(*_reading(lines, target, "text", loc, asked.name, reader)),
        "else:",
        f"    {absent}",
    )


def write_group(lines: Lines, asked: Asked, source: Source, group: Group) -> None:
    """A class whose fields are texts of their own names, a parameter model."""
    if not asked.required:
        raise asked.error("is read field by field, and its fields have the defaults; drop its own")
    target, values = f"{asked.name}_", f"{asked.name}_values"
    lines.add(f"{values} = {{}}")
    for field in group.fields:
        _write_field(lines, asked, source, group, field)
    if group.closed and source != "header":
        lines.first(_PREPARED[source])
        lines.add(f"faults = unknown(faults, {source!r}, {source}, {lines.known(source)})")
    if group.raw:
        shape = shape_of(asked.annotation, {})
        make, wrong = lines.name(asked.name, "convert", shape.convert), lines.name(asked.name, "invalid", shape.invalid)
        fault = f"misshapen(faults, {(source,)!r}, {lines.name(asked.name, 'shape', shape)}, {values})"
        lines.add("try:", f"    {target} = {make}({values})", f"except {wrong}:", f"    faults = {fault}")
    else:
        make = lines.name(asked.name, "group", group.make)
        fault = f"refused(faults, {(source,)!r}, error)"
        attempts = ["try:", f"    {target} = {make}(**{values})", "except (TypeError, ValueError) as error:"]
        lines.add("if faults is None:", *indented(*attempts, f"    faults = {fault}"))


def _write_field(lines: Lines, asked: Asked, source: Source, group: Group, field: Field) -> None:
    """One field of a group."""
    wire = field.wire
    if source == "header":
        wire = (wire if wire != field.name else wire.replace("_", "-")).lower()
    reader = reader_of(asked, field.annotation)
    if group.raw:  # what is wrong with it or missing is the model's to say
        item = f"{asked.name}_values[{field.wire!r}]"
        schema: Schema = functools.partial(_property, asked.annotation, field.wire)
        reading, absent = [f"{item} = text"], []
    elif reader is None:
        raise asked.error(f"has a field {field.name!r} of {field.annotation!r}, which no text stands for")
    else:
        item, schema = f"{asked.name}_values[{field.name!r}]", reader.schema
        reading = _reading(lines, item, "text", (source, wire), f"{asked.name}_{field.name}", reader)
        absent = [f"faults = missing(faults, {(source, wire)!r}, {reader.expected!r})"]
    default = field.default
    if reader is not None and reader.optional and default is REQUIRED:
        default, absent = None, [f"{item} = None"]
    lines.inputs.append(Input(source, wire, bare(field.annotation), default, {}, schema))
    text = _text(lines, source, wire, reader is not None and reader.many)
    lines.add(f"text = {text}", f"if {_there(reader)}:", *indented(*reading))
    if absent and field.default is REQUIRED:
        lines.add("else:", *indented(*absent))


def _property(annotation: Any, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON Schema of a field of a model, and the components."""
    schema, components = shape_of(annotation, {}).schema("input")
    whole = components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return whole["properties"][name], components


def _reading(lines: Lines, target: str, text: str, loc: Location, name: str, reader: TextReader) -> list[str]:
    """The lines that read a text that is there."""
    if reader.read is str:
        return [f"{target} = {text}"]
    lines.names["Unreadable"] = Unreadable
    return [
        "try:",
        f"    {target} = {lines.name(name, 'read', reader.read)}({text})",
        "except Unreadable as error:",
        f"    faults = unreadable(faults, {loc!r}, error)",
    ]


def _there(reader: TextReader | None) -> str:
    """Whether there is a text; an empty one is none where it would be read as None."""
    if reader is None:
        return "text is not None"
    try:
        blank = reader.many or (reader.optional and reader.read("") is None)
    except Unreadable:
        blank = False
    return "text" if blank else "text is not None"


def _text(lines: Lines, source: Source, wire: str, many: bool) -> str:
    """The expression for the text of a name, None where there is none; for several their list."""
    lines.first(_PREPARED[source])
    if source == "header":
        return f"items_of(header.get({wire!r}))" if many else f"header.get({wire!r})"
    return f"{_ALL[source]}.getlist({wire!r})" if many else f"{source}.get({wire!r})"


def _admits(schema: dict[str, Any], kind: str) -> bool:
    """Whether what is so described may be what a converter of this kind gives."""
    if "anyOf" in schema:
        return any(_admits(part, kind) for part in schema["anyOf"])
    return schema.get("format", schema.get("type")) in _ADMITTED[kind]
