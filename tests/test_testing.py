"""`duoframe.testing` against an app written by hand: what a client sees, and what an app sees.

Knows no framework object, so it says the same whatever becomes of the package. What the checkers refuse is in
``test_testing_checkers.py``.
"""

import asyncio
import importlib
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import anyio
import httpx
import pytest
from anyio.lowlevel import checkpoint

import duoframe.testing
from duoframe.testing import (
    AsyncClient,
    Client,
    Door,
    Exchange,
    ProtocolError,
    exchange,
)
from duoframe.types import Environ, ExcInfo, Message, Receive, Scope, Send, StartResponse

pytest_plugins = ["duoframe.testing.plugin", "pytester"]

DEADLINE = 10.0
DOORS: list[Door] = ["wsgi", "asgi"]
TEXT = [("content-type", "text/plain")]
TEXT_BYTES = [(b"content-type", b"text/plain")]
START: Message = {"type": "http.response.start", "status": 200, "headers": TEXT_BYTES}

WSGI = Callable[[Environ, StartResponse], Iterable[bytes]]
ASGI = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Step = Callable[[Receive, Send], Awaitable[object]]

mark: ContextVar[str] = ContextVar("mark", default="unset")


class Dual:
    """One object with two doors, as servers see a duoframe app."""

    def __init__(self, wsgi: WSGI, asgi: ASGI) -> None:
        self.wsgi = wsgi
        self.asgi = asgi

    def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
        return self.wsgi(scope, receive) if send is None else self.asgi(scope, receive, send)


