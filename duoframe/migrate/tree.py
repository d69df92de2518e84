"""Files and folders: which are an application's source, whether git can bring them back, and how they are written.

Knows paths and bytes; must not know Python.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from duoframe.migrate.report import Finding

_ENDINGS = (".py", ".pyi")
_SKIPPED = {"node_modules", "site-packages", "__pycache__", "__pypackages__"}
_MANIFESTS = re.compile(
    r"requirements.*\.(?:txt|in)|pyproject\.toml|setup\.(?:cfg|py)|Pipfile|environment\.ya?ml", re.IGNORECASE
)
_FLASK = re.compile(r"(?:^|[\s\"'\[,(-])(flask(?:[-_]\w+)*)(?=[\s\"'\]),;<>=!~\[@]|$)", re.IGNORECASE)

_TITLE = re.compile(r"\s*(?:name|description|keywords)\b")
"""A line that says what a project is, not what it needs."""


class TreeError(Exception):
    """Files that must not be touched, or could not be written; the message says why."""


def files(path: Path) -> Iterator[Path]:
    """The Python files of a folder, or the file itself; neither hidden nor in an environment, and no links."""
    if path.is_file():
        yield path
        return
    for found in _entries(path):
        if found.suffix in _ENDINGS:
            yield found


def manifests(path: Path) -> Iterator[Finding]:
    """The lines of a folder that name Flask as something to install."""
    for found in _entries(path) if path.is_dir() else ():
        in_folder = found.parent.name == "requirements" and found.suffix in (".txt", ".in")
        if _MANIFESTS.fullmatch(found.name) or in_folder:
            for number, line in enumerate(found.read_text(errors="replace").splitlines(), 1):
                named = None if _TITLE.match(line) else _FLASK.search(line.partition("#")[0])
                if named is not None:
                    yield Finding(found, number, named[1], "to be installed: change it by hand to what you need now")


def _entries(path: Path) -> Iterator[Path]:
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if not _skipped(Path(folder, name)))
        for name in sorted(names):
            found = Path(folder, name)
            if not found.is_symlink():
                yield found


def _skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists()


def check_clean(path: Path) -> None:
    """Raise `TreeError` where git knows changes of the path that are not committed, or cannot tell.

    What git does not follow, and what lies in no work tree of git's, is not asked about.
    """
    folder = path if path.is_dir() else path.parent
    if shutil.which("git") is None or not _git(folder, "rev-parse", "--is-inside-work-tree").stdout.startswith("true"):
        return
    asked = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", path.name if path.is_file() else ".")
    if asked.returncode:
        raise TreeError(f"git cannot say whether {path} has changes: {asked.stderr.strip()}; --force goes on")
    if asked.stdout:
        changed = [line[3:] for line in asked.stdout.splitlines()]
        raise TreeError(
            f"{changed[0]}{f' and {len(changed) - 1} more' if len(changed) > 1 else ''} has changes that are not"
            " committed: commit them, or pass --force"
        )


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)


def write(path: Path, before: bytes, after: bytes) -> None:
    """Put ``after`` in the place of ``before``: all of it, or nothing. Raises `TreeError`."""
    try:
        if path.read_bytes() != before:
            raise TreeError(f"{path} has changed meanwhile: run this again")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(after)
            shutil.copymode(path, name)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise TreeError(f"{path} could not be written: {error}") from error
