"""Schemes: what they take of a request, what they refuse, and the challenge that they answer with."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import App, ConfigurationError, Depends, Form, HTTPException, Request, inline
from duoframe.datastructures import Headers
from duoframe.params import Dependency
from duoframe.pieces import Colour, colour_of
from duoframe.security import (
    APIKeyCookie,
    APIKeyHeader,
    APIKeyQuery,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
    OAuth2PasswordBearer,
    OAuth2PasswordRequestForm,
    Scheme,
    Security,
    SecurityScopes,
)
from tests.conftest import Ask


class Fields:
    """Stands for a door: a request is made of plain values."""

    def headers(self, values: list[tuple[str, str]]) -> Headers:
        return Headers(values)

    def facts(self, values: object) -> Any:
        raise AssertionError

    def disconnected(self, *asked: Any) -> Any:
        raise AssertionError

    environ = scope = departure = disconnected


def sent(*authorization: str, query: bytes = b"", key: str | None = None, cookie: str = "") -> Request:
    """A request with these Authorization fields, a field X-Key and cookies."""
    pairs = [*(("authorization", value) for value in authorization), ("cookie", cookie)]
    if key is not None:
        pairs.append(("x-key", key))
    return Request(None, "GET", "/", query, Fields(), pairs)


def refusal(scheme: Scheme, request: Request) -> str:
    """The challenge of the 401 that a scheme answers with."""
    with pytest.raises(HTTPException) as caught:
        scheme(request)
    assert caught.value.status == 401
    assert caught.value.headers is not None
    return caught.value.headers["www-authenticate"]


def basic(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return "Basic " + base64.b64encode(raw).decode()


BASIC_CHALLENGE = 'Basic realm="restricted", charset="UTF-8"'
MISSING_TOKEN = 'Bearer realm="restricted"'
INVALID_TOKEN = 'Bearer realm="restricted", error="invalid_token"'


# Basic (RFC 7617).


def test_basic_takes_the_examples_of_the_standard() -> None:
    assert HTTPBasic()(sent("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")) == HTTPBasicCredentials("Aladdin", "open sesame")
    assert HTTPBasic()(sent("Basic dGVzdDoxMjPCow==")) == HTTPBasicCredentials("test", "123£")


def test_the_name_of_a_scheme_has_no_case() -> None:
    """RFC 9110 §11.1."""
    assert HTTPBasic()(sent("bAsIc QWxhZGRpbjpvcGVuIHNlc2FtZQ==")) == HTTPBasicCredentials("Aladdin", "open sesame")
    assert HTTPBearer()(sent("BEARER x")) == HTTPAuthorizationCredentials("BEARER", "x")


def test_a_password_may_hold_colons_and_a_name_may_be_empty() -> None:
    assert HTTPBasic()(sent(basic("ada:a:b"))) == HTTPBasicCredentials("ada", "a:b")
    assert HTTPBasic()(sent(basic(":"))) == HTTPBasicCredentials("", "")


@pytest.mark.parametrize(
    "fields",
    [
        (),
        ("",),
        ("Basic",),
        ("Basic ",),
        ("Basic !!!!",),
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ",),
        ("Basic QWxh ZGRpbg==",),
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==, Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",),
        (basic("ada:x"), basic("ada:x")),
        (basic("no colon"),),
        (basic(b"\xff:\xff"),),
        (basic("a\nb:c"),),
        (basic("a:\x7f"),),
        (basic("a:\0"),),
        ("Bearer abc",),
        ('Basic realm="x"',),
        ("Basic\tQWxhZGRpbjpvcGVuIHNlc2FtZQ==",),
        ("Basic " + "A" * 100_001,),
        ("\x80\xff",),
    ],
)
def test_what_is_no_pair_of_name_and_password_is_a_401(fields: tuple[str, ...]) -> None:
    assert refusal(HTTPBasic(), sent(*fields)) == BASIC_CHALLENGE
    assert HTTPBasic(auto_error=False)(sent(*fields)) is None


def test_a_realm_is_quoted() -> None:
    """RFC 9110 §11.5."""
    assert refusal(HTTPBasic('a "b" \\'), sent()) == r'Basic realm="a \"b\" \\", charset="UTF-8"'


@pytest.mark.parametrize("realm", ["", "a\r\nb", "é", None])
def test_a_realm_that_no_field_can_carry_is_refused(realm: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"HTTPBasic\(realm=\.\.\.\): expected printable ASCII"):
        HTTPBasic(realm)


@given(st.text(), st.text())
def test_any_name_without_colon_and_any_password_come_through(username: str, password: str) -> None:
    legal = ":" not in username and not any(ord(c) < 32 or ord(c) == 127 for c in username + password)
    request = sent(basic(f"{username}:{password}"))
    if legal:
        assert HTTPBasic()(request) == HTTPBasicCredentials(username, password)
    elif ":" not in username:
        assert refusal(HTTPBasic(), request) == BASIC_CHALLENGE


def test_secrets_are_not_in_a_repr() -> None:
    assert "hush" not in repr(HTTPBasicCredentials("ada", "hush"))
    assert "hush" not in repr(HTTPAuthorizationCredentials("Bearer", "hush"))
    assert "hush" not in repr(OAuth2PasswordRequestForm("password", "ada", "hush", client_secret="hush"))


# Bearer (RFC 6750).


@pytest.mark.parametrize("token", ["mF_9.B5f-4.1JqM", "a", "a+/~==", "x" * 100_000])
def test_bearer_takes_a_token(token: str) -> None:
    assert HTTPBearer()(sent(f"Bearer {token}")) == HTTPAuthorizationCredentials("Bearer", token)
    assert OAuth2PasswordBearer("/token")(sent(f"Bearer   {token} ")) == token


@pytest.mark.parametrize("scheme", [HTTPBearer(), OAuth2PasswordBearer("/token")])
@pytest.mark.parametrize("fields", [(), ("",), ("Basic QQ==",), ("Bearerx abc",), ("=",)])
def test_a_request_without_a_token_is_told_no_error(scheme: Scheme, fields: tuple[str, ...]) -> None:
    """RFC 6750 §3.1: what lacks authentication information gets no error code."""
    assert refusal(scheme, sent(*fields)) == MISSING_TOKEN


@pytest.mark.parametrize("scheme", [HTTPBearer(), OAuth2PasswordBearer("/token")])
@pytest.mark.parametrize(
    "fields",
    [("Bearer",), ("Bearer a b",), ("Bearer ä",), ("Bearer a,Bearer b",), ("Bearer =",), ("Bearer a", "Bearer b")],
)
def test_a_malformed_token_is_an_invalid_one(scheme: Scheme, fields: tuple[str, ...]) -> None:
    """RFC 6750 §3.1: malformed tokens are `invalid_token`."""
    assert refusal(scheme, sent(*fields)) == INVALID_TOKEN


def test_without_auto_error_there_are_no_credentials() -> None:
    for fields in ((), ("Bearer",), ("Basic QQ==",)):
        assert HTTPBearer(auto_error=False)(sent(*fields)) is None
        assert OAuth2PasswordBearer("/token", auto_error=False)(sent(*fields)) is None


def test_a_token_that_does_not_hold_is_refused_with_the_scopes_that_are_needed() -> None:
    """RFC 6750 §3, §3.1."""
    refused = HTTPBearer("docs").unauthorized("expired")
    assert (refused.status, refused.detail) == (401, "expired")
    assert refused.headers == {"www-authenticate": 'Bearer realm="docs", error="invalid_token"'}
    forbidden = OAuth2PasswordBearer("/token").forbidden("read only", ["items:read", "items:write"])
    assert (forbidden.status, forbidden.detail) == (403, "read only")
    assert forbidden.headers == {
        "www-authenticate": 'Bearer realm="restricted", error="insufficient_scope", scope="items:read items:write"'
    }


def test_credentials_that_do_not_hold_are_refused_with_the_challenge() -> None:
    assert HTTPBasic().unauthorized().headers == {"www-authenticate": BASIC_CHALLENGE}


@given(st.lists(st.text(st.characters(max_codepoint=255)), max_size=3))
@example(["Basic Og=="])
@example(["Bearer a"])
def test_no_authorization_raises_anything_but_a_401(fields: list[str]) -> None:
    for scheme in (HTTPBasic(), HTTPBearer(), OAuth2PasswordBearer("/token")):
        for prefix in ("", f"{scheme.name} "):
            request = sent(*(prefix + field for field in fields))
            refused = None
            try:
                scheme(request)
            except HTTPException as error:
                refused = error.status
            assert refused in (None, 401)


# Keys.


def test_a_key_is_taken_from_its_place() -> None:
    assert APIKeyHeader("X-Key")(sent(key="k")) == "k"
    assert APIKeyQuery("key")(sent(query=b"key=k%20k")) == "k k"
    assert APIKeyCookie("key")(sent(cookie="key=first; key=second")) == "first"


@pytest.mark.parametrize(
    ("scheme", "request_", "challenge"),
    [
        (APIKeyHeader("X-Key"), sent(), 'ApiKey in="header", name="X-Key"'),
        (APIKeyHeader("X-Key"), sent(key=""), 'ApiKey in="header", name="X-Key"'),
        (APIKeyQuery("key"), sent(query=b"key=a&key=b"), 'ApiKey in="query", name="key"'),
        (APIKeyCookie("key"), sent(cookie="other=1"), 'ApiKey in="cookie", name="key"'),
    ],
)
def test_a_request_without_one_key_is_a_401(scheme: Scheme, request_: Request, challenge: str) -> None:
    """RFC 9110 §15.5.2: a 401 has a challenge."""
    assert refusal(scheme, request_) == challenge
    scheme.auto_error = False
    assert scheme(request_) is None
    scheme.auto_error = True


@pytest.mark.parametrize("name", ["", "a b", "é", None])
def test_a_name_that_no_field_can_have_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"APIKeyHeader\(name=\.\.\.\): expected a name without blanks"):
        APIKeyHeader(name)


# What is said of them.


@pytest.mark.parametrize(
    ("scheme", "definition"),
    [
        (HTTPBasic(), {"type": "http", "scheme": "basic"}),
        (HTTPBearer(), {"type": "http", "scheme": "bearer"}),
        (HTTPBearer(bearer_format="JWT"), {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}),
        (APIKeyHeader("X-Key"), {"type": "apiKey", "in": "header", "name": "X-Key"}),
        (APIKeyQuery("key"), {"type": "apiKey", "in": "query", "name": "key"}),
        (APIKeyCookie("key"), {"type": "apiKey", "in": "cookie", "name": "key"}),
        (
            OAuth2PasswordBearer("/token", {"a": "all"}, refresh_url="/again"),
            {
                "type": "oauth2",
                "flows": {"password": {"tokenUrl": "/token", "refreshUrl": "/again", "scopes": {"a": "all"}}},
            },
        ),
        (
            OAuth2PasswordBearer("/token"),
            {"type": "oauth2", "flows": {"password": {"tokenUrl": "/token", "scopes": {}}}},
        ),
    ],
)
def test_a_scheme_defines_itself(scheme: Scheme, definition: dict[str, Any]) -> None:
    """OpenAPI 3.1.1 §4.8.27, §4.8.28."""
    assert scheme.definition() == definition


def test_a_scheme_has_a_name_and_runs_anywhere() -> None:
    assert HTTPBasic().scheme_name == "HTTPBasic"
    assert APIKeyHeader("k", scheme_name="internal", description="For our own.").scheme_name == "internal"
    assert repr(HTTPBasic(scheme_name="staff")) == "<HTTPBasic staff>"
    assert colour_of(HTTPBasic()) is Colour.INLINE


def test_security_is_a_dependency_with_scopes() -> None:
    scheme = OAuth2PasswordBearer("/token")
    dependency = Security(scheme, scopes=["items:read"], use_cache=False)
    assert isinstance(dependency, Dependency)
    assert (dependency.call, dependency.scopes, dependency.use_cache) == (scheme, ("items:read",), False)


@pytest.mark.parametrize("scopes", ["items", ["a b"], [""], ['"'], [1]])
def test_what_is_no_list_of_scopes_is_refused(scopes: Any) -> None:
    """RFC 6749 §3.3."""
    with pytest.raises(ConfigurationError, match=r"Security\(scopes=\.\.\.\): expected a list of texts without blanks"):
        Security(HTTPBasic(), scopes=scopes)


def test_a_form_tells_the_scopes_that_are_asked_for() -> None:
    assert OAuth2PasswordRequestForm("password", "ada", "x", "items:read items:write").scopes == [
        "items:read",
        "items:write",
    ]
    assert OAuth2PasswordRequestForm("password", "ada", "x").scopes == []


# Behind the doors.

BASIC = HTTPBasic("docs")
OAUTH = OAuth2PasswordBearer("/token")
Paint = Callable[[Callable[..., Any]], Callable[..., Any]]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([(b"authorization", basic("ada:x").encode())], 200),
        ([], 401),
        ([(b"authorization", basic("ada:x").encode())] * 2, 401),
        ([(b"authorization", b"Basic \xff")], 401),
        ([(b"authorization", b"Basic " + b"A" * 60_000)], 401),
    ],
)
def test_credentials_behind_each_door(
    app: App, ask: Ask, colour: Paint, fields: list[tuple[bytes, bytes]], status: int
) -> None:
    @app.get("/")
    @colour
    def index(sent: HTTPBasicCredentials = Depends(BASIC)) -> str:
        return sent.username

    answer = ask(app, "GET", b"/", headers=fields)
    assert answer.status == status
    if status == 200:
        assert answer.body == b"ada"
    else:
        assert ("www-authenticate", 'Basic realm="docs", charset="UTF-8"') in answer.headers


def test_a_scheme_gives_its_route_no_colour(app: App) -> None:
    @app.get("/")
    @inline
    def index(sent: HTTPBasicCredentials = Depends(BASIC)) -> str:
        return sent.username

    app.compile()
    assert [route.plan.colour for route in app.routes] == [Colour.INLINE]


def test_a_route_is_open_where_credentials_may_be_missing(app: App, ask: Ask, colour: Paint) -> None:
    key = APIKeyQuery("key", auto_error=False)

    @app.get("/")
    @colour
    def index(key: str | None = Depends(key)) -> str:
        return key or "nobody"

    assert ask(app, "GET", b"/").body == b"nobody"
    assert ask(app, "GET", b"/?key=k").body == b"k"


def test_scopes_are_known_to_who_checks_them(app: App, ask: Ask, colour: Paint) -> None:
    @colour
    def user(required: SecurityScopes, token: str = Depends(OAUTH)) -> str:
        if token not in required.scopes:
            raise OAUTH.forbidden(scopes=required.scopes)
        return " ".join(required.scopes)

    @app.get("/one")
    @colour
    def one(user: str = Security(user, scopes=["read"])) -> str:
        return user

    @app.get("/two")
    @colour
    def two(a: str = Security(user, scopes=["read"]), b: str = Security(user, scopes=["write", "read"])) -> str:
        return f"{a}, {b}"

    sent = [(b"authorization", b"Bearer read")]
    assert ask(app, "GET", b"/one", headers=sent).body == b"read"
    assert ask(app, "GET", b"/two", headers=sent).body == b"read, write read"
    refused = ask(app, "GET", b"/one", headers=[(b"authorization", b"Bearer write")])
    challenge = 'Bearer realm="restricted", error="insufficient_scope", scope="read"'
    assert (refused.status, dict(refused.headers)["www-authenticate"]) == (403, challenge)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"grant_type=password&username=ada&password=x%20y&scope=read+write", 200),
        (b"username=ada&password=x", 422),
        (b"grant_type=implicit&username=ada&password=x", 422),
        (b"grant_type=password&username=ada", 422),
    ],
)
def test_the_form_for_a_token_is_read_as_a_dependency_and_as_a_form(
    app: App, ask: Ask, colour: Paint, sent: bytes, status: int
) -> None:
    """RFC 6749 §4.3.2."""

    @app.post("/depends")
    @colour
    def depends(form: OAuth2PasswordRequestForm = Depends()) -> list[Any]:
        return [form.username, form.password, form.scopes, form.client_id]

    @app.post("/form")
    @colour
    def form(form: Annotated[OAuth2PasswordRequestForm, Form()]) -> list[Any]:
        return [form.username, form.password, form.scopes, form.client_id]

    for target in (b"/depends", b"/form"):
        headers = [(b"content-type", b"application/x-www-form-urlencoded")]
        answer = ask(app, "POST", target, headers=headers, body=sent)
        assert answer.status == status
        if status == 200:
            assert json.loads(answer.body) == ["ada", "x y", ["read", "write"], None]
