"""Views that become `async def`: what their calls become, what a module needs then, and which views stay."""

from __future__ import annotations

import asyncio
import textwrap
from http import cookiejar
from pathlib import Path
from typing import Any

import httpx
import pytest

import duoframe
from duoframe.migrate.moving import plan
from duoframe.migrate.views import Refusal
from tests.migrate.rewriting import lay, migrated, told

DATABASE = "a database call on the loop's thread, where its connection belongs: an async driver would wait with `await`"
FILE = "it waits for a file on the loop's thread: `anyio.open_file` does not, nor does a worker thread"
ELSEWHERE = "it goes to a worker thread, not to httpx"


def view(body: str, before: str = "") -> str:
    """A module with one view of that body."""
    head = "import hashlib\nimport os\nimport shutil\nimport subprocess\nimport time\nimport urllib.request\n\n"
    head += "import anyio\nimport requests\nfrom duoframe.flask import Flask, current_app\n\n"
    code = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    return f"{head}app = Flask(__name__)\n{before}\n\n@app.get('/')\ndef index(a=1):\n{code}\n"


def turned(folder: Path, body: str, before: str = "") -> tuple[str, list[str]]:
    """The body of the one view when it is `async def`, and what is told of it."""
    after, findings = migrated(folder, view(body, before), "index")
    _, found, rest = after.partition("async def index(a=1):\n")
    assert found
    return textwrap.dedent(rest).strip("\n"), told(findings)


WAITING = {
    "a sleep": ("time.sleep(0.5)  # slowly", "await anyio.sleep(0.5)  # slowly"),
    "a call in a thread": ("x = shutil.copy('a', 'b')", "x = await anyio.to_thread.run_sync(shutil.copy, 'a', 'b')"),
    "a call without arguments": (
        "os.system ( )",
        "await anyio.to_thread.run_sync(os.system )",
    ),
    "a call with lines of its own": (
        "os.system(\n    # why\n    'true',\n)",
        "await anyio.to_thread.run_sync(os.system,\n    # why\n    'true',\n)",
    ),
    "what is asked of a call": (
        "return urllib.request.urlopen('x').status, shutil.move(*a)[0]",
        (
            "return (await anyio.to_thread.run_sync(urllib.request.urlopen, 'x')).status,"
            " (await anyio.to_thread.run_sync(shutil.move, *a))[0]"
        ),
    ),
    "what is asked of a call in brackets": (
        "return (os.system('x')).real",
        "return (await anyio.to_thread.run_sync(os.system, 'x')).real",
    ),
    "calls in calls": (
        "os.system(str(time.sleep(os.system('x'))))",
        (
            "await anyio.to_thread.run_sync(os.system,"
            " str(await anyio.sleep(await anyio.to_thread.run_sync(os.system, 'x'))))"
        ),
    ),
    "comprehensions": (
        "return [os.system(x) for x in a if not os.system('y')], {x: time.sleep(x) for x in a}",
        (
            "return [await anyio.to_thread.run_sync(os.system, x) for x in a"
            " if not await anyio.to_thread.run_sync(os.system, 'y')], {x: await anyio.sleep(x) for x in a}"
        ),
    ),
    "what a generator walks": (
        "return sum(x for x in [os.system('x')])",
        "return sum(x for x in [await anyio.to_thread.run_sync(os.system, 'x')])",
    ),
    "text with a call in it": (
        "return f\"{os.system('x')} {os.system('y').real:>5}\"",
        (
            "return f\"{await anyio.to_thread.run_sync(os.system, 'x')}"
            " {(await anyio.to_thread.run_sync(os.system, 'y')).real:>5}\""
        ),
    ),
    "blocks": (
        "with urllib.request.urlopen('x') as f:\n    for x in f:\n        time.sleep(1)",
        (
            "with await anyio.to_thread.run_sync(urllib.request.urlopen, 'x') as f:\n"
            "    for x in f:\n        await anyio.sleep(1)"
        ),
    ),
    "a name that means something else": (
        "def time(): ...\nopen_ = time\nrequests = a\nreturn requests.get(a)",
        "def time(): ...\nopen_ = time\nrequests = a\nreturn requests.get(a)",
    ),
    "nothing that waits": ("return 'x'", "return 'x'"),
}


