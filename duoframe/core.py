"""THE order of events of a request, and the one mapping of errors to answers.

`respond` enters the middleware, calls the handler and leaves the middleware again; `deliver` sends what is a stream.
Both are coroutines that never ask for a loop unless a piece of the plan is `async def`. Must not know a server:
`wsgi` and `asgi` decide where these coroutines run and give `deliver` an `Outlet` to send through.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from duoframe.bridge import Hop, step
from duoframe.context import current
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.plan import Colour, Piece, Plan, Stage, Style
from duoframe.relay import Closed, iterate
from duoframe.requests import Request
from duoframe.responses import Response, chunk_bytes, problem, to_response
from duoframe.threads import ThreadsExhausted

logger = logging.getLogger("duoframe.error")

_END: Any = object()


class Outlet(Protocol):
    """Where a door takes the chunks of a streamed answer."""

    stepped: bool
    """Whether no event loop drives the coroutine that sends here."""

    def begin(self, response: Response) -> None:
        """The answer's status and header fields are known and its body will follow."""

    async def send(self, chunk: bytes) -> None:
        """Take one chunk, waiting for the client. Raises `Closed` or `ClientDisconnect` when it has gone."""

    async def replace(self, response: Response, error: Exception) -> None:
        """Answer ``response``, whole, instead: nothing of the first answer has been sent."""


def enter_gate(plan: Plan, request: Request) -> bool:
    """Enter the leading `@inline` middleware; whether the request goes on to its body."""
    if plan.gate is not None:
        try:
            request._answer = step(_advance(plan, plan.gate, request))
        except Exception as error:
            request._fault = error
    return request._answer is None and request._fault is None


async def respond(plan: Plan, request: Request) -> Response:
    """Answer one request: middleware in, handler, middleware out. Errors become answers where they arise.

    Raises only what is no `Exception`: a cancellation, an exit.
    """
    current.set(request)
    response: Response | None = request._answer
    error: BaseException | None = request._fault
    try:
        if response is None and error is None:
            for stage in plan.stages if plan.gate is None else plan.after_gate(len(request._entered)):
                if stage.style is Style.HOP:
                    response = await Hop(step, _advance(plan, stage, request))
                else:
                    response = await _advance(plan, stage, request)
                if response is not None:
                    break
    except BaseException as raised:
        error = raised
    if error is None and not request._entered:
        return response  # type: ignore[return-value]  # the last stage calls the handler, which answers
    try:
        return await _leave(plan, request, response, error)
    finally:
        error = None  # here and below: no cycle of an error, its traceback and the frame that holds it


async def exchange(plan: Plan, request: Request, outlet: Outlet) -> Response:
    """`respond` and, where the answer is a stream, `deliver`: for doors whose plan runs where they do not."""
    response = await respond(plan, request)
    if response.stream is not None:
        outlet.begin(response)
        await deliver(plan, request, response, outlet)
    return response


async def deliver(plan: Plan, request: Request, response: Response, outlet: Outlet) -> None:
    """Send a streamed body, then close what yields it, whatever happens.

    An error before the first chunk replaces the answer; a later one is raised, so that the server breaks off.
    """
    stream: Any = response.stream
    begun = False
    try:
        if request.method != "HEAD" and not response.bodyless:
            left = _declared_length(response)
            async_stream = hasattr(stream, "__anext__")
            if async_stream and outlet.stepped:
                assert_loop = request._loop
                stream, async_stream = iterate(assert_loop(), stream), False  # type: ignore[misc]  # doors set it
            while True:
                if async_stream:
                    chunk = await anext(stream, _END)
                else:
                    chunk = await Hop(next, stream, _END, leave=True)
                if chunk is _END:
                    break
                if type(chunk) is not bytes:
                    chunk = chunk_bytes(chunk)
                if left is not None:
                    chunk, left = chunk[:left], left - len(chunk)
                if chunk:
                    begun = True
                    await outlet.send(chunk)
                if left is not None and left < 0:
                    logger.error("%s sent more bytes than its content-length says; the rest was cut", plan.name)
                    break
            if left is not None and left > 0:
                begun = True
                raise RuntimeError(f"{plan.name} ended {left} bytes short of its content-length")
    except (Closed, ClientDisconnect):
        raise
    except Exception as error:
        replacement = await _answer_error(plan, request, error)
        if begun or replacement.stream is not None:
            raise
        await outlet.replace(replacement, error)
    finally:
        await close_stream(stream, request)


async def close_stream(stream: Any, request: Request) -> None:
    """Close what yields a body; a fault in its clean-up is logged."""
    try:
        if hasattr(stream, "aclose"):
            await stream.aclose()
        elif hasattr(stream, "close"):
            await Hop(stream.close)
    except Exception:
        logger.exception("error while the stream of %r was closed", request)


def last_resort(request: Request, error: BaseException) -> Response:
    """The answer when even middleware could give none."""
    if isinstance(error, ThreadsExhausted):
        logger.error("no thread could be started for %r: %s", request, error)
        return problem(HTTPException(503, headers={"retry-after": "1"}))
    logger.error("error while %r was answered", request, exc_info=error)
    return problem(HTTPException(500))


def not_started(error: BaseException) -> Response:
    """The answer while the application cannot start."""
    logger.error("the application could not start", exc_info=error)
    return problem(HTTPException(503, "the application has not started", {"retry-after": "1"}))


