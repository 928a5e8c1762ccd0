"""RecipePlan: a named recipe on fresh seeds, and the other people's recipes to compare it with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from mnist_core.config import TrainConfig
from mnist_core.errors import UserError, from_mapping, require_known
from mnist_core.recipes import RECIPES
from mnist_core.references.registry import REFERENCES
from study.plans.task import Kind, Task

_SEED_NAMES = {"accuracy": "record", "baseline": "seed", "speed": "sprint"}
"""From which names the seeds of recipes are derived that have been renamed: the runs of before
can be made again."""


@dataclass(frozen=True, kw_only=True)
class RecipePlan:
    """What a run of a recipe will do, fixed before it starts. A wrong value raises `UserError`."""

    recipe: str
    config: TrainConfig
    """Whole, with any seed: the recipe of that name may change later."""
    seeds: int = 5
    seed: int = 0
    """From which the seeds of the runs are derived: another one gives runs that are fresh."""
    target_accuracy: float = 0.99
    """Test accuracy that the mean over the seeds is held against."""
    compare_with: tuple[str, ...] = ()
    """Other people's recipes whose time is taken between the runs."""
    device: str = "cpu"
    threads: int = 1
    """CPU threads of a run: part of what decides the bits."""
    workers: int = 1
    """Runs at the same time: no part of the bits, but of the times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "compare_with", tuple(self.compare_with))
        if self.seeds < 2:
            raise UserError(
                f"seeds must be >= 2, as a single run has no interval, got {self.seeds}"
            )
        for name in ("threads", "workers"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be >= 1, got {getattr(self, name)}")
        if not 0 <= self.seed < 2**63:
            raise UserError(f"seed must be in [0, 2**63), got {self.seed}")
        if not 0 < self.target_accuracy < 1:
            raise UserError(
                f"target_accuracy must be between 0 and 1, got {self.target_accuracy:g}"
            )
        for name in self.compare_with:
            require_known("recipe to compare with", name, REFERENCES)
        if self.compare_with and self.workers > 1:
            raise UserError(
                f"workers must be 1 with --compare-with, got {self.workers}: times of runs that "
                "share the machine cannot be compared"
            )
        if self.compare_with and self.config.dataset != "mnist":
            raise UserError(f"--compare-with needs MNIST, got {self.config.dataset}")

    @property
    def dataset(self) -> str:
        """Return the name of the data set."""
        return self.config.dataset

    @property
    def named(self) -> TrainConfig | None:
        """Return the recipe of that name as it is today; None where there is none any more."""
        return RECIPES.get(self.recipe)

    @property
    def is_as_chosen(self) -> bool:
        """Tell whether this is, unchanged, a recipe that docs/recipes.md tells the choice of."""
        return self.recipe != "baseline" and self.config.with_seed(0) == self.named

    def departures(self) -> list[str]:
        """Say where the recipe of that name is another one now. What is asked for beside the
        name, the data set and the number of epochs, is no such change."""
        if self.named is None:
            return []
        was, now = self.config.to_dict(), self.named.to_dict()
        now |= {name: was[name] for name in ("dataset", "epochs", "seed")}
        return [
            f"`{name}` was {was.get(name, 'the default')}, is {now.get(name, 'the default')}"
            for name in sorted({*was, *now})
            if was.get(name) != now.get(name)
        ]

    def run_configs(self) -> dict[str, TrainConfig]:
        """Return the runs by key. Their seeds are the recipe's own, which nothing else uses."""
        from mnist_core.runtime.randomness import derive_seed

        name = _SEED_NAMES.get(self.recipe, self.recipe)
        seeds = [derive_seed(self.seed, "recipe", name, index) for index in range(self.seeds)]
        configs = [self.config.with_seed(seed % 2**31) for seed in seeds]
        return {f"recipe-{index:02d}": config for index, config in enumerate(configs)}

    def tasks(self) -> list[Task]:
        """Return the runs; the first one's network is kept."""
        return [
            Task(
                key=key,
                kind="confirmation",
                arm=config.optimizer,
                index=index,
                config=config,
                keeps_network=index == 0,
            )
            for index, (key, config) in enumerate(self.run_configs().items())
        ]

    def run_keys(self) -> dict[Kind, list[str]]:
        """Return the keys of all runs, in the order in which they count."""
        return {"confirmation": list(self.run_configs())}

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        lists = {"config": self.config.to_dict(), "compare_with": list(self.compare_with)}
        return {**vars(self), **lists}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a plan from `to_dict`'s mapping; an unknown key is a `UserError`."""
        config = TrainConfig.from_dict(values["config"])
        return from_mapping(cls, {**values, "config": config}, kind="plan key")
