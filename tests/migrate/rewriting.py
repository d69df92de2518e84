"""What the tests of `duoframe migrate` ask of it: one file's source in, what becomes of it and what is told out."""

from __future__ import annotations

import textwrap
from pathlib import Path

from duoframe.migrate.moving import plan
from duoframe.migrate.report import Finding


def lay(folder: Path, files: dict[str, str]) -> Path:
    """Write files into a folder, by their paths in it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return folder


def migrated(folder: Path, text: str | bytes, *views: str) -> tuple[str, list[Finding]]:
    """What becomes of ``app.py`` with that text, alone in a folder, and what is found in it."""
    path = folder / "app.py"
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
    planned = plan(path, views)
    _, after = planned.changed.get(path, (b"", path.read_bytes()))
    compile(after, "app.py", "exec")
    return after.decode(errors="surrogateescape"), planned.findings


def told(findings: list[Finding]) -> list[str]:
    """Findings without their path: line, subject and reason."""
    return [f"{finding.line}: {finding.subject}: {finding.reason}" for finding in sorted(findings)]
