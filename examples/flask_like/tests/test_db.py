"""The connection of a request, and the command that makes the tables."""

from __future__ import annotations

import sqlite3

import pytest

from duoframe.flask import Flask
from examples.flask_like.db import get_db


def test_there_is_one_connection_which_ends_with_the_context(app: Flask) -> None:
    with app.app_context():
        connection = get_db()
        assert get_db() is connection
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_what_was_not_committed_is_undone(app: Flask) -> None:
    with app.app_context():
        get_db().execute("DELETE FROM note")
    with app.app_context():
        assert get_db().execute("SELECT count(*) FROM note").fetchone()[0] == 1


def test_init_db_makes_the_tables_anew(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["init-db"])
    assert result.exit_code == 0
    assert result.output == f"The database is ready: {app.config['DATABASE']}\n"
    with app.app_context():
        assert get_db().execute("SELECT count(*) FROM note").fetchone()[0] == 0
