"""The plan of a study of optimizers: which ones, over which learning rates or options."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from mnist_core.config import Option, TrainConfig
from mnist_core.optim.custom import WHERE, is_custom, source_sha256
from mnist_core.optim.registry import optimizer_spec, require_optimizer
from study.plans.base import StudyPlan
from study.plans.space import SearchSpace, registry_space
from study.plans.terms import LEARNING_RATES, OPTIMIZERS, Terms


@dataclass(frozen=True, kw_only=True)
class OptimizerPlan(StudyPlan):
    """A study of optimizers, all on the baseline network."""

    ARMS: ClassVar[str] = "optimizers"
    MODULE: ClassVar[str] = "study.optimizers"

    optimizers: tuple[str, ...] = ("sgd", "nesterov", "rmsprop", "adam", "adamw", "nadam")

    @property
    def terms(self) -> Terms:
        return LEARNING_RATES if self.is_learning_rate_alone else OPTIMIZERS

    @property
    def is_learning_rate_alone(self) -> bool:
        return all(space.is_learning_rate_alone for space in self.spaces.values())

    def trial_config(self, arm: str, parameters: Mapping[str, Option]) -> TrainConfig:
        return TrainConfig(
            dataset=self.dataset,
            optimizer=arm,
            epochs=self.epochs,
            seed=self.seed,
            **{**self._settings(), **self.spaces[arm].settings(parameters)},
        )

    def default_parameters(self, arm: str) -> dict[str, Option]:
        """Return the defaults of what is searched: the library's, or the search space's."""
        space = self.spaces[arm]
        values = {**self._settings(), **space.default}
        return {entry.name: values[entry.name] for entry in space.dimensions}

    @property
    def needs_space_file(self) -> bool:
        return any(
            is_custom(name) or space != registry_space(name) for name, space in self.spaces.items()
        )

    def changes(self, entries: Mapping[str, Any]) -> list[str]:
        """Name the optimizers of a user whose source is not what it was."""
        found = []
        for name, entry in entries.items():
            was, now = entry.get("source_sha256"), source_sha256(name) if is_custom(name) else None
            if was is not None and now is None:
                found.append(f"the module of {name} is not found: {WHERE}")
            elif was != now:
                found.append(f"the source of {name} differs: SHA-256 was {was}, is {now}")
        return found

    def arm_entry(self, arm: str) -> dict[str, Any]:
        """Return the registry's entry, or the digest of a user's source."""
        if is_custom(arm):
            return {"name": arm, "source_sha256": source_sha256(arm)}
        return asdict(optimizer_spec(arm))

    def _require_arm(self, name: str) -> None:
        require_optimizer(name)

    def _registered_space(self, arm: str) -> SearchSpace:
        return registry_space(arm)
