"""Flask's test client, over either door: ``app.test_client().get("/").text``.

Knows what a test may ask, and what it may look at afterwards; the doors themselves are those of `duoframe.testing`.
`drafts` makes calls of what is asked, `received` answers of what comes back, and `jar` keeps the cookies.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from duoframe.body import Body
from duoframe.environ import open_request
from duoframe.errors import ConfigurationError
from duoframe.flask.contexts import RequestContext
from duoframe.flask.dispatch import RECORDER
from duoframe.flask.drafts import Draft
from duoframe.flask.globals import current_context
from duoframe.flask.jar import Cookie, Jar
from duoframe.flask.received import Reading, TestResponse, class_of_answers
from duoframe.limits import Limits
from duoframe.testing.doors import DOORS, OpenDoor

if TYPE_CHECKING:
    from duoframe.flask.app import Flask
    from duoframe.flask.requests import Request
    from duoframe.flask.runner import FlaskCliRunner

__all__ = ["FlaskCliRunner", "FlaskClient", "TestResponse"]

REDIRECTS = frozenset((301, 302, 303, 305, 307, 308))


class ClientRedirectError(Exception):
    """An answer led to where another had led already."""


class FlaskClient:
    """A client of one door of an application: ``"wsgi"``, or what ``DUOFRAME_DOOR`` says.

        client = app.test_client()
        assert client.post("/login", data={"name": "Ada"}).status_code == 302

    ``response_wrapper`` is a class of answers to build on; without ``use_cookies`` it keeps none; with
    ``allow_subdomain_redirects`` it follows to hosts below its own. ``strict`` puts the checkers of
    `duoframe.testing` around the application. In ``with client:`` the context of the last request stays: `request`,
    `g` and `session` can be read until the next request or the end of the block.
    """

    def __init__(
        self,
        application: Flask,
        response_wrapper: type[Any] | None = None,
        use_cookies: bool = True,
        allow_subdomain_redirects: bool = False,
        *,
        door: str | None = None,
        strict: bool = False,
    ) -> None:
        self.application = application
        self.door = door or os.environ.get("DUOFRAME_DOOR") or "wsgi"
        if self.door not in DOORS:
            raise ConfigurationError(f"expected a door, 'wsgi' or 'asgi', got {self.door!r}; see DUOFRAME_DOOR")
        self.allow_subdomain_redirects = allow_subdomain_redirects
        self.environ_base: dict[str, Any] = {
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_USER_AGENT": "duoframe-testing",
        }
        """Goes with each request: ``client.environ_base["HTTP_AUTHORIZATION"] = "Bearer ..."``."""
        self.preserve_context = False
        self._jar = Jar() if use_cookies else None
        self.response_wrapper = class_of_answers(response_wrapper or application.response_class)
        self._opened = DOORS[self.door](application, strict=strict, backend="asyncio", grace=1.0)
        self._outer: Any = None  # what was running before a context was preserved
        self._holds = False
        weakref.finalize(self, _stop_elsewhere, self._opened).atexit = False

    def open(
        self, path: Any = "/", *args: Any, buffered: bool = False, follow_redirects: bool = False, **words: Any
    ) -> Any:
        """Send a request and give the answer, whose class is an `app.response_class` with a bit more.

        ``path`` (with a query, or a whole URL), ``base_url``, ``method``, ``query_string``, ``headers``, ``data``,
        ``json``, ``content_type``, ``mimetype``, ``auth`` (name and password), ``input_stream``, ``subdomain``,
        ``url_scheme``, ``environ_base``, ``environ_overrides`` and ``errors_stream`` say what is sent. ``buffered``
        reads an answer without a length to its end at once. Raises what the application lets through, with
        ``app.testing``.
        """
        draft = self._draft(path, *args, **words)
        self._release()
        answer = self._send(draft, buffered)
        history: list[Any] = []
        seen = set()
        while follow_redirects and answer.status_code in REDIRECTS:
            answer.close()
            step = (answer.headers["location"], answer.status_code)
            if step in seen:
                raise ClientRedirectError(f"a loop: {step[1]} to {step[0]} came before")
            seen.add(step)
            history.append(answer)
            draft.redirect(step[1], step[0], self.allow_subdomain_redirects)
            self._release()
            answer = self._send(draft, buffered)
            answer.history = tuple(history)
        return answer

    def get(self, *args: Any, **words: Any) -> Any:
        """`open` with GET."""
        return self.open(*args, **{**words, "method": "GET"})

    def post(self, *args: Any, **words: Any) -> Any:
        """`open` with POST."""
        return self.open(*args, **{**words, "method": "POST"})

    def put(self, *args: Any, **words: Any) -> Any:
        """`open` with PUT."""
        return self.open(*args, **{**words, "method": "PUT"})

    def patch(self, *args: Any, **words: Any) -> Any:
        """`open` with PATCH."""
        return self.open(*args, **{**words, "method": "PATCH"})

    def delete(self, *args: Any, **words: Any) -> Any:
        """`open` with DELETE."""
        return self.open(*args, **{**words, "method": "DELETE"})

    def head(self, *args: Any, **words: Any) -> Any:
        """`open` with HEAD."""
        return self.open(*args, **{**words, "method": "HEAD"})

    def options(self, *args: Any, **words: Any) -> Any:
        """`open` with OPTIONS."""
        return self.open(*args, **{**words, "method": "OPTIONS"})

    def trace(self, *args: Any, **words: Any) -> Any:
        """`open` with TRACE."""
        return self.open(*args, **{**words, "method": "TRACE"})

    def __enter__(self) -> Self:
        if self.preserve_context:
            raise RuntimeError("this client is in a `with` block already")
        self.preserve_context = True
        return self

    def __exit__(self, *raised: object) -> None:
        self.preserve_context = False
        self._release()

    def get_cookie(self, key: str, domain: str = "localhost", path: str = "/") -> Cookie | None:
        """A cookie that is kept: its ``value``, ``expires``, ``secure``, ``http_only``, ``same_site`` and so on."""
        return self._cookies().get(key, domain, path)

    def set_cookie(
        self,
        key: str,
        value: str = "",
        *,
        domain: str = "localhost",
        origin_only: bool = True,
        path: str = "/",
        **attributes: Any,
    ) -> None:
        """Keep a cookie as if the application had set it; without ``origin_only`` it goes below ``domain`` too."""
        self._cookies().set(key, value, domain, origin_only, path, **attributes)

    def delete_cookie(self, key: str, *, domain: str = "localhost", path: str = "/") -> None:
        """Forget a cookie."""
        self._cookies().drop(key, domain, path)

    @contextlib.contextmanager
    def session_transaction(self, *args: Any, **words: Any) -> Iterator[Any]:
        """The session of this client, to read and to change: ``with client.session_transaction() as session: ...``.

        It is kept when the block ends. The arguments are those of `open`, for sessions that depend on the request.
        Raises `RuntimeError` where the application keeps none, for want of a secret key.
        """
        jar, app = self._cookies(), self.application
        interface = app.session_interface
        draft = self._draft(*args, **words)
        self._add_cookies(draft)
        request = self._request(draft)
        context = RequestContext(app, request)
        with context:
            session = interface.open_session(app, request)
        if session is None:
            raise RuntimeError("Session backend did not open a session: set the secret_key of the application")
        yield session
        if not interface.is_null_session(session):
            response = app.response_class()
            with context:
                interface.save_session(app, session, response)
            jar.take(response.headers.getlist("set-cookie"), *draft.place)

    def _cookies(self) -> Jar:
        if self._jar is None:
            raise TypeError("Cookies are disabled: make the client with use_cookies=True")
        return self._jar

    def _draft(self, *args: Any, **words: Any) -> Draft:
        words["environ_base"] = {**self.environ_base, **(words.get("environ_base") or {})}
        return Draft(self.application.config, *args, dumps=self.application.json.dumps, **words)

    def _add_cookies(self, draft: Draft) -> None:
        if self._jar is not None and (cookies := self._jar.field(*draft.place)):
            draft.fields["cookie"] = ["; ".join([*draft.fields.get("cookie", ()), cookies])]

    def _request(self, draft: Draft) -> Request:
        """What is sent, as the application reads it."""
        core = open_request(self.application, draft.call().environ(io.BytesIO()))
        return self.application._facade(core)

    def _send(self, draft: Draft, buffered: bool) -> Any:
        self._add_cookies(draft)
        recorder = draft.extra[RECORDER] = Recorder()
        answer = self._opened.open(draft.call(), draft.body.chunks)
        answer.head()
        reading = Reading(answer, draft.method)
        content = b"".join(reading) if recorder.error or reading.is_whole or buffered else None
        if recorder.error is not None:
            raise recorder.error
        made = self.response_wrapper(answer, reading, content, self._request(draft))
        if content is None:
            made._client = self  # a stream is read through its door
        if self._jar is not None:
            self._jar.take(made.headers.getlist("set-cookie"), *draft.place)
        if self.preserve_context and recorder.context is not None:
            recorder.restore(recorder.context)
            self._outer, self._holds = current_context.get(), True
            current_context.set(recorder.context)
        return made

    def _release(self) -> None:
        """Let go of the context of the last request."""
        if self._holds:
            current_context.set(self._outer)
            self._outer, self._holds = None, False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.application!r}, {self.door}>"


class Recorder:
    """What a client learns of its request beside the answer; `dispatch` tells it."""

    context: RequestContext | None = None
    error: Exception | None = None
    _content: bytes | None = None

    def keep(self, context: RequestContext, error: BaseException | None) -> bool:
        """Note the context. It is left where it was entered: what it closes may be that thread's alone."""
        context.request.keep()
        body = context.request._core._body
        with contextlib.suppress(Exception):  # a body that was refused: whoever asks for it is told again
            _ = context.request.form, context.request.files
            self._content = None if body is None else body.content
        self.context = context
        return False

    def raised(self, error: Exception) -> None:
        """Note what nothing handled, to raise it in the test."""
        self.error = error

    def restore(self, context: RequestContext) -> None:
        """Give the request of the context its body again, which was let go with the request."""
        core = context.request._core
        if self._content is not None:
            core._body = Body(core.headers.get("content-type", ""), "", core._limits or Limits())
            core._body.feed(self._content)
            core._body.finish()


def _stop_elsewhere(opened: OpenDoor) -> None:
    """Stop a door whose client is gone: in a thread, for it may be the loop's own that finds it gone."""
    threading.Thread(target=opened.stop, name="duoframe-testing-end", daemon=True).start()


def __getattr__(name: str) -> Any:
    # The runner loads at first use, so that the client needs no click.
    if name == "FlaskCliRunner":
        from duoframe.flask.runner import FlaskCliRunner

        return FlaskCliRunner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
