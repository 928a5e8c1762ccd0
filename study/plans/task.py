"""Task: one run of a plan, as a worker gets it, and the key that names its record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

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
class Task:
    """One run to train and record."""

    key: str
    kind: Kind
    arm: str
    variant: Variant | None
    """Of a confirmation in a study."""
    index: int
    parameters: Mapping[str, Option] = field(default_factory=dict)
    """What is searched, as this run has it."""
    config: TrainConfig
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
