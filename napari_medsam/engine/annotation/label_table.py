"""`LabelTable`: the rows of an annotation's label table, and the rules for changing them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from napari_medsam.engine.data.labels import Label

Rows = tuple[Label, ...]


class LabelTable:
    """Labels in order of their number. It does not change: its methods return new rows.

    `Annotation` logs the new rows as an event, so that undo restores the old ones.
    """

    def __init__(self, rows: Iterable[Label] = ()) -> None:
        self._by_number = {label.number: label for label in rows}
        self.rows: Rows = tuple(self._by_number[n] for n in sorted(self._by_number))

    def __getitem__(self, number: int) -> Label:
        """The row of a label; ValueError if there is none."""
        if number not in self._by_number:
            raise ValueError(f"There is no label {number} in the table.")
        return self._by_number[number]

    def unlocked(self, number: int) -> Label:
        """The row of a label; ValueError if there is none, or if it is locked."""
        label = self[number]
        if label.locked:
            raise ValueError(f"{label.name} is locked; unlock it in the label table first.")
        return label

    @property
    def next_number(self) -> int:
        return max(self._by_number, default=0) + 1

    def added(self, label: Label) -> Rows:
        """The rows with a new one; ValueError if its number is taken."""
        if label.number in self._by_number:
            raise ValueError(f"Label {label.number} exists already: {self[label.number].name}.")
        return self.with_row(label)

    def with_row(self, label: Label) -> Rows:
        """The rows with one in place of that with its number, if there is one."""
        return LabelTable((*self.rows, label)).rows

    def without(self, number: int) -> Rows:
        return tuple(label for label in self.rows if label.number != number)

    def loaded(self, rows: Sequence[Label], numbers: Iterable[int] = ()) -> Rows:
        """The rows with names, colours and terms of other rows, and default rows for new numbers.

        Locks stay, and a label that is "done" is locked.
        """
        named = dict(self._by_number)
        for label in rows:
            old = named.get(label.number)
            if old is not None and not label.state:
                label = replace(label, state=old.state)
            locked = label.locked or label.state == "done" or (old is not None and old.locked)
            named[label.number] = replace(label, locked=locked)
        missing = [Label.default(number) for number in numbers if number not in named]
        return LabelTable((*named.values(), *missing)).rows