@pytest.mark.parametrize(("before", "after"), WAITING.values(), ids=WAITING)
def test_a_call_waits_without_holding_the_loop(tmp_path: Path, before: str, after: str) -> None:
    assert turned(tmp_path, before) == (after, [])


def test_arguments_with_names_go_along(tmp_path: Path) -> None:
    after, findings = migrated(tmp_path, view("subprocess.run(['x'], check=True)\nsubprocess.run(**a)"), "index")
    assert "    await anyio.to_thread.run_sync(functools.partial(subprocess.run, ['x'], check=True))\n" in after
    assert "    await anyio.to_thread.run_sync(functools.partial(subprocess.run, **a))\n" in after
    assert after.startswith("import functools\nimport hashlib\n")
    assert findings == []


NOTED = {
    "files": ("open('x')\na.read_text()", [f"17: open(): {FILE}", f"18: a.read_text(): {FILE}"]),
    "databases": (
        "import sqlite3\ndb = sqlite3.connect('x')\ndb.execute('x').fetchall()\ndb.commit()",
        [
            f"18: sqlite3.connect(): {DATABASE}",
            f"19: db.execute('x').fetchall(): {DATABASE}",
            f"19: db.execute(): {DATABASE}",
            f"20: db.commit(): {DATABASE}",
        ],
    ),
    "a function inside": (
        "def lines():\n    yield time.sleep(1)\nreturn lines()",
        ["18: time.sleep(): it still blocks: it is in a function inside the view"],
    ),
    "a lambda": (
        "return lambda: requests.get('x')",
        ["17: requests.get(): it still blocks: it is in a function inside the view"],
    ),
    "a class": ("class X:\n    time.sleep(1)", ["18: time.sleep(): it still blocks: it is in a class inside the view"]),
    "a generator expression": (
        "return list(os.system(y) for y in a), [z for y in (x for x in [os.system(x) for x in a])]",
        ["17: os.system(): it still blocks: it is in a generator expression"],
    ),
    "what is made of requests": (
        "s = requests.Session()",
        ["17: requests.Session(): it is no plain call: what is made of it may block"],
    ),
}


@pytest.mark.parametrize(("body", "findings"), NOTED.values(), ids=NOTED)
def test_a_call_that_cannot_wait_stays_and_is_told(tmp_path: Path, body: str, findings: list[str]) -> None:
    after, found = turned(tmp_path, body)
    assert found == findings
    if "generator" not in str(findings):
        assert after == body


def test_what_a_generator_expression_walks_can_wait_though_the_rest_cannot(tmp_path: Path) -> None:
    after, _ = turned(tmp_path, "return [x for x in (y for y in [os.system(z) for z in a])], (os.system(y) for y in a)")
    assert after == (
        "return [x for x in (y for y in [await anyio.to_thread.run_sync(os.system, z) for z in a])],"
        " (os.system(y) for y in a)"
    )


# requests and httpx


TO_HTTPX = {
    "what is asked of the answer": (
        "return requests.get('http://x').json()",
        "return (await current_app.state.http.get('http://x')).json()",
    ),
    "an answer with a name": (
        (
            "r = requests.post('http://x', json={'a': 1}, headers=a, timeout=2.5, auth=(1, 2))\n"
            "r.raise_for_status()\nreturn r.text, r.status_code, r.headers['x'], r.content, dict(r=a.r)"
        ),
        (
            "r = await current_app.state.http.post('http://x', json={'a': 1}, headers=a, timeout=2.5, auth=(1, 2))\n"
            "r.raise_for_status()\nreturn r.text, r.status_code, r.headers['x'], r.content, dict(r=a.r)"
        ),
    ),
    "an answer that nobody reads": (
        "requests.put(url='x', data={'a': 'b'}, allow_redirects=False, timeout=None)",
        "await current_app.state.http.put(url='x', data={'a': 'b'}, follow_redirects=False, timeout=None)",
    ),
    "several": (
        "return [requests.get(x, params={'q': x}).json() for x in a], requests.options(a).text",
        (
            "return [(await current_app.state.http.get(x, params={'q': x})).json() for x in a],"
            " (await current_app.state.http.options(a)).text"
        ),
    ),
    "names of its own": (
        "from requests import get as fetch\nreturn fetch('x').text",
        "from requests import get as fetch\nreturn (await current_app.state.http.get('x')).text",
    ),
    "exceptions": (
        (
            "try:\n    requests.get('x')\n"
            "except (ValueError, requests.Timeout):\n    pass\n"
            "except requests.exceptions.HTTPError as error:\n    return str(error), error.response.status_code\n"
            "except requests.RequestException as error:\n    return str(error), a.response"
        ),
        (
            "try:\n    await current_app.state.http.get('x')\n"
            "except (ValueError, httpx.TimeoutException):\n    pass\n"
            "except httpx.HTTPStatusError as error:\n    return str(error), error.response.status_code\n"
            "except httpx.HTTPError as error:\n    return str(error), a.response"
        ),
    ),
}


