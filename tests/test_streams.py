"""`duoframe.streams`: a body as it arrives, above all the parts of a form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe import App, HTTPException, Limits, Request
from duoframe.streams import BodyStream
from duoframe.testing import Exchange
from tests.conftest import Ask, until
from tests.test_body import CORPUS, MULTIPART, field, file, form, outcome, part

FORM = [(b"content-type", MULTIPART.encode())]

LINE = 'Content-Disposition: form-data; name="a"'

Register = Callable[..., list[Any]]


@pytest.fixture(params=["def", "async def"])
def taking(request: pytest.FixtureRequest, app: App) -> Register:
    """Registers a route that takes every part of a form whole; what it took is in the list, what it met in the end."""

    def register(path: str = "/", take: Callable[[str], bool] = lambda name: True, **options: Any) -> list[Any]:
        seen: list[Any] = []

        def handler(request: Request) -> int:
            try:
                for each in request.stream.parts():
                    content = each.read() if take(each.name) else None
                    seen.append((each.name, each.raw_filename, content))
            except HTTPException as error:
                seen.append(error.status)
                raise
            return len(seen)

        async def waiting_handler(request: Request) -> int:
            try:
                async for each in request.stream.parts():
                    content = await each.read() if take(each.name) else None
                    seen.append((each.name, each.raw_filename, content))
            except HTTPException as error:
                seen.append(error.status)
                raise
            return len(seen)

        app.post(path, stream=True, **options)(handler if request.param == "def" else waiting_handler)
        return seen

    return register


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[place : place + size] for place in range(0, len(data), size))


def sent(ask: Ask, app: App, body: bytes | Iterable[bytes], target: bytes = b"/") -> Exchange:
    return ask(app, "POST", target, FORM, body)


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_parts_are_walked_as_they_arrive(ask: Ask, app: App, taking: Register, size: int) -> None:
    """F-15"""
    seen = taking()
    data = form(field("a", b"1"), file("../x.txt", b"content" * 99), field("b"), file("", b""), file("", b"x"))
    assert sent(ask, app, pieces(data, size)).body == b"4"
    assert seen == [("a", None, b"1"), ("up", "../x.txt", b"content" * 99), ("b", None, b""), ("up", "", b"x")]


def test_a_part_tells_what_it_is(ask: Ask, app: App) -> None:
    """F-09, R58"""

    @app.post("/", stream=True)
    def handler(request: Request) -> Any:
        return [
            [part.name, part.filename, part.raw_filename, part.content_type, part.headers.get("x-y"), repr(part)]
            for part in request.stream.parts()
        ]

    data = form(
        field("a"), part('form-data; name="f"; filename="C:\\a\\b\x00.png"', b"", "Content-Type: image/png", "X-Y: z")
    )
    assert json.loads(sent(ask, app, data).body) == [
        ["a", None, None, "text/plain", None, "<SteppedPart 'a' text/plain>"],
        ["f", "b.png", "C:\\a\\b\x00.png", "image/png", "z", "<SteppedPart 'f' image/png>"],
    ]


def test_a_part_is_walked_in_the_chunks_that_come(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    def handler(request: Request) -> Any:
        return [[len(chunk) for chunk in part] for part in request.stream.parts()]

    @app.post("/waiting", stream=True)
    async def waiting(request: Request) -> Any:
        return [[len(chunk) async for chunk in part] async for part in request.stream.parts()]

    data = form(file("a", b"x" * 300_000), field("b", b"y"))
    for target in (b"/", b"/waiting"):
        [first, second] = json.loads(sent(ask, app, pieces(data, 65536), target).body)
        assert sum(first) == 300_000
        assert max(first) <= 65536
        assert second == [1]


def test_going_on_to_the_next_part_passes_over_the_rest_of_this_one(ask: Ask, app: App, taking: Register) -> None:
    seen = taking(take=lambda name: name == "last")
    data = form(file("a", b"x" * 100_000), field("b", b"y" * 1000), field("last", b"z"))
    assert sent(ask, app, pieces(data, 999)).body == b"3"
    assert seen == [("up", "a", None), ("b", None, None), ("last", None, b"z")]


def test_a_part_that_was_passed_over_says_so(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    def handler(request: Request) -> Any:
        first, second, third = request.stream.parts()
        for passed in (first, second, third):
            with pytest.raises(RuntimeError, match="was passed over: read a part before you go on to the next one"):
                passed.read()
        return "told"

    @app.post("/read", stream=True)
    def reading(request: Request) -> Any:
        parts = request.stream.parts()
        first = next(parts)
        content = [chunk.decode() for chunk in first]
        next(parts)
        return [content, first.read().decode()]

    data = form(field("a", b"1"), field("b", b"2"), field("c", b"3"))
    assert sent(ask, app, data).body == b"told"
    assert sent(ask, app, data, b"/read").body == b'[["1"],""]'


def test_a_walk_that_was_left_goes_on_where_it_was(ask: Ask, app: App) -> None:
    @app.post("/", stream=True)
    def handler(request: Request) -> Any:
        first = next(request.stream.parts())
        return [first.read().decode(), [part.name for part in request.stream.parts()], list(request.stream.parts())]

    assert sent(ask, app, form(field("a", b"1"), field("b"), field("c"))).body == b'["1",["b","c"],[]]'


@pytest.mark.parametrize("data", [form(), b""], ids=["no parts", "no body"])
def test_a_form_without_parts_is_an_empty_walk(ask: Ask, app: App, taking: Register, data: bytes) -> None:
    """F-03"""
    assert taking() == []
    assert sent(ask, app, data).body == b"0"


@pytest.mark.parametrize(
    "data",
    [
        form(field("a"))[:-4],
        b"x" + form(field("a")),
        form(part("form-data")),
        form(part('form-data; name="a"; name="b"')),
        form(part('form-data; name="\udce9"')),
        form(part('form-data; name="a"', b"", "Content-Type: multipart/mixed; boundary=b")),
    ],
)
def test_what_is_malformed_is_a_bad_request(ask: Ask, app: App, taking: Register, data: bytes) -> None:
    """F-02, F-05, F-10, F-12, R53, R54"""
    seen = taking()
    answer = sent(ask, app, data)
    assert answer.status == 400
    assert seen[-1] == 400


@pytest.mark.parametrize(
    "boundary", ["", "; boundary=", "; boundary=" + "x" * 257, '; boundary="a\x0bb"', ", text/plain"]
)
def test_a_boundary_that_is_none_is_a_bad_request(ask: Ask, app: App, taking: Register, boundary: str) -> None:
    """F-01"""
    taking()
    content_type = f"multipart/form-data{boundary}".encode()
    assert ask(app, "POST", b"/", [(b"content-type", content_type)], form()).status == 400


@pytest.mark.parametrize("content_type", [b"", b"application/json", b"multipart/mixed; boundary=frontier"])
def test_another_media_type_has_no_parts(ask: Ask, app: App, taking: Register, content_type: bytes) -> None:
    taking()
    assert ask(app, "POST", b"/", [(b"content-type", content_type)], b"x").status == 415


@pytest.mark.parametrize(
    ("limits", "over", "data"),
    [
        (Limits(max_fields=1), Limits(max_fields=0), form(field("a", b"1"))),
        (Limits(max_files=1), Limits(max_files=0), form(file("a", b"1"))),
        (Limits(max_field_size=9), Limits(max_field_size=8), form(field("a", b"123456789"))),
        (Limits(max_file_size=9), Limits(max_file_size=8), form(file("a", b"123456789"))),
        (Limits(max_part_headers=2), Limits(max_part_headers=1), form(file("a"))),
        (Limits(max_part_header_size=len(LINE)), Limits(max_part_header_size=len(LINE) - 1), form(field("a"))),
        (
            Limits(max_body_size=len(form(field("a")))),
            Limits(max_body_size=len(form(field("a"))) - 1),
            form(field("a")),
        ),
    ],
    ids=["fields", "files", "field size", "file size", "part headers", "part header size", "body size"],
)
@pytest.mark.parametrize("size", [1, 1000])
def test_every_limit_is_held_while_the_parts_arrive(
    ask: Ask, app: App, taking: Register, limits: Limits, over: Limits, data: bytes, size: int
) -> None:
    """F-14, R51"""
    taking("/ok", limits=limits)
    seen = taking("/over", limits=over)
    assert sent(ask, app, pieces(data, size), b"/ok").status == 200
    assert sent(ask, app, pieces(data, size), b"/over").status == 413
    assert seen[-1] == 413


def test_past_a_limit_nothing_more_is_read(ask: Ask, app: App, taking: Register) -> None:
    """A-18, R51"""
    taking(limits=Limits(max_file_size=100_000, max_body_size=None))
    pulled = 0

    def endless() -> Iterator[bytes]:
        nonlocal pulled
        yield file("a")[:-2]
        while True:
            pulled += 1
            yield b"x" * 1000

    if ask.door == "asgi":
        answer = sent(ask, app, endless())
        assert answer.status == 413
        assert pulled < 200
        assert ("connection", "close") in answer.headers


@pytest.mark.parametrize("path", ["/", "/waiting"])
def test_an_announced_body_past_the_limit_is_refused_before_any_of_it_is_read(ask: Ask, app: App, path: str) -> None:
    """A-18, H-23, R51"""
    pulled: list[bytes] = []

    @app.post("/", stream=True, max_body_size=10)
    def handler(request: Request) -> Any:
        for _ in range(2):
            with pytest.raises(HTTPException) as caught:
                next(request.stream)
        raise caught.value

    @app.post("/waiting", stream=True, max_body_size=10)
    async def waiting(request: Request) -> Any:
        for _ in range(2):
            with pytest.raises(HTTPException) as caught:
                await anext(request.stream)
        raise caught.value

    def body() -> Iterator[bytes]:
        pulled.append(b"x" * 11)
        yield pulled[0]

    fields = [(b"content-length", b"11"), (b"expect", b"100-continue")]
    answer = ask(app, "POST", path.encode(), fields, body())
    assert answer.status == 413
    assert pulled == []
    assert ask.door == "wsgi" or ("connection", "close") in answer.headers


def test_a_form_that_was_refused_is_not_read_on(ask: Ask, app: App) -> None:
    @app.post("/", stream=True, limits=Limits(max_fields=1))
    def handler(request: Request) -> str:
        parts = request.stream.parts()
        next(parts)
        for kind in (HTTPException, RuntimeError):
            with pytest.raises(kind):
                next(parts)
        return "told"

    assert sent(ask, app, form(field("a"), field("b"), field("c"))).body == b"told"


def test_a_part_is_read_whole_up_to_the_limit_on_fields(ask: Ask, app: App, taking: Register) -> None:
    """A file may be of any size, and memory not."""
    taking(limits=Limits(max_field_size=1000))
    assert sent(ask, app, form(file("a", b"x" * 1000))).status == 200
    assert sent(ask, app, form(file("a", b"x" * 1001))).status == 413


def test_a_client_that_leaves_ends_the_walk(ask: Ask, app: App, taking: Register) -> None:
    """F-17"""
    seen = taking()

    def broken() -> Iterator[bytes]:
        yield form(field("a", b"1"), field("b"))[:-40]
        raise OSError("gone")

    sent(ask, app, broken())
    until(lambda: seen[-1:] == [400], "the handler was not told")
    if ask.door == "asgi":  # a WSGI server's read waits for as much as was asked for
        assert seen[0] == ("a", None, b"1")


def test_nothing_is_kept_on_disk_or_beyond_a_chunk(
    ask: Ask, app: App, taking: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R56"""
    import tempfile

    monkeypatch.setattr(tempfile, "TemporaryFile", None)  # whoever makes one fails
    taking(take=lambda name: False, limits=Limits(spool_size=0, max_body_size=None))
    assert sent(ask, app, pieces(form(file("a", b"x" * 500_000)), 65536)).body == b"1"


