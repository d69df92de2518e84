"""The way of a request through an application with Flask's manners, each step by its documented name.

Knows which steps there are, what may be overridden, and which exceptions are let through; `dispatch` takes the steps,
`placing` finds where a request leads.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any

from duoframe.flask import dispatch, making
from duoframe.flask.config import ConfigAttribute
from duoframe.flask.exceptions import Aborter, BadRequest, BadRequestKeyError, HTTPException
from duoframe.flask.globals import current_context, running_request
from duoframe.flask.logging import create_logger
from duoframe.flask.placing import Placing
from duoframe.flask.responses import Response
from duoframe.flask.sessions import SecureCookieSessionInterface, SessionInterface
from duoframe.routing import NoMatch
from duoframe.signatures import needs_loop


class Answering(Placing):
    """An application whose requests go the way of `dispatch`.

    In a plan that runs on an event loop each step gives what is to be awaited, in any other its result; so a method
    that overrides one and calls it returns what that gives.
    """

    aborter: Aborter
    json: Any  # a JSONProvider
    session_interface: SessionInterface = SecureCookieSessionInterface()
    testing: Any = ConfigAttribute("TESTING")

    def full_dispatch_request(self) -> Any:
        """The answer to the running request: hooks, view, error handlers, hooks."""
        return dispatch.driven(dispatch.full(self))

    def preprocess_request(self) -> Any:
        """Run what is registered before the view; what one of them answered, or None."""
        return dispatch.driven(dispatch.preprocess(self))

    def dispatch_request(self) -> Any:
        """What the view of the running request gives."""
        return dispatch.driven(dispatch.view(self))

    def finalize_request(self, rv: Any, from_error_handler: bool = False) -> Any:
        """An answer of what a view gave, after all that runs on answers."""
        return dispatch.driven(dispatch.finalize(self, rv, from_error_handler))

    def process_response(self, response: Response) -> Any:
        """Run what is registered after the view; the answer that they make of it."""
        return dispatch.driven(dispatch.process(self, response))

    def handle_user_exception(self, e: Exception) -> Any:
        """What the error handler of an exception gives. Raises it where there is none."""
        return dispatch.driven(dispatch.handle_user_exception(self, e))

    def handle_http_exception(self, e: HTTPException) -> Any:
        """What the error handler of an HTTP exception gives, or the exception itself."""
        return dispatch.driven(dispatch.handle_http_exception(self, e))

    def handle_exception(self, e: Exception) -> Any:
        """The answer 500 to an exception that nothing handled; raised again where it is to be seen."""
        return dispatch.driven(dispatch.handle_exception(self, e))

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the running request, which its end does by itself."""
        dispatch.tear_down_now(self, exc, of_request=True)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """Run the teardown functions of the application, which the end of its context does by itself."""
        dispatch.tear_down_now(self, exc, of_request=False)

    # Answers.

    def make_default_options_response(self) -> Response:
        """The answer to OPTIONS: the methods of the address."""
        request: Any = running_request().request
        found = self._table.match("", request.path, request.host if self._hosted else None)
        response = self.response_class()
        response.allow.update(found.allowed if isinstance(found, NoMatch) else ())
        return response

    def make_response(self, rv: Any) -> Response:
        """The answer that a view's value stands for. Raises `TypeError` for what is none."""
        context = current_context.get()
        endpoint = None if context is None or context.request is None else context.request.endpoint
        return making.response_of(self, rv, repr(endpoint))

    def redirect(self, location: str, code: int = 302) -> Response:
        """What `duoframe.flask.redirect` gives; to be overridden."""
        return making.redirection(location, code, self.response_class)

    # Exceptions that nothing handles.

    @cached_property
    def logger(self) -> logging.Logger:
        """The logger called as the application is; it has a handler of its own where nobody has given it one."""
        return create_logger(self)

    def log_exception(self, exc_info: Any) -> None:
        """Log what nothing handled; to be overridden."""
        context = running_request()
        told = "" if context.request is None else f" on {context.request.path} [{context.request.method}]"
        self.logger.error("Exception%s", told, exc_info=exc_info)

    @property
    def _propagates(self) -> bool:
        """Whether exceptions that nothing handles are let through to the server or the test."""
        value = self.config["PROPAGATE_EXCEPTIONS"]
        return bool(self.testing or self.debug) if value is None else bool(value)

    def trap_http_exception(self, e: Exception) -> bool:
        """Whether an HTTP exception counts as any other: ``TRAP_HTTP_EXCEPTIONS``, ``TRAP_BAD_REQUEST_ERRORS``."""
        if self.config["TRAP_HTTP_EXCEPTIONS"]:
            return True
        trap = self.config["TRAP_BAD_REQUEST_ERRORS"]
        if trap is None:
            return self.debug and isinstance(e, BadRequestKeyError)
        return bool(trap) and isinstance(e, BadRequest)

    def should_ignore_error(self, error: BaseException | None) -> bool:
        """Whether the teardown functions are not told of an exception; to be overridden."""
        return False

    # Code of the other colour.

    def waiting(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """What calls ``func`` and waits for it: ``func`` itself, unless it is `async def`."""
        return self.async_to_sync(func) if needs_loop(func) else func

    def on_loop(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """A `def` that has the application's event loop run ``func``, and waits for it.

        It raises `RuntimeError` on that loop's own thread: `async def` code awaits.
        """

        @functools.wraps(func)
        def call(*args: Any, **kwargs: Any) -> Any:
            return self.call(functools.partial(func, *args, **kwargs))

        del call.__wrapped__  # or it would be taken for an `async def`
        return call

    # A name of the project's own says what a function does, not which colour it has.
    ensure_sync = waiting
    async_to_sync = on_loop
