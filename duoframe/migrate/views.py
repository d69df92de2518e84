"""One view that is to become `async def`: which function it is, whether it can, and the edits that do it.

Knows functions, decorators and who calls them; `blocking` and `fetching` know what its calls become, `additions` what
a module needs then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import libcst as cst

from duoframe.migrate.additions import add_imports
from duoframe.migrate.blocking import called, calls, settle
from duoframe.migrate.changes import Changes
from duoframe.migrate.clients import CLIENT, NEEDED, add_client, applications, holds_client
from duoframe.migrate.fetching import fetch
from duoframe.migrate.report import Finding
from duoframe.migrate.sources import Reader, Source, UnreadableError, name_of, walk

_ROUTES = ("route", "get", "post", "put", "patch", "delete")
_HOOKS = (
    "errorhandler",
    "app_errorhandler",
    "before_request",
    "before_app_request",
    "after_request",
    "after_app_request",
)
_METHODS = ("get", "head", "post", "put", "patch", "delete", "options", "dispatch_request")
_CLASSES = ("MethodView", "View")
_PASSED_ON = ("flask_login.login_required", "flask_login.fresh_login_required")
"""Decorators of extensions that give a coroutine on to who awaits it."""


class Refusal(Exception):
    """A view that stays as it is; the message says where it stands, and why."""


@dataclass(frozen=True)
class View:
    """A function that answers requests, and the source that it stands in."""

    source: Source
    function: cst.FunctionDef
    owner: cst.ClassDef | None

    @property
    def name(self) -> str:
        name = self.function.name.value
        return f"{self.owner.name.value}.{name}" if self.owner is not None else name

    @property
    def place(self) -> str:
        return f"{self.source.path}:{self.source.line(self.function)}"

    def refuse(self, reason: str) -> Refusal:
        return Refusal(f"{self.place}: {self.name!r} stays as it is: {reason}")


def turn(wanted: str, files: Mapping[Path, bytes], read: Reader, findings: list[Finding]) -> dict[Path, bytes]:
    """Make a view `async def`, and give the files that change for it. Raises `Refusal`.

    ``wanted`` is the name of a function, ``Class.method`` or either behind ``module:``; ``files`` import from
    `duoframe.flask` already.
    """
    name = wanted.rpartition(":")[2].rpartition(".")[2]
    sources = list(_sources(files, read, (name.encode(), b"Flask(")))
    view = _find(wanted, sources)
    if view.function.asynchronous is not None:
        findings.append(Finding(view.source.path, view.source.line(view.function), view.name, "is `async def`", True))
        return {}
    _check(view, sources)
    changes = Changes(view.source)
    holder = _holder(view, sources)
    needed = fetch(changes, view.function, holder is not None)
    for call in calls(view.function):
        if not called(view.source, call).startswith("requests."):
            needed |= settle(changes, view.function, call)
    changes.insert(view.source.start(view.function), "async ")
    return _finished(view, changes, needed, holder, findings)


def _finished(
    view: View, changes: Changes, needed: set[str], holder: Source | None, findings: list[Finding]
) -> dict[Path, bytes]:
    """The files that change, the application's among them where it is to hold a client."""
    touched = {view.source.path: changes}
    names = {view.source.path: needed - {CLIENT}}
    if CLIENT in needed and holder is not None and not holds_client(holder):
        holding = touched.setdefault(holder.path, Changes(holder))
        names.setdefault(holder.path, set()).update(NEEDED)
        add_client(holding, *applications(holder)[0])
    for path, change in touched.items():
        taken = add_imports(change, names[path])
        if taken is not None:
            raise view.refuse(f"{taken} of {path} means something else than it needs: rename that")
        findings += change.findings
    return {path: change.source.edited(change.edits) for path, change in touched.items()}


# Which function it is.


def _sources(files: Mapping[Path, bytes], read: Reader, words: tuple[bytes, ...]) -> Iterator[Source]:
    """The files that have one of the words in them, and can be read."""
    for path, data in files.items():
        if any(word in data for word in words):
            try:
                yield read(path, data)
            except UnreadableError:
                pass  # told when it was to be moved


def _find(wanted: str, sources: list[Source]) -> View:
    module, _, name = wanted.rpartition(":")
    named = [view for source in sources for view in _functions(source) if view.name == name]
    found = [view for view in named if not module or _is_module(view.source.path, module)]
    views = [view for view in found if _answers(view)]
    if not found:
        raise Refusal(f"no view {wanted!r}: no function of that name was found")
    if not views:
        raise found[0].refuse("no route leads to it, so it is no view")
    if len(views) > 1:
        raise Refusal(f"{wanted!r} is several views: {', '.join(view.place for view in views)}; say MODULE:NAME")
    return views[0]


