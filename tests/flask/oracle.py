"""One test for three: real Flask, which says what is right, and `duoframe.flask` behind each door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import flask
import pytest

import duoframe.flask
from tests.conftest import our_threads, until


class Side:
    """What a test is written against: the names of one package, and clients of its applications."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.names: Any = flask if kind == "flask" else duoframe.flask
        self._made: list[Any] = []
        self._clients: list[Any] = []  # which live as long as their answers

    @property
    def real(self) -> bool:
        """Whether it is Flask itself."""
        return self.kind == "flask"

    def app(self, name: str = "tests.flask.oracle", **options: Any) -> Any:
        """An application with a secret key, shut down after the test."""
        app = self.names.Flask(name, **options)
        app.secret_key = "a secret that is long enough"
        app.testing = True
        self._made.append(app)
        return app

    def client(self, app: Any, **options: Any) -> Any:
        """A client of the application, behind the side's door."""
        client = app.test_client(**options) if self.real else app.test_client(door=self.kind, **options)
        self._clients.append(client)
        return client

    def get(self, app: Any, view: Callable[..., Any], path: str = "/", **options: Any) -> Any:
        """The answer of a view."""
        app.add_url_rule("/<path:path>", view_func=lambda **values: view())
        app.add_url_rule("/", "root", view)
        return self.client(app).get(path, **options)

    def end(self) -> None:
        """Stop what the clients and the applications have started: no thread of ours is left."""
        if self.real:
            return
        for client in self._clients:
            client._opened.stop()
        for app in self._made:
            app.shutdown()
        until(lambda: not our_threads(), "threads were left")


@pytest.fixture(params=["flask", "wsgi", "asgi"])
def side(request: pytest.FixtureRequest) -> Iterator[Side]:
    made = Side(request.param)
    yield made
    made.end()


def text(answer: Any) -> str:
    return str(answer.get_data(as_text=True))
