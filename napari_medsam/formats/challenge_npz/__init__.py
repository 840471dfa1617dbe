"""The .npz files of the CVPR 2024 challenge."""
