"""The cookies of a test client: what is kept, for how long, and where it is sent (RFC 6265 §5)."""

from __future__ import annotations

import pytest

from duoframe.flask.jar import Cookie, Jar


@pytest.fixture
def jar() -> Jar:
    return Jar()


def test_what_is_said_of_a_cookie_can_be_looked_at() -> None:
    said = 'theme="a\\073b"; Domain=.Example.com; Path=/shop; Max-Age=60; Secure; HttpOnly; SameSite=Strict'
    cookie = Cookie.parse(said, "www.example.com", "/shop/cart")
    assert cookie is not None
    assert (cookie.key, cookie.value, cookie.decoded_key, cookie.decoded_value) == (
        "theme",
        '"a\\073b"',
        "theme",
        "a;b",
    )
    assert (cookie.domain, cookie.origin_only, cookie.path, cookie.max_age) == ("example.com", False, "/shop", 60)
    assert (cookie.secure, cookie.http_only, cookie.same_site, cookie.expires) == (True, True, "Strict", None)


def test_a_cookie_of_which_nothing_is_said_belongs_to_its_host_and_its_folder() -> None:
    cookie = Cookie.parse("a=1", "localhost", "/shop/cart")
    assert cookie is not None
    assert (cookie.domain, cookie.origin_only, cookie.path, cookie.max_age) == ("localhost", True, "/shop", None)
    assert (cookie.secure, cookie.http_only, cookie.same_site) == (False, False, None)
    assert Cookie.parse("no pair", "localhost", "/") is None


@pytest.mark.parametrize(
    ("path", "sent"),
    [("/shop", True), ("/shop/", True), ("/shop/cart", True), ("/shopping", False), ("/", False)],
)
def test_a_cookie_goes_to_its_path_and_below(jar: Jar, path: str, sent: bool) -> None:
    """RFC 6265 §5.1.4."""
    jar.take(["a=1; Path=/shop", "no cookie at all"], "localhost", "/")
    assert jar.field("localhost", path) == ("a=1" if sent else "")


@pytest.mark.parametrize(
    ("host", "sent"),
    [("example.com", "all=1; own=1"), ("www.example.com", "all=1"), ("badexample.com", ""), ("com", "")],
)
def test_a_cookie_goes_to_its_host_and_with_a_domain_below(jar: Jar, host: str, sent: str) -> None:
    """RFC 6265 §5.1.3."""
    jar.take(["all=1; Domain=example.com", "own=1"], "example.com", "/")
    assert jar.field(host, "/") == sent


@pytest.mark.parametrize("ends", ["Max-Age=0", "Max-Age=-5", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_cookie_whose_time_is_over_takes_the_one_before_away(jar: Jar, ends: str) -> None:
    jar.take(["a=1"], "localhost", "/")
    jar.take([f"a=; {ends}"], "localhost", "/")
    assert jar.get("a", "localhost", "/") is None
    assert jar.field("localhost", "/") == ""


def test_max_age_counts_before_expires_and_ends_while_the_cookie_is_kept(
    jar: Jar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 6265 §5.3, step 3."""
    jar.take(["a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "b=1; Max-Age=soon"], "localhost", "/")
    assert jar.field("localhost", "/") == "a=1; b=1"
    cookie = jar.get("a", "localhost", "/")
    assert cookie is not None
    monkeypatch.setattr("time.time", lambda: cookie._set_at + 60)
    assert jar.get("a", "localhost", "/") is None
    assert jar.field("localhost", "/") == "b=1"


def test_a_test_sets_cookies_and_drops_them(jar: Jar) -> None:
    jar.set("a", "x y", "example.com", False, "/", max_age=60)
    assert jar.field("www.example.com", "/anywhere") == 'a="x\\040y"'
    jar.set("a", "", "example.com", True, "/", max_age=0)
    assert jar.field("example.com", "/") == ""
    jar.set("b", "1", "example.com", True, "/")
    assert jar.field("www.example.com", "/") == ""
    jar.drop("b", "example.com", "/")
    jar.drop("b", "example.com", "/")
    assert jar.get("b", "example.com", "/") is None
