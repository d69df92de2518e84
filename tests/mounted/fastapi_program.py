"""A FastAPI program as its users write them: models, dependencies, lifespan state, events, late work, a WebSocket.

It knows nothing of this framework; `programs` mounts it.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, TypedDict

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.responses import PlainTextResponse, RedirectResponse, StreamingResponse
from pydantic import BaseModel, Field
from starlette.middleware.gzip import GZipMiddleware


class State(TypedDict):
    greeting: str
    done: list[str]


class Item(BaseModel):
    name: str = Field(min_length=1)
    price: float
    tags: list[str] = []


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    yield {"greeting": "Hello", "done": []}


application = FastAPI(lifespan=lifespan)
application.add_middleware(GZipMiddleware, minimum_size=5000)
connections = 0


def connection() -> Iterator[int]:
    """A dependency with clean-up: how many are open."""
    global connections
    connections += 1
    try:
        yield connections
    finally:
        connections -= 1


def user(request: Request) -> str:
    name = request.headers.get("x-user")
    if name is None:
        raise HTTPException(401, "who are you?", {"WWW-Authenticate": "X-User"})
    return name


@application.get("/")
async def index(request: Request) -> dict[str, Any]:
    return {
        "url": str(request.url),
        "root_path": request.scope["root_path"],
        "path": request.scope["path"],
        "query": request.query_params.multi_items(),
        "agent": request.headers.get("x-agent"),
        "link": str(request.url_for("hello", name="Ada")),
    }


@application.get("/hello/{name}", response_class=PlainTextResponse)
async def hello(name: str, request: Request) -> str:
    return f"{request.state.greeting} {name}"


@application.get("/plain/{number}")
def plain(number: int) -> dict[str, int]:
    return {"number": number}


@application.post("/items", status_code=201)
async def create(item: Item) -> Item:
    return item


@application.get("/mine")
def mine(name: Annotated[str, Depends(user)], opened: Annotated[int, Depends(connection)]) -> dict[str, Any]:
    return {"user": name, "open": opened}


@application.put("/raw")
async def raw(request: Request) -> dict[str, Any]:
    size, digest = 0, hashlib.sha256()
    async for chunk in request.stream():
        size += len(chunk)
        digest.update(chunk)
    return {"size": size, "digest": digest.hexdigest()}


@application.get("/events")
async def events(count: int = 3) -> StreamingResponse:
    async def messages() -> AsyncIterator[str]:
        for number in range(count):
            yield f"id: {number}\ndata: event {number}\n\n"

    return StreamingResponse(messages(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


@application.get("/long")
def long() -> PlainTextResponse:
    return PlainTextResponse("long " * 2000)


@application.get("/away")
async def away() -> RedirectResponse:
    return RedirectResponse("hello/Ada", 303)


@application.get("/cookie")
async def cookie(response: Response) -> dict[str, bool]:
    response.set_cookie("visitor", "Ada", httponly=True)
    response.set_cookie("theme", "dark")
    return {"set": True}


@application.get("/visitor")
async def visitor(request: Request) -> dict[str, str]:
    return dict(request.cookies)


@application.post("/later/{word}")
async def later(word: str, request: Request, tasks: BackgroundTasks) -> dict[str, int]:
    tasks.add_task(request.state.done.append, word)
    return {"so far": len(request.state.done)}


@application.get("/done/{word}")
async def done(word: str, request: Request) -> dict[str, bool]:
    return {"done": word in request.state.done}


@application.get("/fail")
async def fail() -> None:
    raise RuntimeError("only the log may say this")


@application.delete("/things/{number}", status_code=204)
async def delete(number: int) -> None:
    pass


@application.websocket("/chat/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    await socket.accept()
    await socket.send_json({"room": room, "greeting": socket.state.greeting, "path": socket.url.path})
    async for text in socket.iter_text():
        await socket.send_text(f"{room}: {text}")
