"""Answers behind the WSGI door that are made elsewhere: on the portal, or on one of its worker threads.

Knows the task or the thread that sends and the server's thread that takes; must not know an environ. `iterables` has
what a server is handed, and answers of its own thread; `wsgi` begins them all.
"""

from __future__ import annotations

import logging
from contextvars import Context
from queue import Empty
from typing import Any

from duoframe.bridge import Drive, Hop, step
from duoframe.core import Outlet, bring_to_thread, deliver, exchange
from duoframe.environ import Input
from duoframe.files import FileBody
from duoframe.iterables import Answer, Item, file_wrapper
from duoframe.plan import Plan
from duoframe.relay import LOOK, End, ToThread, call
from duoframe.requests import Request
from duoframe.responses import Heartbeat, Response
from duoframe.signals import stopping
from duoframe.threads import Admission

logger = logging.getLogger("duoframe.error")


class PortalAnswer(Answer):
    """An answer made on the portal, where this is the `Outlet`, and taken from there by the server's thread."""

    def __init__(self, request: Request, context: Context, entry: Input | None) -> None:
        super().__init__(request, context, entry)
        self._runtime = request.app.portal.get_runtime()
        self._admission = Admission(self._runtime.threads)
        self._relay = ToThread(self._runtime.loop)
        self._begun = False
        self._ended = False
        self._whole = False
        self._held = False  # whether the plan waits until all has gone out
        self._waiter: Any = None
        self._heartbeat: Heartbeat | None = None
        self._silence = 0.0  # seconds until the next heartbeat, where there are any

    def first(self, plan: Plan) -> Response:
        """Start the plan on the portal and wait for its answer; raises what the plan raises."""
        if self.request._body is not None:
            self.request._body.hand_over(self._runtime.threads, waits=True)
        self._relay.start(lambda: self._main(plan))
        first = self._relay.get()
        if isinstance(first, End):
            self._ended = True
            first.reraise()
        return first  # type: ignore[no-any-return]  # what is no End is an answer

    def begin(self, response: Response) -> bool:
        if isinstance(response.stream, FileBody):
            self._admission.to_file()
            if file_wrapper(self.request, response) is not None:
                return False  # the server sends it
        else:
            self._admission.to_stream()
            self._keep_alive(response)
        self._begun = True
        self._whole = self._held = response.stream is None
        self._relay.end(response)
        return not self._whole

    @property
    def closed(self) -> bool:
        return self._relay.closed

    async def sent(self) -> None:
        self._admission.leave()  # while it waits for its client
        self._waiter = self._runtime.loop.waiter()
        if not self._whole:
            self._relay.end(_BODY_END)
        await self._waiter

    async def send(self, chunk: bytes) -> None:
        await self._relay.put(chunk)

    async def replace(self, response: Response, error: Exception) -> None:
        await self._relay.put((response, error))

    def next(self) -> Item:
        if self._ended:
            raise StopIteration
        if self._whole:
            return super().next()
        item = self._relay.get() if self._heartbeat is None else self._patiently(self._heartbeat)
        if isinstance(item, End):
            self._ended = True
            try:
                item.reraise()
            except BaseException as error:
                self._leave(error)
                raise
            raise StopIteration
        if item is _BODY_END:
            self._ended = self._held = True
            raise StopIteration
        return item  # type: ignore[no-any-return]  # a relay carries anything

    def stop(self) -> None:
        if self._held:
            self._ended = True
            self._runtime.loop.post(self._go_on)
            self._relay.drain(float("inf"))
        elif not self._ended:
            self._ended = self._broken = True
            self._relay.stop()
            if self._relay.drain(self.request.app.grace) is None:
                logger.warning("%r went on after its client had left", self.request)
                self._entry = None  # it may be reading still

    def _leave(self, error: BaseException | None) -> None:
        """Nothing: the plan does, on the portal."""

    def _go_on(self) -> None:
        self._waiter.set_result(None)

    def _conclude(self) -> None:
        if self._admission.left:  # a thread is inside still, and has the Context
            self._runtime.loop.post(self._admission.conclude, super()._conclude)
        else:
            super()._conclude()

    def _keep_alive(self, response: Response) -> None:
        if response.heartbeat is not None and response.sends_body(self.request.method):
            self._heartbeat = response.heartbeat
            self._silence = self._heartbeat.first

    def _patiently(self, heartbeat: Heartbeat) -> Any:
        """The next item, or the heartbeat after its silence. Raises `StopIteration` when the server is to stop."""
        silence, self._silence = self._silence, heartbeat.seconds
        while not stopping():
            try:
                return self._relay.get(min(silence, LOOK))
            except Empty:
                silence -= LOOK
            if silence <= 0:
                return heartbeat.chunk
        raise StopIteration

    async def _main(self, plan: Plan) -> None:
        self.request._streams = self._runtime.threads.streams
        self.request._waited_for = True
        try:
            response = await Drive(exchange(plan, self.request, self), self._context, self._admission)
            if not self._begun:
                self._relay.end(response)
        finally:
            self._admission.leave()


class ThreadAnswer(PortalAnswer):
    """A sync plan's stream that is walked on a worker thread of the portal, the same at every step.

    The server's thread, which takes the chunks, is then free to send heartbeats when none comes. Raises
    `ConfigurationError` and `ThreadsExhaustedError` where there is no such thread.
    """

    def __init__(self, request: Request, context: Context, entry: Input | None, plan: Plan, response: Response) -> None:
        super().__init__(request, context, entry)
        self._keep_alive(response)
        self._admission.to_stream()
        call(self._runtime.loop, self._admission.enter)
        self._relay.start(lambda: self._walk(plan, response))

    async def send(self, chunk: bytes) -> None:
        self._relay.push(chunk)

    async def replace(self, response: Response, error: Exception) -> None:
        self._relay.push((response, error))

    _leave = Answer._leave  # on the server's thread, where the plan ran

    async def _walk(self, plan: Plan, response: Response) -> None:
        try:
            await Drive(_on_thread(plan, self.request, response, self), self._context, self._admission)
        finally:
            self._admission.leave()


async def _on_thread(plan: Plan, request: Request, response: Response, outlet: Outlet) -> None:
    """`deliver`, stepped in one hop."""

    def walk() -> None:
        bring_to_thread(request, response)
        step(deliver(plan, request, response, outlet))

    await Hop(walk, leave=True)


_BODY_END: Any = object()
"""Comes after the last chunk, where the task on the portal goes on once that has gone out."""
