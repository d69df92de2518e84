"""The loop behind WSGI: made late, once per process, kept through forks, and never in the way of an end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from duoframe import App, ConfigurationError, Request, Response
from duoframe import portal as portals
from duoframe.portal import Portal
from duoframe.testing import AsyncClient, Client, exchange
from tests.conftest import DEADLINE, Ask, MakeApp, our_threads, until

ROOT = Path(__file__).parents[1]

BEGINNING = """
import asyncio, gc, logging, os, signal, sys, threading, time
from duoframe import App
from duoframe.testing import exchange

logging.getLogger("asyncio").setLevel(logging.ERROR)  # its debug mode warns where the machine is busy
app = App()

@app.get("/later")
async def later():
    await asyncio.sleep(0)
    return "later"

def ask(path=b"/later"):
    return exchange(app, "wsgi", "GET", path).body.decode()
"""


def command(source: str, *options: str) -> list[str]:
    return [sys.executable, "-X", "dev", "-W", "ignore:This process:DeprecationWarning", *options, "-c", source]


def run_script(source: str, *options: str) -> str:
    """What a Python of its own prints; it ends well, in time, and without a word on its standard error."""
    done = subprocess.run(
        command(BEGINNING + source, *options), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


# Made late


def test_importing_an_application_makes_nothing() -> None:
    """P-01: no thread, loop, socket, file or random state that a fork would share."""
    source = """
import asyncio, gc, os, random, socket, threading
state, descriptors = random.getstate(), set(os.listdir("/proc/self/fd"))
from duoframe import App, Router
app = App()
@app.get("/")
def index(): return "x"
@app.get("/later")
async def later(): return "x"
@app.middleware
async def around():
    yield
@app.lifespan
async def life():
    yield
kinds = (asyncio.AbstractEventLoop, socket.socket, random.Random)
made = [thing for thing in gc.get_objects() if isinstance(thing, kinds) and thing is not random._inst]
print(made, threading.active_count(), random.getstate() == state, set(os.listdir("/proc/self/fd")) == descriptors)
"""
    done = subprocess.run(command(source), cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[] 1 True True\n"


def test_def_handlers_start_no_portal(app: App) -> None:
    @app.get("/")
    def work() -> str:
        return "done"

    assert exchange(app, "wsgi", "GET", b"/").body == b"done"
    assert not app.portal.running
    assert our_threads() == []


def test_the_first_requests_of_many_threads_make_one_portal(app: App) -> None:
    """P-04."""
    loops: set[object] = set()
    together = threading.Barrier(20)
    answers: list[bytes] = []

    @app.get("/")
    async def work() -> str:
        loops.add(asyncio.get_running_loop())
        await asyncio.sleep(0.01)
        return "done"

    def ask() -> None:
        together.wait(DEADLINE)
        answers.append(exchange(app, "wsgi", "GET", b"/").body)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert answers == [b"done"] * 20
    assert len(loops) == 1
    assert our_threads() == ["duoframe-portal"]


def test_what_is_bound_to_a_loop_can_be_kept_from_request_to_request(app: App) -> None:
    """P-10: each comes on a thread of its own, and all meet one loop."""
    pool: list[asyncio.Queue[str]] = []

    @app.get("/take")
    async def take() -> str:
        if not pool:
            pool.append(asyncio.Queue())
            asyncio.get_running_loop().call_later(0.01, pool[0].put_nowait, "connection")
        connection = await pool[0].get()
        pool[0].task_done()
        pool[0].put_nowait(connection)
        return connection

    async def main() -> list[Any]:
        async with AsyncClient(app, "wsgi") as client:
            return await asyncio.gather(*(client.get("/take") for _ in range(10)))

    assert {answer.text for answer in asyncio.run(main())} == {"connection"}


# Calls


def test_a_call_gives_the_result_or_raises_what_was_raised(app: App) -> None:
    async def divide(by: int) -> int:
        return 6 // by

    assert app.portal.call(divide, 3) == 2
    with pytest.raises(ZeroDivisionError):
        app.portal.call(divide, 0)


def test_def_code_inside_async_def_code_cannot_wait_for_the_loop(app: App) -> None:
    """P-06."""

    async def inner() -> None:
        raise AssertionError

    @app.get("/")
    async def work() -> str:
        with pytest.raises(RuntimeError, match="would deadlock"):
            app.portal.call(inner)
        with pytest.raises(RuntimeError, match="would deadlock"):
            app.call(inner)
        with pytest.raises(RuntimeError, match="would deadlock"):
            app.portal.stop()
        return "refused"

    assert exchange(app, "wsgi", "GET", b"/").body == b"refused"
    assert exchange(app, "wsgi", "GET", b"/").body == b"refused"


@pytest.mark.parametrize("plan", ["sync", "async"])
def test_asyncio_run_is_the_users_own_in_a_def_handler(plan: str, app: App, ask: Ask) -> None:
    """P-17: there is no loop on its thread, behind either door."""
    if plan == "async":

        @app.middleware
        async def around() -> AsyncIterator[None]:
            yield

    @app.get("/")
    def work() -> str:
        return asyncio.run(asyncio.sleep(0, "ran"))

    assert ask(app, "GET", b"/").body == b"ran"


def test_an_interrupted_server_thread_cancels_what_it_waited_for(app: App) -> None:
    """P-08: gunicorn's worker time-out raises `SystemExit` in the waiting thread."""
    ended: list[str] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        sys.exit(1)

    @app.get("/")
    async def work() -> str:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return "not reached"

    async def tasks() -> int:
        return len(asyncio.all_tasks())

    previous = signal.signal(signal.SIGUSR1, interrupt)
    try:
        answer = exchange(app, "wsgi", "GET", b"/")
        assert isinstance(answer.error, SystemExit)
    except SystemExit:
        pass  # it may have met this thread on its way into the app, or out of it
    finally:
        signal.signal(signal.SIGUSR1, previous)
    until(lambda: ended == ["cancelled"], "the task was not cancelled")
    until(lambda: app.portal.call(tasks) == 1, "a task is left")  # the one that counts


