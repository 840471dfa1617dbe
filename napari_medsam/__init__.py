"""Box-prompted segmentation of medical images on a laptop's CPU. For research use only."""

__version__ = "0.1.0"
