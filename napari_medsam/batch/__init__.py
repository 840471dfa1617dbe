"""Many cases: cohorts, and the challenge's test set."""
