"""Where each name of Flask and Werkzeug is to be found in `duoframe.flask`, and what is known of Flask's extensions.

One table of modules; which names they have is asked of `duoframe.flask` itself. Must not know source text.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from types import ModuleType

PACKAGE = "duoframe.flask"

MODULES: dict[str, tuple[str, ...]] = {
    "flask": (PACKAGE,),
    "flask.app": ("duoframe.flask.app", PACKAGE),
    "flask.blueprints": ("duoframe.flask.blueprints", PACKAGE),
    "flask.cli": ("duoframe.flask.cli",),
    "flask.config": ("duoframe.flask.config", PACKAGE),
    "flask.ctx": (PACKAGE, "duoframe.flask.contexts"),
    "flask.globals": ("duoframe.flask.globals", PACKAGE),
    "flask.helpers": (PACKAGE, "duoframe.flask.sending", "duoframe.flask.flashing"),
    "flask.json": ("duoframe.flask.json",),
    "flask.json.provider": ("duoframe.flask.json.provider",),
    "flask.json.tag": ("duoframe.flask.sessions",),
    "flask.sessions": ("duoframe.flask.sessions",),
    "flask.signals": ("duoframe.flask.signals", PACKAGE),
    "flask.templating": ("duoframe.flask.templating", PACKAGE),
    "flask.testing": ("duoframe.flask.testing",),
    "flask.typing": ("duoframe.flask.typing",),
    "flask.views": ("duoframe.flask.views",),
    "flask.wrappers": (PACKAGE, "duoframe.flask.requests", "duoframe.flask.responses"),
    "werkzeug": (PACKAGE,),
    "werkzeug.datastructures": ("duoframe.flask.datastructures",),
    "werkzeug.exceptions": ("duoframe.flask.exceptions",),
    "werkzeug.middleware.proxy_fix": ("duoframe.flask.proxy_fix",),
    "werkzeug.routing": ("duoframe.flask.routing",),
    "werkzeug.utils": ("duoframe.flask.utils", PACKAGE),
    "werkzeug.wrappers": (PACKAGE, "duoframe.flask.requests", "duoframe.flask.responses"),
}
"""The modules in which the names of a module are looked for, the likeliest first."""

STAYS = ("werkzeug.security", "werkzeug.local", "werkzeug.http", "werkzeug.urls", "werkzeug.serving")
"""Modules that need no application of Flask's: they may be imported as before."""

EXTENSIONS = {
    "flask_cors": "Flask-CORS",
    "flask_login": "Flask-Login",
    "flask_sqlalchemy": "Flask-SQLAlchemy",
    "flask_wtf": "Flask-WTF",
}
"""The extensions that were tried on `duoframe.flask`, by the module that is imported."""

TRIED = "works once duoframe.flask.standing_in.install_as_flask() was called; what of it does not is in"
UNTRIED = "an extension that nobody has tried; what to expect of it, and what it needs, is in"

TABLE = "docs/reference/flask-extensions.md"

INTERNALS = (
    "__call__",
    "create_global_jinja_loader",
    "create_url_adapter",
    "do_teardown_appcontext",
    "do_teardown_request",
    "jinja_environment",
    "raise_routing_exception",
    "request_context",
    "select_jinja_autoescape",
    "wsgi_app",
)
"""Methods of Flask's application and blueprints that Flask calls itself, and the core does not."""


def offers(module: str, name: str) -> bool:
    """Whether a module has a name, or a module of that name in it."""
    found = load(module)
    return found is not None and (hasattr(found, name) or load(f"{module}.{name}") is not None)


@functools.cache
def load(module: str) -> ModuleType | None:
    """The module of that name; None where there is none."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        return None


def moved(module: str, name: str) -> str | None:
    """The module of `duoframe.flask` that has a ``name`` of Flask's ``module``; None where none has it by that name."""
    if f"{module}.{name}" in MODULES:
        package, _, last = (place(f"{module}.{name}") or "").rpartition(".")
        return package if last == name else None
    return next((target for target in MODULES.get(module, ()) if offers(target, name)), None)


def place(module: str) -> str | None:
    """The one module of `duoframe.flask` that stands for one of Flask's or Werkzeug's; None where there is none."""
    first = MODULES.get(module, (PACKAGE,))[0]
    return first if (first != PACKAGE or module == "flask") and load(first) is not None else None


def is_known(module: str) -> bool:
    """Whether a module is Flask's or Werkzeug's."""
    return module.partition(".")[0] in ("flask", "werkzeug")


def split(name: str) -> tuple[str, str] | None:
    """A dotted name as the module of Flask's or Werkzeug's that it is in, and the rest: its name in there, dotted.

    None for what is of neither. ``flask.json.dumps`` is in ``flask.json``, ``flask.g.user`` in ``flask``.
    """
    if not is_known(name):
        return None
    module = name
    while module not in MODULES and module not in STAYS:
        module = module.rpartition(".")[0]
    return module, name[len(module) + 1 :]
