"""Files that belong to a task."""

from __future__ import annotations

from typing import Annotated

from sqlalchemy import select

from duoframe import Depends, File, FileResponse, HTTPException, Limits, Path, Request, Router, UploadFile

from . import models
from .auth import CurrentUser
from .changes import note_change
from .database import Session
from .files import Files
from .projects import NOT_FOUND, open_to
from .schemas import Attachment, Number
from .tasks import OpenTask

router = Router(tags=["attachments"])

MAX_FILE_SIZE = 5 * 1024 * 1024
LIMITS = Limits(max_body_size=MAX_FILE_SIZE + 4096, max_files=1)  # with room for the form around the file
DOWNLOAD = {200: {"description": "The file", "content": {"application/octet-stream": {}}}}


async def find_attachment(
    attachment_id: Annotated[Number, Path()], user: CurrentUser, session: Session
) -> models.Attachment:
    found = await session.scalar(
        select(models.Attachment)
        .join(models.Task)
        .join(models.Project)
        .where(models.Attachment.id == attachment_id, open_to(user))
    )
    if found is None:
        raise HTTPException(404, f"there is no attachment {attachment_id}")
    return found


OpenAttachment = Annotated[models.Attachment, Depends(find_attachment)]


@router.get("/tasks/{task_id}/attachments", responses=NOT_FOUND)
async def list_attachments(task: OpenTask, session: Session) -> list[Attachment]:
    found = await session.scalars(
        select(models.Attachment).where(models.Attachment.task_id == task.id).order_by(models.Attachment.id)
    )
    return [Attachment.of(attachment) for attachment in found]


@router.post("/tasks/{task_id}/attachments", status_code=201, limits=LIMITS, responses=NOT_FOUND)
async def attach(
    task: OpenTask,
    file: Annotated[UploadFile, File()],
    user: CurrentUser,
    session: Session,
    files: Files,
    request: Request,
) -> tuple[Attachment, int, dict[str, str]]:
    key = await files.keep(file)
    try:
        row = models.Attachment(task_id=task.id, name=file.filename, size=file.size, key=key)
        session.add(row)
        await session.flush()
        await note_change(session, "file added", task, user)
    except BaseException:
        files.remove([key])
        raise
    return Attachment.of(row), 201, {"location": request.app.url_for("download", attachment_id=row.id)}


@router.get("/attachments/{attachment_id}", responses={**NOT_FOUND, **DOWNLOAD})
async def download(attachment: OpenAttachment, files: Files) -> FileResponse:
    """The file as it was sent, to be saved: what a user has sent is no page of this service."""
    return FileResponse(
        files.path(attachment.key),
        filename=attachment.name,
        media_type="application/octet-stream",
        headers={"x-content-type-options": "nosniff"},
    )


@router.delete("/attachments/{attachment_id}", responses=NOT_FOUND)
async def remove_attachment(
    attachment: OpenAttachment, user: CurrentUser, session: Session, files: Files, request: Request
) -> None:
    task = await session.get_one(models.Task, attachment.task_id)
    await note_change(session, "file removed", task, user)
    await session.delete(attachment)
    request.background(files.remove, [attachment.key])
