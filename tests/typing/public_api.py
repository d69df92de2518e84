"""What a type checker makes of the public names, seen from a user's side: `make check` reads this, nothing runs it.

Each ``type: ignore`` is a mistake that must be found: mypy complains of one that is not needed.
"""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterable, MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, assert_type
from wsgiref.types import WSGIApplication

from duoframe import (
    App,
    CacheControl,
    Converter,
    ETag,
    FileResponse,
    HTMLResponse,
    HTTPException,
    JSONResponse,
    Limits,
    PlainTextResponse,
    RedirectResponse,
    Request,
    Response,
    Router,
    StreamingResponse,
    UploadFile,
    abort,
    inline,
    is_safe_redirect,
    redirect,
    render_template,
    request,
    url_for,
)
from duoframe.contrib.stores import MemoryStore, RedisStore, SQLiteStore
from duoframe.contrib.templating import Templates
from duoframe.middleware.proxy import ProxyHeaders
from duoframe.middleware.sessions import CookieSessions, ServerSessions
from duoframe.sessions import Session

app = App(threads=20, max_body_size=None, limits=Limits(max_files=3), converters={"slug": Converter()}, debug=True)
router = Router("/api", name="api", tags=["api"])
App(threads="20")  # type: ignore[arg-type]
App(20)  # type: ignore[call-arg]


# A decorator gives back what it was given.


@app.get("/hello/{name}")
def hello(name: str) -> str:
    return f"Hello {name}"


@router.post("/items", status_code=201, middleware=[], stream=True)
async def create(item: int, request: Request) -> dict[str, int]:
    return {"item": item}


@app.route("/view", methods=["GET"])
class View:
    def get(self) -> str:
        return "x"


app.static("/assets", Path("assets"), html="spa", precompressed=True, immutable=lambda path: path.islower(), tags=["x"])
router.static("/assets", "assets", html="yes")  # type: ignore[arg-type]
router.static("/assets")  # type: ignore[call-arg]

assert_type(hello("Ada"), str)
assert_type(View().get(), str)


async def awaited() -> None:
    assert_type(await create(1, request), dict[str, int])


app.get(5)  # type: ignore[arg-type]
app.include_router(router, prefix="/v1")
app.include_router("router")  # type: ignore[arg-type]


@app.middleware
@inline
def timing(request: Request) -> Generator[Response | None, Response]:
    response = yield None
    response.headers["x-path"] = request.path


@app.middleware
async def waiting(request: Request) -> AsyncGenerator[Response | None, Response]:
    response = yield None
    assert_type(response, Response)


@app.errorhandler(404)
def not_found(request: Request, error: HTTPException) -> tuple[str, int]:
    return error.detail or "", error.status


@app.before_request
def before() -> None: ...


@app.after_request
def after(response: Response) -> Response:
    return response


@app.lifespan
async def life(app: App) -> AsyncIterator[dict[str, int]]:
    yield {"pool": 1}


App(middleware=[CookieSessions("secret"), CookieSessions([b"new", "old"], name="a", secure=True, samesite="Strict")])
App(middleware=[ServerSessions(store, required=False) for store in (MemoryStore(), SQLiteStore("a"), RedisStore("b"))])
CookieSessions(5)  # type: ignore[arg-type]
CookieSessions(secret_key=["new", b"old"], format="flask", httponly=False)
CookieSessions("secret", format="Flask")  # type: ignore[arg-type]
App(middleware=[ProxyHeaders("10.0.0.0/8"), ProxyHeaders(["unix"], hops={"for": 2}, forwarded=True)])
ProxyHeaders(5)  # type: ignore[arg-type]
App(templates="templates").get("/")(lambda: render_template("a.html", user=1))
App(templates=Templates(["a", "b"], context_processors=[lambda request: {"user": request.client}], reload=True))
CookieSessions("secret", age=5)  # type: ignore[call-arg]
CookieSessions("secret", samesite="lax")  # type: ignore[arg-type]
ServerSessions("redis://localhost")  # type: ignore[arg-type]

Response().set_cookie("a", "b", max_age=5, expires=datetime.now(), samesite=None)
Response().set_cookie("a", 5)  # type: ignore[arg-type]
Response().set_cookie("a", "b", 5)  # type: ignore[call-arg]
Response().delete_cookie("a", samesite="none")  # type: ignore[arg-type]


# The imported request is a Request, whatever it is at run time.