def deadline_app(make_app: MakeApp, within: Callable[[], contextlib.AbstractAsyncContextManager[Any]]) -> App:
    app = make_app()

    @app.middleware
    async def deadline(request: Request) -> AsyncIterator[Response]:
        try:
            async with within():
                yield  # type: ignore[misc]  # what comes back is the answer
        except TimeoutError:
            yield Response(b"too late", 503)

    @app.get("/")
    async def work() -> str:
        try:
            await anyio.sleep(60)
        finally:
            app.state.ended = True
        return "not reached"

    @app.get("/quick")
    async def quick() -> str:
        return "in time"

    return app


@contextlib.asynccontextmanager
async def anyio_deadline() -> AsyncIterator[None]:
    with anyio.fail_after(0.05):
        yield


def asyncio_deadline() -> contextlib.AbstractAsyncContextManager[Any]:
    return asyncio.timeout(0.05)


def test_a_deadline_around_the_request_cancels_its_handler(make_app: MakeApp, ask: Ask) -> None:
    """P-09: a client that has left is not noticed before something is sent; a deadline ends the work for nobody."""
    app = deadline_app(make_app, anyio_deadline)
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body, app.state.ended) == (503, b"too late", True)
    assert ask(app, "GET", b"/quick").body == b"in time"


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_a_deadline_may_be_asyncio_s_own(make_app: MakeApp, door: str) -> None:
    """P-09."""
    app = deadline_app(make_app, asyncio_deadline)
    answer = exchange(app, door, "GET", b"/")  # type: ignore[arg-type]  # a Door
    assert (answer.status, answer.body, app.state.ended) == (503, b"too late", True)
    assert exchange(app, door, "GET", b"/quick").body == b"in time"  # type: ignore[arg-type]  # as above


