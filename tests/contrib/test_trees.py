"""Opening files below a directory, and nothing else, whatever links and races try."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from duoframe import ConfigurationError
from duoframe.contrib import trees
from duoframe.contrib.trees import MOST_LINKS, Tree

SECRET = "outside"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with a neighbour whose name begins like its own."""
    root = tmp_path / "root"
    (root / "css").mkdir(parents=True)
    (root / "css" / "app.css").write_text("app")
    (root / "a.txt").write_text("a")
    for outside in (tmp_path / "root1", tmp_path / "other"):
        outside.mkdir()
        (outside / "secret.txt").write_text(SECRET)
    return root


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """No test leaves a descriptor behind."""
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


def read(tree: Tree, *names: str) -> str | type[OSError]:
    """What is in the file, or the error of opening it."""
    try:
        with tree.open(names) as file:
            return file.read().decode()
    except OSError as error:
        return type(error)


@pytest.mark.parametrize("follow", [False, True])
def test_files_are_opened_by_their_names(root: Path, follow: bool) -> None:
    tree = Tree(root, follow)
    assert read(tree, "a.txt") == "a"
    assert read(tree, "css", "app.css") == "app"
    assert read(tree, "absent") is FileNotFoundError
    assert read(tree, "absent", "a.txt") is FileNotFoundError
    assert read(tree, "a.txt", "a.txt") is NotADirectoryError
    assert read(tree) is IsADirectoryError
    assert read(tree, "css") is IsADirectoryError


@pytest.mark.parametrize("follow", [False, True])
def test_what_is_no_regular_file_is_absent_and_holds_nobody_up(root: Path, follow: bool) -> None:
    """H-40: a FIFO without a writer, a socket, a device."""
    os.mkfifo(root / "fifo")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(root / "socket"))
    finally:
        listener.close()
    tree = Tree(root, follow)
    assert read(tree, "fifo") is FileNotFoundError
    assert read(tree, "socket") is OSError  # ENXIO
    assert read(Tree("/dev", follow), "null") is FileNotFoundError


