"""Signing up, logging in and out."""

from __future__ import annotations

import msgspec

from duoframe.testing import Client
from examples.fastapi_like.app import create_app
from examples.fastapi_like.passwords import hash_password, verify_password
from examples.fastapi_like.settings import Settings
from examples.fastapi_like.tests.conftest import PASSWORD, Person, log_in


def test_who_signs_up_and_logs_in_is_known_by_the_token(ada: Person) -> None:
    me = ada.ask("GET", "/users/me")
    assert me["name"] == ada.name
    assert set(me) == {"id", "name", "created"}, "neither the password nor its hash is told"


def test_a_name_is_given_once(service: Client, ada: Person) -> None:
    answer = service.post("/users", json={"name": ada.name, "password": PASSWORD})
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["detail"] == f"there is a user called {ada.name} already"


def test_a_name_that_is_none_is_refused(service: Client) -> None:
    for name in ["", "a", "Ada", "ada lovelace", "ada\n", "ada\0", "1ada", "a" * 41, 7, None]:
        answer = service.post("/users", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 422
        assert [fault["loc"] for fault in answer.json()["errors"]] == [["body", "name"]]


def test_all_that_is_wrong_is_told_at_once(service: Client) -> None:
    answer = service.post("/users", json={"name": "", "password": "short"})
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["body", "name"], ["body", "password"]]


def test_a_wrong_password_and_a_wrong_name_are_answered_alike(service: Client, ada: Person) -> None:
    answers = [
        service.post("/token", data={"grant_type": "password", "username": name, "password": password})
        for name, password in [(ada.name, PASSWORD + "!"), ("nobody", PASSWORD)]
    ]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["error"] == "invalid_grant"  # RFC 6749 §5.2


def test_a_token_is_not_to_be_stored_on_the_way(service: Client, ada: Person) -> None:
    """RFC 6749 §5.1."""
    form = {"grant_type": "password", "username": ada.name, "password": PASSWORD}
    answer = service.post("/token", data=form)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["token_type"] == "bearer"


def test_without_a_token_of_ours_there_is_a_401_with_a_challenge(service: Client) -> None:
    for field in ["", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer ä"]:
        answer = service.get("/users/me", headers={b"authorization": field.encode()} if field else {})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_is_good_until_its_user_logs_out(service: Client, ada: Person) -> None:
    other = {"authorization": f"Bearer {log_in(service, ada.name)}"}
    assert service.get("/users/me", headers=other).status_code == 200
    assert service.delete("/token", headers=other).status_code == 204
    assert service.get("/users/me", headers=other).status_code == 401
    ada.ask("GET", "/users/me")


def test_a_token_is_good_for_its_time_alone(settings: Settings) -> None:
    with Client(create_app(msgspec.structs.replace(settings, token_seconds=0))) as client:
        person = Person(client)
        person.ask("GET", "/users/me", 401)


def test_a_hash_says_nothing_of_its_password_and_two_are_different() -> None:
    first, second = hash_password("one", 2), hash_password("one", 2)
    assert first != second
    assert "one" not in first
    assert verify_password("one", first)
    assert not verify_password("two", first)


def test_a_password_stays_good_when_the_cost_is_raised() -> None:
    assert verify_password("one", hash_password("one", 2**4))
