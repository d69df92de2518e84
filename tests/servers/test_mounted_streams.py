"""Mounted applications on real servers: bodies that come and go in pieces, clients that leave, and work that goes on.

Behind a server of the other kind an adapter of ours is in between; with middleware around the mount, behind one of its
own kind as well.
"""

from __future__ import annotations

import os
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.servers.process import Server, running
from tests.servers.table import STREAMS, THREADS, Setup
from tests.servers.wire import Connection, exchange, request

GUNICORN = "gunicorn --no-control-socket --bind 127.0.0.1:{port} tests.mounted.bare:app"
SETUPS = [
    Setup("gunicorn", "wsgi", f"{GUNICORN} --threads {THREADS + STREAMS}"),
    Setup("uvicorn", "asgi", "uvicorn --port {port} tests.mounted.bare:app"),
]
ADAPTED = {"gunicorn": ["/asgi", "/inside/asgi", "/inside/wsgi"], "uvicorn": ["/wsgi", "/inside/wsgi", "/inside/asgi"]}
"""Where an adapter is between the server and the application."""
MIB = 1024 * 1024
UPLOAD = 128 * MIB
GROWTH = 8 * MIB
ABANDONED = 12
FREED = 10.0
"""Seconds for a stream to be freed: fewer than an application in `bare` waits before it gives up by itself."""
CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.fixture(scope="module", params=SETUPS, ids=lambda setup: setup.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(request.param, tmp_path_factory.mktemp(request.param.name)) as started:
        yield started


@pytest.fixture(params=range(3), ids=lambda number: "across" if number == 0 else f"inside-{number}")
def mount(request: pytest.FixtureRequest, server: Server) -> str:
    """Each place of `ADAPTED` in turn."""
    number: int = request.param
    return ADAPTED[server.setup.name][number]


def token(mount: str) -> str:
    return mount.strip("/").replace("/", "-")


def streaming(connection: Connection, target: str) -> HTTPResponse:
    """The answer to a request, its head read."""
    connection.send(request("GET", target))
    response = HTTPResponse(connection.socket, method="GET")
    response.begin()
    return response


def wait_until_free(server: Server) -> None:
    """Return when no stream is held any more, which is soon after its application has been closed."""
    deadline = time.monotonic() + FREED
    while exchange(server.port, request("GET", "/gauges")).json()["streams"]:
        assert time.monotonic() < deadline, "streams are still held"
        time.sleep(0.02)


# Bodies


def memory(process: int, name: str) -> int:
    """A line of the process's status, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


def upload(server: Server, target: str, size: int) -> list[str]:
    """Send zeros; how many came, and their checksum."""
    with Connection(server.port) as connection:
        connection.send(request("POST", target, b"", {"Content-Length": str(size)}))
        block = bytes(MIB)
        for _ in range(size // MIB):
            connection.send(block)
        return connection.answer("POST").body.decode().split()


def test_an_upload_is_streamed_in_little_memory(server: Server) -> None:
    """M-02, M-11."""
    mount = ADAPTED[server.setup.name][0]
    process = int(exchange(server.port, request("GET", f"{mount}/")).body.split()[2])
    for _ in range(4):  # buffers, threads and allocators as they are after some requests
        upload(server, f"{mount}/size", 8 * MIB)
    warmed = memory(process, "VmRSS")
    Path(f"/proc/{process}/clear_refs").write_text("5")  # VmHWM begins anew
    assert upload(server, f"{mount}/size", UPLOAD) == [str(UPLOAD), str(zlib.crc32(bytes(UPLOAD)))]
    assert memory(process, "VmHWM") - warmed <= GROWTH


def test_a_chunked_body_comes_whole(server: Server, mount: str) -> None:
    """M-03."""
    content = os.urandom(100_000)
    pieces = [content[start : start + 777] for start in range(0, len(content), 777)]
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    answer = exchange(server.port, request("POST", f"{mount}/size", body, CHUNKED))
    assert answer.body.decode().split() == [str(len(content)), str(zlib.crc32(content))]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_upload_that_is_broken_off_is_an_error_to_the_application(server: Server, mount: str, framing: str) -> None:
    """M-04: not the end of the body, and not a wait for ever."""
    place = f"{token(mount)}-{framing}"
    fields = CHUNKED if framing == "chunked" else {"Content-Length": "1000000"}
    with Connection(server.port) as connection:
        connection.send(request("POST", f"{mount}/broken/{place}", b"", fields))
        connection.send(b"3e8\r\n" + b"x" * 1000 + b"\r\n" if framing == "chunked" else b"x" * 1000)
        connection.socket.shutdown(socket.SHUT_WR)
        server.wait_for_notes(f"broken/{place}", 1)
    assert [path.name for path in (server.directory / "broken" / place).iterdir()] == ["error"]


# Clients that leave


def test_abandoned_streams_free_their_threads(server: Server, mount: str) -> None:
    """M-05, M-06, M-12: all that may run at once are abandoned, three times over; the next request is answered."""
    place = token(mount)
    for begun in range(0, ABANDONED, STREAMS):
        with ExitStack() as stack:
            for _ in range(STREAMS):
                connection = stack.enter_context(Connection(server.port))
                response = stack.enter_context(streaming(connection, f"{mount}/endless/{place}"))
                assert response.status == 200
                assert response.read1(10)
        server.wait_for_notes(f"closed/{place}", begun + STREAMS)
        wait_until_free(server)
    with Connection(server.port) as connection, streaming(connection, f"{mount}/endless/{place}") as response:
        assert response.status == 200
        assert response.read1(10)
    assert exchange(server.port, request("GET", f"{mount}/")).status == 200
    wait_until_free(server)


# What runs at once, and what goes on


def test_as_many_requests_run_at_once_as_the_application_has_threads(server: Server, mount: str) -> None:
    """M-08: nobody is answered before all of them are inside."""
    asked = request("GET", f"{mount}/meet/{token(mount)}")
    with ThreadPoolExecutor(THREADS) as clients:
        answers = list(clients.map(lambda _: exchange(server.port, asked), range(THREADS)))
    assert [answer.body for answer in answers] == [b"met"] * THREADS


def of_asgi(mount: str) -> str:
    if mount.endswith("wsgi"):
        pytest.skip("the ASGI application's affair")
    return mount


def next_event(response: HTTPResponse) -> bytes:
    got = b""
    while not got.endswith(b"\n\n"):
        got += response.read1()
    return got


def test_events_come_one_by_one(server: Server, mount: str) -> None:
    """M-16: each only after the one before has been seen."""
    events, release = f"{of_asgi(mount)}/events/one", request("GET", f"{mount}/release/one")
    with Connection(server.port) as connection, streaming(connection, events) as response:
        assert response.getheader("content-type") == "text/event-stream"
        for number in range(3):
            assert next_event(response) == b"data: %d\n\n" % number
            assert exchange(server.port, release).body == b"released"
        assert response.read() == b""


def test_more_streams_than_there_may_be_are_refused(server: Server, mount: str) -> None:
    """M-16: where each holds a thread of the application's: neither on a loop nor on a server's own thread."""
    if mount.endswith(server.setup.door):
        pytest.skip("no thread of the application's is held")
    place = f"many-{token(mount)}"
    with ExitStack() as stack:
        for _ in range(STREAMS):
            connection = stack.enter_context(Connection(server.port))
            response = stack.enter_context(streaming(connection, f"{mount}/endless/{place}"))
            assert response.status == 200
        refused = exchange(server.port, request("GET", f"{mount}/endless/{place}"))
        assert (refused.status, refused.header("retry-after")) == (503, "1")
        assert exchange(server.port, request("GET", f"{mount}/")).status == 200
    wait_until_free(server)


def test_silent_streams_that_are_abandoned_free_their_threads(server: Server, mount: str) -> None:
    """M-12, M-16: though nothing is sent that could fail."""
    events = f"{of_asgi(mount)}/events/silent"
    with ExitStack() as stack:
        for _ in range(STREAMS):
            connection = stack.enter_context(Connection(server.port))
            assert next_event(stack.enter_context(streaming(connection, events))) == b"data: 0\n\n"
    wait_until_free(server)


@pytest.mark.parametrize("path", ["/asgi", "/inside/asgi"])
def test_work_after_the_answer_holds_nobody_up(path: str, tmp_path: Path) -> None:
    """One sync worker answers the next request while the application goes on after the one before."""
    with running(Setup("gunicorn", "wsgi", f"{GUNICORN} --workers 1"), tmp_path) as server:
        assert exchange(server.port, request("GET", f"{path}/background/late")).body == b"answered"
        assert not (tmp_path / "background").exists()
        assert exchange(server.port, request("GET", f"{path}/release/late")).body == b"released"
        server.wait_for_notes("background/late", 1)


def test_mounts_work_in_a_process_that_was_forked_after_their_use(tmp_path: Path) -> None:
    """``--preload``, M-11: each process starts and stops the mounted application once."""
    preload = Setup("gunicorn", "wsgi", f"{GUNICORN} --threads 4 --preload", environment={"MOUNTED_EARLY": "1"})
    with running(preload, tmp_path) as server:
        for path in ("/wsgi", "/asgi", "/inside/wsgi", "/inside/asgi"):
            answer = exchange(server.port, request("GET", f"{path}/x"))
            assert answer.body.split()[:2] == [path.encode(), b"/x"]
            process = int(answer.body.split()[2])
        server.terminate()
        assert server.wait() == 0
    mounts = 2
    started, stopped = server.counts("started"), server.counts("stopped")
    assert set(started.values()) == {mounts}
    assert started[str(process)] == mounts
    assert stopped[str(process)] == mounts
