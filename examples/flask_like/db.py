"""The database: one SQLite connection for each request that asks for it, and the command that makes the tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import click

from duoframe.flask import Flask, current_app, g
from duoframe.flask.cli import with_appcontext

SCHEMA = Path(__file__).with_name("schema.sql")


def get_db() -> sqlite3.Connection:
    """The connection of this request, or of this command, opened at its first use."""
    if "db" not in g:
        # The pieces of one request may run on several threads, though never two at a time.
        g.db = sqlite3.connect(current_app.config["DATABASE"], check_same_thread=False)
        g.db.row_factory = sqlite3.Row
        g.db.execute("PRAGMA foreign_keys = ON")
    connection: sqlite3.Connection = g.db
    return connection


def close_db(error: BaseException | None = None) -> None:
    """Close the connection, where there is one; what was not committed is undone."""
    connection = g.pop("db", None)
    if connection is not None:
        connection.close()


def init_db() -> None:
    """Make the tables, empty: what was in them before is gone."""
    Path(current_app.config["DATABASE"]).parent.mkdir(parents=True, exist_ok=True)
    get_db().executescript(SCHEMA.read_text())


@click.command("init-db")
@with_appcontext
def init_db_command() -> None:
    """Make the tables; what was in them before is lost."""
    init_db()
    click.echo(f"The database is ready: {current_app.config['DATABASE']}")


def init_app(app: Flask) -> None:
    """Have connections closed at the end of each request, and add the command."""
    app.teardown_appcontext(close_db)
    app.cli.add_command(init_db_command)
