"""What is kept for one visitor between requests, and how it is written down.

Knows values, how they are written, and when they were touched; must not know how they are kept: `middleware.sessions`
carries them in a signed cookie or hands them to a `Store`.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

from duoframe import tagged

MAX_DEPTH = 64
"""Lists and objects within each other that a session may hold."""

CLOCK_SKEW = 60
"""Seconds that the clock of whoever kept a session may be ahead of this one."""


class Kept(NamedTuple):
    """What a session begins with: what was kept, or why that was not taken."""

    values: dict[str, Any]
    permanent: bool
    aged: bool = False
    """Whether it is to be kept anew although nothing changes."""
    error: str | None = None


class Session(MutableMapping[str, Any]):
    """The values kept for one visitor: ``request.session["user"] = 7``.

    Names are `str`, values those of JSON: None, `bool`, `int` of 64 bits, finite `float`, `str`, and `list` and `dict`
    of these. Setting another raises `TypeError` or `ValueError`; changes inside a list or `dict` are noticed. A change
    after the answer's head has been made raises `RuntimeError`.
    """

    accessed = False
    """Whether anybody has looked: the answer then depends on the cookie."""
    _pair: type = list
    _kept: Kept | None = None
    _before = b""
    _permanent = True
    _again = False
    _regenerated = False
    _closed = False

    def __init__(self, read: Callable[[], Kept]) -> None:
        self._read = read

    def __getitem__(self, name: str) -> Any:
        return self._values()[name]

    def __setitem__(self, name: str, value: Any) -> None:
        values = self._open_values()
        self._text({name: value})
        values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._open_values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def __repr__(self) -> str:
        return "<Session, not read>" if self._kept is None else f"<Session of {len(self._kept.values)} values>"

    def copy(self) -> dict[str, Any]:
        """The values in a `dict` of their own."""
        return dict(self._values())

    def clear(self) -> None:
        """Forget everything: the cookie is deleted, and what a store kept."""
        self.regenerate()
        self._values().clear()

    def refresh(self) -> None:
        """Have the session kept anew for its whole time, although nothing changes."""
        self._open_values()
        self._again = True

    def flash(self, message: str, category: str = "message") -> None:
        """Keep a message for the page that the visitor sees next."""
        self["_flashes"] = [*self.get("_flashes", ()), self._pair((category, message))]

    def take_flashes(self) -> list[tuple[str, str]]:
        """The messages kept by `flash`, each as ``(category, message)``; they are forgotten thereby."""
        return [(category, message) for category, message in self.pop("_flashes", ())]

    def regenerate(self) -> None:
        """Give the session a new identifier and keep its values: when a visitor logs in, or gains rights."""
        self.refresh()
        self._regenerated = True

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser's own session; set it for a "remember me"."""
        self._looked_at()
        return self._permanent

    @permanent.setter
    def permanent(self, permanent: bool) -> None:
        self._open_values()
        self._permanent = bool(permanent)

    @property
    def error(self) -> str | None:
        """Why what the client sent was not taken, for a log; None where it was, or where nothing came."""
        return self._looked_at().error

    @property
    def modified(self) -> bool:
        """Whether anything differs from what was kept. Raises as setting does, for a value inside a list or `dict`."""
        return self._encoded() != self._before or self._permanent != self._looked_at().permanent

    @property
    def _due(self) -> bool:
        """Whether it is to be kept anew."""
        return bool(self._values()) and (self.modified or self._again or self._looked_at().aged)

    @property
    def _gone(self) -> bool:
        """Whether what the client has of it is to be deleted.

        A cookie that was not taken stays unless somebody asks: another answer may have replaced it meanwhile.
        """
        return not self._values() and (self.modified or self._again)

    def _looked_at(self) -> Kept:
        self.accessed = True
        if self._kept is None:
            self._kept = self._read()
            self._permanent = self._kept.permanent
            self._before = self._encoded()
        return self._kept

    def _values(self) -> dict[str, Any]:
        return self._looked_at().values

    def _open_values(self) -> dict[str, Any]:
        if self._closed:
            raise RuntimeError(
                "the session was changed after its cookie had been made; change it before the handler returns,"
                " not in a stream or in background work"
            )
        return self._values()

    def _encoded(self) -> bytes:
        return self._text(self._values())

    def _text(self, values: dict[str, Any]) -> bytes:
        """How values are written. Raises `TypeError` and `ValueError` for those that would not come back."""
        import msgspec

        _check(values, "session")
        return msgspec.json.encode(values)

    def _packed(self) -> bytes:
        """What is written down: when, whether it is permanent, and the values."""
        import msgspec

        return msgspec.json.encode((int(time.time()), self._permanent, self._values()))


