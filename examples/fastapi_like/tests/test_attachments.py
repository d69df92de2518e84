"""Files that belong to a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.fastapi_like.attachments import MAX_FILE_SIZE
from examples.fastapi_like.settings import Settings
from examples.fastapi_like.tests.conftest import Person


def attach(person: Person, task: str, name: str, content: bytes, status: int = 201) -> dict[str, object]:
    answer: dict[str, object] = person.ask("POST", f"{task}/attachments", status, files={"file": (name, content)})
    return answer


def kept(settings: Settings) -> set[str]:
    return {file.name for file in Path(settings.files).iterdir()}


@pytest.fixture
def task(ada: Person) -> str:
    return ada.add_task(ada.add_project())


def test_a_file_comes_back_as_it_was_sent(ada: Person, task: str) -> None:
    content = bytes(range(256)) * 20_000  # more than is kept in memory
    attached = attach(ada, task, "Pläne, süd.pdf", content)
    assert (attached["name"], attached["size"]) == ("Pläne, süd.pdf", len(content))
    assert ada.ask("GET", f"{task}/attachments") == [attached]
    answer = ada.service.get(f"/attachments/{attached['id']}", headers=ada.headers)
    assert answer.content == content
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_file_is_kept_under_no_name_of_a_client(ada: Person, task: str, settings: Settings) -> None:
    for name in ["../../etc/passwd", "C:\\boot.ini", "a\0b", "con", "." * 300, "<script>.html"]:
        before = kept(settings)
        attached = attach(ada, task, name, b"x")
        [key] = kept(settings) - before
        assert key.isalnum()
        assert not set(str(attached["name"])) & set("/\\\0<>")
        assert ada.service.get(f"/attachments/{attached['id']}", headers=ada.headers).content == b"x"


def test_a_file_that_is_too_large_is_refused_and_not_kept(ada: Person, task: str, settings: Settings) -> None:
    before = kept(settings)
    attach(ada, task, "large", bytes(MAX_FILE_SIZE + 5000), 413)
    assert kept(settings) == before
    attach(ada, task, "just right", bytes(MAX_FILE_SIZE))


def test_a_form_without_the_file_is_refused(ada: Person, task: str) -> None:
    [fault] = ada.ask("POST", f"{task}/attachments", 422, files={"other": ("a", b"x")})["errors"]
    assert fault["got"] == "nothing"
    ada.ask("POST", f"{task}/attachments", 415, json={})


def test_part_of_a_file_may_be_asked_for(ada: Person, task: str) -> None:
    number = attach(ada, task, "a", b"0123456789")["id"]
    headers = {**ada.headers, "range": "bytes=2-4"}
    answer = ada.service.get(f"/attachments/{number}", headers=headers)
    assert (answer.status_code, answer.content) == (206, b"234")


def test_a_file_goes_with_what_it_belongs_to(ada: Person, settings: Settings) -> None:
    before = kept(settings)
    for whole in range(3):
        project = ada.add_project()
        task = ada.add_task(project)
        attachment = f"/attachments/{attach(ada, task, 'a', b'x')['id']}"
        ada.ask("DELETE", (attachment, task, project)[whole], 204)
        ada.ask("GET", attachment, 404)
        assert kept(settings) == before


def test_a_file_is_for_the_members_of_its_project(ada: Person, bob: Person, task: str) -> None:
    number = attach(ada, task, "a", b"x")["id"]
    bob.ask("GET", f"/attachments/{number}", 404)
    bob.ask("DELETE", f"/attachments/{number}", 404)
    attach(bob, task, "a", b"x", 404)
