"""Sessions in Flask's cookie: real Flask and this framework read what the other wrote, behind both doors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import flask
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from itsdangerous import URLSafeTimedSerializer
from markupsafe import Markup

from duoframe import App, ConfigurationError, Request
from duoframe.middleware.cookie_formats import FlaskFormat
from duoframe.middleware.sessions import CookieSessions
from duoframe.sessions import TaggedSession
from tests.conftest import Ask, MakeApp
from tests.middleware.test_sessions import Paint, Visitor, clock, field, set_cookies
from tests.test_tagged import VALUES, same

__all__ = ["clock"]

SECRET = "a secret that is long enough"
OLD = "the one before it, long enough too"

VALUES_OF_EACH_KIND: dict[str, Any] = {
    "user": 7,
    "tuple": (1, (2,), [b"x"]),
    "bytes": b"\x00\xff",
    "markup": Markup("<b>&amp;</b>"),
    "uuid": UUID("12345678-1234-5678-1234-567812345678"),
    "moment": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "escaped": {" t": [1]},
    "long": "x" * 3000,
    "é": ["€", None, True, 1.5, 2**80],
}


def old_app(secret: str = SECRET, **config: Any) -> flask.Flask:
    """The application that stands already."""
    app = flask.Flask("old")
    app.config.update(SECRET_KEY=secret, **config)

    @app.get("/login")
    def login() -> str:
        flask.session["user"] = 7
        flask.session.permanent = True
        return "in"

    @app.get("/fill")
    def fill() -> str:
        flask.session.update(VALUES_OF_EACH_KIND)
        return "filled"

    @app.get("/flash")
    def flash() -> str:
        flask.flash("Saved.")
        flask.flash("Late.", "error")
        return "flashed"

    @app.get("/flashes")
    def flashes() -> Any:
        return flask.jsonify(flask.get_flashed_messages(with_categories=True))

    @app.get("/logout")
    def logout() -> str:
        flask.session.clear()
        return "out"

    @app.get("/show")
    def show() -> str:
        return repr(sorted(flask.session.items()))

    return app


def new_routes(app: App, colour: Paint) -> None:
    """The same on this side."""

    def login(request: Request) -> str:
        request.session["user"] = 7
        request.session.permanent = True
        return "in"

    def flashes(request: Request) -> Any:
        return request.session.take_flashes()

    def flash(request: Request) -> str:
        request.session.flash("Saved.")
        request.session.flash("Late.", "error")
        return "flashed"

    def bad(request: Request) -> None:
        request.session["bad"] = {1, 2}

    app.get("/login")(colour(login))
    app.get("/fill")(colour(lambda request: str(request.session.update(VALUES_OF_EACH_KIND))))
    app.get("/flash")(colour(flash))
    app.get("/flashes")(colour(flashes))
    app.get("/logout")(colour(lambda request: str(request.session.clear())))
    app.get("/show")(colour(lambda request: repr(sorted(request.session.items()))))
    app.get("/error")(colour(lambda request: str(request.session.error)))
    app.get("/untouched")(colour(lambda: "ok"))
    app.get("/bad")(colour(bad))
    app.get("/same/{size:int}")(colour(lambda request, size: str(request.session.update(a="x" * size))))
    app.get("/noise")(colour(lambda request: str(request.session.update(noise=Random(1).randbytes(3000)))))


class Both:
    """A visitor of the old application and the new one, with one jar of cookies."""

    def __init__(self, old: flask.Flask, new: Visitor) -> None:
        self.old = old.test_client(use_cookies=False)
        self.new = new

    def ask_old(self, target: str, scheme: str = "http") -> str:
        cookies = "; ".join(f"{name}={value}" for name, value in self.new.cookies.items())
        answer = self.old.get(target, base_url=f"{scheme}://localhost", headers={"cookie": cookies} if cookies else {})
        assert answer.status_code == 200
        for sent in answer.headers.getlist("set-cookie"):
            name, _, value = sent.partition("; ")[0].partition("=")
            if "Max-Age=0" in sent:
                self.new.cookies.pop(name)
            else:
                self.new.cookies[name] = value
        return answer.text

    def ask_new(self, target: str) -> str:
        return self.new(target).body.decode()


@pytest.fixture
def both(make_app: MakeApp, ask: Ask, colour: Paint) -> Both:
    app = make_app(middleware=[CookieSessions(SECRET, format="flask")])
    new_routes(app, colour)
    return Both(old_app(), Visitor(ask, app))


def test_who_logs_in_on_one_side_is_logged_in_on_the_other(both: Both) -> None:
    both.ask_old("/login")
    assert both.ask_new("/show") == both.ask_old("/show") == "[('_permanent', True), ('user', 7)]"
    both.ask_new("/logout")
    assert both.ask_old("/show") == "[]"
    both.ask_new("/login")
    assert both.ask_old("/show") == both.ask_new("/show") == "[('_permanent', True), ('user', 7)]"
    both.ask_old("/logout")
    assert both.ask_new("/show") == "[]"


@pytest.mark.parametrize("filled", ["old", "new"])
def test_values_of_every_kind_are_the_same_on_both_sides(both: Both, filled: str) -> None:
    (both.ask_old if filled == "old" else both.ask_new)("/fill")
    assert both.ask_new("/show") == both.ask_old("/show") == repr(sorted(VALUES_OF_EACH_KIND.items()))


def test_what_is_flashed_on_one_side_is_shown_on_the_other_once(both: Both) -> None:
    shown = [["message", "Saved."], ["error", "Late."]]
    both.ask_old("/flash")
    assert flask.json.loads(both.ask_new("/flashes")) == shown
    assert flask.json.loads(both.ask_old("/flashes")) == []
    both.ask_new("/flash")
    assert flask.json.loads(both.ask_old("/flashes")) == shown
    assert flask.json.loads(both.ask_new("/flashes")) == []


@given(st.dictionaries(st.text(), VALUES, max_size=4), st.sampled_from([[SECRET], [SECRET, OLD]]))
@settings(max_examples=60)
def test_every_session_goes_both_ways(values: dict[str, Any], secrets: list[str]) -> None:
    app = old_app(secrets[0], SECRET_KEY_FALLBACKS=secrets[1:])
    theirs: Any = flask.sessions.SecureCookieSessionInterface().get_signing_serializer(app)
    ours = FlaskFormat(secrets, "session")
    read = ours.read(theirs.dumps(values), 60)
    assert same(read.values, values)
    session = TaggedSession(lambda: read)
    assert same(theirs.loads(ours.write(session), max_age=60), values)


# The cookie


@pytest.mark.parametrize(
    ("options", "config"),
    [
        ({}, {}),
        ({"samesite": "Lax", "path": "/a", "domain": "example.com"}, {"SAMESITE": "Lax", "PATH": "/a"}),
        ({"secure": True, "samesite": "None", "partitioned": True}, {"SECURE": True, "SAMESITE": "None"}),
        ({"httponly": False, "name": "s"}, {"HTTPONLY": False, "NAME": "s"}),
    ],
)
def test_its_attributes_are_flask_s(
    make_app: MakeApp, ask: Ask, colour: Paint, options: dict[str, Any], config: dict[str, Any]
) -> None:
    config = {f"SESSION_COOKIE_{name}": value for name, value in config.items()}
    config["SESSION_COOKIE_PARTITIONED"] = options.get("partitioned", False)
    config["SESSION_COOKIE_DOMAIN"] = options.get("domain")
    app = make_app(middleware=[CookieSessions(SECRET, format="flask", **options)])
    new_routes(app, colour)

    def attributes(sent: str) -> set[str]:
        return {part for part in sent.split("; ")[1:] if not part.startswith(("Max-Age", "Expires"))}

    for target in ("/flash", "/login"):
        [ours] = set_cookies(Visitor(ask, app)(target))
        theirs = old_app(**config).test_client().get(target).headers["set-cookie"]
        assert attributes(ours) == attributes(theirs)
        assert ours.partition("=")[0] == theirs.partition("=")[0]
        assert ("Max-Age=2678400" in ours) is ("Expires=" in theirs) is (target == "/login")


def test_a_session_that_nobody_touches_sends_nothing_and_one_that_is_read_varies(both: Both) -> None:
    """R40."""
    both.ask_old("/login")
    answer = both.new("/untouched")
    assert (field(answer, "vary"), set_cookies(answer)) == (None, [])
    answer = both.new("/show")
    assert (field(answer, "vary"), set_cookies(answer)) == ("Cookie", [])
    answer = both.new("/flash")
    assert (field(answer, "vary"), field(answer, "cache-control")) == ("Cookie", "private")


# What is believed


def test_what_is_not_signed_with_the_key_is_an_empty_session_that_says_why(both: Both) -> None:
    """C-10, R35, R32."""
    both.ask_old("/login")
    good = both.new.cookies["session"]
    other_key = old_app(OLD).test_client().get("/login").headers["set-cookie"]
    other_salt = URLSafeTimedSerializer(SECRET, salt="another").dumps({"user": 7})
    for bad in (
        "x" + good,
        good[:-5],
        good[: len(good) // 2],
        good.replace("e", "f", 1),
        other_key.partition(";")[0].partition("=")[2],
        str(other_salt),
        "x" * 100_000,
        ".",
        "",
    ):
        both.new.cookies = {"session": bad}
        assert both.ask_new("/show") == "[]"
        assert both.ask_new("/error").startswith("expected a ")
        both.ask_new("/flash")
        assert both.ask_old("/show") == "[('_flashes', [('message', 'Saved.'), ('error', 'Late.')])]"


def test_a_signed_value_that_is_no_session_is_an_empty_one() -> None:
    """C-10."""
    theirs: Any = flask.sessions.SecureCookieSessionInterface().get_signing_serializer(old_app())
    for value in ([1], "x", None):
        with pytest.raises(ValueError, match="malformed"):
            FlaskFormat(SECRET, "session").read(theirs.dumps(value), 60)


@pytest.mark.parametrize("on", ["old", "new"])
def test_the_age_counts_from_when_it_was_signed(both: Both, clock: Callable[[float], None], on: str) -> None:
    """R33, C-10."""
    month = timedelta(days=31).total_seconds()
    (both.ask_old if on == "old" else both.ask_new)("/login")
    clock(month / 2 - 5)
    assert set_cookies(both.new("/show")) == []
    clock(month / 2)
    before = dict(both.new.cookies)
    assert both.ask_new("/show") == both.ask_old("/show") == "[('_permanent', True), ('user', 7)]"
    assert both.new.cookies != before  # kept anew once half of the time is over
    both.new.cookies = before
    clock(10)
    assert both.ask_new("/error") == "expired"
    both.new.cookies = before
    assert both.ask_new("/show") == both.ask_old("/show") == "[]"


def test_a_session_from_the_future_is_refused(both: Both, clock: Callable[[float], None]) -> None:
    """R33: clocks may be 60 seconds apart; Flask allows none of it."""
    both.ask_new("/login")
    clock(-58)
    assert both.ask_new("/show") == "[('_permanent', True), ('user', 7)]"
    clock(-10)
    assert both.ask_new("/error") == "from the future"


def test_a_session_signed_by_an_old_key_is_believed_and_signed_by_the_new_one(
    make_app: MakeApp, ask: Ask, colour: Paint
) -> None:
    """R31: as ``SECRET_KEY_FALLBACKS`` does it."""
    app = make_app(middleware=[CookieSessions([SECRET, OLD], format="flask")])
    new_routes(app, colour)
    before = Both(old_app(OLD), Visitor(ask, app))
    before.ask_old("/login")
    assert before.ask_new("/show") == "[('_permanent', True), ('user', 7)]"
    after = Both(old_app(SECRET), before.new)
    assert after.ask_old("/show") == "[('_permanent', True), ('user', 7)]"
    assert set_cookies(after.new("/show")) == []


def test_a_short_key_is_taken_with_one_warning(
    make_app: MakeApp, ask: Ask, colour: Paint, caplog: pytest.LogCaptureFixture
) -> None:
    """R34: an application that stands already has the key that it has."""
    app = make_app(middleware=[CookieSessions("dev", format="flask")])
    new_routes(app, colour)
    both = Both(old_app("dev"), Visitor(ask, app))
    both.ask_new("/login")
    assert both.ask_old("/show") == both.ask_new("/show") == "[('_permanent', True), ('user', 7)]"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    with pytest.raises(ConfigurationError, match="at least 1 bytes"):
        CookieSessions("", format="flask")


def test_a_session_too_large_for_a_cookie_is_an_error_that_names_the_way_out(
    both: Both, caplog: pytest.LogCaptureFixture
) -> None:
    """R39: a large one that can be compressed still fits."""
    for target, status in (("/same/20000", 200), ("/noise", 500), (f"/same/{2 * 1024 * 1024}", 500)):
        assert both.new(target).status == status
    assert caplog.text.count("too large for a cookie") == 2
    assert "ServerSessions" in caplog.text


def test_a_value_that_cannot_be_kept_is_refused_where_it_is_set(both: Both, caplog: pytest.LogCaptureFixture) -> None:
    """C-16."""
    answer = both.new("/bad")
    assert (answer.status, set_cookies(answer)) == (500, [])
    assert "session['bad']: expected None, bool, int" in caplog.text


@pytest.mark.parametrize("format", ["Flask", "", None, 5])
def test_a_format_that_is_not_known_is_refused_at_registration(format: Any) -> None:
    with pytest.raises(ConfigurationError, match="expected format to be 'duoframe' or 'flask'"):
        CookieSessions(SECRET, format=format)
