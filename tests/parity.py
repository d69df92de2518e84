"""One abstract request, asked of both doors: whatever Hypothesis draws, the two answers must be alike.

`application` offers every kind of handler in both colours, `requests` draws what a client may send, `differences`
says where the doors disagree. ``python -m tests.parity 1000000`` runs as many examples, in batches, and prints how
often each kind was drawn.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from duoframe import App, HTTPException, PlainTextResponse, Request, Response, Router, StreamingResponse, inline
from duoframe.testing import Client

BATCH = 5000
IGNORED = {"date", "server", "connection", "transfer-encoding"}
"""Fields that belong to the server or to the connection."""

COLOURS = ("def", "async")


@dataclass(frozen=True)
class Ask:
    """An abstract request, and how many chunks its client takes before it leaves."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | tuple[bytes, ...] = b""
    leaves_after: int | None = None
    kind: str = ""


# The application.


def application(events: list[str]) -> App:
    """Handlers of each kind in both colours, inside middleware and hooks of both; what runs is noted in ``events``."""
    app = App(max_body_size=50_000)

    @app.middleware
    @inline
    def marks(request: Request) -> Generator[Any, Any, None]:
        events.append("gate in")
        if request.headers.get("x-refuse") == "gate":
            yield PlainTextResponse("refused at the gate", 403)
            events.append("gate answered")
            return
        response = yield
        events.append(f"gate out {response.status} {type(request.error).__name__}")
        response.headers["x-marked"] = "yes"

    for colour in COLOURS:
        app.include_router(_router(colour, events), prefix=f"/{colour}")

    @app.errorhandler(418)
    @inline
    def teapot(request: Request, error: Exception) -> Any:
        return {"teapot": request.path}

    @app.errorhandler(LookupError)
    @inline
    def lookup(request: Request, error: Exception) -> Any:
        return f"lookup failed: {error}", 410, {"x-error": "lookup"}

    return app


