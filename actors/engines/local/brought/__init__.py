"""Models that an operator brings in place of ours; docs/models.md is their contract."""
