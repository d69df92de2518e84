"""What the strict checkers of `duoframe.testing` refuse and let through, rule by rule.

The apps here are a few lines each, and wrong on purpose; the clients and `exchange` are in ``test_testing.py``.
"""

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from duoframe.testing import Client, ProtocolError, checked_asgi, checked_wsgi, exchange
from duoframe.types import ASGIApp, Environ, Message, Receive, Scope, Send, StartResponse, WSGIApp

TEXT = [("content-type", "text/plain")]
FIVE = [*TEXT, ("content-length", "5")]


# WSGI


def answering(status: str, headers: list[Any], *chunks: bytes) -> WSGIApp:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, headers)
        return list(chunks)

    return wsgi


def unstarted(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    return []


def starting_twice(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    start_response("200 OK", TEXT)
    return [b"x"]


def yielding_text(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    return ["text"]


def writing_late(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    write = start_response("200 OK", TEXT)
    yield b"x"
    write(b"y")


def writing_too_much(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", FIVE)(b"123456")
    return []


def returning_nothing(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)


def reading_without_a_size(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    return []


def swallowing(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    try:
        start_response("200 OK", [("bad name", "x")])
    except AssertionError:
        start_response("500 Internal Server Error", TEXT)
    return [b"sorry"]


def swallowing_later(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    yield from swallowing(environ, start_response)


@pytest.mark.parametrize(
    ("app", "rule"),
    [
        (unstarted, "without a call of start_response"),
        (starting_twice, "called twice"),
        (yielding_text, "must give bytes"),
        (writing_late, "write.. was called after"),
    ],
)
def test_a_wsgi_app_that_no_server_could_serve_is_told_so_without_the_checker(app: WSGIApp, rule: str) -> None:
    client = Client(app, "wsgi", raise_app_exceptions=False)
    with pytest.raises(ProtocolError, match=rule):
        client.get("/")
    client.close()


def test_a_wsgi_app_that_returns_nothing_has_failed() -> None:
    client = Client(returning_nothing, "wsgi")
    with pytest.raises(TypeError, match="not iterable"):
        client.get("/")
    client.close()


@pytest.mark.parametrize(
    ("app", "rule"),
    [
        (answering("200 OK", [("bad name", "x")]), "Bad header name"),
        (answering("200 OK", [*TEXT, ("x-a", "a\nb")]), "Bad header value"),
        (answering("200 OK", [*TEXT, ("x-a", "€")]), "outside Latin-1"),
        (answering("200 OK", [*TEXT, ("Connection", "keep-alive")]), "hop-by-hop field b'Connection'"),
        (answering("200 OK", [*TEXT, ("transfer-encoding", "chunked")]), "hop-by-hop field"),
        (answering("200 OK", [*TEXT, ("content-length", "x")]), "made of digits"),
        (answering("200 OK", [*FIVE, *FIVE], b"12345"), "needs one Content-Length"),
        (answering("200 OK", FIVE, b"1234"), "has 4 bytes, its Content-Length is 5"),
        (answering("200 OK", FIVE, b"123456"), "more bytes than its Content-Length, 5"),
        (answering("204 No Content", [("content-length", "0")]), "must have no Content-Length"),
        (answering("204 No Content", [], b"x"), "must have no content, got 1 bytes"),
        (answering("304 Not Modified", [], b"x"), "must have no content"),
        (answering("205 Reset Content", TEXT, b"x"), "must have no content"),
        (answering("100 Continue", TEXT), "must be from 200 to 999"),
        (answering("200 OK", []), "No Content-Type header found"),
        (unstarted, "without a call of start_response"),
        (starting_twice, "called twice"),
        (yielding_text, "yielded non-bytestring"),
        (writing_late, "write.. was called after"),
        (writing_too_much, "more bytes than its Content-Length"),
        (returning_nothing, "must return an iterator"),
        (reading_without_a_size, r"wsgiref.validate, read\)"),
        (swallowing, "Bad header name"),
        (swallowing_later, "Bad header name"),
    ],
)
def test_the_wsgi_checker_refuses(app: WSGIApp, rule: str) -> None:
    with pytest.raises(ProtocolError, match=rule):
        exchange(app, "wsgi", "GET", b"/")


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "201 Created")])
def test_the_wsgi_checker_lets_through(method: str, status: str) -> None:
    chunks = [] if method == "HEAD" else [b"12", b"", b"345"]
    result = exchange(answering(status, FIVE, *chunks), "wsgi", method, b"/")
    assert (f"{result.status} {result.reason}", result.headers, result.body) == (status, FIVE, b"".join(chunks))


class Wrapper:
    """A server's ``wsgi.file_wrapper``."""

    def __init__(self, file: Any, size: int = 3) -> None:
        self.file = file
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: bytes(self.file.read(self.size)), b"")


@pytest.mark.parametrize(
    ("case", "rule"),
    [
        ("right", None),
        ("in memory", None),
        ("unused", None),
        ("not returned", "must be what the app returns"),
        ("twice", "there is one of it"),
        ("no file", "must have a method 'read'"),
        ("short", "to be sent from 4 bytes, its Content-Length is 5"),
        ("bodyless", "to be sent from 5 bytes"),
    ],
)
def test_the_wsgi_checker_looks_at_a_file_that_a_server_is_to_send(case: str, rule: str | None, tmp_path: Path) -> None:
    """W-35, W-36."""
    (tmp_path / "file").write_bytes(b"12345")
    given: list[Any] = []

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("304 Not Modified" if case == "bodyless" else "200 OK", [] if case == "bodyless" else FIVE)
        wrap = environ["wsgi.file_wrapper"]
        if case in ("in memory", "not returned", "twice"):
            files = [wrap(file, 2) for file in [io.BytesIO(b"12345")] * (2 if case == "twice" else 1)]
            return iter([b"12345"]) if case == "not returned" else cast(Iterable[bytes], files[0])
        if case == "unused":
            return [b"12345"]
        file.seek(1 if case == "short" else 0)
        return cast(Iterable[bytes], wrap(object() if case == "no file" else file))

    def offer(environ: dict[str, Any]) -> None:
        environ["wsgi.file_wrapper"] = Wrapper
        given.append(environ)

    with (tmp_path / "file").open("rb", 0) as file:
        if rule is None:
            assert exchange(wsgi, "wsgi", "GET", b"/", edit=offer).body == b"12345"
            assert given[0]["wsgi.file_wrapper"] is Wrapper
        else:
            with pytest.raises(ProtocolError, match=rule):
                exchange(wsgi, "wsgi", "GET", b"/", edit=offer)


def test_a_rule_that_was_broken_and_swallowed_is_told_to_a_client_that_leaves_at_once() -> None:
    with pytest.raises(ProtocolError, match="Bad header name"):
        exchange(swallowing, "wsgi", "GET", b"/", disconnect_after=0)


def test_an_assertion_error_of_the_app_s_own_is_not_the_validator_s() -> None:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise AssertionError("mine")

    result = exchange(wsgi, "wsgi", "GET", b"/")
    assert str(result.error) == "mine"
    assert not isinstance(result.error, ProtocolError)


def test_the_wsgi_checker_is_middleware_for_any_server() -> None:
    client = Client(checked_wsgi(answering("200 OK", [])), "wsgi")
    with pytest.raises(ProtocolError, match="No Content-Type"):
        client.get("/")
    client.close()


# ASGI


def event(kind: str, **keys: Any) -> dict[str, Any]:
    return {"type": kind, **keys}


def start(status: Any = 200, *headers: Any, **keys: Any) -> dict[str, Any]:
    return event("http.response.start", status=status, headers=list(headers), **keys)


def body(content: Any = b"", **keys: Any) -> dict[str, Any]:
    return event("http.response.body", body=content, **keys)


def close(**keys: Any) -> dict[str, Any]:
    return event("websocket.close", **keys)


HTTP = {"type": "http", "method": "GET", "extensions": {}}
HEAD = {"type": "http", "method": "HEAD"}
EXTENDED = HTTP | {
    "extensions": dict.fromkeys(
        f"http.response.{each}" for each in ("trailers", "pathsend", "zerocopysend", "early_hint")
    )
}
LIFESPAN = {"type": "lifespan"}
SOCKET = {"type": "websocket", "subprotocols": ["chat"]}
DENYING = {"type": "websocket", "extensions": {"websocket.http.response": {}}}
UNKNOWN = {"type": "rsgi"}

GONE = event("http.disconnect")
HINT = event("http.response.early_hint", links=[])
FILE = event("http.response.pathsend", path=__file__)
TRAILERS = event("http.response.trailers")
STARTUP, STARTED = event("lifespan.startup"), event("lifespan.startup.complete")
FAILED = event("lifespan.startup.failed", message="x")
SHUTDOWN, STOPPED = event("lifespan.shutdown"), event("lifespan.shutdown.complete")
CONNECT, ACCEPT, LEAVE = event("websocket.connect"), event("websocket.accept"), event("websocket.disconnect")
DENY, DENIAL = event("websocket.http.response.start", status=404), event("websocket.http.response.body")
RECEIVE, SAY = event("websocket.receive"), event("websocket.send", text="")

FROM_SERVER = {each["type"] for each in (event("http.request"), GONE, STARTUP, SHUTDOWN, CONNECT, RECEIVE, LEAVE)}


def play(scope: dict[str, Any], script: list[Any]) -> list[Message]:
    """Run a checked app that receives and sends what the script says; gives what the server was sent."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for each in script:
            if isinstance(each, Exception):
                raise each
            if isinstance(each, dict) and each.get("type") in FROM_SERVER:
                arriving.append(each)
                await receive()
            else:
                await send(each)

    async def receive() -> Message:
        return arriving.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    arriving: list[Message] = []
    run(app, scope, receive, send)
    return sent


def run(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def call() -> None:
        await checked_asgi(app)(scope, receive, send)

    asyncio.run(call())


async def never(*_: object) -> Any:
    pytest.fail("called")


refused = pytest.param


@pytest.mark.parametrize(
    ("scope", "script", "rule"),
    [
        # The order of an answer
        refused(HTTP, [], "returned at stage 'new' of a 'http' call", id="no answer"),
        refused(HTTP, [start()], "returned at stage 'body'", id="no body"),
        refused(HTTP, [start(), body(more_body=True)], "returned at stage 'more'", id="no last body"),
        refused(HTTP, [body()], "'http.response.body' at stage 'new'", id="body first"),
        refused(HTTP, [start(), start()], "'http.response.start' at stage 'body'", id="two starts"),
        refused(HTTP, [start(), body(), body()], "'http.response.body' at stage 'end'", id="body after the end"),
        refused(HTTP, [ACCEPT], "'websocket.accept' at stage 'new' of a 'http'", id="another protocol"),
        refused(HTTP, [start(), FILE], "does not offer", id="file that is not offered"),
        refused(HEAD, [HINT], "does not offer", id="hint that is not offered"),
        refused(EXTENDED, [FILE], "'http.response.pathsend' at stage 'new'", id="file first"),
        refused(EXTENDED, [start(), HINT], "'http.response.early_hint' at stage 'body'", id="late hint"),
        refused(EXTENDED, [start(trailers=True), body()], "returned at stage 'trailers'", id="no trailers"),
        refused(EXTENDED, [start(), body(), TRAILERS], "at stage 'end'", id="unannounced trailers"),
        # The shape of an event
        refused(HTTP, [event("http.response.begin")], "expected a dict whose type", id="unknown type"),
        refused(HTTP, [{}], "expected a dict whose type", id="no type"),
        refused(HTTP, ["text"], "expected a dict whose type", id="no dict"),
        refused(HTTP, [event("http.response.start")], "'status' of 'http.response.start' must be int", id="no status"),
        refused(HTTP, [start("200")], "must be int, got '200'", id="status of text"),
        refused(HTTP, [start(True)], "must be int, got True", id="status of bool"),
        refused(HTTP, [start(103)], "from 200 to 999", id="informational status"),
        refused(HTTP, [start(), body("text")], "must be bytes or Absent, got 'text'", id="body of text"),
        refused(HTTP, [start(), body(more_body=1)], "must be bool or Absent", id="more_body of int"),
        refused(EXTENDED, [start(), event("http.response.pathsend")], "'path' of .* must be str", id="no path"),
        # Header fields
        refused(HTTP, [event("http.response.start", status=200, headers=iter(()))], "list or tuple", id="iterator"),
        refused(HTTP, [start(200, ("a", "b"))], "must be two byte strings", id="fields of text"),
        refused(HTTP, [start(200, (b"a", b"b", b"c"))], "must be two byte strings", id="three to a field"),
        refused(HTTP, [start(200, (b"X-A", b"b"))], "in lower case", id="name in upper case"),
        refused(HTTP, [start(200, (b"", b"b"))], "no header field", id="empty name"),
        refused(HTTP, [start(200, (b"a b", b"b"))], "no header field", id="name with a space"),
        refused(HTTP, [start(200, (b":status", b"b"))], "no header field", id="pseudo field"),
        refused(HTTP, [start(200, (b"a", b"b\r\nc: d"))], "no header field", id="value with a line break"),
        refused(HTTP, [start(200, (b"a", b"b\n"))], "no header field", id="value with a line break at its end"),
        refused(HTTP, [start(200, (b"a", b"\x00"))], "no header field", id="value with NUL"),
        refused(HTTP, [start(200, (b"a", b"\x7f"))], "no header field", id="value with DEL"),
        refused(HTTP, [start(200, (b"a", b" b"))], "no header field", id="value with space before"),
        refused(HTTP, [start(200, (b"a", b"b\t"))], "no header field", id="value with space after"),
        refused(HTTP, [start(200, (b"transfer-encoding", b"chunked"))], "hop-by-hop", id="transfer-encoding"),
        refused(HTTP, [start(200, (b"connection", b"upgrade"))], "hop-by-hop", id="connection"),
        # Content
        refused(HTTP, [start(200, (b"content-length", b"-1"))], "made of digits", id="bad length"),
        refused(HTTP, [start(200, (b"content-length", b"1")), body()], "has 0 bytes", id="too little"),
        refused(HTTP, [start(200, (b"content-length", b"1")), body(b"xy")], "more bytes", id="too much"),
        refused(HEAD, [start(), body(b"x")], "200 to HEAD must have no content", id="content for HEAD"),
        refused(HTTP, [start(204), body(b"x")], "must have no content", id="content of 204"),
        refused(HTTP, [start(304), body(b"x")], "must have no content", id="content of 304"),
        # Lifespan
        refused(LIFESPAN, [], "returned at stage 'new' of a 'lifespan'", id="lifespan ignored"),
        refused(LIFESPAN, [STARTED], "'lifespan.startup.complete' at stage 'new'", id="started unasked"),
        refused(LIFESPAN, [STARTUP], "returned at stage 'starting'", id="start-up not answered"),
        refused(LIFESPAN, [STARTUP, STARTUP], "called receive at stage 'starting'", id="start-up awaited twice"),
        refused(LIFESPAN, [STARTUP, STARTED, STARTED], "at stage 'running'", id="started twice"),
        refused(LIFESPAN, [STARTUP, FAILED, STARTED], "at stage 'end'", id="failed and started"),
        refused(LIFESPAN, [STARTUP, FAILED | {"message": b""}], "must be str", id="message of bytes"),
        refused(LIFESPAN, [STARTUP, STARTED], "returned at stage 'running'", id="no shut-down"),
        refused(LIFESPAN, [STARTUP, STARTED, STOPPED], "at stage 'running'", id="stopped unasked"),
        refused(LIFESPAN, [STARTUP, STARTED, SHUTDOWN], "returned at stage 'stopping'", id="shut-down not answered"),
        # WebSocket
        refused(SOCKET, [ACCEPT], "'websocket.accept' at stage 'new'", id="accept before connect"),
        refused(SOCKET, [CONNECT], "returned at stage 'connecting'", id="handshake not answered"),
        refused(SOCKET, [CONNECT, SAY], "'websocket.send' at stage 'connecting'", id="send before accept"),
        refused(SOCKET, [CONNECT, ACCEPT, ACCEPT], "at stage 'open'", id="two accepts"),
        refused(SOCKET, [CONNECT, ACCEPT], "returned at stage 'open'", id="socket left open"),
        refused(SOCKET, [CONNECT, close(), close()], "'websocket.close' at stage 'closed'", id="two closes"),
        refused(SOCKET, [CONNECT, ACCEPT, close(), SAY], "'websocket.send' at stage 'closed'", id="send after close"),
        refused(SOCKET, [CONNECT, ACCEPT, LEAVE, SAY], "at stage 'gone'", id="send after disconnect"),
        refused(
            SOCKET, [CONNECT, ACCEPT, LEAVE, RECEIVE], "called receive at stage 'gone'", id="receive after disconnect"
        ),
        refused(SOCKET, [CONNECT, ACCEPT, event("websocket.send")], "exactly one", id="send of nothing"),
        refused(SOCKET, [CONNECT, ACCEPT, SAY | {"bytes": b""}], "exactly one", id="send of both"),
        refused(SOCKET, [CONNECT, close(code=1005)], "1005 is not a close code", id="reserved code"),
        refused(SOCKET, [CONNECT, close(code=999)], "999 is not a close code", id="low code"),
        refused(SOCKET, [CONNECT, close(code=5000)], "5000 is not a close code", id="high code"),
        refused(SOCKET, [CONNECT, close(reason="é" * 62)], "123 bytes, got 124", id="long reason"),
        refused(SOCKET, [CONNECT, ACCEPT | {"subprotocol": "x"}], "did not offer", id="unoffered subprotocol"),
        refused(
            SOCKET,
            [CONNECT, ACCEPT | {"headers": [(b"sec-websocket-protocol", b"chat")]}],
            "has a key of its own",
            id="subprotocol as a field",
        ),
        refused(SOCKET, [CONNECT, DENY], "does not offer", id="denial that is not offered"),
        refused(DENYING, [CONNECT, DENY], "returned at stage 'denying'", id="denial without an end"),
        # Anything else
        refused(UNKNOWN, [], "returned at stage 'new' of a 'rsgi' call", id="unknown protocol accepted"),
        refused(UNKNOWN, [event("http.request")], "called receive at stage 'new'", id="unknown protocol spoken"),
    ],
)
def test_the_asgi_checker_refuses(scope: dict[str, Any], script: list[Any], rule: str) -> None:
    with pytest.raises(ProtocolError, match=rule):
        play(scope, script)


@pytest.mark.parametrize(
    ("scope", "script"),
    [
        pytest.param(HTTP, [start(), body()], id="an empty answer"),
        pytest.param(HTTP, [event("http.request"), start(200, (b"a", b"\xe9 \t!")), body(b"x")], id="a request"),
        pytest.param(
            HTTP, [start(200, [b"content-length", b"2"]), body(b"x", more_body=True), body(b"y")], id="a stream"
        ),
        pytest.param(HTTP, [start(200, (b"connection", b"Close")), body()], id="an answer that ends the connection"),
        pytest.param(HTTP, [start(200, (b"a", b""), other="key"), body()], id="an unknown key"),
        pytest.param(HTTP, [GONE], id="a client that left"),
        pytest.param(HTTP, [start(), GONE], id="a client that left later"),
        pytest.param(HTTP, [start(), body(), GONE, GONE], id="a disconnect after the end"),
        pytest.param(HEAD, [start(200, (b"content-length", b"5")), body()], id="HEAD"),
        pytest.param(HTTP, [start(304, (b"content-length", b"5")), body()], id="304"),
        pytest.param(
            EXTENDED,
            [HINT, HINT, start(trailers=True), body(), TRAILERS | {"more_trailers": True}, TRAILERS],
            id="hints and trailers",
        ),
        pytest.param(LIFESPAN, [STARTUP, STARTED, SHUTDOWN, STOPPED], id="a lifespan"),
        pytest.param(LIFESPAN, [STARTUP, FAILED], id="a failed start"),
        pytest.param(LIFESPAN, [STARTUP, STARTED, SHUTDOWN, event("lifespan.shutdown.failed")], id="a failed stop"),
        pytest.param(
            SOCKET,
            [CONNECT, ACCEPT | {"subprotocol": "chat"}, RECEIVE, SAY, close(code=4999, reason=None), LEAVE],
            id="a socket",
        ),
        pytest.param(
            SOCKET, [CONNECT, ACCEPT, event("websocket.send", bytes=b"", text=None), LEAVE], id="a lost socket"
        ),
        pytest.param(SOCKET, [CONNECT, close()], id="a refusal"),
        pytest.param(SOCKET, [CONNECT, LEAVE], id="a handshake that was left"),
        pytest.param(DENYING, [CONNECT, DENY, DENIAL | {"more_body": True}, DENIAL], id="a denial"),
    ],
)
def test_the_asgi_checker_lets_through(scope: dict[str, Any], script: list[Message]) -> None:
    assert play(scope, script) == [each for each in script if each["type"] not in FROM_SERVER]


@pytest.mark.parametrize("scope", [HTTP, LIFESPAN, SOCKET, UNKNOWN])
def test_the_asgi_checker_lets_the_app_s_own_exceptions_through(scope: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match="mine"):
        play(scope, [LookupError("mine")])


async def sending_no_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(body(b"x"))


async def sending_two_starts(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(start())


async def sending_after_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())
    await send(body())
    await send(body(b"x"))


async def stopping_short(scope: Scope, receive: Receive, send: Send) -> None:
    await send(start())


@pytest.mark.parametrize(
    ("app", "rule"),
    [
        (sending_no_start, "before the start"),
        (sending_two_starts, "sent twice"),
        (sending_after_the_end, "after the last of it"),
        (stopping_short, "before its answer was complete"),
    ],
)
def test_an_asgi_app_that_no_server_could_serve_is_told_so_without_the_checker(app: ASGIApp, rule: str) -> None:
    client = Client(app, raise_app_exceptions=False)
    with pytest.raises(ProtocolError, match=rule):
        client.get("/")
    client.close()


@pytest.mark.parametrize("then", [LookupError("the app's own"), None])
def test_a_broken_rule_that_the_app_swallows_is_raised_at_the_end(then: Exception | None) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        for _ in range(2):
            with pytest.raises(ProtocolError):
                await send(start())
        await send(body())
        if then is not None:
            raise then

    with pytest.raises(ProtocolError, match=r"'http.response.start' at stage 'body'"):
        exchange(app, "asgi", "GET", b"/")


def test_a_receive_that_would_wait_for_ever_is_refused_each_time() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(2):
            with pytest.raises(ProtocolError):
                await receive()
        raise LookupError

    with pytest.raises(ProtocolError, match="called receive at stage 'new' of a 'rsgi' call"):
        run(app, UNKNOWN, never, never)


def test_an_event_is_read_at_the_stage_it_arrives_in() -> None:
    """A socket that the app closes while it waits: the disconnect then belongs to the closed socket."""
    arrives = [CONNECT]
    closed = anyio.Event()
    sent: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def wait() -> None:
            await receive()

        await receive()
        await send(ACCEPT)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await send(close())
            closed.set()

    async def receive() -> Message:
        if not arrives:
            await closed.wait()
        return arrives.pop() if arrives else LEAVE

    async def send(message: Message) -> None:
        sent.append(message["type"])

    run(app, SOCKET, receive, send)
    assert sent == ["websocket.accept", "websocket.close"]


Late = Callable[[Receive, Send], Coroutine[Any, Any, object]]


async def receive_late(receive: Receive, send: Send) -> None:
    await receive()


async def send_late(receive: Receive, send: Send) -> None:
    await send(body())


@pytest.mark.parametrize("late", [receive_late, send_late])
def test_a_task_that_outlives_the_app_call_is_refused(late: Late) -> None:
    async def outlive() -> None:
        tools: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            tools.extend([receive, send])
            await send(start())
            await send(body())

        async def send(message: Message) -> None:
            pass

        await checked_asgi(app)(HTTP, never, send)
        await late(*tools)

    with pytest.raises(ProtocolError, match="at stage 'returned' of a 'http' call"):
        asyncio.run(outlive())


def test_a_server_that_says_the_client_has_left_is_believed() -> None:
    """Spec 2.4: `send` raises OSError; an app that then returns has done its duty."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with pytest.raises(BrokenPipeError):
            await send(start())

    async def send(message: Message) -> None:
        raise BrokenPipeError

    run(app, HTTP, never, send)


def test_the_length_of_a_file_is_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")
    file = event("http.response.pathsend", path=str(path))
    play(EXTENDED, [start(200, (b"content-length", b"7")), file])
    with pytest.raises(ProtocolError, match="more bytes than its Content-Length, 6"):
        play(EXTENDED, [start(200, (b"content-length", b"6")), file])


@pytest.mark.parametrize("path", ["relative", "/", "/absent"])
def test_a_file_is_named_by_its_whole_path(path: str) -> None:
    with pytest.raises(ProtocolError, match="must be the absolute path of a file"):
        play(EXTENDED, [start(), event("http.response.pathsend", path=path)])


def test_a_path_is_all_of_an_answer() -> None:
    with pytest.raises(ProtocolError, match=r"'http.response.pathsend' at stage 'more'"):
        play(EXTENDED, [start(), body(b"x", more_body=True), FILE])


def test_what_is_sent_from_a_descriptor_is_counted(tmp_path: Path) -> None:
    """From the offset, or else from where the descriptor stands; ``count`` bytes, or else all."""
    (tmp_path / "file").write_bytes(b"content")
    seven = start(200, (b"content-length", b"7"))
    with (tmp_path / "file").open("rb", 0) as file:
        sent = event("http.response.zerocopysend", file=file)
        play(EXTENDED, [seven, sent])
        play(EXTENDED, [seven, {**sent, "offset": 2, "count": 2, "more_body": True}, body(b"12345")])
        file.seek(3)
        play(EXTENDED, [seven, {**sent, "more_body": True}, body(b"123")])
        with pytest.raises(ProtocolError, match="has 4 bytes, its Content-Length is 7"):
            play(EXTENDED, [seven, sent])
        with pytest.raises(ProtocolError, match="does not offer"):
            play(HTTP, [seven, sent])
    with pytest.raises(ProtocolError, match="'file' must have a descriptor"):
        play(EXTENDED, [seven, event("http.response.zerocopysend", file=None)])
