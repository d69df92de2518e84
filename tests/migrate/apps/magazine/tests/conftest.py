import pytest

from magazine import create_app


@pytest.fixture
def app(tmp_path):
    return create_app("testing", UPLOADS=tmp_path / "uploads")


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def runner(app):
    return app.test_cli_runner()
