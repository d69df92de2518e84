"""A real browser and the docs page: it shows the operations, sends requests, reads answers, and stays at home."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.browser.chromium import Page, browsing
from tests.browser.proxy import proxying
from tests.servers.process import Server
from tests.servers.table import Setup

APP = "tests.browser.described:app"
GUNICORN = f"gunicorn --no-control-socket --bind 127.0.0.1:{{port}} --threads 8 {APP}"
UVICORN = f"uvicorn --port {{port}} {APP}"


@dataclass(frozen=True)
class Way:
    """How the browser comes to the application: below which path, and by which proxy."""

    setup: Setup
    root: str = ""
    proxied: bool = False


WAYS = [
    Way(Setup("gunicorn", "wsgi", GUNICORN)),
    Way(Setup("uvicorn", "asgi", UVICORN)),
    Way(Setup("gunicorn-below-a-root", "wsgi", GUNICORN, environment={"SCRIPT_NAME": "/api"}), "/api"),
    Way(Setup("uvicorn-below-a-root", "asgi", f"{UVICORN} --root-path /api"), "/api", proxied=True),
]


@pytest.fixture
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address that the application's paths stand behind."""
    way: Way = request.param
    server = Server(way.setup, tmp_path / "server").start()
    with ExitStack() as stack:
        stack.callback(server.end)
        server.wait_until_ready(f"{way.root if not way.proxied else ''}/docs")
        port = stack.enter_context(proxying(way.root, server.port)) if way.proxied else server.port
        yield f"http://127.0.0.1:{port}{way.root}"


@pytest.fixture
def page(origin: str, tmp_path: Path) -> Iterator[Page]:
    """The docs page in a browser; it must not have complained, nor asked for anything beyond the application."""
    with browsing(tmp_path / "profile") as page:
        page.open(f"{origin}/docs")
        page.text(".opblock")
        yield page
        page.evaluate("new Promise(requestAnimationFrame)")  # and hear what has been said by now
    assert page.complaints == []
    assert [
        url for url in page.requests if not url.startswith((f"{origin}/", f"blob:{origin.removesuffix('/api')}/"))
    ] == []


def open_operation(page: Page, name: str) -> str:
    """Open one operation for trying it out; where it stands in the page."""
    place = f"[id$='-{name}']"
    page.click(f"{place} .opblock-summary-control")
    page.click(f"{place} .try-out__btn")
    return place


def send(page: Page, place: str, status: str) -> None:
    """Send the request, and wait for its answer, which has to be one that the document names."""
    page.click(f"{place} .execute")
    shown = f"{place} .live-responses-table .response .response-col_status"
    page.wait_for(f"""document.querySelector("{shown}")?.innerText.trim() === "{status}" """)


def answer(page: Page, place: str) -> object:
    """What the answer of an operation holds."""
    return json.loads(page.text(f"{place} .live-responses-table code"))


@pytest.mark.parametrize("origin", WAYS, ids=lambda way: way.setup.name, indirect=True)
def test_operations_are_tried_out_and_their_answers_read(page: Page, origin: str) -> None:
    place = open_operation(page, "item")
    page.type(f"{place} [data-param-name=number] input", "7")
    page.type(f"{place} [data-param-name=coupon] input", "a&b")
    send(page, place, "200")
    assert answer(page, place) == {"name": "a&b", "price": 3, "number": 7}
    assert page.requests[-1] == f"{origin}/items/7?coupon=a%26b"

    place = open_operation(page, "create")
    page.type(f"{place} .body-param__text", '{"name": "pen", "price": "much"}')
    send(page, place, "422")
    assert "`body.price`" in page.text(f"{place} .live-responses-table code")
    assert "422" in page.complaints.pop()  # a browser's console tells every answer that is an error
    page.type(f"{place} .body-param__text", '{"name": "pen", "price": 2}')
    send(page, place, "201")
    assert answer(page, place) == {"name": "pen", "price": 2, "number": 8}

    place = open_operation(page, "dot")
    send(page, place, "200")
    page.wait_for(f"""document.querySelector("{place} .live-responses-table img")?.naturalWidth""")


@pytest.mark.parametrize("origin", WAYS[1:3], ids=lambda way: way.setup.name, indirect=True)
def test_a_file_is_sent_with_a_form(page: Page, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("milk")
    place = open_operation(page, "upload")
    page.choose(f"{place} input[type=file]", tmp_path / "list.txt")
    page.type(f"{place} [data-property-name=note] input", "today")
    send(page, place, "200")
    assert answer(page, place) == {"name": "list.txt", "content": "milk", "note": "today"}


@pytest.mark.parametrize("origin", WAYS[2:], ids=lambda way: way.setup.name, indirect=True)
def test_who_logs_in_on_the_page_sends_the_token(page: Page) -> None:
    page.click(".auth-wrapper .authorize")
    page.type("#oauth_username", "ada")
    page.type("#oauth_password", "secret")
    page.click(".modal-ux .auth-btn-wrapper .authorize")
    page.text(".modal-ux .auth-btn-wrapper button[aria-label='Remove authorization']")
    page.click(".modal-ux .btn-done")
    place = open_operation(page, "me")
    send(page, place, "200")
    assert answer(page, place) == {"token": "ada-secret"}


@pytest.mark.parametrize("origin", WAYS[:1], ids=lambda way: way.setup.name, indirect=True)
def test_the_page_follows_the_colours_of_the_system(page: Page) -> None:
    def background() -> str:
        colour: str = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        return colour

    seen = []
    for scheme in ("light", "dark", "light"):
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.wait_for(f'document.documentElement.classList.contains("dark-mode") === {str(scheme == "dark").lower()}')
        seen.append(background())
    assert seen[0] == seen[2] != seen[1]
