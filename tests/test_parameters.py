"""The reference of parameters is what the code does: each of its examples is sent, behind both doors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from duoframe import App
from tests.conftest import Ask
from tests.kinds import KINDS, Kind
from tests.parameters import NAMES, PAGE, PLACES, REFUSALS, Example, page, spelled
from tests.typed import faults, given


def test_the_page_is_what_the_tests_know() -> None:
    assert PAGE.read_text() == page(), "write it anew: python -m tests.parameters"


@pytest.mark.parametrize("example", [*PLACES, *REFUSALS], ids=lambda one: f"{one.declared}, {one.place}")
def test_an_example_of_the_page_is_answered_as_it_says(ask: Ask, app: App, example: Example) -> None:
    """H-14 to H-20, H-46, F-06"""
    declared: dict[str, Any] = {**NAMES}
    name = example.declared.partition(":")[0]
    exec(f"def handler({example.declared}): return repr({name})", declared)
    app.post("/items/{id}")(declared["handler"])
    fields = [(name.encode(), value.encode()) for name, value in example.fields.items()]
    answer = ask(app, "POST", example.target.encode(), fields, example.body.encode())
    status, *places = example.given.split() if example.given[:3] in ("400", "415", "422") else ["200"]
    assert str(answer.status) == status, answer.body
    if status == "200":
        assert given(answer) == example.given
    elif status == "422":
        assert [place for place, _, _ in faults(answer)] == places


def query(texts: str | list[str]) -> bytes:
    return b"/?" + urlencode({"value": texts}, doseq=True).encode()


def echo(annotation: Any) -> Callable[..., str]:
    def handler(value) -> str:  # type: ignore[no-untyped-def]  # annotated below
        return repr(value)

    handler.__annotations__ = {"value": annotation, "return": str}
    return handler


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: spelled(kind.annotation))
def test_a_parameter_takes_and_refuses_what_the_page_says(ask: Ask, app: App, kind: Kind) -> None:
    """H-46, H-47"""
    app.get("/")(echo(kind.annotation))
    for text, value in kind.accepts:
        if text != []:  # which is absent
            assert given(ask(app, "GET", query(text))) == repr(value), text
    for text in kind.refuses:
        (fault,) = faults(ask(app, "GET", query(text)))
        assert fault[0].startswith("query.value"), text
        assert fault[1] in kind.expected, text
