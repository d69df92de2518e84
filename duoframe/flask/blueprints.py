"""Blueprints: a part of an application that is declared by itself and registered below a prefix and a name.

Knows what was declared and in which order; the application it is registered on keeps it by its full name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from duoframe.flask.scaffold import Scaffold, endpoint_of, status_of
from duoframe.router import Router

if TYPE_CHECKING:
    from duoframe.flask.app import Flask

F = TypeVar("F", bound=Callable[..., Any])

Deferred = Callable[["BlueprintSetupState"], object]

_UNSET: Any = object()


class BlueprintSetupState:
    """One registration of a blueprint: where, under which name, and whether it is the first."""

    def __init__(self, blueprint: Blueprint, app: Flask, options: Mapping[str, Any], first_registration: bool) -> None:
        self.app = app
        self.blueprint = blueprint
        self.options = options
        self.first_registration = first_registration
        subdomain = options.get("subdomain")
        self.subdomain = blueprint.subdomain if subdomain is None else subdomain
        prefix = options.get("url_prefix")
        self.url_prefix = blueprint.url_prefix if prefix is None else prefix
        self.name = options.get("name", blueprint.name)
        self.name_prefix = options.get("name_prefix", "")
        self.url_defaults = {**blueprint.url_values_defaults, **options.get("url_defaults", {})}

    @property
    def full_name(self) -> str:
        """The name with those of the enclosing blueprints."""
        return f"{self.name_prefix}.{self.name}".lstrip(".")

    def add_url_rule(
        self, rule: str, endpoint: str | None = None, view_func: Callable[..., Any] | None = None, **options: Any
    ) -> None:
        """Let the application answer below the prefix, at an endpoint that begins with the name."""
        if self.url_prefix is not None:
            rule = f"{self.url_prefix.rstrip('/')}/{rule.lstrip('/')}" if rule else self.url_prefix
        options.setdefault("subdomain", self.subdomain)
        endpoint = endpoint_of(view_func) if endpoint is None else endpoint
        defaults = self.url_defaults
        if "defaults" in options:
            defaults = {**defaults, **options.pop("defaults")}
        self.app.add_url_rule(
            rule,
            f"{self.full_name}.{endpoint}".lstrip("."),
            view_func,
            defaults=defaults or None,
            **options,
        )


class Blueprint(Scaffold):
    """A part of an application: ``Blueprint("auth", __name__, url_prefix="/auth")``, then `Flask.register_blueprint`.

    ``name`` begins its endpoints: ``url_for("auth.login")``. ``static_folder`` and ``template_folder`` lie below
    ``root_path``, the folder of ``import_name``; ``url_defaults`` are values that its views and addresses get.
    """

    def __init__(
        self,
        name: str,
        import_name: str,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: Mapping[str, Any] | None = None,
        root_path: str | None = None,
        cli_group: str | None = _UNSET,
    ) -> None:
        Router.__init__(self)
        if not name:
            raise ValueError("expected a name for the blueprint, got an empty one")
        if "." in name:
            raise ValueError(f"expected a blueprint's name without a dot, got {name!r}")
        self._prepare(import_name, static_folder, static_url_path, template_folder, root_path)
        self.name: str = name
        self.url_prefix = url_prefix
        self.subdomain = subdomain
        self.url_values_defaults = dict(url_defaults or {})
        self.cli_group = cli_group
        self.deferred_functions: list[Deferred] = []
        self._blueprints: list[tuple[Blueprint, dict[str, Any]]] = []
        self._registered = False

    def _check_setup_finished(self, name: str) -> None:
        if self._registered:
            raise AssertionError(
                f"The setup method {name!r} can no longer be called on the blueprint {self.name!r}. It has already been"
                " registered at least once, any changes will not be applied consistently.\nMake sure all imports,"
                " decorators, functions, etc. needed to set up the blueprint are done before registering it."
            )

    @property
    def nests(self) -> bool:  # type: ignore[override]  # a Router says it for the class
        """A blueprint is registered; it is not included as the core's routers are."""
        return False

    def record(self, func: Deferred) -> None:
        """Have ``func(state)`` called at each registration, with a `BlueprintSetupState`."""
        self._check_setup_finished("record")
        self.deferred_functions.append(func)

    def record_once(self, func: Deferred) -> None:
        """`record` for the first registration alone."""

        def once(state: BlueprintSetupState) -> None:
            if state.first_registration:
                func(state)

        self.record(once)

    def make_setup_state(
        self, app: Flask, options: Mapping[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """What a registration is told by; to be overridden."""
        return BlueprintSetupState(self, app, options, first_registration)

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """`Flask.add_url_rule` below the prefix. Raises `ValueError` for a dot in the endpoint or the view's name."""
        if endpoint and "." in endpoint:
            raise ValueError(f"expected an endpoint without a dot, got {endpoint!r}")
        if view_func is not None and "." in getattr(view_func, "__name__", ""):
            raise ValueError(
                f"expected a view function whose name has no dot, got {view_func.__name__!r}; give it an endpoint"
            )
        self.record(
            lambda state: state.add_url_rule(
                rule, endpoint, view_func, provide_automatic_options=provide_automatic_options, **options
            )
        )

    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Nest a blueprint in this one; `Flask.register_blueprint` says what ``options`` are."""
        self._check_setup_finished("register_blueprint")
        if blueprint is self:
            raise ValueError("a blueprint cannot be registered on itself")
        self._blueprints.append((blueprint, options))

    def register(self, app: Flask, options: dict[str, Any]) -> None:
        """Put everything into the application. Raises `ValueError` for a name that another blueprint has."""
        prefix = options.get("name_prefix", "")
        name = f"{prefix}.{options.get('name', self.name)}".lstrip(".")
        if name in app.blueprints:
            known = app.blueprints[name]
            same = "this blueprint" if known is self else "another blueprint"
            raise ValueError(f"{same} is registered as {name!r} already; register it with name=... of its own")
        first = not any(blueprint is self for blueprint in app.blueprints.values())
        app.blueprints[name] = self
        self._registered = True
        state = self.make_setup_state(app, options, first)
        if self.has_static_folder:
            state.add_url_rule(
                f"{self.static_url_path}/<path:filename>", endpoint="static", view_func=self.send_static_file
            )
        self._merge(app, name)
        for deferred in self.deferred_functions:
            deferred(state)
        self._register_commands(app, name, options)
        for blueprint, nested in self._blueprints:
            blueprint.register(app, self._nested(state, blueprint, nested, name))

    def _nested(
        self, state: BlueprintSetupState, blueprint: Blueprint, nested: dict[str, Any], name: str
    ) -> dict[str, Any]:
        """The options of a nested blueprint: its prefix and subdomain below those of this one."""
        options = dict(nested)
        subdomain = options.get("subdomain", blueprint.subdomain)
        if subdomain is not None and state.subdomain is not None:
            subdomain = f"{subdomain}.{state.subdomain}"
        options["subdomain"] = state.subdomain if subdomain is None else subdomain
        prefix = options.get("url_prefix")
        prefix = blueprint.url_prefix if prefix is None else prefix
        if prefix is not None and state.url_prefix is not None:
            prefix = f"{state.url_prefix.rstrip('/')}/{prefix.lstrip('/')}"
        options["url_prefix"] = state.url_prefix if prefix is None else prefix
        options["name_prefix"] = name
        return options

    def _merge(self, app: Flask, name: str) -> None:
        """Put the hooks, error handlers and views among the application's, by the full name."""
        for own, theirs in (
            (self.before_request_funcs, app.before_request_funcs),
            (self.after_request_funcs, app.after_request_funcs),
            (self.teardown_request_funcs, app.teardown_request_funcs),
            (self.template_context_processors, app.template_context_processors),
            (self.url_value_preprocessors, app.url_value_preprocessors),
            (self.url_default_functions, app.url_default_functions),
        ):
            for key, functions in own.items():
                theirs[_named(name, key)].extend(functions)
        for key, by_code in self.error_handler_spec.items():
            for code, handlers in by_code.items():
                app.error_handler_spec[_named(name, key)][code].update(handlers)
        app.view_functions.update(self.view_functions)

    def _register_commands(self, app: Flask, name: str, options: dict[str, Any]) -> None:
        if "cli" not in vars(self):
            return  # no command was declared, so click need not be there
        group = options.get("cli_group", self.cli_group)
        if group is None:
            app.cli.commands.update(self.cli.commands)
        else:
            self.cli.name = name if group is _UNSET else group
            app.cli.add_command(self.cli)

    # Hooks of the whole application.

    def _app_hook(self, table: str, function: F) -> F:
        self.record_once(lambda state: getattr(state.app, table)[None].append(function))
        return function

    def before_app_request(self, function: F) -> F:
        """`before_request` of the whole application."""
        return self._app_hook("before_request_funcs", function)

    def after_app_request(self, function: F) -> F:
        """`after_request` of the whole application."""
        return self._app_hook("after_request_funcs", function)

    def teardown_app_request(self, function: F) -> F:
        """`teardown_request` of the whole application."""
        return self._app_hook("teardown_request_funcs", function)

    def app_context_processor(self, function: F) -> F:
        """`context_processor` of the whole application."""
        return self._app_hook("template_context_processors", function)

    def app_url_value_preprocessor(self, function: F) -> F:
        """`url_value_preprocessor` of the whole application."""
        return self._app_hook("url_value_preprocessors", function)

    def app_url_defaults(self, function: F) -> F:
        """`url_defaults` of the whole application."""
        return self._app_hook("url_default_functions", function)

    def app_errorhandler(self, code: int | type[Exception]) -> Callable[[F], F]:
        """`errorhandler` of the whole application."""
        status_of(code)

        def register(function: F) -> F:
            self.record_once(lambda state: state.app.register_error_handler(code, function))
            return function

        return register

    def app_template_filter(self, name: str | None = None) -> Callable[[F], F]:
        """`Flask.template_filter`."""
        return self._template("add_template_filter", name)

    def add_app_template_filter(self, f: Callable[..., Any], name: str | None = None) -> None:
        """`Flask.add_template_filter`."""
        self._template("add_template_filter", name)(f)

    def app_template_test(self, name: str | None = None) -> Callable[[F], F]:
        """`Flask.template_test`."""
        return self._template("add_template_test", name)

    def add_app_template_test(self, f: Callable[..., Any], name: str | None = None) -> None:
        """`Flask.add_template_test`."""
        self._template("add_template_test", name)(f)

    def app_template_global(self, name: str | None = None) -> Callable[[F], F]:
        """`Flask.template_global`."""
        return self._template("add_template_global", name)

    def add_app_template_global(self, f: Callable[..., Any], name: str | None = None) -> None:
        """`Flask.add_template_global`."""
        self._template("add_template_global", name)(f)

    def _template(self, add: str, name: str | None) -> Callable[[F], F]:
        def register(function: F) -> F:
            self.record_once(lambda state: getattr(state.app, add)(function, name=name))
            return function

        return register

    def __repr__(self) -> str:
        return f"<Blueprint {self.name!r}>"


def _named(name: str, key: Any) -> Any:
    return name if key is None else f"{name}.{key}"
