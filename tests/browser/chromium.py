"""A headless Chromium with one page, driven as a person would: click, type, read.

Speaks the DevTools protocol over a pair of pipes: each message is JSON behind which a NUL stands. What the page asked
of the network and what it complained of is kept.
"""

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import installed

DEADLINE = 30.0
"""Seconds after which a page is given up that does not come to where it should."""

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
]


class Page:
    """One page of a browser that reads commands from one pipe and writes answers and events to another."""

    def __init__(self, commands: int, answers: int) -> None:
        self.requests: list[str] = []
        """The URLs that it asked for, in order; ``data:`` is none."""
        self.complaints: list[str] = []
        """Errors and warnings in its console, and exceptions that nobody caught."""
        self._commands = commands
        self._answers = answers
        self._pending = b""
        self._number = 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Give one command and wait for its result."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters, **self._session}
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + DEADLINE
        while True:
            message = self._message(deadline)
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message.get("method", ""), message.get("params", {}))

    def open(self, address: str) -> None:
        """Go to an address."""
        self.call("Page.navigate", url=address)

    def evaluate(self, expression: str) -> Any:
        """What a JavaScript expression comes to, as JSON can carry it."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """What an expression comes to as soon as that is anything true."""
        deadline = time.monotonic() + DEADLINE
        while not (value := self.evaluate(expression)):
            seen = self.evaluate("document.body.innerText")
            assert time.monotonic() < deadline, f"never: {expression}\n{seen}\n{self.complaints}\n{self.requests}"
            time.sleep(0.05)
        return value

    def text(self, selector: str) -> str:
        """The text of the first element that a selector finds, once there is any."""
        text: str = self.wait_for(f"document.querySelector({json.dumps(selector)})?.innerText")
        return text

    def click(self, selector: str) -> None:
        """Click the middle of the first element that a selector finds, once it is there."""
        place = self.wait_for(f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            if (!found) return null;
            found.scrollIntoView({{block: "center"}});
            const box = found.getBoundingClientRect();
            return box.width && {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
        }})()""")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Put text into a field, in place of what is there."""
        self.click(selector)
        self.evaluate("document.activeElement.select()")
        self.call("Input.insertText", text=text)

    def choose(self, selector: str, path: Path) -> None:
        """Put a file into a field for files."""
        self.wait_for(f"!!document.querySelector({json.dumps(selector)})")
        found = self.call("Runtime.evaluate", expression=f"document.querySelector({json.dumps(selector)})")
        self.call("DOM.setFileInputFiles", files=[str(path)], objectId=found["result"]["objectId"])

    def screenshot(self, path: Path) -> None:
        """Write what is seen into a PNG file."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def _message(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._pending:
            readable, _, _ = select.select([self._answers], [], [], max(deadline - time.monotonic(), 0))
            assert readable, f"the browser gave no answer in {DEADLINE:g} s"
            received = os.read(self._answers, 1 << 20)
            assert received, "the browser has ended"
            self._pending += received
        message, _, self._pending = self._pending.partition(b"\0")
        decoded: dict[str, Any] = json.loads(message)
        return decoded

    def _note(self, event: str, told: dict[str, Any]) -> None:
        """Keep what an event tells of the network and the console."""
        if event == "Network.requestWillBeSent" and not told["request"]["url"].startswith("data:"):
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(str([argument.get("value", argument) for argument in told["args"]]))
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")


@contextmanager
def browsing(profile: Path) -> Iterator[Page]:
    """A page of a browser with a profile of its own; the test is skipped where there is no Chromium."""
    chromium = installed("chromium")
    from_us, commands = os.pipe()
    answers, to_us = os.pipe()
    # The browser reads its descriptor 3 and writes to 4, whatever they are called here.
    command = [
        "sh",
        "-c",
        f'exec "$@" 3</dev/fd/{from_us} 4>/dev/fd/{to_us}',
        "sh",
        chromium,
        *FLAGS,
        f"--user-data-dir={profile}",
    ]
    try:
        with (profile.parent / "browser.log").open("wb") as log:
            browser = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(from_us, to_us)
            )
        os.close(from_us)
        os.close(to_us)
        try:
            yield Page(commands, answers)
        finally:
            browser.terminate()
            browser.wait(DEADLINE)
    finally:
        os.close(commands)
        os.close(answers)
