"""Serve the app beside this file twice, by gunicorn over WSGI and by uvicorn over ASGI, until Ctrl-C.

Exits with 0 when it was told to stop, with 1 when a port is taken or a server ends by itself.
"""

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType

FOLDER = Path(__file__).parent
HOST = "127.0.0.1"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.1


class Signals:
    """Notes that the user, or an init system, asks for the end; raises nowhere, so no child is lost on the way."""

    def __init__(self) -> None:
        self.came = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.note)

    def note(self, number: int, frame: FrameType | None) -> None:
        self.came = True


class Server:
    """One server as a child in a session of its own, so that Ctrl-C reaches it through us alone, and once."""

    def __init__(self, name: str, port: int, *arguments: str) -> None:
        self.name = name
        self.port = port
        command = [sys.executable, "-m", name, *arguments, "app:app"]
        self.process = subprocess.Popen(command, cwd=FOLDER, start_new_session=True)

    def check(self) -> None:
        if (code := self.process.poll()) is not None:
            raise SystemExit(f"{self.name} on port {self.port} ended by itself with exit code {code}")

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/hello/you", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self) -> None:
        """Wait for the end that was asked for, and leave nobody of its session behind."""
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not stop in {STOP_SECONDS:g} seconds and is killed", file=sys.stderr)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # the whole session has ended
        self.process.wait()


def require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise SystemExit(f"cannot listen on {HOST}:{port}: {error.strerror}") from None


def watch(servers: list[Server], signals: Signals) -> None:
    """Print what to try once all answer, then return when a signal came; `SystemExit` when a server fails."""
    waiting = list(servers)
    deadline = time.monotonic() + START_SECONDS
    while not signals.came:
        for server in servers:
            server.check()
        if waiting:
            if waiting[0].answers():
                del waiting[0]
                if not waiting:
                    invite(*servers)
            elif time.monotonic() > deadline:
                raise SystemExit(f"{waiting[0].name} on port {waiting[0].port} gave no answer in {START_SECONDS:g} s")
        time.sleep(POLL_SECONDS)


def invite(wsgi: Server, asgi: Server) -> None:
    print(
        "The same app object under two servers; Ctrl-C stops both. Try:\n"
        f"  curl http://{HOST}:{wsgi.port}/hello/Ada    # {wsgi.name}, WSGI\n"
        f"  curl http://{HOST}:{asgi.port}/later/42     # {asgi.name}, ASGI",
        flush=True,
    )


def serve(wsgi_port: int, asgi_port: int, signals: Signals) -> None:
    quiet = ("--log-level", "warning")
    servers: list[Server] = []
    try:
        gthread = ("--threads", "8", "--no-control-socket")
        servers.append(Server("gunicorn", wsgi_port, "--bind", f"{HOST}:{wsgi_port}", *gthread, *quiet))
        servers.append(Server("uvicorn", asgi_port, "--host", HOST, "--port", str(asgi_port), *quiet))
        watch(servers, signals)
    finally:
        for server in servers:
            server.process.terminate()
        for server in servers:
            server.end()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve one app by gunicorn and by uvicorn.")
    parser.add_argument("--wsgi-port", type=int, default=8000, help="for gunicorn (default: %(default)s)")
    parser.add_argument("--asgi-port", type=int, default=8001, help="for uvicorn (default: %(default)s)")
    ports = parser.parse_args()
    for port in (ports.wsgi_port, ports.asgi_port):
        require_free(port)
    serve(ports.wsgi_port, ports.asgi_port, Signals())
    print("Both have stopped.")


if __name__ == "__main__":
    main()
