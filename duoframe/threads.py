"""The worker threads of one event loop.

Knows jobs, the loop that waits for them, and how many exchanges may hold a thread at once; must not know requests.
The limit admits exchanges, not hops: whoever holds an `Admission` never queues again and is sure of a thread.
Threads are fed through a `SimpleQueue` and answer in batches, one wake-up of the loop for all that has ended
meanwhile. `bridge` says what a hop is.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from duoframe.bridge import Drive, Hop, Left, Loop, at_end

LEAVE_AFTER = 0.1
"""Seconds that a cancelled exchange waits for a thread before it leaves the clean-up to that thread's return."""

READS = 8
"""Threads that may read files for answers at once, each for one block, beside those of requests and of streams."""

logger = logging.getLogger("duoframe.error")


class ThreadsExhaustedError(Exception):
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
        """Called on the loop when the call of a job that was left has returned."""

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
        for waiter in self._waiting:
            if not waiter.done():  # one that is cancelled takes itself out
                self._waiting.remove(waiter)
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
        self.reads = Tokens(loop, READS)
        self.left = 0
        """Jobs that were left and whose call still runs."""
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._done: list[Job] = []
        self._reserved = 0
        self._started = 0
        self._ending: object = None

    def reserve(self) -> None:
        """Make sure of a thread for one job at a time, until `release`.

        Raises `ThreadsExhaustedError` when there is none to spare and none can be started.
        """
        if self._reserved >= self._started:
            self._add_thread()
        self._reserved += 1

    def release(self) -> None:
        """Give up what `reserve` made sure of."""
        self._reserved -= 1

    async def call(self, call: Callable[..., Any], *args: Any) -> Any:
        """Make one call on a thread, outside every limit. Raises what it raises, and `ThreadsExhaustedError`."""
        self.reserve()
        try:
            return await self.run(Job(call, *args))
        finally:
            self.release()

    async def finish(self, call: Callable[..., Any], *args: Any) -> None:
        """Make one call on a thread to clean up: whoever cancels the caller meanwhile, it returns when that has.

        Raises `ThreadsExhaustedError` alone.
        """
        self.reserve()
        try:
            job = Job(call, *args)
            self._jobs.put(job)
            await self.settle(job, float("inf"))
        finally:
            self.release()

    async def run(self, job: Job, leave: bool = False) -> Any:
        """Run a job on a thread at once and wait for its answer; the caller has reserved the thread.

        A cancellation is delivered when the job has returned; with ``leave``, after `LEAVE_AFTER` seconds at the
        latest, and the job is then marked ``left``.
        """
        job.waiter = self.loop.waiter()
        self._jobs.put(job)
        try:
            await job.waiter
        except GeneratorExit:
            raise
        except BaseException:
            await self.settle(job, LEAVE_AFTER if leave else float("inf"))
            raise
        return job.outcome()

    async def settle(self, job: Job, within: float) -> None:
        """Wait for the end of a job that nobody wants any more, ``within`` seconds at most."""
        import anyio

        with anyio.CancelScope(shield=True, deadline=anyio.current_time() + within) as scope:
            while not (job.finished or scope.cancel_called):
                job.waiter = self.loop.waiter()
                try:
                    await job.waiter
                except self.loop.cancelled:
                    pass  # the time is up, or somebody cancels what is cancelled already
        if not job.finished:
            job.left = True
            self.left += 1

    def answer(self, job: Job, result: Any) -> None:
        """On the job's own thread: let the waiting exchange go on with ``result`` while the job goes on too."""
        job.result = result
        job.answered = True
        self._report(job)

    def close(self) -> None:
        """End the idle threads now and the busy ones when they return; those of later jobs are new."""
        for _ in range(self._started):
            self._jobs.put(None)
        self._jobs = SimpleQueue()
        self._started = 0

    def _add_thread(self) -> None:
        if self._ending is None:
            self._ending = at_end(self.close)
        thread = threading.Thread(target=_work, args=(self._jobs, self._report), name="duoframe-worker", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise ThreadsExhaustedError(str(error)) from error
        self._started += 1

    def _report(self, job: Job) -> None:
        with self._lock:  # 0.1 us more than a bare flag, whose reads and writes free-threaded builds may reorder
            first = not self._done
            self._done.append(job)
        if first:
            try:
                self.loop.post(self._drain)
            except RuntimeError:
                pass  # the loop has ended: nobody waits for this answer

    def _drain(self) -> None:
        with self._lock:
            done, self._done = self._done, []
        for job in done:
            if job.answered:
                job.answered = False  # the first of two reports of this job
            else:
                job.finished = True
                if job.left:
                    self.left -= 1
                    self._finish(job)
            if not job.waiter.done():
                job.waiter.set_result(None)

    def _finish(self, job: Job) -> None:
        call, job.on_finish = job.on_finish, None
        try:
            if call is not None:
                call()
        except Exception:
            logger.exception("error while an abandoned exchange was cleaned up")


def _work(jobs: SimpleQueue[Job | None], report: Callable[[Job], None]) -> None:
    while (job := jobs.get()) is not None:
        job.work()
        report(job)
        del job  # an idle thread holds nothing


class Admission:
    """What one exchange holds of `Threads` from its first hop on.

    A token, until its answer is a stream, and the certainty of a thread, until it has ended; where its answer is a
    file, both for the length of a hop.
    """

    __slots__ = ("_brief", "_held", "_last", "_reserved", "_threads", "_tokens", "left")

    def __init__(self, threads: Threads) -> None:
        self.left = False
        """Whether the exchange was left while a thread was inside it, and has not ended since."""
        self._threads = threads
        self._tokens: Tokens | None = threads.admissions
        self._held: Tokens | None = None
        self._reserved = False
        self._brief = False
        self._last: tuple[Callable[..., object], tuple[Any, ...]] | None = None

    async def enter(self, counted: bool = True) -> None:
        """Take what there is to hold, once, waiting in turn."""
        if self._reserved:
            return
        tokens = self._tokens
        if tokens is not None and counted:
            if not tokens.take():
                await tokens.wait()
            self._held = tokens
        try:
            self._threads.reserve()
        except ThreadsExhaustedError:
            self._give_token()
            raise
        self._reserved = True

    def leave(self) -> None:
        """Give back what is held, once no thread is inside a left exchange any more."""
        if self.left:
            return
        self._give_token()
        if self._reserved:
            self._reserved = False
            self._threads.release()

    def to_stream(self) -> None:
        """Give the token back for good: the exchange is counted among the streams from now on."""
        self._give_token()
        self._tokens = None

    def to_file(self) -> None:
        """Give back what is held: from now on the exchange waits for its client, and holds something only in a hop."""
        self.leave()
        self._tokens = self._threads.reads
        self._brief = True

    def conclude(self, call: Callable[..., object], *args: Any) -> None:
        """Give back what is held, then make the call, which must not raise: now, or once a left exchange has ended."""
        if self.left:
            self._last = call, args
        else:
            self.leave()
            call(*args)

    async def hop(self, hop: Hop, drive: Drive) -> Any:
        """Do a `Hop` of ``drive`` on a thread, inside the drive's Context."""
        if not self._reserved:
            await self.enter(counted=hop.leave or not self._brief)  # a file is closed though others cannot be read
        job = Job(drive.context.run, hop.call, *hop.args)
        try:
            return await self._threads.run(job, hop.leave)
        except BaseException as error:
            if job.left:
                self.left = True
                rest = Drive(drive.coroutine, drive.context, self, error)
                job.on_finish = lambda: self._threads.loop.spawn(self._end(rest))
                raise Left(error) from None
            raise
        finally:
            if self._brief:
                self.leave()

    async def _end(self, rest: Drive) -> None:
        try:
            await rest
        except Exception:
            logger.exception("error while an abandoned exchange was cleaned up")
        except BaseException as cancelled:
            logger.debug("an abandoned exchange ended: %r", cancelled)
        finally:
            self.left = False
            self.leave()
            if self._last is not None:
                call, args = self._last
                call(*args)

    def _give_token(self) -> None:
        tokens, self._held = self._held, None
        if tokens is not None:
            tokens.give()
