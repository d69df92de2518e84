"""Path and host patterns: the text a user writes, its parameters, and the way between values and text.

Knows converters and how a segment is read; knows no target and no table: `routing` makes a table of patterns.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote

from duoframe.errors import ConfigurationError


class Converter:
    """A kind of path parameter, by subclassing: ``class Slug(Converter): pattern = "[a-z0-9-]+"``.

    ``pattern`` is a regular expression without capturing groups which the whole text must match; where two kinds fit
    one segment, the lower ``rank`` is tried first (int 10, float 20, uuid 30, str 90, path 100).
    """

    pattern: str = "[^/]+"
    rank: int = 50

    def to_python(self, text: str) -> Any:  # Any: the kind decides
        """The value of a text that matched; `ValueError` says that it is none after all."""
        return text

    def to_url(self, value: Any) -> str:
        """The text of a value, decoded; the table refuses it unless it matches ``pattern``."""
        return str(value)


class StrConverter(Converter):
    """Any text without a slash, at least one character."""

    rank = 90


class PathConverter(Converter):
    """Any text, slashes included, at least one character: the rest of the path, or all of it up to given literals.

    It has a segment of its own; behind it there may be literal segments, as in ``/{page:path}/edit``.
    """

    pattern = ".+"
    rank = 100


class IntConverter(Converter):
    """1 to 18 ASCII digits: fits 64 bits wherever it goes, and never meets the cost of converting long numbers."""

    pattern = "[0-9]{1,18}"
    rank = 10

    def to_python(self, text: str) -> int:
        return int(text)


class FloatConverter(Converter):
    """1 to 18 ASCII digits, perhaps a point and 1 to 18 more: always finite."""

    pattern = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
    rank = 20

    def to_python(self, text: str) -> float:
        return float(text)


class UUIDConverter(Converter):
    """A UUID as RFC 9562 §4 writes it: 36 characters, no braces, either case."""

    pattern = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    rank = 30

    def to_python(self, text: str) -> uuid.UUID:
        return uuid.UUID(text)


CONVERTERS: Mapping[str, Converter] = MappingProxyType(
    {
        "str": StrConverter(),
        "int": IntConverter(),
        "float": FloatConverter(),
        "uuid": UUIDConverter(),
        "path": PathConverter(),
    }
)
"""The kinds a pattern knows by itself: ``{id:int}``; ``{name}`` is ``{name:str}``."""

_BOUNDED = (IntConverter, FloatConverter, UUIDConverter)


class Parameter(NamedTuple):
    """``{name:kind}`` in a pattern."""

    name: str
    kind: str
    converter: Converter


Segment = tuple[str | Parameter, ...]
"""What stands between two slashes: literals and parameters in turn."""

Reader = Callable[[str], tuple[Any, ...] | None]
"""The values in a text, or ``None`` where the text does not fit."""

_PARAMETER = re.compile(r"\{([^\W\d]\w*)(?::([^\W\d]\w*))?\}")
UNROUTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # surrogates: no UTF-8 ever decodes to one
_HOST_LITERAL = re.compile(r"[a-z0-9._-]+|\[[0-9a-f:]+\]")
_SAFE = "/:@!$&'()*+,;="  # pchar and "/" (RFC 3986 §3.3)


class Pattern:
    """A parsed route: ``/users/{id:int}``, perhaps on a host. Raises `ConfigurationError` for a text it cannot read.

    ``pattern`` and ``host`` are as registered. ``parameters`` maps each name to the name of its converter, those of
    the host first, and ``kinds`` to the same but ``""`` for a converter of the application's own; ``host_parameters``
    names those of the host. ``shape`` and ``host_shape`` are the texts without the names.
    """

    def __init__(self, pattern: str, host: str | None, converters: Mapping[str, Converter]) -> None:
        self.pattern = pattern
        self.host = host
        if not pattern.startswith("/") or UNROUTABLE.search(pattern):
            raise ConfigurationError(f"expected a pattern that starts with '/', of printable text, got {pattern!r}")
        try:
            self.segments = _segments(pattern, converters)
            self.labels = _labels(host, converters) if host is not None else ()
        except ConfigurationError as error:
            raise ConfigurationError(f"pattern {pattern!r}{f' on host {host!r}' if host else ''}: {error}") from None
        self.shape = "/".join(shape_of(segment) for segment in self.segments)
        self.host_shape = shape_of(self.labels)
        self.host_parameters = tuple(parameter.name for parameter in parameters_of(self.labels))
        own = [parameter for segment in self.segments for parameter in parameters_of(segment)]
        self.path_parameters = tuple(parameter.name for parameter in own)
        every = (*parameters_of(self.labels), *own)
        self.parameters = {parameter.name: parameter.kind for parameter in every}
        self.kinds = {
            parameter.name: parameter.kind if parameter.converter is CONVERTERS.get(parameter.kind) else ""
            for parameter in every
        }
        if len(self.parameters) < len(self.host_parameters) + len(own):
            raise ConfigurationError(f"pattern {pattern!r} names a parameter twice; give each a name of its own")
        self.static = not own

    def path_for(self, values: Mapping[str, Any]) -> str:
        """The path that gives these values back when matched, percent-encoded. Raises `ValueError` if none does."""
        path = quote("/".join(self._fill(segment, values) for segment in self.segments), safe=_SAFE)
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise ValueError(f"{path!r} holds a dot segment, which browsers resolve away (RFC 3986 §5.2.4)")
        # Two slashes at the front would make a link leave the site; "%2F" is routed as the same path.
        return "/%2F" + path[2:] if path.startswith("//") else path

    def _fill(self, segment: Segment, values: Mapping[str, Any]) -> str:
        texts = [part if isinstance(part, str) else self._text(part, values[part.name]) for part in segment]
        text = "".join(texts)
        if len(texts) > 1:
            taken = _regex(segment).fullmatch(text)
            given = [text for text, part in zip(texts, segment, strict=True) if not isinstance(part, str)]
            if taken is None or list(taken.groups()) != given:
                raise ValueError(f"{text!r} would be read back otherwise by {self.pattern!r}")
        return text

    def _text(self, parameter: Parameter, value: object) -> str:
        name, kind, converter = parameter
        try:
            text = converter.to_url(value)
            converter.to_python(text)
        except ValueError:
            text = ""
        if value is None or not re.fullmatch(converter.pattern, text) or UNROUTABLE.search(text):
            raise ValueError(f"parameter {name!r} of {self.pattern!r} takes {kind}, got {value!r:.80}")
        return text

    def __repr__(self) -> str:
        return f"Pattern({self.pattern!r}" + (f", host={self.host!r})" if self.host else ")")


def _segments(pattern: str, converters: Mapping[str, Converter]) -> tuple[Segment, ...]:
    """The segments of a path; a `PathConverter` and the literals behind it are one, the last."""
    segments: list[Segment] = []
    texts = pattern.split("/")
    for position, text in enumerate(texts):
        segment = _parse(text, converters)
        if not any(isinstance(parameter.converter, PathConverter) for parameter in parameters_of(segment)):
            segments.append(segment)
            continue
        behind = "".join("/" + text for text in texts[position + 1 :])
        if len(segment) > 1 or parameters_of(_parse(behind, converters)):
            raise ConfigurationError(
                f"{text!r} takes slashes: give it a segment of its own, and only literals behind it"
            )
        return (*segments, segment + ((behind,) if behind else ()))
    return tuple(segments)


def _labels(host: str, converters: Mapping[str, Converter]) -> Segment:
    """A host in one segment: its labels, each parsed by itself, and the dots between."""
    labels: list[str | Parameter] = []
    for label in host.removesuffix(".").split("."):
        labels += [".", *_parse(label, converters)]
    for part in labels:
        if isinstance(part, str) and not _HOST_LITERAL.fullmatch(part.lower()):
            raise ConfigurationError("expected a host without port, perhaps with parameters: '{tenant}.example.com'")
        if isinstance(part, Parameter) and isinstance(part.converter, PathConverter):
            raise ConfigurationError(f"a host has no slashes for {part.name!r} to take")
    return tuple(part.lower() if isinstance(part, str) else part for part in labels[1:])


def _parse(text: str, converters: Mapping[str, Converter]) -> Segment:
    parts: list[str | Parameter] = []
    pieces = _PARAMETER.split(text)  # literal, name, kind, literal, name, kind, literal ...
    for literal, name, kind in zip(pieces[::3], [*pieces[1::3], None], [*pieces[2::3], None], strict=True):
        if "{" in literal or "}" in literal:
            raise ConfigurationError(f"expected {{name}} or {{name:kind}}, got {text!r}")
        if literal:
            parts.append(literal)
        if name is not None:
            parts.append(_parameter(name, kind or "str", converters))
    _check_readable(text, parts)
    return tuple(parts) or ("",)


def _parameter(name: str, kind: str, converters: Mapping[str, Converter]) -> Parameter:
    if kind not in converters:
        raise ConfigurationError(f"no converter is called {kind!r}; there are: {', '.join(sorted(converters))}")
    try:
        groups = re.compile(converters[kind].pattern).groups
    except re.error as error:
        raise ConfigurationError(f"the pattern of converter {kind!r} is no regular expression: {error}") from error
    if groups:
        raise ConfigurationError(f"the pattern of converter {kind!r} captures; write (?:...) for its groups")
    return Parameter(name, kind, converters[kind])


def _check_readable(text: str, parts: list[str | Parameter]) -> None:
    """Refuse a segment that could be read in several ways, or not in linear time.

    A parameter of any length that has to stop before a literal tries every place; a second one does so again for
    each of them, unless it takes any text and ends the segment: then it fits at the first try.
    """
    for part, following in pairwise(parts):
        if isinstance(part, Parameter) and isinstance(following, Parameter):
            raise ConfigurationError(f"nothing in {text!r} says where {part.name!r} ends; put a literal between")
    unbounded = [part for part in parameters_of(parts) if type(part.converter) not in _BOUNDED]
    if unbounded and unbounded[-1] is parts[-1] and unbounded[-1].converter.pattern == Converter.pattern:
        unbounded.pop()
    if len(unbounded) > 1:
        raise ConfigurationError(
            f"{text!r} holds too many parameters of any length to tell them apart in linear time; "
            "use int, float or uuid, or a segment for each"
        )


def parameters_of(parts: Iterable[str | Parameter]) -> list[Parameter]:
    """The parameters of a segment, in order."""
    return [part for part in parts if isinstance(part, Parameter)]


def shape_of(segment: Segment) -> str:
    """What decides where a segment matches: everything but the names."""
    return "".join(part if isinstance(part, str) else f"{{:{part.kind}}}" for part in segment)


def _regex(segment: Segment, text: str = Converter.pattern) -> re.Pattern[str]:
    """One group a parameter, as greedy as regular expressions are: ``{name}.{ext}`` finds the last dot.

    ``text`` is what a parameter of any text may hold.
    """
    return re.compile(
        "".join(
            re.escape(part)
            if isinstance(part, str)
            else f"({text if part.converter.pattern == Converter.pattern else part.converter.pattern})"
            for part in segment
        )
    )


def reader(segment: Segment, text: str = Converter.pattern) -> Reader:
    fullmatch = _regex(segment, text).fullmatch
    kinds = [parameter.converter for parameter in parameters_of(segment)]
    convert = [str if type(kind).to_python is Converter.to_python else kind.to_python for kind in kinds]

    def read(text: str) -> tuple[Any, ...] | None:
        found = fullmatch(text)
        if found is None:
            return None
        try:
            return tuple([to_python(value) for to_python, value in zip(convert, found.groups())])  # noqa: B905
        except ValueError:
            return None

    return read
