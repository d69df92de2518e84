"""An application in debug mode, one of whose handlers holds its event loop until the watchdog has said so."""

import logging
import threading
from typing import TextIO

from duoframe import App

DEADLINE = 20.0

told = threading.Event()


class Notice(logging.StreamHandler[TextIO]):
    """Writes to the server's output, and notices what is said of `hold`."""

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if "in hold" in record.getMessage():
            told.set()


logging.getLogger("duoframe").addHandler(Notice())
app = App(debug=True)


@app.get("/hello/ready")
def ready() -> str:
    return "ready"


@app.get("/hold")
async def hold() -> str:
    return "told" if told.wait(DEADLINE) else "not told"  # this line holds it
