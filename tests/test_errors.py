"""The exceptions that users raise."""

from __future__ import annotations

import copy
import pickle
from http import HTTPStatus
from typing import Any

import pytest

from duoframe import ClientDisconnect, HTTPException, abort
from duoframe.errors import reason


def test_abort_raises_what_it_is_given() -> None:
    with pytest.raises(HTTPException) as caught:
        abort(404, "no such item", {"x-a": "b"})
    error = caught.value
    assert (error.status, error.detail, error.headers) == (404, "no such item", {"x-a": "b"})
    assert str(error) == "404 Not Found: no such item"


def test_an_error_without_a_detail_shows_its_status() -> None:
    assert str(HTTPException(418)) == "418 I'm a Teapot"


@pytest.mark.parametrize("status", [200, 204, 299, 600, 99, -1, True, "404", 404.0, None])
def test_only_a_redirect_or_an_error_is_raised(status: Any) -> None:
    with pytest.raises(ValueError, match="expected a status from 300 to 599"):
        HTTPException(status)


def test_a_status_of_the_enumeration_is_taken_as_a_plain_int() -> None:
    assert type(HTTPException(HTTPStatus.NOT_FOUND).status) is int


COPIES: list[Any] = [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))]


class OutOfCreditError(HTTPException):
    """A problem of a user's own, which takes other arguments than its base."""

    def __init__(self, balance: int, *, cost: int) -> None:
        super().__init__(403, f"{balance} of {cost}", type="https://example.com/credit", title="Out of credit")
        self.balance = balance


@pytest.mark.parametrize("copied", COPIES)
def test_an_error_survives_a_copy(copied: Any) -> None:
    error = copied(HTTPException(404, "x", {"a": "b"}, type="/t", title="T", instance="/i", extensions={"more": [1]}))
    assert (error.status, error.detail, error.headers) == (404, "x", {"a": "b"})
    assert (error.type, error.title, error.instance, error.extensions) == ("/t", "T", "/i", {"more": [1]})
    assert error.args == (404, "x")


@pytest.mark.parametrize("copied", COPIES)
def test_an_error_of_a_users_own_class_survives_a_copy(copied: Any) -> None:
    error = copied(OutOfCreditError(30, cost=50))
    assert (type(error), error.balance, str(error)) == (OutOfCreditError, 30, "403 Out of credit: 30 of 50")


def test_a_client_that_left_is_a_400_for_whoever_looks() -> None:
    for error in (ClientDisconnect("gone"), copy.copy(ClientDisconnect("gone"))):
        assert (error.status, error.detail) == (400, "gone")


def test_reasons_are_those_of_the_standard() -> None:
    assert (reason(200), reason(404), reason(299)) == ("OK", "Not Found", "Unknown")


def test_an_error_without_a_type_is_about_blank_with_the_reason_for_a_title() -> None:
    """RFC 9457 §4.2.1."""
    for error in (HTTPException(404), HTTPException(404, type="about:blank"), HTTPException(404, type="")):
        assert (error.type, error.title) == ("about:blank", "Not Found")


def test_a_type_has_its_own_title_or_none() -> None:
    error = HTTPException(409, type="tag:example.com,2026:stale")
    assert (error.title, str(error)) == (None, "409 Conflict")
    assert str(HTTPException(409, "x", type="tag:a", title="Stale")) == "409 Stale: x"


@pytest.mark.parametrize("kind", [None, "about:blank"])
def test_a_title_without_a_type_is_refused(kind: str | None) -> None:
    """H-21: the title of ``about:blank`` is fixed."""
    with pytest.raises(ValueError, match="expected a type, a URI, beside the title 'Gone fishing'"):
        HTTPException(404, type=kind, title="Gone fishing")


@pytest.mark.parametrize("name", ["type", "title", "status", "detail", "instance"])
def test_an_extension_does_not_bear_the_name_of_another_member(name: str) -> None:
    """H-21: a client would read one of the two."""
    with pytest.raises(ValueError, match=f"expected extensions without {name}"):
        HTTPException(404, extensions={name: 200, "other": 1})


def test_abort_takes_the_members_of_problem_details() -> None:
    with pytest.raises(HTTPException) as caught:
        abort(409, type="/stale", title="Stale", instance="/i/7", extensions={"version": 3})
    error = caught.value
    assert (error.type, error.title, error.instance, error.extensions) == ("/stale", "Stale", "/i/7", {"version": 3})
