"""Where an application is found: by ``module:attr``, by a module alone, or by what the project says.

Knows modules, their attributes and the project's settings; must not know what is done with the application. The
commands (`cli`, `check`) end with the code and the words of a `FindError`.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
import os
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NamedTuple

from duoframe.app import App
from duoframe.peek import visible

VARIABLE = "DUOFRAME_APP"
"""The environment variable that names the application where no command line does."""

NAMES = ("app", "application")
"""The attributes that are looked at in a module that is named alone."""

FACTORIES = ("create_app", "make_app")
"""The functions that are called where a module holds no application."""

MODULES = ("app", "main")
"""The modules that are looked at where nothing is named."""

NOT_FOUND = 3
"""The exit code of a command whose application cannot be loaded."""

MISSPELT = 2
"""The exit code of a command whose target cannot be read."""

_EXAMPLE = "a target like 'module:app', 'package.module:create_app()' or 'module'"


class FindError(Exception):
    """An application cannot be found: one line that says why and what to do.

    ``code`` is the exit code of a command that needs it: 3, or 2 for a target that cannot be read. ``traceback`` is
    that of an exception in the user's own code, without the frames that led there, or ``""``.
    """

    def __init__(self, message: str, *, code: int = NOT_FOUND, traceback: str = "") -> None:
        super().__init__(visible(message).replace("\n", " "))
        self.code = code
        self.traceback = traceback


class Found(NamedTuple):
    """An application and how it was found."""

    app: App
    target: str
    """``module:attr``, as a server takes it."""


class Target(NamedTuple):
    """``module:attr`` taken apart."""

    module: str
    attribute: str
    """With its dots; ``""`` where a module is named alone."""
    arguments: tuple[tuple[Any, ...], dict[str, Any]] | None  # Any: whatever a literal gives
    """What the attribute is called with; None where it is not called."""


def find(target: str | None = None) -> Found:
    """The application that ``target`` names: ``find("shop:app")``, ``find("shop.web:create_app()")``, ``find("shop")``.

    Without one, that of ``DUOFRAME_APP``, of ``[tool.duoframe] app`` in the folder's ``pyproject.toml``, of ``app.py``
    or of ``main.py``. The current folder is put first on ``sys.path``. Raises `FindError`.
    """
    here = os.getcwd()
    if sys.path[:1] != [here]:
        sys.path.insert(0, here)
    target = target or os.environ.get(VARIABLE) or _configured() or _usual()
    wanted = read_target(target)
    module = _load(wanted.module)
    if not wanted.attribute:
        return _search(module)
    value = _attribute(module, wanted.attribute)
    if wanted.arguments is not None:
        args, kwargs = wanted.arguments
        value = _made(value, wanted.attribute, args, kwargs)
    return Found(_checked(value, target, wanted), target)


def read_target(target: str) -> Target:
    """Take ``module:attr`` or ``module:factory("literal")`` apart. Raises `FindError` with code 2."""
    name, colon, expression = target.partition(":")
    if name.endswith(".py") or "/" in name or os.sep in name:
        dotted = name.removesuffix(".py").strip("./").replace(os.sep, ".")
        raise FindError(f"expected the name of a module, as {dotted!r}, got {name!r}", code=MISSPELT)
    try:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError
        return Target(name, *(_read_expression(expression) if colon else ("", None)))
    except (SyntaxError, TypeError, ValueError) as error:
        raise FindError(f"expected {_EXAMPLE}, got {target!r}", code=MISSPELT) from error


def _read_expression(text: str) -> tuple[str, tuple[tuple[Any, ...], dict[str, Any]] | None]:
    """A dotted name and what it is called with. Raises `SyntaxError`, `TypeError` or `ValueError`."""
    tree = ast.parse(text.strip(), mode="eval").body
    arguments = None
    if isinstance(tree, ast.Call):
        named = {keyword.arg or "": ast.literal_eval(keyword.value) for keyword in tree.keywords}
        arguments = tuple(ast.literal_eval(argument) for argument in tree.args), named
        tree = tree.func
    parts = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name) or (arguments and "" in arguments[1]):
        raise ValueError(text)
    return ".".join([tree.id, *reversed(parts)]), arguments


def _configured() -> str | None:
    """What ``pyproject.toml`` names."""
    path = Path("pyproject.toml")
    try:
        named: Any = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise FindError(f"{path} cannot be read: {error}") from error
    for key in ("tool", "duoframe", "app"):
        named = named.get(key) if isinstance(named, dict) else None
    if named is not None and not isinstance(named, str):
        raise FindError(f"{path}: expected [tool.duoframe] app to be a text like 'module:app', got {named!r}")
    return named


def _usual() -> str:
    """The module that is there by its usual name."""
    for name in MODULES:
        if Path(f"{name}.py").is_file():
            return name
    raise FindError(
        f"no application is named; say which, as 'module:app', or set {VARIABLE}, or `app` under [tool.duoframe] in"
        " pyproject.toml, or call its module app.py or main.py"
    )


def _load(name: str) -> ModuleType:
    """Import a module. What its code raises is told as its author would see it."""
    parents = [name.rsplit(".", count)[0] for count in range(name.count(".") + 1)]
    try:
        return importlib.import_module(name)
    except Exception as error:
        own = _own_frames(error.__traceback__)
        if own is None and isinstance(error, ModuleNotFoundError) and error.name in parents:
            raise FindError(
                f"no module {error.name!r} is to be found from {os.getcwd()}; is its name right, and the folder?"
            ) from None
        raise _told(f"module {name!r} cannot be imported", error, own) from None
    except SystemExit as error:
        raise FindError(f"module {name!r} ended the process with {error!r} when it was imported") from None


def _attribute(module: ModuleType, dotted: str) -> Any:
    """The value of a dotted name in a module."""
    value: Any = module
    place = module.__name__
    for part in dotted.split("."):
        try:
            value = getattr(value, part)
        except AttributeError:
            near = difflib.get_close_matches(part, dir(value), 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise FindError(f"{place!r} has no attribute {part!r}{meant}") from None
        place = f"{place}.{part}"
    return value


def _made(factory: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a factory returns. What it raises is told as its author would see it."""
    if not callable(factory):
        raise FindError(f"expected {name!r} to be a function that makes the application, got {_kind(factory)}")
    try:
        inspect.signature(factory).bind(*args, **kwargs)
    except (TypeError, ValueError) as error:
        raise FindError(f"{name!r} cannot be called like this: {error}") from None
    try:
        return factory(*args, **kwargs)
    except Exception as error:
        raise _told(f"{name!r} made no application", error, _own_frames(error.__traceback__)) from None
    except SystemExit as error:
        raise FindError(f"{name!r} ended the process with {error!r} when it was called") from None


