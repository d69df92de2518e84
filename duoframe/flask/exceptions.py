"""The exceptions that stand for an answer, by name: `NotFound`, `BadRequest` and the others, and `abort`.

Knows statuses and how the page of each reads; must not know who handles them (`dispatch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from html import escape
from typing import Any, NoReturn

import duoframe
from duoframe.conditions import http_date
from duoframe.errors import reason


class HTTPException(duoframe.HTTPException):
    """An answer by exception: ``raise NotFound("there is no such post")``; each subclass has a ``code``.

    ``description`` is what its page says; ``response`` is answered in place of the page.
    """

    code: int | None = None
    description: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    """Header fields of the answer beside its type."""

    def __init__(self, description: str | None = None, response: Any = None) -> None:  # Any: or a WSGI application
        super().__init__(self.code or 500, description)
        self.args = ()
        if description is not None:
            self.description = description
        self.response = response

    def __reduce__(self) -> Any:
        return _restored, (type(self), vars(self))

    @property
    def name(self) -> str:
        """The reason phrase of the status."""
        return "Unknown Error" if self.code is None else reason(self.code)

    def get_description(self, environ: Any = None, scope: Any = None) -> str:
        """The description as markup."""
        text = escape(self.description or "", quote=False).replace("\n", "<br>")
        return f"<p>{text}</p>"

    def get_body(self, environ: Any = None, scope: Any = None) -> str:
        """The page."""
        name = escape(self.name)
        return (
            f"<!doctype html>\n<html lang=en>\n<title>{self.code} {name}</title>\n<h1>{name}</h1>\n"
            f"{self.get_description(environ)}\n"
        )

    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        """The header fields of the page."""
        return [("Content-Type", "text/html; charset=utf-8"), *self.fields]

    def get_response(self, environ: Any = None, scope: Any = None) -> Any:
        """The answer: what was given as one, or the page."""
        from duoframe.flask.responses import Response

        if self.response is not None:
            return self.response
        return Response(self.get_body(environ, scope), self.code or 500, self.get_headers(environ, scope))

    def __str__(self) -> str:
        return f"{self.code or '???'} {self.name}: {self.description}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} '{self.code or '???'}: {self.name}'>"


def _restored(kind: type[HTTPException], state: Mapping[str, Any]) -> HTTPException:
    """A copy of an exception, whatever its class takes to be made."""
    error = kind.__new__(kind)
    vars(error).update(state)
    return error


class BadRequest(HTTPException):
    """400: the request is malformed."""

    code = 400
    description = "The request is malformed: the server cannot make out what is asked for."


class BadRequestKeyError(BadRequest, KeyError):
    """400: the view asked for a field that the request lacks; ``args[0]`` is its name."""

    show_exception = False
    """Whether the page names the field, as it does in debug."""

    def __init__(self, arg: object = None, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.args = () if arg is None else (arg,)

    def get_description(self, environ: Any = None, scope: Any = None) -> str:
        """The description, in debug with the name of the field."""
        told = super().get_description(environ, scope)
        return told.replace("</p>", f" Missing: {escape(repr(self.args[0]))}</p>") if self._tells else told

    @property
    def _tells(self) -> bool:
        return self.show_exception and bool(self.args)

    __str__ = HTTPException.__str__


class ClientDisconnected(BadRequest):
    """400: the client left before its request was complete."""


class SecurityError(BadRequest):
    """400: the request does something that is not safe."""


class BadHost(BadRequest):
    """400: the Host field names no host of this application."""


class Unauthorized(HTTPException):
    """401: credentials are missing or wrong; ``www_authenticate``: one challenge or several."""

    code = 401
    description = "This address asks for credentials, and those that were sent are missing or not valid."

    def __init__(self, description: str | None = None, response: Any = None, www_authenticate: Any = None) -> None:
        super().__init__(description, response)
        challenges = [] if www_authenticate is None else _listed(www_authenticate)
        self.www_authenticate = challenges
        self.fields = tuple(("WWW-Authenticate", str(challenge)) for challenge in challenges)


class Forbidden(HTTPException):
    """403: whoever asks may not."""

    code = 403
    description = "You are not allowed to see this."


class NotFound(HTTPException):
    """404: there is nothing at this address."""

    code = 404
    description = "There is nothing at this address on this server. Please look whether it is spelt correctly."


class MethodNotAllowed(HTTPException):
    """405: the address takes other methods, ``valid_methods``."""

    code = 405
    description = "This address does not take the method of the request."

    def __init__(
        self, valid_methods: Iterable[str] | None = None, description: str | None = None, response: Any = None
    ) -> None:
        super().__init__(description, response)
        self.valid_methods = None if valid_methods is None else list(valid_methods)
        if self.valid_methods:
            self.fields = (("Allow", ", ".join(self.valid_methods)),)


class NotAcceptable(HTTPException):
    """406: there is no form of this that the client takes."""

    code = 406
    description = "This cannot be sent in any form that the request accepts."


class RequestTimeout(HTTPException):
    """408: the client took too long to send its request."""

    code = 408
    description = "The request did not come within the time that the server waits."


class Conflict(HTTPException):
    """409: the request does not fit to what is there."""

    code = 409
    description = "The request does not fit to the present state of this address."


class Gone(HTTPException):
    """410: what was here is gone for good."""

    code = 410
    description = "What was at this address has been taken away, and there is no other address for it."


class LengthRequired(HTTPException):
    """411: the request does not say how long it is."""

    code = 411
    description = "A request like this needs a Content-Length."


class PreconditionFailed(HTTPException):
    """412: a condition of the request does not hold."""

    code = 412
    description = "A condition of the request does not hold here."


class RequestEntityTooLarge(HTTPException):
    """413: the body is larger than the application takes."""

    code = 413
    description = "The data that was sent is larger than this server takes."


class RequestURITooLarge(HTTPException):
    """414: the address is too long."""

    code = 414
    description = "The address that was asked for is longer than this server takes."


class UnsupportedMediaType(HTTPException):
    """415: the body is of a type that the application does not read."""

    code = 415
    description = "The server does not read the media type that the request was sent in."


class RequestedRangeNotSatisfiable(HTTPException):
    """416: the part that was asked for does not exist; ``length``: of the whole, in ``units``."""

    code = 416
    description = "The server has no such part of this."

    def __init__(
        self,
        length: int | None = None,
        units: str = "bytes",
        description: str | None = None,
        response: Any = None,
    ) -> None:
        super().__init__(description, response)
        self.length = length
        self.units = units
        if length is not None:
            self.fields = (("Content-Range", f"{units} */{length}"),)


class ExpectationFailed(HTTPException):
    """417: what the Expect field asks for cannot be done."""

    code = 417
    description = "The server cannot do what the Expect field of the request asks for."


class ImATeapot(HTTPException):
    """418: this server is a teapot, not a coffee machine."""

    code = 418
    description = "This server is a teapot, not a coffee machine."


class MisdirectedRequest(HTTPException):
    """421: this server does not answer for that host."""

    code = 421
    description = "The request came to a server that does not answer for its host."


class UnprocessableEntity(HTTPException):
    """422: the request is well formed, and what it says makes no sense."""

    code = 422
    description = "The request is well formed, but what it says could not be followed."


class Locked(HTTPException):
    """423: what is asked for is locked."""

    code = 423
    description = "What is at this address is locked."


class FailedDependency(HTTPException):
    """424: another action, which this one depends on, has failed."""

    code = 424
    description = "The action depends on another one, which has failed."


class PreconditionRequired(HTTPException):
    """428: the request needs a condition."""

    code = 428
    description = "A request like this needs a condition; send it with If-Match."


class _RetryAfter(HTTPException):
    """What may say when to try again, ``retry_after``: a datetime, naive ones in UTC, or seconds."""

    def __init__(
        self, description: str | None = None, response: Any = None, retry_after: datetime | int | None = None
    ) -> None:
        super().__init__(description, response)
        self.retry_after = retry_after
        if retry_after is not None:
            told = http_date(retry_after) if isinstance(retry_after, datetime) else str(retry_after)
            self.fields = (("Retry-After", told),)


class TooManyRequests(_RetryAfter):
    """429: the client asks too often."""

    code = 429
    description = "There were too many requests from you in a short time."


class RequestHeaderFieldsTooLarge(HTTPException):
    """431: the header fields are too large."""

    code = 431
    description = "A header field of the request is larger than this server takes."


class UnavailableForLegalReasons(HTTPException):
    """451: the law forbids it."""

    code = 451
    description = "This may not be shown for legal reasons."


class InternalServerError(HTTPException):
    """500: an error nobody expected, ``original_exception``."""

    code = 500
    description = "An unexpected error kept the server from answering. Its cause has been noted."

    def __init__(
        self, description: str | None = None, response: Any = None, original_exception: BaseException | None = None
    ) -> None:
        super().__init__(description, response)
        self.original_exception = original_exception


class NotImplemented(HTTPException):  # noqa: A001  # its documented name
    """501: the server does not do that."""

    code = 501
    description = "The server does not do what the request asks for."


class BadGateway(HTTPException):
    """502: the server behind this one gave no good answer."""

    code = 502
    description = "A server that this one asks gave no valid answer."


class ServiceUnavailable(_RetryAfter):
    """503: not now."""

    code = 503
    description = "The server cannot answer at the moment. Please try again later."


class GatewayTimeout(HTTPException):
    """504: the server behind this one took too long."""

    code = 504
    description = "A server that this one asks did not answer in time."


class HTTPVersionNotSupported(HTTPException):
    """505: the version of HTTP is not spoken here."""

    code = 505
    description = "The server does not speak the version of HTTP that the request came in."


class RequestRedirect(HTTPException):
    """308: the address is known under another name, ``new_url``."""

    code = 308

    def __init__(self, new_url: str) -> None:
        super().__init__()
        self.new_url = new_url

    def get_response(self, environ: Any = None, scope: Any = None) -> Any:
        """The redirect."""
        from duoframe.flask.making import redirect

        return redirect(self.new_url, self.code or 308)


def _kinds(kind: type[HTTPException]) -> Iterable[type[HTTPException]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


default_exceptions: dict[int, type[HTTPException]] = {}
"""Which exception stands for a status."""

for _kind in _kinds(HTTPException):
    if _kind.code is not None and _kind is not RequestRedirect:
        default_exceptions.setdefault(_kind.code, _kind)


class Aborter:
    """What `abort` calls: a mapping of statuses to exceptions, ``extra`` beside the documented ones."""

    def __init__(
        self,
        mapping: Mapping[int, type[HTTPException]] | None = None,
        extra: Mapping[int, type[HTTPException]] | None = None,
    ) -> None:
        self.mapping = {**(default_exceptions if mapping is None else mapping), **(extra or {})}

    def __call__(self, code: Any, *args: Any, **kwargs: Any) -> NoReturn:  # Any: a status, an answer or an exception
        """Raise the exception of a status, with the arguments that it takes; an answer is answered as it is.

        Raises `LookupError` for a status that no exception stands for.
        """
        if isinstance(code, BaseException):
            raise code
        if isinstance(code, int):
            if code not in self.mapping:
                raise LookupError(f"no exception stands for {code!r}")
            raise self.mapping[code](*args, **kwargs)
        raise HTTPException(response=code)


def abort(code: Any, *args: Any, **kwargs: Any) -> NoReturn:  # Any: as above
    """Answer at once: ``abort(404)``, ``abort(403, "not yours")``, ``abort(response)``."""
    from duoframe.flask.globals import current_context

    context = current_context.get()
    aborter = _ABORTER if context is None else context.app.aborter
    aborter(code, *args, **kwargs)


_ABORTER = Aborter()


def in_kind(error: BaseException) -> HTTPException | None:
    """An exception as one of these, where it is an answer by itself: one of the core's, or of Werkzeug's."""
    if isinstance(error, HTTPException):
        return error
    if isinstance(error, duoframe.HTTPException):
        made = _made(error.status, error.detail)
        made.fields = tuple((error.headers or {}).items())
    elif isinstance(getattr(error, "code", None), int) and callable(getattr(error, "get_response", None)):
        foreign: Any = error
        made = _made(foreign.code, foreign.description)
        made.response = foreign.response
        made.fields = tuple(field for field in foreign.get_headers() if field[0].lower() != "content-type")
    else:
        return None
    made.__cause__ = error
    return made


def _made(status: int, description: str | None) -> HTTPException:
    kind = default_exceptions.get(status, HTTPException)
    made = kind(description=description) if kind is not BadRequestKeyError else BadRequest(description)
    if made.code is None:
        made.code = status
    return made


def _listed(given: Any) -> list[Any]:
    return list(given) if isinstance(given, tuple | list) else [given]
