"""Collect what a library would print to the terminal, to show or to drop it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def library_warnings(logger_name: str) -> Iterator[list[str]]:
    """Yield a list that fills with the messages of a library's logger instead of stderr."""
    logger = logging.getLogger(logger_name)
    collected: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            collected.append(record.getMessage())

    handlers, propagate = logger.handlers, logger.propagate
    logger.handlers, logger.propagate = [Collector()], False
    try:
        yield collected
    finally:
        logger.handlers, logger.propagate = handlers, propagate