def test_a_task_that_nobody_awaits_fails_in_the_log_under_its_request(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    """P-18: and the loop lives."""
    identifiers: list[str] = []
    strays: list[asyncio.Task[None]] = []

    async def fail() -> None:
        raise ZeroDivisionError("stray")

    @app.get("/")
    async def work(request: Request) -> str:
        identifiers.append(request.id)
        task = asyncio.create_task(fail())
        strays.append(task)
        await asyncio.wait([task])
        strays.clear()
        return "done"

    @app.get("/loop")
    async def tell() -> str:
        asyncio.get_running_loop().call_exception_handler({"message": "about no task"})
        return "told"

    assert exchange(app, "wsgi", "GET", b"/").body == b"done"
    until(lambda: caplog.records, "nothing was logged")
    record = caplog.records[0]
    assert (record.name, record.levelno) == ("duoframe.error", logging.ERROR)
    assert "ZeroDivisionError: stray" in caplog.text
    assert "never retrieved" in record.getMessage()
    assert [vars(record)["request_id"]] == identifiers
    assert exchange(app, "wsgi", "GET", b"/loop").body == b"told"
    assert "about no task" in caplog.text


# Forks


FORKS = """
def forked(work):
    parent = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    assert os.waitpid(child, 0)[1] == 0
    return answer
"""


def test_a_fork_after_the_first_use_leaves_two_that_work() -> None:
    """P-02, P-03: what the child does with its loop does not reach the parent's."""
    source = """
print(ask(), forked(lambda: f"{ask()} {app.portal.running} {threading.active_count()}"), ask())
for _ in range(3):
    print(forked(lambda: (ask(), app.shutdown(), gc.collect(), str(app.portal.running))[3]), ask())
print(forked(lambda: (gc.collect(), str(app.portal.running))[1]), ask())
"""
    lines = run_script(FORKS + source).splitlines()
    assert lines == ["later later True 2 later", *["False later"] * 4]


@pytest.mark.parametrize("colour", ["def", "async def"])
def test_a_handler_may_fork(colour: str) -> None:
    """P-03: on the server's thread, and on the portal's own."""
    source = f"""
@app.get("/fork")
{colour} fork():
    return forked(lambda: ask())

print(ask(), ask(b"/fork"), ask())
"""
    assert run_script(FORKS + source) == "later later later\n"


def test_a_fork_while_another_thread_starts_the_portal_locks_nobody_out() -> None:
    """P-03: a lock that a thread of the parent held has no owner in the child."""
    source = """
with app.portal._lock:
    print(forked(ask))
print(ask())
"""
    assert run_script(FORKS + source) == "later\nlater\n"


def test_multiprocessing_may_fork() -> None:
    """P-03."""
    source = """
import multiprocessing
print(ask())
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(ask, [b"/later"] * 4))
print(ask())
"""
    assert run_script(source) == "later\n['later', 'later', 'later', 'later']\nlater\n"


def test_a_copy_in_another_process_starts_afresh() -> None:
    portal = Portal(3, 4, True)
    portal.get_loop()
    copy = pickle.loads(pickle.dumps(portal))
    assert not copy.running
    assert copy._options == (3, 4, True)
    portal.stop()
    portal.stop()
    until(lambda: not our_threads(), "the portal did not end")


# Where it cannot run


def test_a_loop_that_does_not_come_up_is_a_clear_error_and_not_a_hang(
    monkeypatch: pytest.MonkeyPatch, app: App
) -> None:
    """P-11."""
    gate = threading.Event()

    class Slow(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            gate.wait(DEADLINE)
            return super().new_event_loop()

    with monkeypatch.context() as patched:
        patched.setattr(portals, "START_TIMEOUT", 0.05)
        patched.setattr(asyncio.events, "_event_loop_policy", Slow())
        with pytest.raises(ConfigurationError, match="uWSGI with --enable-threads"):
            app.portal.get_loop()
        gate.set()
        until(lambda: not our_threads(), "the thread that came too late did not end")
    assert app.portal.call(asyncio.sleep, 0, "later") == "later"


def test_a_loop_that_cannot_be_made_says_why(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    class Broken(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            raise OSError("too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(asyncio.events, "_event_loop_policy", Broken())
        with pytest.raises(OSError, match="too many open files"):
            app.portal.get_loop()
    assert not app.portal.running
    assert app.portal.call(asyncio.sleep, 0, "later") == "later"


def test_the_portal_needs_no_sniffio(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    monkeypatch.setitem(sys.modules, "sniffio", None)
    assert app.portal.call(asyncio.sleep, 0, "later") == "later"


def test_threads_that_gevent_has_replaced_are_refused(monkeypatch: pytest.MonkeyPatch, app: App) -> None:
    """W-54: a green thread cannot run a loop beside the others."""

    class Monkey:
        @staticmethod
        def is_module_patched(name: str) -> bool:
            return name == "threading"

    monkeypatch.setitem(sys.modules, "gevent.monkey", Monkey)
    with pytest.raises(ConfigurationError, match="gevent has replaced them"):
        app.portal.get_loop()


def test_a_sub_interpreter_works() -> None:
    """P-12: mod_wsgi gives each application one, and ends it before the process."""
    inner = f"import sys; sys.path.insert(0, {str(ROOT)!r})" + BEGINNING
    inner += (
        "print(ask(), app.portal.running, flush=True)\nimport atexit\natexit._run_exitfuncs()  # an end's first act"
    )
    source = f"""
try:
    import _interpreters as interpreters
    interpreter = interpreters.create("legacy")
except ImportError:
    import _xxsubinterpreters as interpreters
    interpreter = interpreters.create(isolated=False)
failed = interpreters.run_string(interpreter, {inner!r})
assert failed is None, failed
interpreters.destroy(interpreter)
print("destroyed")
"""
    assert run_script(source) == "later True\ndestroyed\n"


# Ends


@contextlib.contextmanager
def started(source: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python that runs until it is told to end, and is made to if it does not."""
    process = subprocess.Popen(
        [*command(BEGINNING + source), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def expect(process: subprocess.Popen[str], line: str) -> None:
    """Read until the line comes; the test's own time limit ends a wait in vain."""
    assert process.stdout is not None
    for found in process.stdout:
        if found.strip() == line:
            return
    raise AssertionError(f"{line!r} did not come")


def test_a_process_that_is_told_to_end_during_its_start_up_leaves_what_it_entered() -> None:
    """P-14."""
    source = """
@app.lifespan
async def first():
    yield
    print("first left", flush=True)

@app.lifespan
async def second():
    try:
        print("starting", flush=True)
        await asyncio.sleep(60)
    finally:
        print("second cancelled", flush=True)
    yield

signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(3))
app.startup()
"""
    with started(source) as process:
        expect(process, "starting")
        began = time.monotonic()
        process.terminate()
        output, errors = process.communicate(timeout=DEADLINE)
        assert time.monotonic() - began < 5  # the row's own bound
        assert (process.returncode, output, errors) == (3, "second cancelled\nfirst left\n", "")


@pytest.mark.parametrize("path", ["/async", "/def"])
def test_a_second_interrupt_ends_a_server_whose_requests_do_not(path: str) -> None:
    """P-15: neither what the loop runs nor what a thread runs holds it up.

    The server is a loop that waits for its requests after the first signal and returns at the second: uvicorn does
    so on Python 3.11, and waits for its connections on later ones, whatever the application.
    """
    source = """
@app.get("/async")
async def wait():
    print("waiting", flush=True)
    await asyncio.sleep(60)

@app.get("/def")
def block():
    print("waiting", flush=True)
    time.sleep(60)

async def receive():
    await asyncio.sleep(60)

async def send(message):
    pass

async def serve():
    signals = asyncio.Queue()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, signals.put_nowait, "SIGINT")
    scope = {"type": "http", "method": "GET", "path": sys.argv[1], "headers": [], "http_version": "1.1"}
    request = asyncio.create_task(app(scope, receive, send))
    await signals.get()
    print("told", flush=True)
    await signals.get()

asyncio.run(serve())
"""
    with started(source, path) as process:
        expect(process, "waiting")
        process.send_signal(signal.SIGINT)
        expect(process, "told")
        assert process.poll() is None
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=DEADLINE)
        assert time.monotonic() - began < 5  # the row says one second; a busy machine needs longer to end Python
        assert (process.returncode, output, errors) == (0, "", "")


def test_tasks_that_still_run_at_the_end_are_cancelled_and_awaited() -> None:
    """P-16: without a word of a destroyed task, and whether or not the application was started."""
    source = """
strays = []

async def stray():
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(0)
        print("cancelled")

@app.get("/stray")
async def begin():
    strays.append(asyncio.create_task(stray()))
    return await asyncio.to_thread(str, "begun")

print(ask(b"/stray"))
portal = type(app.portal)(1, 1)

async def begin_elsewhere():
    strays.append(asyncio.create_task(stray()))

portal.call(begin_elsewhere)
"""
    assert run_script(source) == "begun\ncancelled\ncancelled\n"


def test_a_task_that_will_not_end_is_waited_for_within_limits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """P-16: a daemon thread holds up no exit."""
    monkeypatch.setattr(portals, "END_TIMEOUT", 0.05)
    gate = threading.Event()
    portal = Portal(1, 1)
    kept: list[object] = []

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            gate.wait(DEADLINE)

    async def begin() -> None:
        kept.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(0)

    portal.call(begin)
    portal.stop()
    assert "did not end within 0.05 seconds" in caplog.text
    assert not portal.running
    gate.set()
    until(lambda: not our_threads(), "the portal did not end")


def test_a_portal_that_dies_is_made_again_once(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """P-19: what is in flight fails; the next request finds a loop."""
    under_way = threading.Event()
    answers: list[Any] = []

    @app.get("/wait")
    async def wait() -> str:
        under_way.set()
        await asyncio.sleep(60)
        return "not reached"

    @app.get("/")
    async def work() -> str:
        return "done"

    thread = threading.Thread(target=lambda: answers.append(exchange(app, "wsgi", "GET", b"/wait")))
    thread.start()
    assert under_way.wait(DEADLINE)
    dying = app.portal.get_loop()
    dying.post(sys.exit)
    thread.join(DEADLINE)
    assert answers[0].status == 500
    assert "the event loop of the portal died" in caplog.text
    until(lambda: not our_threads(), "the dead portal's threads are left")
    together = threading.Barrier(5)

    def ask() -> None:
        together.wait(DEADLINE)
        answers.append(exchange(app, "wsgi", "GET", b"/"))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(DEADLINE)
    assert [answer.body for answer in answers[1:]] == [b"done"] * 5
    assert our_threads() == ["duoframe-portal"]
    assert app.portal.get_loop() is not dying


def test_a_portal_that_dies_while_it_is_stopped_is_no_error(app: App) -> None:
    """P-19."""
    home = app.portal.get_runtime(), app.portal._home
    home[0].loop.post(sys.exit)
    until(home[0].loop.ended, "the portal did not die")
    app.portal._home = home[1]  # as one sees it who looked a moment ago
    app.portal.stop()
    assert not app.portal.running


# Tests of users


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("around", ["nothing", "asyncio", "trio"])
def test_a_client_works_wherever_a_test_runs(door: str, around: str, make_app: MakeApp) -> None:
    """P-21: also inside a loop, in a plain or an asynchronous test; no thread is left between two."""
    app = make_app()

    @app.get("/def")
    def work() -> str:
        return "def"

    @app.get("/async")
    async def work_later() -> str:
        await anyio.lowlevel.checkpoint()
        return "async"

    def plain_test() -> list[str]:
        with Client(app, door) as client:  # type: ignore[arg-type]  # a Door
            return [client.get(path).text for path in ("/def", "/async")]

    async def test_in_a_loop() -> list[str]:
        return plain_test()

    async def asynchronous_test() -> list[str]:
        async with AsyncClient(app, door) as client:  # type: ignore[arg-type]  # a Door
            return [(await client.get(path)).text for path in ("/def", "/async")]

    for _ in range(2):
        if around == "nothing":
            assert plain_test() == ["def", "async"]
        else:
            assert anyio.run(test_in_a_loop, backend=around) == ["def", "async"]
            assert anyio.run(asynchronous_test, backend=around) == ["def", "async"]
        until(lambda: not our_threads(), f"threads were left: {our_threads()}")
