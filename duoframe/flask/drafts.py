"""A request that a test writes down, in the words of Flask's test client, and the call that a door makes of it.

Knows paths, forms, files and the keys of an environ; must not know doors or answers. `testing` sends what is drafted,
`uploading` writes the forms.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit

from duoframe.errors import ConfigurationError
from duoframe.flask.uploading import Body, encode
from duoframe.testing.call import Call

PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%!$&'()*+,;=:@~"
_QUERY_SAFE = "/%!$&'()*+,;=:@~?"


class Draft:
    """One request before it is sent; the keywords are those of `FlaskClient.open`."""

    def __init__(
        self,
        config: Mapping[str, Any],  # Any: values of a configuration
        path: str = "/",
        base_url: str | None = None,
        *,
        method: str = "GET",
        subdomain: str | None = None,
        url_scheme: str | None = None,
        query_string: Mapping[str, Any] | str | bytes | None = None,  # Any: whatever `str` takes
        headers: Any = None,  # Any: a mapping, pairs, or werkzeug's Headers
        data: Any = None,  # Any: text, bytes, a file, or the fields of a form
        json: Any = None,  # Any: JSON
        dumps: Any = None,  # Any: the application's own way to write it
        input_stream: Any = None,  # Any: a file
        content_type: str | None = None,
        mimetype: str | None = None,
        auth: tuple[str, str] | None = None,
        environ_base: Mapping[str, Any] | None = None,  # Any: values of an environ
        environ_overrides: Mapping[str, Any] | None = None,  # Any: as above
        errors_stream: Any = None,  # Any: a file, for what a WSGI application writes of its errors
    ) -> None:
        self.method = method.upper()
        self.client: tuple[str, int] | None = ("127.0.0.1", 50000)
        self.fields: dict[str, list[str]] = {}
        self.extra: dict[str, Any] = {} if errors_stream is None else {"wsgi.errors": errors_stream}  # Any: as above
        self._place(config, path, base_url, subdomain, url_scheme, query_string)
        self._overlay(environ_base or {})
        given: dict[str, list[str]] = {}
        for name, value in _pairs(headers):
            given.setdefault(name.lower(), []).append(str(value))
        self.fields.update(given)
        if auth is not None:
            credentials = base64.b64encode(f"{auth[0]}:{auth[1]}".encode()).decode()
            self.fields["authorization"] = [f"Basic {credentials}"]
        self.body = self._written(data, json, dumps, input_stream, content_type or mimetype)
        self._overlay(environ_overrides or {})

    def _place(
        self,
        config: Mapping[str, Any],  # Any: as above
        path: str,
        base_url: str | None,
        subdomain: str | None,
        scheme: str | None,
        query: Mapping[str, Any] | str | bytes | None,  # Any: as above
    ) -> None:
        """Where it goes: what the path and ``base_url`` leave open, the configuration says."""
        given = urlsplit(path)
        if base_url is None:
            host = config.get("SERVER_NAME") or "localhost"
            host = f"{subdomain}.{host}" if subdomain else host
            scheme = given.scheme or scheme or config.get("PREFERRED_URL_SCHEME") or "http"
            base_url = f"{scheme}://{given.netloc or host}/{(config.get('APPLICATION_ROOT') or '/').lstrip('/')}"
        elif subdomain or scheme:
            raise ConfigurationError("give a base_url, or a subdomain and a url_scheme, not both")
        base = urlsplit(base_url)
        if base.query or base.fragment:
            raise ValueError(f"expected a base_url without query and fragment, got {base_url!r}")
        self.scheme, self.host, self.root = base.scheme or "http", base.netloc, unquote(base.path).rstrip("/")
        self.path = quote(given.path or "/", safe=_PATH_SAFE)
        if not self.path.startswith("/"):
            self.path = f"/{self.path}"
        if query is not None and given.query:
            raise ValueError("the query stands in the path and in query_string: give it once")
        self.query = _query(given.query if query is None else query)

    def _written(self, data: Any, json: Any, dumps: Any, stream: Any, media_type: str | None) -> Body:
        """The body, and the header fields that say what it is."""
        if json is not None:
            if data is not None:
                raise TypeError("give data or json, not both")
            data, media_type = dumps(json), media_type or "application/json"
        elif stream is not None:
            if data is not None:
                raise TypeError("give data or input_stream, not both")
            data = stream
        body, kind = encode(data, media_type or self.fields.get("content-type", [None])[0])
        if kind is not None:
            self.fields["content-type"] = [kind]
        return body

    def _overlay(self, environ: Mapping[str, Any]) -> None:
        """Take over what an environ says; what has no place in a request stays beside it, under its key."""
        for key, value in environ.items():
            match key:
                case "REMOTE_ADDR":
                    self.client = (value, (self.client or ("", 50000))[1])
                case "REMOTE_PORT":
                    self.client = ((self.client or ("127.0.0.1", 0))[0], int(value))
                case "REQUEST_METHOD":
                    self.method = value
                case "SCRIPT_NAME":
                    self.root = value.rstrip("/")
                case "PATH_INFO":
                    self.path = quote(value, safe=_PATH_SAFE.replace("%", ""))
                case "QUERY_STRING":
                    self.query = _query(value)
                case "wsgi.url_scheme":
                    self.scheme = value
                case "CONTENT_TYPE" | "CONTENT_LENGTH":
                    self.fields[key.lower().replace("_", "-")] = [str(value)]
                case _ if key.startswith("HTTP_"):
                    self.fields[key[5:].lower().replace("_", "-")] = [str(value)]
                case _:
                    self.extra[key] = value

    @property
    def hostname(self) -> str:
        """The host without its port."""
        return urlsplit(f"//{self.host}").hostname or "localhost"

    @property
    def place(self) -> tuple[str, str]:
        """The host and the path that cookies belong to."""
        return self.hostname, self.root + self.path

    @property
    def url(self) -> str:
        """The whole address."""
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.host}{quote(self.root, safe=_PATH_SAFE)}{self.path}{query}"

    def call(self) -> Call:
        """What stands on the wire, with what a server knows beside it."""
        fields = [("host", self.host)] if "host" not in self.fields else []
        fields += [(name, value) for name, values in self.fields.items() for value in values]
        if self.body.length is None:
            fields.append(("transfer-encoding", "chunked"))
        elif self.body.length and "content-length" not in self.fields:
            fields.append(("content-length", str(self.body.length)))
        target = self.path + (f"?{self.query}" if self.query else "")
        port = self.extra.get("SERVER_PORT") or urlsplit(f"//{self.host}").port or PORTS.get(self.scheme, 80)
        return Call(
            self.method,
            target.encode("ascii"),
            [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields],
            self.scheme,
            self.client,
            (self.extra.get("SERVER_NAME") or self.hostname, int(port)),
            self.root,
            edit=self._edit if self.extra else None,
        )

    def _edit(self, made: dict[str, Any]) -> None:
        made.update(self.extra)

    def redirect(self, status: int, location: str, to_subdomains: bool) -> None:
        """Turn it into the request that follows an answer (RFC 9110 §15.4).

        Raises `RuntimeError` where it leads to another host; a subdomain may be one where ``to_subdomains``.
        """
        goal = urlsplit(urljoin(self.url, location))
        if goal.hostname != self.hostname:
            if not (goal.hostname or "").endswith(f".{self.hostname}"):
                raise RuntimeError(f"following external redirects is not supported: {location}")
            if not to_subdomains:
                raise RuntimeError(f"following subdomain redirects is not enabled: {location}")
        self.scheme, self.host = goal.scheme, goal.netloc
        root = quote(self.root, safe=_PATH_SAFE)
        if goal.path == root or goal.path.startswith(f"{root}/"):
            self.path = quote(goal.path[len(root) :] or "/", safe=_PATH_SAFE)
        else:
            self.root, self.path = "", quote(goal.path or "/", safe=_PATH_SAFE)
        self.query = _query(goal.query)
        self.fields.pop("cookie", None)
        if status not in (307, 308):
            self.method = self.method if self.method == "HEAD" else "GET"
            self.body = Body()
            for name in ("content-type", "content-length", "transfer-encoding"):
                self.fields.pop(name, None)


def _query(query: Mapping[str, Any] | str | bytes) -> str:  # Any: as above
    if isinstance(query, bytes):
        query = query.decode("latin-1")
    if isinstance(query, str):
        return quote(query, safe=_QUERY_SAFE)
    return urlencode([(name, value) for name, value in _pairs(query) if value is not None])


def _pairs(values: Any) -> Iterable[tuple[str, Any]]:  # Any: as above
    """Names and values of a mapping, whose values may be lists, of a multi-value one of any make, or of pairs."""
    if values is None:
        return []
    if hasattr(values, "multi_items"):
        return values.multi_items()  # type: ignore[no-any-return]  # this project's own
    if not isinstance(values, Mapping) and not hasattr(values, "items"):
        return [tuple(pair) for pair in values]
    try:
        items = values.items(multi=True)  # werkzeug's
    except TypeError:
        items = values.items()
    return [(name, each) for name, value in items for each in (value if isinstance(value, list | tuple) else [value])]
