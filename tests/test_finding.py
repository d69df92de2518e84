"""How an application is found: by target, by module, by setting, and what is said where there is none."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from duoframe.finding import VARIABLE, FindError, Target, find, read_target

Write = Callable[[str, str], None]

APP = "from duoframe import App\napp = App()\n"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file of the project, whose folder is the current one; what is imported from it is forgotten again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)

    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(target: str | None = None) -> FindError:
    with pytest.raises(FindError) as caught:
        find(target)
    assert "\n" not in str(caught.value)
    return caught.value


# What a target says.


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("shop", Target("shop", "", None)),
        ("shop.web:app", Target("shop.web", "app", None)),
        ("shop:site.app", Target("shop", "site.app", None)),
        ("shop:create_app()", Target("shop", "create_app", ((), {}))),
        ("shop:make.app('dev', debug=True)", Target("shop", "make.app", (("dev",), {"debug": True}))),
    ],
)
def test_a_target_is_taken_apart(text: str, target: Target) -> None:
    assert read_target(text) == target


@pytest.mark.parametrize(
    "text",
    [
        *("shop:", ":app", "shop..web:app", "--reload", "shop:\0", "shop:a b", "shop:1", "shop:app[0]"),
        *("shop:f(x)", "shop:f(**{})", "shop:f({[]: 1})", "shop:f()()"),
    ],
)
def test_a_target_that_cannot_be_read_is_an_option_misspelt(text: str) -> None:
    """P-22: exit code 2."""
    with pytest.raises(FindError, match="expected a target like 'module:app'") as caught:
        read_target(text)
    assert caught.value.code == 2


@pytest.mark.parametrize("text", ["shop/web.py:app", "./shop/web.py", "shop/web"])
def test_a_path_is_answered_with_the_module(text: str) -> None:
    with pytest.raises(FindError, match=r"expected the name of a module, as 'shop\.web'") as caught:
        read_target(text)
    assert caught.value.code == 2


# What is found.


@pytest.mark.parametrize(
    ("source", "target", "found"),
    [
        (APP, "shop:app", "shop:app"),
        (APP, "shop", "shop:app"),
        ("from duoframe import App\napplication = App()\n", "shop", "shop:application"),
        ("from duoframe import App\napp = 7\nsite = also = App()\n", "shop", "shop:site"),
        ("from duoframe import App\nclass Site:\n    app = App()\n", "shop:Site.app", "shop:Site.app"),
        ("from duoframe import App\ndef create_app(): return App()\n", "shop", "shop:create_app()"),
        ("from duoframe import App\ndef create_app(): return App()\n", "shop:create_app()", "shop:create_app()"),
        ("from duoframe import App\ndef make_app(debug=False): return App()\n", "shop", "shop:make_app()"),
        ("from duoframe import App\ndef create_app(n): ...\ndef make_app(): return App()", "shop", "shop:make_app()"),
        ("from duoframe import App\ncreate_app = App\n", "shop", "shop:create_app()"),
    ],
)
def test_an_application_is_found(write: Write, source: str, target: str, found: str) -> None:
    write("shop.py", source)
    assert find(target).target == found


def test_a_factory_is_given_its_literals(write: Write) -> None:
    write("shop.py", "from duoframe import App\ndef make(title, *, debug): return App(title=title, debug=debug)\n")
    app = find("shop:make('Shop', debug=True)").app
    assert (app.about.title, app.debug) == ("Shop", True)


def test_the_current_folder_comes_first(write: Write, tmp_path: Path) -> None:
    write("elsewhere/shop.py", "raise RuntimeError\n")
    write("shop.py", APP)
    sys.path.insert(0, str(tmp_path / "elsewhere"))
    find("shop")
    find("shop")
    assert sys.path[0] == os.getcwd()
    assert sys.path[1] != os.getcwd()


def test_what_is_not_named_is_looked_for(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment, by the project's settings, by the usual names."""
    for module in ("main", "app", "configured", "named"):
        write(f"{module}.py", APP)
        match module:
            case "configured":
                write("pyproject.toml", "[tool.duoframe]\napp = 'configured:app'\n")
            case "named":
                monkeypatch.setenv(VARIABLE, "named")
        assert find().target == f"{module}:app"


@pytest.mark.parametrize("settings", ["", "tool = 1", "[tool]\nduoframe = 1", "[tool.duoframe]\napp = ''"])
def test_settings_that_name_nothing_are_passed_over(write: Write, settings: str) -> None:
    write("pyproject.toml", settings)
    write("app.py", APP)
    assert find().target == "app:app"


