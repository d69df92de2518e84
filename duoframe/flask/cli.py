"""Commands of an application: `AppGroup` for its own, `FlaskGroup` for those of whichever application is asked for.

Knows click, and when an application context is pushed; `locating` finds the application, `commands` are the ones that
all of them have. Raises `ConfigurationError` where click is missing.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib import metadata
from typing import TYPE_CHECKING, Any, TypeVar

from duoframe.errors import ConfigurationError
from duoframe.flask.globals import current_app, current_context
from duoframe.flask.locating import NoAppError, locate

try:
    import click
except ImportError as error:
    raise ConfigurationError("commands need click: pip install 'duoframe[cli]'") from error

if TYPE_CHECKING:
    from duoframe.flask.app import Flask

F = TypeVar("F", bound=Callable[..., Any])

FILES = ("wsgi.py", "app.py")
"""Where an application is looked for that nobody has named."""


class NoAppException(click.UsageError):
    """No application was found."""


class ScriptInfo:
    """Which application the commands are about; it is loaded when it is first needed.

    ``app_import_path`` is `locate`'s; ``create_app`` is called instead of it, without arguments.
    """

    def __init__(
        self,
        app_import_path: str | None = None,
        create_app: Callable[[], Flask] | None = None,
        set_debug_flag: bool = True,
        load_dotenv_defaults: bool = True,
    ) -> None:
        self.app_import_path = app_import_path
        self.create_app = create_app
        self.set_debug_flag = set_debug_flag
        self.load_dotenv_defaults = load_dotenv_defaults
        self.data: dict[Any, Any] = {}
        """Whatever commands want to hand to one another."""
        self._app: Flask | None = None

    def load_app(self) -> Flask:
        """The application. Raises `NoAppException`, and what its module or factory raises."""
        if self._app is None:
            app = self._found()
            if self.set_debug_flag and os.getenv("FLASK_DEBUG") is not None:
                app.debug = debug_flag()
            self._app = app
        return self._app

    def _found(self) -> Any:  # Any: as `locate`
        if self.create_app is not None:
            return self.create_app()
        path = self.app_import_path or next(filter(os.path.exists, FILES), None)
        if path is None:
            raise NoAppException(
                "Which application? Say `--app module:name`, set FLASK_APP, or have a wsgi.py or app.py here."
            )
        try:
            return locate(path)
        except NoAppError as fault:
            raise NoAppException(str(fault)) from fault.__cause__


pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


def with_appcontext(function: F) -> F:
    """Have a command run in the context of its application, entered unless one is running.

    Commands of ``app.cli`` and of a blueprint's ``cli`` do without it.
    """

    @click.pass_context
    def wrapped(context: click.Context, /, *args: Any, **kwargs: Any) -> Any:
        if not current_app:
            context.with_resource(context.ensure_object(ScriptInfo).load_app().app_context())
        return context.invoke(function, *args, **kwargs)

    return functools.update_wrapper(wrapped, function)  # type: ignore[return-value]  # it is called as the function is


class AppGroup(click.Group):
    """A group whose commands run in the context of their application: ``@app.cli.command("init-db")``."""

    def command(  # type: ignore[override]  # what it decorates may be any function, as click's has it in one overload
        self, *args: Any, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], click.Command]:
        """As click's; with ``with_appcontext=False`` the command enters no context."""
        enters = kwargs.pop("with_appcontext", True)
        declare = super().command

        def decorate(function: Callable[..., Any]) -> click.Command:
            made: click.Command = declare(*args, **kwargs)(with_appcontext(function) if enters else function)
            return made

        return decorate

    def group(  # type: ignore[override]  # as above
        self, *args: Any, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], click.Group]:
        """As click's; the group is an `AppGroup` unless ``cls`` says otherwise."""
        declare: Callable[[Callable[..., Any]], click.Group] = super().group(*args, **{"cls": AppGroup, **kwargs})
        return declare


