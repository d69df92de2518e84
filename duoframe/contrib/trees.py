"""A directory whose files are opened by name, and never anything outside it.

Knows descriptors and symbolic links; must not know URLs: `filenames` says which names may come here.

Each name is opened relative to the descriptor of the directory before it, and no link is followed by the system, so
what was looked at is what is opened, whatever is renamed or replaced meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from io import FileIO

from duoframe.errors import ConfigurationError
from duoframe.files import READ_ONLY

MOST_LINKS = 40
"""Links that may be met on one way; as many as Linux follows."""


class Tree:
    """The files below ``root``, a directory; symbolic links out of it count as absent unless ``follow_symlinks``.

    Raises `ConfigurationError` where there is no such directory.
    """

    def __init__(self, root: str | os.PathLike[str], follow_symlinks: bool = False) -> None:
        self.root = os.path.abspath(root)
        self.follow_symlinks = follow_symlinks
        if not os.path.isdir(self.root):
            raise ConfigurationError(f"expected a directory, got {self.root!r}; make it before the application starts")

    def open(self, names: Iterable[str]) -> FileIO:
        """The regular file that ``names`` lead to, each a plain name; the caller closes it.

        Raises `OSError`: `IsADirectoryError` for a directory, `FileNotFoundError` for what is no regular file and for
        what lies outside.
        """
        descriptor = self._follow(names) if self.follow_symlinks else self._walk(names)
        try:
            mode = os.fstat(descriptor).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(mode):
                raise _absent()
            return FileIO(descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    def _follow(self, names: Iterable[str]) -> int:
        """A descriptor of what the system finds, wherever that is."""
        return os.open(os.path.join(self.root, *names), READ_ONLY)

    def _walk(self, names: Iterable[str]) -> int:
        """A descriptor of what is found below the root; a link is read and walked, never followed."""
        pending = [*names][::-1]
        links = 0
        way = [os.open(self.root, READ_ONLY | os.O_DIRECTORY)]
        try:
            while pending:
                name = pending.pop()
                if name == "..":  # of a link: no directory's own ".." is ever asked
                    os.close(way.pop())
                    if not way:
                        raise _absent()
                    continue
                try:
                    way.append(os.open(name, READ_ONLY | os.O_NOFOLLOW, dir_fd=way[-1]))
                    continue
                except OSError as error:
                    if error.errno != errno.ELOOP or links == MOST_LINKS:
                        raise
                links += 1
                target = _target(name, way[-1])
                if target.startswith("/"):
                    target = self._below(target)
                    _close(way, 1)
                pending += _parts(target)[::-1]
            return way.pop()
        finally:
            _close(way)

    def _below(self, target: str) -> str:
        """The rest of an absolute link's target that leads below the root. `FileNotFoundError` where it does not."""
        parts = _parts(target)
        for root in (self.root, os.path.realpath(self.root)):
            above = _parts(root)
            if parts[: len(above)] == above:
                return "/".join(parts[len(above) :])
        raise _absent()


def _target(name: str, directory: int) -> str:
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError:  # it was a link a moment ago
        raise _absent() from None


def _close(way: list[int], keep: int = 0) -> None:
    while len(way) > keep:
        os.close(way.pop())


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _absent() -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
