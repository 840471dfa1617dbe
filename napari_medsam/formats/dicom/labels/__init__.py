"""Labels in DICOM: SEG, label maps and RTSTRUCT, read and written, and their source series."""
