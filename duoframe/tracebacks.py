"""What a traceback tells, as plain text: exceptions with what led to them, calls, source lines, variables.

Knows frames and keeps none: who holds a frame holds all that is in it. Must not know HTML nor requests; `peek` makes
text of values, `debugpage` a page of all this.
"""

from __future__ import annotations

import inspect
import linecache
import os
import sysconfig
import time
from itertools import islice
from types import FrameType, TracebackType
from typing import NamedTuple

from duoframe.peek import peek

EXCEPTIONS = 20
"""Exceptions that are told: what led to them and members of groups together."""

OUTER_CALLS, INNER_CALLS = 10, 30
"""Calls of one exception that are told: from where it was caught, and up to where it was raised."""

AROUND = 5
"""Source lines before and behind the one that failed."""

VARIABLES = 50
"""Variables of one call."""

MESSAGE = 4000
"""Characters of an exception's text, and of a note."""

WIDTH = 300
"""Characters of a source line."""

PATIENCE = 1.0
"""Seconds that all reprs together may take; when they are over, no further variable is looked at."""


class Line(NamedTuple):
    """One line of source."""

    number: int
    text: str
    failed: bool
    marked: tuple[int, int] | None
    """The columns of what failed, where it is not the whole line."""


class Call(NamedTuple):
    """One call on the way to an exception."""

    file: str
    line: int
    function: str
    origin: str
    """Whose code it is: ``"application"``, ``"library"`` or ``"framework"``."""
    source: list[Line]
    variables: list[tuple[str, str]]


class Fault(NamedTuple):
    """One exception."""

    kind: str
    text: str
    notes: list[str]
    chained: str
    """What it is to the fault before it in its list: its ``"cause"``, its ``"context"``, or ``""``."""
    calls: list[Call | int]
    """The outermost first; a number stands for so many that are not told."""
    members: list[list[Fault]]
    """The exceptions of a group, each with what led to it."""


def tell(error: BaseException, variables: bool) -> list[Fault]:
    """An exception, then what led to it, newest first; with ``variables``, the values of the variables too."""
    return _Teller(variables).chain(error)


def as_text(faults: list[Fault]) -> list[str]:
    """Lines as Python writes them: oldest first, each call with the line that failed."""
    lines: list[str] = []
    for fault in reversed(faults):
        if fault.calls:
            lines.append("Traceback (most recent call last):")
        for call in fault.calls:
            if isinstance(call, int):
                lines.append(f"  ({call} calls are left out)")
            else:
                lines.append(f'  File "{call.file}", line {call.line}, in {call.function}')
                lines += [f"    {line.text.strip()}" for line in call.source if line.failed]
        lines += (f"{fault.kind}: {fault.text}" if fault.text else fault.kind).split("\n")
        lines += [line for note in fault.notes for line in note.split("\n")]
        lines += [f"  | {line}" for member in fault.members for line in as_text(member)]
        if fault.chained:
            lines += ["", _CHAINED[fault.chained], ""]
    return lines


class _Teller:
    """Walks exceptions and counts them against the limits of this module."""

    def __init__(self, variables: bool) -> None:
        self._variables = variables
        self._left = EXCEPTIONS
        self._seen: set[int] = set()
        self._end = time.monotonic() + PATIENCE

    def chain(self, newest: BaseException) -> list[Fault]:
        found: list[Fault] = []
        error: BaseException | None = newest
        chained = ""
        while error is not None and self._left and id(error) not in self._seen:
            self._left -= 1
            self._seen.add(id(error))
            found.append(self._fault(error, chained))
            if error.__cause__ is not None:
                error, chained = error.__cause__, "cause"
            else:
                error, chained = (None if error.__suppress_context__ else error.__context__), "context"
        return found

    def _fault(self, error: BaseException, chained: str) -> Fault:
        kind = type(error)
        notes = getattr(error, "__notes__", None)
        return Fault(
            kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
            _text(error),
            [_text(note) for note in notes[:VARIABLES]] if isinstance(notes, list) else [],
            chained,
            self._calls(error.__traceback__),
            [self.chain(member) for member in error.exceptions[: self._left]]
            if isinstance(error, BaseExceptionGroup)
            else [],
        )

    def _calls(self, trace: TracebackType | None) -> list[Call | int]:
        traces: list[TracebackType] = []
        while trace is not None:
            traces.append(trace)
            trace = trace.tb_next
        untold = len(traces) - OUTER_CALLS - INNER_CALLS
        if untold <= 0:
            return [self._call(trace) for trace in traces]
        outer, inner = traces[:OUTER_CALLS], traces[-INNER_CALLS:]
        return [*(self._call(trace) for trace in outer), untold, *(self._call(trace) for trace in inner)]

    def _call(self, trace: TracebackType) -> Call:
        frame = trace.tb_frame
        code = frame.f_code
        origin = _origin(code.co_filename)
        framework = origin == "framework"
        return Call(
            code.co_filename,
            trace.tb_lineno,
            code.co_qualname,
            origin,
            _source(trace, 0 if framework else AROUND),
            self._values(frame) if self._variables and not framework else [],
        )

    def _values(self, frame: FrameType) -> list[tuple[str, str]]:
        variables = frame.f_locals
        values = []
        for name, value in list(islice(variables.items(), VARIABLES)):
            if name.startswith("__"):
                continue  # what a module is born with
            late = time.monotonic() > self._end
            values.append((name, "(not looked at: the values before it took too long)" if late else peek(name, value)))
        if type(variables) is dict and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            variables.clear()  # before Python 3.13 a copy that the frame keeps, and with it what was in its variables
        return values


def _text(value: object) -> str:
    try:
        text = str.__str__(str(value))
    except Exception as error:
        return f"({type(value).__name__} whose str raised {type(error).__name__})"
    return text if len(text) <= MESSAGE else text[:MESSAGE] + "…"


def _origin(file: str) -> str:
    if file.startswith((_PACKAGE, "<duoframe")):
        return "framework"
    return "library" if file.startswith(_LIBRARIES) else "application"


def _source(trace: TracebackType, around: int) -> list[Line]:
    """The line that failed, with so many before and behind it."""
    file, failed = trace.tb_frame.f_code.co_filename, trace.tb_lineno
    linecache.checkcache(file)
    lines = linecache.getlines(file, trace.tb_frame.f_globals)
    found = []
    for number in range(max(1, failed - around), min(len(lines), failed + around) + 1):
        text = lines[number - 1].rstrip()
        found.append(Line(number, text[:WIDTH], number == failed, _columns(trace, text) if number == failed else None))
    return found


def _columns(trace: TracebackType, text: str) -> tuple[int, int] | None:
    """The characters of the line that failed, where Python knows them and they are not all of it."""
    positions = islice(trace.tb_frame.f_code.co_positions(), max(trace.tb_lasti, 0) // 2, None)
    first, last, start, end = next(positions, (None, None, None, None))
    if first != trace.tb_lineno or start is None:
        return None
    line = text.encode()  # columns count bytes
    left = len(line[:start].decode(errors="replace"))
    right = len(line[:end].decode(errors="replace")) if last == first else len(text)
    return None if text[left:right].strip() == text.strip() else (left, right)


_CHAINED = {
    "cause": "The above exception was the direct cause of the following exception:",
    "context": "During handling of the above exception, another exception occurred:",
}
_PACKAGE = os.path.join(os.path.dirname(__file__), "")
_LIBRARIES = (
    "<frozen ",
    *(os.path.join(sysconfig.get_path(name), "") for name in ("stdlib", "platstdlib", "purelib", "platlib")),
)
