"""Labels of any format: which reader or writer a path needs."""
