"""Where attachments are kept: in one directory, each under a random name; what a client calls it is in the table."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from duoframe import Depends, Request, UploadFile, inline

from . import models


class FileStore:
    """A directory of files."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)

    async def keep(self, upload: UploadFile) -> str:
        """Save what was sent; the key to find it by."""
        key = secrets.token_hex(16)
        await upload.save(self.path(key))
        return key

    def path(self, key: str) -> Path:
        return self.directory / key

    def remove(self, keys: list[str]) -> None:
        for key in keys:
            self.path(key).unlink(missing_ok=True)


@inline
def files_of(request: Request) -> FileStore:
    files: FileStore = request.app.state.files
    return files


Files = Annotated[FileStore, Depends(files_of)]


async def remove_files(request: Request, files: FileStore, session: AsyncSession, tasks: ColumnElement[bool]) -> None:
    """Remove the files of these tasks after the answer, when it is certain that their rows are gone."""
    keys = await session.scalars(select(models.Attachment.key).join(models.Task).where(tasks))
    request.background(files.remove, list(keys))
