"""Many cases: a table of boxes in, a folder of labels and one summary out."""
