"""JSON as the running application writes it: ``jsonify``, ``dumps``, ``loads``; `provider` says how that is.

Outside of an application the standard library writes it, with `default` for the same values.
"""

from __future__ import annotations

import json as _json
from typing import IO, TYPE_CHECKING, Any

from duoframe.flask.globals import current_context, running
from duoframe.flask.json.provider import default

if TYPE_CHECKING:
    from duoframe.flask.responses import Response


def dumps(obj: Any, **kwargs: Any) -> str:
    """A value as JSON. Raises `TypeError` for what is none."""
    context = current_context.get()
    if context is None:
        return _json.dumps(obj, **{"default": default, **kwargs})
    return context.app.json.dumps(obj, **kwargs)


def dump(obj: Any, fp: IO[str], **kwargs: Any) -> None:
    """Write a value as JSON to a file."""
    fp.write(dumps(obj, **kwargs))


def loads(s: str | bytes, **kwargs: Any) -> Any:
    """The value of JSON. Raises `ValueError` for what is none."""
    context = current_context.get()
    return _json.loads(s, **kwargs) if context is None else context.app.json.loads(s, **kwargs)


def load(fp: IO[Any], **kwargs: Any) -> Any:
    """The value of JSON in a file."""
    return loads(fp.read(), **kwargs)


def jsonify(*args: Any, **kwargs: Any) -> Response:
    """An answer of JSON: of one value, of a list of several, or of an object of the named ones.

    Raises `TypeError` for both kinds at once, and `RuntimeError` outside of an application.
    """
    return running().app.json.response(*args, **kwargs)
