"""`duoframe migrate` as a command: what it shows, when it asks, what it writes, and what it refuses to touch."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from duoframe.migrate import command as commands
from duoframe.migrate.command import command
from tests.migrate.rewriting import lay

DIFF = """\
--- a/app.py
+++ b/app.py
@@ -1 +1 @@
-from flask import Flask
+from duoframe.flask import Flask
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own with one module in it, where the command is called, outside of any work tree of git's."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    lay(tmp_path, {"app.py": "from flask import Flask\n"})
    return tmp_path


def call(*arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(command, [*arguments], input=answer)


def test_the_difference_is_shown_and_a_yes_writes_it(here: Path) -> None:
    result = call("app.py", answer="y\n")
    assert result.output == f"{DIFF}Write 1 file? [y/N]: y\nWrote 1 file.\n"
    assert result.exit_code == 0
    assert Path("app.py").read_text() == "from duoframe.flask import Flask\n"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("n\n", "nothing was written"),
        ("\n", "nothing was written"),
        ("", "nothing was written: nobody answered, and --yes was not given"),
    ],
)
def test_without_a_yes_nothing_is_written(here: Path, answer: str, reason: str) -> None:
    result = call("app.py", answer=answer)
    assert result.exit_code == 1
    assert result.stderr == f"Error: {reason}\n"
    assert Path("app.py").read_text() == "from flask import Flask\n"


@pytest.mark.parametrize("option", ["--diff", "--dry-run"])
def test_the_difference_alone_is_shown_and_nothing_asked(here: Path, option: str) -> None:
    assert call("app.py", option).output == DIFF
    assert Path("app.py").read_text() == "from flask import Flask\n"


def test_a_second_run_has_nothing_to_write(here: Path) -> None:
    lay(here, {"other.py": "import flask\n"})
    result = call(".", "--yes")
    assert result.output.endswith("Wrote 2 files.\n")
    assert call(".", "--yes").output == "Nothing to write.\n"


def test_what_was_left_is_listed_with_file_line_and_reason(here: Path) -> None:
    lay(
        here,
        {
            "app.py": "from flask import Flask\nfrom flask import nothing\nfrom werkzeug.security import x\n",
            "requirements.txt": "click\n# flask\nFlask-Login\n flask[async]>=3 ; python_version > '3'\nflaskr\n",
            "pyproject.toml": 'name = "flask"\ndependencies = ["click", "flask>=3"]\nflask = "^3"\n',
            "requirements/dev.in": "flask\n",
            "other.txt": "flask\n",
            "broken.py": "import flask\ndef (:\n",
            "deep.py": f"import flask\nx = {'[' * 1000}{']' * 1000}\n",
            "shop/lone.py": "import flask\n",
        },
    )
    Path("shop", "lone.py").write_bytes(b"import flask\rimport os\r")
    Path("shop", "latin.py").write_bytes(b"import flask\n\n# \xff\n")
    Path("shop", "cookie.py").write_bytes(b"# coding: nothing\nimport flask\n")
    result = call(".", "--diff")
    assert result.exit_code == 0
    told = result.output.partition("Left to you")[2].splitlines()
    by_hand = "to be installed: change it by hand to what you need now"
    assert told == [
        " (11):",
        "  app.py:2: flask.nothing: duoframe.flask has nothing that stands for it",
        "  broken.py:1: broken.py: it is no Python that can be parsed: line 2",
        "  deep.py:1: deep.py: something in it is nested too deeply",
        f"  pyproject.toml:2: flask: {by_hand}",
        f"  pyproject.toml:3: flask: {by_hand}",
        f"  requirements/dev.in:1: flask: {by_hand}",
        f"  requirements.txt:3: Flask-Login: {by_hand}",
        f"  requirements.txt:4: flask: {by_hand}",
        "  shop/cookie.py:1: cookie.py: it cannot be decoded: unknown encoding: nothing",
        (
            "  shop/latin.py:1: latin.py: it cannot be decoded: 'utf-8' codec can't decode byte 0xff in position 16:"
            " invalid start byte"
        ),
        "  shop/lone.py:1: lone.py: it has line ends that would not come back as they were",
        "",
        "May stay as it is (1):",
        "  app.py:3: werkzeug.security.x: stays Werkzeug's",
    ]


