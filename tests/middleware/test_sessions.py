"""Sessions behind both doors and in both colours: what they send, what they believe, and what they ask of caches."""

from __future__ import annotations

import gc
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duoframe import App, ConfigurationError, FileResponse, Request, Response, Router, StreamingResponse, inline
from duoframe.contrib.stores import MemoryStore, SQLiteStore
from duoframe.cookies import cookie_field
from duoframe.middleware.sessions import FORTNIGHT, CookieSessions, ServerSessions
from duoframe.pieces import Colour, Piece
from duoframe.testing import Exchange
from tests.conftest import Ask, MakeApp

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]

SECRET = "a secret that is long enough"
OTHER = "another one, of which nobody knows"


class Visitor:
    """A browser of one visitor: keeps the cookies of the site and sends them."""

    def __init__(self, ask: Ask, app: App) -> None:
        self._ask = ask
        self._app = app
        self.cookies: dict[str, str] = {}

    def __call__(self, target: str, method: str = "GET", **options: Any) -> Exchange:
        headers = [(b"cookie", f"{name}={value}".encode()) for name, value in self.cookies.items()]
        answer = self._ask(self._app, method, target.encode(), headers=headers, **options)
        for field in set_cookies(answer):
            name, _, value = field.partition("; ")[0].partition("=")
            if "; Max-Age=0;" in field:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return answer


def set_cookies(answer: Exchange) -> list[str]:
    return [value for name, value in answer.headers if name == "set-cookie"]


def field(answer: Exchange, name: str) -> str | None:
    values = [value for found, value in answer.headers if found == name]
    assert len(values) < 2
    return values[0] if values else None


Make = Callable[..., Any]


@pytest.fixture(params=["cookie", "store"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes session middleware of each kind; what it keeps is kept until the end of the test."""
    store = SQLiteStore(tmp_path / "sessions.db")

    def make(**options: Any) -> Any:
        if request.param == "cookie":
            return CookieSessions(SECRET, **options)
        return ServerSessions(store, **options)

    yield make
    store.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock forward by seconds."""
    import time

    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])

    def forward(seconds: float) -> None:
        ahead[0] += seconds

    return forward


def site(app: App, colour: Paint) -> None:
    """Handlers that use a session in each way."""

    def count(request: Request) -> int:
        request.session["count"] = request.session.get("count", 0) + 1
        return int(request.session["count"])

    def login(request: Request) -> str:
        request.session["user"] = 7
        request.session.regenerate()
        return "in"

    def append(request: Request) -> list[int]:
        items: list[int] = request.session.setdefault("items", [])
        items.append(len(items))
        return items

    def show(request: Request) -> Any:
        return {"values": request.session.copy(), "error": request.session.error}

    def stream(request: Request) -> Iterator[str]:
        yield json.dumps(request.session.copy())

    def write_late(request: Request) -> Iterator[str]:
        yield "one"
        request.session["late"] = True
        yield "two"

    def fail(request: Request) -> None:
        request.session["failed"] = True
        raise ValueError("on purpose")

    def once(request: Request) -> str:
        request.session.permanent = False
        return "once"

    def public(request: Request) -> Any:
        return "ok", 200, {"cache-control": f"Public, max-age={count(request)}"}

    def no_store(request: Request) -> Any:
        return str(count(request)), 200, {"cache-control": "no-store"}

    def stricter(request: Request) -> Any:
        return str(count(request)), 200, {"cache-control": "private, no-cache"}

    for function in (count, login, once, public, no_store, stricter, append, show, stream, write_late, fail):
        app.get(f"/{function.__name__}")(function if function in (stream, write_late) else colour(function))
    app.get("/untouched")(colour(lambda: "ok"))
    app.get("/read")(colour(lambda request: str(request.session.get("count"))))
    app.get("/clear")(colour(lambda request: str(request.session.clear())))
    app.get("/bad")(colour(lambda request: str(request.session.update(x=object()))))
    app.get("/bad-inside")(colour(lambda request: str(request.session.setdefault("list", []).append(object()))))


@pytest.fixture
def visitor(make: Make, make_app: MakeApp, ask: Ask, colour: Paint) -> Visitor:
    app = make_app(middleware=[make()])
    site(app, colour)
    return Visitor(ask, app)


