"""What is told of an exception: its chain, its calls, the source, the variables; and that nothing of it is kept."""

from __future__ import annotations

import ast
import gc
import traceback
import types
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duoframe.tracebacks import (
    AROUND,
    EXCEPTIONS,
    INNER_CALLS,
    MESSAGE,
    OUTER_CALLS,
    VARIABLES,
    WIDTH,
    Call,
    Fault,
    as_text,
    tell,
)


def raised(run: Callable[[], object]) -> Exception:
    try:
        run()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def calls(fault: Fault) -> list[Call]:
    return [call for call in fault.calls if isinstance(call, Call)]


def innermost(run: Callable[[], object]) -> Call:
    return calls(tell(raised(run), True)[0])[-1]


def module(tmp_path: Path, source: str) -> Any:
    """A module of a file, so that it has source."""
    path = tmp_path / "made.py"
    path.write_text(source, encoding="utf-8")
    made = types.ModuleType("made")
    exec(compile(source, str(path), "exec"), vars(made))
    return made


# What led to it


class Own(Exception):
    pass


def fail(kind: type[Exception]) -> None:
    raise kind("inner")


def cause() -> None:
    try:
        fail(KeyError)
    except KeyError as error:
        raise Own("outer") from error


def context() -> None:
    try:
        fail(KeyError)
    except KeyError:
        raise Own("outer")  # noqa: B904  that is the point


def neither() -> None:
    try:
        fail(KeyError)
    except KeyError:
        raise Own("outer") from None


def grouped() -> None:
    raise ExceptionGroup("g", [ValueError("x")])


@pytest.mark.parametrize(
    ("run", "chain"),
    [
        (cause, [("", "outer"), ("cause", "'inner'")]),
        (context, [("", "outer"), ("context", "'inner'")]),
        (neither, [("", "outer")]),
    ],
)
def test_a_chain_is_told_newest_first(run: Callable[[], None], chain: list[tuple[str, str]]) -> None:
    assert [(fault.chained, fault.text) for fault in tell(raised(run), False)] == chain


def test_a_kind_is_named_with_its_module_unless_it_is_pythons_own() -> None:
    assert [fault.kind for fault in tell(raised(cause), False)] == [f"{__name__}.Own", "KeyError"]


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert [fault.text for fault in tell(first, True)] == ["first", "second"]


def test_a_long_chain_is_cut() -> None:
    error = ValueError("0")
    for number in range(1, 100_000):
        newer = ValueError(str(number))
        newer.__context__, error = error, newer
    assert len(tell(error, True)) == EXCEPTIONS


def test_the_members_of_a_group_are_told_each_with_what_led_to_it() -> None:
    group = ExceptionGroup("two", [raised(cause), ExceptionGroup("one", [ValueError("x")])])
    (fault,) = tell(group, False)
    assert fault.text == "two (2 sub-exceptions)"
    assert [[member.text for member in chain] for chain in fault.members] == [
        ["outer", "'inner'"],
        ["one (1 sub-exception)"],
    ]
    assert fault.members[1][0].members[0][0].text == "x"


@pytest.mark.parametrize("deep", [True, False])
def test_a_large_group_is_cut(deep: bool) -> None:
    group: ExceptionGroup[Exception] = ExceptionGroup("group", [ValueError(str(number)) for number in range(1000)])
    if deep:
        for _ in range(500):
            group = ExceptionGroup("group", [group])

    def count(chain: list[Fault]) -> int:
        return sum(1 + sum(map(count, fault.members)) for fault in chain)

    faults = tell(group, True)
    assert count(faults) == EXCEPTIONS
    assert len(as_text(faults)) == EXCEPTIONS


def test_an_exception_whose_text_cannot_be_had_says_so() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    error = Mute()
    error.__notes__ = ["one", Mute()]  # type: ignore[list-item]  # nobody checks them
    (fault,) = tell(error, True)
    assert fault.text == "(Mute whose str raised ZeroDivisionError)"
    assert fault.notes == ["one", "(Mute whose str raised ZeroDivisionError)"]
    error.__notes__ = 5  # type: ignore[assignment]  # as above
    assert tell(error, True)[0].notes == []