@pytest.mark.parametrize(("before", "after"), TO_HTTPX.values(), ids=TO_HTTPX)
def test_a_call_of_requests_becomes_one_of_httpx(tmp_path: Path, before: str, after: str) -> None:
    assert turned(tmp_path, before) == (after, [])


TO_A_THREAD = {
    "another kind of call": ("requests.head('x')", "requests.head on line 17 has no twin that does the same"),
    "a stream": ("requests.get('x', stream=True)", "stream on line 17 may mean something else there"),
    "a second argument": ("requests.get('x', a)", "its second argument on line 17 may mean something else there"),
    "starred arguments": ("requests.get(*a)", "* on line 17 may mean something else there"),
    "named arguments": ("requests.get(**a)", "** on line 17 may mean something else there"),
    "two time-outs": ("requests.get('x', timeout=(1, 2))", "timeout on line 17 may mean something else there"),
    "a body of a get": ("requests.get('x', json=a)", "json on line 17 may mean something else there"),
    "data that may be bytes": ("requests.post('x', data=a)", "data on line 17 may mean something else there"),
    "any credentials": ("requests.post('x', auth=a)", "auth on line 17 may mean something else there"),
    "an attribute": (
        "r = requests.get('x')\nreturn r.url",
        "`.url` of its answer, on line 18, differs there",
    ),
    "an attribute at once": ("return requests.get('x').ok", "`.ok` of its answer, on line 17, differs there"),
    "an answer that goes on": (
        "r = requests.get('x')\nreturn a(r)",
        "'r' goes on to something else on line 18",
    ),
    "an answer that goes on at once": (
        "return a(requests.get('x'))",
        "its answer goes on to something else on line 17",
    ),
    "an exception without a twin": (
        "try:\n    requests.get('x')\nexcept requests.ConnectionError:\n    pass",
        "requests.ConnectionError on line 19 has no twin there",
    ),
    "an exception elsewhere": (
        "requests.get('x')\nraise requests.Timeout",
        "requests.Timeout on line 18 has no twin there",
    ),
    "an exception inside a handler": (
        "try:\n    requests.get('x')\nexcept ValueError:\n    raise requests.Timeout",
        "requests.Timeout on line 20 has no twin there",
    ),
    "what an exception has": (
        "try:\n    requests.get('x')\nexcept requests.RequestException as e:\n    return e.response",
        "e.response on line 20 may not be there",
    ),
}


@pytest.mark.parametrize(("body", "reason"), TO_A_THREAD.values(), ids=TO_A_THREAD)
def test_a_call_that_httpx_takes_otherwise_goes_to_a_thread(tmp_path: Path, body: str, reason: str) -> None:
    after, found = turned(tmp_path, body)
    assert "await anyio.to_thread.run_sync(" in after
    assert "httpx" not in after
    assert [line.split(": ", 2)[2] for line in found] == [f"{ELSEWHERE}: {reason}"]


