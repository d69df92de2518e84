"""The command line: ``duoframe migrate``, ``duoframe check``.

Its exit code is 0 for what is done, 1 for a problem, which is named on one line, and 2 for wrong usage.

Knows which module answers which command and imports it when it is asked for; must not know what they do. click, which
reads the arguments, is in the extra ``cli``.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

COMMANDS = {
    "check": ("duoframe.check.command", "Show where each route runs, and what blocks."),
    "migrate": ("duoframe.migrate.command", "Move a Flask application's source to duoframe.flask."),
}
"""The module of each command, whose ``command`` it is, and what a list of them says of it."""

EXTRA = "pip install 'duoframe[cli]'"


def main(arguments: list[str] | None = None) -> None:
    """Do what the arguments say, those of the process unless given; ends with `SystemExit`."""
    try:
        program = group()
    except ModuleNotFoundError as missing:
        sys.exit(f"duoframe: the command line needs {missing.name}: {EXTRA}")
    program.main(arguments, prog_name="duoframe")


def group() -> click.Group:
    """The group ``duoframe`` with its commands. Raises `ModuleNotFoundError` without click."""
    import click

    class Lazy(click.Group):
        def list_commands(self, ctx: click.Context) -> list[str]:
            return sorted(COMMANDS)

        def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
            if name not in COMMANDS:
                return None
            try:
                found: click.Command = importlib.import_module(COMMANDS[name][0]).command
            except ModuleNotFoundError as missing:
                raise click.ClickException(_missing(name, missing.name or "")) from missing
            return found

        def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
            with formatter.section("Commands"):
                formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])

    return Lazy("duoframe", help="One application object for WSGI and ASGI servers.", no_args_is_help=True)


def _missing(command: str, module: str) -> str:
    if module.partition(".")[0] == "duoframe":
        return f"this duoframe has no command {command!r}"
    return f"`duoframe {command}` needs {module}: {EXTRA}"
