"""Finding the application that a command is about: ``hello``, ``hello.py``, ``hello:site``, ``hello:make_app("dev")``.

Knows modules, names and factories; must not know commands (`cli`). Imports what it is told to, and nothing else.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable
from types import ModuleType, TracebackType
from typing import Any

NAMES = ("app", "application")
"""Where an application is looked for first."""

FACTORIES = ("create_app", "make_app")
"""What makes one where there is none."""


class NoAppError(Exception):
    """No application was found; the message says where it was looked for, and what to say instead."""


def locate(path: str) -> Any:  # Any: a Flask
    """The application of ``module``, ``module:name`` or ``module:factory(arguments)``.

    The module is a dotted name or a file. Raises `NoAppError`, and what the module and the factory raise.
    """
    place, _, name = re.sub(r":(?![\\/])", "\0", path, count=1).partition("\0")
    module = load(place)
    return named(module, name) if name else best(module)


def load(place: str) -> ModuleType:
    """The module of a dotted name or of a file, whose package's directory then leads ``sys.path``."""
    name = _importable(place)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise NoAppError(f"Could not import {name!r}: no such module under {sys.path[0]!r}.") from None
        raise


def best(module: ModuleType) -> Any:  # Any: as above
    """The application that a module means: one of `NAMES`, its only one, or what one of `FACTORIES` makes."""
    for name in NAMES:
        if _is_app(found := getattr(module, name, None)):
            return found
    all_of_them = list({id(value): value for value in vars(module).values() if _is_app(value)}.values())
    if len(all_of_them) > 1:
        raise NoAppError(f"{module.__name__!r} has several applications: say which, as '{module.__name__}:name'.")
    if all_of_them:
        return all_of_them[0]
    for name in FACTORIES:
        if inspect.isfunction(factory := getattr(module, name, None)):
            return _made(factory, name, module, [], {})
    raise NoAppError(
        f"{module.__name__!r} has no application and no {' or '.join(FACTORIES)}: say what it is called, as"
        f" '{module.__name__}:name'."
    )


def named(module: ModuleType, text: str) -> Any:  # Any: as above
    """The application called ``text`` in a module, or what the call ``text`` of a factory makes."""
    name, args, kwargs = _parsed(text)
    try:
        found = getattr(module, name)
    except AttributeError:
        raise NoAppError(f"There is no {name!r} in {module.__name__!r}.") from None
    if inspect.isfunction(found):
        return _made(found, text, module, args, kwargs)
    if not _is_app(found):
        raise NoAppError(f"'{module.__name__}:{text}' is no application, but {found!r}.")
    return found


def _importable(place: str) -> str:
    """The dotted name of a module or of a file; where that starts is put in front of ``sys.path``."""
    path = os.path.realpath(place)
    stem, suffix = os.path.splitext(path)
    if suffix == ".py":
        path = stem
    if os.path.basename(path) == "__init__":
        path = os.path.dirname(path)
    names = []
    while True:
        path, name = os.path.split(path)
        names.append(name)
        if not os.path.exists(os.path.join(path, "__init__.py")):
            break
    if sys.path[:1] != [path]:
        sys.path.insert(0, path)
    return ".".join(reversed(names))


def _is_app(value: Any) -> bool:
    from duoframe.flask.app import Flask

    return isinstance(value, Flask)


def _parsed(text: str) -> tuple[str, list[Any], dict[str, Any]]:  # Any: literals
    """The name and the arguments of ``name`` or ``name("argument", key=1)``."""
    fault = NoAppError(f"Expected a name or a call with literal arguments, got {text!r}.")
    try:
        expression = ast.parse(text.strip(), mode="eval").body
        if isinstance(expression, ast.Name):
            return expression.id, [], {}
        if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Name):
            args = [ast.literal_eval(argument) for argument in expression.args]
            kwargs = {word.arg: ast.literal_eval(word.value) for word in expression.keywords if word.arg is not None}
            return expression.func.id, args, kwargs
    except (SyntaxError, ValueError):
        raise fault from None
    raise fault


def _made(
    factory: Callable[..., Any], name: str, module: ModuleType, args: list[Any], kwargs: dict[str, Any]
) -> Any:  # Any: as above
    try:
        app = factory(*args, **kwargs)
    except TypeError as error:
        if _reached(factory, error.__traceback__):
            raise
        raise NoAppError(
            f"The factory {name!r} of {module.__name__!r} takes other arguments ({error}): say which, as"
            f" '{module.__name__}:{factory.__name__}(arguments)'."
        ) from None
    if not _is_app(app):
        raise NoAppError(f"The factory {name!r} of {module.__name__!r} gave no application, but {app!r}.")
    return app


def _reached(function: Callable[..., Any], traceback: TracebackType | None) -> bool:
    """Whether an error arose within a function, and not where it was called."""
    while traceback is not None:
        if traceback.tb_frame.f_code is function.__code__:
            return True
        traceback = traceback.tb_next
    return False
