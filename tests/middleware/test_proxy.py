"""What proxies say: whom it is believed of, how much of it, and that nothing of it is left, behind both doors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.middleware.proxy_fix import ProxyFix as WerkzeugProxyFix
from werkzeug.wrappers import Request as WerkzeugRequest

from duoframe import App, ConfigurationError, Request
from duoframe.environ import open_request
from duoframe.flask.proxy_fix import ProxyFix
from duoframe.middleware.proxy import Proxies, ProxyHeaders, changed_host, split_address
from duoframe.pieces import Colour, Piece
from tests.conftest import Ask, MakeApp

Paint = Callable[[Callable[..., Any]], Callable[..., Any]]

PROXY = ("10.0.0.1", 40000)
ALL = {"for": 1, "proto": 1, "host": 1, "port": 1, "prefix": 1}


class Seen:
    """An application behind proxies, and what it sees of a request."""

    def __init__(self, make_app: MakeApp, ask: Ask, colour: Paint, *args: Any, **options: Any) -> None:
        self._ask = ask
        self.app = make_app(middleware=[ProxyHeaders(*args, **options)])
        self.request: dict[str, Any] = {}

        def look(request: Request) -> Any:
            self.request = {
                "client": request.client,
                "scheme": request.scheme,
                "host": request.host,
                "root_path": request.root_path,
                "url": str(request.url),
                "link": request.app.url_for("look"),
                "left": [name for name, _ in request.headers.multi_items() if "forwarded" in name or "real" in name],
            }
            return "ok"

        self.app.get("/look", name="look")(colour(look))
        self.app.get("/slash/")(colour(lambda: "ok"))

    def __call__(self, fields: dict[str, str] | list[tuple[str, str]], client: Any = PROXY, **options: Any) -> Any:
        pairs = fields.items() if isinstance(fields, dict) else fields
        headers = [(name.encode(), value.encode()) for name, value in (("host", "inner:8000"), *pairs)]
        self.request = {}
        assert self._ask(self.app, "GET", b"/look", headers=headers, client=client, **options).status == 200
        return self.request


SeenBy = Callable[..., Seen]


@pytest.fixture
def seen(make_app: MakeApp, ask: Ask) -> SeenBy:
    return lambda *args, **options: Seen(make_app, ask, lambda function: function, *args, **options)


def test_it_leaves_a_route_its_colour() -> None:
    assert Piece.middleware(ProxyHeaders("10.0.0.1")).colour is Colour.INLINE


def test_the_address_and_the_scheme_of_the_client_are_believed(seen: SeenBy) -> None:
    """R19, R21."""
    request = seen("10.0.0.0/8")({"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"})
    assert (request["client"], request["scheme"]) == (("203.0.113.7", None), "https")
    assert (request["host"], request["url"], request["left"]) == ("inner:8000", "https://inner:8000/look", [])


def test_every_field_is_believed_that_is_named(make_app: MakeApp, ask: Ask, colour: Paint) -> None:
    """R19, R21."""
    request = Seen(make_app, ask, colour, "10.0.0.1", hops=ALL)(
        {
            "x-forwarded-for": "[2001:db8::7]:4711",
            "x-forwarded-proto": "https",
            "x-forwarded-host": "example.com",
            "x-forwarded-port": "8443",
            "x-forwarded-prefix": "/shop",
        }
    )
    assert request == {
        "client": ("2001:db8::7", 4711),
        "scheme": "https",
        "host": "example.com:8443",
        "root_path": "/shop",
        "url": "https://example.com:8443/shop/look",
        "link": "/shop/look",
        "left": [],
    }


SAID = {
    "x-forwarded-for": "6.6.6.6",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "evil.example",
    "x-forwarded-port": "666",
    "x-forwarded-prefix": "/evil",
    "x-forwarded-server": "evil",
    "x-real-ip": "6.6.6.6",
    "forwarded": "for=6.6.6.6;proto=https;host=evil.example",
}


@pytest.mark.parametrize("client", [("203.0.113.9", 1), ("::1", 1), None])
@pytest.mark.parametrize("forwarded", [False, True])
def test_who_is_not_trusted_is_not_believed_and_what_they_said_is_taken_out(
    seen: SeenBy, client: Any, forwarded: bool
) -> None:
    """R19, CVE-2025-59152, CVE-2026-48061."""
    hops = {"for": 1, "proto": 1, "host": 1} if forwarded else ALL
    request = seen(["10.0.0.0/8", "2001:db8::/32"], hops=hops, forwarded=forwarded)(SAID, client)
    assert request["client"] == client
    assert (request["url"], request["left"]) == ("http://inner:8000/look", [])


def test_fields_that_are_not_named_are_not_believed_and_taken_out(seen: SeenBy) -> None:
    """R19: a proxy that does not set X-Forwarded-Host passes on the client's."""
    request = seen("10.0.0.1")(SAID)
    assert (request["client"], request["url"], request["left"]) == (("6.6.6.6", None), "https://inner:8000/look", [])