def stream_of(chunks: list[bytes]) -> BodyStream:
    left = [*chunks, b""]

    async def receive() -> bytes:
        return left.pop(0)

    return BodyStream(lambda: left.pop(0), receive, MULTIPART, "", Limits())


def walked(chunks: list[bytes]) -> tuple[list[Any], list[Any]]:
    taken = [(each.name, each.raw_filename, each.read()) for each in stream_of(chunks).parts()]
    return [item for item in taken if item[1] is None], [item for item in taken if item[1] is not None]


@given(st.sampled_from(CORPUS), st.integers(1, 60))
def test_a_walk_takes_what_a_kept_form_has(data: bytes, size: int) -> None:
    """F-15"""
    chunks = list(pieces(data, size))
    kept = outcome(MULTIPART, chunks)
    if isinstance(kept, int):
        with pytest.raises(HTTPException) as caught:
            walked(chunks)
        assert caught.value.status == kept
    else:
        fields, files = walked(chunks)
        assert [(name, content.decode()) for name, _, content in fields] == kept[0]
        assert files == [(name, raw, content) for name, raw, _, content in kept[1]]


@pytest.mark.parametrize("coding", [b"gzip", b"identity, br", b"x"])
def test_a_body_with_a_content_coding_is_not_inflated(ask: Ask, app: App, colour: Any, coding: bytes) -> None:
    """R59; RFC 9110 §15.5.16"""
    app.post("/parts", stream=True)(colour(lambda request: request.stream.parts()))
    app.post("/json")(colour(lambda request: request.json))
    app.post("/form")(colour(lambda request: dict(request.form)))
    app.post("/files")(colour(lambda request: dict(request.files)))
    app.post("/body")(colour(lambda request: request.body))
    coded = bytes(range(256)) * 10
    kinds = {
        b"/parts": MULTIPART.encode(),
        b"/json": b"application/json",
        b"/form": b"application/x-www-form-urlencoded",
        b"/files": MULTIPART.encode(),
    }
    for target, kind in kinds.items():
        fields = [(b"content-type", kind), (b"content-encoding", coding)]
        answer = ask(app, "POST", target, fields, coded)
        assert answer.status == 415, target
        assert ("accept-encoding", "identity") in answer.headers
        assert ask(app, "POST", b"/body", fields, coded).body == coded


@pytest.mark.parametrize("coding", [b"", b"identity", b"Identity", b" identity ,"])
def test_the_identity_coding_is_none(ask: Ask, app: App, colour: Any, coding: bytes) -> None:
    """R59; RFC 9110 §8.4.1"""
    app.post("/")(colour(lambda request: dict(request.form)))
    answer = ask(app, "POST", b"/", [*FORM, (b"content-encoding", coding)], form(field("a", b"1")))
    assert answer.body == b'{"a":"1"}'


def test_other_media_types_with_a_coding_have_an_empty_form(ask: Ask, app: App, colour: Any) -> None:
    """R59"""
    app.post("/")(colour(lambda request: [dict(request.form), dict(request.files), len(request.body)]))
    fields = [(b"content-type", b"text/plain"), (b"content-encoding", b"gzip")]
    assert ask(app, "POST", b"/", fields, b"\x1f\x8b").body == b"[{},{},2]"
