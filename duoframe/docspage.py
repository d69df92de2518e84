"""The docs page: an application's OpenAPI document as a page that sends requests, without a network.

Knows the page and the files of Swagger UI, which the package `offapi` brings and which are served one by one; must not
know what stands in the document. Whatever the page loads is named relative to it: it works below any root path, one
that nobody told the application of included.
"""

from __future__ import annotations

import base64
import hashlib
import posixpath
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from duoframe.contrib.staticfiles import StaticFiles
from duoframe.errorpages import escape
from duoframe.errors import ConfigurationError
from duoframe.pieces import inline
from duoframe.requests import Request
from duoframe.responses import HTMLResponse, Response
from duoframe.router import Router

PACKAGE = "offapi"


def add_page(router: Router, path: str, document: str, title: str) -> None:
    """Answer GET at ``path`` with a page of the OpenAPI document at the path ``document``, and serve what it loads.

    Raises `ConfigurationError` where the files of Swagger UI are not installed.
    """
    if not isinstance(path, str) or not path.startswith("/") or "{" in path:
        raise ConfigurationError(f"App(docs=...): expected a path like '/docs', without parameters, got {path!r}")
    files = _files()
    script, style = (Asset(files, path, name) for name in ("swagger_bundle.js", "swagger_style.css"))
    page = Page(path, document, title, script, style)
    for place, handler in ((path, page.serve), (script.path, script.serve), (style.path, style.serve)):
        router.get(place, name=None, include_in_schema=False)(handler)


class Page:
    """The page at ``path`` of the document at the path ``document``."""

    def __init__(self, path: str, document: str, title: str, script: Asset, style: Asset) -> None:
        folder = posixpath.dirname(path)
        links = {
            "document": quote(posixpath.relpath(document, folder)),
            "script": quote(posixpath.relpath(script.path, folder)),
            "style": quote(posixpath.relpath(style.path, folder)),
        }
        self._markup = _MARKUP.format(title=escape(title), look=_LOOK, start=_START, **links)

    @inline
    def serve(self, request: Request) -> Response:
        """The page, which is asked about each time: it names what may be kept."""
        return HTMLResponse(
            self._markup, headers={"cache-control": "no-cache", "content-security-policy": POLICY, **_NOT_SNIFFED}
        )


class Asset:
    """One file of Swagger UI, below ``page`` under a name that tells its content."""

    def __init__(self, files: StaticFiles, page: str, name: str) -> None:
        try:
            content = Path(files.tree.root, name).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"App(docs=...): {error}; {_INSTALL}") from error
        self._files = files
        self._name = name
        digest = hashlib.sha256(content).hexdigest()[:16]
        self.path = f"{page.rstrip('/')}/swagger-ui.{digest}{Path(name).suffix}"

    def serve(self, request: Request) -> Response:
        """The file."""
        response = self._files.serve(request, self._name)
        response.headers.update(_NOT_SNIFFED)
        return response


def _files() -> StaticFiles:
    """The directory of the package, which is found and not imported: that would read all of it into memory."""
    found = find_spec(PACKAGE)
    places = found.submodule_search_locations if found is not None else None
    if not places:
        raise ConfigurationError(f"App(docs=...) needs the files of Swagger UI; {_INSTALL}")
    return StaticFiles(
        places[0],
        html=False,
        precompressed=False,
        max_age=0,
        immutable=bool,  # any name: they are served under names that tell their content
        follow_symlinks=True,  # some installers link a package's files to where they keep them
    )


def _hash(text: str) -> str:
    """What a Content-Security-Policy calls one piece of inline code (CSP 3 §2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_INSTALL = "install the extra, pip install --upgrade 'duoframe[docs-ui]'"

_NOT_SNIFFED = {"x-content-type-options": "nosniff"}

_LOOK = "body { margin: 0 }"

_START = """
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();
SwaggerUIBundle({
  dom_id: "#docs",
  url: document.getElementById("document").href,
  deepLinking: true,
  validatorUrl: null,
});
"""

_MARKUP = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
<style>{look}</style>
</head>
<body>
<main id="docs"><p><a id="document" href="{document}">The OpenAPI document</a></p></main>
<script src="{script}"></script>
<script>{start}</script>
</body>
</html>
"""

POLICY = (
    f"default-src 'none'; script-src 'self' {_hash(_START)}; style-src 'self' {_hash(_LOOK)}; connect-src 'self';"
    " img-src 'self' data: blob:; media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: it loads and calls nothing but what the application itself serves."""
