"""How files go out: by a server that can send them itself, or block by block while no thread waits for the client."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import anyio
import pytest

from duoframe import App, FileResponse, Request, Response, inline
from duoframe.files import BLOCK
from duoframe.testing import exchange
from duoframe.threads import READS
from tests.conftest import Ask, MakeApp, until
from tests.test_asgi import GONE, Line, begin, happens, on_loop, played, scope_of, settled
from tests.test_wsgi import Called

SIZE = 6 * BLOCK
CONTENT = os.urandom(SIZE)

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file"
    made.write_bytes(CONTENT)
    return made


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_files(path: Path) -> int:
    """How many descriptors of this process stand for ``path``."""
    found = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{descriptor}").startswith(str(path))
        except FileNotFoundError:
            pass  # the one that lists the folder
    return found


def serve(app: App, colour: Paint, path: Path) -> None:
    app.route("/", methods=["GET", "POST"])(colour(lambda: FileResponse(path)))


def swapped(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Stands for compression."""
    for block in blocks:
        yield block.swapcase()


# wsgi.file_wrapper


def wrapped(app: App, **changes: Any) -> Called:
    return Called(app, wsgi__file_wrapper=FileWrapper, **changes)


def test_a_whole_file_is_given_to_the_servers_wrapper(app: App, colour: Paint, path: Path) -> None:
    """W-35: with its descriptor at the beginning; `close` closes that and starts the background work."""
    done: list[str] = []

    def handler(request: Request) -> FileResponse:
        request.background(done.append, "background")
        return FileResponse(path)

    app.get("/")(colour(handler))
    called = wrapped(app)
    assert type(called.iterable) is FileWrapper
    assert called.headers["content-length"] == str(SIZE)
    file = called.iterable.filelike
    assert os.path.samestat(os.fstat(file.fileno()), path.stat())
    assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == 0
    assert (open_files(path), done) == (1, [])
    called.close()
    until(lambda: done, "the background work did not run")
    called.close()
    assert (open_files(path), done) == (0, ["background"])


def test_a_server_that_reads_the_file_by_itself_gets_all_of_it(app: App, colour: Paint, path: Path) -> None:
    """W-35, through the strict checker."""
    serve(app, colour, path)
    answer = exchange(app, "wsgi", "GET", b"/", edit=lambda environ: environ.update({"wsgi.file_wrapper": FileWrapper}))
    assert (answer.status, answer.body) == (200, CONTENT)
    assert open_files(path) == 0


@pytest.mark.parametrize("case", ["range", "HEAD", "POST", "packed", "memory", "not the beginning", "empty"])
def test_any_other_answer_is_not_given_to_the_wrapper(app: App, colour: Paint, path: Path, case: str) -> None:
    """W-36."""

    def opened() -> FileResponse:
        if case == "memory":
            return FileResponse(io.BytesIO(CONTENT))
        if case == "not the beginning":
            file = path.open("rb")
            file.seek(1)
            return FileResponse(file)
        return FileResponse(path)

    @app.middleware
    def change(request: Request) -> Generator[Any, Any]:
        response = yield
        if case == "packed":
            response.stream = swapped(response.stream)

    if case == "empty":
        path.write_bytes(b"")
    app.route("/", methods=["GET", "POST"])(colour(opened))
    changes = {"HTTP_RANGE": "bytes=1-"} if case == "range" else {}
    called = wrapped(app, method=case if case in ("HEAD", "POST") else "GET", **changes)
    assert type(called.iterable) is not FileWrapper
    expected = {
        "range": CONTENT[1:],
        "HEAD": b"",
        "packed": CONTENT.swapcase(),
        "not the beginning": CONTENT[1:],
        "empty": b"",
    }
    try:
        assert b"".join(called.iterable) == expected.get(case, CONTENT)
    finally:
        called.close()
    assert open_files(path) == 0


def test_a_file_that_is_shorter_than_its_announcement_is_not_given_to_the_wrapper(
    app: App, colour: Paint, path: Path
) -> None:
    """W-36, H-37: what is missing is an error, and nothing is padded."""

    @app.middleware
    def longer() -> Generator[Any, Any]:
        response = yield
        response.headers["content-length"] = str(SIZE + 1)

    serve(app, colour, path)
    called = wrapped(app)
    assert type(called.iterable) is not FileWrapper
    with pytest.raises(RuntimeError, match="1 bytes short"):
        called.read()
    assert open_files(path) == 0


