"""Labels and the log of every change to them: edits, undo, review, fixed masks."""
