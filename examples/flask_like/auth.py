"""Who writes: signing up, logging in and out, and the decorator of views that only they may see."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from duoframe.flask import Blueprint, current_app, flash, g, redirect, render_template, request, session, url_for

from .db import get_db
from .passwords import hash_password, is_password

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.before_app_request
def load_logged_in_user() -> None:
    """Put the row of who is logged in into ``g.user``, or None."""
    number = session.get("person")
    g.user = None
    if number is not None:
        g.user = get_db().execute("SELECT id, name FROM person WHERE id = ?", (number,)).fetchone()


def login_required(view: Callable[..., Any]) -> Callable[..., Any]:  # Any: whatever a view takes and gives
    """A view that sends visitors who are not logged in to the page where they can."""

    @functools.wraps(view)
    def guarded(**values: Any) -> Any:
        if g.user is None:
            flash("Log in first.")
            return redirect(url_for("auth.login"))
        return view(**values)

    return guarded


@bp.route("/register", methods=["GET", "POST"])
def register() -> Any:  # Any: a page or a redirect
    if request.method == "POST":
        name, password = request.form["name"].strip(), request.form["password"]
        fault = sign_up(name, password)
        if fault is None:
            flash(f"Welcome, {name}. Now log in.")
            return redirect(url_for("auth.login"))
        flash(fault, "error")
    return render_template("auth/register.html")


def sign_up(name: str, password: str) -> str | None:
    """Keep a new name and its password; what is wrong with them, if anything is."""
    if not name:
        return "A name is needed."
    if not password:
        return "A password is needed."
    kept = hash_password(password, current_app.config["SCRYPT_COST"])
    try:
        with get_db() as connection:
            connection.execute("INSERT INTO person (name, password) VALUES (?, ?)", (name, kept))
    except sqlite3.IntegrityError:
        return f"There is somebody called {name} already."
    return None


@bp.route("/login", methods=["GET", "POST"])
def login() -> Any:  # Any: as above
    if request.method == "POST":
        number = find(request.form["name"].strip(), request.form["password"])
        if number is not None:
            session.clear()
            session["person"] = number
            return redirect(url_for("index"))
        flash("The name or the password is wrong.", "error")
    return render_template("auth/login.html")


def find(name: str, password: str) -> int | None:
    """The number of who has this name and this password."""
    row = get_db().execute("SELECT id, password FROM person WHERE name = ?", (name,)).fetchone()
    # A name that nobody has takes as long as a wrong password: the time tells no names.
    kept = row["password"] if row else hash_password("", current_app.config["SCRYPT_COST"])
    return row["id"] if is_password(password, kept) and row else None


@bp.post("/logout")
def logout() -> Any:  # Any: as above
    session.clear()
    return redirect(url_for("index"))
