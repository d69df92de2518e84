"""Configuration against Flask's own: each way to fill it, and what it says where it cannot."""

from __future__ import annotations

import json
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import flask
import pytest

from duoframe.flask.config import DEFAULTS, Config, ConfigAttribute


@pytest.fixture(params=[flask.Config, Config], ids=["flask", "duoframe"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return request.param(str(tmp_path), {"A": 1})


class Settings:
    SHOUTED = 1
    quiet = 2
    Mixed = 3


def test_the_defaults_are_flask_s() -> None:
    assert dict(DEFAULTS) == dict(flask.Flask.default_config)


def test_it_is_a_dictionary(config: Any) -> None:
    assert (config["A"], config.get("B"), repr(config)) == (1, None, "<Config {'A': 1}>")
    config["B"] = 2
    assert dict(config) == {"A": 1, "B": 2}
    assert isinstance(config, dict)


def test_of_an_object_its_names_in_upper_case_are_taken(config: Any) -> None:
    config.from_object(Settings)
    assert dict(config) == {"A": 1, "SHOUTED": 1}
    config.from_object("tests.flask.test_config.Settings")
    config.from_object("tests.flask.test_config:Settings")
    assert dict(config) == {"A": 1, "SHOUTED": 1}
    with pytest.raises(ImportError, match=r"tests\.flask\.test_config\.Missing"):
        config.from_object("tests.flask.test_config.Missing")


def test_of_mappings_too(config: Any) -> None:
    assert config.from_mapping({"B": 2, "c": 3}, D=4, e=5) is True
    assert config.from_mapping() is True
    assert dict(config) == {"A": 1, "B": 2, "D": 4}


def test_a_python_file_is_run(config: Any, tmp_path: Path) -> None:
    (tmp_path / "settings.cfg").write_text("import os\nNAME = os.path.basename(__file__)\nlower = 1\nDAYS = 2 * 3\n")
    assert config.from_pyfile("settings.cfg") is True
    assert dict(config) == {"A": 1, "NAME": "settings.cfg", "DAYS": 6}
    assert config.from_pyfile(tmp_path / "settings.cfg") is True
    (tmp_path / "broken.py").write_text("A = 1 / 0")
    with pytest.raises(ZeroDivisionError):
        config.from_pyfile("broken.py")


def test_a_file_is_loaded_as_text_or_bytes(config: Any, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"B": "é", "c": 1}', "utf-8")
    (tmp_path / "a.toml").write_text('C = [1]\nd = 2\n[E]\nx = "y"')
    assert config.from_file("a.json", load=json.load) is True
    assert config.from_file("a.toml", load=tomllib.load, text=False) is True
    assert dict(config) == {"A": 1, "B": "é", "C": [1], "E": {"x": "y"}}


def test_a_file_that_is_missing_is_an_error_unless_that_is_said_to_be_none(config: Any, tmp_path: Path) -> None:
    for name in ("missing.py", "."):
        for load in (config.from_pyfile, lambda name, **options: config.from_file(name, json.load, **options)):
            with pytest.raises(OSError, match=r"Unable to load configuration file|the configuration could not be read"):
                load(name)
            assert load(name, silent=True) is False
    with pytest.raises(OSError, match=r"Unable to load configuration file|the configuration could not be read"):
        config.from_pyfile("x" * 5000, silent=True)  # which is no question of whether it is there


def test_an_environment_variable_names_the_file(config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "settings.py").write_text("B = 2")
    monkeypatch.setenv("SETTINGS", "settings.py")
    assert config.from_envvar("SETTINGS") is True
    assert config["B"] == 2
    monkeypatch.setenv("SETTINGS", "missing.py")
    assert config.from_envvar("SETTINGS", silent=True) is False
    for value in ("", None):
        monkeypatch.setenv("SETTINGS", value) if value is not None else monkeypatch.delenv("SETTINGS")
        assert config.from_envvar("SETTINGS", silent=True) is False
        with pytest.raises(RuntimeError, match=r"environment variable 'SETTINGS' is (not )?set"):
            config.from_envvar("SETTINGS")


def test_environment_variables_with_a_prefix_are_values(config: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "FLASK_NUMBER": "1",
        "FLASK_FLAG": "true",
        "FLASK_LIST": '["a"]',
        "FLASK_TEXT": "not json",
        "FLASK_A__B__C": "5",
        "FLASK_A__B__D": "6",
        "FLASKY": "no",
        "OTHER_X": "no",
    }.items():
        monkeypatch.setenv(name, value)
    del config["A"]
    assert config.from_prefixed_env() is True
    assert dict(config) == {
        "NUMBER": 1,
        "FLAG": True,
        "LIST": ["a"],
        "TEXT": "not json",
        "A": {"B": {"C": 5, "D": 6}},
    }
    config.clear()
    assert config.from_prefixed_env("OTHER", loads=str.upper) is True
    assert dict(config) == {"X": "NO"}


def test_a_namespace_is_a_dictionary_of_its_own(config: Any) -> None:
    config.update(MAIL_HOST="a", MAIL_PORT=1)
    assert config.get_namespace("MAIL_") == {"host": "a", "port": 1}
    assert config.get_namespace("MAIL_", lowercase=False) == {"HOST": "a", "PORT": 1}
    assert config.get_namespace("MAIL_", trim_namespace=False) == {"mail_host": "a", "mail_port": 1}
    assert config.get_namespace("NONE_") == {}


@pytest.mark.parametrize("kind", [flask.config.ConfigAttribute, ConfigAttribute])
def test_an_attribute_stands_for_a_value(kind: Any) -> None:
    class App:
        plain = kind("PLAIN")
        lifetime = kind("LIFETIME", lambda value: timedelta(seconds=value))

        def __init__(self) -> None:
            self.config = {"PLAIN": 1, "LIFETIME": 5}

    app = App()
    assert (app.plain, app.lifetime) == (1, timedelta(seconds=5))
    app.plain = 2
    assert app.config["PLAIN"] == 2
    assert isinstance(App.plain, kind)
