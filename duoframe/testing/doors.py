"""The two doors for synchronous callers: what `wire` and the transport of `Client` send their calls through.

The WSGI door runs the app in the calling thread; the ASGI door runs it on a loop in a thread, while the request body
is still pulled in the calling thread.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from queue import SimpleQueue
from threading import Lock
from typing import Any, Literal, Protocol, TypeVar, TypeVarTuple

from anyio import Event

from duoframe.testing.asgi import ASGIService
from duoframe.testing.call import Call
from duoframe.testing.host import Host
from duoframe.testing.loop import LoopThread
from duoframe.testing.outcome import Outcome
from duoframe.testing.wsgi import WSGIAnswer, WSGIService
from duoframe.testing.wsgi_checker import checked_wsgi

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Door = Literal["asgi", "wsgi"]
"""Which of its two protocols an app is spoken to in."""

Application = Callable[..., Any]
"""A WSGI or an ASGI app: every library types its own a little differently, and a dual app is both."""


class Answer(Protocol):
    """An answer under way: `head`, then walk the chunks, always `close`."""

    outcome: Outcome
    closed: bool

    def head(self) -> None: ...

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class OpenDoor(Protocol):
    """A server for one app."""

    def start(self) -> None:
        """Start the app up."""

    def open(self, call: Call, body: Iterable[bytes]) -> Answer:
        """Begin a request."""

    def stop(self) -> None:
        """End what is under way and shut the app down."""


class WSGIDoor:
    """Calls a WSGI app in the thread of the caller; `backend` and `grace` mean nothing to it."""

    def __init__(self, app: Application, *, strict: bool, backend: str, grace: float) -> None:
        self._app = app
        self._serve = checked_wsgi(app) if strict else app
        self._started = False
        self._lock = Lock()
        self._answers: list[WSGIAnswer] = []

    def start(self) -> None:
        getattr(self._app, "startup", _nothing)()
        self._started = True

    def open(self, call: Call, body: Iterable[bytes]) -> WSGIAnswer:
        answer = WSGIAnswer(self._serve, call, body)
        with self._lock:
            self._answers = [*(each for each in self._answers if not each.closed), answer]
        return answer

    def stop(self) -> None:
        for answer in self._answers:
            answer.close()
        if self._started:
            self._started = False
            getattr(self._app, "shutdown", _nothing)()


class ASGIDoor:
    """Calls an ASGI app on a loop of its own."""

    def __init__(self, app: Application, *, strict: bool, backend: str, grace: float) -> None:
        self._host = Host(ASGIService(app, strict=strict), grace)
        self._loop = LoopThread(backend)

    def start(self) -> None:
        self._loop.call(self._host.start)

    def open(self, call: Call, body: Iterable[bytes]) -> "LoopAnswer":
        return LoopAnswer(self._loop, self._host, call, body)

    def stop(self) -> None:
        if self._loop.running:
            try:
                self._loop.call(self._host.stop)
            finally:
                self._loop.stop()


class LoopAnswer:
    """A conversation on a loop, for a caller in a thread.

    While the caller waits for the loop, it pulls the request body for it: so a body generator runs in the thread,
    and in the context, that it was made in.
    """

    def __init__(self, loop: LoopThread, host: Host, call: Call, body: Iterable[bytes]) -> None:
        self.closed = False
        self._loop = loop
        self._body = iter(body)
        self._mail: SimpleQueue[_Turn | None] = SimpleQueue()
        self._conversation = self._wait(host.open, call, _pulled(self._mail))
        self.outcome = self._conversation.outcome

    def head(self) -> None:
        """Nothing to do: a conversation is open once its head is known."""

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self._wait(anext, self._conversation, None)) is not None:
            yield chunk

    def close(self) -> None:
        """Leave the conversation."""
        if not self.closed:
            self._loop.call(self._conversation.aclose)
            self.closed = True

    def _wait(self, step: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        future = self._loop.begin(step, *args)
        future.add_done_callback(lambda _: self._mail.put(None))
        while not future.done():
            turn = self._mail.get()
            if turn is not None:
                self._take(turn)
        return future.result()

    def _take(self, turn: "_Turn") -> None:
        try:
            turn.chunk = next(self._body, None)
        except Exception as error:
            turn.error = error
        self._loop.call(turn.done)


class _Turn:
    """One step of the request body: asked for on the loop, taken in the caller's thread."""

    def __init__(self) -> None:
        self.taken = Event()
        self.chunk: bytes | None = None
        self.error: Exception | None = None

    async def done(self) -> None:
        """Say, on the loop, that the step has been taken."""
        self.taken.set()


async def _pulled(mail: "SimpleQueue[_Turn | None]") -> AsyncIterator[bytes]:
    while True:
        turn = _Turn()
        mail.put(turn)
        await turn.taken.wait()
        if turn.error is not None:
            raise turn.error
        if turn.chunk is None:
            return
        yield turn.chunk


def _nothing() -> None:
    pass


DOORS: Mapping[str, type[WSGIDoor] | type[ASGIDoor]] = {"asgi": ASGIDoor, "wsgi": WSGIDoor}
SERVICES: Mapping[str, type[WSGIService] | type[ASGIService]] = {"asgi": ASGIService, "wsgi": WSGIService}
