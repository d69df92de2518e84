"""The WSGI door (PEP 3333): from an environ to a request, from an answer to ``start_response`` and an iterable.

A sync plan is stepped on the server's own thread, its streamed body too; an async plan runs whole on the app's
portal, and the server's thread takes from it what it sends. `environ` reads the request, `iterables` are what the
server is handed, `relayed` what is made for it elsewhere; `asgi` is the other door.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextvars import Context, copy_context
from typing import Any

from duoframe.body import Body
from duoframe.bridge import step
from duoframe.core import (
    enter_gate,
    last_resort,
    leave_gate,
    not_started,
    respond,
)
from duoframe.environ import Input, body_length, open_request
from duoframe.errors import ClientDisconnect, ConfigurationError, HTTPException
from duoframe.files import BLOCK
from duoframe.iterables import (
    STATUS_LINES,
    Answer,
    HeldBody,
    HeldFile,
    SteppedAnswer,
    file_wrapper,
)
from duoframe.limits import Limits
from duoframe.pieces import Colour
from duoframe.plan import Plan
from duoframe.relayed import PortalAnswer, ThreadAnswer
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.streams import BodyStream
from duoframe.threads import ThreadsExhaustedError
from duoframe.types import Environ, StartResponse

logger = logging.getLogger("duoframe.error")


def serve(app: Any, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer one WSGI call for ``app``."""
    request = open_request(app, environ)
    if not app.life.up and (refusal := _start(app, request)) is not None:
        return _begin(start_response, request, refusal, None)
    plan = app.find(request)
    if plan.foreign is not None and plan.foreign.wsgi is not None:
        return plan.foreign.call_wsgi(request, environ, start_response)  # type: ignore[no-any-return]  # its own answer
    context = copy_context()
    answer: Answer | None = None
    entry = portal = None
    try:
        try:
            if plan.gate is None or context.run(enter_gate, plan, request):
                plan, entry = _receive(plan, request, environ)
            else:
                entry = _unread(environ)
            if plan.colour is Colour.ASYNC:
                portal = PortalAnswer(request, context, entry)
        except BaseException as error:
            response = context.run(leave_gate, plan, request, error)
        else:
            response = portal.first(plan) if portal else context.run(step, respond(plan, request))
            if request._exits and portal is not None:
                answer = portal
            elif response.stream is not None:
                if portal is None or file_wrapper(request, response) is not None:
                    answer = _streamed(request, context, entry, plan, response)
                else:
                    answer = portal
    except (Exception, asyncio.CancelledError) as error:
        response = last_resort(request, error)
    except BaseException:  # this thread is to end
        try:
            if portal is not None:
                portal.stop()
        finally:
            request._end()
        raise
    if answer is None and (
        request._tasks is not None or request._exits or entry is not None or environ.get("wsgi.run_once")
    ):
        answer = Answer(request, context, entry)
    return _begin(start_response, request, response, answer)


def _start(app: Any, request: Request) -> Response | None:
    """Start the application before its first request; the answer when that fails."""
    try:
        app.startup()
    except Exception as error:
        return not_started(request, error)
    return None


def _begin(
    start_response: StartResponse, request: Request, response: Response, answer: Answer | None
) -> Iterable[bytes]:
    """Start the answer. Without one to close, the request is over."""
    try:
        status, fields, content = response.finish(request.method)
        start_response(STATUS_LINES[status], fields)
    except BaseException:
        if answer is not None:
            answer.close()
        raise
    finally:
        if answer is None:
            request._end()
    if answer is None:
        return [content] if content else []
    answer.content = content
    if (wrapper := file_wrapper(request, response)) is not None:
        return wrapper(HeldFile(answer, response.stream), BLOCK)  # type: ignore[arg-type,no-any-return]  # a FileBody
    return HeldBody(answer, start_response)


def _receive(plan: Plan, request: Request, environ: Environ) -> tuple[Plan, Input | None]:
    """Read the body within its limits; the plan to go on with, and what may be left unread."""
    try:
        length = body_length(environ)
    except HTTPException as refusal:
        return _refuse(plan, request, refusal), None
    request._limits = limits = plan.limits
    if plan.stream:
        entry = Input(environ, length, limits.max_body_size)
        request._stream = _stream(entry, request, *_content(environ), limits)
        request._body_unread = "the route has stream=True: walk `request.stream`"
        return plan, entry
    if length == 0:
        return plan, None
    entry = Input(environ, length)
    try:
        request._body = body = Body(*_content(environ), limits, length)
        while chunk := entry.read():
            body.feed(chunk)
        body.finish()
    except ClientDisconnect as refusal:
        return _refuse(plan, request, refusal), None
    except HTTPException as refusal:
        return _refuse(plan, request, refusal), entry
    return plan, None


def _refuse(plan: Plan, request: Request, refusal: HTTPException) -> Plan:
    """The plan that answers a request whose body cannot be taken."""
    request._refusal = refusal
    request._body_unread = "the body was refused before it was complete"
    if request._body is not None:
        request._body.close()
        request._body = None
    return plan.refuse


def _unread(environ: Environ) -> Input | None:
    """The body that a gate did not let in."""
    try:
        length = body_length(environ)
    except HTTPException:
        return None
    return None if length == 0 else Input(environ, length)


def _content(environ: Environ) -> tuple[str, str]:
    """The Content-Type and Content-Encoding fields, ``""`` for one that is not there."""
    return environ.get("CONTENT_TYPE", ""), environ.get("HTTP_CONTENT_ENCODING", "")


def _streamed(request: Request, context: Context, entry: Input | None, plan: Plan, response: Response) -> Answer:
    """The answer whose stream a sync plan has given: on this thread, unless there are heartbeats to send beside it."""
    if response.heartbeat is not None and response.sends_body(request.method):
        try:
            return ThreadAnswer(request, context, entry, plan, response)
        except (ConfigurationError, ThreadsExhaustedError) as error:
            logger.warning("%r has no heartbeats, because there is no thread for its stream: %s", request, error)
    return SteppedAnswer(request, context, entry, plan, response)


def _stream(entry: Input, request: Request, content_type: str, coding: str, limits: Limits) -> BodyStream:
    async def receive() -> bytes:
        return await request.app.portal.get_runtime().threads.call(entry.read)  # type: ignore[no-any-return]  # bytes

    return BodyStream(entry.read, receive, content_type, coding, limits)
