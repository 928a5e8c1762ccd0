"""What tests share: samples, files, servers and processes."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
