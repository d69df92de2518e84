"""Exceptions that stand for an answer; Werkzeug's are the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

import duoframe
from duoframe.flask import exceptions

NAMES = [
    *("BadRequest", "Unauthorized", "Forbidden", "NotFound", "MethodNotAllowed", "NotAcceptable", "RequestTimeout"),
    *("Conflict", "Gone", "LengthRequired", "PreconditionFailed", "RequestEntityTooLarge", "RequestURITooLarge"),
    *("UnsupportedMediaType", "RequestedRangeNotSatisfiable", "ExpectationFailed", "ImATeapot", "MisdirectedRequest"),
    *("UnprocessableEntity", "Locked", "FailedDependency", "PreconditionRequired", "TooManyRequests"),
    *("RequestHeaderFieldsTooLarge", "UnavailableForLegalReasons", "InternalServerError", "NotImplemented"),
    *("BadGateway", "ServiceUnavailable", "GatewayTimeout", "HTTPVersionNotSupported"),
    *("ClientDisconnected", "SecurityError", "BadHost", "BadRequestKeyError"),
]


@pytest.mark.parametrize("name", NAMES)
def test_each_documented_exception_has_its_status_and_words(names: Any, name: str) -> None:
    import werkzeug.exceptions

    kind = getattr(names.exceptions, name)
    error = kind()
    assert error.code == getattr(werkzeug.exceptions, name).code
    assert error.description
    assert kind(description="mine").description == "mine"
    assert names.exceptions.default_exceptions[error.code].code == error.code
    assert str(error).startswith(f"{error.code} ")
    assert repr(error).startswith(f"<{name} '{error.code}: ")


@pytest.mark.parametrize("kind", exceptions.HTTPException.__subclasses__())
def test_each_is_one_of_the_cores_and_can_be_copied(kind: type[exceptions.HTTPException]) -> None:
    error = kind("elsewhere") if kind is exceptions.RequestRedirect else kind()
    assert isinstance(error, duoframe.HTTPException)
    assert error.status == error.code or error.code is None
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(other), other.code, other.description) == (kind, error.code, error.description)


def test_a_page_is_its_answer(names: Any) -> None:
    app = names.Flask(__name__)
    with app.test_request_context():
        response = names.exceptions.NotFound("<gone>").get_response()
        assert (response.status_code, response.mimetype) == (404, "text/html")
        assert "<h1>Not Found</h1>\n<p>&lt;gone&gt;</p>" in response.get_data(as_text=True)
        given = names.Response("given", 202)
        assert names.exceptions.NotFound(response=given).get_response() is given


@pytest.mark.parametrize(
    ("name", "arguments", "field"),
    [
        ("MethodNotAllowed", {"valid_methods": ["GET", "HEAD"]}, ("Allow", "GET, HEAD")),
        ("MethodNotAllowed", {}, None),
        ("Unauthorized", {"www_authenticate": "Basic"}, None),
        ("TooManyRequests", {"retry_after": 5}, ("Retry-After", "5")),
        (
            "ServiceUnavailable",
            {"retry_after": datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)},
            ("Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ),
        ("RequestedRangeNotSatisfiable", {"length": 9}, ("Content-Range", "bytes */9")),
        ("RequestedRangeNotSatisfiable", {}, None),
    ],
)
def test_some_bring_header_fields_along(names: Any, name: str, arguments: dict[str, Any], field: Any) -> None:
    if "www_authenticate" in arguments:
        from werkzeug.datastructures import WWWAuthenticate

        arguments = {"www_authenticate": WWWAuthenticate("basic", {"realm": "x"})}
        field = ("WWW-Authenticate", "Basic realm=x")
    fields = getattr(names.exceptions, name)(**arguments).get_headers()
    assert fields[0][0] == "Content-Type"
    assert fields[1:] == ([] if field is None else [field])


def test_several_challenges_are_several_fields() -> None:
    error = exceptions.Unauthorized(www_authenticate=("Basic", "Bearer"))
    assert error.get_headers()[1:] == [("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Bearer")]


def test_an_exception_of_ones_own(names: Any) -> None:
    class PaymentRequired(names.exceptions.HTTPException):  # type: ignore[misc]  # either's
        code = 402
        description = "pay"

    assert PaymentRequired().name == "Payment Required"
    assert names.exceptions.HTTPException().name == "Unknown Error"
    assert str(names.exceptions.HTTPException("x")) == "??? Unknown Error: x"
    assert repr(names.exceptions.HTTPException("x")) == "<HTTPException '???: Unknown Error'>"


def test_a_missing_key_is_named_only_where_that_is_wanted(names: Any) -> None:
    error = names.exceptions.BadRequestKeyError("field")
    assert issubclass(type(error), KeyError)
    assert error.args == ("field",)
    assert "field" not in error.get_description()
    error.show_exception = True
    assert "field" in error.get_description()
    assert names.exceptions.BadRequestKeyError().args == ()


def test_a_500_keeps_what_it_is_for(names: Any) -> None:
    cause = KeyError("x")
    assert names.exceptions.InternalServerError(original_exception=cause).original_exception is cause


def test_a_redirect_leads_to_its_address(names: Any) -> None:
    app = names.Flask(__name__)
    with app.test_request_context():
        response = names.routing.RequestRedirect("http://example.com/x").get_response()
        assert (response.status_code, response.headers["Location"]) == (308, "http://example.com/x")


# abort


def test_abort_raises_what_its_status_stands_for(names: Any) -> None:
    app = names.Flask(__name__)
    with app.app_context():
        with pytest.raises(names.exceptions.NotFound) as caught:
            names.abort(404)
        assert caught.value.response is None
        with pytest.raises(names.exceptions.NotFound, match="no such post"):
            names.abort(404, "no such post")
        with pytest.raises(names.exceptions.MethodNotAllowed) as refused:
            names.abort(405, valid_methods=["PUT"])
        assert refused.value.valid_methods == ["PUT"]
        with pytest.raises(LookupError):
            names.abort(299)
        response = names.Response("x", 402)
        with pytest.raises(names.exceptions.HTTPException) as given:
            names.abort(response)
        assert given.value.get_response() is response


def test_abort_needs_no_application(names: Any) -> None:
    with pytest.raises(names.exceptions.Forbidden):
        names.abort(403)


def test_abort_takes_an_exception(ours: Any) -> None:
    with pytest.raises(KeyError):
        ours.abort(KeyError("x"))


def test_an_application_may_know_more_statuses(names: Any) -> None:
    class PaymentRequired(names.exceptions.HTTPException):  # type: ignore[misc]  # either's
        code = 402

    app = names.Flask(__name__)
    app.aborter.mapping[402] = PaymentRequired
    with app.app_context(), pytest.raises(PaymentRequired):
        names.abort(402)
    assert exceptions.Aborter(extra={402: PaymentRequired}).mapping[402] is PaymentRequired
    assert exceptions.Aborter({402: PaymentRequired}).mapping == {402: PaymentRequired}


# Exceptions of others.


def test_an_exception_of_the_core_in_these_words() -> None:
    told = exceptions.in_kind(duoframe.HTTPException(404, "gone", {"x-a": "1"}))
    assert isinstance(told, exceptions.NotFound)
    assert (told.description, told.fields) == ("gone", (("x-a", "1"),))
    odd = exceptions.in_kind(duoframe.HTTPException(402))
    assert odd is not None
    assert (type(odd), odd.code) == (exceptions.HTTPException, 402)
    assert exceptions.in_kind(KeyError("x")) is None


def test_an_exception_of_werkzeugs_in_these_words() -> None:
    import werkzeug.exceptions

    told = exceptions.in_kind(werkzeug.exceptions.MethodNotAllowed(["GET"], "no"))
    assert isinstance(told, exceptions.MethodNotAllowed)
    assert (told.description, told.fields) == ("no", (("Allow", "GET"),))
    assert isinstance(told.__cause__, werkzeug.exceptions.MethodNotAllowed)


@pytest.mark.parametrize("code", [404, 499])
def test_an_exception_of_werkzeugs_is_answered(ours: Any, code: int) -> None:
    import werkzeug.exceptions

    class Odd(werkzeug.exceptions.HTTPException):
        pass

    Odd.code = code
    app = ours.Flask(__name__)

    @app.route("/")
    def view() -> str:
        raise Odd("odd")

    answer = app.test_client().get("/")
    assert answer.status_code == code
    assert b"odd" in answer.data
