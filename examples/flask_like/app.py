"""A guest book in the manner of Flask: plain functions, pages, a form, a hook, an error page.

Serve it with `gunicorn app:app` or with `uvicorn app:app`. The entries live in memory, so use one process.
"""

from html import escape
from threading import Lock

from duoframe import App, HTMLResponse, HTTPException, RedirectResponse, Request, Response, abort, redirect

app = App()
lock = Lock()
entries: list[str] = []


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(f"<!doctype html><title>{escape(title)}</title><h1>{escape(title)}</h1>{body}", status)


@app.after_request
def forbid_framing(response: Response) -> None:
    response.headers["x-frame-options"] = "DENY"


@app.get("/")
def index() -> Response:
    signed = [(app.url_for("entry", number=number), escape(text)) for number, text in enumerate(entries)]
    links = "".join(f'<li><a href="{url}">{text}</a>' for url, text in signed)
    form = '<form method="post" action="/entries"><input name="text" required><button>Sign</button></form>'
    return page("Guest book", f"<ol start=0>{links}</ol>{form}")


@app.post("/entries")
def sign(request: Request) -> RedirectResponse:
    text = request.form.get("text", "").strip()
    if not text:
        abort(400, "the field 'text' is empty")
    with lock:
        entries.append(text)
        number = len(entries) - 1
    return redirect(app.url_for("entry", number=number))


@app.get("/entries/{number:int}", name="entry")
def entry(number: int) -> Response:
    if number >= len(entries):
        abort(404)
    return page(f"Entry {number}", f"<p>{escape(entries[number])}</p>")


@app.errorhandler(404)
def not_found(request: Request, error: HTTPException) -> Response:
    return page("Nothing here", f'<p><a href="{app.url_for("index")}">Back to the book</a></p>', 404)
