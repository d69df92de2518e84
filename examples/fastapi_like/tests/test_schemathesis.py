"""Schemathesis reads the service's own description and tries to prove it wrong, with all of its checks.

`make test` draws few examples, the same each time; `make schemathesis` draws others, for as long as it is told to.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.postgres import PostgresServer
from tests.servers.process import PROGRAMS, ROOT, Server, running
from tests.servers.table import Setup

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
SECONDS = os.environ.get("SCHEMATHESIS_SECONDS")
BOUNDS = (
    ("--max-time", SECONDS, "--generation-database", "none")
    if SECONDS
    else ("--generation-deterministic", "--max-examples", "10", "--no-shrink")
)
SERVERS = {
    "gunicorn": "gunicorn --no-control-socket --bind 127.0.0.1:{port} --threads 8 examples.fastapi_like.app:app",
    "uvicorn": "uvicorn --port {port} examples.fastapi_like.app:app",
}


@pytest.mark.parametrize(("name", "database"), [("gunicorn", "postgresql"), ("uvicorn", "sqlite")])
def test_the_service_does_what_its_description_says(
    request: pytest.FixtureRequest, name: str, database: str, tmp_path: Path
) -> None:
    environment = {"FEED_SECONDS": "0.1", "FEED_POLL": "0.1", "SCRYPT_COST": "2"}
    if database == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres")
        environment["DATABASE_URL"] = postgres.make_database()
    with running(Setup(name, "wsgi", SERVERS[name], environment=environment), tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}"
        explore(url, server, tmp_path)
        description = httpx.get(f"{url}/openapi.json").json()
    operations = {f"{method.upper()} {path}" for path, item in description["paths"].items() for method in item}
    answers = [line.split(" ", 1) for line in (tmp_path / "seen").read_text().splitlines()]
    assert operations - {operation for status, operation in answers if status.startswith("2")} == set()


def explore(url: str, server: Server, folder: Path) -> None:
    """Run schemathesis; fail with what it found, and with what the server said."""
    variables = {
        "SCHEMATHESIS_HOOKS": "examples.fastapi_like.tests.schemathesis_hooks",
        "SERVICE": url,
        "SEEN": str(folder / "seen"),
        "PYTHONPATH": str(ROOT),
    }
    program = [str(PROGRAMS / "schemathesis"), "--no-color", "--config-file", str(CONFIGURATION)]
    command = [*program, "run", f"{url}/openapi.json", "--checks", "all", *BOUNDS]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{server.output()}"
