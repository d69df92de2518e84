import io

import pytest


def test_upload_and_fetch(client):
    response = client.post("/files/", data={"file": (io.BytesIO(b"hello"), "../a note.txt")})
    assert response.status_code == 302
    assert response.location == "/files/a_note.txt"
    response = client.get("/files/a_note.txt")
    assert response.data == b"hello"
    assert response.mimetype == "text/plain"
    response = client.get("/files/a_note.txt?save")
    assert response.headers["Content-Disposition"].startswith("attachment; ")


@pytest.mark.parametrize(
    ("data", "status"),
    [({}, 400), ({"file": (io.BytesIO(b""), "")}, 400), ({"file": (io.BytesIO(b"x"), "x.exe")}, 415)],
)
def test_refused(client, data, status):
    assert client.post("/files/", data=data, content_type="multipart/form-data").status_code == status


def test_too_large(client):
    response = client.post("/files/", data={"file": (io.BytesIO(b"x" * 2000), "a.txt")})
    assert response.status_code == 413
    assert response.json == {"error": "too large", "limit": 1024}


def test_nothing_outside(client):
    assert client.get("/files/../../etc/passwd").status_code == 404
    assert client.get("/files/nothing.txt").status_code == 404


def test_a_range(client):
    client.post("/files/", data={"file": (io.BytesIO(b"0123456789"), "a.txt")})
    response = client.get("/files/a.txt", headers={"Range": "bytes=2-4"})
    assert (response.status_code, response.data) == (206, b"234")
