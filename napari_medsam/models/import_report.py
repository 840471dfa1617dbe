"""The report of an import: sentences about an imported model for the user who imported it."""

from __future__ import annotations

from napari_medsam.input_contract import InputContract
from napari_medsam.models.runtime import self_test
from napari_medsam.models.specs.catalogue import spec as catalogue_spec
from napari_medsam.models.store.model_record import ModelRecord


def import_report(record: ModelRecord) -> list[str]:
    """The content of a model's record as sentences."""
    base = catalogue_spec(record.base)
    chosen, result = next(iter(record.tried.items()))
    verdict = "passed" if result >= self_test.ENOUGH else "NOT passed"
    others = [f"{label} {iou:.2f}" for label, iou in list(record.tried.items())[1:]]
    lines = [
        f"{record.name}: recognized as {base.title} by its {record.evidence}.",
        f"Licence: {base.licence} (of the authors' code; none is stated for the weights).",
        f"Input: {describe_import(record.contract)} ({chosen}).",
        f"Self-test on a drawn disc: IoU {result:.2f}, {verdict}"
        + (f"; also tried: {', '.join(others)}." if others else "."),
    ]
    if result < self_test.ENOUGH:
        lines.append(
            "Check it on a case you know before you use it; change its rules with"
            f" `napari-medsam models set {record.name} FIELD=VALUE`."
        )
    return lines


def describe_import(contract: InputContract) -> str:
    """An input contract in one line."""
    normalization = (
        "min-max" if contract.mean is None else f"mean {contract.mean[0]:g} and deviation"
    )
    scaling = "aspect kept" if contract.resize == "fit" else "stretched"
    frame = "1" if contract.prompt_side == 1 else f"{contract.prompt_side:g} pixels"
    return (
        f"{contract.side} x {contract.side} {contract.channels.upper()}, {scaling},"
        f" {contract.interpolation}, {normalization}, prompts in a frame of {frame}"
    )
