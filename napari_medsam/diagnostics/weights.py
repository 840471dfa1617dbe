"""Check the weights on this machine: the SHA-256 of each file is compared."""

from __future__ import annotations

from napari_medsam.diagnostics.check_result import Check, first_line
from napari_medsam.models.specs.catalogue import CATALOGUE, DEFAULT
from napari_medsam.models.specs.errors import NotInstalled, StoreError
from napari_medsam.models.store import store


def weights() -> list[Check]:
    """The default model, whose weights are required, and every other installed or imported one."""
    checks = [_one(name) for name in store.known_names()]
    return [check for check in checks if check is not None]


def _one(name: str) -> Check | None:
    """Check one model; None if it is neither installed nor required."""
    again = f"Run: napari-medsam models install {name}"
    if name not in {model.name for model in CATALOGUE}:
        again = f"Import it again, or remove {store.folder_of(name)} if it is not needed."
    try:
        path = store.verify_model(name)
    except NotInstalled:
        return Check(name, "problem", "weights not installed", again) if name == DEFAULT else None
    except (StoreError, OSError, ValueError) as error:
        return Check(name, "problem", first_line(error), again)
    if store.model_record(name) is not None:
        return Check(name, "ok", f"{path}, SHA-256 as recorded at its import")
    known = (
        "as published" if store.model_spec(name).file.sha256 else "not published, so not compared"
    )
    return Check(name, "ok", f"{path}, SHA-256 {known}")
