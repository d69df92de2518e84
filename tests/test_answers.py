"""What a handler's return value becomes."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import pytest

from duoframe import Response, StreamingResponse
from duoframe.answers import to_response


class Struct(msgspec.Struct):
    name: str
    price: float


@dataclasses.dataclass
class Data:
    name: str
    when: datetime.date


class Pair(NamedTuple):
    left: int
    right: int


class Markup(str):
    __slots__ = ()

    def __html__(self) -> str:
        return f"<p>{str.__str__(self)}</p>"


class Page:
    def __html__(self) -> str:
        return "<h1>page</h1>"


class Shade(enum.StrEnum):
    RED = "red"


class Loud(str, enum.Enum):  # noqa: UP042  # its str() is "Loud.NO", which must not be sent
    NO = "no"


class Bytes(bytes):
    pass


TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"


@pytest.mark.parametrize(
    ("value", "body", "media_type"),
    [
        ("héllo", "héllo".encode(), TEXT),
        ("<b>", b"<b>", TEXT),
        (Markup("<x>"), b"<p><x></p>", HTML),
        (Page(), b"<h1>page</h1>", HTML),
        (Shade.RED, b"red", TEXT),
        (Loud.NO, b"no", TEXT),
        (b"\x00", b"\x00", BYTES),
        (Bytes(b"b"), b"b", BYTES),
        (bytearray(b"ab"), b"ab", BYTES),
        (memoryview(b"abc")[1:], b"bc", BYTES),
        ({"a": [1, None, True, 1.5]}, b'{"a":[1,null,true,1.5]}', JSON),
        ([], b"[]", JSON),
        (5, b"5", JSON),
        (1.5, b"1.5", JSON),
        (True, b"true", JSON),
        (Struct("x", 2.0), b'{"name":"x","price":2.0}', JSON),
        (Data("x", datetime.date(2026, 1, 2)), b'{"name":"x","when":"2026-01-02"}', JSON),
        (Pair(1, 2), b"[1,2]", JSON),
        ({1}, b"[1]", JSON),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"', JSON),
        (decimal.Decimal("1.10"), b'"1.10"', JSON),
        (float("nan"), b"null", JSON),
    ],
)
def test_a_value_becomes_an_answer_by_its_kind(value: Any, body: bytes, media_type: str) -> None:
    for status in (200, 201):
        response = to_response(value, status)
        assert (response.status, response.body) == (status, body)
        assert response.finish("GET") == (
            status,
            [("content-type", media_type), ("content-length", str(len(body)))],
            body,
        )


def test_a_response_stays_as_it_is_whatever_the_status_of_its_route() -> None:
    response = Response("x", 202)
    assert to_response(response, 201) is response
    assert response.status == 202


@pytest.mark.parametrize(
    ("value", "status", "body", "fields"),
    [
        (("x", 201), 201, b"x", {}),
        (({"a": 1}, HTTPStatus.CREATED), 201, b'{"a":1}', {}),
        (("x", 200, {"X-A": "b"}), 200, b"x", {"x-a": "b"}),
        (("x", 404, [("x-a", "b")]), 404, b"x", {"x-a": "b"}),
        (("x", 200, {"content-type": "text/csv"}), 200, b"x", {"content-type": "text/csv"}),
        ((Response("y", 200, {"x-a": "b"}), 202, {"x-c": "d"}), 202, b"y", {"x-a": "b", "x-c": "d"}),
    ],
)
def test_a_tuple_is_body_status_and_fields(value: Any, status: int, body: bytes, fields: dict[str, str]) -> None:
    response = to_response(value, 299)
    assert (response.status, response.body) == (status, body)
    assert fields.items() <= dict(response.headers).items()
    assert type(response.status) is int


@pytest.mark.parametrize(
    "value", [("x",), (), ("x", "200"), ("x", True), ("x", {"a": "b"}), ("x", 200, {}, 1), ("x", None)]
)
def test_another_tuple_is_a_type_error_that_says_what_is_expected(value: Any) -> None:
    with pytest.raises(TypeError, match=r"expected \(body, status\) or \(body, status, headers\)"):
        to_response(value)


async def coroutine() -> None:
    """Never awaited here."""


@pytest.mark.parametrize("value", [None, len, Response, object(), 1j, {(1, 2): 3}, Ellipsis])
def test_what_stands_for_no_answer_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        to_response(value)


def test_a_coroutine_is_no_answer() -> None:
    waiting = coroutine()
    with pytest.raises(TypeError, match="expected a value to answer with"):
        to_response(waiting)
    waiting.close()


def test_generators_of_both_kinds_and_iterators_are_streams() -> None:
    def plain() -> Iterator[str]:
        yield "a"

    async def waiting() -> AsyncIterator[str]:
        yield "a"

    for value in (plain(), waiting(), iter(["a"]), map(str, [1])):
        response = to_response(value, 201)
        assert isinstance(response, StreamingResponse)
        assert response.stream is value
        assert response.finish("GET") == (201, [("content-type", TEXT)], b"")
