"""Mappings of several values a name, and files; Werkzeug's are the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest

from duoframe.datastructures import MultiDict as CoreMultiDict


@pytest.fixture
def kinds(names: Any) -> Any:  # Any: either's
    return names.datastructures


def test_a_multidict_is_a_dict_of_first_values(kinds: Any) -> None:
    values = kinds.MultiDict([("a", "1"), ("a", "2"), ("b", "x")])
    assert (values["a"], values.get("a", type=int), values.get("b", 7, type=int), values.get("c", 8)) == ("1", 1, 7, 8)
    assert (values.getlist("a"), values.getlist("a", int), values.getlist("b", int), values.getlist("c")) == (
        *(["1", "2"], [1, 2], [], []),
    )
    assert list(values.items()) == [("a", "1"), ("b", "x")]
    assert list(values.items(multi=True)) == [("a", "1"), ("a", "2"), ("b", "x")]
    assert (list(values.values()), list(values.keys()), list(values), len(values)) == (
        *(["1", "x"], ["a", "b"], ["a", "b"], 2),
    )
    assert list(values.lists()) == [("a", ["1", "2"]), ("b", ["x"])]
    assert list(values.listvalues()) == [["1", "2"], ["x"]]
    assert (values.to_dict(), values.to_dict(flat=False)) == ({"a": "1", "b": "x"}, {"a": ["1", "2"], "b": ["x"]})
    assert dict(values) == {"a": "1", "b": "x"}
    assert "a" in values
    assert "c" not in values
    with pytest.raises(KeyError):
        values["c"]
    assert repr(values) == "MultiDict([('a', '1'), ('a', '2'), ('b', 'x')])"


def test_what_a_multidict_is_made_of(kinds: Any) -> None:
    pairs = [("a", "1"), ("a", "2"), ("b", "x")]
    assert kinds.MultiDict({"a": ["1", "2"], "b": "x"}) == kinds.MultiDict(pairs)
    assert kinds.MultiDict(kinds.MultiDict(pairs)) == kinds.MultiDict(pairs)
    assert kinds.MultiDict() == {}
    assert kinds.MultiDict(pairs) == {"a": ["1", "2"], "b": ["x"]}


def test_of_the_cores_mapping(ours: Any) -> None:
    from duoframe.flask.datastructures import MultiDict

    assert MultiDict(CoreMultiDict([("a", "1"), ("a", "2")])).getlist("a") == ["1", "2"]


def test_a_multidict_can_be_changed(kinds: Any) -> None:
    values = kinds.MultiDict([("a", "1"), ("a", "2")])
    values["b"] = "x"
    values.add("b", "y")
    values.setlist("c", ["p", "q"])
    assert values.to_dict(flat=False) == {"a": ["1", "2"], "b": ["x", "y"], "c": ["p", "q"]}
    assert (values.setdefault("a", "9"), values.setdefault("d", "9")) == ("1", "9")
    values.setlistdefault("e", ["r"]).append("s")
    values.setlistdefault("f")
    assert values.setlistdefault("a") == ["1", "2"]
    assert (values.getlist("e"), values.getlist("f")) == (["r", "s"], [])
    values.update({"a": "3"})
    values.update([("a", "4")])
    assert values.getlist("a") == ["1", "2", "3", "4"]
    assert (values.pop("a"), values.pop("a", "gone")) == ("1", "gone")
    with pytest.raises(KeyError):
        values.pop("a")
    assert (values.poplist("b"), values.poplist("b")) == (["x", "y"], [])
    del values["f"]
    assert values.popitemlist() == ("e", ["r", "s"])
    assert values.popitem() == ("d", "9")
    values |= {"c": "z"}
    assert values.getlist("c")[-1] == "z"
    assert (values | {"g": "h"})["g"] == "h"
    with pytest.raises(TypeError):
        values | 7  # that it is refused is the point
    values.clear()
    assert not values


def test_copies_of_a_multidict(kinds: Any) -> None:
    values = kinds.MultiDict([("a", [1]), ("a", [2])])
    for other in (values.copy(), copy.copy(values)):
        other.add("b", 1)
        assert "b" not in values
        assert other["a"] is values["a"]
    deep = copy.deepcopy(values)
    assert deep == values
    assert deep["a"] is not values["a"]
    assert values.deepcopy() == values
    assert pickle.loads(pickle.dumps(values)) == values


def test_an_immutable_multidict_cannot_be_changed(kinds: Any) -> None:
    values = kinds.ImmutableMultiDict([("a", "1"), ("a", "2")])
    with pytest.raises(TypeError, match="immutable"):
        values["a"] = "x"
    with pytest.raises(TypeError, match="immutable"):
        del values["a"]
    for name, arguments in {
        "add": ("a", "x"),
        "setlist": ("a", []),
        "setdefault": ("b", 1),
        "setlistdefault": ("b", []),
        "update": ({},),
        "pop": ("a",),
        "popitem": (),
        "poplist": ("a",),
        "popitemlist": (),
        "clear": (),
    }.items():
        with pytest.raises(TypeError, match="immutable"):
            getattr(values, name)(*arguments)
    other = values.copy()
    other["a"] = "x"
    assert values["a"] == "1"
    assert copy.copy(values) is values
    assert hash(values) == hash(kinds.ImmutableMultiDict([("a", "1"), ("a", "2")]))
    assert pickle.loads(pickle.dumps(values)) == values


def test_several_mappings_together(kinds: Any) -> None:
    both = kinds.CombinedMultiDict([kinds.MultiDict([("a", "1")]), kinds.MultiDict([("a", "2"), ("b", "3")])])
    assert (both["a"], both.getlist("a"), both["b"], sorted(both), len(both)) == ("1", ["1", "2"], "3", ["a", "b"], 2)
    with pytest.raises(TypeError):
        both["a"] = "x"
    assert pickle.loads(pickle.dumps(both)).getlist("a") == ["1", "2"]


def test_a_file_of_a_test(kinds: Any, tmp_path: Any) -> None:
    file = kinds.FileStorage(io.BytesIO(b"abc"), "a.txt", "field", "text/plain; charset=utf-8", 3)
    assert (file.filename, file.name, file.content_type, file.mimetype, file.content_length) == (
        *("a.txt", "field", "text/plain; charset=utf-8", "text/plain", 3),
    )
    assert file.mimetype_params == {"charset": "utf-8"}
    assert (file.read(), bool(file)) == (b"abc", True)
    file.seek(0)
    file.save(str(tmp_path / "x"))
    assert (tmp_path / "x").read_bytes() == b"abc"
    assert repr(file) == "<FileStorage: 'a.txt' ('text/plain; charset=utf-8')>"
    file.close()
    nothing = kinds.FileStorage()
    assert (nothing.filename, nothing.content_type, nothing.mimetype, nothing.content_length, bool(nothing)) == (
        *(None, None, "", 0, False),
    )
    with open(tmp_path / "x", "rb") as opened:
        assert kinds.FileStorage(opened).filename == str(tmp_path / "x")
    with pytest.raises(AttributeError):
        nothing.nothing  # noqa: B018  # that is asked for is the point


def test_a_file_without_a_stream_yet_has_no_attributes(ours: Any) -> None:
    from duoframe.flask.datastructures import FileStorage

    with pytest.raises(AttributeError):
        FileStorage.__new__(FileStorage).read  # noqa: B018  # as above
