"""What `Flask` and `Blueprint` share: views by endpoint, hooks and error handlers by the name of who registered them.

Knows what a user declares; must not know a request. `app` reads these tables when it starts.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import IO, Any, TypeVar

from duoframe.flask.exceptions import HTTPException, default_exceptions
from duoframe.router import Router

F = TypeVar("F", bound=Callable[..., Any])

Name = str | None
"""A blueprint's full name; None is the application."""


class Scaffold(Router):
    """Routes, hooks and error handlers, as the application and its blueprints take them."""

    import_name: str
    root_path: str
    template_folder: str | os.PathLike[str] | None
    name: Any
    add_url_rule: Callable[..., None]
    """Lets a view answer at a rule."""
    _check_setup_finished: Callable[[str], None]
    """Raises `AssertionError` once it is too late to register something."""

    def _prepare(
        self,
        import_name: str,
        static_folder: str | os.PathLike[str] | None,
        static_url_path: str | None,
        template_folder: str | os.PathLike[str] | None,
        root_path: str | None,
    ) -> None:
        self.import_name = import_name
        self.root_path = find_root(import_name) if root_path is None else root_path
        self.template_folder = template_folder
        self._static_folder = static_folder
        self._static_url_path = static_url_path
        self.view_functions: dict[str, Callable[..., Any]] = {}
        self.error_handler_spec: dict[Name, dict[int | None, dict[type[Exception], Callable[..., Any]]]] = defaultdict(
            lambda: defaultdict(dict)
        )
        self.before_request_funcs: dict[Name, list[Callable[..., Any]]] = defaultdict(list)
        self.after_request_funcs: dict[Name, list[Callable[..., Any]]] = defaultdict(list)
        self.teardown_request_funcs: dict[Name, list[Callable[..., Any]]] = defaultdict(list)
        self.template_context_processors: dict[Name, list[Callable[..., Any]]] = defaultdict(list)
        self.url_value_preprocessors: dict[Name, list[Callable[..., Any]]] = defaultdict(list)
        self.url_default_functions: dict[Name, list[Callable[..., Any]]] = defaultdict(list)

    @cached_property
    def cli(self) -> Any:  # Any: click's, which is imported when there are commands
        """The commands of ``python -m duoframe.flask``, by click."""
        from duoframe.flask.cli import AppGroup

        return AppGroup(name=self.name)

    # Where files are.

    @property
    def static_folder(self) -> str | None:
        """The folder of static files, an absolute path; None where there is none."""
        if self._static_folder is None:
            return None
        return os.path.join(self.root_path, os.fspath(self._static_folder).rstrip("/\\"))

    @static_folder.setter
    def static_folder(self, folder: str | os.PathLike[str] | None) -> None:
        self._static_folder = folder

    @property
    def has_static_folder(self) -> bool:
        """Whether there is a folder of static files."""
        return self._static_folder is not None

    @property
    def static_url_path(self) -> str | None:
        """The path that static files are served below."""
        if self._static_url_path is not None:
            return self._static_url_path.rstrip("/")
        if self.static_folder is None:
            return None
        return f"/{os.path.basename(self.static_folder)}".rstrip("/")

    @static_url_path.setter
    def static_url_path(self, path: str | None) -> None:
        self._static_url_path = path

    @cached_property
    def jinja_loader(self) -> Any:  # Any: a loader of Jinja's, which is imported when there are templates
        """What finds templates in the folder, None where there is none."""
        from duoframe.flask.templating import folder_loader

        return folder_loader(self.root_path, self.template_folder)

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Seconds that a static file may be kept, of ``SEND_FILE_MAX_AGE_DEFAULT``; to be overridden."""
        from duoframe.flask.globals import current_app

        value = current_app.config.get("SEND_FILE_MAX_AGE_DEFAULT")
        if value is None:
            return None
        return int(value.total_seconds()) if hasattr(value, "total_seconds") else int(value)

    def send_static_file(self, filename: str) -> Any:  # Any: a Response
        """The answer with a static file. Raises `NotFound`."""
        from duoframe.flask.sending import send_from_directory

        if self.static_folder is None:
            raise RuntimeError("there is no folder of static files: set static_folder")
        return send_from_directory(self.static_folder, filename, max_age=self.get_send_file_max_age(filename))

    def open_resource(self, resource: str, mode: str = "rb", encoding: str | None = "utf-8") -> IO[Any]:
        """A file below `root_path`, open for reading. Raises `ValueError` for another mode."""
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"a resource is opened for reading, with mode r, rt or rb, got {mode!r}")
        path = os.path.join(self.root_path, resource)
        return open(path, mode) if mode == "rb" else open(path, mode, encoding=encoding)

    # Routes.

    def route(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """Register a view: ``@app.route("/users/<int:id>", methods=["GET", "POST"])``; see `add_url_rule`."""

        def register(function: F) -> F:
            self.add_url_rule(rule, options.pop("endpoint", None), function, **options)
            return function

        return register

    def _route_of(self, method: str, rule: str, options: dict[str, Any]) -> Callable[[F], F]:
        if "methods" in options:
            raise TypeError(f"{method.lower()} has its method; use route(rule, methods=[...]) for several")
        return self.route(rule, methods=[method], **options)

    def get(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for GET."""
        return self._route_of("GET", rule, options)

    def post(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for POST."""
        return self._route_of("POST", rule, options)

    def put(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for PUT."""
        return self._route_of("PUT", rule, options)

    def patch(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for PATCH."""
        return self._route_of("PATCH", rule, options)

    def head(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for HEAD."""
        return self._route_of("HEAD", rule, options)

    def options(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for OPTIONS."""
        return self._route_of("OPTIONS", rule, options)

    def delete(self, rule: str, **options: Any) -> Callable[[F], F]:  # type: ignore[override]  # Flask's
        """`route` for DELETE."""
        return self._route_of("DELETE", rule, options)

    def endpoint(self, endpoint: str) -> Callable[[F], F]:
        """Let a function be the view of an endpoint whose rules are added elsewhere."""

        def register(function: F) -> F:
            self._check_setup_finished("endpoint")
            self.view_functions[endpoint] = function
            return function

        return register

    # Hooks.

    def _take(self, table: dict[Name, list[Callable[..., Any]]], function: F, name: str) -> F:
        self._check_setup_finished(name)
        table[None].append(function)
        return function

    def before_request(self, function: F) -> F:
        """Run ``function()`` before each view; what it returns, unless None, is the answer."""
        return self._take(self.before_request_funcs, function, "before_request")

    def after_request(self, function: F) -> F:
        """Run ``function(response)`` on each answer; it returns the answer. The last registered runs first."""
        return self._take(self.after_request_funcs, function, "after_request")

    def teardown_request(self, function: F) -> F:
        """Run ``function(error)`` at the end of each request; ``error`` is what nothing handled, or None."""
        return self._take(self.teardown_request_funcs, function, "teardown_request")

    def context_processor(self, function: F) -> F:
        """Put what ``function()`` returns, a mapping, among the names of each template."""
        return self._take(self.template_context_processors, function, "context_processor")

    def url_value_preprocessor(self, function: F) -> F:
        """Run ``function(endpoint, values)`` before the other hooks; it may change the values of the path."""
        return self._take(self.url_value_preprocessors, function, "url_value_preprocessor")

    def url_defaults(self, function: F) -> F:
        """Run ``function(endpoint, values)`` before an address is made; it may add values."""
        return self._take(self.url_default_functions, function, "url_defaults")

    def errorhandler(  # type: ignore[override]  # Flask's
        self, code_or_exception: int | type[Exception]
    ) -> Callable[[F], F]:
        """Register what answers a status or a class of exceptions: ``function(error)``."""

        def register(function: F) -> F:
            self.register_error_handler(code_or_exception, function)
            return function

        return register

    def register_error_handler(self, code_or_exception: int | type[Exception], f: Callable[..., Any]) -> None:
        """`errorhandler` as a call. Raises `ValueError` for an unknown status, `TypeError` for an instance."""
        self._check_setup_finished("register_error_handler")
        kind, code = status_of(code_or_exception)
        self.error_handler_spec[None][code][kind] = f


def status_of(subject: Any) -> tuple[type[Exception], int | None]:
    """The class of exceptions that an error handler is for, and the status where it has one."""
    kind = subject
    if isinstance(subject, int):
        if subject not in default_exceptions:
            raise ValueError(
                f"{subject!r} is not a recognized HTTP error code. Use a subclass of HTTPException with that code"
                " instead."
            )
        kind = default_exceptions[subject]
    if isinstance(kind, Exception):
        raise TypeError(f"{kind!r} is an instance, not a class. Handlers take exception classes or HTTP error codes.")
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        raise ValueError(f"{subject!r} is not a subclass of Exception.")
    return kind, (
        kind.code if issubclass(kind, HTTPException) else getattr(kind, "code", None) if _is_foreign(kind) else None
    )


def _is_foreign(kind: type[Exception]) -> bool:
    """Whether a class is one of Werkzeug's exceptions, which extensions raise."""
    return isinstance(getattr(kind, "code", None), int) and callable(getattr(kind, "get_response", None))


def find_root(import_name: str) -> str:
    """The folder of a module or package; the working folder where it has none."""
    module = sys.modules.get(import_name)
    path = getattr(module, "__file__", None)
    if path is None:
        try:
            spec = importlib.util.find_spec(import_name)
        except (ImportError, ValueError):
            spec = None
        path = None if spec is None else spec.origin
    return os.getcwd() if path is None else str(Path(path).resolve().parent)


def endpoint_of(view: Callable[..., Any] | None) -> str:
    """The endpoint of a view that is given none: its name."""
    if view is None:
        raise TypeError("expected a view where no endpoint is given")
    return view.__name__


def listed(methods: Iterable[str]) -> set[str]:
    """Methods in upper case. Raises `TypeError` for one string."""
    if isinstance(methods, str):
        raise TypeError(f'expected a list of methods as methods=["POST"], got {methods!r}')
    return {method.upper() for method in methods}
