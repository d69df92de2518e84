"""Sessions against Flask's: what is kept, when the cookie is sent, and what it says of itself."""

from __future__ import annotations

import decimal
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

import duoframe.flask
from duoframe.flask.sessions import SecureCookieSession, SessionInterface
from duoframe.sessions import Kept
from tests.flask.oracle import Side, side, text
from tests.test_tagged import VALUES, same

__all__ = ["side"]

SECRET = "a secret that is long enough"
OLD = "the one before it, long enough too"


def routes(side: Side, app: Any) -> Any:
    session = side.names.session

    def count() -> str:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    def permanent() -> str:
        session["user"] = 7
        session.permanent = True
        return str(session.permanent)

    def nested() -> str:
        session.setdefault("items", []).append(1)
        session.modified = True
        return str(session["items"])

    views: dict[str, Callable[[], Any]] = {
        "count": count,
        "permanent": permanent,
        "nested": nested,
        "show": lambda: repr(sorted(session.items())),
        "untouched": lambda: "ok",
        "contains": lambda: str("user" in session),
        "clear": lambda: str(session.clear()),
        "pop": lambda: str(session.pop("count", None)),
        "state": lambda: f"{session.new} {session.modified} {session.permanent}",
    }
    for name, view in views.items():
        app.add_url_rule(f"/{name}", name, view)
    return side.client(app)


def cookie(answer: Any) -> dict[str, str] | None:
    """The attributes of the session's cookie, None where none is sent."""
    sent = answer.headers.getlist("set-cookie")
    if not sent:
        return None
    assert len(sent) == 1
    pairs = [part.partition("=") for part in sent[0].split("; ")]
    return {"name": pairs[0][0], **{name: value for name, _, value in pairs[1:]}}


def test_values_last_from_request_to_request(side: Side) -> None:
    client = routes(side, side.app())
    assert [text(client.get("/count")) for _ in range(3)] == ["1", "2", "3"]
    assert text(client.get("/show")) == "[('count', 3)]"
    assert text(client.get("/pop")) == "3"
    assert text(client.get("/show")) == "[]"


def test_it_is_permanent_where_that_is_said(side: Side) -> None:
    client = routes(side, side.app())
    assert text(client.get("/permanent")) == "True"
    assert text(client.get("/show")) == "[('_permanent', True), ('user', 7)]"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, {"name": "session", "Path": "/", "HttpOnly": ""}),
        ({"SESSION_COOKIE_NAME": "s", "SESSION_COOKIE_PATH": "/a"}, {"name": "s", "Path": "/a", "HttpOnly": ""}),
        ({"APPLICATION_ROOT": "/root"}, {"name": "session", "Path": "/root", "HttpOnly": ""}),
        (
            {"SESSION_COOKIE_DOMAIN": "a.example"},
            {"name": "session", "Path": "/", "Domain": "a.example", "HttpOnly": ""},
        ),
        ({"SESSION_COOKIE_HTTPONLY": False}, {"name": "session", "Path": "/"}),
        (
            {"SESSION_COOKIE_SECURE": True, "SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_PARTITIONED": True},
            {"name": "session", "Path": "/", "HttpOnly": "", "Secure": "", "SameSite": "None", "Partitioned": ""},
        ),
        ({"SESSION_COOKIE_SAMESITE": "strict"}, {"name": "session", "Path": "/", "HttpOnly": "", "SameSite": "Strict"}),
    ],
)
def test_the_configuration_says_what_the_cookie_is_like(
    side: Side, config: dict[str, Any], expected: dict[str, str]
) -> None:
    app = side.app()
    app.config.update(config)
    client = routes(side, app)
    assert cookie(client.get("/count")) == expected
    permanent = cookie(client.get("/permanent"))
    assert permanent is not None
    assert permanent.pop("Expires").endswith(" GMT")
    assert permanent == expected


@pytest.mark.parametrize("lifetime", [timedelta(days=1), 24 * 3600])
def test_a_permanent_one_ends_when_its_time_is_over(side: Side, lifetime: Any) -> None:
    app = side.app()
    app.config["PERMANENT_SESSION_LIFETIME"] = lifetime
    sent = cookie(routes(side, app).get("/permanent"))
    assert sent is not None
    ends = time.mktime(time.strptime(sent["Expires"], "%a, %d %b %Y %H:%M:%S GMT")) - time.timezone
    assert abs(ends - time.time() - 24 * 3600) < 10


