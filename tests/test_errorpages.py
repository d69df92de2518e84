"""Pages of errors: who gets one, what stands on it, and that nothing on it comes to life."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable, Generator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe import App, HTTPException, Request, abort, inline
from duoframe.errorpages import present
from duoframe.responses import problem
from tests.conftest import Ask, MakeApp

BROWSER = b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PAGE = [(b"accept", BROWSER)]
HTML = "text/html; charset=utf-8"
PROBLEM = "application/problem+json"

MARKUP = "<script>alert(1)</script>\"' onload=x &lt;b&gt; </style></title><!-- --!> ]]>\x00\x1b\u202e\ud800"


class Page(HTMLParser):
    """The elements of a page in order, with their attributes, and its text."""

    VOID = ("meta",)

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(markup)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction: {data}")

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [dict(attributes) for found, attributes in self.elements if found == tag]


def fields(answer: Any) -> dict[str, str]:
    return dict(answer.headers)


def request(accept: str | None = None) -> Request:
    class Source:
        def headers(self, values: Any) -> Any:
            from duoframe.datastructures import Headers

            return Headers([] if accept is None else [("accept", accept)])

        def facts(self, values: Any) -> Any:
            raise AssertionError("a page of an error asks nothing of the connection")

        disconnected = environ = scope = departure = facts

    return Request(App(), "GET", "/", b"", Source(), None)


# Who gets a page


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (BROWSER, HTML),
        (b"text/html", HTML),
        (b"text/*", HTML),
        (b"application/json;q=0.5, text/html", HTML),
        (b"text/html;q=0.5", HTML),
        (None, PROBLEM),
        (b"*/*", PROBLEM),
        (b"application/json", PROBLEM),
        (b"application/problem+json", PROBLEM),
        (b"application/json, text/html;q=0.9", PROBLEM),
        (b"application/json, text/plain, */*", PROBLEM),
        (b"text/html, application/json", PROBLEM),
        (b"text/html;q=0, */*", PROBLEM),
        (b"text/plain", PROBLEM),
        (b"image/*", PROBLEM),
        (b"", PROBLEM),
        (b"text/html;q=x", PROBLEM),
        (b"\xff\xfe", PROBLEM),
    ],
)
def test_a_client_that_prefers_html_gets_a_page_and_any_other_problem_details(
    ask: Ask, app: App, colour: Any, accept: bytes | None, media_type: str
) -> None:
    """H-21, R73: RFC 9110 §12.5.1, RFC 9457 §3; whoever chooses by a field says so in Vary (§12.5.5)."""
    app.get("/teapot")(colour(lambda: abort(418, "short")))
    app.get("/boom")(colour(lambda: 1 / 0))
    headers = [] if accept is None else [(b"accept", accept)]
    for target, status in ((b"/teapot", 418), (b"/boom", 500), (b"/nowhere", 404), (b"/%ff", 400)):
        answer = ask(app, "GET", target, headers)
        assert (answer.status, fields(answer)["content-type"], fields(answer)["vary"]) == (status, media_type, "Accept")
        if media_type == PROBLEM:
            assert msgspec.json.decode(answer.body)["status"] == status
        else:
            page = Page(answer.body.decode())
            assert page.text.strip().startswith(f"{status} ")


def test_a_field_in_vary_stays_there(ask: Ask, app: App, colour: Any) -> None:
    app.get("/")(colour(lambda: abort(404, headers={"Vary": "Cookie", "Content-Language": "en"})))
    for headers in ([], PAGE):
        answer = ask(app, "GET", b"/", headers)
        assert (fields(answer)["vary"], fields(answer)["content-language"]) == ("Cookie, Accept", "en")


def test_a_redirect_by_exception_is_no_page(ask: Ask, app: App, colour: Any) -> None:
    app.get("/a")(colour(lambda: abort(302, headers={"location": "/b"})))
    for target in (b"/a", b"/a/"):
        answer = ask(app, "GET", target, PAGE)
        assert (answer.status in (302, 308), answer.body, "vary" in fields(answer)) == (True, b"", False)


def test_an_error_handler_answers_instead_of_a_page(ask: Ask, app: App, colour: Any) -> None:
    app.errorhandler(404)(colour(lambda request, error: "mine"))
    assert ask(app, "GET", b"/nowhere", PAGE).body == b"mine"


def test_an_error_handler_that_raises_its_error_again_leaves_it_to_the_page(ask: Ask, app: App, colour: Any) -> None:
    seen: list[int] = []

    def note(request: Request, error: HTTPException) -> Any:
        seen.append(error.status)
        raise error

    app.errorhandler(404)(colour(note))
    answer = ask(app, "GET", b"/nowhere", PAGE)
    assert (seen, answer.status, fields(answer)["content-type"]) == ([404], 404, HTML)


def test_head_has_the_fields_of_the_page_alone(ask: Ask, app: App) -> None:
    answer, whole = (ask(app, method, b"/nowhere", PAGE) for method in ("HEAD", "GET"))
    assert (answer.status, answer.body, answer.headers) == (404, b"", whole.headers)


def test_middleware_sees_the_page_as_a_response(ask: Ask, app: App) -> None:
    @app.middleware
    @inline
    def sign(request: Request) -> Generator[Any, Any]:
        response = yield
        response.headers["x-signed"] = str(response.status)

    assert fields(ask(app, "GET", b"/nowhere", PAGE))["x-signed"] == "404"


# What stands on it


def test_a_page_shows_status_title_and_detail_and_loads_nothing(ask: Ask, app: App, colour: Any) -> None:
    """H-21."""
    problem_type = "https://example.com/probs/credit?a=1&b=2"
    error = HTTPException(403, "30 of 50.\nMore is needed.", type=problem_type, title="Out of credit")

    def fail() -> None:
        raise error

    app.get("/")(colour(fail))
    answer = ask(app, "GET", b"/", PAGE)
    page = Page(answer.body.decode())
    assert answer.body.startswith(b"<!doctype html>")
    assert page.named("html") == [{"lang": "en"}]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.named("meta")
    assert [tag for tag, _ in page.elements].count("h1") == [tag for tag, _ in page.elements].count("main") == 1
    assert "403 Out of credit" in page.text
    assert "30 of 50.\nMore is needed." in page.text
    assert page.named("a") == [{"href": problem_type}]
    assert {"script", "link", "img", "iframe", "form"}.isdisjoint(tag for tag, _ in page.elements)
    assert b"url(" not in answer.body
    assert b"@import" not in answer.body
    policy = fields(answer)["content-security-policy"].split("; ")
    assert "default-src 'none'" in policy
    assert not any(directive.startswith("script-src") for directive in policy)


def test_a_policy_that_the_error_brings_is_kept(ask: Ask, app: App, colour: Any) -> None:
    app.get("/")(colour(lambda: abort(404, headers={"content-security-policy": "sandbox"})))
    assert fields(ask(app, "GET", b"/", PAGE))["content-security-policy"] == "sandbox"


@pytest.mark.parametrize("kind", ["javascript:alert(1)", "data:text/html,x", "tag:example.com,2026:x", "/relative"])
def test_only_the_address_of_a_page_is_a_link(kind: str) -> None:
    error = HTTPException(409, type=kind)
    answer = present(request("text/html"), error, problem(error))
    page = Page(answer.body.decode())
    assert page.named("a") == []
    assert "409 Conflict" in page.text


def test_the_page_of_a_fault_of_ours_names_the_request_as_the_log_does(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app.get("/boom")(colour(lambda: 1 / 0))
    page = Page(ask(app, "GET", b"/boom", PAGE).body.decode())
    identifier = caplog.records[0].request_id  # type: ignore[attr-defined]  # the framework's filter sets it
    assert f"Request {identifier}" in page.text
    assert "division" not in page.text


@pytest.mark.parametrize("target", [b"/secret-%3Cscript%3E", b"/known/secret-", b"/boom?secret-", b"/known?secret-"])
def test_no_page_repeats_what_was_asked_for(ask: Ask, app: App, target: bytes, colour: Any) -> None:
    """R13."""
    app.post("/known")(colour(lambda: "x"))
    app.get("/boom")(colour(lambda: 1 / 0))
    answer = ask(app, "GET", target, PAGE)
    assert answer.status in (404, 405, 500)
    assert b"secret" not in answer.body


def skeleton(title: str, detail: str, kind: str) -> list[Any]:
    error = HTTPException(418, detail, type=kind, title=title)
    found = Page(present(request("text/html"), error, problem(HTTPException(418))).body.decode())
    return [(tag, () if tag == "a" else attributes) for tag, attributes in found.elements]


PLAIN = {linked: skeleton("title", "detail", linked + "x") for linked in ("https://", "tag:")}


@given(st.text(min_size=1), st.text(min_size=1), st.text(), st.sampled_from(["https://", "tag:"]))
def test_no_text_becomes_markup(title: str, detail: str, kind: str, scheme: str) -> None:
    """H-21: whatever the members hold, the page has the elements that it always has."""
    assert skeleton(title, detail, scheme + kind) == PLAIN[scheme]


@pytest.mark.parametrize("scheme", ["https://", "tag:"])
def test_markup_is_shown_as_what_it_is(scheme: str) -> None:
    """H-21; control and direction characters are shown too."""
    assert skeleton(MARKUP, MARKUP, scheme + MARKUP) == PLAIN[scheme]
    error = HTTPException(418, MARKUP)
    text = Page(present(request("text/html"), error, problem(HTTPException(418))).body.decode()).text
    shown = MARKUP.replace("\x00\x1b\u202e\ud800", "\\x00\\x1b\\u202e\\ud800")
    assert shown in text


# What may go wrong


def unreadable(made: dict[str, Any]) -> None:
    """A server that breaks its protocol: a field's name is no text, or no bytes."""
    if "headers" in made:
        made["headers"] = [("accept", "text/html")]
    else:
        made["HTTP_ACCEPT"] = 5