class Site(Dual):
    """The same small site behind both doors; it counts what it does."""

    def __init__(self) -> None:
        super().__init__(self._wsgi, self._asgi)
        self.log: list[str] = []
        self.ticks = 0
        self.closed = 0
        self.ended = threading.Event()

    # The WSGI door

    def startup(self) -> None:
        self.log.append("startup")

    def shutdown(self) -> None:
        self.log.append("shutdown")

    def _wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/endless":
            start_response("200 OK", TEXT)
            return self._endless()
        if path == "/echo":
            start_response("200 OK", TEXT)
            return self._echo(environ)
        if path == "/redirect":
            start_response("303 See Other", [*TEXT, ("location", "/facts"), ("set-cookie", "a=1")])
            return [b"away"]
        if path == "/raise":
            raise LookupError("before the start")
        if path == "/raise/late":
            start_response("200 OK", TEXT)
            return self._late()
        start_response("200 OK", [("content-type", "application/json")])
        return [json.dumps(self._facts(environ)).encode()]

    def _endless(self) -> Iterator[bytes]:
        try:
            while True:
                self.ticks += 1
                yield b"tick"
        finally:
            self.closed += 1
            self.ended.set()

    def _echo(self, environ: Environ) -> Iterator[bytes]:
        while chunk := environ["wsgi.input"].read(4):
            self.log.append(f"got {chunk.decode()}")
            yield chunk

    def _late(self) -> Iterator[bytes]:
        yield b"a"
        raise LookupError("after the start")

    def _facts(self, environ: Environ) -> dict[str, Any]:
        return {
            "method": environ["REQUEST_METHOD"],
            "path": (environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1").decode("utf-8", "replace"),
            "query": environ["QUERY_STRING"],
            "root": environ["SCRIPT_NAME"].encode("latin-1").decode(),
            "raw": environ["RAW_URI"].partition("?")[0],
            "scheme": environ["wsgi.url_scheme"],
            "server": [environ["SERVER_NAME"], int(environ["SERVER_PORT"])],
            "client": [environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])] if "REMOTE_ADDR" in environ else None,
            "http": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
            "host": environ.get("HTTP_HOST"),
            "cookie": environ.get("HTTP_COOKIE"),
            "mark": mark.get(),
        }

    # The ASGI door

    async def _asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(scope, receive, send)
        path = scope["path"]
        if path == "/raise":
            raise LookupError("before the start")
        headers = {
            "/redirect": [*TEXT_BYTES, (b"location", b"/facts"), (b"set-cookie", b"a=1")],
            "/facts": [(b"content-type", b"application/json")],
        }
        status = 303 if path == "/redirect" else 200
        await send({"type": "http.response.start", "status": status, "headers": headers.get(path, TEXT_BYTES)})
        answers = {"/endless": self._endless_asgi, "/echo": self._echo_asgi, "/raise/late": self._late_asgi}
        if path in answers:
            return await answers[path](receive, send)
        body = b"away" if path == "/redirect" else json.dumps(self._facts_asgi(scope)).encode()
        await send({"type": "http.response.body", "body": body})

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.log.append("startup")
        scope["state"]["pool"] = self
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.log.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})

    async def _endless_asgi(self, receive: Receive, send: Send) -> None:
        try:
            while True:
                self.ticks += 1
                await send({"type": "http.response.body", "body": b"tick", "more_body": True})
        finally:
            self.closed += 1
            self.ended.set()

    async def _echo_asgi(self, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            more = message["more_body"]
            if message["body"]:
                self.log.append(f"got {message['body'].decode()}")
            await send({"type": "http.response.body", "body": message["body"], "more_body": more})

    async def _late_asgi(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        raise LookupError("after the start")

    def _facts_asgi(self, scope: Scope) -> dict[str, Any]:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        return {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "root": scope["root_path"],
            "raw": scope["raw_path"].decode("latin-1"),
            "scheme": scope["scheme"],
            "server": scope["server"],
            "client": scope["client"],
            "http": scope["http_version"],
            "host": headers.get("host"),
            "cookie": headers.get("cookie"),
            "mark": mark.get(),
        }


async def text_app(
    scope: Scope, receive: Receive, send: Send, *, steps: Iterable[Step] = (), body: bytes = b"x"
) -> None:
    """An ASGI app that takes some steps and then answers."""
    for step in steps:
        await step(receive, send)
    await send(START)
    await send({"type": "http.response.body", "body": body})


def text_wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", TEXT)
    return [b"x"]


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    found: Door = request.param
    return found


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    # trio keeps threads it may need again for some seconds; they are trio's own.
    left = [each for each in threading.enumerate() if each not in before and "Trio" not in each.name]
    for thread in left:
        thread.join(DEADLINE)
    assert not [each for each in left if each.is_alive()]


@contextmanager
def marked() -> Iterator[None]:
    token = mark.set("set by the test")
    yield
    mark.reset(token)


def pulled(log: list[str], number: int = 3) -> Iterator[bytes]:
    """A request body that tells when it is asked for more."""
    for each in range(number):
        log.append(f"pull {each:03}.")
        yield f"{each:03}.".encode()


async def pulled_later(log: list[str], number: int = 3) -> AsyncIterator[bytes]:
    for chunk in pulled(log, number):
        yield chunk


# httpx walks its streams through generators and leaves them alone where a stream is left early: trio sees that.
LEAVES_EARLY = pytest.mark.filterwarnings("ignore:Async generator 'httpx:ResourceWarning")
ON_DEMAND = ["pull 000.", "got 000.", "pull 001.", "got 001.", "pull 002.", "got 002."]


# Client: streaming


def test_an_endless_answer_can_be_read_and_left_and_the_app_is_closed_once(site: Site, door: Door) -> None:
    with Client(site, door, strict=True) as client, client.stream("GET", "/endless") as response:
        chunks = response.iter_raw()
        assert [next(chunks) for _ in range(3)] == [b"tick"] * 3
        response.close()
        assert site.ended.is_set()
        response.close()
    assert site.closed == 1


def test_an_app_is_never_more_than_one_chunk_ahead_of_the_reader(site: Site, door: Door) -> None:
    with Client(site, door) as client, client.stream("GET", "/endless") as response:
        chunks = response.iter_raw()
        for taken in range(1, 20):
            next(chunks)
            assert taken <= site.ticks <= taken + 1


def test_a_request_body_is_pulled_only_when_the_app_asks_for_it(site: Site, door: Door) -> None:
    with Client(site, door) as client:
        site.log.clear()
        response = client.post("/echo", content=pulled(site.log))
        assert response.content == b"000.001.002."
        assert [entry for entry in site.log if entry != "startup"] == ON_DEMAND


def test_a_request_body_that_the_app_ignores_is_never_pulled(site: Site, door: Door) -> None:
    with Client(site, door) as client:
        assert client.post("/facts", content=pulled(site.log)).status_code == 200
    assert not [entry for entry in site.log if entry.startswith("pull")]


def test_request_and_answer_stream_at_the_same_time(site: Site, door: Door) -> None:
    sent: list[str] = []
    with Client(site, door) as client, client.stream("POST", "/echo", content=pulled(sent, 100)) as response:
        chunks = response.iter_raw()
        assert [next(chunks), next(chunks)] == [b"000.", b"001."]
        assert len(sent) <= 3
    assert len(sent) <= 3


def test_a_generator_body_runs_in_the_thread_and_the_context_of_the_test(site: Site, door: Door) -> None:
    seen: list[object] = []

    def body() -> Iterator[bytes]:
        seen.append((threading.get_ident(), mark.get()))
        yield b"once"

    with marked(), Client(site, door) as client:
        assert client.post("/echo", content=body()).text == "once"
    assert seen == [(threading.get_ident(), "set by the test")]


def test_several_answers_can_be_under_way_at_once(site: Site, door: Door) -> None:
    with Client(site, door) as client, client.stream("GET", "/endless") as one, client.stream("GET", "/endless") as two:
        first, second = one.iter_raw(), two.iter_raw()
        assert [next(first), next(second), next(first)] == [b"tick"] * 3
        one.close()
        assert next(second) == b"tick"
    assert site.closed == 2


def test_closing_the_client_closes_answers_that_are_still_open(site: Site, door: Door) -> None:
    client = Client(site, door)
    response = client.send(client.build_request("GET", "/endless"), stream=True)
    assert next(response.iter_raw()) == b"tick"
    client.close()
    assert site.closed == 1
    client.close()


# Client: requests


def test_the_app_sees_what_a_server_shows(site: Site, door: Door) -> None:
    with marked(), Client(site, door, cookies={"a": "1"}) as client:
        facts = client.get("/facts", params={"q": "ü b"}).json()
    assert facts == {
        "method": "GET",
        "path": "/facts",
        "query": "q=%C3%BC+b",
        "root": "",
        "raw": "/facts",
        "scheme": "http",
        "server": ["testserver", 80],
        "client": ["127.0.0.1", 50000],
        "http": "1.1",
        "host": "testserver",
        "cookie": "a=1",
        "mark": "set by the test",
    }


@pytest.mark.parametrize("path", ["/é", "/日本/ü", "/a%2Fb", "/%F0%9F%90%8D", "/a b", "/%25", "/\N{SNAKE}"])
def test_a_path_reaches_both_doors_decoded_once(path: str) -> None:
    seen: list[str] = []

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ["PATH_INFO"].encode("latin-1").decode("utf-8"))
        return text_wsgi(environ, start_response)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await text_app(scope, receive, send)

    for each in DOORS:
        client = Client(Dual(wsgi, asgi), each)
        client.get(path)
        client.close()
    assert seen == [httpx.URL(f"http://testserver{path}").path] * 2


def test_redirects_and_cookies_are_httpx_s_own(site: Site, door: Door) -> None:
    with Client(site, door) as client:
        assert client.get("/redirect").status_code == 303
        response = client.get("/redirect", follow_redirects=True)
        assert (response.json()["path"], response.json()["cookie"]) == ("/facts", "a=1")
        assert [each.reason_phrase for each in response.history] == ["See Other"]


def test_options_of_the_client_reach_the_app(site: Site, door: Door) -> None:
    options: dict[str, Any] = {"base_url": "https://example.org:8443", "root_path": "/my app", "client": None}
    with Client(site, door, headers={"cookie": "x=y"}, **options) as client:
        facts = client.get("/facts/more").json()
        assert client.door == door
        assert client.app is site
    expected = {"path": "/my app/facts/more", "root": "/my app", "raw": "/my%20app/facts/more", "scheme": "https"}
    assert facts | expected | {"server": ["example.org", 8443], "client": None, "cookie": "x=y"} == facts


def test_a_url_that_no_web_server_serves_is_refused(site: Site, door: Door) -> None:
    with Client(site, door) as client, pytest.raises(httpx.UnsupportedProtocol, match="got 'ftp://testserver/'"):
        client.get("ftp://testserver/")


def test_neither_proxies_nor_netrc_of_the_machine_are_used(
    monkeypatch: pytest.MonkeyPatch, site: Site, door: Door
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Client(site, door) as client:
        assert client.get("/facts").status_code == 200
        assert not client.trust_env


def test_content_a_sloppy_app_gives_to_head_is_dropped_as_servers_do(site: Site, door: Door) -> None:
    with Client(site, door) as client:
        assert client.head("/facts").content == b""


# Client: exceptions


@pytest.mark.parametrize("strict", [False, True])
def test_an_exception_before_the_start_is_raised_in_the_caller(site: Site, door: Door, strict: bool) -> None:
    with Client(site, door, strict=strict) as client, pytest.raises(LookupError, match="before the start"):
        client.get("/raise")


@pytest.mark.parametrize("strict", [False, True])
def test_an_exception_in_mid_stream_is_raised_in_the_reader(site: Site, door: Door, strict: bool) -> None:
    with Client(site, door, strict=strict) as client, client.stream("GET", "/raise/late") as response:
        chunks = response.iter_raw()
        assert next(chunks) == b"a"
        with pytest.raises(LookupError, match="after the start"):
            next(chunks)


def test_without_raising_an_exception_is_what_a_server_makes_of_it(site: Site, door: Door) -> None:
    with Client(site, door, raise_app_exceptions=False) as client:
        response = client.get("/raise")
        assert (response.status_code, response.reason_phrase) == (500, "Internal Server Error")
        assert response.content == b""
        with pytest.raises(httpx.RemoteProtocolError) as raised:
            client.get("/raise/late")
        assert isinstance(raised.value.__cause__, LookupError)


def stopping_app(error: BaseException) -> Dual:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        raise error

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return Dual(wsgi, asgi)


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_ends_a_process_is_raised_in_any_case(door: Door, error: BaseException) -> None:
    client = Client(stopping_app(error), door, raise_app_exceptions=False)
    with pytest.raises(type(error)):
        client.get("/")
    client.close()


def failing_at_the_end(after: Callable[[], None]) -> Dual:
    """An app that does something after its answer: what WSGI does in close(), and ASGI before it returns."""

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            after()

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        text_wsgi(environ, start_response)
        return Body()

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await text_app(scope, receive, send)
        after()

    return Dual(wsgi, asgi)


def test_an_answer_is_over_when_the_work_behind_it_is_done(door: Door) -> None:
    done: list[str] = []
    client = Client(failing_at_the_end(partial(done.append, "done")), door)
    assert client.get("/").text == "x"
    assert done == ["done"]
    client.close()


def test_an_exception_after_a_complete_answer_is_raised_unless_that_is_off(door: Door) -> None:
    def fail() -> None:
        raise LookupError("in the background")

    app = failing_at_the_end(fail)
    client = Client(app, door)
    with pytest.raises(LookupError, match="in the background"):
        client.get("/")
    client.close()
    quiet = Client(app, door, raise_app_exceptions=False)
    assert quiet.get("/").text == "x"
    quiet.close()
    result = exchange(app, door, "GET", b"/")
    assert (result.status, result.body, result.aborted) == (200, b"x", False)
    assert isinstance(result.error, LookupError)


def test_an_app_learns_that_its_complete_answer_was_the_end() -> None:
    """ASGI: after the response, `receive` gives http.disconnect."""
    seen: list[str] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await text_app(scope, receive, send)
        seen.append((await receive())["type"])

    client = Client(asgi)
    assert client.get("/").text == "x"
    assert seen == ["http.disconnect"]
    client.close()


# Client: the caller's own faults


def broken_body(error: Exception) -> Iterator[bytes]:
    yield b"0123"
    raise error


def swallowing(seen: list[str]) -> Dual:
    """An app that answers 200 whatever happens to the body."""

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        try:
            while environ["wsgi.input"].read(4):
                pass
        except OSError as error:
            seen.append(type(error).__name__)
        return text_wsgi(environ, start_response)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
        seen.append(message["type"])
        await text_app(scope, receive, send)

    return Dual(wsgi, asgi)


def test_an_error_of_the_body_iterator_is_raised_in_the_caller_and_a_disconnect_to_the_app(door: Door) -> None:
    seen: list[str] = []
    client = Client(swallowing(seen), door, raise_app_exceptions=False)
    with pytest.raises(ZeroDivisionError):
        client.post("/", content=broken_body(ZeroDivisionError()))
    assert seen == [{"wsgi": "ConnectionAbortedError", "asgi": "http.disconnect"}[door]]
    client.close()
    with pytest.raises(ZeroDivisionError):
        exchange(swallowing(seen), door, "POST", b"/", body=broken_body(ZeroDivisionError()))


def test_an_oserror_of_the_body_iterator_is_a_connection_that_breaks(door: Door) -> None:
    seen: list[str] = []
    client = Client(swallowing(seen), door)
    assert client.post("/", content=broken_body(TimeoutError())).text == "x"
    assert seen == [{"wsgi": "TimeoutError", "asgi": "http.disconnect"}[door]]
    client.close()


# The end of an ASGI app that is left


def test_an_app_that_ignores_the_disconnect_is_cancelled_after_its_grace() -> None:
    ends: list[str] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        try:
            await anyio.sleep_forever()
        finally:
            ends.append("cancelled")

    result = exchange(asgi, "asgi", "GET", b"/", disconnect_after=1, grace=0.01)
    assert (result.chunks, result.error, result.cancelled, ends) == ([b"a"], None, True, ["cancelled"])


@pytest.mark.parametrize(("spec_version", "outcome"), [("2.3", ["silent", "http.disconnect"]), ("2.4", ["OSError"])])
def test_send_after_the_client_has_left_is_silent_or_raises_by_the_spec(spec_version: str, outcome: list[str]) -> None:
    seen: list[str] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["asgi"]["spec_version"] == spec_version
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        try:
            for _ in range(2):
                await send({"type": "http.response.body", "body": b"b", "more_body": True})
            seen.append("silent")
            await receive()
            seen.append((await receive())["type"])
        except OSError:
            seen.append("OSError")
            raise

    result = exchange(asgi, "asgi", "GET", b"/", disconnect_after=1, spec_version=spec_version)
    assert (result.chunks, result.error, result.cancelled) == ([b"a"], None, False)
    assert seen == outcome


def test_an_exception_that_an_app_raises_while_it_is_left_is_raised_by_close(door: Door) -> None:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        try:
            yield from [b"a", b"b"]
        finally:
            raise LookupError("in the clean-up")

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            for chunk in (b"a", b"b"):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except OSError:
            raise LookupError("in the clean-up") from None

    with Client(Dual(wsgi, supporting(asgi)), door) as client, client.stream("GET", "/") as response:
        assert next(response.iter_raw()) == b"a"
        with pytest.raises(LookupError, match="in the clean-up"):
            response.close()


def test_an_app_that_cancels_itself_has_failed() -> None:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    result = exchange(asgi, "asgi", "GET", b"/")
    assert (result.status, result.cancelled) == (500, False)
    assert isinstance(result.error, asyncio.CancelledError)


def test_two_receives_at_once_get_one_message_each() -> None:
    got: list[bytes] = []
    pulls: list[str] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        async def take() -> None:
            got.append((await receive())["body"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(take)
            tasks.start_soon(take)
        await text_app(scope, receive, send)

    assert exchange(asgi, "asgi", "POST", b"/", body=pulled(pulls)).body == b"x"
    assert got == [b"000.", b"001."]
    assert len(pulls) == 2


# Lifespan


def supporting(asgi: ASGI) -> ASGI:
    """Put the plainest lifespan in front of an app that knows only http."""

    async def supported(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            return await asgi(scope, receive, send)
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})

    return supported


def test_with_runs_start_up_and_shut_down_once(site: Site, door: Door) -> None:
    with Client(site, door, strict=True) as client:
        assert site.log == ["startup"]
        assert client.get("/facts").status_code == 200
        assert client.get("/facts").status_code == 200
    client.close()
    assert site.log == ["startup", "shutdown"]


def test_without_with_there_is_no_lifespan(site: Site, door: Door) -> None:
    client = Client(site, door)
    assert client.get("/facts").status_code == 200
    client.close()
    assert site.log == []


def test_a_client_that_was_never_used_has_nothing_to_close(site: Site, door: Door) -> None:
    Client(site, door).close()


def test_a_wsgi_app_without_start_up_needs_none() -> None:
    with Client(text_wsgi, "wsgi") as client:
        assert client.get("/").text == "x"


def test_each_request_gets_its_own_copy_of_the_state() -> None:
    seen: list[dict[str, Any]] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["shared"] = []
            return await supporting(text_app)(scope, receive, send)
        seen.append(scope["state"])
        scope["state"]["own"] = len(seen)
        scope["state"]["shared"].append(len(seen))
        await text_app(scope, receive, send)

    with Client(asgi) as client:
        client.get("/")
        client.get("/")
    assert seen == [{"shared": [1, 2], "own": 1}, {"shared": [1, 2], "own": 2}]


def test_there_is_no_state_without_a_lifespan() -> None:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        assert "state" not in scope
        await text_app(scope, receive, send)

    assert exchange(asgi, "asgi", "GET", b"/").body == b"x"


async def raising_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")
    await text_app(scope, receive, send)


async def returning_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "lifespan":
        await text_app(scope, receive, send)


async def returning_after_start_up(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        return await send({"type": "lifespan.startup.complete"})
    await text_app(scope, receive, send)


@pytest.mark.parametrize("app", [raising_at_once, returning_at_once, returning_after_start_up])
def test_an_app_without_lifespan_is_served_all_the_same(app: ASGI) -> None:
    with Client(app) as client:
        assert client.get("/").text == "x"


async def raising_in_start_up(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    raise LookupError("no database")


async def failing_in_start_up(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


async def raising_after_it_said_failed(scope: Scope, receive: Receive, send: Send) -> None:
    await failing_in_start_up(scope, receive, send)
    raise LookupError("no database")


async def staying_after_it_said_failed(scope: Scope, receive: Receive, send: Send) -> None:
    await failing_in_start_up(scope, receive, send)
    await anyio.sleep_forever()


async def sending_nonsense_in_start_up(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start"})


@pytest.mark.parametrize(
    ("app", "error"),
    [
        (raising_in_start_up, LookupError("no database")),
        (failing_in_start_up, RuntimeError("the app failed to start: no database")),
        (raising_after_it_said_failed, LookupError("no database")),
        (staying_after_it_said_failed, RuntimeError("the app failed to start: no database")),
        (
            sending_nonsense_in_start_up,
            ProtocolError("expected a lifespan message, the app sent 'http.response.start'"),
        ),
    ],
)
def test_a_start_up_that_fails_raises_on_entry_and_leaves_nothing(app: ASGI, error: Exception) -> None:
    client = Client(app, grace=0.01)
    with pytest.raises(type(error), match=str(error)), client:
        pytest.fail("entered")
    client.close()


class FailingWSGI:
    """A WSGI app that fails to start or to stop."""

    def __init__(self, *failing: str) -> None:
        self.failing = failing
        self.log: list[str] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return text_wsgi(environ, start_response)

    def startup(self) -> None:
        self._step("startup")

    def shutdown(self) -> None:
        self._step("shutdown")

    def _step(self, step: str) -> None:
        self.log.append(step)
        if step in self.failing:
            raise LookupError(step)


def test_a_failing_wsgi_start_up_raises_on_entry_and_is_not_shut_down() -> None:
    app = FailingWSGI("startup")
    with pytest.raises(LookupError, match="startup"), Client(app, "wsgi"):
        pytest.fail("entered")
    assert app.log == ["startup"]


def test_a_failing_wsgi_shut_down_raises_on_exit() -> None:
    app = FailingWSGI("shutdown")
    with pytest.raises(LookupError, match="shutdown"), Client(app, "wsgi") as client:
        client.get("/")
    client.close()
    assert app.log == ["startup", "shutdown"]


async def raising_in_shut_down(scope: Scope, receive: Receive, send: Send) -> None:
    await returning_after_start_up(scope, receive, send)
    await receive()
    raise LookupError("cannot stop")


async def failing_in_shut_down(scope: Scope, receive: Receive, send: Send) -> None:
    await returning_after_start_up(scope, receive, send)
    await receive()
    await send({"type": "lifespan.shutdown.failed"})


async def crashing_after_start_up(scope: Scope, receive: Receive, send: Send) -> None:
    await returning_after_start_up(scope, receive, send)
    raise LookupError("cannot stop")


@pytest.mark.parametrize(
    ("app", "error"),
    [
        (raising_in_shut_down, LookupError("cannot stop")),
        (failing_in_shut_down, RuntimeError("the app failed to shut down: ")),
        (crashing_after_start_up, LookupError("cannot stop")),
    ],
)
def test_a_shut_down_that_fails_raises_on_exit(app: ASGI, error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)), Client(app):
        pass


def test_an_app_that_stays_after_its_shut_down_is_cancelled() -> None:
    ended = threading.Event()

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await supporting(text_app)(scope, receive, send)
            await receive()
        finally:
            ended.set()

    with Client(asgi, grace=0.01):
        pass
    assert ended.is_set()


# The loop of Client


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_asgi_door_runs_on_the_backend_asked_for(backend: str, site: Site) -> None:
    seen: list[bool] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(anyio.get_cancelled_exc_class() is asyncio.CancelledError)
        await site(scope, receive, send)

    with Client(asgi, backend=backend) as client:
        assert client.post("/echo", content=pulled([])).text == "000.001.002."
        with client.stream("GET", "/endless") as response:
            assert next(response.iter_raw()) == b"tick"
    assert site.closed == 1
    assert set(seen) == {backend == "asyncio"}


def test_an_unknown_backend_is_named(site: Site) -> None:
    client = Client(site, backend="gevent")
    with pytest.raises(LookupError, match="gevent"):
        client.get("/facts")
    client.close()
    with pytest.raises(LookupError, match="gevent"), Client(site, backend="gevent"):
        pytest.fail("entered")


def test_all_requests_of_a_client_run_on_one_loop() -> None:
    loops: set[object] = set()

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        loops.add(asyncio.get_running_loop())
        await supporting(text_app)(scope, receive, send)

    with Client(asgi) as client:
        client.get("/")
        client.get("/")
    assert len(loops) == 1


def test_several_threads_may_use_one_client(door: Door) -> None:
    meeting = threading.Barrier(4)

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        meeting.wait(DEADLINE)
        return text_wsgi(environ, start_response)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.to_thread.run_sync(meeting.wait, DEADLINE)
        await text_app(scope, receive, send)

    client = Client(Dual(wsgi, asgi), door)
    texts: list[str] = []
    threads = [threading.Thread(target=lambda: texts.append(client.get("/").text)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert texts == ["x"] * 4
    client.close()


def test_a_client_that_is_never_closed_does_not_keep_the_interpreter_from_ending(tmp_path: Path) -> None:
    script = tmp_path / "forgotten.py"
    script.write_text(
        "from duoframe.testing import Client\n"
        "async def app(scope, receive, send):\n"
        "    await send({'type': 'http.response.start', 'status': 200, 'headers': []})\n"
        "    await send({'type': 'http.response.body', 'body': b'x'})\n"
        "client = Client(app)\n"
        "print(client.get('/').text)\n"
    )
    root = Path(duoframe.testing.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-W", "error", str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": str(root)},
    )
    assert (result.stdout, result.stderr) == ("x\n", "")


# AsyncClient


def tasks_running() -> int:
    return len(anyio.get_running_tasks())


@LEAVES_EARLY
@pytest.mark.anyio
async def test_an_asynchronous_client_streams_both_ways_and_leaves_no_task(site: Site, door: Door) -> None:
    before = tasks_running()
    async with AsyncClient(site, door, strict=True) as client:
        site.log.clear()
        response = await client.post("/echo", content=pulled_later(site.log))
        assert response.content == b"000.001.002."
        assert site.log == ON_DEMAND
        async with client.stream("GET", "/endless") as stream:
            chunks = stream.aiter_raw()
            for taken in range(1, 10):
                assert await anext(chunks) == b"tick"
                assert taken <= site.ticks <= taken + 1
        assert site.closed == 1
        assert client.door == door
        assert client.app is site
    assert tasks_running() == before


@pytest.mark.anyio
async def test_an_asynchronous_client_runs_the_lifespan(site: Site, door: Door) -> None:
    async with AsyncClient(site, door, strict=True) as client:
        assert site.log == ["startup"]
        await client.get("/facts")
    assert site.log == ["startup", "shutdown"]


@pytest.mark.anyio
async def test_an_asynchronous_client_works_without_with(site: Site, door: Door) -> None:
    client = AsyncClient(site, door)
    with marked():
        assert (await client.get("/facts")).json()["mark"] == "set by the test"
    response = await client.send(client.build_request("GET", "/endless"), stream=True)
    await client.aclose()
    assert site.closed == 1
    await response.aclose()
    assert site.log == []


@pytest.mark.anyio
async def test_an_asynchronous_client_raises_what_the_app_raises(site: Site, door: Door) -> None:
    async with AsyncClient(site, door) as client:
        with pytest.raises(LookupError, match="before the start"):
            await client.get("/raise")
        with pytest.raises(LookupError, match="after the start"):
            await client.get("/raise/late")


@pytest.mark.anyio
async def test_an_asynchronous_client_can_take_exceptions_as_a_server_does(site: Site, door: Door) -> None:
    async with AsyncClient(site, door, raise_app_exceptions=False) as client:
        assert (await client.get("/raise")).status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get("/raise/late")
        assert (await client.head("/facts")).content == b""


@pytest.mark.anyio
async def test_the_asgi_door_of_an_asynchronous_client_runs_on_the_test_s_own_loop(site: Site) -> None:
    opened = anyio.Event()

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await opened.wait()
        await text_app(scope, receive, send)

    client = AsyncClient(asgi)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.get, "/")
        await anyio.wait_all_tasks_blocked()
        opened.set()
    await client.aclose()


@pytest.mark.anyio
async def test_a_start_up_that_fails_raises_on_asynchronous_entry() -> None:
    before = tasks_running()
    with pytest.raises(LookupError, match="no database"):
        await AsyncClient(raising_in_start_up).__aenter__()
    with pytest.raises(LookupError, match="startup"):
        await AsyncClient(FailingWSGI("startup"), "wsgi").__aenter__()
    assert tasks_running() == before


@pytest.mark.anyio
async def test_a_request_that_is_cancelled_ends_the_app() -> None:
    before = tasks_running()
    ended: list[str] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("app")

    client = AsyncClient(asgi)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.get, "/")
            await anyio.wait_all_tasks_blocked()
            scope.cancel()
    assert ended == ["app"]
    await client.aclose()
    assert tasks_running() == before


@pytest.mark.anyio
async def test_entering_can_be_cancelled() -> None:
    before = tasks_running()
    with anyio.move_on_after(0.01) as scope:
        await AsyncClient(staying_in_start_up).__aenter__()
    assert scope.cancelled_caught
    assert tasks_running() == before


async def staying_in_start_up(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await anyio.sleep_forever()


@LEAVES_EARLY
@pytest.mark.anyio
async def test_a_wsgi_thread_that_outlives_its_grace_learns_that_the_client_has_left() -> None:
    """Nothing can stop a thread: it is told by what it reads and sends, and leaving waits for it."""
    going = threading.Event()
    log: list[object] = []

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        try:
            yield b"a"
            going.wait(DEADLINE)
            log.append(environ["wsgi.input"].read(4))
            yield b"b"
            log.append("never")
        finally:
            log.append("closed")

    async def release() -> None:
        await anyio.wait_all_tasks_blocked()
        going.set()

    client = AsyncClient(wsgi, "wsgi", grace=0)
    response = await client.send(client.build_request("POST", "/", content=pulled_later([])), stream=True)
    assert await anext(response.aiter_raw()) == b"a"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(release)
        await response.aclose()
    assert log == [b"", "closed"]
    await client.aclose()


@pytest.mark.anyio
async def test_many_wsgi_requests_can_wait_for_one_another() -> None:
    """More of them than anyio lends threads by default."""
    meeting = threading.Barrier(50)

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        meeting.wait(DEADLINE)
        return text_wsgi(environ, start_response)

    client = AsyncClient(wsgi, "wsgi")
    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(client.get, "/")
    await client.aclose()


@pytest.mark.anyio
async def test_a_wsgi_app_reads_what_an_asynchronous_client_sends_until_it_breaks_off() -> None:
    seen: list[bytes] = []

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ["wsgi.input"].read(100))
        return text_wsgi(environ, start_response)

    async def breaking() -> AsyncIterator[bytes]:
        yield b"0123"
        raise TimeoutError

    client = AsyncClient(wsgi, "wsgi")
    assert (await client.post("/", content=breaking())).text == "x"
    assert seen == [b"0123"]
    with pytest.raises(ZeroDivisionError):
        await client.post("/", content=failing_later())
    await client.aclose()


async def failing_later() -> AsyncIterator[bytes]:
    yield b"0123"
    raise ZeroDivisionError


class Endless(httpx.AsyncByteStream):
    """A request body that is its own iterator, and has no `aclose` of an iterator."""

    aclose = None  # type: ignore[assignment]  # httpx never calls it for a request

    def __aiter__(self) -> "Endless":
        return self

    async def __anext__(self) -> bytes:
        await checkpoint()
        return b"more"


@pytest.mark.anyio
async def test_any_asynchronous_iterator_will_do_as_a_body() -> None:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await text_app(scope, receive, send, body=(await receive())["body"])

    client = AsyncClient(asgi)
    request = httpx.Request("POST", "http://testserver", headers={"transfer-encoding": "chunked"}, stream=Endless())
    assert (await client.send(request)).text == "more"
    await client.aclose()


@pytest.mark.anyio
async def test_a_receive_that_is_cancelled_loses_nothing() -> None:
    asked, given = anyio.Event(), anyio.Event()
    log: list[object] = []

    async def body() -> AsyncIterator[bytes]:
        log.append("pull")
        asked.set()
        await given.wait()
        yield b"late"
        log.append("pull")

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive_nothing, receive)
            await asked.wait()
            tasks.cancel_scope.cancel()
        given.set()
        await anyio.wait_all_tasks_blocked()
        log.append((await receive())["body"])
        await text_app(scope, receive, send)

    client = AsyncClient(asgi)
    await client.post("/", content=body())
    assert log == ["pull", b"late"]
    await client.aclose()


async def receive_nothing(receive: Receive) -> None:
    await receive()
    pytest.fail("received")


@pytest.mark.anyio
async def test_a_client_that_leaves_during_a_pull_sends_nothing_more() -> None:
    pulling = anyio.Event()
    seen: list[str] = []

    async def body() -> AsyncIterator[bytes]:
        pulling.set()
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
        yield b"too late"

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        seen.append((await receive())["type"])

    client = AsyncClient(asgi)
    response = await client.send(client.build_request("POST", "/", content=body()), stream=True)
    await pulling.wait()
    await response.aclose()
    assert seen == ["http.disconnect"]
    await client.aclose()


# exchange


def facts_of(result: Exchange) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(result.body)
    return found


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a/../b", "/a/../b", ""),
        (b"//x", "//x", ""),
        (b"/%2F?q=%2F&&", "///"[:2], "q=%2F&&"),
        (b"/caf%C3%A9?\xe9", "/café", "é"),
        (b"/caf\xc3\xa9", "/café", ""),
        (b"/%ff", "/�", ""),
        (b"/%zz%", "/%zz%", ""),
        (b"/a?b?c#d", "/a", "b?c#d"),
        (b"/a#d", "/a#d", ""),
        (b"*", "*", ""),
        (b"", "", ""),
        (b"http://other:81/x?y", "/x", "y"),
        (b"HTTPS://other", "/", ""),
    ],
)
def test_a_raw_target_reaches_the_app_as_servers_present_it(
    site: Site, door: Door, target: bytes, path: str, query: str
) -> None:
    result = exchange(site, door, "GET", target)
    facts = facts_of(result)
    assert (result.status, facts["path"], facts["query"]) == (200, path, query)


@pytest.mark.parametrize("method", ["get", "GeT", "BREW", "CONNECT", "OPTIONS"])
def test_a_method_reaches_the_app_as_it_is(site: Site, door: Door, method: str) -> None:
    assert facts_of(exchange(site, door, method, b"/"))["method"] == method


def test_what_a_server_knows_of_a_connection_can_be_said(site: Site, door: Door) -> None:
    result = exchange(
        site,
        door,
        "GET",
        b"/x",
        scheme="https",
        client=None,
        server=("other", 81),
        root_path="/röt",
        http_version="2",
    )
    assert facts_of(result) == {
        "method": "GET",
        "path": "/röt/x",
        "query": "",
        "root": "/röt",
        "raw": "/r%C3%B6t/x",
        "scheme": "https",
        "server": ["other", 81],
        "client": None,
        "http": "2",
        "host": "other",
        "cookie": None,
        "mark": "unset",
    }


def test_an_http_1_0_request_needs_no_host_and_a_given_one_stands(site: Site, door: Door) -> None:
    assert facts_of(exchange(site, door, "GET", b"/", http_version="1.0"))["host"] is None
    assert facts_of(exchange(site, door, "GET", b"/", [(b"Host", b"given")]))["host"] == "given"


def test_what_the_app_sees_can_be_edited(site: Site, door: Door) -> None:
    def edit(seen: dict[str, Any]) -> None:
        seen.update({"REQUEST_METHOD": "EDITED", "method": "EDITED"})

    assert facts_of(exchange(site, door, "GET", b"/", edit=edit))["method"] == "EDITED"


def test_the_environ_is_one_the_validator_has_nothing_to_say_about() -> None:
    plain = Client(validator(text_wsgi), "wsgi", headers={"x-y": "z"})
    assert plain.post("/é", params={"a": "b"}, content=b"x").text == "x"
    plain.close()


def test_header_fields_arrive_in_order_and_repeated_ones_too() -> None:
    seen: list[Any] = []

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append({key: value for key, value in environ.items() if key.startswith(("HTTP_X", "HTTP_C", "CONTENT_"))})
        return text_wsgi(environ, start_response)

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["headers"][1:])
        await text_app(scope, receive, send)

    fields = [
        (b"X-A", b"1"),
        (b"cookie", b"a=1"),
        (b"x-a", b"\xe9"),
        (b"Cookie", b"b=2"),
        (b"x_a", b"spoofed"),
        (b"Content-Type", b"text/plain"),
        (b"content-length", b"0"),
    ]
    for each in DOORS:
        exchange(Dual(wsgi, asgi), each, "GET", b"/", fields)
    variables = {"HTTP_X_A": "1,é", "HTTP_COOKIE": "a=1; b=2", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "0"}
    assert seen == [variables, [(name.lower(), value) for name, value in fields]]


def test_the_answer_has_its_fields_in_order_with_names_in_lower_case(door: Door) -> None:
    fields = [("X-B", "1"), ("Content-Type", "text/plain"), ("x-b", "é")]

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("299 Odd but fine", fields)
        return [b"", b"a", b"", b"b"]

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in fields]
        await send({"type": "http.response.start", "status": 299, "headers": headers})
        for chunk in (b"", b"a", b"", b"b"):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})

    result = exchange(Dual(wsgi, asgi), door, "GET", b"/")
    assert (result.status, result.reason) == (299, {"wsgi": "Odd but fine", "asgi": ""}[door])
    assert result.headers == [(name.lower(), value) for name, value in fields]
    assert (result.chunks, result.body) == ([b"a", b"b"], b"ab")
    assert (result.error, result.aborted, result.cancelled) == (None, False, False)


