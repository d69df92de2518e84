"""Ordinary Flask applications, moved by `duoframe migrate`: their own tests pass, with other imports and nothing else.

Each in `apps` is one as people write them, with a test suite that passes on Flask.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from duoframe.migrate.moving import plan
from tests.servers.process import ROOT

APPS = Path(__file__).parent / "apps"
NAMES = ["guestbook", "magazine", "stock"]
FLASK = re.compile(r"^\s*(?:from|import) (?:flask|werkzeug)\b.*", re.MULTILINE)


def run(folder: Path, *command: str, **environment: str) -> str:
    """Run a module of Python's in a folder, with this duoframe; what it prints. Fails where the module does."""
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def passes(folder: Path, **environment: str) -> None:
    """Run an application's own tests, and see that it has some."""
    told = run(folder, "pytest", "-q", "-c", os.devnull, f"--rootdir={folder}", "-p", "no:cacheprovider", **environment)
    assert re.search(r"^\d\d passed", told, re.MULTILINE), told


def imports(folder: Path) -> list[str]:
    """What is imported of Flask or Werkzeug."""
    return [line for path in sorted(folder.rglob("*.py")) for line in FLASK.findall(path.read_text())]


@pytest.fixture(scope="module", params=NAMES)
def moved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of each application, moved to `duoframe.flask`."""
    folder = tmp_path_factory.mktemp("moved")
    shutil.copytree(APPS / request.param, folder / request.param)
    assert "Wrote" in run(folder, "duoframe", "migrate", "--yes", request.param)
    return folder / str(request.param)


@pytest.mark.parametrize("name", NAMES)
def test_the_applications_pass_their_tests_on_flask(name: str, tmp_path: Path) -> None:
    passes(Path(shutil.copytree(APPS / name, tmp_path / name)))


def test_a_moved_application_has_other_imports_and_is_otherwise_the_same(moved: Path) -> None:
    for path in moved.rglob("*.py"):
        before = (APPS / moved.name / path.relative_to(moved)).read_text().splitlines()
        changed = [line for line in difflib.ndiff(before, path.read_text().splitlines()) if line[0] in "+-"]
        assert [line for line in changed if "flask" not in line and "werkzeug" not in line] == []
    assert [line for line in imports(moved) if "werkzeug.security" not in line and "flask.typing" not in line] == []


def test_moving_an_application_again_changes_nothing(moved: Path) -> None:
    assert plan(moved).changed == {}


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_moved_application_passes_its_tests(moved: Path, door: str) -> None:
    passes(moved, DUOFRAME_DOOR=door)


def test_views_that_wait_pass_the_same_tests(tmp_path: Path) -> None:
    stock = Path(shutil.copytree(APPS / "stock", tmp_path / "stock"))
    views = ["--async", "price", "--async", "stock:order", "--async", "ItemDetail.get"]
    told = run(tmp_path, "duoframe", "migrate", "--yes", *views, "stock")
    assert "requests.post(): it goes to a worker thread, not to httpx" in told
    text = (stock / "stock.py").read_text()
    for line in (
        "async def price(code):",
        "answer = await current_app.state.http.get(",
        "async def order():",
        'await anyio.sleep(current_app.config["PAUSE"])  # they are slow',
        "    async def get(self, code):",
    ):
        assert line in text
    for door in ("wsgi", "asgi"):
        passes(stock, DUOFRAME_DOOR=door)
