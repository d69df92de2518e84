"""Extensions of Flask on `duoframe.flask`: what the reference says of them is what comes out.

They run in a process of their own, where `install_as_flask` lets them import ``flask``, behind each door; and on
Flask itself, so that what is tried is right.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import werkzeug.datastructures

import duoframe.flask
from duoframe.errors import ConfigurationError
from duoframe.flask import Flask, current_app, request
from duoframe.flask.datastructures import FileStorage
from duoframe.flask.requests import Request
from duoframe.flask.standing_in import PLACES, Stand, install_as_flask

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "flask-extensions.md"

EXTENSIONS = {
    "Flask-Login": "with_login",
    "Flask-WTF": "with_wtf",
    "Flask-SQLAlchemy": "with_sqlalchemy",
    "Flask-CORS": "with_cors",
}


def told() -> dict[str, dict[str, str]]:
    """What the page says: by extension and what is tried, whether it works."""
    found: dict[str, dict[str, str]] = {}
    for line in PAGE.read_text().splitlines():
        if heading := re.fullmatch(r"## (Flask-\w+).*", line):
            rows = found[heading[1]] = {}
        elif row := re.fullmatch(r"\| (.+) \| (yes|no|neither)\b(.*) \|", line):
            rows[row[1]] = row[2]
    return found


@functools.cache
def tried(framework: str) -> dict[str, dict[str, dict[str, str | None]]]:
    """What comes out: by module, by door and by what is tried, the traceback of what it raised."""
    program = [sys.executable, "-W", "error", str(Path(__file__).parent / "extensions" / "run.py"), framework]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*program, *EXTENSIONS.values()], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    outcomes: dict[str, dict[str, dict[str, str | None]]] = json.loads(done.stdout)
    return outcomes


def test_the_page_tells_of_every_extension_that_is_tried() -> None:
    assert list(told()) == list(EXTENSIONS)


@pytest.mark.parametrize("door", ["wsgi", "asgi"])
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_extension_does_what_the_page_says(extension: str, door: str) -> None:
    outcomes = tried("duoframe")[EXTENSIONS[extension]][door]
    said = told()[extension]
    assert list(outcomes) == list(said)
    wrong = {words: failure for words, failure in outcomes.items() if (failure is None) != (said[words] == "yes")}
    assert wrong == {}, "\n".join(str(failure) for failure in wrong.values())


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_what_is_tried_works_on_flask_itself_unless_the_page_says_otherwise(extension: str) -> None:
    outcomes = tried("flask")[EXTENSIONS[extension]]["wsgi"]
    failing = {words for words, failure in outcomes.items() if failure is not None}
    assert failing == {words for words, mark in told()[extension].items() if mark == "neither"}


# How an extension comes to import it.


@pytest.fixture
def without_flask(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process in which nobody has imported Flask; what is imported meanwhile is forgotten."""
    monkeypatch.setattr(Request, "file_storage_class", FileStorage)
    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "flask"}
    for name in before:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "flask"]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.usefixtures("without_flask")
def test_what_is_imported_as_flask_is_this_package() -> None:
    install_as_flask()
    names: dict[str, Any] = {}
    exec(
        "import flask\nfrom flask import Flask, request\nfrom flask.testing import FlaskClient\n"
        "from flask.json.provider import DefaultJSONProvider\nfrom flask.helpers import url_for\n"
        "from flask.wrappers import Request, Response\nimport flask.ctx\n",
        names,
    )
    assert names["Flask"] is Flask
    assert names["request"] is request
    assert names["Response"] is duoframe.flask.Response
    assert names["flask"].ctx.AppContext.__module__ == "duoframe.flask.contexts"
    assert names["url_for"] is duoframe.flask.url_for
    stand = sys.modules["flask"]
    install_as_flask()
    assert sys.modules["flask"] is stand


@pytest.mark.usefixtures("without_flask")
def test_every_module_that_stands_in_is_there() -> None:
    install_as_flask()
    for name, places in PLACES.items():
        module = sys.modules[f"flask.{name}"]
        assert isinstance(module, Stand)
        for place in places:
            assert __import__(f"duoframe.flask.{place}".rstrip("."))
    with pytest.raises(AttributeError, match="'flask' has no attribute 'nothing', on duoframe"):
        _ = sys.modules["flask"].nothing
    assert not hasattr(sys.modules["flask"], "__nothing__")
    with pytest.raises(ModuleNotFoundError):
        exec("import flask.nothing")


@pytest.mark.usefixtures("without_flask")
def test_the_contexts_are_to_be_had_by_their_names() -> None:
    install_as_flask()
    names: dict[str, Any] = {}
    exec("from flask.globals import app_ctx, request_ctx", names)
    app = Flask(__name__)
    with app.test_request_context("/x") as context:
        assert names["app_ctx"]._get_current_object() is context
        assert names["request_ctx"].request.path == "/x"
        assert names["app_ctx"].app is current_app._get_current_object()  # type: ignore[attr-defined]  # a proxy's
    with pytest.raises(RuntimeError, match="application context"):
        _ = names["app_ctx"].app


@pytest.mark.usefixtures("without_flask")
def test_files_pass_for_werkzeugs_where_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Request, "file_storage_class", FileStorage)
    monkeypatch.setitem(sys.modules, "werkzeug.datastructures", None)
    install_as_flask()
    assert Request.file_storage_class is FileStorage
    monkeypatch.undo()
    del sys.modules["flask"]
    with monkeypatch.context() as context:
        context.setattr(Request, "file_storage_class", FileStorage)
        install_as_flask()
        assert isinstance(Request.file_storage_class(), werkzeug.datastructures.FileStorage)


def test_where_flask_is_there_already_it_is_too_late() -> None:
    import flask  # noqa: F401  # it is there

    with pytest.raises(ConfigurationError, match="before the first extension"):
        install_as_flask()