def test_an_exception_is_told_and_where_it_fell(site: Site, door: Door) -> None:
    early = exchange(site, door, "GET", b"/raise")
    assert (early.status, early.headers, early.chunks, early.aborted) == (500, [], [], False)
    assert isinstance(early.error, LookupError)
    late = exchange(site, door, "GET", b"/raise/late")
    assert (late.status, late.headers, late.chunks, late.aborted) == (200, TEXT, [b"a"], True)
    assert isinstance(late.error, LookupError)


@pytest.mark.parametrize("chunks", [0, 1, 5])
def test_a_client_can_leave_after_so_many_chunks(site: Site, door: Door, chunks: int) -> None:
    result = exchange(site, door, "GET", b"/endless", disconnect_after=chunks)
    assert (result.status, result.chunks, result.error, result.cancelled) == (200, [b"tick"] * chunks, None, False)
    # A generator that was never entered has nothing to clean up: that is for the iterable's own close().
    assert site.closed == (0 if door == "wsgi" and chunks == 0 else 1)


def test_a_client_that_would_leave_later_takes_the_whole_answer(site: Site, door: Door) -> None:
    assert facts_of(exchange(site, door, "GET", b"/", disconnect_after=99))["path"] == "/"


def test_a_wsgi_iterable_that_was_never_walked_is_closed() -> None:
    closed: list[str] = []
    app = failing_at_the_end(partial(closed.append, "closed"))
    assert exchange(app, "wsgi", "GET", b"/", disconnect_after=0).chunks == []
    assert closed == ["closed"]


