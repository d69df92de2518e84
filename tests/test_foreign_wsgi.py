"""Foreign WSGI applications behind both doors: `start_response`, the iterable, the input, the thread."""

from __future__ import annotations

import gc
import io
import json
import logging
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from duoframe import App
from duoframe.testing import Client
from duoframe.types import Environ, StartResponse
from tests.conftest import DEADLINE, Ask, MakeApp, MakeClient, until
from tests.foreign import AROUND, passing, passing_async_def

TEXT = ("content-type", "text/plain")


@pytest.fixture(params=["inline", "def", "async def"])
def mount(request: pytest.FixtureRequest, make_app: MakeApp) -> Callable[..., App]:
    """Mounts an application at the root, with middleware around it, so that no server calls it itself."""

    def mount(app: Any, options: dict[str, Any] | None = None, **mounting: Any) -> App:
        outer = make_app(middleware=AROUND[request.param], **(options or {}))
        outer.mount("/", wsgi=app, **mounting)
        return outer

    return mount


class Body:
    """An iterable of a WSGI application that notes what becomes of it."""

    def __init__(self, *chunks: Any, end: Callable[[], object] | None = None) -> None:
        self.chunks = list(chunks)
        self.closed = 0
        self.threads: list[int] = []
        self.end = end

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.threads.append(threading.get_ident())
            yield chunk
        if self.end is not None:
            self.end()

    def close(self) -> None:
        self.threads.append(threading.get_ident())
        self.closed += 1


def answering(body: Iterable[bytes], *fields: tuple[str, str], status: str = "200 OK") -> Any:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [TEXT, *fields])
        return body

    return app


