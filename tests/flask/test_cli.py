"""Commands of an application, and of the one that is named on the command line; as Flask documents them."""

from __future__ import annotations

import builtins
import importlib
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from duoframe.errors import ConfigurationError
from duoframe.flask import Blueprint, Flask, current_app, has_app_context
from duoframe.flask.cli import AppGroup, FlaskGroup, ScriptInfo, load_dotenv, pass_script_info, with_appcontext
from duoframe.flask.commands import reloaded, run_command
from duoframe.flask.testing import FlaskCliRunner


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working folder, and an environment that is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before, modules = dict(os.environ), set(sys.modules)
    for name in ("FLASK_APP", "FLASK_DEBUG"):
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)
    for name in set(sys.modules) & {"hello", "wsgi", "site_of_ours"} - modules:
        del sys.modules[name]


@pytest.fixture
def app() -> Flask:
    return Flask("site_of_ours")


@pytest.fixture
def commands(app: Flask) -> AppGroup:
    group: AppGroup = app.cli
    return group


def run(*args: str, group: FlaskGroup | None = None, **options: Any) -> Result:
    """What ``python -m duoframe.flask`` does with these words."""
    return CliRunner().invoke(group or FlaskGroup(name="duoframe.flask"), args, **options)


def hello(text: str = "") -> None:
    """A module with an application and a command."""
    Path("hello.py").write_text(
        "from duoframe.flask import Flask, current_app\n"
        "app = Flask('hello')\n"
        "@app.cli.command('greet')\n"
        "def greet(): print(f'hello from {current_app.name}, debug {current_app.debug}')\n" + text
    )


# The application's own commands.


def test_a_command_of_the_application_runs_in_its_context(app: Flask, commands: AppGroup) -> None:
    @commands.command("name")
    @click.argument("greeting")
    def name(greeting: str) -> None:
        click.echo(f"{greeting}, {current_app.name}")

    result = app.test_cli_runner().invoke(args=["name", "Hello"])
    assert (result.exit_code, result.output) == (0, "Hello, site_of_ours\n")
    assert not has_app_context()


def test_a_command_may_do_without_the_context(app: Flask, commands: AppGroup) -> None:
    @commands.command("bare", with_appcontext=False)
    def bare() -> None:
        click.echo(has_app_context())

    assert app.test_cli_runner().invoke(args=["bare"]).output == "False\n"


def test_a_group_of_the_application_is_one_of_its_kind(app: Flask, commands: AppGroup) -> None:
    @commands.group("db")
    def db() -> None:
        """Commands of the database."""

    @db.command("init")
    def init() -> None:
        click.echo(current_app.name)

    assert isinstance(db, AppGroup)
    assert app.test_cli_runner().invoke(args=["db", "init"]).output == "site_of_ours\n"
    assert type(AppGroup().group("plain", cls=click.Group)(lambda: None)) is click.Group


def test_with_appcontext_enters_the_application_that_the_commands_are_about(app: Flask) -> None:
    @click.command()
    @with_appcontext
    def named() -> None:
        click.echo(current_app.name)

    runner = app.test_cli_runner()
    assert runner.invoke(named).output == "site_of_ours\n"
    with Flask("outer").app_context():
        assert runner.invoke(named).output == "outer\n", "what runs already stays"


def test_the_runner_takes_other_commands_and_another_application(app: Flask) -> None:
    @click.command()
    @pass_script_info
    def which(info: ScriptInfo) -> None:
        click.echo(info.load_app().name)

    runner = app.test_cli_runner()
    assert isinstance(runner, FlaskCliRunner)
    assert runner.invoke(which).output == "site_of_ours\n"
    assert runner.invoke(which, obj=ScriptInfo(create_app=lambda: Flask("other"))).output == "other\n"


def test_a_runner_of_the_applications_own_class(app: Flask) -> None:
    class Runner(FlaskCliRunner):
        pass

    app.test_cli_runner_class = Runner
    assert isinstance(app.test_cli_runner(env={"A": "1"}), Runner)


@pytest.mark.parametrize(
    ("options", "args"),
    [
        ({}, ["users", "add"]),
        ({"cli_group": "people"}, ["people", "add"]),
        ({"cli_group": None}, ["add"]),
    ],
)
def test_a_blueprint_brings_commands(app: Flask, options: dict[str, Any], args: list[str]) -> None:
    users = Blueprint("users", __name__, **options)
    commands: AppGroup = users.cli

    @commands.command("add")
    def add() -> None:
        click.echo(current_app.name)

    app.register_blueprint(users)
    assert app.test_cli_runner().invoke(args=args).output == "site_of_ours\n"


def test_the_group_of_a_blueprint_may_be_named_when_it_is_registered(app: Flask) -> None:
    users = Blueprint("users", __name__)
    users.cli.command("add")(lambda: click.echo("added"))
    app.register_blueprint(users, cli_group="people")
    assert app.test_cli_runner().invoke(args=["people", "add"]).output == "added\n"


# The commands of the application that is named.


