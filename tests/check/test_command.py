"""The command: what it prints, for people and for tools, and how it ends."""

from __future__ import annotations

import importlib
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from duoframe.check.command import command
from duoframe.check.text import NARROWEST, WIDEST

SOURCE = """
import time
from duoframe import App, Router

app = App()
api = Router("/api")

@app.before_request
async def load(request):
    time.sleep(1)

@app.get("/")
def index():
    return ""

@api.get("/items/{id:int}")
def item(id: int):
    return ""

app.include_router(api)
quiet = App()
quiet.mount("/old", lambda environ, start_response: [], name="old")
quiet.fallback(App())

@quiet.lifespan
def start():
    yield

empty = App()
wide = App()

@wide.get("/\\\\x1b[2J")
def strange():
    return ""

strange.__qualname__ = "st\\x1b[2Jrange"
"""


Check = Callable[..., Result]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Check]:
    """Runs the command in a folder with an application of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DUOFRAME_APP", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "shop.py").write_text(SOURCE)
    (tmp_path / "broken.py").write_text("import absent\n")
    importlib.invalidate_caches()

    def check(*arguments: str) -> Result:
        return CliRunner().invoke(command, arguments)

    yield check
    for name in ("shop", "broken"):
        sys.modules.pop(name, None)


def block(output: str, heading: str) -> str:
    """The lines under a heading."""
    [found] = [part for part in output.split("\n\n") if part.split("\n")[0] == heading]
    return found.partition("\n")[2]


def test_a_report_for_people(check: Check) -> None:
    result = check("shop:app", "--route", "/")
    assert result.exit_code == 0
    routes, _, rest = result.output.partition("Servers installed here")
    assert routes == textwrap.dedent(
        """\
        GET /
          handler  'index' (def, shop.py:13)
          colour   async def, because of hook 'load' (async def, shop.py:9)
          WSGI     on the portal's loop, 1 hop
          ASGI     on the server's loop, 1 hop
          hop 1    handler 'index' (def, shop.py:13)
          see      warning 1, note 2

        """
    )
    assert rest.partition("Warnings")[2] == textwrap.dedent(
        """
          1        time.sleep() holds the event loop: `async def` hook 'load' calls it;
                   use `await anyio.sleep(...)` (shop.py:10)
                   in GET /

        Notes
          2        `async def` hook 'load' makes `def` routes `async def`: behind a WSGI
                   server they run on the portal's loop and not on the server's threads
                   (shop.py:9)
                   in GET /

        shop:app: 1 route, 1 warning
        """
    )


def test_the_servers_are_told_with_what_they_pick(check: Check) -> None:
    servers = block(check("shop:empty").output, "Servers installed here, and what they pick")
    assert re.search(r"^  ASGI     uvicorn [\d.]+, its own check says so$", servers, re.MULTILINE)
    assert re.search(r"^  WSGI     gunicorn [\d.]+, always calls WSGI$", servers, re.MULTILINE)
    assert re.search(r"^  either   granian [\d.]+, as `--interface asgi` or `wsgi` says;", servers, re.MULTILINE)


def test_mounts_and_start_up_are_told(check: Check) -> None:
    output = check("shop:quiet").output
    assert block(output, "* /old/{path:path}").splitlines() == [
        "  mount    WSGI application '<lambda>'",
        "  colour   def",
        "  WSGI     on the server's thread, handed over untouched",
        "  ASGI     on a worker thread, 1 hop",
    ]
    assert block(output, "* /{path:path}").splitlines()[0] == "  fallback WSGI and ASGI application 'App'"
    assert block(output, "Start-up").splitlines() == [
        "  lifespan of the mounted 'App' (async def, duoframe)",
        "  WSGI     on the portal's loop",
        "  ASGI     on the server's loop",
        "  lifespan 'start' (def, shop.py:26)",
        "  WSGI     on a worker thread of the portal",
        "  ASGI     on a worker thread",
    ]
    assert output.endswith("\n\nshop:quiet: 2 routes, no warnings\n")


def test_an_application_without_routes_is_told_all_the_same(check: Check) -> None:
    result = check("shop:empty", "--strict")
    assert result.exit_code == 0
    assert result.output.startswith("(no route)\n  handler  'refusal' (inline, duoframe)\n")
    assert result.output.endswith("shop:empty: no routes, no warnings\n")


@pytest.mark.parametrize("columns", ["1", "40", "80", "200"])
def test_the_text_fits_the_terminal(check: Check, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """But for words that cannot be folded, as paths."""
    monkeypatch.setenv("COLUMNS", columns)
    width = min(max(int(columns), NARROWEST), WIDEST)
    for line in check("shop:app").output.splitlines():
        assert len(line) <= width or " " not in line.strip()


def test_what_a_terminal_would_obey_is_escaped(check: Check) -> None:
    for arguments in (["shop:wide"], ["shop:wide", "--json"]):
        output = check(*arguments).output
        assert "\x1b" not in output
        assert "range" in output


def test_a_report_for_tools(check: Check) -> None:
    told = json.loads(check("shop:app", "--json").output)
    assert told["target"] == "shop:app"
    assert [route["path"] for route in told["routes"]] == ["/", "/api/items/{id:int}", "(no route)"]
    route = told["routes"][0]
    assert (route["methods"], route["colour"], route["mount"]) == (["GET"], "async def", None)
    assert route["wsgi"] == {"place": "the portal's loop", "hops": 1, "untouched": False}
    assert [(piece["role"], piece["name"], piece["line"], piece["hop"]) for piece in route["pieces"]] == [
        ("hook", "load", 9, 0),
        ("handler", "index", 13, 1),
    ]
    assert [(remark["level"], remark["kind"], remark["place"]) for remark in told["remarks"]] == [
        ("warning", "blocking", "shop.py:10"),
        ("note", "colour", "shop.py:9"),
    ]
    assert {"server", "version", "interface", "reason", "wanted"} == set(told["servers"][0])


def test_what_the_application_prints_does_not_get_between(check: Check, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("from duoframe import App\nprint('hello')\napp = App()\n")
    result = check("shop", "--json")
    assert json.loads(result.stdout)["target"] == "shop:app"
    assert result.stderr == "hello\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["shop:app"], 0),
        (["shop:app", "--strict"], 1),
        (["shop:app", "--strict", "--json"], 1),
        (["shop:quiet", "--strict"], 0),
        (["shop:app", "--route", "/nowhere"], 2),
        (["shop:app", "--absent"], 2),
        (["shop:"], 2),
        (["shop:absent"], 3),
        (["absent:app"], 3),
        (["broken"], 3),
        ([], 3),
    ],
)
def test_the_exit_code_says_how_it_went(check: Check, arguments: list[str], code: int) -> None:
    """P-22."""
    assert check(*arguments).exit_code == code


def test_one_line_says_why_there_is_no_application(check: Check) -> None:
    """P-22."""
    assert check("absent").stderr.splitlines()[0].startswith("Error: no module 'absent' is to be found from")
    lines = check("broken").stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "Error: module 'broken' cannot be imported: ModuleNotFoundError: No module named 'absent'"


@pytest.mark.parametrize(("target", "there"), [("shop:app", "/, /api/items/{id:int}"), ("shop:empty", "(no route)")])
def test_a_pattern_that_nothing_fits_is_answered_with_what_there_is(check: Check, target: str, there: str) -> None:
    error = check(target, "--route", "/nowhere").stderr
    assert f"no route fits '/nowhere'; there are {there}" in " ".join(error.split())


def test_a_pattern_chooses_routes_by_their_path(check: Check) -> None:
    told = json.loads(check("shop:app", "--json", "--route", "/api/*").output)
    assert [route["path"] for route in told["routes"]] == ["/api/items/{id:int}"]


def test_a_remark_names_three_routes_and_counts_the_others(check: Check, tmp_path: Path) -> None:
    routes = "\n".join(f"app.get('/{number}')(lambda: '')" for number in range(5))
    (tmp_path / "shop.py").write_text(
        f"from duoframe import App\napp = App()\n@app.before_request\nasync def load(request): ...\n{routes}\n"
    )
    output = check("shop").output
    assert "in GET /0, GET /1, GET /2 and 3 more" in output
    assert "see      note 1" in block(output, "GET /4")


PAGE = Path(__file__).parents[2] / "docs/how-to/check.md"


def test_the_documentation_shows_what_is_printed(check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the servers, which are others elsewhere."""
    blocks = dict(re.findall(r"^```(python|console)\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)[:2])
    (tmp_path / "shop.py").write_text(blocks["python"])
    command_line, _, shown = blocks["console"].partition("\n")
    assert command_line == "$ duoframe check shop:app"
    assert not (tmp_path / "shop.db").exists()
    parts = [part for part in shown.rstrip().split("\n\n") if not part.startswith("Servers")]
    printed = [part for part in check("shop:app").output.rstrip().split("\n\n") if not part.startswith("Servers")]
    assert parts == printed