class TestAnswers:
    @pytest.mark.parametrize(
        "chunks", [(), (b"",), (b"whole",), (b"a", b"b"), (b"", b"a", b"", b"b", b""), (b"x" * 100_000,) * 20]
    )
    def test_a_body_goes_out_as_it_comes_and_is_closed_once(
        self, ask: Ask, mount: Callable[..., App], chunks: tuple[bytes, ...]
    ) -> None:
        """M-07"""
        body = Body(*chunks)
        answered = ask(mount(answering(body)), "GET", b"/")
        assert (answered.status, answered.body) == (200, b"".join(chunks))
        until(lambda: body.closed == 1, "the iterable was not closed")

    def test_a_whole_body_keeps_its_length(self, ask: Ask, mount: Callable[..., App]) -> None:
        body = Body(b"whole")
        answered = ask(mount(answering(body, ("Content-Length", "5"))), "GET", b"/")
        assert dict(answered.headers)["content-length"] == "5"
        assert body.closed == 1

    @pytest.mark.parametrize("body", [[b"whole"], (b"wh", b"", b"ole")])
    def test_a_list_is_whole_and_measured(self, ask: Ask, mount: Callable[..., App], body: Iterable[bytes]) -> None:
        """PEP 3333, *Handling the Content-Length Header*: so it is no stream, and takes the place of none."""
        answered = ask(mount(answering(body)), "GET", b"/")
        assert answered.body == b"whole"
        assert dict(answered.headers)["content-length"] == "5"

    def test_what_is_written_before_a_list_is_not_lost(self, ask: Ask, mount: Callable[..., App]) -> None:
        """M-07"""

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])(b"w" * 200_000)
            return [b"listed"]

        assert ask(mount(app), "GET", b"/").body == b"w" * 200_000 + b"listed"

    def test_status_fields_and_their_order_pass(self, ask: Ask, mount: Callable[..., App]) -> None:
        """M-09, A-37: fields of one name are not joined; Latin-1 passes."""
        fields = [("Set-Cookie", "a=1"), ("X-A", "é\xa0ü"), ("Set-Cookie", "b=2"), ("Content-Length", "0")]
        answered = ask(mount(answering([], *fields, status="404 Nowhere")), "GET", b"/")
        assert answered.status == 404
        sent = [field for field in answered.headers if field[0] in ("set-cookie", "x-a")]
        assert sent == [("set-cookie", "a=1"), ("x-a", "é\xa0ü"), ("set-cookie", "b=2")]

    def test_start_response_may_come_with_the_first_chunk(self, ask: Ask, mount: Callable[..., App]) -> None:
        """M-07"""

        def late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("201 Created", [TEXT])
            yield b"made"

        answered = ask(mount(late), "GET", b"/")
        assert (answered.status, answered.body) == (201, b"made")

    def test_empty_chunks_do_not_count_as_the_first(self, ask: Ask, mount: Callable[..., App]) -> None:
        """M-07: PEP 3333 has the head wait for a chunk that is not empty."""

        def late(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            yield b""
            start_response("201 Created", [TEXT])
            yield b""
            yield b"made"

        assert ask(mount(late), "GET", b"/").status == 201

    @pytest.mark.parametrize("chunks", [(), (b"body",)])
    def test_without_start_response_there_is_no_answer(
        self, ask: Ask, mount: Callable[..., App], chunks: tuple[bytes, ...], caplog: pytest.LogCaptureFixture
    ) -> None:
        """M-07"""
        body = Body(*chunks)
        with caplog.at_level(logging.ERROR):
            assert ask(mount(lambda environ, start_response: body), "GET", b"/").status == 500
        assert "answered without having called start_response" in caplog.text
        until(lambda: body.closed == 1, "the iterable was not closed")

    def test_an_answer_may_be_begun_again_before_its_first_chunk(self, ask: Ask, mount: Callable[..., App]) -> None:
        """M-07, W-06"""
        import sys

        def again(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [TEXT, ("x-first", "yes")])
            try:
                raise ValueError("not so")
            except ValueError:
                start_response("500 Broken", [TEXT], sys.exc_info())
            yield b"broken"

        answered = ask(mount(again), "GET", b"/")
        assert (answered.status, answered.body) == (500, b"broken")
        assert "x-first" not in dict(answered.headers)

    def test_an_answer_that_has_begun_is_broken_off_instead(self, ask: Ask, mount: Callable[..., App]) -> None:
        """M-07, M-14, W-08: `start_response` raises what it is given."""
        import sys

        seen: list[Any] = []

        def again(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [TEXT])
            yield b"begun"
            try:
                raise ValueError("not so")
            except ValueError as error:
                try:
                    start_response("500 Broken", [TEXT], sys.exc_info())
                except ValueError as raised:
                    seen.append(raised is error)
                    raise

        answered = ask(mount(again), "GET", b"/")
        assert (answered.status, answered.body, answered.aborted) == (200, b"begun", True)
        assert seen == [True]

    def test_a_second_start_without_an_error_is_refused(
        self, ask: Ask, mount: Callable[..., App], caplog: pytest.LogCaptureFixture
    ) -> None:
        def twice(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [TEXT])
            yield b"begun"
            start_response("200 OK", [TEXT])

        with caplog.at_level(logging.ERROR):
            assert ask(mount(twice), "GET", b"/").aborted
        assert "start_response was called after the answer had begun, without exc_info" in caplog.text

    @pytest.mark.parametrize(
        ("status", "fields"),
        [
            ("OK", [TEXT]),
            ("20 OK", [TEXT]),
            ("2000 OK", [TEXT]),
            (200, [TEXT]),
            ("700 Odd", [TEXT]),
            ("200 OK", [("x-a", "b\r\nset-cookie: c=1")]),
            ("200 OK", [("x a", "b")]),
            ("200 OK", [("x-a", "€")]),
            ("200 OK", [("x-a", 5)]),
            ("200 OK", [("x-a",)]),
        ],
    )
    def test_a_head_that_is_none_is_an_error(
        self, ask: Ask, mount: Callable[..., App], status: Any, fields: Any
    ) -> None:
        """M-09, R22"""
        body = Body(b"x")

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response(status, fields)
            return body

        answered = ask(mount(app), "GET", b"/")
        assert answered.status == 500
        assert "set-cookie" not in dict(answered.headers)
        until(lambda: body.closed == 1, "the iterable was not closed")

    @pytest.mark.parametrize("length", [3, 10_000, 3_000_000])
    def test_what_is_written_comes_before_what_is_iterated(
        self, ask: Ask, mount: Callable[..., App], length: int
    ) -> None:
        """M-07, W-09"""

        def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            write = start_response("200 OK", [TEXT])
            write(b"a" * length)
            write(b"b")

            def body() -> Iterator[bytes]:
                yield b"c"
                write(b"d")
                yield b"e"
                write(b"f")

            return body()

        assert ask(mount(app), "GET", b"/").body == b"a" * length + b"bcdef"

    def test_what_is_written_is_a_whole_body(self, ask: Ask, mount: Callable[..., App]) -> None:
        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT, ("content-length", "7")])(b"written")
            return []

        answered = ask(mount(app), "GET", b"/")
        assert (answered.body, dict(answered.headers)["content-length"]) == (b"written", "7")

    def test_what_is_written_before_an_error_is_let_go(self, ask: Ask, mount: Callable[..., App]) -> None:
        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])(b"x" * 3_000_000)
            raise ValueError("broken")

        assert ask(mount(app), "GET", b"/").status == 500

    @pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Same")])
    @pytest.mark.parametrize("length", [[], [("content-length", "4")]])
    def test_a_body_that_none_may_have_is_left_out(
        self, ask: Ask, mount: Callable[..., App], method: str, status: str, length: list[tuple[str, str]]
    ) -> None:
        """M-10"""
        body = Body(b"ab", b"cd")
        answered = ask(mount(answering(body, *length, status=status)), method, b"/")
        assert (answered.status, answered.body) == (int(status[:3]), b"")
        assert dict(answered.headers).get("content-length") == ("4" if length and method == "HEAD" else None)
        until(lambda: body.closed == 1, "the iterable was not closed")

    def test_fields_of_the_connection_are_the_server_s(self, ask: Ask, mount: Callable[..., App]) -> None:
        """R66, W-04"""
        fields = [("Transfer-Encoding", "chunked"), ("Connection", "close")]
        answered = dict(ask(mount(answering([b"x"], *fields)), "GET", b"/").headers)
        assert "transfer-encoding" not in answered
        assert "connection" not in answered

    def test_it_judges_conditions_and_ranges_itself(self, ask: Ask, mount: Callable[..., App]) -> None:
        app = mount(answering([b"whole"], ("etag", '"v"'), ("content-length", "5")))
        for name, value in ((b"if-none-match", b'"v"'), (b"if-match", b'"w"'), (b"range", b"bytes=0-1")):
            answered = ask(app, "GET", b"/", [(name, value)])
            assert (answered.status, answered.body) == (200, b"whole")

    def test_a_file_wrapper_of_the_server_is_a_body(self, make_app: MakeApp) -> None:
        from wsgiref.util import FileWrapper

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])
            return environ["wsgi.file_wrapper"](io.BytesIO(b"x" * 20_000))  # type: ignore[no-any-return]  # a server's

        outer = make_app(middleware=[passing])
        outer.mount("/", app)
        with Client(outer, "wsgi") as opened:
            answered = opened.exchange(
                "GET", b"/", edit=lambda environ: environ.update({"wsgi.file_wrapper": FileWrapper})
            )
        assert answered.body == b"x" * 20_000

    def test_an_error_of_close_is_logged(
        self, ask: Ask, mount: Callable[..., App], caplog: pytest.LogCaptureFixture
    ) -> None:
        """W-13"""

        class Failing(Body):
            def close(self) -> None:
                super().close()
                raise ValueError("not closed")

        for body, fields in ((Failing(b"ab"), [("content-length", "2")]), (Failing(b"a", b"b"), [])):
            caplog.clear()
            with caplog.at_level(logging.ERROR):
                assert ask(mount(answering(body, *fields)), "GET", b"/").body == b"ab"
                until(lambda body=body: body.closed == 1, "the iterable was not closed")  # type: ignore[misc]  # a lambda
                until(lambda: "not closed" in caplog.text, "the error was not logged")

    def test_an_error_past_the_first_chunk_breaks_off(
        self, ask: Ask, mount: Callable[..., App], caplog: pytest.LogCaptureFixture
    ) -> None:
        """M-14, W-07"""

        def fail() -> None:
            raise ValueError("broken")

        body = Body(b"a", b"b", end=fail)
        with caplog.at_level(logging.ERROR):
            answered = ask(mount(answering(body)), "GET", b"/")
        assert (answered.status, answered.aborted) == (200, True)
        assert "broken" in caplog.text
        until(lambda: body.closed == 1, "the iterable was not closed")


