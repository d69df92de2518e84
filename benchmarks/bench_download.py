"""A download of 1 GiB from real servers: what it costs in memory, how long the event loop is held, and how fast it is.

A sparse file is taken whole through gunicorn (gthread) and uvicorn from a `def` and an `async def` route, after one
download that warms the server, and in one part (a Range from byte 1 on), which no server sends by itself. Memory is
the resident set of the serving process, sampled every 20 ms; the lag is how much later than asked a timer of 5 ms comes
on the loop of the server (gunicorn: of the portal). Beside it stands how late the sampler's own timer came in the same
seconds, on a thread that has nothing else to do: that much is the machine's. All take turns, `ROUNDS` times.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from duoframe import App, FileResponse

SIZE = 2**30
ROUNDS = 3
TICK = 0.005
MIB = 2**20

SERVERS = {
    "gunicorn": "gunicorn --no-control-socket --threads 4 --bind 127.0.0.1:{port} bench_download:app",
    "uvicorn": "uvicorn --log-level warning --port {port} bench_download:app",
}

app = App()
lags = [0.0]


@app.get("/def")
def served() -> FileResponse:
    return FileResponse(os.environ["SERVED_FILE"])


@app.get("/async def")
async def served_later() -> FileResponse:
    return FileResponse(os.environ["SERVED_FILE"])


@app.get("/lag")
async def lag() -> str:
    """The worst lag of the loop since this was asked last, in milliseconds, and the process that serves."""
    worst = max(lags)
    lags[:] = [0.0]
    return f"{worst * 1e3:.1f} {os.getpid()}"


@app.lifespan
async def watched() -> AsyncIterator[None]:
    async def watch() -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(TICK)
            lags.append(time.perf_counter() - asked - TICK)

    task = asyncio.get_running_loop().create_task(watch())
    yield
    task.cancel()


def resident(pid: int) -> float:
    """MiB of a process that are in memory."""
    _, pages, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / MIB


class Sampler(threading.Thread):
    """Looks at the resident set of a process until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self.peak = 0.0
        self.late = 0.0
        self._pid = pid
        self._over = threading.Event()

    def run(self) -> None:
        asked = time.perf_counter()
        while not self._over.wait(0.02):
            self.late = max(self.late, time.perf_counter() - asked - 0.02)
            self.peak = max(self.peak, resident(self._pid))
            asked = time.perf_counter()

    def stop(self) -> float:
        self._over.set()
        self.join()
        return max(self.peak, resident(self._pid))


def take(port: int, target: str, fields: str = "") -> int:
    """Ask for ``target`` and drop what comes; how many bytes of body did."""
    buffer = memoryview(bytearray(MIB))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"
        connection.sendall(head.replace("/async def", "/async%20def").encode())
        received = bytearray()
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        assert received.split(None, 2)[1] in (b"200", b"206"), received[:200]
        taken = len(received.partition(b"\r\n\r\n")[2])
        while count := connection.recv_into(buffer):
            taken += count
    return taken


def told(port: int) -> tuple[float, int]:
    """The worst lag since the last question, and the process id."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /lag HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            worst, pid = answer.read().rpartition(b"\r\n")[2].split()
    return float(worst), int(pid)


@contextmanager
def running(command: str, file: str) -> Iterator[int]:
    """A server, answering on the port that this gives."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    program, *arguments = command.format(port=port).split()
    here = Path(__file__).parent
    environment = {**os.environ, "SERVED_FILE": file, "PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    path = Path(sysconfig.get_path("scripts"), program)
    server = subprocess.Popen([path, *arguments], env=environment, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                told(port)
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)


def main() -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("duoframe", "gunicorn", "uvicorn"))
    print(f"Python {platform.python_version()}, {packages}, {platform.machine()}, {SIZE // MIB} MiB, {ROUNDS} rounds")
    print(f"{'':34}{'warm':>8}{'peak':>8}{'more':>8}{'lag':>9}{'idle lag':>10}{'median':>10}{'slowest':>10}")
    print(f"{'':34}{'MiB':>8}{'MiB':>8}{'MiB':>8}{'ms':>9}{'ms':>10}{'MiB/s':>10}{'MiB/s':>10}")
    with tempfile.NamedTemporaryFile() as file:
        os.truncate(file.name, SIZE)
        for server, command in SERVERS.items():
            with running(command, file.name) as port:
                measure(server, port)


def measure(server: str, port: int) -> None:
    """Every case in turn, and then its figures."""
    cases = [(route, part) for route in ("/def", "/async def") for part in ("", "Range: bytes=1-\r\n")]
    for route, part in cases:
        take(port, route, part)
    _, pid = told(port)
    speeds: dict[tuple[str, str], list[float]] = {case: [] for case in cases}
    peaks = dict.fromkeys(cases, 0.0)
    worst = dict.fromkeys(cases, 0.0)
    late = dict.fromkeys(cases, 0.0)
    warm = resident(pid)
    for _ in range(ROUNDS):
        for case in cases:
            told(port)
            sampler = Sampler(pid)
            sampler.start()
            began = time.perf_counter()
            taken = take(port, *case)
            speeds[case].append(taken / MIB / (time.perf_counter() - began))
            peaks[case] = max(peaks[case], sampler.stop())
            worst[case] = max(worst[case], told(port)[0])
            late[case] = max(late[case], sampler.late * 1e3)
            assert taken in (SIZE, SIZE - 1), f"{taken} bytes came"
    for case in cases:
        route, part = case
        name = f"{server}, {route[1:]}{', a part' if part else ''}"
        print(
            f"{name:34}{warm:8.1f}{peaks[case]:8.1f}{peaks[case] - warm:8.1f}{worst[case]:9.1f}{late[case]:10.1f}"
            f"{statistics.median(speeds[case]):10.0f}{min(speeds[case]):10.0f}"
        )


if __name__ == "__main__":
    sys.exit(main())
