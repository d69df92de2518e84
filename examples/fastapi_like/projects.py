"""Projects, and who works on them: members see everything in it, its owner alone changes what it is."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from duoframe import Depends, HTTPException, Path, Query, Request, Router

from . import models
from .auth import CurrentUser
from .database import Session
from .files import Files, remove_files
from .models import members
from .schemas import NewProject, Number, Page, Project, User, UserName, Window

router = Router("/projects", tags=["projects"])

NOT_FOUND = {404: {"description": "There is none, or it is not for this user"}}
NOT_OWNER = {403: {"description": "Only its owner may do that"}, **NOT_FOUND}


def open_to(user: models.User) -> ColumnElement[bool]:
    """The condition that a project is one of a user's own, or one that they are a member of."""
    return models.Project.id.in_(select(members.c.project_id).where(members.c.user_id == user.id))


async def find_project(project_id: Annotated[Number, Path()], user: CurrentUser, session: Session) -> models.Project:
    """The project that the path names. Raises `HTTPException` 404 also for one that the user may not know of."""
    project = await session.scalar(select(models.Project).where(models.Project.id == project_id, open_to(user)))
    if project is None:
        raise HTTPException(404, f"there is no project {project_id}")
    return project


OpenProject = Annotated[models.Project, Depends(find_project)]


async def find_own_project(project: OpenProject, user: CurrentUser) -> models.Project:
    if project.owner_id != user.id:
        raise HTTPException(403, "only the owner of a project may do that")
    return project


OwnProject = Annotated[models.Project, Depends(find_own_project)]


@router.get("")
async def list_projects(window: Annotated[Window, Query()], user: CurrentUser, session: Session) -> Page[Project]:
    """The projects of the user, the newest first."""
    total = await session.scalar(select(func.count()).select_from(models.Project).where(open_to(user)))
    found = await session.scalars(
        select(models.Project)
        .where(open_to(user))
        .order_by(models.Project.id.desc())
        .limit(window.limit)
        .offset(window.offset)
    )
    return Page([Project.of(project) for project in found], total or 0)


@router.post("", status_code=201)
async def add_project(
    new: NewProject, user: CurrentUser, session: Session, request: Request
) -> tuple[Project, int, dict[str, str]]:
    project = models.Project(name=new.name, owner=user)
    session.add(project)
    await session.flush()
    await session.execute(insert(members).values(project_id=project.id, user_id=user.id))
    return Project.of(project), 201, {"location": request.app.url_for("show_project", project_id=project.id)}


@router.get("/{project_id}", responses=NOT_FOUND)
async def show_project(project: OpenProject) -> Project:
    return Project.of(project)


@router.put("/{project_id}", responses=NOT_OWNER)
async def rename_project(project: OwnProject, new: NewProject) -> Project:
    project.name = new.name
    return Project.of(project)


@router.delete("/{project_id}", responses=NOT_OWNER)
async def remove_project(project: OwnProject, session: Session, files: Files, request: Request) -> None:
    """Remove it with all that is in it."""
    await remove_files(request, files, session, models.Task.project_id == project.id)
    await session.delete(project)


@router.get("/{project_id}/members", responses=NOT_FOUND)
async def list_members(project: OpenProject, session: Session) -> list[User]:
    found = await session.scalars(
        select(models.User).join(members).where(members.c.project_id == project.id).order_by(models.User.name)
    )
    return [User.of(user) for user in found]


@router.put("/{project_id}/members/{name}", responses=NOT_OWNER)
async def add_member(project: OwnProject, name: Annotated[UserName, Path()], session: Session) -> None:
    user_id = await find_user(session, name)
    row = select(members.c.user_id).where(members.c.project_id == project.id, members.c.user_id == user_id)
    if await session.scalar(row) is None:
        await session.execute(insert(members).values(project_id=project.id, user_id=user_id))


@router.delete("/{project_id}/members/{name}", responses=NOT_OWNER)
async def remove_member(project: OwnProject, name: Annotated[UserName, Path()], session: Session) -> None:
    user_id = await find_user(session, name)
    if user_id == project.owner_id:
        raise HTTPException(403, "the owner of a project stays in it")
    await session.execute(delete(members).where(members.c.project_id == project.id, members.c.user_id == user_id))


async def find_user(session: AsyncSession, name: str) -> int:
    user_id = await session.scalar(select(models.User.id).where(models.User.name == name))
    if user_id is None:
        raise HTTPException(404, f"there is no user called {name}")
    return user_id
