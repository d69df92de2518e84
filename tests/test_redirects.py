"""Where a client may be sent: judged as browsers read a URL."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import App, RedirectResponse, Request, is_safe_redirect, redirect
from tests.conftest import Ask
from tests.linear import assert_linear

ALLOWED = ("good.example", "other.example:8443", "[::1]", "Mixed.Example")


def test_redirect_is_the_response_by_its_verb() -> None:
    response = redirect("/login", 307)
    assert isinstance(response, RedirectResponse)
    assert (response.status, response.headers["location"]) == (307, "/login")
    assert RedirectResponse("/a", headers={"x-a": "b"}).headers["x-a"] == "b"


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 309, 400, True, "303"])
def test_only_a_redirect_status_redirects(status: Any) -> None:
    with pytest.raises(ValueError, match="expected a redirect status"):
        RedirectResponse("/", status)


SAFE = [
    *("/", "/path", "/path/", "/path?next=//evil.example", "/path#//evil.example", "/a:b", "/a@b", "/caf\xe9", "/a b"),
    *("?", "?a=b", "?url=http://evil.example", "#", "#top", "path", "./path", "../path", "path/a:b", "a@b", "1"),
    # Percent-encoded, a slash is no slash and a dot segment stays on the origin (WHATWG URL §4.4, §4.5).
    *("/%2f%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/.//evil.example", "/..//evil.example"),
    *("%2f%2fevil.example", ".//evil.example", "/a//evil.example", "/;//evil.example", "/?//evil.example"),
    # Not mapped to "/" outside of a host.
    "/\uff0fevil.example",
    "\uff0f\uff0fevil.example",
    # Hosts that are allowed.
    *(
        "http://good.example",
        "https://good.example/",
        "HTTPS://GOOD.EXAMPLE/x",
        "//good.example/x",
        "http://good.example?a",
    ),
    *("https://good.example#a", "http://good.example:80/", "https://good.example:443/", "https://good.example:/"),
    *("https://good.example:0443/", "https://other.example:8443/", "//other.example:8443", "http://[::1]/"),
    *("https://mixed.example/", "https://good.example/\xe9?\xe9#\xe9"),
]

UNSAFE = [
    None,
    "",
    # Another host.
    *("http://evil.example", "https://evil.example/", "//evil.example", "///evil.example", "////evil.example", "//"),
    *("//evil.example/good.example", "http://evil.example?good.example", "http://evil.example#good.example"),
    *("http://good.example.evil.example", "http://xgood.example", "http://good.examplex", "http://good.example."),
    *("http://sub.good.example", "http://goodxexample", "http://example", "http://.good.example"),
    # A host that only seems to be allowed (CVE-2014-3730, CVE-2015-2317, CVE-2016-2512).
    *("http://good.example@evil.example", "http://good.example:80@evil.example", "http://u:p@good.example"),
    *("http://evil.example\\@good.example", "http://good.example\\@evil.example", "//good.example@evil.example"),
    *(
        "http://good.example%2f@evil.example",
        "http://good.example%00.evil.example",
        "http://evil.example%2egood.example",
    ),
    *(
        "http://%67ood.example",
        "http://good%2eexample",
        "http://good.example\uff0f.evil.example",
        "http://g\xf6\xf6d.example",
    ),
    *(
        "http://good\u3002example",
        "http://good.example\u2044evil",
        "http://evil.e\u212bample",
        "http://\uff47ood.example",
    ),
    # Other ports, or none.
    *("https://good.example:8443/", "http://good.example:443/", "https://good.example:80", "https://other.example/"),
    *(
        "//good.example:443",
        "https://good.example:443x/",
        "https://good.example:-1",
        "https://good.example:\u0664\u0664\u0663",
    ),
    *("https://good.example:999999", "https://good.example:443:443", "https://other.example:18443"),
    # Slashes that browsers add, turn round or leave out (CVE-2014-3730, CVE-2017-7233).
    *("/\\evil.example", "\\/evil.example", "\\\\evil.example", "\\evil.example", "http:\\\\evil.example", "/path\\x"),
    *("http:/evil.example", "http:evil.example", "https:good.example", "http:///evil.example", "http:////evil.example"),
    *("http:", "http://", "https:///", "http://?", "http://:80/", "http:999999999", "https:\\/evil.example"),
    # What browsers strip or take out (CVE-2016-9014, CVE-2017-7233).
    *(
        " //evil.example",
        "\t//evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\x08//evil.example",
    ),
    *(
        "\x00//evil.example",
        "ht\ntp://evil.example",
        "java\tscript:alert(1)",
        "/path\r\nset-cookie: a=b",
        "//\tevil.example",
    ),
    *(
        " /path",
        "/path ",
        "/path\n",
        "\x1f/path",
        "/pa\x7fth",
        "\x0bhttp://evil.example",
        "\u3000//evil.example",
        "\xa0/path",
    ),
    # Other schemes.
    *("javascript:alert(1)", "JavaScript:alert(1)", "javascript://good.example/%0aalert(1)", "data:text/html,x"),
    *(
        "vbscript:x",
        "ftp://good.example",
        "file:///etc/passwd",
        "ws://good.example",
        "mailto:a@b",
        "blob:http://good.example",
    ),
    *(
        "good.example:80",
        "localhost:80",
        "1:2",
        ":",
        "://good.example",
        "://",
        ":/path",
        "a:b",
        "http\xa0://good.example",
    ),
    *("http\u017f://good.example", "view-source:http://good.example", "intent://good.example"),
    # Addresses in other clothes.
    *(
        "http://2130706433",
        "http://0x7f.1",
        "http://[::2]",
        "http://[::1",
        "http://::1",
        "http://[::1%25lo]",
        "http://[]",
    ),
    # Text that cannot be sent.
    "/\ud800",
]


@pytest.mark.parametrize("url", SAFE)
def test_what_stays_on_the_origin_or_goes_to_an_allowed_host_is_safe(url: str) -> None:
    """R11."""
    assert is_safe_redirect(url, ALLOWED)
    assert leads_to(url, "https") <= {BASE} | ALLOWED_AUTHORITIES
    RedirectResponse(url)


@pytest.mark.parametrize("url", UNSAFE)
def test_anything_else_is_not(url: str | None) -> None:
    """R11: CVE-2012-3442, CVE-2015-0220, CVE-2013-6044 beside those named above."""
    assert not is_safe_redirect(url, ALLOWED)


def test_the_table_is_long_enough() -> None:
    """R11."""
    assert len({*SAFE, *UNSAFE}) == len(SAFE) + len(UNSAFE) >= 60


@pytest.mark.parametrize("url", ["http://good.example", "//good.example", "//", "http://"])
def test_without_allowed_hosts_only_this_origin_is_safe(url: str) -> None:
    """R11."""
    assert not is_safe_redirect(url)
    assert not is_safe_redirect(url, [""])
    assert is_safe_redirect("/path")


def test_hosts_in_one_str_are_a_mistake_that_is_told() -> None:
    with pytest.raises(TypeError, match=r"as in \('good.example',\)"):
        is_safe_redirect("/", "good.example")


# A browser's reading, WHATWG URL §4.4, as far as it decides on the origin.

BASE = "app.example"
ALLOWED_AUTHORITIES = {"good.example", "other.example:8443", "[::1]", "mixed.example"}


def leads_to(url: str, base_scheme: str) -> set[str]:
    """The host (with a port that is not the scheme's own) or the scheme that a browser goes to, if it goes at all."""
    url = re.sub(r"[\t\n\r]", "", url.strip("".join(map(chr, range(0x21)))))
    scheme, rest = base_scheme, url
    if match := re.match(r"([A-Za-z][A-Za-z0-9+.\-]*):", url):
        scheme, rest = match[1].lower(), url[match.end() :]
        if scheme not in ("http", "https"):
            return {scheme}
    rest = re.split(r"[?#]", rest, maxsplit=1)[0].replace("\\", "/")
    if scheme == base_scheme and not rest.startswith("//"):
        return {BASE}
    authority = rest.lstrip("/").split("/")[0].rpartition("@")[2]
    host, _, port = authority.rpartition(":") if re.search(r":[0-9]*\Z", authority) else (authority, "", "")
    host = unquote(host).lower()
    own = {"http": 80, "https": 443}[scheme]
    return {host if not port or int(port) == own else f"{host}:{int(port)}"} if host else set()


PIECES = st.sampled_from(
    [
        *(
            "/",
            "\\",
            ":",
            "@",
            ".",
            "?",
            "#",
            "%2f",
            "\t",
            "\n",
            " ",
            "\x00",
            ";",
            "&",
            "x",
            "\xe9",
            "\uff0f",
            "\u017f",
        ),
        *("http", "https", "HTTP", "javascript", "good.example", "evil.example", "other.example", "app.example"),
        *("[::1]", "443", "8443", "80"),
    ]
)


@given(st.lists(PIECES, max_size=10).map("".join), st.sampled_from(["http", "https"]))
@example("http:evil.example", "https")
@example("https:evil.example", "http")
@example("https:/\\evil.example", "https")
def test_whatever_is_safe_leads_a_browser_nowhere_else(url: str, base_scheme: str) -> None:
    """R11: the URL itself, and as it goes out in the field."""
    if not is_safe_redirect(url, ALLOWED):
        return
    for sent in (url, RedirectResponse(url).headers["location"]):
        assert leads_to(sent, base_scheme) <= {BASE} | ALLOWED_AUTHORITIES


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_raises(url: str) -> None:
    """R11: and what is safe can be sent."""
    if is_safe_redirect(url, ALLOWED):
        redirect(url)


@pytest.mark.parametrize("piece", ["a", "/", ":", "//", "a.", " ", "\\", "[", "0", "@"])
def test_the_work_is_linear(piece: str) -> None:
    """R68: counted, and of a size that would take minutes in quadratic time."""
    for begin in ("", "//", "http://", "//a:"):
        assert_linear(lambda size, begin=begin: lambda: is_safe_redirect(begin + piece * size), 100)  # type: ignore[misc]  # the type of a default
        is_safe_redirect(begin + piece * 200_000)


def test_a_login_sends_back_only_to_where_it_is_safe(ask: Ask, app: App, colour: Any) -> None:
    """R11: behind both doors."""

    def login(request: Request) -> RedirectResponse:
        target = request.query.get("next")
        return redirect(target if is_safe_redirect(target) else "/home")

    app.get("/login")(colour(login))
    for query, location in ((b"next=/cart?a=b", "/cart?a=b"), (b"next=//evil.example", "/home"), (b"", "/home")):
        answer = ask(app, "GET", b"/login?" + query)
        assert (answer.status, dict(answer.headers)["location"]) == (303, location)
