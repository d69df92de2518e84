"""The context of an application and of a request: what `g`, `request` and `session` are read from while it is pushed.

Knows when a context begins and ends, and that its end is told to the teardown functions; must not know how a request
is answered (`dispatch`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from duoframe.bridge import step
from duoframe.flask import signals
from duoframe.flask.globals import current_context, running_request
from duoframe.signatures import needs_loop

if TYPE_CHECKING:
    from duoframe.flask.app import Flask
    from duoframe.flask.requests import Request

F = TypeVar("F", bound=Callable[..., Any])

_MISSING: Any = object()
_RAISED: Any = object()


class Globals:
    """What `g` is: a bag of the application's own values, one for each context."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...
        def __delattr__(self, name: str) -> None: ...

    def get(self, name: str, default: Any = None) -> Any:
        """A value, or ``default`` where nothing is kept under the name."""
        return vars(self).get(name, default)

    def pop(self, name: str, default: Any = _MISSING) -> Any:
        """Take a value out. Raises `KeyError` where there is none and no ``default`` is given."""
        return vars(self).pop(name) if default is _MISSING else vars(self).pop(name, default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The value that stands, ``default`` from now on where there was none."""
        return vars(self).setdefault(name, default)

    def __contains__(self, name: object) -> bool:
        return name in vars(self)

    def __iter__(self) -> Iterator[str]:
        return iter(vars(self))

    def __repr__(self) -> str:
        context = current_context.get()
        return f"<g of {context.app.name!r}>" if context is not None and context.g is self else "<g>"


class AppContext:
    """What is pushed around code that belongs to an application: ``with app.app_context(): ...``.

    With a ``request`` it is the context of that request too. It may be pushed several times, and ends when it has been
    popped as often.
    """

    def __init__(self, app: Flask, request: Request | None = None) -> None:
        self.app = app
        self.request = request
        self.g: Globals = app.app_ctx_globals_class()
        self._shares = False
        self._before: list[AppContext | None] = []
        self.handling: Any = None
        self._after: list[Callable[[Any], Any]] = []

    @property
    def session(self) -> Any:  # Any: as the application's interface opens it
        """The session of the request."""
        from duoframe.flask.sessions import open_session

        return open_session(self.app, self.request)  # type: ignore[arg-type]  # whoever asks has a request

    def copy(self) -> AppContext:
        """A context for the same request, to be pushed on another thread; with a `g` of its own."""
        return type(self)(self.app, self.request)

    def push(self) -> None:
        """Make this the running context; one of a request shares the `g` of its application's, where that runs."""
        outer = current_context.get()
        if not self._before:
            self._inherit(outer)
        self._before.append(outer)
        current_context.set(self)
        if len(self._before) == 1 and not self._shares:
            signals.appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)

    def _inherit(self, outer: AppContext | None) -> None:
        if outer is None or outer.app is not self.app:
            return
        if self.request is None:
            self.request = outer.request
        else:
            self.g, self._shares = outer.g, True

    def pop(self, error: BaseException | None = _RAISED) -> None:
        """Leave the context; where it was pushed once, the teardown functions are told of ``error``."""
        step(self.leave(sys.exc_info()[1] if error is _RAISED else error, False))

    async def leave(self, error: BaseException | None, loops: bool, hops: bool = True) -> None:
        """`pop` for the code that answers requests; ``loops`` says whether it runs on an event loop."""
        from duoframe.flask import dispatch

        try:
            if len(self._before) == 1:
                await dispatch.tear_down(self.app, self, error, loops, hops)
        finally:
            current_context.set(self._before.pop())
            if not self._before and not self._shares:
                signals.appcontext_popped.send(self.app, _async_wrapper=self.app.ensure_sync)

    def __enter__(self) -> Self:
        self.push()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.pop(error)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.app.name!r}" + (f" {self.request!r}>" if self.request else ">")


class RequestContext(AppContext):
    """The context of one request: ``with app.test_request_context("/?name=Ada"): ...``."""

    request: Request

    def match_request(self) -> None:
        """Let the request know its rule, which it does already."""
        self.app._tell_route(self.request)


def has_app_context() -> bool:
    """Whether `current_app` and `g` can be used here."""
    return current_context.get() is not None


def has_request_context() -> bool:
    """Whether `request` and `session` can be used here."""
    context = current_context.get()
    return context is not None and context.request is not None


def after_this_request(function: F) -> F:
    """Have ``function(response)`` run on the answer to this request; what it returns is the answer.

    Raises `RuntimeError` outside of a request.
    """
    running_request()._after.append(function)
    return function


def copy_current_request_context(function: F) -> F:
    """A function that runs in the context of this request wherever it is called, as on a thread of its own.

    Its `g` is empty. Raises `RuntimeError` outside of a request.
    """
    context = running_request().copy()
    context.request.keep()  # type: ignore[union-attr]  # it is a request's

    if needs_loop(function):

        @functools.wraps(function)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            with context:
                return await function(*args, **kwargs)

        return waiting  # type: ignore[return-value]  # it is called as the function is

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with context:
            return context.app.ensure_sync(function)(*args, **kwargs)

    return call  # type: ignore[return-value]  # as above


def stream_with_context(streamed: Any) -> Any:
    """Keep the context of the request for a generator that is answered: ``Response(stream_with_context(rows()))``.

    Takes a generator of either kind, any other iterable, or as a decorator a function that gives one. The teardown
    functions run when it has ended. Raises `RuntimeError` outside of a request.
    """
    if callable(streamed) and not hasattr(streamed, "__next__") and not hasattr(streamed, "__anext__"):

        @functools.wraps(streamed)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            return stream_with_context(streamed(*args, **kwargs))

        return decorated
    context = running_request()
    if hasattr(streamed, "__aiter__"):
        return _Kept(context, aiter(streamed))
    kept = _walk(context, iter(streamed))
    next(kept)
    return kept


def _walk(context: AppContext, chunks: Iterator[Any]) -> Iterator[Any]:
    with context:
        yield None  # where the context is taken, before the view returns
        try:
            yield from chunks
        finally:
            if hasattr(chunks, "close"):
                chunks.close()


class _Kept(AsyncIterator[Any]):
    """`_walk` for an asynchronous iterable, which cannot take a step before it is awaited."""

    def __init__(self, context: AppContext, chunks: AsyncIterator[Any]) -> None:
        self._context: AppContext | None = context
        self._chunks = chunks
        context.push()

    async def __anext__(self) -> Any:
        try:
            return await anext(self._chunks)
        except BaseException as error:
            await self._leave(None if isinstance(error, StopAsyncIteration) else error)
            raise

    async def aclose(self) -> None:
        """Close what is walked, and leave the context."""
        try:
            if hasattr(self._chunks, "aclose"):
                await self._chunks.aclose()
        finally:
            await self._leave(None)

    async def _leave(self, error: BaseException | None) -> None:
        context, self._context = self._context, None
        if context is not None:
            await context.leave(error, True, hops=False)
