"""The engine without a user interface: volumes, prompts, inference, propagation, annotation."""
