"""What a view's value stands for, as an answer: text, data, tuples, streams, WSGI applications, redirects.

Knows values and `Response`; must not know who asked. `jsonify` and files have rooms of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any

import duoframe
from duoframe.flask.exceptions import HTTPException
from duoframe.flask.fields import Headers
from duoframe.flask.globals import current_app, current_context
from duoframe.flask.responses import Closing, Response

if TYPE_CHECKING:
    from duoframe.flask.answering import Answering

_KINDS = (
    "text, bytes, a dict, a list, a tuple with a status or header fields, a Response, a generator or a WSGI callable"
)


def make_response(*args: Any) -> Response:
    """The answer that a value stands for, to be changed before it is returned: ``make_response(page, 201)``."""
    if not args:
        return current_app.response_class()
    return current_app.make_response(args[0] if len(args) == 1 else args)


def response_of(app: Answering, value: Any, place: str) -> Response:
    """The answer that a view's value stands for; ``place`` is how a message calls the view. Raises `TypeError`."""
    status = headers = None
    if isinstance(value, tuple):
        value, status, headers = _unpacked(value)
    if value is None:
        raise TypeError(f"the view function for {place} returned None, which is no answer: a `return` is missing")
    response = _of_body(app, value)
    if status is not None:
        response.status = status
    if headers:
        response.headers.update(headers)
    return response


def _unpacked(value: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """Body, status and header fields of a tuple."""
    if len(value) == 3:
        return value
    if len(value) != 2:
        raise TypeError(
            "expected (body, status, headers), (body, status) or (body, headers) of a view function,"
            f" got a tuple of {len(value)}"
        )
    body, second = value
    return (body, None, second) if isinstance(second, Headers | dict | tuple | list) else (body, second, None)


def _of_body(app: Answering, value: Any) -> Response:
    if isinstance(value, HTTPException):
        value = value.get_response()
    if isinstance(value, app.response_class):
        return value
    if isinstance(value, Response | duoframe.Response):
        return app.response_class.force_type(value)
    if isinstance(value, str | bytes | bytearray | Iterator | AsyncIterator):
        return app.response_class(value)
    if isinstance(value, dict | list):
        made: Response = app.json.response(value)
        return made
    if hasattr(value, "__await__"):
        if hasattr(value, "close"):
            value.close()
    elif hasattr(value, "__html__"):
        return app.response_class(str(value.__html__()))
    elif callable(value):
        return _of_application(app, value)
    raise TypeError(f"a view function gave no answer: expected {_KINDS}, got {type(value).__name__}")


def _of_application(app: Answering, value: Callable[..., Any]) -> Response:
    context = current_context.get()
    environ = None if context is None or context.request is None else context.request.environ
    try:
        return app.response_class.from_app(value, environ)
    except TypeError as error:
        raise TypeError(
            f"{error}\na view function gave no answer: expected {_KINDS}, got {type(value).__name__}"
        ) from error


def run_wsgi_app(app: Any, environ: Any) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
    """Call a WSGI application: its body, its status and its header fields (PEP 3333)."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        started[:] = [(status, fields)]
        return written.append

    body = app(environ, start_response)
    chunks = iter(body)
    first = [] if started else [next(chunks, b"")]  # a generator starts its answer with its first part
    status, fields = started[0]
    return Closing(chain(written, first, chunks), getattr(body, "close", _nothing)), status, fields


def _nothing() -> None:
    """What a body without a `close` needs at its end."""


def redirect(location: str, code: int = 302, Response: type[Response] | None = None) -> Any:  # noqa: N803  # Flask's name
    """Send the client elsewhere: ``return redirect(url_for("index"))``; 302 asks with GET."""
    context = current_context.get()
    if Response is None and context is not None:
        return context.app.redirect(location, code)
    return redirection(location, code, Response or _Plain)


def redirection(location: str, code: int, kind: type[Response]) -> Response:
    """A redirect with a page for who cannot follow it."""
    shown = escape(location)
    page = (
        "<!doctype html>\n<html lang=en>\n<title>Redirecting...</title>\n<h1>Redirecting...</h1>\n"
        f'<p>You should be redirected to <a href="{shown}">{shown}</a>. If not, follow the link.</p>\n'
    )
    response = kind(page, code, mimetype="text/html")
    response.location = location
    return response


_Plain = Response
