"""The logger of an application, ``app.logger``, and the handler that it has where nobody has given it one."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duoframe.flask.answering import Answering

default_handler = logging.StreamHandler()
"""Writes to the standard error stream; ``app.logger.removeHandler(default_handler)`` takes it away."""
default_handler.setFormatter(logging.Formatter("[%(asctime)s] %(levelname)s in %(module)s: %(message)s"))


def has_level_handler(logger: logging.Logger) -> bool:
    """Whether what a logger lets through reaches a handler that takes it."""
    level = logger.getEffectiveLevel()
    current: logging.Logger | None = logger
    while current is not None:
        if any(handler.level <= level for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False


def create_logger(app: Answering) -> logging.Logger:
    """The logger that is called as the application is; it tells all in debug, unless it has a level of its own."""
    logger = logging.getLogger(app.name)
    if app.debug and not logger.level:
        logger.setLevel(logging.DEBUG)
    if not has_level_handler(logger):
        logger.addHandler(default_handler)
    return logger
