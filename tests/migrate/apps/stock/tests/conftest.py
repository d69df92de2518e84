import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import stock


class Prices(BaseHTTPRequestHandler):
    """Prices elsewhere: nobody knows ZZ-999."""

    def do_GET(self):
        known = not self.path.endswith("ZZ-999")
        self.answer(200 if known else 404, {"price": "9.99", "accept": self.headers["Accept"]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(202 if json.loads(body) else 400, {})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def prices():
    with HTTPServer(("127.0.0.1", 0), Prices) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def app():
    return stock.create_app(TESTING=True)


@pytest.fixture
def client(app):
    return app.test_client()
