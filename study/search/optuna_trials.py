"""Trials as Optuna holds them: parameters, their distributions, and how each ended."""

import json
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import FrozenTrial, TrialState, create_trial

from mnist_core.config import Option
from study.plans.base import StudyPlan
from study.records.run_record import RunRecord

DIVERGED_VALUE = 0.0
"""The value in Optuna of a run that diverged or failed: it classified nothing."""


def distributions(plan: StudyPlan, arm: str) -> dict[str, BaseDistribution]:
    """Return the distribution of each searched parameter, choices as the texts of their JSON:
    Optuna takes no lists."""
    found: dict[str, BaseDistribution] = {}
    for entry in plan.spaces[arm].dimensions:
        if entry.choices:
            found[entry.name] = CategoricalDistribution([json.dumps(c) for c in entry.choices])
        elif entry.integer:
            found[entry.name] = IntDistribution(int(entry.low), int(entry.high), log=entry.log)
        else:
            found[entry.name] = FloatDistribution(entry.low, entry.high, log=entry.log)
    return found


def to_optuna(plan: StudyPlan, arm: str, parameters: Mapping[str, Option]) -> dict[str, Any]:
    """Return a trial's parameters as Optuna holds them."""
    return {
        entry.name: json.dumps(parameters[entry.name]) if entry.choices else parameters[entry.name]
        for entry in plan.spaces[arm].dimensions
    }


def from_optuna(plan: StudyPlan, arm: str, held: Mapping[str, Any]) -> dict[str, Option]:
    """Return a trial's parameters from what Optuna holds."""
    return {
        entry.name: next(c for c in entry.choices if json.dumps(c) == held[entry.name])
        if entry.choices
        else held[entry.name]
        for entry in plan.spaces[arm].dimensions
    }


def trial_value(record: RunRecord) -> float:
    """Return the value in Optuna of a run that was not stopped."""
    accuracy = record.validation_accuracy
    return DIVERGED_VALUE if accuracy is None else accuracy


def finished_trial(plan: StudyPlan, record: RunRecord) -> FrozenTrial:
    """Return a record as a trial."""
    is_pruned = record.status == "pruned"
    return create_trial(
        state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
        value=None if is_pruned else trial_value(record),
        params=to_optuna(plan, record.arm, record.parameters),
        distributions=distributions(plan, record.arm),
        user_attrs={"status": record.status, "weights_sha256": record.weights_sha256},
        intermediate_values={epoch.epoch: epoch.validation_accuracy for epoch in record.epochs},
    )
