"""Emits psygnal signals so that callers can handle a listener's exception by its type."""

from __future__ import annotations

from psygnal import EmitLoopError, SignalInstance


def emit(signal: SignalInstance, *arguments: object) -> None:
    """Call a signal's listeners in the order in which they were connected, before returning.

    psygnal wraps what a listener raises. The original is raised here: callers handle a
    `MemoryError`, for example, by its type. The message of psygnal's own exception would also show
    local variables of the listener.
    """
    error: BaseException | None = None
    try:
        signal.emit(*arguments)
    except EmitLoopError as wrapped:
        error = wrapped.__cause__ or wrapped
    if error is not None:
        raise error
