"""`duoframe.body` and what it is made of: `limits`, `parts`, `uploads`. Sans-I/O: chunks in, values or a status out."""

from __future__ import annotations

import errno
import gc
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe import uploads
from duoframe.body import Body, content_length, media_type
from duoframe.errors import ClientDisconnect, ConfigurationError, HTTPException
from duoframe.limits import Limits
from duoframe.uploads import UploadFile, safe_name

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=frontier"

Outcome = int | tuple[list[tuple[str, str]], list[tuple[str, str, str, bytes]]]


def received(content_type: str, chunks: Iterable[bytes], limits: Limits | None = None) -> Body:
    body = Body(content_type, "", limits or Limits())
    try:
        for chunk in chunks:
            body.feed(chunk)
        body.finish()
    except BaseException:
        body.close()
        raise
    return body


def whole(content_type: str, data: bytes, limits: Limits | None = None) -> Body:
    return received(content_type, [data], limits)


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[place : place + 1] for place in range(len(data)))


def part(disposition: str, content: bytes = b"", *headers: str) -> bytes:
    lines = [f"Content-Disposition: {disposition}", *headers]
    return (
        b"--frontier\r\n"
        + "".join(line + "\r\n" for line in lines).encode(errors="surrogateescape")
        + b"\r\n"
        + content
        + b"\r\n"
    )


def field(name: str, value: bytes = b"") -> bytes:
    return part(f'form-data; name="{name}"', value)


def file(filename: str, content: bytes = b"") -> bytes:
    return part(f'form-data; name="up"; filename="{filename}"', content, "Content-Type: application/octet-stream")


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--frontier--\r\n"


def status_of(content_type: str, chunks: Iterable[bytes], limits: Limits | None = None) -> int:
    with pytest.raises(HTTPException) as caught:
        received(content_type, chunks, limits)
    return caught.value.status


def outcome(content_type: str, chunks: Iterable[bytes], limits: Limits | None = None) -> Outcome:
    try:
        body = received(content_type, chunks, limits)
    except HTTPException as error:
        return error.status
    files = [
        (name, item.raw_filename, item.content_type, bytes(item.read())) for name, item in body.files.multi_items()
    ]
    fields = body.form.multi_items()
    body.close()
    return fields, files


def upload(content: bytes, limits: Limits | None = None, filename: str = "a.txt") -> tuple[Body, UploadFile]:
    body = whole(MULTIPART, form(file(filename, content)), limits)
    return body, body.files["up"]


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def nothing_left(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No descriptor and no temporary file may stay behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path_factory.mktemp("spool")))
    before = descriptors()
    yield
    assert descriptors() == before
    assert os.listdir(tempfile.gettempdir()) == []


def readers(body: Body) -> list[Callable[[], object]]:
    return [lambda: body.content, lambda: body.form, lambda: body.files, body.json]


ON_DISK = Limits(spool_size=0)


class TestLimits:
    @pytest.mark.parametrize("value", [-1, 1.5, "1", True, None])
    def test_a_value_that_is_no_whole_number_is_refused_where_it_is_written(self, value: Any) -> None:
        with pytest.raises(
            ConfigurationError, match=r"Limits\(max_fields=\.\.\.\): expected a whole number, 0 or more, g"
        ):
            Limits(max_fields=value)

    def test_only_the_sizes_of_body_and_file_can_be_unlimited(self) -> None:
        assert Limits(max_body_size=None, max_file_size=None).max_body_size is None
        with pytest.raises(ConfigurationError, match=r"or None, got -1"):
            Limits(max_body_size=-1)

    def test_replace_gives_a_checked_copy(self) -> None:
        limits = Limits()
        assert limits.replace(max_files=3) == Limits(max_files=3)
        assert limits == Limits()
        with pytest.raises(ConfigurationError):
            limits.replace(max_files=-3)


class TestContentLength:
    @pytest.mark.parametrize("text", [None, ""])
    def test_an_absent_length_is_none(self, text: str | None) -> None:
        assert content_length(text) is None

    @pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
    def test_up_to_18_digits_are_a_length(self, text: str, number: int) -> None:
        """R65"""
        assert content_length(text) == number

    @pytest.mark.parametrize(
        "text",
        [
            "-1",
            "+5",
            "abc",
            "\uff15",
            "5, 5",
            "1_0",
            "0x5",
            "1" * 19,
            "1" * 20,
            " 5",
            "5 ",
            "5\n",
            "\u0665",
            "1e3",
            "5.0",
        ],
    )
    def test_anything_else_is_a_bad_request(self, text: str) -> None:
        """W-26, R65"""
        with pytest.raises(HTTPException) as caught:
            content_length(text)
        assert caught.value.status == 400


class TestMediaType:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("application/json", ("application/json", {})),
            ('APPLICATION/JSON; Charset="UTF-8"', ("application/json", {"charset": "UTF-8"})),
            (" text/html ;charset=utf-8 ", ("text/html", {"charset": "utf-8"})),
            ("text/html;;; charset=utf-8;", ("text/html", {"charset": "utf-8"})),
            (r'a/b; c="x\"y\\z"; d=";, "', ("a/b", {"c": 'x"y\\z', "d": ";, "})),
            ('a/b; c=""', ("a/b", {"c": ""})),
            ("a/b; c=", ("a/b", {"c": ""})),
            ("multipart/form-data; boundary=--x:y=z?", ("multipart/form-data", {"boundary": "--x:y=z?"})),
            ("application/vnd.x+json", ("application/vnd.x+json", {})),
        ],
    )
    def test_type_and_parameters_are_read(self, text: str, expected: tuple[str, dict[str, str]]) -> None:
        """H-14; RFC 9110 §8.3.1, §5.6.6"""
        assert media_type(text) == expected

    @pytest.mark.parametrize(
        "text",
        [
            "",
            ";",
            "json",
            "application/",
            "/json",
            "application json",
            "application/json x",
            "application/json, text/plain",
            "text/plain, application/json",
            "application/json;a=b, text/plain",
            'application/json;a="b", text/plain',
            "application/json; charset",
            "application/json; =utf-8",
            "application/json; a =b",
            "application/json; a= b",
            'application/json; a="b',
            'application/json; a="b"c',
            'application/json; a="\x00"',
            "application/json; a=1; A=2",
            "application/json\n",
            "applicat\u0130on/json",
            "\u212a/json",
        ],
    )
    def test_what_is_malformed_or_a_list_has_no_media_type(self, text: str) -> None:
        """R37"""
        assert media_type(text) == ("", {})

    @given(st.text(alphabet='a/;="\\, \t\n\x00é') | st.text())
    def test_no_text_makes_it_raise(self, text: str) -> None:
        kind, parameters = media_type(text)
        assert (kind == "") <= (parameters == {})


