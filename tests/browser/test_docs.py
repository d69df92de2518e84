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


def answered(page: Page, place: str, status: str) -> None:
    """Send the request, and wait for its answer."""
    page.click(f"{place} .execute")
    assert page.text(f"{place} .live-responses-table .response .response-col_status").strip() == status


@pytest.mark.parametrize("origin", WAYS, ids=lambda way: way.setup.name, indirect=True)
def test_operations_are_tried_out_and_their_answers_read(page: Page, origin: str) -> None:
    place = open_operation(page, "item")
    page.type(f"{place} .parameters input", "7")
    answered(page, place, "200")
    assert json.loads(page.text(f"{place} .live-responses-table code")) == {"number": 7, "price": 3}
    assert page.requests[-1] == f"{origin}/items/7"

    place = open_operation(page, "create")
    page.type(f"{place} .body-param__text", '{"name": "pen", "price": 2}')
    answered(page, place, "201")
    assert json.loads(page.text(f"{place} .live-responses-table code")) == {"name": "pen", "price": 2, "number": 8}

    place = open_operation(page, "dot")
    answered(page, place, "200")
    page.wait_for(f"""document.querySelector("{place} .live-responses-table img")?.naturalWidth""")


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
