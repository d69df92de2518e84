"""From a handler's signature to one call that takes the request.

Knows signatures and the names of path parameters; must not know when or where the call is made (`plan`). What a
parameter means is decided once, when its route is registered.
"""

from __future__ import annotations

import functools
import inspect
import linecache
from collections.abc import Callable, Collection
from typing import Any

from duoframe.errors import ConfigurationError
from duoframe.requests import Request


def bind(handler: Callable[..., Any], path_parameters: Collection[str]) -> Callable[[Request], Any]:
    """The call ``bound(request)`` that gives ``handler`` the arguments its signature asks for.

    A parameter annotated `Request` gets the request, one named like a part of the path gets that part, one named
    ``request`` gets the request; ``**kwargs`` gets the other parts of the path. Raises `ConfigurationError` for any
    other parameter without a default.
    """
    arguments: list[str] = []
    parameters = _parameters(handler)
    behind_default = False
    for parameter in parameters:
        name, kind = parameter.name, parameter.kind
        value = _value(parameter, handler, path_parameters)
        if kind is _ANY_KEYWORD:
            taken = {parameter.name for parameter in parameters}
            arguments += [f"{part}={_part(part)}" for part in path_parameters if part not in taken]
        elif kind is parameter.POSITIONAL_ONLY and (value is None or behind_default) and _optional(parameter):
            behind_default = True  # what keeps its default keeps those behind it from being given by position
        elif value is not None:
            arguments.append(value if kind is parameter.POSITIONAL_ONLY else f"{name}={value}")
        elif not _optional(parameter):
            known = ", ".join(sorted(path_parameters)) or "none"
            raise ConfigurationError(
                f"handler {describe(handler)} has a parameter {name!r} that names no part of the path"
                f" (its parameters: {known}); rename it, give it a default, or add {{{name}}} to the path"
            )
    alone = len(parameters) == 1 and parameters[0].kind in _POSITIONAL and not hasattr(handler, "__wrapped__")
    if alone and arguments in (["request"], ["request=request"]):
        return handler  # it takes the request and nothing else: no call of ours stands between
    return _generate(handler, f"lambda request: handler({', '.join(arguments)})")


def accepts(handler: Callable[..., Any], offered: tuple[str, ...], role: str) -> Callable[..., Any]:
    """Let ``handler`` take the last few of the ``offered`` positional arguments, as many as its signature has.

    One that takes a single argument and asks for the request gets the request. Raises `ConfigurationError` for a
    signature that asks for more.
    """
    parameters = _parameters(handler)
    places = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    required = [parameter for parameter in parameters if not _optional(parameter)]
    if len(required) > len(offered) or any(parameter not in places for parameter in required):
        raise ConfigurationError(
            f"{role} {describe(handler)} asks for ({', '.join(parameter.name for parameter in required)});"
            f" it is given ({', '.join(offered)})"
        )
    if len(places) >= len(offered) or any(parameter.kind is _ANY_POSITIONAL for parameter in parameters):
        return handler
    given = offered[len(offered) - len(places) :]
    if len(places) == 1 and "request" in offered and is_request(places[0], handler):
        given = ("request",)
    return _generate(handler, f"lambda {', '.join(offered)}: handler({', '.join(given)})")


def needs_loop(handler: Callable[..., Any]) -> bool:
    """Whether calling ``handler`` gives something to await or to walk with ``async for``.

    Looks through partials, callable objects and decorators that keep ``__wrapped__``.
    """
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in _layers(handler)
    )


def is_generator(handler: Callable[..., Any]) -> bool:
    """Whether calling ``handler`` gives a generator, of either kind."""
    return any(
        inspect.isgeneratorfunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in _layers(handler)
    )


def returns_none(handler: Callable[..., Any]) -> bool:
    """Whether the signature says ``-> None``."""
    return inspect.signature(handler).return_annotation in (None, "None")


def is_request(parameter: inspect.Parameter, handler: Callable[..., Any]) -> bool:
    """Whether a parameter asks for the request: by its annotation, or by its name."""
    return parameter.name == "request" or _annotated_request(parameter, handler)


def describe(handler: Callable[..., Any]) -> str:
    """A handler's name as its author wrote it, for messages."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    return repr(name.replace("<locals>.", ""))


def _layers(handler: Any) -> list[Any]:
    found = []
    while True:
        while isinstance(handler, functools.partial):
            handler = handler.func
        found.append(handler)
        if not inspect.isroutine(handler) and not inspect.isclass(handler) and callable(handler):
            found.append(type(handler).__call__)
        if not hasattr(handler, "__wrapped__"):
            return found
        handler = handler.__wrapped__


def _parameters(handler: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(handler).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the signature of {describe(handler)} cannot be read: {error}") from error


def _value(parameter: inspect.Parameter, handler: Callable[..., Any], path_parameters: Collection[str]) -> str | None:
    """The expression that gives a parameter its value; None where the request has none for it."""
    if _annotated_request(parameter, handler):
        return "request"
    if parameter.name in path_parameters:
        return _part(parameter.name)
    return "request" if parameter.name == "request" else None


def _optional(parameter: inspect.Parameter) -> bool:
    return parameter.default is not parameter.empty or parameter.kind in (_ANY_POSITIONAL, _ANY_KEYWORD)


def _part(name: str) -> str:
    return f"request.path_params[{name!r}]"


def _annotated_request(parameter: inspect.Parameter, handler: Callable[..., Any]) -> bool:
    annotation = parameter.annotation
    while isinstance(annotation, str):  # `from __future__ import annotations`
        if annotation in ("Request", "duoframe.Request"):
            return True  # also where it is imported for type checkers alone
        try:
            annotation = eval(annotation, getattr(_layers(handler)[-1], "__globals__", {}))
        except Exception:
            return False  # a name that only type checkers see
    return isinstance(annotation, type) and issubclass(annotation, Request)


def _generate(handler: Callable[..., Any], source: str) -> Callable[..., Any]:
    filename = f"<duoframe call of {describe(handler)}>"
    linecache.cache[filename] = (len(source), None, [source], filename)  # tracebacks show the generated line
    return eval(compile(source, filename, "eval"), {"handler": handler})  # type: ignore[no-any-return]  # a lambda


_ANY_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_ANY_KEYWORD = inspect.Parameter.VAR_KEYWORD
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
