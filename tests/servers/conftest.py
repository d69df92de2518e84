"""One running server for all tests that take `server`; its output is shown when one fails."""

from collections.abc import Generator, Iterator

import pytest

from tests.servers.process import Server, running
from tests.servers.table import SETUPS, Setup

SHOWN = 4_000


@pytest.fixture(scope="session", params=SETUPS, ids=lambda setup: setup.name)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    setup: Setup = request.param
    with running(setup, tmp_path_factory.mktemp(setup.name)) as started:
        yield started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    server = getattr(item, "funcargs", {}).get("server")
    if report.failed and isinstance(server, Server):
        report.sections.append((f"output of {server.setup.name}", server.output()[-SHOWN:]))
    return report
