"""The worker threads of one event loop.

Knows jobs, the loop that waits for them, and how many exchanges may hold a thread at once; must not know requests.
The limit admits exchanges, not hops: who holds an admission never queues again. Threads are fed through a
`SimpleQueue` and answer in batches, one wake-up of the loop for all that has ended meanwhile. `bridge` says what a
hop is.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from queue import SimpleQueue
from typing import Any

from duoframe.bridge import Drive, Hop, Left, Loop

LEAVE_AFTER = 0.1
"""Seconds that a cancelled exchange waits for a thread before it leaves the clean-up to that thread's return."""

logger = logging.getLogger("duoframe.error")


class ThreadsExhausted(Exception):
    """The system refused to start another thread."""


class Job:
    """One call on a worker thread. ``waiter`` ends when the call has returned, or has answered early."""

    __slots__ = ("answered", "args", "call", "error", "finished", "left", "on_finish", "result", "waiter")

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call = call
        self.args = args
        self.waiter: Any = None
        self.result: Any = None
        self.error: BaseException | None = None
        self.answered = False
        self.finished = False
        self.left = False
        self.on_finish: Callable[[], object] | None = None

    def work(self) -> None:
        try:
            self.result = self.call(*self.args)
        except BaseException as error:
            self.error = error
        self.call = self.args = None  # type: ignore[assignment]  # what the call held is free before the loop wakes

    def outcome(self) -> Any:
        error = self.error
        if error is None:
            return self.result
        try:
            raise error
        finally:
            self.error = error = None  # no cycle of error, traceback and frame