class TestFeeding:
    @pytest.mark.parametrize("spool_size", [0, 3, 1000])
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_chunks_are_one_body_in_memory_and_on_disk(self, spool_size: int, size: int) -> None:
        data = bytes(range(100))
        chunks = [data[place : place + size] for place in range(0, 100, size)]
        body = received("", [*chunks, b""], Limits(spool_size=spool_size))
        assert body.received == 100
        assert body.content == data
        assert body.content is body.content
        body.close()

    def test_a_body_on_disk_leaves_memory_and_comes_back_when_read(self, nothing_left: None) -> None:
        before = descriptors()
        body = received("", [b"a" * 1024 * 1024, b"b", b"c"])
        assert descriptors() == before + 1
        content = b"a" * 1024 * 1024 + b"bc"
        assert (body.touches_disk, body.content == content, body.touches_disk) == (True, True, False)
        assert descriptors() == before
        body.close()

    def test_a_body_of_exactly_the_spool_size_stays_in_memory(self) -> None:
        body = Body("", "", Limits(spool_size=4))
        touching = []
        for chunk in (b"abc", b"d", b"e"):
            body.feed(chunk)
            touching.append(body.touches_disk)
        assert touching == [False, False, True]
        body.close()

    @pytest.mark.parametrize("content_type", ["", JSON, URLENCODED, MULTIPART])
    def test_the_limit_counts_what_arrives_whatever_was_announced(self, content_type: str) -> None:
        """F-14, A-17, A-18"""
        data = form(field("a", b"b"))
        exact = Limits(max_body_size=len(data))
        for chunks in ([data], bytewise(data)):
            received(content_type, chunks, exact).close()
        body = Body(content_type, "", exact.replace(max_body_size=len(data) - 1), announced=1)
        with pytest.raises(HTTPException) as caught:
            body.feed(data)
        assert caught.value.status == 413

    def test_an_announced_length_over_the_limit_is_refused_before_anything_is_read(self) -> None:
        Body("", "", Limits(max_body_size=5), announced=5).close()
        Body("", "", Limits(max_body_size=None), announced=10**18).close()
        with pytest.raises(HTTPException) as caught:
            Body("", "", Limits(max_body_size=5), announced=6)
        assert caught.value.status == 413

    def test_a_body_shorter_than_announced_is_a_client_that_left(self) -> None:
        """W-30"""
        body = Body(JSON, "", Limits(), announced=3)
        body.feed(b"{}")
        with pytest.raises(ClientDisconnect, match="expected a body of 3 bytes, got 2"):
            body.finish()
        with pytest.raises(RuntimeError, match="not been received to its end"):
            body.json()
        body.close()

    def test_nothing_can_be_read_before_the_end_or_fed_after_it(self) -> None:
        body = Body(JSON, "", Limits())
        for read in readers(body):
            with pytest.raises(RuntimeError, match="not been received to its end"):
                read()
        body.finish()
        with pytest.raises(RuntimeError, match="complete"):
            body.feed(b"x")
        with pytest.raises(RuntimeError, match="complete"):
            body.finish()

    @pytest.mark.parametrize("content_type", [JSON, URLENCODED, MULTIPART])
    def test_nothing_can_be_read_once_the_request_is_over(self, content_type: str) -> None:
        """F-18"""
        body = Body(content_type, "", Limits())
        body.finish()
        assert not body.form
        assert not body.files
        body.close()
        body.close()
        for read in readers(body):
            with pytest.raises(RuntimeError, match="let go with its request"):
                read()

    @pytest.mark.parametrize("content_type", ["", URLENCODED, MULTIPART])
    def test_what_was_spooled_is_gone_when_the_client_leaves_midway(
        self, content_type: str, nothing_left: None
    ) -> None:
        """F-17, R55"""
        body = Body(content_type, "", ON_DISK)
        before = descriptors()
        for chunk in (file("a", b"x" * 100_000), b"--frontier"):
            body.feed(chunk)
        assert descriptors() == before + 1
        body.close()

    def test_other_media_types_have_neither_form_nor_files(self) -> None:
        body = whole("text/plain", b"a=b")
        assert body.form.multi_items() == []
        assert body.files.multi_items() == []
        assert body.content == b"a=b"


