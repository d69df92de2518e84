"""What most tests here run against: Flask itself, and these names behind each door, which must do the same."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from duoframe.flask import Flask


@pytest.fixture(params=["flask", "wsgi", "asgi"])
def names(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:  # Any: either's names
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
def ours(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:  # Any: a namespace
    """Our names alone, with a test client of each door, for what Flask does not do."""
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    module = importlib.import_module("duoframe.flask")
    return SimpleNamespace(**{name: getattr(module, name) for name in dir(module)}, door=request.param)


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What tests make of our names, as applications do, is stopped after them: no thread stays for the next test."""
    from duoframe.flask.testing import FlaskClient

    apps: list[Flask] = []
    clients: list[FlaskClient] = []
    for kind, made in ((Flask, apps), (FlaskClient, clients)):
        make = kind.__init__

        def note(self: Any, *args: Any, make: Any = make, made: list[Any] = made, **options: Any) -> None:
            make(self, *args, **options)
            made.append(self)

        monkeypatch.setattr(kind, "__init__", note)
    yield
    for client in clients:
        client._opened.stop()
    for app in apps:
        app.shutdown()
