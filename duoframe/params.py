"""What a handler's signature says of its parameters: where each comes from, and what it must be.

    def index(page: Annotated[int, Query(ge=1)] = 1, db: Session = Depends(get_db)): ...

Knows what users write; must not know requests, nor how a value is read: `binding` compiles what stands here. The names
are functions that give `Any`, so that type checkers take them as the default of a parameter of any type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypedDict, Unpack

from duoframe.errors import ConfigurationError

Source = Literal["path", "query", "header", "cookie", "body", "form", "file"]
Close = Literal["after_response", "before_response"]


class Required:
    """The type of `REQUIRED`."""

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = Required()
"""The default of a parameter that has none."""


class Options(TypedDict, total=False):
    """What may be said of a parameter beside where it comes from and its default."""

    alias: str
    """Its name in the request; a header's underscores are dashes there without being told."""
    default_factory: Callable[[], Any]
    title: str
    description: str
    examples: list[Any]
    deprecated: bool
    include_in_schema: bool
    ge: float
    gt: float
    le: float
    lt: float
    multiple_of: float
    min_length: int
    max_length: int
    pattern: str
    """A regular expression that is to be found in the text."""
    embed: bool
    """For `Body`: one member of a JSON object, as each of several bodies is without being told."""
    media_type: str
    """For `Body`: what the description of the route calls it."""


class Parameter:
    """Where a parameter comes from, and what was said of it."""

    __slots__ = ("default", "options", "source")

    def __init__(self, source: Source, default: Any, options: Mapping[str, Any]) -> None:
        unknown = options.keys() - Options.__annotations__.keys()
        if unknown:
            raise TypeError(f"{source.capitalize()}() takes no {', '.join(sorted(unknown))}")
        self.source = source
        self.default = REQUIRED if default is ... else default
        self.options = options

    def __repr__(self) -> str:
        return f"{self.source.capitalize()}({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"


class Dependency:
    """A value that another function makes."""

    __slots__ = ("call", "close", "scopes", "use_cache")

    def __init__(
        self, call: Callable[..., Any] | None, use_cache: bool, close: Close, scopes: tuple[str, ...] = ()
    ) -> None:
        if call is not None and not callable(call):
            raise ConfigurationError(f"Depends(...): expected a function or a class, got {call!r}")
        if close not in ("after_response", "before_response"):
            raise ConfigurationError(
                f"Depends(close=...): expected 'after_response' or 'before_response', got {close!r}"
            )
        self.call = call
        """None stands for the class that the parameter is annotated with."""
        self.use_cache = use_cache
        self.close = close
        self.scopes = scopes


class SecurityScopes:
    """The scopes that all who asked for a dependency require of it, for a parameter annotated with this class."""

    __slots__ = ("scopes",)

    def __init__(self, scopes: tuple[str, ...] = ()) -> None:
        self.scopes = scopes

    def __str__(self) -> str:
        return " ".join(self.scopes)


def Path(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # a kind, as its users read it
    """A part of the path."""
    return Parameter("path", default, options)


def Query(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # as above
    """A parameter of the query, all values of it for a list."""
    return Parameter("query", default, options)


def Header(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # as above
    """A header field; the underscores of its name are dashes in the request."""
    return Parameter("header", default, options)


def Cookie(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # as above
    """A cookie."""
    return Parameter("cookie", default, options)


def Body(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # as above
    """The JSON body, or with ``embed=True`` a member of it."""
    return Parameter("body", default, options)


def Form(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # as above
    """A field of an urlencoded or multipart form."""
    return Parameter("form", default, options)


def File(default: Any = REQUIRED, **options: Unpack[Options]) -> Any:  # noqa: N802  # as above
    """A file of a multipart form."""
    return Parameter("file", default, options)


def Depends(  # noqa: N802  # as above
    call: Callable[..., Any] | None = None, *, use_cache: bool = True, close: Close = "after_response"
) -> Any:
    """A value that ``call`` makes: ``db: Session = Depends(get_db)``; without ``call`` the annotated class.

    ``call`` takes parameters as a handler does. It is called once a request, each time with ``use_cache=False``. One
    that yields is gone on with at the end: after the body has been sent, or once the handler has returned with
    ``close="before_response"``.
    """
    return Dependency(call, use_cache, close)


MARKERS = (Path, Query, Header, Cookie, Body, Form, File, Depends)
"""What is to be called."""
