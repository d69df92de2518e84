"""Files as answers, against Flask's: what is said of them, what is sent, and what is never found."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.flask.oracle import Side, side

__all__ = ["side"]

MOMENT = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, content in {
        "a.txt": "hello",
        "a.tar.gz": "gz",
        "a.svg": "<svg/>",
        "a.json": "{}",
        "a.js": "1",
        "a.unknown": "?",
        "é ü.txt": "umlaut",
        "static/style.css": "css",
        "files/sub/a.txt": "below",
        "files/.env": "SECRET",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        os.utime(path, (MOMENT.timestamp(), MOMENT.timestamp()))
    (tmp_path / "files" / "out.txt").symlink_to(tmp_path / "a.txt")
    (tmp_path / "files" / "in.txt").symlink_to(tmp_path / "files" / "sub" / "a.txt")
    return tmp_path


Answer = Callable[..., Any]


@pytest.fixture
def answer(side: Side, root: Path) -> Iterator[Answer]:
    """The answer of a view that gives what ``call(names)`` does."""
    answers: list[Any] = []

    def answer(call: Callable[[Any], Any], **options: Any) -> Any:
        app = side.app(root_path=str(root))
        answers.append(side.get(app, lambda: call(side.names), **options))
        return answers[-1]

    yield answer
    for given in answers:
        given.close()  # Flask's hold their files until then


@pytest.mark.parametrize(
    ("name", "options", "media_type", "disposition"),
    [
        ("a.txt", {}, "text/plain; charset=utf-8", "inline; filename=a.txt"),
        ("a.svg", {}, "image/svg+xml; charset=utf-8", "inline; filename=a.svg"),
        ("a.json", {}, "application/json", "inline; filename=a.json"),
        ("a.js", {}, "text/javascript; charset=utf-8", "inline; filename=a.js"),
        ("a.unknown", {}, "application/octet-stream", "inline; filename=a.unknown"),
        ("a.tar.gz", {}, "application/x-tar", "inline; filename=a.tar.gz"),
        ("a.txt", {"mimetype": "text/x-own"}, "text/x-own; charset=utf-8", "inline; filename=a.txt"),
        ("a.txt", {"as_attachment": True}, "text/plain; charset=utf-8", "attachment; filename=a.txt"),
        ("a.txt", {"download_name": "b.json"}, "application/json", "inline; filename=b.json"),
        (
            "a.tar.gz",
            {"as_attachment": True, "download_name": "b.gz"},
            "application/octet-stream",
            "attachment; filename=b.gz",
        ),
    ],
)
def test_what_is_said_of_a_file(
    answer: Answer, name: str, options: dict[str, Any], media_type: str, disposition: str
) -> None:
    sent = answer(lambda names: names.send_file(name, **options))
    assert sent.status_code == 200
    assert sent.headers["content-type"] == media_type
    assert sent.headers["content-disposition"].replace('"', "") == disposition
    encoded = name.endswith(".gz") and not options
    assert sent.headers.get("content-encoding") == ("gzip" if encoded else None)
    assert sent.headers["last-modified"] == "Thu, 29 Feb 2024 12:30:00 GMT"
    assert sent.headers["cache-control"] == "no-cache"
    assert sent.headers["etag"].startswith('"')


def test_a_name_that_is_not_ascii_is_said_twice(answer: Answer) -> None:
    sent = answer(lambda names: names.send_file("é ü.txt"))
    assert sent.headers["content-disposition"].endswith("filename*=UTF-8''%C3%A9%20%C3%BC.txt")


@pytest.mark.parametrize("kind", ["str", "path", "absolute", "bytes", "file"])
def test_paths_and_open_files_are_sent(answer: Answer, root: Path, kind: str) -> None:
    opened: list[Any] = []

    def file() -> Any:
        opened.append((root / "a.txt").open("rb"))
        return opened[-1]

    given: dict[str, Callable[[], Any]] = {
        "str": lambda: "a.txt",
        "path": lambda: Path("a.txt"),
        "absolute": lambda: root / "a.txt",
        "bytes": lambda: io.BytesIO(b"hello"),
        "file": file,
    }
    sent = answer(lambda names: names.send_file(given[kind](), download_name="a.txt"))
    assert sent.get_data() == b"hello"
    sent.close()
    assert all(file.closed for file in opened)


def test_an_open_file_without_a_name_needs_a_type(answer: Answer) -> None:
    sent = answer(lambda names: names.send_file(io.BytesIO(b"x"), mimetype="text/plain"))
    assert (sent.get_data(), sent.headers.get("content-disposition")) == (b"x", None)
    for options in ({}, {"as_attachment": True, "mimetype": "text/plain"}):
        with pytest.raises(TypeError, match="download_name"):
            answer(lambda names, options=options: names.send_file(io.BytesIO(b"x"), **options))
    with pytest.raises((TypeError, ValueError), match="binary"):
        answer(lambda names: names.send_file(io.StringIO("x"), mimetype="text/plain"))


@pytest.mark.parametrize(("name", "error"), [("missing", FileNotFoundError), (".", IsADirectoryError)])
def test_a_path_that_is_no_file_is_the_error_of_the_system(answer: Answer, name: str, error: type[OSError]) -> None:
    with pytest.raises(error):
        answer(lambda names: names.send_file(name, mimetype="text/plain"))


def test_an_option_that_cannot_be_said_closes_the_file(side: Side, answer: Answer) -> None:
    """Flask leaves it open."""
    if not side.real:
        with pytest.raises(ValueError, match="expected a moment"):
            answer(lambda names: names.send_file("a.txt", last_modified=10.0**20))


def test_a_charset_that_is_said_is_not_said_twice(side: Side, answer: Answer) -> None:
    sent = answer(lambda names: names.send_file("a.txt", mimetype="text/x-own; charset=latin-1"))
    if not side.real:
        assert sent.headers["content-type"] == "text/x-own; charset=latin-1"


# How long it may be kept


@pytest.mark.parametrize(
    ("max_age", "cache_control"),
    [(60, "public, max-age=60"), (0, "no-cache, max-age=0"), (lambda path: 5, "public, max-age=5")],
)
def test_how_long_it_may_be_kept(answer: Answer, max_age: Any, cache_control: str) -> None:
    sent = answer(lambda names: names.send_file("a.txt", max_age=max_age))
    assert set(sent.headers["cache-control"].split(", ")) == set(cache_control.split(", "))
    assert sent.headers["expires"].endswith(" GMT")


def test_the_application_says_how_long_where_nobody_else_does(side: Side, root: Path) -> None:
    app = side.app(root_path=str(root))
    app.config["SEND_FILE_MAX_AGE_DEFAULT"] = 30
    with side.client(app).get("/static/style.css") as sent:
        assert "max-age=30" in sent.headers["cache-control"]


# Conditions and parts


@pytest.mark.parametrize(
    ("options", "headers", "status", "body"),
    [
        ({}, {"if-modified-since": "Thu, 29 Feb 2024 12:30:00 GMT"}, 304, b""),
        ({"conditional": False}, {"if-modified-since": "Thu, 29 Feb 2024 12:30:00 GMT"}, 200, b"hello"),
        ({"etag": "own"}, {"if-none-match": '"own"'}, 304, b""),
        ({"etag": "own"}, {"if-none-match": '"other"'}, 200, b"hello"),
        ({"etag": "own", "conditional": False}, {"if-none-match": '"own"'}, 200, b"hello"),
        ({"etag": False, "last_modified": 0}, {"if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 304, b""),
        ({}, {"range": "bytes=1-2"}, 206, b"el"),
        ({"conditional": False}, {"range": "bytes=1-2"}, 200, b"hello"),
    ],
)
def test_conditions_and_ranges_are_kept(
    answer: Answer, options: dict[str, Any], headers: dict[str, str], status: int, body: bytes
) -> None:
    sent = answer(lambda names: names.send_file("a.txt", **options), headers=headers)
    assert (sent.status_code, sent.get_data()) == (status, body)


def test_an_entity_tag_may_be_one_s_own_or_none(answer: Answer) -> None:
    assert answer(lambda names: names.send_file("a.txt", etag="own")).headers["etag"] == '"own"'
    assert "etag" not in answer(lambda names: names.send_file("a.txt", etag=False)).headers
    sent = answer(lambda names: names.send_file("a.txt", last_modified=datetime(2020, 1, 1, tzinfo=UTC)))
    assert sent.headers["last-modified"] == "Wed, 01 Jan 2020 00:00:00 GMT"


def test_a_range_that_is_not_there_is_refused(answer: Answer) -> None:
    assert answer(lambda names: names.send_file("a.txt"), headers={"range": "bytes=10-"}).status_code == 416


# Below a directory


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("sub/a.txt", 200),
        ("in.txt", 200),
        ("missing", 404),
        ("sub", 404),
        ("", 404),
        ("../a.txt", 404),
        ("sub/../../a.txt", 404),
        ("/etc/passwd", 404),
        ("a\x00b", 404),
        ("x" * 300, 404),
        ("sub/a.txt/b", 404),
    ],
)
def test_only_what_lies_below_the_directory_is_sent(answer: Answer, path: str, status: int) -> None:
    """R1: whatever the path."""
    sent = answer(lambda names: names.send_from_directory("files", path))
    assert sent.status_code == status
    if status == 200:
        assert sent.get_data() == b"below"
        assert sent.headers["content-disposition"].startswith("inline; filename=")


@pytest.mark.parametrize("path", [".env", "out.txt"])
def test_what_is_hidden_or_linked_outside_is_not_found_here(side: Side, answer: Answer, path: str) -> None:
    sent = answer(lambda names: names.send_from_directory("files", path))
    assert sent.status_code == (200 if side.real else 404)
    sent.close()


def test_a_directory_that_is_missing_has_no_files(answer: Answer) -> None:
    assert answer(lambda names: names.send_from_directory("nowhere", "a.txt")).status_code == 404


def test_the_options_of_a_file_hold_below_a_directory(answer: Answer) -> None:
    sent = answer(lambda names: names.send_from_directory("files", "sub/a.txt", as_attachment=True, max_age=5))
    assert sent.headers["content-disposition"].startswith("attachment")
    assert "max-age=5" in sent.headers["cache-control"]


def test_a_trouble_of_the_system_is_no_missing_file(
    side: Side, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from duoframe.contrib.trees import Tree

    if side.real:
        return

    def fail(self: Any, names: Any) -> Any:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(Tree, "open", fail)
    with pytest.raises(OSError, match="broken"):
        answer(lambda names: names.send_from_directory("files", "sub/a.txt"))


def test_the_static_folder_is_sent(side: Side, root: Path) -> None:
    client = side.client(side.app(root_path=str(root)))
    with client.get("/static/style.css") as sent:
        assert (sent.get_data(), sent.headers["content-type"]) == (b"css", "text/css; charset=utf-8")
    assert client.get("/static/../a.txt").status_code == 404
    assert client.get("/static/missing.css").status_code == 404
