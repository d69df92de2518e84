"""How an application writes and reads JSON; set ``app.json`` to change it.

Knows values, text and the class of an application's answers; must not know requests.
"""

from __future__ import annotations

import dataclasses
import decimal
import json
import uuid
import weakref
from collections.abc import Callable
from datetime import date, datetime, time
from typing import IO, TYPE_CHECKING, Any

from duoframe.conditions import http_date
from duoframe.sessions import Session

if TYPE_CHECKING:
    from duoframe.flask.app import Flask
    from duoframe.flask.responses import Response


class JSONProvider:
    """What ``app.json`` is; a subclass says how JSON is written and read."""

    def __init__(self, app: Flask) -> None:
        self._app: Any = weakref.proxy(app)  # Any: it stands for a Flask

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """A value as text."""
        raise NotImplementedError

    def dump(self, obj: Any, fp: IO[str], **kwargs: Any) -> None:
        """Write a value to a file."""
        fp.write(self.dumps(obj, **kwargs))

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value of a text."""
        raise NotImplementedError

    def load(self, fp: IO[Any], **kwargs: Any) -> Any:
        """The value of what a file holds."""
        return self.loads(fp.read(), **kwargs)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """What `jsonify` gives."""
        return self._answer(self.dumps(self._prepare_response_obj(args, kwargs)), "application/json")

    def _answer(self, text: str, media_type: str) -> Response:
        response: Response = self._app.response_class(text, mimetype=media_type)
        return response

    def _prepare_response_obj(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if args and kwargs:
            raise TypeError("expected values or names of members for one JSON answer, got both")
        if not args:
            return kwargs or None
        return args[0] if len(args) == 1 else args


def default(value: Any) -> Any:
    """What stands in JSON for a value that JSON has no word for. Raises `TypeError` where nothing does."""
    if isinstance(value, datetime):
        return http_date(value)
    if isinstance(value, date):
        return http_date(datetime.combine(value, time()))
    if isinstance(value, decimal.Decimal | uuid.UUID):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if callable(html := getattr(value, "__html__", None)):
        return str(html())
    if isinstance(value, Session):
        return value.copy()
    raise TypeError(f"expected a value that JSON has, got {type(value).__name__}")


class DefaultJSONProvider(JSONProvider):
    """JSON by the standard library; each attribute may be set, on the class or on ``app.json``."""

    default: Callable[[Any], Any] = staticmethod(default)
    ensure_ascii = True
    sort_keys = True
    compact: bool | None = None
    """None: compact unless the application is in debug."""
    mimetype = "application/json"

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        """A value as text; the arguments are those of `json.dumps`."""
        options = {"default": self.default, "ensure_ascii": self.ensure_ascii, "sort_keys": self.sort_keys}
        return json.dumps(obj, **{**options, **kwargs})

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        """The value of a text; the arguments are those of `json.loads`."""
        return json.loads(s, **kwargs)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """What `jsonify` gives: compact, or in debug indented."""
        value = self._prepare_response_obj(args, kwargs)
        compact = not self._app.debug if self.compact is None else self.compact
        layout: dict[str, Any] = {"separators": (",", ":")} if compact else {"indent": 2}
        return self._answer(f"{self.dumps(value, **layout)}\n", self.mimetype)
