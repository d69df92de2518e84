"""Files as answers, behind both doors and in both colours: ranges, conditions, and descriptors that are closed."""

from __future__ import annotations

import email
import gzip
import io
import os
import resource
import socket
import stat
import tarfile
import time
import warnings
from collections.abc import Callable, Generator, Iterator
from email.message import Message
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from duoframe import App, FileResponse, HTTPException, Limits, Request, Response, StreamingResponse, inline
from duoframe.files import BLOCK, FileBody, guess_media_type, open_file
from duoframe.testing import Exchange, exchange
from tests.conftest import Ask, MakeClient

CONTENT = bytes(range(256)) * 4
SIZE = len(CONTENT)

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with `CONTENT`, last changed at a time that is long gone."""
    made = tmp_path / "data.bin"
    made.write_bytes(CONTENT)
    os.utime(made, (784111777, 784111777))  # Sun, 06 Nov 1994 08:49:37 GMT
    return made


@pytest.fixture(autouse=True)
def descriptors(tmp_path: Path) -> Iterator[None]:
    """No file that a test has opened is left open."""
    yield
    assert [name for name in open_files() if name.startswith(str(tmp_path))] == []


def open_files() -> list[str]:
    """What the descriptors of this process stand for."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:
            pass  # the one that lists the folder
    return found


def fields(answer: Exchange) -> dict[str, str]:
    return dict(answer.headers)


def serve(app: App, colour: Paint, file: Any, **options: Any) -> None:
    """Answer ``file``, or what calling it gives, at ``/``."""

    def handler() -> FileResponse:
        return FileResponse(file() if callable(file) else file, **options)

    app.route("/", methods=["GET", "POST"])(colour(handler))


def ranged(field: str) -> list[tuple[bytes, bytes]]:
    return [(b"range", field.encode())]


# The whole file


