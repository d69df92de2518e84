"""The running request, found from anywhere in its code.

Knows one ContextVar. `core` sets it in the Context of each request; `request` is what users import.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from duoframe.requests import Request

current: ContextVar[Request] = ContextVar("duoframe.request")
"""Holds the request whose code is running."""


class RequestProxy:
    """Stands for the running request: every attribute is read from and set on that request."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(_running(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(_running(), name, value)

    def __repr__(self) -> str:
        found = current.get(None)
        return "<request: none is running>" if found is None else repr(found)


def url_for(name: str, /, **values: Any) -> str:
    """The path of the route called ``name`` in the running request's application; `App.url_for` says more."""
    path: str = _running().app.url_for(name, **values)
    return path


def _running() -> Request:
    try:
        return current.get()
    except LookupError:
        raise RuntimeError("`request` was used outside a request: there is none in this context") from None


if TYPE_CHECKING:
    request: Request
else:
    request = RequestProxy()
