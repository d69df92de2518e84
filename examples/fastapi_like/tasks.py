"""The tasks of a project."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from sqlalchemy import ColumnElement, func, or_, select

from duoframe import Depends, HTTPException, Path, Query, Request, Router

from . import models
from .auth import CurrentUser
from .changes import note_change
from .database import Session
from .files import Files, remove_files
from .projects import NOT_FOUND, OpenProject, open_to
from .schemas import NewTask, Number, Page, Task, TaskChanges, TaskQuery

router = Router(tags=["tasks"])

ORDERS: dict[str, ColumnElement[Any]] = {  # Any: columns of several types
    "created": models.Task.id.asc(),
    "-created": models.Task.id.desc(),
    "due": models.Task.due.asc().nulls_last(),
    "-due": models.Task.due.desc().nulls_last(),
    "title": models.Task.title.asc(),
    "-title": models.Task.title.desc(),
}


async def find_task(task_id: Annotated[Number, Path()], user: CurrentUser, session: Session) -> models.Task:
    """The task that the path names. Raises `HTTPException` 404 also for one that the user may not know of."""
    task = await session.scalar(
        select(models.Task).join(models.Project).where(models.Task.id == task_id, open_to(user))
    )
    if task is None:
        raise HTTPException(404, f"there is no task {task_id}")
    return task


OpenTask = Annotated[models.Task, Depends(find_task)]


def conditions(project: models.Project, query: TaskQuery) -> list[ColumnElement[bool]]:
    """What a task has to be to be asked for."""
    wanted: list[ColumnElement[bool]] = [models.Task.project_id == project.id]
    if query.state:
        wanted.append(models.Task.state.in_(query.state))
    if query.text:
        columns = (models.Task.title, models.Task.notes)
        wanted.append(or_(*(column.icontains(query.text, autoescape=True) for column in columns)))
    if query.due_before is not None:
        wanted.append(models.Task.due < query.due_before)
    return wanted


@router.get("/projects/{project_id}/tasks", responses=NOT_FOUND)
async def list_tasks(project: OpenProject, query: Annotated[TaskQuery, Query()], session: Session) -> Page[Task]:
    wanted = conditions(project, query)
    total = await session.scalar(select(func.count()).select_from(models.Task).where(*wanted))
    found = await session.scalars(
        select(models.Task)
        .where(*wanted)
        .order_by(ORDERS[query.order], models.Task.id)
        .limit(query.limit)
        .offset(query.offset)
    )
    return Page([Task.of(task) for task in found], total or 0)


@router.post("/projects/{project_id}/tasks", status_code=201, responses=NOT_FOUND)
async def add_task(
    project: OpenProject, new: NewTask, user: CurrentUser, session: Session, request: Request
) -> tuple[Task, int, dict[str, str]]:
    task = models.Task(project_id=project.id, **msgspec.structs.asdict(new))
    session.add(task)
    await session.flush()
    await note_change(session, "task added", task, user)
    return Task.of(task), 201, {"location": request.app.url_for("show_task", task_id=task.id)}


@router.get("/tasks/{task_id}", responses=NOT_FOUND)
async def show_task(task: OpenTask) -> Task:
    return Task.of(task)


@router.patch("/tasks/{task_id}", responses=NOT_FOUND)
async def change_task(task: OpenTask, changes: TaskChanges, user: CurrentUser, session: Session) -> Task:
    for name, value in msgspec.structs.asdict(changes).items():
        if value is not msgspec.UNSET:
            setattr(task, name, value)
    await note_change(session, "task changed", task, user)
    return Task.of(task)


@router.delete("/tasks/{task_id}", responses=NOT_FOUND)
async def remove_task(task: OpenTask, user: CurrentUser, session: Session, files: Files, request: Request) -> None:
    """Remove it with its attachments."""
    await remove_files(request, files, session, models.Task.id == task.id)
    await note_change(session, "task removed", task, user)
    await session.delete(task)
