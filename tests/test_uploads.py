"""`duoframe.uploads` behind both doors: files of a form in handlers of both colours, and what is left of them.

The files themselves, without a door, are in `test_body`.
"""

from __future__ import annotations

import asyncio
import errno
import io
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import anyio
import pytest

from duoframe import App, HTTPException, Limits, Request, UploadFile, inline
from duoframe.body import Body
from duoframe.bridge import AsyncioLoop, running_loop
from duoframe.incoming import let_go
from duoframe.testing import Exchange
from duoframe.threads import Slots, Threads
from tests.conftest import Ask, MakeApp, MakeClient, until
from tests.test_body import JSON, MULTIPART, URLENCODED, file, form

FORM = [(b"content-type", MULTIPART.encode())]
CONTENT = os.urandom(200_000)
ON_DISK = Limits(spool_size=1000)

Take = Callable[[App, str], list[Any]]


class Disk:
    """Temporary files in memory that note on which thread anything is done to them."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.loops: set[int] = set()
        self.opened = self.closed = 0

    def temporary_file(self) -> IO[bytes]:
        disk = self
        disk.threads.add(threading.get_ident())
        disk.opened += 1

        class Watched(io.BytesIO):
            def __getattribute__(self, name: str) -> Any:
                disk.threads.add(threading.get_ident())
                return super().__getattribute__(name)

            def close(self) -> None:
                disk.closed += not self.closed
                super().close()

        return Watched()

    def watch(self, app: App) -> None:
        """Note the threads of the event loops that requests of ``app`` run on."""

        @app.middleware
        @inline
        def note_loop(request: Request) -> Generator[Any, Any]:
            try:
                running_loop()
            except RuntimeError:
                pass
            else:
                self.loops.add(threading.get_ident())
            yield


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(tempfile, "TemporaryFile", made.temporary_file)
    return made


@pytest.fixture(params=[Limits(), ON_DISK], ids=["in memory", "on disk"])
def limits(request: pytest.FixtureRequest) -> Limits:
    return request.param  # type: ignore[no-any-return]  # one of the two


@pytest.fixture
def nothing_left(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No temporary file stays open, and none stays on disk."""
    folder = str(tmp_path_factory.mktemp("spool"))
    monkeypatch.setattr(tempfile, "tempdir", folder)
    yield
    until(lambda: not spooled(folder), "a temporary file was left")
    assert os.listdir(folder) == []


