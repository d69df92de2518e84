"""A proxy that serves an application below a prefix, which it takes away before it asks the server behind it."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.conftest import DEADLINE


@contextmanager
def proxying(prefix: str, port: int) -> Iterator[int]:
    """The port of a proxy for the server at ``port``; whatever stands not below ``prefix`` it answers with 404."""

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(f"{prefix}/"):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            server.request(self.command, self.path.removeprefix(prefix), body, dict(self.headers))
            answer = server.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            server.close()

        do_POST = do_GET  # noqa: N815  # the name that http.server asks for

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what matters is what the browser sees."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Forward) as proxy:
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy.server_port
        finally:
            proxy.shutdown()
            thread.join()
