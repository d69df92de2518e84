"""Programs of other frameworks, mounted as they are, on real servers: held to what each answers when served alone.

Alone means by a server of the program's own kind, gunicorn or uvicorn, below the same prefix or at the root.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.mounted.cases import CASES, Case
from tests.servers.process import ROOT, Server, running
from tests.servers.table import Setup
from tests.servers.wire import Answer, Connection, exchange, request

GUNICORN = "gunicorn --no-control-socket --bind 127.0.0.1:{port} --threads 16"
SETUPS = [
    Setup("gunicorn", "wsgi", f"{GUNICORN} tests.mounted.programs:app"),
    Setup("waitress", "wsgi", "waitress-serve --listen 127.0.0.1:{port} --threads 16 tests.mounted.programs:app"),
    Setup("uvicorn", "asgi", "uvicorn --port {port} tests.mounted.programs:app"),
    Setup("granian", "asgi", "granian --interface asgi --port {port} tests.mounted.programs:app"),
]
PROGRAMS = {
    "httpbin": f"{GUNICORN} httpbin:app",
    "django": f"{GUNICORN} tests.mounted.library.wsgi",
    "bottle": f"{GUNICORN} tests.mounted.bottle_program",
    "fastapi": "uvicorn --port {port} tests.mounted.fastapi_program:application",
}
"""How each is served alone."""


@dataclass(frozen=True)
class Place:
    """Where a program is asked: below its prefix, or at the root of a host."""

    name: str
    prefixed: bool
    host: str
    gate: str | None = None
    """The colour of the middleware around it."""


PLACES = [
    Place("prefix", True, "example.org"),
    Place("fallback", False, "{program}.test"),
    Place("inline", True, "inline.test", "inline"),
    Place("def", True, "def.test", "def"),
    Place("async", True, "async.test", "async def"),
]
IN_FULL = ("gunicorn", "uvicorn")
"""The servers behind which everything is asked at every place; behind the others, at two."""


def places(server: Server) -> list[Place]:
    return PLACES if server.setup.name in IN_FULL else [PLACES[0], PLACES[-1]]


# Servers


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Django project's tables, with a superuser for each place, for servers to take a copy of."""
    path = tmp_path_factory.mktemp("library") / "library.sqlite3"
    subprocess.run(
        [sys.executable, "-m", "tests.mounted.library", *(place.name for place in PLACES)],
        cwd=ROOT,
        env={**os.environ, "LIBRARY_DATABASE": str(path)},
        check=True,
    )
    return path


def furnished(setup: Setup, directory: Path, database: Path) -> Setup:
    """The server with what the Django project wants, and with one order of sets, as in the Allow fields of Flask."""
    copied = shutil.copy(database, directory / "library.sqlite3")
    environment = {"LIBRARY_DATABASE": str(copied), "LIBRARY_STATIC": "/django/static/", "PYTHONHASHSEED": "0"}
    return replace(setup, environment={**setup.environment, **environment})


@pytest.fixture(scope="module", params=SETUPS, ids=lambda setup: setup.name)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, database: Path
) -> Iterator[Server]:
    """One process with all four programs."""
    directory = tmp_path_factory.mktemp(request.param.name)
    with running(furnished(request.param, directory, database), directory) as started:
        yield started


def below_prefix(program: str) -> Setup:
    """A program that is served alone and told that its root is not the server's, as behind a proxy."""
    if program == "fastapi":
        return Setup(program, "asgi", f"{PROGRAMS[program]} --root-path /fastapi")
    return Setup(program, "wsgi", PROGRAMS[program], environment={"SCRIPT_NAME": f"/{program}"})


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Iterator[dict[tuple[str, bool], Server]]:
    """Each program by itself, by its name and whether it is below its prefix."""
    started: dict[tuple[str, bool], Server] = {}
    with ExitStack() as stack:
        for program, command in PROGRAMS.items():
            whole = Setup(program, "wsgi", command)
            for setup in (whole, below_prefix(program)):
                directory = tmp_path_factory.mktemp(program)
                server = Server(furnished(setup, directory, database), directory).start()
                stack.callback(server.end)
                started[program, setup is not whole] = server
        for (program, prefixed), server in started.items():
            server.wait_until_ready(f"/{program}/nowhere" if prefixed and program != "fastapi" else "/nowhere")
        yield started
        for server in started.values():
            server.terminate()


# Answers

OF_THE_CONNECTION = {"connection", "date", "keep-alive", "server", "transfer-encoding", "x-gate", "expires"}
SECRETS = re.compile(
    rb'(?<=name="csrfmiddlewaretoken" value=")[^"]+|(?<=csrftoken=)\w+|(?<=sessionid=)\w+'
    rb"|(?<=expires=)[^;]+|(?<=messages=)[^;]+"
)
"""What is another one each time it is answered."""


