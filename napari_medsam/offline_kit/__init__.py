"""The offline kit: a folder with all that a machine without a network needs, to install from.

    kit/wheels/                     wheels of this program and of everything it needs
    kit/weights/                    the weights of models, as published
    kit/requirements-<target>.txt   for each target every wheel with its SHA-256
    kit/kit.json                    what it is for, and the licences of what is in it
    kit/install.sh, install.bat     into the user's own folder, without administrator rights
    kit/README.txt                  for whoever answers for the machine
    kit/SHA256SUMS                  of all files above; written last, so a part of a kit has none

Making one downloads with pip, because the user asks for it; installing from one connects to
nothing.
"""

from napari_medsam.offline_kit.build import build_kit
from napari_medsam.offline_kit.platforms import Target, target_here
from napari_medsam.offline_kit.verify import verify_kit

__all__ = ["Target", "build_kit", "target_here", "verify_kit"]
