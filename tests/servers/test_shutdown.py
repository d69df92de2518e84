"""How each server ends: what SIGTERM leaves undone, what a recycled worker loses, what a wrong start says."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.process import DEADLINE, Server, running
from tests.servers.table import GRANIAN, GUNICORN, SETUPS, Setup
from tests.servers.wire import exchange, request

IN_FLIGHT = 50
PROCESSES = 6
COLOURS = 2
STOPPABLE = {
    "wsgiref": """python -c "
import signal, threading
from wsgiref.simple_server import make_server
from tests.servers.served import app
with make_server('127.0.0.1', {port}, app) as server:
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
app.shutdown()
app.shutdown()" """,
    "waitress": """python -c "
import signal, sys, waitress
from tests.servers.served import app
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
waitress.serve(app, listen='127.0.0.1:{port}')
app.shutdown()
app.shutdown()" """,
}


def once(counts: dict[str, int]) -> set[str]:
    """The processes, and the colours of their lifespans, that left one note, after none left more."""
    assert set(counts.values()) <= {1}
    return set(counts)


def test_shutdown_hooks_run_at_sigterm_where_the_table_says(tmp_path: Path) -> None:
    """L-12. The servers run side by side, as most of their time is spent on starting Python."""
    with ExitStack() as stack:
        servers = [Server(setup, tmp_path / setup.name) for setup in SETUPS]
        for server in servers:
            stack.callback(server.end)
            server.start()
        for server in servers:
            server.wait_until_ready()
        for server in servers:
            server.terminate()
        for server in servers:
            server.wait()
    ran = {server.setup.name: once(server.counts("stopped")) == once(server.counts("started")) for server in servers}
    assert ran == {setup.name: setup.hooks_at_sigterm for setup in SETUPS}


@pytest.mark.parametrize("path", ["/work", "/async/work"])
@pytest.mark.parametrize("setup", [setup for setup in SETUPS if setup.finishes], ids=lambda setup: setup.name)
def test_sigterm_loses_no_request_in_flight(setup: Setup, path: str, tmp_path: Path) -> None:
    """P-13."""
    with running(setup, tmp_path) as server, ThreadPoolExecutor(IN_FLIGHT) as clients:
        answers = clients.map(lambda _: exchange(server.port, request("GET", path)), range(IN_FLIGHT))
        server.wait_for_notes("work", IN_FLIGHT)
        server.terminate()
        assert [answer.body for answer in answers] == [b"done"] * IN_FLIGHT
        assert server.wait() in {0, -signal.SIGTERM}  # uvicorn ends by the signal it was sent
        assert once(server.counts("stopped")) == once(server.counts("started"))


@pytest.mark.parametrize("worker", ["--threads 4", "-k asgi"])
def test_a_recycled_gunicorn_worker_loses_no_request_and_runs_its_hooks(worker: str, tmp_path: Path) -> None:
    """P-20."""
    # gunicorn waits so long for a worker that it was just starting when it was told to stop, and that has not heard it.
    patience = "--graceful-timeout 10"
    setup = Setup("recycled", "wsgi", f"{GUNICORN} --workers 2 --max-requests 20 {patience} {worker}")
    deadline = time.monotonic() + DEADLINE

    def ask(_: int) -> set[bytes]:
        bodies = set()
        while len(server.counts("started")) < PROCESSES * COLOURS and time.monotonic() < deadline:
            bodies.add(exchange(server.port, request("GET", "/hello/Ada")).body)
        return bodies

    with running(setup, tmp_path) as server:
        with ThreadPoolExecutor(4) as clients:
            bodies = set().union(*clients.map(ask, range(4)))
        server.terminate()
        assert server.wait() == 0
    assert bodies == {b"Hello Ada"}
    assert len(server.counts("started")) >= PROCESSES * COLOURS
    assert once(server.counts("stopped")) == once(server.counts("started"))


def test_startup_may_be_called_before_the_first_request(tmp_path: Path) -> None:
    """L-11: from gunicorn's post_worker_init, as `docs/how-to/start-and-stop.md` tells."""
    configuration = tmp_path / "gunicorn.conf.py"
    configuration.write_text("def post_worker_init(worker):\n    worker.wsgi.startup()\n")
    server = Server(Setup("early", "wsgi", f"{GUNICORN} --threads 4 --config {configuration}"), tmp_path).start()
    try:
        server.wait_for_notes("started", COLOURS)
        server.wait_until_ready()
        assert len(once(server.counts("started"))) == COLOURS
    finally:
        server.end()
    assert once(server.counts("stopped")) == once(server.counts("started"))


@pytest.mark.parametrize("name", STOPPABLE)
def test_shutdown_may_be_called_where_the_server_does_not(name: str, tmp_path: Path) -> None:
    """L-12: after the server's loop, as `docs/how-to/start-and-stop.md` tells; a second call does nothing."""
    with running(Setup(name, "wsgi", STOPPABLE[name]), tmp_path) as server:
        server.terminate()
        assert server.wait() == 0
    assert once(server.counts("stopped")) == once(server.counts("started"))


def test_granian_without_an_interface_stops_and_names_the_option(tmp_path: Path) -> None:
    """Granian's default is RSGI, a third protocol, which calls with two arguments as WSGI does."""
    server = Server(Setup("granian", "asgi", GRANIAN), tmp_path).start()
    try:
        assert server.wait() != 0
    finally:
        server.end()
    assert "--interface asgi" in server.output()
