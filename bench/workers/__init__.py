"""Programs of their own, started by name in a process of their own."""
