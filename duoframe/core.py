"""THE order of events of a request, and the one mapping of errors to answers.

`respond` enters the middleware, calls the handler and leaves the middleware again; `deliver` sends what is a stream.
Both are coroutines that never ask for a loop unless a piece of the plan is `async def`. Must not know a server:
`wsgi` and `asgi` decide where these coroutines run and give `deliver` an `Outlet` to send through.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from duoframe.answers import to_response
from duoframe.bridge import Hop, step, stepped
from duoframe.context import current
from duoframe.dependencies import conclude, release, release_early, supply
from duoframe.errors import ClientDisconnect, HTTPException
from duoframe.files import FileBody
from duoframe.pieces import Colour, Piece
from duoframe.plan import Plan, Stage, Style
from duoframe.relay import Closed, iterate
from duoframe.requests import Request
from duoframe.responses import Response, problem
from duoframe.threads import ThreadsExhaustedError

logger = logging.getLogger("duoframe.error")

_END: Any = object()

_BEFORE_BODY = (
    "the body has not been read yet: the leading `@inline` middleware runs before it; look at the body in a piece that"
    " is not marked"
)


class Outlet(Protocol):
    """Where a door takes the chunks of a streamed answer."""

    async def send(self, chunk: bytes) -> None:
        """Take one chunk, waiting for the client. Raises `Closed` or `ClientDisconnect` when it has gone."""

    async def replace(self, response: Response, error: Exception) -> None:
        """Answer ``response``, whole, instead: nothing of the first answer has been sent."""


class Beginning(Outlet, Protocol):
    """An outlet that learns of an answer when there is one."""

    @property
    def closed(self) -> bool:
        """Whether nobody takes the answer any more."""

    def begin(self, response: Response) -> bool:
        """The answer's status and header fields are known; whether its body is to follow through here."""

    async def sent(self) -> None:
        """The body has ended: wait until it has gone out. Raises `Closed` or `ClientDisconnect` when it has not."""


def enter_gate(plan: Plan, request: Request) -> bool:
    """Enter the leading `@inline` middleware; whether the request goes on to its body."""
    current.set(request)
    unread, request._body_unread = request._body_unread, _BEFORE_BODY
    try:
        request._answer = step(_advance(plan, plan.gate, request))  # type: ignore[arg-type]  # doors ask where it is
    except BaseException as error:
        request._fault = error
    if request._answer is not None or request._fault is not None:
        return False
    request._body_unread = unread
    return True


def leave_gate(plan: Plan, request: Request, error: BaseException) -> Response:
    """Leave what `enter_gate` entered, for a request that gets no further; its answer.

    Raises ``error`` again where that is no `Exception`: a cancellation, an exit.
    """
    if isinstance(error, Exception):
        request._answer = last_resort(request, error)
    else:
        request._fault = error
    try:
        return step(respond(plan, request))
    finally:
        del error  # no cycle of error, traceback and frame


async def respond(plan: Plan, request: Request) -> Response:
    """Answer one request: middleware in, handler, middleware out. Errors become answers where they arise.

    Raises only what is no `Exception`: a cancellation, an exit.
    """
    current.set(request)
    response: Response | None = request._answer
    error: BaseException | None = request._fault
    try:
        if response is not None:
            response = await _make_ready(request, response)  # the gate could not: it never waits
        elif error is None:
            stages = plan.stages if plan.gate is None else plan.after_gate(len(request._entered))
            for stage in stages:  # pragma: no branch - the last one answers
                if stage.style is Style.HOP:
                    response = await Hop(stepped, _advance_on_thread, plan, stage, request)
                else:
                    response = await _advance(plan, stage, request)
                if response is not None:
                    if plan.awaits_early and request._exits:
                        await release_early(request)
                    break
    except BaseException as raised:
        error = raised
        if request._exits:
            error = await release(request._exits, error)
    if error is None and not request._entered:
        return response  # type: ignore[return-value]  # the last stage calls the handler, which answers
    request._answer = response
    try:
        return await _leave(plan, request, error)
    finally:
        error = None  # here and below: no cycle of an error, its traceback and the frame that holds it


async def exchange(plan: Plan, request: Request, outlet: Beginning) -> Response:
    """`respond` and, where the answer is a stream, `deliver`: for doors whose plan runs where they do not.

    Dependencies that are still open are left here too, once all has been sent.
    """
    response = await respond(plan, request)
    if not request._exits:
        if response.stream is not None and outlet.begin(response):
            await deliver(plan, request, response, outlet)
        return response
    error: BaseException | None = None
    try:
        if outlet.begin(response):
            await deliver(plan, request, response, outlet)
        await outlet.sent()
    except BaseException as raised:
        error = Closed() if outlet.closed else raised
        raise
    finally:
        await conclude(request, error)
        error = None
    return response


