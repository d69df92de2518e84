"""Imports of Flask and Werkzeug: what they become, what stays, and what is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duoframe.migrate.imports import move
from duoframe.migrate.leftovers import look
from duoframe.migrate.sources import Source
from tests.migrate.rewriting import migrated, told

MOVED = {
    "a name": ("from flask import Flask\n", "from duoframe.flask import Flask\n"),
    "names with others": (
        "from flask import Flask as F, request,g  # all\n",
        "from duoframe.flask import Flask as F, request,g  # all\n",
    ),
    "brackets and comments": (
        "from flask import (  # one\n    Flask,  # two\n    # three\n    g,\n)  # four\n",
        "from duoframe.flask import (  # one\n    Flask,  # two\n    # three\n    g,\n)  # four\n",
    ),
    "a backslash": (
        "from flask \\\n    import Flask, \\\n        g\n",
        "from duoframe.flask \\\n    import Flask, \\\n        g\n",
    ),
    "white space": ("from  flask  import  Flask\n", "from  duoframe.flask  import  Flask\n"),
    "one line": ("import os; from flask import g; x = 1\n", "import os; from duoframe.flask import g; x = 1\n"),
    "the package": ("import flask\nflask.g.x\n", "from duoframe import flask\nflask.g.x\n"),
    "the package by another name": ("import flask as f\nf.g.x\n", "import duoframe.flask as f\nf.g.x\n"),
    "the package among others": (
        "import os, flask, sys\nflask.g\n",
        "import os, duoframe.flask as flask, sys\nflask.g\n",
    ),
    "a module of it": (
        "import flask.views\nflask.views.View\nflask.g\n",
        "import duoframe.flask.views\nfrom duoframe import flask\nflask.views.View\nflask.g\n",
    ),
    "a module of it among others": (
        "import flask.views, os\nflask.views.View\n",
        "import duoframe.flask.views, duoframe.flask as flask, os\nflask.views.View\n",
    ),
    "a module of it by another name": (
        "import flask.views as v\nv.View\n",
        "import duoframe.flask.views as v\nv.View\n",
    ),
    "a module from it": ("from flask import views\nviews.View\n", "from duoframe.flask import views\nviews.View\n"),
    "a module that is called otherwise": (
        "import flask\nflask.wrappers.Request\nflask.helpers.redirect('/')\n",
        "from duoframe import flask\nflask.Request\nflask.redirect('/')\n",
    ),
    "a module that is called otherwise, whose name is imported": (
        (
            "from flask.wrappers import Request\nfrom flask.globals import request\n"
            "from flask.ctx import has_app_context\n"
        ),
        (
            "from duoframe.flask import Request\nfrom duoframe.flask.globals import request\n"
            "from duoframe.flask import has_app_context\n"
        ),
    ),
    "two places": (
        "from flask.ctx import RequestContext, has_app_context, AppContext\n",
        "from duoframe.flask import has_app_context\nfrom duoframe.flask.contexts import RequestContext, AppContext\n",
    ),
    "in a function": (
        "def f():\n\tfrom flask import g\n\timport flask\n\treturn g, flask.g\n",
        "def f():\n\tfrom duoframe.flask import g\n\tfrom duoframe import flask\n\treturn g, flask.g\n",
    ),
    "on a condition": (
        "try:\n    import flask\nexcept ImportError:\n    flask = None\nif flask: from flask import g\n",
        (
            "try:\n    from duoframe import flask\nexcept ImportError:\n"
            "    flask = None\nif flask: from duoframe.flask import g\n"
        ),
    ),
    "for a type checker": (
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flask import Flask\n"
            "    import flask.views\ndef f(app: 'Flask', view: 'flask.views.View') -> 'flask.Response': ...\n"
        ),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from duoframe.flask import Flask\n"
            "    import duoframe.flask.views\n    from duoframe import flask\n"
            "def f(app: 'Flask', view: 'flask.views.View') -> 'flask.Response': ...\n"
        ),
    ),
    "exceptions of Werkzeug": (
        (
            "from werkzeug.exceptions import NotFound, HTTPException as H\nfrom werkzeug import exceptions\n"
            "import werkzeug.exceptions as e\nexceptions.Gone, e.Gone\n"
        ),
        (
            "from duoframe.flask.exceptions import NotFound, HTTPException as H\n"
            "from duoframe.flask import exceptions\n"
            "import duoframe.flask.exceptions as e\nexceptions.Gone, e.Gone\n"
        ),
    ),
    "exceptions of Werkzeug in full": (
        "import werkzeug.exceptions\nraise werkzeug.exceptions.NotFound(werkzeug.exceptions.Gone.code)\n",
        (
            "import duoframe.flask.exceptions\n"
            "raise duoframe.flask.exceptions.NotFound(duoframe.flask.exceptions.Gone.code)\n"
        ),
    ),
    "Werkzeug as a whole": (
        "import werkzeug\nraise werkzeug.exceptions.NotFound\n",
        "import duoframe.flask.exceptions\nraise duoframe.flask.exceptions.NotFound\n",
    ),
    "wrappers of Werkzeug": (
        "from werkzeug.wrappers import Response\nfrom werkzeug import Response as R\n",
        "from duoframe.flask import Response\nfrom duoframe.flask import Response as R\n",
    ),
    "the module itself": (
        "import flask\nprint(flask, flask.globals)\n",
        "from duoframe import flask\nprint(flask, flask.globals)\n",
    ),
    "line ends": (
        b"import os\r\nimport flask.views\r\nflask.g\r\n",
        b"import os\r\nimport duoframe.flask.views\r\nfrom duoframe import flask\r\nflask.g\r\n",
    ),
    "mixed line ends": (b"x = 1\r\ny = 2\nimport flask\r\n", b"x = 1\r\ny = 2\nfrom duoframe import flask\r\n"),
    "a mark of the byte order": (b"\xef\xbb\xbfimport flask\n", b"\xef\xbb\xbffrom duoframe import flask\n"),
    "no line end at the end": (b"import flask", b"from duoframe import flask"),
    "another encoding": (
        b"# coding: latin-1\nname = '\xe9'\nfrom flask import g # \xe9\n",
        b"# coding: latin-1\nname = '\xe9'\nfrom duoframe.flask import g # \xe9\n",
    ),
    "no ASCII": (
        "é = 'ü'; import flask; flask.wrappers.Request\n",
        "é = 'ü'; from duoframe import flask; flask.Request\n",
    ),
    "form feeds": (
        b"\x0cimport flask\n\x0c\x0c\nif 1:\n \x0c  \x0c    flask.wrappers.Request\n  \x0cfrom flask import g\n",
        (
            b"\x0cfrom duoframe import flask\n\x0c\x0c\nif 1:\n"
            b" \x0c  \x0c    flask.Request\n  \x0cfrom duoframe.flask import g\n"
        ),
    ),
}


@pytest.mark.parametrize(("before", "after"), MOVED.values(), ids=MOVED)
def test_an_import_moves_and_all_around_it_stays(tmp_path: Path, before: str | bytes, after: str | bytes) -> None:
    path = tmp_path / "app.py"
    path.write_bytes(before if isinstance(before, bytes) else before.encode())
    source = Source(path, path.read_bytes())
    changes = move(source)
    look(changes)
    moved = source.edited(changes.edits)
    assert moved == (after if isinstance(after, bytes) else after.encode())
    assert changes.findings == []
    compile(moved, "app.py", "exec")
    again = move(Source(path, moved))
    assert (again.edits, again.findings) == ([], [])


SAME = {
    "a name that is not flask's": "from flaskr import flask\nflask.g\n",
    "a relative import": "from . import flask\nfrom .flask import g\nfrom .werkzeug.exceptions import X\nflask.x\n",
    "a variable": "def f(flask):\n    return flask.wrappers.Request\n",
    "markupsafe": "from markupsafe import Markup\n",
    "what has moved": "from duoframe.flask import g\nfrom duoframe import flask\nflask.views\n",
    "a logger": "import logging\nlogging.getLogger('werkzeug'), logging.getLogger('flask')\n",
    "an unused name of Werkzeug": "import werkzeug\n",
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_what_is_not_flasks_stays_and_is_not_told(tmp_path: Path, text: str) -> None:
    assert migrated(tmp_path, text) == (text, [])


UNTRIED = (
    "an extension that nobody has tried; what to expect of it, and what it needs, is in"
    " docs/reference/flask-extensions.md"
)

LEFT = {
    "a name that is not there": (
        "from flask import Flask, nothing, g, never as n\n",
        "from flask import nothing, never as n\nfrom duoframe.flask import Flask, g\n",
        [
            "1: flask.never: duoframe.flask has nothing that stands for it",
            "1: flask.nothing: duoframe.flask has nothing that stands for it",
        ],
    ),
    "a name that is not there, alone": (
        "from flask import nothing\n",
        "from flask import nothing\n",
        ["1: flask.nothing: duoframe.flask has nothing that stands for it"],
    ),
    "a name that is not there, on lines": (
        "from flask import (\n    nothing,\n    Flask,\n    never\n)\n",
        "from flask import nothing, never\nfrom duoframe.flask import (\n    Flask\n)\n",
        [
            "2: flask.nothing: duoframe.flask has nothing that stands for it",
            "4: flask.never: duoframe.flask has nothing that stands for it",
        ],
    ),
    "a name that is not there, with comments": (
        (
            "if 1:\n    from flask import (\n        nothing,\n"
            "        Flask, never,  # two\n        # g\n        g, neither\n    )\n"
        ),
        (
            "if 1:\n    from flask import nothing, never, neither\n    from duoframe.flask import (\n"
            "        Flask, # two\n        # g\n        g, \n    )\n"
        ),
        [
            "3: flask.nothing: duoframe.flask has nothing that stands for it",
            "4: flask.never: duoframe.flask has nothing that stands for it",
            "6: flask.neither: duoframe.flask has nothing that stands for it",
        ],
    ),
    "a name that is not there, behind another statement": (
        "x = 1; from flask import g, nothing\n",
        "x = 1; from flask import nothing; from duoframe.flask import g\n",
        ["1: flask.nothing: duoframe.flask has nothing that stands for it"],
    ),
    "a dotted name that is not there": (
        "import flask\nflask.g\nflask.debughelpers.X\nflask.views.Nothing\n",
        "from duoframe import flask\nflask.g\nflask.debughelpers.X\nflask.views.Nothing\n",
        [
            "3: flask.debughelpers.X: duoframe.flask has nothing that stands for it",
            "4: flask.views.Nothing: duoframe.flask has nothing that stands for it",
        ],
    ),
    "a module that is not there": (
        (
            "import flask.debughelpers\nfrom flask.debughelpers import X\n"
            "import flask.debughelpers as d\nfrom flask import wrappers\nd.X, wrappers.Request\n"
        ),
        (
            "from duoframe import flask\nfrom flask.debughelpers import X\n"
            "import flask.debughelpers as d\nfrom flask import wrappers\nd.X, wrappers.Request\n"
        ),
        [
            "2: flask.debughelpers.X: duoframe.flask has nothing that stands for it",
            "3: import flask.debughelpers: duoframe.flask has nothing that stands for it",
            "4: flask.wrappers: duoframe.flask has nothing that stands for it",
        ],
    ),
    "a module with another name": (
        "from flask import ctx\nctx.AppContext\n",
        "from flask import ctx\nctx.AppContext\n",
        ["1: flask.ctx: duoframe.flask has nothing that stands for it"],
    ),
    "a name in another module": (
        "from flask import globals\nglobals.nothing\nglobals.g\n",
        "from duoframe.flask import globals\nglobals.nothing\nglobals.g\n",
        ["2: flask.globals.nothing: duoframe.flask has nothing that stands for it"],
    ),
    "a name in the package": (
        "from flask import globals\nglobals.send_file\n",
        "from duoframe.flask import globals\nglobals.send_file\n",
        ["2: flask.globals.send_file: it is in duoframe.flask"],
    ),
    "all names": (
        "from flask import *\n",
        "from flask import *\n",
        ["1: from flask import *: which names it brings cannot be told: name them"],
    ),
    "Werkzeug's own": (
        (
            "from werkzeug.security import check_password_hash\nfrom werkzeug import security, exceptions\n"
            "import werkzeug.local as local\n"
        ),
        (
            "from werkzeug.security import check_password_hash\nfrom werkzeug import security\n"
            "from duoframe.flask import exceptions\nimport werkzeug.local as local\n"
        ),
        [
            "1: werkzeug.security.check_password_hash: stays Werkzeug's",
            "2: werkzeug.security: stays Werkzeug's",
            "3: werkzeug.local: stays Werkzeug's",
        ],
    ),
    "Werkzeug's own beside what moves": (
        (
            "import werkzeug.exceptions, werkzeug.security\n"
            "werkzeug.security.safe_join, werkzeug.exceptions.Gone, werkzeug.x\n"
        ),
        (
            "import werkzeug.exceptions, werkzeug.security\n"
            "werkzeug.security.safe_join, werkzeug.exceptions.Gone, werkzeug.x\n"
        ),
        [
            "2: werkzeug.exceptions.Gone: other names of Werkzeug keep it here: write duoframe.flask.exceptions",
            "2: werkzeug.security.safe_join: stays Werkzeug's",
            "2: werkzeug.x: duoframe.flask has nothing that stands for it",
        ],
    ),
    "Werkzeug by another name, in parts": (
        "import werkzeug.exceptions as e\ne.Gone, e.Nothing\n",
        "import werkzeug.exceptions as e\ne.Gone, e.Nothing\n",
        [
            "1: import werkzeug.exceptions: not all is in duoframe.flask.exceptions",
            "2: werkzeug.exceptions.Nothing: duoframe.flask has nothing that stands for it",
        ],
    ),
    "an import by text": (
        (
            "import importlib\nimportlib.import_module('flask.views')\n"
            "__import__('flask')\nimportlib.import_module('os')\n"
            "importlib.import_module(f'{1}')\n__import__()\n"
        ),
        None,
        [
            "2: importlib.import_module('flask.views'): an import by text: change it by hand",
            "3: __import__('flask'): an import by text: change it by hand",
            "5: importlib.import_module(f'{1}'): what it imports cannot be told",
        ],
    ),
    "a name in a text": (
        (
            "from unittest import mock\nmock.patch('flask.request')\nmock.patch('werkzeug.exceptions.Gone', 1)\n"
            "x = 'flask.cfg is a file', 'flask', b'flask.g'\n"
        ),
        None,
        [
            "2: 'flask.request': a name in a text: change it by hand",
            "3: 'werkzeug.exceptions.Gone': a name in a text: change it by hand",
            "4: b'flask.g': a name in a text: change it by hand",
        ],
    ),
    "an extension": (
        "import flask_login, os\nfrom flask_nothing.x import y\nimport flask_app\n",
        None,
        [
            (
                "1: Flask-Login: works once duoframe.flask.standing_in.install_as_flask() was called;"
                " what of it does not is in docs/reference/flask-extensions.md"
            ),
            f"2: flask_nothing: {UNTRIED}",
            f"3: flask_app: {UNTRIED}",
        ],
    ),
    "a wrapped door": (
        "from duoframe.flask import Flask\napp = Flask(__name__)\napp.wsgi_app = print(app.wsgi_app)\n",
        None,
        ["3: app.wsgi_app = print(app.wsgi_app): it wraps the WSGI door alone: give app.asgi_app one too"],
    ),
    "a wrapped door whose wrapper knows both": (
        "from werkzeug.middleware.proxy_fix import ProxyFix\napp.wsgi_app = ProxyFix(app.wsgi_app)\n",
        "from duoframe.flask.proxy_fix import ProxyFix\napp.wsgi_app = ProxyFix(app.wsgi_app)\n",
        [],
    ),
    "an overridden method": (
        (
            "from flask import Flask\nclass Own(Flask):\n    x = 1\n"
            "    def create_url_adapter(self, request): pass\n    def own(self): pass\n"
            "class Other(Own, metaclass=type):\n    def create_url_adapter(self, request): pass\n"
        ),
        (
            "from duoframe.flask import Flask\nclass Own(Flask):\n    x = 1\n"
            "    def create_url_adapter(self, request): pass\n    def own(self): pass\n"
            "class Other(Own, metaclass=type):\n    def create_url_adapter(self, request): pass\n"
        ),
        ["4: Own.create_url_adapter: the core does not call this method of Flask"],
    ),
}


@pytest.mark.parametrize(("before", "after", "findings"), LEFT.values(), ids=LEFT)
def test_what_cannot_move_stays_and_is_told_with_its_line(
    tmp_path: Path, before: str, after: str | None, findings: list[str]
) -> None:
    moved, found = migrated(tmp_path, before)
    assert moved == (before if after is None else after)
    assert told(found) == findings
    assert migrated(tmp_path, moved)[0] == moved


def test_a_module_of_the_application_is_nobodys_extension(tmp_path: Path) -> None:
    source = Source(tmp_path / "app.py", b"import flask_app\nfrom flask_app.views import index\n")
    assert move(source, {"flask_app"}).findings == []


LINES = [
    "x = 'é'",
    "\x0c",
    "# flask",
    "if 1:\n\tpass",
    "import os",
    '"""\n \x0cflask\n"""',
    "",
    "from  flask import g # é",
]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from(LINES), max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_a_file_comes_back_byte_for_byte_but_for_its_imports(lines: list[str], end: str, marked: bool) -> None:
    data = end.join(line.replace("\n", end) for line in lines).encode("utf-8-sig" if marked else "utf-8")
    source = Source(Path("x.py"), data)
    changes = move(source)
    assert len(changes.edits) == lines.count(LINES[-1])
    assert source.edited(changes.edits) == data.replace(b"from  flask", b"from  duoframe.flask")
