"""Run and Task: one run of a plan, as a worker gets it, and the key that names its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from mnist_core.config import Option, TrainConfig

Kind = Literal["trial", "confirmation"]
Variant = Literal["tuned", "default"]
VARIANTS: tuple[Variant, ...] = ("tuned", "default")


@dataclass(frozen=True, kw_only=True)
class EarlierTrial:
    """What an earlier trial of the same arm reached."""

    accuracies: tuple[float, ...]
    """On the validation images, after each epoch."""
    is_pruned: bool


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run is, before it has been trained and after."""

    key: str
    """The name of its record's file."""
    kind: Kind
    arm: str
    """What the study compares: an optimizer, or a family of architectures."""
    variant: Variant | None = None
    """Of a confirmation in a study."""
    index: int
    """Among the runs of its kind, arm and variant."""
    parameters: Mapping[str, Option] = field(default_factory=dict)
    """What is searched, as the trial was proposed or as the untuned configuration has it; a
    confirmation has those of the trial that it confirms. Empty for a recipe."""
    config: TrainConfig

    def run_values(self) -> dict[str, Any]:
        """Return these fields alone, by name."""
        return {entry.name: getattr(self, entry.name) for entry in fields(Run)}


@dataclass(frozen=True, kw_only=True)
class Task(Run):
    """One run to train and record."""

    keeps_network: bool = False
    """Whether the network is left beside the records."""
    prunable: bool = False
    """Whether Optuna may stop it after an epoch."""
    earlier: tuple[EarlierTrial, ...] = ()
    """The trials that a prunable one is compared with."""


def trial_key(arm: str, index: int) -> str:
    """Name the record of a trial."""
    return f"trial-{_file_name(arm)}-{index:03d}"


def confirmation_key(arm: str, variant: Variant, index: int) -> str:
    """Name the record of a confirmation run."""
    return f"confirm-{_file_name(arm)}-{variant}-{index:02d}"


def _file_name(arm: str) -> str:
    """Spare files the colon of package.module:Class, which not every file system takes."""
    return arm.replace(":", ".")
