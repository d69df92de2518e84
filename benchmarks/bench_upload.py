"""Uploads of 1 GiB: what they take of a server's memory and of its event loop.

One worker of gunicorn (gthread) and one of uvicorn serve this file's app as real processes on this machine. To each
route, `def` and `async def`, one client sends 1 GiB: raw to ``request.stream``, as one multipart file to
``request.stream.parts()`` and to ``request.files``, whose limits are raised. Before each, 16 MiB go to the same route
four times to warm it. Printed, of two rounds: MiB per second at best; by how much the process grew at most (VmHWM over
what it had when warmed, MiB); and the longest time that the event loop was late for a timer of 5 ms in the better
round (the portal's under gunicorn), in ms. Client and server share the cores of the machine, and what else runs there
makes the loop late too: beside it stands how late an idle process was meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import platform
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from duoframe import App, Limits, Request

MIB = 1024 * 1024
SIZE = int(os.environ.get("BENCH_UPLOAD_MIB", "1024")) * MIB
WARM = 16 * MIB
THREADS = 4
ROUNDS = 2
TICK = 0.005

app = App(limits=Limits(max_body_size=None))
late = 0.0


@app.lifespan
async def watch_the_loop(app: App) -> AsyncIterator[None]:
    async def watch() -> None:
        global late
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late = max(late, time.perf_counter() - due)

    task = asyncio.create_task(watch())
    yield
    task.cancel()


@app.get("/late")
def lateness() -> list[float]:
    """The process, and how late its loop was at most since it was last asked."""
    global late
    found, late = late, 0.0
    return [os.getpid(), found]


@app.post("/stream", stream=True)
def stream(request: Request) -> int:
    return sum(len(chunk) for chunk in request.stream)


@app.post("/async/stream", stream=True)
async def stream_later(request: Request) -> int:
    total = 0
    async for chunk in request.stream:
        total += len(chunk)
    return total


@app.post("/parts", stream=True)
def parts(request: Request) -> int:
    return sum(len(chunk) for part in request.stream.parts() for chunk in part)


@app.post("/async/parts", stream=True)
async def parts_later(request: Request) -> int:
    total = 0
    async for part in request.stream.parts():
        async for chunk in part:
            total += len(chunk)
    return total


@app.post("/files")
def files(request: Request) -> int:
    return sum(len(chunk) for chunk in request.files["up"])


@app.post("/async/files")
async def files_later(request: Request) -> int:
    total = 0
    async for chunk in request.files["up"]:
        total += len(chunk)
    return total


IDLE = f"""
import select, sys, time
late = 0.0
while True:
    due = time.perf_counter() + {TICK}
    if not select.select([sys.stdin], [], [], {TICK})[0]:
        late = max(late, time.perf_counter() - due)
    elif sys.stdin.readline():
        print(late, flush=True)
        late = 0.0
    else:
        break
"""
"""A process that does nothing but look at its own lateness."""

HEAD = b'--frontier\r\nContent-Disposition: form-data; name="up"; filename="up"\r\n\r\n'
TAIL = b"\r\n--frontier--\r\n"
ROUTES = [f"{colour}/{kind}" for kind in ("stream", "parts", "files") for colour in ("", "/async")]
COMMANDS = {
    "gunicorn gthread": ["gunicorn", "--no-control-socket", "--threads", str(THREADS), "--timeout", "600", "--bind"],
    "uvicorn": ["uvicorn", "--log-level", "warning", "--port"],
}


def ask(port: int, method: str, path: str, size: int = 0) -> bytes:
    """Send a request with ``size`` bytes of content; the body of its answer."""
    head, tail = (b"", b"") if path.endswith("stream") or not size else (HEAD, TAIL)
    block = b"x" * MIB
    with socket.create_connection(("127.0.0.1", port), 600) as connection:
        connection.sendall(
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary=frontier\r\n"
            f"Content-Length: {len(head) + size + len(tail)}\r\n\r\n".encode()
            + head
        )
        for _ in range(size // MIB):
            connection.sendall(block)
        connection.sendall(tail)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    status, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " not in status.partition(b"\r\n")[0]:
        raise RuntimeError(f"{path} answered {answer[:300]!r}")
    return body


def memory(process: int, name: str) -> int:
    """A line of the process's status, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


@contextmanager
def serving(name: str) -> Iterator[int]:
    """A server of `app`, with its port; ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    program, *options = COMMANDS[name]
    place = f"127.0.0.1:{port}" if "--bind" in options else str(port)
    command = [f"{sysconfig.get_path('scripts')}/{program}", *options, place, "bench_upload:app"]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command, cwd=Path(__file__).parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
        try:
            for _ in range(200):
                try:
                    ask(port, "GET", "/late")
                    break
                except OSError:
                    time.sleep(0.05)
            yield port
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()


def lateness_of(idle: subprocess.Popen[str]) -> float:
    """How late the idle process was since it was last asked, in seconds."""
    if idle.stdin is None or idle.stdout is None:
        raise RuntimeError("the idle process has no pipes")
    print(file=idle.stdin, flush=True)
    return float(idle.stdout.readline())


def measured(port: int, path: str, idle: subprocess.Popen[str]) -> tuple[float, float, float, float]:
    """One upload: MiB per second, growth in MiB, lateness of the server's loop and of the idle process in ms."""
    for _ in range(THREADS):  # each of gunicorn's threads has memory of its own
        ask(port, "POST", path, WARM)
    process = int(ask(port, "GET", "/late").strip(b"[]").split(b",")[0])
    warmed = memory(process, "VmRSS")
    Path(f"/proc/{process}/clear_refs").write_text("5")  # VmHWM begins anew
    lateness_of(idle)
    started = time.perf_counter()
    taken = int(ask(port, "POST", path, SIZE))
    seconds = time.perf_counter() - started
    if taken != SIZE:
        raise RuntimeError(f"{path} took {taken} bytes of {SIZE}")
    grown = memory(process, "VmHWM") - warmed
    lateness = float(ask(port, "GET", "/late").strip(b"[]").split(b",")[1])
    return SIZE / MIB / seconds, grown / MIB, lateness * 1e3, lateness_of(idle) * 1e3


def main() -> None:
    packages = ", ".join(f"{name} {version(name)}" for name in ("duoframe", "multipart", "gunicorn", "uvicorn"))
    print(f"Python {platform.python_version()}, {packages}, {os.cpu_count()} cores, {SIZE // MIB} MiB an upload")
    print(f"\n{'':34}{'MiB/s':>8}{'grew, MiB':>12}{'late, ms':>11}{'idle, ms':>11}")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", IDLE], **pipes) as idle:
        for name in COMMANDS:
            with serving(name) as port:
                for path in ROUTES:
                    rounds = [measured(port, path, idle) for _ in range(ROUNDS)]
                    speed, grown, late, other = zip(*rounds, strict=True)
                    print(
                        f"{name + ' ' + path:34}{max(speed):8.0f}{max(grown):12.1f}{min(late):11.1f}{min(other):11.1f}"
                    )


if __name__ == "__main__":
    main()
