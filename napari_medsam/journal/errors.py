"""Errors of journals. Their messages are sentences for the user."""

from __future__ import annotations


class JournalError(ValueError):
    """A file that cannot be read as a journal, or is none."""


class TakenOver(Exception):
    """Another window writes this journal now."""
