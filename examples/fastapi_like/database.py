"""The database of one process, and the transaction of one request."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from sqlalchemy import event
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from duoframe import Depends, Request

from .models import Base

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg"}
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Database:
    """An engine and its sessions: ``async with database.transaction(writes=True) as session``."""

    def __init__(self, url: str) -> None:
        self.engine = create_async_engine(re.sub(r"^\w+(?=:)", lambda found: DRIVERS.get(found[0], found[0]), url))
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _set_up_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
        self._readers = async_sessionmaker(self.engine, expire_on_commit=False)
        self._writers = async_sessionmaker(self.engine.execution_options(writes=True), expire_on_commit=False)

    async def make_tables(self) -> None:
        """Make what is missing; a service that lives longer lets Alembic do this."""
        async with self.engine.execution_options(writes=True).begin() as connection:
            await connection.run_sync(Base.metadata.create_all)

    @asynccontextmanager
    async def transaction(self, writes: bool) -> AsyncIterator[AsyncSession]:
        """A session that is committed at the end, and rolled back where an exception comes by."""
        async with (self._writers if writes else self._readers)() as session:
            yield session
            await session.commit()

    async def close(self) -> None:
        await self.engine.dispose()


async def open_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """One transaction a request, committed before the answer begins: no client hears of what was not kept."""
    database: Database = request.app.state.database
    async with database.transaction(writes=request.method not in SAFE_METHODS) as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_transaction, close="before_response")]


def _set_up_sqlite(connection: Any, record: object) -> None:  # Any: a DBAPI connection, which has no type
    """Keep foreign keys, let readers read while one writes, and wait for a writer instead of failing."""
    connection.isolation_level = None  # the driver begins nothing by itself: `_begin_sqlite` does
    cursor = connection.cursor()
    for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the right to write at the start: who has read and then wants to write is refused without a wait."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
