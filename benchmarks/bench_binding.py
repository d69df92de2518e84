"""What it costs to give a handler the values that its signature asks for.

Two handlers, each called in three ways in turns, in one process: with ready values, which is what any framework has to
do; through code written by hand that reads the same values as strictly; and through the call that was compiled from
the signature. Shown are the microseconds above the call with ready values, the least of many rounds and the spread,
and the ratio to the code by hand.

- `(id: int, q: str | None)`, from the path of `/items/{id}` and a query: none, `q=x`, and one with an escape.
- A JSON body of three fields, read as a Struct; by hand, `msgspec.json.Decoder(Item).decode` alone, which checks
  neither the media type nor the charset.

Each call has a request of its own, and the time to make one is taken off by measuring it.
"""

from __future__ import annotations

import platform
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote_plus

import msgspec

from duoframe import HTTPException
from duoframe.binding import bind
from duoframe.body import Body, Limits
from duoframe.datastructures import Headers
from duoframe.requests import Facts, Request

CALLS = 2_000
ROUNDS = 60


class Source:
    """Stands for a door whose requests have no header fields."""

    def headers(self, values: object) -> Headers:
        return Headers([])

    def facts(self, values: object) -> Facts:
        return Facts("http", None, None, "", b"/", "1.1")

    def disconnected(self, request: Request) -> bool:
        return False


class Item(msgspec.Struct):
    name: str
    price: float
    count: int


SOURCE = Source()
LIMITS = Limits()
JSON = b'{"name": "Widget", "price": 9.5, "count": 3}'


def show(id: int, q: str | None) -> int:
    return id


def create(item: Item) -> Item:
    return item


def no_dependency(*_: object) -> int:
    raise AssertionError("nothing here has dependencies")


def get(query: bytes) -> Callable[[], Request]:
    """Makes requests of ``/items/7`` as a door and the table of routes leave them."""

    def make() -> Request:
        request = Request(None, "GET", "/items/7", query, SOURCE, None)
        request.path_params = {"id": "7"}
        return request

    return make


def post() -> Request:
    request = Request(None, "POST", "/items", b"", SOURCE, None)
    request._body = body = Body("application/json", "", LIMITS, len(JSON))
    body.feed(JSON)
    body.finish()
    return request


_INT = re.compile(r"-?[0-9]{1,18}")


def by_hand(request: Request) -> Any:
    """The same values with the same strictness, and nothing for other handlers."""
    faults = []
    number = q = None
    text = request.path_params["id"]
    if _INT.fullmatch(text) is None:
        faults.append(("path", "id", "int", text))
    else:
        number = int(text)
    if request.query_string:
        for pair in request.query_string.split(b"&"):
            name, _, value = pair.partition(b"=")
            if name == b"q":
                try:
                    q = unquote_plus(value.decode(), errors="strict")
                except UnicodeDecodeError as error:
                    raise HTTPException(400) from error
                break
    if faults:
        raise HTTPException(422, extensions={"errors": faults})
    return show(number, q)  # type: ignore[arg-type]  # it is one


def rounds(calls: dict[str, Callable[[Request], Any]], make: Callable[[], Request]) -> dict[str, list[float]]:
    """The microseconds of each call, round by round, the calls in turns."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            requests = [make() for _ in range(CALLS)]
            start = time.perf_counter()
            for request in requests:
                call(request)
            found[name].append((time.perf_counter() - start) / CALLS * 1e6)
    return found


def report(subject: str, found: dict[str, list[float]], ready: str, hand: str, bound: str) -> None:
    base = min(found[ready])
    above = {name: min(times) - base for name, times in found.items()}
    spread = {name: statistics.quantiles(times, n=4) for name, times in found.items()}
    print(subject)
    for name, times in found.items():
        low, _, high = spread[name]
        print(f"  {name:28} {min(times):6.2f} us   quartiles {low:5.2f} .. {high:5.2f}   above {above[name]:5.2f} us")
    more, ratio = above[bound] - above[hand], above[bound] / above[hand]
    print(f"  {bound} above {hand}: {more:.2f} us more, {ratio:.2f} times\n")


def main() -> None:
    print(f"Python {platform.python_version()}, msgspec {version('msgspec')} on {platform.machine()}")
    print(f"{ROUNDS} rounds of {CALLS} calls each\n")
    bound = bind(show, {"id": "str"}, no_dependency, defaultdict(set)).call
    for query in (b"", b"q=x", b"q=a%20b&page=2"):
        calls: dict[str, Callable[[Request], Any]] = {
            "ready values": lambda request: show(7, "x"),
            "by hand": by_hand,
            "bound": bound,
        }
        report(f"(id: int, q: str | None) of ?{query.decode()}", rounds(calls, get(query)), *calls)
    decode = msgspec.json.Decoder(Item).decode
    item = Item("Widget", 9.5, 3)
    calls = {
        "ready values": lambda request: create(item),
        "msgspec alone": lambda request: create(decode(JSON)),
        "bound": bind(create, {}, no_dependency, defaultdict(set)).call,
    }
    report("a JSON body of three fields", rounds(calls, post), *calls)


if __name__ == "__main__":
    main()
