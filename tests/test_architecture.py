"""The plan of the house: which module may import which, what may stand where, and what a request may cost in calls."""

from __future__ import annotations

import ast
import asyncio
import io
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

import pytest

import duoframe
from duoframe import App, inline

PACKAGE = Path(duoframe.__file__).parent

FLOORS = [
    ["types", "errors", "faults", "limits", "grammar", "datastructures"],
    ["conditions", "ranges", "negotiation", "disposition", "caching"],
    ["cookies", "signing", "tagged", "bridge", "threads", "relay", "signals"],
    ["uploads", "parts", "body", "streams", "sessions"],
    ["requests", "responses", "answers", "redirects", "files", "patterns", "routing"],
    ["peek", "tracebacks", "errorpages", "debugpage"],
    ["params", "annotations", "constraints", "outlines", "misfits", "projections", "builders", "models", "shapes"],
    ["scalars", "texts"],
    ["documented", "security", "context", "logs", "generated", "signatures", "pieces", "representations", "contrib"],
    ["inputs", "groups", "readings", "lines", "from_text", "from_body", "binding"],
    ["needs", "plan", "middleware"],
    ["dependencies", "core", "watchdog", "runtime", "portal", "lifespan"],
    ["environ", "iterables", "relayed", "wsgi", "incoming", "live", "outgoing", "handshakes", "asgi"],
    ["foreign", "foreign_wsgi", "foreign_asgi", "foreign_lifespan", "mounting", "router"],
    ["components", "outcomes", "operations", "openapi", "docspage", "app", "__init__"],
    ["testing"],
    ["flask"],
    ["finding", "migrate", "check", "cli", "__main__"],
]
"""Lowest first. A module imports only from lower floors, or from what stands before it on its own."""

DOORS = {"environ", "iterables", "relayed", "wsgi", "incoming", "outgoing", "handshakes", "asgi", "testing"}
DOORS |= {"foreign", "foreign_wsgi", "foreign_asgi", "foreign_lifespan", "mounting"}
"""The modules that know a server protocol."""

FRAMES_BELOW_HANDLER = 6
CALLS_PER_REQUEST = 20
CALLS_PER_LAYER = 2


def rooms() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).with_suffix("").parts[0], path


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules of the package that a module imports anywhere, for type checkers too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "duoframe":
            for alias in node.names:
                yield alias.name if (PACKAGE / f"{alias.name}.py").exists() else "__init__"
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("duoframe."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("duoframe."))


def test_every_module_stands_on_a_floor() -> None:
    known = {room for floor in FLOORS for room in floor}
    assert {room for room, _ in rooms()} <= known


def test_modules_import_only_downwards() -> None:
    order = {room: place for place, room in enumerate(room for floor in FLOORS for room in floor)}
    upward = [
        f"{path.relative_to(PACKAGE)} imports {target}"
        for room, path in rooms()
        for target in imported(ast.parse(path.read_text()))
        if target != room and order[target] >= order[room]
    ]
    assert upward == []


def test_the_package_offers_its_public_names_and_nothing_else() -> None:
    offered = {
        name for name, value in vars(duoframe).items() if not name.startswith("_") and type(value).__name__ != "module"
    }
    assert offered == set(duoframe.__all__)
    assert list(duoframe.__all__) == sorted(duoframe.__all__)


def test_no_module_bears_a_public_name() -> None:
    assert {room for room, _ in rooms()} & set(duoframe.__all__) == set()


class Erased(ast.NodeTransformer):
    """A function with ``async``, ``await`` and its docstring taken out."""

    NAMES: ClassVar = {"anext": "next", "aiter": "iter", "asend": "send", "athrow": "throw", "aclose": "close"}

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.visit(node.value)  # type: ignore[no-any-return]  # what a transformer gives

    def visit_AsyncFor(self, node: ast.AsyncFor) -> ast.AST:
        self.generic_visit(node)
        return ast.For(target=node.target, iter=node.iter, body=node.body, orelse=node.orelse)

    def visit_AsyncWith(self, node: ast.AsyncWith) -> ast.AST:
        self.generic_visit(node)
        return ast.With(items=node.items, body=node.body)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self.NAMES.get(node.id, node.id), ctx=node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        return ast.Attribute(value=node.value, attr=self.NAMES.get(node.attr, node.attr), ctx=node.ctx)


