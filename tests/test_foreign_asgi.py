"""Foreign ASGI applications behind both doors: what they receive, what they send, and how their task ends."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from duoframe import App
from duoframe.testing import Client, exchange
from duoframe.types import Message, Receive, Scope, Send
from tests.conftest import DEADLINE, Ask, MakeApp, MakeClient, until
from tests.foreign import AROUND, answer, passing
from tests.test_wsgi import Called

ASGI = Callable[[Scope, Receive, Send], Awaitable[None]]
Mount = Callable[..., App]


@pytest.fixture(params=["inline", "async def"])
def mount(request: pytest.FixtureRequest, make_app: MakeApp) -> Mount:
    """Mounts an application at the root, with middleware around it, so that no server calls it itself."""

    def mount(app: ASGI, options: dict[str, Any] | None = None, **mounting: Any) -> App:
        outer = make_app(middleware=AROUND[request.param], **(options or {}))
        outer.mount("/", asgi=without_lifespan(app), **mounting)
        return outer

    return mount


def without_lifespan(app: ASGI) -> ASGI:
    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("it knows no lifespan")
        await app(scope, receive, send)

    return called


def start(status: int = 200, fields: Iterable[tuple[bytes, bytes]] = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain"), *fields]}


def body(chunk: bytes = b"", more: bool = False) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


def sending(*messages: Message, error: Exception | None = None) -> ASGI:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)
        if error is not None:
            raise error

    return app


class TestAnswers:
    @pytest.mark.parametrize(
        "chunks", [(b"",), (b"whole",), (b"a", b"b"), (b"", b"a", b"", b"b", b""), (b"x" * 100_000,) * 20]
    )
    def test_a_body_goes_out_as_it_comes(self, ask: Ask, mount: Mount, chunks: tuple[bytes, ...]) -> None:
        """M-11"""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await answer(send, *chunks)

        answered = ask(mount(app), "GET", b"/")
        assert (answered.status, answered.body) == (200, b"".join(chunks))

    def test_the_keys_that_may_be_missing_are_missed_by_nobody(self, ask: Ask, mount: Mount) -> None:
        app = sending({"type": "http.response.start", "status": 204}, {"type": "http.response.body"})
        assert ask(mount(app), "GET", b"/").status == 204

    def test_a_body_of_one_message_is_a_whole_one(self, ask: Ask, mount: Mount) -> None:
        answered = ask(mount(sending(start(), body(b"whole"))), "GET", b"/")
        assert dict(answered.headers)["content-length"] == "5"

    def test_status_fields_and_their_order_pass(self, ask: Ask, mount: Mount) -> None:
        """M-09, A-37: fields of one name are not joined; Latin-1 passes."""
        fields = [(b"Set-Cookie", b"a=1"), (b"x-a", "é\xa0ü".encode("latin-1")), (b"set-cookie", b"b=2")]
        answered = ask(mount(sending(start(404, fields), body(b"x"))), "GET", b"/")
        sent = [field for field in answered.headers if field[0] in ("set-cookie", "x-a")]
        assert answered.status == 404
        assert sent == [("set-cookie", "a=1"), ("x-a", "é\xa0ü"), ("set-cookie", "b=2")]

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    @pytest.mark.parametrize("endless", [False, True])
    def test_a_body_that_none_may_have_is_left_out(
        self, ask: Ask, mount: Mount, method: str, status: int, endless: bool
    ) -> None:
        """M-10: it is no error of the application's, and one that goes on is told that nobody listens."""
        seen: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start(status, [(b"content-length", b"4")]))
            await send(body(b"ab", more=True))
            if endless:
                await receive()
                seen.append(await receive())
            await send(body(b"cd"))
            seen.append("sent")

        answered = ask(mount(app), method, b"/")
        assert (answered.status, answered.body) == (status, b"")
        assert dict(answered.headers).get("content-length") == ("4" if method == "HEAD" else None)
        assert seen == [{"type": "http.disconnect"}, "sent"] if endless else ["sent"]

    @pytest.mark.parametrize(
        ("messages", "problem"),
        [
            ([], "returned before its answer was complete"),
            ([start()], "returned before its answer was complete"),
            ([body(b"x")], "sent 'http.response.body' after nothing"),
            ([start(), start()], "sent 'http.response.start' after http.response.start"),
            ([{"type": "http.response.push"}], "sent 'http.response.push' after nothing"),
            ([{"type": "http.response.start", "status": 99}, body()], "expected a status from 200 to 599"),
            ([start(fields=[(b"x-a", b"b\r\nset-cookie: c=1")]), body()], "without control characters"),
            ([start(fields=[("x-a", "text")]), body()], "decode"),  # type: ignore[list-item]  # what is tested
        ],
    )
    def test_messages_that_make_no_answer_are_an_error(
        self, ask: Ask, mount: Mount, messages: list[Message], problem: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        """M-14, R22"""
        with caplog.at_level(logging.ERROR):
            answered = ask(mount(sending(*messages)), "GET", b"/")
        assert answered.status == 500
        assert problem in caplog.text

    def test_what_comes_after_the_last_message_is_an_error_of_its_own(
        self, ask: Ask, mount: Mount, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.ERROR):
            assert ask(mount(sending(start(), body(b"x"), body(b"y"))), "GET", b"/").body == b"x"
            until(lambda: "sent 'http.response.body' after its answer" in caplog.text, "nothing was logged")

    @pytest.mark.parametrize("chunk", [b"begun", b""])
    def test_an_error_past_the_first_message_of_a_body_breaks_off(
        self, ask: Ask, mount: Mount, chunk: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        """M-14"""
        with caplog.at_level(logging.ERROR):
            answered = ask(mount(sending(start(), body(chunk, more=True), error=ValueError("broken"))), "GET", b"/")
        assert (answered.status, answered.aborted) == ((200, True) if chunk else (500, False))
        assert "broken" in caplog.text

    def test_an_answer_without_an_end_breaks_off(
        self, ask: Ask, mount: Mount, caplog: pytest.LogCaptureFixture
    ) -> None:
        """M-13"""
        with caplog.at_level(logging.ERROR):
            answered = ask(mount(sending(start(), body(b"begun", more=True))), "GET", b"/")
        assert (answered.body, answered.aborted) == (b"begun", True)
        assert "returned before its answer was complete" in caplog.text

    @pytest.mark.parametrize("begun", [False, True])
    def test_silence_past_the_timeout_ends_the_call(self, ask: Ask, mount: Mount, begun: bool) -> None:
        """M-13"""
        ended: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if begun:
                await send(start())
                await send(body(b"begun", more=True))
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("cancelled")

        answered = ask(mount(app, timeout=0.02), "GET", b"/")
        assert (answered.status, answered.aborted) == ((200, True) if begun else (504, False))
        until(lambda: ended == ["cancelled"], "the application was not cancelled")

    def test_it_is_never_further_ahead_than_a_few_chunks(self, mount: Mount) -> None:
        """M-11: memory is bounded where the client is slow."""
        sent = 0

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal sent
            await send(start())
            for _ in range(200):
                await send(body(b"x" * 1000, more=True))
                sent += 1
            await send(body())

        with Client(mount(app), "wsgi") as opened, opened.stream("GET", "/") as held:
            chunks = held.iter_raw()
            next(chunks)
            until(lambda: sent >= 8, "nothing was sent")
            assert sent < 40
            assert len(b"".join(chunks)) == 199_000


class TestReceive:
    @pytest.mark.parametrize("sent", [b"", b"whole", [b"a", b"b", b"c"], b"x" * 200_000])
    def test_a_body_comes_whole(self, ask: Ask, mount: Mount, sent: Any) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            taken, more = b"", True
            while more:
                message = await receive()
                assert message["type"] == "http.request"
                taken, more = taken + message["body"], message["more_body"]
            await answer(send, taken)

        assert ask(mount(app), "POST", b"/", [], sent).body == (sent if isinstance(sent, bytes) else b"abc")

    def test_an_awaitable_that_is_no_coroutine_is_enough_of_a_receive(self, mount: Mount) -> None:
        """As granian gives one."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await answer(send, (await receive())["body"] + (await receive())["body"])

        sent: list[Message] = []

        async def main() -> None:
            loop = asyncio.get_running_loop()
            messages = [{"type": "http.request", "body": b"ab", "more_body": False}]

            def receive() -> Any:
                future = loop.create_future()
                if messages:
                    future.set_result(messages.pop(0))
                return future

            async def send(message: Message) -> None:
                sent.append(message)

            scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"2")]}
            await asyncio.wait_for(mount(app).asgi(scope, receive, send), DEADLINE)

        asyncio.run(main())
        assert sent[-1]["body"] == b"ab"

    def test_a_body_that_breaks_off_is_a_disconnect_and_never_a_short_one(self, ask: Ask, mount: Mount) -> None:
        """M-04, A-13"""
        seen: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            while True:
                message = await receive()
                seen.append(message["type"])
                if message["type"] == "http.disconnect" or not message["more_body"]:
                    break
            seen.append((await receive())["type"])
            try:
                await answer(send, b"late")
            except OSError:
                seen.append("refused")
                raise

        ask(mount(app), "POST", b"/", [(b"content-length", b"10")], [b"short"])
        assert seen[-3:] == ["http.disconnect", "http.disconnect", "refused"]

    def test_past_the_limit_the_answer_is_ours(self, ask: Ask, mount: Mount) -> None:
        """R51: whatever the application makes of it."""

        async def read(request: StarletteRequest) -> Any:
            return PlainTextResponse(await request.body())

        outer = mount(Starlette(routes=[Route("/", read, methods=["POST"])]), max_body_size=5)
        assert ask(outer, "POST", b"/", [], b"12345").body == b"12345"
        assert ask(outer, "POST", b"/", [], [b"123", b"456"]).status == 413
        assert ask(outer, "POST", b"/", [], b"123456").status == 413

    def test_once_it_has_answered_it_is_told_that_nobody_listens(self, ask: Ask, mount: Mount) -> None:
        """As ASGI has it: `http.disconnect` comes also when the answer has gone out."""
        seen: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async def watch() -> None:
                await receive()
                seen.append(await receive())

            async with anyio.create_task_group() as group:
                group.start_soon(watch)
                await anyio.sleep(0.01)
                await answer(send, b"done")

        assert ask(mount(app), "POST", b"/", [], b"").body == b"done"
        until(lambda: seen == [{"type": "http.disconnect"}], "the application was not told")


class TestLeaving:
    @pytest.mark.parametrize("listens", [False, True])
    def test_a_client_that_leaves_ends_a_stream(
        self, make_app: MakeApp, client: MakeClient, listens: bool, mount: Mount
    ) -> None:
        """M-12, M-05: it is told by `receive`, and by `send` where it does not listen."""
        seen: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            if listens:
                await send(body(b"chunk", more=True))
                await receive()
                seen.append((await receive())["type"])
                return
            try:
                while True:
                    await send(body(b"chunk" * 1000, more=True))
            except OSError:
                seen.append("refused")
                raise

        opened = client(mount(app))
        with opened.stream("GET", "/") as held:
            next(held.iter_raw())
        until(lambda: seen in (["http.disconnect"], ["refused"]), f"the application was not told: {seen}")

    def test_one_that_does_not_end_frees_its_thread_and_is_cancelled_after_the_grace(self, mount: Mount) -> None:
        """M-12"""
        ended = threading.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"chunk", more=True))
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

        outer = mount(app, {"grace": 0.3})
        with Client(outer, "wsgi") as opened:
            with opened.stream("GET", "/") as held:
                next(held.iter_raw())
            assert not ended.is_set()
            assert outer.gauges()["background"] == 1
            assert ended.wait(DEADLINE)
            until(lambda: outer.gauges()["background"] == 0, "the call is still counted")

    def test_a_silent_answer_ends_when_its_client_leaves(self, mount: Mount) -> None:
        """M-12, M-16: or the server's thread waited for the next chunk, however long that took."""
        left, ended = threading.Event(), threading.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"chunk", more=True))
            try:
                await anyio.sleep_forever()
            finally:
                ended.set()

        called = Called(mount(app, {"grace": 0.3}), waitress__client_disconnected=left.is_set)
        assert next(called.iterable) == b"chunk"
        left.set()
        assert called.read() == b""
        assert ended.wait(DEADLINE)

    def test_one_that_ends_within_the_grace_is_left_alone(self, mount: Mount, caplog: pytest.LogCaptureFixture) -> None:
        """M-12"""
        go_on, ended = threading.Event(), threading.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"chunk", more=True))
            while not go_on.is_set():  # noqa: ASYNC110  # the test's thread sets it
                await anyio.sleep(0.005)
            ended.set()

        outer = mount(app)
        with Client(outer, "wsgi") as opened:
            with opened.stream("GET", "/") as held:
                next(held.iter_raw())
            assert outer.gauges()["background"] == 1
            go_on.set()
            assert ended.wait(DEADLINE)
            until(lambda: outer.gauges()["background"] == 0, "the call is still counted")
        assert "went on" not in caplog.text

    def test_abandoned_streams_free_what_they_held(self, mount: Mount) -> None:
        """Twelve clients that leave an endless stream, and the next request is answered."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            while True:
                await send(body(b"chunk", more=True))
                await anyio.sleep(0.001)

        outer = mount(app, {"streams": 3, "threads": 3})
        with Client(outer, "wsgi") as opened:
            for _ in range(13):
                with opened.stream("GET", "/") as held:
                    assert held.status_code == 200
                    next(held.iter_raw())

    def test_streams_that_hold_a_thread_of_the_server_are_counted(self, mount: Mount) -> None:
        """M-16, E-10"""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"chunk", more=True))
            await receive()
            await receive()

        outer = mount(app, {"streams": 1})
        with Client(outer, "wsgi") as opened:
            with opened.stream("GET", "/") as held:
                next(held.iter_raw())
                assert opened.get("/").status_code == 503
            until(lambda: outer.gauges()["streams"] == 0, "the stream is still counted")

    def test_on_a_loop_they_are_not(self, mount: Mount) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"chunk", more=True))
            await receive()
            if scope["path"] == "/held":
                await receive()
            await send(body())

        outer = mount(app, {"streams": 1})
        with Client(outer, "asgi") as opened, opened.stream("GET", "/held") as held:
            next(held.iter_raw())
            assert [opened.get("/").text for _ in range(3)] == ["chunk"] * 3

    def test_a_client_that_leaves_before_the_answer_is_told_to_who_listens(self, make_app: MakeApp) -> None:
        """A-12: nobody is there to answer, and nothing is logged as an error."""
        seen: list[Any] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            seen.append((await receive())["type"])
            await answer(send, b"late")

        outer = make_app(middleware=[passing])
        outer.mount("/", asgi=without_lifespan(app))
        sent: list[Message] = []

        async def main() -> None:
            events: list[Message] = [{"type": "http.request", "more_body": False}, {"type": "http.disconnect"}]

            async def receive() -> Message:
                if not events:
                    await asyncio.sleep(DEADLINE)
                return events.pop(0)

            async def send(message: Message) -> None:
                sent.append(message)

            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            await asyncio.wait_for(outer.asgi(scope, receive, send), DEADLINE)

        asyncio.run(main())
        assert seen == ["http.disconnect"]
        assert sent[0]["status"] == 400


def test_work_after_the_answer_holds_nobody_up(mount: Mount) -> None:
    """What a mounted application does in the background is no matter of the thread that answered."""
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    async def work() -> None:
        begun.set()
        while not go_on.is_set():  # noqa: ASYNC110  # the test's thread sets it
            await anyio.sleep(0.005)
        done.set()

    def show(request: StarletteRequest) -> Any:
        return JSONResponse("made", background=BackgroundTask(work))

    outer = mount(Starlette(routes=[Route("/", show)]))
    with Client(outer, "wsgi") as opened:
        assert opened.get("/").json() == "made"
        assert begun.wait(DEADLINE)
        assert outer.gauges()["background"] == 1
        assert opened.get("/").json() == "made"
        go_on.set()
        assert done.wait(DEADLINE)
        until(lambda: outer.gauges()["background"] == 0, "the work is still counted")


def test_an_error_after_the_answer_is_logged(mount: Mount, caplog: pytest.LogCaptureFixture) -> None:
    with Client(mount(sending(start(), body(b"x"), error=ValueError("too late"))), "wsgi") as opened:
        assert opened.get("/").text == "x"
        until(lambda: "too late" in caplog.text, "the error was not logged")


def test_an_exit_of_an_application_ends_its_request_and_not_the_loop(ask: Ask, mount: Mount) -> None:
    """T-17"""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/exit":
            raise SystemExit(3)
        await answer(send, b"alive")

    outer = mount(app)
    if ask.door == "asgi":
        assert ask(outer, "GET", b"/exit").status == 500
    assert ask(outer, "GET", b"/").body == b"alive"


def test_the_scope_is_what_asgi_has(ask: Ask, mount: Mount) -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        await answer(send, b"seen")

    fields = [
        (b"host", b"example.com:81"),
        (b"X-A", b"\xe9"),
        (b"cookie", b"a=1"),
        (b"x_auth_user", b"root"),
        (b"content-type", b"text/plain"),
    ]
    connection: Any = {"client": ("1.2.3.4", 5), "server": ("here", 8080), "scheme": "https"}
    ask(mount(app), "POST", b"/a%20b?q=%31", fields, [b"body"], **connection)
    [scope] = seen
    headers = scope["headers"]
    expected = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "https",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=%31",
        "root_path": "",
        "client": ("1.2.3.4", 5),
        "server": ("here", 8080),
        "extensions": {},
    }
    assert {name: scope[name] for name in expected} == expected
    assert "state" not in scope
    assert {(b"host", b"example.com:81"), (b"x-a", b"\xe9"), (b"cookie", b"a=1")} <= set(headers)
    names = [name for name, _ in headers]
    assert b"transfer-encoding" not in names  # R66
    assert not {b"x_auth_user", b"x-auth-user"} & set(names)  # R20


def test_a_websocket_behind_a_server_that_has_none_is_a_501(ask: Ask, mount: Mount) -> None:
    """M-15, S-26"""
    fields = [(b"connection", b"upgrade"), (b"upgrade", b"WebSocket"), (b"accept", b"text/html")]
    answered = ask(mount(sending(start(), body())), "GET", b"/", fields)
    assert answered.status == 501
    assert b"uvicorn" in answered.body


def test_server_sent_events_arrive_as_they_are_sent(mount: Mount) -> None:
    """M-16"""
    go_on = threading.Event()

    async def events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        while not go_on.is_set():  # noqa: ASYNC110  # the test's thread sets it
            await anyio.sleep(0.005)
        yield b"data: 2\n\n"

    def show(request: StarletteRequest) -> Any:
        return StreamingResponse(events(), media_type="text/event-stream")

    with Client(mount(Starlette(routes=[Route("/", show)])), "wsgi") as opened, opened.stream("GET", "/") as held:
        chunks = held.iter_raw()
        assert next(chunks) == b"data: 1\n\n"
        go_on.set()
        assert next(chunks) == b"data: 2\n\n"


def test_a_handler_of_the_application_may_use_its_own_task_groups(ask: Ask, mount: Mount) -> None:
    """It runs in a task like under a server of its own."""

    async def show(request: StarletteRequest) -> Any:
        results = []

        async def one(n: int) -> None:
            await anyio.lowlevel.checkpoint()
            results.append(n)

        with anyio.fail_after(DEADLINE):
            async with anyio.create_task_group() as group:
                for n in range(3):
                    group.start_soon(one, n)
        return JSONResponse(sorted(results))

    assert json.loads(ask(mount(Starlette(routes=[Route("/", show)])), "GET", b"/").body) == [0, 1, 2]


def test_who_waits_for_the_client_is_told_where_a_server_gives_its_connection(mount: Mount) -> None:
    """M-12: behind WSGI too, as far as the server lets it be known."""
    ours, theirs = socket.socketpair()
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        theirs.close()
        seen.append((await receive())["type"])
        await answer(send, b"late")

    with ours:
        exchange(mount(app), "wsgi", "GET", b"/", edit=lambda environ: environ.update({"gunicorn.socket": ours}))
    assert seen == ["http.disconnect"]
