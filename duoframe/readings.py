"""What the generated calls of `binding` use while they read a request: texts by name, members of a body, faults.

Knows requests; must not know signatures nor types, but by the readers and shapes that it is handed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote_to_bytes

from duoframe.body import Body, UploadFile
from duoframe.datastructures import PERCENT, MultiDict
from duoframe.errors import HTTPException
from duoframe.faults import MAX_SHOWN, NOT_MADE, Fault, Location, RequestValidationError, fault, place
from duoframe.requests import Request

if TYPE_CHECKING:
    from duoframe.shapes import Shape
    from duoframe.texts import Unreadable

MULTIPART = "multipart/form-data"
FORMS = ("application/x-www-form-urlencoded", MULTIPART)
NOTHING = "nothing"
"""What came for a value that is missing."""

Faults = list[Fault] | None


def query_of(request: Request) -> Mapping[str, str]:
    """The first value of each name of the query. Raises `HTTPException` 400 for a query that is no UTF-8."""
    text = request.query_string
    if not text:
        return _EMPTY
    query = request.query
    if not text.isascii() or PERCENT in text:
        for name, value in query.multi_items():
            if "\ufffd" in name or "\ufffd" in value:  # what is no UTF-8 becomes, and what may have been sent
                _require_utf8(text)
                break
    return query.firsts()


def form_of(request: Request) -> MultiDict[str]:
    """The fields of a form, none for an empty body. Raises `HTTPException` 415 for a body of another media type."""
    _require_form(request._received(), " or ".join(FORMS))
    return request.form


def files_of(request: Request) -> MultiDict[UploadFile]:
    """The files of a form, none for an empty body. Raises `HTTPException` 415 for a body of another media type."""
    _require_form(request._received(), MULTIPART)
    return request.files


def items_of(text: str | None) -> list[str]:
    """The members of a field that is a list (RFC 9110 §5.6.1); where they stand in several fields, these are one."""
    return [item for part in (text or "").split(",") if (item := part.strip(" \t"))]


def members_of(request: Request, needed: bool) -> Any:
    """The members of the JSON object that a request has for a body, none for an empty body that is not ``needed``."""
    body = request._received()
    return body.json() if needed or body.received else _EMPTY


def unreadable(faults: Faults, loc: Location, error: Unreadable) -> list[Fault]:
    """``faults`` and that a text stands for no value."""
    return _with(faults, fault(loc if error.index is None else (*loc, error.index), error.expected, error.got))


def missing(faults: Faults, loc: Location, expected: str) -> list[Fault]:
    """``faults`` and that a value is missing."""
    return _with(faults, fault(loc, expected, NOTHING))


def misshapen(faults: Faults, loc: Location, shape: Shape, value: Any) -> list[Fault]:
    """``faults`` and all that is wrong with a value of several parts."""
    return _with(faults, *shape.faults(value, loc))


def refused(faults: Faults, loc: Location, error: Exception) -> list[Fault]:
    """``faults`` and that a class does not take what its fields take one by one, in the words of its own code."""
    words = str(error)[:MAX_SHOWN]
    return _with(faults, Fault(loc, f"{words} at `{place(loc)}`", words, "object"))


def unknown(faults: Faults, source: str, names: Iterable[str], known: Collection[str]) -> Faults:
    """``faults`` and the names that a closed class does not know, `MAX_FAULTS` at most."""
    from duoframe.misfits import MAX_FAULTS

    strange = islice((name for name in names if name not in known), MAX_FAULTS)
    found = [fault((source, name), NOTHING, "a value") for name in strange]
    return _with(faults, *found) if found else faults


def refuse(request: Request, faults: Faults) -> NoReturn:
    """Raise `RequestValidationError` for these faults and those of what ran before, each once."""
    raise RequestValidationError(list(dict.fromkeys((*(request._faults or ()), *(faults or ())))))


def keep(request: Request, faults: list[Fault]) -> object:
    """Keep these faults for who binds last; what a call gives that could not be made."""
    request._faults = [*(request._faults or ()), *faults]
    return NOT_MADE


def _require_utf8(query: bytes) -> None:
    try:
        unquote_to_bytes(query).decode()
    except UnicodeDecodeError as error:
        raise HTTPException(400, "expected a query in UTF-8") from error


def _require_form(body: Body, expected: str) -> None:
    if body.received and body.media_type not in FORMS:
        raise HTTPException(415, f"expected Content-Type: {expected}, got {body.content_type[:100]!r}")


def _with(faults: Faults, *more: Fault) -> list[Fault]:
    faults = [] if faults is None else faults
    faults.extend(more)
    return faults


_EMPTY: Mapping[str, str] = {}

HELPERS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(query_of, form_of, files_of, items_of, members_of),
        *(unreadable, missing, misshapen, refused, unknown, refuse, keep),
    )
}
"""What a generated call knows by name."""
