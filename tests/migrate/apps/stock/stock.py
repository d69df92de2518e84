"""A stock list as a JSON API: items, their prices elsewhere, and a report as it is made."""

import dataclasses
import datetime
import decimal
import time

import requests
from flask import Blueprint, Flask, Response, abort, current_app, jsonify, make_response, request, session
from flask import json as flask_json
from flask import stream_with_context
from flask.json.provider import DefaultJSONProvider
from flask.views import MethodView
from werkzeug import exceptions
from werkzeug.routing import BaseConverter


@dataclasses.dataclass
class Item:
    code: str
    name: str
    price: decimal.Decimal
    since: datetime.date = datetime.date(2024, 2, 29)


class CodeConverter(BaseConverter):
    """A code as people write it, in capitals inside."""

    regex = r"[A-Za-z]{2}-\d{3}"

    def to_python(self, value):
        return value.upper()

    def to_url(self, value):
        return value.lower()


class ListConverter(BaseConverter):
    part_isolating = False
    regex = r"[^/]+(?:,[^/]+)*"

    def __init__(self, url_map, separator=","):
        super().__init__(url_map)
        self.separator = separator

    def to_python(self, value):
        return value.split(self.separator)

    def to_url(self, values):
        return self.separator.join(values)


class StockJSON(DefaultJSONProvider):
    sort_keys = False

    @staticmethod
    def default(value):
        if isinstance(value, decimal.Decimal):
            return f"{value:.2f}"
        if isinstance(value, datetime.date):
            return value.isoformat()
        return DefaultJSONProvider.default(value)


class OutOfStock(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


api = Blueprint("api", __name__, url_prefix="/api")


def items():
    return current_app.extensions["items"]


class ItemList(MethodView):
    def get(self):
        wanted = request.args.getlist("code", type=str.upper)
        limit = request.args.get("limit", default=10, type=int)
        found = [item for item in items().values() if not wanted or item.code in wanted]
        return jsonify(items=found[:limit], total=len(found))

    def post(self):
        data = request.get_json()
        missing = {"code", "name", "price"} - data.keys()
        if missing:
            abort(make_response(jsonify(missing=sorted(missing)), 422))
        item = Item(data["code"].upper(), data["name"], decimal.Decimal(data["price"]))
        if item.code in items():
            abort(409, description=f"{item.code} is there already")
        items()[item.code] = item
        session.setdefault("added", []).append(item.code)
        session.modified = True
        return item_answer(item), 201, {"Location": f"/api/items/{item.code.lower()}"}


class ItemDetail(MethodView):
    init_every_request = False

    def __init__(self, what):
        self.what = what

    def get(self, code):
        return item_answer(self.find(code))

    def delete(self, code):
        self.find(code)
        del items()[code]
        return "", 204

    def find(self, code):
        try:
            return items()[code]
        except KeyError:
            raise exceptions.NotFound(f"no {self.what} {code}") from None


def item_answer(item):
    return dataclasses.asdict(item)


@api.get("/pick/<list:codes>")
def pick(codes):
    found = [items().get(code.upper()) for code in codes]
    if None in found:
        raise OutOfStock(codes[found.index(None)])
    return [item_answer(item) for item in found]


@api.get("/price/<code:code>")
def price(code):
    """Ask for a price elsewhere."""
    url = f"{current_app.config['PRICES']}/{code}"
    try:
        answer = requests.get(url, headers={"Accept": "application/json"}, timeout=5)
        answer.raise_for_status()
    except requests.HTTPError as error:
        return {"error": error.response.status_code}, 502
    except requests.exceptions.RequestException:
        return {"error": "unreachable"}, 502
    return {"code": code, "price": answer.json()["price"]}


@api.post("/order")
def order():
    time.sleep(current_app.config["PAUSE"])  # they are slow
    sent = requests.post(current_app.config["PRICES"], data=flask_json.dumps(request.json))
    return {"ordered": sent.ok, "status": sent.status_code}


@api.get("/soon/<int:count>")
async def soon(count):
    return {"count": count, "endpoint": request.endpoint, "agent": session.get("agent")}


@api.get("/report")
def report():
    def lines():
        for item in items().values():
            yield f"{item.code},{item.price:.2f},{request.args.get('mark', '-')}\n"

    return Response(stream_with_context(lines()), mimetype="text/csv")


@api.get("/agent")
def agent():
    session["agent"] = request.headers.get("User-Agent", "")
    response = make_response({"seen": request.cookies.get("seen")})
    response.set_cookie("seen", "yes", max_age=60, samesite="Lax")
    response.headers.add("X-Kind", "a")
    response.headers.add("X-Kind", "b")
    return response


@api.errorhandler(OutOfStock)
def out_of_stock(error):
    return jsonify(error="out of stock", code=error.code), 410


def as_json(error):
    answer = error.get_response()
    answer.data = flask_json.dumps({"code": error.code, "name": error.name, "description": error.description})
    answer.content_type = "application/json"
    return answer


def create_app(**config):
    app = Flask("stock", static_folder=None)
    app.config.update(SECRET_KEY="stock", PRICES="http://127.0.0.1:9", PAUSE=0, **config)
    app.url_map.converters.update(code=CodeConverter, list=ListConverter)
    app.json = StockJSON(app)
    app.extensions["items"] = {"AB-123": Item("AB-123", "lamp", decimal.Decimal("12.5"))}

    app.add_url_rule("/api/items", view_func=ItemList.as_view("items"))
    app.add_url_rule("/api/items/<code:code>", view_func=ItemDetail.as_view("item", "item"))
    app.register_blueprint(api)
    app.register_error_handler(exceptions.HTTPException, as_json)
    return app
