"""A server as a process: a free port, a start that is waited for, an end that leaves nothing behind.

Knows processes and their logs; must not know what is asked of them. `table` says what to start.
"""

import os
import shlex
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Self

from tests.servers.table import Setup
from tests.servers.wire import exchange, request

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sysconfig.get_path("scripts"))
DEADLINE = 30.0
COMPLAINTS = ("was never awaited", "was destroyed but it is pending", "was never retrieved", "Fatal Python error")
"""What asyncio and the interpreter say of work that was lost, often where nobody looks."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A command that runs in a process group of its own, its output in a file."""

    def __init__(self, setup: Setup, directory: Path) -> None:
        self.setup = setup
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.port = free_port()
        self.log = directory / "log"
        self.group: subprocess.Popen[bytes]

    def start(self) -> Self:
        """Begin, without waiting for the first answer."""
        program, *arguments = shlex.split(self.setup.command.format(port=self.port))
        environment = {
            **os.environ,
            **self.setup.environment,
            "PYTHONPATH": str(ROOT),
            "SERVED_DIRECTORY": str(self.directory),
        }
        with self.log.open("wb") as log:
            self.group = subprocess.Popen(
                [PROGRAMS / program, *arguments],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self

    def wait_until_ready(self, path: str = "/hello/ready") -> None:
        """Return at the first whole answer; `AssertionError` when there is none, or one that says 500."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            assert self.group.poll() is None, f"{self.setup.name} ended with {self.group.returncode}:\n{self.output()}"
            try:
                status = exchange(self.port, request("GET", path), patience=5).status
            except (OSError, HTTPException):
                time.sleep(0.05)  # not listening yet
                continue
            assert status < 500, f"{self.setup.name} answered {status}:\n{self.output()}"
            return
        raise AssertionError(f"{self.setup.name} gave no answer in {DEADLINE:g} s:\n{self.output()}")

    def terminate(self) -> None:
        """Tell the main process to stop, as an init system does."""
        self.group.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the end of the main process; its exit code."""
        return self.group.wait(DEADLINE)

    def end(self) -> None:
        """Stop it, by force when asking does not help, and whatever of its group is left."""
        if self.group.poll() is None:
            self.terminate()
            try:
                self.group.wait(10)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.group.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # all ended by themselves
        self.group.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for_notes(self, place: str, number: int) -> None:
        """Return when the app left `number` notes in `place`."""
        deadline = time.monotonic() + DEADLINE
        while len(list((self.directory / place).glob("*"))) < number:
            assert time.monotonic() < deadline, f"fewer than {number} notes in {place}"
            time.sleep(0.02)

    def counts(self, place: str) -> dict[str, int]:
        """How many notes the app left, by the process that left them."""
        folder = self.directory / place
        return {p.name: len(list(p.iterdir())) for p in folder.iterdir()} if folder.is_dir() else {}


@contextmanager
def running(setup: Setup, directory: Path) -> Iterator[Server]:
    """The server, answering; stopped at the end of the block, and its output then free of `COMPLAINTS`."""
    server = Server(setup, directory).start()
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.end()
    output = server.output()
    assert not [complaint for complaint in COMPLAINTS if complaint in output], output
