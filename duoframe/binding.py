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

    A parameter named ``request`` or annotated `Request` gets the request, one named like a part of the path gets
    that part. Raises `ConfigurationError` for any other parameter without a default.
    """
    arguments = []
    for parameter in _parameters(handler):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if is_request(parameter, handler):
            value = "request"
        elif parameter.name in path_parameters:
            value = f"request.path_params[{parameter.name!r}]"
        elif parameter.default is not parameter.empty:
            continue
        else:
            known = ", ".join(sorted(path_parameters)) or "none"
            raise ConfigurationError(
                f"handler {describe(handler)} has a parameter {parameter.name!r} that names no part of the path"
                f" (its parameters: {known}); rename it, give it a default, or add {{{parameter.name}}} to the path"
            )
        positional = parameter.kind is parameter.POSITIONAL_ONLY
        arguments.append(value if positional else f"{parameter.name}={value}")
    return _compile(handler, ", ".join(arguments))


def accepts(handler: Callable[..., Any], offered: tuple[str, ...], role: str) -> Callable[..., Any]:
    """Let ``handler`` take the last few of the ``offered`` positional arguments, as many as its signature has."""
    parameters = [
        parameter
        for parameter in _parameters(handler)
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    required = [parameter for parameter in parameters if parameter.default is parameter.empty]
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in _parameters(handler)):
        return handler
    if len(required) > len(offered):
        raise ConfigurationError(
            f"{role} {describe(handler)} asks for {len(required)} arguments; it is given ({', '.join(offered)})"
        )
    count = min(len(parameters), len(offered))
    if count == len(offered):
        return handler
    names = ", ".join(offered)
    return _generate(handler, f"lambda {names}: handler({', '.join(offered[len(offered) - count:])})")


def is_async(handler: Callable[..., Any]) -> bool:
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
    """Whether a parameter asks for the request: by its name, or by its annotation."""
    annotation = parameter.annotation
    if isinstance(annotation, str):
        target = inspect.unwrap(handler)
        annotation = getattr(target, "__globals__", {}).get(annotation, annotation)
        if annotation in ("Request", "duoframe.Request"):
            return True
    if isinstance(annotation, type) and issubclass(annotation, Request):
        return True
    return parameter.name == "request" and annotation is parameter.empty


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


def _compile(handler: Callable[..., Any], arguments: str) -> Callable[[Request], Any]:
    if arguments == "request=request" and inspect.isfunction(handler) and len(_parameters(handler)) == 1:
        return handler  # it takes the request and nothing else: no call of ours stands between
    return _generate(handler, f"lambda request: handler({arguments})")


def _generate(handler: Callable[..., Any], source: str) -> Callable[..., Any]:
    filename = f"<duoframe call of {describe(handler)}>"
    linecache.cache[filename] = (len(source), None, [source], filename)  # tracebacks show the generated line
    return eval(compile(source, filename, "eval"), {"handler": handler})  # type: ignore[no-any-return]  # a lambda