def test_environments_and_hidden_folders_are_not_looked_into(here: Path) -> None:
    text = "import flask\n"
    lay(
        here,
        {
            "shop/a.py": text,
            "shop/b.pyi": text,
            "shop/c.txt": text,
            "env/lib/a.py": text,
            "env/pyvenv.cfg": "",
            ".tox/a.py": text,
            "node_modules/a.py": text,
            "lib/site-packages/a.py": text,
            "__pycache__/a.py": text,
        },
    )
    Path("shop", "link.py").symlink_to(here / "env" / "lib" / "a.py")
    Path("linked").symlink_to(here / "env")
    call(".", "--yes")
    changed = sorted(
        path.as_posix() for path in Path().rglob("*.py*") if path.is_file() and "duoframe" in path.read_text()
    )
    assert changed == ["app.py", "shop/a.py", "shop/b.pyi"]


def test_what_is_written_keeps_its_mode(here: Path) -> None:
    Path("app.py").chmod(0o750)
    call("app.py", "--yes")
    assert Path("app.py").stat().st_mode & 0o777 == 0o750
    assert [path.name for path in Path().iterdir()] == ["app.py"]


def test_a_difference_in_another_encoding_is_shown(here: Path) -> None:
    Path("app.py").write_bytes(b"# coding: latin-1\nimport flask  # \xe9")
    assert call("app.py", "--diff").output.endswith(
        "-import flask  # \\xe9\n\\ No newline at end of file\n+from duoframe import flask  # \\xe9\n"
        "\\ No newline at end of file\n"
    )


def test_wrong_usage_is_told_as_such(here: Path) -> None:
    assert call("nothing.py").exit_code == 2
    assert call().exit_code == 2


def test_a_view_that_cannot_wait_is_a_problem_and_nothing_is_written(here: Path) -> None:
    result = call("app.py", "--yes", "--async", "index")
    assert (result.exit_code, result.output) == (
        1,
        "Error: no view 'index': no function of that name was found\n",
    )
    assert Path("app.py").read_text() == "from flask import Flask\n"


# git


def git(*arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", *arguments], check=True, capture_output=True
    )


@pytest.fixture
def followed(here: Path) -> Path:
    """The folder as a work tree of git's, with all committed."""
    lay(here, {"shop/views.py": "from flask import g\n", "shop/models.py": "x = 1\n", "README": "x\n"})
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "x")
    return here


def test_a_clean_tree_is_written_to(followed: Path) -> None:
    assert call(".", "--yes").exit_code == 0


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_that_is_not_committed_is_not_written_over(followed: Path, staged: bool) -> None:
    Path("shop", "models.py").write_text("x = 2\n")
    if staged:
        git("add", ".")
    result = call("shop", "--yes")
    assert (result.exit_code, result.output) == (
        1,
        "Error: shop/models.py has changes that are not committed: commit them, or pass --force\n",
    )
    assert Path("shop", "views.py").read_text() == "from flask import g\n"
    assert call("shop", "--diff").exit_code == 0
    assert call("shop/views.py", "--yes").exit_code == 0
    assert call("shop", "--yes", "--force").exit_code == 0


def test_of_several_changes_one_is_named(followed: Path) -> None:
    Path("shop", "models.py").write_text("x = 2\n")
    Path("app.py").unlink()
    assert "app.py and 1 more has changes that are not committed" in call(".", "--yes").output


def test_changes_elsewhere_and_files_that_git_does_not_follow_do_not_count(followed: Path) -> None:
    Path("README").write_text("y\n")
    lay(followed, {"shop/new.py": "x = 1\n"})
    assert call("shop", "--yes").exit_code == 0


def test_a_tree_that_git_cannot_read_is_not_written_to(followed: Path) -> None:
    Path(".git", "index").write_bytes(b"nothing")
    result = call(".", "--yes")
    assert result.exit_code == 1
    assert "git cannot say whether . has changes" in result.output
    assert call(".", "--yes", "--force").exit_code == 0


def test_without_git_there_is_nothing_to_ask(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert call(".", "--yes").exit_code == 0


# Writing


def test_a_file_that_has_changed_meanwhile_is_not_written_over(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "difference", lambda path, *_: path.write_text("x = 1\n") and "")
    result = call(".", "--yes")
    assert (result.exit_code, result.output) == (
        1,
        "Error: app.py has changed meanwhile: run this again; 0 of 1 file written\n",
    )
    assert Path("app.py").read_text() == "x = 1\n"


def test_a_file_that_cannot_be_written_stays_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", full)
    result = call(".", "--yes")
    assert (result.exit_code, result.output) == (
        1,
        f"{DIFF}Error: app.py could not be written: no space left; 0 of 1 file written\n",
    )
    assert [path.name for path in Path().iterdir()] == ["app.py"]
    assert Path("app.py").read_text() == "from flask import Flask\n"