def _checked(value: Any, target: str, wanted: Target) -> App:
    """``value``, which has to be an application."""
    if isinstance(value, App):
        return value
    if inspect.iscoroutine(value):
        value.close()
        raise FindError(f"{target!r} is `async def`: declare the function that makes the application with `def`")
    if wanted.arguments is None and inspect.isfunction(value):
        raise FindError(f"{target!r} is a function; if it makes the application, say '{target}()'")
    around = "; put WSGI or ASGI middleware around a door, with `app.wrap_wsgi(...)` or `app.wrap_asgi(...)`"
    raise FindError(
        f"expected {target!r} to be a duoframe App, got {_kind(value)}"
        + (around if callable(value) and not inspect.isclass(value) else "")
    )


def _search(module: ModuleType) -> Found:
    """The application of a module that is named alone."""
    name = module.__name__
    for attribute in NAMES:
        value = getattr(module, attribute, None)
        if isinstance(value, App):
            return Found(value, f"{name}:{attribute}")
    apps = {id(value): (key, value) for key, value in reversed(vars(module).items()) if isinstance(value, App)}
    if len(apps) == 1:
        [(key, app)] = apps.values()
        return Found(app, f"{name}:{key}")
    if apps:
        names = " or ".join(sorted(repr(f"{name}:{key}") for key, _ in apps.values()))
        raise FindError(f"module {name!r} has {len(apps)} applications; say which: {names}")
    for attribute, factory in _factories(module):
        wanted = Target(name, attribute, ((), {}))
        value = _made(factory, attribute, (), {})
        return Found(_checked(value, f"{name}:{attribute}()", wanted), f"{name}:{attribute}()")
    other = [attribute for attribute in NAMES if hasattr(module, attribute)]
    seen = f"; its {other[0]!r} is {_kind(getattr(module, other[0]))}" if other else ""
    raise FindError(
        f"module {name!r} has no duoframe App and no {' or '.join(FACTORIES)} to call without arguments{seen};"
        f" say where it is, as '{name}:attr'"
    )


def _factories(module: ModuleType) -> Iterator[tuple[str, Callable[..., Any]]]:
    for attribute in FACTORIES:
        factory = getattr(module, attribute, None)
        if callable(factory):
            try:
                inspect.signature(factory).bind()
            except (TypeError, ValueError):
                continue  # it asks for something
            yield attribute, factory


def _kind(value: Any) -> str:
    if isinstance(value, type):
        return f"the class {value.__module__}.{value.__qualname__}"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    return f"a {type(value).__module__}.{type(value).__qualname__}".replace("builtins.", "")


def _own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The traceback from the first frame on that is neither this module's nor the import system's."""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file not in (__file__, importlib.__file__) and not file.startswith("<frozen importlib"):
            return trace
        trace = trace.tb_next
    return None


def _told(what: str, error: Exception, own: TracebackType | None) -> FindError:
    lines = traceback.format_exception(type(error), error, own)
    said = f"{type(error).__name__}: {error}"
    return FindError(f"{what}: {said.strip()}", traceback=visible("".join(lines)))
