"""Imports that a module needs for what was put into it, in the places where people put them.

Knows which import brings which name; `views` says what is needed.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator

import libcst as cst

from duoframe.migrate.changes import Changes
from duoframe.migrate.sources import Source, name_of, walk

IMPORTS = {
    "anyio": ("import anyio", ("anyio",)),
    "functools": ("import functools", ("functools",)),
    "httpx": ("import httpx", ("httpx",)),
    "cookiejar": ("from http import cookiejar", ("http.cookiejar",)),
    "current_app": (
        "from duoframe.flask import current_app",
        ("duoframe.flask.current_app", "duoframe.flask.globals.current_app"),
    ),
}
"""For a name: the import that brings it, and what it may have been imported as already."""


def add_imports(changes: Changes, needed: Iterable[str]) -> str | None:
    """Import the names that are missing; gives the first that means something else already, with its line, or None."""
    source = changes.source
    missing = []
    for name in sorted(needed):
        statement, origins = IMPORTS[name]
        for used in _uses(source, name):
            if source.imported(used) not in origins:
                return f"{name!r} on line {source.line(used)}"
        if not any(_brings(line, origins) for line in source.module.body):
            missing.append(statement)
    _put(changes, [statement for statement in missing if not _join(changes, statement)])
    return None


def _uses(source: Source, name: str) -> Iterator[cst.Name]:
    """Where a name is bound or read as a variable; not as a part of an import."""
    for found in walk(source.module, cst.Name):
        above = source.parent(found)
        word = (isinstance(above, cst.Attribute) and above.attr is found) or (
            isinstance(above, cst.Arg) and above.keyword is found
        )
        imported = (isinstance(node, cst.ImportAlias | cst.ImportFrom) for node in source.ancestors(found))
        if found.value == name and not word and not any(imported):
            yield found


def _brings(line: cst.CSTNode, origins: Iterable[str]) -> bool:
    """Whether a statement of the module imports a name, and calls it what it is called."""
    for statement in line.body if isinstance(line, cst.SimpleStatementLine) else ():
        if isinstance(statement, cst.Import | cst.ImportFrom) and not isinstance(statement.names, cst.ImportStar):
            module = f"{_module(statement)}." if isinstance(statement, cst.ImportFrom) else ""
            if any(alias.asname is None and module + name_of(alias.name) in origins for alias in statement.names):
                return True
    return False


def _join(changes: Changes, statement: str) -> bool:
    """Put a name into an import of the module that has others from there; whether there is one."""
    source = changes.source
    module, _, name = statement.removeprefix("from ").partition(" import ")
    for line in source.module.body:
        first = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        if (
            isinstance(first, cst.ImportFrom)
            and _module(first) == module
            and not isinstance(first.names, cst.ImportStar)
        ):
            later = next((alias for alias in first.names if name_of(alias.name) > name), None)
            if later is None:
                changes.insert(source.end(first.names[-1].asname or first.names[-1].name), f", {name}")
            else:
                start = source.start(later)
                alone = not source.text(source.line_start(start), start).strip()
                changes.insert(start, f"{name},{source.newline + source.indent(later) if alone else ' '}")
            return True
    return False


def _put(changes: Changes, statements: list[str]) -> None:
    """Put imports among those of their kind, or where these would stand: the standard library's, then others'."""
    source = changes.source
    lines = list(_imports(source))
    standard = [line for line in lines if _is_standard(source.code(line.body[0]))]
    others = [line for line in lines if line not in standard]
    first = source.start(lines[0]) if lines else _beginning(source)
    behind = source.next_line(source.end(standard[-1])) if standard else first
    texts: dict[int, list[str]] = defaultdict(lambda: ["", ""])
    for statement in sorted(statements, key=_key):
        kind = 0 if _is_standard(statement) else 1
        section = (standard, others)[kind]
        later = next((line for line in section if _key(source.code(line.body[0])) > _key(statement)), None)
        if later is not None:
            at = source.start(later)
        else:
            at = source.next_line(source.end(section[-1])) if section else (first, behind)[kind]
        texts[at][kind] += statement + source.newline
    for at, (ours, theirs) in texts.items():
        before_others = bool(ours) and not standard and bool(theirs or others)
        behind_standard = bool(theirs) and bool(standard) and not others
        changes.insert(at, ours + (source.newline if before_others or behind_standard else "") + theirs)


def _key(statement: str) -> tuple[bool, str]:
    """What imports are sorted by: those of modules first."""
    return statement.startswith("from"), statement.split()[1].lower()


def _imports(source: Source) -> Iterator[cst.SimpleStatementLine]:
    """The imports of the module itself, but for those from the future."""
    for line in source.module.body:
        if isinstance(line, cst.SimpleStatementLine):
            first = line.body[0]
            if isinstance(first, cst.Import) or (isinstance(first, cst.ImportFrom) and _module(first) != "__future__"):
                yield line


def _is_standard(statement: str) -> bool:
    """Whether an import is one of the standard library."""
    return re.split(r"[.,;\s]", statement.split(maxsplit=1)[1])[0] in sys.stdlib_module_names


def _module(statement: cst.ImportFrom) -> str:
    return name_of(statement.module) if statement.module is not None else ""


def _beginning(source: Source) -> int:
    """Where the first import of a module would stand: behind its docstring and what it has from the future."""
    for line in source.module.body:
        first = line.body[0] if isinstance(line, cst.SimpleStatementLine) else None
        text = isinstance(first, cst.Expr) and isinstance(first.value, cst.SimpleString)
        if not text and not isinstance(first, cst.ImportFrom):
            decorators = line.decorators if isinstance(line, cst.FunctionDef | cst.ClassDef) else ()
            return source.start(decorators[0] if decorators else line)
    raise ValueError("expected a module with a view in it")  # pragma: no cover - a view is no text and no import
