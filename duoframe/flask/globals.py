"""The names that stand for whatever is running: `current_app`, `g`, `request`, `session`.

Knows one ContextVar and what is asked of the context in it; must not know how a context is made (`contexts`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duoframe.flask.app import Flask
    from duoframe.flask.contexts import AppContext, Globals
    from duoframe.flask.requests import Request
    from duoframe.sessions import Session

current_context: ContextVar[AppContext | None] = ContextVar("duoframe.flask.context", default=None)
"""The context of an application, and of a request where one is being answered."""

NO_APP = (
    "Working outside of application context.\n\nThis needs to know which application it is about: enter"
    " `with app.app_context():` around it."
)
NO_REQUEST = (
    "Working outside of request context.\n\nThis needs a request that is being answered: call it from a view, or enter"
    " `with app.test_request_context():` around it in a test."
)


class Proxy:
    """Stands for an object of the running context: whatever is done to it is done to that object.

    Raises `RuntimeError` where no such context is running.
    """

    __slots__ = ("__find", "__name")

    def __init__(self, name: str, find: Callable[[], Any]) -> None:
        object.__setattr__(self, "_Proxy__name", name)
        object.__setattr__(self, "_Proxy__find", find)

    def _get_current_object(self) -> Any:
        """The object itself, for code that outlives the context or compares identities."""
        return self.__find()

    @property  # type: ignore[misc]  # isinstance asks for it
    def __class__(self) -> Any:
        try:
            return type(self.__find())
        except RuntimeError:
            return Proxy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__find(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__find(), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__find(), name)

    def __getitem__(self, key: Any) -> Any:
        return self.__find()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__find()[key] = value

    def __delitem__(self, key: Any) -> None:
        del self.__find()[key]

    def __contains__(self, key: object) -> bool:
        return key in self.__find()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.__find())

    def __len__(self) -> int:
        return len(self.__find())

    def __bool__(self) -> bool:
        try:
            return bool(self.__find())
        except RuntimeError:
            return False

    def __eq__(self, other: object) -> bool:
        return bool(self.__find() == other)

    def __hash__(self) -> int:
        return hash(self.__find())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__find()(*args, **kwargs)

    def __dir__(self) -> list[str]:
        try:
            return dir(self.__find())
        except RuntimeError:
            return []

    def __str__(self) -> str:
        return str(self.__find())

    def __repr__(self) -> str:
        try:
            return repr(self.__find())
        except RuntimeError:
            return f"<{self.__name}: no context is running>"


def running(message: str = NO_APP) -> AppContext:
    """The running context. Raises `RuntimeError` with ``message`` where there is none."""
    context = current_context.get()
    if context is None:
        raise RuntimeError(message)
    return context


def running_request() -> AppContext:
    """The running context of a request. Raises `RuntimeError` where there is none."""
    context = current_context.get()
    if context is None or context.request is None:
        raise RuntimeError(NO_REQUEST)
    return context


if TYPE_CHECKING:
    app_ctx: AppContext
    request_ctx: AppContext
    current_app: Flask
    g: Globals
    request: Request
    session: Session
else:
    app_ctx = Proxy("app_ctx", running)
    request_ctx = Proxy("request_ctx", running_request)
    current_app = Proxy("current_app", lambda: running().app)
    g = Proxy("g", lambda: running().g)
    request = Proxy("request", lambda: running_request().request)
    session = Proxy("session", lambda: running_request().session)
