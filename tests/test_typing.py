"""A strict type checker finds the mistakes of a user's modules, and no others."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = sorted((Path(__file__).parent / "typing").glob("*.py"))


def test_mypy_finds_the_mistakes_of_users_modules_and_no_others(tmp_path: Path) -> None:
    """They stand outside of the project, so that nothing counts but what the package itself says of its types."""
    pytest.importorskip("mypy")
    names = [Path(shutil.copy(module, tmp_path)).name for module in MODULES]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", *names]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout


def test_a_mistake_that_is_not_marked_is_told(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "users.py").write_text("from duoframe import App, Query\n\nApp(threads='5')\nQuery(minimum=1)\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "users.py"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    told = [line.split(": error: ")[0] for line in checked.stdout.splitlines() if ": error: " in line]
    assert told == ["users.py:3", "users.py:4"], checked.stdout
