"""A session as a mapping: which values it takes, when it was touched, and what is to be kept."""

from __future__ import annotations

import enum
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from duoframe.sessions import CLOCK_SKEW, MAX_DEPTH, Kept, Session, TaggedSession, unpack


def session(values: dict[str, Any] | None = None, **kept: Any) -> Session:
    return Session(lambda: Kept(values if values is not None else {}, **{"permanent": True, **kept}))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_taken_comes_back_as_it_was(values: dict[str, Any]) -> None:
    """R36: JSON, and nothing else."""
    before = session()
    before.update(values)
    content = before._packed()
    assert unpack(content, 60).values == values
    assert repr(unpack(content, 60).values) == repr(values)  # True stays True, 1.0 stays 1.0
    assert json.loads(content)[2] == values


class Named(str):
    __slots__ = ()


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    "value", [object(), b"x", {1}, (1,), Named("x"), Level.HIGH, 1j, {1: "a"}, [{"a": (1,)}], {None: 1}]
)
def test_a_value_that_is_none_of_json_is_refused_when_it_is_set(value: Any) -> None:
    """C-16."""
    kept = session({"a": 1})
    with pytest.raises(TypeError, match=r"session\['cart'\].*: expected"):
        kept["cart"] = value
    with pytest.raises(TypeError, match="expected"):
        kept.setdefault("cart", value)
    with pytest.raises(TypeError, match="expected"):
        kept.update(cart=value)
    assert kept == {"a": 1}
    assert not kept.modified


@pytest.mark.parametrize("name", [1, None, ("a",), Named("x")])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    """C-16."""
    with pytest.raises(TypeError, match="expected str as names"):
        session()[name] = 1


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth - 1):
        inner = [inner]
    return inner


def circle() -> list[Any]:
    inner: list[Any] = []
    inner += [inner] * 10
    return inner


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), 2**63, -(2**63) - 1, "\ud800", {"\udfff": 1}, nested(MAX_DEPTH + 1), circle()],
)
def test_a_value_that_json_cannot_say_is_refused_when_it_is_set(value: Any) -> None:
    """C-16."""
    kept = session()
    with pytest.raises(ValueError, match=r"session\['cart'\].*: expected"):
        kept["cart"] = value
    with pytest.raises(ValueError, match="surrogate"):
        kept["\ud800"] = 1
    assert kept == {}
    kept["deep"] = nested(MAX_DEPTH)
    assert unpack(kept._packed(), 60).values == {"deep": nested(MAX_DEPTH)}


def test_what_is_put_inside_a_list_later_is_refused_in_the_end_and_named() -> None:
    """C-16, C-13."""
    kept = session()
    kept["cart"] = [{"item": 1}]
    kept["cart"][0]["when"] = time.gmtime
    with pytest.raises(
        TypeError, match=r"session\['cart'\]\[0\]\['when'\]: expected .* got builtin_function_or_method"
    ):
        kept.modified  # noqa: B018  # the property is what is tested


TOUCHES: dict[str, Callable[[Session], object]] = {
    "[]": lambda kept: kept["a"],
    "get": lambda kept: kept.get("missing"),
    "in": lambda kept: "a" in kept,
    "len": len,
    "bool": bool,
    "iter": list,
    "keys": lambda kept: list(kept.keys()),
    "values": lambda kept: list(kept.values()),
    "items": lambda kept: list(kept.items()),
    "==": lambda kept: kept == {},
    "copy": lambda kept: kept.copy(),
    "set": lambda kept: kept.update(b=1),
    "del": lambda kept: kept.pop("a"),
    "setdefault": lambda kept: kept.setdefault("a", 1),
    "clear": lambda kept: kept.clear(),
    "popitem": lambda kept: kept.popitem(),
    "refresh": lambda kept: kept.refresh(),
    "regenerate": lambda kept: kept.regenerate(),
    "permanent": lambda kept: kept.permanent,
    "permanent=": lambda kept: setattr(kept, "permanent", False),
    "error": lambda kept: kept.error,
    "modified": lambda kept: kept.modified,
}
CHANGES = ["set", "del", "setdefault", "clear", "popitem", "refresh", "regenerate", "permanent="]


