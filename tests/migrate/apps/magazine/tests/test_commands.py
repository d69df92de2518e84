from magazine import create_app
from magazine.config import Config


def test_title(runner):
    result = runner.invoke(args=["title"])
    assert (result.exit_code, result.output) == (0, "The Test\n")


def test_editors(runner):
    assert runner.invoke(args=["editors", "list"]).output == "Ada Lovelace\nAlan Turing\n"
    assert "ADA LOVELACE" in runner.invoke(args=["editors", "list", "--upper"]).output


def test_unknown(runner):
    assert runner.invoke(args=["nothing"]).exit_code == 2


def test_configuration(tmp_path, monkeypatch):
    app = create_app("testing", UPLOADS=tmp_path, EXTRA=1)
    assert app.config["TITLE"] == "The Test"
    assert app.testing
    assert app.config["EXTRA"] == 1
    assert "lowercase" not in app.config
    assert app.secret_key == Config.SECRET_KEY
    monkeypatch.setenv("MAGAZINE", "development")
    assert not create_app(UPLOADS=tmp_path).testing
