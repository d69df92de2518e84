"""What the four programs are asked, and what each of them says by itself, whatever serves it.

Knows the programs' own behaviour; must not know servers or mounts. `tests/servers/test_mounted.py` asks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One request below the place where its program is, and what has to be in the answer."""

    program: str
    method: str
    target: str
    status: int
    holds: bytes
    """A part of the body."""
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    """Fields that are sent."""
    answers: dict[str, str] = field(default_factory=dict)
    """Fields that come back."""

    @property
    def name(self) -> str:
        return f"{self.program}-{self.method}-{self.target}"[:60]


def case(
    program: str,
    method: str,
    target: str,
    status: int,
    holds: bytes = b"",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    **answers: str,
) -> Case:
    named = {name.replace("_", "-"): value for name, value in answers.items()}
    return Case(program, method, target, status, holds, body, headers or {}, named)


def chunked(content: bytes, size: int) -> bytes:
    """A body in chunks of so many bytes (RFC 9112 §7.1)."""
    pieces = [content[start : start + size] for start in range(0, len(content), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


BIG = bytes(range(256)) * 800
"""More than one buffer of anybody's."""
DIGEST = hashlib.sha256(BIG).hexdigest().encode()
FILE = (
    b'--b\r\nContent-Disposition: form-data; name="title"\r\n\r\ncaf\xc3\xa9\r\n'
    b'--b\r\nContent-Disposition: form-data; name="up"; filename="big.bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n" + BIG + b"\r\n--b--\r\n"
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}
CHUNKED = {"Transfer-Encoding": "chunked"}
TEXT = "text/plain; charset=utf-8"

HTTPBIN = [
    case("httpbin", "GET", "/", 200, b"httpbin", content_type="text/html; charset=utf-8"),
    case("httpbin", "GET", "/get?a=1&a=2&b=%C3%A9", 200, rb'"b": "\u00e9"', content_type="application/json"),
    case("httpbin", "HEAD", "/get", 200),
    case("httpbin", "OPTIONS", "/get", 200, access_control_max_age="3600"),
    case("httpbin", "POST", "/get", 405),
    case("httpbin", "GET", "/nowhere", 404),
    case("httpbin", "GET", "/anything/a%20b%2Fc?x=%2B", 200, b"anything/a%20b/c?x=%2B"),
    case("httpbin", "GET", "/headers", 200, b'"caf\\u00c3\\u00a9"', headers={"X-Name": "caf\u00e9"}),
    case("httpbin", "POST", "/post", 200, b'"text": "a b"', b"text=a+b&n=1", FORM),
    case("httpbin", "POST", "/post", 200, b'"n": 7', as_json({"n": 7}), JSON),
    case("httpbin", "POST", "/post?file", 200, b'"title": "caf', FILE, MULTIPART),
    case("httpbin", "POST", "/post?chunked", 200, b'"data": "x', chunked(b"x" * 3000, 700), CHUNKED),
    case("httpbin", "PUT", "/put", 200, b'"data": "put"', b"put"),
    case("httpbin", "PATCH", "/patch", 200, b'"data": "patch"', b"patch"),
    case("httpbin", "DELETE", "/delete", 200, b'"args": {}'),
    case("httpbin", "GET", "/cookies", 200, b'"a": "1"', headers={"Cookie": "a=1; b=2"}),
    case("httpbin", "GET", "/cookies/set?a=1&b=2", 302),
    case("httpbin", "GET", "/redirect/2", 302),
    case("httpbin", "GET", "/redirect-to?url=http%3A%2F%2Fexample.com%2F", 302, location="http://example.com/"),
    case("httpbin", "GET", "/absolute-redirect/2", 302),
    case("httpbin", "GET", "/status/204", 204),
    case("httpbin", "GET", "/status/418", 418, b"teapot"),
    case("httpbin", "GET", "/basic-auth/ada/secret", 401, www_authenticate='Basic realm="Fake Realm"'),
    case("httpbin", "GET", "/basic-auth/a/b", 200, b"true", headers={"Authorization": "Basic YTpi"}),
    case("httpbin", "GET", "/deflate", 200, content_encoding="deflate"),
    case("httpbin", "GET", "/stream/3", 200, b'"id": 2'),
    case("httpbin", "GET", "/range/2000?chunk_size=100", 206, b"klm", headers={"Range": "bytes=10-1500"}),
    case("httpbin", "GET", "/stream-bytes/70000?seed=1&chunk_size=999", 200),
    case("httpbin", "GET", "/drip?numbytes=5&duration=0", 200, b"*****", content_length="5"),
    case("httpbin", "GET", "/etag/abc", 304, headers={"If-None-Match": "abc"}, etag="abc"),
    case("httpbin", "GET", "/response-headers?x-a=1&x-a=2", 200, b'"x-a"'),
    case("httpbin", "GET", "/encoding/utf8", 200, "STARGΛ̊TE".encode()),
    case("httpbin", "GET", "/image/png", 200, b"\x89PNG", content_type="image/png"),
    case("httpbin", "GET", "/links/3/1", 200, b"/links/3/0"),
    case("httpbin", "GET", "/static/favicon.ico", 200),
]

DJANGO = [
    case("django", "GET", "/?a=1&a=2&b=%C3%A9", 200, rb'"b": ["\u00e9"]', content_type="application/json"),
    case("django", "HEAD", "/", 200, x_frame_options="DENY"),
    case("django", "GET", "/books/none/", 404, b"Not Found"),
    case("django", "GET", "/books/none", 301),
    case("django", "POST", "/", 403, b"CSRF", b"a=1", FORM),
    case("django", "GET", "/static/admin/css/base.css", 200, b"--primary", content_type="text/css"),
    case("django", "GET", "/static/../settings.py", 400),
    case("django", "GET", "/empty/", 204),
    case("django", "GET", "/fail/", 500),
    case("django", "POST", "/upload/", 200, DIGEST, FILE, MULTIPART),
    case("django", "GET", "/titles/", 200, content_type=TEXT),
]

BOTTLE = [
    case("bottle", "GET", "/?a=1&a=2&b=%C3%A9", 200, rb'["b","\u00e9"]', headers={"X-Agent": "caf\u00e9"}),
    case("bottle", "GET", "/hello/caf%C3%A9", 200, "Hello café".encode()),
    case("bottle", "HEAD", "/hello/Ada", 200),
    case("bottle", "GET", "/nowhere", 404),
    case("bottle", "POST", "/form", 200, b'["text","a b"]', b"text=a+b&n=1", FORM),
    case("bottle", "POST", "/upload", 200, DIGEST, FILE, MULTIPART),
    case("bottle", "PUT", "/raw", 200, DIGEST, BIG),
    case("bottle", "POST", "/json", 200, b'"n":7', as_json({"n": 7}), JSON),
    case("bottle", "POST", "/json", 400, b"", b"{", JSON),
    case("bottle", "GET", "/files/style.css", 200, b"color", content_type="text/css; charset=UTF-8"),
    case("bottle", "GET", "/files/style.css", 206, b"ody", headers={"Range": "bytes=1-3"}, content_length="3"),
    case("bottle", "GET", "/files/../cases.py", 403),
    case("bottle", "GET", "/numbers/100", 200, b"number 99", content_type=TEXT),
    case("bottle", "GET", "/numbers/0", 200),
    case("bottle", "GET", "/login", 200, b"welcome"),
    case("bottle", "GET", "/visitor", 200, b"nobody", headers={"Cookie": "visitor=forged"}),
    case("bottle", "GET", "/away", 303),
    case("bottle", "GET", "/teapot", 418, b"error: short and stout"),
    case("bottle", "GET", "/fail", 500),
    case("bottle", "DELETE", "/things/7", 204),
]

FASTAPI = [
    case("fastapi", "GET", "/?a=1&a=2&b=%C3%A9", 200, '["b","é"]'.encode(), headers={"X-Agent": "caf\u00e9"}),
    case("fastapi", "GET", "/hello/caf%C3%A9", 200, "Hello café".encode(), content_type=TEXT),
    case("fastapi", "HEAD", "/plain/7", 405, allow="GET"),
    case("fastapi", "GET", "/nowhere", 404, b"Not Found"),
    case("fastapi", "GET", "/plain/7", 200, b'{"number":7}'),
    case("fastapi", "GET", "/plain/x", 422, b"int_parsing"),
    case("fastapi", "POST", "/items", 201, b'"tags":[]', as_json({"name": "café", "price": 1.5}), JSON),
    case("fastapi", "POST", "/items", 422, b"missing", as_json({"name": ""}), JSON),
    case("fastapi", "POST", "/items", 422, b"json_invalid", b"{", JSON),
    case("fastapi", "GET", "/mine", 401, b"who are you?", www_authenticate="X-User"),
    case("fastapi", "GET", "/mine", 200, b'{"user":"Ada","open":1}', headers={"X-User": "Ada"}),
    case("fastapi", "PUT", "/raw", 200, DIGEST, BIG),
    case("fastapi", "PUT", "/raw?chunked", 200, DIGEST, chunked(BIG, 3000), CHUNKED),
    case("fastapi", "GET", "/events", 200, b"id: 2\ndata: event 2\n\n", cache_control="no-store"),
    case("fastapi", "GET", "/long", 200, b"long long"),
    case("fastapi", "GET", "/long", 200, b"\x1f\x8b", headers={"Accept-Encoding": "gzip"}, content_encoding="gzip"),
    case("fastapi", "GET", "/away", 303),
    case("fastapi", "GET", "/cookie", 200, b"true"),
    case("fastapi", "GET", "/visitor", 200, b'{"a":"1"}', headers={"Cookie": "a=1"}),
    case("fastapi", "GET", "/fail", 500),
    case("fastapi", "GET", "/openapi.json", 200, b'"/items"'),
    case("fastapi", "DELETE", "/things/7", 204),
    case("fastapi", "GET", "/plain/7/", 307),
]

CASES = [*HTTPBIN, *DJANGO, *BOTTLE, *FASTAPI]
