"""A strict reading of PEP 3333, as middleware around an app: ``wsgiref.validate``, and the rules it leaves out.

The validator is to judge the app alone: a request it would refuse (an odd method, a bad Content-Length) reaches the
app as it is. Where it speaks, `ProtocolError` is raised: nobody takes that for an AssertionError of the app's own.
"""

import os
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref import validate

from duoframe.testing.rules import Content, Field, ProtocolError
from duoframe.types import Environ, ExcInfo, StartResponse, WSGIApp


def checked_wsgi(app: WSGIApp) -> WSGIApp:
    """Wrap a WSGI app so that what breaks PEP 3333 or RFC 9110 raises `ProtocolError`."""

    def checked(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return _Watch(app, environ, start_response)

    return checked


class _Watch:
    """Watches one call of an app, and is the iterable the server walks."""

    def __init__(self, app: WSGIApp, environ: Environ, start_response: StartResponse) -> None:
        self._app = app
        self._environ = environ
        self._start_response = start_response
        self._write: Callable[[bytes], object]
        self._chunks: Any  # the validator's iterator, a class of its own
        self._content = Content("GET", 200, ())  # until the app says what it will be
        self._violation: ProtocolError | None = None
        tame = {**_TAME, "wsgi.input": environ["wsgi.input"], "wsgi.errors": environ["wsgi.errors"]}
        with self._telling():
            validated: Any = validate.validator(self._call)
            self._chunks = validated(tame, self._responding)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        with self._telling():
            # None cannot come from the app: the validator lets only bytes through.
            chunk: bytes | None = next(self._chunks, None)
            if chunk is not None:
                self._content.add(len(chunk))
                return chunk
            self._raise_swallowed()
            self._content.end()
        raise StopIteration

    def close(self) -> None:
        with self._telling():
            self._chunks.close()
            self._raise_swallowed()

    def _call(self, tame: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """What the validator takes for the app: the app, with its own environ and the validator's streams in it."""

        def told(
            status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            with self._telling():
                return start_response(status, headers, exc_info)

        self._environ.update({key: tame[key] for key in ("wsgi.input", "wsgi.errors")})
        wrapper: Any = self._environ.get("wsgi.file_wrapper")
        wrapped: list[Any] = []

        def wrap(*args: Any) -> Any:
            wrapped.append((args[0], wrapper(*args)))
            return wrapped[-1][1]

        if wrapper is None:
            return self._app(self._environ, told)
        self._environ["wsgi.file_wrapper"] = wrap
        iterable = self._app(self._environ, told)
        self._environ["wsgi.file_wrapper"] = wrapper  # by which the server knows what it has made
        if wrapped:
            with self._telling():
                self._check_file(wrapped, iterable)
        return iterable

    def _check_file(self, wrapped: list[Any], iterable: Iterable[bytes]) -> None:
        """Hold what was given to the server's file wrapper to what a server makes of it."""
        [(file, made), *more] = wrapped
        if more or made is not iterable:
            raise ProtocolError("what 'wsgi.file_wrapper' gives must be what the app returns, and there is one of it")
        if not callable(getattr(file, "read", None)):
            raise ProtocolError(f"what is given to 'wsgi.file_wrapper' must have a method 'read', got {file!r}")
        try:
            descriptor = file.fileno()
        except (AttributeError, OSError):
            return
        self._content.hold(os.fstat(descriptor).st_size - os.lseek(descriptor, 0, os.SEEK_CUR))

    def _responding(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        """What the validator takes for the server."""
        fields = [_encoded(field) for field in headers]
        self._write = self._start_response(status, headers, exc_info)
        self._content = Content(self._environ["REQUEST_METHOD"], int(status[:3]), fields)
        return self._count_and_write

    def _count_and_write(self, chunk: bytes) -> None:
        self._content.add(len(chunk))
        self._write(chunk)

    def _raise_swallowed(self) -> None:
        if self._violation is not None:
            raise self._violation

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Note the first broken rule, and turn the validator's errors into ours."""
        try:
            yield
        except ProtocolError as error:
            self._violation = self._violation or error
            raise
        except AssertionError as error:
            rule = _rule_of_validator(error)
            if rule is None:
                raise
            self._violation = self._violation or ProtocolError(rule)
            raise self._violation from error


def _encoded(field: tuple[str, str]) -> Field:
    try:
        return field[0].encode("latin-1"), field[1].encode("latin-1")
    except UnicodeEncodeError as error:
        raise ProtocolError(f"the header field {field!r} has characters outside Latin-1 (PEP 3333)") from error


def _rule_of_validator(error: AssertionError) -> str | None:
    """What the validator says, and in which of its checks; None for an AssertionError of the app's own."""
    raised_by = traceback.extract_tb(error.__traceback__)[-1].filename
    if raised_by != validate.__file__:
        return None
    checks = [frame.name for frame in traceback.extract_tb(error.__traceback__) if frame.name != "assert_"]
    return f"{error} (wsgiref.validate, {checks[-1]})"


# A request the validator has nothing to say about.
_TAME: Environ = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "",
    "SERVER_PORT": "",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
}
