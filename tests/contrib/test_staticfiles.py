"""Directories of files behind both doors: what is served, in which form, and what is never served."""

from __future__ import annotations

import errno
import gc
import os
import tempfile
from collections.abc import AsyncGenerator, Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duoframe import App, ConfigurationError, HTTPException, Router
from duoframe.contrib import trees
from duoframe.contrib.staticfiles import IMMUTABLE, StaticFiles, has_content_hash
from duoframe.pieces import Colour
from duoframe.testing import Exchange, exchange
from tests.conftest import Ask

DOORS = ("wsgi", "asgi")
SECRET = b"outside"


def field(answer: Exchange, name: str) -> str | None:
    """The one field of that name."""
    values = [value for found, value in answer.headers if found == name]
    assert len(values) < 2
    return values[0] if values else None


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory of files, and two beside it that nobody is to see."""
    root = tmp_path / "root"
    write(root / "app.css", b"body {}")
    write(root / "sub" / "a b.txt", b"blank")
    write(root / "sub" / "\u00fc.txt", b"umlaut")
    write(root / "empty", b"")
    write(root / ".env", SECRET)
    write(root / ".well-known" / "security.txt", b"contact")
    write(tmp_path / "root1" / "secret.txt", SECRET)
    write(tmp_path / "other" / "secret.txt", SECRET)
    return root


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """No test leaves a descriptor behind."""
    before = os.listdir("/proc/self/fd")
    yield
    assert os.listdir("/proc/self/fd") == before


# What is served.


def test_files_are_served_with_their_types(ask: Ask, app: App, root: Path) -> None:
    app.static("/assets", root)
    answer = ask(app, "GET", b"/assets/app.css")
    assert (answer.status, answer.body) == (200, b"body {}")
    assert field(answer, "content-type") == "text/css; charset=utf-8"
    assert field(answer, "content-length") == "7"
    assert ask(app, "GET", b"/assets/sub/a%20b.txt").body == b"blank"
    assert ask(app, "GET", b"/assets/sub/%C3%BC.txt").body == b"umlaut"
    assert ask(app, "GET", b"/assets/sub%2Fa%20b.txt?v=1").body == b"blank"
    assert ask(app, "GET", b"/assets/.well-known/security.txt").body == b"contact"
    empty = ask(app, "GET", b"/assets/empty")
    assert (empty.status, empty.body, field(empty, "content-length")) == (200, b"", "0")
    assert field(empty, "content-type") == "application/octet-stream"


def test_head_answers_as_get_without_the_body(ask: Ask, app: App, root: Path) -> None:
    """H-01."""
    app.static("/assets", root, precompressed=True)
    write(root / "app.css.gz", b"squeezed")
    for target, status in ((b"/assets/app.css", 200), (b"/assets/absent", 404)):
        for fields in ([], [(b"accept-encoding", b"gzip")]):
            head, get = (ask(app, method, target, fields) for method in ("HEAD", "GET"))
            assert (head.status, head.body, head.headers) == (status, b"", get.headers)
            assert get.status == status


def test_other_methods_are_refused(ask: Ask, app: App, root: Path) -> None:
    """H-04 and H-03: files are read, and nothing else."""
    app.static("/assets", root)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        answer = ask(app, method, b"/assets/app.css")
        assert (answer.status, field(answer, "allow")) == (405, "GET, HEAD, OPTIONS")
    assert field(ask(app, "OPTIONS", b"/assets/app.css"), "allow") == "GET, HEAD, OPTIONS"


def test_the_files_are_a_route_like_any_other(ask: Ask, app: App, root: Path) -> None:
    """Middleware runs around it, error handlers answer for it, and it colours nothing."""
    seen: list[int] = []

    @app.middleware
    def note(request: Any) -> Generator[None, Any, None]:
        response = yield
        seen.append(response.status)

    app.errorhandler(404)(lambda request, error: f"no {request.path}")
    app.static("/assets", root)
    assert ask(app, "GET", b"/assets/app.css").status == 200
    answer = ask(app, "GET", b"/assets/absent")
    assert (answer.status, answer.body) == (404, b"no /assets/absent")
    assert seen == [200, 404]
    assert [route.plan.colour for route in app.routes] == [Colour.SYNC]


def test_middleware_of_either_colour_may_put_another_answer_in_place_of_a_file(ask: Ask, app: App, root: Path) -> None:
    """The file that was open is closed, as `nothing_left_open` sees."""

    @app.middleware
    async def waiting(request: Any) -> AsyncGenerator[Any, Any]:
        response = yield
        if "x-other" in request.headers:
            yield f"instead of {response.status}"

    @app.middleware
    def plain(request: Any) -> Generator[Any, Any, None]:
        yield
        if "x-plain" in request.headers:
            yield "plain"

    app.static("/assets", root)
    assert ask(app, "GET", b"/assets/app.css").body == b"body {}"
    assert ask(app, "GET", b"/assets/app.css", [(b"x-other", b"1")]).body == b"instead of 200"
    assert ask(app, "GET", b"/assets/app.css", [(b"x-plain", b"1")]).body == b"plain"


def test_a_router_serves_files_below_its_prefix(ask: Ask, app: App, root: Path) -> None:
    seen: list[str] = []

    def note(request: Any) -> Iterator[None]:
        seen.append(request.path_params["path"])
        yield

    router = Router("/shop", name="shop", host="example.com")
    router.static("/{tenant}/assets", root, name="files", middleware=[note])
    app.include_router(router)
    assert ask(app, "GET", b"/shop/x/assets/app.css", [(b"host", b"example.com")]).body == b"body {}"
    assert ask(app, "GET", b"/shop/x/assets/app.css", [(b"host", b"example.org")]).status == 404
    assert seen == ["app.css"]
    assert app.url_for("shop.files", tenant="x", path="app.css") == "/shop/x/assets/app.css"


def test_urls_of_files_are_made_by_name(app: App, root: Path) -> None:
    app.static("/assets", root, html=True)
    app.static("/", root, name="site")
    assert app.url_for("static", path="sub/a b.txt") == "/assets/sub/a%20b.txt"
    assert app.url_for("static") == "/assets/"
    assert app.url_for("site", path="app.css") == "/app.css"


def test_files_at_the_root_leave_other_routes_alone(ask: Ask, app: App, root: Path) -> None:
    app.static("/", root, html=True)
    app.post("/app.css")(lambda: "posted")
    app.get("/hello/{name}")(lambda name: name)
    assert ask(app, "GET", b"/app.css").body == b"body {}"
    assert ask(app, "POST", b"/app.css").body == b"posted"
    assert ask(app, "GET", b"/hello/sub").body == b"sub"


def test_what_cannot_work_is_refused_at_registration(app: App, root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a directory, got '.*/absent'"):
        app.static("/assets", root / "absent")
    with pytest.raises(ConfigurationError, match="expected a prefix like '/api', got '/assets/'"):
        app.static("/assets/", root)
    with pytest.raises(ConfigurationError, match="html: expected True, False or 'spa', got 'yes'"):
        app.static("/assets", root, html="yes")  # type: ignore[arg-type]  # the point
    for wrong in (-1, 1.5, True, None):
        with pytest.raises(ConfigurationError, match="max_age: expected whole seconds, 0 or more, got"):
            app.static("/assets", root, max_age=wrong)  # type: ignore[arg-type]  # the point
    assert app.routes == []
    app.static("/assets", root)
    with pytest.raises(ConfigurationError, match="a route is called 'static' already; give the files another `name`"):
        app.static("/media", root)
    with pytest.raises(ConfigurationError, match="both answer GET"):
        app.static("/assets", root, name="again")


# What is never served.

REFUSED: list[bytes] = [
    b"sub//a%20b.txt",
    b"/app.css",
    b"//app.css",
    b"./app.css",
    b"sub/../app.css",
    b"sub/%2e%2e/app.css",
    b"sub/..%2fapp.css",
    b"..",
    b"../root/app.css",
    b"../root1/secret.txt",
    b"..%2froot1%2fsecret.txt",
    b"%2e%2e/root1/secret.txt",
    b"..%5croot1%5csecret.txt",
    b"..\\root1\\secret.txt",
    b"%2fetc%2fpasswd",
    b"/etc/passwd",
    b"//etc/passwd",
    b"C:%5cwindows%5cwin.ini",
    b"%5c%5cserver%5cshare%5ca",
    b"%5c%5c%3f%5cC:%5ca",
    b".env",
    b"n" * 256,
    b"n" * 5000,
    b"n/" * 5000,
]
CONTROLS: list[bytes] = [b"app.css%00", b"app.css%00.txt", b"%00", b"app.css%0a", b"app.css%7f"]
ABSENT: list[bytes] = [
    b"absent",
    b"sub",
    b"sub/",
    b"",
    b"app.css/",
    b"app.css/app.css",
    b"%252e%252e/root1/secret.txt",
    b"C:/windows/win.ini",
    b"app.css.",
    b"app.css%20",
    b"nul",
    b"CON.txt",
]


@pytest.mark.parametrize("rest", [*REFUSED, *CONTROLS, *ABSENT], ids=lambda rest: ascii(rest)[:40])
def test_what_is_no_file_here_is_not_found(ask: Ask, app: App, root: Path, rest: bytes) -> None:
    """R1, R2, R6, R7 and H-42: one and the same answer, whether something is there or not."""
    app.static("/assets", root)
    answer = ask(app, "GET", b"/assets/" + rest)
    absent = ask(app, "GET", b"/assets/nothing-of-the-kind")
    assert absent.status == 404
    assert (answer.status, answer.headers, answer.body) == (404, absent.headers, absent.body)


@pytest.mark.parametrize("rest", [b"%c0%ae%c0%ae/a", b"%c0%af", b"%ff", b"..%c0%afa", b"%e0%80%ae/a", b"%ed%a0%80"])
def test_a_path_that_is_no_utf_8_is_refused_like_anywhere(ask: Ask, app: App, root: Path, rest: bytes) -> None:
    """R1: overlong forms and surrogates, before any file is thought of."""
    app.static("/assets", root)
    assert ask(app, "GET", b"/assets/" + rest).status == 400


class CountingOs:
    """Stands for `os`, and notes every call that goes to a file system with what it names."""

    TOUCHING = ("open", "stat", "lstat", "readlink", "listdir", "scandir", "access")

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.path = self

    def __getattr__(self, name: str) -> Any:
        value = getattr(os, name, None) or getattr(os.path, name)
        if name not in (*self.TOUCHING, "realpath", "abspath", "exists", "isdir", "isfile"):
            return value

        def call(path: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls.append(str(path))
            return value(path, *args, **kwargs)

        return call


@pytest.mark.parametrize("html", [False, True, "spa"])
def test_a_refused_path_touches_no_file_system(
    ask: Ask, app: App, root: Path, monkeypatch: pytest.MonkeyPatch, html: Any
) -> None:
    """R5: not one open, stat or realpath; where there is an own page for misses, its name is the only one asked."""
    app.static("/assets", root, html=html)
    counting = CountingOs()
    monkeypatch.setattr(trees, "os", counting)
    for rest in [*REFUSED, *CONTROLS]:
        counting.calls.clear()
        assert ask(app, "GET", b"/assets/" + rest).status == 404
        assert counting.calls == ([str(root), "404.html"] if html and rest in REFUSED else [])
    counting.calls.clear()
    assert ask(app, "GET", b"/assets/absent.txt").status == 404
    assert "absent.txt" in counting.calls


def test_links_out_of_the_directory_are_absent_unless_asked_for(ask: Ask, app: App, root: Path) -> None:
    """R3: with the option too, no path leads out by ``..``."""
    (root / "link.txt").symlink_to("../other/secret.txt")
    (root / "linked").symlink_to(root.parent / "root1")
    (root / "inner.css").symlink_to("app.css")
    app.static("/strict", root)
    app.static("/open", root, name="open", follow_symlinks=True)
    absent = ask(app, "GET", b"/strict/absent")
    for rest in (b"link.txt", b"linked/secret.txt", b"linked", b"linked/absent"):
        answer = ask(app, "GET", b"/strict/" + rest)
        assert (answer.status, answer.headers, answer.body) == (404, absent.headers, absent.body)
    assert ask(app, "GET", b"/strict/inner.css").body == b"body {}"
    assert ask(app, "GET", b"/open/link.txt").body == SECRET
    assert ask(app, "GET", b"/open/linked/secret.txt").body == SECRET
    for rest in (b"../other/secret.txt", b"linked/../secret.txt", b"linked/%2e%2e/other/secret.txt", b"linked/.."):
        assert ask(app, "GET", b"/open/" + rest).status == 404


@pytest.mark.parametrize("coding", [("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz")])
def test_a_compressed_sibling_that_is_a_link_out_of_the_directory_is_not_sent(
    ask: Ask, app: App, root: Path, coding: tuple[str, str]
) -> None:
    """R4: the sibling is looked at as closely as the file itself."""
    (root / f"app.css{coding[1]}").symlink_to("../other/secret.txt")
    app.static("/assets", root, precompressed=True)
    answer = ask(app, "GET", b"/assets/app.css", [(b"accept-encoding", coding[0].encode())])
    assert (answer.status, answer.body, field(answer, "content-encoding")) == (200, b"body {}", None)


def test_what_is_no_regular_file_is_not_found_and_holds_nobody_up(ask: Ask, app: App, root: Path) -> None:
    """H-40: also beside a file that has a compressed form."""
    os.mkfifo(root / "fifo")
    os.mkfifo(root / "app.css.gz")
    (root / "empty.gz").mkdir()
    app.static("/assets", root, precompressed=True)
    app.static("/dev", "/dev", name="dev")
    assert ask(app, "GET", b"/assets/fifo").status == 404
    assert ask(app, "GET", b"/dev/null").status == 404
    for rest, body in ((b"app.css", b"body {}"), (b"empty", b"")):
        answer = ask(app, "GET", b"/assets/" + rest, [(b"accept-encoding", b"gzip")])
        assert (answer.status, answer.body) == (200, body)


@pytest.mark.parametrize(
    ("number", "status"), [(errno.EACCES, 404), (errno.EMFILE, 503), (errno.ENFILE, 503), (errno.EIO, 500)]
)
def test_a_file_that_cannot_be_opened_says_why_as_far_as_the_client_may_know(
    ask: Ask, app: App, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    """H-41: no permission is like no file; no descriptor left is a moment's trouble; also beside a file."""
    really_open = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path) in ("app.css", "empty.gz"):
            raise OSError(number, os.strerror(number))
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    app.static("/assets", root, precompressed=True)
    assert ask(app, "GET", b"/assets/app.css").status == status
    beside = ask(app, "GET", b"/assets/empty", [(b"accept-encoding", b"gzip")])
    assert beside.status == (200 if status == 404 else status)


