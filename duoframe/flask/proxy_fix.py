"""`ProxyFix`: the name that Flask applications know for `duoframe.middleware.proxy`.

Knows an environ, for the applications of other frameworks; one of this framework takes the middleware instead, which
both doors run.
"""

from __future__ import annotations

from collections.abc import Iterable

from duoframe.middleware.proxy import ANYBODY, Proxies, ProxyHeaders, changed_host, is_said_by_proxies, split_address
from duoframe.types import Environ, StartResponse, WSGIApp


class ProxyFix:
    """Believe the proxies in front of an application: ``app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)``.

    Each argument says how many proxies set that field, 0 that none does. Whoever connects is believed, so nobody but
    the proxy may reach the server; `ProxyHeaders` knows whom to believe. An application of `duoframe.flask` takes it
    for both of its doors. Raises `ConfigurationError`.
    """

    def __init__(
        self, app: WSGIApp, x_for: int = 1, x_proto: int = 1, x_host: int = 0, x_port: int = 0, x_prefix: int = 0
    ) -> None:
        self.app = app
        hops = {"for": x_for, "proto": x_proto, "host": x_host, "port": x_port, "prefix": x_prefix}
        self.middleware = ProxyHeaders(ANYBODY, hops=hops)
        """What the core runs in place of this."""
        self._proxies = Proxies(ANYBODY, hops, False)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer as a WSGI application."""
        told = self._proxies.told(environ.get("REMOTE_ADDR"), lambda name: _values(environ, name))
        scheme = told.get("proto") or str(environ["wsgi.url_scheme"])
        host = changed_host(environ.get("HTTP_HOST"), scheme, told)
        changed = {
            name: value
            for name, value in environ.items()
            if not (name[:5] == "HTTP_" and is_said_by_proxies(_field(name)))
        }
        changed["wsgi.url_scheme"] = scheme
        if host is not None:
            changed["HTTP_HOST"] = host
            name, colon, port = told.get("host", "").rpartition(":")
            if colon and port.isdigit():
                changed.update(SERVER_NAME=name, SERVER_PORT=port)
        if "for" in told:
            address = split_address(told["for"])
            changed["REMOTE_ADDR"] = "" if address is None else address[0]
            changed.pop("REMOTE_PORT", None)
        if "port" in told:
            changed["SERVER_PORT"] = told["port"]
        if "prefix" in told:
            changed["SCRIPT_NAME"] = told["prefix"] + environ.get("SCRIPT_NAME", "")
        return self.app(changed, start_response)


def _values(environ: Environ, name: str) -> list[str]:
    return [environ.get("HTTP_" + name.upper().replace("-", "_"), "")]


def _field(name: str) -> str:
    return name[5:].replace("_", "-").lower()
