"""What a function asks for and how it is to be called: its signature with every annotation resolved, its colour.

Knows functions and what they are wrapped in; must not know what a parameter means: `binding` decides that.
"""

from __future__ import annotations

import functools
import inspect
import sys
import typing
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, SimpleNamespace
from typing import Any, NamedTuple

from duoframe.annotations import given, spelled_out
from duoframe.errors import ConfigurationError
from duoframe.generated import generate
from duoframe.params import MARKERS, Dependency, Parameter
from duoframe.requests import Request
from duoframe.responses import Response
from duoframe.uploads import UploadFile

_Function = Callable[..., Any]


def signature_of(function: _Function, names: Mapping[str, Any] | None = None) -> inspect.Signature:
    """The signature of ``function`` with every annotation resolved to what it stands for.

    ``names`` are known to the annotations beside those of its module, its closure and the running functions around
    its definition. What was resolved once is remembered, for by then those may have returned. Raises
    `ConfigurationError` that names the symbol nobody knows; a return annotation is `Unresolved` then.
    """
    try:
        known = _resolved.get(function)
    except TypeError:  # it has no hash, or cannot be referred to weakly
        return _resolve(function, names or {})
    if known is None:
        known = _resolved[function] = _resolve(function, names or {})
    return known


class Unresolved(NamedTuple):
    """The return annotation that names what nobody knows; it is told where it counts."""

    problem: str


def learn(function: _Function) -> None:
    """Resolve the annotations of ``function`` and of all that its `Depends` name: for `signature_of`, later."""
    known = set()
    left = [function]
    while left:
        function = left.pop()
        if id(function) in known:
            continue
        known.add(id(function))
        for parameter in signature_of(function).parameters.values():
            marker = marker_of(parameter, function)
            if isinstance(marker, Dependency):
                call = marker.call or bare(parameter.annotation)
                left += [call] if callable(call) else []


def marker_of(parameter: inspect.Parameter, function: _Function) -> Parameter | Dependency | None:
    """What is said of a parameter, as its default or in ``Annotated``. Raises `ConfigurationError` for both or two."""
    markers = [*getattr(parameter.annotation, "__metadata__", ()), parameter.default]
    found = [marker for marker in markers if isinstance(marker, Parameter | Dependency)]
    for uncalled in markers:
        if inspect.isfunction(uncalled) and uncalled in MARKERS:
            name = uncalled.__name__
            raise ConfigurationError(
                f"{describe(function)} says {name} of its parameter {parameter.name!r}; write {name}()"
            )
    if len(found) > 1:
        raise ConfigurationError(
            f"{describe(function)} says twice where its parameter {parameter.name!r} comes from: {found}; say it once"
        )
    return found[0] if found else None


def bare(annotation: Any) -> Any:
    """What ``Annotated`` is wrapped around."""
    return typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation


def accepts(handler: _Function, offered: tuple[str, ...], role: str) -> _Function:
    """Let ``handler`` take the last few of the ``offered`` positional arguments, as many as its signature has.

    One that takes a single argument and asks for the request gets the request. Raises `ConfigurationError` for a
    signature that asks for more.
    """
    parameters = list(_signature(handler).parameters.values())
    places = [parameter for parameter in parameters if parameter.kind in _POSITIONAL]
    required = [parameter for parameter in parameters if not is_optional(parameter)]
    if len(required) > len(offered) or any(parameter not in places for parameter in required):
        raise ConfigurationError(
            f"{role} {describe(handler)} asks for ({', '.join(parameter.name for parameter in required)});"
            f" it is given ({', '.join(offered)})"
        )
    if len(places) >= len(offered) or any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return handler
    given = offered[len(offered) - len(places) :]
    if len(places) == 1 and "request" in offered and is_request(places[0], handler):
        given = ("request",)
    source = f"def call({', '.join(offered)}):\n    return handler({', '.join(given)})\n"
    return generate(source, "call", {"handler": handler}, describe(handler))  # type: ignore[no-any-return]  # a function


def needs_loop(handler: _Function) -> bool:
    """Whether calling ``handler`` gives something to await or to walk with ``async for``.

    Looks through partials, callable objects and decorators that keep ``__wrapped__``.
    """
    return any(
        inspect.iscoroutinefunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in _layers(handler)
    )


def is_generator(handler: _Function) -> bool:
    """Whether calling ``handler`` gives a generator, of either kind."""
    return any(
        inspect.isgeneratorfunction(candidate) or inspect.isasyncgenfunction(candidate)
        for candidate in _layers(handler)
    )


def returns_none(handler: _Function) -> bool:
    """Whether the signature says ``-> None``."""
    return signature_of(handler).return_annotation in (None, type(None))


def is_request(parameter: inspect.Parameter, handler: _Function) -> bool:
    """Whether a parameter asks for the request: by its annotation, or by its name."""
    if parameter.name == "request":
        return True
    try:
        annotation = bare(_Names(handler, {}).resolve(parameter.annotation))
    except Exception:  # a name that only type checkers see
        return False
    return isinstance(annotation, type) and issubclass(annotation, Request)


