"""The page on moving a Flask application: its files are written and its commands run, in its order, as one reads it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.conftest import installed
from tests.servers.process import ROOT, Server, free_port
from tests.servers.table import Setup

PAGE = ROOT / "docs/how-to/migrate-from-flask.md"
PART = re.compile(
    r"^(?:(?:It has tests, )?`(?P<file>[\w.]+)`:\n\n```py\n(?P<text>.*?)^```|```console\n(?P<console>.*?)^```)",
    re.DOTALL | re.MULTILINE,
)
PORT = "8000"
SERVERS = ("gunicorn", "uvicorn")
QUIET = {"GUNICORN_CMD_ARGS": "--no-control-socket"}  # it would stand in the home of whoever runs this


class Reader:
    """Does what the page says, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = str(free_port())

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text.replace(PORT, self.port))

    def type(self, console: str) -> None:
        """Run the commands of a block, and compare what they print; a server runs until the next, or to the end."""
        with ExitStack() as running:
            for command, expected in commands(console):
                words = shlex.split(command.replace(PORT, self.port))
                if words[0] in SERVERS:
                    running.close()
                    running.callback(self.serve(words).end)
                else:
                    assert re.fullmatch(pattern(expected), bare(self.run(words).replace(self.port, PORT)), re.DOTALL)

    def serve(self, words: list[str]) -> Server:
        server = Server(Setup(words[0], "wsgi", shlex.join(words), environment=QUIET), self.folder)
        server.port = int(self.port)
        server.start().wait_until_ready("/wholesaler/1")
        return server

    def run(self, words: list[str]) -> str:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "COLUMNS": "100"}
        while "=" in words[0]:
            name, _, environment[name] = words.pop(0).partition("=")
        program = {
            "duoframe": [sys.executable, "-m", "duoframe"],
            "python": [sys.executable],
            "curl": [installed("curl"), "--noproxy", "*"],
        }[words[0]]
        done = subprocess.run(
            [*program, *words[1:]],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


def bare(text: str) -> str:
    """What is printed, without the dots and seconds of pytest, and without white space that nobody sees."""
    text = re.sub(r"\A\.+ +\[100%\]\n(\d passed) in .*", r"\1", text)
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def pattern(expected: str) -> str:
    """A regular expression for what a page says is printed; ``...`` on it stands for anything."""
    return re.escape(bare(expected)).replace(re.escape("..."), ".+")


def commands(console: str) -> Iterator[tuple[str, str]]:
    """The commands of a block, each with what it is to print."""
    for part in re.split(r"^\$ ", console, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        yield command, expected


def test_the_page_can_be_followed(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    parts = list(PART.finditer(PAGE.read_text()))
    assert len(parts) == PAGE.read_text().count("```") / 2
    for part in parts:
        if part["file"]:
            reader.write(part["file"], part["text"])
        else:
            reader.type(part["console"])
    assert "async def price" in (tmp_path / "shop.py").read_text()
