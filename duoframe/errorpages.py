"""The page of an error, for clients that prefer HTML to problem details in JSON (RFC 9457, RFC 9110 §12.5.1).

Knows what an `HTTPException` says and nothing of what led to it: `debugpage` shows that. `core` comes here with every
error that nobody has answered; until the first one this is not even imported.
"""

from __future__ import annotations

import html

from duoframe.errors import HTTPException, reason
from duoframe.peek import visible
from duoframe.requests import Request
from duoframe.responses import HTMLResponse, Response

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""The Content-Security-Policy of our pages: nothing is loaded, and nothing runs."""

_OFFERS = ("application/problem+json", "application/json", "text/html")


def prefers_page(request: Request) -> bool:
    """Whether the client likes HTML better than JSON, as browsers do."""
    return request.accepts(*_OFFERS) == "text/html"


def present(request: Request, error: HTTPException, plain: Response) -> Response:
    """The answer to an error: ``plain``, its problem details in JSON, or a page instead."""
    if error.status < 400:
        return plain
    plain.headers.vary("Accept")
    return page(_document(request, error), plain) if prefers_page(request) else plain


def page(markup: str, plain: Response) -> Response:
    """A document in place of a plain answer, with its status and its header fields."""
    response = HTMLResponse(markup, plain.status, plain.headers)
    response.headers["content-type"] = "text/html; charset=utf-8"
    response.headers.setdefault("content-security-policy", POLICY)
    return response


def document(title: str, style: str, body: str) -> str:
    """A whole document; ``title`` is text, ``body`` markup."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{escape(title)}</title>\n'
        f"<style>{COLOURS}{style}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def escape(text: str) -> str:
    """Text as it stands in markup, attributes included; control and direction characters become visible."""
    return html.escape(visible(text))


def _document(request: Request, error: HTTPException) -> str:
    title = error.title or reason(error.status)
    parts = [f"<h1><span>{error.status}</span> {escape(title)}</h1>"]
    if error.detail:
        parts.append(f"<p>{escape(str(error.detail))}</p>")
    if error.type.startswith(("https://", "http://")):
        parts.append(f'<p><a href="{escape(error.type)}">More about this problem</a></p>')
    if error.status >= 500:
        parts.append(f'<p class="id">Request <code>{escape(request.id)}</code></p>')
    return document(f"{error.status} {title}", _STYLE, "<main>\n" + "\n".join(parts) + "\n</main>")


COLOURS = """
:root { color-scheme: light dark; --back: #fbfbfa; --text: #1d1f21; --quiet: #5d6268; --line: #dddcd8; --panel: #f1f0ec;
  --accent: #a3251b; --mark: #ffdfd9; --link: #1f5fa8 }
@media (prefers-color-scheme: dark) {
  :root { --back: #17191c; --text: #e5e6e8; --quiet: #9ba1a8; --line: #33373c; --panel: #202327;
    --accent: #ff8d80; --mark: #5a2a26; --link: #8ab8f0 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere }
a { color: var(--link) }
code, pre { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: .875em }
"""

_STYLE = """
body { min-height: 100vh; display: grid; place-items: center; padding: 1.5rem }
main { width: 100%; max-width: 34rem; border-left: 4px solid var(--accent); padding: .25rem 0 .25rem 1.5rem }
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; font-weight: 600 }
h1 span { display: block; font-size: 1rem; color: var(--accent); font-variant-numeric: tabular-nums }
p { margin: .75rem 0 0; white-space: pre-line }
.id { color: var(--quiet); font-size: .875rem }
"""
