"""The CVPR24 "MedSAM on Laptop" challenge: predict a folder of cases, score a folder of results."""
