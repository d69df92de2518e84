"""Signing up, logging in and out."""

from __future__ import annotations

import asyncio
from typing import Annotated

from sqlalchemy import select

from duoframe import Form, HTTPException, Request, Router

from . import models
from .auth import BearerToken, CurrentUser, give_token, take_back
from .database import Session
from .passwords import hash_password, verify_password
from .schemas import AccessToken, LogIn, NewUser, User
from .settings import CurrentSettings

router = Router(tags=["users"])


@router.post("/users", status_code=201, responses={409: {"description": "The name is taken"}})
async def sign_up(new: NewUser, session: Session, settings: CurrentSettings) -> User:
    password = await asyncio.to_thread(hash_password, new.password, settings.scrypt_cost)
    if await session.scalar(select(models.User.id).where(models.User.name == new.name)):
        raise HTTPException(409, f"there is a user called {new.name} already")
    user = models.User(name=new.name, password=password)
    session.add(user)
    await session.flush()
    return User.of(user)


@router.get("/users/me")
async def show_me(user: CurrentUser) -> User:
    return User.of(user)


@router.post("/token", responses={400: {"description": "No such user, or another password"}})
async def log_in(
    form: Annotated[LogIn, Form()], session: Session, settings: CurrentSettings, request: Request
) -> tuple[AccessToken, int, dict[str, str]]:
    user = await session.scalar(select(models.User).where(models.User.name == form.username))
    await session.commit()  # the database has not to wait while a password is compared
    kept = user.password if user else request.app.state.nobody  # so that a wrong name takes as long as a wrong password
    same = await asyncio.to_thread(verify_password, form.password, kept)
    if user is None or not same:
        raise HTTPException(400, "the name or the password is wrong", extensions={"error": "invalid_grant"})
    token = AccessToken(
        access_token=await give_token(session, user, settings.token_seconds), expires_in=settings.token_seconds
    )
    return token, 200, {"cache-control": "no-store"}  # RFC 6749 §5.1


@router.delete("/token")
async def log_out(user: CurrentUser, token: BearerToken, session: Session) -> None:
    await take_back(session, token)