def test_no_function_exists_twice_but_for_async() -> None:
    seen: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for _, path in rooms():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) is not None else node.body
                if not body or (len(body) == 1 and isinstance(body[0], ast.Expr | ast.Pass | ast.Raise)):
                    continue
                erased = "\n".join(ast.dump(Erased().visit(statement)) for statement in body)
                where = f"{path.relative_to(PACKAGE)}:{node.name}"
                seen[erased].append((isinstance(node, ast.AsyncFunctionDef), where))
    twins = [[where for _, where in places] for places in seen.values() if len({colour for colour, _ in places}) == 2]
    assert twins == []


def test_no_name_ends_in_sync_or_async() -> None:
    named = [
        f"{path.relative_to(PACKAGE)}:{node.name}"
        for _, path in rooms()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and node.name.endswith(("_sync", "_async"))
    ]
    assert named == []


def test_only_the_doors_ask_which_door_it_is() -> None:
    asked = []
    for room, path in rooms():
        if room in DOORS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.If | ast.IfExp | ast.Match):
                test = node.subject if isinstance(node, ast.Match) else node.test
                words = {
                    getattr(part, "id", getattr(part, "attr", getattr(part, "value", None))) for part in ast.walk(test)
                }
                asked += [
                    f"{path.name}:{node.lineno}" for word in words if word in ("wsgi", "asgi", "environ", "scope")
                ]
    assert asked == []


# What a request costs.


def is_ours(frame: FrameType) -> bool:
    name = frame.f_code.co_filename
    return name.startswith(("<duoframe", str(PACKAGE)))


def counted(run: Callable[[], object]) -> int:
    """How many Python calls of ours ``run`` makes; resuming a generator or a coroutine is one too."""
    calls = 0

    def profile(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and is_ours(frame)

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return calls


def below(frame: FrameType | None) -> int:
    """How many frames of ours stand below a handler's."""
    found = 0
    while frame is not None:
        found += is_ours(frame)
        frame = frame.f_back
    return found


def by_wsgi(app: App) -> Callable[[], object]:
    def run() -> bytes:
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/items/7",
            "QUERY_STRING": "",
            "SERVER_NAME": "x",
            "SERVER_PORT": "80",
            "HTTP_HOST": "x",
            "wsgi.input": io.BytesIO(),
        }
        return b"".join(app(environ, lambda status, headers, exc_info=None: lambda data: None))

    return run


async def nothing_comes() -> Any:
    raise AssertionError("a request without a body is answered without asking for it")


async def drop(_: object) -> None:
    """A `send` that takes anything."""


def by_asgi(app: App) -> Callable[[], object]:
    """One call of the door, stepped by hand so that no event loop's work is counted."""

    def run() -> None:
        scope = {"type": "http", "method": "GET", "path": "/items/7", "headers": [(b"host", b"x")]}
        coroutine: Any = app(scope, nothing_comes, drop)
        with pytest.raises(StopIteration):
            coroutine.send(None)

    return run


@pytest.fixture(params=["def behind WSGI", "async def behind ASGI"])
def measured(request: pytest.FixtureRequest) -> Iterator[Callable[[int], tuple[int, int]]]:
    """Measures a plain route inside so many layers of middleware: calls of ours, and frames below the handler."""
    apps: list[App] = []
    frames: list[int] = []

    def measure(layers: int) -> tuple[int, int]:
        app = App()
        apps.append(app)
        for _ in range(layers):

            @app.middleware
            @inline
            def layer(request: Any) -> Iterator[Any]:
                yield

        if request.param == "def behind WSGI":

            @app.get("/items/{number:int}")
            def item(number: int) -> str:
                frames.append(below(sys._getframe(1)))
                return "x"

            app.startup()
            run = by_wsgi(app)
            run()
            return counted(run), frames[-1]

        @app.get("/items/{number:int}")
        async def waiting_item(number: int) -> str:
            frames.append(below(sys._getframe(1)))
            return "x"

        async def main() -> int:
            await app.ensure_started(app.runtime())
            run = by_asgi(app)
            run()
            return counted(run)

        return asyncio.run(main()), frames[-1]

    yield measure
    for app in apps:
        app.shutdown()


def test_a_plain_request_stays_below_the_ceilings(measured: Callable[[int], tuple[int, int]]) -> None:
    calls, frames = measured(0)
    assert calls <= CALLS_PER_REQUEST
    assert frames <= FRAMES_BELOW_HANDLER


def test_a_layer_of_middleware_adds_few_calls(measured: Callable[[int], tuple[int, int]]) -> None:
    one, four = measured(1)[0], measured(4)[0]
    assert four - one <= 3 * CALLS_PER_LAYER
