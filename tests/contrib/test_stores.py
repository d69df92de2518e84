"""Stores of sessions: what each of them keeps, for how long, and what happens when it cannot."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from duoframe import App, ConfigurationError, Request
from duoframe.contrib import stores
from duoframe.contrib.stores import FAILURES, PAUSE, SWEEP_EVERY, MemoryStore, RedisStore, SQLiteStore
from duoframe.middleware.sessions import ServerSessions
from duoframe.sessions import Store, StoreUnavailable
from duoframe.testing import Exchange
from tests.conftest import Ask, MakeApp
from tests.contrib.conftest import RedisServer

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
        return
    made: Any
    if request.param == "sqlite":
        made = SQLiteStore(tmp_path / "sessions.db")
    else:
        made = RedisStore(request.getfixturevalue("redis_server").url)
    yield made
    made.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[SQLiteStore]:
    made = SQLiteStore(tmp_path / "sessions.db")
    yield made
    made.close()


@pytest.fixture
def redis_store(redis_server: RedisServer) -> Iterator[RedisStore]:
    made = RedisStore(redis_server.url)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clocks of the stores stand still; a test sets them."""
    now = [time.time()]
    monkeypatch.setattr(stores, "time", SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0]))
    return now


# What every store does


def test_what_is_kept_is_there_until_it_is_deleted(store: Store) -> None:
    content = bytes(range(256))
    assert store.load("a") is None
    store.create("a", content, 60)
    store.create("b", b"other", 60)
    assert store.load("a") == content
    store.delete("a")
    store.delete("a")
    assert (store.load("a"), store.load("b")) == (None, b"other")


def test_only_what_is_there_is_replaced(store: Store) -> None:
    """C-11, R36."""
    assert store.replace("a", b"1", 60) is False
    assert store.load("a") is None
    store.create("a", b"1", 60)
    assert store.replace("a", b"2", 60) is True
    assert store.load("a") == b"2"


def test_what_is_replaced_may_have_to_be_what_was_read(store: Store) -> None:
    """C-11."""
    assert store.replace("a", b"1", 60, b"0") is False
    store.create("a", b"1", 60)
    assert store.replace("a", b"2", 60, b"1") is True
    assert store.replace("a", b"3", 60, b"1") is False
    assert store.load("a") == b"2"


def test_of_many_that_replace_the_same_content_one_succeeds(store: Store) -> None:
    """C-11: eight threads at once."""
    store.create("a", b"0", 60)
    ready = threading.Barrier(8)

    def change(number: int) -> bool:
        ready.wait(10)
        return store.replace("a", b"%d" % number, 60, b"0")

    with ThreadPoolExecutor(8) as threads:
        changed = list(threads.map(change, range(1, 9)))
    assert changed.count(True) == 1
    assert store.load("a") == b"%d" % (changed.index(True) + 1)


def test_a_copy_works_too(store: Any) -> None:
    """An application that a host pickles or copies keeps its store."""
    for made in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        made.create("copied", b"1", 60)
        assert made.load("copied") == b"1"
        getattr(made, "close", bool)()
        assert made.shared is store.shared


FORK = """
import os, pickle, sys
from duoframe.contrib import stores

store = pickle.loads(bytes.fromhex(sys.argv[1]))
store.create("a", b"parent", 60)
stores._lock.acquire()
stores._opening.acquire()
child = os.fork()
if child == 0:
    os._exit(0 if store.load("a") == b"parent" and store.replace("a", b"child", 60) else 1)
stores._lock.release()
stores._opening.release()
assert os.waitpid(child, 0)[1] == 0
print(store.load("a").decode(), store.replace("a", b"again", 60))
getattr(store, "close", bool)()
"""


def test_a_store_that_was_used_survives_a_fork(store: Store) -> None:
    """So does one whose locks another thread holds at that moment."""
    script = [sys.executable, "-c", FORK, pickle.dumps(store).hex()]
    done = subprocess.run(script, capture_output=True, timeout=30, check=False, cwd=ROOT)
    said = done.stdout.decode().strip(), done.stderr.decode()
    assert said == ("child True" if store.shared else "parent True", "")


def test_a_lock_that_was_held_during_a_fork_is_forgotten() -> None:
    with stores._lock, stores._opening:
        stores._forget()
        assert not stores._lock.locked()
        assert not stores._opening.locked()


