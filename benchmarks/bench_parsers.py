"""How the work of every parser over a client's bytes grows: the time for n, 2n, 4n, 8n and 16n bytes.

Each parser is given each of its pieces repeated, alone and behind a beginning that leaves something open; shown is the
piece that grows worst, by the mean ratio of a doubling, and the one that takes longest. Twice the bytes may take 2.6
times as long; what grows as the square takes 4 times as long. Each time is the processor's, the least of several
rounds, the sizes in turns, in one process.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from duoframe import HTTPException, is_safe_redirect
from duoframe.body import Body, content_length, media_type
from duoframe.caching import CacheControl
from duoframe.conditions import ETagList, parse_date
from duoframe.cookies import parse_cookies
from duoframe.datastructures import Headers, parse_query
from duoframe.limits import Limits
from duoframe.negotiation import best_encoding, best_language, best_media_type
from duoframe.ranges import parse_range
from duoframe.requests import Facts, Request
from duoframe.uploads import safe_name

SIZES = [6_250 * 2**step for step in range(5)]
"""Bytes of the inputs."""
ROUNDS = 7
ALLOWED = 2.6

UNLIMITED = Limits(
    max_body_size=None, max_fields=10**9, max_field_size=10**9, max_form_memory=10**9, max_files=10**9, spool_size=10**9
)


class Source:
    """Stands for a door that has one field."""

    def __init__(self, host: str) -> None:
        self._host = host

    def headers(self, values: object) -> Headers:
        return Headers([("host", self._host)])

    def facts(self, values: object) -> Facts:
        return Facts("http", None, None, "", b"/", "1.1")

    def disconnected(self, request: Request) -> bool:
        return False


def body(content_type: str, text: str) -> None:
    received = Body(content_type, "", UNLIMITED)
    try:
        received.feed(text.encode("latin-1"))
        received.finish()
        _ = received.form
    finally:
        received.close()


def multipart(begin: str, text: str) -> None:
    body("multipart/form-data; boundary=b", begin + text)


PART = '--b\r\ncontent-disposition: form-data; name="a"\r\n\r\nx\r\n'
PARSERS: dict[str, tuple[Callable[[str], object], list[str]]] = {
    "cookies": (parse_cookies, ["a=1; ", ";", "=", 'a="\\', "\\", 'a="\\073";', " "]),
    "query": (partial(parse_query, max_pairs=10**9), ["a=1&", "&", "%41", "%", "+", "=", "\xe9"]),
    "Accept": (
        lambda text: best_media_type(text, ["text/html"]),
        ["a/b,", "a/b;q=0.1,", ";a=b", '"', "\\", ",", " ", "/"],
    ),
    "Accept-Encoding": (lambda text: best_encoding(text, ["br"]), ["gzip,", "gzip;q=0.1,", ",", ";", " "]),
    "Accept-Language": (lambda text: best_language(text, ["en"]), ["en,", "en-", "a-", ",", "*;q=0.1,"]),
    "Range": (lambda text: parse_range(text, 10), ["0-0,", "0-", ",", "-", "9", " ", "5-2,"]),
    "If-None-Match": (ETagList.parse, ['"a",', '"', '",', 'W/"', ",", " ", "a"]),
    "dates": (parse_date, ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun ", "0", " ", "-"]),
    "Cache-Control": (CacheControl.parse, ["a=1,", 'a="', '"', "\\", ",", " ", "a"]),
    "Content-Type": (media_type, ["a/b", ";a=b", ';a="\\"', '"', "\\", ";", " ", "/"]),
    "Content-Length": (content_length, ["0", "9", " "]),
    "Host": (
        lambda text: Request(None, "GET", "/", b"", Source(text), None).host,
        ["a", ".", "%41", "[", ":", "1", "]"],
    ),
    "redirect targets": (is_safe_redirect, ["/", "a", ":", "//", "@", "\\", " ", "a.", "["]),
    "file names": (safe_name, ["a", ".", "/", "\\", "\xe9", " ", ":", "con."]),
    "urlencoded forms": (partial(body, "application/x-www-form-urlencoded"), ["a=1&", "&", "%41", "=", "+", "a"]),
    "multipart forms": (partial(multipart, ""), [PART, "\r\n", "-", "--b", "a", "\n"]),
    "multipart content": (partial(multipart, PART[:-3]), ["a", "\r\n", "\r\n--", "\r", "-", "--b", "\r\n--b\r"]),
    "multipart headers": (
        partial(multipart, "--b\r\n"),
        ["a: b\r\n", "a", ":", " ", 'content-disposition: form-data; a="'],
    ),
}
BEGINNINGS = {
    "Accept": ["", 'a/b;a="', "a/b"],
    "Range": ["bytes="],
    "Content-Type": ["", 'a/b;a="', "a/b"],
    "Cache-Control": ["", 'a="'],
    "cookies": ["", 'a="'],
    "If-None-Match": ["", '"'],
    "redirect targets": ["", "//", "http://", "//a:"],
}


def seconds(parse: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    try:
        parse(text)
    except HTTPException:
        pass  # refused, which takes time too
    return time.process_time() - started


def growth(parse: Callable[[str], object], text: Callable[[int], str]) -> tuple[float, float]:
    """By how much the time grows when the input doubles, and the time of the longest input in seconds."""
    texts = [text(size) for size in SIZES]
    times = [1e9] * len(texts)
    for _ in range(ROUNDS):
        times = [min(least, seconds(parse, text)) for least, text in zip(times, texts, strict=True)]
    # What takes no time at all has no ratio: it is below what the clock can tell apart.
    return (times[-1] / times[0]) ** (1 / (len(times) - 1)) if times[-1] > 20e-6 else 1.0, times[-1]


def main() -> None:
    print(f"Python {platform.python_version()}, duoframe {version('duoframe')}, {platform.machine()}, {ROUNDS} rounds")
    print(f"ratio of a doubling, and the longest time for {SIZES[-1] // 1000} kB, each with its piece")
    for name, (parse, pieces) in PARSERS.items():
        found = []
        for begin in BEGINNINGS.get(name, [""]):
            for piece in pieces:
                ratio, longest = growth(
                    parse, lambda size, begin=begin, piece=piece: begin + piece * (size // len(piece))
                )
                found.append((ratio, longest, f"{(begin + piece)[-24:]!r:28}"))
        ratio, _, worst = max(found)
        _, longest, slowest = max(found, key=lambda item: item[1])
        note = "" if ratio <= ALLOWED else f"more than {ALLOWED}"
        print(f"{name:18}{ratio:6.2f}  {worst}{longest * 1e3:9.2f} ms  {slowest}{note}")


if __name__ == "__main__":
    main()