class TestDisk:
    @given(
        st.lists(st.binary(max_size=40), max_size=12),
        st.sampled_from(["", URLENCODED, MULTIPART]),
        st.integers(min_value=0, max_value=60),
    )
    def test_the_disk_is_reached_only_when_the_body_said_so(self, contents: list[bytes], kind: str, spool: int) -> None:
        """R56: the door feeds in a worker thread when `touches_disk` is true, else on the loop."""
        chunks = [form(*[file("f", content) for content in contents])] if kind == MULTIPART else contents
        chunks = [half for chunk in chunks for half in (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :])]
        allowed = False

        class Watched(io.BytesIO):
            def __getattribute__(self, name: str) -> Any:
                assert allowed or name == "close"
                return super().__getattribute__(name)

        def watched() -> IO[bytes]:
            assert allowed
            return Watched()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "TemporaryFile", watched)
            patch.setattr(uploads, "_BLOCK", 16)
            body = Body(kind, "", Limits(spool_size=spool))
            for chunk in chunks:
                allowed = body.touches_disk
                body.feed(chunk)
            allowed = body.touches_disk
            body.finish()
            allowed = body.touches_disk
            if kind == MULTIPART:
                assert [item.read() for item in body.files.getlist("up")] == contents
            else:
                assert body.content == b"".join(contents)
            allowed = False
            body.close()

    @pytest.mark.parametrize(
        ("code", "status"),
        [(errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.ENOENT, 507), (errno.EMFILE, 503), (errno.ENFILE, 503)],
    )
    @pytest.mark.parametrize("content_type", ["", MULTIPART])
    def test_no_room_for_a_temporary_file_has_a_status_of_its_own(
        self, code: int, status: int, content_type: str, monkeypatch: pytest.MonkeyPatch, nothing_left: None
    ) -> None:
        """F-16"""

        def refuse() -> IO[bytes]:
            raise OSError(code, os.strerror(code))

        data = form(file("a", b"x" * 100))
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "TemporaryFile", refuse)
            body = Body(content_type, "", ON_DISK)
            body.feed(data)
            with pytest.raises(HTTPException) as caught:
                body.finish()
        assert caught.value.status == status
        assert isinstance(caught.value.__cause__, OSError)
        received(content_type, [data], ON_DISK).close()  # the next request is fine

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full is Linux's")
    def test_a_disk_that_fills_up_while_spooling_releases_the_file(
        self, monkeypatch: pytest.MonkeyPatch, nothing_left: None
    ) -> None:
        """F-16, with a device that answers every write with ENOSPC"""
        monkeypatch.setattr(tempfile, "TemporaryFile", partial(open, "/dev/full", "w+b"))
        for size in (10, 1_000_000):
            body = Body("", "", ON_DISK)
            body.feed(b"x" * size)
            with pytest.raises(HTTPException) as caught:
                body.feed(b"x")
            assert caught.value.status == 507
            body.close()

    def test_another_fault_of_the_disk_is_passed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail() -> IO[bytes]:
            raise OSError(errno.EIO, "broken")

        monkeypatch.setattr(tempfile, "TemporaryFile", fail)
        with pytest.raises(OSError, match="broken"):
            whole("", b"x", ON_DISK)

    def test_a_body_that_trickles_in_reaches_the_disk_once_in_64_kib(self, nothing_left: None) -> None:
        """R56: a hop into a worker thread for a handful of bytes costs more than the bytes."""
        body = Body("", "", ON_DISK)
        touches = 0
        for _ in range(1000):
            body.feed(b"x" * 1000)
            touches += body.touches_disk
        body.finish()
        assert 1 < touches <= 1 + 1_000_000 // 65_536
        assert body.content == b"x" * 1_000_000

    def test_a_spool_can_be_read_between_two_writes(self, nothing_left: None) -> None:
        spool = uploads.Spool(0)
        content = b""
        for size in (100_000, 70_000, 70_000, 10):
            content += os.urandom(size)
            spool.append(content[-size:])
            spool.flush()
            assert spool.read(0, len(spool)) == content
            assert spool.read(50_000, 60_000) == content[50_000:110_000]
        spool.close()

    def test_a_thousand_uploads_take_one_descriptor(self, nothing_left: None) -> None:
        before = descriptors()
        body = whole(MULTIPART, form(*[file("f", b"%d" % number) for number in range(1000)]), ON_DISK)
        assert [item.read() for item in body.files.getlist("up")] == [b"%d" % number for number in range(1000)]
        assert descriptors() == before + 1
        body.close()


class TestJSON:
    @pytest.mark.parametrize(
        "content_type",
        [JSON, 'APPLICATION/JSON; Charset="UTF-8"', "application/json;charset=utf8", "application/vnd.x+json"],
    )
    def test_json_media_types_are_read(self, content_type: str) -> None:
        """H-14, H-16"""
        assert whole(content_type, b'{"a": [1, null]}').json() == {"a": [1, None]}

    @pytest.mark.parametrize(
        "content_type",
        [
            "",
            "text/plain",
            "text/json",
            URLENCODED,
            MULTIPART,
            "application/jsonp",
            "application/json, text/plain",
            "application/json;a=b, text/plain",
            "text/plain; application/json",
            "application/json; charset=utf-16",
            "application/json; charset=iso-8859-1",
            "application/json; charset=",
        ],
    )
    def test_another_media_type_or_charset_is_415(self, content_type: str) -> None:
        """H-15, H-17, R37"""
        data = form(field("a")) if content_type == MULTIPART else b"{}"
        with pytest.raises(HTTPException) as caught:
            whole(content_type, data).json()
        assert caught.value.status == 415

    @pytest.mark.parametrize("content_type", ["", JSON])
    def test_an_empty_body_is_a_bad_request(self, content_type: str) -> None:
        """H-18"""
        with pytest.raises(HTTPException, match="empty") as caught:
            received(content_type, []).json()
        assert caught.value.status == 400

    @pytest.mark.parametrize(
        ("data", "place"),
        [
            (b'{"a": 1, oops}', "byte 9"),
            (b'{"a": 1', "byte 7"),
            (b" \n", "byte 2"),
            (b"{} x", "trailing characters"),
            (b'{"a": "x\xff"}', "byte 8"),
            (b'{"a": "\\n\xff"}', "byte 9"),
            (b"[1, \xff]", "byte 4"),
            (b"\xef\xbb\xbf{}", "byte 0"),
            (b"[NaN]", "byte 1"),
            (b"[-Infinity]", "byte 2"),
            (b'"\\udc00"', "byte"),
            (b"[1, " + b"1" * 10_000 + b"]", r"\$\[1\]"),
            (b"[-" + b"1" * 10_000 + b"]", r"\$\[0\]"),
            (b"[1e999]", r"\$\[0\]"),
            (b"[" * 100_000, "nested too deeply"),
            (b'{"a":' * 100_000, "nested too deeply"),
        ],
    )
    def test_malformed_json_is_a_bad_request_that_says_where(self, data: bytes, place: str) -> None:
        """H-19"""
        with pytest.raises(HTTPException, match=f"malformed JSON: .*{place}") as caught:
            whole(JSON, data).json()
        assert caught.value.status == 400

    def test_of_duplicate_members_the_last_counts(self) -> None:
        """H-19"""
        assert whole(JSON, b'{"a": 1, "a": 2}').json() == {"a": 2}

    def test_a_prepared_decoder_is_used_and_its_validation_error_passes(self) -> None:
        class Item(msgspec.Struct):
            price: int

        decode = msgspec.json.Decoder(Item).decode
        assert whole(JSON, b'{"price": 3}').json(decode) == Item(3)
        with pytest.raises(msgspec.ValidationError, match=r"\$\.price"):
            whole(JSON, b'{"price": "3"}').json(decode)
        with pytest.raises(HTTPException) as caught:
            whole(JSON, b'{"price": ' + b"3" * 10_000 + b"}").json(decode)
        assert caught.value.status == 400

    def test_the_bytes_stay_beside_the_json(self) -> None:
        """F-21"""
        body = whole(JSON, b"[ 1 ]")
        assert body.json() == [1]
        assert body.content == b"[ 1 ]"


