"""What most tests here run against: Flask itself, and these names behind each door, which must do the same."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest


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
