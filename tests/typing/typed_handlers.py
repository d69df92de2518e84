"""What a type checker makes of handlers, their parameters and their dependencies, seen from a user's side.

Each ``type: ignore`` is a mistake that must be found: mypy complains of one that is not needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, assert_type

import msgspec

from duoframe import (
    App,
    Body,
    Cookie,
    Depends,
    File,
    Form,
    Header,
    HTMLResponse,
    Path,
    Query,
    Request,
    RequestValidationError,
    Response,
    Router,
    UploadFile,
    inline,
)
from duoframe.security import HTTPBasic, HTTPBasicCredentials, OAuth2PasswordBearer

app = App()
router = Router("/api")


class Item(msgspec.Struct):
    name: str
    price: float = 0.0


class Connection:
    def __init__(self, name: str = "main") -> None:
        self.name = name


def connect() -> Iterator[Connection]:
    yield Connection()


async def user(token: Annotated[str, Header(alias="x-token")]) -> str:
    return token


Database = Annotated[Connection, Depends(connect)]
bearer = OAuth2PasswordBearer("/token", scopes={"read": "Read items"})
OAuth2PasswordBearer(5)  # type: ignore[arg-type]
HTTPBasic(realms="x")  # type: ignore[call-arg]


# A decorated handler keeps its type, whatever was said to the route.


@app.get("/items/{id}", response_model=Item, produces=["application/json", "application/msgpack"])
def show(id: int, db: Database, q: Annotated[str | None, Query(max_length=50)] = None) -> Item | None:
    assert_type(db, Connection)
    assert_type(q, str | None)
    return Item(db.name)


@router.post("/items", status_code=201, dependencies=[Depends(user)])
async def create(item: Item, who: str = Depends(user), page: int = Query(1, ge=1)) -> tuple[Item, int]:
    assert_type(page, int)
    return item, 201


@app.post("/upload")
@inline
def upload(file: UploadFile = File(), title: str = Form(""), session: str = Cookie("")) -> HTMLResponse | Item:
    return HTMLResponse(title)


@app.put("/items/{id}", response_model=None)
def replace(id: Annotated[int, Path(ge=1)], item: Annotated[Item, Body(embed=True)]) -> Response:
    return Response(item.name)


@app.get("/me")
def me(who: Annotated[HTTPBasicCredentials, Depends(HTTPBasic())], token: str = Depends(bearer)) -> str:
    return who.username


@app.errorhandler(RequestValidationError)
def invalid(request: Request, error: RequestValidationError) -> tuple[list[str], int]:
    return [fault.message for fault in error.faults], error.status


assert_type(show(1, Connection()), Item | None)
assert_type(upload(), HTMLResponse | Item)
show("1", Connection())  # type: ignore[arg-type]
show(1)  # type: ignore[call-arg]
replace(id=1, item=None)  # type: ignore[arg-type]


async def awaited() -> None:
    assert_type(await create(Item("a")), tuple[Item, int])
    await create({"name": "a"})  # type: ignore[arg-type]


# What may be said of a parameter

Query(1, ge=1, le=5, description="a", examples=[1])
Query(minimum=1)  # type: ignore[call-arg]
Query(ge="1")  # type: ignore[arg-type]
Query(pattern=5)  # type: ignore[arg-type]
Header(alias=5)  # type: ignore[arg-type]
Depends(connect, use_cache=False, close="before_response")
Depends(connect, close="before")  # type: ignore[arg-type]
Depends("connect")  # type: ignore[arg-type]


def stand_in() -> Iterator[Connection]:
    yield Connection("fake")


async def other_stand_in() -> AsyncIterator[Connection]:
    yield Connection("fake")


app.dependency_overrides[connect] = stand_in
app.dependency_overrides[connect] = other_stand_in
app.dependency_overrides[connect] = Connection("fake")  # type: ignore[assignment]
app.dependency_overrides["connect"] = stand_in  # type: ignore[index]
