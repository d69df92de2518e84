"""A service for projects and their tasks, in the manner of FastAPI: `README.md` says how to run it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.orm.exc import StaleDataError

from duoframe import App, HTTPException, Request, inline

from . import attachments, changes, projects, tasks, users
from .database import Database
from .files import FileStore
from .passwords import hash_password
from .settings import Settings


def create_app(settings: Settings | None = None) -> App:
    """The service; without ``settings`` those of the environment."""
    app = App(docs="/docs", title="Tasks", version="1.0.0")
    for part in (users, projects, tasks, attachments, changes):
        app.include_router(part.router)

    @app.lifespan
    async def open_everything(app: App) -> AsyncIterator[dict[str, Any]]:  # Any: the values of `app.state`
        used = settings or Settings.from_environment()
        database = Database(used.database_url)
        try:
            await database.make_tables()
            nobody = hash_password("", used.scrypt_cost)
            yield {"settings": used, "database": database, "files": FileStore(used.files), "nobody": nobody}
        finally:
            await database.close()

    @app.errorhandler(IntegrityError)
    @app.errorhandler(StaleDataError)
    @inline
    def conflict(request: Request, error: Exception) -> None:
        """Two requests at one moment: what this one was about has been taken, changed or removed by the other."""
        raise HTTPException(409, "somebody else has changed this at the same time; look at it again") from error

    @app.errorhandler(OperationalError)
    @app.errorhandler(NoConnection)
    @inline
    def busy(request: Request, error: Exception) -> None:
        raise HTTPException(503, "the database is busy", headers={"retry-after": "1"}) from error

    return app


app = create_app()
