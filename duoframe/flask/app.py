"""`Flask`: an application of the core with Flask's names and manners.

Knows how it is configured, what is registered on it, and what its contexts are made of; `answering` and `dispatch`
have requests answered, `scaffold` is what it shares with blueprints.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

from duoframe.app import App
from duoframe.flask import templating
from duoframe.flask.answering import Answering
from duoframe.flask.building import BuildError, address
from duoframe.flask.config import DEFAULTS, Config, ConfigAttribute
from duoframe.flask.contexts import AppContext, Globals, RequestContext
from duoframe.flask.exceptions import Aborter
from duoframe.flask.globals import g
from duoframe.flask.json.provider import DefaultJSONProvider, JSONProvider
from duoframe.flask.proxy_fix import ProxyFix
from duoframe.flask.rules import Map, Rule
from duoframe.flask.scaffold import endpoint_of, listed
from duoframe.pieces import Piece
from duoframe.router import Router

if TYPE_CHECKING:
    from duoframe.flask.blueprints import Blueprint

F = TypeVar("F", bound=Callable[..., Any])


class Flask(Answering):
    """An application with Flask's manners, for WSGI and ASGI servers: ``app = Flask(__name__)``.

    ``import_name`` says where its folders are; ``static_folder``, served below ``static_url_path`` on ``static_host``,
    and ``template_folder`` lie below ``root_path``. ``host_matching`` has rules name a host, ``subdomain_matching``
    a subdomain of ``SERVER_NAME``. With ``instance_relative_config`` the files of `config` lie in ``instance_path``.
    ``options`` are those of `duoframe.App` that have no name here: ``threads``, ``limits``, ``middleware`` ...
    """

    app_ctx_globals_class = Globals
    config_class = Config
    json_provider_class: type[JSONProvider] = DefaultJSONProvider
    url_rule_class = Rule
    url_map_class = Map
    aborter_class = Aborter
    default_config: Mapping[str, Any] = DEFAULTS
    """What `config` begins with."""
    test_client_class: type[Any] | None = None
    test_cli_runner_class: type[Any] | None = None
    jinja_options: dict[str, Any] = {}  # noqa: RUF012  # an application replaces it

    secret_key: Any = ConfigAttribute("SECRET_KEY")
    permanent_session_lifetime: Any = ConfigAttribute(
        "PERMANENT_SESSION_LIFETIME",
        lambda value: value if isinstance(value, timedelta) else timedelta(seconds=value),
    )

    def __init__(
        self,
        import_name: str,
        static_url_path: str | None = None,
        static_folder: str | os.PathLike[str] | None = "static",
        static_host: str | None = None,
        host_matching: bool = False,
        subdomain_matching: bool = False,
        template_folder: str | os.PathLike[str] | None = "templates",
        instance_path: str | None = None,
        instance_relative_config: bool = False,
        root_path: str | None = None,
        **options: Any,  # Any: as `App` takes them
    ) -> None:
        self._prepare(import_name, static_folder, static_url_path, template_folder, root_path)
        if instance_path is not None and not os.path.isabs(instance_path):
            raise ValueError(f"expected an absolute instance_path, got {instance_path!r}")
        self.name = _name_of(import_name)
        self.instance_path = instance_path or self.auto_find_instance_path()
        self.config = self.make_config(instance_relative_config)
        App.__init__(self, debug=bool(self.config["DEBUG"]), **options)
        self.name = _name_of(import_name)
        self._own_limits = self.limits
        self.blueprints: dict[str, Blueprint] = {}
        self.teardown_appcontext_funcs: list[Callable[..., Any]] = []
        self.shell_context_processors: list[Callable[..., Any]] = []
        self.url_build_error_handlers: list[Callable[..., Any]] = []
        self.extensions: dict[str, Any] = {}
        self.aborter = self.make_aborter()
        self.json: JSONProvider = self.json_provider_class(self)
        self.url_map = self.url_map_class(host_matching=host_matching)
        self.subdomain_matching = subdomain_matching
        if self.has_static_folder:
            if bool(static_host) != host_matching:
                raise AssertionError("static_host and host_matching go together: give both or neither")
            self.add_url_rule(
                f"{self.static_url_path}/<path:filename>",
                endpoint="static",
                host=static_host,
                view_func=lambda filename: self.send_static_file(filename),  # noqa: PLW0108  # it may be replaced
            )

    # How it is configured.

    @property
    def debug(self) -> bool:
        """Whether it tells more: ``DEBUG``."""
        return bool(self.config["DEBUG"])

    @debug.setter
    def debug(self, value: bool) -> None:
        self.config["DEBUG"] = value

    @property
    def got_first_request(self) -> bool:
        """Whether it has answered a request."""
        return self._got_first_request

    def make_config(self, instance_relative: bool = False) -> Config:
        """The configuration to begin with; ``FLASK_DEBUG`` says whether it is in debug."""
        debug = os.environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no")
        folder = self.instance_path if instance_relative else self.root_path
        return self.config_class(folder, {**self.default_config, "DEBUG": debug})

    def make_aborter(self) -> Aborter:
        """What `abort` calls."""
        return self.aborter_class()

    def auto_find_instance_path(self) -> str:
        """The folder of what belongs to one installation: ``instance``, beside the module or package."""
        package = sys.modules.get(self.import_name.partition(".")[0])
        paths = list(getattr(package, "__path__", ()))
        beside = Path(paths[0]).resolve().parent if paths and self.import_name != "__main__" else Path(self.root_path)
        if beside.is_relative_to(sys.prefix):
            return os.path.join(sys.prefix, "var", f"{self.name}-instance")
        return str(beside / "instance")

    def open_instance_resource(self, resource: str, mode: str = "rb", encoding: str | None = "utf-8") -> IO[Any]:
        """A file below `instance_path`, open for reading or writing."""
        path = os.path.join(self.instance_path, resource)
        return open(path, mode) if "b" in mode else open(path, mode, encoding=encoding)

    # The two doors.

    @property
    def wsgi_app(self) -> Any:
        """The WSGI door, to be wrapped: ``app.wsgi_app = ProxyFix(app.wsgi_app)``."""
        return self.wsgi

    @wsgi_app.setter
    def wsgi_app(self, application: Any) -> None:
        self.wsgi = application
        if isinstance(application, ProxyFix) and not self._compiled:  # for the other door; here it leaves nothing to do
            self.layers.insert(0, Piece.middleware(application.middleware))

    @property
    def asgi_app(self) -> Any:
        """The ASGI door, to be wrapped as the other."""
        return self.asgi

    @asgi_app.setter
    def asgi_app(self, application: Any) -> None:
        self.asgi = application

    # What is registered.

    def _check_setup_finished(self, name: str) -> None:
        if self._compiled:
            raise AssertionError(
                f"The setup method {name!r} can no longer be called on the application. It has already handled its"
                " first request, any changes will not be applied consistently.\nMake sure all imports, decorators,"
                " functions, etc. needed to set up the application are done before running it."
            )

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Let ``view_func`` answer at ``rule``: ``app.add_url_rule("/users/<int:id>", view_func=user)``.

        ``endpoint``: its name for `url_for`, the view's own where none is given; ``methods``, ``["GET"]`` where nothing
        is said; ``defaults``, ``strict_slashes``, ``subdomain``, ``host`` as for `Rule`. OPTIONS is answered by itself
        unless ``provide_automatic_options`` is False. Raises `AssertionError` for a second view of an endpoint.
        """
        self._check_setup_finished("add_url_rule")
        endpoint = endpoint_of(view_func) if endpoint is None else endpoint
        wanted = options.pop("methods", None) or getattr(view_func, "methods", None) or ("GET",)
        methods = listed(wanted) | listed(getattr(view_func, "required_methods", ()))
        if provide_automatic_options is None:
            provide_automatic_options = getattr(view_func, "provide_automatic_options", None)
        if provide_automatic_options is None:
            provide_automatic_options = "OPTIONS" not in methods and self.config["PROVIDE_AUTOMATIC_OPTIONS"]
        if provide_automatic_options:
            methods.add("OPTIONS")
        made = self.url_rule_class(rule, methods=methods, endpoint=endpoint, **options)
        made.provide_automatic_options = bool(provide_automatic_options)
        self.url_map.add(made)
        if view_func is None:
            return
        known = self.view_functions.get(endpoint)
        if known is not None and known != view_func:
            raise AssertionError(
                f"endpoint {endpoint!r} has another view function already; give this one an endpoint of its own"
            )
        self.view_functions[endpoint] = view_func

    def static(self, prefix: str, directory: str | os.PathLike[str], **options: Any) -> None:
        """Serve another folder, as `duoframe.App.static` does."""
        router = Router()
        router.static(prefix, directory, **options)
        self.include_router(router)

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Put a blueprint into the application.

        ``options``: ``url_prefix``, ``subdomain``, ``url_defaults``, ``cli_group`` in place of the blueprint's own, and
        another ``name``, under which it can be registered once more.
        """
        self._check_setup_finished("register_blueprint")
        blueprint.register(self, options)

    def iter_blueprints(self) -> Any:
        """The blueprints, in the order in which they were registered."""
        return self.blueprints.values()

    def teardown_appcontext(self, function: F) -> F:
        """Run ``function(error)`` when a context of the application ends, after each request too."""
        self._check_setup_finished("teardown_appcontext")
        self.teardown_appcontext_funcs.append(function)
        return function

    def shell_context_processor(self, function: F) -> F:
        """Put what ``function()`` returns, a mapping, among the names of the shell."""
        self._check_setup_finished("shell_context_processor")
        self.shell_context_processors.append(function)
        return function

    def make_shell_context(self) -> dict[str, Any]:
        """The names of the shell."""
        names: dict[str, Any] = {"app": self, "g": g}
        for processor in self.shell_context_processors:
            names.update(processor())
        return names

    # Templates.

    @cached_property
    def jinja_env(self) -> Any:  # Any: Jinja's, which is imported when there are templates
        """The environment of the templates."""
        return self.create_jinja_environment()

    def create_jinja_environment(self) -> Any:  # Any: as above
        """The environment of the templates, made."""
        return templating.make_environment(self)

    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add to ``context`` what the context processors give."""
        templating.update_context(self, context)

    def template_filter(self, name: str | None = None) -> Callable[[F], F]:
        """Register a filter of the templates, under its own name unless another is given."""
        return self._template("filters", name)

    def add_template_filter(self, f: Callable[..., Any], name: str | None = None) -> None:
        """`template_filter` as a call."""
        self._template("filters", name)(f)

    def template_test(self, name: str | None = None) -> Callable[[F], F]:
        """Register a test of the templates."""
        return self._template("tests", name)

    def add_template_test(self, f: Callable[..., Any], name: str | None = None) -> None:
        """`template_test` as a call."""
        self._template("tests", name)(f)

    def template_global(self, name: str | None = None) -> Callable[[F], F]:
        """Register a function that every template sees."""
        return self._template("globals", name)

    def add_template_global(self, f: Callable[..., Any], name: str | None = None) -> None:
        """`template_global` as a call."""
        self._template("globals", name)(f)

    def _template(self, table: str, name: str | None) -> Callable[[F], F]:
        def register(function: F) -> F:
            self._check_setup_finished(f"template_{table[:-1]}")
            getattr(self.jinja_env, table)[name or function.__name__] = function
            return function

        return register

    # Answers and addresses.

    def url_for(  # type: ignore[override]  # an App takes a name and values
        self,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: Any,
    ) -> str:
        """The address of an endpoint: ``url_for("user", id=7)``, ``url_for(".index")`` in the same blueprint.

        Values that the rule does not take are put into the query. In a request it is a path unless ``_external``;
        elsewhere it needs ``SERVER_NAME``. Raises `BuildError` for what no rule can write, unless
        `url_build_error_handlers` give an address, and `RuntimeError` where no host is known.
        """
        return address(self, endpoint, values, _anchor, _method, _scheme, _external)

    def inject_url_defaults(self, endpoint: str, values: dict[str, Any]) -> None:
        """Let what is registered by `url_defaults` add to the values of an address."""
        parts = endpoint.split(".")[:-1]
        for name in (None, *(".".join(parts[:count]) for count in range(len(parts), 0, -1))):
            for function in self.url_default_functions.get(name, ()):
                function(endpoint, values)

    def handle_url_build_error(self, error: BuildError, endpoint: str, values: dict[str, Any]) -> str:
        """The address that one of `url_build_error_handlers` gives. Raises the error where none does."""
        for handler in self.url_build_error_handlers:
            try:
                found: str | None = handler(error, endpoint, values)
            except BuildError as raised:
                error = raised
            else:
                if found is not None:
                    return found
        raise error

    # Contexts.

    def app_context(self) -> AppContext:
        """The context of the application: ``with app.app_context(): ...``."""
        return AppContext(self)

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        """The context of the request that a WSGI environ tells of."""
        return RequestContext(self, self._facade(self._opened(environ)))

    def test_request_context(self, *args: Any, **kwargs: Any) -> RequestContext:
        """The context of a request that a test writes down: path, method, data, json and so on."""
        from duoframe.flask.drafts import Draft

        draft = Draft(self.config, *args, dumps=self.json.dumps, **kwargs)
        body = io.BytesIO(b"".join(draft.body.chunks))
        return self.request_context({**draft.call().environ(body), **draft.extra})

    # Tests, commands, serving.

    def test_client(self, use_cookies: bool = True, **kwargs: Any) -> Any:  # Any: `test_client_class` may be another
        """A client for tests: ``app.test_client().get("/")``; ``door="asgi"`` sends by the ASGI door."""
        from duoframe.flask.testing import FlaskClient

        return (self.test_client_class or FlaskClient)(self, self.response_class, use_cookies=use_cookies, **kwargs)

    def test_cli_runner(self, **kwargs: Any) -> Any:  # Any: as above
        """What runs commands in tests: ``app.test_cli_runner().invoke(args=["init-db"])``."""
        from duoframe.flask.runner import FlaskCliRunner

        return (self.test_cli_runner_class or FlaskCliRunner)(self, **kwargs)

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        load_dotenv: bool = True,
        **options: Any,
    ) -> None:
        """Serve for development, by uvicorn where it is installed, or else by `wsgiref`.

        ``host`` and ``port`` are those of ``SERVER_NAME`` where none are given, or else 127.0.0.1 and 5000.
        ``options`` are uvicorn's. It does nothing under ``python -m duoframe.flask run``.
        """
        from duoframe.flask.serving import serve

        if os.getenv("FLASK_RUN_FROM_CLI") == "true":
            return
        if debug is not None:
            self.debug = debug
        name, _, number = (self.config["SERVER_NAME"] or "").partition(":")
        serve(self, host or name or "127.0.0.1", port if port is not None else int(number or 5000), options)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"


def _name_of(import_name: str) -> str:
    """The name of an application: its module's, or its file's where that is run as a program."""
    if import_name != "__main__":
        return import_name
    path: str | None = getattr(sys.modules["__main__"], "__file__", None)
    return "__main__" if path is None else Path(path).stem
