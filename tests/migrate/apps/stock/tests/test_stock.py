import unittest.mock

import pytest
from flask import current_app, request, session, url_for
from werkzeug.exceptions import Conflict

LAMP = {"code": "AB-123", "name": "lamp", "price": "12.50", "since": "2024-02-29"}


def test_list(client):
    response = client.get("/api/items")
    assert response.is_json
    assert response.json == {"items": [LAMP], "total": 1}
    assert list(response.json) == ["items", "total"]
    assert client.get("/api/items?code=ab-123&code=x&limit=no").json["total"] == 1
    assert client.get("/api/items", query_string={"code": "zz-999"}).json == {"items": [], "total": 0}


def test_add(client):
    response = client.post("/api/items", json={"code": "cd-001", "name": "desk", "price": "99"})
    assert response.status_code == 201
    assert response.headers["Location"] == "/api/items/cd-001"
    assert response.json["price"] == "99.00"
    assert client.get(response.location).json["name"] == "desk"
    with client.session_transaction() as kept:
        assert kept["added"] == ["CD-001"]


def test_add_wrongly(client):
    response = client.post("/api/items", json={"code": "cd-001"})
    assert (response.status_code, response.json) == (422, {"missing": ["name", "price"]})
    response = client.post("/api/items", json={**LAMP})
    assert response.status_code == Conflict.code
    assert response.json == {"code": 409, "name": "Conflict", "description": "AB-123 is there already"}
    response = client.post("/api/items", data="{", content_type="application/json")
    assert response.status_code == 400
    response = client.post("/api/items", data="x")
    assert response.status_code == 415
    assert response.json["name"] == "Unsupported Media Type"


def test_detail(client):
    assert client.get("/api/items/ab-123").json == LAMP
    assert client.get("/api/items/AB-123").json == LAMP
    assert client.get("/api/items/lamp").status_code == 404
    response = client.get("/api/items/zz-999")
    assert response.status_code == 404
    assert response.json["description"] == "no item ZZ-999"


def test_delete(client):
    response = client.delete("/api/items/ab-123")
    assert (response.status_code, response.data) == (204, b"")
    assert client.delete("/api/items/ab-123").status_code == 404
    response = client.put("/api/items/ab-123")
    assert response.status_code == 405
    assert response.json["code"] == 405
    assert {"GET", "DELETE"} <= set(response.allow)


def test_pick(client):
    assert client.get("/api/pick/ab-123,AB-123").json == [LAMP, LAMP]
    response = client.get("/api/pick/ab-123,zz-999")
    assert (response.status_code, response.json) == (410, {"error": "out of stock", "code": "zz-999"})


def test_urls(app):
    with app.test_request_context():
        assert url_for("item", code="AB-123") == "/api/items/ab-123"
        assert url_for("api.pick", codes=["a", "b"]) == "/api/pick/a,b"


def test_price(app, client, prices):
    app.config["PRICES"] = prices
    assert client.get("/api/price/ab-123").json == {"code": "AB-123", "price": "9.99"}
    response = client.get("/api/price/zz-999")
    assert (response.status_code, response.json) == (502, {"error": 404})


def test_price_unreachable(client):
    response = client.get("/api/price/ab-123")
    assert (response.status_code, response.json) == (502, {"error": "unreachable"})


@pytest.mark.parametrize(("what", "status"), [({"code": "AB-123"}, 202), ({}, 400)])
def test_order(app, client, prices, what, status):
    app.config["PRICES"] = prices
    assert client.post("/api/order", json=what).json == {"ordered": status == 202, "status": status}


def test_an_async_view(client):
    with client.session_transaction() as kept:
        kept["agent"] = "007"
    assert client.get("/api/soon/3").json == {"count": 3, "endpoint": "api.soon", "agent": "007"}


def test_report(client):
    response = client.get("/api/report?mark=x")
    assert response.mimetype == "text/csv"
    assert response.text == "AB-123,12.50,x\n"


def test_agent(client):
    with client:
        response = client.get("/api/agent", headers={"User-Agent": "tests"})
        assert session["agent"] == "tests"
        assert request.endpoint == "api.agent"
        assert current_app.name == "stock"
    assert response.json == {"seen": None}
    assert response.headers.getlist("X-Kind") == ["a", "b"]
    assert client.get_cookie("seen").value == "yes"
    assert client.get("/api/agent").json == {"seen": "yes"}
    client.delete_cookie("seen")
    assert client.get("/api/agent").json == {"seen": None}


def test_a_patched_name(client):
    with unittest.mock.patch("stock.items", return_value={}):
        assert client.get("/api/items").json["total"] == 0


def test_what_is_raised(app, client):
    app.add_url_rule("/raise", view_func=lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        client.get("/raise")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.get("/raise").status_code == 500