def spooled(folder: str) -> list[str]:
    """The open files below a folder, those without a name too."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:
            continue  # the one that listed them
        if target.startswith(folder):
            found.append(target)
    return found


def post(ask: Ask, app: App, body: bytes | Iterable[bytes], target: bytes = b"/", kind: str = MULTIPART) -> Exchange:
    return ask(app, "POST", target, [(b"content-type", kind.encode())], body)


def taken(upload: UploadFile, path: Path) -> bool:
    upload.save(path)
    again = b"".join(upload)
    return upload.read(10) + upload.read() == again == path.read_bytes() == CONTENT and upload.read() == b""


async def taken_later(upload: UploadFile, path: Path) -> bool:
    await upload.save(path)
    again = b"".join([chunk async for chunk in upload])
    saved = await anyio.Path(path).read_bytes()
    return (await upload.read(10)) + (await upload.read()) == again == saved == CONTENT


@pytest.fixture(params=["def", "async def", "def inside async def"])
def app_that_takes(request: pytest.FixtureRequest, make_app: MakeApp, limits: Limits, tmp_path: Path) -> App:
    """Its route reads, walks and saves the upload ``up`` and says whether all of them gave `CONTENT`."""
    app = make_app(limits=limits)
    target = tmp_path / "saved"
    if request.param == "async def":

        @app.post("/")
        async def waiting(request: Request) -> bool:
            return await taken_later(request.files["up"], target)

    else:

        @app.post("/")
        def handler(request: Request) -> bool:
            return taken(request.files["up"], target)

    if request.param == "def inside async def":

        @app.middleware
        async def recolours(request: Request) -> Any:
            yield

    return app


def test_an_upload_is_read_in_both_colours(ask: Ask, app_that_takes: App, nothing_left: None) -> None:
    """F-19"""
    assert post(ask, app_that_takes, form(file("a", CONTENT))).body == b"true"


def test_no_file_call_happens_on_an_event_loop(ask: Ask, app_that_takes: App, disk: Disk) -> None:
    """R56, deterministically: where the calls happen, not how long they take."""
    disk.watch(app_that_takes)
    assert post(ask, app_that_takes, form(file("a", CONTENT))).body == b"true"
    until(lambda: disk.opened == disk.closed, "a temporary file was left open")
    assert not disk.threads & disk.loops


@pytest.mark.parametrize("kind", [JSON, URLENCODED, "text/plain"])
def test_a_body_that_was_on_disk_is_there_without_a_file_call_on_a_loop(
    ask: Ask, make_app: MakeApp, disk: Disk, colour: Any, kind: str
) -> None:
    """R56: `request.body` and what is made of it are plain attributes."""
    app = make_app(limits=ON_DISK)
    disk.watch(app)
    reads: dict[str, Callable[[Request], Any]] = {
        JSON: lambda request: request.json["a"],
        URLENCODED: lambda request: request.form["a"],
        "text/plain": lambda request: request.body.decode(),
    }
    app.post("/")(colour(lambda request: [len(reads[kind](request)), len(request.body)]))
    text = {JSON: '{"a":"%s"}', URLENCODED: "a=%s", "text/plain": "%s"}[kind] % ("x" * 100_000)
    answer = post(ask, app, iter([text[:50_000].encode(), text[50_000:].encode()]), kind=kind)
    assert answer.body == f"[100000,{len(text)}]".encode()
    assert (disk.opened, disk.closed) == (1, 1)
    assert not disk.threads & disk.loops


@pytest.mark.parametrize("kind", [JSON, MULTIPART])
def test_an_inline_handler_finds_its_body_in_memory(ask: Ask, make_app: MakeApp, disk: Disk, kind: str) -> None:
    """R56"""
    app = make_app(limits=ON_DISK)
    disk.watch(app)
    app.post("/")(inline(lambda request: [len(request.files), request.files or len(request.body)][0]))
    assert post(ask, app, form(file("a", CONTENT)), kind=kind).status == 200
    until(lambda: disk.opened == disk.closed == 1, "a temporary file was left open")
    assert not disk.threads & disk.loops


def test_reading_a_file_that_would_hold_up_the_loop_is_refused(
    ask: Ask, make_app: MakeApp, limits: Limits, nothing_left: None
) -> None:
    """R56: also where the content happens to be in memory, so that it does not depend on its size."""
    app = make_app(limits=limits)

    @app.post("/")
    async def handler(request: Request) -> str:
        upload = request.files["up"]
        for hold_up in (lambda: list(upload), lambda: upload.file.read(1)):
            with pytest.raises(RuntimeError, match=r"would hold up the event loop: .* `await upload\.read\(\)`"):
                hold_up()
        return "told"

    assert post(ask, app, form(file("a", CONTENT))).body == b"told"


def test_an_upload_lives_as_long_as_its_request(
    ask: Ask, make_app: MakeApp, limits: Limits, colour: Any, tmp_path: Path, nothing_left: None
) -> None:
    """F-18"""
    app = make_app(limits=limits)
    kept: list[UploadFile] = []
    app.post("/")(colour(lambda request: kept.append(request.files["up"]) or "kept"))  # type: ignore[func-returns-value]  # None, so "kept"
    assert post(ask, app, form(file("a", CONTENT))).body == b"kept"
    uses: list[Callable[[], Any]] = [kept[0].read, lambda: kept[0].save(tmp_path / "a"), lambda: list(kept[0])]
    until(lambda: kept[0]._spool is None, "the request was not let go")
    for use in uses:
        with pytest.raises(ValueError, match="it lives as long as its request"):
            use()


# What is left: R55 and F-17, with a real file and a real descriptor.


def fail(request: Request) -> None:
    raise ValueError("the handler failed")


def refuse(request: Request) -> None:
    raise HTTPException(422)


@pytest.mark.parametrize(("handler", "status"), [(lambda request: "x", 200), (fail, 500), (refuse, 422)])
def test_no_file_is_left_of_a_request_that_was_answered(
    ask: Ask, make_app: MakeApp, colour: Any, handler: Any, status: int, nothing_left: None
) -> None:
    """R55"""
    app = make_app(limits=ON_DISK)
    seen: list[int] = []
    app.post("/")(colour(lambda request: seen.append(len(spooled(tempfile.gettempdir()))) or handler(request)))  # type: ignore[func-returns-value]  # as above
    assert post(ask, app, form(file("a", CONTENT))).status == status
    assert seen == [1]


def test_no_file_is_left_of_an_answer_that_streams_an_upload(ask: Ask, make_app: MakeApp, nothing_left: None) -> None:
    """R55: the file is there for as long as the answer is made of it."""
    app = make_app(limits=ON_DISK)

    @app.post("/")
    def handler(request: Request) -> Any:
        return (chunk for chunk in request.files["up"])

    @app.post("/waiting")
    async def waiting(request: Request) -> Any:
        return aiter(request.files["up"])

    for target in (b"/", b"/waiting"):
        assert post(ask, app, form(file("a", CONTENT)), target).body == CONTENT


@pytest.mark.parametrize(
    "limits",
    [
        ON_DISK.replace(max_body_size=150_000),
        ON_DISK.replace(max_file_size=150_000),
        ON_DISK.replace(max_files=1),
    ],
    ids=["body", "file", "files"],
)
def test_no_file_is_left_of_a_body_past_a_limit(
    ask: Ask, make_app: MakeApp, limits: Limits, colour: Any, nothing_left: None
) -> None:
    """R55, R51"""
    app = make_app(limits=limits)
    app.post("/")(colour(lambda request: "never"))
    body = form(file("a", CONTENT), file("b", b"x"))
    chunks = (body[place : place + 10_000] for place in range(0, len(body), 10_000))
    assert post(ask, app, chunks).status == 413


def test_no_file_is_left_of_a_client_that_left(
    ask: Ask, make_app: MakeApp, colour: Any, disk: Disk, nothing_left: None
) -> None:
    """F-17, R55, R56"""
    app = make_app(limits=ON_DISK)
    disk.watch(app)
    app.post("/")(colour(lambda request: "never"))

    def broken() -> Iterator[bytes]:
        yield file("a", CONTENT)
        yield b"x"
        raise OSError("gone")

    post(ask, app, broken())
    until(lambda: disk.opened == disk.closed, "a temporary file was left open")
    assert not disk.threads & disk.loops


def test_no_file_is_left_of_a_request_that_was_cancelled(
    make_app: MakeApp, client: MakeClient, nothing_left: None
) -> None:
    """R55: by a deadline of its own around the handler."""
    app = make_app(limits=ON_DISK)

    @app.middleware
    async def deadline(request: Request) -> Any:
        with anyio.move_on_after(0.05):
            yield
            return
        yield "too late", 503

    @app.post("/")
    async def handler(request: Request) -> None:
        await anyio.sleep_forever()

    answer = client(app).post("/", content=form(file("a", CONTENT)), headers={"content-type": MULTIPART})
    assert answer.status_code == 503


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_file_is_left_of_a_call_that_its_server_cancels(make_app: MakeApp, disk: Disk, backend: str) -> None:
    """R55, R56: in the handler, and while the body is still coming."""
    app = make_app(limits=ON_DISK)
    running: list[anyio.Event] = []

    @app.post("/")
    async def handler(request: Request) -> None:
        running[-1].set()
        await anyio.sleep_forever()

    async def cancelled(*chunks: bytes, more: bool) -> None:
        running.append(anyio.Event())
        left = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        left[-1]["more_body"] = more
        headers = [*FORM, (b"transfer-encoding", b"chunked")]
        scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/", "headers": headers}

        async def receive() -> Any:
            if not left:
                running[-1].set()
                await anyio.sleep_forever()
            return left.pop(0)

        async def send(message: Any) -> None:
            raise AssertionError

        async def run() -> None:
            await app.asgi(scope, receive, send)

        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await running[-1].wait()
            group.cancel_scope.cancel()

    async def main() -> None:
        loop = threading.get_ident()
        await cancelled(form(file("a", CONTENT)), more=False)
        await cancelled(file("a", CONTENT), b"x", more=True)
        assert (disk.opened, disk.closed) == (2, 2)
        assert loop not in disk.threads

    anyio.run(main, backend=backend)


def test_without_a_thread_to_close_it_a_file_is_closed_all_the_same(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R55"""

    def refuse_to_start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        body = Body(MULTIPART, "", ON_DISK)
        body.feed(file("a", CONTENT))
        body.feed(b"x")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse_to_start)
            await let_go(body, Threads(AsyncioLoop(asyncio.get_running_loop()), 1, Slots(1)))

    asyncio.run(main())
    assert (disk.opened, disk.closed) == (1, 1)


