"""Faults of what a client sent: their places, their messages, and the answer that tells them all."""

from __future__ import annotations

import copy
import pickle

import pytest

from duoframe import RequestValidationError
from duoframe.faults import MAX_SHOWN, Fault, fault, place


@pytest.mark.parametrize(
    ("loc", "text"),
    [
        (("query", "page"), "query.page"),
        (("body",), "body"),
        (("body", "items", 2, "price"), "body.items[2].price"),
        (("body", 0, 1), "body[0][1]"),
        (("body", "x" * 300), f"body.{'x' * (MAX_SHOWN - 1)}…"),
    ],
)
def test_a_place_is_written_as_a_path(loc: tuple[str | int, ...], text: str) -> None:
    assert place(loc) == text


def test_a_fault_says_what_was_expected_what_came_and_where() -> None:
    made = fault(("query", "page"), "int >= 1", "'x'")
    assert made.message == "Expected `int >= 1`, got `'x'` at `query.page`"


def test_no_more_is_shown_of_what_came_than_is_ever_shown() -> None:
    """H-20"""
    assert fault(("query", "q"), "int", "x" * MAX_SHOWN).got == "x" * MAX_SHOWN
    assert fault(("query", "q"), "int", "x" * 201).got == "x" * (MAX_SHOWN - 1) + "…"


def test_the_answer_tells_every_fault() -> None:
    """H-20"""
    faults = [fault(("query", "page"), "int", "'x'"), fault(("body", "y" * 300, 0), "str", "int")]
    error = RequestValidationError(faults)
    assert (error.status, error.detail) == (422, "the request has 2 faults")
    assert error.faults == tuple(faults)
    first, second = (error.extensions or {})["errors"]
    assert first == {
        "loc": ["query", "page"],
        "message": "Expected `int`, got `'x'` at `query.page`",
        "expected": "int",
        "got": "'x'",
    }
    assert second["loc"] == ["body", "y" * (MAX_SHOWN - 1) + "…", 0]
    assert RequestValidationError(faults[:1]).detail == first["message"]


def test_it_is_copied_with_its_faults() -> None:
    error = RequestValidationError([Fault(("query", "page"), "no page", "a page", "nothing")])
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert other.faults == error.faults
        assert other.extensions == error.extensions
