"""The table of calls that hold a thread: what it has to know, and what it must not take for one of them."""

from __future__ import annotations

import pytest

from duoframe.check import known
from duoframe.check.known import HARMLESS, advice_for, public_names


@pytest.mark.parametrize(
    "call",
    [
        *("psycopg.connect", "psycopg.Connection.connect", "psycopg.connect().execute", "psycopg.connect().commit"),
        *("psycopg.Connection().cursor().fetchall", "psycopg2.connect", "psycopg2.connect().cursor().execute"),
        *("pymysql.connect", "pymysql.connect().cursor().executemany", "mysql.connector.connect().rollback"),
        *("redis.Redis().get", "redis.from_url().ping", "redis.StrictRedis().pipeline().execute"),
        *("boto3.client().get_object", "boto3.Session().client().list_buckets", "boto3.resource().Table().get_item"),
        *("botocore.client.BaseClient().put_object", "urllib3.PoolManager().request", "smtplib.SMTP", "os.system"),
        *("smtplib.SMTP_SSL().send_message", "concurrent.futures.wait", "asyncio.run_coroutine_threadsafe().result"),
        *("threading.Condition().wait_for", "threading.Thread().join", "queue.LifoQueue().join"),
    ],
)
def test_what_waits_is_known(call: str) -> None:
    assert advice_for(call)


@pytest.mark.parametrize(
    "call",
    [
        *("psycopg.AsyncConnection.connect", "psycopg.AsyncConnection().execute", "psycopg.connect().cursor"),
        *("redis.asyncio.Redis().get", "redis.Redis().pipeline", "redis.Redis().pipeline().get", "redis.Redis"),
        *("boto3.client", "boto3.client().get_paginator", "boto3.resource().Table"),
        *("httpx.AsyncClient().get", "httpx.Client", "time.time", "requests.Session", "requests.get().json"),
        *("asyncio.Queue().get", "asyncio.Lock().acquire", "sqlite3.connect().cursor", "sqlalchemy.orm.Session().add"),
        *("sqlalchemy.ext.asyncio.AsyncSession().execute", "pathlib.Path().exists", "anyio.Path().read_text"),
        *("subprocess.Popen", "asyncio.sleep", "", "time.sleep()", "xtime.sleep", "time.sleeps"),
    ],
)
def test_what_does_not_wait_is_not_told(call: str) -> None:
    assert advice_for(call) is None


def test_what_is_listed_as_harmless_would_be_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    harmless = [call for pattern in HARMLESS for call in known._expanded(pattern)]
    assert [call for call in harmless if advice_for(call)] == []
    monkeypatch.setattr(known, "_harmless", list)
    assert [call for call in harmless if not advice_for(call)] == []


def test_only_what_is_loaded_has_a_name_and_nothing_is_loaded_for_it() -> None:
    import subprocess
    import sys

    assert (id(subprocess.run), ("subprocess.run", subprocess.run)) in public_names().items()
    code = (
        "import sys; from duoframe.check.known import public_names; before = set(sys.modules); public_names();"
        " print(set(sys.modules) - before)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
