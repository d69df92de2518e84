"""The calls that hold the thread they are made on until something outside has answered, and what to do instead.

Knows the public names of libraries, none of which is imported here; must not know source text: `names` finds out what
a call is and spells it as the patterns below do. ``Client()`` is an instance of ``Client``, ``connect()`` is what that
returned; ``{a,b}`` is either, ``*`` is any name, and ``**`` whatever stands between, or nothing.
"""

from __future__ import annotations

import functools
import itertools
import re
import sys
from types import ModuleType
from typing import Any

_THREAD = "make it on a thread, with `await anyio.to_thread.run_sync(...)`, or make the piece a `def`"
_HTTP = "use `httpx.AsyncClient`, opened in the lifespan"
_PROCESS = "use `await anyio.run_process(...)`"
_FILE = "use `anyio.open_file` or `anyio.Path`, or make the piece a `def`"
_DATABASE = "use an asynchronous driver or session, or make the piece a `def`"
_SOCKET = "use `anyio.connect_tcp`, or make the piece a `def`"
_LOCK = "use `anyio.Lock`, `anyio.Event`, `anyio.Condition` or `anyio.Semaphore`"
_QUEUE = "use `anyio.create_memory_object_stream` or `asyncio.Queue`"
_FUTURE = "await it, with `await asyncio.wrap_future(...)`"

_VERBS = "{get,options,head,post,put,patch,delete,request}"
_ROWS = "{execute,executemany,executescript,fetchone,fetchmany,fetchall,commit,rollback}"
_SESSION = "{execute,scalar,scalars,get,get_one,commit,rollback,flush,refresh,merge}"

CALLS = {
    "time.sleep": "use `await anyio.sleep(...)`",
    "builtins.input": "nobody sits in front of a server",
    "builtins.open": _FILE,
    "pathlib.Path()**.{open,read_bytes,read_text,write_bytes,write_text}": _FILE,
    "shutil.{copy,copy2,copyfile,copytree,move,rmtree,make_archive,unpack_archive}": _FILE,
    "os.{system,popen,wait,waitpid}": _PROCESS,
    "subprocess.{run,call,check_call,check_output,getoutput,getstatusoutput}": _PROCESS,
    "subprocess.Popen().{communicate,wait}": _PROCESS,
    "urllib.request.{urlopen,urlretrieve}": _HTTP,
    "http.client.{HTTPConnection,HTTPSConnection}().{connect,request,getresponse}": _HTTP,
    f"requests.{_VERBS}": _HTTP,
    f"requests.{{Session,session}}().{_VERBS}": _HTTP,
    "requests.{Session,session}().send": _HTTP,
    f"httpx.{_VERBS}": _HTTP,
    "httpx.stream": _HTTP,
    f"httpx.Client().{_VERBS}": _HTTP,
    "httpx.Client().{stream,send}": _HTTP,
    "urllib3.request": _HTTP,
    "urllib3.PoolManager().{request,urlopen}": _HTTP,
    "smtplib.{SMTP,SMTP_SSL}": _THREAD,
    "smtplib.{SMTP,SMTP_SSL}().{connect,login,quit,send_message,sendmail,starttls}": _THREAD,
    "socket.{create_connection,getaddrinfo,gethostbyaddr,gethostbyname,gethostbyname_ex,getnameinfo}": _SOCKET,
    "socket.{socket,create_connection}().{recv,recv_into,recvfrom,send,sendall,sendfile,sendto}": _SOCKET,
    "socket.socket().{accept,connect}": _SOCKET,
    "sqlite3.connect": _DATABASE,
    f"sqlite3.{{connect,Connection,Cursor}}()**.{_ROWS}": _DATABASE,
    "psycopg.{connect,Connection.connect}": _DATABASE,
    f"psycopg.{{connect,Connection.connect,Connection,Cursor}}()**.{_ROWS}": _DATABASE,
    "psycopg2.connect": _DATABASE,
    f"psycopg2.{{connect,extensions.connection,extensions.cursor}}()**.{_ROWS}": _DATABASE,
    "pymysql.connect": _DATABASE,
    f"pymysql.{{connect,connections.Connection,cursors.Cursor}}()**.{_ROWS}": _DATABASE,
    "mysql.connector.connect": _DATABASE,
    f"mysql.connector.{{connect,MySQLConnection}}()**.{_ROWS}": _DATABASE,
    "sqlalchemy.{create_engine,engine.Engine}().{connect,begin,raw_connection}": _DATABASE,
    f"sqlalchemy.{{create_engine,engine.Engine,engine.Connection}}()**.{_SESSION}": _DATABASE,
    "sqlalchemy.{MetaData,sql.schema.MetaData}().{create_all,drop_all,reflect}": _DATABASE,
    f"sqlalchemy.orm.{{Session(),sessionmaker()(),scoped_session(),scoped_session()()}}.{_SESSION}": _DATABASE,
    "sqlalchemy.orm.{Session(),sessionmaker()(),scoped_session(),scoped_session()()}.{execute,scalars,query}()**"
    ".{all,first,one,one_or_none,scalar,count,delete,update,get}": _DATABASE,
    "redis.{Redis,StrictRedis,from_url,Redis.from_url}().*": "use `redis.asyncio`",
    "redis.{Redis,StrictRedis,from_url,Redis.from_url}().pipeline().execute": "use `redis.asyncio`",
    "{boto3,boto3.Session()}.client().*": _THREAD,
    "{boto3,boto3.Session()}.resource()**.[a-z]*": _THREAD,
    "botocore.client.BaseClient().*": _THREAD,
    "threading.{Lock,RLock,Semaphore,BoundedSemaphore,Condition}().acquire": _LOCK,
    "threading.{Condition,Event,Barrier}().wait": _LOCK,
    "threading.Condition().wait_for": _LOCK,
    "threading.Thread().join": _THREAD,
    "queue.{Queue,LifoQueue,PriorityQueue,SimpleQueue}().{get,join}": _QUEUE,
    "concurrent.futures.wait": _FUTURE,
    "concurrent.futures.Future().{exception,result}": _FUTURE,
    "concurrent.futures.{ThreadPoolExecutor,ProcessPoolExecutor}().{map,shutdown}": _FUTURE,
    "concurrent.futures.{ThreadPoolExecutor,ProcessPoolExecutor}().submit().{exception,result}": _FUTURE,
    "asyncio.run_coroutine_threadsafe().{exception,result}": _FUTURE,
}
"""What to do instead of each call, by its pattern."""

