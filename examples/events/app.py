"""A page that counts to twelve by server-sent events: `gunicorn --threads 8 app:app` or `uvicorn app:app`.

The stream ends after every fifth number, as it does when a server stops. The browser comes back by itself, and says
where it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from duoframe import App, EventSourceResponse, HTMLResponse, Request, ServerSentEvent

PAGE = """<!doctype html>
<title>Count</title>
<p id="numbers"></p>
<script>
  const source = new EventSource(location.pathname + "numbers");
  source.onmessage = (event) => { document.querySelector("#numbers").textContent += event.data + " "; };
  source.addEventListener("done", () => {
    source.close();
    fetch("/seen", { method: "POST", body: document.querySelector("#numbers").textContent.trim() });
  });
</script>
"""
LAST = 12

app = App()
seen: list[str] = []


@app.get("/{colour}/")
def page(colour: str) -> HTMLResponse:
    return HTMLResponse(PAGE)


def next_numbers(request: Request) -> list[ServerSentEvent]:
    """At most five numbers, after the one that this client has seen."""
    after = int(request.last_event_id or 0)
    events = [ServerSentEvent({"n": n}, id=n, retry=100) for n in range(after + 1, min(after + 5, LAST) + 1)]
    return events or [ServerSentEvent("", event="done")]


@app.get("/def/numbers")
def numbers(request: Request) -> EventSourceResponse:
    def stream() -> Iterator[ServerSentEvent]:
        for event in next_numbers(request):
            time.sleep(0.05)
            yield event

    return EventSourceResponse(stream())


@app.get("/async/numbers")
async def numbers_later(request: Request) -> EventSourceResponse:
    async def stream() -> AsyncIterator[ServerSentEvent]:
        for event in next_numbers(request):
            await asyncio.sleep(0.05)
            yield event

    return EventSourceResponse(stream())


@app.post("/seen")
def see(request: Request) -> tuple[str, int]:
    seen.append(request.body.decode())
    return "", 204


@app.get("/seen")
def show() -> list[str]:
    return seen