class TestInput:
    @pytest.fixture(params=[b"one\ntwo\nthree", [b"on", b"e\nt", b"wo\n", b"three"]], ids=["whole", "chunked"])
    def sent(self, request: pytest.FixtureRequest) -> Any:
        return request.param

    @pytest.mark.parametrize(
        ("take", "expected"),
        [
            (lambda entry: entry.read(), "one\ntwo\nthree"),
            (lambda entry: entry.read(-1), "one\ntwo\nthree"),
            (lambda entry: entry.read(100), "one\ntwo\nthree"),
            (lambda entry: [entry.read(5), entry.read(5), entry.read(5), entry.read(5)], "one\nt|wo\nth|ree|"),
            (lambda entry: [entry.readline(), entry.readline(2), entry.readline(9)], "one\n|tw|o\n"),
            (lambda entry: entry.readlines(), "one\n|two\n|three"),
            (lambda entry: entry.readlines(3), "one\n"),
            (lambda entry: entry.readlines(5), "one\n|two\n"),
            (list, "one\n|two\n|three"),
            (lambda entry: [next(iter(entry)), entry.read()], "one\n|two\nthree"),
            (lambda entry: [entry.read(0), entry.read(), entry.read(), entry.readline()], "|one\ntwo\nthree||"),
        ],
    )
    def test_reading_keeps_its_meaning(
        self, ask: Ask, mount: Callable[..., App], sent: Any, take: Callable[[Any], Any], expected: str
    ) -> None:
        """M-03: `wsgi.input` as PEP 3333 has it; a body without a length comes whole too."""

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            assert environ["wsgi.input_terminated"] is True
            taken = take(environ["wsgi.input"])
            start_response("200 OK", [TEXT])
            return [taken if isinstance(taken, bytes) else b"|".join(taken)]

        assert ask(mount(app), "POST", b"/", [], sent).body == expected.encode()

    def test_a_request_without_a_body_has_an_empty_input(self, ask: Ask, mount: Callable[..., App]) -> None:
        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])
            return [b"%r" % environ["wsgi.input"].read()]

        for method in ("GET", "POST", "DELETE"):
            assert ask(mount(app), method, b"/").body == b"b''"

    def test_a_get_may_have_a_body(self, ask: Ask, mount: Callable[..., App], sent: Any) -> None:
        """F-22"""

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])
            return [environ["wsgi.input"].read()]

        assert ask(mount(app), "GET", b"/", [], sent).body == b"one\ntwo\nthree"

    def test_a_body_that_breaks_off_is_an_error_and_never_a_short_one(
        self, ask: Ask, mount: Callable[..., App]
    ) -> None:
        """M-04"""
        seen: list[Any] = []

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            try:
                seen.append(environ["wsgi.input"].read())
            except OSError as error:
                seen.append(error)
            start_response("200 OK", [TEXT])
            return [b"read"]

        ask(mount(app), "POST", b"/", [(b"content-length", b"10")], [b"short"])
        assert [type(each) for each in seen] == [ConnectionAbortedError]

    def test_past_the_limit_the_answer_is_ours(self, ask: Ask, mount: Callable[..., App]) -> None:
        """R51: whatever the application makes of it."""

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            try:
                environ["wsgi.input"].read()
            except OSError:
                start_response("500 Broken", [TEXT])
                return [b"broken"]
            start_response("200 OK", [TEXT])
            return [b"read"]

        outer = mount(app, max_body_size=5)
        assert ask(outer, "POST", b"/", [], b"12345").body == b"read"
        assert ask(outer, "POST", b"/", [], b"123456").status == 413
        assert ask(outer, "POST", b"/", [], [b"123", b"456"]).status == 413

    def test_the_limit_of_the_application_around_it_does_not_hold(self, ask: Ask, mount: Callable[..., App]) -> None:
        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            start_response("200 OK", [TEXT])
            return [b"%d" % len(environ["wsgi.input"].read())]

        assert ask(mount(app, {"max_body_size": 3}), "POST", b"/", [], b"x" * 99_999).body == b"99999"


