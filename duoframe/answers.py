"""What a handler's return value stands for: text, bytes, JSON, a page, a stream, or an answer already.

Knows values and the kinds of `responses`; must not know who asked. `plan` and `core` make their answers here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from duoframe.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse


def to_response(value: Any, status: int = 200) -> Response:
    """The answer a handler's return value stands for.

    `Response` as it is; `str` as text; what has ``__html__`` as a page; bytes; a tuple ``(body, status[, headers])``;
    a generator or other iterator as a stream; anything else as JSON. Raises `TypeError` for what is none of these.
    """
    make = _MAKERS.get(type(value))
    if make is not None:
        return make(value, status)
    if isinstance(value, Response):
        return value
    for kind, make in _KINDS:
        if isinstance(value, kind):
            return make(value, status)
    if hasattr(value, "__html__"):
        return HTMLResponse(str(value.__html__()), status)
    if hasattr(value, "__next__") or hasattr(value, "__anext__"):
        return StreamingResponse(value, status)
    if value is None or callable(value) or hasattr(value, "__await__"):
        raise TypeError(f"expected a value to answer with, got {value!r}")
    return JSONResponse(value, status)


def from_tuple(value: tuple[Any, ...], status: int = 200, make: Callable[[Any], Response] = to_response) -> Response:
    """The answer that ``(body, status[, headers])`` stands for; ``make`` makes that of its body.

    The tuple's status counts, whatever ``status`` is. Raises `TypeError` for any other tuple.
    """
    if len(value) not in (2, 3) or isinstance(value[1], bool) or not isinstance(value[1], int):
        raise TypeError(f"expected (body, status) or (body, status, headers), got a tuple of {len(value)}: {value!r}")
    response = make(value[0])
    response.status = value[1]
    if len(value) == 3:
        response.headers.update(value[2])
    return response


def _text(value: str, status: int) -> Response:
    """A subclass of `str`: markup says so by ``__html__``; any other is its text, whatever its ``__str__`` says."""
    if hasattr(value, "__html__"):
        return HTMLResponse(str(value.__html__()), status)
    return PlainTextResponse(str.__str__(value), status)


_MAKERS: dict[type, Callable[[Any, int], Response]] = {
    str: PlainTextResponse,
    bytes: Response,
    dict: JSONResponse,
    list: JSONResponse,
    tuple: from_tuple,
}

_KINDS: tuple[tuple[Any, Callable[[Any, int], Response]], ...] = (
    (str, _text),
    (bytes | bytearray | memoryview, Response),
    (dict | list | bool | int | float, JSONResponse),
    (tuple, lambda value, status: JSONResponse(value, status) if hasattr(value, "_fields") else from_tuple(value)),
)
