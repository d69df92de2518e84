"""Whatever a client sends, both doors answer alike."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.parity import Harness, run


@pytest.fixture
def harness() -> Iterator[Harness]:
    made = Harness()
    logging.disable()
    yield made
    logging.disable(logging.NOTSET)
    made.close()


def test_both_doors_answer_a_thousand_drawn_requests_alike(harness: Harness) -> None:
    run(harness, 1000, 0)
    for drawn in ("colour: def", "colour: async", "kind: stream", "kind: form", "method: HEAD", "non-ASCII path"):
        assert harness.drawn[drawn], f"{drawn} was never drawn: {harness.drawn}"
    for drawn in ("client left midway", "aborted by the server", "hooks ran", "status: 500", "status: 404"):
        assert harness.drawn[drawn], f"{drawn} was never drawn: {harness.drawn}"
    print("\n".join(f"{count:>6}  {kind}" for kind, count in sorted(harness.drawn.items())))