async def _advance(plan: Plan, stage: Stage, request: Request) -> Response | None:
    """Enter the stage's layers and, in the last stage, call the handler; an answer, or None to go on."""
    if stage.layers:
        entered = request._entered or []
        request._entered = entered
        for piece in stage.layers:
            generator = piece.call(request)
            waits = piece.colour is Colour.ASYNC
            early = await anext(generator, _END) if waits else next(generator, _END)
            if early is _END:
                raise RuntimeError(f"middleware {piece.name} ended without a `yield`; yield once, or yield a Response")
            entered.append((generator, piece))
            if early is not None:
                return to_response(early)
    if not stage.handles:
        return None
    if plan.awaits:
        value = plan.call(request)
        if hasattr(value, "__await__"):
            value = await value
    else:
        try:
            value = plan.call(request)
        except GeneratorExit as error:
            raise RuntimeError(f"handler {plan.name} raised GeneratorExit") from error
    response = plan.answer(value)
    if response.stream is not None and request._streams is not None and not hasattr(response.stream, "__anext__"):
        await _admit_stream(request, response)
    return response


async def _admit_stream(request: Request, response: Response) -> None:
    streams = request._streams
    if streams is None or request._holds_stream:
        return
    if not streams.take():
        await close_stream(response.stream, request)
        raise HTTPException(503, f"all {streams.limit} streams are in use", {"retry-after": "1"})
    request._holds_stream = True


async def _leave(plan: Plan, request: Request, response: Response | None, error: BaseException | None) -> Response:
    """Leave the layers, innermost first; each is given the answer, or the exception that is no `Exception`."""
    entered: list[tuple[Any, Piece]] = request._entered or []  # type: ignore[assignment]  # a list once it has items
    try:
        while True:
            if isinstance(error, Exception):
                given, error = error, None
                try:
                    answer = await _answer_error(plan, request, given)
                finally:
                    del given
                await _drop(response, answer, request)
                response = answer
            if not entered:
                break
            try:
                leaving = _unwind(plan, entered, response, error, request)
                if plan.style(entered[-1][1].colour) is Style.HOP:
                    response = await Hop(step, leaving)
                else:
                    response = await leaving
                error = None
            except BaseException as raised:
                error = raised
        if error is not None:
            await _drop(response, None, request)
            raise error
    finally:
        error = None
    return response  # type: ignore[return-value]  # there is an answer where there is no error


async def _unwind(
    plan: Plan,
    entered: list[tuple[Any, Piece]],
    response: Response | None,
    error: BaseException | None,
    request: Request,
) -> Response | None:
    """Leave layers as long as they run in the style of the first."""
    style = plan.style(entered[-1][1].colour)
    try:
        while entered and plan.style(entered[-1][1].colour) is style:
            generator, piece = entered.pop()
            waits = piece.colour is Colour.ASYNC
            try:
                if waits:
                    given = await (generator.asend(response) if error is None else generator.athrow(error))
                else:
                    given = generator.send(response) if error is None else generator.throw(error)
            except (StopIteration, StopAsyncIteration) as stop:
                if getattr(stop, "value", None) is not None:
                    raise RuntimeError(f"middleware {piece.name} returned a value; `yield` the Response") from None
                if error is not None:
                    raise error from None
                continue
            answer = to_response(given)
            await _drop(response, answer, request)
            response, error = answer, None
            if (await anext(generator, _END) if waits else next(generator, _END)) is not _END:
                raise RuntimeError(f"middleware {piece.name} yielded again after its answer")
        return response
    finally:
        error = None


async def _drop(response: Response | None, instead: Response | None, request: Request) -> None:
    """Close the stream of an answer that another one replaces."""
    if response is not None and response.stream is not None and (instead is None or instead.stream is not response.stream):
        await close_stream(response.stream, request)


async def _answer_error(plan: Plan, request: Request, error: BaseException) -> Response:
    """The one mapping of errors: the registered error handler, or problem details; logged when unexpected."""
    request.error = error
    piece = plan.errors.find(error)
    try:
        if piece is not None:
            try:
                return await _handled(plan, piece, request, error)
            except HTTPException as raised:
                error = raised
            except Exception as raised:
                logger.exception("error handler %s failed for %r", piece.name, request)
                return problem(HTTPException(500))
        return problem(error) if isinstance(error, HTTPException) else last_resort(request, error)
    finally:
        error = None  # type: ignore[assignment]  # as in `respond`


async def _handled(plan: Plan, piece: Piece, request: Request, error: BaseException) -> Response:
    """What an error handler answers; a bare value takes the status of the error."""
    style = plan.style(piece.colour)
    try:
        if style is Style.HOP:
            value = await Hop(piece.call, request, error)
        else:
            value = piece.call(request, error)
            if style is Style.AWAIT:
                value = await value
        if isinstance(value, Response | tuple):
            return to_response(value)
        return to_response(value, error.status if isinstance(error, HTTPException) else 500)
    finally:
        error = None  # type: ignore[assignment]  # as in `respond`


def _declared_length(response: Response) -> int | None:
    headers = response._headers
    declared = None if headers is None else headers.get("content-length")
    return int(declared) if declared is not None and declared.isdecimal() else None