class TestUrlencoded:
    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
            (b"a=1&", [("a", "1")]),
            (b"&&a=1&&b", [("a", "1"), ("b", "")]),
            (b"a=b=c", [("a", "b=c")]),
            (b"a=1;b=2", [("a", "1;b=2")]),
            (b"a+b=c%2Bd+%26", [("a b", "c+d &")]),
            (b"a=%zz%", [("a", "%zz%")]),
            (b"%C3%A9=%ff", [("\xe9", "\ufffd")]),
        ],
    )
    def test_fields_are_read_by_the_url_standard(self, data: bytes, expected: list[tuple[str, str]]) -> None:
        """F-20, R44; WHATWG URL §5.1"""
        body = received("Application/X-WWW-Form-Urlencoded; charset=latin-1", bytewise(data))
        assert body.form.multi_items() == expected
        assert body.form is body.form
        assert body.content == data
        assert body.files.multi_items() == []

    def test_a_body_on_disk_is_read_back_for_its_form(self, nothing_left: None) -> None:
        body = whole(URLENCODED, b"a=1&b=2", ON_DISK)
        assert body.touches_disk
        assert body.form.multi_items() == [("a", "1"), ("b", "2")]
        body.close()

    def test_a_hundred_thousand_pairs_are_too_many(self) -> None:
        """F-20"""
        assert status_of(URLENCODED, [b"a=b&" * 100_000]) == 413


