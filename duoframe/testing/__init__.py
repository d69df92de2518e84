"""Test clients that really run a door: `Client`, `AsyncClient`, and `exchange` for raw requests.

Speaks to the app by the server protocols alone, so it tests any WSGI or ASGI app, and knows no framework object.
Only `client` imports httpx (``pip install duoframe[testing]``); everything else here works without it.
"""

from typing import TYPE_CHECKING

from duoframe.testing.asgi_checker import checked_asgi
from duoframe.testing.doors import Door
from duoframe.testing.rules import ProtocolError
from duoframe.testing.wire import Exchange, exchange
from duoframe.testing.wsgi_checker import checked_wsgi

if TYPE_CHECKING:
    from duoframe.testing.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client", "Door", "Exchange", "ProtocolError", "checked_asgi", "checked_wsgi", "exchange"]


def __getattr__(name: str) -> object:
    # The clients load at first use, so that `exchange` and the checkers need no httpx.
    if name in ("AsyncClient", "Client"):
        from duoframe.testing import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
