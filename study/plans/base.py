"""StudyPlan: what a study will do, fixed before it starts, and every run that follows from it.

A study compares *arms* at equal budgets: optimizers (`study.plans.optimizers`), or families of
architectures (`study.plans.architectures`). A plan is frozen and saved beside the results; the
runs of its search and of its confirmation are TrainConfigs derived from it, the same ones for the
same seed. Importing it is cheap.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from mnist_core.config import Option, TrainConfig
from mnist_core.data.registry import dataset_spec
from mnist_core.data.spec import AUGMENTATIONS
from mnist_core.errors import UserError, from_mapping, unknown_name
from study.plans.choices import INDEPENDENT_SAMPLERS, PRUNERS, SAMPLERS
from study.plans.space import SearchSpace, parameters_text, space_from_table
from study.plans.task import VARIANTS, Kind, Task, confirmation_key, trial_key
from study.plans.terms import Terms


@dataclass(frozen=True, kw_only=True)
class StudyPlan(ABC):
    """A study of arms. A wrong value raises `UserError` with the rule and the value."""

    ARMS: ClassVar[str]
    """The field, and the option, that names the arms."""
    MODULE: ClassVar[str]
    """The command."""
    SAMPLER_NAMES: ClassVar[tuple[str, ...]] = tuple(SAMPLERS)
    """The samplers that such a study can have."""

    dataset: str = "mnist"
    trials: int = 30
    """The whole search budget, shared out equally."""
    epochs: int = 1
    batch_size: int = 64
    schedule: str = "one-cycle"
    augmentation: str = "none"
    sampler: str = "lhs"
    pruner: str = "none"
    confirm_seeds: int = 3
    max_confirm_seeds: int = 0
    """Seeds up to which a tuned configuration that is still undecided is taken, in steps of
    `confirm_seeds`; 0: no further than `confirm_seeds`."""
    target_accuracy: float = 0.98
    """Validation accuracy to which the report gives the time."""
    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    """CPU threads of each worker: part of what decides the bits."""
    spaces: Mapping[str, SearchSpace] = field(default_factory=dict, hash=False)
    """What is searched for each arm."""

    def __post_init__(self) -> None:
        object.__setattr__(self, self.ARMS, self.arms)
        for name in self.arms:
            self._require_arm(name)
        if not self.arms or len(set(self.arms)) != len(self.arms):
            raise UserError(f"{self.ARMS} must be one or more different names, got {self.arms}")
        if self.trials < len(self.arms):
            singular = self.terms.singular
            raise UserError(
                f"trials must be >= {len(self.arms)}, one for each {singular}, "
                f"got {self.trials}; raise --trials or name fewer --{self.ARMS}"
            )
        for name, known in (
            ("augmentation", AUGMENTATIONS),
            ("sampler", self.SAMPLER_NAMES),
            ("pruner", PRUNERS),
        ):
            if getattr(self, name) not in known:
                raise unknown_name(name, getattr(self, name), known)
        if self.confirm_seeds < 2:
            raise UserError(
                "confirm_seeds must be >= 2, as a single run has no interval, "
                f"got {self.confirm_seeds}"
            )
        if self.max_confirm_seeds and self.max_confirm_seeds < self.confirm_seeds:
            raise UserError(
                f"max_confirm_seeds must be 0 or >= confirm_seeds ({self.confirm_seeds}), got "
                f"{self.max_confirm_seeds}"
            )
        if not 0 < self.target_accuracy < 1:
            raise UserError(
                f"target_accuracy must be between 0 and 1, got {self.target_accuracy:g}"
            )
        if self.threads < 1:
            raise UserError(f"threads must be >= 1, got {self.threads}")
        self._complete_spaces()
        for name in self.arms:
            self.default_config(name)
        self._require_prunable()

    def _require_prunable(self) -> None:
        """Refuse a pruner for schedules that are annealed, or for a single epoch."""
        if self.pruner == "none":
            return
        if self.epochs < 2:
            raise UserError(f"pruner {self.pruner!r} needs epochs >= 2, got {self.epochs}")
        schedules = {str(value) for name in self.arms for value in self._schedules(name)}
        for schedule in sorted(schedules - {"constant"}):
            raise UserError(
                f"pruner {self.pruner!r} needs --schedule constant, got {schedule!r}: stopping "
                "runs in the middle of an annealed schedule favours small learning rates"
            )

    @property
    @abstractmethod
    def terms(self) -> Terms:
        """Return what is compared, in words."""

    @property
    def arms(self) -> tuple[str, ...]:
        """Return the names of what is compared."""
        return tuple(getattr(self, self.ARMS))

    @abstractmethod
    def trial_config(self, arm: str, parameters: Mapping[str, Option]) -> TrainConfig:
        """Return a trial's configuration. All trials share one seed: they differ in what is
        searched and in nothing else."""

    def seed_name(self, arm: str) -> str:
        """Return the name from which the random seeds of an arm's search are derived."""
        return arm

    @abstractmethod
    def default_parameters(self, arm: str) -> dict[str, Option]:
        """Return what is searched, as the untuned configuration has it."""

    def default_config(self, arm: str) -> TrainConfig:
        """Return the configuration that is confirmed as the untuned one."""
        return self.trial_config(arm, self.default_parameters(arm))

    def trial_task(self, arm: str, index: int, parameters: Mapping[str, Option]) -> Task:
        """Return the run of a trial that was proposed."""
        return Task(
            key=trial_key(arm, index),
            kind="trial",
            arm=arm,
            index=index,
            parameters=parameters,
            config=self.trial_config(arm, parameters),
            prunable=self.pruner != "none",
        )

    def run_keys(self) -> dict[Kind, list[str]]:
        """Return the keys of all runs that there can be, in the order in which they count."""
        trials = [trial_key(arm, index) for index in range(self.trials_each) for arm in self.arms]
        confirmations = [
            confirmation_key(arm, variant, index)
            for variant in VARIANTS
            for arm in self.arms
            for index in range(self.looks[-1])
        ]
        return {"trial": trials, "confirmation": confirmations}

    def parameters_at(self, arm: str, point: Sequence[float]) -> dict[str, Option] | None:
        """Return the parameters at a point of [0, 1)ⁿ, one coordinate for each dimension; None
        where the plan does not allow them."""
        dimensions = self.spaces[arm].dimensions
        return {entry.name: entry.at(u) for entry, u in zip(dimensions, point, strict=True)}

    def chosen_text(self, arm: str, parameters: Mapping[str, Option]) -> str:
        """Return what is searched, as a run has it, for a person."""
        return parameters_text(parameters)

    def space_text(self, arm: str, *, is_short: bool = False) -> str:
        """Return what is searched for an arm, in words."""
        return self.spaces[arm].describe(is_short=is_short)

    @property
    def needs_space_file(self) -> bool:
        """Tell whether anything is searched that the registry would not say by itself."""
        return False

    @abstractmethod
    def changes(self, entries: Mapping[str, Any]) -> list[str]:
        """Say what of the entries in plan.json is no longer what it was."""

    @abstractmethod
    def arm_entry(self, arm: str) -> dict[str, Any]:
        """Return what plan.json says of an arm besides its search, JSON-ready: what it must still
        be when the study is continued."""

    @abstractmethod
    def _require_arm(self, name: str) -> None:
        """Raise `UserError` where there is no such arm."""

    @abstractmethod
    def _registered_space(self, arm: str) -> SearchSpace:
        """Return the search of an arm for which the plan was given none."""

    def _schedules(self, arm: str) -> tuple[Option, ...]:
        """Return every schedule that an arm's runs may have."""
        space = self.spaces[arm]
        searched = space.dimension("schedule")
        return searched.choices if searched else (space.fixed.get("schedule", self.schedule),)

    @property
    def schedule_text(self) -> str:
        """Return the schedule of every run, or that they differ in it."""
        schedules = {value for name in self.arms for value in self._schedules(name)}
        return str(*schedules) if len(schedules) == 1 else "as searched for each"

    def _complete_spaces(self) -> None:
        """Take the registry's entry where no space is given, and refuse what cannot be told
        apart."""
        for name in self.spaces:
            if name not in self.arms:
                raise unknown_name(f"{self.terms.singular} of a search space", name, self.arms)
        given = self.spaces
        spaces = {name: given.get(name) or self._registered_space(name) for name in self.arms}
        object.__setattr__(self, "spaces", spaces)
        labels = [space.label for space in spaces.values()]
        if len(set(labels)) != len(labels):
            raise UserError(
                f"{self.ARMS} must have different labels, got {', '.join(labels)}; name other "
                "ones in --space"
            )

    @property
    def trials_each(self) -> int:
        """Return the search budget of each arm."""
        return self.trials // len(self.arms)

    @property
    def looks(self) -> tuple[int, ...]:
        """Return the numbers of seeds at which a confirmation may stop."""
        most = self.max_confirm_seeds or self.confirm_seeds
        return (*range(self.confirm_seeds, most, self.confirm_seeds), most)

    @property
    def rows(self) -> int:
        """Return the number of training runs, search and confirmation, without added seeds."""
        confirmations = len(self.arms) * len(VARIANTS) * self.confirm_seeds
        return len(self.arms) * self.trials_each + confirmations

    @property
    def is_sequential(self) -> bool:
        """Tell whether an arm's next trial depends on its earlier ones."""
        return self.sampler not in INDEPENDENT_SAMPLERS or self.pruner != "none"

    @property
    def is_learning_rate_alone(self) -> bool:
        """Tell whether every arm's learning rate is searched, and nothing else."""
        return False

    def _settings(self) -> dict[str, Any]:
        """Return what every run has where its arm's space does not say otherwise."""
        augmentation = dataset_spec(self.dataset).augmentation(self.augmentation)
        return {
            "schedule": self.schedule,
            "batch_size": self.batch_size,
            **augmentation.settings(),
        }

    def confirmation_seeds(self) -> list[int]:
        """Return the seeds of the confirmation, as many as it may need, which no trial has
        used."""
        from mnist_core.runtime.randomness import derive_seed

        count = self.looks[-1]
        return [derive_seed(self.seed, "confirmation", index) % 2**31 for index in range(count)]

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """Return the fields that are options of the command line, in the order of a report."""
        first = ("dataset", cls.ARMS)
        names = [entry.name for entry in fields(cls) if entry.name not in (*first, "spaces")]
        return (*first, *names)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping that `from_dict` takes back."""
        values = {name: getattr(self, name) for name in self.option_names()}
        return {
            **values,
            self.ARMS: list(self.arms),
            "spaces": {name: space.to_table() for name, space in self.spaces.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build a plan from `to_dict`'s mapping; an unknown key is a `UserError`."""
        tables: Mapping[str, Any] = values.get("spaces", {})
        spaces = {name: space_from_table(name, table) for name, table in tables.items()}
        return from_mapping(cls, {**values, "spaces": spaces}, kind="plan key")