# A disk that is full, a process without a descriptor.


@pytest.mark.parametrize(
    ("code", "status"),
    [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EMFILE, 503)],
    ids=["ENOSPC", "EDQUOT", "EMFILE"],
)
@pytest.mark.parametrize("kind", [MULTIPART, JSON])
def test_a_disk_that_takes_nothing_is_told_and_the_next_request_is_fine(
    ask: Ask,
    make_app: MakeApp,
    colour: Any,
    code: int,
    status: int,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    nothing_left: None,
) -> None:
    """F-16"""
    app = make_app(limits=ON_DISK)
    app.post("/")(colour(lambda request: "fine"))

    def full() -> IO[bytes]:
        raise OSError(code, os.strerror(code))

    body = form(file("a", CONTENT))
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", full)
        assert post(ask, app, body, kind=kind).status == status
    assert post(ask, app, body, kind=kind).body == b"fine"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[str]:
    """A file system of 64 KiB, where this process may mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield str(folder)
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("kind", [MULTIPART, "text/plain"])
def test_a_disk_that_fills_up_is_told_and_the_next_request_is_fine(
    ask: Ask, make_app: MakeApp, colour: Any, small_disk: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F-16, with a real file system; that nothing is left on it, unmounting shows."""
    monkeypatch.setattr(tempfile, "tempdir", small_disk)
    app = make_app(limits=ON_DISK)
    app.post("/")(colour(lambda request: "fine"))
    large, small = form(file("a", CONTENT)), form(file("a", CONTENT[:10_000]))
    for body, status in ((large, 507), (small, 200), (large, 507), (small, 200)):
        chunks = (body[place : place + 5000] for place in range(0, len(body), 5000))
        assert post(ask, app, chunks, kind=kind).status == status
    until(lambda: not spooled(small_disk), "a temporary file was left")