HARMLESS = (
    "redis.{Redis,StrictRedis,from_url,Redis.from_url}().{client,close,lock,pipeline,pubsub,register_script}",
    "{boto3,boto3.Session()}.client().{can_paginate,close,generate_presigned_post,generate_presigned_url}",
    "{boto3,boto3.Session()}.client().{get_paginator,get_waiter}",
    "botocore.client.BaseClient().{can_paginate,close,generate_presigned_post,generate_presigned_url}",
    "botocore.client.BaseClient().{get_paginator,get_waiter}",
)
"""What fits a pattern above and waits for nothing."""

UNNAMED = {"_thread.lock": "threading.Lock", "_thread.RLock": "threading.RLock"}
"""What makes the instances of types that have no public name."""


def advice_for(spelt: str) -> str | None:
    """What to do instead of a call, or None for one that is not known to wait."""
    if any(pattern.fullmatch(spelt) for pattern in _harmless()):
        return None
    return next((advice for pattern, advice in _blocking() if pattern.fullmatch(spelt)), None)


def public_names() -> dict[int, tuple[str, Any]]:  # Any: a function or a class
    """The functions and classes that the patterns begin with, as far as they are loaded: name and object, by its id."""
    found: dict[int, tuple[str, Any]] = {}
    for name in _roots():
        value = _loaded(name)
        if value is not None:
            found.setdefault(id(value), (name, value))
    return found


@functools.cache
def _blocking() -> list[tuple[re.Pattern[str], str]]:
    return [(_compiled(pattern), advice) for pattern, advice in CALLS.items()]


@functools.cache
def _harmless() -> list[re.Pattern[str]]:
    return [_compiled(pattern) for pattern in HARMLESS]


@functools.cache
def _roots() -> list[str]:
    """What has to be known by its name: all that stands before the first call or star of a pattern."""
    return list(dict.fromkeys(re.split(r"[(*]", one)[0] for pattern in CALLS for one in _expanded(pattern)))


def _expanded(pattern: str) -> list[str]:
    """What a pattern stands for, without its braces."""
    parts = [part.split(",") for part in re.split(r"[{}]", pattern)]  # a comma stands in braces alone
    return ["".join(choice) for choice in itertools.product(*parts)]


def _compiled(pattern: str) -> re.Pattern[str]:
    words = {"**": r"(?:\.\w+(?:\(\))*)*", "*": r"\w+", "[a-z]*": r"[a-z]\w*"}
    sources = []
    for one in _expanded(pattern):
        pieces = re.split(r"(\[a-z\]\*|\*\*|\*)", one)
        sources.append("".join(words.get(piece) or re.escape(piece) for piece in pieces))
    return re.compile("|".join(sources))


def _loaded(name: str) -> Any:
    """What a dotted name stands for, where its module is loaded; nothing is imported for it."""
    parts = name.split(".")
    for count in range(len(parts) - 1, 0, -1):
        value: Any = sys.modules.get(".".join(parts[:count]))
        if value is not None:
            for part in parts[count:]:
                value = vars(value).get(part) if isinstance(value, ModuleType | type) else None
            return value
    return None
