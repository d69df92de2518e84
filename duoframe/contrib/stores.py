"""Where sessions are kept on the server: in memory, in a SQLite file, in Redis. Each is a `duoframe.sessions.Store`.

Knows keys, bytes and how long they are kept; must not know a session or a request. Nothing is opened before it is
first used, and once per process, so a store can be made on import and survives a fork.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from duoframe.errors import ConfigurationError
from duoframe.sessions import StoreUnavailable

T = TypeVar("T")

SWEEP_EVERY = 60
"""Seconds between two sweeps for what has expired, made when something new is kept."""

FAILURES = 3
"""Failures of a server in a row after which it is left alone."""

PAUSE = 1.0
"""Seconds for which it is, before one call tries again."""

logger = logging.getLogger("duoframe")

_opening = threading.Lock()
_lock = threading.Lock()
"""Held for a few steps that must not be mixed with another thread's, and never while a disk or a socket is asked."""


class MemoryStore:
    """Keeps sessions in this process, for development and for servers of one process; they end with it."""

    shared = False

    def __init__(self) -> None:
        self._kept: dict[str, tuple[bytes, float]] = {}
        self._sweep_at = 0.0

    def __reduce__(self) -> tuple[type[MemoryStore], tuple[()]]:
        return MemoryStore, ()  # a copy in another process begins empty

    def load(self, key: str) -> bytes | None:
        """What is kept under ``key``."""
        return self._there(key)

    def create(self, key: str, content: bytes, max_age: int) -> None:
        """Keep ``content`` for ``max_age`` seconds."""
        now = time.time()
        with _lock:
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP_EVERY
                self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
            self._kept[key] = content, now + max_age

    def replace(self, key: str, content: bytes, max_age: int, expected: bytes | None = None) -> bool:
        """The same where something is there, and is ``expected`` if that is given; whether it was."""
        with _lock:
            there = self._there(key)
            if there is None or expected not in (None, there):
                return False
            self._kept[key] = content, time.time() + max_age
            return True

    def delete(self, key: str) -> None:
        """Keep nothing under ``key``."""
        with _lock:
            self._kept.pop(key, None)

    def _there(self, key: str) -> bytes | None:
        content, expires = self._kept.get(key, (None, 0.0))
        return content if expires > time.time() else None