@pytest.mark.parametrize("touch", TOUCHES)
def test_every_touch_is_noted(touch: str) -> None:
    """R40."""
    kept = session({"a": 1})
    assert not kept.accessed
    assert repr(kept) == "<Session, not read>"
    assert not kept.accessed
    TOUCHES[touch](kept)
    assert kept.accessed
    assert repr(kept).startswith("<Session of ")


@pytest.mark.parametrize("touch", TOUCHES)
def test_once_the_answer_is_made_it_is_read_only(touch: str) -> None:
    """C-12."""
    kept = session({"a": 1})
    kept._closed = True
    if touch in CHANGES and touch != "setdefault":  # which finds what it asks for
        with pytest.raises(RuntimeError, match="changed after its cookie had been made"):
            TOUCHES[touch](kept)
    else:
        TOUCHES[touch](kept)
    assert kept == {"a": 1}


def append(kept: Session) -> None:
    kept["list"].append(1)


@pytest.mark.parametrize(
    ("change", "modified"),
    [
        (lambda kept: kept["list"], False),
        (lambda kept: kept.update(a=1), False),
        (lambda kept: kept.update(a=True), True),
        (lambda kept: kept.update(a=2), True),
        (lambda kept: kept.pop("a"), True),
        (append, True),
        (lambda kept: kept["deep"]["er"].update(x=1), True),
        (lambda kept: setattr(kept, "permanent", True), False),
        (lambda kept: setattr(kept, "permanent", False), True),
        (lambda kept: kept.clear(), True),
    ],
)
def test_a_change_is_noticed_however_deep(change: Callable[[Session], object], modified: bool) -> None:
    """C-13."""
    kept = session({"a": 1, "list": [], "deep": {"er": {}}})
    change(kept)
    assert kept.modified is modified


@pytest.mark.parametrize(
    ("kept", "change", "due", "gone"),
    [
        (Kept({}, True), lambda kept: None, False, False),
        (Kept({}, True), lambda kept: kept.update(a=1), True, False),
        (Kept({}, True), lambda kept: kept.refresh(), False, True),
        (Kept({}, True), lambda kept: setattr(kept, "permanent", False), False, True),
        (Kept({}, True, error="expired"), lambda kept: None, False, False),
        (Kept({}, True, error="expired"), lambda kept: kept.clear(), False, True),
        (Kept({}, True, error="expired"), lambda kept: kept.update(a=1), True, False),
        (Kept({"a": 1}, True), lambda kept: None, False, False),
        (Kept({"a": 1}, True, aged=True), lambda kept: None, True, False),
        (Kept({"a": 1}, True), lambda kept: kept.refresh(), True, False),
        (Kept({"a": 1}, True), lambda kept: kept.regenerate(), True, False),
        (Kept({"a": 1}, True, aged=True), lambda kept: kept.clear(), False, True),
        (Kept({"a": 1}, True), lambda kept: kept.pop("a"), False, True),
    ],
)
def test_when_it_is_kept_anew_and_when_it_is_forgotten(
    kept: Kept, change: Callable[[Session], object], due: bool, gone: bool
) -> None:
    changed = Session(lambda: kept._replace(values=dict(kept.values)))
    change(changed)
    assert (changed._due, changed._gone) == (due, gone)


def packed(saved: float, values: object = None) -> bytes:
    return json.dumps([int(saved), True, {"a": 1} if values is None else values]).encode()


