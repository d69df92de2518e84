"""JSON against Flask's: how it is written, read and answered, by the provider of an application and without one."""

from __future__ import annotations

import dataclasses
import decimal
import io
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from markupsafe import Markup

from duoframe.flask.json.provider import JSONProvider
from tests.flask.oracle import Side, side, text

__all__ = ["side"]


@dataclasses.dataclass
class Point:
    x: int
    when: date


VALUES: dict[str, Any] = {
    "datetime": datetime(2024, 2, 29, 12, 30, 15, 999),
    "zoned": datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2))),
    "date": date(2024, 2, 29),
    "decimal": decimal.Decimal("1.10"),
    "uuid": uuid.UUID("12345678-1234-5678-1234-567812345678"),
    "dataclass": Point(1, date(2024, 1, 1)),
    "markup": Markup("<b>"),
    "object": type("Icon", (), {"__html__": lambda self: "<i>"})(),
    "text": "é€\U0001f600",
    "numbers": [1, 1.5, 2**70, True, None],
    "nan": float("nan"),
    "order": {"b": 1, "a": 2},
    "keys": {1: "a"},
}


@pytest.mark.parametrize("name", VALUES)
def test_every_value_is_written_as_flask_writes_it(side: Side, name: str) -> None:
    import flask

    app, reference = side.app(), flask.Flask("reference")
    with reference.app_context():
        expected = flask.json.dumps(VALUES[name])
    with app.app_context():
        assert side.names.json.dumps(VALUES[name]) == expected
        file = io.StringIO()
        side.names.json.dump(VALUES[name], file)
        assert file.getvalue() == expected
    with pytest.raises(TypeError, match=r"object is not JSON serializable|that JSON has, got object"):
        app.json.dumps({"a": object()})
    with pytest.raises(TypeError, match=r"type is not JSON serializable|dataclass instances|that JSON has, got type"):
        app.json.dumps(Point)


def test_a_session_is_an_object(side: Side) -> None:
    def view() -> Any:
        side.names.session["user"] = 7
        return side.names.jsonify(side.names.session._get_current_object())

    assert text(side.get(side.app(), view)) == '{"user":7}\n'


def test_without_an_application_it_is_the_standard_library_s(side: Side) -> None:
    json = side.names.json
    assert json.dumps({"b": decimal.Decimal(1), "a": 2}) == '{"b": "1", "a": 2}'
    assert json.dumps({"b": 1}, indent=1) == '{\n "b": 1\n}'
    assert json.loads(b'{"a": 1}') == json.loads('{"a": 1}') == {"a": 1}
    assert json.load(io.BytesIO(b"[1]")) == json.load(io.StringIO("[1]")) == [1]
    with pytest.raises(ValueError, match="Expecting"):
        json.loads("{")


def test_the_provider_reads_and_its_attributes_say_how_it_writes(side: Side) -> None:
    app = side.app()
    app.json.ensure_ascii = False
    app.json.sort_keys = False
    app.json.default = lambda value: "other"
    with app.app_context():
        assert side.names.json.dumps({"é": object(), "a": 1}) == '{"é": "other", "a": 1}'
        assert side.names.json.loads('{"a": [1]}') == app.json.load(io.StringIO('{"a": [1]}')) == {"a": [1]}


@pytest.mark.parametrize(
    ("args", "kwargs", "expected"),
    [
        ((), {}, "null\n"),
        (([1],), {}, "[1]\n"),
        ((None,), {}, "null\n"),
        ((1, 2), {}, "[1,2]\n"),
        ((), {"b": 1, "a": 2}, '{"a":2,"b":1}\n'),
    ],
)
def test_what_jsonify_answers(side: Side, args: Any, kwargs: Any, expected: str) -> None:
    answer = side.get(side.app(), lambda: side.names.jsonify(*args, **kwargs))
    assert (answer.status_code, text(answer)) == (200, expected)
    assert answer.headers["content-type"] == "application/json"
    with side.app().app_context(), pytest.raises(TypeError, match=r"either args or kwargs|one JSON answer, got both"):
        side.names.jsonify(1, a=2)


@pytest.mark.parametrize(
    ("debug", "compact", "expected"),
    [(True, None, '{\n  "a": 1\n}\n'), (True, True, '{"a":1}\n'), (False, False, '{\n  "a": 1\n}\n')],
)
def test_in_debug_it_is_indented(side: Side, debug: bool, compact: bool | None, expected: str) -> None:
    app = side.app()
    app.debug = debug
    app.json.compact = compact
    app.json.mimetype = "application/vnd.a+json"
    answer = side.get(app, lambda: {"a": 1})
    assert (text(answer), answer.headers["content-type"]) == (expected, "application/vnd.a+json")


def test_outside_of_an_application_there_is_nothing_to_answer(side: Side) -> None:
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        side.names.jsonify(1)


def test_a_provider_of_one_s_own_writes_everything(side: Side) -> None:
    kind: Any = side.names.json.provider.JSONProvider

    class Upper(kind):  # type: ignore[misc]  # one of two
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return repr(obj).upper()

        def loads(self, s: str | bytes, **kwargs: Any) -> Any:
            return "loaded"

    app = side.app()
    app.json = Upper(app)
    answer = side.get(app, lambda: side.names.jsonify("a", side.names.json.loads("x")))
    assert (text(answer), answer.headers["content-type"]) == ("('A', 'LOADED')", "application/json")
    file = io.StringIO()
    app.json.dump("b", file)
    assert (file.getvalue(), app.json.load(io.StringIO(""))) == ("'B'", "loaded")


def test_a_provider_that_says_nothing_is_none() -> None:
    owner: Any = type("App", (), {})()
    provider = JSONProvider(owner)
    calls: list[Callable[[], object]] = [lambda: provider.dumps(1), lambda: provider.loads("1")]
    for call in calls:
        with pytest.raises(NotImplementedError):
            call()
