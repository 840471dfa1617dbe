"""The dock's choice between exact and fast: it lasts, and fast is measured before it is taken."""

from __future__ import annotations

from tests.ui.desk import Desk, image_layer, make_desk


def test_exact_is_the_default_and_measures_nothing(desk: Desk):
    assert desk.view.panel.precision == "f32"
    assert desk.shelf.opened == ["f32"]
    assert desk.shelf.fast_is_safe is None


def test_fast_is_measured_once_then_the_model_is_opened_again(desk: Desk):
    desk.controller.desk.choose_precision("auto")
    assert desk.shelf.stored_preference == "auto"
    assert desk.shelf.opened == ["f32", "auto", "auto"]  # usable while it is measured
    assert desk.view.panel.message == "bf16 was measured."
    assert desk.view.panel.progress is None
    desk.controller.desk.choose("tiny")
    assert desk.shelf.opened == ["f32", "auto", "auto", "auto"]


def test_where_fast_is_not_safe_the_model_stays_as_it_is(desk: Desk):
    desk.shelf.will_be_safe = False
    desk.controller.desk.choose_precision("auto")
    assert desk.shelf.opened == ["f32", "auto"]
    assert desk.view.panel.message == "bf16 was measured."


def test_failed_measurement_leaves_the_model_at_work(desk: Desk, monkeypatch):
    def fail(*_: object) -> bool:
        raise ValueError("No room for two models.")

    monkeypatch.setattr(desk.shelf, "measure", fail)
    desk.controller.desk.choose_precision("auto")
    assert desk.view.panel.message == "No room for two models."
    assert desk.view.panel.model is not None
    assert desk.view.panel.model.state == "ready"
    desk.draw_on(10)
    assert desk.labels[10].any()


def test_the_choice_of_the_last_time_is_taken_up():
    made = make_desk()
    made.shelf.stored_preference = "bf16"
    again = make_desk(shelf=made.shelf)
    again.open(image_layer())
    assert made.shelf.opened == ["f32", "bf16"]
    assert again.view.panel.precision == "bf16"
    for one in (made, again):
        one.controller.close()