class FlaskGroup(AppGroup):
    """The commands of an application that is named on the command line, beside those that all have.

        cli = FlaskGroup(create_app=create_app)

    ``create_app`` makes the application, so that none has to be named. With ``load_dotenv`` the files ``.env`` and
    ``.flaskenv`` are read where python-dotenv is installed.
    """

    def __init__(
        self,
        add_default_commands: bool = True,
        create_app: Callable[[], Flask] | None = None,
        add_version_option: bool = True,
        load_dotenv: bool = True,
        set_debug_flag: bool = True,
        **extra: Any,
    ) -> None:
        parameters = [*(extra.pop("params", None) or ()), _env_file_option(), _app_option(), debug_option()]
        if add_version_option:
            parameters.append(_version_option())
        settings = {"auto_envvar_prefix": "FLASK", **(extra.pop("context_settings", None) or {})}
        super().__init__(params=parameters, context_settings=settings, **extra)
        self.create_app = create_app
        self.load_dotenv = load_dotenv
        self.set_debug_flag = set_debug_flag
        self._plugins = False
        if add_default_commands:
            from duoframe.flask.commands import routes_command, run_command, shell_command

            for command in (run_command, shell_command, routes_command):
                self.add_command(command)

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> click.Context:
        os.environ["FLASK_RUN_FROM_CLI"] = "true"  # `app.run()` of a module that is imported must not serve
        if "obj" not in extra and "obj" not in self.context_settings:
            extra["obj"] = ScriptInfo(None, self.create_app, self.set_debug_flag, self.load_dotenv)
        return super().make_context(info_name, args, parent=parent, **extra)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] in self.get_help_option_names(ctx):
            # The help lists the commands of the application: so it has to be known before anything else is looked at.
            for parameter in self.params:
                if parameter.name in ("env_file", "app"):
                    parameter.handle_parse_result(ctx, {}, [])
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        self._load_plugins()
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        try:
            app = ctx.ensure_object(ScriptInfo).load_app()
        except NoAppException as fault:
            click.secho(f"Error: {fault.format_message()}\n", err=True, fg="red")
            return None
        running = current_context.get()
        if running is None or running.app is not app:
            ctx.with_resource(app.app_context())
        return app.cli.get_command(ctx, cmd_name)  # type: ignore[no-any-return]  # click's, whatever its version

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._load_plugins()
        names = set(super().list_commands(ctx))
        try:
            names.update(ctx.ensure_object(ScriptInfo).load_app().cli.list_commands(ctx))
        except NoAppException as fault:
            click.secho(f"Error: {fault.format_message()}\n", err=True, fg="red")
        except Exception as fault:  # the help has to come, whatever is wrong with the application
            click.secho(f"Error: {type(fault).__name__}: {fault}\n", err=True, fg="red")
        return sorted(names)

    def _load_plugins(self) -> None:
        """Take the commands that installed packages offer, as Flask-Migrate does."""
        if not self._plugins:
            self._plugins = True
            for entry in metadata.entry_points(group="duoframe.flask.commands"):
                self.add_command(entry.load(), entry.name)


def debug_flag() -> bool:
    """What FLASK_DEBUG says."""
    return os.environ.get("FLASK_DEBUG", "").lower() not in ("", "0", "false", "no")


def load_dotenv(path: str | os.PathLike[str] | None = None, load_defaults: bool = True) -> bool:
    """Set the variables of ``path``, ``.env`` and ``.flaskenv``, the first of them counting; whether there were any.

    What the environment has already stays. False where python-dotenv is missing.
    """
    try:
        import dotenv
    except ImportError:
        return False
    found: dict[str, str | None] = {}
    names = [dotenv.find_dotenv(name, usecwd=True) for name in (".flaskenv", ".env")] if load_defaults else []
    for name in (*names, path or ""):
        if name:
            found.update(dotenv.dotenv_values(name, encoding="utf-8"))
    for key, value in found.items():
        if value is not None:
            os.environ.setdefault(key, value)
    return bool(found)


def _take_env_file(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if os.getenv("FLASK_SKIP_DOTENV", "0") in ("", "0"):
        loaded = load_dotenv(value, context.ensure_object(ScriptInfo).load_dotenv_defaults)
        if value is not None and not loaded:
            raise click.BadParameter("it holds nothing, or python-dotenv is missing", context, parameter)
    return value


def _take_app(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        context.ensure_object(ScriptInfo).app_import_path = value
    return value


def _take_debug(context: click.Context, parameter: click.Parameter, value: bool | None) -> bool | None:
    if value is not None:
        os.environ["FLASK_DEBUG"] = "1" if value else "0"
    return value


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"duoframe {metadata.version('duoframe')}", color=context.color)
        context.exit()


def _env_file_option() -> click.Option:
    return click.Option(
        ["-e", "--env-file"],
        type=click.Path(exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_take_env_file,
        help="Variables from this file, before those of .env and .flaskenv. Needs python-dotenv.",
    )


def _app_option() -> click.Option:
    return click.Option(
        ["-A", "--app"],
        metavar="IMPORT",
        is_eager=True,
        expose_value=False,
        callback=_take_app,
        help="The application: 'module', 'module:name' or 'module:factory(arguments)'. The module may be a file.",
    )


def debug_option() -> click.Option:
    """``--debug`` and ``--no-debug``, for this process and those it starts."""
    return click.Option(
        ["--debug/--no-debug"], default=None, expose_value=False, callback=_take_debug, help="Turn debug on or off."
    )


def _version_option() -> click.Option:
    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_version,
        help="The version of duoframe.",
    )
