"""A guest book in one file: accounts, entries, and what was said last."""

import os
import sqlite3

from flask import (
    Flask,
    abort,
    flash,
    g,
    get_flashed_messages,  # for those who ask what was said
    redirect,
    render_template_string,
    request,
    session,
    url_for,
)
from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.security import check_password_hash, generate_password_hash

SCHEMA = """
create table if not exists account (id integer primary key, name text unique not null, password text not null);
create table if not exists entry (id integer primary key, account integer not null, body text not null);
"""

PAGE = """<!doctype html>
<title>{{ title }}</title>
<nav>{% if g.account %}{{ g.account.name }} <a href="{{ url_for('leave') }}">leave</a>
{% else %}<a href="{{ url_for('enter') }}">enter</a>{% endif %}</nav>
{% for category, message in get_flashed_messages(with_categories=true) %}<p class="{{ category }}">{{ message }}</p>
{% endfor %}"""

INDEX = (
    PAGE
    + """<ul>{% for entry in entries %}<li><a href="{{ url_for('show', number=entry.id) }}">{{ entry.body|shorten }}</a>
by {{ entry.name }}</li>{% else %}<li>Nothing yet</li>{% endfor %}</ul>"""
)
FORM = (
    PAGE
    + """<form method="post">{% for field in fields %}
<input name="{{ field }}" value="{{ request.form.get(field, '') if field != 'password' else '' }}">{% endfor %}
<button>Send</button></form>"""
)

HASHING = "pbkdf2:sha256:1000"  # quick, as nobody's password is in here

app = Flask(__name__)
app.config.from_mapping(
    SECRET_KEY="not a secret",
    DATABASE=os.environ.get("GUESTBOOK_DATABASE", "guestbook.sqlite3"),
    LONGEST=200,
)
app.config.from_prefixed_env("GUESTBOOK")


def get_db():
    if "db" not in g:
        g.db = sqlite3.connect(app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


@app.teardown_appcontext
def close_db(error):
    db = g.pop("db", None)
    if db is not None:
        db.close()


def init_db():
    get_db().executescript(SCHEMA)


@app.template_filter("shorten")
def shorten(text, length=20):
    return text if len(text) <= length else text[: length - 1] + "…"


@app.before_request
def load_account():
    g.account = None
    if "account" in session:
        g.account = get_db().execute("select * from account where id = ?", (session["account"],)).fetchone()


@app.route("/")
def index():
    entries = get_db().execute(
        "select entry.id, body, name from entry join account on account.id = entry.account order by entry.id desc"
    )
    return render_template_string(INDEX, title="Guest book", entries=entries.fetchall())


@app.route("/entries/<int:number>")
def show(number):
    entry = get_db().execute("select * from entry where id = ?", (number,)).fetchone()
    if entry is None:
        raise NotFound(f"There is no entry {number}.")
    return render_template_string(PAGE + "<article>{{ entry.body }}</article>", title="An entry", entry=entry)


@app.route("/entries/new", methods=["GET", "POST"])
def write():
    if g.account is None:
        flash("Enter first.", "error")
        return redirect(url_for("enter", next=request.path))
    if request.method == "POST":
        body = request.form["body"].strip()
        if not body:
            flash("Say something.", "error")
        elif len(body) > app.config["LONGEST"]:
            raise BadRequest("That is too long.")
        else:
            db = get_db()
            number = db.execute("insert into entry (account, body) values (?, ?)", (g.account["id"], body)).lastrowid
            db.commit()
            flash("Thank you.")
            return redirect(url_for("show", number=number))
    return render_template_string(FORM, title="Write", fields=["body"])


@app.route("/entries/<int:number>/delete", methods=["POST"])
def delete(number):
    if g.account is None:
        abort(401)
    db = get_db()
    entry = db.execute("select * from entry where id = ?", (number,)).fetchone() or abort(404)
    if entry["account"] != g.account["id"]:
        abort(403, "It is not yours.")
    db.execute("delete from entry where id = ?", (number,))
    db.commit()
    return redirect(url_for("index"), code=303)


@app.route("/join", methods=("GET", "POST"))
def join():
    if request.method == "POST":
        name, password = request.form["name"], request.form["password"]
        try:
            with get_db() as db:
                db.execute(
                    "insert into account (name, password) values (?, ?)",
                    (name, generate_password_hash(password, HASHING)),
                )
        except sqlite3.IntegrityError:
            flash(f"{name} is taken.", "error")
        else:
            return redirect(url_for("enter"))
    return render_template_string(FORM, title="Join", fields=["name", "password"])


@app.route("/enter", methods=("GET", "POST"))
def enter():
    if request.method == "POST":
        account = get_db().execute("select * from account where name = ?", (request.form["name"],)).fetchone()
        if account is None or not check_password_hash(account["password"], request.form["password"]):
            flash("That is not right.", "error")
        else:
            session.clear()
            session["account"] = account["id"]
            session.permanent = bool(request.form.get("stay"))
            return redirect(request.args.get("next") or url_for("index"))
    return render_template_string(FORM, title="Enter", fields=["name", "password"])


@app.route("/leave")
def leave():
    session.pop("account", None)
    return redirect(url_for("index"))


@app.route("/said")
def said():
    return {"said": get_flashed_messages()}


@app.route("/fail")
def fail():
    raise ZeroDivisionError("on purpose")


@app.errorhandler(404)
def not_found(error):
    return render_template_string(PAGE + "<h1>Not here</h1><p>{{ why }}</p>", title="404", why=error.description), 404


@app.errorhandler(403)
@app.errorhandler(401)
def refused(error):
    return f"{error.code} {error.name}: {error.description}", error.code, {"X-Refused": "yes"}


@app.errorhandler(ZeroDivisionError)
def divided(error):
    return f"sorry: {error}", 500