def test_all_calls_of_requests_in_a_view_go_the_same_way(tmp_path: Path) -> None:
    after, found = turned(tmp_path, "requests.get('x')\nf = lambda: requests.get('y')\nrequests.head('z')")
    assert after == (
        "await anyio.to_thread.run_sync(requests.get, 'x')\nf = lambda: requests.get('y')\n"
        "await anyio.to_thread.run_sync(requests.head, 'z')"
    )
    assert found == [
        f"17: requests.get(): {ELSEWHERE}: it is in a function inside the view, on line 18",
        "18: requests.get(): it still blocks: it is in a function inside the view",
        f"19: requests.head(): {ELSEWHERE}: it is in a function inside the view, on line 18",
    ]


@pytest.mark.parametrize(
    "handler",
    [
        "@app.errorhandler(requests.Timeout)\ndef late(e): ...\n",
        "app.register_error_handler(requests.Timeout, print)\n",
    ],
)
def test_an_error_handler_for_what_requests_raises_keeps_it(tmp_path: Path, handler: str) -> None:
    after, found = turned(tmp_path, "requests.get('x')", handler)
    assert after == "await anyio.to_thread.run_sync(requests.get, 'x')"
    assert found[0].endswith("an error handler waits for requests.Timeout on line 13")


# The client, and imports


CLIENT = """\
@app.lifespan
async def http_client():
    # Like requests.get: it follows redirects, waits without a limit, and keeps no cookies.
    jar = cookiejar.CookieJar(cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    async with httpx.AsyncClient(cookies=jar, follow_redirects=True, timeout=None) as client:
        yield {"http": client}
"""


def test_an_application_in_the_same_module_gets_the_client(tmp_path: Path) -> None:
    before = """\
        import requests
        from flask import Flask

        app: Flask = Flask(__name__)
        @app.get("/")
        def index():
            return requests.get("http://x").text
        @app.get("/other")
        def other():
            return requests.get("http://y").text
        """
    after, findings = migrated(tmp_path, before, "index")
    assert after == (
        "from http import cookiejar\n\nimport httpx\nimport requests\nfrom duoframe.flask import Flask, current_app\n\n"
        f'app: Flask = Flask(__name__)\n\n\n{CLIENT}\n\n@app.get("/")\nasync def index():\n'
        '    return (await current_app.state.http.get("http://x")).text\n'
        '@app.get("/other")\ndef other():\n    return requests.get("http://y").text\n'
    )
    assert findings == []
    again, _ = migrated(tmp_path, after, "app:other")
    assert again == after.replace("def other", "async def other").replace(
        'requests.get("http://y").text', '(await current_app.state.http.get("http://y")).text'
    )


def test_an_application_in_a_factory_gets_the_client_in_there(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "shop/__init__.py": """
            from flask import Flask
            from .views import bp
            def create_app():
                app = Flask(__name__)
                app.register_blueprint(bp)
                return app""",
            "shop/views.py": """
            from flask import Blueprint
            import requests as r
            bp = Blueprint("x", __name__)
            @bp.route("/")
            def index():
                return r.get("http://x").text""",
            "tests/test_shop.py": """
            from flask import Flask
            other = Flask("other")""",
        },
    )
    planned = plan(tmp_path, ["shop.views:index"])
    after = {path.relative_to(tmp_path).as_posix(): data.decode() for path, (_, data) in planned.changed.items()}
    assert after["shop/__init__.py"] == (
        "from http import cookiejar\n\nimport httpx\nfrom duoframe.flask import Flask\nfrom .views import bp\n"
        "def create_app():\n    app = Flask(__name__)\n\n"
        + textwrap.indent(CLIENT, "    ")
        + "\n    app.register_blueprint(bp)\n    return app"
    )
    assert after["shop/views.py"] == (
        "from duoframe.flask import Blueprint, current_app\nimport requests as r\n"
        'bp = Blueprint("x", __name__)\n@bp.route("/")\nasync def index():\n'
        '    return (await current_app.state.http.get("http://x")).text'
    )
    assert "lifespan" not in after["tests/test_shop.py"]


def test_without_one_application_the_calls_go_to_a_thread(tmp_path: Path) -> None:
    text = 'import requests\nfrom x import app\n@app.get("/")\ndef index():\n    return requests.get("x").text\n'
    after, findings = migrated(tmp_path, text, "index")
    assert '(await anyio.to_thread.run_sync(requests.get, "x")).text' in after
    assert "no application was found that could hold a client of httpx" in told(findings)[0]


