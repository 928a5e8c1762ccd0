"""What is recorded of one epoch. Importing it is cheap: readers of records need no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch: training loss along the way, validation at its end, and the time of each."""

    epoch: int
    """Counted from 1."""
    window_losses: tuple[float, ...]
    """Mean training loss of each of about twenty equal stretches of the epoch."""
    validation_loss: float
    validation_accuracy: float
    train_seconds: float
    """Without evaluation."""
    evaluation_seconds: float

    @property
    def seconds(self) -> float:
        """Return how long the epoch took, evaluation included."""
        return self.train_seconds + self.evaluation_seconds


def epoch_record_from_dict(values: Mapping[str, Any]) -> EpochRecord:
    """Build the record from its JSON form."""
    return EpochRecord(**{**values, "window_losses": tuple(values["window_losses"])})