@pytest.mark.parametrize(
    ("trusted", "client", "believed"),
    [
        ("10.0.0.1", ("10.0.0.1", 1), True),
        ("10.0.0.1", ("10.0.0.2", 1), False),
        ("10.0.0.0/8", ("10.255.0.1", 1), True),
        (["127.0.0.1", "::1"], ("::1", 1), True),
        ("10.0.0.0/8", ("::ffff:10.0.0.1", 1), True),
        ("::/0", ("10.0.0.1", 1), False),
        ("*", ("203.0.113.9", 1), True),
        ("*", None, True),
        ("unix", None, True),
        ("unix", ("10.0.0.1", 1), False),
        ("10.0.0.1", ("10.0.0.1.evil", 1), False),
        ("10.0.0.1", ("010.0.0.1", 1), False),
    ],
)
def test_whom_to_believe(seen: SeenBy, trusted: Any, client: Any, believed: bool) -> None:
    """R19, CVE-2021-33571."""
    request = seen(trusted)({"x-forwarded-for": "203.0.113.7"}, client)
    assert request["client"] == (("203.0.113.7", None) if believed else client)


@pytest.mark.parametrize(("peer", "believed"), [("", True), ("/run/app.sock", True), ("unix:", True), ("::1", False)])
def test_how_servers_tell_of_a_unix_socket(peer: str, believed: bool) -> None:
    """R19."""
    assert Proxies("unix", 1, False).told(peer, lambda name: ["6.6.6.6"]) == ({"for": "6.6.6.6"} if believed else {})


