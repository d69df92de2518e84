"""Pages from Jinja2 templates, every value in them escaped.

Knows templates and the running request; must not know what an answer is made of: what `render` gives has
``__html__``, and `answers` makes a page of that. `App(templates=...)` holds one `Templates`, which `render_template`
finds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from duoframe.context import current, url_for
from duoframe.errors import ConfigurationError
from duoframe.requests import Request
from duoframe.responses import HTMLResponse, StreamingResponse

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment, Template
    from markupsafe import Markup

PIECES = 5
"""How many of the pieces that a template makes go out as one chunk of a stream."""

ContextProcessor = Callable[[Request], Mapping[str, Any]]
"""Gives values that every template of a request may use."""

C = TypeVar("C", bound=ContextProcessor)


class Templates:
    """The templates below one directory or several, the first that has a name counts: ``Templates("templates")``.

    Every value is escaped, whatever a template is called, unless it says itself that it is markup. Templates see
    `request`, `url_for`, and what the ``context_processors`` give, each called with the request. ``reload``: look at
    the files again whenever one is used. ``environment`` is Jinja's own, for filters, tests and globals.
    Raises `ConfigurationError` where Jinja2 or a directory is missing.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        context_processors: Sequence[ContextProcessor] = (),
        reload: bool = False,
    ) -> None:
        directories = [directory] if isinstance(directory, str | os.PathLike) else directory
        roots = [os.path.abspath(path) for path in directories]
        for root in roots:
            if not os.path.isdir(root):
                raise ConfigurationError(f"Templates: expected a directory, got {root!r}")
        jinja2 = import_jinja2()
        self.environment: Environment = make_environment(jinja2.FileSystemLoader(roots), auto_reload=reload)
        self.environment.globals["url_for"] = url_for
        self._processors = [*context_processors]

    def context_processor(self, function: C) -> C:
        """Register a function of the request whose mapping every template sees: ``@templates.context_processor``."""
        self._processors.append(function)
        return function

    def render(self, name: str, /, **context: Any) -> Markup:
        """The text of the template called ``name``, a path below the directory, as markup.

        Raises `jinja2.TemplateNotFound`, and what the template raises.
        """
        return rendered(self.environment.get_template(name), self._context(context))

    def render_string(self, source: str, /, **context: Any) -> Markup:
        """The same for a template that is given as text. Never make one of what a client sent."""
        return rendered(self.environment.from_string(source), self._context(context))

    def stream(self, name: str, /, **context: Any) -> StreamingResponse:
        """An answer that is sent while the template makes it."""
        pieces = streamed(self.environment.get_template(name), self._context(context))
        return StreamingResponse(pieces, media_type=HTMLResponse.media_type)

    def _context(self, context: dict[str, Any]) -> dict[str, Any]:
        request = current.get(None)
        if request is None:
            return context
        seen: dict[str, Any] = {"request": request}
        for processor in self._processors:
            seen.update(processor(request))
        return {**seen, **context}


def render_template(name: str, /, **context: Any) -> Markup:
    """A page from a template of the running request's application: ``return render_template("a.html", user=user)``.

    Raises as `Templates.render`, and `ConfigurationError` where the application has no templates.
    """
    return _templates().render(name, **context)


def stream_template(name: str, /, **context: Any) -> StreamingResponse:
    """The same, sent while it is made."""
    return _templates().stream(name, **context)


def as_templates(given: str | os.PathLike[str] | Templates | None, *, reload: bool) -> Templates | None:
    """What ``App(templates=...)`` means: a directory, which is read again with ``reload``, or templates already."""
    return Templates(given, reload=reload) if isinstance(given, str | os.PathLike) else given


def import_jinja2() -> Any:
    """The module. Raises `ConfigurationError` where it is not installed."""
    try:
        import jinja2
    except ImportError as error:
        raise ConfigurationError(
            "templates need Jinja2: install the extra, pip install 'duoframe[templates]'"
        ) from error
    return jinja2


def make_environment(loader: BaseLoader | None, **options: Any) -> Environment:
    """An environment that escapes in templates of every name and in strings; ``options`` as for Jinja's own.

    Raises `ConfigurationError` where Jinja2 is missing.
    """
    environment: Environment = import_jinja2().Environment(loader=loader, autoescape=True, **options)
    return environment


def rendered(template: Template, context: Mapping[str, Any]) -> Markup:
    """The text of a template, as markup."""
    from markupsafe import Markup

    return Markup(template.render(context))


def streamed(template: Template, context: Mapping[str, Any]) -> Iterator[str]:
    """The text of a template, a few pieces at a time."""
    stream = template.stream(context)
    stream.enable_buffering(PIECES)
    return stream


def _templates() -> Templates:
    request = current.get(None)
    if request is None:
        raise RuntimeError("render_template was called outside a request; call `render` of the Templates itself")
    templates: Templates | None = request.app.templates
    if templates is None:
        raise ConfigurationError('the application has no templates; say where they are: App(templates="templates")')
    return templates
