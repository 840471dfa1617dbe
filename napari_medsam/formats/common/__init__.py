"""What several formats share: geometry, label tables, errors, limits."""
