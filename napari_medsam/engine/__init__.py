"""The engine: volumes, prompts, embeddings, masks and the annotation. NumPy only, no screen."""
