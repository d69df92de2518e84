"""What each installed server picks, by its own check where it has one."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import sys
import types
from typing import Any

import pytest

from duoframe import App
from duoframe.check import servers
from duoframe.check.servers import Pick, picks

PICKED = {
    "gunicorn": "WSGI",
    "gunicorn -k asgi": "ASGI",
    "gunicorn -k uvicorn_worker.UvicornWorker": "ASGI",
    "uvicorn": "ASGI",
    "hypercorn": "ASGI",
    "granian": "either",
    "waitress-serve": "WSGI",
    "daphne": "ASGI",
    "uwsgi": "WSGI",
}
"""As `tests/servers/` finds when it starts each of them."""


class Plain(App):
    """Overrides what App says of its call, as a careless subclass does."""

    def __init__(self) -> None:
        super().__init__()
        vars(self).pop("__call__", None)

    def __call__(self, scope: Any, receive: Any, send: Any = None) -> Any:
        return super().__call__(scope, receive, send)


def by_command(found: list[Pick]) -> dict[str, str]:
    return {pick.server: pick.interface for pick in found}


def test_every_installed_server_picks_what_it_is_made_for() -> None:
    found = picks(App())
    assert by_command(found) == PICKED
    assert all(pick.wanted for pick in found)
    assert {pick.server: pick.version for pick in found}["uvicorn"] == importlib.metadata.version("uvicorn")


def test_those_that_look_see_what_a_subclass_has_hidden() -> None:
    found = picks(Plain())
    assert {pick.server: pick.interface for pick in found if not pick.wanted} == {
        "gunicorn -k uvicorn_worker.UvicornWorker": "ASGI 2",
        "uvicorn": "ASGI 2",
        "hypercorn": "WSGI",
    }


def test_what_is_not_installed_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "waitress":
            return "3.0"
        raise importlib.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(servers, "version", version)
    assert picks(App()) == [Pick("waitress-serve", "3.0", "WSGI", "always calls WSGI", True)]


@pytest.mark.parametrize("application", [App, Plain])
def test_a_server_whose_check_has_gone_is_told_by_its_documentation(
    monkeypatch: pytest.MonkeyPatch, application: type[App]
) -> None:
    usual = by_command(picks(application()))
    for name in ("uvicorn.config", "hypercorn.utils", "asgiref.compatibility"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    found = picks(application())
    made = application()
    assert inspect.iscoroutinefunction(made.__call__) is (application is App)
    daphne = {"daphne": "ASGI 2"} if application is Plain else {}  # which sees a mark of ours as well
    assert by_command(found) == {**usual, **daphne}
    assert {pick.reason for pick in found if pick.server == "uvicorn"} == {
        "it looks whether `__call__` is a coroutine function"
    }


@pytest.mark.parametrize("workers", [None, types.SimpleNamespace(SUPPORTED_WORKERS={"sync": "x"})])
def test_a_gunicorn_without_its_own_asgi_worker_is_told_without(
    monkeypatch: pytest.MonkeyPatch, workers: object
) -> None:
    monkeypatch.setitem(sys.modules, "gunicorn.workers", workers)
    assert "gunicorn -k asgi" not in by_command(picks(App()))
    assert "gunicorn" in by_command(picks(App()))
