"""The shape of the events an ASGI app may send: which keys they have, of which types, and what header fields may hold.

Knows no order of events: that is `asgi_checker`'s.
"""

import re
from collections.abc import Iterable, Mapping

from duoframe.testing.rules import ProtocolError
from duoframe.types import Message


class Absent:
    """Stands among the types of a key that may be left out."""


_FIELDS = (list, tuple, Absent)

_SHAPES: Mapping[str, Mapping[str, tuple[type, ...]]] = {
    "lifespan.startup.complete": {},
    "lifespan.startup.failed": {"message": (str, Absent)},
    "lifespan.shutdown.complete": {},
    "lifespan.shutdown.failed": {"message": (str, Absent)},
    "http.response.start": {"status": (int,), "headers": _FIELDS, "trailers": (bool, Absent)},
    "http.response.body": {"body": (bytes, Absent), "more_body": (bool, Absent)},
    "http.response.pathsend": {"path": (str,)},
    "http.response.zerocopysend": {"offset": (int, Absent), "count": (int, Absent), "more_body": (bool, Absent)},
    "http.response.trailers": {"headers": _FIELDS, "more_trailers": (bool, Absent)},
    "http.response.early_hint": {"links": (list, tuple)},
    "websocket.accept": {"subprotocol": (str, type(None), Absent), "headers": _FIELDS},
    "websocket.send": {"bytes": (bytes, type(None), Absent), "text": (str, type(None), Absent)},
    "websocket.close": {"code": (int, Absent), "reason": (str, type(None), Absent)},
    "websocket.http.response.start": {"status": (int,), "headers": _FIELDS},
    "websocket.http.response.body": {"body": (bytes, Absent), "more_body": (bool, Absent)},
}

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(rb"([!-~\x80-\xff]([\t -~\x80-\xff]*[!-~\x80-\xff])?)?")


def check_event(event: Message) -> str:
    """Hold an event to its shape; gives its type."""
    if type(event) is not dict or event.get("type") not in _SHAPES:
        raise ProtocolError(f"expected a dict whose type is that of an ASGI event, the app sent {event!r:.200}")
    kind: str = event["type"]
    for key, types in _SHAPES[kind].items():
        if (type(event[key]) if key in event else Absent) not in types:
            names = " or ".join(each.__name__ for each in types)
            raise ProtocolError(f"{key!r} of {kind!r} must be {names}, got {event.get(key, Absent)!r:.200}")
    _check_fields(kind, event.get("headers", ()))
    return kind


def _check_fields(kind: str, fields: Iterable[object]) -> None:
    for field in fields:
        match field:
            case (bytes(name), bytes(value)):
                if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                    raise ProtocolError(f"{field!r:.200} in {kind!r} is no header field (RFC 9110 §5) in lower case")
                if kind == "websocket.accept" and name == b"sec-websocket-protocol":
                    raise ProtocolError("the subprotocol of 'websocket.accept' has a key of its own, it is no header")
            case _:
                raise ProtocolError(f"a header field in {kind!r} must be two byte strings, got {field!r:.200}")
