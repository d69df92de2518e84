"""The tables. What leaves the service is another thing, and stands in `schemas`."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, LargeBinary, Table, Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


def now() -> datetime:
    return datetime.now(UTC)


class Moment(TypeDecorator[datetime]):
    """A point in time, in UTC on every database: SQLite forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value if value is None or value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    # SQLite counts rows only in a column that is called INTEGER; AUTOINCREMENT gives no number a second time.
    type_annotation_map = {  # noqa: RUF012  # as SQLAlchemy wants it
        int: BigInteger().with_variant(Integer(), "sqlite"),
        str: Text(),
        bytes: LargeBinary(),
        datetime: Moment(),
    }
    __table_args__: Any = {"sqlite_autoincrement": True}  # noqa: RUF012  # Any: SQLAlchemy's


members = Table(
    "members",
    Base.metadata,
    Column("project_id", ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
)


class User(Base):
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    """Its hash, by `passwords`."""
    created: Mapped[datetime] = mapped_column(default=now)


class Token(Base):
    __tablename__ = "tokens"
    __table_args__ = ()

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    expires: Mapped[datetime]


class Project(Base):
    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    changes: Mapped[int] = mapped_column(default=0)
    """The number of its latest change."""
    created: Mapped[datetime] = mapped_column(default=now)
    owner: Mapped[User] = relationship(lazy="joined", innerjoin=True)


class Task(Base):
    __tablename__ = "tasks"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    title: Mapped[str]
    notes: Mapped[str] = mapped_column(default="")
    state: Mapped[str] = mapped_column(default="open")
    due: Mapped[date | None]
    created: Mapped[datetime] = mapped_column(default=now)


class Attachment(Base):
    __tablename__ = "attachments"

    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    size: Mapped[int]
    key: Mapped[str]
    """What the file is called where it is kept."""
    created: Mapped[datetime] = mapped_column(default=now)


class Change(Base):
    """Something that happened in a project, for those who follow it; numbered from 1 within it."""

    __tablename__ = "changes"
    __table_args__ = ()

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    task_id: Mapped[int]
    """The task that it is about, which may be gone."""
    by: Mapped[str]
    """The name of who did it."""
    at: Mapped[datetime] = mapped_column(default=now)
