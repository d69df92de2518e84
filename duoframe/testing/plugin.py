"""The pytest fixture `duo_client`: ``pytest_plugins = ["duoframe.testing.plugin"]`` switches it on.

Runs each test that uses it behind both doors; what a client is, `client` says.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from duoframe.testing.client import Client
from duoframe.testing.doors import Application

MakeClient = Callable[..., Client]
"""``duo_client(app, **options)``: the arguments of `Client`, without the door."""


@pytest.fixture(params=["wsgi", "asgi"])
def duo_client(request: pytest.FixtureRequest) -> Iterator[MakeClient]:
    """A factory of clients over the door at hand, all closed when the test is over.

        def test_hello(duo_client):
            assert duo_client(app).get("/hello").status_code == 200

    Use ``with duo_client(app) as client`` where the app's start-up matters.
    """
    with ExitStack() as clients:

        def make(app: Application, **options: Any) -> Client:  # the options of Client, whatever their types
            client = Client(app, request.param, **options)
            clients.callback(client.close)
            return client

        yield make
