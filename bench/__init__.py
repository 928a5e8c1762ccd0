"""Questions about time: throughput and latency beside the limit of the machine."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""Of the repository: where results/, runs/ and mnist_core/ lie."""
