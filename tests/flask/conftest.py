"""What most tests here run against: Flask itself, and these names behind each door, which must do the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from duoframe.flask.answering import Answering
from duoframe.flask.testing import FlaskClient
from tests.conftest import our_threads, until


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends what a test has begun: its clients' doors, and its applications. No thread of ours may be left then."""
    clients: list[FlaskClient] = []
    apps: set[Answering] = set()
    make, find = FlaskClient.__init__, Answering.call

    def made(client: FlaskClient, application: Any, *args: Any, **options: Any) -> None:
        make(client, application, *args, **options)
        clients.append(client)
        apps.add(application)

    def called(app: Answering, *args: Any) -> Any:
        apps.add(app)
        return find(app, *args)

    monkeypatch.setattr(FlaskClient, "__init__", made)
    monkeypatch.setattr(Answering, "call", called)
    yield
    for client in clients:
        client._opened.stop()
    for app in apps:
        app.shutdown()
    until(lambda: not our_threads(), f"threads were left: {our_threads()}")


@pytest.fixture(params=["flask", "wsgi", "asgi"])
def names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ended: None) -> Any:  # Any: either's names
    """The names of Flask, or ours with a test client of each door; with what is imported of Werkzeug."""
    if request.param == "flask":
        rooms = ["flask", "flask.views", "werkzeug.exceptions", "werkzeug.routing", "werkzeug.datastructures"]
    else:
        monkeypatch.setenv("DUOFRAME_DOOR", request.param)
        rooms = ["", ".views", ".exceptions", ".routing", ".datastructures"]
        rooms = [f"duoframe.flask{room}" for room in rooms]
    modules = [importlib.import_module(room) for room in rooms]
    own = {name: getattr(modules[0], name) for name in dir(modules[0])}
    own.update(views=modules[1], exceptions=modules[2], routing=modules[3], datastructures=modules[4])
    return SimpleNamespace(**own, original=request.param == "flask")


@pytest.fixture(params=["wsgi", "asgi"])
def ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ended: None) -> Any:  # Any: a namespace
    """Our names alone, with a test client of each door, for what Flask does not do."""
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    module = importlib.import_module("duoframe.flask")
    return SimpleNamespace(**{name: getattr(module, name) for name in dir(module)}, door=request.param)
