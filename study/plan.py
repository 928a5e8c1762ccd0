"""StudyPlan: what a study will do, fixed before it starts, and every run that follows from it.

A plan is frozen and saved beside the results; the runs of its search and of its confirmation are
TrainConfigs derived from it, the same ones for the same seed. Importing it is cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from mnist_core.config import TrainConfig
from mnist_core.errors import UserError, unknown_name
from mnist_core.optimizers import optimizer_spec

SAMPLERS = {
    "lhs": "a centred Latin hypercube: with n trials, one in the middle of each n-th of the "
    "logarithmic range, in random order; a few trials then cover the range evenly, which an "
    "adaptive sampler with so little to adapt to cannot promise",
    "qmc": "scrambled Sobol points",
    "random": "independent log-uniform draws",
    "tpe": "Optuna's TPESampler, one study per optimizer, trial after trial",
    "gp": "Optuna's GPSampler, one study per optimizer, trial after trial",
}
PRUNERS = {
    "none": "every trial runs to its end",
    "median": "stop a trial below the median of the same optimizer's trials at the same epoch",
    "hyperband": "successive halving within the same optimizer's trials",
}
AUGMENTATIONS = {"none": (0.0, 0.0), "seed": (10.0, 0.1)}
INDEPENDENT_SAMPLERS = ("lhs", "qmc", "random")

Variant = Literal["tuned", "default"]
VARIANTS: tuple[Variant, ...] = ("tuned", "default")


def _known(kind: str, value: str, known: Mapping[str, object]) -> None:
    if value not in known:
        raise unknown_name(kind, value, known)


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A study of optimizers. A wrong value raises `UserError` with the rule and the value."""

    dataset: str = "mnist"
    optimizers: tuple[str, ...] = ("sgd", "nesterov", "rmsprop", "adam", "adamw", "nadam")
    trials: int = 30
    """The whole search budget, shared out equally."""
    epochs: int = 1
    batch_size: int = 64
    schedule: str = "one-cycle"
    augmentation: str = "none"
    sampler: str = "lhs"
    pruner: str = "none"
    confirm_seeds: int = 3
    confirm_most: int = 0
    """Seeds up to which a tuned configuration that is still undecided is taken, in steps of
    `confirm_seeds`; 0: no further than `confirm_seeds`."""
    target_accuracy: float = 0.98
    """Validation accuracy to which the report gives the time."""
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    """CPU threads of each worker: part of what decides the bits."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizers", tuple(self.optimizers))
        for name in self.optimizers:
            optimizer_spec(name)
        if not self.optimizers or len(set(self.optimizers)) != len(self.optimizers):
            raise UserError(
                f"optimizers must be one or more different names, got {self.optimizers}"
            )
        if self.trials < len(self.optimizers):
            raise UserError(
                f"trials must be >= {len(self.optimizers)}, one for each optimizer, "
                f"got {self.trials}; raise --trials or name fewer --optimizers"
            )
        _known("augmentation", self.augmentation, AUGMENTATIONS)
        _known("sampler", self.sampler, SAMPLERS)
        _known("pruner", self.pruner, PRUNERS)
        if self.confirm_seeds < 2:
            raise UserError(
                "confirm_seeds must be >= 2, as a single run has no interval, "
                f"got {self.confirm_seeds}"
            )
        if self.confirm_most and self.confirm_most < self.confirm_seeds:
            raise UserError(
                f"confirm_most must be 0 or >= confirm_seeds ({self.confirm_seeds}), got "
                f"{self.confirm_most}"
            )
        if not 0 < self.target_accuracy < 1:
            raise UserError(
                f"target_accuracy must be between 0 and 1, got {self.target_accuracy:g}"
            )
        if self.threads < 1:
            raise UserError(f"threads must be >= 1, got {self.threads}")
        if self.pruner != "none" and self.schedule != "constant":
            raise UserError(
                f"pruner {self.pruner!r} needs --schedule constant, got {self.schedule!r}: "
                "stopping runs in the middle of an annealed schedule favours small learning rates"
            )
        if self.pruner != "none" and self.epochs < 2:
            raise UserError(f"pruner {self.pruner!r} needs epochs >= 2, got {self.epochs}")
        self.default_config(self.optimizers[0])

    @property
    def trials_each(self) -> int:
        """Return the search budget of each optimizer."""
        return self.trials // len(self.optimizers)

    @property
    def looks(self) -> tuple[int, ...]:
        """Return the numbers of seeds at which a confirmation may stop."""
        most = self.confirm_most or self.confirm_seeds
        return (*range(self.confirm_seeds, most, self.confirm_seeds), most)

    @property
    def rows(self) -> int:
        """Return the number of training runs, search and confirmation, without added seeds."""
        confirmations = len(self.optimizers) * len(VARIANTS) * self.confirm_seeds
        return len(self.optimizers) * self.trials_each + confirmations

    @property
    def is_sequential(self) -> bool:
        """Tell whether an optimizer's next trial depends on its earlier ones."""
        return self.sampler not in INDEPENDENT_SAMPLERS or self.pruner != "none"

    def trial_config(self, optimizer: str, parameters: Mapping[str, Any]) -> TrainConfig:
        """Return a trial's configuration. All trials share one seed: they differ in what is
        searched and in nothing else."""
        rotation_degrees, translation = AUGMENTATIONS[self.augmentation]
        return TrainConfig(
            dataset=self.dataset,
            optimizer=optimizer,
            learning_rate=parameters["learning_rate"],
            schedule=self.schedule,
            epochs=self.epochs,
            batch_size=self.batch_size,
            rotation_degrees=rotation_degrees,
            translation=translation,
            seed=self.seed,
        )

    def default_config(self, optimizer: str) -> TrainConfig:
        """Return the configuration of the library's defaults."""
        rate = optimizer_spec(optimizer).default_learning_rate
        return self.trial_config(optimizer, {"learning_rate": rate})

    def confirmation_seeds(self) -> list[int]:
        """Return the seeds of the confirmation, as many as it may need, which no trial has
        used."""
        from mnist_core.randomness import derive_seed

        return [
            derive_seed(self.seed, "confirmation", index) % 2**31
            for index in range(self.looks[-1])
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        return {**asdict(self), "optimizers": list(self.optimizers)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudyPlan:
        """Build a plan from `to_dict`'s mapping; an unknown key is a `UserError`."""
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("plan key", key, known)
        return cls(**values)
