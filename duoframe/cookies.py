"""Cookies as text: what a Cookie field holds, and what a Set-Cookie field may say (RFC 6265bis).

Knows text and `MultiDict`; knows no request and no response. `responses` sends the fields.
"""

import re
from datetime import datetime
from typing import Literal

from duoframe.conditions import http_date
from duoframe.datastructures import MultiDict
from duoframe.grammar import TOKEN

SameSite = Literal["Lax", "Strict", "None"]

MAX_COOKIE_SIZE = 4096
"""Bytes of a whole Set-Cookie field that every user agent keeps (RFC 6265 §6.1)."""

_NAME = re.compile(TOKEN)  # RFC 6265 §4.1.1
_PATH = re.compile(r"/[!-:<-~]{0,1023}")  # no blank: user agents strip those at the end, and drop what is longer
_DOMAIN = re.compile(
    r"(?=.{1,253}\Z)[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?(?:\.[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?)*"
)
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


def cookie_field(
    name: str,
    value: str = "",
    *,
    max_age: int | None = None,
    expires: datetime | float | None = None,
    path: str = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = True,
    samesite: SameSite | None = "Lax",
    partitioned: bool = False,
) -> str:
    """The value of a Set-Cookie field (RFC 6265 §4.1); the value is quoted by `quote_cookie`.

    Raises `ValueError` for what user agents would refuse, drop or read as something else, and `TypeError`.
    """
    _check_type(name, value, max_age)
    _check_form(name, path, domain)
    _check_security(name, path, domain, secure, samesite, partitioned)
    parts = [f"{name}={quote_cookie(value)}"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if expires is not None:
        parts.append(f"Expires={_date(expires)}")
    if domain is not None:
        parts.append(f"Domain={domain}")
    parts.append(f"Path={path}")
    parts += [flag for flag, wanted in (("Secure", secure), ("HttpOnly", httponly)) if wanted]
    if samesite is not None:
        parts.append(f"SameSite={samesite}")
    if partitioned:
        parts.append("Partitioned")
    field = "; ".join(parts)
    if len(field) > MAX_COOKIE_SIZE:
        raise ValueError(
            f"cookie {name!r}: expected at most {MAX_COOKIE_SIZE} bytes with its attributes, got {len(field)}; user"
            " agents drop larger ones, so keep the value on the server and send what finds it"
        )
    return field


def cookie_identity(field: str) -> tuple[str, str, str]:
    """What tells a cookie from another to a user agent: the name, domain and path of a Set-Cookie field."""
    pair, *attributes = field.split(";")
    found = {"domain": "", "path": ""}
    for attribute in attributes:
        key, _, value = attribute.partition("=")
        found[key.strip(" \t").lower()] = value.strip(" \t")
    return pair.partition("=")[0].strip(" \t"), found["domain"].lower(), found["path"]


def _check_type(name: str, value: str, max_age: int | None) -> None:
    for what, text in (("name", name), ("value", value)):
        if not isinstance(text, str):
            raise TypeError(f"expected a str as cookie {what}, got {type(text).__name__}")
    if max_age is not None and type(max_age) is not int:
        raise TypeError(f"cookie {name!r}: expected max_age in whole seconds, got {max_age!r}")


def _check_form(name: str, path: str, domain: str | None) -> None:
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"expected a cookie name of letters, digits and !#$%&'*+-.^_`|~, got {name!r:.80}")
    if _PATH.fullmatch(path) is None:
        raise ValueError(
            f"cookie {name!r}: expected a path that starts with '/', percent-encoded, without ';' and of 1024 bytes"
            f" at most, got {path!r:.80}"
        )
    if domain is not None and _DOMAIN.fullmatch(domain) is None:
        raise ValueError(
            f"cookie {name!r}: expected a domain as 'example.com', international ones as 'xn--...', got {domain!r:.80}"
        )


def _check_security(
    name: str, path: str, domain: str | None, secure: bool, samesite: SameSite | None, partitioned: bool
) -> None:
    if samesite not in ("Lax", "Strict", "None", None):
        raise ValueError(f"cookie {name!r}: expected samesite to be 'Lax', 'Strict', 'None' or None, got {samesite!r}")
    if not secure and (samesite == "None" or partitioned):
        said = "partitioned=True" if partitioned else "samesite='None'"
        raise ValueError(f"cookie {name!r}: user agents refuse {said} without secure=True")
    prefix = name.lower()  # the prefixes count in any case (RFC 6265bis §5.7)
    if prefix.startswith("__secure-") and not secure:
        raise ValueError(f"cookie {name!r}: the prefix __Secure- asks for secure=True")
    if prefix.startswith("__host-") and not (secure and path == "/" and domain is None):
        raise ValueError(f"cookie {name!r}: the prefix __Host- asks for secure=True, path='/' and no domain")


def _date(moment: datetime | float) -> str:
    date = http_date(moment)
    if date[12:16] < "1601":  # RFC 6265 §5.1.1
        raise ValueError(f"expected expires to be after the year 1600, which user agents ask for, got {moment!r}")
    return date


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
