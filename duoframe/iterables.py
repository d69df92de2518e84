"""What a WSGI server is handed: an answer to walk and to close, and where its chunks come from.

Knows answers that are on their way, and those that the server's own thread makes; must not know an environ, beyond the
two things that a server may say of files and of its last request. `wsgi` begins the answers; `relayed` are those that
are made elsewhere.
"""

from __future__ import annotations

import _thread
import inspect
import logging
import sys
import types
from collections.abc import Callable, Coroutine, Generator, Iterator
from contextvars import Context
from typing import Any

from duoframe.bridge import Hop, proceed, step
from duoframe.core import (
    bring_to_thread,
    close_stream,
    deliver,
)
from duoframe.dependencies import conclude
from duoframe.environ import Input
from duoframe.errors import reason
from duoframe.files import FileBody
from duoframe.plan import Plan
from duoframe.relay import Closed
from duoframe.requests import Request
from duoframe.responses import Response
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
            runtime = self.request.app.portal.get_runtime()
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


_OPEN: set[Answer] = set()
"""What is in a server's hands: kept from the garbage collector, which would take it apart in any order."""
