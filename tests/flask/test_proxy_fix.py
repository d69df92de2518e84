"""`ProxyFix` as applications of Flask use it; tests/middleware/test_proxy.py compares it with Werkzeug's."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.middleware.proxy_fix import ProxyFix as WerkzeugProxyFix

from duoframe import ConfigurationError
from duoframe.flask.proxy_fix import ProxyFix
from tests.flask.oracle import Side, side, text

__all__ = ["side"]

HEADERS = {
    "X-Forwarded-For": "6.6.6.6, 203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "a.example:8443",
    "X-Forwarded-Prefix": "/shop",
}


def test_an_application_behind_a_proxy_sees_the_client(side: Side) -> None:
    app = side.app()
    request = side.names.request
    app.add_url_rule("/", "index", lambda: f"{request.remote_addr} {request.url} {side.names.url_for('index')}")
    kind: Any = WerkzeugProxyFix if side.real else ProxyFix
    app.wsgi_app = kind(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
    answer = side.client(app).get("/", headers=HEADERS)
    assert text(answer) == "203.0.113.7 https://a.example:8443/shop/ /shop/"


def test_once_it_answers_requests_only_the_wsgi_door_can_be_wrapped(side: Side) -> None:
    app = side.app()
    app.add_url_rule("/", "index", lambda: str(side.names.request.remote_addr))
    client = side.client(app)
    assert text(client.get("/")) == "127.0.0.1"
    app.wsgi_app = (WerkzeugProxyFix if side.real else ProxyFix)(app.wsgi_app)
    expected = "127.0.0.1" if side.kind == "asgi" else "203.0.113.7"
    assert text(client.get("/", headers=HEADERS)) == expected


def test_an_address_that_is_unknown_is_nobody_s() -> None:
    seen: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(environ)
        return [b"x"]

    environ = {
        "wsgi.url_scheme": "http",
        "REMOTE_ADDR": "10.0.0.1",
        "REMOTE_PORT": "5",
        "HTTP_X_FORWARDED_FOR": "unknown",
    }
    start: Any = None
    assert ProxyFix(application)(environ, start) == [b"x"]
    assert seen == [{"wsgi.url_scheme": "http", "REMOTE_ADDR": ""}]


def test_without_any_proxy_it_is_not_needed() -> None:
    application: Any = None
    with pytest.raises(ConfigurationError, match="at least one hop"):
        ProxyFix(application, x_for=0, x_proto=0)