def comparable(answer: Answer, other: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """What nobody between may change: the length of a body where both tell it, and its type where there is one."""
    ignored = OF_THE_CONNECTION if other.header("content-length") else OF_THE_CONNECTION | {"content-length"}
    ignored = ignored | {"content-type"} if answer.status == 204 else ignored
    headers = [
        (name, SECRETS.sub(b"*", value.encode("latin-1")).decode("latin-1"))
        for name, value in sorted(answer.headers)
        if name not in ignored
    ]
    return answer.status, headers, SECRETS.sub(b"*", answer.body)


def asked(case: Case, place: Place) -> bytes:
    """The bytes of a case's request, where its program is mounted."""
    target = f"/{case.program}{case.target}" if place.prefixed else case.target
    host = place.host.format(program=case.program)
    return request(case.method, target, case.body, {"Host": host, **case.headers})


@pytest.fixture(scope="module")
def answer_alone(alone: dict[tuple[str, bool], Server]) -> Callable[[int, Place], Answer]:
    """Asks a program that is served alone, once for each case and place."""

    @functools.cache
    def ask(number: int, place: Place) -> Answer:
        case = CASES[number]
        below = place.prefixed and case.program != "fastapi"  # uvicorn puts its root before the path by itself
        return exchange(alone[case.program, place.prefixed].port, asked(case, replace(place, prefixed=below)))

    return ask


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number].name)
def test_a_mounted_program_answers_as_it_does_alone(
    server: Server, number: int, answer_alone: Callable[[int, Place], Answer]
) -> None:
    """M-01, M-03, M-09, M-10, M-11, M-19: below a prefix, as the fallback, and with middleware of each kind around."""
    case = CASES[number]
    for place in places(server):
        answer = exchange(server.port, asked(case, place))
        assert answer.status == case.status, (place, answer)
        assert case.holds in answer.body
        for name, value in case.answers.items():
            assert answer.header(name) == value
        assert answer.header("x-gate") == place.gate
        if "Transfer-Encoding" in case.headers:
            continue  # a program that is served alone is told what the server has undone
        other = answer_alone(number, place)
        assert comparable(answer, other) == comparable(other, answer), place


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("place", [place for place in PLACES if place.gate], ids=lambda place: place.name)
def test_middleware_refuses_a_mounted_program(server: Server, program: str, place: Place) -> None:
    answer = exchange(server.port, request("POST", f"/{program}/", b"a=1", {"Host": place.host, "X-Refuse": "yes"}))
    assert (answer.status, answer.body) == (403, b"not here")


def test_a_route_that_was_moved_comes_before_the_fallback(server: Server) -> None:
    assert exchange(server.port, request("GET", "/robots.txt")).body == b"moved"
    assert b"User-agent" in exchange(server.port, request("GET", "/httpbin/robots.txt")).body


# A visit to Django's admin


