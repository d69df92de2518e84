"""Flask-Login, as its documentation shows it."""

# mypy: ignore-errors
# Neither the extensions nor the module that stands in for `flask` have types.

from __future__ import annotations

from typing import Any

from flask import Flask, render_template_string, request, session
from flask_login import (
    FlaskLoginClient,
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    fresh_login_required,
    login_fresh,
    login_required,
    login_user,
    logout_user,
    user_logged_in,
)


class User(UserMixin):
    def __init__(self, id: str) -> None:
        self.id = id


def make() -> Flask:
    app = Flask("with_login")
    app.config.update(TESTING=True, SECRET_KEY="secret")
    manager = LoginManager(app)
    manager.login_view = "login"
    manager.refresh_view = "login"

    @manager.user_loader
    def load(number: str) -> User | None:
        return User(number) if number in ("1", "2") else None

    @manager.request_loader
    def by_key(request: Any) -> User | None:
        return User("2") if request.headers.get("X-Key") == "two" else None

    @app.route("/login")
    def login() -> str:
        login_user(User("1"), remember="remember" in request.args)
        return "in"

    @app.route("/logout")
    def logout() -> str:
        logout_user()
        return "out"

    @app.route("/me")
    def me() -> str:
        return render_template_string("{{ current_user.id if current_user.is_authenticated else 'nobody' }}")

    @app.route("/private")
    @login_required
    def private() -> str:
        return f"private {current_user.id}"

    @app.route("/fresh")
    @fresh_login_required
    def fresh() -> str:
        return f"fresh {login_fresh()}"

    @app.route("/confirm")
    def confirm() -> str:
        confirm_login()
        return "confirmed"

    @app.route("/async")
    @login_required
    async def waiting() -> str:
        return f"waiting {current_user.id}"

    @app.route("/stale")
    def stale() -> str:
        session["_fresh"] = False
        return "stale"

    return app


def try_session() -> None:
    """`login_user`, `logout_user`, `current_user` in views and templates"""
    client = make().test_client()
    assert client.get("/me").text == "nobody"
    client.get("/login")
    assert client.get("/me").text == "1"
    client.get("/logout")
    assert client.get("/me").text == "nobody"


def try_login_required() -> None:
    """`login_required`, with the redirect to `login_view` and the message"""
    client = make().test_client()
    answer = client.get("/private?q=1")
    assert (answer.status_code, answer.location) == (302, "/login?next=%2Fprivate%3Fq%3D1"), answer.location
    with client.session_transaction() as kept:
        assert kept["_flashes"] == [("message", "Please log in to access this page.")]
    client.get("/login")
    assert client.get("/private").text == "private 1"


def try_async_view() -> None:
    """`login_required` around an `async def` view"""
    client = make().test_client()
    assert client.get("/async").status_code == 302
    client.get("/login")
    assert client.get("/async").text == "waiting 1"


def try_remember() -> None:
    """the remember-me cookie"""
    client = make().test_client()
    client.get("/login?remember")
    cookie = client.get_cookie("remember_token")
    assert cookie is not None
    assert cookie.expires is not None
    client.delete_cookie("session")
    assert client.get("/me").text == "1"
    client.get("/logout")
    assert client.get_cookie("remember_token") is None


def try_fresh() -> None:
    """`fresh_login_required`, `confirm_login`"""
    client = make().test_client()
    client.get("/login")
    assert client.get("/fresh").text == "fresh True"
    client.get("/stale")
    assert client.get("/fresh").status_code == 302
    client.get("/confirm")
    assert client.get("/fresh").text == "fresh True"


def try_request_loader() -> None:
    """`request_loader`"""
    client = make().test_client()
    assert client.get("/me", headers={"X-Key": "two"}).text == "2"
    assert client.get("/private").status_code == 302


def try_protection() -> None:
    """session protection: another address and browser is asked to log in again"""
    app = make()
    app.config["SESSION_PROTECTION"] = "strong"
    client = app.test_client()
    client.get("/login")
    assert client.get("/me").text == "1"
    assert client.get("/me", headers={"User-Agent": "another"}).text == "nobody"


def try_unauthorized() -> None:
    """`unauthorized_handler`, and 401 without one"""
    app = make()
    app.login_manager.login_view = None  # type: ignore[attr-defined]  # the extension's
    assert app.test_client().get("/private").status_code == 401
    app = make()
    app.login_manager.unauthorized_handler(lambda: ("ask me", 403))  # type: ignore[attr-defined]  # as above
    assert app.test_client().get("/private").text == "ask me"


def try_signals() -> None:
    """its signals"""
    app, seen = make(), []

    def note(sender: Any, user: User) -> None:
        seen.append((sender, user.id))

    with user_logged_in.connected_to(note, app):
        app.test_client().get("/login")
    assert seen == [(app, "1")]


def try_test_client() -> None:
    """`FlaskLoginClient` in tests"""
    app = make()
    app.test_client_class = FlaskLoginClient
    assert app.test_client(user=User("2")).get("/me").text == "2"
    assert app.test_client(user=User("2"), fresh_login=False).get("/fresh").status_code == 302
