"""`python -m napari_medsam` is the same as `napari-medsam`."""

from __future__ import annotations

import sys

from napari_medsam.cli import main

if __name__ == "__main__":
    sys.exit(main())
