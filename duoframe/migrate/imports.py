"""Imports of Flask and Werkzeug, and the dotted names that they bring, as edits towards `duoframe.flask`.

Knows statements and their names; must not touch files. `names` says what is to be found where, `leftovers` looks for
what is no import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass

import libcst as cst

from duoframe.migrate.changes import Changes, before
from duoframe.migrate.names import EXTENSIONS, PACKAGE, STAYS, TABLE, TRIED, UNTRIED, is_known, moved, place, split
from duoframe.migrate.sources import Edit, Source, name_of, walk


def move(source: Source, own: Container[str] = ()) -> Changes:
    """The edits that let a module import from `duoframe.flask`, and what they leave.

    ``own`` are the names of the application's modules, which are nobody's extensions.
    """
    changes = Changes(source)
    chains = _chains(source)
    whole = all(_aim(chain) for chain in chains if chain.origin == "werkzeug")
    for statement in walk(source.module, cst.ImportFrom):
        _from(changes, statement, own)
    for imported in walk(source.module, cst.Import):
        _import(changes, imported, own, chains, whole)
    for chain in chains:
        if chain.origin == "werkzeug":
            _dotted(changes, chain, whole)
        else:
            _use(changes, chain)
    return changes


# from flask import ...


def _from(changes: Changes, node: cst.ImportFrom, own: Container[str]) -> None:
    if node.relative or node.module is None:
        return
    module = name_of(node.module)
    if not is_known(module):
        _extension(changes, node, module, own)
    elif isinstance(node.names, cst.ImportStar):
        changes.left(node, f"from {module} import *", "which names it brings cannot be told: name them")
    else:
        targets = [_target(changes, alias, module) for alias in node.names]
        homes = Counter(target for target in targets if target is not None)
        if homes:
            home = homes.most_common(1)[0][0]
            changes.replace(node.module, home)
            if set(targets) != {home}:
                _divide(changes, node, node.names, [target or module for target in targets], home)


def _target(changes: Changes, alias: cst.ImportAlias, module: str) -> str | None:
    """The module to import a name from; None where it stays, which is told."""
    name = name_of(alias.name)
    if module in STAYS or f"{module}.{name}" in STAYS:
        changes.left(alias, f"{module}.{name}", "stays Werkzeug's", fine=True)
        return None
    target = moved(module, name)
    if target is None:
        changes.left(alias, f"{module}.{name}", _absent(f"{module}.{name}"))
    return target


def _absent(name: str) -> str:
    stands = place(name)
    return f"{stands} stands for it" if stands is not None else f"{PACKAGE} has nothing that stands for it"


def _divide(
    changes: Changes, node: cst.ImportFrom, aliases: Sequence[cst.ImportAlias], targets: Sequence[str], home: str
) -> None:
    """Leave in a statement what comes from ``home``, and put statements for the rest before it."""
    elsewhere: dict[str, list[str]] = {}
    for alias, target in zip(aliases, targets, strict=True):
        if target != home:
            elsewhere.setdefault(target, []).append(_bare(alias))
    _keep(changes, aliases, [target == home for target in targets])
    before(changes, node, [f"from {target} import {', '.join(names)}" for target, names in elsewhere.items()])


def _bare(alias: cst.ImportAlias) -> str:
    """A name of an import as one writes it on one line."""
    name = name_of(alias.name)
    return f"{name} as {name_of(alias.asname.name)}" if alias.asname is not None else name


def _keep(changes: Changes, aliases: Sequence[cst.ImportAlias], kept: Sequence[bool]) -> None:
    """Take the other names out of a list of them, and leave what stands around those that stay."""
    source = changes.source
    starts = [source.start(alias) for alias in aliases]
    ends = [source.end(alias.asname.name if alias.asname is not None else alias.name) for alias in aliases]
    between = [source.text(end, start) for end, start in zip(ends, starts[1:], strict=False)]
    if "#" in source.text(starts[0], source.line_end(ends[-1])):
        for alias, start, end, stays in zip(aliases, starts, ends, kept, strict=True):
            if not stays:
                _cut(changes, start, source.end(alias.comma) if isinstance(alias.comma, cst.Comma) else end)
        return
    text = ""
    for number, stays in enumerate(kept):
        if stays:
            text += (between[number - 1] if text else "") + source.text(starts[number], ends[number])
    changes.edits.append(Edit(starts[0], ends[-1], text))


def _cut(changes: Changes, start: int, end: int) -> None:
    """Take a name out of a list that has comments in it: its line with it where nothing else is on that."""
    source = changes.source
    line_start, line_end = source.line_start(start), source.line_end(end)
    alone = not (source.text(line_start, start) + source.text(end, line_end)).strip()
    if alone:
        changes.edits.append(Edit(line_start, source.next_line(end), ""))
    else:
        rest = source.text(end, line_end)
        changes.edits.append(Edit(start, end + len(rest) - len(rest.lstrip(" \t")), ""))


# import flask, and the dotted names it brings


@dataclass(frozen=True)
class Chain:
    """A dotted name whose first part an import brought as ``origin``: ``f.views.View`` where ``f`` is ``flask``."""

    nodes: tuple[cst.Name | cst.Attribute, ...]
    origin: str
    rest: tuple[str, ...]

    @property
    def name(self) -> str:
        return ".".join((self.origin, *self.rest))

    @property
    def root(self) -> str:
        return name_of(self.nodes[0])


def _chains(source: Source) -> list[Chain]:
    """The dotted names of a source that begin with a module of Flask's or Werkzeug's, each as long as it stands."""
    chains = []
    for root in walk(source.module, cst.Name):
        origin = None if _declares(source, root) else source.imported(root)
        if origin is not None and split(origin) == (origin, ""):
            nodes: list[cst.Name | cst.Attribute] = [root]
            rest = []
            while isinstance(above := source.parent(nodes[-1]), cst.Attribute) and above.value is nodes[-1]:
                rest.append(above.attr.value)
                nodes.append(above)
            chains.append(Chain(tuple(nodes), origin, tuple(rest)))
    return chains


def _declares(source: Source, name: cst.Name) -> bool:
    """Whether a name is part of an import, or stands behind a dot."""
    above = source.parent(name)
    if isinstance(above, cst.Attribute) and above.attr is name:
        return True
    return any(isinstance(node, cst.ImportAlias | cst.ImportFrom) for node in source.ancestors(name))


def _aim(chain: Chain) -> tuple[str, int] | None:
    """The module that a dotted name is to lead through, and how many of its parts that stands for; None for nowhere."""
    module, attribute = split(chain.name) or ("", "")
    target = moved(module, attribute.partition(".")[0]) if attribute else place(module)
    return None if target is None else (target, module.count(".") - chain.origin.count("."))


def _import(changes: Changes, node: cst.Import, own: Container[str], chains: Sequence[Chain], whole: bool) -> None:
    for alias in node.names:
        module = name_of(alias.name)
        if not is_known(module):
            _extension(changes, node, module, own)
        elif alias.asname is not None:
            _renamed(changes, alias, module, chains)
        elif module.startswith("flask"):
            _package(changes, node, alias, module)
        elif module not in STAYS and whole:
            _whole(changes, alias, module, chains)


def _whole(changes: Changes, alias: cst.ImportAlias, module: str, chains: Sequence[Chain]) -> None:
    """``import werkzeug``, or a module in it, where every name behind ``werkzeug.`` is rewritten in full."""
    aims = [_aim(chain) for chain in chains if chain.origin == "werkzeug"]
    targets = {aim[0] for aim in aims if aim is not None} if module == "werkzeug" else {place(module)}
    if targets and None not in targets:
        changes.replace(alias.name, ", ".join(sorted(filter(None, targets))))


def _renamed(changes: Changes, alias: cst.ImportAlias, module: str, chains: Sequence[Chain]) -> None:
    """``import flask as f``: all that was ``f`` before is so after."""
    if module in STAYS:
        changes.left(alias, module, "stays Werkzeug's", fine=True)
        return
    target = place(module)
    used = [chain for chain in chains if chain.origin == module]
    if target is None or (module.startswith("werkzeug") and not all(_aim(chain) for chain in used)):
        changes.left(alias, f"import {module}", _absent(module) if target is None else f"not all is in {target}")
    else:
        changes.replace(alias.name, target)


def _package(changes: Changes, node: cst.Import, alias: cst.ImportAlias, module: str) -> None:
    """``import flask`` and ``import flask.views``: the name ``flask`` becomes the one for `duoframe.flask`."""
    target = place(module) if module != "flask" else None
    if len(node.names) > 1:
        changes.replace(alias.name, f"{target}, {PACKAGE} as flask" if target else f"{PACKAGE} as flask")
        return
    changes.replace(node, "from duoframe import flask")
    if target:
        before(changes, node, [f"import {target}"])


def _use(changes: Changes, chain: Chain) -> None:
    """A dotted name that leads through a module that has moved."""
    aim = _aim(chain)
    if aim is None:
        changes.left(chain.nodes[0], chain.name, _absent(chain.name))
        return
    target, parts = aim
    base = place(chain.origin)
    if base is not None and not f"{target}.".startswith(f"{base}."):
        changes.left(chain.nodes[0], chain.name, f"it is in {target}")
    elif base is not None:
        wanted = chain.root + target.removeprefix(base)
        if wanted != ".".join((chain.root, *chain.rest[:parts])):
            changes.replace(chain.nodes[parts], wanted)


def _dotted(changes: Changes, chain: Chain, whole: bool) -> None:
    """A name behind ``werkzeug.``: rewritten in full where all such names of the file can be."""
    aim = _aim(chain)
    if whole and aim is not None:
        changes.replace(chain.nodes[aim[1]], aim[0])
    elif aim is not None:
        changes.left(chain.nodes[0], chain.name, f"other names of Werkzeug keep it here: write {aim[0]}")
    elif (split(chain.name) or ("",))[0] in STAYS:
        changes.left(chain.nodes[0], chain.name, "stays Werkzeug's", fine=True)
    else:
        changes.left(chain.nodes[0], chain.name, _absent(chain.name))


def _extension(changes: Changes, node: cst.CSTNode, module: str, own: Container[str]) -> None:
    top = module.partition(".")[0]
    if top.startswith("flask_") and top not in own:
        changes.left(node, EXTENSIONS.get(top, top), f"{TRIED if top in EXTENSIONS else UNTRIED} {TABLE}")
