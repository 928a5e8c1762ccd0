"""What is recorded of a run: a frozen value, written once, in JSON, and read by every report.

`RunRecord` is a training run of a study or of a recipe, `ReferenceRecord` one of other people's
code. Both come back from `to_dict` by `from_dict`; a key that is unknown or missing is a
`ValueError`. Importing this module is cheap.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from mnist_core.config import TrainConfig, option_value
from mnist_core.training.epoch_record import EpochRecord, epoch_record_from_dict
from study.plans.task import Run, Task
from study.records.json_files import require_keys

Status = Literal["completed", "diverged", "pruned", "failed"]


def require_key(values: Mapping[str, Any], key: str) -> None:
    """Raise `ValueError` where a record is that of another key."""
    if values["key"] != key:
        raise ValueError(f"it is the record of {values['key']!r}")


@dataclass(frozen=True, kw_only=True)
class Score:
    """How many images of a split were classified correctly."""

    correct: int
    count: int

    @property
    def accuracy(self) -> float:
        """Return the share of the images that were classified correctly."""
        return self.correct / self.count


@dataclass(frozen=True, kw_only=True)
class FinalScore(Score):
    """The result on the test images, image by image."""

    loss: float
    misclassified: Mapping[int, int]
    """The class that was predicted, by the index of the image."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build the score from its JSON form, whose keys are texts."""
        known = require_keys(cls, values)
        misclassified = {int(image): label for image, label in known["misclassified"].items()}
        return cls(**{**known, "misclassified": misclassified})


@dataclass(frozen=True, kw_only=True)
class RunRecord(Run):
    """One run: what was asked, where it ran, and what came out."""

    environment: str
    """The digest of versions, processor and threads, which names a file of environments/."""
    started: str | None
    """In UTC, by the clock of its machine; None where nobody noted it."""
    status: Status
    steps: int | None
    diverged_at_step: int | None
    error: str | None
    """What an optimizer raised, of a failed run."""
    epochs: tuple[EpochRecord, ...]
    """Without the last, broken one of a run that diverged."""
    validation_accuracy: float | None
    """After the last epoch; of a pruned run where it was stopped."""
    weights_sha256: str | None
    images_per_second: float | None
    test: FinalScore | None
    """Of a completed confirmation."""
    seconds: float
    """Evaluation included, all sessions of a resumed run together."""

    @property
    def is_completed(self) -> bool:
        """Tell whether the run came to its end with a finite loss."""
        return self.status == "completed"

    @property
    def score(self) -> FinalScore:
        """Return the result on the test images of a completed confirmation."""
        assert self.test is not None
        return self.test

    @property
    def train_seconds(self) -> float:
        """Return how long the run trained, without evaluation."""
        return sum(epoch.train_seconds for epoch in self.epochs)

    def to_task(self) -> Task:
        """Return the run as a worker trains it again."""
        return Task(**self.run_values())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back from JSON."""
        return {**asdict(self), "config": self.config.to_dict()}

    @classmethod
    def from_dict(cls, values: object, *, key: str) -> Self:
        """Build the record of a key from its JSON form."""
        known = require_keys(cls, values)
        require_key(known, key)
        parameters = {name: option_value(name, v) for name, v in known["parameters"].items()}
        test = known["test"]
        nested = {
            "parameters": parameters,
            "config": TrainConfig.from_dict(known["config"]),
            "epochs": tuple(map(epoch_record_from_dict, known["epochs"])),
            "test": None if test is None else FinalScore.from_dict(test),
        }
        return cls(**{**known, **nested})


@dataclass(frozen=True, kw_only=True)
class ReferenceRecord:
    """One training of other people's code, beside the runs of a recipe."""

    key: str
    name: str
    seed: int
    epochs: int
    seconds: float
    """Of training, reading the files and evaluation outside the clock."""
    threads: int
    parameters: int
    """Of its network."""
    test: Score

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: object, *, key: str) -> Self:
        """Build the record of a key from its JSON form."""
        known = require_keys(cls, values)
        require_key(known, key)
        return cls(**{**known, "test": Score(**require_keys(Score, known["test"]))})
