"""Which calls are seen to hold the event loop. A line that ends in `# blocks: name` has to be told, and no other."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from duoframe.check.blocking import BlockingCall, Sources

Load = Callable[..., ModuleType]

NONE: Mapping[str, str] = {}
MARK = re.compile(r"# blocks: (\S+)")


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Writes a module, and others by their paths, and imports it; they are forgotten again."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    names = {"looked_at"}

    def load(source: str, others: Mapping[str, str] = NONE) -> ModuleType:
        for name, text in {**others, "looked_at": source}.items():
            path = tmp_path / f"{name}.py"
            path.parent.mkdir(exist_ok=True, parents=True)
            names.add(name.partition("/")[0])
            path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        return importlib.import_module("looked_at")

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] in names]:
        del sys.modules[name]


def seen(module: ModuleType, name: str = "view") -> list[BlockingCall]:
    return Sources().blocking(getattr(module, name))


def marked(*modules: ModuleType) -> list[tuple[str, int]]:
    """What the comments of the modules say."""
    found = []
    for module in modules:
        for number, line in enumerate(Path(module.__file__ or "").read_text().splitlines(), 1):
            if mark := MARK.search(line):
                found.append((mark[1], number))
    return sorted(found)


def told(calls: list[BlockingCall]) -> list[tuple[str, int]]:
    return sorted((call.call, call.line) for call in calls)


CASES = {
    "the call that everybody knows": """
        import time
        async def view():
            time.sleep(1)  # blocks: time.sleep
    """,
    "aliases": """
        import time as clock
        from time import sleep as rest
        pause = rest
        async def view():
            clock.sleep(1)  # blocks: time.sleep
            rest(1)  # blocks: time.sleep
            pause(1)  # blocks: time.sleep
            nap = clock.sleep
            nap(1)  # blocks: time.sleep
    """,
    "names that only sound like it": """
        import anyio, asyncio
        class time:
            @staticmethod
            def sleep(seconds): ...
        def open(path): ...
        def input(): ...
        class Session:
            def get(self, url): ...
        requests = Session()
        async def view(os, sqlite3):
            time.sleep(1); open("x"); input(); requests.get("x"); os.system("x"); sqlite3.connect("x")
            await asyncio.sleep(1)
            await anyio.sleep(1)
            subprocess = object()
            subprocess.run("x")
            absent.run("x")
    """,
    "what is imported inside": """
        async def view():
            import time, os.path
            import urllib.request as web
            import urllib.request
            from subprocess import run, check_output as output
            from . import nothing
            from .. import nowhere
            time.sleep(1)  # blocks: time.sleep
            os.system("x")  # blocks: os.system
            web.urlopen("x")  # blocks: urllib.request.urlopen
            urllib.request.urlopen("x")  # blocks: urllib.request.urlopen
            run("x")  # blocks: subprocess.run
            output("x")  # blocks: subprocess.check_output
            import pymysql
            import redis.asyncio as redis
            rows = pymysql.connect("x").cursor()  # blocks: pymysql.connect
            rows.execute("x")  # blocks: pymysql.connect().cursor().execute
            redis.Redis().get("x")
    """,
    "files": """
        import io, pathlib, shutil
        from pathlib import Path
        ROOT = Path(__file__).parent
        async def view(path: pathlib.Path):
            with open("x") as file:  # blocks: open
                file.read()
            io.open("x")  # blocks: open
            Path("x").read_text()  # blocks: pathlib.Path().read_text
            (ROOT / "x" / "y").with_suffix(".z").write_bytes(b"")  # blocks: pathlib.Path().with_suffix().write_bytes
            path.open()  # blocks: pathlib.Path().open
            path.exists()
            shutil.rmtree("x")  # blocks: shutil.rmtree
            input("really? ")  # blocks: input
    """,
    "processes": """
        import os, subprocess
        from subprocess import Popen
        async def view():
            child = Popen("x")
            child.poll()
            child.wait()  # blocks: subprocess.Popen().wait
            with subprocess.Popen("x") as other:
                other.communicate()  # blocks: subprocess.Popen().communicate
            os.popen("x")  # blocks: os.popen
    """,
    "HTTP clients": """
        import httpx, http.client, requests
        from requests import Session
        client = httpx.Client()
        class Api(requests.Session):
            def ask(self):
                return self.get("x")  # blocks: requests.Session().get
        async def view(session: Session | None, api: Api):
            requests.get("x").json()  # blocks: requests.get
            requests.Request("GET", "x")
            session.post("x")  # blocks: requests.Session().post
            api.put("x")  # blocks: requests.Session().put
            api.ask()
            client.get("x")  # blocks: httpx.Client().get
            client.close()
            httpx.stream("GET", "x")  # blocks: httpx.stream
            http.client.HTTPSConnection("x").request("GET", "/")  # blocks: http.client.HTTPSConnection().request
            async with httpx.AsyncClient() as waiting:
                await waiting.get("x")
    """,
    "sockets": """
        import socket
        async def view():
            with socket.create_connection(("x", 1)) as link:  # blocks: socket.create_connection
                link.sendall(b"x")  # blocks: socket.create_connection().sendall
            (mine := socket.socket()).connect(("x", 1))  # blocks: socket.socket().connect
            mine.recv(1)  # blocks: socket.socket().recv
            mine.setblocking(False)
            socket.getaddrinfo("x", 1)  # blocks: socket.getaddrinfo
    """,
    "sqlite3": """
        import sqlite3
        from sqlite3 import Connection
        shared = sqlite3.connect(":memory:")
        shared.close()
        async def view(database: Connection):
            database.cursor().execute("x")  # blocks: sqlite3.Connection().cursor().execute
            shared.commit()  # blocks: sqlite3.Connection().commit
            with sqlite3.connect("x") as mine:  # blocks: sqlite3.connect
                mine.execute("x").fetchall()  # blocks: sqlite3.connect().execute
            mine.row_factory = sqlite3.Row
    """,
    "SQLAlchemy": """
        from typing import Annotated
        import sqlalchemy, sqlalchemy.ext.asyncio as waiting
        from duoframe import Depends
        from sqlalchemy import MetaData, create_engine, select, text
        from sqlalchemy.orm import Session, scoped_session, sessionmaker
        engine = create_engine("sqlite://")
        Sessions = sessionmaker(engine)
        db = scoped_session(Sessions)
        def opened(): ...
        def fresh() -> Session: ...
        class Store:
            def session(self) -> Session: ...
        store = Store()
        async def view(session: Annotated[Session, Depends(opened)], other: waiting.AsyncSession, make: sessionmaker):
            make().commit()  # blocks: sqlalchemy.orm.sessionmaker()().commit
            store.session().commit()  # blocks: sqlalchemy.orm.Session().commit
            session.execute(select(1)).all()  # blocks: sqlalchemy.orm.Session().execute
            session.query(1).filter(2).first()  # blocks: sqlalchemy.orm.Session().query().filter().first
            session.add(1); session.delete(1)
            session.commit()  # blocks: sqlalchemy.orm.Session().commit
            with engine.begin() as connection:  # blocks: sqlalchemy.engine.Engine().begin
                connection.execute(text("x"))  # blocks: sqlalchemy.engine.Engine().begin().execute
            with Sessions() as mine:
                mine.scalars(select(1))  # blocks: sqlalchemy.orm.sessionmaker()().scalars
            db.flush()  # blocks: sqlalchemy.orm.scoped_session().flush
            fresh().refresh(1)  # blocks: sqlalchemy.orm.Session().refresh
            sqlalchemy.MetaData().create_all(engine)  # blocks: sqlalchemy.MetaData().create_all
            await other.execute(select(1))
            await other.commit()
    """,
    "Redis": """
        import redis, redis.asyncio as waiting
        store = redis.Redis()
        other = waiting.Redis()
        async def view():
            store.get("x")  # blocks: redis.Redis().get
            pipe = store.pipeline()
            pipe.set("x", 1)
            pipe.execute()  # blocks: redis.Redis().pipeline().execute
            redis.Redis.from_url("x").ping()  # blocks: redis.Redis.from_url().ping
            await other.get("x")
    """,
    "locks, queues and futures": """
        import asyncio, concurrent.futures, queue, threading
        from concurrent.futures import ThreadPoolExecutor
        lock, other, event, todo = threading.Lock(), threading.RLock(), threading.Event(), queue.Queue()
        pool = ThreadPoolExecutor()
        gate = asyncio.Lock()
        async def view(future: concurrent.futures.Future):
            lock.acquire()  # blocks: threading.Lock().acquire
            lock.acquire(False)
            other.acquire(blocking=False)
            other.acquire(timeout=3)  # blocks: threading.RLock().acquire
            event.set(); event.wait()  # blocks: threading.Event().wait
            todo.get()  # blocks: queue.Queue().get
            todo.get(block=False)
            todo.get_nowait(); todo.put(1)
            threading.Lock().acquire()  # blocks: threading.Lock().acquire
            await gate.acquire()
            pool.submit(print).result()  # blocks: concurrent.futures.ThreadPoolExecutor().submit().result
            future.result()  # blocks: concurrent.futures.Future().result
            future.done()
            asyncio.create_task(gate.acquire()).result()
    """,
    "what runs somewhere else": """
        import asyncio, time, anyio, requests
        from anyio import to_thread
        from anyio.to_thread import run_sync
        async def view():
            await to_thread.run_sync(time.sleep, 1)
            await run_sync(lambda: requests.get("x"))
            await asyncio.to_thread(requests.get, "x")
            def inner():
                time.sleep(1)
            async def other():
                time.sleep(1)
            class Third:
                time.sleep(0)
            await run_sync(inner)
            await run_sync(print, requests.get("x"))  # blocks: requests.get
    """,
    "wherever it stands": """
        import time
        async def view(request):
            nap: object = time.sleep
            later: object
            for _ in [time.sleep(1)]:  # blocks: time.sleep
                if time.sleep(2):  # blocks: time.sleep
                    pass
            try:
                nap(3)  # blocks: time.sleep
            finally:
                {1: [time.sleep(n) for n in ()]}  # blocks: time.sleep
            match request:
                case [clock, *rest] | {"x": clock, **rest}:
                    clock.sleep(5)
                    rest.sleep(5)
                case {"y": 1}:
                    pass
            one, two = time, time
            one.sleep(6)
            await (time and two)
            yield
    """,
    "a name of the function's own": """
        import time
        clock = time
        async def view(*requests, sleep=time.sleep, **os):
            global clock
            clock.sleep(1)  # blocks: time.sleep
            requests[0].get("x")
            os.system("x")
            try:
                pass
            except Exception as time:
                time.sleep(1)
    """,
}


@pytest.mark.parametrize("source", CASES.values(), ids=CASES)
def test_calls_that_hold_the_loop_are_told_by_line(load: Load, source: str) -> None:
    module = load(source)
    assert told(seen(module)) == marked(module)


# Whose functions are followed.


def test_functions_of_the_project_are_followed_two_calls_deep(load: Load) -> None:
    module = load(
        """
        import time
        import other
        from other import Service
        service = Service()
        def one():
            time.sleep(1)  # blocks: time.sleep
            two()
        def two():
            time.sleep(2)  # blocks: time.sleep
            three()
        def three():
            time.sleep(3)
        class View:
            def __init__(self):
                time.sleep(4)  # blocks: time.sleep
            async def get(self):
                self.help()
            def help(self):
                time.sleep(5)  # blocks: time.sleep
        async def view():
            one()
            View()
            other.load()
            await service.fetch()
            Service.make()
            service.count()
            service.absent()
            await View().get()
            one()
        """,
        {
            "other": """
        import time
        from contextlib import contextmanager
        def load():
            with held():
                pass
        @contextmanager
        def held():
            time.sleep(6)  # blocks: time.sleep
            yield
        class Service:
            def __init__(self):
                self.clock = time
            async def fetch(self):
                self.clock.sleep(7)  # blocks: time.sleep
                time.sleep(8)  # blocks: time.sleep
            @classmethod
            def make(cls):
                time.sleep(9)  # blocks: time.sleep
            @staticmethod
            def count():
                time.sleep(10)  # blocks: time.sleep
        """
        },
    )
    calls = seen(module)
    assert told(calls) == marked(module, sys.modules["other"])
    ways = {call.via for call in calls}
    assert {("one",), ("one", "two"), ("load", "held"), ("View.get", "View.help"), ("Service.fetch",)} <= ways


def test_what_is_near_is_followed_first(load: Load) -> None:
    """Though it has been reached from further away before."""
    module = load(
        """
        import time
        def far():
            near()
        def near():
            further()
        def further():
            time.sleep(1)  # blocks: time.sleep
        async def view():
            far()
            near()
        """
    )
    assert [call.via for call in seen(module)] == [("near", "further")]


def test_a_function_that_calls_itself_is_looked_at_once(load: Load) -> None:
    module = load("import time\nasync def view():\n    time.sleep(1)  # blocks: time.sleep\n    await view()\n")
    assert told(seen(module)) == marked(module)


def test_the_rest_of_a_package_is_followed_and_other_packages_are_not(load: Load) -> None:
    module = load(
        "from shop.web import view",
        {
            "shop/web": """
            from shop.deep.store import load
            from stock.store import count
            async def view():
                load()
                count()
            """,
            "shop/deep/store": """
            import time
            def load():
                time.sleep(1)  # blocks: time.sleep
            """,
            "stock/store": """
            import time
            def count():
                time.sleep(1)
            """,
        },
    )
    assert told(seen(module)) == marked(sys.modules["shop.deep.store"])


def test_decorators_partials_methods_and_objects_are_looked_through(load: Load) -> None:
    module = load(
        """
        import functools, time
        def logged(function):
            @functools.wraps(function)
            async def wrapper(*args):
                time.sleep(1)  # blocks: time.sleep
                return await function(*args)
            return wrapper
        @logged
        async def wrapped():
            time.sleep(2)  # blocks: time.sleep
        @functools.lru_cache
        def cached():
            time.sleep(3)  # blocks: time.sleep
        class Page:
            async def __call__(self):
                time.sleep(4)  # blocks: time.sleep
                self.help()
            async def show(self):
                self.help()
            def help(self):
                time.sleep(5)  # blocks: time.sleep
        page = Page()
        shown = page.show
        part = functools.partial(wrapped)
        async def view():
            cached()
            await shown()
        """
    )
    found = [call for name in ("part", "page", "view") for call in seen(module, name)]
    assert sorted(set(told(found))) == marked(module)


def test_proxies_and_properties_are_left_alone(load: Load) -> None:
    """Nothing of a user's is run to find out what it is."""
    module = load(
        """
        import time
        from werkzeug.local import LocalProxy
        def fail(*args):
            raise AssertionError("it was asked")
        proxy = LocalProxy(fail)
        class Lazy:
            clock = property(fail)
            __getattr__ = fail
            helper = len
        lazy = Lazy()
        class Slots:
            __slots__ = ("clock",)
        slots = Slots()
        async def view():
            proxy.sleep(1); proxy(); proxy.a.b()
            lazy.clock.sleep(1); lazy.other(); lazy.helper(); lazy()
            slots.clock.sleep(1)
            Lazy.clock(); Lazy.absent()
            time.sleep(1)  # blocks: time.sleep
        """
    )
    assert told(seen(module)) == marked(module)