def test_its_age_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """R33."""
    now = time.time()
    monkeypatch.setattr("duoframe.sessions.time.time", lambda: now)
    now = float(int(now))
    assert unpack(packed(now), 100) == Kept({"a": 1}, True)
    assert unpack(packed(now - 50), 100).aged is False
    assert unpack(packed(now - 51), 100).aged is True
    assert unpack(packed(now - 100), 100).aged is True
    with pytest.raises(ValueError, match="expired"):
        unpack(packed(now - 101), 100)
    assert CLOCK_SKEW <= 60
    assert unpack(packed(now + CLOCK_SKEW), 100).aged is False
    with pytest.raises(ValueError, match="from the future"):
        unpack(packed(now + CLOCK_SKEW + 1), 100)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"[1, true, []]",
        b'["1", true, {}]',
        b"[1, 1, {}]",
        b"[1, true, {}, 1]",
        b"\xff",
        b'[1, true, {"a": "\xff"}]',
        b'[1, true, {"a": ' + b"[" * 100_000,
        b"[1e400, true, {}]",
        b"[" + b"9" * 400 + b", true, {}]",
    ],
)
def test_what_is_no_session_is_malformed(content: bytes) -> None:
    """R36."""
    with pytest.raises(ValueError, match=r"malformed|from the future"):
        unpack(content, 60)


# Flask's


def tagged_session(values: dict[str, Any] | None = None, permanent: bool = False) -> TaggedSession:
    return TaggedSession(lambda: Kept({} if values is None else values, permanent))


def test_a_tagged_session_takes_what_flask_s_can_hold_and_refuses_the_rest() -> None:
    """C-16."""
    kept = tagged_session()
    kept.update(a=(1, b"x"), b=Markup("<b>"), c=2**70, d=datetime(2024, 1, 1, tzinfo=UTC), e=float("inf"))
    assert kept.modified
    with pytest.raises(TypeError, match=r"session\['cart'\]: expected"):
        kept["cart"] = {1, 2}
    with pytest.raises(TypeError, match="expected str as names"):
        kept[5] = 1  # type: ignore[index]  # what is tested
    assert "cart" not in kept
    kept["list"] = []
    kept["list"].append(object())
    with pytest.raises(TypeError, match=r"session\['list'\]\[0\]: expected"):
        kept.modified  # noqa: B018  # the property is what is tested


@pytest.mark.parametrize("change", [lambda kept: kept["a"].append(1), lambda kept: kept["b"][0].update(x=1)])
def test_a_change_inside_a_tagged_session_is_noticed(change: Callable[[Session], object]) -> None:
    """C-13."""
    kept = tagged_session({"a": [], "b": ({},)})
    assert not kept.modified
    change(kept)
    assert kept.modified


@pytest.mark.parametrize(
    ("values", "default", "permanent", "written"),
    [
        ({"a": 1}, False, False, {"a": 1}),
        ({"a": 1}, True, True, {"a": 1, "_permanent": True}),
        ({"a": 1, "_permanent": True}, False, True, {"a": 1, "_permanent": True}),
        ({"a": 1, "_permanent": False}, True, False, {"a": 1, "_permanent": False}),
    ],
)
def test_whether_a_tagged_session_is_permanent_stands_among_its_values(
    values: dict[str, Any], default: bool, permanent: bool, written: dict[str, Any]
) -> None:
    kept = tagged_session(values, default)
    assert kept.permanent is permanent
    assert json.loads(kept._packed()) == written
    assert not kept.modified
    kept.permanent = not permanent
    assert kept.modified
    assert kept["_permanent"] is not permanent


@pytest.mark.parametrize(("kept", "pair"), [(session(), list), (tagged_session(), tuple)])
def test_flashes_are_kept_until_they_are_taken(kept: Session, pair: type) -> None:
    assert kept.take_flashes() == []
    kept.flash("Saved.")
    kept.flash("Too late.", "error")
    assert kept["_flashes"] == [pair(("message", "Saved.")), pair(("error", "Too late."))]
    kept._encoded()
    assert kept.take_flashes() == [("message", "Saved."), ("error", "Too late.")]
    assert kept == {}