class Tokens:
    """A counting semaphore of one loop, first come first served; every method is called on the loop's thread."""

    __slots__ = ("_loop", "_waiting", "limit", "used")

    def __init__(self, loop: Loop, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._loop = loop
        self._waiting: deque[Any] = deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self) -> bool:
        """Take a token if one is free."""
        if self.used >= self.limit:
            return False
        self.used += 1
        return True

    async def wait(self) -> None:
        """Take a token, waiting for one in turn."""
        if self.take():
            return
        waiter = self._loop.waiter()
        self._waiting.append(waiter)
        try:
            await waiter
        except BaseException:
            try:
                self._waiting.remove(waiter)
            except ValueError:
                self.give()  # it had been handed the token already
            raise

    def give(self) -> None:
        """Hand the token to who waits longest, or put it back."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.used -= 1


class Slots:
    """A count with a ceiling that any thread may take from; it refuses rather than waits."""

    __slots__ = ("_lock", "limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            if self.used >= self.limit:
                return False
            self.used += 1
            return True

    def give(self) -> None:
        with self._lock:
            self.used -= 1


class Threads:
    """Worker threads that answer to one loop. Made, fed and closed on that loop's thread.

    ``limit`` exchanges are admitted at once; ``streams`` is the number of `def` streams that may run beside them.
    """

    def __init__(self, loop: Loop, limit: int, streams: Slots) -> None:
        self.loop = loop
        self.admissions = Tokens(loop, limit)
        self.streams = streams
        self.left = 0
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[Job] = deque()
        self._woken = False
        self._running = 0
        self._started = 0
        self._ending: AsyncGenerator[None, None] | None = None

    async def run(self, job: Job, leave: bool = False) -> Any:
        """Run a job on a thread at once and wait for its answer; the caller holds an admission.

        A cancellation is delivered when the job has returned; with ``leave``, after `LEAVE_AFTER` seconds at the
        latest, and the job is then marked ``left``.
        """
        self.start(job)
        try:
            await job.waiter
        except GeneratorExit:
            raise
        except BaseException:
            await self.settle(job, leave)
            raise
        return job.outcome()

    def start(self, job: Job) -> None:
        """Give a job to a thread. Raises `ThreadsExhausted` when there is none and none can be started."""
        job.waiter = self.loop.waiter()
        if self._running >= self._started:
            self._add_thread()
        self._running += 1
        self._jobs.put(job)

    async def settle(self, job: Job, leave: bool) -> None:
        """Wait for the end of a job that nobody wants any more; with ``leave`` `LEAVE_AFTER` seconds at most."""
        import anyio

        until = anyio.current_time() + LEAVE_AFTER if leave else float("inf")
        with anyio.CancelScope(shield=True, deadline=until) as scope:
            while not job.finished:
                job.waiter = self.loop.waiter()
                try:
                    await job.waiter
                except GeneratorExit:
                    raise
                except BaseException:
                    if scope.cancel_called:
                        raise  # the time is up; any other cancellation is known already
        if not job.finished:
            job.left = True
            self.left += 1

    def answer(self, job: Job, result: Any) -> None:
        """On the job's own thread: let the waiting exchange go on with ``result`` while the job goes on too."""
        job.result = result
        job.answered = True
        self._report(job)

    def close(self) -> None:
        """End the idle threads now and the busy ones when they return."""
        for _ in range(self._started):
            self._jobs.put(None)
        self._started = 0

    def _add_thread(self) -> None:
        if self._ending is None:
            self._end_with_loop()
        thread = threading.Thread(target=_work, args=(self._jobs, self._report), name="duoframe-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise ThreadsExhausted(str(error)) from error
        self._started += 1

    def _end_with_loop(self) -> None:
        # A loop closes the asynchronous generators that were begun on it, so one that ends without a lifespan
        # (a test's `asyncio.run`) takes these threads along.
        async def until_closed() -> AsyncGenerator[None, None]:
            try:
                yield
            finally:
                self.close()

        self._ending = until_closed()
        with contextlib.suppress(StopIteration):
            self._ending.asend(None).send(None)

    def _report(self, job: Job) -> None:
        self._done.append(job)
        if not self._woken:
            self._woken = True
            try:
                self.loop.post(self._drain)
            except RuntimeError:
                pass  # the loop has ended: nobody waits for this answer

    def _drain(self) -> None:
        self._woken = False
        done = self._done
        while done:
            job = done.popleft()
            if job.answered:
                job.answered = False  # the first of two reports of this job
            else:
                self._running -= 1
                job.finished = True
                if job.left:
                    self.left -= 1
                if job.on_finish is not None:
                    job.on_finish()
            if not job.waiter.done():
                job.waiter.set_result(None)


def _work(jobs: SimpleQueue[Job | None], report: Callable[[Job], None]) -> None:
    while (job := jobs.get()) is not None:
        job.work()
        report(job)
        del job  # an idle thread holds nothing


class Admission:
    """What one exchange holds of `Threads`: at most one token, from its first hop until its answer is a stream."""

    __slots__ = ("_counted", "_held", "_threads")

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self._held = False
        self._counted = True

    async def enter(self) -> None:
        """Take the token, once, waiting in turn."""
        if not self._held and self._counted:
            if not self._threads.admissions.take():
                await self._threads.admissions.wait()
            self._held = True

    def leave(self) -> None:
        """Give the token back, if it is held."""
        if self._held:
            self._held = False
            self._threads.admissions.give()

    def to_stream(self) -> None:
        """Give the token back for good: the exchange is counted among the streams from now on."""
        self.leave()
        self._counted = False

    async def hop(self, hop: Hop, drive: Drive) -> Any:
        """Do a `Hop` of ``drive`` on a thread, inside the drive's Context."""
        await self.enter()
        job = Job(drive.context.run, hop.call, *hop.args)
        try:
            return await self._threads.run(job, hop.leave)
        except BaseException as error:
            if job.left:
                rest = Drive(drive.coroutine, drive.context, self, error)
                job.on_finish = lambda: self._threads.loop.spawn(self._end(rest))
                raise Left(error) from None
            raise

    async def _end(self, rest: Drive) -> None:
        try:
            await rest
        except Exception:
            logger.exception("error while an abandoned exchange was cleaned up")
        except BaseException as cancelled:
            logger.debug("an abandoned exchange ended: %r", cancelled)
        finally:
            self.leave()
