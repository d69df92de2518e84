"""A report as text: what is left out where there is nothing to say, and what is said where there is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from duoframe import App, Request
from duoframe.check import report
from duoframe.check.report import examine
from duoframe.check.text import as_text


def test_without_servers_and_remarks_there_are_routes_alone(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "picks", lambda application: [])
    app.get("/")(lambda: "")
    headings = [block.split("\n")[0] for block in as_text(examine(app, "shop:app"), 80).split("\n\n")]
    assert headings == ["GET /", "(no route)", "shop:app: 1 route, no warnings"]


def test_the_way_back_is_told_where_it_hops(app: App) -> None:
    @app.middleware
    def around(request: Request) -> Iterator[Any]:
        yield

    @app.get("/")
    async def index() -> str:
        return ""

    lines = as_text(examine(app, "shop:app"), 80).splitlines()
    assert "  ASGI     on the server's loop, 2 hops" in lines
    assert "  way back 1 hop, to leave what was entered on a thread" in lines


def test_a_remark_on_the_application_names_no_routes(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "picks", lambda application: [])
    app.wrap_asgi(lambda inner: print)  # type: ignore[arg-type,return-value]  # it is never called
    [warnings] = [block for block in as_text(examine(app, "shop:app"), 200).split("\n\n") if "Warnings" in block]
    assert warnings.startswith("Warnings\n  1        the ASGI door is wrapped, by 'print', and the WSGI door is not:")
    assert "\n           in " not in warnings
