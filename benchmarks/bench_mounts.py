"""Applications of the other protocol behind this one's adapters, beside a2wsgi and asgiref.

What a request costs: a Flask view that answers a short text, called by its own protocol on one thread, and behind
ASGI by each adapter, on one event loop; the same for a Starlette route, which on a loop is at home, and behind WSGI
(asgiref has no adapter for that). Each is asked by one client and by 32 at a time, in turns, in one process. Shown are
the microseconds a request that the processors work for the whole process, the median, the least and the most of all
rounds; how much the median is more than the application's own; how that compares to ours; and the median by the wall
clock, which other processes make longer. Beside the adapters stand handlers of this framework's own: one that does
nothing, whose way over a thread or a loop no adapter can save, and one that calls the application by itself.

How many are served at once: 200 requests together, each of which takes 0.3 s, with 40 threads; a2wsgi has 10 by
default, and asgiref one, so that it is given 20 requests.

What a large body takes: 1 GiB up and 1 GiB down through uvicorn to a WSGI application, through gunicorn to an ASGI
application, as real processes: by how much the server grew beyond what it had after a few bodies of 8 MiB (VmHWM, MiB),
and MiB per second.
"""

from __future__ import annotations

import asyncio
import io
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import a2wsgi
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from duoframe import App

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from asgiref.wsgi import WsgiToAsgi

ROUNDS = 15
CALLS = 320
CLIENTS = 32
THREADS = 40
CROWD = 200
TAKES = 0.3
MIB = 1024 * 1024
SIZE = int(os.environ.get("BENCH_MOUNTS_MIB", "1024")) * MIB
WARM = 8 * MIB
BLOCK = bytes(65536)

Cost = tuple[float, float]
"""Seconds of the processors, and of the clock."""
Figures = dict[str, list[Cost]]

# What is mounted.

flask = Flask(__name__)


@flask.get("/")
def short() -> str:
    return "Hello"


@flask.get("/slow")
def slow() -> str:
    time.sleep(TAKES)
    return "Hello"


async def short_later(request: Any) -> PlainTextResponse:
    return PlainTextResponse("Hello")


async def slow_later(request: Any) -> PlainTextResponse:
    await asyncio.sleep(TAKES)
    return PlainTextResponse("Hello")


starlette = Starlette(routes=[Route("/", short_later), Route("/slow", slow_later)])


