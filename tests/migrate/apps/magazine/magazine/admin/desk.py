from flask import Blueprint, redirect, render_template, request, session, url_for

bp = Blueprint("desk", __name__)


@bp.get("/")
def overview():
    return render_template("admin/desk.html", editor=session["editor"])


@bp.post("/title")
def retitle():
    session["title"] = request.form.to_dict()["title"] if "title" in request.form else {}["title"]
    return redirect(url_for("admin.desk.overview", _anchor="title"))


@bp.record_once
def recorded(state):
    state.app.extensions["desk"] = state.url_prefix
