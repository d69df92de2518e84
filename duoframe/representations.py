"""How a route represents what its handler returns: exactly what is declared, in a media type that the client takes.

Knows return annotations, the shapes that they stand for and how those are encoded; must not know how an answer is
sent. What declares nothing is answered by its kind (`answers`). `plan` makes a route's answers here, `openapi` reads
their schema.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import (
    AsyncIterable,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Never, NoReturn, TypeVar, Union, get_args, get_origin

from duoframe.annotations import unwrapped
from duoframe.answers import from_tuple, to_response
from duoframe.errors import ConfigurationError, HTTPException
from duoframe.pieces import Colour, Piece
from duoframe.requests import Request
from duoframe.responses import BODYLESS, HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from duoframe.shapes import Shape, shape_of
from duoframe.signatures import Unresolved, is_generator, returns_none, signature_of

UNDECLARED: Any = ...
"""The ``response_model`` of a route that names none: the return annotation of its handler counts."""

_WRITTEN = re.compile(r"application/(?:json|[a-z0-9][a-z0-9.-]*\+json|(?:vnd\.)?msgpack)")


class Representation:
    """What one route answers.

    ``usual`` is the status of what says none; ``model`` a type, None for no model, `UNDECLARED` for the handler's
    return annotation; ``produces`` are the media types that the client may choose of. Raises `ConfigurationError`.
    """

    __slots__ = (
        "_kinds",
        "_splits",
        "_writers",
        "empty",
        "layers",
        "media_types",
        "negotiates",
        "null",
        "shape",
        "status",
        "usual",
    )

    def __init__(
        self,
        handler: Callable[..., Any],
        usual: int = 200,
        model: Any = UNDECLARED,  # Any: whatever can be written as a type
        produces: Sequence[str] = (),
    ) -> None:
        declared = _declared(handler, model)
        self.shape = _shape_of(declared, usual)
        """What is answered as exactly this; None where values are answered by their kind."""
        self.usual = usual
        """The status of a value."""
        self.null = declared.none and self.shape is not None
        """Whether None is a value like any other."""
        self.empty = (204 if usual == 200 else usual) if declared.none and not self.null else None
        """The status that None is answered with, without content; None where it is no answer."""
        self.status = usual if declared.kinds or self.empty is None else self.empty
        """The status that is described."""
        offers = _checked(produces, self.shape)
        self.media_types = offers or _media_types(declared)
        """What the content type of an answer may be, as far as it is declared."""
        self.negotiates = bool(offers)
        """Whether the client may choose, and be answered 406."""
        self.layers = (Piece(self._negotiate, Colour.INLINE, "negotiation"),) if offers else ()
        """The middleware that the route needs for it, innermost."""
        self._writers = {media_type: _writer(media_type, self.shape) for media_type in offers if self.shape}
        self._kinds = (Response, *declared.kinds)
        self._splits = not any(_kind(model) in _TUPLES for model in declared.models)

    def schema(self) -> tuple[dict[str, Any], dict[str, Any]] | None:  # Any: JSON
        """The JSON Schema of an answer, with the components that it refers to; None where nothing is declared."""
        if self.shape is not None:
            return self.shape.schema("output")
        return ({"type": "string"}, {}) if self.media_types == ("text/plain",) else None

    def answer(self, value: Any, request: Request) -> Response:  # Any: what a handler returns
        """A handler's value as what is declared: the body of a tuple too, a Response as it is.

        Raises `TypeError`, `ValueError` or `RecursionError` for what does not fit; `explain` says why.
        """
        if isinstance(value, self._kinds):
            return to_response(value, self.usual)
        if type(value) is tuple and self._splits:
            return from_tuple(value, make=lambda body: self.answer(body, request))
        shape: Shape = self.shape  # type: ignore[assignment]  # a plan asks only where there is one
        if self._writers:
            media_type: str = request._media_type  # type: ignore[assignment]  # chosen by `_negotiate`
            return Response._encoded(self._writers[media_type](value), self.usual, media_type)
        return JSONResponse._encoded(shape.encode(value), self.usual)

    def explain(self, error: Exception) -> str:
        """Why a value does not fit, where, and the fix."""
        if isinstance(error, RecursionError):
            said = "expected a value that can be encoded, got one nested too deeply"
        elif isinstance(error, UnicodeEncodeError):
            said = "expected text that can be encoded as UTF-8, got a lone surrogate"
        else:
            said = " ".join(str(error).replace(" - at `$", " at `answer").split())
        declared = _shown(self.shape.annotation)  # type: ignore[union-attr]  # as above
        return f"{said}; it answers {declared}: return one, or change its annotation or `response_model`"

    def _negotiate(self, request: Request) -> Generator[None, Response]:
        """Middleware: choose by the Accept field before the handler runs (RFC 9110 §12.5.1)."""
        request._media_type = request.accepts(*self.media_types)
        if request._media_type is None:
            offers = " or ".join(self.media_types)
            raise HTTPException(406, f"expected an Accept that allows {offers}", {"vary": "Accept"})
        response = yield
        response.headers.vary("Accept")


class Declared(NamedTuple):
    """The values that a return annotation allows."""

    models: tuple[Any, ...] = ()
    """Types that are answered as exactly themselves."""
    kinds: tuple[type, ...] = ()
    """Classes that are answered by their kind: text, bytes, pages, streams, Responses."""
    none: bool = False


def _declared(handler: Callable[..., Any], model: Any) -> Declared:
    if is_generator(handler):
        if model in (UNDECLARED, None):
            return Declared(kinds=(Iterator,))
        raise ConfigurationError("a generator is answered as a stream, which has no `response_model`; return a list")
    if model is None:
        return Declared(none=returns_none(handler))
    if model is UNDECLARED:
        model = signature_of(handler).return_annotation
        if isinstance(model, Unresolved):
            raise ConfigurationError(f"{model.problem}; {_FIX}")
    models: list[Any] = []
    kinds: list[type] = []
    none = False
    for member in _members(model):
        kind = _kind(member)
        if kind in _ANYTHING or isinstance(kind, TypeVar) or member is tuple:  # which may be of body and status
            return Declared()
        if kind is NoneType:
            none = True
        elif isinstance(kind, type) and _has_its_kind(kind):
            kinds.append(Iterator if kind is Iterable else kind)  # for a list is one too, and is data
            models += _listed(member) if kind is Iterable else ()
        elif kind not in (Never, NoReturn):
            models.append(member)
    return Declared(tuple(models), tuple(kinds), none)


def _listed(annotation: Any) -> Iterator[Any]:
    """The data that an Iterable may be, unless it is of chunks or of anything."""
    for item in get_args(unwrapped(annotation)[0]):
        kinds = [kind for kind in map(_kind, _members(item)) if isinstance(kind, type) and kind not in _ANYTHING]
        if not all(issubclass(kind, str | bytes | bytearray | memoryview) for kind in kinds):
            yield Sequence[item]  # type: ignore[valid-type]  # a type made while it runs


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation; of ``tuple[Item, int]``, a body with its status, the body's."""
    kind, metadata = unwrapped(annotation)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType) and not metadata:  # which would stand for the union as a whole
        for member in arguments:
            yield from _members(member)
    elif origin is tuple and _has_status(arguments):
        yield from _members(arguments[0])
    else:
        yield annotation