def urlencoded(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return b"&".join(name + b"=" + value for name, value in pairs) + b"&"


def fields(pairs: list[tuple[bytes, bytes]]) -> bytes:
    return form(*[field(name.decode(), value) for name, value in pairs])


HEADERS = len("content-disposition" + 'form-data; name="a"')


class TestEveryLimit:
    @pytest.mark.parametrize(
        ("limits", "content_type", "fit", "surplus"),
        [
            pytest.param(limits, content_type, fit, surplus, id=f"{limits}-{index}")
            for index, (limits, content_type, fit, surplus) in enumerate(
                [
                    ({"max_fields": 3}, URLENCODED, urlencoded([(b"a", b"")] * 3), urlencoded([(b"a", b"")] * 4)),
                    ({"max_fields": 3}, MULTIPART, fields([(b"a", b"")] * 3), fields([(b"a", b"")] * 4)),
                    ({"max_fields": 0}, URLENCODED, b"&&&", b"&&a"),
                    ({"max_field_size": 5}, URLENCODED, b"name=12345&b=12345", b"name=123456"),
                    ({"max_field_size": 5}, URLENCODED, b"long name&a==2345", b"b=1&a=1234=6"),
                    (
                        {"max_field_size": 5},
                        MULTIPART,
                        fields([(b"name", b"12345"), (b"b", b"12345")]),
                        fields([(b"b", b"1"), (b"name", b"123456")]),
                    ),
                    ({"max_form_memory": 9}, URLENCODED, b"a=1&b=234", b"a=1&b=2345"),
                    (
                        {"max_form_memory": 2 * HEADERS + 4},
                        MULTIPART,
                        fields([(b"a", b"1"), (b"b", b"234")]),
                        fields([(b"a", b"1"), (b"b", b"2345")]),
                    ),
                    ({"max_form_memory": 2 * HEADERS}, MULTIPART, fields([(b"a", b"")] * 2), fields([(b"a", b"")] * 3)),
                    ({"max_files": 2}, MULTIPART, form(*[file("f")] * 2, field("a")), form(*[file("f")] * 3)),
                    ({"max_files": 2}, MULTIPART, form(*[file("")] * 2), form(*[file("")] * 3)),
                    (
                        {"max_file_size": 5},
                        MULTIPART,
                        form(file("f", b"12345"), file("f", b"12345"), field("a", b"123456")),
                        form(file("f", b"1"), file("f", b"123456")),
                    ),
                    (
                        {"max_part_headers": 2},
                        MULTIPART,
                        form(part('form-data; name="a"', b"", "X: y"), part('form-data; name="a"', b"", "X: y")),
                        form(part('form-data; name="a"', b"", "X: y", "X: y")),
                    ),
                    (
                        {"max_part_header_size": 50},
                        MULTIPART,
                        form(part('form-data; name="a"', b"", "X:" + "y" * 48)),
                        form(part('form-data; name="a"', b"", "X:" + "y" * 49)),
                    ),
                    (
                        {"max_part_header_size": 50},
                        MULTIPART,
                        form(part('form-data; name="a"', b"", "X:" + "y" * 48)),
                        form(part('form-data; name="a"', b"", "X:" + "y" * 999)),
                    ),
                ]
            )
        ],
    )
    def test_the_limit_itself_is_fine_and_one_more_is_413_however_it_is_cut(
        self, limits: dict[str, int], content_type: str, fit: bytes, surplus: bytes, nothing_left: None
    ) -> None:
        """F-14, F-20, R51, R55"""
        for size in (1, 7, 10_000):
            for given_limits in (Limits(**limits), Limits(**limits, spool_size=0)):
                cut = [fit[place : place + size] for place in range(0, len(fit), size)]
                received(content_type, cut, given_limits).close()
                cut = [surplus[place : place + size] for place in range(0, len(surplus), size)]
                assert status_of(content_type, cut, given_limits) == 413

    def test_the_default_limits_hold_for_both_kinds_of_form(self) -> None:
        """R51"""
        for encode, content_type in ((urlencoded, URLENCODED), (fields, MULTIPART)):
            most = encode([(b"a", b"b")] * 1000)
            assert len(whole(content_type, most).form.getlist("a")) == 1000
            assert status_of(content_type, [encode([(b"a", b"b")] * 1001)]) == 413
            largest = 512 * 1024
            assert len(whole(content_type, encode([(b"a", b"b" * largest)])).form["a"]) == largest
            assert status_of(content_type, [encode([(b"a", b"b" * (largest + 1))])]) == 413

    def test_a_limit_is_held_while_the_body_is_still_arriving(self) -> None:
        """R51"""
        for content_type, chunk in ((URLENCODED, b"a&"), (MULTIPART, field("a"))):
            body = Body(content_type, "", Limits(max_fields=5))
            for _ in range(5):
                body.feed(chunk)
            with pytest.raises(HTTPException) as caught:
                body.feed(chunk)
            assert caught.value.status == 413


class TestMultipart:
    def test_fields_and_files_are_told_apart_by_their_filename(self) -> None:
        data = form(
            field("title", "Grüße".encode()),
            part(
                'form-data; name="up"; filename="a.txt"', b"one\r\n", "Content-Type: text/csv; charset=x", "X-More: 1"
            ),
            part('form-data; name="up"; filename="b.bin"', b"\x00\xff"),
            field("title", b"two"),
        )
        body = whole(MULTIPART, data)
        assert body.form.multi_items() == [("title", "Grüße"), ("title", "two")]
        first, second = body.files.getlist("up")
        assert (first.filename, first.content_type, first.size, first.read()) == (
            "a.txt",
            "text/csv; charset=x",
            5,
            b"one\r\n",
        )
        assert first.headers["X-More"] == "1"
        assert (second.content_type, second.read()) == ("text/plain", b"\x00\xff")  # RFC 7578 §4.4
        assert body.files is body.files
        assert repr(first) == "<UploadFile 'a.txt' text/csv; charset=x 5 bytes>"
        body.close()

    def test_the_bytes_of_a_multipart_body_are_not_kept_and_the_error_names_the_way(self) -> None:
        """F-21"""
        with pytest.raises(RuntimeError, match="stream=True"):
            _ = whole(MULTIPART, form(field("a"))).content

    @pytest.mark.parametrize(
        "content_type",
        [
            "multipart/form-data",
            "multipart/form-data; boundary=",
            'multipart/form-data; boundary=""',
            "multipart/form-data; boundary=" + "x" * 71,
            "multipart/form-data; boundary=" + "x" * 257,
            "multipart/form-data; boundary=a\r\nb",
            'multipart/form-data; boundary="a\r\nb"',
            'multipart/form-data; boundary="ends with space "',
            'multipart/form-data; boundary="fr\xf6ntier"',
            'multipart/form-data; boundary="a*b"',
            "multipart/form-data; boundary=frontier; boundary=frontier",
            "multipart/form-data; boundary=frontier, text/plain",
        ],
    )
    def test_a_boundary_that_is_none_is_a_bad_request(self, content_type: str) -> None:
        """F-01; RFC 2046 §5.1.1"""
        assert status_of(content_type, [form(field("a"))]) == 400

    @pytest.mark.parametrize("boundary", ["frontier", '"frontier"'])
    def test_the_boundary_may_be_quoted(self, boundary: str) -> None:
        """F-01"""
        assert whole(f"multipart/form-data; boundary={boundary}", form(field("a", b"b"))).form["a"] == "b"

    def test_every_character_of_rfc_2046_may_stand_in_a_boundary(self) -> None:
        boundary = "09azAZ'()+_,-./:=? x"
        data = form(field("a", b"b")).replace(b"frontier", boundary.encode())
        assert whole(f'multipart/form-data; boundary="{boundary}"', data).form["a"] == "b"

    @pytest.mark.parametrize(
        "data", [field("a", b"b"), field("a", b"b") + b"--frontier", b"--frontier-", b"-", b"\r\n"]
    )
    def test_a_body_that_ends_before_its_closing_delimiter_is_a_bad_request(self, data: bytes) -> None:
        """F-02, R54"""
        assert status_of(MULTIPART, [data]) == 400

    @pytest.mark.parametrize("data", [b"--frontier--", b"--frontier--\r\n", b"\r\n--frontier--\r\n"])
    def test_zero_parts_are_an_empty_form(self, data: bytes) -> None:
        """F-03"""
        assert outcome(MULTIPART, [data]) == ([], [])

    def test_a_request_without_a_body_has_an_empty_form(self) -> None:
        for content_type in (MULTIPART, "multipart/form-data"):
            assert outcome(content_type, []) == ([], [])
            assert outcome(content_type, [b""]) == ([], [])

    @pytest.mark.parametrize("epilogue", [b"junk", b"\r\njunk" * 9, field("b"), form(field("b"))])
    def test_what_follows_the_closing_delimiter_is_ignored_and_counted(self, epilogue: bytes) -> None:
        """F-04"""
        data = form(field("a", b"b")) + epilogue
        for chunks in ([data], bytewise(data)):
            assert outcome(MULTIPART, chunks) == ([("a", "b")], [])
        assert status_of(MULTIPART, bytewise(data), Limits(max_body_size=len(data) - 1)) == 413

    @pytest.mark.parametrize(
        "data",
        [
            pytest.param(data, id=name)
            for name, data in {
                "no name": part("form-data"),
                "no name but filename": part('form-data; filename="a"'),
                "only an extended name": part("form-data; name*=utf-8''a"),
                "a name inside an extended parameter": part('form-data; filename*="; name=x"'),
                "no disposition": b"--frontier\r\nX: y\r\n\r\n\r\n",
                "no header": b"--frontier\r\n\r\n\r\n",
                "another disposition": part('attachment; name="a"'),
                "a disposition that only begins so": part('form-data2; name="a"'),
                "two names": part('form-data; name="a"; name="a"'),
                "two names in two cases": part('form-data; name="a"; Name="b"'),
                "two filenames": part('form-data; name="a"; filename="a"; filename="b"'),
                "two dispositions": part('form-data; name="a"', b"", 'content-disposition: form-data; name="b"'),
                "two content types": part('form-data; name="a"', b"", "Content-Type: a/b", "CONTENT-TYPE: a/b"),
                "no quote at the end": part('form-data; name="a'),
                "an escaped quote at the end": part('form-data; name="a\\"'),
                "text after a value": part('form-data; name="a"b'),
                "text between parameters": part('form-data; name="a" b; c=d'),
                "a parameter without a value": part('form-data; name="a"; b'),
                "nested": part('form-data; name="a"', b"", "Content-Type: Multipart/Mixed; boundary=b"),
                "latin-1 in a name": part('form-data; name="\udce9"'),
                "latin-1 in a filename": part('form-data; name="a"; filename="\udce9"'),
                "a line feed in a header": part('form-data; name="a\nX: y"'),
                "a carriage return in a header": part('form-data; name="a\rX: y"'),
                "a folded header": part('form-data;\r\n name="a"'),
                "a space before the colon": part('form-data; name="a"', b"", "X : y"),
                "no colon": part('form-data; name="a"', b"", "X"),
                "a header name that is no token": part('form-data; name="a"', b"", "X(): y"),
                "a header name of unusual characters": part('form-data; name="a"', b"", "X!: y"),
                "line feeds only": form(field("a")).replace(b"\r\n", b"\n"),
                "a preamble": b"preamble\r\n" + field("a"),
                "two line ends before the boundary": b"\r\n\r\n" + field("a"),
                "a delimiter that goes on": field("a", b"x\r\n--frontier2\r\ny"),
                "a delimiter with padding": field("a", b"x\r\n--frontier \r\ny"),
                "a first delimiter that goes on": b"--frontier2\r\n" + field("a"),
            }.items()
        ],
    )
    def test_malformed_multipart_is_a_bad_request_however_it_is_cut(self, data: bytes) -> None:
        """F-05, F-10, F-12, R53"""
        assert status_of(MULTIPART, [form(data)]) == 400
        assert status_of(MULTIPART, bytewise(form(data))) == 400

    def test_an_empty_upload_box_is_no_file(self) -> None:
        """F-06"""
        assert outcome(MULTIPART, [form(file(""), field("a"))]) == ([("a", "")], [])

    def test_a_file_with_content_and_an_empty_name_is_a_file(self) -> None:
        """F-06"""
        body = whole(MULTIPART, form(file("", b"x")))
        assert (body.files["up"].filename, body.files["up"].raw_filename) == ("unnamed", "")

    @pytest.mark.parametrize(
        "parameters",
        [
            "name=\"a\"; filename=\"f\"; filename*=utf-8''evil; name*=utf-8''evil",
            'filename*=utf-8\'\'evil(1); filename*0="ev"; filename*1="il"; name="a"; filename="f"',
            'NAME=a ; FileName = "f";',
            'name="a";filename=f; ',
        ],
    )
    def test_only_the_plain_parameters_count(self, parameters: str) -> None:
        """F-07, R53; RFC 7578 §4.2"""
        assert outcome(MULTIPART, [form(part(f"form-data; {parameters}"))]) == ([], [("a", "f", "text/plain", b"")])

    @pytest.mark.parametrize(
        ("sent", "meant"),
        [
            ("a%22b%0D%0Ac", 'a"b\r\nc'),
            ("100%25 %41 %0d%zz", "100%25 %41 %0d%zz"),
            ("a\\b\\\\c", "a\\b\\\\c"),
            ('a\\"b\\\\c%22', 'a"b\\c%22'),
            ('\\\\\\"\\x\\"\\\\', '\\"\\x"\\'),
            ("näme 😀", "näme 😀"),
            ("; filename=x", "; filename=x"),
            ("", ""),
        ],
    )
    def test_names_are_unescaped_as_browsers_escape_them(self, sent: str, meant: str) -> None:
        """F-08; WHATWG HTML, Multipart form data"""
        data = form(part(f'form-data; name="{sent}"'), part(f'form-data; name="a"; filename="{sent}"', b"x"))
        fields, files = outcome(MULTIPART, [data])  # type: ignore[misc]  # not a status
        assert fields == [(meant, "")]
        assert files == [("a", meant, "text/plain", b"x")]

    def test_a_value_that_is_no_utf8_is_shown_by_the_replacement_character(self) -> None:
        """F-10"""
        assert whole(MULTIPART, form(field("a", b"x\xff\xc3"))).form["a"] == "x\ufffd\ufffd"

    def test_charset_fields_and_parameters_are_ignored(self) -> None:
        """F-11"""
        data = form(
            field("_charset_", b"iso-8859-1"),
            part('form-data; name="a"', "é".encode(), "Content-Type: text/plain; charset=iso-8859-1"),
        )
        assert outcome(MULTIPART, [data]) == ([("_charset_", "iso-8859-1"), ("a", "é")], [])

    @pytest.mark.parametrize(
        "header",
        [
            "Content-Length: 99",
            "Content-Length: 0",
            "content-length: abc",
            "Content-Length:",
            "Content-Length: 1\r\nContent-Length: 2",
            "Content-Transfer-Encoding: base64",
            "Content-Transfer-Encoding: quoted-printable",
            "Transfer-Encoding: chunked",
            "Content-Encoding: gzip",
        ],
    )
    def test_other_headers_of_a_part_are_ignored(self, header: str) -> None:
        """F-13; RFC 7578 §4.8"""
        assert whole(MULTIPART, form(part('form-data; name="a"', b"PT0=", header))).form["a"] == "PT0="

    def test_content_that_resembles_the_boundary_is_content(self) -> None:
        for content in (
            b"--frontier",
            b"--frontier--",
            b"\r\n--frontie",
            b"\r\n-\r\n--\r\r\n",
            b"\r",
            b"\n",
            b"\r\n",
            b"\r\n--",
        ):
            for chunks in ([form(field("a", content))], bytewise(form(field("a", content)))):
                assert outcome(MULTIPART, chunks) == ([("a", content.decode())], [])


CORPUS = [
    form(),
    b"\r\n" + form(field("a", b"1"), field("b", b"\r\n\r\n")),
    form(field("a%22", b"--frontier"), file("x%0D.txt", b"\r\n--frontie\r\r\n"), file("", b""), file("é", b""))
    + b"epilogue",
    form(part('form-data; name="a"', b"x", "Content-Length: 7", "X-Y: z")),
    form(field("a")).replace(b"\r\n\r\n", b"\r\n\n"),
    form(field("a"))[:-4],
    b"x" + form(field("a")),
    form(field("a", b"\r\n--frontier-x")),
    form(part("form-data")),
]


class TestEveryCut:
    @pytest.mark.parametrize("data", CORPUS)
    @pytest.mark.parametrize("spool_size", [0, 1000])
    def test_a_cut_at_any_place_changes_nothing(self, data: bytes, spool_size: int) -> None:
        """F-15"""
        limits = Limits(spool_size=spool_size)
        expected = outcome(MULTIPART, [data], limits)
        assert outcome(MULTIPART, bytewise(data), limits) == expected
        for place in range(1, len(data)):
            assert outcome(MULTIPART, [data[:place], data[place:]], limits) == expected

    @given(
        st.sampled_from(CORPUS),
        st.lists(
            st.tuples(st.integers(0, 400), st.sampled_from([b"", b"\r", b"\n", b"--", b'"', b":", b" ", b"\x00\xff"]))
        ),
    )
    @example(CORPUS[2], [(0, b"\r"), (1, b"\n")])
    def test_damage_is_seen_alike_in_one_chunk_and_in_many(self, data: bytes, damage: list[tuple[int, bytes]]) -> None:
        """F-15"""
        for place, text in damage:
            data = data[:place] + text + data[place + 1 :]
        result = outcome(MULTIPART, [data])
        assert result == outcome(MULTIPART, bytewise(data))
        assert not isinstance(result, int) or result == 400

    @given(
        st.lists(
            st.tuples(
                st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\%'), max_size=20),
                st.none()
                | st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\%'), min_size=1, max_size=20),
                st.binary(max_size=200) | st.text(alphabet="\r\n-frontie", max_size=40).map(str.encode),
            ),
            max_size=5,
        ),
        st.integers(min_value=1, max_value=50),
        st.integers(min_value=0, max_value=300),
    )
    def test_what_was_put_in_comes_out(
        self, parts: list[tuple[str, str | None, bytes]], size: int, spool_size: int
    ) -> None:
        """F-15, over random forms, chunk sizes and spool sizes"""
        data = form(
            *[
                part(f'form-data; name="{name}"' + ("" if filename is None else f'; filename="{filename}"'), content)
                for name, filename, content in parts
            ]
        )
        chunks = [data[place : place + size] for place in range(0, len(data), size)]
        assert outcome(MULTIPART, chunks, Limits(spool_size=spool_size)) == (
            [(name, content.decode(errors="replace")) for name, filename, content in parts if filename is None],
            [(name, filename, "text/plain", content) for name, filename, content in parts if filename is not None],
        )

    @given(
        st.lists(st.sampled_from([b"&", b"=", b"a", b"%", b"bc"])),
        st.integers(1, 5),
        st.integers(0, 4),
        st.integers(0, 4),
    )
    def test_an_urlencoded_form_is_counted_alike_however_it_is_cut(
        self, pieces: list[bytes], size: int, most: int, longest: int
    ) -> None:
        """F-14, F-20"""
        data = b"".join(pieces)
        pairs = [pair.partition(b"=") for pair in data.split(b"&") if pair]
        too_much = len(pairs) > most or any(len(value) > longest for _, _, value in pairs)
        chunks = [data[place : place + size] for place in range(0, len(data), size)]
        result = outcome(URLENCODED, chunks, Limits(max_fields=most, max_field_size=longest))
        assert (result == 413) is too_much


@pytest.mark.parametrize("limits", [Limits(), ON_DISK], ids=["memory", "disk"])
class TestUploadFile:
    def test_it_is_read_in_pieces_and_to_its_end(self, limits: Limits, nothing_left: None) -> None:
        body, item = upload(b"0123456789", limits)
        assert (item.read(3), item.read(0), item.read(3), item.read(), item.read(), item.read(1)) == (
            b"012",
            b"",
            b"345",
            b"6789",
            b"",
            b"",
        )
        body.close()

    def test_its_file_seeks_within_the_upload_alone(self, limits: Limits, nothing_left: None) -> None:
        data = form(file("a", b"first"), file("b", b"one\ntwo\n"), file("c", b"third"))
        body = whole(MULTIPART, data, limits)
        item = body.files.getlist("up")[1]
        with item.file as opened:
            assert opened.readable()
            assert opened.seekable()
            assert not opened.writable()
            assert list(opened) == [b"one\n", b"two\n"]
            assert (opened.seek(-4, os.SEEK_END), opened.read(), opened.tell()) == (4, b"two\n", 8)
            assert (opened.seek(1), opened.seek(1, os.SEEK_CUR), opened.read(2)) == (1, 2, b"e\n")
            assert (opened.seek(99), opened.read(), opened.read(1)) == (99, b"", b"")
            with pytest.raises(ValueError, match="-1"):
                opened.seek(-1)
        body.close()

    def test_two_uploads_can_be_read_in_turns(self, limits: Limits, nothing_left: None) -> None:
        contents = [os.urandom(200_000), os.urandom(200_000)]
        body = whole(MULTIPART, form(file("a", contents[0]), file("b", contents[1])), limits)
        taken = [b"", b""]
        for _ in range(20):
            for index, item in enumerate(body.files.getlist("up")):
                taken[index] += item.read(10_000)
        assert taken == contents
        body.close()

    def test_it_is_walked_and_saved_whole_wherever_reading_stands(
        self, limits: Limits, tmp_path: Path, nothing_left: None
    ) -> None:
        content = os.urandom(150_000)
        body, item = upload(content, limits)
        item.read(10)
        assert [len(chunk) for chunk in item] == [65536, 65536, 150_000 - 2 * 65536]
        assert b"".join(item) == content
        target = tmp_path / item.filename
        target.write_bytes(b"x" * 200_000)
        item.save(target)
        assert target.read_bytes() == content
        assert item.read(5) == content[10:15]
        body.close()

    @pytest.mark.parametrize("end", [Body.close, lambda body: body.files["up"].close()], ids=["request", "upload"])
    def test_once_its_request_is_over_every_use_says_so(
        self, limits: Limits, end: Callable[[Body], None], tmp_path: Path, nothing_left: None
    ) -> None:
        """F-18"""
        body, item = upload(b"x" * 100_000, limits)
        opened, walk = item.file, iter(item)
        opened.read(1)  # 64 KiB of it are buffered now
        next(walk)
        end(body)
        uses: list[Callable[[], object]] = [
            item.read,
            lambda: item.file,
            lambda: next(walk),
            lambda: list(item),
            lambda: item.save(tmp_path / "a"),
        ]
        for use in uses:
            with pytest.raises(ValueError, match=r"upload 'a\.txt' is closed: it lives as long as its request"):
                use()
        assert not (tmp_path / "a").exists()
        with pytest.raises(ValueError, match="closed"):
            opened.read(1)
        assert (item.filename, item.size) == ("a.txt", 100_000)
        item.close()
        body.close()

    def test_what_stands_on_a_closed_spool_cannot_be_read(self, limits: Limits) -> None:
        spool = uploads.Spool(limits.spool_size)
        spool.append(b"x")
        spool.close()
        with pytest.raises(ValueError, match="closed"):
            spool.read(0, 1)


class TestSafeName:
    @pytest.mark.parametrize(
        ("sent", "safe"),
        [
            ("report.pdf", "report.pdf"),
            ("../../x", "x"),
            ("../../etc/passwd", "passwd"),
            ("C:\\a\\b", "b"),
            ("C:b.txt", "C_b.txt"),
            ("\\\\server\\share\\b.txt", "b.txt"),
            ("a\x00b\n.txt\x7f", "ab.txt"),
            ("CON", "_CON"),
            ("nul.txt.html", "_nul.txt.html"),
            ("con .txt", "_con .txt"),
            ("COM\xb9", "_COM\xb9"),
            ("LPT9.", "_LPT9"),
            ("console.log", "console.log"),
            ("com10", "com10"),
            ("NUL:", "NUL_"),
            ("a.txt:stream", "a.txt_stream"),
            ('<a>|"b"?*', "_a___b___"),
            (".htaccess", "htaccess"),
            (" .. a . ", "a"),
            ("annexe\u202egpj.exe", "annexegpj.exe"),
            ("😀 Grüße 👨‍👩‍👧.png", "😀 Grüße 👨‍👩‍👧.png"),
            ("x" * 1000, "x" * 255),
            ("x" * 1000 + ".tar.gz", "x" * 252 + ".gz"),
            ("é" * 1000 + ".txt", "é" * 125 + ".txt"),
            ("x." + "y" * 1000, "x." + "y" * 253),
            ("", "unnamed"),
            ("..", "unnamed"),
            ("a/", "unnamed"),
            ("\x00", "unnamed"),
        ],
    )
    def test_a_base_name_is_left_that_any_file_system_takes(self, sent: str, safe: str) -> None:
        """F-09, R58"""
        assert safe_name(sent) == safe

    def test_the_raw_name_is_kept_apart(self) -> None:
        """F-09, R58"""
        _, item = upload(b"x", filename="../a\x00.txt")
        assert (item.filename, item.raw_filename) == ("a.txt", "../a\x00.txt")

    @given(st.text() | st.text(alphabet="./\\ :conul1\x00é\xb9", max_size=300))
    @example("con" + " " * 300 + "x")
    @example("x" * 254 + ". y")
    def test_no_name_leaves_its_folder_or_changes_when_made_safe_again(self, sent: str) -> None:
        """F-09, R58"""
        safe = safe_name(sent)
        assert safe == Path(safe).name
        assert safe not in ("", ".", "..")
        assert 0 < len(safe.encode()) <= 255
        assert safe_name(safe) == safe