def test_annotations_that_nobody_knows_do_no_harm(load: Load) -> None:
    module = load(
        """
        import time
        def helper() -> "Absent": ...
        def other(x: "Absent"):
            time.sleep(2)  # blocks: time.sleep
        async def view(x: "Absent | None"):
            helper().get()
            other(x).get()
            time()
            time.sleep(1)  # blocks: time.sleep
        """
    )
    assert told(seen(module)) == marked(module)


def test_a_variable_around_the_function_is_known_once_it_has_a_value(load: Load) -> None:
    module = load(
        """
        import time
        def make():
            clock = time
            async def view():
                clock.sleep(1)  # blocks: time.sleep
                later.sleep(1)
            if False:
                later = time
            return view
        view = make()
        """
    )
    assert told(seen(module)) == marked(module)


@pytest.mark.parametrize("change", ["", "def (:", "\0", "# another file by now"])
def test_source_that_is_not_there_any_more_is_passed_over(load: Load, change: str) -> None:
    module = load("import time\nasync def view():\n    time.sleep(1)\n")
    Path(module.__file__ or "").write_text(change)
    assert seen(module) == []


def test_code_without_a_file_and_code_of_the_framework_are_passed_over() -> None:
    from duoframe.docspage import add_page

    space: dict[str, object] = {}
    exec("import time\nasync def view():\n    time.sleep(1)\n", space)
    assert Sources().blocking(space["view"]) == []  # type: ignore[arg-type]  # it is a function
    assert Sources().blocking(add_page) == []
    assert Sources().blocking(len) == []


