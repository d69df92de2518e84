"""Answers: which fields and bytes go out."""

from __future__ import annotations

import datetime
import enum
from http import HTTPStatus
from typing import Any

import msgspec
import pytest

from duoframe import (
    CacheControl,
    ETag,
    HTMLResponse,
    HTTPException,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from duoframe.responses import chunk_bytes, encode_json, problem


class Shade(enum.StrEnum):
    RED = "red"


class Own(Response):
    media_type = "text/csv"


TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
BYTES = "application/octet-stream"


def test_a_streaming_response_takes_any_iterable_and_a_media_type() -> None:
    response = StreamingResponse([b"a", b"b"], 206, {"x-a": "b"}, "text/csv")
    assert list(response.stream) == [b"a", b"b"]  # type: ignore[arg-type]  # a list's iterator
    assert response.finish("GET") == (206, [("content-type", "text/csv"), ("x-a", "b")], b"")


@pytest.mark.parametrize("content", ["abc", b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_text_as_a_stream_is_a_mistake_that_is_told(content: Any) -> None:
    with pytest.raises(TypeError, match="use Response for it"):
        StreamingResponse(content)


def test_what_cannot_be_iterated_is_no_stream() -> None:
    with pytest.raises(TypeError):
        StreamingResponse(5)  # type: ignore[arg-type]  # the mistake


# Response


@pytest.mark.parametrize(
    ("response", "media_type"),
    [
        (Response("x"), TEXT),
        (Response(b"x"), BYTES),
        (Response("x", media_type="text/css"), "text/css"),
        (Response(b"x", media_type=" text/css "), "text/css"),
        (Own("x"), "text/csv"),
        (Own(b"x"), "text/csv"),
        (Own("x", media_type="text/tsv"), "text/tsv"),
        (PlainTextResponse(b"x"), TEXT),
        (HTMLResponse("x"), HTML),
        (JSONResponse("x"), JSON),
        (JSONResponse("x", media_type="application/ld+json"), "application/ld+json"),
        (Response("x", headers={"Content-Type": "text/css"}), "text/css"),
        (Response("x", headers={"Content-Type": "text/css"}, media_type="a/b"), "text/css"),
    ],
)
def test_the_content_type_is_the_one_given_or_the_one_of_the_class(response: Response, media_type: str) -> None:
    assert dict(response.finish("GET")[1])["content-type"] == media_type
    assert response.headers["content-type"] == media_type


@pytest.mark.parametrize("content", [None, 5, ["x"], object()])
def test_a_body_that_is_neither_text_nor_bytes_is_a_type_error(content: Any) -> None:
    with pytest.raises(TypeError, match="expected str or bytes, got"):
        Response(content)


def test_a_subclass_of_str_is_text() -> None:
    assert Response(Shade.RED).body == b"red"


def test_a_lone_surrogate_cannot_be_sent() -> None:
    """H-22."""
    with pytest.raises(ValueError, match="surrogates not allowed"):
        Response("\ud800")
    with pytest.raises(ValueError, match="lone surrogate"):
        JSONResponse(["\ud800"])


def test_a_value_nested_too_deeply_is_a_value_error() -> None:
    """H-22, R70."""
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(ValueError, match="nested too deeply"):
        encode_json(deep)


def test_a_status_may_be_of_the_enumeration_and_is_a_plain_int() -> None:
    response = Response("x", HTTPStatus.CREATED)
    assert type(response.status) is int
    response.status = HTTPStatus.ACCEPTED
    assert type(response.status) is int
    assert repr(response) == "<Response 202>"


def test_fields_that_were_touched_go_out_in_order_and_repeated_ones_stay_apart() -> None:
    response = Response("x")
    response.headers["X-One"] = "1"
    response.headers.add("Set-Cookie", "a=b")
    response.headers.add("Set-Cookie", "c=d")
    assert response.finish("GET")[1] == [
        ("content-type", TEXT),
        ("x-one", "1"),
        ("set-cookie", "a=b"),
        ("set-cookie", "c=d"),
        ("content-length", "1"),
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("declared", ["99", "abc", "1_0"])
def test_the_length_of_a_whole_body_is_counted_whatever_was_declared(method: str, declared: str) -> None:
    """W-42."""
    fields = Response("four", headers={"content-length": declared}).finish(method)[1]
    assert [value for name, value in fields if name == "content-length"] == ["4"]


@pytest.mark.parametrize(
    ("declared", "length"), [("99", "99"), ("abc", "0"), ("\u0665".encode().decode("latin-1"), "0")]
)
def test_an_empty_answer_to_head_may_declare_the_length_of_get(declared: str, length: str) -> None:
    """H-02."""
    fields = Response(b"", headers={"content-length": declared}).finish("HEAD")[1]
    assert [value for name, value in fields if name == "content-length"] == [length]


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("headers", [None, {"content-length": "5", "etag": '"x"'}])
def test_an_answer_that_may_have_no_body_has_neither_type_nor_length(status: int, headers: Any) -> None:
    """H-07, W-41."""
    sent, fields, body = Response("x", status, headers).finish("GET")
    assert (sent, body) == (status, b"")
    assert fields == ([] if headers is None else [("etag", '"x"')])


def test_205_says_that_it_is_empty() -> None:
    """H-07 (RFC 9110 §15.3.6)."""
    assert ("content-length", "0") in Response("x", 205, {"content-length": "7"}).finish("GET")[1]
    assert Response("x", 205).finish("GET")[2] == b""
    assert Response("x", 205).bodyless
    assert not Response("x", 206).bodyless


def test_a_field_of_the_connection_is_left_out_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """W-04."""
    caplog.set_level("DEBUG", "duoframe")
    response = Response("x", headers={"Connection": "close", "TE": "x", "x-a": "b"})
    assert [name for name, _ in response.finish("GET")[1]] == ["content-type", "x-a", "content-length"]
    [record] = caplog.records
    assert "connection, te" in record.getMessage()
    caplog.clear()
    Response("x", headers={"content-length": "1"}).finish("GET")
    assert caplog.records == []


def test_an_answer_without_a_type_sends_none() -> None:
    class Untyped(Response):
        media_type = None

    assert Untyped(b"x").finish("GET")[1] == [("content-length", "1")]
    assert Untyped(b"x").headers.multi_items() == []


# Problem details


def test_an_error_is_answered_by_problem_details() -> None:
    """RFC 9457."""
    response = problem(HTTPException(404, "no such item", {"x-a": "b"}))
    assert response.body == b'{"type":"about:blank","title":"Not Found","status":404,"detail":"no such item"}'
    assert (response.status, response.headers["content-type"]) == (404, "application/problem+json")
    assert response.headers["x-a"] == "b"


def test_an_error_without_a_detail_says_only_what_the_status_means() -> None:
    assert problem(HTTPException(418)).body == b'{"type":"about:blank","title":"I\'m a Teapot","status":418}'
    assert problem(HTTPException(499)).body == b'{"type":"about:blank","title":"Unknown","status":499}'


def test_problem_details_have_their_extension_members_at_top_level() -> None:
    """H-21: the example of RFC 9457 §3."""
    response = problem(
        HTTPException(
            403,
            "Your current balance is 30, but that costs 50.",
            type="https://example.com/probs/out-of-credit",
            title="You do not have enough credit.",
            instance="/account/12345/msgs/abc",
            extensions={"balance": 30, "accounts": ["/account/12345", "/account/67890"]},
        )
    )
    assert response.headers["content-type"] == "application/problem+json"
    assert msgspec.json.decode(response.body) == {
        "type": "https://example.com/probs/out-of-credit",
        "title": "You do not have enough credit.",
        "status": 403,
        "detail": "Your current balance is 30, but that costs 50.",
        "instance": "/account/12345/msgs/abc",
        "balance": 30,
        "accounts": ["/account/12345", "/account/67890"],
    }


def test_a_type_without_a_title_has_none() -> None:
    """H-21: the reason of a status is the title of ``about:blank`` alone."""
    assert problem(HTTPException(409, type="/stale")).body == b'{"type":"/stale","status":409}'


@pytest.mark.parametrize(("value", "kind"), [(object(), TypeError), ("\ud800", ValueError)])
def test_an_extension_that_is_no_json_is_refused(value: Any, kind: type[Exception]) -> None:
    """H-21, H-22."""
    with pytest.raises(kind):
        problem(HTTPException(409, extensions={"more": value}))


def test_a_redirect_by_exception_has_no_body() -> None:
    response = problem(HTTPException(302, "ignored", {"location": "/a"}))
    assert (response.status, response.body, response.headers["location"]) == (302, b"", "/a")


@pytest.mark.parametrize(
    ("chunk", "data"), [("é", b"\xc3\xa9"), (b"a", b"a"), (bytearray(b"a"), b"a"), (memoryview(b"a"), b"a")]
)
def test_a_chunk_is_text_or_bytes(chunk: Any, data: bytes) -> None:
    """W-44."""
    assert chunk_bytes(chunk) == data
    assert type(chunk_bytes(chunk)) is bytes


# Validators and caching


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ("v1", '"v1"'),
        ('"v1"', '"v1"'),
        ('W/"v1"', 'W/"v1"'),
        (ETag("v1"), '"v1"'),
        (ETag("v1", weak=True), 'W/"v1"'),
        ("", '""'),
    ],
)
def test_an_entity_tag_is_set_as_a_value_and_sent_in_quotes(given: ETag | str, field: str) -> None:
    """RFC 9110 §8.8.3."""
    response = Response()
    response.etag = given
    assert response.headers["etag"] == field
    assert response.etag == ETag.of(given)
    response.etag = None
    assert response.etag is None
    assert "etag" not in response.headers
    with pytest.raises(ValueError, match="expected an entity tag"):
        response.etag = 'a"b'


def test_the_moment_of_the_last_change_is_a_datetime() -> None:
    """RFC 9110 §8.8.2."""
    response = Response()
    assert response.last_modified is None
    moment = datetime.datetime(1994, 11, 6, 8, 49, 37, tzinfo=datetime.UTC)
    for given in (moment, moment.replace(tzinfo=None), moment.timestamp(), moment.timestamp() + 0.75):
        response.last_modified = given
        assert response.headers["last-modified"] == "Sun, 06 Nov 1994 08:49:37 GMT"
        assert response.last_modified == moment
    response.last_modified = None
    assert response.last_modified is None


def test_cache_control_is_a_value_that_is_replaced() -> None:
    """RFC 9111 §5.2."""
    response = Response()
    assert response.cache_control == CacheControl()
    response.cache_control = CacheControl(public=True, max_age=60)
    response.cache_control = response.cache_control.replace(immutable=True)
    assert response.headers["cache-control"] == "max-age=60, public, immutable"
    assert response.cache_control == CacheControl(public=True, max_age=60, immutable=True)
    response.cache_control = CacheControl()
    assert "cache-control" not in response.headers


def test_reading_a_validator_makes_no_fields() -> None:
    response = Response()
    assert (response.etag, response.last_modified, response.cache_control) == (None, None, CacheControl())
    assert response._headers is None