# In memory and in a file


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_has_expired_is_not_there_and_is_swept(kind: str, sqlite_store: SQLiteStore, clock: list[float]) -> None:
    memory = MemoryStore()
    store: Any = memory if kind == "memory" else sqlite_store

    def count() -> int:
        if kind == "memory":
            return len(memory._kept)
        return int(sqlite_store._run("SELECT count(*) FROM sessions")[0][0][0])

    store.create("short", b"1", 10)
    store.create("long", b"2", 1000)
    clock[0] += 9
    assert store.load("short") == b"1"
    clock[0] += 1
    assert store.load("short") is None
    assert store.replace("short", b"3", 10) is False
    assert store.replace("short", b"3", 10, b"1") is False
    store.create("new", b"4", 1000)
    assert count() == 3
    clock[0] += SWEEP_EVERY
    store.create("newer", b"5", 1000)
    assert count() == 3
    assert store.replace("long", b"2", 2000) is True
    clock[0] += 1500
    assert store.load("long") == b"2"


def test_the_file_is_its_owner_s_and_is_shared_between_stores(tmp_path: Path, sqlite_store: SQLiteStore) -> None:
    sqlite_store.create("a", b"1", 60)
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    other = SQLiteStore(str(tmp_path / "sessions.db"))
    assert other.load("a") == b"1"
    other.close()
    other.close()
    assert sqlite_store.replace("a", b"2", 60)


def test_a_file_is_opened_once_by_however_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, opened = sqlite3.connect, []

    def note(*args: Any, **options: Any) -> Any:
        opened.append(args)
        return connect(*args, **options)

    monkeypatch.setattr(sqlite3, "connect", note)
    store = SQLiteStore(tmp_path / "sessions.db")
    ready = threading.Barrier(8)

    def keep(key: str) -> bytes | None:
        ready.wait(10)
        store.create(key, key.encode(), 60)
        return store.load(key)

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(keep, "abcdefgh")) == [key.encode() for key in "abcdefgh"]
    assert store._open() is store._open()
    assert len(opened) == 1
    store.close()


KEEP = """
import sys
from duoframe.contrib.stores import SQLiteStore
sys.stdin.readline()
store = SQLiteStore(sys.argv[1])
store.create(sys.argv[2], b"x", 60)
store.close()
"""


