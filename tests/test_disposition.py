"""The name under which an answer is saved, and that no name breaks out of its field."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duoframe.datastructures import check_field
from duoframe.disposition import base_name, content_disposition

TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
PARAMETER = re.compile(rf"; ({TOKEN})=({TOKEN}|{QUOTED})")
EXTENDED = re.compile(r"UTF-8''((?:[A-Za-z0-9!#$&+\-.^_`|~]|%[0-9A-F]{2})+)")  # RFC 8187 §3.2.1

ANY_NAME = st.text(st.characters(exclude_categories=()), max_size=30)


def strictly_parsed(field: str) -> tuple[str, dict[str, str]]:
    """A field value read by the grammar of RFC 6266 §4.1, each parameter at most once, with nothing left over."""
    kind = re.match(TOKEN, field)
    assert kind is not None
    parameters: dict[str, str] = {}
    position = kind.end()
    while position < len(field):
        match = PARAMETER.match(field, position)
        assert match is not None, field[position:]
        position = match.end()
        name, value = match.groups()
        assert name not in parameters
        if name.endswith("*"):
            extended = EXTENDED.fullmatch(value)
            assert extended is not None
            value = unquote(extended[1], errors="strict")
        elif value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        parameters[name] = value
    return kind[0], parameters


@pytest.mark.parametrize(
    ("name", "field"),
    [
        (None, "attachment"),
        ("", "attachment"),
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("my report (2).pdf", 'attachment; filename="my report (2).pdf"'),
        ("café.txt", "attachment; filename=\"cafe.txt\"; filename*=UTF-8''caf%C3%A9.txt"),
        ("€ rates", "attachment; filename=\"_ rates\"; filename*=UTF-8''%E2%82%AC%20rates"),  # RFC 6266 §5
        ("日本.txt", "attachment; filename=\"__.txt\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.txt"),
        ('a"b.txt', "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%22b.txt"),
        ("a;b.txt", "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%3Bb.txt"),
        ("100%41.txt", "attachment; filename=\"100_41.txt\"; filename*=UTF-8''100%2541.txt"),
        ("it's*.txt", "attachment; filename=\"it's_.txt\"; filename*=UTF-8''it%27s%2A.txt"),
        (
            "a\r\nset-cookie: b=c",
            "attachment; filename=\"a__set-cookie_ b=c\"; filename*=UTF-8''a__set-cookie%3A%20b%3Dc",
        ),
        ("a\x00b", 'attachment; filename="a_b"'),
        ("a\x7fb\x85c", 'attachment; filename="a_b_c"'),
        ("\ud800.txt", 'attachment; filename="_.txt"'),
        ("invoice\u202etxt.exe", 'attachment; filename="invoice_txt.exe"'),
        ("/etc/passwd", 'attachment; filename="passwd"'),
        ("../../.ssh/id", 'attachment; filename="id"'),
        ("C:\\Windows\\system.ini", 'attachment; filename="system.ini"'),
        ("a/b\\c", 'attachment; filename="c"'),
        ("..", "attachment"),
        ("../..", "attachment"),
        (".", "attachment"),
        ("a/", "attachment"),
        (" \t", "attachment"),
        (" .. ", "attachment"),
        (".profile", 'attachment; filename=".profile"'),
        ("\u037e", "attachment; filename=\"_\"; filename*=UTF-8''%CD%BE"),  # decomposes to ";"
    ],
)
def test_the_table_of_names(name: str | None, field: str) -> None:
    """R25: RFC 6266 §4.3, RFC 8187 §3.2; CVE-2022-36359."""
    assert content_disposition("attachment", name) == field


@given(ANY_NAME, st.sampled_from(["attachment", "inline"]))
@example('"; filename="evil.exe', "attachment")
@example("\\", "inline")
@example('a\\"b', "inline")
def test_whatever_the_name_a_strict_parser_reads_it_back(name: str, kind: Any) -> None:
    """R25: the field has its own two parameters and no other, and is one legal line."""
    field = content_disposition(kind, name)
    assert check_field("content-disposition", field) == ("content-disposition", field)
    assert field.isascii()
    assert field.isprintable()
    found, parameters = strictly_parsed(field)
    assert found == kind
    assert set(parameters) <= {"filename", "filename*"}
    saved = parameters.get("filename*", parameters.get("filename", ""))
    assert saved == base_name(name)
    assert not re.search(r"[\x00-\x1f\x7f/\\]", saved)
    assert saved not in (".", "..")
    assert not re.search(r'["\\%;]', parameters.get("filename", ""))


@pytest.mark.parametrize("kind", ["form-data", "", "attachment; filename=x", "Attachment"])
def test_another_kind_is_a_mistake_that_is_told(kind: Any) -> None:
    with pytest.raises(ValueError, match='expected "attachment" or "inline"'):
        content_disposition(kind, "a.txt")
