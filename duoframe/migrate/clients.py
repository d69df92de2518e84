"""The client of httpx that an application holds for its views: where it is, and how it gets there.

Knows applications and their lifespans; `fetching` says whether one is needed.
"""

from __future__ import annotations

import libcst as cst

from duoframe.migrate.changes import Changes
from duoframe.migrate.sources import Source, walk

CLIENT = "current_app.state.http"
"""How a view reaches it."""

FLASK = ("duoframe.flask.Flask", "duoframe.flask.app.Flask")

NEEDED = ("cookiejar", "httpx")
"""What `additions` has to import for it."""

_LIFESPAN = """\
@{app}.lifespan
async def http_client():
    # Like requests.get: it follows redirects, waits without a limit, and keeps no cookies.
    jar = cookiejar.CookieJar(cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(cookies=jar, follow_redirects=True, timeout=None) as client:
        yield {{"http": client}}
"""


def applications(source: Source) -> list[tuple[cst.SimpleStatementLine, str]]:
    """The statements of a module that make an application, each with the name it is given."""
    found = []
    for line in walk(source.module, cst.SimpleStatementLine):
        for statement in line.body:
            if isinstance(statement, cst.Assign | cst.AnnAssign) and isinstance(statement.value, cst.Call):
                target = statement.targets[0].target if isinstance(statement, cst.Assign) else statement.target
                if source.imported(statement.value.func) in FLASK and isinstance(target, cst.Name):
                    found.append((line, target.value))
    return found


def holds_client(source: Source) -> bool:
    """Whether a lifespan of the module yields a client by the name that views reach it by."""
    return any(
        isinstance(decorator.decorator, cst.Attribute)
        and decorator.decorator.attr.value == "lifespan"
        and any(
            isinstance(word, cst.SimpleString) and word.raw_value == "http"
            for word in walk(function.body, cst.SimpleString)
        )
        for function in walk(source.module, cst.FunctionDef)
        for decorator in function.decorators
    )


def add_client(changes: Changes, line: cst.SimpleStatementLine, app: str) -> None:
    """Put the lifespan of the client behind the statement that makes its application."""
    source = changes.source
    indent = source.indent(line)
    gap = source.newline * (1 if indent else 2)
    at = source.next_line(source.end(line))
    ends = source.text(at - 1, at) == "\n"
    followed = source.text(at, source.line_end(at)).strip()
    code = "".join(f"{indent}{text}{source.newline}" for text in _LIFESPAN.format(app=app).splitlines())
    changes.insert(at, f"{'' if ends else source.newline}{gap}{code}{gap if followed else ''}")
