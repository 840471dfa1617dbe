"""Headers of DICOM files: one `SliceHeader` a slice or frame, and what tells volumes apart."""
