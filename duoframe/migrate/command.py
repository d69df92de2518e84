"""``duoframe migrate PATH``: what is asked for on the command line, in order: look, show, ask, write.

Knows click and the order of things; `moving` does the work, `report` says what was found.
"""

from __future__ import annotations

from pathlib import Path

import click

from duoframe.migrate.moving import plan
from duoframe.migrate.report import difference, listing
from duoframe.migrate.tree import TreeError, check_clean, write
from duoframe.migrate.views import Refusal


@click.command("migrate")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--async", "views", multiple=True, metavar="VIEW", help="Make this view `async def`: NAME or MODULE:NAME."
)
@click.option("--yes", is_flag=True, help="Write without asking.")
@click.option("--diff", "--dry-run", "only_shown", is_flag=True, help="Show what would be written, and write nothing.")
@click.option("--force", is_flag=True, help="Write though git knows changes that are not committed.")
def command(path: Path, views: tuple[str, ...], yes: bool, only_shown: bool, force: bool) -> None:
    """Let the Flask application in PATH, a file or a folder, import from duoframe.flask.

    A diff is shown before anything is written, and what could not be moved is listed with file, line and reason.
    """
    try:
        if not (force or only_shown):
            check_clean(path)
        planned = plan(path, views)
    except (Refusal, TreeError) as error:
        raise click.ClickException(str(error)) from None
    for file, (before, after) in planned.changed.items():
        click.echo(difference(file, before, after), nl=False)
    told = listing(planned.findings)
    if told:
        click.echo(told)
    if not planned.changed:
        click.echo("Nothing to write.")
    elif not only_shown:
        _write(planned.changed, yes)


def _write(changed: dict[Path, tuple[bytes, bytes]], yes: bool) -> None:
    count = f"{len(changed)} file{'s' if len(changed) > 1 else ''}"
    try:
        if not (yes or click.confirm(f"Write {count}?")):
            raise click.ClickException("nothing was written")
    except click.Abort:
        click.echo()
        raise click.ClickException("nothing was written: nobody answered, and --yes was not given") from None
    for number, (file, (before, after)) in enumerate(changed.items()):
        try:
            write(file, before, after)
        except TreeError as error:
            raise click.ClickException(f"{error}; {number} of {count} written") from None
    click.echo(f"Wrote {count}.")
