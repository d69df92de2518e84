"""The docs page: what it loads, what a browser may do on it, and what happens where it cannot be served."""

from __future__ import annotations

import base64
import copy
import hashlib
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

from duoframe import App, ConfigurationError, Router
from duoframe.docspage import add_page
from duoframe.pieces import Colour
from duoframe.testing import exchange
from tests.conftest import MakeApp, MakeClient


class Document(HTMLParser):
    """What stands in a page: its elements with their attributes, and the text of those that matter."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._inside = ""
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._inside] = self.texts.get(self._inside, "") + data

    def links(self) -> list[str]:
        """Its references, `data:` aside."""
        found = [attributes.get("href") or attributes.get("src") for _, attributes in self.elements]
        return [link for link in found if link and not link.startswith("data:")]


def test_the_page_is_html_that_a_cache_asks_about_and_nobody_sniffs(make_app: MakeApp, client: MakeClient) -> None:
    answer = client(make_app(docs="/docs")).get("/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("html", {"lang": "en"}) in Document(answer.text).elements


def test_head_answers_with_the_fields_alone(make_app: MakeApp, client: MakeClient) -> None:
    browser = client(make_app(docs="/docs"))
    answer = browser.head("/docs")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(browser.get("/docs").content))


def test_there_is_no_page_unless_asked_for(make_app: MakeApp, client: MakeClient) -> None:
    assert client(make_app()).get("/docs").status_code == 404


def test_the_policy_allows_our_own_pieces_by_hash_and_nothing_from_elsewhere(
    make_app: MakeApp, client: MakeClient
) -> None:
    """CSP 3 §6.7.3.3: an inline script runs where its hash is allowed; what is not named falls to `default-src`."""
    answer = client(make_app(docs="/docs")).get("/docs")
    directives = (part.split() for part in answer.headers["content-security-policy"].split(";"))
    policy = {name: set(sources) for name, *sources in directives}
    page = Document(answer.text)

    def allowed(tag: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(page.texts[tag].encode()).digest()).decode()}'"

    assert policy == {
        "default-src": {"'none'"},
        "script-src": {"'self'", allowed("script")},
        "style-src": {"'self'", allowed("style")},
        "connect-src": {"'self'"},
        "img-src": {"'self'", "data:", "blob:"},
        "media-src": {"'self'"},
        "base-uri": {"'none'"},
        "form-action": {"'none'"},
        "frame-ancestors": {"'none'"},
    }
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("path", ["/docs", "/docs/", "/", "/internal/api/docs", "/a b/ü"])
def test_what_the_page_loads_is_there_by_relative_links(make_app: MakeApp, client: MakeClient, path: str) -> None:
    browser = client(make_app(docs=path))
    answer = browser.get(path)
    links = Document(answer.text).links()
    types = [browser.get(urljoin(answer.url.path, link)).headers["content-type"] for link in links]
    assert types == ["text/css; charset=utf-8", "application/json", "text/javascript; charset=utf-8"]
    assert not [link for link in links if link.startswith("/")]


def test_a_title_is_text_whatever_stands_in_it(make_app: MakeApp, client: MakeClient) -> None:
    router = Router()
    add_page(router, "/docs", "/openapi.json", '</title><script>alert("1")</script>{&amp;')
    app = make_app()
    app.include_router(router)
    page = Document(client(app).get("/docs").text)
    assert page.texts["title"] == '</title><script>alert("1")</script>{&amp;'
    assert "alert" not in page.texts["script"]


def test_assets_are_kept_for_good_under_names_that_tell_their_content(make_app: MakeApp, client: MakeClient) -> None:
    browser = client(make_app(docs="/docs"))
    script, style = (link for link in Document(browser.get("/docs").text).links() if link != "openapi.json")
    for link in (script, style):
        answer = browser.get(f"/{link}")
        assert hashlib.sha256(answer.content).hexdigest()[:16] in link
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = browser.get(f"/{link}", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["__init__.py", "swagger_bundle.js", "redoc.js", "url.json", "../offapi/url.json", ""])
def test_nothing_else_of_the_package_is_served(make_app: MakeApp, name: str) -> None:
    app = make_app(docs="/docs", redirect_slashes=False)
    assert exchange(app, "wsgi", "GET", f"/docs/{name}".encode()).status == 404


def test_the_page_has_no_colour_and_needs_no_loop(make_app: MakeApp) -> None:
    app = make_app(docs="/docs")
    app.compile()
    colours = {route.path: route.plan.colour for route in app.routes if route.path.startswith("/docs")}
    assert colours.pop("/docs") is Colour.INLINE
    assert set(colours.values()) == {Colour.SYNC}


def test_middleware_runs_around_the_page(make_app: MakeApp, client: MakeClient) -> None:
    app = make_app(docs="/docs")

    @app.after_request
    def mark(request: object, response: object) -> None:
        response.headers["x-mark"] = "seen"  # type: ignore[attr-defined]  # a Response

    assert client(app).get("/docs").headers["x-mark"] == "seen"


def test_a_second_handler_at_the_path_of_the_page_is_refused(make_app: MakeApp) -> None:
    app = make_app(docs="/docs")
    with pytest.raises(ConfigurationError, match=r"both answer GET /docs"):
        app.get("/docs")(lambda: "mine")


@pytest.mark.parametrize("path", ["docs", "", "/{name}", 7, True])
def test_a_path_that_no_page_can_have_is_refused(path: object) -> None:
    with pytest.raises(ConfigurationError, match=r"App\(docs=...\): expected a path like '/docs'"):
        App(docs=path)  # type: ignore[arg-type]  # the wrong use under test


def test_without_the_package_the_application_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "offapi", None)
    with pytest.raises(ConfigurationError, match=r"pip install --upgrade 'duoframe\[docs-ui\]'"):
        App(docs="/docs")


def test_a_package_without_the_files_is_told_by_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "offapi").mkdir()
    (tmp_path / "offapi/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=r"swagger_bundle\.js.*pip install --upgrade"):
        App(docs="/docs")


def test_the_package_is_found_without_being_imported(make_app: MakeApp) -> None:
    make_app(docs="/docs")
    assert "offapi" not in sys.modules


def test_an_application_with_a_page_can_be_copied(make_app: MakeApp) -> None:
    twin = copy.deepcopy(make_app(docs="/docs"))
    assert exchange(twin, "wsgi", "GET", b"/docs").status == 200
    twin.shutdown()
