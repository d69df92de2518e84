"""For tests of typed handlers: what they were given, and what a refusal says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from duoframe import App
from duoframe.testing import Exchange

JSON = [(b"content-type", b"application/json")]
URLENCODED = [(b"content-type", b"application/x-www-form-urlencoded")]
MULTIPART = [(b"content-type", b"multipart/form-data; boundary=x")]


def given(answer: Exchange) -> str:
    """What a handler was given, which it has told by `repr`."""
    assert answer.status == 200, (answer.status, answer.body)
    return answer.body.decode()


def faults(answer: Exchange) -> list[tuple[str, str, str]]:
    """The place, what was expected and what came, for each fault of a 422."""
    assert answer.status == 422, (answer.status, answer.body)
    assert dict(answer.headers)["content-type"] == "application/problem+json"
    told = json.loads(answer.body)["errors"]
    for one in told:
        assert one["message"].endswith(f" at `{place(one['loc'])}`") or one["loc"] == [one["loc"][0]]
    return [(place(one["loc"]), one["expected"], one["got"]) for one in told]


def place(loc: list[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)[1:]


def serve(app: App, handler: Callable[..., Any], path: str = "/", method: str = "POST") -> App:
    """Register a handler without waiting for a decorator."""
    app.route(path, [method])(handler)
    return app


def upload(name: str, filename: str | None, content: str) -> bytes:
    """A part of a form whose boundary is ``x``."""
    named = "" if filename is None else f'; filename="{filename}"'
    return f'--x\r\ncontent-disposition: form-data; name="{name}"{named}\r\n\r\n{content}\r\n'.encode()
