"""Flask-SQLAlchemy, as its documentation shows it."""

# mypy: ignore-errors
# Neither the extensions nor the module that stands in for `flask` have types.

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, render_template_string, request
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.record_queries import get_recorded_queries
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def make(**config: Any) -> tuple[Flask, SQLAlchemy, Any]:
    app = Flask("with_sqlalchemy")
    app.config.update({"TESTING": True, "SQLALCHEMY_DATABASE_URI": "sqlite://", **config})
    db = SQLAlchemy(model_class=type("Own", (DeclarativeBase,), {}))
    db.init_app(app)

    class Person(db.Model):  # type: ignore[name-defined,misc]  # made at run time
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(unique=True)

    with app.app_context():
        db.create_all()
        db.session.add_all(Person(name=name) for name in ("Ada", "Bob", "Cleo"))
        db.session.commit()

    @app.route("/people", methods=["GET", "POST"])
    def people() -> Any:
        if request.method == "POST":
            db.session.add(Person(name=request.form["name"]))
            db.session.commit()
        return [person.name for person in db.session.execute(db.select(Person).order_by(Person.id)).scalars()]

    @app.route("/forgotten", methods=["POST"])
    def forgotten() -> str:
        db.session.add(Person(name="Dan"))
        db.session.flush()
        return "flushed"

    @app.route("/people/<int:number>")
    def person(number: int) -> str:
        found: str = db.get_or_404(Person, number).name
        return found

    @app.route("/async")
    async def waiting() -> Any:
        return [person.name for person in db.session.execute(db.select(Person).order_by(Person.id)).scalars()]

    @app.route("/page")
    def page() -> str:
        page = db.paginate(db.select(Person).order_by(Person.id))
        return render_template_string("{{ page.total }} {% for x in page %}{{ x.name }} {% endfor %}", page=page)

    @app.route("/recorded")
    def recorded() -> Any:
        db.session.execute(db.select(Person)).all()
        return [query.statement for query in get_recorded_queries()]

    return app, db, Person


def try_session() -> None:
    """models, `db.session` in views, `create_all`"""
    client = make()[0].test_client()
    assert client.get("/people").json == ["Ada", "Bob", "Cleo"]
    assert client.post("/people", data={"name": "Dan"}).json == ["Ada", "Bob", "Cleo", "Dan"]


def try_teardown() -> None:
    """the session ends with the request: what was not committed is undone"""
    client = make()[0].test_client()
    assert client.post("/forgotten").text == "flushed"
    assert client.get("/people").json == ["Ada", "Bob", "Cleo"]


def try_abort() -> None:
    """`get_or_404`"""
    client = make()[0].test_client()
    assert client.get("/people/2").text == "Bob"
    assert client.get("/people/9").status_code == 404


def try_paginate() -> None:
    """`paginate`, with its page from the query"""
    client = make()[0].test_client()
    assert client.get("/page?page=2&per_page=2").text == "3 Cleo "
    assert client.get("/page?page=9").status_code == 404


def try_async_view() -> None:
    """`db.session` in an `async def` view (it blocks the loop while it waits for the database)"""
    assert make()[0].test_client().get("/async").json == ["Ada", "Bob", "Cleo"]


def try_context() -> None:
    """`db.session` in an application context, and an error outside of one"""
    app, db, person = make()
    with app.app_context():
        assert db.session.get(person, 1).name == "Ada"
        assert db.engine.dialect.name == "sqlite"
    with pytest.raises(RuntimeError, match="application context"):
        db.session.get(person, 1)


def try_records() -> None:
    """recorded queries"""
    (statement,) = make(SQLALCHEMY_RECORD_QUERIES=True)[0].test_client().get("/recorded").json
    assert statement.startswith("SELECT")


def try_shell() -> None:
    """`db` and the models in `shell`"""
    app, db, person = make()
    with app.app_context():
        names = app.make_shell_context()
    assert names["db"] is db
    assert names["Person"] is person