def _has_status(arguments: tuple[Any, ...]) -> bool:
    """Whether a tuple of these is (body, status) or (body, status, headers)."""
    kinds = [_kind(argument) for argument in arguments[1:]]
    if not 1 <= len(kinds) <= 2 or not isinstance(kinds[0], type) or not issubclass(kinds[0], int):
        return False
    return len(kinds) == 1 or kinds[1] is Any or (isinstance(kinds[1], type) and issubclass(kinds[1], Mapping | list))


def _kind(annotation: Any) -> Any:
    """What an annotation comes down to: the class of its values where it has one."""
    annotation, _ = unwrapped(annotation)
    origin = get_origin(annotation)
    if origin is not Literal:
        return origin or annotation
    kinds = {type(value) for value in get_args(annotation)}
    return kinds.pop() if len(kinds) == 1 else Literal


def _has_its_kind(kind: type) -> bool:
    """Whether `answers` knows what the instances of a class stand for, beside data."""
    if kind is Iterable or issubclass(kind, Response | str | bytes | bytearray | memoryview | Iterator | AsyncIterable):
        return True
    return hasattr(kind, "__html__")


def _media_types(declared: Declared) -> tuple[str, ...]:
    found = ["application/json"] if declared.models else map(_media_type, declared.kinds)
    return tuple(dict.fromkeys(media_type.partition(";")[0] for media_type in found if media_type))


def _media_type(kind: type) -> str | None:
    if issubclass(kind, Response):
        return None if kind.media_type == Response.media_type else kind.media_type
    if hasattr(kind, "__html__"):
        return HTMLResponse.media_type
    if issubclass(kind, str):
        return PlainTextResponse.media_type
    return Response.media_type if issubclass(kind, bytes | bytearray | memoryview) else StreamingResponse.media_type


def _shape_of(declared: Declared, status: int) -> Shape | None:
    if not declared.models:
        return None
    model: Any = Union[(*declared.models, None) if declared.none else declared.models]  # noqa: UP007  # of many
    if status in BODYLESS:
        raise ConfigurationError(
            f"an answer with status {status} has no body, so nothing stands for {_shown(model)};"
            " annotate the handler `-> None`, or take another `status_code`"
        )
    try:
        return shape_of(model)
    except ConfigurationError as error:
        raise ConfigurationError(f"the answer: {error}; {_FIX}") from None


def _checked(produces: Sequence[str], shape: Shape | None) -> tuple[str, ...]:
    offers = () if isinstance(produces, str) else tuple(dict.fromkeys(produces))
    if isinstance(produces, str) or not all(isinstance(offer, str) and _WRITTEN.fullmatch(offer) for offer in offers):
        raise ConfigurationError(
            "expected produces=['application/json', 'application/msgpack'], either of them, or media types that end in"
            f" '+json', got {produces!r}"
        )
    if offers and shape is None:
        raise ConfigurationError("`produces` is for data: annotate what the handler returns, or say `response_model`")
    return offers


def _writer(media_type: str, shape: Shape) -> Callable[[Any], bytes]:
    if media_type.endswith("json"):
        return shape.encode
    from msgspec import msgpack

    return lambda value: msgpack.encode(shape.builtins(value))


def _shown(annotation: Any) -> str:
    name = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
    return f"`{name.replace('<locals>.', '').replace('typing.', '')}`"


_TUPLES = (tuple, Sequence, Collection)
"""What a tuple is as a whole."""
_ANYTHING = (inspect.Signature.empty, Any, object, Awaitable, Coroutine)
"""What declares nothing that could be kept; an awaitable is refused when it comes."""
_FIX = "or pass `response_model=None` to answer whatever is returned"
