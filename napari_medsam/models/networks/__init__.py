"""The image encoders and decoders of each family, built from OpenVINO operations."""