class SQLiteStore:
    """Keeps sessions in a SQLite file that the processes of one machine share.

    ``path``: the file, made where it is not there; ``timeout``: seconds that a write waits for others.
    """

    shared = True

    def __init__(self, path: str | os.PathLike[str], timeout: float = 5.0) -> None:
        self._path = os.path.abspath(path)
        self._timeout = timeout
        self._opened: dict[int, tuple[Any, threading.Lock]] = {}
        self._sweep_at = 0.0

    def __reduce__(self) -> tuple[type[SQLiteStore], tuple[str, float]]:
        return SQLiteStore, (self._path, self._timeout)

    def load(self, key: str) -> bytes | None:
        """What is kept under ``key``."""
        rows = self._run("SELECT content FROM sessions WHERE key = ? AND expires > ?", key, time.time())[0]
        return rows[0][0] if rows else None

    def create(self, key: str, content: bytes, max_age: int) -> None:
        """Keep ``content`` for ``max_age`` seconds."""
        now = time.time()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            self._run("DELETE FROM sessions WHERE expires <= ?", now)
        self._run("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", key, content, now + max_age)

    def replace(self, key: str, content: bytes, max_age: int, expected: bytes | None = None) -> bool:
        """The same where something is there, and is ``expected`` if that is given; whether it was."""
        now = time.time()
        there = "key = ? AND expires > ? AND content = ifnull(?, content)"
        change = f"UPDATE sessions SET content = ?, expires = ? WHERE {there}"
        return self._run(change, content, now + max_age, key, now, expected)[1] == 1

    def delete(self, key: str) -> None:
        """Keep nothing under ``key``."""
        self._run("DELETE FROM sessions WHERE key = ?", key)

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None:
            connection, turn = opened
            with turn:
                connection.close()

    def _run(self, statement: str, *values: object) -> tuple[list[Any], int]:
        """Run one statement, which is a transaction of its own: the rows, and how many it changed."""
        import sqlite3

        try:
            connection, turn = self._opened.get(os.getpid()) or self._open()
            with turn:
                cursor = connection.execute(statement, values)
                return cursor.fetchall(), cursor.rowcount
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"SQLite at {self._path}: {error}") from error

    def _open(self) -> tuple[Any, threading.Lock]:
        """This process's connection, and the turn that its threads take: a connection must not cross a fork."""
        import sqlite3

        with _opening:
            if os.getpid() not in self._opened:
                self._create()
                connection = sqlite3.connect(
                    self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
                )
                try:
                    _prepare(connection)
                except BaseException:
                    connection.close()
                    raise
                self._opened[os.getpid()] = connection, threading.Lock()
            return self._opened[os.getpid()]

    def _create(self) -> None:
        """Make the file, for its owner alone. One that is there is not opened: closing it would end SQLite's locks."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            pass


def _prepare(connection: Any) -> None:
    import sqlite3

    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        pass  # another process is about it
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS sessions (key TEXT PRIMARY KEY, content BLOB NOT NULL, expires REAL NOT NULL)"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS sessions_expire ON sessions (expires)")


class RedisStore:
    """Keeps sessions in Redis: ``RedisStore("redis://localhost:6379/0")``.

    ``prefix`` begins every key; ``timeout``: seconds that one call may take, its connection included. A server that
    has failed three times in a row is left alone for a second, in which every call fails at once. Raises
    `ConfigurationError` for a URL that redis-py does not take, and where it is missing.
    """

    shared = True

    def __init__(self, url: str, prefix: str = "duoframe:session:", timeout: float = 0.25) -> None:
        try:
            import redis
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError as error:
            raise ConfigurationError(
                "RedisStore needs redis-py: install the extra, pip install 'duoframe[redis]'"
            ) from error
        self._arguments = (url, prefix, timeout)
        self._prefix = prefix
        self._failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._breaker = Breaker("Redis")
        try:
            self._client: Any = redis.Redis.from_url(
                url,
                protocol=2,
                socket_connect_timeout=timeout / 2,
                socket_timeout=timeout / 2,
                # A connection that the server has closed meanwhile is replaced at once; what was too slow is not asked
                # again.
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
        except ValueError as error:
            raise ConfigurationError(f"RedisStore: {error}") from error

    def __reduce__(self) -> tuple[type[RedisStore], tuple[str, str, float]]:
        return RedisStore, self._arguments

    def load(self, key: str) -> bytes | None:
        """What is kept under ``key``."""
        content: bytes | None = self._ask(lambda: self._client.get(self._prefix + key))
        return content

    def create(self, key: str, content: bytes, max_age: int) -> None:
        """Keep ``content`` for ``max_age`` seconds."""
        self._ask(lambda: self._client.set(self._prefix + key, content, ex=max_age))

    def replace(self, key: str, content: bytes, max_age: int, expected: bytes | None = None) -> bool:
        """The same where something is there, and is ``expected`` if that is given; whether it was."""
        name = self._prefix + key
        if expected is None:
            return bool(self._ask(lambda: self._client.set(name, content, ex=max_age, xx=True)))
        return bool(self._ask(lambda: self._client.eval(_REPLACE, 1, name, expected, content, max_age)))

    def delete(self, key: str) -> None:
        """Keep nothing under ``key``."""
        self._ask(lambda: self._client.delete(self._prefix + key))

    def close(self) -> None:
        """Close the connections of this process; the next use opens others."""
        self._client.close()

    def _ask(self, command: Callable[[], T]) -> T:
        self._breaker.admit()
        try:
            answer = command()
        except self._failures as error:
            self._breaker.failed(error)
            raise StoreUnavailable(f"Redis: {error}") from error
        self._breaker.succeeded()
        return answer


_REPLACE = """
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "EX", ARGV[3])
return 1
"""


class Breaker:
    """Leaves a server alone for a while that fails again and again, so that nobody waits for it in vain."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._failures = 0
        self._until = 0.0

    def admit(self) -> None:
        """Raise `StoreUnavailable` unless the server may be asked now."""
        if self._failures >= FAILURES:
            with _lock:
                now = time.monotonic()
                if now < self._until:
                    raise StoreUnavailable(f"{self._name} is left alone for a moment: it has failed again and again")
                self._until = now + PAUSE  # this call tries, the others still wait for what comes of it

    def failed(self, error: Exception) -> None:
        """The server was asked and did not answer as it should."""
        self._failures += 1
        self._until = time.monotonic() + PAUSE
        if self._failures == FAILURES:
            logger.error("%s has failed %d times and is left alone for a moment: %s", self._name, FAILURES, error)

    def succeeded(self) -> None:
        """The server has answered."""
        if self._failures:
            if self._failures >= FAILURES:
                logger.info("%s answers again", self._name)
            self._failures = 0


def _forget() -> None:
    global _lock, _opening  # another thread may have held them when the process was forked
    _lock, _opening = threading.Lock(), threading.Lock()


os.register_at_fork(after_in_child=_forget)
