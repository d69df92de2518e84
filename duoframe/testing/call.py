"""One request as it stands on the wire, and how a server presents it: as a WSGI environ or as an ASGI scope.

The target is taken as it is: nothing is normalised, it is percent-decoded once, as servers do.
Knows no app; the body travels beside it.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from duoframe.testing.rules import Field
from duoframe.types import Environ

Edit = Callable[[dict[str, Any]], object]
"""Changes an environ or a scope in place; its values are of any type the protocols allow."""

_SAFE_IN_PATH = "/~!$&'()*+,;=:@"


@dataclass(frozen=True)
class Call:
    """A request line and its header fields, with what a server knows of the connection."""

    method: str
    target: bytes
    fields: list[Field]
    scheme: str = "http"
    client: tuple[str, int] | None = ("127.0.0.1", 50000)
    server: tuple[str, int] = ("testserver", 80)
    root_path: str = ""
    http_version: str = "1.1"
    spec_version: str = "2.5"
    edit: Edit | None = None

    @property
    def length(self) -> int | None:
        """How many bytes of body a server hands over; None when only the end of the body tells."""
        if self._values(b"transfer-encoding"):
            return None
        length = b",".join(self._values(b"content-length"))
        if length.isdigit():
            return int(length)
        # A length nobody can read sets no bound; no length at all means no body (RFC 9112 §6.3).
        return None if length else 0

    def scope(self, state: dict[str, Any] | None) -> dict[str, Any]:
        """The ASGI scope, as uvicorn builds it: `root_path` stands before the path of the target."""
        path, query = self._split()
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": self.spec_version},
            "http_version": self.http_version,
            "method": self.method,
            "scheme": self.scheme,
            "path": self.root_path + unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": self._raw_root() + path,
            "query_string": query,
            "root_path": self.root_path,
            "headers": [(name.lower(), value) for name, value in self.fields],
            "client": self.client,
            "server": self.server,
        }
        if state is not None:
            # Requests share what the lifespan put there, but what one of them sets is its own.
            scope["state"] = state.copy()
        return self._edited(scope)

    def environ(self, body: BufferedIOBase) -> Environ:
        """The WSGI environ: `root_path` as SCRIPT_NAME, text as Latin-1 carried bytes (PEP 3333, *Unicode Issues*)."""
        path, query = self._split()
        environ: Environ = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": _carried(self.root_path.encode()),
            "PATH_INFO": _carried(unquote_to_bytes(path)),
            "QUERY_STRING": _carried(query),
            "RAW_URI": _carried(self._raw_root() + self.target),
            "REQUEST_URI": _carried(self._raw_root() + self.target),
            "SERVER_NAME": self.server[0],
            "SERVER_PORT": str(self.server[1]),
            "SERVER_PROTOCOL": f"HTTP/{self.http_version}",
            "SERVER_SOFTWARE": "duoframe-testing",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": body,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if self.client is not None:
            environ.update(REMOTE_ADDR=self.client[0], REMOTE_PORT=str(self.client[1]))
        if self._values(b"transfer-encoding"):
            environ["wsgi.input_terminated"] = True
        environ.update(self._variables())
        return self._edited(environ)

    def _split(self) -> tuple[bytes, bytes]:
        """The raw path and the raw query of the target."""
        path, _, query = self.target.partition(b"?")
        if path.lower().startswith((b"http://", b"https://")):
            # The absolute form that proxies send (RFC 9112 §3.2.2): servers take the path out of it.
            _, slash, rest = path.partition(b"://")[2].partition(b"/")
            path = slash + rest or b"/"
        return path, query

    def _raw_root(self) -> bytes:
        return quote(self.root_path, safe=_SAFE_IN_PATH).encode("ascii")

    def _values(self, name: bytes) -> list[bytes]:
        return [value for field, value in self.fields if field.lower() == name]

    def _variables(self) -> dict[str, str]:
        """The header fields under their CGI names, repeated ones joined."""
        variables: dict[str, str] = {}
        for name, value in self.fields:
            if b"_" in name:
                continue  # Servers drop it: under its CGI name `x_y` could pass for `x-y`.
            key = _carried(name).upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            joint = "; " if key == "HTTP_COOKIE" else ","
            variables[key] = f"{variables[key]}{joint}{_carried(value)}" if key in variables else _carried(value)
        return variables

    def _edited(self, made: dict[str, Any]) -> dict[str, Any]:
        if self.edit is not None:
            self.edit(made)
        return made


def _carried(text: bytes) -> str:
    return text.decode("latin-1")
