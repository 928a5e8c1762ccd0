"""The kinds of plans, and the plan of any of them from its saved form."""

from collections.abc import Mapping
from typing import Any

from mnist_core.errors import unknown_name
from study.plans.architectures import ArchitecturePlan
from study.plans.base import StudyPlan
from study.plans.optimizers import OptimizerPlan
from study.plans.recipe import RecipePlan

Plan = StudyPlan | RecipePlan
KINDS: dict[str, type[Plan]] = {
    "optimizers": OptimizerPlan,
    "families": ArchitecturePlan,
    "recipe": RecipePlan,
}
"""By the key that no other kind has."""


def plan_from_dict(values: Mapping[str, Any]) -> Plan:
    """Build the plan of any kind from its `to_dict`."""
    for key, kind in KINDS.items():
        if key in values:
            return kind.from_dict(values)
    raise unknown_name("plan with the keys", list(values), KINDS)


def option_differences(previous: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Say which of the options asked for differ from those that a run began with."""
    return [
        f"--{name.replace('_', '-')} was {previous.get(name)!r}, now {value!r}"
        for name, value in asked.items()
        if previous.get(name) != value
    ]
