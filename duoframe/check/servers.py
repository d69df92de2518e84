"""Which protocol each installed server will speak to an application object.

Knows servers by the packages that bring them, and asks those that look at the object to look at it; starts none.
`docs/reference/servers.md` says the same of every server that is tested.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple


@dataclass(frozen=True)
class Pick:
    """What one server does with the object."""

    server: str
    """The command, without the target."""
    version: str
    interface: str
    """``"WSGI"``, ``"ASGI"``, ``"ASGI 2"``, or ``"either"`` where an option says."""
    reason: str
    wanted: bool
    """Whether that is what the application is made for."""


class _Server(NamedTuple):
    command: str
    package: str
    pick: Callable[[Any], tuple[str, str]]  # Any: the object, whatever it is
    wanted: str
    needs: Callable[[], bool] = lambda: True
    """Whether the server as it is installed knows this command."""


def picks(application: Any) -> list[Pick]:  # Any: as above
    """What each installed server picks for ``application``."""
    return [*_picks(application)]


def _picks(application: Any) -> Iterator[Pick]:
    for server in SERVERS:
        try:
            found = version(server.package)
        except PackageNotFoundError:
            continue
        if server.needs():
            interface, reason = server.pick(application)
            yield Pick(server.command, found, interface, reason, interface == server.wanted)


def _always(interface: str) -> Callable[[Any], tuple[str, str]]:
    return lambda application: (interface, f"always calls {interface}")


def _by_option(application: Any) -> tuple[str, str]:
    return "either", "as `--interface asgi` or `wsgi` says; without that it speaks RSGI, which the application refuses"


def _by_uvicorn(application: Any) -> tuple[str, str]:
    def ask() -> bool:
        module: Any = importlib.import_module("uvicorn.config")
        config = module.Config(
            application, interface="auto", http="h11", loop="asyncio", ws="none", lifespan="off", log_config=None
        )
        config.load()
        return bool(config.interface == "asgi3")

    return _answered(application, ask, "ASGI 2")


def _by_hypercorn(application: Any) -> tuple[str, str]:
    def ask() -> bool:
        module: Any = importlib.import_module("hypercorn.utils")
        return bool(module.is_asgi(application))

    return _answered(application, ask, "WSGI")


def _by_daphne(application: Any) -> tuple[str, str]:
    def ask() -> bool:
        module: Any = importlib.import_module("asgiref.compatibility")
        return not module.is_double_callable(application)

    return _answered(application, ask, "ASGI 2")


def _answered(application: Any, ask: Callable[[], bool], otherwise: str) -> tuple[str, str]:
    """What the server's own code says; where that is another by now, what its documentation says."""
    try:
        looks = ask()
        by = "its own check says so"
    except Exception:
        looks = inspect.iscoroutinefunction(application.__call__)
        by = "it looks whether `__call__` is a coroutine function"
    return ("ASGI", by) if looks else (otherwise, by)


def _has_own_worker() -> bool:
    try:
        workers: Any = importlib.import_module("gunicorn.workers")
    except ImportError:
        return False
    return "asgi" in workers.SUPPORTED_WORKERS


SERVERS = (
    _Server("gunicorn", "gunicorn", _always("WSGI"), "WSGI"),
    _Server("gunicorn -k asgi", "gunicorn", _always("ASGI"), "ASGI", _has_own_worker),
    _Server("gunicorn -k uvicorn_worker.UvicornWorker", "uvicorn-worker", _by_uvicorn, "ASGI"),
    _Server("uvicorn", "uvicorn", _by_uvicorn, "ASGI"),
    _Server("hypercorn", "hypercorn", _by_hypercorn, "ASGI"),
    _Server("granian", "granian", _by_option, "either"),
    _Server("waitress-serve", "waitress", _always("WSGI"), "WSGI"),
    _Server("daphne", "daphne", _by_daphne, "ASGI"),
    _Server("uwsgi", "uWSGI", _always("WSGI"), "WSGI"),
    _Server("uwsgi", "pyuwsgi", _always("WSGI"), "WSGI"),
)
"""The servers, in the order in which they are told."""
