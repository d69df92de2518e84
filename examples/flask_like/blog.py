"""The notes: all may read them, who is logged in may write, and each changes only their own.

The feed is the one view that is `async def`: it waits for the next note, and while it waits behind an ASGI server it
holds no thread.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import anyio
from anyio.to_thread import run_sync

from duoframe.flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, url_for

from .auth import login_required
from .db import get_db

bp = Blueprint("blog", __name__)

LAST = 2**63 - 1
"""The highest number of a note that SQLite knows; no higher one gets past ``<int:number>``."""

SELECT = "SELECT note.id, title, body, created, author_id, name FROM note JOIN person ON person.id = author_id"


@bp.route("/")
def index() -> str:
    notes = get_db().execute(f"{SELECT} ORDER BY note.id DESC").fetchall()
    return render_template("blog/index.html", notes=notes)


@bp.route("/create", methods=["GET", "POST"])
@login_required
def create() -> Any:  # Any: a page or a redirect
    if request.method == "POST" and (fields := filled_in()) is not None:
        with get_db() as connection:
            connection.execute("INSERT INTO note (author_id, title, body) VALUES (?, ?, ?)", (g.user["id"], *fields))
        return redirect(url_for("index"))
    return render_template("blog/form.html", heading="New note", note=None)


@bp.route("/<int:number>/update", methods=["GET", "POST"])
@login_required
def update(number: int) -> Any:  # Any: as above
    note = own_note(number)
    if request.method == "POST" and (fields := filled_in()) is not None:
        with get_db() as connection:
            connection.execute("UPDATE note SET title = ?, body = ? WHERE id = ?", (*fields, number))
        return redirect(url_for("index"))
    return render_template("blog/form.html", heading="Change note", note=note)


@bp.post("/<int:number>/delete")
@login_required
def delete(number: int) -> Any:  # Any: as above
    own_note(number)
    with get_db() as connection:
        connection.execute("DELETE FROM note WHERE id = ?", (number,))
    return redirect(url_for("index"))


@bp.get("/feed")
async def feed() -> dict[str, Any]:  # Any: JSON
    """The notes after the one numbered ``after``, oldest first; waits for one where there is none yet."""
    after = max(0, min(request.args.get("after", 0, type=int), LAST))
    end = time.monotonic() + current_app.config["FEED_SECONDS"]
    while True:
        notes = await run_sync(notes_after, after)
        if notes or time.monotonic() > end:
            return {"notes": notes}
        await anyio.sleep(current_app.config["FEED_POLL"])  # another process may write: there is no event to wait for


def notes_after(number: int) -> list[dict[str, Any]]:  # Any: as above
    """At most a hundred notes, as JSON."""
    rows = get_db().execute(f"{SELECT} WHERE note.id > ? ORDER BY note.id LIMIT 100", (number,))
    return [{"id": row["id"], "title": row["title"], "author": row["name"], "created": row["created"]} for row in rows]


def own_note(number: int) -> sqlite3.Row:
    """The note, where it is the visitor's own: 404 where there is none, 403 where it is another's."""
    note: sqlite3.Row | None = get_db().execute(f"{SELECT} WHERE note.id = ?", (number,)).fetchone()
    if note is None:
        abort(404, f"There is no note {number}.")
    if note["author_id"] != g.user["id"]:
        abort(403, "This note is somebody else's.")
    return note


def filled_in() -> tuple[str, str] | None:
    """Title and body as they were sent; None, and a message, where there is no title."""
    title = request.form["title"].strip()
    if not title:
        flash("A title is needed.", "error")
        return None
    return title, request.form["body"]
