"""Calls that hold up an event loop: which are known, and what becomes of each in an `async def`.

Knows names and calls; `fetching` knows those of `requests`, which have a twin in httpx under conditions.
"""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from duoframe.migrate.changes import Changes
from duoframe.migrate.sources import Edit, Source, walk

TWINS = {"time.sleep": "anyio.sleep"}
"""Calls whose twin takes the same arguments and is awaited."""

THREADED = frozenset(
    (
        "bcrypt.checkpw",
        "bcrypt.hashpw",
        "hashlib.pbkdf2_hmac",
        "hashlib.scrypt",
        "os.system",
        "shutil.copy",
        "shutil.copy2",
        "shutil.copyfile",
        "shutil.copytree",
        "shutil.make_archive",
        "shutil.move",
        "shutil.rmtree",
        "shutil.unpack_archive",
        "socket.create_connection",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "subprocess.call",
        "subprocess.check_call",
        "subprocess.check_output",
        "subprocess.getoutput",
        "subprocess.getstatusoutput",
        "subprocess.run",
        "urllib.request.urlopen",
        "urllib.request.urlretrieve",
        "werkzeug.security.check_password_hash",
        "werkzeug.security.generate_password_hash",
    )
)
"""Plain calls that a worker thread can make as well: they hold nothing that belongs to a thread."""

_FILE = "it waits for a file on the loop's thread: `anyio.open_file` does not, nor does a worker thread"
_DATABASE = (
    "a database call on the loop's thread, where its connection belongs: an async driver would wait with `await`"
)
NOTED = {
    "builtins.open": _FILE,
    **dict.fromkeys(("psycopg.connect", "psycopg2.connect", "sqlite3.connect"), _DATABASE),
    "smtplib.SMTP": "it waits for a mail server on the loop's thread: move what uses it to `anyio.to_thread.run_sync`",
}
"""Calls that are left where they are, and why."""

NOTED_METHODS = {
    **dict.fromkeys(("read_bytes", "read_text", "write_bytes", "write_text"), _FILE),
    **dict.fromkeys(
        ("commit", "execute", "executemany", "executescript", "fetchall", "fetchmany", "fetchone", "rollback"),
        _DATABASE,
    ),
}
"""Methods that are left, whatever they belong to."""


def called(source: Source, call: cst.Call) -> str:
    """The dotted name of what is called, as it was imported or built in; empty where that cannot be told."""
    return source.imported(call.func) or source.builtin(call.func) or ""


def calls(view: cst.FunctionDef) -> Iterator[cst.Call]:
    """The calls in the body of a view, those in functions inside it too."""
    return walk(view.body, cst.Call)


def hindrance(source: Source, call: cst.Call, view: cst.FunctionDef) -> str | None:
    """Why nothing can be awaited where a call stands in a view; None where it can."""
    inner: cst.CSTNode = call
    comprehension: cst.CSTNode | None = None
    for node in source.ancestors(call):
        if node is view:
            return None
        if isinstance(node, cst.FunctionDef | cst.Lambda | cst.ClassDef):
            inside = "class" if isinstance(node, cst.ClassDef) else "function"
            return f"it is in a {inside} inside the view"
        if isinstance(node, cst.CompFor):
            comprehension = inner
        if isinstance(node, cst.GeneratorExp) and not (inner is node.for_in and comprehension is node.for_in.iter):
            return "it is in a generator expression"
        inner = node
    raise ValueError("expected a call in the view")  # pragma: no cover - `calls` gives those alone


def settle(changes: Changes, view: cst.FunctionDef, call: cst.Call) -> set[str]:
    """Make one known call of a view wait without holding up the loop, or tell why it stays; the modules it needs."""
    source = changes.source
    name = called(source, call)
    if name in TWINS or name in THREADED:
        hindered = hindrance(source, call, view)
        if hindered is not None:
            changes.left(call, f"{name}()", f"it still blocks: {hindered}")
        elif name in TWINS:
            changes.replace(call.func, TWINS[name])
            wait(changes, call)
            return {"anyio"}
        else:
            return thread(changes, call)
        return set()
    attribute = call.func.attr.value if isinstance(call.func, cst.Attribute) else ""
    reason = NOTED.get(name) or NOTED_METHODS.get(attribute)
    if reason is not None:
        changes.left(call, f"{source.code(call.func).splitlines()[-1].strip()}()", reason)
    return set()


def thread(changes: Changes, call: cst.Call) -> set[str]:
    """Let a worker thread make a call, and wait for it; the modules that needs."""
    source = changes.source
    opening = source.end(call.func)
    inside = opening + len(source.text(opening, source.end(call)).partition("(")[0]) + 1
    named = any(argument.keyword is not None or argument.star == "**" for argument in call.args)
    comma = "" if not call.args else "," if source.text(inside, inside + 1).isspace() else ", "
    changes.edits.append(Edit(opening, inside, comma))
    wait(changes, call, "anyio.to_thread.run_sync(" + ("functools.partial(" if named else ""), ")" if named else "")
    return {"anyio", "functools"} if named else {"anyio"}


def wait(changes: Changes, call: cst.Call, before: str = "", after: str = "") -> None:
    """Put ``await`` in front of a call, in brackets where something is asked of what it gives."""
    source = changes.source
    above = source.parent(call)
    asked = isinstance(above, cst.Attribute | cst.Subscript | cst.Call) and not call.lpar
    changes.insert(source.start(call), f"{'(' if asked else ''}await {before}")
    changes.insert(source.end(call), f"{after}{')' if asked else ''}")
