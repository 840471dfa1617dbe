"""Captures what a library prints to the terminal, to show or to drop it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = threading.Lock()


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


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Drop what C code writes to the terminal's error stream, for as long as this lasts.

    The stream is the whole process's, so this is for short calls that are known to chatter.
    """
    with _STDERR:
        try:
            saved = os.dup(2)
        except OSError:  # no error stream, as under a windowed program
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            os.close(nowhere)