class Reading(Dual):
    """Tells the body as it arrived, and how the app learned of its length."""

    def __init__(self) -> None:
        super().__init__(self._read_wsgi, self._read_asgi)

    def _read_wsgi(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        length, terminated = environ.get("CONTENT_LENGTH"), environ.get("wsgi.input_terminated", False)
        return [f"{length} {terminated} ".encode(), environ["wsgi.input"].read(1000)]

    async def _read_asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        body, message = b"", await receive()
        while message.get("more_body"):
            body, message = body + message["body"], await receive()
        left = message["type"] == "http.disconnect"
        length = headers.get(b"content-length", b"None").decode()
        start = f"{length} {b'transfer-encoding' in headers} ".encode()
        await text_app(scope, receive, send, body=start + body + message.get("body", b"") + b"!" * left)


@pytest.mark.parametrize(
    ("fields", "body", "wsgi", "asgi"),
    [
        ([], b"", b"None False ", b"None False "),
        ([], b"abc", b"3 False abc", b"3 False abc"),
        ([], [b"abc", b"", b"d"], b"None True abcd", b"None True abcd"),
        ([(b"Content-Length", b"4")], [b"abc", b"d"], b"4 False abcd", b"4 False abcd"),
        ([(b"content-length", b"2")], b"abc", b"2 False ab", b"2 False ab"),
        ([(b"content-length", b"9")], b"abc", b"9 False abc", b"9 False abc!"),
        ([(b"content-length", b"0")], b"abc", b"0 False ", b"0 False "),
        ([(b"content-length", b"-1")], b"abc", b"-1 False abc", b"-1 False abc"),
        ([(b"content-length", b"5, 5")], b"abc", b"5, 5 False abc", b"5, 5 False abc"),
        ([(b"Transfer-Encoding", b"chunked")], b"abc", b"None True abc", b"None True abc"),
    ],
)
def test_a_body_is_framed_as_its_fields_say(
    door: Door, fields: list[tuple[bytes, bytes]], body: bytes | list[bytes], wsgi: bytes, asgi: bytes
) -> None:
    expected = {"wsgi": wsgi, "asgi": asgi}[door]
    result = exchange(Reading(), door, "POST", b"/", fields, body)
    assert (result.status, result.body) == (200, expected)


def test_bytes_with_a_length_arrive_as_one_asgi_message_and_larger_reads_stop_at_the_end() -> None:
    seen: list[Message] = []

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await receive())
        await text_app(scope, receive, send)

    exchange(asgi, "asgi", "POST", b"/", body=b"abc")
    assert seen == [{"type": "http.request", "body": b"abc", "more_body": False}]


