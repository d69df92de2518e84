"""Cookies as text: what a Cookie field holds, and a value as it may be sent (RFC 6265bis).

Knows text and `MultiDict`; knows no request and no response.
"""

import re

from duoframe.datastructures import MultiDict

_COOKIE_OCTETS = re.compile(r"[!#-+\--:<-\[\]-~]*")  # RFC 6265 §4.1.1
_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)


def parse_cookies(header: str) -> MultiDict[str]:
    """The cookies of a Cookie field as the door gives it (latin-1 text): the first of a name wins, `getlist` has all.

    Never raises. A pair without a name or without ``=`` is ignored: ``=__Host-a=b`` must not become ``__Host-a``
    (CVE-2023-23934). A value in double quotes is unquoted as `quote_cookie` quotes.
    """
    cookies = []
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        if equals and name:
            value = value.strip(" \t")
            if len(value) > 1 and value[0] == '"' == value[-1]:
                value = _ESCAPED.sub(_unescape, value[1:-1])
            cookies.append((_utf8(name), _utf8(value)))
    return MultiDict(cookies)


def quote_cookie(value: str) -> str:
    r"""A cookie value as it may be sent; the inverse of what `parse_cookies` does to a value.

    Plain values stay; others stand in double quotes with the octal escapes of their UTF-8 (``\073`` for ``;``),
    as Python's and Flask's cookies do. Raises `ValueError` for a lone surrogate.
    """
    if _COOKIE_OCTETS.fullmatch(value):
        return value
    plain = [
        chr(byte) if _COOKIE_OCTETS.fullmatch(chr(byte)) else f"\\{byte:03o}"  # '"' and '\' are no cookie octets
        for byte in value.encode("utf-8")
    ]
    return '"' + "".join(plain) + '"'


def _unescape(escape: re.Match[str]) -> str:
    octal, character = escape.groups()
    return chr(int(octal, 8)) if octal else str(character)


def _utf8(text: str) -> str:
    """Latin-1 text as the UTF-8 it nearly always is; what is no latin-1 has been decoded by someone already."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return text
