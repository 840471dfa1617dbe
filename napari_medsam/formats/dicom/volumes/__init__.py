"""From the slices of a series to its volumes: copies, places, separation, stacks."""
