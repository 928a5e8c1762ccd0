"""StudyPlan: what a study will do, fixed before it starts, and every run that follows from it.

A plan is frozen and saved beside the results; the runs of its search and of its confirmation are
TrainConfigs derived from it, the same ones for the same seed. Importing it is cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from mnist_core.config import Option, TrainConfig
from mnist_core.errors import UserError, unknown_name
from mnist_core.optimizers import require_known
from study.space import SearchSpace, registry_space, space_from_table

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
    spaces: Mapping[str, SearchSpace] = field(default_factory=dict, hash=False)
    """What is searched for each optimizer; where it is not named, the registry's entry."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "optimizers", tuple(self.optimizers))
        for name in self.optimizers:
            require_known(name)
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
        if self.pruner != "none" and self.epochs < 2:
            raise UserError(f"pruner {self.pruner!r} needs epochs >= 2, got {self.epochs}")
        self._complete_spaces()
        for name in self.optimizers:
            self.default_config(name)
        schedules = {str(value) for name in self.optimizers for value in self._schedules(name)}
        for schedule in sorted(schedules - {"constant"}):
            if self.pruner != "none":
                raise UserError(
                    f"pruner {self.pruner!r} needs --schedule constant, got {schedule!r}: "
                    "stopping runs in the middle of an annealed schedule favours small learning "
                    "rates"
                )

    def _schedules(self, optimizer: str) -> tuple[Option, ...]:
        """Return every schedule that an optimizer's runs may have."""
        space = self.spaces[optimizer]
        searched = space.dimension("schedule")
        return searched.choices if searched else (space.fixed.get("schedule", self.schedule),)

    def _complete_spaces(self) -> None:
        """Take the registry's entry where no space is given, and refuse what cannot be told
        apart."""
        for name in self.spaces:
            if name not in self.optimizers:
                raise unknown_name("optimizer of a search space", name, self.optimizers)
        spaces = {
            name: self.spaces[name] if name in self.spaces else registry_space(name)
            for name in self.optimizers
        }
        object.__setattr__(self, "spaces", spaces)
        labels = [space.label for space in spaces.values()]
        if len(set(labels)) != len(labels):
            raise UserError(
                f"optimizers must have different labels, got {', '.join(labels)}; name other ones "
                "in --space"
            )

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

    def trial_config(self, optimizer: str, parameters: Mapping[str, Option]) -> TrainConfig:
        """Return a trial's configuration. All trials share one seed: they differ in what is
        searched and in nothing else."""
        return TrainConfig(
            dataset=self.dataset,
            optimizer=optimizer,
            epochs=self.epochs,
            seed=self.seed,
            **{**self._settings(), **self.spaces[optimizer].settings(parameters)},
        )

    def _settings(self) -> dict[str, Any]:
        """Return what every run has where its optimizer's space does not say otherwise."""
        rotation_degrees, translation = AUGMENTATIONS[self.augmentation]
        return {
            "schedule": self.schedule,
            "batch_size": self.batch_size,
            "rotation_degrees": rotation_degrees,
            "translation": translation,
        }

    def default_config(self, optimizer: str) -> TrainConfig:
        """Return the configuration of the defaults: the library's, or the search space's."""
        space, settings = self.spaces[optimizer], self._settings()
        parameters = {
            entry.name: space.default[entry.name]
            if entry.name in space.default
            else settings[entry.name]
            for entry in space.dimensions
        }
        return self.trial_config(optimizer, parameters)

    @property
    def parameters(self) -> int:
        """Return how many parameters the network has."""
        return self.default_config(self.optimizers[0]).parameters()

    @property
    def is_learning_rate_alone(self) -> bool:
        """Tell whether every optimizer's learning rate is searched, and nothing else."""
        return all(space.is_learning_rate_alone for space in self.spaces.values())

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
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {
            **values,
            "optimizers": list(self.optimizers),
            "spaces": {name: space.to_table() for name, space in self.spaces.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudyPlan:
        """Build a plan from `to_dict`'s mapping; an unknown key is a `UserError`."""
        known = [entry.name for entry in fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_name("plan key", key, known)
        tables: Mapping[str, Any] = values.get("spaces", {})
        spaces = {name: space_from_table(name, table) for name, table in tables.items()}
        return cls(**{**values, "spaces": spaces})
