"""The table of servers: how each is started and what is known of it.

`docs/reference/servers.md` tells users the same. The tests hold both to the truth: `process` starts what stands here.
"""

import sys
from dataclasses import dataclass, field
from typing import Literal

MAX_BODY_SIZE = 65_536
"""What the served app takes, in bytes."""

THREADS = 40
STREAMS = 4
"""What the app with mounted applications has of both (`tests/mounted/bare.py`)."""


@dataclass(frozen=True)
class Setup:
    """One way to serve the app of `served`; `{port}` in the command is filled in."""

    name: str
    door: Literal["wsgi", "asgi"]
    command: str
    """Run from the environment's folder of programs."""
    hooks_at_sigterm: bool = True
    """Whether shut-down hooks run when the server is told to stop."""
    finishes: bool = False
    """Whether it promises to finish the requests in flight before it stops."""
    ends_events: bool = False
    """Whether a stream of events then comes to its end, and the server with it, in less than its grace period."""
    together: int = 20
    """How many `def` requests of the test it has under way at one time."""
    takes_chunked: bool = True
    """Whether it hands on a request body that came in chunks."""
    calls_early: bool = True
    """Whether it calls the app before the whole request body has come."""
    tells_leaving: bool = True
    """Whether a handler can know that its client has left."""
    environment: dict[str, str] = field(default_factory=dict)


GUNICORN = "gunicorn --no-control-socket --bind 127.0.0.1:{port} tests.servers.served:app"
UVICORN = "uvicorn --port {port} tests.servers.served:app"
HYPERCORN = "hypercorn --bind 127.0.0.1:{port} tests.servers.served:app"
GRANIAN = "granian --port {port} tests.servers.served:app"
WAITRESS = (
    "waitress-serve --listen 127.0.0.1:{port} --threads 32 --channel-request-lookahead 1 tests.servers.served:app"
)
DAPHNE = "daphne -b 127.0.0.1 -p {port} tests.servers.served:app"
UWSGI = (
    "uwsgi --http-socket 127.0.0.1:{port} --module tests.servers.served:app --need-app --master"
    " --hook-master-start 'unix_signal:15 gracefully_kill_them_all'"  # its own SIGTERM means reload
)
WSGIREF = """python -c "
from wsgiref.simple_server import make_server
from tests.servers.served import app
make_server('127.0.0.1', {port}, app).serve_forever()" """

SETUPS = [
    Setup("gunicorn-sync", "wsgi", GUNICORN, together=1),
    Setup("gunicorn-gthread", "wsgi", f"{GUNICORN} --threads 64", finishes=True, ends_events=True),
    Setup("gunicorn-preload", "wsgi", f"{GUNICORN} --threads 32 --preload", environment={"SERVED_EARLY": "1"}),
    Setup("gunicorn-asgi", "asgi", f"{GUNICORN} -k asgi", finishes=True, ends_events=True),
    Setup("gunicorn-uvicorn", "asgi", f"{GUNICORN} -k uvicorn_worker.UvicornWorker", ends_events=True),
    Setup(
        "uvicorn-httptools-uvloop", "asgi", f"{UVICORN} --http httptools --loop uvloop", finishes=True, ends_events=True
    ),
    Setup("uvicorn-h11-asyncio", "asgi", f"{UVICORN} --http h11 --loop asyncio", ends_events=True),
    Setup("uvicorn-2-workers", "asgi", f"{UVICORN} --workers 2", ends_events=True),
    Setup(
        "hypercorn-asyncio",
        "asgi",
        HYPERCORN,
        finishes=True,
        ends_events=sys.version_info < (3, 12),  # from then on asyncio waits for open connections before hypercorn does
    ),
    Setup("hypercorn-trio", "asgi", f"{HYPERCORN} -k trio", ends_events=True),
    Setup("granian-asgi", "asgi", f"{GRANIAN} --interface asgi", finishes=True, ends_events=True),
    Setup(
        "granian-wsgi",
        "wsgi",
        f"{GRANIAN} --interface wsgi --blocking-threads 32",
        hooks_at_sigterm=sys.version_info >= (3, 13),  # from then on multiprocessing's children run exit functions
        tells_leaving=False,
    ),
    Setup("waitress", "wsgi", WAITRESS, hooks_at_sigterm=False),
    Setup("wsgiref", "wsgi", WSGIREF, hooks_at_sigterm=False, together=1, takes_chunked=False, tells_leaving=False),
    Setup("daphne", "asgi", DAPHNE, hooks_at_sigterm=False, calls_early=False),
    Setup("uwsgi", "wsgi", UWSGI, together=1, takes_chunked=False, tells_leaving=False),
    Setup(
        "uwsgi-threads",
        "wsgi",
        f"{UWSGI} --enable-threads --threads 64",
        finishes=True,
        takes_chunked=False,
        tells_leaving=False,
    ),
]
