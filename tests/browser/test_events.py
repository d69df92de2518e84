"""A real browser and its EventSource: it reads what is sent, comes back when a stream ends, and says where it was."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import installed
from tests.servers.process import DEADLINE, Server
from tests.servers.table import Setup
from tests.servers.wire import exchange, request

APP = "examples.events.app:app"
SERVERS = [
    Setup("gunicorn", "wsgi", f"gunicorn --no-control-socket --bind 127.0.0.1:{{port}} --threads 8 {APP}"),
    Setup("uvicorn", "asgi", f"uvicorn --port {{port}} {APP}"),
]
COUNTED = " ".join(f'{{"n":{n}}}' for n in range(1, 13))


@contextmanager
def browsing(chromium: str, address: str, profile: Path) -> Iterator[None]:
    """A headless Chromium that shows a page."""
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command = [chromium, *quiet, f"--user-data-dir={profile}", "--remote-debugging-port=0", address]
    with (profile.parent / "browser.log").open("wb") as log:
        browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        browser.terminate()
        browser.wait(DEADLINE)


@pytest.mark.parametrize("colour", ["def", "async"])
@pytest.mark.parametrize("setup", SERVERS, ids=lambda setup: setup.name)
def test_a_page_gets_every_event_once_over_several_connections(setup: Setup, colour: str, tmp_path: Path) -> None:
    """E-01, E-07: three connections, each after the last event of the one before."""
    chromium = installed("chromium")
    server = Server(setup, tmp_path / "server").start()
    try:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            try:
                exchange(server.port, request("GET", "/seen"))
                break
            except OSError:
                time.sleep(0.05)  # not listening yet
        with browsing(chromium, f"http://127.0.0.1:{server.port}/{colour}/", tmp_path / "profile"):
            seen: list[str] = []
            while not seen and time.monotonic() < deadline:
                seen = json.loads(exchange(server.port, request("GET", "/seen")).body)
                time.sleep(0.05)
    finally:
        server.end()
    assert seen == [COUNTED], server.output()
