"""Records -> the values that a report says."""
