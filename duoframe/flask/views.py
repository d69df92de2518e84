"""Views that are classes: `View` answers by `dispatch_request`, `MethodView` by a method for each of HTTP's.

Knows classes; must not know a request beyond its method.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, ClassVar

from duoframe.flask.globals import current_app, request
from duoframe.signatures import needs_loop

METHODS = frozenset({"get", "post", "head", "options", "delete", "put", "trace", "patch"})
"""The methods that a `MethodView` may have."""


class View:
    """A view whose `dispatch_request` answers: ``app.add_url_rule("/users", view_func=Users.as_view("users"))``."""

    methods: ClassVar[Collection[str] | None] = None
    """The methods that it answers; None leaves them to `add_url_rule`."""
    provide_automatic_options: ClassVar[bool | None] = None
    decorators: ClassVar[list[Callable[..., Any]]] = []
    """Applied to the view function, the last outermost."""
    init_every_request: ClassVar[bool] = True
    """Whether each request gets an instance; otherwise one is made with the view function."""

    def dispatch_request(self, **values: Any) -> Any:
        """What is answered; ``values`` are those of the path."""
        raise NotImplementedError

    @classmethod
    def _awaited(cls) -> bool:
        """Whether the view function is `async def`: all that may answer is, and no decorator stands around it."""
        return needs_loop(cls.dispatch_request) and not cls.decorators

    @classmethod
    def as_view(cls, name: str, *class_args: Any, **class_kwargs: Any) -> Callable[..., Any]:
        """The view function, called ``name``; the other arguments are those of the class."""
        kept = None if cls.init_every_request else cls(*class_args, **class_kwargs)

        def instance() -> Any:
            return made.view_class(*class_args, **class_kwargs) if kept is None else kept

        made: Any
        if cls._awaited():

            async def waiting(**values: Any) -> Any:
                return await instance().dispatch_request(**values)

            made = waiting
        else:

            def view(**values: Any) -> Any:
                return current_app.ensure_sync(instance().dispatch_request)(**values)

            made = view
        dressed: Callable[..., Any] = _dressed(made, cls, name)
        return dressed


def _dressed(view: Any, cls: type[View], name: str) -> Any:
    """A view function inside the decorators, with what `add_url_rule` reads of it."""
    view.__name__ = name
    view.__module__ = cls.__module__
    view.__doc__ = cls.__doc__
    view.view_class = cls
    for decorator in cls.decorators:
        view = decorator(view)
    view.view_class = cls
    view.methods = cls.methods
    view.provide_automatic_options = cls.provide_automatic_options
    return view


class MethodView(View):
    """A view with a method for each of HTTP's: ``def get(self, id)``, ``async def post(self)``; HEAD is `get` too."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "methods" not in cls.__dict__:
            methods = {method for base in cls.__bases__ for method in getattr(base, "methods", None) or ()}
            methods |= {method.upper() for method in METHODS if hasattr(cls, method)}
            if methods:
                cls.methods = methods

    @classmethod
    def _awaited(cls) -> bool:
        found = [getattr(cls, method) for method in METHODS if hasattr(cls, method)]
        return bool(found) and all(map(needs_loop, found)) and not cls.decorators

    def dispatch_request(self, **values: Any) -> Any:
        """What the method for the request's answers."""
        method = getattr(self, request.method.lower(), None)
        if method is None and request.method == "HEAD":
            method = getattr(self, "get", None)
        if method is None:
            raise AssertionError(f"Unimplemented method {request.method!r}")
        return method(**values) if type(self)._awaited() else current_app.ensure_sync(method)(**values)
