"""Flask-CORS, as its documentation shows it."""

# mypy: ignore-errors
# Neither the extensions nor the module that stands in for `flask` have types.

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, abort
from flask_cors import CORS, cross_origin

ORIGIN = {"Origin": "https://elsewhere.example"}
ASKED = {**ORIGIN, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "X-Key"}


def make() -> Flask:
    app = Flask("with_cors")
    app.config["TESTING"] = True
    app.add_url_rule("/", "here", lambda: "here", methods=["GET", "PUT"])
    app.add_url_rule("/api/x", "api", lambda: "api")
    app.add_url_rule("/missing", "missing", lambda: abort(404))

    @app.route("/async")
    async def waiting() -> str:
        return "waited"

    return app


def allowed(answer: Any) -> str | None:
    found: str | None = answer.headers.get("Access-Control-Allow-Origin")
    return found


def try_everywhere() -> None:
    """`CORS(app)` for all views, of either colour, and for errors"""
    app = make()
    CORS(app)
    client = app.test_client()
    for path in ("/", "/async", "/missing", "/nowhere"):
        assert allowed(client.get(path, headers=ORIGIN)) == ORIGIN["Origin"], path


def try_preflight() -> None:
    """the preflight request"""
    app = make()
    CORS(app, origins=["https://elsewhere.example"], allow_headers=["X-Key"], max_age=60, methods=["PUT"])
    answer = app.test_client().options("/", headers=ASKED)
    assert answer.status_code == 200
    assert allowed(answer) == "https://elsewhere.example"
    assert answer.headers["Access-Control-Allow-Methods"] == "PUT"
    assert answer.headers["Access-Control-Allow-Headers"] == "X-Key"
    assert answer.headers["Access-Control-Max-Age"] == "60"
    assert allowed(app.test_client().options("/", headers={**ASKED, "Origin": "https://bad.example"})) is None


def try_resources() -> None:
    """`resources`, with patterns of paths"""
    app = make()
    CORS(app, resources={r"/api/*": {"origins": "*"}})
    client = app.test_client()
    assert allowed(client.get("/api/x", headers=ORIGIN)) == ORIGIN["Origin"]
    assert allowed(client.get("/", headers=ORIGIN)) is None


def try_credentials() -> None:
    """credentials, and `Vary: Origin`"""
    app = make()
    CORS(app, origins=["https://elsewhere.example", "https://other.example"], supports_credentials=True)
    answer = app.test_client().get("/", headers=ORIGIN)
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in answer.headers["Vary"]


def try_blueprint() -> None:
    """`CORS(blueprint)`"""
    app = make()
    part = Blueprint("part", __name__)
    CORS(part)
    part.add_url_rule("/part", "part", lambda: "part")
    app.register_blueprint(part)
    client = app.test_client()
    assert allowed(client.get("/part", headers=ORIGIN)) == ORIGIN["Origin"]
    assert allowed(client.get("/", headers=ORIGIN)) is None


def try_decorator() -> None:
    """`cross_origin()` on a `def` view, with its preflight"""
    app = make()
    app.add_url_rule("/own", "own", cross_origin(allow_headers=["X-Key"])(lambda: "own"), methods=["PUT"])
    client = app.test_client()
    assert allowed(client.put("/own", headers=ORIGIN)) == ORIGIN["Origin"]
    assert client.options("/own", headers=ASKED).headers["Access-Control-Allow-Headers"] == "X-Key"


def try_decorator_async() -> None:
    """`cross_origin()` on an `async def` view"""
    app = make()

    @app.route("/own")
    @cross_origin()
    async def own() -> str:
        return "own"

    answer = app.test_client().get("/own", headers=ORIGIN)
    assert (answer.text, allowed(answer)) == ("own", "*")
