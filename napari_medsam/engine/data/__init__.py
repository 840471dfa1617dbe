"""The engine's data types: volumes, prompts, masks, intensity windows, confidences."""
