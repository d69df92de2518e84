"""An application with a docs page, for a real browser."""

import base64
from typing import Any

from duoframe import App, Request, Response, request

app = App(docs="/docs")

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""


@app.get("/items/{number:int}")
def item(number: int) -> dict[str, int]:
    return {"number": number, "price": 3}


@app.post("/items")
async def create(request: Request) -> tuple[dict[str, Any], int]:
    return {**request.json, "number": 8}, 201


@app.get("/dot")
def dot() -> Response:
    return Response(DOT, media_type="image/png")


@app.get("/openapi.json")
def document() -> dict[str, Any]:
    number = {"name": "number", "in": "path", "required": True, "schema": {"type": "integer"}}
    shape = {"type": "object", "properties": {"name": {"type": "string"}, "price": {"type": ["integer", "null"]}}}
    content = {"application/json": {"schema": shape}}
    answer = {"200": {"description": "An item", "content": content}}
    body = {"required": True, "content": content}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shop", "version": "1"},
        "servers": [{"url": request.root_path}] if request.root_path else [],
        "paths": {
            "/items/{number}": {"get": {"operationId": "item", "parameters": [number], "responses": answer}},
            "/items": {"post": {"operationId": "create", "requestBody": body, "responses": {"201": answer["200"]}}},
            "/dot": {"get": {"operationId": "dot", "responses": answer}},
        },
    }
