"""Streams of events on real servers: what a client sees of a silent one, and of a server that is told to stop."""

import signal
import time
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.servers.process import Server, running
from tests.servers.table import SETUPS, Setup
from tests.servers.wire import Connection, exchange, request

COMMENT = b":\n\n"
TICK = b"data: tick\n\n"
IN_TIME = 15.0
"""Seconds in which a server with open streams of events has ended: less than the 30 s that gunicorn waits."""

PATHS = ["/events", "/async/events"]


def reading(connection: Connection, target: str) -> HTTPResponse:
    """The answer to a request, its head read."""
    connection.send(request("GET", target))
    response = HTTPResponse(connection.socket, method="GET")
    response.begin()
    return response


def until_silence(response: HTTPResponse, comments: int) -> bytes:
    """What has come when a tick and so many comments have."""
    got = b""
    while TICK not in got or got.count(COMMENT) < comments:
        chunk = response.read1()
        assert chunk, f"the stream ended after {got!r}"
        got += chunk
    return got


def until_the_end(response: HTTPResponse, deadline: float) -> bytes:
    """What still comes beside comments. Fails where the end of it does not come in time: comments may for ever."""
    got = b""
    while chunk := response.read1():
        got += chunk
        assert time.monotonic() < deadline, "the stream went on"
    return got.replace(COMMENT, b"")


@pytest.mark.parametrize("path", PATHS)
def test_comments_are_sent_while_the_handler_is_silent(server: Server, path: str) -> None:
    """E-04, E-05, E-09: and once the client has left, the generator is closed."""
    token = f"silent-{path.count('/')}"
    with Connection(server.port) as connection, reading(connection, f"{path}/{token}") as response:
        assert response.getheader("content-type") == "text/event-stream; charset=utf-8"
        assert response.getheader("content-length") is None
        until_silence(response, comments=2)
    if server.setup.together > 1:
        assert exchange(server.port, request("GET", f"/closed/{token}")).json() == {"closed": 1}
    else:
        server.wait_for_notes(f"closed/{token}", 1)


@pytest.mark.parametrize("setup", [setup for setup in SETUPS if setup.ends_events], ids=lambda setup: setup.name)
def test_streams_of_events_end_when_the_server_is_told_to_stop(setup: Setup, tmp_path: Path) -> None:
    """E-08: with a clean end, which http.client tells from a connection that was broken off."""
    with running(setup, tmp_path) as server, Connection(server.port) as one, Connection(server.port) as other:
        streams = [reading(one, "/events/def"), reading(other, "/async/events/async")]
        for stream in streams:
            until_silence(stream, comments=1)
        began = time.monotonic()
        server.terminate()
        assert [until_the_end(stream, began + IN_TIME) for stream in streams] == [b"", b""]
        assert server.wait() in {0, -signal.SIGTERM}
        assert time.monotonic() - began < IN_TIME
        assert server.counts("closed").get("async") == 1
        for stream in streams:
            stream.close()
