"""What applications import from Werkzeug, against Werkzeug's own."""

from __future__ import annotations

import importlib.util
import ntpath
import sys
from typing import Any

import pytest
import werkzeug.utils
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.security import safe_join as their_safe_join

from duoframe.flask import utils
from duoframe.flask.utils import cached_property, import_string, safe_join, secure_filename


@given(st.text())
@example("My cool movie.mov")
@example("../../../etc/passwd")
@example("i contain cool \xfcml\xe4uts.txt")
@example("\ufb01le ①.txt")
@example("a/b\\c.txt")
@example("...")
@example("con")
def test_a_secure_name_is_werkzeug_s(name: str) -> None:
    assert secure_filename(name) == werkzeug.utils.secure_filename(name)


@pytest.mark.parametrize(
    ("name", "safe"), [("CON", "_CON"), ("nul.txt", "_nul.txt"), ("com1.tar.gz", "_com1.tar.gz"), ("a\\con", "a_con")]
)
def test_on_windows_no_device_is_a_name(monkeypatch: pytest.MonkeyPatch, name: str, safe: str) -> None:
    monkeypatch.setattr(utils, "_WINDOWS", True)
    monkeypatch.setattr(utils, "_SEPARATORS", [ntpath.sep, ntpath.altsep])
    assert secure_filename(name) == safe


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        (("/base", "a/b.txt"), "/base/a/b.txt"),
        (("/base", "a", "b"), "/base/a/b"),
        (("/base", ""), "/base"),
        (("", "a"), "./a"),
        (("/base", "a//b/../c"), "/base/a/c"),
        (("/base", "../a"), None),
        (("/base", "a", ".."), None),
        (("/base", "a/../../b"), None),
        (("/base", "/etc/passwd"), None),
        (("/base", "//etc"), None),
        (("/base", ".."), None),
    ],
)
def test_joining_keeps_below_the_folder(parts: tuple[str, ...], joined: str | None) -> None:
    assert safe_join(*parts) == their_safe_join(*parts) == joined


@pytest.mark.parametrize("part", [".env", "a/.git/config", "a\\b", "a\x00b"])
def test_what_is_hidden_or_no_plain_name_is_not_joined(part: str) -> None:
    """Werkzeug leaves these to the system."""
    assert safe_join("/base", part) is None


@pytest.mark.parametrize("name", ["os.path", "os.path.join", "os.path:join", "json", "tests.flask.oracle:Side.get"])
def test_a_name_is_imported_as_by_werkzeug(name: str) -> None:
    if name.endswith("Side.get"):
        with pytest.raises(ImportError, match="Side"):
            import_string(name)
    else:
        assert import_string(name) is werkzeug.utils.import_string(name)


@pytest.mark.parametrize("name", ["missing_package", "os.missing", "os.path:missing", "missing.package:name"])
def test_a_name_that_is_not_there_is_named(name: str) -> None:
    for find in (import_string, werkzeug.utils.import_string):
        with pytest.raises(ImportError, match=name.split(":", maxsplit=1)[0]):
            find(name)
        assert find(name, silent=True) is None


def test_what_a_module_itself_misses_is_told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text("import missing_dependency")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="missing_dependency"):
        import_string("broken_module:name")


def test_a_cached_property_is_worked_out_once() -> None:
    class Counter:
        count = 0

        @cached_property
        def value(self) -> int:
            self.count += 1
            return self.count

    counter = Counter()
    assert (counter.value, counter.value) == (1, 1)


@pytest.fixture(params=["with markupsafe", "without"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as it is where markupsafe is installed, and where it is not."""
    if request.param == "with markupsafe":
        yield utils
        return
    monkeypatch.setitem(sys.modules, "markupsafe", None)
    spec = importlib.util.find_spec("duoframe.flask.utils")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def test_text_is_escaped_and_markup_is_not(either: Any) -> None:
    escaped = either.escape('<a href="\'">&')
    assert str(escaped).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") == "&lt;a href=&#34;&#39;&#34;&gt;&amp;"
    assert either.escape(either.Markup("<b>")) == "<b>"
    assert either.escape(5) == "5"
    assert isinstance(escaped, either.Markup)
