"""What a WSGI server is handed: an answer to walk and to close, and where its chunks come from.

Knows answers that are on their way, and the thread or the portal that makes them; must not know an environ, beyond the
two things that a server may say of files and of its last request. `wsgi` begins the answers.
"""

from __future__ import annotations

import _thread
import inspect
import logging
import sys
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import Context
from queue import Empty
from typing import Any

from duoframe.bridge import Drive, Hop, proceed, step
from duoframe.core import (
    Outlet,
    bring_to_thread,
    close_stream,
    conclude,
    deliver,
    exchange,
)
from duoframe.environ import Input
from duoframe.errors import reason
from duoframe.files import FileBody
from duoframe.plan import Plan
from duoframe.relay import LOOK, Closed, End, ToThread, call
from duoframe.requests import Request
from duoframe.responses import Heartbeat, Response
from duoframe.signals import stopping
from duoframe.threads import Admission
from duoframe.types import StartResponse

Item = bytes | tuple[Response, Exception]
"""A chunk of a body, or the answer that replaces what was begun and the error that calls for it."""

STATUS_LINES = {status: f"{status} {reason(status)}" for status in range(200, 600)}
"""Every status as WSGI wants it: ``"200 OK"``."""

logger = logging.getLogger("duoframe.error")


def file_wrapper(request: Request, response: Response) -> Any:
    """The server's own way to send a whole file (PEP 3333, *Optional Platform-Specific File Handling*), if it has one.

    None for any other answer.
    """
    body = response.stream
    if not isinstance(body, FileBody) or not body.whole or response.declared_length != body.size or request._exits:
        return None
    return request._values.get("wsgi.file_wrapper")


class Held:
    """An answer in the hands of a server, which is to close it."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        _OPEN.add(answer)

    def close(self) -> None:
        """Release what the answer holds, then start the request's background work."""
        _OPEN.discard(self._answer)
        self._answer.close()

    def __del__(self) -> None:
        if self._answer in _OPEN:
            # Any thread may be here, inside any lock and on any event loop, so nothing is closed or waited for here.
            try:
                _thread.start_new_thread(self._answer.drop, ())
            except RuntimeError:  # pragma: no cover  # the interpreter is ending, and takes everything along
                pass


class HeldBody(Held, Iterator[bytes]):
    """An answer for the server to walk."""

    def __init__(self, answer: Answer, start_response: StartResponse) -> None:
        super().__init__(answer)
        self._start_response = start_response  # kept here alone: by it the answer would keep the server's own object

    def __next__(self) -> bytes:
        item = self._answer.next()
        if type(item) is bytes:
            return item
        try:
            return self._replace(*item)
        finally:
            del item  # here and below: no cycle of error, traceback and frame

    def _replace(self, response: Response, error: Exception) -> bytes:
        """Answer ``response`` instead of what was begun. Raises ``error`` where the server has sent something."""
        trace: Any = error.__traceback__  # it was raised, so it has one
        try:
            status, fields, content = response.finish(self._answer.request.method)
            self._start_response(STATUS_LINES[status], fields, (type(error), error, trace))
            return content
        finally:
            del error, trace


class HeldFile(Held):
    """A whole file for the server to read, or to send from its descriptor."""

    def __init__(self, answer: Answer, body: FileBody) -> None:
        super().__init__(answer)
        self._body = body
        self.read = body.read
        self.fileno = body.fileno
        self.seek = body.note_sent

    def close(self) -> None:
        """As `Held.close`. Raises `RuntimeError` where the server takes a file that was cut for sent: it breaks off."""
        cut = self._body.cut and sys.exc_info()[0] is None
        super().close()
        if cut:
            raise RuntimeError("a file was cut while the server sent it")


