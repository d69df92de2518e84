"""The names that applications import of ``werkzeug.routing``, in their place here."""

from duoframe.flask.building import BuildError
from duoframe.flask.converters import (
    AnyConverter,
    BaseConverter,
    FloatConverter,
    IntegerConverter,
    PathConverter,
    UnicodeConverter,
    UUIDConverter,
    ValidationError,
)
from duoframe.flask.exceptions import RequestRedirect
from duoframe.flask.rules import Map, Rule

__all__ = [
    "AnyConverter",
    "BaseConverter",
    "BuildError",
    "FloatConverter",
    "IntegerConverter",
    "Map",
    "PathConverter",
    "RequestRedirect",
    "Rule",
    "UUIDConverter",
    "UnicodeConverter",
    "ValidationError",
]