def is_optional(parameter: inspect.Parameter) -> bool:
    """Whether a call may leave the parameter out."""
    return parameter.default is not parameter.empty or parameter.kind in _VARIADIC


def describe(handler: _Function) -> str:
    """A handler's name as its author wrote it, for messages."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    name = getattr(handler, "__qualname__", None) or type(handler).__qualname__
    return repr(name.replace("<locals>.", ""))


def _layers(handler: Any) -> list[Any]:
    found = []
    while True:
        while isinstance(handler, functools.partial):
            handler = handler.func
        handler = _class_of(handler)
        found.append(handler)
        if not inspect.isroutine(handler) and not inspect.isclass(handler) and callable(handler):
            found.append(type(handler).__call__)
        if not hasattr(handler, "__wrapped__"):
            return found
        handler = handler.__wrapped__


def _class_of(function: Any) -> Any:
    """The class that ``Items[int]`` makes an object of; anything else as it is."""
    origin = typing.get_origin(function)
    return origin if isinstance(origin, type) else function


def _signature(function: _Function) -> inspect.Signature:
    """The signature as it stands, without the parameters that a partial has settled."""
    try:
        found = inspect.signature(_class_of(function), **_LAZILY)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the signature of {describe(function)} cannot be read: {error}") from error
    settled = function.keywords if isinstance(function, functools.partial) else {}
    return found.replace(parameters=[found.parameters[name] for name in found.parameters if name not in settled])


def _resolve(function: _Function, names: Mapping[str, Any]) -> inspect.Signature:
    found = _signature(function)
    known = _Names(function, names)
    arguments = [*zip(getattr(_class_of(function), "__parameters__", ()), typing.get_args(function), strict=False)]
    parameters = []
    for parameter in found.parameters.values():
        if parameter.kind not in _VARIADIC:
            annotation = known.read(f"its parameter {parameter.name!r}", parameter.annotation, parameter.name)
            parameter = parameter.replace(annotation=given(annotation, arguments) if arguments else annotation)
        parameters.append(parameter)
    try:
        returned = known.read("what it returns", found.return_annotation)
    except ConfigurationError as error:
        returned = Unresolved(str(error))
    return found.replace(parameters=parameters, return_annotation=returned)


class _Names:
    """What the names in a function's annotations stand for."""

    def __init__(self, function: _Function, names: Mapping[str, Any]) -> None:
        self._function = function
        owner = definition = _layers(function)[-1]
        if inspect.isclass(owner):
            definition = owner.__init__ if hasattr(owner.__init__, "__globals__") else owner.__new__
        module = sys.modules.get(getattr(owner, "__module__", None) or "")
        self._globals = getattr(definition, "__globals__", None) or vars(module or SimpleNamespace())
        code = getattr(owner, "__code__", None)
        place = getattr(owner, "__qualname__", "") if code is None else code.co_qualname
        self._locals = {name: value for name, value in _OURS.items() if name not in self._globals}
        for frame in reversed([*_frames_around(place, self._globals)]):
            self._locals.update(frame.f_locals)
        self._locals.update(_closure(definition))
        self._locals.update(names)

    def read(self, what: str, annotation: Any, name: str = "") -> Any:
        """The type that an annotation stands for. Raises `ConfigurationError`."""
        try:
            return self.resolve(annotation)
        except Exception as error:
            if name == "request":
                return Request  # whatever its annotation: the name says enough
            problem = (
                f"and no {error.name!r} is known when the application runs; import it outside of `if TYPE_CHECKING:`,"
                " or define it before the function is registered, at the top of its module"
                if isinstance(error, NameError)
                else f"which is no type: {error}"
            )
            raise ConfigurationError(
                f"{describe(self._function)} annotates {what} with {annotation!r}, {problem}"
            ) from error

    def resolve(self, annotation: Any) -> Any:
        """The same; raises whatever the annotation does."""
        if annotation is inspect.Parameter.empty:
            return annotation
        holder = SimpleNamespace(__annotations__={"it": annotation})
        return spelled_out(typing.get_type_hints(holder, self._globals, self._locals, include_extras=True)["it"])


def _frames_around(place: str, space: Mapping[str, Any]) -> Iterator[FrameType]:
    """The running functions that ``place``, a qualified name, is defined in, the innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is space and place.startswith(f"{frame.f_code.co_qualname}."):
            yield frame
        frame = frame.f_back


def _closure(function: Any) -> dict[str, Any]:
    """What a function has taken from those around it."""
    found = {}
    names = function.__code__.co_freevars if hasattr(function, "__code__") else ()
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # it has not been given a value yet
            pass
    return found


_resolved: weakref.WeakKeyDictionary[_Function, inspect.Signature] = weakref.WeakKeyDictionary()
_OURS = {"Request": Request, "Response": Response, "UploadFile": UploadFile}
"""What may be imported for type checkers alone."""
_OURS["duoframe"] = SimpleNamespace(**_OURS)  # type: ignore[assignment]  # a module of the same names
_LAZILY: dict[str, Any] = {}
if sys.version_info >= (3, 14):  # pragma: no cover - annotations are read when asked for; before, they were texts
    import annotationlib

    _LAZILY["annotation_format"] = annotationlib.Format.FORWARDREF
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
