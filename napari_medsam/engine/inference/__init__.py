"""Inference on one slice, from prompt to mask: crops, preprocessing, embeddings, decoding."""
