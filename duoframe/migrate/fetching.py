"""Calls of `requests` in a view, and whether a client of httpx can take all of them.

Either all of a view's calls become the client's, or all go to a worker thread: what they give and raise is of one
library then. `clients` makes the client.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from duoframe.migrate.blocking import called, calls, hindrance, thread, wait
from duoframe.migrate.changes import Changes
from duoframe.migrate.clients import CLIENT
from duoframe.migrate.sources import Source, name_of, walk

_METHODS = ("get", "post", "put", "patch", "delete", "options")
_BODIES = ("post", "put", "patch")
_ERRORS = {
    "RequestException": "httpx.HTTPError",
    "HTTPError": "httpx.HTTPStatusError",
    "Timeout": "httpx.TimeoutException",
    "ConnectTimeout": "httpx.ConnectTimeout",
    "ReadTimeout": "httpx.ReadTimeout",
    "exceptions.RequestException": "httpx.HTTPError",
    "exceptions.HTTPError": "httpx.HTTPStatusError",
    "exceptions.Timeout": "httpx.TimeoutException",
    "exceptions.ConnectTimeout": "httpx.ConnectTimeout",
    "exceptions.ReadTimeout": "httpx.ReadTimeout",
}
_ANSWERED = ("content", "headers", "json", "raise_for_status", "status_code", "text")
"""What both libraries' answers have, and mean alike."""


class _MisfitError(Exception):
    """Why httpx cannot take the calls of a view."""


def fetch(changes: Changes, view: cst.FunctionDef, reachable: bool) -> set[str]:
    """Settle the calls of `requests` in a view; the modules it needs then, httpx among them where its client is used.

    ``reachable`` says whether there is an application that can hold the client.
    """
    source = changes.source
    found = [call for call in calls(view) if called(source, call).startswith("requests.")]
    if not found:
        return set()
    try:
        if not reachable:
            raise _MisfitError("no application was found that could hold a client of httpx")
        errors = list(_check(source, view, found))
    except _MisfitError as reason:
        return _to_threads(changes, view, found, str(reason))
    for call in found:
        _to_client(changes, call)
    for node, name in errors:
        changes.replace(node, name)
    return {"current_app", *(["httpx"] if errors else []), CLIENT}


def _to_threads(changes: Changes, view: cst.FunctionDef, found: list[cst.Call], reason: str) -> set[str]:
    needed: set[str] = set()
    for call in found:
        name = called(changes.source, call)
        hindered = hindrance(changes.source, call, view)
        if hindered is not None:
            changes.left(call, f"{name}()", f"it still blocks: {hindered}")
        elif name.removeprefix("requests.") in (*_METHODS, "head", "request"):
            changes.left(call, f"{name}()", f"it goes to a worker thread, not to httpx: {reason}", fine=True)
            needed |= thread(changes, call)
        else:
            changes.left(call, f"{name}()", "it is no plain call: what is made of it may block")
    return needed


def _check(source: Source, view: cst.FunctionDef, found: list[cst.Call]) -> Iterator[tuple[cst.CSTNode, str]]:
    """The exceptions to be renamed. Raises `_MisfitError` for what only `requests` can do."""
    functions = {id(part) for call in found for part in (call.func, *walk(call.func, cst.Name))}
    for call in found:
        _check_call(source, view, call)
        _check_answer(source, view, call)
    for name in _mentions(source, view.body):
        if id(name) not in functions:
            yield name, _error(source, name)
    for place in (*walk(source.module, cst.Decorator), *_registrations(source)):
        for name in _mentions(source, place):
            raise _MisfitError(f"an error handler waits for {source.code(name)} on line {source.line(name)}")


def _registrations(source: Source) -> Iterator[cst.Call]:
    for call in walk(source.module, cst.Call):
        if isinstance(call.func, cst.Attribute) and call.func.attr.value == "register_error_handler":
            yield call


def _mentions(source: Source, within: cst.CSTNode) -> Iterator[cst.Name | cst.Attribute]:
    """The dotted names in a tree that lead into `requests`, each as long as it stands."""
    for name in walk(within, cst.Name):
        above = source.parent(name)
        if isinstance(above, cst.Attribute) and above.attr is name:
            continue
        if (source.imported(name) or "").partition(".")[0] == "requests":
            node: cst.Name | cst.Attribute = name
            while isinstance(above := source.parent(node), cst.Attribute) and above.value is node:
                node = above
            yield node