@pytest.mark.parametrize("way", ["option", "short", "environment"])
def test_the_application_is_named_by_option_or_environment(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hello()
    if way == "environment":
        monkeypatch.setenv("FLASK_APP", "hello")
        result = run("greet")
    else:
        result = run("--app" if way == "option" else "-A", "hello:app", "greet")
    assert (result.exit_code, result.output) == (0, "hello from hello, debug False\n")


@pytest.mark.parametrize("name", ["wsgi.py", "app.py"])
def test_without_a_name_it_is_looked_for_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hello()
    Path("hello.py").rename(name)
    monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    assert run("greet").output == "hello from hello, debug False\n"
    monkeypatch.delitem(sys.modules, name.removesuffix(".py"))


def test_where_there_is_none_the_commands_say_so() -> None:
    result = run("greet")
    assert result.exit_code == 2
    assert "Error: Which application?" in result.output
    assert "Error: Could not import 'absent'" in run("--app", "absent", "greet").output
    assert "Error: Could not import 'absent'" in run("--app", "absent", "--help").output
    assert run("--app", "absent", "routes").exit_code == 2


def test_the_help_comes_whatever_is_wrong_with_the_application() -> None:
    hello("1 / 0\n")
    result = run("--app", "hello", "--help")
    assert result.exit_code == 0
    assert "Error: ZeroDivisionError: division by zero" in result.output
    assert "routes" in result.output


def test_the_help_lists_the_commands_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    hello()
    monkeypatch.setenv("FLASK_APP", "hello")
    result = run("--help")
    listed = [line.split()[0] for line in result.output.partition("Commands:\n")[2].splitlines()]
    assert listed == ["greet", "routes", "run", "shell"]


@pytest.mark.parametrize(("option", "debug"), [("--debug", True), ("--no-debug", False)])
def test_debug_is_turned_on_and_off(option: str, debug: bool) -> None:
    hello()
    assert run("--app", "hello", option, "greet").output == f"hello from hello, debug {debug}\n"


@pytest.mark.parametrize(("value", "debug"), [("1", True), ("yes", True), ("0", False), ("False", False), ("", False)])
def test_the_environment_says_whether_to_debug(value: str, debug: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", value)
    assert ScriptInfo(create_app=lambda: Flask("x")).load_app().debug is debug


def test_an_application_of_ones_own_needs_no_name() -> None:
    def create_app() -> Flask:
        return Flask("made")

    group = FlaskGroup(create_app=create_app, add_default_commands=False, add_version_option=False)

    @group.command()
    def which() -> None:
        click.echo(current_app.name)

    assert run("which", group=group).output == "made\n"
    assert group.params[-1].name == "debug"
    assert list(group.commands) == ["which"]


def test_the_application_may_be_handed_over() -> None:
    info = ScriptInfo(create_app=lambda: Flask("handed over", static_folder=None))
    assert run("routes", obj=info).output == "There are no routes.\n"


def test_the_version_is_told() -> None:
    result = run("--version")
    assert (result.exit_code, result.output.split()[0]) == (0, "duoframe")


def test_packages_bring_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "plugged"

        def load(self) -> click.Command:
            return click.Command("plugged", callback=lambda: click.echo("plugged in"))

    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: [Entry()])
    assert run("plugged").output == "plugged in\n"


def test_the_context_of_the_application_is_entered_once() -> None:
    hello()
    from duoframe.flask.locating import locate

    app = locate("hello")
    with app.app_context():
        assert run("--app", "hello", "greet").output == "hello from hello, debug False\n"
        assert current_app.name == "hello"


# Variables in files.


def test_variables_stand_in_files() -> None:
    Path(".flaskenv").write_text("A_FIRST=flaskenv\nA_SECOND=flaskenv\nA_EMPTY\n")
    Path(".env").write_text("A_SECOND=env\nA_THIRD=env\n")
    Path("own").write_text("A_THIRD=own\nA_SET=own\n")
    os.environ["A_SET"] = "before"
    assert load_dotenv("own")
    assert [os.environ.get(f"A_{name}") for name in ("FIRST", "SECOND", "THIRD", "SET", "EMPTY")] == [
        "flaskenv",
        "env",
        "own",
        "before",
        None,
    ]


def test_the_commands_read_them() -> None:
    hello()
    Path(".flaskenv").write_text("FLASK_APP=hello\n")
    assert run("greet").output == "hello from hello, debug False\n"
    del os.environ["FLASK_APP"]
    os.environ["FLASK_SKIP_DOTENV"] = "1"
    assert "Error: Which application?" in run("greet").output


def test_a_file_of_variables_is_named_or_left_out() -> None:
    hello()
    Path("own").write_text("FLASK_APP=hello\n")
    assert run("--env-file", "own", "greet").output == "hello from hello, debug False\n"
    Path("empty").write_text("")
    assert "it holds nothing" in run("-e", "empty", "greet").output
    del os.environ["FLASK_APP"]
    Path(".flaskenv").write_text("FLASK_APP=hello\n")
    assert run("greet", group=FlaskGroup(load_dotenv=False)).exit_code == 2


def test_without_its_package_no_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("A_FIRST=env\n")
    monkeypatch.setitem(sys.modules, "dotenv", None)
    assert not load_dotenv()
    assert "A_FIRST" not in os.environ


# run, shell, routes.


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, dict[str, Any]]]:
    """What uvicorn is asked to serve."""
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **options: calls.append((app, options)))
    return calls


