"""What an ASGI stream without an end needs beside its own chunks: heartbeats, and an end when the server stops.

Knows one answer and the clock; must not know what makes the chunks. `outgoing` sends the answer, `signals` tells of the
server. The WSGI door needs none of this: there the server's thread looks at the clock by itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio

from duoframe.bridge import Cancellable, Loop
from duoframe.errors import ClientDisconnect
from duoframe.relay import End
from duoframe.responses import Heartbeat
from duoframe.signals import Listener

PATIENCE = 1.0
"""Seconds that a client may take for the end of an answer when the server stops."""


class Live:
    """Looks after one answer: ``put`` sends a chunk of it, and is never called twice at one time."""

    def __init__(self, heartbeat: Heartbeat, put: Callable[[bytes], Awaitable[None]], loop: Loop) -> None:
        self.beating = False
        """Whether what is sent at this moment is a heartbeat."""
        self._heartbeat = heartbeat
        self._put = put
        self._loop = loop
        self._sent = anyio.current_time()
        self._under_way: Any = None  # what `send` waits for; no anyio.Lock, which leaves cyclic garbage when cancelled
        self._failed = End()
        self._stopped = False
        self._task: Cancellable | None = None
        self._listener: Listener | None = None

    def begin(self, leave: Callable[[], object]) -> None:
        """Start the heartbeats, and have ``leave`` called when one fails or when the server stops."""
        self._task = self._loop.spawn(self._run(leave))
        self._listener = Listener(self._loop, partial(self._stop, leave))

    def end(self) -> None:
        """Leave the answer alone."""
        if self._task is not None:
            self._task.cancel()
        if self._listener is not None:
            self._listener.close()
        self._task = self._listener = None

    async def send(self, chunk: bytes) -> None:
        """Send a chunk, after one that is under way."""
        while self._under_way is not None:
            await self._under_way
        self._under_way = under_way = self._loop.waiter()
        try:
            await self._put(chunk)
        finally:
            self._sent = anyio.current_time()
            self._under_way = None
            if not under_way.done():
                under_way.set_result(None)

    async def conclude(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Have the answer end, after what is under way. Raises what a heartbeat failed with."""
        self._failed.reraise()
        if self._stopped:
            await self.finish(finish)
        else:
            await self._finish(finish)

    async def finish(self, finish: Callable[[], Awaitable[None]]) -> None:
        """Have the answer end soon or not at all, also where this task is cancelled already: the server stops."""
        with contextlib.suppress(ClientDisconnect), anyio.move_on_after(PATIENCE, shield=True):
            await self._finish(finish)

    async def _finish(self, finish: Callable[[], Awaitable[None]]) -> None:
        while self._under_way is not None:
            await self._under_way
        self.end()
        await finish()

    async def _run(self, leave: Callable[[], object]) -> None:
        try:
            await self._beat()
        except Exception as error:
            self._failed.error = error
            leave()

    async def _beat(self) -> None:
        silence = self._heartbeat.first
        due = self._sent + silence
        while True:
            await anyio.sleep_until(due)
            now = anyio.current_time()
            if self._under_way is not None:  # a client that takes its time over a chunk is not waiting for the next
                due = now + silence
                continue
            if self._sent + silence <= now:
                self.beating = True
                try:
                    await self.send(self._heartbeat.chunk)
                finally:
                    self.beating = False
            silence = self._heartbeat.seconds
            due = self._sent + silence

    def _stop(self, leave: Callable[[], object]) -> None:
        self._stopped = True
        leave()
