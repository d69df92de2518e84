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


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_survives_a_copy(copied: Any) -> None:
    error = copied(HTTPException(404, "x", {"a": "b"}))
    assert (error.status, error.detail, error.headers) == (404, "x", {"a": "b"})


def test_a_client_that_left_is_a_400_for_whoever_looks() -> None:
    for error in (ClientDisconnect("gone"), copy.copy(ClientDisconnect("gone"))):
        assert (error.status, error.detail) == (400, "gone")


def test_reasons_are_those_of_the_standard() -> None:
    assert (reason(200), reason(404), reason(299)) == ("OK", "Not Found", "Unknown")