def test_wsgi_input_has_every_way_of_reading_that_pep_3333_asks_for() -> None:
    seen: list[object] = []

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        source = environ["wsgi.input"]
        seen.extend([source.read(2), source.readline(), source.readline(2), source.readlines(), list(source)])
        return text_wsgi(environ, start_response)

    body = [b"one", b"\ntwo\nth", b"ree\n", b"four"]
    exchange(wsgi, "wsgi", "POST", b"/", body=body)
    assert seen == [b"on", b"e\n", b"tw", [b"o\n", b"three\n", b"four"], []]


def test_an_app_may_return_without_an_answer_once_the_client_has_gone() -> None:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.disconnect"

    result = exchange(asgi, "asgi", "POST", b"/", [(b"content-length", b"5")])
    assert (result.status, result.error) == (500, None)


def test_a_file_that_an_app_leaves_to_the_server_is_sent(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"7")]})
        await send({"type": "http.response.pathsend", "path": str(path)})

    def offer(scope: dict[str, Any]) -> None:
        scope["extensions"] = {"http.response.pathsend": {}}

    assert exchange(asgi, "asgi", "GET", b"/", edit=offer).body == b"content"


def test_a_file_that_is_sent_from_its_descriptor_is_the_content_of_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"content")

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"4")]})
        with path.open("rb", 0) as file:
            await send({"type": "http.response.zerocopysend", "file": file, "offset": 3, "more_body": True})
        await send({"type": "http.response.body"})

    def offer(scope: dict[str, Any]) -> None:
        scope["extensions"] = {"http.response.zerocopysend": {}}

    assert exchange(asgi, "asgi", "GET", b"/", edit=offer).body == b"tent"


