"""Progress in the terminal: a bar with the time left, or nothing if there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


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


def megabytes(n_bytes: int) -> str:
    """Bytes in megabytes of 1,000,000, as download pages count."""
    return f"{n_bytes / 1e6:.1f} MB"
