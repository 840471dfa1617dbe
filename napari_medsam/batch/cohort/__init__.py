"""Cohorts: segment the cases of a table of boxes into a folder of labels with one summary."""
