"""Addresses by `url_for`; Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def app(names: Any) -> Any:  # Any: a Flask of either
    made = names.Flask(__name__)
    made.add_url_rule("/", "index", lambda: "")
    made.add_url_rule("/users/<int:id>", "user", lambda **values: "")
    made.add_url_rule("/users/", "user", defaults={"id": 1})
    made.add_url_rule("/é/<path:page>/", "page", lambda **values: "")
    made.add_url_rule("/things", "things", lambda: "", methods=["GET"])
    made.add_url_rule("/things/new", "things", methods=["POST"])
    made.add_url_rule("/kinds/<any(a, b):kind>", "kind", lambda **values: "")
    made.add_url_rule("/ids/<uuid:id>", "id", lambda **values: "")
    made.add_url_rule("/numbers/<float:x>/<int(fixed_digits=3):y>", "numbers", lambda **values: "")
    return made


@pytest.mark.parametrize(
    ("endpoint", "values", "address"),
    [
        ("index", {}, "/"),
        ("index", {"a": "b c", "d": ["1", "2"], "e": None, "f": "é&="}, "/?a=b+c&d=1&d=2&f=%C3%A9%26%3D"),
        ("index", {"a": [None, "x"]}, "/?a=x"),
        ("user", {"id": 7}, "/users/7"),
        ("user", {"id": 7, "tab": "a"}, "/users/7?tab=a"),
        ("user", {"id": 1}, "/users/"),
        ("user", {}, "/users/"),
        ("page", {"page": "a b/ü"}, "/%C3%A9/a%20b/%C3%BC/"),
        ("things", {"_method": "POST"}, "/things/new"),
        ("things", {}, "/things"),
        ("kind", {"kind": "a"}, "/kinds/a"),
        ("id", {"id": "00000000-0000-0000-0000-00000000000A"}, "/ids/00000000-0000-0000-0000-00000000000A"),
        ("numbers", {"x": 1, "y": 7}, "/numbers/1.0/007"),
        ("index", {"_anchor": "a b%20"}, "/#a%20b%20"),
        ("index", {"_external": True}, "http://localhost/"),
        ("index", {"_scheme": "https", "_external": True}, "https://localhost/"),
        ("index", {"_scheme": "", "_external": True}, "//localhost/"),
    ],
)
def test_an_address_in_a_request(names: Any, app: Any, endpoint: str, values: dict[str, Any], address: str) -> None:
    with app.test_request_context():
        assert names.url_for(endpoint, **values) == address
        assert app.url_for(endpoint, **values) == address


def test_an_address_stands_below_the_root(names: Any, app: Any) -> None:
    with app.test_request_context("/x", base_url="https://example.com:8000/root"):
        assert names.url_for("index") == "/root/"
        assert names.url_for("index", _external=True) == "https://example.com:8000/root/"


def test_a_scheme_alone_makes_an_address_external(names: Any, app: Any) -> None:
    with app.test_request_context():
        assert names.url_for("index", _scheme="https") == "https://localhost/"
        with pytest.raises(ValueError, match="_scheme"):
            names.url_for("index", _scheme="https", _external=False)


def test_without_a_request_the_configuration_says_where(names: Any, app: Any) -> None:
    with (
        app.app_context(),
        pytest.raises(
            RuntimeError, match=r"Unable to build URLs outside an active request|outside of a request a URL is built"
        ),
    ):
        names.url_for("index")
    app.config.update(SERVER_NAME="example.com", APPLICATION_ROOT="/root", PREFERRED_URL_SCHEME="https")
    with app.app_context():
        assert names.url_for("index") == "https://example.com/root/"
        assert names.url_for("index", _external=False) == "/root/"
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        names.url_for("index")


def test_the_server_name_stands_in_external_addresses(names: Any, app: Any) -> None:
    app.config["SERVER_NAME"] = "example.com"
    with app.test_request_context(base_url="http://localhost"):
        assert names.url_for("index", _external=True) == "http://example.com/"


def test_the_method_of_the_request_chooses_between_rules(names: Any, app: Any) -> None:
    with app.test_request_context(method="POST"):
        assert names.url_for("things") == "/things/new"


@pytest.mark.parametrize(
    ("endpoint", "values"),
    [
        ("nothing", {}),
        ("page", {}),
        ("kind", {"kind": "c"}),
        ("things", {"_method": "DELETE"}),
        ("user", {"id": "x"}),
    ],
)
def test_what_no_rule_can_write_is_an_error_that_tells(
    names: Any, app: Any, endpoint: str, values: dict[str, Any]
) -> None:
    with app.test_request_context(), pytest.raises((names.routing.BuildError, ValueError)) as caught:
        names.url_for(endpoint, **values)
    if isinstance(caught.value, names.routing.BuildError):
        assert endpoint in str(caught.value)
        assert isinstance(caught.value, LookupError)


def test_the_error_tells_what_is_missing(names: Any, app: Any) -> None:
    with app.test_request_context(), pytest.raises(names.routing.BuildError, match=r"specify values \['page'\]"):
        names.url_for("page", other=1, _method="GET")


def test_handlers_of_build_errors_may_give_an_address(names: Any, app: Any) -> None:
    asked = []

    def silent(error: Exception, endpoint: str, values: dict[str, Any]) -> None:
        asked.append((endpoint, dict(values)))

    def failing(error: Exception, endpoint: str, values: dict[str, Any]) -> None:
        raise error

    def giving(error: Exception, endpoint: str, values: dict[str, Any]) -> str | None:
        return f"/given/{endpoint}" if endpoint == "other" else None

    app.url_build_error_handlers += [silent, failing, giving]
    with app.test_request_context():
        assert names.url_for("other", a=1, _anchor="x") == "/given/other"
        with pytest.raises(names.routing.BuildError):
            names.url_for("third")
    assert asked[0] == ("other", {"a": 1, "_anchor": "x", "_method": None, "_scheme": None, "_external": False})


def test_defaults_of_values_are_injected(names: Any, app: Any) -> None:
    @app.url_defaults
    def add(endpoint: str, values: dict[str, Any]) -> None:
        if app.url_map.is_endpoint_expecting(endpoint, "page"):
            values.setdefault("page", "home")

    with app.test_request_context():
        assert names.url_for("page") == "/%C3%A9/home/"
        assert names.url_for("page", page="x") == "/%C3%A9/x/"


@pytest.mark.filterwarnings("ignore:Current server name")
def test_addresses_on_other_subdomains_name_their_host(names: Any) -> None:
    app = names.Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    app.add_url_rule("/", "index", lambda: "")
    app.add_url_rule("/", "api", lambda: "", subdomain="api")
    app.add_url_rule("/x", "user", lambda user: "", subdomain="<user>")
    with app.test_request_context(base_url="http://example.com/"):
        assert names.url_for("index") == "/"
        assert names.url_for("api") == "http://api.example.com/"
        assert names.url_for("user", user="ada") == "http://ada.example.com/x"
    with app.test_request_context(base_url="http://api.example.com/"):
        assert names.url_for("api") == "/"
        assert names.url_for("index") == "http://example.com/"
    with app.test_request_context(base_url="http://elsewhere.org/"):
        assert names.url_for("index") == "http://example.com/"


def test_addresses_on_other_hosts_name_them(names: Any) -> None:
    app = names.Flask(__name__, host_matching=True, static_folder=None)
    app.add_url_rule("/", "one", lambda: "", host="one.example.com")
    app.add_url_rule("/", "other", lambda: "", host="other.example.com")
    app.add_url_rule("/many", "many", lambda: "", host="other.example.com")
    app.add_url_rule("/many", "many", host="one.example.com")
    with app.test_request_context(base_url="http://one.example.com"):
        assert names.url_for("one") == "/"
        assert names.url_for("other") == "http://other.example.com/"
        assert names.url_for("many") == "/many"


def test_an_address_of_another_application_needs_its_server_name(names: Any, app: Any) -> None:
    other = names.Flask("other")
    other.add_url_rule("/elsewhere", "elsewhere", lambda: "")
    other.config["SERVER_NAME"] = "other.example.com"
    with other.app_context():
        assert other.url_for("elsewhere") == "http://other.example.com/elsewhere"
