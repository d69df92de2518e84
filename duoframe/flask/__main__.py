"""``python -m duoframe.flask --app NAME COMMAND``: what ``flask`` is to Flask."""

from __future__ import annotations

from duoframe.flask.cli import FlaskGroup


def main() -> None:
    """Run the command that the command line names."""
    FlaskGroup(name="duoframe.flask", help="Commands of an application, and of every application.").main(
        prog_name="python -m duoframe.flask"
    )


if __name__ == "__main__":
    main()
