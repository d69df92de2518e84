"""The answer that a test client got: one of the application's own class, with the request that it answers.

Knows how to read an answer that is under way; `testing` decides when.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, Self

from duoframe.testing.doors import Answer
from duoframe.testing.rules import bodyless


class Reading:
    """The chunks of an answer that is under way; what broke it off is raised where it is read."""

    def __init__(self, answer: Answer, method: str) -> None:
        self._answer = answer
        self._bodyless = bodyless(method, answer.outcome.status)
        self._chunks = self._walk()

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    @property
    def is_whole(self) -> bool:
        """Whether it has a length, or no body, or has failed: then it is read at once, and no stream."""
        outcome = self._answer.outcome
        named = any(name.lower() == b"content-length" for name, _ in outcome.headers)
        return named or self._bodyless or not outcome.started

    def close(self) -> None:
        """Leave the answer. Raises what the application raised."""
        self._answer.close()
        outcome = self._answer.outcome
        error, outcome.failure, outcome.error = outcome.failure or outcome.error, None, None
        if error is not None:
            raise error

    def _walk(self) -> Iterator[bytes]:
        yield from self._answer
        self.close()


class TestResponse:
    """An answer: ``status_code``, ``text``, ``data``, ``json``, ``headers``, ``location`` and what else they have.

    ``request`` is what it answers, ``history`` the answers whose redirects led to it. A stream without a length is read
    when it is asked for: by ``data``, or chunk by chunk by ``iter_encoded()``; `close` leaves it.
    """

    __test__ = False  # pytest is to take it for no test

    default_mimetype = None  # what names no type has none
    history: tuple[Any, ...] = ()

    def __init__(self, answer: Answer, reading: Reading, content: bytes | None, request: Any) -> None:
        outcome = answer.outcome
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in outcome.headers]
        status = f"{outcome.status} {outcome.reason}"
        super().__init__(reading if content is None else content, status, fields)  # type: ignore[call-arg]  # `base`'s
        self.request = request
        self._reading = reading

    @functools.cached_property
    def text(self) -> str:
        """The body as text."""
        return self.get_data(as_text=True)  # type: ignore[attr-defined,no-any-return]  # `base`'s

    def close(self) -> None:
        """Leave an answer that has not been read to its end."""
        super().close()  # type: ignore[misc]  # `base`'s
        self._reading.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def class_of_answers(base: type[Any]) -> type[Any]:
    """The application's own class of answers, with `TestResponse` before it."""
    return type("TestResponse", (TestResponse, base), {})
