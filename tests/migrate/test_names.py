"""The table of modules, held to what Flask has and to what `duoframe.flask` offers."""

from __future__ import annotations

import importlib
from inspect import ismodule
from pathlib import Path

import flask
import pytest

from duoframe.migrate.names import EXTENSIONS, INTERNALS, MODULES, STAYS, TABLE, load, moved, place, split
from tests.servers.process import ROOT

PUBLIC = ["json", *(name for name, value in vars(flask).items() if not name.startswith("_") and not ismodule(value))]
"""The names of Flask's package, those for users."""
PUBLIC.remove("annotations")  # from the future


@pytest.mark.parametrize("module", [*MODULES, *STAYS])
def test_every_module_of_the_table_is_one_of_theirs(module: str) -> None:
    importlib.import_module(module)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_of_flask_has_its_place(name: str) -> None:
    target = moved("flask", name)
    assert target == "duoframe.flask"
    assert hasattr(importlib.import_module(target), name)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("flask.cli", "AppGroup"),
        ("flask.cli", "with_appcontext"),
        ("flask.json.provider", "DefaultJSONProvider"),
        ("flask.sessions", "SecureCookieSessionInterface"),
        ("flask.testing", "FlaskClient"),
        ("flask.views", "MethodView"),
        ("werkzeug.datastructures", "FileStorage"),
        ("werkzeug.datastructures", "MultiDict"),
        ("werkzeug.exceptions", "HTTPException"),
        ("werkzeug.middleware.proxy_fix", "ProxyFix"),
        ("werkzeug.routing", "BaseConverter"),
        ("werkzeug.utils", "secure_filename"),
    ],
)
def test_what_applications_import_beside_has_its_place(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)
    target = moved(module, name)
    assert target is not None
    assert hasattr(importlib.import_module(target), name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("flask.g.user", ("flask", "g.user")),
        ("flask.json.dumps", ("flask.json", "dumps")),
        ("flask.json", ("flask.json", "")),
        ("werkzeug.security.x", ("werkzeug.security", "x")),
        ("werkzeug.middleware.dispatcher", ("werkzeug", "middleware.dispatcher")),
        ("flaskr.g", None),
    ],
)
def test_a_dotted_name_is_a_module_and_a_name_in_it(name: str, parts: tuple[str, str] | None) -> None:
    assert split(name) == parts


def test_a_module_without_one_place_has_none() -> None:
    assert (place("flask.wrappers"), place("flask"), place("nothing")) == (None, "duoframe.flask", None)
    assert load("duoframe.flask.nothing") is None


@pytest.mark.parametrize("name", INTERNALS)
def test_internals_are_methods_of_flask_that_the_core_has_not_or_does_not_ask(name: str) -> None:
    assert hasattr(flask.Flask, name)


def test_the_table_of_extensions_names_those_that_were_tried() -> None:
    table = Path(ROOT, TABLE).read_text()
    assert [name for name in EXTENSIONS.values() if f"\n## {name} " not in table] == []
