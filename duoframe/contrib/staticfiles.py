"""A directory of files as answers: which file a path means, in which encoding, and how long it may be kept.

Knows requests and what HTTP says of files; must not know how a path becomes names (`filenames`), how names become an
open file (`trees`), nor how a file is sent (`duoframe.files`). `Router.static` registers it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from io import FileIO
from typing import Literal

from duoframe.contrib.filenames import file_names
from duoframe.contrib.trees import Tree
from duoframe.errors import ConfigurationError, HTTPException
from duoframe.files import FileResponse, guess_media_type, refusal_of
from duoframe.negotiation import best_encoding
from duoframe.redirects import RedirectResponse
from duoframe.requests import Request
from duoframe.responses import Response

SIBLINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The content codings that a file may lie beside itself in, the preferred first, and how its name then ends."""

IMMUTABLE = "public, max-age=31536000, immutable"

_HASHED = re.compile(r"[.-](?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{8,}\.[^/]+\Z")


def has_content_hash(path: str) -> bool:
    """Whether a name tells its content: ``app.3f9a2c1b.css``, ``app-3f9a2c1b.css``.

    The hash is 8 or more digits and letters from a to f, of each at least one: a date is none.
    """
    return _HASHED.search(path) is not None


class StaticFiles:
    """What answers for the files below ``directory``; the options are those of `Router.static`."""

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        html: bool | Literal["spa"],
        precompressed: bool,
        max_age: int,
        immutable: Callable[[str], bool] | None,
        follow_symlinks: bool,
    ) -> None:
        if html not in (False, True, "spa"):
            raise ConfigurationError(f"html: expected True, False or 'spa', got {html!r}")
        if type(max_age) is not int or max_age < 0:
            raise ConfigurationError(f"max_age: expected whole seconds, 0 or more, got {max_age!r}")
        self.tree = Tree(directory, follow_symlinks)
        self.html = html
        self.precompressed = precompressed
        self.max_age = max_age
        self.immutable = immutable or has_content_hash

    def serve(self, request: Request, path: str = "") -> Response:
        """The file at ``path``, which is decoded. Raises `HTTPException`: 404 for whatever is no file here."""
        names = file_names(path)
        response = None
        if names is not None:
            response = self._index(request, names) if not path or path.endswith("/") else self._named(request, names)
        return response or self._missed(request, names)

    def _named(self, request: Request, names: tuple[str, ...]) -> Response | None:
        """A file, or the way to the page of a directory."""
        response = self._file(request, names)
        if response is None and self.html:
            index = self._open((*names, "index.html"))
            if index is not None:
                index.close()
                return RedirectResponse(request.url.replace(scheme="", host="", path=request.path + "/"), 308)
        return response

    def _index(self, request: Request, names: tuple[str, ...]) -> Response | None:
        """The page of a directory."""
        return self._file(request, (*names, "index.html")) if self.html else None

    def _missed(self, request: Request, names: tuple[str, ...] | None) -> Response:
        """What answers where there is no file; it makes no difference whether the path was refused or led nowhere."""
        name = names[-1] if names else "."  # what was refused is like no page
        pagelike = self.html == "spa" and "." not in name
        page = None
        if pagelike and request.accepts("text/html"):
            page = self._file(request, ("index.html",))
        if page is None and self.html:
            page = self._file(request, ("404.html",), 404)
        if page is None:
            raise HTTPException(404, headers={"vary": "accept"} if pagelike else None)
        page.headers["cache-control"] = "no-cache"  # whatever its own name says: there may be a file tomorrow
        if pagelike:
            page.headers.vary("accept")
        return page

    def _file(self, request: Request, names: tuple[str, ...], status: int = 200) -> Response | None:
        """A file as an answer, None where there is none."""
        file = self._open(names)
        if file is None:
            return None
        coding = None
        try:
            media_type = guess_media_type(names[-1])
            caching = self._caching(names, media_type)
            if self.precompressed:
                file, coding = self._encoded(request, names, file)
            response = FileResponse(file, status, {"cache-control": caching}, media_type)
        except BaseException:
            file.close()
            raise
        if coding is not None:
            response.headers["content-encoding"] = coding
        if self.precompressed:
            response.headers.vary("accept-encoding")
        return response

    def _encoded(self, request: Request, names: tuple[str, ...], file: FileIO) -> tuple[FileIO, str | None]:
        """The file beside ``file`` that the client likes best, and its content coding; ``file`` where there is none.

        A range is one of the file itself: whoever asks for a part may join it to another.
        """
        if request.method == "GET" and "range" in request.headers:
            return file, None
        offers = list(SIBLINGS)
        while (coding := best_encoding(request.headers.get("accept-encoding"), offers) or "identity") != "identity":
            sibling = self._open((*names[:-1], names[-1] + SIBLINGS[coding]))
            if sibling is not None:
                file.close()
                return sibling, coding
            offers.remove(coding)
        return file, None

    def _caching(self, names: tuple[str, ...], media_type: str | None) -> str:
        """How long a file may be kept: pages, which name the others, only as long as they are asked about."""
        if self.immutable("/".join(names)):
            return IMMUTABLE
        return "no-cache" if (media_type or "").startswith("text/html") else f"max-age={self.max_age}"

    def _open(self, names: tuple[str, ...]) -> FileIO | None:
        """The file that the names lead to, None where none may be read. Raises `HTTPException` 503, or `OSError`."""
        try:
            return self.tree.open(names)
        except (OSError, ValueError) as error:  # ValueError: a name that this system's file names cannot spell
            refusal = refusal_of(error)
            if refusal is None:
                raise
            if refusal.status == 404:
                return None
            try:
                raise refusal from error
            finally:
                refusal = None  # no cycle of error, traceback and frame