class Answer:
    """A whole body, and what remains to be done after it."""

    content = b""
    """The body, where it is whole."""

    def __init__(self, request: Request, context: Context, entry: Input | None) -> None:
        self.request = request
        self._context = context
        self._entry = entry
        self._closed = False
        self._broken = False  # whether the server closed it before its end

    def next(self) -> Item:
        """The next chunk, or what replaces the answer. Raises `StopIteration` after the last."""
        content, self.content = self.content, b""
        if not content:
            raise StopIteration
        return content

    def close(self) -> None:
        """Do what `Held.close` says, once. Raises no `Exception`."""
        if self._closed:
            return
        self._closed = True
        last = self.request._values.get("wsgi.run_once", False)
        try:
            self._attempt(self.stop)
            self._leave(Closed() if self._broken else None)
            self._attempt(self._drain)
        finally:
            self._attempt(self._conclude)
        if last:
            self._attempt(self.request.app.shutdown)

    def drop(self) -> None:  # pragma: no cover  # it runs, but where coverage has no tracer
        """Do, on a thread of its own, what the server did not."""
        _OPEN.discard(self)
        if self.request.app.debug:
            logger.warning("the server did not close the answer to %r", self.request)
        self._entry = None  # the connection may be at its next request
        self.close()

    def _attempt(self, release: Callable[[], object]) -> None:
        try:
            release()
        except Exception:
            logger.exception("error while the answer to %r was closed", self.request)

    def stop(self) -> None:
        """Close what yields the body."""

    def _leave(self, error: BaseException | None) -> None:
        """Leave the dependencies that waited for the end of the body, which ``error`` has broken off."""
        if self.request._exits:
            self._context.run(step, conclude(self.request, error))

    def _drain(self) -> None:
        if self._entry is not None:
            self._entry.drain()

    def _conclude(self) -> None:
        """Release what the request holds and start its background work."""
        tasks = self.request._tasks
        self._attempt(self.request._end)
        if tasks is not None:
            runtime = self.request.app.portal.runtime()
            runtime.loop.post(runtime.start_tasks, tasks, self._context)


class SteppedAnswer(Answer):
    """A body made on the server's own thread, one chunk a step; an `Outlet` that suspends `deliver` at each."""

    def __init__(
        self,
        request: Request,
        context: Context,
        entry: Input | None,
        plan: Plan,
        response: Response,
    ) -> None:
        super().__init__(request, context, entry)
        bring_to_thread(request, response)
        self._plan = plan
        self._response = response
        self._coroutine: Coroutine[Any, Any, None] | None = None
        self._ended = False

    async def send(self, chunk: bytes) -> None:
        await _emit(chunk)

    async def replace(self, response: Response, error: Exception) -> None:
        await _emit((response, error))

    def next(self) -> Item:
        if self._ended:
            raise StopIteration
        if self._coroutine is None:
            self._coroutine = deliver(self._plan, self.request, self._response, self)
        try:
            return self._context.run(_chunk, self._coroutine)
        except StopIteration:
            self._ended = True
            raise
        except BaseException as error:
            self._ended = True
            self._leave(error)
            raise

    def stop(self) -> None:
        coroutine, self._broken, self._ended = self._coroutine, not self._ended, True
        if coroutine is None:
            self._context.run(step, close_stream(self._response.stream, self.request))
        elif inspect.getcoroutinestate(coroutine) == inspect.CORO_SUSPENDED:
            try:
                self._context.run(_chunk, coroutine, Closed())
            except (Closed, StopIteration):
                pass


def _chunk(coroutine: Coroutine[Any, Any, None], error: BaseException | None = None) -> Item:
    """Step `deliver` to its next chunk; `StopIteration` at the end. ``error`` is raised where it stands."""
    item = coroutine.send(None) if error is None else coroutine.throw(error)
    while type(item) is Hop:
        item = proceed(coroutine, item)
    try:
        return item  # type: ignore[no-any-return]  # what is no hop comes from `_emit`
    finally:
        del item  # the traceback of an error in it leads here


@types.coroutine
def _emit(item: Item) -> Generator[Item, None, None]:
    yield item


class PortalAnswer(Answer):
    """An answer made on the portal, where this is the `Outlet`, and taken from there by the server's thread."""

    def __init__(self, request: Request, context: Context, entry: Input | None) -> None:
        super().__init__(request, context, entry)
        self._runtime = request.app.portal.runtime()
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

_OPEN: set[Answer] = set()
"""What is in a server's hands: kept from the garbage collector, which would take it apart in any order."""
