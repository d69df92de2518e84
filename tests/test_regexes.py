"""The regular expressions of the package: none is made of what a client sent, none gets slow on any text."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import duoframe
from duoframe.patterns import CONVERTERS
from tests.ambiguity import fault

PACKAGE = Path(duoframe.__file__).parent
FUNCTIONS = ("compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer", "template")
SEARCHING = {"search", "sub", "subn", "split", "findall", "finditer"}


NO_CLIENTS = tuple(f"duoframe.{room}" for room in ("testing", "finding", "check", "migrate", "cli", "__main__"))
"""What reads no text of a client's: the test client itself, and what reads the sources of a developer."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("duoframe", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
        if not name.startswith(NO_CLIENTS):
            yield name, ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls of functions of `re`."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in FUNCTIONS
        ):
            yield node


def is_constant(node: ast.expr, constants: set[str]) -> bool:
    """Whether an expression is made of literals and of constants of its module alone."""
    allowed = ast.Constant | ast.JoinedStr | ast.FormattedValue | ast.BinOp | ast.operator | ast.expr_context
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            if part.id not in constants:
                return False
        elif not isinstance(part, allowed | ast.Call | ast.Attribute):
            return False
    return True


def test_no_expression_is_made_of_what_a_client_sent() -> None:
    """R71: every pattern is a constant of its module or of `grammar`; what an application writes is its own."""
    made = []
    for name, tree in modules():
        constants = {target.id for target in assigned(tree)} | {
            alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.module == "duoframe.grammar"
            for alias in node.names
        }
        made += [f"{name}:{call.lineno}" for call in calls(tree) if not is_constant(call.args[0], constants)]
    assert {place.split(":")[0] for place in made} == {
        "duoframe.constraints",
        "duoframe.flask.converters",
        "duoframe.patterns",
    }


def expressions() -> Iterator[Any]:
    """Every compiled pattern that a module holds, with how it is used there."""
    for name, tree in modules():
        held = vars(importlib.import_module(name))
        used: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.setdefault(node.value.id, set()).add(node.attr)
        for variable in sorted({target.id for target in assigned(tree)} & held.keys()):
            value = held[variable]
            for number, pattern in enumerate(value if isinstance(value, tuple) else (value,)):
                if isinstance(pattern, re.Pattern):
                    yield pytest.param(pattern, used.get(variable, set()), id=f"{name}.{variable}-{number}")
        for call in calls(tree):
            if call.func.attr != "compile" and is_constant(call.args[0], set(held)):  # type: ignore[attr-defined]  # `calls` looked
                pattern = re.compile(eval(ast.unparse(call.args[0]), held))
                yield pytest.param(pattern, {call.func.attr}, id=f"{name}:{call.lineno}")  # type: ignore[attr-defined]  # as above


def assigned(tree: ast.Module) -> Iterator[ast.Name]:
    """The names that a module itself gives a value."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            yield from (target for target in node.targets if isinstance(target, ast.Name))


BOUNDED = {
    "duoframe.contrib.staticfiles._HASHED-0": "the path of a file that exists, which the system keeps short",
    "duoframe.flask.converters._GROUP-0": "an expression that an application has written",
    "duoframe.flask.requests._NOT_ASCII-0": "each run of what it takes matches as a whole, and is not looked at again",
    "duoframe.peek._SECRET_PAIR-0": "a text of the debug page, cut before",
}
"""Expressions that could get slow, and why the text that they read is short."""


@pytest.mark.parametrize(("pattern", "methods"), [one for one in expressions() if one.id not in BOUNDED])
def test_no_expression_gets_slow_on_any_text(pattern: re.Pattern[Any], methods: set[str]) -> None:
    """R71."""
    searched = bool(methods & SEARCHING)
    may_end = bool(methods) and "fullmatch" not in methods
    assert fault(pattern, searched=searched, may_end=may_end) is None


@pytest.mark.parametrize("name", sorted(CONVERTERS))
def test_a_part_of_a_path_is_read_in_one_way(name: str) -> None:
    """R71."""
    assert fault(re.compile(CONVERTERS[name].pattern)) is None


# The linter itself: a test that cannot fail is none.


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"(a+)+b", "exponential"),
        (r"(a|a)*b", "exponential"),
        (r"(a|aa)*b", "exponential"),
        (r"(\w+\s?)*!", "exponential"),
        (r"(?:[^,]|\\.)*,", "exponential"),
        (r"(?:ab|\wb)*c", "exponential"),
        (r"(?i:(?:kb|Kb|x)*)c", "exponential"),
        (r"a*a*b", "polynomial"),
        (r"\d+\d+x", "polynomial"),
        (r"[ \t]*;?[ \t]*x", "polynomial"),
        (r"a*a*+b", "polynomial"),
        (r"(?:ab)*+(?:ab)*+a*?a*b", "polynomial"),
        (r"a*b", None),
        (r"a*+a*b", None),
        (r"(?:a++)+b", None),
        (r"(a+,)+b", None),
        (r"[ \t]*;[ \t]*x", None),
        (r"[0-9]{1,18}[0-9]*x", None),
        (r'"(?:[^"\\]|\\.)*"', None),
    ],
)
def test_the_linter_finds_what_gets_slow(pattern: str, found: str | None) -> None:
    assert fault(re.compile(pattern)) == found


def test_the_linter_knows_how_a_pattern_is_used() -> None:
    assert fault(re.compile(r"\s+x"), searched=True) == "polynomial"
    assert fault(re.compile(r"\s+x")) is None
    assert fault(re.compile(r"\s+"), searched=True, may_end=True) is None
    assert fault(re.compile(r"\s+\Z"), searched=True, may_end=True) == "polynomial"


def test_every_exception_is_still_there() -> None:
    assert set(BOUNDED) <= {one.id for one in expressions()}
