"""Flask-WTF, as its documentation shows it."""

# mypy: ignore-errors
# Neither the extensions nor the module that stands in for `flask` have types.

from __future__ import annotations

import io
import re
from typing import Any

from flask import Blueprint, Flask, render_template_string
from flask_wtf import FlaskForm
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf
from flask_wtf.file import FileAllowed, FileField, FileRequired
from wtforms import IntegerField, StringField
from wtforms.validators import DataRequired, NumberRange

PAGE = "<form method=post>{{ form.hidden_tag() }}{{ form.name.label }} {{ form.name }} {{ form.errors }}</form>"


class Guest(FlaskForm):
    name = StringField("Name", validators=[DataRequired()])
    seats = IntegerField("Seats", validators=[NumberRange(1, 9)], default=1)


class Upload(FlaskForm):
    photo = FileField(validators=[FileRequired(), FileAllowed(["png"])])


def make(**config: Any) -> Flask:
    app = Flask("with_wtf")
    app.config.update(TESTING=True, SECRET_KEY="secret", **config)

    @app.route("/", methods=["GET", "POST"])
    def index() -> str:
        form = Guest()
        if form.validate_on_submit():
            return f"{form.name.data} {form.seats.data}"
        return render_template_string(PAGE, form=form)

    @app.route("/async", methods=["POST"])
    async def waiting() -> Any:
        form = Guest()
        return {"valid": form.validate_on_submit(), "name": form.name.data}

    @app.route("/upload", methods=["POST"])
    def upload() -> Any:
        form = Upload()
        if form.validate_on_submit():
            return f"{form.photo.data.filename} {form.photo.data.read().decode()}"
        return {"errors": form.errors}

    @app.route("/token")
    def token() -> str:
        return generate_csrf()

    return app


def protected() -> tuple[Flask, CSRFProtect]:
    app = make()
    csrf = CSRFProtect(app)

    @app.route("/plain", methods=["POST"])
    def plain() -> str:
        return "done"

    @app.route("/exempt", methods=["POST"])
    @csrf.exempt
    def exempt() -> str:
        return "done"

    part = Blueprint("part", __name__)
    part.add_url_rule("/part", "part", lambda: "done", methods=["POST"])
    csrf.exempt(part)
    app.register_blueprint(part)

    @app.errorhandler(CSRFError)
    def refused(error: CSRFError) -> Any:
        return f"refused: {error.description}", 400

    @app.route("/page")
    def page() -> str:
        return render_template_string("{{ csrf_token() }}")

    return app, csrf


def try_form() -> None:
    """`FlaskForm` with `validate_on_submit`, its fields in templates, and its errors"""
    client = make(WTF_CSRF_ENABLED=False).test_client()
    assert '<input id="name" name="name" required type="text" value="">' in client.get("/").text
    assert client.post("/", data={"name": "Ada", "seats": "2"}).text == "Ada 2"
    assert "This field is required." in client.post("/", data={"seats": "2"}).text


def try_token() -> None:
    """the hidden token of a form, kept in the session"""
    client = make().test_client()
    assert "The CSRF token is missing." in client.post("/", data={"name": "Ada", "seats": "1"}).text
    found = re.search(r'name="csrf_token" type="hidden" value="([^"]+)"', client.get("/").text)
    assert found is not None
    assert client.post("/", data={"name": "Ada", "seats": "1", "csrf_token": found[1]}).text == "Ada 1"


def try_json() -> None:
    """a form filled from JSON"""
    client = make(WTF_CSRF_ENABLED=False).test_client()
    assert client.post("/", json={"name": "Ada", "seats": 3}).text == "Ada 3"


def try_async_view() -> None:
    """a form in an `async def` view"""
    client = make(WTF_CSRF_ENABLED=False).test_client()
    assert client.post("/async", data={"name": "Ada", "seats": "1"}).json == {"valid": True, "name": "Ada"}


def try_upload() -> None:
    """`FileField`, `FileRequired`, `FileAllowed`"""
    client = make(WTF_CSRF_ENABLED=False).test_client()
    assert client.post("/upload", data={"photo": (io.BytesIO(b"pixels"), "me.png")}).text == "me.png pixels"
    assert "photo" in client.post("/upload", data={"photo": (io.BytesIO(b"x"), "me.exe")}).json["errors"]
    assert "photo" in client.post("/upload", data={}).json["errors"]


def try_protect() -> None:
    """`CSRFProtect` around all views, the token in a header, `CSRFError`"""
    app, _ = protected()
    client = app.test_client()
    refused = client.post("/plain")
    assert (refused.status_code, refused.text) == (400, "refused: The CSRF token is missing.")
    token = client.get("/page").text
    assert client.post("/plain", headers={"X-CSRFToken": token}).text == "done"
    assert client.post("/plain", data={"csrf_token": token}).text == "done"
    assert client.post("/plain", data={"csrf_token": token[:-1]}).status_code == 400


def try_exempt() -> None:
    """`CSRFProtect.exempt`, for views and blueprints"""
    app, _ = protected()
    client = app.test_client()
    assert client.post("/exempt").text == "done"
    assert client.post("/part").text == "done"


def try_referrer() -> None:
    """the check of the referrer behind https"""
    app, _ = protected()
    client = app.test_client()
    there = {"base_url": "https://localhost/"}
    token = client.get("/page", **there).text
    assert "referrer" in client.post("/plain", headers={"X-CSRFToken": token}, **there).text
    headers = {"X-CSRFToken": token, "Referer": "https://localhost/page"}
    assert client.post("/plain", headers=headers, **there).text == "done"
