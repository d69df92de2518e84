"""What is to be done to one source, collected, and what is to be told of it.

Knows positions and how statements are put in; must not know why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import libcst as cst

from duoframe.migrate.report import Finding
from duoframe.migrate.sources import Edit, Source


@dataclass
class Changes:
    """The edits of one source, in any order, and the findings in it."""

    source: Source
    edits: list[Edit] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def left(self, node: cst.CSTNode, subject: str, reason: str, fine: bool = False) -> None:
        """Tell that something stays as it is; ``fine`` where nothing needs doing."""
        self.findings.append(Finding(self.source.path, self.source.line(node), subject, reason, fine))

    def replace(self, node: cst.CSTNode, text: str) -> None:
        self.edits.append(Edit(self.source.start(node), self.source.end(node), text))

    def insert(self, at: int, text: str) -> None:
        self.edits.append(Edit(at, at, text))


def before(changes: Changes, node: cst.CSTNode, statements: Sequence[str]) -> None:
    """Put statements in front of one, on lines of their own where it has one."""
    source = changes.source
    line = source.parent(node)
    alone = isinstance(line, cst.SimpleStatementLine) and line.body[0] is node
    joint = f"{source.newline}{source.indent(node)}" if alone else "; "
    changes.insert(source.start(node), "".join(f"{statement}{joint}" for statement in statements))
