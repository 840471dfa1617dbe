"""Progress in the terminal: a bar with the time left, or nothing if there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def progress_bar(
    title: str, total: int | None = None, *, in_bytes: bool = False
) -> Iterator[Callable[[int, int | None], None]]:
    """Return a callback that takes the amount done (and the total, if it was not known before).

    The bar is written to stderr, so that stdout holds only results, and only if stderr is a
    terminal.
    """
    # Every command imports this module for its `--help`; rich costs more than all of them.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    console = Console(stderr=True)
    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        amount,
        TimeLeft(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(title, total=total)

        def advance(done: int, of: int | None = None) -> None:
            bar.update(task, completed=done, total=of)  # a total of None leaves it as it was

        yield advance


def with_progress(title: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
    """Yield the items behind a bar that counts those that the caller has dealt with."""
    with progress_bar(title, total) as advance:
        for n_done, item in enumerate(items, 1):
            yield item
            advance(n_done, None)


def megabytes(n_bytes: int) -> str:
    """Bytes in megabytes of 1,000,000, as download pages count."""
    return f"{n_bytes / 1e6:.1f} MB"
