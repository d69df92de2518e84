"""What a request tells, and what it holds for the length of one exchange."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Generator, Iterator
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe import App, ClientDisconnect, Request
from duoframe.body import Body, Limits
from duoframe.datastructures import Headers
from duoframe.requests import Facts
from duoframe.threads import Slots
from tests.conftest import Ask, MakeClient, until


def note(seen: list[Any], value: object, answer: str) -> str:
    """Remember a value, and answer."""
    seen.append(value)
    return answer


class Door:
    """Stands for a door: a request is made of plain values."""

    def __init__(self, headers: dict[str, str], **facts: Any) -> None:
        self.asked = 0
        self._headers = headers
        self._facts = {
            "scheme": "http",
            "client": ("10.0.0.1", 5),
            "server": ("srv", 80),
            "root_path": "",
            "raw_path": b"/raw",
            "http_version": "1.1",
            **facts,
        }

    def headers(self, values: object) -> Headers:
        assert values == "values"
        self.asked += 1
        return Headers(list(self._headers.items()))

    def facts(self, values: object) -> Facts:
        assert values == "values"
        self.asked += 1
        return Facts(**self._facts)

    def disconnected(self, *asked: Any) -> Any:
        raise AssertionError

    environ = scope = departure = disconnected


def make(
    headers: dict[str, str] | None = None, *, path: str = "/a", query: bytes = b"", app: Any = None, **facts: Any
) -> Request:
    return Request(app, "GET", path, query, Door(headers or {}, **facts), "values")


def test_what_the_server_tells_is_read_when_it_is_asked_for_and_once() -> None:
    request = make({"x-a": "b"})
    door: Any = request._source
    assert door.asked == 0
    assert [request.headers["X-A"] for _ in range(3)] == ["b"] * 3
    assert [request.scheme for _ in range(3)] == ["http"] * 3
    assert (request.client, request.server, request.root_path) == (("10.0.0.1", 5), ("srv", 80), "")
    assert (request.raw_path, request.http_version) == (b"/raw", "1.1")
    assert door.asked == 2
    assert repr(request) == "<Request GET '/a'>"


def test_what_a_request_is_called_in_a_log_is_escaped_and_bounded() -> None:
    """R75."""
    request = make(path="/\x1b[2J\n\u202e\x9b" + "é" * 60_000)
    request.method = "GE\x1bT\u2066" + "X" * 60_000
    assert repr(request).isprintable()
    assert "GE\\x1bT\\u2066" in repr(request)
    assert r"/\x1b[2J\n\u202e\x9bé" in repr(request)
    assert len(repr(request).encode()) < 2000


# The host


@pytest.mark.parametrize(
    "host",
    [
        *("example.org", "example.org:8080", "EXAMPLE.org", "localhost", "127.0.0.1:80", "[::1]", "[::1]:8000"),
        *("a_b.example", "xn--bcher-kva.example", "a%20b", "example.org.", "example.org:", "a-b~c!$&'()*+;="),
    ],
)
def test_a_host_that_fits_the_grammar_is_shown_as_it_was_sent(host: str) -> None:
    """R15: RFC 9112 §3.2, RFC 3986 §3.2."""
    assert make({"host": host}).host == host


@pytest.mark.parametrize(
    "host",
    [
        *("", " ", "a b", "a/b", "a?b", "a#b", "a@b", "user:pw@host", "a\\b", "a,b", "a.com/?", "a:b", "a:1:2"),
        *("a:123456", "::1", "[::1", "[::1]x", "[evil.com]", "a\n", "a\x00", "é", "a%zz", "a%2", "<a>", '"a"', ":80"),
    ],
)
def test_anything_else_is_no_host_and_never_spliced(host: str) -> None:
    """R15."""
    request = make({"host": host}, path="/path")
    assert request.host == ""
    assert str(request.url) == "/path"
    assert request.base_url.host == ""


@pytest.mark.parametrize(
    ("server", "scheme", "host"),
    [
        (("srv", 80), "http", "srv"),
        (("srv", 443), "https", "srv"),
        (("srv", 443), "http", "srv:443"),
        (("srv", 8000), "http", "srv:8000"),
        (("srv", None), "http", "srv"),
        (("::1", 8000), "http", "[::1]:8000"),
        (("::1", 80), "http", "[::1]"),
        (("/run/app.sock", None), "http", ""),
        (None, "http", ""),
    ],
)
def test_without_a_host_field_the_servers_name_stands_for_it(server: Any, scheme: str, host: str) -> None:
    assert make(server=server, scheme=scheme).host == host


@given(st.binary(max_size=30))
def test_whatever_the_host_says_the_path_of_the_url_is_the_one_that_is_routed(host: bytes) -> None:
    """R14."""
    request = make({"host": host.decode("latin-1")}, path="/the/path")
    assert request.url.path is request.path
    parts = urlsplit(str(request.url))
    assert parts.path == "/the/path"
    assert parts.query == ""
    assert parts.username is None


def test_the_url_puts_the_parts_together() -> None:
    request = make({"host": "example.org:81"}, path="/é ü", query=b"a=%20&b=\xff", root_path="/root", scheme="https")
    assert str(request.url) == "https://example.org:81/root/%C3%A9%20%C3%BC?a=%20&b=%C3%BF"
    assert str(request.base_url) == "https://example.org:81/root/"


# Query, cookies, identifier, state


def test_query_and_args_are_one_and_read_once() -> None:
    request = make(query=b"a=1&a=2&b=%20")
    assert request.query.getlist("a") == ["1", "2"]
    assert request.args is request.query


def test_cookies_are_read_from_the_joined_field() -> None:
    request = make({"cookie": "a=1; a=2; b=x"})
    assert dict(request.cookies) == {"a": "1", "b": "x"}
    assert request.cookies is request.cookies
    assert dict(make().cookies) == {}


def test_the_identifier_is_random_and_stays() -> None:
    request = make()
    assert re.fullmatch(r"[0-9a-f]{32}", request.id)
    assert request.id == request.id
    assert request.id != make().id


def test_the_state_of_a_request_is_its_own_above_that_of_the_app(ask: Ask, app: App, colour: Any) -> None:
    """A-43."""
    app.state.shared = "app"

    @app.middleware
    def layer(request: Request) -> Generator[Any, Any]:
        request.state.mine = request.query["mine"]
        yield

    app.get("/")(colour(lambda request: [request.state.shared, request.state.mine, "mine" in request.app.state]))
    assert ask(app, "GET", b"/?mine=1").body == b'["app","1",false]'
    assert ask(app, "GET", b"/?mine=2").body == b'["app","2",false]'


# Negotiation


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json;q=0.1, text/html;q=0", "application/json"),
        ("image/png", "none"),
        ("text/html;q=1.001", "application/json"),
        ("text/html," * 1000, "text/html"),
    ],
)
def test_a_handler_answers_what_the_client_likes_best(
    ask: Ask, app: App, accept: str | None, best: str, colour: Any
) -> None:
    """H-13."""
    app.get("/")(colour(lambda request: request.accepts("application/json", "text/html") or "none"))
    headers = [] if accept is None else [(b"accept", accept.encode())]
    assert ask(app, "GET", b"/", headers).body == best.encode()


@pytest.mark.parametrize(
    ("field", "best"), [(b"de-CH, en;q=0.5", "de-CH"), (b"de", "de-CH"), (b"fr", "none"), (b"", "en")]
)
def test_a_handler_speaks_the_language_that_the_client_likes_best(
    ask: Ask, app: App, field: bytes, best: str, colour: Any
) -> None:
    """H-13."""
    app.get("/")(colour(lambda request: request.accepts_language("en", "de-CH") or "none"))
    assert ask(app, "GET", b"/", [(b"accept-language", field)]).body == best.encode()


def test_accept_fields_that_came_apart_are_one(ask: Ask, app: App) -> None:
    """H-13: RFC 9110 §5.3."""
    app.get("/")(lambda request: request.accepts("application/json", "text/html"))
    assert ask(app, "GET", b"/", [(b"accept", b"image/png"), (b"accept", b"text/html")]).body == b"text/html"


# The body


def test_without_a_body_there_is_an_empty_one(ask: Ask, app: App, colour: Any) -> None:
    app.post("/")(colour(lambda request: [request.body.decode(), dict(request.form), dict(request.files)]))
    assert ask(app, "POST", b"/").body == b'["",{},{}]'


def test_a_body_is_there_as_bytes_beside_what_it_is_read_as(ask: Ask, app: App, colour: Any) -> None:
    app.post("/json")(colour(lambda request: [request.json, request.body.decode(), request.json]))
    app.post("/form")(colour(lambda request: [dict(request.form), request.body.decode()]))
    json = ask(app, "POST", b"/json", [(b"content-type", b"application/json")], b'{"a": 1}')
    assert json.body == b'[{"a":1},"{\\"a\\": 1}",{"a":1}]'
    form = ask(app, "POST", b"/form", [(b"content-type", b"application/x-www-form-urlencoded")], b"a=1&b=2")
    assert form.body == b'[{"a":"1","b":"2"},"a=1&b=2"]'


def test_a_multipart_body_gives_fields_and_files(ask: Ask, app: App, colour: Any) -> None:
    body = (
        b'--b\r\ncontent-disposition: form-data; name="a"\r\n\r\none\r\n'
        b'--b\r\ncontent-disposition: form-data; name="f"; filename="x.txt"\r\n\r\ntwo\r\n--b--\r\n'
    )

    def handler(request: Request) -> Any:
        with pytest.raises(RuntimeError, match="stream=True"):
            _ = request.body
        return [request.form["a"], request.files["f"].filename, request.files["f"].size]

    app.post("/")(colour(handler))
    answer = ask(app, "POST", b"/", [(b"content-type", b"multipart/form-data; boundary=b")], body)
    assert answer.body == b'["one","x.txt",3]'


@pytest.mark.parametrize("attribute", ["body", "json", "form", "files"])
def test_a_streamed_body_is_not_kept(ask: Ask, app: App, attribute: str, colour: Any) -> None:
    def handler(request: Request) -> str:
        with pytest.raises(RuntimeError, match=r"stream=True: walk `request.stream`"):
            getattr(request, attribute)
        return "told"

    app.post("/", stream=True)(colour(handler))
    assert ask(app, "POST", b"/", body=b"x").body == b"told"


def test_a_body_that_was_read_is_no_stream(ask: Ask, app: App, colour: Any) -> None:
    def handler(request: Request) -> str:
        with pytest.raises(RuntimeError, match="register the route with stream=True"):
            _ = request.stream
        return "told"

    app.post("/")(colour(handler))
    assert ask(app, "POST", b"/", body=b"x").body == b"told"


def test_for_walks_a_streamed_body(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    def handler(request: Request) -> bytes:
        return b"|".join(request.stream)

    assert ask(app, "POST", b"/", body=iter([b"one", b"", b"two"])).body.replace(b"|", b"") == b"onetwo"


def test_async_for_walks_a_streamed_body(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    async def handler(request: Request) -> bytes:
        return b"|".join([chunk async for chunk in request.stream])

    assert ask(app, "POST", b"/", body=iter([b"one", b"", b"two"])).body.replace(b"|", b"") == b"onetwo"


def test_the_rest_of_a_stream_goes_to_the_next_loop_and_then_it_is_over(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    def handler(request: Request) -> Any:
        for chunk in request.stream:
            first = chunk
            break
        rest = b"".join(request.stream)
        return [(first + rest).decode(), len(list(request.stream))]

    assert ask(app, "POST", b"/", body=iter([b"one", b"two", b"three"])).body == b'["onetwothree",0]'


def test_a_streamed_body_past_its_limit_is_413(ask: Ask, app: App) -> None:
    @app.post("/", stream=True, max_body_size=4)
    def handler(request: Request) -> int:
        return sum(map(len, request.stream))

    @app.post("/waiting", stream=True, max_body_size=4)
    async def waiting(request: Request) -> int:
        return sum([len(chunk) async for chunk in request.stream])

    for target in (b"/", b"/waiting"):
        assert ask(app, "POST", target, body=iter([b"one", b"two"])).status == 413
        assert ask(app, "POST", target, body=iter([b"on", b"e"])).body == b"3"


def test_a_streamed_body_without_a_limit_takes_more_than_the_apps(ask: Ask, make_app: Any, colour: Any) -> None:
    app = make_app(max_body_size=2)
    app.post("/", max_body_size=None)(colour(lambda request: len(request.body)))
    app.post("/limited")(colour(lambda request: len(request.body)))
    assert ask(app, "POST", b"/", body=b"xxx").body == b"3"
    assert ask(app, "POST", b"/limited", body=b"xxx").status == 413


def test_a_client_that_leaves_ends_the_walk_with_client_disconnect(ask: Ask, app: App) -> None:
    seen: list[str] = []

    def broken() -> Iterator[bytes]:
        yield b"one"
        raise OSError("gone")

    @app.post("/", stream=True)
    def handler(request: Request) -> str:
        try:
            seen.extend(chunk.decode() for chunk in request.stream)
        except ClientDisconnect:
            seen.append("left")
            raise
        return "never"

    ask(app, "POST", b"/", body=broken())
    until(lambda: seen[-1:] == ["left"], "the handler was not told")


def test_a_client_that_is_there_has_not_left(ask: Ask, app: App, colour: Any) -> None:
    app.post("/")(colour(lambda request: [request.is_disconnected, request.body.decode(), request.is_disconnected]))
    assert ask(app, "POST", b"/", body=b"x").body == b'[false,"x",false]'


def test_asking_for_the_client_takes_nothing_of_a_streamed_body(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    def handler(request: Request) -> bytes:
        return b"".join(chunk for chunk in request.stream if not request.is_disconnected)

    @app.post("/waiting", stream=True)
    async def waiting(request: Request) -> bytes:
        return b"".join([chunk async for chunk in request.stream if not request.is_disconnected])

    for target in (b"/", b"/waiting"):
        assert ask(app, "POST", target, body=iter([b"one", b"two", b"three"])).body == b"onetwothree"


# Background work


def test_background_calls_run_once_the_answer_is_out(app: App, client: MakeClient, colour: Any) -> None:
    done = threading.Event()
    order: list[str] = []

    def work(first: str, *, second: str) -> None:
        order.append(first + second)
        done.set()

    def handler(request: Request) -> str:
        request.background(work, "a", second="b")
        return "answer"

    app.get("/")(colour(handler))
    assert client(app).get("/").text == "answer"
    assert done.wait(10)
    assert order == ["ab"]


def test_background_work_of_an_error_answer_runs_too(app: App, client: MakeClient, colour: Any) -> None:
    done = threading.Event()

    def handler(request: Request) -> None:
        request.background(done.set)
        raise ValueError

    app.get("/")(colour(handler))
    assert client(app).get("/").status_code == 500
    assert done.wait(10)


# The end


def test_after_its_end_a_request_says_so_instead_of_reading_what_is_the_servers(
    ask: Ask, app: App, colour: Any
) -> None:
    """T-12."""
    kept: list[Request] = []
    app.post("/")(colour(lambda request: note(kept, request, "x")))
    ask(app, "POST", b"/", body=b"body")
    [request] = kept
    until(lambda: request._values is None, "the request was not let go")
    for name in ("headers", "facts", "scheme", "client", "is_disconnected"):
        with pytest.raises(RuntimeError, match="the request is over"):
            getattr(request, name)
    with pytest.raises(RuntimeError, match="let go"):
        _ = request.body
    assert (request.method, request.path) == ("POST", "/")


def test_what_was_read_before_the_end_stays_readable() -> None:
    request = make({"x-a": "b"})
    headers, facts = request.headers, request.facts
    request._end()
    assert (request.headers, request.facts) == (headers, facts)


def test_the_end_closes_the_body_and_gives_the_stream_back_once() -> None:
    request = make()
    request._body = body = Body("text/plain", "", Limits())
    request._streams = streams = Slots(1)
    assert streams.take()
    request._holds_stream = True
    request._end()
    request._end()
    assert streams.used == 0
    with pytest.raises(RuntimeError):
        _ = body.content


def test_tasks_that_read_one_stream_at_the_same_time_share_it(ask: Ask, app: App) -> None:
    """A-15: each chunk goes to one of them."""

    @app.post("/", stream=True)
    async def handler(request: Request) -> int:
        sizes: list[int] = []

        async def read() -> None:
            sizes.extend([len(chunk) async for chunk in request.stream])

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(read)
        return sum(sizes)

    if ask.door == "asgi":
        assert ask(app, "POST", b"/", body=iter([b"a"] * 20)).body == b"20"
    else:
        assert ask(app, "POST", b"/", body=b"a" * 20).body == b"20"


@pytest.mark.parametrize(
    ("method", "fields", "expected"),
    [
        ("GET", {}, None),
        ("GET", {"range": "bytes=0-499"}, [[0, 500]]),
        ("GET", {"range": "bytes=-1, 0-0"}, [[999, 1000], [0, 1]]),
        ("GET", {"range": "bytes=1000-"}, []),
        ("GET", {"range": "items=0-1"}, None),
        ("GET", {"range": "bytes=0-0", "if-range": '"now"'}, [[0, 1]]),
        ("GET", {"range": "bytes=0-0", "if-range": '"then"'}, None),
        ("POST", {"range": "bytes=0-0"}, None),
    ],
)
def test_the_parts_that_a_request_asks_for(
    ask: Ask,
    app: App,
    colour: Callable[..., Any],
    method: str,
    fields: dict[str, str],
    expected: list[list[int]] | None,
) -> None:
    """H-29 to H-36: for what is no file; the ranges of RFC 9110 §14.1.2 end with the last byte, Python's behind it."""

    def parts(request: Request) -> Any:
        found = request.range(1000, "now")
        return {"parts": found if found is None else [[part.start, part.stop] for part in found]}

    app.route("/", methods=["GET", "POST"])(colour(parts))
    answer = ask(app, method, b"/", [(name.encode(), value.encode()) for name, value in fields.items()])
    assert json.loads(answer.body) == {"parts": expected}
