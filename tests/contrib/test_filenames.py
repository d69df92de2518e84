"""Which file names a path may stand for, on systems of both kinds."""

from __future__ import annotations

import ntpath
import posixpath
from types import ModuleType
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duoframe.contrib import filenames
from duoframe.contrib.filenames import file_names

SYSTEMS = (posixpath, ntpath)

PLAIN = {
    "": (),
    "a.txt": ("a.txt",),
    "a.txt/": ("a.txt",),
    "css/app.css": ("css", "app.css"),
    "a b/c d": ("a b", "c d"),
    " a": (" a",),
    "a..b": ("a..b",),
    "%2e%2e": ("%2e%2e",),
    "über/中文/👩‍💻.png": ("über", "中文", "👩‍💻.png"),
    ".well-known/security.txt": (".well-known", "security.txt"),
    "a~b": ("a~b",),
    "null": ("null",),
    "console.js": ("console.js",),
    "my.con": ("my.con",),
    "com.css": ("com.css",),
    "common.js": ("common.js",),
    "comet": ("comet",),
    "x" * 255: ("x" * 255,),
}

REFUSED = [
    ".",
    "..",
    "../",
    "../a",
    "a/..",
    "a/../b",
    "./a",
    "a/./b",
    "a/.",
    "/",
    "//",
    "/a",
    "//a",
    "a//b",
    "a//",
    "/etc/passwd",
    "//server/share",
    "\\",
    "..\\a",
    "a\\..\\b",
    "\\\\server\\share\\a",
    "\\\\?\\C:\\a",
    "\\\\.\\NUL",
    "a\0",
    "\0",
    "a\nb",
    "a\x7f",
    "a\ud800",
    ".git/config",
    ".env",
    ".well-known2",
    ".well-known.d/a",
    "a/.hidden",
    "...",
    "x" * 256,
    "ü" * 128,
    "x" * 5000,
    "a/" * 2049,
]

REFUSED_ON_WINDOWS = [
    "C:",
    "C:a",
    "C:/a",
    "c:\\a",
    "a/C:/b",
    "a.txt:stream",
    "a.txt::$DATA",
    "?/C:/a",
    "a*",
    "a|b",
    '"a"',
    "<a>",
    "a.",
    "a ",
    "a. ",
    "a./b",
    "a /b",
    "PROGRA~1/a",
    "a~12.txt",
    *(
        name.format(device)
        for device in ("con", "PRN", "Aux", "nul", "COM1", "com9", "COM¹", "lpt3", "LPT²", "COM0", "CONIN$", "conout$")
        for name in ("{}", "{}.txt", "{}.txt.html", "{} .txt", "a/{}", "a/{}/", "{}/a", " {}", "{}.", "{} ")
    ),
]


@pytest.mark.parametrize("rules", SYSTEMS)
@pytest.mark.parametrize("path", PLAIN)
def test_plain_names_are_taken(path: str, rules: ModuleType) -> None:
    assert file_names(path, rules) == PLAIN[path]


@pytest.mark.parametrize("rules", SYSTEMS)
@pytest.mark.parametrize("path", REFUSED, ids=lambda path: ascii(path)[:30])
def test_what_is_no_plain_name_is_refused_on_every_system(path: str, rules: ModuleType) -> None:
    """R1: dot segments, empty ones, separators of any system, control characters, hidden files, long names."""
    assert file_names(path, rules) is None


@pytest.mark.parametrize("path", REFUSED_ON_WINDOWS)
def test_what_windows_would_read_otherwise_is_refused_by_its_rules(path: str) -> None:
    """R9: drives, streams, UNC, wildcards, short names, and devices with any extension."""
    assert file_names(path, ntpath) is None


@pytest.mark.parametrize("path", ["a:b", "con.txt", "a.", "a ", "a~1"])
def test_a_name_that_is_plain_here_is_not_refused_for_what_it_means_on_windows(path: str) -> None:
    """R9: the rules are those of the system."""
    assert file_names(path, posixpath) == (path,)
    assert file_names(path) == (path,)


AWKWARD = st.sampled_from(
    ["..", ".", "", "/", "\\", "\0", "%2e", "%2f", "C:", "\\\\?\\", "nul", "con.txt", "com1 ", "~1", "a", " ", "\ud800"]
)


@given(st.lists(AWKWARD | st.characters(), max_size=12).map("".join))
def test_names_that_are_taken_mean_themselves(path: str) -> None:
    """R1 and R9: joined by the rules of either system they are the path below the directory, and nothing else."""
    for rules in SYSTEMS:
        names = file_names(path, rules)
        if names is None:
            continue
        joined = rules.join("root", *names)
        assert joined.split(rules.sep) == ["root", *names]
        assert rules.normpath(joined) == joined
        assert not rules.isabs(joined)
        assert not rules.splitdrive(joined)[0]
        assert all(rules.basename(name) == name for name in names)
        assert "/".join(names) in (path, path[:-1])


@given(st.text())
def test_nothing_is_decoded_a_second_time(path: str) -> None:
    """R1: what the server decoded once is the name, percent signs and all."""
    names = file_names("%2e%2e/" + path)
    assert names is None or names[0] == "%2e%2e" != unquote(names[0])


def test_the_decision_needs_no_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """R5: the module has no way to one but `os.path`, of which it takes the name alone."""
    monkeypatch.delattr(filenames, "os")
    assert file_names("a/b", posixpath) == ("a", "b")
    assert file_names("//server/share", ntpath) is None
