"""Views that are classes; Flask's are the measure."""

# mypy: disable-error-code="untyped-decorator"
# The names are those of two packages in turn, so their decorators are of no type.

from __future__ import annotations

from typing import Any

import pytest


def test_a_view_answers_by_its_one_method(names: Any) -> None:
    app = names.Flask(__name__)

    class Page(names.views.View):  # type: ignore[misc]  # either's
        """What it is for."""

        methods = ["GET", "POST"]

        def __init__(self, word: str, mark: str = "") -> None:
            self.word = word + mark

        def dispatch_request(self, id: int) -> str:
            return f"{self.word} {id} {names.request.method}"

    view = Page.as_view("page", "hello", mark="!")
    assert (view.__name__, view.__doc__, view.view_class) == ("page", "What it is for.", Page)
    app.add_url_rule("/<int:id>", view_func=view)
    client = app.test_client()
    assert client.get("/7").data == b"hello! 7 GET"
    assert client.post("/7").data == b"hello! 7 POST"
    assert client.put("/7").status_code == 405


def test_an_instance_a_request_or_one_for_all(names: Any) -> None:
    app = names.Flask(__name__)

    class Counting(names.views.View):  # type: ignore[misc]  # either's
        def __init__(self) -> None:
            self.count = 0

        def dispatch_request(self) -> str:
            self.count += 1
            return str(self.count)

    class Kept(Counting):
        init_every_request = False

    app.add_url_rule("/new", view_func=Counting.as_view("new"))
    app.add_url_rule("/kept", view_func=Kept.as_view("kept"))
    client = app.test_client()
    assert [client.get("/new").data for _ in range(2)] == [b"1", b"1"]
    assert [client.get("/kept").data for _ in range(2)] == [b"1", b"2"]


def test_a_method_for_each_of_https(names: Any) -> None:
    app = names.Flask(__name__)

    class Base(names.views.MethodView):  # type: ignore[misc]  # either's
        def get(self) -> str:
            return "get"

        def propfind(self) -> str:
            return "never"

    class Item(Base):
        def post(self) -> str:
            return "post"

    class Deep(Item):
        methods = ["GET", "PUT"]

    class Nothing(names.views.MethodView):  # type: ignore[misc]  # as above
        pass

    assert (set(Item.methods), Nothing.methods) == ({"GET", "POST"}, None)
    app.add_url_rule("/", view_func=Item.as_view("item"))
    app.add_url_rule("/deep", view_func=Deep.as_view("deep"))
    client = app.test_client()
    assert client.get("/").data == b"get"
    assert client.post("/").data == b"post"
    assert client.head("/").status_code == 200
    assert client.put("/").status_code == 405
    assert set(client.options("/").allow) == {"GET", "HEAD", "OPTIONS", "POST"}
    app.testing = True
    with pytest.raises(AssertionError, match="Unimplemented method"):
        client.put("/deep")


def test_head_of_its_own(names: Any) -> None:
    app = names.Flask(__name__)

    class View(names.views.MethodView):  # type: ignore[misc]  # either's
        def get(self) -> str:
            return "get"

        def head(self) -> Any:
            return "", {"X-Head": "yes"}

    app.add_url_rule("/", view_func=View.as_view("view"))
    assert app.test_client().head("/").headers["X-Head"] == "yes"


def test_decorators_are_applied_the_last_outermost(names: Any) -> None:
    def adding(letter: str) -> Any:
        def decorate(view: Any) -> Any:
            def call(**values: Any) -> str:
                return f"{letter}{view(**values)}"

            return call

        return decorate

    class View(names.views.View):  # type: ignore[misc]  # either's
        decorators = [adding("a"), adding("b")]
        provide_automatic_options = False

        def dispatch_request(self) -> str:
            return "view"

    app = names.Flask(__name__)
    app.add_url_rule("/", view_func=View.as_view("view"), endpoint="view")
    client = app.test_client()
    assert client.get("/").data == b"baview"
    assert client.options("/").status_code == 405


def passing(view: Any) -> Any:
    """A decorator that adds nothing, and hides what the view is."""

    def call(**values: Any) -> Any:
        return view(**values)

    return call


@pytest.mark.parametrize("decorated", [False, True])
def test_async_methods_and_plain_ones_in_one_class(names: Any, decorated: bool) -> None:
    class Waiting(names.views.MethodView):  # type: ignore[misc]  # either's
        decorators = [passing] if decorated else []

        async def get(self) -> str:
            return f"async {names.request.path}"

        async def post(self) -> str:
            return "async post"

    class Mixed(Waiting):
        def post(self) -> str:  # type: ignore[override]  # in another colour
            return "plain post"

    class One(names.views.View):  # type: ignore[misc]  # as above
        async def dispatch_request(self) -> str:
            return "one"

    app = names.Flask(__name__)
    for kind in (Waiting, Mixed, One):
        app.add_url_rule(f"/{kind.__name__}", endpoint=kind.__name__, view_func=kind.as_view(kind.__name__))
    client = app.test_client()
    assert client.get("/Waiting").data == b"async /Waiting"
    assert client.post("/Waiting").data == b"async post"
    assert client.get("/Mixed").data == b"async /Mixed"
    assert client.post("/Mixed").data == b"plain post"
    assert client.get("/One").data == b"one"


def test_a_view_without_its_method_is_not_implemented(names: Any) -> None:
    with pytest.raises(NotImplementedError):
        names.views.View().dispatch_request()
