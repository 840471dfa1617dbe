"""PyTorch and safetensors files, read without PyTorch."""