def test_the_client_keeps_no_cookies_and_follows_redirects() -> None:
    """Two users' requests go through one client: what the other side sets for one is not sent for the other."""
    scope: dict[str, Any] = {"httpx": httpx, "cookiejar": cookiejar, "app": duoframe.App()}
    exec(CLIENT, scope)
    sent: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.url.path == "/old":
            return httpx.Response(302, headers={"location": "/new", "set-cookie": "user=1"})
        return httpx.Response(200, headers={"set-cookie": "user=2; Path=/"})

    async def ask() -> None:
        opened = await anext(scope["http_client"]())
        client = opened["http"]
        client._transport = httpx.MockTransport(answer)
        for _ in range(2):
            assert (await client.get("http://x/old")).status_code == 200
        await client.aclose()

    asyncio.run(ask())
    assert [request.url.path for request in sent] == ["/old", "/new"] * 2
    assert [request.headers.get("cookie") for request in sent] == [None] * 4


def test_a_client_that_is_there_is_used(tmp_path: Path) -> None:
    own = "\n@app.lifespan\ndef own():\n    yield {'http': None}\n"
    after, _ = migrated(tmp_path, view("requests.get('x')", own), "index")
    assert "http_client" not in after
    assert "import httpx" not in after


def test_a_client_stands_behind_an_application_that_ends_its_file(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"views.py": "import requests\nfrom main import app\n@app.get('/')\ndef index(): requests.get('x')"},
    )
    (tmp_path / "main.py").write_bytes(b"import os\r\nfrom duoframe.flask import Flask\r\napp = Flask('x')")
    after = plan(tmp_path, ["index"]).changed[tmp_path / "main.py"][1].decode()
    client = CLIENT.replace("\n", "\r\n")
    assert after == (
        "import os\r\nfrom http import cookiejar\r\nimport httpx\r\nfrom duoframe.flask import Flask\r\n"
        f"app = Flask('x')\r\n\r\n\r\n{client}"
    )