def test_extensions_do_not_show_in_an_answer() -> None:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</x>"]})
        await send({**START, "trailers": True})
        await send({"type": "http.response.body", "body": b"x"})
        await send({"type": "http.response.trailers", "headers": [(b"x-a", b"1")], "more_trailers": True})
        await send({"type": "http.response.trailers"})

    def offer(scope: dict[str, Any]) -> None:
        scope["extensions"] = {"http.response.early_hint": {}, "http.response.trailers": {}}

    result = exchange(asgi, "asgi", "GET", b"/", edit=offer)
    assert (result.headers, result.body) == (TEXT, b"x")


def test_a_client_can_send_raw_requests_to_the_app_it_has_started(site: Site, door: Door) -> None:
    with Client(site, door, strict=True, cookies={"a": "1"}, root_path="/r") as client:
        facts = facts_of(client.exchange("get", b"//x/../y", http_version="1.0"))
        assert (facts["method"], facts["path"], facts["cookie"]) == ("get", "//x/../y", None)
        assert client.exchange("POST", b"/echo", body=pulled([])).chunks == [b"000.", b"001.", b"002."]
        assert client.exchange("GET", b"/endless", disconnect_after=2).body == b"ticktick"
        assert isinstance(client.exchange("GET", b"/raise/late").error, LookupError)
    assert [entry for entry in site.log if not entry.startswith("got")] == ["startup", "shutdown"]
    assert site.closed == 1


