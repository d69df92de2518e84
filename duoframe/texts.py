"""From the texts of a query, a path, a field or a form to a value.

    text_reader(list[int], {"ge": 1}).read(["1", "2"])        # [1, 2]

Knows types and the texts that stand for them, `scalars` first of all; must not know requests, nor JSON, which `shapes`
reads. Constraints of numbers and a pattern are kept by each item of a collection, lengths by the collection itself.
What Pydantic has a part in goes through it as well.
"""

from __future__ import annotations

import collections.abc
import enum
from collections.abc import Callable, Iterable, Mapping
from itertools import repeat
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from duoframe.annotations import is_pydantics, members, unwrapped
from duoframe.constraints import (
    LENGTH,
    Check,
    Constraints,
    both,
    checks_of,
    constraints_in,
    constraints_of,
    notes_of,
    refuse_unkept,
    schema_of,
    told,
)
from duoframe.errors import ConfigurationError
from duoframe.faults import MAX_SHOWN
from duoframe.scalars import SCALARS, Scalar
from duoframe.shapes import shape_of

Schema = dict[str, Any]


class Unreadable(ValueError):
    """A text that stands for no value: what was ``expected``, what ``got``, and the ``index`` of an item of several."""

    def __init__(self, expected: str, got: str) -> None:
        super().__init__(f"expected {expected}, got {got}")
        self.expected = expected
        self.got = got
        self.index: int | None = None


class TextReader:
    """How texts of a type are read.

    ``read`` takes a text, or with ``many`` a list of them, gives the value and raises `Unreadable`; it is `str` itself
    where any text will do. ``expected`` is the type as messages tell it. ``optional`` says that None is a value too.
    """

    __slots__ = ("_blank", "_schema", "expected", "many", "optional", "read")

    def __init__(
        self, read: Callable[[Any], Any], expected: str, schema: Schema, *, many: bool = False, blank: bool = False
    ) -> None:
        self.read = read
        self.expected = expected
        self.many = many
        self.optional = False
        self._blank = blank
        """Whether an empty text may be a value of the type."""
        self._schema = schema

    def schema(self) -> tuple[Schema, dict[str, Schema]]:
        """The JSON Schema of the value (2020-12), without the null that no text stands for; it needs no components."""
        return dict(self._schema), {}


def text_reader(annotation: Any, options: Mapping[str, Any]) -> TextReader | None:
    """How texts of a type are read; None for a type that no text stands for, as a mapping or `bytes`.

    ``options`` may hold constraints. Raises `ConfigurationError` for one that does not apply to the type.
    """
    try:
        return _reader(annotation, constraints_in(options))
    except RecursionError:  # an alias that stands in itself
        return None


def shown(text: str) -> str:
    """A text as a message shows it: quoted, and not much more of it than `faults` lets through."""
    return repr(text[: MAX_SHOWN + 1])


def _reader(annotation: Any, constraints: Constraints) -> TextReader | None:
    kind, metadata = unwrapped(annotation)
    constraints = both(constraints_of(metadata), constraints)
    container = get_origin(kind) or kind
    union = members(kind)
    if len(union) > 1:
        reader = _union(union, constraints)
    elif container is Literal:
        reader = _choice("Literal", get_args(kind), constraints)
    elif isinstance(kind, type) and issubclass(kind, enum.Enum):
        reader = _choice(kind.__name__, kind, constraints)
    elif container in _COLLECTIONS:
        reader = _collection(kind, constraints)
    else:
        reader = _scalar(SCALARS[kind], constraints) if kind in SCALARS else None
    if is_pydantics(kind, metadata):
        reader = _checked(reader, annotation)
    else:
        refuse_unkept(metadata)
    if reader is not None:
        reader._schema.update(notes_of(metadata))
    return reader


def _checked(reader: TextReader | None, annotation: Any) -> TextReader | None:
    """What a text stands for by our grammar, or the text itself where there is none, by way of Pydantic."""
    shape = shape_of(annotation)
    if reader is None:
        schema, _ = shape.schema("input")
        if schema.get("type") != "string":
            return None
        reader = TextReader(str, schema.get("format", "str"), schema)
    inner, expected, many = reader.read, reader.expected, reader.many

    def read(text: Any) -> Any:
        value = inner(text)
        try:
            return shape.convert(value)
        except ValueError:
            pass
        raise Unreadable(expected, _counted(text) if many else shown(text))

    reader.read = read
    return reader


def _apply(name: str, takes: Iterable[str], constraints: Constraints) -> None:
    if wrong := sorted(constraints.keys() - set(takes)):
        raise ConfigurationError(
            f"{', '.join(wrong)} does not apply to {name}, which takes {', '.join(takes) or 'no constraint'}"
        )


def _scalar(scalar: Scalar, constraints: Constraints) -> TextReader:
    _apply(scalar.name, scalar.takes, constraints)
    expected = told(scalar.name, constraints)
    schema = {**scalar.schema, **schema_of(constraints)}
    return TextReader(_read(scalar.make, checks_of(constraints), expected), expected, schema, blank=scalar.make is str)


def _read(make: Callable[[str], Any], checks: tuple[Check, ...], expected: str) -> Callable[[str], Any]:
    if make is str and not checks:
        return str

    def read(text: str) -> Any:
        try:
            value = make(text)
        except (ValueError, ArithmeticError):
            pass
        else:
            for check in checks:
                if not check(value):
                    break
            else:
                return value
        raise Unreadable(expected, shown(text))

    return read


