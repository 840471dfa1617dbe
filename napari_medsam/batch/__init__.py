"""Segmentation of many cases: cohorts from a table, and the challenge's test set."""