async def deliver(plan: Plan, request: Request, response: Response, outlet: Outlet) -> None:
    """Send a streamed body, then close what yields it, whatever happens.

    An error before the first chunk replaces the answer; a later one is raised, so that the server breaks off.
    """
    stream: Any = response.stream
    begun = False
    try:
        if response.sends_body(request.method):
            left = response.declared_length
            async_stream = hasattr(stream, "__anext__")
            while True:
                if async_stream:
                    chunk = await anext(stream, _END)
                else:
                    chunk = await Hop(next, stream, _END, leave=True)
                if chunk is _END:
                    break
                if type(chunk) is not bytes:
                    chunk = response.encode_chunk(chunk)
                if left is not None:
                    chunk, left = chunk[:left], left - len(chunk)
                if chunk:
                    begun = True
                    await outlet.send(chunk)
                if left is not None and left < 0:
                    logger.error("%s sent more bytes than its content-length says; the rest was cut", plan.name)
                    break
            if left is not None and left > 0:
                raise RuntimeError(f"{plan.name} ended {left} bytes short of its content-length")
    except (Closed, ClientDisconnect):
        raise
    except Exception as error:
        replacement = await _answer_error(plan, request, error)
        if replacement.stream is not None:
            await close_stream(replacement.stream, request)
            replacement = last_resort(request, TypeError("expected a whole answer in place of a stream, got a stream"))
        if begun:
            raise
        await outlet.replace(replacement, error)
    finally:
        await close_stream(stream, request)


def bring_to_thread(request: Request, response: Response) -> None:
    """Let a thread that no event loop drives walk the answer's stream, whatever its kind."""
    stream: Any = response.stream
    if hasattr(stream, "__anext__"):
        response.stream = iterate(request._home.get_loop(), stream, request.app.grace)


async def close_stream(stream: Any, request: Request) -> None:
    """Close what yields a body; a fault in its clean-up is logged."""
    try:
        if hasattr(stream, "aclose"):
            await stream.aclose()
        elif hasattr(stream, "close"):
            await Hop(stream.close)
    except ClientDisconnect:
        pass  # it was reading what the client sends
    except Exception:
        logger.exception("error while the stream of %r was closed", request)


def last_resort(request: Request, error: BaseException) -> Response:
    """The answer when even middleware could give none."""
    if isinstance(error, ThreadsExhaustedError):
        logger.error("no thread could be started for %r: %s", request, error)
        return _presented(request, HTTPException(503, headers={"retry-after": "1"}))
    logger.error("error while %r was answered", request, exc_info=error)
    return _presented(request, HTTPException(500), error)


def not_started(request: Request, error: BaseException) -> Response:
    """The answer while the application cannot start."""
    logger.error("the application could not start", exc_info=error)
    return _presented(request, HTTPException(503, "the application has not started", {"retry-after": "1"}), error)


def _presented(request: Request, error: HTTPException, cause: BaseException | None = None) -> Response:
    """An error as its client prefers to read it, in debug with its ``cause``. Raises what `problem` raises."""
    plain = problem(error)
    try:
        if cause is not None and request.app.debug:
            from duoframe import debugpage

            return debugpage.present(request, error, cause, plain)
        from duoframe import errorpages

        return errorpages.present(request, error, plain)
    except Exception:
        logger.exception("error while a page was made for %r", request)
        return plain


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
            entered.append((generator, piece, stage.style))
            if early is not None:
                response = to_response(early)
                return response if stage is plan.gate else await _make_ready(request, response)
    if stage.needs:
        await supply(plan, stage, request)
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
    response = plan.answer(value, request)
    if request._exits and not plan.awaits_early:  # else the thread that this may be on could not
        await release_early(request)
    if response.opens or response.stream is not None or response._headers is not None:
        return await _make_ready(request, response)
    return response


async def _make_ready(request: Request, response: Response) -> Response:
    """The one place that every answer comes through, whoever gave it.

    A file is opened, the conditions of the request are kept, a `def` stream is counted. Where that fails, the error
    takes the place of the answer, which is closed.
    """
    if response.opens:
        return await Hop(response.open, request)  # type: ignore[no-any-return]  # what `open` returns
    stream = response.stream
    try:
        if response._headers is not None:
            response = response.make_conditional(request)
        if stream is not None and not response.bodyless:  # a 304 is closed, and never walked
            _admit_stream(request, stream)
    except BaseException:
        if stream is not None:
            response.stream = None
            await close_stream(stream, request)
        raise
    return response


