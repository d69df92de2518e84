"""What proxies in front of the application say of a request: who asked, by which scheme, for which host.

Knows the fields of proxies (X-Forwarded-*, and Forwarded of RFC 7239), and whom to believe; must not know a server:
what is believed replaces the facts of the request, and every such field is taken out of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

from duoframe.datastructures import Headers
from duoframe.errors import ConfigurationError, HTTPException
from duoframe.grammar import TOKEN
from duoframe.pieces import inline
from duoframe.requests import Facts, Request

FIELDS = ("for", "proto", "host", "port", "prefix")
"""What a proxy may say; each is the end of the name of a field, X-Forwarded-For."""

UNIX = "unix"
"""Stands for whoever comes through a Unix socket."""

ANYBODY = "*"
"""Stands for every peer."""

Hops = int | Mapping[str, int]
"""Proxies that pass a request on, one number for all fields or one for each."""

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+/?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
# A parameter of Forwarded, if there is one, and what ends it (RFC 7239 §4).
_PARAMETER = re.compile(rf'[ \t]*+(?:({TOKEN})=(?:({TOKEN})|"((?:[^"\\]|\\.)*+)"))?+[ \t]*+([;,]|\Z)')


class Proxies:
    """Whom to believe, and how much: what is told of a request by the last ``hops`` proxies before this application."""

    def __init__(self, trusted: str | Iterable[str], hops: Hops, forwarded: bool) -> None:
        names = [trusted] if isinstance(trusted, str) else [*trusted]
        self._anybody = ANYBODY in names
        self._unix = self._anybody or UNIX in names
        self._networks = [_network(name) for name in names if name not in (ANYBODY, UNIX)]
        self._hops = _checked_hops(hops, FIELDS[:3] if forwarded else FIELDS)
        self._forwarded = forwarded

    def told(self, peer: str | None, values: Callable[[str], list[str]]) -> dict[str, str]:
        """What is believed, by the names of `FIELDS`; ``values`` gives the field values of a name, in order.

        An address that the proxy did not know is ``""``. What is malformed has not been said.
        """
        if not self._believes(peer):
            return {}
        if self._forwarded:
            elements = _elements(", ".join(values("forwarded")))
            said = {
                name: element[name]
                for name, count in self._hops.items()
                if len(elements) >= count
                for element in (elements[-count],)
                if name in element
            }
        else:
            said = {}
            for name, count in self._hops.items():
                listed = [value.strip(" \t") for value in ",".join(values(f"x-forwarded-{name}")).split(",")]
                if len(listed) >= count and listed[-count]:
                    said[name] = listed[-count]
        return {name: value for name, text in said.items() if (value := _READERS[name](text)) is not None}

    def _believes(self, peer: str | None) -> bool:
        if not peer or peer.startswith(("/", "unix:")):
            return self._unix
        if self._anybody:
            return True
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


@inline
class ProxyHeaders:
    """Middleware that believes the proxies in front of it: ``App(middleware=[ProxyHeaders("10.0.0.0/8")])``.

    Register it first. ``trusted``: addresses and networks of the proxies that connect to the server, ``"unix"`` for a
    Unix socket, ``"*"`` for everybody, which is right only where nobody else can connect. ``hops``: how many proxies
    pass each request on, one after the other; a number is for the client's address and the scheme, a mapping says it of
    each field: ``{"for": 2, "proto": 1, "host": 1, "port": 1, "prefix": 1}``. Name only the fields that a proxy sets
    itself: others are the client's own. ``forwarded``: read the Forwarded field (RFC 7239) in place of X-Forwarded-*.
    What is told counts from here on; a route with a ``host`` has been chosen before.

    Every such field is taken out of the request, believed or not. Raises `ConfigurationError`.
    """

    def __init__(self, trusted: str | Iterable[str], *, hops: Hops = 1, forwarded: bool = False) -> None:
        self._proxies = Proxies(trusted, hops, forwarded)

    def __call__(self, request: Request) -> Generator[None, Any, None]:
        """Run around one request."""
        headers, facts = request.headers, request.facts
        told = self._proxies.told(facts.client[0] if facts.client else None, headers.getlist)
        if told:
            request._facts = changed_facts(facts, told)
            _redirect_below(request, told.get("prefix", ""))
        host = changed_host(headers.get("host"), request.scheme, told)
        fields = [(name, value) for name, value in headers.multi_items() if not is_said_by_proxies(name)]
        if host is not None:
            fields = [(name, value) for name, value in fields if name != "host"] + [("host", host)]
        request._headers = Headers(fields)
        yield


def changed_facts(facts: Facts, told: Mapping[str, str]) -> Facts:
    """The facts of a request with what is told in place of what the server saw."""
    if "for" in told:
        facts = facts._replace(client=split_address(told["for"]))
    if "proto" in told:
        facts = facts._replace(scheme=told["proto"])
    if "prefix" in told:
        facts = facts._replace(root_path=told["prefix"] + facts.root_path)
    return facts


def _redirect_below(request: Request, prefix: str) -> None:
    """Let a redirect that was decided on before anything was told lead below the prefix."""
    refusal = request._refusal
    if isinstance(refusal, HTTPException) and refusal.headers is not None and "location" in refusal.headers:
        refusal.headers = {**refusal.headers, "location": prefix + refusal.headers["location"]}


def changed_host(host: str | None, scheme: str, told: Mapping[str, str]) -> str | None:
    """The Host field that is told; None where nothing is."""
    if "host" not in told and ("port" not in told or host is None):
        return None
    host = told.get("host", host or "")
    port = told.get("port")
    if port is None:
        return host
    name = re.sub(r":[0-9]*\Z", "", host) if not host.endswith("]") else host
    return name if int(port) == _DEFAULT_PORTS.get(scheme) else f"{name}:{port}"


def is_said_by_proxies(name: str) -> bool:
    """Whether a field of that name, in lower case, is one that proxies set."""
    return name.startswith("x-forwarded-") or name in ("forwarded", "x-real-ip")


def split_address(text: str) -> tuple[str, int | None] | None:
    """Address and port of what `Proxies.told` tells; None for an unknown one."""
    if not text:
        return None
    address, _, port = text.partition(" ")
    return address, int(port) if port else None


def _network(name: str) -> _Network:
    try:
        return ipaddress.ip_network(name)
    except ValueError as error:
        raise ConfigurationError(
            f"proxies: expected an address, a network as '10.0.0.0/8', 'unix' or '*', got {name!r}: {error}"
        ) from error


def _checked_hops(hops: Hops, fields: tuple[str, ...]) -> dict[str, int]:
    counts = dict.fromkeys(FIELDS[:2], hops) if isinstance(hops, int) else dict(hops)
    for name, count in counts.items():
        if name not in fields:
            raise ConfigurationError(f"proxies: expected hops of {', '.join(fields)}, got one of {name!r}")
        if type(count) is not int or count < 0:
            raise ConfigurationError(f"proxies: expected a whole number of hops, 0 or more, got {count!r}")
    counts = {name: count for name, count in counts.items() if count}
    if not counts:
        raise ConfigurationError("proxies: expected at least one hop; without a proxy this middleware is not needed")
    return counts


def _elements(text: str) -> list[dict[str, str]]:
    """The elements of a Forwarded field (RFC 7239 §4), parameter names in lower case; none of a malformed one."""
    elements: list[dict[str, str]] = [{}]
    place = 0
    while place < len(text):
        match = _PARAMETER.match(text, place)
        if match is None:
            return []
        name, token, quoted, end = match.groups()
        if name is not None:
            elements[-1][name.lower()] = token or re.sub(r"\\(.)", r"\1", quoted)
        if end == ",":
            elements.append({})
        place = match.end()
    return elements


def _address(text: str) -> str | None:
    """An address with its port behind a blank, where there is one; ``""`` for what is no address."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::([0-9]{1,5}))?", text)
    plain = re.fullmatch(r"([0-9.]+)(?::([0-9]{1,5}))?|([0-9A-Fa-f:.]+)", text)
    if bracketed:
        address, port = bracketed.groups()
    elif plain:
        address, port = plain[1] or plain[3], plain[2]
    else:
        return ""
    try:
        found = str(ipaddress.ip_address(address))
    except ValueError:
        return ""
    return f"{found} {int(port)}" if port and int(port) < 65536 else found


def _scheme(text: str) -> str | None:
    return text.lower() if text.lower() in _DEFAULT_PORTS else None


def _prefix(text: str) -> str | None:
    """A path, as a prefix of others; not one that could be read as a host, or that leads upwards."""
    if _PREFIX.fullmatch(text) is None or {".", ".."} & set(text.split("/")):
        return "" if text == "/" else None
    return text.rstrip("/")


def _port(text: str) -> str | None:
    return text if _PORT.fullmatch(text) and int(text) < 65536 else None


_READERS: Mapping[str, Callable[[str], str | None]] = {
    "for": _address,
    "proto": _scheme,
    "host": lambda text: text,
    "port": _port,
    "prefix": _prefix,
}