def test_a_file_that_was_read_before_is_not_given_to_the_wrapper(app: App, path: Path) -> None:
    """W-36: a descriptor that is elsewhere, though the file is at its beginning."""

    @app.get("/")
    def handler() -> FileResponse:
        file = path.open("rb")
        file.read(10)
        file.seek(0)
        return FileResponse(file)

    called = wrapped(app)
    assert type(called.iterable) is not FileWrapper
    assert called.read() == CONTENT


def test_a_file_that_shrinks_in_the_hands_of_a_server_is_an_error_to_it(app: App, colour: Paint, path: Path) -> None:
    """H-37: where it reads, and where it sends from the descriptor and asks nobody."""
    serve(app, colour, path)
    called = wrapped(app)
    next(called.iterable)
    os.truncate(path, 2 * BLOCK)
    with pytest.raises(RuntimeError, match="cut"):
        list(called.iterable)
    with pytest.raises(RuntimeError, match="cut"):
        called.close()
    called.close()
    assert open_files(path) == 0


@pytest.mark.parametrize("case", ["whole", "cut", "cut and grown again", "client left"])
def test_sendfile_as_gunicorn_calls_it(app: App, colour: Paint, path: Path, case: str) -> None:
    """H-37: gunicorn takes what `socket.sendfile` sent for all; what is raised makes it break the connection off."""
    serve(app, colour, path)
    called = wrapped(app)
    if case.startswith("cut"):
        os.truncate(path, BLOCK)
    left, right = socket.socketpair()
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.extend(iter(lambda: right.recv(BLOCK), b"")))
    if case == "client left":
        right.close()
    else:
        reader.start()

    def send() -> None:
        try:
            left.sendfile(called.iterable.filelike, 0, SIZE)
            if case == "cut and grown again":
                os.truncate(path, SIZE)
        finally:
            called.close()

    if case == "whole":
        send()
    else:
        with pytest.raises(BrokenPipeError if case == "client left" else RuntimeError):
            send()
    left.close()
    if reader.is_alive():
        reader.join()
    right.close()
    expected = {"whole": CONTENT, "client left": b""}
    assert b"".join(received) == expected.get(case, CONTENT[:BLOCK])
    assert open_files(path) == 0


def test_a_file_that_the_server_drops_is_closed(app: App, colour: Paint, path: Path) -> None:
    """W-14."""
    serve(app, colour, path)
    called = wrapped(app)
    assert open_files(path) == 1
    del called
    gc.collect()
    until(lambda: open_files(path) == 0, "the file was left open")


def test_a_stream_fault_of_start_response_closes_the_file(app: App, colour: Paint, path: Path) -> None:
    serve(app, colour, path)

    class Refusing(Called):
        def start_response(self, *told: Any) -> Any:
            raise OSError("the connection is gone")

    with pytest.raises(OSError, match="gone"):
        Refusing(app, wsgi__file_wrapper=FileWrapper)
    assert open_files(path) == 0


# http.response.pathsend and http.response.zerocopysend

PATHSEND: dict[str, Any] = {"http.response.pathsend": {}}
ZEROCOPY: dict[str, Any] = {"http.response.zerocopysend": {}}


def offering(extensions: dict[str, Any] | None) -> Callable[[dict[str, Any]], None]:
    return lambda scope: scope.update(extensions=extensions)


@pytest.mark.parametrize("extensions", [PATHSEND, ZEROCOPY, PATHSEND | ZEROCOPY, {}, None])
def test_a_server_that_offers_to_sends_a_whole_file(
    app: App, colour: Paint, path: Path, extensions: dict[str, Any] | None
) -> None:
    """A-41, through the strict checker."""
    serve(app, colour, path)
    answer = exchange(app, "asgi", "GET", b"/", edit=offering(extensions))
    assert (answer.status, answer.body, answer.error) == (200, CONTENT, None)
    assert len(answer.chunks) == (1 if extensions else SIZE / BLOCK)
    assert open_files(path) == 0


