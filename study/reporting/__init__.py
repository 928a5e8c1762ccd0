"""Values -> report.md and its pictures."""