def test_exchange_works_on_trio_as_well(site: Site) -> None:
    assert exchange(site, "asgi", "POST", b"/echo", body=pulled([]), backend="trio").body == b"000.001.002."


# The WSGI side's own duties as a server


def test_a_head_can_be_replaced_until_the_first_chunk_went_out() -> None:
    """PEP 3333, *Error Handling*."""

    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        yield b""
        try:
            raise LookupError("found out late")
        except LookupError:
            start_response("404 Not Found", TEXT, exc_info())
        yield b"sorry"

    result = exchange(wsgi, "wsgi", "GET", b"/")
    assert (result.status, result.reason, result.body) == (404, "Not Found", b"sorry")


def exc_info() -> ExcInfo:
    kind, error, trace = sys.exc_info()
    assert kind is not None
    assert error is not None
    assert trace is not None
    return kind, error, trace


def test_a_head_that_is_on_the_wire_raises_what_it_was_to_be_replaced_for() -> None:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)
        yield b"a"
        try:
            raise AssertionError("found out too late")
        except AssertionError:
            start_response("500 Internal Server Error", TEXT, exc_info())

    result = exchange(wsgi, "wsgi", "GET", b"/")
    assert (result.status, result.chunks, result.aborted) == (200, [b"a"], True)
    assert isinstance(result.error, AssertionError)
    assert str(result.error) == "found out too late"


