"""The examples on real servers; the one behind `make run` leaves no process and no port behind, however it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.servers.process import DEADLINE, ROOT, Server, free_port, running
from tests.servers.table import Setup
from tests.servers.wire import exchange, request

RUN = ROOT / "examples" / "hello" / "run.py"


class Runner:
    """`run.py` on two free ports, its output in a file."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.wsgi, self.asgi = free_port(), free_port()
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        command = [sys.executable, str(RUN), "--wsgi-port", str(self.wsgi), "--asgi-port", str(self.asgi)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def wait_for_invitation(self) -> list[str]:
        """The two addresses it says to try."""
        deadline = time.monotonic() + DEADLINE
        while len(urls := re.findall(r"curl http://(\S+)", self.output())) < 2:
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)
        return urls

    def output(self) -> str:
        return self.log.read_text()

    def processes(self, name: str) -> list[int]:
        """The processes of the server of that name, by this run's port on their command lines."""
        port = {"gunicorn": self.wsgi, "uvicorn": self.asgi}[name]
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # ended in the meantime
            if name.encode() in words and any(word.endswith(str(port).encode()) for word in words):
                found.append(int(folder.name))
        return sorted(found)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path / "log")
    yield runner
    if runner.process.poll() is None:
        runner.process.terminate()
    runner.process.wait(DEADLINE)
    assert runner.processes("gunicorn") + runner.processes("uvicorn") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_serves_one_object_by_two_servers_until_a_signal(runner: Runner, number: signal.Signals) -> None:
    runner.start()
    first, second = runner.wait_for_invitation()
    assert [first, second] == [f"127.0.0.1:{runner.wsgi}/hello/Ada", f"127.0.0.1:{runner.asgi}/later/42"]
    for port in (runner.wsgi, runner.asgi):
        assert exchange(port, request("GET", "/hello/Ada")).body == b"Hello Ada\n"
        assert exchange(port, request("GET", "/later/42")).json() == {"n": 42}
    runner.process.send_signal(number)
    assert runner.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("name", ["gunicorn", "uvicorn"])
def test_run_stops_and_says_which_server_ended_by_itself(runner: Runner, name: str) -> None:
    runner.start()
    runner.wait_for_invitation()
    os.kill(runner.processes(name)[0], signal.SIGKILL)
    assert runner.process.wait(DEADLINE) == 1
    assert f"{name} on port" in runner.output().splitlines()[-1]


def test_run_says_in_one_line_that_a_port_is_taken(runner: Runner) -> None:
    with socket.create_server(("127.0.0.1", runner.asgi)):
        runner.start()
        assert runner.process.wait(DEADLINE) == 1
    assert runner.output().splitlines() == [f"cannot listen on 127.0.0.1:{runner.asgi}: Address already in use"]


SERVERS = {
    "gunicorn": "gunicorn --no-control-socket --bind 127.0.0.1:{port} --threads 4",
    "uvicorn": "uvicorn --port {port}",
}


@pytest.fixture(params=SERVERS)
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], AbstractContextManager[Server]]:
    """An example by its folder's name, under one of the two servers."""
    return lambda example: running(
        Setup(example, "wsgi", f"{SERVERS[request.param]} examples.{example}.app:app"), tmp_path
    )


def test_the_service_keeps_the_tasks_of_a_user(served: Callable[[str], AbstractContextManager[Server]]) -> None:
    fields = {"Content-Type": "application/json"}
    with served("fastapi_like") as server:

        def ask(method: str, target: str, value: object = None) -> tuple[int, Any]:
            body = value if isinstance(value, bytes) else json.dumps(value).encode()
            answer = exchange(server.port, request(method, target, None if value is None else body, fields))
            return answer.status, answer.json() if answer.body else None

        assert ask("POST", "/users", {"name": "ada", "password": "lovelace"})[0] == 201
        fields["Content-Type"] = "application/x-www-form-urlencoded"
        status, token = ask("POST", "/token", b"grant_type=password&username=ada&password=lovelace")
        assert status == 200
        fields.update({"Content-Type": "application/json", "Authorization": f"Bearer {token['access_token']}"})
        assert ask("POST", "/projects", {"name": "Garden"})[0] == 201
        status, task = ask("POST", "/projects/1/tasks", {"title": "Dig"})
        assert (status, task["state"]) == (201, "open")
        assert ask("GET", "/projects/1/tasks?state=open&limit=5") == (200, {"items": [task], "total": 1})
        assert ask("PATCH", "/tasks/1", {"title": ""})[0] == 422
        assert ask("PATCH", "/tasks/1", {"state": "done"}) == (200, {**task, "state": "done"})
        assert ask("DELETE", "/tasks/1") == (204, None)
        assert ask("GET", "/openapi.json")[1]["info"]["title"] == "Tasks"
