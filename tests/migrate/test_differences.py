"""The table "Where duoframe.flask differs from Flask" of the page on moving: each row, on both."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

import flask
import pytest

from duoframe import flask as ours


@pytest.fixture(params=["wsgi", "asgi"])
def door(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DUOFRAME_DOOR", request.param)
    return str(request.param)


@pytest.fixture
def apps() -> Iterator[tuple[Any, Any]]:
    """An application of Flask's, and one of duoframe.flask's."""
    made = flask.Flask("x"), ours.Flask("x")
    yield made
    made[1].shutdown()


def test_the_views_of_a_process_share_one_loop(apps: tuple[Any, Any]) -> None:
    seen: dict[Any, list[object]] = {}
    for app in apps:
        loops = seen.setdefault(app, [])

        async def index(loops: list[object] = loops) -> str:
            loops.append(asyncio.get_running_loop())
            return "x"

        app.add_url_rule("/", view_func=index)
        for _ in range(2):
            app.test_client().get("/")
    theirs, here = seen.values()
    assert theirs[0] is not theirs[1]
    assert here[0] is here[1]


def test_the_name_of_a_file_stands_in_quotation_marks(apps: tuple[Any, Any], door: str) -> None:
    told = []
    for app, package in zip(apps, (flask, ours), strict=True):

        def index(package: Any = package) -> Any:
            return package.send_file(io.BytesIO(b"x"), as_attachment=True, download_name="a.txt")

        app.add_url_rule("/", view_func=index)
        told.append(app.test_client().get("/").headers["Content-Disposition"])
    assert told == ["attachment; filename=a.txt", 'attachment; filename="a.txt"']
