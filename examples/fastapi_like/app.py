"""A stock list in the manner of FastAPI: `async def` handlers that take and give JSON, a router, a lifespan, a stream.

Serve it with `uvicorn app:app` or with `gunicorn app:app`. The stock lives in memory, so use one process.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

from duoframe import App, HTTPException, Request, Router, StreamingResponse

app = App()
router = Router()
Item = dict[str, Any]


@app.lifespan
async def stock(app: App) -> AsyncIterator[dict[str, Any]]:
    """What it yields lands on `app.state`; after the `yield` comes the place to close what was opened."""
    yield {"items": {}}


def item_of(request: Request) -> Item:
    match request.json:
        case {"name": str(name), "price": int() | float() as price} if price >= 0:
            return {"name": name, "price": price}
    raise HTTPException(422, "expected an object with a text 'name' and a 'price' of at least 0")


def find(request: Request, number: int) -> Item:
    item: Item | None = request.app.state.items.get(number)
    if item is None:
        raise HTTPException(404, f"there is no item {number}")
    return item


@router.get("/items")
async def index(request: Request) -> list[Item]:
    limit = request.query.get("limit", 100, type=int)
    return [{"number": number, **item} for number, item in request.app.state.items.items()][:limit]


@router.post("/items")
async def create(request: Request) -> tuple[Item, int, dict[str, str]]:
    items = request.app.state.items
    number = max(items, default=0) + 1
    items[number] = item_of(request)
    return {"number": number, **items[number]}, 201, {"location": app.url_for("read", number=number)}


@router.get("/items/{number:int}", name="read")
async def read(number: int, request: Request) -> Item:
    return {"number": number, **find(request, number)}


@router.put("/items/{number:int}")
async def replace(number: int, request: Request) -> Item:
    find(request, number).update(item_of(request))
    return {"number": number, **find(request, number)}


@router.delete("/items/{number:int}")
async def remove(number: int, request: Request) -> None:
    find(request, number)
    del request.app.state.items[number]


@router.get("/items.ndjson")
async def export(request: Request) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        for number, item in list(request.app.state.items.items()):
            yield json.dumps({"number": number, **item}) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


app.include_router(router, prefix="/api")
