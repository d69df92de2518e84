"""A real PostgreSQL server of this test run's own, on a Unix socket that nobody else knows."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import installed, until

DEBIAN = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each version, out of everybody's PATH."""

# Nothing listens but the socket, and the data need not outlive a failure of power.
SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200")


class PostgresServer:
    """One `postgres` process with its data in ``directory``, run by another user where this one is root."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made = 0
        self._process: subprocess.Popen[bytes]
        # PostgreSQL refuses to run as root. Debian's package brings the other user.
        as_other = {"user": "postgres", "group": "postgres", "extra_groups": ()} if os.getuid() == 0 else {}
        self._options: dict[str, Any] = {"cwd": directory, "stdout": subprocess.DEVNULL, **as_other}

    def start(self) -> None:
        initdb, postgres = _program("initdb"), _program("postgres")
        if "user" in self._options:
            shutil.chown(self._directory, "postgres", "postgres")
        self._run(initdb, "-D", "data", "--auth=trust", "--username=tests", "--encoding=UTF8", "--locale=C.UTF-8", "-N")
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        with (self._directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [postgres, "-D", "data", "-k", str(self._directory), *settings], stderr=log, **self._options
            )
        until(self._answers, "postgres did not start")

    def make_database(self) -> str:
        """The URL of a new and empty database."""
        self._made += 1
        name = f"made{self._made}"
        self._run(_program("createdb"), "--host", str(self._directory), "--username=tests", name)
        return f"postgresql://tests@/{name}?host={self._directory}"

    def stop(self) -> None:
        """End it, whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def _answers(self) -> bool:
        return subprocess.run([_program("pg_isready"), "-q", "-h", self._directory], check=False).returncode == 0

    def _run(self, *command: str) -> None:
        subprocess.run(command, check=True, **self._options)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(prefix="duoframe-postgres-") as directory:  # a socket's path must be short
        server = PostgresServer(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _program(name: str) -> str:
    newest_first = sorted((folder for folder in DEBIAN.glob("*/bin")), key=lambda f: float(f.parent.name), reverse=True)
    return installed(name, "postgresql", os.pathsep.join([os.environ["PATH"], *map(str, newest_first)]))