def test_a_path_is_sent_as_the_application_names_it(
    app: App, colour: Paint, path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A-41: absolute."""
    monkeypatch.chdir(path.parent)
    app.get("/")(colour(lambda: FileResponse(path.name)))
    line = played(backend, app, scope_of(extensions=PATHSEND))
    assert line.sent[1:] == [{"type": "http.response.pathsend", "path": str(path)}]


def test_what_is_sent_from_a_descriptor_is_open_until_it_was_sent(
    app: App, colour: Paint, path: Path, backend: str
) -> None:
    """A-41: closing it is the application's duty."""
    app.get("/")(colour(lambda: FileResponse(path.open("rb"))))
    there = path.stat()
    seen: list[tuple[int, int, int]] = []

    async def main() -> None:
        line = Line()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.zerocopysend":
                assert os.path.samestat(os.fstat(message["file"].fileno()), there)
                seen.append((message["offset"], message["count"], open_files(path)))
            await line.send(message)

        await app(scope_of(extensions=ZEROCOPY | PATHSEND), line.receive, send)
        assert open_files(path) == 0
        await settled(app)

    on_loop(backend, main)
    assert seen == [(0, SIZE, 1)]


@pytest.mark.parametrize("case", ["range", "HEAD", "POST", "packed", "memory", "open file", "odd name"])
def test_any_other_answer_goes_out_block_by_block(app: App, colour: Paint, path: Path, case: str) -> None:
    """A-41."""

    def opened() -> FileResponse:
        if case == "memory":
            return FileResponse(io.BytesIO(CONTENT))
        return FileResponse(path.open("rb") if case == "open file" else path)

    @app.middleware
    @inline
    def change() -> Generator[Any, Any]:
        response = yield
        if case == "packed":
            response.stream = swapped(response.stream)

    if case == "odd name":
        path = path.rename(path.with_name("caf\udce9"))
    app.route("/", methods=["GET", "POST"])(colour(opened))
    extensions = PATHSEND if case in ("open file", "odd name") else PATHSEND | ZEROCOPY
    fields = [(b"range", b"bytes=1-")] if case == "range" else []
    method = case if case in ("HEAD", "POST") else "GET"
    answer = exchange(app, "asgi", method, b"/", fields, edit=offering(extensions))
    expected = {"range": CONTENT[1:], "HEAD": b"", "packed": CONTENT.swapcase()}
    assert answer.body == expected.get(case, CONTENT)
    assert len(answer.chunks) == (0 if case == "HEAD" else SIZE / BLOCK)
    assert open_files(path) == 0


def test_a_server_whose_client_leaves_while_it_sends_a_file_gets_it_closed(
    app: App, colour: Paint, path: Path, backend: str
) -> None:
    """A-41, A-20."""
    serve(app, colour, path)

    async def main() -> None:
        line = Line()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.zerocopysend":
                raise BrokenPipeError
            await line.send(message)

        await app(scope_of(extensions=ZEROCOPY), line.receive, send)
        assert open_files(path) == 0
        await settled(app)

    on_loop(backend, main)


def test_a_call_that_is_cancelled_while_the_server_sends_a_file_gets_it_closed(
    app: App, colour: Paint, path: Path, backend: str
) -> None:
    """A-41."""
    serve(app, colour, path)

    async def main() -> None:
        line = Line()

        async def send(message: Any) -> None:
            await line.send(message)
            if message["type"] == "http.response.zerocopysend":
                await anyio.sleep_forever()

        async with anyio.create_task_group() as group:
            begin(group, app, scope_of(extensions=ZEROCOPY), line, send)
            await happens(lambda: len(line.sent) == 2, "the file was not sent")
            assert open_files(path) == 1
            group.cancel_scope.cancel()
        assert open_files(path) == 0
        await settled(app)

    on_loop(backend, main)


# Slow clients


def test_clients_that_do_not_read_hold_no_thread(make_app: MakeApp, colour: Paint, path: Path, backend: str) -> None:
    """Thirty downloads that stand still leave the one thread of requests and the one stream to others."""
    app = make_app(threads=1, streams=1)
    serve(app, colour, path)
    app.get("/plain")(colour(lambda: "plain"))
    app.get("/stream")(colour(lambda: iter(["stream"])))
    lines = [Line() for _ in range(30)]

    async def main() -> None:
        go = anyio.Event()

        async def call(line: Line) -> None:
            async def send(message: Any) -> None:
                await line.send(message)
                if line.chunks:
                    await go.wait()

            await app(scope_of(), line.receive, send)

        async with anyio.create_task_group() as group:
            for line in lines:
                group.start_soon(call, line)
            await happens(lambda: all(line.chunks for line in lines), "a download did not begin")
            assert set(app.gauges().values()) == {0}
            assert threading.active_count() < 30
            for path in ("/plain", "/stream"):
                line = Line()
                with anyio.fail_after(5):
                    await app(scope_of(path), line.receive, line.send)
                assert line.status == 200
            go.set()
        await settled(app)

    on_loop(backend, main)
    assert all(b"".join(line.chunks) == CONTENT for line in lines)
    assert open_files(path) == 0


@pytest.mark.parametrize("leaves", [True, False], ids=["a client leaves", "the call is cancelled"])
def test_files_are_read_by_so_many_threads_and_a_read_that_hangs_is_left(
    make_app: MakeApp, colour: Paint, backend: str, leaves: bool
) -> None:
    """A-23, of a disk that does not answer."""
    app = make_app(threads=1)
    go = threading.Event()
    reading: list[object] = []
    closed: list[object] = []

    class Hanging(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            reading.append(self)
            go.wait(30)
            return super().read(size)

        def close(self) -> None:
            if not self.closed:
                closed.append(self)
            super().close()

    app.get("/")(colour(lambda: FileResponse(Hanging(CONTENT))))
    app.get("/plain")(colour(lambda: "plain"))
    lines = [Line() for _ in range(READS + 1)]

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for line in lines:
                begin(group, app, scope_of(), line)
            await happens(lambda: len(reading) == READS, "a read did not begin")
            line = Line()
            with anyio.fail_after(5):
                await app(scope_of("/plain"), line.receive, line.send)
            assert line.chunks == [b"plain"]
            if leaves:
                for line in lines:
                    line.left.set()
                await happens(lambda: app.gauges()["left"] == READS, "a read that hangs is waited for")
            else:
                group.cancel_scope.cancel()
        assert app.gauges()["left"] == READS
        go.set()
        await happens(lambda: len(closed) == len(lines), "a file was left open")
        await settled(app)
        await happens(lambda: app.runtime().threads.reads.used == 0, "a read is counted still")

    on_loop(backend, main)


def test_the_loop_goes_on_while_files_are_opened_read_and_closed(
    make_app: MakeApp, colour: Paint, tmp_path: Path
) -> None:
    """Nothing of a file is done on the loop's own thread, not even by what never blocks otherwise."""
    app = make_app()
    threads: set[int] = set()

    class Noted(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threads.add(threading.get_ident())
            return super().read(size)

        def tell(self) -> int:
            threads.add(threading.get_ident())
            return super().tell()

        def close(self) -> None:
            if not self.closed:
                threads.add(threading.get_ident())
            super().close()

    @app.middleware
    @inline
    def gate(request: Request) -> Iterator[Any]:
        if request.path == "/gate":
            yield FileResponse(Noted(CONTENT))
        else:
            yield

    app.get("/handler")(colour(lambda: FileResponse(Noted(CONTENT))))
    app.get("/inline")(inline(lambda: FileResponse(Noted(CONTENT))))

    async def main() -> int:
        for place in ("/gate", "/handler", "/inline", "/handler"):
            for method in ("GET", "HEAD"):
                line = Line()
                await app(scope_of(place, method), line.receive, line.send)
                assert (line.status, b"".join(line.chunks)) == (200, CONTENT if method == "GET" else b"")
        left = Line(GONE, leave_after=1)
        await app(scope_of("/handler"), left.receive, left.send)
        await settled(app)
        return threading.get_ident()

    loop = asyncio.run(main())
    assert threads
    assert loop not in threads


def test_an_error_handler_may_answer_for_a_file_that_cannot_be_read(ask: Ask, app: App, colour: Paint) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    app.errorhandler(OSError)(colour(lambda request, error: Response(b"sorry", 502)))
    app.get("/")(lambda: FileResponse(Broken(CONTENT)))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (502, b"sorry")


def test_a_write_that_nobody_takes_in_time_closes_the_file(
    make_app: MakeApp, colour: Paint, path: Path, backend: str
) -> None:
    """A-21."""
    app = make_app(write_timeout=0.05)
    serve(app, colour, path)

    async def main() -> None:
        line = Line()

        async def send(message: Any) -> None:
            await line.send(message)
            if len(line.chunks) == 2:
                await anyio.sleep_forever()

        began = time.monotonic()
        await app(scope_of(), line.receive, send)
        assert time.monotonic() - began < 5
        assert open_files(path) == 0
        await settled(app)

    on_loop(backend, main)