def shown(visitor: Visitor) -> Any:
    return json.loads(visitor("/show").body)["values"]


# What it is to use one


def test_values_last_from_request_to_request(visitor: Visitor) -> None:
    assert [visitor("/count").body for _ in range(3)] == [b"1", b"2", b"3"]
    assert shown(visitor) == {"count": 3}


def test_two_visitors_have_a_session_each(visitor: Visitor, ask: Ask) -> None:
    other = Visitor(ask, visitor._app)
    assert [visitor("/count").body, other("/count").body, visitor("/count").body] == [b"1", b"1", b"2"]


def test_a_change_inside_a_list_is_kept(visitor: Visitor) -> None:
    """C-13."""
    assert [json.loads(visitor("/append").body) for _ in range(3)] == [[0], [0, 1], [0, 1, 2]]


def test_a_session_that_nobody_touches_costs_and_sends_nothing(visitor: Visitor) -> None:
    """R40: no touch, no Vary."""
    for _ in range(2):
        answer = visitor("/untouched")
        assert (answer.status, field(answer, "vary"), field(answer, "cache-control"), set_cookies(answer)) == (
            200,
            None,
            None,
            [],
        )
        visitor("/count")


def test_an_empty_session_that_is_read_sends_no_cookie(visitor: Visitor) -> None:
    """R40."""
    answer = visitor("/read")
    assert (field(answer, "vary"), field(answer, "cache-control"), set_cookies(answer)) == ("Cookie", None, [])
    assert set_cookies(visitor("/clear")) == []


def test_the_cookie_has_safe_attributes(visitor: Visitor) -> None:
    [sent] = set_cookies(visitor("/count"))
    assert re.fullmatch(rf"session=[A-Za-z0-9_.-]+; Max-Age={FORTNIGHT}; Path=/; HttpOnly; SameSite=Lax", sent)
    [sent] = set_cookies(visitor("/count", scheme="https"))
    assert sent.endswith("; Path=/; Secure; HttpOnly; SameSite=Lax")


def test_clearing_deletes_the_cookie_and_what_was_kept(visitor: Visitor) -> None:
    """C-08."""
    visitor("/count")
    before = dict(visitor.cookies)
    answer = visitor("/clear")
    assert set_cookies(answer) == [cookie_field("session", max_age=0, expires=0)]
    assert (field(answer, "vary"), field(answer, "cache-control")) == ("Cookie", "private")
    assert visitor.cookies == {}
    assert shown(visitor) == {}
    visitor.cookies = before
    ended = json.loads(visitor("/show").body)
    assert ended in ({"values": {}, "error": "unknown"}, {"values": {"count": 1}, "error": None})  # see CookieSessions


def test_a_session_may_end_with_the_browser(visitor: Visitor) -> None:
    visitor("/count")
    for target in ("/once", "/count"):
        [sent] = set_cookies(visitor(target))
        assert "Max-Age" not in sent
        assert "Expires" not in sent
    assert visitor("/count").body == b"3"


def test_an_error_keeps_what_was_changed_before_it(visitor: Visitor) -> None:
    """R42: the answer to an error too."""
    answer = visitor("/fail")
    assert (answer.status, field(answer, "vary"), field(answer, "cache-control")) == (500, "Accept, Cookie", "private")
    assert shown(visitor) == {"failed": True}


# Caches


@pytest.mark.parametrize(
    ("target", "cache_control"),
    [
        ("/count", "private"),
        ("/public", "max-age=1, private"),
        ("/no_store", "no-store"),
        ("/stricter", "private, no-cache"),
    ],
)
def test_an_answer_with_the_cookie_is_kept_out_of_shared_caches(
    visitor: Visitor, target: str, cache_control: str
) -> None:
    """R40: RFC 9111 §5.2.2.7, RFC 9110 §12.5.5."""
    answer = visitor(target)
    assert len(set_cookies(answer)) == 1
    assert (field(answer, "vary"), field(answer, "cache-control")) == ("Cookie", cache_control)