def test_an_error_is_answered_even_where_no_page_can_be_made(
    ask: Ask, app: App, colour: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app.get("/boom")(colour(lambda: 1 / 0))
    for target, status in ((b"/boom", 500), (b"/nowhere", 404)):
        answer = ask(app, "GET", target, edit=unreadable)
        assert (answer.status, fields(answer)["content-type"]) == (status, PROBLEM)
    assert "error while a page was made for <Request GET '/nowhere'>" in caplog.messages


@pytest.mark.parametrize("value", [object(), "\ud800"])
@pytest.mark.parametrize("headers", [[], PAGE])
def test_an_extension_that_is_no_json_is_one_clean_500_whatever_is_preferred(
    ask: Ask, app: App, colour: Any, value: Any, headers: Any
) -> None:
    """H-21, H-22, W-05, A-25."""
    app.get("/")(colour(lambda: abort(409, extensions={"more": value})))
    assert ask(app, "GET", b"/", headers).status == 500


@pytest.mark.parametrize("fails", [True, False])
def test_an_application_that_cannot_start_says_so_on_a_page(ask: Ask, make_app: MakeApp, fails: bool) -> None:
    """R73."""
    app = make_app()

    @app.lifespan
    def life() -> Generator[None]:
        if fails:
            raise RuntimeError("secret")
        yield

    app.get("/")(inline(lambda: "x"))
    answer = ask(app, "GET", b"/", PAGE)
    if fails:
        assert (answer.status, fields(answer)["content-type"], fields(answer)["retry-after"]) == (503, HTML, "1")
        assert b"the application has not started" in answer.body
        assert b"secret" not in answer.body
    else:
        assert answer.body == b"x"


def deep() -> Any:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    return nested


@pytest.mark.parametrize("make", [deep, lambda: ["\ud800"], lambda: {"a": object()}, lambda: "\ud800"])
@pytest.mark.parametrize("headers", [[], PAGE])
def test_a_value_that_cannot_be_encoded_is_one_clean_500(
    ask: Ask, app: App, colour: Any, make: Callable[[], Any], headers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """H-22: nothing of the answer is sent before all of it is known."""
    app.get("/")(colour(make))
    answer = ask(app, "GET", b"/", headers)
    assert (answer.status, answer.error) == (500, None)
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


def test_what_is_no_number_of_json_is_null(ask: Ask, app: App, colour: Any) -> None:
    """H-22."""
    app.get("/")(colour(lambda: {"a": [float("nan"), float("inf"), -float("inf")]}))
    answer = ask(app, "GET", b"/")
    assert (answer.status, answer.body) == (200, b'{"a":[null,null,null]}')


def test_who_meets_no_error_loads_no_page() -> None:
    """What `import duoframe` and a plain request cost has nothing of the pages in it."""
    code = """
import sys
from duoframe import App
from duoframe.testing import exchange
app = App(debug=True)
app.get("/")(lambda: "x")
for door in ("wsgi", "asgi"):
    assert exchange(app, door, "GET", b"/").status == 200
print([name for name in sys.modules if name in (
    "duoframe.errorpages", "duoframe.debugpage", "duoframe.tracebacks", "duoframe.peek")])
app.shutdown()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
