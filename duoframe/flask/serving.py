"""`Flask.run`: a server for development.

Knows which server is installed; must not know the application beyond that it can be served.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duoframe.flask.app import Flask

_WERKZEUG = {"threaded", "processes", "use_reloader", "use_debugger", "use_evalex", "passthrough_errors"}
"""Options of Flask's own server that have no meaning here."""


def serve(app: Flask, host: str, port: int, options: Mapping[str, Any]) -> None:
    """Serve until interrupted."""
    options = {name: value for name, value in options.items() if name not in _WERKZEUG}
    if importlib.util.find_spec("uvicorn") is not None:
        import uvicorn

        uvicorn.run(app, host=host, port=port, **options)
        return
    from wsgiref.simple_server import make_server

    with make_server(host, port, app) as server:
        server.serve_forever()
