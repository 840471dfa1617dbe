"""What the dock knows; no Qt widgets."""
