"""What an app leaves to be seen from outside of its process: files in the directory that $SERVED_DIRECTORY names.

Knows places and how many files lie in each; must not know what they tell.
"""

import os
import time
import uuid
from pathlib import Path

DIRECTORY = Path(os.environ["SERVED_DIRECTORY"])
DEADLINE = 20.0
POLL = 0.01


def note(place: str) -> None:
    """Leave one file in `place`, to be counted by this or another process."""
    folder = DIRECTORY / place
    folder.mkdir(parents=True, exist_ok=True)
    (folder / uuid.uuid4().hex).touch()


def count(place: str) -> int:
    folder = DIRECTORY / place
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def wait_for(number: int, place: str) -> int:
    """Wait until `number` files lie in `place`, or the deadline has passed; gives how many do."""
    deadline = time.monotonic() + DEADLINE
    while (found := count(place)) < number and time.monotonic() < deadline:
        time.sleep(POLL)
    return found
