"""The actions of the user on the open case, one module per feature."""
