"""Which application a name means: modules, files, names and factories, as Flask finds them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from duoframe.flask import Flask
from duoframe.flask.locating import NoAppError, load, locate

Write = Callable[[str, str], Path]

HEAD = "from duoframe.flask import Flask\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a module into an empty working folder; it is forgotten after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEAD + text)
        return path

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.mark.parametrize(
    "text",
    [
        "app = Flask('found')\nother = Flask('other')",
        "application = Flask('found')\nother = Flask('other')",
        "site = Flask('found')\nsame = site",
        "def create_app(): return Flask('found')",
        "def make_app(): return Flask('found')",
    ],
)
def test_a_module_means_its_application(write: Write, text: str) -> None:
    write("hello.py", text)
    assert locate("hello").name == "found"


@pytest.mark.parametrize("name", ["pack.part", "pack/part.py", "pack/part"])
def test_a_module_may_be_a_dotted_name_or_a_file(write: Write, name: str, tmp_path: Path) -> None:
    write("pack/__init__.py", "")
    write("pack/part.py", "app = Flask(__name__)")
    assert locate(name).import_name == "pack.part"
    assert sys.path[0] == str(tmp_path)
    assert locate(name).import_name == "pack.part"


def test_a_package_is_meant_by_its_own_file(write: Write) -> None:
    write("pack/__init__.py", "app = Flask(__name__)")
    assert locate("pack/__init__.py").import_name == "pack"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("hello:second", "second"),
        ("hello:make", "made None"),
        ("hello:make()", "made None"),
        ("hello:make('x')", "made x"),
        ("hello:make(name='x')", "made x"),
    ],
)
def test_a_name_after_a_colon_says_which(write: Write, name: str, found: str) -> None:
    write("hello.py", "app = Flask('app')\nsecond = Flask('second')\ndef make(name=None): return Flask(f'made {name}')")
    assert locate(name).name == found


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("hello", "", "'hello' has no application and no create_app or make_app: say what it is called"),
        ("hello", "a = Flask('a')\nb = Flask('b')", "'hello' has several applications: say which"),
        ("hello", "def create_app(name): ...", "takes other arguments"),
        ("hello", "def create_app(): return 7", "The factory 'create_app' of 'hello' gave no application, but 7"),
        ("hello:app", "", "There is no 'app' in 'hello'"),
        ("hello:app", "app = 7", "'hello:app' is no application, but 7"),
        ("hello:app.x", "", "Expected a name or a call with literal arguments, got 'app.x'"),
        ("hello:app(x)", "", "Expected a name or a call with literal arguments"),
        ("hello:app(", "", "Expected a name or a call with literal arguments"),
        ("hello:x.app()", "", "Expected a name or a call with literal arguments"),
        ("missing", "", "Could not import 'missing'"),
        ("missing.part", "", "Could not import 'missing.part'"),
    ],
)
def test_what_is_not_found_is_told_with_what_to_say_instead(write: Write, name: str, text: str, message: str) -> None:
    write("hello.py", text)
    with pytest.raises(NoAppError, match=message):
        locate(name)


def test_what_a_factory_or_a_module_raises_itself_is_not_hidden(write: Write) -> None:
    write("hello.py", "def create_app(): return len(7)")
    with pytest.raises(TypeError, match="has no len"):
        locate("hello")
    write("needy.py", "import a_module_that_is_not_there")
    with pytest.raises(ModuleNotFoundError, match="a_module_that_is_not_there"):
        locate("needy")


def test_a_module_is_imported_once(write: Write) -> None:
    write("hello.py", "app = Flask('x')")
    assert load("hello") is load("hello.py")
    assert isinstance(locate("hello"), Flask)
