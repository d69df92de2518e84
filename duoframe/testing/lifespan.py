"""A server's side of the ASGI lifespan: start-up before the first request, shut-down after the last.

An app that raises before it has taken ``lifespan.startup`` does not support lifespan, which is no fault;
one that raises later has failed, and its exception is raised in the caller.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from anyio import Event, create_memory_object_stream, get_cancelled_exc_class

from duoframe.testing.rules import ProtocolError
from duoframe.testing.task import AppTask
from duoframe.types import Message, Receive, Send

ServeLifespan = Callable[[dict[str, Any], Receive, Send], Awaitable[None]]
"""Runs an app's lifespan with the state it may fill."""


class Lifespan:
    """One run of an app's lifespan, on the running loop."""

    def __init__(self, serve: ServeLifespan, grace: float) -> None:
        self.state: dict[str, Any] = {}
        self._serve = serve
        self._grace = grace
        self._inlet, self._inbox = create_memory_object_stream[Message](2)
        self._taken = self._running = False
        self._answered = Event()
        self._error: BaseException | None = None
        self._task: AppTask | None = None

    async def startup(self) -> None:
        """Return once the app has started or has turned out not to support lifespan; raise when it failed."""
        self._inlet.send_nowait({"type": "lifespan.startup"})
        self._task = AppTask(self._run)
        try:
            await self._answered.wait()
        finally:
            if not self._running:
                await self._task.end(self._grace)
        self._raise()

    async def shutdown(self) -> None:
        """Let the app shut down; raise when that failed, or when the app had ended with an error before."""
        if self._running and self._task is not None and not self._task.ended.is_set():
            self._answered = Event()
            self._inlet.send_nowait({"type": "lifespan.shutdown"})
            try:
                await self._answered.wait()
            finally:
                await self._task.end(self._grace)
        self._raise()

    async def _run(self) -> None:
        try:
            await self._serve(self.state, self._receive, self._send)
        except get_cancelled_exc_class():
            raise
        except BaseException as error:
            if self._taken:
                self._error = error
        finally:
            self._inbox.close()
            self._inlet.close()
            self._answered.set()

    async def _receive(self) -> Message:
        message = await self._inbox.receive()
        self._taken = True
        return message

    async def _send(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self._running = True
            case "lifespan.startup.failed":
                self._error = RuntimeError(f"the app failed to start: {message.get('message', '')}")
            case "lifespan.shutdown.failed":
                self._error = RuntimeError(f"the app failed to shut down: {message.get('message', '')}")
            case "lifespan.shutdown.complete":
                pass
            case other:
                raise ProtocolError(f"expected a lifespan message, the app sent {other!r}")
        self._answered.set()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error
