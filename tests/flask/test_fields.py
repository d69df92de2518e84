"""Header fields with Flask's manners; Werkzeug's are the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def make(names: Any) -> Any:  # Any: either's Headers
    if names.original:
        return names.datastructures.Headers
    from duoframe.flask.fields import Headers

    return Headers


def test_fields_are_found_whatever_their_case(make: Any) -> None:
    headers = make([("X-A", "1"), ("X-A", "2"), ("X-B", "3")])
    assert (headers["x-a"], headers.get("X-A"), headers.get("x-b", type=int), headers.get("x-c", 5)) == ("1", "1", 3, 5)
    assert headers.get("x-a", 7, type=lambda text: int("x")) == 7
    assert (headers.getlist("x-a"), headers.getlist("x-a", int), headers.get_all("x-a")) == (
        ["1", "2"],
        [1, 2],
        ["1", "2"],
    )
    assert headers.getlist("X-B", lambda text: int("x")) == []
    assert ("X-a" in headers, "x-c" in headers, len(headers)) == (True, False, 3)
    assert list(headers) == list(headers.items()) == [("X-A", "1"), ("X-A", "2"), ("X-B", "3")]
    assert next(iter(headers.items(lower=True))) == ("x-a", "1")
    assert (list(headers.keys()), list(headers.values())) == (["X-A", "X-A", "X-B"], ["1", "2", "3"])
    assert dict(headers) == {"X-A": "1", "X-B": "3"}
    assert headers.to_wsgi_list() == list(headers)
    with pytest.raises(KeyError):
        headers["x-c"]


def test_fields_can_be_changed(make: Any) -> None:
    headers = make({"X-A": "1", "X-L": ["1", "2"]})
    headers["x-a"] = 2
    headers.add("X-D", "attachment", filename="a.png")
    headers.add_header("X-D", "inline", filename="a b.png", skipped=None)
    headers.set("X-E", "v", key_word="x")
    assert headers.getlist("X-D") == ["attachment; filename=a.png", 'inline; filename="a b.png"']
    assert (headers["x-a"], headers["X-E"], headers.getlist("x-l")) == ("2", "v; key-word=x", ["1", "2"])
    assert (headers.setdefault("X-A", "9"), headers.setdefault("X-F", "9")) == ("2", "9")
    headers.setlist("X-G", ["1", "2"])
    headers.extend({"X-G": "3"}, X="4")
    headers.extend([("X-G", "5")])
    assert headers.getlist("x-g") == ["1", "2", "3", "5"]
    headers.update({"X-G": ["6", "7"]})
    headers.update([("X-E", "8")], Y="1")
    assert (headers.getlist("x-g"), headers["x-e"], headers["y"]) == (["6", "7"], "8", "1")
    assert (headers.pop("X-E"), headers.pop("X-E", "none")) == ("8", "none")
    with pytest.raises(KeyError):
        headers.pop("X-E")
    del headers["X-G"]
    headers.remove("X-G")
    other = headers.copy()
    other["x-a"] = "other"
    assert headers["x-a"] == "2"
    headers.clear()
    assert len(headers) == 0


def test_fields_are_compared_and_shown(make: Any) -> None:
    assert make({"X-A": "1"}) == make([("x-a", "1")])
    assert make({"X-A": "1"}) != make({"X-A": "2"})
    assert make({"X-A": "1"}) != 7
    assert str(make({"X-A": "1"})) == "X-A: 1\r\n\r\n"
    assert repr(make({"X-A": "1"})) == "Headers([('X-A', '1')])"
    assert make(make({"X-A": "1"}))["x-a"] == "1"
    with pytest.raises(TypeError):
        hash(make())


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-B: c"])
def test_nothing_breaks_out_of_its_line(make: Any, value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # each says it in its way
        make().add("X-A", value)


def test_a_set_of_names(names: Any) -> None:
    kind = names.datastructures.HeaderSet
    names_of = kind(["A", "b"])
    names_of.add("B")
    names_of.add("c")
    assert (list(names_of), len(names_of), "C" in names_of, names_of.as_set()) == (
        *(["A", "b", "c"], 3, True, {"a", "b", "c"}),
    )
    assert names_of.to_header() == "A, b, c"
    names_of.discard("x")
    names_of.remove("a")
    assert list(names_of) == ["b", "c"]
    with pytest.raises(KeyError):
        names_of.remove("a")


def test_the_cache_control_of_a_request_is_its_own(ours: Any) -> None:
    from duoframe.flask.fields import CacheControl

    control = CacheControl("no-cache")
    control.max_age = 5
    assert control.max_age == 5
