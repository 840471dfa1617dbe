"""From slice to slice: keyframes, candidate boxes, trackers, where an object ends."""
