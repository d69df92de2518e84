"""The command line: which commands there are, what is imported for them, and what an exit code says."""

from __future__ import annotations

import importlib
import runpy
import sys
import types
from pathlib import Path

import pytest

from duoframe import cli


def exit_of(*arguments: str) -> object:
    """How the command line ends."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments])
    return ended.value.code


def test_the_commands_are_listed_and_none_is_imported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("duoframe.migrate.command", "duoframe.check.command"):
        monkeypatch.setitem(sys.modules, module, None)  # whoever imports it fails
    assert exit_of("--help") == 0
    shown = capsys.readouterr().out
    assert "check    Show where each route runs, and what blocks." in shown
    assert "migrate  Move a Flask application's source to duoframe.flask." in shown


def test_without_arguments_the_help_is_shown_as_for_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of() == 2
    assert "Usage: duoframe" in capsys.readouterr().err


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_of("nothing") == 2
    assert "No such command 'nothing'" in capsys.readouterr().err


def test_a_command_is_imported_when_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import click

    @click.command()
    @click.argument("target")
    def command(target: str) -> None:
        click.echo(f"looked at {target}")

    monkeypatch.setitem(cli.COMMANDS, "look", ("looking", "Look."))
    module = types.ModuleType("looking")
    module.command = command  # type: ignore[attr-defined]  # what a command's module has
    monkeypatch.setitem(sys.modules, "looking", module)
    assert exit_of("look", "app:app") == 0
    assert capsys.readouterr().out == "looked at app:app\n"
    assert exit_of("look") == 2


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("duoframe.nothing.command", "this duoframe has no command 'look'"),
        ("nothing.command", "`duoframe look` needs nothing: pip install 'duoframe[cli]'"),
    ],
)
def test_a_command_that_cannot_be_imported_is_a_problem_with_a_name(
    module: str, reason: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(cli.COMMANDS, "look", (module, "Look."))
    assert exit_of("look") == 1
    assert capsys.readouterr().err == f"Error: {reason}\n"


def test_without_click_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "click", None)
    assert exit_of("--help") == "duoframe: the command line needs click: pip install 'duoframe[cli]'"


def test_the_module_is_the_same_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "app.py").write_text("from flask import Flask\n")
    monkeypatch.delitem(sys.modules, "duoframe.__main__", raising=False)
    monkeypatch.setattr(sys, "argv", ["duoframe", "migrate", "--yes", str(tmp_path / "app.py")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("duoframe", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out.endswith("Wrote 1 file.\n")
    assert (tmp_path / "app.py").read_text() == "from duoframe.flask import Flask\n"


def test_nothing_runs_where_the_module_is_only_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "duoframe.__main__", raising=False)
    assert importlib.import_module("duoframe.__main__").main is cli.main
