import os

import werkzeug.exceptions
from flask import Blueprint, current_app as app, redirect, request, send_from_directory, url_for
from werkzeug.utils import secure_filename

bp = Blueprint("files", __name__)

ALLOWED = {"txt", "png"}


@bp.route("/", methods=["POST"])
def upload():
    file = request.files.get("file")
    if file is None or not file.filename:
        raise werkzeug.exceptions.BadRequest("no file")
    name = secure_filename(file.filename)
    if name.rpartition(".")[2] not in ALLOWED:
        raise werkzeug.exceptions.UnsupportedMediaType(f"no {name}, please")
    file.save(os.path.join(app.config["UPLOADS"], name))
    return redirect(url_for(".fetch", name=name))


@bp.route("/<path:name>")
def fetch(name):
    return send_from_directory(app.config["UPLOADS"], name, as_attachment="save" in request.args)