def test_the_environ_is_what_pep_3333_has(ask: Ask, mount: Callable[..., App]) -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [TEXT])
        return [b"seen"]

    fields = [
        (b"host", b"example.com:81"),
        (b"x-a", b"1"),
        (b"x-a", b"\xe9"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"x_auth_user", b"root"),
        (b"content-type", b"text/plain"),
    ]
    ask(
        mount(app),
        "POST",
        b"/a%20b?q=%31",
        fields,
        b"body",
        client=("1.2.3.4", 5),
        server=("here", 8080),
        scheme="https",
    )
    [environ] = seen
    assert type(environ) is dict
    expected = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "q=%31",
        "REQUEST_URI": "/a%20b?q=%31",
        "CONTENT_TYPE": "text/plain",
        "CONTENT_LENGTH": "4",
        "SERVER_NAME": "here",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "1.2.3.4",
        "REMOTE_PORT": "5",
        "HTTP_HOST": "example.com:81",
        "HTTP_COOKIE": "a=1; b=2",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    assert {name: environ.get(name) for name in expected} == expected
    assert environ["HTTP_X_A"].replace(", ", ",") == "1,é"
    assert "HTTP_X_AUTH_USER" not in environ  # R20
    assert "HTTP_CONTENT_TYPE" not in environ
    assert "HTTP_TRANSFER_ENCODING" not in environ
    assert hasattr(environ["wsgi.errors"], "write")


