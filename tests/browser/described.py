"""An application with a docs page, for a real browser."""

import base64
from typing import Annotated

import msgspec

from duoframe import App, Depends, File, Form, Response, UploadFile
from duoframe.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm

app = App(docs="/docs", title="Shop")

DOT = base64.b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
"""A picture of one pixel."""


class NewItem(msgspec.Struct):
    name: str
    price: int | None = None


class Item(NewItem, kw_only=True):
    number: int


@app.get("/items/{number}")
def item(number: int, coupon: str | None = None) -> Item:
    return Item(name=coupon or "pen", price=3, number=number)


@app.post("/items", status_code=201)
async def create(item: NewItem) -> Item:
    return Item(name=item.name, price=item.price, number=8)


@app.get("/dot")
def dot() -> Response:
    return Response(DOT, media_type="image/gif")


@app.post("/files")
def upload(file: Annotated[UploadFile, File()], note: Annotated[str, Form()]) -> dict[str, str]:
    return {"name": file.filename or "", "content": file.read().decode(), "note": note}


@app.post("/token")
def log_in(form: Annotated[OAuth2PasswordRequestForm, Depends()]) -> dict[str, str]:
    return {"access_token": f"{form.username}-{form.password}", "token_type": "bearer"}


@app.get("/me")
def me(token: Annotated[str, Depends(OAuth2PasswordBearer("/token"))]) -> dict[str, str]:
    return {"token": token}