def _admit_stream(request: Request, stream: Any) -> None:
    """Count a stream that keeps a thread among those of its event loop, once a request. Raises `HTTPException` 503."""
    streams = request._streams
    if streams is None or request._holds_stream or isinstance(stream, FileBody):
        return
    if (
        hasattr(stream, "__anext__")
        and not getattr(stream, "holds_thread", False)
        and (request.route is None or request.route.plan.colour is not Colour.SYNC)
    ):
        return  # it is walked on the loop; only a sync plan's is walked from the plan's thread
    if not streams.take():
        raise HTTPException(503, f"all {streams.limit} streams are in use", {"retry-after": "1"})
    request._holds_stream = True


async def _advance_on_thread(plan: Plan, stage: Stage, request: Request) -> Response | None:
    """`_advance`, and leave the last stage at once: what its pieces keep in a thread-local is still there."""
    if not (stage.layers and stage.handles) or plan.errors.wait or plan.awaits_early:
        return await _advance(plan, stage, request)
    below = len(request._entered)
    error: BaseException | None = None
    try:
        request._answer = await _advance(plan, stage, request)
    except BaseException as raised:
        error = raised
        if request._exits:
            error = await release(request._exits, error)
    try:
        return await _leave(plan, request, error, below)
    finally:
        error = None


async def _leave(plan: Plan, request: Request, error: BaseException | None, below: int = 0) -> Response:
    """Leave the layers above ``below``, innermost first.

    Each is given the answer, or what was raised and is no `Exception`.
    """
    entered = request._entered
    try:
        while len(entered) > below or isinstance(error, Exception):
            try:
                if isinstance(error, Exception):
                    answer = await _answer_error(plan, request, error)
                    error = None
                    await _take(request, answer)
                else:
                    unwind = _unwind_on_thread if entered[-1][2] is Style.HOP else _unwind
                    await unwind(request, error)
                    error = None
            except BaseException as raised:
                error = raised
        if error is not None:
            await _take(request, None)
            raise error
    finally:
        error = None
    return request._answer  # type: ignore[no-any-return]  # there is an answer where there is no error


async def _unwind_on_thread(request: Request, error: BaseException | None) -> None:
    """Leave the layers that were entered on a worker thread."""
    innermost = request._entered[-1]
    try:
        await Hop(stepped, _unwind, request, error)
    except ThreadsExhaustedError:
        if request._entered[-1:] == [innermost]:  # no thread could be had: it is closed here, or never
            request._entered.pop()[0].close()
        raise
    finally:
        error = None


async def _unwind(request: Request, error: BaseException | None) -> None:
    """Leave the layers that were entered in one style."""
    entered = request._entered
    style = entered[-1][2]
    try:
        while entered and entered[-1][2] is style:
            generator, piece, _ = entered.pop()
            waits = piece.colour is Colour.ASYNC
            try:
                if waits:
                    given = await (generator.asend(request._answer) if error is None else generator.athrow(error))
                else:
                    given = generator.send(request._answer) if error is None else generator.throw(error)
            except (StopIteration, StopAsyncIteration) as stop:
                if getattr(stop, "value", None) is not None:
                    raise RuntimeError(f"middleware {piece.name} returned a value; `yield` the Response") from None
                if error is not None:
                    raise RuntimeError(
                        f"middleware {piece.name} swallowed {error!r} and gave no answer; raise it again,"
                        " or `yield` a Response"
                    ) from None
                continue
            try:
                if given is not None:
                    await _take(request, await _make_ready(request, to_response(given)))
                    error = None
                    given = await anext(generator, _END) if waits else next(generator, _END)
                if given is not _END:
                    raise RuntimeError(f"middleware {piece.name} yielded once too often; `return` after its answer")
            finally:
                if waits:
                    await generator.aclose()
                else:
                    generator.close()
    finally:
        error = None


async def _take(request: Request, answer: Response | None) -> None:
    """Let ``answer`` be the request's, and close the stream of the one it replaces."""
    replaced, request._answer = request._answer, answer
    stream = None if replaced is None else replaced.stream
    if stream is not None and (answer is None or answer.stream is not stream):
        await close_stream(stream, request)


async def _answer_error(plan: Plan, request: Request, error: Exception) -> Response:
    """The one mapping of errors: the registered error handler, or problem details; logged when unexpected."""
    request.error = error
    piece = plan.errors.find(error)
    try:
        if piece is not None:
            try:
                return await _handled(plan, piece, request, error)
            except Exception as raised:
                if raised is not error:
                    raised.add_note(f"raised by error handler {piece.name}, which was given {error!r}")
                request.error = error = raised
        if isinstance(error, HTTPException):
            try:
                return _presented(request, error)
            except (TypeError, ValueError) as unfit:  # a field or a member that cannot be sent
                request.error = error = unfit
        return last_resort(request, error)
    finally:
        del error


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
        status = error.status if isinstance(error, HTTPException) else 500
        response = to_response(value) if isinstance(value, Response | tuple) else to_response(value, status)
        return await _make_ready(request, response)
    finally:
        error = None  # type: ignore[assignment]  # as in `respond`
