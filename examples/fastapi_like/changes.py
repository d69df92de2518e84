"""What happens in a project: noted with each change, and sent to those who follow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from duoframe import EventSourceResponse, Header, HTTPException, Request, Router, ServerSentEvent

from . import models
from .database import Database
from .projects import NOT_FOUND, OpenProject
from .schemas import Change, Kind
from .settings import CurrentSettings, Settings

router = Router(tags=["changes"])

BATCH = 100
EVENTS = {200: {"description": "Changes as server-sent events", "content": {"text/event-stream": {}}}}


async def note_change(session: AsyncSession, kind: Kind, task: models.Task, user: models.User) -> None:
    """Note what is done in this transaction.

    The row of the project is locked until its end: so changes are seen in the order of their numbers, and who follows
    misses none.
    """
    number = await session.scalar(
        update(models.Project)
        .where(models.Project.id == task.project_id)
        .values(changes=models.Project.changes + 1)
        .returning(models.Project.changes)
        .execution_options(synchronize_session=False)
    )
    if number is None:
        raise HTTPException(404, "the project has been removed")
    session.add(models.Change(project_id=task.project_id, number=number, kind=kind, task_id=task.id, by=user.name))


@router.get("/projects/{project_id}/changes", responses={**NOT_FOUND, **EVENTS})
async def follow(
    project: OpenProject,
    request: Request,
    settings: CurrentSettings,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**63 - 1)] = None,
) -> EventSourceResponse:
    """Changes as they happen, from the last that the client has seen."""
    after = project.changes if last_event_id is None else last_event_id
    return EventSourceResponse(new_changes(request.app.state.database, settings, project.id, after))


async def new_changes(
    database: Database, settings: Settings, project_id: int, after: int
) -> AsyncIterator[ServerSentEvent]:
    """The changes of a project after one; its end comes with the project's, or when the stream has lasted enough.

    Between two looks nothing of the database is held. A look costs one row: so this serves any number of processes,
    and where there are many streams, let PostgreSQL's LISTEN and NOTIFY wake them.
    """
    end = time.monotonic() + settings.feed_seconds
    while time.monotonic() < end:
        async with database.transaction(writes=False) as session:
            latest = await session.scalar(select(models.Project.changes).where(models.Project.id == project_id))
            if latest is None:
                return
            found = await changes_after(session, project_id, after) if latest > after else []
        for change in found:
            yield ServerSentEvent(change, id=change.number)
            after = change.number
        if not found:
            await asyncio.sleep(settings.feed_poll)


async def changes_after(session: AsyncSession, project_id: int, after: int) -> list[Change]:
    found = await session.scalars(
        select(models.Change)
        .where(models.Change.project_id == project_id, models.Change.number > after)
        .order_by(models.Change.number)
        .limit(BATCH)
    )
    return [Change.of(change) for change in found]
