"""Templates in Flask's manner: those of an application and of its blueprints, and what every one of them sees.

Knows where applications keep templates and who adds to what they see; that every value is escaped is for
`duoframe.contrib.templating` to say.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from duoframe.contrib.templating import import_jinja2
from duoframe.contrib.templating import make_environment as make_escaping
from duoframe.flask import signals
from duoframe.flask.contexts import has_request_context, stream_with_context
from duoframe.flask.flashing import get_flashed_messages
from duoframe.flask.globals import current_context, g, request, running, session

if TYPE_CHECKING:
    from jinja2 import BaseLoader, Environment, Template

    from duoframe.flask.app import Flask


def make_environment(app: Flask) -> Environment:
    """The environment of an application: what ``app.jinja_env`` is.

    ``app.jinja_options`` are Jinja's own, but that every template escapes, whatever its name and whatever they say.
    Raises `ConfigurationError` where Jinja2 is missing.
    """
    owner: Any = app
    options = {name: value for name, value in owner.jinja_options.items() if name != "autoescape"}
    reload = app.config["TEMPLATES_AUTO_RELOAD"]
    options.setdefault("auto_reload", app.debug if reload is None else reload)
    environment = make_escaping(_loader(owner), **options)
    environment.globals.update(
        url_for=owner.url_for,
        get_flashed_messages=get_flashed_messages,
        config=app.config,
        request=request,
        session=session,
        g=g,
    )

    def dumps(value: Any, **options: Any) -> Any:  # asked each time: another provider may have been set
        return owner.json.dumps(value, **options)

    environment.policies["json.dumps_function"] = dumps
    return environment


def folder_loader(root_path: str, template_folder: str | os.PathLike[str] | None) -> BaseLoader | None:
    """What finds the templates of an application or a blueprint; None where it has no folder."""
    if template_folder is None:
        return None
    loader: BaseLoader = import_jinja2().FileSystemLoader(os.path.join(root_path, template_folder))
    return loader


def update_context(app: Flask, context: dict[str, Any]) -> None:
    """Add what the context processors give to what a template is rendered with, which counts before them."""
    names: tuple[str | None, ...] = (None,)
    running_context = current_context.get()
    if running_context is not None and running_context.request is not None:
        names = (None, *reversed(running_context.request.blueprints))
    given = dict(context)
    for name in names:
        for processor in app.template_context_processors.get(name, ()):
            context.update(app.ensure_sync(processor)())
    context.update(given)


def render_template(template_name_or_list: str | Template | list[str | Template], **context: Any) -> str:
    """The text of a template of the running application; of several names the first that there is.

    Raises `jinja2.TemplateNotFound`, what the template raises, and `RuntimeError` outside of an application.
    """
    app: Any = running().app
    return _render(app, app.jinja_env.get_or_select_template(template_name_or_list), context)


def render_template_string(source: str, **context: Any) -> str:
    """The same for a template that is given as text. Never make one of what a client sent."""
    app: Any = running().app
    return _render(app, app.jinja_env.from_string(source), context)


def stream_template(template_name_or_list: str | Template | list[str | Template], **context: Any) -> Iterator[str]:
    """The text of a template, a piece at a time, to be answered while it is made."""
    app: Any = running().app
    return _stream(app, app.jinja_env.get_or_select_template(template_name_or_list), context)


def stream_template_string(source: str, **context: Any) -> Iterator[str]:
    """The same for a template that is given as text."""
    app: Any = running().app
    return _stream(app, app.jinja_env.from_string(source), context)


def get_template_attribute(template_name: str, attribute: str) -> Any:  # Any: a macro or a variable
    """A macro or a variable of a template: ``get_template_attribute("_cider.html", "hello")("World")``."""
    app: Any = running().app
    return getattr(app.jinja_env.get_template(template_name).module, attribute)


def _render(app: Any, template: Template, context: dict[str, Any]) -> str:
    _begin(app, template, context)
    text = template.render(context)
    signals.template_rendered.send(app, _async_wrapper=app.ensure_sync, template=template, context=context)
    return text


def _stream(app: Any, template: Template, context: dict[str, Any]) -> Iterator[str]:
    _begin(app, template, context)

    def pieces() -> Iterator[str]:
        yield from template.generate(context)
        signals.template_rendered.send(app, _async_wrapper=app.ensure_sync, template=template, context=context)

    kept: Iterator[str] = stream_with_context(pieces()) if has_request_context() else pieces()
    return kept


def _begin(app: Any, template: Template, context: dict[str, Any]) -> None:
    app.update_template_context(context)
    signals.before_render_template.send(app, _async_wrapper=app.ensure_sync, template=template, context=context)


def _loader(app: Any) -> BaseLoader:
    """Finds a template in the application's folder, then in those of its blueprints as they were registered."""
    jinja2 = import_jinja2()

    class Loader(jinja2.BaseLoader):  # type: ignore[misc,name-defined]  # Any: it is imported here
        def get_source(self, environment: Environment, template: str) -> Any:
            for loader in self._loaders():
                try:
                    return loader.get_source(environment, template)
                except jinja2.TemplateNotFound:
                    continue
            raise jinja2.TemplateNotFound(template)

        def list_templates(self) -> list[str]:
            return sorted({name for loader in self._loaders() for name in loader.list_templates()})

        def _loaders(self) -> Iterator[BaseLoader]:
            for owner in (app, *app.blueprints.values()):
                if owner.jinja_loader is not None:
                    yield owner.jinja_loader

    loader: BaseLoader = Loader()
    return loader


__all__ = [
    "folder_loader",
    "get_template_attribute",
    "make_environment",
    "render_template",
    "render_template_string",
    "stream_template",
    "stream_template_string",
    "update_context",
]
