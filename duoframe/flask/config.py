"""The configuration of an application: a dictionary with the ways to fill it.

Knows where values come from; must not know what they are for. `DEFAULTS` are what an application begins with.
"""

from __future__ import annotations

import errno
import json
import os
import types
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import IO, Any

from duoframe.flask.utils import import_string

DEFAULTS: Mapping[str, Any] = types.MappingProxyType(
    {
        "DEBUG": None,
        "TESTING": False,
        "PROPAGATE_EXCEPTIONS": None,
        "SECRET_KEY": None,
        "SECRET_KEY_FALLBACKS": None,
        "PERMANENT_SESSION_LIFETIME": timedelta(days=31),
        "USE_X_SENDFILE": False,
        "TRUSTED_HOSTS": None,
        "SERVER_NAME": None,
        "APPLICATION_ROOT": "/",
        "SESSION_COOKIE_NAME": "session",
        "SESSION_COOKIE_DOMAIN": None,
        "SESSION_COOKIE_PATH": None,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SECURE": False,
        "SESSION_COOKIE_PARTITIONED": False,
        "SESSION_COOKIE_SAMESITE": None,
        "SESSION_REFRESH_EACH_REQUEST": True,
        "MAX_CONTENT_LENGTH": None,
        "MAX_FORM_MEMORY_SIZE": 500_000,
        "MAX_FORM_PARTS": 1_000,
        "SEND_FILE_MAX_AGE_DEFAULT": None,
        "TRAP_BAD_REQUEST_ERRORS": None,
        "TRAP_HTTP_EXCEPTIONS": False,
        "EXPLAIN_TEMPLATE_LOADING": False,
        "PREFERRED_URL_SCHEME": "http",
        "TEMPLATES_AUTO_RELOAD": None,
        "MAX_COOKIE_SIZE": 4093,
        "PROVIDE_AUTOMATIC_OPTIONS": True,
    }
)
"""The names and values of Flask 3.1."""

_NO_FILE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR)


class ConfigAttribute:
    """An attribute of an application that stands for a value of its configuration, converted when it is read."""

    def __init__(self, name: str, get_converter: Callable[[Any], Any] | None = None) -> None:
        self.__name__ = name
        self.get_converter = get_converter

    def __get__(self, app: Any, owner: type | None = None) -> Any:
        if app is None:
            return self
        value = app.config[self.__name__]
        return value if self.get_converter is None else self.get_converter(value)

    def __set__(self, app: Any, value: Any) -> None:
        app.config[self.__name__] = value


class Config(dict[str, Any]):
    """A dictionary of settings, filled from files, objects and the environment; names are in upper case.

    ``root_path``: the folder that names of files are taken from.
    """

    def __init__(self, root_path: str | os.PathLike[str], defaults: Mapping[str, Any] | None = None) -> None:
        super().__init__(defaults or {})
        self.root_path = root_path

    def from_envvar(self, variable_name: str, silent: bool = False) -> bool:
        """Fill it from the Python file that an environment variable names; whether that was done.

        Raises `RuntimeError` where the variable is not set, and as `from_pyfile`, unless ``silent``.
        """
        name = os.environ.get(variable_name)
        if name:
            return self.from_pyfile(name, silent=silent)
        if silent:
            return False
        raise RuntimeError(
            f"no configuration was loaded, because no environment variable {variable_name!r} is set: let it name"
            " a Python file"
        )

    def from_prefixed_env(self, prefix: str = "FLASK", *, loads: Callable[[str], Any] = json.loads) -> bool:
        """Fill it from the environment variables that begin with ``prefix`` and ``_``.

        A value is what ``loads`` makes of it, its text where that fails; ``FLASK_A__B=1`` sets ``config["A"]["B"]``.
        """
        prefix = f"{prefix}_"
        for name in sorted(os.environ):
            if not name.startswith(prefix):
                continue
            value: Any = os.environ[name]
            try:
                value = loads(value)
            except Exception:  # whatever that raises, it is no such text
                pass
            self._set_nested(name.removeprefix(prefix).split("__"), value)
        return True

    def _set_nested(self, names: list[str], value: Any) -> None:
        place: dict[str, Any] = self
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = value

    def from_pyfile(self, filename: str | os.PathLike[str], silent: bool = False) -> bool:
        """Run a Python file and take its names in upper case; whether there was one.

        Raises `OSError` where there is none, unless ``silent``, and whatever the file raises.
        """
        path = os.path.join(self.root_path, filename)
        module = types.ModuleType("config")
        module.__file__ = path
        try:
            with open(path, "rb") as file:
                source = file.read()
        except OSError as error:
            return self._missing(error, silent)
        exec(compile(source, path, "exec"), vars(module))
        self.from_object(module)
        return True

    def from_object(self, obj: object) -> None:
        """Take the names in upper case of an object, or of what a text like ``"package.module:Class"`` names."""
        if isinstance(obj, str):
            obj = import_string(obj)
        self.update({name: getattr(obj, name) for name in dir(obj) if name.isupper()})

    def from_file(
        self,
        filename: str | os.PathLike[str],
        load: Callable[[IO[Any]], Mapping[str, Any]],
        silent: bool = False,
        text: bool = True,
    ) -> bool:
        """Take the names in upper case of what ``load`` makes of a file, opened as ``text`` or not.

        ``config.from_file("config.toml", tomllib.load, text=False)``. Whether there was one; raises as `from_pyfile`.
        """
        path = os.path.join(self.root_path, filename)
        try:
            with open(path, encoding="utf-8") if text else open(path, "rb") as file:
                values = load(file)
        except OSError as error:
            return self._missing(error, silent)
        return self.from_mapping(values)

    def from_mapping(self, mapping: Mapping[str, Any] | None = None, **values: Any) -> bool:
        """Take the names in upper case of a mapping and of the arguments."""
        self.update({name: value for name, value in {**(mapping or {}), **values}.items() if name.isupper()})
        return True

    def get_namespace(self, namespace: str, lowercase: bool = True, trim_namespace: bool = True) -> dict[str, Any]:
        """The settings whose names begin with ``namespace``: without that, and in lower case, unless you say so."""
        found = {}
        for name, value in self.items():
            if name.startswith(namespace):
                name = name.removeprefix(namespace) if trim_namespace else name
                found[name.lower() if lowercase else name] = value
        return found

    def __repr__(self) -> str:
        return f"<Config {dict.__repr__(self)}>"

    def _missing(self, error: OSError, silent: bool) -> bool:
        if silent and error.errno in _NO_FILE:
            return False
        error.strerror = f"the configuration could not be read ({error.strerror})"
        raise error