def test_what_is_written_goes_before_what_is_iterated() -> None:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"a")
        write(b"b")
        return [b"c"]

    assert exchange(wsgi, "wsgi", "GET", b"/").chunks == [b"a", b"b", b"c"]


def test_what_was_written_is_on_the_wire_when_the_app_raises() -> None:
    def wsgi(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", TEXT)(b"a")
        raise LookupError

    result = exchange(wsgi, "wsgi", "GET", b"/")
    assert (result.status, result.chunks, result.aborted) == (200, [b"a"], True)


# The package


def test_without_httpx_the_clients_say_what_to_install_and_exchange_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    monkeypatch.delitem(sys.modules, "duoframe.testing.client")
    monkeypatch.delattr(duoframe.testing, "client")
    with pytest.raises(ImportError, match=r"pip install duoframe\[testing\]"):
        duoframe.testing.Client  # noqa: B018  the look-up is what imports
    assert exchange(text_wsgi, "wsgi", "GET", b"/").body == b"x"


def test_the_package_has_the_names_it_lists_and_no_others() -> None:
    module = importlib.import_module("duoframe.testing")
    assert all(getattr(module, name) for name in module.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        module.nothing  # noqa: B018  the look-up is what is tested


def test_the_fixture_makes_clients_of_both_doors(
    duo_client: Callable[..., Client], request: pytest.FixtureRequest, site: Site
) -> None:
    client = duo_client(site, root_path="/in")
    assert client.door == request.node.callspec.params["duo_client"]
    assert client.get("/facts").json()["root"] == "/in"
    with duo_client(site) as other:
        assert other.get("/facts").status_code == 200
        assert site.log == ["startup"]
    assert not client.is_closed


def test_the_fixture_closes_what_it_made(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        pytest_plugins = ["duoframe.testing.plugin", "pytester"]
        made = []

        def app(environ, start_response):
            start_response("200 OK", [("content-type", "text/plain")])
            return [b"x"]

        def test_one(duo_client):
            made.append(duo_client(app))
            made.append(duo_client(app))

        def test_two():
            assert [client.door for client in made] == ["wsgi", "wsgi", "asgi", "asgi"]
            assert all(client.is_closed for client in made)
        """
    )
    result = pytester.runpytest_inprocess("-v", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_one?wsgi?*", "*test_one?asgi?*"])
