"""Projects, their members and their tasks."""

from __future__ import annotations

from typing import Any

from examples.fastapi_like.tests.conftest import Person


def test_a_project_is_added_shown_renamed_and_removed(ada: Person) -> None:
    project = ada.add_project("Garden")
    shown = ada.ask("GET", project)
    assert (shown["name"], shown["owner"]["name"]) == ("Garden", ada.name)
    assert ada.ask("PUT", project, json={"name": "Park"})["name"] == "Park"
    assert ada.ask("GET", project) == {**shown, "name": "Park"}
    assert ada.ask("DELETE", project, 204) is None
    ada.ask("GET", project, 404)


def test_the_answer_to_an_addition_says_where_it_is(ada: Person) -> None:
    answer = ada.service.post("/projects", json={"name": "Garden"}, headers=ada.headers)
    assert ada.ask("GET", answer.headers["location"]) == answer.json()


def test_projects_come_in_pages_the_newest_first(ada: Person) -> None:
    for number in range(5):
        ada.add_project(f"P{number}")
    first = ada.ask("GET", "/projects", params={"limit": 2})
    assert ([project["name"] for project in first["items"]], first["total"]) == (["P4", "P3"], 5)
    last = ada.ask("GET", "/projects", params={"limit": 2, "offset": 4})
    assert [project["name"] for project in last["items"]] == ["P0"]


def test_a_project_is_for_its_members_and_its_name_for_its_owner(ada: Person, bob: Person) -> None:
    project = ada.add_project()
    bob.ask("GET", project, 404)
    ada.ask("PUT", f"{project}/members/{bob.name}", 204)
    ada.ask("PUT", f"{project}/members/{bob.name}", 204)
    assert {user["name"] for user in bob.ask("GET", f"{project}/members")} == {ada.name, bob.name}
    task = bob.add_task(project)
    assert ada.ask("GET", task)["title"] == "Dig"
    bob.ask("PUT", project, 403, json={"name": "Mine"})
    bob.ask("DELETE", project, 403)
    ada.ask("DELETE", f"{project}/members/{bob.name}", 204)
    bob.ask("GET", task, 404)
    ada.ask("PUT", f"{project}/members/no-such-user", 404)
    ada.ask("DELETE", f"{project}/members/{ada.name}", 403)


def test_a_task_changes_in_what_is_sent_alone(ada: Person) -> None:
    task = ada.add_task(ada.add_project(), notes="deep", due="2030-01-31")
    before = ada.ask("GET", task)
    assert (before["state"], before["notes"], before["due"]) == ("open", "deep", "2030-01-31")
    after = ada.ask("PATCH", task, json={"state": "done", "due": None})
    assert after == {**before, "state": "done", "due": None} == ada.ask("GET", task)
    assert ada.ask("PATCH", task, json={}) == after


QUERIES: list[tuple[dict[str, Any], list[str], int]] = [
    ({}, ["Dig", "dung", "Sow", "Water"], 4),
    ({"state": "open"}, ["Dig", "Water"], 2),
    ({"state": ["open", "doing"]}, ["Dig", "dung", "Water"], 3),
    ({"text": "D"}, ["Dig", "dung", "Sow"], 3),
    ({"text": "%"}, [], 0),
    ({"due_before": "2030-02-01"}, ["Dig", "Sow"], 2),
    ({"order": "-title", "state": ["open", "done"]}, ["Water", "Sow", "Dig"], 3),
    ({"order": "due"}, ["Sow", "Dig", "dung", "Water"], 4),
    ({"order": "-due"}, ["dung", "Dig", "Sow", "Water"], 4),
    ({"limit": 2, "offset": 1}, ["dung", "Sow"], 4),
    ({"offset": 4}, [], 4),
]


def test_tasks_are_found_by_what_is_asked_for(ada: Person) -> None:
    project = ada.add_project()
    ada.add_task(project, title="Dig", due="2030-01-31")
    ada.add_task(project, title="dung", due="2030-02-01", state="doing")
    ada.add_task(project, title="Sow", notes="seeD", due="2029-12-31", state="done")
    ada.add_task(project, title="Water")
    for query, expected, total in QUERIES:
        page = ada.ask("GET", f"{project}/tasks", params=query)
        assert ([task["title"] for task in page["items"]], page["total"]) == (expected, total), query


REFUSED_QUERIES = [
    ("limit=0", "limit"),
    ("limit=101", "limit"),
    ("limit=x", "limit"),
    ("offset=-1", "offset"),
    ("offset=99999999999999999999", "offset"),
    ("state=lost", "state"),
    ("order=colour", "order"),
    ("due_before=31.1.2030", "due_before"),
    ("text=%00", "text"),
]


def test_a_query_that_makes_no_sense_is_refused(ada: Person) -> None:
    project = ada.add_project()
    for query, place in REFUSED_QUERIES:
        [fault] = ada.ask("GET", f"{project}/tasks?{query}", 422)["errors"]
        assert fault["loc"][:2] == ["query", place]


def test_a_number_that_no_task_can_have_is_refused_and_the_greatest_looked_for(ada: Person) -> None:
    for number in ["0", "-1", "x", "9223372036854775808", "9" * 400]:
        ada.ask("GET", f"/tasks/{number}", 422)
    ada.ask("GET", "/tasks/9223372036854775807", 404)


REFUSED_FIELDS: list[dict[str, Any]] = [
    {"title": ""},
    {"title": "a\nb"},
    {"title": "a\n"},
    {"title": "x" * 201},
    {"notes": "\0"},
    {"notes": "x" * 10_001},
    {"due": "2030-02-30"},
    {"due": "10000-01-01"},
    {"state": "OPEN"},
    {"colour": "red"},
]


def test_a_task_that_could_not_be_kept_is_refused(ada: Person) -> None:
    project = ada.add_project()
    for fields in REFUSED_FIELDS:
        assert len(ada.ask("POST", f"{project}/tasks", 422, json={"title": "Dig", **fields})["errors"]) == 1, fields
    assert ada.ask("GET", f"{project}/tasks")["total"] == 0


def test_text_of_every_script_and_the_ends_of_time_are_kept(ada: Person) -> None:
    fields = {"title": "Größe 🌱 תכלת", "notes": "'; DROP TABLE tasks; --\n\u202e\ufffe", "due": "0001-01-01"}
    task = ada.add_task(ada.add_project(), **fields)
    assert {**ada.ask("GET", task), **fields} == ada.ask("GET", task)
    assert ada.ask("PATCH", task, json={"due": "9999-12-31"})["due"] == "9999-12-31"


def test_what_is_removed_takes_its_own_along(ada: Person) -> None:
    project = ada.add_project()
    task = ada.add_task(project)
    ada.ask("DELETE", task, 204)
    ada.ask("GET", task, 404)
    other = ada.add_task(project)
    assert other != task, "no number is given twice"
    ada.ask("DELETE", project, 204)
    ada.ask("GET", other, 404)