@pytest.mark.parametrize("kind", ["text", "stream", "error", "missing", "redirect", "not modified", "refused method"])
def test_vary_is_added_to_every_kind_of_answer(
    make: Make, make_app: MakeApp, ask: Ask, colour: Paint, kind: str
) -> None:
    """R42, R41."""
    app = make_app(middleware=[make()])

    @app.middleware
    @inline
    def touch(request: Request) -> Iterator[None]:
        request.session.get("a")
        yield

    kinds: dict[str, Callable[[], Any]] = {
        "text": lambda: ("ok", 200, {"vary": "Accept-Encoding"}),
        "stream": lambda: StreamingResponse(iter(["a"]), headers={"vary": "accept-encoding"}),
        "error": lambda: 1 / 0,
        "redirect": lambda: Response(b"", 303, {"location": "/", "vary": "*"}),
        "not modified": lambda: Response(b"", 304, {"vary": "cookie"}),
    }
    for name, answer_kind in kinds.items():
        app.get(f"/{name.replace(' ', '-')}")(colour(answer_kind))
    method = "POST" if kind == "refused method" else "GET"
    target = "/text" if kind == "refused method" else f"/{kind.replace(' ', '-')}"
    expected = {
        "text": "Accept-Encoding, Cookie",
        "stream": "accept-encoding, Cookie",
        "redirect": "*",
        "not modified": "cookie",
    }
    assert field(ask(app, method, target.encode()), "vary") == expected.get(kind, "Accept, Cookie")


# Streams


def test_a_stream_may_read_the_session_and_its_answer_varies(visitor: Visitor) -> None:
    """R40."""
    assert field(visitor("/stream"), "vary") == "Cookie"
    visitor("/count")
    answer = visitor("/stream")
    assert (answer.body, field(answer, "vary"), set_cookies(answer)) == (b'{"count": 1}', "Cookie", [])


def test_a_file_does_not_vary(make: Make, make_app: MakeApp, ask: Ask, colour: Paint, tmp_path: Path) -> None:
    """R40: nothing that is sent of it can look at the session."""
    (tmp_path / "file").write_text("text")
    app = make_app(middleware=[make()])
    app.get("/")(colour(lambda: FileResponse(tmp_path / "file")))
    answer = ask(app, "GET", b"/", headers=[(b"cookie", b"session=x")])
    assert (answer.body, field(answer, "vary")) == (b"text", None)


