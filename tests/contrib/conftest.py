"""A real Redis server of this test run's own, on a Unix socket that nobody else knows."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import installed, until


class RedisServer:
    """One `redis-server` process, which can be stopped, paused and started again."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        program = installed("redis-server")
        options = ["--port", "0", "--unixsocket", str(self._socket), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [program, *options, "--dir", str(self._socket.parent)], stdout=subprocess.DEVNULL
        )
        until(self._answers, "redis-server did not start")

    def pause(self) -> None:
        """Let it answer nothing, while the system still takes connections for it."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="duoframe-redis-") as directory:  # a socket's path must be short
        server = RedisServer(Path(directory))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> Iterator[RedisServer]:
    """The server, empty; whatever a test does to it is undone."""
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushall()
    yield redis_process
    if redis_process._process is None:
        redis_process.start()
    redis_process.resume()
