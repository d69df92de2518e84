"""The application with a small database of its own, and visitors; each test runs behind both doors.

Which door a test client takes is for ``DUOFRAME_DOOR`` to say, so no test has to know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from duoframe.flask import Flask
from duoframe.flask.testing import FlaskClient
from examples.flask_like.app import create_app
from examples.flask_like.db import get_db, init_db
from examples.flask_like.passwords import hash_password

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True, params=["wsgi", "asgi"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    return str(request.param)


@pytest.fixture
def app(door: str, tmp_path: Path) -> Iterator[Flask]:
    """Two people, Ada and Bob, and a note of Ada's."""
    app = create_app({"TESTING": True, "DATABASE": str(tmp_path / "notes.db"), "SCRYPT_COST": 2, "FEED_POLL": 0.01})
    with app.app_context():
        init_db()
        with get_db() as connection:
            people = [(name, hash_password(PASSWORD, 2)) for name in ("Ada", "Bob")]
            connection.executemany("INSERT INTO person (name, password) VALUES (?, ?)", people)
            connection.execute("INSERT INTO note (author_id, title, body) VALUES (1, 'Owls', 'Two, at dusk.')")
    yield app
    app.shutdown()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A visitor whom nobody knows."""
    client: FlaskClient = app.test_client()
    return client


@pytest.fixture
def log_in(app: Flask) -> Callable[[str], FlaskClient]:
    """Logs somebody in: a visitor with a cookie of their own."""

    def log_in(name: str) -> FlaskClient:
        client: FlaskClient = app.test_client()
        answer = client.post("/auth/login", data={"name": name, "password": PASSWORD})
        assert (answer.status_code, answer.location) == (302, "/")
        return client

    return log_in


@pytest.fixture
def ada(log_in: Callable[[str], FlaskClient]) -> FlaskClient:
    return log_in("Ada")


@pytest.fixture
def bob(log_in: Callable[[str], FlaskClient]) -> FlaskClient:
    return log_in("Bob")
