"""The offline kit: a folder from which a machine without a network can install the program.

kit/wheels/                     wheels of this program and of everything it needs
kit/weights/                    the weights of models, as published
kit/requirements-<target>.txt   for each target every wheel with its SHA-256
kit/kit.json                    the targets, and the licences of the contents
kit/install.sh, install.bat     install into the user's folder, without administrator rights
kit/README.txt                  for the machine's administrator
kit/SHA256SUMS                  of all files above; written last, so an unfinished kit has none

Building one downloads with pip, because the user requests it; installing from one connects to
nothing.
"""

from napari_medsam.offline_kit.build import build_kit, require_binding
from napari_medsam.offline_kit.platforms import Target, target_here
from napari_medsam.offline_kit.verify import verify_kit

__all__ = ["Target", "build_kit", "require_binding", "target_here", "verify_kit"]
