"""What the engine works on: volumes, prompts, masks, intensity windows."""