def test_where_a_server_tells_nothing_of_the_connection(ask: Ask, mount: Callable[..., App]) -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [TEXT])
        return [b"seen"]

    def forget(told: dict[str, Any]) -> None:
        for name in ("client", "server", "REMOTE_ADDR", "REMOTE_PORT"):
            told.pop(name, None)
        if "SERVER_NAME" in told:
            told["SERVER_NAME"] = told["SERVER_PORT"] = ""

    ask(mount(app), "GET", b"/", edit=forget)
    assert (seen[0]["SERVER_NAME"], seen[0]["SERVER_PORT"]) == ("", "")
    assert "REMOTE_ADDR" not in seen[0]

    def unix(told: dict[str, Any]) -> None:
        told["server"] = ("/run/app.sock", None)
        told["client"] = ("1.2.3.4", None)
        told.update(SERVER_NAME="", SERVER_PORT="/run/app.sock", REMOTE_ADDR="1.2.3.4", REMOTE_PORT="")

    ask(mount(app), "GET", b"/", edit=unix)
    assert (seen[1]["SERVER_NAME"], seen[1]["SERVER_PORT"]) == ("/run/app.sock", "")
    assert (seen[1]["REMOTE_ADDR"], seen[1]["REMOTE_PORT"]) == ("1.2.3.4", "")