def test_the_cookie_of_a_permanent_one_is_sent_with_every_answer(side: Side) -> None:
    app = side.app()
    client = routes(side, app)
    client.get("/permanent")
    assert cookie(client.get("/untouched")) is not None
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    answer = client.get("/untouched")
    assert (cookie(answer), answer.headers.get("vary")) == (None, None)
    assert cookie(client.get("/show")) is None


@pytest.mark.parametrize(
    ("path", "vary", "sends"),
    [
        ("/untouched", None, False),
        ("/show", "Cookie", False),
        ("/contains", "Cookie", False),
        ("/count", "Cookie", True),
        ("/nested", "Cookie", True),
        ("/clear", "Cookie", True),
        ("/pop", "Cookie", True),
    ],
)
def test_an_answer_that_depends_on_the_session_says_so(side: Side, path: str, vary: str | None, sends: bool) -> None:
    """R40."""
    client = routes(side, side.app())
    client.get("/count")
    answer = client.get(path)
    assert (answer.headers.get("vary"), cookie(answer) is not None) == (vary, sends)
    if not side.real:
        assert answer.headers.get("cache-control") == ("private" if sends else None)


def test_an_emptied_one_is_deleted(side: Side) -> None:
    client = routes(side, side.app())
    client.get("/count")
    sent = cookie(client.get("/clear"))
    assert sent is not None
    assert (sent["Max-Age"], sent["Expires"], sent["Path"]) == ("0", "Thu, 01 Jan 1970 00:00:00 GMT", "/")
    assert cookie(client.get("/clear")) is not None


def test_what_it_tells_of_itself(side: Side) -> None:
    client = routes(side, side.app())
    assert text(client.get("/state")) == "False False False"
    client.get("/permanent")
    assert text(client.get("/state")) == "False False True"


def test_without_a_secret_key_it_is_empty_and_cannot_be_written(side: Side) -> None:
    app = side.app()
    app.secret_key = None
    client = routes(side, app)
    assert text(client.get("/show")) == "[]"
    assert text(client.get("/state")) == "False False False"
    for path in ("/count", "/permanent", "/nested", "/clear", "/pop"):
        with pytest.raises(RuntimeError, match="The session is unavailable because no secret key was set"):
            client.get(path)


def test_what_is_set_on_an_error_is_kept(side: Side) -> None:
    app = side.app()

    def fail() -> None:
        side.names.session["failed"] = 1
        side.names.abort(403)

    app.add_url_rule("/fail", "fail", fail)
    client = routes(side, app)
    assert client.get("/fail").status_code == 403
    assert text(client.get("/show")) == "[('failed', 1)]"


def test_the_session_of_a_test_s_request(side: Side) -> None:
    app = side.app()
    with app.test_request_context("/"):
        assert dict(side.names.session) == {}
        side.names.session["a"] = 1
        assert side.names.session["a"] == 1
    app.secret_key = None
    with app.test_request_context("/"), pytest.raises(RuntimeError, match="no secret key"):
        side.names.session["a"] = 1


# One cookie for both


@given(st.dictionaries(st.text(), VALUES, max_size=4))
@settings(max_examples=50)
def test_each_reads_what_the_other_has_written(values: dict[str, Any]) -> None:
    theirs, ours = flask.Flask("theirs"), duoframe.flask.Flask("ours")
    for app in (theirs, ours):
        app.config.update(SECRET_KEY=SECRET, SECRET_KEY_FALLBACKS=[OLD])
    one: Any = theirs.session_interface.get_signing_serializer(theirs)  # type: ignore[attr-defined]  # the default has it
    other: Any = ours.session_interface.get_signing_serializer(ours)  # type: ignore[attr-defined]  # as above
    assert same(other.loads(one.dumps(values)), values)
    assert same(one.loads(other.dumps(values)), values)


def test_fallbacks_are_believed_and_the_newest_signs(side: Side) -> None:
    """R31."""
    old = flask.Flask("old")
    old.secret_key = OLD
    serializer: Any = old.session_interface.get_signing_serializer(old)  # type: ignore[attr-defined]  # the default has it
    app = side.app()
    client = routes(side, app)
    client.set_cookie("session", serializer.dumps({"count": 5}))
    assert text(client.get("/show")) == "[]"
    app.config["SECRET_KEY_FALLBACKS"] = [OLD]
    answer = client.get("/show")
    assert text(answer) == "[('count', 5)]"
    assert (cookie(answer) is None) is side.real  # Flask leaves it with the old signature until it changes
    client.get("/count")
    app.config["SECRET_KEY_FALLBACKS"] = None
    assert text(client.get("/show")) == "[('count', 6)]"


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 3000])
def test_a_cookie_that_is_not_believed_is_an_empty_session(side: Side, token: str) -> None:
    """C-10."""
    client = routes(side, side.app())
    client.set_cookie("session", token)
    assert text(client.get("/show")) == "[]"
    assert text(client.get("/count")) == "1"