def bodies(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Counts what comes up, or sends `SIZE` bytes down."""
    if environ["REQUEST_METHOD"] == "POST":
        total = 0
        while chunk := environ["wsgi.input"].read(len(BLOCK)):
            total += len(chunk)
        start_response("200 OK", [])
        return [b"%d %d" % (os.getpid(), total)]
    start_response("200 OK", [])
    return (BLOCK for _ in range(int(environ["QUERY_STRING"]) // len(BLOCK)))


async def bodies_later(scope: Any, receive: Any, send: Any) -> None:
    """The same."""
    if scope["type"] != "http":
        return
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["method"] == "POST":
        total, more = 0, True
        while more:
            message = await receive()
            total += len(message["body"])
            more = message.get("more_body", False)
        await send(start)
        await send({"type": "http.response.body", "body": b"%d %d" % (os.getpid(), total)})
        return
    await send(start)
    for _ in range(int(scope["query_string"]) // len(BLOCK)):
        await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def mounting(application: Any) -> App:
    app = App(threads=THREADS)
    app.mount("/", application)
    return app


wsgi_by_ours, asgi_by_ours = mounting(bodies), mounting(bodies_later)
wsgi_by_a2wsgi, asgi_by_a2wsgi = a2wsgi.WSGIMiddleware(bodies), a2wsgi.ASGIMiddleware(bodies_later)

own = App(threads=THREADS)


@own.get("/")
def own_short() -> str:
    return "Hello"


@own.get("/later")
async def own_short_later() -> str:
    return "Hello"


@own.get("/flask")
def own_with_flask() -> str:
    call_wsgi(flask)
    return "Hello"


@own.get("/starlette")
async def own_with_starlette() -> str:
    await call_asgi(starlette)
    return "Hello"


# What a request costs.


def call_wsgi(app: Any, path: str = "/") -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "example.org",
        "HTTP_USER_AGENT": "bench",
        "HTTP_ACCEPT": "*/*",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    statuses: list[str] = []
    answer = app(environ, lambda status, headers, exc_info=None: statuses.append(status))
    body = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    if statuses[0][:3] != "200" or body != b"Hello":
        raise RuntimeError(f"{app} answered {statuses} {body!r}")


async def call_asgi(app: Any, path: str = "/") -> None:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
    }
    messages = [{"type": "http.request", "body": b"", "more_body": False}]
    answer: list[bytes] = []
    ended = asyncio.Event()

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answer.append(message.get("body", b""))

    await app(scope, receive, send)
    if b"".join(answer) != b"Hello":
        raise RuntimeError(f"{app} answered {answer}")


def now() -> Cost:
    return time.process_time(), time.perf_counter()


def since(began: Cost, requests: int) -> Cost:
    """What each of so many requests has taken."""
    ended = now()
    return (ended[0] - began[0]) / requests, (ended[1] - began[1]) / requests


async def by_asgi(app: Any, path: str = "/", clients: int = 1) -> Cost:
    """What a request takes, asked by so many clients on this loop."""

    async def many() -> None:
        for _ in range(CALLS // clients):
            await call_asgi(app, path)

    began = now()
    await asyncio.gather(*(many() for _ in range(clients)))
    return since(began, CALLS // clients * clients)


def by_wsgi(app: Any, path: str, clients: int, pool: ThreadPoolExecutor) -> Cost:
    """The same, each client on a thread of its own, as a server's."""

    def many(_: int) -> None:
        for _ in range(CALLS // clients):
            call_wsgi(app, path)

    began = now()
    list(pool.map(many, range(clients)))
    return since(began, CALLS // clients * clients)


async def behind_asgi(found: Figures, clients: int) -> None:
    contenders = {
        "duoframe": (mounting(flask), "/"),
        "a2wsgi": (a2wsgi.WSGIMiddleware(flask), "/"),
        "asgiref": (WsgiToAsgi(flask), "/"),
        "own handler": (own, "/"),
        "own handler calls Flask": (own, "/flask"),
    }
    with ThreadPoolExecutor(1) as pool:
        for number in range(ROUNDS + 1):
            for name, (app, path) in contenders.items():
                cost = await by_asgi(app, path, clients)
                found.setdefault(name, []).extend([cost] if number else [])  # the first is to warm up
            found.setdefault("alone", []).append(by_wsgi(flask, "/", 1, pool))


def behind_wsgi(found: Figures, clients: int) -> None:
    contenders: dict[str, Any] = {
        "duoframe": (mounting(starlette), "/"),
        "a2wsgi": (a2wsgi.ASGIMiddleware(starlette), "/"),
        "own handler": (own, "/later"),
        "own handler calls Starlette": (own, "/starlette"),
    }
    with ThreadPoolExecutor(clients) as pool:
        for number in range(ROUNDS + 1):
            for name, (app, path) in contenders.items():
                cost = by_wsgi(app, path, clients, pool)
                found.setdefault(name, []).extend([cost] if number else [])
            found.setdefault("alone", []).append(asyncio.run(by_asgi(starlette)))
    contenders["duoframe"][0].shutdown()


def show(title: str, clients: int, found: Figures) -> None:
    asked = "one client" if clients == 1 else f"{clients} clients"
    print(f"\n{title}, {asked} (us a request)")
    print(f"{'':30}{'median':>9}{'lowest':>9}{'highest':>9}{'on top':>9}{'ratio':>8}{'clock':>9}")
    medians = {name: statistics.median(cost[0] for cost in costs) for name, costs in found.items()}
    for name, costs in found.items():
        worked, more = sorted(cost[0] for cost in costs), medians[name] - medians["alone"]
        clock = statistics.median(cost[1] for cost in costs)
        line = f"  {name:28}{medians[name] * 1e6:9.0f}{worked[0] * 1e6:9.0f}{worked[-1] * 1e6:9.0f}"
        ratio = more / (medians["duoframe"] - medians["alone"])
        beside = f"{more * 1e6:9.0f}{ratio:7.1f}x" if name != "alone" else " " * 17
        print(f"{line}{beside}{clock * 1e6:9.0f}")


# How many are served at once.


async def crowd(app: Any, size: int) -> float:
    started = time.perf_counter()
    await asyncio.gather(*(call_asgi(app, "/slow") for _ in range(size)))
    return time.perf_counter() - started


def crowd_of_threads(app: Any, size: int) -> float:
    with ThreadPoolExecutor(size) as pool:
        started = time.perf_counter()
        list(pool.map(lambda _: call_wsgi(app, "/slow"), range(size)))
        return time.perf_counter() - started


def at_once() -> None:
    print(f"\n{CROWD} requests of {TAKES} s together, in seconds")
    few = CROWD // 10
    behind: dict[str, Any] = {
        f"Flask behind ASGI, duoframe, {THREADS} threads": (mounting(flask), CROWD),
        "Flask behind ASGI, a2wsgi, 10 threads": (a2wsgi.WSGIMiddleware(flask), CROWD),
        f"Flask behind ASGI, a2wsgi, {THREADS} threads": (a2wsgi.WSGIMiddleware(flask, workers=THREADS), CROWD),
        f"Flask behind ASGI, asgiref, {few} requests": (WsgiToAsgi(flask), few),
    }
    for name, (app, size) in behind.items():
        print(f"  {name:44}{asyncio.run(crowd(app, size)):6.2f}")
    ours = mounting(starlette)
    print(f"  {'Starlette behind WSGI, duoframe':44}{crowd_of_threads(ours, CROWD):6.2f}")
    ours.shutdown()
    print(f"  {'Starlette behind WSGI, a2wsgi':44}{crowd_of_threads(a2wsgi.ASGIMiddleware(starlette), CROWD):6.2f}")


# What a large body takes.

SERVERS = {
    "uvicorn, WSGI by duoframe": "uvicorn --log-level warning --port {port} bench_mounts:wsgi_by_ours",
    "uvicorn, WSGI by a2wsgi": "uvicorn --log-level warning --port {port} bench_mounts:wsgi_by_a2wsgi",
    "gunicorn, ASGI by duoframe": "gunicorn --no-control-socket --threads 4 --timeout 600 --bind 127.0.0.1:{port}"
    " bench_mounts:asgi_by_ours",
    "gunicorn, ASGI by a2wsgi": "gunicorn --no-control-socket --threads 4 --timeout 600 --bind 127.0.0.1:{port}"
    " bench_mounts:asgi_by_a2wsgi",
}


def upload(port: int, size: int) -> tuple[int, int]:
    """Send so many bytes; the server's process, and how many came."""
    block = bytes(MIB)
    with socket.create_connection(("127.0.0.1", port), 600) as connection:
        head = f"POST / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
        connection.sendall(head.encode())
        for _ in range(size // MIB):
            connection.sendall(block)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    content = answer.partition(b"\r\n\r\n")[2]
    if b"chunked" in answer:
        content = content.split(b"\r\n")[1]
    process, total = content.split()
    return int(process), int(total)


def download(port: int, size: int) -> int:
    """Ask for so many bytes; at least how many came, the head and the chunks' own among them."""
    taken, buffer = 0, bytearray(MIB)
    with socket.create_connection(("127.0.0.1", port), 600) as connection:
        connection.sendall(f"GET /?{size} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n".encode())
        while count := connection.recv_into(buffer):
            taken += count
    return taken


def memory(process: int, name: str) -> int:
    """A line of the process's status, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


@contextmanager
def serving(command: str) -> Iterator[int]:
    """A server, with its port; ended with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    program, *options = command.format(port=port).split()
    here = Path(__file__).parent
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            [f"{sysconfig.get_path('scripts')}/{program}", *options],
            cwd=here,
            env={**os.environ, "PYTHONPATH": str(here.parent)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            for _ in range(200):
                try:
                    upload(port, MIB)
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


def large_bodies() -> None:
    print(f"\n{SIZE // MIB} MiB{'':24}{'MiB/s':>9}{'grew, MiB':>12}")
    for name, command in SERVERS.items():
        with serving(command) as port:
            for _ in range(4):
                process, _ = upload(port, WARM)
                download(port, WARM)
            for way in ("up", "down"):
                warmed = memory(process, "VmRSS")
                Path(f"/proc/{process}/clear_refs").write_text("5")  # VmHWM begins anew
                started = time.perf_counter()
                taken = upload(port, SIZE)[1] if way == "up" else download(port, SIZE)
                seconds = time.perf_counter() - started
                if taken < SIZE:
                    raise RuntimeError(f"{name}: {taken} bytes of {SIZE} came {way}")
                grown = (memory(process, "VmHWM") - warmed) / MIB
                print(f"  {name + ', ' + way:32}{SIZE / MIB / seconds:9.0f}{grown:12.1f}")


def main() -> None:
    packages = ("duoframe", "a2wsgi", "asgiref", "flask", "starlette", "uvicorn", "gunicorn")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    print(f"Python {platform.python_version()}, {versions}")
    print(f"{os.cpu_count()} cores, load {load} at the beginning, {ROUNDS} rounds of {CALLS} requests in turns")
    for clients in (1, CLIENTS):
        figures: Figures = {}
        asyncio.run(behind_asgi(figures, clients))
        show("Flask behind ASGI", clients, figures)
    for clients in (1, CLIENTS):
        figures = {}
        behind_wsgi(figures, clients)
        show("Starlette behind WSGI", clients, figures)
    own.shutdown()
    at_once()
    large_bodies()


if __name__ == "__main__":
    main()