def test_a_directory_that_is_not_there_is_refused_by_name(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a directory, got '.*/root/absent'"):
        Tree(root / "absent")
    with pytest.raises(ConfigurationError, match=r"expected a directory, got '.*/a\.txt'"):
        Tree(root / "a.txt")


def test_a_relative_root_stays_where_it_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    tree = Tree("root")
    monkeypatch.chdir("/")
    assert read(tree, "a.txt") == "a"


OUTWARD: list[Callable[[Path], str]] = [
    lambda root: str(root.parent / "other" / "secret.txt"),
    lambda root: str(root.parent / "root1" / "secret.txt"),
    lambda root: "../other/secret.txt",
    lambda root: "../root1/secret.txt",
    lambda root: "css/../../other/secret.txt",
    lambda root: f"{root}/../other/secret.txt",
    lambda root: "/proc/self/cwd/../../../../../../../etc/passwd",
]


@pytest.mark.parametrize("make", OUTWARD)
def test_a_link_that_leaves_the_root_counts_as_absent(root: Path, make: Callable[[Path], str]) -> None:
    """R2 and R3: absolute or relative, also to a sibling whose name begins like the root's."""
    (root / "link").symlink_to(make(root))
    assert read(Tree(root), "link") is FileNotFoundError


def test_a_linked_directory_outside_counts_as_absent(root: Path) -> None:
    """R2 and R3."""
    (root / "absolute").symlink_to(root.parent / "root1")
    (root / "relative").symlink_to("../root1")
    (root / "chain").symlink_to("absolute")
    for name in ("absolute", "relative", "chain"):
        assert read(Tree(root), name, "secret.txt") is FileNotFoundError
        assert read(Tree(root), name) is FileNotFoundError


def test_a_link_that_leads_outside_is_judged_without_touching_what_is_there(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R6: it makes no difference whether there is something."""
    (root / "present").symlink_to("../other/secret.txt")
    (root / "missing").symlink_to("../other/missing.txt")
    calls = counted(monkeypatch)
    tree = Tree(root)
    seen = []
    for name in ("present", "missing"):
        calls.clear()
        assert read(tree, name) is FileNotFoundError
        seen.append([(call, what) for call, what in calls if what != name])
    assert seen[0] == seen[1]
    assert [call for call, what in seen[0]] == ["open"]  # the root


def test_a_link_that_stays_inside_is_walked(root: Path) -> None:
    """R3: whatever its kind, and through a root that is reached by a link itself."""
    (root / "file").symlink_to("css/app.css")
    (root / "winding").symlink_to(".//css/../css/./app.css")
    (root / "directory").symlink_to(root / "css")
    (root / "chain").symlink_to("directory/app.css")
    (root / "css" / "up").symlink_to("../a.txt")
    (root / "whole").symlink_to(root)
    via = root.parent / "via"
    via.symlink_to(root)
    (root / "through").symlink_to(via / "a.txt")
    for tree in (Tree(root), Tree(via)):
        assert read(tree, "file") == read(tree, "winding") == read(tree, "chain") == "app"
        assert read(tree, "directory", "app.css") == "app"
        assert read(tree, "css", "up") == read(tree, "directory", "up") == read(tree, "whole", "a.txt") == "a"
    assert read(Tree(via), "through") == "a"


def test_links_in_a_circle_end(root: Path) -> None:
    """R3: an error, as the system's own."""
    (root / "circle").symlink_to("circle")
    (root / "here").symlink_to(".")
    for number in range(MOST_LINKS):
        (root / f"{number}").symlink_to("a.txt" if number == 0 else f"{number - 1}")
    (root / "one-more").symlink_to(f"{MOST_LINKS - 1}")
    tree = Tree(root)
    assert read(tree, "circle") is OSError
    assert read(tree, *["here"] * MOST_LINKS, "a.txt") == "a"
    assert read(tree, *["here"] * (MOST_LINKS + 1), "a.txt") is OSError
    assert read(tree, f"{MOST_LINKS - 1}") == "a"
    assert read(tree, "one-more") is OSError


def test_links_are_followed_where_that_is_asked_for(root: Path) -> None:
    """R3."""
    (root / "link").symlink_to("../other/secret.txt")
    (root / "directory").symlink_to(root.parent / "root1")
    tree = Tree(root, follow_symlinks=True)
    assert read(tree, "link") == read(tree, "directory", "secret.txt") == SECRET


def counted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Every call of `trees` into the system that names a file."""
    calls: list[tuple[str, Any]] = []

    class Counting:
        path = os.path

        def __getattr__(self, name: str) -> Any:
            value = getattr(os, name)
            if name not in ("open", "stat", "lstat", "readlink"):
                return value

            def call(*args: Any, **kwargs: Any) -> Any:
                calls.append((name, args[0]))
                return value(*args, **kwargs)

            return call

    monkeypatch.setattr(trees, "os", Counting())
    return calls


@pytest.mark.parametrize("swapped", ["css", "css/app.css"])
def test_what_is_swapped_for_a_link_on_the_way_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch, swapped: str
) -> None:
    """R3: between the opening of any two names, the next is replaced by a link that leads outside."""
    (root.parent / "other" / "app.css").write_text(SECRET)
    outside = root.parent / "other" / ("app.css" if swapped.endswith("app.css") else "")
    really_open = os.open
    before = {"css": str(root), "css/app.css": "css"}[swapped]

    def swap(path: Any, *args: Any, **kwargs: Any) -> int:
        opened = really_open(path, *args, **kwargs)
        if path == before:
            (root / swapped).rename(root / "moved")
            (root / swapped).symlink_to(outside)
        return opened

    monkeypatch.setattr(os, "open", swap)
    assert read(Tree(root), "css", "app.css") is FileNotFoundError
    assert (root / swapped).is_symlink()


def test_a_link_that_is_swapped_for_a_file_before_it_is_read_counts_as_absent(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R3."""
    (root / "link").symlink_to("a.txt")
    really_read = os.readlink

    def swap(path: str, *, dir_fd: int) -> str:
        os.replace(root / "css" / "app.css", root / "link")
        return really_read(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "readlink", swap)
    assert read(Tree(root), "link") is FileNotFoundError
    assert read(Tree(root), "link") == "app"


def test_a_tree_is_walked_by_many_threads_while_its_links_change(root: Path) -> None:
    """R3: a link that leads inside and outside in turn never gives what is outside."""
    (root.parent / "other" / "app.css").write_text(SECRET)
    tree = Tree(root)
    stop = threading.Event()
    seen: set[object] = set()

    def walk() -> None:
        while not stop.is_set():
            seen.add(read(tree, "link", "app.css"))

    walkers = [threading.Thread(target=walk) for _ in range(2)]
    for walker in walkers:
        walker.start()
    try:
        for number in range(300):
            (root / "next").symlink_to("css" if number % 2 else "../other")
            os.replace(root / "next", root / "link")
    finally:
        stop.set()
        for walker in walkers:
            walker.join()
    assert seen <= {"app", FileNotFoundError}
