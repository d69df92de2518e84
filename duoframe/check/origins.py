"""Where a piece of somebody's code stands: its name, its file, its line.

Knows functions and what they are wrapped in; must not know routes.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import os
import re
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any, NamedTuple

import duoframe
from duoframe.signatures import describe

OURS = str(Path(duoframe.__file__).parent) + os.sep
"""The folder of the framework itself."""


_DEFINES = re.compile(r"\s*(?:async\s+def|def|class)\b")


class Origin(NamedTuple):
    """Where something was written; without a file where that cannot be known."""

    name: str
    file: str | None
    line: int | None

    @property
    def ours(self) -> bool:
        """Whether it is the framework's own code."""
        return self.file is not None and self.file.startswith(OURS)

    @property
    def place(self) -> str:
        """``file:line`` for people: relative below the current folder; ``duoframe`` for our own, ``""`` for none."""
        if self.ours:
            return "duoframe"
        return shown(self.file, self.line)


class Part(NamedTuple):
    """One function of those that run when something is called."""

    function: Any  # a FunctionType, which mypy would take for a method here
    receiver: Any
    """What it is a method of; None for a plain function."""


def belongs(value: object, kind: type) -> bool:
    """Whether a value is an instance; unlike `isinstance`, this never asks the value itself, which may be a proxy."""
    return issubclass(type(value), kind)


def shown(file: str | None, line: int | None) -> str:
    """``file:line``, relative below the current folder."""
    if file is None:
        return ""
    here = os.getcwd() + os.sep
    return f"{file.removeprefix(here)}:{line}"


def origin_of(call: Any, name: str | None = None) -> Origin:
    """Where ``call`` was written, under ``name`` where that is known already."""
    name = name or describe(call)
    innermost = call
    while isinstance(innermost, functools.partial):
        innermost = innermost.func
    if inspect.isclass(innermost):
        return _origin_of_class(name, innermost)
    parts = parts_of(call)
    if not parts:
        return Origin(name, None, None)
    code = parts[-1].function.__code__
    first = code.co_firstlineno
    line = first if code.co_name == "<lambda>" else _definition(code.co_filename, first)
    return Origin(name, file_of(code), line)


def parts_of(call: Any) -> list[Part]:
    """The functions that run when ``call`` is called, outermost first.

    Looks through partials, methods, callable objects and decorators that keep ``__wrapped__``.
    """
    found: list[Part] = []
    seen: set[int] = set()
    receiver: Any = None
    while call is not None and id(call) not in seen:
        seen.add(id(call))
        if belongs(call, functools.partial):
            call = call.func
            continue
        if belongs(call, MethodType):
            receiver, call = call.__self__, call.__func__
            continue
        method = call if belongs(call, FunctionType) else inspect.getattr_static(type(call), "__call__", None)
        if isinstance(method, FunctionType):
            found.append(Part(method, receiver if method is call else call))
        call = inspect.getattr_static(call, "__wrapped__", None)
    return found


def file_of(code: CodeType) -> str | None:
    """The file of a code object, as a path from the root; None for what was made of no file."""
    name = code.co_filename
    return None if name.startswith("<") else os.path.abspath(name)


def _definition(file: str, first: int) -> int:
    """The line of a `def` or a class whose decorators begin at line ``first``."""
    lines = linecache.getlines(file)[first - 1 :]
    return first + next((number for number, line in enumerate(lines) if _DEFINES.match(line)), 0)


def _origin_of_class(name: str, kind: type) -> Origin:
    try:
        file, first = inspect.getfile(kind), inspect.findsource(kind)[1] + 1
    except (OSError, TypeError):
        return Origin(name, None, None)
    return Origin(name, os.path.abspath(file), _definition(file, first))
