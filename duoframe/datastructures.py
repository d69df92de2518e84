"""The small values an exchange is made of: header fields, multi-value mappings, URLs, state.

Knows text and the grammars of RFC 9110, 3986 and 6265; knows no environ, no scope and no request.
`requests` reads with these and `responses` writes with them; uploaded files live in `body`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import replace as replace_parts
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Self, TypeVar, overload
from urllib.parse import quote, unquote_to_bytes

from duoframe.errors import HTTPException
from duoframe.grammar import TOKEN

V = TypeVar("V")
D = TypeVar("D")
C = TypeVar("C")


class _Pairs(Mapping[str, V]):  # noqa: PLW1641  a mapping that may change has no hash
    """Pairs in the order they came, indexed at the first look-up: most requests look up few names or none."""

    __slots__ = ("_index", "_lists", "_pairs")

    def __init__(self, pairs: Iterable[tuple[str, V]] = ()) -> None:
        self._pairs = list(pairs)
        self._index: dict[str, V] | None = None
        self._lists: dict[str, list[V]] | None = None

    def _build(self) -> dict[str, V]:
        index = dict(self._pairs)
        lists: dict[str, list[V]] | None = None
        if len(index) < len(self._pairs):
            # Grouped before anything is joined: joining field by field is quadratic (CVE-2025-14550).
            lists = {name: [] for name in index}
            for name, value in self._pairs:
                lists[name].append(value)
            index = {name: self._one(name, values) for name, values in lists.items()}
        self._lists, self._index = lists, index  # in this order: another thread may look on
        return index

    def _one(self, name: str, values: list[V]) -> V:
        """What ``[name]`` answers for a name that came with several values."""
        return values[0]

    def _all(self, name: str) -> list[V]:
        index = self._index or self._build()
        if self._lists is not None:
            return list(self._lists.get(name, ()))
        return [index[name]] if name in index else []

    def firsts(self) -> Mapping[str, V]:
        """What ``[name]`` answers for each name, for several look-ups in a row."""
        return self._index or self._build()

    def multi_items(self) -> list[tuple[str, V]]:
        """Every pair, in the order they came."""
        return list(self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(self._index or self._build())

    def __len__(self) -> int:
        return len(self._index or self._build())

    def __eq__(self, other: object) -> bool:
        """Equal names with equal values in equal order; the order *between* names does not count."""
        if isinstance(other, _Pairs):
            return {name: self._all(name) for name in self} == {name: other._all(name) for name in other}
        return dict(self.items()) == dict(other.items()) if isinstance(other, Mapping) else NotImplemented

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._pairs!r})"


class MultiDict(_Pairs[V]):
    """Names with one or more values: ``query["tag"]`` is the first value, ``query.getlist("tag")`` gives all.

    Immutable; iterates its names in the order of first sight.
    """

    __slots__ = ()

    def __getitem__(self, key: str) -> V:
        return (self._index or self._build())[key]

    def __contains__(self, key: object) -> bool:
        return key in (self._index or self._build())

    @overload
    def get(self, key: str, default: None = None, type: None = None) -> V | None: ...
    @overload
    def get(self, key: str, default: V | D, type: None = None) -> V | D: ...
    @overload
    def get(self, key: str, default: None = None, *, type: Callable[[V], C]) -> C | None: ...
    @overload
    def get(self, key: str, default: D, type: Callable[[V], C]) -> C | D: ...
    def get(self, key: str, default: object = None, type: Callable[[V], object] | None = None) -> object:
        """The first value: ``query.get("page", 1, type=int)``.

        ``type`` converts it; where the name is absent or ``type`` raises `ValueError` (or `ArithmeticError`,
        which `decimal` does), the answer is ``default``.
        """
        index = self._index or self._build()
        if key not in index:
            return default
        if type is None:
            return index[key]
        try:
            return type(index[key])
        except (ValueError, ArithmeticError):
            return default

    def getlist(self, key: str) -> list[V]:
        """Every value of ``key``, in order; empty when there is none."""
        return self._all(key)


class Headers(_Pairs[str]):
    """Header fields, immutable: ``headers["Content-Type"]``; names do not distinguish case.

    Takes ``(name, value)`` pairs whose names are lower-case already. Fields of one name are joined by ``", "``
    (RFC 9110 §5.3), ``cookie`` by ``"; "`` (RFC 9113 §8.2.3); of several ``set-cookie``, which cannot be joined,
    ``[]`` gives the first and `getlist` all.
    """

    __slots__ = ()

    def _one(self, name: str, values: list[str]) -> str:
        if name == "set-cookie":
            return values[0]
        return ("; " if name == "cookie" else ", ").join(values)

    def __getitem__(self, name: str) -> str:
        return (self._index or self._build())[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in (self._index or self._build())

    @overload
    def get(self, name: str, default: None = None) -> str | None: ...
    @overload
    def get(self, name: str, default: str | D) -> str | D: ...
    def get(self, name: str, default: object = None) -> object:
        """The value of ``name``, joined if the field came several times; else ``default``."""
        return (self._index or self._build()).get(name.lower(), default)

    def getlist(self, name: str) -> list[str]:
        """The values of every field called ``name``, in order and not split at commas."""
        return self._all(name.lower())


Fields = Mapping[str, str] | Iterable[tuple[str, str]]
"""Header fields as a user hands them over: a mapping or pairs, names in any case."""


class MutableHeaders(Headers):
    """The header fields of an answer: ``response.headers["Cache-Control"] = "no-store"``.

    Whatever is set passes `check_field`, so nothing in here can break out of its line. Raises `ValueError` or
    `TypeError` and then has changed nothing.
    """

    __slots__ = ()

    def __init__(self, fields: Fields = ()) -> None:
        super().__init__(_checked(fields))

    def _without(self, names: Iterable[str]) -> list[tuple[str, str]]:
        self._index = None
        return [pair for pair in self._pairs if pair[0] not in names]

    def __setitem__(self, name: str, value: str) -> None:
        name, value = check_field(name, value)
        index = self._index or self._build()
        if self._lists is not None or name in index:
            self._pairs = self._without((name,))
        else:
            index[name] = value
        self._pairs.append((name, value))

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self._pairs = self._without((name.lower(),))

    def add(self, name: str, value: str) -> None:
        """One more field, beside those of the same name: for ``set-cookie`` and ``link``."""
        self._pairs.append(check_field(name, value))
        self._index = None

    def extend(self, fields: Fields) -> None:
        """`add` every field."""
        self._pairs += _checked(fields)
        self._index = None

    def update(self, fields: Fields) -> None:
        """The given fields replace those of the same names; a name given twice is there twice."""
        checked = _checked(fields)
        self._pairs = self._without({name for name, _ in checked}) + checked

    def setdefault(self, name: str, value: str) -> str:
        """Set the field unless there is one; the value that stands."""
        if name not in self:
            self[name] = value
        return self[name]

    def pop(self, name: str, default: D | None = None) -> str | D | None:
        """Take every field called ``name`` out; its value, or ``default`` when there was none."""
        if name not in self:
            return default
        value = self[name]
        del self[name]
        return value

    def vary(self, *names: str) -> None:
        """Add field names to ``Vary`` (RFC 9110 §12.5.5): names already there are not repeated, ``*`` outdoes all."""
        members = {member.strip(" \t").lower(): member.strip(" \t") for member in self.get("vary", "").split(",")}
        members.pop("", None)
        for name in names:
            members.setdefault(_field_name(name), name)
        if members:
            self["vary"] = "*" if "*" in members else ", ".join(members.values())


_TOKEN = re.compile(TOKEN)
_NOT_IN_A_VALUE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")


def check_field(name: str, value: str) -> tuple[str, str]:
    """The one gate for outgoing header text: ``(name in lower case, value without surrounding blanks)``.

    Raises `ValueError` unless ``name`` is a token (RFC 9110 §5.1) and ``value`` is latin-1 text with no control
    character but HTAB (§5.5); `TypeError` if one of them is no `str`.
    """
    if not isinstance(value, str):
        raise TypeError(f"header {name!r}: expected a str as value, got {type(value).__name__}: {value!r:.80}")
    # Called on the class: servers want exactly `str`, and a subclass (an enum member, markup) may override it.
    value = str.strip(value, " \t")
    if not (value.isascii() and value.isprintable()) and (bad := _NOT_IN_A_VALUE.search(value)):
        wanted = "latin-1 text without control characters"
        raise ValueError(f"header {name!r}: expected {wanted}, got {bad[0]!r} at position {bad.start()} of its value")
    return _field_name(name), value


@lru_cache(maxsize=1024)  # an application uses a few dozen names: 50 ns instead of 220
def _field_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"expected a str as header name, got {type(name).__name__}: {name!r:.80}")
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"expected a header name of letters, digits and !#$%&'*+-.^_`|~, got {name!r:.80}")
    return str.lower(name)


def _checked(fields: Fields) -> list[tuple[str, str]]:
    if type(fields) is not list:  # an abstract class takes its time over what is none of its own
        if isinstance(fields, Headers):
            fields = fields.multi_items()
        elif isinstance(fields, Mapping):
            fields = fields.items()
    return [check_field(name, value) for name, value in fields]


_SUB_DELIMS = "!$&'()*+,;="
_HOST_SAFE = _SUB_DELIMS + "[]:%"  # RFC 3986 §3.2.2; no "@", so nothing can pass for user information
_PATH_SAFE = _SUB_DELIMS + "/:@"  # §3.3
_QUERY_SAFE = _PATH_SAFE + "?%"  # §3.4; what is percent-encoded already stays so


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class URL:
    """The address of a request, in parts that are never spliced and parsed again: ``url.path`` *is* what was routed.

    ``host`` is as in the Host field, with its port; ``path`` and ``root_path`` are decoded, ``query`` is not.
    ``str(url)`` percent-encodes every part, so none can run into the next; without a host it is a path.
    """

    scheme: str
    host: str
    path: str
    root_path: str = ""
    query: str = ""

    def replace(self, **parts: str) -> Self:
        """A copy with other parts: ``url.replace(scheme="https", query="")``."""
        return replace_parts(self, **parts)

    def __str__(self) -> str:
        path = _quote(self.root_path + self.path, _PATH_SAFE)
        if path[:1] != "/":  # a request target like "@evil.example" would move the host (CVE-2026-54282)
            path = "/" + path
        query = "?" + _quote(self.query, _QUERY_SAFE) if self.query else ""
        if self.host:
            return f"{self.scheme}://{_quote(self.host, _HOST_SAFE)}{path}{query}"
        # Two slashes at the front would make the path a host (RFC 3986 §4.2).
        return ("/." if path.startswith("//") else "") + path + query

    def __repr__(self) -> str:
        return f"URL({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other) if isinstance(other, URL | str) else NotImplemented

    def __hash__(self) -> int:
        return hash(str(self))


def _quote(text: str, safe: str) -> str:
    # "surrogatepass" because a path that was no UTF-8 must be showable in a log, too.
    return quote(text, safe=safe, errors="surrogatepass")


class State(SimpleNamespace):
    """A bag of values of the user's own: ``app.state.pool = pool``; ``app.state["pool"]`` reads the same value."""

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:  # Any: the values are the user's
        super().__init__(**(values or {}))

    def copy(self) -> "State":
        """A shallow copy: names of its own, the same values."""
        return State(vars(self))

    def __getitem__(self, name: str) -> Any:
        return vars(self)[name]

    def __setitem__(self, name: str, value: Any) -> None:
        vars(self)[name] = value

    def __delitem__(self, name: str) -> None:
        del vars(self)[name]

    def __contains__(self, name: object) -> bool:
        return name in vars(self)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __len__(self) -> int:
        return len(vars(self))


