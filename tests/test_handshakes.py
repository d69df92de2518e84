"""WebSocket handshakes: what comes to a mounted application, and what is refused before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest

from duoframe import App, ConfigurationError, PlainTextResponse, Request, inline
from duoframe.types import Message, Receive, Scope, Send
from tests.conftest import DEADLINE, MakeApp
from tests.foreign import answer, passing


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Accepts, tells where it was called, and closes."""
    if scope["type"] == "lifespan":
        raise RuntimeError("it knows no lifespan")
    if scope["type"] == "http":
        await answer(send, b"http")
        return
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"{scope.get('root_path', '')} {scope['path']}"})
    await send({"type": "websocket.close", "code": 1000})


def opened(app: App, path: str = "/ws/a", origin: bytes | None = None, **other: Any) -> list[Any]:
    """What a server is sent for a handshake."""
    sent: list[Message] = []
    headers = [(b"host", b"example.com"), (b"upgrade", b"websocket")]
    headers += [] if origin is None else [(b"origin", origin)]
    scope = {"type": "websocket", "path": path, "headers": headers, "scheme": "ws", **other}

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def main() -> None:
        await asyncio.wait_for(app.asgi(scope, receive, send), DEADLINE)

    asyncio.run(main())
    return sent


DENIAL: dict[str, Any] = {"extensions": {"websocket.http.response": {}}}
REFUSED = [{"type": "websocket.close", "code": 1000}]


@pytest.mark.parametrize("around", [[], [passing]])
def test_a_websocket_comes_to_the_application_that_is_mounted_there(make_app: MakeApp, around: Any) -> None:
    app = make_app(middleware=around)
    app.mount("/ws", echo)
    assert [message.get("text") for message in opened(app)] == [None, "/ws /ws/a", None]
    assert opened(app, "/ws")[1]["text"] == "/ws /ws/"
    assert opened(app, "/root/ws/a", root_path="/root")[1]["text"] == "/root/ws /root/ws/a"


def test_a_route_of_ours_does_not_stand_in_its_way(make_app: MakeApp) -> None:
    """A route answers requests; the WebSocket of the same path is the fallback's still."""
    app = make_app()

    @app.get("/ws/a")
    def page() -> str:
        return "page"

    app.fallback(echo)
    assert opened(app)[1]["text"] == " /ws/a"


def test_where_nothing_is_mounted_it_is_refused(make_app: MakeApp) -> None:
    """S-01"""
    app = make_app()
    app.mount("/old", lambda environ, start_response: [])

    @app.get("/page")
    def page() -> str:
        return "page"

    for path in ("/", "/page", "/old/x", "/ws\udc80"):
        assert opened(app, path) == REFUSED
    start, end = opened(app, "/page", **DENIAL)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert (end["type"], end["more_body"]) == ("websocket.http.response.body", False)
    assert b"404" in end["body"]


class TestOrigins:
    @pytest.mark.parametrize(
        ("origin", "passes"),
        [
            (None, True),
            (b"http://example.com", True),
            (b"https://example.com", True),
            (b"http://EXAMPLE.com", True),
            (b"http://example.com:80", True),
            (b"http://example.com:8080", False),
            (b"http://other.example", False),
            (b"http://example.com.other.example", False),
            (b"http://exampleXcom", False),
            (b"null", False),
            (b"", False),
            (b"http://", False),
            (b"http://user@example.com", False),
            (b"http://example.com/path", False),
            (b"http://example.com:port", False),
            (b"http://[::1", False),
            (b"file://", False),
        ],
    )
    def test_a_page_of_another_origin_is_refused(self, make_app: MakeApp, origin: bytes | None, passes: bool) -> None:
        """S-20, R50, R45, R48"""
        app = make_app()
        app.mount("/ws", echo)
        sent = opened(app, origin=origin, **DENIAL)
        assert sent[0] == {"type": "websocket.accept"} if passes else sent[0]["status"] == 403

    def test_others_may_be_allowed(self, make_app: MakeApp) -> None:
        app = make_app(websocket_origins=["https://other.example", "http://exact.example:8080"])
        app.mount("/ws", echo)
        assert len(opened(app, origin=b"https://other.example")) == 3
        assert len(opened(app, origin=b"https://other.example:443")) == 3
        assert len(opened(app, origin=b"http://exact.example:8080")) == 3
        assert len(opened(app, origin=b"http://example.com")) == 3
        for origin in (b"http://other.example", b"http://exact.example", b"https://x.other.example"):
            assert opened(app, origin=origin) == REFUSED

    def test_all_may_be_allowed(self, make_app: MakeApp) -> None:
        app = make_app(websocket_origins=["*"])
        app.mount("/ws", echo)
        for origin in (b"https://other.example", b"null"):
            assert len(opened(app, origin=origin)) == 3

    @pytest.mark.parametrize("origins", ["https://example.com", ["example.com"], ["https://a.example/x"], ["null"]])
    def test_what_is_no_origin_is_refused(self, origins: Any) -> None:
        with pytest.raises(ConfigurationError, match="expected"):
            App(websocket_origins=origins)

    def test_a_host_that_is_none_allows_nobody(self, make_app: MakeApp) -> None:
        app = make_app()
        app.mount("/ws", echo)
        headers = [(b"host", b"a/b"), (b"origin", b"http://a")]
        assert opened(app, headers=headers) == REFUSED


class TestMiddleware:
    @pytest.fixture(params=["answer", "error"])
    def refusing(self, request: pytest.FixtureRequest) -> Callable[..., Any]:
        @inline
        def refuse(asked: Request) -> Generator[Any, Any]:
            if asked.headers.get("host") == "example.com":
                if request.param == "error":
                    raise ValueError("broken")
                yield PlainTextResponse("no", 403)
                return
            yield

        return refuse

    def test_the_leading_inline_middleware_may_refuse(
        self, make_app: MakeApp, refusing: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        app = make_app(middleware=[passing, refusing])
        app.mount("/ws", echo)
        assert opened(app) == REFUSED
        start, _ = opened(app, **DENIAL)
        assert start["status"] in (403, 500)
        assert (b"x-passed", b"inline") in start["headers"]
        assert len(opened(app, headers=[(b"host", b"other.example")])) == 3

    def test_it_is_left_when_it_lets_the_handshake_pass(self, make_app: MakeApp) -> None:
        left: list[Any] = []

        @inline
        def look(asked: Request) -> Generator[Any, Any]:
            try:
                yield
                left.append("answered")
            finally:
                left.append("left")

        app = make_app(middleware=[look])
        app.mount("/ws", echo)
        assert len(opened(app)) == 3
        assert left == ["left"]

    def test_a_refusal_passes_through_all_of_it(self, make_app: MakeApp) -> None:
        async def last(asked: Request) -> AsyncGenerator[Any, Any]:
            response = yield
            response.headers["x-last"] = "async def"

        def before(asked: Request) -> Generator[Any, Any]:
            response = yield
            response.headers["x-before"] = "def"

        app = make_app(middleware=[passing, before, last])
        app.mount("/ws", echo)
        start, _ = opened(app, origin=b"https://other.example", **DENIAL)
        assert {(b"x-passed", b"inline"), (b"x-before", b"def"), (b"x-last", b"async def")} <= set(start["headers"])


def test_an_application_that_cannot_start_refuses(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()
    app.mount("/ws", echo)

    @app.lifespan
    def fail() -> Generator[None]:
        raise ValueError("no database")
        yield

    start, _ = opened(app, **DENIAL)
    assert start["status"] == 503
