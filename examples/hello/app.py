"""The smallest app: one `def` handler, one `async def` handler, one object for both kinds of server."""

from duoframe import App

app = App()


@app.get("/hello/{name}")
def hello(name: str) -> str:
    return f"Hello {name}\n"


@app.get("/later/{n:int}")
async def later(n: int) -> dict[str, int]:
    return {"n": n}