def test_run_serves_the_application(served: list[tuple[Any, dict[str, Any]]]) -> None:
    hello()
    result = run("--app", "hello", "run", "--port", "5005")
    assert result.exit_code == 0, result.output
    ((app, options),) = served
    assert (app.name, options) == ("hello", {"host": "127.0.0.1", "port": 5005})


def test_run_takes_its_options_from_the_environment(
    served: list[tuple[Any, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    hello()
    monkeypatch.setenv("FLASK_RUN_PORT", "5006")
    run("--app", "hello", "run")
    assert served[0][1]["port"] == 5006


@pytest.mark.parametrize("args", [["--debug", "run"], ["run", "--debug"], ["run", "--reload"]])
def test_run_starts_anew_when_code_changes(served: list[tuple[Any, dict[str, Any]]], args: list[str]) -> None:
    hello()
    assert run("--app", "hello", *args).exit_code == 0
    ((target, options),) = served
    assert (target, options["reload"], options["factory"]) == ("duoframe.flask.commands:reloaded", True, True)
    assert reloaded().name == "hello"
    assert reloaded().debug is ("--debug" in args)


def test_run_needs_a_name_to_start_anew(served: list[tuple[Any, dict[str, Any]]]) -> None:
    group = FlaskGroup(create_app=lambda: Flask("made"))
    assert "name the application" in run("run", "--reload", group=group).output
    assert run("--debug", "run", "--no-reload", group=group).exit_code == 0
    assert served[0][0].debug


def test_run_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigurationError, match=r"duoframe\[cli\]"):
        CliRunner().invoke(run_command, catch_exceptions=False)


def test_a_module_that_is_imported_by_a_command_does_not_serve() -> None:
    hello("app.run(port=-1)\n")
    assert run("--app", "hello", "greet").exit_code == 0


def test_shell_has_the_names_of_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    hello("@app.shell_context_processor\ndef names(): return {'answer': 42}\n")
    seen: dict[str, Any] = {}

    def interact(banner: str, local: dict[str, Any]) -> None:
        seen.update(local, banner=banner, app_name=current_app.name)

    monkeypatch.setattr("code.interact", interact)
    assert run("--app", "hello", "shell").exit_code == 0
    assert (seen["answer"], seen["app"].name, seen["app_name"]) == (42, "hello", "hello")
    assert "App: hello" in seen["banner"]


def test_routes_are_a_table() -> None:
    hello(
        "app.add_url_rule('/z', 'first', lambda: '', methods=['POST', 'GET'])\n"
        "app.add_url_rule('/a/<int:number>', 'second', lambda number: '')\n"
    )

    def rows(*args: str) -> list[list[str]]:
        result = run("--app", "hello", "routes", *args)
        assert result.exit_code == 0, result.output
        return [line.split() for line in result.output.splitlines()]

    assert rows() == [
        ["Endpoint", "Methods", "Rule"],
        ["--------", "---------", "-----------------------"],
        ["first", "GET,", "POST", "/z"],
        ["second", "GET", "/a/<int:number>"],
        ["static", "GET", "/static/<path:filename>"],
    ]
    assert [row[0] for row in rows("--sort", "rule")[2:]] == ["second", "static", "first"]
    assert [row[0] for row in rows("--sort", "match")[2:]] == ["static", "first", "second"]
    assert rows("--all-methods")[3] == ["second", "GET,", "HEAD,", "OPTIONS", "/a/<int:number>"]


def test_an_application_without_routes_says_so(app: Flask) -> None:
    group = FlaskGroup(create_app=lambda: Flask("bare", static_folder=None))
    assert run("routes", group=group).output == "There are no routes.\n"


# As a program, and without click.


def test_it_is_a_program() -> None:
    hello()
    command = [sys.executable, "-m", "duoframe.flask", "--app", "hello", "greet"]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": root}, check=True)
    assert done.stdout == "hello from hello, debug False\n"


def test_importing_the_program_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "duoframe.flask.__main__", raising=False)
    assert callable(importlib.import_module("duoframe.flask.__main__").main)


def test_the_program_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["__main__.py", "--help"])
    monkeypatch.delitem(sys.modules, "duoframe.flask.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("duoframe.flask", run_name="__main__")
    assert ended.value.code == 0
    assert "Usage: python -m duoframe.flask" in capsys.readouterr().out


def test_without_click_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "click":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "duoframe.flask.cli")
    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(ConfigurationError, match=r"duoframe\[cli\]"):
        importlib.import_module("duoframe.flask.cli")
