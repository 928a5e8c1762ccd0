"""What is timed: its description and its construction."""