def test_a_long_text_is_cut() -> None:
    assert tell(ValueError("x" * 100_000), True)[0].text == "x" * MESSAGE + "…"


def test_an_exception_that_was_never_raised_has_no_calls() -> None:
    assert tell(ValueError("x"), True) == [Fault("ValueError", "x", [], "", [], [])]
    assert as_text(tell(ValueError(), True)) == ["ValueError"]


# Calls


SOURCE = """\
# one
# two
# three
# four
# five
# six
def add(number, é):
    return number + (é["a"] +
        é["b"])
# ten
def whole():
    fail()
def fail():
    raise ValueError(
        "x"
    )
"""


def test_the_source_around_the_line_is_told_with_the_columns_that_failed(tmp_path: Path) -> None:
    made = module(tmp_path, SOURCE)
    call = innermost(lambda: made.add(1, {"a": 1}))
    assert (call.file, call.line, call.function, call.origin) == (str(tmp_path / "made.py"), 9, "add", "application")
    lines = SOURCE.splitlines()
    assert [line.number for line in call.source] == list(range(9 - AROUND, 9 + AROUND + 1))
    assert [line.text for line in call.source] == lines[9 - AROUND - 1 : 9 + AROUND]
    assert [line.number for line in call.source if line.failed] == [9]
    assert [line.marked for line in call.source if line.failed] == [(8, 14)]
    assert lines[8][8:14] == 'é["b"]'
    assert call.variables == [("number", "1"), ("é", "{'a': 1}")]


def test_what_goes_on_over_its_line_is_marked_to_its_end(tmp_path: Path) -> None:
    made = module(tmp_path, SOURCE)
    call = innermost(lambda: made.add("x", {"a": 1, "b": 2}))
    (failed,) = (line for line in call.source if line.failed)
    assert (failed.number, failed.marked) == (8, (11, len(failed.text)))


def test_a_line_that_failed_as_a_whole_has_no_mark(tmp_path: Path) -> None:
    made = module(tmp_path, SOURCE)
    for call in calls(tell(raised(made.whole), True)[0])[-2:]:
        assert [line.marked for line in call.source if line.failed] == [None]


def test_a_line_whose_columns_nobody_knows_has_no_mark(tmp_path: Path) -> None:
    """As with ``python -X no_debug_ranges``."""
    tree = ast.parse(SOURCE)
    for node in ast.walk(tree):
        if hasattr(node, "col_offset"):
            node.col_offset = node.end_col_offset = -1  # type: ignore[attr-defined]  # as it has one, it has the other
    made = module(tmp_path, SOURCE)
    exec(compile(tree, str(tmp_path / "made.py"), "exec"), vars(made))
    (failed,) = (line for line in innermost(lambda: made.add(1, {"a": 1})).source if line.failed)
    assert (failed.number, failed.marked) == (9, None)


def test_code_without_a_file_has_no_source() -> None:
    names: dict[str, Any] = {}
    exec(compile("def f():\n    1 / 0", "<made>", "exec"), names)
    assert innermost(names["f"]).source == []


def test_a_source_that_was_shortened_since_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    made = module(tmp_path, SOURCE)
    (tmp_path / "made.py").write_text("# one\n")
    assert innermost(made.whole).source == []


def test_a_long_line_is_cut(tmp_path: Path) -> None:
    made = module(tmp_path, "def f():\n    x = '" + "x" * 10_000 + "' + 1\n")
    assert [len(line.text) for line in innermost(made.f).source] == [len("def f():"), WIDTH]


def test_calls_of_libraries_and_of_the_framework_are_told_apart() -> None:
    from duoframe.responses import encode_json

    def through_a_library() -> None:
        Path("\0").read_text()

    assert innermost(through_a_library).origin == "library"
    call = innermost(lambda: encode_json(object()))
    assert (call.origin, call.variables, len(call.source)) == ("framework", [], 1)
    assert call.source[0].failed


