"""What an operator may set, read from the environment: `DATABASE_URL`, `FILES`, ..., each as its field is named."""

from __future__ import annotations

import os
from typing import Annotated

import msgspec

from duoframe import Depends, Request, inline


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How one deployment of the service runs."""

    database_url: str = "sqlite:///tasks.db"
    """SQLite as it stands; PostgreSQL as ``postgresql://user:password@host/name``."""
    files: str = "attachments"
    """The directory that attachments are kept in; made where it is missing."""
    token_seconds: int = 24 * 3600
    """How long a log-in lasts."""
    feed_seconds: float = 300.0
    """How long one stream of events goes on; its client comes back, and its token is looked at anew."""
    feed_poll: float = 1.0
    """Seconds between two looks of a stream of events for what is new."""
    scrypt_cost: int = 2**14
    """What a password's hash costs, a power of two; passwords that were hashed at another cost stay good."""

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings of this process. Raises `msgspec.ValidationError` for what is no value of its kind."""
        names = {name: name.upper() for name in cls.__struct_fields__}
        given = {name: os.environ[variable] for name, variable in names.items() if variable in os.environ}
        return msgspec.convert(given, cls, strict=False)


@inline
def settings_of(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


CurrentSettings = Annotated[Settings, Depends(settings_of)]
