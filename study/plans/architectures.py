"""The plan of a study of architectures: which families, and what a network may cost at most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from mnist_core.config import Option, TrainConfig
from mnist_core.data.registry import dataset_spec
from mnist_core.errors import UserError, unknown_name
from mnist_core.optim.registry import optimizer_spec
from study.plans import families
from study.plans.base import StudyPlan
from study.plans.choices import SAMPLERS
from study.plans.families import FAMILIES, Limits
from study.plans.space import LEARNING_RATE, SearchSpace, parameters_text
from study.plans.terms import ARCHITECTURES


@dataclass(frozen=True, kw_only=True)
class ArchitecturePlan(StudyPlan):
    """A study of families of architectures, all trained by one optimizer.

    The limits hold for every trial. Samplers are the independent ones whose points can be passed
    over: one that adapts, or a Latin square, would need proposals inside the limits.
    """

    ARMS: ClassVar[str] = "families"
    MODULE: ClassVar[str] = "study.architectures"
    SAMPLER_NAMES: ClassVar[tuple[str, ...]] = ("qmc", "random")

    families: tuple[str, ...] = FAMILIES
    trials: int = 24
    sampler: str = "qmc"
    optimizer: str = "adam"
    """Of the registry; its range of learning rates is searched for every family."""
    max_parameters: int = 23_354
    """The baseline's count."""
    max_flops: int = 0
    """Forward FLOPs of one image; 0: no limit."""

    def __post_init__(self) -> None:
        optimizer_spec(self.optimizer)
        if self.sampler in SAMPLERS and self.sampler not in self.SAMPLER_NAMES:
            raise UserError(
                f"sampler must be {' or '.join(self.SAMPLER_NAMES)} in a study of architectures: "
                f"the others cannot pass over what the limits forbid, got {self.sampler!r}"
            )
        if self.max_parameters < 1:
            raise UserError(f"max_parameters must be >= 1, got {self.max_parameters}")
        if self.max_flops < 0:
            raise UserError(f"max_flops must be >= 1, or 0 for no limit, got {self.max_flops}")
        super().__post_init__()
        for name in self.arms:
            self._require_some_fit(name)

    terms = ARCHITECTURES

    @property
    def limits(self) -> Limits:
        """Return what an architecture may cost."""
        spec = dataset_spec(self.dataset)
        return Limits(
            parameters=self.max_parameters,
            forward_flops=self.max_flops,
            shape=spec.shape,
            classes=len(spec.classes),
        )

    @property
    def limits_text(self) -> str:
        """Return the limits in words."""
        flops = f" and {self.max_flops:,} forward FLOPs for an image" if self.max_flops else ""
        return f"at most {self.max_parameters:,} parameters{flops}"

    def seed_name(self, arm: str) -> str:
        """Return the name of the arm; of the baseline the one that it had when the committed
        study was made, which can so be made again."""
        return "seed" if arm == "baseline" else arm

    def trial_config(self, arm: str, parameters: Mapping[str, Option]) -> TrainConfig:
        values = {**self.spaces[arm].fixed, **parameters}
        settings = {**self._settings(), LEARNING_RATE: values[LEARNING_RATE]}
        return TrainConfig(
            dataset=self.dataset,
            optimizer=self.optimizer,
            epochs=self.epochs,
            seed=self.seed,
            network=arm,
            network_options=families.network_options(values),
            **settings,
        )

    def default_parameters(self, arm: str) -> dict[str, Option]:
        """Return the optimizer's default learning rate alone, which stands for the family's named
        network. It is a point of reference, and may be larger than the limits."""
        return {LEARNING_RATE: self.spaces[arm].default[LEARNING_RATE]}

    def parameters_at(self, arm: str, point: Sequence[float]) -> dict[str, Option] | None:
        """Return the parameters at a point, its width the largest that fits; None where the
        limits leave nothing of its depth, pooling and head."""
        space = self.spaces[arm]
        units = {entry.name: u for entry, u in zip(space.dimensions, point, strict=True)}
        drawn = {entry.name: entry.at(units[entry.name]) for entry in space.dimensions}
        smallest = families.SMALLEST_SHARE
        share = smallest + (1 - smallest) * units.get("width", 0.0)
        return families.place(space, drawn, share=share, limits=self.limits)

    def chosen_text(self, arm: str, parameters: Mapping[str, Option]) -> str:
        """Return what is searched, as a run has it; of an untuned one, its network's name."""
        is_named = len(parameters) < len(self.spaces[arm].dimensions)
        chosen = parameters_text(parameters)
        return f"network `{arm}`, {chosen}" if is_named else chosen

    def space_text(self, arm: str, *, is_short: bool = False) -> str:
        """Return what is searched for a family, in words."""
        space = self.spaces[arm]
        width, text = space.dimension("width"), space.describe(is_short=is_short)
        if width is None:
            return text
        drawn = (
            f"the largest up to {width.high:g} within a share of the limit, the share uniform in "
            f"{families.SMALLEST_SHARE:g} to 1"
        )
        return text.replace(width.describe(), drawn)

    def arm_entry(self, arm: str) -> dict[str, Any]:
        """Return the family's own network."""
        return families.network_entry(arm)

    def changes(self, entries: Mapping[str, Any]) -> list[str]:
        """Name the families whose own network is not what it was."""
        return [
            f"the registry's network {name!r} differs from the one that the study began with"
            for name, entry in entries.items()
            if entry != families.network_entry(name)
        ]

    def _require_arm(self, name: str) -> None:
        if name not in FAMILIES:
            raise unknown_name("family", name, FAMILIES)

    def _registered_space(self, arm: str) -> SearchSpace:
        return families.family_space(arm, optimizer=self.optimizer)

    def _require_some_fit(self, name: str) -> None:
        narrowest = list(families.smallest(self.spaces[name]))
        if any(map(self.limits.hold, narrowest)):
            return
        parameters = min(map(self.limits.parameters_of, narrowest))
        flops = min(map(self.limits.forward_flops_of, narrowest))
        least = f"{parameters:,} parameters" + (f" and {flops:,} FLOPs" if self.max_flops else "")
        raise UserError(
            f"no architecture of the family {name!r} has {self.limits_text}: its smallest has "
            f"{least}. Raise --max-parameters{' or --max-flops' if self.max_flops else ''}, or "
            "leave it out of --families"
        )
