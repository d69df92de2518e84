"""`Client` and `AsyncClient`: httpx, with transports that run an app's door for real and stream both ways.

The only module that knows httpx. What happens behind the doors is `doors` (for threads) and `host` (for loops).
"""

from collections.abc import Iterable, Iterator
from typing import Any, Self, Unpack, cast

from duoframe.testing.asgi import Conversation
from duoframe.testing.call import Call
from duoframe.testing.doors import DOORS, SERVICES, Answer, Application, Door, OpenDoor
from duoframe.testing.host import Host
from duoframe.testing.outcome import Outcome
from duoframe.testing.rules import Field, ProtocolError, bodyless
from duoframe.testing.wire import Connection, Exchange, send

try:
    import httpx  # The one place that names it: a successor with the same interface can be put in here.
except ImportError as error:
    raise ImportError("duoframe's test clients need httpx: pip install duoframe[testing]") from error

_PORTS = {"http": 80, "https": 443}


class Client(httpx.Client):
    """A test client over one door of `app`: ``"asgi"`` or ``"wsgi"``.

        with Client(app, "wsgi") as client:
            assert client.get("/hello/world").text == "Hello world"

    ``with`` runs the app's start-up and shut-down: the ASGI lifespan, or `app.startup()` and `app.shutdown()` where the
    app has them. Without ``with``, call `close`. The WSGI door runs in the calling thread, the ASGI door on a loop in a
    thread of the client's own (`backend`: ``"asyncio"`` or ``"trio"``). An answer streams as it is read; it is over
    when the app has returned, so background work is done by then. Time-outs do not apply.

    What the app raises is raised in the caller. With `raise_app_exceptions` false it is a 500 before the start of the
    answer and `httpx.RemoteProtocolError` after it, as from a server; `ProtocolError` is always raised.
    `strict` runs the app under `checked_asgi` or `checked_wsgi`. An ASGI app that has not returned `grace` seconds
    after an answer was closed early, or after its lifespan was over, is cancelled. `root_path` stands before the path
    of each URL. Everything else goes to `httpx.Client`.
    """

    def __init__(
        self,
        app: Application,
        door: Door = "asgi",
        *,
        base_url: str = "http://testserver",
        raise_app_exceptions: bool = True,
        strict: bool = False,
        backend: str = "asyncio",
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 50000),
        grace: float = 1.0,
        **options: Any,  # httpx's own, whatever their types
    ) -> None:
        self.app = app
        self.door = door
        opened = DOORS[door](app, strict=strict, backend=backend, grace=grace)
        caller = _Caller(raise_app_exceptions, root_path, client)
        super().__init__(base_url=base_url, transport=_Transport(opened, caller), **_ALONE | options)
        self._opened = opened

    def exchange(
        self,
        method: str,
        target: bytes,
        headers: Iterable[Field] = (),
        body: bytes | Iterable[bytes] = b"",
        *,
        disconnect_after: int | None = None,
        **connection: Unpack[Connection],
    ) -> Exchange:
        """Send one raw request beneath httpx, as `duoframe.testing.exchange` does, to the app this client has started.

        Nothing of the client itself goes with it: neither its cookies nor its base URL. The checkers are those of
        `strict`. Many exchanges on one client are some times faster than each on a loop of its own.
        """
        return send(self._opened, method, target, headers, body, disconnect_after, connection)


class AsyncClient(httpx.AsyncClient):
    """A test client for asynchronous tests, on asyncio and trio; the arguments are those of `Client`.

        async with AsyncClient(app) as client:
            assert (await client.get("/hello/world")).text == "Hello world"

    The ASGI door runs on the loop of the test itself, so both may share what is bound to it. The WSGI door runs in
    worker threads, one for each request.
    """

    def __init__(
        self,
        app: Application,
        door: Door = "asgi",
        *,
        base_url: str = "http://testserver",
        raise_app_exceptions: bool = True,
        strict: bool = False,
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 50000),
        grace: float = 1.0,
        **options: Any,  # httpx's own, whatever their types
    ) -> None:
        self.app = app
        self.door = door
        host = Host(SERVICES[door](app, strict=strict), grace)
        caller = _Caller(raise_app_exceptions, root_path, client)
        super().__init__(base_url=base_url, transport=_AsyncTransport(host, caller), **_ALONE | options)


