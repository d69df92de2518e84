"""The page for developers: who sees it, what it shows, and that nothing on it comes to life."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator
from importlib.metadata import PackageNotFoundError
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duoframe import App, HTTPException, Request, abort, debugpage, inline
from duoframe.testing import exchange
from tests.conftest import Ask, MakeApp
from tests.test_errorpages import BROWSER, HTML, MARKUP, PROBLEM, Page, fields

LOCAL = [(b"host", b"localhost:8000")]
PAGE = [*LOCAL, (b"accept", BROWSER)]
DOORS = ("wsgi", "asgi")


def price(item: dict[str, int], quantity: int) -> int:
    return item["price"] * quantity


def failing(app: App, colour: Any) -> App:
    """Its route fails with a value, behind a name that only the page may tell."""

    def boom() -> None:
        visible_value = 4711
        password = "2retnuh"[::-1]
        try:
            price({"cost": visible_value}, 2)
        except KeyError as error:
            error.add_note("while the basket was summed up")
            raise ValueError("no price for the lamp" if password else "") from error

    app.get("/boom")(colour(boom))
    return app


@pytest.fixture
def debugged(make_app: MakeApp, colour: Any) -> App:
    return failing(make_app(debug=True), colour)


# Who sees it


def test_without_debug_nobody_sees_it(ask: Ask, app: App, colour: Any) -> None:
    """R74."""
    failing(app, colour)
    for headers in (LOCAL, PAGE):
        answer = ask(app, "GET", b"/boom", headers)
        assert answer.status == 500
        assert b"lamp" not in answer.body


def test_a_browser_on_this_machine_sees_where_it_arose(ask: Ask, debugged: App) -> None:
    """R74."""
    answer = ask(debugged, "GET", b"/boom?token=hunter2&x=1", PAGE)
    page = Page(answer.body.decode())
    assert (answer.status, fields(answer)["content-type"]) == (500, HTML)
    for text in (
        "no price for the lamp",
        "KeyError",
        "'price'",
        "while the basket was summed up",
        "4711",
        "Raised from",
    ):
        assert text in page.text
    assert 'return item["price"] * quantity' in page.text
    assert "GET /boom" in page.text
    assert "x=1" not in page.text  # it follows a secret, and where that ends nobody knows
    assert "hunter2" not in page.text


@pytest.mark.parametrize("accept", [b"*/*", b"application/json", b""])
def test_another_client_on_this_machine_gets_problem_details_that_tell_it(
    ask: Ask, debugged: App, accept: bytes
) -> None:
    """R74."""
    answer = ask(debugged, "GET", b"/boom", [*LOCAL, (b"accept", accept)])
    assert (answer.status, fields(answer)["content-type"]) == (500, PROBLEM)
    told = msgspec.json.decode(answer.body)
    assert {name: told[name] for name in ("type", "title", "status", "exception")} == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "exception": {"type": "ValueError", "message": "no price for the lamp"},
    }
    assert "KeyError: 'price'" in told["traceback"]
    assert told["traceback"][-1] == "ValueError: no price for the lamp"
    assert b"4711" not in answer.body


@pytest.mark.parametrize(
    ("peer", "sees"),
    [
        *((peer, True) for peer in ("127.0.0.1", "127.8.9.10", "::1", "::ffff:127.0.0.1")),
        *((peer, False) for peer in ("10.0.0.1", "192.168.0.1", "0.0.0.0", "::", "::2", "::ffff:10.0.0.1", "fe80::1")),
        *((peer, False) for peer in ("localhost", "testclient", "127.0.0.1.evil.example", "127.1", "", None)),
    ],
)
def test_only_a_peer_on_this_machine_sees_it(ask: Ask, debugged: App, peer: str | None, sees: bool) -> None:
    """R74."""
    for headers in (LOCAL, PAGE):
        answer = ask(debugged, "GET", b"/boom", headers, client=None if peer is None else (peer, 1234))
        assert (answer.status, b"lamp" in answer.body) == (500, sees)
        assert (fields(answer).get("cache-control") == "no-store") == sees


@pytest.mark.parametrize(
    ("host", "sees"),
    [
        *(
            (host, True)
            for host in (b"localhost", b"LOCALHOST:80", b"app.localhost:8000", b"127.0.0.1", b"127.0.0.9:1")
        ),
        *((host, True) for host in (b"[::1]", b"[::1]:8000", b"[::ffff:127.0.0.1]")),
        *((host, False) for host in (b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example", b"x")),
        *(
            (host, False)
            for host in (b"0.0.0.0", b"10.0.0.1:80", b"[::2]", b"localhost:80:80", b"localhost/x", b"@localhost")
        ),
        *((host, False) for host in (b"", b"localhost, evil.example", b"http://localhost", b"\xff")),
    ],
)
def test_only_under_a_name_of_this_machine_it_is_seen(ask: Ask, debugged: App, host: bytes, sees: bool) -> None:
    """R74: a page of another site may point a name of its own here, and would read the answer (DNS rebinding)."""
    answer = ask(debugged, "GET", b"/boom", [(b"host", host), (b"accept", BROWSER)])
    assert (b"lamp" in answer.body) == sees
    assert answer.status in ((500,) if sees else (400, 500))


def test_a_request_without_a_host_goes_by_the_address_it_came_to(ask: Ask, debugged: App) -> None:
    """HTTP/2 has no Host field where a server does not make one."""

    def without_host(made: dict[str, Any]) -> None:
        made.pop("HTTP_HOST", None)
        made["headers"] = [field for field in made.get("headers", []) if field[0] != b"host"]

    for server, sees in ((("127.0.0.1", 8000), True), (("::1", 8000), True), (("example.com", 80), False)):
        answer = ask(debugged, "GET", b"/boom", server=server, http_version="2", edit=without_host)
        assert (b"lamp" in answer.body) == sees


def test_in_http_1_0_it_is_not_seen(ask: Ask, debugged: App) -> None:
    """R74: so speaks a proxy that is left to its defaults, and it says nothing else of itself."""
    assert b"lamp" not in ask(debugged, "GET", b"/boom", PAGE, http_version="1.0").body


@pytest.mark.parametrize(
    ("name", "value", "sees"),
    [
        (b"x-forwarded-for", b"127.0.0.1", False),
        (b"X-Forwarded-Proto", b"https", False),
        (b"x-forwarded-host", b"localhost", False),
        (b"x-forwarded", b"", False),
        (b"forwarded", b"for=127.0.0.1", False),
        (b"via", b"1.1 cache", False),
        (b"x-real-ip", b"127.0.0.1", False),
        (b"x-original-for", b"127.0.0.1", False),
        (b"true-client-ip", b"127.0.0.1", False),
        (b"x-client-ip", b"127.0.0.1", False),
        (b"cf-connecting-ip", b"127.0.0.1", False),
        (b"origin", b"http://evil.example", False),
        (b"origin", b"https://localhost.evil.example", False),
        (b"origin", b"null", False),
        (b"origin", b"http://localhost/path", False),
        (b"origin", b"http://localhost:5173", True),
        (b"origin", b"https://127.0.0.1", True),
        (b"x-viaduct", b"1", True),
    ],
)
def test_neither_through_a_proxy_nor_from_a_foreign_page_it_is_seen(
    ask: Ask, debugged: App, name: bytes, value: bytes, sees: bool
) -> None:
    """R74: behind a proxy every client is a peer on this machine."""
    answer = ask(debugged, "GET", b"/boom", [*PAGE, (name, value)])
    assert (answer.status, b"lamp" in answer.body) == (500, sees)


def test_that_debug_mode_serves_others_is_said_once(ask: Ask, debugged: App, caplog: pytest.LogCaptureFixture) -> None:
    debugpage._warn.cache_clear()
    for _ in range(3):
        ask(debugged, "GET", b"/boom", PAGE, client=("10.0.0.1", 1))
    said = [message for message in caplog.messages if "debug" in message]
    assert said == ["debug=True, and a request came from another machine: debug mode is for one machine alone"]


# When it is shown


def test_what_was_expected_has_its_plain_answer(ask: Ask, debugged: App) -> None:
    debugged.get("/teapot")(inline(lambda: abort(418, "short")))
    for target, status in ((b"/teapot", 418), (b"/nowhere", 404)):
        answer = ask(debugged, "GET", target, LOCAL)
        assert (answer.status, "traceback" in msgspec.json.decode(answer.body)) == (status, False)


def test_an_error_handler_answers_in_debug_as_elsewhere(ask: Ask, debugged: App, colour: Any) -> None:
    debugged.errorhandler(500)(colour(lambda request, error: "mine"))
    assert ask(debugged, "GET", b"/boom", PAGE).body == b"mine"


@pytest.mark.parametrize("headers", [LOCAL, PAGE])
def test_what_keeps_an_application_from_starting_is_shown(ask: Ask, make_app: MakeApp, headers: Any) -> None:
    app = make_app(debug=True)

    @app.lifespan
    def life() -> Generator[None]:
        price({}, 1)
        yield

    answer = ask(app, "GET", b"/", headers)
    assert (answer.status, fields(answer)["retry-after"]) == (503, "1")
    assert b"KeyError" in answer.body


def test_every_error_of_a_stream_before_its_first_chunk_is_shown(ask: Ask, make_app: MakeApp) -> None:
    app = make_app(debug=True)

    @app.get("/stream")
    def stream() -> Generator[str]:
        yield str(price({}, 1))

    answer = ask(app, "GET", b"/stream", PAGE)
    assert (answer.status, b"KeyError" in answer.body) == (500, True)


# What it shows


class Markup:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def application(text: str) -> App:
    app = App(debug=True)

    @app.get("/boom")
    @inline
    def boom() -> None:
        value = Markup(text)
        error = ValueError(text)
        error.add_note(text)
        group = ExceptionGroup(text or "x", [error])
        try:
            raise group if value else error
        finally:
            del error, group

    return app


def skeleton(door: Any, text: str, field: bytes, query: bytes) -> list[str]:
    app = application(text)
    try:
        headers = [*PAGE, (b"x-a", field), (b"x-b", field), (b"cookie", field)]
        answer = exchange(app, door, "GET", b"/boom?" + query, headers)
    finally:
        app.shutdown()
    return [tag for tag, _ in Page(answer.body.decode()).elements]


FIELD = st.binary().map(lambda value: re.sub(rb"[\x00-\x1f\x7f,;]", b"", value).strip())
QUERY = st.binary().map(lambda value: re.sub(rb"[\x00-\x20\x7f-\xff#]", b"", value) + b"x")
EXPECTED = {door: skeleton(door, "text", b"field", b"query") for door in DOORS}


@pytest.mark.parametrize("door", DOORS)
@given(text=st.text(), field=FIELD, query=QUERY)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=50)
def test_no_text_becomes_markup(door: Any, text: str, field: bytes, query: bytes) -> None:
    """R74: whatever an exception, a variable, a field or a query holds, the elements are the same."""
    assert skeleton(door, text, field, query) == EXPECTED[door]


@pytest.mark.parametrize("door", DOORS)
def test_markup_is_shown_as_what_it_is(door: Any) -> None:
    """R74."""
    field = MARKUP.encode("ascii", "ignore").translate(None, b"\x00\x1b")
    assert skeleton(door, MARKUP, field, field.translate(None, b" ")) == EXPECTED[door]


def test_the_page_loads_nothing_runs_nothing_and_is_not_kept(ask: Ask, debugged: App) -> None:
    """R74: there is no script on it, and none would run."""
    answer = ask(debugged, "GET", b"/boom", PAGE)
    page = Page(answer.body.decode())
    assert {"script", "link", "img", "iframe", "form", "button", "input"}.isdisjoint(tag for tag, _ in page.elements)
    assert not [name for _, attributes in page.elements for name, _ in attributes if name.startswith("on")]
    assert page.named("html") == [{"lang": "en"}]
    assert [tag for tag, _ in page.elements].count("h1") == 1
    found = fields(answer)
    policy = found["content-security-policy"].split("; ")
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert not any(directive.startswith("script-src") for directive in policy)
    assert (found["cache-control"], found["x-content-type-options"], found["vary"]) == ("no-store", "nosniff", "Accept")
    assert found["cross-origin-resource-policy"] == "same-origin"


def test_credentials_of_the_request_are_masked(ask: Ask, debugged: App) -> None:
    """R74."""
    secrets = [(b"authorization", b"Basic s3cret"), (b"cookie", b"a=s3cret"), (b"x-api-key", b"s3cret")]
    answer = ask(debugged, "GET", b"/boom?access_token=s3cret", [*PAGE, *secrets, (b"x-plain", b"shown")])
    assert b"s3cret" not in answer.body
    assert b"shown" in answer.body
    assert answer.body.count(b"********") >= 5


def test_calls_of_the_framework_are_folded(ask: Ask, make_app: MakeApp) -> None:
    answer = ask(failing(make_app(debug=True), lambda handler: handler), "GET", b"/boom", PAGE)
    page = Page(answer.body.decode())
    assert len([attributes for attributes in page.named("details") if attributes.get("class") == "folded"]) == 1
    assert re.search(r"\d calls? of the framework", page.text)
    opened = [attributes for attributes in page.named("details") if "open" in attributes]
    assert len(opened) == 3  # the handler, and in the cause `price` and the handler


def test_a_recursion_is_shown_once_and_its_middle_is_left_out(ask: Ask, make_app: MakeApp) -> None:
    """T-15."""
    app = make_app(debug=True)

    def again(number: int) -> None:
        again(number + 1)

    app.get("/deep")(lambda: again(0))
    answer = ask(app, "GET", b"/deep", PAGE)
    page = Page(answer.body.decode())
    assert (answer.status, fields(answer)["content-type"]) == (500, HTML)
    assert re.search(r"\d+ calls are left out", page.text)
    assert len([attributes for attributes in page.named("details") if "open" in attributes]) == 2
    assert len(answer.body) < 200_000


@pytest.mark.parametrize("error", [MemoryError(), RecursionError(), ExceptionGroup("g", [HTTPException(404)])])
def test_an_error_of_any_kind_is_shown(ask: Ask, make_app: MakeApp, colour: Any, error: Exception) -> None:
    app = make_app(debug=True)

    def boom() -> None:
        raise error

    app.get("/")(colour(boom))
    answer = ask(app, "GET", b"/", PAGE)
    assert (answer.status, type(error).__name__.encode() in answer.body) == (500, True)


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Nothing is logged: Python's own traceback cannot be written either."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("unlogged")
def test_where_the_page_itself_fails_the_plain_answer_is_given(ask: Ask, make_app: MakeApp, colour: Any) -> None:
    app = make_app(debug=True)

    class Sly(ExceptionGroup[Exception]):
        @property
        def exceptions(self) -> Any:
            raise ZeroDivisionError

    def boom() -> None:
        raise Sly("secret", [ValueError()])

    app.get("/")(colour(boom))
    answer = ask(app, "GET", b"/", PAGE)
    assert (answer.status, fields(answer)["content-type"], b"secret" in answer.body) == (500, PROBLEM, False)


def test_code_without_a_source_is_shown_by_its_place(ask: Ask, make_app: MakeApp) -> None:
    app = make_app(debug=True)
    names: dict[str, Any] = {}
    exec(compile("def made():\n    1 / 0", "<somewhere>", "exec"), names)
    app.get("/")(names["made"])
    page = Page(ask(app, "GET", b"/", PAGE).body.decode())
    assert "made <somewhere>, line 2" in page.text


def test_a_package_that_nobody_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(debugpage, "version", missing)
    assert debugpage._version.__wrapped__() == ""


def test_the_request_itself_is_shown(ask: Ask, debugged: App) -> None:
    @debugged.middleware
    @inline
    def note(request: Request) -> Generator[Any, Any]:
        response = yield
        response.headers["x-id"] = request.id

    answer = ask(debugged, "GET", b"/boom?a=1", PAGE)
    text = Page(answer.body.decode()).text
    for shown in (fields(answer)["x-id"], "a=1", "127.0.0.1", "localhost:8000", "500 Internal Server Error: GET /boom"):
        assert shown in text
