"""Read PyTorch and safetensors weights files without PyTorch."""
