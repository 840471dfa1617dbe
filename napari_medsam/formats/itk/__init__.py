"""NRRD and MetaImage, through SimpleITK."""
