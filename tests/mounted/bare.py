"""A WSGI and an ASGI application without a framework, mounted: for what only servers and clients can bring about.

What has to be seen from outside of the process is a file (`tests/servers/notes.py`).
"""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections.abc import Iterable, Iterator

from duoframe import App, Request, inline
from duoframe.testing import exchange
from duoframe.types import Environ, Receive, Scope, Send, StartResponse
from tests.servers.notes import DEADLINE, POLL, note, wait_for
from tests.servers.table import STREAMS, THREADS

BLOCK = 65536


def old(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The WSGI application."""
    kind, _, token = environ["PATH_INFO"].strip("/").partition("/")
    if kind == "broken":
        return [broken(environ, token)]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if kind == "endless":
        return endless(token)
    if kind == "size":
        return [size(environ)]
    if kind == "meet":
        note(f"meet/{token}")
        return [b"met" if wait_for(THREADS, f"meet/{token}") >= THREADS else b"alone"]
    return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {os.getpid()}".encode()]


def size(environ: Environ) -> bytes:
    total = checksum = 0
    while chunk := environ["wsgi.input"].read(BLOCK):
        total += len(chunk)
        checksum = zlib.crc32(chunk, checksum)
    return f"{total} {checksum}".encode()


def broken(environ: Environ, token: str) -> bytes:
    """Read a body of which not all comes, and note what that is like."""
    try:
        size(environ)
    except OSError:
        note(f"broken/{token}/error")
        raise
    note(f"broken/{token}/whole")
    raise RuntimeError("expected an error of the body, got its end")


def endless(token: str) -> Iterator[bytes]:
    try:
        while True:
            yield b"on and on " * 100
            time.sleep(POLL)
    finally:
        note(f"closed/{token}")


class New:
    """The ASGI application."""

    def __init__(self) -> None:
        self.released: dict[str, asyncio.Event] = {}
        self.starts = 0
        self.guests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
            return
        path = scope["path"].removeprefix(scope["root_path"])
        kind, _, token = path.strip("/").partition("/")
        work = getattr(self, kind, None)
        if work is not None:
            await work(token, receive, send)
        else:
            await self.answer(send, f"{scope['root_path']} {path} {os.getpid()} {self.starts}".encode())

    async def live(self, receive: Receive, send: Send) -> None:
        await receive()
        self.starts += 1
        note(f"started/{os.getpid()}")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        note(f"stopped/{os.getpid()}")
        await send({"type": "lifespan.shutdown.complete"})

    async def size(self, token: str, receive: Receive, send: Send) -> None:
        total, checksum, more = 0, 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ConnectionAbortedError("the client left")
            total += len(message.get("body", b""))
            checksum = zlib.crc32(message.get("body", b""), checksum)
            more = message.get("more_body", False)
        await self.answer(send, f"{total} {checksum}".encode())

    async def broken(self, token: str, receive: Receive, send: Send) -> None:
        try:
            await self.size(token, receive, send)
        except ConnectionAbortedError:
            note(f"broken/{token}/error")
            raise
        note(f"broken/{token}/whole")

    async def endless(self, token: str, receive: Receive, send: Send) -> None:
        await self.begin(send)
        try:
            while True:
                await send({"type": "http.response.body", "body": b"on and on " * 100, "more_body": True})
                await asyncio.sleep(POLL)
        finally:
            note(f"closed/{token}")

    async def events(self, token: str, receive: Receive, send: Send) -> None:
        """One event, and another each time somebody asks for it."""
        await self.begin(send, b"text/event-stream")
        event = self.event(token)
        try:
            for number in range(3):
                body = b"data: %d\n\n" % number
                await send({"type": "http.response.body", "body": body, "more_body": True})
                await asyncio.wait_for(event.wait(), DEADLINE)
                event.clear()
            await send({"type": "http.response.body"})
        finally:
            note(f"closed/{token}")

    async def release(self, token: str, receive: Receive, send: Send) -> None:
        self.event(token).set()
        await self.answer(send, b"released")

    async def background(self, token: str, receive: Receive, send: Send) -> None:
        """Answer, and go on until somebody releases it."""
        await self.answer(send, b"answered")
        await asyncio.wait_for(self.event(token).wait(), DEADLINE)
        note(f"background/{token}")

    async def meet(self, token: str, receive: Receive, send: Send) -> None:
        self.guests += 1
        if self.guests == THREADS:
            self.event("everybody").set()
        await asyncio.wait_for(self.event("everybody").wait(), DEADLINE)
        await self.answer(send, b"met")

    def event(self, token: str) -> asyncio.Event:
        return self.released.setdefault(token, asyncio.Event())

    async def begin(self, send: Send, kind: bytes = b"text/plain") -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})

    async def answer(self, send: Send, body: bytes) -> None:
        await self.begin(send)
        await send({"type": "http.response.body", "body": body})


@inline
def layer(request: Request) -> Iterator[None]:
    """Keeps a server from calling an application of its own kind directly."""
    yield


app = App(threads=THREADS, streams=STREAMS)


@app.get("/gauges")
def gauges() -> dict[str, int]:
    return app.gauges()


app.mount("/wsgi", old)
app.mount("/asgi", New())
app.mount("/inside/wsgi", old, middleware=[layer])
app.mount("/inside/asgi", New(), middleware=[layer])

if "MOUNTED_EARLY" in os.environ:  # what a gunicorn master does when its configuration touches the app before it forks
    for path in (b"/wsgi/", b"/asgi/", b"/inside/asgi/"):
        early = exchange(app, "wsgi", "GET", path)
        if early.status != 200:
            raise RuntimeError(f"the master got {early.status} for GET {path!r}")