def test_a_file_is_sent_with_its_size_type_and_validators(ask: Ask, app: App, colour: Paint, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>café")
    os.utime(path, (784111777, 784111777))
    serve(app, colour, path)
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (200, "<p>café".encode())
    sent = fields(answer)
    assert sent.pop("etag").startswith('"')
    assert sent == {
        "content-type": "text/html; charset=utf-8",
        "content-length": "8",
        "accept-ranges": "bytes",
        "last-modified": "Sun, 06 Nov 1994 08:49:37 GMT",
    }


def test_a_file_larger_than_a_block_arrives_whole(ask: Ask, app: App, colour: Paint, tmp_path: Path) -> None:
    path = tmp_path / "large"
    content = os.urandom(3 * BLOCK + 17)
    path.write_bytes(content)
    serve(app, colour, str(path))
    answer = ask(app, "GET", b"/")
    assert (answer.body, fields(answer)["content-length"]) == (content, str(len(content)))
    assert max(map(len, answer.chunks)) <= BLOCK


def test_a_relative_path_is_meant_below_the_working_directory(
    ask: Ask, app: App, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    app.get("/")(lambda: FileResponse(path.name))
    assert ask(app, "GET", b"/").body == CONTENT


def test_head_of_a_file_has_the_fields_of_get_and_no_body(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-01."""
    serve(app, colour, path)
    got, head = ask(app, "GET", b"/"), ask(app, "HEAD", b"/")
    assert (head.status, head.body) == (200, b"")
    assert sorted(head.headers) == sorted(got.headers)
    assert fields(head)["content-length"] == str(SIZE)


def test_post_is_answered_by_the_whole_file(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-36: Range means something with GET alone (RFC 9110 §14.2)."""
    serve(app, colour, path)
    answer = ask(app, "POST", b"/", ranged("bytes=0-0"))
    assert (answer.status, answer.body) == (200, CONTENT)


def test_an_empty_file_is_an_empty_answer(ask: Ask, app: App, colour: Paint, tmp_path: Path) -> None:
    """H-36."""
    (tmp_path / "empty").touch()
    serve(app, colour, tmp_path / "empty")
    for asked in ([], ranged("bytes=0-0"), ranged("bytes=-5")):
        answer = ask(app, "GET", b"/", asked)
        assert (answer.status, answer.body, fields(answer)["content-length"]) == (200, b"", "0")


def test_the_fields_of_the_handler_stand(ask: Ask, app: App, path: Path) -> None:
    given = {"etag": 'W/"mine"', "last-modified": "Mon, 07 Nov 1994 08:49:37 GMT", "content-length": "3", "x-a": "b"}
    app.get("/")(lambda: FileResponse(path, 200, given, "image/x-demo"))
    sent = fields(ask(app, "GET", b"/"))
    assert sent.pop("content-length") == str(SIZE)
    del given["content-length"]
    assert sent == {**given, "content-type": "image/x-demo", "accept-ranges": "bytes"}


def test_another_status_is_neither_conditional_nor_in_parts(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    serve(app, colour, path, status=404)
    answer = ask(app, "GET", b"/", [*ranged("bytes=0-0"), (b"if-none-match", b"*")])
    assert (answer.status, answer.body) == (404, CONTENT)
    assert {name for name, _ in answer.headers} == {"content-type", "content-length"}


@pytest.mark.parametrize("giver", ["early", "gate", "instead", "error handler"])
def test_a_file_may_come_from_middleware_and_from_an_error_handler(
    ask: Ask, app: App, colour: Paint, path: Path, giver: str
) -> None:
    def early() -> Iterator[Any]:
        yield FileResponse(path)

    @inline
    def gate() -> Iterator[Any]:
        yield FileResponse(path)

    def instead() -> Iterator[Any]:
        yield
        yield FileResponse(path)

    @app.errorhandler(404)
    def missing() -> FileResponse:
        return FileResponse(path)

    layers: dict[str, Any] = {"early": early, "gate": gate, "instead": instead}
    if giver in layers:
        app.middleware(layers[giver])
    app.get("/here")(colour(lambda: "plain"))
    answer = ask(app, "GET", b"/absent" if giver == "error handler" else b"/here", ranged("bytes=1-2"))
    assert (answer.status, answer.body) == (206, b"\x01\x02")


def test_middleware_sees_an_open_file_and_may_replace_it(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """The file is closed where it is replaced, also by a stream that middleware makes of it."""
    seen: list[tuple[int, str]] = []

    @app.middleware
    def other(request: Request) -> Generator[Any, Any]:
        response = yield
        seen.append((response.status, response.headers["content-length"]))
        if request.path == "/other":
            yield Response(b"other")
        elif request.path == "/wrapped":
            del response.headers["content-length"]
            response.stream = (bytes(reversed(block)) for block in response.stream)
        elif request.path == "/dropped":
            response.stream = iter([bytes(SIZE)])

    app.get("/{name}")(colour(lambda: FileResponse(path)))
    assert ask(app, "GET", b"/other").body == b"other"
    assert ask(app, "GET", b"/wrapped").body == CONTENT[::-1]
    assert ask(app, "GET", b"/dropped").body == bytes(SIZE)
    assert seen == [(200, str(SIZE))] * 3


# Open files


def test_an_open_file_is_sent_from_its_position_on(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    def opened() -> IO[bytes]:
        file = path.open("rb")
        file.seek(10)
        return file

    serve(app, colour, opened)
    app.get("/whole")(lambda: FileResponse(path))
    answer = ask(app, "GET", b"/")
    assert (answer.body, fields(answer)["content-length"]) == (CONTENT[10:], str(SIZE - 10))
    assert fields(answer)["content-type"] == "application/octet-stream"
    part = ask(app, "GET", b"/", ranged("bytes=1-2"))
    assert (part.body, fields(part)["content-range"]) == (CONTENT[11:13], f"bytes 1-2/{SIZE - 10}")
    assert fields(answer)["etag"] != fields(ask(app, "GET", b"/whole"))["etag"]


def test_a_file_in_memory_has_no_validators_and_ranges_all_the_same(ask: Ask, app: App, colour: Paint) -> None:
    made: list[io.BytesIO] = []

    def opened() -> io.BytesIO:
        made.append(io.BytesIO(CONTENT))
        return made[-1]

    serve(app, colour, opened)
    answer = ask(app, "GET", b"/")
    assert (answer.body, set(fields(answer))) == (CONTENT, {"content-type", "content-length", "accept-ranges"})
    assert ask(app, "GET", b"/", ranged("bytes=-3")).body == CONTENT[-3:]
    assert ask(app, "GET", b"/", [*ranged("bytes=-3"), (b"if-range", b'"x"')]).body == CONTENT
    assert [file.closed for file in made] == [True, True, True]


def test_a_file_that_is_past_its_end_is_empty(ask: Ask, app: App) -> None:
    def opened() -> io.BytesIO:
        file = io.BytesIO(b"abc")
        file.seek(10)
        return file

    app.get("/")(lambda: FileResponse(opened()))
    assert ask(app, "GET", b"/").headers[-1] == ("content-length", "0")


def test_what_a_file_holds_packed_is_sent_unpacked(ask: Ask, app: App, tmp_path: Path) -> None:
    """The descriptor of such a file is that of the package."""
    with gzip.open(tmp_path / "a.gz", "wb") as packed:
        packed.write(CONTENT)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "a.gz", "inside")

    @app.get("/gz")
    def unpacked() -> FileResponse:
        return FileResponse(gzip.open(tmp_path / "a.gz"))  # type: ignore[arg-type]  # typeshed: no IO, and yet one

    @app.get("/tar")
    def inside() -> Any:
        with tarfile.open(tmp_path / "a.tar") as archive:
            member = archive.extractfile("inside")
            assert member is not None
            return FileResponse(io.BytesIO(member.read()))

    assert ask(app, "GET", b"/gz").body == CONTENT
    assert gzip.decompress(ask(app, "GET", b"/tar").body) == CONTENT


def test_an_uploaded_file_is_sent_back(ask: Ask, app: App, colour: Paint) -> None:
    """It lives until the answer has gone out."""
    content = os.urandom(Limits().spool_size + 3 * BLOCK)

    def echo(request: Request) -> FileResponse:
        return FileResponse(request.files["file"].file)

    app.post("/")(colour(echo))
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    answer = ask(
        app, "POST", b"/", [(b"content-type", b"multipart/form-data; boundary=b")], head + content + b"\r\n--b--\r\n"
    )
    assert (answer.status, answer.body) == (200, content)


def test_what_was_written_to_an_open_file_is_sent(ask: Ask, app: App, tmp_path: Path) -> None:
    def opened() -> IO[bytes]:
        file = (tmp_path / "new").open("w+b")
        file.write(b"written and not flushed")
        file.seek(8)
        return file

    app.get("/")(lambda: FileResponse(opened()))
    assert ask(app, "GET", b"/").body == b"and not flushed"


@pytest.mark.parametrize("unfit", [io.StringIO("x"), 7, None, [b"x"], b"path"])
def test_what_is_no_binary_file_is_refused_at_once(unfit: Any) -> None:
    with pytest.raises(TypeError, match="expected"):
        FileResponse(unfit)


def test_what_cannot_be_sought_is_refused_at_once() -> None:
    reads, writes = os.pipe()
    with open(reads, "rb") as pipe, pytest.raises(TypeError, match="StreamingResponse"):
        FileResponse(pipe)
    os.close(writes)


# What cannot be opened


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: folder / "absent",
        lambda folder: folder,
        lambda folder: folder / "absent" / "below",
        lambda folder: folder / ("n" * 5000),
        lambda folder: f"{folder}/a\0b",
        lambda folder: f"{folder}/\ud800",
        lambda folder: "/dev/null",
        lambda folder: "/dev/tty",
    ],
    ids=["absent", "directory", "below nothing", "too long", "NUL", "lone surrogate", "device", "terminal"],
)
def test_what_is_no_regular_file_is_not_found(
    ask: Ask, app: App, colour: Paint, tmp_path: Path, make: Callable[[Path], Any]
) -> None:
    """H-40."""
    serve(app, colour, make(tmp_path))
    answer = ask(app, "GET", b"/")
    assert (answer.status, fields(answer)["content-type"]) == (404, "application/problem+json")
    assert str(tmp_path) not in answer.body.decode()


def test_neither_a_fifo_nor_a_socket_is_waited_for(ask: Ask, app: App, colour: Paint, tmp_path: Path) -> None:
    """H-40."""
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for name in ("fifo", "socket"):
            app.get(f"/{name}")(colour(lambda name=name: FileResponse(tmp_path / name)))
        assert ask(app, "GET", b"/fifo").status == 404
        assert ask(app, "GET", b"/socket").status == 404


def test_a_file_that_must_not_be_read_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H-41: who may read anything, as root may, is refused by nobody, so the system's answer is played."""

    def refuse(*args: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(HTTPException) as raised:
        open_file(str(tmp_path / "x"))
    assert raised.value.status == 404


def test_without_a_descriptor_left_the_answer_is_503(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-41."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    @app.middleware
    def exhausted() -> Iterator[Any]:
        lowest = os.dup(0)
        os.close(lowest)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    serve(app, colour, path)
    answer = ask(app, "GET", b"/")
    assert (answer.status, fields(answer)["retry-after"]) == (503, "1")


def test_another_error_of_the_system_is_an_error(
    ask: Ask, app: App, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.get("/")(lambda: FileResponse(path))
    opened = os.open

    def fail(name: Any, *args: Any, **options: Any) -> int:
        if name == str(path):
            raise OSError(5, "Input/output error")
        return opened(name, *args, **options)

    monkeypatch.setattr(os, "open", fail)
    assert ask(app, "GET", b"/").status == 500


def test_the_file_that_was_opened_is_described_and_sent(
    ask: Ask, app: App, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H-39."""
    (tmp_path / "new").write_bytes(b"another")
    opened = os.open

    def replaced(name: Any, *args: Any, **options: Any) -> int:
        descriptor = opened(name, *args, **options)
        if name == str(path):
            os.replace(tmp_path / "new", path)
        return descriptor

    app.get("/")(lambda: FileResponse(path))
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", replaced)
        before = ask(app, "GET", b"/")
    after = ask(app, "GET", b"/")
    assert (before.body, fields(before)["last-modified"]) == (CONTENT, "Sun, 06 Nov 1994 08:49:37 GMT")
    assert after.body == b"another"
    assert fields(before)["etag"] != fields(after)["etag"]


def test_the_entity_tag_changes_with_the_file(ask: Ask, app: App, path: Path) -> None:
    app.get("/")(lambda: FileResponse(path))
    first = fields(ask(app, "GET", b"/"))["etag"]
    assert fields(ask(app, "GET", b"/"))["etag"] == first
    path.write_bytes(bytes(SIZE))
    os.utime(path, (784111777, 784111778))
    assert fields(ask(app, "GET", b"/"))["etag"] != first


@pytest.mark.parametrize("changed", [4e9, 8e9])
def test_a_file_is_not_last_modified_after_its_answer(app: App, path: Path, changed: float) -> None:
    """RFC 9110 §8.8.2.1."""
    os.utime(path, (changed, changed))
    app.get("/")(lambda: FileResponse(path))
    answer = fields(exchange(app, "wsgi", "GET", b"/"))
    moment = email.utils.parsedate_to_datetime(answer["last-modified"])
    assert abs(moment.timestamp() - time.time()) < 60


def test_a_file_older_than_the_epoch_has_a_date(app: App, path: Path) -> None:
    os.utime(path, (-86400, -86400))
    app.get("/")(lambda: FileResponse(path))
    assert fields(exchange(app, "wsgi", "GET", b"/"))["last-modified"] == "Thu, 01 Jan 1970 00:00:00 GMT"


# A file that changes while it is sent


@pytest.mark.parametrize("asked", [[], ranged("bytes=1-")])
def test_a_file_that_shrinks_breaks_the_answer_off(
    ask: Ask, app: App, colour: Paint, tmp_path: Path, asked: list[tuple[bytes, bytes]]
) -> None:
    """H-37."""
    path = tmp_path / "shrinks"
    path.write_bytes(bytes(8 * BLOCK))

    @app.middleware
    def cut() -> Iterator[None]:
        yield
        os.truncate(path, 2 * BLOCK)

    serve(app, colour, path)
    answer = ask(app, "GET", b"/", asked)
    assert (answer.status, answer.aborted) == (206 if asked else 200, True)
    assert len(answer.body) == 2 * BLOCK - len(asked)
    assert fields(answer)["content-length"] == str(8 * BLOCK - len(asked))


def test_a_file_that_is_emptied_before_its_first_block_is_an_error(ask: Ask, app: App, path: Path) -> None:
    """H-37."""

    @app.middleware
    def cut() -> Iterator[None]:
        yield
        os.truncate(path, 0)

    app.get("/")(lambda: FileResponse(path))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.aborted) == (500, False)


def test_a_file_that_grows_is_sent_as_announced(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-38."""

    @app.middleware
    def append() -> Iterator[None]:
        yield
        with path.open("ab") as file:
            file.write(b"more")

    serve(app, colour, path)
    answer = ask(app, "GET", b"/")
    assert (answer.body, answer.error) == (CONTENT, None)


# Ranges


@pytest.mark.parametrize(
    ("field", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=-5", SIZE - 5, SIZE - 1),
        ("bytes=5-", 5, SIZE - 1),
        ("bytes=0-99999999999999999999", 0, SIZE - 1),
        ("bytes=-99999999999999999999", 0, SIZE - 1),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
        ("bytes=2-3,3-9", 2, 9),
        ("Bytes = 1-2".replace(" ", ""), 1, 2),
        (f"bytes=4-5,{SIZE}-", 4, 5),
    ],
)
def test_one_range_is_sent_exactly(
    ask: Ask, app: App, colour: Paint, path: Path, field: str, first: int, last: int
) -> None:
    """H-29; H-33 where ranges overlap."""
    serve(app, colour, path)
    answer = ask(app, "GET", b"/", ranged(field))
    assert (answer.status, answer.body) == (206, CONTENT[first : last + 1])
    sent = fields(answer)
    assert sent["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert sent["content-length"] == str(last - first + 1)
    whole = fields(ask(app, "GET", b"/"))
    assert {name: sent[name] for name in ("etag", "last-modified", "content-type")} == {
        name: whole[name] for name in ("etag", "last-modified", "content-type")
    }


@pytest.mark.parametrize("field", ["bytes=-0", f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 9}", "bytes=-0,5000-"])
def test_a_range_outside_the_file_cannot_be_satisfied(
    ask: Ask, app: App, colour: Paint, path: Path, field: str
) -> None:
    """H-30."""
    serve(app, colour, path)
    answer = ask(app, "GET", b"/", ranged(field))
    assert (answer.status, fields(answer)["content-range"]) == (416, f"bytes */{SIZE}")
    assert "etag" not in fields(answer)


@pytest.mark.parametrize(
    "field",
    [
        "items=0-1",
        "abc",
        "bytes=5-2",
        "bytes=\u0661-\u0662",
        "bytes=0-1;",
        "bytes=+1-2",
        "bytes=0_1-2",
        "bytes=-",
        "bytes=",
        "bytes",
        "bytes=" + ",".join(f"{2 * n}-{2 * n}" for n in range(17)),
        "bytes=" + ",".join(["0-0"] * 2000),
        "bytes=0-1000,0-1000",
        "bytes=" + "," * 100_000,
        "bytes=" + "9" * 100_000,
    ],
)
def test_a_range_that_means_nothing_or_too_much_is_ignored(ask: Ask, app: App, path: Path, field: str) -> None:
    """H-31, H-32, H-33, R62, R63."""
    app.get("/")(lambda: FileResponse(path))
    answer = ask(app, "GET", b"/", ranged(field))
    assert (answer.status, answer.body) == (200, CONTENT)


def parts_of(answer: Exchange) -> list[Message]:
    """The parts of a multipart answer, as an independent parser reads them."""
    head = f"Content-Type: {fields(answer)['content-type']}\r\n\r\n"
    message = email.message_from_bytes(head.encode() + answer.body)
    assert message.is_multipart()
    assert message.defects == []
    return list(message.get_payload())


def test_several_ranges_are_parts_of_one_body(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-34: RFC 9110 §14.6, byte for byte."""
    serve(app, colour, path, media_type="application/x-demo")
    answer = ask(app, "GET", b"/", ranged("bytes=65-67, 1000-1001 ,97-97"))
    sent = fields(answer)
    kind, _, boundary = sent["content-type"].partition("; boundary=")
    assert (answer.status, kind) == (206, "multipart/byteranges")
    assert "content-range" not in sent
    head = f"--{boundary}\r\nContent-Type: application/x-demo\r\nContent-Range: bytes"
    expected = b"".join(
        (
            f"{head} 65-67/{SIZE}\r\n\r\nABC\r\n".encode(),
            f"{head} 1000-1001/{SIZE}\r\n\r\n".encode() + CONTENT[1000:1002] + b"\r\n",
            f"{head} 97-97/{SIZE}\r\n\r\na\r\n".encode(),
            f"--{boundary}--\r\n".encode(),
        )
    )
    assert (answer.body, sent["content-length"]) == (expected, str(len(expected)))
    assert [part["content-range"] for part in parts_of(answer)] == [
        f"bytes 65-67/{SIZE}",
        f"bytes 1000-1001/{SIZE}",
        f"bytes 97-97/{SIZE}",
    ]


def test_a_file_without_a_type_has_parts_without_one(app: App, path: Path) -> None:
    """H-34."""

    class Untyped(FileResponse):
        media_type = None

    path = path.rename(path.with_suffix(""))
    app.get("/")(lambda: Untyped(path))
    answer = exchange(app, "wsgi", "GET", b"/", ranged("bytes=65-66,70-71"))
    assert b"\r\nContent-Type" not in answer.body
    assert answer.body.count(b"\r\nContent-Range: bytes ") == 2


def test_parts_of_a_large_file_come_in_blocks(ask: Ask, app: App, tmp_path: Path) -> None:
    """H-34."""
    content = os.urandom(4 * BLOCK)
    (tmp_path / "large").write_bytes(content)
    app.get("/")(lambda: FileResponse(tmp_path / "large"))
    answer = ask(app, "GET", b"/", ranged(f"bytes=1-{BLOCK * 2},{BLOCK * 3}-"))
    assert max(map(len, answer.chunks)) <= BLOCK
    assert content[1 : BLOCK * 2 + 1] in answer.body
    assert content[BLOCK * 3 :] in answer.body
    assert fields(answer)["content-length"] == str(len(answer.body))


def oracle(field: str, size: int) -> list[tuple[int, int]] | int:
    """What RFC 9110 §14 makes of a list of ranges, position by position: the parts, or the status without any."""
    wanted: list[set[int]] = []
    for spec in field.removeprefix("bytes=").split(","):
        first, _, last = spec.partition("-")
        if first and last and int(last) < int(first):
            return 200
        if first:
            wanted.append(set(range(int(first), min(int(last) + 1 if last else size, size))))
        else:
            wanted.append(set(range(max(size - int(last), 0), size)))
    wanted = [positions for positions in wanted if positions]
    if not wanted:
        return 416
    if len(field.split(",")) > 16 or sum(map(len, wanted)) > size:
        return 200
    runs: list[tuple[int, int]] = []
    for position in sorted(set.union(*wanted)):
        if runs and runs[-1][1] == position - 1:
            runs[-1] = runs[-1][0], position
        else:
            runs.append((position, position))
    return runs


SPECS = st.one_of(
    st.builds("{}-{}".format, st.integers(0, 40), st.integers(0, 40)),
    st.builds("{}-".format, st.integers(0, 40)),
    st.builds("-{}".format, st.integers(0, 40)),
)


@settings(deadline=None)
@given(field=st.lists(SPECS, min_size=1, max_size=6).map(lambda specs: "bytes=" + ",".join(specs)))
@example(field="bytes=0-9,20-29")
def test_what_ranges_select_is_what_is_sent(field: str) -> None:
    """H-29, H-30, H-33, H-34: for any list of ranges over a file of 30 bytes."""
    content = CONTENT[:30]
    app = App()
    app.get("/")(lambda: FileResponse(io.BytesIO(content)))
    answer = exchange(app, "wsgi", "GET", b"/", ranged(field))
    app.shutdown()
    expected = oracle(field, len(content))
    if isinstance(expected, int):
        assert answer.status == expected
        assert expected == 416 or answer.body == content
    elif len(expected) == 1:
        [(first, last)] = expected
        assert (answer.status, answer.body) == (206, content[first : last + 1])
        assert fields(answer)["content-range"] == f"bytes {first}-{last}/30"
    else:
        found = {part["content-range"]: part.get_payload(decode=True) for part in parts_of(answer)}
        assert found == {f"bytes {first}-{last}/30": content[first : last + 1] for first, last in expected}
        assert fields(answer)["content-length"] == str(len(answer.body))


# Conditions


def test_what_the_client_has_is_not_sent_again(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-24: 304, without a body and what describes one."""
    serve(app, colour, path)
    whole = fields(ask(app, "GET", b"/"))
    for method in ("GET", "HEAD"):
        for condition in (("if-none-match", whole["etag"]), ("if-modified-since", whole["last-modified"])):
            answer = ask(app, method, b"/", [tuple(text.encode() for text in condition)])
            assert (answer.status, answer.body) == (304, b"")
            assert fields(answer)["etag"] == whole["etag"]
            assert not {"content-length", "content-type"} & set(fields(answer))


def test_a_condition_that_fails_is_412_and_closes_the_file(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """RFC 9110 §13.1.1, §13.1.4; the conditions come before the range (§13.2.2)."""
    serve(app, colour, path)
    assert ask(app, "GET", b"/", [(b"if-match", b'"other"'), *ranged("bytes=9999-")]).status == 412
    assert ask(app, "GET", b"/", [(b"if-unmodified-since", b"Sat, 05 Nov 1994 08:49:37 GMT")]).status == 412
    etag = fields(ask(app, "GET", b"/"))["etag"].encode()
    assert ask(app, "GET", b"/", [(b"if-match", etag), *ranged("bytes=0-1")]).body == CONTENT[:2]
    assert ask(app, "GET", b"/", [(b"if-none-match", etag), *ranged("bytes=9999-")]).status == 304


def test_if_range_lets_a_part_be_sent_of_exactly_this_file(ask: Ask, app: App, colour: Paint, path: Path) -> None:
    """H-35: a strong tag or exactly the date; anything else gets the whole."""
    serve(app, colour, path)
    whole = fields(ask(app, "GET", b"/"))
    vectors = {
        whole["etag"]: 206,
        f"W/{whole['etag']}": 200,
        '"other"': 200,
        whole["last-modified"]: 206,
        "Sun, 06 Nov 1994 08:49:36 GMT": 200,
        "Sun, 06 Nov 1994 08:49:38 GMT": 200,
        "Sunday, 06-Nov-94 08:49:37 GMT": 206,
        "yesterday": 200,
    }
    for condition, status in vectors.items():
        answer = ask(app, "GET", b"/", [*ranged("bytes=1-2"), (b"if-range", condition.encode())])
        assert (condition, answer.status) == (condition, status)
        assert answer.body == (CONTENT[1:3] if status == 206 else CONTENT)
    outside = [*ranged("bytes=9999-"), (b"if-range", b'"other"')]
    assert ask(app, "GET", b"/", outside).status == 200


def test_a_weak_tag_of_the_handlers_own_allows_no_part(ask: Ask, app: App, path: Path) -> None:
    """H-35."""
    app.get("/")(lambda: FileResponse(path, headers={"etag": 'W/"x"'}))
    assert ask(app, "GET", b"/", [*ranged("bytes=1-2"), (b"if-range", b'W/"x"')]).status == 200


# Names and types


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("A.PNG", "image/png"),
        ("a.json", "application/json"),
        ("a.tar.gz", "application/gzip"),
        ("a.svgz", "application/gzip"),
        ("a.txt.bz2", "application/x-bzip2"),
        ("a.txt.xz", "application/x-xz"),
        ("a.txt.br", None),
        ("a", None),
        ("a.unheard-of", None),
        ("data:text/html,x", None),
        ("https:a.png", "image/png"),
    ],
)
def test_the_type_is_told_by_the_ending(name: str, media_type: str | None) -> None:
    assert guess_media_type(f"/folder.html/{name}") == media_type


def test_the_type_is_never_told_by_the_name_to_save_under(app: App, path: Path) -> None:
    """That name may be the client's."""
    app.get("/")(lambda: FileResponse(path, filename="x.html"))
    answer = fields(exchange(app, "wsgi", "GET", b"/"))
    assert answer["content-type"] == "application/octet-stream"
    assert answer["content-disposition"] == 'attachment; filename="x.html"'


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("a b.txt", 'inline; filename="a b.txt"'),
        ("../../etc/passwd", 'inline; filename="passwd"'),
        ("C:\\x\\y.txt", 'inline; filename="y.txt"'),
        ("café.txt", "inline; filename=\"cafe.txt\"; filename*=UTF-8''caf%C3%A9.txt"),
    ],
)
def test_a_name_to_save_under_cannot_break_out(ask: Ask, app: App, path: Path, name: str, field: str) -> None:
    """R25."""
    app.get("/")(lambda: FileResponse(path, filename=name, inline=True))
    assert fields(ask(app, "GET", b"/"))["content-disposition"] == field


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text())
def test_any_text_is_a_name_to_save_under(path: Path, name: str) -> None:
    """R25: one field of printable ASCII, whose quotes are closed."""
    field = FileResponse(path, filename=name).headers["content-disposition"]
    assert field.isascii()
    assert field.isprintable()
    assert field.count('"') in (0, 2)


# What is left


def test_a_client_that_leaves_leaves_no_descriptor(ask: Ask, app: App, colour: Paint, tmp_path: Path) -> None:
    """The fixture looks."""
    path = tmp_path / "large"
    path.write_bytes(bytes(20 * BLOCK))
    serve(app, colour, path)
    assert len(ask(app, "GET", b"/", disconnect_after=2).chunks) == 2
    assert ask(app, "GET", b"/", disconnect_after=0).chunks == []


def test_a_body_that_nobody_wants_any_more_closes_its_file(path: Path) -> None:
    file = path.open("rb")
    body = FileBody(file)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del body
    assert file.closed


def test_an_answer_made_of_a_path_serves_many_requests(ask: Ask, app: App, path: Path) -> None:
    always = FileResponse(path)
    app.get("/")(lambda: always)
    assert ask(app, "HEAD", b"/").status == 200
    assert ask(app, "GET", b"/", ranged("bytes=1-2")).body == CONTENT[1:3]
    assert ask(app, "GET", b"/", [(b"if-none-match", b"*")]).status == 304
    assert ask(app, "GET", b"/").body == CONTENT


def test_an_answer_made_of_an_open_file_serves_one(ask: Ask, app: App, path: Path) -> None:
    once = FileResponse(path.open("rb"))
    app.get("/")(lambda: once)
    assert ask(app, "GET", b"/").body == CONTENT
    assert ask(app, "GET", b"/").status == 500


def test_a_stream_of_blocks_may_be_taken_by_other_answers(ask: Ask, app: App, path: Path) -> None:
    app.get("/")(lambda: StreamingResponse(FileBody(open_file(str(path)))))
    assert ask(app, "GET", b"/").body == CONTENT


def test_a_mode_that_changes_is_no_matter(ask: Ask, app: App, client: MakeClient, path: Path) -> None:
    app.get("/")(lambda: FileResponse(path))
    path.chmod(stat.S_IRUSR)
    assert client(app).get("/").content == CONTENT


def test_an_answer_that_has_nothing_to_open_is_ready() -> None:
    request: Any = None
    response = Response(b"x")
    assert (response.opens, response.open(request)) == (False, response)
