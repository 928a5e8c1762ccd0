"""Two revisions, timed side by side."""
