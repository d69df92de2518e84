"""Messages for the page that a visitor sees next.

Knows who asks for them; `duoframe.sessions` keeps them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from duoframe.flask import signals
from duoframe.flask.globals import running, running_request


def flash(message: str, category: str = "message") -> None:
    """Keep a message until a page shows it: ``flash("Saved.", "info")``.

    Raises `RuntimeError` outside of a request and without a secret key.
    """
    context = running_request()
    session = context.session
    session["_flashes"] = [*session.get("_flashes", ()), (category, message)]
    app: Any = running().app
    signals.message_flashed.send(app, _async_wrapper=app.ensure_sync, message=message, category=category)


def get_flashed_messages(
    with_categories: bool = False, category_filter: Iterable[str] = ()
) -> list[str] | list[tuple[str, str]]:
    """The messages that were kept, and those only that belong to ``category_filter`` where that names any.

    They are forgotten thereby; within one request each call gives the same. Raises `RuntimeError` outside of a request.
    """
    context = running_request()
    kept: list[tuple[str, str]] | None = vars(context).get("_flashes")
    if kept is None:
        session = context.session
        kept = [tuple(pair) for pair in session.pop("_flashes")] if "_flashes" in session else []
        vars(context)["_flashes"] = kept
    wanted = [pair for pair in kept if not category_filter or pair[0] in category_filter]
    return wanted if with_categories else [message for _, message in wanted]
