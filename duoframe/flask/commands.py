"""The commands that every application has: ``run``, ``shell`` and ``routes``.

Knows a server for development and a table of routes; `cli` says which application they are about.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from duoframe.errors import ConfigurationError
from duoframe.flask.cli import ScriptInfo, debug_flag, debug_option, pass_script_info, with_appcontext
from duoframe.flask.globals import current_app
from duoframe.flask.locating import locate

ORDERS = ("endpoint", "methods", "rule", "match")


@click.command("run", short_help="Run a server for development.")
@click.option("--host", "-h", default="127.0.0.1", show_default=True, help="Where it listens.")
@click.option("--port", "-p", default=5000, show_default=True, help="The port it listens on.")
@click.option("--reload/--no-reload", default=None, help="Start anew when code changes: unless told, with --debug.")
@pass_script_info
def run_command(info: ScriptInfo, host: str, port: int, reload: bool | None) -> None:
    """Serve the application with uvicorn, for development: `gunicorn` and `uvicorn` are for more than that."""
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigurationError("`run` needs uvicorn: pip install 'duoframe[cli]'") from error
    if debug_flag() if reload is None else reload:
        if info.app_import_path is None:
            raise click.UsageError("name the application to have it reloaded: --app module:name, or --no-reload")
        os.environ["FLASK_APP"] = info.app_import_path
        uvicorn.run("duoframe.flask.commands:reloaded", factory=True, reload=True, host=host, port=port)
    else:
        uvicorn.run(info.load_app(), host=host, port=port)


run_command.params.insert(0, debug_option())


def reloaded() -> Any:  # Any: a Flask
    """The application that FLASK_APP names, for a server that imports it anew."""
    info = ScriptInfo()
    info.create_app = lambda: locate(os.environ["FLASK_APP"])
    return info.load_app()


@click.command("shell", short_help="A Python prompt with the application.")
@with_appcontext
def shell_command() -> None:
    """A Python prompt in the context of the application, with what its shell context processors name."""
    import code

    banner = f"Python {sys.version} on {sys.platform}\nApp: {current_app.import_name}"
    code.interact(banner=banner, local=dict(current_app.make_shell_context()))


@click.command("routes", short_help="The routes of the application.")
@click.option(
    "--sort",
    "-s",
    type=click.Choice(ORDERS),
    default="endpoint",
    show_default=True,
    help="The column they are sorted by; 'match' is the order they were registered in.",
)
@click.option("--all-methods", is_flag=True, help="Show HEAD and OPTIONS too.")
@with_appcontext
def routes_command(sort: str, all_methods: bool) -> None:
    """A table of endpoints, methods and rules."""
    left_out = set() if all_methods else {"HEAD", "OPTIONS"}
    rows = [
        (rule.endpoint, ", ".join(sorted(set(rule.methods or ()) - left_out)), rule.rule)
        for rule in current_app.url_map.iter_rules()
    ]
    if not rows:
        click.echo("There are no routes.")
        return
    if sort != "match":
        rows.sort(key=lambda row: row[ORDERS.index(sort)])
    rows.insert(0, ("Endpoint", "Methods", "Rule"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    rows.insert(1, ("-" * widths[0], "-" * widths[1], "-" * widths[2]))
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
