"""The live feed of a project."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from examples.fastapi_like.tests.conftest import Person


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:  # Any: JSON
    """The data of each event, as it comes."""
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            yield json.loads(value)


def test_who_follows_a_project_is_told_of_each_change(ada: Person, bob: Person) -> None:
    project = ada.add_project()
    ada.ask("PUT", f"{project}/members/{bob.name}", 204)
    ada.add_task(project)
    with bob.service.stream("GET", f"{project}/changes", headers=bob.headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        told = events(answer)
        task = ada.add_task(project)
        assert next(told)["kind"] == "task added", "and nothing of what was before"
        ada.ask("PATCH", task, json={"state": "done"})
        ada.ask("DELETE", task, 204)
        changed, removed = next(told), next(told)
    assert (changed["number"], changed["kind"], changed["by"]) == (3, "task changed", ada.name)
    assert (removed["number"], removed["kind"], removed["task_id"]) == (4, "task removed", changed["task_id"])


def test_who_comes_back_misses_nothing(ada: Person) -> None:
    project = ada.add_project()
    for _ in range(3):
        ada.add_task(project)
    headers = {**ada.headers, "last-event-id": "1"}
    with ada.service.stream("GET", f"{project}/changes", headers=headers) as answer:
        told = events(answer)
        assert [next(told)["number"], next(told)["number"]] == [2, 3]


def test_the_stream_ends_with_its_project(ada: Person) -> None:
    project = ada.add_project()
    with ada.service.stream("GET", f"{project}/changes", headers=ada.headers) as answer:
        ada.ask("DELETE", project, 204)
        assert list(events(answer)) == []


def test_what_many_do_at_once_is_told_in_order_and_without_a_gap(ada: Person) -> None:
    project = ada.add_project()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: ada.add_task(project), range(24)))
    headers = {**ada.headers, "last-event-id": "0"}
    with ada.service.stream("GET", f"{project}/changes", headers=headers) as answer:
        told = events(answer)
        assert [next(told)["number"] for _ in range(24)] == list(range(1, 25))
    assert ada.ask("GET", f"{project}/tasks")["total"] == 24


def test_a_project_is_followed_by_its_members_alone(ada: Person, bob: Person) -> None:
    bob.ask("GET", f"{ada.add_project()}/changes", 404)
    ada.ask("GET", f"{ada.add_project()}/changes", 422, headers={"last-event-id": "x"})
