"""Signals: those of the application's own, with blinker and without."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import flask.signals
import pytest

from duoframe import ConfigurationError
from duoframe.flask import signals

NAMES = [name for name, value in vars(flask.signals).items() if hasattr(value, "connect")]


def test_they_are_flask_s() -> None:
    assert len(NAMES) == 10
    for name in NAMES:
        assert getattr(signals, name).name == getattr(flask.signals, name).name


def test_without_blinker_nobody_is_told_and_nobody_can_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "blinker", None)
    spec = importlib.util.find_spec("duoframe.flask.signals")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in NAMES:
        signal = getattr(module, name)
        assert signal.send(None, _async_wrapper=None, message="x") == []
        assert not signal.has_receivers_for(None)
        assert not signal.receivers
        for connect in (signal.connect, signal.connect_via, signal.connected_to):
            with pytest.raises(ConfigurationError, match="pip install blinker"):
                connect(print)