class TaggedSession(Session):
    """A session of Flask's: it holds `tuple`, `bytes`, `datetime`, `UUID` and markup too, and integers of any size.

    A datetime comes back in UTC and in whole seconds. Whether the cookie outlives the browser's own session stands
    among the values, as ``_permanent``.
    """

    _pair = tuple

    @property
    def permanent(self) -> bool:
        """Whether the cookie outlives the browser's own session; set it for a "remember me"."""
        kept = self._looked_at()
        return bool(kept.values.get("_permanent", kept.permanent))

    @permanent.setter
    def permanent(self, permanent: bool) -> None:
        self["_permanent"] = bool(permanent)

    def _text(self, values: dict[str, Any]) -> bytes:
        return tagged.dumps(values, "session").encode("ascii")

    def _packed(self) -> bytes:
        values = self._values()
        return self._text({**values, "_permanent": True} if self.permanent else values)


class StoreUnavailable(Exception):
    """A `Store` could not be asked: it is down, too slow, or full."""


@runtime_checkable
class Store(Protocol):
    """Keeps sessions on the server, by keys that tell nothing of the identifiers in cookies.

    Its methods may block, and run on many threads at once. Each raises `StoreUnavailable` where it cannot do its work.
    """

    shared: bool
    """Whether other processes see what this one keeps."""

    def load(self, key: str) -> bytes | None:
        """What is kept under ``key``, unless its time is over."""

    def create(self, key: str, content: bytes, max_age: int) -> None:
        """Keep ``content`` for ``max_age`` seconds."""

    def replace(self, key: str, content: bytes, max_age: int, expected: bytes | None = None) -> bool:
        """The same where something is there under ``key``, and is ``expected`` if that is given; whether it was."""

    def delete(self, key: str) -> None:
        """Keep nothing under ``key``."""


def unpack(content: bytes, max_age: int) -> Kept:
    """What `Session` has written down. Raises `ValueError` for what is older than ``max_age`` seconds or no session."""
    import msgspec

    try:
        saved, permanent, values = _decoder().decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError("malformed") from error
    return Kept(values, permanent, aged=is_aged(saved, max_age))


def is_aged(saved: int, max_age: int) -> bool:
    """Whether half of the time is over for what was kept in the second ``saved``. Raises `ValueError` once all is."""
    age = int(time.time()) - saved
    if age > max_age:
        raise ValueError("expired")
    if age < -CLOCK_SKEW:
        raise ValueError("from the future")
    return age > max_age / 2


@functools.cache
def _decoder() -> Any:
    import msgspec

    return msgspec.json.Decoder(tuple[int, bool, dict[str, Any]])


def _check(value: Any, place: str, depth: int = MAX_DEPTH) -> None:
    """Raise unless ``value`` comes back from JSON as it went."""
    kind = type(value)
    if kind is str:
        _check_text(value, place)
    elif kind is int:
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"{place}: expected an int of 64 bits; keep a larger one as str")
    elif kind is float:
        if not math.isfinite(value):
            raise ValueError(f"{place}: expected a finite number, got {value!r}")
    elif kind is list or kind is dict:
        if depth < 0:
            raise ValueError(f"{place:.80}: expected at most {MAX_DEPTH} lists and dicts within each other")
        for name, member in value.items() if kind is dict else enumerate(value):
            if kind is dict:
                if type(name) is not str:
                    raise TypeError(f"{place}: expected str as names, got {name!r}")
                _check_text(name, place)
            _check(member, f"{place}[{name!r}]", depth - 1)
    elif value is not None and kind is not bool:
        raise TypeError(
            f"{place}: expected None, bool, int, float, str, list or dict, which JSON gives back as they were,"
            f" got {kind.__name__}"
        )


def _check_text(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{place}: expected text that can be encoded as UTF-8, got a lone surrogate") from error
