import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

editors = AppGroup("editors", help="Who writes.")


@editors.command("list")
@click.option("--upper", is_flag=True)
def list_editors(upper):
    from magazine.articles import ARTICLES

    for _, name in ARTICLES.values():
        click.echo(name.upper() if upper else name)


@click.command("title")
@with_appcontext
def title():
    """Print the title."""
    click.echo(current_app.config["TITLE"])


def init_app(app):
    app.cli.add_command(editors)
    app.cli.add_command(title)

    @app.route("/about", endpoint="about")
    def about():
        return f"About {current_app.name}"