def test_a_refusal_leaves_no_cyclic_garbage(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """H-41: when descriptors are short is no time to keep a request's things alive."""
    files = StaticFiles(root, html=False, precompressed=False, max_age=60, immutable=None, follow_symlinks=False)

    def refuse(*args: Any, **kwargs: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(os, "open", refuse)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(HTTPException, match="503"):
            files.serve(None, "app.css")  # type: ignore[arg-type]  # nothing comes of it, so nobody asks it
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_name_that_this_system_cannot_spell_is_not_found(
    ask: Ask, app: App, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R1: as `os.open` says it where file names are not UTF-8."""
    really_open = os.open

    def refuse(path: Any, *args: Any, **kwargs: Any) -> int:
        if isinstance(path, str):
            path.encode("latin-1")
        return really_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    app.static("/assets", root)
    assert ask(app, "GET", b"/assets/%E4%B8%AD").status == 404


PIECES = st.sampled_from(
    [
        *(b"..", b".", b"", b"%2e%2e", b"%2E.", b".%2e", b"%2f", b"..%2f", b"%2f..", b"\\", b"%5c", b"..%5c", b"%00"),
        *(b"a", b"b", b"a%00", b"a.", b"a%20", b"a/", b"%c0%ae%c0%ae", b"%c0%af", b"%ef%bf%bd", b"~", b"*", b"%25"),
        *(b"C:", b"C:%5c", b"%5c%5cserver%5cshare", b"%5c%5c%3f%5c", b"nul", b"CON.txt", b"com1.html", b"n" * 5000),
        *(b"root", b"root1", b"secret", b"link", b"loop", b"etc", b"passwd", b"%2fetc%2fpasswd", b"%252e%252e"),
    ]
)
NAMES = st.sampled_from(["a", "b", "a.txt", "root", "root1", "secret", "%2e%2e", "n\u00fcl", "a b", "C:", "nul", "..a"])
BRANCHES = st.recursive(
    st.just(None), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=4), max_leaves=8
).filter(bool)


def grow(directory: Path, branch: dict[str, Any], files: dict[str, bytes], above: str = "") -> None:
    """Make the files of a random tree; each holds its own path."""
    directory.mkdir()
    for name, inner in branch.items():
        here = above + name
        if inner is None:
            files[here] = here.encode()
            (directory / name).write_bytes(files[here])
        else:
            grow(directory / name, inner, files, here + "/")


@given(st.data(), BRANCHES)
@settings(max_examples=60, deadline=None)
def test_whatever_the_path_only_a_file_of_the_tree_is_ever_sent(data: st.DataObject, branch: dict[str, Any]) -> None:
    """R1, R2 and R3: for random trees and paths, the file whose components are those of the path, or none."""
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        grow(root, branch, files)
        for outside in ("root1", "roo", "secret"):
            write(Path(place) / outside / "secret", SECRET)
            write(Path(place) / outside / "a", SECRET)
        (root / "link").symlink_to("../root1")
        (root / "loop").symlink_to("loop")
        app = App()
        app.static("/assets", root)
        try:
            for _ in range(8):
                known = st.sampled_from(sorted(files)).map(lambda path: quote(path).encode())
                rest = b"/".join(
                    data.draw(st.lists(known | PIECES | NAMES.map(lambda n: quote(n).encode()), max_size=5))
                )
                asked = [exchange(app, door, "GET", b"/assets/" + rest) for door in DOORS]  # type: ignore[arg-type]  # doors
                path = unquote_to_bytes(rest).decode("utf-8", "replace")
                expected = None if "/." in "/" + path else files.get(path)  # hidden names are none
                for answer in asked:
                    assert SECRET not in answer.body
                    assert answer.status == 200 if expected is not None else answer.status in (400, 404)
                    assert expected is None or answer.body == expected
                assert asked[0].status == asked[1].status
        finally:
            app.shutdown()


# What a client has already, and what it wants of the rest.


def test_what_the_client_has_is_not_sent_again(ask: Ask, app: App, root: Path) -> None:
    """H-24 and H-28: with the fields that a cache needs, by tag and by date, for each form of a file."""
    write(root / "app.css.gz", b"gnu")
    app.static("/assets", root, precompressed=True)
    for accepted in (b"identity", b"gzip"):
        first = ask(app, "GET", b"/assets/app.css", [(b"accept-encoding", accepted)])
        kept = [(name, value) for name, value in first.headers if name in ("etag", "vary", "cache-control")]
        etag, changed = field(first, "etag"), field(first, "last-modified")
        assert len(kept) == 3
        assert etag is not None
        assert etag.startswith('"')
        assert changed is not None
        for condition in ((b"if-none-match", etag.encode()), (b"if-modified-since", changed.encode())):
            for method in ("GET", "HEAD"):
                again = ask(app, method, b"/assets/app.css", [condition, (b"accept-encoding", accepted)])
                assert (again.status, again.body) == (304, b"")
                assert set(kept) <= set(again.headers)
                assert {"content-type", "content-length"}.isdisjoint(dict(again.headers))
        other = b"gzip" if accepted == b"identity" else b"identity"
        fields = [(b"if-none-match", etag.encode()), (b"accept-encoding", other)]
        assert ask(app, "GET", b"/assets/app.css", fields).status == 200


def test_a_failed_condition_says_so(ask: Ask, app: App, root: Path) -> None:
    """H-24: If-Match."""
    app.static("/assets", root)
    assert ask(app, "GET", b"/assets/app.css", [(b"if-match", b'"other"')]).status == 412
    assert ask(app, "GET", b"/assets/app.css", [(b"if-match", b"*")]).status == 200


def test_a_part_is_one_of_the_plain_file(ask: Ask, app: App, root: Path) -> None:
    """H-36: a range turns compression off; HEAD knows none, and shows the form that GET would give whole."""
    write(root / "app.css.gz", b"gnu")
    write(root / "empty.gz", b"gnu")
    app.static("/assets", root, precompressed=True)
    part = [(b"accept-encoding", b"gzip"), (b"range", b"bytes=1-3")]
    answer = ask(app, "GET", b"/assets/app.css", part)
    assert (answer.status, answer.body, field(answer, "content-range")) == (206, b"ody", "bytes 1-3/7")
    assert (field(answer, "content-encoding"), field(answer, "vary")) == (None, "accept-encoding")
    head = ask(app, "HEAD", b"/assets/app.css", part)
    assert (head.status, field(head, "content-encoding"), field(head, "content-length")) == (200, "gzip", "3")
    past = ask(app, "GET", b"/assets/app.css", [(b"range", b"bytes=7-")])
    assert (past.status, field(past, "content-range")) == (416, "bytes */7")
    assert ask(app, "GET", b"/assets/empty", [(b"range", b"bytes=0-0")]).status == 200
    assert ask(app, "POST", b"/assets/app.css", part).status == 405


def test_a_part_of_another_form_is_never_joined_to_the_plain_file(ask: Ask, app: App, root: Path) -> None:
    """H-35 and H-36: If-Range with the entity tag of the compressed form gives the whole plain one."""
    write(root / "app.css.gz", b"gnu")
    app.static("/assets", root, precompressed=True)
    packed = field(ask(app, "GET", b"/assets/app.css", [(b"accept-encoding", b"gzip")]), "etag")
    assert packed is not None
    fields = [(b"accept-encoding", b"gzip"), (b"range", b"bytes=1-"), (b"if-range", packed.encode())]
    answer = ask(app, "GET", b"/assets/app.css", fields)
    assert (answer.status, answer.body, field(answer, "content-encoding")) == (200, b"body {}", None)


# Pages.


@pytest.fixture
def site(root: Path) -> Path:
    write(root / "index.html", b"home")
    write(root / "docs" / "index.html", b"docs")
    write(root / "docs" / "page.html", b"page")
    write(root / "404.html", b"lost")
    return root


def test_a_directory_answers_with_its_page(ask: Ask, app: App, site: Path) -> None:
    app.static("/site", site, html=True)
    for target, body in ((b"/site/", b"home"), (b"/site/docs/", b"docs"), (b"/site/docs/page.html", b"page")):
        answer = ask(app, "GET", target)
        assert (answer.status, answer.body) == (200, body)
        assert (field(answer, "content-type"), field(answer, "cache-control")) == (
            "text/html; charset=utf-8",
            "no-cache",
        )


@pytest.mark.parametrize(
    ("target", "location"),
    [
        (b"/site/docs", "/site/docs/"),
        (b"/site/docs?a=1&b=%2F", "/site/docs/?a=1&b=%2F"),
        (b"/site/%64ocs", "/site/docs/"),
        (b"/site", "/site/"),
    ],
)
def test_a_directory_without_its_slash_is_one_redirect_away(
    ask: Ask, app: App, site: Path, target: bytes, location: str
) -> None:
    """R8: with its query (H-12), below a mount too, and to a path of this host."""
    app.static("/site", site, html=True)
    for method in ("GET", "HEAD"):
        answer = ask(app, method, target)
        assert (answer.status, field(answer, "location"), answer.body) == (308, location, b"")
    mounted = ask(app, "GET", target, root_path="/mounted")
    assert field(mounted, "location") == "/mounted" + location


@pytest.mark.parametrize("prefix", ["/", "/site", "/{tenant}"])
def test_a_redirect_never_leaves_the_host(ask: Ask, app: App, site: Path, prefix: str) -> None:
    """R8: exactly one slash at the front, whatever the path tries."""
    write(site / "evil.example" / "index.html", b"evil")
    app.static(prefix, site, html=True)
    targets = [b"//evil.example", b"///evil.example", b"/\\evil.example", b"/%5cevil.example", b"/%2fevil.example"]
    targets += [
        b"/evil.example",
        b"//evil.example/%2e%2e",
        b"/site/evil.example",
        b"/site//evil.example",
        b"//site/docs",
    ]
    for target in targets:
        answer = ask(app, "GET", target)
        location = field(answer, "location")
        assert (answer.status == 308) == (location is not None)
        assert location is None or (location.startswith("/") and location[1] not in "/\\")


def test_without_pages_a_directory_is_not_found(ask: Ask, app: App, site: Path) -> None:
    """R7: no list, no page, no redirect."""
    app.static("/site", site)
    for target in (b"/site", b"/site/", b"/site/docs", b"/site/docs/", b"/site/sub", b"/site/sub/"):
        assert ask(app, "GET", target).status == 404


def test_a_directory_without_a_page_is_never_listed(ask: Ask, app: App, site: Path) -> None:
    """R7: with pages on, it is like one that is not there."""
    app.static("/site", site, html=True)
    absent = ask(app, "GET", b"/site/absent")
    for target in (b"/site/sub", b"/site/sub/"):
        answer = ask(app, "GET", target)
        assert (answer.status, answer.headers, answer.body) == (404, absent.headers, absent.body)


def test_a_slash_behind_a_file_is_not_found(ask: Ask, app: App, site: Path) -> None:
    """H-42: whatever the mode."""
    app.static("/plain", site)
    app.static("/site", site, name="site", html=True)
    app.static("/spa", site, name="spa", html="spa")
    for prefix in (b"/plain", b"/site", b"/spa"):
        assert ask(app, "GET", prefix + b"/app.css/").status == 404
        assert ask(app, "GET", prefix + b"/app.css").status == 200


def test_a_page_of_their_own_answers_for_misses(ask: Ask, app: App, site: Path) -> None:
    """R6: for a path that was refused as for one that leads nowhere."""
    app.static("/site", site, html=True)
    for rest in (b"absent", b"absent.css", b"app.css/", b"../other/secret.txt", b".env", b"sub/", b"%5c"):
        answer = ask(app, "GET", b"/site/" + rest)
        assert (answer.status, answer.body) == (404, b"lost")
        assert field(answer, "content-type") == "text/html; charset=utf-8"
        assert field(answer, "cache-control") == "no-cache"
    (site / "404.html").unlink()
    assert ask(app, "GET", b"/site/absent").status == 404


def test_an_application_of_one_page_answers_for_its_own_paths(ask: Ask, app: App, site: Path) -> None:
    app.static("/", site, html="spa")
    for target in (b"/users/7", b"/users/7/", b"/settings?tab=2", b"/sub", b"/sub/"):
        answer = ask(app, "GET", target, [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")])
        assert (answer.status, answer.body, field(answer, "vary")) == (200, b"home", "accept")
        assert field(answer, "cache-control") == "no-cache"
    assert ask(app, "GET", b"/users/7").body == b"home"
    assert ask(app, "GET", b"/docs/", [(b"accept", b"image/png")]).body == b"docs"


def test_an_application_of_one_page_is_no_answer_for_what_is_no_page(ask: Ask, app: App, site: Path) -> None:
    """A missing script or picture, a call that wants JSON, a path that was refused."""
    app.static("/", site, html="spa")
    for target in (b"/assets/app.js", b"/users/7.json", b"/../secret", b"/a%5cb", b"//users", b"/.env"):
        answer = ask(app, "GET", target, [(b"accept", b"text/html")])
        assert (answer.status, answer.body, field(answer, "vary")) == (404, b"lost", None)
    answer = ask(app, "GET", b"/users/7", [(b"accept", b"application/json")])
    assert (answer.status, answer.body, field(answer, "vary")) == (404, b"lost", "accept")
    (site / "404.html").unlink()
    answer = ask(app, "GET", b"/users/7", [(b"accept", b"application/json")])
    assert (answer.status, field(answer, "vary")) == (404, "accept")
    (site / "index.html").unlink()
    assert ask(app, "GET", b"/users/7").status == ask(app, "GET", b"/").status == 404


# Compressed forms.

FORMS = {"br": b"brotli", "zstd": b"standard", "gzip": b"gnu"}


@pytest.fixture
def packed(root: Path) -> Path:
    for coding, suffix in (("br", ".br"), ("zstd", ".zst"), ("gzip", ".gz")):
        write(root / f"app.css{suffix}", FORMS[coding])
    write(root / "old.js", b"plain")
    write(root / "old.js.gz", b"gnu")
    write(root / "lonely.txt.gz", b"gnu")
    return root


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (None, None),
        (b"", None),
        (b"gzip", "gzip"),
        (b"x-gzip", "gzip"),
        (b"gzip, br", "br"),
        (b"gzip, deflate, br, zstd", "br"),
        (b"gzip, zstd", "zstd"),
        (b"br;q=0.5, gzip;q=0.9", "gzip"),
        (b"br;q=0, gzip;q=0, zstd;q=0", None),
        (b"*", "br"),
        (b"*, br;q=0", "zstd"),
        (b"identity, gzip;q=0.5", None),
        (b"identity;q=0, gzip", "gzip"),
        (b"deflate", None),
        (b"gzip;q=nonsense", None),
    ],
)
def test_the_form_that_the_client_likes_best_is_sent(
    ask: Ask, app: App, packed: Path, accepted: bytes | None, coding: str | None
) -> None:
    """H-43's negotiation, with forms that are files: the type is that of the file itself."""
    app.static("/assets", packed, precompressed=True)
    fields = [] if accepted is None else [(b"accept-encoding", accepted)]
    answer = ask(app, "GET", b"/assets/app.css", fields)
    assert (answer.status, field(answer, "content-encoding")) == (200, coding)
    assert answer.body == (b"body {}" if coding is None else FORMS[coding])
    assert field(answer, "content-length") == str(len(answer.body))
    assert field(answer, "content-type") == "text/css; charset=utf-8"
    assert field(answer, "vary") == "accept-encoding"


def test_a_form_that_is_not_there_is_passed_over(ask: Ask, app: App, packed: Path) -> None:
    app.static("/assets", packed, precompressed=True)
    everything = [(b"accept-encoding", b"br, zstd, gzip")]
    assert field(ask(app, "GET", b"/assets/old.js", everything), "content-encoding") == "gzip"
    plain = ask(app, "GET", b"/assets/empty", everything)
    assert (plain.status, field(plain, "content-encoding"), field(plain, "vary")) == (200, None, "accept-encoding")
    assert ask(app, "GET", b"/assets/empty", [(b"accept-encoding", b"identity;q=0")]).status == 200
    assert ask(app, "GET", b"/assets/lonely.txt", everything).status == 404
    itself = ask(app, "GET", b"/assets/lonely.txt.gz", everything)
    assert (itself.body, field(itself, "content-encoding")) == (b"gnu", None)
    assert field(itself, "content-type") != "text/plain; charset=utf-8"


def test_every_form_has_an_entity_tag_of_its_own(ask: Ask, app: App, packed: Path) -> None:
    """H-43: one stored form never passes for another."""
    app.static("/assets", packed, precompressed=True)
    answers = [ask(app, "GET", b"/assets/app.css", [(b"accept-encoding", name.encode())]) for name in [*FORMS, "x"]]
    assert len({field(answer, "etag") for answer in answers}) == 4


def test_without_the_option_nobody_looks_for_forms(ask: Ask, app: App, packed: Path) -> None:
    app.static("/assets", packed)
    answer = ask(app, "GET", b"/assets/app.css", [(b"accept-encoding", b"br")])
    assert (answer.body, field(answer, "content-encoding"), field(answer, "vary")) == (b"body {}", None, None)


def test_pages_have_forms_too(ask: Ask, app: App, site: Path) -> None:
    for name in ("index.html.gz", "404.html.gz"):
        write(site / name, b"gnu")
    app.static("/", site, html="spa", precompressed=True)
    gzip = [(b"accept-encoding", b"gzip"), (b"accept", b"text/html")]
    assert ask(app, "GET", b"/", gzip).body == b"gnu"
    routed = ask(app, "GET", b"/users/7", gzip)
    assert (routed.status, routed.body, field(routed, "vary")) == (200, b"gnu", "accept-encoding, accept")
    missed = ask(app, "GET", b"/absent.js", gzip)
    assert (missed.status, missed.body, field(missed, "content-encoding")) == (404, b"gnu", "gzip")


# How long a file may be kept.


@pytest.mark.parametrize(
    ("path", "hashed"),
    [
        ("app.3f9a2c1b.css", True),
        ("app-3f9a2c1b.css", True),
        ("js/chunk.0123456789abcdef0123.min.js", True),
        ("js/chunk.min.0123456789abcdef0123.js", True),
        ("app.3f9a2c1.css", False),
        ("app_3f9a2c1b.css", False),
        ("report-20240131.pdf", False),
        ("cafe.deadbeef.css", False),
        ("app.3F9A2C1B.css", False),
        ("3f9a2c1b.css", False),
        ("app.3f9a2c1b/a.css", False),
        ("app.3f9a2c1b", False),
        ("logo-Version2.png", False),
        ("app.3f9a2c1b.css.map", True),
    ],
)
def test_a_hash_in_a_name_is_told_from_a_date_and_from_words(path: str, hashed: bool) -> None:
    assert has_content_hash(path) is hashed


def test_files_with_a_hash_in_their_name_may_be_kept_for_ever(ask: Ask, app: App, root: Path) -> None:
    """RFC 8246."""
    write(root / "app.3f9a2c1b.css", b"hashed")
    write(root / "index-3f9a2c1b.html", b"hashed")
    app.static("/assets", root)
    app.static("/long", root, name="long", max_age=3600)
    app.static("/own", root, name="own", immutable=lambda path: path.startswith("sub/"))

    def caching(target: bytes) -> str | None:
        return field(ask(app, "GET", target), "cache-control")

    assert IMMUTABLE == "public, max-age=31536000, immutable"
    assert caching(b"/assets/app.3f9a2c1b.css") == caching(b"/assets/index-3f9a2c1b.html") == IMMUTABLE
    assert (caching(b"/assets/app.css"), caching(b"/long/app.css")) == ("max-age=60", "max-age=3600")
    assert caching(b"/own/sub/a%20b.txt") == IMMUTABLE
    assert caching(b"/own/app.3f9a2c1b.css") == "max-age=60"


def test_what_stands_in_for_a_missing_file_is_asked_about_each_time(ask: Ask, app: App, site: Path) -> None:
    """Whatever may be kept for ever: there may be a file tomorrow."""
    app.static("/", site, html="spa", immutable=lambda path: True)
    assert field(ask(app, "GET", b"/"), "cache-control") == IMMUTABLE
    for target, status in ((b"/users/7", 200), (b"/absent.js", 404)):
        answer = ask(app, "GET", target)
        assert (answer.status, field(answer, "cache-control")) == (status, "no-cache")


def test_a_predicate_that_fails_leaves_nothing_open(ask: Ask, app: App, root: Path) -> None:
    def fail(path: str) -> bool:
        raise ValueError(path)

    app.static("/assets", root, immutable=fail)
    assert ask(app, "GET", b"/assets/app.css").status == 500
