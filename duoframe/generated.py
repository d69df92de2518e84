"""Functions that are written when the application is put together, and that tracebacks can show.

Knows source text; must not know what it says: `signatures` and `binding` write it.
"""

from __future__ import annotations

import linecache
from collections.abc import Mapping
from typing import Any


def generate(source: str, name: str, names: Mapping[str, Any], subject: str) -> Any:  # Any: what the source defines
    """What ``source``, which knows ``names`` and the built-in ones, defines as ``name`` for the sake of ``subject``."""
    filename = f"<duoframe call of {subject}>"
    count = 1
    while filename in linecache.cache and linecache.getlines(filename) != source.splitlines(keepends=True):
        count += 1
        filename = f"<duoframe call of {subject}, {count}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)  # tracebacks show the generated lines
    space = dict(names)
    exec(compile(source, filename, "exec"), space)
    return space[name]
