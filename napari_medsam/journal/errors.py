"""What goes wrong with a journal, in a sentence for the person who can act."""

from __future__ import annotations


class JournalError(ValueError):
    """A journal that cannot be read, or is not one."""


class TakenOver(Exception):
    """Another window writes this journal now."""
