from flask import Blueprint, session

from magazine.admin.desk import bp as desk_bp

bp = Blueprint("admin", __name__, url_prefix="/admin", template_folder="templates", static_folder="static")
bp.register_blueprint(desk_bp, url_prefix="/desk")


@bp.before_request
def ask():
    if session.get("editor") is None:
        return "editors only", 401


@bp.errorhandler(KeyError)
def missing_key(error):
    return f"no {error.args[0]}", 422