# What it holds


class Custom:
    def __html__(self) -> str:
        return "<i>"


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (decimal.Decimal("1.5"), "1.5"),
        ({1: "a"}, {"1": "a"}),
        (Custom(), Markup("<i>")),
        ((1, [2]), (1, [2])),
        ({"a": {2: decimal.Decimal(3)}}, {"a": {"2": "3"}}),
    ],
)
def test_whatever_can_be_written_may_be_kept(side: Side, value: Any, back: Any) -> None:
    app = side.app()
    app.add_url_rule("/set", "set", lambda: str(side.names.session.update(value=value)))
    client = routes(side, app)
    client.get("/set")
    assert text(client.get("/show")) == repr([("value", back)])


def test_what_cannot_be_written_is_an_error(side: Side) -> None:
    app = side.app()
    app.add_url_rule("/set", "set", lambda: str(side.names.session.update(value=object())))
    client = routes(side, app)
    with pytest.raises(TypeError, match=r"not JSON serializable|that JSON has, got object"):
        client.get("/set")


def test_a_change_inside_a_list_is_noticed_here_alone(side: Side) -> None:
    app = side.app()
    app.add_url_rule("/set", "set", lambda: str(side.names.session.update(items=[])))
    app.add_url_rule("/append", "append", lambda: str(side.names.session["items"].append(1)))
    client = routes(side, app)
    client.get("/set")
    client.get("/append")
    assert text(client.get("/show")) == ("[('items', [])]" if side.real else "[('items', [1])]")


def test_modified_may_be_said() -> None:
    session = SecureCookieSession(lambda: Kept({"a": []}, False))
    assert not session.modified
    session["a"].append(1)
    assert session.modified
    session.modified = False
    assert not session.modified
    session.modified = True
    assert session.modified


# Interfaces of one's own


def test_an_interface_of_one_s_own_opens_and_keeps(side: Side) -> None:
    kept: dict[str, Any] = {}
    interface: Any = side.names.sessions.SessionInterface
    mixin: Any = side.names.sessions.SessionMixin

    class ServerSession(dict[str, Any], mixin):  # type: ignore[misc]  # one of two
        pass

    class Interface(interface):  # type: ignore[misc]  # as above
        def open_session(self, app: Any, request: Any) -> Any:
            token = request.cookies.get(self.get_cookie_name(app))
            return None if token == "refused" else ServerSession(kept.get(token, {}))

        def save_session(self, app: Any, session: Any, response: Any) -> None:
            kept["token"] = dict(session)
            response.set_cookie(self.get_cookie_name(app), "token", expires=self.get_expiration_time(app, session))

    app = side.app()
    app.session_interface = Interface()
    client = routes(side, app)
    assert [text(client.get("/count")) for _ in range(2)] == ["1", "2"]
    assert kept == {"token": {"count": 2}}
    client.get("/permanent")
    assert kept["token"]["_permanent"] is True
    client.set_cookie("session", "refused")
    assert text(client.get("/show")) == "[]"
    with pytest.raises(RuntimeError, match="no secret key"):
        client.get("/count")


def test_an_interface_that_says_nothing_is_none() -> None:
    nothing: Any = None
    with pytest.raises(NotImplementedError):
        SessionInterface().open_session(nothing, nothing)
    with pytest.raises(NotImplementedError):
        SessionInterface().save_session(nothing, nothing, nothing)


def test_an_interface_whose_key_went_away_says_so() -> None:
    app = duoframe.flask.Flask("a")
    app.secret_key = SECRET
    with app.test_request_context("/"):
        duoframe.flask.session["a"] = 1
        session: Any = duoframe.flask.session._get_current_object()  # type: ignore[attr-defined]  # a proxy has it
        app.secret_key = None
        with pytest.raises(RuntimeError, match="no secret key"):
            app.session_interface.save_session(app, session, app.response_class())
