"""What a server keeps around its requests: the lifespan, and the conversations that are under way.

Lives on one event loop. `client` uses it on the caller's loop, `doors` on a loop in a thread.
"""

from collections.abc import AsyncIterable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Protocol

from duoframe.testing.asgi import Conversation
from duoframe.testing.call import Call
from duoframe.testing.lifespan import Lifespan
from duoframe.types import Receive, Send


class Service(Protocol):
    """An app behind either door, as a host runs it."""

    async def lifespan(self, state: dict[str, Any], receive: Receive, send: Send) -> None: ...

    async def http(self, call: Call, state: dict[str, Any] | None, receive: Receive, send: Send) -> None: ...


class Host:
    """Runs a service; `grace` is how many seconds a task of the app has to end before it is cancelled."""

    def __init__(self, service: Service, grace: float) -> None:
        self._service = service
        self._grace = grace
        self._lifespan: Lifespan | None = None
        self._conversations: list[Conversation] = []

    async def start(self) -> None:
        """Enter the lifespan; its state then goes into each request."""
        self._lifespan = Lifespan(self._service.lifespan, self._grace)
        await self._lifespan.startup()

    async def open(self, call: Call, body: AsyncIterable[bytes]) -> Conversation:
        """Begin a request and wait for the head of its answer."""
        state = None if self._lifespan is None else self._lifespan.state
        conversation = Conversation(partial(self._service.http, call, state), call, body, self._grace)
        self._conversations = [*(each for each in self._conversations if not each.closed), conversation]
        async with AsyncExitStack() as stack:
            stack.push_async_callback(conversation.aclose)
            await conversation.head()
            stack.pop_all()
        return conversation

    async def stop(self) -> None:
        """End what is under way, then leave the lifespan."""
        for conversation in self._conversations:
            await conversation.aclose()
        if self._lifespan is not None:
            await self._lifespan.shutdown()
