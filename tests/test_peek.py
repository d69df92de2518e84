"""Values as text for a page: bounded, guarded, without secrets."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe.datastructures import Headers
from duoframe.peek import DEPTH, ITEMS, LENGTH, MASKED, is_secret, masked, peek, visible


@dataclasses.dataclass
class Settings:
    name: str
    db_password: Any


class Loud(dict[str, int]):
    def __repr__(self) -> str:
        raise KeyError("loud")


class Text(str):
    __slots__ = ()

    def __repr__(self) -> str:
        return Text("a text of its own")

    def __str__(self) -> str:
        raise AssertionError("the text of a repr is its own")


@pytest.mark.parametrize(
    "value",
    [
        *("x", "it's", b"\x00", bytearray(b"x"), 1, 1.5, None, True, ..., int),
        *([], {}, (), set(), frozenset(), [1], (1,), (1, 2), {1}, {"a": [1, {"b": (2, b"3")}]}, frozenset((1,))),
        *(collections.OrderedDict(a=1), collections.Counter("a"), collections.deque([1])),
        Headers([("host", "x")]),
    ],
)
def test_a_short_value_is_shown_as_python_shows_it(value: Any) -> None:
    assert peek("value", value) == repr(value)


def test_a_long_value_is_cut_before_its_repr_is_made() -> None:
    """A body of a gigabyte must not become two more."""

    class Long(bytes):
        asked: list[Any] = []

        def __getitem__(self, key: Any) -> Any:
            self.asked.append(key)
            return super().__getitem__(key)

    assert peek("body", Long(b"x" * 10_000)) == "b'" + "x" * (LENGTH - 2) + "…"
    assert Long.asked == [slice(None, LENGTH)]
    assert peek("text", "é" * 10_000) == "'" + "é" * (LENGTH - 1) + "…"


def test_no_more_of_a_collection_is_looked_at_than_is_shown() -> None:
    looked: list[int] = []

    class Item:
        def __init__(self, number: int) -> None:
            self.number = number

        def __repr__(self) -> str:
            looked.append(self.number)
            return str(self.number)

    shown = ", ".join(map(str, range(ITEMS)))
    assert peek("items", [Item(number) for number in range(1000)]) == f"[{shown}, … {1000 - ITEMS} more]"
    assert looked == list(range(ITEMS))
    assert peek("items", dict.fromkeys(range(ITEMS + 1), 0)).endswith("19: 0, … 1 more}")


def test_what_is_nested_deeply_or_in_itself_is_cut() -> None:
    nested: list[Any] = []
    nested.append(nested)
    assert peek("nested", nested) == "[" * DEPTH + "[…]" + "]" * DEPTH


def test_a_repr_that_raises_is_told_and_what_stands_around_it_is_shown() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    class Wrong:
        def __repr__(self) -> str:
            return 5  # type: ignore[return-value]  # that is the point

    class Endless:
        def __repr__(self) -> str:
            return repr(self)

    assert peek("all", [1, Broken(), Loud()]) == (
        "[1, <Broken whose repr raised ZeroDivisionError>, <Loud whose repr raised KeyError>]"
    )
    assert peek("wrong", Wrong()) == "<Wrong whose repr raised TypeError>"
    assert peek("endless", Endless()) == "<Endless whose repr raised RecursionError>"
    assert peek("digits", 10**5000) == "<int whose repr raised ValueError>"


def test_a_repr_is_text_whatever_class_it_is_of() -> None:
    found = peek("text", [Text("x")])
    assert (found, type(found)) == ("[a text of its own]", str)


def test_an_exit_in_a_repr_goes_out() -> None:
    class Exit:
        def __repr__(self) -> str:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        peek("exit", Exit())


SECRET = ["password", "db_passwd", "passphrase", "pwd", "secret", "CLIENT_SECRET", "token", "access_token", "csrftoken"]
SECRET += ["api_key", "apikey", "x-api-key", "key", "signing_key", "authorization", "Proxy-Authorization", "cookie"]
SECRET += ["Set-Cookie", "cookies", "session", "sessionid", "credentials", "private_key", "jwt", "signature"]


@pytest.mark.parametrize("name", SECRET)
def test_a_name_that_looks_secret_hides_its_value(name: str) -> None:
    """R74."""
    assert is_secret(name)
    assert peek(name, "hunter2") == masked(name, "hunter2") == MASKED


@pytest.mark.parametrize("name", ["user", "monkey", "keyboard", "author", "passenger", "keys", "compass"])
def test_another_name_does_not(name: str) -> None:
    assert not is_secret(name)
    assert peek(name, "x") == "'x'"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"password": "hun'ter2", "n": 1}, f"{{'password': {MASKED}, 'n': 1}}"),
        ({"Token": ["hunter2", 'hunt"er2'], "n": 1}, f"{{'Token': {MASKED}, 'n': 1}}"),
        ([("authorization", "Bearer hunter2"), ("n", 1)], f"[('authorization', {MASKED}), ('n', 1)]"),
        (Headers([("cookie", "a=hunter2; b=hunter2")]), f"Headers([('cookie', {MASKED})])"),
        (f"{Settings('x', 'hunter2')}", f"\"{Settings.__qualname__}(name='x', db_password={MASKED})\""),
        ("Authorization: Bearer hunter2 and more", f"'Authorization: {MASKED} and more'"),
        ("sent with bearer hunter2.x.y", f"'sent with bearer {MASKED}'"),
        ("a=1&token=hunter2", f"'a=1&token={MASKED}"),
    ],
)
def test_what_a_value_says_of_secrets_in_it_is_hidden(value: Any, shown: str) -> None:
    """R74."""
    assert peek("value", value).startswith(shown)
    assert "hunter2" not in peek("value", value)


def test_a_secret_list_of_an_object_is_hidden() -> None:
    """R74."""
    shown = peek("settings", Settings("x", ["hunter2", "hunter2"]))
    assert "hunter2" not in shown
    assert "name='x'" in shown


def test_what_cannot_be_seen_is_shown_as_an_escape() -> None:
    """R75: neither a terminal nor a reader is deceived."""
    assert visible("a\x00\x1b[31m\x7f\x9b\u202e\u2066\ud800é \u00a0\n\t") == (
        "a\\x00\\x1b[31m\\x7f\\x9b\\u202e\\u2066\\ud800é \u00a0\n\t"
    )


VALUES: Any = st.recursive(
    st.none() | st.integers() | st.text() | st.binary() | st.floats(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


@given(st.text(), VALUES)
def test_any_value_is_shown_in_a_bounded_length(name: str, value: Any) -> None:
    assert len(peek(name, value)) <= LENGTH + 1
    assert len(masked(name, str(value))) <= LENGTH + 1


@given(st.text())
def test_what_is_made_visible_can_be_sent_and_stays_so(text: str) -> None:
    visible(text).encode()
    assert visible(visible(text)) == visible(text)
