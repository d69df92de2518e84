"""A real browser and its EventSource: it reads what is sent, comes back when a stream ends, and says where it was."""

import json
import time
from pathlib import Path

import pytest

from tests.browser.chromium import browsing
from tests.servers.process import DEADLINE, Server
from tests.servers.table import Setup
from tests.servers.wire import exchange, request

APP = "examples.events.app:app"
SERVERS = [
    Setup("gunicorn", "wsgi", f"gunicorn --no-control-socket --bind 127.0.0.1:{{port}} --threads 8 {APP}"),
    Setup("uvicorn", "asgi", f"uvicorn --port {{port}} {APP}"),
]
COUNTED = " ".join(f'{{"n":{n}}}' for n in range(1, 13))


@pytest.mark.parametrize("colour", ["def", "async"])
@pytest.mark.parametrize("setup", SERVERS, ids=lambda setup: setup.name)
def test_a_page_gets_every_event_once_over_several_connections(setup: Setup, colour: str, tmp_path: Path) -> None:
    """E-01, E-07: three connections, each after the last event of the one before."""
    server = Server(setup, tmp_path / "server").start()
    try:
        server.wait_until_ready("/seen")
        with browsing(tmp_path / "profile") as page:
            page.open(f"http://127.0.0.1:{server.port}/{colour}/")
            seen: list[str] = []
            deadline = time.monotonic() + DEADLINE
            while not seen and time.monotonic() < deadline:
                seen = json.loads(exchange(server.port, request("GET", "/seen")).body)
                time.sleep(0.05)
    finally:
        server.end()
    assert seen == [COUNTED], server.output()
