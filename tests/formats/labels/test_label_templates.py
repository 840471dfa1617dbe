"""Templates of labels: the program's, the user's, and how they come into a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.data.labels import PALETTE, Label
from napari_medsam.formats.common.coded_terms import UNKNOWN, term_of
from napari_medsam.formats.labels.label_templates import (
    read_template,
    save_template,
    template_names,
    with_template,
)


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_MEDSAM_CONFIG", str(tmp_path))


@pytest.mark.parametrize("name", ["Abdomen", "Thorax", "Brain"])
def test_every_label_of_a_template_has_a_code(name: str) -> None:
    labels = read_template(name)
    assert [label.number for label in labels] == list(range(1, len(labels) + 1))
    assert not [label.name for label in labels if term_of(label) == UNKNOWN]


def test_adrenal_glands_have_the_code_of_the_gland() -> None:
    left = next(one for one in read_template("Abdomen") if one.name == "left adrenal gland")
    assert term_of(left).type.meaning == "Adrenal gland"


def test_own_template_comes_back_without_states_and_locks() -> None:
    save_template("Liver study", [Label(4, "liver", PALETTE[2], locked=True, state="done")])
    assert template_names() == ("Abdomen", "Thorax", "Brain", "Liver study")
    assert read_template("Liver study") == (
        Label(4, "liver", read_template("Liver study")[0].color),
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [("../up", "letters, digits"), ("", "letters, digits"), ("abdomen", "of the program")],
)
def test_name_that_cannot_be_kept_is_refused(name: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        save_template(name, ())


class TestIntoATable:
    @staticmethod
    def merged(annotation: Annotation, used: tuple[int, ...] = ()) -> list[tuple[int, str]]:
        template = read_template("Brain")
        annotation.load_table(with_template(annotation.table, template, used))
        return [(label.number, label.name) for label in annotation.table]

    def test_first_nameless_label_is_taken_over(self) -> None:
        annotation = Annotation((1, 2, 2))
        annotation.add_label()
        assert self.merged(annotation) == [
            (1, "brain"), (2, "tumor"), (3, "edema"), (4, "necrosis"), (5, "lesion")
        ]  # fmt: skip
        annotation.undo()
        assert [label.name for label in annotation.table] == ["Label 1"]

    def test_label_that_was_drawn_stays_and_names_are_not_doubled(self) -> None:
        annotation = Annotation((1, 2, 2))
        annotation.add_label()
        annotation.add_label("Edema")
        assert self.merged(annotation, used=(1,)) == [
            (1, "Label 1"), (2, "Edema"), (3, "brain"), (4, "tumor"), (5, "necrosis"), (6, "lesion")
        ]  # fmt: skip

    def test_template_twice_changes_nothing(self) -> None:
        annotation = Annotation((1, 2, 2))
        once = self.merged(annotation)
        assert self.merged(annotation) == once
