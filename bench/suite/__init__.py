"""One run of the whole suite."""