assert_type(request.method, str)
assert_type(request.path, str)
assert_type(request.headers.get("accept"), str | None)
assert_type(request.query.get("page", 1, type=int), int)
assert_type(request.args.getlist("tag"), list[str])
assert_type(request.cookies["session"], str)
assert_type(request.session, Session)
assert_type(request.session.permanent, bool)
assert_type(request.session.error, str | None)
assert_type(request.body, bytes)
assert_type(request.form["name"], str)
assert_type(request.files["file"], UploadFile)
assert_type(request.is_disconnected, bool)


def read_upload(upload: UploadFile) -> bytes:
    upload.save("here")
    assert_type(next(iter(upload)), bytes)
    return upload.read(10)


async def read_upload_later(upload: UploadFile) -> bytes:
    await upload.save("here")
    async for chunk in upload:
        assert_type(chunk, bytes)
    return await upload.read(10)


def walk_parts(request: Request) -> bytes:
    for part in request.stream.parts():
        for chunk in part:
            assert_type(chunk, bytes)
        assert_type(part.read(), bytes)
        assert_type(part.filename, str | None)
    return b""


async def walk_parts_later(request: Request) -> bytes:
    async for part in request.stream.parts():
        async for chunk in part:
            assert_type(chunk, bytes)
        assert_type(await part.read(), bytes)
        part.read().decode()  # type: ignore[attr-defined]  # it was not awaited
    return b""


app.post("/limited", limits=Limits(max_files=1), stream=True)
assert_type(request.client, tuple[str, int | None] | None)
assert_type(request.host, str)
assert_type(request.path_params, dict[str, Any])
assert_type(str(request.url), str)
assert_type(request.url.replace(scheme="https").path, str)
request.background(print, "x", sep="")
request.body = b""  # type: ignore[misc]
request.nothing  # type: ignore[attr-defined]  # noqa: B018


def chunks() -> Iterable[bytes]:
    assert_type(next(iter(request.stream)), bytes)
    return request.stream


async def async_chunks() -> None:
    async for chunk in request.stream:
        assert_type(chunk, bytes)


# Answers

assert_type(Response("x", 201, {"x-a": "b"}, "text/csv").status, int)
assert_type(JSONResponse({"a": 1}).body, bytes)
StreamingResponse(chunks(), headers=[("x-a", "b")])
FileResponse("a.txt", filename="b.txt", inline=True)
FileResponse(Path("a.txt"), 404, {"x-a": "b"}, "text/x-demo")
FileResponse(io.BytesIO(b"x"))
FileResponse(io.StringIO("x"))  # type: ignore[arg-type]
FileResponse(b"a.txt")  # type: ignore[arg-type]
HTMLResponse("x")
PlainTextResponse(b"x")
RedirectResponse(request.url)
assert_type(redirect("/login"), RedirectResponse)
assert_type(is_safe_redirect(request.query.get("next"), ["www.example.org"]), bool)

response = Response("x")
response.etag = "v1"
response.etag = ETag("v1", weak=True)
assert_type(Response().etag, ETag | None)
response.etag = 1  # type: ignore[assignment]
response.last_modified = datetime(2026, 1, 2)
response.last_modified = 0.5
assert_type(Response().last_modified, datetime | None)
response.cache_control = CacheControl(max_age=60, no_cache=("set-cookie",))
response.cache_control = response.cache_control.replace(public=True)
assert_type(response.cache_control.max_age, int | None)
CacheControl(60)  # type: ignore[call-arg]
CacheControl(max_age="60")  # type: ignore[arg-type]
assert_type(request.accepts("text/html"), str | None)
request.check_preconditions("v1", datetime(2026, 1, 2), exists=False)
Response(5)  # type: ignore[arg-type]
Response("x", "200")  # type: ignore[arg-type]
Response("x", headers=5)  # type: ignore[arg-type]


def refuse() -> NoReturn:
    abort(403, "no", {"x-a": "b"})


HTTPException("404")  # type: ignore[arg-type]
HTTPException(409, type="/problems/stale", title="Stale", extensions={"version": 3})
HTTPException(409, extension={"version": 3})  # type: ignore[call-arg]
assert_type(url_for("hello", name="Ada"), str)
assert_type(app.url_for("hello", name="Ada"), str)


# Both doors, as servers' own types have them


def wsgi_server(served: WSGIApplication) -> None: ...


Message = MutableMapping[str, Any]


def asgi_server(
    served: Callable[
        [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
    ],
) -> None: ...


wsgi_server(app)
wsgi_server(app.wsgi)
asgi_server(app)
asgi_server(app.asgi)


async def one() -> int:
    return 1


assert_type(app.call(one), int)
assert_type(app.gauges(), dict[str, int])
assert_type(app.started, bool)
