"""The commands of `python -m mnist_core`, one module each: `add_parser` and `run`."""

from mnist_core.cli import describe, evaluate, export, train

__all__ = ["describe", "evaluate", "export", "train"]