def _error(source: Source, name: cst.Name | cst.Attribute) -> str:
    imported = source.imported(name) or ""
    handler = next((node for node in source.ancestors(name) if isinstance(node, cst.ExceptHandler)), None)
    twin = _ERRORS.get(imported.removeprefix("requests."))
    if twin is None or handler is None or not _within(source, name, handler.type):
        raise _MisfitError(f"{imported} on line {source.line(name)} has no twin there")
    if handler.name is not None:
        caught = name_of(handler.name.name)
        for attribute in walk(handler.body, cst.Attribute):
            known = twin == "httpx.HTTPStatusError" and attribute.attr.value == "response"
            if name_of(attribute.value) == caught and not known:
                raise _MisfitError(f"{source.code(attribute)} on line {source.line(attribute)} may not be there")
    return twin


def _within(source: Source, node: cst.CSTNode, whole: cst.CSTNode | None) -> bool:
    return node is whole or any(above is whole for above in source.ancestors(node))


def _check_call(source: Source, view: cst.FunctionDef, call: cst.Call) -> None:
    where = f"on line {source.line(call)}"
    name = called(source, call).removeprefix("requests.")
    if name not in _METHODS:
        raise _MisfitError(f"requests.{name} {where} has no twin that does the same")
    hindered = hindrance(source, call, view)
    if hindered is not None:
        raise _MisfitError(f"{hindered}, {where}")
    for place, argument in enumerate(call.args):
        word = argument.keyword.value if argument.keyword is not None else "url" if not place else "its second argument"
        if argument.star or not _takes(name, word, argument.value):
            raise _MisfitError(f"{argument.star or word} {where} may mean something else there")


def _takes(method: str, word: str, value: cst.BaseExpression) -> bool:
    """Whether a client of httpx takes an argument as `requests` does."""
    if word in ("url", "headers", "allow_redirects"):
        return True
    if word == "json":
        return method in _BODIES
    if word == "data":
        return method in _BODIES and isinstance(value, cst.Dict)
    if word == "params":
        return isinstance(value, cst.Dict)
    if word == "timeout":
        return isinstance(value, cst.Integer | cst.Float) or name_of(value) == "None"
    return word == "auth" and isinstance(value, cst.Tuple)


def _check_answer(source: Source, view: cst.FunctionDef, call: cst.Call) -> None:
    """See that an answer is used only as both libraries' can be."""
    above = source.parent(call)
    if isinstance(above, cst.Attribute):
        _check_attribute(source, above)
    elif isinstance(above, cst.Assign) and len(above.targets) == 1 and isinstance(above.targets[0].target, cst.Name):
        name = above.targets[0].target.value
        for used in walk(view.body, cst.Name):
            around = source.parent(used)
            if used.value != name or isinstance(around, cst.AssignTarget) or _is_word(around, used):
                continue
            if not isinstance(around, cst.Attribute):
                raise _MisfitError(f"{name!r} goes on to something else on line {source.line(used)}")
            _check_attribute(source, around)
    elif not isinstance(above, cst.Expr):
        raise _MisfitError(f"its answer goes on to something else on line {source.line(call)}")


def _is_word(around: cst.CSTNode | None, name: cst.Name) -> bool:
    """Whether a name is no variable: behind a dot, or that of an argument."""
    return (isinstance(around, cst.Attribute) and around.attr is name) or (
        isinstance(around, cst.Arg) and around.keyword is name
    )


def _check_attribute(source: Source, attribute: cst.Attribute) -> None:
    if attribute.attr.value not in _ANSWERED:
        raise _MisfitError(f"`.{attribute.attr.value}` of its answer, on line {source.line(attribute)}, differs there")


def _to_client(changes: Changes, call: cst.Call) -> None:
    source = changes.source
    changes.replace(call.func, f"{CLIENT}.{called(source, call).removeprefix('requests.')}")
    wait(changes, call)
    for argument in call.args:
        if argument.keyword is not None and argument.keyword.value == "allow_redirects":
            changes.replace(argument.keyword, "follow_redirects")
