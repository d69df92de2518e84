"""From a handler's signature to one call that takes the request.

Knows signatures and the names of path parameters; must not know when or where the call is made (`plan`). What a
parameter means is decided once, when its route is registered.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

from duoframe.errors import ConfigurationError
from duoframe.generated import generate
from duoframe.requests import Request
from duoframe.signatures import describe, is_optional, signature_of


def bind(handler: Callable[..., Any], path_parameters: Collection[str]) -> Callable[[Request], Any]:
    """The call ``bound(request)`` that gives ``handler`` the arguments its signature asks for.

    A parameter annotated `Request` gets the request, one named like a part of the path gets that part, one named
    ``request`` gets the request; ``**kwargs`` gets the other parts of the path. Raises `ConfigurationError` for any
    other parameter without a default.
    """
    arguments: list[str] = []
    parameters = list(signature_of(handler).parameters.values())
    behind_default = False
    for parameter in parameters:
        name, kind = parameter.name, parameter.kind
        value = _value(parameter, path_parameters)
        if kind is _ANY_KEYWORD:
            taken = {parameter.name for parameter in parameters}
            arguments += [f"{part}={_part(part)}" for part in path_parameters if part not in taken]
        elif kind is parameter.POSITIONAL_ONLY and (value is None or behind_default) and is_optional(parameter):
            behind_default = True  # what keeps its default keeps those behind it from being given by position
        elif value is not None:
            arguments.append(value if kind is parameter.POSITIONAL_ONLY else f"{name}={value}")
        elif not is_optional(parameter):
            known = ", ".join(sorted(path_parameters)) or "none"
            raise ConfigurationError(
                f"handler {describe(handler)} has a parameter {name!r} that names no part of the path"
                f" (its parameters: {known}); rename it, give it a default, or add {{{name}}} to the path"
            )
    alone = len(parameters) == 1 and parameters[0].kind in _POSITIONAL and not hasattr(handler, "__wrapped__")
    if alone and arguments in (["request"], ["request=request"]):
        return handler  # it takes the request and nothing else: no call of ours stands between
    source = f"def call(request):\n    return handler({', '.join(arguments)})\n"
    return generate(source, "call", {"handler": handler}, describe(handler))  # type: ignore[no-any-return]  # a function


def _value(parameter: inspect.Parameter, path_parameters: Collection[str]) -> str | None:
    """The expression that gives a parameter its value; None where the request has none for it."""
    annotation = parameter.annotation
    if isinstance(annotation, type) and issubclass(annotation, Request):
        return "request"
    if parameter.name in path_parameters:
        return _part(parameter.name)
    return "request" if parameter.name == "request" else None


def _part(name: str) -> str:
    return f"request.path_params[{name!r}]"


_ANY_KEYWORD = inspect.Parameter.VAR_KEYWORD
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
