"""A multipart form of 100 MiB, taken apart by `duoframe.body` and by the parser it is built on, bare.

Both are fed the same chunks of 64 KiB in turns in one process. The bare parser gives its events to nobody; "bare, kept"
writes what it gives to a temporary file, as a body does; "parts" is what ``request.stream.parts()`` walks, which keeps
nothing. Load: one file of 100 MiB, of random bytes, and of bytes that resemble a boundary everywhere. Each figure is
MiB per second, and the ratio is that of the medians to the bare parser's. Last, how much longer a body takes for each
load than for random bytes.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version

from multipart import PushMultipartParser

from duoframe.body import Body
from duoframe.limits import Limits
from duoframe.streams import BodyStream

MIB = 1024 * 1024
SIZE = 100 * MIB
CHUNK = 64 * 1024
ROUNDS = 7
CONTENT_TYPE = "multipart/form-data; boundary=frontier"
LIMITS = Limits(max_body_size=None)

LOADS = {
    "random bytes": os.urandom(MIB),
    "CR only": b"\r" * MIB,
    "LF only": b"\n" * MIB,
    "CR LF only": b"\r\n" * (MIB // 2),
    "almost boundaries": b"\r\n--frontieX" * (MIB // 12),
    "boundary prefixes": b"\r\n--" * (MIB // 4),
}

Feed = Callable[[list[bytes]], None]


def chunks_of(content: bytes) -> list[bytes]:
    head = b'--frontier\r\nContent-Disposition: form-data; name="a"; filename="a"\r\n\r\n'
    data = head + content * (SIZE // len(content)) + b"\r\n--frontier--\r\n"
    return [data[place : place + CHUNK] for place in range(0, len(data), CHUNK)]


def bare(chunks: list[bytes]) -> None:
    with PushMultipartParser("frontier", strict=True) as parser:
        for chunk in chunks:
            for _ in parser.parse(chunk):
                pass


def bare_and_kept(chunks: list[bytes]) -> None:
    with tempfile.TemporaryFile() as file, PushMultipartParser("frontier", strict=True) as parser:
        for chunk in chunks:
            for event in parser.parse(chunk):
                if isinstance(event, bytes):
                    file.write(event)


def body(chunks: list[bytes]) -> None:
    received = Body(CONTENT_TYPE, "", LIMITS)
    try:
        for chunk in chunks:
            received.feed(chunk)
        received.finish()
    finally:
        received.close()


def parts(chunks: list[bytes]) -> None:
    left = iter(chunks)

    async def receive() -> bytes:
        return next(left, b"")

    for part in BodyStream(lambda: next(left, b""), receive, CONTENT_TYPE, "", LIMITS).parts():
        for _ in part:
            pass


def main() -> None:
    print(f"Python {platform.python_version()}, duoframe {version('duoframe')}, multipart {version('multipart')}")
    kinds: dict[str, Feed] = {"bare": bare, "bare, kept": bare_and_kept, "body": body, "parts": parts}
    medians: dict[str, float] = {}
    for load, content in LOADS.items():
        chunks = chunks_of(content)
        figures: dict[str, list[float]] = {name: [] for name in kinds}
        for _ in range(ROUNDS):
            for name, feed in kinds.items():
                started = time.perf_counter()
                feed(chunks)
                figures[name].append(SIZE / MIB / (time.perf_counter() - started))
        print(f"\n{load}, {SIZE // MIB} MiB in chunks of {CHUNK // 1024} KiB, {ROUNDS} rounds in turns (MiB/s)")
        print(f"{'':14}{'median':>9}{'lowest':>9}{'highest':>9}{'ratio':>9}")
        base = statistics.median(figures["bare"])
        for name, found in figures.items():
            median = statistics.median(found)
            print(f"{name:14}{median:9.0f}{min(found):9.0f}{max(found):9.0f}{median / base:9.2f}")
        medians[load] = statistics.median(figures["body"])
    print("\na body of each load against random bytes (times as long)")
    for load, median in medians.items():
        print(f"{load:20}{medians['random bytes'] / median:9.2f}")


if __name__ == "__main__":
    main()
