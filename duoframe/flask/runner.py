"""The runner of commands in tests: ``app.test_cli_runner().invoke(args=["init-db"])``.

Knows click's own runner, and which application its commands are about. Raises `ConfigurationError` where click is
missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from duoframe.flask.cli import ScriptInfo

from click.testing import CliRunner, Result  # isort: skip  # `cli` says what to do where it is missing

if TYPE_CHECKING:
    from duoframe.flask.app import Flask


class FlaskCliRunner(CliRunner):
    """click's `CliRunner` for the commands of ``app``; the other arguments are that one's."""

    def __init__(self, app: Flask, **options: Any) -> None:
        super().__init__(**options)
        self.app = app

    def invoke(  # type: ignore[override]  # the command may be left out
        self, cli: Any = None, args: Any = None, **options: Any
    ) -> Result:
        """Run a command, without ``cli`` one of ``app.cli``; the application is ``app``, unless ``obj`` is given."""
        options.setdefault("obj", ScriptInfo(create_app=lambda: self.app, set_debug_flag=False))
        return super().invoke(self.app.cli if cli is None else cli, args, **options)
