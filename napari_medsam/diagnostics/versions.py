"""Whether the installed versions are those the program was tested with."""

from __future__ import annotations

from napari_medsam.diagnostics.check_result import Check
from napari_medsam.offline_kit import tested_versions

MOST_NAMED = 5


def versions() -> Check:
    """A note if they differ: most work, but nobody has tried this combination."""
    name = "versions"
    try:
        others = tested_versions.untested()
    except ValueError as error:
        return Check(name, "note", str(error), "Install napari-medsam again.")
    if not others:
        return Check(name, "ok", "those the program was tested with")
    more = f" and {len(others) - MOST_NAMED} more" if len(others) > MOST_NAMED else ""
    advice = (
        "These versions were not tested together. If something does not work, install the tested"
        " ones: docs/install.md."
    )
    return Check(name, "note", f"{', '.join(others[:MOST_NAMED])}{more}", advice)
