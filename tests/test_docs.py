"""Every Python block of the documentation runs, and the README's application answers as it says."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path

import pytest

from duoframe import App

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_blocks_of_a_page_run_one_after_another(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("documentation")
    monkeypatch.setitem(sys.modules, "documentation", module)
    names = vars(module)
    for number, block in enumerate(BLOCK.findall(page.read_text()), 1):
        exec(compile(block, f"{page.name}, block {number}", "exec", dont_inherit=True), names)
    for value in list(names.values()):
        if isinstance(value, App):
            value.compile()
            value.shutdown()


def test_every_row_that_this_version_keeps_is_named_by_a_test() -> None:
    rows = re.findall(r"^\| ([A-Z]-\d\d)( ○)? \|", (ROOT / "docs/reference/behaviour.md").read_text(), re.MULTILINE)
    tests = "\n".join(path.read_text() for path in Path(__file__).parent.rglob("*.py"))
    named = set(re.findall(r"\b[A-Z]-\d\d\b", tests))
    assert len(rows) > 300
    assert [row for row, later in rows if not later and row not in named] == []


def test_every_relative_link_of_a_page_leads_somewhere() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
        if not (page.parent / target).exists()
    ]
    assert dead == []
