"""A migration as a whole: the files of a path, what becomes of each, and what is left.

Knows the order of the steps, and writes nothing; `imports`, `leftovers` and `views` know what they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from duoframe.migrate.imports import move
from duoframe.migrate.leftovers import look
from duoframe.migrate.report import Finding
from duoframe.migrate.sources import Reader, UnreadableError
from duoframe.migrate.tree import files, manifests
from duoframe.migrate.views import turn

_WORDS = (b"flask", b"werkzeug")


@dataclass(frozen=True)
class Planned:
    """Files with what they hold and what they are to hold, and what was found on the way."""

    changed: dict[Path, tuple[bytes, bytes]]
    findings: list[Finding]


def plan(path: Path, views: Sequence[str] = ()) -> Planned:
    """What is to be done with a file or a folder. Raises `Refusal` for a view that cannot be turned."""
    findings = list(manifests(path))
    found = {file: file.read_bytes() for file in files(path)}
    own = {name for file in found for name in (file.stem, file.parent.name)}
    after: dict[Path, bytes] = {}
    read = Reader()
    for file, data in found.items():
        if any(word in data for word in _WORDS):
            after[file] = _move(read, file, data, own, findings)
    for view in views:
        after |= turn(view, {**found, **after}, read, findings)
    changed = {file: (found[file], data) for file, data in after.items() if data != found[file]}
    return Planned(changed, findings)


def _move(read: Reader, file: Path, data: bytes, own: set[str], findings: list[Finding]) -> bytes:
    try:
        source = read(file, data)
        changes = move(source, own)
        look(changes)
    except UnreadableError as error:
        findings.append(Finding(file, 1, file.name, str(error)))
        return data
    findings += changes.findings
    return source.edited(changes.edits)
