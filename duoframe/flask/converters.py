"""What stands between ``<`` and ``>`` in a rule: how a part of a path is matched, read, and written.

Knows texts and values; must not know rules. `rules` makes patterns of the core's out of these.
"""

from __future__ import annotations

import re
import uuid
from typing import Any, ClassVar
from urllib.parse import quote

from duoframe.patterns import Converter
from duoframe.patterns import PathConverter as Rest

SAFE = "!$&'()*+,/:;=@"
"""What stays as it is in a path beside letters, digits and ``-._~`` (RFC 3986 §3.3)."""


class ValidationError(ValueError):
    """Raised by `BaseConverter.to_python` for a text that is no value after all: the rule does not match then."""


class BaseConverter:
    """A kind of part, by subclassing: ``app.url_map.converters["list"] = ListConverter``.

    ``regex`` is what the text has to match, ``weight`` orders kinds that fit one place, the lower first. A subclass
    takes the map, and the arguments that stand in the rule.
    """

    regex: str = "[^/]+"
    weight: int = 100
    part_isolating: bool = True
    """Whether the text ends before the next slash."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "regex" in cls.__dict__ and "part_isolating" not in cls.__dict__:
            cls.part_isolating = "/" not in cls.regex

    def __init__(self, map: Any, *args: Any, **kwargs: Any) -> None:
        self.map = map

    def to_python(self, value: str) -> Any:
        """The value of a text that matched. Raises `ValidationError` where it is none after all."""
        return value

    def to_url(self, value: Any) -> str:
        """The text of a value, percent-encoded."""
        return quote(str(value), safe=SAFE)


class UnicodeConverter(BaseConverter):
    """``<string:name>``: text without a slash, of ``minlength`` to ``maxlength`` characters, or of ``length``."""

    def __init__(self, map: Any, minlength: int = 1, maxlength: int | None = None, length: int | None = None) -> None:
        super().__init__(map)
        bounds = (
            f"{int(minlength)},{'' if maxlength is None else int(maxlength)}" if length is None else str(int(length))
        )
        self.regex = f"[^/]{{{bounds}}}"


class AnyConverter(BaseConverter):
    """``<any(about, help):page>``: one of the given texts."""

    def __init__(self, map: Any, *items: str) -> None:
        super().__init__(map)
        self.items = frozenset(items)
        self.regex = f"(?:{'|'.join(re.escape(item) for item in items)})"

    def to_url(self, value: Any) -> str:
        if value not in self.items:
            raise ValueError(f"expected one of {', '.join(sorted(self.items))}, got {value!r}")
        return str(value)


class PathConverter(BaseConverter):
    """``<path:name>``: text with slashes in it, but not in front."""

    regex = "[^/].*?"
    weight = 200
    part_isolating = False


class NumberConverter(BaseConverter):
    """What the kinds of numbers share: ``min``, ``max``, ``signed``, and for `int` ``fixed_digits``."""

    weight = 50
    kind: ClassVar[type[int | float]]

    def __init__(self, map: Any, fixed_digits: int = 0, min: Any = None, max: Any = None, signed: bool = False) -> None:
        super().__init__(map)
        if signed:
            self.regex = f"-?{self.regex}"
        self.fixed_digits, self.min, self.max, self.signed = fixed_digits, min, max, signed

    def to_python(self, value: str) -> Any:
        if self.fixed_digits and len(value) != self.fixed_digits:
            raise ValidationError(value)
        number = self.kind(value)
        if (self.min is not None and number < self.min) or (self.max is not None and number > self.max):
            raise ValidationError(value)
        return number

    def to_url(self, value: Any) -> str:
        text = str(self.kind(value))
        return text.zfill(self.fixed_digits) if self.fixed_digits else text


class IntegerConverter(NumberConverter):
    """``<int:id>``: 1 to 18 ASCII digits, so that the number fits 64 bits wherever it goes."""

    regex = "[0-9]{1,18}"
    kind = int


class FloatConverter(NumberConverter):
    """``<float:price>``: digits, a point, digits; 18 at most on each side."""

    regex = r"[0-9]{1,18}\.[0-9]{1,18}"
    kind = float

    def __init__(self, map: Any, min: float | None = None, max: float | None = None, signed: bool = False) -> None:
        super().__init__(map, min=min, max=max, signed=signed)


class UUIDConverter(BaseConverter):
    """``<uuid:id>``: a UUID, as text that RFC 9562 §4 gives it."""

    regex = "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"

    def to_python(self, value: str) -> uuid.UUID:
        return uuid.UUID(value)

    def to_url(self, value: Any) -> str:
        return str(value)


DEFAULT_CONVERTERS: dict[str, type[BaseConverter]] = {
    "default": UnicodeConverter,
    "string": UnicodeConverter,
    "any": AnyConverter,
    "path": PathConverter,
    "int": IntegerConverter,
    "float": FloatConverter,
    "uuid": UUIDConverter,
}
"""The kinds that every application knows."""


class Part(Converter):
    """One converter of a rule as the core knows converters."""

    def __init__(self, converter: Any) -> None:  # Any: a BaseConverter, or Werkzeug's
        self.pattern = ungrouped(converter.regex)
        self.rank = converter.weight
        self._converter = converter

    def to_python(self, text: str) -> Any:
        return self._converter.to_python(text)


class Several(Converter):
    """Several parts of a rule that the core would not take one by one; its value is a tuple of theirs."""

    def __init__(self, regex: str, converters: list[Any], rank: int) -> None:
        self.pattern = ungrouped(regex)
        self.rank = rank
        self._match = re.compile(regex).fullmatch
        self._converters = converters

    def to_python(self, text: str) -> Any:
        found: Any = self._match(text)  # the core has matched the same, but for the groups
        return tuple(each.to_python(found[f"part{number}"]) for number, each in enumerate(self._converters))


class Tail(Several, Rest):
    """`Several` with slashes among them: the rest of the rule."""


def ungrouped(regex: str) -> str:
    """A regular expression whose groups capture nothing."""
    return _GROUP.sub(lambda found: found[1] or "(?:", regex)


_GROUP = re.compile(r"(\\.|\[\^?\]?[^\]]*\])|\((?:\?P<\w+>)?(?!\?)")
