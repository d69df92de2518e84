"""Content negotiation: the best of what is offered for what a client accepts (RFC 9110 §12).

Knows the Accept fields as text and offers as names; must not know a request or an answer. A field that does not fit
its grammar counts as one that was not sent. Every answer that was chosen so names the field in ``Vary``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from duoframe.grammar import QUOTED_STRING, TOKEN, unquoted

_MEDIA_RANGE = re.compile(rf"\*/\*|(?!\*/){TOKEN}/{TOKEN}")
_CODING = re.compile(TOKEN)
_LANGUAGE_RANGE = re.compile(r"\*|[A-Za-z]{1,8}(?:-[0-9A-Za-z]{1,8})*+")  # RFC 4647 §2.1
_PARAMETER = re.compile(rf"[ \t]*+;[ \t]*+(?:({TOKEN})=({TOKEN}|{QUOTED_STRING}))?")
_WEIGHT = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_SEPARATOR = re.compile(r"[ \t]*+(?:\Z|,[ \t,]*+)")  # members may be empty (RFC 9110 §5.6.1.2)
_SAME_CODING = {"x-gzip": "gzip", "x-compress": "compress"}  # RFC 9110 §8.4.1
_LEAST = 0.0001
"""Below the lowest weight that a field can give."""


class Preference(NamedTuple):
    """One member of a list of preferences, in lower case: ``text/html;level=1;q=0.5``."""

    item: str
    parameters: dict[str, str]
    """All but the weight."""
    weight: float
    """0, not acceptable, to 1."""


def best_media_type(field: str | None, offers: Sequence[str]) -> str | None:
    """The offer that an Accept field likes best, the first of equals; ``None`` where none is acceptable.

    The most specific range that fits an offer decides (RFC 9110 §12.5.1); without the field everything is acceptable.
    Raises `ValueError` for an offer that is no media type.
    """
    offered = {offer: _media_type(offer) for offer in offers}
    preferences = parse_preferences(field, _MEDIA_RANGE)
    if not preferences:
        return next(iter(offered), None)

    def weight(offer: str) -> float:
        fitting = [preference for preference in preferences if _fits(preference, offered[offer])]
        return max(((_precision(preference), preference.weight) for preference in fitting), default=((0, 0), 0.0))[1]

    return _best(offers, weight)


def best_encoding(field: str | None, offers: Sequence[str]) -> str | None:
    """The content coding that an Accept-Encoding field likes best, of ``offers`` and ``"identity"``: no coding.

    Of equals the first is taken, ``"identity"`` last; it is the answer too where the field is absent, and ``None``
    where the field rules out everything, ``"identity"`` included (RFC 9110 §12.5.3).
    """
    preferences = parse_preferences(field, _CODING)
    if not preferences:
        return "identity"
    weights = {_SAME_CODING.get(item, item): weight for item, _, weight in preferences}
    weights.setdefault("identity", weights.get("*", _LEAST))
    return _best((*offers, "identity"), lambda coding: weights.get(coding.lower(), weights.get("*", 0.0)))


def best_language(field: str | None, offers: Sequence[str]) -> str | None:
    """The language tag that an Accept-Language field likes best, the first of equals; ``None`` where none fits.

    A range fits the tags that begin with it: ``de`` fits ``de-CH`` (RFC 4647 §3.3.1). Without the field everything
    is acceptable.
    """
    preferences = parse_preferences(field, _LANGUAGE_RANGE)
    if not preferences:
        return next(iter(offers), None)

    def weight(offer: str) -> float:
        tag = offer.lower() + "-"
        fitting = [(len(item), weight) for item, _, weight in preferences if item != "*" and tag.startswith(item + "-")]
        fitting += [(0, weight) for item, _, weight in preferences if item == "*"]
        return max(fitting, default=(0, 0.0))[1]

    return _best(offers, weight)


def parse_preferences(field: str | None, item: re.Pattern[str]) -> list[Preference] | None:
    """The members of a field whose values fit ``item``, in order; ``None`` for an absent or a malformed field.

    A parameter that comes twice is malformed: nobody knows which one counts.
    """
    if field is None:
        return None
    preferences = []
    field = field.lstrip(" \t,")
    position = 0
    while position < len(field):
        found = item.match(field, position)
        parsed = None if found is None else _parameters(field, found.end())
        if found is None or parsed is None:
            return None
        parameters, end = parsed
        weight = parameters.pop("q", "1")
        separator = _SEPARATOR.match(field, end)
        if separator is None or _WEIGHT.fullmatch(weight) is None:
            return None
        preferences.append(Preference(found[0].lower(), parameters, float(weight)))
        position = separator.end()
    return preferences


def _parameters(field: str, position: int) -> tuple[dict[str, str], int] | None:
    """The parameters that begin at ``position``, names and values in lower case, and where they end."""
    parameters: dict[str, str] = {}
    while match := _PARAMETER.match(field, position):
        position = match.end()
        if match[1] is not None:
            name, value = match[1].lower(), match[2]
            if name in parameters:
                return None
            parameters[name] = value if name == "q" else unquoted(value).lower()
    return parameters, position


def _media_type(offer: str) -> Preference:
    parsed = parse_preferences(offer, _MEDIA_RANGE)
    if parsed is None or len(parsed) != 1 or "*" in parsed[0].item:
        raise ValueError(f"expected a media type like 'text/html' to offer, got {offer!r}")
    return parsed[0]


def _fits(wanted: Preference, offer: Preference) -> bool:
    kind, _, subtype = wanted.item.partition("/")
    same = wanted.item in (offer.item, "*/*") or (subtype == "*" and offer.item.startswith(f"{kind}/"))
    return same and wanted.parameters.items() <= offer.parameters.items()


def _precision(wanted: Preference) -> tuple[int, int]:
    return -wanted.item.count("*"), len(wanted.parameters)


def _best(offers: Sequence[str], weight: Callable[[str], float]) -> str | None:
    best, highest = None, 0.0
    for offer in offers:
        found = weight(offer)
        if found > highest:
            best, highest = offer, found
    return best
