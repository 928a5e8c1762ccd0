"""Figures -> report.md and its pictures."""
