"""ONNX and OpenVINO graphs as their authors released them."""
