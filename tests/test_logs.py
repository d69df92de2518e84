"""What the log records of the framework carry, and that writing them holds nobody up."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from duoframe import App
from duoframe.logs import BackgroundHandler, RequestId
from duoframe.requests import Request
from tests.conftest import Ask, until


class Kept(logging.Handler):
    """Keeps records, and can be made slow or be held."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.threads: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def emit(self, record: logging.LogRecord) -> None:
        self.gate.wait(10)
        self.records.append(record)
        self.threads.append(threading.get_ident())


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler = Kept()
    logging.getLogger("duoframe").addHandler(handler)
    yield handler
    logging.getLogger("duoframe").removeHandler(handler)


def test_the_records_of_a_request_carry_its_identifier(app: App, ask: Ask, kept: Kept) -> None:
    seen = []

    @app.get("/")
    def fail(request: Request) -> None:
        seen.append(request.id)
        raise KeyError

    assert ask(app, "GET", b"/").status == 500
    assert [vars(record)["request_id"] for record in kept.records] == seen
    assert kept.records[0].name == "duoframe.error"


def test_what_an_exception_says_deceives_no_terminal(app: App, ask: Ask, kept: Kept) -> None:
    """R75: it may be what the client sent."""

    @app.get("/")
    def fail() -> None:
        raise KeyError("lost") from ValueError("\x1b[2J\x9b\u202e\r" + "x" * 100_000)

    ask(app, "GET", b"/")
    text = logging.Formatter().format(kept.records[0])
    assert r"ValueError: \x1b[2J\x9b\u202e\rxxx" in text
    assert text.endswith("KeyError: 'lost'")
    assert all(line.isprintable() and len(line) <= 2001 for line in text.split("\n"))


class Mute(Exception):
    @property
    def __cause__(self) -> BaseException | None:  # type: ignore[override]  # nobody forbids it
        raise ZeroDivisionError


@pytest.mark.parametrize(("error", "written"), [(Mute(), None), (KeyError(), "mine")])
def test_a_traceback_that_cannot_be_or_was_already_written_is_left_as_it_is(
    error: Exception, written: str | None
) -> None:
    record = logging.makeLogRecord({"exc_info": (type(error), error, None), "exc_text": written})
    assert RequestId().filter(record)
    assert record.exc_text == written


def test_a_record_outside_a_request_says_so(kept: Kept) -> None:
    logging.getLogger("duoframe.access").warning("x")
    assert [vars(record)["request_id"] for record in kept.records] == ["-"]


def test_a_slow_log_does_not_hold_the_loop() -> None:
    """T-18: with the background handler the loop goes on while a record is being written."""
    before = set(threading.enumerate())
    kept = Kept()
    kept.gate.clear()
    handler = BackgroundHandler(kept)
    logger = logging.getLogger("duoframe.test_logs")
    logger.addHandler(handler)
    logger.propagate = False

    async def main() -> None:
        logger.warning("held")
        await asyncio.sleep(0)
        assert not kept.records  # the writer is held, and this code ran on

    try:
        asyncio.run(main())
        logger.warning("held too")
        kept.gate.set()
        until(lambda: len(kept.records) == 2, "a record was never written")
        assert kept.threads[0] != threading.get_ident()
    finally:
        logger.removeHandler(handler)
        handler.close()
    assert set(threading.enumerate()) <= before
    handler.close()


FORKING = """
import logging, os, sys
from duoframe.logs import BackgroundHandler, RequestId

handler = BackgroundHandler(logging.StreamHandler(sys.stdout))
logging.getLogger("duoframe").addHandler(handler)
logging.getLogger("duoframe").warning("from the parent")
child = os.fork()
if not child:
    logging.getLogger("duoframe").warning("from the child")
    handler.close()
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
handler.close()
handler.close()
"""


def test_the_child_of_a_fork_writes_on_a_thread_of_its_own() -> None:
    ran = subprocess.run(  # a fresh process: this one has threads that a fork would not survive
        [sys.executable, "-W", "ignore", "-c", FORKING], capture_output=True, text=True, timeout=30, check=True
    )
    assert sorted(ran.stdout.splitlines()) == ["from the child", "from the parent"]
