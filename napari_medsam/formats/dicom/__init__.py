"""DICOM: series, multi-frame files, SEG, RTSTRUCT, SUV."""