IMPORTS = {
    "among its kind": (
        "import abc\nimport zlib\nfrom os import path\n\nimport werkzeug\n",
        "import abc\nimport functools\nimport zlib\nfrom os import path\n\nimport anyio\nimport werkzeug\n",
    ),
    "behind its kind": (
        "import abc\n\nimport aaa\nfrom . import x\n",
        "import abc\nimport functools\n\nimport aaa\nimport anyio\nfrom . import x\n",
    ),
    "without others": ("import zlib\n", "import functools\nimport zlib\n\nimport anyio\n"),
    "without the library's": ("import werkzeug\n", "import functools\n\nimport anyio\nimport werkzeug\n"),
    "behind the future": (
        '"""x"""\nfrom __future__ import annotations\nimport zlib\n',
        '"""x"""\nfrom __future__ import annotations\nimport functools\nimport zlib\n\nimport anyio\n',
    ),
    "that are there": (
        "import functools, os\nimport anyio.to_thread, anyio\nfrom x import *\n",
        "import functools, os\nimport anyio.to_thread, anyio\nfrom x import *\n",
    ),
    "that are there for a function": (
        "import zlib\ndef f():\n    import anyio\n    return anyio\n",
        "import functools\nimport zlib\n\nimport anyio\ndef f():\n    import anyio\n    return anyio\n",
    ),
    "none": ('"""x"""\nx = 1\n', '"""x"""\nimport functools\n\nimport anyio\nx = 1\n'),
    "none before a function": ("@print\ndef f(): ...\n", "import functools\n\nimport anyio\n@print\ndef f(): ...\n"),
    "on a condition": (
        "try:\n    import x\nexcept ImportError:\n    x = 1\n",
        "import functools\n\nimport anyio\ntry:\n    import x\nexcept ImportError:\n    x = 1\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), IMPORTS.values(), ids=IMPORTS)
def test_imports_stand_where_one_would_put_them(tmp_path: Path, before: str, after: str) -> None:
    code = "@app.get('/')\ndef index():\n    import subprocess\n    subprocess.run('x', check=1)\n"
    moved, _ = migrated(tmp_path, before + code, "index")
    assert moved.partition("@app")[0] == after


JOINED = {
    "in order": (
        "from duoframe.flask import Flask, g  # x\n",
        "from duoframe.flask import Flask, current_app, g  # x\n",
    ),
    "at the end": ("from duoframe.flask import Flask as A\n", "from duoframe.flask import Flask as A, current_app\n"),
    "on lines": (
        "from duoframe.flask import (\n    Flask,\n    g,\n)\n",
        "from duoframe.flask import (\n    Flask,\n    current_app,\n    g,\n)\n",
    ),
    "at the end of lines": (
        "from duoframe.flask import (\n    Flask,  # x\n)\n",
        "from duoframe.flask import (\n    Flask, current_app,  # x\n)\n",
    ),
    "nowhere": (
        "from duoframe import flask\nfrom flask import *\n",
        "from duoframe import flask\nfrom duoframe.flask import current_app\nfrom flask import *\n",
    ),
}


@pytest.mark.parametrize(("before", "after"), JOINED.values(), ids=JOINED)
def test_current_app_joins_what_is_imported_from_there(tmp_path: Path, before: str, after: str) -> None:
    code = (
        "import requests\nfrom duoframe.flask.app import Flask as F\napp = F('x')\n"
        "@app.lifespan\ndef f(): yield {'http': 1}\n"
        "@app.get('/')\ndef index(): requests.get('x')\n"
    )
    assert migrated(tmp_path, before + code, "index")[0].partition("import requests")[0] == after


# Which view it is, and whether it can


def test_several_views_are_turned_one_after_another(tmp_path: Path) -> None:
    text = "@app.get('/a')\ndef a(): ...\n@app.get('/b')\ndef b(): ...\n@app.get('/c')\ndef c(): ...\n"
    assert migrated(tmp_path, text, "a", "c")[0] == text.replace("def a", "async def a").replace("def c", "async def c")


def test_a_view_that_waits_already_stays(tmp_path: Path) -> None:
    text = "@app.get('/')\nasync def index(): ...\n"
    after, findings = migrated(tmp_path, text, "index")
    assert (after, told(findings)) == (text, ["2: index: is `async def`"])
    assert findings[0].fine


VIEWS = {
    "a route": "@app.route('/')\ndef index(): ...",
    "a method": "@bp.post('/')\ndef index(): ...",
    "a hook": "@bp.before_request\ndef index(): ...",
    "an error handler": "@app.errorhandler(404)\ndef index(e): ...",
    "a rule": "def index(): ...\napp.add_url_rule('/', view_func=index)",
    "a handler": "def index(e): ...\napp.register_error_handler(404, index)",
    "in a factory": "def create_app():\n    @app.route('/')\n    def index(): ...",
    "two routes": "@app.route('/')\n@app.route('/a')\ndef index(): ...",
    "a decorator outside of the route": "@print\n@app.route('/')\ndef index(): ...",
    "an exemption": "@app.route('/')\n@csrf.exempt\ndef index(): ...",
    "Flask-Login": "from flask_login import login_required\n@app.route('/')\n@login_required\ndef index(): ...",
    "a decorator that awaits": "def own(f):\n    async def inner():\n        return await f()\n    return inner\n"
    "@app.route('/')\n@own\ndef index(): ...",
    "a decorator that asks": "def own(x):\n    return lambda f: lambda: app.ensure_sync(f)()\n"
    "@app.route('/')\n@own(1)\ndef index(): ...",
    "another of that name": "class A:\n    def index(self): ...\ndef f():\n    def index(): ...\n    index()\n"
    "@app.route('/')\ndef index(): ...",
    "a generator inside": "@app.route('/')\ndef index():\n    def lines(): yield 1\n    return lambda: (yield)",
}


@pytest.mark.parametrize("text", VIEWS.values(), ids=VIEWS)
def test_what_a_route_leads_to_is_a_view(tmp_path: Path, text: str) -> None:
    after, _ = migrated(tmp_path, text, "index")
    assert after.count("async def index") == 1


def test_a_method_of_a_class_of_views(tmp_path: Path) -> None:
    text = """\
        import time
        from duoframe.flask.views import MethodView
        class Items(MethodView):
            def get(self):
                time.sleep(1)
            def post(self):
                return self.other()
        class Others(Items):
            def get(self): ...
        """
    after, _ = migrated(tmp_path, text, "app:Items.get")
    assert "    async def get(self):\n        await anyio.sleep(1)\n" in after
    assert after.count("async") == 1


REFUSED = {
    "nothing": ("x = 1", "no view 'index': no function of that name was found"),
    "no view": ("def index(): ...", "app.py:1: 'index' stays as it is: no route leads to it, so it is no view"),
    "no class of views": (
        "class index:\n    def index(self): ...",
        "no view 'index': no function of that name was found",
    ),
    "a generator": (
        "@app.get('/')\ndef index():\n    x = yield 1",
        "app.py:2: 'index' stays as it is: it is a generator: let it return a stream that a function inside it makes",
    ),
    "a view that is called": (
        "@app.get('/')\ndef index(): ...\n@app.get('/b')\ndef b(): return index()",
        "app.py:2: 'index' stays as it is: it is called as a function in app.py:4",
    ),
    "a decorator": (
        "def own(f):\n    return f\n@app.get('/')\n@own\ndef index(): ...",
        (
            "app.py:5: 'index' stays as it is: its decorator 'own' (app.py:1) calls it as a plain function;"
            " let it call `current_app.ensure_sync(view)(...)` first"
        ),
    ),
    "an unknown decorator": (
        "import x\n@app.get('/')\n@x.own(1)\ndef index(): ...",
        "app.py:4: 'index' stays as it is: whether its decorator 'x.own' awaits it cannot be told",
    ),
    "two views": (
        "@app.get('/')\ndef index(): ...\n@bp.get('/')\ndef index(): ...",
        "'index' is several views: app.py:2, app.py:4; say MODULE:NAME",
    ),
    "a name that is taken": (
        "import time\nanyio = 1\n@app.get('/')\ndef index(): time.sleep(1)",
        "app.py:4: 'index' stays as it is: 'anyio' on line 2 of app.py means something else than it needs: rename that",
    ),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_view_that_cannot_wait_is_refused_with_the_reason(
    tmp_path: Path, text: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("app.py").write_text(text)
    with pytest.raises(Refusal) as refused:
        plan(Path("app.py"), ["index"])
    assert str(refused.value) == reason


@pytest.mark.parametrize("call", ["self.get()", "super().get()"])
def test_a_method_that_its_class_calls_is_refused(tmp_path: Path, call: str) -> None:
    text = f"class A(MethodView):\n    def get(self): ...\n    def head(self): return {call}\n"
    with pytest.raises(Refusal, match=r"'A\.get' stays as it is: it is called as a function in .*app.py:3"):
        migrated(tmp_path, text, "A.get")


@pytest.mark.parametrize(
    "call", ["from pages import index\nindex()", "import pages\npages.index()", "from . import pages as p\np.index()"]
)
def test_a_view_that_another_module_calls_is_refused(tmp_path: Path, call: str) -> None:
    (tmp_path / "pages.py").write_text("@app.get('/')\ndef index(): ...\n")
    (tmp_path / "other.py").write_text(call)
    with pytest.raises(Refusal, match=r"it is called as a function in .*other.py:2"):
        plan(tmp_path, ["index"])


def test_a_view_of_a_package_that_another_module_calls_is_refused(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"pages/__init__.py": "@app.get('/')\ndef index(): ...\n", "other.py": "from pages import index\nindex()\n"},
    )
    with pytest.raises(Refusal, match=r"it is called as a function in .*other.py:2"):
        plan(tmp_path, ["pages:index"])


def test_a_module_says_which_of_two_views(tmp_path: Path) -> None:
    text = "@app.get('/')\ndef index(): ...\n"
    lay(tmp_path, {"shop/a/views.py": text, "shop/b/views.py": text, "broken.py": "def index(:"})
    assert [*plan(tmp_path, ["b.views:index"]).changed] == [tmp_path / "shop" / "b" / "views.py"]
    with pytest.raises(Refusal, match="several views"):
        plan(tmp_path, ["views:index"])
    with pytest.raises(Refusal, match="no function"):
        plan(tmp_path, ["other.views:index"])