def _paint(colour: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def paint(function: Callable[..., Any]) -> Callable[..., Any]:
        if colour == "def":
            return function
        import functools

        @functools.wraps(function)
        async def painted(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return function(*args, **kwargs)

        return painted

    return paint


def _router(colour: str, events: list[str]) -> Router:
    router = Router(name=colour)
    paint = _paint(colour)
    _surround(router, colour, events)

    @router.get("/text/{name}")
    @paint
    def text(name: str) -> Any:
        events.append("handler")
        return f"<{name}>"

    @router.get("/int/{value:int}")
    @router.get("/float/{value:float}")
    @router.get("/uuid/{value:uuid}")
    @router.get("/rest/{value:path}")
    @paint
    def converted(value: object) -> Any:
        return {"type": type(value).__name__, "value": str(value)}

    @router.get("/slash/")
    @paint
    def slash(request: Request) -> Any:
        return [request.path, str(request.url), request.host, request.scheme, request.client]

    @router.route("/query", methods=["GET", "DELETE"])
    @paint
    def query(request: Request) -> Any:
        return request.query.multi_items()

    @router.get("/fields")
    @paint
    def fields(request: Request) -> Any:
        return sorted(request.headers.multi_items()), request.cookies.multi_items()

    @router.post("/json")
    @paint
    def json(request: Request) -> Any:
        return {"got": request.json, "size": len(request.body)}

    @router.route("/body", methods=["POST", "PATCH", "GET"])
    @paint
    def body(request: Request) -> Any:
        return request.body

    @router.get("/error/{status:int}")
    @paint
    def error(status: int) -> Any:
        raise HTTPException(status, "asked for", {"x-asked": "yes"})

    @router.get("/raise/{kind}")
    @paint
    def fail(kind: str) -> Any:
        events.append("raising")
        raise {"key": KeyError("k"), "value": ValueError("v"), "stop": StopIteration(1)}.get(kind, RuntimeError(kind))

    @router.get("/answer/{kind}")
    @paint
    def answer(kind: str) -> Any:
        return {
            "none": None,
            "empty": Response(b"", 204),
            "reset": Response("gone", 205),
            "tuple": ("made", 201, {"x-made": "yes"}),
            "bytes": b"\x00\xff",
            "unfit": PlainTextResponse("x", headers={"x-euro": "ok"}),
            "list": [1, "zwei", None, 3.5],
            "hop": Response("x", headers={"connection": "close", "keep-alive": "1"}),
            "unknown": Response("x", 299),
            "cookies": Response("x", headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")]),
            "call": events,
        }.get(kind, object())

    _streams(router, colour, events)
    return router


def _streams(router: Router, colour: str, events: list[str]) -> None:
    def chunks(count: int, fails: int) -> Iterator[str]:
        events.append("stream begun")
        try:
            for index in range(count):
                if index == fails:
                    raise OSError("the stream broke")
                yield f"chunk {index}\n"
            events.append("stream complete")
        finally:
            events.append("stream closed")

    async def awaited(count: int, fails: int) -> AsyncIterator[str]:
        for chunk in chunks(count, fails):
            await asyncio.sleep(0)
            yield chunk

    def plan(request: Request) -> tuple[int, int]:
        return request.query.get("count", 3, int), request.query.get("fails", -1, int)

    if colour == "def":

        @router.route("/form", methods=["POST", "PUT"])
        def form(request: Request) -> Any:
            files = [(name, file.filename, file.size, file.read().hex()) for name, file in request.files.multi_items()]
            return {"form": request.form.multi_items(), "files": files}

        @router.get("/stream")
        def stream(request: Request) -> Any:
            return StreamingResponse(chunks(*plan(request)), headers={"x-stream": "yes"})

        @router.post("/upload", stream=True)
        def upload(request: Request) -> Any:
            sizes = []
            for chunk in request.stream:
                sizes.append(len(chunk))
                if sum(sizes) > 20_000:
                    break
            return {"received": sum(sizes)}

    else:

        @router.route("/form", methods=["POST", "PUT"])
        async def waiting_form(request: Request) -> Any:
            files = [
                (name, file.filename, file.size, (await file.read()).hex())
                for name, file in request.files.multi_items()
            ]
            return {"form": request.form.multi_items(), "files": files}

        @router.get("/stream")
        async def waiting_stream(request: Request) -> Any:
            return StreamingResponse(awaited(*plan(request)), headers={"x-stream": "yes"})

        @router.post("/upload", stream=True)
        async def waiting_upload(request: Request) -> Any:
            sizes = []
            async for chunk in request.stream:
                sizes.append(len(chunk))
                if sum(sizes) > 20_000:
                    break
            return {"received": sum(sizes)}


def _surround(router: Router, colour: str, events: list[str]) -> None:
    """Middleware that refuses, replaces and fails on demand, and the three hooks, in the router's colour."""
    paint = _paint(colour)

    def act(request: Request, where: str) -> Response | None:
        if request.headers.get("x-refuse") == where:
            return PlainTextResponse(f"refused at {where}", 403)
        if request.headers.get("x-fail") == where:
            raise ValueError(where)
        return None

    if colour == "def":

        @router.middleware
        def around(request: Request) -> Generator[Any, Any, None]:
            events.append("in")
            response = yield act(request, "in")
            events.append(f"out {response.status}")
            replacement = act(request, "out")
            if replacement is not None:
                yield replacement

    else:

        @router.middleware
        async def waiting_around(request: Request) -> AsyncGenerator[Any, Any]:
            events.append("in")
            await asyncio.sleep(0)
            response = yield act(request, "in")
            events.append(f"out {response.status}")
            replacement = act(request, "out")
            if replacement is not None:
                yield replacement

    @router.before_request
    @paint
    def before(request: Request) -> Any:
        events.append("before")
        return act(request, "before")

    @router.after_request
    @paint
    def after(request: Request, response: Response) -> Any:
        events.append("after")
        response.headers["x-after"] = "yes"
        return act(request, "after")

    @router.teardown_request
    @paint
    def teardown(request: Request, error: BaseException | None) -> Any:
        events.append(f"teardown {type(error).__name__}")


# What a client may send.

_text = st.text(st.characters(codec="utf-8"), max_size=12)
_segment = st.one_of(
    st.sampled_from(
        ["a", "7", "caf\u00e9", "\u65e5\u672c", "a b", "%", "..", ".", "", "1.5", "x;y", "\U0001f600", "007"]
    ),
    _text,
    st.uuids().map(str),
)
_bytes_segment = st.one_of(_segment.map(str.encode), st.binary(max_size=8))
_quoted = _bytes_segment.map(lambda raw: quote_from_bytes(raw, safe="~!$&'()*+,;=:@").encode())
_root = st.sampled_from([colour.encode() for colour in COLOURS])
_where = st.sampled_from([b"gate", b"in", b"out", b"before", b"after"])
_behaviour = st.lists(
    st.one_of(
        st.tuples(st.just(b"x-refuse"), _where),
        st.tuples(st.just(b"x-fail"), _where),
        st.tuples(st.just(b"cookie"), st.sampled_from([b"a=1; b=2", b"=x", b"a=b=c; ;", b'q="1"'])),
        st.tuples(
            st.just(b"host"), st.sampled_from([b"testserver", b"a.example:8080", b"[::1]:80", b"bad host", b"a/b"])
        ),
        st.tuples(st.just(b"x-text"), st.sampled_from([b"plain", b"caf\xe9", b"", b"a,b"])),
    ),
    max_size=2,
    unique_by=lambda field: field[0],
).map(tuple)
_query = st.one_of(
    st.just(b""),
    st.sampled_from([b"a=1&a=2", b"a", b"=b", b"a=%zz", b"a=%ff", b"a=1;b=2", b"&&", b"+=%2B", b"%C3%A9=%E2%82%AC"]),
    st.lists(st.tuples(_text, _text), max_size=4).map(lambda pairs: urlencode(pairs).encode()),
    st.binary(max_size=10).map(lambda raw: quote_from_bytes(raw, safe="=&;+%").encode()),
)


def _target(*parts: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.tuples(*parts, _query).map(
        lambda found: b"/" + b"/".join(found[:-1]) + (b"?" + found[-1] if found[-1] else b"")
    )


def _asks(kind: str, methods: list[str], target: st.SearchStrategy[bytes], **more: Any) -> st.SearchStrategy[Ask]:
    return st.builds(
        Ask, method=st.sampled_from(methods), target=target, headers=_behaviour, kind=st.just(kind), **more
    )


def _with_body(kind: str, path: bytes, bodies: st.SearchStrategy[tuple[bytes, bytes]]) -> st.SearchStrategy[Ask]:
    def build(root: bytes, sent: tuple[bytes, bytes], fields: Any, method: str, cut: list[int], unframed: bool) -> Ask:
        content_type, body = sent
        headers = fields if not content_type else (*fields, (b"content-type", content_type))
        chunked = unframed and bool(body)
        sizes = sorted({min(size, len(body)) for size in cut})
        parts = tuple(body[a:b] for a, b in zip([0, *sizes], [*sizes, len(body)], strict=True) if b > a)
        return Ask(method, b"/" + root + path, headers, parts if chunked else body, kind=kind)

    methods = st.sampled_from(["POST", "POST", "POST", "PUT", "PATCH"])
    cuts = st.lists(st.integers(0, 200), max_size=4)
    return st.builds(build, _root, bodies, _behaviour, methods, cuts, st.booleans())


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)


def _encoded(value: Any) -> bytes:
    import json

    return json.dumps(value, ensure_ascii=False).encode()


_json_bodies = st.one_of(
    st.tuples(st.sampled_from([b"application/json", b"application/vnd.x+json; charset=UTF-8"]), _json.map(_encoded)),
    st.tuples(
        st.sampled_from([b"application/json", b"text/plain", b"", b"application/json; charset=latin-1"]),
        st.one_of(st.binary(max_size=20), st.sampled_from([b"{", b"[1,]", b"\xef\xbb\xbf1", b"NaN", b"[" * 5000, b""])),
    ),
)
_name = st.text(
    st.characters(codec="utf-8", exclude_characters='"\r\n\\', exclude_categories=["Cc", "Cs"]), min_size=1, max_size=6
)


def _multipart(fields: list[tuple[str, str | None, bytes]], boundary: bytes, complete: bool) -> tuple[bytes, bytes]:
    lines = []
    for name, filename, content in fields:
        disposition = f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"')
        lines.append(b"--%s\r\ncontent-disposition: %s\r\n\r\n%s\r\n" % (boundary, disposition.encode(), content))
    end = b"--%s--\r\n" % boundary if complete else b""
    return b"multipart/form-data; boundary=" + boundary, b"".join(lines) + end


_form_bodies = st.one_of(
    st.lists(st.tuples(_text, _text), max_size=5).map(
        lambda pairs: (b"application/x-www-form-urlencoded", urlencode(pairs).encode())
    ),
    st.tuples(st.just(b"application/x-www-form-urlencoded"), st.binary(max_size=30)),
    st.builds(
        _multipart,
        st.lists(st.tuples(_name, st.none() | _name, st.binary(max_size=40)), max_size=4),
        st.sampled_from([b"xYz", b"----form-1"]),
        st.sampled_from([True, True, True, False]),
    ),
)
_big = st.integers(0, 60_000).map(lambda size: (b"application/octet-stream", b"x" * size))

asks: st.SearchStrategy[Ask] = st.one_of(
    _asks("text", ["GET", "HEAD", "POST"], _target(_root, st.just(b"text"), _quoted)),
    _asks(
        "converted",
        ["GET", "HEAD"],
        _target(_root, st.sampled_from([b"int", b"float", b"uuid", b"rest"]), _quoted),
    ),
    _asks("unknown", ["GET", "HEAD", "OPTIONS", "PUT"], _target(_quoted, _quoted)),
    _asks(
        "method",
        ["GET", "HEAD", "OPTIONS", "DELETE", "POST", "BREW", "TRACE"],
        _target(_root, st.sampled_from([b"query", b"fields", b"slash", b"slash/", b"query/", b"json"])),
    ),
    _asks(
        "error",
        ["GET", "HEAD"],
        _target(_root, st.just(b"error"), st.sampled_from([b"404", b"418", b"503", b"302", b"200"])),
    ),
    _asks(
        "raise", ["GET", "HEAD"], _target(_root, st.just(b"raise"), st.sampled_from([b"key", b"value", b"stop", b"x"]))
    ),
    _asks(
        "answer",
        ["GET", "HEAD"],
        _target(
            _root,
            st.just(b"answer"),
            st.sampled_from(
                [
                    b"none",
                    b"empty",
                    b"reset",
                    b"tuple",
                    b"bytes",
                    b"unfit",
                    b"list",
                    b"hop",
                    b"unknown",
                    b"cookies",
                    b"x",
                ]
            ),
        ),
    ),
    st.builds(
        lambda root, count, fails, method, leaves, fields: Ask(
            method, b"/%s/stream?count=%d&fails=%d" % (root, count, fails), fields, leaves_after=leaves, kind="stream"
        ),
        _root,
        st.integers(0, 6),
        st.integers(-1, 6),
        st.sampled_from(["GET", "GET", "GET", "HEAD"]),
        st.none() | st.integers(0, 4),
        _behaviour,
    ),
    _with_body("json", b"/json", _json_bodies),
    _with_body("form", b"/form", _form_bodies),
    _with_body("body", b"/body", _big),
    _with_body("upload", b"/upload", _big),
)


# The comparison.


class Harness:
    """Asks both doors, keeps count of what was drawn."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.app = application(self.events)
        self.clients = [Client(self.app, door, strict=True, raise_app_exceptions=False) for door in ("wsgi", "asgi")]
        self.drawn: Counter[str] = Counter()

    def differences(self, ask: Ask) -> dict[str, tuple[object, object]]:
        """What the two doors answered differently, by name."""
        one, two = (self._answer(ask, client) for client in self.clients)
        self._count(ask, one)
        return {name: (one[name], two[name]) for name in one if one[name] != two[name]}

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.app.shutdown()

    def _answer(self, ask: Ask, client: Client) -> dict[str, Any]:
        self.events.clear()
        got = client.exchange(ask.method, ask.target, ask.headers, ask.body, disconnect_after=ask.leaves_after)
        if ask.leaves_after is not None:  # how far a stream runs ahead of its client is the server's business
            streamed = [event for event in self.events if event.startswith("stream")]
            return {
                "events": [event for event in self.events if not event.startswith("stream")],
                "left open": streamed.count("stream begun") - streamed.count("stream closed"),
                "aborted": False,
                "status": 200,
            }
        return {
            "status": got.status,
            "headers": sorted(field for field in got.headers if field[0] not in IGNORED),
            "body": got.body,
            "aborted": got.aborted,
            "error": type(got.error).__name__,
            "events": list(self.events),
        }

    def _count(self, ask: Ask, answer: dict[str, Any]) -> None:
        path = ask.target.partition(b"?")[0]
        drawn = [f"kind: {ask.kind}", f"method: {ask.method}", f"status: {answer['status']}"]
        drawn += [f"colour: {colour}" for colour in COLOURS if path.startswith(b"/" + colour.encode())]
        drawn += ["non-ASCII path"] if b"%" in path else []
        drawn += ["client left midway"] if ask.leaves_after is not None else []
        drawn += ["aborted by the server"] if answer["aborted"] else []
        drawn += ["hooks ran"] if "before" in answer["events"] else []
        drawn += ["chunked body"] if isinstance(ask.body, tuple) else []
        self.drawn.update(drawn)


def run(harness: Harness, examples: int, number: int) -> None:
    """Draw so many examples from one seed; raises AssertionError at the first difference."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(asks)
    def alike(ask: Ask) -> None:
        found = harness.differences(ask)
        assert found == {}, f"{ask}: {found}"

    alike()


def main(examples: int) -> None:
    harness = Harness()
    started = time.monotonic()
    try:
        for number, done in enumerate(range(0, examples, BATCH)):
            run(harness, min(BATCH, examples - done), number)
            print(
                f"{min(done + BATCH, examples):>9} examples, 0 differences, {time.monotonic() - started:.0f} s",
                flush=True,
            )
    finally:
        harness.close()
    for kind, count in sorted(harness.drawn.items()):
        print(f"{count:>9}  {kind}")


if __name__ == "__main__":
    import logging

    logging.disable()
    main(int(sys.argv[1]))
