"""Pixels of DICOM files: decoded, in the modality's values and unit, stacked; SUV of PET."""
