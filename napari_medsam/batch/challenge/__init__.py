"""The CVPR24 "MedSAM on Laptop" challenge's interface: predict a folder, score a folder."""
