"""The dock's message line: one message, which is removed when what it describes has changed."""

from __future__ import annotations

from typing import NamedTuple

from napari_medsam.ui.state.case import Case


class Message(NamedTuple):
    """What the dock's message line shows: a sentence, its colour and its tooltip."""

    sentence: str = ""
    is_problem: bool = False
    detail: str = ""


NO_MESSAGE = Message()


class MessageLine:
    """Chooses what the line shows: the last message, or what is wrong with the open case.

    See `Notify` for messages `for_now` and those that last.
    """

    def __init__(self) -> None:
        self._message = NO_MESSAGE
        self._lasting = NO_MESSAGE  # shown again when a message `for_now` expires
        self._described: object = None  # by a message that is only `for_now`

    def show(self, message: Message, case: Case | None, *, for_now: bool, lasts: bool) -> None:
        """Show a message about a case until the next one; see `Notify`."""
        self._message = message
        self._described = _described(case) if for_now else None
        if not for_now:
            self._lasting = message if lasts else NO_MESSAGE

    def current(self, case: Case | None) -> Message:
        """The message to show while `case` is open."""
        if self._described is not None and self._described != _described(case):
            self._message, self._described = self._lasting, None
        if not self._message.sentence and case is not None and case.not_recorded:
            return Message(case.not_recorded, is_problem=True)
        return self._message


def _described(case: Case | None) -> object:
    """What a message `for_now` describes; if it changes, the message may be wrong."""
    if case is None:
        return ()
    where = case.where()
    last = case.annotation.log[-1] if case.annotation.log else None
    return case, case.label, where and where.axis, last, case.is_propagating
