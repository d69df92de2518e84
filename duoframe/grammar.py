"""The pieces that the grammars of header fields share, as sources of regular expressions (RFC 9110 §5.6).

Possessive, so that a pattern made of them never goes back into one.
"""

import re

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
"""A token (§5.6.2)."""
QUOTED_STRING = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*+"'
"""A quoted string with its quotes (§5.6.4)."""

_ESCAPED = re.compile(r"\\(.)")


def unquoted(text: str) -> str:
    """What a quoted string says; any other text as it is."""
    return _ESCAPED.sub(r"\1", text[1:-1]) if text.startswith('"') else text


def quoted(text: str) -> str:
    """``text`` as a quoted string."""
    return '"' + text.replace("\\", r"\\").replace('"', r"\"") + '"'
