"""The lifespan of a foreign ASGI application (ASGI lifespan spec 2.0), as one of this application's.

Knows its messages, and the task that it runs in; must not know requests. `lifespan` enters and leaves it in its turn.
"""

from __future__ import annotations

import logging
from typing import Any

from duoframe.bridge import Loop, wake
from duoframe.types import ASGIApp, Message

logger = logging.getLogger("duoframe.error")


class ForeignLifespan:
    """One start and one stop of ``app`` on ``loop``; ``state`` is what it leaves to its requests."""

    def __init__(self, app: ASGIApp, loop: Loop) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._loop = loop
        self._events: list[str] = []
        self._waiter: Any = None  # of the application, for the next event
        self._answered: Any = None
        self._answer: Message | None = None
        self._living = False  # between its start and its stop
        self._cancelled = False  # where it waited for an event: its loop ends
        self._ended = False
        self._error: BaseException | None = None

    async def start(self) -> bool:
        """Have it start; whether it knows lifespans at all. Raises `RuntimeError` where it says that it failed."""
        self._loop.spawn(self._run())
        await self._tell("startup")
        return self._answer is not None

    async def stop(self) -> None:
        """Have it stop. Raises `RuntimeError` where it says that it failed."""
        if not self._ended:
            await self._tell("shutdown")

    async def _tell(self, event: str) -> None:
        self._answer, self._living = None, False
        self._events.append(event)
        wake(self._waiter)
        self._answered = self._loop.waiter()
        await self._answered
        if self._answer is not None and self._answer["type"] == f"lifespan.{event}.failed" and not self._cancelled:
            said = self._answer.get("message") or "without a message"
            raise RuntimeError(f"the {event} of a mounted application failed: {said}") from self._error
        if event == "shutdown" and self._error is not None:
            raise self._error

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except self._loop.cancelled:
            raise
        except BaseException as error:  # before it has answered: it knows no lifespan
            self._error = error
            if self._living:
                logger.exception("the lifespan of a mounted application ended before it was told to")
        finally:
            self._ended = True
            wake(self._answered)

    async def _receive(self) -> Message:
        self._cancelled = False
        while not self._events:
            self._waiter = self._loop.waiter()
            try:
                await self._waiter
            except self._loop.cancelled:
                self._cancelled = True
                raise
        return {"type": f"lifespan.{self._events.pop(0)}"}

    async def _send(self, message: Message) -> None:
        self._answer = message
        self._living = message["type"] == "lifespan.startup.complete"
        wake(self._answered)
