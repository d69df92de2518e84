"""The application on real servers: its database made by its command, then everything a visitor does, over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers.process import ROOT, Server, running
from tests.servers.table import Setup

SERVERS = {
    "gunicorn": "gunicorn --no-control-socket --bind 127.0.0.1:{port} --threads 4 examples.flask_like.app:app",
    "uvicorn": "uvicorn --port {port} examples.flask_like.app:app",
}


@pytest.fixture(autouse=True)
def door() -> None:
    """The servers choose one themselves."""


@pytest.mark.parametrize("name", SERVERS)
def test_a_visitor_signs_up_writes_changes_and_deletes(name: str, tmp_path: Path) -> None:
    settings = {"FLASK_DATABASE": str(tmp_path / "data" / "notes.db"), "FLASK_FEED_SECONDS": "0"}
    command = [sys.executable, "-m", "duoframe.flask", "--app", "examples.flask_like.app", "init-db"]
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert made.stdout == f"The database is ready: {settings['FLASK_DATABASE']}\n"
    with running(Setup(name, "wsgi", SERVERS[name], environment=settings), tmp_path / "server") as server:
        visit(server)


def visit(server: Server) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", follow_redirects=True) as visitor:
        login = {"name": "Ada", "password": "correct horse battery staple"}
        assert visitor.get("/create").url.path == "/auth/login"
        assert "Welcome, Ada." in visitor.post("/auth/register", data=login).text
        assert "Log out" in visitor.post("/auth/login", data=login).text
        written = visitor.post("/create", data={"title": "Owls", "body": "Two, at dusk."})
        assert (written.status_code, written.url.path) == (200, "/")
        assert "<h2>Owls</h2>" in written.text
        assert "<h2>Three owls</h2>" in visitor.post("/1/update", data={"title": "Three owls", "body": ""}).text
        with httpx.Client(base_url=visitor.base_url) as stranger:
            assert stranger.post("/1/delete").headers["location"] == "/auth/login"
            assert [note["title"] for note in stranger.get("/feed").json()["notes"]] == ["Three owls"]
            assert stranger.get("/static/style.css").headers["content-type"].startswith("text/css")
        assert "Nobody has written anything yet." in visitor.post("/1/delete").text
        assert "Log in" in visitor.post("/auth/logout").text
        assert visitor.get("/1/update").url.path == "/auth/login"
