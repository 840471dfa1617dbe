"""The state behind the dock: case, dock state, jobs, shortcuts; without Qt widgets."""
