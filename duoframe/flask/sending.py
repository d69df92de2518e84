"""Files as answers, in Flask's manner: `send_file` and `send_from_directory` on the core's `FileResponse`.

Knows what an application says of a file; what is sent of it, and which part, is for `duoframe.files` to say, and what
lies below a directory for `contrib.trees`.
"""

from __future__ import annotations

import mimetypes
import os
import time
from collections.abc import Callable
from datetime import datetime
from io import FileIO
from typing import IO, TYPE_CHECKING, Any

import duoframe
from duoframe.conditions import http_date
from duoframe.contrib.filenames import file_names
from duoframe.contrib.trees import Tree
from duoframe.files import FileBody, FileResponse, refusal_of
from duoframe.flask.exceptions import NotFound
from duoframe.flask.globals import running_request

if TYPE_CHECKING:
    from duoframe.flask.responses import Response

MaxAge = int | Callable[[str | None], int | None] | None


class SentFile(FileResponse):
    """A file that is sent whole where that is wished, and without an entity tag where none is."""

    tagged = True
    conditional = True

    def make_conditional(self, request: duoframe.Request) -> Any:  # Any: the type itself
        return super().make_conditional(request) if self.conditional else self

    def _describe(self, body: FileBody) -> None:
        super()._describe(body)
        if not self.tagged:
            self.headers.pop("etag", None)

    def _select(self, request: duoframe.Request, body: FileBody) -> None:
        if self.conditional:
            super()._select(request, body)
        else:
            body.offer(None)


def send_file(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | float | None = None,
    max_age: MaxAge = None,
) -> Response:
    """An answer with a file, whose path is relative to the application's folder, or an open binary file.

    ``download_name``: what the client saves it as, which also tells the ``mimetype`` where that is not given;
    ``as_attachment``: have it saved and not shown; ``conditional``: answer conditions and ranges; ``etag``: a tag, or
    whether to make one; ``last_modified``: when it changed; ``max_age``: seconds that it may be kept without asking.
    Never take a path from a client: `send_from_directory` does that. Raises `OSError` for what cannot be opened, and
    `TypeError` where a name is missing.
    """
    options = (mimetype, as_attachment, download_name, conditional, etag, last_modified, max_age)
    if isinstance(path_or_file, str | os.PathLike):
        path = os.path.join(running_request().app.root_path, path_or_file)
        return _send_opened(FileIO(path), path, *options)
    return _send(path_or_file, None, *options)


def send_from_directory(
    directory: str | os.PathLike[str], path: str | os.PathLike[str], **options: Any
) -> Response:  # Any: as for `send_file`
    """An answer with the file that ``path``, which a client may have sent, names below ``directory``.

    The directory is relative to the application's folder; the options are those of `send_file`. Raises `NotFound` for
    whatever is no plain file there: for what lies outside, is hidden, or is reached by a link to the outside.
    """
    root = os.path.join(running_request().app.root_path, directory)
    names = file_names(os.fspath(path))
    if names is None or not os.path.isdir(root):
        raise NotFound
    try:
        file = Tree(root).open(names)
    except (OSError, ValueError) as error:
        refusal = refusal_of(error)
        if refusal is None or refusal.status != 404:
            raise
        raise NotFound from error
    return _send_opened(file, os.path.join(root, *names), **options)


def _send_opened(file: FileIO, path: str, *args: Any, **options: Any) -> Response:
    try:
        return _send(file, path, *args, **options)
    except BaseException:
        file.close()
        raise


def _send(
    file: IO[bytes] | FileIO,
    path: str | None,
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: datetime | float | None = None,
    max_age: MaxAge = None,
) -> Response:
    app = running_request().app
    name = os.path.basename(path) if download_name is None and path is not None else download_name
    core = SentFile(file, filename=name, inline=not as_attachment)
    if name is None and (as_attachment or mimetype is None):
        raise TypeError("the name of the file is not known: give 'download_name', or a path in place of a file")
    if mimetype is None:
        mimetype, encoding = mimetypes.guess_type(name or "")
        if encoding is not None and not as_attachment:
            core.headers["content-encoding"] = encoding
    mimetype = mimetype or "application/octet-stream"
    core.headers["content-type"] = f"{mimetype}; charset=utf-8" if _is_text(mimetype) else mimetype
    if not conditional:
        core.conditional = False
        del core.headers["accept-ranges"]
    if isinstance(etag, str):
        core.etag = etag
    core.tagged = etag is not False
    if last_modified is not None:
        core.headers["last-modified"] = http_date(last_modified)
    _set_caching(core, app.get_send_file_max_age if max_age is None else max_age, path)
    response: Response = app.response_class.around(core)
    return response


def _set_caching(core: SentFile, max_age: MaxAge, path: str | None) -> None:
    seconds = max_age(path) if callable(max_age) else max_age
    if seconds is None:
        core.headers["cache-control"] = "no-cache"
        return
    core.headers["cache-control"] = f"public, max-age={seconds}" if seconds > 0 else f"no-cache, max-age={seconds}"
    core.headers["expires"] = http_date(int(time.time() + seconds))


def _is_text(mimetype: str) -> bool:
    """Whether a media type says its charset, as the class of answers adds it."""
    return "charset" not in mimetype and (
        mimetype.startswith("text/")
        or mimetype in ("application/xml", "application/javascript")
        or mimetype.endswith("+xml")
    )
