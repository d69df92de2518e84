"""What is told of a migration: the differences, and what was left, with file, line and reason.

Knows findings and texts; must not know how they came about.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Finding:
    """One thing that was not rewritten: where it stands, what it is, and why; ``fine`` where nothing needs doing."""

    path: Path
    line: int
    subject: str
    reason: str
    fine: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.subject}: {self.reason}"


def difference(path: Path, before: bytes, after: bytes) -> str:
    """The unified diff of one file; bytes that are no UTF-8 are shown as escapes."""
    old, new = (text.decode(errors="backslashreplace").splitlines(keepends=True) for text in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{path.as_posix()}", f"b/{path.as_posix()}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def listing(findings: Iterable[Finding]) -> str:
    """What was left to be done by hand, then what may stay; empty where there is neither."""
    sorted_findings = sorted(set(findings))
    left = [str(finding) for finding in sorted_findings if not finding.fine]
    fine = [str(finding) for finding in sorted_findings if finding.fine]
    parts = []
    if left:
        parts.append("\n".join([f"Left to you ({len(left)}):", *(f"  {line}" for line in left)]))
    if fine:
        parts.append("\n".join([f"May stay as it is ({len(fine)}):", *(f"  {line}" for line in fine)]))
    return "\n\n".join(parts)
