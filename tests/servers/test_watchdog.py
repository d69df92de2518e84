"""In debug mode, real servers log the line of a user's code that holds the event loop."""

from pathlib import Path

import pytest

from tests.servers.process import running
from tests.servers.table import Setup
from tests.servers.wire import exchange, request

APP = "tests.servers.held:app"
HELD = Path(__file__).parent / "held.py"

SETUPS = [
    Setup("gunicorn-gthread", "wsgi", "gunicorn --no-control-socket --threads 4 --bind 127.0.0.1:{port} " + APP),
    Setup("uvicorn", "asgi", "uvicorn --port {port} " + APP),
]


@pytest.mark.parametrize("setup", SETUPS, ids=lambda setup: setup.name)
def test_the_line_that_holds_the_loop_is_logged(setup: Setup, tmp_path: Path) -> None:
    """P-05: at the portal of a WSGI server and at the loop of an ASGI server."""
    [line] = [number for number, text in enumerate(HELD.read_text().splitlines(), 1) if "# this line holds it" in text]
    with running(setup, tmp_path) as server:
        assert exchange(server.port, request("GET", "/hold")).body == b"told"
        output = server.output()
    assert "the event loop has been held for 100 ms; wait with `await`" in output
    assert f'File "{HELD}", line {line}, in hold' in output
