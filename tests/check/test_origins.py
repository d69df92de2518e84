"""Where a piece of code stands, through all that may be wrapped around it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from duoframe.check.origins import Origin, origin_of, parts_of, shown
from duoframe.docspage import add_page

HERE = Path(__file__)
LINES = HERE.read_text().splitlines()


def line_with(text: str) -> int:
    [found] = [number for number, line in enumerate(LINES, 1) if line.strip().startswith(text)]
    return found


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@logged
@functools.lru_cache(
    maxsize=3,
)
def decorated() -> None: ...


class Page:
    def show(self) -> None: ...

    async def __call__(self) -> None: ...


@dataclasses.dataclass
class Pagination:
    page: int = 1


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (decorated, "def decorated"),
        (functools.partial(functools.partial(decorated)), "def decorated"),
        (Page().show, "def show"),
        (Page(), "async def __call__"),
        (Pagination, "class Pagination"),
        (functools.partial(Pagination, page=2), "class Pagination"),
    ],
)
def test_the_line_is_that_of_the_definition(call: Any, text: str) -> None:
    origin = origin_of(call, "it")
    assert (origin.name, origin.file, origin.line) == ("it", str(HERE), line_with(text))
    assert not origin.ours


def test_a_lambda_stands_where_it_is_written() -> None:
    written = lambda: None  # noqa: E731
    assert origin_of(written).line == line_with("written = lambda")


@pytest.mark.parametrize("call", [len, dict, type("Made", (), {}), eval("lambda: None")])
def test_what_has_no_source_has_no_place(call: Any) -> None:
    origin = origin_of(call)
    assert (origin.file, origin.place, origin.ours) == (None, "", False)


def test_the_frameworks_own_code_is_called_by_its_name() -> None:
    assert origin_of(add_page).place == "duoframe"


def test_a_place_is_told_from_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE.parent.parent)
    assert origin_of(line_with).place == f"check/test_origins.py:{line_with('def line_with')}"
    monkeypatch.chdir(HERE.parent / "..")
    assert shown("/elsewhere/app.py", 3) == "/elsewhere/app.py:3"
    assert shown(None, None) == ""


def test_all_that_runs_is_found_outermost_first() -> None:
    names = [part.function.__name__ for part in parts_of(decorated)]
    assert names == ["decorated", "decorated"]
    assert parts_of(decorated)[-1].function.__code__ is not parts_of(decorated)[0].function.__code__
    page = Page()
    assert parts_of(page.show)[0].receiver is page
    assert parts_of(page)[0].receiver is page


def test_a_wrapper_that_wraps_itself_ends() -> None:
    def odd() -> None: ...

    odd.__wrapped__ = odd  # type: ignore[attr-defined]  # functions take attributes
    assert len(parts_of(odd)) == 1


def test_an_origin_without_a_file_has_no_line() -> None:
    assert Origin("x", None, None).place == ""