class TestThreads:
    @pytest.mark.parametrize("chunks", [(b"whole",), (b"a", b"b", b"c")])
    def test_one_request_has_one_thread_from_the_call_to_close(
        self, ask: Ask, mount: Callable[..., App], chunks: tuple[bytes, ...]
    ) -> None:
        """What such applications keep in thread-locals is still there when they clean up."""
        body = Body(*chunks)

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            body.threads.append(threading.get_ident())
            start_response("200 OK", [TEXT])
            return body

        assert ask(mount(app), "GET", b"/").body == b"".join(chunks)
        until(lambda: body.closed == 1, "the iterable was not closed")
        assert len(set(body.threads)) == 1

    @pytest.mark.parametrize("colour", ["nothing", "async def"])
    def test_as_many_are_served_at_once_as_there_are_threads(self, make_app: MakeApp, colour: str) -> None:
        """M-08"""
        import asyncio

        barrier, peak, running = threading.Barrier(5, timeout=DEADLINE), 0, 0
        lock = threading.Lock()

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            nonlocal peak, running
            with lock:
                running += 1
                peak = max(peak, running)
            barrier.wait()
            with lock:
                running -= 1
            start_response("200 OK", [TEXT])
            return [b"met"]

        outer = make_app(threads=5, middleware=AROUND[colour])
        outer.mount("/", app)
        from duoframe.testing import AsyncClient

        async def main() -> list[str]:
            async with AsyncClient(outer, "asgi") as opened:
                answers = await asyncio.gather(*[opened.get("/") for _ in range(10)])
            return [answer.text for answer in answers]

        assert asyncio.run(main()) == ["met"] * 10
        assert peak == 5

    @pytest.mark.parametrize("colour", ["nothing", "async def"])
    def test_a_stream_is_counted_among_the_streams(self, make_app: MakeApp, colour: str) -> None:
        """E-10: one that would take a thread too many is refused."""
        outer = make_app(threads=1, streams=1, middleware=AROUND[colour])
        go_on = threading.Event()

        def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
            start_response("200 OK", [TEXT])
            yield b"first"
            if environ["PATH_INFO"] == "/wait":
                go_on.wait(DEADLINE)
            yield b"last"

        outer.mount("/", app)
        with Client(outer, "asgi") as opened:
            with opened.stream("GET", "/wait") as held:
                chunks = held.iter_raw()
                assert next(chunks) == b"first"
                assert opened.get("/").status_code == 503
                go_on.set()
                assert b"".join(chunks) == b"last"
            until(lambda: outer.gauges()["streams"] == 0, "the stream is still counted")
            assert opened.get("/").text == "firstlast"

    @pytest.mark.parametrize("colour", ["inline", "async def"])
    def test_a_client_that_leaves_ends_the_iteration(self, make_app: MakeApp, client: MakeClient, colour: str) -> None:
        """M-05, W-51"""
        body = Body(*[b"chunk"] * 1000)
        outer = make_app(middleware=AROUND[colour])
        outer.mount("/", answering(body))
        opened = client(outer)
        with opened.stream("GET", "/") as held:
            assert next(held.iter_raw()).startswith(b"chunk")
        until(lambda: body.closed == 1, "the iterable was not closed")
        assert len(body.threads) < 100

    def test_a_send_that_fails_ends_the_iteration(self, mount: Callable[..., App]) -> None:
        """M-06, A-20"""
        import asyncio

        body = Body(*[b"chunk"] * 1000)
        outer = mount(answering(body))

        async def main() -> None:
            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                if message["type"] == "http.response.body":
                    raise OSError("the client has left")

            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            await asyncio.wait_for(outer.asgi(scope, receive, send), DEADLINE)

        asyncio.run(main())
        until(lambda: body.closed == 1, "the iterable was not closed")
        assert len(body.threads) < 100
        assert not outer.gauges()["threads"]

    def test_where_the_system_has_no_thread_left_it_is_a_503(
        self, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """T-19"""
        from duoframe.threads import Threads, ThreadsExhaustedError

        def refuse(self: Any) -> None:
            raise ThreadsExhaustedError("can't start new thread")

        outer = make_app(middleware=[passing_async_def])
        outer.mount("/", answering([b"x"]))
        with Client(outer, "asgi", raise_app_exceptions=False) as opened:
            with monkeypatch.context() as patched:
                patched.setattr(Threads, "_add_thread", refuse)
                assert opened.get("/").status_code == 503
            assert opened.get("/").text == "x"

    def test_a_request_that_is_cancelled_closes_the_call(self, make_app: MakeApp) -> None:
        """T-05: the call of a thread that nobody waits for any more is closed when it returns."""
        import asyncio

        begun, go_on = threading.Event(), threading.Event()
        body = Body(b"a", b"b")

        def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
            begun.set()
            go_on.wait(DEADLINE)
            start_response("200 OK", [TEXT])
            return body

        outer = make_app(middleware=[passing_async_def])
        outer.mount("/", app)

        async def happens(condition: Callable[[], object]) -> None:
            while not condition():  # noqa: ASYNC110  # a thread brings it about
                await asyncio.sleep(0.001)

        async def main() -> None:
            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                raise AssertionError("nothing is to be sent")

            scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
            task = asyncio.ensure_future(outer.asgi(scope, receive, send))
            await happens(begun.is_set)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await happens(lambda: body.closed)
            await happens(lambda: not outer.gauges()["threads"])

        asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_nothing_of_a_call_is_kept(make_app: MakeApp, client: MakeClient) -> None:
    class Kept:
        pass

    held: list[weakref.ref[Kept]] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept = Kept()
        held.append(weakref.ref(kept))
        environ["kept"] = kept
        start_response("200 OK", [TEXT])
        return [json.dumps(len(environ["wsgi.input"].read())).encode()]

    outer = make_app(middleware=[passing])
    outer.mount("/", app)
    opened = client(outer)
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            assert opened.post("/", content=b"abc").text == "3"
        until(lambda: all(ref() is None for ref in held), "an environ is kept by a cycle")
    finally:
        gc.enable()