def _choice(name: str, values: Iterable[Any], constraints: Constraints) -> TextReader | None:
    """One of some values, by its text."""
    _apply(name, (), constraints)
    optional = False
    found: dict[str, Any] = {}
    raw: list[Any] = []
    for value in values:
        if value is None:
            optional = True
            continue
        plain = value.value if isinstance(value, enum.Enum) else value
        if not isinstance(plain, str | int | float):
            return None
        found.setdefault(str(plain).lower() if isinstance(plain, bool) else str(plain), value)
        raw.append(plain)
    expected = f"one of {', '.join(map(repr, raw))}"

    def read(text: str) -> Any:
        if text in found:
            return found[text]
        raise Unreadable(expected, shown(text))

    kinds = [_KINDS.get(kind) for kind in {type(plain) for plain in raw}]
    schema = {"type": kinds[0], "enum": raw} if len(kinds) == 1 and kinds[0] else {"enum": raw}
    reader = TextReader(read, expected, schema, blank="" in found)
    return _or_none(reader) if optional else reader


def _union(union: tuple[Any, ...], constraints: Constraints) -> TextReader | None:
    """The first member that fits, the most particular one first: `str`, which any text fits, comes last."""
    pairs = [(unwrapped(member)[0], member) for member in union]
    pairs = sorted((pair for pair in pairs if pair[0] is not NoneType), key=lambda pair: _RANKS.get(pair[0], -1))
    readers: list[TextReader | None] = []
    used: set[str] = set()
    for kind, member in pairs:
        takes = constraints.keys() if len(pairs) == 1 else SCALARS[kind].takes if kind in SCALARS else ()
        own = {name: value for name, value in constraints.items() if name in takes}
        used |= own.keys()
        readers.append(_reader(member, own))
    _apply("any member of the union", sorted(used), constraints)
    known = [reader for reader in readers if reader is not None]
    if len(known) < len(readers) or (len(known) > 1 and any(reader.many for reader in known)):
        return None
    reader = known[0] if len(known) == 1 else _first(known)
    return _or_none(reader) if len(pairs) < len(union) or any(one.optional for one in known) else reader


def _first(readers: list[TextReader]) -> TextReader:
    expected = " | ".join(reader.expected for reader in readers)
    reads = [reader.read for reader in readers]

    def read(text: str) -> Any:
        for one in reads:
            try:
                return one(text)
            except Unreadable:
                pass
        raise Unreadable(expected, shown(text))

    schema = {"anyOf": [reader._schema for reader in readers]}
    return TextReader(read, expected, schema, blank=any(reader._blank for reader in readers))


def _or_none(reader: TextReader) -> TextReader:
    """An empty text is None, unless it may be a value of the type."""
    inner = reader.read
    if not (reader.many or reader._blank or reader.optional):
        reader.read = lambda text: inner(text) if text else None
    reader.optional = True
    return reader


def _collection(kind: Any, constraints: Constraints) -> TextReader | None:
    """Several texts of one name."""
    container, arguments = get_origin(kind) or kind, get_args(kind)
    fixed = container is tuple and bool(arguments) and arguments[-1] is not Ellipsis
    lengths = {name: value for name, value in constraints.items() if name in LENGTH}
    _apply(str(kind), constraints.keys() - LENGTH if fixed else constraints, constraints)
    of_items = {name: value for name, value in constraints.items() if name not in LENGTH}
    items = [_reader(argument, of_items) for argument in (arguments if fixed else arguments[:1] or (str,))]
    known = [item for item in items if item is not None and not item.many]
    if len(known) < len(items):
        return None
    names = [item.expected for item in known] + ["..."] * (container is tuple and not fixed)
    expected = told(f"{container.__name__}[{', '.join(names)}]", lengths, "item")
    schema: Schema = {"type": "array", "items": known[0]._schema, **schema_of(lengths, "Items")}
    if fixed:
        schema = {"type": "array", "prefixItems": [item._schema for item in known], "items": False}
        schema.update(schema_of({"min_length": len(known), "max_length": len(known)}, "Items"))
        read = _read_each([item.read for item in known], expected)
    else:
        read = _read_all(_COLLECTIONS[container], known[0].read, checks_of(lengths), expected)
    return TextReader(read, expected, schema, many=True)


def _read_all(
    make: Callable[[list[Any]], Any], one: Callable[[str], Any], checks: tuple[Check, ...], expected: str
) -> Callable[[list[str]], Any]:
    def read(texts: list[str]) -> Any:
        value = make(_items(texts, repeat(one)))
        for check in checks:
            if not check(value):
                raise Unreadable(expected, _counted(texts))
        return value

    return read


def _read_each(reads: list[Callable[[str], Any]], expected: str) -> Callable[[list[str]], Any]:
    def read(texts: list[str]) -> Any:
        if len(texts) != len(reads):
            raise Unreadable(expected, _counted(texts))
        return tuple(_items(texts, reads))

    return read


def _items(texts: list[str], reads: Iterable[Callable[[str], Any]]) -> list[Any]:
    found: list[Any] = []
    try:
        for text, read in zip(texts, reads, strict=False):
            found.append(read(text))
    except Unreadable as error:
        error.index = len(found)
        raise
    return found


def _counted(texts: list[str]) -> str:
    return f"{len(texts)} item{'' if len(texts) == 1 else 's'}"


_KINDS = {str: "string", int: "integer"}
_RANKS = {kind: rank for rank, kind in enumerate(SCALARS)}
_COLLECTIONS: dict[Any, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Collection: list,
    collections.abc.Iterable: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
