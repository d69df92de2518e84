"""What schemathesis cannot guess of the service: how to log in, and the numbers of what there is.

Loaded by schemathesis itself, as `SCHEMATHESIS_HOOKS`; `SERVICE` is the address. Each answer's status is noted in the
file that `SEEN` names, so that the test can tell what was reached. (`Any` here: schemathesis's own, without types.)
"""

from __future__ import annotations

import os
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation

NAME, PASSWORD = "schemathesis", "it finds what others miss"
FORM = {"grant_type": "password", "username": NAME, "password": PASSWORD}

turns = count()
known: dict[str, Any] = {}


@cache
def service() -> httpx.Client:
    """The service, as its user sees it."""
    client = httpx.Client(base_url=os.environ["SERVICE"], timeout=30)
    for name in (NAME, "member"):
        client.post("/users", json={"name": name, "password": PASSWORD})
    client.headers["authorization"] = f"Bearer {get_token(client)}"
    return client


def get_token(client: httpx.Client) -> str:
    token: str = client.post("/token", data=FORM).json()["access_token"]
    return token


def make(path: str, **content: Any) -> int:
    number: int = service().post(path, **content).raise_for_status().json()["id"]
    return number


def make_known() -> None:
    """Make a project, a task in it, and an attachment of that."""
    project = make("/projects", json={"name": "Known"})
    task = make(f"/projects/{project}/tasks", json={"title": "Known"})
    attachment = make(f"/tasks/{task}/attachments", files={"file": ("known", b"content")})
    known.update(project_id=project, task_id=task, attachment_id=attachment, name="member")


@schemathesis.auth()
class LogIn:
    """A token, and another where that one is refused: one of the operations is to log out."""

    def get(self, case: Any, context: Any) -> str:
        return get_token(service())

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Let every second case be about what exists, where it is not about a path that makes no sense."""
    if case.media_type == "multipart/form-data" and isinstance(case.body, dict):
        # What writes it escapes no backslash: behind one that ends a name, the quote would end nothing.
        left = {name: value for name, value in case.body.items() if not name.endswith("\\")}
        if len(left) < len(case.body):  # a body that is set is judged anew, and takes a file for what is no text
            case.body = left
    if case.meta is None or case.meta.phase.name == "stateful" or next(turns) % 2:
        return
    if case.operation.label == "POST /token" and case.meta.generation.mode.is_positive:
        case.body = dict(FORM)
    if case.path_parameters and not case.meta.is_negative_at(ParameterLocation.PATH):
        if not known or case.method == "DELETE":
            make_known()
        case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    with Path(os.environ["SEEN"]).open("a") as seen:
        seen.write(f"{response.status_code} {case.method} {case.operation.path}\n")
