"""Records -> figures with intervals."""