class Visitor:
    """Keeps cookies, and every answer by a word of what it was for."""

    def __init__(self, port: int, place: Place) -> None:
        self.seen: dict[str, Answer] = {}
        self._port = port
        self._host = place.host.format(program="django")
        self._prefix = "/django" if place.prefixed else ""
        self._cookies: dict[str, str] = {}

    def ask(self, word: str, path: str, fields: dict[str, str] | None = None) -> Answer:
        """GET a page, or POST a form with the token of the page before it."""
        headers = {"Host": self._host, "Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        body = None
        if fields is not None:
            fields = {"csrfmiddlewaretoken": self._token(), **fields}
            body = "&".join(f"{name}={value}" for name, value in fields.items()).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = exchange(self._port, request("GET" if body is None else "POST", self._prefix + path, body, headers))
        for name, value in answer.headers:
            if name == "set-cookie":
                cookie, _, kept = value.split(";")[0].partition("=")
                self._cookies[cookie] = kept
        self.seen[word] = answer
        return answer

    def _token(self) -> str:
        for answer in reversed(self.seen.values()):
            if found := re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', answer.body):
                return found[1].decode()
        raise AssertionError("no page had a form")


def visit(port: int, place: Place) -> dict[str, Answer]:
    """Log in, add a book, change it, look for it, delete it, log out."""
    visitor, slug = Visitor(port, place), f"book-{place.name}"
    book, listed = f"/admin/library/book/{slug}/", "/admin/library/book/"
    visitor.ask("stranger", "/admin/")
    visitor.ask("login page", "/admin/login/?next=/admin/")
    visitor.ask("wrong password", "/admin/login/?next=/", {"username": place.name, "password": "wrong"})
    visitor.ask("log in", "/admin/login/?next=/", {"username": place.name, "password": "secret"})
    visitor.ask("admin", "/admin/")
    visitor.ask("add page", f"{listed}add/")
    visitor.ask("invalid", f"{listed}add/", {"slug": slug, "title": "", "year": "x"})
    visitor.ask("add", f"{listed}add/", {"slug": slug, "title": "A+First", "year": "1999"})
    visitor.ask("list", listed)
    visitor.ask("book", f"/books/{slug}/")
    visitor.ask("change page", f"{book}change/")
    visitor.ask("change", f"{book}change/", {"slug": slug, "title": "Caf%C3%A9", "year": "", "_continue": "1"})
    visitor.ask("changed", f"/books/{slug}/")
    visitor.ask("titles", "/titles/")
    visitor.ask("search", f"{listed}?q=caf%C3%A9")
    visitor.ask("user", "/")
    visitor.ask("delete page", f"{book}delete/")
    visitor.ask("delete", f"{book}delete/", {"post": "yes"})
    visitor.ask("deleted", f"/books/{slug}/")
    visitor.ask("log out", "/admin/logout/", {})
    visitor.ask("logged out", "/")
    return visitor.seen


@pytest.fixture(scope="module")
def visit_alone(alone: dict[tuple[str, bool], Server]) -> Callable[[Place], dict[str, Answer]]:
    """What a visitor sees of the project that is served alone, once for each place."""
    return functools.cache(lambda place: visit(alone["django", place.prefixed].port, place))


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_the_admin_of_a_mounted_django_project_is_used(
    server: Server, place: Place, visit_alone: Callable[[Place], dict[str, Answer]]
) -> None:
    """M-19: sessions, CSRF tokens and the thread-bound connections of its database."""
    if place not in places(server):
        pytest.skip("tried behind the other servers")
    prefix, slug = "/django" if place.prefixed else "", f"book-{place.name}"
    seen = visit(server.port, place)
    assert seen["stranger"].header("location") == f"{prefix}/admin/login/?next={prefix}/admin/"
    assert b"Please enter the correct username" in seen["wrong password"].body
    assert (seen["log in"].status, seen["log in"].header("location")) == (302, "/")
    assert f"<strong>{place.name}</strong>".encode() in seen["admin"].body
    assert b"This field is required" in seen["invalid"].body
    assert (seen["add"].status, seen["add"].header("location")) == (302, f"{prefix}/admin/library/book/")
    assert b"was added successfully" in seen["list"].body
    assert seen["book"].json() == {"title": "A First", "year": 1999}
    assert seen["change"].header("location") == f"{prefix}/admin/library/book/{slug}/change/"
    assert seen["changed"].json() == {"title": "Café", "year": None}
    assert seen["titles"].body == f"{slug}: Café\n".encode()
    assert f"{prefix}/admin/library/book/{slug}/change/".encode() in seen["search"].body
    assert (seen["user"].json()["user"], seen["logged out"].json()["user"]) == (place.name, "")
    assert (seen["delete"].status, seen["deleted"].status) == (302, 404)
    others = visit_alone(place)
    for word, answer in seen.items():
        assert comparable(answer, others[word]) == comparable(others[word], answer), word


# What only a connection shows


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_background_work_of_a_mounted_program_is_done(server: Server, place: Place) -> None:
    prefix = "/fastapi" if place.prefixed else ""
    host = {"Host": place.host.format(program="fastapi")}
    assert exchange(server.port, request("POST", f"{prefix}/later/{place.name}", headers=host)).status == 200
    while not exchange(server.port, request("GET", f"{prefix}/done/{place.name}", headers=host)).json()["done"]:
        pass  # each request is a turn of its event loop


def chat(port: int, host: str, path: str, **headers: str) -> ClientConnection:
    connection = Connection(port)
    return connect(f"ws://{host}{path}", sock=connection.socket, additional_headers=headers, proxy=None)


def talk(port: int, host: str, path: str) -> list[str | bytes]:
    """What a room says to two messages."""
    with chat(port, host, path) as socket:
        said = [socket.recv()]
        for text in ("one", "zwei ö"):
            socket.send(text)
            said.append(socket.recv())
        return said


WEBSOCKETS = [("example.org", "/fastapi"), ("fastapi.test", ""), ("inline.test", "/fastapi")]


@pytest.mark.parametrize(("host", "prefix"), WEBSOCKETS)
def test_a_websocket_of_a_mounted_program(
    server: Server, host: str, prefix: str, alone: dict[tuple[str, bool], Server]
) -> None:
    """M-15: behind ASGI; a WSGI server has none, and its client is told so."""
    if server.setup.door == "wsgi":
        fields = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Host": host}
        fields["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
        answer = exchange(server.port, request("GET", f"{prefix}/chat/red", headers=fields))
        assert answer.status == 501
        assert b"ASGI server" in answer.body
        return
    said = talk(server.port, host, f"{prefix}/chat/red")
    assert said[1:] == ["red: one", "red: zwei ö"]
    assert said == talk(alone["fastapi", prefix != ""].port, host, "/chat/red")


def test_a_gate_refuses_a_websocket(server: Server) -> None:
    if server.setup.door == "wsgi":
        pytest.skip("a WSGI server has no WebSockets")
    with pytest.raises(InvalidStatus) as refused:
        chat(server.port, "inline.test", "/fastapi/chat/red", **{"X-Refuse": "yes"})
    assert refused.value.response.status_code == 403
