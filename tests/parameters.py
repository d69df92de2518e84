"""The reference of what parameters take, made of what the tests know: ``python -m tests.parameters`` writes it.

`tests.test_parameters` compares the page with this, and sends every example of it to a real application.
"""

from __future__ import annotations

import dataclasses
import enum
import html
import types
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType

import msgspec

from duoframe import Body, Cookie, Form, Header, Query, UploadFile
from duoframe.params import Options
from tests.kinds import KINDS, Kind
from tests.typed import upload

PAGE = Path(__file__).parent.parent / "docs/reference/parameters.md"

JSON, URLENCODED = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


class Item(msgspec.Struct):
    name: str
    price: float


@dataclasses.dataclass
class Page:
    size: int = 20
    tags: list[str] = dataclasses.field(default_factory=list)


class Example(NamedTuple):
    """A request to ``POST /items/{id}``, and what a parameter is given of it, or the status that answers it."""

    declared: str
    """The parameter, as it stands in a signature."""
    place: str
    target: str
    fields: dict[str, str]
    body: str
    given: str
    """``repr`` of what the handler gets, or ``422 query.page`` with the places of all faults."""


def asked(declared: str, place: str, given: str, query: str = "", body: str = "", **fields: str) -> Example:
    names = {name.replace("_", "-"): value for name, value in fields.items()}
    return Example(declared, place, "/items/7" + (f"?{query}" if query else ""), names, body, given)


def files(name: str, filename: str, content: str) -> str:
    """A multipart form of one file."""
    return upload(name, filename, content).decode() + "--x--\r\n"


PLACES = [
    asked("id: int", "the path, where it is named there", "7"),
    asked("q: str", "the query, where a text can stand for its type", "'a b'", "q=a+b"),
    asked("q: str | None", "the same; absent is `None`", "None"),
    asked("tags: list[int] = []", "the query, all values of the name", "[1, 2]", "tags=1&tags=2"),
    asked("kind: str = Query(alias='type')", "the query, by another name", "'x'", "type=x"),
    asked(
        "page: Annotated[Page, Query()]",
        "the query, each field of the class by its own name",
        "Page(size=5, tags=['a'])",
        "size=5&tags=a",
    ),
    asked(
        "user_agent: Annotated[str, Header()]", "a header field, with dashes for underscores", "'x/1'", user_agent="x/1"
    ),
    asked("x_ids: Annotated[list[int], Header()]", "a header field that is a list", "[1, 2]", x_ids="1, 2"),
    asked("theme: str = Cookie('light')", "a cookie", "'dark'", cookie="theme=dark"),
    asked(
        "item: Item",
        "the JSON body, where no text can stand for its type",
        "Item(name='a', price=1.5)",
        "",
        '{"name": "a", "price": 1.5}',
        content_type=JSON,
    ),
    asked("item: Item | None", "the same; an empty body is `None`", "None"),
    asked("count: int = Body()", "the JSON body", "5", "", "5", content_type=JSON),
    asked(
        "item: Annotated[Item, Body(embed=True)]",
        "a member of a JSON object, as are several bodies",
        "Item(name='a', price=1.0)",
        "",
        '{"item": {"name": "a", "price": 1}}',
        content_type=JSON,
    ),
    asked(
        "name: str = Form()",
        "a field of an urlencoded or multipart form",
        "'a b'",
        "",
        "name=a+b",
        content_type=URLENCODED,
    ),
    asked(
        "form: Annotated[Page, Form()]",
        "the form, each field of the class by its own name",
        "Page(size=5, tags=[])",
        "",
        "size=5",
        content_type=URLENCODED,
    ),
    asked(
        "photo: UploadFile",
        "a file of a multipart form",
        "<UploadFile 'a.png' text/plain 1 bytes>",
        "",
        files("photo", "a.png", "x"),
        content_type=MULTIPART,
    ),
    asked(
        "photo: UploadFile | None",
        "the same; a file box that was left empty is `None`",
        "None",
        "",
        files("photo", "", ""),
        content_type=MULTIPART,
    ),
    asked(
        "photos: list[UploadFile]",
        "all files of the name",
        "[<UploadFile 'a' text/plain 1 bytes>]",
        "",
        files("photos", "a", "x"),
        content_type=MULTIPART,
    ),
]

REFUSALS = [
    asked("q: int", "it is missing", "422 query.q"),
    asked("q: int", "no value of the type", "422 query.q", "q=x"),
    asked("q: str", "the query is no UTF-8", "400", "q=%ff"),
    asked("item: Item", "there is no body", "400"),
    asked("item: Item", "the body is no JSON", "400", "", "{", content_type=JSON),
    asked(
        "item: Item",
        "the body is no JSON by its media type",
        "415",
        "",
        '{"name": "a", "price": 1}',
        content_type="text/plain",
    ),
    asked(
        "item: Item", "members are wrong or missing", "422 body.name body.price", "", '{"name": 5}', content_type=JSON
    ),
    asked("item: Item = Body(embed=True)", "the member is missing", "422 body.item", "", "{}", content_type=JSON),
    asked("name: str = Form()", "there is no body", "422 form.name"),
    asked("name: str = Form()", "the body is no form by its media type", "415", "", '{"name": "a"}', content_type=JSON),
    asked(
        "photo: UploadFile",
        "the file box was left empty",
        "422 form.photo",
        "",
        files("photo", "", ""),
        content_type=MULTIPART,
    ),
]