def test_what_a_stream_writes_too_late_is_an_error(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    """C-12."""
    answer = visitor("/write_late")
    assert (answer.chunks, answer.aborted) == ([b"one"], True)
    assert "changed after its cookie had been made" in caplog.text
    assert shown(visitor) == {}


def test_a_stream_is_begun_with_what_its_handler_wrote(make: Make, make_app: MakeApp, ask: Ask, colour: Paint) -> None:
    """C-12."""
    app = make_app(middleware=[make()])

    def chunks() -> Iterator[str]:
        yield "a"

    def begin(request: Request) -> Response:
        request.session["begun"] = True
        return StreamingResponse(chunks())

    app.get("/begin")(colour(begin))
    app.get("/show")(colour(lambda request: {"values": request.session.copy()}))
    visitor = Visitor(ask, app)
    answer = visitor("/begin")
    assert (answer.body, len(set_cookies(answer))) == (b"a", 1)
    assert shown(visitor) == {"begun": True}


# What cannot be kept


@pytest.mark.parametrize("target", ["/bad", "/bad-inside"])
def test_a_value_that_cannot_be_kept_is_a_clean_error(
    visitor: Visitor, caplog: pytest.LogCaptureFixture, target: str
) -> None:
    """C-16."""
    visitor("/count")
    answer = visitor(target)
    assert (answer.status, set_cookies(answer)) == (500, [])
    assert "expected None, bool, int, float, str, list or dict" in caplog.text
    assert shown(visitor) == {"count": 1}


# Age


def test_a_session_ends_when_its_time_is_over(
    make: Make, make_app: MakeApp, ask: Ask, colour: Paint, clock: Callable[[float], None]
) -> None:
    """R33, C-10."""
    app = make_app(middleware=[make(max_age=100)])
    site(app, colour)
    visitor = Visitor(ask, app)
    visitor("/count")
    clock(99)
    assert visitor("/untouched").body == b"ok"  # which is no use of it
    clock(3)
    old = json.loads(visitor("/show").body)
    assert old["values"] == {}
    assert old["error"] in ("expired", "unknown")


def test_a_session_in_use_does_not_end(
    make: Make, make_app: MakeApp, ask: Ask, colour: Paint, clock: Callable[[float], None]
) -> None:
    """R33: it is kept anew once half of its time is over, and not before."""
    app = make_app(middleware=[make(max_age=100)])
    site(app, colour)
    visitor = Visitor(ask, app)
    visitor("/count")
    for _ in range(4):
        clock(40)
        assert set_cookies(visitor("/read")) == []
        clock(15)
        answer = visitor("/read")
        assert (answer.body, len(set_cookies(answer))) == (b"1", 1)


def test_a_session_from_the_future_is_refused(
    make: Make, make_app: MakeApp, ask: Ask, colour: Paint, clock: Callable[[float], None]
) -> None:
    """R33: clocks may be 60 seconds apart."""
    app = make_app(middleware=[make()])
    site(app, colour)
    visitor = Visitor(ask, app)
    visitor("/count")
    clock(-58)
    assert shown(visitor) == {"count": 1}
    clock(-10)
    assert json.loads(visitor("/show").body) == {"values": {}, "error": "from the future"}


# Where it applies


def test_without_the_middleware_the_error_says_what_to_do(app: App, ask: Ask, colour: Paint) -> None:
    app.get("/")(colour(lambda request: str(request.session)))

    @app.errorhandler(RuntimeError)
    def told(request: Request, error: Exception) -> str:
        return str(error)

    assert ask(app, "GET", b"/").body.startswith(b"no session middleware runs around this code; register one: App(")


def test_a_router_may_have_sessions_of_its_own(make: Make, app: App, ask: Ask, colour: Paint) -> None:
    router = Router("/shop", middleware=[make(path="/shop")])
    router.get("/count")(colour(lambda request: str(request.session.setdefault("a", 1))))
    app.include_router(router)
    [sent] = set_cookies(ask(app, "GET", b"/shop/count"))
    assert "; Path=/shop; " in sent


def test_the_path_is_what_was_said_wherever_the_application_is_mounted(
    make: Make, make_app: MakeApp, ask: Ask, colour: Paint
) -> None:
    """C-14."""
    for path in ("/", "/elsewhere"):
        app = make_app(middleware=[make(path=path)])
        site(app, colour)
        [sent] = set_cookies(ask(app, "GET", b"/count", root_path="/mounted"))
        assert f"; Path={path}; " in sent


@pytest.mark.parametrize(
    "options",
    [
        {"max_age": 0},
        {"max_age": 1.5},
        {"max_age": True},
        {"name": "a b"},
        {"name": "__Host-session"},
        {"name": "__Host-session", "secure": True, "path": "/a"},
        {"path": "a"},
        {"domain": "a;b"},
        {"samesite": "None"},
        {"samesite": "lax"},
        {"partitioned": True},
        {"name": 1},
    ],
)
def test_attributes_that_cannot_work_are_refused_at_once(make: Make, options: dict[str, Any]) -> None:
    """R27, C-05."""
    with pytest.raises(ConfigurationError, match="sessions: "):
        make(**options)
    make(name="__Host-session", secure=True, samesite="None", partitioned=True, domain=None)


# In a signed cookie


def cookie_app(make_app: MakeApp, colour: Paint, secret: Any = SECRET, **options: Any) -> App:
    app = make_app(middleware=[CookieSessions(secret, **options)])
    site(app, colour)
    return app


def test_cookie_sessions_leave_a_route_its_colour() -> None:
    assert Piece.middleware(CookieSessions(SECRET)).colour is Colour.INLINE
    assert Piece.middleware(ServerSessions(MemoryStore())).colour is Colour.SYNC


def test_a_cookie_that_is_not_ours_is_an_empty_session_that_says_why(
    make_app: MakeApp, ask: Ask, colour: Paint
) -> None:
    """C-10, R35."""
    app = cookie_app(make_app, colour)
    visitor = Visitor(ask, app)
    visitor("/count")
    good = visitor.cookies["session"]
    other_name = Visitor(ask, cookie_app(make_app, colour, name="other"))
    other_name("/count")
    other_key = Visitor(ask, cookie_app(make_app, colour, OTHER))
    other_key("/count")
    for bad in (
        "x" + good,
        good[:-5],
        good[: len(good) // 2],
        other_name.cookies["other"],
        other_key.cookies["session"],
        "x" * 100_000,
        ".",
        "",
        '"\\377"',
    ):
        visitor.cookies = {"session": bad}
        answer = visitor("/show")
        found = json.loads(answer.body)
        assert (answer.status, found["values"]) == (200, {})
        assert found["error"]
        assert set_cookies(answer) == []  # another answer may have replaced it meanwhile
        assert set_cookies(visitor("/clear")) == [cookie_field("session", max_age=0, expires=0)]
        visitor.cookies = {"session": bad}
        assert visitor("/count").body == b"1"
        assert visitor("/count").body == b"2"


def test_a_session_signed_by_an_old_secret_is_signed_by_the_new_one(make_app: MakeApp, ask: Ask, colour: Paint) -> None:
    """R31."""
    visitor = Visitor(ask, cookie_app(make_app, colour, OTHER))
    visitor("/count")
    visitor._app = cookie_app(make_app, colour, [SECRET, OTHER])
    assert set_cookies(visitor("/untouched")) == []
    answer = visitor("/read")
    assert (answer.body, len(set_cookies(answer))) == (b"1", 1)
    assert set_cookies(visitor("/read")) == []
    visitor._app = cookie_app(make_app, colour, SECRET)
    assert visitor("/read").body == b"1"


@pytest.mark.parametrize("secret", ["", b"short", [], [SECRET, ""]])
def test_a_secret_that_could_be_guessed_is_refused_at_registration(secret: Any) -> None:
    """R34."""
    with pytest.raises(ConfigurationError, match="at least 16 bytes"):
        CookieSessions(secret)


def test_a_session_too_large_for_a_cookie_names_the_way_out(
    make_app: MakeApp, ask: Ask, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """R39."""
    app = cookie_app(make_app, colour)
    app.get("/large")(colour(lambda request: str(request.session.update(a="x" * 3000))))
    visitor = Visitor(ask, app)
    visitor("/count")
    answer = visitor("/large")
    assert (answer.status, set_cookies(answer)) == (500, [])
    assert "too large for a cookie" in caplog.text
    assert "ServerSessions" in caplog.text
    assert shown(visitor) == {"count": 1}


def test_of_two_answers_the_last_one_counts(make_app: MakeApp, ask: Ask, colour: Paint) -> None:
    """C-11: whole sessions replace each other in the client."""
    visitor = Visitor(ask, cookie_app(make_app, colour))
    visitor("/count")
    start = dict(visitor.cookies)
    visitor("/append")
    visitor.cookies = start
    visitor("/count")
    assert shown(visitor) == {"count": 2}


# In a store


class Watched(MemoryStore):
    """Notes what it is asked, and does what a test wants between a load and a change."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, str]] = []
        self.meanwhile: Callable[[str], object] = lambda key: None

    def load(self, key: str) -> bytes | None:
        self.asked.append(("load", key))
        return super().load(key)

    def create(self, key: str, content: bytes, max_age: int) -> None:
        self.asked.append(("create", key))
        super().create(key, content, max_age)

    def replace(self, key: str, content: bytes, max_age: int, expected: bytes | None = None) -> bool:
        self.asked.append(("replace", key))
        self.meanwhile(key)
        return super().replace(key, content, max_age, expected)

    def delete(self, key: str) -> None:
        self.asked.append(("delete", key))
        super().delete(key)

    def verbs(self) -> list[str]:
        verbs = [verb for verb, _ in self.asked]
        self.asked.clear()
        return verbs


@pytest.fixture
def store() -> Watched:
    return Watched()


def stored(make_app: MakeApp, ask: Ask, colour: Paint, store: Any, **options: Any) -> Visitor:
    app = make_app(middleware=[ServerSessions(store, **options)])
    site(app, colour)
    return Visitor(ask, app)


def test_a_store_is_asked_for_what_is_needed_and_no_more(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    visitor = stored(make_app, ask, colour, store)
    visitor("/show")
    visitor("/untouched")
    assert store.verbs() == []  # nothing was sent, nothing was kept
    visitor("/count")
    assert store.verbs() == ["create"]
    visitor("/count")
    assert store.verbs() == ["load", "replace"]
    visitor("/read")
    visitor("/untouched")
    assert store.verbs() == ["load", "load"]
    visitor("/login")
    assert store.verbs() == ["load", "create", "delete"]
    visitor("/clear")
    assert store.verbs() == ["load", "delete"]


def test_the_identifier_changes_at_a_login_and_the_old_one_is_gone(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """R36."""
    visitor = stored(make_app, ask, colour, store)
    visitor("/count")
    before = dict(visitor.cookies)
    visitor("/login")
    assert visitor.cookies != before
    assert shown(visitor) == {"count": 1, "user": 7}
    visitor.cookies = before
    assert json.loads(visitor("/show").body) == {"values": {}, "error": "unknown"}


def test_an_identifier_that_was_not_given_here_is_never_taken(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """R36, C-10: session fixation."""
    for planted, error, asked in (
        ("A" * 43, "unknown", ["load"]),
        ("A" * 42, "malformed", []),
        ("A" * 44, "malformed", []),
        ("../" + "A" * 40, "malformed", []),
        ("", "malformed", []),
        ("x" * 100_000, "malformed", []),
    ):
        visitor = stored(make_app, ask, colour, store)
        visitor.cookies = {"session": planted}
        assert json.loads(visitor("/show").body) == {"values": {}, "error": error}
        assert store.verbs() == asked
        visitor("/clear")
        assert (store.verbs(), visitor.cookies) == (asked, {})
        visitor.cookies = {"session": planted}
        visitor("/count")
        assert visitor.cookies["session"] != planted
        assert store.verbs() == [*asked, "create"]


def test_an_answer_that_was_slower_than_a_login_does_not_end_it(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """R36: the identifier that it came with is gone."""
    visitor = stored(make_app, ask, colour, store)
    visitor("/count")
    slower = Visitor(ask, visitor._app)
    slower.cookies = dict(visitor.cookies)
    visitor("/login")
    answer = slower("/show")
    assert json.loads(answer.body) == {"values": {}, "error": "unknown"}
    assert set_cookies(answer) == []


@pytest.mark.parametrize("store", [None, "redis://localhost", object(), MemoryStore])
def test_what_is_no_store_is_refused_at_registration(store: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected a store"):
        ServerSessions(store)


def test_the_store_sees_a_hash_of_the_identifier_and_json(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """R36, R43."""
    visitor = stored(make_app, ask, colour, store)
    visitor("/count")
    token = visitor.cookies["session"]
    [(key, (content, _))] = store._kept.items()
    assert len(token) == 43  # 256 bits in base64
    assert re.fullmatch("[0-9a-f]{64}", key)
    assert token not in key
    assert json.loads(content)[1:] == [True, {"count": 1}]


def test_a_cookie_of_one_kind_of_session_is_none_of_another(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """R32."""
    visitor = stored(make_app, ask, colour, store)
    visitor("/count")
    other = stored(make_app, ask, colour, store, name="admin")
    other.cookies = {"admin": visitor.cookies["session"]}
    assert json.loads(other("/show").body) == {"values": {}, "error": "unknown"}


def test_what_a_store_gives_that_is_no_session_is_an_empty_one(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """R36."""
    visitor = stored(make_app, ask, colour, store)
    visitor("/count")
    [key] = store._kept
    store._kept[key] = (b"\x80\x04N.", 10.0**12)
    before = dict(visitor.cookies)
    assert visitor("/count").body == b"1"
    assert visitor.cookies != before


def test_of_two_requests_that_change_a_session_the_last_one_s_values_stay(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched
) -> None:
    """C-11."""
    visitor = stored(make_app, ask, colour, store)
    visitor("/count")
    store.meanwhile = lambda key: MemoryStore.replace(store, key, b'[9999999999, true, {"other": 1}]', 10)
    assert visitor("/count").body == b"2"
    assert shown(visitor) == {"count": 2}


def test_the_later_of_two_changes_may_be_refused(make_app: MakeApp, ask: Ask, colour: Paint, store: Watched) -> None:
    """C-11."""
    visitor = stored(make_app, ask, colour, store, check_conflicts=True)
    visitor("/count")
    assert visitor("/count").body == b"2"
    [(content, _)] = store._kept.values()
    other = content.replace(b'"count":2', b'"count":9')
    store.meanwhile = lambda key: MemoryStore.replace(store, key, other, 10)
    answer = visitor("/count")
    assert (answer.status, set_cookies(answer)) == (409, [])
    assert shown(visitor) == {"count": 9}


@pytest.mark.parametrize("check_conflicts", [False, True])
def test_a_session_that_was_ended_meanwhile_stays_ended(
    make_app: MakeApp, ask: Ask, colour: Paint, store: Watched, clock: Callable[[float], None], check_conflicts: bool
) -> None:
    """C-11, R36: a slow request must not undo a logout."""
    visitor = stored(make_app, ask, colour, store, check_conflicts=check_conflicts)
    visitor("/count")
    clock(FORTNIGHT * 0.6)
    store.meanwhile = lambda key: MemoryStore.delete(store, key)
    before = dict(visitor.cookies)
    answer = visitor("/read")  # which would have kept it anew
    assert (answer.status, answer.body, set_cookies(answer)) == (200, b"1", [])
    assert store._kept == {}
    visitor.cookies = {}
    visitor("/count")
    assert visitor("/count").status == 409
    assert store._kept == {}
    visitor.cookies = before
    assert json.loads(visitor("/show").body)["error"] == "unknown"


def test_a_store_of_one_process_behind_a_server_of_several_is_warned_of_once(
    make_app: MakeApp, ask: Ask, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """W-39: an ASGI server does not tell."""

    def several(made: dict[str, Any]) -> None:
        if "wsgi.multiprocess" in made:
            made["wsgi.multiprocess"] = True

    visitor = stored(make_app, ask, colour, MemoryStore())
    for _ in range(2):
        assert visitor("/count", edit=several).status == 200
    expected = ["MemoryStore keeps sessions in one process, and the server runs several; take another"]
    assert [record.getMessage() for record in caplog.records] == (expected if ask.door == "wsgi" else [])


def test_a_store_that_is_shared_or_a_single_process_is_not_warned_of(
    make: Make, make_app: MakeApp, ask: Ask, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """W-39."""
    app = make_app(middleware=[make()])
    site(app, colour)
    assert Visitor(ask, app)("/count").status == 200
    assert caplog.records == []


@pytest.mark.parametrize("kind", ["cookie", "store"])
def test_sessions_leave_no_cyclic_garbage(make_app: MakeApp, kind: str) -> None:
    sessions = CookieSessions(SECRET) if kind == "cookie" else ServerSessions(MemoryStore())
    app = make_app(middleware=[sessions])
    site(app, lambda function: function)
    logging.disable()  # a log record that pytest keeps would hold the exception

    def play() -> None:
        cookie = ""
        for path in ("/count", "/count", "/untouched", "/fail", "/bad", "/bad-inside", "/stream", "/show", "/clear"):
            environ: dict[str, Any] = {
                "REQUEST_METHOD": "GET",
                "PATH_INFO": path,
                "HTTP_COOKIE": cookie,
                "SERVER_NAME": "x",
                "SERVER_PORT": "80",
                "wsgi.input": io.BytesIO(),
            }
            sent: list[tuple[str, str]] = []

            def start(status: str, headers: Any, error: Any = None, sent: Any = sent) -> Any:
                sent += headers

            iterable = app(environ, start)
            b"".join(iterable)
            getattr(iterable, "close", bool)()
            cookie = next((value.partition(";")[0] for name, value in sent if name == "set-cookie"), cookie)

    play()
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            play()
        assert gc.collect() == 0
    finally:
        gc.enable()
        logging.disable(logging.NOTSET)
