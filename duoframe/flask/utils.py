"""What Flask applications import from Werkzeug and MarkupSafe beside requests, responses and exceptions.

Knows text, paths and module names; must not know an application.
"""

from __future__ import annotations

import html
import importlib
import os
import posixpath
import re
import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING, Any

from duoframe.contrib.filenames import file_names
from duoframe.tagged import Html

if TYPE_CHECKING:
    from markupsafe import Markup, escape
else:
    try:
        from markupsafe import Markup, escape
    except ImportError:
        Markup = Html

        def escape(value: object) -> Html:
            """Text as markup, its special characters replaced; what is markup already as it is."""
            if callable(markup := getattr(value, "__html__", None)):
                return Html(markup())
            return Html(html.escape(str(value)))


__all__ = ["Markup", "cached_property", "escape", "import_string", "safe_join", "secure_filename"]

_WINDOWS = os.name == "nt"
_SEPARATORS = [separator for separator in (os.sep, os.altsep) if separator]
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|(?:com|lpt)[0-9])\s*(?:\.|\Z)", re.IGNORECASE)


def secure_filename(filename: str) -> str:
    """A name that a client sent as one that is safe to keep a file under, in ASCII; it may be empty.

    ``"../My café.txt"`` becomes ``"My_cafe.txt"``. Whether a file of that name exists already is for the caller to see.
    """
    text = unicodedata.normalize("NFKD", filename).encode("ascii", "ignore").decode("ascii")
    for separator in _SEPARATORS:
        text = text.replace(separator, " ")
    text = _UNSAFE.sub("", "_".join(text.split())).strip("._")
    return f"_{text}" if _WINDOWS and _DEVICES.match(text) else text


def safe_join(directory: str, *untrusted: str) -> str | None:
    """A path below ``directory``, or None where a part leads out of it, is hidden or is no plain name.

    It says nothing of links. `send_from_directory` opens what it sends without following them outside.
    """
    parts = [directory or "."]
    for part in filter(None, untrusted):
        names = file_names(posixpath.normpath(part))
        if names is None:
            return None
        parts += names
    return posixpath.join(*parts)


def import_string(import_name: str, silent: bool = False) -> Any:  # Any: whatever has that name
    """What ``"package.module:name"`` or ``"package.module.name"`` names; None with ``silent`` where there is none.

    Raises `ImportError`, which names the part that could not be found.
    """
    try:
        return _named(import_name.replace(":", "."))
    except ImportError as error:
        if silent:
            return None
        raise ImportError(f"{import_name!r} cannot be imported: {error}") from error


def _named(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        module, _, attribute = name.rpartition(".")
        if not module or not name.startswith(str(error.name)):  # one that the module itself imports is missing
            raise
    found = importlib.import_module(module)
    try:
        return getattr(found, attribute)
    except AttributeError as error:
        raise ImportError(f"module {module!r} has no {attribute!r}") from error
