"""The way of a request through an application with Flask's manners, in Flask's order, as one piece of a plan.

Hooks, view, error handlers, hooks again, teardown: each is called or awaited where the plan of the route says. Must not
know a server; `answering` makes a `Handling` for each route, and the core runs it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import duoframe
from duoframe.answers import to_response
from duoframe.bridge import Hop, step
from duoframe.flask import signals
from duoframe.flask.contexts import AppContext, RequestContext
from duoframe.flask.exceptions import BadRequestKeyError, HTTPException, InternalServerError, RequestRedirect, in_kind
from duoframe.flask.globals import running, running_request
from duoframe.flask.sessions import SecureCookieSessionInterface, open_session
from duoframe.pieces import Colour, colour_of, inline
from duoframe.signatures import needs_loop

if TYPE_CHECKING:
    from duoframe.flask.answering import Answering
    from duoframe.flask.responses import Response
    from duoframe.flask.rules import Rule


RECORDER = "duoframe.flask.recorder"
"""Under which name a test client puts its `Recorder` among what the door is given."""


class Recorder(Protocol):
    """What a test client learns of a request beside the answer."""

    def keep(self, context: RequestContext, error: BaseException | None) -> bool:
        """Whether the context stays, to be popped by whoever has it now."""

    def raised(self, error: Exception) -> None:
        """An exception that nothing handled, and that the application lets through."""


@dataclasses.dataclass(frozen=True, slots=True)
class Handling:
    """What answers at one route: its view between all that is registered around it."""

    app: Answering
    view: Callable[..., Any]
    """Takes the values of the path; without a ``rule`` it takes the request of the core."""
    rule: Rule | None
    colour: Colour
    make: Callable[[Any, duoframe.Request], duoframe.Response] | None = None
    """Without a ``rule``: makes an answer of what the view gives."""
    find: Callable[[BaseException], Any] | None = None
    """Without a ``rule``: finds the error handler of the core's router."""

    @property
    def loops(self) -> bool:
        """Whether it is awaited on an event loop."""
        return self.colour is Colour.ASYNC

    def __call__(self, core: duoframe.Request) -> Any:
        """The answer of the core, or what gives it when it is awaited."""
        answering = respond(self, core)
        return answering if self.loops else step(answering)


async def respond(handling: Handling, core: duoframe.Request) -> duoframe.Response:
    """Answer one request inside a context of its own. Raises what nothing handled, where that is to be seen."""
    app = handling.app
    context = RequestContext(app, app._facade(core))  # type: ignore[arg-type]  # an Answering is a Flask
    context.handling = handling
    recorder: Recorder | None = core._values.get(RECORDER)
    error: BaseException | None = None
    context.push()
    try:
        try:
            response = await _value(app.full_dispatch_request())
        except Exception as raised:
            error = None if app.should_ignore_error(raised) else raised
            response = await _value(app.handle_exception(raised))
        answered: duoframe.Response = response._finish(core)
        return answered
    except BaseException as raised:
        error = raised
        if recorder is not None and isinstance(raised, Exception):
            recorder.raised(raised)
        raise
    finally:
        if recorder is None or not recorder.keep(context, error):
            await context.leave(error, handling.loops)
        error = None  # no cycle of an error, its traceback and this frame


