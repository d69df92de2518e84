"""Worker threads and portal against what anyio and asyncio offer for the same.

The pool as a request uses it (Context, limit and cancellation in) beside `anyio.to_thread` and `run_in_executor`, one
empty call at a time in each of 32 tasks; the portal's `call` beside `asyncio.run_coroutine_threadsafe` and an anyio
portal, from one thread. All take turns in one process; each figure is microseconds per call.
"""

from __future__ import annotations

import asyncio
import platform
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from importlib.metadata import version

import anyio.to_thread
from anyio.from_thread import start_blocking_portal

from duoframe.bridge import AsyncioLoop, Drive, Hop
from duoframe.portal import Portal
from duoframe.threads import Admission, Slots, Threads

TASKS = 32
CALLS = 250
ROUNDS = 15
PORTAL_CALLS = 1000

Figures = dict[str, list[float]]


def work() -> None:
    """What a thread is asked to do: nothing."""


async def await_nothing() -> None:
    """What a loop is asked to do: nothing."""


async def measure_threads(figures: Figures) -> None:
    threads = Threads(AsyncioLoop(asyncio.get_running_loop()), 40, Slots(100))
    loop = asyncio.get_running_loop()

    async def hop() -> None:
        await Hop(work)

    async def ours() -> None:
        admission = Admission(threads)
        try:
            await Drive(hop(), copy_context(), admission)
        finally:
            admission.leave()

    async def executor() -> None:
        await loop.run_in_executor(None, copy_context().run, work)

    async def anyio_threads() -> None:
        await anyio.to_thread.run_sync(work)

    async def many(call: Callable[[], Awaitable[None]]) -> None:
        for _ in range(CALLS):
            await call()

    for name, call in (("duoframe", ours), ("run_in_executor", executor), ("anyio.to_thread", anyio_threads)):
        started = time.perf_counter()
        await asyncio.gather(*(many(call) for _ in range(TASKS)))
        figures.setdefault(name, []).append((time.perf_counter() - started) / TASKS / CALLS * 1e6)


def measure_portals(figures: Figures) -> None:
    portal = Portal(40, 100)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with start_blocking_portal() as theirs:
        calls: dict[str, Callable[[], None]] = {
            "duoframe": lambda: portal.call(await_nothing),
            "run_coroutine_threadsafe": lambda: asyncio.run_coroutine_threadsafe(await_nothing(), loop).result(),
            "anyio portal": lambda: theirs.call(await_nothing),
        }
        for name, call in calls.items():
            call()
            started = time.perf_counter()
            for _ in range(PORTAL_CALLS):
                call()
            figures.setdefault(name, []).append((time.perf_counter() - started) / PORTAL_CALLS * 1e6)
    portal.stop()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def show(title: str, figures: Figures) -> None:
    print(f"\n{title}")
    print(f"{'':28}{'median':>9}{'lowest':>9}{'highest':>9}{'ratio':>9}")
    ours = statistics.median(figures["duoframe"])
    for name, found in figures.items():
        median = statistics.median(found)
        print(f"{name:28}{median:9.1f}{min(found):9.1f}{max(found):9.1f}{median / ours:8.1f}x")


def main() -> None:
    threads: Figures = {}
    portals: Figures = {}
    for _ in range(ROUNDS):
        asyncio.run(measure_threads(threads))
        measure_portals(portals)
    versions = ", ".join(f"{name} {version(name)}" for name in ("duoframe", "anyio"))
    print(f"Python {platform.python_version()}, {versions}, {platform.machine()}, {ROUNDS} rounds in turns")
    show(f"one call on a worker thread, {TASKS} tasks at a time (us)", threads)
    show("one call on the loop from a thread (us)", portals)


if __name__ == "__main__":
    main()