def test_a_file_is_made_by_however_many_processes(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    arguments = [[sys.executable, "-c", KEEP, str(path), name] for name in "abcd"]
    processes = [subprocess.Popen(each, stdin=subprocess.PIPE, cwd=ROOT) for each in arguments]
    for process in processes:
        assert process.stdin
        process.stdin.write(b"go\n")
        process.stdin.close()
    assert [process.wait(30) for process in processes] == [0] * 4
    store = SQLiteStore(path)
    assert [store.load(name) for name in "abcd"] == [b"x"] * 4
    store.close()


def test_a_file_that_somebody_is_making_is_not_available(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    store = SQLiteStore(tmp_path / "sessions.db", timeout=0.01)
    with pytest.raises(StoreUnavailable, match="locked"):
        store.load("a")
    other.close()
    store.create("a", b"1", 60)
    store.close()


def test_a_file_that_cannot_be_used_is_a_store_that_is_not_available(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be looked at as one" * 20)
    for path in (tmp_path / "absent" / "sessions.db", tmp_path, tmp_path / "text"):
        store = SQLiteStore(path)
        with pytest.raises(StoreUnavailable, match=f"SQLite at {path}: "):
            store.load("a")
        assert store._opened == {}


def test_a_file_that_somebody_else_keeps_locked_is_not_available(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db", timeout=0.01)
    store.create("a", b"1", 60)
    other = sqlite3.connect(tmp_path / "sessions.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        store.create("b", b"1", 60)
    assert store.load("a") == b"1"
    other.close()
    store.create("b", b"1", 60)
    store.close()


# In Redis


def test_redis_forgets_by_itself_and_under_a_prefix(redis_store: RedisStore, redis_server: RedisServer) -> None:
    redis_store.create("a", b"1", 60)
    redis_store.create("b", b"1", 60)
    redis_store.replace("a", b"2", 600)
    redis_store.replace("b", b"2", 6000, b"1")
    with redis.Redis.from_url(redis_server.url) as client:
        assert sorted(client.keys()) == [b"duoframe:session:a", b"duoframe:session:b"]
        assert 500 < client.ttl("duoframe:session:a") <= 600
        assert 5000 < client.ttl("duoframe:session:b") <= 6000


def test_a_url_that_names_no_redis_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="RedisStore: "):
        RedisStore("http://localhost")


def test_without_redis_py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'duoframe\[redis\]'"):
        RedisStore("redis://localhost")


def test_a_server_that_came_back_is_used_at_once(redis_store: RedisStore, redis_server: RedisServer) -> None:
    """Connections that it closed meanwhile are no failure."""
    redis_store.create("a", b"1", 60)
    redis_server.stop()
    redis_server.start()
    assert redis_store.load("a") is None


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_a_server_that_fails_is_left_alone_and_then_tried_once(
    redis_store: RedisStore,
    redis_server: RedisServer,
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    """C-15: circuit breaker."""
    caplog.set_level(logging.INFO)
    redis_store.create("a", b"1", 60)
    getattr(redis_server, how)()
    for _ in range(FAILURES):
        with pytest.raises(StoreUnavailable, match=r"^Redis: "):
            redis_store.load("a")
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="left alone"):
            redis_store.load("a")
    clock[0] += PAUSE
    with pytest.raises(StoreUnavailable, match=r"^Redis: "):
        redis_store.load("a")
    with pytest.raises(StoreUnavailable, match="left alone"):
        redis_store.load("a")
    getattr(redis_server, {"pause": "resume", "stop": "start"}[how])()
    with pytest.raises(StoreUnavailable, match="left alone"):
        redis_store.load("a")
    clock[0] += PAUSE
    redis_store.create("b", b"2", 60)
    assert redis_store.load("b") == b"2"
    levels = [(record.levelname, record.getMessage().partition(":")[0]) for record in caplog.records]
    assert levels == [
        ("ERROR", f"Redis has failed {FAILURES} times and is left alone for a moment"),
        ("INFO", "Redis answers again"),
    ]


def test_one_failure_does_not_open_the_circuit(redis_store: RedisStore, redis_server: RedisServer) -> None:
    """C-15."""
    for _ in range(2 * FAILURES):
        redis_server.pause()
        with pytest.raises(StoreUnavailable, match=r"^Redis: "):
            redis_store.load("a")
        redis_server.resume()
        assert redis_store.load("a") is None


# Sessions in a store that fails


def site(make_app: MakeApp, colour: Paint, store: Any, **options: Any) -> App:
    def count(request: Request) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return int(request.session["count"])

    app = make_app(middleware=[ServerSessions(store, **options)])
    app.get("/count")(colour(count))
    app.get("/show")(colour(lambda request: [request.session.copy(), request.session.error]))
    app.get("/untouched")(colour(lambda: "ok"))
    return app


def fields(answer: Exchange, name: str) -> list[str]:
    return [value for found, value in answer.headers if found == name]


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_sessions_are_refused_while_redis_is_down_or_slow(
    make_app: MakeApp, ask: Ask, colour: Paint, redis_store: RedisStore, redis_server: RedisServer, how: str
) -> None:
    """C-15: fail closed, which is what happens unless something else is asked for."""
    app = site(make_app, colour, redis_store)
    cookie = fields(ask(app, "GET", b"/count"), "set-cookie")[0].partition(";")[0].encode()
    getattr(redis_server, how)()
    for target, sent in ((b"/count", [(b"cookie", cookie)]), (b"/untouched", [(b"cookie", cookie)]), (b"/count", [])):
        answer = ask(app, "GET", target, headers=sent)
        assert (answer.status, fields(answer, "retry-after"), fields(answer, "set-cookie")) == (503, ["1"], [])
    assert ask(app, "GET", b"/untouched").status == 200


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_sessions_may_be_empty_while_redis_is_down_or_slow(
    make_app: MakeApp,
    ask: Ask,
    colour: Paint,
    redis_store: RedisStore,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    """C-15: nothing that was kept is lost, and nothing is kept."""
    app = site(make_app, colour, redis_store, required=False)
    cookie = fields(ask(app, "GET", b"/count"), "set-cookie")[0].partition(";")[0].encode()
    getattr(redis_server, how)()
    sent = [(b"cookie", cookie)]
    answer = ask(app, "GET", b"/show", headers=sent)
    assert json.loads(answer.body) == [{}, "the store of sessions is not available"]
    assert fields(answer, "set-cookie") == []
    for given in (sent, []):
        answer = ask(app, "GET", b"/count", headers=given)
        assert (answer.status, answer.body, fields(answer, "set-cookie")) == (200, b"1", [])
    assert "sessions: Redis: " in caplog.text


def test_sessions_survive_a_pause_of_redis(
    make_app: MakeApp, ask: Ask, colour: Paint, redis_store: RedisStore, redis_server: RedisServer
) -> None:
    """C-15."""
    app = site(make_app, colour, redis_store)
    cookie = fields(ask(app, "GET", b"/count"), "set-cookie")[0].partition(";")[0].encode()
    redis_server.pause()
    assert ask(app, "GET", b"/count", headers=[(b"cookie", cookie)]).status == 503
    redis_server.resume()
    assert ask(app, "GET", b"/count", headers=[(b"cookie", cookie)]).body == b"2"


def test_redis_is_given_a_quarter_of_a_second(redis_server: RedisServer) -> None:
    """C-15: for the connection and the answer together."""
    connection = RedisStore(redis_server.url)._client.connection_pool.connection_kwargs
    assert connection["socket_connect_timeout"] + connection["socket_timeout"] <= 0.25
    assert redis.TimeoutError not in connection["retry"]._supported_errors
