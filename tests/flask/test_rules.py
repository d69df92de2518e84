"""Which address leads to which view: rules, converters, slashes, defaults, hosts. Flask itself is the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

import uuid
from typing import Any

import pytest

NUMBER = uuid.UUID("9b4f7c1e-8a8f-4f6e-9c39-0d5b9a7d0d11")


def told(client: Any, path: str, method: str = "GET", **words: Any) -> Any:
    """The status of an answer, with where it leads or what it says."""
    with client.open(path, method=method, **words) as answer:
        if answer.status_code == 308:
            return answer.status_code, answer.headers["Location"]
        return answer.status_code, answer.get_data(as_text=True) if answer.status_code == 200 else None


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("/<x>", "/abc", "abc"),
        ("/<x>", "/a%20b", "a b"),
        ("/<x>", "/%C3%A9", "é"),
        ("/<x>", "/a/b", None),
        ("/<string:x>", "/abc", "abc"),
        ("/<string(length=2):x>", "/ab", "ab"),
        ("/<string(length=2):x>", "/abc", None),
        ("/<string(minlength=2, maxlength=3):x>", "/abc", "abc"),
        ("/<string(minlength=2, maxlength=3):x>", "/a", None),
        ("/<int:x>", "/007", 7),
        ("/<int:x>", "/-7", None),
        ("/<int:x>", "/7.0", None),
        ("/<int(signed=True):x>", "/-7", -7),
        ("/<int(min=5, max=9):x>", "/4", None),
        ("/<int(min=5, max=9):x>", "/9", 9),
        ("/<int(fixed_digits=3):x>", "/042", 42),
        ("/<int(fixed_digits=3):x>", "/42", None),
        ("/<float:x>", "/1.5", 1.5),
        ("/<float:x>", "/1", None),
        ("/<float(signed=True):x>", "/-1.5", -1.5),
        ("/<float(max=2.0):x>", "/2.5", None),
        ("/<any(about, help, 'a-b'):x>", "/help", "help"),
        ("/<any(about, help, 'a-b'):x>", "/a-b", "a-b"),
        ("/<any(about, help):x>", "/other", None),
        ("/<uuid:x>", f"/{NUMBER}", NUMBER),
        ("/<uuid:x>", "/9b4f7c1e", None),
        ("/<path:x>", "/a/b/c", "a/b/c"),
        ("/<path:x>/edit", "/a/b/edit", "a/b"),
        ("/v-<path:x>", "/v-a/b", "a/b"),
        ("/<x>.json", "/report.json", "report"),
        ("/{x}/<x>", "/%7Bx%7D/1", "1"),
        ("/{x}/<path:x>", "/%7Bx%7D/a/b", "a/b"),
    ],
)
def test_a_converter_takes_what_it_takes_and_nothing_else(names: Any, rule: str, path: str, value: Any) -> None:
    app = names.Flask(__name__)
    seen = []

    @app.route(rule)
    def view(x: Any) -> str:
        seen.append(x)
        return "found"

    status, _ = told(app.test_client(), path)
    assert (status, seen) == ((404, []) if value is None else (200, [value]))


@pytest.mark.parametrize(
    ("rule", "path", "values"),
    [
        ("/<a>-<b>", "/x-y", {"a": "x", "b": "y"}),
        ("/<a>.<b>.<int:c>", "/x.y.3", {"a": "x", "b": "y", "c": 3}),
        ("/<path:a>/<int:b>", "/x/y/3", {"a": "x/y", "b": 3}),
        ("/<path:a>/by/<path:b>", "/x/y/by/z", {"a": "x/y", "b": "z"}),
        ("/<uuid:a>-<int:b>", f"/{NUMBER}-7", {"a": NUMBER, "b": 7}),
        ("/<int:a>/<path:b>/<c>", "/1/x/y/z", {"a": 1, "b": "x/y", "c": "z"}),
    ],
)
def test_several_values_of_one_path(names: Any, rule: str, path: str, values: dict[str, Any]) -> None:
    app = names.Flask(__name__)
    app.add_url_rule(rule, "view", lambda **values: repr(sorted(values.items())))
    assert told(app.test_client(), path) == (200, repr(sorted(values.items())))


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/users/me", "literal"),
        ("/users/7", "int"),
        ("/users/x", "text"),
        ("/users/x/y", "path"),
        ("/users/x.png", "mixed"),
        ("/users/x/edit", "edit of path"),
    ],
)
def test_the_most_particular_rule_answers_whatever_the_order(names: Any, path: str, answer: str) -> None:
    app = names.Flask(__name__)
    rules = {
        "/users/<path:x>": "path",
        "/users/<path:x>/edit": "edit of path",
        "/users/<x>": "text",
        "/users/<x>.png": "mixed",
        "/users/<int:x>": "int",
        "/users/me": "literal",
    }
    for rule, name in rules.items():
        app.add_url_rule(rule, name, lambda name=name, **values: name)
    assert told(app.test_client(), path) == (200, answer)


def test_a_converter_of_ones_own(names: Any) -> None:
    class ListConverter(names.routing.BaseConverter):  # type: ignore[misc]  # either's
        def __init__(self, map: Any, separator: str = "+") -> None:
            super().__init__(map)
            self.separator = separator

        def to_python(self, value: str) -> list[str]:
            if value == "none":
                raise names.routing.ValidationError
            return value.split(self.separator)

        def to_url(self, value: list[str]) -> str:
            return self.separator.join(super(ListConverter, self).to_url(each) for each in value)

    class Digits(names.routing.BaseConverter):  # type: ignore[misc]  # as above
        regex = r"(\d)(\d)"

    class Slashes(names.routing.BaseConverter):  # type: ignore[misc]  # as above
        regex = "[a-z]+/[a-z]+"

    app = names.Flask(__name__)
    app.url_map.converters.update(list=ListConverter, digits=Digits, slashes=Slashes)
    app.add_url_rule("/l/<list:x>", "list", lambda x: "".join([f"{each}|" for each in x])[:-1])
    app.add_url_rule("/k/<list('_'):x>", "other", lambda x: "".join([f"{each}|" for each in x])[:-1])
    app.add_url_rule("/s/<slashes:x>", "slashes", lambda x: x)
    client = app.test_client()
    assert told(client, "/l/a+b") == (200, "a|b")
    assert told(client, "/l/none") == (404, None)
    assert told(client, "/k/a_b") == (200, "a|b")
    assert told(client, "/s/a/b") == (200, "a/b")
    with app.test_request_context():
        assert names.url_for("list", x=["a", "b c"]) == "/l/a+b%20c"


def test_a_converter_whose_expression_captures(ours: Any) -> None:
    from duoframe.flask.routing import BaseConverter

    class Digits(BaseConverter):
        regex = r"(\d)(?P<second>\d)|([(][)])"

    app = ours.Flask(__name__)
    app.url_map.converters["digits"] = Digits
    app.add_url_rule("/<digits:x>", "view", lambda x: x)
    assert told(app.test_client(), "/12") == (200, "12")


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ("/<nothing:x>", LookupError),
        ("no-slash", ValueError),
        ("/<x>/<x>", (ValueError, SyntaxError)),
        ("/<x", ValueError),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused_at_once(names: Any, rule: str, error: Any) -> None:
    app = names.Flask(__name__)
    with pytest.raises(error):
        app.add_url_rule(rule, "view", lambda **values: "")


@pytest.mark.parametrize("arguments", ["1 +", "length=f(1)"])
def test_arguments_of_a_converter_that_cannot_be_read(ours: Any, arguments: str) -> None:
    app = ours.Flask(__name__)
    with pytest.raises(ValueError, match="expected arguments"):
        app.add_url_rule(f"/<string({arguments}):x>", "view", lambda x: x)


def test_arguments_of_a_converter_may_be_dotted_words(ours: Any) -> None:
    app = ours.Flask(__name__)
    app.add_url_rule("/<any(a.b, c):x>", "view", lambda x: x)
    assert told(app.test_client(), "/a.b") == (200, "a.b")


# Slashes.


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/folder/", (200, "folder")),
        ("/folder", (308, "/folder/")),
        ("/folder?a=1&b=%20", (308, "/folder/?a=1&b=%20")),
        ("/page", (200, "page")),
        ("/page/", (404, None)),
        ("/both", (200, "both")),
        ("/both/", (200, "both")),
        ("/slashed", (200, "slashed")),
        ("/slashed/", (200, "slashed")),
        ("/values/a/b/", (200, "a/b")),
        ("/values/a/b", (308, "/values/a/b/")),
        ("/any/a/b", (200, "a/b")),
        ("/any/a/b/", (200, "a/b")),
    ],
)
def test_a_slash_at_the_end_is_as_the_rule_says(names: Any, path: str, answer: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/folder/", "folder", lambda: "folder")
    app.add_url_rule("/page", "page", lambda: "page")
    app.add_url_rule("/both", "both", lambda: "both", strict_slashes=False)
    app.add_url_rule("/slashed/", "slashed", lambda: "slashed", strict_slashes=False)
    app.add_url_rule("/values/<path:x>/", "values", lambda x: x)
    app.add_url_rule("/any/<path:x>/", "any", lambda x: x, strict_slashes=False)
    status, said = told(app.test_client(), path)
    assert (status, said and said.removeprefix("http://localhost")) == answer


def test_strict_slashes_of_the_whole_map(names: Any) -> None:
    app = names.Flask(__name__)
    app.url_map.strict_slashes = False
    app.add_url_rule("/folder/", "folder", lambda: "folder")
    assert told(app.test_client(), "/folder") == (200, "folder")


def test_a_redirect_for_a_slash_keeps_root_and_method(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/é/", "folder", lambda: "folder", methods=["POST"])
    answer = app.test_client().post("/é", base_url="https://example.com:8000/root")
    assert answer.status_code == 308
    assert answer.headers["Location"] == "https://example.com:8000/root/%C3%A9/"


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/a//b", (308, "/a/b")),
        ("/a//c", (308, "/a/c/")),
        ("/a//nothing", (404, None)),
    ],
)
def test_repeated_slashes_lead_to_the_address_without(names: Any, path: str, answer: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/a/b", "page", lambda: "page")
    app.add_url_rule("/a/c/", "folder", lambda: "folder")
    status, said = told(app.test_client(), f"http://localhost{path}")
    assert (status, said and said.removeprefix("http://localhost")) == answer


def test_repeated_slashes_may_be_taken_as_they_are(names: Any) -> None:
    app = names.Flask(__name__)
    app.url_map.merge_slashes = False
    app.add_url_rule("/a/b", "page", lambda: "page")
    assert told(app.test_client(), "/a//b") == (404, None)


# Methods.


def test_the_methods_of_a_rule(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "get", lambda: "get")
    app.add_url_rule("/", "post", lambda: "post", methods=["post"])
    app.add_url_rule("/only", "only", lambda: "only", methods=["PUT"], provide_automatic_options=False)
    client = app.test_client()
    assert told(client, "/") == (200, "get")
    assert told(client, "/", "POST") == (200, "post")
    assert client.head("/").status_code == 200
    refused = client.delete("/")
    assert refused.status_code == 405
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    options = client.options("/")
    assert (options.status_code, set(options.allow)) == (200, {"GET", "HEAD", "OPTIONS", "POST"})
    assert client.options("/only").status_code == 405


def test_methods_are_a_list(names: Any) -> None:
    app = names.Flask(__name__)
    with pytest.raises(TypeError):
        app.add_url_rule("/x", "x", lambda: "", methods="GET")
    with pytest.raises(TypeError):
        names.routing.Rule("/x", methods="GET")


def test_shortcuts_for_methods(names: Any) -> None:
    app = names.Flask(__name__)
    for method in ("get", "post", "put", "patch", "delete"):
        getattr(app, method)(f"/{method}", endpoint=method)(lambda method=method: method)
    client = app.test_client()
    for method in ("get", "post", "put", "patch", "delete"):
        assert getattr(client, method)(f"/{method}").get_data(as_text=True) == method
    with pytest.raises(TypeError, match="methods"):
        names.Flask(__name__).get("/x", methods=["POST"])


@pytest.mark.parametrize("method", ["head", "options"])
def test_head_and_options_have_shortcuts_too(ours: Any, method: str) -> None:
    app = ours.Flask(__name__)

    @getattr(app, method)("/")
    def view() -> Any:
        return "", 202

    assert app.test_client().open("/", method=method.upper()).status_code == 202


def test_the_first_of_two_rules_for_one_place_answers(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "first", lambda: "first")
    app.add_url_rule("/", "second", lambda: "second")
    app.add_url_rule("/<int:a>", "third", lambda a: "third")
    app.add_url_rule("/<int:b>", "fourth", lambda b: "fourth")
    client = app.test_client()
    assert told(client, "/") == (200, "first")
    assert told(client, "/1") == (200, "third")


# Defaults.


def test_defaults_are_values_and_lead_to_the_shorter_address(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/pages/", "page", lambda number: f"page {number}", defaults={"number": 1})
    app.add_url_rule("/pages/<int:number>", "page")
    client = app.test_client()
    assert told(client, "/pages/") == (200, "page 1")
    assert told(client, "/pages/2") == (200, "page 2")
    status, location = told(client, "/pages/1?a=b")
    assert (status, location.removeprefix("http://localhost")) == (308, "/pages/?a=b")


def test_defaults_need_not_lead_elsewhere(names: Any) -> None:
    app = names.Flask(__name__)
    app.url_map.redirect_defaults = False
    app.add_url_rule("/pages/", "page", lambda number: f"page {number}", defaults={"number": 1})
    app.add_url_rule("/pages/<int:number>", "page")
    assert told(app.test_client(), "/pages/1") == (200, "page 1")


def test_defaults_of_other_values_or_methods_lead_nowhere(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/a", "view", lambda **values: repr(sorted(values.items())), defaults={"x": 1, "y": 2})
    app.add_url_rule("/b", "view", defaults={"x": 3})
    app.add_url_rule("/c/<int:x>", "view", methods=["GET", "POST"])
    client = app.test_client()
    assert told(client, "/c/1") == (200, "[('x', 1)]")
    assert told(client, "/c/3", "POST") == (200, "[('x', 3)]")


# Hosts.


def test_subdomains_of_the_server_name(names: Any) -> None:
    app = names.Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com:3000"
    app.add_url_rule("/", "index", lambda: "index")
    app.add_url_rule("/", "api", lambda: "api", subdomain="api")
    app.add_url_rule("/", "user", lambda user: user, subdomain="<user>")
    client = app.test_client()
    assert told(client, "/", base_url="http://example.com:3000") == (200, "index")
    assert told(client, "/", base_url="http://api.example.com:3000") == (200, "api")
    assert told(client, "/", base_url="http://ada.example.com:3000") == (200, "ada")


def test_a_rule_of_a_subdomain_answers_only_where_subdomains_count(names: Any) -> None:
    app = names.Flask(__name__)
    app.config["SERVER_NAME"] = "example.com"
    app.add_url_rule("/", "api", lambda: "api", subdomain="api")
    app.add_url_rule("/", "index", lambda: "index")
    client = app.test_client()
    assert told(client, "/", base_url="http://api.example.com") == (200, "index")


def test_defaults_may_lead_to_another_host(names: Any) -> None:
    app = names.Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    app.add_url_rule("/", "user", lambda user: user, defaults={"user": "nobody"})
    app.add_url_rule("/", "user", subdomain="<user>")
    client = app.test_client()
    assert told(client, "/", base_url="http://ada.example.com") == (200, "ada")
    assert told(client, "/", base_url="http://nobody.example.com") == (308, "http://example.com/")
    hosts = names.Flask(__name__, host_matching=True, static_folder=None)
    hosts.add_url_rule("/", "one", lambda number: f"{number}", defaults={"number": 1}, host="one.example.com")
    hosts.add_url_rule("/<int:number>", "one", host="many.example.com")
    assert told(hosts.test_client(), "/1", base_url="http://many.example.com") == (308, "http://one.example.com/")


def test_host_matching(names: Any) -> None:
    app = names.Flask(__name__, host_matching=True, static_host="static.example.com")
    app.add_url_rule("/", "one", lambda: "one", host="one.example.com")
    app.add_url_rule("/", "other", lambda name: name, host="<name>.example.org")
    app.add_url_rule("/a/b", "deep", lambda: "", host="one.example.com")
    client = app.test_client()
    assert told(client, "/", base_url="http://one.example.com") == (200, "one")
    assert told(client, "/", base_url="http://two.example.org") == (200, "two")
    assert told(client, "/", base_url="http://two.example.com") == (404, None)
    assert told(client, "/a//b", base_url="http://one.example.com")[0] == 308
    with pytest.raises(AssertionError):
        names.Flask(__name__, host_matching=True)


def test_static_files_have_a_rule_of_their_own(names: Any, tmp_path: Any) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.txt").write_text("content")
    app = names.Flask(__name__, root_path=str(tmp_path))
    client = app.test_client()
    assert told(client, "/static/a.txt") == (200, "content")
    assert told(client, "/static/b.txt") == (404, None)
    with app.test_request_context():
        assert names.url_for("static", filename="a.txt") == "/static/a.txt"


# What is known of the rules.


def test_the_rules_can_be_listed(names: Any) -> None:
    app = names.Flask(__name__, static_folder=None)
    app.add_url_rule("/<int:x>", "view", lambda x: "", defaults={"y": 1}, methods=["POST"])
    app.add_url_rule("/", "other", lambda: "")
    rules = list(app.url_map.iter_rules())
    assert [(rule.rule, rule.endpoint, sorted(rule.methods), sorted(rule.arguments)) for rule in rules] == [
        ("/<int:x>", "view", ["OPTIONS", "POST"], ["x", "y"]),
        ("/", "other", ["GET", "HEAD", "OPTIONS"], []),
    ]
    assert [str(rule) for rule in app.url_map.iter_rules("view")] == ["/<int:x>"]
    assert app.url_map.is_endpoint_expecting("view", "x")
    assert not app.url_map.is_endpoint_expecting("view", "z")
    assert "-> view" in repr(app.url_map)
    with pytest.raises(KeyError):
        list(app.url_map.iter_rules("nothing"))


def test_an_endpoint_may_get_its_view_apart_from_its_rule(names: Any) -> None:
    app = names.Flask(__name__)
    app.url_map.add(names.routing.Rule("/any", endpoint="any"))
    app.add_url_rule("/built", endpoint="built", build_only=True)

    @app.endpoint("any")
    def view() -> str:
        return str(names.request.method)

    client = app.test_client()
    assert told(client, "/any") == (200, "GET")
    assert told(client, "/any", "DELETE") == (200, "DELETE")
    assert told(client, "/built") == (404, None)
    with app.test_request_context():
        assert names.url_for("built") == "/built"


def test_an_endpoint_without_a_view_is_an_error_when_it_is_asked_for(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", endpoint="nothing")
    assert app.test_client().get("/").status_code == 500


def test_what_stands_in_a_rule_without_methods_is_told_by_its_repr(ours: Any) -> None:
    from duoframe.flask.routing import Rule

    assert repr(Rule("/x", endpoint="e")) == "<Rule '/x' -> e>"


def test_a_second_view_of_an_endpoint_is_refused(names: Any) -> None:
    app = names.Flask(__name__)
    app.add_url_rule("/", "view", lambda: "")
    with pytest.raises(AssertionError, match=r"overwriting|has another view function already"):
        app.add_url_rule("/x", "view", lambda: "")


def test_a_rule_without_view_and_endpoint_is_refused(ours: Any) -> None:
    with pytest.raises(TypeError, match="expected a view"):
        ours.Flask(__name__).add_url_rule("/")