# Neither proxies nor a netrc file of the machine that runs the tests have a say.
_ALONE: dict[str, Any] = {"trust_env": False}


class _Caller:
    """What a client says of itself with each request, and how it takes an app's exceptions."""

    def __init__(self, raises: bool, root_path: str, address: tuple[str, int] | None) -> None:
        self.raises = raises
        self._root_path = root_path
        self._address = address

    def call(self, request: httpx.Request) -> Call:
        url = request.url
        if url.scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"expected a URL of http or https, got {str(url)!r}", request=request)
        server = (url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])
        return Call(
            request.method, url.raw_path, request.headers.raw, url.scheme, self._address, server, self._root_path
        )


class _Reading:
    """What reading an answer has in common on both sides of ``await``."""

    def __init__(self, outcome: Outcome, request: httpx.Request, raises: bool) -> None:
        self.outcome = outcome
        # A server drops the content an app gives where there must be none.
        self.dropped = bodyless(request.method, outcome.status)
        self._raises = raises
        self._told = False

    @property
    def fails(self) -> bool:
        """Whether there is something to raise at once, before the caller has seen the answer."""
        return not self.outcome.started or self.outcome.failure is not None

    def tell(self) -> None:
        """Raise what went wrong, once."""
        failure, error = self.outcome.failure, self.outcome.error
        if self._told or (failure is None and error is None):
            return
        self._told = True
        if failure is not None:
            raise failure
        if error is not None and (self._raises or not isinstance(error, Exception) or isinstance(error, ProtocolError)):
            raise error
        if self.outcome.aborted:
            raise httpx.RemoteProtocolError("the app raised in the middle of its answer") from error

    def head(self) -> dict[str, Any]:
        """The arguments of the `httpx.Response`."""
        extensions = {"http_version": b"HTTP/1.1", "reason_phrase": self.outcome.reason.encode("latin-1")}
        return {"status_code": self.outcome.status, "headers": self.outcome.headers, "extensions": extensions}


class _Transport(httpx.BaseTransport):
    def __init__(self, door: OpenDoor, caller: _Caller) -> None:
        self._door = door
        self._caller = caller

    def __enter__(self) -> Self:
        try:
            self._door.start()
        except BaseException:
            self._door.stop()
            raise
        return self

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = cast(httpx.SyncByteStream, request.stream)  # httpx.Client has seen to it
        answer = self._door.open(self._caller.call(request), body)
        answer.head()
        reading = _Reading(answer.outcome, request, self._caller.raises)
        stream = _Stream(answer, reading)
        if reading.fails:
            stream.close()
        return httpx.Response(stream=stream, **reading.head())

    def close(self) -> None:
        self._door.stop()


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: Answer, reading: _Reading) -> None:
        self._answer = answer
        self._reading = reading

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._answer:
            if not self._reading.dropped:
                yield chunk
        self._reading.tell()

    def close(self) -> None:
        self._answer.close()
        self._reading.tell()


class _AsyncTransport(httpx.AsyncBaseTransport):
    def __init__(self, host: Host, caller: _Caller) -> None:
        self._host = host
        self._caller = caller

    async def __aenter__(self) -> Self:
        await self._host.start()
        return self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = cast(httpx.AsyncByteStream, request.stream)  # httpx.AsyncClient has seen to it
        conversation = await self._host.open(self._caller.call(request), body)
        reading = _Reading(conversation.outcome, request, self._caller.raises)
        stream = _AsyncStream(conversation, reading)
        if reading.fails:
            await stream.aclose()
        return httpx.Response(stream=stream, **reading.head())

    async def aclose(self) -> None:
        await self._host.stop()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, conversation: Conversation, reading: _Reading) -> None:
        self._conversation = conversation
        self._reading = reading

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        # No generator: one that is left in the middle is a warning on trio.
        try:
            chunk = await anext(self._conversation)
        except StopAsyncIteration:
            self._reading.tell()
            raise
        return b"" if self._reading.dropped else chunk

    async def aclose(self) -> None:
        await self._conversation.aclose()
        self._reading.tell()