def driven(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of a step of the way, or in a plan that runs on a loop something that gives it when awaited."""
    return work if loops() else step(work)


def loops() -> bool:
    """Whether the running request is answered on an event loop."""
    handling = running_request().handling
    return handling is not None and handling.loops


async def full(app: Answering) -> Response:
    """Hooks, view and error handlers, and what they give as an answer."""
    app._got_first_request = True
    try:
        signals.request_started.send(app, _async_wrapper=app.ensure_sync)
        await _open_session(app)
        value = await _value(app.preprocess_request())
        if value is None:
            value = await _value(app.dispatch_request())
    except Exception as error:
        value = await _value(app.handle_user_exception(error))
    answered: Response = await _value(app.finalize_request(value))
    return answered


async def preprocess(app: Answering) -> Any:
    """The value preprocessors, then what runs before the view, until one of them answers."""
    request: Any = running_request().request
    names = (None, *reversed(request.blueprints))
    for function in registered(app.url_value_preprocessors, names):
        function(request.endpoint, request.view_args)
    for function in registered(app.before_request_funcs, names):
        value = await run(app, function)
        if value is not None:
            return value
    return None


async def view(app: Answering) -> Any:
    """What the view gives. Raises the exception of a request that no view answers."""
    context = running_request()
    request: Any = context.request
    if request.routing_exception is not None:
        raise request.routing_exception
    handling: Handling | None = context.handling
    rule = request.url_rule
    if rule is None:
        return await _core_view(app, handling, request)  # type: ignore[arg-type]  # a door has found its handler
    if rule.provide_automatic_options and request.method == "OPTIONS":
        return app.make_default_options_response()
    function = app.view_functions[rule.endpoint] if handling is None else handling.view
    return await run(app, function, **request.view_args)


async def _core_view(app: Answering, handling: Handling, request: Any) -> Any:
    """What a handler of the core's gives, or an error handler of its router's, as an answer."""
    core = request._core
    try:
        value = await run(app, handling.view, core)
        return value if handling.make is None else handling.make(value, core)
    except Exception as error:
        piece = None if handling.find is None else handling.find(error)
        if piece is None:
            raise
        value = await run(app, piece.call, core, error)
        status = error.status if isinstance(error, duoframe.HTTPException) else 500
        return to_response(value) if isinstance(value, duoframe.Response | tuple) else to_response(value, status)


async def process(app: Answering, response: Response) -> Response:
    """What runs on the answer: what the request asked for itself, then the blueprints', then the application's."""
    context = running_request()
    request: Any = context.request
    hooks = [
        *context._after,
        *(
            function
            for name in (*request.blueprints, None)
            for function in reversed(app.after_request_funcs.get(name, ()))
        ),
    ]
    for function in hooks:
        response = await run(app, function, response)
    interface, session = app.session_interface, context.session
    if not interface.is_null_session(session):
        await run(app, _coloured(app, interface.save_session), app, session, response)
    return response


async def _open_session(app: Answering) -> None:
    """Open the session, which may need another machine to be asked."""
    await run(app, _coloured(app, open_session), app, running_request().request)


def _coloured(app: Answering, call: Callable[..., Any]) -> Callable[..., Any]:
    """A call of the session interface: one that keeps sessions in cookies never blocks."""
    if isinstance(app.session_interface, SecureCookieSessionInterface):
        return inline(functools.partial(call))
    return call


async def finalize(app: Answering, value: Any, from_error_handler: bool) -> Response:
    """An answer of what a view or an error handler gave, after all that runs on it."""
    response: Response = app.make_response(value)
    try:
        response = await _value(app.process_response(response))
        signals.request_finished.send(app, _async_wrapper=app.ensure_sync, response=response)
    except Exception:
        if not from_error_handler:
            raise
        app.logger.exception("an error while the answer of an error handler was made ready")
    return response


async def handle_user_exception(app: Answering, error: Exception) -> Any:
    """What the error handler of an exception gives. Raises the exception where there is none."""
    if isinstance(error, BadRequestKeyError) and (app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"]):
        error.show_exception = True
    told = in_kind(error)
    if told is not None and not app.trap_http_exception(told):
        # One of Werkzeug's that an extension raises may have a handler of its own, which wants it as it is.
        handler = None if told is error else find_handler(app, error, told.code)
        return await (_value(app.handle_http_exception(told)) if handler is None else run(app, handler, error))
    handler = find_handler(app, error)
    if handler is None:
        raise error
    return await run(app, handler, error)


async def handle_http_exception(app: Answering, error: HTTPException) -> Any:
    """What the error handler of an HTTP exception gives, or the exception itself."""
    if error.code is None or isinstance(error, RequestRedirect):
        return error
    handler = find_handler(app, error)
    return error if handler is None else await run(app, handler, error)


async def handle_exception(app: Answering, error: Exception) -> Response:
    """The answer 500 to what nothing handled. Raises it again where exceptions are to be seen."""
    signals.got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    if app._propagates:
        raise error
    app.log_exception((type(error), error, error.__traceback__))
    value: Any = InternalServerError(original_exception=error)
    handler = find_handler(app, value)
    if handler is not None:
        value = await run(app, handler, value)
    answered: Response = await _value(app.finalize_request(value, from_error_handler=True))
    return answered


async def tear_down(app: Answering, context: AppContext, error: BaseException | None, waits: bool, hops: bool) -> None:
    """Tell the teardown functions that a context has ended; all of them, whatever one raises."""
    of_request, of_app = _teardowns(app, context)
    raised: BaseException | None = None
    for function in (*of_request, *(() if context._shares else of_app)):
        try:
            await _run(app, function, waits, hops, error)
        except BaseException as fault:
            raised = raised or fault
    if raised is not None:
        raise raised


def _teardowns(app: Answering, context: AppContext) -> tuple[list[Callable[..., Any]], list[Callable[..., Any]]]:
    """What is told that a request, and that a context of the application, has ended, in its order."""
    of_request: list[Callable[..., Any]] = []
    if isinstance(context, RequestContext):
        for name in (*context.request.blueprints, None):
            of_request += reversed(app.teardown_request_funcs.get(name, ()))
        of_request.append(_telling(app, signals.request_tearing_down))
    of_app = [*reversed(app.teardown_appcontext_funcs), _telling(app, signals.appcontext_tearing_down)]
    return of_request, of_app


def _telling(app: Answering, signal: Any) -> Callable[[BaseException | None], None]:
    def tell(error: BaseException | None) -> None:
        signal.send(app, _async_wrapper=app.ensure_sync, exc=error)

    return inline(tell)


def tear_down_now(app: Answering, error: BaseException | None, of_request: bool) -> None:
    """Run teardown functions without an end of anything."""
    context = running_request() if of_request else running()
    functions = _teardowns(app, context)[0 if of_request else 1]
    for function in functions:
        step(_run(app, function, False, False, error))


def find_handler(app: Answering, error: Exception, code: int | None = None) -> Callable[..., Any] | None:
    """Which error handler answers: by status before by class, a blueprint's before the application's.

    ``code`` is the status of an exception of another's that has one.
    """
    request: Any = running_request().request
    code = error.code if isinstance(error, HTTPException) else code
    for wanted in (None,) if code is None else (code, None):
        for name in (*request.blueprints, None):
            handlers = app.error_handler_spec.get(name, {}).get(wanted)
            for kind in type(error).__mro__ if handlers else ():
                if kind in handlers:  # type: ignore[operator]  # there are some
                    return handlers[kind]  # type: ignore[index]
    return None


def registered(table: dict[str | None, list[Callable[..., Any]]], names: Iterable[str | None]) -> Iterable[Any]:
    """The functions of the application and of its blueprints, in the order of ``names``."""
    return [function for name in names for function in table.get(name, ())]


async def run(app: Answering, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function of the user's where the plan wants it: awaited, on a worker thread, or in place."""
    return await _run(app, function, loops(), True, *args, **kwargs)


async def _run(
    app: Answering, function: Callable[..., Any], awaits: bool, hops: bool, *args: Any, **kwargs: Any
) -> Any:
    waits = needs_loop(function)
    if not awaits:
        return (app.ensure_sync(function) if waits else function)(*args, **kwargs)
    if waits and not _only_wraps(function):
        return await function(*args, **kwargs)
    if not hops or colour_of(function) is Colour.INLINE:
        value = function(*args, **kwargs)
    else:
        value = await Hop(functools.partial(function, *args, **kwargs))
    return await value if isinstance(value, Coroutine) and waits else value


def _only_wraps(function: Callable[..., Any]) -> bool:
    """Whether a function is a `def` around an `async def`, as a decorator makes one that uses `ensure_sync`.

    It may block, waiting for the event loop, so it belongs on a thread; or it gives what is to be awaited.
    """
    return hasattr(function, "__wrapped__") and not inspect.iscoroutinefunction(function)


async def _value(given: Any) -> Any:
    """What a step of the way gave: its result, or in a plan that runs on a loop something that gives it."""
    return await given if loops() and isinstance(given, Coroutine) else given
