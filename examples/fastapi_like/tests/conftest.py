"""The service behind both doors, on SQLite and on PostgreSQL: each test runs on all four.

A test signs up users of its own, whose projects nobody else sees: so one service, and one database, does for a module.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from duoframe.testing import Client
from examples.fastapi_like.app import create_app
from examples.fastapi_like.settings import Settings
from tests.postgres import PostgresServer, running_postgres

PASSWORD = "correct horse battery staple"


class Person:
    """Somebody who has signed up and logged in."""

    def __init__(self, service: Client) -> None:
        self.service = service
        self.headers: dict[str, str] = {}
        self.name = f"user-{secrets.token_hex(6)}"
        self.ask("POST", "/users", 201, json={"name": self.name, "password": PASSWORD})
        self.headers = {"authorization": f"Bearer {log_in(service, self.name)}"}

    def ask(
        self, method: str, path: str, status: int = 200, **options: Any
    ) -> Any:  # Any: httpx's; the JSON of an answer
        """What the service answers, with this status."""
        headers = {**self.headers, **options.pop("headers", {})}
        answer = self.service.request(method, path, headers=headers, **options)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    def add_project(self, name: str = "Garden") -> str:
        """The path of a new project."""
        return f"/projects/{self.ask('POST', '/projects', 201, json={'name': name})['id']}"

    def add_task(self, project: str, **fields: Any) -> str:
        """The path of a new task."""
        return f"/tasks/{self.ask('POST', f'{project}/tasks', 201, json={'title': 'Dig', **fields})['id']}"


def log_in(service: Client, name: str, password: str = PASSWORD) -> str:
    """A token."""
    form = {"grant_type": "password", "username": name, "password": password}
    answer = service.post("/token", data=form)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A new database, and a hash of passwords that costs no time."""
    folder: Path = tmp_path_factory.mktemp("service")
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").make_database()
    else:
        url = f"sqlite:///{folder / 'tasks.db'}"
    return Settings(database_url=url, files=str(folder / "files"), feed_seconds=5, feed_poll=0.02, scrypt_cost=2)


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def service(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Client]:
    """A client that nobody has logged in with."""
    with Client(create_app(settings), request.param, strict=True) as client:
        yield client


@pytest.fixture
def ada(service: Client) -> Person:
    return Person(service)


@pytest.fixture
def bob(service: Client) -> Person:
    return Person(service)
