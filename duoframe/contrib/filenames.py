"""Which file names a path of a URL may stand for: a decision about text alone, made before any file is looked at.

Knows what a name can mean to a system beside itself; must not touch a file system, where already the question whether
``//server/share`` exists can do harm. `trees` opens what the names lead to.
"""

from __future__ import annotations

import ntpath
import os
import re
from types import ModuleType

LONGEST_NAME = 255
"""Bytes; no file system in use takes more."""

LONGEST_PATH = 4096
"""Characters; what Linux takes in one path."""

# Neither "." nor ".." nor a hidden file, but for ".well-known" (RFC 8615). No control characters, which no message
# should repeat; no backslash, which proxies and browsers read as a slash; no surrogates, which no UTF-8 decodes to.
_PLAIN = re.compile(r"(?!\.(?!well-known\Z))[^\x00-\x1f\x7f/\\\ud800-\udfff]+\Z")

# On Windows also no drive and no stream (":"), no wildcard, no dot or space at the end, which it drops, no short name
# ("PROGRA~1"), and no device: "nul", "NUL .txt", "com1.html"; any character behind "com" and "lpt" counts as a digit,
# because more of them do than 0 to 9.
_PLAIN_ON_WINDOWS = re.compile(
    r"(?!\s*(?:aux|con|nul|prn|clock\$|conin\$|conout\$|(?:com|lpt).)\s*(?:\.|\Z))"
    r'(?!.*~[0-9])[^<>:"|?*]*[^<>:"|?*.\s]\Z',
    re.IGNORECASE,
)


def file_names(path: str, rules: ModuleType = os.path) -> tuple[str, ...] | None:
    """The names that lead from a directory to what ``path`` asks for; None where one is not plainly a file's name.

    ``path`` is decoded, and stands behind a slash; one at its end is not among the names. ``rules`` is the
    `os.path` of the system, `posixpath` or `ntpath`.
    """
    names = tuple(path.removesuffix("/").split("/")) if path else ()
    if len(path) > LONGEST_PATH or not all(_is_plain(name, rules) for name in names):
        return None
    return names


def _is_plain(name: str, rules: ModuleType) -> bool:
    if not _PLAIN.match(name) or len(name.encode()) > LONGEST_NAME:
        return False
    return rules is not ntpath or _PLAIN_ON_WINDOWS.match(name) is not None