NAMES = {
    "Annotated": Annotated,
    "Body": Body,
    "Cookie": Cookie,
    "Form": Form,
    "Header": Header,
    "Query": Query,
    "Item": Item,
    "Page": Page,
    "UploadFile": UploadFile,
}
"""What the declarations of `PLACES` and `REFUSALS` know."""

SHOWN = 6
"""Examples of a kind that the page shows."""


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            _INTRODUCTION,
            "| parameter | read of | for example | gives |",
            "|---|---|---|---|",
            *(f"| {code(one.declared)} | {one.place} | {_request(one)} | {code(one.given)} |" for one in PLACES),
            _KINDS,
            "| annotation | takes, for example | refuses, for example | is told as |",
            "|---|---|---|---|",
            *(_row(kind) for kind in KINDS),
            _ANSWERS,
            "| parameter | what is wrong | for example | is answered |",
            "|---|---|---|---|",
            *(f"| {code(one.declared)} | {one.place} | {_request(one)} | {_answered(one)} |" for one in REFUSALS),
            "",
        ]
    )


def code(text: str) -> str:
    """Text as code in a cell of a table, where a bar would end the cell and a backtick the code."""
    if not {"|", "`"}.isdisjoint(text):
        return f"<code>{html.escape(text, quote=False).replace('|', '&#124;').replace('`', '&#96;')}</code>"
    return f"`{text}`"


def spelled(annotation: Any) -> str:
    """An annotation as its author writes it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        meta = annotation.__metadata__[0]
        kept = {name: value for name, value in meta.__rich_repr__() if value is not None}
        said = ", ".join(f"{name}={value!r}" for name, value in kept.items())
        marker = "Query" if kept.keys() <= Options.__annotations__.keys() else "msgspec.Meta"
        return f"Annotated[{spelled(arguments[0])}, {marker}({said})]"
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(spelled, arguments))
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join(map(spelled, arguments))}]"
    if annotation in (types.NoneType, ...):
        return "None" if annotation is types.NoneType else "..."
    return str(annotation.__name__)


def _row(kind: Kind) -> str:
    takes = "<br>".join(f"{_text(text)} → {code(repr(value))}" for text, value in kind.accepts[:SHOWN] if text != [])
    refuses = " ".join(_text(text) for text in kind.refuses if text != [])
    name = code(spelled(kind.annotation)) + "".join(map(_explained, _parts(kind.annotation)))
    return f"| {name} | {takes} | {refuses} | {code(kind.expected)} |"


def _explained(part: Any) -> str:
    if isinstance(part, NewType):
        return f", where `{part.__name__}` is a `NewType` of `int`"
    if isinstance(part, enum.EnumType):
        values: list[Any] = [member.value for member in part]  # type: ignore[var-annotated]  # an enum of any kind
        return f", where `{part.__name__}` is an enum of {' and '.join(code(repr(value)) for value in values)}"
    return ""


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(part for inner in typing.get_args(annotation) for part in _parts(inner))]


def _text(text: str | list[str]) -> str:
    """A text of the query; for a collection the query."""
    if isinstance(text, list):
        return code("&".join(f"v={part}" for part in text))
    shown = text if text.isprintable() and text == text.strip() and text else ascii(text)
    return code(shown if len(shown) < 60 else f"{shown[:10]}… ({len(shown)} characters)")


def _request(one: Example) -> str:
    parts = [code(one.target)] if "?" in one.target or not (one.fields or one.body) else []
    parts += [code(f"{name}: {value}") for name, value in one.fields.items() if name != "content-type"]
    if one.body:
        kind = one.fields["content-type"]
        body = code(one.body)
        if kind == MULTIPART:
            body = "an empty file box" if 'filename=""' in one.body else "a file"
        parts.append(f"`{kind.partition(';')[0]}`: {body}")
    return "<br>".join(parts)


def _answered(one: Example) -> str:
    status, *places = one.given.split()
    return f"{status}" + (f", at {' and '.join(map(code, places))}" if places else "")


_INTRODUCTION = """\
# Parameters: what an annotation takes and answers

This page is made by `python -m tests.parameters`, and the tests send every example of it to an application behind both
doors. How to use parameters is told in [Take parameters and bodies](../how-to/parameters.md).

## Where a parameter is read

A `Request`, or a parameter named `request`, is the request itself; `Depends(...)` is
[what another function makes](../how-to/dependencies.md). The others are read of the request, here `POST /items/7` on a
route `/items/{id}`. Without a marker the type decides.
"""

_KINDS = """
## What stands in a text

Paths, queries, header fields, cookies and forms hold texts. Each type has one grammar for them, and there is no other:
no blanks around a value, no digits but ASCII's, no number without an end. With `None` in its type, a parameter without
a default is `None` where it is absent, and so it is where its text is empty, unless an empty text has a meaning for the
type. A collection is of all texts of its name, of a header field the members of its list; none at all are as if it were
absent. Numbers' constraints (`ge`, `gt`, `le`, `lt`, `multiple_of`) and `pattern` hold for each item of a collection,
`min_length` and `max_length` for the collection itself. They may stand in a marker, as `Query(ge=1)`, or in
`msgspec.Meta`. The examples are the values of a parameter `v`; of a collection they are queries.
"""

_ANSWERS = """
## What is answered to what does not fit

A 422 is [problem details](../how-to/errors.md) whose `errors` list all that is wrong with the parameters and the fields
of a form, and in a JSON body the first fault of each member: `loc`, where it stands, `message`, `expected` and `got`.
Of what was sent no more than 200 characters are shown again.
"""


if __name__ == "__main__":
    PAGE.write_text(page())
