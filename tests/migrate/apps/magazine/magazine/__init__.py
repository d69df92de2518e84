# -*- coding: utf-8 -*-
"""A magazine: articles that anybody reads, and an editors' room."""

from __future__ import annotations

import os
import typing as t

from flask import Flask, g, render_template, request, url_for

from magazine import articles, commands, files
from magazine.admin import bp as admin_bp
from magazine.config import CONFIGS

if t.TYPE_CHECKING:
    from flask import Response
    from flask.typing import ResponseReturnValue


def create_app(name: str | None = None, **overrides: t.Any) -> Flask:
    app = Flask(__name__, instance_relative_config=True)
    app.config.from_object(CONFIGS[name or os.environ.get("MAGAZINE", "development")])
    app.config.from_pyfile("magazine.cfg", silent=True)
    app.config.from_mapping(overrides)
    os.makedirs(app.config["UPLOADS"], exist_ok=True)

    app.register_blueprint(articles.bp)
    app.register_blueprint(files.bp, url_prefix="/files")
    app.register_blueprint(admin_bp)
    app.add_url_rule("/", endpoint="index", view_func=index)
    commands.init_app(app)

    @app.before_request
    def begin() -> None:
        g.steps = ["begin"]

    @app.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Steps"] = " ".join(g.get("steps", ()))
        return response

    @app.teardown_request
    def end(error: BaseException | None) -> None:
        app.extensions.setdefault("ended", []).append(request.endpoint)

    @app.context_processor
    def site() -> dict[str, t.Any]:
        return {"site": app.config["TITLE"], "here": request.path}

    @app.template_global()
    def initials(name: str) -> str:
        return "".join(word[0] for word in name.split())

    @app.template_test("recent")
    def recent(number: int) -> bool:
        return number > 1

    @app.errorhandler(404)
    def missing(error: Exception) -> ResponseReturnValue:
        return render_template("missing.html"), 404

    return app


def index() -> str:
    return render_template("index.html", articles=articles.ARTICLES, about=url_for("about", _external=True))
