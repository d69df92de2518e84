import flask
from flask import Blueprint, abort, render_template

ARTICLES = {1: ("On engines", "Ada Lovelace"), 2: ("On machines", "Alan Turing")}

bp = Blueprint("articles", __name__)


@bp.url_value_preprocessor
def load(endpoint, values):
    if values and "number" in values:
        number = values.pop("number")
        flask.g.number = number
        flask.g.article = ARTICLES.get(number)


@bp.url_defaults
def add_edition(endpoint, values):
    if flask.current_app.url_map.is_endpoint_expecting(endpoint, "edition"):
        values.setdefault("edition", "first")


@bp.before_request
def note():
    flask.g.steps.append(flask.request.blueprint)


@bp.route("/articles/", defaults={"page": 1})
@bp.route("/articles/<int:page>/")
def listing(page):
    return f"page {page}: " + ", ".join(title for title, _ in ARTICLES.values())


@bp.route("/article/<int:number>")
def read():
    if flask.g.article is None:
        abort(404)
    return render_template("article.html", article=flask.g.article, number=flask.g.number)


@bp.route("/article/<int:number>/<edition>")
def edition(edition):
    return f"{flask.g.article[0]}, {edition} edition"


@bp.route("/print/<int:number>")
def to_print():
    return flask.redirect(flask.url_for(".edition", number=flask.g.number))


@bp.app_errorhandler(413)
def too_large(error):
    return flask.jsonify(error="too large", limit=flask.current_app.config["MAX_CONTENT_LENGTH"]), 413