def test_many_calls_are_cut_in_the_middle() -> None:
    def again(number: int) -> None:
        again(number + 1)

    (fault,) = tell(raised(lambda: again(0)), True)
    told = [call if isinstance(call, int) else dict(call.variables).get("number") for call in fault.calls]
    assert len(told) == OUTER_CALLS + 1 + INNER_CALLS
    assert isinstance(told[OUTER_CALLS], int)
    assert told[2:OUTER_CALLS] == [str(number) for number in range(OUTER_CALLS - 2)]
    assert f"  ({told[OUTER_CALLS]} calls are left out)" in as_text([fault])


# Variables


def test_only_so_many_variables_of_a_call_are_told() -> None:
    names = {f"name{number}": number for number in range(1000)}
    code = compile("1 / 0", "<made>", "exec")
    found = innermost(lambda: exec(code, names)).variables
    assert found[:2] == [("name0", "0"), ("name1", "1")]
    assert len(found) == VARIABLES


def test_what_a_module_is_born_with_is_not_told() -> None:
    code = compile("1 / 0", "<made>", "exec")
    assert innermost(lambda: exec(code, {"__name__": "made", "name": 1})).variables == [("name", "1")]


def test_secrets_are_masked() -> None:
    """R74."""

    def log_in(password: str) -> None:
        raise ValueError

    assert ("password", "********") in innermost(lambda: log_in("hunter2")).variables


CLOCK = [0.0]


class Slow:
    def __repr__(self) -> str:
        CLOCK[0] += 0.8
        return "slow"


def test_reprs_that_take_long_are_the_last_that_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duoframe.tracebacks.time.monotonic", lambda: CLOCK[0])

    def run() -> None:
        first, second, third = Slow(), Slow(), Slow()
        raise ValueError(first is second is third)

    assert innermost(run).variables == [
        ("first", "slow"),
        ("second", "slow"),
        ("third", "(not looked at: the values before it took too long)"),
    ]


# What is kept


def test_a_call_that_still_runs_lets_go_of_what_it_had() -> None:
    """Before Python 3.13 a look at a call's variables leaves a copy of them in its frame."""

    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    try:
        raise ValueError("x")
    except ValueError as error:
        faults = tell(error, True)
    assert "Thing object" in dict(calls(faults[0])[-1].variables)["thing"]
    del thing
    assert gone() is None


def test_the_variables_of_a_module_stay_what_they_are() -> None:
    names: dict[str, Any] = {"kept": 1}
    tell(raised(lambda: exec("class Inner:\n    inner = 2\n    1 / 0", names)), True)
    assert names["kept"] == 1


def test_nothing_of_an_exception_is_kept() -> None:
    def run() -> Iterator[BaseException]:
        for make in (cause, context, neither, grouped):
            yield raised(make)

    for error in run():
        as_text(tell(error, True))
        del error
    gc.collect()
    gc.disable()
    try:
        for error in run():
            as_text(tell(error, True))
            del error
        found = gc.collect()
    finally:
        gc.enable()
    assert found == 0


# As text


@pytest.mark.parametrize("run", [cause, context, neither])
def test_the_text_is_that_of_python_but_for_its_carets(run: Callable[[], None]) -> None:
    error = raised(run)
    error.add_note("a note\nof two lines")
    written = "".join(traceback.format_exception(error)).splitlines()
    assert as_text(tell(error, False)) == [line for line in written if set(line) - set(" ^~") or not line]


def test_the_members_of_a_group_are_indented() -> None:
    group = ExceptionGroup("g", [ValueError("x"), ExceptionGroup("i", [KeyError("y")])])
    assert as_text(tell(group, False)) == [
        "ExceptionGroup: g (2 sub-exceptions)",
        "  | ValueError: x",
        "  | ExceptionGroup: i (1 sub-exception)",
        "  |   | KeyError: 'y'",
    ]
