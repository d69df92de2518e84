"""What the service takes and gives: every limit on a value stands in its type, so that the description tells it too.

PostgreSQL keeps no NUL character and no number beyond 64 bits; so none comes in.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Generic, Literal, Self, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

T = TypeVar("T")

Number = Annotated[int, Meta(ge=1, le=2**63 - 1)]
UserName = Annotated[str, Meta(min_length=2, max_length=40, pattern=r"^[a-z][a-z0-9_-]*(?!\n)$", examples=["ada"])]
Password = Annotated[str, Meta(min_length=8, max_length=200, examples=["correct horse"])]
Line = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+(?!\n)$", examples=["Paint the door"])
]
Text = Annotated[str, Meta(max_length=10_000, pattern=r"^[^\x00]*$", examples=["Green, two coats."])]
Moment = Annotated[datetime, Meta(tz=True)]
State = Literal["open", "doing", "done"]
Order = Literal["created", "-created", "due", "-due", "title", "-title"]
Kind = Literal["task added", "task changed", "task removed", "file added", "file removed"]


class Shown(msgspec.Struct, kw_only=True):
    """What is told of a row of the database."""

    @classmethod
    def of(cls, row: object) -> Self:
        return msgspec.convert(row, cls, from_attributes=True)


class NewUser(msgspec.Struct, forbid_unknown_fields=True):
    name: UserName
    password: Password


class User(Shown):
    id: Number
    name: UserName
    created: Moment


class AccessToken(msgspec.Struct, kw_only=True):
    """RFC 6749 §5.1."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"
    expires_in: int
    """Seconds."""


class NewProject(msgspec.Struct, forbid_unknown_fields=True):
    name: Line


class Project(Shown):
    id: Number
    name: Line
    owner: User
    created: Moment


class NewTask(msgspec.Struct, forbid_unknown_fields=True):
    title: Line
    notes: Text = ""
    state: State = "open"
    due: date | None = None


class TaskChanges(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    title: Line | UnsetType = UNSET
    notes: Text | UnsetType = UNSET
    state: State | UnsetType = UNSET
    due: date | UnsetType | None = UNSET


class Task(Shown):
    id: Number
    project_id: Number
    title: Line
    notes: Text
    state: State
    due: date | None
    created: Moment


class Attachment(Shown):
    id: Number
    task_id: Number
    name: str
    size: int
    created: Moment


class Change(Shown):
    number: Number
    kind: Kind
    task_id: Number
    by: UserName
    at: Moment


class Window(msgspec.Struct, kw_only=True):
    """Which part of a list is asked for."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    offset: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class TaskQuery(Window):
    """Which tasks are asked for, and in what order."""

    state: list[State] = []
    text: Annotated[str, Meta(max_length=200, pattern=r"^[^\x00]*$")] = ""
    """Part of the title or of the notes; upper and lower case are the same."""
    due_before: date | None = None
    order: Order = "created"


class Page(msgspec.Struct, Generic[T]):
    """Part of a list, and how long the whole is."""

    items: list[T]
    total: int


class LogIn(msgspec.Struct, kw_only=True):
    """The form of RFC 6749 §4.3.2."""

    grant_type: Literal["password"]
    username: UserName
    password: Password