def _functions(source: Source) -> Iterator[View]:
    for function in walk(source.module, cst.FunctionDef):
        above = source.parent(function)
        owner = source.parent(above) if isinstance(above, cst.IndentedBlock) else None
        yield View(source, function, owner if isinstance(owner, cst.ClassDef) else None)


def _is_module(path: Path, module: str) -> bool:
    """Whether a file is the module of that dotted name, of which the end is enough."""
    parts = path.with_suffix("").parts
    parts = parts[:-1] if parts[-1] == "__init__" else parts
    return parts[-len(module.split(".")) :] == tuple(module.split("."))


def _answers(view: View) -> bool:
    """Whether a route, or a class of views, leads to a function."""
    if view.owner is not None:
        bases = [view.source.imported(base.value) or name_of(base.value) for base in view.owner.bases]
        return view.function.name.value in _METHODS and any(base.endswith(_CLASSES) for base in bases)
    if any(_registers(decorator, (*_ROUTES, *_HOOKS)) for decorator in view.function.decorators):
        return True
    name = view.function.name.value
    return any(
        isinstance(call.func, cst.Attribute)
        and call.func.attr.value in ("add_url_rule", "register_error_handler")
        and any(name_of(argument.value).rpartition(".")[2] == name for argument in call.args)
        for call in walk(view.source.module, cst.Call)
    )


def _registers(decorator: cst.Decorator, names: tuple[str, ...]) -> bool:
    made = decorator.decorator
    function = made.func if isinstance(made, cst.Call) else made
    return isinstance(function, cst.Attribute) and function.attr.value in names


# Whether it can.


def _check(view: View, sources: list[Source]) -> None:
    for node in walk(view.function.body, cst.Yield):
        if _function_around(view.source, node) is view.function:
            raise view.refuse("it is a generator: let it return a stream that a function inside it makes")
    for decorator in _inside_routes(view):
        _check_decorator(view, decorator, sources)
    for source in sources:
        for call in walk(source.module, cst.Call):
            if _calls(view, source, call):
                raise view.refuse(f"it is called as a function in {source.path}:{source.line(call)}")


def _function_around(source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
    return next((above for above in source.ancestors(node) if isinstance(above, cst.FunctionDef | cst.Lambda)), None)


def _inside_routes(view: View) -> list[cst.Decorator]:
    """The decorators that stand between the first registration and the function."""
    decorators = list(view.function.decorators)
    while view.owner is None and decorators and not _registers(decorators[0], (*_ROUTES, *_HOOKS)):
        decorators.pop(0)
    return [decorator for decorator in decorators if not _registers(decorator, (*_ROUTES, *_HOOKS, "exempt"))]


def _check_decorator(view: View, decorator: cst.Decorator, sources: list[Source]) -> None:
    """Raise `Refusal` where a decorator would take the coroutine for the answer."""
    made = decorator.decorator
    function = made.func if isinstance(made, cst.Call) else made
    origin = view.source.imported(function) or view.source.local(function) or name_of(function)
    if origin in _PASSED_ON:
        return
    name = origin.rpartition(".")[2]
    for source in sources:
        for found in walk(source.module, cst.FunctionDef):
            if found.name.value == name:
                code = source.code(found)
                if "ensure_sync" in code or "async def" in code:
                    return
                raise view.refuse(
                    f"its decorator {name!r} ({source.path}:{source.line(found)}) calls it as a plain function;"
                    " let it call `current_app.ensure_sync(view)(...)` first"
                )
    raise view.refuse(f"whether its decorator {origin!r} awaits it cannot be told")


def _calls(view: View, source: Source, call: cst.Call) -> bool:
    """Whether a call is one of the view itself."""
    name = view.function.name.value
    if view.owner is not None:
        return (
            isinstance(call.func, cst.Attribute)
            and call.func.attr.value == name
            and (name_of(call.func.value) == "self" or _is_super(call.func.value))
            and _class_around(source, call) is view.owner
        )
    if source is view.source:
        return source.local(call.func) == source.local(view.function)
    path = view.source.path
    module = path.parent.name if path.stem == "__init__" else path.stem
    return (source.imported(call.func) or "").lstrip(".").endswith(f"{module}.{name}")


def _is_super(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and name_of(node.func) == "super"


def _class_around(source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
    return next((above for above in source.ancestors(node) if isinstance(above, cst.ClassDef)), None)


# The application that may hold a client.


def _holder(view: View, sources: list[Source]) -> Source | None:
    """The source of the one application: the view's own module's, or the only one outside of tests."""
    if applications(view.source):
        return view.source
    found = [source for source in sources if not _is_test(source.path) and applications(source)]
    return found[0] if len(found) == 1 else None


def _is_test(path: Path) -> bool:
    return path.name.startswith(("test_", "conftest")) or "tests" in path.parts
