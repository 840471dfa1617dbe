"""Emits psygnal signals so that callers can handle a listener's exception by its type."""

from __future__ import annotations

from psygnal import EmitLoopError, SignalInstance


def emit(signal: SignalInstance, *arguments: object) -> None:
    """Call a signal's listeners in the order in which they were connected, before returning.

    psygnal wraps what a listener raises. The original is raised here, since callers handle it: a
    `MemoryError`, for example, ends a job with a sentence (`ui.state.jobs`).
    """
    try:
        signal.emit(*arguments)
        return
    except EmitLoopError as error:
        raised = error.__cause__ or error
    raise raised
