"""What a move of imports does not reach: names in texts, imports by text, overridden internals, wrapped doors.

Knows what to look for in a source, and tells it; changes nothing. `imports` moves what can be moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import libcst as cst

from duoframe.migrate.changes import Changes
from duoframe.migrate.names import INTERNALS, is_known
from duoframe.migrate.sources import name_of, walk

_DOTTED = re.compile(r"(?:flask|werkzeug)(?:\.[A-Za-z_]\w*)+")
_IMPORTERS = ("importlib.import_module", "importlib.util.find_spec", "pytest.importorskip")
_DOOR = "wsgi_app"
_BOTH_DOORS = "proxy_fix.ProxyFix"
"""What an application takes for both of its doors."""


def look(changes: Changes) -> None:
    """Add to the findings what there is of these in a source."""
    for call in walk(changes.source.module, cst.Call):
        _import_by_text(changes, call)
    for text in walk(changes.source.module, cst.SimpleString):
        _name_in_text(changes, text)
    for declared in walk(changes.source.module, cst.ClassDef):
        _overridden(changes, declared)
    for assignment in walk(changes.source.module, cst.Assign):
        _wrapped(changes, assignment)


def _import_by_text(changes: Changes, call: cst.Call) -> None:
    name = changes.source.imported(call.func) or name_of(call.func)
    if name in ("__import__", *_IMPORTERS) and call.args:
        first = call.args[0].value
        if not isinstance(first, cst.SimpleString):
            changes.left(call, changes.source.code(call), "what it imports cannot be told")
        elif is_known(first.raw_value):
            changes.left(call, changes.source.code(call), "an import by text: change it by hand")


def _name_in_text(changes: Changes, text: cst.SimpleString) -> None:
    above = list(changes.source.ancestors(text))
    if any(isinstance(node, cst.Annotation) for node in above):
        return  # it is read through the names that the module has
    call = next((node for node in above if isinstance(node, cst.Call)), None)
    if call is not None and name_of(call.func).rpartition(".")[2] in (
        "__import__",
        "import_module",
        "importorskip",
        "find_spec",
    ):
        return  # told as an import
    if _DOTTED.fullmatch(text.raw_value):
        changes.left(text, text.value, "a name in a text: change it by hand")


def _overridden(changes: Changes, declared: cst.ClassDef) -> None:
    bases = [base for argument in declared.bases if (base := changes.source.imported(argument.value)) is not None]
    base = next(
        (base for base in bases if re.fullmatch(r"(?:duoframe\.)?flask\.(?:\w+\.)?(?:Flask|Blueprint)", base)), None
    )
    if base is None:
        return
    for function in _methods(declared):
        if function.name.value in INTERNALS:
            where = f"{declared.name.value}.{function.name.value}"
            changes.left(function, where, f"the core does not call this method of {base.rpartition('.')[2]}")


def _methods(declared: cst.ClassDef) -> Iterator[cst.FunctionDef]:
    yield from (statement for statement in declared.body.body if isinstance(statement, cst.FunctionDef))


def _wrapped(changes: Changes, assignment: cst.Assign) -> None:
    for target in assignment.targets:
        node, value = target.target, assignment.value
        both = isinstance(value, cst.Call) and (changes.source.imported(value.func) or "").endswith(_BOTH_DOORS)
        if isinstance(node, cst.Attribute) and node.attr.value == _DOOR and not both:
            code = changes.source.code(assignment)
            changes.left(assignment, code.splitlines()[0], "it wraps the WSGI door alone: give app.asgi_app one too")
