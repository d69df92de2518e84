"""Who asks: tokens that are given for a password, and the user of a request.

A token is random and kept as its digest: there is no secret to configure, one can be taken back, and who reads the
table has none.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Annotated

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from duoframe import Depends
from duoframe.security import OAuth2PasswordBearer

from . import models
from .database import Session

bearer = OAuth2PasswordBearer("/token")
BearerToken = Annotated[str, Depends(bearer)]


async def give_token(session: AsyncSession, user: models.User, seconds: int) -> str:
    """A new token of a user, for so many seconds."""
    token = secrets.token_urlsafe(32)
    expires = models.now() + timedelta(seconds=seconds)
    await session.execute(delete(models.Token).where(models.Token.expires < models.now()))
    session.add(models.Token(digest=digest(token), user_id=user.id, expires=expires))
    return token


async def take_back(session: AsyncSession, token: str) -> None:
    await session.execute(delete(models.Token).where(models.Token.digest == digest(token)))


async def current_user(token: BearerToken, session: Session) -> models.User:
    """The user whose token came with the request. Raises `HTTPException` 401 where it is none of ours, or too old."""
    user = await session.scalar(
        select(models.User)
        .join(models.Token)
        .where(models.Token.digest == digest(token), models.Token.expires > models.now())
    )
    if user is None:
        raise bearer.unauthorized("the token is unknown or has expired")
    return user


CurrentUser = Annotated[models.User, Depends(current_user)]


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
