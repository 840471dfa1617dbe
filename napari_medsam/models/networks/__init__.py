"""The networks, built from OpenVINO operations."""
