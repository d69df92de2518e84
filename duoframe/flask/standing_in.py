"""Lets extensions of Flask run on `duoframe.flask`: what they import as ``flask`` is this package then.

Knows the modules of Flask that extensions import from; must not know extensions. Which of them work is in
``docs/reference/flask-extensions.md``.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

from duoframe.errors import ConfigurationError
from duoframe.flask.datastructures import FileStorage
from duoframe.flask.globals import Proxy, running, running_request
from duoframe.flask.requests import Request

PLACES = {
    "app": ("app",),
    "blueprints": ("blueprints",),
    "cli": ("cli", "commands"),
    "config": ("config",),
    "ctx": ("contexts",),
    "globals": ("globals",),
    "helpers": ("", "sending", "flashing", "contexts"),
    "json": ("json",),
    "json.provider": ("json.provider",),
    "sessions": ("sessions",),
    "signals": ("signals",),
    "templating": ("templating",),
    "testing": ("testing",),
    "views": ("views",),
    "wrappers": ("requests", "responses"),
}
"""Flask's modules, and ours that have their names; ``""`` is the package itself."""


class Stand(ModuleType):
    """One of Flask's modules: its names are looked for where they are here."""

    def __init__(self, name: str, places: tuple[str, ...]) -> None:
        super().__init__(name, f"Stands for {name}: see duoframe.flask.standing_in.")
        self.__path__: list[str] = []  # whatever else is imported from below it is not there
        self._places = places

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            for place in self._places:
                module = importlib.import_module(f"duoframe.flask.{place}".rstrip("."))
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}, on duoframe.flask")


def install_as_flask() -> None:
    """From now on let ``import flask`` give `duoframe.flask`, in this process: call it before anything imports that.

        from duoframe.flask.standing_in import install_as_flask

        install_as_flask()
        import flask_login

    It is for extensions, which import ``flask`` by its name; an application says ``duoframe.flask`` itself. Harmless
    when done. Raises `ConfigurationError` where Flask itself has been imported.
    """
    found = sys.modules.get("flask")
    if isinstance(found, Stand):
        return
    if found is not None:
        raise ConfigurationError(
            "`flask` has been imported already: call install_as_flask() before the first extension is imported"
        )
    package = sys.modules["flask"] = Stand("flask", ("", "testing"))
    for name, places in PLACES.items():
        module = sys.modules[f"flask.{name}"] = Stand(f"flask.{name}", places)
        owner, _, last = f"flask.{name}".rpartition(".")
        setattr(sys.modules[owner], last, module)
    vars(sys.modules["flask.globals"]).update(
        app_ctx=Proxy("app_ctx", running), request_ctx=Proxy("request_ctx", running_request)
    )
    package.__dict__["__version__"] = "3.1"
    _take_files()


def _take_files() -> None:
    """Let the files of requests pass for Werkzeug's, where that is installed: extensions ask what class they are."""
    try:
        theirs = importlib.import_module("werkzeug.datastructures").FileStorage
    except ImportError:
        return
    both: Any = type("FileStorage", (FileStorage, theirs), {})
    Request.file_storage_class = both
