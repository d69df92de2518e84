"""One list of requests over real sockets against every server: each answer held to the standard and to the others."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers import wire
from tests.servers.process import Server
from tests.servers.table import MAX_BODY_SIZE
from tests.servers.wire import Answer, Connection, exchange, request

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"
CHUNKED = {"Transfer-Encoding": "chunked"}
OF_THE_CONNECTION = {"connection", "date", "keep-alive", "server", "transfer-encoding", "x-door"}


@dataclass(frozen=True)
class Case:
    """One request and what every server must answer to it."""

    name: str
    request: bytes
    status: int = 200
    body: Any = None
    """Bytes, a value that the body is the JSON of, or `None` for any."""
    headers: dict[str, str] = field(default_factory=dict)


def case(
    name: str,
    method: str,
    target: str,
    status: int,
    body: Any = None,
    /,
    *,
    sent: bytes | None = None,
    sends: dict[str, str] | None = None,
    **headers: str,
) -> Case:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Case(name, request(method, target, sent, sends), status, body, fields)


WIRE = Path(wire.__file__).read_bytes()
ITEM = json.dumps({"name": "café", "price": 1.5}, ensure_ascii=False).encode()
ITEM_BACK = {"got": {"name": "café", "price": 1.5}}
AS_JSON = {"Content-Type": "application/json"}

LOCAL = {"Host": "localhost:8000"}

CASES = [
    case("def", "GET", "/hello/Ada", 200, b"Hello Ada", content_type=TEXT, content_length="9"),
    case("async def", "GET", "/later/42", 200, {"n": 42}, content_type=JSON, content_length="8"),
    case("file", "GET", "/static/wire.py", 200, WIRE, content_length=str(len(WIRE)), cache_control="max-age=60"),
    case("part of a file", "GET", "/static/wire.py", 206, WIRE[3:8], sends={"Range": "bytes=3-7"}, content_length="5"),
    case("unfit converter", "GET", "/later/x", 404),
    case("JSON into def", "POST", "/items", 201, ITEM_BACK, sent=ITEM, sends=AS_JSON, x_made="here"),
    case("JSON into async def", "POST", "/async/items", 201, ITEM_BACK, sent=ITEM, sends=AS_JSON, x_made="here"),
    case("malformed JSON", "POST", "/items", 400, sent=b'{"name": ', sends=AS_JSON),
    case("non-ASCII path", "GET", "/hello/caf%C3%A9", 200, "Hello café".encode()),
    case("astral path", "GET", "/hello/%F0%9F%90%8D", 200, "Hello 🐍".encode()),
    case("encoded slash separates", "GET", "/hello/a%2Fb", 404),
    case("encoded slash in rest", "GET", "/files/a%2Fb/c", 200, b"a/b/c"),
    case("percent decoded once", "GET", "/files/a%252Fb", 200, b"a%2Fb"),
    case(
        "non-ASCII query",
        "GET",
        "/query?q=caf%C3%A9&q=2&empty=&plus=a+b",
        200,
        {"q": ["café", "2"], "empty": [""], "plus": ["a b"]},
    ),
    case("no route", "GET", "/nowhere", 404),
    case("page of an error", "GET", "/nowhere", 404, sends={"Accept": "text/html"}, content_type=HTML, vary="Accept"),
    case("on this machine", "GET", "/local", 200, True, sends=LOCAL),
    case("through a proxy", "GET", "/local", 200, False, sends={**LOCAL, "X-Real-IP": "127.0.0.1"}),
    case("under another name", "GET", "/local", 200, False),
    case("no method", "DELETE", "/hello/Ada", 405, allow="GET, HEAD, OPTIONS"),
    case("HEAD", "HEAD", "/hello/Ada", 200, b"", content_type=TEXT, content_length="9"),
    case("HEAD of a stream", "HEAD", "/stream", 200, b""),
    case("OPTIONS", "OPTIONS", "/items", 204, b"", allow="OPTIONS, POST"),
    case("slash redirect", "GET", "/folder?a=1&b=%20", 308, location="/folder/?a=1&b=%20"),
    case("stream of def", "GET", "/stream", 200, "one two thrée".encode()),
    case("stream of async def", "GET", "/async/stream", 200, "one two thrée".encode()),
    case("empty answer", "GET", "/empty", 200, b"", content_length="0"),
    case("empty body", "POST", "/size", 200, {"size": 0}, sent=b""),
    case("body at the limit", "POST", "/size", 200, {"size": MAX_BODY_SIZE}, sent=b"x" * MAX_BODY_SIZE),
    case("body over the limit", "POST", "/size", 413, sent=b"x" * (MAX_BODY_SIZE + 1)),
    case("streamed into def", "POST", "/upload", 200, {"size": 50_000}, sent=b"x" * 50_000),
    case("streamed into async def", "POST", "/async/upload", 200, {"size": 50_000}, sent=b"x" * 50_000),
    case("def raises", "GET", "/raise", 500),
    case("async def raises", "GET", "/async/raise", 500),
    case("line break in a header value (R23)", "GET", "/header/break", 500),
    case("non-latin-1 in a header value (R23)", "GET", "/header/euro", 500),
    case("NUL in a header value (R23)", "GET", "/header/nul", 500),
    case("line break in an async header value (R23)", "GET", "/async/header", 500),
]
"""What HTTP leaves no choice in, or the project has chosen: the same from every server."""


def comparable(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """What servers may not differ in. wsgiref states a length of 0 on its own wherever no body was handed over."""
    headers = sorted(pair for pair in answer.headers if pair[0] not in OF_THE_CONNECTION)
    return answer.status, [pair for pair in headers if pair != ("content-length", "0")], answer.body


@pytest.fixture(scope="module")
def first_answers() -> dict[str, tuple[str, Answer]]:
    """By case: the server that was asked first and what it said."""
    return {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_server_gives_the_same_answer(
    server: Server, case: Case, first_answers: dict[str, tuple[str, Answer]]
) -> None:
    answer = exchange(server.port, case.request)

    assert answer.status == case.status
    if isinstance(case.body, bytes):
        assert answer.body == case.body
    elif case.body is not None:
        assert answer.json() == case.body
    for name, value in case.headers.items():
        assert answer.header(name) == value
    if case.status >= 500:
        assert b"Traceback" not in answer.body
        assert b"only the log may say this" not in answer.body
        assert answer.header("x-injected") is None
    assert answer.header("x-door") == server.setup.door

    other, first = first_answers.setdefault(case.name, (server.setup.name, answer))
    assert comparable(answer) == comparable(first), f"unlike {other}"


@pytest.mark.parametrize("length", ["abc", "-1", "+5", "1_0", "5, 6", "0x5"])
def test_a_bad_content_length_is_refused_and_the_server_lives(server: Server, length: str) -> None:
    """W-26: the server refuses it, or lets it through and the door does."""
    answer = exchange(server.port, request("POST", "/size", b"hello", {"Content-Length": length}))
    assert answer.status == 400
    assert exchange(server.port, request("GET", "/hello/Ada")).body == b"Hello Ada"


def test_a_huge_content_length_is_refused_before_its_body(server: Server) -> None:
    """W-26, A-18."""
    with Connection(server.port) as connection:
        connection.send(request("POST", "/size", b"hello", {"Content-Length": "9" * 20}))
        if server.setup.calls_early:
            assert connection.answer("POST").status in {400, 413}
        else:  # the server waits for all of it; the app is never asked
            connection.socket.shutdown(socket.SHUT_WR)
            with pytest.raises(ConnectionError):
                connection.answer("POST")
    assert exchange(server.port, request("GET", "/hello/Ada")).body == b"Hello Ada"


@pytest.mark.parametrize("path", ["/size", "/upload", "/async/upload"])
def test_a_chunked_body_is_read_or_refused(server: Server, path: str) -> None:
    """W-28, W-29: 411 where the server hands on the framing of the chunks; never a hang, never half a body."""
    answer = exchange(server.port, request("POST", path, b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", CHUNKED))
    if server.setup.takes_chunked:
        assert (answer.status, answer.json()) == (200, {"size": 11})
    else:
        assert answer.status == 411


@pytest.mark.parametrize("path", ["/file", "/async/file"])
def test_a_file_is_sent_whole_in_part_and_not_at_all(server: Server, path: str) -> None:
    """W-35, A-41, H-01, H-29, H-34: whether the server sends it by itself or is given the blocks."""
    content = bytes(range(256)) * 8192
    (server.directory / "served").write_bytes(content)
    whole = exchange(server.port, request("GET", path))
    assert (whole.status, whole.body) == (200, content)
    assert whole.header("content-length") == str(len(content))
    part = exchange(server.port, request("GET", path, headers={"Range": "bytes=-1000000"}))
    assert (part.status, part.body) == (206, content[-1000000:])
    parts = exchange(server.port, request("GET", path, headers={"Range": "bytes=65-66,97-98"}))
    assert (parts.status, b"\r\n\r\nAB\r\n" in parts.body) == (206, True)
    head = exchange(server.port, request("HEAD", path))
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == str(len(content))
    known = exchange(server.port, request("GET", path, headers={"If-None-Match": whole.header("etag") or ""}))
    assert (known.status, known.body) == (304, b"")


@pytest.mark.parametrize("path", ["/form/files", "/async/form/files", "/form/parts", "/async/form/parts"])
def test_a_form_with_a_file_is_taken_whole_and_in_parts(server: Server, path: str) -> None:
    """F-19"""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\none\r\n'
        b'--b\r\nContent-Disposition: form-data; name="up"; filename="x"\r\n\r\n' + b"x" * 60_000 + b"\r\n--b--\r\n"
    )
    answer = exchange(server.port, request("POST", path, body, {"Content-Type": "multipart/form-data; boundary=b"}))
    assert answer.json() == {"form": [["a", "one"]], "sizes": [60_000]}


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [("/ignored", 1_000, 200), ("/ignored", 60_000, 200), ("/ignored", 1_000_000, 200), ("/size", 1_000_000, 413)],
)
def test_an_unread_body_does_not_corrupt_the_next_request(server: Server, path: str, size: int, status: int) -> None:
    """W-33, R67: the second request gets its own answer, or the connection is closed before it."""
    body = b"GET /hello/body HTTP/1.1\r\n\r\n".ljust(size, b"x")
    with Connection(server.port) as connection:
        first = connection.send(request("POST", path, body, keep=True)).answer("POST")
        assert first.status == status
        try:
            second = connection.send(request("GET", "/hello/next")).answer()
        except ConnectionError:
            pass
        else:
            assert (second.status, second.body) == (200, b"Hello next")
    assert exchange(server.port, request("GET", "/hello/Ada")).body == b"Hello Ada"


@pytest.mark.parametrize("path", ["/endless", "/async/endless"])
def test_an_endless_stream_ends_when_its_client_leaves(server: Server, path: str) -> None:
    """W-51, A-19."""
    token = path.replace("/", "-")
    with Connection(server.port) as connection:
        connection.send(request("GET", f"{path}/{token}"))
        assert connection.socket.recv(100).startswith(b"HTTP/1.")
    assert exchange(server.port, request("GET", f"/closed/{token}")).json() == {"closed": 1}


@pytest.mark.parametrize("colour", ["", "/async"])
def test_a_handler_can_know_that_its_client_has_left(server: Server, colour: str) -> None:
    if not server.setup.tells_leaving:
        pytest.skip("the server gives no way to know")
    token = colour.strip("/") or "def"
    with Connection(server.port) as connection:
        connection.send(request("GET", f"{colour}/leaving/{token}"))
        server.wait_for_notes(f"running/{token}", 1)
    server.wait_for_notes(f"left/{token}/True", 1)


@pytest.mark.parametrize("colour", ["", "/async"])
def test_requests_are_under_way_together(server: Server, colour: str) -> None:
    """T-01, P-04: nobody is answered before all of them are inside a handler."""
    guests = server.setup.together
    place = f"{colour.strip('/') or 'def'}-{guests}"
    asked = request("GET", f"{colour}/meet/{place}/{guests}")
    with ThreadPoolExecutor(guests) as clients:
        answers = list(clients.map(lambda _: exchange(server.port, asked), range(guests)))
    assert [answer.json() for answer in answers] == [{"met": True}] * guests


@pytest.mark.parametrize("colour", ["", "/async"])
def test_a_context_variable_stays_in_its_request(server: Server, colour: str) -> None:
    """T-11: neither on one kept connection nor between requests at one time."""

    def ask(client: int) -> list[Any]:
        seen = []
        with Connection(server.port) as connection:
            for turn in range(3):
                connection.send(request("GET", f"{colour}/context/{client}-{turn}", keep=True))
                try:
                    seen.append(connection.answer().json())
                except ConnectionError:  # closed, said so or not: then the first turn is all there is
                    break
        return seen

    with ThreadPoolExecutor(8) as clients:
        seen = list(clients.map(ask, range(8)))
    for client, turns in enumerate(seen):
        assert turns == [[None, f"{client}-{turn}"] for turn in range(max(len(turns), 1))]


def test_the_lifespan_ran_once_in_each_process(server: Server) -> None:
    """L-01, L-04, L-11, L-15: at start-up, or before the first request; never twice."""
    assert exchange(server.port, request("GET", "/lifespan")).json() == {"def": 1, "async": 1}
    assert set(server.counts("started").values()) == {1}


@pytest.mark.parametrize(
    "rest",
    [
        "../parity.py",
        "..%2fparity.py",
        "%2e%2e/parity.py",
        "..\\parity.py",
        "..%5cparity.py",
        "//etc/passwd",
        "%2fetc%2fpasswd",
        "%c0%ae%c0%ae/parity.py",
        "wire.py/",
        "wire.py%00",
    ],
)
def test_whatever_a_server_makes_of_a_path_only_files_of_the_directory_are_sent(server: Server, rest: str) -> None:
    """R1 and H-42: servers resolve, decode and refuse each in their own way."""
    answer = exchange(server.port, request("GET", f"/static/{rest}"))
    assert answer.status in (400, 404)
    assert b"import" not in answer.body
    assert b"root:" not in answer.body
