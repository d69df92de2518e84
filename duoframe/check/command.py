"""The command ``duoframe check``.

Knows its options and its exit codes: 0, or 1 with ``--strict`` where there are warnings, 2 for a bad option, 3 for an
application that cannot be loaded. `finding` loads it, `report` looks at it and `text` shows that.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sys
from fnmatch import fnmatchcase

import click

from duoframe.check.report import NO_ROUTE, Report, examine
from duoframe.check.text import as_text
from duoframe.finding import FindError, find


@click.command("check")
@click.argument("target", required=False)
@click.option("--route", "pattern", metavar="PATTERN", help="Only the routes whose path fits, as '/api/*'.")
@click.option("--json", "as_json", is_flag=True, help="For tools.")
@click.option("--strict", is_flag=True, help="End with exit code 1 when there are warnings.")
def command(target: str | None, pattern: str | None, as_json: bool, strict: bool) -> None:
    """Tell where each route of TARGET (module:app) runs, and what is wrong with it.

    Without TARGET, the application is that of DUOFRAME_APP, of [tool.duoframe] in pyproject.toml, or of app.py.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the application prints is no part of the report
            found = find(target)
    except FindError as error:
        click.echo(f"{error.traceback}Error: {error}", err=True)
        raise SystemExit(error.code) from None
    report = examine(found.app, found.target, lambda path: pattern is None or fnmatchcase(path, pattern))
    if pattern is not None and not report.routes:
        paths = ", ".join(dict.fromkeys(route.path for route in found.app.routes)) or NO_ROUTE
        raise click.BadParameter(f"no route fits {pattern!r}; there are {paths}", param_hint="--route")
    click.echo(_as_json(report) if as_json else as_text(report, shutil.get_terminal_size().columns))
    if strict and report.warnings:
        raise SystemExit(1)


def _as_json(report: Report) -> str:
    return json.dumps(dataclasses.asdict(report), indent=2)