def test_a_def_below_a_wrapper_that_waits_is_looked_at_where_the_wrapper_calls_it(load: Load) -> None:
    """asgiref's sync_to_async, and wrappers like it, call it on a thread."""
    module = load(
        """
        import functools, time
        import anyio
        from asgiref.sync import sync_to_async
        def on_a_thread(function):
            @functools.wraps(function)
            async def wrapper():
                return await anyio.to_thread.run_sync(function)
            return wrapper
        def in_place(function):
            @functools.wraps(function)
            async def wrapper():
                return function()
            return wrapper
        @on_a_thread
        def handed():
            time.sleep(1)
        @in_place
        def called():
            time.sleep(2)  # blocks: time.sleep
        @sync_to_async
        def adapted():
            time.sleep(3)
        async def view():
            await handed(); await adapted(); await called()
        """
    )
    assert told(seen(module)) == marked(module)
    assert seen(module, "handed") == seen(module, "adapted") == []
    assert [call.via for call in seen(module, "called")] == [("called",)]


def test_flask_sqlalchemy_is_seen_through(load: Load) -> None:
    module = load(
        """
        from flask import Flask
        from flask_sqlalchemy import SQLAlchemy
        flask = Flask("x")
        flask.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
        db = SQLAlchemy(flask)
        async def view():
            db.session.execute("x")  # blocks: sqlalchemy.orm.scoped_session().execute
            db.session.add("x")
        """
    )
    assert told(seen(module)) == marked(module)


def test_what_was_looked_at_once_is_remembered(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("import time\nasync def view():\n    time.sleep(1)\n")
    sources = Sources()
    once = sources.blocking(module.view)
    monkeypatch.setattr(Sources, "_search", None)
    assert sources.blocking(module.view) is once