# What is said where there is none: P-22, exit code 3.


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (APP, "shap", "no module 'shap' is to be found from"),
        (APP, "shop.web:app", "no module 'shop.web' is to be found from"),
        (APP, "shop:ap", "'shop' has no attribute 'ap'; did you mean 'app'?"),
        (APP, "shop:app.inner", "'shop.app' has no attribute 'inner'"),
        (APP, "shop:App", "expected 'shop:App' to be a duoframe App, got the class duoframe.app.App"),
        ("import os as app\n", "shop:app", "expected 'shop:app' to be a duoframe App, got the module os"),
        (
            f"{APP}import functools\napp = functools.partial(app)\n",
            "shop:app",
            "expected 'shop:app' to be a duoframe App, got a functools.partial; put WSGI or ASGI middleware around a",
        ),
        ("def create(): ...\n", "shop:create", "'shop:create' is a function; if it makes the application, say"),
        ("def create(): ...\n", "shop:create()", "expected 'shop:create()' to be a duoframe App, got a NoneType"),
        ("create = 7\n", "shop:create()", "expected 'create' to be a function that makes the application, got a int"),
        ("def create(name): ...\n", "shop:create()", "'create' cannot be called like this: missing a required arg"),
        ("async def create_app(): ...\n", "shop", "'shop:create_app()' is `async def`: declare the function"),
        (
            "from duoframe import App\none = App()\ntwo = App()\n",
            "shop",
            "module 'shop' has 2 applications; say which: 'shop:one' or 'shop:two'",
        ),
        (
            "app = [1]\n",
            "shop",
            "module 'shop' has no duoframe App and no create_app or make_app to call without arguments; its 'app' is a",
        ),
        ("", "shop", "to call without arguments; say where it is"),
        ("raise SystemExit(2)\n", "shop", "module 'shop' ended the process with SystemExit(2) when it was imported"),
        ("def create_app(): exit()\n", "shop", "'create_app' ended the process with SystemExit(None) when it was"),
    ],
)
def test_one_line_says_why_there_is_none(write: Write, source: str, target: str, said: str) -> None:
    """P-22."""
    write("shop.py", source)
    error = refusal(target)
    assert str(error).startswith(said) or (said in str(error) and not source)
    assert (error.code, error.traceback) == (3, "")


def test_nothing_named_and_nothing_there(write: Write) -> None:
    """P-22."""
    assert str(refusal()).startswith("no application is named; say which, as 'module:app', or set DUOFRAME_APP")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[tool", "pyproject.toml cannot be read: "),
        ("[tool.duoframe]\napp = 7", "pyproject.toml: expected [tool.duoframe] app to be a text like 'module:app'"),
    ],
)
def test_settings_that_cannot_be_read_are_told(write: Write, settings: str, said: str) -> None:
    write("pyproject.toml", settings)
    error = refusal()
    assert str(error).startswith(said)
    assert error.code == 3


def test_what_a_module_raises_is_told_from_its_own_first_line(write: Write, tmp_path: Path) -> None:
    """P-22: the user's own traceback and not ours."""
    write("broken.py", "def load():\n    import absent_dependency\n")
    write("shop.py", "import broken\nbroken.load()\n")
    error = refusal("shop:app")
    assert str(error) == ("module 'shop' cannot be imported: ModuleNotFoundError: No module named 'absent_dependency'")
    lines = error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path}/shop.py", line 2, in <module>'
    assert f'  File "{tmp_path}/broken.py", line 2, in load' in lines
    assert lines[-1] == "ModuleNotFoundError: No module named 'absent_dependency'"
    assert "finding.py" not in error.traceback
    assert "importlib" not in error.traceback


def test_a_module_that_python_cannot_read_is_told_with_its_line(write: Write, tmp_path: Path) -> None:
    """P-22."""
    write("shop.py", "app = (\n")
    error = refusal("shop")
    assert str(error).startswith("module 'shop' cannot be imported: SyntaxError: '(' was never closed")
    assert f'File "{tmp_path}/shop.py", line 1' in error.traceback
    assert "importlib" not in error.traceback


def test_what_a_factory_raises_is_told_from_its_own_first_line(write: Write, tmp_path: Path) -> None:
    write("shop.py", "def create_app():\n    raise RuntimeError('no\\x1b[2J database\\nhere')\n")
    error = refusal("shop")
    assert str(error) == r"'create_app' made no application: RuntimeError: no\x1b[2J database here"
    assert error.traceback.splitlines()[1] == f'  File "{tmp_path}/shop.py", line 2, in create_app'
    assert "\x1b" not in error.traceback
