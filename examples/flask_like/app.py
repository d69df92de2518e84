"""The application: its configuration, its parts, and the page for what is not there.

Serve it with `gunicorn examples.flask_like.app:app` or with `uvicorn examples.flask_like.app:app`. README.md says how
to make its database first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from duoframe.flask import Flask, render_template

from . import auth, blog, db


def create_app(test_config: Mapping[str, Any] | None = None) -> Flask:  # Any: values of a configuration
    """The application; ``test_config`` stands in for what the instance folder and the environment say."""
    app = Flask(__name__, instance_path=str(Path(__file__).with_name("instance")), instance_relative_config=True)
    app.config.from_mapping(
        SECRET_KEY="dev",
        SESSION_COOKIE_SAMESITE="Lax",  # no form of another site is sent with it, so ours need no token
        DATABASE=str(Path(app.instance_path) / "notes.db"),
        SCRYPT_COST=2**14,
        FEED_SECONDS=20.0,
        FEED_POLL=0.5,
    )
    if test_config is None:
        app.config.from_pyfile("config.py", silent=True)
        app.config.from_prefixed_env()
    else:
        app.config.from_mapping(test_config)

    db.init_app(app)
    app.register_blueprint(auth.bp)
    app.register_blueprint(blog.bp)
    app.add_url_rule("/", endpoint="index")

    @app.template_filter("day")
    def day(moment: str) -> str:
        """The date of a time as the database has it: ``2026-01-31`` of ``2026-01-31T12:00:00Z``."""
        return moment.partition("T")[0]

    @app.errorhandler(403)
    @app.errorhandler(404)
    def refused(error: Any) -> tuple[str, int]:  # Any: an HTTPException
        return render_template("refused.html", error=error), error.code

    return app


app = create_app()