@pytest.mark.parametrize(
    ("hops", "sent", "client"),
    [
        (1, ["6.6.6.6, 203.0.113.7"], "203.0.113.7"),
        (1, ["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (2, ["6.6.6.6, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
        (2, ["6.6.6.6", "203.0.113.7", "10.0.0.2"], "203.0.113.7"),
        (2, ["203.0.113.7,\t10.0.0.2"], "203.0.113.7"),
        (2, ["203.0.113.7"], PROXY[0]),
        (3, ["203.0.113.7, 10.0.0.2"], PROXY[0]),
        (1, [""], PROXY[0]),
        (1, ["203.0.113.7,"], PROXY[0]),
        (1, [], PROXY[0]),
    ],
)
def test_only_as_many_are_read_from_the_right_as_there_are_proxies(
    seen: SeenBy, hops: int, sent: list[str], client: str
) -> None:
    """R19: what stands further to the left is the client's own."""
    request = seen("10.0.0.1", hops={"for": hops})([("x-forwarded-for", value) for value in sent])
    assert request["client"][0] == client


@pytest.mark.parametrize(
    ("text", "client"),
    [
        ("203.0.113.7", ("203.0.113.7", None)),
        ("203.0.113.7:4711", ("203.0.113.7", 4711)),
        ("203.0.113.7:99999", ("203.0.113.7", None)),
        ("2001:DB8::7", ("2001:db8::7", None)),
        ("[2001:db8::7]", ("2001:db8::7", None)),
        ("[2001:db8::7]:80", ("2001:db8::7", 80)),
        ("unknown", None),
        ("_hidden", None),
        ("203.0.113.07", None),
        ("203.0.113.7\x01", None),
        ("1.2.3.4.5", None),
        ("fe80::1%eth0", None),
        ("<script>", None),
        ("\xe9", None),
    ],
)
def test_what_is_no_address_is_nobody_s(text: str, client: Any) -> None:
    """R19, CVE-2021-33571."""
    assert split_address(Proxies("*", 1, False).told(None, lambda name: [text])["for"]) == client


def test_a_client_whose_address_the_proxy_does_not_know_has_none(seen: SeenBy) -> None:
    """R19."""
    assert seen("10.0.0.1")({"x-forwarded-for": "unknown"})["client"] is None


@pytest.mark.parametrize(
    ("name", "text", "url"),
    [
        ("proto", "HTTPS", "https://inner:8000/look"),
        ("proto", "javascript", "http://inner:8000/look"),
        ("proto", "wss", "http://inner:8000/look"),
        ("host", "example.com", "http://example.com/look"),
        ("host", "[::1]:8000", "http://[::1]:8000/look"),
        ("host", "user@evil.example", "/look"),
        ("host", "a.example/?", "/look"),
        ("host", "a b", "/look"),
        ("port", "80", "http://inner/look"),
        ("port", "443", "http://inner:443/look"),
        ("port", "0", "http://inner:8000/look"),
        ("port", "65536", "http://inner:8000/look"),
        ("port", "8x", "http://inner:8000/look"),
        ("prefix", "/a/b/", "http://inner:8000/a/b/look"),
        ("prefix", "/", "http://inner:8000/look"),
        ("prefix", "//evil.example", "http://inner:8000/look"),
        ("prefix", "/\\evil.example", "http://inner:8000/look"),
        ("prefix", "/a/../b", "http://inner:8000/look"),
        ("prefix", "/.", "http://inner:8000/look"),
        ("prefix", "a", "http://inner:8000/look"),
        ("prefix", "/a?b", "http://inner:8000/look"),
        ("prefix", "/a%2fb", "http://inner:8000/look"),
    ],
)
def test_what_is_malformed_has_not_been_said(seen: SeenBy, name: str, text: str, url: str) -> None:
    """R15, R10: and what is no host is never put into an address."""
    request = seen("10.0.0.1", hops=ALL)({f"x-forwarded-{name}": text})
    assert request["url"] == url
    assert not request["link"].startswith("//")


@pytest.mark.parametrize(
    ("host", "port", "scheme", "expected"),
    [
        ("example.com", "443", "https", "example.com"),
        ("example.com:1", "443", "https", "example.com"),
        ("example.com", "80", "https", "example.com:80"),
        ("[::1]", "8443", "https", "[::1]:8443"),
        ("[::1]:1", "8443", "https", "[::1]:8443"),
        ("example.com", "8000", "http", "example.com:8000"),
    ],
)
def test_a_port_goes_with_the_host(seen: SeenBy, host: str, port: str, scheme: str, expected: str) -> None:
    said = {"x-forwarded-host": host, "x-forwarded-port": port, "x-forwarded-proto": scheme}
    assert seen("10.0.0.1", hops=ALL)(said)["host"] == expected


def test_a_port_without_a_host_says_nothing() -> None:
    assert changed_host(None, "http", {"port": "8000"}) is None


# Forwarded (RFC 7239)


@pytest.mark.parametrize(
    ("hops", "text", "client", "url"),
    [
        (1, "for=203.0.113.7", "203.0.113.7", "http://inner:8000/look"),
        (1, 'For="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17", "http://inner:8000/look"),
        (1, "for=192.0.2.60;proto=https;by=203.0.113.43", "192.0.2.60", "https://inner:8000/look"),
        (1, "for=6.6.6.6;host=evil.example, for=203.0.113.7", "203.0.113.7", "http://inner:8000/look"),
        (2, "for=6.6.6.6, for=203.0.113.7;host=a.example, for=10.0.0.2", "203.0.113.7", "http://a.example/look"),
        (2, "for=203.0.113.7", PROXY[0], "http://inner:8000/look"),
        (1, 'for=203.0.113.7 ; host="a\\.example"', "203.0.113.7", "http://a.example/look"),
        (1, "for=203.0.113.7;", "203.0.113.7", "http://inner:8000/look"),
        (1, ' ,, for="203.0.113.7"', "203.0.113.7", "http://inner:8000/look"),
        (1, 'for="_gazonk"', None, "http://inner:8000/look"),
        (1, "for=unknown;proto=https", None, "https://inner:8000/look"),
        (1, 'for="203.0.113.7', PROXY[0], "http://inner:8000/look"),
        (1, "for = 203.0.113.7", PROXY[0], "http://inner:8000/look"),
        (1, "for=203.0.113.7 proto=https", PROXY[0], "http://inner:8000/look"),
        (1, "for=2001:db8::1", PROXY[0], "http://inner:8000/look"),
        (1, "", PROXY[0], "http://inner:8000/look"),
    ],
)
def test_forwarded_is_read_in_place_of_the_others(seen: SeenBy, hops: int, text: str, client: Any, url: str) -> None:
    """R19: RFC 7239 §4."""
    said = {"forwarded": text, "x-forwarded-for": "6.6.6.6", "x-forwarded-proto": "https"}
    request = seen("10.0.0.1", hops={"for": hops, "proto": hops, "host": hops}, forwarded=True)(said)
    assert (request["client"] and request["client"][0], request["url"], request["left"]) == (client, url, [])


@given(st.text(st.sampled_from('for=;, "\\abc.1:[]\t\x00é'), max_size=40))
def test_no_text_is_more_than_malformed(text: str) -> None:
    """R19."""
    for forwarded in (False, True):
        said = Proxies("*", {"for": 1, "proto": 1, "host": 1}, forwarded).told(None, lambda name: [text])
        assert set(said) <= {"for", "proto", "host"}


def test_a_name_with_an_underscore_is_not_the_dashed_one(seen: SeenBy, ask: Ask) -> None:
    """R20: a WSGI server drops it, as gunicorn does, because nobody could tell them apart any more."""
    if ask.door == "asgi":
        request = seen("10.0.0.1")({"x_forwarded_for": "6.6.6.6"})
        assert (request["client"], request["left"]) == (PROXY, [])


def test_a_redirect_keeps_the_prefix(make_app: MakeApp, ask: Ask, colour: Paint) -> None:
    app = Seen(make_app, ask, colour, "10.0.0.1", hops=ALL).app
    headers = [(b"host", b"inner"), (b"x-forwarded-prefix", b"/shop")]
    answer = ask(app, "GET", b"/slash", headers=headers, client=PROXY)
    assert (answer.status, dict(answer.headers)["location"]) == (308, "/shop/slash/")


def test_error_answers_are_made_with_what_was_believed(make_app: MakeApp, ask: Ask, colour: Paint) -> None:
    app = make_app(middleware=[ProxyHeaders("10.0.0.1")])

    @app.errorhandler(404)
    def missing(request: Request, error: Exception) -> Any:
        return str(request.url), 404

    headers = [(b"host", b"a.example"), (b"x-forwarded-proto", b"https")]
    assert ask(app, "GET", b"/nowhere", headers=headers, client=PROXY).body == b"https://a.example/nowhere"


@pytest.mark.parametrize(
    ("args", "options", "said"),
    [
        (["10.0.0.0/8/8"], {}, "expected an address, a network"),
        (["10.0.0.1/8"], {}, "has host bits set"),
        (["example.com"], {}, "expected an address, a network"),
        ([[""]], {}, "expected an address, a network"),
        (["*"], {"hops": 0}, "at least one hop"),
        (["*"], {"hops": {}}, "at least one hop"),
        (["*"], {"hops": -1}, "whole number of hops"),
        (["*"], {"hops": True}, "whole number of hops"),
        (["*"], {"hops": {"for": "1"}}, "whole number of hops"),
        (["*"], {"hops": {"by": 1}}, "expected hops of for, proto, host, port, prefix"),
        (["*"], {"hops": {"port": 1}, "forwarded": True}, "expected hops of for, proto, host, got"),
    ],
)
def test_what_cannot_be_is_refused_at_registration(args: Any, options: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        ProxyHeaders(*args, **options)


# Against Werkzeug's


VALUES = {
    "X-Forwarded-For": ["", "203.0.113.7", "6.6.6.6, 203.0.113.7"],
    "X-Forwarded-Proto": ["", "https", "http, https"],
    "X-Forwarded-Host": ["", "a.example", "a.example:8000, b.example:9000"],
    "X-Forwarded-Port": ["", "8443", "1, 443"],
    "X-Forwarded-Prefix": ["", "/shop", "/evil, /shop"],
}


@given(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()}), st.data())
def test_what_is_well_formed_means_what_it_means_to_werkzeug(said: dict[str, str], data: Any) -> None:
    counts = {name: data.draw(st.integers(0, 2)) for name in ALL}
    if not any(counts.values()):
        counts["for"] = 1
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/look",
        "SERVER_NAME": "inner",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "inner:8000",
        "REMOTE_ADDR": "10.0.0.1",
        "wsgi.url_scheme": "http",
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in said.items() if value},
    }
    found: list[dict[str, Any]] = []

    def note(environ: Any, start_response: Any) -> list[bytes]:
        found.append(environ)
        return []

    for kind in (WerkzeugProxyFix, ProxyFix):
        proxied: Any = kind(note, **{f"x_{name}": count for name, count in counts.items()})
        assert proxied(dict(environ), None) == []
    expected = WerkzeugRequest(found[0])
    middleware = ProxyHeaders("10.0.0.1", hops=counts)
    request = open_request(App(), environ)
    next(middleware(request))
    assert request.client is not None
    assert request.client[0] == expected.remote_addr
    assert request.scheme == expected.scheme
    assert request.host == expected.host
    assert request.root_path == expected.root_path.rstrip("/")
    assert WerkzeugRequest(found[1]).url == expected.url
    for name in ("REMOTE_ADDR", "SCRIPT_NAME", "SERVER_PORT"):
        assert found[1].get(name, "") == found[0].get(name, ""), name
    assert not any("FORWARDED" in name for name in found[1])