PERCENT = ord("%")  # found in bytes in a quarter of the time that `b"%"` takes


def parse_query(query: bytes | str, max_pairs: int = 1000) -> MultiDict[str]:
    """The pairs of a query string, by the rules of the WHATWG URL Standard §5.1.

    Only ``&`` separates; ``+`` is a space; ``a`` and ``a=`` are both a blank value; ``%zz`` stays as it is;
    what is no UTF-8 becomes U+FFFD. A `str` is text: encode what WSGI calls a `str` by latin-1 first.
    Raises ``HTTPException(400)`` past ``max_pairs``, counted by separators.
    """
    if isinstance(query, str):
        query = query.encode("utf-8", "replace")
    if query.count(b"&") >= max_pairs:
        raise HTTPException(400, f"the query holds more than {max_pairs} parameters")
    query = query.replace(b"+", b" ")
    if PERCENT not in query:  # the separators are ASCII, so decoding before splitting gives the same in half the time
        text = query.decode("utf-8", "replace")
        return MultiDict([pair.partition("=")[::2] for pair in text.split("&") if pair])
    split = [pair.partition(b"=") for pair in query.split(b"&") if pair]
    return MultiDict([(_percent_decoded(name), _percent_decoded(value)) for name, _, value in split])


def _percent_decoded(text: bytes) -> str:
    return (unquote_to_bytes(text) if PERCENT in text else text).decode("utf-8", "replace")
