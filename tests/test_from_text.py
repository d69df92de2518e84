"""Parameters of the path, the query, header fields, cookies and forms, read of text by the types of a handler."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from collections.abc import Callable
from typing import Annotated, Any, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typing_extensions import TypeAliasType

from duoframe import App, ConfigurationError, Converter, Cookie, Depends, Form, Header, Path, Query, Request
from duoframe.security import APIKeyQuery
from duoframe.testing import exchange
from tests.conftest import Ask, MakeApp
from tests.kinds import Level
from tests.typed import JSON, MULTIPART, URLENCODED, faults, serve, upload
from tests.typed import given as told

UUID = "12345678-1234-4234-8234-123456789abc"


class Order(msgspec.Struct):
    by: str


T = TypeVar("T")
alias_of: Any = TypeAliasType  # of which mypy knows only those that are written out
PageNumber: Any = TypeAliasType("PageNumber", Annotated[int, Query(ge=1, alias="p")])
AtLeast: Any = alias_of("AtLeast", Annotated[T, Query(ge=1)], type_params=(T,))
Maybe: Any = alias_of("Maybe", T | None, type_params=(T,))
Sort: Any = TypeAliasType("Sort", Annotated[Order, Query()])
Agent: Any = TypeAliasType("Agent", Annotated[Request, "who asks"])


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


@pytest.fixture
def route(app: App, colour: Any) -> Callable[..., App]:
    """Registers a handler in either colour."""
    return lambda handler, path="/", method="GET": serve(app, colour(handler), path, method)


# The path


def test_a_part_of_the_path_is_read_by_its_type(ask: Ask, route: Callable[..., App]) -> None:
    def show(id: int, size: Size, day: datetime.date | None, text: str) -> str:
        return repr((id, size.value, day, text))

    app = route(show, "/{id}/{size}/{day}/{text}")
    assert told(ask(app, "GET", b"/7/l/2024-02-29/x%20y")) == repr((7, "l", datetime.date(2024, 2, 29), "x y"))
    assert faults(ask(app, "GET", b"/x/m/today/y")) == [
        ("path.id", "int", "'x'"),
        ("path.size", "one of 's', 'l'", "'m'"),
        ("path.day", "date", "'today'"),
    ]


@pytest.mark.parametrize("text", ["+5", "%D9%A5", "1_000", "9" * 400, "-0", "5.0", "%205", "0x5"])
def test_digits_of_the_path_are_ascii_and_few(ask: Ask, route: Callable[..., App], text: str) -> None:
    """H-47"""

    def show(id: int) -> str:
        return repr(id)

    def convert(id: int) -> str:
        return repr(id)

    route(show, "/read/{id}")
    app = route(convert, "/converted/{id:int}")
    assert [loc for loc, _, _ in faults(ask(app, "GET", f"/read/{text}".encode()))] == ["path.id"]
    assert ask(app, "GET", f"/converted/{text}".encode()).status == 404


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "-Infinity", "9" * 400])
def test_numbers_of_the_path_are_finite(ask: Ask, route: Callable[..., App], text: str) -> None:
    """H-47"""

    def show(size: float) -> str:
        return repr(size)

    def convert(size: float) -> str:
        return repr(size)

    route(show, "/read/{size}")
    app = route(convert, "/converted/{size:float}")
    assert faults(ask(app, "GET", f"/read/{text}".encode()))[0][:2] == ("path.size", "float")
    assert ask(app, "GET", f"/converted/{text}".encode()).status == 404


def test_a_uuid_of_the_path_has_no_braces(ask: Ask, route: Callable[..., App]) -> None:
    """H-47"""

    def show(id: uuid.UUID) -> str:
        return repr(id)

    def convert(id: uuid.UUID) -> str:
        return repr(id)

    route(show, "/read/{id}")
    app = route(convert, "/converted/{id:uuid}")
    assert told(ask(app, "GET", f"/read/{UUID}".encode())) == repr(uuid.UUID(UUID))
    assert told(ask(app, "GET", f"/converted/{UUID}".encode())) == repr(uuid.UUID(UUID))
    assert faults(ask(app, "GET", f"/read/{{{UUID}}}".encode()))[0][1] == "UUID"
    assert ask(app, "GET", f"/converted/{{{UUID}}}".encode()).status == 404


def test_what_a_converter_gave_is_held_to_what_its_parameter_says(ask: Ask, route: Callable[..., App]) -> None:
    def show(
        id: Annotated[int, Path(le=9)], ratio: Annotated[float, Path(gt=0)], n: int | None, unsaid: Any, bare: Any = 1
    ) -> str:
        return repr((id, ratio, n, unsaid, bare))

    app = route(show, "/{id:int}/{ratio:float}/{n:int}/{unsaid:int}/{bare:int}")
    assert told(ask(app, "GET", b"/9/0.5/3/4/5")) == repr((9, 0.5, 3, 4, 5))
    assert faults(ask(app, "GET", b"/10/0/3/4/5")) == [
        ("path.id", "int <= 9", "'10'"),
        ("path.ratio", "float > 0", "'0.0'"),
    ]


def test_an_enum_of_numbers_may_stand_behind_a_converter(ask: Ask, route: Callable[..., App]) -> None:
    def show(level: Level) -> str:
        return repr(level)

    app = route(show, "/{level:int}")
    assert told(ask(app, "GET", b"/2")) == repr(Level.HIGH)
    assert faults(ask(app, "GET", b"/3")) == [("path.level", "one of 1, 2", "'3'")]


def test_a_marker_without_an_annotation_takes_the_kind_of_the_path(ask: Ask, route: Callable[..., App]) -> None:
    def show(id=Path(ge=5), text=Path(max_length=2), rest=Path()) -> str:  # type: ignore[no-untyped-def]  # as above
        return repr((id, text, rest))

    app = route(show, "/{id:int}/{text}/{rest:path}")
    assert told(ask(app, "GET", b"/7/ab/c/d")) == repr((7, "ab", "c/d"))
    assert [loc for loc, _, _ in faults(ask(app, "GET", b"/4/abc/c/d"))] == ["path.id", "path.text"]


def test_a_part_of_the_path_may_have_another_name(ask: Ask, route: Callable[..., App]) -> None:
    def show(number: Annotated[int, Path(alias="id")]) -> str:
        return repr(number)

    assert told(ask(route(show, "/{id}"), "GET", b"/7")) == "7"


def test_a_default_does_not_stand_in_for_a_part_of_the_path(ask: Ask, route: Callable[..., App]) -> None:
    def show(id: int = 1) -> str:
        return repr(id)

    app = route(show, "/{id}")
    assert told(ask(app, "GET", b"/7")) == "7"
    assert app.routes[0].inputs[0].required


def test_what_a_converter_of_ones_own_makes_is_left_alone(ask: Ask, make_app: MakeApp) -> None:
    class Day(Converter):
        pattern = "[a-z]+"

        def to_python(self, text: str) -> Any:
            return [text]

    app = make_app(converters={"day": Day(), "int": Day()})

    def other(day: Annotated[int, Path(ge=1)]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"'day' that is what a converter makes, which ge does not reach"):
        app.get("/x/{day:day}")(other)

    @app.get("/{day:day}/{n:int}")
    def show(day: list[str], n: int) -> str:
        return repr((day, n))

    assert told(ask(app, "GET", b"/mon/x")) == "(['mon'], ['x'])"


@pytest.mark.parametrize(
    ("annotation", "path"),
    [
        (str, "/{id:int}"),
        (uuid.UUID, "/{id:int}"),
        (datetime.date, "/{id:int}"),
        (int, "/{id:float}"),
        (str, "/{id:uuid}"),
        (Size, "/{id:int}"),
        (str | datetime.date, "/{id:int}"),
    ],
)
def test_a_type_that_its_converter_never_gives_is_refused(app: App, annotation: Any, path: str) -> None:
    def show(id): ...  # type: ignore[no-untyped-def]  # annotated below

    show.__annotations__["id"] = annotation
    with pytest.raises(ConfigurationError, match=r"show.*'id'.*write \{id\} there, or annotate the parameter"):
        app.get(path)(show)


def test_the_path_has_one_text_for_a_parameter(app: App) -> None:
    def many(id: list[int]) -> None: ...

    def none(id: bytes) -> None: ...

    for handler in (many, none):
        with pytest.raises(ConfigurationError, match="which no part of the path stands for"):
            app.get("/{id}")(handler)


def test_a_parameter_of_the_path_is_read_of_nothing_else(app: App) -> None:
    def show(id: Annotated[int, Query()]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"is a part of the path and read of the query at once"):
        app.get("/{id}")(show)


# The query


def test_the_query_gives_what_a_text_can_stand_for(ask: Ask, route: Callable[..., App]) -> None:
    def search(
        page: int,
        q: str | None,
        sizes: list[Size],
        exact: bool = False,
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
        after: datetime.date | None = None,
    ) -> str:
        return repr((page, q, [size.value for size in sizes], exact, limit, after))

    app = route(search)
    assert told(ask(app, "GET", b"/?page=2&sizes=s&sizes=l")) == repr((2, None, ["s", "l"], False, 10, None))
    full = b"/?page=2&q=a+b%26&sizes=s&exact=on&limit=100&after=2024-02-29&else=1"
    assert told(ask(app, "GET", full)) == repr((2, "a b&", ["s"], True, 100, datetime.date(2024, 2, 29)))
    assert faults(ask(app, "GET", b"/?page=x&limit=0&sizes=s&sizes=m&exact=maybe")) == [
        ("query.page", "int", "'x'"),
        ("query.sizes[1]", "one of 's', 'l'", "'m'"),
        ("query.exact", "bool", "'maybe'"),
        ("query.limit", "int >= 1 and <= 100", "'0'"),
    ]
    assert faults(ask(app, "GET", b"/")) == [
        ("query.page", "int", "nothing"),
        ("query.sizes", "list[one of 's', 'l']", "nothing"),
    ]


def test_a_query_is_read_as_urls_are(ask: Ask, route: Callable[..., App]) -> None:
    """H-46"""

    def show(a: str = "-", b: list[str] = [], n: int | None = None) -> str:  # noqa: B006  # each request gets a copy
        return repr((a, b, n))

    app = route(show)
    for query, values in {
        "": ("-", [], None),
        "a": ("", [], None),
        "a=": ("", [], None),
        "=b": ("-", [], None),
        "a=1&a=2": ("1", [], None),
        "b=1&b=2": ("-", ["1", "2"], None),
        "b[]=1": ("-", [], None),
        "a=+": (" ", [], None),
        "a=%zz": ("%zz", [], None),
        "a=1;n=2": ("1;n=2", [], None),
        "a=%EF%BF%BD": ("\ufffd", [], None),
        "n=": ("-", [], None),
        "&&n=5&": ("-", [], 5),
    }.items():
        assert told(ask(app, "GET", f"/?{query}".encode())) == repr(values), query


@pytest.mark.parametrize("query", [b"a=%ff", b"other=%c3", b"%80=x", b"a=%ed%a0%80"])
def test_a_query_that_is_no_utf8_is_refused_where_it_is_read_by_type(
    ask: Ask, route: Callable[..., App], query: bytes
) -> None:
    """H-46"""

    def typed(a: str = "") -> str:
        return a

    def raw(request: Request) -> str:
        return "".join(value for pair in request.query.multi_items() for value in pair)

    route(typed, "/typed")
    app = route(raw, "/raw")
    assert ask(app, "GET", b"/typed?" + query).status == 400
    assert "\ufffd" in told(ask(app, "GET", b"/raw?" + query))


def test_too_long_a_query_is_refused(ask: Ask, route: Callable[..., App]) -> None:
    def show(a: str = "") -> str:
        return a

    assert ask(route(show), "GET", b"/?" + b"a&" * 1001).status == 400


def test_a_parameter_may_have_another_name_in_the_query(ask: Ask, route: Callable[..., App]) -> None:
    def show(kind: Annotated[str, Query(alias="type")], request_: Annotated[int, Query(alias="request")] = 1) -> str:
        return repr((kind, request_))

    assert told(ask(route(show), "GET", b"/?type=x&kind=y&request=2")) == "('x', 2)"


def test_what_an_alias_says_of_a_parameter_counts(ask: Ask, route: Callable[..., App]) -> None:
    def show(page: PageNumber, size: AtLeast[int], sort: Sort, agent: Agent, maybe: Maybe[int]) -> str:
        return repr((page, size, sort, agent.method, maybe))

    app = route(show)
    assert told(ask(app, "GET", b"/?p=2&size=3&by=x&maybe=")) == "(2, 3, Order(by='x'), 'GET', None)"
    assert faults(ask(app, "GET", b"/?p=0&size=0&by=x&maybe=y")) == [
        ("query.p", "int >= 1", "'0'"),
        ("query.size", "int >= 1", "'0'"),
        ("query.maybe", "int", "'y'"),
    ]


def test_a_default_may_stand_in_the_marker_or_be_made(ask: Ask, route: Callable[..., App]) -> None:
    made: list[list[int]] = []

    def make() -> list[int]:
        made.append([])
        return made[-1]

    def show(  # type: ignore[no-untyped-def]  # that is the case
        a: int = Query(1),
        b: Annotated[int, Query(2)] = 3,
        *,
        c: Annotated[int, Query(4)],
        d: Annotated[list[int], Query(default_factory=make)],
        e=Query(5.5),
        f=Query(None),
    ) -> str:
        return repr((a, b, c, d, e, f))

    app = route(show)
    assert told(ask(app, "GET", b"/")) == "(1, 3, 4, [], 5.5, None)"
    assert told(ask(app, "GET", b"/?e=7&f=x")) == "(1, 3, 4, [], 7.0, 'x')"
    assert len(made) == 2


def test_a_default_that_can_change_is_copied_for_each_request(ask: Ask, route: Callable[..., App]) -> None:
    default = [[1]]
    same: Any = object()

    def show(a: list[str] = default, b: str = same) -> str:  # type: ignore[assignment]  # whatever its author wants
        a[0].append("x")  # type: ignore[attr-defined]  # as above
        return repr((a, b is same))

    app = route(show)
    assert told(ask(app, "GET", b"/")) == told(ask(app, "GET", b"/")) == "([[1, 'x']], False)"
    assert default == [[1]]


def test_an_empty_text_is_none_but_for_text(ask: Ask, route: Callable[..., App]) -> None:
    def show(a: int | None = 5, b: str | None = "b", c: str = "c") -> str:
        return repr((a, b, c))

    app = route(show)
    assert told(ask(app, "GET", b"/?a=&b=&c=")) == "(5, '', '')"
    assert told(ask(app, "GET", b"/")) == "(5, 'b', 'c')"
    assert faults(ask(app, "GET", b"/?a=%20")) == [("query.a", "int", "' '")]


# Header fields and cookies


def test_header_fields_are_read_by_their_names_with_dashes(ask: Ask, route: Callable[..., App]) -> None:
    def show(
        user_agent: Annotated[str, Header()],
        x_token: int = Header(alias="X_Token", default=1),
        x_ids: Annotated[list[int], Header(alias="X-Ids")] = [],  # noqa: B006  # each request gets a copy
        accept: Annotated[str | None, Header()] = None,
    ) -> str:
        return repr((user_agent, x_token, x_ids, accept))

    app = route(show)
    fields = [(b"User-Agent", "é".encode("latin-1")), (b"X-IDS", b"1, 2"), (b"x-ids", b",3")]
    assert told(ask(app, "GET", b"/", fields)) == repr(("é", 1, [1, 2, 3], None))
    assert faults(ask(app, "GET", b"/", [(b"x-ids", b"1,x")])) == [
        ("header.user-agent", "str", "nothing"),
        ("header.x-ids[1]", "int", "'x'"),
    ]


def test_cookies_are_read_by_their_names(ask: Ask, route: Callable[..., App]) -> None:
    def show(visits: Annotated[int, Cookie()], session: str = Cookie(""), all_: list[str] = Cookie(alias="v")) -> str:
        return repr((visits, session, all_))

    app = route(show)
    assert told(ask(app, "GET", b"/", [(b"cookie", b"visits=3; session=a b; v=1; v=2")])) == "(3, 'a b', ['1', '2'])"
    assert faults(ask(app, "GET", b"/", [(b"cookie", b"visits=x")])) == [
        ("cookie.visits", "int", "'x'"),
        ("cookie.v", "list[str]", "nothing"),
    ]


# Forms


def test_fields_of_a_form_are_read_by_type(ask: Ask, route: Callable[..., App]) -> None:
    """F-20: duplicates, `+`, `%` and a last `&` as in every urlencoded form."""

    def save(
        name: Annotated[str, Form(min_length=1)], tags: Annotated[list[int], Form()], age: int | None = Form(None)
    ) -> str:
        return repr((name, tags, age))

    app = route(save, method="POST")
    assert told(ask(app, "POST", b"/", URLENCODED, b"name=a+b%21&tags=1&tags=2&age=&")) == "('a b!', [1, 2], None)"
    parts = upload("name", None, "a b!") + upload("tags", None, "1") + upload("age", None, "7") + b"--x--\r\n"
    assert told(ask(app, "POST", b"/", MULTIPART, parts)) == "('a b!', [1], 7)"
    assert faults(ask(app, "POST", b"/", URLENCODED, b"name=&tags=x&age=old")) == [
        ("form.name", "str of at least 1 character", "''"),
        ("form.tags[0]", "int", "'x'"),
        ("form.age", "int", "'old'"),
    ]


def test_an_empty_body_is_a_form_without_fields(ask: Ask, route: Callable[..., App]) -> None:
    def save(name: str = Form(), age: int = Form(1)) -> str:
        return repr((name, age))

    app = route(save, method="POST")
    for fields in ([], URLENCODED, JSON):
        assert faults(ask(app, "POST", b"/", fields, b"")) == [("form.name", "str", "nothing")]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "", "application/x-www-form-urlencoded, text/x"])
def test_another_media_type_than_a_forms_is_refused_with_those_that_are_taken(
    ask: Ask, route: Callable[..., App], kind: str
) -> None:
    """R37"""

    def save(name: str = Form("x")) -> str:
        return name

    fields = [(b"content-type", kind.encode())] if kind else []
    answer = ask(route(save, method="POST"), "POST", b"/", fields, b"name=y")
    assert answer.status == 415
    assert b"application/x-www-form-urlencoded or multipart/form-data" in answer.body


# Groups: the fields of a class


class Page(msgspec.Struct, rename="camel"):
    page_size: Annotated[int, msgspec.Meta(ge=1)]
    start_after: datetime.date | None = None
    sort_by: list[str] = msgspec.field(default_factory=lambda: ["name"])
    mode: str = "all"


@dataclasses.dataclass
class Range:
    low: int
    high: int = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@attrs.define
class Point:
    x: int
    y: int | None


class Filter(TypedDict):
    name: str
    size: NotRequired[int]


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid")

    name: str = pydantic.Field(min_length=2)
    size: int = pydantic.Field(default=1, ge=1)
    tags: list[str] = pydantic.Field(default_factory=list, alias="tag")
    mail: pydantic.AnyUrl | None = None
    age: int | None
    day: datetime.date | None = None
    sizes: dict[str, int] | None = None


def test_the_fields_of_a_class_are_parameters_of_their_own(ask: Ask, route: Callable[..., App]) -> None:
    def show(
        page: Annotated[Page, Query()],
        range_: Annotated[Range, Query()],
        point: Annotated[Point, Query()],
        filter: Annotated[Filter, Query()],
    ) -> str:
        return repr((page, range_, point, filter))

    app = route(show)
    query = b"/?pageSize=5&sortBy=a&sortBy=b&startAfter=&low=1&x=3&name=n"
    expected = (Page(5, None, ["a", "b"], "all"), Range(1, 10), Point(3, None), {"name": "n"})
    assert told(ask(app, "GET", query)) == repr(expected)
    assert faults(ask(app, "GET", b"/?pageSize=0&high=x&y=z&name=&size=q")) == [
        ("query.pageSize", "int >= 1", "'0'"),
        ("query.low", "int", "nothing"),
        ("query.high", "int", "'x'"),
        ("query.x", "int", "nothing"),
        ("query.y", "int", "'z'"),
        ("query.size", "int", "'q'"),
    ]


def test_what_a_class_itself_refuses_is_told_in_its_words(ask: Ask, route: Callable[..., App]) -> None:
    def show(range_: Annotated[Range, Query()]) -> str:
        return repr(range_)

    assert faults(ask(route(show), "GET", b"/?low=11")) == [("query", "low is above high", "object")]


def test_a_pydantic_model_of_the_query_reads_by_itself(ask: Ask, route: Callable[..., App]) -> None:
    def show(other: int | None, model: Annotated[Model, Query()]) -> str:
        return repr(model)

    app = route(show)
    assert told(ask(app, "GET", b"/?name=ab&size=3&tag=x&tag=y")) == repr(
        Model(name="ab", size=3, tag=["x", "y"], age=None)
    )
    assert told(ask(app, "GET", b"/?name=ab&age=&day=")) == repr(Model(name="ab", age=None))
    assert told(ask(app, "GET", b"/?name=ab&age=5&day=2024-02-29")) == repr(
        Model(name="ab", age=5, day=datetime.date(2024, 2, 29))
    )
    assert faults(ask(app, "GET", b"/?size=0&tags=y&other=x")) == [
        ("query.other", "int", "'x'"),
        ("query.tags", "nothing", "a value"),
        ("query.name", "a value", "nothing"),
        ("query.size", "number >= 1", "'0'"),
    ]
    assert {loc for loc, _, _ in faults(ask(app, "GET", b"/?size=x"))} == {"query.name", "query.size"}
    assert faults(ask(app, "GET", b"/?name=ab&sizes=x")) == [("query.sizes", "object", "str")]
    _, name, *_, mail, _, _, _ = app.routes[0].inputs
    assert name.required
    assert name.schema()[0]["minLength"] == 2
    assert not mail.required


def test_a_class_that_is_closed_refuses_names_that_its_route_does_not_know(ask: Ask, route: Callable[..., App]) -> None:
    class Closed(msgspec.Struct, forbid_unknown_fields=True):
        a: int = 1

    def paging(page: int = 0) -> int:
        return page

    def show(
        closed: Annotated[Closed, Query()],
        page: Annotated[int, Depends(paging)],
        key: Annotated[str, Depends(APIKeyQuery("key", auto_error=False))],
        beside: int = 2,
    ) -> str:
        return repr((closed.a, page, key, beside))

    def field(closed: Annotated[Closed, Header()]) -> str:
        return repr(closed.a)

    route(field, "/field")
    app = route(show)
    assert told(ask(app, "GET", b"/?a=3&beside=4&page=5&key=x")) == "(3, 5, 'x', 4)"
    assert faults(ask(app, "GET", b"/?b=3&c")) == [("query.b", "nothing", "a value"), ("query.c", "nothing", "a value")]
    assert told(ask(app, "GET", b"/field", [(b"a", b"3"), (b"x-other", b"4")])) == "3"


def test_few_of_many_unknown_names_are_told_and_not_at_length(ask: Ask, route: Callable[..., App]) -> None:
    """H-20"""

    class Closed(msgspec.Struct, forbid_unknown_fields=True):
        a: int = 1

    def show(closed: Annotated[Closed, Query()]) -> None: ...

    app = route(show)
    assert len(faults(ask(app, "GET", b"/?" + b"&".join(b"x%d" % number for number in range(900))))) == 50
    assert len(ask(app, "GET", b"/?" + b"x" * 5_000).body) < 2_000


def test_header_fields_cookies_and_forms_have_groups_too(ask: Ask, route: Callable[..., App]) -> None:
    class Fields(msgspec.Struct):
        x_token: int
        if_match: list[str] = []
        renamed: str = msgspec.field(default="", name="X-Exact_Name")

    class Save(msgspec.Struct):
        name: str
        n: list[int] = []

    def save(
        fields: Annotated[Fields, Header()], kept: Annotated[Range, Cookie()], form: Annotated[Save, Form()]
    ) -> str:
        return repr((fields.x_token, fields.if_match, kept.low, form.name, form.n))

    app = route(save, method="POST")
    sent = [*URLENCODED, (b"x-token", b"3"), (b"if-match", b"a, b"), (b"cookie", b"low=2")]
    assert told(ask(app, "POST", b"/", sent, b"name=x&n=1&n=2")) == "(3, ['a', 'b'], 2, 'x', [1, 2])"
    assert [loc for loc, _, _ in faults(ask(app, "POST", b"/", URLENCODED, b"n=x"))] == [
        *("header.x-token", "cookie.low", "form.name", "form.n[0]"),
    ]
    assert "x-exact_name" in [read.name for read in app.routes[0].inputs]


def test_a_field_and_a_parameter_of_like_names_are_read_by_their_own_types(ask: Ask, route: Callable[..., App]) -> None:
    def show(range_: Annotated[Range, Query()], range__low: float = 0.5) -> str:
        return repr((range_.low, range__low))

    assert told(ask(route(show), "GET", b"/?low=1&range__low=1.5")) == "(1, 1.5)"


def test_a_group_has_the_defaults_of_its_fields(app: App) -> None:
    def show(range_: Annotated[Range, Query()] = Range(1)) -> None: ...  # noqa: B008  # that is the case

    with pytest.raises(ConfigurationError, match="its fields have the defaults; drop its own"):
        app.get("/")(show)


def test_a_field_that_no_text_stands_for_is_refused_by_name(app: App) -> None:
    class Nested(msgspec.Struct):
        inner: Page

    def show(nested: Annotated[Nested, Query()]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"has a field 'inner' of .*Page.*, which no text stands for"):
        app.get("/")(show)


def test_a_type_that_no_text_stands_for_is_refused_by_name(app: App) -> None:
    class Odd: ...

    def dicts(a: Annotated[dict[str, int], Query()]) -> None: ...

    def odd(a: Annotated[Odd, Header()]) -> None: ...

    def models(a: Annotated[list[Page], Query()]) -> None: ...

    for handler in (dicts, odd, models):
        with pytest.raises(ConfigurationError, match=r"'a' that is .*, which no text of the (query|header) stands for"):
            app.get("/")(handler)


@pytest.mark.parametrize("annotation", ["NotYet", "1 +", 5])
def test_a_group_with_a_field_of_no_type_is_refused_by_it(app: App, annotation: Any) -> None:
    later = dataclasses.make_dataclass("Later", [("a", annotation)])

    def show(later: Annotated[later, Query()]) -> None: ...  # type: ignore[valid-type]  # that is the case

    with pytest.raises(ConfigurationError, match=r"whose fields cannot be read: .*") as caught:
        app.get("/")(show)
    assert str(annotation) in str(caught.value)


def test_a_field_of_several_names_is_refused_by_them(app: App) -> None:
    class Choices(pydantic.BaseModel):
        a: int = pydantic.Field(validation_alias=pydantic.AliasChoices("b", "c"))

    def show(choices: Annotated[Choices, Query()]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"fields cannot be read: its field 'a' has .*'c'.*; give it one name"):
        app.get("/")(show)


def test_a_constraint_that_makes_no_sense_is_refused_by_name(app: App) -> None:
    def show(name: Annotated[str, Query(ge=1)]) -> None: ...

    with pytest.raises(ConfigurationError, match=r"show' has a parameter 'name' that cannot be read: ge does not"):
        app.get("/")(show)


# Whatever comes

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["", "0", "-1", "true", "2024-02-29", "s"])


@given(
    pairs=st.lists(st.tuples(st.sampled_from(["id", "n", "d", "s", "t", "x"]), st.binary(max_size=8)), max_size=6),
    token=st.binary(max_size=8).map(lambda raw: bytes(byte for byte in raw if 32 < byte < 127)),
    body=st.binary(max_size=30),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_client_sends_is_its_own_fault(pairs: list[tuple[str, bytes]], token: bytes, body: bytes) -> None:
    app = App()

    @app.post("/{id}")
    def show(
        id: int,
        n: float | None,
        d: list[datetime.date],
        x_token: Annotated[Size, Header()],
        name: Annotated[str, Form()],
        s: Size | int = 3,
        t: bool = False,
    ) -> str:
        return repr((id, n, d, x_token, name, s, t))

    query = b"&".join(name.encode() + b"=" + b"".join(b"%%%02x" % byte for byte in value) for name, value in pairs)
    fields = [*URLENCODED, (b"x-token", token)]
    answers = [exchange(app, door, "POST", b"/7?" + query, fields, body) for door in ("wsgi", "asgi")]
    app.shutdown()
    first, second = answers
    assert first.status in (200, 400, 422)
    assert (first.status, first.body) == (second.status, second.body)
